/* How large a value of a scalar program can be, as far as the instructions that made it say: what a short
 * form of an instruction may rely on. */
#include "codegen/emit.h"

#include <math.h>

enum { DEPTH = 12 };

/* NaN, or lo <= v <= hi; whole: then also a whole number. */
typedef struct Bounds {
  double lo, hi;
  bool whole;
} Bounds;

static const Bounds any = {-INFINITY, INFINITY, false};

static bool constant(const Scalar *p, ScalarRef r, double *v) {
  const ScalarLeaf *l = &p->leaf[r.i];
  if (!r.leaf || l->input || !dtype_is_float((DType)l->type)) return false;
  *v = l->type == DT_F32 ? (double)l->value.s : l->value.d;
  return true;
}
static bool same(const Scalar *p, ScalarRef a, ScalarRef b) {
  double x, y;
  return (a.leaf == b.leaf && a.i == b.i) || (constant(p, a, &x) && constant(p, b, &y) && x == y);
}

/* Rounded to either type it is no farther out. Small whole numbers are not rounded. */
static Bounds wider(double lo, double hi, bool whole) {
  if (whole && lo > -0x1p20 && hi < 0x1p20) return (Bounds){lo, hi, true};
  Bounds b = {lo - fabs(lo) * 0x1p-20, hi + fabs(hi) * 0x1p-20, whole};
  return isnan(b.lo) || isnan(b.hi) ? any : b;
}

static Bounds bounds(const Scalar *p, ScalarRef r, int depth);

/* k < v ? k : v and v < k ? k : v keep a NaN and cut everything else; other choices are one of the two. */
static Bounds choice(const Scalar *p, const ScalarIns *n, int depth) {
  Bounds a = bounds(p, n->arg[1], depth), b = bounds(p, n->arg[2], depth);
  const ScalarIns *c = n->arg[0].leaf ? NULL : &p->ins[n->arg[0].i];
  double k;
  if (c && c->op == SC_LT && constant(p, n->arg[1], &k)) {
    if (same(p, c->arg[0], n->arg[1]) && same(p, c->arg[1], n->arg[2])) b.hi = fmin(b.hi, k);
    if (same(p, c->arg[1], n->arg[1]) && same(p, c->arg[0], n->arg[2])) b.lo = fmax(b.lo, k);
  }
  return (Bounds){fmin(a.lo, b.lo), fmax(a.hi, b.hi), a.whole && b.whole};
}

static Bounds bounds(const Scalar *p, ScalarRef r, int depth) {
  double k;
  if (constant(p, r, &k)) return isfinite(k) ? (Bounds){k, k, floor(k) == k} : any;
  if (r.leaf || depth == 0) return any;
  const ScalarIns *n = &p->ins[r.i];
  if (!dtype_is_float((DType)n->type) || !dtype_is_float((DType)n->result)) return any;
  if (n->op == SC_SEL) return choice(p, n, depth - 1);
  Bounds a = bounds(p, n->arg[0], depth - 1);
  switch (n->op) {
  case SC_FLOOR:
  case SC_CEIL:
  case SC_RINT:
  case SC_TRUNC: return (Bounds){floor(a.lo), ceil(a.hi), true};
  case SC_NEG: return (Bounds){-a.hi, -a.lo, a.whole};
  case SC_MUL:
    if (!constant(p, n->arg[1], &k)) return any;
    return k < 0 ? wider(a.hi * k, a.lo * k, false) : wider(a.lo * k, a.hi * k, false);
  case SC_ADD:
  case SC_SUB: {
    Bounds b = bounds(p, n->arg[1], depth - 1);
    if (n->op == SC_SUB) b = (Bounds){-b.hi, -b.lo, b.whole};
    return wider(a.lo + b.lo, a.hi + b.hi, a.whole && b.whole);
  }
  default: return any; /* default: not followed */
  }
}

bool emit_whole_within(const Scalar *p, ScalarRef r, double most) {
  Bounds b = bounds(p, r, DEPTH);
  return b.whole && b.lo >= -most && b.hi <= most;
}
