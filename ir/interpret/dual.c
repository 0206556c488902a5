/* Tangents: linear ops run themselves over tangents, bilinear ones once per operand; scalar rows go through
 * the dual evaluator of their value program; the rest has rules of its own. Derivative columns are never
 * read: this is their oracle. */
#include "ir/interpret/internal.h"

#include <math.h>

/* The op itself over other operands, into t. */
static void again(Eval *e, const Tensor *const *in, Tensor *t) {
  Eval sub = *e;
  sub.in = in;
  sub.out = t;
  eval_any(&sub);
}

static Tensor zero_like(Eval *e, const Tensor *t) { return interp_like(&e->run->scratch, t); }

/* Linear in every operand together: missing tangents are zeros. */
static void linear(Eval *e, const Tensor *tin, Tensor *t) {
  const Tensor **in = ARENA_ARRAY(&e->run->scratch, const Tensor *, e->nin);
  Tensor *own = ARENA_ARRAY(&e->run->scratch, Tensor, e->nin);
  for (uint32_t i = 0; i < e->nin; i++) {
    own[i] = tin[i].data ? tin[i] : zero_like(e, e->in[i]);
    in[i] = &own[i];
  }
  again(e, in, t);
}

static void bilinear(Eval *e, const Tensor *tin, Tensor *t) {
  double *sum = t->data;
  for (int i = 0; i < 2; i++) {
    if (!tin[i].data) continue;
    Tensor part = zero_like(e, t);
    again(e, i == 0 ? (const Tensor *const[]){&tin[0], e->in[1]} : (const Tensor *const[]){e->in[0], &tin[1]},
          &part);
    for (size_t k = 0; k < t->count; k++) sum[k] += ((double *)part.data)[k];
  }
}

static ScalarValue get(const Tensor *t, size_t i) {
  ScalarValue v = {.w = 0};
  if (dtype_bytes(t->dtype) == 8)
    v.w = ((const uint64_t *)t->data)[i];
  else
    v.u = ((const uint32_t *)t->data)[i];
  return v;
}

static void dual_scalar(Eval *e, const Tensor *tin, Tensor *t) {
  DType type[3];
  ScalarDual in[3], out;
  for (uint32_t i = 0; i < e->nin; i++) type[i] = e->in[i]->dtype;
  const Scalar *p = op_program(&e->run->programs, e->op, type, e->nin, e->out->dtype);
  for (size_t k = 0; k < t->count; k++) {
    for (uint32_t i = 0; i < e->nin; i++) {
      in[i].v = get(e->in[i], k);
      in[i].t = tin[i].data && dtype_is_float(type[i]) ? ((const double *)tin[i].data)[k] : 0;
    }
    scalar_eval_dual(p, in, &out);
    ((double *)t->data)[k] = out.t;
  }
}

/* The tangent of the element that wins each window: the derivative of max_pool2d is a selection, as is its
 * own derivative by gy. */
static void dual_max_pool(Eval *e, const Tensor *tx, Tensor *t) {
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
    ((double *)t->data)[at] = ((const double *)tx->data)[best];
  }
}

bool dual_any(Eval *e, const Tensor *tin, Tensor *t) {
  if (op_info[e->op].scalar) {
    dual_scalar(e, tin, t);
    return true;
  }
  switch (e->op) {
  case OP_BROADCAST:
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_PAD:
  case OP_CONCAT:
  case OP_REVERSE:
  case OP_SUM:
  case OP_MEAN:
  case OP_AVG_POOL2D:
  case OP_AVG_POOL2D_DX: linear(e, tin, t); return true;
  case OP_CONTRACT:
  case OP_CONV2D:
  case OP_CONV2D_DX:
  case OP_CONV2D_DW: bilinear(e, tin, t); return true;
  case OP_MAX:
  case OP_MIN:
  case OP_PROD:
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_LOGSUMEXP:
  case OP_CROSS_ENTROPY: return dual_row(e, tin, t);
  case OP_MAX_POOL2D: dual_max_pool(e, &tin[0], t); return true;
  case OP_MAX_POOL2D_DX: /* linear in gy; which element wins does not change */
    if (!tin[2].data) return false;
    again(e, (const Tensor *const[]){e->in[0], e->in[1], &tin[2]}, t);
    return true;
  case OP_NAME:   /* the same value */
  case OP_CUSTOM: /* the value's own derivative, not the declared one */
    *t = tin[0];
    return tin[0].data != NULL;
  case OP_STOP:
  case OP_EXTERN:
  case OP_ARGMAX:
  case OP_ARGMIN:
  case OP_CONST:
  case OP_TABLE:
  case OP_IOTA:
  case OP_COTANGENT:
  case OP_LEAF:
  case OP_GRAD: return false;
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) case OP_##id:
#define STRUCT(id, name, arity, attrs, cls, cost, doc)
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
  case OP_COUNT: break;
  }
  return false;
}
