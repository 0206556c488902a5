/* Sharing equal nodes, and dropping what no root needs. */
#include "passes/graph/copy.h"

Graph *pass_dce(Graph *in, PassCx *cx) {
  bool *live = graph_live(in, cx->arena), all = true;
  for (uint32_t i = 0; i < in->node.n; i++) all &= live[i];
  if (all) return in;
  Copy c = copy_begin(in, cx->arena, in->share);
  for (uint32_t i = 0; i < in->node.n; i++)
    if (live[i]) copy_node(&c, (NodeId){i});
  return copy_end(&c);
}

/* The builder's hash-consing over a copy, operands of commutative ops in order (every bit is the same: a NaN
 * is one value, and max and min order zeros). Operations marked OPF_NO_MERGE stay apart (graph_add knows
 * them). */
Graph *pass_cse(Graph *in, PassCx *cx) {
  bool *live = graph_live(in, cx->arena);
  Copy c = copy_begin(in, cx->arena, true);
  c.merge = true;
  for (uint32_t i = 0; i < in->node.n; i++) {
    if (!live[i]) continue;
    NodeId n = {i};
    copy_follow(&c, n);
    const Node *node = graph_node(in, n);
    const NodeId *x = graph_in(in, n);
    if (!(op_info[node->op].flags & OPF_COMMUTATIVE) || c.map[x[0].i].i <= c.map[x[1].i].i) {
      copy_node(&c, n);
      continue;
    }
    NodeId swapped[2] = {c.map[x[1].i], c.map[x[0].i]},
           primal = node_ok(node->primal) ? c.map[node->primal.i] : NO_NODE;
    c.map[i] =
        graph_add(c.to, (Op)node->op, node->type, swapped, 2, graph_attr(in, n), node->location, primal);
  }
  return copy_end(&c);
}
