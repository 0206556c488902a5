/* Types of products and windows: contract, conv2d and its gradients, pooling. */
#include "ir/family/internal.h"

static bool infer_contract(const Infer *f) {
  const Type *x = f->in[0], *y = f->in[1];
  uint8_t r = x->rank;
  if (!infer_attr(f, 0, 0, 1) || !infer_attr(f, 1, 0, 1) || !infer_attr(f, 2, 0, 0)) return false;
  if (r < 2 || y->rank != r || x->dtype != y->dtype || !dtype_is_float((DType)x->dtype))
    return infer_types(f, "takes two float operands of equal rank, at least 2, not", x, y);
  DimId m = x->dim[r - 2], k = x->dim[r - 1], k2 = y->dim[r - 2], n = y->dim[r - 1], t;
  if (f->attr[0]) t = m, m = k, k = t;
  if (f->attr[1]) t = n, n = k2, k2 = t;
  bool ok = infer_dim_eq(k, k2);
  *f->out = *x;
  for (uint8_t i = 0; i + 2 < r; i++) ok = ok && infer_dim_eq(x->dim[i], y->dim[i]);
  f->out->dim[r - 2] = m;
  f->out->dim[r - 1] = n;
  return ok || infer_types(f, "do not match:", x, y);
}

/* (n + 2 pad - dilation (k - 1) - 1) / stride + 1, rounded down */
static DimId window_count(const Infer *f, DimId n, int64_t pad, int64_t dilation, int64_t k, int64_t stride) {
  DimTable *t = f->dims;
  DimId room = dim_add(t, n, dim_const(t, 2 * pad - dilation * (k - 1) - 1)); /* attributes are below 2^20 */
  int64_t v;
  if (dim_is_const(t, room, &v) && v < 0) return (DimId){0};
  return dim_add(t, dim_floordiv(t, room, stride), infer_one(f));
}

enum { SMALL = 1 << 20 };

/* Checks that a convolution of x by w gives a y of type *y; its two spatial extents are computed. */
static bool conv_type(const Infer *f, const Type *x, const Type *w, Type *y) {
  const int64_t *a = f->attr;
  for (int i = 0; i < 8; i++)
    if (!infer_attr(f, i, i == 2 || i == 3 || i == 7 ? 0 : 1, i == 7 ? 0 : SMALL)) return false;
  if (x->rank != 4 || w->rank != 4 || x->dtype != w->dtype || !dtype_is_float((DType)x->dtype))
    return infer_types(f, "takes x [N, C, H, W] and w [O, C/groups, KH, KW], not", x, w);
  int64_t o, kh, kw;
  if (!dim_is_const(f->dims, w->dim[0], &o) || !dim_is_const(f->dims, w->dim[2], &kh) ||
      !dim_is_const(f->dims, w->dim[3], &kw))
    return infer_types(f, "needs constant extents of the filter", w, NULL);
  if (kh < 1 || kw < 1 || kh > SMALL || kw > SMALL) return infer_types(f, "filter", w, NULL);
  if (o % a[6])
    return infer_fail(f, "%lld channels do not divide into %lld groups", (long long)o, (long long)a[6]);
  if (!infer_dim_eq(x->dim[1], dim_mul(f->dims, w->dim[1], dim_const(f->dims, a[6]))))
    return infer_types(f,
                       a[6] == 1 ? "the channels, axis 1 of both, differ:"
                                 : "the channels of x are not those of w, axis 1 of both, times the groups:",
                       x, w);
  *y = *x;
  y->dim[1] = w->dim[0];
  y->dim[2] = window_count(f, x->dim[2], a[2], a[4], kh, a[0]);
  y->dim[3] = window_count(f, x->dim[3], a[3], a[5], kw, a[1]);
  if ((!y->dim[2].i && x->dim[2].i) || (!y->dim[3].i && x->dim[3].i))
    return infer_types(f, "the filter is larger than the padded image:", x, w);
  return true;
}

static bool infer_conv2d(const Infer *f) {
  Type y;
  if (f->op == OP_CONV2D) return conv_type(f, f->in[0], f->in[1], f->out);
  if (!infer_given(f)) return false;
  *f->out = *f->given;
  const Type *x = f->op == OP_CONV2D_DX ? f->given : f->in[0],
             *w = f->op == OP_CONV2D_DX ? f->in[1] : f->given;
  const Type *gy = f->op == OP_CONV2D_DX ? f->in[0] : f->in[1];
  if (!conv_type(f, x, w, &y)) return false;
  return (y.dtype == gy->dtype && infer_shape_eq(&y, gy)) ||
         infer_types(f, "cotangent and result differ:", gy, &y);
}

static bool pool_type(const Infer *f, const Type *x, Type *y) {
  const int64_t *a = f->attr;
  for (int i = 0; i < 6; i++)
    if (!infer_attr(f, i, i < 4 ? 1 : 0, SMALL)) return false;
  if (x->rank != 4 || !dtype_is_float((DType)x->dtype))
    return infer_types(f, "takes x [N, C, H, W], not", x, NULL);
  if (a[4] >= a[0] || a[5] >= a[1]) return infer_fail(f, "padding as large as the window");
  *y = *x;
  y->dim[2] = window_count(f, x->dim[2], a[4], 1, a[0], a[2]);
  y->dim[3] = window_count(f, x->dim[3], a[5], 1, a[1], a[3]);
  if ((!y->dim[2].i && x->dim[2].i) || (!y->dim[3].i && x->dim[3].i))
    return infer_types(f, "the window is larger than the padded image", x, NULL);
  return true;
}

static bool infer_pool(const Infer *f) {
  Type y;
  if (f->op == OP_MAX_POOL2D || f->op == OP_AVG_POOL2D) return pool_type(f, f->in[0], f->out);
  bool max = f->op == OP_MAX_POOL2D_DX;
  if (!max && !infer_given(f)) return false;
  const Type *x = max ? f->in[0] : f->given, *gy = f->in[max ? 2 : 0];
  *f->out = *x;
  if (!pool_type(f, x, &y)) return false;
  if (max && (y.dtype != f->in[1]->dtype || !infer_shape_eq(&y, f->in[1])))
    return infer_types(f, "operand and result differ:", f->in[1], &y);
  return (y.dtype == gy->dtype && infer_shape_eq(&y, gy)) ||
         infer_types(f, "cotangent and result differ:", gy, &y);
}

bool infer_conv(const Infer *f) {
  if (f->op == OP_CONTRACT) return infer_contract(f);
  if (f->op == OP_CONV2D || f->op == OP_CONV2D_DX || f->op == OP_CONV2D_DW) return infer_conv2d(f);
  return infer_pool(f);
}
