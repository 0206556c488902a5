#include "ir/graph/body.h"

#include "ir/graph/program.h"
#include "ir/graph/region.h"

Body body_outermost(Graph *g) { return (Body){.g = g, .index = NO_NODE}; }

Body body_begin(Body *around) {
  Graph *g = around->g;
  Body x = {.g = graph_new(g->arena, g->program, g->name), .around = around, .index = NO_NODE};
  map_init(&x.seen, g->arena);
  return x;
}

static NodeId add_param(Body *x, NodeId from, Type t, LocationId location) {
  NodeId p = graph_add(x->g, OP_PARAM, t, NULL, 0, &(int64_t){x->param.n}, location, NO_NODE);
  VEC_PUSH(x->g->arena, &x->param, p);
  VEC_PUSH(x->g->arena, &x->from, from);
  return p;
}

NodeId body_carry(Body *x, NodeId start, LocationId location) {
  x->own++;
  return add_param(x, start, graph_node(x->around->g, start)->type, location);
}

NodeId body_guess(Body *x, Type t, LocationId location) {
  x->own++;
  return add_param(x, NO_NODE, t, location);
}

NodeId body_step(Body *x, NodeId stack, LocationId location) {
  x->own++;
  return add_param(x, stack, type_step(graph_node(x->around->g, stack)->type), location);
}

NodeId body_index(Body *x) {
  if (!node_ok(x->index))
    x->index = graph_add(x->g, OP_PARAM, type_scalar(DT_I32), NULL, 0, &(int64_t){INT32_MAX}, (LocationId){0},
                         NO_NODE);
  return x->index;
}

NodeId body_see(Body *x, Body *own, NodeId n) {
  if (x == own) return n;
  n = body_see(x->around, own, n);
  uint32_t k;
  if (map_get(&x->seen, n.i, &k)) return x->param.at[k];
  map_put(&x->seen, n.i, x->param.n);
  return add_param(x, n, graph_node(x->around->g, n)->type, (LocationId){0});
}

/* By parameter: is it one of the loop's own, or read by what is yielded? Of a tuple all values are seen where
 * one is asked for. */
static bool *needed(const Body *x, const NodeId *yield, uint32_t nyield) {
  Arena *a = x->g->arena;
  bool *read = ARENA_ARRAY(a, bool, x->g->node.n + 1), *need = ARENA_ARRAY(a, bool, x->param.n + 1);
  for (uint32_t k = 0; k < nyield; k++) read[yield[k].i] = true;
  for (uint32_t i = x->g->node.n; i-- > 0;)
    if (read[i]) graph_mark_read(x->g, i, read);
  for (uint32_t k = 0; k < x->param.n; k++) need[k] = k < x->own || read[x->param.at[k].i];
  return need;
}

/* What is known of nodes beside the nodes: names and questions, for messages. */
static void move_notes(Graph *to, const Graph *from, const NodeId *map) {
  for (uint32_t i = 0; i < from->local.n; i++) {
    LocalName l = from->local.at[i];
    if (node_ok(l.node)) l.node = map[l.node.i];
    if (node_ok(l.node)) VEC_PUSH(to->arena, &to->local, l);
  }
  for (uint32_t i = 0; i < from->shape_use.n; i++) {
    ShapeUse u = from->shape_use.at[i];
    bool of_node = node_ok(u.node);
    if (of_node) u.node = map[u.node.i];
    if (!of_node || node_ok(u.node)) VEC_PUSH(to->arena, &to->shape_use, u);
  }
}

/* Writes a body as a region. place[k]: the parameter of x that is parameter k of the region; UINT32_MAX: x
 * does not see what it stands for, which is from[k]. */
static NodeId write_region(Builder *b, Body *x, const uint32_t *place, const NodeId *from, uint32_t nparam,
                           const NodeId *yield, uint32_t nyield) {
  Graph *to = b->g;
  NodeId *map = ARENA_ARRAY(to->arena, NodeId, x->g->node.n), *out = ARENA_ARRAY(to->arena, NodeId, nyield);
  for (uint32_t i = 0; i < x->g->node.n; i++) map[i] = NO_NODE;
  graph_region_open(to);
  for (uint32_t k = 0; k < nparam; k++) {
    bool seen = place[k] != UINT32_MAX;
    Type t = seen ? graph_node(x->g, x->param.at[place[k]])->type : graph_node(to, from[k])->type;
    NodeId p = build_op(b, OP_PARAM, NULL, 0, &(int64_t){k}, &t);
    if (seen) map[x->param.at[place[k]].i] = p;
  }
  Builder inner = {.g = to, .location = b->location, .primal = NO_NODE};
  graph_copy_nodes(&inner, x->g, yield, nyield, map);
  for (uint32_t k = 0; k < nyield; k++) out[k] = map[yield[k].i];
  NodeId y = build_op(b, OP_YIELD, out, nyield, NULL, NULL);
  graph_region_close(to);
  move_notes(to, x->g, map);
  return y;
}

/* Where the index goes: behind what comes step by step, as the numbers 0, 1, ..; or, where nothing bounds the
 * loop, behind what is carried. Those parameters are in `place` and `in` already. */
static uint32_t add_index(Builder *b, Body *x, LoopShape *s, uint32_t nparam, uint32_t *place, NodeId *in) {
  int64_t trip;
  bool bounded = !dim_is_const(b->g->program->dims, s->trip, &trip) || trip < LOOP_UNBOUNDED;
  uint32_t at = bounded ? s->carry + s->step : s->carry;
  for (uint32_t k = nparam; k > at; k--) place[k] = place[k - 1], in[1 + k] = in[k];
  place[at] = x->param.n - 1;
  Type t = type_scalar(DT_I32);
  in[1 + at] = bounded ? build_iota(b, type_stacked(t, s->trip), 0) : build_const(b, t, 0);
  *(bounded ? &s->step : &s->carry) += 1;
  return nparam + 1;
}

NodeId body_loop(Builder *b, Body *x, const NodeId *yield, uint32_t n, LoopShape s) {
  uint32_t nparam = 0, carry = s.carry;
  NodeId *in = ARENA_ARRAY(b->g->arena, NodeId, x->param.n + 2);
  uint32_t *place = ARENA_ARRAY(b->g->arena, uint32_t, x->param.n + 1);
  const bool *need = needed(x, yield, n);
  for (uint32_t k = 0; k < x->param.n; k++) {
    if (!need[k]) continue;
    place[nparam++] = k;
    in[nparam] = x->from.at[k];
  }
  if (node_ok(x->index)) {
    VEC_PUSH(x->g->arena, &x->param, x->index);
    nparam = add_index(b, x, &s, nparam, place, in);
  }
  NodeId *out = ARENA_ARRAY(b->g->arena, NodeId, n + 1);
  for (uint32_t k = 0; k < n; k++) out[k] = yield[k];
  if (s.carry > carry) { /* it counts itself; such a loop has no stacks */
    Builder inner = {x->g, {0}, NO_NODE};
    NodeId one = build_const(&inner, type_scalar(DT_I32), 1);
    out[n++] = build_scalar(&inner, OP_ADD, x->index, one, NO_NODE);
  }
  in[0] = write_region(b, x, place, in + 1, nparam, out, n);
  int64_t attr[] = {s.trip.i, s.carry, s.step, s.reverse, s.ends, s.again};
  return build_op(b, OP_LOOP, in, nparam + 1, attr, NULL);
}

NodeId body_cond(Builder *b, Body *const body[2], NodeId pred, const NodeId *const yield[2], uint32_t n) {
  Arena *a = b->g->arena;
  uint32_t most = body[0]->from.n + body[1]->from.n, nparam = 0, k;
  NodeId *in = ARENA_ARRAY(a, NodeId, most + 3), *from = in + 3;
  uint32_t *place[2] = {ARENA_ARRAY(a, uint32_t, most), ARENA_ARRAY(a, uint32_t, most)};
  const bool *need[2] = {needed(body[0], yield[0], n), needed(body[1], yield[1], n)};
  for (int r = 0; r < 2; r++)
    for (uint32_t i = 0; i < body[r]->from.n; i++) {
      NodeId x = body[r]->from.at[i];
      if (!need[r][i]) continue;
      if (r && map_get(&body[0]->seen, x.i, &k) && need[0][k]) continue; /* both see it */
      from[nparam] = x;
      place[0][nparam] = r ? UINT32_MAX : i;
      place[1][nparam] = map_get(&body[1]->seen, x.i, &k) && need[1][k] ? k : UINT32_MAX;
      nparam++;
    }
  for (int r = 0; r < 2; r++) in[r] = write_region(b, body[r], place[r], from, nparam, yield[r], n);
  in[2] = pred;
  return build_op(b, OP_COND, in, nparam + 3, NULL, NULL);
}

NodeId build_result(Builder *b, NodeId owner, uint32_t k) {
  return build_op(b, OP_RESULT, &owner, 1, &(int64_t){k}, NULL);
}
