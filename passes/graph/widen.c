#include "passes/graph/widen.h"

Wide wide_begin(Graph *to, uint32_t room) {
  return (Wide){.to = to, .param = ARENA_ARRAY(to->arena, struct WideParam, room + 1), .room = room};
}

static void add(Wide *w, struct WideParam p) {
  if (w->n == w->room) BUG(w->to->arena->mem, "more than %u parameters", w->room);
  w->param[w->n++] = p;
}

void wide_add(Wide *w, NodeId in, Copy *of, NodeId inside) {
  add(w, (struct WideParam){in, of, inside, graph_node(of->from, inside)->type});
}

void wide_add_typed(Wide *w, NodeId in, Type type) { add(w, (struct WideParam){in, NULL, NO_NODE, type}); }

void wide_old(Wide *w, Copy *c, NodeId loop, uint32_t first, uint32_t end) {
  LoopInfo l = graph_loop(c->from, loop);
  for (uint32_t k = first; k < end; k++)
    wide_add(w, c->map[graph_in(c->from, loop)[1 + k].i], c, (NodeId){l.first + k});
}

NodeId wide_at(const Wide *w, uint32_t k) { return (NodeId){w->to->region.at[w->to->open].first + k}; }

void wide_open(Wide *w, LocationId location) {
  graph_region_open(w->to);
  for (uint32_t k = 0; k < w->n; k++) {
    struct WideParam *p = &w->param[k];
    NodeId n = graph_add(w->to, OP_PARAM, p->type, NULL, 0, &(int64_t){k}, location, NO_NODE);
    if (p->of) p->of->map[p->inside.i] = n;
  }
}

NodeId wide_close(Wide *w, const NodeId *out, uint32_t nout, LoopInfo like, LocationId location,
                  NodeId primal) {
  Builder b = {w->to, location, NO_NODE};
  NodeId *in = ARENA_ARRAY(w->to->arena, NodeId, w->n + 1);
  in[0] = build_op(&b, OP_YIELD, out, nout, NULL, NULL);
  graph_region_close(w->to);
  for (uint32_t k = 0; k < w->n; k++) in[1 + k] = w->param[k].in;
  int64_t attr[] = {like.trip.i, w->carry, w->step, like.reverse, like.ends, like.again};
  return graph_add(w->to, OP_LOOP, type_scalar(DT_NONE), in, w->n + 1, attr, location, primal);
}

void body_need(const Graph *g, const LoopInfo *l, bool *need, const bool *stop) {
  for (uint32_t i = l->yield.i; i-- > l->first;)
    if (need[i - l->first] && !(stop && stop[i - l->first])) graph_mark_from(g, i, need, l->first);
}

void body_copy(Copy *c, const LoopInfo *l, const bool *need) {
  uint32_t outer = c->region;
  c->region = l->region;
  for (uint32_t i = l->first; i < l->yield.i; i++)
    if ((!need || need[i - l->first]) && !node_ok(c->map[i])) copy_node(c, (NodeId){i});
  c->region = outer;
}

bool stack_writer(const Graph *g, NodeId loop, uint32_t k, NodeId *by, uint32_t *result) {
  LoopInfo l = graph_loop(g, loop);
  NodeId x = graph_in(g, loop)[1 + k];
  if (!loop_is_step(&l, k) || node_op(g, x) != OP_RESULT || node_op(g, graph_in(g, x)[0]) != OP_LOOP)
    return false;
  *by = graph_in(g, x)[0];
  *result = (uint32_t)graph_attr(g, x)[0];
  return *result >= graph_loop(g, *by).carry && node_eq(graph_node(g, loop)->primal, *by);
}

bool *stacks_read_whole(const Graph *g, Arena *a) {
  bool *whole = ARENA_ARRAY(a, bool, g->node.n + 1);
  for (uint32_t i = 0; i < g->root.n; i++) whole[g->root.at[i].node.i] = true;
  for (uint32_t i = 0; i < g->node.n; i++)
    for (uint32_t k = 0; k < g->node.at[i].nin; k++) {
      NodeId by, loop = {i};
      uint32_t result;
      bool along = node_op(g, loop) == OP_LOOP && k && stack_writer(g, loop, k - 1, &by, &result);
      if (!along) whole[graph_in(g, loop)[k].i] = true;
    }
  return whole;
}
