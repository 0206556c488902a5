/* An instance as a value, leaf by leaf: arithmetic, names that are differentiated by, and calls of what comes
 * out. */
#include "frontend/elaborate/elab.h"

Tree *instance_tree(Elab *x, Instance *i) {
  Str base = str_fmt(x->a, STRF ".", STRA(sym_str(x, i->path)));
  Tree *t = ARENA_NEW(x->a, Tree);
  VEC(Str) suffix = {0};
  VEC(LeafId) leaf = {0};
  x->expanded += x->p->leaf.n / 4; /* many instances and many leaves: a product that needs a limit */
  if (x->expanded > x->limits->expansion && !x->stopped)
    (void)limit_passed(x, i->made, "the leaves of instances as values", "expansion", x->limits->expansion);
  for (uint32_t k = 0; k < x->p->leaf.n; k++) {
    const Leaf *f = &x->p->leaf.at[k];
    Str path = sym_str(x, f->path);
    if ((f->kind != LEAF_PARAM && f->kind != LEAF_STATE) || f->of.i != UINT32_MAX || !str_starts(path, base))
      continue;
    VEC_PUSH(x->a, &suffix, (Str){path.p + base.n, path.n - base.n});
    VEC_PUSH(x->a, &leaf, (LeafId){k});
  }
  *t = (Tree){i, suffix.n, suffix.at, leaf.at, ARENA_ARRAY(x->a, Value, leaf.n + 1)};
  for (uint32_t k = 0; k < t->n; k++) t->value[k] = val_leaf(leaf.at[k]);
  return t;
}

static Tree *tree_like(Elab *x, const Tree *of) {
  Tree *t = ARENA_NEW(x->a, Tree);
  *t = *of;
  t->value = ARENA_ARRAY(x->a, Value, of->n + 1);
  return t;
}

/* What the tree has for a leaf of the program: its own value where it is none of these. */
static Value tree_at(const Tree *t, LeafId l) {
  uint32_t from = 0, to = t->n;
  while (from < to) {
    uint32_t mid = from + (to - from) / 2;
    if (t->leaf[mid].i < l.i)
      from = mid + 1;
    else
      to = mid;
  }
  return from < t->n && leaf_eq(t->leaf[from], l) ? t->value[from] : val_leaf(l);
}

Tree *tree_of(Elab *x, Value v) {
  if (v.kind == VAL_TREE) return v.tree;
  if (v.kind != VAL_INSTANCE) return NULL;
  Tree *t = instance_tree(x, v.inst);
  for (uint32_t i = 0; v.inst->holds && i < t->n; i++) t->value[i] = tree_at(v.inst->holds, t->leaf[i]);
  return t;
}

static bool has_shape(Elab *x, Value v, const Type *t) {
  if (!val_tensor(v)) return true;
  Type own = val_type(x, v);
  return type_same_shape(&own, t);
}

/* Arithmetic of instances, leaf by leaf: both with the same leaves, or one of them a number. */
Value tree_binary(Elab *x, AstBinary op, Span at, Operand a, Operand b) {
  if (op > BINARY_POW || op < BINARY_ADD || op == BINARY_MATMUL)
    return wrong_kind(x, at, a.v.kind == VAL_INSTANCE ? a.v : b.v, "a tensor or a number");
  Tree *ta = tree_of(x, a.v), *tb = tree_of(x, b.v), *of = ta ? ta : tb;
  if (ta && tb && ta->n != tb->n) return wrong_kind(x, b.at, b.v, "an instance with the same parameters");
  uint32_t errors = x->d->errors;
  Tree *r = tree_like(x, of);
  for (uint32_t i = 0; i < of->n; i++) {
    if (ta && tb && !str_eq(ta->suffix[i], tb->suffix[i]))
      return wrong_kind(x, b.at, b.v, "an instance with the same parameters");
    r->value[i] = binary_value(x, op, at, (Operand){ta ? ta->value[i] : a.v, a.at},
                               (Operand){tb ? tb->value[i] : b.v, b.at});
    if (x->d->errors > errors && x->d->all.n)
      diag_note(x->d->all.at[x->d->all.n - 1], (Span){0}, "of all values of the instance this is '" STRF "'",
                STRA(of->suffix[i]));
    if (!val_ok(r->value[i])) return val_poison();
    const Operand *wrong = NULL;
    Type t = leaf_type(x, of->leaf[i]);
    if (!has_shape(x, r->value[i], &t)) wrong = ta ? &b : &a;
    if (tb && !has_shape(x, tb->value[i], &t)) wrong = &b;
    if (wrong)
      return wrong_kind(
          x, wrong->at, wrong->v,
          str_fmt(x->a, "an instance with a '" STRF "' of the same shape, or a number,", STRA(of->suffix[i]))
              .p);
  }
  return (Value){.kind = VAL_TREE, .tree = r};
}

Value tree_each(Elab *x, Value v, TreeFn *fn, void *cx) {
  const Tree *t = tree_of(x, v);
  Tree *r = tree_like(x, t);
  for (uint32_t i = 0; i < t->n; i++)
    if (!val_ok(r->value[i] = fn(x, t->value[i], cx))) return val_poison();
  return (Value){.kind = VAL_TREE, .tree = r};
}

/* ---- an instance that has these values for its leaves ---- */

static Instance *standing(Elab *x, const Tree *t, const Instance *of);

/* v as the members of such an instance see it. False: it has parts that must be computed again. */
static bool member(Elab *x, const Tree *t, Value v, Value *out) {
  *out = v;
  if (v.kind == VAL_LEAF) return *out = tree_at(t, v.leaf), true;
  if (v.kind == VAL_INSTANCE) return out->inst = standing(x, t, v.inst), true;
  if (v.kind != VAL_LIST && v.kind != VAL_TUPLE) return false;
  *out = val_list(x, v.kind, v.list.at, v.list.n);
  for (uint32_t i = 0; i < v.list.n; i++)
    if (!member(x, t, v.list.at[i], &out->list.at[i])) return false;
  return true;
}

/* A declaration of the module, in the new scope. What is neither leaf, instance nor function is evaluated
 * there when it is asked for. */
static void stand(Elab *x, const Tree *t, Scope *s, const Binding *b) {
  Binding *own = scope_add(x, s, b->name, b->at);
  if (!own) return;
  *own = (Binding){.name = b->name, .at = b->at, .decl = b->decl, .part = b->part};
  Value v;
  if (!b->decl) {
    own->value = b->value; /* what the module was made of */
  } else if (b->decl->kind == STMT_CONST) {
    return;
  } else if (member(x, t, b->value, &v)) {
    own->value = v;
    if (val_tensor(v)) own->decl = NULL; /* made where the values were */
  } else if (b->value.kind == VAL_MODULE) {
    own->value = b->value;
  } else {
    return;
  }
  own->epoch = EPOCH_ALWAYS;
}

static Instance *standing(Elab *x, const Tree *t, const Instance *of) {
  Instance *i = ARENA_NEW(x->a, Instance);
  *i = *of;
  i->holds = t;
  i->scope = scope_new(x, SCOPE_MODULE, of->module.scope);
  i->scope->inst = i;
  for (uint32_t k = 0; k < of->scope->binding.n; k++) stand(x, t, i->scope, of->scope->binding.at[k]);
  return i;
}

Value tree_instance(Elab *x, Value v) {
  return (Value){.kind = VAL_INSTANCE, .inst = standing(x, v.tree, v.tree->of)};
}
