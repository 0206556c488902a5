/* What the grammar's actions call: one function per form of the tree. Private to frontend/. Every function
 * keeps the depth of what it builds and refuses a tree that is too deep. */
#ifndef DG_FRONTEND_BUILD_H
#define DG_FRONTEND_BUILD_H

#include "frontend/syntax/filter.h"

/* Parts of statements on their way through the grammar. */
typedef struct AstBind {
  AstExpr *value, *init, *range;
  Span value_op, init_op;
} AstBind;
typedef struct AstBody {
  AstExpr *value;
  AstBlock *block;
} AstBody;
typedef struct AstUsing {
  AstExpr *with;
  Span at;
} AstUsing;

#define ARENA (f->r->arena)
#define BIND_VALUE(e, op) ((AstBind){.value = (e), .value_op = (op)})
#define ONE(i) build_one(f, (i))
#define ONE_EXPR(e) build_one_expr(f, (e))

AstIdentVec build_one(Filter *f, AstIdent i);
AstExprVec build_one_expr(Filter *f, AstExpr *e);
void build_too_deep(Filter *f, Span at);

AstExpr *build_bare(Filter *f, AstExprKind kind, Span at);
AstExpr *build_number(Filter *f, Span at, AstNumber *n); /* NULL: a malformed number, an error node */
AstExpr *build_unary(Filter *f, AstUnary op, Span op_at, AstExpr *e);
AstExpr *build_binary(Filter *f, AstBinary op, Span op_at, AstExpr *l, AstExpr *r);
AstExpr *build_quote(Filter *f, Span at, AstExpr *e, Span op_at);
AstExpr *build_call(Filter *f, Span at, AstExpr *callee, AstArgVec args, Span brackets);
AstExpr *build_index(Filter *f, Span at, AstExpr *base, AstExprVec items, Span brackets);
AstExpr *build_field(Filter *f, Span at, AstExpr *base, AstIdent field);
AstExpr *build_items(Filter *f, AstExprKind kind, Span at, AstExprVec items); /* list, tuple */
AstExpr *build_range(Filter *f, Span at, Span colon, AstExpr *lo, AstExpr *hi, AstExpr *step);
AstExpr *build_comprehension(Filter *f, Span at, AstExpr *item, AstFor walk);
AstExpr *build_choice(Filter *f, AstExprKind kind, Span at, AstExpr *test, AstExpr *then, AstExpr *otherwise);
AstExpr *build_scan(Filter *f, Span at, Span head, AstCarryVec carries, AstFor walk, AstExpr *test,
                    AstBlock *body);
AstExpr *build_lambda(Filter *f, AstFn *fn);

AstType *build_type(Filter *f, AstTypeKind kind, Span at);
AstType *build_type_dims(Filter *f, AstTypeKind kind, Span at, AstExprVec dims, Span brackets);
AstType *build_type_items(Filter *f, AstTypeKind kind, Span at, AstTypeVec items);

AstFn *build_fn(Filter *f, Span at, Span word, AstIdent name, AstParamVec params, Span brackets,
                AstType *result, AstBody body, AstBackward *backward);
AstBackward *build_backward(Filter *f, Span at, Span word, AstParamVec params, AstBody body);

AstBlock *build_block(Filter *f, AstStmtVec stmts, Span at);
AstBlock *build_else_if(Filter *f, AstStmt *s);
AstPath build_path_name(Filter *f, AstIdent name);

AstStmt *build_import(Filter *f, Span at, Span word, AstIdent name, Str path, Span path_at);
AstStmt *build_bind(Filter *f, AstStmtKind kind, Span at, Span word, AstIdentVec names, AstType *type,
                    AstBind b);
AstStmt *build_frozen(AstStmt *s, Span frozen);
AstStmt *build_fn_stmt(Filter *f, AstStmtKind kind, Span at, Span word, AstFn *fn);
AstStmt *build_unit(Filter *f, AstStmtKind kind, Span at, Span word, AstIdent name, AstParamVec params,
                    Span brackets, AstBlock *body);
AstStmt *build_value(Filter *f, AstStmtKind kind, Span at, Span word, AstExpr *e);
AstStmt *build_update(Filter *f, Span at, Span word, AstPathVec paths, AstPathVec except, AstUsing with);
AstStmt *build_assign(Filter *f, AstStmtKind kind, Span at, Span word, AstPath target, Span op,
                      AstExpr *value);
AstStmt *build_if(Filter *f, Span at, Span word, AstExpr *test, AstBlock *then, AstBlock *otherwise);
AstStmt *build_for(Filter *f, Span at, Span word, AstFor walk, AstBlock *body);
AstStmt *build_assert(Filter *f, Span at, Span word, AstExpr *test, Str why, Span why_at);
/* What could not be read; what its blocks hold goes on as statements beside it is lost, its names become
 * poison. */
AstStmt *build_error_stmt(Filter *f, Span at, AstBlock *body, AstBlock *tail);

AstMark *build_mark_new(Filter *f, AstIdent verb, AstIdentVec words, Span at);
AstIdent build_hyphen(Filter *f, AstIdent a, Sym b, Span at);
AstStmt *build_mark(Filter *f, AstMark *m, AstStmt *s, Span at);
/* Looks up the statement's doc comment and checks its depth. */
AstStmt *build_stmt_done(Filter *f, AstStmt *s);
void build_file(Filter *f, AstStmtVec stmts, Span at);

#endif
