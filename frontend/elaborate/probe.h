/* What nobody calls is elaborated on placeholders (unused.c, probe.c): what one probe assumes, and what the
 * elaborator does in probes only. */
#ifndef DG_FRONTEND_PROBE_H
#define DG_FRONTEND_PROBE_H

#include "frontend/elaborate/elab.h"

typedef struct Probe {
  bool any;             /* numbers and extents are open: poison, and DimId 0, which agrees with any */
  int64_t one;          /* not any: what each of them is; 0: a symbol */
  uint8_t rank;         /* what `..` stands for */
  DType dtype;          /* what dtype variables stand for */
  bool training, asked; /* asked: for `training` */
  bool varies;          /* the signatures have `..` or dtype variables */
  bool assigned;        /* the optimizer assigns its parameter */
  Frame *own;           /* of what is probed: its contract is no finding */
  Map *seen;            /* lambdas looked at */
} Probe;
static inline bool probe_any(const Elab *x) { return x->probe && x->probe->any; }
void check_unused(Elab *x);
/* These do nothing outside of a probe. What an open test, loop or call keeps from running is looked at. */
void probe_expr(Elab *x, Scope *s, const AstExpr *e);
void probe_block(Elab *x, Scope *s, const AstBlock *b);
void probe_walk(Elab *x, Scope *s, const AstFor *w, const AstExpr *item, const AstBlock *body);
void probe_declares(Elab *x, Scope *s, const AstBlock *b); /* of a module */
void probe_lambda(Elab *x, Closure *c);
void probe_arguments(Elab *x, Value callee, ArgVec *args, Span at);
void probe_assigns(Elab *x, Value to);
bool probe_contract(Elab *x);
bool probe_descends(Elab *x, const Closure *c);
/* Binds parameters to placeholders of what they are declared; tensors: they may be. */
void probe_params(Elab *x, Scope *callee, const AstParamVec *params, uint32_t skip, bool tensors);
NodeId probe_tensor(Elab *x, Type t, Span at);

#endif
