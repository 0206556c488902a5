#include "runtime/core/strides.h"

#include <string.h>

bool strides_dense(const Strides *s) {
  int64_t step = 1;
  for (int k = s->rank - 1; k >= 0; k--) {
    if (s->ext[k] > 1 && s->stride[k] != step) return false;
    if (__builtin_mul_overflow(step, s->ext[k], &step)) return false;
  }
  return true;
}

bool strides_fit(const Strides *s, size_t bytes) {
  int64_t below = 0, above = (int64_t)bytes;
  for (int k = 0; k < s->rank; k++) {
    int64_t far;
    if (__builtin_mul_overflow(s->ext[k] - 1, s->stride[k], &far) ||
        __builtin_mul_overflow(far, (int64_t)bytes, &far) ||
        __builtin_add_overflow(far < 0 ? below : above, far, far < 0 ? &below : &above))
      return false;
  }
  return true;
}

/* One row: n elements, `step` bytes from one to the next. */
static void row(char *to, const char *from, int64_t n, ptrdiff_t step, size_t bytes) {
  if (step == (ptrdiff_t)bytes) {
    memcpy(to, from, (size_t)n * bytes); /* size-ok: a part of what strides_fit has measured */
    return;
  }
  for (int64_t i = 0; i < n;
       i++, to += bytes, from += step) { /* sizes known to the compiler, each one move */
    switch (bytes) {
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    default: memcpy(to, from, 8); break;
    }
  }
}

void strides_pack(void *to, const void *from, const Strides *s, size_t bytes) {
  char *at = to;
  const char *p = from;
  int64_t index[STRIDES_RANK] = {0};
  int last = s->rank - 1;
  int64_t n = last < 0 ? 1 : s->ext[last];
  ptrdiff_t size = (ptrdiff_t)bytes, step = last < 0 ? size : (ptrdiff_t)s->stride[last] * size;
  for (;;) {
    row(at, p, n, step, bytes);
    at += n * size;
    int k = last - 1;
    for (; k >= 0; k--) { /* the next row: an odometer over the axes before the last */
      p += (ptrdiff_t)s->stride[k] * size;
      if (++index[k] < s->ext[k]) break;
      p -= (ptrdiff_t)s->stride[k] * (ptrdiff_t)s->ext[k] * size;
      index[k] = 0;
    }
    if (k < 0) return;
  }
}
