/* Between the files that write messages. */
#ifndef DG_PASSES_DIAGNOSE_SAY_H
#define DG_PASSES_DIAGNOSE_SAY_H

#include "passes/diagnose.h"

typedef struct Say { /* findings of one cause */
  Diagnose *x;
  const Finding *first;
  LeafIds who; /* the first is the finding's own */
} Say;

/* Where a user looks for a parameter: its declaration, or the instance when the declaration is the library's.
 */
Span say_place(const Program *p, const Leaf *leaf);
Str say_who(const Say *s); /* "parameter 'w'", "parameters 'a', 'b', 'c' and 9 more" */
void say_others(const Say *s, Diag *g);
void say_assigned(const Say *s, Diag *g); /* by `after` blocks, of nothing that learns */
Span say_node_place(const Say *s, const View *v, NodeId n);
const Group *say_group(const View *v, LeafId param); /* that owns it in this view, or NULL */

/* diagnose_idle.c */
void say_rule(const Say *s);        /* idle, moves without gradient */
void say_overwritten(const Say *s); /* learned, and assigned by `after` */

#endif
