/* Groups: elementwise nodes of one shape that are computed in one pass, after at most one product.
 * requires: roles. ensures: groups form no cycle, each fits one scalar program; stored is known. */
#include "passes/lower/internal.h"

enum { GROUP_WEIGHT = 320, GROUP_LEAVES = 200, SMALL_SPACE = 256 };

typedef struct Part { /* a group while it is built; ids are those of nodes, united by `up` */
  uint32_t up;
  uint32_t next; /* next node of the same part, in no order */
  uint32_t last;
  uint32_t weight, leaves, nodes;
  uint32_t top;   /* its node with the most below it in the tree of longest paths */
  uint32_t space; /* its node whose shape all go through */
  bool tile, other;
  uint32_t stamp;
} Part;

typedef struct Fuse {
  LowerCx *lo;
  Part *part;
  uint32_t *stack, *seen; /* seen: stamps by node */
  uint32_t *start, *fill, *user;
  uint32_t stamp;
  uint32_t *pre, *size; /* by node: its place and its descendants in a tree of longest paths */
} Fuse;

static uint32_t find(Fuse *f, uint32_t i) {
  while (f->part[i].up != i) i = f->part[i].up = f->part[f->part[i].up].up;
  return i;
}

static bool computed(const LowerCx *lo, NodeId n) { return lo->role[n.i] >= ROLE_ELEM; }

/* Readers of every node, by node: user[start[i] .. start[i + 1] - 1], the lowest bit of each set when it
 * reads the same element. */
typedef struct Gather {
  Fuse *f;
  uint32_t user;
} Gather;
static void count_user(void *cx, NodeId base, bool direct) {
  (void)direct;
  ((Gather *)cx)->f->start[base.i + 1]++;
}
static void note_user(void *cx, NodeId base, bool direct) {
  Gather *g = cx;
  g->f->user[g->f->fill[base.i]++] = g->user << 1 | direct;
}

static void gather_users(Fuse *f) {
  LowerCx *lo = f->lo;
  uint32_t n = lo->g->node.n;
  Gather g = {f, 0};
  f->start = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  f->fill = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  for (uint32_t i = 0; i < n; i++)
    if (computed(lo, (NodeId){i})) lower_reads(lo, (NodeId){i}, count_user, &g);
  for (uint32_t i = 0; i < n; i++) {
    f->start[i + 1] += f->start[i];
    f->fill[i] = f->start[i];
  }
  f->user = ARENA_ARRAY(lo->arena, uint32_t, f->start[n] + 1);
  for (g.user = 0; g.user < n; g.user++)
    if (computed(lo, (NodeId){g.user})) lower_reads(lo, (NodeId){g.user}, note_user, &g);
}

/* A tree in which each node hangs below the operand that stands on the longest path, so that what lies far
 * behind a node mostly lies below it. An ancestor is one without a walk; who is none may still be needed. */
typedef struct Deepest {
  uint32_t *depth;
  uint32_t best; /* operand, PLAN_NONE */
} Deepest;
static void see_depth(void *cx, NodeId base, bool direct) {
  Deepest *d = cx;
  (void)direct;
  if (d->best == PLAN_NONE || d->depth[base.i] > d->depth[d->best]) d->best = base.i;
}

static void plant(Fuse *f) {
  LowerCx *lo = f->lo;
  uint32_t n = lo->g->node.n, roots = 0;
  uint32_t *parent = ARENA_ARRAY(lo->arena, uint32_t, n);
  Deepest d = {ARENA_ARRAY(lo->arena, uint32_t, n), 0};
  f->pre = ARENA_ARRAY(lo->arena, uint32_t, n);
  f->size = ARENA_ARRAY(lo->arena, uint32_t, n);
  for (uint32_t i = 0; i < n; i++) {
    d.best = PLAN_NONE;
    if (computed(lo, (NodeId){i})) lower_reads(lo, (NodeId){i}, see_depth, &d);
    parent[i] = d.best;
    d.depth[i] = d.best == PLAN_NONE ? 0 : d.depth[d.best] + 1;
    f->size[i] = 1;
  }
  for (uint32_t i = n; i-- > 0;)
    if (parent[i] != PLAN_NONE) f->size[parent[i]] += f->size[i];
  /* d.depth is used again: where the next child of a node goes */
  for (uint32_t i = 0; i < n; i++) {
    uint32_t *at = parent[i] == PLAN_NONE ? &roots : &d.depth[parent[i]];
    f->pre[i] = *at;
    *at += f->size[i];
    d.depth[i] = f->pre[i] + 1;
  }
}

static bool below(const Fuse *f, uint32_t node, uint32_t root) {
  return f->pre[node] - f->pre[root] < f->size[root]; /* without a sign */
}

/* An operand of a node of part b, itself in neither part, that surely stands on part a: the union would wait
 * for itself. */
typedef struct Between {
  Fuse *f;
  uint32_t a, b;
  bool found;
} Between;
static void see_between(void *cx, NodeId base, bool direct) {
  Between *w = cx;
  (void)direct;
  if (w->found || !below(w->f, base.i, w->f->part[w->a].top) || !computed(w->f->lo, base)) return;
  uint32_t p = find(w->f, base.i);
  w->found = p != w->a && p != w->b;
}

static bool surely_between(Fuse *f, uint32_t a, uint32_t b, uint32_t user) {
  Between w = {f, a, b, false};
  lower_reads(f->lo, (NodeId){user}, see_between, &w);
  return w.found;
}

/* Does part b read nothing that is computed but part a, element by element? Then nothing lies between. */
static void see_other_part(void *cx, NodeId base, bool direct) {
  Between *w = cx;
  if (w->found || !computed(w->f->lo, base)) return;
  uint32_t p = find(w->f, base.i);
  w->found = p != w->b && (p != w->a || !direct);
}
static bool reads_only(Fuse *f, uint32_t a, uint32_t b) {
  Between w = {f, a, b, false};
  for (uint32_t n = b; n != PLAN_NONE && !w.found; n = f->part[n].next)
    lower_reads(f->lo, (NodeId){n}, see_other_part, &w);
  return !w.found;
}

/* Does `from` need `to` other than element by element? Walks from `to` along its readers up to node `last`,
 * beyond which nothing is united yet. A walk that gets long counts as yes: far apart there is little to gain.
 */
static bool blocked(Fuse *f, uint32_t from, uint32_t to, uint32_t last) {
  enum { FAR = 2000 };
  uint32_t n = 1;
  f->stamp++;
  f->stack[0] = to;
  f->part[to].stamp = f->stamp;
  for (uint32_t at = 0; at < n; at++)
    for (uint32_t i = f->stack[at]; i != PLAN_NONE; i = f->part[i].next)
      for (uint32_t k = f->start[i]; k < f->start[i + 1]; k++) {
        uint32_t u = f->user[k] >> 1, p = find(f, u);
        bool direct = f->user[k] & 1;
        if (p == f->stack[at] && p != to) continue;
        if (p == to) {
          if (!direct) return true;
          continue;
        }
        if (p == from) {
          if (at > 0 || !direct) return true;
          continue;
        }
        if (u > last || f->part[p].stamp == f->stamp) continue;
        if (n == FAR) return true;
        f->part[p].stamp = f->stamp;
        f->stack[n++] = p;
      }
  return false;
}

/* Operands and results of the union, from above. */
static uint32_t width(Fuse *f, uint32_t a, uint32_t b) {
  uint32_t results = 0, operands = 0;
  f->stamp++;
  for (int side = 0; side < 2; side++) {
    for (uint32_t n = side ? b : a; n != PLAN_NONE; n = f->part[n].next) {
      const Node *d = graph_node(f->lo->g, (NodeId){n});
      if (f->lo->materialised[n]) operands++;
      for (uint32_t j = 0; !f->lo->materialised[n] && j < d->nin; j++) {
        NodeId o = lower_in(f->lo, (NodeId){n}, j);
        uint32_t p = computed(f->lo, o) ? find(f, o.i) : PLAN_NONE;
        if (p == a || p == b || f->seen[o.i] == f->stamp || node_op(f->lo->g, o) == OP_CONST) continue;
        f->seen[o.i] = f->stamp;
        operands++;
      }
      bool result = f->lo->stored[n]; /* a root */
      for (uint32_t k = f->start[n]; k < f->start[n + 1] && !result; k++) {
        uint32_t p = find(f, f->user[k] >> 1);
        result = p != a && p != b;
      }
      results += result;
    }
  }
  return operands > GROUP_SRC || results > SCALAR_OUT ? UINT32_MAX : operands;
}

/* Whether what the nodes of a part read can be found from the indices of `space`. */
static bool all_fit(Fuse *f, uint32_t part, uint32_t space) {
  for (uint32_t n = part; n != PLAN_NONE; n = f->part[n].next)
    if (!lower_fits(f->lo, (NodeId){n}, (NodeId){space})) return false;
  return true;
}

/* The shape that both parts can go through: a tile's, else either's; PLAN_NONE. A reshape between the two
 * moves nothing. */
static uint32_t common_space(Fuse *f, uint32_t a, uint32_t b) {
  const Part *x = &f->part[a], *y = &f->part[b];
  if (f->lo->count[x->space] != f->lo->count[y->space]) return PLAN_NONE;
  if (!y->tile && all_fit(f, b, x->space)) return x->space;
  if (!x->tile && all_fit(f, a, y->space)) return y->space;
  return PLAN_NONE;
}

static bool unite(Fuse *f, uint32_t a, uint32_t b, uint32_t last) {
  uint32_t user = b;
  a = find(f, a);
  b = find(f, b);
  Part *x = &f->part[a], *y = &f->part[b];
  if (a == b || x->other || y->other || (x->tile && y->tile)) return false;
  uint32_t space = common_space(f, a, b);
  if (space == PLAN_NONE) return false;
  if (x->weight + y->weight > GROUP_WEIGHT || x->leaves + y->leaves > GROUP_LEAVES) return false;
  if (surely_between(f, a, b, user) || width(f, a, b) == UINT32_MAX) return false;
  if (!reads_only(f, a, b) && blocked(f, b, a, last)) return false;
  if (blocked(f, a, b, last)) return false;
  y->up = a;
  f->part[x->last].next = b;
  x->last = y->last;
  x->weight += y->weight;
  x->leaves += y->leaves;
  x->nodes += y->nodes;
  x->tile |= y->tile;
  x->space = space;
  if (f->size[y->top] > f->size[x->top]) x->top = y->top;
  return true;
}

typedef struct Users {
  LowerCx *lo;
  uint32_t group;
} Users;
static void mark_stored(void *cx, NodeId base, bool direct) {
  Users *u = cx;
  if (!direct || u->lo->group[base.i] != u->group) u->lo->stored[base.i] = true;
}

static void mark_roots(LowerCx *lo) {
  for (uint32_t i = 0; i < lo->g->root.n; i++) lo->stored[lower_strip(lo, lo->g->root.at[i].node).i] = true;
}

static void parts_begin(Fuse *f) {
  LowerCx *lo = f->lo;
  const Graph *g = lo->g;
  for (uint32_t i = 0; i < g->node.n; i++) {
    Part *p = &f->part[i];
    *p = (Part){.up = i, .next = PLAN_NONE, .last = i, .nodes = 1, .top = i, .space = i};
    p->tile = lo->role[i] == ROLE_TILE;
    p->other = lo->role[i] == ROLE_OTHER;
    if (lo->role[i] == ROLE_ELEM && !lo->materialised[i]) {
      const Scalar *s = lower_op_program(lo, (NodeId){i});
      p->weight = s->nins;
      p->leaves = s->nleaf;
    }
  }
}

/* ---- epilogues of many arrays ---- */
enum { EPILOGUE_ARRAYS = 4 };

typedef struct Arrays {
  Fuse *f;
  NodeId tile;
  uint32_t n;
} Arrays;
static void see_array(void *cx, NodeId base, bool direct) {
  Arrays *a = cx;
  Fuse *f = a->f;
  (void)direct;
  if (f->seen[base.i] == f->stamp || f->lo->count[base.i] < f->lo->count[a->tile.i]) return;
  f->seen[base.i] = f->stamp;
  a->n += !computed(f->lo, base) || find(f, base.i) != find(f, a->tile.i);
}

/* A product's epilogue touches each of its arrays a few rows of a tile at a time and waits for memory there.
 * So one of many arrays that the caches do not hold is a pass of its own, for one array more. */
static bool crowded(Fuse *f, NodeId tile, const bool *assigned) {
  LowerCx *lo = f->lo;
  Arrays a = {f, tile, 0};
  uint32_t part = find(f, tile.i);
  if (node_op(lo->g, tile) != OP_CONTRACT || f->part[part].nodes == 1) return false;
  f->stamp++;
  for (uint32_t n = part; n != PLAN_NONE; n = f->part[n].next) {
    if (assigned[n]) return false; /* updates: update.c */
    if (n != tile.i) lower_reads(lo, (NodeId){n}, see_array, &a);
    bool result = lo->stored[n]; /* a root */
    for (uint32_t k = f->start[n]; k < f->start[n + 1] && !result; k++)
      result = find(f, f->user[k] >> 1) != part;
    a.n += result;
  }
  int64_t most = lo->opt.cache_l2 / 2 / (int64_t)dtype_bytes((DType)lo->g->node.at[tile.i].type.dtype);
  return a.n >= EPILOGUE_ARRAYS && lo->count[tile.i] > most / (a.n + 1);
}

/* Products with a crowded epilogue become groups of their own. */
static void part_crowded(Fuse *f) {
  LowerCx *lo = f->lo;
  bool *assigned = ARENA_ARRAY(lo->arena, bool, lo->g->node.n + 1);
  for (uint32_t i = 0; i < lo->g->root.n; i++)
    assigned[lower_strip(lo, lo->g->root.at[i].node).i] |= lo->g->root.at[i].kind == ROOT_ASSIGN;
  for (uint32_t i = 0; i < lo->g->node.n; i++) {
    if (lo->role[i] != ROLE_TILE || !crowded(f, (NodeId){i}, assigned)) continue;
    f->part[find(f, i)].tile = false;
    LowerGroup gr = {.tile = true, .anchor = {i}, .space = {i}};
    VEC_PUSH(lo->arena, &gr.node, (NodeId){i});
    lo->group[i] = lo->groups.n;
    VEC_PUSH(lo->arena, &lo->groups, gr);
  }
}

static void groups_end(Fuse *f) {
  LowerCx *lo = f->lo;
  for (uint32_t i = 0; i < lo->g->node.n; i++) lo->group[i] = PLAN_NONE;
  part_crowded(f);
  f->seen = ARENA_ARRAY(lo->arena, uint32_t, lo->g->node.n);
  for (uint32_t i = 0; i < lo->g->node.n; i++) {
    if (lo->group[i] != PLAN_NONE || !computed(lo, (NodeId){i})) continue;
    uint32_t p = find(f, i);
    if (f->seen[p] != PLAN_NONE) { /* first met: a new group; afterwards seen[p] holds its number */
      LowerGroup gr = {
          .tile = f->part[p].tile, .other = f->part[p].other, .anchor = NO_NODE, .weight = f->part[p].weight};
      gr.space.i = f->part[p].space;
      f->part[p].stamp = lo->groups.n;
      VEC_PUSH(lo->arena, &lo->groups, gr);
      f->seen[p] = PLAN_NONE;
    }
    uint32_t id = f->part[p].stamp;
    LowerGroup *gr = &lo->groups.at[id];
    lo->group[i] = id;
    VEC_PUSH(lo->arena, &gr->node, (NodeId){i});
    if (lo->role[i] != ROLE_ELEM) gr->anchor = (NodeId){i};
  }
}

/* ---- reductions that compute what they add ---- */
enum { ABSORB_WEIGHT = 60, ABSORB_READS = 10 };

typedef struct Closure {
  LowerCx *lo;
  NodeId space;
  uint32_t weight, reads;
  bool ok;
  VEC(NodeId) bound; /* stored values it stands on */
} Closure;

static void closure(Closure *c, NodeId n) {
  LowerCx *lo = c->lo;
  c->weight += lower_op_program(lo, n)->nins + 1u;
  if (!lower_fits(lo, n, c->space)) c->ok = false;
  for (uint32_t j = 0; c->ok && j < lo->g->node.at[n.i].nin; j++) {
    NodeId o = lower_in(lo, n, j);
    if (c->weight > ABSORB_WEIGHT || c->reads > ABSORB_READS) c->ok = false;
    if (lower_in_expression(lo, o)) {
      closure(c, o);
      continue;
    }
    bool made = lo->role[o.i] == ROLE_TILE || lo->role[o.i] == ROLE_ELEM; /* by the group, for itself alone */
    if (made && !lo->stored[o.i]) c->ok = false;
    if (node_op(lo->g, o) != OP_CONST) c->reads++;
    VEC_PUSH(lo->arena, &c->bound, o);
  }
}

typedef struct Only {
  LowerCx *lo;
  bool *other; /* by node: read by something that is not a reduction of it */
  NodeId user;
} Only;
static void see_other(void *cx, NodeId base, bool direct) {
  Only *o = cx;
  (void)direct;
  NodeId u = o->user;
  bool reduced = lower_op(node_op(o->lo->g, u))->absorbs && o->lo->role[u.i] == ROLE_OTHER &&
                 graph_attr(o->lo->g, u)[0] != 0 &&
                 node_eq(lower_strip(o->lo, graph_in(o->lo->g, u)[0]), base);
  if (!reduced && o->lo->group[base.i] != o->lo->group[u.i]) o->other[base.i] = true;
}

/* A value that only reductions read is not stored when they can compute it from values that are. */
static void absorb(LowerCx *lo) {
  const Graph *g = lo->g;
  Only only = {.lo = lo, .other = ARENA_ARRAY(lo->arena, bool, g->node.n)};
  for (uint32_t i = 0; i < g->node.n; i++) {
    only.user = (NodeId){i};
    if (computed(lo, only.user)) lower_reads(lo, only.user, see_other, &only);
  }
  for (uint32_t i = 0; i < g->root.n; i++) only.other[lower_strip(lo, g->root.at[i].node).i] = true;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (lo->role[i] != ROLE_OTHER || !lower_op(node_op(g, (NodeId){i}))->absorbs ||
        graph_attr(g, (NodeId){i})[0] == 0)
      continue;
    NodeId x = lower_strip(lo, graph_in(g, (NodeId){i})[0]);
    if (lo->role[x.i] != ROLE_ELEM || lo->materialised[x.i] || only.other[x.i]) continue;
    Closure c = {.lo = lo, .space = x, .ok = true};
    closure(&c, x);
    if (!c.ok) continue;
    for (uint32_t j = 0; j < c.bound.n; j++) /* these stay stored */
      only.other[c.bound.at[j].i] = true;
    lo->absorbed[i] = true;
    lo->stored[x.i] = false;
  }
}

/* By node: made of leaves, element by element, and so ready before anything else of the step. */
typedef struct Early {
  bool *of, all;
} Early;
static void see_early(void *cx, NodeId base, bool direct) {
  Early *e = cx;
  (void)direct;
  e->all &= e->of[base.i];
}
static bool *early_nodes(LowerCx *lo) {
  Early e = {.of = ARENA_ARRAY(lo->arena, bool, lo->g->node.n + 1)};
  for (uint32_t i = 0; i < lo->g->node.n; i++) {
    e.all = true;
    if (lo->role[i] == ROLE_ELEM || lo->role[i] == ROLE_INLINE) lower_reads(lo, (NodeId){i}, see_early, &e);
    e.of[i] = e.all && lo->role[i] != ROLE_TILE && lo->role[i] != ROLE_OTHER;
  }
  return e.of;
}

/* Small spaces: a launch costs more than the work, so neighbours join though nothing connects them. But what
 * could be early does not wait for what is late: the factors of an update are needed by the first of them. */
static void unite_small(Fuse *f, const bool *apart) {
  LowerCx *lo = f->lo;
  uint32_t n = lo->g->node.n, before[3] = {PLAN_NONE, PLAN_NONE, PLAN_NONE};
  const bool *early = early_nodes(lo);
  for (uint32_t i = 0; i < n; i++) {
    if (lo->role[i] != ROLE_ELEM || lo->count[i] > SMALL_SPACE) continue;
    uint32_t *b = &before[early[i] ? 0 : apart[i] ? 1 : 2];
    if (*b != PLAN_NONE && find(f, *b) != find(f, i)) unite(f, *b, i, n);
    *b = i;
  }
}

void lower_fuse(LowerCx *lo) {
  const Graph *g = lo->g;
  uint32_t n = g->node.n;
  Fuse f = {.lo = lo};
  f.part = ARENA_ARRAY(lo->arena, Part, n);
  f.stack = ARENA_ARRAY(lo->arena, uint32_t, n + 1);
  f.seen = ARENA_ARRAY(lo->arena, uint32_t, n);
  Users u = {lo, 0};
  parts_begin(&f);
  gather_users(&f);
  plant(&f);
  mark_roots(lo);
  const bool *apart = lower_updates(lo);
  for (uint32_t i = 0; lo->opt.fuse && i < n; i++) {
    if (lo->role[i] != ROLE_ELEM || lo->materialised[i]) continue;
    for (uint32_t j = g->node.at[i].nin; j-- > 0;) {
      NodeId o = lower_in(lo, (NodeId){i}, j);
      for (uint32_t k = 0; lo->role[o.i] == ROLE_INLINE && k < g->node.at[o.i].nin; k++) {
        NodeId below = lower_in(lo, o, k);
        if (lo->role[below.i] >= ROLE_ELEM)
          o = below;
        else if (k + 1 == g->node.at[o.i].nin)
          break;
      }
      if (apart[i] && f.part[find(&f, o.i)].tile) continue;
      if (lo->role[o.i] == ROLE_ELEM || lo->role[o.i] == ROLE_TILE) unite(&f, o.i, i, i);
    }
  }
  if (lo->opt.fuse) unite_small(&f, apart);
  groups_end(&f);
  memset(lo->stored, 0, n);
  for (uint32_t i = 0; i < n; i++) {
    u.group = lo->group[i];
    if (computed(lo, (NodeId){i})) lower_reads(lo, (NodeId){i}, mark_stored, &u);
    if (lo->role[i] == ROLE_OTHER) lo->stored[i] = true;
  }
  mark_roots(lo);
  if (lo->opt.fuse) absorb(lo);
}
