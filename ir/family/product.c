/* Products: contract, conv2d and its gradients. */
#include "base/size.h"
#include "ir/family/family.h"

#include <math.h>

#define INLINE __attribute__((always_inline))

typedef struct Product {
  size_t m, n, k, xm, xk; /* strides of x by m and k */
  Order order;
} Product;

typedef struct Conv {
  size_t n, c, h, w;    /* images, channels and extents of x */
  size_t o, cg, kh, kw; /* filter: channels out, channels of a group, extents */
  size_t oh, ow;
  size_t sh, sw, ph, pw, dh, dw, groups;
  size_t hp, wp; /* extents with padding */
} Conv;

#define REAL float
#define FN(name) name##_s
#define FMA __builtin_fmaf
#include "ir/family/product_real.h"
#undef REAL
#undef FN
#undef FMA
#define REAL double
#define FN(name) name##_d
#define FMA __builtin_fma
#include "ir/family/product_real.h"
#undef REAL
#undef FN
#undef FMA

/* Each kernel twice: with the CPU's fma, and with libm's. Same bits, one rounding. */
#define FAST __attribute__((target("avx2,fma")))
#define CLONES(name, params, args)                                                                           \
  FAST static void name##_s_fast params { name##_s args; }                                                   \
  static void name##_s_slow params { name##_s args; }                                                        \
  FAST static void name##_d_fast params { name##_d args; }                                                   \
  static void name##_d_slow params { name##_d args; }                                                        \
  static void(*name##_for(DType t)) params {                                                                 \
    bool fast = interp_has_fma();                                                                            \
    return t == DT_F32 ? fast ? name##_s_fast : name##_s_slow : fast ? name##_d_fast : name##_d_slow;        \
  }
CLONES(contract, (const Product *p, const void *x, const void *y, void *z, void *part), (p, x, y, z, part))
CLONES(conv, (const Conv *c, const void *xp, const void *w, void *y), (c, xp, w, y))
CLONES(conv_dx, (const Conv *c, const void *gy, const void *w, void *dx), (c, gy, w, dx))
CLONES(conv_dw, (const Conv *c, const void *xp, const void *gy, void *dw, void *patch),
       (c, xp, gy, dw, patch))

static const void *element(const Tensor *t, size_t at) {
  return (const char *)t->data + at * dtype_bytes(t->dtype);
}
static void *element_out(const Tensor *t, size_t at) { return (char *)t->data + at * dtype_bytes(t->dtype); }

/* ---- contract ---- */

bool infer_contract(const Infer *f) {
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

static void transpose_matrix(DType t, const void *x, void *y, size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) {
      if (t == DT_F32)
        ((float *)y)[j * rows + i] = ((const float *)x)[i * cols + j];
      else
        ((double *)y)[j * rows + i] = ((const double *)x)[i * cols + j];
    }
}

static void contract(Eval *e) {
  const Tensor *x = e->in[0], *y = e->in[1];
  Tensor *z = e->out;
  Arena *a = &e->run->scratch;
  bool ta = e->attr[0], tb = e->attr[1];
  int r = z->rank;
  Product p = {
      .m = (size_t)z->ext[r - 2], .n = (size_t)z->ext[r - 1], .k = (size_t)x->ext[ta ? r - 2 : r - 1]};
  p.xm = ta ? 1 : p.k;
  p.xk = ta ? p.m : 1;
  p.order = order_contract((int64_t)p.m, (int64_t)p.n, (int64_t)p.k, ta, tb);
  size_t batch = z->count / (p.m * p.n), bytes = dtype_bytes(z->dtype); /* extents are at least 1 */
  void *part = arena_array(a, p.n, bytes, 64), *plain = NULL;
  if (tb) plain = arena_array(a, y->count / batch, bytes, 64);
  for (size_t i = 0; i < batch; i++) {
    const void *yi = element(y, i * p.k * p.n);
    if (tb) transpose_matrix(y->dtype, yi, plain, p.n, p.k);
    contract_for(z->dtype)(&p, element(x, i * p.m * p.k), tb ? plain : yi, element_out(z, i * p.m * p.n),
                           part);
  }
}

const OpEval eval_contract = {contract, NULL};

/* ---- convolution ---- */

/* Checks that a convolution of x by w gives a y of type *y; its two spatial extents are computed. */
static bool conv_type(const Infer *f, const Type *x, const Type *w, Type *y) {
  const int64_t *a = f->attr;
  for (int i = 0; i < 8; i++)
    if (!infer_attr(f, i, i == 2 || i == 3 || i == 7 ? 0 : 1, i == 7 ? 0 : INFER_SMALL)) return false;
  if (x->rank != 4 || w->rank != 4 || x->dtype != w->dtype || !dtype_is_float((DType)x->dtype))
    return infer_types(f, "takes x [N, C, H, W] and w [O, C/groups, KH, KW], not", x, w);
  int64_t o, kh, kw;
  if (!dim_is_const(f->dims, w->dim[0], &o) || !dim_is_const(f->dims, w->dim[2], &kh) ||
      !dim_is_const(f->dims, w->dim[3], &kw))
    return infer_types(f, "needs constant extents of the filter", w, NULL);
  if (kh < 1 || kw < 1 || kh > INFER_SMALL || kw > INFER_SMALL) return infer_types(f, "filter", w, NULL);
  if (o % a[6])
    return infer_fail(f, "%lld channels do not divide into %lld groups", (long long)o, (long long)a[6]);
  if (!infer_dim_eq(x->dim[1], dim_mul(f->dims, w->dim[1], dim_const(f->dims, a[6]))))
    return infer_types(f,
                       a[6] == 1 ? "the channels, axis 1 of both, differ:"
                                 : "the channels of x are not those of w, axis 1 of both, times the groups:",
                       x, w);
  *y = *x;
  y->dim[1] = w->dim[0];
  y->dim[2] = infer_window(f, x->dim[2], a[2], a[4], kh, a[0]);
  y->dim[3] = infer_window(f, x->dim[3], a[3], a[5], kw, a[1]);
  if ((!y->dim[2].i && x->dim[2].i) || (!y->dim[3].i && x->dim[3].i))
    return infer_types(f, "the filter is larger than the padded image:", x, w);
  return true;
}

bool infer_conv(const Infer *f) {
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

static Conv conv_of(const Eval *e) {
  const int64_t *at = e->attr;
  const Tensor *x = e->op == OP_CONV2D_DX ? e->out : e->in[0];
  const Tensor *w = e->op == OP_CONV2D_DW ? e->out : e->in[1];
  const Tensor *y = e->op == OP_CONV2D ? e->out : e->op == OP_CONV2D_DX ? e->in[0] : e->in[1];
  Conv c = {.n = (size_t)x->ext[0],
            .c = (size_t)x->ext[1],
            .h = (size_t)x->ext[2],
            .w = (size_t)x->ext[3],
            .o = (size_t)w->ext[0],
            .cg = (size_t)w->ext[1],
            .kh = (size_t)w->ext[2],
            .kw = (size_t)w->ext[3],
            .oh = (size_t)y->ext[2],
            .ow = (size_t)y->ext[3],
            .sh = (size_t)at[0],
            .sw = (size_t)at[1],
            .ph = (size_t)at[2],
            .pw = (size_t)at[3],
            .dh = (size_t)at[4],
            .dw = (size_t)at[5],
            .groups = (size_t)at[6]};
  c.hp = c.h + 2 * c.ph;
  c.wp = c.w + 2 * c.pw;
  return c;
}

static void pad_image(const Conv *c, const Tensor *x, size_t image, void *xp) {
  size_t bytes = dtype_bytes(x->dtype);
  for (size_t ch = 0; ch < c->c; ch++)
    for (size_t h = 0; h < c->h; h++) {
      size_t to = (ch * c->hp + h + c->ph) * c->wp + c->pw;
      /* size-ok: an element of x, which is allocated */
      memcpy((char *)xp + to * bytes, element(x, ((image * c->c + ch) * c->h + h) * c->w),
             c->w * bytes); /* size-ok: within both */
    }
}

static void run_conv_dw(Eval *e, const Conv *c, void *xp) {
  const Tensor *x = e->in[0], *gy = e->in[1];
  Tensor *dw = e->out, part = interp_like(&e->run->scratch, dw);
  Order o = order_conv_dw((int64_t)c->n, (int64_t)c->oh, (int64_t)c->ow);
  size_t bytes = dtype_bytes(dw->dtype);
  void *patch = arena_array(&e->run->scratch, dw->count / c->o, bytes, 64);
  for (size_t i = 0; i < c->n; i++) {
    Tensor *to = o.chunks == 1 ? dw : &part;
    if (i % (size_t)o.chunk == 0) memset(to->data, 0, to->count * bytes); /* size-ok: its own bytes */
    pad_image(c, x, i, xp);
    conv_dw_for(dw->dtype)(c, xp, element(gy, i * c->o * c->oh * c->ow), to->data, patch);
    if (to == dw || ((i + 1) % (size_t)o.chunk != 0 && i + 1 < c->n)) continue;
    for (size_t k = 0; k < dw->count; k++) {
      if (dw->dtype == DT_F32)
        ((float *)dw->data)[k] = ((float *)dw->data)[k] + ((float *)part.data)[k];
      else
        ((double *)dw->data)[k] = ((double *)dw->data)[k] + ((double *)part.data)[k];
    }
  }
}

static void conv(Eval *e) {
  Conv c = conv_of(e);
  Tensor padded = {.dtype = e->out->dtype, .rank = 3, .ext = {(int64_t)c.c, (int64_t)c.hp, (int64_t)c.wp}};
  if (!size_product(padded.ext, 3, &padded.count))
    mem_raise(e->run->arena->mem, ST_LIMIT, "a padded image of too many elements");
  void *xp = e->op == OP_CONV2D_DX
                 ? NULL
                 : arena_array(&e->run->scratch, padded.count, dtype_bytes(padded.dtype), 64);
  if (e->op == OP_CONV2D_DW) {
    run_conv_dw(e, &c, xp);
    return;
  }
  for (size_t i = 0; i < c.n; i++) {
    size_t x = i * c.c * c.h * c.w, y = i * c.o * c.oh * c.ow;
    if (e->op == OP_CONV2D_DX) {
      conv_dx_for(e->out->dtype)(&c, element(e->in[0], y), e->in[1]->data, element_out(e->out, x));
    } else {
      pad_image(&c, e->in[0], i, xp);
      conv_for(e->out->dtype)(&c, xp, e->in[1]->data, element_out(e->out, y));
    }
  }
}
const OpEval eval_conv = {conv, NULL};
