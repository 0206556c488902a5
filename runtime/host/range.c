/* Values against the range of an input: one branch-free loop a type, so that a whole batch costs
 * microseconds. */
#include "base/num.h"
#include "base/size.h"
#include "runtime/host/data.h"

#include <math.h>
#include <stdio.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* as in gather.c */
#endif

typedef float __attribute__((may_alias)) F32;
typedef double __attribute__((may_alias)) F64;
typedef int32_t __attribute__((may_alias)) I32;
typedef int64_t __attribute__((may_alias)) I64;

#define WITHIN(name, T, ok)                                                                                  \
  static bool name(const void *p, int64_t n, DataRange r) {                                                  \
    const T *s = p;                                                                                          \
    bool good = true;                                                                                        \
    for (int64_t i = 0; i < n; i++) {                                                                        \
      T v = s[i];                                                                                            \
      good &= (ok);                                                                                          \
    }                                                                                                        \
    return good;                                                                                             \
  }
#define CLOSED (((double)v >= r.from) & ((double)v <= r.to))
#define WHOLE (((double)v >= (double)r.lo) & ((double)v < (double)r.hi) & ((double)v == floor((double)v)))
#define BETWEEN ((v >= r.lo) & (v < r.hi))
WITHIN(f32_closed, F32, CLOSED)
WITHIN(f64_closed, F64, CLOSED)
WITHIN(i32_closed, I32, CLOSED)
WITHIN(i64_closed, I64, CLOSED)
WITHIN(f32_whole, F32, WHOLE)
WITHIN(f64_whole, F64, WHOLE)
WITHIN(i32_between, I32, BETWEEN)
WITHIN(i64_between, I64, BETWEEN)

bool data_in_range(const void *p, DataType t, int64_t n, DataRange r) {
  if (r.kind == RANGE_NONE) return true;
  bool closed = r.kind == RANGE_CLOSED;
  switch (t) {
  case DATA_F32: return closed ? f32_closed(p, n, r) : f32_whole(p, n, r);
  case DATA_F64: return closed ? f64_closed(p, n, r) : f64_whole(p, n, r);
  case DATA_BOOL:
  case DATA_I32: return closed ? i32_closed(p, n, r) : i32_between(p, n, r);
  case DATA_I64: return closed ? i64_closed(p, n, r) : i64_between(p, n, r);
  case DATA_U8:
  case DATA_I8:
  case DATA_TYPE_COUNT: break;
  }
  return false;
}

HostShown data_range_text(DataRange r) {
  HostShown s = {""};
  if (r.kind == RANGE_INT && r.classes)
    snprintf(s.z, sizeof s.z, "0..%lld, the classes of cross_entropy", (long long)r.hi - 1);
  else if (r.kind == RANGE_INT)
    snprintf(s.z, sizeof s.z, "the declared range %lld:%lld", (long long)r.lo, (long long)r.hi);
  if (r.kind == RANGE_CLOSED)
    snprintf(s.z, sizeof s.z, "the declared range [%s, %s]", num_text((char[NUM_TEXT]){0}, 17, r.from).p,
             num_text((char[NUM_TEXT]){0}, 17, r.to).p);
  return s;
}

static void text_of(const void *p, DataType t, char z[NUM_TEXT]) {
  switch (t) {
  case DATA_F32: (void)num_text(z, 9, (double)*(const F32 *)p); break;
  case DATA_F64: (void)num_text(z, 17, *(const F64 *)p); break;
  case DATA_BOOL:
  case DATA_I32: snprintf(z, NUM_TEXT, "%d", (int)*(const I32 *)p); break;
  case DATA_I64: snprintf(z, NUM_TEXT, "%lld", (long long)*(const I64 *)p); break;
  case DATA_U8:
  case DATA_I8:
  case DATA_TYPE_COUNT: break;
  }
}

bool data_values_check(Str input, const void *p, DataType t, int64_t n, DataRange r, HostError *err) {
  if (data_in_range(p, t, n, r)) return true;
  const char *at = p;
  for (int64_t i = 0; i < n; i++, at += data_memory_bytes(t)) {
    char value[NUM_TEXT] = "";
    if (data_in_range(at, t, 1, r)) continue;
    text_of(at, t, value);
    if (t == DATA_BOOL)
      return host_fail(err, ST_BAD_DATA, "input '%s': element %lld is %s, and a bool is 0 or 1",
                       host_show(input).z, (long long)i, value);
    return host_fail(err, ST_BAD_DATA, "input '%s': element %lld is %s, outside %s", host_show(input).z,
                     (long long)i, value, data_range_text(r).z);
  }
  return host_fail(err, ST_INTERNAL, "input '%s' was refused for no reason", host_show(input).z);
}
