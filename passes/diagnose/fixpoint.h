/* What initial values keep: one greatest fixpoint over all assignments of the file. */
#ifndef DG_PASSES_DIAGNOSE_FIXPOINT_H
#define DG_PASSES_DIAGNOSE_FIXPOINT_H

#include "passes/diagnose/diagnose.h"

typedef enum { FACT_NONE, FACT_KEPT, FACT_CONST } FactLevel;

/* What is believed of a parameter or state after every step: weaker facts follow when one fails. */
typedef struct LeafFact {
  FactLevel level;
  uint32_t axes;  /* KEPT: constant along these, from the last */
  Interval range; /* KEPT: every element lies in it; an end is that of the initial value, 0, or none */
  Ratio c;        /* CONST */
} LeafFact;

/* A table of its own for values in the program's own arithmetic, in memory that ends with it; x->values
 * meanwhile. Ids of one table mean nothing in another. */
typedef struct ExactValues {
  Values outer;
  ArenaScope scope;
} ExactValues;
void exact_values_begin(Diagnose *x, ExactValues *own);
void exact_values_end(Diagnose *x, ExactValues *own);

/* x->first_fact and x->fact, by LeafId: of initial values; of what every assignment keeps of them. */
void fixpoint_run(Diagnose *x);
/* More than any value of its type has. */
bool fact_says(const Diagnose *x, LeafId leaf, const LeafFact *f);
/* The values that leaves have under them, in a fresh table. */
ValueId *fixpoint_leaves(const Diagnose *x, Values *v, const LeafFact *fact);

#endif
