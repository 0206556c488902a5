/* Pooling windows over planes. */
#include "ir/family/family.h"

#include <math.h>

/* ---- types ---- */

static bool pool_type(const Infer *f, const Type *x, Type *y) {
  const int64_t *a = f->attr;
  for (int i = 0; i < 6; i++)
    if (!infer_attr(f, i, i < 4 ? 1 : 0, INFER_SMALL)) return false;
  if (x->rank != 4 || !dtype_is_float((DType)x->dtype))
    return infer_types(f, "takes x [N, C, H, W], not", x, NULL);
  if (a[4] >= a[0] || a[5] >= a[1]) return infer_fail(f, "padding as large as the window");
  *y = *x;
  y->dim[2] = infer_window(f, x->dim[2], a[4], 1, a[0], a[2]);
  y->dim[3] = infer_window(f, x->dim[3], a[5], 1, a[1], a[3]);
  if ((!y->dim[2].i && x->dim[2].i) || (!y->dim[3].i && x->dim[3].i))
    return infer_types(f, "the window is larger than the padded image", x, NULL);
  return true;
}

bool infer_pool(const Infer *f) { return pool_type(f, f->in[0], f->out); }

bool infer_pool_dx(const Infer *f) {
  Type y;
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

/* ---- values ---- */

typedef struct Pool {
  size_t planes, h, w, oh, ow, kh, kw, sh, sw, ph, pw;
} Pool;

/* The image position under (kh, kw) of window (i, j); false in the padding. */
static bool pool_at(const Pool *p, size_t i, size_t j, size_t kh, size_t kw, size_t *h, size_t *w) {
  size_t y = i * p->sh + kh, x = j * p->sw + kw;
  if (y < p->ph || x < p->pw || y - p->ph >= p->h || x - p->pw >= p->w) return false;
  *h = y - p->ph;
  *w = x - p->pw;
  return true;
}

#define REAL float
#define FN(name) name##_s
#include "ir/family/window_real.h"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_d
#include "ir/family/window_real.h"
#undef REAL
#undef FN

static void run(Eval *e) {
  bool forward = e->op == OP_MAX_POOL2D || e->op == OP_AVG_POOL2D, max = e->op == OP_MAX_POOL2D_DX;
  const Tensor *x = forward ? e->in[0] : e->out, *y = forward ? e->out : e->in[e->nin - 1];
  const int64_t *a = e->attr;
  Pool p = {x->count / ((size_t)x->ext[2] * (size_t)x->ext[3]), /* size-ok: below x->count */
            (size_t)x->ext[2],
            (size_t)x->ext[3],
            (size_t)y->ext[2],
            (size_t)y->ext[3],
            (size_t)a[0],
            (size_t)a[1],
            (size_t)a[2],
            (size_t)a[3],
            (size_t)a[4],
            (size_t)a[5]}; /* size-ok: extents of memory in hand */
  bool s = x->dtype == DT_F32;
  size_t in = p.h * p.w, out = p.oh * p.ow;
  for (size_t i = 0; i < p.planes; i++) {
    if (forward && s) {
      (e->op == OP_MAX_POOL2D ? max_pool_s : avg_pool_s)(&p, (const float *)x->data + i * in,
                                                         (float *)y->data + i * out);
    } else if (forward) {
      (e->op == OP_MAX_POOL2D ? max_pool_d : avg_pool_d)(&p, (const double *)x->data + i * in,
                                                         (double *)y->data + i * out);
    } else if (s) {
      const float *vx = max ? (const float *)e->in[0]->data + i * in : NULL;
      const float *vy = max ? (const float *)e->in[1]->data + i * out : NULL;
      pool_dx_s(&p, max, vx, vy, (const float *)y->data + i * out, (float *)x->data + i * in);
    } else {
      const double *vx = max ? (const double *)e->in[0]->data + i * in : NULL;
      const double *vy = max ? (const double *)e->in[1]->data + i * out : NULL;
      pool_dx_d(&p, max, vx, vy, (const double *)y->data + i * out, (double *)x->data + i * in);
    }
  }
}

/* The tangent of the element that wins each window: the derivative of max_pool2d is a selection, as is its
 * own derivative by gy. */
static bool dual_pool(Eval *e, const Tensor *tin, Tensor *t) {
  const Tensor *x = e->in[0], *y = e->out;
  const int64_t *a = e->attr;
  int64_t H = x->ext[2], W = x->ext[3], OH = y->ext[2], OW = y->ext[3];
  for (int64_t at = 0; at < (int64_t)y->count; at++) {
    int64_t plane = at / (OH * OW), i = at / OW % OH, j = at % OW, best = -1;
    double most = 0;
    for (int64_t k = 0; k < a[0] * a[1]; k++) {
      int64_t h = i * a[2] + k / a[1] - a[4], w = j * a[3] + k % a[1] - a[5];
      if (h < 0 || w < 0 || h >= H || w >= W) continue;
      double v = ((const double *)x->data)[(plane * H + h) * W + w];
      if (best < 0 || v > most) {
        most = v;
        best = (plane * H + h) * W + w;
      }
    }
    ((double *)t->data)[at] = ((const double *)tin[0].data)[best];
  }
  return true;
}
const OpEval eval_pool = {run, dual_pool};
const OpEval eval_pool_dx = {run, NULL};
