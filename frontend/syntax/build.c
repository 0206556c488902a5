/* Tree nodes for the grammar's actions. Depth is kept as nodes are made, so that a chain of a million
 * operators is refused where it passes the limit and not where somebody recurses over it. */
#include "frontend/syntax/build.h"

static uint32_t deeper(uint32_t a, uint32_t b) { return a > b ? a : b; }

static uint32_t depth_exprs(const AstExprVec *v) {
  uint32_t d = 0;
  for (uint32_t i = 0; i < v->n; i++) d = deeper(d, v->at[i]->depth);
  return d;
}
static uint32_t depth_type(const AstType *t) { return t ? t->depth : 0; }
static uint32_t depth_expr(const AstExpr *e) { return e ? e->depth : 0; }

static uint32_t depth_block(const AstBlock *b) {
  uint32_t d = 0;
  for (uint32_t i = 0; b && i < b->stmts.n; i++) d = deeper(d, b->stmts.at[i]->depth);
  return d;
}

static uint32_t depth_params(const AstParamVec *v) {
  uint32_t d = 0;
  for (uint32_t i = 0; i < v->n; i++)
    d = deeper(d, deeper(depth_type(v->at[i].type), depth_expr(v->at[i].value)));
  return d;
}

static uint32_t depth_fn(const AstFn *fn) {
  uint32_t d = deeper(depth_params(&fn->params), depth_type(fn->result));
  d = deeper(d, deeper(depth_expr(fn->value), depth_block(fn->body)));
  if (fn->backward) {
    d = deeper(d, depth_params(&fn->backward->params));
    d = deeper(d, deeper(depth_expr(fn->backward->value), depth_block(fn->backward->body)));
  }
  return d;
}

static uint32_t depth_paths(const AstPathVec *v) {
  uint32_t d = 0;
  for (uint32_t i = 0; i < v->n; i++)
    for (uint32_t j = 0; j < v->at[i].parts.n; j++) d = deeper(d, depth_exprs(&v->at[i].parts.at[j].index));
  return d;
}

void build_too_deep(Filter *f, Span at) {
  if (f->deep || f->stopped) return;
  f->deep = true;
  f->file->errors = true;
  Diag *g = diag_limit(f->r->diags, at, "this is nested too deeply", "nesting", f->r->limits->nesting);
  diag_status(g, ST_LIMIT);
}

AstIdentVec build_one(Filter *f, AstIdent i) {
  AstIdentVec v = {0};
  VEC_PUSH(ARENA, &v, i);
  return v;
}

AstExprVec build_one_expr(Filter *f, AstExpr *e) {
  AstExprVec v = {0};
  VEC_PUSH(ARENA, &v, e);
  return v;
}

/* ---- expressions ---- */

/* A node above children of depth `below`. One that would be too deep comes back as an error node, and the
 * caller's writes to its fields are harmless. */
static AstExpr *expr_new(Filter *f, AstExprKind kind, Span at, uint32_t below) {
  AstExpr *e = ARENA_NEW(ARENA, AstExpr);
  e->kind = kind;
  e->at = at;
  e->depth = below + 1;
  if (e->depth > ast_depth_limit(f->r->limits)) {
    build_too_deep(f, at);
    e->kind = EXPR_ERROR;
    e->depth = 1;
  }
  return e;
}

AstExpr *build_bare(Filter *f, AstExprKind kind, Span at) { return expr_new(f, kind, at, 0); }

AstExpr *build_number(Filter *f, Span at, AstNumber *n) {
  AstExpr *e = expr_new(f, n ? EXPR_NUMBER : EXPR_ERROR, at, 0);
  e->number = n;
  return e;
}

AstExpr *build_unary(Filter *f, AstUnary op, Span op_at, AstExpr *x) {
  AstExpr *e = expr_new(f, EXPR_UNARY, span_join(op_at, x->at), x->depth);
  e->unary.op = op;
  e->unary.op_at = op_at;
  e->unary.operand = x;
  return e;
}

AstExpr *build_binary(Filter *f, AstBinary op, Span op_at, AstExpr *l, AstExpr *r) {
  AstExpr *e = expr_new(f, EXPR_BINARY, span_join(l->at, r->at), deeper(l->depth, r->depth));
  e->binary.op = op;
  e->binary.op_at = op_at;
  e->binary.left = l;
  e->binary.right = r;
  return e;
}

AstExpr *build_quote(Filter *f, Span at, AstExpr *x, Span op_at) {
  AstExpr *e = expr_new(f, EXPR_TRANSPOSE, at, x->depth);
  e->transpose.operand = x;
  e->transpose.op_at = op_at;
  return e;
}

/* The elaborator gives a name that is differentiated by a node of its own, before it meets the call. */
static void note_by_name(Filter *f, Span at, const AstExpr *callee, const AstArgVec *args) {
  Str word = callee->kind == EXPR_NAME ? names_str(f->r->names, callee->name) : STR("");
  if (!str_eq(word, STR("grad")) && !str_eq(word, STR("vjp")) && !str_eq(word, STR("jvp"))) return;
  for (uint32_t i = 0; i < args->n; i++) {
    const AstArg *a = &args->at[i];
    if (ast_ident_written(a->name) ? !str_eq(names_str(f->r->names, a->name.name), STR("x")) : i != 1)
      continue;
    const AstExpr *e = a->value;
    while (e->kind == EXPR_INDEX) e = e->index.base;
    if (e->kind == EXPR_NAME) VEC_PUSH(ARENA, &f->file->by_name, (AstByName){e->name, at.lo});
  }
}

AstExpr *build_call(Filter *f, Span at, AstExpr *callee, AstArgVec args, Span brackets) {
  note_by_name(f, at, callee, &args);
  uint32_t d = callee->depth;
  for (uint32_t i = 0; i < args.n; i++) d = deeper(d, args.at[i].value->depth);
  AstExpr *e = expr_new(f, EXPR_CALL, at, d);
  e->call.callee = callee;
  e->call.args = args;
  e->call.brackets = brackets;
  return e;
}

AstExpr *build_index(Filter *f, Span at, AstExpr *base, AstExprVec items, Span brackets) {
  AstExpr *e = expr_new(f, EXPR_INDEX, at, deeper(base->depth, depth_exprs(&items)));
  e->index.base = base;
  e->index.items = items;
  e->index.brackets = brackets;
  return e;
}

AstExpr *build_field(Filter *f, Span at, AstExpr *base, AstIdent field) {
  AstExpr *e = expr_new(f, EXPR_FIELD, at, base->depth);
  e->field.base = base;
  e->field.field = field;
  return e;
}

AstExpr *build_items(Filter *f, AstExprKind kind, Span at, AstExprVec items) {
  AstExpr *e = expr_new(f, kind, at, depth_exprs(&items));
  e->list.items = items;
  return e;
}

AstExpr *build_range(Filter *f, Span at, Span colon, AstExpr *lo, AstExpr *hi, AstExpr *step) {
  at.lo = lo ? lo->at.lo : colon.lo;
  AstExpr *e = expr_new(f, EXPR_RANGE, at, deeper(depth_expr(lo), deeper(depth_expr(hi), depth_expr(step))));
  e->range.lo = lo;
  e->range.hi = hi;
  e->range.step = step;
  return e;
}

AstExpr *build_comprehension(Filter *f, Span at, AstExpr *item, AstFor walk) {
  AstExpr *e = expr_new(f, EXPR_COMPREHENSION, at, deeper(item->depth, depth_exprs(&walk.sources)));
  e->comprehension.item = item;
  e->comprehension.walk = walk;
  return e;
}

AstExpr *build_choice(Filter *f, AstExprKind kind, Span at, AstExpr *test, AstExpr *then,
                      AstExpr *otherwise) {
  AstExpr *e = expr_new(f, kind, at, deeper(test->depth, deeper(then->depth, otherwise->depth)));
  e->choice.test = test;
  e->choice.then = then;
  e->choice.otherwise = otherwise;
  return e;
}

AstExpr *build_scan(Filter *f, Span at, Span head, AstCarryVec carries, AstFor walk, AstExpr *test,
                    AstBlock *body) {
  uint32_t d = deeper(depth_exprs(&walk.sources), deeper(depth_expr(test), depth_block(body)));
  for (uint32_t i = 0; i < carries.n; i++)
    d = deeper(d, deeper(depth_type(carries.at[i].type), carries.at[i].value->depth));
  AstExpr *e = expr_new(f, EXPR_SCAN, at, d);
  e->scan.carries = carries;
  e->scan.walk = walk;
  e->scan.test = test;
  e->scan.body = body;
  e->scan.head = head;
  return e;
}

AstExpr *build_lambda(Filter *f, AstFn *fn) {
  AstExpr *e = expr_new(f, EXPR_LAMBDA, fn->at, depth_fn(fn));
  e->lambda = fn;
  return e;
}

/* ---- types ---- */

static AstType *type_new(Filter *f, AstTypeKind kind, Span at, uint32_t below) {
  AstType *t = ARENA_NEW(ARENA, AstType);
  t->kind = kind;
  t->at = at;
  t->depth = below + 1;
  if (t->depth > ast_depth_limit(f->r->limits)) {
    build_too_deep(f, at);
    t->kind = ATYPE_ERROR;
    t->depth = 1;
  }
  return t;
}

AstType *build_type(Filter *f, AstTypeKind kind, Span at) { return type_new(f, kind, at, 0); }

AstType *build_type_dims(Filter *f, AstTypeKind kind, Span at, AstExprVec dims, Span brackets) {
  AstType *t = type_new(f, kind, at, depth_exprs(&dims));
  t->has_dims = true;
  t->dims = dims;
  t->brackets = brackets;
  return t;
}

AstType *build_type_items(Filter *f, AstTypeKind kind, Span at, AstTypeVec items) {
  uint32_t d = 0;
  for (uint32_t i = 0; i < items.n; i++) d = deeper(d, items.at[i]->depth);
  AstType *t = type_new(f, kind, at, d);
  t->items = items;
  return t;
}

/* ---- functions ---- */

AstFn *build_fn(Filter *f, Span at, Span word, AstIdent name, AstParamVec params, Span brackets,
                AstType *result, AstBody body, AstBackward *backward) {
  AstFn *fn = ARENA_NEW(ARENA, AstFn);
  fn->name = name;
  fn->params = params;
  fn->brackets = brackets;
  fn->result = result;
  fn->value = body.value;
  fn->body = body.block;
  fn->backward = backward;
  fn->head = span_join(word, result ? result->at : brackets);
  fn->at = at;
  fn->in = f->file;
  return fn;
}

AstBackward *build_backward(Filter *f, Span at, Span word, AstParamVec params, AstBody body) {
  AstBackward *b = ARENA_NEW(ARENA, AstBackward);
  b->params = params;
  b->value = body.value;
  b->body = body.block;
  b->word = word;
  b->at = at;
  return b;
}

/* ---- statements ---- */

static AstStmt *stmt_new(Filter *f, AstStmtKind kind, Span at, Span word, uint32_t below) {
  AstStmt *s = ARENA_NEW(ARENA, AstStmt);
  s->kind = kind;
  s->at = at;
  s->word = word;
  s->depth = below + 1;
  return s;
}

AstBlock *build_block(Filter *f, AstStmtVec stmts, Span at) {
  AstBlock *b = ARENA_NEW(ARENA, AstBlock);
  b->stmts = stmts;
  b->at = at;
  return b;
}

AstBlock *build_else_if(Filter *f, AstStmt *s) {
  AstBlock *b = ARENA_NEW(ARENA, AstBlock);
  VEC_PUSH(ARENA, &b->stmts, s);
  return b;
}

AstPath build_path_name(Filter *f, AstIdent name) {
  AstPath p = {.at = name.at};
  VEC_PUSH(ARENA, &p.parts, (AstPathPart){.name = name, .at = name.at});
  return p;
}

AstStmt *build_import(Filter *f, Span at, Span word, AstIdent name, Str path, Span path_at) {
  if (path_at.file && !path.p) { /* the string was reported */
    VEC_PUSH(ARENA, &f->file->broken, name.name);
    return stmt_new(f, STMT_ERROR, at, at, 0);
  }
  AstStmt *s = stmt_new(f, STMT_IMPORT, at, word, 0);
  s->import.name = name;
  s->import.path = path;
  s->import.path_at = path_at;
  return s;
}

AstStmt *build_bind(Filter *f, AstStmtKind kind, Span at, Span word, AstIdentVec names, AstType *type,
                    AstBind b) {
  uint32_t d =
      deeper(depth_type(type), deeper(depth_expr(b.value), deeper(depth_expr(b.init), depth_expr(b.range))));
  AstStmt *s = stmt_new(f, kind, at, word, d);
  s->bind.names = names;
  s->bind.type = type;
  s->bind.value = b.value;
  s->bind.value_op = b.value_op;
  s->bind.init = b.init;
  s->bind.init_op = b.init_op;
  s->bind.range = b.range;
  return s;
}

/* The grammar's location of a statement without `frozen` would begin at the token before. */
AstStmt *build_frozen(AstStmt *s, Span frozen) {
  s->frozen = frozen;
  if (!frozen.file) s->at.lo = s->word.lo;
  return s;
}

AstStmt *build_fn_stmt(Filter *f, AstStmtKind kind, Span at, Span word, AstFn *fn) {
  AstStmt *s = stmt_new(f, kind, at, word, depth_fn(fn));
  s->fn = fn;
  return s;
}

AstStmt *build_unit(Filter *f, AstStmtKind kind, Span at, Span word, AstIdent name, AstParamVec params,
                    Span brackets, AstBlock *body) {
  AstStmt *s = stmt_new(f, kind, at, word, deeper(depth_params(&params), depth_block(body)));
  s->unit.name = name;
  s->unit.has_params = brackets.file != 0;
  s->unit.params = params;
  s->unit.brackets = brackets;
  s->unit.body = body;
  return s;
}

AstStmt *build_value(Filter *f, AstStmtKind kind, Span at, Span word, AstExpr *e) {
  AstStmt *s = stmt_new(f, kind, at, word, e->depth);
  s->value = e;
  return s;
}

AstStmt *build_update(Filter *f, Span at, Span word, AstPathVec paths, AstPathVec except, AstUsing with) {
  uint32_t d = deeper(depth_paths(&paths), deeper(depth_paths(&except), depth_expr(with.with)));
  AstStmt *s = stmt_new(f, STMT_UPDATE, at, word, d);
  s->update.paths = paths;
  s->update.except = except;
  s->update.with = with.with;
  s->update.with_at = with.at;
  return s;
}

AstStmt *build_assign(Filter *f, AstStmtKind kind, Span at, Span word, AstPath target, Span op,
                      AstExpr *value) {
  AstStmt *s = stmt_new(f, kind, at, word, value->depth);
  for (uint32_t i = 0; i < target.parts.n; i++)
    s->depth = deeper(s->depth, 1 + depth_exprs(&target.parts.at[i].index));
  s->assign.target = target;
  s->assign.value = value;
  s->assign.op = op;
  return s;
}

AstStmt *build_if(Filter *f, Span at, Span word, AstExpr *test, AstBlock *then, AstBlock *otherwise) {
  uint32_t d = deeper(test->depth, deeper(depth_block(then), depth_block(otherwise)));
  AstStmt *s = stmt_new(f, STMT_IF, at, word, d);
  s->choice.test = test;
  s->choice.then = then;
  s->choice.otherwise = otherwise;
  return s;
}

AstStmt *build_for(Filter *f, Span at, Span word, AstFor walk, AstBlock *body) {
  AstStmt *s = stmt_new(f, STMT_FOR, at, word, deeper(depth_exprs(&walk.sources), depth_block(body)));
  s->loop.walk = walk;
  s->loop.body = body;
  return s;
}

AstStmt *build_assert(Filter *f, Span at, Span word, AstExpr *test, Str why, Span why_at) {
  AstStmt *s = stmt_new(f, STMT_ASSERT, at, word, test->depth);
  s->check.test = test;
  s->check.contract = str_eq(reader_text(f->r, word.lo, word.hi), STR("requires"));
  s->check.has_why = why_at.file != 0;
  s->check.why = why;
  s->check.why_at = why_at;
  return s;
}

AstStmt *build_error_stmt(Filter *f, Span at, AstBlock *body, AstBlock *tail) {
  (void)body, (void)tail; /* read for its own errors; without its head it means nothing */
  filter_broken_names(f);
  return stmt_new(f, STMT_ERROR, at, at, 0);
}

/* ---- marks, doc comments, the file ---- */

AstMark *build_mark_new(Filter *f, AstIdent verb, AstIdentVec words, Span at) {
  AstMark *m = ARENA_NEW(ARENA, AstMark);
  m->verb = verb;
  m->words = words;
  m->at = at;
  return m;
}

AstIdent build_hyphen(Filter *f, AstIdent a, Sym b, Span at) {
  Str l = names_str(f->r->names, a.name), r = names_str(f->r->names, b);
  return (AstIdent){names_add(f->r->names, str_fmt(ARENA, STRF "-" STRF, STRA(l), STRA(r))), at};
}

AstStmt *build_mark(Filter *f, AstMark *m, AstStmt *s, Span at) {
  AstMarkVec v = {0};
  VEC_PUSH(ARENA, &v, *m);
  for (uint32_t i = 0; i < s->marks.n; i++) VEC_PUSH(ARENA, &v, s->marks.at[i]);
  s->marks = v;
  s->at = at;
  filter_doc(f, s);
  return s;
}

AstStmt *build_stmt_done(Filter *f, AstStmt *s) {
  filter_doc(f, s);
  if (s->depth <= ast_depth_limit(f->r->limits)) return s;
  build_too_deep(f, s->at);
  return stmt_new(f, STMT_ERROR, s->at, s->word, 0);
}

void build_file(Filter *f, AstStmtVec stmts, Span at) {
  f->file->stmts = stmts;
  f->file->at = at;
}
