/* The scalar programs of op rows, parsed from ir/ops.def once per choice of types. Whoever needs them owns a
 * cache (a session, a pass, an interpreter run). */
#ifndef DG_IR_OP_PROGRAM_H
#define DG_IR_OP_PROGRAM_H

#include "ir/op.h"
#include "ir/scalar/scalar.h"

typedef struct OpPrograms {
  Arena *arena;
  Map at;
  VEC(const Scalar *) program;
} OpPrograms;

void op_programs_init(OpPrograms *p, Arena *a);
/* The value program of a scalar row over operands of the given types; inputs are x, y, z in order. A row that
 * does not hold for these types is a BUG. */
const Scalar *op_program(OpPrograms *p, Op op, const DType *in, uint32_t nin, DType result);

#endif
