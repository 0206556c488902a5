/* Tangents: what the table calls linear runs itself over tangents, once for all inputs together or once per
 * input; scalar rows go through the dual evaluator of their value program; the rest has rules of its own.
 * Derivative columns are never read: this is their oracle. */
#include "ir/interpret/eval.h"

/* The op itself over other operands, into t. */
static void again(Eval *e, const Tensor *const *in, Tensor *t) {
  Eval sub = *e;
  sub.in = in;
  sub.out = t;
  eval_any(&sub);
}

static Tensor zero_like(Eval *e, const Tensor *t) { return interp_like(&e->run->scratch, t); }

/* Linear in all marked inputs together: those become their tangents, a missing one zeros. */
static void joint(Eval *e, const Tensor *tin, Tensor *t) {
  const Tensor **in = ARENA_ARRAY(&e->run->scratch, const Tensor *, e->nin);
  Tensor *own = ARENA_ARRAY(&e->run->scratch, Tensor, e->nin);
  for (uint32_t i = 0; i < e->nin; i++) {
    own[i] = op_linear(e->op, i) != LINEAR_JOINT ? *e->in[i] : tin[i].data ? tin[i] : zero_like(e, e->in[i]);
    in[i] = &own[i];
  }
  again(e, in, t);
}

/* Linear in each marked input alone: one after the other becomes its tangent. */
static void each(Eval *e, const Tensor *tin, Tensor *t) {
  double *sum = t->data;
  const Tensor **in = ARENA_ARRAY(&e->run->scratch, const Tensor *, e->nin);
  for (uint32_t i = 0; i < e->nin; i++) {
    if (op_linear(e->op, i) != LINEAR_EACH || !tin[i].data) continue;
    for (uint32_t j = 0; j < e->nin; j++) in[j] = j == i ? &tin[i] : e->in[j];
    Tensor part = zero_like(e, t);
    again(e, in, &part);
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

bool dual_any(Eval *e, const Tensor *tin, Tensor *t) {
  bool any_joint = false, any_each = false;
  if (op_info[e->op].scalar) {
    dual_scalar(e, tin, t);
    return true;
  }
  for (uint32_t i = 0; i < e->nin; i++) {
    any_joint |= op_linear(e->op, i) == LINEAR_JOINT && tin[i].data;
    any_each |= op_linear(e->op, i) == LINEAR_EACH && tin[i].data;
  }
  if (any_joint) joint(e, tin, t);
  if (any_each) each(e, tin, t);
  if (any_joint || any_each) return true;
  const OpEval *own = eval_op(e->op);
  return own->dual && own->dual(e, tin, t);
}
