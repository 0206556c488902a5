/* `assert live(net, ce)`: instances, parameters or lists of them, and the name of a loss. Whether it
 * holds is for the diagnosis to say. */
#include "frontend/elaborate/elab.h"

static void add(Elab *x, LiveClaim *c, Map *have, LeafId l) {
  uint32_t any;
  if (map_get(have, l.i, &any)) return;
  map_put(have, l.i, 1);
  VEC_PUSH(x->p->arena, &c->param, l);
}

/* The parameters that a value is, or has, each once; false where it is something else. */
static bool params_of(Elab *x, Value v, LiveClaim *c, Map *have) {
  if (v.kind == VAL_LEAF) {
    if (program_leaf_at(x->p, v.leaf)->kind != LEAF_PARAM) return false;
    add(x, c, have, v.leaf);
    return true;
  }
  if (v.kind == VAL_LIST) {
    for (uint32_t i = 0; i < v.list.n; i++)
      if (!params_of(x, v.list.at[i], c, have)) return false;
    return v.list.n > 0;
  }
  if (v.kind != VAL_INSTANCE) return false;
  const Tree *t = instance_tree(x, v.inst);
  for (uint32_t i = 0; i < t->n; i++) {
    const Leaf *l = program_leaf_at(x->p, t->leaf[i]);
    if (l->kind == LEAF_PARAM && !l->frozen) add(x, c, have, t->leaf[i]);
  }
  return true;
}

Value bi_live(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  (void)args;
  diag_help(TELL(x, stands_not, at, str_z(b->name), "in a value"),
            "write assert live(net, loss) at file level");
  return val_poison();
}

static void claim(Elab *x, Scope *s, const AstStmt *t) {
  const AstExpr *e = t->check.test;
  if (s != x->main->scope || t->check.contract) {
    diag_help(TELL(x, stands_not, e->at, STR("live"), "here"), "write assert live(net, loss) at file level");
    return;
  }
  const AstArgVec *args = &e->call.args;
  bool named = false;
  for (uint32_t i = 0; i < args->n; i++) named |= ast_ident_written(args->at[i].name);
  if (args->n < 2 || named) {
    TELL(x, arguments, e->at, STR("live"), STR("it takes what must learn, and then the name of a loss"));
    return;
  }
  LiveClaim c = {.at = e->at};
  Map have;
  map_init(&have, x->a);
  for (uint32_t i = 0; i + 1 < args->n; i++) {
    Value v = eval(x, s, args->at[i].value);
    if (!val_ok(v)) return;
    if (!params_of(x, v, &c, &have)) {
      wrong_kind(x, args->at[i].at, v, "a parameter, an instance or a list of them");
      return;
    }
  }
  const AstArg *last = &args->at[args->n - 1];
  const AstExpr *loss = last->value;
  Scope *in;
  Binding *b = loss->kind == EXPR_NAME ? scope_find(x, s, loss->name, &in) : NULL;
  if (!b || !b->decl || b->decl->kind != STMT_LOSS) {
    Value l = eval(x, s, loss);
    if (val_ok(l)) wrong_kind(x, last->at, l, "the name of a loss");
    return;
  }
  c.loss = b->name;
  VEC_PUSH(x->p->arena, &x->p->live, c);
}

bool live_claim(Elab *x, Scope *s, const AstStmt *t) {
  const AstExpr *e = t->check.test;
  if (!calls_builtin(x, s, e, "live")) return false;
  claim(x, s, t);
  return true;
}
