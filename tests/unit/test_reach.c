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

/* Through the body of a loop, as often as it takes: c is carried into d, which is carried into what is read.
 */
START_TEST(bodies_are_seen_through) {
  static const char *const text =
      "graph g\nparam stopped: f64\nparam unused: f64\nparam c: f64\nparam d: f64\nparam e: f64\nparam "
      "asked: f64\n"
      "%0: f64 = leaf stopped\n%1: f64 = leaf unused\n%2: f64 = leaf c\n%3: f64 = leaf d\n%4: f64 = leaf e\n"
      "{\n%5: f64 = param {k=0}\n%6: f64 = param {k=1}\n%7: f64 = param {k=2}\n%8: f64 = param {k=3}\n"
      "%9: f64 = param {k=4}\n%10: f64 = stop_gradient %9\n%11: f64 = mul %5 %10\n%12: f64 = sin %8\n"
      "%13: none = yield %6 %7 %11 %12\n}\n%14: none = loop %13 %4 %3 %2 %1 %0 {trip=9 carry=4 step=0 "
      "reverse=0 ends=0 again=0}\n"
      "%15: f64 = result %14 {k=0}\n%16: f64 = leaf asked\n%17: bool = lt %16 %15\n"
      "{\n%18: f64 = param {k=0}\n%19: none = yield %18\n}\n{\n%20: f64 = param {k=0}\n%21: f64 = neg %20\n"
      "%22: none = yield %21\n}\n%23: none = cond %19 %22 %17 %15\n%24: f64 = result %23 {k=0}\nloss L = "
      "%24\n";
  fix_begin(&f);
  Graph *g;
  Sb why;
  sb_init(&why, &f.arena);
  ck_assert_msg(graph_parse(&f.p, str_z(text), &g, &why), "%.*s", (int)why.n, why.p);
  Sets s;
  sets_init(&s, &f.arena);
  Reach r = reach_from(g, (NodeId){24}, &s, &f.arena);
  static const struct {
    uint32_t node;
    bool reads, open;
  } row[] = {{0, true, false}, {1, false, false}, {2, true, true},
             {3, true, true},  {4, true, true},   {16, true, false}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    ck_assert_msg(r.reads[row[i].node] == row[i].reads, "%u", row[i].node);
    ck_assert_msg(r.open[row[i].node] == row[i].open, "%u", row[i].node);
  }
  ck_assert_uint_eq(key_edge(s.set.at[r.cause[0]].at[0]).user.i, 10); /* the stop in the body */
  uint32_t *sink = reach_sinks(g, &s, &f.arena), loss = sets_add(&s, 0, 0);
  ck_assert_uint_eq(sink[0], loss);
  ck_assert_uint_eq(sink[2], loss);
  ck_assert_uint_ne(sink[1], loss);
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

UNIT_MAIN(UNIT("reach", bodies_are_seen_through, operands_cut_alike_have_one_cause,
               a_value_of_two_outputs_has_both_sinks, unions_keep_that_more_was_left_out,
               the_point_of_a_grad_is_not_read, the_parts_of_a_declared_rule_are_read))
