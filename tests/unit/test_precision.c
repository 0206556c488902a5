/* precision = "bf16": what products read is rounded in the step, and nothing else is. */
#include "api_kit.h"

static float bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* A rule with a product of its own, and a loss made by `product` of x: f32[1, 1] and w: f32[1, 1]. */
static const char text[] = "input x: f32[1, 1]\n"
                           "param w: f32[1, 1] = 0.7\n"
                           "frozen param k: f32[1, 1] = 1.0037\n"
                           "fn twice(z: f32[.., 1]) -> f32[.., 1] {\n"
                           "  let y = scan (y = z) for i in 0:1 { next y = y @ k }\n"
                           "  return y\n"
                           "}\n"
                           "optimizer rule(w, g, k) { w := w - g @ k }\n"
                           "loss l = sum(%s) + sum(x * 0.3)\n"
                           "train fit { minimize l; update w using rule(k = k); precision = \"%s\" }\n";

static void step(const char *product, const char *precision, int interpret, float *loss, float *w,
                 float *eval) {
  dg_context *cx = context();
  char all[1024];
  double v;
  dg_array a;
  static float x[1] = {1.2345f};
  snprintf(all, sizeof all, text, product, precision);
  dg_program *p = program(cx, all);
  dg_session *s = session(cx, p, interpret, 1);
  dg_array ax = {.dtype = DG_F32, .rank = 2, .extent = {1, 1}, .data = x};
  ok(dg_bind(s, "x", &ax));
  ok(dg_evaluate(s));
  ok(dg_value(s, "l", &v));
  *eval = (float)v;
  ok(dg_step(s, "fit"));
  ok(dg_value(s, "l", &v));
  ok(dg_read(s, "w", &a));
  *loss = (float)v, *w = *(float *)a.data;
  free_all(cx, p, s);
}

static const char *const products[] = {"x @ w", "einsum(\"nk,km->nm\", x, w)",
                                       "conv1d(x[:, :, _], w[:, :, _])",
                                       "attention(ones([1, 1, 1]), ones([1, 1, 1]), x[_]) * w"};

START_TEST(rounds_what_products_read) {
  const float x = 1.2345f, w = 0.7f, k = 1.0037f;
  for (int i = 0; i < 3; i++) {
    float loss, now, eval;
    step(products[i], "f32", _i, &loss, &now, &eval);
    ck_assert(loss == x * w + x * 0.3f && eval == loss && now == w - x * k);
    step(products[i], "bf16", _i, &loss, &now, &eval);
    ck_assert_msg(loss == bf16(x) * bf16(w) + x * 0.3f, "%s: %g", products[i], (double)loss);
    ck_assert(eval == x * w + x * 0.3f);
    ck_assert_msg(now == w - bf16(x) * k, "%s: %g", products[i], (double)now); /* the rule's product is f32 */
  }
  float loss, now, eval;
  step(products[3], "bf16", _i, &loss, &now, &eval);
  ck_assert(loss == bf16(x) * w + x * 0.3f && eval == x * w + x * 0.3f);
  step("twice(x) * w", "bf16", _i, &loss, &now, &eval); /* in the body of a loop */
  ck_assert(loss == bf16(x) * bf16(k) * w + x * 0.3f);
}
END_TEST

START_TEST(other_types_stay) {
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f64[N, 1]\n"
                              "param w: f64[1, 1] = 0.7\n"
                              "loss l = sum(x @ w)\n"
                              "train fit { minimize l; update w using sgd(lr = 0); precision = \"bf16\" }\n");
  dg_session *s = session(cx, p, _i, 1);
  double x = 1.2345, v;
  dg_array ax = {.dtype = DG_F64, .rank = 2, .extent = {1, 1}, .data = &x};
  ok(dg_bind(s, "x", &ax));
  ok(dg_step(s, "fit"));
  ok(dg_value(s, "l", &v));
  ck_assert(v == x * 0.7);
  free_all(cx, p, s);
}
END_TEST

UNIT_MAIN(UNIT_TURNS("precision", 2, rounds_what_products_read, other_types_stay))
