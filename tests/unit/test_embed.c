/* What an embedding program may do wrong, and what it may rely on: each fault an error value with a reason,
 * nothing of the process changed, no file lost. */
#include "api_kit.h"

#include <signal.h>
#include <xmmintrin.h>

static const char class_text[] = "input x: f32[N, 2]\n"
                                 "input label: i32[N]\n"
                                 "input keep: bool[N]\n"
                                 "input level: f32[N] in [0, 1]\n"
                                 "param w: f32[2, 3] ~ normal(0, 1)\n"
                                 "let logits = x @ w\n"
                                 "loss ce = mean(where(keep, level * cross_entropy(logits, label), 0))\n"
                                 "output p = softmax(logits)\n"
                                 "train fit { minimize ce; update w using sgd(lr = 0.1) }\n";

typedef struct Classes {
  float x[8], level[4];
  int32_t label[4], keep[4];
} Classes;

static dg_session *classes(dg_context *cx, dg_program **p, Classes *c, int interpret) {
  *c = (Classes){.x = {1, 2, 3, 4}, .level = {0, 0.5f, 1, 1}, .label = {0, 1, 2, 0}, .keep = {1, 0, 1, 1}};
  *p = program(cx, class_text);
  dg_session *s = session(cx, *p, interpret, 1);
  dg_array x = {.dtype = DG_F32, .rank = 2, .extent = {4, 2}, .data = c->x},
           label = {.dtype = DG_I32, .rank = 1, .extent = {4}, .data = c->label};
  dg_array keep = {.dtype = DG_BOOL, .rank = 1, .extent = {4}, .data = c->keep},
           level = {.dtype = DG_F32, .rank = 1, .extent = {4}, .data = c->level};
  ok(dg_bind(s, "x", &x));
  ok(dg_bind(s, "label", &label));
  ok(dg_bind(s, "keep", &keep));
  ok(dg_bind(s, "level", &level));
  return s;
}

/* Values are looked at in each step, for the host may write between steps; a step refused changes nothing. */
static void values_bound_by(int interpret) {
  dg_context *cx = context();
  dg_program *p;
  Classes c;
  dg_session *s = classes(cx, &p, &c, interpret);
  dg_array w;
  float before[6];
  ok(dg_step(s, "fit"));
  ok(dg_read(s, "w", &w));
  memcpy(before, w.data, sizeof before);
  c.label[3] = 3;
  fails(DG_BAD_DATA, "input 'label': element 3 is 3, outside 0..2, the classes of cross_entropy",
        dg_step(s, "fit"));
  fails(DG_BAD_DATA, "label", dg_evaluate(s));
  ok(dg_predict(s)); /* reads no label */
  c.label[3] = -1;
  fails(DG_BAD_DATA, "element 3 is -1", dg_step(s, "fit"));
  c.label[3] = 2, c.keep[1] = 7;
  fails(DG_BAD_DATA, "input 'keep': element 1 is 7, and a bool is 0 or 1", dg_step(s, "fit"));
  c.keep[1] = 0, c.level[2] = 1.5f;
  fails(DG_BAD_DATA, "input 'level': element 2 is 1.5, outside the declared range [0, 1]", dg_step(s, "fit"));
  c.level[2] = NAN;
  fails(DG_BAD_DATA, "element 2 is nan", dg_step(s, "fit"));
  ok(dg_read(s, "w", &w));
  ck_assert_int_eq(memcmp(before, w.data, sizeof before), 0);
  c.level[2] = 1, c.level[0] = -1e-40f; /* a zero to dgc */
  ok(dg_step(s, "fit"));
  free_all(cx, p, s);
}

START_TEST(values_bound) {
  for (int i = 0; i < 2; i++) values_bound_by(i);
}
END_TEST

START_TEST(arrays) {
  dg_context *cx = context();
  dg_program *p;
  Classes c;
  dg_session *s = classes(cx, &p, &c, 1);
  dg_array a = {.dtype = DG_F32, .rank = 2, .extent = {4, 2}, .data = (char *)c.x + 1};
  fails(DG_USAGE, "multiple of 4 bytes", dg_bind(s, "x", &a));
  a = (dg_array){.dtype = DG_F64, .rank = 2, .extent = {4, 2}, .data = c.x};
  fails(DG_REJECTED, "input 'x' is f32, the array f64", dg_bind(s, "x", &a));
  a.rank = 1000000;
  fails(DG_REJECTED, "", dg_bind(s, "x", &a));
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {3, 2}, .data = c.x};
  fails(DG_REJECTED, "'w' is f32[2, 3], the array f32[3, 2]", dg_write(s, "w", &a));
  a = (dg_array){.dtype = (dg_dtype)-3, .rank = -1, .extent = {3, 2}, .data = c.x};
  fails(DG_REJECTED, "no dg_dtype", dg_write(s, "w", &a));
  a = (dg_array){.dtype = DG_F32, .rank = INT32_MAX, .extent = {3, 2}, .data = c.x};
  fails(DG_REJECTED, "'w' is", dg_write(s, "w", &a));
  dg_session_options o;
  dg_session *none;
  dg_session_options_init(&o, sizeof o);
  o.threads = -1;
  fails(DG_USAGE, "threads", dg_session_new(p, &o, &none));
  ck_assert_ptr_null(none);
  fails(DG_USAGE, "'fitt': it has fit", dg_step(s, "fitt"));
  fails(DG_USAGE, "it has x, label, keep, level", dg_bind(s, "X", &a));
  free_all(cx, p, s);
}
END_TEST

/* A host that prints dg_error alone learns what is wrong. */
START_TEST(first_error) {
  dg_context *cx = context();
  dg_program *p;
  static const char text[] = "input x: f32[N]\noutput y = xx + z\nloss l = 3\n";
  fails(DG_REJECTED, "t.dg:2:12: nothing here is named 'xx'",
        dg_check_source(cx, "t.dg", text, strlen(text), &p));
  ck_assert_ptr_nonnull(strstr(dg_error(cx), "the first of "));
  dg_program_free(p);
  fails(DG_IO, "cannot read 'gone.dg': no such", dg_check_file(cx, "gone.dg", &p));
  ck_assert_int_eq(dg_diagnostic_count(p), 1);
  ck_assert_ptr_nonnull(strstr(dg_diagnostics_text(p, 0), "error: cannot read 'gone.dg': no such file"));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* ---- calls from within ---- */

typedef struct Inner {
  dg_context *cx;
  dg_session *s;
  int calls, refused;
  unsigned mxcsr;
} Inner;

static int twice(void *user, const dg_array *in, int n, dg_array *out) {
  Inner *k = user;
  dg_array a;
  k->calls++;
  k->mxcsr = _mm_getcsr();
  if (k->s) {
    k->refused += dg_step(k->s, "fit") == DG_USAGE && strstr(dg_error(k->cx), "inside a step");
    k->refused += dg_read(k->s, "w", &a) == DG_USAGE;
    k->refused += dg_train(k->s, NULL, NULL) == DG_USAGE;
  }
  for (int64_t i = 0; i < in[0].extent[0]; i++) ((float *)out->data)[i] = 2 * ((float *)in[0].data)[i];
  return n == 1 ? 0 : 1;
}

static int look(void *user, const dg_progress *g) {
  Inner *k = user;
  dg_array a;
  if (g->at != DG_AT_EPOCH) return 0;
  k->calls++;
  k->refused += dg_train(k->s, NULL, NULL) == DG_USAGE && strstr(dg_error(k->cx), "dg_train");
  k->refused += dg_data(k->s, "train", "x", "x.npy", NULL) == DG_USAGE;
  k->refused += dg_load(k->s, "x.safetensors", 0) == DG_USAGE;
  return dg_read(k->s, "w", &a) != DG_OK || dg_evaluate(k->s) != DG_OK ||
         dg_save(k->s, "look.safetensors") != DG_OK;
}

static const char twice_text[] =
    "extern fn twice(a: f32[U]) -> f32[U]\n  backward (dy) = 2 * dy\n"
    "input x: f32[N]\n"
    "param w: f32[1] = 0.1\n"
    "loss l = mean((twice(x * w) - x / 3)^2)\n"
    "train fit {\n  minimize l\n  update w using adam(lr = 0.015)\n  epochs = 3\n}\n";

static void calls_from_within_by(int interpret) {
  dg_context *cx = context();
  Inner k = {.cx = cx}, t = {.cx = cx};
  ok(dg_register(cx, "twice", twice, &k));
  dg_program *p = program(cx, twice_text);
  dg_session *s = session(cx, p, interpret, 1);
  float x[4] = {1, 2, 3, 4};
  dg_array ax = {.dtype = DG_F32, .rank = 1, .extent = {4}, .data = x};
  ok(dg_bind(s, "x", &ax));
  k.s = s;
  ok(dg_step(s, "fit"));
  ck_assert_int_eq(k.calls, 1);
  ck_assert_int_eq(k.refused, 3);
  k.s = NULL, t.s = s;
  dg_train_options o;
  dg_train_options_init(&o, sizeof o);
  o.progress = look, o.user = &t;
  ok(dg_train(s, &o, NULL));
  ck_assert_int_eq(t.calls, 3);
  ck_assert_int_eq(t.refused, 9);
  unlink("look.safetensors");
  o.epochs = -1;
  fails(DG_USAGE, "epochs", dg_train(s, &o, NULL));
  o.epochs = 0, o.steps = -1;
  fails(DG_USAGE, "steps", dg_train(s, &o, NULL));
  o.steps = 0, o.batch = -1;
  fails(DG_USAGE, "batch", dg_train_prepare(s, &o));
  fails(DG_USAGE, "batch", dg_evaluate_set(s, NULL, -1));
  free_all(cx, p, s);
}

START_TEST(calls_from_within) {
  for (int i = 0; i < 2; i++) calls_from_within_by(i);
}
END_TEST

/* ---- the process stays as it was ---- */

/* Numbers and their bits do not depend on the host's rounding, flushing or traps, which its functions see. */
static void floating_point_modes_by(int interpret) {
  float w[2][1];
  for (int turn = 0; turn < 2; turn++) {
    unsigned plain = _mm_getcsr(), mine = 0x1f80u | _MM_ROUND_UP | _MM_FLUSH_ZERO_ON;
    mine &= ~(unsigned)(_MM_MASK_DIV_ZERO | _MM_MASK_INEXACT); /* traps */
    Inner k = {0};
    if (turn) _mm_setcsr(mine);
    dg_context *cx = dg_context_new();
    dg_status st = dg_register(cx, "twice", twice, &k);
    dg_program *p = NULL;
    dg_session *s = NULL;
    float x[4] = {1, 2, 3, 4};
    dg_array ax = {.dtype = DG_F32, .rank = 1, .extent = {4}, .data = x}, a;
    dg_session_options o;
    dg_session_options_init(&o, sizeof o);
    o.threads = 2, o.interpret = interpret || !native();
    if (st == DG_OK) st = dg_check_source(cx, "t.dg", twice_text, strlen(twice_text), &p);
    if (st == DG_OK) st = dg_session_new(p, &o, &s);
    if (st == DG_OK) st = dg_bind(s, "x", &ax);
    for (int i = 0; i < 3 && st == DG_OK; i++) st = dg_step(s, "fit");
    if (st == DG_OK) st = dg_read(s, "w", &a);
    unsigned after = _mm_getcsr();
    _mm_setcsr(plain);
    ck_assert_msg(st == DG_OK, "%s", dg_error(cx));
    if (turn) ck_assert_uint_eq(after, mine);
    if (turn) ck_assert_uint_eq(k.mxcsr & ~0x3fu, mine);
    memcpy(w[turn], a.data, sizeof w[turn]);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
  ck_assert_int_eq(memcmp(w[0], w[1], sizeof w[0]), 0);
}

START_TEST(floating_point_modes) {
  for (int i = 0; i < 2; i++) floating_point_modes_by(i);
}
END_TEST

START_TEST(handlers_and_locale) {
  struct sigaction before[NSIG], after;
  char *locale = strdup(setlocale(LC_ALL, NULL));
  for (int i = 1; i < 32; i++) sigaction(i, NULL, &before[i]);
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  dg_session *s = session(cx, p, 0, 2);
  bind_line(cx, s, LINE_ROWS);
  ok(dg_step(s, "fit"));
  free_all(cx, p, s);
  for (int i = 1; i < 32; i++) {
    sigaction(i, NULL, &after);
    ck_assert_msg(after.sa_handler == before[i].sa_handler, "signal %d has another handler", i);
  }
  ck_assert_str_eq(setlocale(LC_ALL, NULL), locale);
  free(locale);
}
END_TEST

/* ---- files ---- */

static int last_rows(void *user, const dg_progress *g) {
  (void)user;
  return g->at == DG_AT_STEP && g->batch == 1;
}

/* Buffers bound by the host are read again when a pass over files is over, whatever ended it. */
START_TEST(own_buffers_come_back) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  dg_session *s = session(cx, p, 1, 1);
  double v;
  dg_array a;
  dg_train_options o;
  dg_facts f = {.size = sizeof f};
  dg_train_options_init(&o, sizeof o);
  ok(dg_data(s, "train", "x", "examples/seed/x.npy", NULL));
  ok(dg_data(s, "train", "y", "examples/seed/y.npy", NULL));
  fails(DG_USAGE, "the set 'test' has no data", dg_evaluate_set(s, "test", 0));
  o.batch = 16, o.progress = last_rows;
  ok(dg_train(s, &o, NULL));
  ok(dg_session_facts(s, "fit", &f)); /* of what ran */
  fails(DG_USAGE, "'x' is not bound", dg_predict(s));
  bind_line(cx, s, 5);
  ok(dg_predict(s));
  ok(dg_read(s, "line", &a));
  ck_assert_int_eq(a.extent[0], 5);
  ok(dg_evaluate(s));
  ok(dg_value(s, "mse", &v));
  double mse = v;
  ok(dg_evaluate_set(s, "train", 0));
  ok(dg_value(s, "mse", &v));
  ck_assert_double_ne(v, mse);
  ok(dg_evaluate(s));
  ok(dg_value(s, "mse", &v));
  ck_assert_double_eq(v, mse);
  ok(dg_predict_set(s, "train"));
  ok(dg_read(s, "line", &a));
  ck_assert_int_eq(a.extent[0], 64);
  ok(dg_train_prepare(s, &o));
  ok(dg_session_facts(s, "fit", &f));
  ok(dg_train(s, &o, NULL));
  ok(dg_predict(s));
  ok(dg_read(s, "line", &a));
  ck_assert_int_eq(a.extent[0], 5);
  free_all(cx, p, s);
}
END_TEST

static void put(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  ck_assert_msg(f != NULL, "%s", path);
  fputs(text, f);
  fclose(f);
}

static void holds(const char *path, const char *text) {
  size_t n;
  char *have = slurp(path, &n);
  ck_assert_msg(strcmp(have, text) == 0, "%s was overwritten", path);
  free(have);
}

/* What a session reads is not what it writes: by no name. */
START_TEST(own_files_are_kept) {
  static const char rows[] = "x\n1\n2\n3\n", text[] =
                                                 "import part = \"part.dg\"\n"
                                                 "input x: f32[N, 1]\n"
                                                 "param w: f32[1, 1] = 1\n"
                                                 "loss l = mean(part.square(x @ w))\n"
                                                 "train fit { minimize l; update w using sgd(lr = 0.1) }\n";
  static const char part[] = "fn square(a: f32[..]) -> f32[..] = a^2\n";
  char home[200], *folder = getcwd(home, sizeof home), temp[] = "/tmp/dgc-host-XXXXXX";
  ck_assert_ptr_nonnull(mkdtemp(temp));
  ck_assert(folder && chdir(temp) == 0);
  put("m.dg", text), put("part.dg", part), put("rows.csv", rows);
  ck_assert(symlink("rows.csv", "soft") == 0 && link("m.dg", "hard") == 0);
  dg_context *cx = context();
  dg_program *p;
  ok(dg_check_file(cx, "m.dg", &p));
  dg_session *s = session(cx, p, 1, 1);
  ok(dg_data(s, "train", "x", "rows.csv", NULL));
  static const char *const own[] = {"m.dg", "./part.dg", "rows.csv", "soft", "hard"};
  dg_train_options o;
  dg_train_options_init(&o, sizeof o);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    fails(DG_USAGE, "is not overwritten", dg_save(s, own[i]));
    o.save = own[i];
    fails(DG_USAGE, "is not overwritten", dg_train(s, &o, NULL));
    fails(DG_USAGE, "is not overwritten", dg_train_prepare(s, &o));
  }
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) /* that the rows are read the session alone knows */
    ck_assert_int_eq(dg_may_write(p, own[i]), i == 2 || i == 3 ? DG_OK : DG_USAGE);
  holds("m.dg", text), holds("part.dg", part), holds("rows.csv", rows);
  o.save = "w.safetensors";
  ok(dg_train(s, &o, NULL));
  ok(dg_load(s, "w.safetensors", 0));
  ok(dg_save(s, "w.safetensors")); /* what was loaded may be replaced */
  free_all(cx, p, s);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) unlink(own[i]);
  unlink("w.safetensors");
  ck_assert(chdir(home) == 0 && rmdir(temp) == 0);
}
END_TEST

UNIT_MAIN(UNIT("values", values_bound, arrays, first_error), UNIT("within", calls_from_within),
          UNIT("process", floating_point_modes, handlers_and_locale),
          UNIT("files", own_buffers_come_back, own_files_are_kept))
