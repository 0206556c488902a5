/* Random programs: a text that is always accepted, from a seed. Values of known shape are kept in a pool;
 * each statement makes one from earlier ones. Numbers are squashed often, so that most programs stay finite.
 */
#ifndef DG_TESTS_FUZZ_MODEL_TEXT_H
#define DG_TESTS_FUZZ_MODEL_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = -1, POOL = 96, TEXT = 1 << 16 }; /* BATCH: an axis of extent N */

typedef struct Val {
  char name[24];
  int rank, dim[4];
} Val;
typedef struct Gen {
  uint64_t seed;
  char text[TEXT];
  size_t len;
  Val pool[POOL];
  int n, made, batch;
  const char *dt; /* of all real values */
  bool stops;     /* holds stop_gradient: dual numbers of the whole are not the gradient */
  bool layers;    /* std/nn is imported: f32 */
  char first[24]; /* a parameter */
  Val first_shape;
} Gen;

static inline uint32_t gen_next(Gen *g, uint32_t n) { /* splitmix64, below n */
  uint64_t x = g->seed += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return (uint32_t)((x ^ x >> 31) >> 33) % n;
}
#define GEN_ONE(g, list) ((list)[gen_next((g), (uint32_t)(sizeof(list) / sizeof *(list)))])

__attribute__((format(printf, 2, 3))) static inline void say(Gen *g, const char *f, ...) {
  va_list ap;
  va_start(ap, f);
  int n = vsnprintf(g->text + g->len, TEXT - g->len, f, ap);
  va_end(ap);
  g->len = n < 0 || g->len + (size_t)n >= TEXT ? TEXT - 1 : g->len + (size_t)n;
}

static inline int extent_of(const Gen *g, int d) { return d == BATCH ? g->batch : d; }
static inline long count_of(const Gen *g, const Val *v) {
  long n = 1;
  for (int i = 0; i < v->rank; i++) n *= extent_of(g, v->dim[i]);
  return n;
}
static inline bool same_shape(const Val *a, const Val *b) {
  return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof(int) * (size_t)a->rank) == 0;
}
static inline const char *dims_text(const Val *v, char *to) { /* [N, 3] */
  size_t n = 0;
  if (!v->rank) return "";
  for (int i = 0; i < v->rank; i++)
    n += (size_t)(v->dim[i] == BATCH ? sprintf(to + n, "%sN", i ? ", " : "[")
                                     : sprintf(to + n, "%s%d", i ? ", " : "[", v->dim[i]));
  strcpy(to + n, "]");
  return to;
}
static inline Val gen_shape(int rank, int a, int b, int c, int d) {
  return (Val){.rank = rank, .dim = {a, b, c, d}};
}
static inline int gen_size(Gen *g) {
  static const int some[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 17, 20, 33};
  return gen_next(g, 16) ? GEN_ONE(g, some) : 64 + (int)gen_next(g, 70);
}
static inline Val *gen_keep(Gen *g, Val v,
                            const char *name) { /* when the pool is full, an old one makes room */
  uint32_t at = g->n < POOL ? (uint32_t)g->n++ : gen_next(g, POOL);
  g->pool[at] = v;
  snprintf(g->pool[at].name, sizeof v.name, "%s", name);
  return &g->pool[at];
}
/* `let vK = ...`, whose shape is s. */
__attribute__((format(printf, 3, 4))) static inline void gen_let(Gen *g, Val s, const char *f, ...) {
  char e[2048], name[24];
  va_list ap;
  va_start(ap, f);
  vsnprintf(e, sizeof e, f, ap);
  va_end(ap);
  snprintf(name, sizeof name, "v%d", g->made++);
  say(g, "let %s = %s\n", name, e);
  gen_keep(g, s, name);
}
static inline Val
gen_pick(Gen *g, int rank) { /* a value of that rank (any: -1, at least one axis: -2); rank -9: none */
  for (int i = 0; i < 40; i++) {
    Val v = g->pool[g->n > 12 && gen_next(g, 3) ? (uint32_t)g->n - 1 - gen_next(g, 12)
                                                : gen_next(g, (uint32_t)g->n)];
    if (v.rank == rank || rank == -1 || (rank == -2 && v.rank > 0)) return v;
  }
  return (Val){.rank = -9};
}
static inline Val gen_like(Gen *g, const Val *v) {
  for (int i = 0; i < 30; i++) {
    Val w = g->pool[gen_next(g, (uint32_t)g->n)];
    if (same_shape(v, &w)) return w;
  }
  return *v;
}
/* A fresh parameter of that shape; its name is in the pool too. */
static inline Val gen_param(Gen *g, Val s) {
  static const char *const start[] = {"~ normal(0, 0.6)",
                                      "~ uniform(-1, 1)",
                                      "~ glorot_uniform()",
                                      "~ he_normal()",
                                      "~ lecun_normal()",
                                      "~ glorot_normal(gain = 0.5)",
                                      "= 0.25",
                                      "= 0"};
  char d[64], name[24];
  snprintf(name, sizeof name, "p%d", g->made++);
  bool frozen = gen_next(g, 12) == 0;
  say(g, "%sparam %s: %s%s %s\n", frozen ? "frozen " : "", name, g->dt, dims_text(&s, d),
      s.rank ? GEN_ONE(g, start) : "= 0.75");
  if (!g->first[0] && !frozen) {
    snprintf(g->first, sizeof g->first, "%s", name);
    g->first_shape = s;
  }
  return *gen_keep(g, s, name);
}

static inline void gen_unary(Gen *g) {
  static const char *const form[] = {"relu(%s)",
                                     "tanh(%s)",
                                     "sigmoid(%s)",
                                     "silu(%s)",
                                     "gelu(%s)",
                                     "softplus(%s)",
                                     "sin(%s)",
                                     "cos(3 * %s)",
                                     "abs(%s)",
                                     "square(tanh(%s))",
                                     "sqrt(0.1 + abs(%s))",
                                     "elu(%s)",
                                     "leaky_relu(%s)",
                                     "hard_tanh(%s)",
                                     "relu6(%s)",
                                     "softsign(%s)",
                                     "erf(%s)",
                                     "expm1(minimum(%s, 2))",
                                     "log1p(abs(%s))",
                                     "log(0.5 + square(%s))",
                                     "exp(minimum(%s, 3))",
                                     "rsqrt(1 + square(%s))",
                                     "floor(2 * %s)",
                                     "sign(%s)",
                                     "round(3 * %s)",
                                     "-%s",
                                     "tanh(%s)^3",
                                     "(1.5 + sin(%s))^-2",
                                     "(1 + abs(%s))^1.5",
                                     "clip(%s, -0.7, 0.6)",

                                     "wave(%s)",
                                     "twice(%s)",
                                     "hard_sigmoid(%s)",
                                     "ceil(%s)",
                                     "mod(%s, 1.5)",
                                     "1 / (1.25 + sigmoid(%s))",
                                     "(2 - sigmoid(%s)) / 3"};
  Val v = gen_pick(g, -1);
  gen_let(g, v, GEN_ONE(g, form), v.name);
}
static inline void gen_binary(Gen *g) {
  static const char *const form[] = {"%s + %s",          "%s - %s",
                                     "tanh(%s) * %s",    "maximum(%s, %s)",
                                     "minimum(%s, %s)",  "%s / (1.5 + abs(%s))",
                                     "fma(0.5, %s, %s)", "sigmoid(%s) * tanh(%s)",
                                     "0.7*%s - 0.2*%s",  "(1 + abs(%s))^tanh(%s)"};
  Val v = gen_pick(g, -1), w = gen_like(g, &v);
  if (gen_next(g, 5) == 0) {
    Val z = gen_like(g, &v);
    gen_let(g, v, "where(%s %s %s, %s, %s)", v.name, gen_next(g, 2) ? "<" : ">=", w.name,
            gen_next(g, 2) ? w.name : "0.5", z.name);
  } else
    gen_let(g, v, GEN_ONE(g, form), v.name, w.name);
}
/* One side is stretched: a row, a column, a kept reduction. */
static inline void gen_stretch(Gen *g) {
  static const char *const sign[] = {"+", "-", "*"};
  Val v = gen_pick(g, -2);
  if (v.rank < 0) return;
  const char *op = GEN_ONE(g, sign);
  int last = v.dim[v.rank - 1];
  if (gen_next(g, 3) == 0)
    gen_let(g, v, "%s %s %s(%s, axis = -1, keep = true)", v.name, op, gen_next(g, 2) ? "mean" : "max",
            v.name);
  else if (v.rank == 2 && v.dim[0] != BATCH && gen_next(g, 2)) {
    Val c = gen_param(g, gen_shape(1, v.dim[0], 0, 0, 0));
    gen_let(g, v, "%s %s %s[:, _]", v.name, op, c.name);
  } else if (last != BATCH) {
    Val r = gen_param(g, gen_shape(1, last, 0, 0, 0));
    gen_let(g, v, "%s %s %s", v.name, op, r.name);
  }
}
static inline Val without(Val v, int axis) {
  for (int i = axis; i + 1 < v.rank; i++) v.dim[i] = v.dim[i + 1];
  v.rank--;
  return v;
}
static inline void gen_reduce(Gen *g) {
  static const char *const op[] = {"sum", "mean", "max", "min", "variance", "norm", "logsumexp"};
  Val v = gen_pick(g, -2);
  if (v.rank < 0) return;
  int axis = (int)gen_next(g, (uint32_t)v.rank);
  const char *name = GEN_ONE(g, op);
  if (gen_next(g, 6) == 0) {
    gen_let(g, without(v, axis), "prod(1 + 0.3 * tanh(%s), axis = %d)", v.name, axis);
  } else if (gen_next(g, 4) == 0) {
    Val one = v;
    one.dim[axis] = 1;
    gen_let(g, one, "tanh(%s(%s, axis = %d, keep = true))", name, v.name, axis);
  } else if (v.rank > 1 && gen_next(g, 4) == 0 && strcmp(name, "logsumexp") != 0) {
    Val r = without(without(v, 1), 0);
    gen_let(g, r, "tanh(%s(%s, axis = [0, 1]))", name, v.name);
  } else
    gen_let(g, without(v, axis), "tanh(%s(%s, axis = %d - %d))", name, v.name, axis,
            gen_next(g, 2) ? 0 : v.rank);
}
static inline void gen_rows(Gen *g) {
  static const char *const form[] = {"softmax(%s)", "log_softmax(%s)", "standardize(%s)",
                                     "l2norm(%s, eps = 0.1)"};
  Val v = gen_pick(g, -2);
  if (v.rank < 0) return;
  if (gen_next(g, 3) == 0)
    gen_let(g, v, "softmax(%s, axis = %d)", v.name, (int)gen_next(g, (uint32_t)v.rank));
  else if (gen_next(g, 5) == 0 && v.dim[v.rank - 1] != BATCH)
    gen_let(g, v, "%s(one_hot(argmax(%s, axis = -1), %d))", g->dt, v.name, v.dim[v.rank - 1]);
  else
    gen_let(g, v, GEN_ONE(g, form), v.name);
}
static inline void gen_product(Gen *g) {
  Val v = gen_pick(g, gen_next(g, 4) ? 2 : -2);
  if (v.rank < 0) return;
  int k = v.dim[v.rank - 1];
  if (v.rank == 2 && gen_next(g, 4) == 0) {
    Val w = gen_like(g, &v);
    bool left = gen_next(g, 2);
    gen_let(g, gen_shape(2, v.dim[!left], v.dim[!left], 0, 0), left ? "tanh(%s @ %s')" : "tanh(%s' @ %s)",
            v.name, w.name);
  } else if (v.rank == 3 && gen_next(g, 2)) {
    Val w = gen_like(g, &v), r = v;
    r.dim[2] = v.dim[1];
    gen_let(g, r, "softmax(%s @ %s' / 2)", v.name, w.name);
  } else if (v.rank == 1 && gen_next(g, 2))
    gen_let(g, gen_shape(0, 0, 0, 0, 0), "tanh(%s @ %s)", v.name, gen_like(g, &v).name);
  else if (k != BATCH) {
    int m = gen_next(g, 6) ? gen_size(g) : 0; /* 0: with a vector */
    Val p = gen_param(g, m ? gen_shape(2, k, m, 0, 0) : gen_shape(1, k, 0, 0, 0)), r = v;
    if (m)
      r.dim[r.rank - 1] = m;
    else
      r.rank--;
    gen_let(g, r, gen_next(g, 3) ? "tanh(%s @ %s)" : "0.3 * (%s @ %s)", v.name, p.name);
  }
}
static inline void gen_move(Gen *g) {
  Val v = gen_pick(g, gen_next(g, 3) ? -2 : 3 + (int)gen_next(g, 2)), w;
  if (v.rank < 0) v = gen_pick(g, -2);
  if (v.rank < 0) return;
  w = v;
  int axis = (int)gen_next(g, (uint32_t)v.rank), e = v.dim[axis];
  char at[64] = "", d[64];
  for (int i = 0; i < axis; i++) strcat(at, ":, ");
  switch (gen_next(g, 9)) {
  case 0:
    if (v.rank < 2) return;
    w.dim[v.rank - 1] = v.dim[v.rank - 2];
    w.dim[v.rank - 2] = v.dim[v.rank - 1];
    gen_let(g, w, "%s'", v.name);
    return;
  case 1:
    if (v.rank < 3) return;
    for (int i = 0; i < v.rank; i++) w.dim[i] = v.dim[(i + v.rank - 1) % v.rank];
    gen_let(g, w, v.rank == 3 ? "permute(%s, [2, 0, 1])" : "permute(%s, [3, 0, 1, 2])", v.name);
    return;
  case 2: { /* a slice, perhaps with a step */
    if (e == BATCH) return;
    int lo = (int)gen_next(g, (uint32_t)e), step = 1 + (int)gen_next(g, 3),
        hi = lo + 1 + (int)gen_next(g, (uint32_t)(e - lo));
    w.dim[axis] = (hi - lo + step - 1) / step;
    gen_let(g, w, "%s[%s%d:%d:%d]", v.name, at, lo, hi, step);
    return;
  }
  case 3:
    if (e == BATCH) return;
    gen_let(g, without(v, axis), "%s[%s%d]", v.name, at,
            (int)gen_next(g, (uint32_t)e) - (gen_next(g, 2) ? e : 0));
    return;
  case 4: {
    Val u = gen_like(g, &v);
    if (e == BATCH) return;
    w.dim[axis] = 2 * e;
    if (count_of(g, &w) > 3000) return;
    gen_let(g, w, "concat([%s, %s], axis = %d)", v.name, u.name, axis);
    return;
  }
  case 5: {
    if (v.rank > 2) return;
    Val u = gen_like(g, &v);
    for (int i = v.rank; i > 0; i--) w.dim[i] = v.dim[i - 1];
    w.dim[0] = 2;
    w.rank++;
    gen_let(g, w, "stack([%s, %s])", v.name, u.name);
    return;
  }
  case 6:
    if (e == BATCH) return;
    w.dim[axis] = e + 3;
    if (count_of(g, &w) > 3000) return;
    gen_let(g, w, "pad(%s, 1, 2, axis = %d)", v.name, axis);
    return;
  case 7: gen_let(g, w, "flip(%s, axis = %d)", v.name, axis); return;
  default: /* the last two axes become one, or one becomes two */
    if (v.rank >= 2 && v.dim[v.rank - 1] != BATCH && v.dim[v.rank - 2] != BATCH) {
      w.rank--;
      w.dim[w.rank - 1] = v.dim[v.rank - 2] * v.dim[v.rank - 1];
    } else if (v.rank < 4 && v.dim[v.rank - 1] != BATCH && v.dim[v.rank - 1] % 2 == 0) {
      w.rank++;
      w.dim[w.rank - 2] = v.dim[v.rank - 1] / 2;
      w.dim[w.rank - 1] = 2;
    } else
      return;
    gen_let(g, w, "reshape(%s, %s)", v.name, dims_text(&w, d));
  }
}
static inline void gen_image(Gen *g) {
  Val v = gen_pick(g, 4), w;
  if (v.rank < 0 || v.dim[1] == BATCH || v.dim[2] == BATCH || v.dim[3] == BATCH) return;
  w = v;
  int s = 1 + (int)gen_next(g, 3), k = 1 + (int)gen_next(g, 3), p = (int)gen_next(g, 2),
      groups = v.dim[1] % 2 == 0 && gen_next(g, 3) == 0 ? 2 : 1, dil = 1 + (gen_next(g, 4) == 0);
  int span = (k - 1) * dil + 1, kind = (int)gen_next(g, 5);
  if (kind >= 3) dil = 1, span = k, p = k > 1 ? p : 0;
  for (int i = 2; i < 4; i++) {
    if (v.dim[i] + 2 * p < span) return;
    w.dim[i] = (v.dim[i] + 2 * p - span) / s + 1;
  }
  if (kind >= 3) {
    gen_let(g, w, "%s_pool2d(%s, %d, stride = %d, padding = %d)", kind == 3 ? "max" : "avg", v.name, k, s, p);
    return;
  }
  w.dim[1] = groups * (1 + (int)gen_next(g, 4));
  Val f = gen_param(g, gen_shape(4, w.dim[1], v.dim[1] / groups, k, k));
  gen_let(g, w, "tanh(conv2d(%s, %s, stride = %d, padding = %d, dilation = %d, groups = %d))", v.name, f.name,
          s, p, dil, groups);
}
static inline void gen_layer(Gen *g) {
  Val v = gen_pick(g, gen_next(g, 2) ? 4 : -2), w;
  if (v.rank < 1) v = gen_pick(g, -2);
  if (v.rank < 1) return;
  w = v;
  int last = v.dim[v.rank - 1], m = g->made++;
  if (v.rank == 4 && v.dim[1] != BATCH && gen_next(g, 2)) {
    say(g, "let m%d = nn.%s%d)\n", m, gen_next(g, 2) ? "BatchNorm(" : "GroupNorm(1, ", v.dim[1]);
  } else if (last == BATCH)
    return;
  else
    switch (gen_next(g, 6)) {
    case 0:
      w.dim[w.rank - 1] = gen_size(g);
      say(g, "let m%d = nn.Linear(%d, %d)\n", m, last, w.dim[w.rank - 1]);
      break;
    case 1: say(g, "let m%d = nn.LayerNorm(%d)\n", m, last); break;
    case 2: say(g, "let m%d = nn.RmsNorm(%d)\n", m, last); break;
    case 3:
      say(g, "let m%d = nn.Mlp([%d, %d, %d], activation = %s)\n", m, last, gen_size(g), last,
          gen_next(g, 2) ? "tanh" : "relu");
      break;
    case 4: say(g, "let m%d = nn.Dropout(p = 0.3)\n", m); break;
    default:
      if (v.rank != 2) return;
      say(g, "let m%d = nn.BatchNorm1d(%d)\n", m, last);
    }
  gen_let(g, w, "m%d(%s)", m, v.name);
}
static inline void gen_other(Gen *g) {
  Val v = gen_pick(g, -1);
  char d[64];
  dims_text(&v, d);
  switch (gen_next(g, 7)) {
  case 0: gen_let(g, v, "dropout(%s, 0.4)", v.name); return;
  case 1:
    if (v.rank) gen_let(g, v, "%s + 0.1 * %s(normal(shape = %s))", v.name, g->dt, d);
    return;
  case 2:
    g->stops = true;
    gen_let(g, v, "tanh(%s - stop_gradient(%s))", v.name, gen_like(g, &v).name);
    return;
  case 3:
    if (v.rank && v.dim[v.rank - 1] != BATCH) {
      say(g, "let g%d = Gate(%d)\n", g->made, v.dim[v.rank - 1]);
      int m = g->made++;
      gen_let(g, v, "g%d(%s)", m, v.name);
    }
    return;
  case 4:
    if (g->first[0] && v.rank && gen_next(g, 3) == 0)
      gen_let(g, g->first_shape, "tanh(grad(mean(tanh(%s)^2), %s))", v.name, g->first);
    return;
  case 5:
    gen_let(g, gen_shape(1, BATCH, 0, 0, 0), "%s(mod(3 * label - %d, 4) + div(label + 5, -2))", g->dt,
            (int)gen_next(g, 9));
    return;
  default:
    if (v.rank && v.dim[v.rank - 1] != BATCH)
      gen_let(g, v, "%s * %s(range(%d))", v.name, g->dt, v.dim[v.rank - 1]);
  }
}

/* Fills g->text up to the train steps. */
static inline void gen_model(Gen *g, uint64_t seed) {
  static const int rows[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 33};
  memset(g, 0, sizeof *g);
  g->seed = (seed + 1) * 0xd1342543de82ef95u; /* not splitmix64's own step: neighbours would share numbers */
  g->batch = gen_next(g, 16) ? GEN_ONE(g, rows) : 65 + (int)gen_next(g, 70);
  g->layers = gen_next(g, 2);
  g->dt = g->layers || gen_next(g, 3) == 0 ? "f32" : "f64";
  int a = gen_size(g), b = gen_size(g), classes = 2 + (int)gen_next(g, 6), c = 1 + (int)gen_next(g, 4),
      h = 3 + (int)gen_next(g, 6), w = 3 + (int)gen_next(g, 6);
  if (g->layers) say(g, "import nn\n");
  say(g, "fn wave(x: F[..]) -> F[..] {\n  var h = x\n  for i in 0:3 { h = sin(h + 0.25 * i) }\n  return "
         "h\n}\nfn twice(x: F[..]) -> F[..] = 2 * x - tanh(x)\n");
  say(g,
      "module Gate(n: int) {\n  param s: %s[n] ~ normal(0.5, 0.3)\n  state seen: %s = 0\n  fn (x: %s[.., n]) "
      "-> %s[.., n] {\n    seen := 0.9 * seen + 0.1 * mean(x)\n    return tanh(x * s)\n  }\n}\n",
      g->dt, g->dt, g->dt, g->dt);
  say(g, "input x: %s[N, %d]\ninput label: i32[N] in 0:%d\ninput z: %s[%d, %d]\n", g->dt, a, classes, g->dt,
      a, b);
  gen_keep(g, gen_shape(2, BATCH, a, 0, 0), "x");
  gen_keep(g, gen_shape(2, a, b, 0, 0), "z");
  if (gen_next(g, 2)) {
    say(g, "input image: %s[N, %d, %d, %d]\n", g->dt, c, h, w);
    gen_keep(g, gen_shape(4, BATCH, c, h, w), "image");
    for (int i = 0; i < 3; i++) gen_image(g);
  }
  gen_product(g);
  gen_param(g, gen_shape(2, a, b, 0, 0));
  int steps = 4 + (int)gen_next(g, 13);
  for (int i = 0; i < steps; i++) {
    if (g->layers && gen_next(g, 5) == 0) gen_layer(g);
    switch (gen_next(g, 14)) {
    case 0:
    case 1:
    case 2: gen_unary(g); break;
    case 3:
    case 4: gen_binary(g); break;
    case 5: gen_stretch(g); break;
    case 6: gen_reduce(g); break;
    case 7: gen_rows(g); break;
    case 8:
    case 9: gen_product(g); break;
    case 10: gen_move(g); break;
    case 11: gen_image(g); break;
    case 12:
      if (g->layers) gen_layer(g);
      break;
    default: gen_other(g);
    }
  }
  Val logits = gen_param(g, gen_shape(2, a, classes, 0, 0)), u = g->pool[g->n - 2], v = gen_pick(g, -1),
      t = gen_pick(g, -1);
  say(g, "loss l = mean(tanh(%s)^2) + mean(sigmoid(%s))", u.name, v.name);
  for (int i = 3; i < 6 && i < g->n; i++) say(g, " + %d.5 * mean(tanh(%s))", i, g->pool[g->n - i].name);
  if (gen_next(g, 2)) say(g, " + 0.1 * mean(cross_entropy(x @ %s, label))", logits.name);
  say(g, "\n");
  say(g, "metric top = max(%s)\nmetric hits = mean(f32(argmax(x @ %s, axis = -1) == label))\n", t.name,
      logits.name);
  say(g, "output o1 = %s\noutput o2 = %s\noutput o3 = argmax(x @ %s, axis = 1)\n", u.name,
      gen_pick(g, -1).name, logits.name);
}

/* The train step with a random optimizer, or one that only keeps the gradients (in states fit.d.*). */
static inline void gen_train(Gen *g, bool gradients) {
  static const char *const opt[] = {"sgd(lr = 0.05)",
                                    "sgd(lr = 0.05, momentum = 0.9, nesterov = true)",
                                    "adam(lr = 0.01)",
                                    "adamw(lr = warmup(step, 0.01, steps = 3))",
                                    "rmsprop(lr = 0.01, momentum = 0.5)",
                                    "adagrad(lr = cosine_decay(step, 0.1, total = 5))",
                                    "lion(lr = 0.001)",
                                    "mine(rate = 0.9^step)"};
  say(g, "optimizer mine(w, g, rate) {\n  state far = 0\n  far := maximum(0.9 * far, abs(g))\n  w := w - "
         "0.01 * rate * g / (far + 1e-3)\n}\n");
  if (gradients) {
    say(g, "optimizer keep(w, g) {\n  state d = 0\n  d := g\n  w := w\n}\ntrain fit { minimize l; update * "
           "using "
           "keep() }\n");
    return;
  }
  char d[64];
  say(g, "state ema: %s%s = 0\n", g->dt, dims_text(&g->first_shape, d));
  say(g, "train fit {\n  minimize l\n");
  if (gen_next(g, 3) == 0 && g->first[0])
    say(g, "  update %s using %s\n  update * except %s using %s\n", g->first, GEN_ONE(g, opt), g->first,
        GEN_ONE(g, opt));
  else
    say(g, "  update * using %s\n", GEN_ONE(g, opt));
  if (gen_next(g, 3) == 0) say(g, "  clip_norm = 0.5\n");
  if (gen_next(g, 4) == 0) say(g, "  clip_value = 0.1\n");
  say(g, "}\n");
  if (gen_next(g, 2) && g->first[0]) say(g, "after fit { ema := 0.9 * ema + 0.1 * %s }\n", g->first);
}

#endif
