/* Places that a single changed line would break and that nothing else looks at: slopes at the edges of
 * domains, second derivatives of pooling, tails of reductions, strided and dilated convolutions, what
 * randomness is keyed by, defaults of the library. Each has numbers worked out by hand or by a plain loop
 * here. */
#include "values_kit.h"

#include <float.h>

/* ---- derivatives ---- */

START_TEST(slopes_of_mod) {
  GIVES({"input x: f64[N]\ninput y: f64[N]\noutput m = mod(x, y)\noutput gx = grad(sum(mod(x, y)), x)\n"
         "output gy = grad(sum(mod(x, y)), y)\n",
         "7.5 -7.5 7.5 3 0", "2 2 -2 0 0", 0, 0, 0, "m: 1.5 0.5 -0.5 0 0; gx: 1 1 1 0 0; gy: -3 4 4 0 0"});
}
END_TEST

/* The gradient of a window goes to its first greatest element; the second derivative comes from there. */
START_TEST(second_derivative_of_max_pool) {
  static const char ties[] = "input x: f64[8]\nlet v = reshape(x, [1, 1, 2, 4])\n"
                             "let g = grad(0.5 * sum(max_pool2d(v, 2, stride = 2)^2), x)\n"
                             "let c: f64[8] = [1, 10, 100, 1000, 2, 20, 200, 2000]\noutput first = g\noutput "
                             "second = grad(sum(g * c), x)\n";
  static const char padded[] =
      "input x: f64[4]\nlet v = reshape(x, [1, 1, 2, 2])\n"
      "let g = grad(sum(exp(max_pool2d(v, 2, stride = 2, padding = 1))), x)\n"
      "let c: f64[4] = [1, 10, 100, 1000]\noutput first = g\noutput second = grad(sum(g * c), x)\n";
  GIVES({ties, "3 3 1 4  3 3 4 4", NULL, 0, 0, 0, "first: 3 0 0 4 0 0 0 0; second: 1 0 0 1000 0 0 0 0"},
        {ties, "1 1 0 0  1 2 0 0", NULL, 0, 0, 0, "first: 0 0 0 0 0 2 0 0; second: 0 0 100 0 0 20 0 0"},
        /* each window holds one element and three of padding, which are no zeros */
        {padded, "0 0 -1 -2", NULL, 0, 0, 1e-14,
         "first: 1 1 0.36787944117144233 0.1353352832366127;"
         "second: 1 10 36.787944117144233 135.3352832366127"});
}
END_TEST

/* A declared rule that uses a function with a rule of its own: each has its own cotangent. */
START_TEST(rules_within_rules) {
  GIVES({"fn inner(x: f64[N]) -> f64[N] = x^2\nbackward (d) = 5 * d\n"
         "fn outer(x: f64[N]) -> f64[N] = x^3\nbackward (d) = d * inner(x)\n"
         "input x: f64[N]\nlet g = grad(sum(7 * outer(x)), x)\noutput first = g\n"
         "output second = grad(sum(3 * g), x)\n",
         "1 2 3", NULL, 0, 0, 0, "first: 7 28 63; second: 105 105 105"});
}
END_TEST

/* ---- kernels ---- */

/* All sums are -0 because what is left is flushed: a tail filled with +0 would turn the sign. */
START_TEST(tails_add_nothing) {
  char dot[1024] = "", sum[2048] = "";
  for (int i = 0; i < 17; i++) strcat(dot, " 1e-20");
  for (int i = 0; i < 33; i++) strcat(sum, i < 16 ? " 1.2e-38" : i < 32 ? " -1.3e-38" : " -0.0");
  GIVES(
      {"input x: f32[N]\noutput d = x @ -x\noutput e = 1 / (x @ -x)\n", dot, NULL, 0, 0, 0,
       "d: -0.0; e: -inf"},
      {"input x: f32[N, 17]\noutput d = x @ -x[0, :]\n", dot, NULL, 17, 0, 0, "d: -0.0"},
      {"input x: f32[N]\noutput s = sum(x)\noutput t = 1 / sum(x)\n", sum, NULL, 0, 0, 0, "s: -0.0; t: -inf"},
      {"input x: f32[N, 33]\noutput s = sum(x, axis = -1)\n", sum, NULL, 33, 0, 0, "s: -0.0"});
}
END_TEST

/* By a plain loop: every output position adds to the input positions it read. */
START_TEST(strided_dilated_data_gradient) {
  for (int stride = 1; stride <= 4; stride++)
    for (int dilation = 1; dilation <= 4; dilation++)
      for (int padding = 0; padding <= 2; padding++) {
        enum { H = 17, K = 4 };
        int out = (H + 2 * padding - dilation * (K - 1) - 1) / stride + 1;
        double dx[H] = {0}, w[K] = {1, 10, 100, 1000};
        if (out < 1) continue;
        for (int o = 0; o < out; o++)
          for (int k = 0; k < K; k++) {
            int h = o * stride + k * dilation - padding;
            if (h >= 0 && h < H) dx[h] += (o + 1) * w[k];
          }
        char text[512], x[256] = "", want[1024] = "g:";
        for (int i = 0; i < H; i++)
          strcat(x, " 1"), snprintf(want + strlen(want), sizeof want - strlen(want), " %g", dx[i]);
        snprintf(text, sizeof text,
                 "input x: f32[17]\ninput y: f32[4]\nlet w = reshape(y, [1, 1, 4, 1])\n"
                 "let c = conv2d(reshape(x, [1, 1, 17, 1]), w, stride = [%d, 1], dilation = [%d, 1], padding "
                 "= [%d, 0])\n"
                 "output g = grad(sum(reshape(c, [%d]) * f32(range(1, %d))), x)\n",
                 stride, dilation, padding, out, out + 1);
        GIVES({text, x, "1 10 100 1000", 0, 0, 0, want});
      }
}
END_TEST

/* ---- randomness ---- */

/* The order of an epoch depends on the epoch: w writes down what it saw. */
START_TEST(each_epoch_has_its_order) {
  static const char text[] =
      "input x: f64[N]\nparam w: f64 = 0\nloss l = w * sum(x)\n"
      "optimizer note(w, g) { w := 10 * w + g }\n"
      "train t { minimize l; update w using note(); batch = 1; shuffle = true; epochs = 3 }\n";
  char path[] = "/tmp/dg_corners_XXXXXX.csv";
  int fd = mkstemps(path, 4);
  ck_assert(fd >= 0 && write(fd, "1\n2\n3\n4\n5\n", 10) == 10 && close(fd) == 0);
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session *s = session(cx, p, 1, 1);
  ok(dg_data(s, "train", "x", path, NULL));
  ok(dg_train(s, NULL, NULL));
  dg_array w;
  ok(dg_read(s, "w", &w));
  int64_t seen = (int64_t)((const double *)w.data)[0], epoch[3];
  for (int i = 2; i >= 0; i--) epoch[i] = seen % 100000, seen /= 100000;
  for (int i = 0; i < 3; i++) {
    int digits = 0;
    for (int64_t e = epoch[i]; e; e /= 10) digits |= 1 << e % 10;
    ck_assert_int_eq(digits, 0x3e); /* each row once */
  }
  ck_assert(epoch[0] != epoch[1] || epoch[1] != epoch[2]);
  dg_session_free(s);
  dg_program_free(p);
  dg_context_free(cx);
  unlink(path);
}
END_TEST

/* The same draw, at the same step and seed, gives other numbers in training than in evaluation. */
START_TEST(evaluation_has_its_own_noise) {
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N]\nparam w: f32 = 0\nloss l = sum(x) + uniform() + 0 * w\n"
                              "train t { minimize l; update w using sgd(lr = 0.1) }\n");
  dg_session *s = session(cx, p, 1, 1);
  float zero[1] = {0};
  double seen[8], again;
  ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {1}, .data = zero}));
  for (int i = 0; i < 8; i += 2) { /* whatever step evaluation counts as */
    ok(dg_evaluate(s));
    ok(dg_value(s, "l", &seen[i]));
    ok(dg_evaluate(s));
    ok(dg_value(s, "l", &again));
    ck_assert(seen[i] == again);
    ok(dg_step(s, "t"));
    ok(dg_value(s, "l", &seen[i + 1]));
  }
  /* the numbers are published: training and evaluation have domains of their own beside the names' */
  ck_assert(seen[0] * 0x1p24 == 4734259 && seen[1] * 0x1p24 == 144929);
  for (int i = 0; i < 8; i += 2)
    for (int k = 1; k < 8; k += 2)
      ck_assert_msg(seen[i] != seen[k], "evaluation %d has the noise of step %d", i / 2, k / 2 + 1);
  dg_session_free(s);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* ---- defaults of the library: w = 0.5, slope 2, worked out by hand ---- */

START_TEST(defaults) {
  static const struct {
    const char *rule;
    int steps;
    const char *w;
  } row[] = {
      {"sgd()", 1, "w: 0.48"},
      {"adam()", 1, "w: 0.499000000005"},
      {"adam()", 2, "w: 0.49800000001"},
      {"adamw()", 1, "w: 0.498995000005"}, /* 0.5 - 0.001 * (2 / (2 + 1e-8) + 0.01 * 0.5) */
      {"adamw()", 2, "w: 0.49799001006"},  /* again, with 0.01 * 0.498995 */
      {"rmsprop()", 1, "w: 0.496837722389838"},
      {"adagrad()", 1, "w: 0.4900000000005"},
      {"lion()", 1, "w: 0.4999"},
      {"lion()", 2, "w: 0.4998"},
      {"sgd(lr = warmup(step, 0.1))", 2, "w: 0.4994"},
      {"sgd(lr = cosine_decay(step, 0.1))", 1, "w: 0.3000000049348022"},
      {"sgd(lr = warmup_cosine(step, 0.1))", 1, "w: 0.4998"},
      {"sgd(lr = step_decay(step, 0.1))", 1, "w: 0.3"},
      {"sgd(lr = exponential_decay(step, 0.1))", 1, "w: 0.3002"},
      {"sgd(lr = linear_decay(step, 0.1))", 1, "w: 0.30002"},
      {"sgd(lr = piecewise(step, [1], [0.1, 0.01]))", 2, "w: 0.28"},
      /* where they end: 1000 steps of 0.1, one of 0.01; a sum of warm-up, and one step of the cosine */
      {"sgd(lr = step_decay(step, 0.0001))", 1001, "w: 0.29998"},
      {"sgd(lr = warmup_cosine(step, 0.0001))", 1001, "w: 0.3997000000060923"},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    char text[512];
    snprintf(text, sizeof text,
             "input x: f64[N]\nparam w: f64 = 0.5\nloss l = w * sum(x)\ntrain t { minimize l; update w using "
             "%s }\n",
             row[i].rule);
    GIVES({text, "2", NULL, 0, row[i].steps, 1e-12, row[i].w});
  }
}
END_TEST

UNIT_MAIN(UNIT("derivatives", slopes_of_mod, second_derivative_of_max_pool, rules_within_rules),
          UNIT("kernels", tails_add_nothing, strided_dilated_data_gradient),
          UNIT("randomness", each_epoch_has_its_order, evaluation_has_its_own_noise),
          UNIT("library", defaults))
