/* ValueNode of elementwise ops: real arithmetic on floats; integers and truth values by folding and ranges.
 */
#include "ir/scalar/literal.h"
#include "passes/diagnose/value.h"

#include <math.h>

static const Value *at(const ValueNode *f, uint32_t k) { return value_at(f->v, f->in[k]); }
static Interval range(const ValueNode *f, uint32_t k) { return at(f, k)->range; }
static DType dtype(const ValueNode *f) { return (DType)values_type(f)->dtype; }

static bool whole(double x) { return x == floor(x) && fabs(x) < 0x1p24; }

/* One op on literals, in these types. */
static double calculated(const ValueNode *f, const DType *t, DType to) {
  const Node *n = graph_node(f->g, f->n);
  ScalarValue in[3], r = {.w = 0};
  for (uint32_t i = 0; i < n->nin; i++) in[i] = literal_from(t[i], ratio_number(at(f, i)->c));
  uint32_t saved = fp_enter();
  scalar_eval(op_program(&f->v->programs, (Op)n->op, t, n->nin, to), in, &r);
  fp_leave(saved);
  return literal_double(to, r);
}

/* In the program's own arithmetic: false where rounding took part in a whole number, for what is made of it
 * could be 0 by rounding alone; tanh(13) is 1 in f32. */
static bool fold_native(const ValueNode *f, const DType *wide, double *x) {
  const Node *n = graph_node(f->g, f->n);
  Op op = (Op)n->op;
  DType t[3], to = dtype(f);
  bool counts = true, zero = true, held = true;
  for (uint32_t i = 0; i < n->nin; i++) {
    double in = ratio_number(at(f, i)->c);
    t[i] = (DType)values_type_in(f, i)->dtype;
    held &= literal_double(t[i], literal_from(t[i], in)) == in; /* a sum of many, perhaps */
    counts &= whole(in);
    zero &= in == 0;
  }
  *x = calculated(f, t, to);
  if (!held || (*x == 0 && !counts)) return false;
  if (!dtype_is_float(to) || !whole(*x)) return true;
  bool saturates = op == OP_TANH || op == OP_ERF || op == OP_SIGMOID;
  return !(saturates && !zero) && calculated(f, wide, value_dtype(to)) == *x;
}

static Shape shape(const ValueNode *f) {
  Shape s = {0};
  for (uint32_t i = 0; i < graph_node(f->g, f->n)->nin; i++) s = shape_union(f->v, &s, &at(f, i)->shape);
  return s;
}

static ValueId atom(const ValueNode *f, Interval r) {
  uint32_t nin = graph_node(f->g, f->n)->nin;
  ValueId in[3] = {NO_VALUE, NO_VALUE, NO_VALUE};
  Op op = node_op(f->g, f->n);
  for (uint32_t i = 0; i < nin; i++) in[i] = f->in[i];
  if ((op_info[op].flags & OPF_COMMUTATIVE) && in[0].i > in[1].i) {
    in[0] = f->in[1];
    in[1] = f->in[0];
  }
  int64_t from = op == OP_CAST ? values_type_in(f, 0)->dtype : 0;
  if (r.lo == r.hi && isfinite(r.lo) && !at(f, 0)->undefined && !at(f, 0)->infinite && nin == 1)
    return value_const(f->v, dtype(f), r.lo);
  return value_op(f->v, op, dtype(f), in, nin, &from, 1, shape(f), r);
}

/* Of a literal that is met nearly: is another number taken on its other side? */
static bool jumps(const ValueNode *f) {
  double x = ratio_number(at(f, 0)->c);
  switch (node_op(f->g, f->n)) {
  case OP_EQ:
  case OP_NE:
  case OP_LT:
  case OP_LE: return x == ratio_number(at(f, 1)->c);
  case OP_SIGN: return x == 0;
  case OP_FLOOR:
  case OP_CEIL: return x == floor(x);
  case OP_ROUND: return 2 * x == floor(2 * x) && x != floor(x);
  case OP_CAST: return !dtype_is_float(dtype(f)) && x == floor(x);
  case OP_MOD: return true;
  default: return false; /* default: continuous, where it is defined */
  }
}

/* Everything is a literal: the op's own program, floats in f64. */
static bool fold(const ValueNode *f, ValueId *out) {
  const Node *n = graph_node(f->g, f->n);
  DType t[3], to = value_dtype(dtype(f));
  for (uint32_t i = 0; i < n->nin; i++) {
    if (!value_is_const(f->v, f->in[i]) || at(f, i)->undefined) return false;
    t[i] = value_dtype((DType)values_type_in(f, i)->dtype);
  }
  bool noise = false;
  for (uint32_t i = 0; i < n->nin; i++) noise |= at(f, i)->noise;
  if (noise && jumps(f)) {
    *out = atom(f, to == DT_BOOL ? interval_of(0, 1) : interval_all());
    return true;
  }
  double x = 0;
  if (f->v->exact && !fold_native(f, t, &x)) {
    double wide = calculated(f, t, to);
    if (to != DT_F64 || wide == 0 || !isfinite(x) || !isfinite(wide)) return false;
    Interval r = interval_hull(interval_point(x), interval_point(wide));
    *out = atom(f, interval_widen(r, ROUNDED)); /* of no known number: 1 / 0.1 is 10 in f32 */
    return true;
  }
  if (!f->v->exact) x = calculated(f, t, to);
  if (to == DT_I64 && fabs(x) > 0x1p53) return false;
  Op op = (Op)n->op; /* never 0 in the reals: a 0 is what no double holds */
  bool lost = x == 0 && (op == OP_EXP || op == OP_SIGMOID || op == OP_SOFTPLUS || op == OP_RSQRT);
  *out = !isfinite(x) ? value_undefined(f->v, dtype(f), (Shape){0})
         : lost       ? value_unknown(f->v, dtype(f), (Shape){0})
                      : value_const(f->v, dtype(f), x);
  if (noise) *out = value_noisy(f->v, *out);
  return true;
}

static ValueId truth(const ValueNode *f, bool yes) { return value_const(f->v, DT_BOOL, yes); }

/* y - x, where they are floats or the difference of integers cannot wrap. */
static Interval difference(const ValueNode *f) {
  if (dtype_is_float((DType)values_type_in(f, 0)->dtype) && !at(f, 0)->infinite && !at(f, 1)->infinite)
    return value_at(f->v, value_add(f->v, f->in[1], ratio(1), f->in[0], ratio(-1)))->range;
  return interval_all();
}

/* Rounding could decide: neither is 0 on both sides, nor are they apart. */
static bool close_by(const ValueNode *f) {
  Interval x = range(f, 0), y = range(f, 1);
  if (value_is_zero(f->v, f->in[0]) && value_is_zero(f->v, f->in[1])) return false;
  if (!dtype_is_float((DType)values_type_in(f, 0)->dtype)) return false;
  double room = 1e-5 * (fmin(fabs(x.lo), fabs(x.hi)) + fmin(fabs(y.lo), fabs(y.hi)));
  bool sides = (x.lo >= 0 && y.hi <= 0) || (x.hi <= 0 && y.lo >= 0); /* of 0, which no rounding crosses */
  return !sides && !(x.hi + room < y.lo || y.hi + room < x.lo);
}

/* The same numbers: one node, or copies of it. */
static bool one_node(const ValueNode *f) {
  NodeId n[2] = {graph_in(f->g, f->n)[0], graph_in(f->g, f->n)[1]};
  for (int k = 0; k < 2; k++)
    for (Op op = node_op(f->g, n[k]);
         op == OP_STOP || op == OP_NAME || op == OP_BROADCAST || op == OP_CHECKPOINT;
         op = node_op(f->g, n[k]))
      n[k] = graph_in(f->g, n[k])[0];
  return node_eq(n[0], n[1]);
}

static ValueId compare(const ValueNode *f) {
  Op op = node_op(f->g, f->n);
  Interval x = range(f, 0), y = range(f, 1), d;
  if (at(f, 0)->undefined || at(f, 1)->undefined) return atom(f, interval_of(0, 1));
  bool same = value_eq(f->in[0], f->in[1]) && !at(f, 0)->infinite;
  if (f->v->rounds && close_by(f)) return atom(f, interval_of(0, 1));
  if (same && !f->v->exact && dtype_is_float((DType)values_type_in(f, 0)->dtype) && !one_node(f))
    return atom(f, interval_of(0, 1)); /* two calculations of one number: rounding decides */
  if (same) return truth(f, op == OP_EQ || op == OP_LE);
  d = difference(f);
  bool less = interval_less(x, y) || d.lo > 0, greater = interval_less(y, x) || d.hi < 0;
  bool point = x.lo == x.hi && y.lo == y.hi && x.lo == y.lo;
  switch (op) {
  case OP_EQ:
  case OP_NE:
    if (less || greater || point) return truth(f, point == (op == OP_EQ));
    break;
  case OP_LT:
    if (less || greater || x.lo >= y.hi) return truth(f, less);
    break;
  default: /* default: LE */
    if (less || greater || x.hi <= y.lo) return truth(f, less || x.hi <= y.lo);
    break;
  }
  return atom(f, interval_of(0, 1));
}

static ValueId logic(const ValueNode *f) {
  Op op = node_op(f->g, f->n);
  if (op == OP_NOT) return atom(f, interval_of(0, 1));
  double end = op == OP_OR; /* what decides by itself */
  for (uint32_t k = 0; k < 2; k++) {
    if (at(f, 0)->undefined || at(f, 1)->undefined) break;
    if (value_is(f->v, f->in[k], end)) return f->in[k];
    if (value_is(f->v, f->in[k], 1 - end) || value_eq(f->in[0], f->in[1])) return f->in[1 - k];
  }
  return atom(f, interval_of(0, 1));
}

static ValueId choose(const ValueNode *f) {
  if (value_is(f->v, f->in[0], 1) || (value_eq(f->in[1], f->in[2]) && !at(f, 0)->undefined)) return f->in[1];
  if (value_is(f->v, f->in[0], 0)) return f->in[2];
  Interval r = interval_hull(range(f, 1), range(f, 2));
  for (uint32_t k = 1; k < 3 && dtype_is_float(dtype(f)); k++) { /* where(c, k x, 0) = k where(c, x, 0) */
    Ratio c;
    if (!value_is_zero(f->v, f->in[3 - k])) continue;
    ValueId in[3] = {f->in[0], f->in[1], f->in[2]};
    in[k] = value_factor(f->v, f->in[k], &c);
    if (at(f, k)->noise && value_is_zero(f->v, f->in[k])) return f->in[k]; /* both 0, or nearly */
    if (value_is_const(f->v, f->in[k])) {                                  /* k where(c, 1, 0) */
      c = at(f, k)->c;
      in[k] = value_ratio(f->v, ratio(1));
    }
    r = interval_hull(value_at(f->v, in[k])->range, interval_point(0));
    int64_t none = 0;
    return value_scale(f->v, value_op(f->v, OP_WHERE, DT_F64, in, 3, &none, 1, shape(f), r), c);
  }
  return atom(f, r);
}

static ValueId extreme(const ValueNode *f, bool greatest) {
  Interval x = range(f, 0), y = range(f, 1);
  if (at(f, 0)->undefined || at(f, 1)->undefined) return atom(f, interval_all());
  if (value_eq(f->in[0], f->in[1])) return f->in[0];
  if (!at(f, 0)->infinite && !at(f, 1)->infinite) {
    Interval d = difference(f);
    if (x.hi <= y.lo || d.lo >= 0) return f->in[greatest];
    if (y.hi <= x.lo || d.hi <= 0) return f->in[!greatest];
  }
  return atom(f, greatest ? interval_max(x, y) : interval_min(x, y));
}

/* What cannot wrap. */
static Interval fits(const ValueNode *f, Interval r) {
  double end = dtype(f) == DT_I32 ? 0x1p31 - 1 : 0x1p53;
  return r.lo < -end || r.hi > end ? interval_all() : r;
}

static ValueId integers(const ValueNode *f) {
  Interval x = range(f, 0), y = graph_node(f->g, f->n)->nin > 1 ? range(f, 1) : x;
  bool sound = !at(f, 0)->undefined;
  switch (node_op(f->g, f->n)) {
  case OP_ADD:
    if (value_is_zero(f->v, f->in[0])) return f->in[1];
    if (value_is_zero(f->v, f->in[1])) return f->in[0];
    return atom(f, fits(f, interval_add(x, y)));
  case OP_SUB:
    if (value_eq(f->in[0], f->in[1]) && sound) return value_const(f->v, dtype(f), 0);
    if (value_is_zero(f->v, f->in[1])) return f->in[0];
    return atom(f, fits(f, interval_add(x, interval_neg(y))));
  case OP_MUL:
    for (uint32_t k = 0; k < 2; k++) {
      if (value_is_zero(f->v, f->in[k]) && !at(f, 1 - k)->undefined) return f->in[k];
      if (value_is(f->v, f->in[k], 1)) return f->in[1 - k];
    }
    return atom(f, fits(f, interval_mul(x, y)));
  case OP_NEG: return atom(f, fits(f, interval_neg(x)));
  case OP_SQUARE: return atom(f, fits(f, interval_power(x, 2)));
  case OP_ABS:
    if (x.lo >= 0 && sound) return f->in[0];
    return atom(f, fits(f, interval_of(0, fmax(-x.lo, x.hi))));
  case OP_MAXIMUM: return extreme(f, true);
  case OP_MINIMUM: return extreme(f, false);
  case OP_SIGN:
    return atom(f, interval_of(x.lo > 0 ? 1 : x.lo < 0 ? -1 : 0, x.hi > 0 ? 1 : x.hi < 0 ? -1 : 0));
  case OP_MOD:
    if (y.lo > 0) return atom(f, interval_of(0, isinf(y.hi) ? INFINITY : y.hi - 1));
    return atom(f, interval_all());
  default: return atom(f, interval_all()); /* default: random words, quotients */
  }
}

static ValueId cast(const ValueNode *f) {
  DType from = (DType)values_type_in(f, 0)->dtype, to = dtype(f);
  Interval x = range(f, 0);
  if (dtype_is_float(from) && dtype_is_float(to)) return f->in[0];
  if (from == to || (from == DT_I32 && to == DT_I64)) return f->in[0];
  if (to == DT_BOOL)
    return atom(f, interval_of(interval_above(x, 0) || interval_below(x, 0), !(x.lo == 0 && x.hi == 0)));
  if (dtype_is_float(from)) return atom(f, fits(f, interval_map(trunc, x)));
  if (to == DT_I32) return atom(f, fits(f, x));
  return atom(f, interval_map(floor, x)); /* rounds, in an order that stays */
}

/* What the text of a row makes of where its operands lie. */
static Interval by_text(const ValueNode *f) {
  uint32_t nin = graph_node(f->g, f->n)->nin;
  ScalarRange in[3];
  DType t[3];
  for (uint32_t i = 0; i < nin; i++) {
    if (at(f, i)->undefined || at(f, i)->infinite) return interval_all();
    in[i] = (ScalarRange){range(f, i).lo, range(f, i).hi};
    t[i] = (DType)values_type_in(f, i)->dtype;
  }
  ScalarRange r = op_range(&f->v->ranges, node_op(f->g, f->n), in, t, nin, dtype(f));
  return interval_of(r.lo, r.hi);
}

/* Floats: functions that are atoms with a range. */
static ValueId function(const ValueNode *f) {
  Interval x = range(f, 0), y = graph_node(f->g, f->n)->nin > 1 ? range(f, 1) : x;
  switch (node_op(f->g, f->n)) {
  case OP_ABS:
    if ((x.lo >= 0 || x.hi <= 0) && !at(f, 0)->infinite)
      return value_scale(f->v, f->in[0], ratio(x.lo >= 0 ? 1 : -1));
    return atom(f, interval_of(0, fmax(-x.lo, x.hi)));
  case OP_RELU:
    if (!at(f, 0)->infinite && !at(f, 0)->undefined) {
      if (x.lo >= 0) return f->in[0];
      if (x.hi <= 0) return value_const(f->v, DT_F64, 0);
    }
    return atom(f, interval_max(x, interval_point(0)));
  case OP_EXP:
    if (at(f, 0)->kind == VALUE_OP && at(f, 0)->op == OP_LOG_SOFTMAX) {
      ValueId in = value_term(f->v, f->in[0], 0)->of;
      int64_t axis = at(f, 0)->attr[0];
      return value_op(f->v, OP_SOFTMAX, DT_F64, &in, 1, &axis, 1, at(f, 0)->shape, interval_of(0, 1));
    }
    return atom(f, interval_of(isinf(x.lo) ? 0 : interval_map(exp, x).lo, interval_map(exp, x).hi));
  case OP_EXPM1: return atom(f, interval_map(expm1, x));
  case OP_LOG:
    return atom(f, x.lo > 0 ? interval_map(log, x)
                            : interval_of(-INFINITY, x.hi > 0 ? interval_map(log, interval_of(x.hi, x.hi)).hi
                                                              : INFINITY));
  case OP_LOG1P: return atom(f, x.lo > -1 ? interval_map(log1p, x) : interval_all());
  case OP_SIN:
  case OP_COS: return atom(f, x.lo >= -1e5 && x.hi <= 1e5 ? interval_of(-1.001, 1.001) : interval_all());
  case OP_TANH:
    return atom(f, x.lo == 0 && x.hi == 0 ? interval_point(0)
                                          : interval_of(x.lo >= 0 ? 0 : -1.001, x.hi <= 0 ? 0 : 1.001));
  case OP_ERF: return atom(f, interval_of(x.lo >= 0 ? 0 : -1.001, x.hi <= 0 ? 0 : 1.001));
  case OP_SIGMOID: return atom(f, interval_of(0, 1.001));
  case OP_SOFTPLUS: return atom(f, interval_of(0, INFINITY));
  case OP_SIGN:
    return atom(f, interval_of(interval_above(x, 0) ? 1
                               : x.lo >= 0          ? 0
                                                    : -1,
                               interval_below(x, 0) ? -1
                               : x.hi <= 0          ? 0
                                                    : 1));
  case OP_FLOOR: return atom(f, interval_map(floor, x));
  case OP_CEIL: return atom(f, interval_map(ceil, x));
  case OP_ROUND: return atom(f, interval_map(nearbyint, x));
  case OP_MOD: return atom(f, y.lo > 0 ? interval_of(0, y.hi) : interval_all());
  case OP_UNIT: return atom(f, (Interval){.lo = 0, .hi = 1, .hi_open = true});
  case OP_POW: return atom(f, x.lo >= 0 ? by_text(f) : interval_all());
  default: return atom(f, by_text(f)); /* default: no more than its text says */
  }
}

static double bf16(double x) { return literal_double(DT_F32, literal_bf16((float)x)); }

/* Keeps what is one already. What lies near a middle is not known, for what is computed may lie beyond it. */
static ValueId round_bf16(const ValueNode *f) {
  const Value *in = at(f, 0);
  if (dtype(f) != DT_F32 || in->undefined || in->infinite) return atom(f, interval_all());
  if (in->kind == VALUE_OP && in->op == OP_LEAF &&
      program_leaf_at(f->v->p, (LeafId){(uint32_t)in->attr[0]})->type.dtype == DT_BF16)
    return f->in[0];
  Interval x = value_is_const(f->v, f->in[0]) ? interval_point(ratio_number(in->c)) : in->range;
  double lo = bf16(x.lo - fabs(x.lo) * 0x1p-20), hi = bf16(x.hi + fabs(x.hi) * 0x1p-20);
  return atom(f, interval_of(lo, hi));
}

static ValueId power(const ValueNode *f) {
  if (!value_is_const(f->v, f->in[1]) || at(f, 1)->undefined) return function(f);
  Ratio e = at(f, 1)->c;
  if (e.q == 1 && e.p == floor(e.p) && fabs(e.p) > 64) return function(f);
  if (f->v->exact && e.p == 1 && e.q == 1) /* the power function gives x itself but nearly */
    return atom(f, interval_widen(range(f, 0), ROUNDED));
  return value_power(f->v, f->in[0], e);
}

ValueId values_scalar(const ValueNode *f) {
  ValueId r, minus;
  Op op = node_op(f->g, f->n);
  if (op == OP_CAST) return fold(f, &r) ? r : cast(f);
  if (op == OP_ROUND_BF16) return round_bf16(f);
  bool compares = op == OP_EQ || op == OP_NE || op == OP_LT || op == OP_LE;
  if (compares && f->v->rounds) return compare(f);
  /* what fractions hold without loss is not rounded */
  bool fractions = dtype_is_float(dtype(f)) && (op == OP_ADD || op == OP_SUB || op == OP_MUL ||
                                                op == OP_DIV || op == OP_FMA || op == OP_SQUARE);
  if ((f->v->exact || (!fractions && op != OP_DIV)) && fold(f, &r)) return r;
  switch (op) {
  case OP_EQ:
  case OP_NE:
  case OP_LT:
  case OP_LE: return compare(f);
  case OP_AND:
  case OP_OR:
  case OP_NOT: return logic(f);
  case OP_WHERE: return choose(f);
  default: break; /* default: arithmetic */
  }
  if (!dtype_is_float(dtype(f))) return integers(f);
  Values *v = f->v;
  bool number = !at(f, 0)->undefined && !at(f, 0)->infinite;
  switch (op) {
  case OP_ADD: return value_add(v, f->in[0], ratio(1), f->in[1], ratio(1));
  case OP_SUB:
    if (number && !v->exact && one_node(f)) return value_const(v, dtype(f), 0);
    return value_add(v, f->in[0], ratio(1), f->in[1], ratio(-1));
  case OP_NEG: return value_scale(v, f->in[0], ratio(-1));
  case OP_MUL: return value_mul(v, f->in[0], f->in[1]);
  case OP_DIV: minus = value_power(v, f->in[1], ratio(-1)); return value_mul(v, f->in[0], minus);
  case OP_FMA: return value_add(v, value_mul(v, f->in[0], f->in[1]), ratio(1), f->in[2], ratio(1));
  case OP_SQRT: return value_power(v, f->in[0], (Ratio){1, 2});
  case OP_RSQRT: return value_power(v, f->in[0], (Ratio){-1, 2});
  case OP_SQUARE: return value_power(v, f->in[0], ratio(2));
  case OP_POW: return power(f);
  case OP_MAXIMUM: return extreme(f, true);
  case OP_MINIMUM: return extreme(f, false);
  default: return function(f); /* default: no arithmetic */
  }
}
