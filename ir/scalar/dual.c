/* Dual numbers: each base instruction with its own hand-written tangent. This is the oracle for derivatives,
 * so it must not and does not look at any derivative text; the library functions are programs and go through
 * their instructions. */
#include "ir/scalar/internal.h"

#include <math.h>

/* Tangent of one f64 instruction; a, b, c are operands, r the value. */
static double tangent(ScalarOp op, const ScalarDual *a, const ScalarDual *b, const ScalarDual *c, double r) {
  double x = a->v.d, y = b->v.d, tx = a->t, ty = b->t;
  switch (op) {
  case SC_ADD: return tx + ty;
  case SC_SUB: return tx - ty;
  case SC_MUL: return tx * y + x * ty;
  case SC_DIV: return (tx - r * ty) / y;
  case SC_FMA: return tx * y + x * ty + c->t;
  case SC_NEG: return -tx;
  case SC_ABS: return x > 0 ? tx : x < 0 ? -tx : 0;
  case SC_SQRT: return tx / (2 * r);
  case SC_MIN: return x < y ? tx : y < x ? ty : 0.5 * (tx + ty);
  case SC_MAX: return x > y ? tx : y > x ? ty : 0.5 * (tx + ty);
  case SC_LDEXP: return ldexp(tx, (int)floor(fmax(-4000, fmin(4000, y))));
  case SC_SEL: return a->v.i ? b->t : c->t;
  case SC_CAST: return tx; /* between float types: only f64 to itself here */
  case SC_FLOOR:
  case SC_CEIL:
  case SC_RINT:
  case SC_TRUNC: /* flat */
  case SC_LT:
  case SC_LE:
  case SC_EQ:
  case SC_IDIV:
  case SC_IMOD:
  case SC_MULHI:
  case SC_AND:
  case SC_OR:
  case SC_XOR:
  case SC_NOT:
  case SC_SHL:
  case SC_SHR:
  case SC_USHR: /* not of floats */
  case SC_BITS:
  case SC_UNBITS:
  case SC_RAWBITS:
  case SC_RAWFLOAT: /* bits carry no tangent */
  case SC_COUNT: return 0;
  }
  return 0;
}

void scalar_eval_dual(const Scalar *p, const ScalarDual *in, ScalarDual *out) {
  ScalarDual leaf[SCALAR_LEAVES], val[SCALAR_INS];
  for (uint16_t i = 0; i < p->nleaf; i++) {
    const ScalarLeaf *l = &p->leaf[i];
    leaf[i] = l->input ? in[l->index] : (ScalarDual){.v = l->value};
    if (!dtype_is_float((DType)l->type)) leaf[i].t = 0;
  }
  for (uint16_t i = 0; i < p->nins; i++) {
    const ScalarIns *n = &p->ins[i];
    const ScalarDual *a[3];
    for (int j = 0; j < 3; j++) a[j] = n->arg[j].leaf ? &leaf[n->arg[j].i] : &val[n->arg[j].i];
    scalar_step(n, &a[0]->v, &a[1]->v, &a[2]->v, &val[i].v);
    bool carries = dtype_is_float((DType)n->result) && (n->op == SC_SEL || dtype_is_float((DType)n->type));
    val[i].t = carries ? tangent((ScalarOp)n->op, a[0], a[1], a[2], val[i].v.d) : 0;
  }
  for (uint16_t i = 0; i < p->nout; i++) out[i] = p->out[i].leaf ? leaf[p->out[i].i] : val[p->out[i].i];
}
