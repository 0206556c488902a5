/* ValueNode of leaves, of ops that move elements and of ops that end or replace a derivative. A move is
 * pushed through sums and products, down to what they are made of. */
#include "base/hash.h"
#include "passes/diagnose/value.h"

#include <math.h>

/* ---- literals */

ValueId values_LEAF(const ValueNode *f) {
  return values_unknown(f);
} /* values_graph asks what is known of it */
ValueId values_CONST(const ValueNode *f) {
  return value_const(f->v, (DType)values_type(f)->dtype, graph_const_value(f->g, f->n));
}

static double element(const Table *t, uint32_t i, bool real) {
  double x;
  if (!real) return (double)(int64_t)t->word[i];
  memcpy(&x, &t->word[i], sizeof x);
  return x;
}

ValueId values_TABLE(const ValueNode *f) {
  const Table *t = &f->g->table.at[values_attr(f, 0)];
  DType dtype = (DType)values_type(f)->dtype;
  Shape s = shape_of(f->v, values_type(f));
  bool real = dtype_is_float(dtype), all = t->n > 0;
  Interval r = {.lo = INFINITY, .hi = -INFINITY};
  for (uint32_t i = 0; i < t->n; i++) {
    double x = element(t, i, real);
    if (!isfinite(x) || fabs(x) > 0x1p53) return value_undefined(f->v, dtype, s); /* a written infinity */
    all &= x == element(t, 0, real);
    r = interval_of(fmin(r.lo, x), fmax(r.hi, x));
  }
  if (all) return value_const(f->v, dtype, element(t, 0, real));
  int64_t word[2] = {(int64_t)hash_bytes(t->word, t->n * sizeof *t->word, 1), /* size-ok: a literal's */
                     (int64_t)hash_bytes(t->word, t->n * sizeof *t->word, 2)};
  return value_op(f->v, OP_TABLE, dtype, NULL, 0, word, 2, s, t->n ? r : interval_all());
}

ValueId values_IOTA(const ValueNode *f) {
  const Type *t = values_type(f);
  int64_t axis = values_attr(f, 0), n;
  if (axis < 0) return values_unknown(f);
  Shape s = {.rank = (uint8_t)(t->rank - axis)};
  for (uint8_t i = 0; i < s.rank; i++) s.dim[i] = dim_const(f->v->p->dims, 1);
  s.dim[s.rank - 1] = t->dim[axis];
  shape_trim(f->v, &s);
  if (!s.rank) return value_const(f->v, (DType)t->dtype, 0);
  bool known = dim_is_const(f->v->p->dims, t->dim[axis], &n);
  return value_op(f->v, OP_IOTA, (DType)t->dtype, NULL, 0, NULL, 0, s,
                  interval_of(0, known ? (double)n - 1 : INFINITY));
}

ValueId values_COTANGENT(const ValueNode *f) {
  return value_unknown(f->v, (DType)values_type(f)->dtype, shape_of(f->v, values_type(f)));
}
ValueId values_GRAD(const ValueNode *f) { return values_COTANGENT(f); }
ValueId values_STOP(const ValueNode *f) { return f->in[0]; }
ValueId values_NAME(const ValueNode *f) { return f->in[0]; }
ValueId values_CHECKPOINT(const ValueNode *f) { return f->in[0]; }
ValueId values_CUSTOM(const ValueNode *f) { return f->in[0]; }
ValueId values_EXTERN(const ValueNode *f) { return values_unknown(f); }

/* The places of a sort, or some of them, are places on an axis of its extent. */
static bool sorted_places(const Values *v, ValueId place, DimId extent) {
  const Value *x = value_at(v, place);
  while (x->kind == VALUE_OP && x->op == OP_SLICE) x = value_at(v, x->term[0].of);
  return x->kind == VALUE_OP && x->op == OP_ARGSORT &&
         x->attr[3 + x->attr[0]] == extent.i; /* values_unknown */
}

/* A place outside reads 0. All places of an axis along which x is constant read the same. */
ValueId values_GATHER(const ValueNode *f) {
  const Value *x = value_at(f->v, f->in[0]), *place = value_at(f->v, f->in[1]);
  const Type *t = values_type_in(f, 0);
  int64_t axis = values_attr(f, 0), n;
  if (!place->undefined && value_is_zero(f->v, f->in[0])) return f->in[0];
  bool known = dim_is_const(f->v->p->dims, t->dim[axis], &n);
  bool inside = (known && place->range.lo >= 0 && place->range.hi < (double)n) ||
                sorted_places(f->v, f->in[1], t->dim[axis]);
  bool same_axes = values_attr(f, 1) || values_type_in(f, 1)->rank == 1;
  if (inside && !place->undefined && same_axes && value_flat(f->v, f->in[0], (uint32_t)(t->rank - 1 - axis)))
    return f->in[0];
  return values_within(f, inside ? x->range : interval_hull(x->range, interval_point(0)));
}
/* Rounding does not take a sum across what is added to; integers wrap. */
ValueId values_SCATTER_ADD(const ValueNode *f) {
  Interval to = value_at(f->v, f->in[0])->range, by = value_at(f->v, f->in[2])->range;
  if (!value_at(f->v, f->in[1])->undefined && value_is_zero(f->v, f->in[2])) return f->in[0];
  if (!dtype_is_float((DType)values_type(f)->dtype)) return values_unknown(f);
  return values_within(f, interval_of(by.lo >= 0 ? to.lo : -INFINITY, by.hi <= 0 ? to.hi : INFINITY));
}

/* Bodies are walked in value_loop.c; one that stands alone is of no known form. */
ValueId values_PARAM(const ValueNode *f) { return values_COTANGENT(f); }
ValueId values_YIELD(const ValueNode *f) { return values_COTANGENT(f); }
ValueId values_LOOP(const ValueNode *f) { return values_COTANGENT(f); }
ValueId values_COND(const ValueNode *f) { return values_COTANGENT(f); }
ValueId values_RESULT(const ValueNode *f) { return values_COTANGENT(f); }
ValueId values_BROADCAST(const ValueNode *f) { return f->in[0]; }

/* ---- moves */

enum { MOVE_DEPTH = 2, NO_AXIS = 15, MAP_BITS = 4 };

/* One op on one value. Axes count from the last. */
typedef struct Move {
  Op op; /* TRANSPOSE: any move of whole axes, those of extent 1 included */
  int64_t attr[5];
  uint32_t nattr;
  const ValueNode *f; /* RESHAPE: of this node */
} Move;

static int mapped(int64_t map, int k) { return (int)(map >> (MAP_BITS * k) & 15); }
static DimId axis_of(const Values *v, const Shape *s, int k) {
  return k < s->rank ? s->dim[k] : dim_const(v->p->dims, 1);
}

/* Axis k of the answer is axis map(k) of a; attr: map, rank. */
static ValueId move_axes(Values *v, ValueId a, int64_t map, int rank) {
  Value x = *value_at(v, a);
  if (x.kind == VALUE_OP && x.op == OP_TRANSPOSE) { /* of another */
    int64_t inner = x.attr[0], both = 0;
    int inner_rank = (int)x.attr[1];
    for (int k = 0; k < rank; k++) {
      int via = mapped(map, k);
      int to = via < inner_rank ? mapped(inner, via) : NO_AXIS;
      both |= (int64_t)to << (MAP_BITS * k);
    }
    a = value_term(v, a, 0)->of;
    x = *value_at(v, a);
    map = both;
  }
  Shape to = {.rank = (uint8_t)rank};
  int64_t least = 0;
  bool same = true;
  for (int k = 0; k < rank; k++) {
    to.dim[k] = axis_of(v, &x.shape, mapped(map, k));
    bool one = shape_one(v, to.dim[k]);
    same &= one || mapped(map, k) == k;
    least |= (int64_t)(one ? NO_AXIS : mapped(map, k)) << (MAP_BITS * k);
  }
  shape_trim(v, &to);
  if (same && shape_eq(&to, &x.shape)) return a;
  int64_t attr[2] = {to.rank == MAX_RANK ? least : least & ((INT64_C(1) << (MAP_BITS * to.rank)) - 1),
                     to.rank};
  return value_op(v, OP_TRANSPOSE, x.dtype, &a, 1, attr, 2, to, x.range);
}

/* Axes of the two shapes in groups of equal size, from the last: each constant, or one axis, or mixed. */
typedef struct Groups {
  const Values *v;
  uint32_t constant; /* along which axes of `from`, counted from the last */
  const Type *from, *to;
  bool apart, flat_mixed; /* no group mixes axes; a mixed group has axes along which the value is constant */
  int64_t map;
  Shape shape;
} Groups;

/* What from[i + 1 .. i0] and to[k + 1 .. k0] hold. */
static void one_group(Groups *g, int i, int i0, int k, int k0) {
  int axes = 0, into = 0, from = NO_AXIS, to = 0;
  bool flat = true, some = false;
  for (int j = i + 1; j <= i0; j++) {
    if (shape_one(g->v, g->from->dim[j])) continue;
    bool constant = g->constant >> (g->from->rank - 1 - j) & 1;
    axes++;
    flat &= constant;
    some |= constant;
    from = g->from->rank - 1 - j;
  }
  for (int j = k + 1; j <= k0; j++) {
    int axis = g->to->rank - 1 - j;
    if (shape_one(g->v, g->to->dim[j])) continue;
    into++;
    to = axis;
    if (!flat) g->shape.dim[axis] = g->to->dim[j];
  }
  if (flat) return;
  if (axes == 1 && into == 1) {
    g->map ^= (int64_t)(from ^ NO_AXIS) << (MAP_BITS * to);
    return;
  }
  g->apart = false;
  g->flat_mixed |= some;
}

static void find_groups(Groups *g) {
  DimTable *t = g->v->p->dims;
  int i = g->from->rank - 1, k = g->to->rank - 1;
  DimId one = dim_const(t, 1);
  g->apart = true;
  g->shape = (Shape){.rank = g->to->rank};
  for (int j = 0; j < g->to->rank; j++) {
    g->shape.dim[j] = one;
    g->map |= (int64_t)NO_AXIS << (MAP_BITS * j);
  }
  while (i >= 0 || k >= 0) {
    DimId x = one, y = one;
    int i0 = i, k0 = k;
    if (i >= 0) x = g->from->dim[i--];
    if (k >= 0) y = g->to->dim[k--];
    while (!dim_eq(x, y) && (i >= 0 || k >= 0)) { /* the smaller side grows; where that is unknown both do */
      int64_t a = 0, b = 0;
      bool known = dim_is_const(t, x, &a) && dim_is_const(t, y, &b);
      bool left = i >= 0 && (k < 0 || !known || a < b), right = k >= 0 && (i < 0 || !known || b < a);
      if (left) x = dim_mul(t, x, g->from->dim[i--]);
      if (right) y = dim_mul(t, y, g->to->dim[k--]);
    }
    one_group(g, i, i0, k, k0);
  }
}

bool value_reshape_axes(const Values *v, const Type *from, const Type *to, uint32_t *constant, int64_t *map) {
  Groups g = {.v = v, .constant = *constant, .from = from, .to = to};
  find_groups(&g);
  uint32_t mask = 0;
  for (uint32_t k = 0; k < MAX_RANK; k++)
    if (k >= g.shape.rank || shape_one(v, g.shape.dim[k])) mask |= UINT32_C(1) << k;
  for (uint32_t k = 0; k < to->rank; k++) { /* one axis became one axis */
    int from_axis = mapped(g.map, (int)k);
    if (from_axis != NO_AXIS && (*constant >> from_axis & 1)) mask |= UINT32_C(1) << k;
  }
  *constant = mask;
  *map = g.map;
  return g.apart;
}

static ValueId reshape(Values *v, const ValueNode *f, ValueId a) {
  Value x = *value_at(v, a);
  Groups g = {.v = v, .constant = value_flat_axes(v, a), .from = values_type_in(f, 0), .to = values_type(f)};
  find_groups(&g);
  if (g.apart) return move_axes(v, a, g.map, g.to->rank);
  shape_trim(v, &g.shape);
  int64_t attr[2 + 2 * MAX_RANK] = {g.from->rank, g.to->rank};
  uint32_t n = 2;
  Shape full = shape_of(v, g.from);
  if (shape_eq(&full, &x.shape)) { /* its elements as they are, whatever shapes they went through */
    n = 0;
    if (x.kind == VALUE_OP && x.op == OP_RESHAPE && x.nattr == 0) {
      a = value_term(v, a, 0)->of;
      if (shape_eq(&value_at(v, a)->shape, &g.shape)) return a;
    }
  }
  for (int i = 0; i < g.from->rank && n; i++) attr[n++] = g.from->dim[i].i;
  for (int i = 0; i < g.to->rank && n; i++) attr[n++] = g.to->dim[i].i;
  return value_op(v, OP_RESHAPE, x.dtype, &a, 1, attr, n, g.shape, x.range);
}

/* SLICE, PAD, REVERSE; attr[0]: the axis, or a mask; attr[3]: the new extent. */
static ValueId resize(Values *v, const Move *m, ValueId a) {
  Value x = *value_at(v, a);
  Shape s = x.shape;
  if (m->op == OP_REVERSE) {
    int64_t axes = 0;
    for (uint32_t k = 0; k < s.rank; k++)
      if ((m->attr[0] >> k & 1) && !value_flat(v, a, k)) axes |= INT64_C(1) << k;
    return axes ? value_op(v, OP_REVERSE, x.dtype, &a, 1, &axes, 1, s, x.range) : a;
  }
  uint32_t axis = (uint32_t)m->attr[0];
  if (m->op == OP_SLICE && value_flat(v, a, axis)) return a;
  for (; s.rank <= axis; s.rank++) s.dim[s.rank] = dim_const(v->p->dims, 1);
  s.dim[axis] = (DimId){(uint32_t)m->attr[3]};
  Interval r = m->op == OP_PAD ? interval_hull(x.range, interval_point(0)) : x.range;
  return value_op(v, m->op, x.dtype, &a, 1, m->attr, m->nattr, s, r);
}

static ValueId apply(Values *v, const Move *m, ValueId a, int depth) {
  if (value_is_const(v, a) && (m->op != OP_PAD || value_is_zero(v, a))) return a;
  Value x = *value_at(v, a);
  bool deep = depth >= MOVE_DEPTH || x.undefined || x.infinite || x.dtype != DT_F64;
  if (!deep && x.kind == VALUE_SUM && x.n) {
    ValueId r = value_ratio(v, x.c);
    if (m->op == OP_PAD && x.c.p != 0)
      r = value_scale(v, apply(v, m, value_ratio(v, ratio(1)), depth + 1), x.c);
    for (uint32_t i = 0; i < x.n; i++) {
      Term t = *value_term(v, a, i);
      r = value_add(v, r, ratio(1), apply(v, m, t.of, depth + 1), t.k);
    }
    return r;
  }
  if (!deep && x.kind == VALUE_PRODUCT && m->op != OP_PAD) {
    ValueId r = value_ratio(v, ratio(1));
    for (uint32_t i = 0; i < x.n; i++) {
      Term t = *value_term(v, a, i);
      r = value_mul(v, r, value_power(v, apply(v, m, t.of, depth + 1), t.k));
    }
    return r;
  }
  if (m->op == OP_TRANSPOSE) return move_axes(v, a, m->attr[0], (int)m->attr[1]);
  return m->op == OP_RESHAPE ? reshape(v, m->f, a) : resize(v, m, a);
}

ValueId values_RESHAPE(const ValueNode *f) {
  Move m = {.op = OP_RESHAPE, .f = f};
  return apply(f->v, &m, f->in[0], 0);
}

ValueId values_TRANSPOSE(const ValueNode *f) {
  int rank = values_type(f)->rank;
  Move m = {.op = OP_TRANSPOSE, .attr = {0, rank}};
  for (int k = 0; k < rank; k++) {
    int64_t from = rank - 1 - (values_attr(f, 0) >> (MAP_BITS * (rank - 1 - k)) & 15);
    m.attr[0] |= from << (MAP_BITS * k);
  }
  return apply(f->v, &m, f->in[0], 0);
}

ValueId value_swap(Values *v, ValueId a) {
  int rank = value_at(v, a)->shape.rank;
  Move m = {.op = OP_TRANSPOSE, .attr = {0, rank < 2 ? 2 : rank}};
  for (int64_t k = 0; k < m.attr[1]; k++) m.attr[0] |= (k < 2 ? 1 - k : k) << (MAP_BITS * k);
  return apply(v, &m, a, 0);
}

static ValueId along(const ValueNode *f, Op op, int64_t first, int64_t second) {
  int64_t axis = values_attr(f, 0);
  const Type *to = values_type(f), *from = values_type_in(f, 0);
  if (dim_eq(to->dim[axis], from->dim[axis])) return f->in[0];
  Move m = {.op = op, .nattr = 5, .attr = {to->rank - 1 - axis, first, second, to->dim[axis].i}};
  m.attr[4] = from->dim[axis].i;
  return apply(f->v, &m, f->in[0], 0);
}
ValueId values_SLICE(const ValueNode *f) { return along(f, OP_SLICE, values_attr(f, 1), values_attr(f, 2)); }
ValueId values_PAD(const ValueNode *f) { return along(f, OP_PAD, values_attr(f, 1), values_attr(f, 3)); }

ValueId values_REVERSE(const ValueNode *f) {
  Move m = {.op = OP_REVERSE};
  uint8_t rank = values_type(f)->rank;
  for (int i = 0; i < rank; i++)
    if (values_attr(f, 0) >> i & 1) m.attr[0] |= INT64_C(1) << (rank - 1 - i);
  return apply(f->v, &m, f->in[0], 0);
}

ValueId values_CONCAT(const ValueNode *f) {
  const Node *n = graph_node(f->g, f->n);
  bool all = true;
  Interval r = value_at(f->v, f->in[0])->range;
  for (uint32_t i = 1; i < n->nin; i++) {
    all &= value_eq(f->in[i], f->in[0]);
    r = interval_hull(r, value_at(f->v, f->in[i])->range);
  }
  if (n->nin == 1 || (all && value_is_const(f->v, f->in[0]))) return f->in[0];
  if (n->nin > MAX_RANK) return values_unknown(f);
  Shape s = {.rank = n->type.rank};
  uint32_t axis = (uint32_t)(n->type.rank - 1 - values_attr(f, 0));
  int64_t attr[1 + MAX_RANK] = {axis};
  for (uint32_t k = 0; k < n->type.rank; k++) {
    bool flat = k != axis;
    for (uint32_t i = 0; i < n->nin; i++) flat &= value_flat(f->v, f->in[i], k);
    s.dim[k] = flat ? dim_const(f->v->p->dims, 1) : n->type.dim[n->type.rank - 1 - k];
  }
  for (uint32_t i = 0; i < n->nin; i++) attr[1 + i] = values_type_in(f, i)->dim[values_attr(f, 0)].i;
  return value_op(f->v, OP_CONCAT, (DType)n->type.dtype, f->in, n->nin, attr, 1 + n->nin, s, r);
}
