/* Calls: arguments by position and keyword, functions, lambdas, host functions, and rules of differentiation
 * written by `backward`. Every call expands the body in place; frames remember where it was written. */
#include "base/num.h"
#include "frontend/elaborate/elab.h"
#include "frontend/elaborate/probe.h"

void frame_push(Elab *x, Frame *f, Frame *caller) {
  f->outer = caller;
  f->saved = x->frame;
  f->want_dtype = -1;
  f->training = caller ? caller->training : x->training;
  f->key = x->entry_key;
  x->frame = f;
}

/* Key of the n-th call of `name` under the current frame: names and counts only, so that unrelated edits
 * change nothing. */
uint64_t frame_key(Elab *x, Sym name) {
  Frame *f = x->frame;
  uint32_t i = 0;
  while (i < f->count.n && !sym_eq(f->count.at[i].name, name)) i++;
  if (i == f->count.n) {
    __typeof__(*f->count.at) fresh = {name, 0};
    VEC_PUSH(x->a, &f->count, fresh);
  }
  Str t = sym_str(x, name);
  return hash_bytes(t.p, t.n, hash_mix(f->key + ++f->count.at[i].n));
}

void unit_used(Elab *x, Span word) { map_put(&x->used, word.lo | (uint64_t)word.file << 32, 1); }

bool eval_args(Elab *x, Scope *s, const AstArgVec *args, ArgVec *out) {
  bool good = true;
  bool making = x->frame->making;
  x->frame->making = false;
  if (!out->cap && args->n) {
    out->at = ARENA_ARRAY(x->a, Arg, args->n);
    out->cap = args->n;
  }
  for (uint32_t i = 0; i < args->n; i++) {
    const AstArg *a = &args->at[i];
    Arg r = {.name = a->name.name, .at = a->value->at, .name_at = a->name.at, .v = eval(x, s, a->value)};
    if (r.v.kind == VAL_KIND_COUNT) r.v = (val_static_bool(x, r.v, r.at, "an argument", &good), val_poison());
    good = good && val_ok(r.v);
    VEC_PUSH(x->a, out, r);
  }
  x->frame->making = making;
  return good;
}

bool arg_named(const Elab *x, const ArgVec *args, Str name) {
  for (uint32_t i = 0; i < args->n; i++)
    if (args->at[i].name.i && str_eq(sym_str(x, args->at[i].name), name)) return true;
  return false;
}

static void complain(Elab *x, Span at, Str name, Str what) { TELL(x, arguments, at, name, what); }

bool match_params(Elab *x, const AstParamVec *params, uint32_t skip, ArgVec *args, Arg **given, Span at,
                  Str name) {
  uint32_t n = params->n - skip;
  const AstParam *ps = n ? params->at + skip : NULL;
  bool good = true, keyword = false, misnamed = false;
  uint32_t next = 0;
  for (uint32_t i = 0; i < args->n; i++) {
    Arg *a = &args->at[i];
    uint32_t k = next;
    if (a->name.i) {
      keyword = true;
      for (k = 0; k < n && !sym_eq(ps[k].name.name, a->name); k++) {}
      if (k == n) {
        Diag *g = TELL(x, arguments, a->name_at, name,
                       str_fmt(x->a, "it has no parameter '" STRF "'", STRA(sym_str(x, a->name))));
        VEC(Str) names = {0};
        for (uint32_t j = 0; j < n; j++)
          if (!given[j] && !arg_named(x, args, sym_str(x, ps[j].name.name)))
            VEC_PUSH(x->a, &names, sym_str(x, ps[j].name.name));
        suggest(x, g, a->name_at, sym_str(x, a->name), names.at, names.n, "it has");
        good = false;
        misnamed = true;
        continue;
      }
    } else if (keyword || k >= n) {
      complain(x, a->at, name,
               keyword ? STR("a positional argument behind a named one")
                       : str_fmt(x->a, "it takes %u argument%s", n, n == 1 ? "" : "s"));
      return false;
    } else
      next++;
    if (given[k]) {
      complain(x, a->at, name, str_fmt(x->a, "'" STRF "' is given twice", STRA(sym_str(x, ps[k].name.name))));
      good = false;
    } else
      given[k] = a;
  }
  Sb missing;
  sb_init(&missing, x->a);
  uint32_t count = 0;
  for (uint32_t k = 0; k < n && !misnamed; k++) /* else it may be what the wrong name was for */
    if (!given[k] && !ps[k].value)
      sb_fmt(&missing, "%s'" STRF "'", count++ ? ", " : "", STRA(sym_str(x, ps[k].name.name)));
  if (count) {
    complain(x, at, name,
             str_fmt(x->a, STRF " %s missing", STRA(sb_str(&missing)), count > 1 ? "are" : "is"));
    good = false;
  }
  return good;
}

bool bind_params(Elab *x, Scope *callee, const AstParamVec *params, uint32_t skip, ArgVec *args, Span at,
                 Str name) {
  uint32_t n = params->n - skip;
  const AstParam *ps = n ? params->at + skip : NULL;
  Arg **given = ARENA_ARRAY(x->a, Arg *, n + 1);
  bool good = true;
  if (!match_params(x, params, skip, args, given, at, name)) return false;
  for (uint32_t k = 0; k < n; k++)
    if (given[k] && ps[k].type) unify_learn(x, callee, ps[k].type, given[k]->v);
  for (uint32_t k = 0; k < n; k++) {
    Value v = given[k] ? given[k]->v : eval(x, callee, ps[k].value);
    Span from = given[k] ? given[k]->at : ps[k].value->at;
    uint8_t ones = v.kind == VAL_TENSOR ? v.ones : 0;
    if (ps[k].type) {
      Str what = str_fmt(x->a, "'" STRF "'", STRA(sym_str(x, ps[k].name.name)));
      v = unify_check(x, callee, ps[k].type, v, from, str_copy(x->a, what).p);
    }
    if (v.kind == VAL_TENSOR) v.ones |= ones;
    good = good && val_ok(v);
    v = value_named(x, callee, ps[k].name, v, true);
    value_goes(x, ps[k].name, v, LOCAL_ARGUMENT);
    scope_bind(x, callee, ps[k].name, v);
  }
  return good;
}

/* ---- host functions ---- */

static bool all_tensors(Elab *x, Scope *callee, const AstFn *fn, NodeId *in, Span at) {
  for (uint32_t k = 0; k < fn->params.n; k++) {
    Binding *b = scope_find_here(x, callee, fn->params.at[k].name.name);
    if (!b || !val_ok(b->value)) return false;
    const AstType *t = fn->params.at[k].type;
    if (!t) {
      TELL(x, declaration, fn->params.at[k].at, STR("a parameter of a host function has a type"));
      return false;
    }
    Type want;
    if (!type_of(x, callee, t, &want)) return false;
    in[k] = val_coerce(x, b->value, want, at, "the argument");
    if (!node_ok(in[k])) return false;
  }
  return true;
}

static Value call_extern(Elab *x, Closure *c, Scope *callee, Span at) {
  const AstFn *fn = c->fn;
  NodeId in[8];
  Type out;
  if (fn->params.n > 8) {
    TELL(x, declaration, fn->head, STR("a host function takes at most 8 tensors"));
    return val_poison();
  }
  if (!fn->result) {
    TELL(x, declaration, fn->head, STR("a host function has a result type"));
    return val_poison();
  }
  if (!all_tensors(x, callee, fn, in, at) || !type_of(x, callee, fn->result, &out)) return val_poison();
  if (c->ext == UINT32_MAX) {
    for (uint32_t i = 0; i < x->p->externs.n; i++)
      if (sym_eq(x->p->externs.at[i].name, c->name)) c->ext = i;
    if (c->ext == UINT32_MAX) {
      Extern e = {.name = c->name, .at = fn->name.at, .nin = fn->params.n, .out = out};
      for (uint32_t i = 0; i < e.nin; i++) e.in[i] = node_type(x, in[i]);
      c->ext = x->p->externs.n;
      VEC_PUSH(x->p->arena, &x->p->externs, e);
    }
  }
  int64_t attr = c->ext;
  return val_node(
      emit(x, at, str_copy(x->a, sym_str(x, c->name)).p, OP_EXTERN, in, fn->params.n, &attr, &out));
}

/* `backward (dy) = dx`: the value is wrapped in a node that carries the rule, written over a stand-in for the
 * cotangent. */
static Value with_backward(Elab *x, Closure *c, Scope *callee, Value v, Span at) {
  const AstBackward *r = c->fn->backward;
  if (v.kind != VAL_TENSOR && v.kind != VAL_LEAF)
    return val_number(v) || !val_ok(v)
               ? v
               : not_built(x, r->word, "'backward' of a function with several results");
  if (r->params.n != 1) {
    complain(x, r->word, sym_str(x, c->name),
             STR("its 'backward' takes one cotangent, as it has one result"));
    return val_poison();
  }
  VEC(NodeId) in = {0};
  NodeId value = val_to_node(x, v, at, -1);
  VEC_PUSH(x->a, &in, value);
  for (uint32_t k = 0; k < c->fn->params.n; k++) {
    Binding *b = scope_find_here(x, callee, c->fn->params.at[k].name.name);
    if (b && val_tensor(b->value)) VEC_PUSH(x->a, &in, val_to_node(x, b->value, at, -1));
  }
  uint32_t n = in.n - 1;
  if (!n) return v;
  int64_t id = x->ncustom++;
  Type t = node_type(x, value);
  NodeId dy = emit(x, r->params.at[0].at, "backward", OP_COTANGENT, NULL, 0, &id, &t);
  Scope *s = scope_new(x, SCOPE_FN, callee);
  scope_bind(x, s, r->params.at[0].name, val_node(dy));
  Value dx = val_poison();
  if (r->value)
    dx = eval(x, s, r->value);
  else if (r->body)
    exec_block(x, s, r->body, &dx);
  if (!val_ok(dx)) return dx;
  if (n > 1 && (dx.kind != VAL_TUPLE || dx.list.n != n))
    return wrong_kind(x, r->at, dx, "one derivative for each tensor parameter, as a tuple");
  for (uint32_t k = 0; k < n; k++) {
    NodeId d = val_coerce(x, n > 1 ? dx.list.at[k] : dx, node_type(x, in.at[1 + k]),
                          r->value ? r->value->at : r->at, "the derivative");
    if (!node_ok(d)) return val_poison();
    VEC_PUSH(x->a, &in, d);
  }
  return val_node(emit(x, at, "backward", OP_CUSTOM, in.at, in.n, (int64_t[]){id, n}, NULL));
}

/* ---- functions ---- */

/* What is called with a function may come back to where it is, as in each(fn (y) = each(f, y), x), and still
 * end. */
static bool holds_function(Value v) {
  for (uint32_t i = 0; (v.kind == VAL_LIST || v.kind == VAL_TUPLE) && i < v.list.n; i++)
    if (holds_function(v.list.at[i])) return true;
  return v.kind == VAL_FN || v.kind == VAL_BUILTIN || v.kind == VAL_INSTANCE || v.kind == VAL_TREE;
}

static Value recursion(Elab *x, const Closure *c, Span at, Sym what) {
  diag_label(TELL(x, recursion, at, sym_str(x, what)), c->fn->head, "called from its own body");
  map_put(&x->endless, c->fn->head.lo | (uint64_t)c->fn->head.file << 32, 1);
  return val_poison();
}

/* So many calls deep: is it one function again and again? Then it is told where it first came back to itself.
 */
static bool tell_endless(Elab *x) {
  enum { AGAIN = 8 };
  Frame *found = NULL;
  uint32_t most = AGAIN;
  for (Frame *f = x->frame; f; f = f->saved) {
    uint32_t n = 0;
    Frame *second = NULL, *first = NULL;
    for (Frame *g = x->frame; g && f->fn; g = g->saved)
      if (g->fn && g->fn->fn == f->fn->fn) n++, second = first, first = g; /* outermost last */
    if (n >= most) found = second, most = n;
  }
  if (!found) return false;
  Frame *now = x->frame;
  x->frame = found->saved;
  (void)recursion(x, found->fn, found->call_at, found->what);
  x->frame = now;
  return true;
}

Value closure_body(Elab *x, Closure *c, Scope *callee, Span at) {
  const AstFn *fn = c->fn;
  Value v = val_poison();
  if (c->is_extern)
    v = call_extern(x, c, callee, at);
  else if (fn->value)
    v = eval(x, callee, fn->value);
  else if (fn->body && !exec_block(x, callee, fn->body, &v) && !x->stopped && !has_error(&fn->body->stmts)) {
    Str name = c->name.i ? str_fmt(x->a, "the function '" STRF "'", STRA(sym_str(x, c->name)))
                         : STR("this function");
    diag_help(TELL(x, declaration, fn->head, str_fmt(x->a, STRF " returns nothing", STRA(name))),
              "end it with 'return e'");
  }
  if (!val_ok(v)) return v;
  uint8_t ones = v.kind == VAL_TENSOR ? v.ones : 0;
  if (fn->result && !c->is_extern) {
    unify_learn(x, callee, fn->result, v);
    v = unify_check(x, callee, fn->result, v, fn->value ? fn->value->at : fn->result->at, "the result");
  }
  if (v.kind == VAL_TENSOR) v.ones |= ones;
  return fn->backward && val_ok(v) ? with_backward(x, c, callee, v, at) : v;
}

static Value call_closure(Elab *x, Closure *c, ArgVec *args, Span at, Sym what) {
  uint32_t seen;
  if (map_get(&x->endless, c->fn->head.lo | (uint64_t)c->fn->head.file << 32, &seen)) return val_poison();
  bool functions = false;
  for (uint32_t i = 0; i < args->n; i++) functions = functions || holds_function(args->at[i].v);
  for (const Frame *f = x->frame; f && !functions; f = f->saved)
    if (f->fn && f->fn->fn == c->fn && f->fn->scope == c->scope) return recursion(x, c, at, what);
  if (x->calls >= x->limits->calls)
    return tell_endless(x) ? val_poison() : limit_passed(x, at, "nested calls", "calls", x->limits->calls);
  x->calls++;
  if (!probe_descends(x, c)) return val_poison();
  unit_used(x, c->fn->head);
  Scope *callee = scope_new(x, SCOPE_FN, c->scope);
  callee->serial = ++x->serial;
  uint64_t key = frame_key(x, what);
  LocationId caller = location_here(x, at);
  Frame f = {0};
  int want = x->frame->want_dtype;
  frame_push(x, &f, x->frame);
  f.call_at = at;
  f.caller = caller;
  f.what = what;
  f.want_dtype = want;
  f.fn = c;
  f.key = key;
  if (c->scope->inst && c->scope->inst->frozen) f.training = false;
  Value v = bind_params(x, callee, &c->fn->params, 0, args, at, sym_str(x, what))
                ? closure_body(x, c, callee, at)
                : val_poison();
  frame_pop(x);
  x->calls--;
  return v;
}

Value call_instance(Elab *x, Instance *i, ArgVec *args, Span at) {
  Binding *b = scope_find_here(x, i->scope, sym_of(x, "(call)"));
  if (!b) {
    AstIdent module = i->module.stmt->unit.name;
    if (has_error(&i->module.stmt->unit.body->stmts)) return val_poison(); /* it may have stood there */
    Diag *g = TELL(
        x, declaration, at,
        str_fmt(x->a, "an instance of '" STRF "' cannot be called: the module has no function without a name",
                STRA(sym_str(x, module.name))));
    diag_label(g, module.at, "declared here");
    diag_help(g, "add one to the module: fn (x: ..) -> .. = ..");
    return val_poison();
  }
  Value f = binding_value(x, i->scope, b);
  return f.kind == VAL_FN ? call_closure(x, f.fn, args, at, i->path) : val_poison();
}

Value call_value(Elab *x, Value callee, ArgVec *args, Span at) {
  switch (callee.kind) {
  case VAL_FN:
    return call_closure(x, callee.fn, args, at, callee.fn->name.i ? callee.fn->name : sym_of(x, "fn"));
  case VAL_BUILTIN: return callee.builtin->call(x, callee.builtin, args, at);
  case VAL_INSTANCE: return call_instance(x, callee.inst, args, at);
  case VAL_MODULE: return make_instance(x, callee.unit, args, at);
  case VAL_OPTIMIZER: {
    diag_help(TELL(x, optimizer, at, STR("an optimizer is used in a train step, not called")),
              "update .. using " STRF "(..)", STRA(sym_str(x, callee.unit.stmt->unit.name.name)));
    return val_poison();
  }
  case VAL_TREE: return call_instance(x, tree_instance(x, callee).inst, args, at);
  case VAL_POISON: return callee;
  case VAL_INT:
  case VAL_DIM:
  case VAL_REAL:
  case VAL_BOOL:
  case VAL_STRING:
  case VAL_LIST:
  case VAL_TUPLE:
  case VAL_TENSOR:
  case VAL_LEAF:
  case VAL_FILE:
  case VAL_DATASET:
  case VAL_DTYPE:
  case VAL_KIND_COUNT: break;
  }
  return wrong_kind(x, at, callee, "a function");
}

static Value cast(Elab *x, const AstExpr *e, ArgVec *args, DType to) {
  if (args->n != 1 || args->at[0].name.i) {
    complain(x, e->at, str_z(dtype_name(to)), STR("a conversion takes one value"));
    return val_poison();
  }
  if (dtype_is_stored(to)) {
    complain(x, e->at, str_z(dtype_name(to)),
             to == DT_U8 ? STR("no value has this type, inputs alone are kept so")
                         : STR("no value has this type; inputs, parameters and states are kept so"));
    return val_poison();
  }
  Arg *a = &args->at[0];
  if (a->v.kind == VAL_REAL && dtype_is_int(to)) { /* what an integer holds, val_to_node checks */
    if (!(a->v.real < 0x1p63 && a->v.real >= -0x1p63)) {
      TELL(
          x, static_arith, a->at,
          str_fmt(x->a, "%s does not fit %s", num_text((char[NUM_TEXT]){0}, 6, a->v.real).p, dtype_name(to)));
      return val_poison();
    }
    a->v = val_int((int64_t)a->v.real);
  }
  if (a->v.kind == VAL_BOOL && to != DT_BOOL) a->v = val_int(a->v.boolean);
  if (!val_tensor(a->v)) return val_node(val_to_node(x, a->v, a->at, (int)to));
  NodeId n = a->v.kind == VAL_LEAF ? leaf_to_node(x, a->v.leaf) : val_to_node(x, a->v, a->at, (int)to);
  if (!node_ok(n)) return val_poison();
  Builder b = builder_at(x, e->at);
  if (node_type(x, n).dtype != to) n = build_cast(&b, n, to);
  return (Value){.kind = VAL_TENSOR, .node = n, .ones = a->v.kind == VAL_TENSOR ? a->v.ones : 0};
}

/* An expression as the second argument of grad is a new value, which nothing before it reads: its derivative
 * would be 0 in silence. */
static bool differentiates_by_name(Elab *x, Scope *s, const AstExpr *e) {
  const AstExpr *by = NULL;
  Value callee = eval(x, s, e->call.callee);
  const char *own = callee.kind == VAL_BUILTIN ? callee.builtin->name : "grad";
  if (e->call.callee->kind != EXPR_NAME || !str_eq(sym_str(x, e->call.callee->name), str_z(own))) {
    TELL(x, declaration, e->call.callee->at,
         str_fmt(x->a, "'%s' is called by its own name: what it differentiates by is a name, no value", own));
    return false;
  }
  for (uint32_t i = 0; i < e->call.args.n; i++) {
    const AstArg *a = &e->call.args.at[i];
    if (ast_ident_written(a->name) ? str_eq(sym_str(x, a->name.name), STR("x")) : i == 1) by = a->value;
  }
  Scope *in;
  const AstExpr *base = by;
  while (base && base->kind == EXPR_INDEX) base = base->index.base;
  bool made = base && (base->kind == EXPR_BINARY || base->kind == EXPR_UNARY ||
                       base->kind == EXPR_TRANSPOSE || base->kind == EXPR_CALL);
  if (base != by && base->kind == EXPR_NAME) { /* an item of a list has a name; a part of a tensor is new */
    Binding *b = scope_find(x, s, base->name, &in);
    made = b && val_tensor(b->value);
  }
  if (!made) return true;
  diag_help(TELL(x, wrong_kind, by->at, STR("a new value"), "the name of a real tensor to differentiate by"),
            "nothing reads a value that is made here: name it by 'let', use the name in the first argument "
            "and here");
  return false;
}

static bool callable(Value v) {
  return v.kind == VAL_FN || v.kind == VAL_BUILTIN || v.kind == VAL_INSTANCE || v.kind == VAL_MODULE ||
         v.kind == VAL_OPTIMIZER || v.kind == VAL_TREE;
}

Value eval_call(Elab *x, Scope *s, const AstExpr *e) {
  ArgVec args = {0};
  bool making = x->frame->making;
  x->frame->making = false; /* `let y = M(2)(x)` names no instance */
  Value callee = eval(x, s, e->call.callee);
  x->frame->making = making;
  if (callee.kind == VAL_BUILTIN && callee.builtin->op == OP_CHECKPOINT)
    return eval_checkpoint(x, s, e, callee.builtin);
  bool good = eval_args(x, s, &e->call.args, &args);
  if (!val_ok(callee)) return callee;
  if (callee.kind == VAL_DTYPE) return good ? cast(x, e, &args, callee.dtype) : val_poison();
  if (!callable(callee)) {
    Diag *g = TELL(x, wrong_kind, e->call.callee->at, val_text(x, callee), "a function");
    if (val_tensor(callee) || val_number(callee)) diag_help(g, "a product is written a * b");
    return val_poison();
  }
  if (!good) {
    probe_arguments(x, callee, &args, e->at);
    return val_poison();
  }
  if (callee.kind == VAL_BUILTIN && callee.builtin->op == OP_GRAD && !differentiates_by_name(x, s, e))
    return val_poison();
  return call_value(x, callee, &args, e->at);
}

/* `~ f(args)` means f(args, shape = the declared one); draws inside take the declared dtype. */
Value eval_init(Elab *x, Scope *s, const AstExpr *call, Type want) {
  if (call->kind != EXPR_CALL) {
    TELL(x, declaration, call->at, STR("after '~' stands a call, as in '~ normal(0, 1)'"));
    return val_poison();
  }
  Value callee = eval(x, s, call->call.callee);
  ArgVec args = {0};
  if (!eval_args(x, s, &call->call.args, &args) || !val_ok(callee)) return val_poison();
  Value dims[MAX_RANK];
  for (int i = 0; i < want.rank; i++) dims[i] = val_dim(x, want.dim[i]);
  VEC_PUSH(x->a, &args,
           (Arg){.name = sym_of(x, "shape"),
                 .v = val_list(x, VAL_LIST, dims, want.rank),
                 .at = call->at,
                 .name_at = call->at});
  int before = x->frame->want_dtype;
  x->frame->want_dtype = want.dtype;
  Value v = call_value(x, callee, &args, call->at);
  x->frame->want_dtype = before;
  return v;
}
