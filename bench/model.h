/* A training step of a .dg file, for benchmarks: its graph, and values for its leaves. */
#ifndef DG_BENCH_MODEL_H
#define DG_BENCH_MODEL_H

#include "api/api.h"
#include "runtime/core/pool.h"

typedef struct BenchModel {
  dg_program *program;
  Arena *arena;
  Graph *graph; /* optimised */
  void **data;  /* by leaf; values that neither overflow nor become subnormal in the first steps */
} BenchModel;
/* entry: NULL for the first train step. False: the reason was printed. */
bool bench_model(const char *file, const char *entry, BenchModel *out);
/* The leaves as at the beginning. */
void bench_fill(const BenchModel *m);
Pool *bench_pool(const BenchModel *m, int threads);
double bench_now(void);                           /* seconds */
int bench_by_value(const void *a, const void *b); /* doubles, for qsort */

#endif
