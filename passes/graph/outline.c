/* What `checkpoint` marks becomes a loop of one step, whose stacks are computed again on the way back. The
 * part is what its ends (CHECKPOINT nodes with end=1, side by side, of one id) depend on, as far as its
 * beginnings (end=0), leaves and the parameters of the body around. What is read elsewhere too is computed
 * there as well. */
#include "passes/graph/copy.h"

#include <stdlib.h>

typedef struct Segment {
  NodeId first, last; /* its ends */
  VEC(NodeId) node;   /* what it is made of, in order */
  VEC(NodeId) from;   /* where it begins: each becomes a parameter */
} Segment;

typedef struct Outline {
  const Graph *g;
  Arena *arena;
  uint32_t *seen;   /* by node: the last search it was met in, counted from 1 */
  uint32_t *bounds; /* by node: the last search it was a beginning in, or a stand-in outside */
  uint32_t *by;     /* by node: GRAD nodes that differentiate by it */
  bool *need;       /* by node: outside of parts */
  VEC(Segment) part;
  uint32_t *part_of; /* by node: the part it is the last end of, counted from 1 */
  uint32_t tries;
} Outline;

static bool is_end(const Graph *g, uint32_t i) {
  return g->node.at[i].op == OP_CHECKPOINT && graph_attr(g, (NodeId){i})[1];
}

static bool same_part(const Graph *g, uint32_t i, uint32_t k) {
  return is_end(g, i) && is_end(g, k) && g->node.at[i].region == g->node.at[k].region &&
         graph_attr(g, (NodeId){i})[0] == graph_attr(g, (NodeId){k})[0];
}

/* Does a part begin at n? */
static bool begins(const Graph *g, NodeId n, uint32_t region, int64_t id) {
  Op op = node_op(g, n);
  if (op == OP_CHECKPOINT) return !graph_attr(g, n)[1] && graph_attr(g, n)[0] == id;
  return op == OP_LEAF || (op == OP_PARAM && graph_node(g, n)->region == region);
}

static int by_id(const void *a, const void *b) {
  uint32_t x = ((const NodeId *)a)->i, y = ((const NodeId *)b)->i;
  return x < y ? -1 : x > y;
}

/* A derivative asked for in the part is by something in it, and nobody outside asks for one by what is
 * within. */
static bool closed(const Outline *o, const Segment *p, uint32_t mark) {
  const Graph *g = o->g;
  for (uint32_t i = 0; i < p->node.n; i++) {
    NodeId n = p->node.at[i];
    if (node_op(g, n) == OP_GRAD && o->seen[graph_in(g, n)[1].i] == mark) o->by[graph_in(g, n)[1].i]--;
  }
  bool good = true;
  for (uint32_t i = 0; i < p->node.n; i++) {
    NodeId n = p->node.at[i];
    good &= !o->by[n.i];
    if (node_op(g, n) != OP_GRAD) continue;
    NodeId x = graph_in(g, n)[1];
    good &= o->seen[x.i] == mark && o->bounds[x.i] != mark;
  }
  for (uint32_t i = 0; i < p->node.n; i++) {
    NodeId n = p->node.at[i];
    if (node_op(g, n) == OP_GRAD && o->seen[graph_in(g, n)[1].i] == mark) o->by[graph_in(g, n)[1].i]++;
  }
  return good;
}

/* A stand-in for a cotangent goes with its rule, which may be around the part. */
static void place_cotangents(const Graph *g, Segment *p, Arena *a) {
  Map rule; /* by the number that a rule and its stand-ins have in common */
  uint32_t n = 0, found;
  map_init(&rule, a);
  for (uint32_t i = 0; i < p->node.n; i++)
    if (node_op(g, p->node.at[i]) == OP_CUSTOM) map_put(&rule, (uint64_t)graph_attr(g, p->node.at[i])[0], i);
  for (uint32_t i = 0; i < p->node.n; i++) {
    NodeId c = p->node.at[i];
    if (node_op(g, c) != OP_COTANGENT || map_get(&rule, (uint64_t)graph_attr(g, c)[0], &found))
      p->node.at[n++] = c;
    else
      VEC_PUSH(a, &p->from, c);
  }
  p->node.n = n;
}

/* The part that ends at `last`; false: it stays where it is. */
static bool find(Outline *o, uint32_t first, uint32_t last, Segment *p) {
  const Graph *g = o->g;
  uint32_t mark = ++o->tries, region = g->node.at[last].region;
  int64_t id = graph_attr(g, (NodeId){last})[0];
  VEC(NodeId) todo = {0};
  *p = (Segment){.first = {first}, .last = {last}};
  for (uint32_t i = first; i <= last; i++) {
    if (g->node.at[i].type.rank == MAX_RANK) return false; /* no room for the axis of the step */
    VEC_PUSH(o->arena, &todo, graph_in(g, (NodeId){i})[0]);
  }
  while (todo.n) {
    NodeId n = todo.at[--todo.n];
    if (o->seen[n.i] == mark) continue;
    o->seen[n.i] = mark;
    if (begins(g, n, region, id)) {
      VEC_PUSH(o->arena, &p->from, n);
      continue;
    }
    VEC_PUSH(o->arena, &p->node, n);
    const Node *x = graph_node(g, n);
    for (uint32_t k = 0; k < x->nin; k++) VEC_PUSH(o->arena, &todo, g->edge.at[x->in + k]);
    for (uint32_t r = 0; r < op_regions((Op)x->op); r++) { /* a body keeps its signature */
      const Region *body = &g->region.at[graph_node(g, g->edge.at[x->in + r])->region];
      for (uint32_t k = op_before_params((Op)x->op); k < x->nin; k++)
        VEC_PUSH(o->arena, &todo, ((NodeId){body->first + k - op_before_params((Op)x->op)}));
    }
  }
  place_cotangents(g, p, o->arena);
  for (uint32_t k = 0; k < p->from.n; k++) o->bounds[p->from.at[k].i] = mark;
  if (p->node.n) qsort(p->node.at, p->node.n, sizeof *p->node.at, by_id);
  if (p->from.n) qsort(p->from.at, p->from.n, sizeof *p->from.at, by_id);
  return closed(o, p, mark);
}

/* What stands outside, last to first; parts are found where they are needed. */
static void find_all(Outline *o) {
  const Graph *g = o->g;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (g->node.at[i].op == OP_GRAD) o->by[graph_in(g, (NodeId){i})[1].i]++;
    o->need[i] = g->node.at[i].op == OP_PARAM && !g->node.at[i].region;
  }
  for (uint32_t i = 0; i < g->root.n; i++) o->need[g->root.at[i].node.i] = true;
  uint32_t stays = g->node.n; /* ends from here on were looked at */
  for (uint32_t i = g->node.n; i-- > 0;) {
    uint32_t first = i;
    bool end = is_end(g, i) && i < stays;
    while (end && first > 0 && same_part(g, first - 1, i)) first--;
    bool any = false;
    for (uint32_t k = first; k <= i; k++) any |= o->need[k];
    if (!any) {
      i = first;
      continue;
    }
    if (end) stays = first;
    Segment p;
    if (end && find(o, first, i, &p)) {
      VEC_PUSH(o->arena, &o->part, p);
      o->part_of[i] = o->part.n;
      for (uint32_t k = 0; k < p.from.n; k++) {
        NodeId n = p.from.at[k];
        o->need[node_op(g, n) == OP_CHECKPOINT ? graph_in(g, n)[0].i : n.i] = true;
      }
      for (uint32_t k = first; k <= i; k++) o->need[k] = false;
      i = first;
    } else if (o->need[i]) {
      graph_mark_read(g, i, o->need);
    }
  }
}

/* inner: a copy that maps nothing yet, and nothing afterwards. */
static void write_part(const Outline *o, const Segment *p, Copy *c, Copy *inner) {
  const Graph *g = o->g;
  Graph *to = c->to;
  uint32_t nend = p->last.i + 1 - p->first.i, region = graph_node(g, p->last)->region;
  NodeId *in = ARENA_ARRAY(o->arena, NodeId, p->from.n + 1), *out = ARENA_ARRAY(o->arena, NodeId, nend);
  copy_follow(c, p->last);
  Builder b = {to, graph_node(g, p->last)->location, NO_NODE};
  graph_region_open(to);
  inner->region = region;
  for (uint32_t k = 0; k < p->from.n; k++) {
    NodeId n = p->from.at[k];
    in[1 + k] = c->map[node_op(g, n) == OP_CHECKPOINT ? graph_in(g, n)[0].i : n.i];
    inner->map[n.i] = graph_add(to, OP_PARAM, graph_node(g, n)->type, NULL, 0, &(int64_t){k},
                                graph_node(g, n)->location, NO_NODE);
  }
  for (uint32_t k = 0; k < p->node.n; k++) copy_node(inner, p->node.at[k]);
  for (uint32_t k = 0; k < nend; k++) out[k] = inner->map[graph_in(g, (NodeId){p->first.i + k})[0].i];
  in[0] = build_op(&b, OP_YIELD, out, nend, NULL, NULL);
  graph_region_close(to);
  DimId one = dim_const(g->program->dims, 1);
  NodeId loop = build_op(&b, OP_LOOP, in, p->from.n + 1, (int64_t[]){one.i, 0, 0, 0, 0, 1}, NULL);
  for (uint32_t k = 0; k < nend; k++) {
    NodeId r = build_op(&b, OP_RESULT, &loop, 1, &(int64_t){k}, NULL);
    c->map[p->first.i + k] = build_reshape(&b, r, g->node.at[p->first.i + k].type);
  }
  for (uint32_t k = 0; k < p->from.n; k++) inner->map[p->from.at[k].i] = NO_NODE;
  for (uint32_t k = 0; k < p->node.n; k++) inner->map[p->node.at[k].i] = NO_NODE;
}

/* Parts that are in no other one; those within are next. */
static Graph *round_of(Graph *in, Arena *a, bool *any) {
  uint32_t n = in->node.n;
  Outline o = {.g = in, .arena = a};
  o.seen = ARENA_ARRAY(a, uint32_t, n);
  o.bounds = ARENA_ARRAY(a, uint32_t, n);
  o.by = ARENA_ARRAY(a, uint32_t, n);
  o.part_of = ARENA_ARRAY(a, uint32_t, n);
  o.need = ARENA_ARRAY(a, bool, n + 1);
  find_all(&o);
  *any = o.part.n > 0;
  if (!*any) return in;
  Copy c = copy_begin(in, a, false), inner = copy_into(in, c.to);
  for (uint32_t i = 0; i < n; i++) {
    if (o.part_of[i])
      write_part(&o, &o.part.at[o.part_of[i] - 1], &c, &inner);
    else if (o.need[i])
      copy_node(&c, (NodeId){i});
  }
  return copy_end(&c);
}

Graph *pass_outline(Graph *in, PassCx *cx) {
  bool any = false, marked = false;
  for (uint32_t i = 0; i < in->node.n; i++) {
    any |= in->node.at[i].op == OP_GRAD;
    marked |= is_end(in, i);
  }
  for (any &= marked; any;) in = round_of(in, cx->arena, &any);
  return in;
}
