/* Bodies of loops, conditions and checkpoints, which grow in graphs of their own. Part of elab.h. */
#ifndef DG_FRONTEND_ELABORATE_BODY_H
#define DG_FRONTEND_ELABORATE_BODY_H

#include "frontend/elaborate/elab.h"

/* Goes on in the graph of `to` (NULL: the entry's); gives back where we were. */
Body *body_switch(Elab *x, Body *to);
/* A value whose nodes are of the graph of `own` (NULL: the entry's), which x->body is or stands within. */
Value value_seen(Elab *x, Body *own, Value v);
static inline bool in_body(const Elab *x) { return x->body != &x->top; }
typedef struct Inside { /* a body being elaborated */
  Body body;
  Frame frame;
  Body *around;
  Scope *scope;
} Inside;
/* Begins a body: what follows goes into its graph, until inside_end. key: of random numbers. */
void inside_begin(Elab *x, Inside *in, Scope *outer, uint64_t key);
void inside_end(Elab *x, Inside *in);
/* The argument of a checkpoint while it is evaluated. What it reads from outside it reads through nodes that
 * say so. */
struct Segment {
  Segment *around;
  Body *body; /* whose graph it is in */
  int64_t id;
  uint32_t first; /* its nodes begin here */
  Map seen;       /* a node outside -> the one it is read through */
};
Value eval_checkpoint(Elab *x, Scope *s, const AstExpr *e, const Builtin *b);
/* v, of the current graph, as the parts see it; outside: it is of none of them. */
Value segment_enter(Elab *x, Segment *segment, Value v, bool outside);
Value eval_scan(Elab *x, Scope *s, const AstExpr *e);
void scan_next(Elab *x, Scope *s, const AstStmt *t);
void scan_yield(Elab *x, Scope *s, const AstStmt *t);
Value eval_cond(Elab *x, Scope *s, const AstExpr *e);
/* Derivatives through loops that nothing bounds are reported. */
void check_derivatives(Elab *x, const Graph *g);

#endif
