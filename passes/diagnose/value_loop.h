/* Values inside of bodies: of every step of a loop, of both sides of a choice. What a loop carries is first
 * believed to stay what it starts as; what a step does not keep is weakened, to axes along which it is
 * constant and where it lies, until a step keeps it all. */
#ifndef DG_PASSES_DIAGNOSE_VALUE_LOOP_H
#define DG_PASSES_DIAGNOSE_VALUE_LOOP_H

#include "ir/graph/region.h"
#include "passes/diagnose/value.h"

typedef enum { CARRY_SAME, CARRY_KEPT, CARRY_UNKNOWN } CarryLevel;

/* What is believed of a carried value before each step and behind the last. */
typedef struct CarryFact {
  CarryLevel level;
  ValueId is;     /* SAME: its start */
  Interval range; /* SAME: of that, when it was last looked at */
  uint32_t axes;  /* KEPT: constant along these, from the last */
  uint8_t grown;  /* how often its range grew */
  bool counts;    /* KEPT: an integer, this much more at each step */
  double start, by;
  int64_t version; /* another one, another value */
} CarryFact;

typedef struct BodyValues { /* of one region */
  ValueId *param, *result;  /* result: of a COND that of its first region */
  CarryFact *carry;         /* of a loop that was walked before */
  int64_t serial;           /* of a loop */
  bool once;                /* it takes one step: parameters are what goes in */
  bool more;                /* what it makes is made of more than what goes in: of gradients */
  ValueId loop;             /* what goes in, as one value: what comes out is made of it */
} BodyValues;

void values_owner(ValueWalk *w, NodeId owner); /* a LOOP or COND with its bodies */
void values_run(ValueWalk *w, uint32_t first, uint32_t end, uint32_t region);
ValueId values_of_body(const ValueWalk *w, NodeId n); /* of a PARAM or RESULT */

#endif
