/* What a family's value rule sees (ir/family/), and what ir/interpret/ shares. One Eval is one node with its
 * operands in hand; a family computes out from in. Dual numbers run the same families over tangents where an
 * op is linear, and rules of their own elsewhere (ir/interpret/dual.c). */
#ifndef DG_IR_EVAL_H
#define DG_IR_EVAL_H

#include "ir/interpret/interp.h"
#include "ir/interpret/order.h"
#include "ir/scalar/op_program.h"

typedef struct Unused {
  void *p;
  size_t bytes;
} Unused;
typedef struct Run {
  Interp *it;
  const Graph *graph;
  Arena *arena;  /* values and programs */
  Arena scratch; /* of one node */
  OpPrograms programs;
  Arena program_arena; /* outlives the steps of a loop */
  Tensor **result[2];  /* by LOOP or COND node: its results, and their tangents */
  uint32_t depth;      /* bodies we are in: what they need is fresh from the arena */
  Status status;       /* of a host function */
  uint32_t *owner; /* roots only: whose memory a node's value stands in (UINT32_MAX: a leaf's); else NULL */
  uint32_t *last;  /* by owner: the last node that reads it */
  VEC(Unused) unused;
} Run;

typedef struct Eval {
  Run *run;
  NodeId id;
  Op op;
  const int64_t *attr;
  uint32_t nin;
  const Tensor *const *in;
  Tensor *out; /* shape and zeroed memory are there */
} Eval;

/* A tensor seen along one axis: outer x n x inner elements. */
typedef struct Along {
  size_t outer, n, inner;
} Along;
static inline Along tensor_along(const Tensor *t, int axis) {
  Along a = {1, (size_t)t->ext[axis], 1};
  for (int i = 0; i < axis; i++) a.outer *= (size_t)t->ext[i];
  for (int i = axis + 1; i < t->rank; i++) a.inner *= (size_t)t->ext[i];
  return a;
}

/* A tensor like t, zeroed. */
Tensor interp_like(Arena *a, const Tensor *t);
/* n elements of a float type through the program of a one-operand row */
void interp_map(Run *r, Op op, DType t, size_t n, const void *x, void *y);
bool interp_has_fma(void); /* the CPU's own, which the fast clones of the products use */

bool interp_is_alias(Op op); /* the value is the first operand's, or a leaf's */
void interp_reuse_plan(Run *r);
void *interp_room(Run *r, size_t bytes); /* zeroed */
void interp_reuse(Run *r, NodeId done);

/* t as this run holds it, without memory. */
bool interp_shape(const Run *r, const Type *t, Tensor *out) MUST_USE;
/* The nodes of one region among first .. end - 1, in order. False: the run's status says why. */
bool interp_range(Run *r, uint32_t first, uint32_t end, uint32_t region) MUST_USE;
bool interp_loop(Eval *e) MUST_USE; /* with tangents in dual mode */
bool interp_cond(Eval *e) MUST_USE;

/* The value rule of a family, eval_FAMILY. */
typedef struct OpEval {
  void (*run)(Eval *e); /* NULL: there is nothing to do */
  /* The tangent of an op that is not linear: see dual_any. NULL: zero */
  bool (*dual)(Eval *e, const Tensor *tin, Tensor *t);
} OpEval;
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc)
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) extern const OpEval eval_##family;
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
extern const OpEval eval_scalar; /* of every scalar row */

const OpEval *eval_op(Op op);
void eval_any(Eval *e); /* by e->op */

/* Tangent of the node into t (zeroed, like e->out); tin[i].data is NULL for a zero tangent. e->out is
 * computed. False: zero. */
bool dual_any(Eval *e, const Tensor *tin, Tensor *t);

/* The run fails; false. */
bool interp_refuse(Run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
