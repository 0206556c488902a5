/* The examples through the library's interface: the interpreter's bits at each level and number of threads.
 */
#include "api_kit.h"
#include "isa_kit.h"

static dg_program *from_file(dg_context *cx, const char *path) {
  dg_program *p;
  dg_status st = dg_check_file(cx, path, &p);
  ck_assert_msg(st == DG_OK, "%s\n%s", path, dg_diagnostics_text(p, 0));
  return p;
}

typedef struct Case {
  const char *path;
  const char *define[3][2];
} Case;

static uint32_t next(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u, *seed >> 8; }

/* Rows that any of the examples takes. */
static void bind_any(dg_context *cx, const dg_program *p, dg_session *s, int64_t rows, char *memory,
                     size_t capacity) {
  uint32_t seed = 7;
  for (int i = 0; i < dg_name_count(p, DG_INPUT); i++) {
    const char *name = dg_name_at(p, DG_INPUT, i);
    bool label = !strcmp(name, "label"), image = !strcmp(name, "image"), y = !strcmp(name, "y");
    dg_array a = {.dtype = label   ? DG_I32
                           : image ? DG_U8
                                   : DG_F32,
                  .rank = label || y ? 1 : 2,
                  .extent = {rows, image ? 784 : 3},
                  .data = memory};
    if (!image && strstr(dg_name_at(p, DG_LOSS, 0), "ce")) a.extent[1] = 2;
    int64_t n = rows * (a.rank == 2 ? a.extent[1] : 1);
    ck_assert((size_t)n * 4 <= capacity);
    for (int64_t k = 0; k < n; k++)
      if (label)
        ((int32_t *)memory)[k] = (int32_t)(next(&seed) % 10);
      else if (image)
        ((uint8_t *)memory)[k] = (uint8_t)(next(&seed) % 256);
      else
        ((float *)memory)[k] = y ? (float)(next(&seed) % 2) : (float)next(&seed) * 0x1p-23f - 1;
    ok(dg_bind(s, name, &a));
    memory += n * 4, capacity -= (size_t)n * 4;
  }
}

/* Steps by the interpreter, then natively at each level, instruction set and number of threads. */
static void same_everywhere(const Case *c) {
  enum { ROWS = 6, STEPS = 3 };
  static char memory[1 << 16];
  static const int threads[] = {1, 2, 3, 5};
  dg_context *cx = context();
  for (int i = 0; i < 3 && c->define[i][0]; i++) ok(dg_define(cx, c->define[i][0], c->define[i][1]));
  dg_program *p = from_file(cx, c->path);
  dg_session *reference = session(cx, p, 1, 1);
  bind_any(cx, p, reference, ROWS, memory, sizeof memory);
  double want, got;
  for (int k = 0; k < STEPS; k++) ok(dg_step(reference, dg_name_at(p, DG_STEP, 0)));
  ok(dg_value(reference, dg_name_at(p, DG_LOSS, 0), &want));
  for (int turn = 0; turn < 4; turn++) {
    char what[64];
    dg_session_options o;
    dg_session_options_init(&o, sizeof o);
    o.level = turn, o.isa = isa_name(), o.threads = threads[(turn + (isa_level() == CPU_AVX512)) % 4];
    snprintf(what, sizeof what, "level %d, %s, %d threads", o.level, o.isa, o.threads);
    dg_session *s;
    ok(dg_session_new(p, &o, &s));
    bind_any(cx, p, s, ROWS, memory, sizeof memory);
    for (int k = 0; k < STEPS; k++) ok(dg_step(s, dg_name_at(p, DG_STEP, 0)));
    same_bits(cx, p, reference, s, what);
    ok(dg_value(s, dg_name_at(p, DG_LOSS, 0), &got));
    ck_assert_msg(memcmp(&want, &got, sizeof got) == 0, "%s: loss %.17g, not %.17g", what, got, want);
    dg_session_free(s);
  }
  dg_session_free(reference);
  dg_program_free(p);
  dg_context_free(cx);
}

START_TEST(bits_of_linear) { same_everywhere(&(Case){.path = "examples/linear.dg"}); }
END_TEST
START_TEST(bits_of_loops) {
  same_everywhere(&(Case){.path = "examples/pendulum.dg"});
  same_everywhere(&(Case){.path = "examples/lstm.dg", .define = {{"steps", "37"}, {"width", "19"}}});
  same_everywhere(&(Case){.path = "examples/neural-ode.dg", .define = {{"steps", "23"}}});
}
END_TEST
START_TEST(bits_of_logistic) { same_everywhere(&(Case){.path = "examples/logistic.dg"}); }
END_TEST
START_TEST(bits_of_mlp) {
  same_everywhere(&(Case){"examples/fashion-mnist/mlp.dg", {{"hidden", "17"}, {"hidden2", "9"}}});
}
END_TEST
START_TEST(bits_of_cnn) {
  same_everywhere(&(Case){"examples/fashion-mnist/cnn.dg", {{"c1", "2"}, {"c2", "3"}}});
}
END_TEST

ISA_MAIN(UNIT("bits", bits_of_linear, bits_of_loops, bits_of_logistic, bits_of_mlp, bits_of_cnn))
