/* Native execution: plan -> machine code -> one arena, launches in order on the pool. */
#include "api/exec.h"

#include "base/size.h"
#include "ir/plan/plan.h"
#include "passes/lower/lower.h"

Status exec_fits(uint64_t bytes, int64_t arena_bytes, int64_t memory, Sb *why) {
  if (bytes > (uint64_t)arena_bytes)
    sb_fmt(why, "the program needs %llu bytes of memory, above the limit 'arena_bytes' of %lld",
           (unsigned long long)bytes, (long long)arena_bytes);
  else if (memory && bytes > (uint64_t)memory)
    sb_fmt(why,
           "a step needs %llu bytes of memory, above the limit 'memory' of %lld, also where all is computed "
           "again that loops can: smaller batches, or 'checkpoint' around what is large, need less",
           (unsigned long long)bytes, (long long)memory);
  else
    return ST_OK;
  return ST_LIMIT;
}

#if DG_CODEGEN
#include "codegen/codegen.h"

typedef struct ExecRoot {
  StepRef ref;
  Tensor shape; /* without data */
} ExecRoot;

/* What runs: the plan's image and machine code. The plan itself ends with the compile. */
struct Exec {
  Mem *mem;
  const StepImage *image;
  const PlanSite *site;
  Str *host_name; /* by site */
  const ExecRoot *root;
  NativeCode *code;
  KernelFn **fn;
  Pool *pool;
  ExecFacts facts;
  int64_t most_bytes; /* the limit on its memory */
  void **base;        /* as StepEnv.base; its own */
  void *arena;
  size_t arena_bytes;
  char *scratch; /* one piece a thread */
  size_t scratch_bytes;
  bool shares; /* image and code are another's */
};

static Status target_of(Arena *a, const ExecOptions *o, bool print, CodegenOptions *c, Sb *why) {
  CodegenTarget t;
  Status st = codegen_target(a, &(TargetRequest){o->isa, o->cpu, print, o->elsewhere}, &t, why);
  if (st != ST_OK) return st;
  codegen_options_init(c, &t);
  if (o->level >= 0) codegen_options_level(c, o->level);
  return ST_OK;
}

Status exec_can(Arena *a, const ExecOptions *o, Sb *why) {
  CodegenOptions c;
  return target_of(a, o, false, &c, why);
}

/* Behind its first write to a parameter in place there is more left of this step than who has ended it should
 * wait for. */
static bool settles_early(const Plan *p) {
  enum { LEFT_NS = 50000000 };
  int64_t left = 0;
  for (uint32_t i = plan_settled(p); i < p->commit && left < LEFT_NS; i++)
    left += p->launch.at[i].estimate_ns < LEFT_NS ? p->launch.at[i].estimate_ns : LEFT_NS;
  return left >= LEFT_NS;
}

/* Where writing in place begins too early, updates wait until all else is done. */
static Plan *plan_for(Arena *a, const Graph *g, const ExecOptions *o, const CodegenOptions *c, TimeLog *time,
                      Sb *why) {
  LowerOptions l;
  lower_options_init(&l, c->target.vector_bytes);
  l.cache_l1 = c->target.cache_l1;
  l.cache_l2 = c->target.cache_l2;
  l.time = time;
  l.reuse = !o->no_reuse;
  l.in_place = !o->no_reuse;
  Plan *p = lower_graph(a, g, &l, why);
  if (!p || !settles_early(p)) return p;
  l.updates_last = true;
  return lower_graph(a, g, &l, why);
}

/* What it will hold while it runs: the arena, and scratch for each thread. */
static Status memory_fits(Exec *x, Sb *why) {
  size_t threads = x->pool ? pool_threads(x->pool) : 1;
  x->arena_bytes = x->image->arena_bytes;
  if (!size_mul(x->image->scratch_bytes, threads, &x->scratch_bytes) ||
      !size_add(x->arena_bytes, x->scratch_bytes, &x->facts.arena_bytes))
    x->facts.arena_bytes = SIZE_MAX;
  Status st = exec_fits(x->facts.arena_bytes, x->most_bytes, 0, why);
  if (st != ST_OK) return st;
  if (!x->arena_bytes) x->arena_bytes = PLAN_ALIGN;
  if (!x->scratch_bytes) x->scratch_bytes = PLAN_ALIGN;
  return ST_OK;
}

/* The only memory outside of arenas: released by exec_free, also when the second allocation raises. */
static Status step_memory(Arena *a, Exec *x, Sb *why) {
  Status st = memory_fits(x, why);
  if (st != ST_OK) return st;
  x->base = ARENA_ARRAY(a, void *, STEP_LEAF + x->image->nleaf);
  x->arena = mem_get(x->mem, x->arena_bytes);
  x->scratch = mem_get(x->mem, x->scratch_bytes);
  x->base[STEP_SCRATCH] = x->scratch;
  x->base[STEP_ARENA] = x->arena;
  x->base[STEP_DATA] = (char *)(uintptr_t)x->image + x->image->data; /* size-ok: within the image */
  return ST_OK;
}

/* Shapes of what the host is given and of what comes out, which outlive the plan. */
static void keep_shapes(Arena *a, Exec *x, const Plan *p) {
  const Program *pr = p->graph->program;
  uint32_t sites;
  x->site = plan_sites(a, p, &sites);
  x->host_name = ARENA_ARRAY(a, Str, sites + 1);
  for (uint32_t i = 0; i < sites; i++)
    x->host_name[i] = names_str(pr->names, pr->externs.at[x->site[i].host].name);
  ExecRoot *root = ARENA_ARRAY(a, ExecRoot, p->root.n);
  for (uint32_t i = 0; i < p->root.n; i++) {
    const Type *t = &graph_node(p->graph, p->graph->root.at[i].node)->type;
    root[i].ref = step_roots(x->image)[i].ref;
    root[i].shape = (Tensor){
        .dtype = (DType)t->dtype, .rank = t->rank, .count = (size_t)p->buffer.at[p->root.at[i].buffer].n};
    if (!type_extents(pr->dims, t, root[i].shape.ext)) BUG(x->mem, "exec: symbolic extents");
  }
  x->root = root;
}

/* Plan, image, machine code. */
static Status make(Arena *a, Arena *passing, const Graph *g, const ExecOptions *o, const CodegenOptions *c,
                   Exec *x, Sb *why) {
  CodegenStats stats;
  double t0 = clock_ms();
  Plan *p = plan_for(passing, g, o, c, NULL, why);
  if (!p) return ST_REJECTED;
  x->facts.lower_ms = clock_ms() - t0;
  x->image = plan_image(a, p, why);
  if (!x->image) return ST_LIMIT;
  Status st = memory_fits(x, why);
  if (st != ST_OK) return st;
  x->fn = ARENA_ARRAY(a, KernelFn *, p->kernel.n + 1);
  keep_shapes(a, x, p);
  st = codegen_compile(passing, &(KernelSet){p->kernel.at, p->kernel.n}, c, &x->code, x->fn, &stats, why);
  if (st != ST_OK) return st; /* nothing after it may raise: the code would be lost */
  x->facts.codegen_ms = stats.ms;
  x->facts.kernels = p->kernel.n;
  x->facts.flops = p->flops;
  return ST_OK;
}

Status exec_new(Arena *a, const Graph *g, const ExecOptions *o, Exec **out, Sb *why) {
  CodegenOptions c;
  Status st = target_of(a, o, false, &c, why);
  if (st != ST_OK) return st;
  Exec *x = ARENA_NEW(a, Exec);
  x->mem = a->mem;
  x->pool = o->pool;
  x->most_bytes = g->program->limits->arena_bytes;
  x->facts.isa = str_copy(a, c.target.name).p;
  ArenaScope scope;
  st = make(a, arena_open(&scope, a->mem), g, o, &c, x, why);
  arena_close(&scope);
  if (st != ST_OK) return st;
  *out = x;
  return o->code_only ? ST_OK : step_memory(a, x, why);
}

Status exec_share(Arena *a, const Exec *of, Pool *pool, Exec **out, Sb *why) {
  Exec *x = ARENA_NEW(a, Exec);
  *x = *of;
  x->mem = a->mem;
  x->pool = pool;
  x->shares = true;
  *out = x;
  return step_memory(a, x, why);
}

void exec_free(Exec *x) {
  if (!x) return;
  if (!x->shares) native_release(x->code);
  if (x->arena) mem_free(x->mem, x->arena, x->arena_bytes);
  if (x->scratch) mem_free(x->mem, x->scratch, x->scratch_bytes);
  x->code = NULL;
  x->arena = NULL;
  x->scratch = NULL;
}

const ExecFacts *exec_facts(const Exec *x) { return &x->facts; }

typedef struct HostCall {
  const Exec *x;
  const HostEntry *host;
} HostCall;

static bool call_host(void *user, uint32_t site, void *const *buf) {
  const HostCall *c = user;
  return plan_host(&c->x->site[site], c->host, buf);
}

static void bind_leaves(const Exec *x, void *const *data) {
  const uint32_t *leaf = step_leaves(x->image);
  for (uint32_t i = 0; i < x->image->nleaf; i++) x->base[STEP_LEAF + i] = data[leaf[i]];
}

Status exec_run(Exec *x, void *const *data, const HostEntry *host, const uint32_t *stop, Sb *why) {
  HostCall call = {x, host};
  StepEnv env = {.image = x->image,
                 .fn = x->fn,
                 .base = x->base,
                 .pool = x->pool,
                 .run = pool_run,
                 .host = call_host,
                 .user = &call,
                 .stop = stop};
  bind_leaves(x, data);
  switch (step_run(&env)) {
  case STEP_DONE: break;
  case STEP_CHECK_FAILED: sb_fmt(why, "a check of the program does not hold"); return ST_SELF_CHECK;
  case STEP_HOST_FAILED:
    sb_fmt(why, "the host function '" STRF "' is not registered or failed", STRA(x->host_name[env.failed]));
    return ST_REJECTED;
  case STEP_CANCELLED: sb_fmt(why, "cancelled"); return ST_CANCELLED;
  }
  return ST_OK;
}

Tensor exec_root(const Exec *x, uint32_t i) {
  Tensor v = x->root[i].shape;
  v.data = step_address(x->base, x->root[i].ref);
  return v;
}

Status exec_plan(Arena *a, const Graph *g, const ExecOptions *o, Plan **out, Sb *why) {
  CodegenOptions c;
  Status st = target_of(a, o, true, &c, why);
  if (st != ST_OK) return st;
  *out = plan_for(a, g, o, &c, NULL, why);
  return *out ? ST_OK : ST_REJECTED;
}

Status exec_level(Arena *a, const ExecOptions *o, CpuLevel *level, Sb *why) {
  CodegenOptions c;
  Status st = target_of(a, o, true, &c, why);
  if (st == ST_OK) *level = c.target.level;
  return st;
}

Status exec_object(Arena *a, const KernelSet *set, const ExecOptions *o, const ObjectFace *face, Sb *out,
                   Sb *why) {
  CodegenOptions c;
  Status st = target_of(a, o, true, &c, why);
  return st == ST_OK ? codegen_object(a, set, &c, face, NULL, out, why) : st;
}

int64_t exec_measure(void *cx, const Graph *g) {
  const ExecOptions *o = cx;
  CodegenOptions c;
  ArenaScope scope;
  Arena *a = arena_open(&scope, g->arena->mem);
  Sb why;
  sb_init(&why, a);
  size_t bytes = 0;
  const Plan *p = target_of(a, o, true, &c, &why) == ST_OK ? plan_for(a, g, o, &c, NULL, &why) : NULL;
  if (p && !size_add(p->arena_bytes, p->scratch_bytes, &bytes)) bytes = SIZE_MAX;
  arena_close(&scope);
  return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}

Status exec_emit(Arena *a, const Graph *g, const ExecOptions *o, const char *stage, Sb *out, Sb *why) {
  CodegenOptions c;
  Status st = target_of(a, o, true, &c, why);
  if (st != ST_OK) return st;
  Plan *p = plan_for(a, g, o, &c, NULL, why);
  if (!p) return ST_REJECTED;
  if (strcmp(stage, "plan") == 0) {
    plan_print(p, out);
    return ST_OK;
  }
  if (strcmp(stage, "kernels") == 0) {
    plan_print_kernels(p, out);
    return ST_OK;
  }
  CodegenPrint what = strcmp(stage, "llvm") == 0  ? PRINT_LLVM
                      : strcmp(stage, "asm") == 0 ? PRINT_ASSEMBLY
                                                  : PRINT_OBJECT;
  return codegen_print(a, &(KernelSet){p->kernel.at, p->kernel.n}, &c, what, "dgc_k", out, why);
}

Status exec_time(Arena *a, const Graph *g, const ExecOptions *o, TimeLog *time, Sb *why) {
  CodegenOptions c;
  Status st = target_of(a, o, false, &c, why);
  if (st != ST_OK) return st;
  c.threads = 1; /* so that the parts add up to the whole */
  Plan *p = plan_for(a, g, o, &c, time, why);
  if (!p) return ST_REJECTED;
  CodegenStats s;
  NativeCode *code;
  KernelFn **fn = ARENA_ARRAY(a, KernelFn *, p->kernel.n + 1);
  st = codegen_compile(a, &(KernelSet){p->kernel.at, p->kernel.n}, &c, &code, fn, &s, why);
  if (st != ST_OK) return st;
  timelog_row(time, "code: start", s.ms_start, 0, NULL);
  timelog_row(time, "code: emit", s.ms_emit, s.functions, "functions");
  timelog_row(time, "code: LLVM passes", s.ms_passes, 0, NULL);
  timelog_row(time, "code: generate", s.ms_code, (uint32_t)s.object_bytes, "bytes");
  double start = clock_ms();
  native_release(code);
  timelog_row(time, "code: link", s.ms_link + clock_ms() - start, 0, NULL);
  return ST_OK;
}

#else /* built without native code */

static Status none(Sb *why) {
  sb_fmt(why, "this dgc was built without native code; use --interpret");
  return ST_REJECTED;
}
/* A session that binds, reads, writes and saves needs no code; running it is refused. */
Status exec_can(Arena *a, const ExecOptions *o, Sb *why) {
  (void)a, (void)o, (void)why;
  return ST_OK;
}
Status exec_new(Arena *a, const Graph *g, const ExecOptions *o, Exec **out, Sb *why) {
  (void)a, (void)g, (void)o, (void)out;
  return none(why);
}
Status exec_share(Arena *a, const Exec *of, Pool *pool, Exec **out, Sb *why) {
  (void)a, (void)of, (void)pool, (void)out;
  return none(why);
}
void exec_free(Exec *x) { (void)x; }
const ExecFacts *exec_facts(const Exec *x) {
  static const ExecFacts nothing;
  (void)x;
  return &nothing;
}
Status exec_run(Exec *x, void *const *data, const HostEntry *host, const uint32_t *stop, Sb *why) {
  (void)x, (void)data, (void)host, (void)stop;
  return none(why);
}
Tensor exec_root(const Exec *x, uint32_t i) {
  (void)x, (void)i;
  return (Tensor){0};
}
/* Lowering needs no LLVM. */
int64_t exec_measure(void *cx, const Graph *g) {
  const ExecOptions *o = cx;
  ArenaScope scope;
  Arena *a = arena_open(&scope, g->arena->mem);
  LowerOptions l;
  Sb why;
  size_t bytes = 0;
  sb_init(&why, a);
  lower_options_init(&l, o->isa && strcmp(o->isa, "avx2") == 0 ? 32 : 64);
  const Plan *p = lower_graph(a, g, &l, &why);
  if (p && !size_add(p->arena_bytes, p->scratch_bytes, &bytes)) bytes = SIZE_MAX;
  arena_close(&scope);
  return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}
Status exec_time(Arena *a, const Graph *g, const ExecOptions *o, TimeLog *time, Sb *why) {
  LowerOptions l;
  lower_options_init(&l, o->isa && strcmp(o->isa, "avx2") == 0 ? 32 : 64);
  l.time = time;
  return lower_graph(a, g, &l, why) ? ST_OK : ST_REJECTED;
}
Status exec_plan(Arena *a, const Graph *g, const ExecOptions *o, Plan **out, Sb *why) {
  (void)a, (void)g, (void)o, (void)out;
  return none(why);
}
Status exec_level(Arena *a, const ExecOptions *o, CpuLevel *level, Sb *why) {
  (void)a, (void)o, (void)level;
  sb_fmt(why, "this dgc was built without native code");
  return ST_REJECTED;
}
Status exec_object(Arena *a, const struct KernelSet *set, const ExecOptions *o, const struct ObjectFace *face,
                   Sb *out, Sb *why) {
  (void)a, (void)set, (void)o, (void)face, (void)out;
  return none(why);
}
/* Plan and kernels do not need LLVM; vectors are sized as for AVX-512. */
Status exec_emit(Arena *a, const Graph *g, const ExecOptions *o, const char *stage, Sb *out, Sb *why) {
  LowerOptions l;
  lower_options_init(&l, o->isa && strcmp(o->isa, "avx2") == 0 ? 32 : 64);
  if (strcmp(stage, "plan") != 0 && strcmp(stage, "kernels") != 0) return none(why);
  Plan *p = lower_graph(a, g, &l, why);
  if (!p) return ST_REJECTED;
  if (strcmp(stage, "plan") == 0)
    plan_print(p, out);
  else
    plan_print_kernels(p, out);
  return ST_OK;
}
#endif
