/* Train steps: the loss, who updates what, and the optimizers' bodies expanded for each parameter with g =
 * grad(loss; leaf). */
#include "frontend/elaborate/train.h"

void bind_clock(Elab *x, Scope *s, Span at) {
  for (int i = 0; i < 2; i++) {
    Binding *b = scope_add(x, s, sym_of(x, i ? "epoch" : "step"), at);
    if (!b) continue;
    b->value = (Value){
        .kind = VAL_TENSOR, .node = leaf_to_node(x, clock_leaf(x, i ? LEAF_EPOCH : LEAF_STEP)), .weak = true};
    b->epoch = EPOCH_ALWAYS;
  }
}

static void minimize(Elab *x, Step *st, const AstStmt *t) {
  Str name = sym_str(x, st->ts.name);
  if (st->minimize) {
    Diag *g = TELL(x, minimize, t->word, name, "minimizes twice");
    diag_label(g, st->minimize->word, "first here");
    diag_help(g, "a step has one loss: minimize the sum, or write a second train step");
    return;
  }
  st->minimize = t;
  st->ts.minimize_at = t->value->at;
  st->ts.loss_name = sym_of(x, "loss");
  Scope *in;
  if (t->value->kind == EXPR_NAME) {
    Binding *b = scope_find(x, st->scope, t->value->name, &in);
    if (b && b->decl && b->decl->kind == STMT_LOSS) st->ts.loss_name = b->name;
  }
  names_prepare(x, st->scope, t->value);
  Value v = eval(x, st->scope, t->value);
  if (!val_ok(v)) return;
  NodeId n = val_to_node(x, v, t->value->at, val_tensor(v) ? -1 : DT_F32);
  if (!node_ok(n)) return;
  Type ty = node_type(x, n);
  if (ty.rank || !dtype_is_float((DType)ty.dtype)) {
    not_a_loss(x, t->value->at, ty);
    return;
  }
  st->ts.loss = n;
}

/* `rate = e` changes a var of the step; any other name before '=' is a setting. */
static bool names_var(Elab *x, Scope *s, const AstPath *p) {
  Binding *b = p->parts.n == 1 ? scope_find_here(x, s, p->parts.at[0].name.name) : NULL;
  return b && b->is_var;
}

static void step_stmts(Elab *x, Step *st, const AstStmtVec *stmts) {
  for (uint32_t i = 0; i < stmts->n && !x->stopped; i++) {
    const AstStmt *t = stmts->at[i];
    bool yes;
    if (t->kind == STMT_MINIMIZE)
      minimize(x, st, t);
    else if (t->kind == STMT_UPDATE)
      VEC_PUSH(x->a, &st->update, (Update){.stmt = t});
    else if (t->kind == STMT_SET && !names_var(x, st->scope, &t->assign.target))
      train_setting(x, st, t);
    else if (t->kind == STMT_IF) {
      if (!val_static_bool(x, eval(x, st->scope, t->choice.test), t->choice.test->at, "the test of an 'if'",
                           &yes)) {
        st->hurt = true;
        (void)poison_block(x, st->scope, t->choice.then, true);
        (void)poison_block(x, st->scope, t->choice.otherwise, true);
      } else if (yes || t->choice.otherwise)
        step_stmts(x, st, yes ? &t->choice.then->stmts : &t->choice.otherwise->stmts);
    } else {
      AstStmt *copy = stmts->at[i];
      AstBlock one = {.stmts = {.at = &copy, .n = 1, .cap = 1}, .at = t->at};
      Value ret;
      exec_block(x, st->scope, &one, &ret);
    }
  }
}

/* What the optimizer is set to, for messages: argument or default of each parameter behind the gradient. */
static void group_settings(Elab *x, Group *g, const AstStmt *optimizer, const ArgVec *args) {
  const AstParamVec *ps = &optimizer->unit.params;
  for (uint32_t k = 2; k < ps->n; k++) {
    const AstExpr *otherwise = ps->at[k].value;
    GroupSetting r = {.name = ps->at[k].name.name, .number = __builtin_nan("")};
    if (otherwise) {
      r.at = otherwise->at;
      r.standard = span_text(x, otherwise->at);
      if (otherwise->kind == EXPR_NUMBER) r.number = static_real(static_number(x, otherwise->number, r.at));
    }
    for (uint32_t i = 0, position = 2; i < args->n; i++) {
      const Arg *a = &args->at[i];
      if (a->name.i ? !sym_eq(a->name, r.name) : position++ != k) continue;
      bool number = a->v.kind == VAL_INT || a->v.kind == VAL_REAL;
      r.number = number ? static_real(a->v) : __builtin_nan("");
      r.at = a->at;
      r.given = true;
    }
    VEC_PUSH(x->p->arena, &g->setting, r);
  }
}

static void group_optimizer(Elab *x, Step *st, uint32_t i) {
  Update *u = &st->update.at[i];
  const AstStmt *t = u->stmt;
  Span list = t->update.paths.n
                  ? span_join(t->update.paths.at[0].at, t->update.paths.at[t->update.paths.n - 1].at)
                  : t->at;
  Group g = {.at = t->at, .list = list};
  const AstExpr *e = t->update.with;
  if (!e) { /* `update w` above the line that says `using`: the next group's optimizer */
    diag_help(TELL(x, optimizer, t->at, STR("this 'update' has no optimizer")),
              "add 'using sgd(lr = 0.1)' or another optimizer");
  } else {
    g.using_at = e->at;
    const AstExpr *callee = e->kind == EXPR_CALL ? e->call.callee : e;
    u->optimizer = eval(x, st->scope, callee);
    bool good = e->kind != EXPR_CALL || eval_args(x, st->scope, &e->call.args, &u->args);
    if (val_ok(u->optimizer) && u->optimizer.kind != VAL_OPTIMIZER) {
      diag_help(TELL(x, optimizer, callee->at,
                     str_fmt(x->a, "this is " STRF ", and an optimizer is needed",
                             STRA(val_text(x, u->optimizer)))),
                "sgd, adam, adamw and rmsprop are built in");
      u->optimizer = val_poison();
    }
    if (!good) u->optimizer = val_poison();
    if (val_ok(u->optimizer)) {
      g.optimizer = u->optimizer.unit.stmt->unit.name.name;
      group_settings(x, &g, u->optimizer.unit.stmt, &u->args);
    }
  }
  VEC_PUSH(x->p->arena, &st->ts.group, g);
  own_group(x, st, i);
}

/* ---- clipping: plain nodes over all gradients of the step ---- */

static Operand op_of(Value v, Span at) { return (Operand){v, at}; }

static Value clip_arith(Elab *x, Op op, Value a, Value b, Span at) {
  return arith(x, op, "clip_norm", at, op_of(a, at), op_of(b, at));
}

/* One number from all gradients: `op` over f(g) of each, f and the reduction being part(..). */
typedef enum { CLIP_MOST, CLIP_SQUARES } ClipPart;
static Value over_all(Elab *x, const Step *st, const NodeId *grad, ClipPart part, Span at) {
  Value total = val_poison();
  for (uint32_t i = 0; i < st->ts.owned.n; i++) {
    Value f =
        arith1(x, part == CLIP_MOST ? OP_ABS : OP_SQUARE, "clip_norm", at, op_of(val_node(grad[i]), at));
    if (!val_ok(f)) return val_poison();
    Builder b = builder_at(x, at);
    uint32_t all = (1u << node_type(x, f.node).rank) - 1;
    Op over = part == CLIP_MOST ? OP_MAX : OP_SUM;
    NodeId s = all ? build_drop_axes(&b, build_reduce(&b, over, f.node, all), all) : f.node;
    total = i ? clip_arith(x, part == CLIP_MOST ? OP_MAXIMUM : OP_ADD, total, val_node(s), at) : val_node(s);
  }
  return total;
}

/* g * (c / max(norm, c)): 1 where the norm is small enough, and divides by no zero. The squares are of scaled
 * gradients, so that the norm of large ones is no infinity; ordinary ones keep their bits. */
static void clip_norm(Elab *x, const Step *st, NodeId *grad, Span at) {
  uint32_t n = st->ts.owned.n;
  Value most = over_all(x, st, grad, CLIP_MOST, at), c = val_real(st->clip_norm);
  if (!val_ok(most)) return;
  Builder b = builder_at(x, at);
  /* tiny gradients are below an ordinary c whatever their squares; and c * scale stays finite */
  Value scale = val_node(norm_scale(&b, most.node, st->clip_norm < 0x1p-20));
  for (uint32_t i = 0; i < n && val_ok(scale); i++) {
    Value v = clip_arith(x, OP_MUL, val_node(grad[i]), scale, at);
    grad[i] = val_ok(v) ? v.node : NO_NODE;
    if (!val_ok(v)) return;
  }
  Value total = over_all(x, st, grad, CLIP_SQUARES, at);
  if (!val_ok(total)) return;
  Value norm = arith1(x, OP_SQRT, "clip_norm", at, op_of(total, at));
  Value least = clip_arith(x, OP_MUL, scale, c, at);
  Value factor = clip_arith(x, OP_DIV, c, clip_arith(x, OP_MAXIMUM, norm, least, at), at);
  for (uint32_t i = 0; i < n && val_ok(factor); i++) {
    Value v = clip_arith(x, OP_MUL, val_node(grad[i]), factor, at);
    grad[i] = val_ok(v) ? v.node : NO_NODE;
  }
}

static void clip(Elab *x, Step *st, NodeId *grad) {
  Span at = st->ts.at;
  uint32_t n = st->ts.owned.n;
  for (uint32_t i = 0; i < st->ts.setting.n; i++) {
    Str s = sym_str(x, st->ts.setting.at[i].name);
    if (str_eq(s, STR("clip_norm")) || str_eq(s, STR("clip_value"))) at = st->ts.setting.at[i].at;
  }
  for (uint32_t i = 0; i < n && st->clip_value > 0; i++) {
    Value v = arith(x, OP_MAXIMUM, "clip_value", at, op_of(val_node(grad[i]), at),
                    op_of(val_real(-st->clip_value), at));
    v = arith(x, OP_MINIMUM, "clip_value", at, op_of(v, at), op_of(val_real(st->clip_value), at));
    grad[i] = val_ok(v) ? v.node : NO_NODE;
  }
  if (st->clip_norm <= 0 || !n) return;
  clip_norm(x, st, grad, at);
}

/* ---- optimizers ---- */

/* `state m = 0` of an optimizer: one leaf per parameter, of its type unless another is written. */
void optimizer_state(Elab *x, Scope *s, const AstStmt *t) {
  AstIdent name = t->bind.names.at[0];
  const Leaf *param = program_leaf_at(x->p, x->opt_param);
  Leaf leaf = {.kind = LEAF_STATE, .at = name.at, .of = x->opt_param, .type = leaf_type(x, x->opt_param)};
  if (t->bind.type && !type_of_leaf(x, s, t->bind.type, &leaf.type)) return;
  if (t->bind.type && !leaf_keeps(x, t->bind.type, LEAF_STATE, leaf.type)) return;
  if (!t->bind.value && !t->bind.init) {
    TELL(x, declaration, t->at, STR("a state has an initial value"));
    return;
  }
  leaf.path = names_add(x->n, str_fmt(x->a, STRF "." STRF "." STRF, STRA(sym_str(x, x->step_name)),
                                      STRA(sym_str(x, name.name)), STRA(sym_str(x, param->path))));
  /* the initial value is taken now: the names of an optimizer mean nothing outside of the step's graph */
  LeafDecl decl = {.scope = s, .name = name.name, .copied = true};
  Span at = t->bind.value ? t->bind.value->at : t->bind.init->at;
  decl.copy = t->bind.value ? eval(x, s, t->bind.value)
                            : wrong_kind(x, at, val_int(0), "an initial value behind '='");
  if (decl.copy.kind == VAL_TENSOR) {
    TELL(x, not_static, at, "a state's initial value", val_text(x, decl.copy));
    decl.copy = val_poison();
  }
  LeafId id = new_leaf(x, leaf, decl);
  scope_bind(x, s, name, val_leaf(id));
}

static void expand(Elab *x, Step *st, uint32_t k, NodeId g) {
  Owned *o = &st->ts.owned.at[k];
  Update *u = &st->update.at[o->group];
  if (!val_ok(u->optimizer) || !node_ok(g)) return;
  const AstStmt *t = u->optimizer.unit.stmt;
  Span at = st->ts.group.at[o->group].using_at;
  Str name = sym_str(x, t->unit.name.name);
  if (t->unit.params.n < 2) {
    TELL(x, optimizer, t->unit.name.at, STR("an optimizer takes the parameter, its gradient, then settings"));
    return;
  }
  unit_used(x, t->word);
  Scope *s = scope_new(x, SCOPE_OPTIMIZER, u->optimizer.unit.scope);
  s->serial = ++x->serial;
  LocationId caller = location_here(x, at);
  Frame f = {0};
  Frame *before = x->frame;
  frame_push(x, &f, before);
  f.call_at = at;
  f.caller = caller;
  f.what = t->unit.name.name;
  Str path = sym_str(x, program_leaf_at(x->p, o->param)->path);
  f.key = hash_bytes(path.p, path.n, x->entry_key);
  x->opt_param = o->param;
  bind_clock(x, s, t->unit.name.at);
  scope_bind(x, s, t->unit.params.at[0].name, val_leaf(o->param));
  scope_bind(x, s, t->unit.params.at[1].name, val_node(g));
  ArgVec args = u->args;
  Value ret;
  if (bind_params(x, s, &t->unit.params, 2, &args, at, name)) {
    uint32_t first = x->pending.n, errors = x->d->errors;
    exec_block(x, s, t->unit.body, &ret);
    for (uint32_t i = first; i < x->pending.n; i++)
      if (leaf_eq(x->pending.at[i].leaf, o->param)) st->ts.owned.at[k].update = x->pending.at[i].node;
    if (!node_ok(st->ts.owned.at[k].update) && x->d->errors == errors)
      TELL(x, optimizer, t->unit.name.at,
           str_fmt(x->a, "the optimizer '" STRF "' never assigns the parameter", STRA(name)));
  } else
    u->optimizer = val_poison(); /* say it once, not once a parameter */
  frame_pop(x);
}

/* Input leaves behind a node of a graph, as a set. */
static void inputs_behind(const Elab *x, const Graph *g, NodeId root, bool *seen, bool *leaf) {
  memset(seen, 0, g->node.n);
  seen[root.i] = true;
  for (uint32_t i = root.i + 1; i-- > 0;) { /* inputs come before users */
    if (!seen[i]) continue;
    const Node *n = graph_node(g, (NodeId){i});
    if (n->op == OP_LEAF && x->p->leaf.at[graph_attr(g, (NodeId){i})[0]].kind == LEAF_INPUT)
      leaf[graph_attr(g, (NodeId){i})[0]] = true;
    const NodeId *in = graph_in(g, (NodeId){i});
    for (uint32_t k = 0; k < n->nin; k++) seen[in[k].i] = true;
  }
}

/* The file's metrics, measured on the batch being trained on, before the update. Only those that read nothing
 * the loss does not: others would ask for data that training does not need. What they assign is dropped: a
 * metric observes. */
static void train_metrics(Elab *x, NodeId loss) {
  const Graph *eval = NULL;
  for (uint32_t i = 0; i < x->p->entry.n; i++)
    if (x->p->entry.at[i].kind == ENTRY_EVAL) eval = x->p->entry.at[i].graph;
  if (!eval) return;
  uint32_t nleaf = x->p->leaf.n;
  bool *have = ARENA_ARRAY(x->a, bool, nleaf + 1);
  inputs_behind(x, x->g, loss, ARENA_ARRAY(x->a, bool, x->g->node.n), have);
  bool *seen = ARENA_ARRAY(x->a, bool, eval->node.n + 1);
  for (uint32_t i = 0; i < eval->root.n && !x->stopped; i++) {
    const Root *r = &eval->root.at[i];
    if (r->kind != ROOT_METRIC) continue;
    bool *need = ARENA_ARRAY(x->a, bool, nleaf + 1);
    inputs_behind(x, eval, r->node, seen, need);
    bool fits = true;
    for (uint32_t k = 0; k < nleaf; k++) fits = fits && (!need[k] || have[k]);
    Binding *b = scope_find_here(x, x->main->scope, r->name);
    if (!fits || !b) continue;
    uint32_t n = x->pending.n;
    Pending *before = ARENA_ARRAY(x->a, Pending, n + 1);
    if (n) memcpy(before, x->pending.at, n * sizeof *before); /* size-ok: as many as the vector holds */
    named_root(x, b, ROOT_METRIC);
    if (n) memcpy(x->pending.at, before, n * sizeof *before); /* size-ok: the same */
    x->pending.n = n;
  }
}

bool has_error(const AstStmtVec *v) {
  for (uint32_t i = 0; i < v->n; i++) {
    const AstStmt *t = v->at[i];
    if (t->kind == STMT_ERROR || (t->kind == STMT_FOR && t->loop.body && has_error(&t->loop.body->stmts)) ||
        (t->kind == STMT_IF && ((t->choice.then && has_error(&t->choice.then->stmts)) ||
                                (t->choice.otherwise && has_error(&t->choice.otherwise->stmts)))))
      return true;
  }
  return false;
}

void elaborate_train(Elab *x, const AstStmt *t) {
  Step st = {
      .ts = {.name = t->unit.name.name, .at = t->unit.name.at, .loss = NO_NODE, .entry = x->p->entry.n}};
  entry_begin(x, ENTRY_TRAIN, st.ts.name, x->p->train.n, true, 2);
  Frame f = {0};
  frame_push(x, &f, NULL);
  f.what = st.ts.name;
  map_init(&st.owner, x->a);
  st.scope = scope_new(x, SCOPE_TRAIN, x->main->scope);
  x->step_name = st.ts.name;
  bind_clock(x, st.scope, st.ts.at);
  groups_begin(x, &st, &t->unit.body->stmts);
  precision_begin(x, &st, &t->unit.body->stmts);
  step_stmts(x, &st, &t->unit.body->stmts);
  Str name = sym_str(x, st.ts.name);
  if (!st.minimize && !st.hurt && !has_error(&t->unit.body->stmts))
    diag_help(TELL(x, minimize, st.ts.at, name, "minimizes nothing"), "say what it minimizes: minimize loss");
  for (uint32_t i = 0; i < st.update.n && !x->stopped; i++) group_optimizer(x, &st, i);
  if (node_ok(st.ts.loss)) {
    graph_root(x->g, ROOT_LOSS, st.ts.loss_name, (LeafId){0}, st.ts.loss, st.ts.minimize_at);
    uint32_t n = st.ts.owned.n;
    NodeId *grad = ARENA_ARRAY(x->a, NodeId, n + 1);
    for (uint32_t k = 0; k < n; k++) {
      Owned *o = &st.ts.owned.at[k];
      f.what = program_leaf_at(x->p, o->param)->path;
      NodeId in[2] = {st.ts.loss, leaf_to_node(x, o->param)};
      o->grad = grad[k] = emit(x, o->item, "grad", OP_GRAD, in, 2, NULL, NULL);
    }
    f.what = st.ts.name;
    bool groups = train_gathers(&st.ts);
    if (groups) train_metrics(x, st.ts.loss); /* of each batch */
    if (groups) groups_gather(x, &st, grad);
    clip(x, &st, grad);
    bool rounds = x->rounds_products;
    x->rounds_products = false; /* optimizers are f32 */
    for (uint32_t k = 0; k < n && !x->stopped; k++) expand(x, &st, k, grad[k]);
    x->rounds_products = rounds;
    if (!groups) train_metrics(x, st.ts.loss);
  }
  x->gathered.i = UINT32_MAX;
  x->rounds_products = false;
  frame_pop(x);
  pending_roots(x);
  LeafId *owned =
      ARENA_ARRAY(x->a, LeafId, st.ts.owned.n + 1); /* marks before the step are for all it owns */
  for (uint32_t k = 0; k < st.ts.owned.n; k++) owned[k] = st.ts.owned.at[k].param;
  marks_of_many(x, t, owned, st.ts.owned.n);
  VEC_PUSH(x->p->arena, &x->p->train, st.ts);
}

/* `after fit { .. }`: when the step is done; sees the new values. */
void elaborate_after(Elab *x, const AstStmt *t) {
  uint32_t step = 0;
  while (step < x->p->train.n && !sym_eq(x->p->train.at[step].name, t->unit.name.name)) step++;
  if (step == x->p->train.n) {
    if (name_said(x, x->main->scope, t->unit.name.name)) return;
    VEC(Str) names = {0};
    for (uint32_t i = 0; i < x->p->train.n; i++) VEC_PUSH(x->a, &names, sym_str(x, x->p->train.at[i].name));
    Diag *g = TELL(x, unknown_name, t->unit.name.at, sym_str(x, t->unit.name.name));
    suggest(x, g, t->unit.name.at, sym_str(x, t->unit.name.name), names.at, names.n,
            "'after' names a train step:");
    return;
  }
  entry_begin(x, ENTRY_AFTER, t->unit.name.name, step, true, 2);
  Frame f = {0};
  frame_push(x, &f, NULL);
  f.what = t->unit.name.name;
  Scope *s = scope_new(x, SCOPE_TRAIN, x->main->scope);
  s->serial = ++x->serial;
  bind_clock(x, s, t->unit.name.at);
  for (uint32_t i = 0; i < t->unit.body->stmts.n; i++) {
    AstStmt *one = t->unit.body->stmts.at[i];
    if (one->kind == STMT_SET && str_eq(path_text(x, &one->assign.target), STR("every"))) {
      int64_t every;
      if (val_static_int(x, eval(x, s, one->assign.value), one->assign.value->at, "the setting 'every'",
                         &every)) {
        if (every < 1) TELL(x, setting, one->assign.value->at, STR("every"), "is an integer of at least 1");
        x->p->entry.at[x->p->entry.n - 1].every = every;
      }
      continue;
    }
    AstBlock block = {.stmts = {.at = &one, .n = 1, .cap = 1}, .at = one->at};
    Value ret;
    exec_block(x, s, &block, &ret);
  }
  frame_pop(x);
  pending_roots(x);
  for (uint32_t i = 0; i < x->leaf_node.n; i++)
    if (node_ok(x->leaf_node.at[i]) && x->p->leaf.at[i].kind == LEAF_INPUT)
      TELL(x, declaration, t->unit.name.at,
           str_fmt(x->a, "an 'after' block reads no input, and this one reads '" STRF "'",
                   STRA(sym_str(x, x->p->leaf.at[i].path))));
}
