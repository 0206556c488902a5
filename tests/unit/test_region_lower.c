/* Loops and conditions as plans: written graphs and random ones, with their gradients, by the kernel
 * evaluator against the interpreter, bit by bit. */
#include "lower_kit.h"
#include "region_random.h"

static Kit kit;
static Fix f;

static void take(Str text, bool optimised, uint64_t seed) {
  Sb why;
  Graph *g;
  kit_begin(&kit, seed);
  sb_init(&why, &kit.arena);
  ck_assert_msg(graph_parse(&kit.program, text, &g, &why), "%.*s", (int)why.n, why.p);
  for (uint32_t l = 0; l < kit.program.leaf.n; l++) kit_data(&kit, (LeafId){l});
  PassCx cx = {.arena = &kit.arena, .program = &kit.program};
  static const PassId list[] = {PASS_autodiff, PASS_erase,    PASS_cse,  PASS_simplify, PASS_fold,
                                PASS_simplify, PASS_dce,      PASS_trim, PASS_hoist,    PASS_trim,
                                PASS_cse,      PASS_simplify, PASS_cse,  PASS_dce};
  kit.b.g = passes_run(g, &cx, list, optimised ? sizeof list / sizeof *list : 2);
  kit_check(&kit);
}

START_TEST(written_graphs) {
  static const char *const trip[] = {"1", "2", "3", "7"};
  for (size_t t = 0; t < sizeof trip / sizeof *trip; t++)
    for (int optimised = 0; optimised < 2; optimised++) {
      fix_begin(&f);
      take(region_text(&f, region_names[_i], trip[t]), optimised, t);
      fix_end(&f);
    }
}
END_TEST

/* Two bodies launch one kernel that needs scratch memory: both plans count it. */
START_TEST(bodies_share_kernels) {
  fix_begin(&f);
  take(region_text(&f, "scratch", ""), false, 1);
  fix_end(&f);
}
END_TEST

static const char early[] =
    "graph early\nparam n: i32\nparam w: f64[3]\n"
    "%0: i32 = leaf n\n%1: f64[3] = leaf w\n%2: i32 = const 0\n%3: bool = lt %2 %0\n{\n"
    "%4: bool = param {k=0}\n%5: i32 = param {k=1}\n%6: f64[3] = param {k=2}\n"
    "%7: i32 = const 1\n%8: i32 = sub %5 %7\n%9: f64[3] = sin %6\n%10: i32 = const 0\n"
    "%11: bool = lt %10 %8\n%12: none = yield %11 %8 %9\n}\n"
    "%13: none = loop %12 %3 %0 %1 {trip=6 carry=3 step=0 reverse=0 ends=1 again=0}\n"
    "%14: i32 = result %13 {k=1}\n%15: f64[3] = result %13 {k=2}\n"
    "output n = %14\noutput w = %15\n";

/* Without a gradient the loop ends by itself: before the first step, in between, at its limit. */
START_TEST(ends_by_itself) {
  Sb why;
  Graph *g;
  kit_begin(&kit, 1);
  sb_init(&why, &kit.arena);
  ck_assert_msg(graph_parse(&kit.program, str_z(early), &g, &why), "%.*s", (int)why.n, why.p);
  for (uint32_t l = 0; l < kit.program.leaf.n; l++) kit_data(&kit, (LeafId){l});
  *(int32_t *)kit.data[0] = _i - 1;
  kit.b.g = g;
  kit_check(&kit);
}
END_TEST

START_TEST(random_graphs) {
  uint32_t loops = 0, conds = 0;
  const char *more = getenv("DG_REGIONS");
  uint64_t n = more ? strtoull(more, NULL, 10) : 15;
  for (uint64_t i = 0; i < n; i++) {
    fix_begin(&f);
    Graph *g = random_regions(&f, i + (uint64_t)_i * n, &loops, &conds);
    take(graph_text_of(&f, g), i % 2, i);
    fix_end(&f);
  }
}
END_TEST

/* A small loop is one kernel, of which its body's are no longer kernels; without the option it is a plan in
 * the plan. */
START_TEST(small_loops_are_kernels) {
  for (int loops = 0; loops < 2; loops++) {
    fix_begin(&f);
    take(region_text(&f, "leapfrog", "7"), true, 1);
    LowerOptions o;
    lower_options_init(&o, 64);
    o.loops = loops;
    Plan *p = kit_lower(&kit, &o);
    uint32_t of_kind[4] = {0}, used = 0;
    for (uint32_t i = 0; i < p->launch.n; i++) of_kind[p->launch.at[i].kind]++;
    ck_assert_uint_eq(of_kind[LAUNCH_LOOP] == 0, loops);
    for (uint32_t k = 0; loops && k < p->kernel.n; k++)
      for (uint32_t i = 0; i < p->launch.n; i++)
        if (p->launch.at[i].kernel == k) {
          used++;
          break;
        }
    ck_assert(!loops || used == p->kernel.n);
    fix_end(&f);
  }
}
END_TEST

UNIT_MAIN(UNIT("small", small_loops_are_kernels), UNIT_TURNS("ends", 9, ends_by_itself),
          UNIT_TURNS("written", REGION_GRAPHS, written_graphs), UNIT_TURNS("random", 8, random_graphs),
          UNIT("shared", bodies_share_kernels))
