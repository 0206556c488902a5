/* What a step's update does to its parameter, read from the update expression itself, over all assignments of
 * the file together. On private copies in which every gradient is an unknown of its own (the literal 0 where
 * the loss has none for that parameter) and every leaf that keeps its initial value, or stays on one side of
 * it, is known to, all rules of simplify.def apply, and what the clock decides (passes/diagnose/bounds.h).
 * The update is the parameter: idle. It reads no gradient, directly or through a state: blind, and if the
 * first steps provably change the initial value, moves without gradient. Which facts of leaves hold is a
 * greatest fixpoint: a fact that an assignment breaks is weakened to the next (constant, in its initial
 * range, on one side of it, nothing).
 */
#include "passes/diagnose/rule.h"

#include <math.h>

enum {
  ROUNDS = 12,           /* then nothing is believed of what is assigned: sound, and bounded */
  FIRST_NODES = 1000000, /* looked at by first.c */
};

static const Bound UNKNOWN = {-INFINITY, INFINITY};

/* Marks what marked nodes read; gradients and results of bodies are leaves here, and a declared rule is its
 * value. */
void rule_cone(const Graph *g, bool *needed) {
  for (uint32_t i = g->node.n; i-- > 0;) {
    if (!needed[i] || g->node.at[i].op == OP_GRAD || g->node.at[i].op == OP_RESULT) continue;
    const NodeId *in = graph_in(g, (NodeId){i});
    uint32_t n = g->node.at[i].op == OP_CUSTOM ? 1 : g->node.at[i].nin;
    for (uint32_t k = 0; k < n; k++) needed[in[k].i] = true;
  }
}

/* Is this GRAD node the literal zero: the loss has no path that carries to the place? */
bool rule_no_gradient(const Rules *r, const RuleGraph *at, NodeId grad) {
  const NodeId *in = graph_in(at->g, grad);
  if (!at->view || r->any_gradient) return false;
  if (!node_eq(in[0], at->view->step->loss) || node_op(at->g, in[1]) != OP_LEAF) return false;
  return at->view->param[graph_attr(at->g, in[1])[0]].flow <
         FLOW_ZERO; /* a zero of algebra is computed as noise */
}

/* ---- values that are no numbers at some step */

/* A result larger than the type holds, of operands that are bounded. */
static bool overflows(Bounds *b, const Graph *g, NodeId n, const NodeId *in, NodeId made) {
  const Node *node = graph_node(g, n);
  if (!dtype_is_float((DType)node->type.dtype) || !node->nin) return false;
  for (uint32_t k = 0; k < node->nin; k++) {
    Bound x = bounds_of(b, in[k]);
    if (isinf(x.lo) || isinf(x.hi)) return false;
  }
  Bound r = bounds_of(b, made);
  return isinf(r.lo) || isinf(r.hi);
}

/* Is this value, made of the clock and of first values alone, infinite or undefined at some step? What data
 * may do is not asked: such points are outside of the domain. */
static bool breaks(Bounds *b, const RuleGraph *at, NodeId n, const NodeId *in, NodeId made) {
  const NodeId *from = graph_in(at->g, n);
  Bound x = graph_node(at->g, n)->nin > 0 ? bounds_of(b, in[0]) : UNKNOWN,
        y = graph_node(at->g, n)->nin > 1 ? bounds_of(b, in[1]) : UNKNOWN;
  bool timed = at->timed[n.i];
  switch (node_op(at->g, n)) {
  case OP_DIV: return at->timed[from[1].i] && y.lo <= 0 && y.hi >= 0;
  case OP_LOG:
  case OP_RSQRT: return timed && x.lo <= 0;
  case OP_SQRT: return timed && x.lo < 0;
  case OP_LOG1P: return timed && x.lo <= -1;
  case OP_POW: return timed && (x.lo < 0 || (x.lo == 0 && y.lo < 0) || overflows(b, at->g, n, in, made));
  case OP_EXP:
  case OP_SQUARE:
  case OP_MUL:
  case OP_ADD:
  case OP_SUB: return timed && overflows(b, at->g, n, in, made);
  default: return false; /* default: defined everywhere, and no larger than its operands */
  }
}

/* Is operand k part of the value? Of a choice that is decided one side is. */
static bool taken(const RuleGraph *at, NodeId n, uint32_t k) {
  if (node_op(at->g, n) != OP_WHERE || k == 0) return true;
  NodeId c = at->copy.map[graph_in(at->g, n)[0].i];
  if (node_op(at->copy.to, c) != OP_CONST) return true;
  return (graph_const_value(at->copy.to, c) != 0) == (k == 1);
}

/* ---- one copy */

static void rewrite_leaf(Rules *r, RuleGraph *at, Builder *b, NodeId n) {
  uint32_t leaf = (uint32_t)graph_attr(at->g, n)[0];
  LeafKind kind = r->x->p->leaf.at[leaf].kind;
  at->timed[n.i] = r->literal[leaf] || kind == LEAF_STEP || kind == LEAF_EPOCH;
  at->copy.map[n.i] = r->fixed[leaf] && !at->init
                          ? build_op(b, OP_CONST, NULL, 0, &r->word[leaf], &graph_node(at->g, n)->type)
                          : build_leaf(b, (LeafId){leaf});
}

void rule_rewrite(Rules *r, RuleGraph *at) {
  const Graph *g = at->g;
  Arena *a = r->x->arena;
  at->copy = copy_begin(g, a, true);
  Rewrite w;
  rewrite_again(&w, &r->rules, at->copy.to);
  Bounds bounds;
  bounds_begin(&bounds, &w);
  bounds.leaf = at->init ? NULL : r->range;
  NodeId *map = at->copy.map;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (!at->needed[i]) continue;
    NodeId n = {i};
    const Node *node = graph_node(g, n);
    Builder b = {.g = at->copy.to, .location = node->location, .primal = NO_NODE};
    at->poison[i] = false;
    switch (node_op(g, n)) {
    case OP_GRAD: /* an unknown of its own: COTANGENT is the one op that stands for any value */
      at->timed[i] = rule_no_gradient(r, at, n);
      map[i] = at->timed[i] ? build_const(&b, node->type, 0)
                            : build_op(&b, OP_COTANGENT, NULL, 0, &(int64_t){i}, &node->type);
      continue;
    case OP_RESULT: /* what a loop or a condition gives is not looked into */
      at->timed[i] = false;
      map[i] = build_op(&b, OP_COTANGENT, NULL, 0, &(int64_t){i}, &node->type);
      continue;
    case OP_STOP:
    case OP_CUSTOM: {
      NodeId value = graph_in(g, n)[0];
      map[i] = map[value.i];
      at->timed[i] = at->timed[value.i];
      at->poison[i] = at->poison[value.i];
      continue;
    }
    case OP_LEAF: rewrite_leaf(r, at, &b, n); continue;
    default: break; /* default: every other op is what it is */
    }
    NodeId small[4], *in = node->nin <= 4 ? small : ARENA_ARRAY(a, NodeId, node->nin);
    at->timed[i] = true;
    for (uint32_t k = 0; k < node->nin; k++) {
      NodeId from = graph_in(g, n)[k];
      in[k] = map[from.i];
      at->timed[i] &= at->timed[from.i];
      if (taken(at, n, k)) at->poison[i] |= at->poison[from.i];
    }
    NodeId made =
        rewrite_node(&w, node_op(g, n), node->type, in, node->nin, graph_attr(g, n), node->location, NO_NODE);
    map[i] = bounds_decide(&bounds, made);
    at->poison[i] |= breaks(&bounds, at, n, in, map[i]);
  }
  at->bounds = bounds;
  at->rewrite = w;
  at->bounds.w = &at->rewrite;
}

static Bound bound_at(RuleGraph *at, NodeId source) {
  at->bounds.w = &at->rewrite; /* entries move when their list grows */
  return bounds_of(&at->bounds, at->copy.map[source.i]);
}

/* ---- the fixpoint */

static void add_entry(Rules *r, const Entry *e) {
  const Graph *g = e->graph;
  if (!g) return;
  Arena *a = r->x->arena;
  RuleGraph at = {.g = g, .init = e->kind == ENTRY_INIT};
  at.assign = ARENA_ARRAY(a, NodeId, r->x->p->leaf.n);
  at.needed = ARENA_ARRAY(a, bool, g->node.n);
  at.timed = ARENA_ARRAY(a, bool, g->node.n);
  at.poison = ARENA_ARRAY(a, bool, g->node.n);
  for (uint32_t i = 0; i < r->x->p->leaf.n; i++) at.assign[i] = NO_NODE;
  bool any = false;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *root = &g->root.at[i];
    if (root->kind != ROOT_ASSIGN) continue;
    any = at.needed[root->node.i] = true;
    at.assign[root->leaf.i] = root->node;
    if (!at.init) r->assigned[root->leaf.i] = true;
  }
  for (uint32_t i = 0; i < r->x->view.n; i++)
    if (r->x->view.at[i].step && r->x->view.at[i].source == g) at.view = &r->x->view.at[i];
  if (!any) return;
  rule_cone(g, at.needed);
  VEC_PUSH(a, &r->at, at);
}

static void initial_facts(Rules *r) {
  for (uint32_t e = 0; e < r->at.n; e++) {
    RuleGraph *at = &r->at.at[e];
    if (!at->init) continue;
    rule_rewrite(r, at);
    for (uint32_t i = 0; i < r->x->p->leaf.n; i++) {
      if (!node_ok(at->assign[i]) || r->x->p->leaf.at[i].loaded) continue;
      NodeId m = at->copy.map[at->assign[i].i];
      while (node_op(at->copy.to, m) == OP_BROADCAST) m = graph_in(at->copy.to, m)[0];
      r->range[i] = bound_at(at, at->assign[i]);
      if (node_op(at->copy.to, m) != OP_CONST) continue;
      r->literal[i] = r->fixed[i] = true;
      r->word[i] = graph_attr(at->copy.to, m)[0];
    }
  }
}

/* The next weaker fact about a leaf whose assigned value lies in `to`. True: it was changed. */
static bool weaken_leaf(Rules *r, const RuleGraph *at, uint32_t leaf, Bound to) {
  Bound *have = &r->range[leaf];
  if (r->fixed[leaf]) {
    NodeId e = at->copy.map[at->assign[leaf].i];
    if (node_op(at->copy.to, e) == OP_CONST && graph_attr(at->copy.to, e)[0] == r->word[leaf]) return false;
  } else if (to.lo >= have->lo && to.hi <= have->hi) {
    return false;
  }
  r->fixed[leaf] = false;
  if (to.lo < have->lo) have->lo = -INFINITY;
  if (to.hi > have->hi) have->hi = INFINITY;
  return true;
}

static void fixpoint(Rules *r) {
  uint32_t leaves = r->x->p->leaf.n;
  for (uint32_t round = 0;; round++) { /* two or three are usual */
    bool again = false;
    for (uint32_t e = 0; e < r->at.n; e++)
      if (!r->at.at[e].init) rule_rewrite(r, &r->at.at[e]);
    for (uint32_t e = 0; e < r->at.n; e++) {
      RuleGraph *at = &r->at.at[e];
      for (uint32_t i = 0; i < leaves && !at->init; i++)
        if (node_ok(at->assign[i])) again |= weaken_leaf(r, at, i, bound_at(at, at->assign[i]));
    }
    if (!again) return;
    for (uint32_t i = 0; i < leaves && round >= ROUNDS; i++) {
      if (!r->assigned[i]) continue;
      r->fixed[i] = false;
      r->range[i] = UNKNOWN;
    }
  }
}

/* ---- verdicts */

/* By entry and node (of the source, or of its copy): reads a gradient or data, directly or through what is
 * assigned anywhere. */
static bool **reads_gradient(Rules *r, bool source) {
  const Program *p = r->x->p;
  Arena *a = r->x->arena;
  bool *leaf = ARENA_ARRAY(a, bool, p->leaf.n), **node = ARENA_ARRAY(a, bool *, r->at.n), again = true;
  for (uint32_t i = 0; i < p->leaf.n; i++) leaf[i] = p->leaf.at[i].kind == LEAF_INPUT;
  for (uint32_t e = 0; e < r->at.n; e++) {
    const RuleGraph *at = &r->at.at[e];
    node[e] = ARENA_ARRAY(a, bool, source ? at->g->node.n : at->copy.to->node.n);
  }
  for (uint32_t round = 0; again; round++) {
    again = false;
    for (uint32_t e = 0; e < r->at.n; e++) {
      const RuleGraph *at = &r->at.at[e];
      if (at->init) continue;
      const Graph *g = source ? at->g : at->copy.to;
      for (uint32_t i = 0; i < g->node.n; i++) {
        NodeId n = {i};
        bool *reads = &node[e][i];
        if (source && !at->needed[i]) continue;
        *reads |= node_op(g, n) == OP_COTANGENT || node_op(g, n) == OP_GRAD || node_op(g, n) == OP_RESULT;
        *reads |= node_op(g, n) == OP_LEAF && leaf[graph_attr(g, n)[0]];
        for (uint32_t k = 0; k < g->node.at[i].nin && !*reads; k++) *reads = node[e][graph_in(g, n)[k].i];
      }
      for (uint32_t i = 0; i < p->leaf.n; i++) {
        if (leaf[i] || !node_ok(at->assign[i]) || (r->fixed[i] && !source)) continue;
        NodeId to = source ? at->assign[i] : at->copy.map[at->assign[i].i];
        if (round < ROUNDS && !node[e][to.i]) continue; /* of deep chains of states all are said to */
        again = leaf[i] = true;
      }
    }
  }
  return node;
}

bool rule_is_same(const Rules *r, const RuleGraph *at, LeafId param) {
  const Graph *g = at->copy.to;
  NodeId u = at->copy.map[at->assign[param.i].i];
  if (at->poison[at->assign[param.i].i]) return false;
  if (node_op(g, u) == OP_LEAF) return graph_attr(g, u)[0] == param.i;
  return r->fixed[param.i] && node_op(g, u) == OP_CONST && graph_attr(g, u)[0] == r->word[param.i];
}

static void judge(Rules *r, RuleGraph *at, const bool *reads, const bool *written, First *first) {
  const TrainStep *step = at->view->step;
  bool *blind = ARENA_ARRAY(r->x->arena, bool, r->x->p->leaf.n),
       *idle = ARENA_ARRAY(r->x->arena, bool, r->x->p->leaf.n);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    Verdict *v = &at->view->param[p.i];
    if (!node_ok(at->assign[p.i])) continue;
    NodeId u = at->copy.map[at->assign[p.i].i];
    v->rule = RULE_MOVES;
    v->unread = !written[at->assign[p.i].i];
    if (rule_is_same(r, at, p)) {
      v->rule = RULE_IDLE;
      idle[p.i] = v->flow >= FLOW_ZERO;
      v->always = v->flow != FLOW_OPEN;
    } else if (at->poison[at->assign[p.i].i]) {
      if (v->flow < FLOW_ZERO) v->rule = RULE_BLIND;
    } else if (!reads[u.i]) {
      v->rule = RULE_BLIND;
      blind[p.i] = true;
    }
    if (v->rule != RULE_MOVES) v->why = rule_why(at, at->assign[p.i]);
  }
  const bool *changes = first_changes(first, at, blind), *rounds = first_rounds(first, at, idle);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    at->view->param[p.i].rounds = rounds[p.i];
    if (changes[p.i]) at->view->param[p.i].rule = RULE_DRIFTS;
  }
}

/* Would a dead parameter's rule give it back for any gradient, too? */
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
  if (!any) {
    at->needed = needed;
    return;
  }
  r->any_gradient = true;
  bool *fixed = r->fixed;
  Bound *range = r->range;
  r->fixed = ARENA_ARRAY(r->x->arena, bool, r->x->p->leaf.n); /* some rest on there being none */
  r->range = ARENA_ARRAY(r->x->arena, Bound, r->x->p->leaf.n);
  for (uint32_t i = 0; i < r->x->p->leaf.n; i++) {
    r->fixed[i] = fixed[i] && !r->assigned[i];
    r->range[i] = r->assigned[i] ? UNKNOWN : range[i];
  }
  rule_rewrite(r, at);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    Verdict *v = &at->view->param[p.i];
    if (v->flow >= FLOW_ZERO) continue;
    v->always = node_ok(at->assign[p.i]) && at->needed[at->assign[p.i].i] && v->rule == RULE_IDLE &&
                rule_is_same(r, at, p);
  }
  r->any_gradient = false;
  r->fixed = fixed;
  r->range = range;
  at->needed = needed;
}

void diagnose_rules(Diagnose *x) {
  const Program *p = x->p;
  Arena *a = x->arena;
  uint32_t leaves = p->leaf.n;
  Rules r = {.x = x, .assigned = ARENA_ARRAY(a, bool, leaves), .literal = ARENA_ARRAY(a, bool, leaves)};
  r.fixed = ARENA_ARRAY(a, bool, leaves);
  r.word = ARENA_ARRAY(a, int64_t, leaves);
  r.range = ARENA_ARRAY(a, Bound, leaves);
  for (uint32_t i = 0; i < leaves; i++) r.range[i] = UNKNOWN;
  for (uint32_t e = 0; e < p->entry.n; e++)
    if (p->entry.at[e].kind != ENTRY_EVAL && p->entry.at[e].kind != ENTRY_PREDICT)
      add_entry(&r, &p->entry.at[e]);
  if (r.at.n)
    rewrite_begin(&r.rules, graph_new(a, r.at.at[0].g->program, (Sym){0}), RW_BITS | RW_REAL,
                  RW_ANY | RW_AFTER);
  initial_facts(&r);
  fixpoint(&r);
  bool **reads = reads_gradient(&r, false), **written = reads_gradient(&r, true);
  First first = {.r = &r, .budget = FIRST_NODES};
  for (uint32_t e = 0; e < r.at.n; e++)
    if (r.at.at[e].view) judge(&r, &r.at.at[e], reads[e], written[e], &first);
  for (uint32_t e = 0; e < r.at.n; e++) {
    if (!r.at.at[e].view) continue;
    rule_assumptions(&r, &r.at.at[e]);
    judge_always(&r, &r.at.at[e]);
  }
}
