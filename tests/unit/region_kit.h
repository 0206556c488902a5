/* Graphs with loops and conditions, and the same unrolled: what one would write by hand. */
#ifndef DG_TESTS_REGION_KIT_H
#define DG_TESTS_REGION_KIT_H

#include "ir/graph/region.h"
#include "passes_fixture.h"

typedef struct Unroll {
  Builder b;
  const Graph *g;
  NodeId *map, **result; /* by node of g; by owner, by result */
} Unroll;
static void unroll_range(Unroll *u, uint32_t first, uint32_t end, uint32_t region);

/* What a parameter is: a value of its own where a grad in the body could differentiate by it. */
static inline NodeId unroll_name(Unroll *u, const Region *r, NodeId x) {
  for (uint32_t i = r->first; i < r->end; i++)
    if (u->g->node.at[i].op == OP_GRAD) return build_op(&u->b, OP_NAME, &x, 1, NULL, NULL);
  return x;
}

static inline void unroll_step(Unroll *u, NodeId id, const LoopInfo *l, const NodeId *carry, int64_t at) {
  DimTable *dims = u->g->program->dims;
  for (uint32_t k = 0; k < l->nparam; k++) {
    NodeId x = k < l->carry ? carry[k] : u->map[graph_in(u->g, id)[1 + k].i];
    if (loop_is_step(l, k)) {
      x = build_slice(&u->b, x, 0, dim_const(dims, at), 1, dim_const(dims, 1));
      x = build_reshape(&u->b, x, type_step(graph_node(u->b.g, x)->type));
    }
    u->map[l->first + k] = unroll_name(u, &u->g->region.at[l->region], x);
  }
  unroll_range(u, l->first + l->nparam, l->yield.i, l->region);
}

static inline void unroll_loop(Unroll *u, NodeId id) {
  const Graph *g = u->g;
  Arena *a = u->b.g->arena;
  LoopInfo l = graph_loop(g, id);
  int64_t trip;
  ck_assert(dim_is_const(g->program->dims, l.trip, &trip));
  const NodeId *y = graph_in(g, l.yield);
  NodeId *carry = ARENA_ARRAY(a, NodeId, l.carry), *r = u->result[id.i] = ARENA_ARRAY(a, NodeId, l.nresult);
  NodeId **stack = ARENA_ARRAY(a, NodeId *, l.nresult);
  for (uint32_t k = 0; k < l.nresult; k++) stack[k] = ARENA_ARRAY(a, NodeId, (size_t)trip);
  for (uint32_t k = 0; k < l.carry; k++) carry[k] = u->map[graph_in(g, id)[1 + k].i];
  for (int64_t t = 0; t < trip; t++) {
    int64_t at = l.reverse ? trip - 1 - t : t;
    unroll_step(u, id, &l, carry, at);
    for (uint32_t k = l.carry; k < l.nresult; k++) {
      NodeId x = u->map[y[k].i];
      stack[k][at] =
          build_reshape(&u->b, x, type_stacked(graph_node(u->b.g, x)->type, dim_const(g->program->dims, 1)));
    }
    NodeId go = carry[0];
    for (uint32_t k = 0; k < l.carry; k++) {
      NodeId next = u->map[y[k].i];
      if (l.ends) { /* nothing changes behind its end */
        NodeId p = build_broadcast(&u->b, go, graph_node(u->b.g, next)->type);
        next = k ? build_scalar(&u->b, OP_WHERE, p, next, carry[k])
                 : build_scalar(&u->b, OP_AND, go, next, NO_NODE);
      }
      carry[k] = next;
    }
  }
  for (uint32_t k = 0; k < l.nresult; k++)
    r[k] = k < l.carry ? carry[k] : build_op(&u->b, OP_CONCAT, stack[k], (uint32_t)trip, &(int64_t){0}, NULL);
}

static inline void unroll_cond(Unroll *u, NodeId id) { /* both bodies run, and one is selected */
  const Graph *g = u->g;
  const NodeId *in = graph_in(g, id);
  uint32_t n = graph_node(g, in[0])->nin;
  NodeId *r = u->result[id.i] = ARENA_ARRAY(u->b.g->arena, NodeId, n);
  for (uint32_t body = 0; body < 2; body++) {
    uint32_t region = graph_node(g, in[body])->region, nparam = graph_node(g, id)->nin - 3u;
    const Region *x = &g->region.at[region];
    for (uint32_t k = 0; k < nparam; k++) u->map[x->first + k] = unroll_name(u, x, u->map[in[3 + k].i]);
    unroll_range(u, x->first + nparam, in[body].i, region);
  }
  for (uint32_t k = 0; k < n; k++) {
    NodeId a = u->map[graph_in(g, in[0])[k].i], b = u->map[graph_in(g, in[1])[k].i];
    NodeId p = build_broadcast(&u->b, u->map[in[2].i], graph_node(u->b.g, a)->type);
    r[k] = build_scalar(&u->b, OP_WHERE, p, a, b);
  }
}

static void unroll_range(Unroll *u, uint32_t first, uint32_t end, uint32_t region) {
  const Graph *g = u->g;
  for (uint32_t i = first; i < end; i++) {
    const Node *n = &g->node.at[i];
    NodeId id = {i}, *in = ARENA_ARRAY(u->b.g->arena, NodeId, n->nin);
    if (n->region != region) continue;
    if (n->op == OP_LOOP) unroll_loop(u, id);
    if (n->op == OP_COND) unroll_cond(u, id);
    if (n->op == OP_RESULT) u->map[i] = u->result[graph_in(g, id)[0].i][graph_attr(g, id)[0]];
    if (op_regions((Op)n->op) || n->op == OP_RESULT) continue;
    for (uint32_t k = 0; k < n->nin; k++) in[k] = u->map[graph_in(g, id)[k].i];
    u->map[i] = graph_add(u->b.g, (Op)n->op, n->type, in, n->nin, graph_attr(g, id), n->location, NO_NODE);
  }
}

static inline Graph *unrolled(const Graph *g) {
  Arena *a = g->arena;
  Unroll u = {.b = {graph_new(a, g->program, g->name), {0}, NO_NODE}, .g = g};
  u.map = ARENA_ARRAY(a, NodeId, g->node.n);
  u.result = ARENA_ARRAY(a, NodeId *, g->node.n);
  unroll_range(&u, 0, g->node.n, 0);
  for (uint32_t i = 0; i < g->root.n; i++) {
    Root r = g->root.at[i];
    graph_root(u.b.g, r.kind, r.name, r.leaf, u.map[r.node.i], r.at);
  }
  return u.b.g;
}

/* A file of tests/unit/data/region, its $T replaced. */
static inline Str region_text(Fix *f, const char *name, const char *trip) {
  char path[128];
  snprintf(path, sizeof path, "tests/unit/data/region/%s.graph", name);
  FILE *in = fopen(path, "rb");
  ck_assert_msg(in != NULL, "run in the top folder");
  Sb b;
  sb_init(&b, &f->arena);
  for (int c = getc(in); c != EOF; c = getc(in)) {
    if (c != '$') {
      sb_char(&b, (char)c);
      continue;
    }
    (void)getc(in);
    sb_fmt(&b, "%s", trip);
  }
  fclose(in);
  return sb_str(&b);
}

static inline Graph *region_graph(Fix *f, const char *name, const char *trip) {
  Sb why;
  Graph *g;
  sb_init(&why, &f->arena);
  if (!graph_parse(&f->p, region_text(f, name, trip), &g, &why))
    ck_abort_msg("%s: %.*s", name, (int)why.n, why.p);
  return g;
}

static inline Str graph_text_of(Fix *f, const Graph *g) {
  Sb b;
  sb_init(&b, &f->arena);
  graph_print(g, &b);
  return sb_str(&b);
}

static const char *const region_names[] = {"bodies",  "cond", "ends",     "cond2",  "descent",
                                           "ema",     "jvp",  "leapfrog", "meta",   "nested",
                                           "product", "rnn",  "second",   "shared", "third"};
enum { REGION_GRAPHS = sizeof region_names / sizeof *region_names };

#endif
