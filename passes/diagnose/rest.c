/* Messages about what initial values keep for ever: gradients that are zero, units that are equal. */
#include "ir/graph/region.h"
#include "passes/diagnose/fixpoint.h"
#include "passes/diagnose/say.h"

static bool among(const Say *s, LeafId leaf) {
  for (uint32_t i = 0; i < s->who.n; i++)
    if (leaf_eq(s->who.at[i], leaf)) return true;
  return false;
}

/* What keeps parameters at rest. */
typedef struct Rest {
  bool off, other; /* a choice that stays on its side; values that cancel or are equal */
  LeafIds start;   /* whose initial values make it so */
} Rest;

enum { REST_NAMES = 4 };

static void add_start(const Say *s, Rest *r, bool *listed, LeafId leaf) {
  if (listed[leaf.i]) return;
  listed[leaf.i] = true;
  VEC_PUSH(s->x->arena, &r->start, leaf);
}

/* What a node is made of and is known to keep something of its initial value. */
static void add_below(const Say *s, const View *v, Rest *r, bool *listed, NodeId at) {
  const Graph *g = v->grad;
  bool *needed = ARENA_ARRAY(s->x->arena, bool, g->node.n);
  needed[at.i] = true;
  graph_mark_sources(g, needed);
  for (uint32_t i = g->node.n; i-- > 0;) {
    if (!needed[i] || g->node.at[i].op != OP_LEAF) continue;
    LeafId leaf = {(uint32_t)graph_attr(g, (NodeId){i})[0]};
    if (fact_says(s->x, leaf, &s->x->fact[leaf.i])) add_start(s, r, listed, leaf);
  }
}

/* What starts as 0 has a label, if it is not one of them; what else ends their gradient has one, too. What
 * `after` assigns loses what it started with, and has a label of its own. */
static Rest say_rest(const Say *s, const View *v, Diag *g) {
  const Diagnose *x = s->x;
  uint32_t all = 0;
  Rest r = {0};
  bool *listed = ARENA_ARRAY(x->arena, bool, x->p->leaf.n);
  for (uint32_t i = 0; i < x->p->leaf.n; i++) listed[i] = x->assigned[i].any;
  for (uint32_t i = 0; i < s->who.n; i++) all = sets_union(&s->x->sets, all, v->param[s->who.at[i].i].cause);
  Set set = x->sets.set.at[all];
  for (uint8_t i = 0; i < set.n; i++) {
    const Cause *c = &x->cause.at[set.at[i]];
    if (c->kind != CAUSE_INITIAL && node_ok(c->at)) {
      say_cause(s, v, g, c);
      r.off |= c->kind == CAUSE_CHOICE;
      r.other |= c->kind != CAUSE_CHOICE;
      NodeId at = c->at;
      if (node_op(v->grad, at) == OP_WHERE && c->kind == CAUSE_CHOICE) at = graph_in(v->grad, at)[0];
      if (node_op(v->grad, at) == OP_COND) at = graph_in(v->grad, at)[2];
      add_below(s, v, &r, listed, at);
    } else if (c->kind == CAUSE_INITIAL) {
      const Leaf *leaf = program_leaf_at(x->p, c->leaf);
      add_start(s, &r, listed, c->leaf);
      if (!among(s, c->leaf) && leaf->at.file && !x->p->sources->file.at[leaf->at.file].library)
        diag_label(g, leaf->at, "this starts as 0 and stays so");
    }
  }
  return r;
}

/* Only what makes it so is named: others may have good values already. One of these must start otherwise;
 * that it is enough is not shown. */
static void help_rest(const Say *s, Diag *g, const Rest *r) {
  const Diagnose *x = s->x;
  uint32_t n = r->start.n;
  Sb b;
  if (!n) return;
  sb_init(&b, x->arena);
  if (n > 1) sb_fmt(&b, "one or more of ");
  for (uint32_t i = 0; i < n && i < REST_NAMES; i++) {
    Str path = names_str(x->p->names, program_leaf_at(x->p, r->start.at[i])->path);
    if (i) sb_fmt(&b, "%s", i + 1 == n ? " and " : ", ");
    sb_fmt(&b, "'" STRF "'", STRA(path));
  }
  if (n > REST_NAMES) sb_fmt(&b, " and %u more", n - REST_NAMES);
  Str names = sb_str(&b);
  diag_help(g, "let " STRF " start with %s", STRA(names),
            r->other ? "other values"
            : r->off ? "values that let something pass"
            : n == 1 ? "values that differ from 0"
                     : "values that differ from 0: random ones");
}

static void note_outside(const Say *s, Diag *g) {
  diag_note(g, (Span){0}, "as long as nothing from outside writes %s", s->who.n == 1 ? "it" : "them");
}

void say_stuck(const Say *s) {
  Diagnose *x = s->x;
  const View *v = &x->view.at[s->first->view];
  bool one = s->who.n == 1, decays = false;
  for (uint32_t i = 0; i < s->who.n; i++) decays |= v->param[s->who.at[i].i].decays;
  Diag *g =
      diag_stuck(x->d, say_place(x->p, program_leaf_at(x->p, s->who.at[0])), say_who(s), one ? "is" : "are");
  Str path = flow_path_text(x, v, s->first->param);
  diag_under(g, STRF, STRA(path));
  Rest rest = say_rest(s, v, g);
  help_rest(s, g, &rest);
  say_others(s, g);
  note_outside(s, g);
  if (decays)
    diag_note(g, (Span){0}, "the optimizer may change %s all the same, without a gradient",
              one ? "it" : "some of them");
  say_assigned(s, g);
}

void say_symmetric(const Say *s) {
  Diagnose *x = s->x;
  const View *v = &x->view.at[s->first->view];
  bool one = s->who.n == 1;
  const Leaf *leaf = program_leaf_at(x->p, s->first->param);
  Diag *g = diag_symmetric(x->d, say_place(x->p, leaf), say_who(s), one ? "starts" : "start",
                           one ? "stays" : "stay");
  uint32_t axes = v->param[s->first->param.i].equal, axis = leaf->type.rank;
  for (uint32_t k = 0; k < leaf->type.rank; k++)
    if (axes >> k & 1) axis = leaf->type.rank - 1 - k;
  diag_under(g, "equal along axis %u, and so is its gradient at every step", axis);
  diag_help(g, "give it random initial values");
  say_others(s, g);
  note_outside(s, g);
}
