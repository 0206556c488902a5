/* What is said about losses: terms that no trained parameter can influence (proved), and likely mistakes
 * (hints). */
#include "passes/diagnose/diagnose.h"

enum { TERMS = 16 };

typedef struct Terms {
  NodeId at[TERMS];
  uint32_t n;
} Terms;

static bool is_literal(const Graph *g, NodeId n) { return node_op(g, graph_moved(g, n)) == OP_CONST; }

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
    if (op_is(node_op(g, x), OPF_MOVE) && op_is(node_op(g, x), OPF_ALIAS)) {
      todo[n++] = in[0];
      continue;
    }
    switch (node_op(g, x)) {
    case OP_ADD:
    case OP_SUB:
      if (n + 2 > TERMS) break;
      todo[n++] = in[1];
      todo[n++] = in[0];
      continue;
    case OP_NEG: todo[n++] = in[0]; continue;
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
  bool trained;    /* a gradient comes from it to an owned parameter */
  bool explained;  /* a parameter in it has a finding of its own */
  Edge cut;        /* where an owned parameter is read, and no gradient passes; else user is NO_NODE */
} TermFacts;

static TermFacts look(Diagnose *x, const View *v, NodeId term, const bool *reported) {
  Reach r = reach_from(v->g, term, &x->sets, x->arena);
  TermFacts f = {.cut = {NO_NODE, 0}};
  for (uint32_t i = 0; i <= term.i; i++) {
    if (!r.reads[i] || v->g->node.at[i].op != OP_LEAF) continue;
    LeafId leaf = {(uint32_t)graph_attr(v->g, (NodeId){i})[0]};
    LeafKind kind = program_leaf_at(x->p, leaf)->kind;
    f.reads_data |= kind == LEAF_INPUT || kind == LEAF_PARAM;
    bool owned = v->param[leaf.i].rule != RULE_NONE;
    f.trained |= r.open[i] && owned;
    const Set *cause = &x->sets.set.at[r.cause[i]];
    if (owned && !r.open[i] && cause->n && !node_ok(f.cut.user)) f.cut = key_edge(cause->at[0]);
    f.explained |= kind == LEAF_PARAM && reported[leaf.i];
  }
  return f;
}

/* The term is written at a place that is a term of another step's loss, too, and is trained there: each step
 * trains its part of a shared value, as the two of a minimax game do. */
static bool others_business(Diagnose *x, const View *v, NodeId term, const bool *reported) {
  Span at = graph_user_span(v->g, x->p->sources, term);
  for (uint32_t i = 0; i < x->view.n; i++) {
    const View *w = &x->view.at[i];
    if (w == v || !w->step) continue;
    Terms t = split(w->g, w->reach.loss);
    for (uint32_t k = 0; k < t.n; k++) {
      Span other = graph_user_span(w->g, x->p->sources, t.at[k]);
      if (!at.file || other.file != at.file || other.lo != at.lo || other.hi != at.hi) continue;
      if (node_op(w->g, t.at[k]) == node_op(v->g, term) && look(x, w, t.at[k], reported).trained) return true;
    }
  }
  return false;
}

static void dead_terms(Diagnose *x, const View *v, const bool *reported) {
  Terms t = split(v->g, v->reach.loss);
  if (t.n < 2) return;
  bool any = false; /* where nothing the step lists can learn, that is said, and every term is dead with it */
  for (uint32_t i = 0; i < x->p->leaf.n; i++)
    any |= v->param[i].rule != RULE_NONE && v->param[i].flow == FLOW_OPEN;
  if (!any) return;
  Span loss = graph_user_span(v->g, x->p->sources, v->reach.loss);
  for (uint32_t i = 0; i < x->view.n; i++) { /* one loss for several steps: each step trains a part of it */
    const View *w = &x->view.at[i];
    Span other = graph_user_span(w->g, x->p->sources, w->reach.loss);
    if (w != v && loss.file && other.file == loss.file && other.lo == loss.lo && other.hi == loss.hi) return;
  }
  for (uint32_t i = 0; i < t.n; i++) {
    TermFacts f = look(x, v, t.at[i], reported);
    if (!f.reads_data || f.trained || f.explained || others_business(x, v, t.at[i], reported)) continue;
    Str step = names_str(x->p->names, v->step->name);
    Span at = graph_user_span(v->g, x->p->sources, t.at[i]);
    bool cut = node_ok(f.cut.user);
    Diag *g = diag_dead_term(x->d, at, cut ? "gradient of it comes to what" : "parameter that", step,
                             cut ? "" : " can influence it");
    if (cut)
      diag_label(g, graph_user_span(v->g, x->p->sources, f.cut.user), "no gradient passes '" STRF "'",
                 STRA(flow_op_text(x->p, v->g, f.cut.user)));
    diag_label(g, v->step->minimize_at, "minimized here");
    diag_help(g, cut ? "let a gradient through, or take the term out of the loss"
                     : "let it depend on what the step updates, or take it out of the loss");
  }
}

/* ---- hints */

/* By node: depends on a parameter that may be trained. */
static bool *trainable(const Diagnose *x, const View *v) {
  bool *made = ARENA_ARRAY(x->arena, bool, v->g->node.n);
  for (uint32_t i = 0; i <= v->reach.loss.i; i++) {
    NodeId n = {i};
    if (node_op(v->g, n) == OP_LEAF) {
      const Leaf *leaf = program_leaf_at(x->p, (LeafId){(uint32_t)graph_attr(v->g, n)[0]});
      made[i] = leaf->kind == LEAF_PARAM && !leaf->frozen;
    }
    for (uint32_t k = 0; k < v->g->node.at[i].nin; k++) made[i] |= made[graph_in(v->g, n)[k].i];
  }
  return made;
}

/* By node: the loss is a sum of it, of its mean, of it weighted by what is not trained: it is a loss itself,
 * and no layer of a model. */
static bool *summed(const Diagnose *x, const View *v) {
  const Graph *g = v->g;
  bool *made = trainable(x, v), *is = ARENA_ARRAY(x->arena, bool, g->node.n);
  is[v->reach.loss.i] = true;
  for (uint32_t i = v->reach.loss.i + 1; i-- > 0;) {
    const NodeId *in = graph_in(g, (NodeId){i});
    if (!is[i]) continue;
    for (uint32_t k = 0; k < g->node.at[i].nin; k++) {
      bool through = op_linear(node_op(g, (NodeId){i}), k) == LINEAR_JOINT;
      switch (node_op(g, (NodeId){i})) {
      case OP_ADD:
      case OP_SUB:
      case OP_NEG: through = true; break;
      case OP_MUL: through = !made[in[1 - k].i]; break;
      case OP_DIV: through = k == 0 && !made[in[1].i]; break;
      case OP_WHERE: through = k > 0; break;
      default: break; /* default: what the table does not call linear is no loss yet */
      }
      is[in[k].i] |= through;
    }
  }
  return is;
}

static void hints(Diagnose *x, const View *v) {
  const Graph *g = v->g;
  const bool *is_loss = summed(x, v);
  for (uint32_t i = 0; i <= v->reach.loss.i; i++) {
    Op op = (Op)g->node.at[i].op;
    if (node_ok(g->node.at[i].primal)) continue; /* part of a derivative: nobody wrote it */
    if (!v->reach.reads[i] || (op != OP_CROSS_ENTROPY && op != OP_LOG && op != OP_SOFTPLUS)) continue;
    NodeId in = graph_moved(g, graph_in(g, (NodeId){i})[0]);
    Op below = node_op(g, in);
    Span at = graph_user_span(g, x->p->sources, (NodeId){i}), inner = graph_user_span(g, x->p->sources, in);
    Diag *d = NULL;
    if (op == OP_CROSS_ENTROPY && below == OP_RELU) {
      d = diag_relu_logits(x->d, at);
      diag_help(d, "give cross_entropy the value before 'relu': logits may be negative");
    } else if (op == OP_CROSS_ENTROPY && below == OP_SOFTMAX) {
      d = diag_softmax_twice(x->d, at);
      diag_help(d, "give cross_entropy the logits: it normalises them itself");
    } else if (op == OP_SOFTPLUS && below == OP_SIGMOID && is_loss[i]) {
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

/* States that a loss reads and nothing ever assigns: meant to learn, or to follow, perhaps. */
static void unassigned_states(Diagnose *x) {
  const Program *p = x->p;
  Diag *g = NULL;
  Sb who;
  sb_init(&who, x->arena);
  VEC(LeafId) all = {0};
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (state_unassigned(x, (LeafId){i})) VEC_PUSH(x->arena, &all, (LeafId){i});
  for (uint32_t i = 0; i < all.n && i < 4; i++)
    sb_fmt(&who, "%s'" STRF "'",
           !i               ? ""
           : i + 1 == all.n ? " and "
                            : ", ",
           STRA(names_str(p->names, program_leaf_at(p, all.at[i])->path)));
  if (all.n > 4) sb_fmt(&who, " and %u more", all.n - 4);
  bool one = all.n == 1;
  for (uint32_t i = 0; i < all.n; i++) {
    const Leaf *leaf = program_leaf_at(p, all.at[i]);
    if (i == 0)
      g = diag_unassigned_state(x->d, leaf->at, one ? "state" : "states", sb_str(&who), one ? "is" : "are",
                                one ? "it keeps its first value" : "they keep their first values");
    else if (i < 6)
      diag_label(g, leaf->at, "and this one");
    diag_subject(g, names_str(p->names, leaf->path));
  }
  if (g)
    diag_help(g,
              "to train %s write 'param'; what stays is a 'frozen param'; what follows is assigned with ':='",
              one ? "it" : "them");
}

void diagnose_losses(Diagnose *x) {
  bool *reported = ARENA_ARRAY(x->arena, bool, x->p->leaf.n);
  for (uint32_t i = 0; i < x->found.n; i++)
    reported[x->found.at[i].param.i] =
        x->found.at[i].head != HEAD_HEALTHY && x->found.at[i].head != HEAD_SILENT &&
        x->found.at[i].head != HEAD_ZERO && x->found.at[i].head != HEAD_STUCK &&
        x->found.at[i].head != HEAD_SYMMETRIC; /* what is zero elsewhere explains no term */
  for (uint32_t i = 0; i < x->view.n; i++) {
    const View *v = &x->view.at[i];
    if (v->step) dead_terms(x, v, reported);
    hints(x, v);
    diagnose_hygiene(x, v);
  }
  unassigned_states(x);
}
