/* What is said about losses: terms that no trained parameter can influence (proved), and likely mistakes
 * (hints). */
#include "passes/diagnose.h"

enum { TERMS = 16 };

typedef struct Terms {
  NodeId at[TERMS];
  uint32_t n;
} Terms;

static bool is_literal(const Graph *g, NodeId n) {
  while (node_op(g, n) == OP_BROADCAST || node_op(g, n) == OP_RESHAPE || node_op(g, n) == OP_NAME)
    n = graph_in(g, n)[0];
  return node_op(g, n) == OP_CONST;
}

/* The summands of a loss, seen through signs, literal factors and shapes. More than TERMS: the rest is left
 * out. */
static Terms split(const Graph *g, NodeId loss) {
  Terms t = {.n = 0};
  NodeId todo[TERMS];
  uint32_t n = 0;
  todo[n++] = loss;
  while (n) {
    NodeId x = todo[--n];
    const NodeId *in = graph_in(g, x);
    switch (node_op(g, x)) {
    case OP_ADD:
    case OP_SUB:
      if (n + 2 > TERMS) break;
      todo[n++] = in[1];
      todo[n++] = in[0];
      continue;
    case OP_NEG:
    case OP_NAME:
    case OP_RESHAPE: todo[n++] = in[0]; continue;
    case OP_MUL:
      if (!is_literal(g, in[0]) && !is_literal(g, in[1])) break;
      todo[n++] = in[is_literal(g, in[0])];
      continue;
    case OP_DIV:
      if (!is_literal(g, in[1])) break;
      todo[n++] = in[0];
      continue;
    default: break; /* default: a term */
    }
    if (t.n < TERMS) t.at[t.n++] = x;
  }
  return t;
}

typedef struct TermFacts {
  bool reads_data; /* an input or a parameter: not a mere number */
  bool trained;    /* an owned parameter can influence it */
  bool explained;  /* a parameter in it has a finding of its own */
} TermFacts;

static TermFacts look(Diagnose *x, const View *v, NodeId term, const bool *reported) {
  Reach r = reach_from(v->g, term, &x->sets, x->arena);
  TermFacts f = {0};
  for (uint32_t i = 0; i <= term.i; i++) {
    if (!r.reads[i] || v->g->node.at[i].op != OP_LEAF) continue;
    LeafId leaf = {(uint32_t)graph_attr(v->g, (NodeId){i})[0]};
    LeafKind kind = program_leaf_at(x->p, leaf)->kind;
    f.reads_data |= kind == LEAF_INPUT || kind == LEAF_PARAM;
    f.trained |= r.open[i] && v->param[leaf.i].rule != RULE_NONE;
    f.explained |= kind == LEAF_PARAM && reported[leaf.i];
  }
  return f;
}

static void dead_terms(Diagnose *x, const View *v, const bool *reported) {
  Terms t = split(v->g, v->reach.loss);
  if (t.n < 2) return;
  bool any = false; /* where nothing the step lists can learn, that is said, and every term is dead with it */
  for (uint32_t i = 0; i < x->p->leaf.n; i++)
    any |= v->param[i].rule != RULE_NONE && v->param[i].flow == FLOW_OPEN;
  if (!any) return;
  for (uint32_t i = 0; i < x->view.n; i++) /* one loss for several steps: each step trains a part of it */
    if (&x->view.at[i] != v && str_eq(x->view.at[i].loss, v->loss)) return;
  for (uint32_t i = 0; i < t.n; i++) {
    TermFacts f = look(x, v, t.at[i], reported);
    if (!f.reads_data || f.trained || f.explained) continue;
    Str step = names_str(x->p->names, v->step->name);
    Span at = graph_user_span(v->g, x->p->sources, t.at[i]);
    Diag *g = diag_dead_term(x->d, at, step);
    diag_label(g, v->step->minimize_at, "minimized here");
    diag_help(g, "let it depend on what the step updates, or take it out of the loss");
  }
}

/* ---- hints */

/* Through ops that only move elements. */
static NodeId source(const Graph *g, NodeId n) {
  for (;;) {
    Op op = node_op(g, n);
    if (op != OP_RESHAPE && op != OP_TRANSPOSE && op != OP_SLICE && op != OP_BROADCAST && op != OP_NAME)
      return n;
    n = graph_in(g, n)[0];
  }
}

static void hints(Diagnose *x, const View *v) {
  const Graph *g = v->g;
  for (uint32_t i = 0; i <= v->reach.loss.i; i++) {
    Op op = (Op)g->node.at[i].op;
    if (node_ok(g->node.at[i].primal)) continue; /* part of a derivative: nobody wrote it */
    if (!v->reach.reads[i] || (op != OP_CROSS_ENTROPY && op != OP_LOG && op != OP_SOFTPLUS)) continue;
    NodeId in = source(g, graph_in(g, (NodeId){i})[0]);
    Op below = node_op(g, in);
    Span at = graph_user_span(g, x->p->sources, (NodeId){i}), inner = graph_user_span(g, x->p->sources, in);
    Diag *d = NULL;
    if (op == OP_CROSS_ENTROPY && below == OP_RELU) {
      d = diag_relu_logits(x->d, at);
      diag_help(d, "give cross_entropy the value before 'relu': logits may be negative");
    } else if (op == OP_CROSS_ENTROPY && below == OP_SOFTMAX) {
      d = diag_softmax_twice(x->d, at);
      diag_help(d, "give cross_entropy the logits: it normalises them itself");
    } else if (op == OP_SOFTPLUS && below == OP_SIGMOID) {
      d = diag_sigmoid_twice(x->d, at);
      diag_help(d, "give the loss the value before 'sigmoid', or use a loss for probabilities");
    } else if (op == OP_LOG && below == OP_SOFTMAX) {
      d = diag_log_softmax(x->d, at);
      diag_help(d, "use log_softmax, which never takes the logarithm of 0");
    }
    if (d && (inner.file != at.file || inner.lo != at.lo || inner.hi != at.hi))
      diag_label(d, inner, "this is its operand");
  }
}

void diagnose_losses(Diagnose *x) {
  bool *reported = ARENA_ARRAY(x->arena, bool, x->p->leaf.n);
  for (uint32_t i = 0; i < x->found.n; i++)
    reported[x->found.at[i].param.i] =
        x->found.at[i].head != HEAD_HEALTHY && x->found.at[i].head != HEAD_SILENT;
  for (uint32_t i = 0; i < x->view.n; i++) {
    const View *v = &x->view.at[i];
    if (v->step) dead_terms(x, v, reported);
    hints(x, v);
  }
}
