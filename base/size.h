/* Checked size arithmetic: the only place where sizes, offsets and extents are multiplied or added (lint:
 * size-arith). Each returns false on overflow and leaves *out unspecified. */
#ifndef DG_BASE_SIZE_H
#define DG_BASE_SIZE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tokens of a row of a text file. */
enum { WINDOW_MOST = 999999999 };

static inline MUST_USE bool size_mul(size_t a, size_t b, size_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}
static inline MUST_USE bool size_add(size_t a, size_t b, size_t *out) {
  return !__builtin_add_overflow(a, b, out);
}
static inline MUST_USE bool size_sub(size_t a, size_t b, size_t *out) {
  return !__builtin_sub_overflow(a, b, out);
}
static inline MUST_USE bool i64_mul(int64_t a, int64_t b, int64_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}
static inline MUST_USE bool i64_add(int64_t a, int64_t b, int64_t *out) {
  return !__builtin_add_overflow(a, b, out);
}
static inline MUST_USE bool i64_sub(int64_t a, int64_t b, int64_t *out) {
  return !__builtin_sub_overflow(a, b, out);
}
/* The greatest common divisor of what is >= 0. */
static inline int64_t i64_gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}
/* Rounds up to a multiple of a power of two. */
static inline MUST_USE bool size_align(size_t a, size_t align, size_t *out) {
  if (!size_add(a, align - 1, out)) return false;
  *out &= ~(align - 1);
  return true;
}
/* Product of n extents, all of which must be >= 0. An overflowing partner of a zero extent still fails. */
MUST_USE bool size_product(const int64_t *ext, size_t n, size_t *out);

#endif
