/* `step tiny`: a classifier 2-32-2, batch 16, adam. */
#ifndef DG_BENCH_TINY_H
#define DG_BENCH_TINY_H

/* The exit status. isa: NULL for the best there is. */
int bench_tiny(const char *isa);

#endif
