/* Optimised graph with constant dims -> kernels, launches and buffer plan. Nothing here changes bits: the
 * plan reproduces the interpreter on the graph, whatever the options. */
#ifndef DG_PASSES_LOWER_H
#define DG_PASSES_LOWER_H

#include "base/clock.h"
#include "ir/plan/plan.h"

typedef enum {
  BLOCK_PACK_AUTO,
  BLOCK_PACK_ALWAYS,
  BLOCK_PACK_BEFORE,
  BLOCK_PACK_ONCE,
  BLOCK_PACK_NEVER
} BlockPack;
typedef struct LowerOptions {
  int vector_bytes; /* of native vectors: 64 or 32; sizes register tiles */
  bool fuse;        /* off: one kernel or more per node */
  bool in_place; /* ASSIGN roots may be written where they live, when every read of the old value is done */
  bool updates_last;          /* after all else of the step, each apart from its product */
  bool reuse;                 /* buffers that are dead share arena bytes */
  bool loops;                 /* a loop of a small body is one kernel */
  int64_t cache_l1, cache_l2; /* bytes of data a core has to itself: products are blocked by them */
  /* of products, for tests; 0: chosen. Terms and rows a block; whether operands in the lanes are packed */
  int64_t block_terms, block_rows;
  uint8_t block_pack; /* BlockPack */
  TimeLog *time;      /* a row a stage; NULL: none */
} LowerOptions;
void lower_options_init(LowerOptions *o, int vector_bytes); /* caches of a small machine */

/* NULL: *why says which node has symbolic extents or is of a kind that does not reach this stage. */
MUST_USE Plan *lower_graph(Arena *a, const Graph *g, const LowerOptions *o, Sb *why);

#endif
