/* Running sums and products along an axis: one chain from +0, or from 1, ascending; every partial one is an
 * element. */
#include "ir/family/family.h"
#include "ir/scalar/literal.h"

bool infer_cumsum(const Infer *f) {
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, x->rank - 1)) return false;
  *f->out = *x;
  return x->dtype != DT_BOOL || infer_types(f, "is not defined for", x, NULL);
}

/* acc + x[at] or acc * x[at], in the type's own arithmetic; integers wrap. */
static ScalarValue next(DType t, bool product, ScalarValue acc, const void *p, size_t at) {
  switch (t) {
  case DT_F32: {
    float x = ((const float *)p)[at];
    acc.s = product ? acc.s * x : acc.s + x;
    break;
  }
  case DT_F64: {
    double x = ((const double *)p)[at];
    acc.d = product ? acc.d * x : acc.d + x;
    break;
  }
  case DT_I32:
  case DT_BOOL: {
    uint32_t x = ((const uint32_t *)p)[at];
    acc.u = product ? acc.u * x : acc.u + x;
    break;
  }
  case DT_I64: {
    uint64_t x = ((const uint64_t *)p)[at];
    acc.w = product ? acc.w * x : acc.w + x;
    break;
  }
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
  bool product = e->op == OP_CUMPROD;
  for (size_t o = 0; o < a.outer; o++)
    for (size_t i = 0; i < a.inner; i++) {
      ScalarValue acc = literal_from(x->dtype, product);
      for (size_t k = 0; k < a.n; k++) {
        size_t at = (o * a.n + k) * a.inner + i;
        acc = next(x->dtype, product, acc, x->data, at);
        void *to = (char *)e->out->data + at * bytes; /* an element of what is allocated */
        memcpy(to, &acc, bytes);
      }
    }
}

/* Of a product, which is not linear: (p q)' = p' q + p q'. */
static bool dual(Eval *e, const Tensor *tin, Tensor *out) {
  Along a = tensor_along(e->in[0], (int)e->attr[0]);
  const double *x = e->in[0]->data, *y = e->out->data, *tx = tin[0].data;
  double *t = out->data;
  for (size_t o = 0; o < a.outer; o++)
    for (size_t i = 0; i < a.inner; i++)
      for (size_t k = 0; k < a.n; k++) {
        size_t at = (o * a.n + k) * a.inner + i;
        t[at] = k == 0 ? tx[at] : t[at - a.inner] * x[at] + y[at - a.inner] * tx[at];
      }
  return true;
}
const OpEval eval_cumsum = {run, dual};
