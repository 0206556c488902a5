/* Native execution of one graph: plan, machine code, arena. The same bits as the interpreter on that graph,
 * whatever the threads, the instruction set and the level. */
#ifndef DG_API_EXEC_H
#define DG_API_EXEC_H

#include "base/clock.h"
#include "ir/interpret/interp.h"
#include "runtime/core/cpu.h"
#include "runtime/core/pool.h"

typedef struct ExecOptions {
  int level;       /* of LLVM's optimisation, 0 to 3; -1: the default list of passes */
  const char *isa; /* "avx512", "avx2"; NULL: the best this CPU has */
  Pool *pool;      /* NULL: the caller alone */
  CpuLevel cpu;    /* tests: as if the CPU had no more; CPU_ASK: what it has */
  bool code_only;  /* not to be run itself, but by exec_share: it holds no memory of a step */
  bool elsewhere;  /* exec_plan, exec_object: for every machine of that instruction set */
  bool no_reuse;   /* arena memory is never used twice (bits must not change) */
} ExecOptions;

typedef struct ExecFacts {
  size_t arena_bytes;
  uint32_t kernels;
  double flops;
  double lower_ms, codegen_ms;
  const char *isa;
} ExecFacts;

typedef struct Exec Exec;
/* ST_LIMIT: a step that needs so many bytes passes a limit (*why). memory: what it was made to keep to; 0: it
 * was not. */
MUST_USE Status exec_fits(uint64_t bytes, int64_t arena_bytes, int64_t memory, Sb *why);
/* Can code for these options run here? ST_USAGE: no such instruction set; ST_REJECTED: not on this CPU, or
 * built without native code. */
MUST_USE Status exec_can(Arena *a, const ExecOptions *o, Sb *why);
/* g: optimised, dims constant; it must outlive the Exec. ST_REJECTED: no code for this CPU (*why). */
MUST_USE Status exec_new(Arena *a, const Graph *g, const ExecOptions *o, Exec **out, Sb *why);
/* Runs the code of `of`, which outlives it, with memory and threads of its own: as many as wanted, in any
 * threads. */
MUST_USE Status exec_share(Arena *a, const Exec *of, Pool *pool, Exec **out, Sb *why);
void exec_free(Exec *x);
const ExecFacts *exec_facts(const Exec *x);
/* One step. data: by leaf, every leaf the graph reads or assigns; any alignment of the element. host: by
 * extern. stop: not 0 there means that another thread has ended it: ST_CANCELLED, and nothing is changed; or
 * NULL. */
MUST_USE Status exec_run(Exec *x, void *const *data, const HostEntry *host, const uint32_t *stop, Sb *why);
/* Where root i's value stands after exec_run. */
Tensor exec_root(const Exec *x, uint32_t i);
/* The plan alone, for any instruction set, whatever runs here. NULL: *why says what does not fit. */
struct Plan;
MUST_USE Status exec_plan(Arena *a, const Graph *g, const ExecOptions *o, struct Plan **out, Sb *why);
/* An object of kernels and what stands beside them. */
struct KernelSet;
struct ObjectFace;
MUST_USE Status exec_object(Arena *a, const struct KernelSet *set, const ExecOptions *o,
                            const struct ObjectFace *face, Sb *out, Sb *why);
/* The instruction set that code for these options is for. */
MUST_USE Status exec_level(Arena *a, const ExecOptions *o, CpuLevel *level, Sb *why);
/* Bytes of memory that a step of this graph takes, by one thread. cx: its ExecOptions. PassOptions.measure.
 */
int64_t exec_measure(void *cx, const Graph *g);
/* Compiles by one thread and throws the code away: rows of --time-passes for lowering and code generation. */
MUST_USE Status exec_time(Arena *a, const Graph *g, const ExecOptions *o, TimeLog *time, Sb *why);
/* Text of --emit=kernels, plan, llvm, asm, obj for a graph. */
MUST_USE Status exec_emit(Arena *a, const Graph *g, const ExecOptions *o, const char *stage, Sb *out,
                          Sb *why);

#endif
