/* categorical: each index as often as softmax says, the same for the same seed. */
#include "api_kit.h"

enum { ROWS = 20000, CLASSES = 4 };

static const char text[] = "const rows = 20000\n"
                           "param logits: f32[4] = [0, 1, -1, 0.5]\n"
                           "param wide: f64[2, 2] = [[0, 1], [0, -1]]\n"
                           "let many = broadcast_to(logits, [rows, 4])\n"
                           "let masked = where(range(4) == 1, -inf, many)\n"
                           "output a = categorical(many)\n"
                           "output b = categorical(masked)\n"
                           "output c = categorical(broadcast_to(wide[:, _], [2, rows, 2]), axis = 0)\n"
                           "output none = categorical(many - inf)\n"
                           "output p = softmax(logits)\n"
                           "output q = softmax(where(range(4) == 1, -inf, logits))\n"
                           "output r = softmax(wide, axis = 0)\n";

static dg_session *drawn(dg_context *cx, dg_program *p, uint32_t seed, int interpret) {
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = interpret || !native(), o.threads = 1, o.seed = seed, o.check_finite = 0;
  dg_session *s;
  ok(dg_session_new(p, &o, &s));
  ok(dg_predict(s));
  return s;
}

/* Within five standard deviations of each frequency. */
static void often(dg_context *cx, dg_session *s, const char *draws, const char *chance, int step, int from,
                  int n, int columns, int column) {
  dg_array a, p;
  ok(dg_read(s, draws, &a));
  ok(dg_read(s, chance, &p));
  int count[CLASSES] = {0};
  for (int i = 0; i < ROWS; i++) {
    int k = ((const int32_t *)a.data)[from + i * step];
    ck_assert(k >= 0 && k < n);
    count[k]++;
  }
  for (int k = 0; k < n; k++) {
    double want = p.dtype == DG_F32 ? (double)((const float *)p.data)[k * columns + column]
                                    : ((const double *)p.data)[k * columns + column];
    double sd = sqrt(want * (1 - want) / ROWS), got = (double)count[k] / ROWS;
    ck_assert_msg(fabs(got - want) <= 5 * sd, "%s: %d comes at %g, not %g", draws, k, got, want);
    if (want == 0) ck_assert_int_eq(count[k], 0);
  }
}

START_TEST(as_often_as_softmax_says) {
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session *s = drawn(cx, p, 1, 0);
  often(cx, s, "a", "p", 1, 0, 4, 1, 0);
  often(cx, s, "b", "q", 1, 0, 4, 1, 0);
  for (int k = 0; k < 2; k++) often(cx, s, "c", "r", 2, k, 2, 2, k);
  dg_array none;
  ok(dg_read(s, "none", &none)); /* without any chance: the first */
  for (int i = 0; i < ROWS; i++) ck_assert_int_eq(((const int32_t *)none.data)[i], 0);
  free_all(cx, p, s);
}
END_TEST

START_TEST(the_same_for_a_seed) {
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session *s[3] = {drawn(cx, p, 1, 0), drawn(cx, p, 1, 1), drawn(cx, p, 2, 0)};
  dg_array a[3];
  for (int i = 0; i < 3; i++) ok(dg_read(s[i], "a", &a[i]));
  ck_assert_int_eq(memcmp(a[0].data, a[1].data, ROWS * 4), 0);
  ck_assert_int_ne(memcmp(a[0].data, a[2].data, ROWS * 4), 0);
  for (int i = 0; i < 3; i++) dg_session_free(s[i]);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

UNIT_MAIN(UNIT("draws", as_often_as_softmax_says, the_same_for_a_seed))
