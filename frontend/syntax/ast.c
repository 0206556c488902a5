/* The tree as text: one node a line, two blanks a level. Depth is bounded by ast_depth_limit. */
#include "frontend/syntax/ast.h"

/* The first entry that is not before (name, lo). */
bool ast_by_name(const AstFile *f, Sym name, uint32_t lo, uint32_t hi) {
  uint32_t from = 0, to = f->by_name.n;
  while (from < to) {
    uint32_t mid = from + (to - from) / 2;
    const AstByName *b = &f->by_name.at[mid];
    if (b->name.i < name.i || (b->name.i == name.i && b->lo < lo))
      from = mid + 1;
    else
      to = mid;
  }
  return from < f->by_name.n && sym_eq(f->by_name.at[from].name, name) && f->by_name.at[from].lo < hi;
}

static const char *const binary_names[BINARY_COUNT] = {"or", "and", "==", "!=", "<", "<=", ">",
                                                       ">=", "+",   "-",  "*",  "/", "@",  "^"};
static const char *const unary_names[UNARY_COUNT] = {"-", "not"};
static const char *const stmt_words[STMT_COUNT] = {
    "",       "import", "const",  "let",    "var",       "param",   "state", "input",  "output",   "loss",
    "metric", "fn",     "extern", "module", "optimizer", "dataset", "train", "after",  "minimize", "update",
    "=",      ":=",     "next",   "yield",  "return",    "if",      "for",   "assert",
};

const char *ast_binary_name(AstBinary op) { return binary_names[op]; }
const char *ast_unary_name(AstUnary op) { return unary_names[op]; }
const char *ast_stmt_word(AstStmtKind kind) { return stmt_words[kind]; }

typedef struct Printer {
  const Names *names;
  Sb *b;
  uint32_t level;
  bool spans;
} Printer;

static void print_expr(Printer *p, const char *role, const AstExpr *e);
static void print_block(Printer *p, const char *role, const AstBlock *b);

/* Begins a line: indentation and the role the node plays for its parent ("" for items of a list). */
static void open_line(Printer *p, const char *role) {
  for (uint32_t i = 0; i < p->level; i++) sb_add(p->b, STR("  "));
  if (*role) sb_fmt(p->b, "%s: ", role);
}

static void close_line(Printer *p, Span at) {
  if (p->spans) sb_fmt(p->b, " @%u-%u", at.lo, at.hi);
  sb_char(p->b, '\n');
}

static void name_text(Printer *p, Sym s) {
  if (s.i == 0)
    sb_char(p->b, '_');
  else
    sb_add(p->b, names_str(p->names, s));
}

static void quoted(Printer *p, Str s) {
  sb_char(p->b, '"');
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    if (c == '"' || c == '\\')
      sb_fmt(p->b, "\\%c", c);
    else if (c == '\n')
      sb_add(p->b, STR("\\n"));
    else if ((unsigned char)c < 0x20 || c == 0x7f)
      sb_fmt(p->b, "\\u{%x}", (unsigned char)c);
    else
      sb_char(p->b, c);
  }
  sb_char(p->b, '"');
}

static void name_list(Printer *p, const AstIdentVec *v) {
  for (uint32_t i = 0; i < v->n; i++) {
    sb_add(p->b, i ? STR(", ") : STR(" "));
    name_text(p, v->at[i].name);
  }
}

static void print_type(Printer *p, const char *role, const AstType *t) {
  if (!t) return;
  open_line(p, role);
  switch (t->kind) {
  case ATYPE_ERROR: sb_add(p->b, STR("type-error")); break;
  case ATYPE_DTYPE: sb_fmt(p->b, "dtype %s%s", ast_dtype_name(t->dtype), t->has_dims ? " []" : ""); break;
  case ATYPE_NAME:
    sb_add(p->b, STR("type-name "));
    if (ast_ident_written(t->qualifier)) {
      name_text(p, t->qualifier.name);
      sb_char(p->b, '.');
    }
    name_text(p, t->name.name);
    if (t->has_dims) sb_add(p->b, STR(" []"));
    break;
  case ATYPE_INT: sb_add(p->b, STR("type-int")); break;
  case ATYPE_FN: sb_add(p->b, STR("type-fn")); break;
  case ATYPE_LIST: sb_add(p->b, STR("type-list")); break;
  case ATYPE_TUPLE: sb_add(p->b, STR("type-tuple")); break;
  case ATYPE_COUNT: break;
  }
  close_line(p, t->at);
  p->level++;
  for (uint32_t i = 0; i < t->dims.n; i++) print_expr(p, "", t->dims.at[i]);
  for (uint32_t i = 0; i < t->items.n; i++) print_type(p, "", t->items.at[i]);
  p->level--;
}

static void print_params(Printer *p, const AstParamVec *v) {
  for (uint32_t i = 0; i < v->n; i++) {
    open_line(p, "parameter");
    name_text(p, v->at[i].name.name);
    close_line(p, v->at[i].at);
    p->level++;
    print_type(p, "type", v->at[i].type);
    if (v->at[i].value) print_expr(p, "default", v->at[i].value);
    p->level--;
  }
}

static void print_fn(Printer *p, const AstFn *fn) {
  print_params(p, &fn->params);
  print_type(p, "result", fn->result);
  if (fn->value) print_expr(p, "value", fn->value);
  print_block(p, "body", fn->body);
  if (!fn->backward) return;
  open_line(p, "backward");
  close_line(p, fn->backward->at);
  p->level++;
  print_params(p, &fn->backward->params);
  if (fn->backward->value) print_expr(p, "value", fn->backward->value);
  print_block(p, "body", fn->backward->body);
  p->level--;
}

static void print_walk(Printer *p, const AstFor *w) {
  if (w->names.n == 0) return;
  open_line(p, "for");
  for (uint32_t i = 0; i < w->names.n; i++) {
    if (i) sb_add(p->b, STR(", "));
    name_text(p, w->names.at[i].name);
  }
  close_line(p, w->at);
  p->level++;
  for (uint32_t i = 0; i < w->sources.n; i++) print_expr(p, "in", w->sources.at[i]);
  p->level--;
}

/* The words of a node on its own line. */
static void expr_line(Printer *p, const AstExpr *e) {
  switch (e->kind) {
  case EXPR_ERROR: sb_add(p->b, STR("error")); break;
  case EXPR_NUMBER:
    sb_add(p->b, STR("number "));
    sb_add(p->b, e->number->text);
    break;
  case EXPR_STRING:
    sb_add(p->b, STR("string "));
    quoted(p, e->string);
    break;
  case EXPR_BOOL: sb_fmt(p->b, "bool %s", e->boolean ? "true" : "false"); break;
  case EXPR_NAME:
    sb_add(p->b, STR("name "));
    name_text(p, e->name);
    break;
  case EXPR_HOLE: sb_add(p->b, STR("hole")); break;
  case EXPR_REST: sb_add(p->b, STR("rest")); break;
  case EXPR_DTYPE: sb_fmt(p->b, "dtype %s", ast_dtype_name(e->dtype)); break;
  case EXPR_UNARY: sb_fmt(p->b, "unary %s", ast_unary_name(e->unary.op)); break;
  case EXPR_BINARY: sb_fmt(p->b, "binary %s", ast_binary_name(e->binary.op)); break;
  case EXPR_TRANSPOSE: sb_add(p->b, STR("transpose")); break;
  case EXPR_CALL: sb_add(p->b, STR("call")); break;
  case EXPR_INDEX: sb_add(p->b, STR("index")); break;
  case EXPR_FIELD:
    sb_add(p->b, STR("field "));
    name_text(p, e->field.field.name);
    break;
  case EXPR_LIST: sb_add(p->b, STR("list")); break;
  case EXPR_TUPLE: sb_add(p->b, STR("tuple")); break;
  case EXPR_COMPREHENSION: sb_add(p->b, STR("comprehension")); break;
  case EXPR_RANGE: sb_add(p->b, STR("range")); break;
  case EXPR_IF: sb_add(p->b, STR("if")); break;
  case EXPR_COND: sb_add(p->b, STR("cond")); break;
  case EXPR_SCAN: sb_add(p->b, STR("scan")); break;
  case EXPR_LAMBDA: sb_add(p->b, STR("lambda")); break;
  case EXPR_COUNT: break;
  }
}

static void expr_children(Printer *p, const AstExpr *e) {
  switch (e->kind) {
  case EXPR_ERROR:
  case EXPR_NUMBER:
  case EXPR_STRING:
  case EXPR_BOOL:
  case EXPR_NAME:
  case EXPR_HOLE:
  case EXPR_REST:
  case EXPR_DTYPE:
  case EXPR_COUNT: break;
  case EXPR_UNARY: print_expr(p, "", e->unary.operand); break;
  case EXPR_BINARY:
    print_expr(p, "", e->binary.left);
    print_expr(p, "", e->binary.right);
    break;
  case EXPR_TRANSPOSE: print_expr(p, "", e->transpose.operand); break;
  case EXPR_CALL:
    print_expr(p, "callee", e->call.callee);
    for (uint32_t i = 0; i < e->call.args.n; i++) {
      const AstArg *a = &e->call.args.at[i];
      if (ast_ident_written(a->name)) {
        open_line(p, "");
        name_text(p, a->name.name);
        sb_add(p->b, STR(" ="));
        close_line(p, a->at);
        p->level++;
        print_expr(p, "", a->value);
        p->level--;
      } else {
        print_expr(p, "", a->value);
      }
    }
    break;
  case EXPR_INDEX:
    print_expr(p, "base", e->index.base);
    for (uint32_t i = 0; i < e->index.items.n; i++) print_expr(p, "", e->index.items.at[i]);
    break;
  case EXPR_FIELD: print_expr(p, "", e->field.base); break;
  case EXPR_LIST:
  case EXPR_TUPLE:
    for (uint32_t i = 0; i < e->list.items.n; i++) print_expr(p, "", e->list.items.at[i]);
    break;
  case EXPR_COMPREHENSION:
    print_expr(p, "item", e->comprehension.item);
    print_walk(p, &e->comprehension.walk);
    break;
  case EXPR_RANGE:
    if (e->range.lo) print_expr(p, "lo", e->range.lo);
    if (e->range.hi) print_expr(p, "hi", e->range.hi);
    if (e->range.step) print_expr(p, "step", e->range.step);
    break;
  case EXPR_IF:
  case EXPR_COND:
    print_expr(p, "test", e->choice.test);
    print_expr(p, "then", e->choice.then);
    print_expr(p, "else", e->choice.otherwise);
    break;
  case EXPR_SCAN:
    for (uint32_t i = 0; i < e->scan.carries.n; i++) {
      const AstCarry *c = &e->scan.carries.at[i];
      open_line(p, "carry");
      name_text(p, c->name.name);
      close_line(p, c->at);
      p->level++;
      print_type(p, "type", c->type);
      print_expr(p, "", c->value);
      p->level--;
    }
    print_walk(p, &e->scan.walk);
    if (e->scan.test) print_expr(p, "while", e->scan.test);
    print_block(p, "body", e->scan.body);
    break;
  case EXPR_LAMBDA: print_fn(p, e->lambda); break;
  }
}

static void print_expr(Printer *p, const char *role, const AstExpr *e) {
  open_line(p, role);
  expr_line(p, e);
  close_line(p, e->at);
  p->level++;
  expr_children(p, e);
  p->level--;
}

static void print_path(Printer *p, const char *role, const AstPath *path) {
  open_line(p, role);
  for (uint32_t i = 0; i < path->parts.n; i++) {
    const AstPathPart *part = &path->parts.at[i];
    if (i) sb_char(p->b, '.');
    if (part->star)
      sb_char(p->b, '*');
    else
      name_text(p, part->name.name);
    if (part->index.n) sb_add(p->b, STR("[]"));
  }
  close_line(p, path->at);
  p->level++;
  for (uint32_t i = 0; i < path->parts.n; i++)
    for (uint32_t j = 0; j < path->parts.at[i].index.n; j++)
      print_expr(p, "index", path->parts.at[i].index.at[j]);
  p->level--;
}

/* The words of a statement on its own line. */
static void stmt_line(Printer *p, const AstStmt *s) {
  if (s->frozen.file) sb_add(p->b, STR("frozen "));
  switch (s->kind) {
  case STMT_ERROR: sb_add(p->b, STR("error-statement")); break;
  case STMT_SET: sb_add(p->b, STR("set")); break;
  case STMT_ASSIGN: sb_add(p->b, STR("assign")); break;
  case STMT_IMPORT:
  case STMT_CONST:
  case STMT_LET:
  case STMT_VAR:
  case STMT_PARAM:
  case STMT_STATE:
  case STMT_INPUT:
  case STMT_OUTPUT:
  case STMT_LOSS:
  case STMT_METRIC:
  case STMT_FN:
  case STMT_EXTERN:
  case STMT_MODULE:
  case STMT_OPTIMIZER:
  case STMT_DATASET:
  case STMT_TRAIN:
  case STMT_AFTER:
  case STMT_MINIMIZE:
  case STMT_UPDATE:
  case STMT_NEXT:
  case STMT_YIELD:
  case STMT_RETURN:
  case STMT_IF:
  case STMT_FOR:
  case STMT_ASSERT:
  case STMT_COUNT: sb_fmt(p->b, "%s", ast_stmt_word(s->kind)); break;
  }
  switch (s->kind) {
  case STMT_IMPORT:
    sb_char(p->b, ' ');
    name_text(p, s->import.name.name);
    if (s->import.path_at.file) {
      sb_char(p->b, ' ');
      quoted(p, s->import.path);
    }
    break;
  case STMT_CONST:
  case STMT_LET:
  case STMT_VAR:
  case STMT_PARAM:
  case STMT_STATE:
  case STMT_INPUT:
  case STMT_OUTPUT:
  case STMT_LOSS:
  case STMT_METRIC: name_list(p, &s->bind.names); break;
  case STMT_FN:
  case STMT_EXTERN:
    if (ast_ident_written(s->fn->name)) {
      sb_char(p->b, ' ');
      name_text(p, s->fn->name.name);
    }
    break;
  case STMT_MODULE:
  case STMT_OPTIMIZER:
  case STMT_DATASET:
  case STMT_TRAIN:
  case STMT_AFTER:
    sb_char(p->b, ' ');
    name_text(p, s->unit.name.name);
    break;
  case STMT_ERROR:
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
}

static void print_stmt(Printer *p, const AstStmt *s);

static void stmt_children(Printer *p, const AstStmt *s) {
  switch (s->kind) {
  case STMT_ERROR:
  case STMT_IMPORT:
  case STMT_COUNT: break;
  case STMT_CONST:
  case STMT_LET:
  case STMT_VAR:
  case STMT_PARAM:
  case STMT_STATE:
  case STMT_INPUT:
  case STMT_OUTPUT:
  case STMT_LOSS:
  case STMT_METRIC:
    print_type(p, "type", s->bind.type);
    if (s->bind.value) print_expr(p, "value", s->bind.value);
    if (s->bind.init) print_expr(p, "init", s->bind.init);
    if (s->bind.range) print_expr(p, "range", s->bind.range);
    break;
  case STMT_FN:
  case STMT_EXTERN: print_fn(p, s->fn); break;
  case STMT_MODULE:
  case STMT_OPTIMIZER:
  case STMT_DATASET:
  case STMT_TRAIN:
  case STMT_AFTER:
    print_params(p, &s->unit.params);
    print_block(p, "body", s->unit.body);
    break;
  case STMT_MINIMIZE:
  case STMT_YIELD:
  case STMT_RETURN: print_expr(p, "", s->value); break;
  case STMT_UPDATE:
    for (uint32_t i = 0; i < s->update.paths.n; i++) print_path(p, "path", &s->update.paths.at[i]);
    for (uint32_t i = 0; i < s->update.except.n; i++) print_path(p, "except", &s->update.except.at[i]);
    if (s->update.with) print_expr(p, "using", s->update.with);
    break;
  case STMT_SET:
  case STMT_ASSIGN:
  case STMT_NEXT:
    print_path(p, "target", &s->assign.target);
    print_expr(p, "value", s->assign.value);
    break;
  case STMT_IF:
    print_expr(p, "test", s->choice.test);
    print_block(p, "then", s->choice.then);
    print_block(p, "else", s->choice.otherwise);
    break;
  case STMT_FOR:
    print_walk(p, &s->loop.walk);
    print_block(p, "body", s->loop.body);
    break;
  case STMT_ASSERT:
    print_expr(p, s->check.contract ? "requires" : "", s->check.test);
    if (s->check.has_why) {
      open_line(p, "why");
      quoted(p, s->check.why);
      close_line(p, s->check.why_at);
    }
    break;
  }
}

static void print_stmt(Printer *p, const AstStmt *s) {
  open_line(p, "");
  stmt_line(p, s);
  close_line(p, s->at);
  p->level++;
  if (s->doc.n) {
    open_line(p, "doc");
    quoted(p, s->doc);
    close_line(p, s->doc_at);
  }
  for (uint32_t i = 0; i < s->marks.n; i++) {
    open_line(p, "mark");
    name_text(p, s->marks.at[i].verb.name);
    sb_char(p->b, ':');
    name_list(p, &s->marks.at[i].words);
    close_line(p, s->marks.at[i].at);
  }
  stmt_children(p, s);
  p->level--;
}

static void print_block(Printer *p, const char *role, const AstBlock *b) {
  if (!b) return;
  open_line(p, role);
  sb_add(p->b, STR("block"));
  close_line(p, b->at);
  p->level++;
  for (uint32_t i = 0; i < b->stmts.n; i++) print_stmt(p, b->stmts.at[i]);
  p->level--;
}

void ast_print(const AstFile *f, const Names *names, bool spans, Sb *b) {
  Printer p = {names, b, 0, spans};
  for (uint32_t i = 0; i < f->stmts.n; i++) print_stmt(&p, f->stmts.at[i]);
}
