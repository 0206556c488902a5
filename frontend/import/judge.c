/* What the diagnosis says against what the framework saw. The steps ran, so both are there: a verdict that a
 * gradient contradicts is a fault of the recording, and told as one. */
#include "base/hash.h"
#include "frontend/import/internal.h"

typedef enum {
  TELL,        /* holds for the recorded program as it stands */
  TELL_DEAD,   /* says that no gradient comes: a live one contradicts it */
  TELL_BROKEN, /* told only where something was not finite */
  TELL_NOT,    /* about the text of a .dg file, about extents that change from run to run, or no proof */
} Telling;

static Telling telling(DiagKind k) {
  switch (diag_info[k].group) {
  case DGRP_unused:
  case DGRP_unreachable:
  case DGRP_cut:
  case DGRP_zero:
  case DGRP_stuck: return TELL_DEAD;
  case DGRP_nan_gradient: return TELL_BROKEN;
  case DGRP_partial:
  case DGRP_frozen_unused:
  case DGRP_hints:
  case DGRP_style: return TELL_NOT;
  case DGRP_none:
  case DGRP_dead_params:
  case DGRP_symmetric:
  case DGRP_unowned:
  case DGRP_idle:
  case DGRP_moves:
  case DGRP_owned_twice:
  case DGRP_overwritten:
  case DGRP_dead_term:
  case DGRP_observed:
  case DGRP_import_fault:
  case DGRP_COUNT: break;
  }
  return TELL;
}

typedef struct Judge {
  const Import *m;
  const Program *p;
  Diags *d;
  Map at;     /* a parameter's leaf: its witness */
  bool *dead; /* by leaf: reported */
} Judge;

static const Witness *witness(const Judge *j, LeafId leaf) {
  uint32_t i;
  return map_get(&j->at, leaf.i, &i) ? &j->m->witness.at[i] : NULL;
}

static bool saw(const Witness *w, Seen what) {
  for (uint8_t i = 0; w && i < w->rounds; i++)
    if (w->seen[i] == what) return true;
  return false;
}

static const Witness *subject(const Judge *j, const Diag *g, uint32_t i, LeafId *leaf) {
  return program_find_leaf(j->p, g->subject.at[i], leaf) ? witness(j, *leaf) : NULL;
}

static bool contradicted(const Judge *j, const Diag *g) {
  LeafId leaf;
  for (uint32_t i = 0; i < g->subject.n; i++)
    if (saw(subject(j, g, i, &leaf), SEEN_LIVE)) return true;
  return false;
}

/* "parameters 'a', 'b' and 3 more" */
static Str who_text(const Judge *j, const LeafId *who, uint32_t n) {
  Sb b;
  sb_init(&b, j->d->arena);
  uint32_t shown = n > 6 ? 4 : n;
  sb_fmt(&b, n == 1 ? "parameter " : "parameters ");
  for (uint32_t i = 0; i < shown; i++)
    sb_fmt(&b, "%s'" STRF "'",
           i == 0       ? ""
           : i + 1 == n ? " and "
                        : ", ",
           STRA(names_str(j->p->names, program_leaf_at(j->p, who[i])->path)));
  if (shown < n) sb_fmt(&b, " and %u more", n - shown);
  return sb_str(&b);
}

static void fault(Judge *j, const Diag *g) {
  VEC(LeafId) who = {0};
  for (uint32_t i = 0; i < g->subject.n; i++) {
    LeafId leaf;
    if (subject(j, g, i, &leaf)) VEC_PUSH(j->d->arena, &who, leaf);
  }
  Str verdict = str_z(diag_groups[diag_info[g->kind].group].name);
  Diag *f = diag_contradicted(j->d, g->at, who_text(j, who.at, who.n), verdict);
  for (uint32_t i = 0; i < g->label.n; i++) diag_label(f, g->label.at[i].at, STRF, STRA(g->label.at[i].text));
  for (uint32_t i = 0; i < who.n; i++)
    diag_subject(f, names_str(j->p->names, program_leaf_at(j->p, who.at[i])->path));
  diag_help(f, "the recorder missed a way of the gradient: please report it with the program");
}

/* Where the initial values were given, for verdicts that rest on them. */
static void note_set(const Judge *j, Diag *g, const Witness *w) {
  for (uint32_t i = 0; i < g->label.n; i++)
    if (g->label.at[i].at.file == w->set.file && g->label.at[i].at.lo == w->set.lo) return;
  if (w->set.file && g->label.n < 12)
    diag_label(g, w->set, "the initial values of '" STRF "'",
               STRA(names_str(j->p->names, program_leaf_at(j->p, w->param)->path)));
}

/* What the recorder has to say of a parameter, at its place. */
static void note_text(Diag *g, const Witness *w) {
  if (w->note.file && g->label.n < 12) diag_label(g, w->note, STRF, STRA(w->note_text));
}

static void reword(Judge *j, Diag *g) {
  import_words(g, j->m->framework);
  DiagGroup group = diag_info[g->kind].group;
  for (uint32_t i = 0; i < g->subject.n; i++) {
    LeafId leaf;
    const Witness *w = subject(j, g, i, &leaf);
    if (telling(g->kind) == TELL_DEAD) j->dead[leaf.i] = true;
    if (w && (group == DGRP_symmetric || group == DGRP_stuck)) note_set(j, g, w);
    if (w && group == DGRP_unowned) note_text(g, w);
  }
}

/* The list that left them out: where the optimizers were made. */
static void name_lists(const Judge *j, Diag *g) {
  for (uint32_t i = 0; i < j->p->train.n && i < 4; i++) {
    const TrainStep *t = &j->p->train.at[i];
    if (t->group.n)
      diag_label(g, t->group.at[0].using_at,
                 j->m->framework == FRAMEWORK_JAX ? "step '" STRF "' updates other parameters only"
                                                  : "optimizer '" STRF "' gets other parameters only",
                 STRA(names_str(j->p->names, t->name)));
  }
}

/* Which of its rounds speak: at the first one a factor may be zero that moves at once (LoRA). */
static Seen settled(const Witness *w) {
  Seen worst = SEEN_NONE;
  for (uint8_t i = 0; i < w->rounds; i++) {
    if (w->seen[i] == SEEN_NONFINITE) return SEEN_NONFINITE;
    if (w->seen[i] == SEEN_LIVE && i > 0) return SEEN_LIVE;
    if (i > 0 && w->seen[i] > worst) worst = (Seen)w->seen[i];
  }
  return w->rounds < 3 || w->seen[0] == SEEN_LIVE ? SEEN_LIVE : worst;
}

/* The first round in which something was not finite: what breaks later broke by that. */
static uint8_t first_break(const Judge *j) {
  uint8_t first = UINT8_MAX;
  for (uint32_t i = 0; i < j->m->witness.n; i++) {
    const Witness *w = &j->m->witness.at[i];
    for (uint8_t k = 0; k < w->rounds && k < first; k++)
      if (w->seen[k] == SEEN_NONFINITE) first = k;
  }
  return first;
}

/* The module a parameter is in: its path up to the last '.'. */
static Str module_of(const Judge *j, LeafId leaf) {
  Str path = names_str(j->p->names, program_leaf_at(j->p, leaf)->path);
  while (path.n && path.p[path.n - 1] != '.') path.n--;
  return path;
}

/* A vector with a zero gradient beside a live matrix of the same module: a shift that the loss does not see,
 * as the last bias of a critic. It is no sign of a fault. */
static bool mere_shift(const Judge *j, const Witness *w) {
  if (program_leaf_at(j->p, w->param)->type.rank > 1) return false;
  Str own = module_of(j, w->param);
  for (uint32_t i = 0; i < j->m->witness.n; i++)
    if (saw(&j->m->witness.at[i], SEEN_LIVE) && str_eq(module_of(j, j->m->witness.at[i].param), own))
      return true;
  return false;
}

static const char *const gets[SEEN_COUNT][2] = {
    [SEEN_NONE] = {"gets no gradient", "get no gradient"},
    [SEEN_ZERO] = {"gets a zero gradient", "get a zero gradient"},
};

/* What was seen of parameters that no verdict is about. Rounding noise is no finding: small gradients look
 * like it. */
static void say_seen(Judge *j, Seen what, const bool *owned) {
  VEC(LeafId) who = {0};
  const Witness *first = NULL;
  uint8_t broke = first_break(j);
  for (uint32_t i = 0; i < j->m->witness.n; i++) {
    const Witness *w = &j->m->witness.at[i];
    if (j->dead[w->param.i] || !owned[w->param.i] || !w->rounds) continue;
    if (what == SEEN_NONFINITE ? broke >= w->rounds || w->seen[broke] != what : settled(w) != what) continue;
    if (what == SEEN_ZERO && mere_shift(j, w)) continue;
    if (!first) first = w;
    VEC_PUSH(j->d->arena, &who, w->param);
  }
  if (!first) return;
  Str text = who_text(j, who.at, who.n);
  Span at = program_leaf_at(j->p, first->param)->at;
  Diag *g = what == SEEN_NONFINITE
                ? diag_seen_nonfinite(j->d, at, text, broke + 1u)
                : diag_seen_dead(j->d, at, text, gets[what][who.n > 1], first->rounds - 1u);
  for (uint32_t i = 0; i < who.n; i++) {
    const Witness *w = witness(j, who.at[i]);
    diag_subject(g, names_str(j->p->names, program_leaf_at(j->p, who.at[i])->path));
    if (what == SEEN_ZERO && w) note_set(j, g, w);
    if (w) note_text(g, w);
  }
}

void import_judge(const Import *m, const Program *p, Diags *d) {
  Judge j = {.m = m, .p = p, .d = d};
  bool broken = false;
  map_init(&j.at, d->arena);
  j.dead = ARENA_ARRAY(d->arena, bool, p->leaf.n + 1);
  bool *owned = ARENA_ARRAY(d->arena, bool, p->leaf.n + 1);
  for (uint32_t i = 0; i < m->witness.n; i++) {
    map_put(&j.at, m->witness.at[i].param.i, i);
    broken |= saw(&m->witness.at[i], SEEN_NONFINITE);
  }
  for (uint32_t i = 0; i < p->train.n; i++)
    for (uint32_t k = 0; k < p->train.at[i].owned.n; k++) owned[p->train.at[i].owned.at[k].param.i] = true;
  uint32_t n = d->all.n, kept = 0;
  VEC(Diag *) faults = {0};
  for (uint32_t i = 0; i < n; i++) {
    Diag *g = d->all.at[i];
    Telling t = telling(g->kind);
    if (t == TELL_NOT || (t == TELL_BROKEN && !broken)) continue;
    if (t == TELL_DEAD && contradicted(&j, g)) {
      VEC_PUSH(d->arena, &faults, g);
      continue;
    }
    reword(&j, g);
    if (diag_info[g->kind].group == DGRP_unowned) name_lists(&j, g);
    d->all.at[kept++] = g;
  }
  d->all.n = kept;
  for (uint32_t i = 0; i < faults.n; i++) fault(&j, faults.at[i]);
  import_stretches(p, d);
  say_seen(&j, SEEN_NONE, owned);
  say_seen(&j, SEEN_ZERO, owned);
  say_seen(&j, SEEN_NONFINITE, owned);
}
