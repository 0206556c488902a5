/* The elaborator: values of expressions, leaves and entry points, limits at their edges. Messages are golden
 * tests (tests/golden/err/names, tests/golden/err/train). */
#include "base/file.h"
#include "elab_kit.h"
#include "frontend/elaborate/elab.h"

#include <ctype.h>

typedef struct Case {
  const char *expr, *value;
} Case;

/* x = [[1 2 3], [4 5 6]], v = [1 2 3], k = [0 1], c = [f t f] */
static void values(const Case *c, size_t n) {
  for (size_t i = 0; i < n; i++) {
    Elk k;
    elk_init(&k);
    Str text = str_fmt(
        &k.arena,
        "const three = 3\ninput x: f32[2, 3]\ninput v: f32[three]\ninput k: i32[2]\ninput c: bool[3]\n"
        "fn twice(a: F[..]) -> F[..] = 2 * a\n"
        "fn both(a: f32[R, C], b: f32[C]) -> (f32[R], int) { return a @ b, R * C }\n"
        "fn alias(a) { let b = a; return grad(sum(a*b), b) }\n"
        "fn again(a) { var b = a; let one = grad(sum(a*b + b), b) + grad(sum(a*b), a) * 0; b = b * b\n"
        "  return one - 1 + a + 100 * grad(sum(b*a), b) }\n"
        "let z = v\nlet u = z * 1.0\nlet t = u\nlet filed = grad(sum(u*t), t)\n"
        "fn slope(a: f32) -> f32 = grad(a * a, a)\n"
        "fn early(a: f32, n: int) -> f32 { var s = a; for i in 0:n { s = s + i }\n return s }\n"
        "output y = %s\n",
        c[i].expr);
    elk_run(&k, str_copy(&k.arena, text).p);
    Str got = k.ok ? elk_value(&k) : elk_messages(&k);
    if (!str_eq(got, str_z(c[i].value)))
      ck_abort_msg("%s: got '%.*s', expected '%s'", c[i].expr, (int)got.n, got.p, c[i].value);
    elk_free(&k);
  }
}
#define VALUES(...) values((const Case[]){__VA_ARGS__}, sizeof((const Case[]){__VA_ARGS__}) / sizeof(Case))

START_TEST(arithmetic) {
  VALUES({"1 + 2 * 3", "i32 7"}, {"7 / 7 + 1", "i32 2"}, {"1.0 / 4", "f32 0.25"}, {"-2^2", "i32 -4"},
         {"2^-1", "f32 0.5"}, {"v + 1", "f32[3] 2 3 4"}, {"1 - v", "f32[3] 0 -1 -2"},
         {"x * v", "f32[2, 3] 1 4 9 4 10 18"}, {"v / 2", "f32[3] 0.5 1 1.5"}, {"v^3", "f32[3] 1 8 27"},
         {"v^-1", "f32[3] 1 0.5 0.3333"}, {"v^0", "f32[3] 1 1 1"}, {"v^0.5", "f32[3] 1 1.414 1.732"},
         {"v > 1", "bool[3] 0 1 1"}, {"2 >= v", "bool[3] 1 1 0"}, {"not (v == 2)", "bool[3] 1 0 1"},
         {"v > 1 and c", "bool[3] 0 1 0"}, {"k + 1", "i32[2] 1 2"}, {"div(k - 3, 2)", "i32[2] -2 -1"},
         {"mod(k - 3, 2)", "i32[2] 1 0"}, {"div(-7, 2)", "i32 -4"}, {"f64(v) / 3", "f64[3] 0.3333 0.6667 1"},
         {"i64(k) * 3", "i64[2] 0 3"}, {"i32(2.9)", "i32 2"}, {"f32(c)", "f32[3] 0 1 0"},
         {"maximum(v, 2)", "f32[3] 2 2 3"}, {"minimum(3, 2)", "i32 2"}, {"exp(0)", "f32 1"},
         {"clip(v, 1.5, 2.5)", "f32[3] 1.5 2 2.5"}, {"where(c, v, 0)", "f32[3] 0 2 0"},
         {"where(v > 1, 1, 2)", "i32[3] 2 1 1"}, {"fma(v, v, 1)", "f32[3] 2 5 10"});
}
END_TEST

START_TEST(functions_of_one_number) { /* what is known when compiling is what the op gives */
  static const char *const at[] = {"0.3", "2.5", "-1.75"};
  uint32_t seen = 0;
  for (int op = 0; op < OP_LEAF; op++)
    for (int i = 0; i < 3; i++) {
      const char *name = op_info[op].name;
      bool negative = strcmp(name, "sqrt") && strcmp(name, "rsqrt") && strncmp(name, "log", 3);
      if (!builtin_find(str_z(name)) || op_info[op].arity != 1 || (i == 2 && !negative)) continue;
      Elk k;
      elk_init(&k);
      elk_run(&k,
              str_fmt(&k.arena, "let d: f64 = %s\noutput y = %s(%s) == %s(d)\n", at[i], name, at[i], name).p);
      Str got = k.ok ? elk_value(&k) : elk_messages(&k);
      ck_assert_msg(str_eq(got, STR("bool 1")), "%s(%s): '%.*s'", name, at[i], (int)got.n, got.p);
      elk_free(&k);
      seen++;
    }
  ck_assert_uint_ge(seen, 50);
  ck_assert(!builtin_find(STR("neg")) && !builtin_find(STR("unit")) && !builtin_find(STR("cast")) &&
            !builtin_find(STR("add")) && !builtin_find(STR("pow")) && !builtin_find(STR("eq")));
  VALUES({"abs(-3)", "i32 3"}, {"square(4)", "i32 16"}, {"sign(-2)", "i32 -1"}, {"floor(2)", "f32 2"},
         {"maximum(-3, 2)", "i32 2"}, {"maximum(-3, 2.5)", "f32 2.5"}, {"square(4000000000)", "f32 1.6e+19"});
}
END_TEST

/* By the name, whatever else has the same value. `by` is the name in y = grad(.., by). */
START_TEST(derivatives_follow_names) {
  VALUES({"(fn (a, b) = grad(sum(a*a + b*a), a))(v, v)", "f32[3] 3 6 9"},
         {"(fn (a, b) = grad(sum(a*a + b*a), a))(v * 1.0, v)", "f32[3] 3 6 9"},
         {"(fn (a) = grad(sum(a) * sum(v*v), a))(v)", "f32[3] 14 14 14"},
         {"(fn (a) = (fn (b) = grad(sum(a*b), b))(a) + grad(sum(a*a), a))(v)", "f32[3] 3 6 9"},
         {"(fn (a) = grad(sum(grad(sum(a^3), a)), a))(v)", "f32[3] 6 12 18"},
         {"(fn (a) = grad(sum(grad(sum(a^2*v), a)*a), a))(v)", "f32[3] 4 16 36"},
         {"grad(sum((fn (a) = grad(sum(a^2*v), a))(v)), v)", "f32[3] 4 8 12"},
         {"(fn (a) = [grad(sum(b*a), b) for b in [a, v]][0])(v)", "f32[3] 1 2 3"},
         {"(fn (w) = grad(sum(w[0]*w[1]), w[0]))([v, v])", "f32[3] 1 2 3"}, {"alias(v)", "f32[3] 1 2 3"},
         {"again(v)", "f32[3] 102 204 306"}, {"filed", "f32[3] 1 2 3"},
         {"f64(slope(f32(1)) + slope(2 * v[0]))", "f64 6"});
}
END_TEST

START_TEST(products) {
  VALUES({"x @ v", "f32[2] 14 32"}, {"v @ v", "f32 14"}, {"v @ x'", "f32[2] 14 32"},
         {"x @ x'", "f32[2, 2] 14 32 32 77"}, {"(x[_] @ x')[0]", "f32[2, 2] 14 32 32 77"},
         {"stack([x, x]) @ stack([x', x'])", "f32[2, 2, 2] 14 32 32 77 14 32 32 77"},
         {"x[_] @ v", "f32[1, 2] 14 32"});
}
END_TEST

START_TEST(indexing) {
  VALUES({"x[1]", "f32[3] 4 5 6"}, {"x[-1, 0]", "f32 4"}, {"x[:, 1]", "f32[2] 2 5"},
         {"x[.., 1]", "f32[2] 2 5"}, {"x[:, 1:]", "f32[2, 2] 2 3 5 6"}, {"x[:, :-1]", "f32[2, 2] 1 2 4 5"},
         {"x[:, ::2]", "f32[2, 2] 1 3 4 6"}, {"v[:, _]", "f32[3, 1] 1 2 3"}, {"x[:, _, 0]", "f32[2, 1] 1 4"},
         {"v[:, _] * v[_, :2]", "f32[3, 2] 1 2 2 4 3 6"}, {"[4, 5, 6][-1]", "i32 6"},
         {"len([1, 2, 3][1:])", "i32 2"});
}
END_TEST

START_TEST(reductions) {
  VALUES({"sum(x)", "f32 21"}, {"sum(x, axis = 0)", "f32[3] 5 7 9"},
         {"mean(x, axis = -1, keep = true)", "f32[2, 1] 2 5"},
         {"x - mean(x, axis = 1, keep = true)", "f32[2, 3] -1 0 1 -1 0 1"},
         {"max(x, axis = [0, 1])", "f32 6"}, {"min(k)", "i32 0"}, {"prod(v)", "f32 6"},
         {"variance(v)", "f32 0.6667"}, {"norm(v - v)", "f32 0"}, {"norm(x, axis = 1)", "f32[2] 3.742 8.775"},
         {"any(c)", "bool 1"}, {"all(c)", "bool 0"}, {"argmax(x, axis = 1)", "i32[2] 2 2"},
         {"argmin(x, axis = 0, keep = true)", "i32[1, 3] 0 0 0"},
         {"softmax(v - v)", "f32[3] 0.3333 0.3333 0.3333"}, {"logsumexp(v - v)", "f32 1.099"},
         {"cross_entropy(x, k)", "f32[2] 2.408 1.408"});
}
END_TEST

START_TEST(movement) {
  VALUES(
      {"reshape(x, [3, _])", "f32[3, 2] 1 2 3 4 5 6"}, {"flatten(x[:, :, _])", "f32[2, 3] 1 2 3 4 5 6"},
      {"permute(x, [1, 0])", "f32[3, 2] 1 4 2 5 3 6"}, {"broadcast_to(v[:2], [2, 2])", "f32[2, 2] 1 2 1 2"},
      {"concat([v, v])", "f32[6] 1 2 3 1 2 3"}, {"stack([v, v], axis = -1)", "f32[3, 2] 1 1 2 2 3 3"},
      {"split(v, [1, 2])[1]", "f32[2] 2 3"}, {"split(x, 3, axis = 1)[2]", "f32[2, 1] 3 6"},
      {"pad(v, 1, 2)", "f32[6] 0 1 2 3 0 0"}, {"flip(v, axis = 0)", "f32[3] 3 2 1"},
      {"range(three)", "i32[3] 0 1 2"}, {"range(2, 4)", "i32[2] 2 3"},
      {"one_hot(k, 3)", "f32[2, 3] 1 0 0 0 1 0"}, {"size(x)", "i32 6"}, {"len(x)", "i32 2"},
      {"rank(x)", "i32 2"}, {"zeros([2]) + ones([2])", "f32[2] 1 1"}, {"full(3, shape = [2])", "f32[2] 3 3"},
      {"max_pool2d(reshape(f32(range(16)), [1, 1, 4, 4]), 2)", "f32[1, 1, 2, 2] 5 7 13 15"},
      {"avg_pool2d(reshape(f32(range(16)), [1, 1, 4, 4]), 2, stride = [2, 4])", "f32[1, 1, 2, 1] 2.5 10.5"},
      {"conv2d(reshape(f32(range(9)), [1, 1, 3, 3]), ones([1, 1, 2, 2]))[0, 0]", "f32[2, 2] 8 12 20 24"});
}
END_TEST

START_TEST(functions) {
  VALUES({"twice(v)", "f32[3] 2 4 6"}, {"twice(k)", "i32[2] 0 2"}, {"twice(3)", "i32 6"},
         {"both(x, v)[0]", "f32[2] 14 32"}, {"both(x, v)[1]", "i32 6"}, {"early(v[0], 4)", "f32 7"},
         {"(fn (a) = a + 1)(v)", "f32[3] 2 3 4"}, {"if \"a\" == \"a\" { 1 } else { 2 }", "i32 1"},
         {"if \"a\" != \"b\" { 1 } else { 2 }", "i32 1"}, {"if true != true { 1 } else { 2 }", "i32 2"},
         {"if three > 2 { v } else { x }", "f32[3] 1 2 3"},
         {"sum(stack([twice(a) for a in [v, v]]))", "f32 24"}, {"mse(v, 0)", "f32 4.667"},
         {"huber(v - 2)", "f32[3] 0.5 0 0.5"}, {"relu(v - 2)", "f32[3] 0 0 1"},
         {"leaky_relu(v - 2, 0.5)", "f32[3] -0.5 0 1"}, {"dropout(v, 0.5)", "f32[3] 1 2 3"},
         {"bce_with_logits(v - v, v)", "f32[3] 0.6931 0.6931 0.6931"},
         {"kl_div(log_softmax(v), log_softmax(v))", "f32 0"}, {"cosine(v, v)", "f32 1"},
         {"standardize(v)", "f32[3] -1.225 0 1.225"}, {"gelu(v[:1])", "f32[1] 0.8413"});
}
END_TEST

START_TEST(random_numbers) { /* other names, other numbers; unrelated text, the same ones */
  Elk a, b, c;
  elk_of(&a, "let z: f32[4] ~ normal(0, 1)\noutput y = z\n");
  elk_of(&b, "const n = 4\nlet q: f32[n] ~ uniform()\nlet z: f32[n] ~ normal(0, 1)\noutput y = z\n");
  elk_of(&c, "let w: f32[4] ~ normal(0, 1)\noutput y = w\n");
  ck_assert(a.ok && b.ok && c.ok);
  ck_assert(str_eq(elk_value(&a), elk_value(&b)));
  ck_assert(!str_eq(elk_value(&a), elk_value(&c)));
  elk_free(&a), elk_free(&b), elk_free(&c);
  elk_of(&a, "output y = dropout(ones([8]), 0.5) - dropout(ones([8]), 0.5)\n");
  ck_assert(a.ok);
  ck_assert_strn(elk_value(&a), "f32[8] 0 0 0 0 0 0 0 0"); /* predict does not drop */
  elk_free(&a);
}
END_TEST

static const char *nested =
    "import nn\n"
    "input x: f32[N, 4]\n"
    "module Block(n: int, deep: int) {\n"
    "  let parts = [nn.Linear(n, n) for _ in 0:deep]\n"
    "  if deep > 1 { param scale: f32[n] = 1 }\n"
    "  state seen: f32 = 0\n"
    "  fn (x: f32[B, n]) -> f32[B, n] { var h = x\n for p in parts { h = p(h) }\n seen := seen + 1\n return "
    "h }\n"
    "}\n"
    "let net = [Block(4, i) for i in 1:3]\n"
    "let tail = net[1].parts[0]\n"
    "loss l = mean(net[1](net[0](x))^2)\n"
    "output y = tail(x)\n"
    "train fit { minimize l; update net except *.b, tail using sgd(); update *.b using adam() }\n";

START_TEST(instances) {
  Elk k;
  elk_of(&k, nested);
  ck_assert_msg(k.ok, "%.*s", STRA(elk_messages(&k)));
  ck_assert_strn(elk_paths(&k),
                 "x net[0].parts[0].w net[0].parts[0].b net[0].seen net[1].parts[0].w net[1].parts[0].b "
                 "net[1].parts[1].w net[1].parts[1].b net[1].seen net[1].scale step epoch "
                 "fit.m.net[0].parts[0].b fit.v.net[0].parts[0].b fit.m.net[1].parts[0].b "
                 "fit.v.net[1].parts[0].b fit.m.net[1].parts[1].b fit.v.net[1].parts[1].b seed");
  const TrainStep *t = &k.p.train.at[0];
  ck_assert_uint_eq(t->owned.n, 6); /* two w, scale; three b */
  ck_assert_uint_eq(t->group.n, 2);
  for (uint32_t i = 0; i < t->owned.n; i++)
    ck_assert(node_ok(t->owned.at[i].grad) && node_ok(t->owned.at[i].update));
  uint32_t assigns = 0;
  Graph *g = elk_graph(&k, ENTRY_TRAIN, "fit");
  for (uint32_t i = 0; i < g->root.n; i++) assigns += g->root.at[i].kind == ROOT_ASSIGN;
  ck_assert_uint_eq(assigns, 6 + 6 + 2); /* parameters, moments of three biases, two counters */
  elk_free(&k);
}
END_TEST

START_TEST(entries) { /* training is a constant of each entry; every graph verifies */
  Elk k;
  elk_of(&k, "import nn\ninput x: f32[N, 3]\ninput t: i32[N] in 0:2\nlet fc = nn.Linear(3, 2)\nlet drop = "
             "nn.Dropout(0.5)\n"
             "let h = fc(drop(x))\nloss ce = mean(cross_entropy(h, t))\nmetric acc = mean(f32(argmax(h, axis "
             "= -1) == t))\noutput p = softmax(h)\n"
             "frozen let old = nn.Linear(3, 2) ~ fc\noutput q = old(x)\n"
             "train fit { minimize ce; update fc using adam(lr = warmup(step, 1e-3)); clip_norm = 1.0; "
             "clip_value = 0.5; batch = 8 }\n"
             "after fit { old := 0.9*old + 0.1*fc; every = 5 }\n");
  ck_assert_msg(k.ok, "%.*s", STRA(elk_messages(&k)));
  ck_assert_uint_eq(k.p.entry.n, 5);
  static const EntryKind kinds[] = {ENTRY_INIT, ENTRY_EVAL, ENTRY_TRAIN, ENTRY_AFTER, ENTRY_PREDICT};
  for (uint32_t i = 0; i < 5; i++) {
    Sb why;
    sb_init(&why, &k.arena);
    ck_assert_int_eq(k.p.entry.at[i].kind, kinds[i]);
    ck_assert_msg(graph_verify(k.p.entry.at[i].graph, &why), "%.*s", STRA(sb_str(&why)));
  }
  ck_assert_int_eq(k.p.entry.at[3].every, 5);
  ck_assert_uint_eq(k.p.entry.at[3].graph->root.n, 2);
  bool draws[2] = {false, false};
  for (int i = 0; i < 2; i++) {
    Graph *g = k.p.entry.at[i + 1].graph;
    for (uint32_t n = 0; n < g->node.n; n++) draws[i] = draws[i] || g->node.at[n].op == OP_RNG_LO;
  }
  ck_assert(!draws[0] && draws[1]);
  LeafId w;
  ck_assert(program_find_leaf(&k.p, STR("old.w"), &w));
  ck_assert(program_leaf_at(&k.p, w)->frozen);
  elk_free(&k);
}
END_TEST

START_TEST(threaded_states) { /* a state assigned by two calls: the second reads what the first wrote */
  Elk k;
  elk_of(&k, "input x: f32[N]\nparam w: f32 = 1\nmodule C { state n: f32 = 0\n fn (a: f32[B]) -> f32[B] { n "
             ":= n + 1\n return a * 2 } }\n"
             "let c = C()\nloss l = mean(c(c(x * w)))\ntrain fit { minimize l; update w using sgd() }\n");
  ck_assert_msg(k.ok, "%.*s", STRA(elk_messages(&k)));
  Graph *g = elk_graph(&k, ENTRY_TRAIN, "fit");
  NodeId n = NO_NODE;
  for (uint32_t i = 0; i < g->root.n; i++)
    if (g->root.at[i].kind == ROOT_ASSIGN && str_eq(names_str(&k.names, g->root.at[i].name), STR("c.n")))
      n = g->root.at[i].node;
  ck_assert(node_ok(n));
  ck_assert_int_eq(node_op(g, n), OP_ADD);
  ck_assert_int_eq(node_op(g, graph_in(g, n)[0]), OP_ADD);
  elk_free(&k);
}
END_TEST

START_TEST(defines) {
  Elk k;
  elk_init(&k);
  elk_define(&k, "n", "5");
  elk_define(&k, "N", "2");
  elk_run(&k, "const n = 3\ninput x: f32[N, n]\nassert N >= 2\noutput y = sum(x, axis = 1)\n");
  ck_assert_msg(k.ok, "%.*s", STRA(elk_messages(&k)));
  ck_assert_strn(elk_value(&k), "f32[2] 15 40");
  elk_free(&k);
  static const struct {
    const char *name, *value, *codes;
  } bad[] = {{"m", "1", "1:1 DG0224"},
             {"N", "0", "2:14 DG0218"},
             {"N", "1", "3:8 DG0219"},
             {"n", "three", "1:7 DG0218"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    elk_init(&k);
    elk_define(&k, bad[i].name, bad[i].value);
    elk_run(&k, "const n = 3\ninput x: f32[N, n]\nassert N >= 2\noutput y = sum(x, axis = 1)\n");
    ck_assert(!k.ok);
    ck_assert_strn(elk_codes(&k), bad[i].codes);
    elk_free(&k);
  }
}
END_TEST

static void at_limit(const char *name, int64_t limit, const char *text, bool passes) {
  Elk k;
  elk_init(&k);
  ck_assert(limits_set(&k.limits, str_z(name), limit));
  elk_run(&k, text);
  bool held = k.ok && k.raised == ST_OK;
  if (held != passes) ck_abort_msg("%s = %lld: %.*s", name, (long long)limit, STRA(elk_messages(&k)));
  if (!passes) ck_assert_int_eq(k.raised ? k.raised : k.diags.status, ST_LIMIT);
  elk_free(&k);
}

START_TEST(limits) { /* each at -1, 0 and +1 of what the program needs */
  static const struct {
    const char *name, *text;
    int64_t needs;
  } c[] = {
      {"calls",
       "fn a(x: f32) -> f32 = x\nfn b(x: f32) -> f32 = a(x)\nfn c(x: f32) -> f32 = b(x)\noutput y = c(1)\n",
       3},
      {"rank", "input x: f32[1, 1, 1]\noutput y = x\n", 3},
      {"params", "param a: f32 = 0\nparam b: f32 = 0\nparam c: f32 = 0\noutput y = a + b + c\n", 3},
      {"tensor_bytes", "input x: f32[25]\noutput y = x\n", 100},
      {"nodes", "input x: f32\noutput y = x + x + x\n", 3},
      {"expansion", "output y = 1 + 2\n", 3 * 3},
  };
  for (size_t i = 0; i < sizeof c / sizeof *c; i++)
    for (int d = -1; d <= 1; d++) {
      if (!strcmp(c[i].name, "expansion")) continue;
      at_limit(c[i].name, c[i].needs + d, c[i].text, d >= 0);
    }
  at_limit("expansion", 200,
           "fn f(x: f32) -> f32 { var a = x\n for i in 0:1000 { a = a + 1 }\n return a }\noutput y = f(1)\n",
           false);
  at_limit("expansion", 100000,
           "fn f(x: f32) -> f32 { var a = x\n for i in 0:1000 { a = a + 1 }\n return a }\noutput y = f(1)\n",
           true);
}
END_TEST

START_TEST(huge_tensors) {
  static const char *const text[] = {
      "param w: f32[9223372036854775807] = 0\n", "input x: f32[4294967296, 2147483648]\n",
      "output y = zeros([3037000500, 3037000500])\n", "output y = broadcast_to(1.0, [1099511627776])\n",
      "input x: f32[1048576]\noutput y = x[:, _] * x[_, :]\n"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++)
    at_limit("tensor_bytes", INT64_C(1) << 40, text[i], false);
}
END_TEST

/* One mistake, one message: every word of a program is misspelt, then left out. Counts programs by their
 * errors. */
static void spoil(const char *text, size_t lo, size_t hi, bool leave_out, uint32_t *one, uint32_t *more) {
  char *bad = strdup(text);
  if (leave_out)
    memset(bad + lo, ' ', hi - lo);
  else
    bad[hi - 1] = bad[hi - 1] == 'q' ? 'z' : 'q';
  Elk k;
  elk_init(&k);
  elk_run(&k, bad);
  ck_assert_int_eq(k.raised, ST_OK);
  *one += k.diags.errors == 1;
  *more += k.diags.errors > 1;
  if (k.diags.errors > 3) {
    Str m = elk_messages(&k);
    ck_abort_msg("'%.*s': %u errors\n%.*s", (int)(hi - lo), text + lo, k.diags.errors, STRA(m));
  }
  elk_free(&k);
  free(bad);
}

START_TEST(one_mistake_one_message) {
  static const char text[] =
      "import nn\n"
      "const hidden = 8\n"
      "input image: f32[N, 4]\n"
      "input label: i32[N] in 0:3\n"
      "module Net(width: int, classes: int) {\n"
      "  let first = nn.Linear(width, hidden)\n"
      "  let norm = nn.LayerNorm(hidden)\n"
      "  let second = nn.Linear(hidden, classes)\n"
      "  fn (batch: f32[B, width]) -> f32[B, classes] = second(relu(norm(first(batch))))\n"
      "}\n"
      "fn scaled(value, factor = 0.5) {\n"
      "  let shifted = value - 1\n"
      "  return shifted * factor\n"
      "}\n"
      "let net = Net(4, 3)\n"
      "let logits = net(scaled(image))\n"
      "loss entropy = mean(cross_entropy(logits, label))\n"
      "metric accuracy = mean(f32(argmax(logits, axis = -1) == label))\n"
      "output prob = softmax(logits)\n"
      "dataset digits { image = npy(\"x.npy\"); label = npy(\"y.npy\") }\n"
      "train fit {\n"
      "  minimize entropy\n"
      "  update net except net.norm using adam(lr = 0.001)\n"
      "  update net.norm using sgd(lr = 0.01)\n"
      "  data = digits; batch = 16; epochs = 3\n"
      "}\n";
  uint32_t one[2] = {0}, more[2] = {0};
  for (size_t i = 0; text[i];) {
    size_t from = i;
    while (isalnum((unsigned char)text[i]) || text[i] == '_') i++;
    if (i - from > 2 && isalpha((unsigned char)text[from]))
      for (int how = 0; how < 2; how++) spoil(text, from, i, how, &one[how], &more[how]);
    i += i == from;
  }
  ck_assert_msg(one[0] > 80 && more[0] * 20 <= one[0], "misspelt: %u with one message, %u with more", one[0],
                more[0]);
  ck_assert_msg(one[1] > 80 && more[1] * 10 <= one[1], "left out: %u with one message, %u with more", one[1],
                more[1]);
}
END_TEST

START_TEST(long_chains) { /* 20,000 declarations, each of the one before: no deep recursion */
  Elk k;
  elk_init(&k);
  Sb b;
  sb_init(&b, &k.arena);
  sb_fmt(&b, "input x: f32[N]\nparam w: f32 = 1\nlet a0 = x * w\n");
  for (int i = 1; i < 20000; i++) sb_fmt(&b, "let a%d = a%d + 1\n", i, i - 1);
  sb_fmt(&b, "output y = a19999\nloss l = mean(y)\ntrain fit { minimize l; update w using sgd() }\n");
  elk_run(&k, str_copy(&k.arena, sb_str(&b)).p);
  ck_assert_msg(k.ok, "%.*s", STRA(elk_messages(&k)));
  elk_free(&k);
}
END_TEST

START_TEST(
    library) { /* every layer, optimizer, schedule and initialiser of std/ expands, and its graphs verify */
  static const char *const optimizers[] = {
      "sgd(lr = 0.1)",   "sgd(lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 0.01)",
      "adam()",          "adam(weight_decay = 0.1)",
      "adamw(lr = 0.1)", "adamw(weight_decay = 0)",
      "rmsprop()",       "rmsprop(momentum = 0.5)",
      "adagrad()",       "lion(weight_decay = 0.1)"};
  static const char *const rates[] = {"warmup(step, 0.1)",
                                      "cosine_decay(step, 0.1, total = 50)",
                                      "warmup_cosine(step, 0.1)",
                                      "step_decay(step, 0.1, every = 10)",
                                      "exponential_decay(step, 0.1)",
                                      "linear_decay(step, 0.1)",
                                      "piecewise(step, [5, 9], [0.1, 0.01, 0.001])",
                                      "0.1",
                                      "0.1 / epoch",
                                      "0.1"};
  static const char *const starts[] = {
      "glorot_uniform()", "glorot_normal(2.0)", "he_uniform()",   "he_normal()", "lecun_normal()",
      "identity()",       "uniform(-1, 1)",     "normal(0, 0.1)", "normal()",    "uniform()"};
  for (int i = 0; i < 10; i++) {
    Elk k;
    elk_init(&k);
    Str text = str_fmt(
        &k.arena,
        "import nn\ninput x: f32[N, 4, 6, 6]\ninput t: i32[N] in 0:3\nparam extra: f32[3, 3] ~ %s\n"
        "let conv = nn.Conv2d(4, 8, 3, padding = 1, groups = 2)\nlet bn = nn.BatchNorm(8)\nlet gn = "
        "nn.GroupNorm(2, 8)\n"
        "let h = max_pool2d(relu(gn(bn(conv(x)))), 2)\nlet ln = nn.LayerNorm(72)\nlet rms = nn.RmsNorm(72)\n"
        "let b1 = nn.BatchNorm1d(72)\nlet drop = nn.Dropout(0.2)\nlet mlp = nn.Mlp([72, 5, 3], activation = "
        "silu)\n"
        "let logits = mlp(drop(b1(rms(ln(flatten(h)))))) @ extra\nloss ce = mean(cross_entropy(logits, t))\n"
        "output p = softmax(logits)\ntrain fit { minimize ce; let rate = %s; update * except extra using "
        "sgd(lr = rate); update extra using %s }\n",
        starts[i], rates[i], optimizers[i]);
    elk_run(&k, str_copy(&k.arena, text).p);
    ck_assert_msg(k.ok, "%.*s", STRA(elk_messages(&k)));
    for (uint32_t e = 0; e < k.p.entry.n; e++) {
      Sb why;
      sb_init(&why, &k.arena);
      ck_assert_msg(graph_verify(k.p.entry.at[e].graph, &why), "%.*s", STRA(sb_str(&why)));
    }
    elk_free(&k);
  }
}
END_TEST

START_TEST(locations) { /* a node of a library body knows the user's call */
  Elk k;
  elk_of(&k, "input x: f32[N, 3]\nloss l = mse(x, 2 * x)\n");
  ck_assert(k.ok);
  Graph *g = program_graph(&k.p, ENTRY_EVAL, (Sym){0});
  for (uint32_t i = 0; i < g->node.n; i++) {
    Span s = graph_user_span(g, &k.sources, (NodeId){i});
    ck_assert(s.file && !k.sources.file.at[s.file].library);
  }
  elk_free(&k);
}
END_TEST

UNIT_MAIN(UNIT("values", arithmetic, derivatives_follow_names, functions_of_one_number, products, indexing,
               reductions, movement, functions, random_numbers),
          UNIT("programs", instances, entries, threaded_states, defines, locations, library,
               one_mistake_one_message),
          UNIT("limits", limits, huge_tensors, long_chains))
