/* Between the files that follow element sets: nodes (slab.c) and bodies (slab_loop.c). */
#ifndef DG_PASSES_DIAGNOSE_SLAB_LOOP_H
#define DG_PASSES_DIAGNOSE_SLAB_LOOP_H

#include "passes/diagnose/slab.h"

typedef struct Made {
  SlabAxis axis[MAX_RANK];
} Made;

/* By node: an index into `axes`, MAX_RANK entries each, axes from the first; 0: no sets. */
typedef struct Slabs {
  Diagnose *x;
  View *v;
  const Graph *g;
  uint32_t *of;
  VEC(SlabAxis) axes;
  Made **carry; /* by region: what is believed of what its loop carries */
} Slabs;

bool slab_zero(const Slabs *s, NodeId n); /* all of it, as a value */
Slab slab_both(const Slab *a, const Slab *b);
/* The sets of a node along an axis; of one that is zero all of it. */
SlabAxis slab_get(const Slabs *s, NodeId n, uint32_t axis);
void slab_keep(Slabs *s, NodeId n, const Made *m); /* as the node's sets */
void slab_visit(Slabs *s, NodeId n);               /* of any node that has no body and comes out of none */
/* Nodes first .. end - 1 of a region, with the bodies in it. */
void slab_run(Slabs *s, uint32_t first, uint32_t end, uint32_t region);

#endif
