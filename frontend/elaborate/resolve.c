/* Functions and modules that nothing uses are never expanded, so their shapes are not checked; but their
 * names are: every name must be declared somewhere that its place can see. So is what may stand in them. */
#include "frontend/elaborate/elab.h"

typedef struct Resolve {
  Elab *x;
  Scope *scope;      /* of the file */
  Map known;         /* names declared anywhere in the unit */
  AstStmtKind place; /* STMT_FN, STMT_MODULE outside of its functions, STMT_OPTIMIZER */
} Resolve;

static void in_block(Resolve *r, const AstBlock *b, bool declare);
static void in_fn(Resolve *r, const AstFn *f, bool declare);

static void add(Resolve *r, AstIdent name) {
  if (name.name.i) map_put(&r->known, name.name.i, 1);
}

static bool special(Str s) {
  static const char *const words[] = {"pi", "inf", "nan", "training", "step", "epoch"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (str_eq(s, str_z(words[i]))) return true;
  return s.n && s.p[0] >= 'A' && s.p[0] <= 'Z'; /* may be a symbol of a signature */
}

static void name(Resolve *r, Sym s, Span at) {
  uint32_t seen;
  Scope *in;
  if (!s.i || map_get(&r->known, s.i, &seen) || scope_find(r->x, r->scope, s, &in)) return;
  if (builtin_find(sym_str(r->x, s)) || special(sym_str(r->x, s))) return;
  unknown_name(r->x, r->scope, s, at);
}

static void in_expr(Resolve *r, const AstExpr *e, bool declare);

static void in_walk(Resolve *r, const AstFor *w, bool declare) {
  for (uint32_t i = 0; i < w->names.n && declare; i++) add(r, w->names.at[i]);
  for (uint32_t i = 0; i < w->sources.n; i++) in_expr(r, w->sources.at[i], declare);
}

/* One walk declares, a second one asks: so order does not matter. */
static void in_expr(Resolve *r, const AstExpr *e, bool declare) {
  if (!e) return;
  switch (e->kind) {
  case EXPR_NAME:
    if (!declare) name(r, e->name, e->at);
    break;
  case EXPR_UNARY: in_expr(r, e->unary.operand, declare); break;
  case EXPR_BINARY:
    in_expr(r, e->binary.left, declare);
    in_expr(r, e->binary.right, declare);
    break;
  case EXPR_TRANSPOSE: in_expr(r, e->transpose.operand, declare); break;
  case EXPR_CALL:
    in_expr(r, e->call.callee, declare);
    for (uint32_t i = 0; i < e->call.args.n; i++) in_expr(r, e->call.args.at[i].value, declare);
    break;
  case EXPR_INDEX:
    in_expr(r, e->index.base, declare);
    for (uint32_t i = 0; i < e->index.items.n; i++) in_expr(r, e->index.items.at[i], declare);
    break;
  case EXPR_FIELD: in_expr(r, e->field.base, declare); break;
  case EXPR_LIST:
  case EXPR_TUPLE:
    for (uint32_t i = 0; i < e->list.items.n; i++) in_expr(r, e->list.items.at[i], declare);
    break;
  case EXPR_COMPREHENSION:
    in_walk(r, &e->comprehension.walk, declare);
    in_expr(r, e->comprehension.item, declare);
    break;
  case EXPR_RANGE:
    in_expr(r, e->range.lo, declare);
    in_expr(r, e->range.hi, declare);
    in_expr(r, e->range.step, declare);
    break;
  case EXPR_IF:
  case EXPR_COND:
    in_expr(r, e->choice.test, declare);
    in_expr(r, e->choice.then, declare);
    in_expr(r, e->choice.otherwise, declare);
    break;
  case EXPR_SCAN:
    for (uint32_t i = 0; i < e->scan.carries.n; i++) {
      if (declare) add(r, e->scan.carries.at[i].name);
      in_expr(r, e->scan.carries.at[i].value, declare);
    }
    in_walk(r, &e->scan.walk, declare);
    in_expr(r, e->scan.test, declare);
    in_block(r, e->scan.body, declare);
    break;
  case EXPR_LAMBDA: in_fn(r, e->lambda, declare); break;
  case EXPR_ERROR:
  case EXPR_NUMBER:
  case EXPR_STRING:
  case EXPR_BOOL:
  case EXPR_HOLE:
  case EXPR_REST:
  case EXPR_DTYPE:
  case EXPR_COUNT: break;
  }
}

static void in_params(Resolve *r, const AstParamVec *p, bool declare) {
  for (uint32_t i = 0; i < p->n; i++) {
    if (declare) add(r, p->at[i].name);
    in_expr(r, p->at[i].value, declare);
  }
}

static void in_fn(Resolve *r, const AstFn *f, bool declare) {
  AstStmtKind outer = r->place;
  r->place = STMT_FN;
  in_params(r, &f->params, declare);
  in_expr(r, f->value, declare);
  in_block(r, f->body, declare);
  if (f->backward) {
    in_params(r, &f->backward->params, declare);
    in_expr(r, f->backward->value, declare);
    in_block(r, f->backward->body, declare);
  }
  r->place = outer;
}

/* What stands in no function, and in a module only if it makes a part of it. */
static bool misplaced(const Resolve *r, AstStmtKind k) {
  switch (k) {
  case STMT_STATE: return r->place == STMT_FN;
  case STMT_PARAM:
  case STMT_FN:
  case STMT_MODULE: return r->place != STMT_MODULE;
  case STMT_VAR:
  case STMT_SET:
  case STMT_ASSIGN: return r->place == STMT_MODULE;
  case STMT_RETURN: return r->place != STMT_FN;
  case STMT_IMPORT:
  case STMT_INPUT:
  case STMT_OUTPUT:
  case STMT_LOSS:
  case STMT_METRIC:
  case STMT_EXTERN:
  case STMT_OPTIMIZER:
  case STMT_DATASET:
  case STMT_TRAIN:
  case STMT_AFTER:
  case STMT_MINIMIZE:
  case STMT_UPDATE: return true;
  case STMT_ERROR:
  case STMT_CONST:
  case STMT_LET:
  case STMT_NEXT:
  case STMT_YIELD:
  case STMT_IF:
  case STMT_FOR:
  case STMT_ASSERT:
  case STMT_COUNT: break;
  }
  return false;
}

static void in_stmt(Resolve *r, const AstStmt *t, bool declare) {
  AstStmtKind outer = r->place;
  if (!declare && misplaced(r, t->kind)) {
    declares_not(r->x, r->scope, t,
                 r->place == STMT_MODULE      ? "in a module"
                 : r->place == STMT_OPTIMIZER ? "in an optimizer"
                                              : "in a function");
    return;
  }
  switch (t->kind) {
  case STMT_CONST:
  case STMT_LET:
  case STMT_VAR:
  case STMT_PARAM:
  case STMT_STATE:
    for (uint32_t i = 0; i < t->bind.names.n && declare; i++) add(r, t->bind.names.at[i]);
    in_expr(r, t->bind.value, declare);
    in_expr(r, t->bind.init, declare);
    break;
  case STMT_FN:
    if (declare) add(r, t->fn->name);
    in_fn(r, t->fn, declare);
    break;
  case STMT_MODULE:
    if (declare) add(r, t->unit.name);
    in_params(r, &t->unit.params, declare);
    r->place = STMT_MODULE;
    in_block(r, t->unit.body, declare);
    r->place = outer;
    break;
  case STMT_SET:
  case STMT_ASSIGN:
    if (!declare && t->assign.target.parts.n)
      name(r, t->assign.target.parts.at[0].name.name, t->assign.target.at);
    in_expr(r, t->assign.value, declare);
    break;
  case STMT_NEXT: in_expr(r, t->assign.value, declare); break;
  case STMT_YIELD:
  case STMT_RETURN:
  case STMT_MINIMIZE: in_expr(r, t->value, declare); break;
  case STMT_IF:
    in_expr(r, t->choice.test, declare);
    in_block(r, t->choice.then, declare);
    in_block(r, t->choice.otherwise, declare);
    break;
  case STMT_FOR:
    in_walk(r, &t->loop.walk, declare);
    in_block(r, t->loop.body, declare);
    break;
  case STMT_ASSERT: in_expr(r, t->check.test, declare); break;
  case STMT_ERROR:
  case STMT_IMPORT:
  case STMT_INPUT:
  case STMT_OUTPUT:
  case STMT_LOSS:
  case STMT_METRIC:
  case STMT_EXTERN:
  case STMT_OPTIMIZER:
  case STMT_DATASET:
  case STMT_TRAIN:
  case STMT_AFTER:
  case STMT_UPDATE:
  case STMT_COUNT: break;
  }
}

static void in_block(Resolve *r, const AstBlock *b, bool declare) {
  for (uint32_t i = 0; b && i < b->stmts.n; i++) in_stmt(r, b->stmts.at[i], declare);
}

void resolve_unused(Elab *x, SrcFile *f) {
  for (uint32_t i = 0; i < f->scope->active.n; i++) {
    const AstStmt *t = f->scope->active.at[i];
    uint32_t used;
    if (t->kind != STMT_FN && t->kind != STMT_MODULE && t->kind != STMT_OPTIMIZER) continue;
    if (map_get(&x->used, t->word.lo | (uint64_t)t->word.file << 32, &used)) continue;
    Resolve r = {.x = x, .scope = f->scope};
    map_init(&r.known, x->a);
    for (int declare = 1; declare >= 0; declare--) {
      if (t->kind == STMT_FN)
        in_fn(&r, t->fn, declare);
      else {
        r.place = t->kind;
        in_params(&r, &t->unit.params, declare);
        in_block(&r, t->unit.body, declare);
      }
    }
  }
}
