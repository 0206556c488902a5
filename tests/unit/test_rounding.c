/* Values where zeros are the program's own: what is equal in real numbers only has no form there, and a range
 * holds what floats make of it. */
#include "passes/diagnose/value.h"
#include "passes_fixture.h"

#include <math.h>

static Fix f;
static Values v;
static const ValueId *of;

/* x and z: four elements and one, y: one, none below 0. */
static void begin(NodeId *x, NodeId *y, NodeId *z) {
  fix_begin(&f);
  f.b.g = graph_new(&f.arena, &f.p, fix_sym(&f, "g"));
  Type four = FIX_T(&f, DT_F32, 4), one = FIX_T(&f, DT_F32, 1);
  *x = build_leaf(&f.b, fix_leaf(&f, LEAF_INPUT, "x", four));
  *y = build_broadcast(&f.b, build_leaf(&f.b, fix_leaf(&f, LEAF_INPUT, "y", one)), four);
  *z = build_leaf(&f.b, fix_leaf(&f, LEAF_INPUT, "z", four));
}

static void evaluate(bool exact, double lo, double hi) {
  values_init(&v, &f.p, &f.arena);
  v.exact = v.rounds = exact;
  ValueId *is = ARENA_ARRAY(&f.arena, ValueId, f.p.leaf.n);
  for (uint32_t i = 0; i < f.p.leaf.n; i++) {
    Type t = f.p.leaf.at[i].type;
    is[i] = value_op(&v, OP_LEAF, (DType)t.dtype, NULL, 0, &(int64_t){i}, 1, shape_of(&v, &t),
                     interval_of(lo, hi));
  }
  of = values_graph(&v, f.b.g, NULL, &(LeafFacts){.is = is});
}

static bool same(NodeId a, NodeId b) { /* 1 nearly is 1 in real numbers */
  const Value *x = value_at(&v, of[a.i]), *y = value_at(&v, of[b.i]);
  return value_eq(of[a.i], of[b.i]) || (x->noise && value_is_const(&v, of[b.i]) && x->c.p == y->c.p);
}
static Interval range(NodeId n) { return value_at(&v, of[n.i])->range; }
static NodeId power(NodeId x, double e) { return fix_2(&f, OP_POW, x, fix_c(&f, x, e)); }

START_TEST(equal_in_real_numbers) {
  NodeId x, y, z;
  begin(&x, &y, &z);
  NodeId three = fix_c(&f, x, 3), one = fix_c(&f, x, 1);
  NodeId again[][2] = {{fix_2(&f, OP_SUB, fix_2(&f, OP_ADD, x, z), x), z},
                       {fix_2(&f, OP_SUB, fix_2(&f, OP_ADD, x, three), three), x},
                       {fix_1(&f, OP_SQUARE, fix_1(&f, OP_SQRT, x)), x},
                       {fix_2(&f, OP_DIV, fix_2(&f, OP_MUL, x, z), x), z},
                       {fix_2(&f, OP_MUL, x, fix_2(&f, OP_DIV, one, x)), one},
                       {power(x, 1), x}};
  for (int exact = 0; exact < 2; exact++) {
    evaluate(exact, 0, INFINITY);
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
      ck_assert_msg(same(again[i][0], again[i][1]) == !exact, "pair %zu, exact %d", i, exact);
      ck_assert_msg(!value_at(&v, of[again[i][0].i])->undefined, "pair %zu, exact %d", i, exact);
    }
  }
  fix_end(&f);
}
END_TEST

/* The root of a product is one of roots where no factor is below 0; the greatest of -x is the least of x. */
START_TEST(signs_decide) {
  NodeId x, y, z;
  begin(&x, &y, &z);
  NodeId root = fix_1(&f, OP_SQRT, fix_2(&f, OP_MUL, x, z));
  NodeId roots = fix_2(&f, OP_MUL, fix_1(&f, OP_SQRT, x), fix_1(&f, OP_SQRT, z));
  NodeId greatest = build_reduce(&f.b, OP_MAX, fix_1(&f, OP_NEG, x), 1);
  NodeId least = fix_1(&f, OP_NEG, build_reduce(&f.b, OP_MIN, x, 1));
  NodeId other = fix_1(&f, OP_NEG, build_reduce(&f.b, OP_MAX, x, 1));
  for (int any = 0; any < 2; any++) {
    evaluate(false, any ? -1 : 0, 1);
    ck_assert(same(root, roots) == !any);
    ck_assert(same(greatest, least) && !same(greatest, other));
  }
  fix_end(&f);
}
END_TEST

/* x + y - x is y in no element to the last bit: it varies as x does. */
START_TEST(what_cancels_varies) {
  NodeId x, y, z;
  begin(&x, &y, &z);
  NodeId some[] = {fix_2(&f, OP_SUB, fix_2(&f, OP_ADD, x, y), x), fix_2(&f, OP_DIV, x, x)};
  evaluate(true, 1, 2);
  for (int i = 0; i < 2; i++) {
    ck_assert(!value_flat(&v, of[some[i].i], 0));
    ck_assert(range(some[i]).lo >= 0 && range(some[i]).hi <= 3);
  }
  fix_end(&f);
}
END_TEST

START_TEST(nothing_times) {
  NodeId x, y, z;
  begin(&x, &y, &z);
  NodeId none = fix_c(&f, x, 0), end = fix_c(&f, x, INFINITY), no = fix_2(&f, OP_DIV, x, none);
  NodeId less = fix_2(&f, OP_SUB, end, end);
  NodeId often = fix_2(&f, OP_MUL, none, end), never = fix_2(&f, OP_MUL, no, none);
  for (int exact = 0; exact < 2; exact++) {
    evaluate(exact, 0, 1);
    ck_assert(!value_is_zero(&v, of[often.i]) && !value_is_zero(&v, of[never.i]));
    ck_assert(value_at(&v, of[less.i])->undefined);
    ck_assert(value_at(&v, value_scale(&v, of[no.i], ratio(0)))->undefined);
    ck_assert(value_is_zero(&v, value_scale(&v, of[x.i], ratio(0))));
  }
  fix_end(&f);
}
END_TEST

static void holds(NodeId n, float x) {
  Interval r = range(n);
  ck_assert_msg(r.lo <= (double)x && (double)x <= r.hi, "%%%u: %a is not in %a..%a", n.i, (double)x, r.lo,
                r.hi);
}

/* What f32 calculates at the ends of the range, in the orders that a program may choose. */
START_TEST(any_order) {
  for (int k = 4; k < 400; k++) {
    NodeId x, y, z;
    begin(&x, &y, &z);
    volatile float n = (float)(k / 2) + (k % 2 ? 0.3f : 0), part = 1 / n, far = n * 1e4f;
    far = floorf(far);
    NodeId times = fix_2(&f, OP_MUL, x, fix_c(&f, x, (double)part)),
           over = fix_2(&f, OP_DIV, x, fix_c(&f, x, n));
    NodeId next = fix_2(&f, OP_ADD, x, fix_c(&f, x, 1)); /* the same in real numbers */
    NodeId shift = fix_2(&f, OP_SUB, fix_2(&f, OP_ADD, x, fix_c(&f, x, far)), fix_c(&f, x, (double)far - 1));
    NodeId cube = fix_2(&f, OP_MUL, fix_1(&f, OP_SQUARE, x), x), total = fix_c(&f, x, 0);
    for (int i = 0; i < 8; i++) total = fix_2(&f, OP_ADD, total, i % 2 ? z : x);
    evaluate(true, (double)n, (double)n);
    volatile float a = n * part, b = n / n, c = n + far, d = n * n, sum = 0;
    holds(times, a);
    holds(over, b);
    c = c - (far - 1);
    holds(shift, c);
    ck_assert(same(shift, next));
    d = d * n;
    holds(cube, d);
    for (int i = 0; i < 8; i++) sum = sum + n;
    holds(total, sum);
    fix_end(&f);
  }
}
END_TEST

/* Of 0.1, one after the other; and pow(2, 3) may be the number before 8. */
START_TEST(long_sums_and_powers) {
  volatile float sum = 0;
  for (int n = 1; n <= 100000; n++) {
    sum = sum + 0.1f;
    Interval r = interval_sum(interval_point((double)0.1f), n);
    ck_assert_msg(r.lo <= (double)sum && (double)sum <= r.hi, "%d: %a is not in %a..%a", n, (double)sum, r.lo,
                  r.hi);
  }
  Interval long_sum = interval_sum(interval_of(0, 1), 1e9), cube = interval_power(interval_point(2), 3);
  ck_assert(long_sum.lo == 0 && isinf(long_sum.hi));
  Interval small = interval_mul(interval_point(1e-30), interval_point(1e-9)),
           any = interval_scale(interval_of(0, 1), NAN);
  ck_assert(small.lo == 0 && small.hi >= 1e-39); /* f32 flushes it */
  ck_assert(isinf(any.lo) && isinf(any.hi));
  ck_assert(cube.lo < 8 && cube.lo > 7.9999 && cube.hi > 8 && cube.hi < 8.0001);
}
END_TEST

/* Of centred numbers: the sum is 0 in the reals, and decides nothing; 0 of one number less itself does. */
START_TEST(noise_decides_nothing) {
  NodeId x, y, z;
  begin(&x, &y, &z);
  NodeId mean = build_broadcast(&f.b, build_reduce(&f.b, OP_MEAN, x, 1), graph_node(f.b.g, x)->type);
  NodeId near = build_broadcast(&f.b, build_reduce(&f.b, OP_SUM, fix_2(&f, OP_SUB, x, mean), 1),
                                graph_node(f.b.g, x)->type);
  NodeId none = fix_2(&f, OP_SUB, x, x), zero = fix_c(&f, x, 0), half = fix_c(&f, x, 0.5);
  static const Op test[] = {OP_EQ, OP_NE, OP_LT, OP_LE};
  static const Op step[] = {OP_SIGN, OP_FLOOR, OP_CEIL};
  NodeId by[2][12], again = fix_2(&f, OP_ADD, near, x);
  for (int k = 0; k < 2; k++) {
    NodeId n = k ? none : near;
    for (int i = 0; i < 4; i++) by[k][i] = fix_2(&f, test[i], n, zero);
    for (int i = 0; i < 3; i++) by[k][4 + i] = fix_1(&f, step[i], n);
    by[k][7] = build_cast(&f.b, n, DT_I32);
    by[k][8] = build_cast(&f.b, n, DT_BOOL);
    by[k][9] = fix_1(&f, OP_ROUND, fix_2(&f, OP_ADD, n, half));
    by[k][10] = fix_2(&f, OP_LT, k ? x : again, x);
    by[k][11] = fix_1(&f, OP_SIGN, fix_2(&f, OP_MUL, n, half));
  }
  NodeId far = fix_2(&f, OP_LT, near, half), flat = fix_2(&f, OP_MUL, near, x);
  evaluate(false, -1, 1);
  ck_assert(value_is_zero(&v, of[near.i]) && value_at(&v, of[near.i])->noise);
  ck_assert(value_is_zero(&v, of[flat.i]) && value_is(&v, of[far.i], 1));
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < 12; i++)
      ck_assert_msg(value_is_const(&v, of[by[k][i].i]) == k, "%s, %d", k ? "one number" : "noise", i);
  fix_end(&f);
}
END_TEST

/* A place that may lie outside reads 0. */
START_TEST(where_gather_lies) {
  NodeId x, y, z;
  begin(&x, &y, &z);
  NodeId place = build_iota(&f.b, FIX_T(&f, DT_I32, 4), 0),
         next = fix_2(&f, OP_ADD, place, fix_c(&f, place, 1));
  NodeId in[2][2] = {{x, place}, {x, next}}, got[2];
  for (int i = 0; i < 2; i++) got[i] = build_op(&f.b, OP_GATHER, in[i], 2, (int64_t[]){0, 0}, NULL);
  evaluate(true, 1, 2);
  ck_assert(range(got[0]).lo == 1 && range(got[0]).hi == 2);
  ck_assert(range(got[1]).lo == 0 && range(got[1]).hi == 2);
  fix_end(&f);
}
END_TEST

/* The places of a sort lie inside, also those of an axis without a number; other places of another axis do
 * not. */
START_TEST(where_sorted_lies) {
  NodeId x, y, z;
  begin(&x, &y, &z);
  NodeId order = build_op(&f.b, OP_ARGSORT, &y, 1, (int64_t[]){0, 1}, NULL);
  NodeId first = build_slice(&f.b, order, 0, dim_const(f.p.dims, 0), 1, dim_const(f.p.dims, 2));
  DimId n = dim_symbol(f.p.dims, fix_sym(&f, "N"));
  Type rows = {.dtype = DT_F32, .rank = 1, .dim = {n}},
       more = {.dtype = DT_F32, .rank = 1, .dim = {dim_add(f.p.dims, n, n)}};
  NodeId ten = build_const(&f.b, rows, 1), twenty = build_const(&f.b, more, 1);
  NodeId far = build_op(&f.b, OP_ARGSORT, &twenty, 1, (int64_t[]){0, 0}, NULL),
         near = build_op(&f.b, OP_ARGSORT, &ten, 1, (int64_t[]){0, 0}, NULL);
  NodeId in[5][2] = {{x, order}, {x, first}, {ten, near}, {ten, far}, {x, far}}, got[5];
  for (int i = 0; i < 5; i++) got[i] = build_op(&f.b, OP_GATHER, in[i], 2, (int64_t[]){0, 1}, NULL);
  evaluate(true, 1, 2);
  for (int i = 0; i < 2; i++) ck_assert(range(got[i]).lo == 1 && range(got[i]).hi == 2);
  ck_assert(value_is(&v, of[got[2].i], 1));
  for (int i = 3; i < 5; i++) ck_assert(range(got[i]).lo == 0);
  fix_end(&f);
}
END_TEST

UNIT_MAIN(UNIT("rounding", equal_in_real_numbers, signs_decide, what_cancels_varies, nothing_times, any_order,
               long_sums_and_powers, noise_decides_nothing, where_gather_lies, where_sorted_lies))
