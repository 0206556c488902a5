/* What this machine can do at most, measured in the same run as what is compared with it (machines differ,
 * and are shared). */
#ifndef DG_BENCH_PEAK_H
#define DG_BENCH_PEAK_H

/* f32 FMA of `threads` threads together, in GFLOP/s: the best of many short trials spread over about
 * `seconds`. vector_bytes: 64 (AVX-512) or 32 (AVX2); 0 takes the widest this CPU has. 0.0 when the CPU has
 * neither, and when there are more threads than cores: their sum would be no peak. */
double peak_fma(int threads, int vector_bytes, double seconds);
/* Cores that this process may use. */
int peak_cores(void);

#endif
