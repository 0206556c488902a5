/* Convolutions and pools over one, two and three axes, and their layers. */
#include "gen.h"

typedef enum {
  CONV_1,
  CONV_3,
  BACK_1,
  BACK_2,
  BACK_3,
  LAYER_CONV_1,
  LAYER_CONV_3,
  LAYER_BACK_1,
  LAYER_BACK_2,
  LAYER_BACK_3,
  MAX_1,
  MAX_3,
  AVG_1,
  AVG_3,
  EVERY_1,
  EVERY_2,
  EVERY_3,
  UP_1,
  UP_2,
  UP_3,
  ALL_AVG,
  ALL_MAX,
  KINDS
} Kind;

static const int axes_of[KINDS] = {1, 3, 1, 2, 3, 1, 3, 1, 2, 3, 1, 3, 1, 3, 1, 2, 3, 1, 2, 3, 2, 3};

/* [N, C, ..] of fixed extents behind the first: rows of what there is, or a parameter. */
static Val windowed(Gen *g, int axes, ValType t) {
  Val r = gen_pick(g, REAL, 2), s = {.type = r.type, .rank = 2 + axes};
  int count = 1;
  s.dim[0] = r.dim[0];
  for (int i = 1; i < s.rank; i++) {
    int e = i == 1 ? 1 + (int)gen_next(g, 3) : 2 + (int)gen_next(g, axes == 1 ? 8 : 5 - (uint32_t)axes);
    s.dim[i] = ext_of(e);
    count *= e;
  }
  if (!ext_fixed(r.dim[1]) || gval_count(g, &s) > g->most / 8 || (t != SAME && t != r.type)) {
    s.dim[0] = ext_of(2), s.type = t == SAME ? g->dt : t;
    return gen_param(g, s);
  }
  char d[80];
  Val p = gen_param(g, gval_matrix(r.type, r.dim[1], ext_of(count)));
  return gen_let(g, s, "reshape(tanh(%s @ %s), %s)", r.name, p.name, dims_text(g, &s, d));
}

static Val filter(Gen *g, const Val *v, int a, int b, int k) {
  Val f = {.type = v->type, .rank = v->rank};
  f.dim[0] = ext_of(a), f.dim[1] = ext_of(b);
  for (int i = 2; i < f.rank; i++) f.dim[i] = ext_of(k);
  return gen_param(g, f);
}

static void convolution(Gen *g, Kind kind, const Val *v) {
  int n = axes_of[kind], c = v->dim[1].one, k = 1 + (int)gen_next(g, 3), s = 1 + (int)gen_next(g, 3),
      d = 1 + (int)gen_next(g, 2), span = (k - 1) * d + 1, groups = c > 1 && gen_one_in(g, 2) ? c : 1,
      outs = groups * (1 + (int)gen_next(g, 2)), extra = 0, p = 0;
  bool back = kind == BACK_1 || kind == BACK_2 || kind == BACK_3 ||
              (kind >= LAYER_BACK_1 && kind <= LAYER_BACK_3),
       same = !back && gen_one_in(g, 3), layer = kind >= LAYER_CONV_1;
  Val w = *v;
  char padding[16], more[32] = "", name[NAME];
  w.dim[1] = ext_of(outs);
  if (back) {
    p = span > 1 ? (int)gen_next(g, 2) : 0;
    extra = s > 1 ? (int)gen_next(g, 2) : 0;
    snprintf(more, sizeof more, ", output_padding = %d", extra);
  } else if (!same) {
    p = span / 2 + (int)gen_next(g, 2);
  }
  for (int i = 2; i < w.rank; i++) {
    int e = v->dim[i].one;
    e = back ? (e - 1) * s - 2 * p + span + extra : same ? (e + s - 1) / s : (e + 2 * p - span) / s + 1;
    if (e < 1) return;
    w.dim[i] = ext_of(e);
  }
  if (gval_count(g, &w) > g->most) return;
  snprintf(padding, sizeof padding, same ? "\"same\"" : "%d", p);
  if (layer) {
    snprintf(name, sizeof name, "m%d", g->made++);
    say(g, "let %s = nn.Conv%s%dd(%d, %d, %d, stride = %d, padding = %s, dilation = %d, groups = %d%s%s)\n",
        name, back ? "Transpose" : "", n, c, outs, k, s, padding, d, groups, more,
        gen_one_in(g, 2) ? ", bias = false" : "");
    gen_instance(g, name, F32);
    gen_let(g, w, "tanh(%s(%s))", name, v->name);
    return;
  }
  Val f = back ? filter(g, v, c, outs / groups, k) : filter(g, v, outs, c / groups, k);
  gen_let(g, w, "tanh(conv%s%dd(%s, %s, stride = %d, padding = %s, dilation = %d, groups = %d%s))",
          back ? "_transpose" : "", n, v->name, f.name, s, padding, d, groups, more);
}

void gen_window(Gen *g) {
  Kind kind = (Kind)gen_turn(g, TABLE_WINDOW, KINDS);
  int n = axes_of[kind], k = 1 + (int)gen_next(g, 3), s = 1 + (int)gen_next(g, 3),
      p = k > 1 ? (int)gen_next(g, 2) : 0;
  bool layer = kind >= LAYER_CONV_1 && kind <= LAYER_BACK_3;
  Val v = windowed(g, n, layer ? F32 : SAME), w = v;
  if (kind <= LAYER_BACK_3) {
    convolution(g, kind, &v);
    return;
  }
  for (int i = 2; i < w.rank; i++) {
    int e = v.dim[i].one;
    if (kind <= AVG_3) k = k > e ? e : k, p = k > p ? p : 0;
    w.dim[i] = ext_of(kind >= UP_1 ? e * k : kind >= EVERY_1 ? k : 0);
  }
  for (int i = 2; i < w.rank && kind <= AVG_3; i++) w.dim[i] = ext_of((v.dim[i].one + 2 * p - k) / s + 1);
  if (kind >= ALL_AVG) w.rank = 2;
  if (gval_count(g, &w) > g->most) return;
  if (kind >= ALL_AVG)
    gen_let(g, w, "global_%s_pool(%s)", kind == ALL_AVG ? "avg" : "max", v.name);
  else if (kind >= UP_1)
    gen_let(g, w, "upsample%dd(%s, %d)", n, v.name, k);
  else if (kind >= EVERY_1)
    gen_let(g, w, "adaptive_avg_pool%dd(%s, %d)", n, v.name, k);
  else
    gen_let(g, w, "%s_pool%dd(%s, %d, stride = %d, padding = %d)", kind <= MAX_3 ? "max" : "avg", n, v.name,
            k, s, p);
}
