/* What numbers look like inside a compiled program (docs/numbers.md): subnormals are zeros of their sign, and
 * NaN has one bit pattern. By integer bits, whatever the float environment. */
#ifndef DG_RUNTIME_CORE_CLEAN_H
#define DG_RUNTIME_CORE_CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t clean_bits32(uint32_t u) {
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fc00000u;
  return u & 0x7f800000u ? u : u & 0x80000000u;
}
static inline uint64_t clean_bits64(uint64_t u) {
  if ((u & 0x7fffffffffffffffu) > 0x7ff0000000000000u) return 0x7ff8000000000000u;
  return u & 0x7ff0000000000000u ? u : u & 0x8000000000000000u;
}

static inline uint16_t clean_bits16(uint16_t u) { return (uint16_t)(clean_bits32((uint32_t)u << 16) >> 16); }

/* n floats of 32 or 64 bits, or bf16 (the upper half of an f32), in place. */
void clean16(void *p, size_t n);
void clean32(void *p, size_t n);
void clean64(void *p, size_t n);
/* Would they change nothing? */
bool is_clean16(const void *p, size_t n);
bool is_clean32(const void *p, size_t n);
bool is_clean64(const void *p, size_t n);

#endif
