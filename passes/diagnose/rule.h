/* Between the files that read update rules. */
#ifndef DG_PASSES_DIAGNOSE_RULE_H
#define DG_PASSES_DIAGNOSE_RULE_H

#include "passes/diagnose/fixpoint.h"

typedef struct RuleGraph { /* one entry point that assigns something */
  const Graph *g;
  View *view;     /* of its train step, or NULL */
  bool init;      /* gives the initial values */
  NodeId *assign; /* by LeafId: what it assigns, or NO_NODE */
  bool *needed;   /* by node: part of what it assigns; gradients are leaves here */
  ValueId *of;    /* by node: its value in Rules.values */
  bool *timed;    /* by node: made of the clock, of literals and of leaves that begin as literals */
  bool *poison;   /* by node: made of a value that is infinite or undefined at some step */
} RuleGraph;

typedef struct Rules {
  Diagnose *x;
  VEC(RuleGraph) at;
  bool *assigned;       /* by LeafId: by an entry point other than init */
  bool *gathered;       /* by LeafId: by one that runs before the first update of its step */
  const LeafFact *fact; /* by LeafId: what is believed now */
  Values *values;       /* in which it is looked at */
  ValueId *leaf;        /* by LeafId: under the facts */
  bool any_gradient;    /* gradients are unknown, also where the loss has none */
  bool at_rest;         /* gradients of what is stuck are 0 */
} Rules;

/* rule.c */
void rule_cone(const Graph *g, bool *needed);
bool rule_no_gradient(const Rules *r, const RuleGraph *at, NodeId grad);
bool rule_is_same(const Rules *r, const RuleGraph *at, LeafId param); /* it gives the parameter back */

/* One entry point once more, under other facts, in a table that ends with it. */
typedef struct RuleTrial {
  Rules *r;
  RuleGraph *at;
  Values own, *outer;
  const LeafFact *fact;
  ValueId *leaf, *of;
  bool *timed, *poison;
  ArenaScope scope;
} RuleTrial;
void rule_trial(RuleTrial *t, Rules *r, RuleGraph *at, const LeafFact *fact);
void rule_trial_end(RuleTrial *t);

/* first.c: updates calculated from initial values. `who`, and the answers: by LeafId. */
enum { FIRST_DRAWS = 3, FIRST_STEPS = 1000 }; /* of a loop in a rule */
typedef struct First {
  Rules *r;
  OpPrograms programs;
  double *sample[FIRST_DRAWS]; /* by LeafId: initial values, when first asked for */
  uint32_t budget;             /* nodes that may still be looked at */
} First;
/* Which does the step change when there is no gradient? False: not, or not known. */
const bool *first_changes(First *f, const RuleGraph *at, const bool *who);
/* Which updates that should give the parameter back are seen to round, for gradients of usual sizes? */
const bool *first_rounds(First *f, const RuleGraph *at, const bool *who);

/* assume.c: what a verdict rests on. What made the update vanish: a literal, a leaf that stays 0, or
 * an expression that is 0 at every step; or NO_NODE. */
NodeId rule_why(const Rules *r, const RuleGraph *at, NodeId update);
/* The facts of leaves that verdicts of a step need. */
void rule_assumptions(Rules *r, RuleGraph *at);

#endif
