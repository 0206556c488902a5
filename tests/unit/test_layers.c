/* The layers of std/nn.dg that are more than a line, against plain C: after two steps of training, so that no
 * parameter is 0, with the parameters read back. */
#include "api_kit.h"

#include <stdio.h>

enum { B = 2, T = 5, D = 6, HEADS = 2, HIDDEN = 7, ROWS = B * T, MOST = 512 };

/* ---- what layers are made of */

typedef struct Model {
  dg_context *cx;
  dg_session *s;
} Model;

static const double *value(Model *m, const char *name, int n) {
  static double kept[32][MOST];
  static int next;
  dg_context *cx = m->cx;
  dg_array a;
  ok(dg_read(m->s, name, &a));
  int64_t count = 1;
  for (int i = 0; i < a.rank; i++) count *= a.extent[i];
  ck_assert_msg(count == n, "%s has %d numbers, not %d", name, (int)count, n);
  ck_assert_int_eq(a.dtype, DG_F64);
  double *to = kept[next++ % 32];
  memcpy(to, a.data, sizeof *to * (size_t)n);
  return to;
}
static const double *of(Model *m, const char *layer, const char *name, int n) {
  char path[64];
  snprintf(path, sizeof path, "%s%s", layer, name);
  return value(m, path, n);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* out += x w, rows of n to rows of k */
static void add_product(double *out, const double *x, int rows, int n, const double *w, int k) {
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < k; j++)
      for (int i = 0; i < n; i++) out[r * k + j] += x[r * n + i] * w[i * k + j];
}
static void set_rows(double *out, int rows, const double *b, int k) {
  for (int i = 0; i < rows * k; i++) out[i] = b ? b[i % k] : 0;
}
static void linear(Model *m, const char *layer, const double *x, int rows, int n, int k, bool bias,
                   double *out) {
  char path[64];
  snprintf(path, sizeof path, "%s.w", layer);
  const double *w = value(m, path, n * k);
  snprintf(path, sizeof path, "%s.b", layer);
  set_rows(out, rows, bias ? value(m, path, k) : NULL, k);
  add_product(out, x, rows, n, w, k);
}
static void layer_norm(Model *m, const char *layer, const double *x, double *out) {
  const double *gain = of(m, layer, ".gain", D), *bias = of(m, layer, ".bias", D);
  for (int r = 0; r < ROWS; r++) {
    double mean = 0, spread = 0;
    for (int i = 0; i < D; i++) mean += x[r * D + i] / D;
    for (int i = 0; i < D; i++) spread += pow(x[r * D + i] - mean, 2) / D;
    for (int i = 0; i < D; i++)
      out[r * D + i] = (x[r * D + i] - mean) / sqrt(spread + 1e-5) * gain[i] + bias[i];
  }
}

/* Of x to the places of c, which has `keys` of them; seen: [B, keys] or NULL. */
static void heads(Model *m, const char *layer, const double *x, const double *c, int keys, bool causal,
                  const bool *seen, double *out) {
  double q[MOST], k[MOST], v[MOST], y[MOST] = {0};
  char path[64];
  snprintf(path, sizeof path, "%s.query", layer), linear(m, path, x, ROWS, D, D, true, q);
  snprintf(path, sizeof path, "%s.key", layer), linear(m, path, c, B * keys, D, D, false, k);
  snprintf(path, sizeof path, "%s.value", layer), linear(m, path, c, B * keys, D, D, true, v);
  const int each = D / HEADS;
  for (int b = 0; b < B; b++)
    for (int h = 0; h < HEADS; h++)
      for (int t = 0; t < T; t++) {
        double p[T], sum = 0;
        for (int s = 0; s < keys; s++) {
          double score = 0;
          for (int i = h * each; i < (h + 1) * each; i++)
            score += q[(b * T + t) * D + i] * k[(b * keys + s) * D + i];
          bool sees = (!causal || s <= t + keys - T) && (!seen || seen[b * keys + s]);
          sum += p[s] = sees ? exp(score / sqrt(each)) : 0;
        }
        for (int s = 0; s < keys && sum > 0; s++)
          for (int i = h * each; i < (h + 1) * each; i++)
            y[(b * T + t) * D + i] += p[s] / sum * v[(b * keys + s) * D + i];
      }
  snprintf(path, sizeof path, "%s.out", layer), linear(m, path, y, ROWS, D, D, true, out);
}

/* ---- the layers: x to out */

static void self(Model *m, const double *x, double *out) { heads(m, "m", x, x, T, true, NULL, out); }
static void masked(Model *m, const double *x, double *out) {
  bool seen[ROWS]; /* of the second sequence nothing */
  for (int i = 0; i < ROWS; i++) seen[i] = i % 3 && i < T;
  heads(m, "m", x, x, T, false, seen, out);
}
static void cross(Model *m, const double *x, double *out) { /* to the first two places */
  double c[B * 2 * D];
  for (int b = 0; b < B; b++) memcpy(c + b * 2 * D, x + b * T * D, sizeof *c * 2 * D);
  heads(m, "m", x, c, 2, false, NULL, out);
}
static void block(Model *m, const double *x, double *out) {
  double n[MOST], y[MOST], up[MOST];
  layer_norm(m, "m.norm1", x, n);
  heads(m, "m.attend", n, n, T, true, NULL, y);
  for (int i = 0; i < ROWS * D; i++) y[i] += x[i];
  layer_norm(m, "m.norm2", y, n);
  linear(m, "m.up", n, ROWS, D, HIDDEN, true, up);
  for (int i = 0; i < ROWS * HIDDEN; i++) up[i] = 0.5 * up[i] * (1 + erf(up[i] / sqrt(2)));
  linear(m, "m.down", up, ROWS, HIDDEN, D, true, out);
  for (int i = 0; i < ROWS * D; i++) out[i] += y[i];
}

/* Rows of `parts` groups of columns, of x and of the state, at step t of sequence b. */
static void recurrent(Model *m, const double *x, double *out, int parts,
                      void (*cell)(Model *m, const double *in, const double *of_state, double *s,
                                   double *c)) {
  const double *wx = value(m, "m.wx", D * parts * D), *wh = value(m, "m.wh", D * parts * D),
               *b = value(m, "m.b", parts * D);
  for (int i = 0; i < B; i++) {
    double s[D] = {0}, c[D] = {0};
    for (int t = 0; t < T; t++) {
      double in[4 * D], of_state[4 * D] = {0};
      set_rows(in, 1, b, parts * D);
      add_product(in, x + (i * T + t) * D, 1, D, wx, parts * D);
      add_product(of_state, s, 1, D, wh, parts * D);
      cell(m, in, of_state, s, c);
      memcpy(out + (i * T + t) * D, s, sizeof s);
    }
  }
}
static void rnn_cell(Model *m, const double *in, const double *u, double *s, double *c) {
  (void)m, (void)c;
  for (int i = 0; i < D; i++) s[i] = tanh(in[i] + u[i]);
}
static void gru_cell(Model *m, const double *in, const double *u, double *s, double *c) {
  const double *bh = value(m, "m.bh", D);
  (void)c;
  for (int i = 0; i < D; i++) {
    double r = sigmoid(in[i] + u[i]), z = sigmoid(in[D + i] + u[D + i]);
    s[i] = (1 - z) * tanh(in[2 * D + i] + r * (u[2 * D + i] + bh[i])) + z * s[i];
  }
}
static void lstm_cell(Model *m, const double *in, const double *u, double *s, double *c) {
  (void)m;
  for (int i = 0; i < D; i++) {
    c[i] =
        sigmoid(in[D + i] + u[D + i] + 1) * c[i] + sigmoid(in[i] + u[i]) * tanh(in[2 * D + i] + u[2 * D + i]);
    s[i] = sigmoid(in[3 * D + i] + u[3 * D + i]) * tanh(c[i]);
  }
}
static void rnn(Model *m, const double *x, double *out) { recurrent(m, x, out, 1, rnn_cell); }
static void gru(Model *m, const double *x, double *out) { recurrent(m, x, out, 3, gru_cell); }
static void lstm(Model *m, const double *x, double *out) { recurrent(m, x, out, 4, lstm_cell); }

/* After two steps of one batch, at a momentum of 0.1. x: [rows, c, each]. */
static void batch_norm(Model *m, const double *x, int rows, int c, int each, double *out) {
  const double *gain = value(m, "m.gain", c), *bias = value(m, "m.bias", c);
  for (int k = 0; k < c; k++) {
    double mean = 0, spread = 0;
    for (int i = 0; i < rows * each; i++) mean += x[(i / each * c + k) * each + i % each] / (rows * each);
    for (int i = 0; i < rows * each; i++)
      spread += pow(x[(i / each * c + k) * each + i % each] - mean, 2) / (rows * each);
    for (int i = 0; i < rows * each; i++) {
      int at = (i / each * c + k) * each + i % each;
      out[at] = (x[at] - 0.19 * mean) / sqrt(0.81 + 0.19 * spread + 1e-5) * gain[k] + bias[k];
    }
  }
}
static void norm_places(Model *m, const double *x, double *out) { batch_norm(m, x, B, T, D, out); }
static void norm_images(Model *m, const double *x, double *out) { batch_norm(m, x, 1, B, T * D, out); }
static void norm_rows(Model *m, const double *x, double *out) { batch_norm(m, x, ROWS, D, 1, out); }

static const struct {
  const char *make, *call;
  void (*plain)(Model *m, const double *x, double *out);
} layers[] = {
    {"MultiHeadAttention(6, 2, causal = true, dtype = F)", "m(x)", self},
    {"MultiHeadAttention(6, 2, dtype = F)",
     "m(x, mask = (mod(range(5), 3) > 0)[_, _, _, :] and (range(2) == 0)[:, _, _, _])", masked},
    {"MultiHeadAttention(6, 2, dtype = F)", "m(x, x[:, 0:2])", cross},
    {"TransformerBlock(6, 2, hidden = 7, causal = true, dtype = F)", "m(x)", block},
    {"RNN(6, 6, dtype = F)", "m(x)", rnn},
    {"GRU(6, 6, dtype = F)", "m(x)", gru},
    {"LSTM(6, 6, dtype = F)", "m(x)", lstm},
    {"BatchNorm(5, dtype = F)", "m(x)", norm_places},
    {"BatchNorm(2, dtype = F)", "m(x[_])[0]", norm_images},
    {"BatchNorm1d(6, dtype = F)", "reshape(m(reshape(x, [10, 6])), [2, 5, 6])", norm_rows},
};

static dg_session *trained(dg_context *cx, dg_program *p, int interpret, dg_dtype t, const void *x,
                           const void *y) {
  dg_session *s = session(cx, p, interpret, 1);
  dg_array a = {.dtype = t, .rank = 3, .extent = {B, T, D}, .data = (void *)(uintptr_t)x};
  ok(dg_bind(s, "x", &a));
  a.data = (void *)(uintptr_t)y;
  ok(dg_bind(s, "y", &a));
  for (int i = 0; i < 2; i++) {
    double loss;
    ok(dg_step(s, "fit"));
    ok(dg_value(s, "l", &loss));
    ck_assert(isfinite(loss) && loss > 0);
  }
  ok(dg_predict(s));
  return s;
}

/* In f64 beside the formula, in f32 the same bits interpreted and native; nothing to be told of any of them.
 */
static void check_layer(int k, bool single) {
  char text[1024];
  snprintf(text, sizeof text,
           "import nn\nconst F = %s\ninput x: F[2, 5, 6]\ninput y: F[2, 5, 6]\nlet m = nn.%s\noutput o = %s\n"
           "loss l = mse(o, y)\ntrain fit { minimize l; update m using sgd(lr = 0.5) }\n",
           single ? "f32" : "f64", layers[k].make, layers[k].call);
  double x[ROWS * D], y[ROWS * D], out[ROWS * D];
  float xs[ROWS * D], ys[ROWS * D];
  for (int i = 0; i < ROWS * D; i++) {
    xs[i] = (float)(x[i] = (i * 7 % 11 - 5) / 4.0);
    ys[i] = (float)(y[i] = (i * 5 % 7 - 3) / 4.0);
  }
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  ck_assert_msg(dg_diagnostic_count(p) == 0, "%s\n%s", text, dg_diagnostics_text(p, 0));
  dg_dtype t = single ? DG_F32 : DG_F64;
  dg_session *s = trained(cx, p, 0, t, single ? (void *)xs : x, single ? (void *)ys : y);
  dg_session *by = trained(cx, p, 1, t, single ? (void *)xs : x, single ? (void *)ys : y);
  same_bits(cx, p, s, by, layers[k].make);
  if (!single) {
    Model m = {cx, s};
    dg_array a;
    layers[k].plain(&m, x, out);
    ok(dg_read(s, "o", &a));
    for (int i = 0; i < ROWS * D; i++) {
      double got = ((const double *)a.data)[i];
      ck_assert_msg(fabs(got - out[i]) < 1e-12, "%s: o[%d] is %.17g, not %.17g", layers[k].make, i, got,
                    out[i]);
    }
  }
  dg_session_free(s), dg_session_free(by);
  dg_program_free(p);
  dg_context_free(cx);
}

START_TEST(formulas) {
  for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) check_layer((int)k, false);
}
END_TEST
START_TEST(bits) {
  for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) check_layer((int)k, true);
}
END_TEST

UNIT_MAIN(UNIT("layers", formulas, bits))
