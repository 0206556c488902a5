/* A set of kernels to callable code: equal kernels once, contexts on two threads side by side, linked into a
 * JIT whose library resolves nothing (kernels call nothing; under the sanitizer, its own functions only). */
#include "codegen/guard.h"
#include "codegen/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  THREADS = 2,
  JOB_COST = 2500, /* of a context, about 50 ms: a compile can be ended between two of them */
};

struct NativeCode {
  Mem *mem;
  LLVMOrcLLJITRef jit;
};

/* ---- sharing and splitting ---- */

KernelShare kernels_share(Arena *a, const KernelSet *set) {
  KernelShare p = {0, ARENA_ARRAY(a, const Kernel *, set->n), ARENA_ARRAY(a, const char *, set->n),
                   ARENA_ARRAY(a, uint32_t, set->n)};
  KernelId *known = ARENA_ARRAY(a, KernelId, set->n);
  Map seen;
  map_init(&seen, a);
  for (uint32_t i = 0; i < set->n; i++) {
    KernelId id = kernel_id(set->kernel[i]);
    uint64_t h = id.w[0];
    uint32_t at;
    while (map_get(&seen, h, &at) && !kernel_id_eq(known[at], id)) h++;
    if (!map_get(&seen, h, &at)) {
      at = p.n++;
      map_put(&seen, h, at);
      known[at] = id;
      p.kernel[at] = set->kernel[i];
      p.symbol[at] = str_fmt(a, "k%u", at).p;
    }
    p.of[i] = at;
  }
  return p;
}

typedef struct Piece {
  double cost;
  uint32_t at; /* a kernel, or after all kernels a tile function */
} Piece;

static int dearest_first(const void *x, const void *y) {
  const Piece *a = x, *b = y;
  if (a->cost != b->cost) return a->cost < b->cost ? 1 : -1;
  return a->at < b->at ? -1 : 1;
}

typedef struct Jobs {
  ModuleJob *at;
  uint32_t n, next; /* next: shared by the threads */
} Jobs;

/* Kernels and tile functions, the dearest first. */
static Piece *pieces(Arena *a, const KernelShare *p, const Tiles *t, double *sum) {
  uint32_t all = p->n + t->nfn;
  Piece *piece = ARENA_ARRAY(a, Piece, all);
  *sum = 0;
  for (uint32_t i = 0; i < all; i++) {
    const Kernel *k = i < p->n ? p->kernel[i] : t->fn[i - p->n].kernel;
    const KernelStmt *list = i < p->n ? k->root : k->root->loop.body;
    piece[i] = (Piece){tiles_cost(i < p->n ? t : NULL, k, list, NULL), i};
    *sum += piece[i].cost;
  }
  if (all) qsort(piece, all, sizeof *piece, dearest_first);
  return piece;
}

/* Distributes them over jobs: the dearest first, each to the job with the least work. */
static Jobs split(Arena *a, const KernelShare *p, const Tiles *t, const CodegenOptions *o) {
  double sum;
  uint32_t all = p->n + t->nfn;
  const Piece *piece = pieces(a, p, t, &sum);
  uint32_t threads = o->threads == 1 || p->n < 2 ? 1 : THREADS, n = threads;
  while (n < sum / JOB_COST && n + threads <= all) n += threads; /* jobs of equal cost: as many for each */
  if (o->sanitize) n = 1; /* the sanitizer makes start-up code: one object */
  Jobs jobs = {ARENA_ARRAY(a, ModuleJob, n), n, 0};
  double *load = ARENA_ARRAY(a, double, n);
  uint32_t *to = ARENA_ARRAY(a, uint32_t, all);
  for (uint32_t i = 0; i < all; i++) {
    for (uint32_t k = 1; k < n; k++)
      if (load[k] < load[to[i]]) to[i] = k;
    load[to[i]] += piece[i].cost;
    if (piece[i].at < p->n)
      jobs.at[to[i]].n++;
    else
      jobs.at[to[i]].ntile++;
  }
  const Kernel ***kernel = ARENA_ARRAY(a, const Kernel **, n);
  const char ***symbol = ARENA_ARRAY(a, const char **, n);
  uint32_t **tile = ARENA_ARRAY(a, uint32_t *, n);
  for (uint32_t k = 0; k < n; k++) {
    ModuleJob *j = &jobs.at[k];
    j->kernel = kernel[k] = ARENA_ARRAY(a, const Kernel *, j->n);
    j->symbol = symbol[k] = ARENA_ARRAY(a, const char *, j->n);
    j->tile = tile[k] = ARENA_ARRAY(a, uint32_t, j->ntile);
    j->tiles = t, j->options = o, j->stop.asked = a->mem->stop;
    j->n = j->ntile = 0;
    mem_init_beside(&j->mem, a->mem);
  }
  for (uint32_t i = 0; i < all; i++) {
    ModuleJob *j = &jobs.at[to[i]];
    uint32_t at = piece[i].at;
    if (at < p->n) {
      kernel[to[i]][j->n] = p->kernel[at];
      symbol[to[i]][j->n++] = p->symbol[at];
    } else {
      tile[to[i]][j->ntile++] = at - p->n;
    }
  }
  return jobs;
}

/* ---- linking ---- */

typedef struct Found {
  LLVMErrorRef error;
  LLVMOrcExecutorAddress *address; /* by symbol number */
} Found;

static void on_found(LLVMErrorRef error, LLVMOrcCSymbolMapPairs rows, size_t n, void *context) {
  Found *f = context;
  f->error = error;
  for (size_t i = 0; !error && i < n; i++) {
    unsigned k;
    if (sscanf(LLVMOrcSymbolStringPoolEntryStr(rows[i].Name), "k%u", &k) == 1)
      f->address[k] = rows[i].Sym.Address;
  }
}

/* The sanitizer's functions, from the process. */
static LLVMErrorRef sanitizer_symbols(LLVMOrcDefinitionGeneratorRef g, void *context,
                                      LLVMOrcLookupStateRef *state, LLVMOrcLookupKind kind,
                                      LLVMOrcJITDylibRef lib, LLVMOrcJITDylibLookupFlags flags,
                                      LLVMOrcCLookupSet set, size_t n) {
  (void)g, (void)context, (void)state, (void)kind, (void)flags;
  for (size_t i = 0; i < n; i++) {
    const char *name = LLVMOrcSymbolStringPoolEntryStr(set[i].Name);
    void *at = strncmp(name, "__asan_", 7) == 0 ? dlsym(RTLD_DEFAULT, name) : NULL;
    if (!at) continue;
    LLVMOrcRetainSymbolStringPoolEntry(set[i].Name);
    LLVMJITSymbolFlags f = {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
    LLVMOrcCSymbolMapPair row = {set[i].Name, {(LLVMOrcExecutorAddress)(uintptr_t)at, f}};
    LLVMErrorRef error = LLVMOrcJITDylibDefine(lib, LLVMOrcAbsoluteSymbols(&row, 1));
    if (error) return error;
  }
  return LLVMErrorSuccess;
}

typedef struct Link {
  const KernelShare *plan;
  Jobs *jobs;
  bool sanitize;
  LLVMOrcCLookupSetElement *wanted; /* room for plan->n */
  LLVMOrcExecutorAddress *address;
  LLVMOrcLLJITRef jit;
  Status status;
  char what[400];
} Link;

/* The first reason is kept: those after it are consequences. */
static void on_report(void *link, LLVMErrorRef error) {
  Link *l = link;
  if (!l) {
    LLVMConsumeError(error);
    return;
  }
  char *s = LLVMGetErrorMessage(error);
  if (l->status == ST_OK) {
    snprintf(l->what, sizeof l->what, "LLVM's linker: %s", s);
    l->status = strstr(s, strerror(ENOMEM)) ? ST_NO_MEMORY : ST_INTERNAL; /* mmap, mprotect */
  }
  LLVMDisposeErrorMessage(s);
}

static bool link_failed(Link *l, LLVMErrorRef error) {
  if (error) on_report(l, error);
  return error != NULL;
}

static void link_objects(Link *l, LLVMOrcExecutionSessionRef session) {
  /* the main library would resolve every symbol of the process; this one resolves nothing */
  LLVMOrcJITDylibRef lib = LLVMOrcExecutionSessionCreateBareJITDylib(session, "kernels");
  if (l->sanitize)
    LLVMOrcJITDylibAddGenerator(lib,
                                LLVMOrcCreateCustomCAPIDefinitionGenerator(sanitizer_symbols, NULL, NULL));
  for (uint32_t i = 0; i < l->jobs->n; i++) {
    LLVMMemoryBufferRef object = l->jobs->at[i].buffer;
    l->jobs->at[i].buffer = NULL; /* the JIT takes it */
    if (link_failed(l, LLVMOrcLLJITAddObjectFile(l->jit, lib, object))) return;
  }
  for (uint32_t i = 0; i < l->plan->n; i++)
    l->wanted[i] = (LLVMOrcCLookupSetElement){LLVMOrcLLJITMangleAndIntern(l->jit, l->plan->symbol[i]),
                                              LLVMOrcSymbolLookupFlagsRequiredSymbol};
  LLVMOrcCJITDylibSearchOrderElement order = {lib, LLVMOrcJITDylibLookupFlagsMatchExportedSymbolsOnly};
  Found f = {NULL, l->address};
  LLVMOrcExecutionSessionLookup(session, LLVMOrcLookupKindStatic, &order, 1, l->wanted, l->plan->n, on_found,
                                &f);
  link_failed(l, f.error);
}

static void link_work(void *context) {
  Link *l = context;
  if (link_failed(l, LLVMOrcCreateLLJIT(&l->jit, NULL))) return;
  LLVMOrcExecutionSessionRef session = LLVMOrcLLJITGetExecutionSession(l->jit);
  LLVMOrcExecutionSessionSetErrorReporter(session, on_report, l);
  link_objects(l, session);
  LLVMOrcExecutionSessionSetErrorReporter(session, on_report, NULL); /* it outlives l */
}

static void dispose_work(void *context) {
  LLVMErrorRef error = LLVMOrcDisposeLLJIT(context);
  if (error) LLVMConsumeError(error);
}
static void dispose_jit(LLVMOrcLLJITRef jit) {
  char msg[8];
  if (jit && guard_call(dispose_work, jit, msg, sizeof msg) != GUARD_OK)
    return; /* lost: nothing else can be done */
}

/* ---- the face ---- */

static void *job_thread(void *arg) {
  Jobs *j = arg;
  for (uint32_t i; (i = __atomic_fetch_add(&j->next, 1, __ATOMIC_RELAXED)) < j->n;) module_run(&j->at[i]);
  return NULL;
}

static void run_jobs(Jobs *j, bool alone) {
  pthread_t thread[THREADS];
  uint32_t started = 0; /* besides this one */
  while (!alone && started + 1 < THREADS && started + 1 < j->n &&
         pthread_create(&thread[started], NULL, job_thread, j) == 0)
    started++;
  job_thread(j);
  for (uint32_t i = 0; i < started; i++) pthread_join(thread[i], NULL);
}

static void dispose_objects(Jobs *j) {
  for (uint32_t i = 0; i < j->n; i++)
    if (j->at[i].buffer) LLVMDisposeMemoryBuffer(j->at[i].buffer);
}

Status codegen_compile(Arena *a, const KernelSet *set, const CodegenOptions *o, NativeCode **out,
                       KernelFn **fn, CodegenStats *stats, Sb *why) {
  double t0 = clock_ms(), start, t1;
  *out = NULL;
  char what[400];
  Status st = llvm_start(what, sizeof what);
  if (st != ST_OK) {
    sb_fmt(why, "%s", what);
    return st;
  }
  KernelShare plan = kernels_share(a, set);
  const Tiles *tiles = tiles_find(a, plan.kernel, plan.n, codegen_share_from(o), "");
  Jobs jobs = split(a, &plan, tiles, o);
  ModuleJob *job = jobs.at;
  Link l = {.plan = &plan, .jobs = &jobs, .sanitize = o->sanitize};
  l.wanted = ARENA_ARRAY(a, LLVMOrcCLookupSetElement, plan.n);
  l.address = ARENA_ARRAY(a, LLVMOrcExecutorAddress, plan.n);
  NativeCode *code = mem_get(a->mem, sizeof *code);
  code->mem = a->mem;
  start = clock_ms() - t0;
  run_jobs(&jobs, o->threads == 1);
  for (uint32_t i = 0; i < jobs.n && st == ST_OK; i++)
    if (job[i].status != ST_OK) {
      st = job[i].status;
      memcpy(what, job[i].what, sizeof what);
    }
  t1 = clock_ms();
  size_t bytes = 0;
  for (uint32_t i = 0; i < jobs.n; i++)
    if (job[i].buffer) bytes += LLVMGetBufferSize(job[i].buffer);
  if (st == ST_OK) {
    GuardResult g = guard_call(link_work, &l, l.what, sizeof l.what);
    st = g == GUARD_OK ? l.status : g == GUARD_NO_MEMORY ? ST_NO_MEMORY : ST_INTERNAL;
    if (st != ST_OK) memcpy(what, l.what, sizeof what);
    if (g == GUARD_OK) code->jit = l.jit; /* after a caught failure the JIT is dead */
  }
  dispose_objects(&jobs);
  if (st != ST_OK) {
    native_release(code);
    sb_fmt(why, "%s", what); /* the last thing, because it may raise */
    return st;
  }
  for (uint32_t i = 0; i < set->n; i++) fn[i] = (KernelFn *)(uintptr_t)l.address[plan.of[i]];
  *out = code;
  if (!stats) return ST_OK;
  *stats = (CodegenStats){
      .functions = plan.n + tiles->nfn, .object_bytes = bytes, .ms_start = start, .ms_link = clock_ms() - t1};
  for (uint32_t i = 0; i < jobs.n; i++) {
    stats->ms_emit += job[i].ms_emit;
    stats->ms_passes += job[i].ms_passes;
    stats->ms_code += job[i].ms_code;
  }
  stats->ms = clock_ms() - t0;
  return ST_OK;
}

void native_release(NativeCode *n) {
  if (!n) return;
  dispose_jit(n->jit);
  mem_free(n->mem, n, sizeof *n);
}
