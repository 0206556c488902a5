/* Update lists: which parameters a path takes, who is in a group, and what a list says that cannot be meant.
 */
#include "frontend/elaborate/train.h"

static const char *kind_text(LeafKind k) {
  switch (k) {
  case LEAF_INPUT: return "an input";
  case LEAF_PARAM: return "a parameter";
  case LEAF_STATE: return "a state";
  case LEAF_STEP:
  case LEAF_EPOCH:
  case LEAF_SEED:
  case LEAF_TOTAL: break;
  }
  return "no parameter";
}

/* What would have made parameters was reported; a wildcard may mean those. */
static bool parameters_missing(const Elab *x) {
  const Scope *s = x->main->scope;
  for (uint32_t i = 0; i < s->binding.n; i++) {
    const Binding *b = s->binding.at[i];
    bool makes = b->decl && (b->decl->kind == STMT_PARAM || b->decl->kind == STMT_LET);
    if (makes && b->epoch && !val_ok(b->value)) return true;
  }
  return false;
}

static void unknown_path(Elab *x, Scope *s, const AstPath *p) {
  Scope *in;
  const AstPathPart *first = &p->parts.at[0];
  if (!first->star) { /* what did not parse, or is reported already, is no unknown name */
    if (name_said(x, s, first->name.name) || name_muted(x, s, names_add(x->n, path_text(x, p)))) return;
    Binding *b = scope_find(x, s, first->name.name, &in);
    Value v = b ? binding_value(x, in, b) : val_int(0);
    if (!val_ok(v) || (v.kind == VAL_INSTANCE && v.inst->hurt)) return;
    if (v.kind == VAL_MODULE) {
      Diag *g = TELL(x, not_param, p->at, path_text(x, p), "a module");
      diag_help(g, "its parameters are made where a 'let' calls it: let net = " STRF "(..)",
                STRA(sym_str(x, v.unit.stmt->unit.name.name)));
      return;
    }
    bool holds = v.kind == VAL_INSTANCE || v.kind == VAL_LEAF || v.kind == VAL_LIST;
    if (b && !holds && in->kind != SCOPE_PRELUDE) {
      name_mute(x, s, first->name.name);
      TELL(x, not_param, first->name.at, sym_str(x, first->name.name), str_copy(x->a, val_text(x, v)).p);
      return;
    }
    if (v.kind == VAL_INSTANCE && !instance_tree(x, v.inst)->n) {
      TELL(x, not_param, first->name.at, sym_str(x, first->name.name), "an instance without parameters");
      return;
    }
  } else {
    bool params = false;
    for (uint32_t i = 0; i < x->p->leaf.n; i++) params = params || x->p->leaf.at[i].kind == LEAF_PARAM;
    if (x->main->ast->errors && !params) return;
    for (uint32_t i = 0; i < x->instance.n; i++)
      if (x->instance.at[i]->hurt) return;
    if (parameters_missing(x)) return;
  }
  name_mute(x, s, names_add(x->n, path_text(x, p)));
  Diag *g = TELL(x, unknown_path, p->at, path_text(x, p));
  if (x->d->unkept) return; /* nobody sees it */
  VEC(Str) names = {0};
  for (int inner = 0; inner < 2; inner++) { /* what is at file level first */
    for (uint32_t i = 0; i < x->instance.n; i++) {
      Str path = sym_str(x, x->instance.at[i]->path);
      if ((memchr(path.p, '.', path.n) != NULL) == inner) VEC_PUSH(x->a, &names, path);
      if (!inner && str_ends(path, STR("[0]")))
        VEC_PUSH(x->a, &names, ((Str){path.p, path.n - 3})); /* the list */
    }
    for (uint32_t i = 0; i < x->p->leaf.n; i++) {
      const Leaf *f = &x->p->leaf.at[i];
      Str path = sym_str(x, f->path);
      if (f->kind == LEAF_PARAM && (memchr(path.p, '.', path.n) != NULL) == inner)
        VEC_PUSH(x->a, &names, path);
    }
  }
  Str text = path_text(x, p);
  Span at = p->at;
  if (str_ends(text, STR(".*"))) text.n -= 2, at.hi -= 2; /* `net.fc3.*` is near to net.fc1 */
  suggest(x, g, at, text, names.at, names.n, "parameters and instances:");
}

static bool holds_states(const Elab *x, const uint8_t *taken) {
  for (uint32_t k = 0; k < x->p->leaf.n; k++)
    if (taken[k] && x->p->leaf.at[k].kind == LEAF_STATE) return true;
  return false;
}

static bool has_star(const AstPath *p) {
  for (uint32_t i = 0; i < p->parts.n; i++)
    if (p->parts.at[i].star) return true;
  return false;
}

/* The list without its path i. */
static void edit_out(Diag *g, const AstPathVec *paths, uint32_t i) {
  Span at = paths->at[i].at;
  if (i)
    diag_edit(g, (Span){at.file, paths->at[i - 1].at.hi, at.hi}, STR(""));
  else if (paths->n > 1)
    diag_edit(g, (Span){at.file, at.lo, paths->at[1].at.lo}, STR(""));
}

/* `except PATH` behind a group's list. */
static void edit_except(Elab *x, Diag *g, const AstStmt *t, Str path) {
  bool more = t->update.except.n > 0;
  const AstPathVec *last = more ? &t->update.except : &t->update.paths;
  Span at = last->at[last->n - 1].at;
  diag_edit(g, (Span){at.file, at.hi, at.hi}, str_fmt(x->a, "%s" STRF, more ? ", " : " except ", STRA(path)));
}

/* `update net, net`: two paths of one list may overlap, but the same text twice is a slip. */
static void same_path(Elab *x, const Step *st, const AstPathVec *paths, uint32_t i, const uint8_t *taken) {
  for (uint32_t k = 0; k < i; k++) {
    if (has_star(&paths->at[i]) || !str_eq(path_text(x, &paths->at[k]), path_text(x, &paths->at[i])))
      continue;
    Diag *g = TELL(x, listed_twice, paths->at[i].at, path_text(x, &paths->at[i]), sym_str(x, st->ts.name));
    diag_label(g, paths->at[k].at, "first here");
    diag_help(g, "list it once");
    edit_out(g, paths, i);
    for (uint32_t n = 0; n < x->p->leaf.n; n++)
      if (taken[n] && x->p->leaf.at[n].kind == LEAF_PARAM) diag_subject(g, sym_str(x, x->p->leaf.at[n].path));
    return;
  }
}

/* What `except` would say: the path of the two that is no wildcard, or the parameter. */
static Str narrow(Elab *x, const AstPath *p, Span other, const Leaf *f) {
  Str first = span_text(x, other);
  if (!has_star(p)) return path_text(x, p);
  return memchr(first.p, '*', first.n) ? sym_str(x, f->path) : first;
}

/* A path that names what is frozen, and nothing else. */
static void only_frozen(Elab *x, const AstPathVec *paths, uint32_t i, const uint8_t *taken,
                        LeafRange within) {
  const AstPath *p = &paths->at[i];
  const Leaf *first = NULL;
  for (uint32_t k = within.first; k < within.end; k++) {
    const Leaf *f = &x->p->leaf.at[k];
    if (!taken[k] || f->kind != LEAF_PARAM) continue;
    if (!f->frozen || taken[k] == 2) return;
    if (!first) first = f;
  }
  if (!first || has_star(p)) return;
  Diag *g = TELL(x, frozen_listed, p->at, path_text(x, p));
  diag_label(g, first->made_at.file ? first->made_at : first->at, "declared frozen here");
  diag_help(g, "leave it out of the list, or declare it without 'frozen'");
  edit_out(g, paths, i);
  for (uint32_t k = 0; k < x->p->leaf.n; k++)
    if (taken[k] && x->p->leaf.at[k].kind == LEAF_PARAM) diag_subject(g, sym_str(x, x->p->leaf.at[k].path));
}

/* One path of one update list, and what is known of the list. */
typedef struct Taking {
  Elab *x;
  Step *st;
  uint32_t group, path;
  const AstStmt *t;
  uint8_t *taken;
  uint32_t *except; /* by leaf: the excepting path, from 1 */
  Diag *said;       /* one message for all that this path takes a second time */
  uint32_t said_of;
} Taking;

static void take_frozen(const Taking *w, const Leaf *f) {
  Diag *g = TELL(w->x, frozen_listed, w->t->update.paths.at[w->path].at, sym_str(w->x, f->path));
  diag_label(g, f->at, "declared frozen here");
  diag_help(g, "leave it out of the list, or declare it without 'frozen'");
  edit_out(g, &w->t->update.paths, w->path);
  diag_subject(g, sym_str(w->x, f->path));
}

/* `before` in this step's list has taken it. */
static void take_twice(Taking *w, uint32_t k, const Owned *before) {
  Elab *x = w->x;
  const AstPath *p = &w->t->update.paths.at[w->path];
  const Leaf *f = &x->p->leaf.at[k];
  bool same = before->group == w->group; /* two paths of one list may overlap; its own name twice is a slip */
  if (w->st->left_in || (same && (before->wildcard || w->taken[k] != 2))) return;
  if (w->said && w->said_of == before->item.lo) {
    if (w->said->subject.n == 1) diag_note(w->said, (Span){0}, "and so are others that both paths take");
    diag_subject(w->said, sym_str(x, f->path));
    return;
  }
  Diag *g = w->said = TELL(x, listed_twice, p->at, sym_str(x, f->path), sym_str(x, w->st->ts.name));
  w->said_of = before->item.lo;
  diag_label(g, before->item, "first here");
  diag_subject(g, sym_str(x, f->path));
  if (same) {
    diag_help(g, "list it once");
    edit_out(g, &w->t->update.paths, w->path);
    return;
  }
  bool mine = !has_star(p); /* the narrower of the two leaves the wider one's list */
  Str out = narrow(x, p, before->item, f);
  if (str_eq(path_text(x, p), span_text(x, before->item))) {
    diag_help(g, "list it in one of them");
    return;
  }
  diag_help(g, "take it out of one group with 'except " STRF "'", STRA(out));
  bool theirs = !mine && str_eq(out, span_text(x, before->item));
  if (mine || theirs) edit_except(x, g, mine ? w->st->update.at[before->group].stmt : w->t, out);
}

/* True: the path names something here that can be listed, or a message says why not. */
static bool take(Taking *w, uint32_t k) {
  Elab *x = w->x;
  const Leaf *f = &x->p->leaf.at[k];
  Span at = w->t->update.paths.at[w->path].at;
  if (f->kind != LEAF_PARAM) {
    if (w->taken[k] == 2) TELL(x, not_param, at, sym_str(x, f->path), kind_text(f->kind));
    return w->taken[k] == 2;
  }
  uint32_t before;
  if (f->frozen) {
    if (w->taken[k] == 2) take_frozen(w, f);
  } else if (w->except[k]) {
    LeftOut l = {{k}, w->t->update.except.at[w->except[k] - 1].at, w->t->update.except.n == 1, w->group};
    VEC_PUSH(x->p->arena, &w->st->ts.left_out, l);
  } else if (map_get(&w->st->owner, k, &before)) {
    take_twice(w, k, &w->st->ts.owned.at[before]);
  } else {
    map_put(&w->st->owner, k, w->st->ts.owned.n);
    VEC_PUSH(x->p->arena, &w->st->ts.owned,
             (Owned){.param = {k},
                     .item = at,
                     .wildcard = w->taken[k] != 2,
                     .group = w->group,
                     .grad = NO_NODE,
                     .update = NO_NODE});
  }
  return true;
}

void own_group(Elab *x, Step *st, uint32_t group) {
  const AstStmt *t = st->update.at[group].stmt;
  uint32_t n = x->p->leaf.n;
  Taking w = {.x = x, .st = st, .group = group, .t = t};
  uint8_t *taken = w.taken = ARENA_ARRAY(x->a, uint8_t, n + 1);
  w.except = ARENA_ARRAY(x->a, uint32_t, n + 1);
  bool exact;
  LeafRange within = {0, n};
  for (uint32_t i = 0; i < t->update.except.n && !x->stopped; i++) {
    memset(taken + within.first, 0, within.end - within.first);
    if (!path_leaves(x, st->scope, &t->update.except.at[i], &exact, taken, &within))
      unknown_path(x, st->scope, &t->update.except.at[i]), st->left_in = true;
    for (uint32_t k = within.first; k < within.end; k++)
      if (taken[k]) w.except[k] = i + 1;
  }
  for (uint32_t i = 0; i < t->update.paths.n && !x->stopped; i++) {
    const AstPath *p = &t->update.paths.at[i];
    memset(taken + within.first, 0, within.end - within.first);
    if (!path_leaves(x, st->scope, p, &exact, taken, &within)) {
      unknown_path(x, st->scope, p);
      continue;
    }
    bool any = false;
    w.path = i, w.said = NULL;
    only_frozen(x, &t->update.paths, i, taken, within);
    for (uint32_t k = within.first; k < within.end; k++)
      if (taken[k]) any |= take(&w, k);
    if (!any && holds_states(x, taken))
      TELL(x, not_param, p->at, path_text(x, p), "a name for states only");
    else if (!any)
      unknown_path(x, st->scope, p);
    else if (!exact)
      same_path(x, st, &t->update.paths, i, taken);
  }
}
