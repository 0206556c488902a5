/* Expressions: one case a form. Static parts are computed, tensors become nodes. */
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"

/* Deepest nesting of evaluation, calls included; each level holds a few hundred bytes of C stack. */
enum { DEPTH_MAX = 4000 };

static Value eval_unary(Elab *x, Scope *s, const AstExpr *e) {
  Operand a = {eval(x, s, e->unary.operand), e->unary.operand->at};
  if (!val_ok(a.v)) return a.v;
  if (e->unary.op == UNARY_NOT) {
    if (a.v.kind == VAL_BOOL) return val_bool(!a.v.boolean);
    if (a.v.kind == VAL_KIND_COUNT) return a.v;
    return arith1(x, OP_NOT, "not", e->at, a);
  }
  if (a.v.kind == VAL_INT) return static_binary(x, BINARY_SUB, val_int(0), a.v, e->at);
  if (a.v.kind == VAL_REAL) return val_real(-a.v.real);
  if (a.v.kind == VAL_DIM) return val_dim(x, dim_sub(x->dims, dim_const(x->dims, 0), a.v.dim));
  if (a.v.kind == VAL_INSTANCE || a.v.kind == VAL_TREE)
    return tree_binary(x, BINARY_MUL, e->at, (Operand){val_int(-1), e->at}, a);
  return arith1(x, OP_NEG, "-", e->at, a);
}

static Value eval_transpose(Elab *x, Scope *s, const AstExpr *e) {
  Value v = eval(x, s, e->transpose.operand);
  if (!val_ok(v)) return v;
  if (!val_tensor(v) || val_type(x, v).rank < 2)
    return wrong_kind(x, e->transpose.operand->at, v, "a tensor with at least two axes");
  NodeId n = val_to_node(x, v, e->at, -1);
  uint8_t perm[MAX_RANK], r = node_type(x, n).rank;
  for (uint8_t i = 0; i < r; i++) perm[i] = i;
  perm[r - 1] = (uint8_t)(r - 2);
  perm[r - 2] = (uint8_t)(r - 1);
  Builder b = builder_at(x, e->at);
  return val_node(build_transpose(&b, n, perm));
}

static Value eval_list(Elab *x, Scope *s, const AstExpr *e) {
  uint32_t n = e->list.items.n;
  Value *at = ARENA_ARRAY(x->a, Value, n ? n : 1);
  Str path = x->frame->path;
  for (uint32_t i = 0; i < n; i++) {
    x->frame->path = str_fmt(x->a, STRF "[%u]", STRA(path), i);
    at[i] = e->list.items.at[i]->kind == EXPR_HOLE ? (Value){.kind = VAL_KIND_COUNT}
                                                   : eval(x, s, e->list.items.at[i]);
  }
  x->frame->path = path;
  for (uint32_t i = 0; i < n; i++)
    if (!val_ok(at[i])) return val_poison();
  return list_value(e->kind == EXPR_LIST ? VAL_LIST : VAL_TUPLE, at, n);
}

static Value eval_field(Elab *x, Scope *s, const AstExpr *e) {
  Value base = eval(x, s, e->field.base);
  if (!val_ok(base)) return base;
  if (base.kind == VAL_TREE) base = tree_instance(x, base);
  if (base.kind == VAL_INSTANCE) return instance_member(x, base, e->field.field);
  if (base.kind == VAL_FILE) {
    Binding *b = scope_find_here(x, base.file->scope, e->field.field.name);
    if (b && b->decl &&
        (b->decl->kind == STMT_CONST || b->decl->kind == STMT_FN || b->decl->kind == STMT_EXTERN ||
         b->decl->kind == STMT_MODULE || b->decl->kind == STMT_OPTIMIZER)) {
      Value v = binding_value(x, base.file->scope, b);
      return use_seen(x, e->field.field.at, b->at, v), v;
    }
    Str word = sym_str(x, e->field.field.name);
    if (base.file->ast->errors || name_muted(x, base.file->scope, e->field.field.name)) return val_poison();
    Diag *g = TELL(x, no_member, e->field.field.at,
                   str_fmt(x->a, "the file '" STRF "'", STRA(x->src->file.at[base.file->file].name)), word);
    if (b && b->decl) {
      diag_help(g, "an import gives functions, modules, optimizers and consts");
      return val_poison();
    }
    if (x->src->file.at[base.file->file].library && explain_layer(g, e->field.field.at, word))
      return val_poison();
    VEC(Str) names = {0};
    for (uint32_t i = 0; i < base.file->scope->binding.n; i++)
      VEC_PUSH(x->a, &names, sym_str(x, base.file->scope->binding.at[i]->name));
    suggest(x, g, e->field.field.at, word, names.at, names.n, "it has");
    return val_poison();
  }
  Str word = sym_str(x, e->field.field.name);
  Diag *g = TELL(x, no_member, e->field.field.at, val_text(x, base), word);
  if (val_tensor(base) && (builtin_find(word) || scope_find_here(x, x->prelude, e->field.field.name)))
    diag_help(g, "a tensor has no members: write " STRF "(" STRF ")", STRA(word),
              STRA(span_text(x, e->field.base->at)));
  else if (val_tensor(base) && str_eq(word, STR("T"))) {
    diag_help(g, "' is transpose");
    diag_edit(g, (Span){e->at.file, e->field.base->at.hi, e->field.field.at.hi}, STR("'"));
  } else if (val_tensor(base))
    explain_method(g, word, span_text(x, e->field.base->at));
  return val_poison();
}

static Value eval_if(Elab *x, Scope *s, const AstExpr *e) {
  bool yes;
  if (!val_static_bool(x, eval(x, s, e->choice.test), e->choice.test->at, "the test of an 'if'", &yes)) {
    probe_expr(x, s, e->choice.then);
    probe_expr(x, s, e->choice.otherwise);
    return val_poison();
  }
  const AstExpr *taken = yes ? e->choice.then : e->choice.otherwise;
  return taken ? eval(x, s, taken) : val_poison();
}

/* Forms through which the instance a `let` makes may come: the call itself, a choice, lists. */
static bool passes_instance(AstExprKind k) {
  return k == EXPR_CALL || k == EXPR_IF || k == EXPR_LIST || k == EXPR_TUPLE || k == EXPR_COMPREHENSION;
}

static Value eval_form(Elab *x, Scope *s, const AstExpr *e) {
  switch (e->kind) {
  case EXPR_ERROR: return val_poison();
  case EXPR_NUMBER: return static_number(x, e->number, e->at);
  case EXPR_STRING: return (Value){.kind = VAL_STRING, .str = e->string};
  case EXPR_BOOL: return val_bool(e->boolean);
  case EXPR_NAME: {
    Value v = name_value(x, s, e->name, e->at);
    return v.kind == VAL_LEAF ? leaf_value(x, s, v.leaf) : v;
  }
  case EXPR_HOLE:
  case EXPR_REST:
  case EXPR_RANGE: {
    Str word = e->kind == EXPR_HOLE ? STR("_") : e->kind == EXPR_REST ? STR("..") : STR(":");
    TELL(x, stands_not, e->at, word, "here: it needs an index or a dim around it");
    return val_poison();
  }
  case EXPR_DTYPE: return (Value){.kind = VAL_DTYPE, .dtype = dtype_of_word(e->dtype)};
  case EXPR_UNARY: return eval_unary(x, s, e);
  case EXPR_BINARY: {
    Operand a = {eval(x, s, e->binary.left), e->binary.left->at},
            b = {eval(x, s, e->binary.right), e->binary.right->at};
    return binary_value(x, e->binary.op, e->at, a, b);
  }
  case EXPR_TRANSPOSE: return eval_transpose(x, s, e);
  case EXPR_CALL: return eval_call(x, s, e);
  case EXPR_INDEX: return index_value(x, s, e);
  case EXPR_FIELD: {
    Value v = eval_field(x, s, e);
    return v.kind == VAL_LEAF ? leaf_value(x, s, v.leaf) : v;
  }
  case EXPR_LIST:
  case EXPR_TUPLE: return eval_list(x, s, e);
  case EXPR_COMPREHENSION: return eval_comprehension(x, s, e);
  case EXPR_IF: return eval_if(x, s, e);
  case EXPR_COND: return eval_cond(x, s, e);
  case EXPR_SCAN: return eval_scan(x, s, e);
  case EXPR_LAMBDA: {
    Closure *c = ARENA_NEW(x->a, Closure);
    *c = (Closure){.fn = e->lambda, .scope = s, .ext = UINT32_MAX};
    x->closures++;
    probe_lambda(x, c);
    return (Value){.kind = VAL_FN, .fn = c};
  }
  case EXPR_COUNT: break;
  }
  return val_poison();
}

Value eval(Elab *x, Scope *s, const AstExpr *e) {
  if (x->stopped) return val_poison();
  if (++x->expanded > x->limits->expansion)
    return limit_passed(x, e->at, "the expressions of the expanded program", "expansion",
                        x->limits->expansion);
  if (x->a->mem->used > x->room)
    return limit_passed(x, e->at, "the bytes of the expanded program", "expansion_bytes",
                        x->limits->expansion_bytes);
  x->now = e->at;
  if (x->depth >= DEPTH_MAX)
    return limit_passed(x, e->at, "nested expressions and calls together", "nesting", x->limits->nesting);
  x->depth++;
  bool making = x->frame->making;
  x->frame->making = making && passes_instance(e->kind);
  Value v = eval_form(x, s, e);
  x->frame->making = making;
  x->depth--;
  if ((v.kind == VAL_LIST || v.kind == VAL_TUPLE) && v.list.cells > x->limits->expansion)
    return limit_passed(x, e->at, "the values of a list", "expansion", x->limits->expansion);
  return v;
}
