#include "passes/diagnose/bounds.h"

#include <math.h>

void bounds_begin(Bounds *b, Rewrite *w) {
  *b = (Bounds){.w = w};
  scalar_ranges_init(&b->ranges, w->arena);
}

Bound bounds_of(Bounds *b, NodeId n) {
  const Graph *g = b->w->b.g;
  while (b->at.n <= n.i) {
    NodeId next = {b->at.n};
    uint32_t nin = graph_node(g, next)->nin;
    Bound small[4], *in = nin <= 4 ? small : ARENA_ARRAY(b->w->arena, Bound, nin);
    for (uint32_t i = 0; i < nin; i++) in[i] = b->at.at[graph_in(g, next)[i].i];
    Bound r = facts_of(&b->ranges, g, next, in, b->leaf);
    VEC_PUSH(b->w->arena, &b->at, r);
  }
  return b->at.at[n.i];
}

NodeId bounds_decide(Bounds *b, NodeId n) {
  Graph *g = b->w->b.g;
  Op op = node_op(g, n);
  if (op == OP_CONST || op == OP_COTANGENT || op == OP_LEAF || rewrite_undefined(b->w, n)) return n;
  Bound r = bounds_of(b, n);
  if (r.lo == r.hi && isfinite(r.lo)) return build_const(&b->w->b, graph_node(g, n)->type, r.lo);
  if (op != OP_MAXIMUM && op != OP_MINIMUM) return n;
  NodeId x = graph_in(g, n)[0], y = graph_in(g, n)[1];
  Bound a = bounds_of(b, x), c = bounds_of(b, y);
  if (a.lo >= c.hi) return op == OP_MAXIMUM ? x : y;
  if (c.lo >= a.hi) return op == OP_MAXIMUM ? y : x;
  return n;
}
