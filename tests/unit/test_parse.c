/* What the grammar accepts, as which tree, and what it says to the rest. */
#include "parse_kit.h"

static const char *const sketches[] = KIT_SKETCHES;

static Str tree_of(Kit *k, const char *text) {
  kit_of(k, str_z(text));
  Str m = kit_messages(k);
  ck_assert_msg(k->ok, "%s\n%.*s", text, (int)m.n, m.p);
  return kit_ast(k);
}

/* ---- accepted ---- */

START_TEST(all_sketches) {
  for (size_t i = 0; i < sizeof sketches / sizeof sketches[0]; i++) {
    char path[128];
    size_t n;
    snprintf(path, sizeof path, "tests/sketches/%s.dg", sketches[i]);
    char *text = kit_load(path, &n);
    Kit k;
    kit_of(&k, (Str){text, n});
    Str m = kit_messages(&k);
    ck_assert_msg(k.ok && k.diags.all.n == 0, "%s: %.*s", path, (int)m.n, m.p);
    kit_free(&k);
    free(text);
  }
}
END_TEST

static const char *const accepted[] = {
    "import nn",
    "import b = \"lib/b.dg\"",
    "const hidden = 512",
    "const project = stride != 1 or c_in != c_out",
    "param w: f32[1, 1] ~ normal(0, 1)",
    "param k: f64 = 1.0",
    "frozen param w: f32 = 1",
    "frozen let teacher = Mlp(784, hidden, 10) ~ net",
    "let z: f32[N, 8] ~ normal(0, 1)",
    "let a, _ = f(x)",
    "let _ = f(x)",
    "var h = x",
    "input image: u8[N, 784]",
    "input label: i32[N] in 0:10",
    "input p: f32[N] in [0, 1]",
    "input q: f32[N] in 0:10:2",
    "input state: f32[N, 8]",
    "input input: f32[N, 8]",
    "output output = loss + metric",
    "state = 3",
    "loss = 3; metric = 4",
    "dataset digits { image = npy(\"x.npy\"); label = npy(\"y.npy\") }",
    "module M { }",
    "module M() {}",
    "module M(a: int, b: bool = true,) { fn (x: f32[.., a]) -> f32[.., b] = x }",
    "fn f(x) = x\nbackward (dy) = dy",
    "fn f(x) { return x }\nbackward (dy) { return dy }",
    "fn f(x: F[..], g: fn, h: [int], m: nn.Linear, t: (f32, i32[2])) -> [f32] = x",
    "extern fn double_on_host(a: f32[1, U]) -> f32[1, U]",
    "extern fn f(a: f32) -> f32\nbackward (dy) = 2*dy",
    "optimizer sgd(w, g, lr = 0.1) {\n  state m = 0\n  m := m1; v := v1\n  w := w - lr*g\n}",
    "train fit {\n  minimize mse\n  update   w // b was forgotten\n  using    adam(lr = 0.1)\n}",
    "train fit { update *; minimize x }",
    "train fit { update * except *.router\n using f() }",
    "train fit {\n update net.*\n minimize ce\n}",
    "update net except net.*.b, net.wpe using adamw(lr = 1e-3, weight_decay = 0.01)",
    "update net.blocks[0:6].w, net.blocks[3] using f()",
    "after fit { teacher := 0.99*teacher + 0.01*net }",
    "after fit { net.fc1.w := x; every = 500 }",
    "let traj = scan (p = p0, v = v0) for t in 0:2000 {\n  next p = p + dt*v\n  yield p\n}",
    "let r = scan (y: f32[N] = y0,) for k in 0:200 while a > 1e-3 { next y = y }",
    "let r = scan (y = y0) while a > 1 { next y = y }",
    "let r = scan () for x in xs { yield x, y }",
    "let c = cond p { a } else { b }",
    "let c = if p { a } else if q { b } else { c }",
    "let c = if p {\n  a\n} else {\n  b\n}",
    "let c =\n  if p { a }\n  else { b }",
    "if training { m = 1 } else if q { m = 2 } else { m = 3 }",
    "for a, b in xs, 0:n { x = f(a, b) }",
    "let l = [nn.Linear(w[i], w[i + 1]) for i in 0:len(w) - 1]",
    "let l = [[Block(w, w) for _ in 1:depth] for w in widths]",
    "let l = [f(a, b) for a, b in xs, ys]",
    "let m = vmap(fn (y: f32[2]) = jvp(field(y[_, :]), y, [1.0, 0.0]), y0)",
    "let m = map(fn (y) { let z = y\n return z }, y0)",
    "assert mod(T, 4) == 0, \"why\"",
    "assert live(net, ce)",
    "let a = x[1:, :2, ::3, 1:2:3, :, _, .., i, -1]",
    "let a = x[1:2]'",
    "let a = [1, 2,]\nlet b = f(1, a = 2,)\nlet c = (1, 2,)\nlet d = []\nlet e = x[1,]\nlet g: f32[] = 1",
    "let a = f32(x) / 255",
    "let a = b\n  + c\n  * d\nlet e = f(\n  g,\n  h\n)",
    "let a = b +\n  c",
    "let a = net\n  .fc1\n  (x)\n  [0]\n  '",
    "let a = 1;;let b = 2;",
    "#[allow(cut)]\nparam w: f32 = 1",
    "#[expect(partial, owned-twice)] #[allow(cut)]\n\n// in between\ntrain fit { minimize x }",
    "\xef\xbb\xbflet a = 1\r\nlet b = 2\r\n",
    "let a = \"\\\\ \\\" \\n \\t \\u{e4} \xc3\xa4\"",
    "let a = 12 + 1_000 + 0.5 + 1e-3 + 1E5 + 1e+5 + 0 + 0.0",
    "let a = -x^-y",
    "let a = --x + - -y",
    "let a = not not b and not c == d",
    "let t = f(x)'' @ y'",
    "return x, y\nyield a, b\nreturn (a, b)",
    "m := m1",
};

START_TEST(positive) {
  Kit k;
  tree_of(&k, accepted[_i]);
  ck_assert_uint_eq(k.diags.all.n, 0);
  kit_free(&k);
}
END_TEST

/* Two spellings, one tree. */
static const char *const equal[][2] = {
    {"let a = -x^2", "let a = -(x^2)"},
    {"let a = 2^-x", "let a = 2^(-x)"},
    {"let a = a^b^c", "let a = a^(b^c)"},
    {"let a = a * b @ c", "let a = (a*b) @ c"},
    {"let a = a / b / c", "let a = (a/b)/c"},
    {"let a = a - b + c", "let a = (a - b) + c"},
    {"let a = a + b * c", "let a = a + (b*c)"},
    {"let a = not a == b", "let a = not (a == b)"},
    {"let a = a or b and not c", "let a = a or (b and (not c))"},
    {"let a = -a * b", "let a = (-a) * b"},
    {"let a = a + 1 < b * 2", "let a = (a + 1) < (b * 2)"},
    {"let a = -x'", "let a = -(x')"},
    {"let a = x'^2", "let a = (x')^2"},
    {"let a = f(x)[0].y'", "let a = (((f(x))[0]).y)'"},
    {"let y = if c { a } else { b } * 2", "let y = (if c { a } else { b }) * 2"},
    {"let y = fn (x) = x + 1", "let y = fn (x) = (x + 1)"},
    {"let y = if a { b } else if c { d } else { e }", "let y = if a { b } else { (if c { d } else { e }) }"},
    {"return a, b", "return (a, b)"},
    {"a = 1; b = 2", "a = 1\nb = 2"},
    {"let a = b\n- c", "let a = b - c"},
    {"let a = b\n(c)", "let a = b(c)"},
    {"let a = f(x,\n\n  y)", "let a = f(x, y,)"},
    {"module M { }", "module M {\n}"},
    {"update *\nminimize x", "update *; minimize x"},
    {"update net.*\nminimize x", "update net.*; minimize x"},
    {"let a = b *\nc", "let a = b * c"},
    {"update a\n  except b\n  using c()", "update a except b using c()"},
};

START_TEST(same_tree) {
  Kit a, b;
  Str x = tree_of(&a, equal[_i][0]), y = tree_of(&b, equal[_i][1]);
  ck_assert_msg(str_eq(x, y), "%s | %s\n%.*s\n%.*s", equal[_i][0], equal[_i][1], (int)x.n, x.p, (int)y.n,
                y.p);
  kit_free(&a);
  kit_free(&b);
}
END_TEST

START_TEST(different_tree) {
  static const char *const pairs[][2] = {
      {"let a = (a, b)", "let a = [a, b]"},
      {"let a = a - b - c", "let a = a - (b - c)"},
      {"let a: F = 1", "let a: F[] = 1"},
      {"let a = x[1]", "let a = x[1:]"},
      {"let a = f(b = 1)", "let a = f(b == 1)"},
      {"a = 1", "a := 1"},
      {"param w: f32 = 1", "frozen param w: f32 = 1"},
      {"param w: f32 = 1", "#[allow(cut)] param w: f32 = 1"},
      {"let a = \"x\"", "let a = x"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    Kit a, b;
    ck_assert(!str_eq(tree_of(&a, pairs[i][0]), tree_of(&b, pairs[i][1])));
    kit_free(&a);
    kit_free(&b);
  }
}
END_TEST

/* ---- rejected ---- */

static const struct {
  const char *text, *codes;
} rejected[] = {
    {"f(x)", "1:1 DG0115"},
    {"x", "1:1 DG0115"},
    {"let a = a < b < c", "1:15 DG0119"},
    {"let a = 1 + fn (x) = x", "1:13 DG0120"},
    {"let a = if c { a }", "1:19 DG0121"},
    {"let a = b, c", "1:10 DG0126"},
    {"let a = 0x1 + 007 + 1__0 + 2x + 5. + .5",
     "1:9 DG0101\n1:15 DG0101\n1:21 DG0101\n1:28 DG0101\n1:33 DG0101\n1:38 DG0101"},
    {"let a = 'abc'", "1:9 DG0112"},
    {"import b = 'b.dg'", "1:12 DG0112"},
    {"let in = 3", "1:5 DG0111"},
    {"input in: f32", "1:7 DG0111"},
    {"let a = f(param = 3)", "1:11 DG0111"},
    {"input x", "1:8 DG0113"},
    {"param w = 3", "1:9 DG0113"},
    {"let x := 3", "1:7 DG0114"},
    {"if a = b { let c = 1 }", "1:6 DG0114"},
    {"x: f32 = 3", "1:1 DG0127"},
    {"parm w: f32 = 3", "1:1 DG0116"},
    {"let a = f(x y)", "1:13 DG0110"},
    {"let a = b c", "1:11 DG0125"},
    {"let a = f(b\nlet c = 1", "1:10 DG0108"},
    {"let a = f(b\nc = 1\nlet d = 2 3", "1:10 DG0108\n3:11 DG0125"},
    {"let a = b)\nlet c = ]", "1:10 DG0109\n2:9 DG0109"},
    {"let a = f(b]\nlet c = 1 2", "1:12 DG0109\n2:11 DG0125"},
    {"let a = f([b)\nlet c = 1 2", "1:11 DG0108\n2:11 DG0125"},
    {"}", "1:1 DG0109"},
    {"train fit\n  minimize x\n}\nlet a = 1 2", "1:10 DG0118\n4:11 DG0125"},
    {"module M(a: int {\n  let b = 1 2\n}\nlet c = 1 2", "1:9 DG0108\n2:13 DG0125\n4:11 DG0125"},
    {"fn f(x: f32)", "1:13 DG0122"},
    {"frozen input x: f32", "1:1 DG0123"},
    {"let a = if b { let c = 1 } else { 2 }\nlet d = 1 2", "1:16 DG0124\n2:11 DG0125"},
    {"let a = if b {\n  c\n  d\n} else { 2 }", "3:3 DG0124"},
    {"let a =\nlet b = 1", "1:8 DG0117"},
    {"let a =\nb = 1", "1:8 DG0117"},
    {"let a = b +\nlet c = 1", "1:12 DG0117"},
    {"let a = b && c", "1:11 DG0105"},
    {"let a = b $ c", "1:11 DG0104"},
    {"let gr\xc3\xb6\xc3\x9f"
     "e = 1",
     "1:5 DG0107"},
    {"import a = \"b", "1:12 DG0102"},
    {"import a = \"\\q\"", "1:13 DG0103"},
    {"/* a */ let b = 1", "1:1 DG0106"},
    {"let a = x[1:2:3:4]", "1:16 DG0100"},
    {"let a: f32[2](3) = 1", "1:14 DG0100"},
    {"let a = f(b; c)", "1:12 DG0100"},
    {"let a = ()", "1:10 DG0100"},
    {"let a = x[]", "1:11 DG0100"},
    {"let a = {b}", "1:9 DG0100"},
    {"module M { let a = 1", "1:10 DG0108"},
    {"", "1:1 DG0003"},
    {"// nothing\n", "1:1 DG0003"},
    {"let a = \xff", "1:9 DG0004"},
    {"let a = \xed\xa0\x80", "1:9 DG0004"},
    {"let a = net.train", "1:13 DG0111"},
    {"for x in 0:3 x = 1", "1:14 DG0100"},
    {"let a = 1; let b = 2 let c = 3", "1:22 DG0125"},
    {"#[allow(cut)]\n", "2:1 DG0117"},
    {"let a = b\n}\nlet c = )", "2:1 DG0109\n3:9 DG0109"},
    {"let a = f(x y)\nlet b = g(x y)\nlet c = h(x y)", "1:13 DG0110\n2:13 DG0110\n3:13 DG0110"},
    {"module M {\n  fn (x: f32) -> f32 = x y\n  param w = 1\n}\nlet a = 1 2",
     "2:26 DG0125\n3:11 DG0113\n5:11 DG0125"},
    {"for a b in c {\n  let d = 1 2\n}\nlet e = 1 2", "1:7 DG0100\n2:13 DG0125\n4:11 DG0125"},
    {"if a b { let c = 1 2 } else { let d = 1 2 }", "1:6 DG0100\n1:20 DG0125\n1:41 DG0125"},
};

START_TEST(negative) {
  Kit k;
  kit_of(&k, str_z(rejected[_i].text));
  ck_assert(!k.ok);
  ck_assert(k.tree->errors);
  Str got = kit_codes(&k), m = kit_messages(&k);
  ck_assert_msg(got.n == strlen(rejected[_i].codes) && memcmp(got.p, rejected[_i].codes, got.n) == 0,
                "%s\nexpected\n%s\ngot\n%.*s\n%.*s", rejected[_i].text, rejected[_i].codes, (int)got.n, got.p,
                (int)m.n, m.p);
  ck_assert_int_eq(k.diags.status, ST_REJECTED);
  kit_free(&k);
}
END_TEST

START_TEST(tree_goes_on) {
  Kit k;
  kit_of(&k, STR("let a = )\nparam w: f32 = 1\nparm v: f32 = 2\nfn g(x y) = 3\nlet last = 2"));
  ck_assert(!k.ok);
  ck_assert_uint_eq(k.tree->stmts.n, 5);
  ck_assert_int_eq(k.tree->stmts.at[1]->kind, STMT_PARAM);
  ck_assert_int_eq(k.tree->stmts.at[2]->kind, STMT_ERROR);
  ck_assert_int_eq(k.tree->stmts.at[4]->kind, STMT_LET);
  Str names[4];
  ck_assert_uint_ge(k.tree->broken.n, 3);
  for (uint32_t i = 0; i < 3; i++) names[i] = names_str(&k.names, k.tree->broken.at[i]);
  ck_assert_strn(names[0], "a");
  ck_assert_strn(names[1], "v");
  ck_assert_strn(names[2], "g");
  kit_free(&k);
}
END_TEST

/* ---- parts of the tree ---- */

static AstStmt *only(Kit *k, const char *text) {
  kit_of(k, str_z(text));
  ck_assert_msg(k->ok, "%s", text);
  ck_assert_uint_eq(k->tree->stmts.n, 1);
  return k->tree->stmts.at[0];
}

START_TEST(spans) {
  Kit k;
  const AstStmt *s = only(&k, "let a = f(b, c = [1])'  // end\n");
  ck_assert(s->at.lo == 0 && s->at.hi == 22 && s->word.lo == 0 && s->word.hi == 3);
  ck_assert(s->bind.names.at[0].at.lo == 4 && s->bind.value_op.lo == 6 && s->bind.value_op.hi == 7);
  const AstExpr *t = s->bind.value;
  ck_assert_int_eq(t->kind, EXPR_TRANSPOSE);
  ck_assert(t->at.lo == 8 && t->at.hi == 22 && t->transpose.op_at.lo == 21);
  const AstExpr *c = t->transpose.operand;
  ck_assert(c->at.lo == 8 && c->at.hi == 21 && c->call.brackets.lo == 9 && c->call.brackets.hi == 21);
  ck_assert(c->call.args.at[1].at.lo == 13 && c->call.args.at[1].name.at.hi == 14 &&
            c->call.args.at[1].value->at.lo == 17);
  kit_free(&k);
}
END_TEST

START_TEST(spans_utf8) {
  Kit k;
  kit_of(&k, STR("// \xc3\xa4\xc3\xb6\nlet a = \"\xc3\xa4\xc3\xb6\" + )"));
  ck_assert_strn(kit_codes(&k), "2:16 DG0109");
  kit_free(&k);
  const AstStmt *s = only(&k, "frozen let a = (b + c)*d");
  ck_assert(s->at.lo == 0 && s->frozen.hi == 6 && s->word.lo == 7);
  ck_assert(s->bind.value->binary.left->parens && s->bind.value->binary.left->at.lo == 15 &&
            s->bind.value->at.lo == 15);
  kit_free(&k);
  s = only(&k, "\n  let a: f32 = 1");
  ck_assert(s->at.lo == 3 && s->bind.type->at.lo == 10 && s->bind.type->at.hi == 13);
  kit_free(&k);
}
END_TEST

START_TEST(docs_and_marks) {
  Kit k;
  kit_of(&k,
         STR("/// not for b\nlet a = 1 /// nor this\nlet b = 2\n\n/// one\n///   two\n//// no\n/// three\n"
             "#[allow(cut)]\nparam w: f32 = 1\n/// far\n\nlet c = 1\nmodule M {\n  /// inner\n  fn (x) = "
             "x\n}\n"));
  ck_assert(k.ok);
  AstStmt **s = k.tree->stmts.at;
  ck_assert_strn(s[0]->doc, "not for b");
  ck_assert_uint_eq(s[1]->doc.n, 0);
  ck_assert_strn(s[2]->doc, "three");
  ck_assert_uint_eq(s[2]->marks.n, 1);
  ck_assert_strn(names_str(&k.names, s[2]->marks.at[0].verb.name), "allow");
  ck_assert_strn(names_str(&k.names, s[2]->marks.at[0].words.at[0].name), "cut");
  ck_assert_uint_eq(s[3]->doc.n, 0);
  ck_assert_strn(s[4]->unit.body->stmts.at[0]->doc, "inner");
  kit_free(&k);
  const AstStmt *m = only(&k, "/// a\r\n///b\r\n#[expect(owned-twice, cut)]\r\ntrain t { }");
  ck_assert_strn(m->doc, "a\nb");
  ck_assert_strn(names_str(&k.names, m->marks.at[0].words.at[0].name), "owned-twice");
  kit_free(&k);
}
END_TEST

static const AstNumber *number(Kit *k, const char *text) {
  char all[256];
  snprintf(all, sizeof all, "let a = %s", text);
  return only(k, all)->bind.value->number;
}

START_TEST(numbers) {
  Kit k;
  const AstNumber *n = number(&k, "1_000");
  ck_assert(n->integer && n->fits && n->u64 == 1000 && n->exp10 == 0 && n->f64 == 1000);
  ck_assert_strn(n->digits, "1000");
  ck_assert_strn(n->text, "1_000");
  kit_free(&k);
  n = number(&k, "9223372036854775808");
  ck_assert(n->integer && n->fits && n->u64 == UINT64_C(1) << 63);
  kit_free(&k);
  n = number(&k, "18446744073709551616");
  ck_assert(n->integer && !n->fits && n->f64 == 18446744073709551616.0);
  kit_free(&k);
  n = number(&k, "0.0012e-3");
  ck_assert(!n->integer && n->exp10 == -7);
  ck_assert_strn(n->digits, "12");
  ck_assert(n->f64 == 1.2e-6 && n->f32 == 1.2e-6f);
  kit_free(&k);
  n = number(&k, "1E+5");
  ck_assert(!n->integer && n->f64 == 1e5);
  kit_free(&k);
  n = number(&k, "0.000");
  ck_assert(n->f64 == 0 && n->exp10 == 0);
  ck_assert_strn(n->digits, "0");
  kit_free(&k);
  n = number(&k, "1e99999999999999999999");
  ck_assert(n->exp10 == 1000000000 && n->f64 > 1e308 && n->f32 > 1e38f);
  kit_free(&k);
  n = number(&k, "1e-99999999999999999999");
  ck_assert(n->f64 == 0);
  kit_free(&k);
  /* f32 is rounded from the exact value, not from the double: these two differ */
  n = number(&k, "1.00000005960464485");
  ck_assert(n->f32 == 1.00000011920928955078125f && (float)n->f64 == 1.0f);
  kit_free(&k);
}
END_TEST

START_TEST(strings) {
  Kit k;
  const AstStmt *s = only(&k, "import a = \"\\\\ \\\" \\n \\t \\u{e4}\\u{1F600} x\"");
  ck_assert_strn(s->import.path, "\\ \" \n \t \xc3\xa4\xf0\x9f\x98\x80 x");
  kit_free(&k);
  kit_of(&k, STR("import a = \"\\u{d800}\\u{}\\u{1234567}\\uz\""));
  ck_assert_uint_eq(k.diags.all.n, 4);
  kit_free(&k);
}
END_TEST

START_TEST(tree_text) {
  Kit k;
  kit_init(&k, STR("/// d\nlet a: f32[N, ..] = f(x, k = 2)[1:]\n"));
  kit_parse(&k);
  ck_assert_strn(
      kit_ast(&k),
      "let a\n  doc: \"d\"\n  type: dtype f32 []\n    name N\n    rest\n  value: index\n    base: call\n"
      "      callee: name f\n      name x\n      k =\n        number 2\n    range\n      lo: number 1\n");
  Sb b;
  sb_init(&b, &k.arena);
  ast_print(k.tree, &k.names, true, &b);
  ck_assert(sb_str(&b).n > 20 && memcmp(b.p, "let a @6-41\n", 12) == 0);
  kit_free(&k);
}
END_TEST

START_TEST(token_text) {
  Kit k;
  kit_init(&k, STR("input x: f32\nlet a = input *\n  2; update *\n"));
  Sb b;
  sb_init(&b, &k.arena);
  ck_assert(tokens_print(k.file, &k.sources, &k.names, &k.arena, &k.diags, &k.limits, &b));
  ck_assert_strn(
      sb_str(&b),
      "0-5 'input'\n6-7 a name x\n7-8 ':'\n9-12 a dtype f32\n12-12 end of line\n13-16 'let'\n17-18 a name a\n"
      "19-20 '='\n21-26 a name input\n27-28 '*'\n31-32 a number 2\n32-32 end of line\n34-40 'update'\n41-42 "
      "'*'\n"
      "42-42 end of line\n43-43 end of file\n");
  kit_free(&k);
}
END_TEST

/* ---- limits ---- */

/* n times `open`, then `middle`, then n times `close`, after `head`. */
static char *nested(const char *head, const char *open, const char *middle, const char *close, size_t n) {
  size_t room = strlen(head) + n * (strlen(open) + strlen(close)) + strlen(middle) + 1;
  char *p = malloc(room), *q = p;
  q = stpcpy(q, head);
  for (size_t i = 0; i < n; i++) q = stpcpy(q, open);
  q = stpcpy(q, middle);
  for (size_t i = 0; i < n; i++) q = stpcpy(q, close);
  return p;
}

static const char *const nests[][4] = {
    {"let a = ", "(", "b", ")"},
    {"let a = ", "[", "b", "]"},
    {"let a = ", "f(", "b", ")"},
    {"let a = b", "[c", "", "]"},
    {"", "if a { ", "", "}"},
    {"let a = ", "if b { ", "c", "} else { d }"},
    {"let a: ", "[", "f32", "]"},
    {"let a = ", "f32(", "b", ")"},
    {"let a = ", "fn (x) { return ", "1", "}"},
};

START_TEST(limit_nesting) {
  for (int extra = -1; extra <= 1; extra++) {
    Kit k;
    char *text = nested(nests[_i][0], nests[_i][1], nests[_i][2], nests[_i][3], (size_t)(100 + extra));
    char *all = malloc(strlen(text) + 8);
    strcpy(all, text);
    if (strncmp(text, "let a:", 6) == 0) strcat(all, " = 1");
    kit_init(&k, str_z(all));
    k.limits.nesting = 100;
    kit_parse(&k);
    Str m = kit_messages(&k);
    if (extra <= 0) {
      ck_assert_msg(k.ok, "%d: %.*s", extra, (int)m.n, m.p);
    } else {
      ck_assert(!k.ok);
      ck_assert_int_eq(k.diags.status, ST_LIMIT);
      ck_assert_uint_eq(k.diags.all.n, 1);
      ck_assert_msg(memmem(m.p, m.n, "'nesting' of 100", 16) != NULL, "%.*s", (int)m.n, m.p);
    }
    kit_free(&k);
    free(text), free(all);
  }
}
END_TEST

static const char *const chains[][4] = {
    {"let a = ", "b + ", "c", ""},
    {"let a = ", "-", "c", ""},
    {"let a = ", "not ", "c", ""},
    {"let a = ", "2^", "c", ""},
    {"let a = b", "'", "", ""},
    {"let a = b", ".c", "", ""},
    {"let a = b", "()", "", ""},
    {"let a = b", "[0]", "", ""},
    {"let a = ", "fn (x) = ", "1", ""},
    {"if a { }", " else if a { }", "", ""},
    {"let a = if b { c }", " else if b { c }", " else { d }", ""},
};

START_TEST(limit_depth) {
  for (int extra = -1; extra <= 1; extra++) {
    Kit k;
    limits_init(&k.limits);
    k.limits.nesting = 50;
    /* above the leaf: the chain, and the statement; an `else if` is a statement itself */
    bool value = strncmp(chains[_i][0], "let a = if", 10) == 0;
    int64_t depth = ast_depth_limit(&k.limits) - 2 - value;
    char *text = nested(chains[_i][0], chains[_i][1], chains[_i][2], "", (size_t)(depth + extra));
    kit_init(&k, str_z(text));
    k.limits.nesting = 50;
    kit_parse(&k);
    Str m = kit_messages(&k);
    ck_assert_msg(k.ok == (extra <= 0), "%d %s: %.*s", extra, chains[_i][1], (int)(m.n > 500 ? 500 : m.n),
                  m.p);
    if (extra > 0) ck_assert_int_eq(k.diags.status, ST_LIMIT);
    kit_free(&k);
    free(text);
  }
}
END_TEST

START_TEST(million) {
  static const char *const deep[] = {"(",  "[",  "{",          "if a {",    "-",  "not ",       "b+",
                                     "2^", "f(", "scan (a = ", "fn (x) = ", "a.", "let a = )\n"};
  for (size_t i = 0; i < sizeof deep / sizeof deep[0]; i++) {
    Kit k;
    char *text = nested(strcmp(deep[i], "if a {") ? "let a = " : "", deep[i], "", "", 1000000 / KIT_STRIDE);
    kit_of(&k, str_z(text));
    ck_assert(!k.ok);
    if (deep[i][strlen(deep[i]) - 1] != '\n' && strcmp(deep[i], "a.") && strcmp(deep[i], "{"))
      ck_assert_msg(k.diags.status == ST_LIMIT, "%s", deep[i]);
    ck_assert(k.diags.all.n >= 1 && k.diags.all.n <= 100);
    kit_free(&k);
    free(text);
  }
}
END_TEST

START_TEST(limit_source_bytes) {
  for (int extra = -1; extra <= 1; extra++) {
    Kit k;
    kit_init(&k, STR("let abcde = 1\n"));
    k.limits.source_bytes = 14 - extra;
    kit_parse(&k);
    ck_assert(k.ok == (extra <= 0));
    ck_assert_int_eq(k.diags.status, extra <= 0 ? ST_OK : ST_LIMIT);
    kit_free(&k);
  }
}
END_TEST

/* Reads with the n-th allocation failing; false when that allocation was reached. */
static bool reads_without(uint64_t n) {
  static Kit k; /* outlives the unwinding */
  Rescue r;
  mem_init(&k.mem, 0);
  arena_init(&k.arena, &k.mem);
  k.mem.fail_at = n;
  volatile bool done = false;
  if (RESCUE(&k.mem, &r)) {
    sources_init(&k.sources, &k.arena);
    names_init(&k.names, &k.arena);
    limits_init(&k.limits);
    diags_init(&k.diags, &k.arena, &k.sources, &k.limits);
    k.file = sources_add(&k.sources, STR("t.dg"), STR("let a = f(x y)\nlet b = (1 + 2)*3\n"), false);
    kit_parse(&k);
    done = true;
    rescue_end(&k.mem, &r);
  } else {
    ck_assert_int_eq(r.status, ST_NO_MEMORY);
  }
  arena_release(&k.arena);
  ck_assert_uint_eq(k.mem.used, 0);
  return done;
}

/* Every allocation may fail: the reader unwinds to the nearest RESCUE, and nothing is lost. */
START_TEST(no_memory) {
  uint64_t n = 1;
  while (!reads_without(n)) n++;
  ck_assert_uint_gt(n, 1);
}
END_TEST

/* ---- formatter ---- */

static Str formatted(Kit *k, Str text) {
  kit_init(k, text);
  Sb b;
  sb_init(&b, &k->arena);
  bool ok = fmt_file(k->file, &k->sources, &k->names, &k->arena, &k->diags, &k->limits, &b);
  Str m = kit_messages(k);
  ck_assert_msg(ok, "%.*s\n%.*s", (int)text.n, text.p, (int)m.n, m.p);
  return sb_str(&b);
}

static const char *const formats[][2] = {
    {"let   a=1", "let a = 1\n"},
    {"\n\n\nlet a=1\n\n\n\nlet b=2\n\n\n", "let a = 1\n\nlet b = 2\n"},
    {"let a = b+c * d/e ^ f@g", "let a = b+c * d/e^f @ g\n"},
    {"let a = b +c - -d+ - e", "let a = b+c - -d+-e\n"},
    {"let a = x [ 1 : 2 , : , _ , .. ] '", "let a = x[1:2, :, _, ..]'\n"},
    {"param w :f32 [N , 2*D]~normal( 0,1 )", "param w: f32[N, 2*D] ~ normal(0, 1)\n"},
    {"let a = f ( x,lr=1 )\nlet b = ( a , b )\nlet c = [ a ]",
     "let a = f(x, lr = 1)\nlet b = (a, b)\nlet c = [a]\n"},
    {"input x:i32 [N]in 0 : 10", "input x: i32[N] in 0:10\n"},
    {"module M{\n\nlet a=1\n\n\n}", "module M {\n  let a = 1\n}\n"},
    {"train fit{minimize x;update * except *.b using f();}",
     "train fit { minimize x; update * except *.b using f() }\n"},
    {"train fit {\nupdate net . * . b,net [ 0 ]\nusing f()\n}",
     "train fit {\n  update net.*.b, net[0]\n    using f()\n}\n"},
    {"let a = f(\nx,\n[\ny\n]\n)", "let a = f(\n  x,\n  [\n    y\n  ]\n)\n"},
    {"let a = b// c\n// d\n   /// e\nlet f = 1", "let a = b  // c\n// d\n/// e\nlet f = 1\n"},
    {"module M {\n// a\nlet b = 1 // c\n// d\n}", "module M {\n  // a\n  let b = 1  // c\n  // d\n}\n"},
    {"let a=if b{c}else{d}", "let a = if b { c } else { d }\n"},
    {"let a = if b {\nc\n}\nelse {\nd\n}", "let a = if b {\n  c\n}\nelse {\n  d\n}\n"},
    {"let a = b\n+ c\nlet d = 1", "let a = b\n  + c\nlet d = 1\n"},
    {"#[ allow( cut , owned - twice ) ]\nparam w: f32 = 1", "#[allow(cut, owned-twice)]\nparam w: f32 = 1\n"},
    {"let a = 1 ; let b = 2 ;\n;\nlet c = 3", "let a = 1; let b = 2\n\nlet c = 3\n"},
    {"let a = fn(x)=x\nfn f (x:fn)->(f32,i32) = x\nbackward(dy) = dy",
     "let a = fn (x) = x\nfn f(x: fn) -> (f32, i32) = x\nbackward (dy) = dy\n"},
    {"for a,b in xs,0 : n{x=a}", "for a, b in xs, 0:n { x = a }\n"},
    {"let r = scan(y=y0,z : f32=1)for k in 0:n while a>b{next y=y}",
     "let r = scan (y = y0, z: f32 = 1) for k in 0:n while a > b { next y = y }\n"},
    {"module M { }\nmodule N {\n}", "module M {}\nmodule N {\n}\n"},
    {"let a = 1\r\nlet b = 2\r\n", "let a = 1\nlet b = 2\n"},
    {"let a = not(b)and c", "let a = not (b) and c\n"},
    {"let a = -(b)\nlet c = (-b)\nlet d = 2^ -b", "let a = -(b)\nlet c = (-b)\nlet d = 2^-b\n"},
    {"// only\n\n\n// comments\nlet a = 1\n// last", "// only\n\n// comments\nlet a = 1\n// last\n"},
};

START_TEST(fmt_table) {
  Kit k, again, before, after;
  Str got = formatted(&k, str_z(formats[_i][0]));
  Str twice = formatted(&again, got); /* the macro would call it twice */
  ck_assert_strn(got, formats[_i][1]);
  ck_assert_strn(twice, formats[_i][1]);
  kit_of(&before, str_z(formats[_i][0]));
  kit_of(&after, str_z(formats[_i][1]));
  ck_assert(str_eq(kit_ast(&before), kit_ast(&after)));
  kit_free(&k);
  kit_free(&again);
  kit_free(&before);
  kit_free(&after);
}
END_TEST

START_TEST(fmt_sketches) {
  char path[128];
  size_t n;
  snprintf(path, sizeof path, "tests/sketches/%s.dg", sketches[_i]);
  char *text = kit_load(path, &n);
  Kit once, twice, before, after;
  Str f = formatted(&once, (Str){text, n}), g = formatted(&twice, f);
  ck_assert(str_eq(f, g));
  kit_of(&before, (Str){text, n});
  kit_of(&after, f);
  ck_assert(str_eq(kit_ast(&before), kit_ast(&after)));
  kit_free(&once);
  kit_free(&twice);
  kit_free(&before);
  kit_free(&after);
  free(text);
}
END_TEST

START_TEST(fmt_refuses) {
  Kit k;
  kit_init(&k, STR("let a = )"));
  Sb b;
  sb_init(&b, &k.arena);
  ck_assert(!fmt_file(k.file, &k.sources, &k.names, &k.arena, &k.diags, &k.limits, &b));
  ck_assert_uint_eq(b.n, 0);
  ck_assert_uint_eq(k.diags.errors, 1);
  kit_free(&k);
}
END_TEST

#define COUNT(t) (int)(sizeof(t) / sizeof((t)[0]))

int main(void) {
  Suite *s = suite_create("parse");
  TCase *c = tcase_create("parse");
  tcase_set_timeout(c, 60);
  tcase_add_test(c, all_sketches);
  tcase_add_loop_test(c, positive, 0, COUNT(accepted));
  tcase_add_loop_test(c, same_tree, 0, COUNT(equal));
  tcase_add_test(c, different_tree);
  tcase_add_loop_test(c, negative, 0, COUNT(rejected));
  tcase_add_test(c, tree_goes_on);
  tcase_add_test(c, spans);
  tcase_add_test(c, spans_utf8);
  tcase_add_test(c, docs_and_marks);
  tcase_add_test(c, numbers);
  tcase_add_test(c, strings);
  tcase_add_test(c, tree_text);
  tcase_add_test(c, token_text);
  tcase_add_loop_test(c, limit_nesting, 0, COUNT(nests));
  tcase_add_loop_test(c, limit_depth, 0, COUNT(chains));
  tcase_add_test(c, million);
  tcase_add_test(c, limit_source_bytes);
  tcase_add_test(c, no_memory);
  tcase_add_loop_test(c, fmt_table, 0, COUNT(formats));
  tcase_add_loop_test(c, fmt_sketches, 0, COUNT(sketches));
  tcase_add_test(c, fmt_refuses);
  suite_add_tcase(s, c);
  SRunner *r = srunner_create(s);
  srunner_set_tap(r, "-");
  srunner_run_all(r, CK_SILENT);
  int failed = srunner_ntests_failed(r);
  srunner_free(r);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
