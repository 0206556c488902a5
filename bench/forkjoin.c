/* What one fork and join of the pool costs: phases of nothing, and of units that take a known time, beside
 * the same work on the caller alone. usage: forkjoin [threads] */
#include "runtime/core/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

enum { PHASES = 20000, REPEATS = 9 };

typedef struct Spin {
  uint64_t cycles; /* per unit */
} Spin;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void spin(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  (void)thread;
  const Spin *s = arg;
  uint64_t until = __rdtsc() + s->cycles * (uint64_t)(hi - lo);
  while (__rdtsc() < until) continue;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median seconds of one phase. */
static double measure(Pool *p, Spin *s, int64_t units, int64_t estimate_ns, int phases) {
  double t[REPEATS];
  for (int r = 0; r < REPEATS; r++) {
    double from = now();
    for (int i = 0; i < phases; i++) pool_run(p, spin, s, units, estimate_ns);
    t[r] = (now() - from) / phases;
  }
  qsort(t, REPEATS, sizeof t[0], by_value);
  return t[REPEATS / 2];
}

int main(int argc, char **argv) {
  uint32_t threads = argc > 1 ? (uint32_t)atoi(argv[1]) : 2;
  size_t bytes;
  if (!pool_bytes(threads, &bytes)) return fprintf(stderr, "forkjoin: threads out of range\n"), 2;
  void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  Pool *p = memory ? pool_start(memory, threads) : NULL;
  if (!p) return fprintf(stderr, "forkjoin: no pool\n"), 6;
  double t0 = now();
  uint64_t c0 = __rdtsc();
  while (now() - t0 < 0.02) continue;
  double cycles_per_us = (double)(__rdtsc() - c0) / (now() - t0) * 1e-6;

  Spin none = {0};
  printf("%u threads\n", threads);
  printf("fork and join, no work:         %8.3f us\n", 1e6 * measure(p, &none, 64, POOL_SPLIT_NS, PHASES));
  printf("the same on the caller alone:   %8.3f us\n", 1e6 * measure(p, &none, 64, 0, PHASES));
  static const int work_us[] = {5, 20, 100, 1000};
  for (size_t i = 0; i < sizeof work_us / sizeof work_us[0]; i++) {
    int us = work_us[i], phases = 200000 / us / 4;
    Spin s = {(uint64_t)(cycles_per_us * us / 64)};
    double split = 1e6 * measure(p, &s, 64, (int64_t)us * 1000, phases),
           alone = 1e6 * measure(p, &s, 64, 0, phases);
    printf("%4d us of work in 64 units:     %8.3f us split, %8.3f us alone, gain %.2f\n", us, split, alone,
           alone / split);
  }
  PoolStats st = pool_stats(p);
  printf("phases split %llu, interfered %llu, backed off %llu\n", (unsigned long long)st.split,
         (unsigned long long)st.interfered, (unsigned long long)st.backed_off);
  pool_stop(p);
  free(memory);
  return 0;
}
