/* ValueNode of contractions, convolutions and pooling: linear in each operand. */
#include "passes/diagnose/value.h"

#include <math.h>

enum { CONTRACT_DEPTH = 3 };

static bool usable(const Value *x) { return !x->undefined && !x->infinite; }

/* One operand is 0 and the other a number. */
static bool nothing(const ValueNode *f, uint32_t a, uint32_t b) {
  return (value_is_zero(f->v, f->in[a]) && usable(value_at(f->v, f->in[b]))) ||
         (value_is_zero(f->v, f->in[b]) && usable(value_at(f->v, f->in[a])));
}

typedef struct Product { /* a [.., M, K] b [.., K, N] */
  Values *v;
  DimId k;
} Product;

/* A sum taken apart: terms that are as large as all of it, and smaller ones. */
static bool split_small(Values *v, ValueId a, ValueId *small, ValueId *full) {
  Value x = *value_at(v, a);
  if (x.kind != VALUE_SUM) return false;
  *small = value_ratio(v, x.c);
  *full = value_ratio(v, ratio(0));
  for (uint32_t i = 0; i < x.n; i++) {
    Term t = *value_term(v, a, i);
    ValueId *side = shape_eq(&value_at(v, t.of)->shape, &x.shape) ? full : small;
    *side = value_add(v, *side, ratio(1), t.of, t.k);
  }
  return !value_is_zero(v, *small) && !value_is_zero(v, *full);
}

/* Factors that are constant along the axis, and the rest. */
static ValueId split_factors(Values *v, ValueId *a, uint32_t axis) {
  Value x = *value_at(v, *a);
  ValueId out = value_ratio(v, ratio(1)), in = out;
  if (x.kind != VALUE_PRODUCT) return out;
  for (uint32_t i = 0; i < x.n; i++) {
    Term t = *value_term(v, *a, i);
    ValueId *side = value_flat(v, t.of, axis) ? &out : &in;
    *side = value_mul(v, *side, value_power(v, t.of, t.k));
  }
  *a = in;
  return out;
}

static ValueId atom(const Product *p, ValueId a, ValueId b) {
  Values *v = p->v;
  Value x = *value_at(v, a), y = *value_at(v, b);
  int64_t n;
  DimId one = dim_const(v->p->dims, 1);
  Interval r = interval_mul(x.range, y.range);
  if (dim_is_const(v->p->dims, p->k, &n))
    r = interval_sum(r, (double)n);
  else
    r = interval_sign(r);
  if (x.shape.rank) x.shape.dim[0] = one; /* K of a, K of b */
  if (y.shape.rank > 1) y.shape.dim[1] = one;
  Shape s = shape_union(v, &x.shape, &y.shape);
  ValueId in[2] = {a, b};
  return value_op(v, OP_CONTRACT, DT_F64, in, 2, NULL, 0, s, r);
}

static ValueId contract(const Product *p, ValueId a, ValueId b, int depth) {
  Values *v = p->v;
  Ratio ka, kb;
  ValueId small, full;
  bool fa = value_flat(v, a, 0), fb = value_flat(v, b, 1);
  if (fa && fb) return value_mul(v, value_extent(v, p->k), value_mul(v, a, b));
  if (fa) return value_mul(v, a, value_sum_axis(v, b, 1, p->k));
  if (fb) return value_mul(v, value_sum_axis(v, a, 0, p->k), b);
  if (depth < CONTRACT_DEPTH && split_small(v, a, &small, &full))
    return value_add(v, contract(p, small, b, depth + 1), ratio(1), contract(p, full, b, depth + 1),
                     ratio(1));
  if (depth < CONTRACT_DEPTH && split_small(v, b, &small, &full))
    return value_add(v, contract(p, a, small, depth + 1), ratio(1), contract(p, a, full, depth + 1),
                     ratio(1));
  a = value_factor(v, a, &ka);
  b = value_factor(v, b, &kb);
  ValueId out = value_mul(v, split_factors(v, &a, 0), split_factors(v, &b, 1));
  return value_scale(v, value_mul(v, out, atom(p, a, b)), ratio_mul(ka, kb));
}

ValueId values_CONTRACT(const ValueNode *f) {
  Values *v = f->v;
  const Type *t = values_type_in(f, 0);
  bool ta = values_attr(f, 0) != 0, tb = values_attr(f, 1) != 0;
  if (nothing(f, 0, 1)) return f->in[!value_is_zero(v, f->in[0])];
  if (!usable(value_at(v, f->in[0])) || !usable(value_at(v, f->in[1])) || t->rank < 2)
    return values_unknown(f);
  Product p = {v, t->dim[t->rank - (ta ? 2 : 1)]};
  ValueId a = ta ? value_swap(v, f->in[0]) : f->in[0], b = tb ? value_swap(v, f->in[1]) : f->in[1];
  return contract(&p, a, b, 0);
}

/* ---- convolutions: factors of the whole come out */

static ValueId convolution(const ValueNode *f) {
  Values *v = f->v;
  ValueId in[2];
  Ratio k[2];
  if (nothing(f, 0, 1)) return f->in[!value_is_zero(v, f->in[0])];
  if (!usable(value_at(v, f->in[0])) || !usable(value_at(v, f->in[1]))) return values_unknown(f);
  for (int i = 0; i < 2; i++) in[i] = value_factor(v, f->in[i], &k[i]);
  ValueNode g = *f;
  g.in = in;
  Interval r = interval_mul(value_at(v, in[0])->range, value_at(v, in[1])->range);
  return value_scale(v, values_within(&g, interval_sign(r)), ratio_mul(k[0], k[1]));
}
ValueId values_CONV2D(const ValueNode *f) { return convolution(f); }
ValueId values_CONV2D_DX(const ValueNode *f) { return convolution(f); }
ValueId values_CONV2D_DW(const ValueNode *f) { return convolution(f); }

/* ---- pooling: what is constant over the image stays, where nothing is padded */

static ValueId pool(const ValueNode *f, bool mean) {
  Values *v = f->v;
  const Value *x = value_at(v, f->in[0]);
  bool padded = values_attr(f, 4) || values_attr(f, 5);
  if (value_is_zero(v, f->in[0])) return f->in[0];
  if (!usable(x) || (mean && padded)) return values_unknown(f);
  ValueId flat, rest;
  value_split(v, f->in[0], 3, &flat, &rest); /* the last two axes */
  if (value_is_zero(v, rest)) return flat;
  ValueNode g = *f;
  g.in = &rest;
  Interval r = value_at(v, rest)->range;
  double n = (double)values_attr(f, 0) * (double)values_attr(f, 1);
  if (mean) r = interval_mul(interval_sum(r, n), interval_point(1 / n));
  return value_add(v, values_within(&g, r), ratio(1), flat, ratio(1));
}
ValueId values_MAX_POOL2D(const ValueNode *f) { return pool(f, false); }
ValueId values_AVG_POOL2D(const ValueNode *f) { return pool(f, true); }

ValueId values_MAX_POOL2D_DX(const ValueNode *f) {
  if (value_is_zero(f->v, f->in[2]) && usable(value_at(f->v, f->in[0])) && usable(value_at(f->v, f->in[1])))
    return f->in[2];
  return values_within(f, interval_sign(value_at(f->v, f->in[2])->range));
}

ValueId values_AVG_POOL2D_DX(const ValueNode *f) {
  Ratio k;
  ValueId in = f->in[0];
  if (value_is_zero(f->v, in)) return in;
  if (!usable(value_at(f->v, in))) return values_unknown(f);
  in = value_factor(f->v, in, &k);
  ValueNode g = *f;
  g.in = &in;
  return value_scale(f->v, values_within(&g, interval_sign(value_at(f->v, in)->range)), k);
}

/* Of nothing known but a right side of 0. */
ValueId values_TRIANGULAR_SOLVE(const ValueNode *f) {
  Values *v = f->v;
  if (value_is_zero(v, f->in[0])) return value_undefined(v, DT_F64, shape_of(v, values_type(f)));
  return value_is_zero(v, f->in[1]) && usable(value_at(v, f->in[0])) ? f->in[1] : values_unknown(f);
}
ValueId values_CHOLESKY(const ValueNode *f) { return values_unknown(f); }
