/* Reverse mode through loops. A plan takes the body out as a graph of its own and differentiates that like
 * any graph (loops inside included): the joint graph is the primal body, then PARAM nodes that stand for the
 * cotangents of what is yielded and for what the invariants' sums start from, then the reverse body. What the
 * second part reads of the first are the residuals. Made again in the reverse body are constants, what is
 * made of constants and invariants (hoisting moves it out), and what a broadcast or reshape only spreads.
 * Per-step inputs and invariants are read once more as what they are. Everything else becomes a stack, one
 * more result of the augmented loop. The reverse loop walks the other way; it carries the cotangents of the
 * carried values and the gradients of the invariants, which are added in the order in which an unrolled
 * program adds them. */
#include "passes/autodiff/internal.h"

struct LoopPlan {
  LoopInfo l; /* in from; of a loop */
  Graph *joint;
  uint32_t primal; /* nodes of joint before it are the primal body */
  NodeId *map;     /* by parameter: in joint */
  NodeId *out;     /* by result: in joint */
  NodeId *cot;     /* by result: its cotangent in joint; NO_NODE: it has none */
  NodeId *start;   /* by parameter: what an invariant's sum starts from */
  NodeId *dx;      /* by parameter: its cotangent in joint */
  bool *live;      /* by node of joint: the reverse body needs it */
  uint32_t *slot;  /* by node of joint: the result of the augmented loop that keeps it; 0: none (see kept) */
  bool *kept;
  NodeId *stack; /* by node of joint: that result; written with the loop, so that a loop around can keep it */
  NodeId *where; /* by node of joint: in the augmented loop */
  uint32_t nresult;
};

/* The body as a graph: PARAM k is node k, the YIELD is the last and the root. */
static Graph *extract(const Graph *g, const Region *r, Arena *a) {
  Copy c = copy_range(g, graph_beside(g, a), r->first, r->end);
  uint32_t own = g->node.at[r->first].region;
  c.region = own; /* regions are followed from the body's own on */
  for (uint32_t i = r->first; i < r->end; i++) copy_node(&c, (NodeId){i});
  graph_root(c.to, ROOT_OUTPUT, (Sym){0}, (LeafId){0}, c.map[r->end - 1], (Span){0});
  return c.to;
}

/* A loop that ends early as one that takes all steps: behind its end the body hands on what is carried. */
static Graph *choosing(Graph *body, uint32_t nparam, Arena *a) {
  Graph *to = graph_beside(body, a);
  NodeId yield = {body->node.n - 1}, *in = ARENA_ARRAY(a, NodeId, nparam + 3);
  NodeId *out = ARENA_ARRAY(a, NodeId, graph_node(body, yield)->nin);
  uint32_t n = graph_node(body, yield)->nin;
  Builder b = {to, graph_node(body, yield)->location, NO_NODE};
  for (uint32_t k = 0; k < nparam; k++)
    in[3 + k] = build_op(&b, OP_PARAM, NULL, 0, &(int64_t){k}, &body->node.at[k].type);
  for (uint32_t side = 0; side < 2; side++) {
    graph_region_open(to);
    Copy c = copy_into(body, to);
    for (uint32_t i = 0; i < (side ? nparam : body->node.n); i++) copy_node(&c, (NodeId){i});
    for (uint32_t k = 0; k < n && side; k++) out[k] = c.map[k];
    in[side] = side ? build_op(&b, OP_YIELD, out, n, NULL, NULL) : c.map[yield.i];
    graph_region_close(to);
  }
  in[2] = in[3]; /* carried value 0 */
  NodeId cond = build_op(&b, OP_COND, in, nparam + 3, NULL, NULL);
  for (uint32_t k = 0; k < n; k++) out[k] = build_op(&b, OP_RESULT, &cond, 1, &(int64_t){k}, NULL);
  NodeId end = build_op(&b, OP_YIELD, out, n, NULL, NULL);
  graph_root(to, ROOT_OUTPUT, (Sym){0}, (LeafId){0}, end, (Span){0});
  return to;
}

Level level_begin(const Graph *from, Arena *a) {
  Level v = {.from = from, .copy = copy_begin(from, a, false)};
  v.to = v.copy.to;
  v.wanted = ARENA_ARRAY(a, bool, from->node.n);
  v.hot = ARENA_ARRAY(a, bool, from->node.n);
  v.plan = ARENA_ARRAY(a, LoopPlan *, from->node.n);
  map_init(&v.planned, a);
  return v;
}

/* ---- planning */

/* What the reverse body is made of, and what each step keeps for it. */
static void choose(LoopPlan *p, Arena *a) {
  const Graph *g = p->joint;
  LoopInfo l = p->l;
  bool *fixed = ARENA_ARRAY(a, bool, p->primal); /* the same in every step */
  p->live = ARENA_ARRAY(a, bool, g->node.n);
  p->kept = ARENA_ARRAY(a, bool, g->node.n);
  p->slot = ARENA_ARRAY(a, uint32_t, g->node.n);
  for (uint32_t i = 0; i < p->primal; i++) {
    const Node *n = &g->node.at[i];
    fixed[i] = n->op == OP_PARAM ? graph_attr(g, (NodeId){i})[0] >= l.carry + l.step : n->op != OP_LOOP;
    for (uint32_t k = 0; k < n->nin; k++) fixed[i] &= fixed[g->edge.at[n->in + k].i];
  }
  for (uint32_t k = 0; k < l.nparam; k++)
    if (node_ok(p->dx[k])) p->live[p->dx[k].i] = true;
  for (uint32_t i = g->node.n; i-- > 0;) {
    if (!p->live[i]) continue;
    const Node *n = &g->node.at[i];
    bool param = n->op == OP_PARAM, carried = param && graph_attr(g, (NodeId){i})[0] < l.carry;
    bool moved = n->op == OP_BROADCAST || n->op == OP_RESHAPE; /* made again from what is smaller */
    if (i < p->primal && !n->region) p->kept[i] = param ? carried : !fixed[i] && !moved;
    if (!p->kept[i]) graph_mark_read(g, i, p->live);
  }
}

static NodeId add_param(Graph *g, uint32_t k, Type t, LocationId location) {
  return graph_add(g, OP_PARAM, t, NULL, 0, &(int64_t){k}, location, NO_NODE);
}

/* One region differentiated: the cotangents of what it is read for (seed) by the parameters in want, of which
 * those from `fixed` on are sums that start somewhere. */
static LoopPlan *differentiate(const Graph *from, uint32_t region, const bool *want, uint32_t nparam,
                               uint32_t fixed, const bool *seed, LocationId location, Arena *a) {
  LoopPlan *p = ARENA_NEW(a, LoopPlan);
  const Region *r = &from->region.at[region];
  NodeId owner = {r->owner};
  Graph *body = extract(from, r, a);
  if (node_op(from, owner) == OP_LOOP && graph_loop(from, owner).ends) body = choosing(body, nparam, a);
  NodeId end = {body->node.n - 1};
  const NodeId *y = graph_in(body, end);
  uint32_t nresult = graph_node(body, end)->nin;
  Level w = level_begin(body, a);
  memcpy(w.wanted, want, nparam);
  for (uint32_t k = 0; k < nresult; k++) w.hot[y[k].i] |= seed[k];
  level_plan(&w);
  for (uint32_t i = 0; i < end.i; i++)
    if (!level_augmented(&w, &i)) copy_node(&w.copy, (NodeId){i});
  Graph *j = p->joint = w.to;
  p->map = w.copy.map;
  p->out = ARENA_ARRAY(a, NodeId, nresult);
  for (uint32_t k = 0; k < nresult; k++) p->out[k] = p->map[y[k].i];
  p->primal = j->node.n;
  p->cot = ARENA_ARRAY(a, NodeId, nresult);
  p->start = ARENA_ARRAY(a, NodeId, nparam);
  p->dx = ARENA_ARRAY(a, NodeId, nparam);
  Sweep s = sweep_begin(&w, p->primal);
  Builder b = {j, location, NO_NODE};
  for (uint32_t k = 0; k < nparam; k++) {
    NodeId x = p->map[k];
    s.wanted[x.i] = want[k];
    p->start[k] =
        want[k] && k >= fixed ? add_param(j, nparam + nresult + k, j->node.at[x.i].type, location) : NO_NODE;
    s.cotangent[x.i] = p->start[k];
  }
  for (uint32_t k = 0; k < nresult; k++) {
    NodeId x = p->out[k];
    p->cot[k] = seed[k] ? add_param(j, nparam + k, graph_node(j, x)->type, location) : NO_NODE;
    if (seed[k]) sweep_add(&s, &b, x, p->cot[k]);
  }
  sweep_run(&s);
  for (uint32_t k = 0; k < nparam; k++) p->dx[k] = want[k] ? s.cotangent[p->map[k].i] : NO_NODE;
  return p;
}

static LoopPlan *make_plan(Level *v, NodeId loop, const bool *hot) {
  const Graph *g = v->from;
  Arena *a = v->to->arena;
  LoopInfo l = graph_loop(g, loop);
  const NodeId *y = graph_in(g, l.yield);
  int64_t trip;
  if (dim_is_const(g->program->dims, l.trip, &trip) && trip == LOOP_UNBOUNDED)
    BUG(a->mem, "the derivative of a loop without bound");
  bool *seed = ARENA_ARRAY(a, bool, l.nresult);
  for (uint32_t k = 0; k < l.nresult; k++)
    seed[k] = is_real(g, y[k]) && (k < l.carry ? v->wanted[l.first + k] : hot[k] && v->wanted[y[k].i]);
  LoopPlan *p = differentiate(g, l.region, v->wanted + l.first, l.nparam, l.carry + l.step, seed,
                              graph_node(g, loop)->location, a);
  p->l = l;
  choose(p, a);
  return p;
}

void level_plan(Level *v) {
  const Graph *g = v->from;
  uint32_t n = g->node.n;
  Arena *a = v->to->arena;
  bool **hot = ARENA_ARRAY(a, bool *, n); /* by LOOP, by result */
  autodiff_mark(g, n, v->wanted);
  for (uint32_t i = n; i-- > 0;) {
    if (!v->hot[i]) continue;
    const NodeId *in = graph_in(g, (NodeId){i});
    for (uint32_t k = op_regions((Op)g->node.at[i].op); k < g->node.at[i].nin; k++) v->hot[in[k].i] = true;
    if (g->node.at[i].op != OP_RESULT || node_op(g, in[0]) != OP_LOOP) continue;
    if (!hot[in[0].i]) hot[in[0].i] = ARENA_ARRAY(a, bool, graph_loop(g, in[0]).nresult);
    hot[in[0].i][graph_attr(g, (NodeId){i})[0]] = true;
  }
  for (uint32_t i = 0; i < n; i++)
    if (g->node.at[i].op == OP_LOOP && !g->node.at[i].region && v->hot[i] && v->wanted[i])
      v->plan[i] = make_plan(v, (NodeId){i}, hot[i]);
}

/* ---- the augmented loop */

/* What has as many axes as there may be is kept as a row: the stack of it has one more. */
static Type kept_type(Graph *g, Type t) {
  if (t.rank < MAX_RANK) return t;
  DimId n = type_count(g->program->dims, &t);
  t = type_scalar((DType)t.dtype);
  t.rank = 1;
  t.dim[0] = n;
  return t;
}

static NodeId add_loop(Builder *b, NodeId *in, uint32_t nin, DimId trip, uint32_t carry, uint32_t step,
                       bool reverse, int64_t again) {
  return build_op(b, OP_LOOP, in, nin, (int64_t[]){trip.i, carry, step, reverse, 0, again}, NULL);
}

static void augment(Level *v, NodeId loop, LoopPlan *p) {
  Graph *to = v->to, *j = p->joint;
  Arena *a = to->arena;
  LoopInfo l = p->l;
  Builder b = {to, graph_node(v->from, loop)->location, NO_NODE};
  NodeId *in = ARENA_ARRAY(a, NodeId, l.nparam + 1), *out = ARENA_ARRAY(a, NodeId, l.nresult + p->primal);
  bool *need = ARENA_ARRAY(a, bool, p->primal);
  for (uint32_t k = 0; k < l.nparam; k++) in[1 + k] = v->copy.map[graph_in(v->from, loop)[1 + k].i];
  p->nresult = l.nresult;
  for (uint32_t k = 0; k < l.nresult; k++) out[k] = p->out[k];
  for (uint32_t i = 0; i < p->primal; i++) {
    if (!p->kept[i]) continue;
    for (uint32_t k = l.carry; k < l.nresult && !p->slot[i]; k++)
      if (out[k].i == i) p->slot[i] = k + 1; /* a result already */
    if (p->slot[i]) continue;
    out[p->nresult++] = (NodeId){i};
    p->slot[i] = p->nresult;
  }
  for (uint32_t k = 0; k < p->nresult; k++) need[out[k].i] = true;
  for (uint32_t k = 0; k < l.nparam; k++) need[p->map[k].i] = true;
  for (uint32_t i = p->primal; i-- > 0;)
    if (need[i]) graph_mark_read(j, i, need);
  copy_follow(&v->copy, loop);
  graph_region_open(to);
  Copy c = copy_into(j, to);
  for (uint32_t i = 0; i < p->primal; i++)
    if (need[i]) copy_node(&c, (NodeId){i});
  p->where = c.map;
  for (uint32_t k = 0; k < p->nresult; k++) {
    out[k] = c.map[out[k].i];
    if (k >= l.nresult) out[k] = build_reshape(&b, out[k], kept_type(to, graph_node(to, out[k])->type));
  }
  in[0] = build_op(&b, OP_YIELD, out, p->nresult, NULL, NULL);
  graph_region_close(to);
  NodeId of = graph_node(v->from, loop)->primal; /* itself the way back through another one */
  b.primal = node_ok(of) ? v->copy.map[of.i] : NO_NODE;
  NodeId r = add_loop(&b, in, l.nparam + 1, l.trip, l.carry, l.step, l.reverse, l.again);
  v->copy.map[loop.i] = r;
  p->stack = ARENA_ARRAY(a, NodeId, p->primal);
  for (uint32_t i = 0; i < p->primal; i++)
    if (p->kept[i]) p->stack[i] = build_op(&b, OP_RESULT, &r, 1, &(int64_t){p->slot[i] - 1}, NULL);
  map_put(&v->planned, r.i, v->plans.n);
  VEC_PUSH(a, &v->plans, p);
}

bool level_augmented(Level *v, uint32_t *i) {
  uint32_t owner = graph_outermost(v->from, *i);
  if (!v->plan[owner]) return false;
  augment(v, (NodeId){owner}, v->plan[owner]);
  *i = owner;
  return true;
}

/* ---- the reverse loop */

typedef struct Args { /* of the reverse loop: what goes in, and which node of joint it is inside */
  NodeId *in, *inside;
  uint32_t n;
} Args;

static void arg(Args *x, NodeId in, NodeId inside) {
  x->in[1 + x->n] = in;
  x->inside[x->n++] = inside;
}

static NodeId or_zero(Builder *b, NodeId x, Type t) { return node_ok(x) ? x : build_const(b, t, 0); }

/* The live nodes of joint that are not mapped yet. begins: sums that start here, with what is first added. */
static void copy_reverse(const LoopPlan *p, Copy *c, Builder *b, const bool *begins) {
  const Graph *j = p->joint;
  for (uint32_t i = p->primal; i < j->node.n; i++) /* loops within go on with it */
    for (uint32_t k = 0; p->live[i] && k < j->node.at[i].nin; k++) {
      NodeId in = graph_in(j, (NodeId){i})[k];
      if (begins[in.i] && (k || j->node.at[i].op != OP_ADD) && !node_ok(c->map[in.i]))
        c->map[in.i] = build_const(b, graph_node(j, in)->type, 0);
    }
  for (uint32_t i = 0; i < j->node.n; i++) {
    if (!p->live[i] || node_ok(c->map[i]) || begins[i]) continue;
    NodeId sum = j->node.at[i].op == OP_ADD ? graph_in(j, (NodeId){i})[0] : NO_NODE;
    if (node_ok(sum) && begins[sum.i] && !node_ok(c->map[sum.i])) {
      c->map[i] = c->map[graph_in(j, (NodeId){i})[1].i];
      continue;
    }
    NodeId n = copy_node(c, (NodeId){i}), of = j->node.at[i].primal;
    if (node_ok(of) && of.i < p->primal) c->to->node.at[n.i].primal = p->where[of.i];
  }
}

void sweep_loop(Sweep *s, NodeId loop, const NodeId *cotangent) {
  uint32_t at;
  if (!map_get(&s->level->planned, loop.i, &at)) return; /* nothing in it is differentiated */
  LoopPlan *p = s->level->plans.at[at];
  Graph *g = s->g, *j = p->joint;
  Arena *a = s->arena;
  LoopInfo l = p->l;
  Builder b = {g, graph_node(g, loop)->location, loop};
  NodeId *x = ARENA_ARRAY(a, NodeId, l.nparam); /* the loop's operands */
  for (uint32_t k = 0; k < l.nparam; k++) x[k] = graph_in(g, loop)[1 + k];
  uint32_t room = l.nparam + l.nparam + l.nresult + p->primal;
  Args q = {ARENA_ARRAY(a, NodeId, room + 1), ARENA_ARRAY(a, NodeId, room), 0};
  uint32_t inv = l.carry + l.step;
  int64_t trip;
  bool one = dim_is_const(g->program->dims, l.trip, &trip) && trip == 1;
  bool *plain = ARENA_ARRAY(a, bool, l.nparam); /* of one step: a sum that starts with what it gets */
  for (uint32_t k = 0; k < l.carry; k++)
    if (node_ok(p->cot[k])) arg(&q, or_zero(&b, cotangent[k], j->node.at[p->cot[k].i].type), p->cot[k]);
  for (uint32_t k = inv; k < l.nparam; k++) {
    if (!node_ok(p->start[k])) continue;
    NodeId sum = s->wanted[x[k].i] ? s->cotangent[x[k].i] : NO_NODE;
    plain[k] = one && !node_ok(sum);
    if (plain[k]) continue;
    arg(&q, or_zero(&b, sum, graph_node(g, x[k])->type), p->start[k]);
    if (node_ok(sum)) s->cotangent[x[k].i] = NO_NODE; /* it goes on inside */
  }
  uint32_t carry = q.n;
  for (uint32_t k = l.carry; k < l.nresult; k++)
    if (node_ok(p->cot[k]) && p->live[p->cot[k].i])
      arg(&q, or_zero(&b, cotangent[k], type_stacked(j->node.at[p->cot[k].i].type, l.trip)), p->cot[k]);
  uint32_t kept = q.n;
  for (uint32_t i = 0; i < p->primal; i++)
    if (p->kept[i]) arg(&q, p->stack[i], (NodeId){i});
  uint32_t kept_end = q.n;
  for (uint32_t k = l.carry; k < inv; k++)
    if (p->live[p->map[k].i]) arg(&q, x[k], p->map[k]);
  uint32_t step = q.n - carry;
  for (uint32_t k = inv; k < l.nparam; k++)
    if (p->live[p->map[k].i]) arg(&q, x[k], p->map[k]);

  graph_region_open(g);
  Copy c = copy_into(j, g);
  for (uint32_t k = 0; k < q.n; k++) {
    Type t = j->node.at[q.inside[k].i].type;
    c.map[q.inside[k].i] = add_param(g, k, k >= kept && k < kept_end ? kept_type(g, t) : t, b.location);
  }
  for (uint32_t k = kept; k < kept_end; k++) {
    NodeId *in = &c.map[q.inside[k].i];
    *in = build_reshape(&b, *in, j->node.at[q.inside[k].i].type);
  }
  bool *begins = ARENA_ARRAY(a, bool, j->node.n);
  for (uint32_t k = inv; k < l.nparam; k++)
    if (plain[k]) begins[p->start[k].i] = true;
  copy_reverse(p, &c, &b, begins);
  NodeId *out = ARENA_ARRAY(a, NodeId, carry + l.nparam + 1);
  uint32_t n = 0;
  for (uint32_t k = 0; k < l.nparam; k++) { /* carries, invariants; then per-step inputs */
    if (k < l.carry ? !node_ok(p->cot[k]) : k < inv || !node_ok(p->start[k]) || plain[k]) continue;
    out[n++] = or_zero(&b, node_ok(p->dx[k]) ? c.map[p->dx[k].i] : NO_NODE, graph_node(j, p->map[k])->type);
  }
  for (uint32_t k = l.carry; k < l.nparam; k++) {
    if (k < inv && node_ok(p->dx[k])) out[n++] = c.map[p->dx[k].i];
    if (plain[k]) out[n++] = or_zero(&b, c.map[p->dx[k].i], graph_node(j, p->map[k])->type);
  }
  q.in[0] = build_op(&b, OP_YIELD, out, n, NULL, NULL);
  graph_region_close(g);
  NodeId r = add_loop(&b, q.in, q.n + 1, l.trip, carry, step, !l.reverse,
                      l.again == 1 || l.again == LOOP_REPEATS ? LOOP_REPEATS : 0);
  n = 0;
  for (int steps = 0; steps < 2; steps++)
    for (uint32_t k = 0; k < l.nparam; k++) {
      bool is_step = (k >= l.carry && k < inv) || plain[k];
      if (is_step != steps || !node_ok(k < l.carry ? p->cot[k] : is_step ? p->dx[k] : p->start[k])) continue;
      int64_t of = n++;
      if (!s->wanted[x[k].i]) continue;
      NodeId dx = build_op(&b, OP_RESULT, &r, 1, &of, NULL);
      sweep_add(s, &b, x[k], plain[k] ? build_reshape(&b, dx, graph_node(g, x[k])->type) : dx);
    }
}

/* A condition's reverse is a condition: each body runs the primal one again and then backwards, so that
 * nothing is kept but what both see. */
void sweep_cond(Sweep *s, NodeId cond, const NodeId *cotangent) {
  Graph *g = s->g;
  Arena *a = s->arena;
  uint32_t n = graph_node(g, cond)->nin, nparam = n - 3, nresult = graph_node(g, graph_in(g, cond)[0])->nin;
  uint32_t most = 3 + nparam + nparam + nresult;
  NodeId *x = ARENA_ARRAY(a, NodeId, n), *in = ARENA_ARRAY(a, NodeId, most),
         *out = ARENA_ARRAY(a, NodeId, nparam);
  for (uint32_t k = 0; k < n; k++) x[k] = graph_in(g, cond)[k];
  bool *want = ARENA_ARRAY(a, bool, nparam), *seed = ARENA_ARRAY(a, bool, nresult);
  Builder b = {g, graph_node(g, cond)->location, cond};
  uint32_t nin = 3, nout = 0;
  in[2] = x[2];
  for (uint32_t k = 0; k < nresult; k++)
    if ((seed[k] = node_ok(cotangent[k]))) in[nin++] = cotangent[k];
  for (uint32_t k = 0; k < nparam; k++) {
    want[k] = s->wanted[x[3 + k].i] && is_real(g, x[3 + k]);
    if (!want[k]) continue;
    NodeId *sum = &s->cotangent[x[3 + k].i];
    in[nin++] = or_zero(&b, *sum, graph_node(g, x[3 + k])->type);
    *sum = NO_NODE;
  }
  for (uint32_t k = 0; k < nparam; k++) in[nin++] = x[3 + k];
  for (uint32_t r = 0; r < 2; r++) {
    LoopPlan *p = differentiate(g, graph_node(g, x[r])->region, want, nparam, 0, seed, b.location, a);
    Graph *j = p->joint;
    bool *live = ARENA_ARRAY(a, bool, j->node.n);
    for (uint32_t k = 0; k < nparam; k++)
      if (want[k]) live[p->dx[k].i] = true;
    for (uint32_t i = j->node.n; i-- > 0;)
      if (live[i]) graph_mark_read(j, i, live);
    graph_region_open(g);
    Copy c = copy_into(j, g);
    uint32_t at = 0;
    for (uint32_t k = 0; k < nresult; k++)
      if (seed[k]) c.map[p->cot[k].i] = add_param(g, at++, j->node.at[p->cot[k].i].type, b.location);
    for (uint32_t k = 0; k < nparam; k++)
      if (want[k]) c.map[p->start[k].i] = add_param(g, at++, j->node.at[p->start[k].i].type, b.location);
    for (uint32_t k = 0; k < nparam; k++)
      c.map[p->map[k].i] = add_param(g, at++, j->node.at[p->map[k].i].type, b.location);
    const Region *body = &g->region.at[graph_node(g, x[r])->region];
    NodeId *where = ARENA_ARRAY(a, NodeId, p->primal); /* in that body */
    for (uint32_t i = 0; i < p->primal; i++) where[i] = NO_NODE;
    for (uint32_t i = body->first; i < body->end; i++)
      if (node_ok(p->map[i - body->first])) where[p->map[i - body->first].i] = (NodeId){i};
    for (uint32_t i = 0; i < j->node.n; i++) {
      if (!live[i] || node_ok(c.map[i])) continue;
      NodeId copy = copy_node(&c, (NodeId){i}), of = j->node.at[i].primal;
      if (node_ok(of) && of.i < p->primal && node_ok(where[of.i])) g->node.at[copy.i].primal = where[of.i];
    }
    nout = 0;
    for (uint32_t k = 0; k < nparam; k++)
      if (want[k]) out[nout++] = c.map[p->dx[k].i];
    in[r] = build_op(&b, OP_YIELD, out, nout, NULL, NULL);
    graph_region_close(g);
  }
  NodeId made = build_op(&b, OP_COND, in, nin, NULL, NULL);
  nout = 0;
  for (uint32_t k = 0; k < nparam; k++) {
    if (!want[k]) continue;
    int64_t of = nout++;
    sweep_add(s, &b, x[3 + k], build_op(&b, OP_RESULT, &made, 1, &of, NULL));
  }
}

/* ---- GRAD nodes in bodies */

Graph *autodiff_bodies(Graph *g, Arena *a) {
  bool *has = ARENA_ARRAY(a, bool, g->node.n), any = false; /* by LOOP */
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].region && g->node.at[i].op == OP_GRAD) any = has[graph_outermost(g, i)] = true;
  if (!any) return g;
  Copy c = copy_begin(g, a, false);
  for (uint32_t i = 0; i < g->node.n; i++) {
    uint32_t owner = graph_outermost(g, i);
    if (owner == i || !has[owner]) {
      copy_node(&c, (NodeId){i});
      continue;
    }
    for (uint32_t k = 0; k < op_regions(node_op(g, (NodeId){owner})); k++) {
      const Region *r = &g->region.at[graph_node(g, graph_in(g, (NodeId){owner})[k])->region];
      Graph *body = autodiff_graph(extract(g, r, a), a);
      graph_region_open(c.to);
      Copy d = copy_into(body, c.to);
      for (uint32_t n = 0; n < body->node.n; n++) copy_node(&d, (NodeId){n});
      graph_region_close(c.to);
      c.map[r->end - 1] = d.map[body->node.n - 1];
    }
    i = owner - 1;
  }
  return copy_end(&c);
}
