/* Values and derivatives at the places where they are easily wrong: zeros, ties, the edges of the range. */
#include "values_kit.h"

/* ---- products: of the others, without dividing ---- */

#define PROD                                                                                                 \
  "let p = prod(x, axis = -1)\noutput p1 = p\noutput g = grad(sum(p), x)\n"                                  \
  "output h = grad(sum(grad(sum(p), x)), x)\n"                                                               \
  "output k = grad(sum(grad(sum(grad(sum(p), x)), x)), x)\n"
START_TEST(products) {
  GIVES(
      {"input x: f32[N, 3]\n" PROD, "0 2 3  0 0 3  0 0 0  -1 2 -3", NULL, 3, 0, 0,
       "p1: 0 0 0 6; g: 6 0 0 0 0 0 0 0 0 -6 3 -2; h: 5 3 2 3 3 0 0 0 0 -1 -4 1; k: 2 2 2 2 2 2 2 2 2 2 2 2"},
      {"input x: f64[N, 2]\n" PROD, "0 0  3 -2", NULL, 2, 0, 0,
       "p1: 0 -6; g: 0 0 -2 3; h: 1 1 1 1; k: 0 0 0 0"},
      {"input x: f32[N, 1]\n" PROD, "0 7", NULL, 1, 0, 0, "p1: 0 7; g: 1 1; h: 0 0; k: 0 0"},
      /* what is too small or too large for the type does no harm to the others */
      {"input x: f32[N, 3]\n" PROD, "1e-30 1e-30 1e30  1e30 1e30 1e-30", NULL, 3, 0, 1e-6,
       "p1: 0 inf; g: 1 1 0 1 1 inf; h: 1e30 1e30 2e-30 1e30 1e30 2e30; k: 2 2 2 2 2 2"},
      {"input x: f64[N, 3]\n" PROD, "1e-300 1e-300 1e300", NULL, 3, 0, 1e-12,
       "p1: 0; g: 1 1 0; h: 1e300 1e300 2e-300; k: 2 2 2"},
      {"input x: f32[N, 3]\n" PROD, "inf 0 2  nan 1 2", NULL, 3, 0, 0,
       "p1: nan nan; g: 0 inf nan 2 nan nan; h: 2 inf inf 3 nan nan; k: 2 2 2 2 2 2"},
      /* several axes, one after the other */
      {"input x: f32[N, 4]\nlet q = reshape(x, [N, 2, 2])\nlet p = prod(q)\n"
       "output g = grad(p, x)\noutput h = grad(sum(grad(p, x)), x)\n",
       "0 2 3 4  1 1 1 5", NULL, 4, 0, 0, "g: 120 0 0 0 0 0 0 0; h: 0 60 40 30 120 120 120 24"});
}
END_TEST

/* The square of the norm of prod's gradient in a penalty: its own gradient must see the zero. */
START_TEST(products_in_a_penalty) {
  GIVES({"input x: f32[N, 3]\nparam w: f32[3] = 1\nlet g = grad(sum(prod(x + w, axis = -1)), x)\nloss l = "
         "sum(g)\n"
         "train fit { minimize l; update w using sgd(lr = 0.1) }\noutput gw = grad(l, w)\n",
         "-1 1 2", NULL, 3, 0, 0, "gw: 5 3 2"});
}
END_TEST

/* Each length: the slope of element i is the product of the others. */
START_TEST(products_of_each_length) {
  for (int n = 1; n <= 70; n += n < 18 ? 1 : 13) {
    char text[256], x[1024] = "", want[4096] = "g:";
    double v[80];
    for (int i = 0; i < n; i++) {
      v[i] = i % 7 == 3 && n % 3 == 0 ? 0 : 1 + (i * 5 % 11 - 5) / 16.0;
      snprintf(x + strlen(x), sizeof x - strlen(x), " %.17g", v[i]);
    }
    for (int i = 0; i < n; i++) {
      double others = 1;
      for (int k = 0; k < n; k++) others *= k == i ? 1 : v[k];
      snprintf(want + strlen(want), sizeof want - strlen(want), " %.17g", others);
    }
    snprintf(text, sizeof text, "input x: f64[N, %d]\noutput g = grad(sum(prod(x, axis = -1)), x)\n", n);
    GIVES({text, x, NULL, n, 0, 1e-14, want});
  }
}
END_TEST

UNIT_MAIN(UNIT("products", products, products_in_a_penalty, products_of_each_length))
