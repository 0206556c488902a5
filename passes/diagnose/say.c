/* One root cause, one message: the parameters it kills, each cut with its place and reason, the shortest
 * path, a way out. */
#include "passes/diagnose/say.h"

#include "base/hash.h"

static const Leaf *leaf_of(const Say *s, uint32_t i) { return program_leaf_at(s->x->p, s->who.at[i]); }
static bool in_library(const Program *p, Span at) { return at.file && p->sources->file.at[at.file].library; }

/* Where a user looks for a parameter: its declaration, or the instance when the declaration is the library's.
 */
Span say_place(const Program *p, const Leaf *leaf) {
  return in_library(p, leaf->at) && leaf->made_at.file ? leaf->made_at : leaf->at;
}

DiagGroup finding_group(Headline h) {
  switch (h) {
  case HEAD_HEALTHY:
  case HEAD_SILENT: return DGRP_none;
  case HEAD_OWNED_TWICE: return DGRP_owned_twice;
  case HEAD_UNUSED: return DGRP_unused;
  case HEAD_UNREACHABLE: return DGRP_unreachable;
  case HEAD_CUT:
  case HEAD_SHAPE: return DGRP_cut;
  case HEAD_ZERO: return DGRP_zero;
  case HEAD_STUCK: return DGRP_stuck;
  case HEAD_SYMMETRIC: return DGRP_symmetric;
  case HEAD_IDLE: return DGRP_idle;
  case HEAD_DRIFTS: return DGRP_moves;
  case HEAD_OVERWRITTEN: return DGRP_overwritten;
  case HEAD_UNOWNED: return DGRP_unowned;
  case HEAD_PARTIAL: return DGRP_partial;
  case HEAD_FROZEN_UNUSED: return DGRP_frozen_unused;
  }
  return DGRP_none;
}

bool finding_marked(uint32_t marks, DiagGroup g) {
  return g != DGRP_none &&
         (marks >> g & 1 || (diag_groups[g].parent != DGRP_none && marks >> diag_groups[g].parent & 1));
}

/* "parameter 'w'", "parameters 'w' and 'b'", "parameters 'a', 'b', 'c' and 9 more" */
Str say_who(const Say *s) {
  Sb b;
  sb_init(&b, s->x->arena);
  uint32_t n = s->who.n, shown = n > 6 ? 4 : n;
  sb_fmt(&b, n == 1 ? "parameter " : "parameters ");
  for (uint32_t i = 0; i < shown; i++) {
    Str path = names_str(s->x->p->names, leaf_of(s, i)->path);
    sb_fmt(&b, "%s'" STRF "'", i == 0 ? "" : i + 1 == n ? " and " : ", ", STRA(path));
  }
  if (shown < n) sb_fmt(&b, " and %u more", n - shown);
  return sb_str(&b);
}

Str say_loss(const Say *s, const View *v) {
  return v->loss.n && !str_eq(v->loss, STR("loss")) ? str_fmt(s->x->arena, "loss '" STRF "'", STRA(v->loss))
                                                    : STR("the loss");
}

/* Second and further parameters, and the instances that own them. */
void say_others(const Say *s, Diag *g) {
  const Program *p = s->x->p;
  Span seen[6];
  uint32_t nseen = 0;
  for (uint32_t i = 0; i < s->who.n; i++) {
    diag_subject(g, names_str(p->names, leaf_of(s, i)->path));
    Span at = say_place(p, leaf_of(s, i));
    bool known = i == 0;
    for (uint32_t k = 0; k < nseen; k++) known |= seen[k].file == at.file && seen[k].lo == at.lo;
    if (nseen < 6) seen[nseen++] = at;
    if (!known && at.file && nseen < 6) diag_label(g, at, "and this one");
  }
  const Leaf *leaf = leaf_of(s, 0);
  if (!in_library(p, leaf->at) && leaf->made_at.file) diag_label(g, leaf->made_at, "of this instance");
  if (in_library(p, leaf->at) && leaf->made_at.file) diag_note(g, leaf->at, "declared here");
}

/* The node's place in the user's files; in a library file, when there is no call from outside. */
Span say_node_place(const Say *s, const View *v, NodeId n) {
  return graph_user_span(v->g, s->x->p->sources, n);
}

/* ---- train steps */

const Group *say_group(const View *v, LeafId param) {
  const Verdict *verdict = &v->param[param.i];
  return v->step && verdict->rule != RULE_NONE ? &v->step->group.at[verdict->group] : NULL;
}

/* The lists of the step that could take it. */
static void label_step(const Say *s, const View *v, Diag *g) {
  const Program *p = s->x->p;
  if (!v->step) return;
  Str step = names_str(p->names, v->step->name);
  for (uint32_t i = 0; i < v->step->group.n && i < 4; i++) {
    Span at = v->step->group.at[i].list;
    Str text = p->sources->file.at[at.file].text;
    if (!at.file || at.hi > text.n || at.lo >= at.hi) continue;
    Str list = {text.p + at.lo, at.hi - at.lo};
    bool brief = list.n <= 40 && !memchr(list.p, '\n', list.n);
    if (i)
      diag_label(g, at, "and this list");
    else if (brief && v->step->group.n == 1)
      diag_label(g, at, "step '" STRF "' updates only '" STRF "'", STRA(step), STRA(list));
    else
      diag_label(g, at, "step '" STRF "' updates only this list", STRA(step));
  }
}

/* Dead parameters that would not be updated anyway. */
static uint32_t unlisted(const Say *s, uint32_t *first) {
  uint32_t n = 0;
  for (uint32_t i = s->who.n; i-- > 0;) {
    bool owned = !s->x->p->train.n;
    for (uint32_t k = 0; k < s->x->view.n && !owned; k++)
      owned = s->x->view.at[k].param[s->who.at[i].i].rule != RULE_NONE;
    if (owned) continue;
    n++;
    *first = i;
  }
  return n;
}

const char *say_unlisted(const Say *s) {
  uint32_t first;
  if (unlisted(s, &first) < s->who.n) return "";
  return s->who.n == 1 ? ", and no step lists it" : ", and no step lists them";
}

void say_note_unlisted(const Say *s, Diag *g) {
  uint32_t first = 0, n = unlisted(s, &first);
  if (!n || n == s->who.n) return;
  Str path = names_str(s->x->p->names, leaf_of(s, first)->path);
  if (n == 1)
    diag_note(g, (Span){0}, "no step lists '" STRF "'", STRA(path));
  else
    diag_note(g, (Span){0}, "no step lists '" STRF "' and %u more of them", STRA(path), n - 1);
}

/* A dead parameter that its optimizer moves all the same. */
void say_drift(const Say *s, const View *v, Diag *g) {
  uint32_t n = 0, first = 0;
  for (uint32_t i = s->who.n; i-- > 0;) {
    if (v->param[s->who.at[i].i].rule != RULE_DRIFTS) continue;
    n++;
    first = i;
  }
  const Group *group = n ? say_group(v, s->who.at[first]) : NULL;
  if (!group) return;
  Str opt = names_str(s->x->p->names, group->optimizer),
      path = names_str(s->x->p->names, leaf_of(s, first)->path);
  if (n == s->who.n)
    diag_note(g, group->using_at, "'" STRF "' changes %s all the same, without a gradient", STRA(opt),
              n == 1 ? "it" : "them");
  else if (n == 1)
    diag_note(g, group->using_at, "'" STRF "' changes '" STRF "' all the same, without a gradient", STRA(opt),
              STRA(path));
  else
    diag_note(g, group->using_at,
              "'" STRF "' changes '" STRF "' and %u more of them all the same, without a gradient", STRA(opt),
              STRA(path), n - 1);
}

/* ", and no step lists it", and the initial values that read it all the same. */
static Str unused_text(const Say *s) {
  const Diagnose *x = s->x;
  bool all = true;
  for (uint32_t i = 0; i < s->who.n; i++) all &= x->starts[s->who.at[i].i].i != UINT32_MAX;
  if (!all) return str_z(say_unlisted(s));
  Str by = names_str(x->p->names, program_leaf_at(x->p, x->starts[s->first->param.i])->path);
  Str text =
      s->who.n == 1
          ? str_fmt(x->arena, " but the initial value of '" STRF "'%s", STRA(by), say_unlisted(s))
          : str_fmt(x->arena, " but initial values, that of '" STRF "' for one%s", STRA(by), say_unlisted(s));
  return text;
}

/* The next step from `i` on that minimizes something all of them could learn from, and does not list them. */
static const View *other_step(const Say *s, const View *v, uint32_t *i) {
  while (*i < s->x->view.n) {
    const View *w = &s->x->view.at[(*i)++];
    bool all = w != v && w->step && w->step->group.n;
    for (uint32_t k = 0; k < s->who.n && all; k++)
      all = w->param[s->who.at[k].i].flow == FLOW_OPEN && w->param[s->who.at[k].i].rule == RULE_NONE;
    if (all) return w;
  }
  return NULL;
}

/* A step that trains others through them, as a generator's through its critic. */
static bool judges_other_step(const Say *s, const View *v) {
  const View *w;
  for (uint32_t i = 0; (w = other_step(s, v, &i));)
    if (flow_judges(s->x, w, s->who.at[0])) return true;
  return false;
}

static bool label_other_step(const Say *s, const View *v, Diag *g) {
  const Diagnose *x = s->x;
  const View *w;
  for (uint32_t i = 0; (w = other_step(s, v, &i));) {
    if (flow_judges(x, w, s->who.at[0])) continue;
    diag_label(g, w->step->group.at[0].list,
               "step '" STRF "' has a path from %s to its loss, and does not list %s",
               STRA(names_str(x->p->names, w->step->name)), s->who.n == 1 ? "it" : "them",
               s->who.n == 1 ? "it" : "them");
    return true;
  }
  return false;
}

/* Does nothing but the cut stand against them? */
static bool would_move(const Say *s, const View *v) {
  bool moves = true;
  for (uint32_t k = 0; k < s->who.n; k++)
    moves &= !v->param[s->who.at[k].i].always && !v->param[s->who.at[k].i].unread;
  return moves;
}

/* What stands at the end of each message about a dead parameter. */
static void dead_notes(const Say *s, const View *v, Diag *g) {
  say_others(s, g);
  say_note_unlisted(s, g);
  if (v) say_drift(s, v, g);
  say_assigned(s, g);
}

static void dead_unused(const Say *s, const View *v, Span at) {
  Diagnose *x = s->x;
  bool one = s->who.n == 1, starts = x->starts[s->first->param.i].i != UINT32_MAX;
  const char *it = one ? "it" : "them";
  Str list = str_copy(x->arena, unused_text(s)); /* ends in a NUL */
  Diag *g = diag_unused(x->d, at, say_who(s), one ? "is" : "are", it, list.p);
  uint32_t none;
  if (!starts)
    diag_help(g, "use %s or remove %s", it, it);
  else
    diag_help(g, "use %s, or declare %s 'frozen': a value to start from", it, it);
  if (starts && unlisted(s, &none) == s->who.n) (void)edit_frozen(x, g, &s->who);
  dead_notes(s, v, g);
}

static void dead_unreachable(const Say *s, const View *v, Span at) {
  Diagnose *x = s->x;
  const Finding *f = s->first;
  bool one = s->who.n == 1;
  const char *it = one ? "it" : "them";
  Diag *g = diag_unreachable(x->d, at, say_who(s), one ? "gets" : "get", say_loss(s, v), say_unlisted(s));
  Str sinks = flow_sinks_text(x, flow_sinks(x, f->param));
  diag_under(g, STRF, STRA(sinks));
  flow_sinks_label(x, flow_sinks(x, f->param), g);
  if (v->step)
    diag_label(g, v->step->minimize_at, "what step '" STRF "' minimizes does not read %s",
               STRA(names_str(x->p->names, v->step->name)), it);
  Str loss = flow_sinks_loss(x, flow_sinks(x, f->param));
  if (label_other_step(s, v, g))
    diag_help(g, "list %s in that step, or let this loss use %s", it, it);
  else if (judges_other_step(s, v))
    diag_help(g, "let this loss use %s, or declare %s 'frozen'", it, it);
  else if (loss.n && v->step && str_eq(loss, names_str(x->p->names, v->step->loss_name)))
    diag_help(g, "only eval reads %s: where 'training' is true, the loss is made without %s", it, it);
  else if (loss.n && v->step)
    diag_help(g, "update %s in a step that minimizes '" STRF "', or let this loss use %s", it, STRA(loss),
              it);
  else {
    uint32_t none;
    diag_help(g, "let the loss use what is made of %s, or declare %s 'frozen'", it, it);
    if (x->p->train.n && unlisted(s, &none) == s->who.n) (void)edit_frozen(x, g, &s->who);
  }
  dead_notes(s, v, g);
}

static void dead_cut(const Say *s, const View *v, Diag *g) {
  Diagnose *x = s->x;
  const char *it = s->who.n == 1 ? "it" : "them";
  uint32_t none;
  Str path = flow_path_text(x, v, s->first->param);
  diag_under(g, STRF, STRA(path));
  say_cuts(s, v, g);
  if (label_other_step(s, v, g)) {
    diag_help(g, "list %s in the step whose loss has a path from %s", it, it);
  } else if (x->p->train.n && unlisted(s, &none) == s->who.n && edit_frozen(x, g, &s->who)) {
    diag_help(g, "declare %s 'frozen', or mend the cut and list %s in a step", it, it);
  } else {
    Edge cut = cut_of_path(v, s->first->param);
    bool more = say_next_cuts(s, v, g, cut);
    help_cut(s, v, g, cut, !more && one_cut(s, v) && !unlisted(s, &none) && would_move(s, v));
  }
  dead_notes(s, v, g);
}

static void dead_but_shape(const Say *s, const View *v, Diag *g) {
  Diagnose *x = s->x;
  uint32_t sinks = flow_sinks(x, s->first->param);
  diag_under(g, "the value goes nowhere: only a shape is used");
  for (uint8_t i = 0; flow_shape_place(x, sinks, i).file; i++)
    diag_label(g, flow_shape_place(x, sinks, i), "only the shape is asked for here");
  diag_help(g, "use the value as well, or remove %s", s->who.n == 1 ? "it" : "them");
  dead_notes(s, v, g);
}

static void say_dead(const Say *s) {
  Diagnose *x = s->x;
  const Finding *f = s->first;
  const View *v = x->view.n ? &x->view.at[f->view] : NULL;
  Span at = say_place(x->p, leaf_of(s, 0));
  if (f->head == HEAD_UNUSED || !v) {
    dead_unused(s, v, at);
    return;
  }
  if (f->head == HEAD_UNREACHABLE) {
    dead_unreachable(s, v, at);
    return;
  }
  Diag *g = diag_cut(x->d, at, say_who(s), s->who.n == 1 ? "gets" : "get", say_loss(s, v), say_unlisted(s));
  if (f->head == HEAD_SHAPE)
    dead_but_shape(s, v, g);
  else
    dead_cut(s, v, g);
}

static void say_owned_twice(const Say *s) {
  Diagnose *x = s->x;
  Sb b;
  sb_init(&b, x->arena);
  uint32_t n = 0;
  for (uint32_t i = 0; i < x->view.n; i++) {
    const View *v = &x->view.at[i];
    if (!rule_changes(v->param[s->first->param.i].rule)) continue;
    Str name = names_str(x->p->names, v->step->name);
    sb_fmt(&b, "%s'" STRF "'", n++ ? ", " : "", STRA(name));
  }
  Diag *g = diag_owned_twice(x->d, say_place(x->p, leaf_of(s, 0)), say_who(s), s->who.n == 1 ? "is" : "are",
                             sb_str(&b));
  for (uint32_t i = 0; i < x->view.n; i++) {
    const View *v = &x->view.at[i];
    if (!rule_changes(v->param[s->first->param.i].rule)) continue;
    for (uint32_t k = 0; v->step && k < v->step->owned.n; k++) {
      if (!leaf_eq(v->step->owned.at[k].param, s->first->param)) continue;
      Str name = names_str(x->p->names, v->step->name);
      diag_label(g, v->step->owned.at[k].item, "listed in step '" STRF "'", STRA(name));
      break;
    }
  }
  diag_help(g, "list it in one step, or mark the parameter with #[allow(owned-twice)] when both are meant");
  say_others(s, g);
}

/* The path behind `except` that took parameter i of these out of the step's lists, or NULL. */
static const LeftOut *left_out(const Say *s, const View *v, uint32_t i) {
  LeafId p = s->who.at[i];
  for (uint32_t k = 0; v->step && k < v->step->left_out.n; k++)
    if (leaf_eq(v->step->left_out.at[k].param, p)) return &v->step->left_out.at[k];
  return NULL;
}

/* Says which `except` did it; the edit takes the whole `except` away where nothing else is meant by it. */
static bool say_left_out(const Say *s, const View *v, Diag *g) {
  const LeftOut *l = left_out(s, v, 0);
  if (!l) return false;
  bool one = s->who.n == 1, all = l->alone;
  for (uint32_t i = 1; i < s->who.n; i++) {
    const LeftOut *o = left_out(s, v, i);
    all = all && o && o->item.lo == l->item.lo;
  }
  for (uint32_t k = 0, hits = 0; k < v->step->left_out.n; k++) {
    hits += v->step->left_out.at[k].item.lo == l->item.lo;
    all = all && hits <= s->who.n;
  }
  diag_label(g, l->item, "left out here");
  diag_help(g, "leave %s in the step, update %s by another, or declare %s 'frozen'", one ? "it" : "them",
            one ? "it" : "them", one ? "it" : "them");
  if (all) diag_edit(g, (Span){l->item.file, v->step->group.at[l->group].list.hi, l->item.hi}, STR(""));
  return true;
}

static void say_unowned(const Say *s) {
  Diagnose *x = s->x;
  bool one = s->who.n == 1;
  const View *v = &x->view.at[s->first->view];
  bool moves = false; /* an `after` makes it of its own old value */
  for (uint32_t i = 0; i < s->who.n; i++) moves |= x->assigned[s->who.at[i].i].any;
  Diag *g = diag_unowned(x->d, say_place(x->p, leaf_of(s, 0)), say_who(s), one ? "is" : "are",
                         moves ? "not trained" : "never updated", one ? "it" : "them");
  Str path = flow_path_text(x, v, s->first->param);
  diag_under(g, "has a path to the loss: " STRF, STRA(path));
  if (!say_left_out(s, v, g)) {
    label_step(s, v, g);
    bool there = edit_list(x, v, g, &s->who) || x->p->train.n == 1;
    const char *where = !there                               ? "a step"
                        : !g->edit.n && v->step->group.n > 1 ? "one of the lists"
                                                             : "the step";
    diag_help(g, "add %s to %s, or declare %s 'frozen'", one ? "it" : "them", where, one ? "it" : "them");
  }
  say_others(s, g);
  say_assigned(s, g);
}

static void say(const Say *s) {
  switch (s->first->head) {
  case HEAD_HEALTHY:
  case HEAD_SILENT: return;
  case HEAD_OWNED_TWICE: say_owned_twice(s); return;
  case HEAD_UNUSED:
  case HEAD_UNREACHABLE:
  case HEAD_CUT:
  case HEAD_SHAPE: say_dead(s); return;
  case HEAD_ZERO: say_zero(s); return;
  case HEAD_STUCK: say_stuck(s); return;
  case HEAD_SYMMETRIC: say_symmetric(s); return;
  case HEAD_IDLE:
  case HEAD_DRIFTS: say_rule(s); return;
  case HEAD_OVERWRITTEN: say_overwritten(s); return;
  case HEAD_UNOWNED: say_unowned(s); return;
  case HEAD_PARTIAL: say_partial(s); return;
  case HEAD_FROZEN_UNUSED: {
    Diag *g = diag_frozen_unused(s->x->d, say_place(s->x->p, leaf_of(s, 0)), say_who(s),
                                 s->who.n == 1 ? "is" : "are");
    say_others(s, g);
    return;
  }
  }
}

/* Is finding i told? Not where its group is marked; and not by itself where the message of a stronger one
 * holds it as a note. `from`: the first finding of its parameter. */
static bool told(const Diagnose *x, uint32_t from, uint32_t i) {
  const Finding *f = &x->found.at[i];
  const Leaf *leaf = program_leaf_at(x->p, f->param);
  DiagGroup g = finding_group(f->head);
  if (g == DGRP_none || finding_marked(leaf->allow, g) || finding_marked(leaf->expect, g)) return false;
  for (uint32_t k = from; k < i && f->covered; k++)
    if (!x->found.at[k].covered && told(x, from, k)) return false;
  return true;
}

static bool known(const Diagnose *x, const Finding *f) {
  Sym path = program_leaf_at(x->p, f->param)->path;
  uint32_t any;
  return x->known && map_get(x->known, known_key(finding_group(f->head), path), &any);
}

void diagnose_say(Diagnose *x) {
  uint32_t n = x->found.n;
  /* Findings of one cause form a chain, in order of declaration. */
  uint32_t *next = ARENA_ARRAY(x->arena, uint32_t, n), *last = ARENA_ARRAY(x->arena, uint32_t, n);
  bool *head = ARENA_ARRAY(x->arena, bool, n);
  bool loaded = false;
  Map by_key;
  map_init(&by_key, x->arena);
  for (uint32_t i = 0; i < x->p->leaf.n; i++) loaded |= x->p->leaf.at[i].loaded;
  for (uint32_t i = 0, from = 0; i < n; i++) {
    const Finding *f = &x->found.at[i];
    if (!leaf_eq(f->param, x->found.at[from].param)) from = i;
    if (i + 1 == n || !leaf_eq(f->param, x->found.at[i + 1].param)) say_unmet(x, from, i + 1, loaded);
    next[i] = UINT32_MAX;
    if (!told(x, from, i) || known(x, f)) continue;
    uint64_t key = hash_mix(hash_mix(f->key) ^ (uint64_t)f->head << 56);
    uint32_t first;
    if (map_get(&by_key, key, &first)) {
      next[last[first]] = i;
      last[first] = i;
    } else {
      map_put(&by_key, key, i);
      head[i] = true;
      last[i] = i;
    }
  }
  say_unmet_of_many(x, loaded);
  for (uint32_t i = 0; i < n; i++) {
    if (!head[i]) continue;
    Say s = {.x = x, .first = &x->found.at[i]};
    for (uint32_t k = i; k != UINT32_MAX; k = next[k]) VEC_PUSH(x->arena, &s.who, x->found.at[k].param);
    say(&s);
  }
}
