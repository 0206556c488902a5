/* A loop that walks along a stack of another one computes the element again from what that one keeps all the
 * same: the residual policy "recompute", which knows nothing of derivatives. Of a loop with again=1 each
 * stack goes that nothing else reads; its steps are repeated from what they carry. Of any loop those go that
 * are stacks of marked loops in its body; these are run again from what they are given, which is kept. Marks
 * are gone afterwards, but of loops of one step that repeat something. */
#include "passes/graph/widen.h"

typedef struct Writer { /* a loop some of whose stacks are not to be read */
  LoopInfo l;
  bool *drop;       /* by result */
  uint32_t *hand;   /* by node of the body: the result that is its stack, counted from 1; 0: none */
  NodeId made;      /* in the new graph */
  VEC(NodeId) more; /* nodes of the body with a stack of their own from now on */
} Writer;

typedef struct Remat {
  const Graph *g;
  Arena *arena;
  Copy c;
  Writer **writer; /* by LOOP */
  bool *reader;    /* by LOOP: walks along a stack that is dropped */
} Remat;

static bool repeated(const LoopInfo *l) { return l->again == 1 || l->again == LOOP_REPEATS; }

/* ---- what is dropped */

/* By node: the same in each step. */
static bool *fixed_nodes(const Graph *g, const LoopInfo *l, Arena *a) {
  bool *fixed = ARENA_ARRAY(a, bool, l->yield.i + 1 - l->first);
  for (uint32_t i = l->first; i < l->yield.i; i++) {
    const Node *n = &g->node.at[i];
    if (n->region != l->region) continue;
    bool *f = &fixed[i - l->first];
    *f = n->op == OP_PARAM ? i - l->first >= l->carry + l->step : !op_is((Op)n->op, OPF_NO_MERGE);
    for (uint32_t k = op_regions((Op)n->op); k < n->nin; k++) *f &= fixed[g->edge.at[n->in + k].i - l->first];
  }
  return fixed;
}

/* Results of marked loops in the body that nothing there reads. */
static bool *marked_results(const Graph *g, const LoopInfo *l, Arena *a) {
  bool *of = ARENA_ARRAY(a, bool, l->yield.i + 1 - l->first);
  for (uint32_t i = l->first; i < l->yield.i; i++) {
    const Node *n = &g->node.at[i];
    if (n->region != l->region) continue;
    for (uint32_t k = 0; k < n->nin; k++) of[g->edge.at[n->in + k].i - l->first] = false;
    NodeId owner = n->op == OP_RESULT ? g->edge.at[n->in] : (NodeId){i};
    of[i - l->first] = n->op == OP_RESULT && node_op(g, owner) == OP_LOOP && graph_loop(g, owner).again;
  }
  for (uint32_t k = 0; k < l->carry; k++) of[graph_in(g, l->yield)[k].i - l->first] = false;
  return of;
}

static void keep(Writer *w, NodeId n, Arena *a) {
  uint32_t *hand = &w->hand[n.i - w->l.first];
  if (*hand) return;
  VEC_PUSH(a, &w->more, n);
  *hand = w->l.nresult + w->more.n;
}

/* What is kept instead, so that everything dropped can be computed. */
static void choose(const Graph *g, Writer *w, Arena *a) {
  LoopInfo *l = &w->l;
  uint32_t n = l->yield.i + 1 - l->first;
  const bool *fixed = fixed_nodes(g, l, a);
  bool *need = ARENA_ARRAY(a, bool, n);
  for (uint32_t k = l->carry; k < l->nresult; k++) {
    NodeId y = graph_in(g, l->yield)[k];
    if (w->drop[k]) need[y.i - l->first] = true;
  }
  for (uint32_t k = l->carry; k < l->nresult; k++) {
    NodeId y = graph_in(g, l->yield)[k];
    if (!w->drop[k] && !need[y.i - l->first]) w->hand[y.i - l->first] = k + 1;
  }
  for (uint32_t i = l->yield.i; i-- > l->first;) {
    const Node *x = &g->node.at[i];
    if (!need[i - l->first] || x->region != l->region || w->hand[i - l->first]) continue;
    bool inner = x->op == OP_LOOP && !repeated(l) && graph_loop(g, (NodeId){i}).again;
    for (uint32_t k = op_regions((Op)x->op); k < x->nin; k++) {
      NodeId in = g->edge.at[x->in + k];
      need[in.i - l->first] = true;
      bool param = node_op(g, in) == OP_PARAM;
      if (inner && !param && !fixed[in.i - l->first]) keep(w, in, a);
    }
    if (i - l->first < l->carry) keep(w, (NodeId){i}, a);
  }
}

static Writer *writer_of(Remat *m, NodeId loop) {
  Writer **w = &m->writer[loop.i];
  if (*w) return *w;
  *w = ARENA_NEW(m->arena, Writer);
  (*w)->l = graph_loop(m->g, loop);
  (*w)->drop = ARENA_ARRAY(m->arena, bool, (*w)->l.nresult + 1);
  (*w)->hand = ARENA_ARRAY(m->arena, uint32_t, (*w)->l.yield.i + 1 - (*w)->l.first);
  return *w;
}

/* False: there is nothing to do. */
static bool find(Remat *m) {
  const Graph *g = m->g;
  const bool *whole = stacks_read_whole(g, m->arena);
  bool **marked = ARENA_ARRAY(m->arena, bool *, g->node.n), any = false;
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId loop = {i}, by;
    uint32_t result;
    for (uint32_t k = 0; node_op(g, loop) == OP_LOOP && k + 1 < g->node.at[i].nin; k++) {
      if (!stack_writer(g, loop, k, &by, &result) || whole[graph_in(g, loop)[1 + k].i]) continue;
      LoopInfo p = graph_loop(g, by);
      NodeId y = graph_in(g, p.yield)[result];
      if (node_op(g, y) == OP_PARAM) continue;
      if (!marked[by.i]) marked[by.i] = marked_results(g, &p, m->arena);
      if (!repeated(&p) && !marked[by.i][y.i - p.first]) continue;
      writer_of(m, by)->drop[result] = m->reader[i] = any = true;
    }
  }
  for (uint32_t i = 0; i < g->node.n; i++)
    if (m->writer[i]) choose(g, m->writer[i], m->arena);
  return any;
}

/* ---- writing */

/* The writer whose stack parameter k walks along and which drops it; NULL: it stays. */
static Writer *dropped(const Remat *m, NodeId loop, uint32_t k, uint32_t *result) {
  NodeId by;
  if (!stack_writer(m->g, loop, k, &by, result)) return NULL;
  Writer *w = m->writer[by.i];
  return w && w->drop[*result] ? w : NULL;
}

typedef struct Again { /* a writer's body in a reader's */
  Writer *w;
  Copy body;
  bool *need;
} Again;

/* What a reader computes again: by writer. */
static uint32_t collect(Remat *m, NodeId loop, Again *again) {
  LoopInfo l = graph_loop(m->g, loop);
  uint32_t n = 0;
  for (uint32_t k = l.carry; k < l.carry + l.step; k++) {
    uint32_t result, i = 0;
    Writer *w = dropped(m, loop, k, &result);
    if (!w) continue;
    while (i < n && again[i].w != w) i++;
    if (i == n) {
      Copy body = copy_range(m->g, m->c.to, w->l.first, w->l.yield.i + 1);
      again[n++] = (Again){w, body, ARENA_ARRAY(m->arena, bool, w->l.yield.i + 1 - w->l.first)};
    }
    again[i].need[graph_in(m->g, w->l.yield)[result].i - w->l.first] = true;
  }
  for (uint32_t i = 0; i < n; i++) {
    LoopInfo *p = &again[i].w->l;
    bool *stop = ARENA_ARRAY(m->arena, bool, p->yield.i + 1 - p->first);
    for (uint32_t k = 0; k < p->yield.i + 1 - p->first; k++) stop[k] = again[i].w->hand[k];
    body_need(m->g, p, again[i].need, stop);
  }
  return n;
}

/* Of a writer what a reader is given: stacks, what the writer walks along; or what is the same in each step.
 */
static void give(Remat *m, Again *x, NodeId by, Wide *w, bool steps) {
  const Graph *g = m->g;
  LoopInfo *p = &x->w->l;
  Builder b = {m->c.to, graph_node(g, by)->location, NO_NODE};
  for (uint32_t i = p->first; i < p->yield.i; i++) {
    if (!x->need[i - p->first] || g->node.at[i].region != p->region) continue;
    uint32_t hand = x->w->hand[i - p->first], k = i - p->first;
    bool param = g->node.at[i].op == OP_PARAM, invariant = param && k >= p->carry + p->step;
    if (invariant ? steps : !steps) continue;
    if (invariant || (param && loop_is_step(p, k)))
      wide_add(w, m->c.map[graph_in(g, by)[1 + k].i], &x->body, (NodeId){i});
    else if (hand)
      wide_add(w, build_op(&b, OP_RESULT, &x->w->made, 1, &(int64_t){hand - 1}, NULL), &x->body, (NodeId){i});
  }
}

static void write_loop(Remat *m, NodeId loop) {
  const Graph *g = m->g;
  Copy *c = &m->c;
  Writer *own = m->writer[loop.i];
  LoopInfo l = graph_loop(g, loop);
  Again *again = ARENA_ARRAY(m->arena, Again, l.step + 1);
  uint32_t n = m->reader[loop.i] ? collect(m, loop, again) : 0, room = l.nparam, nout = 0, result;
  for (uint32_t i = 0; i < n; i++) room += again[i].w->l.yield.i - again[i].w->l.first;
  Wide w = wide_begin(c->to, room);
  wide_old(&w, c, loop, 0, l.carry);
  for (uint32_t k = l.carry; k < l.carry + l.step; k++)
    if (!dropped(m, loop, k, &result)) wide_old(&w, c, loop, k, k + 1);
  for (uint32_t i = 0; i < n; i++)
    give(m, &again[i], (NodeId){g->region.at[again[i].w->l.region].owner}, &w, true);
  w.carry = l.carry, w.step = w.n - l.carry;
  wide_old(&w, c, loop, l.carry + l.step, l.nparam);
  for (uint32_t i = 0; i < n; i++)
    give(m, &again[i], (NodeId){g->region.at[again[i].w->l.region].owner}, &w, false);
  wide_open(&w, graph_node(g, loop)->location);
  for (uint32_t i = 0; i < n; i++) body_copy(&again[i].body, &again[i].w->l, again[i].need);
  for (uint32_t k = l.carry; k < l.carry + l.step; k++) {
    Writer *of = dropped(m, loop, k, &result);
    for (uint32_t i = 0; of && i < n; i++)
      if (again[i].w == of) c->map[l.first + k] = again[i].body.map[graph_in(g, of->l.yield)[result].i];
  }
  body_copy(c, &l, NULL);
  NodeId *out = ARENA_ARRAY(m->arena, NodeId, l.nresult + (own ? own->more.n : 0) + 1);
  for (uint32_t k = 0; k < l.nresult; k++) out[nout++] = c->map[graph_in(g, l.yield)[k].i];
  for (uint32_t k = 0; own && k < own->more.n; k++) out[nout++] = c->map[own->more.at[k].i];
  NodeId primal = graph_node(g, loop)->primal;
  if (node_ok(primal)) primal = c->map[primal.i];
  c->map[loop.i] = wide_close(&w, out, nout, l, graph_node(g, loop)->location, primal);
  if (own) own->made = c->map[loop.i];
}

/* One round: what stands in a loop that is written anew comes later. */
static Graph *round_of(Graph *in, Arena *a, bool *any) {
  Remat m = {.g = in, .arena = a};
  m.writer = ARENA_ARRAY(a, Writer *, in->node.n);
  m.reader = ARENA_ARRAY(a, bool, in->node.n);
  *any = find(&m);
  if (!*any) return in;
  m.c = copy_begin(in, a, false);
  for (uint32_t i = 0; i < in->node.n; i++) {
    uint32_t r = in->node.at[i].region;
    NodeId owner = {r ? in->region.at[r].owner : 0};
    if (r && i == in->region.at[r].first && (m.writer[owner.i] || m.reader[owner.i])) {
      graph_region_follow(m.c.to, in, owner, &m.c.region);
      write_loop(&m, owner);
      i = owner.i;
    } else {
      copy_node(&m.c, (NodeId){i});
    }
  }
  return copy_end(&m.c);
}

static Graph *clear_marks(Graph *in, Arena *a) {
  Copy c = copy_begin(in, a, false);
  for (uint32_t i = 0; i < in->node.n; i++) {
    NodeId n = copy_node(&c, (NodeId){i});
    int64_t trip;
    if (node_op(c.to, n) != OP_LOOP) continue;
    LoopInfo l = graph_loop(c.to, n);
    bool one = dim_is_const(in->program->dims, l.trip, &trip) && trip == 1;
    if (l.again > 0 || (l.again == LOOP_REPEATS && !one)) c.to->attr.at[graph_node(c.to, n)->attr + 5] = 0;
  }
  return copy_end(&c);
}

Graph *pass_remat(Graph *in, PassCx *cx) {
  bool any = false;
  for (uint32_t i = 0; i < in->node.n; i++)
    any |= in->node.at[i].op == OP_LOOP && graph_loop(in, (NodeId){i}).again;
  if (!any) return in;
  while (any) in = round_of(in, cx->arena, &any);
  return clear_marks(in, cx->arena);
}
