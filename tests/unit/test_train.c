/* Training through the library's interface: checkpoints, settings, failures. */
#include "api/session.h"
#include "api_kit.h"

static char folder[64];

/* A path within a folder of this process. */
static const char *scratch(const char *name) {
  static char path[4][128];
  static int turn;
  if (!*folder) {
    strcpy(folder, "/tmp/dg_train_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
  }
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
  return path[turn];
}

static void clean(void) {
  static const char *const names[] = {"a.safetensors", "b.safetensors", "x.csv"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(scratch(names[i]));
  rmdir(folder);
  *folder = 0;
}

static dg_program *from_file(dg_context *cx, const char *path) {
  dg_program *p;
  dg_status st = dg_check_file(cx, path, &p);
  ck_assert_msg(st == DG_OK, "%s\n%s", path, dg_diagnostics_text(p, 0));
  return p;
}

/* ---- checkpoints ---- */

static dg_status train(dg_session *s, int64_t epochs, int64_t steps, const char *save) {
  dg_train_options t;
  dg_train_options_init(&t, sizeof t);
  t.epochs = epochs, t.steps = steps, t.save = save;
  return dg_train(s, &t, NULL);
}

/* Interrupted after `steps` rounds, saved, restored and gone on with: as without. The data have 4 batches. */
static void resumes(int64_t steps) {
  dg_context *cx = context();
  dg_program *p = from_file(cx, "examples/linear.dg");
  dg_session *whole = session(cx, p, 0, 1), *first = session(cx, p, 0, 2), *second;
  ok(train(whole, 3, 0, scratch("a.safetensors")));
  ok(train(first, 3, steps, scratch("b.safetensors")));
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = 1, o.seed = 99; /* the checkpoint's seed counts */
  ok(dg_session_new(p, &o, &second));
  ok(dg_load(second, scratch("b.safetensors"), 0));
  ok(train(second, 3, 0, scratch("b.safetensors")));
  same_bits(cx, p, whole, second, "resumed");
  size_t n, m;
  char *a = slurp(scratch("a.safetensors"), &n), *b = slurp(scratch("b.safetensors"), &m);
  ck_assert(n == m && memcmp(a, b, n) == 0);
  free(a);
  free(b);
  dg_session_free(whole);
  dg_session_free(first);
  dg_session_free(second);
  dg_program_free(p);
  dg_context_free(cx);
  clean();
}

START_TEST(resume_at_an_epoch) { resumes(4); }
END_TEST
START_TEST(resume_within_an_epoch) {
  resumes(1);
  resumes(6);
  resumes(11);
}
END_TEST

START_TEST(saves_single_steps) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  dg_session *a = session(cx, p, 0, 2), *b = session(cx, p, 1, 1);
  bind_line(cx, a, LINE_ROWS);
  bind_line(cx, b, LINE_ROWS);
  for (int i = 0; i < 5; i++) ok(dg_step(a, "fit"));
  ok(dg_save(a, scratch("a.safetensors")));
  ok(dg_load(b, scratch("a.safetensors"), 0));
  for (int i = 0; i < 5; i++) ok(dg_step(a, "fit"));
  for (int i = 0; i < 5; i++) ok(dg_step(b, "fit"));
  same_bits(cx, p, a, b, "restored");
  dg_session_free(b);
  b = session(cx, p, 1, 1);
  dg_array w, m;
  ok(dg_load(b, scratch("a.safetensors"), 1));
  ok(dg_read(b, "w", &w));
  ok(dg_read(b, "fit.m.w", &m));
  ck_assert_float_eq(*(float *)m.data, 0); /* weights alone */
  dg_session_free(a);
  dg_session_free(b);
  dg_program_free(p);
  dg_context_free(cx);
  clean();
}
END_TEST

START_TEST(weights_of_another_program) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text), *q = from_file(cx, "examples/linear.dg");
  dg_session *a = session(cx, p, 1, 1), *b = session(cx, q, 1, 1);
  ok(dg_save(a, scratch("a.safetensors")));
  fails(DG_MISMATCH, "'w'", dg_load(b, scratch("a.safetensors"), 1));
  fails(DG_MISMATCH, "'b'", dg_load(b, scratch("a.safetensors"), 0));
  FILE *f = fopen(scratch("b.safetensors"), "wb");
  ck_assert(f && fputs("nothing of the kind", f) >= 0 && fclose(f) == 0);
  fails(DG_BAD_DATA, "b.safetensors", dg_load(a, scratch("b.safetensors"), 0));
  dg_session_free(a);
  dg_session_free(b);
  dg_program_free(p);
  dg_program_free(q);
  dg_context_free(cx);
  clean();
}
END_TEST

/* ---- failures ---- */

static const char blow_up[] = "input x: f32[N]\nparam w: f32 = 1e30\nloss l = sum(x * w * w)\n"
                              "train fit {\n  minimize l\n  update w using sgd(lr = 1e10)\n}\n";

START_TEST(non_finite) {
  for (int interpret = 0; interpret < 2; interpret++) {
    dg_context *cx = context();
    dg_program *p = program(cx, blow_up);
    dg_session_options o;
    dg_session_options_init(&o, sizeof o);
    o.interpret = interpret || !native();
    dg_session *s;
    float x[2] = {1, 2};
    dg_array a = {.dtype = DG_F32, .rank = 1, .extent = {2}, .data = x};
    ok(dg_session_new(p, &o, &s));
    ok(dg_bind(s, "x", &a));
    fails(DG_NON_FINITE, "'l' is infinite", dg_step(s, "fit"));
    fails(DG_NON_FINITE, "'fit'", train(s, 1, 0, scratch("a.safetensors")));
    ck_assert_int_ne(access(scratch("a.safetensors"), F_OK), 0); /* nothing saved */
    dg_session_free(s);
    o.check_finite = 0;
    ok(dg_session_new(p, &o, &s));
    ok(dg_bind(s, "x", &a));
    ok(dg_step(s, "fit"));
    double v;
    ok(dg_value(s, "l", &v));
    ck_assert(isinf(v));
    fails(DG_NON_FINITE, "", dg_save(s, scratch("a.safetensors")));
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
  clean();
}
END_TEST

static const char on_host[] = "extern fn twice(a: f32[U]) -> f32[U]\n  backward (dy) = 2 * dy\n"
                              "input x: f32[N]\nparam w: f32[1] = 1\nstate n: f32 = 0\n"
                              "let y = twice(x * w)\nloss l = mean((y - 1)^2)\noutput out = y\n"
                              "train fit {\n  minimize l\n  update w using adam(lr = 0.1)\n  n := n + 1\n}\n";

static int twice(void *user, const dg_array *in, int n, dg_array *out) {
  if (n != 1 || in[0].rank != 1 || out->rank != 1 || out->extent[0] != in[0].extent[0]) return 2;
  for (int64_t i = 0; i < in[0].extent[0]; i++) ((float *)out->data)[i] = 2 * ((float *)in[0].data)[i];
  return *(int *)user;
}

START_TEST(host_functions) {
  for (int interpret = 0; interpret < 2; interpret++) {
    dg_context *cx = context();
    int fail = 0;
    dg_program *p = program(cx, on_host);
    dg_session *missing = session(cx, p, interpret, 1);
    ok(dg_register(cx, "twice", twice, &fail));
    ok(dg_register(cx, "never", twice, &fail)); /* no program needs it */
    dg_session *s = session(cx, p, interpret, 1), *untouched = session(cx, p, 1, 1);
    float x[3] = {1, 2, 3};
    dg_array a = {.dtype = DG_F32, .rank = 1, .extent = {3}, .data = x};
    ok(dg_bind(missing, "x", &a));
    ok(dg_bind(s, "x", &a));
    fails(DG_REJECTED, "twice", dg_step(missing, "fit"));
    fail = 1;
    fails(DG_REJECTED, "twice", dg_step(s, "fit"));
    same_bits(cx, p, s, untouched, "a failed step"); /* changes nothing */
    same_bits(cx, p, missing, untouched, "a failed step");
    fail = 0;
    ok(dg_step(s, "fit"));
    ok(dg_predict(s));
    ok(dg_read(s, "n", &a));
    ck_assert_float_eq(*(float *)a.data, 1);
    dg_session_free(missing);
    dg_session_free(s);
    dg_session_free(untouched);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

static const char in_loops[] =
    "extern fn twice(a: f32[U]) -> f32[U]\n  backward (dy) = 2 * dy\n"
    "input x: f32[N]\nparam w: f32[1] = 1\nstate n: f32 = 0\n"
    "let y = scan (y: f32[2] = 0.1) for r in x {\n"
    "  let z = cond r > 2 { twice(y * w) } else { y + r * w }\n"
    "  next y = checkpoint(twice(z) * 0.25 + tanh(z)) + 0.1 * r\n  yield y\n}\n"
    "let v = vmap(fn (r) = twice(r * w), x)\n"
    "loss l = mean((y - 1)^2) + mean(v)\noutput out = y\n"
    "train fit {\n  minimize l\n  update w using adam(lr = 0.1)\n  n := n + 1\n}\n";

typedef struct Calls {
  int n, fail; /* so far; which fails, 0: none */
} Calls;

static int counted(void *user, const dg_array *in, int n, dg_array *out) {
  Calls *c = user;
  int no = 0;
  return twice(&no, in, n, out) || ++c->n == c->fail;
}

START_TEST(host_functions_in_loops) {
  dg_context *cx = context();
  Calls calls = {0};
  dg_program *p = program(cx, in_loops);
  ok(dg_register(cx, "twice", counted, &calls));
  dg_session *native_one = session(cx, p, 0, 2), *interpreted = session(cx, p, 1, 1);
  float x[4] = {1, 2, 3, 4};
  dg_array a = {.dtype = DG_F32, .rank = 1, .extent = {4}, .data = x};
  ok(dg_bind(native_one, "x", &a));
  ok(dg_bind(interpreted, "x", &a));
  for (int step = 0; step < 3; step++) {
    calls.n = 0;
    ok(dg_step(native_one, "fit"));
    ck_assert_int_ge(calls.n, 4 + 2 + 4); /* for each row, each taken side, and again on the way back */
    ok(dg_step(interpreted, "fit"));
    same_bits(cx, p, native_one, interpreted, "a step");
    calls = (Calls){.fail = 6};
    fails(DG_REJECTED, "twice", dg_step(native_one, "fit")); /* in the middle of a loop */
    calls = (Calls){.fail = 6};
    fails(DG_REJECTED, "twice", dg_step(interpreted, "fit"));
    same_bits(cx, p, native_one, interpreted, "a step that failed");
    calls = (Calls){0};
  }
  dg_session_free(native_one);
  dg_session_free(interpreted);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* ---- variants ---- */

START_TEST(many_sizes) {
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N]\nparam w: f32 = 3\noutput y = x * w\n");
  dg_session *s = session(cx, p, 0, 1);
  float x[40];
  for (int i = 0; i < 40; i++) x[i] = (float)i;
  for (int turn = 0; turn < 44; turn++) {
    int64_t n = turn < 22 ? turn + 1 : 44 - turn; /* above 16: variants go and come again */
    dg_array a = {.dtype = DG_F32, .rank = 1, .extent = {n}, .data = x}, y;
    ok(dg_bind(s, "x", &a));
    ok(dg_predict(s));
    ok(dg_read(s, "y", &y));
    ck_assert_int_eq(y.extent[0], n);
    for (int64_t i = 0; i < n; i++) ck_assert_float_eq(((float *)y.data)[i], 3 * x[i]);
  }
  free_all(cx, p, s);
}
END_TEST

START_TEST(assignments_happen_together) { /* two states change places, natively and interpreted */
  for (int interpret = 0; interpret < 2; interpret++) {
    if (!interpret && !native()) continue;
    dg_context *cx = context();
    dg_program *p = program(cx, "input x: f32[N, 1]\ninput y: f32[N, 1]\nparam w: f32[1, 1] = 0\n"
                                "state a: f32 = 1\nstate b: f32 = 2\nloss mse = mean((x @ w - y)^2)\n"
                                "train fit {\n  minimize mse\n  update w using sgd(lr = 0.1)\n}\n"
                                "after fit {\n  a := b\n  b := a\n}\n");
    dg_session *s = session(cx, p, interpret, 1);
    bind_line(cx, s, 4);
    for (int step = 1; step <= 3; step++) {
      dg_array a, b;
      ok(dg_step(s, "fit"));
      ok(dg_read(s, "a", &a));
      ok(dg_read(s, "b", &b));
      ck_assert_float_eq(*(float *)a.data, step % 2 ? 2 : 1);
      ck_assert_float_eq(*(float *)b.data, step % 2 ? 1 : 2);
    }
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

static bool compiled_for(const dg_session *s, int64_t n) {
  for (uint32_t i = 0; i < s->nvariant; i++)
    if (s->variant[i].nbind == 1 && s->variant[i].bind[0].value == n) return true;
  return false;
}

START_TEST(
    least_recently_used_goes) { /* 1 is asked for all the time and stays; 2 is the oldest of the others */
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N]\nparam w: f32 = 3\noutput y = x * w\n");
  dg_session *s = session(cx, p, 1, 1);
  float x[40] = {0};
  for (int64_t n = 2; n <= SESSION_VARIANTS + 1; n++)
    for (int64_t k = n; k >= 1; k -= n - 1) { /* n, then 1 */
      ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {k}, .data = x}));
      ok(dg_predict(s));
    }
  ck_assert(compiled_for(s, 1) && !compiled_for(s, 2));
  for (int64_t n = 3; n <= SESSION_VARIANTS + 1; n++) ck_assert(compiled_for(s, n));
  free_all(cx, p, s);
}
END_TEST

/* ---- settings of train blocks ---- */

typedef struct Log {
  int64_t rows, batch_rows, left_out, batches, steps, epochs;
  int64_t stop_after;
  double train_metric, test_metric;
} Log;

static int note(void *user, const dg_progress *g) {
  Log *l = user;
  switch (g->at) {
  case DG_AT_START:
    l->rows = g->rows, l->batch_rows = g->batch_rows, l->left_out = g->left_out, l->batches = g->batches;
    break;
  case DG_AT_STEP: l->steps++; break;
  case DG_AT_EPOCH:
    l->epochs++;
    for (int i = 0; i < g->values; i++)
      if (!strcmp(g->value_name[i], "m"))
        l->train_metric = g->train_value[i], l->test_metric = g->test_value[i];
    break;
  case DG_AT_PART:
  case DG_AT_END: break;
  }
  return l->stop_after && l->steps >= l->stop_after;
}

/* Ten rows 0 .. 9; n counts steps, sum adds the rows up. */
#define COUNTS(settings)                                                                                     \
  "input x: f32[N]\nparam w: f32 = 0\nstate n: f32 = 0\nstate total: f32 = 0\n"                              \
  "loss l = mean((x - w)^2)\nmetric m = mean(x)\n"                                                           \
  "dataset d { x = csv(\"x.csv\") }\n"                                                                       \
  "train fit {\n  minimize l\n  update w using sgd(lr = 0.01)\n  n := n + 1\n  total := total + sum(x)\n"    \
  "  data = d\n" settings "}\n"

static dg_status run(const char *text, const dg_train_options *with, Log *log, float *n, float *sum,
                     char *why, size_t capacity) {
  dg_context *cx = context();
  FILE *f = fopen(scratch("x.csv"), "w");
  for (int i = 0; i < 10; i++) fprintf(f, "%d\n", i);
  ck_assert_int_eq(fclose(f), 0);
  ok(dg_data_root(cx, folder));
  dg_program *p = program(cx, text);
  dg_session *s = session(cx, p, 1, 1);
  dg_train_options t;
  dg_train_options_init(&t, sizeof t);
  if (with) t = *with;
  *log = (Log){.stop_after = with && with->user ? *(int64_t *)with->user : 0};
  t.progress = note, t.user = log;
  int stopped;
  dg_status st = dg_train(s, &t, &stopped);
  ck_assert(st != DG_OK || stopped == (log->stop_after != 0));
  snprintf(why, capacity, "%s", dg_error(cx));
  dg_array a;
  ok(dg_read(s, "n", &a));
  *n = *(float *)a.data;
  ok(dg_read(s, "total", &a));
  *sum = *(float *)a.data;
  free_all(cx, p, s);
  return st;
}

START_TEST(settings) {
  Log l;
  float n, sum;
  char why[1024];
  /* all rows are one batch, one epoch */
  ck_assert_int_eq(run(COUNTS(""), NULL, &l, &n, &sum, why, sizeof why), DG_OK);
  ck_assert(n == 1 && sum == 45 && l.rows == 10 && l.batches == 1 && l.left_out == 0);
  /* three batches of three, one row is left out */
  ck_assert_int_eq(run(COUNTS("  batch = 3; shuffle = false\n"), NULL, &l, &n, &sum, why, sizeof why), DG_OK);
  ck_assert(n == 3 && sum == 36 && l.left_out == 1 && l.batch_rows == 3 && l.steps == 3 && l.epochs == 1);
  ck_assert_double_eq(l.train_metric, 4);
  ck_assert(isnan(l.test_metric));
  /* filled up with rows from the beginning: 9, 0, 1 */
  ck_assert_int_eq(
      run(COUNTS("  batch = 3; shuffle = false; last = \"pad\"\n"), NULL, &l, &n, &sum, why, sizeof why),
      DG_OK);
  ck_assert(n == 4 && sum == 46 && l.left_out == 0 && l.batches == 4);
  ck_assert_int_eq(
      run(COUNTS("  batch = 16; shuffle = false; last = \"pad\"\n"), NULL, &l, &n, &sum, why, sizeof why),
      DG_OK);
  ck_assert(n == 1 && sum == 45 + 15);
  /* more than there are is an error */
  ck_assert_int_eq(run(COUNTS("  batch = 11\n"), NULL, &l, &n, &sum, why, sizeof why), DG_BAD_DATA);
  ck_assert_msg(strstr(why, "11") && strstr(why, "10"), "%s", why);
  ck_assert(n == 0);
  /* epochs, steps, whichever ends first */
  ck_assert_int_eq(run(COUNTS("  batch = 5; epochs = 3\n"), NULL, &l, &n, &sum, why, sizeof why), DG_OK);
  ck_assert(n == 6 && sum == 135 && l.epochs == 3);
  ck_assert_int_eq(run(COUNTS("  batch = 5; steps = 5\n"), NULL, &l, &n, &sum, why, sizeof why), DG_OK);
  ck_assert(n == 5 && l.epochs == 2);
  ck_assert_int_eq(run(COUNTS("  batch = 5; steps = 5; epochs = 1\n"), NULL, &l, &n, &sum, why, sizeof why),
                   DG_OK);
  ck_assert(n == 2);
  /* every third round, and the settings of the call */
  dg_train_options t;
  dg_train_options_init(&t, sizeof t);
  t.epochs = 2, t.batch = 2;
  ck_assert_int_eq(run(COUNTS("  batch = 5; epochs = 3; every = 3\n"), &t, &l, &n, &sum, why, sizeof why),
                   DG_OK);
  ck_assert(n == 3 && l.steps == 10);
  t.epochs = 0, t.steps = 7;
  ck_assert_int_eq(run(COUNTS("  epochs = 9\n"), &t, &l, &n, &sum, why, sizeof why), DG_OK);
  ck_assert(n == 7);
  /* test data: the metric on both */
  ck_assert_int_eq(run(COUNTS("  batch = 4; validate = d\n"), NULL, &l, &n, &sum, why, sizeof why), DG_OK);
  ck_assert_double_eq(l.test_metric, 4.5); /* the short last batch counts by its rows */
  /* the callback stops it */
  int64_t two = 2;
  dg_train_options_init(&t, sizeof t);
  t.epochs = 100, t.user = &two;
  ck_assert_int_eq(run(COUNTS("  batch = 5\n"), &t, &l, &n, &sum, why, sizeof why), DG_OK);
  ck_assert(n == 2 && l.steps == 2);
  clean();
}
END_TEST

START_TEST(rounds_of_steps) {
  dg_context *cx = context();
  dg_program *p = program(cx, "param a: f32 = 1\nparam b: f32 = 1\nstate k: f32 = 0\nstate n: f32 = 0\n"
                              "loss la = (a - 2)^2\nloss lb = (b - 3)^2\n"
                              "train one {\n  minimize la\n  update a using sgd(lr = 0.1)\n  epochs = 6\n}\n"
                              "train two {\n  minimize lb\n  update b using sgd(lr = 0.1)\n  every = 2\n"
                              "  n := n + 1\n}\n"
                              "after one {\n  every = 3\n  k := k + 1\n}\n");
  dg_session *s = session(cx, p, 1, 1);
  dg_array k, n;
  ok(dg_train(s, NULL, NULL));
  ok(dg_read(s, "k", &k));
  ok(dg_read(s, "n", &n));
  ck_assert_float_eq(*(float *)k.data, 2);
  ck_assert_float_eq(*(float *)n.data, 3);
  free_all(cx, p, s);
}
END_TEST

/* A metric observes: its own call of a normalisation does not move the running mean once more, and one that
 * needs other data than the loss is not asked of training. */
START_TEST(metrics_observe) {
  static const char text[] =
      "module Norm(c: int) {\n  state run: f32[c] = 0\n  param g: f32[c] = 1\n"
      "  fn (x: f32[B, c]) -> f32[B, c] {\n"
      "    run := 0.9 * run + 0.1 * mean(x, axis = 0)\n    return (x - run) * g\n  }\n}\n"
      "input x: f32[N, 2]\ninput z: f32[N]\nlet bn = Norm(2)\n"
      "param w: f32[2] = 1\nloss l = mean((bn(x) @ w)^2)\n%s"
      "train fit { minimize l; update * using sgd(lr = 0.01) }\n";
  char with[1024], without[1024];
  snprintf(without, sizeof without, text, "metric q = mean(z)\n");
  snprintf(with, sizeof with, text, "metric q = mean(z)\nmetric r = mean(bn(2 * x) @ w)\n");
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 9};
  dg_array a = {.dtype = DG_F32, .rank = 2, .extent = {4, 2}, .data = x};
  dg_context *cx = context();
  dg_program *p = program(cx, with), *q = program(cx, without);
  dg_session *s = session(cx, p, 0, 1), *t = session(cx, q, 1, 1);
  ok(dg_bind(s, "x", &a));
  ok(dg_bind(t, "x", &a));
  for (int i = 0; i < 3; i++) {
    ok(dg_step(s, "fit"));
    ok(dg_step(t, "fit"));
  }
  same_bits(cx, p, s, t, "a metric");
  double v;
  ok(dg_value(s, "r", &v));
  fails(DG_USAGE, "'q'", dg_value(s, "q", &v));
  fails(DG_USAGE, "'z'", dg_evaluate(s));
  dg_session_free(s);
  dg_session_free(t);
  dg_program_free(p);
  dg_program_free(q);
  dg_context_free(cx);
}
END_TEST

/* Files fed by the host: training, evaluation with and without test data, prediction of all rows. */
START_TEST(files_fed) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  dg_session *s = session(cx, p, 0, 2);
  double v, w;
  dg_array y;
  fails(DG_USAGE, "no data", dg_evaluate_set(s, NULL, 0));
  ok(dg_data(s, "train", "x", "examples/seed/x.npy", NULL));
  fails(DG_USAGE, "'y'", train(s, 1, 0, NULL));
  ok(dg_data(s, "train", "y", "examples/seed/y.npy", NULL));
  ok(dg_evaluate_set(s, NULL, 3));
  ok(dg_value(s, "mse", &v));
  ok(dg_evaluate_set(s, "train", 0));
  ok(dg_value(s, "mse", &w));
  ck_assert_double_eq_tol(v, w, 1e-5);
  ok(train(s, 20, 0, NULL));
  ok(dg_evaluate_set(s, NULL, 0));
  ok(dg_value(s, "mse", &w));
  ck_assert_double_lt(w, v);
  fails(DG_USAGE, "no data", dg_evaluate_set(s, "test", 0)); /* and not what training left bound */
  ok(dg_predict_set(s, "train"));
  ok(dg_read(s, "line", &y));
  ck_assert_int_gt(y.extent[0], 3);
  fails(DG_BAD_DATA, "", dg_data(s, "train", "x", "examples/linear.dg", NULL));
  free_all(cx, p, s);
}
END_TEST

/* Through 1,000 steps of a simulation: the constants it was made with are found. */
START_TEST(loops_are_fitted) {
  dg_context *cx = context();
  dg_program *p = from_file(cx, "examples/pendulum.dg");
  dg_session *s = session(cx, p, 0, 1);
  dg_array stiffness, friction;
  ok(train(s, 0, native() ? 0 : 120, NULL));
  ok(dg_read(s, "stiffness", &stiffness));
  ok(dg_read(s, "friction", &friction));
  ck_assert_double_eq_tol(*(double *)stiffness.data, 4, 0.02);
  ck_assert_double_eq_tol(*(double *)friction.data, 0.1, 0.01);
  free_all(cx, p, s);
}
END_TEST

/* A network as a velocity, through a method of fourth order: it learns the orbits. */
START_TEST(a_velocity_is_fitted) {
  dg_context *cx = context();
  ok(dg_define(cx, "steps", "40"));
  dg_program *p = from_file(cx, "examples/neural-ode.dg");
  dg_session *s = session(cx, p, 0, 1);
  double before, after;
  ok(dg_evaluate(s));
  ok(dg_value(s, "error", &before));
  ok(train(s, 0, native() ? 0 : 20, NULL));
  ok(dg_evaluate(s));
  ok(dg_value(s, "error", &after));
  ck_assert_msg(after < before * (native() ? 0.1 : 0.8), "error %g, then %g", before, after);
  free_all(cx, p, s);
}
END_TEST

UNIT_MAIN(UNIT("checkpoints", resume_at_an_epoch, resume_within_an_epoch, saves_single_steps,
               weights_of_another_program),
          UNIT("failures", non_finite, host_functions, host_functions_in_loops),
          UNIT("variants", many_sizes, least_recently_used_goes, assignments_happen_together),
          UNIT("settings", settings, rounds_of_steps, metrics_observe, files_fed, loops_are_fitted,
               a_velocity_is_fitted))
