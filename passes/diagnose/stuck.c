/* By initial value: gradients that are zero, and units that are equal, as long as nothing moves what starts
 * as 0 or equal, which nothing does. Here a zero is one of the program's own arithmetic: what is 0 because
 * terms cancel is computed as noise, which moves. */
#include "base/hash.h"
#include "passes/diagnose/fixpoint.h"
#include "passes/diagnose/zero.h"

/* A group: parameters that keep each other at rest, or have a cause in common. */
static uint32_t find_root(uint32_t *up, uint32_t i) {
  while (up[i] != i) i = up[i] = up[up[i]];
  return i;
}
static void unite(uint32_t *up, uint32_t a, uint32_t b) {
  a = find_root(up, a);
  b = find_root(up, b);
  if (a < b)
    up[b] = a;
  else
    up[a] = b;
}

static void group_stuck(Diagnose *x, uint32_t view) {
  const View *v = &x->view.at[view];
  uint32_t *up = ARENA_ARRAY(x->arena, uint32_t, x->p->leaf.n);
  Map by_cause;
  map_init(&by_cause, x->arena);
  for (uint32_t i = 0; i < x->p->leaf.n; i++) up[i] = i;
  for (uint32_t i = 0; i < x->p->leaf.n; i++) {
    if (v->param[i].flow != FLOW_STUCK) continue;
    Set set = x->sets.set.at[v->param[i].cause];
    for (uint8_t k = 0; k < set.n; k++) {
      const Cause *c = &x->cause.at[set.at[k]];
      uint32_t other;
      if (c->kind == CAUSE_INITIAL && v->param[c->leaf.i].flow == FLOW_STUCK) unite(up, i, c->leaf.i);
      if (map_get(&by_cause, set.at[k], &other))
        unite(up, i, other);
      else
        map_put(&by_cause, set.at[k], i);
    }
  }
  for (uint32_t i = 0; i < x->p->leaf.n; i++)
    if (v->param[i].flow == FLOW_STUCK) v->param[i].rests = find_root(up, i);
}

/* Axes along which the parameter is equal by what is believed of it, and so is its gradient. */
static uint32_t equal_axes(const Diagnose *x, uint32_t leaf, const LeafFact *f, ValueId grad) {
  const Type *t = &x->p->leaf.at[leaf].type;
  uint32_t axes = f->level == FACT_NONE ? 0 : f->level == FACT_CONST ? 0xff : f->axes, r = 0;
  axes &= value_flat_axes(&x->values, grad);
  for (uint32_t k = 0; k < t->rank; k++) {
    int64_t n;
    bool many = dim_is_const(x->p->dims, t->dim[t->rank - 1 - k], &n) && n > 1;
    if ((axes >> k & 1) && many) r |= UINT32_C(1) << k;
  }
  return r;
}

/* Units are what a product or a convolution makes: elements of a vector that a loss treats alike are none. */
static bool has_units(const Graph *g) {
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_CONTRACT || g->node.at[i].op == OP_CONV2D || g->node.at[i].op == OP_CONV2D_DX)
      return true;
  return false;
}

/* Does any of what the loss reads have a fact? */
static bool any_says(const Diagnose *x, const Graph *g, const LeafFact *fact) {
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (g->node.at[i].op != OP_LEAF) continue;
    LeafId leaf = {(uint32_t)graph_attr(g, (NodeId){i})[0]};
    if (fact_says(x, leaf, &fact[leaf.i])) return true;
  }
  return false;
}

static bool in_question(const View *v, uint32_t leaf) {
  return v->param[leaf].flow == FLOW_OPEN && v->param[leaf].rule != RULE_NONE && node_ok(v->grad_of[leaf]);
}

/* Under what is kept. */
static void ask(Diagnose *x, uint32_t view) {
  View *v = &x->view.at[view];
  const LeafFact *fact = x->fact;
  const Why *why = NULL;
  ExactValues own;
  exact_values_begin(x, &own);
  const ValueId *is = fixpoint_leaves(x, &x->values, fact);
  const ValueId *of = values_graph(&x->values, v->grad, NULL, &(LeafFacts){.is = is, .ranges = true});
  bool units = has_units(v->g);
  for (uint32_t i = 0; i < x->p->leaf.n; i++) {
    AtRest *r = &v->rest[i];
    NodeId g = v->grad_of[i];
    if (!in_question(v, i)) continue;
    r->asked = true;
    r->zero = value_is_zero(&x->values, of[g.i]);
    if (r->zero) {
      if (!why) why = zero_reasons(x, view, v->grad, of);
      r->cause = why[g.i].set;
    } else if (units) {
      r->equal = equal_axes(x, i, &fact[i], of[g.i]);
    }
  }
  exact_values_end(x, &own);
}

/* Under the initial values as they are before the first step, in real arithmetic: later ones differ, and
 * nothing is said of them. */
static void ask_first(Diagnose *x, uint32_t view) {
  View *v = &x->view.at[view];
  ArenaScope scope;
  Values values;
  values_init(&values, x->p, arena_open(&scope, x->arena->mem));
  const ValueId *is = fixpoint_leaves(x, &values, x->first_fact);
  const ValueId *of = values_graph(&values, v->grad, NULL, &(LeafFacts){.is = is, .ranges = true});
  for (uint32_t i = 0; i < x->p->leaf.n; i++)
    if (in_question(v, i)) v->rest[i].late = value_is_zero(&values, of[v->grad_of[i].i]);
  arena_close(&scope);
}

void diagnose_at_rest(Diagnose *x) {
  bool any = false;
  for (uint32_t i = 0; i < x->view.n; i++) any |= x->view.at[i].step != NULL;
  if (!any) return;
  fixpoint_run(x);
  for (uint32_t i = 0; i < x->view.n; i++) {
    View *v = &x->view.at[i];
    if (!v->step || !v->grad || !any_says(x, v->grad, x->first_fact)) continue;
    v->rest = ARENA_ARRAY(x->arena, AtRest, x->p->leaf.n);
    if (any_says(x, v->grad, x->fact)) ask(x, i);
    ask_first(x, i);
  }
}

void diagnose_stuck(Diagnose *x) {
  for (uint32_t k = 0; k < x->view.n; k++) {
    View *v = &x->view.at[k];
    if (!v->rest) continue;
    for (uint32_t i = 0; i < x->p->leaf.n; i++) {
      Verdict *p = &v->param[i];
      const AtRest *r = &v->rest[i];
      if (p->flow != FLOW_OPEN) continue;
      p->late = r->late && !r->zero;
      if (!r->asked) continue;
      if (r->zero) {
        p->flow = FLOW_STUCK;
        p->cause = r->cause;
        continue;
      }
      p->equal =
          r->equal & ~value_flat_axes(&x->values, v->value[v->grad_of[i].i]); /* not for other values */
      if (p->equal) p->flow = FLOW_SYMMETRIC;
    }
    group_stuck(x, k);
  }
}
