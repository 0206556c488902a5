/* Which nodes depend on what is differentiated by, bodies included. */
#include "passes/autodiff/internal.h"
#include "passes/graph/reach.h"

static void mark_range(const Graph *g, uint32_t first, uint32_t end, uint32_t region, bool *wanted);

/* A fixpoint: a carried value is wanted when its start or its next value is. */
static void mark_loop(const Graph *g, NodeId id, bool *wanted) {
  LoopInfo l = graph_loop(g, id);
  const NodeId *in = graph_in(g, id) + 1, *y = graph_in(g, l.yield);
  for (uint32_t k = 0; k < l.nparam; k++) wanted[l.first + k] |= wanted[in[k].i] && is_real(g, in[k]);
  for (bool again = true; again;) {
    again = false;
    mark_range(g, l.first + l.nparam, l.yield.i, l.region, wanted);
    for (uint32_t k = 0; k < l.carry; k++) {
      bool grows = wanted[y[k].i] && !wanted[l.first + k];
      wanted[l.first + k] |= grows;
      again |= grows;
    }
  }
  for (uint32_t k = 0; k < l.nparam; k++) wanted[id.i] |= wanted[l.first + k];
}

static void mark_cond(const Graph *g, NodeId id, bool *wanted) {
  const NodeId *in = graph_in(g, id);
  for (uint32_t r = 0; r < 2; r++) {
    uint32_t region = graph_node(g, in[r])->region, first = g->region.at[region].first;
    for (uint32_t k = 3; k < graph_node(g, id)->nin; k++)
      wanted[first + k - 3] |= wanted[in[k].i] && is_real(g, in[k]);
    mark_range(g, first, in[r].i, region, wanted);
    for (uint32_t k = 0; k < graph_node(g, in[r])->nin; k++) wanted[id.i] |= wanted[graph_in(g, in[r])[k].i];
  }
}

static bool depends(const Graph *g, NodeId id, const bool *wanted) {
  if (node_op(g, id) == OP_CUSTOM) { /* through the declared rule only */
    const NodeId *in = graph_in(g, id);
    uint32_t n = (uint32_t)graph_attr(g, id)[1];
    for (uint32_t k = 1; k <= n; k++)
      if (wanted[in[k].i] && !graph_is_zero(g, in[k + n])) return true;
    return false;
  }
  bool carried = node_op(g, id) == OP_RESULT && node_op(g, graph_in(g, id)[0]) == OP_LOOP &&
                 graph_attr(g, id)[0] < graph_loop(g, graph_in(g, id)[0]).carry;
  if (carried) /* whether its start or its next value is wanted, the parameter is */
    return wanted[graph_loop(g, graph_in(g, id)[0]).first + (uint32_t)graph_attr(g, id)[0]];
  for (uint32_t k = 0; k < graph_sources(g, id); k++)
    if (wanted[graph_source(g, id, k).i] && graph_source_class(g, id, k) == GC_CARRIES) return true;
  return false;
}

static void mark_range(const Graph *g, uint32_t first, uint32_t end, uint32_t region, bool *wanted) {
  for (uint32_t i = first; i < end; i++) {
    NodeId id = {i};
    if (g->node.at[i].region != region) continue;
    if (node_op(g, id) == OP_LOOP)
      mark_loop(g, id, wanted);
    else if (node_op(g, id) == OP_COND)
      mark_cond(g, id, wanted);
    else if (node_op(g, id) != OP_PARAM && !wanted[i])
      wanted[i] = depends(g, id, wanted);
  }
}

void autodiff_mark(const Graph *g, uint32_t n, bool *wanted) { mark_range(g, 0, n, 0, wanted); }
