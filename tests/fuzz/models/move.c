/* Statements that move elements, and images. */
#include "gen.h"

enum {
  TURN,
  PERMUTE,
  SLICE,
  PART,
  CONCAT,
  STACK,
  PAD,
  FLIP,
  JOIN,
  SPLIT_AXIS,
  TAIL,
  HEAD,
  FLATTEN,
  NEW_AXIS,
  EACH_PART,
  PART_OF_LIST,
  SIZES,
  BROADCAST,
  REVERSED,
  LITERAL,
  TAKE,
  OWN_PLACES,
  ADD_AT,
  SLICE_AT,
  MOVES
};

typedef struct Axis { /* one axis of a value, and ":, :, " before it */
  Val v;
  int at;
  Dim e;
  char before[32];
} Axis;

static bool fits(Gen *g, const Val *v) { return gval_count(g, v) <= g->most; }

static bool move_slice(Gen *g, const Axis *a, int kind) {
  Val w = a->v;
  if (kind == TAIL || kind == HEAD) { /* of an axis of any extent */
    if (ext_value(g, a->e) < 2) return false;
    w.dim[a->at].one--;
    gen_let(g, w, kind == TAIL ? "%s[%s1:]" : "%s[%s:-1]", a->v.name, a->before);
    return true;
  }
  if (kind == PART && gen_one_in(g, 2)) { /* the first or last, of any extent */
    gen_let(g, gval_without(a->v, a->at), "%s[%s%d]", a->v.name, a->before, gen_one_in(g, 2) ? 0 : -1);
    return true;
  }
  if (!ext_fixed(a->e)) return false;
  int e = a->e.one;
  if (kind == PART) {
    gen_let(g, gval_without(a->v, a->at), "%s[%s%d]", a->v.name, a->before,
            (int)gen_next(g, (uint32_t)e) - (gen_one_in(g, 2) ? 0 : e));
    return true;
  }
  int lo = (int)gen_next(g, (uint32_t)e), step = 1 + (int)gen_next(g, 3),
      hi = lo + 1 + (int)gen_next(g, (uint32_t)(e - lo));
  w.dim[a->at] = ext_of((hi - lo + step - 1) / step);
  gen_let(g, w, "%s[%s%d:%d:%d]", a->v.name, a->before, lo, hi, step);
  return true;
}

static bool move_shape(Gen *g, const Axis *a, int kind) { /* reshape in its forms */
  Val v = a->v, w = v;
  char d[80];
  int last = v.rank - 1;
  switch (kind) {
  case JOIN:
    if (v.rank < 2 || !ext_mul(v.dim[last - 1], v.dim[last], &w.dim[last - 1])) return false;
    w.rank--;
    gen_let(g, w, "reshape(%s, %s)", v.name, dims_text(g, &w, d));
    return true;
  case SPLIT_AXIS:
    if (v.rank >= AXES || v.dim[last].one % 2 || v.dim[last].n % 2 || v.dim[last].m % 2 || v.dim[last].nm % 2)
      return false;
    w.rank++;
    w.dim[last] = ext_of(2);
    w.dim[last + 1] = (Dim){v.dim[last].one / 2, v.dim[last].n / 2, v.dim[last].m / 2, v.dim[last].nm / 2};
    gen_let(g, w, "reshape(%s, %s)", v.name, dims_text(g, &w, d));
    return true;
  case FLATTEN:
    if (v.rank < 2) return false;
    while (w.rank > 2) {
      if (!ext_mul(w.dim[w.rank - 2], w.dim[w.rank - 1], &w.dim[w.rank - 2])) return false;
      w.rank--;
    }
    gen_let(g, w, "flatten(%s)", v.name);
    return true;
  default: /* NEW_AXIS */
    if (v.rank >= AXES) return false;
    for (int i = v.rank; i > a->at; i--) w.dim[i] = w.dim[i - 1];
    w.dim[a->at] = ext_of(1);
    w.rank++;
    gen_let(g, w, "%s[%s_%s]", v.name, a->before, a->at < v.rank - 1 ? ", .." : ", :");
    return true;
  }
}

static bool move_join(Gen *g, const Axis *a, int kind) {
  Val v = a->v, w = v, u = gen_like(g, &v);
  int axis = a->at;
  if (kind == STACK) {
    if (v.rank >= AXES) return false;
    for (int i = v.rank; i > axis; i--) w.dim[i] = v.dim[i - 1];
    w.dim[axis] = ext_of(2);
    w.rank++;
    if (!fits(g, &w)) return false;
    gen_let(g, w, "stack([%s, %s], axis = %d)", v.name, u.name, axis);
    return true;
  }
  if (kind == PAD) {
    int lo = (int)gen_next(g, 3), hi = (int)gen_next(g, 3);
    w.dim[axis].one += lo + hi;
    if (v.type == BOOLEAN || !fits(g, &w)) return false;
    gen_let(g, w, "pad(%s, %d, %d, axis = %d)", v.name, lo, hi, axis);
    return true;
  }
  w.dim[axis] = ext_add(v.dim[axis], v.dim[axis]);
  if (!fits(g, &w)) return false;
  gen_let(g, w, "concat([%s, %s], axis = %d)", v.name, u.name, axis);
  return true;
}

static bool move_list(Gen *g, const Axis *a, int kind) { /* by way of lists */
  Val v = a->v, w = v;
  char d[48];
  if (kind == REVERSED) {
    gen_let(g, v, "reverse(append([%s, %s], %s))[%d]", v.name, gen_like(g, &v).name, gen_like(g, &v).name,
            (int)gen_next(g, 3));
    return true;
  }
  if (!ext_fixed(a->e) || a->e.one % 2) return false;
  if (kind == PART_OF_LIST) {
    w.dim[a->at] = ext_of(a->e.one / 2);
    gen_let(g, w, "split(%s, [%d, %d], axis = %d)[%d]", v.name, a->e.one / 2, a->e.one / 2, a->at,
            (int)gen_next(g, 2));
    return true;
  }
  if (!is_real(v.type)) return false;
  gen_feature(g, FEAT_comprehension);
  gen_let(g, w, "concat([tanh(part) for part in split(%s, 2, axis = %d)], axis = %d)", v.name, a->at, a->at);
  if (gen_one_in(g, 2) && a->e.one > 1)
    gen_let(g, gval_without(v, a->at), "[0.5 * u for u in split(%s, %s, axis = %d)][0][%s0]", v.name,
            ext_text(g, a->e, d), a->at, a->before);
  return true;
}

static bool move_other(Gen *g, const Axis *a, int kind) {
  Val v = a->v, w = v;
  char d[80];
  if (kind == SIZES) {
    if (!is_real(v.type)) return false;
    v.rank = 0;
    gen_let(g, v, "sum(tanh(%s)) / (size(%s) + rank(%s) + len(%s) + shape(%s)[0])", v.name, v.name, v.name,
            v.name, v.name);
    return true;
  }
  if (kind == BROADCAST) {
    if (v.rank >= 4) return false;
    for (int i = v.rank; i > 0; i--) w.dim[i] = v.dim[i - 1];
    w.dim[0] = gen_one_in(g, 2) ? (Dim){.n = 1} : ext_of(1 + (int)gen_next(g, 3));
    w.rank++;
    if (!fits(g, &w)) return false;
    gen_let(g, w, "broadcast_to(%s, %s)", v.name, dims_text(g, &w, d));
    return true;
  }
  gen_feature(g, FEAT_literal_table);
  say(g, "let t%d: %s[2, 3] = [[1, -2, 0.5], [0.25, 3, -1]]\n", g->made, gval_type[g->dt]);
  gen_let(g, gval_matrix(g->dt, ext_of(2), ext_of(3)), "tanh(t%d)", g->made);
  return true;
}

/* Places by numbers, some of them twice, some outside. */
static bool move_places(Gen *g, const Axis *a, int kind) {
  Val v = a->v, w = v;
  if (!is_real(v.type)) return false;
  if (kind == OWN_PLACES) {
    gen_let(g, v, "gather(%s, i32(2 * %s), axis = %d)", v.name, gen_like(g, &v).name, a->at);
    return true;
  }
  int n = 2 + (int)gen_next(g, 5), first = (int)gen_next(g, 3);
  w.dim[a->at] = ext_of(n);
  if (!fits(g, &w)) return false;
  if (kind == SLICE_AT) {
    if (!ext_fixed(v.dim[a->at])) return false;
    w.dim[a->at] = ext_of(1);
    gen_let(g, w, "dynamic_slice(%s, %d, 1, axis = %d)", v.name, first, a->at);
  } else if (kind == ADD_AT)
    gen_let(g, v,
            "tanh(scatter_add(%s, div(range(%d), 2) - %d, 2 * take(%s, range(%d), axis = %d), axis = %d))",
            v.name, n, first, v.name, n, a->at, a->at);
  else if (gen_one_in(g, 2))
    gen_let(g, w, "%s[%sdiv(range(%d), 2) - %d]", v.name, a->before, n, first);
  else
    gen_let(g, w, "take(%s, range(%d) - %d, axis = %d)", v.name, n, first, a->at);
  return true;
}

static bool move(Gen *g, const Axis *a, int kind) {
  Val v = a->v, w = v;
  switch (kind) {
  case TURN:
    if (v.rank < 2) return false;
    w.dim[v.rank - 1] = v.dim[v.rank - 2];
    w.dim[v.rank - 2] = v.dim[v.rank - 1];
    gen_let(g, w, "%s'", v.name);
    return true;
  case PERMUTE:
    if (v.rank < 3) return false;
    for (int i = 0; i < v.rank; i++) w.dim[i] = v.dim[(i + v.rank - 1) % v.rank];
    gen_let(g, w,
            v.rank == 3   ? "permute(%s, [2, 0, 1])"
            : v.rank == 4 ? "permute(%s, [3, 0, 1, 2])"
                          : "permute(%s, [4, 0, 1, 2, 3])",
            v.name);
    return true;
  case FLIP: gen_let(g, w, "flip(%s, axis = %d)", v.name, a->at); return true;
  case SLICE:
  case PART:
  case TAIL:
  case HEAD: return move_slice(g, a, kind);
  case CONCAT:
  case STACK:
  case PAD: return move_join(g, a, kind);
  case JOIN:
  case SPLIT_AXIS:
  case FLATTEN:
  case NEW_AXIS: return move_shape(g, a, kind);
  case EACH_PART:
  case PART_OF_LIST:
  case REVERSED: return move_list(g, a, kind);
  case TAKE:
  case OWN_PLACES:
  case ADD_AT:
  case SLICE_AT: return move_places(g, a, kind);
  default: return move_other(g, a, kind);
  }
}

void gen_move(Gen *g) {
  int kind = gen_turn(g, TABLE_MOVE, MOVES);
  for (int tries = 0; tries < 12; tries++) {
    Axis a = {
        .v = gen_pick(g, gen_one_in(g, 4) ? ANY : REAL, gen_one_in(g, 3) ? 3 + (int)gen_next(g, 2) : -2)};
    if (kind == PERMUTE && tries > 6)
      a.v = gen_param(g, gval_shape(g->dt, 3, ext_of(2), ext_of(3), ext_of(1), ext_of(0)));
    a.at = (int)gen_next(g, (uint32_t)a.v.rank), a.e = a.v.dim[a.at];
    for (int i = 0; i < a.at; i++) strcat(a.before, ":, ");
    if (move(g, &a, kind)) return;
  }
}

/* ---- images ---- */

static Val image(Gen *g) { /* of four fixed axes behind the first */
  for (int i = 0; i < 10; i++) {
    Val v = gen_pick(g, REAL, 4);
    if (ext_fixed(v.dim[1]) && ext_fixed(v.dim[2]) && ext_fixed(v.dim[3])) return v;
  }
  Val r = gen_pick(g, REAL, 2);
  int c = 1 + (int)gen_next(g, 4), h = 3 + (int)gen_next(g, 6), w = 3 + (int)gen_next(g, 6);
  Val s = gval_shape(r.type, 4, r.dim[0], ext_of(c), ext_of(h), ext_of(w));
  if (!ext_fixed(r.dim[1]) || gval_count(g, &s) > g->most)
    return gen_param(g, gval_shape(g->dt, 4, ext_of(2), ext_of(c), ext_of(h), ext_of(w)));
  char d[80];
  Val p = gen_param(g, gval_matrix(r.type, r.dim[1], ext_of(c * h * w)));
  return gen_let(g, s, "reshape(tanh(%s @ %s), %s)", r.name, p.name, dims_text(g, &s, d));
}

void gen_image(Gen *g) {
  enum { CONV, GROUPED, DILATED, MAX_POOL, AVG_POOL, IMAGES };
  Val v = image(g), w = v;
  int kind = gen_turn(g, TABLE_IMAGE, IMAGES), s = 1 + (int)gen_next(g, 3), k = 1 + (int)gen_next(g, 3),
      p = (int)gen_next(g, 2), groups = 1, dil = kind == DILATED ? 2 : 1;
  if (kind == GROUPED) groups = v.dim[1].one % 3 == 0 ? 3 : v.dim[1].one % 2 == 0 ? 2 : 1;
  if (kind >= MAX_POOL) p = k > 1 ? p : 0;
  int span = (k - 1) * dil + 1;
  for (int i = 2; i < 4; i++) {
    if (v.dim[i].one + 2 * p < span) return;
    w.dim[i] = ext_of((v.dim[i].one + 2 * p - span) / s + 1);
  }
  if (kind >= MAX_POOL) {
    gen_let(g, w, "%s_pool2d(%s, %d, stride = %d, padding = %d)", kind == MAX_POOL ? "max" : "avg", v.name, k,
            s, p);
    return;
  }
  w.dim[1] = ext_of(groups * (1 + (int)gen_next(g, 4)));
  Val f = gen_param(g, gval_shape(v.type, 4, w.dim[1], ext_of(v.dim[1].one / groups), ext_of(k), ext_of(k)));
  gen_let(g, w, "tanh(conv2d(%s, %s, stride = %d, padding = %d, dilation = %d, groups = %d))", v.name, f.name,
          s, p, dil, groups);
}
