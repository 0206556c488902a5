/* Where numbers end: the first NaN or infinity of many, found by integer bits, a block at a time. */
#ifndef DG_RUNTIME_HOST_FINITE_H
#define DG_RUNTIME_HOST_FINITE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FINITE_BLOCK = 64 };

/* Index of the first of n bf16, the upper halves of floats, that is none, or n. Any alignment. */
static inline size_t first_non_finite16(const void *p, size_t n) {
  const char *at = p;
  uint16_t w[FINITE_BLOCK];
  size_t i = 0;
  for (; n - i >= FINITE_BLOCK; i += FINITE_BLOCK, at += sizeof w) {
    uint32_t any = 0;
    memcpy(w, at, sizeof w);
    for (int k = 0; k < FINITE_BLOCK; k++) any |= (w[k] & 0x7fffu) + 0x0080u; /* carries where it is none */
    if (any >> 15) break;
  }
  for (; i < n; i++, at += sizeof *w) {
    memcpy(w, at, sizeof *w);
    if ((w[0] & 0x7f80u) == 0x7f80u) break;
  }
  return i;
}

/* Index of the first of n floats that is none, or n. Any alignment. */
static inline size_t first_non_finite32(const void *p, size_t n) {
  const char *at = p;
  uint32_t w[FINITE_BLOCK];
  size_t i = 0;
  for (; n - i >= FINITE_BLOCK; i += FINITE_BLOCK, at += sizeof w) {
    uint32_t any = 0;
    memcpy(w, at, sizeof w);
    for (int k = 0; k < FINITE_BLOCK; k++)
      any |= (w[k] & 0x7fffffffu) + 0x00800000u; /* carries where it is none */
    if (any >> 31) break;
  }
  for (; i < n; i++, at += sizeof *w) {
    memcpy(w, at, sizeof *w);
    if ((w[0] & 0x7f800000u) == 0x7f800000u) break;
  }
  return i;
}

static inline size_t first_non_finite64(const void *p, size_t n) {
  const char *at = p;
  uint64_t w[FINITE_BLOCK];
  size_t i = 0;
  for (; n - i >= FINITE_BLOCK; i += FINITE_BLOCK, at += sizeof w) {
    uint64_t any = 0;
    memcpy(w, at, sizeof w);
    for (int k = 0; k < FINITE_BLOCK; k++) any |= (w[k] & 0x7fffffffffffffffu) + 0x0010000000000000u;
    if (any >> 63) break;
  }
  for (; i < n; i++, at += sizeof *w) {
    memcpy(w, at, sizeof *w);
    if ((w[0] & 0x7ff0000000000000u) == 0x7ff0000000000000u) break;
  }
  return i;
}

#endif
