/* Shared between ir/type/dim.c and ir/type/dim_text.c only. */
#ifndef DG_IR_DIM_INTERNAL_H
#define DG_IR_DIM_INTERNAL_H

#include "ir/type/dim.h"

enum { MAX_DEGREE = 16, MAX_TERMS = 64, MAX_DEPTH = 32 };

typedef struct Atom {
  Sym name;    /* a symbol when by == 0 */
  DimId inner; /* floor(inner / by) */
  int64_t by;
  uint32_t depth; /* nested floor divisions */
  Str text;
} Atom;

typedef struct Term {
  int64_t coef; /* never 0 */
  uint32_t degree;
  uint32_t atom[MAX_DEGREE]; /* sorted by text */
} Term;

typedef struct Poly {
  uint32_t n;
  const Term *term;
} Poly;

/* A symbol that is known to be a multiple: atom `of` is by times atom `part`. Polynomials are compared with
 * parts in place of all such atoms, and kept with symbols where a coefficient is a multiple. Also of a part
 * that a later, greater multiple has replaced. */
typedef struct Multiple {
  uint32_t of, part;
  int64_t by;
} Multiple;

struct DimTable {
  Arena *arena;
  const Names *names;
  VEC(Poly) poly; /* [0]: unknown */
  VEC(Atom) atom;
  VEC(Multiple) multiple;
  Map cons, symbol;
};

#endif
