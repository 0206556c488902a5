/* Between the files that write messages. */
#ifndef DG_PASSES_DIAGNOSE_SAY_H
#define DG_PASSES_DIAGNOSE_SAY_H

#include "passes/diagnose/diagnose.h"

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
Str say_loss(const Say *s, const View *v);            /* "the loss", "loss 'ce'" */
const char *say_unlisted(const Say *s);               /* ", and no step lists it", or nothing */
void say_note_unlisted(const Say *s, Diag *g);        /* where that holds for some of them */
void say_drift(const Say *s, const View *v, Diag *g); /* dead, and moved by the optimizer all the same */
const Group *say_group(const View *v, LeafId param);  /* that owns it in this view, or NULL */

DiagGroup finding_group(Headline h);
bool finding_marked(uint32_t marks, DiagGroup g); /* by itself, or by the group above it */

/* intent.c: marks `#[expect(..)]` that no finding meets; of the findings from..to, which are one parameter's,
 * and of steps and lets. loaded: not where the finding may have gone with the initial values that it rests
 * on. */
void say_unmet(const Diagnose *x, uint32_t from, uint32_t to, bool loaded);
void say_unmet_of_many(const Diagnose *x, bool loaded);
/* cut.c */
void say_cuts(const Say *s, const View *v, Diag *g); /* each with its reason */
Edge cut_of_path(const View *v, LeafId param);       /* the cut on the path that is shown */
bool say_next_cuts(const Say *s, const View *v, Diag *g,
                   Edge first);            /* behind it, on that path; false: none */
bool one_cut(const Say *s, const View *v); /* all of it is one place in the text */
/* `edit`: mending this one cut is enough. */
void help_cut(const Say *s, const View *v, Diag *g, Edge e, bool edit);
/* nothing.c */
void say_partial(const Say *s); /* some elements get no gradient */
void say_zero(const Say *s);    /* a gradient that is zero for every input */
void say_cause(const Say *s, const View *v, Diag *g, const Cause *c); /* a label */
/* rest.c */
void say_stuck(const Say *s);     /* zero at the initial values, for ever */
void say_symmetric(const Say *s); /* units that are equal for ever */
/* idle.c */
void say_rule(const Say *s);        /* idle, moves without gradient */
void say_overwritten(const Say *s); /* learned, and assigned by `after` */

#endif
