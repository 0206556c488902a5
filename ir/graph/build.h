/* Building graphs: every function infers the result type from its operands by the op's own rule
 * (ir/family/infer.c) and raises BUG on operands that do not fit: who takes text from users checks first and
 * speaks their language. */
#ifndef DG_IR_BUILD_H
#define DG_IR_BUILD_H

#include "ir/graph/graph.h"

typedef struct Builder {
  Graph *g;
  LocationId location; /* given to new nodes */
  NodeId primal;       /* given to new nodes */
} Builder;

/* Type of the result, or false with a reason. The one place of shape and dtype rules: verifier, builder and
 * front end use it. `given` is the wanted result type for ops whose type is not a function of their operands
 * (CONST, RESHAPE, BROADCAST, CAST, SLICE, ..._DX); NULL otherwise. */
MUST_USE bool op_infer(const Graph *g, Op op, const NodeId *in, uint32_t nin, const int64_t *attr,
                       const Type *given, Type *out, Sb *why);

NodeId build_op(Builder *b, Op op, const NodeId *in, uint32_t nin, const int64_t *attr, const Type *given);
/* Elementwise: operands must have equal shapes (build_stretch first). */
NodeId build_scalar(Builder *b, Op op, NodeId x, NodeId y, NodeId z); /* unused operands NO_NODE */
NodeId build_const(Builder *b, Type type, double value);              /* floats and integers up to 2^53 */
NodeId build_const_word(Builder *b, Type type, int64_t word);         /* ir/scalar/literal.h */
NodeId build_leaf(Builder *b, LeafId leaf);
NodeId build_cast(Builder *b, NodeId x, DType to);
NodeId build_iota(Builder *b, Type type, int axis);
NodeId build_broadcast(Builder *b, NodeId x, Type to); /* x itself when the shape is there already */
NodeId build_reshape(Builder *b, NodeId x, Type to);   /* x itself when equal */
NodeId build_transpose(Builder *b, NodeId x, const uint8_t *perm);
NodeId build_slice(Builder *b, NodeId x, int axis, DimId start, int64_t step, DimId extent);
NodeId build_reduce(Builder *b, Op op, NodeId x, uint32_t axes); /* keeps reduced axes with extent 1 */
NodeId build_drop_axes(Builder *b, NodeId x, uint32_t axes);     /* reshape that removes axes of extent 1 */
NodeId build_contract(Builder *b, NodeId x, NodeId y, bool ta, bool tb);
/* Sums x down to `to`, the shape it was broadcast from. The one place of un-broadcasting. */
NodeId build_sum_to(Builder *b, NodeId x, Type to);

/* Copies the nodes that `want` needs from g into b->g (same program), replacing ids by map (sized g->node.n,
 * NO_NODE = copy). */
void graph_copy_nodes(Builder *b, const Graph *from, const NodeId *want, uint32_t nwant, NodeId *map);
/* A copy of g with only what its roots need, dims bound, ids compact. Roots keep their order. */
Graph *graph_copy(Arena *a, const Graph *from, const DimBinding *bind, size_t nbind);
/* Dims bound in place: ids stay, also of what nothing needs. */
void graph_bind(Graph *g, const DimBinding *bind, size_t nbind);

#endif
