/* Statements inside functions, train steps and optimizers. */
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"
#include "frontend/elaborate/train.h"

void stands_not(Elab *x, const AstStmt *t, const char *place) {
  if (t->kind == STMT_ERROR) return;
  Str word = str_z(ast_stmt_word(t->kind));
  Diag *g = TELL(x, stands_not, t->word.file ? t->word : t->at, word, place);
  if (t->kind == STMT_SET) diag_help(g, "to declare a name write 'let'; to change a state write ':='");
  if (t->kind == STMT_VAR)
    diag_help(g, "what stands outside of functions and steps does not change: write 'let' or 'const'");
}

/* The names it would have declared are no unknown names: that it stands there is all to be said. */
static void mute_names(Elab *x, Scope *s, const AstStmt *t) {
  if (t->kind == STMT_SET && t->assign.target.parts.n == 1)
    name_mute(x, s, t->assign.target.parts.at[0].name.name);
  else if (t->kind >= STMT_CONST && t->kind <= STMT_METRIC)
    for (uint32_t i = 0; i < t->bind.names.n; i++) name_mute(x, s, t->bind.names.at[i].name);
  else if (t->kind >= STMT_MODULE && t->kind <= STMT_TRAIN)
    name_mute(x, s, t->unit.name.name);
  else if (t->kind == STMT_IMPORT)
    name_mute(x, s, t->import.name.name);
}

void mute_block(Elab *x, Scope *s, const AstBlock *b) {
  for (uint32_t i = 0; b && i < b->stmts.n; i++) {
    const AstStmt *t = b->stmts.at[i];
    if (t->kind == STMT_FN || t->kind == STMT_EXTERN)
      name_mute(x, s, t->fn->name.name);
    else if (t->kind == STMT_IF) {
      mute_block(x, s, t->choice.then);
      mute_block(x, s, t->choice.otherwise);
    } else
      mute_names(x, s, t);
  }
}

void declares_not(Elab *x, Scope *s, const AstStmt *t, const char *place) {
  mute_names(x, s, t);
  if (t->kind == STMT_SET && s->file == x->main && t->assign.target.parts.n == 1) { /* `loss = mean(..)` */
    static const char *const words[] = {"input", "output", "loss", "metric", "state", "dataset"};
    Str word = path_text(x, &t->assign.target);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
      if (str_eq(word, str_z(words[i]))) {
        x->nameless = true;
        diag_help(TELL(x, stands_not, t->at, STR("="), place),
                  "if it declares one, it has a name: " STRF " a = ..", STRA(word));
        return;
      }
  }
  stands_not(x, t, place);
}

static bool in_function(Scope *s) { return scope_root(s)->kind == SCOPE_FN; }

/* `let` and `var` of a function or step: evaluated where they stand. */
void exec_let(Elab *x, Scope *s, const AstStmt *t) {
  Value v = val_poison();
  bool making = x->frame->making;
  x->frame->making = false;
  Type want;
  bool tensor = t->bind.type && (t->bind.type->kind == ATYPE_DTYPE || t->bind.type->kind == ATYPE_NAME) &&
                !type_is_static(x, s, t->bind.type);
  Span at = t->bind.value ? t->bind.value->at : t->at;
  if (t->bind.init && !tensor)
    TELL(x, declaration, t->at, STR("'~' needs a type, which says what shape to draw"));
  else if (t->bind.init) {
    if (type_of(x, s, t->bind.type, &want))
      v = val_node(val_coerce(x, eval_init(x, s, t->bind.init, want), want, t->bind.init->at, "the value"));
  } else if (t->bind.value) {
    v = eval(x, s, t->bind.value);
    if (tensor && val_ok(v))
      v = type_of(x, s, t->bind.type, &want) ? val_node(val_coerce(x, v, want, at, "the value"))
                                             : val_poison();
    else if (t->bind.type && val_ok(v))
      v = unify_check(x, s, t->bind.type, v, at, "the value");
  } else
    TELL(x, declaration, t->at, STR("this declaration has no value"));
  x->frame->making = making;
  uint32_t n = t->bind.names.n;
  if (n > 1 && val_ok(v) && v.kind != VAL_TUPLE && v.kind != VAL_LIST) v = wrong_kind(x, at, v, "a tuple");
  if (n > 1 && val_ok(v) && v.list.n != n) {
    TELL(x, declaration, at, str_fmt(x->a, "this gives %u values for %u names", v.list.n, n));
    v = val_poison();
  }
  for (uint32_t i = 0; i < n; i++) {
    AstIdent name = t->bind.names.at[i];
    if (!name.name.i) continue;
    Binding *b = scope_add(x, s, name.name, name.at);
    if (!b) continue;
    b->value = value_named(x, s, name, n == 1 || !val_ok(v) ? v : v.list.at[i], false);
    b->epoch = EPOCH_ALWAYS;
    b->is_var = t->kind == STMT_VAR;
    value_goes(x, name, b->value, b->is_var ? LOCAL_VAR : LOCAL_LET);
  }
}

/* `sum2 = a`: nothing near to it is meant that could not be assigned. */
static void assigned_first(Elab *x, Scope *s, Said *said, Sym name) {
  Scope *in;
  Binding *b = said->near.n ? scope_find(x, s, names_add(x->n, said->near), &in) : NULL;
  if (b && b->is_var) return;
  said->near = STR("");
  said->diag->edit.n = 0;
  diag_help(said->diag, "declare it first: var " STRF " = ..", STRA(sym_str(x, name)));
}

static void exec_set(Elab *x, Scope *s, const AstStmt *t) {
  const AstPath *p = &t->assign.target;
  Scope *in;
  Sym name = p->parts.at[0].name.name;
  Binding *b = scope_find(x, s, name, &in);
  if (!b) {
    uint32_t said = x->said.n;
    unknown_name(x, s, name, p->at);
    if (x->said.n > said) assigned_first(x, s, &x->said.at[said], name);
    (void)eval(x, s, t->assign.value);
    return;
  }
  if (p->parts.n > 1 || !b->is_var) {
    Diag *g = TELL(x, assign_target, p->at, path_text(x, p), "only a 'var' of this function takes '='");
    diag_label(g, b->at, "declared here");
    if (p->parts.n == 1 && in->kind != SCOPE_FILE && in->kind != SCOPE_MODULE && in->kind != SCOPE_PRELUDE)
      diag_help(g, "declare it by 'var' if it changes: var " STRF " = ..", STRA(sym_str(x, name)));
    else if (b->decl && b->decl->kind == STMT_STATE)
      diag_help(g, "a state changes by ':=', at the end of the step");
    return;
  }
  if (in->body != s->body) {
    Diag *g = TELL(x, assign_target, p->at, path_text(x, p), "it is declared outside of the body");
    diag_label(g, b->at, "declared here");
    diag_help(
        g, "what changes from step to step is carried: scan (" STRF " = " STRF ") .. { next " STRF " = .. }",
        STRA(sym_str(x, name)), STRA(sym_str(x, name)), STRA(sym_str(x, name)));
    return;
  }
  b->value = value_named(x, in, p->parts.at[0].name, eval(x, s, t->assign.value), false);
  value_goes(x, p->parts.at[0].name, b->value, LOCAL_VAR);
}

static bool any_dim(Value a, Value b) {
  bool ints = (a.kind == VAL_INT || a.kind == VAL_DIM) && (b.kind == VAL_INT || b.kind == VAL_DIM);
  return ints && (a.kind == VAL_DIM || b.kind == VAL_DIM);
}

/* mod(d, by) == 0: what is asserted of extents is known of them, for no binding that breaks it gets as far as
 * them. */
static void divides(Elab *x, Scope *s, const AstExpr *e) {
  if (e->kind != EXPR_CALL || e->call.args.n != 2 || e->call.callee->kind != EXPR_NAME) return;
  Value f = eval(x, s, e->call.callee), d, by;
  if (f.kind != VAL_BUILTIN || f.builtin->op != OP_MOD) return;
  d = eval(x, s, e->call.args.at[0].value);
  by = eval(x, s, e->call.args.at[1].value);
  if (d.kind == VAL_DIM && by.kind == VAL_INT) dim_multiple(x->dims, d.dim, by.i);
}

/* A comparison of dims that only a binding decides is kept for whoever binds them. */
static bool assert_later(Elab *x, Scope *s, const AstStmt *t, const AstExpr *e) {
  if (e->kind != EXPR_BINARY || e->binary.op < BINARY_EQ || e->binary.op > BINARY_GE) return false;
  Value a = eval(x, s, e->binary.left), b = eval(x, s, e->binary.right);
  if (!any_dim(a, b) || static_binary(x, e->binary.op, a, b, e->at).kind != VAL_KIND_COUNT) return false;
  bool swap = e->binary.op == BINARY_GT || e->binary.op == BINARY_GE;
  DimId l = a.kind == VAL_INT ? dim_const(x->dims, a.i) : a.dim,
        r = b.kind == VAL_INT ? dim_const(x->dims, b.i) : b.dim;
  bool or_equal = e->binary.op == BINARY_LE || e->binary.op == BINARY_GE;
  DimCompare op = e->binary.op == BINARY_EQ   ? DIM_EQ
                  : e->binary.op == BINARY_NE ? DIM_NE
                  : or_equal                  ? DIM_LE
                                              : DIM_LT;
  DimAssert d = {swap ? r : l,      swap ? l : r,        op,
                 told_at(x, e->at), span_text(x, e->at), t->check.has_why ? t->check.why : STR("")};
  for (uint32_t i = 0; i < x->p->asserts.n; i++) { /* once, not once an entry point */
    const DimAssert *o = &x->p->asserts.at[i];
    if (o->at.lo == d.at.lo && o->at.file == d.at.file && dim_eq(o->left, d.left) &&
        dim_eq(o->right, d.right))
      return true;
  }
  VEC_PUSH(x->p->arena, &x->p->asserts, d);
  int64_t zero;
  if (op == DIM_EQ && !x->probe && dim_is_const(x->dims, r, &zero) && zero == 0)
    divides(x, s, e->binary.left);
  return true;
}

/* rank(x), shape(x) and the like: known of a tensor when compiling. */
static bool asks_shape(Elab *x, Scope *s, const AstExpr *callee) {
  Scope *in;
  if (callee->kind != EXPR_NAME || scope_find(x, s, callee->name, &in)) return false;
  const Builtin *b = builtin_find(sym_str(x, callee->name));
  return b && (b->call == bi_rank || b->call == bi_shape || b->call == bi_size || b->call == bi_len);
}

/* A tensor in it: only the run decides. */
static bool reads_tensor(Elab *x, Scope *s, const AstExpr *e) {
  switch (e->kind) {
  case EXPR_NAME: {
    Scope *in;
    Binding *b = scope_find(x, s, e->name, &in);
    return b && val_tensor(binding_value(x, in, b));
  }
  case EXPR_UNARY: return reads_tensor(x, s, e->unary.operand);
  case EXPR_BINARY: return reads_tensor(x, s, e->binary.left) || reads_tensor(x, s, e->binary.right);
  case EXPR_CALL:
    for (uint32_t i = 0; i < e->call.args.n && !asks_shape(x, s, e->call.callee); i++)
      if (reads_tensor(x, s, e->call.args.at[i].value)) return true;
    return false;
  case EXPR_ERROR:
  case EXPR_NUMBER:
  case EXPR_STRING:
  case EXPR_BOOL:
  case EXPR_HOLE:
  case EXPR_REST:
  case EXPR_DTYPE:
  case EXPR_TRANSPOSE:
  case EXPR_INDEX:
  case EXPR_FIELD:
  case EXPR_LIST:
  case EXPR_TUPLE:
  case EXPR_COMPREHENSION:
  case EXPR_RANGE:
  case EXPR_IF:
  case EXPR_COND:
  case EXPR_SCAN:
  case EXPR_LAMBDA:
  case EXPR_COUNT: break; /* evaluated, which tells what it is */
  }
  return false;
}

/* Told where the call stands that gave the arguments. */
static void contract_broken(Elab *x, const AstStmt *t, const AstExpr *e) {
  Frame *own = x->frame;
  Span at = own->call_at.file ? own->call_at : e->at;
  if (probe_contract(x)) return;
  Str why = t->check.has_why ? str_fmt(x->a, ": " STRF, STRA(t->check.why)) : STR("");
  if (own->outer) x->frame = own->outer;
  Diag *g = TELL(x, contract, at, sym_str(x, own->what), span_text(x, e->at), why);
  x->frame = own;
  if (!x->src->file.at[e->at.file].library) diag_label(g, e->at, "required here");
}

/* False: it does not hold, and what is behind it would be told in vain. */
static bool check_fact(Elab *x, Scope *s, const AstStmt *t, const AstExpr *e) {
  if (e->kind == EXPR_BINARY && e->binary.op == BINARY_AND) /* groups >= 1 and mod(c, groups) == 0 */
    return check_fact(x, s, t, e->binary.left) && check_fact(x, s, t, e->binary.right);
  if (t->check.contract && reads_tensor(x, s, e)) return true;
  if (assert_later(x, s, t, e)) return true;
  Value v = eval(x, s, e);
  if (!val_ok(v)) return true;
  if (v.kind == VAL_KIND_COUNT) {
    not_built(x, e->at, "an assertion of this form about a dim that is bound later");
    return true;
  }
  bool yes;
  if (val_tensor(v)) {
    diag_help(TELL(x, not_static, e->at, "an assertion", val_text(x, v)),
              "assertions are about dims, consts and what is made of them");
    return true;
  }
  if (!val_static_bool(x, v, e->at, "an assertion", &yes) || yes) return true;
  if (t->check.contract) {
    contract_broken(x, t, e);
    return false;
  }
  TELL(x, assert_failed, e->at, t->check.has_why ? str_fmt(x->a, ": " STRF, STRA(t->check.why)) : STR(""));
  return false;
}

bool check_assert(Elab *x, Scope *s, const AstStmt *t) {
  const AstExpr *e = t->check.test;
  const Scope *in = s;
  while (in->kind == SCOPE_BLOCK || in->kind == SCOPE_BODY) in = in->outer;
  if (t->check.contract && (in->kind == SCOPE_FILE || in->kind == SCOPE_TRAIN)) {
    const char *place = in->kind == SCOPE_FILE ? "at file level" : "in a train step";
    diag_help(TELL(x, stands_not, t->word, STR("requires"), place), "nobody calls this: write 'assert'");
    return true;
  }
  if (live_claim(x, s, t)) return true;
  return check_fact(x, s, t, e);
}

/* open: it may have returned before, in a probe, which goes on. */
static bool returned(Value *ret, bool open) {
  if (open) *ret = val_poison();
  return true;
}

bool exec_block(Elab *x, Scope *s, const AstBlock *b, Value *ret) {
  bool open = false;
  const char *place = s->kind == SCOPE_TRAIN
                          ? x->entry == ENTRY_AFTER ? "in an 'after' block" : "in a train step"
                      : s->kind == SCOPE_OPTIMIZER        ? "in an optimizer"
                      : scope_root(s)->kind == SCOPE_BODY ? "in the body of a scan"
                                                          : "in a function";
  for (uint32_t i = 0; i < b->stmts.n && !x->stopped; i++) {
    const AstStmt *t = b->stmts.at[i];
    bool yes;
    switch (t->kind) {
    case STMT_ERROR: break;
    case STMT_CONST:
    case STMT_LET:
    case STMT_VAR: exec_let(x, s, t); break;
    case STMT_SET: exec_set(x, s, t); break;
    case STMT_ASSIGN: assign_state(x, s, t); break;
    case STMT_ASSERT:
      if (check_assert(x, s, t)) break;
      *ret = val_poison();
      return true;
    case STMT_IF:
      if (!val_static_bool(x, eval(x, s, t->choice.test), t->choice.test->at, "the test of an 'if'", &yes)) {
        *ret = val_poison();
        probe_block(x, s, t->choice.then);
        probe_block(x, s, t->choice.otherwise);
        bool returns = poison_block(x, s, t->choice.then, true);
        returns = poison_block(x, s, t->choice.otherwise, true) || returns;
        if (returns && !x->probe) return true;
        open = open || returns;
        break;
      }
      if (yes ? exec_block(x, s, t->choice.then, ret)
              : t->choice.otherwise && exec_block(x, s, t->choice.otherwise, ret))
        return returned(ret, open);
      break;
    case STMT_FOR:
      if (!exec_for(x, s, t, ret)) break;
      if (!x->probe || val_ok(*ret)) return returned(ret, open);
      open = true;
      break;
    case STMT_RETURN:
      if (!in_function(s)) {
        stands_not(x, t, place);
        break;
      }
      *ret = eval(x, s, t->value);
      if (i + 1 < b->stmts.n)
        TELL(x, declaration, b->stmts.at[i + 1]->at, STR("nothing after 'return' is reached"));
      return returned(ret, open);
    case STMT_STATE:
      if (scope_root(s)->kind == SCOPE_OPTIMIZER)
        optimizer_state(x, s, t);
      else
        stands_not(x, t, place);
      break;
    case STMT_IMPORT:
    case STMT_PARAM:
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
    case STMT_UPDATE: stands_not(x, t, place); break;
    case STMT_NEXT: scan_next(x, s, t); break;
    case STMT_YIELD: scan_yield(x, s, t); break;
    case STMT_COUNT: break;
    }
  }
  return open && returned(ret, open);
}

/* ---- `:=` ---- */

static Pending *pending_of(Elab *x, LeafId l) {
  uint32_t i;
  return map_get(&x->pending_by_leaf, l.i, &i) && i < x->pending.n && leaf_eq(x->pending.at[i].leaf, l)
             ? &x->pending.at[i]
             : NULL;
}

/* A state that an earlier call of this step assigned is read as assigned (several calls are threaded in text
 * order); within the call that assigns it, and everywhere else, it is the value at the step's start. */
Value leaf_value(Elab *x, Scope *s, LeafId l) {
  Value v = val_leaf(l);
  if (program_leaf_at(x->p, l)->kind != LEAF_STATE || !s->inst) return v;
  Pending *p = pending_of(x, l);
  if (!p) return v;
  if (p->serial != s->serial) return value_seen(x, NULL, val_node(p->node));
  return node_ok(p->before) ? value_seen(x, NULL, val_node(p->before)) : v;
}

static void assign_leaf(Elab *x, Scope *s, LeafId l, Value v, Span at, Span target) {
  const Leaf *f = program_leaf_at(x->p, l);
  bool after = x->entry == ENTRY_AFTER, optimizer = scope_root(s)->kind == SCOPE_OPTIMIZER;
  if (f->kind == LEAF_INPUT || f->kind > LEAF_STATE) {
    TELL(x, assign_target, target, sym_str(x, f->path), "only parameters and states change");
    return;
  }
  if (f->kind == LEAF_PARAM && !optimizer && !after) {
    Diag *g = TELL(x, assign_target, target, sym_str(x, f->path),
                   "a parameter is changed by the optimizer that updates it");
    diag_help(g, "declare it 'state', or change it in an 'after' block");
    return;
  }
  NodeId n = leaf_kept(x, l, val_coerce(x, v, leaf_type(x, l), at, "the value"), at);
  if (!node_ok(n)) return;
  Pending *p = pending_of(x, l);
  if (p && p->serial == s->serial) {
    diag_label(TELL(x, assign_target, target, sym_str(x, program_leaf_at(x->p, l)->path),
                    "it is assigned already, and all assignments happen together"),
               p->at, "assigned here");
    return;
  }
  if (p) {
    p->before = p->node;
    p->node = n;
    p->serial = s->serial;
    p->at = target;
  } else {
    map_put(&x->pending_by_leaf, l.i, x->pending.n);
    VEC_PUSH(x->a, &x->pending, (Pending){l, n, NO_NODE, s->serial, target});
  }
}

void assign_state(Elab *x, Scope *s, const AstStmt *t) {
  const AstPath *p = &t->assign.target;
  if (in_body(x)) {
    Diag *g =
        TELL(x, assign_target, p->at, path_text(x, p), "a step of a loop, or a choice, assigns nothing");
    diag_help(g, "carry the value, and assign what comes out of the scan");
    return;
  }
  Value v = eval(x, s, t->assign.value);
  Span at = t->assign.value->at;
  Value to = val_poison();
  for (uint32_t i = 0; i < p->parts.n; i++) {
    if (p->parts.at[i].star) {
      TELL(x, assign_target, p->at, path_text(x, p), "a path with '*' has no one value");
      return;
    }
    AstIdent name = p->parts.at[i].name;
    to = i == 0                    ? name_value(x, s, name.name, name.at)
         : to.kind == VAL_INSTANCE ? instance_member(x, to, name)
                                   : wrong_kind(x, name.at, to, "an instance");
    for (uint32_t k = 0; k < p->parts.at[i].index.n && val_ok(to); k++) {
      int64_t at_index;
      if (to.kind != VAL_LIST) {
        to = wrong_kind(x, p->parts.at[i].at, to, "a list");
        break;
      }
      if (!val_static_int(x, eval(x, s, p->parts.at[i].index.at[k]), p->parts.at[i].at, "an index",
                          &at_index))
        return;
      if (at_index < 0) at_index += to.list.n;
      if (at_index < 0 || at_index >= to.list.n) {
        TELL(x, index_range, p->parts.at[i].at, str_fmt(x->a, "%lld", (long long)at_index), val_text(x, to));
        return;
      }
      to = to.list.at[at_index];
    }
    if (!val_ok(to)) return;
  }
  probe_assigns(x, to);
  if (!val_ok(v)) return;
  bool acts = x->frame->training && (x->entry == ENTRY_TRAIN || x->entry == ENTRY_AFTER);
  if (to.kind == VAL_LEAF) {
    if (acts)
      assign_leaf(x, s, to.leaf, v, at, p->at);
    else if (!node_ok(val_coerce(x, v, leaf_type(x, to.leaf), at, "the value")))
      return;
    return;
  }
  if (to.kind == VAL_TENSOR && s->inst && s->inst->holds) {
    diag_help(
        TELL(x, assign_target, p->at, path_text(x, p), "what is called here are values, which nothing keeps"),
        "call the instance itself where its states are to change");
    return;
  }
  if (to.kind != VAL_INSTANCE) {
    TELL(x, assign_target, p->at, path_text(x, p), "only parameters, states and instances of them change");
    return;
  }
  Tree *dst = instance_tree(x, to.inst), *src = v.kind == VAL_INSTANCE ? instance_tree(x, v.inst)
                                                : v.kind == VAL_TREE   ? v.tree
                                                                       : NULL;
  if (!src || src->n != dst->n) {
    wrong_kind(x, at, v, "an instance with the same parameters");
    return;
  }
  for (uint32_t i = 0; i < dst->n && acts; i++)
    assign_leaf(x, s, dst->value[i].leaf, src->value[i], at, p->at);
}

void pending_roots(Elab *x) {
  for (uint32_t i = 0; i < x->pending.n; i++)
    graph_root(x->g, ROOT_ASSIGN, program_leaf_at(x->p, x->pending.at[i].leaf)->path, x->pending.at[i].leaf,
               x->pending.at[i].node, x->pending.at[i].at);
}
