/* Types of reductions along axes and of rows (softmax and its kin). Reduced axes stay with extent 1. */
#include "ir/family/internal.h"

static bool infer_cross_entropy(const Infer *f) {
  const Type *x = f->in[0], *label = f->in[1];
  bool ok = x->rank == label->rank + 1 && dtype_is_float((DType)x->dtype) && label->dtype == DT_I32;
  for (uint8_t i = 0; ok && i < label->rank; i++) ok = infer_dim_eq(x->dim[i], label->dim[i]);
  if (!ok) return infer_types(f, "takes logits [.., C] and i32 labels [..], not", x, label);
  *f->out = *label;
  f->out->dtype = x->dtype;
  return true;
}

static bool infer_along(const Infer *f) { /* one axis */
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, x->rank - 1)) return false;
  *f->out = *x;
  bool arg = f->op == OP_ARGMAX || f->op == OP_ARGMIN;
  if (arg ? x->dtype == DT_BOOL : !dtype_is_float((DType)x->dtype))
    return infer_types(f, "is not defined for", x, NULL);
  if (arg) f->out->dtype = DT_I32;
  if (arg || f->op == OP_LOGSUMEXP) f->out->dim[f->attr[0]] = infer_one(f);
  return true;
}

static bool infer_over(const Infer *f) { /* a mask of axes */
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, (INT64_C(1) << x->rank) - 1) || !infer_attr(f, 1, 0, 0)) return false;
  if (f->op == OP_MEAN ? !dtype_is_float((DType)x->dtype) : x->dtype == DT_BOOL)
    return infer_types(f, "is not defined for", x, NULL);
  *f->out = *x;
  for (uint8_t i = 0; i < x->rank; i++)
    if (f->attr[0] >> i & 1) f->out->dim[i] = infer_one(f);
  return true;
}

bool infer_reduce(const Infer *f) {
  if (f->op == OP_CROSS_ENTROPY) return infer_cross_entropy(f);
  if (f->op == OP_SUM || f->op == OP_MEAN || f->op == OP_MAX || f->op == OP_MIN || f->op == OP_PROD)
    return infer_over(f);
  return infer_along(f);
}
