/* FNV-1a with a final mix, 64 bits: tables and path keys. Not for security; file integrity uses the
 * checkpoint's own sums. */
#ifndef DG_BASE_HASH_H
#define DG_BASE_HASH_H

#include "base/str.h"

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
static inline uint64_t hash_str(Str s) { return hash_bytes(s.p, s.n, 0); }
static inline uint64_t hash_mix(uint64_t x) { /* splitmix64's finaliser (Steele, Lea, Flood 2014) */
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

#endif
