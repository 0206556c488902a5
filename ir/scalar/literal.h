/* Literals: how the numbers of a program stand in attributes and tables. A word is a double's bits for float
 * types, else the integer. */
#ifndef DG_IR_LITERAL_H
#define DG_IR_LITERAL_H

#include "ir/scalar/scalar.h"

/* The element of type t: rounded to it; an integer's low bits; a mask is 0 or 1. */
ScalarValue literal_value(DType t, int64_t word);

#endif
