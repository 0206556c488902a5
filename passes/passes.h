/* The passes' face: what the library calls, in the order it calls it. */
#ifndef DG_PASSES_PASSES_H
#define DG_PASSES_PASSES_H

#include "base/clock.h"
#include "ir/graph/program.h"

/* Options and results of running pipelines: --print-after, --time-passes, --stop-after. All may be zero. */
typedef struct PassOptions {
  const char *print_after; /* a pass name, "all", "changed", or NULL */
  const char *stop_after;  /* a pass name, or NULL */
  TimeLog *time;           /* a row a pass, and one for looking after them; NULL: none */
  Sb *log;                 /* where prints go; NULL: nowhere */
  /* Bytes the memory of a step is to keep to; 0: what is fastest. measure: of an optimised graph */
  int64_t memory, (*measure)(void *cx, const Graph *g);
  void *measure_cx;
  Sb *policy; /* where it is said what loops keep; NULL: nowhere */
} PassOptions;

/* Proves which parameters do not train and reports it; nothing that is executed depends on it. Dims bound by
 * `bind` allow further verdicts (rule 7 of the contract). */
void diagnose(const Program *p, const DimBinding *bind, size_t nbind, Diags *d);
/* What holds with these dims and is not among what is known: told with the dims it needs. */
void diagnose_bound(const Program *p, const DimBinding *bind, size_t nbind, const Diags *known, Diags *d);
/* `--report=table`: one line a parameter. */
void diagnose_table(const Program *p, const DimBinding *bind, size_t nbind, Sb *b);

/* Entry -> reference graph: differentiated, stops erased, dims bound, orders fixed (--emit=step). Without
 * bindings for all dims the graph stays symbolic. NULL: *why says which dim or shape is at fault
 * (ST_REJECTED). */
MUST_USE Graph *passes_reference(Arena *a, const Program *p, const Entry *e, const DimBinding *bind,
                                 size_t nbind, const PassOptions *o, Sb *why);
/* Reference graph -> the same bits for less work: canonicalise, `bits` rules, cse, fold, dce (--emit=opt). */
Graph *passes_optimise(Arena *a, const Graph *reference, const PassOptions *o);

#endif
