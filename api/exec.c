/* Native execution: plan -> machine code -> one arena, launches in order on the pool. */
#include "api/exec.h"

#include "base/size.h"
#include "passes/lower/lower.h"
#include "runtime/core/fpenv.h"

#if DG_CODEGEN
#include "codegen/codegen.h"

struct Exec {
  Mem *mem;
  Plan *plan;
  NativeCode *code;
  KernelFn **fn;
  KernelCut *cut; /* by kernel */
  Pool *pool;
  ExecFacts facts;
  void *arena;
  size_t arena_bytes;
  char *scratch; /* one piece a thread */
  size_t scratch_bytes;
  bool shares; /* plan and code are another's */
};

static Status target_of(Arena *a, const ExecOptions *o, bool print, CodegenOptions *c, Sb *why) {
  CodegenTarget t;
  Status st = codegen_target(a, &(TargetRequest){o->isa, o->cpu, print}, &t, why);
  if (st != ST_OK) return st;
  codegen_options_init(c, &t);
  if (o->level >= 0) codegen_options_level(c, o->level);
  return ST_OK;
}

Status exec_can(Arena *a, const ExecOptions *o, Sb *why) {
  CodegenOptions c;
  return target_of(a, o, false, &c, why);
}

static Plan *plan_for(Arena *a, const Graph *g, const ExecOptions *o, const CodegenOptions *c, TimeLog *time,
                      Sb *why) {
  LowerOptions l;
  lower_options_init(&l, c->target.vector_bytes);
  l.cache_l1 = c->target.cache_l1;
  l.cache_l2 = c->target.cache_l2;
  l.time = time;
  l.reuse = !o->no_reuse;
  l.in_place = !o->no_reuse;
  return lower_graph(a, g, &l, why);
}

/* What it will hold while it runs: the arena, and scratch for each thread. */
static Status memory_fits(Exec *x, int64_t most, Sb *why) {
  size_t threads = x->pool ? pool_threads(x->pool) : 1;
  x->arena_bytes = x->plan->arena_bytes;
  if (!size_mul(x->plan->scratch_bytes, threads, &x->scratch_bytes) ||
      !size_add(x->arena_bytes, x->scratch_bytes, &x->facts.arena_bytes))
    x->facts.arena_bytes = SIZE_MAX;
  if ((uint64_t)x->facts.arena_bytes > (uint64_t)most) {
    sb_fmt(why, "the program needs %zu bytes of memory, above the limit 'arena_bytes' of %lld",
           x->facts.arena_bytes, (long long)most);
    return ST_LIMIT;
  }
  if (!x->arena_bytes) x->arena_bytes = PLAN_ALIGN;
  if (!x->scratch_bytes) x->scratch_bytes = PLAN_ALIGN;
  return ST_OK;
}

/* The only memory outside of arenas: released by exec_free, also when the second allocation raises. */
static Status step_memory(Exec *x, Sb *why) {
  Status st = memory_fits(x, x->plan->graph->program->limits->arena_bytes, why);
  if (st != ST_OK) return st;
  x->arena = mem_get(x->mem, x->arena_bytes);
  x->scratch = mem_get(x->mem, x->scratch_bytes);
  return ST_OK;
}

Status exec_new(Arena *a, const Graph *g, const ExecOptions *o, Exec **out, Sb *why) {
  CodegenOptions c;
  CodegenStats stats;
  Status st = target_of(a, o, false, &c, why);
  if (st != ST_OK) return st;
  Exec *x = ARENA_NEW(a, Exec);
  x->mem = a->mem;
  x->pool = o->pool;
  double t0 = clock_ms();
  x->plan = plan_for(a, g, o, &c, NULL, why);
  if (!x->plan) return ST_REJECTED;
  x->facts.lower_ms = clock_ms() - t0;
  st = memory_fits(x, g->program->limits->arena_bytes, why);
  if (st != ST_OK) return st;
  x->fn = ARENA_ARRAY(a, KernelFn *, x->plan->kernel.n + 1);
  st = codegen_compile(a, &(KernelSet){x->plan->kernel.at, x->plan->kernel.n}, &c, &x->code, x->fn, &stats,
                       why);
  if (st != ST_OK) return st;
  x->cut = ARENA_ARRAY(a, KernelCut, x->plan->kernel.n + 1);
  for (uint32_t i = 0; i < x->plan->kernel.n; i++) x->cut[i] = kernel_cut(a, x->plan->kernel.at[i]);
  x->facts.codegen_ms = stats.ms;
  x->facts.kernels = x->plan->kernel.n;
  x->facts.flops = x->plan->flops;
  x->facts.isa = str_copy(a, c.target.name).p;
  *out = x;
  return o->code_only ? ST_OK : step_memory(x, why);
}

Status exec_share(Arena *a, const Exec *of, Pool *pool, Exec **out, Sb *why) {
  Exec *x = ARENA_NEW(a, Exec);
  *x = *of;
  x->mem = a->mem;
  x->pool = pool;
  x->shares = true;
  *out = x;
  return step_memory(x, why);
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

typedef struct Call {
  KernelFn *fn;
  const Kernel *kernel;
  const KernelCut *cut;
  void **buf;
  char *scratch; /* NULL: the kernel has none */
  size_t scratch_bytes;
  int64_t pieces;
} Call;

/* Pieces lo .. hi - 1 on one thread, with that thread's scratch. */
static void call_pieces(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  const Call *c = arg;
  void *own[KERNEL_BUFFERS], **buf = c->buf;
  size_t offset[KERNEL_BUFFERS];
  if (c->scratch) {
    if (plan_scratch(c->kernel, offset) > c->scratch_bytes) return; /* the plan counted the same bytes */
    buf = own;
    for (int i = 0; i < c->kernel->nbuffer; i++)
      buf[i] = c->kernel->buffer[i].kind == BUFFER_SCRATCH
                   ? c->scratch + thread * c->scratch_bytes + offset[i] /* size-ok: within the allocation */
                   : c->buf[i];
  }
  if (c->pieces == 1) {
    c->fn(buf, 0, c->cut->start[c->cut->n]);
    return;
  }
  for (uint32_t i = 0; i < c->cut->n; i++) {
    int64_t from = kernel_cut_at(c->cut, i, lo, c->pieces), to = kernel_cut_at(c->cut, i, hi, c->pieces);
    if (from < to) c->fn(buf, from, to);
  }
}

/* Pieces are worth a fork each, and so many that threads end at about the same time. */
enum { PIECE_NS = 2000, PIECES = 64 };
static int64_t pieces_of(const PlanLaunch *l) {
  int64_t n = l->estimate_ns / PIECE_NS + 1;
  return n > PIECES ? PIECES : n;
}

static void launch(const Exec *x, const Plan *p, const PlanMemory *m, const PlanLaunch *l) {
  void *buf[KERNEL_BUFFERS];
  bool alone = !x->pool || l->estimate_ns < POOL_SPLIT_NS ||
               pieces_of(l) == 1; /* the float environment is set already */
  Call c = {.fn = x->fn[l->kernel],
            .kernel = p->kernel.at[l->kernel],
            .cut = &x->cut[l->kernel],
            .buf = buf,
            .scratch_bytes = p->scratch_bytes,
            .pieces = alone ? 1 : pieces_of(l)};
  for (uint32_t i = 0; i < l->nbind; i++) {
    uint32_t b = p->bind.at[l->bind + i];
    if (b == PLAN_NONE)
      c.scratch = x->scratch;
    else
      buf[i] = plan_address(p, m, b);
  }
  if (alone)
    call_pieces(&c, 0, 0, 1);
  else
    pool_run(x->pool, call_pieces, &c, c.pieces, l->estimate_ns);
}

static void launches(void *cx, const Plan *p, const PlanMemory *m) { /* of a body */
  const Exec *x = cx;
  for (uint32_t i = 0; i < p->launch.n; i++) {
    if (p->launch.at[i].kind == LAUNCH_KERNEL)
      launch(x, p, m, &p->launch.at[i]);
    else
      plan_body(p, m, &p->launch.at[i], launches, cx);
  }
}

Status exec_run(Exec *x, void *const *data, const HostEntry *host, Sb *why) {
  const Plan *p = x->plan;
  PlanMemory m = {.leaf = data, .arena = x->arena, .host = host};
  Status st = ST_OK;
  FpEnv env = fpenv_enter();
  for (uint32_t i = 0; i <= p->launch.n && st == ST_OK; i++) {
    if (i == p->commit && !plan_checks(p, &m)) {
      sb_fmt(why, "a check of the program does not hold");
      st = ST_SELF_CHECK;
    }
    if (i == p->launch.n || st != ST_OK) break;
    const PlanLaunch *l = &p->launch.at[i];
    if (l->kind == LAUNCH_KERNEL) {
      launch(x, p, &m, l);
      continue;
    }
    if (l->kind != LAUNCH_HOST) {
      plan_body(p, &m, l, launches, x);
      continue;
    }
    fpenv_leave(env); /* the host's function runs in the host's environment */
    st = plan_host(p, &m, l);
    env = fpenv_enter();
    if (st != ST_OK) {
      const Program *pr = p->graph->program;
      sb_fmt(why, "the host function '" STRF "' is not registered or failed",
             STRA(names_str(pr->names, pr->externs.at[l->kernel].name)));
    }
  }
  fpenv_leave(env);
  return st;
}

Tensor exec_root(const Exec *x, uint32_t i, void *const *data) {
  const Plan *p = x->plan;
  const PlanRoot *r = &p->root.at[i];
  const Type *t = &graph_node(p->graph, p->graph->root.at[i].node)->type;
  PlanMemory m = {.leaf = data, .arena = x->arena};
  Tensor v = {.dtype = (DType)t->dtype, .rank = t->rank, .count = (size_t)p->buffer.at[r->buffer].n};
  if (!type_extents(p->graph->program->dims, t, v.ext)) BUG(x->mem, "exec: symbolic extents");
  v.data = plan_address(p, &m, r->buffer);
  return v;
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
Status exec_run(Exec *x, void *const *data, const HostEntry *host, Sb *why) {
  (void)x, (void)data, (void)host;
  return none(why);
}
Tensor exec_root(const Exec *x, uint32_t i, void *const *data) {
  (void)x, (void)i, (void)data;
  return (Tensor){0};
}
Status exec_time(Arena *a, const Graph *g, const ExecOptions *o, TimeLog *time, Sb *why) {
  LowerOptions l;
  lower_options_init(&l, o->isa && strcmp(o->isa, "avx2") == 0 ? 32 : 64);
  l.time = time;
  return lower_graph(a, g, &l, why) ? ST_OK : ST_REJECTED;
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
