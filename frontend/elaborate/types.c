/* Types as written: dims, tensor types, and the matching of a call's arguments against a signature. A
 * signature's symbols,
 * `..` and dtype variables are kept in the call's scope, so its body and result see them. */
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"

static bool upper(Str s) { return s.n && s.p[0] >= 'A' && s.p[0] <= 'Z'; }

DType dtype_of_word(AstDtype w) {
  switch (w) {
  case DTYPE_WORD_F32: return DT_F32;
  case DTYPE_WORD_F64: return DT_F64;
  case DTYPE_WORD_I32: return DT_I32;
  case DTYPE_WORD_I64: return DT_I64;
  case DTYPE_WORD_BOOL: return DT_BOOL;
  case DTYPE_WORD_U8: return DT_U8;
  case DTYPE_WORD_BF16: return DT_BF16;
  case DTYPE_WORD_COUNT: break;
  }
  return DT_NONE;
}

/* Reports a name in a dim that nothing declares; false then. */
static bool dim_names_known(Elab *x, Scope *s, const AstExpr *e) {
  if (e->kind == EXPR_BINARY)
    return dim_names_known(x, s, e->binary.left) && dim_names_known(x, s, e->binary.right);
  if (e->kind == EXPR_NAME) {
    Scope *in;
    if (!scope_find(x, s, e->name, &in) && !builtin_find(sym_str(x, e->name))) {
      if (name_said(x, s, e->name)) return false;
      name_mute(x, s, e->name);
      Diag *g = TELL(x, unknown_dim, e->at, sym_str(x, e->name));
      Str near = nearest_name(x, s, e->name);
      if (near.n) {
        diag_help(g, "did you mean '" STRF "'? A dim that is bound later has an upper-case name", STRA(near));
        if (diag_very_near(sym_str(x, e->name), near)) diag_edit(g, e->at, near);
      } else
        diag_help(g, upper(sym_str(x, e->name))
                         ? "a symbol must stand alone in an input or in a parameter of the function"
                         : "a dim that is bound later has an upper-case name");
      return false;
    }
  }
  return true;
}

bool dim_of(Elab *x, Scope *s, const AstExpr *e, DimId *out) {
  if (!dim_names_known(x, s, e)) return false;
  if (e->kind == EXPR_HOLE || e->kind == EXPR_REST) {
    TELL(x, declaration, e->at, STR("this dim must be written out here"));
    return false;
  }
  Value v = eval(x, s, e);
  if (!val_ok(v) && probe_any(x)) return *out = (DimId){0}, true;
  return val_ok(v) && val_static_dim(x, v, e->at, "a dim", out);
}

bool dtype_variable(Scope *s, Sym name, DType *out) {
  for (; s; s = s->outer)
    for (uint32_t i = 0; i < s->dtype.n; i++)
      if (sym_eq(s->dtype.at[i].name, name)) {
        *out = s->dtype.at[i].dtype;
        return true;
      }
  return false;
}

/* Whether a const of this value can be a dtype. */
static bool may_give_dtype(const Elab *x, const AstExpr *e) {
  while (e && e->kind == EXPR_INDEX) e = e->index.base;
  if (!e) return false;
  if (e->kind == EXPR_CALL && e->call.callee->kind == EXPR_NAME)
    return !builtin_find(sym_str(x, e->call.callee->name));
  return e->kind == EXPR_DTYPE || e->kind == EXPR_NAME || e->kind == EXPR_FIELD || e->kind == EXPR_IF ||
         e->kind == EXPR_LIST || e->kind == EXPR_CALL;
}

/* Whether a declaration can be a dtype; only then is it asked. `let F = f(x)` and `const F = size(y)` may
 * need the very call whose signature has the variable F. */
static bool may_be_dtype(const Elab *x, const Binding *b) {
  if (!b->decl) return true;
  AstStmtKind kind = b->decl->kind;
  if ((kind != STMT_CONST && kind != STMT_LET) || b->busy) return false;
  const AstExpr *e = b->decl->bind.value;
  if (kind == STMT_CONST) return may_give_dtype(x, e);
  while (e && e->kind == EXPR_INDEX) e = e->index.base;
  return e && e->kind == EXPR_DTYPE;
}

/* A name of a dtype: of a signature's variable, or of what is known when compiling: a parameter, a const. */
static bool dtype_named(Elab *x, Scope *s, Sym name, DType *out) {
  Scope *in;
  if (dtype_variable(s, name, out)) return true;
  Binding *b = scope_find(x, s, name, &in);
  Value v = b && may_be_dtype(x, b) ? binding_value(x, in, b) : val_poison();
  if (v.kind == VAL_DTYPE) *out = v.dtype;
  return v.kind == VAL_DTYPE;
}

/* A name where a dtype belongs that is no dtype's: it may stand for something else. */
static void no_dtype(Elab *x, Scope *s, AstIdent name) {
  Scope *in;
  Binding *b = scope_find(x, s, name.name, &in);
  const Builtin *bi = b ? NULL : builtin_find(sym_str(x, name.name));
  AstStmtKind kind = b && b->decl ? b->decl->kind : STMT_CONST;
  if ((!b && !bi) || (b && b->busy && kind == STMT_CONST) || name_said(x, s, name.name)) {
    unknown_name(x, s, name.name, name.at);
    return;
  }
  Str what;
  if (kind == STMT_CONST || kind == STMT_FN || kind == STMT_MODULE) {
    Value v = bi ? (Value){.kind = VAL_BUILTIN, .builtin = bi} : binding_value(x, in, b);
    if (!val_ok(v)) return;
    what = val_text(x, v);
  } else
    what = str_fmt(x->a, "declared as '%s'", ast_stmt_word(kind));
  Diag *g = TELL(x, wrong_kind, name.at, what, "a dtype, such as f64,");
  if (b && b->at.file == name.at.file) diag_label(g, b->at, "declared here");
  if (kind == STMT_LET && may_give_dtype(x, b->decl->bind.value))
    diag_help(g, "a const names a dtype: const " STRF " = ..", STRA(sym_str(x, name.name)));
}

/* `dtype` where a type stands: the kind of a parameter that is one. */
static bool is_dtype_kind(const Elab *x, const AstType *t) {
  return t->kind == ATYPE_NAME && !t->has_dims && !ast_ident_written(t->qualifier) &&
         str_eq(sym_str(x, t->name.name), STR("dtype"));
}

static Scope *rest_scope(Scope *s) {
  for (; s; s = s->outer)
    if (s->has_rest) return s;
  return NULL;
}

bool type_of(Elab *x, Scope *s, const AstType *t, Type *out) {
  if (!type_of_leaf(x, s, t, out)) return false;
  if (out->dtype != DT_BF16) return true;
  out->dtype = DT_F32;
  if (t->kind == ATYPE_NAME) return true; /* of a module whose parameters are kept so */
  diag_help(TELL(x, declaration, t->at,
                 STR("nothing has values of bf16: it is how an input, a parameter or a state is kept")),
            "it is read as f32: write that");
  return false;
}

bool type_of_leaf(Elab *x, Scope *s, const AstType *t, Type *out) {
  DType d;
  if (t->kind == ATYPE_ERROR) return false;
  if (t->kind == ATYPE_NAME && !t->qualifier.at.file && dtype_named(x, s, t->name.name, &d))
    ;
  else if (t->kind == ATYPE_DTYPE)
    d = dtype_of_word(t->dtype);
  else {
    if (t->kind == ATYPE_NAME)
      no_dtype(x, s, t->name);
    else
      TELL(x, declaration, t->at, STR("a tensor type is needed here"));
    return false;
  }
  Type r = type_scalar(d);
  for (uint32_t i = 0; i < t->dims.n; i++) {
    Scope *rest = t->dims.at[i]->kind == EXPR_REST ? rest_scope(s) : NULL;
    uint32_t add = rest ? rest->rest_n : 1;
    if (r.rank + add > MAX_RANK || r.rank + add > x->limits->rank) {
      limit_passed(x, t->at, "the tensor's axes", "rank",
                   x->limits->rank < MAX_RANK ? x->limits->rank : MAX_RANK);
      return false;
    }
    if (rest)
      for (uint32_t k = 0; k < add; k++) r.dim[r.rank++] = rest->rest[k];
    else if (!dim_of(x, s, t->dims.at[i], &r.dim[r.rank++]))
      return false;
  }
  *out = r;
  return type_small(x, t->at, &r);
}

bool dim_is_free_symbol(Elab *x, Scope *s, const AstExpr *e) {
  if (e->kind != EXPR_NAME || !upper(sym_str(x, e->name))) return false;
  Scope *in;
  Binding *b = scope_find(x, s, e->name, &in);
  return !b || b->is_symbol;
}

static void bind_symbol(Elab *x, Scope *s, Sym name, Span at, DimId d) {
  if (scope_find_here(x, s, name)) return;
  Binding *b = scope_add(x, s, name, at);
  if (!b) return;
  b->value = val_dim(x, d);
  b->epoch = EPOCH_ALWAYS;
  b->is_symbol = true;
}

/* ---- signatures ---- */

static bool is_module_type(Elab *x, Scope *s, const AstType *t, UnitRef *out) {
  if (t->kind != ATYPE_NAME || t->has_dims) return false;
  Scope *in;
  Value v;
  if (ast_ident_written(t->qualifier)) {
    Binding *q = scope_find(x, s, t->qualifier.name, &in);
    Value f = q ? binding_value(x, in, q) : val_poison();
    if (f.kind != VAL_FILE) return false;
    Binding *b = scope_find_here(x, f.file->scope, t->name.name);
    v = b ? binding_value(x, f.file->scope, b) : val_poison();
  } else {
    Binding *b = scope_find(x, s, t->name.name, &in);
    v = b ? binding_value(x, in, b) : val_poison();
  }
  if (v.kind != VAL_MODULE) return false;
  *out = v.unit;
  return true;
}

bool type_is_static(Elab *x, Scope *s, const AstType *t) {
  UnitRef m;
  return t->kind == ATYPE_INT || t->kind == ATYPE_FN || t->kind == ATYPE_LIST || is_dtype_kind(x, t) ||
         is_module_type(x, s, t, &m);
}

static void learn_rest(Scope *s, const Type *got, uint32_t n) {
  if (s->has_rest) return;
  s->has_rest = true;
  s->rest_n = (uint8_t)n;
  for (uint32_t i = 0; i < n; i++) s->rest[i] = got->dim[i];
}

void unify_learn(Elab *x, Scope *s, const AstType *t, Value v) {
  if ((t->kind == ATYPE_TUPLE || t->kind == ATYPE_LIST) && (v.kind == VAL_TUPLE || v.kind == VAL_LIST)) {
    for (uint32_t i = 0; i < v.list.n; i++)
      if (t->kind == ATYPE_LIST || i < t->items.n)
        unify_learn(x, s, t->items.at[t->kind == ATYPE_LIST ? 0 : i], v.list.at[i]);
    return;
  }
  if ((t->kind != ATYPE_DTYPE && t->kind != ATYPE_NAME) || !val_tensor(v)) return;
  Type got = val_type(x, v);
  UnitRef m;
  DType d;
  if (t->kind == ATYPE_NAME && !(v.kind == VAL_TENSOR && v.weak) && !is_module_type(x, s, t, &m) &&
      upper(sym_str(x, t->name.name)) && !dtype_named(x, s, t->name.name, &d)) {
    __typeof__(*s->dtype.at) fresh = {t->name.name, (DType)got.dtype};
    VEC_PUSH(x->a, &s->dtype, fresh);
  }
  if (!t->has_dims) return;
  uint32_t rest = t->dims.n;
  for (uint32_t i = 0; i < t->dims.n; i++)
    if (t->dims.at[i]->kind == EXPR_REST) rest = i;
  bool has_rest = rest < t->dims.n;
  uint32_t fixed = t->dims.n - has_rest;
  if (got.rank < fixed || (!has_rest && got.rank != fixed)) return;
  if (has_rest && rest == 0) learn_rest(s, &got, got.rank - fixed);
  for (uint32_t i = 0; i < t->dims.n; i++) {
    uint32_t at = i < rest ? i : i + got.rank - fixed - 1;
    if (i == rest || !dim_is_free_symbol(x, s, t->dims.at[i])) continue;
    bind_symbol(x, s, t->dims.at[i]->name, t->dims.at[i]->at, got.dim[at]);
  }
}

void help_whole(Elab *x, Diag *g, const Type *a, const Type *b) {
  Sym name;
  int64_t by;
  for (int i = 0; i < a->rank && a->rank == b->rank && !x->d->unkept; i++) {
    if (!dim_whole(x->a, x->dims, a->dim[i], b->dim[i], &name, &by)) continue;
    Str s = sym_str(x, name);
    diag_help(g, "they are equal where " STRF " is a multiple of %lld: assert mod(" STRF ", %lld) == 0",
              STRA(s), (long long)by, STRA(s), (long long)by);
    return;
  }
}

static Value mismatch(Elab *x, Span at, const char *what, Type got, Type want, Span declared) {
  Diag *g = TELL(x, declared_type, at, what, type_text(x, got), type_text(x, want));
  diag_label(g, declared, "declared here");
  help_whole(x, g, &got, &want);
  return val_poison();
}

/* A type as written, but that the dtype stands in the place of its name. */
static Str declared_text(Elab *x, Scope *s, const AstType *t) {
  Str text = span_text(x, t->at), name = sym_str(x, t->name.name);
  DType d;
  if (t->kind != ATYPE_NAME || upper(name) || !dtype_named(x, s, t->name.name, &d) || text.n < name.n)
    return text;
  return str_fmt(x->a, "%s" STRF, dtype_name(d), STRA(((Str){text.p + name.n, text.n - name.n})));
}

/* Shapes that differ because a symbol was bound by another argument: name the symbol. */
static Value check_tensor(Elab *x, Scope *s, const AstType *t, Value v, Span at, const char *what) {
  Type want;
  bool number = val_number(v) || v.kind == VAL_BOOL;
  DType d;
  bool variable = t->kind == ATYPE_NAME && !dtype_named(x, s, t->name.name, &d);
  if (variable && !number && !val_tensor(v)) return wrong_kind(x, at, v, "a tensor"); /* it gives no dtype */
  bool stored = t->kind == ATYPE_DTYPE && dtype_is_stored(dtype_of_word(t->dtype));   /* of no number */
  if (number && !stored) {
    if (!t->has_dims || variable) { /* scalars stay exact until they meet a tensor */
      if (v.kind == VAL_BOOL && t->kind == ATYPE_DTYPE && t->dtype != DTYPE_WORD_BOOL)
        return wrong_kind(x, at, v, "a number");
      if (v.kind != VAL_BOOL && t->kind == ATYPE_DTYPE && t->dtype == DTYPE_WORD_BOOL)
        return wrong_kind(x, at, v, "true or false");
      bool real = t->kind == ATYPE_NAME || t->dtype == DTYPE_WORD_F32 || t->dtype == DTYPE_WORD_F64;
      if (!real && v.kind == VAL_REAL) return wrong_kind(x, at, v, "an integer");
      return t->kind == ATYPE_DTYPE && real && v.kind == VAL_INT ? val_real((double)v.i) : v;
    }
    for (uint32_t i = 0; i < t->dims.n; i++)
      if (t->dims.at[i]->kind == EXPR_REST && !rest_scope(s)) return v;
  }
  for (uint32_t i = 0; i < t->dims.n; i++) { /* a symbol no argument binds alone */
    Scope *in;
    if (t->dims.at[i]->kind == EXPR_HOLE)
      return not_built(x, t->dims.at[i]->at, "'_' as a dim of a signature");
    if (val_tensor(v) || !dim_is_free_symbol(x, s, t->dims.at[i])) continue;
    if (!scope_find(x, s, t->dims.at[i]->name, &in)) return wrong_kind(x, at, v, "a tensor");
  }
  if (val_tensor(v)) {
    Type got = val_type(x, v);
    if (variable) { /* nothing but `step` and numbers met it */
      __typeof__(*s->dtype.at) fresh = {t->name.name, (DType)got.dtype};
      VEC_PUSH(x->a, &s->dtype, fresh);
    }
    uint32_t fixed = 0;
    bool rest = false;
    for (uint32_t i = 0; i < t->dims.n; i++)
      t->dims.at[i]->kind == EXPR_REST ? (rest = true) : (fixed++, false);
    if (got.rank < fixed || (!rest && got.rank != fixed)) {
      Diag *g = TELL(x, declared_type, at, what, type_text(x, got), declared_text(x, s, t));
      diag_label(g, t->at, "declared here");
      return val_poison();
    }
  }
  if (!type_of(x, s, t, &want)) return val_poison();
  if (val_tensor(v)) {
    Type got = val_type(x, v);
    bool weak = v.kind == VAL_TENSOR && v.weak && got.dtype != DT_BOOL;
    if (weak && want.rank == 0 && want.dtype == got.dtype) return v; /* stays what takes the dtype it meets */
    if (type_agree(&got, &want)) return v;
    if (got.dtype == want.dtype && got.rank == want.rank)
      for (int i = 0; i < got.rank; i++)
        if (!dim_agree(got.dim[i], want.dim[i]) && t->dims.n == got.rank &&
            dim_is_free_symbol(x, s, t->dims.at[i])) {
          Diag *g = TELL(x, dim_conflict, at, sym_str(x, t->dims.at[i]->name), dim_text(x, got.dim[i]),
                         dim_text(x, want.dim[i]));
          diag_under(g, "%s is " STRF, what, STRA(type_text(x, got)));
          diag_label(g, t->at, "declared " STRF, STRA(type_text(x, want)));
          help_whole(x, g, &got, &want);
          return val_poison();
        }
    if (!(weak && dtype_is_float((DType)want.dtype))) return mismatch(x, at, what, got, want, t->at);
  }
  return val_node(val_coerce(x, v, want, at, what));
}

Value unify_check(Elab *x, Scope *s, const AstType *t, Value v, Span at, const char *what) {
  if (!val_ok(v)) return v;
  UnitRef m;
  switch (t->kind) {
  case ATYPE_ERROR: return val_poison();
  case ATYPE_INT:
    return v.kind == VAL_INT || v.kind == VAL_DIM
               ? v
               : wrong_kind(x, at, v, "an int that is known when the program is compiled");
  case ATYPE_FN:
    return v.kind == VAL_FN || v.kind == VAL_BUILTIN || v.kind == VAL_INSTANCE || v.kind == VAL_TREE
               ? v
               : wrong_kind(x, at, v, "a function");
  case ATYPE_LIST: {
    if (v.kind != VAL_LIST) return wrong_kind(x, at, v, "a list");
    Value r = val_list(x, VAL_LIST, v.list.at, v.list.n);
    for (uint32_t i = 0; i < r.list.n; i++)
      r.list.at[i] = unify_check(x, s, t->items.at[0], r.list.at[i], at, what);
    return r;
  }
  case ATYPE_TUPLE: {
    if (v.kind != VAL_TUPLE || v.list.n != t->items.n)
      return wrong_kind(x, at, v, "a tuple of as many values as declared");
    Value r = val_list(x, VAL_TUPLE, v.list.at, v.list.n);
    for (uint32_t i = 0; i < r.list.n; i++)
      r.list.at[i] = unify_check(x, s, t->items.at[i], r.list.at[i], at, what);
    return r;
  }
  case ATYPE_NAME:
    if (is_module_type(x, s, t, &m)) {
      if (v.kind == VAL_INSTANCE && v.inst->module.stmt == m.stmt) return v;
      if (v.kind == VAL_TREE && v.tree->of->module.stmt == m.stmt) return v;
      return wrong_kind(x, at, v, "an instance of the module declared here");
    }
    if (v.kind == VAL_DTYPE && is_dtype_kind(x, t)) return v;
    DType d;
    bool named = !ast_ident_written(t->qualifier) && dtype_named(x, s, t->name.name, &d);
    if (!named && is_dtype_kind(x, t)) return wrong_kind(x, at, v, "a dtype, such as f64,");
    if (!named && (ast_ident_written(t->qualifier) || !upper(sym_str(x, t->name.name)))) {
      if (ast_ident_written(t->qualifier)) return unknown_name(x, s, t->name.name, t->name.at);
      no_dtype(x, s, t->name);
      return val_poison();
    }
    return check_tensor(x, s, t, v, at, what);
  case ATYPE_DTYPE: return check_tensor(x, s, t, v, at, what);
  case ATYPE_COUNT: break;
  }
  return val_poison();
}

/* ---- the file's own symbols ---- */

static void const_names(Elab *x, const AstStmtVec *stmts, Map *m) {
  for (uint32_t i = 0; i < stmts->n; i++) {
    const AstStmt *t = stmts->at[i];
    if (t->kind == STMT_CONST)
      for (uint32_t k = 0; k < t->bind.names.n; k++) map_put(m, t->bind.names.at[k].name.i, 1);
    if (t->kind == STMT_IF) {
      const_names(x, &t->choice.then->stmts, m);
      if (t->choice.otherwise) const_names(x, &t->choice.otherwise->stmts, m);
    }
  }
}

static void expr_symbols(Elab *x, const AstExpr *e, const Map *consts) {
  uint32_t seen;
  if (e->kind == EXPR_BINARY) {
    expr_symbols(x, e->binary.left, consts);
    expr_symbols(x, e->binary.right, consts);
  }
  if (e->kind != EXPR_NAME || !upper(sym_str(x, e->name)) || map_get(consts, e->name.i, &seen) ||
      scope_find_here(x, x->main->scope, e->name))
    return;
  bind_symbol(x, x->main->scope, e->name, e->at, dim_symbol(x->dims, e->name));
  VEC_PUSH(x->p->arena, &x->p->symbol, e->name);
}

static void symbols_in(Elab *x, const AstStmtVec *stmts, const Map *consts) {
  for (uint32_t i = 0; i < stmts->n; i++) {
    const AstStmt *t = stmts->at[i];
    if (t->kind >= STMT_LET && t->kind <= STMT_METRIC && t->bind.type &&
        (t->bind.type->kind == ATYPE_DTYPE || t->bind.type->kind == ATYPE_NAME))
      for (uint32_t k = 0; k < t->bind.type->dims.n; k++) expr_symbols(x, t->bind.type->dims.at[k], consts);
    if (t->kind == STMT_IF) {
      symbols_in(x, &t->choice.then->stmts, consts);
      if (t->choice.otherwise) symbols_in(x, &t->choice.otherwise->stmts, consts);
    }
  }
}

void file_symbols(Elab *x, const AstStmtVec *stmts) {
  Map consts;
  map_init(&consts, x->a);
  const_names(x, stmts, &consts);
  symbols_in(x, stmts, &consts);
}
