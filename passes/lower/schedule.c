/* The order of the groups, and which results may be written over the leaf they are assigned to.
 * requires: groups. ensures: operands before users; a group that assigns comes when every reader of the
 * old value has run, where that can be. */
#include "passes/lower/internal.h"

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

/* Edges by the group they come from. */
typedef struct Edges {
  uint32_t *start, *to; /* those of group i: to[start[i]] .. to[start[i + 1] - 1] */
} Edges;

static Edges edges_by_source(LowerCx *lo, const uint64_t *edge, uint32_t nedge) {
  uint32_t n = lo->groups.n;
  Edges e = {ARENA_ARRAY(lo->arena, uint32_t, n + 1), ARENA_ARRAY(lo->arena, uint32_t, nedge + 1)};
  uint32_t *fill = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  for (uint32_t i = 0; i < nedge; i++) e.start[(edge[i] >> 32) + 1]++;
  for (uint32_t i = 0; i < n; i++) e.start[i + 1] += e.start[i];
  for (uint32_t i = 0; i < n; i++) fill[i] = e.start[i];
  for (uint32_t i = 0; i < nedge; i++) e.to[fill[edge[i] >> 32]++] = (uint32_t)edge[i];
  return e;
}

/* Which group goes next. One that assigns a leaf waits until nothing else needs the old value; then it is the
 * next, while what it reads is in the caches, and gives its operands' memory back. */
enum { NEXT = 0, IN_TURN = 1, WAITS = 2, LAST = 3, LAST_OF_ALL = 4, SMALL = 256 };
typedef struct Turn {
  const bool *assigns; /* by group */
  bool *first;         /* by group: small and made of leaves alone: factors of an update wait for nothing */
  const uint32_t *readers; /* by group: reads of the leaves it assigns that are still to come */
} Turn;
/* Where updates come last, all that is an update alone. */
static bool comes_last(const LowerCx *lo, const bool *assigns, uint32_t group) {
  return lo->opt.updates_last && assigns[group] && !lo->groups.at[group].tile && !lo->groups.at[group].other;
}
static uint64_t turn_of(const LowerCx *lo, const Turn *t, uint32_t group) {
  const LowerGroup *gr = &lo->groups.at[group];
  uint64_t kind = t->first[group] ? NEXT : IN_TURN;
  if (t->assigns[group]) kind = t->readers[group] ? WAITS : NEXT;
  if (comes_last(lo, t->assigns, group)) kind = t->readers[group] ? LAST_OF_ALL : LAST;
  return (kind << 40) + gr->node.at[gr->node.n - 1].i;
}

/* edge: what must come before what. old: reads of a leaf before the group that assigns it, where that can be.
 */
static void order_groups(LowerCx *lo, const Deps *edge, const Deps *old, const bool *assigns) {
  uint32_t n = lo->groups.n;
  uint32_t *wait = ARENA_ARRAY(lo->arena, uint32_t, n), *readers = ARENA_ARRAY(lo->arena, uint32_t, n);
  for (uint32_t i = 0; i < edge->edge.n; i++) wait[(uint32_t)edge->edge.at[i]]++;
  for (uint32_t i = 0; i < old->edge.n; i++) readers[(uint32_t)old->edge.at[i]]++;
  Edges user = edges_by_source(lo, edge->edge.at, edge->edge.n),
        assigner = edges_by_source(lo, old->edge.at, old->edge.n);
  Turn turn = {assigns, ARENA_ARRAY(lo->arena, bool, n), readers};
  VEC(uint32_t) ready = {0};
  for (uint32_t i = 0; i < n; i++) {
    const LowerGroup *gr = &lo->groups.at[i];
    if (wait[i]) continue;
    turn.first[i] = lo->count[gr->node.at[gr->node.n - 1].i] <= SMALL;
    VEC_PUSH(lo->arena, &ready, i);
  }
  while (ready.n) {
    uint32_t at = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < ready.n; i++) {
      uint64_t k = turn_of(lo, &turn, ready.at[i]);
      if (k >= least) continue;
      least = k;
      at = i;
    }
    uint32_t best = ready.at[at];
    ready.at[at] = ready.at[--ready.n];
    VEC_PUSH(lo->arena, &lo->order, best);
    for (uint32_t i = user.start[best]; i < user.start[best + 1]; i++)
      if (--wait[user.to[i]] == 0) VEC_PUSH(lo->arena, &ready, user.to[i]);
    for (uint32_t i = assigner.start[best]; i < assigner.start[best + 1]; i++) readers[assigner.to[i]]--;
  }
  if (lo->order.n != n) BUG(lo->arena->mem, "lower: groups wait for each other");
}

/* Who reads each leaf: one list for all, so that asking per assignment stays linear in the program. */
typedef struct LeafRead {
  uint32_t user; /* node */
  uint32_t next; /* read of the same leaf; PLAN_NONE */
  bool direct;   /* at the same element */
} LeafRead;
typedef struct Leaves {
  LowerCx *lo;
  NodeId user;
  uint32_t *first; /* by leaf */
  uint8_t *roots;  /* by leaf: 1 a root's value, 2 assigned once, 4 more than once */
  VEC(LeafRead) read;
} Leaves;

static void see_leaf(void *cx, NodeId base, bool direct) {
  Leaves *l = cx;
  if (node_op(l->lo->g, base) != OP_LEAF) return;
  uint32_t *first = &l->first[graph_attr(l->lo->g, base)[0]];
  VEC_PUSH(l->lo->arena, &l->read, ((LeafRead){l->user.i, *first, direct}));
  *first = l->read.n - 1;
}

static void leaves_read(Leaves *l) {
  LowerCx *lo = l->lo;
  const Graph *g = lo->g;
  uint32_t n = g->program->leaf.n;
  l->first = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  l->roots = ARENA_ARRAY(lo->arena, uint8_t, n + 1);
  for (uint32_t i = 0; i < n; i++) l->first[i] = PLAN_NONE;
  for (uint32_t i = 0; i < g->node.n; i++) {
    l->user = (NodeId){i};
    if (lo->role[i] >= ROLE_ELEM) lower_reads(lo, l->user, see_leaf, l);
  }
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *r = &g->root.at[i];
    NodeId v = lower_strip(lo, r->node);
    if (node_op(g, v) == OP_LEAF) l->roots[graph_attr(g, v)[0]] |= 1;
    if (r->kind == ROOT_ASSIGN) l->roots[r->leaf.i] |= l->roots[r->leaf.i] & 2 ? 4 : 2;
  }
}

/* Every read of a leaf comes before the group that assigns it, as far as possible. */
static void old_values(const Leaves *l, Deps *old, bool *assigns) {
  LowerCx *lo = l->lo;
  const Graph *g = lo->g;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *r = &g->root.at[i];
    uint32_t gr = r->kind == ROOT_ASSIGN ? lo->group[lower_strip(lo, r->node).i] : PLAN_NONE;
    if (gr == PLAN_NONE) continue;
    assigns[gr] = true;
    for (uint32_t k = l->first[r->leaf.i]; k != PLAN_NONE; k = l->read.at[k].next) {
      uint32_t user = lo->group[l->read.at[k].user];
      if (user != gr) VEC_PUSH(lo->arena, &old->edge, (uint64_t)user << 32 | gr);
    }
  }
}

static bool may_overwrite(LowerCx *lo, const Leaves *l, const Root *r, NodeId v, const uint32_t *position,
                          uint32_t from) {
  if (lo->role[v.i] != ROLE_ELEM && lo->role[v.i] != ROLE_TILE) return false;
  if (lo->in_place[v.i].i != PLAN_NONE) return false;
  if (l->roots[r->leaf.i] != 2) return false;
  uint32_t own = position[lo->group[v.i]];
  if (own < from) return false;
  for (uint32_t i = l->first[r->leaf.i]; i != PLAN_NONE; i = l->read.at[i].next) {
    uint32_t at = position[lo->group[l->read.at[i].user]];
    if (at > own || (at == own && !l->read.at[i].direct)) return false;
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
  bool *assigns = ARENA_ARRAY(lo->arena, bool, lo->groups.n + 1), checks = false;
  for (uint32_t i = 0; i < g->root.n; i++) checks |= g->root.at[i].kind == ROOT_CHECK;
  Leaves l = {.lo = lo};
  Deps old = {.lo = lo};
  leaves_read(&l);
  old_values(&l, &old, assigns);
  for (uint32_t i = 0; i < g->node.n; i++)
    checks |= g->node.at[i].op == OP_EXTERN && lo->role[i] != ROLE_DEAD;
  order_groups(lo, &d, &old, assigns);
  /* A step that fails changes nothing: checks and the host's functions come before any change, so with them
   * every assignment waits in the arena. */
  for (uint32_t i = 0; i < g->node.n; i++) checks |= node_op(g, (NodeId){i}) == OP_EXTERN;
  if (!lo->opt.in_place || checks) return;
  uint32_t *position = ARENA_ARRAY(lo->arena, uint32_t, lo->groups.n + 1);
  uint32_t from = 0; /* where updates come last, nothing else is behind the first of them */
  for (uint32_t i = 0; i < lo->order.n; i++) {
    position[lo->order.at[i]] = i;
    if (lo->opt.updates_last && !comes_last(lo, assigns, lo->order.at[i])) from = i + 1;
  }
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *r = &g->root.at[i];
    if (r->kind != ROOT_ASSIGN) continue;
    NodeId v = lower_strip(lo, r->node);
    if (may_overwrite(lo, &l, r, v, position, from)) lo->in_place[v.i] = r->leaf;
  }
}
