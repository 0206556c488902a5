/* Modules and their instances. An instance is made once, in the `let` that names it; its leaves carry its
 * path. */
#include "frontend/elaborate/elab.h"

/* An instance is the same in training and outside: its parameters are. */
static Value instance_varies(Elab *x, Span at) {
  diag_help(TELL(x, declaration, at, STR("which instance is made here, and of what, depends on 'training'")),
            "make each in a 'let' of its own, and choose between their names");
  return val_poison();
}

typedef struct Pairs {
  const Value *now, *then;
  uint32_t n;
} Pairs;

/* Pairs that are left to compare, and the scopes that are taken for the same until something differs. */
typedef struct Same {
  VEC(Pairs) left;
  VEC(Scope *) scope;
} Same;

/* Files and instances are there once. A call's scope is made anew by each entry: what it binds is compared,
 * and its signature's variables follow from that. One scope that would be two of the other entry is none of
 * them. */
static bool same_scope(Elab *x, Same *w, Scope *a, Scope *b) {
  for (; a != b; a = a->outer, b = b->outer) {
    if (!a || !b || a->kind != b->kind || a->kind <= SCOPE_MODULE) return false;
    bool under_way = a->twin_walk == x->walks;
    if (a->twin == b && (under_way || a->twin_walk == WALK_ENDED)) return true; /* those around them, too */
    if (under_way || a->binding.n != b->binding.n) return false;
    a->twin = b;
    a->twin_walk = x->walks;
    VEC_PUSH(x->a, &w->scope, a);
    for (uint32_t i = 0; i < a->binding.n; i++) {
      if (!sym_eq(a->binding.at[i]->name, b->binding.at[i]->name)) return false;
      VEC_PUSH(x->a, &w->left, (Pairs){&a->binding.at[i]->value, &b->binding.at[i]->value, 1});
    }
  }
  return true;
}

static bool same_unit(UnitRef a, UnitRef b) { return a.stmt == b.stmt && a.scope == b.scope; }

/* Apart from what they hold, which is put into w. */
static bool same_outside(Elab *x, Same *w, Value a, Value b) {
  if (a.kind == VAL_POISON || b.kind == VAL_POISON) return true; /* reported */
  if (a.kind != b.kind) return false;
  switch (a.kind) {
  case VAL_LIST:
  case VAL_TUPLE:
    if (a.list.at != b.list.at) VEC_PUSH(x->a, &w->left, (Pairs){a.list.at, b.list.at, a.list.n});
    return a.list.n == b.list.n;
  case VAL_INT: return a.i == b.i;
  case VAL_DIM: return a.dim.i == b.dim.i;
  case VAL_REAL: return memcmp(&a.real, &b.real, sizeof a.real) == 0;
  case VAL_BOOL: return a.boolean == b.boolean;
  case VAL_STRING: return str_eq(a.str, b.str);
  case VAL_LEAF: return leaf_eq(a.leaf, b.leaf);
  case VAL_INSTANCE: return a.inst == b.inst;
  case VAL_FN: return a.fn->fn == b.fn->fn && same_scope(x, w, a.fn->scope, b.fn->scope);
  case VAL_BUILTIN: return a.builtin == b.builtin;
  case VAL_MODULE:
  case VAL_OPTIMIZER: return same_unit(a.unit, b.unit);
  case VAL_FILE: return a.file == b.file;
  case VAL_DATASET: return sym_eq(a.name, b.name);
  case VAL_DTYPE: return a.dtype == b.dtype;
  case VAL_POISON:
  case VAL_TREE:
  case VAL_TENSOR:
  case VAL_KIND_COUNT: break;
  }
  return false;
}

/* Two functions are the same only if what they see around them is. Each scope is compared once: one may see
 * itself. */
static bool same_value(Elab *x, const Value *now, const Value *then) {
  Same w = {0};
  x->walks++;
  VEC_PUSH(x->a, &w.left, (Pairs){now, then, 1});
  while (w.left.n) {
    Pairs *p = &w.left.at[w.left.n - 1];
    if (!p->n) {
      w.left.n--;
      continue;
    }
    p->n--;
    Value a = *p->now++, b = *p->then++;
    if (!same_outside(x, &w, a, b)) return false;
  }
  for (uint32_t i = 0; i < w.scope.n; i++) w.scope.at[i]->twin_walk = WALK_ENDED;
  return true;
}

/* Whether this call would make what `made` is. */
static bool makes_again(Elab *x, const Instance *made, UnitRef m, ArgVec *args, Span at) {
  if (!same_unit(made->module, m)) return false;
  Scope *s = scope_new(x, SCOPE_MODULE, m.scope);
  uint32_t n = m.stmt->unit.params.n;
  if (n && !bind_params(x, s, &m.stmt->unit.params, 0, args, at, sym_str(x, m.stmt->unit.name.name)))
    return true; /* reported */
  for (uint32_t k = 0; k < n; k++) {
    Sym name = m.stmt->unit.params.at[k].name.name;
    const Binding *now = scope_find_here(x, s, name), *then = scope_find_here(x, made->scope, name);
    if (now && then && !same_value(x, &now->value, &then->value)) return false;
  }
  return true;
}

Value make_instance(Elab *x, UnitRef m, ArgVec *args, Span at) {
  Str name = sym_str(x, m.stmt->unit.name.name);
  if (!x->frame->making) {
    TELL(x, instance_place, at, name);
    return val_poison();
  }
  Sym path = names_add(x->n, x->frame->path);
  uint32_t known;
  if (map_get(&x->instance_by_path, path.i, &known)) {
    Instance *made = x->instance.at[known];
    if (x->training && !made->broken && !makes_again(x, made, m, args, at)) return instance_varies(x, at);
    return made->broken ? val_poison() : (Value){.kind = VAL_INSTANCE, .inst = made};
  }
  /* binding_value resets `outer`, so the chain of makers is followed through `saved` */
  for (const Frame *f = x->frame; f; f = f->saved)
    if (f->module == m.stmt) {
      diag_label(TELL(x, recursion, at, name), m.stmt->unit.name.at, "made in its own body");
      return val_poison();
    }
  if (x->calls >= x->limits->calls) return limit_passed(x, at, "nested instances", "calls", x->limits->calls);
  x->calls++;
  unit_used(x, m.stmt->word);
  Instance *i = ARENA_NEW(x->a, Instance);
  i->path = path;
  i->module = m;
  i->frozen = x->frame->frozen;
  i->made = told_at(x, at);
  i->scope = scope_new(x, SCOPE_MODULE, m.scope);
  i->scope->inst = i;
  Frame f = {0};
  frame_push(x, &f, x->frame);
  f.call_at = at;
  f.caller = location_here(x, at);
  f.what = m.stmt->unit.name.name;
  f.module = m.stmt;
  Value v = val_poison();
  if (bind_params(x, i->scope, &m.stmt->unit.params, 0, args, at, name)) {
    bool tensors = false;
    for (uint32_t k = 0; k < i->scope->binding.n; k++)
      tensors = tensors || holds_nodes(x, i->scope->binding.at[k]->value);
    if (tensors) {
      TELL(x, not_static, at, "what a module is made of", STR("a tensor"));
    } else if (x->training && !x->probe) { /* outside of it there is none */
      v = instance_varies(x, at);
    } else {
      uint32_t errors = x->d->errors;
      map_put(&x->instance_by_path, path.i, x->instance.n);
      VEC_PUSH(x->a, &x->instance, i);
      scope_declare(x, i->scope, &m.stmt->unit.body->stmts);
      scope_force(x, i->scope, true);
      for (uint32_t k = 0; k < i->scope->active.n; k++)
        if (i->scope->active.at[k]->kind == STMT_ASSERT)
          i->broken = !check_assert(x, i->scope, i->scope->active.at[k]) || i->broken;
      i->hurt = x->d->errors > errors || has_error(&m.stmt->unit.body->stmts);
      for (uint32_t k = 0; k < i->scope->binding.n; k++) /* by what was reported elsewhere */
        i->hurt = i->hurt || (i->scope->binding.at[k]->epoch && !val_ok(i->scope->binding.at[k]->value));
      if (!i->broken) v = (Value){.kind = VAL_INSTANCE, .inst = i};
    }
  }
  frame_pop(x);
  x->calls--;
  return v;
}

static bool public_value(Value v) {
  if (v.kind == VAL_LIST)
    for (uint32_t i = 0; i < v.list.n; i++)
      if (!public_value(v.list.at[i])) return false;
  return v.kind == VAL_LIST || v.kind == VAL_LEAF || v.kind == VAL_INSTANCE || v.kind == VAL_FN ||
         v.kind == VAL_POISON;
}

Value instance_member(Elab *x, Value base, AstIdent field) {
  Scope *s = base.inst->scope;
  Binding *b = scope_find_here(x, s, field.name);
  if (b && !b->decl && base.inst->holds && val_tensor(b->value)) return binding_value(x, s, b);
  if (b && b->decl) {
    Value v = binding_value(x, s, b);
    if (public_value(v)) return use_seen(x, field.at, b->at, v), v;
    diag_help(TELL(x, no_member, field.at, val_text(x, base), sym_str(x, field.name)),
              "its parameters, states, instances and functions can be seen; other names are private");
    return val_poison();
  }
  if (has_error(&base.inst->module.stmt->unit.body->stmts)) return val_poison(); /* it may have stood there */
  Diag *g = TELL(x, no_member, field.at, val_text(x, base), sym_str(x, field.name));
  VEC(Str) names = {0};
  for (uint32_t i = 0; i < s->binding.n; i++)
    if (s->binding.at[i]->decl && sym_str(x, s->binding.at[i]->name).p[0] != '(' &&
        public_value(binding_value(x, s, s->binding.at[i])))
      VEC_PUSH(x->a, &names, sym_str(x, s->binding.at[i]->name));
  suggest(x, g, field.at, sym_str(x, field.name), names.at, names.n, "it has");
  return val_poison();
}
