/* What is computed again instead of kept: the same bits. Programs with `checkpoint` against themselves
 * without it, and written graphs with loops whose steps are repeated against the same with stacks. */
#include "elab_kit.h"
#include "passes/pass.h"
#include "region_kit.h"

#include <math.h>

static Elk k;

/* ---- programs */

typedef struct Answer {
  uint32_t n, repeats;
  size_t bytes[8];
  char data[8][4096];
} Answer;

static void leaves(Elk *e, Interp *it, const DimBinding *bind) {
  it->leaf = ARENA_ARRAY(&e->arena, Tensor, e->p.leaf.n + 1);
  for (uint32_t l = 0; l < e->p.leaf.n; l++) {
    Type t = e->p.leaf.at[l].type;
    for (int d = 0; d < t.rank; d++) t.dim[d] = dim_bind(e->p.dims, t.dim[d], bind, 1);
    ck_assert(tensor_of_type(&e->arena, e->p.dims, &t, &it->leaf[l]));
    for (size_t n = 0; n < it->leaf[l].count; n++) {
      double v = sin((double)(n + 1) * 1.7 + l) * 0.6;
      if (t.dtype == DT_F64) ((double *)it->leaf[l].data)[n] = v;
      if (t.dtype == DT_F32) ((float *)it->leaf[l].data)[n] = (float)v;
    }
  }
}

/* The roots of an entry point with T = steps, after the first half of the pipeline or all of it. */
static void answer(const char *text, EntryKind kind, int64_t steps, bool optimised, Answer *out) {
  elk_of(&k, text);
  Str m = elk_messages(&k);
  ck_assert_msg(k.ok, "%.*s", (int)m.n, m.p);
  *out = (Answer){0};
  for (uint32_t e = 0; e < k.p.entry.n; e++) {
    if (k.p.entry.at[e].kind != kind) continue;
    DimBinding bind = {names_add(&k.names, STR("T")), steps};
    PassOptions quiet = {0};
    Sb why;
    sb_init(&why, &k.arena);
    Graph *g = passes_reference(&k.arena, &k.p, &k.p.entry.at[e], &bind, 1, &quiet, &why);
    ck_assert_msg(g != NULL, "%.*s", (int)why.n, why.p);
    if (optimised) g = passes_optimise(&k.arena, g, &quiet);
    for (uint32_t i = 0; i < g->node.n; i++)
      out->repeats += g->node.at[i].op == OP_LOOP && graph_loop(g, (NodeId){i}).again == LOOP_REPEATS;
    Interp it = {.graph = g, .mode = INTERP_NATIVE, .arena = &k.arena};
    leaves(&k, &it, &bind);
    ck_assert_msg(interp_run(&it) == ST_OK, "%s", it.what);
    for (uint32_t r = 0; r < g->root.n && r < 8; r++, out->n++) {
      const Tensor *a = &it.value[g->root.at[r].node.i];
      out->bytes[r] = a->count * dtype_bytes(a->dtype);
      ck_assert_uint_le(out->bytes[r], sizeof out->data[r]);
      memcpy(out->data[r], a->data, out->bytes[r]);
    }
  }
  elk_free(&k);
}

static void same(const char *text, const Answer *a, const Answer *b) {
  ck_assert_uint_eq(a->n, b->n);
  for (uint32_t r = 0; r < a->n; r++)
    ck_assert_msg(a->bytes[r] == b->bytes[r] && !memcmp(a->data[r], b->data[r], a->bytes[r]),
                  "root %u has other bits:\n%s", r, text);
}

#define LEAVES "input x: f32[T, 4]\nparam w: f32[4, 4] = 0\nparam v: f32[4, 4] = 0\n"
#define GRADS "output a = l\noutput b = grad(l, w)\noutput c = grad(l, v)\n"

static const struct {
  const char *text;
  uint32_t repeats; /* parts of the optimised program that are computed again */
} program[] = {
    {LEAVES "fn f(h, m) { let z = h @ m; return tanh(z) * sigmoid(z) }\n"
            "let h = checkpoint(f(checkpoint(f(x, w)), v))\nlet l = mean(h^2)\n" GRADS,
     2},
    /* several results; a value of a file's name first asked for inside */
    {LEAVES "let z = tanh(x @ v)\nfn f(h) { let a = exp(h @ w) * z; return (a, a * a) }\n"
            "let p, q = checkpoint(f(x))\nlet l = mean(p * q + z)\n" GRADS,
     1},
    /* in each step of a loop, with what the steps carry */
    {LEAVES "fn f(h, r) { let a = tanh(r @ w + h @ v); let b = sigmoid(h @ w); return a * b + h * (1 - b) }\n"
            "let h = scan (h: f32[4] = 0) for r in x { next h = checkpoint(f(h, r)); yield h }\n"
            "let l = mean(h^2)\n" GRADS,
     1},
    /* a loop in it */
    {LEAVES
     "fn f(m) { let h = scan (h: f32[4] = 0) for r in x { let z = sin(r @ m + h); next h = z; yield z * z }; "
     "return h }\nlet l = mean(checkpoint(f(w) * f(v)))\n" GRADS,
     1},
    /* derivatives in it, and of it */
    {LEAVES "fn f(h) { let q = h * 2; let s = sum(exp(-q^2) * h); return grad(s, q) + h }\n"
            "let e = checkpoint(sum(tanh(x @ w)^3))\nlet d = grad(e, w)\n"
            "let l = mean(checkpoint(f(x @ v))) + sum(d^2)\n" GRADS,
     3},
    /* what the file declares by a rule of its own */
    {LEAVES "fn step(z: f32[T, 4]) -> f32[T, 4] = f32(z > 0) backward (dz) = dz / (1 + abs(z))\n"
            "let l = mean(checkpoint(step(x @ w) * exp(x @ v)))\n" GRADS,
     1},
    /* noise: drawn again, the same */
    {LEAVES "let n: f32[T, 4] ~ normal(0, 1)\n"
            "let l = mean(checkpoint(exp(x @ w) * uniform(0, 1, shape = [T, 4]) * sin(x @ v + n)))\n" GRADS,
     1},
    /* a number, a name, what nothing differentiates */
    {LEAVES "let s = checkpoint(2)\nlet l = mean(checkpoint(x @ w) * s + checkpoint(x) @ v)\n"
            "output i = checkpoint(argmax(x, axis = -1))\n" GRADS,
     1},
    /* in a rule of its own */
    {LEAVES
     "fn step(z: f32[T, 4]) -> f32[T, 4] = z * z backward (dz) = checkpoint(tanh(dz * z) / (1 + abs(z)))\n"
     "let l = mean(step(x @ w) * exp(x @ v))\n" GRADS "output d = grad(sum(b^2), v)\n",
     1},
};

START_TEST(checkpoints_keep_every_bit) {
  static const int64_t steps[] = {1, 2, 3, 7, 100};
  Sb plain;
  elk_init(&k);
  sb_init(&plain, &k.arena);
  sb_fmt(&plain, "%sfn checkpoint(e) = e\n", program[_i].text);
  char *without = strdup(sb_str(&plain).p);
  elk_free(&k);
  static Answer a, b, c;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    answer(program[_i].text, ENTRY_PREDICT, steps[i], true, &a);
    answer(program[_i].text, ENTRY_PREDICT, steps[i], false, &b);
    answer(without, ENTRY_PREDICT, steps[i], true, &c);
    same(program[_i].text, &a, &b);
    same(program[_i].text, &a, &c);
    if (steps[i] > 1)
      ck_assert_msg(a.repeats == program[_i].repeats, "%u repeats:\n%s", a.repeats, program[_i].text);
    ck_assert_uint_eq(c.repeats, 0);
  }
  free(without);
}
END_TEST

/* ---- written graphs: the policy is a mark on loops, and changes no bit */

static Fix f;

static Graph *marked(Graph *g, int64_t again) {
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_LOOP && !graph_loop(g, (NodeId){i}).ends)
      g->attr.at[g->node.at[i].attr + 5] = again;
  return g;
}

static Interp run(const Graph *g) {
  Interp it = {.graph = g, .mode = INTERP_NATIVE, .arena = &f.arena, .only_roots = true};
  it.leaf = ARENA_ARRAY(&f.arena, Tensor, f.p.leaf.n);
  for (uint32_t i = 0; i < f.p.leaf.n; i++) {
    Type t = f.p.leaf.at[i].type;
    ck_assert(tensor_of_type(&f.arena, f.p.dims, &t, &it.leaf[i]));
    for (size_t n = 0; n < it.leaf[i].count; n++) {
      double x = 0.3 + 0.6 * fmod((double)(n + 1) * 0.618 + 0.37 * i, 1);
      if (t.dtype == DT_F64) ((double *)it.leaf[i].data)[n] = x;
      if (t.dtype == DT_F32) ((float *)it.leaf[i].data)[n] = (float)x;
      if (t.dtype == DT_I32 || t.dtype == DT_BOOL) ((int32_t *)it.leaf[i].data)[n] = (int32_t)n % 2;
    }
  }
  ck_assert_msg(interp_run(&it) == ST_OK, "%s", it.what);
  return it;
}

static Graph *passed(Graph *g, int64_t again) {
  static const PassId first[] = {PASS_autodiff, PASS_erase, PASS_cse, PASS_trim, PASS_hoist, PASS_trim},
                      rest[] = {PASS_split, PASS_remat,    PASS_trim, PASS_inline,
                                PASS_cse,   PASS_simplify, PASS_dce};
  PassCx cx = {.arena = &f.arena, .program = &f.p};
  g = passes_run(g, &cx, first, sizeof first / sizeof *first);
  g = passes_run(marked(graph_copy(&f.arena, g, NULL, 0), again), &cx, rest, sizeof rest / sizeof *rest);
  return g;
}

/* The graph with its loops marked in each of these ways: one set of bits. */
static void one_set_of_bits(const char *name, const char *trip, const int64_t *again, int ways) {
  fix_begin(&f);
  Str text = region_text(&f, name, trip);
  Interp first;
  const Graph *kept = NULL;
  for (int i = 0; i < ways; i++) {
    Sb why;
    Graph *source;
    sb_init(&why, &f.arena);
    f.p.leaf.n = 0;
    ck_assert_msg(graph_parse(&f.p, text, &source, &why), "%.*s", (int)why.n, why.p);
    const Graph *g = passed(source, again[i]);
    Interp it = run(g);
    if (!i) first = it, kept = g;
    for (uint32_t r = 0; r < g->root.n; r++) {
      const Tensor *a = &first.value[kept->root.at[r].node.i], *b = &it.value[g->root.at[r].node.i];
      ck_assert_uint_eq(a->count, b->count);
      ck_assert_msg(!memcmp(a->data, b->data, a->count * dtype_bytes(a->dtype)),
                    "%s, %s steps, again=%d, root %u", name, trip, (int)again[i], r);
    }
  }
  fix_end(&f);
}

/* Kept, each step again, k steps again; k divides, does not, is more than there are. */
START_TEST(repeated_steps_keep_every_bit) {
  static const char *const trip[] = {"1", "2", "3", "7", "97", "1000"};
  static const int64_t again[] = {0, 1, 2, 3, 10, 96};
  for (size_t t = 0; t < sizeof trip / sizeof *trip; t++)
    one_set_of_bits(region_names[_i], trip[t], again, sizeof again / sizeof *again);
}
END_TEST

/* Numbers in stacks that live at the same time, at most: those of the graph, and the largest body's. */
static int64_t stacked(const Graph *g, uint32_t region) {
  int64_t own = 0, most = 0;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (g->node.at[i].region != region || !op_regions(node_op(g, (NodeId){i}))) continue;
    for (uint32_t r = 0; r < op_regions(node_op(g, (NodeId){i})); r++) {
      int64_t in = stacked(g, graph_node(g, graph_in(g, (NodeId){i})[r])->region);
      if (in > most) most = in;
    }
    if (node_op(g, (NodeId){i}) != OP_LOOP) continue;
    LoopInfo l = graph_loop(g, (NodeId){i});
    for (uint32_t k = l.carry; k < l.nresult; k++) {
      Type t = type_stacked(graph_node(g, graph_in(g, l.yield)[k])->type, l.trip);
      int64_t ext[MAX_RANK], n = 1;
      ck_assert(type_extents(g->program->dims, &t, ext));
      for (int d = 0; d < t.rank; d++) n *= ext[d];
      own += n;
    }
  }
  return own + most;
}

START_TEST(stacks_are_smaller) {
  static const struct {
    const char *graph;
    int64_t again, numbers;
  } row[] = {{"leapfrog", 0, 7000},
             {"leapfrog", 1, 2000},
             {"leapfrog", 31, 337},
             {"rnn", 0, 30000},
             {"rnn", 31, 13458}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    fix_begin(&f);
    Graph *g = passed(region_graph(&f, row[i].graph, "1000"), row[i].again);
    ck_assert_msg(stacked(g, 0) == row[i].numbers, "%s, again=%d: %lld numbers", row[i].graph,
                  (int)row[i].again, (long long)stacked(g, 0));
    fix_end(&f);
  }
}
END_TEST

/* A step keeps 4 numbers that are spread to 4 x 3, and the 4 x 3 that are carried: not what is spread. */
START_TEST(spread_values_are_made_again) {
  elk_of(&k, "param w: f64[4, 3] = 0.1\nlet end = scan (m: f64[4, 3] = w) for t in 0:10 {\n"
             "  next m = m * exp(-sum(m^2, axis = -1))[:, _]\n}\nloss l = sum(end^2)\n"
             "train t { minimize l; update w\n using sgd(lr = 0.1) }\n");
  Str m = elk_messages(&k);
  ck_assert_msg(k.ok, "%.*s", (int)m.n, m.p);
  uint32_t trained = 0;
  for (uint32_t e = 0; e < k.p.entry.n; e++) {
    if (k.p.entry.at[e].kind != ENTRY_TRAIN) continue;
    PassOptions quiet = {0};
    Sb why;
    sb_init(&why, &k.arena);
    Graph *g = passes_reference(&k.arena, &k.p, &k.p.entry.at[e], NULL, 0, &quiet, &why);
    ck_assert_msg(g != NULL, "%.*s", (int)why.n, why.p);
    g = passes_optimise(&k.arena, g, &quiet);
    ck_assert_msg(stacked(g, 0) == 160, "%lld numbers", (long long)stacked(g, 0));
    trained++;
  }
  ck_assert_uint_eq(trained, 1);
  elk_free(&k);
}
END_TEST

UNIT_MAIN(UNIT_TURNS("checkpoint", sizeof program / sizeof *program, checkpoints_keep_every_bit),
          UNIT_TURNS("written", REGION_GRAPHS, repeated_steps_keep_every_bit),
          UNIT("memory", stacks_are_smaller, spread_values_are_made_again))
