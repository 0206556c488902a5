/* FNV-1a: the two programs that are compared print it of what they have. */
#ifndef DG_TESTS_BUILD_HASH_H
#define DG_TESTS_BUILD_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t hash(const void *p, size_t n) {
  const unsigned char *b = p;
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 0x100000001b3u;
  return h;
}

#endif
