/* Linear algebra: Cholesky's factor and triangular systems, of the last two axes. */
#include "frontend/elaborate/elab.h"

static bool matrix(Elab *x, Operand o, NodeId *n) {
  *n = val_to_node(x, o.v, o.at, -1);
  if (!node_ok(*n)) return false;
  Type t = node_type(x, *n);
  bool square = t.rank >= 2 && dim_agree(t.dim[t.rank - 2], t.dim[t.rank - 1]);
  if (square && dtype_is_float((DType)t.dtype)) return true;
  return val_ok(wrong_kind(x, o.at, o.v, "a square matrix of real numbers"));
}

/* The factor of (a + a') / 2, which is a: so the gradient is symmetric, and a true one. */
Value bi_cholesky(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n;
  if (!builtin_args(x, b, args, at, o) || !matrix(x, o[0], &n)) return val_poison();
  Type t = node_type(x, n);
  uint8_t perm[MAX_RANK];
  for (uint8_t i = 0; i < t.rank; i++) perm[i] = i;
  perm[t.rank - 2] = (uint8_t)(t.rank - 1), perm[t.rank - 1] = (uint8_t)(t.rank - 2);
  Builder bu = builder_at(x, at);
  NodeId both = build_scalar(&bu, OP_ADD, n, build_transpose(&bu, n, perm), NO_NODE);
  NodeId half = build_scalar(&bu, OP_MUL, both, build_const(&bu, t, 0.5), NO_NODE);
  return val_node(emit(x, at, b->name, b->op, &half, 1, NULL, NULL));
}

/* The operand with the leading axes of the other in front of its own last two. */
static NodeId batched(Builder *bu, NodeId n, Type own, Type other) {
  uint8_t more = (uint8_t)(other.rank - own.rank);
  Type to = other;
  to.dtype = own.dtype;
  for (uint8_t i = 0; i < own.rank; i++) to.dim[more + i] = own.dim[i];
  return build_broadcast(bu, n, to);
}

Value bi_triangular_solve(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId l;
  bool upper = false, transpose = false;
  if (!builtin_args(x, b, args, at, o) || !matrix(x, o[0], &l)) return val_poison();
  if (arg_given(o[2]) && !val_static_bool(x, o[2].v, o[2].at, "'upper'", &upper)) return val_poison();
  if (arg_given(o[3]) && !val_static_bool(x, o[3].v, o[3].at, "'transpose'", &transpose)) return val_poison();
  NodeId right = val_to_node(x, o[1].v, o[1].at, (int)node_type(x, l).dtype);
  if (!node_ok(right)) return val_poison();
  Builder bu = builder_at(x, at);
  Type tl = node_type(x, l), tb = node_type(x, right);
  bool vector = tb.rank == 1;
  if (tb.rank == 0) return wrong_kind(x, o[1].at, o[1].v, "a vector or a matrix");
  if (vector) {
    tb.rank = 2;
    tb.dim[1] = dim_const(x->dims, 1);
    right = build_reshape(&bu, right, tb);
  }
  if (tb.rank < tl.rank) right = batched(&bu, right, tb, tl);
  if (tl.rank < tb.rank) l = batched(&bu, l, tl, tb);
  NodeId r = emit(x, at, b->name, b->op, (NodeId[]){l, right}, 2, (int64_t[]){upper, transpose}, NULL);
  if (!node_ok(r)) return val_poison();
  return val_node(vector ? build_drop_axes(&bu, r, 1u << (node_type(x, r).rank - 1)) : r);
}
