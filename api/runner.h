/* One entry point ready to run: by the interpreter or by native code, with the same bits. */
#ifndef DG_API_RUNNER_H
#define DG_API_RUNNER_H

#include "api/api.h"
#include "runtime/core/pool.h"

typedef struct RunnerOptions {
  bool interpret;
  int level;       /* of LLVM's optimisation, -1: default */
  const char *isa; /* NULL: the best this CPU has */
  Pool *pool;      /* native: whose threads; NULL: the caller alone */
  CpuLevel cpu;    /* as ExecOptions.cpu */
} RunnerOptions;

typedef struct RunnerFacts {
  int64_t arena_bytes, kernels;
  double flops, compile_ms;
  const char *isa;
} RunnerFacts;

typedef struct Runner {
  Arena arena;        /* everything of it, the values included */
  const Graph *graph; /* optimised, dims constant; its roots are in the order of the entry's */
  RunnerOptions how;
  RunnerFacts facts;
  struct Exec *exec; /* NULL: interpreted */
  Tensor *value;     /* by root: where its value stands after a run (not for ASSIGN) */
  Tensor
      *leaf;   /* by leaf, with the constant extents of this binding; data NULL where not read nor assigned */
  bool *reads; /* by leaf */
  ArenaMark values; /* interpreted: what a run allocates starts here */
} Runner;

/* Compiles an entry under bindings. The runner lives in memory of its own. ST_REJECTED: *why says what does
 * not fit. */
MUST_USE Status runner_new(Mem *m, const Program *p, const Entry *e, const DimBinding *bind, size_t nbind,
                           const RunnerOptions *how, Runner **out, Sb *why);
void runner_free(Runner *r);
/* Runs once. data[leaf] is the buffer of each leaf read or assigned; assignments are written there at the
 * end. */
MUST_USE Status runner_run(Runner *r, void *const *data, const HostEntry *host, Sb *why);

#endif
