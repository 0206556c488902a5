/* attention and rotary against their formulas in plain C: values, gradients, and the derivative of the
 * gradient along a direction against differences of the plain gradient. */
#include "values_kit.h"

#include <stdio.h>

enum { MOST = 256 };

typedef struct Case {
  int lead[2]; /* leading axes; 0: none */
  int rows, keys, d, e;
  const char *mask; /* shape in the program; NULL: none */
  int mask_n[4];    /* the same, over [lead.., rows, keys], 1 where it is stretched */
  int bits;         /* which of its elements are true */
  bool causal;
  double scale; /* 0: the usual one */
} Case;

static int batches(const Case *c) { return (c->lead[0] ? c->lead[0] : 1) * (c->lead[1] ? c->lead[1] : 1); }

static bool admitted(const Case *c, int b, int t, int s) {
  if (c->causal && s > t + c->keys - c->rows) return false;
  if (!c->mask) return true;
  int at[4] = {c->lead[1] ? b / c->lead[1] : b, c->lead[1] ? b % c->lead[1] : 0, t, s}, flat = 0;
  for (int i = 0; i < 4; i++) flat = flat * c->mask_n[i] + (c->mask_n[i] == 1 ? 0 : at[i]);
  return c->bits >> flat & 1;
}

static double weight_at(int i) { return cos(1.3 * i); }

/* x is q, k and v one after the other. out: the values; gx: the gradient of their sum weighed by weight_at.
 */
static void plain(const Case *c, const double *x, double *out, double *gx) {
  int n = batches(c), T = c->rows, S = c->keys, d = c->d, e = c->e;
  const double *q = x, *k = q + n * T * d, *v = k + n * S * d;
  double *dq = gx, *dk = dq + n * T * d, *dv = dk + n * S * d, scale = c->scale != 0 ? c->scale : 1 / sqrt(d);
  for (int i = 0; i < n * (T * d + S * d + S * e); i++) gx[i] = 0;
  for (int b = 0; b < n; b++)
    for (int t = 0; t < T; t++) {
      double p[16], sum = 0, mean = 0, up[16];
      for (int s = 0; s < S; s++) {
        double score = 0;
        for (int i = 0; i < d; i++) score += q[(b * T + t) * d + i] * k[(b * S + s) * d + i];
        sum += p[s] = admitted(c, b, t, s) ? exp(scale * score) : 0;
      }
      for (int s = 0; s < S; s++) {
        if (sum > 0) p[s] /= sum;
        up[s] = 0;
        for (int i = 0; i < e; i++) up[s] += weight_at((b * T + t) * e + i) * v[(b * S + s) * e + i];
        mean += p[s] * up[s];
      }
      for (int i = 0; i < e; i++) {
        out[(b * T + t) * e + i] = 0;
        for (int s = 0; s < S; s++) {
          out[(b * T + t) * e + i] += p[s] * v[(b * S + s) * e + i];
          dv[(b * S + s) * e + i] += p[s] * weight_at((b * T + t) * e + i);
        }
      }
      for (int s = 0; s < S; s++)
        for (int i = 0; i < d; i++) {
          dq[(b * T + t) * d + i] += scale * p[s] * (up[s] - mean) * k[(b * S + s) * d + i];
          dk[(b * S + s) * d + i] += scale * p[s] * (up[s] - mean) * q[(b * T + t) * d + i];
        }
    }
}

static void numbers(char *to, size_t room, const char *name, const double *v, int n) {
  size_t used = strlen(to);
  used += (size_t)snprintf(to + used, room - used, "%s", name);
  for (int i = 0; i < n; i++) used += (size_t)snprintf(to + used, room - used, " %.17g", v[i]);
  ck_assert_uint_lt(used, room);
}

static void check_case(const Case *c, bool single) {
  int n = batches(c), T = c->rows, S = c->keys, nq = n * T * c->d, nk = n * S * c->d, nv = n * S * c->e,
      all = nq + nk + nv;
  double x[MOST] = {0}, u[MOST], side[MOST] = {0}, out[MOST], gx[MOST], up[MOST], down[MOST], unused[MOST];
  ck_assert_int_lt(all, MOST);
  for (int i = 0; i < all; i++) x[i] = (i * 7 % 11 - 5) / 4.0, u[i] = (i * 5 % 7 - 3) / 4.0;
  plain(c, x, out, gx);
  const double h = 1e-5;
  for (int i = 0; i < all; i++) side[i] = x[i] + h * u[i];
  plain(c, side, unused, up);
  for (int i = 0; i < all; i++) side[i] = x[i] - h * u[i];
  plain(c, side, unused, down);
  for (int i = 0; i < all; i++) up[i] = (up[i] - down[i]) / (2 * h);
  static char text[4096], given[16384], mask[1024], want[65536];
  char lead[32] = "", options[128] = "", input[32] = "";
  int count = c->mask_n[0] * c->mask_n[1] * c->mask_n[2] * c->mask_n[3];
  if (c->mask) snprintf(input, sizeof input, "input y: i32[%d]\n", count);
  if (c->lead[0]) snprintf(lead, sizeof lead, "%d, ", c->lead[0]);
  if (c->lead[1]) snprintf(lead + strlen(lead), sizeof lead - strlen(lead), "%d, ", c->lead[1]);
  if (c->causal) strcat(options, ", causal = true");
  if (c->mask) snprintf(options + strlen(options), 80, ", mask = reshape(y, %s) > 0", c->mask);
  if (c->scale != 0) snprintf(options + strlen(options), 40, ", scale = %g", c->scale);
  const char *t = single ? "f32" : "f64";
  snprintf(text, sizeof text,
           "input x: %s[%d]\n%slet q = reshape(x[0:%d], [%s%d, %d])\nlet k = reshape(x[%d:%d], [%s%d, %d])\n"
           "let v = reshape(x[%d:%d], [%s%d, %d])\noutput o = attention(q, k, v%s)\n"
           "let w = cos(1.3 * %s(range(%d)))\nlet u = (%s(mod(5 * range(%d), 7)) - 3) / 4\n"
           "let l = sum(w * reshape(o, [%d]))\noutput gx = grad(l, x)\n"
           "output hx = grad(sum(gx * u), x)\noutput vx = jvp(gx, x, u)\n",
           t, all, input, nq, lead, T, c->d, nq, nq + nk, lead, S, c->d, nq + nk, all, lead, S, c->e, options,
           t, n * T * c->e, t, all, n * T * c->e);
  given[0] = mask[0] = want[0] = 0;
  numbers(given, sizeof given, "", x, all);
  for (int i = 0; i < count; i++) strcat(mask, c->bits >> i & 1 ? " 1" : " 0");
  numbers(want, sizeof want, "o:", out, n * T * c->e);
  numbers(want, sizeof want, "; gx:", gx, all);
  numbers(want, sizeof want, "; hx:", up, all);
  numbers(want, sizeof want, "; vx:", up, all);
  GIVES({text, given, c->mask ? mask : NULL, 0, 0, single ? 1e-4 : 1e-9, want});
}

static const Case cases[] = {
    {.rows = 4, .keys = 4, .d = 3, .e = 2},
    {.rows = 4, .keys = 4, .d = 3, .e = 2, .causal = true},
    {.lead = {2}, .rows = 3, .keys = 5, .d = 4, .e = 3, .causal = true, .scale = 0.3},
    /* the first two queries see no key */
    {.lead = {2}, .rows = 5, .keys = 3, .d = 2, .e = 2, .causal = true},
    {.lead = {2, 2}, .rows = 3, .keys = 3, .d = 2, .e = 1, .scale = 1.5},
    {.lead = {2}, .rows = 3, .keys = 4, .d = 2, .e = 2, .mask = "[4]", .mask_n = {1, 1, 1, 4}, .bits = 11},
    /* a query that may see nothing, and a batch */
    {.lead = {2},
     .rows = 3,
     .keys = 4,
     .d = 2,
     .e = 2,
     .mask = "[3, 4]",
     .mask_n = {1, 1, 3, 4},
     .bits = 0xb05},
    {.lead = {2},
     .rows = 3,
     .keys = 4,
     .d = 2,
     .e = 2,
     .mask = "[2, 1, 1]",
     .mask_n = {2, 1, 1, 1},
     .bits = 2},
    {.lead = {2, 2},
     .rows = 2,
     .keys = 3,
     .d = 2,
     .e = 2,
     .mask = "[2, 1, 1, 3]",
     .mask_n = {2, 1, 1, 3},
     .bits = 0x33,
     .causal = true},
    {.lead = {2}, .rows = 2, .keys = 3, .d = 2, .e = 2, .mask = "[2, 1]", .mask_n = {1, 1, 2, 1}, .bits = 0},
};

START_TEST(formula) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int single = 0; single < 2; single++) check_case(&cases[i], single);
}
END_TEST

/* Extents without a number when the graph is made: causal, and the usual scale. */
START_TEST(open_extents) {
  GIVES({"input x: f64[T]\ninput y: f64[S]\n"
         "output o = attention(x[:, _], y[:, _], y[:, _], causal = true)\n",
         "0 0 0", "1 2 3 6", 0, 0, 1e-14, "o: 1.5 2 3"},
        {"input x: f64[T]\ninput y: f64[S]\n"
         "output o = attention(x[:, _], y[:, _], y[:, _], causal = true)\n",
         "0 0 0", "1 5", 0, 0, 1e-14, "o: 0 1 3"},
        {"input x: f64[T, D]\noutput o = attention(x, x, x)\n"
         "output e = max(abs(o - softmax(x @ x' / 2) @ x))\n",
         "1 -1 0.5 2  0 1 0.25 -2  3 1 -1 0", NULL, 4, 0, 1e-14, "e: 0"});
}
END_TEST

/* The pair (x[i], x[i + d/2]) of place t turns by t base^(-2 i / d), and its gradient turns back. */
static void check_rotary(bool single, double base) {
  enum { N = 2, T = 5, D = 6, ALL = N * T * D };
  double x[ALL], y[ALL], gx[ALL];
  for (int i = 0; i < ALL; i++) x[i] = (i * 7 % 11 - 5) / 4.0;
  for (int r = 0; r < N * T; r++)
    for (int i = 0; i < D / 2; i++) {
      double angle = r % T * pow(base != 0 ? base : 10000, -2.0 * i / D), c = cos(angle), s = sin(angle);
      int a = r * D + i, b = a + D / 2;
      y[a] = x[a] * c - x[b] * s;
      y[b] = x[a] * s + x[b] * c;
      gx[a] = weight_at(a) * c + weight_at(b) * s;
      gx[b] = weight_at(b) * c - weight_at(a) * s;
    }
  char text[512], option[32] = "", given[4096] = "", want[8192] = "";
  const char *t = single ? "f32" : "f64";
  if (base != 0) snprintf(option, sizeof option, ", base = %g", base);
  snprintf(text, sizeof text,
           "input x: %s[%d]\noutput y = rotary(reshape(x, [%d, %d, %d])%s)\n"
           "output gx = grad(sum(cos(1.3 * %s(range(%d))) * reshape(y, [%d])), x)\n",
           t, ALL, N, T, D, option, t, ALL, ALL);
  numbers(given, sizeof given, "", x, ALL);
  numbers(want, sizeof want, "y:", y, ALL);
  numbers(want, sizeof want, "; gx:", gx, ALL);
  GIVES({text, given, NULL, 0, 0, single ? 1e-5 : 1e-13, want});
}
START_TEST(rotary_positions) {
  for (int single = 0; single < 2; single++) check_rotary(single, 0), check_rotary(single, 50);
}
END_TEST

UNIT_MAIN(UNIT("attention", formula, open_extents, rotary_positions))
