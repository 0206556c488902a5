/* What a step's update does to its parameter, read from the update expression itself, under what every
 * assignment of the file keeps of initial values (fixpoint.h). Every gradient is an unknown of its own (the
 * literal 0 where the loss has none for that parameter). The update has the value of the parameter: idle. It
 * reads no gradient, directly or through a state: blind, and if the first steps provably change the initial
 * value, moves without gradient.
 */
#include "passes/diagnose/rule.h"

#include "ir/graph/region.h"

#include <float.h>
#include <math.h>

enum {
  ROUNDS = 12,           /* then every state is said to read gradients */
  FIRST_NODES = 1000000, /* looked at by first.c */
};

/* Marks what marked nodes read; gradients are leaves here, and a declared rule is its value. */
void rule_cone(const Graph *g, bool *needed) {
  for (uint32_t i = g->node.n; i-- > 0;) {
    if (!needed[i] || g->node.at[i].op == OP_GRAD) continue;
    if (g->node.at[i].op == OP_CUSTOM)
      needed[graph_in(g, (NodeId){i})[0].i] = true;
    else
      graph_mark_read(g, i, needed);
  }
}

/* Is this GRAD node the literal zero: the loss has no path that carries to the place? */
bool rule_no_gradient(const Rules *r, const RuleGraph *at, NodeId grad) {
  const NodeId *in = graph_in(at->g, grad);
  if (!at->view || r->any_gradient) return false;
  if (!node_eq(in[0], at->view->step->loss) || node_op(at->g, in[1]) != OP_LEAF) return false;
  Flow flow = at->view->param[graph_attr(at->g, in[1])[0]].flow;
  return flow < FLOW_ZERO /* a zero of algebra is computed as noise */ || (r->at_rest && flow == FLOW_STUCK);
}

/* ---- values that are no numbers at some step */

static Interval range_of(const Rules *r, ValueId v) { return value_at(r->values, v)->range; }

static bool within(const Node *node, Interval x) {
  double most = node->op == OP_ROUND_BF16 ? 0x1.fep127 : node->type.dtype == DT_F32 ? FLT_MAX : DBL_MAX;
  return x.lo >= -most && x.hi <= most;
}

/* A result larger than the type holds, of operands that are bounded. */
static bool overflows(const Rules *r, const RuleGraph *at, NodeId n, ValueId made) {
  const Node *node = graph_node(at->g, n);
  if (!dtype_is_float((DType)node->type.dtype) || !node->nin) return false;
  for (uint32_t k = 0; k < node->nin; k++)
    if (!within(node, range_of(r, at->of[graph_in(at->g, n)[k].i]))) return false;
  return !within(node, range_of(r, made));
}

/* Is this value, made of the clock and of first values alone, infinite or undefined at some step? What data
 * may do is not asked: such points are outside of the domain. */
static bool breaks(const Rules *r, const RuleGraph *at, NodeId n, ValueId made) {
  const NodeId *from = graph_in(at->g, n);
  uint32_t nin = graph_node(at->g, n)->nin;
  Interval x = nin > 0 ? range_of(r, at->of[from[0].i]) : interval_all(),
           y = nin > 1 ? range_of(r, at->of[from[1].i]) : interval_all();
  bool timed = at->timed[n.i];
  switch (node_op(at->g, n)) {
  case OP_DIV: return at->timed[from[1].i] && y.lo <= 0 && y.hi >= 0;
  case OP_LOG:
  case OP_RSQRT: return timed && x.lo <= 0;
  case OP_SQRT: return timed && x.lo < 0;
  case OP_LOG1P: return timed && x.lo <= -1;
  case OP_POW: return timed && (x.lo < 0 || (x.lo == 0 && y.lo < 0) || overflows(r, at, n, made));
  case OP_EXP:
  case OP_SQUARE:
  case OP_MUL:
  case OP_ADD:
  case OP_SUB: return timed && overflows(r, at, n, made);
  default: return false; /* default: defined everywhere, and no larger than its operands */
  }
}

/* Is operand k part of the value? Of a choice that is decided one side is. */
static bool taken(const Rules *r, const RuleGraph *at, NodeId n, uint32_t k) {
  if (node_op(at->g, n) != OP_WHERE || k == 0) return true;
  ValueId c = at->of[graph_in(at->g, n)[0].i];
  if (!value_is_const(r->values, c)) return true;
  return value_is_zero(r->values, c) == (k == 2);
}

/* ---- the values of one entry point */

typedef struct RuleWalk {
  ValueWalk w; /* first: it is handed back */
  Rules *r;
  RuleGraph *at;
} RuleWalk;

/* What goes into a body, or comes out of one. Carried values are taken to be made of the clock where their
 * starts are. */
static void through_body(RuleGraph *at, NodeId n) {
  uint32_t sources = node_op(at->g, n) == OP_PARAM ? 1 : graph_sources(at->g, n);
  at->timed[n.i] = true;
  for (uint32_t k = 0; k < sources; k++) at->timed[n.i] &= at->timed[graph_source(at->g, n, k).i];
  NodeId from = node_op(at->g, n) == OP_PARAM ? graph_source(at->g, n, 0) : graph_in(at->g, n)[0];
  at->poison[n.i] = at->poison[from.i]; /* of a RESULT: its owner's */
}

/* What a step of a loop breaks, or does in the end, breaks all that comes out. */
static void judge_owner(ValueWalk *w, NodeId n) {
  RuleWalk *x = (RuleWalk *)w;
  RuleGraph *at = x->at;
  const NodeId *in = graph_in(at->g, n);
  uint32_t before = op_before_params(node_op(at->g, n));
  int64_t carried = node_op(at->g, n) == OP_LOOP ? graph_loop(at->g, n).carry : 0;
  at->poison[n.i] = false;
  for (uint32_t k = before; k < graph_node(at->g, n)->nin; k++) at->poison[n.i] |= at->poison[in[k].i];
  for (uint32_t k = 0; k < op_regions(node_op(at->g, n)); k++) {
    const Region *r = &at->g->region.at[graph_node(at->g, in[k])->region];
    bool other = before > 2 && value_is(x->r->values, at->of[in[2].i], k); /* the other side is taken */
    for (uint32_t i = r->first; i + 1 < r->end && !other; i++) {
      const Node *node = &at->g->node.at[i];
      if (!at->needed[i] || node->type.dtype == DT_NONE) continue;
      bool grows = node->op == OP_PARAM && i < r->first + carried && at->timed[i] &&
                   dtype_is_float((DType)node->type.dtype) && !within(node, range_of(x->r, at->of[i]));
      at->poison[n.i] |= at->poison[i] || grows;
    }
  }
}

static ValueId judge_node(ValueWalk *w, NodeId n) {
  RuleWalk *x = (RuleWalk *)w;
  Rules *r = x->r;
  RuleGraph *at = x->at;
  const Node *node = graph_node(at->g, n);
  uint32_t nin = node->op == OP_CUSTOM ? 1 : node->op == OP_GRAD ? 0 : node->nin;
  at->poison[n.i] = false;
  if (node->op == OP_LEAF) {
    LeafId leaf = {(uint32_t)graph_attr(at->g, n)[0]};
    LeafKind kind = program_leaf_at(r->x->p, leaf)->kind;
    bool literal = r->x->first_fact[leaf.i].level == FACT_CONST;
    at->timed[n.i] = literal || kind == LEAF_STEP || kind == LEAF_EPOCH;
    return values_plain(w, n);
  }
  at->timed[n.i] = node->op != OP_GRAD;
  if (node->op == OP_PARAM || node->op == OP_RESULT) {
    through_body(at, n);
    return values_plain(w, n);
  }
  for (uint32_t k = 0; k < nin; k++) {
    NodeId from = graph_in(at->g, n)[k];
    at->timed[n.i] &= at->timed[from.i];
    if (taken(r, at, n, k)) at->poison[n.i] |= at->poison[from.i];
  }
  if (node->op == OP_GRAD && rule_no_gradient(r, at, n)) {
    at->timed[n.i] = true;
    return value_const(w->v, (DType)node->type.dtype, 0);
  }
  ValueId made = values_plain(w, n);
  at->poison[n.i] |= nin && (value_at(w->v, made)->undefined || breaks(r, at, n, made));
  return made;
}

static void evaluate(Rules *r, RuleGraph *at) {
  LeafFacts known = {.is = r->leaf};
  RuleWalk x = {.r = r, .at = at};
  x.w = (ValueWalk){.v = r->values, .g = at->g, .needed = at->needed, .known = &known, .of = at->of};
  x.w.node = judge_node;
  x.w.owner = judge_owner;
  values_walk(&x.w);
}

static void own_arrays(RuleGraph *at, Arena *a) {
  at->of = ARENA_ARRAY(a, ValueId, at->g->node.n + 1);
  at->timed = ARENA_ARRAY(a, bool, at->g->node.n + 1);
  at->poison = ARENA_ARRAY(a, bool, at->g->node.n + 1);
}

void rule_trial(RuleTrial *t, Rules *r, RuleGraph *at, const LeafFact *fact) {
  *t = (RuleTrial){.r = r,
                   .at = at,
                   .outer = r->values,
                   .fact = r->fact,
                   .leaf = r->leaf,
                   .of = at->of,
                   .timed = at->timed,
                   .poison = at->poison};
  values_init(&t->own, r->x->p, arena_open(&t->scope, r->x->arena->mem));
  t->own.exact = t->own.rounds = true;
  own_arrays(at, t->own.arena);
  r->values = &t->own;
  r->fact = fact;
  r->leaf = fixpoint_leaves(r->x, &t->own, fact);
  evaluate(r, at);
}

void rule_trial_end(RuleTrial *t) {
  t->r->values = t->outer;
  t->r->fact = t->fact;
  t->r->leaf = t->leaf;
  t->at->of = t->of;
  t->at->timed = t->timed;
  t->at->poison = t->poison;
  arena_close(&t->scope);
}

static void add_entry(Rules *r, const Entry *e) {
  const Graph *g = e->graph;
  if (!g) return;
  Arena *a = r->values->arena;
  RuleGraph at = {.g = g, .init = e->kind == ENTRY_INIT};
  at.assign = ARENA_ARRAY(a, NodeId, r->x->p->leaf.n);
  at.needed = ARENA_ARRAY(a, bool, g->node.n);
  own_arrays(&at, a);
  for (uint32_t i = 0; i < r->x->p->leaf.n; i++) at.assign[i] = NO_NODE;
  bool any = false;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *root = &g->root.at[i];
    if (root->kind != ROOT_ASSIGN) continue;
    any = at.needed[root->node.i] = true;
    at.assign[root->leaf.i] = root->node;
    if (!at.init) r->assigned[root->leaf.i] = true;
    if (e->kind == ENTRY_GATHER) r->gathered[root->leaf.i] = true;
  }
  for (uint32_t i = 0; i < r->x->view.n; i++)
    if (r->x->view.at[i].step && r->x->view.at[i].source == g) at.view = &r->x->view.at[i];
  if (!any) return;
  rule_cone(g, at.needed);
  VEC_PUSH(a, &r->at, at);
}

/* ---- verdicts */

/* A gradient or data by itself, as it is written. */
static bool reads_as_written(const RuleGraph *at, NodeId n, const bool *leaf, const bool *reads) {
  Op op = node_op(at->g, n);
  if (op == OP_GRAD || op == OP_COTANGENT) return true;
  if (op == OP_LEAF) return leaf[graph_attr(at->g, n)[0]];
  uint32_t nin = op == OP_CUSTOM ? 1 : graph_sources(at->g, n);
  for (uint32_t k = 0; k < nin; k++)
    if (reads[graph_source(at->g, n, k).i]) return true;
  return false;
}

/* Once, where no value comes back to an earlier node. */
static void reading_nodes(const RuleGraph *at, const bool *leaf, bool *reads) {
  for (bool again = true; again;) {
    again = false;
    for (uint32_t i = 0; i < at->g->node.n; i++) {
      if (!at->needed[i] || reads[i] || !reads_as_written(at, (NodeId){i}, leaf, reads)) continue;
      reads[i] = again = true;
    }
    again &= at->g->region.n > 1;
  }
}

/* By value: made of a gradient or of data. */
static void reading_values(const Values *v, const bool *leaf, bool *reads) {
  for (uint32_t i = 0; i < v->n; i++) { /* a value comes after what it is made of */
    const Value *x = value_at(v, (ValueId){i});
    bool atom = x->kind == VALUE_OP, is_leaf = atom && x->op == OP_LEAF;
    reads[i] = is_leaf ? leaf[x->attr[0]] : atom && x->op == OP_COTANGENT;
    for (uint32_t k = 0; k < x->n && !reads[i]; k++) reads[i] = reads[x->term[k].of.i];
  }
}

/* By entry and node: reads a gradient or data, directly or through what is assigned anywhere; as it is
 * written, or by what is left of it. */
static bool **reads_gradient(Rules *r, bool written) {
  const Program *p = r->x->p;
  Arena *a = r->values->arena;
  bool *leaf = ARENA_ARRAY(a, bool, p->leaf.n), **node = ARENA_ARRAY(a, bool *, r->at.n), again = true,
       *value = ARENA_ARRAY(a, bool, r->values->n + 1);
  for (uint32_t i = 0; i < p->leaf.n; i++) leaf[i] = p->leaf.at[i].kind == LEAF_INPUT;
  for (uint32_t e = 0; e < r->at.n; e++) node[e] = ARENA_ARRAY(a, bool, r->at.at[e].g->node.n);
  for (uint32_t round = 0; again; round++) {
    again = false;
    if (!written) reading_values(r->values, leaf, value);
    for (uint32_t e = 0; e < r->at.n; e++) {
      const RuleGraph *at = &r->at.at[e];
      if (at->init) continue;
      if (written) reading_nodes(at, leaf, node[e]);
      for (uint32_t i = 0; i < at->g->node.n && !written; i++)
        if (at->needed[i]) node[e][i] = value[at->of[i].i];
      for (uint32_t i = 0; i < p->leaf.n; i++) {
        if (leaf[i] || !node_ok(at->assign[i])) continue;
        if (!written && r->fact[i].level == FACT_CONST) continue;
        if (round < ROUNDS && !node[e][at->assign[i].i])
          continue; /* of deep chains of states all are said to */
        again = leaf[i] = true;
      }
    }
  }
  return node;
}

bool rule_is_same(const Rules *r, const RuleGraph *at, LeafId param) {
  NodeId u = at->assign[param.i];
  if (at->poison[u.i]) return false;
  return value_eq(at->of[u.i], value_leaf(r->values, param, &(LeafFacts){.is = r->leaf}));
}

/* The new value is the old one only by the rounding to bf16. */
static bool rounds_back(const RuleGraph *at, LeafId param) {
  NodeId u = at->assign[param.i];
  return node_op(at->g, u) == OP_ROUND_BF16 && !value_eq(at->of[graph_in(at->g, u)[0].i], at->of[u.i]);
}

static void judge(Rules *r, RuleGraph *at, const bool *reads, const bool *written, First *first) {
  const TrainStep *step = at->view->step;
  bool *blind = ARENA_ARRAY(r->x->arena, bool, r->x->p->leaf.n),
       *idle = ARENA_ARRAY(r->x->arena, bool, r->x->p->leaf.n);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    Verdict *v = &at->view->param[p.i];
    if (!node_ok(at->assign[p.i])) continue;
    v->rule = RULE_MOVES;
    v->unread = !written[at->assign[p.i].i];
    if (rule_is_same(r, at, p)) {
      v->rule = RULE_IDLE;
      v->lost = rounds_back(at, p);
      idle[p.i] = v->flow >= FLOW_ZERO;
      v->always = v->flow != FLOW_OPEN;
    } else if (at->poison[at->assign[p.i].i]) {
      if (v->flow < FLOW_ZERO) v->rule = RULE_BLIND;
    } else if (!reads[at->assign[p.i].i]) {
      v->rule = RULE_BLIND;
      blind[p.i] = true;
    }
    if (v->rule != RULE_MOVES) v->why = rule_why(r, at, at->assign[p.i]);
  }
  const bool *changes = first_changes(first, at, blind), *rounds = first_rounds(first, at, idle);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    at->view->param[p.i].rounds = rounds[p.i];
    if (changes[p.i]) at->view->param[p.i].rule = RULE_DRIFTS;
  }
}

/* Would a dead parameter's rule give it back for any gradient, too? Some facts rest on there being none. */
static void judge_always(Rules *r, RuleGraph *at) {
  const TrainStep *step = at->view->step;
  bool any = false;
  bool *needed = at->needed;
  at->needed = ARENA_ARRAY(r->x->arena, bool, at->g->node.n);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    const Verdict *v = &at->view->param[p.i];
    if (v->rule != RULE_IDLE || v->flow >= FLOW_ZERO || !node_ok(at->assign[p.i])) continue;
    any = at->needed[at->assign[p.i].i] = true;
  }
  rule_cone(at->g, at->needed);
  if (any) {
    LeafFact *fact = ARENA_ARRAY(r->x->arena, LeafFact, r->x->p->leaf.n);
    for (uint32_t i = 0; i < r->x->p->leaf.n; i++)
      if (!r->assigned[i]) fact[i] = r->fact[i];
    RuleTrial t;
    r->any_gradient = true;
    rule_trial(&t, r, at, fact);
    for (uint32_t i = 0; i < step->owned.n; i++) {
      LeafId p = step->owned.at[i].param;
      Verdict *v = &at->view->param[p.i];
      if (v->flow >= FLOW_ZERO) continue;
      v->always = node_ok(at->assign[p.i]) && at->needed[at->assign[p.i].i] && v->rule == RULE_IDLE &&
                  rule_is_same(r, at, p);
    }
    rule_trial_end(&t);
    r->any_gradient = false;
  }
  at->needed = needed;
}

/* Do rules give back what is stuck? Its gradient is 0 in the program's own arithmetic. */
static void judge_stuck(Rules *r, RuleGraph *at) {
  const TrainStep *step = at->view->step;
  bool any = false;
  for (uint32_t i = 0; i < step->owned.n; i++)
    any |= at->view->param[step->owned.at[i].param.i].flow == FLOW_STUCK;
  if (!any) return;
  RuleTrial t;
  r->at_rest = true;
  rule_trial(&t, r, at, r->fact);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    Verdict *v = &at->view->param[p.i];
    v->decays = v->flow == FLOW_STUCK && node_ok(at->assign[p.i]) && !rule_is_same(r, at, p);
  }
  rule_trial_end(&t);
  r->at_rest = false;
}

void diagnose_rules(Diagnose *x) {
  const Program *p = x->p;
  if (!x->fact) return;
  ArenaScope scope;
  Values values;
  values_init(&values, p, arena_open(&scope, x->arena->mem));
  values.exact = values.rounds = true;
  Rules r = {.x = x, .values = &values, .fact = x->fact};
  r.assigned = ARENA_ARRAY(values.arena, bool, p->leaf.n);
  r.gathered = ARENA_ARRAY(values.arena, bool, p->leaf.n);
  r.leaf = fixpoint_leaves(x, &values, x->fact);
  for (uint32_t e = 0; e < p->entry.n; e++)
    if (p->entry.at[e].kind != ENTRY_EVAL && p->entry.at[e].kind != ENTRY_PREDICT)
      add_entry(&r, &p->entry.at[e]);
  for (uint32_t e = 0; e < r.at.n; e++)
    if (!r.at.at[e].init) evaluate(&r, &r.at.at[e]);
  bool **reads = reads_gradient(&r, false), **written = reads_gradient(&r, true);
  First first = {.r = &r, .budget = FIRST_NODES};
  op_programs_init(&first.programs, values.arena);
  for (uint32_t e = 0; e < r.at.n; e++)
    if (r.at.at[e].view) judge(&r, &r.at.at[e], reads[e], written[e], &first);
  for (uint32_t e = 0; e < r.at.n; e++) {
    if (!r.at.at[e].view) continue;
    rule_assumptions(&r, &r.at.at[e]);
    judge_always(&r, &r.at.at[e]);
    judge_stuck(&r, &r.at.at[e]);
  }
  arena_close(&scope);
}
