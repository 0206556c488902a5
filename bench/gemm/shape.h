/* A matrix product C[M x N] = op(A) op(B), row-major f32: what the benchmarks of this folder time. */
#ifndef DG_BENCH_SHAPE_H
#define DG_BENCH_SHAPE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Shape {
  char name[48];
  int64_t m, n, k;
  bool ta, tb; /* A is stored K x M, B is stored N x K */
} Shape;

/* Reads the next line `NAME M N K TA TB`; comments and blank lines are passed over. False at the end. */
bool shape_read(FILE *f, Shape *s) __attribute__((warn_unused_result));
double shape_flops(const Shape *s);

/* Operands filled with numbers in [-1, 1), the same in every process; a result buffer. */
typedef struct Operands {
  float *a, *b, *c;
} Operands;
bool operands_new(const Shape *s, Operands *o) __attribute__((warn_unused_result));
void operands_free(Operands *o);
/* The largest |c - exact| / sum |terms| over 64 elements, exact computed in f64. */
double operands_error(const Shape *s, const Operands *o, const float *c);

double seconds_now(void);
#endif
