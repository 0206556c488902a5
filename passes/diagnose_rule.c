/* What a step's update does to its parameter, read from the update expression itself. On a private copy in
 * which every gradient is an unknown of its own (the literal 0 where the loss has none for that parameter)
 * and every state that keeps its constant initial value is that constant, all rules of simplify.def apply,
 * and what the clock decides (passes/bounds.h): the update is the parameter      idle the update reads no
 * gradient, directly or through a state   moves without gradient Which states keep their value is a greatest
 * fixpoint: all optimizer states with a literal initial value, until every assignment of what is left gives
 * the same literal back. */
#include "passes/bounds.h"
#include "passes/copy.h"
#include "passes/diagnose.h"
#include "passes/rewrite.h"

enum { ROUNDS = 6 }; /* then no state is believed to be constant: sound, and bounded */

typedef struct Rules {
  Diagnose *x;
  View *v;
  NodeId *assign; /* by LeafId: what this step assigns, or NO_NODE */
  bool *fixed;    /* by LeafId: believed to keep `word` */
  int64_t *word;
  bool *needed; /* by node: part of an update or of a state's new value; gradients are leaves here */
  Copy copy;    /* of the last round */
} Rules;

static void initial_values(Rules *r) {
  const Program *p = r->x->p;
  bool *owned =
      ARENA_ARRAY(r->x->arena, bool, p->leaf.n); /* others keep their first value, if it is literal */
  for (uint32_t i = 0; i < p->train.n; i++)
    for (uint32_t k = 0; k < p->train.at[i].owned.n; k++) owned[p->train.at[i].owned.at[k].param.i] = true;
  for (uint32_t e = 0; e < p->entry.n; e++) {
    const Graph *g = p->entry.at[e].graph;
    for (uint32_t i = 0; g && i < g->root.n; i++) {
      const Root *root = &g->root.at[i];
      if (root->kind != ROOT_ASSIGN || p->entry.at[e].kind != ENTRY_INIT || owned[root->leaf.i]) continue;
      NodeId n = root->node;
      while (node_op(g, n) == OP_BROADCAST) n = graph_in(g, n)[0];
      if (node_op(g, n) != OP_CONST) continue;
      r->fixed[root->leaf.i] = true;
      r->word[root->leaf.i] = graph_attr(g, n)[0];
    }
  }
  for (uint32_t e = 0; e < p->entry.n; e++) { /* nobody else may assign it */
    const Graph *g = p->entry.at[e].graph;
    if (!g || g == r->v->source || p->entry.at[e].kind == ENTRY_INIT) continue;
    for (uint32_t i = 0; i < g->root.n; i++)
      if (g->root.at[i].kind == ROOT_ASSIGN) r->fixed[g->root.at[i].leaf.i] = false;
  }
}

static void find_needed(Rules *r) {
  const Graph *g = r->v->source;
  for (uint32_t i = 0; i < r->x->p->leaf.n; i++)
    if (node_ok(r->assign[i])) r->needed[r->assign[i].i] = true;
  for (uint32_t i = g->node.n; i-- > 0;) {
    if (!r->needed[i] || g->node.at[i].op == OP_GRAD) continue;
    const NodeId *in = graph_in(g, (NodeId){i});
    uint32_t n = g->node.at[i].op == OP_CUSTOM ? 1 : g->node.at[i].nin;
    for (uint32_t k = 0; k < n; k++) r->needed[in[k].i] = true;
  }
}

/* Is this GRAD node the literal zero: the loss has no path that carries to the place? */
static bool no_gradient(const Rules *r, NodeId grad) {
  const NodeId *in = graph_in(r->v->source, grad);
  if (!node_eq(in[0], r->v->step->loss) || node_op(r->v->source, in[1]) != OP_LEAF) return false;
  return r->v->param[graph_attr(r->v->source, in[1])[0]].flow != FLOW_OPEN;
}

static void simplified(Rules *r, Arena *a) {
  const Graph *g = r->v->source;
  r->copy = copy_begin(g, a, true);
  Rewrite w;
  rewrite_begin(&w, r->copy.to, RW_BITS | RW_REAL, RW_ANY | RW_AFTER);
  Bounds bounds;
  bounds_begin(&bounds, &w);
  NodeId *map = r->copy.map;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (!r->needed[i]) continue;
    NodeId n = {i};
    const Node *node = graph_node(g, n);
    Builder b = {.g = r->copy.to, .site = node->site, .primal = NO_NODE};
    switch (node_op(g, n)) {
    case OP_GRAD: /* an unknown of its own: COTANGENT is the one op that stands for any value */
      map[i] = no_gradient(r, n) ? build_const(&b, node->type, 0)
                                 : build_op(&b, OP_COTANGENT, NULL, 0, &(int64_t){i}, &node->type);
      continue;
    case OP_STOP:
    case OP_NAME:
    case OP_CUSTOM: map[i] = map[graph_in(g, n)[0].i]; continue;
    case OP_LEAF: {
      uint32_t leaf = (uint32_t)graph_attr(g, n)[0];
      map[i] = r->fixed[leaf] ? build_op(&b, OP_CONST, NULL, 0, &r->word[leaf], &node->type)
                              : build_leaf(&b, (LeafId){leaf});
      continue;
    }
    default: break; /* default: every other op is what it is */
    }
    NodeId small[4], *in = node->nin <= 4 ? small : ARENA_ARRAY(a, NodeId, node->nin);
    for (uint32_t k = 0; k < node->nin; k++) in[k] = map[graph_in(g, n)[k].i];
    NodeId made =
        rewrite_node(&w, node_op(g, n), node->type, in, node->nin, graph_attr(g, n), node->site, NO_NODE);
    map[i] = bounds_decide(&bounds, made);
  }
}

/* Drops facts that an assignment breaks. False: nothing to drop. */
static bool weaken(Rules *r) {
  bool any = false;
  for (uint32_t i = 0; i < r->x->p->leaf.n; i++) {
    if (!r->fixed[i] || !node_ok(r->assign[i])) continue;
    NodeId e = r->copy.map[r->assign[i].i];
    if (node_op(r->copy.to, e) == OP_CONST && graph_attr(r->copy.to, e)[0] == r->word[i]) continue;
    r->fixed[i] = false;
    any = true;
  }
  return any;
}

/* By node of the copy: reads a gradient, directly or through what this step or another assigns. */
static bool *reads_gradient(Rules *r, Arena *a) {
  const Graph *g = r->copy.to;
  const Program *p = r->x->p;
  bool *leaf = ARENA_ARRAY(a, bool, p->leaf.n), *node = ARENA_ARRAY(a, bool, g->node.n);
  for (uint32_t e = 0; e < p->entry.n; e++) { /* assigned elsewhere: may be anything */
    const Graph *other = p->entry.at[e].graph;
    if (!other || other == r->v->source || p->entry.at[e].kind == ENTRY_INIT) continue;
    for (uint32_t i = 0; i < other->root.n; i++)
      if (other->root.at[i].kind == ROOT_ASSIGN) leaf[other->root.at[i].leaf.i] = true;
  }
  for (bool again = true; again;) { /* at most once per state in a chain of states */
    for (uint32_t i = 0; i < g->node.n; i++) {
      NodeId n = {i};
      if (node[i]) continue;
      node[i] = node_op(g, n) == OP_COTANGENT || (node_op(g, n) == OP_LEAF && leaf[graph_attr(g, n)[0]]);
      for (uint32_t k = 0; k < g->node.at[i].nin && !node[i]; k++) node[i] = node[graph_in(g, n)[k].i];
    }
    again = false;
    for (uint32_t i = 0; i < p->leaf.n; i++) {
      if (leaf[i] || r->fixed[i] || !node_ok(r->assign[i]) || !node[r->copy.map[r->assign[i].i].i]) continue;
      leaf[i] = again = true;
    }
  }
  return node;
}

static bool becomes_zero(const Rules *r, NodeId n) {
  NodeId m = r->copy.map[n.i];
  return graph_node(r->v->source, n)->type.dtype != DT_BOOL && node_ok(m) &&
         node_op(r->copy.to, m) == OP_CONST && graph_const_value(r->copy.to, m) == 0;
}

/* A choice of which only one side is 0: the choice is the reason. */
static bool chooses(const Rules *r, NodeId n) {
  Op op = node_op(r->v->source, n);
  const NodeId *in = graph_in(r->v->source, n);
  if (op == OP_WHERE) return !becomes_zero(r, in[1]) || !becomes_zero(r, in[2]);
  return (op == OP_MAXIMUM || op == OP_MINIMUM) && (!becomes_zero(r, in[0]) || !becomes_zero(r, in[1]));
}

/* What made the update vanish: down from the update through what became 0, to a literal, a leaf that stays 0,
 * or an expression that is 0 at every step. */
static NodeId why_zero(const Rules *r, NodeId update) {
  const Graph *g = r->v->source;
  NodeId from = update, same = r->copy.map[update.i];
  for (uint32_t steps = 0; steps < 1000 && !(becomes_zero(r, from) && chooses(r, from)); steps++) {
    const Node *node = graph_node(g, from);
    NodeId next = NO_NODE, through = NO_NODE;
    for (uint32_t k = 0; k < node->nin && node->op != OP_GRAD; k++) {
      NodeId in = graph_in(g, from)[k];
      if (node_eq(r->copy.map[in.i], same) && node_op(g, in) != OP_LEAF) through = in;
      if (!becomes_zero(r, in)) continue;
      next = in;
      if (node_op(g, in) == OP_CONST) return in;
    }
    if (!node_ok(next)) next = through; /* (w - 0 * g) * 1 */
    if (!node_ok(next)) break;
    from = next;
  }
  return becomes_zero(r, from) ? from : NO_NODE;
}

void diagnose_rules(Diagnose *x, View *v) {
  Arena *a = x->arena;
  uint32_t leaves = x->p->leaf.n;
  Rules r = {.x = x, .v = v, .assign = ARENA_ARRAY(a, NodeId, leaves), .fixed = ARENA_ARRAY(a, bool, leaves)};
  r.word = ARENA_ARRAY(a, int64_t, leaves);
  r.needed = ARENA_ARRAY(a, bool, v->source->node.n);
  for (uint32_t i = 0; i < leaves; i++) r.assign[i] = NO_NODE;
  for (uint32_t i = 0; i < v->source->root.n; i++)
    if (v->source->root.at[i].kind == ROOT_ASSIGN)
      r.assign[v->source->root.at[i].leaf.i] = v->source->root.at[i].node;
  initial_values(&r);
  find_needed(&r);
  simplified(&r, a);
  for (uint32_t round = 0; weaken(&r); round++) { /* two rounds are usual */
    for (uint32_t i = 0; i < leaves && round >= ROUNDS; i++) r.fixed[i] = false;
    simplified(&r, a);
  }
  bool *reads = reads_gradient(&r, a);
  for (uint32_t i = 0; i < v->step->owned.n; i++) {
    LeafId p = v->step->owned.at[i].param;
    Verdict *verdict = &v->param[p.i];
    if (!node_ok(r.assign[p.i])) continue;
    NodeId u = r.copy.map[r.assign[p.i].i];
    bool same = node_op(r.copy.to, u) == OP_LEAF && graph_attr(r.copy.to, u)[0] == p.i;
    verdict->rule = same ? RULE_IDLE : reads[u.i] ? RULE_MOVES : RULE_DRIFTS;
    if (verdict->rule != RULE_MOVES) verdict->why = why_zero(&r, r.assign[p.i]);
  }
}
