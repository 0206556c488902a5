/* The range of an input as bounds that runtime/core/within.c looks at, for sessions and built models alike;
 * and what is said of a value outside it. */
#include "base/num.h"
#include "runtime/core/fpenv.h"
#include "runtime/host/data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef float __attribute__((may_alias)) F32;
typedef double __attribute__((may_alias)) F64;
typedef int32_t __attribute__((may_alias)) I32;
typedef int64_t __attribute__((may_alias)) I64;
typedef uint16_t __attribute__((may_alias)) B16;

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

static bool bounds_of_floats(DataType t, DataRange r, ModelInput *in) {
  bool closed = r.kind == RANGE_CLOSED;
  if (!closed && r.lo >= r.hi) return false;
  double lo = closed ? r.from : (double)r.lo, hi = closed ? r.to : (double)(r.hi - 1);
  float flo, fhi;
  as_floats(lo, hi, &flo, &fhi);
  if (t != DATA_F64) lo = (double)flo, hi = (double)fhi;
  memcpy(&in->lo, &lo, sizeof lo);
  memcpy(&in->hi, &hi, sizeof hi);
  in->whole = !closed;
  return true;
}

static bool bounds_of_integers(DataType t, DataRange r, ModelInput *in) {
  bool narrow = t != DATA_I64;
  int64_t min = narrow ? INT32_MIN : INT64_MIN, max = narrow ? INT32_MAX : INT64_MAX;
  if (r.kind == RANGE_CLOSED) return as_integers(r.from, r.to, min, max, &in->lo, &in->hi);
  if (r.lo >= r.hi) return false;
  in->lo = r.lo, in->hi = r.hi - 1; /* above lo: no overflow */
  return clip(min, max, &in->lo, &in->hi);
}

ModelInput data_bounds(DataRange r, DataType t, uint64_t n) {
  ModelInput in = {.type = MODEL_I32, .ranged = r.kind != RANGE_NONE, .n = n};
  bool some = false; /* values within */
  switch (t) {
  case DATA_F32:
  case DATA_F64:
  case DATA_BF16:
    in.type = t == DATA_F32 ? MODEL_F32 : t == DATA_F64 ? MODEL_F64 : MODEL_BF16;
    some = bounds_of_floats(t, r, &in);
    break;
  case DATA_BOOL:
  case DATA_I32:
  case DATA_I64:
  case DATA_U8:
    if (t == DATA_I64 || t == DATA_U8) in.type = t == DATA_I64 ? MODEL_I64 : MODEL_U8;
    some = bounds_of_integers(t, r, &in);
    break;
  case DATA_I8:
  case DATA_TYPE_COUNT: break; /* of files alone */
  }
  in.none = !some;
  return in;
}

bool data_in_range(const void *p, DataType t, int64_t n, DataRange r) {
  ModelInput in = data_bounds(r, t, (uint64_t)n);
  return model_within(&in, p);
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
  case DATA_U8: snprintf(z, NUM_TEXT, "%d", *(const uint8_t *)p); break;
  case DATA_BF16: {
    uint32_t u = (uint32_t)*(const B16 *)p << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    (void)num_text(z, 4, (double)f);
    break;
  }
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
