/* Which gradients are zero for every input, and why: the chain of zero values from a gradient down to what
 * made the first of them zero. */
#ifndef DG_PASSES_DIAGNOSE_ZERO_H
#define DG_PASSES_DIAGNOSE_ZERO_H

#include "passes/diagnose/diagnose.h"

/* By node of a graph whose values are known: why it is zero. */
typedef struct Why {
  uint8_t rank;    /* cheapest first */
  uint16_t leaves; /* how many causes take part */
  uint32_t set;    /* of causes, in Diagnose.sets */
} Why;
/* From operands to users. `of`: values of g's nodes. */
Why *zero_reasons(Diagnose *x, uint32_t view, const Graph *g, const ValueId *of);

/* v->grad and what belongs to it, in `a`, where a parameter is open. */
void zero_differentiate(Diagnose *x, View *v, Arena *a);
/* Then: open parameters whose gradient is zero for every input. */
void zero_view(Diagnose *x, uint32_t view);

/* What the user wrote that node n is part of the derivative of, or n itself. */
NodeId zero_primal(const Graph *g, NodeId n);

#endif
