/* Programs beyond the thresholds at which the way to add, the tiles or the split into threads change. The
 * symbol N is one of the great extents; what is made of it goes on into common statements. */
#include "gen.h"

enum { LONG_ROW, OUTER, INNER_K, WIDE_K, IMAGES, WIDE, MATRICES, MOVED, CLASSES, INTEGERS, KINDS };

static const int extents[KINDS][4] = {
    [LONG_ROW] = {131077, 65537, 70001, 131072},
    [OUTER] = {4096, 4097, 9001, 66000},
    [INNER_K] = {4095, 4096, 4097, 6145},
    [WIDE_K] = {4096, 4100, 2049, 8193},
    [IMAGES] = {40, 65, 90, 130},
    [WIDE] = {257, 400, 513, 1000},
    [MATRICES] = {129, 150, 193, 256},
    [MOVED] = {255, 300, 511, 512},
    [CLASSES] = {64, 100, 300, 513},
    [INTEGERS] = {65536, 5000, 70001, 4097},
};

static Val let1(Gen *g, Val s, const char *form, const char *a) {
  char e[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  snprintf(e, sizeof e, form, a);
#pragma GCC diagnostic pop
  return gen_let(g, s, "%s", e);
}

static void long_row(Gen *g, Val v) { /* v: [N] */
  static const char *const to_one[] = {
      "tanh(sum(%s) / 50)", "mean(%s)",     "max(%s)", "logsumexp(%s) / 10",
      "norm(%s) / 200",     "variance(%s)", "min(%s)", "prod(1 + 0.001 * tanh(%s))"};
  static const char *const row[] = {"softmax(%s)", "log_softmax(%s)", "standardize(%s)", "%s - mean(%s)"};
  Val one = gval_without(v, 0);
  for (int i = 0; i < 3; i++) let1(g, one, GEN_ONE(g, to_one), v.name);
  const char *f = row[gen_next(g, 3)];
  Val r = let1(g, v, f, v.name);
  gen_let(g, one, "tanh(%s @ %s)", r.name, v.name);
  gen_let(g, gval_typed(one, I32), "argmax(%s, axis = 0)", v.name);
}

static void outer(Gen *g, Val v, Val w) { /* [N, a], [N, b] */
  static const char *const form[] = {
      "tanh(sum(%s, axis = 0) / 30)", "mean(%s, axis = 0)",       "max(%s, axis = 0)",
      "variance(%s, axis = 0)",       "tanh(norm(%s, axis = 0))", "logsumexp(%s, axis = 0)"};
  Val r = gval_without(v, 0), p = v;
  for (int i = 0; i < 3; i++) let1(g, r, GEN_ONE(g, form), v.name);
  p.dim[0] = v.dim[1], p.dim[1] = w.dim[1];
  gen_let(g, p, "tanh(%s' @ %s)", v.name, w.name);
  let1(g, v, "softmax(%s, axis = 0)", v.name);
}

static void wide_k(Gen *g) { /* K fixed and long, few and many results */
  int k = g->N, m = gen_one_in(g, 2) ? 3 : 65, n = gen_one_in(g, 2) ? 5 : 70;
  Val a = gen_param(g, gval_matrix(g->dt, ext_of(m), ext_of(k))),
      b = gen_param(g, gval_matrix(g->dt, ext_of(k), ext_of(n)));
  Val c = gen_let(g, gval_matrix(g->dt, ext_of(m), ext_of(n)), "tanh(%s @ %s)", a.name, b.name);
  Val u = gen_param(g, gval_row(g->dt, k));
  gen_let(g, gval_row(g->dt, m), "tanh(%s @ %s)", a.name, u.name);
  gen_let(g, gval_matrix(g->dt, ext_of(m), ext_of(m)), "tanh(%s @ %s')", a.name, a.name);
  gen_let(g, gval_row(g->dt, n), "tanh(%s @ %s) + mean(%s, axis = 0)", u.name, b.name, c.name);
}

static void images(Gen *g, Val x) {
  Dim n = {.n = 1};
  int c = 1 + (int)gen_next(g, 2), h = 8 + (int)gen_next(g, 4);
  Val s = gval_shape(g->dt, 4, n, ext_of(c), ext_of(h), ext_of(h));
  Val p = gen_param(g, gval_matrix(g->dt, x.dim[1], ext_of(c * h * h)));
  char d[80];
  Val v = gen_let(g, s, "reshape(tanh(%s @ %s), %s)", x.name, p.name, dims_text(g, &s, d));
  for (int i = 0; i < 2; i++) gen_image(g);
  Val f = gen_param(g, gval_shape(g->dt, 4, ext_of(3), ext_of(c), ext_of(3), ext_of(3)));
  Val y = gen_let(g, gval_shape(g->dt, 4, n, ext_of(3), ext_of(h), ext_of(h)),
                  "tanh(conv2d(%s, %s, padding = 1))", v.name, f.name);
  gen_let(g, y, "max_pool2d(%s, 3, stride = 1, padding = 1)", y.name);
}

static void wide(Gen *g, Val x) {
  int k = 200 + (int)gen_next(g, 150);
  Val p = gen_param(g, gval_matrix(g->dt, x.dim[1], ext_of(k))), row = gen_param(g, gval_row(g->dt, k)),
      s = x;
  s.dim[1] = ext_of(k);
  Val v = gen_let(g, s, "tanh(%s @ %s + %s)", x.name, p.name, row.name);
  gen_let(g, s, "standardize(%s) * sigmoid(%s)", v.name, v.name);
  gen_let(g, gval_without(s, 0), "mean(%s, axis = 0)", v.name);
  gen_let(g, gval_without(s, 1), "logsumexp(%s)", v.name);
}

static void matrices(Gen *g, Val x) {
  int k = 100 + (int)gen_next(g, 90), m = 60 + (int)gen_next(g, 120);
  Val a = gen_param(g, gval_matrix(g->dt, x.dim[1], ext_of(k))),
      b = gen_param(g, gval_matrix(g->dt, ext_of(k), ext_of(m))), s = x;
  s.dim[1] = ext_of(m);
  Val y = gen_let(g, s, "tanh(tanh(%s @ %s) @ %s)", x.name, a.name, b.name), r = s;
  r.dim[0] = s.dim[1];
  gen_let(g, r, "tanh(%s' @ %s / 8)", y.name, y.name);
  s.dim[1] = s.dim[0];
  if (gval_count(g, &s) <= g->most) gen_let(g, s, "softmax(%s @ %s')", y.name, y.name);
}

static void moved(Gen *g, Val x) {
  int k = 2 * (60 + (int)gen_next(g, 60));
  char d[80];
  Val p = gen_param(g, gval_matrix(g->dt, x.dim[1], ext_of(k))), s = x, t, r;
  s.dim[1] = ext_of(k);
  Val v = gen_let(g, s, "tanh(%s @ %s)", x.name, p.name);
  t = s, t.dim[0] = s.dim[1], t.dim[1] = s.dim[0];
  Val turned = gen_let(g, t, "%s' + 0.5", v.name);
  gen_let(g, t, "flip(%s, axis = 1) * %s", turned.name, turned.name);
  gen_let(g, s, "concat([tanh(u) for u in split(%s, 2, axis = 1)], axis = 1)", v.name);
  r = gval_row(g->dt, 1), ext_mul(s.dim[0], s.dim[1], &r.dim[0]);
  gen_let(g, r, "sin(reshape(%s, %s))", v.name, dims_text(g, &r, d));
  r = s, r.dim[1] = ext_of(k / 2);
  gen_let(g, r, "%s[:, ::2] - %s[:, 1::2]", v.name, v.name);
}

static void classes(Gen *g, Val x) {
  g->classes = 100 + (int)gen_next(g, 700);
  Val p = gen_param(g, gval_matrix(F32, x.dim[1], ext_of(g->classes))), s = x;
  s.type = F32, s.dim[1] = ext_of(g->classes);
  Val v = gen_let(g, s, "f32(%s) @ %s", x.name, p.name);
  gen_let(g, gval_row(F32, 1), "mean(cross_entropy(%s, mod(label, %d)), keep = true)", v.name, g->classes);
  gen_let(g, gval_without(s, 1), "max(log_softmax(%s), axis = -1)", v.name);
}

static void integers(Gen *g, Val x) {
  Val q = gval_typed(x, I64), one = gval_shape(I64, 0, ext_of(0), ext_of(0), ext_of(0), ext_of(0));
  q = gen_let(g, q, "i64(1000 * %s)", x.name);
  gen_let(g, gval_without(q, 0), "sum(%s, axis = 0)", q.name);
  gen_let(g, gval_typed(gval_without(q, 0), I32), "argmin(mod(%s, 100), axis = 0)", q.name);
  gen_let(g, one, "max(%s) - min(%s)", q.name, q.name);
  gen_let(g, gval_typed(one, BOOLEAN), "any(%s > 5000) and not all(%s == 3)", q.name, q.name);
}

void gen_large(Gen *g) {
  int kind = (int)(g->turn / 40 % KINDS);
  Dim n = {.n = 1};
  g->N = extents[kind][gen_next(g, 4)], g->M = 0, g->has_data = false;
  g->most = 140000;
  g->konst[0] = g->konst[1] = 0;
  g->size[0] = kind == LONG_ROW ? 1 : 1 + (int)gen_next(g, 3), g->size[1] = 2 + (int)gen_next(g, 3);
  if (kind == WIDE_K) { /* the long extent belongs to parameters */
    g->N = extents[kind][gen_next(g, 4)];
  }
  char d[80];
  (void)d;
  gen_feature(g, FEAT_large);
  say(g, "input x: %s[N, %d]\ninput label: i32[N] in 0:%d\n", gval_type[g->dt], g->size[0], g->classes);
  Val x = gen_keep(g, gval_matrix(g->dt, n, ext_of(g->size[0])), "x");
  Val w = gen_param(g, gval_matrix(g->dt, ext_of(g->size[0]), ext_of(g->size[1])));
  Val h = gen_let(g, gval_matrix(g->dt, n, ext_of(g->size[1])), "tanh(x @ %s)", w.name);
  gen_library(g);
  switch (kind) {
  case LONG_ROW: long_row(g, gen_let(g, gval_without(h, 1), "tanh(%s[:, 0]) + 0.1 * x[:, 0]", h.name)); break;
  case OUTER:
  case INNER_K: outer(g, x, h); break;
  case WIDE_K: wide_k(g); break;
  case IMAGES: images(g, x); break;
  case WIDE: wide(g, x); break;
  case MATRICES: matrices(g, x); break;
  case MOVED: moved(g, x); break;
  case CLASSES: classes(g, x); break;
  default: integers(g, x); break;
  }
  for (int i = 0; i < 3; i++) gen_element(g);
  gen_reduce(g);
  gen_steps(g);
}
