/* Numbers that break: a gradient that can be infinite or undefined where the value is fine, a logarithm of
 * what can be negative, a division by the literal 0. Reachable points only: what a range merely allows is not
 * told. */
#include "ir/graph/region.h"
#include "passes/diagnose/diagnose.h"

enum { REACH_DEPTH = 8, BRANCH = 24 };

typedef struct Hygiene {
  Diagnose *x;
  const View *v;
  const Graph *g;
  const bool *trains; /* by node: gradient goes through it to a parameter that learns */
  const bool *taken;  /* by node: the loss reads it whatever any 'where' chooses */
} Hygiene;

static const Value *value_of(const Hygiene *h, NodeId n) { return value_at(&h->x->values, h->v->value[n.i]); }

/* Linear in an input or parameter that may be any number: it takes both signs, and 0. */
static bool any_number(const Values *v, ValueId id, int depth) {
  const Value *x = value_at(v, id);
  if (depth >= REACH_DEPTH || x->undefined || x->infinite || x->range.lo > -1e300 || x->range.hi < 1e300)
    return false;
  switch (x->kind) {
  case VALUE_SUM:
    for (uint32_t i = 0; i < x->n; i++)
      if (any_number(v, value_term(v, id, i)->of, depth + 1)) return true;
    return false;
  case VALUE_PRODUCT: return false;
  case VALUE_OP: break;
  }
  switch (x->op) {
  case OP_LEAF: return true;
  case OP_CONTRACT:
  case OP_CONV2D:
  case OP_CONV2D_DX:
    return any_number(v, value_term(v, id, 0)->of, depth + 1) ||
           any_number(v, value_term(v, id, 1)->of, depth + 1);
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_REVERSE:
  case OP_SUM: return any_number(v, value_term(v, id, 0)->of, depth + 1);
  default: return false; /* default: not known */
  }
}

/* At least 0, and 0 at a point of the domain. */
static bool reaches_zero(const Values *v, ValueId id, int depth) {
  const Value *x = value_at(v, id);
  if (depth >= REACH_DEPTH || x->undefined || x->infinite || x->range.lo != 0) return false;
  switch (x->kind) {
  case VALUE_SUM:
    if (x->c.p != 0 || !x->n) return false;
    for (uint32_t i = 0; i < x->n; i++)
      if (!reaches_zero(v, value_term(v, id, i)->of, depth + 1)) return false;
    return true;
  case VALUE_PRODUCT:
    for (uint32_t i = 0; i < x->n; i++) {
      const Term *t = value_term(v, id, i);
      if (t->k.p < 0) return false;
      if (any_number(v, t->of, depth + 1) || reaches_zero(v, t->of, depth + 1)) return true;
    }
    return false;
  case VALUE_OP: break;
  }
  ValueId in = x->n ? value_term(v, id, 0)->of : NO_VALUE;
  switch (x->op) {
  case OP_ABS:
  case OP_RELU: return any_number(v, in, depth + 1);
  case OP_SUM:
  case OP_MAX:
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE: return reaches_zero(v, in, depth + 1);
  default: return false; /* default: not known */
  }
}

/* Affine in a parameter or input that stands there itself: some value of it makes this negative. */
static bool reaches_negative(const Values *v, ValueId id) {
  const Value *x = value_at(v, id);
  if (x->kind == VALUE_SUM && x->n) {
    for (uint32_t i = 0; i < x->n; i++) {
      ValueId t = value_term(v, id, i)->of;
      if (value_at(v, t)->kind == VALUE_OP && reaches_negative(v, t)) return any_number(v, id, 0);
    }
    return false;
  }
  if (x->kind != VALUE_OP || !any_number(v, id, 0)) return false;
  if (x->op == OP_LEAF) return true;
  if (x->op != OP_CONTRACT) return false;
  for (uint32_t k = 0; k < 2; k++) {
    const Value *in = value_at(v, value_term(v, id, k)->of);
    if (in->kind == VALUE_OP && in->op == OP_LEAF && any_number(v, value_term(v, id, k)->of, 0)) return true;
  }
  return false;
}

static Span place(const Hygiene *h, NodeId n) {
  const Sources *src = h->x->p->sources;
  Span own = h->g->location.at[graph_node(h->g, n)->location.i].at;
  if (own.file && src->file.at[own.file].library) return (Span){0}; /* not the user's to mend */
  return graph_user_span(h->g, src, n);
}

static void root_at_zero(const Hygiene *h, NodeId n, NodeId operand) {
  if (!h->trains[operand.i] || !reaches_zero(&h->x->values, h->v->value[operand.i], 0)) return;
  Span at = place(h, n);
  if (!at.file) return;
  Diag *g = diag_root_at_zero(h->x->d, at, flow_op_text(h->x->p, h->g, n));
  diag_help(g, "add a small number under the root, or use 'norm' or 'l2norm', whose derivative at 0 is 0");
}

static void log_of_negative(const Hygiene *h, NodeId n, NodeId operand) {
  if (!h->trains[operand.i] || !h->taken[n.i] || !reaches_negative(&h->x->values, h->v->value[operand.i]))
    return;
  Span at = place(h, n), inner = graph_user_span(h->g, h->x->p->sources, operand);
  if (!at.file) return;
  Diag *g = diag_log_of_negative(h->x->d, at);
  if (inner.file && inner.lo != at.lo) diag_label(g, inner, "this may be any number");
  diag_help(g,
            "make a probability of it first (sigmoid, softmax), or use log_softmax or bce_with_logits on it");
}

static void divided_by_zero(const Hygiene *h, NodeId n) {
  NodeId by = graph_in(h->g, n)[1];
  Span at = place(h, n), inner = graph_user_span(h->g, h->x->p->sources, by);
  ValueId divisor = h->v->value[by.i];
  if (!at.file || !h->taken[n.i] || !value_is_zero(&h->x->values, divisor)) return;
  if (value_at(&h->x->values, divisor)->noise) return; /* of rounding: no 0 */
  Diag *g = diag_divided_by_zero(h->x->d, at);
  if (inner.file && (inner.lo != at.lo || inner.hi != at.hi)) diag_label(g, inner, "this is 0");
  diag_help(g, "divide by something else: nothing is proved about what reads this");
}

/* A value that the condition compares: the choice is made because of it. */
static bool compared(const Hygiene *h, NodeId condition, ValueId with) {
  NodeId c = condition;
  while (node_op(h->g, c) == OP_BROADCAST || node_op(h->g, c) == OP_NOT || node_op(h->g, c) == OP_RESHAPE)
    c = graph_in(h->g, c)[0];
  Op op = node_op(h->g, c);
  if (op != OP_EQ && op != OP_NE && op != OP_LT && op != OP_LE) return false;
  Ratio k;
  return value_eq(value_factor(&h->x->values, h->v->value[graph_in(h->g, c)[0].i], &k), with) ||
         value_eq(value_factor(&h->x->values, h->v->value[graph_in(h->g, c)[1].i], &k), with);
}

/* Does its derivative blow up where this operand does what the condition looks for? The operand, or NO_NODE.
 */
static NodeId blows_up(const Hygiene *h, NodeId n) {
  const NodeId *in = graph_in(h->g, n);
  switch (node_op(h->g, n)) {
  case OP_DIV: return in[1];
  case OP_LOG:
  case OP_SQRT:
  case OP_RSQRT: return in[0];
  case OP_EXP:
  case OP_EXPM1: return value_of(h, in[0])->range.hi < 80 ? NO_NODE : in[0];
  default: return NO_NODE; /* default: a derivative of usual size */
  }
}

/* In a branch: an op that breaks where the branch is not taken. Its gradient is 0 times that. */
static void untaken(const Hygiene *h, NodeId n) {
  const NodeId *in = graph_in(h->g, n);
  for (uint32_t k = 1; k < 3; k++) {
    NodeId todo[BRANCH];
    uint32_t count = 0;
    if (!h->trains[in[k].i]) continue;
    todo[count++] = in[k];
    for (uint32_t i = 0; i < count; i++) {
      NodeId b = todo[i], bad = blows_up(h, b);
      Ratio c;
      if (node_ok(bad) && h->trains[b.i] &&
          compared(h, in[0], value_factor(&h->x->values, h->v->value[bad.i], &c))) {
        Span at = place(h, n), inner = graph_user_span(h->g, h->x->p->sources, b);
        if (!at.file) return;
        Diag *g = diag_untaken_branch(h->x->d, at, flow_op_text(h->x->p, h->g, b));
        diag_label(g, inner, "0 times its derivative is NaN where the other side is taken");
        diag_help(g, "choose before it, too: give it a harmless operand where it is not used");
        return;
      }
      bool through = op_info[node_op(h->g, b)].scalar || node_op(h->g, b) == OP_BROADCAST;
      for (uint32_t j = 0; through && node_op(h->g, b) != OP_WHERE && j < graph_node(h->g, b)->nin; j++)
        if (count < BRANCH) todo[count++] = graph_in(h->g, b)[j];
    }
  }
}

/* By node: gradient goes through it to a parameter that the step, or any where there is none, trains. Once,
 * where no value comes back to an earlier node. */
static bool *training(const Diagnose *x, const View *v) {
  const Graph *g = v->grad;
  bool *t = ARENA_ARRAY(x->arena, bool, g->node.n);
  for (bool again = true; again;) {
    again = false;
    for (uint32_t i = 0; i <= v->grad_loss.i; i++) {
      NodeId n = {i};
      bool had = t[i];
      if (node_op(g, n) == OP_LEAF) {
        const Verdict *p = &v->param[graph_attr(g, n)[0]];
        const Leaf *leaf = program_leaf_at(x->p, (LeafId){(uint32_t)graph_attr(g, n)[0]});
        t[i] = leaf->kind == LEAF_PARAM && !leaf->frozen && p->flow >= FLOW_ZERO &&
               (!v->step || p->rule != RULE_NONE);
      }
      for (uint32_t k = 0; k < graph_sources(g, n); k++)
        t[i] |= t[graph_source(g, n, k).i] && graph_source_class(g, n, k) == GC_CARRIES;
      again |= t[i] != had;
    }
    again &= g->region.n > 1;
  }
  return t;
}

/* Of a choice that is decided the other side is not. */
static bool left_out(const Diagnose *x, const View *v, NodeId n, uint32_t k) {
  if (node_op(v->grad, n) == OP_WHERE) return k > 0;
  if (node_op(v->grad, n) != OP_COND || k > 1) return false;
  return value_is(&x->values, v->value[graph_in(v->grad, n)[2].i], k);
}

static bool *always_read(const Diagnose *x, const View *v) {
  bool *t = ARENA_ARRAY(x->arena, bool, v->grad->node.n);
  t[v->grad_loss.i] = true;
  for (uint32_t i = v->grad_loss.i + 1; i-- > 0;) {
    const NodeId *in = graph_in(v->grad, (NodeId){i});
    for (uint32_t k = 0; k < v->grad->node.at[i].nin && t[i]; k++)
      if (!left_out(x, v, (NodeId){i}, k)) t[in[k].i] = true;
  }
  return t;
}

void diagnose_hygiene(Diagnose *x, const View *v) {
  if (!v->grad) return;
  Hygiene h = {x, v, v->grad, training(x, v), always_read(x, v)};
  for (uint32_t i = 0; i <= v->grad_loss.i; i++) {
    NodeId n = {i};
    const NodeId *in = graph_in(v->grad, n);
    if (node_ok(v->grad->node.at[i].primal)) continue;
    switch (node_op(v->grad, n)) {
    case OP_SQRT:
    case OP_RSQRT: root_at_zero(&h, n, in[0]); break;
    case OP_LOG: log_of_negative(&h, n, in[0]); break;
    case OP_DIV: divided_by_zero(&h, n); break;
    case OP_WHERE: untaken(&h, n); break;
    default: break; /* default: defined everywhere */
    }
  }
}
