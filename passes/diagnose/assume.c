/* What a verdict about a rule rests on: the literal or leaf that made the update vanish, and the facts of
 * leaves that hold as long as nothing from outside writes them, found by asking again without them. */
#include "passes/diagnose/rule.h"

#include <math.h>

static bool becomes_zero(const RuleGraph *at, NodeId n) {
  NodeId m = at->copy.map[n.i];
  return graph_node(at->g, n)->type.dtype != DT_BOOL && node_ok(m) && node_op(at->copy.to, m) == OP_CONST &&
         graph_const_value(at->copy.to, m) == 0;
}

/* A choice of which only one side is 0: the choice is the reason. */
static bool chooses(const RuleGraph *at, NodeId n) {
  Op op = node_op(at->g, n);
  const NodeId *in = graph_in(at->g, n);
  if (op == OP_WHERE) return !becomes_zero(at, in[1]) || !becomes_zero(at, in[2]);
  return (op == OP_MAXIMUM || op == OP_MINIMUM) && (!becomes_zero(at, in[0]) || !becomes_zero(at, in[1]));
}

/* Down from the update through what became 0. */
NodeId rule_why(const RuleGraph *at, NodeId update) {
  const Graph *g = at->g;
  NodeId from = update, same = at->copy.map[update.i];
  for (uint32_t steps = 0; steps < 1000 && !(becomes_zero(at, from) && chooses(at, from)); steps++) {
    const Node *node = graph_node(g, from);
    NodeId next = NO_NODE, through = NO_NODE;
    for (uint32_t k = 0; k < node->nin && node->op != OP_GRAD; k++) {
      NodeId in = graph_in(g, from)[k];
      if (node_eq(at->copy.map[in.i], same) && node_op(g, in) != OP_LEAF) through = in;
      if (!becomes_zero(at, in)) continue;
      next = in;
      if (node_op(g, in) == OP_CONST) return in;
    }
    if (!node_ok(next)) next = through; /* (w - 0 * g) * 1 */
    if (!node_ok(next)) break;
    from = next;
  }
  return becomes_zero(at, from) ? from : NO_NODE;
}

enum { CANDIDATES = 6 };

typedef struct Fact { /* what is believed of some leaves, taken away and given back */
  Rules *r;
  bool *fixed;
  Bound *range;
} Fact;

/* Copies of the facts, to change. */
static Fact facts_open(Rules *r) {
  Fact f = {r, r->fixed, r->range};
  uint32_t n = r->x->p->leaf.n;
  r->fixed = ARENA_ARRAY(r->x->arena, bool, n);
  r->range = ARENA_ARRAY(r->x->arena, Bound, n);
  for (uint32_t i = 0; i < n; i++) {
    r->fixed[i] = f.fixed[i];
    r->range[i] = f.range[i];
  }
  return f;
}

static void facts_close(const Fact *f) {
  f->r->fixed = f->fixed;
  f->r->range = f->range;
}

static void forget(Rules *r, uint32_t leaf) {
  r->fixed[leaf] = false;
  r->range[leaf] = (Bound){-INFINITY, INFINITY};
}

static bool has_fact(const Rules *r, uint32_t leaf) {
  LeafKind k = r->x->p->leaf.at[leaf].kind;
  bool range = r->range[leaf].lo > -INFINITY || r->range[leaf].hi < INFINITY;
  return (k == LEAF_PARAM || k == LEAF_STATE) && (r->fixed[leaf] || range);
}

static bool of_optimizer(const Rules *r, uint32_t leaf) { return r->x->p->leaf.at[leaf].of.i != UINT32_MAX; }

/* Is a verdict of this step lost under the facts as they are now? */
static void lost(Rules *r, RuleGraph *at, bool *gone) {
  const TrainStep *step = at->view->step;
  rule_rewrite(r, at);
  for (uint32_t i = 0; i < step->owned.n; i++) {
    LeafId p = step->owned.at[i].param;
    gone[p.i] = at->view->param[p.i].rule == RULE_IDLE && !rule_is_same(r, at, p);
  }
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
  Fact f = facts_open(r);
  for (uint32_t i = 0; i < n; i++)
    if (has_fact(r, i)) forget(r, i);
  lost(r, at, gone); /* without any fact */
  facts_close(&f);
  for (uint32_t i = 0; i < n; i++)
    if (read[i] && has_fact(r, i) && !of_optimizer(r, i) && candidates < CANDIDATES) who[candidates++] = i;
  for (uint32_t k = 0; k <= candidates; k++) { /* each alone; last, all states of optimizers */
    f = facts_open(r);
    for (uint32_t i = 0; i < n; i++)
      if (k < candidates ? i == who[k] : of_optimizer(r, i) && has_fact(r, i)) forget(r, i);
    lost(r, at, one);
    facts_close(&f);
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
  rule_rewrite(r, at); /* as it was */
}
