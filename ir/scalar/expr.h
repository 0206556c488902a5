/* The infix text of scalar programs as a tree, nothing inlined or typed: scalar_parse walks it to build a
 * program, autodiff to build graph nodes (a call of an op's name becomes that op). The grammar is the one in
 * ir/scalar/scalar.h. */
#ifndef DG_IR_SCALAR_EXPR_H
#define DG_IR_SCALAR_EXPR_H

#include "base/str.h"

typedef enum {
  SCALAR_NAME,     /* an input or a bound name */
  SCALAR_NUMBER,   /* takes the type it meets; inf, nan and pi are numbers */
  SCALAR_OPERATOR, /* name: add sub mul div neg lt le eq ne and or not where; on integers bitand bitor shl shr
                      ushr. `a > b` is lt(b, a). add..where are names of rows of ir/ops.def */
  SCALAR_CALL, /* name(arg, ...) as written: an op, a base instruction, a function of ir/scalar/mathlib.def, a
                * cast
                */
  SCALAR_LET,  /* name = arg[0]; arg[1]. The name holds in arg[1] and in what follows it */
} ScalarExprKind;

typedef struct ScalarExpr ScalarExpr;
struct ScalarExpr {
  ScalarExprKind kind;
  uint32_t at;  /* byte of the text */
  bool integer; /* NUMBER: written without point and exponent; i holds it */
  double x;     /* NUMBER */
  int64_t i;
  Str name;
  uint32_t narg;
  const ScalarExpr **arg;
};

enum { SCALAR_ARGS = 24, SCALAR_DEPTH = 100 }; /* operands of a call; height of a tree, lets not counted */

/* NULL: *why (appended to) says what is wrong. */
const ScalarExpr *scalar_expr_parse(Arena *a, Str text, Sb *why) MUST_USE;

#endif
