/* Checked arithmetic on sizes and offsets. A twin of base/size.h: what compiled objects link may include libc
 * only. */
#ifndef DG_RUNTIME_CORE_CHECKED_H
#define DG_RUNTIME_CORE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

#define CHECKED __attribute__((warn_unused_result))

static inline CHECKED bool checked_mul(uint64_t a, uint64_t b, uint64_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}
static inline CHECKED bool checked_add(uint64_t a, uint64_t b, uint64_t *out) {
  return !__builtin_add_overflow(a, b, out);
}

#endif
