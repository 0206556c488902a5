/* The order of elaboration: the file's scope, then one graph per entry point. `eval` comes first: it asks for
 * every declaration, so it makes the instances and finds the errors; `init` comes last, when all leaves are
 * known. */
#include "frontend/elaborate/elab.h"

#include "frontend/elaborate/probe.h"
#include "frontend/elaborate/train.h"

void entry_begin(Elab *x, EntryKind kind, Sym name, uint32_t train, bool training, uint64_t domain) {
  x->entry = kind;
  x->epoch++;
  x->training = training;
  x->domain = domain;
  Str text = sym_str(x, name);
  x->entry_key = kind == ENTRY_TRAIN || kind == ENTRY_AFTER ? hash_bytes(text.p, text.n, (uint64_t)kind) : 0;
  x->pending.n = 0;
  x->total.n = 0;
  map_init(&x->pending_by_leaf, x->a);
  for (uint32_t i = 0; i < x->leaf_node.n; i++) x->leaf_node.at[i] = NO_NODE;
  x->top = body_outermost(graph_new(x->p->arena, x->p, name));
  (void)body_switch(x, NULL);
  VEC_PUSH(x->p->arena, &x->p->entry,
           (Entry){.kind = kind, .name = name, .graph = x->g, .train = train, .every = 1});
}

void not_a_loss(Elab *x, Span at, Type ty) {
  Diag *g = TELL(x, loss_scalar, at, type_text(x, ty));
  if (ty.rank)
    diag_help(g, "reduce it: mean(..) or sum(..)");
  else
    diag_help(g, "convert it: f32(..)");
}

void named_root(Elab *x, Binding *b, RootKind kind) {
  const AstStmt *t = b->decl;
  x->metric = kind == ROOT_METRIC ? b : NULL;
  binding_prepare(x, b);
  Value v = binding_value(x, x->main->scope, b);
  x->metric = NULL;
  Span at = t->bind.value ? t->bind.value->at : b->at;
  if (!val_ok(v)) {
    if (!x->d->errors) BUG(x->a->mem, "a value was given up and nobody said why");
    return;
  }
  Frame f = {0};
  frame_push(x, &f, NULL);
  f.what = b->name;
  NodeId n = val_to_node(x, v, at, v.kind == VAL_INT && kind != ROOT_OUTPUT ? DT_F32 : -1);
  frame_pop(x);
  Type ty = {0};
  bool good = node_ok(n);
  if (good && kind != ROOT_OUTPUT) {
    ty = node_type(x, n);
    good = !ty.rank && dtype_is_float((DType)ty.dtype);
    if (!good) not_a_loss(x, at, ty);
    good = good && (kind != ROOT_METRIC || metric_of_pass(x, b, n));
  }
  if (!good) { /* said once, not again by the step that minimizes it */
    b->value = val_poison();
    b->epoch = EPOCH_ALWAYS;
    return;
  }
  graph_root(x->g, kind, b->name, (LeafId){0}, n, t->bind.names.at[0].at);
}

static void roots_of(Elab *x, AstStmtKind kind, RootKind root) {
  Scope *s = x->main->scope;
  for (uint32_t i = 0; i < s->binding.n && !x->stopped; i++)
    if (s->binding.at[i]->decl && s->binding.at[i]->decl->kind == kind) named_root(x, s->binding.at[i], root);
}

static void check_defines(Elab *x, ElabOptions *o) {
  for (uint32_t i = 0; i < o->define.n; i++) {
    Sym name = names_add(x->n, o->define.at[i].name);
    Binding *b = scope_find_here(x, x->main->scope, name);
    Value v = val_poison();
    if (b && b->is_symbol) {
      v = define_value(x, o->define.at[i].value, b->at);
      if (v.kind == VAL_INT && v.i >= 1)
        VEC_PUSH(x->p->arena, &o->bound, (DimBinding){name, v.i});
      else if (val_ok(v))
        TELL(x, static_arith, b->at,
             str_fmt(x->a, "-D gives '" STRF "', and a dim is an integer of at least 1",
                     STRA(o->define.at[i].value)));
      continue;
    }
    if (b && b->decl && b->decl->kind == STMT_CONST) continue;
    Diag *g = diag_no_such_define(x->d, (Span){0}, o->define.at[i].name);
    VEC(Str) names = {0};
    for (uint32_t k = 0; k < x->main->scope->binding.n; k++) {
      Binding *c = x->main->scope->binding.at[k];
      if (c->is_symbol || (c->decl && c->decl->kind == STMT_CONST))
        VEC_PUSH(x->a, &names, sym_str(x, c->name));
    }
    suggest(x, g, (Span){0}, o->define.at[i].name, names.at, names.n, "consts and dims:");
  }
}

/* assert mod(L, 4) == 0, of a dim of the file: known wherever the file has it. */
static bool about_dim(Elab *x, Scope *s, const AstStmt *t) {
  const AstExpr *e = t->kind == STMT_ASSERT ? t->check.test : NULL;
  if (!e || e->kind != EXPR_BINARY || e->binary.op != BINARY_EQ || e->binary.left->kind != EXPR_CALL)
    return false;
  const AstArgVec *args = &e->binary.left->call.args;
  if (args->n != 2 || args->at[0].value->kind != EXPR_NAME) return false;
  Binding *b = scope_find_here(x, s, args->at[0].value->name);
  return b && b->is_symbol;
}

static void each_entry(Elab *x) {
  Scope *s = x->main->scope;
  /* init's place in the list is the first; its graph is built last */
  entry_begin(x, ENTRY_INIT, sym_of(x, "init"), 0, false, 1);
  entry_begin(x, ENTRY_EVAL, sym_of(x, "eval"), 0, false, 3);
  for (uint32_t i = 0; i < s->active.n; i++)
    if (about_dim(x, s, s->active.at[i])) (void)check_assert(x, s, s->active.at[i]);
  scope_force(x, s, true);
  roots_of(x, STMT_LOSS, ROOT_LOSS);
  roots_of(x, STMT_METRIC, ROOT_METRIC);
  scope_force(x, s, false);
  for (uint32_t i = 0; i < s->active.n; i++) {
    if (s->active.at[i]->kind == STMT_ASSERT) (void)check_assert(x, s, s->active.at[i]);
    if (s->active.at[i]->kind == STMT_DATASET) elaborate_dataset(x, s->active.at[i]);
  }
  for (uint32_t i = 0; i < s->active.n && !x->stopped; i++)
    if (s->active.at[i]->kind == STMT_TRAIN) elaborate_train(x, s->active.at[i]);
  for (uint32_t i = 0; i < s->active.n && !x->stopped; i++)
    if (s->active.at[i]->kind == STMT_AFTER) elaborate_after(x, s->active.at[i]);
  entry_begin(x, ENTRY_PREDICT, sym_of(x, "predict"), 0, false, 3);
  roots_of(x, STMT_OUTPUT, ROOT_OUTPUT);
  entry_begin(x, ENTRY_INIT, sym_of(x, "init"), 0, false, 1);
  x->p->entry.at[0].graph = x->g;
  x->p->entry.n--;
  for (uint32_t i = 0; i < x->p->leaf.n && !x->stopped; i++) {
    const Leaf *l = &x->p->leaf.at[i];
    if ((l->kind != LEAF_PARAM && l->kind != LEAF_STATE) || l->file) continue;
    NodeId n = leaf_initial(x, (LeafId){i});
    l = &x->p->leaf.at[i];
    if (node_ok(n)) graph_root(x->g, ROOT_ASSIGN, l->path, (LeafId){i}, n, l->at);
  }
  for (uint32_t i = 0; i < x->leaf_node.n; i++)
    if (node_ok(x->leaf_node.at[i]) && x->p->leaf.at[i].kind == LEAF_INPUT)
      TELL(x, declaration, x->p->leaf.at[i].at,
           str_fmt(x->a, "an initial value reads the input '" STRF "', which has no value yet",
                   STRA(sym_str(x, x->p->leaf.at[i].path))));
}

/* Dims given by -D may leave nothing of a slice, or less of an image than its filter needs. */
static void check_extents(Elab *x, const ElabOptions *o) {
  VEC(Span) said = {0};
  for (uint32_t i = 0; o->bound.n && i < x->p->entry.n; i++) {
    const Graph *g = x->p->entry.at[i].graph;
    NodeId at;
    Sb why;
    sb_init(&why, x->a);
    bool fits = graph_extents_fit(g, o->bound.at, o->bound.n, &at, &why);
    if (fits) {
      g = graph_copy(x->a, g, o->bound.at, o->bound.n);
      fits = graph_operands_fit(g, o->bound.at, o->bound.n, &at, &why);
    }
    if (fits) continue;
    Span span = graph_user_span(g, x->src, at);
    bool again = false;
    for (uint32_t k = 0; k < said.n; k++) again |= memcmp(&said.at[k], &span, sizeof span) == 0;
    if (again) continue;
    VEC_PUSH(x->a, &said, span);
    diag_under(diag_static_arith(x->d, span, sb_str(&why)), "with the dims given by -D");
  }
}

/* A line with a syntax error says nothing reliable about names and types: what the elaborator found there is
 * dropped; behind a missing brace everything stands in the wrong place. */
static void drop_beside_syntax(Elab *x, uint32_t first) {
  Diags *d = x->d;
  uint32_t kept = first;
  for (uint32_t i = first; i < d->all.n; i++) {
    Diag *g = d->all.at[i];
    bool beside = g->kind == DIAG_stands_not;
    uint32_t line = sources_at(x->src, g->at.file, g->at.lo).line;
    for (uint32_t k = 0; k < first && !beside; k++) {
      Span s = d->all.at[k]->at;
      beside = s.file == g->at.file && sources_at(x->src, s.file, s.lo).line == line;
    }
    if (beside && diag_severity(d, g) == SEV_ERROR)
      d->errors--;
    else
      d->all.at[kept++] = g;
  }
  d->all.n = kept;
}

static void elaborate(Elab *x, ElabOptions *o, uint32_t file, const AstFile *ast, bool parsed) {
  load_prelude(x);
  SrcFile *f = ARENA_NEW(x->a, SrcFile);
  *f = (SrcFile){.file = file, .ast = ast, .key = x->src->file.at[file].name, .loading = true};
  VEC_PUSH(x->a, &x->file, f);
  x->main = f;
  x->nameless = ast->nameless;
  f->scope = scope_new(x, SCOPE_FILE, x->prelude);
  f->scope->file = f;
  file_symbols(x, &ast->stmts);
  scope_declare(x, f->scope, &ast->stmts);
  for (uint32_t i = 0; i < f->scope->binding.n; i++)
    if (f->scope->binding.at[i]->decl && f->scope->binding.at[i]->decl->kind == STMT_IMPORT)
      binding_value(x, f->scope, f->scope->binding.at[i]);
  f->loading = false;
  check_defines(x, o);
  each_entry(x);
  for (uint32_t i = 0; i < x->p->entry.n && !x->d->errors; i++) check_derivatives(x, x->p->entry.at[i].graph);
  if (parsed) check_unused(x);
}

/* A limit that is met below, in the graph or in an allocation, is told at the expression that was evaluated,
 * beside what was found before. */
static void elaborate_rescued(Elab *x, ElabOptions *o, uint32_t file, const AstFile *ast, bool parsed) {
  Rescue r;
  Frame *top = x->frame;
  if (RESCUE(x->a->mem, &r)) {
    elaborate(x, o, file, ast, parsed);
    rescue_end(x->a->mem, &r);
    return;
  }
  bool memory = str_starts(str_z(r.what), STR("out of memory")); /* then none is left for messages */
  if (r.status != ST_LIMIT || memory) mem_raise(x->a->mem, r.status, "%s", r.what);
  x->frame = top; /* what lay on the C stack is gone */
  if (x->g->node.n >= x->limits->nodes)
    limit_passed(x, x->now, "the nodes of the graph", "nodes", x->limits->nodes);
  else
    diag_status(TELL(x, declaration, x->now, str_copy(x->a, str_z(r.what))), ST_LIMIT);
  x->stopped = true;
}

bool frontend_program(uint32_t file, ElabOptions *o, Diags *d, Program *p, AstFile **ast) {
  *ast = NULL;
  uint32_t errors = d->errors;
  bool parsed = parse_file(file, p->sources, p->names, p->arena, d, p->limits, ast);
  uint32_t syntax = d->all.n;
  if (!*ast) return false;
  if (!parsed && d->status != ST_OK && d->status != ST_REJECTED) return false;
  Elab *x = ARENA_NEW(p->arena, Elab);
  *x = (Elab){.a = p->arena,
              .initial = {UINT32_MAX},
              .gathered = {UINT32_MAX},
              .d = d,
              .limits = p->limits,
              .src = p->sources,
              .n = p->names,
              .p = p,
              .dims = p->dims,
              .opt = o};
  Frame top = {.want_dtype = -1};
  x->frame = &top;
  op_programs_init(&x->programs, x->a);
  map_init(&x->pending_by_leaf, x->a);
  map_init(&x->leaf_by_path, x->a);
  map_init(&x->endless, x->a);
  map_init(&x->said_by_name, x->a);
  map_init(&x->used, x->a);
  map_init(&x->instance_by_path, x->a);
  for (int i = 0; i < 3; i++) x->clock[i] = (LeafId){UINT32_MAX};
  x->epoch = EPOCH_NONE + 1;
  x->top = body_outermost(graph_new(p->arena, p, sym_of(x, "file")));
  (void)body_switch(x, NULL); /* nodes of static ifs' tests, if any, are dropped */
  uint64_t text = 0;
  for (uint32_t i = 0; i < p->sources->file.n; i++) text += p->sources->file.at[i].text.n;
  x->room = x->a->mem->used + (size_t)p->limits->expansion_bytes + 64 * text; /* size-ok: texts are bounded */
  if (o->uses) map_init(&o->uses->seen, x->a);
  elaborate_rescued(x, o, file, *ast, parsed);
  uses_finish(x);
  Sb why;
  sb_init(&why, x->a);
  size_t broken = program_dims_broken(p, o->bound.at, o->bound.n, &why);
  if (broken != SIZE_MAX) {
    const DimAssert *a = &p->asserts.at[broken];
    Diag *g = diag_assert_failed(d, a->at, a->why.n ? str_fmt(x->a, ": " STRF, STRA(a->why)) : STR(""));
    diag_under(g, "with the dims given by -D");
  }
  if (parsed && d->errors == errors) check_extents(x, o);
  if (!parsed) drop_beside_syntax(x, syntax);
  return parsed && d->errors == errors;
}
