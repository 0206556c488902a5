/* An instance as a value, leaf by leaf. Part of elab.h. */
#ifndef DG_FRONTEND_ELABORATE_TREE_H
#define DG_FRONTEND_ELABORATE_TREE_H

#include "frontend/elaborate/elab.h"

struct Tree {
  Instance *of; /* whose structure this is */
  uint32_t n;
  Str *suffix;  /* paths below it: `fc1.w` */
  LeafId *leaf; /* its own leaves, ascending */
  Value *value; /* what stands in their place */
};

Tree *instance_tree(Elab *x, Instance *i);
Tree *tree_of(Elab *x, Value v); /* of an instance or its values; NULL: neither */
/* What can be called and has members: an instance with these values in place of its leaves. */
Value tree_instance(Elab *x, Value tree);
typedef Value TreeFn(Elab *x, Value leaf, void *cx);
Value tree_each(Elab *x, Value v, TreeFn *fn, void *cx);
Value tree_binary(Elab *x, AstBinary op, Span at, Operand a, Operand b);

#endif
