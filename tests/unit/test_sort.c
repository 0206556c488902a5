/* sort, argsort and top_k as the language has them: values, places and derivatives at ties and special
 * numbers. */
#include "values_kit.h"

#define ORDER                                                                                                \
  "output a = argsort(x)\noutput d = argsort(x, descending = true)\noutput s = sort(x)\n"                    \
  "output t = sort(x, axis = -1, descending = true)\n"

/* Equal elements as they come, both ways; -0 equals 0 and keeps its sign; NaN above all. */
START_TEST(orders) {
  GIVES({"input x: f32[N, 5]\n" ORDER, "3 1 2 1 3  0 -0 0 -1 -0", NULL, 5, 0, 0,
         "a: 1 3 2 0 4 3 0 1 2 4; d: 0 4 2 1 3 0 1 2 4 3; s: 1 1 2 3 3 -1 0 -0 0 -0; t: 3 3 2 1 1 0 -0 0 -0 "
         "-1"},
        {"input x: f64[N, 5]\n" ORDER, "nan 1 inf nan -inf", NULL, 5, 0, 0,
         "a: 4 1 2 0 3; d: 0 3 2 1 4; s: -inf 1 inf nan nan; t: nan nan inf 1 -inf"},
        /* what is flushed is 0 */
        {"input x: f32[N, 4]\n" ORDER, "1e-42 -1e-42 0 -1e-37", NULL, 4, 0, 0,
         "a: 3 0 1 2; d: 0 1 2 3; s: -1e-37 0 -0 0; t: 0 -0 0 -1e-37"},
        {"input x: i32[N, 4]\n" ORDER, "-2147483648 5 2147483647 5", NULL, 4, 0, 0,
         "a: 0 1 3 2; d: 2 1 3 0; s: -2147483648 5 5 2147483647; t: 2147483647 5 5 -2147483648"},
        {"input x: f32[N, 1]\n" ORDER, "2 nan", NULL, 1, 0, 0, "a: 0 0; d: 0 0; s: 2 nan; t: 2 nan"},
        {"input x: f32[N, 2]\noutput a = argsort(x, axis = 0)\noutput s = sort(x, axis = 0)\n",
         "3 1  2 2  1 3", NULL, 2, 0, 0, "a: 2 0 1 1 0 2; s: 1 1 2 2 3 3"});
}
END_TEST

/* Lines longer than those that are ranked by counting, with many ties. */
START_TEST(long_lines) {
  static const int length[] = {255, 256, 257, 300};
  for (int k = 0; k < 8; k++) {
    int n = length[k % 4];
    char text[256], x[4096] = "", want[4096] = "a:";
    int v[300];
    for (int i = 0; i < n; i++) {
      v[i] = i * 37 % 23 - 11;
      snprintf(x + strlen(x), sizeof x - strlen(x), " %d", v[i]);
    }
    for (int least = -11; least < 12; least++)
      for (int i = 0; i < n; i++)
        if (v[i] == least) snprintf(want + strlen(want), sizeof want - strlen(want), " %d", i);
    snprintf(text, sizeof text, "input x: %s[N, %d]\noutput a = argsort(x)\n", k < 4 ? "f32" : "f64", n);
    GIVES({text, x, NULL, n, 0, 0, want});
  }
}
END_TEST

START_TEST(greatest) {
  GIVES({"input x: f32[N, 4]\nlet v, i = top_k(x, 2)\noutput a = v\noutput b = i\n", "1 4 4 2  7 nan -1 7",
         NULL, 4, 0, 0, "a: 4 4 nan 7; b: 1 2 1 0"},
        {"input x: f32[N, 2]\nlet v, i = top_k(x, 1, axis = 0)\noutput a = v\noutput b = i\n"
         "output m = max(x, axis = 0)\noutput g = argmax(x, axis = 0)\n",
         "1 4  3 4  2 0", NULL, 2, 0, 0, "a: 3 4; b: 1 0; m: 3 4; g: 1 0"});
}
END_TEST

/* The gradient goes to the element that stands there, the earlier one of two equal ones; so does that of a
 * gradient. */
START_TEST(slopes) {
  GIVES({"input x: f64[N, 4]\nlet c: f64[4] = [1, 10, 100, 1000]\nlet y = sum(sort(x) * c)\noutput g = "
         "grad(y, x)\n"
         "let q = sum(sort(x)^3 * c)\noutput h = grad(sum(grad(q, x)), x)\n",
         "2 1 2 0", NULL, 4, 0, 0, "g: 100 10 1000 1; h: 1200 60 12000 0"},
        {"input x: f64[N, 3]\nlet v, i = top_k(x, 2)\noutput g = grad(sum(v^2), x)\n"
         "output h = grad(sum(grad(sum(v^2), x)^2), x)\noutput z = grad(sum(f64(i) * x[:, :2]), x)\n",
         "1 3 3  -1 -2 -3", NULL, 3, 0, 0, "g: 0 6 6 -2 -4 0; h: 0 24 24 -8 -16 0; z: 1 2 0 0 1 0"},
        /* by rows under vmap, and in a loop */
        {"input x: f64[N, 3]\nlet c: f64[3] = [1, 2, 3]\nlet v = vmap(fn (r) = sort(r), x)\noutput g = "
         "grad(sum(v * c), x)\n",
         "3 1 2", NULL, 3, 0, 0, "g: 3 1 2"},
        {"input x: f64[N, 3]\nlet k: f64[3] = [1, -2, 3]\nlet m: f64[3] = [1, 10, 100]\n"
         "let y = scan (c = x) for t in 0:2 { next c = sort(c * k) }\n"
         "output a = y\noutput g = grad(sum(y * m), x)\n",
         "1 2 3", NULL, 3, 0, 0, "a: -4 -2 27; g: -20 -2 900"});
}
END_TEST

/* Places from a start that is a value; outside they read 0, and nothing is added there. */
START_TEST(moving_slices) {
  GIVES({"input x: f64[N]\ninput y: i32[N]\noutput a = dynamic_slice(x, y[0], 2)\n"
         "output b = dynamic_slice(x, y[1], 2)\noutput c = dynamic_slice(x, y[2], 1)\n"
         "let s = dynamic_slice(x, y[3], 3)\noutput g = grad(sum(s^3), x)\n"
         "output h = grad(sum(grad(sum(s^3), x)^2), x)\n",
         "1 2 3 4", "1 3 -1 1", 0, 0, 0, "a: 2 3; b: 4 0; c: 0; g: 0 12 27 48; h: 0 288 972 2304"},
        {"input x: f32[N, 3]\nlet t = scan () for i in 0:2 { yield dynamic_slice(x, i, 2, axis = 1) "
         "}\noutput a = t\n"
         "output g = grad(sum(t), x)\n",
         "1 2 3", NULL, 3, 0, 0, "a: 1 2 2 3; g: 1 2 1"});
}
END_TEST

/* A start that an input gives is refused when some of its places lie outside. */
START_TEST(starts_are_checked) {
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[5]\ninput i: i32\noutput a = dynamic_slice(x, i, 3)\n");
  dg_session *s = session(cx, p, 1, 1);
  float x[5] = {1, 2, 3, 4, 5};
  int32_t i = 2;
  dg_array ax = {.dtype = DG_F32, .rank = 1, .extent = {5}, .data = x}, ai = {.dtype = DG_I32, .data = &i};
  ok(dg_bind(s, "x", &ax));
  ok(dg_bind(s, "i", &ai));
  ok(dg_predict(s));
  i = 3;
  fails(DG_BAD_DATA, "input 'i': element 0 is 3, outside 0..2, the places", dg_predict(s));
  dg_session_free(s);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* A mixture of experts routes each row to two of eight: its router learns by the shares, and the loss goes
 * down. */
START_TEST(mixture_of_experts) {
  static float x[6 * 128];
  static int32_t y[6];
  for (int i = 0; i < 6 * 128; i++) x[i] = (float)((i * 37 + i / 128 * 11) % 29 - 14) / 14;
  for (int i = 0; i < 6; i++) y[i] = i;
  size_t n;
  char *text = slurp("tests/sketches/moe.dg", &n);
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  ck_assert_str_eq(dg_diagnostics_text(p, 0), "");
  dg_session *s = session(cx, p, 0, 1);
  dg_array ax = {.dtype = DG_F32, .rank = 2, .extent = {6, 128}, .data = x},
           ay = {.dtype = DG_I32, .rank = 1, .extent = {6}, .data = y};
  ok(dg_bind(s, "x", &ax));
  ok(dg_bind(s, "y", &ay));
  double loss[2];
  float before[128 * 8];
  dg_array router;
  ok(dg_read(s, "layers[0].moe.router", &router));
  memcpy(before, router.data, sizeof before);
  for (int i = 0; i < 4; i++) {
    ok(dg_evaluate(s));
    ok(dg_value(s, "ce", &loss[i > 0]));
    ok(dg_step(s, "fit"));
  }
  ck_assert_double_lt(loss[1], loss[0]);
  ok(dg_read(s, "layers[0].moe.router", &router));
  ck_assert(memcmp(before, router.data, sizeof before) != 0);
  dg_session_free(s);
  dg_program_free(p);
  dg_context_free(cx);
  free(text);
}
END_TEST

UNIT_MAIN(UNIT("sort", orders, long_lines, greatest, slopes, moving_slices, starts_are_checked,
               mixture_of_experts))
