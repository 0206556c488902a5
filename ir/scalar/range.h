/* Where the values of a scalar program lie, by interval evaluation of its text: the text that is computed is
 * the text that is bounded, so a row of ir/ops.def needs no facts beside it. Every step is rounded outwards
 * as its type rounds; integers that could wrap are not bounded; a condition narrows the names it compares in
 * what it guards. Functions of ir/scalar/mathlib.def that the steps of their text would say too little of
 * have a row RANGE there. */
#ifndef DG_IR_SCALAR_RANGE_H
#define DG_IR_SCALAR_RANGE_H

#include "ir/op.h"

/* lo <= v <= hi for every value that is a number, where the operands are; infinite: nothing is known. */
typedef struct ScalarRange {
  double lo, hi;
} ScalarRange;

/* Texts that were read, as trees; whoever asks owns one. */
typedef struct ScalarRanges {
  Arena *arena;
  Map at;
  VEC(const struct ScalarExpr *) tree;
} ScalarRanges;
void scalar_ranges_init(ScalarRanges *c, Arena *a);

static inline ScalarRange range_any(void) { return (ScalarRange){-__builtin_inf(), __builtin_inf()}; }
static inline ScalarRange range_hull(ScalarRange a, ScalarRange b) {
  return (ScalarRange){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}
/* What the program computes lies within: it rounds to the type, and our doubles do not. */
ScalarRange range_fit(ScalarRange r, DType t);

/* Of a scalar row over operands within `in`. */
ScalarRange op_range(ScalarRanges *c, Op op, const ScalarRange *in, const DType *type, uint32_t nin,
                     DType result);

#endif
