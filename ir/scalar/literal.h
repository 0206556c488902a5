/* Numbers of a program between their forms: a double; an element of a type; the bits of memory; and a *word*,
 * which is what CONST attributes and tables hold: a double's bits for float types, else the integer. The one
 * place of these conversions. */
#ifndef DG_IR_LITERAL_H
#define DG_IR_LITERAL_H

#include "ir/scalar/scalar.h"

/* The element nearest to x: rounded to a float type; to an integer type cut to a whole number and to its
 * least or greatest, NaN to 0; a mask is x != 0. */
ScalarValue literal_from(DType t, double x);
double literal_double(DType t, ScalarValue v); /* integers beyond 2^53 are rounded */

/* The element of a word: rounded to the type; an integer's low bits. */
ScalarValue literal_value(DType t, int64_t word);
int64_t literal_word(DType t, ScalarValue v); /* one NaN */
/* The word of x as programs see it: nearest, flushed, one NaN. */
int64_t literal_of(DType t, double x);
int64_t literal_of_value(DType t, ScalarValue v); /* the same of an element */
double literal_number(DType t, int64_t word);
/* Is the word one that elements of the type have? */
bool literal_is(DType t, int64_t word);

/* Elements in memory, as in compiled programs. Those of a stored dtype have the value of its compute dtype;
 * putting one keeps what fits: the upper half of an f32, which ROUND_BF16 made all there is. */
ScalarValue literal_get(DType t, const void *data, size_t at);
void literal_put(DType t, void *data, size_t at, ScalarValue v);
ScalarValue literal_bf16(float x); /* as ROUND_BF16 does */
/* n elements of a stored dtype to its compute dtype and back. */
void literal_load(DType t, size_t n, const void *from, void *to);
void literal_store(DType t, size_t n, const void *from, void *to);

#endif
