/* The pool: every unit exactly once, equal results for every number of threads, few units, no units, uneven
 * work, sleep and wake, the float environment; and the counter RNG, whose known answers belong to
 * runtime/core too. */
#include "runtime/core/fpenv.h"
#include "runtime/core/pool.h"
#include "runtime/core/rng.h"
#include "unit.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUSY_NS 1000000 /* an estimate that makes the pool split */

static const uint32_t thread_counts[] = {1, 2, 3, 5, 9};

static Pool *start(uint32_t threads) {
  size_t bytes;
  ck_assert(pool_bytes(threads, &bytes));
  void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  Pool *p = pool_start(memory, threads);
  ck_assert_ptr_nonnull(p);
  ck_assert_uint_eq(pool_threads(p), threads);
  return p;
}

static void stop(Pool *p) {
  pool_stop(p);
  free(p);
}

enum { MAX_UNITS = 5000 };
typedef struct Seen {
  _Atomic uint32_t count[MAX_UNITS], by_thread[POOL_MAX_THREADS], empty;
} Seen;

static void mark(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  Seen *s = arg;
  for (int64_t i = lo; i < hi; i++) atomic_fetch_add(&s->count[i], 1);
  atomic_fetch_add(&s->by_thread[thread], 1);
  atomic_fetch_add(&s->empty, lo >= hi);
}

/* Runs that did not compute each unit exactly once, or asked for none. */
static int wrong_runs(Pool *p, Seen *s, int64_t units, int runs) {
  int wrong = 0; /* summed up here because ck_assert makes a system call each */
  for (int again = 0; again < runs; again++) {
    memset(s, 0, sizeof *s);
    pool_run(p, mark, s, units, again % 2 ? BUSY_NS : 0);
    for (int64_t i = 0; i < MAX_UNITS; i++) wrong += s->count[i] != (i < units);
    for (uint32_t w = pool_threads(p); w < POOL_MAX_THREADS; w++) wrong += s->by_thread[w] != 0;
    wrong += s->empty != 0 && units > 0;
  }
  return wrong;
}

START_TEST(each_unit_once) {
  static const int64_t units[] = {0, 1, 2, 3, 7, 8, 11, 12, 13, 19, 20, 21, 64, 1000, MAX_UNITS};
  Seen *s = malloc(sizeof *s);
  for (size_t t = 0; t < sizeof thread_counts / sizeof thread_counts[0]; t++) {
    Pool *p = start(thread_counts[t]);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++)
      ck_assert_int_eq(wrong_runs(p, s, units[u], 20), 0);
    stop(p);
  }
  free(s);
}
END_TEST

/* Several dependent phases of float work: a later one reads what another thread may have written. */
typedef struct Chain {
  float a[1024], b[1024];
} Chain;
static void forward(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  (void)thread;
  Chain *c = arg;
  for (int64_t i = lo; i < hi; i++) c->b[i] = c->a[(i * 7 + 3) % 1024] * 1.0009765625f + (float)i * 1e-3f;
}
static void backward(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  (void)thread;
  Chain *c = arg;
  for (int64_t i = lo; i < hi; i++) c->a[i] = c->b[1023 - i] * 0.75f - c->b[i];
}

static void run_chain(uint32_t threads, Chain *c) {
  Pool *p = start(threads);
  for (int i = 0; i < 1024; i++) c->a[i] = (float)i, c->b[i] = 0;
  for (int i = 0; i < 500; i++) {
    pool_run(p, forward, c, 1024, BUSY_NS);
    pool_run(p, backward, c, 1024, BUSY_NS);
  }
  stop(p);
}

START_TEST(same_bits_for_every_thread_count) {
  Chain one, many;
  run_chain(1, &one);
  for (size_t t = 0; t < sizeof thread_counts / sizeof thread_counts[0]; t++) {
    run_chain(thread_counts[t], &many);
    ck_assert_mem_eq(&one, &many, sizeof one);
  }
}
END_TEST

static void slow_last(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  (void)thread;
  _Atomic int64_t *sum = arg;
  for (int64_t i = lo; i < hi; i++) {
    if (i == 19) usleep(3000);
    atomic_fetch_add(sum, i);
  }
}

/* A straggler makes the caller sleep, and the pool back off; the sum stays right all along. */
START_TEST(straggler) {
  Pool *p = start(2);
  for (int i = 0; i < 40; i++) {
    _Atomic int64_t sum = 0;
    pool_run(p, slow_last, &sum, 20, POOL_SPLIT_NS);
    ck_assert_int_eq(sum, 190);
  }
  PoolStats st = pool_stats(p);
  ck_assert_uint_eq(st.split + st.backed_off, 40);
  ck_assert(st.backed_off == 0 || st.interfered > 0);
  stop(p);
}
END_TEST

/* The caller's part ends when the other thread has begun its own, which lasts. */
static void other_is_late(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  _Atomic int *begun = arg;
  if (hi - lo == 2) return; /* alone */
  if (thread) {
    atomic_store(begun, 1);
    usleep(20000);
  }
  for (int i = 0; i < 1000 && !atomic_load(begun); i++) usleep(1000);
}

/* After each interference twice as many phases run alone: 1, 2, 4, 8. A busy machine may hide one. */
START_TEST(backs_off_twice_as_long) {
  PoolStats st = {0};
  for (int turn = 0; turn < 8 && (st.split != 4 || st.interfered != 4); turn++) {
    Pool *p = start(2);
    for (int i = 0; i < 4 + 1 + 2 + 4 + 8; i++) {
      _Atomic int begun = 0;
      pool_run(p, other_is_late, &begun, 2, POOL_SPLIT_NS);
    }
    st = pool_stats(p);
    stop(p);
  }
  ck_assert_uint_eq(st.split, 4);
  ck_assert_uint_eq(st.backed_off, 15);
}
END_TEST

START_TEST(wakes_after_sleep) {
  Seen *s = calloc(1, sizeof *s);
  Pool *p = start(3);
  for (int i = 0; i < 20; i++) {
    usleep(2000); /* far above the spinning time */
    pool_run(p, mark, s, 100, BUSY_NS);
  }
  for (int64_t i = 0; i < 100; i++) ck_assert_uint_eq(s->count[i], 20);
  stop(p);
  free(s);
}
END_TEST

START_TEST(start_and_stop) {
  for (int i = 0; i < 200; i++) {
    Pool *p = start(1 + (uint32_t)i % 6);
    stop(p);
  }
  size_t bytes;
  ck_assert(!pool_bytes(0, &bytes));
  ck_assert(!pool_bytes(POOL_MAX_THREADS + 1, &bytes));
  ck_assert(pool_bytes(POOL_MAX_THREADS, &bytes));
}
END_TEST

/* A phase with little work stays on the caller. */
START_TEST(little_work_alone) {
  Seen *s = calloc(1, sizeof *s);
  Pool *p = start(3);
  for (int i = 0; i < 50; i++) pool_run(p, mark, s, 1000, POOL_SPLIT_NS - 1);
  ck_assert_uint_eq(s->by_thread[0], 50);
  ck_assert_uint_eq(pool_stats(p).small, 50);
  ck_assert_uint_eq(pool_stats(p).split, 0);
  stop(p);
  free(s);
}
END_TEST

typedef struct Masks {
  _Atomic int worker; /* cores that a worker may run on */
} Masks;
static void look(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  Masks *m = arg;
  cpu_set_t cpus;
  if (thread && sched_getaffinity(0, sizeof cpus, &cpus) == 0) atomic_store(&m->worker, CPU_COUNT(&cpus));
  for (int64_t i = lo; i < hi; i++) usleep(200); /* so that the worker has its part */
}

/* Workers keep off the caller's core, where there are cores enough; the caller is left alone. */
START_TEST(apart) {
  cpu_set_t before, after;
  ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
  int cores = CPU_COUNT(&before);
  Pool *p = start(2);
  Masks m = {0};
  for (int i = 0; i < 50 && !m.worker; i++) pool_run(p, look, &m, 8, BUSY_NS);
  if (m.worker) ck_assert_int_eq(m.worker, cores >= 2 ? cores - 1 : cores);
  ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
  ck_assert(CPU_EQUAL(&before, &after));
  stop(p);
}
END_TEST

static void halve_tiny(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  (void)thread;
  volatile float *x = arg;
  for (int64_t i = lo; i < hi; i++) x[i] = x[i] * 0.5f;
}

/* Subnormals are flushed by every thread, and the caller has its own environment again afterwards. */
START_TEST(float_environment) {
  enum { N = 4096 };
  float *x = malloc(N * sizeof *x);
  Pool *p = start(3);
  uint32_t host = _mm_getcsr();
  ck_assert_uint_eq(host & 0x8040, 0);
  for (int again = 0; again < 50; again++) {
    for (int i = 0; i < N; i++) x[i] = i % 2 ? 0x1p-126f : -0x1p-126f;
    pool_run(p, halve_tiny, x, N, again % 2 ? BUSY_NS : 0);
    int wrong = 0;
    for (int i = 0; i < N; i++) {
      uint32_t bits;
      memcpy(&bits, &x[i], 4);
      wrong += bits != (i % 2 ? 0 : 0x80000000u);
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_uint_eq(_mm_getcsr(), host);
  }
  _mm_setcsr(host | 0x6000); /* the host rounds towards zero, and keeps doing so */
  pool_run(p, halve_tiny, x, N, BUSY_NS);
  ck_assert_uint_eq(_mm_getcsr(), host | 0x6000);
  _mm_setcsr(host);
  stop(p);
  free(x);
}
END_TEST

/* tests/kat_vectors of Random123, philox2x32 with 10 rounds. */
START_TEST(philox_known_answers) {
  static const uint32_t kat[][5] = {
      {0, 0, 0, 0xff1dae59, 0x6cd10df2},
      {0xffffffff, 0xffffffff, 0xffffffff, 0x2c3f628b, 0xab4fd7ad},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0xdd7ce038, 0xf62a4c12},
  };
  for (size_t i = 0; i < 3; i++) {
    RngPair r = rng_philox(kat[i][0], kat[i][1], kat[i][2]);
    ck_assert_uint_eq(r.lo, kat[i][3]);
    ck_assert_uint_eq(r.hi, kat[i][4]);
  }
}
END_TEST

/* Our own format: these numbers may never change, or saved runs are no longer reproduced. */
START_TEST(key_known_answers) {
  RngKey k = rng_key(7, RNG_SHUFFLING, 0x0123456789abcdef, 3);
  ck_assert_uint_eq(k.key0, 0xfa111e73);
  ck_assert_uint_eq(k.key1, 0x599aac82);
  ck_assert_uint_eq(rng_draw(k, 5).lo, 0xa1ce00b7);
  RngKey other = rng_key(7, RNG_TRAINING, 0x0123456789abcdef, 3);
  ck_assert(other.key0 != k.key0 && other.key1 != k.key1);
}
END_TEST

START_TEST(below_is_even) {
  uint32_t hist[10] = {0};
  RngKey k = rng_key(1, RNG_SHUFFLING, 2, 3);
  for (uint32_t i = 0; i < 100000; i++) {
    hist[rng_below(k, i, 10)]++; /* AddressSanitizer sees a value of 10 or more */
  }
  for (int i = 0; i < 10; i++)
    ck_assert(hist[i] > 9600 && hist[i] < 10400); /* 4 standard deviations are 379 */
  ck_assert_uint_eq(rng_below(k, 9, 1), 0);
}
END_TEST

UNIT_MAIN(UNIT("pool", each_unit_once, same_bits_for_every_thread_count, straggler, backs_off_twice_as_long,
               wakes_after_sleep, start_and_stop, little_work_alone, apart, float_environment),
          UNIT("rng", philox_known_answers, key_known_answers, below_is_even))
