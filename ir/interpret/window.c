/* Pooling windows over planes. */
#include "ir/interpret/internal.h"

#include <math.h>

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
#include "ir/interpret/window_real.h"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_d
#include "ir/interpret/window_real.h"
#undef REAL
#undef FN

void eval_window(Eval *e) {
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
