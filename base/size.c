#include "base/size.h"

bool size_product(const int64_t *ext, size_t n, size_t *out) {
  size_t p = 1;
  bool zero = false;
  for (size_t i = 0; i < n; i++) {
    if (ext[i] < 0) return false;
    if (ext[i] == 0) {
      zero = true; /* goes on: the other extents must fit by themselves */
      continue;
    }
    if ((uint64_t)ext[i] > SIZE_MAX || !size_mul(p, (size_t)ext[i], &p)) return false;
  }
  *out = zero ? 0 : p;
  return true;
}
