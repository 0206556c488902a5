/* Values and derivatives at the places where they are easily wrong: zeros, ties, the edges of the range. */
#include "values_kit.h"

#include <float.h>

/* ---- products: of the others, without dividing ---- */

#define PROD                                                                                                 \
  "let p = prod(x, axis = -1)\noutput p1 = p\noutput g = grad(sum(p), x)\n"                                  \
  "output h = grad(sum(grad(sum(p), x)), x)\n"                                                               \
  "output k = grad(sum(grad(sum(grad(sum(p), x)), x)), x)\n"
START_TEST(products) {
  GIVES(
      {"input x: f32[N, 3]\n" PROD, "0 2 3  0 0 3  0 0 0  -1 2 -3", NULL, 3, 0, 0,
       "p1: 0 0 0 6; g: 6 0 0 0 0 0 0 0 0 -6 3 -2; h: 5 3 2 3 3 0 0 0 0 -1 -4 1; k: 2 2 2 2 2 2 2 2 2 2 2 2"},
      {"input x: f64[N, 2]\n" PROD, "0 0  3 -2", NULL, 2, 0, 0,
       "p1: 0 -6; g: 0 0 -2 3; h: 1 1 1 1; k: 0 0 0 0"},
      {"input x: f32[N, 1]\n" PROD, "0 7", NULL, 1, 0, 0, "p1: 0 7; g: 1 1; h: 0 0; k: 0 0"},
      /* what is too small or too large for the type does no harm to the others */
      {"input x: f32[N, 3]\n" PROD, "1e-30 1e-30 1e30  1e30 1e30 1e-30", NULL, 3, 0, 1e-6,
       "p1: 0 inf; g: 1 1 0 1 1 inf; h: 1e30 1e30 2e-30 1e30 1e30 2e30; k: 2 2 2 2 2 2"},
      {"input x: f64[N, 3]\n" PROD, "1e-300 1e-300 1e300", NULL, 3, 0, 1e-12,
       "p1: 0; g: 1 1 0; h: 1e300 1e300 2e-300; k: 2 2 2"},
      {"input x: f32[N, 3]\noutput g = grad(sum(prod(x, axis = -1)), x)\n", "inf 0 2  nan 1 2", NULL, 3, 0, 0,
       "g: 0 inf nan 2 nan nan"},
      /* several axes, one after the other */
      {"input x: f32[N, 4]\nlet q = reshape(x, [N, 2, 2])\nlet p = prod(q)\n"
       "output g = grad(p, x)\noutput h = grad(sum(grad(p, x)), x)\n",
       "0 2 3 4  1 1 1 5", NULL, 4, 0, 0, "g: 120 0 0 0 0 0 0 0; h: 514 60 40 30 120 120 120 24"});
}
END_TEST

/* The square of the norm of prod's gradient in a penalty: its own gradient must see the zero. */
START_TEST(products_in_a_penalty) {
  GIVES({"input x: f32[N, 3]\nparam w: f32[3] = 1\nlet g = grad(sum(prod(x + w, axis = -1)), x)\nloss l = "
         "sum(g)\n"
         "train fit { minimize l; update w using sgd(lr = 0.1) }\noutput gw = grad(l, w)\n",
         "-1 1 2", NULL, 3, 0, 0, "gw: 5 3 2"});
}
END_TEST

#define RUNNING                                                                                              \
  "let p = cumprod(x, axis = 1)\noutput p1 = p\noutput g = grad(sum(p), x)\n"                                \
  "output h = grad(sum(grad(sum(p), x)), x)\noutput k = grad(sum(grad(sum(grad(sum(p), x)), x)), x)\n"

/* Nothing is divided: zeros are as good as other numbers, also in higher derivatives. */
START_TEST(running_products) {
  GIVES(
      {"input x: f32[N, 3]\n" RUNNING, "2 3 4  0 2 3  2 0 3  0 0 3  0 0 0", NULL, 3, 0, 0,
       "p1: 2 6 24 0 0 0 2 0 0 0 0 0 0 0 0; g: 16 10 6 9 0 0 1 8 0 1 0 0 1 0 0;"
       "h: 8 7 5 6 4 2 4 6 2 4 4 0 1 1 0; k: 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2"},
      {"input x: f64[N, 1]\n" RUNNING, "0 7", NULL, 1, 0, 0, "p1: 0 7; g: 1 1; h: 0 0; k: 0 0"},
      {"input x: f64[N, 2]\n" RUNNING, "0 0  3 -2", NULL, 2, 0, 0,
       "p1: 0 0 3 -6; g: 1 0 -1 3; h: 1 1 1 1; k: 0 0 0 0"},
      {"input x: f64[N, 4]\noutput p = cumprod(x, axis = 1)\n", "2 3 inf 0", NULL, 4, 0, 0, "p: 2 6 inf nan"},
      {"input x: i32[N, 3]\noutput p = cumprod(x, axis = 0)\n", "1 2 65536  3 -1 65536  2 2 1", NULL, 3, 0, 0,
       "p: 1 2 65536 3 -2 0 6 -4 0"});
}
END_TEST

/* Each length: the slope of element i is the product of the others. */
START_TEST(products_of_each_length) {
  for (int n = 1; n <= 70; n += n < 18 ? 1 : 13) {
    char text[256], x[1024] = "", want[4096] = "g:", both[8300];
    double v[80];
    for (int i = 0; i < n; i++) {
      v[i] = i % 7 == 3 && n % 3 == 0 ? 0 : 1 + (i * 5 % 11 - 5) / 16.0;
      snprintf(x + strlen(x), sizeof x - strlen(x), " %.17g", v[i]);
    }
    for (int i = 0; i < n; i++) {
      double others = 1;
      for (int k = 0; k < n; k++) others *= k == i ? 1 : v[k];
      snprintf(want + strlen(want), sizeof want - strlen(want), " %.17g", others);
    }
    snprintf(text, sizeof text,
             "input x: f64[N, %d]\noutput g = grad(sum(prod(x, axis = -1)), x)\n"
             "output last = grad(sum(cumprod(x, axis = -1)[:, -1]), x)\n",
             n);
    snprintf(both, sizeof both, "%s; last:%s", want, want + 2);
    GIVES({text, x, NULL, n, 0, 1e-14, both});
  }
}
END_TEST

/* ---- NaN and infinities ---- */

/* x86 makes NaNs with a sign and negation turns them: one pattern leaves, whoever computed. */
START_TEST(one_nan) {
  GIVES(
      {"input x: f32[N]\noutput a = maximum(x, sqrt(x))\noutput b = f32(sqrt(x) > 0)\n"
       "output c = -sqrt(x)\noutput d = x / sum(x - x) * 0.0\noutput e = x\nparam w: f32[2] = 1\n"
       "output f = abs(-(w * sum(sqrt(x))))\n",
       "-1 4", NULL, 0, 0, 0, "a: nan 4; b: 0 1; c: nan -2; d: nan nan; e: -1 4; f: nan nan"},
      {"input x: f64[N]\noutput a = maximum(x, sqrt(x))\noutput c = -sqrt(x)\noutput d = -x\noutput e = x\n",
       "-1 nan", NULL, 0, 0, 0, "a: nan nan; c: nan nan; d: 1 nan; e: -1 nan"},
      {"input x: f32[N]\nparam w: f32[2] = 1\nstate s: f32[2] = 0\nloss l = -sum(w * sum(sqrt(x)))\n"
       "train t { minimize l; update w using sgd(lr = 1.0, momentum = 0.5) }\nafter t { s := -w }\n",
       "-1 4", NULL, 0, 1, 0, "w: nan nan; s: nan nan; t.v.w: nan nan"});
}
END_TEST

static int host_looks(void *user, const dg_array *in, int n, dg_array *out) {
  (void)n;
  memcpy(user, in[0].data, 4);
  memcpy(out->data, in[0].data, 4);
  return 0;
}

/* The same for functions of the host. A checkpoint holds none. */
START_TEST(one_nan_for_the_host) {
  static const char text[] =
      "extern fn look(x: f32[1]) -> f32[1]\ninput x: f32[N]\noutput o = look(-sqrt(x[:1]))\n";
  float x[2] = {-1, 4};
  for (int interpret = 1; interpret >= !native(); interpret--) {
    uint32_t seen = 0;
    dg_context *cx = context();
    ok(dg_register(cx, "look", host_looks, &seen));
    dg_program *p = program(cx, text);
    dg_session_options o;
    dg_session_options_init(&o, sizeof o);
    o.interpret = interpret, o.check_finite = 0, o.threads = 1;
    dg_session *s;
    ok(dg_session_new(p, &o, &s));
    ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {2}, .data = x}));
    ok(dg_predict(s));
    ck_assert_uint_eq(seen, 0x7fc00000u);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

static const char row_text[] =
    "output l = logsumexp(x)\noutput s = softmax(x)\noutput p = log_softmax(x)\n"
    "output c = cross_entropy(x, y - 1)\noutput gl = grad(sum(logsumexp(x)), x)\n"
    "output gs = grad(sum(softmax(x) * x[:, :1]), x)\noutput gc = grad(sum(cross_entropy(x, y - 1)), x)\n";

/* A row of only -inf: everything masked. */
START_TEST(masked_rows) {
  for (int t = 0; t < 2; t++)
    for (int wide = 0; wide < 2; wide++) { /* more elements than lanes */
      char text[1024], x[512] = "", want[4096] = "l: -inf -inf; s:";
      int n = wide ? 37 : 3;
      for (int i = 0; i < 2 * n; i++) strcat(x, " -inf"), strcat(want, " 0");
      strcat(want, "; p:");
      for (int i = 0; i < 2 * n; i++) strcat(want, " -inf");
      strcat(want, "; c: nan -inf; gl:");
      for (int i = 0; i < 2 * n; i++) strcat(want, " 0");
      strcat(want, "; gc:");
      for (int i = 0; i < 2 * n; i++) strcat(want, i == 1 ? " -1" : " 0");
      snprintf(text, sizeof text, "input x: %s[N, %d]\ninput y: i32[N]\n%s", t ? "f64" : "f32", n, row_text);
      GIVES({text, x, "2 0", n, 0, 0, want});
    }
  char text[1024];
  snprintf(text, sizeof text, "input x: f32[N, 3]\ninput y: i32[N]\n%s", row_text);
  GIVES({text, "0 -inf 0  nan 1 2  inf 1 2  -3e38 -inf -inf", "2 1 2 1", 3, 0, 1e-6,
         "l: 0.69314718 nan nan -3e38; s: 0.5 0 0.5 nan nan nan nan nan nan 1 0 0; c: inf nan nan 0;"
         "gl: 0.5 0 0.5 nan nan nan nan nan nan 1 0 0; gc: 0.5 -1 0.5 nan nan nan nan nan nan 0 0 0"});
}
END_TEST

START_TEST(reductions_of_nan) {
  GIVES({"input x: f32[N, 3]\noutput m = max(x, axis = -1)\noutput n = min(x, axis = -1)\n"
         "output a = argmax(x, axis = -1)\noutput b = argmin(x, axis = -1)\noutput g = grad(sum(max(x, axis "
         "= -1)), x)\n",
         "1 nan 2  nan nan nan  -inf -inf -inf  inf 1 -inf", NULL, 3, 0, 0,
         "m: nan nan -inf inf; n: nan nan -inf -inf; a: 1 0 0 0; b: 1 0 0 2;"
         "g: 0 0 0 0 0 0 0.3333333333 0.3333333333 0.3333333333 1 0 0"});
}
END_TEST

/* ---- powers ---- */

/* Every pair of special values, by the C library's pow (annex F of the C standard is IEEE 754's). */
START_TEST(powers_of_special_values) {
  static const double at[] = {0,
                              -0.0,
                              1,
                              -1,
                              2,
                              -2,
                              3,
                              -3,
                              0.5,
                              -0.5,
                              2.5,
                              -2.5,
                              1e9,
                              -1e9,
                              1e30,
                              -1e30,
                              4503599627370497.0,
                              INFINITY,
                              -INFINITY,
                              NAN};
  enum { N = sizeof at / sizeof *at };
  char text[256], x[8192] = "", y[8192] = "", want[2][16384] = {"p:", "p:"};
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++) {
      snprintf(x + strlen(x), sizeof x - strlen(x), " %.17g", at[i]);
      snprintf(y + strlen(y), sizeof y - strlen(y), " %.17g", at[k]);
      double d = pow(at[i], at[k]);
      float s = (float)pow((double)(float)at[i], (double)(float)at[k]);
      if (d != 0 && fabs(d) < DBL_MIN) d = copysign(0, d); /* subnormals are flushed */
      if (s != 0 && fabsf(s) < FLT_MIN) s = copysignf(0, s);
      snprintf(want[0] + strlen(want[0]), sizeof want[0] - strlen(want[0]), " %.17g", s);
      snprintf(want[1] + strlen(want[1]), sizeof want[1] - strlen(want[1]), " %.17g", d);
    }
  for (int t = 0; t < 2; t++) {
    const char *type = t ? "f64" : "f32";
    snprintf(text, sizeof text, "input x: %s[N]\ninput y: %s[N]\noutput p = x^y\n", type, type);
    GIVES({text, x, y, 0, 0, t ? 2e-13 : 0, want[t]});
  }
}
END_TEST

/* Halves in the program are products and a root: pow's special values, and few roundings (pow's own bound in
 * f64 is 27 ulp, docs/scalar.md). */
START_TEST(powers_by_halves) {
  static const double at[] = {0,     -0.0, 1,   -1,   0.3,      2.7,       7.1,
                              123.4, 3e-3, 1e9, -2.5, INFINITY, -INFINITY, NAN};
  enum { N = sizeof at / sizeof *at };
  for (int t = 0; t < 2; t++)
    for (int k = -9; k <= 9; k += 2) {
      char text[256], x[1024] = "", want[2048] = "p:";
      for (int i = 0; i < N; i++) {
        double d = pow(t ? at[i] : (double)(float)at[i], k / 2.0);
        snprintf(x + strlen(x), sizeof x - strlen(x), " %.17g", at[i]);
        snprintf(want + strlen(want), sizeof want - strlen(want), " %.17g", t ? d : (double)(float)d);
      }
      snprintf(text, sizeof text, "input x: %s[N]\noutput p = x^%g\n", t ? "f64" : "f32", k / 2.0);
      GIVES({text, x, NULL, 0, 0, t ? 7e-16 : 4e-7, want});
    }
}
END_TEST

/* The same where the power, or what it is the reciprocal of, is at an end of the range: a subnormal is
 * flushed, and its reciprocal may be finite. */
START_TEST(powers_by_halves_at_the_ends) {
  static const double part[] = {0.26, 0.3, 0.49, 0.5, 0.51, 0.9, 0.99, 1.01, 1.5, 2, 2.1, 3.9, 4.1, 8};
  enum { N = sizeof part / sizeof *part };
  for (int t = 0; t < 2; t++)
    for (int k = -9; k <= 9; k += 2) {
      double least = t ? DBL_MIN : FLT_MIN, most = t ? DBL_MAX : FLT_MAX;
      char text[256], x[2048] = "", want[2048] = "p:";
      for (int i = 0; i < 4 * N; i++) {
        double end = i < 2 * N ? least : most;
        long double of = (long double)end * part[i % N]; /* the power, or the base itself */
        double base = i / N % 2 ? (double)powl(of, 2.0L / k) : (double)of;
        if (!t) base = (double)(float)base;
        if (base < least || base > most) continue;
        double d = pow(base, k / 2.0);
        if (d > most) d = INFINITY;
        if (d < least) d = 0;
        snprintf(x + strlen(x), sizeof x - strlen(x), " %.17g", base);
        snprintf(want + strlen(want), sizeof want - strlen(want), " %.17g", d);
      }
      snprintf(text, sizeof text, "input x: %s[N]\noutput p = x^%g\n", t ? "f64" : "f32", k / 2.0);
      GIVES({text, x, NULL, 0, 0, t ? 7e-16 : 4e-7, want});
    }
  /* the least number itself, and its reciprocal */
  GIVES({"input x: f32[2]\noutput a = x^-1.5\n", "0x1p84 0x1p-42", NULL, 0, 0, 0, "a: 0x1p-126 0x1p63"},
        {"input x: f32[3]\noutput a = x^-3.5\n", "0x1p36 0x1p-36 0x1.000002p36", NULL, 0, 0, 0,
         "a: 0x1p-126 0x1p126 0"},
        {"input x: f32[2]\noutput a = x^-4.5\n", "0x1p28 0x1p-28", NULL, 0, 0, 0, "a: 0x1p-126 0x1p126"},
        {"input x: f64[3]\noutput a = x^-3.5\n", "0x1p292 0x1p-292 0x1.0000000000001p292", NULL, 0, 0, 0,
         "a: 0x1p-1022 0x1p1022 0"});
}
END_TEST

START_TEST(slopes_of_powers) {
  static const char pow_text[] =
      "let p = x^y\noutput gx = grad(sum(p), x)\noutput gy = grad(sum(p), y)\n"
      "output gxx = grad(sum(grad(sum(p), x)), x)\noutput gyx = grad(sum(grad(sum(p), y)), x)\n"
      "output gxy = grad(sum(grad(sum(p), x)), y)\noutput gxxx = grad(sum(grad(sum(grad(sum(p), x)), x)), "
      "x)\n";
  char text[2][1024];
  for (int t = 0; t < 2; t++)
    snprintf(text[t], sizeof text[t], "input x: %s[N]\ninput y: %s[N]\n%s", t ? "f64" : "f32",
             t ? "f64" : "f32", pow_text);
  for (int t = 0; t < 2; t++)
    GIVES(/* the exponents at which a factor is 0 while the power of 0 is infinite */
          {text[t], "0 0 0 0 -0.0", "0 1 2 3 0", 0, 0, 0,
           "gx: 0 1 0 0 0; gy: 0 0 0 0 0; gxx: 0 0 2 0 0; gyx: 0 0 0 0 0; gxxx: 0 0 0 6 0"},
          {text[t], "2 2 -2 -2", "0 3 2 3", 0, 0, 1e-6,
           "gx: 0 12 -4 12; gy: 0.69314718 5.5451774 0 0; gxx: 0 12 2 -12; gyx: 0.5 12.31776617 0 0;"
           "gxy: 0.5 12.31776617 -2 4; gxxx: 0 6 0 6"});
}
END_TEST

/* By the exponent the slope at x <= 0 is 0 also where the power is infinite. */
START_TEST(slope_by_the_exponent) {
  GIVES({"input x: f32[N]\ninput y: f32[N]\noutput g = grad(sum(x^y), y)\n", "0 -0.0 -2 -inf 1 2",
         "-1 -1 -1 2 -1 -1", 0, 0, 1e-6, "g: 0 0 0 0 0 0.34657359"});
}
END_TEST

/* A learned exponent that starts at 0, of a feature that is 0. */
START_TEST(learned_exponent) {
  GIVES({"input x: f32[N]\ninput y: f32[N]\nparam k: f32 = 1\nparam e: f32 = 0\nloss l = mean(((k*x)^e - "
         "y)^2)\n"
         "train fit { minimize l; update k, e using sgd(lr = 0.1) }\n",
         "0 1 2", "1 2 3", 0, 1, 1e-6, "k: 1; e: 0.0924196"});
}
END_TEST

/* ---- norms: of numbers whose squares leave the range ---- */

START_TEST(clipping_by_norm) {
  static const char overflow[] =
      "input x: f32[N, 2]\nparam w: f32[2] = [3, 4]\nloss l = sum(w * x) * 1e25\n"
      "train t { minimize l; update w using %s; clip_norm = 1.0 }\noutput g = grad(l, w)\n";
  static const char two[] = "input x: f32[N, 2]\nparam w: f32[2] = [3, 4]\nparam b: f32 = 1\n"
                            "loss l = (sum(w * x) + b * 0) * %s\n"
                            "train t { minimize l; update w, b using sgd(lr = 1.0); clip_norm = %s }\n";
  char a[512], b[512], c[512], d[512], e[512];
  snprintf(a, sizeof a, overflow, "sgd(lr = 1.0)");
  snprintf(b, sizeof b, overflow, "adam(lr = 0.5)");
  snprintf(c, sizeof c, two, "1.0", "1.0");
  snprintf(d, sizeof d, two, "1.0", "10.0");
  snprintf(e, sizeof e, two, "1e-25", "1e-26");
  GIVES({a, "0.6 0.8", NULL, 2, 1, 1e-6, "w: 2.4 3.2; g: 6e24 8e24"},
        {b, "0.6 0.8", NULL, 2, 3, 1e-6, "w: 1.5 2.5; t.v.w: 0.0010789 0.0019181"},
        {c, "0 0", NULL, 2, 1, 0, "w: 3 4; b: 1"}, {c, "3 4", NULL, 2, 1, 1e-7, "w: 2.4 3.2; b: 1"},
        {d, "0.3 0.4", NULL, 2, 1, 1e-7, "w: 2.7 3.6; b: 1"}, {e, "3 4", NULL, 2, 1, 0, "w: 3 4; b: 1"},
        /* tiny gradients against a tinier bound: their squares are 0 */
        {"input x: f32[2]\nparam w: f32[2] = 0\nloss l = sum(w * x) * 1e-25\n"
         "train t { minimize l; update w using sgd(lr = 1e26); clip_norm = 1e-26 }\n",
         "3 4", NULL, 0, 1, 1e-6, "w: -0.6 -0.8"},
        {"input x: f64[2]\nparam w: f64[2] = 0\nloss l = sum(w * x) * 1e200\n"
         "train t { minimize l; update w using sgd(lr = 1.0); clip_norm = 1.0 }\n",
         "3 4", NULL, 0, 1, 1e-14, "w: -0.6 -0.8"});
}
END_TEST

START_TEST(norms) {
  GIVES({"input x: f32[N, 2]\noutput n = norm(x, axis = -1)\noutput g = grad(sum(norm(x, axis = -1)), x)\n"
         "output u = l2norm(x)\noutput h = grad(sum(grad(sum(norm(x, axis = -1)), x)^2), x)\n",
         "3 4  3e30 4e30  3e-30 4e-30  0 0", NULL, 2, 0, 1e-6,
         "n: 5 5e30 5e-30 0; g: 0.6 0.8 0.6 0.8 0.6 0.8 0 0; u: 0.6 0.8 0.6 0.8 3e-18 4e-18 0 0;"
         "h: 0 0 0 0 0 0 0 0"},
        {"input x: f64[N, 2]\noutput n = norm(x, axis = -1)\noutput g = grad(sum(norm(x, axis = -1)), x)\n",
         "3 4  3e300 4e300  3e-300 4e-300  0 0", NULL, 2, 0, 1e-14,
         "n: 5 5e300 5e-300 0; g: 0.6 0.8 0.6 0.8 0.6 0.8 0 0"},
        {"input x: f32[N]\noutput n = norm(x)\noutput m = norm(x, axis = [])\n", "inf 1", NULL, 0, 0, 0,
         "n: inf; m: inf 1"},
        {"input x: f32[N]\noutput n = norm(x)\n", "nan 1e30", NULL, 0, 0, 0, "n: nan"});
}
END_TEST

/* Each beside the same in other words, and its gradients beside what they are. */
START_TEST(sums_by_named_axes) {
  static const char data[] = "0.5 -1 2 0.25 3 -0.75  1 1.5 -2 0.125 -3 4";
  static const char program[] =
      "input x: f64[N, 6]\nlet m = x[0:2]\nlet a = reshape(m, [2, 3, 2])\nlet v = m[0, 0:3]\n"
      "output e0 = max(abs(einsum(\"ij->ji\", m) - m'))\n"
      "output e1 = max(abs(einsum(\"ij->\", m) - sum(m)))\n"
      "output e2 = max(abs(einsum(\"ij,kj->ik\", m, m) - m @ m'))\n"
      "output e3 = max(abs(einsum(\"bij,bkj->bki\", a, a) - a @ permute(a, [0, 2, 1])))\n"
      "output e4 = max(abs(einsum(\"..ij,i->..j\", a, v) - sum(a * v[:, _], axis = 1)))\n"
      "output e5 = max(abs(einsum(\"i,j->ji\", v, v) - v[_, :] * v[:, _]))\n"
      "output e6 = max(abs(einsum(\"ij,ij->i\", m, m) - sum(m^2, axis = 1)))\n"
      "output e7 = max(abs(einsum(\"bij,bkj,bk->i\", a, a, a[:, :, 0])\n"
      "               - sum(sum((a @ permute(a, [0, 2, 1])) * a[:, _, :, 0], axis = -1), axis = 0)))\n"
      "output e8 = max(abs(einsum(\"ij, kl -> i k j l\", m, v[_, :])[1, 0] - m[1, :, _] * v[_, :]))\n"
      "output e9 = max(abs(einsum(\"ij,j..->i..\", m[:, 0:3], a[0]) - m[:, 0:3] @ a[0]))\n"
      "output f0 = max(abs(einsum(\"bij->jbi\", a) - permute(a, [2, 0, 1])))\n"
      "output g0 = max(abs(grad(sum(einsum(\"ij,kj->ik\", m, m[:, :])^2), x)[0:2] - 4 * (m @ m') @ m))\n";
  GIVES({program, data, NULL, 6, 0, 1e-12,
         "e0: 0; e1: 0; e2: 0; e3: 0; e4: 0; e5: 0; e6: 0; e7: 0; e8: 0; e9: 0; f0: 0; g0: 0"});
}
END_TEST

UNIT_MAIN(UNIT("powers", powers_of_special_values, powers_by_halves, powers_by_halves_at_the_ends,
               slopes_of_powers, slope_by_the_exponent, learned_exponent),
          UNIT("products", products, products_in_a_penalty, running_products, products_of_each_length),
          UNIT("norms", clipping_by_norm, norms), UNIT("einsum", sums_by_named_axes),
          UNIT("infinities", one_nan, one_nan_for_the_host, masked_rows, reductions_of_nan))
