/* Running sums along an axis: one chain from +0, ascending; every partial sum is an element. */
#include "ir/family/family.h"

bool infer_cumsum(const Infer *f) {
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, x->rank - 1)) return false;
  *f->out = *x;
  return x->dtype != DT_BOOL || infer_types(f, "is not defined for", x, NULL);
}

/* acc + x[at], in the type's own arithmetic; integers wrap. */
static ScalarValue add(DType t, ScalarValue acc, const void *x, size_t at) {
  switch (t) {
  case DT_F32: acc.s = acc.s + ((const float *)x)[at]; break;
  case DT_F64: acc.d = acc.d + ((const double *)x)[at]; break;
  case DT_I32:
  case DT_BOOL: acc.u += ((const uint32_t *)x)[at]; break;
  case DT_I64: acc.w += ((const uint64_t *)x)[at]; break;
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
  return acc;
}

static void run(Eval *e) {
  const Tensor *x = e->in[0];
  Along a = tensor_along(x, (int)e->attr[0]);
  size_t bytes = dtype_bytes(x->dtype);
  for (size_t o = 0; o < a.outer; o++)
    for (size_t i = 0; i < a.inner; i++) {
      ScalarValue acc = {.w = 0};
      for (size_t k = 0; k < a.n; k++) {
        size_t at = (o * a.n + k) * a.inner + i;
        acc = add(x->dtype, acc, x->data, at);
        void *to = (char *)e->out->data + at * bytes; /* an element of what is allocated */
        memcpy(to, &acc, bytes);
      }
    }
}
const OpEval eval_cumsum = {run, NULL};
