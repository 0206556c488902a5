/* The simplify pass: only rules that keep every bit, in the shared graph. */
#include "passes/graph/copy.h"
#include "passes/graph/rewrite.h"

Graph *pass_simplify(Graph *in, PassCx *cx) {
  bool *live = graph_live(in, cx->arena);
  Copy c = copy_begin(in, cx->arena, true);
  Rewrite w;
  rewrite_begin(&w, c.to, RW_BITS, RW_ANY | RW_AFTER);
  for (uint32_t i = 0; i < in->node.n; i++) {
    if (!live[i]) continue;
    NodeId n = {i};
    copy_follow(&c, n);
    const Node *node = graph_node(in, n);
    const NodeId *from = graph_in(in, n);
    NodeId small[4], *x = node->nin <= 4 ? small : ARENA_ARRAY(cx->arena, NodeId, node->nin);
    for (uint32_t k = 0; k < node->nin; k++) x[k] = c.map[from[k].i];
    NodeId primal = node_ok(node->primal) ? c.map[node->primal.i] : NO_NODE;
    c.map[i] =
        rewrite_node(&w, (Op)node->op, node->type, x, node->nin, graph_attr(in, n), node->location, primal);
  }
  return copy_end(&c);
}
