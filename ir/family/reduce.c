/* Sums, products, extremes and their indices along axes. Reduced axes stay with extent 1. Several axes: one
 * after the other, the last one first. */
#include "ir/family/family.h"

#include <math.h>

#define REAL float
#define FN(name) name##_s
#include "ir/family/reduce_real.h"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_d
#include "ir/family/reduce_real.h"
#undef REAL
#undef FN

static void reduce_float(Op op, DType t, const void *x, void *y, Along a) {
  Order o = order_sum((int64_t)a.n, a.inner == 1);
  bool s = t == DT_F32, max = op == OP_MAX;
  if (op == OP_SUM || op == OP_MEAN)
    s ? sum_s(x, y, a, o) : sum_d(x, y, a, o);
  else if (op == OP_PROD)
    s ? prod_s(x, y, a) : prod_d(x, y, a);
  else
    s ? extreme_s(x, y, a, max) : extreme_d(x, y, a, max);
}

static int64_t get_int(DType t, const void *x, size_t i) {
  return t == DT_I64 ? ((const int64_t *)x)[i] : ((const int32_t *)x)[i];
}

/* Wrapping in 64 bits and cutting to 32 is wrapping in 32. */
static void reduce_int(Op op, DType t, const void *x, void *y, Along a) {
  for (size_t out = 0; out < a.outer; out++)
    for (size_t i = 0; i < a.inner; i++) {
      int64_t acc = get_int(t, x, out * a.n * a.inner + i);
      for (size_t k = 1; k < a.n; k++) {
        int64_t v = get_int(t, x, (out * a.n + k) * a.inner + i);
        if (op == OP_SUM) acc = (int64_t)((uint64_t)acc + (uint64_t)v);
        if (op == OP_PROD) acc = (int64_t)((uint64_t)acc * (uint64_t)v);
        if ((op == OP_MAX && v > acc) || (op == OP_MIN && v < acc)) acc = v;
      }
      if (t == DT_I64)
        ((int64_t *)y)[out * a.inner + i] = acc;
      else
        ((int32_t *)y)[out * a.inner + i] = (int32_t)acc;
    }
}

static void arg_int(const Tensor *x, int32_t *y, Along a, bool max) {
  for (size_t out = 0; out < a.outer; out++)
    for (size_t i = 0; i < a.inner; i++) {
      size_t best = 0;
      for (size_t k = 1; k < a.n; k++) {
        int64_t v = get_int(x->dtype, x->data, (out * a.n + k) * a.inner + i);
        int64_t b = get_int(x->dtype, x->data, (out * a.n + best) * a.inner + i);
        if (max ? v > b : v < b) best = k;
      }
      y[out * a.inner + i] = (int32_t)best;
    }
}

/* ---- over a mask of axes ---- */

bool infer_reduce(const Infer *f) {
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, (INT64_C(1) << x->rank) - 1) || !infer_attr(f, 1, 0, 0)) return false;
  if (f->op == OP_MEAN ? !dtype_is_float((DType)x->dtype) : x->dtype == DT_BOOL)
    return infer_types(f, "is not defined for", x, NULL);
  *f->out = *x;
  for (uint8_t i = 0; i < x->rank; i++)
    if (f->attr[0] >> i & 1) f->out->dim[i] = infer_one(f);
  return true;
}

static void reduce(Eval *e) {
  const Tensor *x = e->in[0];
  Tensor *y = e->out, step = *x;
  size_t count = 1;
  for (int axis = x->rank; axis-- > 0;) {
    if (!(e->attr[0] >> axis & 1)) continue;
    Along a = tensor_along(&step, axis);
    Tensor next = step;
    next.ext[axis] = 1;
    next.count = a.outer * a.inner;
    next.data = arena_array(&e->run->scratch, next.count, dtype_bytes(x->dtype), 64);
    (dtype_is_float(x->dtype) ? reduce_float : reduce_int)(e->op, x->dtype, step.data, next.data, a);
    count *= a.n;
    step = next;
  }
  memcpy(y->data, step.data, y->count * dtype_bytes(y->dtype)); /* size-ok: allocated with this product */
  if (e->op != OP_MEAN) return;
  for (size_t i = 0; i < y->count; i++) {
    if (y->dtype == DT_F32)
      ((float *)y->data)[i] = ((float *)y->data)[i] / (float)count;
    else
      ((double *)y->data)[i] = ((double *)y->data)[i] / (double)count;
  }
}

/* Where element `at` of x lands when the axes are reduced. */
static size_t kept_index(const Tensor *x, int64_t axes, size_t at) {
  int64_t rest = (int64_t)at, to = 0, step = 1; /* all below x->count */
  for (int d = x->rank; d-- > 0; rest /= x->ext[d]) {
    if (axes >> d & 1) continue;
    to += rest % x->ext[d] * step;
    step *= x->ext[d];
  }
  return (size_t)to;
}

/* Extremes share among ties, over every element of the reduced axes at once. Products follow the product
 * rule, factor by factor: (p q)' = p' q + p q'. */
static bool dual_reduce(Eval *e, const Tensor *tin, Tensor *out) {
  const Tensor *x = e->in[0];
  const double *tx = tin[0].data;
  double *t = out->data;
  const double *v = x->data, *y = e->out->data;
  double *so_far = ARENA_ARRAY(&e->run->scratch, double, e->out->count); /* ties; the product */
  for (size_t i = 0; e->op == OP_PROD && i < e->out->count; i++) so_far[i] = 1;
  for (int pass = 0; pass < 2; pass++)
    for (size_t at = 0; at < x->count; at++) {
      size_t to = kept_index(x, e->attr[0], at);
      if (e->op == OP_PROD) {
        if (pass == 0) t[to] = t[to] * v[at] + so_far[to] * tx[at], so_far[to] *= v[at];
      } else if (v[at] == y[to]) {
        if (pass == 0)
          so_far[to]++;
        else
          t[to] += tx[at] / so_far[to];
      }
    }
  return true;
}
const OpEval eval_reduce = {reduce, dual_reduce};

/* ---- indices along one axis ---- */

bool infer_arg(const Infer *f) {
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, x->rank - 1)) return false;
  *f->out = *x;
  if (x->dtype == DT_BOOL) return infer_types(f, "is not defined for", x, NULL);
  f->out->dtype = DT_I32;
  f->out->dim[f->attr[0]] = infer_one(f);
  return true;
}

static void arg(Eval *e) {
  const Tensor *x = e->in[0];
  Along a = tensor_along(x, (int)e->attr[0]);
  bool max = e->op == OP_ARGMAX;
  if (x->dtype == DT_F32)
    arg_s(x->data, e->out->data, a, max);
  else if (x->dtype == DT_F64)
    arg_d(x->data, e->out->data, a, max);
  else
    arg_int(x, e->out->data, a, max);
}
const OpEval eval_arg = {arg, NULL};
