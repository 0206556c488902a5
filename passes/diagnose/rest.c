/* Messages about what initial values keep for ever: gradients that are zero, units that are equal. */
#include "passes/diagnose/say.h"

static bool among(const Say *s, LeafId leaf) {
  for (uint32_t i = 0; i < s->who.n; i++)
    if (leaf_eq(s->who.at[i], leaf)) return true;
  return false;
}

/* What keeps parameters at rest. */
typedef struct Rest {
  bool off;      /* a choice that stays on its side */
  LeafIds start; /* what starts as 0 */
} Rest;

/* What starts as 0 has a label, if it is not one of them; what else ends their gradient has one, too. */
static Rest say_rest(const Say *s, const View *v, Diag *g) {
  const Diagnose *x = s->x;
  uint32_t all = 0;
  Rest r = {0};
  for (uint32_t i = 0; i < s->who.n; i++) all = sets_union(&s->x->sets, all, v->param[s->who.at[i].i].cause);
  Set set = x->sets.set.at[all];
  for (uint8_t i = 0; i < set.n; i++) {
    const Cause *c = &x->cause.at[set.at[i]];
    if (c->kind != CAUSE_INITIAL && node_ok(c->at)) {
      say_cause(s, v, g, c);
      r.off |= c->kind == CAUSE_CHOICE;
    } else if (c->kind == CAUSE_INITIAL) {
      VEC_PUSH(x->arena, &r.start, c->leaf);
      const Leaf *leaf = program_leaf_at(x->p, c->leaf);
      if (!among(s, c->leaf) && leaf->at.file && !x->p->sources->file.at[leaf->at.file].library)
        diag_label(g, leaf->at, "this starts as 0 and stays so");
    }
  }
  return r;
}

/* Only what starts as 0 is named: the others have their values already. What `after` assigns loses what it
 * started with, and has a label of its own. */
static void help_rest(const Say *s, Diag *g, const Rest *r) {
  const Diagnose *x = s->x;
  Sb b;
  sb_init(&b, x->arena);
  if (r->off) {
    diag_help(g, "let the units start where something passes: with a larger bias, or random values");
    return;
  }
  for (uint32_t i = 0; i < r->start.n; i++) {
    Str path = names_str(x->p->names, program_leaf_at(x->p, r->start.at[i])->path);
    if (x->assigned[r->start.at[i].i].any) return;
    sb_fmt(&b, "%s'" STRF "'", i == 0 ? "" : i + 1 == r->start.n ? " or " : ", ", STRA(path));
  }
  Str names = sb_str(&b);
  if (!r->start.n)
    diag_help(g, "let them start with other values: random ones");
  else
    diag_help(g, "let " STRF " start with values that differ from 0%s", STRA(names),
              r->start.n > 1 ? ": random ones; one of them can be enough" : "");
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
