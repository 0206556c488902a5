/* Random numbers as a pure function of where they are used. This header is the definition: the scalar rows
 * rng_lo, rng_hi and rng_key of ir/ops.def, compiled programs and shuffling all compute these formulas.
 *
 * philox(counter, key): Philox-2x32-10 of Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1,
 * 2, 3", SC'11. ten rounds of   hi:lo = RNG_PHILOX_M * c0;  c0 = hi ^ k ^ c1;  c1 = lo;  k += RNG_PHILOX_W
 * (all modulo 2^32) philox_lo is the final c0, philox_hi the final c1. Known answers, counter / key -> words
 * (Random123's kat_vectors): 00000000 00000000 / 00000000 -> ff1dae59 6cd10df2 ffffffff ffffffff / ffffffff
 * -> 2c3f628b ab4fd7ad 243f6a88 85a308d3 / 13198a2e -> dd7ce038 f62a4c12 rng_mix(key, word) =
 * philox_lo(counter (word, RNG_MIX), key): puts one more word (seed, step, loop index) into a key word.
 *
 * Keys: the constant part is p = rng_path(domain, hash of the draw's name path), 64 bits, known to the
 * compiler; then key0 = mix(mix(low word of p, seed), step)      key1 = mix(mix(high word of p, seed), step)
 * and a draw inside loops mixes in each loop index, outermost first. Element e (its logical row-major index)
 * gets the words philox(counter (e modulo 2^32, key1), key0). */
#ifndef DG_RUNTIME_CORE_RNG_H
#define DG_RUNTIME_CORE_RNG_H

#include <stdint.h>

#define RNG_PHILOX_M 0xd256d193u
#define RNG_PHILOX_W 0x9e3779b9u /* golden ratio */
#define RNG_PHILOX_ROUNDS 10
#define RNG_MIX 0x6d697821u /* "mix!" */

/* Domains keep draws apart that have the same seed, path and step. The numbers are part of the format: never
 * renumber. */
typedef enum { RNG_INITIAL = 1, RNG_TRAINING = 2, RNG_EVALUATION = 3, RNG_SHUFFLING = 4 } RngDomain;

typedef struct RngPair {
  uint32_t lo, hi;
} RngPair;
typedef struct RngKey {
  uint32_t key0, key1;
} RngKey;

static inline RngPair rng_philox(uint32_t c0, uint32_t c1, uint32_t key) {
  for (int i = 0; i < RNG_PHILOX_ROUNDS; i++) {
    uint64_t p = (uint64_t)RNG_PHILOX_M * c0;
    c0 = (uint32_t)(p >> 32) ^ key ^ c1;
    c1 = (uint32_t)p;
    key += RNG_PHILOX_W;
  }
  return (RngPair){c0, c1};
}

static inline uint32_t rng_mix(uint32_t key, uint32_t word) { return rng_philox(word, RNG_MIX, key).lo; }

/* The constant part of a key: splitmix64's finaliser over the hash of the name path, moved by the domain. */
static inline uint64_t rng_path(RngDomain domain, uint64_t path_hash) {
  uint64_t x = path_hash + (uint64_t)domain * 0x9e3779b97f4a7c15u;
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static inline RngKey rng_key(uint32_t seed, RngDomain domain, uint64_t path_hash, uint32_t step) {
  uint64_t p = rng_path(domain, path_hash);
  return (RngKey){rng_mix(rng_mix((uint32_t)p, seed), step),
                  rng_mix(rng_mix((uint32_t)(p >> 32), seed), step)};
}

static inline RngPair rng_draw(RngKey k, uint32_t element) { return rng_philox(element, k.key1, k.key0); }

/* A whole number below n (n >= 1): floor(u * n / 2^64) of a 64-bit word u, so the bias is under n / 2^64. */
static inline uint64_t rng_below(RngKey k, uint32_t element, uint64_t n) {
  RngPair w = rng_draw(k, element);
  return (uint64_t)(((unsigned __int128)(((uint64_t)w.hi << 32) | w.lo) * n) >> 64);
}

#endif
