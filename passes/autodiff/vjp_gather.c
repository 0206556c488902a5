/* Derivative rules of gather and scatter_add: each is the other's. */
#include "passes/autodiff/vjp.h"

static NodeId with_places(Vjp *v, Op op, const NodeId *in, uint32_t nin) {
  int64_t attr[2] = {vjp_attr(v, 0), vjp_attr(v, 1)};
  return build_op(v->b, op, in, nin, attr, NULL);
}

void vjp_GATHER(Vjp *v) {
  NodeId none = build_const(v->b, vjp_type(v, vjp_in(v, 0)), 0);
  v->dx[0] = with_places(v, OP_SCATTER_ADD, (NodeId[]){none, vjp_in(v, 1), v->g}, 3);
}

void vjp_SCATTER_ADD(Vjp *v) {
  v->dx[0] = v->g;
  v->dx[2] = with_places(v, OP_GATHER, (NodeId[]){v->g, vjp_in(v, 1)}, 2);
}
