/* Derivative rules of contractions, convolutions and pooling. Each linear op's adjoint is another op of the
 * family. */
#include "passes/autodiff/vjp.h"

/* With X = op(x) [M, K], Y = op(y) [K, N]: dX = g Y^T, dY = X^T g; a stored transpose asks for the transposed
 * result. */
void vjp_CONTRACT(Vjp *v) {
  NodeId x = vjp_in(v, 0), y = vjp_in(v, 1);
  bool ta = vjp_attr(v, 0) != 0, tb = vjp_attr(v, 1) != 0;
  if (v->need[0])
    v->dx[0] = ta ? build_contract(v->b, y, v->g, tb, true) : build_contract(v->b, v->g, y, false, !tb);
  if (v->need[1])
    v->dx[1] = tb ? build_contract(v->b, v->g, x, true, ta) : build_contract(v->b, x, v->g, !ta, false);
}

/* One op of the convolution family with this node's attributes. */
static NodeId conv(Vjp *v, Op op, NodeId a, NodeId b, Type out) {
  int64_t attr[8];
  for (uint32_t i = 0; i < 8; i++) attr[i] = vjp_attr(v, i);
  attr[7] = 0; /* each op has its own order; build_op fills it in */
  NodeId in[2] = {a, b};
  return build_op(v->b, op, in, 2, attr, &out);
}

void vjp_CONV2D(Vjp *v) {
  NodeId x = vjp_in(v, 0), w = vjp_in(v, 1);
  if (v->need[0]) v->dx[0] = conv(v, OP_CONV2D_DX, v->g, w, vjp_type(v, x));
  if (v->need[1]) v->dx[1] = conv(v, OP_CONV2D_DW, x, v->g, vjp_type(v, w));
}

/* <dx(gy, w), g> = <gy, conv(g, w)> = <w, dw(g, gy)> */
void vjp_CONV2D_DX(Vjp *v) {
  NodeId gy = vjp_in(v, 0), w = vjp_in(v, 1);
  if (v->need[0]) v->dx[0] = conv(v, OP_CONV2D, v->g, w, vjp_type(v, gy));
  if (v->need[1]) v->dx[1] = conv(v, OP_CONV2D_DW, v->g, gy, vjp_type(v, w));
}

/* <dw(x, gy), g> = <gy, conv(x, g)> = <x, dx(gy, g)> */
void vjp_CONV2D_DW(Vjp *v) {
  NodeId x = vjp_in(v, 0), gy = vjp_in(v, 1);
  if (v->need[0]) v->dx[0] = conv(v, OP_CONV2D_DX, gy, v->g, vjp_type(v, x));
  if (v->need[1]) v->dx[1] = conv(v, OP_CONV2D, x, v->g, vjp_type(v, gy));
}

static void pool_attr(Vjp *v, int64_t attr[6]) {
  for (uint32_t i = 0; i < 6; i++) attr[i] = vjp_attr(v, i);
}

void vjp_MAX_POOL2D(Vjp *v) {
  int64_t attr[6];
  pool_attr(v, attr);
  NodeId in[3] = {vjp_in(v, 0), v->node, v->g};
  Type t = vjp_type(v, in[0]);
  v->dx[0] = build_op(v->b, OP_MAX_POOL2D_DX, in, 3, attr, &t);
}

/* x [N, C, H, W] with rows of zeros around it, then every sh-th of them from kh on: the element at place (kh,
 * kw) of each window. */
static NodeId window_at(Vjp *v, NodeId x, const int64_t a[6], int64_t kh, int64_t kw, const Type *out) {
  DimTable *t = v->b->g->program->dims;
  const int64_t k[2] = {kh, kw};
  for (int i = 0; i < 2; i++) {
    int axis = 2 + i;
    Type ty = vjp_type(v, x);
    if (a[4 + i]) {
      DimId pad = dim_const(t, a[4 + i]);
      ty.dim[axis] = dim_add(t, ty.dim[axis], dim_add(t, pad, pad));
      int64_t attr[4] = {axis, pad.i, pad.i, 1};
      x = build_op(v->b, OP_PAD, &x, 1, attr, &ty);
    }
    x = build_slice(v->b, x, axis, dim_const(t, k[i]), a[2 + i], out->dim[axis]);
  }
  return x;
}

/* Linear in gy, which is scattered to the first element of each window that equals its maximum: the adjoint
 * gathers from there. Written over the places of a window; only second derivatives through pooling need it.
 */
void vjp_MAX_POOL2D_DX(Vjp *v) {
  if (!v->need[2]) return;
  int64_t a[6];
  pool_attr(v, a);
  NodeId x = vjp_in(v, 0), y = vjp_in(v, 1);
  Type out = vjp_type(v, y), mask = out;
  mask.dtype = DT_BOOL;
  NodeId inside = build_const(v->b, vjp_type(v, x), 1), zero = build_const(v->b, out, 0),
         one = build_const(v->b, out, 1);
  NodeId found = build_const(v->b, mask, 0), sum = zero;
  for (int64_t kh = 0; kh < a[0]; kh++) {
    for (int64_t kw = 0; kw < a[1]; kw++) {
      NodeId same = vjp_op2(v, OP_EQ, window_at(v, x, a, kh, kw, &out), y);
      NodeId real = vjp_op2(v, OP_EQ, window_at(v, inside, a, kh, kw, &out), one);
      NodeId hit = vjp_op2(v, OP_AND, vjp_op2(v, OP_AND, same, real), vjp_op1(v, OP_NOT, found));
      sum = build_scalar(v->b, OP_WHERE, hit, window_at(v, v->g, a, kh, kw, &out), sum);
      found = vjp_op2(v, OP_OR, found, hit);
    }
  }
  v->dx[2] = sum;
}

void vjp_AVG_POOL2D(Vjp *v) {
  int64_t attr[6];
  pool_attr(v, attr);
  Type t = vjp_type(v, vjp_in(v, 0));
  v->dx[0] = build_op(v->b, OP_AVG_POOL2D_DX, &v->g, 1, attr, &t);
}

void vjp_AVG_POOL2D_DX(Vjp *v) {
  int64_t attr[6];
  pool_attr(v, attr);
  Type t = vjp_type(v, vjp_in(v, 0));
  v->dx[0] = build_op(v->b, OP_AVG_POOL2D, &v->g, 1, attr, &t);
}
