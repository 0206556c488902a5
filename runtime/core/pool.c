/* See pool.h. The whole protocol is one word, `gate`:
 *     bits 63..32 phase number   bit 31 open   bits 30..0 workers inside
 * The caller opens a phase by storing a new number with the open bit. A worker enters by compare-and-swap on
 * the word it saw, so it can only enter the phase it read, and only while that is open. It leaves by
 * subtracting 1. The caller closes by clearing the bit and waits until nobody is inside; then every claimed
 * chunk is done. */
#include "runtime/core/pool.h"

#include "runtime/core/checked.h"
#include "runtime/core/fpenv.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define GATE_OPEN (UINT64_C(1) << 31)
#define GATE_INSIDE (GATE_OPEN - 1)
#define GATE_PHASE (UINT64_C(1) << 32)
#define APART_NEVER (-2)
#define APART_NS 1000000        /* the caller may move: workers are told at most this often */
#define INTERFERED_MIN_NS 20000 /* shorter waits are the noise of a join, not another process */

typedef struct Worker {
  Pool *pool;
  uint32_t index;
  pthread_t thread;
  /* Chunks of this thread's share: next to claim (may pass end) and end; the share's units. Only the caller
   * writes them, between phases, but for `next`. */
  _Alignas(64) _Atomic uint32_t next;
  uint32_t end;
  int64_t first, units;
} Worker;

struct Pool {
  /* Written by all during a phase. */
  _Alignas(64) _Atomic uint64_t gate;
  /* Asleep: workers wait for `wake` to change, the caller for `done`. */
  _Alignas(64) _Atomic uint32_t asleep;
  _Atomic uint32_t wake, done, caller_asleep, stop;
  /* The open phase; written by the caller before it stores the gate. */
  _Alignas(64) PoolFn fn;
  void *arg;
  /* Constant after pool_start. */
  uint32_t threads;
  int64_t spin_ns;
  /* The caller's own. */
  uint32_t alone, level; /* phases still to run alone; 2^level after the next interference */
  int apart;        /* the core that workers were last kept away from; -1: none, APART_NEVER: not to be */
  int64_t apart_ns; /* when that was asked for */
  PoolStats stats;
  Worker worker[];
};

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void futex_wait(_Atomic uint32_t *a, uint32_t seen) {
  syscall(SYS_futex, a, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}
static void futex_wake(_Atomic uint32_t *a, int n) {
  syscall(SYS_futex, a, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* First unit of chunk c when `units` are cut into `chunks` parts whose sizes differ by at most one. */
static int64_t chunk_start(int64_t units, uint32_t chunks, uint32_t c) {
  int64_t each = units / chunks, over = units % chunks;
  return each * c + (c < over ? c : over);
}

/* A thread's share of `units` in chunks: each takes half of what is left (rounded up), so that neighbours
 * stay together and what another thread may take over at the end is small. First unit of chunk c. */
static int64_t share_start(int64_t units, uint32_t c) { return c > 62 ? units : units - (units >> c); }

/* Claims and computes until no chunk is left: the own share first, then the next threads' in turn. */
static void work(Pool *p, uint32_t self) {
  for (uint32_t k = 0; k < p->threads; k++) {
    Worker *w = &p->worker[(self + k) % p->threads];
    for (;;) {
      if (atomic_load_explicit(&w->next, memory_order_relaxed) >= w->end)
        break; /* keeps `next` far from wrapping */
      uint32_t c = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
      if (c >= w->end) break;
      p->fn(p->arg, self, w->first + share_start(w->units, c), w->first + share_start(w->units, c + 1));
    }
  }
}

/* Waits for an open phase this worker has not been in. False: the pool stops. */
static bool enter(Pool *p, uint64_t *last) {
  int64_t until = now_ns() + p->spin_ns;
  for (uint32_t spins = 0;; spins++) {
    uint64_t g = atomic_load_explicit(&p->gate, memory_order_acquire);
    if ((g & GATE_OPEN) && g / GATE_PHASE != *last) {
      if (atomic_compare_exchange_weak_explicit(&p->gate, &g, g + 1, memory_order_acq_rel,
                                                memory_order_relaxed)) {
        *last = g / GATE_PHASE;
        return true;
      }
      continue;
    }
    if (atomic_load_explicit(&p->stop, memory_order_acquire)) return false;
    if (spins % 32 < 31) {
      __builtin_ia32_pause();
      continue;
    }
    if (now_ns() < until) continue;
    /* Sleep. Either the caller sees us counted in `asleep` after it stored the gate and changes `wake`, or we
     * see the new gate here: all four accesses are sequentially consistent. */
    uint32_t seen = atomic_load(&p->wake);
    atomic_fetch_add(&p->asleep, 1);
    g = atomic_load(&p->gate);
    if (!((g & GATE_OPEN) && g / GATE_PHASE != *last) && !atomic_load(&p->stop)) futex_wait(&p->wake, seen);
    atomic_fetch_sub(&p->asleep, 1);
    until = now_ns() + p->spin_ns;
  }
}

static void leave(Pool *p) {
  uint64_t g = atomic_fetch_sub(&p->gate, 1) - 1;
  if ((g & (GATE_OPEN | GATE_INSIDE)) == 0 && atomic_load(&p->caller_asleep)) {
    atomic_fetch_add(&p->done, 1);
    futex_wake(&p->done, 1);
  }
}

static void *worker_main(void *arg) {
  Worker *w = arg;
  Pool *p = w->pool;
  (void)fpenv_enter();
  for (uint64_t last = 0; enter(p, &last);) {
    work(p, w->index);
    leave(p);
  }
  return NULL;
}

static void wake_all(Pool *p) {
  if (!atomic_load(&p->asleep)) return;
  atomic_fetch_add(&p->wake, 1);
  futex_wake(&p->wake, (int)p->threads);
}

/* Closes the phase and waits for the workers inside; returns how long that took. */
static int64_t join(Pool *p) {
  uint64_t g = atomic_fetch_and(&p->gate, ~GATE_OPEN);
  if (!(g & GATE_INSIDE)) return 0;
  int64_t from = now_ns(), now = from;
  for (uint32_t spins = 1;; spins++) {
    if (!(atomic_load_explicit(&p->gate, memory_order_acquire) & GATE_INSIDE)) break;
    if (spins % 32) {
      __builtin_ia32_pause();
      continue;
    }
    if ((now = now_ns()) - from < p->spin_ns) continue;
    uint32_t seen = atomic_load(&p->done);
    atomic_store(&p->caller_asleep, 1);
    if (atomic_load(&p->gate) & GATE_INSIDE) futex_wait(&p->done, seen);
    atomic_store(&p->caller_asleep, 0);
  }
  return now_ns() - from;
}

/* A worker that sleeps is woken on the core of its waker where the others seem busy, and there they take
 * turns. So workers may run anywhere but on the caller's core. A hint: where the system refuses, all stays as
 * it is. The caller itself is the host's thread and is left alone. */
static void keep_apart(Pool *p) {
  if (p->apart == APART_NEVER) return;
  int cpu = sched_getcpu();
  if (cpu == p->apart) return;
  int64_t now = now_ns();
  if (p->apart >= 0 && now - p->apart_ns < APART_NS) return;
  cpu_set_t cpus;
  p->apart = APART_NEVER;
  if (cpu < 0 || sched_getaffinity(0, sizeof cpus, &cpus) != 0) return;
  if ((uint32_t)CPU_COUNT(&cpus) < p->threads) return;
  CPU_CLR(cpu, &cpus);
  for (uint32_t i = 1; i < p->threads; i++)
    if (pthread_setaffinity_np(p->worker[i].thread, sizeof cpus, &cpus) != 0) return;
  p->apart = cpu;
  p->apart_ns = now;
}

static void run_split(Pool *p, PoolFn fn, void *arg, int64_t units, int64_t estimate_ns) {
  p->fn = fn, p->arg = arg;
  for (uint32_t i = 0; i < p->threads; i++) {
    Worker *w = &p->worker[i];
    w->first = chunk_start(units, p->threads, i);
    w->units = chunk_start(units, p->threads, i + 1) - w->first;
    w->end =
        w->units ? 64 - (uint32_t)__builtin_clzll((uint64_t)w->units) : 0; /* the last one takes one unit */
    atomic_store_explicit(&w->next, 0, memory_order_relaxed);
  }
  uint64_t phase = atomic_load_explicit(&p->gate, memory_order_relaxed) / GATE_PHASE + 1;
  if (phase > UINT32_MAX) phase = 1; /* 0 means "none yet" to a worker */
  keep_apart(p);
  atomic_store(&p->gate, phase * GATE_PHASE | GATE_OPEN);
  wake_all(p);
  work(p, 0);
  int64_t waited = join(p);
  int64_t bound = 4 * (estimate_ns / p->threads);
  if (bound < INTERFERED_MIN_NS) bound = INTERFERED_MIN_NS;
  p->stats.split++;
  if (waited <= bound) {
    p->level = 0;
    return;
  }
  p->stats.interfered++;
  p->alone = UINT32_C(1) << p->level;
  if (p->level < POOL_BACKOFF_MAX) p->level++;
}

void pool_run(Pool *p, PoolFn fn, void *arg, int64_t units, int64_t estimate_ns) {
  if (units <= 0) return;
  FpEnv host = fpenv_enter();
  if (p->threads == 1 || units == 1 || estimate_ns < POOL_SPLIT_NS) {
    p->stats.small++;
    fn(arg, 0, 0, units);
  } else if (p->alone) {
    p->alone--;
    p->stats.backed_off++;
    fn(arg, 0, 0, units);
  } else {
    /* An estimate above an hour is a wrong estimate; the bound keeps 4x of it from overflowing. */
    run_split(p, fn, arg, units, estimate_ns > INT64_C(3600000000000) ? INT64_C(3600000000000) : estimate_ns);
  }
  fpenv_leave(host);
}

bool pool_bytes(uint32_t threads, size_t *bytes) {
  uint64_t n;
  if (threads < 1 || threads > POOL_MAX_THREADS) return false;
  if (!checked_mul(threads, sizeof(Worker), &n) || !checked_add(n, sizeof(Pool), &n)) return false;
  *bytes = (size_t)n;
  return true;
}

/* Stops the workers 1 .. n - 1. */
static void stop_workers(Pool *p, uint32_t n) {
  atomic_store(&p->stop, 1);
  atomic_fetch_add(&p->wake, 1);
  futex_wake(&p->wake, (int)p->threads);
  for (uint32_t i = 1; i < n; i++) pthread_join(p->worker[i].thread, NULL);
}

Pool *pool_start(void *memory, uint32_t threads) {
  size_t bytes;
  if (!pool_bytes(threads, &bytes)) return NULL;
  memset(memory, 0, bytes);
  Pool *p = memory;
  p->threads = threads;
  /* With fewer cores than threads a spinning thread holds the core that another one needs. */
  cpu_set_t cpus;
  bool enough = sched_getaffinity(0, sizeof cpus, &cpus) != 0 || (uint32_t)CPU_COUNT(&cpus) >= threads;
  p->spin_ns = enough ? POOL_SPIN_NS : 0;
  p->apart = enough ? -1 : APART_NEVER;
  for (uint32_t i = 0; i < threads; i++) p->worker[i].pool = p, p->worker[i].index = i;
  /* Signals belong to the host's threads. */
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  uint32_t n = 1;
  while (n < threads && pthread_create(&p->worker[n].thread, NULL, worker_main, &p->worker[n]) == 0) n++;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (n == threads) return p;
  stop_workers(p, n);
  return NULL;
}

void pool_stop(Pool *p) { stop_workers(p, p->threads); }

uint32_t pool_threads(const Pool *p) { return p->threads; }
PoolStats pool_stats(const Pool *p) { return p->stats; }
