/* Shared between ir/family/infer*.c only: the operands of one node while its type is worked out. */
#ifndef DG_IR_INFER_INTERNAL_H
#define DG_IR_INFER_INTERNAL_H

#include "ir/graph/build.h"
#include "ir/graph/program.h"

typedef struct Infer {
  DimTable *dims;
  const Graph *g;
  Op op;
  uint32_t nin;
  const Type **in; /* operand types */
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

bool infer_move(const Infer *f) MUST_USE;   /* broadcast .. reverse */
bool infer_reduce(const Infer *f) MUST_USE; /* sum .. cross_entropy */
bool infer_conv(const Infer *f) MUST_USE;   /* contract, conv2d*, pools */

#endif
