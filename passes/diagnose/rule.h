/* Between the files that read update rules. */
#ifndef DG_PASSES_DIAGNOSE_RULE_H
#define DG_PASSES_DIAGNOSE_RULE_H

#include "passes/diagnose/bounds.h"
#include "passes/diagnose/diagnose.h"
#include "passes/graph/copy.h"

typedef struct RuleGraph { /* one entry point that assigns something */
  const Graph *g;
  View *view;     /* of its train step, or NULL */
  bool init;      /* gives the initial values */
  NodeId *assign; /* by LeafId: what it assigns, or NO_NODE */
  bool *needed;   /* by node: part of what it assigns; gradients are leaves here */
  Copy copy;      /* of the last round */
  Rewrite rewrite;
  Bounds bounds; /* of the copy */
  bool *timed;   /* by node: made of the clock, of literals and of leaves that begin as literals */
  bool *poison;  /* by node: made of a value that is infinite or undefined at some step */
} RuleGraph;

typedef struct Rules {
  Diagnose *x;
  VEC(RuleGraph) at;
  bool *assigned;    /* by LeafId: by an entry point other than init */
  bool *literal;     /* by LeafId: begins as `word` */
  bool *fixed;       /* by LeafId: believed to keep it */
  int64_t *word;     /* the literal's bits */
  Bound *range;      /* by LeafId: believed to hold every value it has; begins as what init gives */
  Rewrite rules;     /* what they are read by, in no graph */
  bool any_gradient; /* gradients are unknown, also where the loss has none */
} Rules;

/* rule.c */
void rule_cone(const Graph *g, bool *needed);
bool rule_no_gradient(const Rules *r, const RuleGraph *at, NodeId grad);
void rule_rewrite(Rules *r, RuleGraph *at); /* one entry point under the facts as they are */
bool rule_is_same(const Rules *r, const RuleGraph *at, LeafId param); /* it gives the parameter back */

/* first.c: updates calculated from initial values. `who`, and the answers: by LeafId. */
enum { FIRST_DRAWS = 3 };
typedef struct First {
  Rules *r;
  double *sample[FIRST_DRAWS]; /* by LeafId: initial values, when first asked for */
  uint32_t budget;             /* nodes that may still be looked at */
} First;
/* Which does the step change when there is no gradient? False: not, or not known. */
const bool *first_changes(First *f, const RuleGraph *at, const bool *who);
/* Which updates that should give the parameter back are seen to round, for gradients of usual sizes? */
const bool *first_rounds(First *f, const RuleGraph *at, const bool *who);

/* assume.c: what a verdict rests on. What made the update vanish: a literal, a leaf that stays 0, or
 * an expression that is 0 at every step; or NO_NODE. */
NodeId rule_why(const RuleGraph *at, NodeId update);
/* The facts of leaves that verdicts of a step need. */
void rule_assumptions(Rules *r, RuleGraph *at);

#endif
