/* Functions, modules and optimizers that nobody calls are elaborated on placeholders, in a graph that is
 * thrown away. First with everything open: numbers are poison, and extents the DimId that agrees with any; so
 * what is found then is wrong whatever a caller gives. That must be found again with symbols, whose text is
 * told, with a few numbers, and with other ranks for `..` and dtypes for dtype variables. */
#include "frontend/elaborate/probe.h"
#include "frontend/elaborate/train.h"

enum { EVALUATED_MAX = 50000, GRAPH_MAX = 1 << 17, RANK_DEFAULT = 2, RANK_LAST = 5 };

typedef struct Unit {
  const AstStmt *stmt; /* STMT_FN, STMT_MODULE, STMT_OPTIMIZER */
  Scope *scope;        /* it was written in */
} Unit;

typedef VEC(Unit) VecUnit;

typedef struct Unused {
  Elab *x;
  Limits limits;
  Map told; /* kind and place of what was said */
  int64_t left;
  uint32_t nparams, epoch;
  bool ended; /* the budget is spent */
} Unused;

typedef VEC(Diag *) Findings;

/* ---- one probe */

static void run_fn(Elab *x, Scope *scope, const AstFn *fn, Sym name) {
  Closure *c = ARENA_NEW(x->a, Closure);
  *c = (Closure){.fn = fn, .scope = scope, .name = name, .ext = UINT32_MAX};
  Frame f = {0};
  frame_push(x, &f, NULL);
  f.what = name;
  f.fn = c;
  if (scope->inst && scope->inst->frozen) f.training = false;
  x->probe->own = &f;
  Scope *callee = scope_new(x, SCOPE_FN, scope);
  callee->serial = ++x->serial;
  probe_params(x, callee, &fn->params, 0, true);
  (void)closure_body(x, c, callee, fn->head);
  frame_pop(x);
}

static void initial_values(Elab *x, uint32_t from) {
  EntryKind entry = x->entry;
  x->entry = ENTRY_INIT;
  for (uint32_t i = from; i < x->p->leaf.n && !x->stopped; i++)
    if (x->p->leaf.at[i].kind == LEAF_PARAM || x->p->leaf.at[i].kind == LEAF_STATE)
      (void)leaf_initial(x, (LeafId){i});
  x->entry = entry;
}

static void run_module(Elab *x, Unit u) {
  const AstStmt *t = u.stmt;
  Instance *i = ARENA_NEW(x->a, Instance);
  i->path = names_add(x->n, str_fmt(x->a, STRF "#%u", STRA(sym_str(x, t->unit.name.name)), ++x->serial));
  i->module = (UnitRef){t, u.scope};
  i->scope = scope_new(x, SCOPE_MODULE, u.scope);
  i->scope->inst = i;
  Frame f = {0};
  frame_push(x, &f, NULL);
  f.what = t->unit.name.name;
  f.module = t;
  x->probe->own = &f;
  uint32_t leaves = x->p->leaf.n;
  probe_params(x, i->scope, &t->unit.params, 0, false);
  scope_declare(x, i->scope, &t->unit.body->stmts);
  scope_force(x, i->scope, true);
  scope_force(x, i->scope, false);
  for (uint32_t k = 0; k < i->scope->active.n; k++)
    if (i->scope->active.at[k]->kind == STMT_ASSERT) (void)check_assert(x, i->scope, i->scope->active.at[k]);
  initial_values(x, leaves);
  for (uint32_t k = 0; k < i->scope->active.n; k++) {
    const AstStmt *inner = i->scope->active.at[k];
    if (inner->kind == STMT_FN)
      run_fn(x, i->scope, inner->fn, inner->fn->name.name.i ? inner->fn->name.name : i->path);
    else if (inner->kind == STMT_MODULE)
      run_module(x, (Unit){inner, i->scope});
  }
  frame_pop(x);
}

static void run_optimizer(Elab *x, Unit u) {
  const AstStmt *t = u.stmt;
  Str name = sym_str(x, t->unit.name.name);
  if (t->unit.params.n < 2) {
    TELL(x, optimizer, t->unit.name.at, STR("an optimizer takes the parameter, its gradient, then settings"));
    return;
  }
  Type type = {.dtype = x->probe->dtype, .rank = x->probe->rank};
  for (uint32_t i = 0; i < type.rank; i++)
    type.dim[i] = x->probe->any ? (DimId){0} : dim_const(x->dims, x->probe->one ? x->probe->one : i + 2);
  x->probe->varies = true;
  Leaf leaf = {.kind = LEAF_PARAM, .type = type, .at = t->unit.params.at[0].name.at, .of = {UINT32_MAX}};
  leaf.path = names_add(x->n, str_fmt(x->a, STRF "#%u", STRA(name), ++x->serial));
  Scope *s = scope_new(x, SCOPE_OPTIMIZER, u.scope);
  s->serial = ++x->serial;
  Frame f = {0};
  frame_push(x, &f, NULL);
  f.what = t->unit.name.name;
  f.training = true;
  x->probe->own = &f;
  x->step_name = leaf.path;
  x->opt_param = new_leaf(x, leaf, (LeafDecl){0});
  bind_clock(x, s, t->unit.name.at);
  scope_bind(x, s, t->unit.params.at[0].name, val_leaf(x->opt_param));
  scope_bind(x, s, t->unit.params.at[1].name, val_node(probe_tensor(x, type, t->unit.params.at[1].name.at)));
  probe_params(x, s, &t->unit.params, 2, true);
  Value ret;
  uint32_t errors = x->d->errors;
  exec_block(x, s, t->unit.body, &ret);
  if (!x->probe->assigned && x->d->errors == errors && !x->stopped && !has_error(&t->unit.body->stmts))
    TELL(x, optimizer, t->unit.name.at,
         str_fmt(x->a, "the optimizer '" STRF "' never assigns the parameter", STRA(name)));
  frame_pop(x);
}

static void run_unit(Elab *x, Unit u) {
  if (u.stmt->kind == STMT_FN)
    run_fn(x, u.scope, u.stmt->fn, u.stmt->fn->name.name);
  else if (u.stmt->kind == STMT_MODULE)
    run_module(x, u);
  else
    run_optimizer(x, u);
}

static void fresh_graph(Unused *c) {
  Elab *x = c->x;
  if (x->top.g && x->top.g->node.n < GRAPH_MAX && c->epoch) return;
  x->top = body_outermost(graph_new(x->p->arena, x->p, sym_of(x, "unused")));
  x->leaf_node.n = 0;
  for (uint32_t i = 0; i < x->leaf.n; i++) x->leaf.at[i].node = NO_NODE; /* they are of the init graph */
  c->epoch = x->epoch + 2; /* the last one may be that of `training` */
}

/* What is wrong with the unit under this probe; it may be that too much was to be done. */
static void run(Unused *c, const Unit *u, Probe *p, Findings *out) {
  Elab *x = c->x;
  Diags *main = x->d, own;
  const Limits *limits = x->limits;
  Frame *frame = x->frame;
  Map seen;
  map_init(&seen, x->a);
  p->seen = &seen;
  p->assigned = p->asked = p->varies = false;
  diags_init(&own, main->arena, main->sources, main->limits);
  own.flags = main->flags;
  fresh_graph(c);
  x->epoch = c->epoch + p->training;
  x->d = &own;
  x->limits = &c->limits;
  x->probe = p;
  x->expanded = 0;
  x->nparams = c->nparams;
  x->entry = u->stmt->kind == STMT_OPTIMIZER ? ENTRY_TRAIN : ENTRY_EVAL;
  x->training = p->training;
  x->pending.n = 0;
  x->initial = (LeafId){UINT32_MAX};
  (void)body_switch(x, NULL);
  Rescue r;
  volatile bool raised = false;
  if (RESCUE(x->a->mem, &r)) {
    run_unit(x, *u);
    rescue_end(x->a->mem, &r);
  } else {
    raised = true;
    c->ended = true; /* what lay on the C stack is gone, and declarations are left half evaluated */
    own.all.n = 0;
  }
  c->left -= x->expanded;
  c->ended = c->ended || c->left < 0 || x->a->mem->used > x->room;
  x->frame = frame;
  x->probe = NULL;
  x->limits = limits;
  x->d = main;
  x->stopped = false;
  if (raised && r.status != ST_LIMIT) mem_raise(x->a->mem, r.status, "%s", r.what);
  out->n = 0;
  for (uint32_t i = 0; i < own.all.n; i++) {
    Diag *g = own.all.at[i];
    if (g->kind != DIAG_limit && diag_severity(main, g) == SEV_ERROR) VEC_PUSH(x->a, out, g);
  }
}

/* ---- what all probes agree on */

static bool equal(const Diag *a, const Diag *b) {
  return a->kind == b->kind && a->at.file == b->at.file && a->at.lo == b->at.lo;
}

/* Wrong whatever stands for a placeholder, wherever it was come upon. */
static bool always(const Diag *g) {
  return g->kind == DIAG_unknown_name || g->kind == DIAG_unknown_dim || g->kind == DIAG_arguments ||
         g->kind == DIAG_stands_not;
}

static bool open_ones(const Findings *f) {
  for (uint32_t i = 0; i < f->n; i++)
    if (!always(f->at[i])) return true;
  return false;
}

/* Keeps what `again` has, too. better: with its text. */
static void meet(Findings *f, const Findings *again, bool better) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < f->n; i++) {
    Diag *g = always(f->at[i]) ? f->at[i] : NULL;
    for (uint32_t k = 0; k < again->n && !g; k++)
      if (equal(f->at[i], again->at[k])) g = better ? again->at[k] : f->at[i];
    if (g) f->at[kept++] = g;
  }
  f->n = kept;
}

static void try_others(Unused *c, Unit u, Probe first, Findings *found) {
  static const int64_t numbers[] = {0, 2, 3, 12}; /* 0: symbols */
  static const DType dtypes[] = {DT_F64, DT_I32, DT_I64, DT_BOOL};
  Findings again = {0};
  bool varies = first.varies;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers && open_ones(found) && !c->ended; i++) {
    Probe p = {.one = numbers[i], .rank = first.rank, .dtype = first.dtype, .training = first.training};
    run(c, &u, &p, &again);
    meet(found, &again, i == 0);
  }
  for (int rank = 0; varies && rank <= RANK_LAST && open_ones(found) && !c->ended; rank++) {
    Probe p = first;
    p.rank = (uint8_t)rank;
    run(c, &u, &p, &again);
    meet(found, &again, false);
  }
  bool optimizer = u.stmt->kind == STMT_OPTIMIZER; /* a parameter is real */
  for (size_t i = 0; varies && i < (optimizer ? 1 : sizeof dtypes / sizeof *dtypes); i++) {
    Probe p = first;
    p.dtype = dtypes[i];
    if (!open_ones(found) || c->ended) break;
    run(c, &u, &p, &again);
    meet(found, &again, false);
  }
}

static uint64_t key_of(const Diag *g) {
  return hash_mix(((uint64_t)g->at.file << 32 | g->at.lo) * 31 + (uint64_t)g->kind);
}

static void tell(Unused *c, Unit u, const Findings *f) {
  Elab *x = c->x;
  Sym name = u.stmt->kind == STMT_FN ? u.stmt->fn->name.name : u.stmt->unit.name.name;
  for (uint32_t i = 0; i < f->n; i++) {
    uint32_t before;
    Diag *g = f->at[i];
    if (map_get(&c->told, key_of(g), &before)) continue;
    map_put(&c->told, key_of(g), 1);
    diags_take(x->d, g);
    if (!always(g) && g->kind != DIAG_optimizer && name.i)
      diag_note(g, (Span){0}, "nothing calls '" STRF "', so it is checked as it is declared",
                STRA(sym_str(x, name)));
  }
}

static void check_unit(Unused *c, Unit u) {
  bool optimizer = u.stmt->kind == STMT_OPTIMIZER;
  for (int training = optimizer; training < 2 && !c->ended; training++) {
    Findings found = {0};
    Probe first = {.any = true, .rank = RANK_DEFAULT, .dtype = DT_F32, .training = training};
    run(c, &u, &first, &found);
    if (open_ones(&found)) try_others(c, u, first, &found);
    if (c->ended) meet(&found, &(Findings){0}, false);
    tell(c, u, &found);
    if (!first.asked) break;
  }
}

static bool used(Elab *x, Span word) {
  uint32_t seen;
  return map_get(&x->used, word.lo | (uint64_t)word.file << 32, &seen);
}

static void collect(Elab *x, SrcFile *f, Scope *s, VecUnit *out) {
  for (uint32_t i = 0; i < s->active.n; i++) {
    const AstStmt *t = s->active.at[i];
    Span word = t->kind == STMT_FN ? t->fn->head : t->word;
    bool unit = t->kind == STMT_FN || t->kind == STMT_MODULE || (t->kind == STMT_OPTIMIZER && !s->inst);
    if (!unit || word.file != f->file || used(x, word)) continue;
    unit_used(x, word);
    VEC_PUSH(x->a, out, ((Unit){t, s}));
  }
}

static void collect_file(Elab *x, SrcFile *f, uint32_t instances, VecUnit *units) {
  collect(x, f, f->scope, units);
  for (uint32_t i = 0; i < instances; i++) {
    const Instance *in = x->instance.at[i];
    if (in->scope->file == f && !in->hurt && !in->broken) collect(x, f, in->scope, units);
  }
}

/* What the probes made is no part of the program. Lists that grew stay where they are now: what they outgrew
 * is given back. */
static void program_truncate(Program *p, const Program *before) {
  p->leaf.n = before->leaf.n;
  p->entry.n = before->entry.n;
  p->train.n = before->train.n;
  p->externs.n = before->externs.n;
  p->dataset.n = before->dataset.n;
  p->asserts.n = before->asserts.n;
  p->constant.n = before->constant.n;
  p->initial_read.n = before->initial_read.n;
  p->symbol.n = before->symbol.n;
}

void check_unused(Elab *x) {
  if (x->stopped || x->d->unkept) return;
  Program before = *x->p;
  Unused c = {.x = x, .limits = *x->limits, .left = x->limits->expansion, .nparams = x->nparams};
  VecUnit units = {0};
  uint32_t instances = x->instance.n;
  for (uint32_t i = 0; i < x->file.n; i++)
    if (!x->file.at[i]->library) collect_file(x, x->file.at[i], instances, &units);
  if (c.limits.expansion > EVALUATED_MAX) c.limits.expansion = EVALUATED_MAX;
  map_init(&c.told, x->a);
  for (uint32_t i = 0; i < x->d->all.n; i++) map_put(&c.told, key_of(x->d->all.at[i]), 1);
  for (uint32_t i = 0; i < units.n && !c.ended && x->d->errors <= x->limits->errors; i++)
    check_unit(&c, units.at[i]);
  program_truncate(x->p, &before);
}
