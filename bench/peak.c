/* Peak FMA: 24 independent chains (latency 4 on two ports needs 8) in registers, nothing else. */
#include "bench/peak.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <time.h>

/* clang-format off */
#define EACH(M)                                                                                              \
  M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15) M(16) M(17) M(18) \
  M(19) M(20) M(21) M(22) M(23)
/* clang-format on */
enum { CHAINS = 24, TRIPS = 40000, MOST_THREADS = 64 };

/* The chains converge to a fixed point near 1, so no value leaves the normal range. The asm keeps the loop as
 * written. */
#define CHAIN_KERNEL(name, isa, V, set1, add, first)                                                         \
  __attribute__((target(isa), noinline)) static float name(long trips) {                                     \
    V x = set1(0.5f), y = set1(0.5f), sum = y;                                                               \
    DECLARE(V, set1)                                                                                         \
    for (long k = 0; k < trips; k++) {                                                                       \
      EACH(FMA)                                                                                              \
    }                                                                                                        \
    SUM(add)                                                                                                 \
    return first(sum);                                                                                       \
  }
#define FMA(i) __asm__ volatile("vfmadd213ps %2,%1,%0" : "+v"(r##i) : "v"(x), "v"(y));
#define DECLARE(V, set1)                                                                                     \
  V r0 = set1(1), r1 = r0, r2 = r0, r3 = r0, r4 = r0, r5 = r0, r6 = r0, r7 = r0, r8 = r0, r9 = r0, r10 = r0, \
    r11 = r0, r12 = r0, r13 = r0, r14 = r0, r15 = r0, r16 = r0, r17 = r0, r18 = r0, r19 = r0, r20 = r0,      \
    r21 = r0, r22 = r0, r23 = r0;
#define ADD512(i) sum = _mm512_add_ps(sum, r##i);
#define ADD256(i) sum = _mm256_add_ps(sum, r##i);
#define SUM(add) EACH(add)
CHAIN_KERNEL(chains512, "avx512f", __m512, _mm512_set1_ps, ADD512, _mm512_cvtss_f32)
/* sixteen registers only: 12 chains, run twice */
#define EACH12(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
__attribute__((target("avx2,fma"), noinline)) static float chains256(long trips) {
  __m256 x = _mm256_set1_ps(0.5f), y = x, sum = y;
  __m256 r0 = _mm256_set1_ps(1), r1 = r0, r2 = r0, r3 = r0, r4 = r0, r5 = r0, r6 = r0, r7 = r0, r8 = r0,
         r9 = r0, r10 = r0, r11 = r0;
  for (long k = 0; k < trips; k++) {
    EACH12(FMA)
    EACH12(FMA)
  }
  EACH12(ADD256)
  return _mm256_cvtss_f32(sum);
}

typedef struct Trial {
  bool wide;
  float sink;
  pthread_barrier_t *start;
} Trial;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static void *run(void *arg) {
  Trial *t = arg;
  if (t->start) pthread_barrier_wait(t->start);
  t->sink = t->wide ? chains512(TRIPS) : chains256(TRIPS);
  return NULL;
}

/* One trial: all threads start together; the slowest counts. */
static double trial(int threads, bool wide) {
  Trial t[MOST_THREADS];
  pthread_t id[MOST_THREADS];
  pthread_barrier_t start;
  int made = 1;
  pthread_barrier_init(&start, NULL, (unsigned)threads);
  for (int i = 0; i < threads; i++) t[i] = (Trial){wide, 0, threads > 1 ? &start : NULL};
  while (made < threads && pthread_create(&id[made], NULL, run, &t[made]) == 0) made++;
  if (made < threads) return 0; /* the barrier would never open; a benchmark without threads has no figure */
  if (threads > 1) pthread_barrier_wait(&start);
  double t0 = now();
  t[0].start = NULL;
  run(&t[0]);
  for (int i = 1; i < threads; i++) pthread_join(id[i], NULL);
  double seconds = now() - t0;
  pthread_barrier_destroy(&start);
  return 2.0 * CHAINS * (wide ? 16 : 8) * TRIPS * threads / seconds * 1e-9;
}

int peak_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}
double peak_fma(int threads, int vector_bytes, double seconds) {
  __builtin_cpu_init();
  bool can512 = __builtin_cpu_supports("avx512f"),
       can256 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (vector_bytes == 0) vector_bytes = can512 ? 64 : 32;
  if ((vector_bytes == 64 && !can512) || (vector_bytes == 32 && !can256)) return 0;
  if (threads < 1) threads = 1;
  if (threads > MOST_THREADS || threads > peak_cores()) return 0;
  double best = 0;
  for (double end = now() + seconds; now() < end;) {
    double g = trial(threads, vector_bytes == 64);
    if (g > best) best = g;
  }
  return best;
}
