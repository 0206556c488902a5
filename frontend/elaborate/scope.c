/* Scopes and names: what a file or module declares, and what a name stands for. What is declared is evaluated
 * when first asked for (binding.c). */
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"

enum { SCAN_MAX = 8 };

Scope *scope_new(Elab *x, ScopeKind kind, Scope *outer) {
  Scope *s = ARENA_NEW(x->a, Scope);
  s->kind = kind;
  s->outer = outer;
  if (outer) {
    s->file = outer->file;
    s->inst = outer->inst;
    s->serial = outer->serial;
    s->scan = outer->scan;
  }
  s->body = in_body(x) ? x->body : NULL;
  map_init(&s->by_name, x->a);
  return s;
}

bool scope_empty(Scope *s) {
  if (s->binding.n > SCAN_MAX) return false;
  s->spare = s->binding.n > s->spare ? s->binding.n : s->spare;
  s->binding.n = 0;
  return true;
}

Scope *scope_root(Scope *s) {
  while (s->kind == SCOPE_BLOCK && s->outer) s = s->outer;
  return s;
}

Binding *scope_find_here(Elab *x, Scope *s, Sym name) {
  (void)x;
  uint32_t i;
  if (s->binding.n <= SCAN_MAX) {
    for (i = 0; i < s->binding.n; i++)
      if (sym_eq(s->binding.at[i]->name, name)) return s->binding.at[i];
    return NULL;
  }
  return map_get(&s->by_name, name.i, &i) ? s->binding.at[i] : NULL;
}

Binding *scope_find(Elab *x, Scope *s, Sym name, Scope **in) {
  for (; s; s = s->outer) {
    Binding *b = scope_find_here(x, s, name);
    if (b) {
      *in = s;
      return b;
    }
  }
  return NULL;
}

static bool same_function(const Scope *s) { return s->kind == SCOPE_BLOCK && s->outer; }

Binding *scope_add(Elab *x, Scope *s, Sym name, Span at) {
  Binding *old = scope_find_here(x, s, name);
  /* within one function nothing hides */
  for (Scope *up = s; !old && same_function(up);) {
    up = up->outer;
    if (up->kind == SCOPE_BLOCK || up->kind == SCOPE_BODY || up->kind == SCOPE_FN ||
        up->kind == SCOPE_TRAIN || up->kind == SCOPE_OPTIMIZER)
      old = scope_find_here(x, up, name);
  }
  if (old) {
    diag_label(TELL(x, redeclared, at, sym_str(x, name)), old->at, "first here");
    return NULL;
  }
  Binding *b;
  if (s->binding.n < s->spare) {
    b = s->binding.at[s->binding.n++];
    *b = (Binding){.name = name, .at = at};
  } else {
    b = ARENA_NEW(x->a, Binding);
    b->name = name;
    b->at = at;
    VEC_PUSH(x->a, &s->binding, b);
  }
  if (s->binding.n == SCAN_MAX + 1) /* most scopes are small: they are scanned */
    for (uint32_t i = 0; i < SCAN_MAX; i++) map_put(&s->by_name, s->binding.at[i]->name.i, i);
  if (s->binding.n > SCAN_MAX) map_put(&s->by_name, name.i, s->binding.n - 1);
  return b;
}

void scope_bind(Elab *x, Scope *s, AstIdent name, Value v) {
  if (!name.name.i) return;
  Binding *b = scope_add(x, s, name.name, name.at);
  if (!b) return;
  b->value = v;
  b->epoch = EPOCH_ALWAYS;
}

static void declare(Elab *x, Scope *s, AstIdent name, const AstStmt *t, uint32_t part) {
  if (!name.name.i) return;
  Binding *b = scope_add(x, s, name.name, name.at);
  if (!b) return;
  b->decl = t;
  b->part = part;
}

static AstIdent import_name(const AstStmt *t) { return t->import.name; }

/* Whether the test of a static if among declarations is true. These are the same for all entries. */
static bool declares_if(Elab *x, Scope *s, const AstExpr *test, bool *yes) {
  bool varies = x->varies;
  x->varies = false;
  bool good = val_static_bool(x, eval(x, s, test), test->at, "the test of an 'if'", yes);
  if (good && x->varies)
    diag_help(TELL(x, declaration, test->at, STR("what is declared here depends on 'training'")),
              "choose between values: let t = if training { a } else { b }");
  x->varies = varies;
  return good;
}

/* First everything but static ifs; then the ifs in order, whose tests may ask for what is declared by then.
 */
void scope_declare(Elab *x, Scope *s, const AstStmtVec *stmts) {
  bool module = s->kind == SCOPE_MODULE;
  const char *place = module ? "in a module" : "at file level";
  for (uint32_t i = 0; i < stmts->n; i++) {
    const AstStmt *t = stmts->at[i];
    VEC_PUSH(x->a, &s->active, t);
    if (t->marks.n && t->kind != STMT_PARAM && t->kind != STMT_LET && t->kind != STMT_TRAIN &&
        t->kind != STMT_ERROR)
      TELL(x, declaration, t->marks.at[0].at, STR("a mark stands before 'param', 'let' and 'train'"));
    switch (t->kind) {
    case STMT_ERROR: break;
    case STMT_IMPORT: module ? declares_not(x, s, t, place) : declare(x, s, import_name(t), t, 0); break;
    case STMT_CONST:
    case STMT_LET:
      for (uint32_t k = 0; k < t->bind.names.n; k++) declare(x, s, t->bind.names.at[k], t, k);
      break;
    case STMT_PARAM:
    case STMT_STATE: declare(x, s, t->bind.names.at[0], t, 0); break;
    case STMT_INPUT:
    case STMT_OUTPUT:
    case STMT_LOSS:
    case STMT_METRIC: module ? declares_not(x, s, t, place) : declare(x, s, t->bind.names.at[0], t, 0); break;
    case STMT_FN:
      if (ast_ident_written(t->fn->name))
        declare(x, s, t->fn->name, t, 0);
      else if (module)
        declare(x, s, (AstIdent){sym_of(x, "(call)"), t->fn->head}, t, 0);
      else {
        x->nameless = x->nameless || s->file == x->main;
        diag_help(TELL(x, stands_not, t->fn->head, STR("fn"), "at file level without a name"),
                  "write fn name(..)");
      }
      break;
    case STMT_EXTERN: module ? declares_not(x, s, t, place) : declare(x, s, t->fn->name, t, 0); break;
    case STMT_MODULE:
    case STMT_OPTIMIZER:
    case STMT_DATASET:
    case STMT_TRAIN:
      module && t->kind != STMT_MODULE ? declares_not(x, s, t, place) : declare(x, s, t->unit.name, t, 0);
      break;
    case STMT_AFTER:
      if (module) declares_not(x, s, t, place);
      break;
    case STMT_IF:
    case STMT_FOR:
    case STMT_ASSERT: break;
    case STMT_VAR:
    case STMT_MINIMIZE:
    case STMT_UPDATE:
    case STMT_SET:
    case STMT_ASSIGN:
    case STMT_NEXT:
    case STMT_YIELD:
    case STMT_RETURN: declares_not(x, s, t, place); break;
    case STMT_COUNT: break;
    }
  }
  for (uint32_t i = 0; i < stmts->n; i++) {
    const AstStmt *t = stmts->at[i];
    bool yes;
    if (t->kind == STMT_FOR)
      not_built(x, t->word,
                module ? "'for' among a module's declarations" : "'for' among a file's declarations");
    else if (t->kind == STMT_IF) {
      if (!declares_if(x, s, t->choice.test, &yes)) {
        mute_block(x, s, t->choice.then);
        mute_block(x, s, t->choice.otherwise);
        probe_declares(x, s, t->choice.then);
        probe_declares(x, s, t->choice.otherwise);
        continue;
      }
      const AstBlock *taken = yes ? t->choice.then : t->choice.otherwise;
      if (taken) scope_declare(x, s, &taken->stmts);
    }
  }
}

/* ---- names ---- */

static bool differentiated_by(const Elab *x, Scope *s, Sym name) {
  if (!name.i) return false;
  for (s = scope_root(s); s->kind == SCOPE_BODY;) s = scope_root(s->outer);
  if (s->kind == SCOPE_FN && x->frame->fn) {
    const AstFn *fn = x->frame->fn->fn;
    return ast_by_name(fn->in, name, fn->at.lo, fn->at.hi);
  }
  return s->file && ast_by_name(s->file->ast, name, 0, UINT32_MAX);
}

static Value own_node(Elab *x, Value v, Span at);
static Value own_leaf(Elab *x, Value leaf, void *at) { return own_node(x, leaf, *(const Span *)at); }

static Value own_node(Elab *x, Value v, Span at) {
  if (v.kind == VAL_INSTANCE || v.kind == VAL_TREE) return tree_each(x, v, own_leaf, &at);
  if (v.kind == VAL_LIST || v.kind == VAL_TUPLE) {
    Value r = val_list(x, v.kind, v.list.at, v.list.n);
    for (uint32_t i = 0; i < r.list.n; i++) r.list.at[i] = own_node(x, r.list.at[i], at);
    return r;
  }
  if (!val_tensor(v) || (v.kind == VAL_TENSOR && v.weak) || !dtype_is_float((DType)val_type(x, v).dtype))
    return v;
  NodeId n = val_to_node(x, v, at, -1);
  Value r = val_node(emit(x, at, "grad", OP_NAME, &n, 1, NULL, NULL));
  if (v.kind == VAL_TENSOR && val_ok(r)) r.ones = v.ones;
  return r;
}

/* A second `let` of just a parameter at file or module level is an alias, and so are the items of a list. */
Value value_named(Elab *x, Scope *s, AstIdent name, Value v, bool given) {
  bool alias = !given && (v.kind == VAL_LIST || v.kind == VAL_TUPLE);
  if (v.kind == VAL_LEAF || v.kind == VAL_INSTANCE) alias = s->kind == SCOPE_FILE || s->kind == SCOPE_MODULE;
  return !alias && differentiated_by(x, s, name.name) ? own_node(x, v, name.at) : v;
}

enum { ITEMS_LOCAL = 64 };

void value_goes(Elab *x, AstIdent name, Value v, LocalKind kind) {
  if (!x->g || !name.at.file || x->entry == ENTRY_INIT || x->src->file.at[name.at.file].library) return;
  for (uint32_t i = 0; (v.kind == VAL_LIST || v.kind == VAL_TUPLE) && i < v.list.n && i < ITEMS_LOCAL; i++)
    if (v.list.at[i].kind == VAL_TENSOR) value_goes(x, name, v.list.at[i], kind);
  if (v.kind != VAL_TENSOR) return;
  LocalName b = {.node = v.node, .kind = kind, .name = name.name, .in = x->frame->what, .at = name.at};
  VEC_PUSH(x->g->arena, &x->g->local, b);
}

Value name_value(Elab *x, Scope *s, Sym name, Span at) {
  if (!name.i) return val_poison();
  Scope *in;
  Binding *b = scope_find(x, s, name, &in);
  /* a declaration that did not parse would have hidden the library's */
  if ((!b || (in->kind == SCOPE_PRELUDE && s->file != in->file)) && !x->nameless && name_muted(x, s, name))
    return val_poison();
  if (!b) {
    const Builtin *bi = builtin_find(sym_str(x, name));
    if (bi) {
      Value v = {.kind = VAL_BUILTIN, .builtin = bi};
      return use_seen(x, at, (Span){0}, v), v;
    }
    DType d;
    if (dtype_variable(s, name, &d)) return (Value){.kind = VAL_DTYPE, .dtype = d};
    Str t = sym_str(x, name);
    if (str_eq(t, STR("pi"))) return val_real(3.14159265358979323846);
    if (str_eq(t, STR("inf"))) return val_real(__builtin_inf());
    if (str_eq(t, STR("nan"))) return val_real(__builtin_nan(""));
    if (str_eq(t, STR("training")) && x->probe) x->probe->asked = true;
    if (str_eq(t, STR("training"))) {
      x->varies = true;
      return val_bool(x->frame->training);
    }
    return unknown_name(x, s, name, at);
  }
  Value v = binding_value(x, in, b);
  use_seen(x, at, b->at, v);
  return v;
}
