#include "passes/diagnose/value.h"

#include "base/hash.h"

#include <math.h>

void values_init(Values *v, const Program *p, Arena *a) {
  *v = (Values){.arena = a, .p = p};
  map_init(&v->index, a);
  op_programs_init(&v->programs, a);
  scalar_ranges_init(&v->ranges, a);
}

/* ---- the table */

DType value_dtype(DType t) {
  t = dtype_compute(t);
  return dtype_is_float(t) ? DT_F64 : t;
}

static uint64_t mix(uint64_t h, uint64_t word) { return (h ^ word) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29; }
static uint64_t mix_ratio(uint64_t h, Ratio r) {
  uint64_t word[2];
  memcpy(word, &r, sizeof word);
  return mix(mix(h, word[0]), word[1]);
}

static uint64_t key_of(const Value *x, const Term *term, const int64_t *attr) {
  uint64_t h = mix((uint64_t)x->kind << 32 | (uint64_t)x->op << 8 | (uint64_t)x->dtype,
                   (uint64_t)x->n << 40 | (uint64_t)x->nattr << 16 | (uint64_t)x->shape.rank << 2 |
                       (uint64_t)x->undefined << 1 | x->infinite);
  h = mix(h, x->noise);
  for (uint8_t i = 0; i < x->shape.rank; i++) h = mix(h, x->shape.dim[i].i);
  h = mix_ratio(h, x->c);
  for (uint32_t i = 0; i < x->n; i++) h = mix_ratio(mix(h, term[i].of.i), term[i].k);
  for (uint32_t i = 0; i < x->nattr; i++) h = mix(h, (uint64_t)attr[i]);
  return hash_mix(h);
}

static bool same(const Value *a, const Value *b, const Term *term, const int64_t *attr) {
  if (a->kind != b->kind || a->op != b->op || a->dtype != b->dtype || a->n != b->n || a->nattr != b->nattr ||
      a->undefined != b->undefined || a->infinite != b->infinite || a->noise != b->noise ||
      a->c.p != b->c.p || a->c.q != b->c.q || !shape_eq(&a->shape, &b->shape))
    return false;
  for (uint32_t i = 0; i < a->n; i++) {
    const Term *t = &a->term[i];
    if (!value_eq(t->of, term[i].of) || t->k.p != term[i].k.p || t->k.q != term[i].k.q) return false;
  }
  for (uint32_t i = 0; i < a->nattr; i++)
    if (a->attr[i] != attr[i]) return false;
  return true;
}

static ValueId intern(Values *v, Value x, const Term *term, const int64_t *attr) {
  uint64_t key = key_of(&x, term, attr);
  for (;; key++) { /* equal hashes of unequal values: the next key */
    uint32_t id;
    if (!map_get(&v->index, key, &id)) break;
    const Value *have = value_at(v, (ValueId){id});
    if (!same(have, &x, term, attr)) continue;
    value_set_range(v, (ValueId){id}, interval_hull(have->range, x.range)); /* as calculated here, too */
    return (ValueId){id};
  }
  for (uint32_t i = 0; i < x.n; i++) {
    uint8_t depth = value_at(v, term[i].of)->depth;
    if (depth > x.depth) x.depth = depth;
  }
  Term *own_term = ARENA_ARRAY(v->arena, Term, x.n);
  int64_t *own_attr = ARENA_ARRAY(v->arena, int64_t, x.nattr);
  for (uint32_t i = 0; i < x.n; i++) own_term[i] = term[i];
  for (uint32_t i = 0; i < x.nattr; i++) own_attr[i] = attr[i];
  x.term = own_term;
  x.attr = own_attr;
  if (v->n % VALUE_CHUNK == 0) VEC_PUSH(v->arena, &v->chunk, ARENA_ARRAY(v->arena, Value, VALUE_CHUNK));
  v->chunk.at[v->n / VALUE_CHUNK][v->n % VALUE_CHUNK] = x;
  map_put(&v->index, key, v->n);
  return (ValueId){v->n++};
}

void value_set_range(Values *v, ValueId id, Interval range) {
  v->chunk.at[id.i / VALUE_CHUNK][id.i % VALUE_CHUNK].range = range;
}

bool value_is(const Values *v, ValueId id, double x) {
  const Value *a = value_at(v, id);
  return value_is_const(v, id) && !a->undefined && !a->infinite && a->c.p == x * a->c.q;
}

static ValueId literal(Values *v, DType t, Ratio c) {
  Value x = {.kind = VALUE_SUM, .dtype = value_dtype(t), .c = c};
  x.range = interval_add(interval_point(ratio_number(c)), interval_point(0)); /* what it is rounded to, too */
  return intern(v, x, NULL, NULL);
}
ValueId value_ratio(Values *v, Ratio c) { return literal(v, DT_F64, c); }

ValueId value_const(Values *v, DType t, double x) {
  if (isfinite(x)) return literal(v, t, ratio_of(x + 0.0, 1));
  if (isnan(x)) return value_undefined(v, t, (Shape){0});
  int64_t sign = x > 0;
  Value inf = {.kind = VALUE_OP, .op = OP_CONST, .dtype = value_dtype(t), .infinite = true, .nattr = 1};
  inf.range = interval_all();
  return intern(v, inf, NULL, &sign);
}

ValueId value_noisy(Values *v, ValueId a) {
  Value x = *value_at(v, a);
  if (!value_is_const(v, a) || x.noise || x.dtype != DT_F64) return a;
  x.noise = true;
  x.range = interval_all();
  return intern(v, x, NULL, NULL);
}

static ValueId unique(Values *v, DType t, Shape s, bool undefined) {
  int64_t id = v->fresh++;
  Value x = {
      .kind = VALUE_OP, .op = OP_COTANGENT, .dtype = value_dtype(t), .undefined = undefined, .nattr = 1};
  x.shape = s;
  x.depth = v->depth;
  x.range = interval_all();
  return intern(v, x, NULL, &id);
}
ValueId value_unknown(Values *v, DType t, Shape s) { return unique(v, t, s, false); }
ValueId value_undefined(Values *v, DType t, Shape s) { return unique(v, t, s, true); }

/* What becomes of a written infinity. */
typedef enum { INF_ENDS, INF_STAYS, INF_BREAKS } Infinite;
static Infinite infinite(Op op) {
  switch (op) {
  case OP_SOFTMAX:
  case OP_LOGSUMEXP:
  case OP_EXP:
  case OP_SIGMOID:
  case OP_TANH:
  case OP_ERF:
  case OP_SIGN:
  case OP_EQ:
  case OP_NE:
  case OP_LT:
  case OP_LE:
  case OP_ARGMAX:
  case OP_ARGMIN: return INF_ENDS;
  case OP_WHERE:
  case OP_MAXIMUM:
  case OP_MINIMUM:
  case OP_MAX:
  case OP_MIN:
  case OP_RELU:
  case OP_ABS:
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_CONCAT:
  case OP_REVERSE:
  case OP_LOG_SOFTMAX:
  case OP_MAX_POOL2D: return INF_STAYS;
  default: return INF_BREAKS; /* default: no number to calculate with */
  }
}

ValueId value_op(Values *v, Op op, DType t, const ValueId *in, uint32_t nin, const int64_t *attr,
                 uint32_t nattr, Shape s, Interval range) {
  Value x = {.kind = VALUE_OP, .op = op, .dtype = value_dtype(t), .n = nin, .nattr = nattr, .shape = s};
  x.range = range;
  if (op == OP_PARAM) x.depth = v->depth;
  bool inf = false;
  Term small[8], *term = nin <= 8 ? small : ARENA_ARRAY(v->arena, Term, nin);
  shape_trim(v, &x.shape);
  for (uint32_t i = 0; i < nin; i++) {
    term[i] = (Term){in[i], ratio(1)};
    if (value_at(v, in[i])->undefined) return value_undefined(v, t, x.shape);
    inf |= value_at(v, in[i])->infinite;
  }
  Infinite what = inf ? infinite(op) : INF_ENDS;
  if (what == INF_BREAKS) return value_undefined(v, t, x.shape);
  x.infinite = what == INF_STAYS;
  if (x.infinite) x.range = interval_all();
  return intern(v, x, term, attr);
}

/* ---- sums */

typedef struct Build { /* terms in ascending order, like ones together */
  Values *v;
  Term t[VALUE_TERMS + 1];
  double size[VALUE_TERMS + 1]; /* of all factors that were added up to the term's */
  uint32_t n;
  Ratio c;
  double c_size;
  Interval direct; /* of the one sum or product that is calculated, of its operands as they are */
  Shape gone;      /* of terms that cancelled, by rounding not to the last bit */
  bool full, bad;  /* too many; an infinity less an infinity */
  bool lost;       /* a factor that no double holds, or a term that cancelled */
  bool merged;     /* what is one term was several, or cancelled */
  bool noise;      /* something cancelled, here or in an operand */
} Build;

static void put(Build *b, ValueId of, Ratio k) {
  uint32_t i = 0;
  b->lost |= isnan(k.p);
  while (i < b->n && b->t[i].of.i < of.i) i++;
  if (i < b->n && value_eq(b->t[i].of, of)) {
    b->t[i].k = ratio_add(b->t[i].k, k);
    b->size[i] += fabs(ratio_number(k));
    b->merged = true;
    b->lost |= isnan(b->t[i].k.p);
    if (b->t[i].k.p != 0) return;
    b->bad |= value_at(b->v, of)->infinite;
    b->noise = true;
    if (b->v->exact) { /* x (1 / x) is not always 1, nor is x + y - x always y */
      b->lost = true;
      b->gone = shape_union(b->v, &b->gone, &value_at(b->v, of)->shape);
    }
    b->n--;
    for (uint32_t j = i; j < b->n; j++) {
      b->t[j] = b->t[j + 1];
      b->size[j] = b->size[j + 1];
    }
    return;
  }
  if (b->n == VALUE_TERMS) {
    b->full = true;
    return;
  }
  for (uint32_t j = b->n++; j > i; j--) {
    b->t[j] = b->t[j - 1];
    b->size[j] = b->size[j - 1];
  }
  b->t[i] = (Term){of, k};
  b->size[i] = fabs(ratio_number(k));
}

/* Numbers that floats count with: their sums are exact. */
static bool counts(Ratio r) { return r.q == 1 && r.p == floor(r.p) && fabs(r.p) < 0x1p24; }

static void put_sum(Build *b, ValueId a, Ratio k) {
  const Value *x = value_at(b->v, a);
  if (x->kind != VALUE_SUM) {
    put(b, a, k);
    return;
  }
  Ratio c = ratio_mul(k, x->c), was = b->c;
  b->noise |= x->noise;
  b->c = ratio_add(b->c, c);
  b->c_size += fabs(ratio_number(c));
  b->merged |= was.p != 0 && c.p != 0; /* x + 3 - 3 */
  b->lost |= isnan(b->c.p);
  b->lost |= b->v->exact && b->c.p == 0 && (was.p != 0 || c.p != 0) && !(counts(was) && counts(c));
  for (uint32_t i = 0; i < x->n && !b->full; i++) {
    const Term *t = value_term(b->v, a, i);
    put(b, t->of, ratio_mul(k, t->k));
  }
}

/* Of what cancelled: a number, but none that is known. */
static ValueId lost(const Build *b, Shape s) {
  ValueId r = value_unknown(b->v, DT_F64, shape_union(b->v, &s, &b->gone));
  value_set_range(b->v, r, b->direct);
  return r;
}

/* Of the terms, added up in an order that is not known. */
static Interval sum_range(const Build *b) {
  double lo = b->c_size, hi = b->c_size; /* of all that is added up to an end */
  Interval r = interval_point(ratio_number(b->c));
  for (uint32_t i = 0; i < b->n; i++) {
    double k = ratio_number(b->t[i].k);
    Interval x = value_at(b->v, b->t[i].of)->range;
    r = interval_add(r, interval_scale(x, k));
    lo += b->size[i] * fabs(k < 0 ? x.hi : x.lo);
    hi += b->size[i] * fabs(k < 0 ? x.lo : x.hi);
  }
  return interval_of(isinf(lo) ? -INFINITY : r.lo - ROUNDED * lo, isinf(hi) ? INFINITY : r.hi + ROUNDED * hi);
}

/* The only term with the factor or exponent 1: it is all of it, where nothing was rounded on the way. */
static bool only(const Build *b) {
  bool rounded = b->v->exact && b->merged; /* the square of a root */
  return b->n == 1 && b->t[0].k.p == 1 && b->t[0].k.q == 1 && !b->bad && !rounded;
}

static ValueId literal_of(const Build *b, Ratio c) {
  ValueId r = value_ratio(b->v, c);
  return b->noise ? value_noisy(b->v, r) : r;
}

static ValueId finish_sum(Build *b) {
  Values *v = b->v;
  if (!b->n && b->lost && !b->bad) return lost(b, (Shape){0});
  if (!b->n) return b->bad ? value_undefined(v, DT_F64, (Shape){0}) : literal_of(b, b->c);
  if (b->c.p == 0 && only(b)) return b->t[0].of;
  Value x = {.kind = VALUE_SUM, .dtype = DT_F64, .n = b->n, .c = b->c};
  for (uint32_t i = 0; i < b->n; i++) {
    const Value *t = value_at(v, b->t[i].of);
    b->bad |= t->undefined;
    x.infinite |= t->infinite;
    x.shape = shape_union(v, &x.shape, &t->shape);
  }
  if (b->bad) return value_undefined(v, DT_F64, x.shape);
  if (b->lost) return lost(b, x.shape);
  x.range = x.infinite ? interval_all() : interval_meet(b->direct, sum_range(b));
  return intern(v, x, b->t, NULL);
}

ValueId value_add(Values *v, ValueId a, Ratio ka, ValueId b, Ratio kb) {
  if (value_at(v, a)->undefined || value_at(v, b)->undefined)
    return value_undefined(v, DT_F64, shape_union(v, &value_at(v, a)->shape, &value_at(v, b)->shape));
  Interval direct = interval_add(interval_scale(value_at(v, a)->range, ratio_number(ka)),
                                 interval_scale(value_at(v, b)->range, ratio_number(kb)));
  Build s = {.v = v, .c = {0, 1}, .direct = direct};
  put_sum(&s, a, ka);
  put_sum(&s, b, kb);
  if (s.full) {
    s = (Build){.v = v, .c = {0, 1}, .direct = direct};
    put(&s, a, ka);
    put(&s, b, kb);
  }
  return finish_sum(&s);
}

ValueId value_scale(Values *v, ValueId a, Ratio k) {
  const Value *x = value_at(v, a);
  if (k.p == 0) return x->undefined || x->infinite ? value_undefined(v, DT_F64, x->shape) : value_ratio(v, k);
  return value_add(v, a, k, value_ratio(v, ratio(0)), ratio(1));
}

ValueId value_factor(Values *v, ValueId a, Ratio *k) {
  const Value *x = value_at(v, a);
  *k = ratio(1);
  if (x->kind != VALUE_SUM || x->n != 1 || x->c.p != 0) return a;
  *k = value_term(v, a, 0)->k;
  return value_term(v, a, 0)->of;
}

void value_split(Values *v, ValueId a, uint32_t mask, ValueId *flat, ValueId *rest) {
  Value x = *value_at(v, a);
  *flat = value_ratio(v, ratio(0));
  *rest = a;
  if (x.undefined || x.infinite || x.kind != VALUE_SUM) {
    if (value_flat_along(v, a, mask) && !x.undefined && !x.infinite)
      *flat = a, *rest = value_ratio(v, ratio(0));
    return;
  }
  Build f = {.v = v, .c = x.c, .direct = interval_all()}, r = {.v = v, .c = {0, 1}, .direct = interval_all()};
  f.c_size = fabs(ratio_number(x.c));
  f.noise = x.noise;
  for (uint32_t i = 0; i < x.n; i++) {
    Term t = *value_term(v, a, i);
    put(value_flat_along(v, t.of, mask) ? &f : &r, t.of, t.k);
  }
  *flat = finish_sum(&f);
  *rest = finish_sum(&r);
}

/* ---- products */

static bool even(Ratio e) { return e.q == 1 && fmod(e.p, 2) == 0; }

static void put_product(Build *b, ValueId a, Ratio e) {
  Values *v = b->v;
  const Value *x = value_at(v, a);
  if (x->kind == VALUE_PRODUCT && e.q == 1 &&
      e.p == floor(e.p)) { /* a root of it is not that of its factors */
    for (uint32_t i = 0; i < x->n && !b->full; i++) {
      const Term *t = value_term(v, a, i);
      put(b, t->of, ratio_mul(e, t->k));
    }
  } else {
    put(b, a, e);
  }
}

static ValueId finish_product(Build *b) {
  Values *v = b->v;
  if (!b->n && b->lost && !b->bad) return lost(b, (Shape){0});
  if (!b->n) return b->bad ? value_undefined(v, DT_F64, (Shape){0}) : literal_of(b, ratio(1));
  if (only(b)) return b->t[0].of;
  Value x = {.kind = VALUE_PRODUCT, .dtype = DT_F64, .n = b->n, .c = {1, 1}};
  x.range = interval_point(1);
  for (uint32_t i = 0; i < b->n; i++) {
    const Value *t = value_at(v, b->t[i].of);
    b->bad |= t->undefined;
    x.infinite |= t->infinite;
    x.shape = shape_union(v, &x.shape, &t->shape);
    x.range = interval_mul(x.range, interval_power(t->range, ratio_number(b->t[i].k)));
  }
  if (b->bad || x.infinite) return value_undefined(v, DT_F64, x.shape);
  if (b->lost) return lost(b, x.shape);
  x.range = interval_meet(b->direct, interval_widen(x.range, ROUNDED)); /* in an order that is not known */
  return intern(v, x, b->t, NULL);
}

ValueId value_mul(Values *v, ValueId a, ValueId b) {
  const Value *x = value_at(v, a), *y = value_at(v, b);
  if (x->undefined || y->undefined) return value_undefined(v, DT_F64, shape_union(v, &x->shape, &y->shape));
  if (value_is_const(v, a) || value_is_const(v, b)) {
    bool noise = x->noise || y->noise;
    ValueId r = value_is_const(v, a) ? value_scale(v, b, x->c) : value_scale(v, a, y->c);
    return noise ? value_noisy(v, r) : r;
  }
  Ratio ka, kb;
  a = value_factor(v, a, &ka);
  b = value_factor(v, b, &kb);
  Interval direct = interval_mul(value_at(v, a)->range, value_at(v, b)->range);
  Build p = {.v = v, .c = {0, 1}, .direct = direct};
  put_product(&p, a, ratio(1));
  put_product(&p, b, ratio(1));
  if (p.full) {
    p = (Build){.v = v, .c = {0, 1}, .direct = direct};
    put(&p, a, ratio(1));
    put(&p, b, ratio(1));
  }
  return value_scale(v, finish_product(&p), ratio_mul(ka, kb));
}

static ValueId magnitude(Values *v, ValueId a) {
  Value x = *value_at(v, a);
  if (x.range.lo >= 0) return a;
  return value_op(v, OP_ABS, DT_F64, &a, 1, NULL, 0, x.shape,
                  interval_power(interval_power(x.range, 2), 0.5));
}

/* Of one factor with its exponent: (f^m)^e. */
static void put_power(Build *b, Term f, Ratio e) {
  if (e.q != 1 || e.p != floor(e.p)) {
    if (even(f.k)) f.of = magnitude(b->v, f.of);
  } else if (even(e) && value_at(b->v, f.of)->kind == VALUE_OP && value_at(b->v, f.of)->op == OP_ABS) {
    f.of = value_term(b->v, f.of, 0)->of;
  }
  b->merged |= f.k.p != 1 || f.k.q != 1;
  put_product(b, f.of, ratio_mul(f.k, e));
}

ValueId value_power(Values *v, ValueId a, Ratio e) {
  Value x = *value_at(v, a);
  bool integer = e.q == 1 && e.p == floor(e.p);
  if (x.undefined || x.infinite) return value_undefined(v, DT_F64, x.shape);
  if (value_is_const(v, a)) {
    if ((x.c.p == 0 && e.p < 0) || (x.c.p < 0 && !integer)) return value_undefined(v, DT_F64, x.shape);
    Ratio r = e.p == -1 && integer ? ratio_inverse(x.c) : ratio_power(x.c, e);
    if (isnan(r.p)) return value_unknown(v, DT_F64, x.shape);
    return x.noise ? value_noisy(v, value_ratio(v, r)) : value_ratio(v, r);
  }
  if (e.p == 0) return value_ratio(v, ratio(1));
  Ratio k;
  ValueId f = value_factor(v, a, &k);
  Interval direct = interval_power(value_at(v, f)->range, ratio_number(e));
  Build p = {.v = v, .c = {0, 1}, .direct = direct};
  if (!integer) { /* of a number below 0 it is not defined: only what is known to be none comes out */
    const Value *y = value_at(v, f);
    bool apart = k.p > 0;
    for (uint32_t i = 0; i < y->n && y->kind == VALUE_PRODUCT; i++) {
      const Term *t = value_term(v, f, i);
      apart &= even(t->k) || value_at(v, t->of)->range.lo >= 0;
    }
    if (!apart) f = a, k = ratio(1), p.direct = interval_power(x.range, ratio_number(e));
    if (!apart) put(&p, f, e);
  }
  if (!p.n) {
    Value y = *value_at(v, f);
    for (uint32_t i = 0; i < y.n && y.kind == VALUE_PRODUCT; i++) put_power(&p, *value_term(v, f, i), e);
    if (y.kind != VALUE_PRODUCT) put_power(&p, (Term){f, ratio(1)}, e);
    if (p.full) {
      p = (Build){.v = v, .c = {0, 1}, .direct = direct};
      put(&p, f, e);
    }
  }
  ValueId r = finish_product(&p);
  if (k.p == 1 && k.q == 1) return r;
  return value_scale(v, r, integer && e.p == -1 ? ratio_inverse(k) : ratio_power(k, e));
}
