/* Elements of an array with strides, moved to a dense one. */
#ifndef DG_RUNTIME_CORE_STRIDES_H
#define DG_RUNTIME_CORE_STRIDES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STRIDES_RANK = 8 };

/* Extents of at least 1, outermost first; stride: elements from one index to the next, of either sign, or 0.
 */
typedef struct Strides {
  int rank;
  int64_t ext[STRIDES_RANK], stride[STRIDES_RANK];
} Strides;

/* Are the elements where a dense array has them? Axes of extent 1 do not matter. */
bool strides_dense(const Strides *s);
/* Does each element of that many bytes lie within an address space, seen from the first? */
bool strides_fit(const Strides *s, size_t bytes);
/* to: dense, row-major; from: element 0. The two share nothing. strides_fit holds; bytes: 1, 2, 4 or 8. */
void strides_pack(void *to, const void *from, const Strides *s, size_t bytes);

#endif
