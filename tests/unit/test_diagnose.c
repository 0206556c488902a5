/* Verdicts on hand-built graphs: every kind of cut, the order of headlines, grouping, marks, size. */
#include "base/size.h"
#include "passes/diagnose/diagnose.h"
#include "passes/diagnose/value.h"
#include "passes_fixture.h"

static Fix f;
static Type VEC4;

static void begin(void) {
  fix_begin(&f);
  VEC4 = FIX_T(&f, DT_F32, 4);
}

/* "DG0303 w b; DG0304 c", in order of reporting */
static const char *verdicts(void) {
  diagnose(&f.p, NULL, 0, &f.d);
  Sb b;
  sb_init(&b, &f.arena);
  for (uint32_t i = 0; i < f.d.all.n; i++) {
    const Diag *g = f.d.all.at[i];
    sb_fmt(&b, "%sDG%04d", i ? "; " : "", diag_info[g->kind].code);
    for (uint32_t k = 0; k < g->subject.n; k++) sb_fmt(&b, " " STRF, STRA(g->subject.at[k]));
  }
  sb_char(&b, '\0');
  return b.p;
}
static bool says(const char *text) {
  Sb b;
  sb_init(&b, &f.arena);
  diag_render_all(&f.d, (DiagStyle){.tab = 8}, &b);
  return b.n && memmem(b.p, b.n, text, strlen(text)) != NULL;
}

static LeafId param(const char *name) { return fix_leaf(&f, LEAF_PARAM, name, VEC4); }
static NodeId leaf(LeafId id) { return build_leaf(&f.b, id); }

START_TEST(healthy) {
  begin();
  LeafId w = param("w");
  fix_step(&f, "fit");
  fix_loss(&f, "mse", fix_mean(&f, fix_1(&f, OP_SQUARE, leaf(w))));
  fix_own(&f, w, 0.1);
  ck_assert_str_eq(verdicts(), "");
  fix_end(&f);
}
END_TEST

/* Every op whose edge carries nothing cuts, and says so in its own words. */
START_TEST(each_cut) {
  static const struct {
    Op op;
    const char *says;
  } row[] = {{OP_STOP, "stop_gradient ends"},
             {OP_ROUND, "step function"},
             {OP_FLOOR, "step function"},
             {OP_CEIL, "step function"},
             {OP_SIGN, "step function"},
             {OP_CAST, "conversion to i32"},
             {OP_LT, "true or false"},
             {OP_ARGMAX, "a position"},
             {OP_ARGSORT, "a position"},
             {OP_WHERE, "condition"},
             {OP_EXTERN, "host function 'h' has no derivative"}};
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    begin();
    LeafId w = param("w"), b = param("b");
    VEC_PUSH(&f.arena, &f.p.externs, (Extern){.name = fix_sym(&f, "h"), .nin = 1, .in = {VEC4}, .out = VEC4});
    fix_step(&f, "fit");
    NodeId x = fix_2(&f, OP_ADD, leaf(w), leaf(b)), y = x;
    int64_t attr = 0;
    switch ((int)row[i].op) {
    case OP_ARGSORT:
      y = build_cast(&f.b, build_op(&f.b, OP_ARGSORT, &x, 1, (int64_t[]){0, 0}, NULL), DT_F32);
      break;
    case OP_STOP: y = build_op(&f.b, OP_STOP, &x, 1, NULL, NULL); break;
    case OP_CAST: y = build_cast(&f.b, build_cast(&f.b, x, DT_I32), DT_F32); break;
    case OP_LT: y = build_cast(&f.b, fix_2(&f, OP_LT, x, fix_c(&f, x, 0)), DT_F32); break;
    case OP_WHERE:
      y = build_scalar(&f.b, OP_WHERE, fix_2(&f, OP_LT, x, fix_c(&f, x, 0)), fix_c(&f, x, 1),
                       fix_c(&f, x, 2));
      break;
    case OP_ARGMAX: y = build_cast(&f.b, build_op(&f.b, OP_ARGMAX, &x, 1, &attr, NULL), DT_F32); break;
    case OP_EXTERN: y = build_op(&f.b, OP_EXTERN, &x, 1, &attr, &VEC4); break;
    default: y = fix_1(&f, row[i].op, x);
    }
    fix_loss(&f, "mse", fix_mean(&f, y));
    fix_own(&f, w, 0.1);
    fix_own(&f, b, 0.1);
    ck_assert_str_eq(verdicts(), "DG0303 w b");
    const char *want =
        row[i].op == OP_WHERE ? "true or false" : row[i].says; /* the first cut after the parameter */
    Diag *g = f.d.all.at[0];
    ck_assert_uint_eq(g->label.n, 1);
    ck_assert_msg(memmem(g->label.at[0].text.p, g->label.at[0].text.n, want, strlen(want)) != NULL,
                  "%s: %.*s", op_info[row[i].op].name, STRA(g->label.at[0].text));
    fix_end(&f);
  }
}
END_TEST

START_TEST(cut_beside_a_path_is_healthy) {
  begin();
  LeafId w = param("w");
  fix_step(&f, "fit");
  NodeId x = leaf(w), s = build_op(&f.b, OP_STOP, &x, 1, NULL, NULL);
  fix_loss(&f, "mse", fix_mean(&f, fix_2(&f, OP_MUL, x, s)));
  fix_own(&f, w, 0.1);
  ck_assert_str_eq(verdicts(), "");
  fix_end(&f);
}
END_TEST

START_TEST(two_cuts_are_two_messages) {
  begin();
  LeafId w = param("w"), v = param("v");
  fix_step(&f, "fit");
  NodeId a = fix_1(&f, OP_ROUND, leaf(w)), b = leaf(v);
  fix_loss(&f, "mse", fix_mean(&f, fix_2(&f, OP_ADD, a, build_op(&f.b, OP_STOP, &b, 1, NULL, NULL))));
  fix_own(&f, w, 0.1);
  fix_own(&f, v, 0.1);
  ck_assert_str_eq(verdicts(), "DG0303 w; DG0303 v");
  fix_end(&f);
}
END_TEST

START_TEST(unowned_and_dead) {
  begin();
  LeafId w = param("w"), b = param("b"), c = param("c"), z = param("z");
  (void)z;
  fix_step(&f, "fit");
  NodeId s = leaf(c);
  s = build_op(&f.b, OP_STOP, &s, 1, NULL, NULL);
  fix_loss(&f, "mse", fix_mean(&f, fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, leaf(w), leaf(b)), s)));
  fix_own(&f, w, 0.1);
  ck_assert_str_eq(verdicts(), "DG0304 b; DG0303 c; DG0301 z");
  ck_assert(says("and no step lists it"));
  fix_end(&f);
}
END_TEST

START_TEST(unreachable_by_sink) {
  begin();
  LeafId w = param("w"), a = param("a"), b = param("b");
  fix_step(&f, "fit");
  graph_root(f.b.g, ROOT_METRIC, fix_sym(&f, "acc"), (LeafId){0},
             fix_mean(&f, fix_2(&f, OP_ADD, leaf(a), leaf(b))), (Span){0});
  fix_loss(&f, "mse", fix_mean(&f, leaf(w)));
  fix_own(&f, w, 0.1);
  fix_own(&f, a, 0.1);
  fix_own(&f, b, 0.1);
  ck_assert_str_eq(verdicts(), "DG0302 a b");
  fix_end(&f);
}
END_TEST

START_TEST(dead_here_open_there) { /* a GAN's two steps, and one parameter in both */
  begin();
  LeafId gen = param("gen"), crit = param("crit"), both = param("both");
  for (int i = 0; i < 2; i++) {
    fix_step(&f, i ? "g_step" : "d_step");
    NodeId fake = leaf(gen), real = leaf(crit);
    if (!i) fake = build_op(&f.b, OP_STOP, &fake, 1, NULL, NULL);
    fix_loss(&f, "l", fix_mean(&f, fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, fake, real), leaf(both))));
    fix_own(&f, i ? gen : crit, 0.1);
    fix_own(&f, both, 0.1);
  }
  ck_assert_str_eq(verdicts(), "DG0307 both");
  fix_end(&f);
}
END_TEST

START_TEST(frozen_and_marks) {
  begin();
  LeafId w = param("w"), fr = param("fr"), idle = param("idle_frozen"), ok = param("ok"), bad = param("bad");
  f.p.leaf.at[fr.i].frozen = f.p.leaf.at[idle.i].frozen = true;
  f.p.leaf.at[ok.i].allow = UINT32_C(1) << DGRP_unused;
  f.p.leaf.at[bad.i].expect = UINT32_C(1) << DGRP_cut;
  fix_step(&f, "fit");
  fix_loss(&f, "mse", fix_mean(&f, fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, leaf(w), leaf(fr)), leaf(bad))));
  fix_own(&f, w, 0.1);
  fix_own(&f, bad, 0.1);
  ck_assert_str_eq(verdicts(), "DG0309; DG0308 idle_frozen");
  fix_end(&f);
}
END_TEST

START_TEST(declared_rule) { /* an extern with a declared derivative carries; a captured value does not */
  begin();
  LeafId w = param("w"), cap = param("cap");
  VEC_PUSH(&f.arena, &f.p.externs,
           (Extern){.name = fix_sym(&f, "h"), .nin = 2, .in = {VEC4, VEC4}, .out = VEC4});
  fix_step(&f, "fit");
  NodeId x = leaf(w), in[2] = {x, leaf(cap)};
  int64_t attr[2] = {0, 0};
  NodeId value = build_op(&f.b, OP_EXTERN, in, 2, attr, &VEC4);
  attr[0] = 7;
  NodeId cot = build_op(&f.b, OP_COTANGENT, NULL, 0, attr, &VEC4);
  NodeId all[3] = {value, x, fix_2(&f, OP_MUL, cot, fix_c(&f, cot, 2))};
  attr[1] = 1;
  fix_loss(&f, "mse", fix_mean(&f, build_op(&f.b, OP_CUSTOM, all, 3, attr, NULL)));
  fix_own(&f, w, 0.1);
  fix_own(&f, cap, 0.1);
  ck_assert_str_eq(verdicts(), "DG0303 cap");
  fix_end(&f);
}
END_TEST

START_TEST(no_train_block) {
  begin();
  LeafId w = param("w"), b = param("b");
  Graph *g = graph_new(&f.arena, &f.p, fix_sym(&f, "eval"));
  f.b.g = g;
  VEC_PUSH(&f.arena, &f.p.entry, (Entry){.kind = ENTRY_EVAL, .name = g->name, .graph = g});
  graph_root(g, ROOT_LOSS, fix_sym(&f, "a"), (LeafId){0},
             fix_mean(&f, fix_2(&f, OP_ADD, leaf(w), fix_1(&f, OP_ROUND, leaf(b)))), (Span){0});
  ck_assert_str_eq(verdicts(), "DG0303 b");
  graph_root(g, ROOT_LOSS, fix_sym(&f, "b"), (LeafId){0}, fix_mean(&f, leaf(b)), (Span){0});
  f.d.all.n = 0;
  ck_assert_str_eq(verdicts(), "");
  fix_end(&f);
}
END_TEST

/* A bias that a derivative does not see, beside a rule that gives nothing to p: each is cut, and told why. */
START_TEST(grads_in_the_loss) {
  begin();
  LeafId w = param("w"), b = param("b"), q = param("q");
  fix_step(&f, "fit");
  NodeId x = leaf(w),
         e = fix_mean(&f, fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, fix_1(&f, OP_SQUARE, x), leaf(q)), leaf(b)));
  NodeId slope = fix_grad(&f, e, leaf(w)), twice = fix_grad(&f, fix_mean(&f, slope), leaf(w));
  fix_loss(&f, "l", fix_mean(&f, fix_2(&f, OP_MUL, slope, twice)));
  for (int i = 0; i < 3; i++) fix_own(&f, (LeafId[]){w, b, q}[i], 0.1);
  ck_assert_str_eq(verdicts(), "DG0303 b");
  const Diag *d = f.d.all.at[0];
  ck_assert_uint_eq(d->label.n, 1);
  ck_assert(str_eq(d->label.at[0].text, STR("the derivative taken here does not depend on it")));
  fix_end(&f);

  begin();
  w = param("w");
  LeafId p = param("p");
  fix_step(&f, "fit");
  x = leaf(p);
  int64_t attr[2] = {7, 1};
  NodeId cot = build_op(&f.b, OP_COTANGENT, NULL, 0, attr, &VEC4);
  NodeId in[3] = {fix_1(&f, OP_TANH, x), x, fix_c(&f, cot, 0)};
  NodeId own = build_op(&f.b, OP_CUSTOM, in, 3, attr, NULL);
  slope = fix_grad(&f, fix_mean(&f, fix_1(&f, OP_SQUARE, leaf(w))), leaf(w));
  fix_loss(&f, "l", fix_mean(&f, fix_2(&f, OP_ADD, own, slope)));
  fix_own(&f, w, 0.1);
  fix_own(&f, p, 0.1);
  ck_assert_str_eq(verdicts(), "DG0303 p");
  fix_end(&f);
}
END_TEST

/* ---- what the rule does */

static Builder init_graph(void) {
  Graph *g = program_graph(&f.p, ENTRY_INIT, (Sym){0});
  if (!g) {
    g = graph_new(&f.arena, &f.p, fix_sym(&f, "init"));
    VEC_PUSH(&f.arena, &f.p.entry, (Entry){.kind = ENTRY_INIT, .name = g->name, .graph = g});
  }
  return (Builder){.g = g, .primal = NO_NODE};
}

static LeafId state(const char *name, LeafId of) { /* of a parameter, 0 at first */
  LeafId id = fix_leaf(&f, LEAF_STATE, name, VEC4);
  f.p.leaf.at[id.i].of = of;
  Builder b = init_graph();
  graph_root(b.g, ROOT_ASSIGN, (Sym){0}, id, build_const(&b, VEC4, 0), (Span){0});
  return id;
}

/* Initial values 0.3, 0.5, 0.7, 0.9. */
static void begins(LeafId id) {
  Builder b = init_graph();
  double number[4] = {0.3f, 0.5f, 0.7f, 0.9f};
  uint64_t word[4];
  memcpy(word, number, sizeof word); /* size-ok: four doubles */
  int64_t table = graph_table(b.g, word, 4);
  graph_root(b.g, ROOT_ASSIGN, (Sym){0}, id, build_op(&b, OP_TABLE, NULL, 0, &table, &VEC4), (Span){0});
}

/* adamw with the usual constants; g is what the rule sees as gradient */
static NodeId adamw(LeafId w, NodeId g, double rate, double decay) {
  NodeId x = leaf(w);
  LeafId m = state("m", w), v = state("v", w), step = fix_leaf(&f, LEAF_STEP, "step", FIX_T(&f, DT_I32, 4));
  NodeId m1 = fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, fix_c(&f, x, 0.9), leaf(m)),
                    fix_2(&f, OP_MUL, fix_c(&f, x, 0.1), g));
  NodeId v1 = fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, fix_c(&f, x, 0.999), leaf(v)),
                    fix_2(&f, OP_MUL, fix_c(&f, x, 0.001), fix_1(&f, OP_SQUARE, g)));
  NodeId t = build_cast(&f.b, leaf(step), DT_F32);
  NodeId c = fix_2(&f, OP_SUB, fix_c(&f, x, 1), fix_2(&f, OP_POW, fix_c(&f, x, 0.9), t));
  NodeId d = fix_2(&f, OP_DIV, fix_2(&f, OP_DIV, m1, c),
                   fix_2(&f, OP_ADD, fix_1(&f, OP_SQRT, v1), fix_c(&f, x, 1e-8)));
  if (decay != 0) d = fix_2(&f, OP_ADD, d, fix_2(&f, OP_MUL, fix_c(&f, x, decay), x));
  graph_root(f.b.g, ROOT_ASSIGN, (Sym){0}, m, m1, (Span){0});
  graph_root(f.b.g, ROOT_ASSIGN, (Sym){0}, v, v1, (Span){0});
  return fix_2(&f, OP_SUB, x, fix_2(&f, OP_MUL, fix_c(&f, x, rate), d));
}

/* rate, decay, factor on the gradient, is the loss cut? */
static const char *rule(double rate, double decay, double factor, bool cut) {
  begin();
  LeafId w = param("w");
  begins(w);
  fix_step(&f, "fit");
  NodeId x = leaf(w);
  if (cut) x = fix_1(&f, OP_ROUND, x);
  fix_loss(&f, "mse", fix_mean(&f, fix_1(&f, OP_SQUARE, x)));
  f.p.train.at[0].group.at[0].using_at = (Span){0, 0, 1};
  NodeId g = fix_grad(&f, f.p.train.at[0].loss, leaf(w));
  NodeId masked = factor == 1 ? g : fix_2(&f, OP_MUL, g, fix_c(&f, g, factor));
  fix_own_by(&f, w, g, adamw(w, masked, rate, decay));
  static char text[64];
  const char *codes = verdicts();
  snprintf(text, sizeof text, "%s%s", codes, says("all the same, without a gradient") ? ", moved" : "");
  fix_end(&f);
  return text;
}

START_TEST(rules) {
  ck_assert_str_eq(rule(0.1, 0, 1, false), "");
  ck_assert_str_eq(rule(0.1, 0.01, 1, false), "");
  ck_assert_str_eq(rule(0, 0, 1, false), "DG0305 w");
  ck_assert_str_eq(rule(0, 0.01, 1, false), "DG0305 w");   /* decay is multiplied by the rate, too */
  ck_assert_str_eq(rule(0.1, 0, 0, false), "DG0305 w");    /* masked away: m and v stay 0 */
  ck_assert_str_eq(rule(0.1, 0.01, 0, false), "DG0306 w"); /* but decay moves it */
  ck_assert_str_eq(rule(0.1, 0, 1, true), "DG0303 w");
  ck_assert_str_eq(rule(0.1, 0.01, 1, true), "DG0303 w, moved");
}
END_TEST

START_TEST(a_state_that_moves_is_no_constant) { /* momentum with a masked gradient, but m starts at 1 in
                                                   another step */
  begin();
  LeafId w = param("w"), m = state("m", w);
  fix_step(&f, "fit");
  fix_loss(&f, "mse", fix_mean(&f, leaf(w)));
  NodeId g = fix_grad(&f, f.p.train.at[0].loss, leaf(w));
  graph_root(f.b.g, ROOT_ASSIGN, (Sym){0}, m,
             fix_2(&f, OP_ADD, fix_2(&f, OP_MUL, fix_c(&f, g, 0.9), leaf(m)), fix_c(&f, g, 1)), (Span){0});
  fix_own_by(&f, w, g, fix_2(&f, OP_SUB, leaf(w), leaf(m)));
  ck_assert_str_eq(verdicts(), "DG0306 w");
  fix_end(&f);
  begin();
  w = param("w");
  m = state("m", w);
  fix_step(&f, "fit");
  fix_loss(&f, "mse", fix_mean(&f, leaf(w)));
  g = fix_grad(&f, f.p.train.at[0].loss, leaf(w));
  graph_root(f.b.g, ROOT_ASSIGN, (Sym){0}, m, g,
             (Span){0}); /* the gradient arrives one step later, through m */
  fix_own_by(&f, w, g, fix_2(&f, OP_SUB, leaf(w), leaf(m)));
  ck_assert_str_eq(verdicts(), "");
  fix_end(&f);
}
END_TEST

/* ---- against autodiff: `open` is exactly where reverse mode brings a cotangent back */

static uint64_t seed;
static uint32_t dice(uint32_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(seed >> 33) % n;
}

static bool inner; /* grads inside the loss, too */

static NodeId random_node(NodeId x, NodeId y) {
  int64_t attr[2] = {0, 1};
  if (inner && !dice(8)) return fix_grad(&f, fix_mean(&f, fix_1(&f, OP_SQUARE, x)), y);
  switch (dice(14)) {
  case 0: return build_op(&f.b, OP_STOP, &x, 1, NULL, NULL);
  case 1: return fix_1(&f, OP_ROUND, x);
  case 2: return build_cast(&f.b, build_cast(&f.b, x, DT_I32), DT_F32);
  case 3: return build_cast(&f.b, fix_2(&f, OP_LT, x, y), DT_F32);
  case 4: return build_scalar(&f.b, OP_WHERE, fix_2(&f, OP_LT, x, y), x, fix_c(&f, x, 1));
  case 5: return build_op(&f.b, OP_EXTERN, &x, 1, attr, &VEC4);
  case 6: { /* the rule passes the cotangent on, or gives a literal */
    attr[0] = 100 + dice(1000000);
    NodeId cot = build_op(&f.b, OP_COTANGENT, NULL, 0, attr, &VEC4);
    NodeId in[3] = {fix_2(&f, OP_MUL, x, y), x, dice(2) ? fix_1(&f, OP_NEG, cot) : fix_c(&f, x, 0)};
    return build_op(&f.b, OP_CUSTOM, in, 3, attr, NULL);
  }
  case 7: return build_broadcast(&f.b, build_reduce(&f.b, OP_MAX, x, 1), VEC4);
  case 8: return fix_1(&f, OP_TANH, x);
  case 9:
    return build_cast(
        &f.b, build_broadcast(&f.b, build_op(&f.b, OP_ARGMAX, &x, 1, attr, NULL), FIX_T(&f, DT_I32, 4)),
        DT_F32);
  default: return fix_2(&f, dice(2) ? OP_ADD : OP_MUL, x, y);
  }
}

START_TEST(agrees_with_autodiff) {
  uint32_t seen[FLOW_OPEN + 1] = {0};
  for (uint64_t turn = 0; turn < 3000; turn++) {
    begin();
    seed = turn;
    inner = turn % 2;
    for (int i = 0; i < 5; i++) (void)dice(2);
    VEC_PUSH(&f.arena, &f.p.externs, (Extern){.name = fix_sym(&f, "h"), .nin = 1, .in = {VEC4}, .out = VEC4});
    LeafId p[4];
    NodeId pool[24];
    uint32_t n = 0, size = 6 + dice(14);
    fix_step(&f, "fit");
    for (int i = 0; i < 4; i++) {
      p[i] = param((const char *[]){"a", "b", "c", "d"}[i]);
      pool[n++] = leaf(p[i]);
    }
    while (n < size) {
      NodeId x = pool[dice(n)], y = pool[dice(n)];
      pool[n++] = random_node(x, y);
    }
    fix_loss(&f, "l", fix_mean(&f, pool[n - 1]));
    NodeId grad[4];
    for (int i = 0; i < 4; i++) {
      grad[i] = fix_grad(&f, f.p.train.at[0].loss, leaf(p[i]));
      fix_own_by(&f, p[i], grad[i], fix_2(&f, OP_SUB, leaf(p[i]), grad[i]));
    }
    Diagnose x = {.arena = &f.arena, .p = &f.p, .d = &f.d};
    diagnose_run(&x);
    Sb why;
    sb_init(&why, &f.arena);
    f.b.g->root.n = 0;
    for (int i = 0; i < 4; i++)
      graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "g"), (LeafId){0}, grad[i], (Span){0});
    Graph *g = passes_reference(&f.arena, &f.p, &f.p.entry.at[0], NULL, 0, NULL, &why);
    for (uint32_t i = 0; i < 4; i++) {
      NodeId d = g->root.at[i].node;
      bool literal_zero = node_op(g, d) == OP_CONST && graph_const_value(g, d) == 0;
      Flow flow = x.view.at[0].param[p[i].i].flow;
      seen[flow]++;
      ck_assert_msg((flow >= FLOW_ZERO) == !literal_zero, "turn %d, parameter %u: flow %d, derivative '%s'",
                    (int)turn, i, (int)flow, op_info[node_op(g, d)].name);
    }
    fix_end(&f);
  }
  ck_assert(seen[FLOW_OPEN] > 1000 && seen[FLOW_CUT] > 1000 && seen[FLOW_UNREACHABLE] > 1000);
}
END_TEST

/* Random update rules: where the verdict is idle, running the step gives the parameter back; where it is
 * "moves without gradient", another gradient gives the same new value. */
static Tensor updated(Graph *g, LeafId w, double scale) {
  Tensor *leaf = ARENA_ARRAY(&f.arena, Tensor, f.p.leaf.n);
  for (uint32_t i = 0; i < f.p.leaf.n; i++) {
    ck_assert(tensor_of_type(&f.arena, f.p.dims, &f.p.leaf.at[i].type, &leaf[i]));
    for (size_t k = 0; k < leaf[i].count && f.p.leaf.at[i].kind != LEAF_STATE; k++)
      ((float *)leaf[i].data)[k] =
          (float)((f.p.leaf.at[i].kind == LEAF_INPUT ? scale : 1) * (0.3 + 0.2 * (double)k));
  }
  Interp it = {.graph = g, .arena = &f.arena, .leaf = leaf};
  ck_assert_int_eq(interp_run(&it), ST_OK);
  for (uint32_t i = 0; i < g->root.n; i++)
    if (g->root.at[i].kind == ROOT_ASSIGN && leaf_eq(g->root.at[i].leaf, w))
      return it.value[g->root.at[i].node.i];
  ck_abort();
}

static bool near_to(const Tensor *a, const Tensor *b) {
  for (size_t i = 0; i < a->count; i++) {
    double x = (double)((const float *)a->data)[i], y = (double)((const float *)b->data)[i], d = x - y;
    if (!(x - x == 0) || !(y - y == 0)) continue; /* outside the domain */
    if ((d < 0 ? -d : d) > 1e-4 * (1 + (x < 0 ? -x : x))) return false;
  }
  return true;
}

START_TEST(rules_hold_when_run) {
  static const double number[] = {0, 0, 1, -1, 0.5, 2};
  uint32_t idle = 0, drifts = 0, moves = 0, blind = 0;
  for (uint64_t turn = 0; turn < 6000; turn++) {
    begin();
    seed = turn * 31 + 7;
    for (int i = 0; i < 5; i++) (void)dice(2);
    LeafId w = param("w"), m = state("m", w), in = fix_leaf(&f, LEAF_INPUT, "x", VEC4);
    begins(w);
    fix_step(&f, "fit");
    fix_loss(&f, "l", fix_mean(&f, fix_2(&f, OP_MUL, leaf(w), leaf(in))));
    NodeId pool[16], g = fix_grad(&f, f.p.train.at[0].loss, leaf(w));
    uint32_t n = 0, size = 6 + dice(8);
    pool[n++] = leaf(w), pool[n++] = leaf(m), pool[n++] = g, pool[n++] = fix_c(&f, g, 0),
    pool[n++] = fix_c(&f, g, number[dice(6)]);
    while (n < size) {
      NodeId x = pool[dice(n)], y = pool[dice(n)];
      switch (dice(8)) {
      case 0: pool[n++] = fix_2(&f, OP_ADD, x, y); break;
      case 1: pool[n++] = fix_2(&f, OP_SUB, x, y); break;
      case 2:
        pool[n++] = fix_2(&f, OP_DIV, x,
                          fix_2(&f, OP_ADD, fix_1(&f, OP_SQRT, fix_1(&f, OP_SQUARE, y)), fix_c(&f, y, 1e-3)));
        break;
      case 3: pool[n++] = build_scalar(&f.b, OP_WHERE, fix_2(&f, OP_LT, x, y), x, pool[4]); break;
      case 4: pool[n++] = fix_1(&f, OP_NEG, x); break;
      default: pool[n++] = fix_2(&f, OP_MUL, x, y); break;
      }
    }
    graph_root(f.b.g, ROOT_ASSIGN, (Sym){0}, m, pool[n - 2], (Span){0});
    fix_own_by(&f, w, g, fix_2(&f, OP_SUB, leaf(w), pool[n - 1]));
    Diagnose x = {.arena = &f.arena, .p = &f.p, .d = &f.d};
    diagnose_run(&x);
    Rule rule = x.view.at[0].param[w.i].rule;
    moves += rule == RULE_MOVES;
    if (rule != RULE_MOVES) {
      Sb why;
      sb_init(&why, &f.arena);
      Graph *r = passes_reference(&f.arena, &f.p, &f.p.entry.at[f.p.train.at[0].entry], NULL, 0, NULL, &why);
      Tensor one = updated(r, w, 1), two = updated(r, w, -3);
      ck_assert_msg(near_to(&one, &two), "turn %d: the gradient matters", (int)turn);
      Tensor old = one;
      old.data = (float[]){0.3f, 0.5f, 0.7f, 0.9f};
      if (rule == RULE_IDLE) ck_assert_msg(near_to(&one, &old), "turn %d: it moves", (int)turn);
      bool same = memcmp(one.data, old.data, 4 * sizeof(float)) == 0;
      if (rule == RULE_DRIFTS) ck_assert_msg(!same, "turn %d: it does not move", (int)turn);
      blind += rule == RULE_BLIND;
      idle += rule == RULE_IDLE;
      drifts += rule == RULE_DRIFTS;
    }
    fix_end(&f);
  }
  ck_assert_msg(idle > 200 && drifts > 200 && moves > 200 && blind < drifts / 2,
                "%u idle, %u drift, %u move, %u blind", idle, drifts, moves, blind);
}
END_TEST

static double tensor_number(const Tensor *t) { /* its first element */
  switch ((DType)t->dtype) {
  case DT_F32: return (double)((const float *)t->data)[0];
  case DT_F64: return ((const double *)t->data)[0];
  case DT_I32: return ((const int32_t *)t->data)[0];
  case DT_I64: return (double)((const int64_t *)t->data)[0];
  case DT_BOOL: return ((const int32_t *)t->data)[0];
  case DT_U8:
  case DT_BF16:
  case DT_COUNT: break;
  }
  return 0;
}

/* Random expressions of the clock: at any step, every value is in its range, and what is decided is it. */
START_TEST(clocks_hold) {
  static const double number[] = {0, 1, -1, 0.1, 0.5, 3, 1000, 1e-3, 7.25};
  static const Op one[] = {OP_NEG,  OP_ABS, OP_RELU, OP_SQUARE,  OP_FLOOR, OP_CEIL, OP_ROUND,
                           OP_SIGN, OP_EXP, OP_TANH, OP_SIGMOID, OP_COS,   OP_SQRT};
  static const Op two[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MAXIMUM, OP_MINIMUM, OP_POW};
  static const Op test[] = {OP_LT, OP_LE, OP_EQ, OP_NE};
  uint32_t decided = 0;
  for (uint64_t turn = 0; turn < 3000; turn++) {
    begin();
    seed = turn * 77 + 3;
    for (int i = 0; i < 5; i++) (void)dice(2);
    LeafId step = fix_leaf(&f, LEAF_STEP, "step", FIX_T(&f, DT_I32, 1));
    Graph *g = graph_new(&f.arena, &f.p, fix_sym(&f, "g"));
    g->share = true;
    f.b.g = g;
    DType t = dice(4) ? DT_F32 : DT_F64;
    NodeId clock = leaf(step), pool[40];
    uint32_t n = 0;
    pool[n++] = build_cast(&f.b, clock, t);
    pool[n++] = build_cast(&f.b, fix_2(&f, OP_SUB, clock, fix_c(&f, clock, dice(3))), t);
    for (int i = 0; i < 4; i++) pool[n++] = fix_c(&f, pool[0], number[dice(9)]);
    while (n < 26) {
      NodeId x = pool[dice(n)], y = pool[dice(n)], c;
      switch (dice(6)) {
      case 0: pool[n++] = fix_1(&f, one[dice(13)], x); break;
      case 1:
        c = fix_2(&f, test[dice(4)], x, y);
        if (dice(2)) c = fix_2(&f, dice(2) ? OP_AND : OP_OR, c, fix_2(&f, OP_LT, y, pool[dice(n)]));
        if (dice(2)) c = fix_1(&f, OP_NOT, c);
        c = build_scalar(&f.b, OP_WHERE, c, x, pool[dice(n)]);
        pool[n++] = c;
        break;
      case 2: pool[n++] = build_cast(&f.b, build_cast(&f.b, x, dice(2) ? DT_I32 : DT_BOOL), t); break;
      default: pool[n++] = fix_2(&f, two[dice(7)], x, y); break;
      }
    }
    uint32_t nodes = g->node.n;
    Values v;
    values_init(&v, &f.p, &f.arena);
    v.exact = v.rounds = true;
    const ValueId *of = values_graph(&v, g, NULL, &(LeafFacts){.ranges = true});
    bool *out = ARENA_ARRAY(&f.arena, bool, nodes);
    static const int32_t at[] = {1, 2, 3, 4, 999, 1000, 1001, 123457, 30000000};
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
      Tensor value;
      ck_assert(tensor_of_type(&f.arena, f.p.dims, &f.p.leaf.at[step.i].type, &value));
      ((int32_t *)value.data)[0] = at[k];
      Interp it = {.graph = g, .arena = &f.arena, .leaf = &value};
      ck_assert_int_eq(interp_run(&it), ST_OK);
      for (uint32_t i = 0; i < nodes; i++) {
        double x = tensor_number(&it.value[i]);
        const NodeId *in = graph_in(g, (NodeId){i});
        out[i] = !(x - x == 0); /* outside the domain, or made of what is */
        for (uint32_t m = 0; m < g->node.at[i].nin; m++) out[i] |= out[in[m].i];
        if (out[i]) continue;
        const Value *is = value_at(&v, of[i]);
        Op op = node_op(g, (NodeId){i});
        ck_assert_msg(is->range.lo <= x && x <= is->range.hi, "turn %d, step %d: %s is %a, not in %a..%a",
                      (int)turn, at[k], op_info[op].name, x, is->range.lo, is->range.hi);
        ck_assert_msg(!is->undefined, "turn %d, step %d: %s is %a, not undefined", (int)turn, at[k],
                      op_info[op].name, x);
        double same = x;
        if (value_is_const(&v, of[i])) same = ratio_number(is->c);
        bool which[2] = {0}, pick = op == OP_MAXIMUM || op == OP_MINIMUM;
        for (uint32_t m = 0; m < 2 && pick; m++) which[m] = value_eq(of[i], of[in[m].i]);
        if (which[0] != which[1]) same = tensor_number(&it.value[in[which[1]].i]);
        ck_assert_msg(x == same, "turn %d, step %d: %s is %a, decided %a", (int)turn, at[k], op_info[op].name,
                      x, same);
        decided += value_is_const(&v, of[i]);
      }
    }
    fix_end(&f);
  }
  ck_assert_msg(decided > 10000, "%u decided", decided);
}
END_TEST

/* 100,000 nodes in a chain, 10,000 parameters of which every second one is cut: a quarter of a second; a
 * recursion over nodes would overflow the stack, anything quadratic the test's time. */
START_TEST(large) {
  begin();
  VEC(LeafId) ps = {0};
  fix_step(&f, "fit");
  NodeId h = fix_c(&f, leaf(param("first")), 1);
  for (int i = 0; i < 10000; i++) {
    char name[32];
    snprintf(name, sizeof name, "p%d", i);
    LeafId w = param(name);
    VEC_PUSH(&f.arena, &ps, w);
    NodeId x = leaf(w);
    if (i & 1) x = fix_1(&f, OP_ROUND, x);
    for (int k = 0; k < 6; k++) x = fix_1(&f, OP_TANH, x);
    h = fix_2(&f, OP_ADD, h, x);
  }
  fix_loss(&f, "mse", fix_mean(&f, h));
  for (uint32_t i = 0; i < ps.n; i++) fix_own(&f, ps.at[i], 0.1);
  diagnose(&f.p, NULL, 0, &f.d);
  ck_assert_uint_eq(f.d.warnings, 5001);
  fix_end(&f);
}
END_TEST

UNIT_MAIN(UNIT("diagnose", healthy, each_cut, cut_beside_a_path_is_healthy, two_cuts_are_two_messages,
               unowned_and_dead, unreachable_by_sink, dead_here_open_there, frozen_and_marks, declared_rule,
               no_train_block, grads_in_the_loss, rules, a_state_that_moves_is_no_constant,
               agrees_with_autodiff, rules_hold_when_run, clocks_hold, large))
