/* ValueNode of reductions and of row functions. A mean is a sum divided by the count, and a count of ones is
 * the extent itself, also where it has no number yet. */
#include "passes/diagnose/value.h"

#include <math.h>

enum { REDUCE_DEPTH = 2 };

/* The node's axis as counted from the last. */
static uint32_t from_last(const ValueNode *f, int64_t axis) {
  return (uint32_t)(values_type_in(f, 0)->rank - 1 - axis);
}

static uint32_t mask_from_last(const ValueNode *f) {
  uint32_t m = 0, rank = values_type_in(f, 0)->rank;
  for (uint32_t i = 0; i < rank; i++)
    if (values_attr(f, 0) >> i & 1) m |= UINT32_C(1) << (rank - 1 - i);
  return m;
}

static Shape without(const Values *v, Shape s, uint32_t mask) {
  for (uint8_t k = 0; k < s.rank; k++)
    if (mask >> k & 1) s.dim[k] = dim_const(v->p->dims, 1);
  shape_trim(v, &s);
  return s;
}

static Interval times_extents(const Values *v, Interval r, const Shape *s, uint32_t mask) {
  double n = 1;
  for (uint8_t k = 0; k < s->rank; k++) {
    int64_t e;
    if (!(mask >> k & 1)) continue;
    if (!dim_is_const(v->p->dims, s->dim[k], &e)) return interval_sign(r);
    n *= (double)e;
  }
  return interval_sum(r, n);
}

/* Sum of one term along axes on which it is not constant. */
static ValueId sum_atom(Values *v, ValueId a, uint32_t mask) {
  Value x = *value_at(v, a);
  int64_t attr = mask;
  if (x.kind == VALUE_OP && x.op == OP_SUM) { /* of a sum */
    attr |= x.attr[0];
    a = value_term(v, a, 0)->of;
  }
  Shape s = without(v, x.shape, mask);
  return value_op(v, OP_SUM, DT_F64, &a, 1, &attr, 1, s, times_extents(v, x.range, &x.shape, mask));
}

static ValueId sum_of(Values *v, ValueId a, uint32_t mask, const Shape *full, int depth);

/* Factors that are constant along all the axes stand before the sum. */
static ValueId sum_term(Values *v, ValueId a, uint32_t mask, const Shape *full, int depth) {
  uint32_t left = 0;
  ValueId outside = value_ratio(v, ratio(1)), inside = outside;
  for (uint32_t k = 0; k < MAX_RANK; k++) {
    if (!(mask >> k & 1)) continue;
    if (!value_flat(v, a, k))
      left |= UINT32_C(1) << k;
    else if (k < full->rank)
      outside = value_mul(v, outside, value_extent(v, full->dim[k]));
  }
  if (!left) return value_mul(v, outside, a);
  Value x = *value_at(v, a);
  if (x.kind != VALUE_PRODUCT) return value_mul(v, outside, sum_atom(v, a, left));
  for (uint32_t i = 0; i < x.n; i++) {
    Term t = *value_term(v, a, i);
    ValueId p = value_power(v, t.of, t.k);
    ValueId *side = value_flat_along(v, t.of, left) ? &outside : &inside;
    *side = value_mul(v, *side, p);
  }
  if (value_eq(inside, a) || depth >= REDUCE_DEPTH) return value_mul(v, outside, sum_atom(v, inside, left));
  return value_mul(v, outside, sum_of(v, inside, left, full, depth + 1));
}

static ValueId sum_of(Values *v, ValueId a, uint32_t mask, const Shape *full, int depth) {
  Value x = *value_at(v, a);
  if (x.undefined || x.infinite) return value_undefined(v, DT_F64, without(v, x.shape, mask));
  if (x.kind != VALUE_SUM) return sum_term(v, a, mask, full, depth);
  ValueId r = sum_term(v, x.n ? value_ratio(v, x.c) : a, mask, full, depth);
  for (uint32_t i = 0; i < x.n; i++) {
    Term t = *value_term(v, a, i);
    r = value_add(v, r, ratio(1), sum_term(v, t.of, mask, full, depth), t.k);
  }
  return r;
}

ValueId value_sum_axis(Values *v, ValueId a, uint32_t axis, DimId extent) {
  Shape full = value_at(v, a)->shape;
  for (; full.rank <= axis; full.rank++) full.dim[full.rank] = dim_const(v->p->dims, 1);
  full.dim[axis] = extent;
  return sum_of(v, a, UINT32_C(1) << axis, &full, 0);
}

ValueId values_SUM(const ValueNode *f) {
  Shape full = shape_of(f->v, values_type_in(f, 0));
  if (!dtype_is_float((DType)values_type(f)->dtype)) {
    if (value_is_zero(f->v, f->in[0])) return f->in[0];
    return values_unknown(f);
  }
  return sum_of(f->v, f->in[0], mask_from_last(f), &full, 0);
}

ValueId values_MEAN(const ValueNode *f) {
  Values *v = f->v;
  const Type *t = values_type_in(f, 0);
  Shape full = shape_of(v, t);
  if (!dtype_is_float((DType)t->dtype)) return values_unknown(f);
  ValueId count = value_ratio(v, ratio(1));
  for (uint32_t i = 0; i < t->rank; i++)
    if (values_attr(f, 0) >> i & 1) count = value_mul(v, count, value_extent(v, t->dim[i]));
  return value_mul(v, sum_of(v, f->in[0], mask_from_last(f), &full, 0), value_power(v, count, ratio(-1)));
}

/* A sum taken apart: what is constant along all the axes, and the rest. */
static void split_along(Values *v, ValueId a, uint32_t mask, ValueId *flat, ValueId *rest) {
  *rest = a;
  *flat = value_ratio(v, ratio(0));
  if (value_at(v, a)->dtype == DT_F64) value_split(v, a, mask, flat, rest);
}

static ValueId extreme(const ValueNode *f, Op op) {
  Values *v = f->v;
  uint32_t mask = mask_from_last(f), left = 0;
  for (uint32_t k = 0; k < MAX_RANK; k++)
    if ((mask >> k & 1) && !value_flat(v, f->in[0], k)) left |= UINT32_C(1) << k;
  if (!left) return f->in[0];
  Value x = *value_at(v, f->in[0]);
  ValueId flat, rest;
  Ratio k = ratio(1);
  split_along(v, f->in[0], left, &flat, &rest);
  if (x.dtype == DT_F64 && !x.infinite && !x.undefined) rest = value_factor(v, rest, &k);
  if (k.p < 0) op = op == OP_MAX ? OP_MIN : OP_MAX;
  int64_t attr = left;
  Value y = *value_at(v, rest);
  ValueId r = value_op(v, op, x.dtype, &rest, 1, &attr, 1, without(v, y.shape, left), y.range);
  if (x.dtype != DT_F64 || x.infinite || x.undefined) return r;
  return value_add(v, r, k, flat, ratio(1));
}
ValueId values_MAX(const ValueNode *f) { return extreme(f, OP_MAX); }
ValueId values_MIN(const ValueNode *f) { return extreme(f, OP_MIN); }

/* Of any number of factors: rounding does not take a product across 0 or 1. */
static Interval product_range(Interval x) {
  double most = x.lo >= -1 && x.hi <= 1 ? 1 : INFINITY;
  return interval_of(x.lo >= 1 ? 1 : x.lo >= 0 ? 0 : -most, most);
}

ValueId values_PROD(const ValueNode *f) {
  Values *v = f->v;
  const Type *t = values_type_in(f, 0);
  double n = 1;
  if (!dtype_is_float((DType)t->dtype)) return values_unknown(f);
  for (uint32_t i = 0; i < t->rank; i++) {
    int64_t e;
    if (values_attr(f, 0) >> i & 1) n *= dim_is_const(v->p->dims, t->dim[i], &e) ? (double)e : INFINITY;
  }
  if (n <= 64 && value_flat_along(v, f->in[0], mask_from_last(f))) return value_power(v, f->in[0], ratio(n));
  return values_within(f, product_range(value_at(v, f->in[0])->range));
}

ValueId values_CUMPROD(const ValueNode *f) { /* integers wrap */
  if (value_is_zero(f->v, f->in[0])) return f->in[0];
  if (!dtype_is_float((DType)values_type(f)->dtype)) return values_unknown(f);
  return values_within(f, product_range(value_at(f->v, f->in[0])->range));
}

ValueId values_CUMSUM(const ValueNode *f) { /* integers wrap */
  if (value_is_zero(f->v, f->in[0])) return f->in[0];
  if (!dtype_is_float((DType)values_type(f)->dtype)) return values_unknown(f);
  return values_within(f, interval_sign(value_at(f->v, f->in[0])->range));
}

static ValueId position(const ValueNode *f) {
  const Value *x = value_at(f->v, f->in[0]);
  int64_t n;
  if (value_flat(f->v, f->in[0], from_last(f, values_attr(f, 0))) && !x->undefined && !x->noise)
    return value_const(f->v, (DType)values_type(f)->dtype, 0);
  bool known = dim_is_const(f->v->p->dims, values_type_in(f, 0)->dim[values_attr(f, 0)], &n);
  return values_within(f, interval_of(0, known ? (double)n - 1 : INT32_MAX));
}
ValueId values_ARGMAX(const ValueNode *f) { return position(f); }
ValueId values_ARGMIN(const ValueNode *f) { return position(f); }

ValueId values_ARGSORT(const ValueNode *f) {
  int64_t n;
  bool known = dim_is_const(f->v->p->dims, values_type(f)->dim[values_attr(f, 0)], &n);
  if (known && n == 1 && !value_at(f->v, f->in[0])->undefined)
    return value_const(f->v, (DType)values_type(f)->dtype, 0);
  return values_within(f, interval_of(0, known ? (double)n - 1 : INT32_MAX));
}

/* ---- rows */

static ValueId log_of(Values *v, ValueId n) {
  if (value_is_const(v, n)) return value_const(v, DT_F64, log(ratio_number(value_at(v, n)->c)));
  return value_op(v, OP_LOG, DT_F64, &n, 1, NULL, 0, (Shape){0}, interval_of(0, INFINITY));
}

typedef struct Row {
  Values *v;
  uint32_t axis;
  ValueId flat, rest, count; /* what is constant along the row, which shifts it, and what is not */
  bool constant, plain;      /* nothing varies along the row; and all of it is finite */
} Row;

static Row row_of(const ValueNode *f, int64_t axis) {
  Row r = {.v = f->v, .axis = from_last(f, axis)};
  const Value *x = value_at(f->v, f->in[0]);
  r.plain = !x->undefined && !x->infinite;
  r.constant = r.plain && value_flat(f->v, f->in[0], r.axis);
  r.count = value_extent(f->v, values_type_in(f, 0)->dim[axis]);
  split_along(f->v, f->in[0], UINT32_C(1) << r.axis, &r.flat, &r.rest);
  return r;
}

static ValueId row_atom(const Row *r, Op op, Interval range) {
  int64_t attr = r->axis;
  Shape s = value_at(r->v, r->rest)->shape;
  if (op == OP_LOGSUMEXP) s = without(r->v, s, UINT32_C(1) << r->axis);
  return value_op(r->v, op, DT_F64, &r->rest, 1, &attr, 1, s, range);
}

/* The literal -inf: of a row of these the softmax is 0. */
static bool masked(const ValueNode *f) {
  const Value *x = value_at(f->v, f->in[0]);
  return x->kind == VALUE_OP && x->op == OP_CONST && x->infinite && x->attr[0] == 0;
}

ValueId values_SOFTMAX(const ValueNode *f) {
  if (masked(f)) return value_ratio(f->v, ratio(0));
  Row r = row_of(f, values_attr(f, 0));
  return r.constant ? value_power(f->v, r.count, ratio(-1)) : row_atom(&r, OP_SOFTMAX, interval_of(0, 1));
}

ValueId values_LOG_SOFTMAX(const ValueNode *f) {
  Row r = row_of(f, values_attr(f, 0));
  return r.constant ? value_scale(f->v, log_of(f->v, r.count), ratio(-1))
                    : row_atom(&r, OP_LOG_SOFTMAX, interval_of(-INFINITY, 0.001));
}

ValueId values_LOGSUMEXP(const ValueNode *f) {
  Row r = row_of(f, values_attr(f, 0));
  if (r.constant) return value_add(f->v, f->in[0], ratio(1), log_of(f->v, r.count), ratio(1));
  Interval least = interval_of(value_at(f->v, r.rest)->range.lo, INFINITY); /* no less than the maximum */
  return value_add(f->v, row_atom(&r, OP_LOGSUMEXP, least), ratio(1), r.flat, ratio(1));
}

ValueId values_CROSS_ENTROPY(const ValueNode *f) {
  const Type *t = values_type_in(f, 0);
  Row r = row_of(f, t->rank - 1);
  int64_t n;
  Interval label = value_at(f->v, f->in[1])->range;
  bool in =
      label.lo >= 0 && dim_is_const(f->v->p->dims, t->dim[t->rank - 1], &n) && label.hi <= (double)n - 1;
  if (r.constant && in) return log_of(f->v, r.count);
  if (in) return values_within(f, interval_of(-0.001, INFINITY));
  return values_within(f, interval_of(fmin(value_at(f->v, f->in[0])->range.lo, 0) - 0.001, INFINITY));
}
