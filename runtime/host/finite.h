/* Where numbers end: the first NaN or infinity of many, found by integer bits, a block at a time. */
#ifndef DG_RUNTIME_HOST_FINITE_H
#define DG_RUNTIME_HOST_FINITE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FINITE_BLOCK = 64 };

/* first_non_finite(bits): index of the first of n floats of so many bits that is none, or n. Any alignment.
 * 16: bf16, the upper halves of floats. Where the exponent is all ones, one more in its last place carries
 * into the sign. */
#define FIRST_NON_FINITE(bits, fraction)                                                                     \
  static inline size_t first_non_finite##bits(const void *p, size_t n) {                                     \
    const uint64_t sign = UINT64_C(1) << (bits - 1), one = UINT64_C(1) << fraction, exponent = sign - one;   \
    const char *at = p;                                                                                      \
    uint##bits##_t w[FINITE_BLOCK];                                                                          \
    size_t i = 0;                                                                                            \
    for (; n - i >= FINITE_BLOCK; i += FINITE_BLOCK, at += sizeof w) {                                       \
      uint##bits##_t any = 0;                                                                                \
      memcpy(w, at, sizeof w);                                                                               \
      for (int k = 0; k < FINITE_BLOCK; k++)                                                                 \
        any |= (uint##bits##_t)((w[k] & (uint##bits##_t) ~sign) + (uint##bits##_t)one);                      \
      if (any & sign) break;                                                                                 \
    }                                                                                                        \
    for (; i < n; i++, at += sizeof *w) {                                                                    \
      memcpy(w, at, sizeof *w);                                                                              \
      if ((w[0] & exponent) == exponent) break;                                                              \
    }                                                                                                        \
    return i;                                                                                                \
  }
FIRST_NON_FINITE(16, 7)
FIRST_NON_FINITE(32, 23)
FIRST_NON_FINITE(64, 52)
#undef FIRST_NON_FINITE

#endif
