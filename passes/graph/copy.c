#include "passes/graph/copy.h"

#include "base/hash.h"

Copy copy_range(const Graph *from, Graph *to, uint32_t lo, uint32_t hi) {
  Copy c = {.from = from, .to = to, .lo = lo, .hi = hi};
  NodeId *map = ARENA_ARRAY(to->arena, NodeId, hi - lo);
  for (uint32_t i = 0; i < hi - lo; i++) map[i] = NO_NODE;
  c.map = map - lo;
  map_init(&c.loops, to->arena);
  return c;
}

Copy copy_into(const Graph *from, Graph *to) { return copy_range(from, to, 0, from->node.n); }

Copy copy_begin(const Graph *from, Arena *a, bool share) {
  Graph *to = graph_beside(from, a);
  to->share = share;
  return copy_into(from, to);
}

/* Operands by place: those in the region count from its start. */
static uint64_t body_hash(const Graph *g, NodeId loop) {
  LoopInfo l = graph_loop(g, loop);
  uint64_t h = 1;
  for (uint32_t i = l.first; i <= loop.i; i++) {
    const Node *n = &g->node.at[i];
    uint32_t from = i < loop.i ? l.first : 0;
    h = hash_mix(h ^ ((uint64_t)n->op << 32 | n->nin));
    for (uint32_t k = i == loop.i; k < n->nin; k++) h = hash_mix(h + g->edge.at[n->in + k].i - from);
    for (uint32_t k = 0; k < op_info[n->op].nattr; k++) h = hash_mix(h ^ (uint64_t)g->attr.at[n->attr + k]);
  }
  return h;
}

static bool body_same(const Graph *g, NodeId x, NodeId y) {
  if (y.i >= x.i || node_op(g, y) != OP_LOOP) return false; /* it was dropped itself, inside another one */
  LoopInfo l = graph_loop(g, x), m = graph_loop(g, y);
  if (x.i - l.first != y.i - m.first || graph_node(g, x)->region != graph_node(g, y)->region) return false;
  for (uint32_t i = 0; i <= x.i - l.first; i++) {
    const Node *a = &g->node.at[l.first + i], *b = &g->node.at[m.first + i];
    bool own = l.first + i == x.i;
    if (a->op != b->op || a->nin != b->nin || !type_eq(&a->type, &b->type)) return false;
    if ((op_info[a->op].flags & OPF_NO_MERGE)) return false;
    for (uint32_t k = own; k < a->nin; k++)
      if (g->edge.at[a->in + k].i - (own ? 0 : l.first) != g->edge.at[b->in + k].i - (own ? 0 : m.first))
        return false;
    for (uint32_t k = 0; k < op_info[a->op].nattr; k++)
      if (g->attr.at[a->attr + k] != g->attr.at[b->attr + k]) return false;
  }
  return true;
}

/* The loop that was just copied (n, as r) is an earlier one: drops it with its body again. */
static NodeId merged(Copy *c, NodeId n, NodeId r) {
  Graph *g = c->to;
  uint64_t key = body_hash(g, r);
  uint32_t id;
  for (; map_get(&c->loops, key, &id); key = hash_mix(key + 1)) {
    if (!body_same(g, r, (NodeId){id})) continue;
    LoopInfo own = graph_loop(g, r), other = graph_loop(g, (NodeId){id});
    for (uint32_t i = graph_loop(c->from, n).first; i < n.i; i++)
      if (node_ok(c->map[i])) c->map[i].i += other.first - own.first;
    g->region.n = own.region;
    g->node.n = own.first;
    return (NodeId){id};
  }
  map_put(&c->loops, key, r.i);
  return r;
}

NodeId copy_node(Copy *c, NodeId n) {
  copy_follow(c, n);
  const Node *node = graph_node(c->from, n);
  const NodeId *in = graph_in(c->from, n);
  NodeId small[8];
  NodeId *mapped = node->nin <= 8 ? small : ARENA_ARRAY(c->to->arena, NodeId, node->nin);
  for (uint32_t i = 0; i < node->nin; i++) mapped[i] = c->map[in[i].i];
  NodeId primal = node->primal.i >= c->lo && node->primal.i < c->hi ? c->map[node->primal.i] : NO_NODE;
  NodeId r = graph_add(c->to, (Op)node->op, node->type, mapped, node->nin, graph_attr(c->from, n),
                       node->location, primal);
  if (c->merge && node->op == OP_LOOP) r = merged(c, n, r);
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
    live[i] |=
        g->node.at[i].op == OP_PARAM && !g->node.at[i].region; /* a body on its own keeps its signature */
    if (live[i]) graph_mark_read(g, i, live);
  }
  return live;
}
