/* One provider of products in a process of its own, which waits while the others work: a library's threads
 * that spin, or its caches, must not disturb the next one. */
#ifndef DG_BENCH_WORKER_H
#define DG_BENCH_WORKER_H

#include "bench/gemm/shape.h"

typedef struct Worker {
  const char *name;
  char about[256];
  FILE *to, *from;
  int pid;
} Worker;
typedef struct WorkerTime {
  double median_us, least_us;
} WorkerTime;

/* Starts `self --worker NAME THREADS ISA`. False: not installed or no code for it; w->about says why. */
bool worker_start(Worker *w, const char *self, const char *name, int threads, const char *isa)
    __attribute__((warn_unused_result));
void worker_stop(Worker *w);
/* Makes the operands, runs once; the error of the result (see operands_error), or -1 when it cannot. */
double worker_shape(const Worker *w, const Shape *s);
/* Runs the shape again and again for `ms`. */
WorkerTime worker_round(const Worker *w, double ms);

/* The other end: what main does with --worker. */
int worker_main(const char *name, int threads, const char *isa);
#endif
