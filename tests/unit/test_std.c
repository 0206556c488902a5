/* The library's optimizers, rates and activations against plain C, written from the papers and in the form
 * PyTorch documents them; in f64, where nothing but the formula can make a difference. */
#include "api_kit.h"

#include <stdio.h>

enum { N = 3, STEPS = 6 };
typedef struct Ref {
  double w[N], m[N], v[N];
} Ref;
typedef double Rule(Ref *r, int i, double g, int t); /* the new w[i]; t from 1 */

static double sgd(Ref *r, int i, double g, int t) {
  (void)t;
  return r->w[i] - 0.1 * g;
}
static double momentum(Ref *r, int i, double g, int t) {
  (void)t;
  g += 0.01 * r->w[i];
  r->m[i] = 0.9 * r->m[i] + g;
  return r->w[i] - 0.1 * r->m[i];
}
static double nesterov(Ref *r, int i, double g, int t) {
  (void)t;
  r->m[i] = 0.9 * r->m[i] + g;
  return r->w[i] - 0.1 * (g + 0.9 * r->m[i]);
}
static double adam_by(Ref *r, int i, double g, int t, double b2, double eps) {
  r->m[i] = 0.9 * r->m[i] + (1 - 0.9) * g;
  r->v[i] = b2 * r->v[i] + (1 - b2) * g * g;
  return r->m[i] / (1 - pow(0.9, t)) / (sqrt(r->v[i] / (1 - pow(b2, t))) + eps);
}
static double adam(Ref *r, int i, double g, int t) {
  return r->w[i] - 0.01 * adam_by(r, i, g, t, 0.999, 1e-8);
}
static double adam_decay(Ref *r, int i, double g, int t) {
  return r->w[i] - 0.01 * adam_by(r, i, g + 0.1 * r->w[i], t, 0.99, 1e-3);
}
static double adamw(Ref *r, int i, double g, int t) {
  return (1 - 0.01 * 0.3) * r->w[i] - 0.01 * adam_by(r, i, g, t, 0.999, 1e-8);
}
static double rmsprop(Ref *r, int i, double g, int t) {
  (void)t;
  r->v[i] = 0.8 * r->v[i] + (1 - 0.8) * g * g;
  r->m[i] = 0.5 * r->m[i] + g / (sqrt(r->v[i]) + 1e-8);
  return r->w[i] - 0.01 * r->m[i];
}
static double adagrad(Ref *r, int i, double g, int t) {
  (void)t;
  r->v[i] += g * g;
  return r->w[i] - 0.1 * g / (sqrt(r->v[i]) + 1e-10);
}
static double lion(Ref *r, int i, double g, int t) {
  (void)t;
  double c = 0.9 * r->m[i] + (1 - 0.9) * g;
  r->m[i] = 0.99 * r->m[i] + (1 - 0.99) * g;
  return r->w[i] - 0.01 * ((c > 0) - (c < 0) + 0.1 * r->w[i]);
}

/* Rates: w falls by the rate where the gradient is 1. */
static double by_rate(Ref *r, int i, double g, double rate) { return r->w[i] - rate * g; }
static double warmed(Ref *r, int i, double g, int t) { return by_rate(r, i, g, 0.1 * fmin(1, t / 4.0)); }
static double cosine(Ref *r, int i, double g, int t) {
  return by_rate(r, i, g, 0.01 + 0.5 * (0.1 - 0.01) * (1 + cos(M_PI * fmin(1, t / 5.0))));
}
static double warm_cosine(Ref *r, int i, double g, int t) {
  return by_rate(r, i, g,
                 t <= 2 ? 0.1 * t / 2
                        : 0.05 * (1 + cos(M_PI * (t - 2) / 3 < M_PI ? M_PI * (t - 2) / 3 : M_PI)));
}
static double stairs(Ref *r, int i, double g, int t) { return by_rate(r, i, g, 0.1 * pow(0.5, (t - 1) / 2)); }
static double exponential(Ref *r, int i, double g, int t) { return by_rate(r, i, g, 0.1 * pow(0.9, t)); }
static double linear(Ref *r, int i, double g, int t) {
  return by_rate(r, i, g, 0.1 + (0.02 - 0.1) * fmin(1, t / 5.0));
}
static double pieces(Ref *r, int i, double g, int t) {
  return by_rate(r, i, g, t <= 2 ? 0.1 : t <= 4 ? 0.01 : 0.001);
}

static const struct {
  const char *text;
  Rule *rule;
} rules[] = {
    {"sgd(lr = 0.1)", sgd},
    {"sgd(lr = 0.1, momentum = 0.9, weight_decay = 0.01)", momentum},
    {"sgd(lr = 0.1, momentum = 0.9, nesterov = true)", nesterov},
    {"adam(lr = 0.01)", adam},
    {"adam(lr = 0.01, b2 = 0.99, eps = 1e-3, weight_decay = 0.1)", adam_decay},
    {"adamw(lr = 0.01, weight_decay = 0.3)", adamw},
    {"rmsprop(lr = 0.01, decay = 0.8, momentum = 0.5)", rmsprop},
    {"adagrad(lr = 0.1)", adagrad},
    {"lion(lr = 0.01, weight_decay = 0.1)", lion},
    {"sgd(lr = warmup(step, 0.1, steps = 4))", warmed},
    {"sgd(lr = cosine_decay(step, 0.1, total = 5, last = 0.01))", cosine},
    {"sgd(lr = warmup_cosine(step, 0.1, steps = 2, total = 5))", warm_cosine},
    {"sgd(lr = step_decay(step, 0.1, every = 2, factor = 0.5))", stairs},
    {"sgd(lr = exponential_decay(step, 0.1, factor = 0.9))", exponential},
    {"sgd(lr = linear_decay(step, 0.1, total = 5, last = 0.02))", linear},
    {"sgd(lr = piecewise(step, [2, 4], [0.1, 0.01, 0.001]))", pieces},
};

static void check_rule(int k) {
  char text[512];
  snprintf(text, sizeof text,
           "input q: f64[3]\nparam w: f64[3] = 0.5\nloss l = sum(w * q)\ntrain fit { minimize l; update w "
           "using %s }\n",
           rules[k].text);
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session *s = session(cx, p, 0, 1);
  Ref r = {.w = {0.5, 0.5, 0.5}};
  for (int t = 1; t <= STEPS; t++) {
    double g[N];
    for (int i = 0; i < N; i++) g[i] = sin(1.7 * t + i) * pow(10, (t * 5 + i) % 5 - 3);
    dg_array x = {.dtype = DG_F64, .rank = 1, .extent = {N}, .data = g};
    ok(dg_bind(s, "q", &x));
    ok(dg_step(s, "fit"));
    ok(dg_read(s, "w", &x));
    for (int i = 0; i < N; i++) {
      r.w[i] = rules[k].rule(&r, i, g[i], t);
      double got = ((const double *)x.data)[i];
      ck_assert_msg(fabs(got - r.w[i]) < 1e-14, "%s, step %d: %.17g, not %.17g", rules[k].text, t, got,
                    r.w[i]);
    }
  }
  free_all(cx, p, s);
}
START_TEST(optimizers) {
  for (size_t k = 0; k < sizeof rules / sizeof *rules; k++) check_rule((int)k);
}
END_TEST

/* `step` among numbers is computed in f64 and then takes the type it meets, alone it is f32 as before. */
START_TEST(numbers_of_the_text) {
  dg_context *cx = context();
  dg_program *p =
      program(cx, "input q: f64[3]\nparam w: f64[3] = 0\nparam b: f32 = 0\nloss l = sum(w * q) + f64(b)\n"
                  "fn third(x: f32) -> f32 = x / 3\n"
                  "optimizer to(w, g, rate) { w := 0 * w + rate }\n"
                  "train fit { minimize l; update w using to(third(1.0 * step)); update b using to(third(1.0 "
                  "* step)) }\n");
  dg_session *s = session(cx, p, 0, 1);
  dg_array x = {.dtype = DG_F64, .rank = 1, .extent = {3}, .data = (double[]){1, 2, 3}};
  ok(dg_bind(s, "q", &x));
  ok(dg_step(s, "fit"));
  ok(dg_read(s, "w", &x));
  ck_assert(x.dtype == DG_F64 && ((const double *)x.data)[0] == 1.0 / 3);
  ok(dg_read(s, "b", &x));
  ck_assert(x.dtype == DG_F32 && ((const float *)x.data)[0] == 1.0f / 3);
  free_all(cx, p, s);
}
END_TEST

/* Slopes where a formula could have two: what docs/numbers.md says. */
static const struct {
  const char *text;
  double x, slope;
} slopes[] = {
    {"relu(x)", 0, 0},
    {"abs(x)", 0, 0},
    {"elu(x)", 0, 1},
    {"elu(x, alpha = 0.5)", 0, 0.5},
    {"leaky_relu(x)", 0, 0.01},
    {"relu6(x)", 6, 0.5},
    {"clip(x, -1, 1)", 1, 0.5},
    {"clip(x, -1, 1)", 2, 0},
    {"maximum(x, 2)", 2, 0.5},
    {"norm(x)", 0, 0},
    {"max(stack([x, x]))", 1, 1},
    {"huber(x)", 1, 1},
    {"sqrt(x)", 0, INFINITY},
    {"softsign(x)", 0, 1},
    {"gelu(x)", 0, 0.5},
    {"silu(x)", 0, 0.5},
    {"x^2.0", -3, -6},
    {"x^3", -2, 12},
    {"x^-1", -2, -0.25},
    {"mod(x, 2)", 3, 1},
    {"mod(7.5, x)", 2, -3},
    {"hinge(x, 1)", 1, 0},
    {"bce_with_logits(x, 0.5)", 0, 0},
    {"erf(x)", 0, 1.1283791670955126},
};
static void check_slope(int k) {
  char text[256];
  snprintf(text, sizeof text,
           "param x: f64 = %g\nloss l = %s\noptimizer slope(w, g) { w := g }\ntrain fit { minimize l; update "
           "x using slope() }\n",
           slopes[k].x, slopes[k].text);
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = !native(), o.threads = 1, o.check_finite = 0; /* the slope of a root at 0 is infinite */
  dg_session *s;
  ok(dg_session_new(p, &o, &s));
  ok(dg_step(s, "fit"));
  dg_array x;
  ok(dg_read(s, "x", &x));
  double got = ((const double *)x.data)[0];
  ck_assert_msg(got == slopes[k].slope || fabs(got - slopes[k].slope) < 1e-14, "%s at %g: %.17g",
                slopes[k].text, slopes[k].x, got);
  free_all(cx, p, s);
}
START_TEST(slopes_at_kinks) {
  for (size_t k = 0; k < sizeof slopes / sizeof *slopes; k++) check_slope((int)k);
}
END_TEST

/* Values by hand, where the pieces of a formula meet. */
static const struct {
  const char *text;
  double value;
} values[] = {
    {"huber(3.0)", 2.5},
    {"huber(-3.0, delta = 2.0)", 4},
    {"huber(0.5)", 0.125},
    {"huber(1.0)", 0.5},
    {"softplus(1000 * x)", 1000},    /* the exponential of 1000 is infinite */
    {"gelu(x)", 0.8413447460685429}, /* (1 + erf(sqrt(1/2))) / 2 */
    {"elu(-x)", -0.6321205588285577},
    {"elu(-x, alpha = 2.0)", -1.2642411176571153},
    {"standardize(stack([x, 3 * x]), eps = 0.5)[1]", 0.8164965809277260}, /* 1 / sqrt(1 + 1/2) */
    {"dropout(x, p = 0.5)", 1},
    {"log_sigmoid(-1000 * x)", -1000}, /* the sigmoid of -1000 is 0 */
    {"log_sigmoid(x)", -0.31326168751822286},
    /* the rows [1, 3] and [1, 1]: by rows, by columns, by all */
    {"layer_norm(stack([stack([x, 3 * x]), stack([x, x])]), eps = 0.5)[0, 1]", 0.8164965809277260},
    {"layer_norm(stack([stack([x, 3 * x]), stack([x, x])]), axis = 0, eps = 0.5)[1, 1]", -0.8164965809277260},
    {"layer_norm(stack([stack([x, 3 * x]), stack([x, x])]), axis = [0, 1], eps = 0.25)[0, 1]", 1.5},
    {"rms_norm(stack([x, 2 * x]), axis = 0, eps = 0.5)[1]", 1.1547005383792515}, /* 2 / sqrt(5/2 + 1/2) */
    {"f64(eye(3)[2, 2] + eye(3)[1, 2])", 1},
    {"sum(eye(4, dtype = f64))", 4},
    {"f64(diag(reshape(range(18), [2, 3, 3]))[1, 1])", 13},
    {"diag(stack([x, 3 * x]))[1, 1] + diag(stack([x, 3 * x]))[0, 1]", 3},
    {"upsample1d(reshape(stack([x, 3 * x]), [1, 1, 2]), 2)[0, 0, 1]", 1},
    {"upsample1d(reshape(stack([x, 3 * x]), [1, 1, 2]), 2)[0, 0, 2]", 3},
    {"upsample2d(reshape(stack([x, 3 * x]), [1, 1, 2, 1]), 3)[0, 0, 2, 1]", 1},
    {"upsample2d(reshape(stack([x, 3 * x]), [1, 1, 1, 2]), 3)[0, 0, 1, 3]", 3},
    {"upsample3d(reshape(stack([x, 3 * x]), [1, 1, 2, 1, 1]), 2)[0, 0, 2, 1, 0]", 3},
    {"f64(group(f32(reshape(stack([x, 3 * x]), [1, 1, 1, 2])))[0, 0, 0, 1])", 0.8164965809277260},
    {"f64(group(f32(reshape(stack([x, 3 * x]), [1, 1, 1, 2])))[0, 0, 0, 0])", -0.8164965809277260},
    {"f64(rms(f32(stack([x, 2 * x])))[1])", 1.1547005383792515}, /* 2 / sqrt(5/2 + 1/2) */
    /* 4/5 of the cross entropy, and of each class its share of 1/5; over two classes */
    {"f64(sum(smooth_cross_entropy(f32(stack([stack([x, 3 * x]), stack([x, 2 * x])])), range(2), smooth = "
     "0.2)))",
     2.3401897},
};
START_TEST(values_by_hand) {
  for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
    char text[512];
    snprintf(text, sizeof text,
             "import nn\nparam x: f64 = 1\nlet group = nn.GroupNorm(1, 1, eps = 0.5)\nlet rms = "
             "nn.RmsNorm(2, eps = 0.5)\n"
             "output y = x * %s\n",
             values[k].text);
    dg_context *cx = context();
    dg_program *p = program(cx, text);
    dg_session *s = session(cx, p, 0, 1);
    dg_array y;
    ok(dg_predict(s));
    ok(dg_read(s, "y", &y));
    double got = ((const double *)y.data)[0];
    bool single = strstr(values[k].text, "f32") != NULL;
    ck_assert_msg(fabs(got - values[k].value) < (single ? 1e-6 : 1e-15), "%s: %.17g", values[k].text, got);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

/* Rows of the table in the index's shape; a place outside has none. */
START_TEST(embedding) {
  dg_context *cx = context();
  dg_program *p =
      program(cx, "import nn\nlet table = nn.Embedding(3, 2)\nlet i: i32[2, 2] = [[1, 2], [0, 3]]\n"
                  "output y = table(i)\n");
  dg_session *s = session(cx, p, 0, 1);
  dg_array y, w;
  ok(dg_predict(s));
  ok(dg_read(s, "y", &y));
  ok(dg_read(s, "table.w", &w));
  const float *got = y.data, *row = w.data;
  ck_assert(y.rank == 3 && y.extent[0] == 2 && y.extent[1] == 2 && y.extent[2] == 2);
  for (int k = 0; k < 2; k++) {
    ck_assert(got[k] == row[2 + k] && got[2 + k] == row[4 + k] && got[4 + k] == row[k] && got[6 + k] == 0);
    ck_assert(row[k] != 0 && fabsf(row[k]) < 0.2f);
  }
  free_all(cx, p, s);
}
END_TEST

/* Initial values: the greatest of uniform ones is just below the bound, normal ones have the deviation. */
static const struct {
  const char *type, *init;
  double bound, deviation;
} inits[] = {
    {"f64[40, 30, 3, 4]", "he_normal()", 0, 0.0745355992499930},         /* sqrt(2 / 360) */
    {"f64[40, 30, 3, 4]", "he_uniform()", 0.1290994448735806, 0},        /* sqrt(6 / 360) */
    {"f64[20, 10, 2, 3, 4]", "he_normal()", 0, 0.0912870929175277},      /* sqrt(2 / 240) */
    {"f64[20, 30, 2, 2, 2]", "glorot_uniform()", 0.1224744871391589, 0}, /* sqrt(6 / (240 + 160)) */
    {"f64[40, 30, 20]", "he_normal()", 0, 0.2581988897471611},           /* stacked matrices: sqrt(2 / 30) */
    {"f64[120, 80]", "he_normal(gain = 2.0)", 0, 0.2581988897471611},
    {"f64[120, 80]", "glorot_uniform()", 0.1732050807568877, 0}, /* sqrt(6 / 200) */
    {"f64[120, 80]", "glorot_normal()", 0, 0.1},
    {"f64[120, 80]", "lecun_normal()", 0, 0.0912870929175277},
    {"f64[5000]", "lecun_normal()", 0, 0.0141421356237310},
};
START_TEST(initial_values) {
  for (size_t k = 0; k < sizeof inits / sizeof *inits; k++) {
    char text[256];
    snprintf(text, sizeof text, "param w: %s ~ %s\noutput y = sum(w)\n", inits[k].type, inits[k].init);
    dg_context *cx = context();
    dg_program *p = program(cx, text);
    dg_session *s = session(cx, p, 0, 1);
    dg_array w;
    ok(dg_read(s, "w", &w));
    double most = 0, square = 0, n = 1;
    for (int i = 0; i < w.rank; i++) n *= (double)w.extent[i];
    for (size_t i = 0; i < (size_t)n; i++) {
      double x = ((const double *)w.data)[i];
      most = fmax(most, fabs(x)), square += x * x;
    }
    double got = inits[k].bound > 0 ? most : sqrt(square / n), want = inits[k].bound + inits[k].deviation;
    ck_assert_msg(fabs(got / want - 1) < (inits[k].bound > 0 ? 0.005 : 0.05), "%s %s: %g, not %g",
                  inits[k].type, inits[k].init, got, want);
    ck_assert(inits[k].bound == 0 || most <= inits[k].bound);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

/* ---- initial values */

/* The largest element of w w' - gain^2, or of w' w where that is smaller. */
static double off_right(const double *w, int rows, int columns, double gain) {
  bool wide = columns >= rows;
  int n = wide ? rows : columns, len = wide ? columns : rows;
  double worst = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      double dot = 0;
      for (int k = 0; k < len; k++)
        dot += wide ? w[i * columns + k] * w[j * columns + k] : w[k * columns + i] * w[k * columns + j];
      worst = fmax(worst, fabs(dot - (i == j) * gain * gain));
    }
  return worst;
}

static const struct {
  const char *type, *init;
  int rows, columns;
  double gain;
} matrices[] = {
    {"f32[20, 50]", "orthogonal()", 20, 50, 1},         {"f32[50, 20]", "orthogonal(2)", 50, 20, 2},
    {"f32[32, 32]", "orthogonal()", 32, 32, 1},         {"f64[30, 30]", "orthogonal()", 30, 30, 1},
    {"f32[6, 2, 3, 3]", "orthogonal()", 6, 18, 1},      {"f32[1, 1]", "orthogonal()", 1, 1, 1},
    {"f64[2, 3]", "orthogonal(gain = 0.5)", 2, 3, 0.5},
};

START_TEST(orthogonal_rows) {
  for (size_t k = 0; k < sizeof matrices / sizeof *matrices; k++)
    for (int interpret = 1; interpret >= !native(); interpret--) {
      char text[128];
      snprintf(text, sizeof text, "param w: %s ~ %s\noutput o = w\n", matrices[k].type, matrices[k].init);
      dg_context *cx = context();
      dg_program *p = program(cx, text);
      dg_session *s = session(cx, p, interpret, 1);
      dg_array a;
      ok(dg_read(s, "w", &a));
      static double w[2048];
      for (int i = 0; i < matrices[k].rows * matrices[k].columns; i++)
        w[i] = a.dtype == DG_F64 ? ((const double *)a.data)[i] : (double)((const float *)a.data)[i];
      double worst = off_right(w, matrices[k].rows, matrices[k].columns, matrices[k].gain);
      ck_assert_msg(worst < (a.dtype == DG_F64 ? 1e-14 : 1e-5), "%s: off by %g", text, worst);
      dg_session_free(s);
      dg_program_free(p);
      dg_context_free(cx);
    }
}
END_TEST

/* Of 2 x 2 matrices the first row is a direction, each equally likely, and half of them turn the plane over.
 */
START_TEST(orthogonal_equally_likely) {
  enum { SEEDS = 200 };
  double by_quarter[4] = {0}, over = 0;
  dg_context *cx = context();
  dg_program *p = program(cx, "param w: f64[2, 2] ~ orthogonal()\noutput o = w\n");
  for (int seed = 1; seed <= SEEDS; seed++) {
    dg_session_options o;
    dg_session_options_init(&o, sizeof o);
    o.interpret = 1, o.threads = 1, o.seed = (uint64_t)seed;
    dg_session *s;
    ok(dg_session_new(p, &o, &s));
    dg_array a;
    ok(dg_read(s, "w", &a));
    const double *w = a.data;
    by_quarter[(w[0] > 0) + 2 * (w[1] > 0)]++;
    over += w[0] * w[3] - w[1] * w[2] < 0;
    dg_session_free(s);
  }
  for (int i = 0; i < 4; i++) ck_assert_msg(fabs(by_quarter[i] - SEEDS / 4) < 25, "%d: %g", i, by_quarter[i]);
  ck_assert_msg(fabs(over - SEEDS / 2) < 29, "%g", over);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

UNIT_MAIN(UNIT("std", values_by_hand, embedding, initial_values, optimizers, numbers_of_the_text,
               slopes_at_kinks, orthogonal_rows, orthogonal_equally_likely))
