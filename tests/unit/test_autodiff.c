/* Every op row with a derivative, and random graphs: the gradient that autodiff builds, evaluated in f64,
 * against dual numbers (which never read the derivative columns) and against central differences; the same
 * for second derivatives. */
#include "ir/graph/body.h"
#include "op_cases.h"
#include "passes/pass.h"
#include "passes_fixture.h"

#include <math.h>

enum { MAX_PARAMS = 4, MAX_ELEMENTS = 2048 };

static Fix f;
static uint64_t seed;

static double uniform(double lo, double hi) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return lo + (hi - lo) * ((double)(seed >> 11) * 0x1p-53);
}

typedef struct Values {
  double at[MAX_PARAMS][MAX_ELEMENTS];
} Values;

static Tensor tensor(Type t, const double *v) {
  Tensor x;
  ck_assert(tensor_of_type(&f.arena, f.p.dims, &t, &x));
  if (!dtype_is_float(x.dtype)) { /* an index: inside of short axes, and outside */
    for (size_t i = 0; i < x.count && x.dtype == DT_I32; i++)
      ((int32_t *)x.data)[i] = (int32_t)(i * 7 % 5) - 1;
    return x;
  }
  x.dtype = DT_F64;
  x.data = ARENA_ARRAY(&f.arena, double, x.count);
  for (size_t i = 0; i < x.count; i++) ((double *)x.data)[i] = v[i];
  return x;
}

/* Values (and tangents) of g's nodes at v in direction dv. */
static Interp run(const Graph *g, const Values *v, const Values *dv) {
  uint32_t n = f.p.leaf.n;
  Interp it = {.graph = g, .mode = dv ? INTERP_DUAL : INTERP_F64, .arena = &f.arena};
  it.leaf = ARENA_ARRAY(&f.arena, Tensor, n);
  it.leaf_tangent = ARENA_ARRAY(&f.arena, Tensor, n);
  for (uint32_t i = 0; i < n; i++) {
    it.leaf[i] = tensor(f.p.leaf.at[i].type, v->at[i]);
    if (dv) it.leaf_tangent[i] = tensor(f.p.leaf.at[i].type, dv->at[i]);
  }
  Status st = interp_run(&it);
  ck_assert_msg(st == ST_OK, "%s", it.what);
  return it;
}
static double scalar_of(const Tensor *t) {
  return t->data ? ((const double *)t->data)[0] : 0;
} /* no tangent: 0 */

static Graph *differentiated(Graph *g) {
  PassCx cx = {.arena = &f.arena, .program = &f.p};
  static const PassId list[] = {PASS_autodiff, PASS_erase};
  return passes_run(g, &cx, list, 2);
}

static size_t count(Type t) {
  int64_t ext[MAX_RANK];
  size_t n = 1;
  ck_assert(type_extents(f.p.dims, &t, ext));
  for (uint8_t i = 0; i < t.rank; i++) n *= (size_t)ext[i];
  ck_assert_uint_le(n, MAX_ELEMENTS);
  return n;
}

static NodeId root_of(const Graph *g, uint32_t i) { return g->root.at[i].node; }

/* sum(x * a), a fixed and uneven */
static NodeId weighed(NodeId x, double first) {
  Type t = graph_node(f.b.g, x)->type;
  size_t n = count(t);
  Type flat = FIX_T(&f, t.dtype, (int64_t)n), index = flat;
  index.dtype = DT_I32;
  NodeId i = build_cast(&f.b, build_iota(&f.b, index, 0), (DType)t.dtype);
  NodeId w =
      fix_1(&f, OP_SIN, fix_2(&f, OP_MUL, fix_2(&f, OP_ADD, i, fix_c(&f, i, first)), fix_c(&f, i, 1.7)));
  NodeId product = fix_2(&f, OP_MUL, build_reshape(&f.b, x, flat), w);
  return build_drop_axes(&f.b, build_reduce(&f.b, OP_SUM, product, 1), 1);
}

static void compare(const char *name, const char *what, uint32_t k, double got, double want,
                    double tolerance) {
  double scale = 1 + fabs(got) + fabs(want);
  ck_assert_msg(isfinite(got) && fabs(got - want) <= tolerance * scale,
                "%s, %s, parameter %u: %.17g, expected %.17g", name, what, k, got, want);
}

static double along(const Tensor *g, const double *v) {
  double s = 0;
  for (size_t i = 0; i < g->count; i++) s += ((const double *)g->data)[i] * v[i];
  return s;
}

/* y is a node of f.b.g over the program's parameters. smooth: second derivatives exist at random points. */
static void check(const char *name, uint32_t nparam, NodeId y, double lo, double hi, bool smooth) {
  Graph *g = f.b.g;
  NodeId loss = weighed(y, 1);
  graph_root(g, ROOT_LOSS, fix_sym(&f, "loss"), (LeafId){0}, loss, (Span){0});
  NodeId grad[MAX_PARAMS];
  for (uint32_t k = 0; k < nparam; k++) grad[k] = fix_grad(&f, loss, build_leaf(&f.b, (LeafId){k}));
  Graph *value = graph_copy(&f.arena, g, NULL, 0); /* the loss alone */
  for (uint32_t k = 0; k < nparam; k++)
    graph_root(g, ROOT_OUTPUT, fix_sym(&f, "g"), (LeafId){0}, grad[k], (Span){0});
  Graph *first = differentiated(g);

  Values v = {0}, d;
  for (uint32_t k = 0; k < nparam; k++)
    for (size_t i = 0; i < count(f.p.leaf.at[k].type); i++) v.at[k][i] = uniform(lo, hi);
  Interp got = run(first, &v, NULL);
  for (uint32_t k = 0; k < nparam; k++) {
    size_t n = count(f.p.leaf.at[k].type);
    memset(&d, 0, sizeof d);
    for (size_t i = 0; i < n; i++) d.at[k][i] = uniform(-1, 1);
    const Tensor *gk = &got.value[root_of(first, 1 + k).i];
    ck_assert_uint_eq(gk->count, n);
    double along_d = along(gk, d.at[k]);
    Interp dual = run(value, &v, &d);
    compare(name, "dual", k, along_d, scalar_of(&dual.tangent[root_of(value, 0).i]), 1e-10);
    Values a = v, b = v;
    double h = 1e-5;
    for (size_t i = 0; i < n; i++) a.at[k][i] += h * d.at[k][i], b.at[k][i] -= h * d.at[k][i];
    Interp ra = run(value, &a, NULL), rb = run(value, &b, NULL);
    compare(name, "difference", k, along_d,
            (scalar_of(&ra.value[root_of(value, 0).i]) - scalar_of(&rb.value[root_of(value, 0).i])) / (2 * h),
            1e-6);
  }
  if (!smooth) return;

  /* Second order: q = sum over k of <grad_k, a_k>; its gradient by autodiff, its tangent by duals on the
   * first-order graph. */
  NodeId q = fix_c(&f, loss, 0);
  for (uint32_t k = 0; k < nparam; k++) q = fix_2(&f, OP_ADD, q, weighed(grad[k], 2.5 + k));
  g->root.n = 0;
  graph_root(g, ROOT_OUTPUT, fix_sym(&f, "q"), (LeafId){0}, q, (Span){0});
  Graph *q_graph = differentiated(g);
  for (uint32_t k = 0; k < nparam; k++)
    graph_root(g, ROOT_OUTPUT, fix_sym(&f, "h"), (LeafId){0}, fix_grad(&f, q, build_leaf(&f.b, (LeafId){k})),
               (Span){0});
  Graph *second = differentiated(g);
  got = run(second, &v, NULL);
  for (uint32_t k = 0; k < nparam; k++) {
    memset(&d, 0, sizeof d);
    for (size_t i = 0; i < count(f.p.leaf.at[k].type); i++) d.at[k][i] = uniform(-1, 1);
    Interp dual = run(q_graph, &v, &d);
    compare(name, "second order", k, along(&got.value[root_of(second, 1 + k).i], d.at[k]),
            scalar_of(&dual.tangent[root_of(q_graph, 0).i]), 1e-9);
  }
}

static NodeId begin_case(uint32_t nparam, const Type *type, NodeId *p) {
  fix_step(&f, "t");
  for (uint32_t k = 0; k < nparam; k++) {
    char name[16];
    snprintf(name, sizeof name, "p%u", k);
    fix_leaf(&f, LEAF_PARAM, name, type[k]);
  }
  for (uint32_t k = 0; k < nparam; k++) p[k] = build_leaf(&f.b, (LeafId){k});
  return NO_NODE;
}

START_TEST(scalar_rows) {
  uint32_t tried = 0;
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *o = &op_info[op];
    if (!o->scalar || op == OP_CAST) continue;
    uint32_t n = 0;
    int8_t at[3] = {-1, -1, -1}; /* operand -> parameter */
    for (int i = 0; i < o->arity; i++)
      if (op_grad_class((Op)op, (uint32_t)i) == GC_CARRIES) at[i] = (int8_t)n++;
    if (!n) continue;
    tried++;
    for (int turn = 0; turn < 3; turn++) {
      fix_begin(&f);
      seed = (uint64_t)(op * 10 + turn);
      Type t = FIX_T(&f, DT_F64, 3, 2), types[3] = {t, t, t};
      NodeId p[3], in[3] = {NO_NODE, NO_NODE, NO_NODE};
      begin_case(n, types, p);
      for (int i = 0; i < o->arity; i++) {
        if (at[i] >= 0)
          in[i] = p[at[i]];
        else if (o->sig[i] == 'b') {
          Type index = t;
          index.dtype = DT_I32;
          in[i] = fix_2(&f, OP_LT, build_iota(&f.b, index, -1), build_const(&f.b, index, 3));
        } else
          in[i] = build_const(&f.b, t, 1.5);
      }
      check(o->name, n, build_scalar(&f.b, (Op)op, in[0], in[1], in[2]), o->lo, o->hi, true);
      fix_end(&f);
    }
  }
  ck_assert_uint_gt(tried, 20);
}
END_TEST

/* ---- structural rows */

static NodeId op_n(Op op, const NodeId *in, uint32_t n, const int64_t *attr, Type t) {
  return build_op(&f.b, op, in, n, attr, &t);
}

/* Builds a use of `op` over the parameters p; which of several forms `turn` picks. NO_NODE: no more forms. */
/* s := sin(s * row) + row, all of them */
static NodeId recurrence(const NodeId *p) {
  Body top = body_outermost(f.b.g), in = body_begin(&top);
  NodeId s = body_carry(&in, p[0], (LocationId){0}), x = body_step(&in, p[1], (LocationId){0});
  Builder b = {in.g, {0}, NO_NODE};
  NodeId next = build_scalar(&b, OP_SIN, build_scalar(&b, OP_MUL, s, x, NO_NODE), NO_NODE, NO_NODE);
  next = build_scalar(&b, OP_ADD, next, x, NO_NODE);
  LoopShape shape = {.carry = 1, .step = 1, .trip = dim_const(f.p.dims, 4)};
  return build_result(&f.b, body_loop(&f.b, &in, (NodeId[]){next, next}, 2, shape), 1);
}

/* total(x) < 0 ? sin(x) * s : x * x */
static NodeId condition(const NodeId *p) {
  Body top = body_outermost(f.b.g), in[2] = {body_begin(&top), body_begin(&top)};
  NodeId total = build_drop_axes(&f.b, build_reduce(&f.b, OP_SUM, p[1], 3), 3), y[2];
  for (int i = 0; i < 2; i++) {
    Builder b = {in[i].g, {0}, NO_NODE};
    NodeId x = body_see(&in[i], &top, p[1]);
    y[i] = build_scalar(&b, OP_MUL, i ? x : build_scalar(&b, OP_SIN, x, NO_NODE, NO_NODE),
                        i ? x : build_broadcast(&b, body_see(&in[i], &top, p[0]), FIX_T(&f, DT_F64, 4, 3)),
                        NO_NODE);
  }
  NodeId pred = fix_2(&f, OP_LT, total, fix_c(&f, total, 0));
  return build_result(
      &f.b, body_cond(&f.b, (Body *const[]){&in[0], &in[1]}, pred, (const NodeId *const[]){&y[0], &y[1]}, 1),
      0);
}

static NodeId structural(Op op, int turn, uint32_t *nparam, Type *type, NodeId *p, bool *smooth) {
  *smooth = true;
  *nparam = 1;
#define SHAPE(k, ...) type[k] = FIX_T(&f, DT_F64, __VA_ARGS__)
#define BEGIN begin_case(*nparam, type, p)
  switch (op) {
  case OP_BROADCAST:
    if (turn > 1) return NO_NODE;
    if (turn)
      SHAPE(0, 2, 1, 3);
    else
      SHAPE(0, 3);
    BEGIN;
    return build_broadcast(&f.b, p[0], FIX_T(&f, DT_F64, 2, 4, 3));
  case OP_RESHAPE:
    if (turn) return NO_NODE;
    SHAPE(0, 2, 6);
    BEGIN;
    return build_reshape(&f.b, p[0], FIX_T(&f, DT_F64, 3, 4));
  case OP_NAME:
    if (turn) return NO_NODE;
    SHAPE(0, 2, 3);
    BEGIN;
    return fix_2(&f, OP_MUL, fix_1(&f, OP_NAME, p[0]), p[0]);
  case OP_CHECKPOINT:
    if (turn) return NO_NODE;
    SHAPE(0, 2, 3);
    BEGIN;
    p[1] = build_op(&f.b, OP_CHECKPOINT, &p[0], 1, (int64_t[]){7, 0}, NULL);
    p[1] = fix_2(&f, OP_MUL, fix_1(&f, OP_EXP, p[1]), p[1]);
    return build_op(&f.b, OP_CHECKPOINT, &p[1], 1, (int64_t[]){7, 1}, NULL);
  case OP_TRANSPOSE:
    if (turn > 1) return NO_NODE;
    SHAPE(0, 2, 3, 4);
    BEGIN;
    return build_transpose(&f.b, p[0], turn ? (uint8_t[]){2, 0, 1} : (uint8_t[]){1, 0, 2});
  case OP_SLICE: {
    if (turn > 2) return NO_NODE;
    SHAPE(0, 3, 10);
    BEGIN;
    static const int64_t start[] = {2, 0, 1}, step[] = {1, 3, 4}, n[] = {5, 4, 2};
    return build_slice(&f.b, p[0], 1, dim_const(f.p.dims, start[turn]), step[turn],
                       dim_const(f.p.dims, n[turn]));
  }
  case OP_PAD: {
    if (turn > 1) return NO_NODE;
    SHAPE(0, 3, 2);
    BEGIN;
    int64_t attr[4] = {0, dim_const(f.p.dims, 2).i, dim_const(f.p.dims, 1).i, turn ? 3 : 1};
    return op_n(OP_PAD, p, 1, attr, FIX_T(&f, DT_F64, turn ? 10 : 6, 2));
  }
  case OP_CONCAT: {
    if (turn) return NO_NODE;
    *nparam = 3;
    SHAPE(0, 2, 1), SHAPE(1, 2, 3), SHAPE(2, 2, 2);
    BEGIN;
    int64_t axis = 1;
    return build_op(&f.b, OP_CONCAT, p, 3, &axis, NULL);
  }
  case OP_REVERSE: {
    if (turn) return NO_NODE;
    SHAPE(0, 2, 3, 2);
    BEGIN;
    int64_t axes = 5;
    return build_op(&f.b, OP_REVERSE, p, 1, &axes, NULL);
  }
  case OP_SUM:
  case OP_MEAN:
  case OP_MAX:
  case OP_MIN:
  case OP_PROD: {
    static const uint32_t axes[] = {4, 1, 6, 7};
    if (turn > 3) return NO_NODE;
    SHAPE(0, 2, 3, 4);
    BEGIN;
    return build_reduce(&f.b, op, p[0], axes[turn]);
  }
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_LOGSUMEXP: {
    if (turn > 1) return NO_NODE;
    SHAPE(0, 3, 5);
    BEGIN;
    int64_t axis = turn ? 0 : 1;
    return build_op(&f.b, op, p, 1, &axis, NULL);
  }
  case OP_CROSS_ENTROPY: {
    if (turn > 1) return NO_NODE;
    if (turn)
      SHAPE(0, 2, 3, 4);
    else
      SHAPE(0, 4, 4);
    BEGIN;
    Type label = turn ? FIX_T(&f, DT_I32, 2, 3) : FIX_T(&f, DT_I32, 4);
    NodeId in[2] = {p[0], build_iota(&f.b, label, -1)}; /* with one class too far in the second form */
    return build_op(&f.b, OP_CROSS_ENTROPY, in, 2, NULL, NULL);
  }
  case OP_CONTRACT: {
    if (turn > 7) return NO_NODE;
    bool ta = turn & 1, tb = turn & 2, batch = turn & 4;
    *nparam = 2;
    if (batch) {
      if (ta)
        SHAPE(0, 2, 4, 3);
      else
        SHAPE(0, 2, 3, 4);
      if (tb)
        SHAPE(1, 2, 5, 4);
      else
        SHAPE(1, 2, 4, 5);
    } else {
      if (ta)
        SHAPE(0, 4, 3);
      else
        SHAPE(0, 3, 4);
      if (tb)
        SHAPE(1, 5, 4);
      else
        SHAPE(1, 4, 5);
    }
    BEGIN;
    return build_contract(&f.b, p[0], p[1], ta, tb);
  }
  case OP_CONV2D:
  case OP_CONV2D_DX:
  case OP_CONV2D_DW: {
    /* sh sw ph pw dh dw groups order; x [2, 4, 6, 5], w [4, 4/groups, 3, 2] */
    static const int64_t attrs[3][8] = {
        {1, 1, 0, 0, 1, 1, 1, 0}, {2, 1, 1, 1, 1, 1, 1, 0}, {1, 2, 1, 0, 2, 1, 2, 0}};
    if (turn > 2) return NO_NODE;
    const int64_t *a = attrs[turn];
    int64_t oh = (6 + 2 * a[2] - a[4] * 2 - 1) / a[0] + 1, ow = (5 + 2 * a[3] - a[5] - 1) / a[1] + 1;
    Type x = FIX_T(&f, DT_F64, 2, 4, 6, 5), w = FIX_T(&f, DT_F64, 4, 4 / a[6], 3, 2),
         y = FIX_T(&f, DT_F64, 2, 4, oh, ow);
    *nparam = 2;
    type[0] = op == OP_CONV2D_DX ? y : x;
    type[1] = op == OP_CONV2D_DW ? y : w;
    BEGIN;
    return op_n(op, p, 2, a, op == OP_CONV2D ? y : op == OP_CONV2D_DX ? x : w);
  }
  case OP_MAX_POOL2D:
  case OP_AVG_POOL2D: {
    static const int64_t attrs[3][6] = {{2, 2, 2, 2, 0, 0}, {3, 2, 1, 1, 1, 0}, {2, 3, 2, 1, 1, 1}};
    if (turn > 2) return NO_NODE;
    SHAPE(0, 1, 2, 6, 5);
    BEGIN;
    return build_op(&f.b, op, p, 1, attrs[turn], NULL);
  }
  case OP_MAX_POOL2D_DX: { /* differentiable in gy only */
    static const int64_t attrs[2][6] = {{2, 2, 2, 2, 0, 0}, {3, 2, 1, 1, 1, 0}};
    if (turn > 1) return NO_NODE;
    Type x = FIX_T(&f, DT_F64, 1, 2, 6, 5), flat = FIX_T(&f, DT_F64, 60), index = flat;
    index.dtype = DT_I32;
    int64_t k[2] = {attrs[turn][0], attrs[turn][1]};
    type[0] = FIX_T(&f, DT_F64, 1, 2, (6 + 2 * attrs[turn][4] - k[0]) / attrs[turn][2] + 1,
                    (5 - k[1]) / attrs[turn][3] + 1);
    BEGIN;
    NodeId v = fix_1(&f, OP_SIN, build_cast(&f.b, build_iota(&f.b, index, 0), DT_F64));
    NodeId in[3] = {build_reshape(&f.b, v, x), NO_NODE, p[0]};
    in[1] = build_op(&f.b, OP_MAX_POOL2D, in, 1, attrs[turn], NULL);
    return op_n(op, in, 3, attrs[turn], x);
  }
  case OP_AVG_POOL2D_DX: {
    static const int64_t attrs[2][6] = {{2, 2, 2, 2, 0, 0}, {3, 2, 1, 1, 1, 0}};
    if (turn > 1) return NO_NODE;
    const int64_t *a = attrs[turn];
    SHAPE(0, 1, 2, (6 + 2 * a[4] - a[0]) / a[2] + 1, (5 - a[1]) / a[3] + 1);
    BEGIN;
    return op_n(op, p, 1, a, FIX_T(&f, DT_F64, 1, 2, 6, 5));
  }
  case OP_RESULT: /* of a loop and of a condition */
    if (turn > 1) return NO_NODE;
    *nparam = 2;
    SHAPE(0, 3);
    SHAPE(1, 4, 3);
    BEGIN;
    return turn ? condition(p) : recurrence(p);
  case OP_CUSTOM: { /* value x^2 with the rule of 3x^2, applied to sin(x) */
    if (turn) return NO_NODE;
    SHAPE(0, 4);
    BEGIN;
    int64_t attr[2] = {11, 1};
    NodeId x = fix_1(&f, OP_SIN, p[0]);
    NodeId cot = build_op(&f.b, OP_COTANGENT, NULL, 0, attr, type);
    NodeId in[3] = {fix_1(&f, OP_SQUARE, x), x, fix_2(&f, OP_MUL, cot, fix_2(&f, OP_ADD, x, x))};
    return build_op(&f.b, OP_CUSTOM, in, 3, attr, NULL);
  }
  default: return NO_NODE;
  }
#undef SHAPE
#undef BEGIN
}

START_TEST(structural_rows) {
  bool tried[OP_COUNT] = {false};
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *o = &op_info[op];
    if (o->scalar || op == OP_GRAD || !strchr(o->cls, 'd')) continue;
    if (o->flags & OPF_NO_VALUE) continue; /* their results are differentiated */
    int forms = 0;
    for (;; forms++) {
      fix_begin(&f);
      seed = (uint64_t)(op * 100 + forms);
      uint32_t n;
      Type type[MAX_PARAMS];
      NodeId p[MAX_PARAMS];
      bool smooth;
      NodeId y = structural((Op)op, forms, &n, type, p, &smooth);
      if (node_ok(y)) check(o->name, n, y, op == OP_PROD ? 0.5 : -2, 2, smooth);
      fix_end(&f);
      if (!node_ok(y)) break;
    }
    tried[op] = forms > 0;
  }
  for (int i = 0; i < OP_CASES; i++) {
    char text[2048];
    Graph *g;
    Sb why;
    fix_begin(&f);
    seed = (uint64_t)i + 1000;
    sb_init(&why, &f.arena);
    ck_assert_msg(graph_parse(&f.p, str_z(op_case_graph(i, text, sizeof text)), &g, &why), "%.*s", (int)why.n,
                  why.p);
    f.b.g = g;
    NodeId y = g->root.at[0].node;
    Op op = node_op(g, y);
    uint32_t n = 0;
    while (n < f.p.leaf.n && dtype_is_float((DType)f.p.leaf.at[n].type.dtype)) n++;
    g->root.n = 0;
    tried[op] = true;
    if (strchr(op_info[op].cls, 'd')) check(op_info[op].name, n, y, op == OP_PROD ? 0.5 : -2, 2, true);
    fix_end(&f);
  }
  for (int op = 0; op < OP_COUNT; op++)
    ck_assert_msg(op_info[op].scalar || op == OP_GRAD || op_is((Op)op, OPF_NO_VALUE) ||
                      !strchr(op_info[op].cls, 'd') || tried[op],
                  "no test of the derivative of '%s'", op_info[op].name);
}
END_TEST

START_TEST(casts) { /* between float types the gradient passes */
  fix_begin(&f);
  seed = 5;
  Type t = FIX_T(&f, DT_F64, 4);
  NodeId p[1];
  begin_case(1, &t, p);
  check("cast", 1, build_cast(&f.b, fix_1(&f, OP_SIN, build_cast(&f.b, p[0], DT_F32)), DT_F64), -2, 2, true);
  fix_end(&f);
}
END_TEST

START_TEST(leaves_in_several_nodes) { /* each written use is a node of its own */
  fix_begin(&f);
  seed = 6;
  Type t = FIX_T(&f, DT_F64, 5);
  NodeId p[1];
  begin_case(1, &t, p);
  NodeId again = build_leaf(&f.b, (LeafId){0}), third = build_leaf(&f.b, (LeafId){0});
  ck_assert(!node_eq(p[0], again));
  NodeId y = fix_2(&f, OP_MUL, fix_1(&f, OP_SIN, p[0]), fix_2(&f, OP_ADD, fix_1(&f, OP_EXP, again), third));
  check("leaf", 1, y, -1, 1, true);
  fix_end(&f);
}
END_TEST

START_TEST(product_with_zeros) {
  static const double at[3][4] = {{0, 2, 3, 4}, {0, 2, 0, 4}, {5, 2, 3, 4}},
                      want[3][4] = {{24, 0, 0, 0}, {0, 0, 0, 0}, {24, 60, 40, 30}};
  for (int k = 0; k < 3; k++) {
    fix_begin(&f);
    Type t = FIX_T(&f, DT_F64, 4);
    NodeId p[1];
    begin_case(1, &t, p);
    NodeId y = build_drop_axes(&f.b, build_reduce(&f.b, OP_PROD, p[0], 1), 1);
    graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "g"), (LeafId){0}, fix_grad(&f, y, p[0]), (Span){0});
    Graph *g = differentiated(f.b.g);
    Values v;
    memcpy(v.at[0], at[k], sizeof at[k]);
    Interp it = run(g, &v, NULL);
    for (int i = 0; i < 4; i++)
      ck_assert_double_eq(((double *)it.value[root_of(g, 0).i].data)[i], want[k][i]);
    fix_end(&f);
  }
}
END_TEST

START_TEST(conventions) { /* at kinks and ties: one row, the operand, its derivative */
  static const struct {
    Op op;
    double x, y, dx, dy;
  } row[] = {{OP_RELU, 0, 0, 0, 0},    {OP_RELU, -1, 0, 0, 0},       {OP_RELU, 1, 0, 1, 0},
             {OP_ABS, 0, 0, 0, 0},     {OP_MAXIMUM, 2, 2, 0.5, 0.5}, {OP_MINIMUM, 2, 2, 0.5, 0.5},
             {OP_MAXIMUM, 3, 2, 1, 0}, {OP_MINIMUM, 3, 2, 0, 1}};
  for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
    fix_begin(&f);
    Type t = FIX_T(&f, DT_F64, 1), types[2] = {t, t};
    NodeId p[2];
    uint32_t n = (uint32_t)op_info[row[k].op].arity;
    begin_case(n, types, p);
    NodeId y = build_drop_axes(&f.b, build_scalar(&f.b, row[k].op, p[0], n > 1 ? p[1] : NO_NODE, NO_NODE), 1);
    for (uint32_t i = 0; i < n; i++)
      graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "g"), (LeafId){0}, fix_grad(&f, y, p[i]), (Span){0});
    Graph *g = differentiated(f.b.g);
    Values v = {.at = {{row[k].x}, {row[k].y}}};
    Interp it = run(g, &v, NULL);
    ck_assert_double_eq(scalar_of(&it.value[root_of(g, 0).i]), row[k].dx);
    if (n > 1) ck_assert_double_eq(scalar_of(&it.value[root_of(g, 1).i]), row[k].dy);
    fix_end(&f);
  }
}
END_TEST

START_TEST(stops_and_names) {
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F64, 1);
  NodeId p[1];
  begin_case(1, &t, p);
  NodeId let = fix_1(&f, OP_SQUARE, p[0]), twin = fix_1(&f, OP_SQUARE, p[0]);
  NodeId stopped = build_op(&f.b, OP_STOP, &let, 1, NULL, NULL);
  NodeId y = build_drop_axes(
      &f.b, fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, let, twin), fix_2(&f, OP_MUL, stopped, p[0])), 1);
  NodeId other = build_leaf(&f.b, (LeafId){0}); /* the same parameter, written again */
  NodeId want[4] = {fix_grad(&f, y, let), fix_grad(&f, y, other), fix_grad(&f, y, y),
                    fix_grad(&f, y, fix_1(&f, OP_SQUARE, p[0]))};
  for (int i = 0; i < 4; i++)
    graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "g"), (LeafId){0}, want[i], (Span){0});
  Graph *g = differentiated(f.b.g);
  for (uint32_t i = 0; i < g->node.n; i++)
    ck_assert(g->node.at[i].op != OP_STOP && g->node.at[i].op != OP_GRAD);
  Values v = {.at = {{3}}};
  Interp it = run(g, &v, NULL);
  ck_assert_double_eq(scalar_of(&it.value[root_of(g, 0).i]),
                      9); /* by the let alone: its twin is another value */
  ck_assert_double_eq(scalar_of(&it.value[root_of(g, 1).i]), 4 * 27 + 9); /* d(x^4) + stop(x^2) */
  ck_assert_double_eq(scalar_of(&it.value[root_of(g, 2).i]), 1);
  ck_assert_double_eq(scalar_of(&it.value[root_of(g, 3).i]), 0); /* an equal expression elsewhere is no use */
  fix_end(&f);
}
END_TEST

START_TEST(random_graphs) {
  static const Op unary[] = {OP_TANH, OP_SIN, OP_SIGMOID, OP_SOFTPLUS, OP_NEG, OP_SQUARE, OP_EXP, OP_COS};
  static const Op binary[] = {OP_ADD, OP_SUB, OP_MUL};
  for (uint64_t turn = 0; turn < 150; turn++) {
    fix_begin(&f);
    seed = turn;
    for (int i = 0; i < 4; i++) (void)uniform(0, 1);
    Type t = FIX_T(&f, DT_F64, 3, 3), types[3] = {t, t, FIX_T(&f, DT_F64, 3)};
    NodeId p[3], pool[24];
    begin_case(3, types, p);
    uint32_t n = 0;
    pool[n++] = p[0];
    pool[n++] = p[1];
    pool[n++] = build_broadcast(&f.b, p[2], t);
    int64_t axis = 1;
    while (n < 12) {
      NodeId a = pool[(uint32_t)uniform(0, n)], b = pool[(uint32_t)uniform(0, n)], r;
      switch ((int)uniform(0, 8)) {
      case 0:
      case 1: r = fix_1(&f, unary[(int)uniform(0, 8)], fix_1(&f, OP_TANH, a)); break;
      case 2:
      case 3: r = fix_2(&f, binary[(int)uniform(0, 3)], a, b); break;
      case 4: r = build_contract(&f.b, a, b, uniform(0, 1) < 0.5, uniform(0, 1) < 0.5); break;
      case 5:
        r = build_broadcast(&f.b, build_reduce(&f.b, OP_MEAN, a, 1 + (uint32_t)uniform(0, 3)), t);
        break;
      case 6: r = build_op(&f.b, OP_SOFTMAX, &a, 1, &axis, NULL); break;
      default: r = build_transpose(&f.b, a, (uint8_t[]){1, 0}); break;
      }
      pool[n++] = r;
    }
    NodeId y =
        fix_1(&f, OP_TANH, fix_2(&f, OP_ADD, pool[n - 1], fix_2(&f, OP_MUL, pool[n - 2], pool[n - 3])));
    char name[32];
    snprintf(name, sizeof name, "random %d", (int)turn);
    check(name, 3, y, -1, 1, true);
    fix_end(&f);
  }
}
END_TEST

/* A declared derivative of 0 adds nothing to the slope, not even the sign of its zero. */
START_TEST(declared_zeros_are_not_added) {
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F64, 1);
  NodeId p[1];
  begin_case(1, &t, p);
  NodeId x = fix_1(&f, OP_SIN, p[0]), z = fix_1(&f, OP_TANH, x);
  int64_t attr[2] = {11, 2};
  NodeId cot = build_op(&f.b, OP_COTANGENT, NULL, 0, attr, &t);
  NodeId in[5] = {fix_2(&f, OP_MUL, x, z), x, z, fix_c(&f, x, 0), fix_2(&f, OP_MUL, cot, x)};
  NodeId y = build_drop_axes(&f.b, build_op(&f.b, OP_CUSTOM, in, 5, attr, NULL), 1);
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "g"), (LeafId){0}, fix_grad(&f, y, x), (Span){0});
  Graph *g = differentiated(f.b.g);
  for (uint32_t i = 0; i < g->node.n; i++) ck_assert_int_ne(g->node.at[i].op, OP_ADD);
  fix_end(&f);
}
END_TEST

UNIT_MAIN(UNIT("autodiff", declared_zeros_are_not_added, scalar_rows, structural_rows, casts,
               leaves_in_several_nodes, product_with_zeros, conventions, stops_and_names, random_graphs))
