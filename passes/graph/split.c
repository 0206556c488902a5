/* Of a loop whose steps are to be computed again k at a time: it becomes a loop over segments of k steps,
 * which keeps what is carried into each; its way back goes over the segments, too, and runs each again before
 * it goes back through it. So T steps are kept in k + T/k places. What is left over when k does not divide T
 * is a loop of its own and keeps its stacks. Everything is added in the order in which it was. */
#include "passes/graph/widen.h"

typedef struct Split {
  LoopInfo l;
  NodeId loop; /* of the graph that is read */
  int64_t k, n, rest;
  bool *whole;      /* by result: somebody reads the stack who does not walk along it */
  NodeId *result;   /* by result: in the new graph; a stack that is not whole is not there */
  NodeId *start;    /* by carried value: what goes into each segment, stacked */
  NodeId *left;     /* by result: the stack of the steps left over .. */
  NodeId left_loop; /* .. and their loop */
} Split;

typedef struct Splits {
  const Graph *g;
  Arena *arena;
  Copy c;
  Split **writer;  /* by LOOP that is split */
  NodeId *way_of;  /* by LOOP: the one it is the way back of, and which is split; NO_NODE */
  NodeId **result; /* by LOOP that is written anew, by result */
} Splits;

/* ---- what is split */

static bool find(Splits *s) {
  const Graph *g = s->g;
  Arena *a = s->arena;
  bool any = false;
  const bool *whole = stacks_read_whole(g, a);
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId loop = {i}, by;
    uint32_t result;
    s->way_of[i] = NO_NODE;
    if (node_op(g, loop) == OP_RESULT) {
      Split *w = s->writer[graph_in(g, loop)[0].i];
      if (w) w->whole[graph_attr(g, loop)[0]] |= whole[i];
    }
    if (node_op(g, loop) != OP_LOOP) continue;
    LoopInfo l = graph_loop(g, loop);
    int64_t trip;
    for (uint32_t k = 0; k < l.nparam; k++)
      if (stack_writer(g, loop, k, &by, &result) && s->writer[by.i]) s->way_of[i] = by;
    any |= node_ok(s->way_of[i]);
    if (l.again < 2 || l.ends || !l.carry || !dim_is_const(g->program->dims, l.trip, &trip) ||
        trip / l.again < 2)
      continue;
    Split *w = s->writer[i] = ARENA_NEW(a, Split);
    *w = (Split){.l = l, .loop = loop, .k = l.again, .n = trip / l.again, .rest = trip % l.again};
    w->whole = ARENA_ARRAY(a, bool, l.nresult);
  }
  return any;
}

/* ---- segments of stacks */

static DimId dim_of(const Splits *s, int64_t n) { return dim_const(s->g->program->dims, n); }

/* Rows of a stack: those of all segments, as segments; or those left over. */
static NodeId rows(const Splits *s, const Split *p, Builder *b, NodeId stack, bool rest) {
  Type row = type_step(graph_node(b->g, stack)->type);
  int64_t first = rest ? p->n * p->k : 0, count = rest ? p->rest : p->n * p->k;
  NodeId x = p->rest ? build_slice(b, stack, 0, dim_of(s, first), 1, dim_of(s, count)) : stack;
  if (rest) return x;
  return build_reshape(b, x, type_stacked(type_stacked(row, dim_of(s, p->k)), dim_of(s, p->n)));
}

/* A stack of segments and of what is left over, as one. */
static NodeId joined(const Splits *s, const Split *p, Builder *b, NodeId segments, NodeId left) {
  Type row = type_step(type_step(graph_node(b->g, segments)->type));
  NodeId x = build_reshape(b, segments, type_stacked(row, dim_of(s, p->n * p->k)));
  return p->rest ? build_op(b, OP_CONCAT, (NodeId[]){x, left}, 2, &(int64_t){0}, NULL) : x;
}

/* ---- writing */

/* One body, as a loop in the open region: in[k] is what parameter k is given. out: which results it yields;
 * each gets its RESULT. way_of: the loop whose way back it is. */
static NodeId inner_loop(Splits *s, const LoopInfo *l, const NodeId *in, int64_t trip, const bool *out,
                         NodeId *result, LocationId at, NodeId way_of) {
  Copy body = copy_range(s->g, s->c.to, l->first, l->yield.i + 1);
  Wide w = wide_begin(s->c.to, l->nparam);
  NodeId *yield = ARENA_ARRAY(s->arena, NodeId, l->nresult + 1);
  for (uint32_t k = 0; k < l->nparam; k++) wide_add(&w, in[k], &body, (NodeId){l->first + k});
  w.carry = l->carry, w.step = l->step;
  wide_open(&w, at);
  body_copy(&body, l, NULL);
  uint32_t n = 0;
  for (uint32_t k = 0; k < l->nresult; k++)
    if (k < l->carry || out[k]) yield[n++] = body.map[graph_in(s->g, l->yield)[k].i];
  LoopInfo like = {.trip = dim_of(s, trip), .reverse = l->reverse};
  NodeId loop = wide_close(&w, yield, n, like, at, way_of);
  Builder b = {s->c.to, at, NO_NODE};
  n = 0;
  for (uint32_t k = 0; k < l->nresult; k++)
    result[k] = k < l->carry || out[k] ? build_op(&b, OP_RESULT, &loop, 1, &(int64_t){n++}, NULL) : NO_NODE;
  return loop;
}

/* What a loop of segments is given. */
typedef struct Given {
  NodeId *in;
  Type *type;
  uint32_t n;
} Given;

static uint32_t give(Given *q, const Graph *to, NodeId in, bool segments) {
  Type t = graph_node(to, in)->type;
  q->in[q->n] = in;
  q->type[q->n] = segments ? type_step(t) : t;
  return q->n++;
}

static NodeId segments_end(Splits *s, Wide *w, const NodeId *yield, uint32_t n, const Split *p, bool reverse,
                           LocationId at) {
  LoopInfo like = {.trip = dim_of(s, p->n), .reverse = reverse};
  return wide_close(w, yield, n, like, at, NO_NODE);
}

/* The loop itself. */
static void write_forward(Splits *s, Split *p) {
  const Graph *g = s->g;
  LoopInfo *l = &p->l;
  Arena *a = s->arena;
  LocationId at = graph_node(g, p->loop)->location;
  Builder b = {s->c.to, at, NO_NODE};
  NodeId *x = ARENA_ARRAY(a, NodeId, l->nparam), *in = ARENA_ARRAY(a, NodeId, l->nparam),
         *inner = ARENA_ARRAY(a, NodeId, l->nresult), *yield = ARENA_ARRAY(a, NodeId, l->nresult + l->carry);
  bool *all = ARENA_ARRAY(a, bool, l->nresult);
  memset(all, 1, l->nresult);
  p->result = ARENA_ARRAY(a, NodeId, l->nresult);
  p->start = ARENA_ARRAY(a, NodeId, l->carry + 1);
  p->left = ARENA_ARRAY(a, NodeId, l->nresult);
  for (uint32_t k = 0; k < l->nparam; k++) x[k] = s->c.map[graph_in(g, p->loop)[1 + k].i];
  for (int part = 0; part < 2; part++) { /* the first steps first */
    bool rest = (part == 1) != l->reverse;
    if (rest && !p->rest) continue;
    if (rest) {
      for (uint32_t k = 0; k < l->nparam; k++) in[k] = loop_is_step(l, k) ? rows(s, p, &b, x[k], true) : x[k];
      p->left_loop = inner_loop(s, l, in, p->rest, all, p->left, at, NO_NODE);
      for (uint32_t k = 0; k < l->carry; k++) x[k] = p->left[k];
      continue;
    }
    Wide w = wide_begin(s->c.to, l->nparam);
    for (uint32_t k = 0; k < l->nparam; k++) {
      NodeId given = loop_is_step(l, k) ? rows(s, p, &b, x[k], false) : x[k];
      Type t = graph_node(s->c.to, given)->type;
      wide_add_typed(&w, given, loop_is_step(l, k) ? type_step(t) : t);
    }
    w.carry = l->carry, w.step = l->step;
    wide_open(&w, at);
    for (uint32_t k = 0; k < l->nparam; k++) in[k] = wide_at(&w, k);
    (void)inner_loop(s, l, in, p->k, p->whole, inner, at, NO_NODE);
    uint32_t n = 0;
    for (uint32_t k = 0; k < l->nresult; k++)
      if (node_ok(inner[k])) yield[n++] = inner[k];
    for (uint32_t k = 0; k < l->carry; k++) yield[n++] = in[k];
    NodeId loop = segments_end(s, &w, yield, n, p, l->reverse, at);
    n = 0;
    for (uint32_t k = 0; k < l->nresult; k++)
      p->result[k] = node_ok(inner[k]) ? build_op(&b, OP_RESULT, &loop, 1, &(int64_t){n++}, NULL) : NO_NODE;
    for (uint32_t k = 0; k < l->carry; k++)
      p->start[k] = build_op(&b, OP_RESULT, &loop, 1, &(int64_t){n++}, NULL);
    for (uint32_t k = 0; k < l->carry; k++) x[k] = p->result[k];
  }
  for (uint32_t k = 0; k < l->nresult; k++) {
    if (k < l->carry)
      p->result[k] = x[k];
    else if (p->whole[k])
      p->result[k] = joined(s, p, &b, p->result[k], p->left[k]);
  }
  s->result[p->loop.i] = p->result;
}

/* Which of the writer's results parameter k walks along; false: none. */
static bool along(const Splits *s, NodeId loop, uint32_t k, uint32_t *result) {
  NodeId by;
  return stack_writer(s->g, loop, k, &by, result) && node_eq(by, s->way_of[loop.i]);
}

/* The segments on the way back: each is run again, and then gone back through. */
static void back_segments(Splits *s, NodeId loop, const LoopInfo *l, const Split *p, const NodeId *x,
                          NodeId *result) {
  const Graph *g = s->g;
  Arena *a = s->arena;
  LocationId at = graph_node(g, loop)->location;
  Builder b = {s->c.to, at, NO_NODE};
  uint32_t most = l->nparam + p->l.nparam, np = p->l.nparam, j;
  Given q = {ARENA_ARRAY(a, NodeId, most), ARENA_ARRAY(a, Type, most), 0};
  uint32_t *own = ARENA_ARRAY(a, uint32_t, l->nparam), *of = ARENA_ARRAY(a, uint32_t, np);
  for (uint32_t k = 0; k < l->carry; k++) own[k] = give(&q, s->c.to, x[k], false);
  uint32_t carry = q.n;
  for (uint32_t k = l->carry; k < l->carry + l->step; k++)
    if (!along(s, loop, k, &j)) own[k] = give(&q, s->c.to, rows(s, p, &b, x[k], false), true);
  for (uint32_t k = 0; k < p->l.carry; k++) of[k] = give(&q, s->c.to, p->start[k], true);
  for (uint32_t k = p->l.carry; k < p->l.carry + p->l.step; k++)
    of[k] = give(&q, s->c.to, rows(s, p, &b, s->c.map[graph_in(g, p->loop)[1 + k].i], false), true);
  uint32_t step = q.n - carry;
  for (uint32_t k = l->carry + l->step; k < l->nparam; k++) own[k] = give(&q, s->c.to, x[k], false);
  for (uint32_t k = p->l.carry + p->l.step; k < np; k++)
    of[k] = give(&q, s->c.to, s->c.map[graph_in(g, p->loop)[1 + k].i], false);
  Wide w = wide_begin(s->c.to, q.n);
  for (uint32_t i = 0; i < q.n; i++) wide_add_typed(&w, q.in[i], q.type[i]);
  w.carry = carry, w.step = step;
  wide_open(&w, at);
  NodeId *in = ARENA_ARRAY(a, NodeId, most), *inner = ARENA_ARRAY(a, NodeId, p->l.nresult),
         *yield = ARENA_ARRAY(a, NodeId, l->nresult);
  bool *need = ARENA_ARRAY(a, bool, p->l.nresult), *all = ARENA_ARRAY(a, bool, l->nresult);
  for (uint32_t k = 0; k < l->nparam; k++)
    if (along(s, loop, k, &j)) need[j] = true;
  for (uint32_t k = 0; k < np; k++) in[k] = wide_at(&w, of[k]);
  NodeId again = inner_loop(s, &p->l, in, p->k, need, inner, at, NO_NODE);
  for (uint32_t k = 0; k < l->nparam; k++) in[k] = along(s, loop, k, &j) ? inner[j] : wide_at(&w, own[k]);
  memset(all, 1, l->nresult);
  (void)inner_loop(s, l, in, p->k, all, yield, at, again);
  NodeId made = segments_end(s, &w, yield, l->nresult, p, l->reverse, at);
  for (uint32_t k = 0; k < l->nresult; k++)
    result[k] = build_op(&b, OP_RESULT, &made, 1, &(int64_t){k}, NULL);
}

static void write_back(Splits *s, NodeId loop) {
  const Graph *g = s->g;
  Arena *a = s->arena;
  LoopInfo l = graph_loop(g, loop);
  const Split *p = s->writer[s->way_of[loop.i].i];
  LocationId at = graph_node(g, loop)->location;
  Builder b = {s->c.to, at, NO_NODE};
  NodeId *x = ARENA_ARRAY(a, NodeId, l.nparam), *in = ARENA_ARRAY(a, NodeId, l.nparam),
         *segment = ARENA_ARRAY(a, NodeId, l.nresult), *left = ARENA_ARRAY(a, NodeId, l.nresult);
  bool *all = ARENA_ARRAY(a, bool, l.nresult);
  uint32_t j;
  memset(all, 1, l.nresult);
  for (uint32_t k = 0; k < l.nparam; k++)
    x[k] = along(s, loop, k, &j) ? NO_NODE : s->c.map[graph_in(g, loop)[1 + k].i];
  for (int part = 0; part < 2; part++) {
    bool rest = (part == 1) != l.reverse;
    if (rest && !p->rest) continue;
    if (!rest) {
      back_segments(s, loop, &l, p, x, segment);
      for (uint32_t k = 0; k < l.carry; k++) x[k] = segment[k];
      continue;
    }
    for (uint32_t k = 0; k < l.nparam; k++)
      in[k] = along(s, loop, k, &j) ? p->left[j] : loop_is_step(&l, k) ? rows(s, p, &b, x[k], true) : x[k];
    (void)inner_loop(s, &l, in, p->rest, all, left, at, p->left_loop);
    for (uint32_t k = 0; k < l.carry; k++) x[k] = left[k];
  }
  for (uint32_t k = 0; k < l.nresult; k++)
    segment[k] = k < l.carry ? x[k] : joined(s, p, &b, segment[k], left[k]);
  s->result[loop.i] = segment;
}

static Graph *round_of(Graph *in, Arena *a, bool *any) {
  uint32_t n = in->node.n;
  Splits s = {.g = in, .arena = a};
  s.writer = ARENA_ARRAY(a, Split *, n);
  s.way_of = ARENA_ARRAY(a, NodeId, n);
  s.result = ARENA_ARRAY(a, NodeId *, n);
  *any = find(&s);
  if (!*any) return in;
  bool *used = ARENA_ARRAY(a, bool, n); /* a loop without way back stays */
  for (uint32_t i = 0; i < n; i++)
    if (node_ok(s.way_of[i])) used[s.way_of[i].i] = true;
  s.c = copy_begin(in, a, false);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t r = in->node.at[i].region;
    NodeId owner = {r ? in->region.at[r].owner : 0}, of = {0};
    if (in->node.at[i].op == OP_RESULT) of = graph_in(in, (NodeId){i})[0];
    bool forward = r && used[owner.i], back = r && node_ok(s.way_of[owner.i]);
    if (r && i == in->region.at[r].first && (forward || back)) {
      graph_region_follow(s.c.to, in, owner, &s.c.region);
      if (forward)
        write_forward(&s, s.writer[owner.i]);
      else
        write_back(&s, owner);
      i = owner.i;
    } else if (in->node.at[i].op == OP_RESULT && s.result[of.i]) {
      s.c.map[i] = s.result[of.i][graph_attr(in, (NodeId){i})[0]];
    } else {
      copy_node(&s.c, (NodeId){i});
    }
  }
  return copy_end(&s.c);
}

Graph *pass_split(Graph *in, PassCx *cx) {
  bool any = false;
  for (uint32_t i = 0; i < in->node.n; i++)
    any |= in->node.at[i].op == OP_LOOP && graph_loop(in, (NodeId){i}).again > 1;
  while (any) in = round_of(in, cx->arena, &any);
  return in;
}
