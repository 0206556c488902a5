/* Lower and upper bounds of scalar expressions of the clock: a rate is where(step < 1, 0.1, 0), and step is
 * never below 1. Used by the diagnosis alone, on its private copy. */
#ifndef DG_PASSES_BOUNDS_H
#define DG_PASSES_BOUNDS_H

#include "passes/diagnose/facts.h"
#include "passes/graph/rewrite.h"

typedef struct Bounds {
  Rewrite *w;        /* nodes of w->b.g */
  const Bound *leaf; /* of parameters and states, by LeafId; NULL: nothing is known */
  ScalarRanges ranges;
  VEC(Bound) at;
} Bounds;

void bounds_begin(Bounds *b, Rewrite *w);
Bound bounds_of(Bounds *b, NodeId n);
/* n itself, the literal it must be, or the operand that a maximum or minimum always takes. */
NodeId bounds_decide(Bounds *b, NodeId n);

#endif
