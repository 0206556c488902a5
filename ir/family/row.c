/* Softmax and its kin: m = max, e = exp(x - m), s = sum of e, along one axis. */
#include "ir/family/family.h"

#include <float.h>
#include <math.h>

/* ---- types ---- */

bool infer_row(const Infer *f) {
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, x->rank - 1)) return false;
  *f->out = *x;
  if (!dtype_is_float((DType)x->dtype)) return infer_types(f, "is not defined for", x, NULL);
  if (f->op == OP_LOGSUMEXP) f->out->dim[f->attr[0]] = infer_one(f);
  return true;
}

bool infer_cross_entropy(const Infer *f) {
  const Type *x = f->in[0], *label = f->in[1];
  bool ok = x->rank == label->rank + 1 && dtype_is_float((DType)x->dtype) && label->dtype == DT_I32;
  for (uint8_t i = 0; ok && i < label->rank; i++) ok = infer_dim_eq(x->dim[i], label->dim[i]);
  if (!ok) return infer_types(f, "takes logits [.., C] and i32 labels [..], not", x, label);
  *f->out = *label;
  f->out->dtype = x->dtype;
  return true;
}

/* ---- values ---- */

/* m, e and s for every row, by the reductions' own code. */
typedef struct Rows {
  Along a;
  Tensor m, e, s; /* m and s have extent 1 along the axis */
} Rows;

static Tensor reduced(Eval *e, Op op, const Tensor *x, int axis) {
  Tensor y = *x;
  int64_t attr[2] = {INT64_C(1) << axis, 0};
  y.ext[axis] = 1;
  y.count = x->count / (size_t)x->ext[axis];
  y.data = arena_array(&e->run->scratch, y.count, dtype_bytes(x->dtype), 64);
  Eval sub = {e->run, e->id, op, attr, 1, (const Tensor *const[]){x}, &y};
  eval_reduce.run(&sub);
  return y;
}

/* The row sum: lanes16 like a sum where the axis is innermost, else one chain (not the pieces of a sum). */
static Tensor row_sum(Eval *e, const Tensor *x, int axis) {
  Along a = tensor_along(x, axis);
  if (a.inner == 1) return reduced(e, OP_SUM, x, axis);
  Tensor y = *x;
  y.ext[axis] = 1;
  y.count = a.outer * a.inner;
  y.data = arena_array(&e->run->scratch, y.count, dtype_bytes(x->dtype), 64);
  for (size_t o = 0; o < a.outer; o++)
    for (size_t k = 0; k < a.n; k++)
      for (size_t i = 0; i < a.inner; i++) {
        size_t from = (o * a.n + k) * a.inner + i, to = o * a.inner + i;
        if (x->dtype == DT_F32)
          ((float *)y.data)[to] = ((float *)y.data)[to] + ((const float *)x->data)[from];
        else
          ((double *)y.data)[to] = ((double *)y.data)[to] + ((const double *)x->data)[from];
      }
  return y;
}

typedef enum { ROW_SUB, ROW_DIV } RowOp;
/* y = x op r, r one value a row */
static void with_row(RowOp op, const Tensor *x, const Tensor *row, Along a, void *y) {
  for (size_t o = 0; o < a.outer; o++)
    for (size_t k = 0; k < a.n; k++)
      for (size_t i = 0; i < a.inner; i++) {
        size_t at = (o * a.n + k) * a.inner + i, r = o * a.inner + i;
        if (x->dtype == DT_F32) {
          float p = ((const float *)x->data)[at], q = ((const float *)row->data)[r];
          ((float *)y)[at] = op == ROW_SUB ? p - q : p / q;
        } else {
          double p = ((const double *)x->data)[at], q = ((const double *)row->data)[r];
          ((double *)y)[at] = op == ROW_SUB ? p - q : p / q;
        }
      }
}

static void at_least(Tensor *x, double least) { /* a NaN stays */
  for (size_t i = 0; i < x->count; i++) {
    if (x->dtype == DT_F32 && ((float *)x->data)[i] < (float)least)
      ((float *)x->data)[i] = (float)least;
    else if (x->dtype == DT_F64 && ((double *)x->data)[i] < least)
      ((double *)x->data)[i] = least;
  }
}

static Rows rows_of(Eval *e, const Tensor *x, int axis, Tensor *shifted) {
  Rows r = {
      .a = tensor_along(x, axis), .m = reduced(e, OP_MAX, x, axis), .e = interp_like(&e->run->scratch, x)};
  at_least(&r.m, x->dtype == DT_F32 ? -(double)FLT_MAX : -DBL_MAX); /* a row of only -inf has exponentials */
  *shifted = interp_like(&e->run->scratch, x);
  with_row(ROW_SUB, x, &r.m, r.a, shifted->data);
  interp_map(e->run, OP_EXP, x->dtype, x->count, shifted->data, r.e.data);
  r.s = row_sum(e, &r.e, axis);
  return r;
}

static void add_to(DType t, size_t n, const void *x, const void *y, void *out) {
  for (size_t i = 0; i < n; i++) {
    if (t == DT_F32)
      ((float *)out)[i] = ((const float *)x)[i] + ((const float *)y)[i];
    else
      ((double *)out)[i] = ((const double *)x)[i] + ((const double *)y)[i];
  }
}

static void less_label(const Tensor *x, const Tensor *label,
                       Tensor *y) { /* y - x[label]; 0 for labels outside */
  size_t c = (size_t)x->ext[x->rank - 1];
  for (size_t i = 0; i < y->count; i++) {
    int32_t k = ((const int32_t *)label->data)[i];
    bool inside = k >= 0 && (size_t)k < c;
    if (y->dtype == DT_F32)
      ((float *)y->data)[i] =
          ((float *)y->data)[i] - (inside ? ((const float *)x->data)[i * c + (size_t)k] : 0.0f);
    else
      ((double *)y->data)[i] =
          ((double *)y->data)[i] - (inside ? ((const double *)x->data)[i * c + (size_t)k] : 0.0);
  }
}

static void row(Eval *e) {
  const Tensor *x = e->in[0];
  int axis = e->op == OP_CROSS_ENTROPY ? x->rank - 1 : (int)e->attr[0];
  Tensor shifted, log;
  Rows r = rows_of(e, x, axis, &shifted);
  if (e->op == OP_SOFTMAX || e->op == OP_LOG_SOFTMAX) at_least(&r.s, 1);
  if (e->op == OP_SOFTMAX) {
    with_row(ROW_DIV, &r.e, &r.s, r.a, e->out->data);
    return;
  }
  log = interp_like(&e->run->scratch, &r.s);
  interp_map(e->run, OP_LOG, x->dtype, r.s.count, r.s.data, log.data);
  if (e->op == OP_LOG_SOFTMAX) {
    with_row(ROW_SUB, &shifted, &log, r.a, e->out->data);
    return;
  }
  add_to(x->dtype, r.m.count, r.m.data, log.data, e->out->data);
  if (e->op == OP_CROSS_ENTROPY) less_label(x, e->in[1], e->out);
}

/* ---- tangents, in f64 ---- */

/* softmax of x along axis, plainly */
static double *plain_softmax(Run *r, const double *x, Along a, size_t count) {
  double *p = ARENA_ARRAY(&r->scratch, double, count);
  for (size_t o = 0; o < a.outer; o++)
    for (size_t i = 0; i < a.inner; i++) {
      const double *row = x + o * a.n * a.inner + i;
      double *out = p + o * a.n * a.inner + i, m = -DBL_MAX, s = 0;
      for (size_t k = 0; k < a.n; k++) m = fmax(m, row[k * a.inner]);
      for (size_t k = 0; k < a.n; k++) s += out[k * a.inner] = exp(row[k * a.inner] - m);
      for (size_t k = 0; k < a.n; k++) out[k * a.inner] /= s < 1 ? 1 : s;
    }
  return p;
}

static bool dual_row(Eval *e, const Tensor *tin, Tensor *out) {
  if (!tin[0].data) return false;
  const double *tx = tin[0].data;
  double *t = out->data;
  const Tensor *x = e->in[0];
  int axis = e->op == OP_CROSS_ENTROPY ? x->rank - 1 : (int)e->attr[0];
  Along a = tensor_along(x, axis);
  const double *p = plain_softmax(e->run, x->data, a, x->count);
  for (size_t o = 0; o < a.outer; o++)
    for (size_t i = 0; i < a.inner; i++) {
      size_t row = o * a.n * a.inner + i, out = o * a.inner + i;
      double s = 0;
      for (size_t k = 0; k < a.n; k++) s += p[row + k * a.inner] * tx[row + k * a.inner];
      for (size_t k = 0; k < a.n; k++) {
        size_t at = row + k * a.inner;
        if (e->op == OP_SOFTMAX) t[at] = p[at] * (tx[at] - s);
        if (e->op == OP_LOG_SOFTMAX) t[at] = tx[at] - s;
      }
      if (e->op == OP_LOGSUMEXP) t[out] = s;
      if (e->op == OP_CROSS_ENTROPY) {
        int32_t label = ((const int32_t *)e->in[1]->data)[o];
        t[out] = s - (label >= 0 && (size_t)label < a.n ? tx[row + (size_t)label] : 0);
      }
    }
  return true;
}

const OpEval eval_row = {row, dual_row};
const OpEval eval_cross_entropy = {row, dual_row};
