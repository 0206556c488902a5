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

/* A table of its own for values in the program's own arithmetic, in memory that ends with it; x->values
 * meanwhile. Ids of one table mean nothing in another. */
typedef struct ExactValues {
  Values outer;
  ArenaScope scope;
} ExactValues;
void exact_values_begin(Diagnose *x, ExactValues *own);
void exact_values_end(Diagnose *x, ExactValues *own);

/* Facts by LeafId; NULL: nothing is kept. */
LeafFact *fixpoint_run(Diagnose *x);
/* The values that leaves have under them, in x->values. */
ValueId *fixpoint_leaves(Diagnose *x, const LeafFact *fact);

#endif
