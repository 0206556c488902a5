/* Bindings on demand. Declarations of file and module level are order-free: evaluated when first asked for,
 * once per entry point or once for all, with the chain of declarations under way kept for the message
 * about a cycle. */
#include "frontend/elaborate/elab.h"

static Str chain_text(Elab *x, const Binding *from) {
  Sb b;
  sb_init(&b, x->a);
  uint32_t i = 0;
  while (i < x->chain.n && x->chain.at[i] != from) i++;
  for (; i < x->chain.n; i++) sb_fmt(&b, STRF " -> ", STRA(sym_str(x, x->chain.at[i]->name)));
  sb_add(&b, sym_str(x, from->name));
  return sb_str(&b);
}

static Str make_path(Elab *x, Scope *s, Sym name) {
  if (!s->inst) return sym_str(x, name);
  return str_fmt(x->a, STRF "." STRF, STRA(sym_str(x, s->inst->path)), STRA(sym_str(x, name)));
}

static Value evaluate_let(Elab *x, Scope *s, const AstStmt *t) {
  Value v = val_poison();
  Span at = t->bind.value ? t->bind.value->at : t->bind.names.at[0].at;
  if (t->bind.type && (t->bind.type->kind == ATYPE_DTYPE || t->bind.type->kind == ATYPE_NAME) &&
      !type_is_static(x, s, t->bind.type)) {
    Type want;
    if (!type_of(x, s, t->bind.type, &want)) return v;
    if (t->bind.init)
      return val_node(
          val_coerce(x, eval_init(x, s, t->bind.init, want), want, t->bind.init->at, "the value"));
    if (!t->bind.value) {
      TELL(x, declaration, t->at, STR("a 'let' has a value"));
      return v;
    }
    return val_node(val_coerce(x, eval(x, s, t->bind.value), want, at, "the value"));
  }
  if (!t->bind.value) {
    TELL(x, declaration, t->at,
         t->bind.init ? STR("a 'let' with '~' has a type, which says what shape to draw")
                      : STR("a 'let' has a value"));
    return v;
  }
  uint32_t before = x->leaf.n;
  v = eval(x, s, t->bind.value);
  if (t->bind.type) v = unify_check(x, s, t->bind.type, v, at, "the value");
  if (!t->bind.init) return v;
  if (v.kind != VAL_INSTANCE) return wrong_kind(x, at, v, "an instance before '~'");
  if (x->leaf.n == before) return v; /* made in an earlier entry */
  Span from = t->bind.init->at;
  if (is_load(x, s, t->bind.init)) return load_instance(x, s, t->bind.init, v);
  Value source = eval(x, s, t->bind.init);
  if (source.kind != VAL_INSTANCE) return wrong_kind(x, from, source, "an instance to start as a copy of");
  Tree *to = instance_tree(x, v.inst), *of = instance_tree(x, source.inst);
  for (uint32_t i = 0; i < to->n; i++) {
    uint32_t k = 0;
    while (k < of->n && !str_eq(of->suffix[k], to->suffix[i])) k++;
    if (k == of->n) {
      TELL(x, no_member, from, val_text(x, source), to->suffix[i]);
      return val_poison();
    }
    x->leaf.at[to->value[i].leaf.i].copied = true;
    x->leaf.at[to->value[i].leaf.i].init_at = from;
    x->leaf.at[to->value[i].leaf.i].copy = of->value[k];
  }
  return v;
}

static Value keep_constant(Elab *x, const Binding *b, Value v, bool defined) {
  if (v.kind != VAL_INT && v.kind != VAL_REAL) return v;
  for (uint32_t i = 0; i < x->p->constant.n; i++)
    if (sym_eq(x->p->constant.at[i].name, b->name)) return v;
  VEC_PUSH(x->p->arena, &x->p->constant, (Constant){b->name, b->at, static_real(v), defined});
  return v;
}

static Value evaluate_decl(Elab *x, Scope *s, Binding *b) {
  const AstStmt *t = b->decl;
  switch (t->kind) {
  case STMT_IMPORT: {
    SrcFile *f = import_file(x, t);
    return f ? (Value){.kind = VAL_FILE, .file = f} : val_poison();
  }
  case STMT_CONST: {
    bool main = s->kind == SCOPE_FILE && s->file == x->main;
    const ElabDefine *d = main ? define_of(x, b->name) : NULL;
    if (d) return keep_constant(x, b, define_value(x, d->value, b->at), true);
    if (!t->bind.value) return val_poison();
    Value v = eval(x, s, t->bind.value);
    if (val_tensor(v) || holds_nodes(x, v)) {
      TELL(x, not_static, t->bind.value->at, "a const",
           val_tensor(v) ? val_text(x, v) : STR("made of tensors"));
      return val_poison();
    }
    const AstType *type = t->bind.type;
    if (type && type->has_dims) {
      diag_help(TELL(x, wrong_kind, type->at, STR("a tensor's type"), "that of a number or a list"),
                "a tensor is declared by let: let " STRF ": ..", STRA(sym_str(x, b->name)));
      return val_poison();
    }
    if (type) v = unify_check(x, s, type, v, t->bind.value->at, "the value");
    if (!val_ok(v)) return v;
    return main ? keep_constant(x, b, v, false) : v;
  }
  case STMT_LET:
  case STMT_LOSS:
  case STMT_METRIC:
  case STMT_OUTPUT: return evaluate_let(x, s, t);
  case STMT_PARAM:
  case STMT_STATE:
  case STMT_INPUT: return declare_leaf(x, s, t);
  case STMT_FN:
  case STMT_EXTERN: {
    Closure *c = ARENA_NEW(x->a, Closure);
    *c = (Closure){.fn = t->fn,
                   .scope = s,
                   .name = t->fn->name.name,
                   .is_extern = t->kind == STMT_EXTERN,
                   .ext = UINT32_MAX};
    return (Value){.kind = VAL_FN, .fn = c};
  }
  case STMT_MODULE: return (Value){.kind = VAL_MODULE, .unit = {t, s}};
  case STMT_OPTIMIZER: return (Value){.kind = VAL_OPTIMIZER, .unit = {t, s}};
  case STMT_DATASET:
  case STMT_TRAIN: return (Value){.kind = VAL_DATASET, .name = t->unit.name.name};
  case STMT_ERROR:
  case STMT_VAR:
  case STMT_AFTER:
  case STMT_MINIMIZE:
  case STMT_UPDATE:
  case STMT_SET:
  case STMT_ASSIGN:
  case STMT_NEXT:
  case STMT_YIELD:
  case STMT_RETURN:
  case STMT_IF:
  case STMT_FOR:
  case STMT_ASSERT:
  case STMT_COUNT: break;
  }
  return val_poison();
}

static bool instances_only(const AstStmt *t) { return t->kind == STMT_LET; }

/* `frozen` and marks before a let concern the leaves it makes. */
static void let_words(Elab *x, const AstStmt *t, uint32_t leaves, Value v) {
  if (!val_ok(v) || (!t->frozen.file && !t->marks.n)) return;
  if (x->leaf.n == leaves) {
    TELL(x, declaration, t->frozen.file ? t->frozen : t->marks.at[0].at,
         STR("this concerns parameters, and the 'let' makes none"));
    return;
  }
  LeafId *made = ARENA_ARRAY(x->a, LeafId, x->p->leaf.n - leaves + 1);
  for (uint32_t i = leaves; i < x->p->leaf.n; i++) made[i - leaves].i = i;
  marks_of_many(x, t, made, x->p->leaf.n - leaves);
}

/* Whether the next entry point finds the same. Not so a let: it may hold nodes, and what is a bare leaf here
 * can be a dropout of it in training. A leaf is one for all entries; declare_leaf looks whether it is the
 * same. */
static bool holds_always(const Binding *b) {
  AstStmtKind kind = b->decl->kind;
  if (kind == STMT_LET || kind == STMT_OUTPUT || kind == STMT_LOSS || kind == STMT_METRIC) return false;
  return !b->varies || !val_ok(b->value);
}

static Value evaluate(Elab *x, Scope *s, Binding *b) {
  if (x->chain.n && x->entry == ENTRY_EVAL && b->decl) {
    Binding *user = x->chain.at[x->chain.n - 1];
    if (!user->needs.n || user->needs.at[user->needs.n - 1] != b) VEC_PUSH(x->a, &user->needs, b);
  }
  if (b->epoch == EPOCH_ALWAYS || b->epoch == x->epoch) {
    x->varies = x->varies || b->varies;
    return b->value;
  }
  const AstStmt *t = b->decl;
  bool tuple = t->kind == STMT_LET && t->bind.names.n > 1;
  if (x->stopped) return val_poison();
  if (b->busy) {
    Diag *g = TELL(x, cycle, b->at, chain_text(x, b));
    bool own = x->chain.at[x->chain.n - 1] == b;
    if (own && (builtin_find(sym_str(x, b->name)) || scope_find_here(x, x->prelude, b->name)))
      diag_help(g, "it hides the function '" STRF "' of the library: give it another name",
                STRA(sym_str(x, b->name)));
    else
      diag_help(g, own ? "its value must not read itself" : "one of them must not read the other");
    b->epoch = EPOCH_ALWAYS;
    return b->value = val_poison();
  }
  b->busy = true;
  VEC_PUSH(x->a, &x->chain, b);
  Frame f = {0};
  frame_push(x, &f, NULL);
  f.what = b->name;
  f.call_at = s->inst ? s->inst->made : (Span){0};
  f.training = x->training && !(s->inst && s->inst->frozen);
  f.making = instances_only(t) && (s->kind == SCOPE_MODULE || s->kind == SCOPE_FILE);
  f.frozen = t->frozen.file != 0 || (s->inst && s->inst->frozen);
  f.path = make_path(x, s, b->name);
  f.key = hash_bytes(f.path.p, f.path.n, x->entry_key);
  uint32_t leaves = x->leaf.n;
  bool first = b->epoch == EPOCH_NONE, varies = x->varies;
  x->varies = false;
  Value v = evaluate_decl(x, s, b);
  b->varies = x->varies;
  x->varies = varies || b->varies;
  if (first && t->kind == STMT_LET) let_words(x, t, leaves, v);
  frame_pop(x);
  x->chain.n--;
  b->busy = false;
  if (!tuple) {
    if (b->epoch == EPOCH_ALWAYS) return b->value; /* a circle, reported within */
    if (t->kind == STMT_LET) v = value_named(x, s, t->bind.names.at[b->part], v, false);
    b->value = v;
    b->epoch = holds_always(b) ? EPOCH_ALWAYS : x->epoch;
    return v;
  }
  if (val_ok(v) && (v.kind != VAL_TUPLE && v.kind != VAL_LIST))
    v = wrong_kind(x, t->bind.value->at, v, "a tuple");
  if (val_ok(v) && v.list.n != t->bind.names.n) {
    TELL(x, declaration, t->bind.value->at,
         str_fmt(x->a, "this gives %u values for %u names", v.list.n, t->bind.names.n));
    v = val_poison();
  }
  for (uint32_t k = 0; k < t->bind.names.n; k++) {
    Binding *o = t->bind.names.at[k].name.i ? scope_find_here(x, s, t->bind.names.at[k].name) : NULL;
    if (!o || o->decl != t) continue;
    o->value = value_named(x, s, t->bind.names.at[k], val_ok(v) ? v.list.at[k] : v, false);
    o->epoch = x->epoch;
    o->varies = b->varies;
  }
  return b->value;
}

/* In the graph of its scope, which may be around the body that asks. */
Value binding_value(Elab *x, Scope *s, Binding *b) {
  Body *here = body_switch(x, s->body);
  Segment *segment = x->segment;
  if (b->decl) x->segment = NULL; /* it is made where it is declared */
  Value v = evaluate(x, s, b);
  x->segment = segment;
  if (segment) v = segment_enter(x, segment, v, b->decl != NULL);
  (void)body_switch(x, here);
  return value_seen(x, s->body, v);
}

/* What eval recorded is what another entry will ask for, up to static ifs on `training`; so only chains that
 * would recurse deeply are evaluated beforehand. */
void binding_prepare(Elab *x, Binding *root) {
  enum { CHAIN_DEEP = 256 };
  typedef struct Visit {
    Binding *b;
    uint32_t next;
  } Visit;
  VEC(Visit) stack = {0};
  VEC(Binding *) order = {0};
  uint32_t deepest = 0;
  if (!root->decl) return;
  x->prepares++;
  root->seen = x->prepares;
  VEC_PUSH(x->a, &stack, (Visit){root, 0});
  while (stack.n) {
    Visit *v = &stack.at[stack.n - 1];
    deepest = stack.n > deepest ? stack.n : deepest;
    if (v->next == v->b->needs.n) {
      VEC_PUSH(x->a, &order, v->b);
      stack.n--;
      continue;
    }
    Binding *d = v->b->needs.at[v->next++];
    if (d->seen == x->prepares || d->epoch == EPOCH_ALWAYS || d->epoch == x->epoch ||
        scope_find_here(x, x->main->scope, d->name) != d)
      continue;
    d->seen = x->prepares;
    VEC_PUSH(x->a, &stack, (Visit){d, 0});
  }
  for (uint32_t i = 0; i < order.n && deepest > CHAIN_DEEP; i++)
    binding_value(x, x->main->scope, order.at[i]);
}

/* The same for the names that an expression of a train step begins with. */
void names_prepare(Elab *x, Scope *s, const AstExpr *e) {
  if (e->kind == EXPR_NAME) {
    Scope *in;
    Binding *b = scope_find(x, s, e->name, &in);
    if (b && in == x->main->scope) binding_prepare(x, b);
  } else if (e->kind == EXPR_BINARY) {
    names_prepare(x, s, e->binary.left);
    names_prepare(x, s, e->binary.right);
  } else if (e->kind == EXPR_CALL)
    for (uint32_t i = 0; i < e->call.args.n; i++) names_prepare(x, s, e->call.args.at[i].value);
}

/* Evaluates all declarations of a scope in text order; leaves_only: those that can make leaves. */
void scope_force(Elab *x, Scope *s, bool leaves_only) {
  for (uint32_t i = 0; i < s->binding.n; i++) {
    Binding *b = s->binding.at[i];
    if (!b->decl) continue;
    if (leaves_only && b->decl->kind != STMT_PARAM && b->decl->kind != STMT_STATE &&
        b->decl->kind != STMT_INPUT && b->decl->kind != STMT_LET)
      continue;
    binding_value(x, s, b);
  }
}
