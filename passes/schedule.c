/* The order of the groups, and which results may be written over the leaf they are assigned to.
 * requires: groups. ensures: operands before users; a group that assigns comes as late as it can, so that
 * every reader of the old value has run. */
#include "passes/lower_internal.h"

typedef struct Deps {
  LowerCx *lo;
  uint32_t group;
  VEC(uint64_t) edge; /* producer << 32 | user */
} Deps;

static void add_edge(void *cx, NodeId base, bool direct) {
  Deps *d = cx;
  (void)direct;
  uint32_t p = d->lo->group[base.i];
  if (p != PLAN_NONE && p != d->group) VEC_PUSH(d->lo->arena, &d->edge, (uint64_t)p << 32 | d->group);
}

static void order_groups(LowerCx *lo, const Deps *d, const bool *late) {
  uint32_t n = lo->groups.n;
  uint32_t *wait = ARENA_ARRAY(lo->arena, uint32_t, n), *start = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  uint32_t *user = ARENA_ARRAY(lo->arena, uint32_t, d->edge.n + 1);
  for (uint32_t i = 0; i < d->edge.n; i++) {
    wait[(uint32_t)d->edge.at[i]]++;
    start[(d->edge.at[i] >> 32) + 1]++;
  }
  for (uint32_t i = 0; i < n; i++) start[i + 1] += start[i];
  uint32_t *fill = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  for (uint32_t i = 0; i < n; i++) fill[i] = start[i];
  for (uint32_t i = 0; i < d->edge.n; i++) user[fill[d->edge.at[i] >> 32]++] = (uint32_t)d->edge.at[i];
  VEC(uint32_t) ready = {0};
  for (uint32_t i = 0; i < n; i++)
    if (!wait[i]) VEC_PUSH(lo->arena, &ready, i);
  while (ready.n) {
    uint32_t at = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < ready.n; i++) {
      const LowerGroup *gr = &lo->groups.at[ready.at[i]];
      uint64_t k = ((uint64_t)late[ready.at[i]] << 40) + gr->node.at[gr->node.n - 1].i;
      if (k >= least) continue;
      least = k;
      at = i;
    }
    uint32_t best = ready.at[at];
    ready.at[at] = ready.at[--ready.n];
    VEC_PUSH(lo->arena, &lo->order, best);
    for (uint32_t i = start[best]; i < start[best + 1]; i++)
      if (--wait[user[i]] == 0) VEC_PUSH(lo->arena, &ready, user[i]);
  }
  if (lo->order.n != n) BUG(lo->arena->mem, "lower: groups wait for each other");
}

typedef struct Reads {
  LowerCx *lo;
  LeafId leaf;
  bool any, hard;
} Reads;

static void see_leaf(void *cx, NodeId base, bool direct) {
  Reads *r = cx;
  if (node_op(r->lo->g, base) != OP_LEAF || graph_attr(r->lo->g, base)[0] != (int64_t)r->leaf.i) return;
  r->any = true;
  r->hard |= !direct;
}

static bool may_overwrite(LowerCx *lo, const Root *r, NodeId v, const uint32_t *position) {
  const Graph *g = lo->g;
  if (lo->role[v.i] != ROLE_ELEM && lo->role[v.i] != ROLE_TILE) return false;
  if (lo->in_place[v.i].i != PLAN_NONE) return false;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *o = &g->root.at[i];
    NodeId n = lower_strip(lo, o->node);
    if (node_op(g, n) == OP_LEAF && graph_attr(g, n)[0] == (int64_t)r->leaf.i) return false;
    if (o != r && o->kind == ROOT_ASSIGN && leaf_eq(o->leaf, r->leaf)) return false;
  }
  uint32_t own = position[lo->group[v.i]];
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (lo->role[i] < ROLE_ELEM) continue;
    Reads see = {.lo = lo, .leaf = r->leaf};
    lower_reads(lo, (NodeId){i}, see_leaf, &see);
    uint32_t at = position[lo->group[i]];
    if (see.any && (at > own || (at == own && see.hard))) return false;
  }
  return true;
}

void lower_schedule(LowerCx *lo) {
  const Graph *g = lo->g;
  Deps d = {.lo = lo};
  for (uint32_t i = 0; i < lo->groups.n; i++) {
    d.group = i;
    for (uint32_t j = 0; j < lo->groups.at[i].node.n; j++)
      lower_reads(lo, lo->groups.at[i].node.at[j], add_edge, &d);
  }
  bool *late = ARENA_ARRAY(lo->arena, bool, lo->groups.n + 1);
  bool checks = false;
  for (uint32_t i = 0; i < g->root.n; i++) {
    uint32_t gr = lo->group[lower_strip(lo, g->root.at[i].node).i];
    if (g->root.at[i].kind == ROOT_ASSIGN && gr != PLAN_NONE) late[gr] = true;
    checks |= g->root.at[i].kind == ROOT_CHECK;
  }
  for (uint32_t i = 0; i < g->node.n; i++)
    checks |= g->node.at[i].op == OP_EXTERN && lo->role[i] != ROLE_DEAD;
  order_groups(lo, &d, late);
  /* A step that fails changes nothing: checks and the host's functions come before any change, so with them
   * every assignment waits in the arena. */
  for (uint32_t i = 0; i < g->node.n; i++) checks |= node_op(g, (NodeId){i}) == OP_EXTERN;
  if (!lo->opt.in_place || checks) return;
  uint32_t *position = ARENA_ARRAY(lo->arena, uint32_t, lo->groups.n + 1);
  for (uint32_t i = 0; i < lo->order.n; i++) position[lo->order.at[i]] = i;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *r = &g->root.at[i];
    if (r->kind != ROOT_ASSIGN) continue;
    NodeId v = lower_strip(lo, r->node);
    if (may_overwrite(lo, r, v, position)) lo->in_place[v.i] = r->leaf;
  }
}
