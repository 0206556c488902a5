/* The runner: what --print-after, --stop-after and --time-passes do; a pass that breaks a graph is named.
 * Folding: what becomes a literal and what stays arithmetic. */
#include "passes/pass.h"
#include "passes_fixture.h"

static Fix f;

static Graph *small(void) { /* a root with work for cse, simplify and fold */
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F32, 4), index = FIX_T(&f, DT_I32, 4);
  fix_step(&f, "t");
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t));
  NodeId one = fix_c(&f, x, 1), y = fix_2(&f, OP_MUL, fix_1(&f, OP_NEG, fix_1(&f, OP_NEG, x)), one);
  NodeId z = fix_2(&f, OP_ADD, fix_1(&f, OP_TANH, y), fix_1(&f, OP_TANH, x));
  NodeId number = fix_1(&f, OP_EXP, fix_2(&f, OP_ADD, one, one));
  NodeId pattern =
      build_cast(&f.b, fix_2(&f, OP_LT, build_iota(&f.b, index, 0), build_const(&f.b, index, 2)), DT_F32);
  z = fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, z, number), pattern);
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, z, (Span){0});
  return f.b.g;
}

static uint32_t count(const Graph *g, Op op) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < g->node.n; i++) n += g->node.at[i].op == op;
  return n;
}

START_TEST(optimises) {
  Graph *g = passes_optimise(&f.arena, small(), NULL);
  ck_assert_uint_eq(count(g, OP_TANH), 1);
  ck_assert_uint_eq(count(g, OP_NEG), 0);
  ck_assert_uint_eq(count(g, OP_EXP), 0);
  ck_assert_uint_eq(count(g, OP_IOTA), 1); /* a pattern made of indices stays arithmetic */
  ck_assert_uint_eq(count(g, OP_TABLE), 0);
  ck_assert(g != f.b.g);
  fix_end(&f);
}
END_TEST

START_TEST(half_powers_are_roots) { /* also in what differentiates them; others stay */
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F64, 4);
  fix_step(&f, "t");
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t));
  double e[] = {-1.5, 4.5, 5.5, 0.3};
  for (int i = 0; i < 4; i++)
    graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, fix_2(&f, OP_POW, x, fix_c(&f, x, e[i])),
               (Span){0});
  PassCx cx = {.arena = &f.arena, .program = f.b.g->program};
  Graph *g = pass_powers(f.b.g, &cx);
  ck_assert_uint_eq(count(g, OP_POW), 2);
  ck_assert_uint_eq(count(g, OP_SQRT), 2);
  ck_assert_uint_eq(count(g, OP_DIV), 1);
  fix_end(&f);
}
END_TEST

/* What is stored as bf16 is widened once it is read, and rounded before it is stored, once. */
START_TEST(storage_is_cast) {
  fix_begin(&f);
  Type t = FIX_T(&f, DT_BF16, 4);
  fix_step(&f, "t");
  LeafId w = fix_leaf(&f, LEAF_PARAM, "w", t), s = fix_leaf(&f, LEAF_STATE, "s", t),
         u = fix_leaf(&f, LEAF_INPUT, "u", FIX_T(&f, DT_U8, 4));
  NodeId x = build_leaf(&f.b, w);
  ck_assert_int_eq(graph_node(f.b.g, x)->type.dtype, DT_F32);
  ck_assert_int_eq(graph_node(f.b.g, build_leaf(&f.b, u))->type.dtype, DT_I32);
  NodeId twice = fix_2(&f, OP_ADD, x, x);
  graph_root(f.b.g, ROOT_ASSIGN, (Sym){0}, w, fix_1(&f, OP_ROUND_BF16, twice), (Span){0});
  graph_root(f.b.g, ROOT_ASSIGN, (Sym){0}, s, twice, (Span){0});
  PassCx cx = {.arena = &f.arena, .program = f.b.g->program};
  Graph *g = pass_storage(f.b.g, &cx);
  ck_assert_uint_eq(count(g, OP_CAST), 3);
  ck_assert_uint_eq(count(g, OP_ROUND_BF16), 2);
  for (int i = 0; i < 2; i++) {
    NodeId stored = g->root.at[i].node, rounded = graph_in(g, stored)[0];
    ck_assert_int_eq(graph_node(g, stored)->type.dtype, DT_BF16);
    ck_assert_int_eq(node_op(g, rounded), OP_ROUND_BF16);
    ck_assert_int_eq(node_op(g, graph_in(g, rounded)[0]), OP_ADD);
  }
  ck_assert(pass_storage(g, &cx) == g);
  fix_end(&f);
}
END_TEST

/* Nothing but a cast reads or makes what is only stored. */
START_TEST(stored_types_are_read_by_casts) {
  fix_begin(&f);
  Type t = FIX_T(&f, DT_BF16, 4), to = FIX_T(&f, DT_F32, 4), wrong = FIX_T(&f, DT_F64, 4), out;
  fix_step(&f, "t");
  LeafId w = fix_leaf(&f, LEAF_PARAM, "w", t);
  NodeId x = graph_add(f.b.g, OP_LEAF, t, NULL, 0, &(int64_t){w.i}, (LocationId){0}, NO_NODE),
         y = build_leaf(&f.b, w);
  Sb why;
  sb_init(&why, &f.arena);
  ck_assert(op_infer(f.b.g, OP_CAST, &x, 1, NULL, &to, &out, &why));
  ck_assert(op_infer(f.b.g, OP_CAST, &y, 1, NULL, &t, &out, &why));
  ck_assert(!op_infer(f.b.g, OP_CAST, &x, 1, NULL, &wrong, &out, &why));
  ck_assert(!op_infer(f.b.g, OP_NEG, &x, 1, NULL, NULL, &out, &why));
  ck_assert(!op_infer(f.b.g, OP_RESHAPE, &x, 1, NULL, &t, &out, &why));
  ck_assert(
      !op_infer(f.b.g, OP_ARGMAX, &x, 1, &(int64_t){0}, NULL, &out, &why)); /* its result is not stored */
  ck_assert(!op_infer(f.b.g, OP_CONST, NULL, 0, &(int64_t){0}, &t, &out, &why));
  fix_end(&f);
}
END_TEST

static bool holds(const Sb *b, const char *text) { return memmem(b->p, b->n, text, strlen(text)) != NULL; }

START_TEST(orders_operands) { /* x + y and y + x are one node, x - y and y - x are two */
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F32, 4);
  fix_step(&f, "t");
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t)),
         y = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "y", t));
  for (int i = 0; i < 2; i++) {
    graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, fix_2(&f, OP_ADD, i ? x : y, i ? y : x),
               (Span){0});
    graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, fix_2(&f, OP_SUB, i ? x : y, i ? y : x),
               (Span){0});
  }
  Graph *g = passes_optimise(&f.arena, f.b.g, NULL);
  ck_assert_uint_eq(count(g, OP_ADD), 1);
  ck_assert_uint_eq(count(g, OP_SUB), 2);
  fix_end(&f);
}
END_TEST

START_TEST(prints_and_stops) {
  Graph *g = small();
  Sb log;
  sb_init(&log, &f.arena);
  PassOptions o = {.print_after = "simplify", .log = &log};
  (void)passes_optimise(&f.arena, g, &o);
  ck_assert(holds(&log, "// after simplify") && !holds(&log, "// after cse"));
  sb_init(&log, &f.arena);
  o = (PassOptions){.print_after = "all", .log = &log};
  (void)passes_optimise(&f.arena, g, &o);
  ck_assert(holds(&log, "// after cse") && holds(&log, "// after fold") && holds(&log, "// after dce"));
  sb_init(&log, &f.arena);
  o = (PassOptions){.print_after = "changed", .log = &log};
  Graph *done = passes_optimise(&f.arena, passes_optimise(&f.arena, g, NULL), &o);
  ck_assert_uint_eq(log.n, 0); /* nothing is left to do */
  ck_assert_uint_eq(count(done, OP_TANH), 1);
  o = (PassOptions){.stop_after = "cse"};
  ck_assert_uint_eq(count(passes_optimise(&f.arena, g, &o), OP_EXP), 1);
  sb_init(&log, &f.arena);
  TimeLog times = {.out = &log};
  o = (PassOptions){.time = &times};
  (void)passes_optimise(&f.arena, g, &o);
  ck_assert(holds(&log, "fold") && holds(&log, " ms "));
  PassId id;
  ck_assert(pass_find(STR("autodiff"), &id) && id == PASS_autodiff && !pass_find(STR("auto"), &id));
  fix_end(&f);
}
END_TEST

START_TEST(binds_dims) {
  fix_begin(&f);
  Sym n = fix_sym(&f, "N");
  Type t = {.dtype = DT_F32, .rank = 1, .dim = {dim_symbol(f.p.dims, n)}};
  fix_step(&f, "t");
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_INPUT, "x", t));
  NodeId y = build_drop_axes(&f.b, build_reduce(&f.b, OP_MEAN, x, 1), 1);
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "g"), (LeafId){0}, fix_grad(&f, y, x), (Span){0});
  Sb why;
  sb_init(&why, &f.arena);
  DimBinding bind = {n, 5};
  Graph *open = passes_reference(&f.arena, &f.p, &f.p.entry.at[0], NULL, 0, NULL, &why);
  Graph *bound = passes_reference(&f.arena, &f.p, &f.p.entry.at[0], &bind, 1, NULL, &why);
  ck_assert(open && bound);
  ck_assert_uint_eq(count(open, OP_SUM), 1); /* the count of a symbolic axis is a sum of ones */
  ck_assert_uint_eq(count(bound, OP_SUM), 0);
  Type got = graph_node(bound, bound->root.at[0].node)->type;
  int64_t v;
  ck_assert(dim_is_const(f.p.dims, got.dim[0], &v) && v == 5);
  fix_end(&f);
}
END_TEST

START_TEST(dims_that_do_not_fit) { /* no defect: refused, with the reason */
  fix_begin(&f);
  Sym n = fix_sym(&f, "N");
  DimId rows = dim_symbol(f.p.dims, n), three = dim_const(f.p.dims, 3);
  fix_step(&f, "t");
  NodeId x =
      build_leaf(&f.b, fix_leaf(&f, LEAF_INPUT, "x", (Type){.dtype = DT_F32, .rank = 1, .dim = {rows}}));
  NodeId y = build_slice(&f.b, x, 0, dim_sub(f.p.dims, rows, three), 1, dim_const(f.p.dims, 1));
  NodeId z =
      build_slice(&f.b, x, 0, dim_const(f.p.dims, 0), 1, dim_sub(f.p.dims, rows, dim_const(f.p.dims, 1)));
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "y"), (LeafId){0}, y, (Span){0});
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "z"), (LeafId){0}, z, (Span){0});
  static const char *const want[] = {"the dim 'N - 1' is 0, and an extent is at least 1: N = 1",
                                     "slice: starts at -1: N = 2"};
  for (int64_t v = 1; v <= 3; v++) {
    Sb why;
    sb_init(&why, &f.arena);
    DimBinding bind = {n, v};
    Graph *g = passes_reference(&f.arena, &f.p, &f.p.entry.at[0], &bind, 1, NULL, &why);
    ck_assert_int_eq(g != NULL, v == 3);
    if (!g) ck_assert_strn(why, want[v - 1]);
  }
  fix_end(&f);
}
END_TEST

START_TEST(looks_for_what_is_needed) { /* a stop before the passes that no longer know it */
  fix_begin(&f);
  fix_step(&f, "t");
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", FIX_T(&f, DT_F32, 4)));
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, fix_1(&f, OP_STOP, x), (Span){0});
  static const PassId list[] = {PASS_dce, PASS_cse};
  PassCx cx = {.arena = &f.arena, .program = &f.p};
  Rescue r;
  if (RESCUE(f.arena.mem, &r)) {
    (void)passes_run(f.b.g, &cx, list, 2);
    ck_abort_msg("cse took a graph with a stop");
  }
  ck_assert_int_eq(r.status, ST_INTERNAL);
  ck_assert_ptr_nonnull(strstr(r.what, "pass 'cse' needs a graph that is 'erased'"));
  fix_end(&f);
}
END_TEST

/* A literal that is no number is the one NaN there is; a barrier around literals stays one. */
START_TEST(folds_to_one_nan) {
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F32, 2);
  fix_step(&f, "t");
  NodeId zero = build_const(&f.b, t, 0), nan = fix_2(&f, OP_DIV, zero, zero);
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, nan, (Span){0});
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "s"), (LeafId){0}, fix_1(&f, OP_STOP, zero), (Span){0});
  PassCx cx = {.arena = &f.arena, .program = &f.p};
  Graph *g = pass_fold(f.b.g, &cx);
  ck_assert_int_eq(node_op(g, g->root.at[0].node), OP_CONST);
  int64_t word;
  memcpy(&word, &(double){__builtin_nan("")}, sizeof word);
  ck_assert_int_eq(graph_attr(g, g->root.at[0].node)[0], word);
  ck_assert_int_eq(node_op(g, g->root.at[1].node), OP_STOP);
  fix_end(&f);
}
END_TEST

UNIT_MAIN(UNIT("passes", folds_to_one_nan, optimises, orders_operands, storage_is_cast,
               stored_types_are_read_by_casts, half_powers_are_roots, prints_and_stops, binds_dims,
               dims_that_do_not_fit, looks_for_what_is_needed))
