/* The session's threads. A *phase* is a function over `units` independent pieces of work; the pool cuts it
 * into a share for each thread and each share into chunks, half of it, then a quarter, ...; threads claim
 * them, their own share's first, then the others'. Who computes a chunk cannot matter: functions write
 * disjoint results per unit, so bits are the same for every number of threads.
 *
 * A phase is open from the call of pool_run until the caller finds nothing left to claim. Threads that wake
 * later do not enter, so the caller waits only for chunks that have been begun, never for a thread that has
 * not got a core yet. */
#ifndef DG_RUNTIME_CORE_POOL_H
#define DG_RUNTIME_CORE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_MAX_THREADS 256
#define POOL_SPIN_NS 50000  /* a thread without work spins this long, then sleeps */
#define POOL_SPLIT_NS 5000  /* estimated work below this runs on the caller alone */
#define POOL_BACKOFF_MAX 10 /* at most 2^10 phases alone after interference */

typedef struct Pool Pool;
/* Computes units lo .. hi - 1. `thread` is below pool_threads: an index for per-thread scratch. */
typedef void (*PoolFn)(void *arg, uint32_t thread, int64_t lo, int64_t hi);

/* Bytes of a pool of n threads (the caller counts as one), to be given 64-byte aligned to pool_start. False:
 * n is not in 1 .. POOL_MAX_THREADS. */
bool pool_bytes(uint32_t threads, size_t *bytes) __attribute__((warn_unused_result));
/* Starts threads - 1 workers, with all signals blocked and the float environment of fpenv.h. NULL: the system
 * refused a thread; nothing is left running. The memory belongs to the pool until pool_stop returns. */
Pool *pool_start(void *memory, uint32_t threads) __attribute__((warn_unused_result));
void pool_stop(Pool *p);

/* Runs fn over 0 .. units - 1 and returns when all are done. `estimate_ns` is the whole phase's work on one
 * thread. One caller at a time; fn must not call pool_run. The caller's float environment is set for the work
 * and restored. */
void pool_run(Pool *p, PoolFn fn, void *arg, int64_t units, int64_t estimate_ns);

uint32_t pool_threads(const Pool *p);

/* Counters since pool_start, for benchmarks and tests. */
typedef struct PoolStats {
  uint64_t split, small, backed_off; /* phases cut; alone for little work; alone after interference */
  uint64_t interfered;               /* joins that waited over 4x the estimate */
} PoolStats;
PoolStats pool_stats(const Pool *p);

#endif
