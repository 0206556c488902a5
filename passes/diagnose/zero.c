/* Zero propagation: the gradient of each loss on a private, differentiated copy, simplified to values. A
 * parameter whose gradient is the literal 0 is dead, whatever the inputs are. */
#include "passes/diagnose/zero.h"

#include "base/hash.h"
#include "ir/graph/region.h"
#include "passes/pass.h"

enum { PRIMALS = 8, LOOP_TURNS = 3 };

NodeId zero_primal(const Graph *g, NodeId n) {
  for (int i = 0; i < PRIMALS && node_ok(graph_node(g, n)->primal); i++) n = graph_node(g, n)->primal;
  return n;
}

uint32_t zero_cause(Diagnose *x, Cause c) {
  const Graph *g = x->view.at[c.view].grad;
  Span at = node_ok(c.at) ? graph_user_span(g, x->p->sources, c.at) : (Span){0};
  uint64_t word[5] = {c.kind, at.file, at.lo, at.hi, c.leaf.i};
  if (node_ok(c.at) && !at.file) word[1] = (uint64_t)c.view << 32 | c.at.i;
  uint64_t key = hash_bytes(word, sizeof word, 0);
  uint32_t id;
  if (map_get(&x->cause_index, key, &id)) return id;
  map_put(&x->cause_index, key, x->cause.n);
  VEC_PUSH(x->arena, &x->cause, c);
  return x->cause.n - 1;
}

typedef struct Explain {
  Diagnose *x;
  uint32_t view;
  const Graph *g;
  const ValueId *of;
  Why *why;
} Explain;

static bool zero_at(const Explain *e, NodeId n) { return value_is_zero(&e->x->values, e->of[n.i]); }

/* A literal that a derivative brought along: no reason by itself. */
static bool brought(const Explain *e, NodeId n) {
  while (node_op(e->g, n) == OP_BROADCAST || node_op(e->g, n) == OP_RESHAPE) n = graph_in(e->g, n)[0];
  return node_op(e->g, n) == OP_CONST && node_ok(graph_node(e->g, n)->primal);
}

/* Every axis along which the node reduces or normalises has extent 1. */
static bool over_one(const Explain *e, NodeId n) {
  const Graph *g = e->g;
  Op op = node_op(g, n);
  if (!graph_node(g, n)->nin) return false;
  const Type *t = &graph_node(g, graph_in(g, n)[0])->type;
  uint32_t mask = 0;
  switch (op) {
  case OP_SUM:
  case OP_MEAN:
  case OP_MAX:
  case OP_MIN: mask = (uint32_t)graph_attr(g, n)[0]; break;
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_LOGSUMEXP: mask = UINT32_C(1) << graph_attr(g, n)[0]; break;
  case OP_CROSS_ENTROPY: mask = UINT32_C(1) << (t->rank - 1); break;
  default: return false; /* default: no reduction */
  }
  for (uint32_t i = 0; i < t->rank; i++)
    if ((mask >> i & 1) && !shape_one(&e->x->values, t->dim[i])) return false;
  return mask != 0;
}

/* Below a difference: the reduction over axes of extent 1 that makes its two sides equal. */
static NodeId same_by_shape(const Explain *e, NodeId n) {
  for (uint32_t k = 0; k < graph_node(e->g, n)->nin; k++) {
    NodeId in = graph_in(e->g, n)[k];
    for (int i = 0; i < 6; i++) {
      Op op = node_op(e->g, in);
      if (over_one(e, in)) return in;
      if (op != OP_BROADCAST && op != OP_RESHAPE && op != OP_STOP && op != OP_NAME && op != OP_CHECKPOINT &&
          op != OP_NEG)
        break;
      in = graph_in(e->g, in)[0];
    }
  }
  return NO_NODE;
}

/* The node itself is where the value ends. */
static Why own(const Explain *e, NodeId n) {
  NodeId p = zero_primal(e->g, n), by = NO_NODE;
  Cause c = {.kind = CAUSE_CANCEL, .view = e->view, .at = p, .leaf = {UINT32_MAX}};
  Op op = node_op(e->g, p);
  if (over_one(e, p)) {
    c.kind = CAUSE_SHAPE;
  } else if (op == OP_SUB || op == OP_ADD) {
    by = same_by_shape(e, p);
    if (node_ok(by)) c = (Cause){.kind = CAUSE_SHAPE, .view = e->view, .at = by, .leaf = {UINT32_MAX}};
  } else if (op == OP_CONST) {
    c.kind = CAUSE_LITERAL;
  } else if (op == OP_WHERE || op == OP_RELU || op == OP_ABS || op == OP_MAXIMUM || op == OP_MINIMUM ||
             op == OP_LT || op == OP_LE || op == OP_EQ || op == OP_NE || op == OP_RESULT || op == OP_LOOP ||
             op == OP_COND) {
    c.kind = CAUSE_CHOICE;
  } else if (op == OP_SOFTMAX || op == OP_LOG_SOFTMAX || op == OP_LOGSUMEXP || op == OP_CROSS_ENTROPY) {
    c.kind = CAUSE_EQUAL;
  }
  static const uint8_t rank[] = {
      [CAUSE_LITERAL] = 0, [CAUSE_SHAPE] = 1,   [CAUSE_EQUAL] = 2,  [CAUSE_CHOICE] = 3,
      [CAUSE_CANCEL] = 3,  [CAUSE_IGNORED] = 3, [CAUSE_INITIAL] = 4};
  return (Why){rank[c.kind], 1, sets_add(&e->x->sets, 0, zero_cause(e->x, c))};
}

static Why both(const Explain *e, Why a, Why b) {
  if (!a.set) return b;
  if (!b.set) return a;
  uint32_t leaves = (uint32_t)a.leaves + b.leaves;
  return (Why){a.rank > b.rank ? a.rank : b.rank, (uint16_t)(leaves > 9999 ? 9999 : leaves),
               sets_union(&e->x->sets, a.set, b.set)};
}

static Why better(Why a, Why b) {
  if (!a.set) return b;
  if (!b.set) return a;
  return b.rank < a.rank || (b.rank == a.rank && b.leaves < a.leaves) ? b : a;
}

/* Zero, and no reason by itself: a sum that starts there in a loop, or what is made of it. */
static bool mute(const Explain *e, NodeId n) { return zero_at(e, n) && !e->why[n.i].set && !brought(e, n); }

/* Any zero operand is enough. */
static Why any_of(const Explain *e, NodeId n, uint32_t nin) {
  Why w = {0};
  bool silent = false;
  for (uint32_t k = 0; k < nin; k++) {
    NodeId in = graph_in(e->g, n)[k];
    if (zero_at(e, in)) w = better(w, e->why[in.i]);
    silent |= mute(e, in);
  }
  return w.set || silent ? w : own(e, n);
}

/* All operands are zero, or the node is the reason. */
static Why all_of(const Explain *e, NodeId n) {
  Why w = {0};
  bool silent = false;
  for (uint32_t k = 0; k < graph_node(e->g, n)->nin; k++) {
    NodeId in = graph_in(e->g, n)[k];
    if (!zero_at(e, in)) return own(e, n);
    if (!brought(e, in)) w = both(e, w, e->why[in.i]);
    silent |= mute(e, in);
  }
  return w.set || silent ? w : own(e, n);
}

/* What decides a condition: values that are zero, or the condition itself. */
static Why decided(const Explain *e, NodeId n, NodeId condition) {
  Why w = {0};
  NodeId c = condition;
  while (node_op(e->g, c) == OP_BROADCAST || node_op(e->g, c) == OP_NOT) c = graph_in(e->g, c)[0];
  for (uint32_t k = 0; k < graph_node(e->g, c)->nin; k++) {
    NodeId in = graph_in(e->g, c)[k];
    if (zero_at(e, in) && !brought(e, in) && node_op(e->g, in) != OP_CONST) w = both(e, w, e->why[in.i]);
  }
  return w.set ? w : own(e, n);
}

/* Of two sides; n: the WHERE, or the RESULT of a condition. */
static Why choice(const Explain *e, NodeId n, NodeId condition, NodeId then, NodeId other) {
  const Values *v = &e->x->values;
  bool yes = value_is(v, e->of[condition.i], 1), no = value_is(v, e->of[condition.i], 0);
  if (zero_at(e, then) && zero_at(e, other)) {
    Why w = {0};
    bool silent = mute(e, then) || mute(e, other);
    if (!brought(e, then)) w = both(e, w, e->why[then.i]);
    if (!brought(e, other)) w = both(e, w, e->why[other.i]);
    return w.set || silent ? w : own(e, n);
  }
  if (!yes && !no) return own(e, n);
  NodeId taken = yes ? then : other;
  if (!brought(e, taken) && !mute(e, taken) && node_op(e->g, taken) != OP_CONST) return e->why[taken.i];
  return decided(e, n, condition);
}

/* What goes into a body. Carried from a start that is no reason: why the next value is (asked before). */
static Why of_param(const Explain *e, NodeId n) {
  uint32_t k = graph_sources(e->g, n);
  if (!k || !zero_at(e, graph_source(e->g, n, 0))) return own(e, n);
  Why w = {0};
  NodeId start = graph_source(e->g, n, 0);
  if (!brought(e, start)) w = e->why[start.i];
  return w.set || k < 2 ? w : e->why[graph_source(e->g, n, 1).i];
}

static Why of_result(const Explain *e, NodeId n) {
  NodeId made = graph_source(e->g, n, 0),
         start = graph_sources(e->g, n) > 1 ? graph_source(e->g, n, 1) : made;
  if (node_op(e->g, graph_in(e->g, n)[0]) == OP_COND)
    return choice(e, n, graph_source(e->g, n, 2), made, start);
  Why w = {0};
  if (!zero_at(e, made)) return own(e, n); /* no step is taken */
  if (!brought(e, made)) w = e->why[made.i];
  if (zero_at(e, start) && !brought(e, start)) w = both(e, w, e->why[start.i]);
  return w;
}

static Why reason(const Explain *e, NodeId n) {
  const Graph *g = e->g;
  const NodeId *in = graph_in(g, n);
  if (node_op(g, n) == OP_PARAM) return of_param(e, n);
  if (node_op(g, n) == OP_RESULT) return of_result(e, n);
  if (node_op(g, n) == OP_GATHER && zero_at(e, in[0])) return e->why[in[0].i];
  if (node_op(g, n) == OP_SCATTER_ADD && zero_at(e, in[0]) && zero_at(e, in[2]))
    return brought(e, in[0]) ? e->why[in[2].i] : both(e, e->why[in[0].i], e->why[in[2].i]);
  switch (node_op(g, n)) {
  case OP_LEAF: {
    Cause c = {.kind = CAUSE_INITIAL, .view = e->view, .at = NO_NODE};
    c.leaf.i = (uint32_t)graph_attr(g, n)[0];
    return (Why){4, 1, sets_add(&e->x->sets, 0, zero_cause(e->x, c))};
  }
  case OP_MUL:
  case OP_CONTRACT:
  case OP_CONV2D:
  case OP_CONV2D_DX:
  case OP_CONV2D_DW: return any_of(e, n, 2);
  case OP_DIV:
  case OP_POW: return any_of(e, n, 1);
  case OP_MAX_POOL2D_DX: return zero_at(e, in[2]) ? e->why[in[2].i] : own(e, n);
  case OP_WHERE: return choice(e, n, in[0], in[1], in[2]);
  case OP_CUSTOM: return e->why[in[0].i];
  default: /* default: zero where its operands are, or by itself */
    return graph_node(g, n)->nin ? all_of(e, n) : own(e, n);
  }
}

Why *zero_reasons(Diagnose *x, uint32_t view, const Graph *g, const ValueId *of) {
  Explain e = {x, view, g, of, ARENA_ARRAY(x->arena, Why, g->node.n)};
  for (int turn = 0; turn < (g->region.n > 1 ? LOOP_TURNS : 1);
       turn++) /* a step's reason is that of the next */
    for (uint32_t i = 0; i < g->node.n; i++)
      if (!value_eq(of[i], NO_VALUE) && zero_at(&e, (NodeId){i})) e.why[i] = reason(&e, (NodeId){i});
  return e.why;
}

static bool any_range(const Program *p) {
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (p->leaf.at[i].range.has) return true;
  return false;
}

/* Zero without what is declared of inputs? Else the verdict rests on it. */
static void by_range(Diagnose *x, View *v) {
  const ValueId *of = values_graph(&x->values, v->grad, NULL, &(LeafFacts){.ranges = false});
  for (uint32_t i = 0; i < x->p->leaf.n; i++) {
    Verdict *p = &v->param[i];
    if (p->flow == FLOW_ZERO && !value_is_zero(&x->values, of[v->grad_of[i].i])) p->by_range = true;
  }
}

void zero_differentiate(Diagnose *x, View *v, Arena *a) {
  bool any = false;
  for (uint32_t i = 0; i < x->p->leaf.n; i++)
    any |= x->p->leaf.at[i].kind == LEAF_PARAM && v->param[i].flow == FLOW_OPEN;
  if (!any) return;
  v->grad_of = ARENA_ARRAY(a, NodeId, x->p->leaf.n);
  ArenaScope scope;
  v->grad = graph_keep(autodiff_leaves(v->g, v->reach.loss, x->p->leaf.n, arena_open(&scope, x->arena->mem),
                                       v->grad_of, &v->grad_loss),
                       a);
  arena_close(&scope);
}

void diagnose_gradients(Diagnose *x) {
  map_init(&x->cause_index, x->arena);
  for (uint32_t i = 0; i < x->view.n; i++) zero_differentiate(x, &x->view.at[i], x->arena);
}

void zero_view(Diagnose *x, uint32_t view) {
  View *v = &x->view.at[view];
  if (!v->grad) return;
  v->value = values_graph(&x->values, v->grad, NULL, &(LeafFacts){.ranges = true});
  const Why *why = NULL;
  for (uint32_t i = 0; i < x->p->leaf.n; i++) {
    Verdict *p = &v->param[i];
    NodeId g = v->grad_of[i];
    if (x->p->leaf.at[i].kind != LEAF_PARAM || p->flow != FLOW_OPEN || !node_ok(g)) continue;
    if (!value_is_zero(&x->values, v->value[g.i])) continue;
    if (!why) why = zero_reasons(x, view, v->grad, v->value);
    p->flow = FLOW_ZERO;
    p->cause = why[g.i].set;
  }
  if (why && any_range(x->p)) by_range(x, v);
  diagnose_invariant(x, view);
}

void diagnose_zero(Diagnose *x) {
  values_init(&x->values, x->p, x->arena);
  for (uint32_t i = 0; i < x->view.n; i++) zero_view(x, i);
}

const char *zero_proof(const Diagnose *x, const Verdict *v) {
  Set set = x->sets.set.at[v->cause];
  if (v->by_range) return "by range";
  for (uint8_t i = 0; i < set.n; i++)
    if (x->cause.at[set.at[i]].kind == CAUSE_SHAPE) return "by shape";
  return "algebraic";
}
