/* Derivative rules of reductions and of row functions (softmax and its relatives). */
#include "passes/autodiff/vjp.h"

static NodeId stretch(Vjp *v, NodeId x, Type to) {
  to.dtype = vjp_type(v, x).dtype;
  return build_broadcast(v->b, x, to);
}
static NodeId constant(Vjp *v, Type like, double x) { return build_const(v->b, like, x); }

void vjp_SUM(Vjp *v) { v->dx[0] = stretch(v, v->g, vjp_type(v, vjp_in(v, 0))); }

/* The count as a value of the result's type: a constant where the extents are known, else a sum of ones. */
static NodeId count_of(Vjp *v) {
  const DimTable *t = v->b->g->program->dims;
  Type in = vjp_type(v, vjp_in(v, 0)), out = vjp_type(v, v->node);
  uint32_t axes = (uint32_t)vjp_attr(v, 0);
  double n = 1;
  for (uint32_t i = 0; i < in.rank; i++) {
    int64_t e;
    if (!(axes >> i & 1)) continue;
    if (!dim_is_const(t, in.dim[i], &e)) return build_reduce(v->b, OP_SUM, constant(v, in, 1), axes);
    n *= (double)e;
  }
  return constant(v, out, n);
}

void vjp_MEAN(Vjp *v) {
  NodeId each = vjp_op2(v, OP_DIV, v->g, count_of(v));
  v->dx[0] = stretch(v, each, vjp_type(v, vjp_in(v, 0)));
}

/* Element k is in every sum from k on: the running sum of g from behind. */
void vjp_CUMSUM(Vjp *v) {
  int64_t axis = vjp_attr(v, 0), mask = INT64_C(1) << axis;
  NodeId back = build_op(v->b, OP_REVERSE, &v->g, 1, &mask, NULL);
  NodeId sums = build_op(v->b, OP_CUMSUM, &back, 1, &axis, NULL);
  v->dx[0] = build_op(v->b, OP_REVERSE, &sums, 1, &mask, NULL);
}

static NodeId part(Vjp *v, NodeId x, int axis, int64_t from, int64_t n) {
  DimTable *t = v->b->g->program->dims;
  return build_slice(v->b, x, axis, dim_const(t, from), 1, dim_const(t, n));
}
static NodeId joined(Vjp *v, NodeId x, NodeId y, int64_t axis) {
  return build_op(v->b, OP_CONCAT, (NodeId[]){x, y}, 2, &axis, NULL);
}

/* Element k of n in all running products, each without it, times g and added up: s[k] = g[k] + x[k + 1] s[k +
 * 1]. Spans double: a[k] is the product of the `width` elements behind k, where there are so many. */
static NodeId behind(Vjp *v, NodeId x, int axis, int64_t n) {
  NodeId s = v->g, a = n > 1 ? part(v, x, axis, 1, n - 1) : x;
  for (int64_t width = 1; width < n; width *= 2) {
    int64_t left = n - width;
    NodeId here = part(v, s, axis, 0, left), ahead = part(v, s, axis, width, left),
           last = part(v, s, axis, left, width);
    s = joined(v, vjp_op2(v, OP_ADD, here, vjp_op2(v, OP_MUL, a, ahead)), last, axis);
    if (left <= width) continue;
    NodeId near = part(v, a, axis, 0, left - width), far = part(v, a, axis, width, left - width);
    a = vjp_op2(v, OP_MUL, near, far);
  }
  return s;
}

/* x and g as [.., extent, 1, ..] and its like, other axes flattened, for an extent that has no value yet. */
typedef struct Square {
  Type type;          /* [before, extent, extent, behind] */
  NodeId row, column; /* indices along the two */
} Square;

static Type flattened(Vjp *v, Type t, int axis) {
  DimTable *d = v->b->g->program->dims;
  Type flat = {.dtype = t.dtype, .rank = 4};
  for (int i = 0; i < 4; i++) flat.dim[i] = dim_const(d, 1);
  for (int i = 0; i < t.rank; i++) {
    int to = i < axis ? 0 : i > axis ? 3 : 2;
    flat.dim[to] = dim_mul(d, flat.dim[to], t.dim[i]);
  }
  return flat;
}
static Square square_of(Vjp *v, Type flat) {
  Square s = {.type = flat};
  s.type.dim[1] = flat.dim[2];
  Type index = s.type;
  index.dtype = DT_I32;
  s.row = build_iota(v->b, index, 1);
  s.column = build_iota(v->b, index, 2);
  return s;
}

/* The same for an extent that has no value yet (nothing runs such a graph): all products at once. */
static NodeId running_by_mask(Vjp *v, NodeId x, int axis) {
  Type ty = vjp_type(v, x), flat = flattened(v, ty, axis);
  Square s = square_of(v, flat);
  int64_t along = 2;
  NodeId self = vjp_op2(v, OP_EQ, s.row, s.column), later = vjp_op2(v, OP_LE, s.row, s.column);
  NodeId each = build_broadcast(v->b, build_reshape(v->b, x, flat), s.type);
  NodeId rest = build_scalar(v->b, OP_WHERE, self, constant(v, s.type, 1), each);
  NodeId products = build_op(v->b, OP_CUMPROD, &rest, 1, &along, NULL);
  NodeId g = build_broadcast(v->b, build_reshape(v->b, v->g, flat), s.type);
  NodeId some = vjp_op2(v, OP_MUL, g, products), none = constant(v, s.type, 0);
  NodeId terms = build_scalar(v->b, OP_WHERE, later, some, none);
  return build_reshape(v->b, build_reduce(v->b, OP_SUM, terms, 1u << 2), ty);
}

/* Element k is in the products from k on: those of the elements before it, times what is behind it. Nothing
 * is divided, so zeros do no harm. */
void vjp_CUMPROD(Vjp *v) {
  NodeId x = vjp_in(v, 0);
  Type first = vjp_type(v, x);
  int axis = (int)vjp_attr(v, 0);
  int64_t n;
  if (!dim_is_const(v->b->g->program->dims, first.dim[axis], &n)) {
    v->dx[0] = running_by_mask(v, x, axis);
    return;
  }
  first.dim[axis] = dim_const(v->b->g->program->dims, 1);
  NodeId one = constant(v, first, 1);
  NodeId before = n < 2 ? one : joined(v, one, part(v, v->node, axis, 0, n - 1), axis);
  v->dx[0] = vjp_op2(v, OP_MUL, before, behind(v, x, axis, n));
}

/* Ties share equally: g / (number of ties) at every element that equals the result. */
static void extreme(Vjp *v) {
  NodeId x = vjp_in(v, 0);
  Type in = vjp_type(v, x);
  NodeId hit = vjp_op2(v, OP_EQ, x, stretch(v, v->node, in));
  NodeId ones = build_scalar(v->b, OP_WHERE, hit, constant(v, in, 1), constant(v, in, 0));
  NodeId ties = build_reduce(v->b, OP_SUM, ones, (uint32_t)vjp_attr(v, 0));
  NodeId share = stretch(v, vjp_op2(v, OP_DIV, v->g, ties), in);
  v->dx[0] = build_scalar(v->b, OP_WHERE, hit, share, constant(v, in, 0));
}
void vjp_MAX(Vjp *v) { extreme(v); }
void vjp_MIN(Vjp *v) { extreme(v); }

/* x moved by some places along an axis, later elements towards the front with `ahead`; where nothing comes
 * from stand ones. */
static NodeId shift(Vjp *v, NodeId x, int axis, int64_t by, bool ahead) {
  DimTable *t = v->b->g->program->dims;
  Type ty = vjp_type(v, x), fill = ty;
  DimId gap = dim_const(t, by), kept = dim_sub(t, ty.dim[axis], gap);
  fill.dim[axis] = gap;
  NodeId ones = build_const(v->b, fill, 1);
  NodeId part = build_slice(v->b, x, axis, ahead ? gap : dim_const(t, 0), 1, kept);
  NodeId in[2] = {ahead ? part : ones, ahead ? ones : part};
  int64_t at = axis;
  return build_op(v->b, OP_CONCAT, in, 2, &at, NULL);
}

/* At each place the product of the n - 1 elements before it (behind it with `ahead`), where there are so
 * many: spans double. */
static NodeId span_products(Vjp *v, NodeId x, int axis, int64_t n, bool ahead) {
  NodeId span = shift(v, x, axis, 1, ahead);
  for (int64_t width = 1; width < n - 1; width *= 2)
    span = vjp_op2(v, OP_MUL, span, shift(v, span, axis, width, ahead));
  return span;
}

/* The same for an extent that has no value yet (nothing runs such a graph): the product over a second axis of
 * the extent, with a one on the diagonal. Other axes are flattened, so that the rank suffices. */
static NodeId others_by_mask(Vjp *v, NodeId x, int axis) {
  Type ty = vjp_type(v, x), flat = flattened(v, ty, axis);
  Square s = square_of(v, flat);
  NodeId self = vjp_op2(v, OP_EQ, s.row, s.column);
  NodeId each = build_broadcast(v->b, build_reshape(v->b, x, flat), s.type);
  NodeId rest = build_scalar(v->b, OP_WHERE, self, constant(v, s.type, 1), each);
  return build_reshape(v->b, build_reduce(v->b, OP_PROD, rest, 1u << 2), ty);
}

/* d prod / d x_i is the product of the others: of those before it times those behind it. Nothing is divided,
 * so zeros, and products too small or too large for the type, do no harm to the slopes of the others. */
static NodeId others(Vjp *v, NodeId x, int axis) {
  int64_t n;
  Type ty = vjp_type(v, x);
  if (!dim_is_const(v->b->g->program->dims, ty.dim[axis], &n)) return others_by_mask(v, x, axis);
  if (n < 2) return constant(v, ty, 1);
  return vjp_op2(v, OP_MUL, span_products(v, x, axis, n, false), span_products(v, x, axis, n, true));
}

/* Axis by axis as the product itself, the last first; then back. */
void vjp_PROD(Vjp *v) {
  NodeId x = vjp_in(v, 0), part[MAX_RANK];
  uint32_t axes = (uint32_t)vjp_attr(v, 0);
  int axis[MAX_RANK], n = 0;
  for (int i = vjp_type(v, x).rank; i-- > 0;) {
    if (!(axes >> i & 1)) continue;
    axis[n] = i, part[n++] = x;
    x = build_reduce(v->b, OP_PROD, x, 1u << i);
  }
  NodeId g = v->g;
  while (n-- > 0) g = vjp_op2(v, OP_MUL, stretch(v, g, vjp_type(v, part[n])), others(v, part[n], axis[n]));
  v->dx[0] = g;
}

void vjp_ARGMAX(Vjp *v) { (void)v; }
void vjp_ARGMIN(Vjp *v) { (void)v; }
void vjp_ARGSORT(Vjp *v) { (void)v; }

static NodeId row_sum(Vjp *v, NodeId x, int64_t axis) {
  return build_reduce(v->b, OP_SUM, x, UINT32_C(1) << axis);
}
static NodeId softmax(Vjp *v, NodeId x, int64_t axis) {
  Type t = vjp_type(v, x);
  return build_op(v->b, OP_SOFTMAX, &x, 1, &axis, &t);
}

/* r * (g - sum(g * r)) */
void vjp_SOFTMAX(Vjp *v) {
  int64_t axis = vjp_attr(v, 0);
  NodeId dot = row_sum(v, vjp_op2(v, OP_MUL, v->g, v->node), axis);
  NodeId centred = vjp_op2(v, OP_SUB, v->g, stretch(v, dot, vjp_type(v, v->node)));
  v->dx[0] = vjp_op2(v, OP_MUL, v->node, centred);
}

/* g - exp(r) * sum(g) */
void vjp_LOG_SOFTMAX(Vjp *v) {
  NodeId total = stretch(v, row_sum(v, v->g, vjp_attr(v, 0)), vjp_type(v, v->node));
  v->dx[0] = vjp_op2(v, OP_SUB, v->g, vjp_op2(v, OP_MUL, vjp_op1(v, OP_EXP, v->node), total));
}

/* g * softmax(x) */
void vjp_LOGSUMEXP(Vjp *v) {
  NodeId x = vjp_in(v, 0);
  v->dx[0] = vjp_op2(v, OP_MUL, stretch(v, v->g, vjp_type(v, x)), softmax(v, x, vjp_attr(v, 0)));
}

/* g * (softmax(row) - onehot(label)); a label outside the classes has no one-hot element. */
void vjp_CROSS_ENTROPY(Vjp *v) {
  NodeId x = vjp_in(v, 0), label = vjp_in(v, 1);
  Type t = vjp_type(v, x), column = t, index = t;
  column.dim[t.rank - 1] = dim_const(v->b->g->program->dims, 1);
  index.dtype = vjp_type(v, label).dtype;
  Type column_index = column;
  column_index.dtype = index.dtype;
  NodeId wanted = build_broadcast(v->b, build_reshape(v->b, label, column_index), index);
  NodeId hit = vjp_op2(v, OP_EQ, build_iota(v->b, index, t.rank - 1), wanted);
  NodeId onehot = build_scalar(v->b, OP_WHERE, hit, constant(v, t, 1), constant(v, t, 0));
  NodeId diff = vjp_op2(v, OP_SUB, softmax(v, x, t.rank - 1), onehot);
  v->dx[0] = vjp_op2(v, OP_MUL, stretch(v, build_reshape(v->b, v->g, column), t), diff);
}
