/* Pools over one, two and three axes. */
#include "gen.h"

typedef enum {
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

static const int axes_of[KINDS] = {1, 3, 1, 3, 1, 2, 3, 1, 2, 3, 2, 3};

/* [N, C, ..] of fixed extents behind the first: rows of what there is, or a parameter. */
static Val windowed(Gen *g, int axes) {
  Val r = gen_pick(g, REAL, 2), s = {.type = r.type, .rank = 2 + axes};
  int count = 1;
  s.dim[0] = r.dim[0];
  for (int i = 1; i < s.rank; i++) {
    int e = i == 1 ? 1 + (int)gen_next(g, 3) : 2 + (int)gen_next(g, axes == 1 ? 8 : 5 - (uint32_t)axes);
    s.dim[i] = ext_of(e);
    count *= e;
  }
  if (!ext_fixed(r.dim[1]) || gval_count(g, &s) > g->most / 8) {
    s.dim[0] = ext_of(2), s.type = g->dt;
    return gen_param(g, s);
  }
  char d[80];
  Val p = gen_param(g, gval_matrix(r.type, r.dim[1], ext_of(count)));
  return gen_let(g, s, "reshape(tanh(%s @ %s), %s)", r.name, p.name, dims_text(g, &s, d));
}

void gen_window(Gen *g) {
  Kind kind = (Kind)gen_turn(g, TABLE_WINDOW, KINDS);
  int n = axes_of[kind], k = 1 + (int)gen_next(g, 3), s = 1 + (int)gen_next(g, 3),
      p = k > 1 ? (int)gen_next(g, 2) : 0;
  Val v = windowed(g, n), w = v;
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
