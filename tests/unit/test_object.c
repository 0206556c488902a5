/* dg_build: what it takes and refuses, names in C, and that an object carries the tables a session walks. */
#include "api/api.h"
#include "api/exec.h"
#include "api_kit.h"
#include "ir/plan/plan.h"
#include "passes/passes.h"
#include "runtime/core/model.h"

#include <math.h>

#if DG_CODEGEN
static dg_built build(dg_context *cx, dg_program *p, const char *name) {
  dg_built b = {.size = sizeof b};
  dg_build_options o = {.size = sizeof o, .name = name, .level = -1};
  ok(dg_build(p, &o, &b));
  return b;
}
#endif

START_TEST(used_wrongly) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  dg_built b = {.size = sizeof b};
  dg_build_options o = {.size = sizeof o, .level = -1};
  ck_assert_int_eq(dg_build(NULL, &o, &b), DG_USAGE);
  fails(DG_USAGE, "dg_built", dg_build(p, &o, NULL));
  b.size = 1;
  fails(DG_USAGE, "dg_built", dg_build(p, &o, &b));
  b.size = sizeof b;
  o.size = 1;
  fails(DG_USAGE, "dg_build_options", dg_build(p, &o, &b));
  o.size = sizeof o;
  o.name = "a-b";
  fails(DG_USAGE, "a-b", dg_build(p, &o, &b));
  o.name = "int";
  fails(DG_USAGE, "int", dg_build(p, &o, &b));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* A refusal is a diagnostic more, with a place, and the program can be used as before. */
START_TEST(refused_with_a_place) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  dg_built b = {.size = sizeof b};
  int before = dg_diagnostic_count(p);
  fails(DG_REJECTED, "'N'", dg_build(p, NULL, &b));
  ck_assert_int_eq(dg_diagnostic_count(p), before + 1);
  const dg_diagnostic *d = dg_diagnostic_at(p, before);
  ck_assert_str_eq(d->code, "DG0521");
  ck_assert_int_eq(d->place.line, 1);
  ck_assert_ptr_nonnull(strstr(d->help, "-D N="));
  dg_session *s = session(cx, p, 1, 1);
  free_all(cx, p, s);
}
END_TEST

#if DG_CODEGEN
static const char names_text[] =
    "module Layer(n: int) {\n"
    "  param w: f32[n] ~ normal(0, 1)\n"
    "  fn (x: f32[n]) -> f32[n] = x * w\n"
    "}\n"
    "let layer = [Layer(3) for i in 0:2]\n"
    "param layer_0_w: f32[3] = 1\n"
    "param double: f32[3] = 1\n"
    "param work: f64[3] = 1\n"
    "param seed: f32[70] = 1\n"
    "input state: f32[3]\n"
    "loss e = sum((layer[0](layer[1](state)) - layer_0_w * double)^2) + sum(seed^2)\n"
    "  + f32(sum(work^2))\n"
    "train init {\n  minimize e\n  update * using sgd(lr = 0.1)\n}\n";

/* Names that C reserves, that the struct has itself, and that become equal. */
START_TEST(names_in_c) {
  dg_context *cx = context();
  dg_program *p = program(cx, names_text);
  dg_built b = build(cx, p, "model");
  static const char *const has[] = {"float layer_0_w[3];",
                                    "float layer_1_w[3];",
                                    "float layer_0_w_2[3];",
                                    "float double_[3];",
                                    "double work_2[3];",
                                    "float seed[70];",
                                    "uint32_t seed_2;",
                                    "int32_t steps_init;",
                                    "model_step_init(model_state *state, const float *state_",
                                    "{\"layer.0.w\", \"F32\"",
                                    "model_state, layer_0_w)",
                                    "unsigned char work["};
  for (size_t i = 0; i < sizeof has / sizeof *has; i++)
    ck_assert_msg(strstr(b.header, has[i]) != NULL, "%s is not in\n%s", has[i], b.header);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* The model within an object: its head says so by a size that is known. */
static Model *model_of(const dg_built *b, Arena *a) {
  for (size_t i = 0; i + sizeof(Model) <= b->object_bytes; i += 8) {
    Model m;
    memcpy(&m, (const char *)b->object + i, sizeof m);
    if (m.version != MODEL_VERSION || m.state_bytes != b->state_bytes || m.bytes > b->object_bytes - i)
      continue;
    return memcpy(arena_alloc(a, m.bytes, STEP_ALIGN), (const char *)b->object + i, m.bytes);
  }
  ck_abort_msg("no model in the object");
  return NULL;
}

static int append(void *sb, const void *p, size_t n) {
  sb_add(sb, (Str){p, n});
  return 0;
}

/* What is saved is loaded again, seed and counters included. */
START_TEST(saved_and_loaded) {
  dg_context *cx = context();
  ok(dg_define(cx, "N", "32"));
  dg_program *p = program(cx, line_text);
  dg_built b = build(cx, p, "line");
  Model *m = model_of(&b, &p->arena);
  char *state = arena_alloc(&p->arena, m->state_bytes, 64),
       *other = arena_alloc(&p->arena, m->state_bytes, 64);
  memset(state, 0, m->state_bytes);
  memset(other, 0x11, m->state_bytes);
  const ModelTensor *t = model_part(m, m->tensor);
  for (uint32_t i = 0; i < m->ntensor; i++)
    state[t[i].at] = (char)i, state[t[i].at + 3] = 0x3f; /* no subnormals */
  memcpy(state + m->seed, &(uint32_t){4000000000u}, 4);
  Sb file;
  int counts = 0;
  sb_init(&file, &p->arena);
  ck_assert_int_eq(dgc_model_save(m, state, append, &file), MODEL_OK);
  ck_assert_ptr_nonnull(memmem(file.p, file.n, "\"dgc.seed\":\"4000000000\"", 23));
  ck_assert_int_eq(dgc_model_load(m, other, file.p, file.n), MODEL_OK);
  for (uint32_t i = 0; i < m->ntensor; i++)
    ck_assert_mem_eq(other + t[i].at, state + t[i].at, safe_dtype_bytes((SafeDtype)t[i].dtype));
  ck_assert_mem_eq(other + m->seed, state + m->seed, 4);
  const float bad[] = {NAN, INFINITY, 1};
  for (int i = 0; i < 3; i++) { /* as a session, it saves nothing that does not load */
    Sb none;
    sb_init(&none, &p->arena);
    memcpy(state + t[0].at, &bad[i], sizeof bad[i]);
    ck_assert_int_eq(dgc_model_save(m, state, append, &none), i < 2 ? MODEL_NON_FINITE : MODEL_OK);
    ck_assert((none.n == 0) == (i < 2));
  }
  for (uint32_t i = 0; i < m->ntensor; i++) { /* a count below 0 is not saved, since it does not load */
    if (!t[i].counts) continue;
    char *high = state + t[i].at + safe_dtype_bytes((SafeDtype)t[i].dtype) - 1, was = *high;
    Sb below;
    sb_init(&below, &p->arena);
    *high = (char)0x80;
    ck_assert_int_eq(dgc_model_save(m, state, append, &below), MODEL_BAD_DATA);
    ck_assert_int_eq(below.n, 0);
    *high = was, counts++;
  }
  ck_assert_int_eq(counts, 3);          /* steps, epochs, batches */
  for (size_t i = 0; i < file.n; i++) { /* a flipped bit is found, and changes nothing */
    file.p[i] ^= 1;
    memset(other, 0x11, m->kept_bytes);
    ck_assert_int_eq(dgc_model_load(m, other, file.p, file.n), MODEL_BAD_DATA);
    for (size_t k = 0; k < m->kept_bytes; k++) ck_assert_int_eq(other[k], 0x11);
    file.p[i] ^= 1;
  }
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* The block an object carries holds, byte by byte, the image that a session walks. */
START_TEST(same_tables) {
  dg_context *cx = context();
  ok(dg_define(cx, "N", "32"));
  dg_program *p = program(cx, line_text);
  dg_built b = build(cx, p, "line");
  ExecOptions o = {.level = -1, .elsewhere = true};
  int found = 0;
  for (uint32_t i = 0; i < p->prog.entry.n; i++) {
    const Entry *e = &p->prog.entry.at[i];
    if (e->kind == ENTRY_EVAL) continue;
    Sb why;
    sb_init(&why, &p->arena);
    const PassOptions quiet = {0};
    Graph *g = passes_reference(&p->arena, &p->prog, e, p->bound.at, p->bound.n, &quiet, &why);
    ck_assert_ptr_nonnull(g);
    g = passes_optimise(&p->arena, g, &quiet);
    Plan *plan = NULL;
    ck_assert_int_eq(exec_plan(&p->arena, g, &o, &plan, &why), ST_OK);
    const StepImage *image = plan_image(&p->arena, plan, &why);
    ck_assert_msg(memmem(b.object, b.object_bytes, image, image->bytes) != NULL, "entry %u", i);
    found++;
  }
  ck_assert_int_eq(found, 3); /* initial values, the step, the prediction */
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST
#endif

#if DG_CODEGEN
UNIT_MAIN(UNIT("refusals", used_wrongly, refused_with_a_place),
          UNIT("objects", names_in_c, saved_and_loaded, same_tables))
#else
UNIT_MAIN(UNIT("refusals", used_wrongly, refused_with_a_place))
#endif
