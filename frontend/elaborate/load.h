/* `~ load("w.safetensors")`: what begins with the numbers of a file. */
#ifndef DG_FRONTEND_LOAD_H
#define DG_FRONTEND_LOAD_H

#include "frontend/elaborate/elab.h"

bool is_load(Elab *x, Scope *s, const AstExpr *e);
bool calls_builtin(Elab *x, Scope *s, const AstExpr *e,
                   const char *name); /* whose name nothing hides; builtins.c */
void load_leaf(Elab *x, Scope *s, const AstExpr *e, LeafId l);
Value load_instance(Elab *x, Scope *s, const AstExpr *e, Value v);
NodeId load_initial(Elab *x, LeafId l);

#endif
