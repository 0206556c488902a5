/* Placeholders for what nobody gives, and what an open test, loop or call keeps from running: in a probe
 * (unused.c) it is looked at once all the same, with its names bound to anything. */
#include "frontend/elaborate/probe.h"

static bool upper(Str s) { return s.n && s.p[0] >= 'A' && s.p[0] <= 'Z'; }

/* ---- what does not run */

static Scope *aside(Elab *x, Scope *s) { return scope_new(x, SCOPE_BLOCK, s); }

void probe_expr(Elab *x, Scope *s, const AstExpr *e) {
  if (x->probe && e) (void)eval(x, s, e);
}

void probe_block(Elab *x, Scope *s, const AstBlock *b) {
  if (!x->probe || !b) return;
  uint32_t pending = x->pending.n; /* the other branch assigns the same */
  Value ret;
  (void)exec_block(x, aside(x, s), b, &ret);
  x->pending.n = pending;
}

void probe_walk(Elab *x, Scope *s, const AstFor *w, const AstExpr *item, const AstBlock *body) {
  if (!x->probe) return;
  Scope *turn = aside(x, s);
  for (uint32_t i = 0; i < w->names.n; i++) scope_bind(x, turn, w->names.at[i], val_poison());
  probe_expr(x, turn, item);
  probe_block(x, turn, body);
}

void probe_declares(Elab *x, Scope *s, const AstBlock *b) {
  if (!x->probe || !b || s->kind != SCOPE_MODULE) return;
  Scope *own = scope_new(x, SCOPE_MODULE, s);
  scope_declare(x, own, &b->stmts);
  scope_force(x, own, false);
}

static void anything(Elab *x, Scope *callee, const AstParamVec *ps) {
  for (uint32_t i = 0; i < ps->n; i++) scope_bind(x, callee, ps->at[i].name, val_poison());
}

/* Whoever is given it may call it with anything. */
void probe_lambda(Elab *x, Closure *c) {
  uint32_t before;
  uint64_t key = c->fn->head.lo | (uint64_t)c->fn->head.file << 32;
  if (!x->probe || map_get(x->probe->seen, key, &before)) return;
  map_put(x->probe->seen, key, 1);
  Frame f = {0};
  bool training = x->frame->training;
  frame_push(x, &f, x->frame);
  f.training = training;
  f.fn = c;
  Scope *callee = scope_new(x, SCOPE_FN, c->scope);
  anything(x, callee, &c->fn->params);
  (void)closure_body(x, c, callee, c->fn->head);
  frame_pop(x);
}

/* A call with an argument that may be anything is not made; that it has too many is said all the same. */
void probe_arguments(Elab *x, Value callee, ArgVec *args, Span at) {
  if (!x->probe) return;
  const AstParamVec *ps = callee.kind == VAL_FN       ? &callee.fn->fn->params
                          : callee.kind == VAL_MODULE ? &callee.unit.stmt->unit.params
                                                      : NULL;
  if (!ps) return;
  Sym name = callee.kind == VAL_FN ? callee.fn->name : callee.unit.stmt->unit.name.name;
  Arg **given = ARENA_ARRAY(x->a, Arg *, ps->n + 1);
  (void)match_params(x, ps, 0, args, given, at, name.i ? sym_str(x, name) : STR("fn"));
}

void probe_assigns(Elab *x, Value to) {
  if (x->probe && (!val_ok(to) || to.kind != VAL_LEAF || leaf_eq(to.leaf, x->opt_param)))
    x->probe->assigned = true;
}

bool probe_contract(Elab *x) { return x->probe && x->frame == x->probe->own; }

/* What is called is probed itself, so a few levels are enough: a chain of functions costs no square. */
bool probe_descends(Elab *x, const Closure *c) {
  enum { DEEPEST = 6 };
  if (!x->probe || (c->scope->file && c->scope->file->library)) return true;
  uint32_t deep = 0;
  for (const Frame *f = x->frame; f; f = f->saved)
    deep += f->fn && !(f->fn->scope->file && f->fn->scope->file->library);
  return deep < DEEPEST;
}

/* ---- placeholders */

NodeId probe_tensor(Elab *x, Type t, Span at) {
  int64_t id = x->ncustom++;
  return emit(x, at, "placeholder", OP_COTANGENT, NULL, 0, &id, &t);
}

static DimId extent(Elab *x, Sym name) {
  const Probe *p = x->probe;
  return p->any ? (DimId){0} : p->one ? dim_const(x->dims, p->one) : dim_symbol(x->dims, name);
}

static void symbol(Elab *x, Scope *callee, const AstExpr *e) {
  if (!dim_is_free_symbol(x, callee, e) || scope_find_here(x, callee, e->name)) return;
  Binding *b = scope_add(x, callee, e->name, e->at);
  if (!b) return;
  b->value = val_dim(x, extent(x, e->name));
  b->epoch = EPOCH_ALWAYS;
  b->is_symbol = true;
}

/* The symbols, `..` and dtype variables of a type, as a call would learn them from its argument. */
static void learn(Elab *x, Scope *callee, const AstType *t) {
  if (t->kind == ATYPE_TUPLE || t->kind == ATYPE_LIST)
    for (uint32_t i = 0; i < t->items.n; i++) learn(x, callee, t->items.at[i]);
  if ((t->kind != ATYPE_DTYPE && t->kind != ATYPE_NAME) || type_is_static(x, callee, t)) return;
  if (t->kind == ATYPE_NAME && !ast_ident_written(t->qualifier) && upper(sym_str(x, t->name.name)) &&
      t->name.name.i) {
    bool known = false;
    for (uint32_t i = 0; i < callee->dtype.n; i++)
      known = known || sym_eq(callee->dtype.at[i].name, t->name.name);
    __typeof__(*callee->dtype.at) fresh = {t->name.name, x->probe->dtype};
    if (!known) VEC_PUSH(x->a, &callee->dtype, fresh);
    x->probe->varies = true;
  }
  for (uint32_t i = 0; i < t->dims.n; i++) {
    if (t->dims.at[i]->kind != EXPR_REST) {
      symbol(x, callee, t->dims.at[i]);
      continue;
    }
    x->probe->varies = true;
    if (callee->has_rest) continue;
    callee->has_rest = true;
    callee->rest_n = x->probe->rank;
    for (uint32_t k = 0; k < callee->rest_n; k++)
      callee->rest[k] = extent(x, names_add(x->n, str_fmt(x->a, "%c", (int)('A' + k))));
  }
}

static Value of_type(Elab *x, Scope *callee, const AstType *t, AstIdent name, bool tensors) {
  Type want;
  if (t->kind == ATYPE_INT && x->probe->one) return val_int(x->probe->one);
  if (t->kind == ATYPE_INT) return val_dim(x, extent(x, name.name));
  if (t->kind == ATYPE_NAME && type_is_static(x, callee, t) &&
      str_eq(sym_str(x, t->name.name), STR("dtype"))) {
    x->probe->varies = true;
    return (Value){.kind = VAL_DTYPE, .dtype = x->probe->dtype};
  }
  if (t->kind == ATYPE_TUPLE) {
    Value *at = ARENA_ARRAY(x->a, Value, t->items.n + 1);
    bool known = true;
    for (uint32_t i = 0; i < t->items.n; i++) {
      at[i] = of_type(x, callee, t->items.at[i], name, tensors);
      known = known && val_ok(at[i]);
    }
    return known ? list_value(VAL_TUPLE, at, t->items.n) : val_poison();
  }
  if ((t->kind != ATYPE_DTYPE && t->kind != ATYPE_NAME) || type_is_static(x, callee, t)) return val_poison();
  if (!type_of(x, callee, t, &want) || !tensors || want.dtype == DT_U8) return val_poison();
  Value v = val_node(probe_tensor(x, want, name.at));
  int64_t one;
  for (int i = 0; i < want.rank && val_ok(v); i++) /* the caller may have written it as one */
    if (dim_is_const(x->dims, want.dim[i], &one) && one == 1) v.ones |= (uint8_t)(1 << i);
  return v;
}

void probe_params(Elab *x, Scope *callee, const AstParamVec *params, uint32_t skip, bool tensors) {
  for (uint32_t i = skip; i < params->n; i++)
    if (params->at[i].type) learn(x, callee, params->at[i].type);
  for (uint32_t i = skip; i < params->n; i++) {
    const AstParam *p = &params->at[i];
    Value v = p->value ? eval(x, callee, p->value) : val_poison();
    if (p->value && p->type) (void)unify_check(x, callee, p->type, v, p->value->at, "the default");
    v = p->type ? of_type(x, callee, p->type, p->name, tensors) : val_poison();
    scope_bind(x, callee, p->name, value_named(x, callee, p->name, v, true));
  }
}
