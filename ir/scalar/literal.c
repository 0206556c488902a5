#include "ir/scalar/literal.h"

#include "runtime/core/clean.h"

#include <math.h>

/* Every integer below 2^63 that a double can be is whole and in range of the cast. */
static int64_t whole(double x) {
  if (isnan(x)) return 0;
  return x >= 0x1p63 ? INT64_MAX : x <= -0x1p63 ? INT64_MIN : (int64_t)x;
}

ScalarValue literal_from(DType t, double x) {
  ScalarValue v = {.w = 0};
  switch (dtype_compute(t)) {
  case DT_F32: v.s = (float)x; break;
  case DT_F64: v.d = x; break;
  case DT_I32: {
    int64_t i = whole(x);
    v.i = i > INT32_MAX ? INT32_MAX : i < INT32_MIN ? INT32_MIN : (int32_t)i;
    break;
  }
  case DT_I64: v.l = whole(x); break;
  case DT_BOOL: v.i = x != 0; break;
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
  return v;
}

double literal_double(DType t, ScalarValue v) {
  switch (dtype_compute(t)) {
  case DT_F32: return (double)v.s;
  case DT_F64: return v.d;
  case DT_I32:
  case DT_BOOL: return v.i;
  case DT_I64: return (double)v.l;
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
  return 0;
}

ScalarValue literal_value(DType t, int64_t word) {
  ScalarValue v = {.l = word};
  if (dtype_is_float(t)) return literal_from(t, v.d);
  if (t == DT_I64) return v;
  return (ScalarValue){.u = t == DT_BOOL ? word != 0 : (uint32_t)word};
}

int64_t literal_word(DType t, ScalarValue v) {
  if (!dtype_is_float(t)) return t == DT_I64 ? v.l : t == DT_BOOL ? v.i != 0 : v.i;
  ScalarValue x = {.d = literal_double(t, v)};
  if (isnan(x.d)) x.d = (double)NAN;
  return x.l;
}

int64_t literal_of_value(DType t, ScalarValue v) {
  if (dtype_is_float(t)) fp_flush(t, &v, 1);
  return literal_word(t, v);
}
int64_t literal_of(DType t, double x) { return literal_of_value(t, literal_from(t, x)); }

double literal_number(DType t, int64_t word) {
  return dtype_is_float(t) ? (ScalarValue){.l = word}.d : (double)word;
}

bool literal_is(DType t, int64_t word) {
  return literal_of_value(t, literal_value(t, word)) == word ||
         (dtype_is_float(t) && isnan(literal_number(t, word)));
}

ScalarValue literal_get(DType t, const void *data, size_t at) {
  if (t == DT_U8) return (ScalarValue){.u = ((const uint8_t *)data)[at]};
  if (t == DT_BF16) return (ScalarValue){.u = (uint32_t)((const uint16_t *)data)[at] << 16};
  if (dtype_bytes(t) == 8) return (ScalarValue){.w = ((const uint64_t *)data)[at]};
  return (ScalarValue){.u = ((const uint32_t *)data)[at]};
}

void literal_put(DType t, void *data, size_t at, ScalarValue v) {
  if (t == DT_U8)
    ((uint8_t *)data)[at] = (uint8_t)v.u;
  else if (t == DT_BF16)
    ((uint16_t *)data)[at] = (uint16_t)(v.u >> 16);
  else if (dtype_bytes(t) == 8)
    ((uint64_t *)data)[at] = v.w;
  else
    ((uint32_t *)data)[at] = v.u;
}

ScalarValue literal_bf16(float x) {
  ScalarValue v = {.s = x};
  v.u = clean_bits32(v.u);
  if (x == x) v.u = (v.u + 0x7fff + (v.u >> 16 & 1)) & 0xffff0000;
  return v;
}

void literal_load(DType t, size_t n, const void *from, void *to) {
  for (size_t i = 0; i < n; i++) literal_put(dtype_compute(t), to, i, literal_get(t, from, i));
}
void literal_store(DType t, size_t n, const void *from, void *to) {
  for (size_t i = 0; i < n; i++) literal_put(t, to, i, literal_get(dtype_compute(t), from, i));
}
