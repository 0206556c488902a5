/* Values against the range of an input, of a session or a built model: one branch-free loop a type, so that a
 * whole batch costs microseconds. */
#include "runtime/core/model.h"

#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* vectors */
#endif

typedef float __attribute__((may_alias)) F32;
typedef double __attribute__((may_alias)) F64;
typedef int32_t __attribute__((may_alias)) I32;
typedef int64_t __attribute__((may_alias)) I64;
typedef uint16_t __attribute__((may_alias)) B16;

static inline float bf16(B16 b) {
  uint32_t u = (uint32_t)b << 16;
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* Acc is as wide as the elements, so that the compiler vectorises it. */
#define WITHIN(name, T, Acc, Bound, ok)                                                                      \
  static bool name(const void *p, uint64_t n, Bound lo, Bound hi) {                                          \
    const T *s = p;                                                                                          \
    Acc good = 1;                                                                                            \
    (void)lo, (void)hi;                                                                                      \
    for (uint64_t i = 0; i < n; i++) good &= (ok);                                                           \
    return good != 0;                                                                                        \
  }
#define INSIDE ((s[i] >= lo) & (s[i] <= hi))
WITHIN(f32_inside, F32, int32_t, float, INSIDE)
WITHIN(f64_inside, F64, int64_t, double, INSIDE)
WITHIN(i32_inside, I32, int32_t, int32_t, INSIDE)
WITHIN(i64_inside, I64, int64_t, int64_t, INSIDE)
WITHIN(u8_inside, uint8_t, int32_t, int32_t, INSIDE)
WITHIN(bf16_inside, B16, int32_t, float, (bf16(s[i]) >= lo) & (bf16(s[i]) <= hi))
/* Of what is inside bounds of 64 bits. 2^63 may be, where the upper one was rounded, and has no conversion.
 */
WITHIN(f32_whole, F32, int32_t, float, s[i] == (float)(int64_t)(s[i] < 0x1p63f ? s[i] : 0))
WITHIN(bf16_whole, B16, int32_t, float, bf16(s[i]) == (float)(int64_t)(bf16(s[i]) < 0x1p63f ? bf16(s[i]) : 0))
WITHIN(f64_whole, F64, int64_t, double, s[i] == (double)(int64_t)(s[i] < 0x1p63 ? s[i] : 0))

static int32_t narrow(int64_t x) {
  return x < INT32_MIN ? INT32_MIN : x > INT32_MAX ? INT32_MAX : (int32_t)x;
}

bool model_within(const ModelInput *in, const void *p) {
  double lo, hi;
  memcpy(&lo, &in->lo, sizeof lo);
  memcpy(&hi, &in->hi, sizeof hi);
  if (!in->ranged || !in->n) return true;
  if (in->none) return false;
  switch ((ModelType)in->type) {
  case MODEL_F32:
    return f32_inside(p, in->n, (float)lo, (float)hi) && (!in->whole || f32_whole(p, in->n, 0, 0));
  case MODEL_F64: return f64_inside(p, in->n, lo, hi) && (!in->whole || f64_whole(p, in->n, 0, 0));
  case MODEL_I32:
    return in->lo <= INT32_MAX && in->hi >= INT32_MIN && i32_inside(p, in->n, narrow(in->lo), narrow(in->hi));
  case MODEL_U8:
    return in->lo <= INT32_MAX && in->hi >= INT32_MIN && u8_inside(p, in->n, narrow(in->lo), narrow(in->hi));
  case MODEL_BF16:
    return bf16_inside(p, in->n, (float)lo, (float)hi) && (!in->whole || bf16_whole(p, in->n, 0, 0));
  case MODEL_I64: return i64_inside(p, in->n, in->lo, in->hi);
  }
  return false;
}
