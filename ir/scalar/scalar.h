/* Scalar programs: arithmetic on single elements as data. Typed SSA over ~35 base instructions
 * (ir/scalar/scalar_ops.def); types are DTypes, DT_BOOL being a mask (a ScalarValue's i is 0 or 1). One
 * definition for everybody: the interpreter, the graph builder (derivatives), kernel bodies and the emitter
 * all loop over these instructions. docs/scalar.md has the text form. */
#ifndef DG_IR_SCALAR_H
#define DG_IR_SCALAR_H

#include "ir/type/type.h"

typedef enum {
#define SOP(id, name, sig, doc) SC_##id,
#include "ir/scalar/scalar_ops.def"
#undef SOP
  SC_COUNT
} ScalarOp;

typedef struct ScalarOpInfo {
  const char *name, *sig, *doc;
  uint8_t arity;
} ScalarOpInfo;
extern const ScalarOpInfo scalar_op_info[SC_COUNT];

/* Caps of one program. 64 instructions hold every single function; fused bodies hold several. Storage is as
 * large as used. */
enum { SCALAR_INS = 512, SCALAR_LEAVES = 256, SCALAR_IN = 32, SCALAR_OUT = 16 };

typedef union ScalarValue {
  float s;
  double d;
  int32_t i; /* i32 and masks; unused upper bytes are zero */
  int64_t l;
  uint32_t u;
  uint64_t w;
} ScalarValue;

typedef struct ScalarRef { /* a value of a program: instruction i, or leaf i */
  uint16_t i : 15;
  uint16_t leaf : 1;
} ScalarRef;

typedef struct ScalarIns {
  uint8_t op;     /* ScalarOp */
  uint8_t type;   /* DType bound to the generic letters (of the argument for cast and bits) */
  uint8_t result; /* DType of the result */
  ScalarRef arg[3];
} ScalarIns;

typedef struct ScalarLeaf {
  uint8_t type; /* DType */
  bool input;   /* operand number `index`, else the constant `value` */
  uint8_t index;
  ScalarValue value; /* never a subnormal; NaN is canonical */
} ScalarLeaf;

typedef struct Scalar {
  uint16_t nin, nout, nins, nleaf;
  const uint8_t *in_type; /* DType of each input, read or not */
  const ScalarRef *out;
  const ScalarIns *ins; /* arguments before users */
  const ScalarLeaf *leaf;
} Scalar;

static inline DType scalar_type(const Scalar *p, ScalarRef r) {
  return (DType)(r.leaf ? p->leaf[r.i].type : p->ins[r.i].result);
}

/* ---- building. Equal instructions are merged, constants folded by our own evaluator (bit-exact: under
 * flushing), what no output needs is dropped at the end. Exceeding a cap raises ST_LIMIT; a type error is a
 * BUG of the caller. */
typedef struct ScalarBuilder {
  Arena *arena;
  uint16_t nin, nout, nins, nleaf;
  uint8_t in_type[SCALAR_IN];
  ScalarRef out[SCALAR_OUT];
  ScalarIns ins[SCALAR_INS];
  ScalarLeaf leaf[SCALAR_LEAVES];
} ScalarBuilder;

void scalar_begin(ScalarBuilder *b, Arena *a);
ScalarRef scalar_input(ScalarBuilder *b, uint32_t index, DType t); /* the same index must keep its type */
ScalarRef scalar_const(ScalarBuilder *b, DType t, ScalarValue v);  /* flushed and NaN-canonicalised here */
ScalarRef scalar_number(ScalarBuilder *b, DType t, double x);      /* rounded to t */
ScalarRef scalar_ins(ScalarBuilder *b, ScalarOp op, ScalarRef x, ScalarRef y,
                     ScalarRef z);                              /* unused: repeat x */
ScalarRef scalar_cast(ScalarBuilder *b, DType to, ScalarRef x); /* x itself when it has that type */
DType scalar_ref_type(const ScalarBuilder *b, ScalarRef r);
/* Copies program p's instructions with args for its inputs; out gets p->nout values. */
void scalar_inline(ScalarBuilder *b, const Scalar *p, const ScalarRef *args, ScalarRef *out);
void scalar_output(ScalarBuilder *b, ScalarRef r);
const Scalar *scalar_end(ScalarBuilder *b);

/* ---- text. "n = rint(x * 1.5); r = fma(n, -0.5, x); r < 0 ? -r : r". Loosest first: c ? a : b, or, and,
 * not, comparison
 * (== != < <= > >=), `|`, `&` (integers), << >> >>>, + -, * /, unary -, calls. Calls are base instructions,
 * f32() f64() i32() i64() bool() casts, cast() to the result type, mod (imod on integers, x - y*floor(x/y) on
 * floats, by zero 0), and the functions of ir/scalar/mathlib.def, which are inlined. Literals, inf, nan and
 * pi take the type they meet. */
typedef struct ScalarInput {
  const char *name;
  DType type;
} ScalarInput;
/* NULL: *why (appended to) says what is wrong. result is the type of the value and of cast(). One output. */
const Scalar *scalar_parse(Arena *a, Str text, const ScalarInput *in, uint32_t nin, DType result,
                           Sb *why) MUST_USE;
/* A function of ir/scalar/mathlib.def for float type t as a program; NULL when there is no such function. */
const Scalar *scalar_lib(Arena *a, Str name, DType t) MUST_USE;

/* One program's formula for people (manual, --emit=kernels): names may be NULL (x0, x1...). */
void scalar_print(const Scalar *p, const char *const *names, Sb *b);
/* Exact text form, used inside kernel text: {x0:f32, x1:f32 | %0 = add x0 x1 ; ret %0}; scalar_read parses it
 * back. */
void scalar_write(const Scalar *p, Sb *b);
const Scalar *scalar_read(Arena *a, Str *text,
                          Sb *why) MUST_USE; /* consumes the form from the front of *text */
bool scalar_equal(const Scalar *a, const Scalar *b);
/* Types, order of instructions, caps, no subnormal constants. False: *why. */
MUST_USE bool scalar_verify(const Scalar *p, Sb *why);

/* ---- evaluation: the bit-exact reference. The caller has set FTZ and DAZ (fp_enter). */
void scalar_eval(const Scalar *p, const ScalarValue *in, ScalarValue *out);
/* n elements at once, instruction by instruction. in[i] and out[i] are arrays of the elements' own width as
 * in memory (mask: a 32-bit word); step[i] is 1, or 0 for one value used for all (NULL: all 1). Outputs may
 * be inputs' arrays. scratch is rewound. */
void scalar_eval_n(const Scalar *p, Arena *scratch, size_t n, const void *const *in, const uint8_t *step,
                   void *const *out);

/* Dual numbers in f64: value and tangent, by hand-written tangents of the base instructions; no derivative
 * text is read. The program must be instantiated over f64. Integer and mask values carry no tangent. */
typedef struct ScalarDual {
  ScalarValue v;
  double t;
} ScalarDual;
void scalar_eval_dual(const Scalar *p, const ScalarDual *in, ScalarDual *out);

/* ---- floating-point environment: flush to zero, denormals are zero, round to nearest, no traps. */
uint32_t fp_enter(void); /* returns what fp_leave restores */
void fp_leave(uint32_t saved);
/* Data entering a program: subnormals become zero of their sign and NaNs the canonical one, by integer bits.
 * n elements in place. */
void fp_flush(DType t, void *data, size_t n);
bool fp_clean(DType t, const void *data, size_t n); /* fp_flush would change nothing */

#endif
