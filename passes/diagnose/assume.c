/* What a verdict about a rule rests on: the literal or leaf that made the update vanish, and the facts of
 * leaves that hold as long as nothing from outside writes them, found by asking again without them. */
#include "passes/diagnose/rule.h"

static bool becomes_zero(const Rules *r, const RuleGraph *at, NodeId n) {
  ValueId v = at->of[n.i];
  return graph_node(at->g, n)->type.dtype != DT_BOOL && !value_eq(v, NO_VALUE) && value_is_zero(r->values, v);
}

/* A choice of which only one side is 0: the choice is the reason. */
static bool chooses(const Rules *r, const RuleGraph *at, NodeId n) {
  Op op = node_op(at->g, n);
  const NodeId *in = graph_in(at->g, n);
  if (op == OP_WHERE) return !becomes_zero(r, at, in[1]) || !becomes_zero(r, at, in[2]);
  return (op == OP_MAXIMUM || op == OP_MINIMUM) &&
         (!becomes_zero(r, at, in[0]) || !becomes_zero(r, at, in[1]));
}

/* Down from the update through what became 0. */
NodeId rule_why(const Rules *r, const RuleGraph *at, NodeId update) {
  const Graph *g = at->g;
  NodeId from = update;
  ValueId same = at->of[update.i];
  for (uint32_t steps = 0; steps < 1000 && !(becomes_zero(r, at, from) && chooses(r, at, from)); steps++) {
    const Node *node = graph_node(g, from);
    NodeId next = NO_NODE, through = NO_NODE;
    for (uint32_t k = 0; k < node->nin && node->op != OP_GRAD; k++) {
      NodeId in = graph_in(g, from)[k];
      if (value_eq(at->of[in.i], same) && node_op(g, in) != OP_LEAF) through = in;
      if (!becomes_zero(r, at, in)) continue;
      next = in;
      if (node_op(g, in) == OP_CONST) return in;
    }
    if (!node_ok(next)) next = through; /* (w - 0 * g) * 1 */
    if (!node_ok(next)) break;
    from = next;
  }
  return becomes_zero(r, at, from) ? from : NO_NODE;
}

enum { CANDIDATES = 6 };

static bool has_fact(const Rules *r, uint32_t leaf) {
  LeafKind k = r->x->p->leaf.at[leaf].kind;
  return (k == LEAF_PARAM || k == LEAF_STATE) && fact_says(r->x, (LeafId){leaf}, &r->fact[leaf]);
}

static bool of_optimizer(const Rules *r, uint32_t leaf) { return r->x->p->leaf.at[leaf].of.i != UINT32_MAX; }

/* Which verdicts of this step are lost under these facts? */
static void lost(Rules *r, RuleGraph *at, const LeafFact *fact, bool *gone) {
  const TrainStep *step = at->view->step;
  RuleTrial t;
  rule_trial(&t, r, at, fact);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    gone[p.i] = at->view->param[p.i].rule == RULE_IDLE && !rule_is_same(r, at, p);
  }
  rule_trial_end(&t);
}

/* A verdict about a rule that is told: not that a dead parameter does not move. */
static bool asked(const Verdict *v) { return v->rule == RULE_IDLE && v->flow == FLOW_OPEN; }

void rule_assumptions(Rules *r, RuleGraph *at) {
  Arena *a = r->x->arena;
  uint32_t n = r->x->p->leaf.n, candidates = 0, who[CANDIDATES] = {0};
  const TrainStep *step = at->view->step;
  bool any = false, *gone = ARENA_ARRAY(a, bool, n), *one = ARENA_ARRAY(a, bool, n),
       *needed = ARENA_ARRAY(a, bool, at->g->node.n), *read = ARENA_ARRAY(a, bool, n);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    if (!asked(&at->view->param[p.i])) continue;
    any = needed[at->assign[p.i].i] = true;
  }
  if (!any) return;
  rule_cone(at->g, needed);
  for (uint32_t i = 0; i < at->g->node.n; i++)
    if (needed[i] && at->g->node.at[i].op == OP_LEAF) read[graph_attr(at->g, (NodeId){i})[0]] = true;
  LeafFact *fact = ARENA_ARRAY(a, LeafFact, n);
  lost(r, at, fact, gone); /* without any fact */
  for (uint32_t i = 0; i < n; i++)
    if (read[i] && has_fact(r, i) && !of_optimizer(r, i) && candidates < CANDIDATES) who[candidates++] = i;
  for (uint32_t k = 0; k <= candidates; k++) { /* each alone; last, all states of optimizers */
    for (uint32_t i = 0; i < n; i++) {
      fact[i] = r->fact[i];
      if (k < candidates ? i == who[k] : of_optimizer(r, i)) fact[i].level = FACT_NONE;
    }
    lost(r, at, fact, one);
    for (uint32_t i = 0; i < n; i++) {
      Verdict *v = &at->view->param[i];
      if (!gone[i] || !one[i]) continue;
      if (k == candidates)
        v->assumes.states = true;
      else if (v->assumes.n < 2)
        v->assumes.at[v->assumes.n++] = (LeafId){who[k]};
      else
        v->assumes.more = true;
    }
  }
  for (uint32_t i = 0; i < n; i++) { /* any of several facts would do: named as one */
    Verdict *v = &at->view->param[i];
    if (gone[i] && !v->assumes.n && !v->assumes.states) v->assumes.more = true;
  }
}
