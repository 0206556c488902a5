/* Instances as values: steps of gradient descent on a whole instance, called on the way, beside the same with
 * each tensor written out. */
#include "api_kit.h"

#define HEAD                                                                                                 \
  "input x: f32[2, 4, 2]\n"                                                                                  \
  "input y: f32[2, 4, 1]\n"

static const char instances[] = "import nn\n" HEAD "module Net(h: int) {\n"
                                "  let l = [nn.Linear(2, h), nn.Linear(h, 1)]\n"
                                "  param scale: f32 = 1.5\n"
                                "  let twice = 2 * scale\n" /* made anew of the values that are called */
                                "  let head = l[1]\n"
                                "  fn (x: f32[B, 2]) -> f32[B, 1] = out(tanh(l[0](x)) * twice)\n"
                                "  fn out(z: f32[B, h]) -> f32[B, 1] = head(z)\n"
                                "}\n"
                                "let net = Net(3)\n"
                                "fn after_steps(x: f32[B, 2], y: f32[B, 1]) -> f32 {\n"
                                "  var fast = net\n"
                                "  for _ in 0:2 {\n"
                                "    let inner = mean((fast(x) - y)^2)\n"
                                "    fast = fast - 0.1*grad(inner, fast)\n"
                                "  }\n"
                                "  return mean((apply(fast, x) - y)^2) + 0.01*sum(fast.l[0].w^2)\n"
                                "}\n"
                                "fn apply(m: Net, x: f32[B, 2]) -> f32[B, 1] = m(x)\n";

static const char written_out[] = HEAD
    "param w0: f32[2, 3] ~ normal(0, 1)\n"
    "param b0: f32[3] ~ normal(0, 1)\n"
    "param w1: f32[3, 1] ~ normal(0, 1)\n"
    "param b1: f32[1] ~ normal(0, 1)\n"
    "param scale: f32 ~ normal(0, 1)\n"
    "fn net(x: f32[B, 2], w0: f32[2, 3], b0: f32[3], w1: f32[3, 1], b1: f32[1], scale: f32) -> f32[B, 1] =\n"
    "  (tanh(x @ w0 + b0) * (2 * scale)) @ w1 + b1\n"
    "fn after_steps(x: f32[B, 2], y: f32[B, 1]) -> f32 {\n"
    "  var a = w0\n  var b = b0\n  var c = w1\n  var d = b1\n  var e = scale\n"
    "  for _ in 0:2 {\n"
    "    let inner = mean((net(x, a, b, c, d, e) - y)^2)\n"
    "    let ga = grad(inner, a)\n    let gb = grad(inner, b)\n    let gc = grad(inner, c)\n"
    "    let gd = grad(inner, d)\n    let ge = grad(inner, e)\n"
    "    a = a - 0.1*ga\n    b = b - 0.1*gb\n    c = c - 0.1*gc\n    d = d - 0.1*gd\n    e = e - 0.1*ge\n"
    "  }\n"
    "  return mean((net(x, a, b, c, d, e) - y)^2) + 0.01*sum(a^2)\n"
    "}\n";

static const char once[] = "loss meta = after_steps(x[0], y[0])\n"
                           "train fit { minimize meta; update * using sgd(lr = 0.1) }\n";
static const char mapped[] = "loss meta = mean(vmap(after_steps, x, y))\n"
                             "train fit { minimize meta; update * using sgd(lr = 0.1) }\n";

static const char *const names[][2] = {{"net.l[0].w", "w0"},
                                       {"net.l[0].b", "b0"},
                                       {"net.l[1].w", "w1"},
                                       {"net.l[1].b", "b1"},
                                       {"net.scale", "scale"}};
enum { NAMES = sizeof names / sizeof *names };

static dg_session *made(dg_context *cx, const char *text, const char *loss, int interpret, dg_program **p) {
  char all[4096];
  snprintf(all, sizeof all, "%s%s", text, loss);
  *p = program(cx, all);
  ck_assert_msg(!dg_diagnostic_count(*p), "%s", dg_diagnostics_text(*p, 0));
  dg_session *s = session(cx, *p, interpret, 1);
  static float x[16], y[8];
  for (int i = 0; i < 16; i++) x[i] = (float)(i * 7 % 11) / 5 - 1, y[i / 2] = (float)(i * 5 % 7) / 3;
  dg_array ax = {.dtype = DG_F32, .rank = 3, .extent = {2, 4, 2}, .data = x},
           ay = {.dtype = DG_F32, .rank = 3, .extent = {2, 4, 1}, .data = y};
  ok(dg_bind(s, "x", &ax));
  ok(dg_bind(s, "y", &ay));
  return s;
}

static void beside(const char *loss, int interpret) {
  dg_context *cx = context();
  dg_program *p, *q;
  dg_session *a = made(cx, instances, loss, interpret, &p), *b = made(cx, written_out, loss, interpret, &q);
  for (int i = 0; i < NAMES; i++) {
    dg_array v;
    ok(dg_read(a, names[i][0], &v));
    ok(dg_write(b, names[i][1], &v));
  }
  for (int step = 0; step < 4; step++) {
    double u, v;
    ok(dg_step(a, "fit"));
    ok(dg_step(b, "fit"));
    ok(dg_value(a, "meta", &u));
    ok(dg_value(b, "meta", &v));
    ck_assert_double_eq_tol(u, v, 1e-6 * fabs(v));
  }
  for (int i = 0; i < NAMES; i++) {
    dg_array u, v;
    ok(dg_read(a, names[i][0], &u));
    ok(dg_read(b, names[i][1], &v));
    for (size_t k = 0; k < array_bytes(&u) / 4; k++)
      ck_assert_msg(fabsf(((float *)u.data)[k] - ((float *)v.data)[k]) < 1e-5f, "%s", names[i][0]);
  }
  dg_session_free(a);
  dg_session_free(b);
  dg_program_free(p);
  dg_program_free(q);
  dg_context_free(cx);
}

START_TEST(steps_of_an_instance) { beside(once, _i); }
END_TEST

START_TEST(in_a_body) { beside(mapped, _i); }
END_TEST

UNIT_MAIN(UNIT_TURNS("tree", 2, steps_of_an_instance, in_a_body))
