/* Element sets of gradients: an element is zero when its index along some axis is in that axis's set. Sets
 * are few intervals; what would need more counts as none. */
#ifndef DG_PASSES_DIAGNOSE_SLAB_H
#define DG_PASSES_DIAGNOSE_SLAB_H

#include "passes/diagnose/diagnose.h"

enum { SLAB_CAP = 8 };

typedef struct Slab { /* ascending, apart from each other */
  uint8_t n;
  struct {
    int64_t lo, hi; /* lo <= i < hi */
  } at[SLAB_CAP];
} Slab;

/* The sets of one axis of a parameter's gradient; n = 0: none. */
typedef struct SlabAxis {
  Slab set;
  NodeId from; /* what left these elements out: a slice, a concatenation with a part that is 0 */
} SlabAxis;

/* Parts of parameters that get no gradient. */
void diagnose_partial(Diagnose *x);

#endif
