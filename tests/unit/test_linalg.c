/* cholesky and triangular_solve as the language has them: numbers by hand, what must hold, slopes, special
 * matrices. */
#include "values_kit.h"

#define MATRIX "input x: f64[N, 3]\nlet a = x[0:3]\n"

/* l l' = a and T x = b, whichever triangle, transposed or not, of vectors, matrices and batches. */
START_TEST(factors_and_solutions) {
  GIVES(
      {MATRIX "output l = cholesky(a)\n", "4 2 -2  2 10 2  -2 2 6", NULL, 3, 0, 1e-15,
       "l: 2 0 0 1 3 0 -1 1 2"},
      {MATRIX
       "let b: f64[3, 2] = [[2, 4], [7, -1], [3, 0]]\nlet u = a'\n"
       "output p = triangular_solve(a, b)\noutput q = triangular_solve(a, b, transpose = true)\n"
       "output r = triangular_solve(u, b, upper = true)\n"
       "output s = triangular_solve(u, b, upper = true, transpose = true)\n"
       "output v = triangular_solve(a, b[:, 0])\n"
       "output w = triangular_solve(stack([a, 2 * a]), b)\noutput y = triangular_solve(a, stack([b, -b]))\n",
       "2 99 -7  1 3 55  -1 1 2", NULL, 3, 0, 1e-15,
       "p: 1 2 2 -1 1 1.5; q: 0.83333333333333333 2.1666666666666667 1.8333333333333333 -0.33333333333333333 "
       "1.5 0;"
       "r: 0.83333333333333333 2.1666666666666667 1.8333333333333333 -0.33333333333333333 1.5 0; s: 1 2 2 -1 "
       "1 1.5;"
       "v: 1 2 1; w: 1 2 2 -1 1 1.5 0.5 1 1 -0.5 0.5 0.75; y: 1 2 2 -1 1 1.5 -1 -2 -2 1 -1 -1.5"},
      {"input x: f32[N, 1]\nlet a = x[0:1]\noutput l = cholesky(a)\noutput s = triangular_solve(a, a)\n", "9",
       NULL, 1, 0, 0, "l: 3; s: 1"});
}
END_TEST

/* The gradient is symmetric, as of a function of (a + a') / 2; the triangle that is not read gets none. */
START_TEST(slopes) {
  GIVES({MATRIX "let l = cholesky(a)\noutput g = grad(sum(log(l[0, 0])) + log(l[1, 1]) + log(l[2, 2]), x)\n",
         "4 2 -2  2 10 2  -2 2 6", NULL, 3, 0, 1e-13, /* half of the inverse */
         "g: 0.19444444444444444 -0.055555555555555556 0.083333333333333333 -0.055555555555555556"
         " 0.069444444444444444 -0.041666666666666667 0.083333333333333333 -0.041666666666666667 0.125"},
        {MATRIX "let b: f64[3] = [2, 7, 3]\noutput g = grad(sum(triangular_solve(a, b)), x)\n"
                "output h = grad(sum(triangular_solve(a, b, upper = true)), x)\n",
         "2 99 -7  1 3 55  -1 1 2", NULL, 3, 0, 1e-13,
         "g: -0.66666666666666667 0 0 -0.16666666666666667 -0.33333333333333333 0 -0.5 -1 -0.5;"
         "h: -626 12.583333333333334 -0.75 0 -406.86111111111109 24.25 0 0 -670.25"});
}
END_TEST

/* Not positive definite: NaN from the pivot on that has no root. A pivot of 0 is divided by. */
START_TEST(special_matrices) {
  GIVES(
      {MATRIX "output l = cholesky(a)\n", "1 2 0  2 1 0  0 0 1", NULL, 3, 0, 0, "l: 1 0 0 2 nan 0 0 nan nan"},
      {MATRIX "output l = cholesky(a)\n", "1 1 2  1 1 3  2 3 4", NULL, 3, 0, 0, "l: 1 0 0 1 0 0 2 inf nan"},
      {MATRIX "let b: f64[3] = [1, 0, 1]\noutput s = triangular_solve(a, b)\n", "0 0 0  1 1 0  0 0 1", NULL,
       3, 0, 0, "s: inf -inf nan"});
}
END_TEST

/* The marginal likelihood of the example, and where it is best, by the formulas in Python with Newton's
 * steps. */
START_TEST(gaussian_process) {
  static const double curve[4] = {-0.9660252, 0.0304636, 0.4166125, 0.5827911},
                      spread[4] = {0.0411683, 0.0374474, 0.0383644, 0.0446669};
  size_t n;
  char *text = slurp("examples/gaussian-process.dg", &n);
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  ck_assert_str_eq(dg_diagnostics_text(p, 0), "");
  for (int interpret = 1; interpret >= !native(); interpret--) {
    dg_session *s = session(cx, p, interpret, 1);
    double nll;
    dg_array a, b;
    ok(dg_step(s, "fit"));
    ok(dg_value(s, "nll", &nll));
    ck_assert_double_eq_tol(nll, 7.52541719501435, 1e-12);
    for (int i = 0; i < 500; i++) ok(dg_step(s, "fit"));
    ok(dg_value(s, "nll", &nll));
    ck_assert_double_eq_tol(nll, -2.889034501333459, 1e-8);
    ok(dg_predict(s));
    ok(dg_read(s, "curve", &a));
    ok(dg_read(s, "spread", &b));
    for (int i = 0; i < 4; i++) {
      ck_assert_double_eq_tol(((const double *)a.data)[i], curve[i], 1e-4);
      ck_assert_double_eq_tol(((const double *)b.data)[i], spread[i], 1e-4);
    }
    dg_session_free(s);
  }
  dg_program_free(p);
  dg_context_free(cx);
  free(text);
}
END_TEST

UNIT_MAIN(UNIT("linalg", factors_and_solutions, slopes, special_matrices, gaussian_process))
