/* Element types and tensor types. */
#ifndef DG_IR_TYPE_H
#define DG_IR_TYPE_H

#include "ir/type/dim.h"

enum { MAX_RANK = 8 };

/* name in .dg, bytes of an element in compiled programs, letter in scalar programs (s f32, d f64, i i32, l
 * i64, b mask) */
#define DTYPES(X)                                                                                            \
  X(F32, "f32", 4, 's')                                                                                      \
  X(F64, "f64", 8, 'd')                                                                                      \
  X(I32, "i32", 4, 'i')                                                                                      \
  X(I64, "i64", 8, 'l')                                                                                      \
  X(BOOL, "bool", 4, 'b') /* one 32-bit word, 0 or 1 */
/* Dtypes of memory only: name, bytes of an element, and the dtype that a load makes of it and a store takes.
 * Nothing is computed with them: only LEAF and CAST have one. */
#define STORED_DTYPES(X)                                                                                     \
  X(U8, "u8", 1, I32)                                                                                        \
  X(BF16, "bf16", 2, F32)

typedef enum {
#define X(id, name, bytes, letter) DT_##id,
  DTYPES(X)
#undef X
      DT_COUNT,       /* of those with values */
  DT_NONE = DT_COUNT, /* no value: of nodes that hold results for others (yield, loop, cond) */
#define X(id, name, bytes, compute) DT_##id,
  STORED_DTYPES(X)
#undef X
} DType;
enum { DT_ALL = DT_BF16 + 1 }; /* stored ones, too */

const char *dtype_name(DType t);
size_t dtype_bytes(DType t);
char dtype_letter(DType t);
DType dtype_compute(DType t); /* what its elements are computed in: t itself, but for stored ones */
static inline bool dtype_is_stored(DType t) { return dtype_compute(t) != t; }
MUST_USE bool dtype_parse(Str s, DType *out);
static inline bool dtype_is_float(DType t) { return t == DT_F32 || t == DT_F64; }
static inline bool dtype_is_int(DType t) { return t == DT_I32 || t == DT_I64; }

typedef struct Type {
  uint8_t dtype; /* DType */
  uint8_t rank;
  DimId dim[MAX_RANK]; /* outermost first; row-major */
} Type;

static inline Type type_scalar(DType t) { return (Type){.dtype = (uint8_t)t}; }
bool type_eq(const Type *a, const Type *b);
bool type_agree(const Type *a, const Type *b); /* where unknown dims agree with any */
bool type_same_shape(const Type *a, const Type *b);
/* `f32[N, 10]`, `f32` for rank 0. */
void type_print(const DimTable *t, const Type *ty, Sb *b);
/* Product of the dims as a dim (const 1 for rank 0). */
DimId type_count(DimTable *t, const Type *ty);
/* Extents of a type whose dims are all constant; false if one is not. */
MUST_USE bool type_extents(const DimTable *t, const Type *ty, int64_t *ext);

#endif
