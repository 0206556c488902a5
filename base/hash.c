#include "base/hash.h"

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed) {
  const unsigned char *b = p;
  uint64_t h = 0xcbf29ce484222325u ^ seed; /* FNV-1a offset basis and prime, 64 bits */
  for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 0x100000001b3u;
  return hash_mix(h);
}
