/* Building nodes: types come from op_infer; operands that do not fit are a defect of the caller. */
#include "ir/graph/build.h"

#include "ir/graph/program.h"
#include "ir/scalar/literal.h"

#include <math.h>

NodeId build_op(Builder *b, Op op, const NodeId *in, uint32_t nin, const int64_t *attr, const Type *given) {
  Type t;
  Sb why;
  sb_init(&why, b->g->arena);
  if (!op_infer(b->g, op, in, nin, attr, given, &t, &why)) {
    char text[160];
    size_t n = why.n < sizeof text - 1 ? why.n : sizeof text - 1;
    memcpy(text, why.p, n);
    text[n] = '\0';
    BUG(b->g->arena->mem, "%s", text);
  }
  return graph_add(b->g, op, t, in, nin, attr, b->location, b->primal);
}

static Type type_of(const Builder *b, NodeId x) { return graph_node(b->g, x)->type; }

NodeId build_scalar(Builder *b, Op op, NodeId x, NodeId y, NodeId z) {
  NodeId in[3] = {x, y, z};
  return build_op(b, op, in, (uint32_t)node_ok(x) + node_ok(y) + node_ok(z), NULL, NULL);
}

NodeId build_const(Builder *b, Type type, double value) {
  return build_const_word(b, type, literal_of((DType)type.dtype, value));
}

NodeId build_const_word(Builder *b, Type type, int64_t word) {
  return build_op(b, OP_CONST, NULL, 0, &word, &type);
}

NodeId build_leaf(Builder *b, LeafId leaf) { return build_op(b, OP_LEAF, NULL, 0, &(int64_t){leaf.i}, NULL); }

NodeId build_cast(Builder *b, NodeId x, DType to) {
  Type t = type_of(b, x);
  if (t.dtype == to) return x;
  t.dtype = (uint8_t)to;
  return build_op(b, OP_CAST, &x, 1, NULL, &t);
}

NodeId build_iota(Builder *b, Type type, int axis) {
  return build_op(b, OP_IOTA, NULL, 0, &(int64_t){axis}, &type);
}

NodeId build_broadcast(Builder *b, NodeId x, Type to) {
  Type t = type_of(b, x);
  to.dtype = t.dtype;
  return type_same_shape(&t, &to) ? x : build_op(b, OP_BROADCAST, &x, 1, NULL, &to);
}

NodeId build_reshape(Builder *b, NodeId x, Type to) {
  Type t = type_of(b, x);
  to.dtype = t.dtype;
  return type_same_shape(&t, &to) ? x : build_op(b, OP_RESHAPE, &x, 1, NULL, &to);
}

NodeId build_transpose(Builder *b, NodeId x, const uint8_t *perm) {
  uint64_t word = 0;
  for (uint8_t i = 0; i < type_of(b, x).rank; i++) word |= (uint64_t)perm[i] << (4 * i);
  return build_op(b, OP_TRANSPOSE, &x, 1, &(int64_t){(int64_t)word}, NULL);
}

NodeId build_slice(Builder *b, NodeId x, int axis, DimId start, int64_t step, DimId extent) {
  Type t = type_of(b, x);
  t.dim[axis] = extent;
  return build_op(b, OP_SLICE, &x, 1, (int64_t[]){axis, start.i, step}, &t);
}

NodeId build_reduce(Builder *b, Op op, NodeId x, uint32_t axes) {
  return build_op(b, op, &x, 1, (int64_t[]){axes, 0}, NULL);
}

NodeId build_drop_axes(Builder *b, NodeId x, uint32_t axes) {
  Type t = type_of(b, x), to = type_scalar((DType)t.dtype);
  for (uint8_t i = 0; i < t.rank; i++)
    if (!(axes >> i & 1)) to.dim[to.rank++] = t.dim[i];
  return build_reshape(b, x, to);
}

NodeId build_contract(Builder *b, NodeId x, NodeId y, bool ta, bool tb) {
  return build_op(b, OP_CONTRACT, (NodeId[]){x, y}, 2, (int64_t[]){ta, tb, 0}, NULL);
}

NodeId build_sum_to(Builder *b, NodeId x, Type to) {
  Type t = type_of(b, x);
  DimId one = dim_const(b->g->program->dims, 1);
  uint32_t axes = 0;
  uint8_t lead = (uint8_t)(t.rank - to.rank);
  if (to.rank > t.rank) BUG(b->g->arena->mem, "sum to a shape of more axes");
  to.dtype = t.dtype;
  for (uint8_t i = 0; i < t.rank; i++)
    if (i < lead || (dim_eq(to.dim[i - lead], one) && !dim_eq(t.dim[i], one))) axes |= 1u << i;
  if (axes) x = build_reduce(b, OP_SUM, x, axes);
  return build_reshape(b, x, to);
}
