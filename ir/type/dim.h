/* Dims: canonical integer polynomials over named symbols, hash-consed in one table per program, so that equal
 * ids are equal dims and unequal ids are not provably equal. `2*D`, `T-1`, `N*16`; floor division by a
 * constant is an opaque atom where it is not exact (convolution and pooling of symbolic extents). */
#ifndef DG_IR_DIM_H
#define DG_IR_DIM_H

#include "base/str.h"

typedef struct DimId {
  uint32_t i; /* 0: unknown (poison after an error); equal to everything in checks */
} DimId;

typedef struct DimTable DimTable;

DimTable *dims_new(Arena *a, const Names *names);
/* A table of its own with the same ids; `of` does not change or go while it is used. */
DimTable *dims_copy(Arena *a, const DimTable *of);
DimId dim_const(DimTable *t, int64_t v);
DimId dim_symbol(DimTable *t, Sym name);
/* Arithmetic; DimId 0 in gives 0 out; coefficient overflow gives 0. */
DimId dim_add(DimTable *t, DimId a, DimId b);
DimId dim_sub(DimTable *t, DimId a, DimId b);
DimId dim_mul(DimTable *t, DimId a, DimId b);
/* a / b when the division is exact as polynomials; false otherwise. */
MUST_USE bool dim_div_exact(DimTable *t, DimId a, DimId b, DimId *out);
DimId dim_floordiv(DimTable *t, DimId a, int64_t by);
/* From here on d, a number times a symbol, counts as a multiple of by. What was made before keeps its id, and
 * is equal to what is made now where it has no floor division. */
void dim_multiple(DimTable *t, DimId d, int64_t by);
/* x and y differ, and would be equal if this symbol were a multiple of by. */
MUST_USE bool dim_whole(Arena *a, const DimTable *t, DimId x, DimId y, Sym *name, int64_t *by);

static inline bool dim_eq(DimId a, DimId b) { return a.i == b.i; }
/* Nothing says that they differ: an unknown dim agrees with any. */
static inline bool dim_agree(DimId a, DimId b) { return dim_eq(a, b) || !a.i || !b.i; }
MUST_USE bool dim_is_const(const DimTable *t, DimId d, int64_t *v);
/* Known not to be 1 to `whole`; then *v is what it is. */
MUST_USE bool dim_no_part(const DimTable *t, DimId d, DimId whole, int64_t *v);
/* True when d is exactly one symbol. */
MUST_USE bool dim_is_symbol(const DimTable *t, DimId d, Sym *name);
/* Calls see for every symbol in d. */
void dim_symbols(const DimTable *t, DimId d, void (*see)(void *cx, Sym name), void *cx);

typedef struct DimBinding {
  Sym name;
  int64_t value; /* at least 1 */
} DimBinding;
/* Value under bindings. False: a symbol is unbound, or the value overflows or is negative. */
MUST_USE bool dim_eval(const DimTable *t, DimId d, const DimBinding *b, size_t n, int64_t *v);
/* Replaces bound symbols; others stay. */
DimId dim_bind(DimTable *t, DimId d, const DimBinding *b, size_t n);
/* `2*N + 1`; terms in a fixed order; `?` for DimId 0. dim_parse reads it back. */
void dim_print(const DimTable *t, DimId d, Sb *b);
MUST_USE bool dim_parse(DimTable *t, Names *names, Str text, DimId *out);

#endif
