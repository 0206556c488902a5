/* Values against the range of an input: one branch-free loop a type, so that a whole batch costs
 * microseconds. */
#include "base/num.h"
#include "runtime/core/fpenv.h"
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

/* One loop a type; Acc is as wide as the elements, so that the compiler vectorises it. */
#define WITHIN(name, T, Acc, Bound, ok)                                                                      \
  static bool name(const void *p, int64_t n, Bound lo, Bound hi) {                                           \
    const T *s = p;                                                                                          \
    Acc good = 1;                                                                                            \
    for (int64_t i = 0; i < n; i++) good &= (ok);                                                            \
    return good != 0;                                                                                        \
  }
#define INSIDE ((s[i] >= lo) & (s[i] <= hi))
WITHIN(f32_inside, F32, int32_t, float, INSIDE)
WITHIN(f64_inside, F64, int64_t, double, INSIDE)
WITHIN(i32_inside, I32, int32_t, int32_t, INSIDE)
WITHIN(i64_inside, I64, int64_t, int64_t, INSIDE)
WITHIN(f32_whole, F32, int32_t, float, INSIDE &(s[i] == floorf(s[i])))
WITHIN(f64_whole, F64, int64_t, double, INSIDE &(s[i] == floor(s[i])))

/* The floats within [lo, hi] are those within the result. */
static void as_floats(double lo, double hi, float *from, float *to) {
  *from = (float)lo, *to = (float)hi;
  if ((double)*from < lo) *from = nextafterf(*from, INFINITY);
  if ((double)*to > hi) *to = nextafterf(*to, -INFINITY);
}

/* The integers min..max within [lo, hi]; false when there are none. */
static bool as_integers(double lo, double hi, int64_t min, int64_t max, int64_t *from, int64_t *to) {
  lo = ceil(lo), hi = floor(hi);
  *from = lo <= (double)min ? min : lo >= 0x1p63 ? max : (int64_t)lo;
  *to = hi >= (double)max ? max : hi < (double)min ? min : (int64_t)hi;
  return lo <= hi && hi >= (double)min && lo <= (double)max && *from <= *to;
}

static bool clip(int64_t min, int64_t max, int64_t *from, int64_t *to) {
  if (*from < min) *from = min;
  if (*to > max) *to = max;
  return *from <= *to;
}

bool data_in_range(const void *p, DataType t, int64_t n, DataRange r) {
  if (r.kind == RANGE_NONE || n == 0) return true;
  bool closed = r.kind == RANGE_CLOSED;
  if (!closed && r.lo >= r.hi) return false;
  double lo = closed ? r.from : (double)r.lo, hi = closed ? r.to : (double)(r.hi - 1);
  float flo, fhi;
  int64_t from = r.lo, to = r.hi - 1; /* above lo: no overflow */
  bool narrow = t == DATA_I32 || t == DATA_BOOL;
  int64_t min = narrow ? INT32_MIN : INT64_MIN, max = narrow ? INT32_MAX : INT64_MAX;
  switch (t) {
  case DATA_F32:
    as_floats(lo, hi, &flo, &fhi);
    return closed ? f32_inside(p, n, flo, fhi) : f32_whole(p, n, flo, fhi);
  case DATA_F64: return closed ? f64_inside(p, n, lo, hi) : f64_whole(p, n, lo, hi);
  case DATA_BOOL:
  case DATA_I32:
  case DATA_I64:
    if (!(closed ? as_integers(lo, hi, min, max, &from, &to) : clip(min, max, &from, &to))) return false;
    return narrow ? i32_inside(p, n, (int32_t)from, (int32_t)to) : i64_inside(p, n, from, to);
  case DATA_U8:
  case DATA_I8:
  case DATA_TYPE_COUNT: break;
  }
  return false;
}

HostShown data_range_text(DataRange r) {
  HostShown s = {""};
  if (r.kind == RANGE_INT && r.of)
    snprintf(s.z, sizeof s.z, "0..%lld, %s", (long long)r.hi - 1, r.of);
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

/* Says which element it is; always false. */
static bool outside(Str input, const void *p, DataType t, int64_t n, DataRange r, HostError *err) {
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

bool data_values_check(Str input, const void *p, DataType t, int64_t n, DataRange r, HostError *err) {
  FpEnv host = fpenv_enter(); /* a subnormal counts as zero */
  bool good = data_in_range(p, t, n, r) || outside(input, p, t, n, r, err);
  fpenv_leave(host);
  return good;
}
