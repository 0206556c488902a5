#include "runtime/core/clean.h"

#include <string.h>

void clean16(void *p, size_t n) {
  uint16_t __attribute__((may_alias)) *u = p;
  for (size_t i = 0; i < n; i++) u[i] = clean_bits16(u[i]);
}

void clean32(void *p, size_t n) {
  uint32_t __attribute__((may_alias)) *u = p;
  for (size_t i = 0; i < n; i++) u[i] = clean_bits32(u[i]);
}

void clean64(void *p, size_t n) {
  uint64_t __attribute__((may_alias)) *u = p;
  for (size_t i = 0; i < n; i++) u[i] = clean_bits64(u[i]);
}

/* In vectors of the compiler, a block at a time: to look at a batch costs less than to read it. */
typedef int32_t Vec32 __attribute__((vector_size(16)));
bool is_clean32(const void *data, size_t n) {
  enum { BLOCK = 8, LANES = 4 };
  const char *p = data;
  size_t i = 0;
  for (; i + BLOCK * LANES <= n; i += BLOCK * LANES) {
    Vec32 found = {0};
    for (int k = 0; k < BLOCK; k++) {
      Vec32 w;
      memcpy(&w, p + 4 * (i + (size_t)(k * LANES)), sizeof w); /* size-ok: within a buffer */
      Vec32 m = w & 0x7fffffff;
      found |= ((m > 0) & (m < 0x00800000)) | ((m > 0x7f800000) & (w != 0x7fc00000));
    }
    if (found[0] | found[1] | found[2] | found[3]) return false;
  }
  for (; i < n; i++) {
    uint32_t w;
    memcpy(&w, p + 4 * i, 4); /* size-ok: within a buffer */
    if (w != clean_bits32(w)) return false;
  }
  return true;
}

bool is_clean16(const void *p, size_t n) {
  const uint16_t __attribute__((may_alias)) *u = p;
  for (size_t i = 0; i < n; i++)
    if (u[i] != clean_bits16(u[i])) return false;
  return true;
}

bool is_clean64(const void *p, size_t n) {
  const uint64_t __attribute__((may_alias)) *u = p;
  for (size_t i = 0; i < n; i++)
    if (u[i] != clean_bits64(u[i])) return false;
  return true;
}
