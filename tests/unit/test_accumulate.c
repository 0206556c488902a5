/* accumulate = k: updates by the mean gradient of k batches. The numbers are such that nothing rounds. */
#include "api_kit.h"

static dg_array scalars(float *x, int64_t rows) {
  return (dg_array){.dtype = DG_F32, .rank = 1, .extent = {rows}, .data = x};
}

static float one(dg_context *cx, dg_session *s, const char *name) {
  dg_array a;
  ok(dg_read(s, name, &a));
  return a.dtype == DG_I32 ? (float)*(int32_t *)a.data : *(float *)a.data;
}

/* One batch of two equal rows: the gradient of the loss by w is x. */
static void step(dg_context *cx, dg_session *s, float x) {
  float rows[2] = {x, x};
  dg_array a = scalars(rows, 2);
  ok(dg_bind(s, "x", &a));
  ok(dg_step(s, "fit"));
}

START_TEST(mean_then_clip) {
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N]\n"
                              "param w: f32 = 0\n"
                              "loss l = mean(w * x)\n"
                              "train fit {\n"
                              "  minimize l\n"
                              "  update w using sgd(lr = step)\n"
                              "  accumulate = 2; clip_value = 2\n"
                              "}\n");
  dg_session *s = session(cx, p, _i, 1);
  double loss;
  step(cx, s, 8); /* mean 1: neither is clipped */
  ck_assert_float_eq(one(cx, s, "w"), 0);
  ck_assert_float_eq(one(cx, s, "fit.gradient.w"), 8);
  ck_assert_float_eq(one(cx, s, "fit.gathered"), 1);
  step(cx, s, -6);
  ck_assert_float_eq(one(cx, s, "w"), -1);
  ck_assert_float_eq(one(cx, s, "fit.gradient.w"), 0);
  ck_assert_float_eq(one(cx, s, "fit.gathered"), 0);
  step(cx, s, 4); /* mean 6, clipped to 2; the rate of the second update is 2 */
  ok(dg_value(s, "l", &loss));
  ck_assert_double_eq(loss, -4);
  step(cx, s, 8);
  ck_assert_float_eq(one(cx, s, "w"), -5);
  free_all(cx, p, s);
}
END_TEST

START_TEST(norm_of_the_mean) {
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N]\n"
                              "param w: f32 = 0\n"
                              "param v: f32 = 0\n"
                              "loss l = mean(3 * w * x + 4 * v * x)\n"
                              "train fit {\n"
                              "  minimize l\n"
                              "  update w, v using sgd(lr = 1)\n"
                              "  accumulate = 4; clip_norm = 5\n"
                              "}\n");
  dg_session *s = session(cx, p, _i, 1);
  for (int i = 0; i < 4; i++) step(cx, s, (float)(16 - 8 * i)); /* mean 4: norm 20 */
  ck_assert_float_eq_tol(one(cx, s, "w"), -3, 1e-6f);
  ck_assert_float_eq_tol(one(cx, s, "v"), -4, 1e-6f);
  free_all(cx, p, s);
}
END_TEST

START_TEST(what_counts_what) { /* the model's states and draws are of each batch, `after` is of each update */
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N]\n"
                              "param w: f32 = 0\n"
                              "state batches: i32 = 0\n"
                              "state updates: i32 = 0\n"
                              "state last: f32 = 0\n"
                              "let noise: f32 ~ uniform(0, 1)\n"
                              "loss l = mean(w * x) + 0*noise\n"
                              "train fit {\n"
                              "  minimize l\n"
                              "  update w using sgd(lr = 1)\n"
                              "  batches := batches + 1\n"
                              "  last := noise\n"
                              "  accumulate = 3\n"
                              "}\n"
                              "after fit { updates := step }\n");
  dg_session *s = session(cx, p, _i, 1);
  float drawn[9];
  for (int i = 0; i < 9; i++) {
    step(cx, s, 1);
    drawn[i] = one(cx, s, "last");
    for (int k = 0; k < i; k++) ck_assert(drawn[k] != drawn[i]);
    ck_assert_float_eq(one(cx, s, "batches"), (float)(i + 1));
    ck_assert_float_eq(one(cx, s, "updates"), (float)((i + 1) / 3));
    ck_assert_float_eq(one(cx, s, "w"), (float)(-(i + 1) / 3));
  }
  free_all(cx, p, s);
}
END_TEST

/* ---- training on data ---- */

static const char *file(const char *name) {
  static char path[4][96];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "/tmp/dg_accumulate_%d_%s.csv", (int)getpid(), name);
  return path[turn];
}

static void csv(const char *path, int columns) { /* 14 rows */
  FILE *f = fopen(path, "w");
  ck_assert_ptr_nonnull(f);
  for (int i = 0; i < 14; i++)
    for (int k = 0; k < columns; k++)
      fprintf(f, "%g%s", (i * 7 + k * 5) % 13 / 4.0 - 1, k + 1 < columns ? "," : "\n");
  fclose(f);
}

typedef struct Ends {
  int64_t unfinished, until;
} Ends;

static int look(void *user, const dg_progress *g) {
  Ends *e = user;
  if (g->at == DG_AT_END) e->unfinished = g->unfinished;
  return g->at == DG_AT_STEP && e->until && g->batch + (g->epoch - 1) * g->batches >= e->until;
}

static dg_session *fed(dg_context *cx, dg_program *p, int interpret, int threads) {
  dg_session *s = session(cx, p, interpret, threads);
  csv(file("x"), 4);
  csv(file("y"), 1);
  ok(dg_data(s, "train", "x", file("x"), NULL));
  ok(dg_data(s, "train", "y", file("y"), NULL));
  return s;
}

static int64_t train(dg_context *cx, dg_session *s, int64_t epochs, int64_t until, const char *save) {
  Ends e = {.until = until};
  dg_train_options o;
  dg_train_options_init(&o, sizeof o);
  o.epochs = epochs, o.save = save, o.progress = look, o.user = &e;
  ok(dg_train(s, &o, NULL));
  return e.unfinished;
}

static const char net_text[] = "import nn\n"
                               "input x: f32[N, 4]\n"
                               "input y: f32[N, 1]\n"
                               "let net = nn.Mlp([4, 5, 1])\n"
                               "state seen: f32 = 0\n"
                               "loss mse = mean((net(dropout(x, 0.2)) - y)^2)\n"
                               "train fit {\n"
                               "  minimize mse\n"
                               "  update net using adam(lr = 0.01)\n"
                               "  seen := seen + 1\n"
                               "  batch = 4; clip_norm = 1\n"
                               "  %s\n"
                               "}\n";

static dg_program *net(dg_context *cx, const char *setting) {
  char text[1024];
  snprintf(text, sizeof text, net_text, setting);
  return program(cx, text);
}

/* 3 batches an epoch, 2 an update: groups go on into the next epoch. Stopped behind `until` batches and
 * resumed. */
static void resumes(int64_t until, int64_t left, int interpret) {
  dg_context *cx = context();
  dg_program *p = net(cx, "accumulate = 2");
  dg_session *whole = fed(cx, p, interpret, 2), *first = fed(cx, p, interpret, 1), *second = fed(cx, p, 1, 1);
  ck_assert_int_eq(train(cx, whole, 3, 0, NULL), 1);
  ck_assert_int_eq(train(cx, first, 3, until, file("ck")), left);
  ok(dg_load(second, file("ck"), DG_LOAD_ALL));
  ck_assert_int_eq(train(cx, second, 3, 0, NULL), 1);
  same_bits(cx, p, whole, second, "resumed");
  ck_assert_float_eq(one(cx, second, "seen"), 9);
  const char *names[] = {"x", "y", "ck"};
  for (int i = 0; i < 3; i++) unlink(file(names[i]));
  dg_session_free(whole);
  dg_session_free(first);
  dg_session_free(second);
  dg_program_free(p);
  dg_context_free(cx);
}

START_TEST(resumed_between_groups) { resumes(4, 0, _i); }
END_TEST
START_TEST(resumed_in_a_group) { resumes(5, 1, _i); }
END_TEST
START_TEST(resumed_at_an_epoch) { resumes(3, 1, _i); }
END_TEST

START_TEST(one_is_none) { /* the same checkpoint, byte for byte */
  dg_context *cx = context();
  dg_program *p = net(cx, "accumulate = 1"), *q = net(cx, "");
  dg_session *a = fed(cx, p, _i, 1), *b = fed(cx, q, _i, 1);
  ck_assert_int_eq(train(cx, a, 2, 0, file("a")), 0);
  ck_assert_int_eq(train(cx, b, 2, 0, file("b")), 0);
  size_t n, m;
  char *u = slurp(file("a"), &n), *v = slurp(file("b"), &m);
  ck_assert(n == m && memcmp(u, v, n) == 0);
  free(u);
  free(v);
  const char *names[] = {"x", "y", "a", "b"};
  for (int i = 0; i < 4; i++) unlink(file(names[i]));
  dg_session_free(a);
  dg_session_free(b);
  dg_program_free(p);
  dg_program_free(q);
  dg_context_free(cx);
}
END_TEST

START_TEST(
    steps_of_their_own_groups) { /* in a round each step takes its own number of batches, then updates */
  dg_context *cx = context();
  dg_program *p = program(
      cx, "input x: f32[N, 4]\n"
          "input y: f32[N, 1]\n"
          "param w: f32 = 0\n"
          "param v: f32 = 0\n"
          "param u: f32 = 0\n"
          "state a: i32 = 0\n"
          "state b: i32 = 0\n"
          "state c: i32 = 0\n"
          "loss one = w + 0*mean(x)\n"
          "loss two = v + 0*mean(y)\n"
          "loss three = u + 0*mean(y)\n"
          "train p { minimize one; update w using sgd(lr = 1); a := a + 1; batch = 2; steps = 4; accumulate "
          "= 2 }\n"
          "train q { minimize two; update v using sgd(lr = 1); b := b + 1; accumulate = 3 }\n"
          "train r { minimize three; update u using sgd(lr = 1); c := c + 1; accumulate = 2; every = 2 }\n");
  dg_session *s = fed(cx, p, _i, 1);
  dg_train_options o;
  dg_train_options_init(&o, sizeof o);
  ok(dg_train(s, &o, NULL));
  ck_assert_float_eq(one(cx, s, "w"), -4);
  ck_assert_float_eq(one(cx, s, "a"), 8);
  ck_assert_float_eq(one(cx, s, "v"), -4);
  ck_assert_float_eq(one(cx, s, "b"), 12);
  ck_assert_float_eq(one(cx, s, "u"), -2);
  ck_assert_float_eq(one(cx, s, "c"), 4);
  o.steps = 1; /* more */
  ok(dg_train(s, &o, NULL));
  ck_assert_float_eq(one(cx, s, "w"), -5);
  ck_assert_float_eq(one(cx, s, "b"), 15);
  unlink(file("x"));
  unlink(file("y"));
  free_all(cx, p, s);
}
END_TEST

UNIT_MAIN(UNIT_TURNS("accumulate", 2, mean_then_clip, norm_of_the_mean, what_counts_what,
                     steps_of_their_own_groups),
          UNIT_TURNS("resumed", 2, resumed_between_groups, resumed_in_a_group, resumed_at_an_epoch,
                     one_is_none))
