/* Metrics made of total(..): of a pass, whatever its batches; of one step, where the host takes single steps.
 */
#include "api_kit.h"

static const char text[] =
    "input x: f32[N]\n"
    "input k: i32[N]\n"
    "param w: f32 = 2\n"
    "let e = (w * x)^2\n"
    "loss l = mean(e)\n"
    "metric rms = (total(sum(e)) / total(size(e)))^0.5\n"
    "metric batches = total(1)\n"
    "metric kinds = max(total(sum(f32(k[:, _] == range(3)[_, :]), axis = 0)))\n"
    "metric mean_of = mean(e)\n"
    "train fit { minimize l; update w using sgd(lr = 0); batch = 2; shuffle = false }\n";

static float x[7] = {1, -2, 3, 0, 5, 8, -13};
static int32_t k[7] = {0, 1, 1, 2, 1, 0, 1};

static void bind(dg_context *cx, dg_session *s, int from, int rows) {
  dg_array ax = {.dtype = DG_F32, .rank = 1, .extent = {rows}, .data = x + from},
           ak = {.dtype = DG_I32, .rank = 1, .extent = {rows}, .data = k + from};
  ok(dg_bind(s, "x", &ax));
  ok(dg_bind(s, "k", &ak));
}

static double value(dg_context *cx, dg_session *s, const char *name) {
  double v;
  ok(dg_value(s, name, &v));
  return v;
}

static double rms(int from, int rows) {
  double sum = 0;
  for (int i = from; i < from + rows; i++) sum += 4.0 * x[i] * x[i];
  return sqrt(sum / rows);
}

START_TEST(of_what_is_bound) { /* a step or an evaluation of the host is a pass of one batch */
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session *s = session(cx, p, _i, 1);
  for (int turn = 0; turn < 2; turn++) {
    bind(cx, s, 2 * turn, 3 + turn);
    ok(dg_evaluate(s));
    ck_assert_double_eq_tol(value(cx, s, "rms"), rms(2 * turn, 3 + turn), 1e-12);
    ck_assert_double_eq(value(cx, s, "batches"), 1);
    ok(dg_step(s, "fit"));
    ck_assert_double_eq_tol(value(cx, s, "rms"), rms(2 * turn, 3 + turn), 1e-12);
    ck_assert_double_eq(value(cx, s, "batches"), 1);
  }
  ck_assert_int_eq(dg_name_count(p, DG_STATE), 0); /* what is summed is no state of the model */
  free_all(cx, p, s);
}
END_TEST

typedef struct Seen {
  double rms[4], batches[4];
  int n;
} Seen;

static int see(void *user, const dg_progress *g) {
  Seen *seen = user;
  if (g->at != DG_AT_EPOCH) return 0;
  for (int i = 0; i < g->values; i++) {
    if (!strcmp(g->value_name[i], "rms")) seen->rms[seen->n] = g->train_value[i];
    if (!strcmp(g->value_name[i], "batches")) seen->batches[seen->n] = g->train_value[i];
  }
  seen->n++;
  return 0;
}

static const char *data(const char *name, const char *line) {
  static char path[2][64];
  static int turn;
  turn = !turn;
  snprintf(path[turn], sizeof path[turn], "/tmp/dg_total_%d_%s.csv", (int)getpid(), name);
  FILE *f = fopen(path[turn], "w");
  ck_assert_ptr_nonnull(f);
  fputs(line, f);
  fclose(f);
  return path[turn];
}

START_TEST(of_a_pass) { /* 7 rows in batches of 3: the last has one row; training leaves the last row out */
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session *s = session(cx, p, _i, 1);
  const char *fx = data("x", "1\n-2\n3\n0\n5\n8\n-13\n"), *fk = data("k", "0\n1\n1\n2\n1\n0\n1\n");
  for (int set = 0; set < 2; set++) {
    ok(dg_data(s, set ? "test" : "train", "x", fx, NULL));
    ok(dg_data(s, set ? "test" : "train", "k", fk, NULL));
  }
  for (int turn = 0; turn < 2; turn++) {
    ok(dg_evaluate_set(s, "test", 3));
    ck_assert_double_eq_tol(value(cx, s, "rms"), rms(0, 7), 1e-9);
    ck_assert_double_eq(value(cx, s, "batches"), 3);
    ck_assert_double_eq(value(cx, s, "kinds"), 4);
    ck_assert_double_eq_tol(value(cx, s, "mean_of"), rms(0, 7) * rms(0, 7), 1e-4);
  }
  Seen seen = {.n = 0};
  dg_train_options o;
  dg_train_options_init(&o, sizeof o);
  o.epochs = 2, o.progress = see, o.user = &seen;
  ok(dg_train(s, &o, NULL));
  ck_assert_int_eq(seen.n, 2);
  for (int i = 0; i < 2; i++) {
    ck_assert_double_eq_tol(seen.rms[i], rms(0, 6), 1e-9);
    ck_assert_double_eq(seen.batches[i], 3);
  }
  unlink(fx);
  unlink(fk);
  free_all(cx, p, s);
}
END_TEST

UNIT_MAIN(UNIT_TURNS("total", 2, of_what_is_bound, of_a_pass))
