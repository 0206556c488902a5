#include "passes/diagnose/bounds.h"

#include <float.h>
#include <math.h>

/* A run ends long before its counter does; so step + 1 is no overflow. */
enum { CLOCK_MAX = INT32_MAX - (1 << 20) };

static const Bound UNKNOWN = {-INFINITY, INFINITY};

void bounds_begin(Bounds *b, Rewrite *w) { *b = (Bounds){.w = w}; }

/* What the program computes lies within: it rounds to the type, and our double does not. Integers that could
 * wrap are not bounded at all. */
static Bound fit(Bound r, DType t) {
  if (isnan(r.lo) || isnan(r.hi) || r.lo > r.hi) return UNKNOWN;
  r = (Bound){r.lo + 0.0, r.hi + 0.0}; /* one zero */
  double least = t == DT_F64 ? DBL_MIN : FLT_MIN;
  if (r.lo > 0 && r.lo < least) r.lo = 0; /* flushed */
  if (r.hi < 0 && r.hi > -least) r.hi = 0;
  switch (t) {
  case DT_F32:
    if (isfinite(r.lo) && (double)(float)r.lo != r.lo) r.lo = (double)nextafterf((float)r.lo, -INFINITY);
    if (isfinite(r.hi) && (double)(float)r.hi != r.hi) r.hi = (double)nextafterf((float)r.hi, INFINITY);
    return r;
  case DT_I32: return r.lo < INT32_MIN || r.hi > INT32_MAX ? UNKNOWN : r;
  case DT_I64: return r.lo < -0x1p53 || r.hi > 0x1p53 ? UNKNOWN : r;
  case DT_F64:
  case DT_BOOL:
  case DT_COUNT: break;
  }
  return r;
}

/* Room for the error of a function that is not rounded correctly. */
static Bound loose(Bound r, DType t) {
  double eps = t == DT_F64 ? 0x1p-36 : 0x1p-18;
  return (Bound){r.lo - eps * fabs(r.lo) - 1e-300, r.hi + eps * fabs(r.hi) + 1e-300};
}

static Bound hull(Bound a, Bound b) { return (Bound){fmin(a.lo, b.lo), fmax(a.hi, b.hi)}; }

/* 0 * infinity is 0 here: an infinite bound stands for numbers as large as you like. */
static double product(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }
static double quotient(double a, double b) { return isinf(b) ? 0 : a / b; }

/* Of a function that is monotone in each operand: the extremes lie in the corners. */
static Bound corners(double (*f)(double, double), Bound a, Bound b) {
  double v[4] = {f(a.lo, b.lo), f(a.lo, b.hi), f(a.hi, b.lo), f(a.hi, b.hi)};
  Bound r = {v[0], v[0]};
  for (int i = 0; i < 4; i++) {
    if (isnan(v[i])) return UNKNOWN;
    r = hull(r, (Bound){v[i], v[i]});
  }
  return r;
}

static Bound truth(bool always, bool never) { return (Bound){always ? 1 : 0, never ? 0 : 1}; }
static Bound each(double (*f)(double), Bound a) { return (Bound){f(a.lo), f(a.hi)}; }

static Bound power(Bound a, Bound b, DType t) {
  if (a.lo < 0 || (a.lo == 0 && b.lo < 0)) return UNKNOWN; /* a negative power of -0 is -inf */
  if (a.lo == a.hi && a.lo == 1) return (Bound){1, 1};
  if (a.hi == 0 && b.lo > 0) return (Bound){0, 0};
  Bound r = loose(corners(pow, a, b), t);
  return (Bound){fmax(r.lo, 0), r.hi};
}

static Bound leaf(const Bounds *b, NodeId n) {
  LeafId id = {(uint32_t)graph_attr(b->w->b.g, n)[0]};
  switch (program_leaf_at(b->w->b.g->program, id)->kind) {
  case LEAF_STEP:
  case LEAF_EPOCH: return (Bound){1, CLOCK_MAX};
  case LEAF_PARAM:
  case LEAF_STATE:
    if (b->leaf) return b->leaf[id.i];
    break;
  case LEAF_INPUT:
  case LEAF_SEED: break;
  }
  return UNKNOWN;
}

static Bound bound(const Bounds *b, NodeId n) {
  const Graph *g = b->w->b.g;
  const NodeId *in = graph_in(g, n);
  uint32_t nin = graph_node(g, n)->nin;
  Bound x = nin > 0 ? b->at.at[in[0].i] : UNKNOWN, y = nin > 1 ? b->at.at[in[1].i] : UNKNOWN,
        z = nin > 2 ? b->at.at[in[2].i] : UNKNOWN;
  DType t = (DType)graph_node(g, n)->type.dtype;
  switch (node_op(g, n)) {
  case OP_CONST: {
    double v = graph_const_value(g, n);
    return (Bound){v, v};
  }
  case OP_LEAF: return leaf(b, n);
  case OP_BROADCAST:
  case OP_RESHAPE:
  case OP_NAME:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_REVERSE: return x;
  case OP_CAST: {
    DType from = (DType)graph_node(g, in[0])->type.dtype;
    if (t == DT_BOOL) return truth(x.lo > 0 || x.hi < 0, x.lo == 0 && x.hi == 0);
    if (dtype_is_float(from) && !dtype_is_float(t)) return each(trunc, x);
    return x;
  }
  case OP_ADD: return (Bound){x.lo + y.lo, x.hi + y.hi};
  case OP_SUB: return (Bound){x.lo - y.hi, x.hi - y.lo};
  case OP_NEG: return (Bound){-x.hi, -x.lo};
  case OP_MUL: return corners(product, x, y);
  case OP_DIV: return y.lo > 0 || y.hi < 0 ? corners(quotient, x, y) : UNKNOWN;
  case OP_MAXIMUM: return (Bound){fmax(x.lo, y.lo), fmax(x.hi, y.hi)};
  case OP_MINIMUM: return (Bound){fmin(x.lo, y.lo), fmin(x.hi, y.hi)};
  case OP_RELU: return (Bound){fmax(x.lo, 0), fmax(x.hi, 0)};
  case OP_ABS: return (Bound){x.lo > 0 ? x.lo : x.hi < 0 ? -x.hi : 0, fmax(-x.lo, x.hi)};
  case OP_SQUARE: {
    Bound s = corners(product, x, x);
    return x.lo < 0 && x.hi > 0 ? (Bound){0, s.hi} : s;
  }
  case OP_FLOOR: return each(floor, x);
  case OP_CEIL: return each(ceil, x);
  case OP_ROUND: return each(nearbyint, x);
  case OP_SIGN: return (Bound){x.lo > 0 ? 1 : x.lo < 0 ? -1 : 0, x.hi > 0 ? 1 : x.hi < 0 ? -1 : 0};
  case OP_SQRT: return x.lo >= 0 ? each(sqrt, x) : UNKNOWN;
  case OP_EXP: {
    Bound r = loose(each(exp, x), t);
    return (Bound){fmax(r.lo, 0), r.hi};
  }
  case OP_UNIT: return (Bound){0, 1};
  case OP_SIGMOID: return (Bound){0, 1.001};
  case OP_TANH: return (Bound){-1.001, 1.001};
  case OP_SIN: /* ir/scalar/mathlib.def: beyond, they are not bounded by 1 */
  case OP_COS: return x.lo >= -1e5 && x.hi <= 1e5 ? (Bound){-1.001, 1.001} : UNKNOWN;
  case OP_POW: return power(x, y, t);
  case OP_LT: return truth(x.hi < y.lo, x.lo >= y.hi);
  case OP_LE: return truth(x.hi <= y.lo, x.lo > y.hi);
  case OP_EQ: return truth(x.lo == x.hi && y.lo == y.hi && x.lo == y.lo, x.hi < y.lo || x.lo > y.hi);
  case OP_NE: return truth(x.hi < y.lo || x.lo > y.hi, x.lo == x.hi && y.lo == y.hi && x.lo == y.lo);
  case OP_NOT: return (Bound){1 - x.hi, 1 - x.lo};
  case OP_AND: return (Bound){fmin(x.lo, y.lo), fmin(x.hi, y.hi)};
  case OP_OR: return (Bound){fmax(x.lo, y.lo), fmax(x.hi, y.hi)};
  case OP_WHERE: return x.lo == 1 ? y : x.hi == 0 ? z : hull(y, z);
  default: break; /* default: nothing is known about the rest; truth values stay truth values */
  }
  return t == DT_BOOL ? (Bound){0, 1} : UNKNOWN;
}

Bound bounds_of(Bounds *b, NodeId n) {
  const Graph *g = b->w->b.g;
  while (b->at.n <= n.i) {
    NodeId next = {b->at.n};
    Bound r = fit(bound(b, next), (DType)graph_node(g, next)->type.dtype);
    VEC_PUSH(b->w->arena, &b->at, r);
  }
  return b->at.at[n.i];
}

NodeId bounds_decide(Bounds *b, NodeId n) {
  Graph *g = b->w->b.g;
  Op op = node_op(g, n);
  if (op == OP_CONST || op == OP_COTANGENT || op == OP_LEAF || rewrite_undefined(b->w, n)) return n;
  Bound r = bounds_of(b, n);
  if (r.lo == r.hi && isfinite(r.lo)) return build_const(&b->w->b, graph_node(g, n)->type, r.lo);
  if (op != OP_MAXIMUM && op != OP_MINIMUM) return n;
  NodeId x = graph_in(g, n)[0], y = graph_in(g, n)[1];
  Bound a = bounds_of(b, x), c = bounds_of(b, y);
  if (a.lo >= c.hi) return op == OP_MAXIMUM ? x : y;
  if (c.lo >= a.hi) return op == OP_MAXIMUM ? y : x;
  return n;
}
