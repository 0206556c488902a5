/* A set of kernels to callable code: equal kernels once, two contexts side by side, linked into a JIT whose
 * library resolves nothing (kernels call nothing; under the sanitizer, its own functions only). */
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

enum { JOBS = 2 };

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

/* Distributes kernels and tile functions over n jobs: the dearest first, each to the job with the least work.
 */
static void split(Arena *a, const KernelShare *p, const Tiles *t, ModuleJob *job, int n) {
  uint32_t all = p->n + t->nfn;
  Piece *piece = ARENA_ARRAY(a, Piece, all);
  const Kernel **kernel[JOBS];
  const char **symbol[JOBS];
  uint32_t *tile[JOBS];
  double load[JOBS] = {0};
  for (int i = 0; i < n; i++) {
    job[i].kernel = kernel[i] = ARENA_ARRAY(a, const Kernel *, p->n);
    job[i].symbol = symbol[i] = ARENA_ARRAY(a, const char *, p->n);
    job[i].tile = tile[i] = ARENA_ARRAY(a, uint32_t, t->nfn);
    job[i].tiles = t;
  }
  for (uint32_t i = 0; i < all; i++) {
    const Kernel *k = i < p->n ? p->kernel[i] : t->fn[i - p->n].kernel;
    const KernelStmt *list = i < p->n ? k->root : k->root->loop.body;
    piece[i] = (Piece){tiles_cost(i < p->n ? t : NULL, k, list, NULL), i};
  }
  if (all) qsort(piece, all, sizeof *piece, dearest_first);
  for (uint32_t i = 0; i < all; i++) {
    int to = 0;
    for (int k = 1; k < n; k++)
      if (load[k] < load[to]) to = k;
    load[to] += piece[i].cost;
    uint32_t at = piece[i].at;
    if (at < p->n) {
      kernel[to][job[to].n] = p->kernel[at];
      symbol[to][job[to].n++] = p->symbol[at];
    } else
      tile[to][job[to].ntile++] = at - p->n;
  }
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
  ModuleJob *job;
  int njob;
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
  for (int i = 0; i < l->njob; i++) {
    LLVMMemoryBufferRef object = l->job[i].buffer;
    l->job[i].buffer = NULL; /* the JIT takes it */
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

static void *job_thread(void *job) {
  module_run(job);
  return NULL;
}

static void run_jobs(ModuleJob *job, int n) {
  pthread_t thread[JOBS];
  bool started[JOBS] = {false};
  for (int i = 1; i < n; i++) started[i] = pthread_create(&thread[i], NULL, job_thread, &job[i]) == 0;
  module_run(&job[0]);
  for (int i = 1; i < n; i++) {
    if (started[i])
      pthread_join(thread[i], NULL);
    else
      module_run(&job[i]);
  }
}

static void dispose_objects(ModuleJob *job, int n) {
  for (int i = 0; i < n; i++)
    if (job[i].buffer) LLVMDisposeMemoryBuffer(job[i].buffer);
}

Status codegen_compile(Arena *a, const KernelSet *set, const CodegenOptions *o, NativeCode **out,
                       KernelFn **fn, CodegenStats *stats, Sb *why) {
  double t0 = clock_ms(), start, t1;
  ModuleJob job[JOBS];
  *out = NULL;
  memset(job, 0, sizeof job);
  char what[400];
  Status st = llvm_start(what, sizeof what);
  if (st != ST_OK) {
    sb_fmt(why, "%s", what);
    return st;
  }
  KernelShare plan = kernels_share(a, set);
  const Tiles *tiles = tiles_find(a, plan.kernel, plan.n, codegen_share_from(o), "");
  int n = o->threads == 1 || plan.n < 2 || o->sanitize
              ? 1
              : JOBS; /* the sanitizer makes start-up code: one object */
  for (int i = 0; i < n; i++) {
    job[i].options = o;
    mem_init(&job[i].mem, a->mem->limit);
  }
  split(a, &plan, tiles, job, n);
  Link l = {.plan = &plan, .job = job, .njob = n, .sanitize = o->sanitize};
  l.wanted = ARENA_ARRAY(a, LLVMOrcCLookupSetElement, plan.n);
  l.address = ARENA_ARRAY(a, LLVMOrcExecutorAddress, plan.n);
  NativeCode *code = mem_get(a->mem, sizeof *code);
  code->mem = a->mem;
  start = clock_ms() - t0;
  run_jobs(job, n);
  for (int i = 0; i < n && st == ST_OK; i++)
    if (job[i].status != ST_OK) {
      st = job[i].status;
      memcpy(what, job[i].what, sizeof what);
    }
  t1 = clock_ms();
  size_t bytes = 0;
  for (int i = 0; i < n; i++)
    if (job[i].buffer) bytes += LLVMGetBufferSize(job[i].buffer);
  if (st == ST_OK) {
    GuardResult g = guard_call(link_work, &l, l.what, sizeof l.what);
    st = g == GUARD_OK ? l.status : g == GUARD_NO_MEMORY ? ST_NO_MEMORY : ST_INTERNAL;
    if (st != ST_OK) memcpy(what, l.what, sizeof what);
    if (g == GUARD_OK) code->jit = l.jit; /* after a caught failure the JIT is dead */
  }
  dispose_objects(job, n);
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
  for (int i = 0; i < n; i++) {
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
