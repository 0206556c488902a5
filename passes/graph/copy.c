#include "passes/graph/copy.h"

Copy copy_begin(const Graph *from, Arena *a, bool share) {
  Graph *to = graph_new(a, from->program, from->name);
  to->share = share;
  to->location.n = 0;
  for (uint32_t i = 0; i < from->location.n; i++) VEC_PUSH(a, &to->location, from->location.at[i]);
  for (uint32_t i = 0; i < from->table.n; i++) VEC_PUSH(a, &to->table, from->table.at[i]);
  Copy c = {.from = from, .to = to, .map = ARENA_ARRAY(a, NodeId, from->node.n)};
  for (uint32_t i = 0; i < from->node.n; i++) c.map[i] = NO_NODE;
  return c;
}

NodeId copy_node(Copy *c, NodeId n) {
  const Node *node = graph_node(c->from, n);
  const NodeId *in = graph_in(c->from, n);
  NodeId small[8];
  NodeId *mapped = node->nin <= 8 ? small : ARENA_ARRAY(c->to->arena, NodeId, node->nin);
  for (uint32_t i = 0; i < node->nin; i++) mapped[i] = c->map[in[i].i];
  NodeId primal = node_ok(node->primal) ? c->map[node->primal.i] : NO_NODE;
  NodeId r = graph_add(c->to, (Op)node->op, node->type, mapped, node->nin, graph_attr(c->from, n),
                       node->location, primal);
  c->map[n.i] = r;
  return r;
}

Graph *copy_end(Copy *c) {
  for (uint32_t i = 0; i < c->from->root.n; i++) {
    Root r = c->from->root.at[i];
    graph_root(c->to, r.kind, r.name, r.leaf, c->map[r.node.i], r.at);
  }
  return c->to;
}

bool *graph_live(const Graph *g, Arena *a) {
  bool *live = ARENA_ARRAY(a, bool, g->node.n + 1);
  for (uint32_t i = 0; i < g->root.n; i++) live[g->root.at[i].node.i] = true;
  for (uint32_t i = g->node.n; i-- > 0;) {
    if (!live[i]) continue;
    const NodeId *in = graph_in(g, (NodeId){i});
    for (uint32_t k = 0; k < g->node.at[i].nin; k++) live[in[k].i] = true;
  }
  return live;
}
