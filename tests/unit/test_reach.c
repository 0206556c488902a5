/* What reachability is made of: sets of cuts, and where a value ends up. */
#include "passes/graph/reach.h"
#include "passes_fixture.h"

static Fix f;
static Type VEC4;

static NodeId begin(const char *name) { /* a step with one parameter */
  fix_begin(&f);
  VEC4 = FIX_T(&f, DT_F32, 4);
  LeafId p = fix_leaf(&f, LEAF_PARAM, name, VEC4);
  fix_step(&f, "fit");
  return build_leaf(&f.b, p);
}
static void output(NodeId n) { graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, n, (Span){0}); }

/* Members that were left out stay left out, whatever the set is joined with. */
START_TEST(unions_keep_that_more_was_left_out) {
  fix_begin(&f);
  Sets s;
  sets_init(&s, &f.arena);
  uint32_t few = sets_add(&s, 0, 10), many = 0;
  for (uint64_t m = 0; m <= SET_CAP; m++) many = sets_add(&s, many, 10 + m);
  ck_assert(!s.set.at[few].more && s.set.at[many].more);
  ck_assert_uint_eq(s.set.at[many].n, SET_CAP);
  ck_assert_uint_eq(sets_union(&s, few, many), many);
  ck_assert_uint_eq(sets_union(&s, many, few), many);
  ck_assert_uint_eq(sets_union(&s, 0, many), many);
  uint32_t full = 0;
  for (uint64_t m = 0; m < SET_CAP; m++) full = sets_add(&s, full, 10 + m);
  ck_assert(full != many && !s.set.at[full].more);
  ck_assert_uint_eq(sets_union(&s, full, many), many);
  fix_end(&f);
}
END_TEST

/* grad(e, p) asks about p and does not read it. */
START_TEST(the_point_of_a_grad_is_not_read) {
  NodeId p = begin("p"), w = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "w", VEC4));
  output(fix_grad(&f, fix_mean(&f, fix_1(&f, OP_SQUARE, w)), p));
  Sets s;
  sets_init(&s, &f.arena);
  uint32_t *sink = reach_sinks(f.b.g, &s, &f.arena);
  ck_assert_uint_eq(sink[p.i], sets_add(&s, 0, SINK_NODE | p.i));
  ck_assert_uint_eq(sink[w.i], sets_add(&s, 0, 0));
  fix_end(&f);
}
END_TEST

/* What a declared derivative is written with is read; its operands are what it stands for. */
START_TEST(the_parts_of_a_declared_rule_are_read) {
  NodeId x = begin("x"), q = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "q", VEC4));
  int64_t attr[2] = {3, 0};
  NodeId cot = build_op(&f.b, OP_COTANGENT, NULL, 0, attr, &VEC4);
  NodeId in[3] = {fix_1(&f, OP_ROUND, x), x, fix_2(&f, OP_MUL, cot, q)};
  attr[1] = 1;
  output(build_op(&f.b, OP_CUSTOM, in, 3, attr, NULL));
  Sets s;
  sets_init(&s, &f.arena);
  uint32_t *sink = reach_sinks(f.b.g, &s, &f.arena), out = sets_add(&s, 0, 0);
  ck_assert_uint_eq(sink[x.i], out);
  ck_assert_uint_eq(sink[q.i], out);
  fix_end(&f);
}
END_TEST

/* A comparison cuts both of its operands by being one. */
START_TEST(operands_cut_alike_have_one_cause) {
  NodeId p = begin("p"), q = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "q", VEC4));
  NodeId loss = fix_mean(&f, build_cast(&f.b, fix_2(&f, OP_LT, p, q), DT_F32));
  Sets s;
  sets_init(&s, &f.arena);
  Reach r = reach_from(f.b.g, loss, &s, &f.arena);
  ck_assert(r.reads[p.i] && !r.open[p.i] && r.cause[p.i]);
  ck_assert_uint_eq(r.cause[p.i], r.cause[q.i]);
  fix_end(&f);
}
END_TEST

START_TEST(a_value_of_two_outputs_has_both_sinks) {
  NodeId p = begin("p"), x = fix_1(&f, OP_TANH, p);
  output(fix_1(&f, OP_SQUARE, x));
  output(fix_1(&f, OP_EXP, x));
  Sets s;
  sets_init(&s, &f.arena);
  uint32_t both = sets_add(&s, sets_add(&s, 0, 0), 1), *sink = reach_sinks(f.b.g, &s, &f.arena);
  ck_assert_uint_eq(sink[x.i], both);
  ck_assert_uint_eq(sink[p.i], both);
  fix_end(&f);
}
END_TEST

UNIT_MAIN(UNIT("reach", operands_cut_alike_have_one_cause, a_value_of_two_outputs_has_both_sinks,
               unions_keep_that_more_was_left_out, the_point_of_a_grad_is_not_read,
               the_parts_of_a_declared_rule_are_read))
