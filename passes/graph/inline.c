/* The body of a loop of one step stands in its place. One whose steps are computed again keeps it: what is
 * within is not to be shared with what it repeats. */
#include "passes/graph/copy.h"

static bool one_step(const Graph *g, NodeId owner) {
  int64_t trip;
  if (node_op(g, owner) != OP_LOOP) return false;
  LoopInfo l = graph_loop(g, owner);
  return !l.again && !l.ends && dim_is_const(g->program->dims, l.trip, &trip) && trip == 1;
}

static void put(Copy *c, NodeId loop, NodeId *const *result) {
  const Graph *g = c->from;
  LoopInfo l = graph_loop(g, loop);
  graph_region_follow(c->to, g, loop, &c->region); /* where the loop stands */
  Builder b = {c->to, graph_node(g, loop)->location, NO_NODE};
  Copy body = copy_range(g, c->to, l.first, loop.i);
  body.region = l.region;
  for (uint32_t k = 0; k < l.nparam; k++) {
    NodeId x = c->map[graph_in(g, loop)[1 + k].i];
    body.map[l.first + k] = loop_is_step(&l, k) ? build_reshape(&b, x, g->node.at[l.first + k].type) : x;
  }
  for (uint32_t i = l.first + l.nparam; i < l.yield.i; i++) copy_node(&body, (NodeId){i});
  for (uint32_t k = 0; k < l.nresult; k++) {
    NodeId y = body.map[graph_in(g, l.yield)[k].i];
    if (k >= l.carry) y = build_reshape(&b, y, type_stacked(graph_node(c->to, y)->type, l.trip));
    result[loop.i][k] = y;
  }
}

static Graph *round_of(Graph *in, Arena *a, bool *any) {
  NodeId **result = ARENA_ARRAY(a, NodeId *, in->node.n);
  *any = false;
  for (uint32_t i = 0; i < in->node.n; i++) {
    if (!one_step(in, (NodeId){i})) continue;
    result[i] = ARENA_ARRAY(a, NodeId, graph_loop(in, (NodeId){i}).nresult);
    *any = true;
  }
  if (!*any) return in;
  Copy c = copy_begin(in, a, false);
  for (uint32_t i = 0; i < in->node.n; i++) {
    uint32_t r = in->node.at[i].region;
    NodeId owner = {r ? in->region.at[r].owner : 0}, of = {0};
    if (in->node.at[i].op == OP_RESULT) of = graph_in(in, (NodeId){i})[0];
    if (r && i == in->region.at[r].first && result[owner.i]) {
      put(&c, owner, result);
      i = owner.i;
    } else if (in->node.at[i].op == OP_RESULT && result[of.i]) {
      c.map[i] = result[of.i][graph_attr(in, (NodeId){i})[0]];
    } else {
      copy_node(&c, (NodeId){i});
    }
  }
  return copy_end(&c);
}

/* Those that stand in others come in later rounds. */
Graph *pass_inline(Graph *in, PassCx *cx) {
  bool any = in->region.n > 1;
  while (any) in = round_of(in, cx->arena, &any);
  return in;
}
