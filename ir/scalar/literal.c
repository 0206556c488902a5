#include "ir/scalar/literal.h"

ScalarValue literal_value(DType t, int64_t word) {
  ScalarValue v = {.w = 0};
  double x;
  memcpy(&x, &word, sizeof x);
  switch (t) {
  case DT_F32: v.s = (float)x; break;
  case DT_F64: v.d = x; break;
  case DT_I32: v.u = (uint32_t)word; break;
  case DT_I64: v.l = word; break;
  case DT_BOOL: v.i = word != 0; break;
  case DT_COUNT: break;
  }
  return v;
}
