/* A host as others have built it: its object file, made against the header of ABI 0.2, is kept beside it
 * (host-0.2.o.txt) and has to run with every later library. Do not change it: another ABI gets a host of its
 * own (docs/abi.md). 0: all held; else the line that did not. */
#include <dg/dg.h>
#include <stdio.h>
#include <string.h>

#define HOLDS(e)                                                                                             \
  do {                                                                                                       \
    if (!(e)) {                                                                                              \
      printf("host.c:%d: %s: %s\n", __LINE__, #e, dg_error(cx));                                             \
      return 1;                                                                                              \
    }                                                                                                        \
  } while (0)
#define OK(e) HOLDS((e) == DG_OK)

static const char model[] =
    "extern fn twice(a: f32[1, U]) -> f32[1, U]\n"
    "  backward (dy) = 2 * dy\n"
    "input x: f32[N, 2]\ninput y: f32[N]\n"
    "param w: f32[1, 2] = 0.25\nparam b: f32 = 0\nparam spare: f32 = 0\n"
    "state seen: f32 = 0\n"
    "let p = sum(x * twice(w), axis = 1) + b\n"
    "loss mse = mean((p - y)^2)\nmetric worst = max(abs(p - y))\noutput line = p\n"
    "train fit { minimize mse; update w, b using sgd(lr = 0.05); seen := seen + 1 }\n";

enum { ROWS = 8 };
static float x[2][ROWS], y[ROWS]; /* x by columns: strides {1, ROWS} */

static int twice(void *user, const dg_array *in, int n, dg_array *out) {
  int64_t i;
  ++*(int *)user;
  for (i = 0; n == 1 && i < in[0].extent[1]; i++)
    ((float *)out->data)[i] = 2 * ((const float *)in[0].data)[i];
  return out->dtype != DG_F32 || out->rank != 2;
}

static int moments[DG_AT_PART + 1];
static int look(void *user, const dg_progress *g) {
  char line[200];
  (void)user;
  if (g->size < sizeof *g) return 1;
  moments[g->at]++;
  (void)dg_progress_line(g, 80, line, sizeof line);
  return 0;
}

/* A struct as an older and as a newer header has it: cut behind `bytes`, or with more behind its end. */
typedef union Room {
  uint32_t size;
  double align;
  char bytes[1000];
} Room;
static void resize(Room *r, const void *from, size_t own, size_t bytes, char rest) {
  uint32_t size = (uint32_t)bytes;
  memset(r, rest, sizeof *r);
  memcpy(r, from, bytes < own ? bytes : own);
  memcpy(r, &size, sizeof size);
}

static int diagnosed(dg_context *cx, dg_program *p) {
  int i, found = 0;
  for (i = 0; i < dg_diagnostic_count(p); i++) {
    const dg_diagnostic *d = dg_diagnostic_at(p, i);
    HOLDS(d->size >= sizeof *d);
    if (strcmp(d->code, "DG0301")) continue;
    found = 1;
    HOLDS(d->severity == DG_SEV_WARNING && !strcmp(d->group, "unused"));
    HOLDS(d->place.line == 7 && d->place.column == 7 && !strcmp(d->place.file, "model.dg"));
    HOLDS(d->subjects == 1 && !strcmp(d->subject[0], "spare"));
    HOLDS(strstr(d->rendered, "never used") && strstr(d->message, "spare"));
  }
  HOLDS(found);
  HOLDS(!dg_diagnostic_at(p, dg_diagnostic_count(p)));
  HOLDS(dg_name_count(p, DG_PARAM) == 3 && !strcmp(dg_name_at(p, DG_STEP, 0), "fit"));
  HOLDS(strstr(dg_report(p), "spare") && strstr(dg_diagnostics_json(p), "DG0301"));
  HOLDS(strstr(dg_diagnostics_text(p, 0), "DG0301") && dg_explain("DG0301") && !dg_explain("DG9999"));
  return 0;
}

static int emits(dg_context *cx, dg_program *p) {
  Room r;
  const char *text;
  size_t n;
  dg_emit_options o;
  memset(&o, 0, sizeof o);
  o.size = sizeof o, o.level = -1, o.entry = "eval";
  OK(dg_emit(p, "graph", &o, &text, &n));
  HOLDS(n == strlen(text));
  resize(&r, &o, sizeof o, offsetof(dg_emit_options, print_after), 0);
  OK(dg_emit(p, "graph", (const dg_emit_options *)&r, &text, &n));
  resize(&r, &o, sizeof o, sizeof o + 40, 0);
  OK(dg_emit(p, "graph", (const dg_emit_options *)&r, &text, &n));
  return 0;
}

/* Sessions by options of three sizes: this one's, an older one's, a newer one's. */
static int opens(dg_context *cx, dg_program *p, dg_session **s) {
  Room r;
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  HOLDS(o.size == sizeof o && o.level == -1 && o.check_finite == 1);
  o.threads = 1, o.seed = 7, o.interpret = !*dg_llvm_version();
  resize(&r, &o, sizeof o, offsetof(dg_session_options, level), 0x55); /* what is behind is not read */
  OK(dg_session_new(p, (const dg_session_options *)&r, s));
  dg_session_free(*s);
  resize(&r, &o, sizeof o, sizeof o + 32, 0);
  OK(dg_session_new(p, (const dg_session_options *)&r, s));
  dg_session_free(*s);
  r.bytes[sizeof o + 8] = 1; /* a setting that the library does not know */
  HOLDS(dg_session_new(p, (const dg_session_options *)&r, s) == DG_USAGE);
  r.size = 0;
  HOLDS(dg_session_new(p, (const dg_session_options *)&r, s) == DG_USAGE);
  memset(&r, 0x55, sizeof r); /* defaults into a smaller struct: nothing behind it is written */
  dg_session_options_init((dg_session_options *)&r, offsetof(dg_session_options, isa));
  HOLDS(r.size == offsetof(dg_session_options, isa) && r.bytes[offsetof(dg_session_options, isa)] == 0x55);
  OK(dg_session_new(p, &o, s));
  return 0;
}

static dg_array columns(void) {
  dg_array a;
  memset(&a, 0, sizeof a);
  a.dtype = DG_F32, a.rank = 2, a.extent[0] = ROWS, a.extent[1] = 2, a.data = x;
  a.stride[0] = 1, a.stride[1] = ROWS;
  return a;
}

static int runs(dg_context *cx, dg_session *s) {
  dg_array ax = columns(), ay, got;
  double first = 0, last = 0;
  float w[2] = {0.25f, 0.25f};
  int i;
  memset(&ay, 0, sizeof ay);
  ay.dtype = DG_F32, ay.rank = 1, ay.extent[0] = ROWS, ay.data = y;
  OK(dg_bind(s, "x", &ax));
  OK(dg_bind(s, "y", &ay));
  OK(dg_step(s, "fit"));
  OK(dg_value(s, "mse", &first));
  for (i = 0; i < 200; i++) OK(dg_step(s, "fit"));
  OK(dg_evaluate(s));
  OK(dg_value(s, "mse", &last));
  HOLDS(last < 1e-3 && last < first);
  OK(dg_predict(s));
  OK(dg_read(s, "line", &got));
  HOLDS(got.dtype == DG_F32 && got.rank == 1 && got.extent[0] == ROWS);
  for (i = 0; i < ROWS; i++) HOLDS(((const float *)got.data)[i] - y[i] < 0.1f);
  OK(dg_read(s, "seen", &got));
  HOLDS(got.rank == 0 && *(const float *)got.data == 201);
  memset(&ay, 0, sizeof ay);
  ay.dtype = DG_F32, ay.rank = 2, ay.extent[0] = 1, ay.extent[1] = 2, ay.data = w;
  OK(dg_write(s, "w", &ay));
  HOLDS(dg_step(s, "nothing") == DG_USAGE && strstr(dg_error(cx), "nothing"));
  return 0;
}

static int trains(dg_context *cx, dg_session *s, const char *file) {
  Room r;
  dg_train_options o;
  dg_facts f;
  char line[300];
  int stopped = 7;
  dg_train_options_init(&o, sizeof o);
  HOLDS(o.size == sizeof o && !o.progress);
  o.epochs = 3, o.progress = look, o.save = file;
  OK(dg_train_prepare(s, &o));
  OK(dg_train(s, &o, &stopped));
  HOLDS(!stopped && moments[DG_AT_STEP] == 3 && moments[DG_AT_EPOCH] == 3 && moments[DG_AT_END] == 1);
  o.epochs = 4;
  resize(&r, &o, sizeof o, offsetof(dg_train_options, save), 0x55);
  OK(dg_train(s, (const dg_train_options *)&r, NULL));
  HOLDS(moments[DG_AT_STEP] == 3); /* an older host without a progress function */
  memset(&f, 0, sizeof f);
  f.size = sizeof f;
  OK(dg_session_facts(s, "fit", &f));
  HOLDS(f.parameters == 4 && dg_facts_line(&f, line, sizeof line) && *line);
  memset(&r, 0x55, sizeof r);
  r.size = offsetof(dg_facts, flops);
  OK(dg_session_facts(s, "fit", (dg_facts *)&r));
  HOLDS(r.bytes[offsetof(dg_facts, flops)] == 0x55 && ((dg_facts *)&r)->parameters == 4);
  OK(dg_save(s, file));
  OK(dg_load(s, file, DG_LOAD_ALL));
  HOLDS(dg_missing_count(s) == 0 && !dg_missing_at(s, 0));
  OK(dg_evaluate_set(s, NULL, 0));
  HOLDS(dg_evaluated_count(s) == 1 && dg_evaluated_at(s, 0)->size >= sizeof(dg_evaluated));
  HOLDS(dg_evaluated_at(s, 0)->values == 2 && !strcmp(dg_evaluated_at(s, 0)->value_name[0], "mse"));
  return 0;
}

int main(int argc, char **argv) {
  int i, failed, calls = 0;
  dg_context *cx = dg_context_new();
  dg_program *p = NULL;
  dg_session *s = NULL;
  for (i = 0; i < ROWS; i++) {
    x[0][i] = (float)i / ROWS, x[1][i] = (float)(i % 3);
    y[i] = 2 * x[0][i] - x[1][i] + 0.5f;
  }
  HOLDS(argc == 2 && *dg_version());
  OK(dg_warn(cx, "dead-params"));
  OK(dg_limit(cx, "nodes", 100000));
  OK(dg_register(cx, "twice", twice, &calls));
  HOLDS(dg_define(cx, "", "1") == DG_USAGE && dg_data_root(cx, "/nonexistent/folder") != DG_OK);
  OK(dg_check_source(cx, "model.dg", model, strlen(model), &p));
  failed = diagnosed(cx, p) || emits(cx, p) || opens(cx, p, &s) || runs(cx, s) || trains(cx, s, argv[1]);
  if (failed) return 1;
  HOLDS(calls > 200);
  dg_cancel(cx, 1);
  HOLDS(dg_step(s, "fit") == DG_CANCELLED);
  dg_cancel(cx, 0);
  OK(dg_step(s, "fit"));
  HOLDS(dg_check_file(cx, "/nonexistent.dg", &p) == DG_IO);
  dg_session_free(s);
  dg_context_free(cx);
  puts("all held");
  return 0;
}
