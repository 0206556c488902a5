/* Loops and conditions as graphs: their text, what the verifier refuses, copying, and the interpreter against
 * the same program unrolled, in native numbers, in f64 and with tangents. */
#include "ir/graph/body.h"
#include "passes/pass.h"
#include "region_kit.h"

#include <math.h>

static Fix f;

/* Every leaf gets numbers of its own. */
static Tensor *leaves(bool wide, double lo, double hi, uint32_t salt) {
  Tensor *leaf = ARENA_ARRAY(&f.arena, Tensor, f.p.leaf.n);
  for (uint32_t i = 0; i < f.p.leaf.n; i++) {
    Type t = f.p.leaf.at[i].type;
    if (wide && t.dtype == DT_F32) t.dtype = DT_F64;
    ck_assert(tensor_of_type(&f.arena, f.p.dims, &t, &leaf[i]));
    for (size_t k = 0; k < leaf[i].count; k++) {
      uint32_t h = ((uint32_t)k + 977 * i + salt + 1) * 2654435761u;
      h = (h ^ h >> 15) * 2246822519u;
      double x = lo + (hi - lo) * ((double)(h >> 8) / 16777216.0);
      if (t.dtype == DT_F64) ((double *)leaf[i].data)[k] = x;
      if (t.dtype == DT_F32) ((float *)leaf[i].data)[k] = (float)x;
      if (t.dtype == DT_I32 || t.dtype == DT_BOOL) ((int32_t *)leaf[i].data)[k] = (int32_t)(h % 2);
    }
  }
  return leaf;
}

static Interp run(const Graph *g, InterpMode mode, bool roots) {
  Interp it = {.graph = g, .mode = mode, .arena = &f.arena, .only_roots = roots};
  it.leaf = leaves(mode != INTERP_NATIVE, 0.3, 0.9, 0);
  if (mode == INTERP_DUAL) it.leaf_tangent = leaves(true, -1, 1, 5000);
  Status s = interp_run(&it);
  ck_assert_msg(s == ST_OK, "%s", it.what);
  return it;
}

static void same(const char *what, const Graph *g, const Graph *h, InterpMode mode) {
  Interp x = run(g, mode, false), y = run(h, mode, false), z = run(g, mode, true);
  for (uint32_t i = 0; i < g->root.n; i++) {
    uint32_t p = g->root.at[i].node.i, q = h->root.at[i].node.i;
    size_t bytes = x.value[p].count * dtype_bytes(x.value[p].dtype);
    ck_assert_msg(x.value[p].count == y.value[q].count, "%s: root %u: extents", what, i);
    ck_assert_msg(memcmp(x.value[p].data, y.value[q].data, bytes) == 0, "%s: root %u: other bits", what, i);
    ck_assert_msg(memcmp(x.value[p].data, z.value[p].data, bytes) == 0, "%s: root %u: roots only", what, i);
    if (mode != INTERP_DUAL) continue;
    for (size_t k = 0; k < x.value[p].count; k++) {
      double a = x.tangent[p].data ? ((double *)x.tangent[p].data)[k] : 0;
      double b = y.tangent[q].data ? ((double *)y.tangent[q].data)[k] : 0;
      ck_assert_msg(a == b, "%s: root %u[%zu]: tangent %.17g, unrolled %.17g", what, i, k, a, b);
    }
  }
}

/* The value alone: root 0 with what it reads. */
static Graph *value_of(const Graph *g) {
  Graph *c = graph_copy(&f.arena, g, NULL, 0);
  c->root.n = 1;
  return graph_copy(&f.arena, c, NULL, 0);
}

static bool pure(const Graph *g) {
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_GRAD) return false;
  return true;
}

START_TEST(values_are_those_of_the_unrolled_program) {
  static const char *const trip[] = {"1", "2", "3", "7", "100"};
  int run_of = 0;
  for (int i = 0; i < REGION_GRAPHS; i++)
    for (size_t t = 0; t < sizeof trip / sizeof *trip; t++) {
      fix_begin(&f);
      Graph *g = value_of(region_graph(&f, region_names[i], trip[t]));
      if (pure(g)) {
        Graph *u = unrolled(g);
        Sb why;
        sb_init(&why, &f.arena);
        ck_assert_msg(graph_verify(u, &why), "%.*s", (int)why.n, why.p);
        for (int mode = INTERP_NATIVE; mode <= INTERP_DUAL; mode++)
          same(region_names[i], g, u, (InterpMode)mode);
        run_of++;
      }
      fix_end(&f);
    }
  ck_assert_int_eq(run_of, 45);
}
END_TEST

START_TEST(text_round_trip) {
  for (int i = 0; i < REGION_GRAPHS; i++) {
    fix_begin(&f);
    Graph *g = region_graph(&f, region_names[i], "7"), *again;
    Str once = graph_text_of(&f, g);
    Sb why;
    sb_init(&why, &f.arena);
    ck_assert_msg(graph_parse(&f.p, once, &again, &why), "%.*s", (int)why.n, why.p);
    ck_assert(str_eq(once, graph_text_of(&f, again)));
    fix_end(&f);
  }
}
END_TEST

static Str from_nodes(Str text) { /* leaves keep their symbols */
  const char *p = memchr(text.p, '%', text.n);
  return (Str){p, text.n - (size_t)(p - text.p)};
}

START_TEST(copies_bind_steps) {
  for (int i = 0; i < REGION_GRAPHS; i++) {
    fix_begin(&f);
    DimBinding bind = {fix_sym(&f, "T"), 7};
    Graph *symbolic = region_graph(&f, region_names[i], "T");
    Str x = graph_text_of(&f, graph_copy(&f.arena, symbolic, &bind, 1));
    f.p.leaf.n = 0; /* the same names, other types */
    Graph *bound = region_graph(&f, region_names[i], "7");
    Str y = graph_text_of(&f, graph_copy(&f.arena, bound, NULL, 0));
    ck_assert(str_eq(from_nodes(x), from_nodes(y)));
    fix_end(&f);
  }
}
END_TEST

/* s := s + 1 from 0, until s == end or the steps are done. */
START_TEST(a_loop_ends_where_it_says) {
  static const char *const text = "graph g\ninput end: i32\n%%0: i32 = leaf end\n%%1: bool = const 1\n%%2: "
                                  "i32 = const 0\n{\n%%3: bool = param {k=0}\n"
                                  "%%4: i32 = param {k=1}\n%%5: i32 = param {k=2}\n%%6: i32 = const 1\n%%7: "
                                  "i32 = add %%4 %%6\n%%8: bool = lt %%7 %%5\n"
                                  "%%9: none = yield %%8 %%7\n}\n%%10: none = loop %%9 %%1 %%2 %%0 {trip=%s "
                                  "carry=2 step=0 reverse=0 ends=1 again=0}\n"
                                  "%%11: i32 = result %%10 {k=1}\noutput s = %%11\n";
  static const struct {
    const char *trip;
    int32_t end, s;
  } row[] = {{"100", 7, 7}, {"100", 1, 1}, {"5", 7, 5}, {"4000000000000", 1000, 1000}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    fix_begin(&f);
    Sb why, b;
    Graph *g;
    sb_init(&why, &f.arena);
    sb_init(&b, &f.arena);
    sb_fmt(&b, text, row[i].trip);
    ck_assert_msg(graph_parse(&f.p, sb_str(&b), &g, &why), "%.*s", (int)why.n, why.p);
    Tensor end;
    ck_assert(tensor_of_type(&f.arena, f.p.dims, &f.p.leaf.at[0].type, &end));
    *(int32_t *)end.data = row[i].end;
    Interp it = {.graph = g, .mode = INTERP_NATIVE, .arena = &f.arena, .leaf = &end};
    ck_assert_msg(interp_run(&it) == ST_OK, "%s", it.what);
    ck_assert_int_eq(*(int32_t *)it.value[11].data, row[i].s);
    fix_end(&f);
  }
}
END_TEST

#define HEAD                                                                                                 \
  "graph g\nparam s: f64\nparam x: f64[4]\ninput p: bool\n%0: f64 = leaf s\n%1: f64[4] = leaf x\n%2: bool "  \
  "= leaf p\n"
#define P3 "{\n%3: f64 = param {k=0}\n%4: f64 = param {k=1}\n%5: f64 = param {k=2}\n"
#define BODY P3 "%6: f64 = mul %3 %4\n%7: none = yield %6 %6\n}\n"
#define LOOP "%8: none = loop %7 %0 %1 %0 {trip=4 carry=1 step=1 reverse=0 ends=0 again=0}\n"
#define C1 "{\n%3: f64 = param {k=0}\n%4: none = yield %3\n}\n"
#define C2 "{\n%5: f64 = param {k=0}\n%6: f64 = sin %5\n%7: none = yield %6\n}\n"

START_TEST(verifier_refuses) {
  static const char *const row[][2] = {
      {NULL, BODY LOOP "%9: f64 = result %8 {k=0}\n%10: f64[4] = result %8 {k=1}\nloss L = %9\n"},
      {NULL, C1 C2 "%8: none = cond %4 %7 %2 %0\n%9: f64 = result %8 {k=0}\nloss L = %9\n"},
      {"another region", P3 "%6: f64 = mul %3 %0\n%7: none = yield %6 %6\n}\n" LOOP},
      {"another region", BODY LOOP "%9: f64 = mul %6 %0\n"},
      {"one yield", P3 "%6: f64 = mul %3 %4\n}\n%7: none = loop %6 %0 %1 %0 {trip=4 carry=1 step=1 reverse=0 "
                       "ends=0 again=0}\n"},
      {"one yield", P3 "%6: none = yield %3\n%7: none = yield %3\n}\n" LOOP},
      {"right before", BODY
       "%8: f64 = const 1\n%9: none = loop %7 %0 %1 %0 {trip=4 carry=1 step=1 reverse=0 ends=0 again=0}\n"},
      {"right before", BODY "%8: f64 = const 1\n"},
      {"without body", "%3: none = loop %0 %0 {trip=4 carry=1 step=0 reverse=0 ends=0 again=0}\n"},
      {"not closed", P3 "%6: f64 = mul %3 %4\n%7: none = yield %6 %6\n" LOOP},
      {"no region is open", "}\n"},
      {"parameters stand first", "{\n%3: f64 = param {k=0}\n%4: f64 = param {k=1}\n%5: f64 = const 1\n%6: "
                                 "f64 = mul %3 %4\n%7: none = yield %6 %6\n}\n" LOOP},
      {"parameters stand first", "{\n%3: f64 = param {k=0}\n%4: f64 = param {k=2}\n%5: f64 = param "
                                 "{k=1}\n%6: f64 = mul %3 %4\n%7: none = yield %6 %6\n}\n" LOOP},
      {"does not fit its parameter", "{\n%3: f64 = param {k=0}\n%4: f64[4] = param {k=1}\n%5: f64 = param "
                                     "{k=2}\n%6: f64 = mul %3 %5\n%7: none = yield %6 %6\n}\n" LOOP},
      {"changes its type", P3 "%6: i32 = const 1\n%7: none = yield %6 %3\n}\n" LOOP},
      {"no stack of as many",
       BODY "%8: none = loop %7 %0 %1 %0 {trip=3 carry=1 step=1 reverse=0 ends=0 again=0}\n"},
      {"no stack of as many",
       BODY "%8: none = loop %7 %0 %0 %0 {trip=4 carry=1 step=1 reverse=0 ends=0 again=0}\n"},
      {"less than it carries", P3 "%6: f64 = mul %3 %4\n%7: none = yield %6\n}\n%8: none = loop %7 %0 %0 %0 "
                                  "{trip=4 carry=2 step=0 reverse=0 ends=0 again=0}\n"},
      {"carries 3, steps 1",
       BODY "%8: none = loop %7 %0 %1 %0 {trip=4 carry=3 step=1 reverse=0 ends=0 again=0}\n"},
      {"of no steps", BODY "%8: none = loop %7 %0 %1 %0 {trip=0 carry=1 step=1 reverse=0 ends=0 again=0}\n"},
      {"attribute 3", BODY "%8: none = loop %7 %0 %1 %0 {trip=4 carry=1 step=1 reverse=2 ends=0 again=0}\n"},
      {"truth value first",
       BODY "%8: none = loop %7 %0 %1 %0 {trip=4 carry=1 step=1 reverse=0 ends=1 again=0}\n"},
      {"a leaf in a region", P3 "%6: f64 = leaf s\n%7: none = yield %6 %6\n}\n" LOOP},
      {"no value out here", BODY LOOP "loss L = %6\n"},
      {"no value out here", BODY LOOP "loss L = %8\n"},
      {"attribute 0 is 2", BODY LOOP "%9: f64 = result %8 {k=2}\n"},
      {"must be f64[4]", BODY LOOP "%9: f64 = result %8 {k=1}\n"},
      {"no body", "%3: f64 = result %0 {k=0}\n"},
      {"parameters stand first", "%3: f64 = param {k=0}\n"},
      {"", BODY LOOP "%9: none = loop %7 %0 %1 %0 {trip=4 carry=1 step=1 reverse=0 ends=0 again=0}\n"},
      {"no value", BODY LOOP "%9: none = yield %8\n"},
      {"must be none", BODY "%8: f64 = loop %7 %0 %1 %0 {trip=4 carry=1 step=1 reverse=0 ends=0 again=0}\n"},
      {"of f64", C1 C2 "%8: none = cond %4 %7 %0 %0\n"},
      {"differ", C1
       "{\n%5: f64 = param {k=0}\n%6: bool = const 1\n%7: none = yield %6\n}\n%8: none = cond %4 %7 %2 %0\n"},
      {"differ", C1 "{\n%5: f64 = param {k=0}\n%6: f64 = sin %5\n%7: none = yield %6 %6\n}\n%8: none = cond "
                    "%4 %7 %2 %0\n"},
      {"right before", C1 C2 "%8: none = cond %7 %4 %2 %0\n"},
      {"parameters stand first", C1 C2 "%8: none = cond %4 %7 %2 %0 %0\n"},
      {"right before", C1 C2 "%8: none = cond %4 %4 %2 %0\n"},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    fix_begin(&f);
    Sb text, why;
    Graph *g;
    sb_init(&text, &f.arena);
    sb_init(&why, &f.arena);
    sb_fmt(&text, "%s%s", HEAD, row[i][1]);
    bool ok = graph_parse(&f.p, sb_str(&text), &g, &why);
    sb_char(&why, 0);
    ck_assert_msg(ok == !row[i][0], "%s\n%s", row[i][1], why.p);
    if (!ok) ck_assert_msg(strstr(why.p, row[i][0]) != NULL, "%s\nsays: %s", row[i][1], why.p);
    fix_end(&f);
  }
}
END_TEST

/* Texts with one wrong character: refused, or graphs that the passes take. */
START_TEST(wrong_texts_are_no_defects) {
  uint32_t good = 0, seed = 7;
  for (int i = 0; i < REGION_GRAPHS; i++)
    for (int k = 0; k < 150; k++) {
      fix_begin(&f);
      Str t = region_text(&f, region_names[i], "3");
      char *p = (char *)str_copy(&f.arena, t).p;
      seed = seed * 1664525u + 1013904223u;
      size_t at = seed % t.n;
      while (at < t.n && (p[at] < '0' || p[at] > '9')) at++;
      if (at < t.n) p[at] = k % 7 ? (char)('0' + (seed >> 20) % 10) : "{}%=[] "[(seed >> 20) % 7];
      Sb why;
      Graph *g;
      sb_init(&why, &f.arena);
      if (graph_parse(&f.p, (Str){p, t.n}, &g, &why)) {
        good++;
        PassCx cx = {.arena = &f.arena, .program = &f.p};
        ck_assert(str_eq(graph_text_of(&f, g), graph_text_of(&f, g)));
        if (pure(g)) (void)passes_run(g, &cx, (PassId[]){PASS_cse, PASS_dce}, 2);
      }
      fix_end(&f);
    }
  ck_assert_uint_ge(good, 50);
}
END_TEST

/* A value that is first asked for inside two bodies is made outside and passed through both. */
START_TEST(bodies_capture) {
  fix_begin(&f);
  LeafId leaf = fix_leaf(&f, LEAF_PARAM, "w", type_scalar(DT_F64));
  Graph *g = graph_new(&f.arena, &f.p, fix_sym(&f, "g"));
  Builder b = {g, {0}, NO_NODE};
  Body top = body_outermost(g);
  NodeId start = build_const(&b, type_scalar(DT_F64), 1);
  Body outer = body_begin(&top);
  NodeId s = body_carry(&outer, start, (LocationId){0});
  Body inner = body_begin(&outer);
  NodeId r = body_carry(&inner, s, (LocationId){0});
  NodeId w = build_leaf(&b, leaf), w1 = body_see(&inner, &top, w);
  ck_assert(node_eq(w1, body_see(&inner, &top, w)));
  Builder in = {inner.g, {0}, NO_NODE}, out = {outer.g, {0}, NO_NODE};
  NodeId next = build_scalar(&in, OP_MUL, r, w1, NO_NODE), two = dim_const(f.p.dims, 2).i == 0 ? r : next;
  NodeId l = body_loop(&out, &inner, &two, 1, (LoopShape){.carry = 1, .trip = dim_const(f.p.dims, 2)});
  NodeId rest = build_result(&out, l, 0);
  l = body_loop(&b, &outer, &rest, 1, (LoopShape){.carry = 1, .trip = dim_const(f.p.dims, 3)});
  graph_root(g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, build_result(&b, l, 0), (Span){0});
  Sb why;
  sb_init(&why, &f.arena);
  ck_assert_msg(graph_verify(g, &why), "%.*s", (int)why.n, why.p);
  Interp it = run(g, INTERP_F64, false);
  double x = *(double *)it.leaf[0].data;
  ck_assert_double_eq_tol(*(double *)it.value[g->root.at[0].node.i].data, pow(x, 6), 1e-15);
  fix_end(&f);
}
END_TEST

START_TEST(equal_loops_are_one) {
  static const char *const text = HEAD BODY LOOP
      "%9: f64 = result %8 {k=0}\n{\n%10: f64 = param {k=0}\n"
      "%11: f64 = param {k=1}\n%12: f64 = param {k=2}\n%13: f64 = mul %11 %10\n%14: none = yield %13 %13\n}\n"
      "%15: none = loop %14 %0 %1 %0 {trip=4 carry=1 step=1 reverse=0 ends=0 again=0}\n%16: f64 = result %15 "
      "{k=0}\n"
      "%17: f64 = sub %9 %16\noutput d = %17\n";
  fix_begin(&f);
  Sb why;
  Graph *g;
  sb_init(&why, &f.arena);
  ck_assert_msg(graph_parse(&f.p, str_z(text), &g, &why), "%.*s", (int)why.n, why.p);
  PassCx cx = {.arena = &f.arena, .program = &f.p};
  Graph *c = passes_run(g, &cx, (PassId[]){PASS_cse, PASS_dce}, 2);
  uint32_t loops = 0;
  for (uint32_t i = 0; i < c->node.n; i++) loops += c->node.at[i].op == OP_LOOP;
  ck_assert_uint_eq(loops, 1);
  same("equal loops", g, c, INTERP_F64);
  fix_end(&f);
}
END_TEST

UNIT_MAIN(UNIT("region", values_are_those_of_the_unrolled_program, text_round_trip, copies_bind_steps,
               a_loop_ends_where_it_says, verifier_refuses, wrong_texts_are_no_defects, bodies_capture,
               equal_loops_are_one))
