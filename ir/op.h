/* The op table's face. One row of ops.def = one op; consumers pick their columns. */
#ifndef DG_IR_OP_H
#define DG_IR_OP_H

#include "ir/type/type.h"

typedef enum {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) OP_##id,
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) OP_##id,
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
  OP_COUNT
} Op;

/* Per input: what a change of the input does to the gradient. Kept apart to the message (docs/errors). */
typedef enum {
  GC_CARRIES = 'd', /* differentiable: the gradient passes */
  GC_ZERO = 'z',    /* derivative zero everywhere: rounding, comparison, conversion to integer */
  GC_INDEX = 'i',   /* used as index, predicate or shape only */
  GC_STOPPED = 's', /* blocked on purpose */
  GC_OPAQUE = 'o',  /* code without a derivative */
} GradClass;

enum {
  OPF_COMMUTATIVE = 1,
  OPF_LEAF = 2,       /* no inputs, value comes from outside or is a literal */
  OPF_NO_MERGE = 4,   /* two occurrences are two values (stop, name, custom, extern, grad) */
  OPF_ALIAS = 8,      /* the value is the first input's, element by element: nothing is computed */
  OPF_REDUCES = 16,   /* carries an order attribute */
  OPF_OPERATOR = 32,  /* the language writes it with an operator, so its name is no function there */
  OPF_NO_VALUE = 256, /* has no value (DT_NONE): yield, loop, cond */
  OPF_MOVE = 128,     /* every element of the result is one of the first input, with its gradient */
  OPF_ERASED = 64, /* the first input takes its place after the last differentiation (stop, name, custom) */
};

typedef struct OpInfo {
  const char *name;
  bool scalar;   /* elementwise: all operands have the result's shape */
  int8_t arity;  /* -1: any number */
  uint8_t nattr; /* attributes as int64_t each */
  uint16_t flags;
  const char *sig;             /* scalar: operand letters then result letter; see ops.def */
  const char *attrs;           /* structural: "axis:i start:d"; see ops.def */
  const char *cls;             /* one GradClass letter per input; the last one repeats */
  const char *value, *grad[3]; /* scalar: infix programs over x y z (inputs), r (result), g (cotangent) */
  double lo, hi;               /* scalar: test domain of the float inputs */
  const char *linear;          /* structural: one OpLinear letter per input; see ops.def */
  const char *doc;
} OpInfo;

extern const OpInfo op_info[OP_COUNT];
MUST_USE bool op_find(Str name, Op *out);
static inline GradClass op_grad_class(Op op, uint32_t input) {
  const char *c = op_info[op].cls;
  uint32_t i = 0;
  while (i < input && c[i + 1]) i++;
  return (GradClass)c[i];
}
/* Structural ops: how the result depends on an input. */
typedef enum {
  LINEAR_NOT = '.',
  LINEAR_JOINT = '+', /* in all inputs marked so together */
  LINEAR_EACH = '*',  /* in this one while the others stay */
} OpLinear;
static inline OpLinear op_linear(Op op, uint32_t input) {
  const char *c = op_info[op].linear;
  if (!c[0]) return LINEAR_NOT;
  uint32_t i = 0;
  while (i < input && c[i + 1]) i++;
  return (OpLinear)c[i];
}
static inline bool op_is(Op op, unsigned flag) { return (op_info[op].flags & flag) != 0; }

#endif
