/* The order of elements along an axis: where the least stands, then the next, and so on. Equal elements stay
 * in the order they come in (-0 equals 0); a NaN is above every number. */
#include "ir/family/family.h"

bool infer_sort(const Infer *f) {
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, x->rank - 1) || !infer_attr(f, 1, 0, 1)) return false;
  if (x->dtype == DT_BOOL) return infer_types(f, "is not defined for", x, NULL);
  int64_t n;
  if (dim_is_const(f->dims, x->dim[f->attr[0]], &n) && n > INT32_MAX)
    return infer_fail(f, "axis %d has %lld places, and an i32 counts them", (int)f->attr[0], (long long)n);
  *f->out = *x;
  f->out->dtype = DT_I32;
  return true;
}

/* One line: element k is x[k * step]. */
typedef struct Sorted {
  DType type;
  const void *x;
  size_t step;
  bool descending;
} Sorted;

#define LESS(T)                                                                                              \
  do {                                                                                                       \
    T x = ((const T *)s->x)[a], y = ((const T *)s->x)[b];                                                    \
    return x < y || (x == x && y != y);                                                                      \
  } while (0)
static bool less(const Sorted *s, size_t a, size_t b) {
  switch (s->type) {
  case DT_F32: LESS(float);
  case DT_F64: LESS(double);
  case DT_I32: LESS(int32_t);
  case DT_I64: LESS(int64_t);
  case DT_BOOL:
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
  return false;
}

static bool before(const Sorted *s, int32_t a, int32_t b) {
  size_t p = (size_t)a * s->step, q = (size_t)b * s->step; /* size-ok: of elements that are there */
  return s->descending ? less(s, q, p) : less(s, p, q);
}

/* Merges runs of doubling length; of two that are equal the left one comes first. Returns the sorted places.
 */
static const int32_t *merge_sort(const Sorted *s, size_t n, int32_t *from, int32_t *to) {
  for (size_t i = 0; i < n; i++) from[i] = (int32_t)i;
  for (size_t run = 1; run < n; run *= 2) {
    for (size_t lo = 0; lo < n; lo += 2 * run) {
      size_t mid = lo + run < n ? lo + run : n, hi = mid + run < n ? mid + run : n, l = lo, r = mid;
      for (size_t k = lo; k < hi; k++)
        to[k] = r == hi || (l < mid && !before(s, from[r], from[l])) ? from[l++] : from[r++];
    }
    int32_t *t = from;
    from = to;
    to = t;
  }
  return from;
}

static void sort(Eval *e) {
  const Tensor *x = e->in[0];
  Along a = tensor_along(x, (int)e->attr[0]);
  int32_t *one = ARENA_ARRAY(&e->run->scratch, int32_t, a.n),
          *two = ARENA_ARRAY(&e->run->scratch, int32_t, a.n);
  int32_t *out = e->out->data;
  for (size_t o = 0; o < a.outer; o++)
    for (size_t i = 0; i < a.inner; i++) {
      size_t first = o * a.n * a.inner + i;
      Sorted s = {x->dtype, (const char *)x->data + first * dtype_bytes(x->dtype), a.inner, e->attr[1]};
      const int32_t *order = merge_sort(&s, a.n, one, two);
      for (size_t k = 0; k < a.n; k++) out[first + k * a.inner] = order[k];
    }
}
const OpEval eval_sort = {sort, NULL};
