/* The update of a parameter, calculated from initial values in the program's own arithmetic, one number for
 * all elements: a rule that reads no gradient is said to change a parameter only where it is seen to. Random
 * numbers of initial values are replaced by a few of the numbers they may be; what is not known then stays
 * unknown, and nothing is said. Loops are run, as long as they are short. */
#include "ir/graph/region.h"
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

/* A sum of n equal elements. */
static double of_sum(const Graph *g, NodeId n, double x) {
  const Type *t = &graph_node(g, graph_in(g, n)[0])->type;
  for (uint8_t i = 0; i < t->rank; i++) {
    int64_t extent;
    if (!(graph_attr(g, n)[0] >> i & 1)) continue;
    if (!dim_is_const(g->program->dims, t->dim[i], &extent)) return NAN;
    x *= (double)extent;
  }
  return x;
}

/* The number an op makes of numbers; NAN: not known. */
static double apply(First *f, const Graph *g, NodeId n, const double *number) {
  const Node *node = graph_node(g, n);
  DType to = (DType)node->type.dtype, t[3];
  ScalarValue in[3], r;
  double x = node->nin ? number[graph_in(g, n)[0].i] : NAN;
  Op op = (Op)node->op;
  if (op == OP_CONST) return graph_const_value(g, n);
  if (op_info[op].flags & (OPF_MOVE | OPF_ERASED)) return x;
  if (op == OP_MEAN || op == OP_MAX || op == OP_MIN) return x;
  if (op == OP_SUM && dtype_is_float(to)) return literal_double(to, literal_from(to, of_sum(g, n, x)));
  if (!op_info[op].scalar || node->nin > 3) return NAN;
  for (uint32_t k = 0; k < node->nin; k++) {
    x = number[graph_in(g, n)[k].i];
    if (isnan(x)) return NAN;
    t[k] = (DType)graph_node(g, graph_in(g, n)[k])->type.dtype;
    in[k] = literal_from(t[k], x);
  }
  scalar_eval(op_program(&f->programs, op, t, node->nin, to), in, &r);
  return literal_double(to, r);
}

/* Initial values with every random number equal to draw[d], by LeafId; NAN: not known. */
static const double *samples(First *f, int d) {
  const Rules *r = f->r;
  Arena *a = r->values->arena;
  if (f->sample[d]) return f->sample[d];
  double *sample = f->sample[d] = ARENA_ARRAY(a, double, r->x->p->leaf.n);
  for (uint32_t i = 0; i < r->x->p->leaf.n; i++) sample[i] = NAN;
  for (uint32_t e = 0; e < r->at.n; e++) {
    const RuleGraph *at = &r->at.at[e];
    const Graph *g = at->g;
    if (!at->init || f->budget < g->node.n) continue;
    f->budget -= g->node.n;
    double *number = ARENA_ARRAY(a, double, g->node.n);
    for (uint32_t i = 0; i < g->node.n; i++) {
      if (!at->needed[i]) continue;
      NodeId n = {i};
      const Node *node = graph_node(g, n);
      bool table = node->op == OP_TABLE && dtype_is_float((DType)node->type.dtype);
      number[i] = node->op == OP_UNIT ? draw[d] : table ? of_table(g, n) : apply(f, g, n, number);
    }
    for (uint32_t i = 0; i < r->x->p->leaf.n; i++)
      if (!r->x->p->leaf.at[i].loaded && node_ok(at->assign[i])) sample[i] = number[at->assign[i].i];
  }
  return sample;
}

typedef struct Point { /* where an update is calculated */
  int draw, step;
  double grad; /* NAN: unknown, but 0 where there is none */
} Point;

/* A sum of gradients of a group, which the next one is added to. */
static bool sums_gradients(const Rules *r, uint32_t leaf) {
  const Leaf *l = &r->x->p->leaf.at[leaf];
  return r->gathered[leaf] && l->of.i != UINT32_MAX && dtype_is_float((DType)l->type.dtype);
}

/* The value a leaf has there, or NAN. Later than at the first step only what is believed to be fixed is
 * known, and the parameters in question, which no step before has changed. */
static double leaf_at(First *f, uint32_t leaf, const bool *who, Point at) {
  const Rules *r = f->r;
  bool fixed = !r->assigned[leaf] || r->fact[leaf].level == FACT_CONST,
       first = at.step == 1 && !r->gathered[leaf];
  if (!fixed && sums_gradients(r, leaf)) return at.grad;
  switch (r->x->p->leaf.at[leaf].kind) {
  case LEAF_STEP: return at.step;
  case LEAF_EPOCH: return 1;
  case LEAF_PARAM:
  case LEAF_STATE: return first || who[leaf] || fixed ? samples(f, at.draw)[leaf] : NAN;
  case LEAF_INPUT:
  case LEAF_SEED:
  case LEAF_TOTAL: break;
  }
  return NAN;
}

typedef struct Numbers { /* of one entry point, at a point */
  First *f;
  const RuleGraph *at;
  const bool *who, *needed;
  Point point;
  double *number; /* by node; of a LOOP how many steps it took, of a COND which side: 0 is the first */
} Numbers;

/* What comes out of a body; of several steps that are stacked there is no one number. */
static double result_of(const Numbers *x, NodeId n) {
  const Graph *g = x->at->g;
  NodeId owner = graph_in(g, n)[0];
  double steps = x->number[owner.i];
  if (isnan(steps)) return NAN;
  if (node_op(g, owner) == OP_COND) return x->number[graph_source(g, n, steps != 0).i];
  LoopInfo l = graph_loop(g, owner);
  uint32_t k = (uint32_t)graph_attr(g, n)[0];
  NodeId made = graph_source(g, n, 0);
  if (k < l.carry) return x->number[l.first + k]; /* what the next step would read */
  return steps == 1 && node_op(g, made) != OP_PARAM ? x->number[made.i] : NAN;
}

static double number_at(const Numbers *x, NodeId n) {
  const Values *v = x->f->r->values;
  const Graph *g = x->at->g;
  Op op = node_op(g, n);
  double r = op == OP_LEAF     ? leaf_at(x->f, (uint32_t)graph_attr(g, n)[0], x->who, x->point)
             : op == OP_GRAD   ? (rule_no_gradient(x->f->r, x->at, n) ? 0 : x->point.grad)
             : op == OP_RESULT ? result_of(x, n)
                               : apply(x->f, g, n, x->number);
  ValueId is = x->at->of[n.i];
  DType t = (DType)graph_node(g, n)->type.dtype;
  if (isnan(r) && value_is_const(v, is))
    r = literal_double(t, literal_from(t, ratio_number(value_at(v, is)->c)));
  return r;
}

static void owner_at(const Numbers *x, NodeId n);

static void body_at(const Numbers *x, NodeId yield) {
  const Graph *g = x->at->g;
  uint32_t region = graph_node(g, yield)->region, first = g->region.at[region].first;
  for (uint32_t i = first; i < yield.i; i++) {
    if (g->node.at[i].region != region) i = graph_owner_in(g, i, region);
    if (!x->needed[i] || g->node.at[i].op == OP_PARAM) continue;
    if (op_regions((Op)g->node.at[i].op))
      owner_at(x, (NodeId){i});
    else
      x->number[i] = number_at(x, (NodeId){i});
  }
}

/* All steps of a loop, or the side that is taken. */
static void owner_at(const Numbers *x, NodeId n) {
  const Graph *g = x->at->g;
  const NodeId *in = graph_in(g, n);
  double *number = x->number;
  number[n.i] = NAN;
  if (node_op(g, n) == OP_COND) {
    if (isnan(number[in[2].i])) return;
    number[n.i] = number[in[2].i] == 0;
    NodeId yield = in[number[n.i] != 0];
    uint32_t first = g->region.at[graph_node(g, yield)->region].first;
    for (uint32_t k = 3; k < graph_node(g, n)->nin; k++) number[first + k - 3] = number[in[k].i];
    body_at(x, yield);
    return;
  }
  LoopInfo l = graph_loop(g, n);
  int64_t trip, taken = 0;
  if (!dim_is_const(g->program->dims, l.trip, &trip) || trip > FIRST_STEPS) return;
  for (uint32_t k = 0; k < l.nparam; k++) number[l.first + k] = number[in[1 + k].i];
  double *next = ARENA_ARRAY(x->f->r->values->arena, double, l.carry + 1);
  for (; taken < trip; taken++) {
    uint32_t size = l.yield.i - l.first;
    if (l.ends && isnan(number[l.first])) return;
    if (l.ends && number[l.first] == 0) break;
    if (x->f->budget < size) return;
    x->f->budget -= size;
    body_at(x, l.yield);
    for (uint32_t k = 0; k < l.carry; k++) next[k] = number[graph_in(g, l.yield)[k].i];
    for (uint32_t k = 0; k < l.carry; k++) number[l.first + k] = next[k];
  }
  number[n.i] = (double)taken;
}

/* New values of these parameters at a point, by LeafId; NAN: not known. What no gradient matters to is known
 * by its value, too. */
static const double *values_at(First *f, const RuleGraph *at, const bool *who, Point point) {
  const Graph *g = at->g;
  const Values *v = f->r->values;
  uint32_t leaves = f->r->x->p->leaf.n, cone = 0;
  Arena *a = v->arena;
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
  double *number = ARENA_ARRAY(a, double, g->node.n), *known = ARENA_ARRAY(a, double, v->n + 1);
  Numbers x = {f, at, who, needed, point, number};
  for (uint32_t i = 0; i < v->n; i++) known[i] = NAN;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (!needed[i] || g->node.at[i].region) continue; /* bodies are run by their owners */
    if (op_regions((Op)g->node.at[i].op)) {
      owner_at(&x, (NodeId){i});
      continue;
    }
    ValueId is = at->of[i];
    number[i] = number_at(&x, (NodeId){i});
    if (isnan(number[i])) number[i] = known[is.i];
    known[is.i] = number[i];
  }
  for (uint32_t i = 0; i < leaves; i++)
    if (who[i]) value[i] = number[at->assign[i].i];
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
  bool *always = ARENA_ARRAY(f->r->values->arena, bool, n);
  uint32_t saved = fp_enter();
  for (uint32_t i = 0; i < n; i++) always[i] = who[i];
  for (int d = 0; d < FIRST_DRAWS && !none(always, n); d++) { /* whatever is drawn */
    bool *still = ARENA_ARRAY(f->r->values->arena, bool, n);  /* in question at the step */
    for (uint32_t i = 0; i < n; i++) still[i] = always[i];
    const double *old = samples(f, d);
    for (size_t k = 0; k < sizeof steps / sizeof *steps && !none(still, n); k++) {
      const double *now = values_at(f, at, still, (Point){d, steps[k], NAN});
      for (uint32_t i = 0; i < n; i++)
        if (isfinite(now[i]) && isfinite(old[i]) && now[i] != old[i]) still[i] = false;
    }
    for (uint32_t i = 0; i < n; i++) always[i] &= !still[i];
  }
  fp_leave(saved);
  return always;
}

const bool *first_rounds(First *f, const RuleGraph *at, const bool *who) {
  static const double grad[FIRST_DRAWS] = {0.3, -7, 1e-3};
  uint32_t n = f->r->x->p->leaf.n;
  bool *seen = ARENA_ARRAY(f->r->values->arena, bool, n);
  uint32_t saved = fp_enter();
  for (int d = 0; d < FIRST_DRAWS && !none(who, n); d++) {
    const double *old = samples(f, d), *now = values_at(f, at, who, (Point){d, 1, grad[d]});
    for (uint32_t i = 0; i < n; i++) seen[i] |= isfinite(now[i]) && isfinite(old[i]) && now[i] != old[i];
  }
  fp_leave(saved);
  return seen;
}
