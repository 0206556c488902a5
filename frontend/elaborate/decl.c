/* Declarations that make leaves, and how their initial values are built in the init graph. */
#include "frontend/elaborate/elab.h"

bool leaf_find(const Elab *x, Str path, LeafId *out) {
  bool known;
  Sym name = names_find(x->n, path, &known);
  return known && map_get(&x->leaf_by_path, name.i, &out->i);
}

LeafId new_leaf(Elab *x, Leaf leaf, LeafDecl decl) {
  LeafId id;
  if (leaf_find(x, sym_str(x, leaf.path), &id)) return id;
  if (leaf.kind == LEAF_PARAM && (int64_t)++x->nparams > x->limits->params)
    limit_passed(x, leaf.at, "the parameters", "params", x->limits->params);
  id = program_leaf(x->p, leaf);
  map_put(&x->leaf_by_path, leaf.path.i, id.i);
  decl.node = NO_NODE;
  while (x->leaf.n < id.i) VEC_PUSH(x->a, &x->leaf, (LeafDecl){.node = NO_NODE});
  VEC_PUSH(x->a, &x->leaf, decl);
  return id;
}

/* The step count, the epoch and the seed are leaves of their own; their paths are no names of the language.
 */
LeafId clock_leaf(Elab *x, LeafKind kind) {
  LeafId *own = &x->clock[kind - LEAF_STEP], taken;
  if (own->i != UINT32_MAX) return *own;
  const char *name = kind == LEAF_STEP ? "step" : kind == LEAF_EPOCH ? "epoch" : "seed";
  Sym path = sym_of(x, name);
  if (leaf_find(x, str_z(name), &taken)) path = names_add(x->n, str_fmt(x->a, "dgc.%s", name));
  Leaf leaf = {.kind = kind, .path = path, .type = type_scalar(DT_I32), .of = {UINT32_MAX}};
  return *own = new_leaf(x, leaf, (LeafDecl){0});
}

void leaf_marks(Elab *x, const AstStmt *t, Leaf *leaf) {
  for (uint32_t i = 0; i < t->marks.n; i++) {
    const AstMark *m = &t->marks.at[i];
    bool allow = str_eq(sym_str(x, m->verb.name), STR("allow"));
    if (!allow && !str_eq(sym_str(x, m->verb.name), STR("expect"))) {
      diag_help(TELL(x, declaration, m->verb.at,
                     str_fmt(x->a, "no mark is named '" STRF "'", STRA(sym_str(x, m->verb.name)))),
                "write allow or expect");
      continue;
    }
    for (uint32_t k = 0; k < m->words.n; k++) {
      Str w = sym_str(x, m->words.at[k].name);
      Str names[DGRP_COUNT];
      bool found = false;
      for (int g = 0; g < DGRP_COUNT; g++) {
        names[g] = str_z(diag_groups[g].name);
        if (!str_eq(names[g], w)) continue;
        found = true;
        *(allow ? &leaf->allow : &leaf->expect) |= (uint32_t)1 << g;
      }
      if (found) continue;
      Diag *g = TELL(x, declaration, m->words.at[k].at,
                     str_fmt(x->a, "no group of warnings is named '" STRF "'", STRA(w)));
      Str near = diag_nearest(w, names, DGRP_COUNT);
      if (near.n) diag_meant(g, m->words.at[k].at, w, near);
    }
  }
}

void marks_of_many(Elab *x, const AstStmt *t, const LeafId *of, uint32_t n) {
  Leaf marks = {0};
  leaf_marks(x, t, &marks);
  Expected e = {.groups = marks.expect};
  for (uint32_t i = 0; i < n; i++) {
    x->p->leaf.at[of[i].i].allow |= marks.allow | marks.expect;
    if (e.groups) VEC_PUSH(x->p->arena, &e.of, of[i]);
  }
  if (!e.groups) return;
  for (uint32_t i = t->marks.n; i-- > 0;)
    if (str_eq(sym_str(x, t->marks.at[i].verb.name), STR("expect"))) e.at = t->marks.at[i].at;
  VEC_PUSH(x->p->arena, &x->p->expected, e);
}

static bool static_double(Elab *x, Scope *s, const AstExpr *e, double *out) {
  Value v = eval(x, s, e);
  if (v.kind == VAL_INT || v.kind == VAL_REAL) {
    *out = static_real(v);
    return true;
  }
  if (val_tensor(v) || v.kind == VAL_DIM)
    TELL(x, not_static, e->at, "the end of a range", val_text(x, v));
  else
    wrong_kind(x, e->at, v, "a number");
  return false;
}

static void input_range(Elab *x, Scope *s, const AstStmt *t, Leaf *leaf) {
  const AstExpr *e = t->bind.range;
  if (!e) return;
  Range r = {.has = true};
  bool good;
  if (e->kind == EXPR_RANGE && e->range.lo && e->range.hi && !e->range.step)
    good = static_double(x, s, e->range.lo, &r.lo) && static_double(x, s, e->range.hi, &r.hi);
  else if (e->kind == EXPR_LIST && e->list.items.n == 2) {
    r.closed = true;
    good = static_double(x, s, e->list.items.at[0], &r.lo) && static_double(x, s, e->list.items.at[1], &r.hi);
  } else {
    TELL(x, declaration, e->at, STR("a range is 0:10 (integers, the end left out) or [0, 1] (both ends in)"));
    return;
  }
  if (good && (r.closed ? r.lo > r.hi : r.lo >= r.hi))
    TELL(x, declaration, e->at, STR("no value lies in this range"));
  if (good) leaf->range = r;
}

/* One leaf serves all entries, so what it is cannot depend on which one asks. */
static Value same_leaf(Elab *x, Scope *s, const AstStmt *t, LeafId id) {
  const Leaf *leaf = program_leaf_at(x->p, id);
  Leaf now = *leaf;
  if (!type_of_leaf(x, s, t->bind.type, &now.type)) return val_poison();
  if (t->kind == STMT_INPUT) input_range(x, s, t, &now);
  const Range *r = &now.range, *was = &leaf->range;
  if (type_eq(&now.type, &leaf->type) && r->lo == was->lo && r->hi == was->hi && r->closed == was->closed)
    return val_leaf(id);
  TELL(x, declaration, t->bind.names.at[0].at,
       str_fmt(x->a, "the declaration of '" STRF "' depends on 'training', and it is the same outside of it",
               STRA(sym_str(x, leaf->path))));
  return val_poison();
}

bool leaf_keeps(Elab *x, const AstType *t, LeafKind kind, Type type) {
  if (type.dtype != DT_U8 || kind == LEAF_INPUT) return true;
  TELL(x, declaration, t->at,
       STR("u8 is how an input is kept; what changes is f32, f64, bf16, i32, i64 or bool"));
  return false;
}

Value declare_leaf(Elab *x, Scope *s, const AstStmt *t) {
  LeafKind kind = t->kind == STMT_PARAM ? LEAF_PARAM : t->kind == STMT_STATE ? LEAF_STATE : LEAF_INPUT;
  LeafId id;
  if (leaf_find(x, x->frame->path, &id)) return same_leaf(x, s, t, id);
  const char *word = ast_stmt_word(t->kind);
  AstIdent name = t->bind.names.at[0];
  if (s->kind == SCOPE_FILE && s->file != x->main) {
    stands_not(x, t, "in an imported file");
    return val_poison();
  }
  if (!t->bind.type) {
    diag_help(TELL(x, declaration, name.at,
                   str_fmt(x->a, "'%s " STRF "' has no type", word, STRA(sym_str(x, name.name)))),
              "write its type, as in %s " STRF ": f32[3]", word, STRA(sym_str(x, name.name)));
    return val_poison();
  }
  Leaf leaf = {.kind = kind,
               .path = names_add(x->n, x->frame->path),
               .at = name.at,
               .made_at = s->inst ? s->inst->made : (Span){0},
               .of = {UINT32_MAX}};
  if (!type_of_leaf(x, s, t->bind.type, &leaf.type)) return val_poison();
  if (!leaf_keeps(x, t->bind.type, kind, leaf.type)) return val_poison();
  if (kind == LEAF_PARAM && !dtype_is_float(dtype_compute((DType)leaf.type.dtype))) {
    diag_help(TELL(x, param_type, t->bind.type->at, sym_str(x, name.name), type_text(x, leaf.type)),
              "declare it 'state' or 'const' if it does not train");
    return val_poison();
  }
  leaf.frozen = kind == LEAF_PARAM && (t->frozen.file || (s->inst && s->inst->frozen));
  leaf_marks(x, t, &leaf);
  if (kind == LEAF_INPUT) {
    input_range(x, s, t, &leaf);
    if (t->bind.value || t->bind.init)
      TELL(x, declaration, t->bind.value ? t->bind.value->at : t->bind.init->at,
           STR("an input has no value of its own: data or the host gives it"));
  } else if (!t->bind.value && !t->bind.init) {
    Diag *g = TELL(x, declaration, name.at,
                   str_fmt(x->a, "'%s " STRF "' has no initial value", word, STRA(sym_str(x, name.name))));
    diag_help(g, "write '= 0' or '~ normal(0, 0.1)' behind its type");
  } else if (t->bind.value && t->bind.init)
    TELL(x, declaration, t->bind.init->at, STR("an initial value is given by '=' or by '~'"));
  id = new_leaf(x, leaf,
                (LeafDecl){.value = t->bind.value, .init = t->bind.init, .scope = s, .name = name.name});
  if (kind != LEAF_INPUT && is_load(x, s, t->bind.init)) load_leaf(x, s, t->bind.init, id);
  return val_leaf(id);
}

/* In the init graph a leaf read is its initial value; ids order the evaluation, `busy` finds a cycle. */
NodeId leaf_initial(Elab *x, LeafId l) {
  LeafDecl *d = &x->leaf.at[l.i];
  const Leaf *leaf = program_leaf_at(x->p, l);
  if (x->initial.i != UINT32_MAX) VEC_PUSH(x->p->arena, &x->p->initial_read, (InitialRead){l, x->initial});
  if (leaf->file && !node_ok(d->node)) d->node = load_initial(x, l);
  if (node_ok(d->node) || x->stopped || d->cyclic) return d->node;
  if (d->busy) {
    VEC(LeafId) chain = {0};
    Sb b;
    sb_init(&b, x->a);
    for (LeafId k = x->initial; !leaf_eq(k, l); k = x->leaf.at[k.i].asked) VEC_PUSH(x->a, &chain, k);
    for (uint32_t i = chain.n; i-- > 0;)
      sb_fmt(&b, " -> " STRF, STRA(sym_str(x, program_leaf_at(x->p, chain.at[i])->path)));
    Str name = sym_str(x, leaf->path);
    Diag *g = TELL(x, cycle, leaf->at,
                   str_fmt(x->a, "the initial value of " STRF STRF " -> " STRF, STRA(name), STRA(sb_str(&b)),
                           STRA(name)));
    diag_help(g, leaf_eq(x->initial, l) ? "its initial value must not read itself"
                                        : "one of them must not read the other");
    for (LeafId k = x->initial; x->leaf.at[k.i].cyclic = true, !leaf_eq(k, l);) k = x->leaf.at[k.i].asked;
    return NO_NODE;
  }
  d->busy = true;
  d->asked = x->initial;
  x->initial = l;
  Type want = leaf_type(x, l);
  Span at = d->copied && d->init_at.file ? d->init_at : leaf->at;
  NodeId n = NO_NODE;
  if (d->copied)
    n = val_coerce(x, d->copy.kind == VAL_LEAF ? val_node(leaf_initial(x, d->copy.leaf)) : d->copy, want, at,
                   str_fmt(x->a, "the initial value of '" STRF "'", STRA(sym_str(x, leaf->path))).p);
  else if (d->value || d->init) {
    Frame f = {0};
    Str path = sym_str(x, leaf->path);
    frame_push(x, &f, NULL);
    f.what = leaf->path;
    f.call_at = leaf->made_at;
    f.training = false;
    f.key = hash_bytes(path.p, path.n, x->entry_key);
    const AstExpr *e = d->init ? d->init : d->value;
    Value v = d->init ? eval_init(x, d->scope, d->init, want) : eval(x, d->scope, d->value);
    n = val_coerce(x, v, want, e->at, "the initial value");
    frame_pop(x);
  }
  x->initial = x->leaf.at[l.i].asked;
  x->leaf.at[l.i].busy = false;
  return x->leaf.at[l.i].node = leaf_kept(x, l, n, at);
}
