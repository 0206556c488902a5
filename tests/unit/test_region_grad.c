/* Derivatives through loops and conditions: against dual numbers on the value alone, against central
 * differences, and against the gradient of the unrolled program. */
#include "passes/graph/reach.h"
#include "passes/pass.h"
#include "region_random.h"

#include <math.h>
#include <time.h>

static Fix f;
static uint64_t seed;

static double uniform(double lo, double hi) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return lo + (hi - lo) * ((double)(seed >> 11) * 0x1p-53);
}

static Tensor *leaves(double lo, double hi) {
  Tensor *leaf = ARENA_ARRAY(&f.arena, Tensor, f.p.leaf.n);
  for (uint32_t i = 0; i < f.p.leaf.n; i++) {
    ck_assert(tensor_of_type(&f.arena, f.p.dims, &f.p.leaf.at[i].type, &leaf[i]));
    for (size_t k = 0; k < leaf[i].count; k++) ((double *)leaf[i].data)[k] = uniform(lo, hi);
  }
  return leaf;
}

static Interp run(const Graph *g, Tensor *leaf, Tensor *tangent, bool roots) {
  Interp it = {.graph = g,
               .mode = tangent ? INTERP_DUAL
                       : roots ? INTERP_NATIVE
                               : INTERP_F64,
               .arena = &f.arena};
  it.leaf = leaf;
  it.leaf_tangent = tangent;
  it.only_roots = roots;
  Status s = interp_run(&it);
  ck_assert_msg(s == ST_OK, "%s", it.what);
  return it;
}

static Graph *passed(Graph *g, bool optimised) {
  PassCx cx = {.arena = &f.arena, .program = &f.p};
  static const PassId list[] = {PASS_autodiff, PASS_erase,    PASS_cse,  PASS_simplify, PASS_fold,
                                PASS_simplify, PASS_dce,      PASS_trim, PASS_hoist,    PASS_trim,
                                PASS_cse,      PASS_simplify, PASS_cse,  PASS_dce};
  return passes_run(g, &cx, list, optimised ? sizeof list / sizeof *list : 2);
}

static Graph *value_of(const Graph *g) {
  Graph *c = graph_copy(&f.arena, g, NULL, 0);
  c->root.n = 1;
  return passed(graph_copy(&f.arena, c, NULL, 0), false);
}

static double at(const Interp *it, const Graph *g, uint32_t root, size_t k) {
  return ((const double *)it->value[g->root.at[root].node.i].data)[k];
}

static void close_to(const char *name, const char *what, const Graph *g, const Interp *x, const Graph *h,
                     const Interp *y, double tolerance) {
  for (uint32_t i = 0; i < g->root.n; i++) {
    size_t n = x->value[g->root.at[i].node.i].count;
    ck_assert_uint_eq(n, y->value[h->root.at[i].node.i].count);
    for (size_t k = 0; k < n; k++) {
      double a = at(x, g, i, k), b = at(y, h, i, k);
      ck_assert_msg(fabs(a - b) <= tolerance * (1 + fabs(a) + fabs(b)), "%s, %s: root %u[%zu]: %.17g, %.17g",
                    name, what, i, k, a, b);
    }
  }
}

/* What has a slope is open, and what has a value that matters is read: nothing is called dead that is not. */
static void reachable(const char *name, const Graph *g, const Graph *d, const Interp *id) {
  Sets sets;
  sets_init(&sets, &f.arena);
  NodeId loss = g->root.at[0].node;
  const Graph *asked = reach_graph(g, loss, &f.arena, &loss);
  Reach r = reach_from(asked, loss, &sets, &f.arena);
  bool open[16] = {false};
  ck_assert_uint_le(f.p.leaf.n, 16);
  for (uint32_t i = 0; i <= loss.i; i++) {
    if (r.open[i] && asked->node.at[i].op == OP_LEAF) open[graph_attr(asked, (NodeId){i})[0]] = true;
    ck_assert(!r.open[i] || r.reads[i]);
    NodeId n = {i};
    for (uint32_t steps = 0; r.reads[i] && !node_eq(n, loss); steps++) { /* paths end at the loss */
      ck_assert_uint_lt(steps, asked->node.n);
      n = r.next[n.i].user;
    }
  }
  for (uint32_t leaf = 0; leaf < f.p.leaf.n; leaf++) {
    const Tensor *t = &id->value[d->root.at[1 + leaf].node.i];
    bool slope = false;
    for (size_t k = 0; k < t->count; k++) slope |= ((const double *)t->data)[k] != 0;
    ck_assert_msg(open[leaf] || !slope, "%s: leaf %u has a slope and is not open", name, leaf);
  }
}

/* Root 0 of g is a number, root 1 + i its gradient by leaf i. */
static void check(const char *name, Graph *g, bool differences) {
  Graph *d = passed(g, false), *o = passed(g, true), *u = passed(unrolled(g), false), *value = value_of(g),
        *again;
  Sb why;
  sb_init(&why, &f.arena);
  Str text = graph_text_of(&f, d);
  ck_assert_msg(graph_parse(&f.p, text, &again, &why), "%s: %.*s", name, (int)why.n, why.p);
  Tensor *leaf = leaves(0.3, 0.9), *none = ARENA_ARRAY(&f.arena, Tensor, f.p.leaf.n);
  Interp id = run(d, leaf, NULL, false), io = run(o, leaf, NULL, true), iu = run(u, leaf, NULL, false);
  reachable(name, g, d, &id);
  close_to(name, "unrolled", d, &id, u, &iu, 1e-10);
  close_to(name, "optimised", d, &id, o, &io, 0);
  for (uint32_t i = 0; i < f.p.leaf.n; i++) {
    Tensor *dir = leaves(-1, 1);
    memset(none, 0, f.p.leaf.n * sizeof *none);
    none[i] = dir[i];
    Interp dual = run(value, leaf, none, false);
    const Tensor *t = &dual.tangent[value->root.at[0].node.i];
    double want = t->data ? ((double *)t->data)[0] : 0, got = 0;
    for (size_t k = 0; k < dir[i].count; k++) got += at(&id, d, 1 + i, k) * ((double *)dir[i].data)[k];
    ck_assert_msg(fabs(got - want) <= 1e-10 * (1 + fabs(got) + fabs(want)), "%s, leaf %u: %.17g, dual %.17g",
                  name, i, got, want);
    if (!differences) continue;
    double h = 1e-5, side[2];
    for (int s = 0; s < 2; s++) {
      for (size_t k = 0; k < dir[i].count; k++)
        ((double *)leaf[i].data)[k] += (s ? -2 * h : h) * ((double *)dir[i].data)[k];
      Interp it = run(value, leaf, NULL, false);
      side[s] = at(&it, value, 0, 0);
    }
    for (size_t k = 0; k < dir[i].count; k++) ((double *)leaf[i].data)[k] += h * ((double *)dir[i].data)[k];
    want = (side[0] - side[1]) / (2 * h);
    ck_assert_msg(fabs(got - want) <= 1e-6 * (1 + fabs(got) + fabs(want)),
                  "%s, leaf %u: %.17g, difference %.17g", name, i, got, want);
  }
}

START_TEST(written_graphs) {
  static const char *const trip[] = {"1", "2", "3", "7", "100"};
  for (size_t t = 0; t < sizeof trip / sizeof *trip; t++) {
    fix_begin(&f);
    seed = 7;
    check(region_names[_i], region_graph(&f, region_names[_i], trip[t]), t < 4);
    fix_end(&f);
  }
}
END_TEST

START_TEST(random_graphs) {
  uint32_t loops = 0, conds = 0;
  const char *more = getenv("DG_REGIONS");
  uint64_t n = more ? strtoull(more, NULL, 10) : 25;
  for (uint64_t i = 0; i < n; i++) {
    fix_begin(&f);
    char name[32];
    snprintf(name, sizeof name, "random %llu", (unsigned long long)(i + (uint64_t)_i * n));
    seed = 7;
    check(name, random_regions(&f, i + (uint64_t)_i * n, &loops, &conds), false);
    fix_end(&f);
  }
  ck_assert_uint_ge(loops, n);
  ck_assert_uint_ge(conds, n / 10);
}
END_TEST

/* Differentiated with a symbol for the number of steps, then bound: the same graph. */
START_TEST(steps_may_be_a_symbol) {
  for (int i = 0; i < REGION_GRAPHS; i++) {
    fix_begin(&f);
    DimBinding bind = {fix_sym(&f, "T"), 7};
    Graph *g = region_graph(&f, region_names[i], "T");
    Str x = graph_text_of(&f, graph_copy(&f.arena, passed(g, false), &bind, 1));
    Str y =
        graph_text_of(&f, graph_copy(&f.arena, passed(graph_copy(&f.arena, g, &bind, 1), false), NULL, 0));
    ck_assert_msg(str_eq(x, y), "%s\n%.*s\n%.*s", region_names[i], (int)x.n, x.p, (int)y.n, y.p);
    fix_end(&f);
  }
}
END_TEST

START_TEST(as_many_nodes_for_any_number_of_steps) {
  for (int i = 0; i < REGION_GRAPHS; i++) {
    uint32_t nodes[2];
    for (int t = 0; t < 2; t++) {
      fix_begin(&f);
      nodes[t] = passed(region_graph(&f, region_names[i], t ? "20000" : "2"), true)->node.n;
      fix_end(&f);
    }
    ck_assert_msg(nodes[0] == nodes[1], "%s: %u nodes at 2 steps, %u at 20,000", region_names[i], nodes[0],
                  nodes[1]);
  }
}
END_TEST

/* depth loops in one another, or n in a row. */
static NodeId nest(Body *x, NodeId s, Body *top, NodeId a, int depth) {
  Body in = body_begin(x);
  NodeId p = body_carry(&in, s, (LocationId){0}), k = body_see(&in, top, a);
  if (depth > 1) p = nest(&in, p, top, a, depth - 1);
  p = rr_op(&in, OP_SIN, rr_op(&in, OP_MUL, p, k), NO_NODE);
  Builder b = rr_at(x);
  return build_result(&b, body_loop(&b, &in, &p, 1, (LoopShape){.carry = 1, .trip = dim_const(f.p.dims, 2)}),
                      0);
}

static uint32_t nodes_of(int depth, int n) {
  fix_begin(&f);
  fix_leaf(&f, LEAF_PARAM, "s", type_scalar(DT_F64));
  Graph *g = graph_new(&f.arena, &f.p, fix_sym(&f, "scale"));
  Body top = body_outermost(g);
  Builder b = rr_at(&top);
  NodeId s = build_leaf(&b, (LeafId){0}), y = s;
  for (int i = 0; i < n; i++) y = nest(&top, y, &top, s, depth);
  graph_root(g, ROOT_OUTPUT, fix_sym(&f, "d"), (LeafId){0}, rr_grad(&top, y, s), (Span){0});
  uint32_t nodes = passed(g, true)->node.n;
  fix_end(&f);
  return nodes;
}

/* More loops around a value than a tensor has axes: what is kept of it still is one. */
START_TEST(deeper_than_axes) {
  fix_begin(&f);
  seed = 7;
  fix_leaf(&f, LEAF_PARAM, "s", type_scalar(DT_F64));
  Graph *g = graph_new(&f.arena, &f.p, fix_sym(&f, "scale"));
  Body top = body_outermost(g);
  Builder b = rr_at(&top);
  NodeId s = build_leaf(&b, (LeafId){0}), y = nest(&top, s, &top, s, MAX_RANK + 2);
  graph_root(g, ROOT_OUTPUT, fix_sym(&f, "y"), (LeafId){0}, y, (Span){0});
  graph_root(g, ROOT_OUTPUT, fix_sym(&f, "d"), (LeafId){0}, rr_grad(&top, y, s), (Span){0});
  check("deeper than axes", g, false);
  fix_end(&f);
}
END_TEST

START_TEST(growth) {
  uint32_t one = nodes_of(1, 1);
  ck_assert_uint_le(nodes_of(4, 1), 5 * one);
  clock_t t0 = clock();
  uint32_t many = nodes_of(1, 1000);
  clock_t t1 = clock();
  uint32_t twice = nodes_of(1, 2000);
  clock_t t2 = clock();
  ck_assert_uint_le(twice, 2 * many + 100);
  ck_assert_msg((double)(t2 - t1) < 3.5 * (double)(t1 - t0) + 0.05 * CLOCKS_PER_SEC,
                "%ld, twice as many: %ld", (long)(t1 - t0), (long)(t2 - t1));
}
END_TEST

UNIT_MAIN(UNIT_TURNS("written", REGION_GRAPHS, written_graphs), UNIT_TURNS("random", 8, random_graphs),
          UNIT("shape", steps_may_be_a_symbol, as_many_nodes_for_any_number_of_steps, deeper_than_axes,
               growth))
