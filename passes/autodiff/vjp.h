/* Derivative rules. A rule gets a node, its cotangent and a builder, and writes one contribution per input or
 * leaves NO_NODE: "no contribution". Summing contributions is autodiff.c's business. */
#ifndef DG_PASSES_VJP_H
#define DG_PASSES_VJP_H

#include "ir/graph/build.h"
#include "ir/graph/program.h"

enum { VJP_TEXTS = OP_COUNT * 3 };
typedef struct Vjp {
  Builder *b;
  NodeId node;      /* r, in b->g */
  NodeId g;         /* its cotangent, of the node's type */
  const bool *need; /* per input: somebody asks for it. A rule may ignore this; autodiff drops what is not
                       asked for */
  NodeId *dx;       /* per input, preset to NO_NODE */
  const struct ScalarExpr **text; /* by op and input: derivatives that were read before */
} Vjp;

typedef void VjpFn(Vjp *v);

/* One per structural op: vjp_SUM, ...; a missing one is a link error. */
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc)
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) VjpFn vjp_##id;
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT

/* Scalar ops: the derivative strings of ops.def become nodes; calls become op nodes. */
void vjp_scalar(Vjp *v);
void vjp_node(Vjp *v); /* dispatch */

/* Short forms for rules. */
static inline NodeId vjp_in(const Vjp *v, uint32_t i) { return graph_in(v->b->g, v->node)[i]; }
static inline Type vjp_type(const Vjp *v, NodeId n) { return graph_node(v->b->g, n)->type; }
static inline int64_t vjp_attr(const Vjp *v, uint32_t i) { return graph_attr(v->b->g, v->node)[i]; }
static inline NodeId vjp_op2(Vjp *v, Op op, NodeId x, NodeId y) {
  return build_scalar(v->b, op, x, y, NO_NODE);
}
static inline NodeId vjp_op1(Vjp *v, Op op, NodeId x) { return build_scalar(v->b, op, x, NO_NODE, NO_NODE); }

#endif
