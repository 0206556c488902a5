/* dg_build: a program to an object and its header. The compiler's second half once for each entry point,
 * then the layout of the state, the tables, the kernels. */
#include "api/build.h"

#include "api/code.h"
#include "base/size.h"
#include "codegen/codegen.h"

#include <ctype.h>

typedef struct BuildCall {
  dg_program *p;
  const dg_build_options *o;
  dg_built *out;
} BuildCall;

/* ---- what cannot be built ---- */

static dg_status refused(dg_program *p, const Diag *d) {
  p->view = NULL; /* there is one diagnostic more */
  return api_fail(p->cx, ST_REJECTED, STRF " [DG%04d]", STRA(d->text), diag_info[d->kind].code);
}

static bool has_value(const dg_program *p, Sym name) {
  for (uint32_t i = 0; i < p->bound.n; i++)
    if (sym_eq(p->bound.at[i].name, name)) return true;
  return false;
}

/* The first leaf that has the dim: where it is told. */
static Span place_of_dim(const Program *p, Sym name) {
  for (uint32_t i = 0; i < p->leaf.n; i++)
    for (int k = 0; k < p->leaf.at[i].type.rank; k++) {
      Sym own;
      if (dim_is_symbol(p->dims, p->leaf.at[i].type.dim[k], &own) && sym_eq(own, name))
        return p->leaf.at[i].at;
    }
  return (Span){0};
}

static dg_status dims_given(dg_program *p) {
  const Program *q = &p->prog;
  Sb list, help;
  Sym first = {0};
  uint32_t n = 0;
  sb_init(&list, &p->arena);
  sb_init(&help, &p->arena);
  for (uint32_t i = 0; i < q->symbol.n; i++) {
    Str name = names_str(q->names, q->symbol.at[i]);
    if (has_value(p, q->symbol.at[i])) continue;
    if (!n++) first = q->symbol.at[i];
    sb_fmt(&list, "%s'" STRF "'", n > 1 ? ", " : "", STRA(name));
    sb_fmt(&help, " -D " STRF "=32", STRA(name));
  }
  if (!n) return DG_OK;
  Diag *d = diag_build_dims(&p->diags, place_of_dim(q, first), sb_str(&list), n > 1 ? "have" : "has");
  diag_help(d, "give values on the command line, for example" STRF, STRA(sb_str(&help)));
  return refused(p, d);
}

static dg_status no_externs(dg_program *p, const Entry *e) {
  const Graph *g = e->graph;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (g->node.at[i].op != OP_EXTERN) continue;
    const Extern *x = &p->prog.externs.at[graph_attr(g, (NodeId){i})[0]];
    Diag *d = diag_build_extern(&p->diags, graph_user_span(g, &p->sources, (NodeId){i}),
                                names_str(p->prog.names, x->name));
    diag_label(d, x->at, "declared here: a function of the host");
    return refused(p, d);
  }
  return DG_OK;
}

static dg_status no_files(dg_program *p) {
  const Program *q = &p->prog;
  for (uint32_t i = 0; i < q->leaf.n; i++) {
    const Leaf *l = &q->leaf.at[i];
    if (!l->file) continue;
    const InitialFile *f = &q->initial_file.at[l->file - 1];
    Diag *d = diag_build_load(&p->diags, f->at, f->own.n ? f->own : names_str(q->names, l->path));
    diag_help(d, "leave the 'load' out, and give the bytes of the file to the header's function '.._load'");
    return refused(p, d);
  }
  return DG_OK;
}

/* ---- entries ---- */

static bool of_pass(const Build *b, const Root *r) {
  return r->kind == ROOT_ASSIGN && b->prog.leaf.at[r->leaf.i].kind == LEAF_TOTAL;
}

/* A function of C sees one batch: what its metrics sum over a pass is that batch's. */
static const Entry *of_one_batch(Build *b, const Entry *e) {
  bool any = false;
  for (uint32_t i = 0; i < e->graph->root.n; i++) any |= of_pass(b, &e->graph->root.at[i]);
  if (!any) return e;
  Graph *g = graph_keep(e->graph, b->arena);
  Entry *own = ARENA_NEW(b->arena, Entry);
  uint32_t kept = 0;
  *own = *e;
  own->graph = g;
  for (uint32_t i = 0; i < g->root.n; i++)
    if (!of_pass(b, &g->root.at[i])) g->root.at[kept++] = g->root.at[i];
  g->root.n = kept;
  for (uint32_t i = 0; i < g->node.n; i++) {
    Node *n = &g->node.at[i];
    if (n->op != OP_LEAF || b->prog.leaf.at[g->attr.at[n->attr]].kind != LEAF_TOTAL) continue;
    n->op = OP_CONST;
    g->attr.at[n->attr] = 0;
  }
  return own;
}

dg_status aot_shape(Build *b, uint32_t leaf, Tensor *out) {
  Sb why;
  sb_init(&why, b->arena);
  Status st = code_leaf_shape(&b->prog, leaf, b->p->bound.at, b->p->bound.n, out, &why);
  return st == ST_OK ? DG_OK : api_fail(b->cx, st, STRF, STRA(sb_str(&why)));
}

/* Inputs that the entry's tables read become arguments, in the order of the program; so do those of what
 * stands in for it, or NULL. */
static dg_status add_inputs(Build *b, BuildEntry *e, const StepImage *other, BuildNames *taken) {
  dg_status st = DG_OK;
  bool *reads = ARENA_ARRAY(b->arena, bool, b->prog.leaf.n);
  for (uint32_t i = 0; i < e->image->nleaf; i++) reads[step_leaves(e->image)[i]] = true;
  for (uint32_t i = 0; other && i < other->nleaf; i++) reads[step_leaves(other)[i]] = true;
  for (uint32_t i = 0; st == DG_OK && i < b->prog.leaf.n; i++) {
    const Leaf *l = &b->prog.leaf.at[i];
    if (!reads[i] || l->kind != LEAF_INPUT) continue;
    BuildArg a = {.name = aot_c_name(b->arena, names_str(b->prog.names, l->path), taken), .leaf = i};
    st = aot_shape(b, i, &a.shape);
    VEC_PUSH(b->arena, &e->input, a);
  }
  return st;
}

static void add_outputs(Build *b, BuildEntry *e, BuildNames *taken) {
  const Graph *g = e->plan->graph;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *r = &g->root.at[i];
    if (r->kind == ROOT_ASSIGN || r->kind == ROOT_CHECK) continue;
    const Type *t = &graph_node(g, r->node)->type;
    BuildArg a = {.name = aot_c_name(b->arena, names_str(b->prog.names, r->name), taken), .root = i};
    a.shape = (Tensor){.dtype = (DType)t->dtype, .rank = t->rank};
    a.shape.count = (size_t)(step_roots(e->image)[i].bytes / dtype_bytes(a.shape.dtype));
    if (!type_extents(b->prog.dims, t, a.shape.ext)) BUG(b->arena->mem, "build: symbolic extents");
    VEC_PUSH(b->arena, &e->output, a);
  }
}

static dg_status compile(Build *b, ExecOptions *o, BuildEntry *e) {
  PassOptions quiet = {0};
  dg_program *p = b->p;
  Sb why;
  sb_init(&why, b->arena);
  code_memory(&quiet, b->cx->limits.memory, o);
  Graph *g = code_graph(b->arena, &b->prog, of_one_batch(b, e->entry), p->bound.at, p->bound.n, &quiet, &why);
  if (!g) return api_fail(b->cx, ST_REJECTED, STRF, STRA(sb_str(&why)));
  dg_status st = dims_valued(b->cx, g, b->arena, p->bound.at, p->bound.n, NULL);
  if (st != DG_OK) return st;
  Plan *plan = NULL;
  Status made = exec_plan(b->arena, g, o, &plan, &why);
  if (made != ST_OK) return api_fail(b->cx, made, STRF, STRA(sb_str(&why)));
  e->plan = plan;
  e->image = plan_image(b->arena, plan, &why);
  if (!e->image) return api_fail(b->cx, ST_LIMIT, STRF, STRA(sb_str(&why)));
  e->kernel = b->kernel.n;
  for (uint32_t i = 0; i < plan->kernel.n; i++) VEC_PUSH(b->arena, &b->kernel, plan->kernel.at[i]);
  made = exec_fits(e->image->arena_bytes + e->image->scratch_bytes, b->cx->limits.arena_bytes, quiet.memory,
                   &why);
  return made == ST_OK ? DG_OK : api_fail(b->cx, made, STRF, STRA(sb_str(&why)));
}

static const TrainStep *groups_of(const Build *b, const Entry *e) {
  const TrainStep *t = e->kind == ENTRY_TRAIN ? &b->prog.train.at[e->train] : NULL;
  return t && train_gathers(t) ? t : NULL;
}

/* The entry of the first batches of a group: with the arguments of its step. */
static void add_gather(Build *b, uint32_t step, BuildEntry gather) {
  const BuildEntry *e = &b->entry.at[step];
  const Graph *g = gather.plan->graph;
  gather.input = e->input;
  for (uint32_t i = 0, n = 0; i < g->root.n; i++) {
    if (g->root.at[i].kind == ROOT_ASSIGN || g->root.at[i].kind == ROOT_CHECK) continue;
    BuildArg a = e->output.at[n++];
    a.root = i;
    VEC_PUSH(b->arena, &gather.output, a);
  }
  b->entry.at[step].gather = b->entry.n;
  VEC_PUSH(b->arena, &b->entry, gather);
}

/* Adds an entry and, behind a train step, what comes after it. */
static dg_status add_entry(Build *b, ExecOptions *o, const Entry *entry, const char *symbol) {
  const Program *p = &b->p->prog;
  BuildNames taken = {0};
  uint32_t at = b->entry.n;
  aot_reserve_macros(b, &taken);
  BuildEntry e = {.entry = entry, .symbol = symbol};
  dg_status st = compile(b, o, &e);
  const TrainStep *groups = groups_of(b, entry);
  BuildEntry gather = {.entry = groups ? &b->prog.entry.at[groups->gather] : NULL};
  if (st == DG_OK && groups) st = compile(b, o, &gather);
  if (st == DG_OK) st = add_inputs(b, &e, gather.image, &taken);
  if (st != DG_OK) return st;
  e.after = at + 1;
  VEC_PUSH(b->arena, &b->entry, e);
  for (uint32_t i = 0; entry->kind == ENTRY_TRAIN && i < p->entry.n; i++) {
    if (p->entry.at[i].kind != ENTRY_AFTER || p->entry.at[i].train != entry->train) continue;
    BuildEntry after = {.entry = &p->entry.at[i]}; /* it reads no input */
    st = compile(b, o, &after);
    if (st != DG_OK) return st;
    VEC_PUSH(b->arena, &b->entry, after);
    b->entry.at[at].nafter++;
  }
  add_outputs(b, &b->entry.at[at], &taken);
  if (groups) add_gather(b, at, gather);
  return DG_OK;
}

static dg_status add_entries(Build *b, ExecOptions *o) {
  const Program *p = &b->p->prog;
  dg_status st = DG_OK;
  for (uint32_t i = 0; i < p->entry.n && st == DG_OK; i++) {
    const Entry *e = &p->entry.at[i];
    const char *symbol = NULL;
    switch (e->kind) {
    case ENTRY_INIT: break;
    case ENTRY_TRAIN:
      symbol = aot_c_name(b->arena, str_fmt(b->arena, "step_" STRF, STRA(names_str(p->names, e->name))),
                          &b->names);
      break;
    case ENTRY_PREDICT: symbol = "predict"; break;
    case ENTRY_GATHER:
    case ENTRY_AFTER:
    case ENTRY_EVAL: continue;
    }
    if (e->kind != ENTRY_PREDICT || e->graph->root.n) st = add_entry(b, o, e, symbol);
  }
  return st;
}

/* ---- the object ---- */

static dg_status object(Build *b, const ExecOptions *o, Sb *out) {
  ObjectFunction *f = ARENA_ARRAY(b->arena, ObjectFunction, b->entry.n + 3);
  uint32_t n = 0;
  f[n++] = (ObjectFunction){str_fmt(b->arena, "%s_init", b->name).p, OBJECT_INIT, 0, 0};
  f[n++] = (ObjectFunction){str_fmt(b->arena, "%s_load", b->name).p, OBJECT_LOAD, 0, 0};
  f[n++] = (ObjectFunction){str_fmt(b->arena, "%s_save", b->name).p, OBJECT_SAVE, 0, 0};
  for (uint32_t i = 0; i < b->entry.n; i++) {
    const BuildEntry *e = &b->entry.at[i];
    if (!e->symbol) continue;
    f[n++] = (ObjectFunction){str_fmt(b->arena, "%s_%s", b->name, e->symbol).p, OBJECT_RUN, i,
                              e->input.n + e->output.n};
  }
  ObjectFace face = {sb_str(&b->block), f, n};
  Sb why;
  sb_init(&why, b->arena);
  Status st = exec_object(b->arena, &(KernelSet){b->kernel.at, b->kernel.n}, o, &face, out, &why);
  return st == ST_OK ? DG_OK : api_fail(b->cx, st, STRF, STRA(sb_str(&why)));
}

/* The prefix of all names: the one asked for, or the file's. */
static dg_status prefix(Build *b, const char *asked) {
  Str own = str_z(asked ? asked : b->p->sources.file.at[1].name.p);
  BuildNames none = {0};
  if (!asked) {
    const char *slash = strrchr(own.p, '/');
    if (slash) own = str_z(slash + 1);
    if (own.n > 3 && !memcmp(own.p + own.n - 3, ".dg", 3)) own.n -= 3;
  }
  b->name = aot_c_name(b->arena, own, &none);
  size_t n = asked ? strlen(asked) : 0;
  if (n && !strncmp(asked, b->name, n) && !strcmp(b->name + n, "_")) /* it was moved out of the way */
    return api_fail(b->cx, ST_USAGE, "'%.60s' is taken, by C, C++ or the header itself: write '%.60s_'",
                    asked, asked);
  if (asked && strcmp(asked, b->name) != 0)
    return api_fail(b->cx, ST_USAGE, "'%.60s' is no name that C takes: letters, digits and '_'", asked);
  char *upper = ARENA_ARRAY(b->arena, char, strlen(b->name) + 1);
  for (size_t i = 0; b->name[i]; i++) upper[i] = (char)toupper((unsigned char)b->name[i]);
  b->upper = upper;
  return DG_OK;
}

static dg_status build(BuildCall *c, Arena *a) {
  static const char *const isa[] = {
      [CPU_ASK] = "", [CPU_BASE] = "", [CPU_AVX2] = "avx2", [CPU_AVX512] = "avx512"};
  dg_program *p = c->p;
  Build *b = ARENA_NEW(a, Build);
  b->p = p, b->cx = p->cx, b->arena = a;
  b->prog = p->prog;
  b->prog.dims = dims_copy(a, p->prog.dims);
  ExecOptions o = {.level = c->o->level, .isa = c->o->isa, .cpu = p->cx->cpu, .elsewhere = true};
  Sb why, object_text, header;
  sb_init(&why, a);
  sb_init(&object_text, &p->arena);
  sb_init(&header, &p->arena);
  dg_status st = prefix(b, c->o->name);
  for (uint32_t i = 0; i < p->prog.entry.n && st == DG_OK; i++)
    if (p->prog.entry.at[i].kind != ENTRY_EVAL) st = no_externs(p, &p->prog.entry.at[i]);
  if (st == DG_OK) st = no_files(p);
  if (st == DG_OK) st = dims_given(p);
  if (st != DG_OK) return st;
  Status can = exec_level(a, &o, &b->level, &why);
  if (can != ST_OK) return api_fail(b->cx, can, STRF, STRA(sb_str(&why)));
  b->isa = isa[b->level];
  if (st == DG_OK && program_dims_broken(&b->prog, p->bound.at, p->bound.n, &why) != SIZE_MAX)
    st = api_fail(b->cx, ST_REJECTED, STRF, STRA(sb_str(&why)));
  if (st == DG_OK) aot_header_names(b);
  if (st == DG_OK) st = add_entries(b, &o);
  if (st == DG_OK) st = aot_state(b);
  if (st == DG_OK) st = aot_block(b);
  if (st == DG_OK) st = object(b, &o, &object_text);
  if (st != DG_OK) return st;
  aot_header(b, &header);
  *c->out = (dg_built){.size = sizeof *c->out,
                       .name = api_z(&p->arena, str_z(b->name)),
                       .isa = b->isa,
                       .object = object_text.p,
                       .object_bytes = object_text.n,
                       .header_bytes = header.n,
                       .state_bytes = b->model.state_bytes,
                       .kernels = b->kernel.n};
  sb_char(&header, 0);
  c->out->header = header.p;
  return DG_OK;
}

static dg_status build_in(void *arg) {
  BuildCall *c = arg;
  if (!c->p->sound) return api_fail(c->p->cx, ST_REJECTED, "the program has errors: see its diagnostics");
  if (c->p->imported) return api_fail(c->p->cx, ST_REJECTED, "a recorded model is diagnosed, not run");
  api_polls(c->p->cx);
  api_stack(&c->p->cx->mem, API_STACK_COMPILE);
  ArenaScope scope;
  dg_status st = build(c, arena_open(&scope, &c->p->cx->mem));
  arena_close(&scope);
  return st;
}

dg_status dg_build(dg_program *p, const dg_build_options *options, dg_built *out) {
  if (!p) return DG_USAGE;
  if (!out) return api_fail(p->cx, ST_USAGE, "dg_build: a dg_built is needed");
  dg_build_options own = {.size = sizeof own, .level = -1};
  dg_status st = options ? api_sized(p->cx, "dg_build_options", &own, sizeof own, options) : DG_OK;
  if (st == DG_OK) st = api_size(p->cx, "dg_built", out->size);
  if (st != DG_OK) return st;
  dg_built made = {.size = sizeof made};
  BuildCall c = {p, &own, &made};
  st = api_guard(p->cx, build_in, &c);
  if (st == DG_OK) api_fill(out, out->size, &made, sizeof made);
  return st;
}
