/* What initial values keep: one greatest fixpoint over all assignments of the file. */
#ifndef DG_PASSES_DIAGNOSE_FIXPOINT_H
#define DG_PASSES_DIAGNOSE_FIXPOINT_H

#include "passes/diagnose/diagnose.h"

typedef enum { FACT_NONE, FACT_EQUAL, FACT_SIGN, FACT_CONST } FactLevel;

/* What is believed of a parameter or state after every step: weaker facts follow when one fails. */
typedef struct LeafFact {
  FactLevel level;
  uint32_t axes; /* EQUAL, SIGN: constant along these, from the last */
  bool below;    /* SIGN: at most 0, else at least 0 */
  Ratio c;       /* CONST */
} LeafFact;

/* Facts by LeafId; NULL: nothing is kept. */
LeafFact *fixpoint_run(Diagnose *x);
/* The values that leaves have under them. */
ValueId *fixpoint_leaves(Diagnose *x, const LeafFact *fact);

#endif
