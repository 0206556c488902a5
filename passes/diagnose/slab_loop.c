/* Element sets through bodies: what holds of every step of a loop, or of both sides of a choice. */
#include "passes/diagnose/slab_loop.h"

#include "ir/graph/region.h"

static bool same(const Slab *a, const Slab *b) {
  if (a->n != b->n) return false;
  for (uint8_t i = 0; i < a->n; i++)
    if (a->at[i].lo != b->at[i].lo || a->at[i].hi != b->at[i].hi) return false;
  return true;
}

static void body(Slabs *s, uint32_t region) {
  const Region *r = &s->g->region.at[region];
  slab_run(s, r->first, r->end - 1, region);
}

/* The sets of a node, its axes moved by `by`: of a stack as of a row, and back. */
static Made sets_of(const Slabs *s, NodeId n, int by) {
  Made m = {0};
  for (int i = 0; i < graph_node(s->g, n)->type.rank; i++)
    if (i + by >= 0 && i + by < MAX_RANK) m.axis[i + by] = slab_get(s, n, (uint32_t)i);
  return m;
}

/* What holds of both. True: that is less than of `a`. */
static bool meet(Made *a, const Made *b) {
  bool less = false;
  for (uint32_t i = 0; i < MAX_RANK; i++) {
    Slab r = slab_both(&a->axis[i].set, &b->axis[i].set);
    if (r.n && node_ok(b->axis[i].from)) a->axis[i].from = b->axis[i].from;
    less |= !same(&r, &a->axis[i].set);
    a->axis[i].set = r;
  }
  return less;
}

static void cond(Slabs *s, NodeId n) {
  const NodeId *in = graph_in(s->g, n);
  for (uint32_t r = 0; r < 2; r++) {
    const Region *region = &s->g->region.at[graph_node(s->g, in[r])->region];
    for (uint32_t k = 3; k < graph_node(s->g, n)->nin; k++) {
      Made m = sets_of(s, in[k], 0);
      slab_keep(s, (NodeId){region->first + k - 3}, &m);
    }
    body(s, graph_node(s->g, in[r])->region);
  }
}

enum { SLAB_ROUNDS = 8 }; /* then nothing is believed */

/* What a step keeps of what is believed of carried values; from what their starts have, or what is left of it
 * since the loop was looked at last. */
static void loop(Slabs *s, NodeId n) {
  LoopInfo l = graph_loop(s->g, n);
  const NodeId *in = graph_in(s->g, n) + 1, *y = graph_in(s->g, l.yield);
  Made *carry = s->carry[l.region];
  if (!carry) carry = ARENA_ARRAY(s->x->arena, Made, l.carry + 1);
  for (uint32_t k = 0; k < l.nparam; k++) {
    Made m = sets_of(s, in[k], loop_is_step(&l, k) ? -1 : 0);
    if (k < l.carry && slab_zero(s, in[k])) /* where a sum starts is no reason */
      for (uint32_t i = 0; i < MAX_RANK; i++) m.axis[i].from = NO_NODE;
    if (k >= l.carry)
      slab_keep(s, (NodeId){l.first + k}, &m);
    else if (s->carry[l.region])
      meet(&carry[k], &m);
    else
      carry[k] = m;
  }
  s->carry[l.region] = carry;
  bool again = true;
  for (int round = 0; again && round <= SLAB_ROUNDS; round++) {
    again = false;
    for (uint32_t k = 0; k < l.carry; k++) {
      if (round == SLAB_ROUNDS) carry[k] = (Made){0};
      slab_keep(s, (NodeId){l.first + k}, &carry[k]);
    }
    body(s, l.region);
    for (uint32_t k = 0; k < l.carry; k++) {
      Made m = sets_of(s, y[k], 0);
      again |= meet(&carry[k], &m);
    }
  }
}

static void result(Slabs *s, NodeId n) {
  NodeId owner = graph_in(s->g, n)[0], made = graph_source(s->g, n, 0);
  uint32_t k = (uint32_t)graph_attr(s->g, n)[0];
  Made m = sets_of(s, made, 0);
  if (node_op(s->g, owner) == OP_COND) {
    Made other = sets_of(s, graph_source(s->g, n, 1), 0);
    meet(&m, &other);
  } else {
    LoopInfo l = graph_loop(s->g, owner);
    m = k < l.carry ? s->carry[l.region][k] : sets_of(s, made, 1);
  }
  slab_keep(s, n, &m);
}

void slab_run(Slabs *s, uint32_t first, uint32_t end, uint32_t region) {
  const Graph *g = s->g;
  for (uint32_t i = first; i < end; i++) {
    if (g->node.at[i].region != region) { /* the first node of a body in this one */
      i = graph_owner_in(g, i, region);
      if (node_op(g, (NodeId){i}) == OP_LOOP)
        loop(s, (NodeId){i});
      else
        cond(s, (NodeId){i});
    } else if (node_op(g, (NodeId){i}) == OP_RESULT) {
      result(s, (NodeId){i});
    } else if (node_op(g, (NodeId){i}) != OP_PARAM) {
      slab_visit(s, (NodeId){i});
    }
  }
}
