/* A family of structural ops: the rows of ir/ops.def that share one rule of types, infer_FAMILY, and one of
 * values, eval_FAMILY (ir/interpret/eval.h). Both stand in the family's file here. */
#ifndef DG_IR_FAMILY_H
#define DG_IR_FAMILY_H

#include "ir/graph/build.h"
#include "ir/interpret/eval.h"

/* The operands of one node while its type is worked out. */
typedef struct Infer {
  DimTable *dims;
  const Graph *g;
  Op op;
  uint32_t nin;
  const Type **in; /* operand types */
  const NodeId *operand;
  const int64_t *attr;
  const Type *given; /* may be NULL */
  Type *out;
  Sb *why;
} Infer;

/* Appends "name: text" to why and is false. */
bool infer_fail(const Infer *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Appends "name: what TYPE and TYPE" to why and is false. */
bool infer_types(const Infer *f, const char *what, const Type *a, const Type *b);
/* Equal, or one is the poison dim. */
bool infer_dim_eq(DimId a, DimId b);
bool infer_shape_eq(const Type *a, const Type *b);
/* attr[i] in lo..hi */
bool infer_attr(const Infer *f, int i, int64_t lo, int64_t hi) MUST_USE;
bool infer_given(const Infer *f) MUST_USE; /* there is a given type */
DimId infer_one(const Infer *f);

enum { INFER_SMALL = 1 << 20 }; /* attributes of windows lie below */
/* Windows along an axis of n: (n + 2 pad - dilation (k - 1) - 1) / stride + 1, rounded down; unknown when the
 * window does not fit. */
DimId infer_window(const Infer *f, DimId n, int64_t pad, int64_t dilation, int64_t k, int64_t stride);

/* The type into f->out, or false with a reason. */
typedef bool InferFn(const Infer *f);
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc)
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) InferFn infer_##family;
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT

#endif
