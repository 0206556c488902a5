/* Messages about gradients that are zero for every input: what makes them so, what that rests on, and what
 * the optimizer makes of the rounding noise that is computed instead. */
#include "base/num.h"
#include "ir/graph/region.h"
#include "passes/diagnose/say.h"
#include "passes/diagnose/slab.h"
#include "passes/diagnose/zero.h"

static Str op_name(const Say *s, const View *v, const Cause *c) {
  return flow_op_text(s->x->p, v->grad, c->at);
}

static bool of_loop(const View *v, NodeId n) {
  if (node_op(v->grad, n) == OP_RESULT) n = graph_in(v->grad, n)[0];
  return node_op(v->grad, n) == OP_LOOP;
}

/* What the condition of a `where` or `cond` always is: 1, 0, or -1 where that is not the reason. */
static int condition(const Say *s, const View *v, NodeId n) {
  if (node_op(v->grad, n) == OP_RESULT) n = graph_in(v->grad, n)[0];
  Op op = node_op(v->grad, n);
  if (op != OP_WHERE && op != OP_COND) return -1;
  ValueId c = v->value[graph_in(v->grad, n)[op == OP_COND ? 2 : 0].i];
  return value_is(&s->x->values, c, 1) ? 1 : value_is(&s->x->values, c, 0) ? 0 : -1;
}

static void label_shape(const Say *s, const View *v, Diag *g, const Cause *c, Span at) {
  Str op = op_name(s, v, c);
  switch (node_op(v->grad, c->at)) {
  case OP_SOFTMAX: diag_label(g, at, "'" STRF "' over an axis of size 1 is always 1", STRA(op)); return;
  case OP_LOG_SOFTMAX:
  case OP_CROSS_ENTROPY: diag_label(g, at, "'" STRF "' over an axis of size 1 is always 0", STRA(op)); return;
  default: /* default: reductions */
    diag_label(g, at, "'" STRF "' over an axis of size 1 is the value itself: what is left of it is 0",
               STRA(op));
    return;
  }
}

/* Where the dependence ends. */
static void label_ignored(const View *v, Diag *g, const Cause *c, Span at, Str op) {
  switch (node_op(v->grad, c->at)) {
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_CROSS_ENTROPY:
    diag_label(g, at, "'" STRF "' ignores what is added equally along its axis", STRA(op));
    return;
  case OP_ADD:
  case OP_SUB: diag_label(g, at, "this takes away again what is added equally to both sides"); return;
  case OP_DIV: diag_label(g, at, "the quotient ignores what multiplies both of its sides"); return;
  default:
    diag_label(g, at, "'" STRF "' does not change with it", STRA(op));
    return; /* default: a factor 0 */
  }
}

void say_cause(const Say *s, const View *v, Diag *g, const Cause *c) {
  Span at = graph_user_span(v->grad, s->x->p->sources, c->at);
  Str op = op_name(s, v, c);
  int yes = condition(s, v, c->at);
  switch (c->kind) {
  case CAUSE_LITERAL: diag_label(g, at, "this is 0"); return;
  case CAUSE_SHAPE: label_shape(s, v, g, c, at); return;
  case CAUSE_EQUAL:
    if (node_op(v->grad, c->at) == OP_SOFTMAX && value_is_zero(&s->x->values, v->value[c->at.i]))
      diag_label(g, at, "'" STRF "' of scores that are all masked is 0", STRA(op));
    else
      diag_label(g, at, "'" STRF "' of values that are equal along its axis", STRA(op));
    return;
  case CAUSE_CHOICE:
    if (yes >= 0)
      diag_label(g, at, "the condition is always %s", yes ? "true" : "false");
    else if (of_loop(v, c->at))
      diag_label(g, at, "this loop takes no step");
    else if (graph_node(v->grad, c->at)->type.dtype == DT_BOOL)
      diag_label(g, at, "'" STRF "' is always %s", STRA(op),
                 value_is(&s->x->values, v->value[c->at.i], 1) ? "true" : "false");
    else
      diag_label(g, at, "'" STRF "' always takes the same side", STRA(op));
    return;
  case CAUSE_CANCEL: diag_label(g, at, "what comes together here cancels: 0 for every input"); return;
  case CAUSE_IGNORED: label_ignored(v, g, c, at, op); return;
  case CAUSE_INITIAL: return;
  }
}

static void say_causes(const Say *s, const View *v, Diag *g) {
  Set set = s->x->sets.set.at[v->param[s->first->param.i].cause];
  for (uint8_t i = 0; i < set.n; i++) {
    const Cause *c = &s->x->cause.at[set.at[i]];
    if (node_ok(c->at) && c->view == s->first->view) say_cause(s, v, g, c);
  }
  if (set.more) diag_note(g, (Span){0}, "there are more reasons than are shown");
}

/* "because 'x' is declared in [0, 1]" */
static void say_ranges(const Say *s, const View *v, Diag *g) {
  const Diagnose *x = s->x;
  const Graph *d = v->grad;
  if (!v->param[s->first->param.i].by_range) return;
  bool *read = ARENA_ARRAY(x->arena, bool, d->node.n);
  Set set = x->sets.set.at[v->param[s->first->param.i].cause];
  for (uint8_t i = 0; i < set.n; i++)
    if (node_ok(x->cause.at[set.at[i]].at)) {
      NodeId at = x->cause.at[set.at[i]].at;
      if (x->cause.at[set.at[i]].kind == CAUSE_IGNORED && node_op(d, at) == OP_CROSS_ENTROPY)
        at = graph_in(d, at)[1];
      if (node_op(d, at) == OP_COND) at = graph_in(d, at)[2];
      read[at.i] = true;
    }
  uint32_t said = 0;
  graph_mark_sources(d, read);
  for (uint32_t i = d->node.n; i-- > 0;) {
    if (!read[i] || d->node.at[i].op != OP_LEAF) continue;
    const Leaf *leaf = program_leaf_at(x->p, (LeafId){(uint32_t)graph_attr(d, (NodeId){i})[0]});
    if (!leaf->range.has || said++ >= 3) continue;
    char lo[NUM_TEXT], hi[NUM_TEXT];
    Str path = names_str(x->p->names, leaf->path);
    diag_note(g, leaf->at, "because '" STRF "' is declared in %s" STRF "%s" STRF "%s", STRA(path),
              leaf->range.closed ? "[" : "", STRA(num_shortest(lo, false, leaf->range.lo)),
              leaf->range.closed ? ", " : ":", STRA(num_shortest(hi, false, leaf->range.hi)),
              leaf->range.closed ? "]" : "");
  }
}

/* Does the update divide what it makes of the gradient by what it makes of the gradient, or take its sign?
 * Then noise becomes steps of full size. */
static bool amplifies(const Diagnose *x, const View *v, LeafId param) {
  const Graph *g = v->source;
  bool *of = ARENA_ARRAY(x->arena, bool, g->node.n), *own = ARENA_ARRAY(x->arena, bool, g->node.n);
  for (uint32_t i = 0; i < g->root.n; i++)
    if (g->root.at[i].kind == ROOT_ASSIGN && leaf_eq(g->root.at[i].leaf, param))
      own[g->root.at[i].node.i] = true;
  for (uint32_t i = g->node.n; i-- > 0;) {
    const NodeId *in = graph_in(g, (NodeId){i});
    for (uint32_t k = 0; own[i] && k < g->node.at[i].nin; k++)
      if (g->node.at[i].op != OP_GRAD) own[in[k].i] = true;
  }
  for (uint32_t i = 0; i < g->node.n; i++) {
    const NodeId *in = graph_in(g, (NodeId){i});
    if (!own[i]) continue;
    Op op = (Op)g->node.at[i].op;
    if (op == OP_GRAD) {
      of[i] = node_op(g, in[1]) == OP_LEAF && graph_attr(g, in[1])[0] == param.i;
      continue;
    }
    for (uint32_t k = 0; k < g->node.at[i].nin; k++) of[i] |= of[in[k].i];
    if (op == OP_SIGN && of[in[0].i]) return true;
    if (op == OP_DIV && of[in[0].i] && of[in[1].i]) return true;
  }
  return false;
}

static void note_noise(const Say *s, const View *v, Diag *g) {
  const Group *group = say_group(v, s->first->param);
  if (!group || !rule_changes(v->param[s->first->param.i].rule)) return;
  const char *it = s->who.n == 1 ? "it" : "they";
  Str opt = names_str(s->x->p->names, group->optimizer);
  if (amplifies(s->x, v, s->first->param))
    diag_note(g, (Span){0},
              "what is computed can be rounding noise, and '" STRF
              "' makes steps of full size of that: %s may drift, "
              "without effect on the loss",
              STRA(opt), it);
}

void say_zero(const Say *s) {
  Diagnose *x = s->x;
  const View *v = &x->view.at[s->first->view];
  bool one = s->who.n == 1;
  Span at = say_place(x->p, program_leaf_at(x->p, s->who.at[0]));
  Diag *g = diag_zero(x->d, at, say_who(s), one ? "gets" : "get", say_loss(s, v), say_unlisted(s));
  Str path = flow_path_text(x, v, s->first->param);
  diag_under(g, STRF, STRA(path));
  say_causes(s, v, g);
  diag_help(g, "let the loss depend on %s, remove %s, or declare %s 'frozen'", one ? "it" : "them",
            one ? "it" : "them", one ? "it" : "them");
  say_others(s, g);
  say_note_unlisted(s, g);
  say_ranges(s, v, g);
  note_noise(s, v, g);
  say_drift(s, v, g);
  say_assigned(s, g);
}

/* ---- parts */

/* "columns 8..15", "rows 0..3 and 6", "elements 2 of axis 1" */
static Str which(const Say *s, const Verdict *v, uint32_t rank) {
  const Slab *set = &v->part->set;
  Sb b;
  sb_init(&b, s->x->arena);
  sb_fmt(&b, "%s ", rank == 1 ? "elements" : rank > 2 ? "slices" : v->part_axis == 0 ? "rows" : "columns");
  for (uint8_t i = 0; i < set->n; i++) {
    sb_fmt(&b, "%s%lld", i == 0 ? "" : i + 1 == set->n ? " and " : ", ", (long long)set->at[i].lo);
    if (set->at[i].hi - set->at[i].lo > 1) sb_fmt(&b, "..%lld", (long long)set->at[i].hi - 1);
  }
  if (rank > 2) sb_fmt(&b, " along axis %u", v->part_axis);
  return sb_str(&b);
}

void say_partial(const Say *s) {
  Diagnose *x = s->x;
  const View *v = &x->view.at[s->first->view];
  const Verdict *p = &v->param[s->first->param.i];
  const Leaf *leaf = program_leaf_at(x->p, s->first->param);
  Diag *g = diag_partial(x->d, say_place(x->p, leaf), which(s, p, leaf->type.rank), say_who(s), "get",
                         say_loss(s, v));
  Str path = flow_path_text(x, v, s->first->param);
  diag_under(g, STRF, STRA(path));
  NodeId from = zero_primal(v->grad, p->part->from);
  Span at = graph_user_span(v->grad, x->p->sources, from);
  Op op = node_op(v->grad, from);
  diag_label(g, at,
             op == OP_CONCAT  ? "a part of this is always 0"
             : op == OP_SLICE ? "only the rest is read here"
                              : "nothing reaches them behind this");
  diag_help(g, "make it smaller, or let the loss read all of it");
  say_others(s, g);
}
