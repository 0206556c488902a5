/* Loops whose body is small, as one kernel. For region.c. */
#ifndef DG_PASSES_LOWER_LOOP_H
#define DG_PASSES_LOWER_LOOP_H

#include "passes/lower/internal.h"

/* Whether the body, a plan with its parameters and results, is small enough and made of kernels only. */
bool loop_fuses(const PlanBody *b);
/* Appends the launch. */
void loop_kernel(LowerCx *lo, NodeId owner, const PlanBody *b);

#endif
