/* The rules of simplify.def that are about structure. Each returns a node of the root's type or NO_NODE. */
#include "passes/graph/rewrite.h"

static NodeId in0(const Rewrite *w, NodeId n) { return graph_in(w->b.g, n)[0]; }
static Type type_of(const Rewrite *w, NodeId n) { return graph_node(w->b.g, n)->type; }

/* The same literal in another shape; the word is copied, so no value is converted. */
static NodeId same_literal(Rewrite *w, NodeId literal, Type type) {
  int64_t word = graph_attr(w->b.g, literal)[0];
  return build_op(&w->b, OP_CONST, NULL, 0, &word, &type);
}

static bool is_zero(const Rewrite *w, NodeId n) {
  return node_op(w->b.g, n) == OP_CONST && graph_const_value(w->b.g, n) == 0;
}

NodeId rewrite_move_const(Rewrite *w, NodeId root) {
  NodeId x = in0(w, root);
  return node_op(w->b.g, x) == OP_CONST ? same_literal(w, x, type_of(w, root)) : NO_NODE;
}

NodeId rewrite_concat(Rewrite *w, NodeId root) {
  const Node *n = graph_node(w->b.g, root);
  NodeId first = in0(w, root);
  if (n->nin == 1) return first;
  if (node_op(w->b.g, first) != OP_CONST) return NO_NODE;
  for (uint32_t i = 1; i < n->nin; i++) {
    NodeId x = graph_in(w->b.g, root)[i];
    if (node_op(w->b.g, x) != OP_CONST || graph_attr(w->b.g, x)[0] != graph_attr(w->b.g, first)[0])
      return NO_NODE;
  }
  return same_literal(w, first, type_of(w, root));
}

/* Only +0, with which the rest is filled. */
NodeId rewrite_pad(Rewrite *w, NodeId root) {
  NodeId x = in0(w, root);
  if (node_op(w->b.g, x) == OP_CONST && graph_attr(w->b.g, x)[0] == 0)
    return same_literal(w, x, type_of(w, root));
  return type_eq(&graph_node(w->b.g, x)->type, &graph_node(w->b.g, root)->type) ? x : NO_NODE;
}

/* A stretched stretch stretches once; to the own shape it is nothing. */
NodeId rewrite_broadcast(Rewrite *w, NodeId root) {
  NodeId x = in0(w, root);
  Type t = type_of(w, root), tx = type_of(w, x);
  if (type_eq(&t, &tx)) return x;
  if (node_op(w->b.g, x) != OP_BROADCAST) return NO_NODE;
  NodeId inner = in0(w, x);
  return rewrite_node(w, OP_BROADCAST, t, &inner, 1, NULL, w->b.location, w->b.primal);
}

NodeId rewrite_reshape(Rewrite *w, NodeId root) {
  NodeId x = in0(w, root);
  Type t = type_of(w, root), tx = type_of(w, x);
  if (type_eq(&t, &tx)) return x;
  if (node_op(w->b.g, x) != OP_RESHAPE) return NO_NODE;
  NodeId inner = in0(w, x);
  return rewrite_node(w, OP_RESHAPE, t, &inner, 1, NULL, w->b.location, w->b.primal);
}

NodeId rewrite_transpose(Rewrite *w, NodeId root) {
  NodeId x = in0(w, root);
  Type t = type_of(w, root);
  int64_t outer = graph_attr(w->b.g, root)[0], perm = 0;
  bool same = true;
  for (uint32_t i = 0; i < t.rank; i++) same &= ((outer >> (4 * i)) & 15) == i;
  if (same) return x;
  if (node_op(w->b.g, x) != OP_TRANSPOSE) return NO_NODE;
  int64_t inner = graph_attr(w->b.g, x)[0];
  for (uint32_t i = 0; i < t.rank; i++) {
    int64_t middle = (outer >> (4 * i)) & 15;
    perm |= ((inner >> (4 * middle)) & 15) << (4 * i);
  }
  NodeId y = in0(w, x);
  return rewrite_node(w, OP_TRANSPOSE, t, &y, 1, &perm, w->b.location, w->b.primal);
}

NodeId rewrite_slice(Rewrite *w, NodeId root) {
  NodeId x = in0(w, root);
  return graph_attr(w->b.g, root)[2] == 1 &&
                 type_eq(&graph_node(w->b.g, x)->type, &graph_node(w->b.g, root)->type)
             ? x
             : NO_NODE;
}

NodeId rewrite_reverse(Rewrite *w, NodeId root) {
  NodeId x = in0(w, root);
  if (node_op(w->b.g, x) != OP_REVERSE || graph_attr(w->b.g, x)[0] != graph_attr(w->b.g, root)[0])
    return NO_NODE;
  return in0(w, x);
}

/* Every sum starts at +0, and +0 + -0 is +0. */
NodeId rewrite_sum_zero(Rewrite *w, NodeId root) {
  return is_zero(w, in0(w, root)) ? build_const(&w->b, type_of(w, root), 0) : NO_NODE;
}

/* 0 times anything real, summed. */
NodeId rewrite_product_zero(Rewrite *w, NodeId root) {
  const NodeId *in = graph_in(w->b.g, root);
  for (uint32_t i = 0; i < 2; i++)
    if (is_zero(w, in[i]) && !rewrite_undefined(w, in[1 - i])) return build_const(&w->b, type_of(w, root), 0);
  return NO_NODE;
}
