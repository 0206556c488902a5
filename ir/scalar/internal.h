/* Shared between the files of ir/scalar*.c only. */
#ifndef DG_IR_SCALAR_INTERNAL_H
#define DG_IR_SCALAR_INTERNAL_H

#include "ir/scalar/scalar.h"

/* One instruction on one element: the definition used by every evaluator. */
void scalar_step(const ScalarIns *n, const ScalarValue *a, const ScalarValue *b, const ScalarValue *c,
                 ScalarValue *r);

/* A row of ir/scalar/mathlib.def. */
typedef struct MathRow {
  const char *name, *types, *params, *body; /* types: letters of the float types it serves, or "*" */
} MathRow;
extern const MathRow mathlib[];
extern const size_t mathlib_count;

/* Numbers of program text at the front of *p (NUL-terminated): moves *p behind it. */
typedef struct ScalarNumber {
  bool integer;
  int64_t i;
  double x;
} ScalarNumber;
MUST_USE bool scalar_number_text(const char **p, ScalarNumber *out);
/* A constant as in exact text, "1.5s", "-infd", "3i": number, then the letter of its type. */
void scalar_constant_print(DType t, ScalarValue v, Sb *b);
MUST_USE bool scalar_constant_read(const char **p, DType *t, ScalarValue *v);
size_t scalar_word(const char *p); /* length of the name at p, 0 for none */

#endif
