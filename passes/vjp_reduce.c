/* Derivative rules of reductions and of row functions (softmax and its relatives). */
#include "passes/vjp.h"

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

/* d prod / d x_i is the product of the others: r / x_i without zeros; with one zero, the product of the rest
 * at that place and 0 elsewhere; with two, 0. */
void vjp_PROD(Vjp *v) {
  NodeId x = vjp_in(v, 0);
  Type in = vjp_type(v, x), out = vjp_type(v, v->node);
  uint32_t axes = (uint32_t)vjp_attr(v, 0);
  NodeId zero = constant(v, in, 0), one = constant(v, in, 1);
  NodeId is_zero = vjp_op2(v, OP_EQ, x, zero);
  NodeId safe = build_scalar(v->b, OP_WHERE, is_zero, one, x);
  NodeId rest = build_reduce(v->b, OP_PROD, safe, axes);
  NodeId zeros = build_reduce(v->b, OP_SUM, build_scalar(v->b, OP_WHERE, is_zero, one, zero), axes);
  NodeId none = vjp_op2(v, OP_EQ, zeros, constant(v, out, 0)),
         single = vjp_op2(v, OP_EQ, zeros, constant(v, out, 1));
  NodeId g = stretch(v, v->g, in), r = stretch(v, rest, in);
  Type mask = in;
  mask.dtype = DT_BOOL;
  NodeId at_zero =
      build_scalar(v->b, OP_WHERE, build_broadcast(v->b, single, mask), vjp_op2(v, OP_MUL, g, r), zero);
  NodeId others = vjp_op2(v, OP_MUL, g, vjp_op2(v, OP_DIV, r, safe));
  NodeId at_other = build_scalar(v->b, OP_WHERE, build_broadcast(v->b, none, mask), others, zero);
  v->dx[0] = build_scalar(v->b, OP_WHERE, is_zero, at_zero, at_other);
}

void vjp_ARGMAX(Vjp *v) { (void)v; }
void vjp_ARGMIN(Vjp *v) { (void)v; }

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
