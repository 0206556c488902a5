/* Every fact about values against the interpreter: random graphs of random ops and their derivatives, on
 * random numbers and on numbers that meet kinks. A fact that a number violates is a defect. */
#include "ir/graph/body.h"
#include "ir/graph/region.h"
#include "passes/diagnose/slab.h"
#include "passes/pass.h"
#include "passes_fixture.h"

#include <math.h>

static Fix f;
static uint64_t state;

static uint32_t draw(uint32_t n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % n;
}

typedef struct Pool {
  NodeId at[64];
  uint32_t n;
} Pool;

static Type type_of(NodeId n) { return graph_node(f.b.g, n)->type; }
static int64_t extent(NodeId n, uint32_t axis) {
  int64_t e = 0;
  ck_assert(dim_is_const(f.p.dims, type_of(n).dim[axis], &e));
  return e;
}
static NodeId pick(const Pool *p, bool boolean) {
  for (uint32_t turn = 0; turn < 200; turn++) {
    NodeId n = p->at[draw(p->n)];
    if ((type_of(n).dtype == DT_BOOL) == boolean) return n;
  }
  return p->at[0];
}
static void keep(Pool *p, NodeId n) {
  if (p->n < 60) p->at[p->n++] = n;
}

/* Two operands of one shape, stretched where they can be. */
static bool pair(const Pool *p, NodeId *x, NodeId *y) {
  for (uint32_t turn = 0; turn < 20; turn++) {
    *x = pick(p, false);
    *y = pick(p, false);
    if (type_of(*x).rank < type_of(*y).rank) {
      NodeId t = *x;
      *x = *y;
      *y = t;
    }
    Type a = type_of(*x), b = type_of(*y), to = a;
    bool fits = true;
    for (uint32_t i = 0; i < b.rank; i++) {
      uint32_t k = a.rank - 1u - i, j = b.rank - 1u - i;
      int64_t ea = extent(*x, k), eb = extent(*y, j);
      fits &= ea == eb || ea == 1 || eb == 1;
      if (ea == 1) to.dim[k] = b.dim[j];
    }
    if (!fits) continue;
    *x = build_broadcast(&f.b, *x, to);
    *y = build_broadcast(&f.b, *y, to);
    return true;
  }
  return false;
}

static NodeId elementwise(const Pool *p) {
  static const Op one[] = {OP_NEG,   OP_ABS,   OP_SQUARE,  OP_SQRT,     OP_RSQRT, OP_EXP,
                           OP_LOG,   OP_TANH,  OP_SIGMOID, OP_SOFTPLUS, OP_RELU,  OP_SIGN,
                           OP_FLOOR, OP_ROUND, OP_ERF,     OP_SIN,      OP_EXPM1, OP_LOG1P};
  static const Op two[] = {OP_ADD,     OP_ADD,     OP_SUB, OP_SUB, OP_SUB, OP_MUL, OP_MUL, OP_DIV,
                           OP_MAXIMUM, OP_MINIMUM, OP_LT,  OP_LE,  OP_EQ,  OP_NE,  OP_POW, OP_MOD};
  NodeId x, y;
  if (draw(3) == 0) return fix_1(&f, one[draw(sizeof one / sizeof *one)], pick(p, false));
  if (!pair(p, &x, &y)) return NO_NODE;
  if (draw(8) == 0) {
    NodeId c = fix_2(&f, draw(2) ? OP_LT : OP_EQ, x, y);
    return build_scalar(&f.b, OP_WHERE, c, draw(2) ? x : fix_c(&f, x, 0), y);
  }
  if (draw(10) == 0) y = fix_c(&f, x, (double)draw(5) - 2);
  return fix_2(&f, two[draw(sizeof two / sizeof *two)], x, y);
}

static NodeId moved(const Pool *p) {
  NodeId x = pick(p, false);
  Type t = type_of(x);
  if (!t.rank) return NO_NODE;
  int axis = (int)draw(t.rank);
  int64_t n = extent(x, (uint32_t)axis);
  switch (draw(7)) {
  case 0: {
    uint8_t perm[MAX_RANK];
    for (uint8_t i = 0; i < t.rank; i++) perm[i] = (uint8_t)((i + 1) % t.rank);
    return build_transpose(&f.b, x, perm);
  }
  case 1: { /* all in one row, or an axis of extent 1 more */
    Type to = {.dtype = t.dtype, .rank = 1};
    to.dim[0] = type_count(f.p.dims, &t);
    if (draw(2) && t.rank < 5) {
      uint32_t at = draw(t.rank + 1u);
      to.rank = (uint8_t)(t.rank + 1);
      for (uint32_t i = 0; i < to.rank; i++)
        to.dim[i] = i == at ? dim_const(f.p.dims, 1) : t.dim[i > at ? i - 1 : i];
    } else if (draw(2) && t.rank > 1) { /* the first two together */
      to.rank = (uint8_t)(t.rank - 1);
      to.dim[0] = dim_mul(f.p.dims, t.dim[0], t.dim[1]);
      for (uint32_t i = 1; i < to.rank; i++) to.dim[i] = t.dim[i + 1];
    }
    return build_reshape(&f.b, x, to);
  }
  case 2:
    return build_slice(&f.b, x, axis, dim_const(f.p.dims, n > 1), 1, dim_const(f.p.dims, n > 1 ? n - 1 : n));
  case 3: {
    Type to = t;
    int64_t attr[4] = {axis, (int64_t)dim_const(f.p.dims, 1).i, (int64_t)dim_const(f.p.dims, 0).i, 1};
    to.dim[axis] = dim_const(f.p.dims, n + 1);
    return n < 6 ? build_op(&f.b, OP_PAD, &x, 1, attr, &to) : NO_NODE;
  }
  case 4: {
    int64_t axes = INT64_C(1) << axis;
    return build_op(&f.b, OP_REVERSE, &x, 1, &axes, &t);
  }
  case 5: {
    NodeId in[2] = {x, x};
    int64_t at = axis;
    if (n > 3) return NO_NODE;
    if (draw(2)) in[1] = fix_1(&f, OP_NEG, x);
    return build_op(&f.b, OP_CONCAT, in, 2, &at, NULL);
  }
  default: { /* a broadcast in front */
    Type to = t;
    if (t.rank > 3) return NO_NODE;
    to.rank = (uint8_t)(t.rank + 1);
    for (uint32_t i = 0; i < t.rank; i++) to.dim[i + 1] = t.dim[i];
    to.dim[0] = dim_const(f.p.dims, 2);
    return build_broadcast(&f.b, x, to);
  }
  }
}

static NodeId reduced(const Pool *p) {
  static const Op op[] = {OP_SUM, OP_MEAN, OP_MEAN, OP_MAX, OP_MIN, OP_PROD};
  NodeId x = pick(p, false), y = pick(p, false);
  Type t = type_of(x), u = type_of(y);
  if (!t.rank) return NO_NODE;
  int64_t axis = draw(t.rank);
  switch (draw(6)) {
  case 0: return build_op(&f.b, OP_SOFTMAX, &x, 1, &axis, &t);
  case 1: return build_op(&f.b, OP_LOG_SOFTMAX, &x, 1, &axis, &t);
  case 2: return build_op(&f.b, OP_LOGSUMEXP, &x, 1, &axis, NULL);
  case 3:
    if (t.rank != 2 || u.rank != 2) return NO_NODE;
    if (dim_eq(t.dim[1], u.dim[0])) return build_contract(&f.b, x, y, false, false);
    if (dim_eq(t.dim[0], u.dim[0])) return build_contract(&f.b, x, y, true, false);
    if (dim_eq(t.dim[1], u.dim[1])) return build_contract(&f.b, x, y, false, true);
    return NO_NODE;
  default: return build_reduce(&f.b, op[draw(sizeof op / sizeof *op)], x, 1u << axis);
  }
}

/* What takes dependence away: centred, normalised, over a sum. */
static NodeId library(const Pool *p) {
  NodeId x = pick(p, false), y = x, m;
  Type t = type_of(x);
  if (!t.rank) return NO_NODE;
  uint32_t axes = draw(3) ? 1u << draw(t.rank) : (1u << t.rank) - 1;
  switch (draw(5)) {
  case 0: m = build_reduce(&f.b, OP_MEAN, x, axes); break;
  case 1: m = build_reduce(&f.b, draw(2) ? OP_MAX : OP_MIN, x, axes); break;
  case 2: /* with a stopped mean in the spread */
    m = build_broadcast(&f.b, build_reduce(&f.b, OP_MEAN, x, axes), t);
    y = fix_2(&f, OP_SUB, x, m);
    x = fix_2(&f, OP_SUB, x, build_op(&f.b, OP_STOP, &m, 1, NULL, NULL));
    m = build_reduce(&f.b, OP_MEAN, fix_1(&f, OP_SQUARE, x), axes);
    m = fix_1(&f, OP_SQRT, fix_2(&f, OP_ADD, m, fix_c(&f, m, 0.01)));
    return fix_2(&f, OP_DIV, y, build_broadcast(&f.b, m, t));
  default:
    m = build_reduce(&f.b, OP_SUM, draw(2) ? fix_1(&f, OP_SQUARE, x) : fix_1(&f, OP_EXP, x), axes);
    if (draw(2)) m = fix_1(&f, OP_SQRT, m);
    return fix_2(&f, OP_DIV, draw(2) ? fix_1(&f, OP_EXP, x) : x, build_broadcast(&f.b, m, t));
  }
  if (draw(3) == 0) m = build_op(&f.b, OP_STOP, &m, 1, NULL, NULL);
  return fix_2(&f, OP_SUB, x, build_broadcast(&f.b, m, t));
}

static bool bodies; /* loops and choices, too */
static NodeId anything(Pool *p);

/* ---- bodies */

static Body *now; /* what is built into */

static NodeId fitted(NodeId x, Type to) { /* x, or its mean, in that type */
  Type t = type_of(x);
  bool fits = t.rank <= to.rank;
  for (uint32_t i = 0; i < t.rank && fits; i++) {
    DimId d = t.dim[t.rank - 1u - i];
    fits = dim_eq(d, to.dim[to.rank - 1u - i]) || dim_eq(d, dim_const(f.p.dims, 1));
  }
  return build_broadcast(&f.b, fits ? x : fix_mean(&f, x), to);
}

/* Random statements in a body that sees some of what is around. */
static void fill_body(Body *x, const Pool *around, Pool *q) {
  Body *own = now;
  NodeId seen[3];
  uint32_t n = draw(4);
  for (uint32_t i = 0; i < n; i++) seen[i] = pick(around, false);
  now = x;
  f.b.g = x->g;
  for (uint32_t i = 0; i < n; i++) keep(q, body_see(x, own, seen[i]));
  for (uint32_t i = 1 + draw(4); q->n && i-- > 0;) {
    NodeId y = anything(q);
    if (node_ok(y)) keep(q, y);
  }
}

static void leave_body(Body *own) {
  now = own;
  f.b.g = own->g;
}

static NodeId looped(Pool *p) {
  NodeId stack = pick(p, false), start[2], in[2], yield[5];
  LocationId nowhere = {0};
  Body *own = now;
  LoopShape shape = {.carry = draw(3), .reverse = draw(3) == 0, .trip = dim_const(f.p.dims, 1 + draw(4))};
  shape.step = type_of(stack).rank > 0 && type_of(stack).rank < 5 && draw(4);
  if (shape.step) shape.trip = type_of(stack).dim[0];
  for (uint32_t k = 0; k < shape.carry; k++) {
    start[k] = pick(p, false);
    if (draw(2)) start[k] = fix_c(&f, start[k], draw(3));
  }
  Body x = body_begin(own);
  Pool q = {.n = 0};
  for (uint32_t k = 0; k < shape.carry; k++) keep(&q, in[k] = body_carry(&x, start[k], nowhere));
  if (shape.step) keep(&q, body_step(&x, stack, nowhere));
  fill_body(&x, p, &q);
  uint32_t n = shape.carry;
  for (uint32_t k = 0; q.n && k < shape.carry; k++) {
    yield[k] = fitted(pick(&q, false), type_of(in[k]));
    if (draw(2)) yield[k] = fix_1(&f, OP_TANH, yield[k]);
    if (draw(3) == 0) yield[k] = fix_2(&f, OP_ADD, yield[k], in[k]);
  }
  for (uint32_t k = draw(3); q.n && k-- > 0;) {
    NodeId y = pick(&q, false);
    if (type_of(y).rank < 4) yield[n++] = y;
  }
  leave_body(own);
  if (!q.n || !n) return NO_NODE;
  NodeId loop = body_loop(&f.b, &x, yield, n, shape);
  for (uint32_t k = 1; k < n; k++) keep(p, build_result(&f.b, loop, k));
  return build_result(&f.b, loop, 0);
}

static NodeId either(Pool *p) {
  NodeId c = fix_mean(&f, pick(p, false)), yield[2][2];
  NodeId pred = fix_2(&f, OP_LT, c, fix_c(&f, c, (double)draw(5) - 2));
  Type to = type_of(pick(p, false));
  Body *own = now, x[2];
  uint32_t n = 1 + draw(2);
  for (int side = 0; side < 2; side++) {
    x[side] = body_begin(own);
    Pool q = {.n = 0};
    keep(&q, body_see(&x[side], own, c));
    fill_body(&x[side], p, &q);
    for (uint32_t k = 0; k < n; k++) {
      yield[side][k] = fitted(pick(&q, false), to);
      if (draw(3) == 0) yield[side][k] = fix_c(&f, yield[side][k], draw(2));
    }
    leave_body(own);
  }
  NodeId cond = body_cond(&f.b, (Body *[2]){&x[0], &x[1]}, pred, (const NodeId *[2]){yield[0], yield[1]}, n);
  if (n > 1) keep(p, build_result(&f.b, cond, 1));
  return build_result(&f.b, cond, 0);
}

static int depth;
static uint64_t loops_seen;

static NodeId with_body(Pool *p) {
  if (depth >= 2) return NO_NODE;
  depth++;
  NodeId r = draw(3) ? looped(p) : either(p);
  loops_seen += node_ok(r);
  depth--;
  return r;
}

static NodeId anything(Pool *p) {
  if (bodies && draw(4) == 0) return with_body(p);
  switch (draw(5)) {
  case 2: return library(p);
  case 0: return moved(p);
  case 1: return reduced(p);
  default: return elementwise(p);
  }
}

/* ---- the check */

enum { LEAVES = 5 };

/* Numbers that are no part of the domain, or that rounding decides. */
static bool doubtful(const Graph *g, const Interp *it, NodeId n) {
  const Tensor *t = &it->value[n.i];
  const NodeId *in = graph_in(g, n);
  Op op = node_op(g, n);
  if (t->dtype == DT_F64)
    for (size_t k = 0; k < t->count; k++)
      if (!(fabs(((double *)t->data)[k]) < 1e6)) return true;
  bool jumps = op == OP_LT || op == OP_LE || op == OP_EQ || op == OP_NE || op == OP_MOD;
  bool steps = op == OP_SIGN || op == OP_FLOOR || op == OP_ROUND || op == OP_CEIL;
  if (op == OP_DIV || op == OP_MOD || op == OP_POW || op == OP_LOG || op == OP_SQRT || op == OP_RSQRT ||
      steps) {
    const Tensor *y = &it->value[in[op == OP_DIV || op == OP_MOD].i];
    if (y->dtype != DT_F64) return false;
    for (size_t k = 0; k < y->count; k++) {
      double d = fabs(((double *)y->data)[k]);
      if (!steps && d < 1e-5) return true;
      if (steps && d != 0 && fabs(d - nearbyint(2 * d) / 2) < 1e-7 && d != nearbyint(2 * d) / 2) return true;
      if (steps && d != 0 && d < 1e-7) return true;
    }
  }
  if (jumps && it->value[in[0].i].dtype == DT_F64) { /* equal in the reals, and not quite by rounding */
    const Tensor *x = &it->value[in[0].i], *y = &it->value[in[1].i];
    for (size_t k = 0; k < x->count; k++) {
      double d = fabs(((double *)x->data)[k] - ((double *)y->data)[k]);
      if (d != 0 && d < 1e-7) return true;
      if (op == OP_MOD) {
        double q = ((double *)x->data)[k] / ((double *)y->data)[k];
        if (fabs(q - nearbyint(q)) < 1e-7) return true;
      }
    }
  }
  return false;
}

static double number(const Tensor *t, size_t k) {
  return t->dtype == DT_F64 ? ((double *)t->data)[k] : (double)((int32_t *)t->data)[k];
}

/* Element k of a tensor, at the place of it in a value's natural shape: the flat index of the first element
 * with the same coordinates along the axes that vary. */
static size_t representative(const Values *v, ValueId id, const Tensor *t, size_t k) {
  size_t r = 0, stride = 1;
  for (int axis = t->rank - 1; axis >= 0; axis--) {
    size_t e = (size_t)t->ext[axis];
    if (!value_flat(v, id, (uint32_t)(t->rank - 1 - axis))) r += k % e * stride;
    k /= e;
    stride *= e;
  }
  return r;
}

static bool near(double a, double b) { return fabs(a - b) <= 1e-7 * (1 + fabs(a) + fabs(b)); }

static void show(const Values *v, ValueId id, int depth) {
  const Value *x = value_at(v, id);
  static const char *kind[] = {"op", "sum", "product"};
  printf("# %*s v%u %s %s c=%g/%g n=%u [%g, %g] rank %u\n", depth * 2, "", id.i, kind[x->kind],
         x->kind == VALUE_OP ? op_info[x->op].name : "", x->c.p, x->c.q, x->n, x->range.lo, x->range.hi,
         x->shape.rank);
  for (uint32_t i = 0; i < x->n && depth < 9; i++) {
    printf("# %*s  k %g/%g\n", depth * 2, "", value_term(v, id, i)->k.p, value_term(v, id, i)->k.q);
    show(v, value_term(v, id, i)->of, depth + 1);
  }
}
static uint64_t seed_now;
static uint64_t facts_seen, constants_seen, shared_seen;

static void check_node(const Values *v, const Graph *g, const Interp *it, NodeId n, ValueId id,
                       const NodeId *first) {
  const Tensor *t = &it->value[n.i];
  const Value *x = value_at(v, id);
  const char *op = op_info[node_op(g, n)].name;
  if (t->dtype != DT_F64 && t->dtype != DT_BOOL) return;
  for (size_t k = 0; k < t->count; k++) {
    double e = number(t, k);
    if (!near(e, number(t, representative(v, id, t, k)))) {
      show(v, id, 0);
      Sb b;
      sb_init(&b, &f.arena);
      graph_print(g, &b);
      printf("# node %u\n" STRF, n.i, STRA(sb_str(&b)));
      fflush(stdout);
    }
    ck_assert_msg(near(e, number(t, representative(v, id, t, k))), "%s, seed %llu: varies along an axis", op,
                  (unsigned long long)seed_now);
    if (!(e >= x->range.lo - 1e-7 * (1 + fabs(e)) && e <= x->range.hi + 1e-7 * (1 + fabs(e)))) {
      printf("# seed %llu\n", (unsigned long long)seed_now);
      show(v, id, 0);
      fflush(stdout);
    }
    ck_assert_msg(e >= x->range.lo - 1e-7 * (1 + fabs(e)) && e <= x->range.hi + 1e-7 * (1 + fabs(e)),
                  "%s: %g outside [%g, %g]", op, e, x->range.lo, x->range.hi);
    if (value_is_const(v, id)) {
      ck_assert_msg(near(e, ratio_number(x->c)), "%s: %g, not %g", op, e, ratio_number(x->c));
      constants_seen++;
    }
    facts_seen++;
  }
  NodeId o = first[id.i]; /* equal numbers have equal natural elements, in one order */
  if (!node_ok(o) || node_eq(o, n)) return;
  const Tensor *u = &it->value[o.i];
  double a[256], b[256];
  size_t na = 0, nb = 0;
  for (size_t k = 0; k < t->count && na < 256; k++)
    if (representative(v, id, t, k) == k) a[na++] = number(t, k);
  for (size_t k = 0; k < u->count && nb < 256; k++)
    if (representative(v, id, u, k) == k) b[nb++] = number(u, k);
  ck_assert_uint_eq(na, nb);
  shared_seen++;
  for (size_t k = 0; k < na; k++)
    if (!near(a[k], b[k])) {
      printf("# seed %llu\n", (unsigned long long)seed_now);
      show(v, id, 0);
      fflush(stdout);
    }
  for (size_t k = 0; k < na; k++)
    ck_assert_msg(near(a[k], b[k]), "%s and %s: %g is not %g", op, op_info[node_op(g, o)].name, a[k], b[k]);
}

static void fill(Interp *it, bool kinks);

/* A run that is watched, node by node and step by step. */
typedef struct Watch {
  const Values *v; /* NULL: facts are not checked */
  const ValueId *of;
  bool *bad;             /* by node: made of what is doubtful, at some step */
  NodeId *first, *inner; /* by value: the first node that has it; in a body, that was met last */
  bool any;
  double most; /* that was calculated */
} Watch;

static void watch(Interp *it, NodeId n) {
  const Graph *g = it->graph;
  Watch *w = it->user;
  const Tensor *t = &it->value[n.i];
  for (size_t k = 0; t->data && t->dtype == DT_F64 && k < t->count; k++) {
    double x = fabs(number(t, k));
    w->most = x <= w->most ? w->most : isnan(x) ? (double)INFINITY : x;
  }
  for (uint32_t k = 0; k < graph_sources(g, n); k++) w->bad[n.i] |= w->bad[graph_source(g, n, k).i];
  if (graph_node(g, n)->type.dtype == DT_NONE) return;
  w->bad[n.i] |= doubtful(g, it, n);
  w->any |= w->bad[n.i];
  if (w->bad[n.i] || !w->v) return;
  uint32_t region = graph_node(g, n)->region;
  NodeId *first = &w->first[w->of[n.i].i], *inner = &w->inner[w->of[n.i].i];
  if (!region && !node_ok(*first)) *first = n;
  check_node(w->v, g, it, n, w->of[n.i], w->first);
  if (!region) return;
  if (node_ok(*inner) && graph_node(g, *inner)->region == region && inner->i < n.i)
    check_node(w->v, g, it, n, w->of[n.i], w->inner);
  else
    *inner = n;
}

static Watch watched(Interp *it, const Values *v, const ValueId *of) {
  Watch w = {.v = v, .of = of, .bad = ARENA_ARRAY(&f.arena, bool, it->graph->node.n), .most = 1};
  if (v) {
    w.first = ARENA_ARRAY(&f.arena, NodeId, v->n);
    w.inner = ARENA_ARRAY(&f.arena, NodeId, v->n);
    for (uint32_t i = 0; i < v->n; i++) w.first[i] = w.inner[i] = NO_NODE;
  }
  it->seen = watch;
  it->user = &w;
  ck_assert_int_eq(interp_run(it), ST_OK);
  return w;
}

static void check_graph(const Graph *g, bool kinks) {
  Interp it = {.graph = g, .mode = INTERP_F64, .arena = &f.arena};
  fill(&it, kinks);
  Values v;
  values_init(&v, &f.p, &f.arena);
  const ValueId *of = values_graph(&v, g, NULL, &(LeafFacts){.ranges = true});
  watched(&it, &v, of);
}

static LeafId leaves[LEAVES];

/* A step with a random loss. */
static NodeId random_loss(uint64_t seed) {
  static const int64_t shape[LEAVES][2] = {{2, 3}, {3, 2}, {3, 1}, {1, 3}, {2, 3}};
  state = seed * 0x9e3779b97f4a7c15u + 1;
  fix_begin(&f);
  fix_step(&f, "fit");
  Body whole = body_outermost(f.b.g);
  now = &whole;
  bodies = seed % 2;
  Pool p = {.n = 0};
  for (int i = 0; i < LEAVES; i++) {
    char name[2] = {(char)('a' + i), 0};
    Type t = fix_type(&f, DT_F64, 2, shape[i]);
    leaves[i] = fix_leaf(&f, i == LEAVES - 1 ? LEAF_INPUT : LEAF_PARAM, name, t);
    if (i == LEAVES - 1) f.p.leaf.at[leaves[i].i].range = (Range){true, true, 0, 1};
    keep(&p, build_leaf(&f.b, leaves[i]));
  }
  keep(&p, fix_c(&f, p.at[0], 0));
  keep(&p, fix_c(&f, p.at[1], 1));
  uint32_t n = 3 + draw(10);
  for (uint32_t i = 0; i < n; i++) {
    NodeId x = anything(&p);
    if (node_ok(x)) keep(&p, x);
  }
  NodeId last = pick(&p, false);
  for (uint32_t i = p.n; i-- > 0 && draw(4);)
    if (type_of(p.at[i]).dtype == DT_F64) {
      last = p.at[i];
      break;
    }
  if (draw(2)) last = fix_1(&f, OP_TANH, last);
  return fix_mean(&f, fix_1(&f, draw(2) ? OP_SQUARE : OP_SIGMOID, last));
}

static void one_graph(uint64_t seed) {
  NodeId loss = random_loss(seed), grad[LEAVES], at;
  check_graph(f.b.g, false);
  check_graph(f.b.g, true);
  const Graph *d = autodiff_leaves(f.b.g, loss, LEAVES, &f.arena, grad, &at);
  check_graph(d, false);
  check_graph(d, true);
  fix_end(&f);
}

/* Random numbers of the leaves. */
static void fill(Interp *it, bool kinks) {
  it->leaf = ARENA_ARRAY(&f.arena, Tensor, f.p.leaf.n);
  for (int i = 0; i < LEAVES; i++) {
    Tensor *t = &it->leaf[leaves[i].i];
    ck_assert(tensor_of_type(&f.arena, f.p.dims, &program_leaf_at(&f.p, leaves[i])->type, t));
    for (size_t k = 0; k < t->count; k++)
      ((double *)t->data)[k] = i == LEAVES - 1
                                   ? (kinks ? draw(2) : draw(1000) / 1000.0) /* declared in [0, 1] */
                               : kinks ? (double)draw(5) - 2
                                       : draw(4000) / 1000.0 - 2.0;
  }
}

static uint64_t zeros, live;

/* A gradient that is called zero is noise, wherever the loss and all that leads to it is a number. */
static void one_verdict(uint64_t seed) {
  NodeId loss = random_loss(seed);
  fix_loss(&f, "l", loss);
  Diagnose x = {.arena = &f.arena, .p = &f.p, .d = &f.d};
  ck_assert(diagnose_run(&x));
  const View *v = &x.view.at[0];
  for (int turn = 0; turn < 2 && v->grad; turn++) {
    Interp it = {.graph = v->grad, .mode = INTERP_F64, .arena = &f.arena};
    fill(&it, turn);
    Watch w = watched(&it, NULL, NULL);
    for (int i = 0; i < LEAVES - 1 && !w.any; i++) {
      const Verdict *p = &v->param[leaves[i].i];
      NodeId g = v->grad_of[leaves[i].i];
      if (!node_ok(g)) continue;
      double size = 0;
      for (size_t k = 0; k < it.value[g.i].count; k++) size = fmax(size, fabs(number(&it.value[g.i], k)));
      live += p->flow == FLOW_OPEN;
      if (p->flow != FLOW_ZERO) continue;
      zeros++;
      ck_assert_msg(size <= 1e-8 * w.most, "seed %llu, parameter %d: called zero, and is %g",
                    (unsigned long long)seed, i, size);
    }
  }
  fix_end(&f);
}

static uint64_t many(void) {
  const char *n = getenv("DG_FACTS");
  return n ? strtoull(n, NULL, 10) : 3000;
}

START_TEST(no_zero_is_another_number) {
  for (uint64_t seed = 1; seed <= many(); seed++) one_verdict(seed);
  printf("# %llu gradients called zero, %llu open\n", (unsigned long long)zeros, (unsigned long long)live);
  ck_assert(zeros > 100);
}
END_TEST

/* ---- by initial value: steps are taken, and each is looked at */

enum { STEPS = 6 };
static const double first_value[] = {0, 0, 0, 0.5, -1, 1};
static double start[LEAVES]; /* NAN: random */

static void build_init(void) {
  Graph *g = graph_new(&f.arena, &f.p, fix_sym(&f, "init"));
  Graph *step = f.b.g;
  f.b.g = g;
  for (int i = 0; i < LEAVES - 1; i++) {
    start[i] = draw(4) ? first_value[draw(6)] : (double)NAN;
    if (isnan(start[i])) continue;
    NodeId c = build_const(&f.b, program_leaf_at(&f.p, leaves[i])->type, start[i]);
    graph_root(g, ROOT_ASSIGN, (Sym){0}, leaves[i], c, (Span){0});
  }
  f.b.g = step;
  VEC_PUSH(&f.arena, &f.p.entry, (Entry){.kind = ENTRY_INIT, .name = g->name, .graph = g});
}

static double rate, decay;

static void build_updates(NodeId loss) {
  rate = draw(2) ? 0.1 : 1;
  decay = draw(2) ? 0 : 0.25;
  for (int i = 0; i < LEAVES - 1; i++) {
    NodeId w = build_leaf(&f.b, leaves[i]), g = fix_grad(&f, loss, w), d = g;
    if (decay != 0) d = fix_2(&f, OP_ADD, g, fix_2(&f, OP_MUL, fix_c(&f, w, decay), w));
    fix_own_by(&f, leaves[i], g, fix_2(&f, OP_SUB, w, fix_2(&f, OP_MUL, fix_c(&f, w, rate), d)));
  }
}

static uint64_t rests, equals, parts;

/* Elements that are called dead. */
static void check_part(const Verdict *p, const Tensor *g, double most, uint64_t seed) {
  if (p->flow != FLOW_OPEN || !p->part) return;
  size_t stride = 1;
  for (uint32_t axis = p->part_axis + 1; axis < g->rank; axis++) stride *= (size_t)g->ext[axis];
  for (size_t k = 0; k < g->count; k++) {
    int64_t i = (int64_t)(k / stride) % g->ext[p->part_axis];
    for (uint8_t j = 0; j < p->part->set.n; j++) {
      if (i < p->part->set.at[j].lo || i >= p->part->set.at[j].hi) continue;
      parts++;
      ck_assert_msg(fabs(number(g, k)) <= 1e-8 * most, "seed %llu: element %zu is called dead: %g",
                    (unsigned long long)seed, k, number(g, k));
    }
  }
}

static void check_rest(const View *v, int i, const Tensor *g, uint64_t seed) {
  const Verdict *p = &v->param[leaves[i].i];
  for (size_t k = 0; k < g->count; k++) {
    double x = number(g, k);
    if (p->flow == FLOW_STUCK) {
      rests++;
      ck_assert_msg(x == 0, "seed %llu, parameter %d is called stuck: %g", (unsigned long long)seed, i, x);
    }
    size_t r = 0, stride = 1, rest = k;
    for (int axis = g->rank - 1; axis >= 0; axis--) {
      size_t e = (size_t)g->ext[axis];
      if (!(p->equal >> (g->rank - 1 - axis) & 1)) r += rest % e * stride;
      rest /= e;
      stride *= e;
    }
    if (p->flow != FLOW_SYMMETRIC) continue;
    equals++;
    ck_assert_msg(near(x, number(g, r)), "seed %llu, parameter %d is called symmetric",
                  (unsigned long long)seed, i);
  }
}

static void one_run(uint64_t seed) {
  NodeId loss = random_loss(seed);
  fix_loss(&f, "l", loss);
  build_init();
  build_updates(loss);
  Diagnose x = {.arena = &f.arena, .p = &f.p, .d = &f.d};
  ck_assert(diagnose_run(&x));
  const View *v = &x.view.at[0];
  Interp it = {.graph = v->grad, .mode = INTERP_F64, .arena = &f.arena};
  for (int turn = 0; turn < STEPS && v->grad; turn++) {
    Tensor *old = it.leaf;
    fill(&it, turn % 2);
    for (int i = 0; i < LEAVES - 1; i++)
      for (size_t k = 0; k < it.leaf[leaves[i].i].count; k++)
        if (old || !isnan(start[i]))
          ((double *)it.leaf[leaves[i].i].data)[k] = old ? ((double *)old[leaves[i].i].data)[k] : start[i];
    double most = watched(&it, NULL, NULL).most;
    if (!(most < 1e9)) break; /* no number: outside of the domain */
    for (int i = 0; i < LEAVES - 1; i++) {
      NodeId g = v->grad_of[leaves[i].i];
      if (!node_ok(g)) continue;
      check_rest(v, i, &it.value[g.i], seed);
      check_part(&v->param[leaves[i].i], &it.value[g.i], most, seed);
      double *w = it.leaf[leaves[i].i].data;
      for (size_t k = 0; k < it.value[g.i].count; k++)
        w[k] -= rate * (number(&it.value[g.i], k) + decay * w[k]);
    }
  }
  fix_end(&f);
}

START_TEST(what_rests_stays_at_rest) {
  for (uint64_t seed = 1; seed <= many(); seed++) one_run(seed);
  printf("# %llu elements of gradients called stuck, %llu called equal, %llu called dead parts\n",
         (unsigned long long)rests, (unsigned long long)equals, (unsigned long long)parts);
  ck_assert(rests > 1000 && equals > 100 && parts > 100);
}
END_TEST

/* The same numbers along another axis are another change: c - c' is no 0. */
START_TEST(a_change_stands_along_its_axis) {
  fix_begin(&f);
  fix_step(&f, "fit");
  Type square = FIX_T(&f, DT_F64, 3, 3);
  NodeId c = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "c", FIX_T(&f, DT_F64, 3, 1)));
  NodeId row = build_reshape(&f.b, c, FIX_T(&f, DT_F64, 3));
  NodeId both = fix_2(&f, OP_SUB, build_broadcast(&f.b, c, square), build_broadcast(&f.b, row, square));
  fix_loss(&f, "l", fix_mean(&f, fix_1(&f, OP_SQUARE, fix_1(&f, OP_TANH, both))));
  Diagnose x = {.arena = &f.arena, .p = &f.p, .d = &f.d};
  ck_assert(diagnose_run(&x));
  ck_assert_int_eq(x.view.at[0].param[0].flow, FLOW_OPEN);
  fix_end(&f);
}
END_TEST

START_TEST(no_fact_is_violated) {
  uint64_t n = many();
  for (uint64_t seed = 1; seed <= n; seed++) {
    if (n > 3000 && seed % 20000 == 0) fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
    one_graph(seed);
  }
  printf("# %llu facts, %llu of constants, %llu of equal values, %llu bodies\n",
         (unsigned long long)facts_seen, (unsigned long long)constants_seen, (unsigned long long)shared_seen,
         (unsigned long long)loops_seen);
  ck_assert(loops_seen > n / 4);
}
END_TEST

/* A bf16 stays what it is; another number becomes the nearest one, unless it lies so near to the middle of
 * two that what is computed may lie beyond it. Bytes lie in 0..255. */
START_TEST(stored_values) {
  fix_begin(&f);
  fix_step(&f, "t");
  Type t = FIX_T(&f, DT_F32, 3);
  NodeId w = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "w", FIX_T(&f, DT_BF16, 3))),
         x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t)),
         u = build_leaf(&f.b, fix_leaf(&f, LEAF_INPUT, "u", FIX_T(&f, DT_U8, 3)));
  NodeId kept = fix_1(&f, OP_ROUND_BF16, w), other = fix_1(&f, OP_ROUND_BF16, x),
         near_one = fix_1(&f, OP_ROUND_BF16, build_const(&f.b, t, 1.001)),
         middle = fix_1(&f, OP_ROUND_BF16, build_const(&f.b, t, 1.00390625)),
         small = fix_1(&f, OP_ROUND_BF16,
                       fix_2(&f, OP_SUB, build_const(&f.b, t, 1), build_const(&f.b, t, 0.0019)));
  Values v;
  values_init(&v, &f.p, &f.arena);
  const ValueId *of = values_graph(&v, f.b.g, NULL, &(LeafFacts){.ranges = false});
  ck_assert(value_eq(of[kept.i], of[w.i]));
  ck_assert(!value_eq(of[other.i], of[x.i]));
  ck_assert(value_is(&v, of[near_one.i], 1));
  ck_assert(value_is(&v, of[small.i], 1));
  ck_assert(!value_is_const(&v, of[middle.i]));
  ck_assert(value_at(&v, of[middle.i])->range.lo == 1 && value_at(&v, of[middle.i])->range.hi == 1.0078125);
  ck_assert(value_at(&v, of[u.i])->range.lo == 0 && value_at(&v, of[u.i])->range.hi == 255);
  fix_end(&f);
}
END_TEST

UNIT_MAIN(UNIT("value_facts", a_change_stands_along_its_axis, stored_values, no_fact_is_violated,
               no_zero_is_another_number, what_rests_stays_at_rest))
