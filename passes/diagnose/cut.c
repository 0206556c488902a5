/* Messages about cuts: where each stands and why it is one, and what to write instead. */
#include "passes/diagnose/say.h"

typedef enum {
  CUT_STOP,
  CUT_EXTERN,
  CUT_RULE,
  CUT_DERIVATIVE,
  CUT_KINK,
  CUT_INDEX,
  CUT_PREDICATE,
  CUT_CAST,
  CUT_COMPARE,
  CUT_ARG,
  CUT_STEP
} CutKind;

static CutKind cut_kind(const View *v, Edge e) {
  Op op = node_op(v->g, e.user);
  switch (edge_class(v->reach.facts, e.user, e.input)) {
  case GC_STOPPED: return CUT_STOP;
  case GC_OPAQUE: return CUT_EXTERN;
  case EDGE_RULE: return CUT_RULE;
  case EDGE_DERIV: return CUT_DERIVATIVE;
  }
  if (node_ok(graph_node(v->g, e.user)->primal)) return CUT_KINK;
  if (edge_class(v->reach.facts, e.user, e.input) == GC_INDEX)
    return op == OP_WHERE || op == OP_RESULT ? CUT_PREDICATE : CUT_INDEX;
  if (op == OP_CAST) return CUT_CAST;
  if (op == OP_ARGMAX || op == OP_ARGMIN || op == OP_ARGSORT) return CUT_ARG;
  if (op == OP_EQ || op == OP_NE || op == OP_LT || op == OP_LE || op == OP_AND || op == OP_OR || op == OP_NOT)
    return CUT_COMPARE;
  return CUT_STEP;
}

static void label_cut(const Say *s, const View *v, Diag *g, Edge e) {
  Span at = say_node_place(s, v, e.user);
  Str op = flow_op_text(s->x->p, v->g, e.user);
  const char *type = dtype_name((DType)graph_node(v->g, e.user)->type.dtype);
  switch (cut_kind(v, e)) {
  case CUT_STOP: diag_label(g, at, "stop_gradient ends the gradient here"); return;
  case CUT_EXTERN: diag_label(g, at, "host function '" STRF "' has no derivative", STRA(op)); return;
  case CUT_RULE: diag_label(g, at, "the declared backward rule gives nothing to it"); return;
  case CUT_DERIVATIVE: diag_label(g, at, "the derivative taken here does not depend on it"); return;
  case CUT_KINK:
    op = flow_op_text(s->x->p, v->g, graph_node(v->g, e.user)->primal);
    diag_label(g, at, "the derivative of '" STRF "' takes it as a choice only: zero everywhere", STRA(op));
    return;
  case CUT_INDEX: diag_label(g, at, "'" STRF "' reads it as an index only", STRA(op)); return;
  case CUT_PREDICATE:
    diag_label(g, at, "only the condition of '%s'", node_op(v->g, e.user) == OP_WHERE ? "where" : "cond");
    return;
  case CUT_CAST: diag_label(g, at, "conversion to %s: derivative zero everywhere", type); return;
  case CUT_COMPARE:
    diag_label(g, at, "'" STRF "' gives true or false: derivative zero everywhere", STRA(op));
    return;
  case CUT_ARG:
    diag_label(g, at, "'" STRF "' gives a position: derivative zero everywhere", STRA(op));
    return;
  case CUT_STEP:
    diag_label(g, at, "'" STRF "' is a step function: derivative zero everywhere", STRA(op));
    return;
  }
}

static Set cause_of(const Say *s, const View *v) {
  return s->x->sets.set.at[v->param[s->first->param.i].cause];
}

/* The literal 0 that a declared rule gives to one of its parameters, if that is why the node cuts; else 0. */
static uint32_t zero_part(const View *v, Set cause, NodeId custom) {
  Span at = graph_user_span(v->g, v->g->program->sources, custom);
  for (uint8_t i = 0; i < cause.n; i++) {
    Edge e = key_edge(cause.at[i]);
    Span own = graph_user_span(v->g, v->g->program->sources, e.user);
    bool there = node_eq(e.user, custom) || (at.file && own.file == at.file && own.lo == at.lo);
    if (there && e.input && edge_class(v->reach.facts, e.user, e.input) == EDGE_RULE) return e.input;
  }
  return 0;
}

enum { BODY = 64 };

/* A cut inside a function with a declared rule, which stands in place of its derivative: what counts is what
 * the rule gives, and that is a cut of its own. */
static bool behind_rule(const View *v, Edge e) {
  NodeId at = e.user;
  for (uint32_t k = 0; k < BODY && !node_eq(at, v->reach.loss); k++) {
    Edge next = v->reach.next[at.i];
    if (!node_ok(next.user)) return false;
    if (node_op(v->g, next.user) == OP_CUSTOM && next.input == 0) return true;
    at = next.user;
  }
  return false;
}

/* Every cut once: a place in the text may be expanded often, and the value of a function with a rule comes in
 * twice. */
void say_cuts(const Say *s, const View *v, Diag *g) {
  Set cause = cause_of(s, v);
  uint64_t said[SET_CAP];
  for (uint8_t i = 0; i < cause.n; i++) {
    Edge e = key_edge(cause.at[i]);
    bool again = false;
    said[i] = flow_cut_place(v, e);
    for (uint8_t k = 0; k < i; k++) again |= said[k] == said[i];
    if (again || behind_rule(v, e)) continue;
    label_cut(s, v, g, e);
    uint32_t part = cut_kind(v, e) == CUT_RULE ? zero_part(v, cause, e.user) : 0;
    if (!part) continue;
    NodeId zero = graph_in(v->g, e.user)[part + (uint32_t)graph_attr(v->g, e.user)[1]];
    diag_label(g, say_node_place(s, v, zero), "this part of the rule is 0");
  }
  if (cause.more) diag_note(g, (Span){0}, "there are more cuts than are shown");
}

/* The cut on the path that is shown. */
Edge cut_of_path(const View *v, LeafId param) {
  return v->reach.next[v->reach.cut[v->param[param.i].at.i].i];
}

/* Further cuts of a real value on that path: mending the first would not be enough. Behind a conversion or a
 * comparison there are integers and truth values, whose cuts are part of the first. */
bool say_next_cuts(const Say *s, const View *v, Diag *g, Edge first) {
  bool any = false;
  uint64_t said = flow_cut_place(v, first);
  NodeId at = v->reach.cut[first.user.i];
  for (uint32_t k = 0; k < 64 && node_ok(at) && g->label.n < 8; k++) {
    Edge e = v->reach.next[at.i];
    bool real = dtype_is_float((DType)graph_node(v->g, at)->type.dtype);
    at = v->reach.cut[e.user.i];
    if (edge_class(v->reach.facts, e.user, e.input) == EDGE_RULE || !real || flow_cut_place(v, e) == said)
      continue;
    said = flow_cut_place(v, e);
    label_cut(s, v, g, e);
    any = true;
  }
  return any;
}

/* Are all cuts that this is about one place in the text? */
bool one_cut(const Say *s, const View *v) {
  Set cause = cause_of(s, v);
  for (uint8_t i = 1; i < cause.n; i++)
    if (flow_cut_place(v, key_edge(cause.at[i])) != flow_cut_place(v, key_edge(cause.at[0]))) return false;
  return true;
}

/* `edit`: mending this one cut is enough, and changes nothing else. */
void help_cut(const Say *s, const View *v, Diag *g, Edge e, bool edit) {
  Str op = flow_op_text(s->x->p, v->g, e.user);
  const char *params = s->who.n == 1 ? "the parameter" : "the parameters";
  Span at = say_node_place(s, v, e.user);
  bool shared = edit_shared(s->x, v, e);
  edit &= !shared;
  switch (cut_kind(v, e)) {
  case CUT_STOP:
    if (shared) { /* a straight-through form, most often */
      diag_help(g,
                "add a term to the loss that %s can learn from, or declare %s 'frozen'; without this "
                "'stop_gradient' other parameters would learn something else",
                s->who.n == 1 ? "it" : "they", s->who.n == 1 ? "it" : "them");
      return;
    }
    switch (edit ? edit_revives(s->x, v, e, &s->who) : REVIVES_UNKNOWN) {
    case REVIVES_ALL: edit_stop(s->x, g, at); break;
    case REVIVES_SOME:
      diag_help(g,
                "declare %s 'frozen', or let the loss depend on %s otherwise: with 'stop_gradient' gone, the "
                "gradient of %s would still be zero",
                params, s->who.n == 1 ? "it" : "them", s->who.n == 1 ? "it" : "some of them");
      return;
    case REVIVES_UNKNOWN: break;
    }
    diag_help(g, "remove 'stop_gradient', or declare %s 'frozen'", params);
    return;
  case CUT_EXTERN:
    diag_help(g,
              "write 'backward (dy) = ..' after the declaration of '" STRF
              "', or the function itself in this file",
              STRA(op));
    return;
  case CUT_RULE:
    if (zero_part(v, cause_of(s, v), e.user))
      diag_help(g, "let that part of the rule use the incoming gradient, or declare %s 'frozen'", params);
    else
      diag_help(g,
                "make the value a parameter of the function and give it a part of the rule, or declare %s "
                "'frozen'",
                params);
    return;
  case CUT_DERIVATIVE:
    diag_help(g, "let a term of the loss read the value itself, or declare %s 'frozen'", params);
    return;
  case CUT_KINK:
    diag_help(g,
              "use a function whose derivative is smooth, 'tanh' or 'softplus' for instance, or declare %s "
              "'frozen'",
              params);
    return;
  case CUT_INDEX:
  case CUT_PREDICATE:
    diag_help(g, "use the value itself in the result as well, as a weight for instance");
    return;
  case CUT_CAST: diag_help(g, "keep the value a float on the way to the loss"); return;
  case CUT_COMPARE:
    if (edit_squashed(s->x, v, e.user)) {
      diag_help(g, "use the soft value s itself, or pass the gradient by: s + stop_gradient(hard - s)");
      return;
    }
    diag_help(g, "put a smooth form in its place, 'sigmoid' for instance; a count of right answers is a "
                 "metric, no loss");
    if (edit) edit_comparison(s->x, v, g, e.user, op);
    return;
  case CUT_ARG:
    diag_help(g, "put a smooth form in its place, 'softmax' or 'cross_entropy' for instance; a count of "
                 "right answers is a metric, no loss");
    return;
  case CUT_STEP:
    diag_help(g,
              "leave '" STRF "' out of the loss, or pass the gradient by: x + stop_gradient(" STRF "(x) - x)",
              STRA(op), STRA(op));
    if (edit) edit_step(s->x, g, at, op);
    return;
  }
}
