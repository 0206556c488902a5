/* What is known of a structural op's values from its operands': facts_ID, one per row of ir/ops.def. A scalar
 * row's come from its own text (ir/scalar/range.h). */
#ifndef DG_PASSES_FACTS_H
#define DG_PASSES_FACTS_H

#include "ir/graph/program.h"
#include "ir/scalar/range.h"

/* lo <= every element <= hi, where it is a number; infinite: nothing known */
typedef ScalarRange Bound;

typedef struct Facts {
  const Graph *g;
  NodeId n;
  const Bound *in;   /* of its operands */
  const Bound *leaf; /* of parameters and states, by LeafId; NULL: nothing is known */
} Facts;
typedef Bound FactsFn(const Facts *f);
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc)
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) FactsFn facts_##id;
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT

/* Of any node, rounded outwards to its type. */
Bound facts_of(ScalarRanges *c, const Graph *g, NodeId n, const Bound *in, const Bound *leaf);

#endif
