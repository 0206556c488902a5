/* The reference interpreter: slow, plain, separate from codegen; the oracle of all tests. It runs a graph
 * whose dims are all constant, following each node's order attribute bit for bit (docs/numbers.md), under FTZ
 * and DAZ, which it sets and restores. */
#ifndef DG_IR_INTERP_H
#define DG_IR_INTERP_H

#include "ir/graph/program.h"

typedef struct Tensor {
  DType dtype;
  uint8_t rank;
  int64_t ext[MAX_RANK];
  size_t count;
  void *data; /* row-major, elements as in compiled programs (bool is a 32-bit word) */
} Tensor;

MUST_USE bool tensor_of_type(Arena *a, const DimTable *dims, const Type *t, Tensor *out); /* zeroed */

/* A host function: reads nin tensors, fills out. False: failed. */
typedef bool HostFn(void *user, const Tensor *in, uint32_t nin, Tensor *out);
typedef struct HostEntry {
  HostFn *fn; /* NULL: not registered */
  void *user;
} HostEntry;

typedef enum {
  INTERP_NATIVE, /* the program's own dtypes, bit-exact */
  INTERP_F64,    /* every float in f64: the accuracy oracle */
  INTERP_DUAL,   /* f64 with one tangent per value; never reads the derivative columns */
} InterpMode;

typedef struct Interp {
  const Graph *graph;
  InterpMode mode;
  Arena *arena; /* scratch: all values live here */
  Tensor *leaf; /* by LeafId; data NULL where the graph does not read it. INTERP_F64 and _DUAL: floats given
                   as f64 */
  Tensor *leaf_tangent;  /* DUAL: by LeafId; data NULL = zero */
  bool only_roots;       /* NATIVE: values of other nodes are gone afterwards, their memory is used again */
  const HostEntry *host; /* by extern index */
  const uint32_t *stop;  /* not 0 there: it ends with ST_CANCELLED; or NULL */
  void (*seen)(struct Interp *it, NodeId n); /* behind each node, in bodies at every step; or NULL */
  void *user;                                /* of seen */
  Tensor *value;                             /* out: by NodeId */
  Tensor *tangent;                           /* out: DUAL */
  char what[192];                            /* out: reason of a failure */
} Interp;

/* Evaluates every node. ST_OK, ST_REJECTED (symbolic dims, host function missing), ST_LIMIT, ST_CANCELLED. */
MUST_USE Status interp_run(Interp *it);

#endif
