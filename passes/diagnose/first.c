/* The update of a parameter, calculated from initial values: a rule that reads no gradient is said to change
 * a parameter only where it is seen to. Random numbers of initial values are replaced by a few of the numbers
 * they may be; what is not known then stays unknown, and nothing is said. */
#include "ir/scalar/literal.h"
#include "passes/diagnose/rule.h"

#include <math.h>

/* Uniform numbers in [0, 1): none gives a middle, an end or a special value of a usual distribution. */
static const double draw[FIRST_DRAWS] = {0.11, 0.37, 0.81};

/* A literal tensor: its first element that is not 0, for one that moves is enough. */
static double of_table(const Graph *g, NodeId n) {
  const Table *t = &g->table.at[graph_attr(g, n)[0]];
  for (uint32_t i = 0; i < t->n; i++) {
    double x = literal_number((DType)graph_node(g, n)->type.dtype, (int64_t)t->word[i]);
    if (x != 0) return x;
  }
  return 0;
}

/* Initial values with every random number equal to draw[d], by LeafId; NAN: not known. */
static const double *samples(First *f, int d) {
  Rules *r = f->r;
  Arena *a = r->x->arena;
  if (f->sample[d]) return f->sample[d];
  double *sample = f->sample[d] = ARENA_ARRAY(a, double, r->x->p->leaf.n);
  for (uint32_t i = 0; i < r->x->p->leaf.n; i++) sample[i] = NAN;
  for (uint32_t e = 0; e < r->at.n; e++) {
    const RuleGraph *at = &r->at.at[e];
    const Graph *g = at->g;
    if (!at->init || f->budget < g->node.n) continue;
    f->budget -= g->node.n;
    Copy c = copy_begin(g, a, true);
    Rewrite w;
    rewrite_again(&w, &f->r->rules, c.to);
    for (uint32_t i = 0; i < g->node.n; i++) {
      if (!at->needed[i]) continue;
      NodeId n = {i}, in[3];
      const Node *node = graph_node(g, n);
      Builder b = {.g = c.to, .primal = NO_NODE};
      if (node->op == OP_UNIT) {
        c.map[i] = build_const(&b, node->type, draw[d]);
      } else if (node->op == OP_TABLE && dtype_is_float((DType)node->type.dtype)) {
        c.map[i] = build_const(&b, node->type, of_table(g, n));
      } else if (node->op == OP_RESULT) {
        c.map[i] = build_op(&b, OP_COTANGENT, NULL, 0, &(int64_t){i}, &node->type);
      } else if (node->nin > 3 || node->nin == 0) {
        (void)copy_node(&c, n);
      } else {
        for (uint32_t k = 0; k < node->nin; k++) in[k] = c.map[graph_in(g, n)[k].i];
        c.map[i] = rewrite_node(&w, (Op)node->op, node->type, in, node->nin, graph_attr(g, n), node->location,
                                NO_NODE);
      }
    }
    for (uint32_t i = 0; i < r->x->p->leaf.n; i++)
      if (!r->x->p->leaf.at[i].loaded && node_ok(at->assign[i]) &&
          node_op(c.to, c.map[at->assign[i].i]) == OP_CONST)
        sample[i] = graph_const_value(c.to, c.map[at->assign[i].i]);
  }
  return sample;
}

typedef struct Point { /* where an update is calculated */
  int draw, step;
  double grad; /* NAN: unknown, but 0 where there is none */
} Point;

/* The value a leaf has there, or NAN. Later than at the first step only what is believed to be fixed is
 * known, and the parameters in question, which no step before has changed. */
static double leaf_at(First *f, uint32_t leaf, const bool *who, Point at) {
  const Rules *r = f->r;
  switch (r->x->p->leaf.at[leaf].kind) {
  case LEAF_STEP: return at.step;
  case LEAF_EPOCH: return 1;
  case LEAF_PARAM:
  case LEAF_STATE:
    return at.step == 1 || who[leaf] || !r->assigned[leaf] || r->fixed[leaf] ? samples(f, at.draw)[leaf]
                                                                             : NAN;
  case LEAF_INPUT:
  case LEAF_SEED: break;
  }
  return NAN;
}

static NodeId node_at(First *f, Copy *c, Rewrite *w, const RuleGraph *at, NodeId n, const bool *who,
                      Point point) {
  const Graph *g = at->g;
  const Node *node = graph_node(g, n);
  Builder b = {.g = c->to, .primal = NO_NODE};
  NodeId in[3];
  double x = NAN;
  if (node->op == OP_LEAF) x = leaf_at(f, (uint32_t)graph_attr(g, n)[0], who, point);
  if (node->op == OP_GRAD) x = rule_no_gradient(f->r, at, n) ? 0 : point.grad;
  if (!isnan(x)) return build_const(&b, node->type, x);
  if (node->op == OP_GRAD || node->op == OP_RESULT)
    return build_op(&b, OP_COTANGENT, NULL, 0, &(int64_t){n.i}, &node->type);
  if (node->op == OP_STOP || node->op == OP_CUSTOM) return c->map[graph_in(g, n)[0].i];
  if (node->nin == 0 || node->nin > 3) return copy_node(c, n);
  for (uint32_t k = 0; k < node->nin; k++) in[k] = c->map[graph_in(g, n)[k].i];
  return rewrite_node(w, (Op)node->op, node->type, in, node->nin, graph_attr(g, n), node->location, NO_NODE);
}

/* New values of these parameters at a point, by LeafId; NAN: not known. */
static const double *values_at(First *f, const RuleGraph *at, const bool *who, Point point) {
  const Graph *g = at->g;
  uint32_t leaves = f->r->x->p->leaf.n, cone = 0;
  Arena *a = f->r->x->arena;
  double *value = ARENA_ARRAY(a, double, leaves);
  bool *needed = ARENA_ARRAY(a, bool, g->node.n);
  for (uint32_t i = 0; i < leaves; i++) {
    value[i] = NAN;
    if (who[i]) needed[at->assign[i].i] = true;
  }
  rule_cone(g, needed);
  for (uint32_t i = 0; i < g->node.n; i++) cone += needed[i];
  if (f->budget < cone) return value;
  f->budget -= cone;
  Copy c = copy_begin(g, a, true);
  Rewrite w;
  rewrite_again(&w, &f->r->rules, c.to);
  for (uint32_t i = 0; i < g->node.n; i++)
    if (needed[i]) c.map[i] = node_at(f, &c, &w, at, (NodeId){i}, who, point);
  for (uint32_t i = 0; i < leaves; i++) {
    NodeId now = who[i] ? c.map[at->assign[i].i] : NO_NODE;
    if (node_ok(now) && node_op(c.to, now) == OP_CONST) value[i] = graph_const_value(c.to, now);
  }
  return value;
}

static bool none(const bool *who, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (who[i]) return false;
  return true;
}

const bool *first_changes(First *f, const RuleGraph *at, const bool *who) {
  static const int steps[] = {1, 2, 1000};
  uint32_t n = f->r->x->p->leaf.n;
  bool *always = ARENA_ARRAY(f->r->x->arena, bool, n);
  for (uint32_t i = 0; i < n; i++) always[i] = who[i];
  for (int d = 0; d < FIRST_DRAWS && !none(always, n); d++) { /* whatever is drawn */
    bool *still = ARENA_ARRAY(f->r->x->arena, bool, n);       /* in question at the step */
    for (uint32_t i = 0; i < n; i++) still[i] = always[i];
    const double *old = samples(f, d);
    for (size_t k = 0; k < sizeof steps / sizeof *steps && !none(still, n); k++) {
      const double *now = values_at(f, at, still, (Point){d, steps[k], NAN});
      for (uint32_t i = 0; i < n; i++)
        if (isfinite(now[i]) && isfinite(old[i]) && now[i] != old[i]) still[i] = false;
    }
    for (uint32_t i = 0; i < n; i++) always[i] &= !still[i];
  }
  return always;
}

const bool *first_rounds(First *f, const RuleGraph *at, const bool *who) {
  static const double grad[FIRST_DRAWS] = {0.3, -7, 1e-3};
  uint32_t n = f->r->x->p->leaf.n;
  bool *seen = ARENA_ARRAY(f->r->x->arena, bool, n);
  for (int d = 0; d < FIRST_DRAWS && !none(who, n); d++) {
    const double *old = samples(f, d), *now = values_at(f, at, who, (Point){d, 1, grad[d]});
    for (uint32_t i = 0; i < n; i++) seen[i] |= isfinite(now[i]) && isfinite(old[i]) && now[i] != old[i];
  }
  return seen;
}
