#include "passes/diagnose/signature.h"

#include "base/hash.h"

#include <math.h>

static const Type *type(const SigNode *s) { return &graph_node(s->g, s->n)->type; }
static const Type *type_in(const SigNode *s, uint32_t k) {
  return &graph_node(s->g, graph_in(s->g, s->n)[k])->type;
}
static ValueId value_in(const SigNode *s, uint32_t k) { return s->of[graph_in(s->g, s->n)[k].i]; }
static int64_t attr(const SigNode *s, uint32_t k) { return graph_attr(s->g, s->n)[k]; }
static uint32_t bit(uint32_t axis) { return UINT32_C(1) << axis; }

uint32_t sig_ones(const Values *v, const Type *t) {
  uint32_t mask = 0xff;
  for (uint32_t i = 0; i < t->rank; i++)
    if (!shape_one(v, t->dim[i])) mask &= ~bit((uint32_t)t->rank - 1 - i);
  return mask;
}

static uint64_t join(uint64_t w, uint64_t with) {
  return hash_mix(hash_mix(w) ^ (with * 0x9e3779b97f4a7c15u));
}
/* Identity, where w is not constant. */
static uint32_t own_map(uint32_t axes) {
  uint32_t map = 0;
  for (uint32_t k = 0; k < MAX_RANK; k++) map |= (axes >> k & 1 ? 15 : k) << (4 * k);
  return map;
}
void sig_rebase(Sig *a, uint64_t with) {
  a->w = join(join(a->w, a->map), with);
  a->map = own_map(a->axes);
}
/* The same w, at the same axes. */
static bool same_w(const Sig *a, const Sig *b) {
  uint32_t free = 0;
  for (uint32_t k = 0; k < MAX_RANK; k++)
    if (!(a->axes >> k & 1)) free |= UINT32_C(15) << (4 * k);
  return a->w == b->w && a->axes == b->axes && ((a->map ^ b->map) & free) == 0;
}

Sig sig_fresh(const SigNode *s, uint32_t axes) {
  axes |= sig_ones(s->v, type(s));
  Sig r = {.kind = SIG_SHIFT, .axes = axes, .w = join(s->n.i, 77), .map = own_map(axes), .k = {1, 1}};
  r.depth = values_depth(s->v, s->g, graph_node(s->g, s->n)->region);
  return r;
}

Sig sig_start(const Values *v, const Type *t, SigKind kind) {
  uint32_t axes = sig_ones(v, t);
  return (Sig){.kind = kind, .axes = axes, .w = 1, .map = own_map(axes), .k = {1, 1}};
}

/* Any elementwise function: its slopes are constant where all operands are. */
static Sig elementwise(const SigNode *s) {
  uint32_t axes = 0xff;
  for (uint32_t i = 0; i < graph_node(s->g, s->n)->nin; i++) {
    if (s->in[i].kind == SIG_ANY || s->in[i].masked) return sig_any();
    if (s->in[i].kind != SIG_NONE) axes &= s->in[i].axes;
    axes &= value_flat_axes(s->v, value_in(s, i));
  }
  return sig_fresh(s, axes);
}

bool sig_same(const Sig *a, const Sig *b) {
  return a->kind == b->kind && same_w(a, b) && a->k.p == b->k.p && a->k.q == b->k.q;
}

static Sig add(const SigNode *s, double sign) {
  Sig a = s->in[0], b = s->in[1];
  b.k = ratio_mul(b.k, ratio(sign));
  if (b.kind == SIG_NONE) return a.kind == SIG_SHIFT ? a : elementwise(s);
  if (a.kind == SIG_NONE) return b.kind == SIG_SHIFT ? b : elementwise(s);
  if (a.masked || b.masked) return sig_any();
  if (a.kind == SIG_SCALE && sig_same(&a, &s->in[1])) return a; /* (x + y) times the same */
  if (a.kind != SIG_SHIFT || b.kind != SIG_SHIFT) return elementwise(s);
  if (!same_w(&a, &b)) return sig_fresh(s, a.axes & b.axes);
  a.k = ratio_add(a.k, b.k);
  a.axes |= b.axes;
  return a.k.p == 0 ? sig_none() : a;
}

static Sig times(const SigNode *s, uint32_t k, bool inverse) {
  Sig a = s->in[k];
  ValueId f = value_in(s, 1 - k);
  const Value *x = value_at(s->v, f);
  if (value_is_zero(s->v, f)) return inverse ? sig_any() : sig_none();
  if (a.kind == SIG_SCALE) return a;
  if (a.kind != SIG_SHIFT) return sig_any();
  if (value_is_const(s->v, f)) {
    a.k = ratio_mul(a.k, inverse ? ratio_inverse(x->c) : x->c);
    return a;
  }
  if (a.masked) return sig_any();
  uint32_t axes = a.axes;
  a.axes &= value_flat_axes(s->v, f);
  sig_rebase(&a, (uint64_t)f.i * 2 + inverse);
  if (x->depth > a.depth) a.depth = x->depth;
  if (!inverse) a.times_axes = axes, a.times = f;
  return a;
}

/* Of a product or quotient of two that change. */
static Sig product(const SigNode *s, bool quotient) {
  Sig a = s->in[0], b = s->in[1];
  if (b.kind == SIG_NONE) return times(s, 0, quotient);
  if (quotient) b.k = ratio_mul(b.k, ratio(-1));
  if (a.kind == SIG_NONE) return !quotient ? times(s, 1, false) : b.kind == SIG_SCALE ? b : elementwise(s);
  if (a.kind != SIG_SCALE || b.kind != SIG_SCALE) return elementwise(s);
  if (same_w(&a, &b)) {
    a.axes |= b.axes;
    a.k = ratio_add(a.k, b.k);
    return a.k.p == 0 ? sig_none() : a;
  }
  Sig r = sig_fresh(s, a.axes & b.axes);
  r.kind = SIG_SCALE;
  return r;
}

static Sig power(const SigNode *s, Ratio e) {
  Sig a = s->in[0];
  if (a.kind == SIG_SHIFT && !a.masked && e.p == 2 && e.q == 1) { /* 2 x w */
    Sig r = elementwise(s);
    r.times_axes = a.axes;
    r.times = value_in(s, 0);
    return r;
  }
  if (a.kind != SIG_SCALE) return elementwise(s);
  a.k = ratio_mul(a.k, e);
  return a;
}

static Sig where(const SigNode *s) {
  Sig a = s->in[1], b = s->in[2];
  for (uint32_t k = 1; k < 3; k++) { /* a written -infinity, or 0, may change as it likes */
    const Value *o = value_at(s->v, value_in(s, 3 - k));
    Sig x = s->in[k];
    if (s->in[3 - k].kind != SIG_NONE) continue;
    if (x.kind == SIG_SHIFT && o->kind == VALUE_OP && o->op == OP_CONST && o->attr[0] == 0) {
      x.masked = true;
      return x;
    }
    if (x.kind == SIG_SCALE && value_is_zero(s->v, value_in(s, 3 - k))) return x;
  }
  if (sig_same(&a, &b)) {
    a.masked |= b.masked;
    a.axes |= b.axes;
    return a;
  }
  if (a.masked || b.masked || a.kind == SIG_ANY || b.kind == SIG_ANY) return sig_any();
  if (a.kind == SIG_SCALE || b.kind == SIG_SCALE) return elementwise(s);
  uint32_t axes = value_flat_axes(s->v, value_in(s, 0));
  for (uint32_t k = 1; k < 3; k++)
    if (s->in[k].kind == SIG_SHIFT) axes &= s->in[k].axes;
  return sig_fresh(s, axes);
}

static Sig scalar(const SigNode *s) {
  Op op = node_op(s->g, s->n);
  Sig a = s->in[0];
  switch (op) {
  case OP_ADD: return add(s, 1);
  case OP_SUB: return add(s, -1);
  case OP_MUL: return product(s, false);
  case OP_DIV: return product(s, true);
  case OP_WHERE: return where(s);
  case OP_CAST: return a;
  case OP_NEG:
    if (a.kind == SIG_SHIFT) a.k = ratio_mul(a.k, ratio(-1));
    return a;
  case OP_ABS:
  case OP_RELU: return a.kind == SIG_SCALE ? a : elementwise(s);
  case OP_SQUARE: return power(s, ratio(2));
  case OP_SQRT: return power(s, (Ratio){1, 2});
  case OP_RSQRT: return power(s, (Ratio){-1, 2});
  case OP_POW: {
    ValueId e = value_in(s, 1);
    return s->in[1].kind == SIG_NONE && value_is_const(s->v, e) ? power(s, value_at(s->v, e)->c)
                                                                : elementwise(s);
  }
  case OP_EXP:
    if (a.kind != SIG_SHIFT) return elementwise(s);
    a.kind = SIG_SCALE;
    a.masked = false; /* 0 there */
    return a;
  case OP_LOG:
    if (a.kind != SIG_SCALE) return elementwise(s);
    a.kind = SIG_SHIFT;
    return a;
  case OP_MAXIMUM:
  case OP_MINIMUM: return sig_same(&a, &s->in[1]) && !a.masked ? a : elementwise(s);
  default: return elementwise(s); /* default: any function */
  }
}

/* ---- the others, over axes from the last */

static uint32_t reduced(const SigNode *s) {
  const Type *t = type_in(s, 0);
  uint32_t m = 0;
  for (uint32_t i = 0; i < t->rank; i++)
    if (attr(s, 0) >> i & 1) m |= bit((uint32_t)t->rank - 1 - i);
  return m;
}

static bool within(uint32_t mask, uint32_t axes) { return (mask & ~axes) == 0; }

/* The sum of a factor over these axes is 0, as that of centred values is. */
static bool sums_to_zero(const SigNode *s, ValueId f, uint32_t m) {
  const Type *t = type_in(s, 0);
  for (uint32_t i = 0; i < t->rank; i++)
    if (m >> (t->rank - 1 - i) & 1) f = value_sum_axis(s->v, f, (uint32_t)t->rank - 1 - i, t->dim[i]);
  return value_is_zero(s->v, f);
}

static Sig sum(const SigNode *s, bool mean) {
  Sig a = s->in[0];
  uint32_t m = reduced(s);
  const Type *t = type_in(s, 0);
  if (a.kind == SIG_ANY || a.masked) return sig_any();
  if (a.kind == SIG_SCALE) {
    if (within(m, a.axes)) return a;
    return sig_fresh(s, a.axes & value_flat_axes(s->v, value_in(s, 0)));
  }
  if (a.times_axes && within(m, a.times_axes) && sums_to_zero(s, a.times, m)) return sig_none();
  a.times_axes = 0;
  if (!within(m, a.axes)) {
    sig_rebase(&a, (uint64_t)m << 1 | mean);
    a.axes |= m;
    a.map = own_map(a.axes);
    return a;
  }
  a.axes |= m;
  for (uint32_t i = 0; i < t->rank && !mean; i++) {
    int64_t e;
    if (!(attr(s, 0) >> i & 1)) continue;
    if (dim_is_const(s->v->p->dims, t->dim[i], &e))
      a.k = ratio_mul(a.k, ratio((double)e));
    else
      sig_rebase(&a, (uint64_t)t->dim[i].i << 8);
  }
  return a;
}

static Sig extreme(const SigNode *s) {
  Sig a = s->in[0];
  uint32_t m = reduced(s);
  if (a.kind == SIG_ANY) return sig_any();
  if (!within(m, a.axes)) return a.masked ? sig_any() : sig_fresh(s, m);
  a.axes |= m;
  a.masked = false; /* a row of only -infinity apart, which is no number */
  return a;
}

static Sig row(const SigNode *s, uint32_t axis) {
  Sig a = s->in[0];
  Op op = node_op(s->g, s->n);
  if (a.kind == SIG_ANY) return sig_any();
  if (a.kind == SIG_SHIFT && (a.axes & bit(axis))) {
    if (op == OP_SOFTMAX) return sig_none();
    if (op == OP_LOG_SOFTMAX && !a.masked) return sig_none();
    if (op == OP_LOGSUMEXP) {
      a.masked = false;
      return a;
    }
  }
  if (a.masked) return sig_any();
  return sig_fresh(s, a.axes & value_flat_axes(s->v, value_in(s, 0)));
}

static Sig cross_entropy(const SigNode *s) {
  const Type *t = type_in(s, 0);
  int64_t n;
  Interval label = value_at(s->v, value_in(s, 1))->range;
  bool in =
      label.lo >= 0 && dim_is_const(s->v->p->dims, t->dim[t->rank - 1], &n) && label.hi <= (double)n - 1;
  if (s->in[0].kind == SIG_SHIFT && (s->in[0].axes & 1) && in && !s->in[0].masked) return sig_none();
  return sig_fresh(s, 0);
}

static Sig contract(const SigNode *s) {
  uint32_t axes = 0xff;
  bool both = s->in[0].kind != SIG_NONE && s->in[1].kind != SIG_NONE;
  for (uint32_t k = 0; k < 2; k++) {
    Sig a = s->in[k];
    bool t = attr(s, k) != 0;
    if (a.kind == SIG_NONE) continue;
    if (a.kind == SIG_ANY || a.masked) return sig_any();
    uint32_t other = value_flat_axes(s->v, value_in(s, 1 - k)), to = value_flat_axes(s->v, value_in(s, k));
    bool to_swapped = attr(s, 1 - k) != 0;
    uint32_t mine = k == 0 ? (t ? 0 : 1) : (t ? 1 : 0); /* the axis that stays, of this operand */
    uint32_t its = k == 0 ? (to_swapped ? 1 : 0) : (to_swapped ? 0 : 1); /* and of the other */
    uint32_t keep = (a.axes & other & ~3u) | (a.axes >> mine & 1 ? bit(k == 0 ? 1 : 0) : 0);
    if (a.kind == SIG_SCALE) {
      if (!both && (a.axes >> (1 - mine) & 1)) { /* the factor does not vary along what is summed */
        a.axes = (a.axes & ~3u) | (a.axes >> mine & 1 ? bit(k == 0 ? 1 : 0) : 0) | bit(k == 0 ? 0 : 1);
        uint32_t from = a.map >> (4 * mine) & 15, at = k == 0 ? 1 : 0;
        a.map = (a.map & ~UINT32_C(0xff)) | 0xff;
        a.map ^= (from ^ 15) << (4 * at);
        return a;
      }
      keep &= to | 3u;
      if (!(to >> mine & 1)) keep &= ~bit(k == 0 ? 1 : 0);
    }
    if (other >> its & 1) keep |= bit(k == 0 ? 0 : 1);
    axes &= keep;
  }
  Sig r = sig_fresh(s, axes);
  for (uint32_t k = 0; k < 2 && !both; k++) /* linear: the same for the same operands */
    if (s->in[k].kind == SIG_SHIFT) {
      uint64_t how =
          (uint64_t)value_in(s, 1 - k).i << 3 | k << 2 | (attr(s, 0) != 0) << 1 | (attr(s, 1) != 0);
      r.w = join(join(s->in[k].w, s->in[k].map), how);
      r.k = s->in[k].k;
    }
  return r;
}

/* Axis k is axis `from` of the operand (15: none). */
static uint32_t through(uint32_t map, uint32_t axes, int64_t from) {
  uint32_t r = 0;
  for (uint32_t k = 0; k < MAX_RANK; k++) {
    uint32_t f = (uint32_t)(from >> (4 * k) & 15);
    r |= ((axes >> k & 1) || f == 15 ? 15 : map >> (4 * f) & 15) << (4 * k);
  }
  return r;
}

static Sig moved(const SigNode *s) {
  Sig a = s->in[0];
  const Type *t = type(s);
  Op op = node_op(s->g, s->n);
  uint32_t axes = a.axes, axis = op == OP_SLICE || op == OP_PAD ? (uint32_t)(t->rank - 1 - attr(s, 0)) : 0;
  int64_t map = 0;
  if (a.kind == SIG_ANY) return sig_any();
  switch (op) {
  case OP_RESHAPE:
    if (value_reshape_axes(s->v, type_in(s, 0), t, &a.axes, &map)) {
      a.map = through(a.map, a.axes, map);
    } else {
      sig_rebase(&a,
                 hash_bytes(type_in(s, 0)->dim, sizeof t->dim, hash_bytes(t->dim, sizeof t->dim, t->rank)));
    }
    break;
  case OP_TRANSPOSE:
    a.axes = 0xff & ~(bit(t->rank) - 1);
    for (uint32_t k = 0; k < MAX_RANK; k++) {
      uint32_t from =
          k < t->rank ? (uint32_t)(t->rank - 1 - (attr(s, 0) >> (4 * (t->rank - 1 - k)) & 15)) : 15;
      map |= (int64_t)from << (4 * k);
      if (from < 15 && (axes >> from & 1)) a.axes |= bit(k);
    }
    a.map = through(a.map, a.axes, map);
    break;
  case OP_SLICE:
    if (!(axes >> axis & 1)) sig_rebase(&a, (uint64_t)attr(s, 1) << 20 | (uint64_t)attr(s, 2) << 8 | axis);
    break;
  case OP_REVERSE: sig_rebase(&a, (uint64_t)attr(s, 0) << 9); break;
  default: /* default: PAD; zeros change by no term, and by any factor */
    if (a.masked) return sig_any();
    if (a.kind == SIG_SHIFT) a.axes &= ~bit(axis);
    sig_rebase(&a, (uint64_t)attr(s, 1) << 20 | axis | UINT64_C(1) << 50);
    break;
  }
  a.axes |= sig_ones(s->v, t);
  return a;
}

static Sig concat(const SigNode *s) {
  uint32_t axes = 0xff;
  bool equal = true;
  for (uint32_t i = 0; i < graph_node(s->g, s->n)->nin; i++) {
    if (s->in[i].kind == SIG_ANY || s->in[i].kind == SIG_SCALE || s->in[i].masked) return sig_any();
    equal &= sig_same(&s->in[i], &s->in[0]);
    if (s->in[i].kind == SIG_SHIFT) axes &= s->in[i].axes;
  }
  uint32_t axis = bit((uint32_t)(type(s)->rank - 1 - attr(s, 0)));
  Sig r = s->in[0];
  if (equal && r.kind == SIG_SHIFT && (axes & axis)) {
    r.axes = axes;
    return r;
  }
  return sig_fresh(s, axes & ~axis);
}

static Sig pool(const SigNode *s, bool mean) {
  Sig a = s->in[0];
  if (a.kind == SIG_ANY || a.masked) return sig_any();
  bool padded = attr(s, 4) || attr(s, 5);
  if (within(3, a.axes) && !(mean && padded)) return a;
  if (a.kind == SIG_SHIFT && mean) return sig_fresh(s, a.axes & ~3u);
  return sig_fresh(s, a.axes & value_flat_axes(s->v, value_in(s, 0)) & ~3u);
}

/* Along the batch what neither operand varies along; of the image nothing. */
static Sig convolution(const SigNode *s) {
  Sig x = s->in[0], w = s->in[1];
  if (x.kind == SIG_ANY || w.kind == SIG_ANY || x.masked || w.masked) return sig_any();
  uint32_t axes = bit(3);
  if (x.kind == SIG_SHIFT) axes &= x.axes;
  if (x.kind == SIG_SCALE) axes &= x.axes & value_flat_axes(s->v, value_in(s, 0));
  if (w.kind != SIG_NONE) axes &= value_flat_axes(s->v, value_in(s, 0));
  return sig_fresh(s, axes);
}

static Sig of_node(const SigNode *s) {
  Op op = node_op(s->g, s->n);
  if (op_info[op].scalar) return scalar(s);
  switch (op) {
  case OP_BROADCAST:
  case OP_NAME:
  case OP_CHECKPOINT: return s->in[0];
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_PAD:
  case OP_REVERSE: return moved(s);
  case OP_CONCAT: return concat(s);
  case OP_SUM: return sum(s, false);
  case OP_MEAN: return sum(s, true);
  case OP_MAX:
  case OP_MIN: return extreme(s);
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_LOGSUMEXP: return row(s, (uint32_t)(type(s)->rank - 1 - attr(s, 0)));
  case OP_CROSS_ENTROPY: return cross_entropy(s);
  case OP_CONTRACT: return contract(s);
  case OP_CONV2D:
  case OP_CONV2D_DX: return convolution(s);
  case OP_MAX_POOL2D: return pool(s, false);
  case OP_AVG_POOL2D: return pool(s, true);
  default: return sig_any(); /* default: nothing is known of how it changes */
  }
}

Sig sig_node(const SigNode *s) {
  Sig r = of_node(s);
  Op op = node_op(s->g, s->n);
  if (op != OP_MUL && op != OP_SQUARE && op != OP_POW) r.times_axes = 0; /* holds for the next op only */
  return r;
}
