#include "ir/graph/region.h"

#include "ir/graph/program.h"

void graph_region_open(Graph *g) {
  VEC_PUSH(g->arena, &g->region, (Region){g->open, g->node.n, UINT32_MAX, UINT32_MAX});
  g->open = g->region.n - 1;
}

void graph_region_close(Graph *g) {
  g->region.at[g->open].end = g->node.n;
  g->open = g->region.at[g->open].outer;
}

static void open_path(Graph *to, const Graph *from, uint32_t outer, uint32_t region) { /* outermost first */
  if (region == outer) return;
  open_path(to, from, outer, from->region.at[region].outer);
  graph_region_open(to);
}

void graph_region_follow(Graph *to, const Graph *from, NodeId n, uint32_t *at) {
  for (; *at && from->region.at[*at].end <= n.i; *at = from->region.at[*at].outer) graph_region_close(to);
  uint32_t region = graph_node(from, n)->region;
  open_path(to, from, *at, region);
  *at = region;
}

Graph *graph_body(const Graph *g, NodeId yield, Arena *a) {
  uint32_t own = graph_node(g, yield)->region, at = own, first = g->region.at[own].first;
  Graph *to = graph_beside(g, a);
  NodeId *map = ARENA_ARRAY(a, NodeId, yield.i + 1 - first), *in = NULL;
  uint32_t room = 0;
  for (uint32_t i = first; i < yield.i; i++) {
    const Node *n = &g->node.at[i];
    if (n->nin > room) in = ARENA_ARRAY(a, NodeId, room = n->nin);
    graph_region_follow(to, g, (NodeId){i}, &at);
    for (uint32_t k = 0; k < n->nin; k++) in[k] = map[g->edge.at[n->in + k].i - first];
    map[i - first] =
        graph_add(to, (Op)n->op, n->type, in, n->nin, graph_attr(g, (NodeId){i}), n->location, NO_NODE);
  }
  for (uint32_t k = 0; k < graph_node(g, yield)->nin; k++)
    graph_root(to, ROOT_OUTPUT, (Sym){0}, (LeafId){0}, map[graph_in(g, yield)[k].i - first], (Span){0});
  return to;
}

uint32_t graph_outermost(const Graph *g, uint32_t i) {
  uint32_t r = g->node.at[i].region;
  while (r && g->region.at[r].outer) r = g->region.at[r].outer;
  return r ? g->region.at[r].owner : i;
}

uint32_t graph_owner_in(const Graph *g, uint32_t i, uint32_t region) {
  uint32_t r = g->node.at[i].region;
  while (g->region.at[r].outer != region) r = g->region.at[r].outer;
  return g->region.at[r].owner;
}

LoopInfo graph_loop(const Graph *g, NodeId loop) {
  const int64_t *a = graph_attr(g, loop);
  LoopInfo l = {
      .yield = graph_in(g, loop)[0], .trip = {(uint32_t)a[0]}, .reverse = a[3], .ends = a[4], .again = a[5]};
  l.region = graph_node(g, l.yield)->region;
  l.first = g->region.at[l.region].first;
  l.carry = (uint32_t)a[1];
  l.step = (uint32_t)a[2];
  l.nparam = graph_node(g, loop)->nin - 1u;
  l.nresult = graph_node(g, l.yield)->nin;
  return l;
}

/* ---- sources */

static NodeId yielded(const Graph *g, NodeId owner, uint32_t body, uint32_t k) {
  return graph_in(g, graph_in(g, owner)[body])[k];
}

/* Of a PARAM: its owner, and which parameter it is. Of a body that stands alone: NO_NODE. */
static NodeId owner_of(const Graph *g, NodeId param) {
  uint32_t region = graph_node(g, param)->region;
  return region ? (NodeId){g->region.at[region].owner} : NO_NODE;
}

uint32_t graph_sources(const Graph *g, NodeId n) {
  uint32_t k = 0;
  NodeId owner;
  switch (node_op(g, n)) {
  case OP_YIELD:
  case OP_LOOP:
  case OP_COND: return 0;
  case OP_RESULT:
    owner = graph_in(g, n)[0];
    k = (uint32_t)graph_attr(g, n)[0];
    if (node_op(g, owner) == OP_COND) return 3;
    return k >= graph_loop(g, owner).carry ? 1 : graph_loop(g, owner).ends ? 4 : 2;
  case OP_PARAM:
    owner = owner_of(g, n);
    k = (uint32_t)graph_attr(g, n)[0];
    if (!node_ok(owner)) return 0;
    return node_op(g, owner) == OP_LOOP && k < graph_loop(g, owner).carry ? 2 : 1;
  default: return graph_node(g, n)->nin; /* default: all other ops read their operands */
  }
}

NodeId graph_source(const Graph *g, NodeId n, uint32_t k) {
  Op op = node_op(g, n);
  if (op != OP_RESULT && op != OP_PARAM) return graph_in(g, n)[k];
  uint32_t at = (uint32_t)graph_attr(g, n)[0];
  if (op == OP_PARAM) {
    NodeId owner = owner_of(g, n);
    return k ? yielded(g, owner, 0, at) : graph_in(g, owner)[op_before_params(node_op(g, owner)) + at];
  }
  NodeId owner = graph_in(g, n)[0];
  if (node_op(g, owner) == OP_COND) return k < 2 ? yielded(g, owner, k, at) : graph_in(g, owner)[2];
  if (k > 1) at = 0; /* when the loop ends */
  return k % 2 ? graph_in(g, owner)[1 + at] : yielded(g, owner, 0, at);
}

GradClass graph_source_class(const Graph *g, NodeId n, uint32_t k) {
  if (node_op(g, n) != OP_RESULT && node_op(g, n) != OP_PARAM) return graph_grad_class(g, n, k);
  if (node_op(g, n) == OP_RESULT && k > 1) return GC_INDEX;
  return dtype_is_float((DType)graph_node(g, n)->type.dtype) ? GC_CARRIES : GC_ZERO;
}

NodeId graph_start(const Graph *g, NodeId result, const DimBinding *b, size_t n) {
  int64_t trip;
  if (node_op(g, result) != OP_RESULT || node_op(g, graph_in(g, result)[0]) != OP_LOOP) return NO_NODE;
  NodeId loop = graph_in(g, result)[0];
  LoopInfo l = graph_loop(g, loop);
  uint32_t k = (uint32_t)graph_attr(g, result)[0];
  if (k >= l.carry || !dim_is_const(g->program->dims, dim_bind(g->program->dims, l.trip, b, n), &trip) ||
      trip > 0)
    return NO_NODE;
  return graph_in(g, loop)[1 + k];
}

const bool *graph_idle(const Graph *g, const DimBinding *b, size_t n, Arena *a) {
  bool *live = ARENA_ARRAY(a, bool, g->node.n + 1), *idle = ARENA_ARRAY(a, bool, g->node.n + 1), any = false;
  for (uint32_t i = 0; i < g->root.n && g->region.n > 1; i++) live[g->root.at[i].node.i] = true;
  for (uint32_t i = g->node.n; i-- > 0 && g->region.n > 1;) {
    NodeId start = graph_start(g, (NodeId){i}, b, n);
    if (node_ok(start)) {
      any = true;
      live[start.i] |= live[i];
    } else if (live[i]) {
      graph_mark_read(g, i, live);
    }
    idle[i] = !live[i];
  }
  return any ? idle : NULL;
}

void graph_mark_from(const Graph *g, uint32_t i, bool *live, uint32_t from) {
  const Node *n = &g->node.at[i];
  for (uint32_t k = 0; k < n->nin; k++) {
    uint32_t x = g->edge.at[n->in + k].i;
    if (x >= from) live[x - from] = true;
  }
  uint32_t before = op_before_params((Op)n->op);
  for (uint32_t r = 0; r < op_regions((Op)n->op); r++) {
    uint32_t first = g->region.at[graph_node(g, g->edge.at[n->in + r])->region].first;
    for (uint32_t k = 0; k + before < n->nin; k++)
      if (first + k >= from) live[first + k - from] = true;
  }
}

void graph_mark_read(const Graph *g, uint32_t i, bool *live) { graph_mark_from(g, i, live, 0); }

void graph_mark_sources(const Graph *g, bool *live) {
  for (bool again = true; again;) { /* once, where no value comes back to an earlier node */
    again = false;
    for (uint32_t i = g->node.n; i-- > 0;) {
      uint32_t n = live[i] ? graph_sources(g, (NodeId){i}) : 0;
      for (uint32_t k = 0; k < n; k++) {
        bool *of = &live[graph_source(g, (NodeId){i}, k).i];
        again |= !*of;
        *of = true;
      }
    }
    again &= g->region.n > 1;
  }
}

Type type_stacked(Type t, DimId trip) {
  for (uint8_t i = t.rank++; i > 0; i--) t.dim[i] = t.dim[i - 1];
  t.dim[0] = trip;
  return t;
}

Type type_step(Type t) {
  t.rank--;
  for (uint8_t i = 0; i < MAX_RANK - 1; i++) t.dim[i] = t.dim[i + 1];
  t.dim[MAX_RANK - 1] = (DimId){0};
  return t;
}
