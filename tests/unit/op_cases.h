/* The cases of structural ops, one list for all tests: graphs over inputs, floats first, the last node the op
 * in question. Every op but grad and custom has one, or several. Checked with each: the text form, the
 * tangent against differences (test_interp.c), first and second derivative (test_autodiff.c), kernels with
 * those of the derivative (test_lower.c, natively test_exec.c), facts (test_range.c). */
#ifndef DG_TESTS_OP_CASES_H
#define DG_TESTS_OP_CASES_H

#include <stddef.h>
#include <stdio.h>

#define CONV "{sh=2 sw=1 ph=1 pw=0 dh=1 dw=2 groups=2 order=0}\n"
#define POOL "{kh=3 kw=2 sh=2 sw=2 ph=1 pw=0}\n"
/* clang-format off */
static const char *const op_case[] = {
    "input x: f32[3, 1]\n%0: f32[3, 1] = leaf x\n%1: f32[2, 3, 4] = broadcast %0\n",
    "input x: f32[3, 4]\n%0: f32[3, 4] = leaf x\n%1: f32[2, 6] = reshape %0\n",
    "input x: f32[2, 3, 4]\n%0: f32[2, 3, 4] = leaf x\n%1: f32[4, 2, 3] = transpose %0 {perm=[2, 0, 1]}\n",
    "input x: f32[3, 4]\n%0: f32[3, 4] = leaf x\n%1: f32[3, 4] = name %0\n",
    "input x: f32[3, 4]\n%0: f32[3, 4] = leaf x\n%1: f32[3, 4] = checkpoint %0 {id=1 end=1}\n",
    "input x: f32[3, 7]\n%0: f32[3, 7] = leaf x\n%1: f32[3, 3] = slice %0 {axis=1 start=1 step=2}\n",
    "input x: f32[3, 2]\n%0: f32[3, 2] = leaf x\n%1: f32[10, 2] = pad %0 {axis=0 lo=1 hi=2 step=3}\n",
    "input x: f32[3, 2]\ninput y: f32[3, 4]\n%0: f32[3, 2] = leaf x\n%1: f32[3, 4] = leaf y\n%2: f32[3, 6] = "
    "concat %0 %1 {axis=1}\n",
    "input x: f32[3, 2]\n%0: f32[3, 2] = leaf x\n%1: f32[3, 2] = reverse %0 {axes=[0, 1]}\n",
    "input x: f32[5, 4]\ninput i: i32[7]\n%0: f32[5, 4] = leaf x\n%1: i32[7] = leaf i\n%2: f32[7, 4] = gather %0 %1 {axis=0 along=0}\n",
    "input x: f32[5, 4]\ninput u: f32[7, 4]\ninput i: i32[7]\n%0: f32[5, 4] = leaf x\n%1: f32[7, 4] = leaf u\n%2: i32[7] = leaf i\n%3: f32[5, 4] = scatter_add %0 %2 %1 {axis=0 along=0}\n",
    "input u: f32[7, 4]\ninput i: i32[7]\n%0: f32[5, 4] = const 2\n%1: f32[7, 4] = leaf u\n%2: i32[7] = leaf i\n%3: f32[5, 4] = scatter_add %0 %2 %1 {axis=0 along=0}\n",
    "input x: f32[3, 6]\ninput i: i32[2, 5]\n%0: f32[3, 6] = leaf x\n%1: i32[2, 5] = leaf i\n%2: f32[3, 2, 5] = gather %0 %1 {axis=1 along=0}\n",
    "input x: f32[3, 6]\ninput u: f32[3, 2, 5]\ninput i: i32[2, 5]\n%0: f32[3, 6] = leaf x\n%1: f32[3, 2, 5] = leaf u\n%2: i32[2, 5] = leaf i\n%3: f32[3, 6] = scatter_add %0 %2 %1 {axis=1 along=0}\n",
    "input x: f32[2, 5, 3]\ninput i: i32\n%0: f32[2, 5, 3] = leaf x\n%1: i32 = leaf i\n%2: f32[2, 3] = gather %0 %1 {axis=1 along=0}\n",
    "input x: f32[2, 5, 3]\ninput u: f32[2, 3]\ninput i: i32\n%0: f32[2, 5, 3] = leaf x\n%1: f32[2, 3] = leaf u\n%2: i32 = leaf i\n%3: f32[2, 5, 3] = scatter_add %0 %2 %1 {axis=1 along=0}\n",
    "input x: f32[6]\ninput i: i32[40]\n%0: f32[6] = leaf x\n%1: i32[40] = leaf i\n%2: f32[40] = gather %0 %1 {axis=0 along=0}\n",
    "input x: f32[6]\ninput u: f32[40]\ninput i: i32[40]\n%0: f32[6] = leaf x\n%1: f32[40] = leaf u\n%2: i32[40] = leaf i\n%3: f32[6] = scatter_add %0 %2 %1 {axis=0 along=0}\n",
    "input x: f32[3, 5, 70]\ninput i: i32[4]\n%0: f32[3, 5, 70] = leaf x\n%1: i32[4] = leaf i\n%2: f32[3, 4, 70] = gather %0 %1 {axis=1 along=0}\n",
    "input x: f32[3, 5, 70]\ninput u: f32[3, 4, 70]\ninput i: i32[4]\n%0: f32[3, 5, 70] = leaf x\n%1: f32[3, 4, 70] = leaf u\n%2: i32[4] = leaf i\n%3: f32[3, 5, 70] = scatter_add %0 %2 %1 {axis=1 along=0}\n",
    "input x: f32[4, 6]\ninput i: i32[4, 3]\n%0: f32[4, 6] = leaf x\n%1: i32[4, 3] = leaf i\n%2: f32[4, 3] = gather %0 %1 {axis=1 along=1}\n",
    "input x: f32[4, 6]\ninput u: f32[4, 3]\ninput i: i32[4, 3]\n%0: f32[4, 6] = leaf x\n%1: f32[4, 3] = leaf u\n%2: i32[4, 3] = leaf i\n%3: f32[4, 6] = scatter_add %0 %2 %1 {axis=1 along=1}\n",
    "input x: f32[5, 3]\ninput i: i32[4, 3]\n%0: f32[5, 3] = leaf x\n%1: i32[4, 3] = leaf i\n%2: f32[4, 3] = gather %0 %1 {axis=0 along=1}\n",
    "input x: f32[5, 3]\ninput u: f32[4, 3]\ninput i: i32[4, 3]\n%0: f32[5, 3] = leaf x\n%1: f32[4, 3] = leaf u\n%2: i32[4, 3] = leaf i\n%3: f32[5, 3] = scatter_add %0 %2 %1 {axis=0 along=1}\n",
    "input x: f32[2, 6, 20]\ninput i: i32[2, 9, 20]\n%0: f32[2, 6, 20] = leaf x\n%1: i32[2, 9, 20] = leaf i\n%2: f32[2, 9, 20] = gather %0 %1 {axis=1 along=1}\n",
    "input x: f32[2, 6, 20]\ninput u: f32[2, 9, 20]\ninput i: i32[2, 9, 20]\n%0: f32[2, 6, 20] = leaf x\n%1: f32[2, 9, 20] = leaf u\n%2: i32[2, 9, 20] = leaf i\n%3: f32[2, 6, 20] = scatter_add %0 %2 %1 {axis=1 along=1}\n",
    "input x: f32[3, 4, 5]\n%0: f32[3, 4, 5] = leaf x\n%1: f32[1, 4, 1] = sum %0 {axes=[0, 2] order=0}\n",
    "input x: f32[3, 4, 5]\n%0: f32[3, 4, 5] = leaf x\n%1: f32[3, 1, 5] = mean %0 {axes=[1] order=0}\n",
    "input x: f32[3, 4, 5]\n%0: f32[3, 4, 5] = leaf x\n%1: f32[1, 4, 1] = max %0 {axes=[0, 2] order=0}\n",
    "input x: f32[3, 4, 5]\n%0: f32[3, 4, 5] = leaf x\n%1: f32[3, 4, 1] = min %0 {axes=[2] order=0}\n",
    "input x: f32[3, 4, 2]\n%0: f32[3, 4, 2] = leaf x\n%1: f32[3, 1, 1] = prod %0 {axes=[1, 2] order=0}\n",
    "input x: f32[3, 5, 4]\n%0: f32[3, 5, 4] = leaf x\n%1: f32[3, 5, 4] = cumsum %0 {axis=1}\n",
    "input x: f32[7, 18]\n%0: f32[7, 18] = leaf x\n%1: f32[7, 18] = cumsum %0 {axis=1}\n",
    "input x: f32[70]\n%0: f32[70] = leaf x\n%1: f32[70] = cumsum %0 {axis=0}\n",
    "input x: f32[3, 5, 4]\n%0: f32[3, 5, 4] = leaf x\n%1: f32[3, 5, 4] = cumprod %0 {axis=1}\n",
    "input x: f32[7, 18]\n%0: f32[7, 18] = leaf x\n%1: f32[7, 18] = cumprod %0 {axis=1}\n",
    "input x: f32[3, 5, 4]\n%0: f32[3, 5, 4] = leaf x\n%1: i32[3, 5, 4] = argsort %0 {axis=1 descending=0}\n",
    "input x: f32[2, 20]\n%0: f32[2, 20] = leaf x\n%1: i32[2, 20] = argsort %0 {axis=1 descending=1}\n",
    "input x: f32[270]\n%0: f32[270] = leaf x\n%1: i32[270] = argsort %0 {axis=0 descending=0}\n",
    "input x: f32[3, 4, 5]\n%0: f32[3, 4, 5] = leaf x\n%1: f32[3, 4, 5] = softmax %0 {axis=1}\n",
    "input x: f32[3, 20]\n%0: f32[3, 20] = leaf x\n%1: f32[3, 20] = log_softmax %0 {axis=1}\n",
    "input x: f32[3, 20]\n%0: f32[3, 20] = leaf x\n%1: f32[3, 1] = logsumexp %0 {axis=1}\n",
    "input x: f32[3, 5]\ninput y: i32[3]\n%0: f32[3, 5] = leaf x\n%1: i32[3] = leaf y\n%2: f32[3] = "
    "cross_entropy %0 %1\n",
    "input x: f32[2, 3, 4]\ninput y: f32[2, 5, 3]\n%0: f32[2, 3, 4] = leaf x\n%1: f32[2, 5, 3] = leaf y\n"
    "%2: f32[2, 4, 5] = contract %0 %1 {ta=1 tb=1 order=0}\n",
    "input x: f32[3, 3]\ninput y: f32[3, 2]\n%0: f32[3, 3] = leaf x\n%1: i32[3, 3] = iota {axis=0}\n%2: i32[3, 3] = iota {axis=1}\n%3: bool[3, 3] = eq %1 %2\n"
    "%4: f32[3, 3] = const 4\n%5: f32[3, 3] = const 0\n%6: f32[3, 3] = where %3 %4 %5\n%7: f32[3, 3] = add %0 %6\n%8: f32[3, 2] = leaf y\n"
    "%9: f32[3, 2] = triangular_solve %7 %8 {upper=0 transpose=0}\n",
    "input x: f32[4, 4]\ninput y: f32[4, 1]\n%0: f32[4, 4] = leaf x\n%1: i32[4, 4] = iota {axis=0}\n%2: i32[4, 4] = iota {axis=1}\n%3: bool[4, 4] = eq %1 %2\n"
    "%4: f32[4, 4] = const 4\n%5: f32[4, 4] = const 0\n%6: f32[4, 4] = where %3 %4 %5\n%7: f32[4, 4] = add %0 %6\n%8: f32[4, 1] = leaf y\n"
    "%9: f32[4, 1] = triangular_solve %7 %8 {upper=1 transpose=0}\n",
    "input x: f32[2, 3, 3]\ninput y: f32[2, 3, 5]\n%0: f32[2, 3, 3] = leaf x\n%1: i32[2, 3, 3] = iota {axis=1}\n%2: i32[2, 3, 3] = iota {axis=2}\n%3: bool[2, 3, 3] = eq %1 %2\n"
    "%4: f32[2, 3, 3] = const 4\n%5: f32[2, 3, 3] = const 0\n%6: f32[2, 3, 3] = where %3 %4 %5\n%7: f32[2, 3, 3] = add %0 %6\n%8: f32[2, 3, 5] = leaf y\n"
    "%9: f32[2, 3, 5] = triangular_solve %7 %8 {upper=0 transpose=1}\n",
    "input x: f32[5, 5]\ninput y: f32[5, 3]\n%0: f32[5, 5] = leaf x\n%1: i32[5, 5] = iota {axis=0}\n%2: i32[5, 5] = iota {axis=1}\n%3: bool[5, 5] = eq %1 %2\n"
    "%4: f32[5, 5] = const 4\n%5: f32[5, 5] = const 0\n%6: f32[5, 5] = where %3 %4 %5\n%7: f32[5, 5] = add %0 %6\n%8: f32[5, 3] = leaf y\n"
    "%9: f32[5, 3] = triangular_solve %7 %8 {upper=1 transpose=1}\n",
    "input x: f32[3, 3]\n%0: f32[3, 3] = leaf x\n%1: i32[3, 3] = iota {axis=0}\n%2: i32[3, 3] = iota {axis=1}\n%3: bool[3, 3] = eq %1 %2\n"
    "%4: f32[3, 3] = const 3\n%5: f32[3, 3] = const 0\n%6: f32[3, 3] = where %3 %4 %5\n%7: f32[3, 3] = contract %0 %0 {ta=0 tb=1 order=0}\n"
    "%8: f32[3, 3] = add %7 %6\n%9: f32[3, 3] = cholesky %8\n",
    "input x: f32[2, 4, 4]\n%0: f32[2, 4, 4] = leaf x\n%1: i32[2, 4, 4] = iota {axis=1}\n%2: i32[2, 4, 4] = iota {axis=2}\n%3: bool[2, 4, 4] = eq %1 %2\n"
    "%4: f32[2, 4, 4] = const 3\n%5: f32[2, 4, 4] = const 0\n%6: f32[2, 4, 4] = where %3 %4 %5\n%7: f32[2, 4, 4] = contract %0 %0 {ta=0 tb=1 order=0}\n"
    "%8: f32[2, 4, 4] = add %7 %6\n%9: f32[2, 4, 4] = cholesky %8\n",
    "input x: f32[2, 4, 5, 6]\ninput w: f32[6, 2, 3, 2]\n%0: f32[2, 4, 5, 6] = leaf x\n%1: f32[6, 2, 3, 2] = "
    "leaf w\n"
    "%2: f32[2, 6, 3, 4] = conv2d %0 %1 " CONV,
    "input g: f32[2, 6, 3, 4]\ninput w: f32[6, 2, 3, 2]\n%0: f32[2, 6, 3, 4] = leaf g\n%1: f32[6, 2, 3, 2] = "
    "leaf w\n"
    "%2: f32[2, 4, 5, 6] = conv2d_dx %0 %1 " CONV,
    "input x: f32[2, 4, 5, 6]\ninput g: f32[2, 6, 3, 4]\n%0: f32[2, 4, 5, 6] = leaf x\n%1: f32[2, 6, 3, 4] = "
    "leaf g\n"
    "%2: f32[6, 2, 3, 2] = conv2d_dw %0 %1 " CONV,
    "input x: f32[2, 2, 5, 6]\n%0: f32[2, 2, 5, 6] = leaf x\n%1: f32[2, 2, 3, 3] = max_pool2d %0 " POOL,
    "input x: f32[2, 2, 5, 6]\ninput g: f32[2, 2, 3, 3]\n%0: f32[2, 2, 5, 6] = leaf x\n%1: f32[2, 2, 3, 3] = "
    "max_pool2d %0 " POOL "%2: f32[2, 2, 3, 3] = leaf g\n%3: f32[2, 2, 5, 6] = max_pool2d_dx %0 %1 %2 " POOL,
    "input x: f32[2, 2, 5, 6]\n%0: f32[2, 2, 5, 6] = leaf x\n%1: f32[2, 2, 3, 3] = avg_pool2d %0 " POOL,
    "input g: f32[2, 2, 3, 3]\n%0: f32[2, 2, 3, 3] = leaf g\n%1: f32[2, 2, 5, 6] = avg_pool2d_dx %0 " POOL,
    /* yield, loop and cond have no value: their results have */
    "input s: f32[3]\ninput x: f32[5, 3]\n%0: f32[3] = leaf s\n%1: f32[5, 3] = leaf x\n{\n%2: f32[3] = param {k=0}\n"
    "%3: f32[3] = param {k=1}\n%4: f32[3] = param {k=2}\n%5: f32[3] = fma %2 %3 %4\n%6: f32[3] = sin %5\n"
    "%7: none = yield %6 %5\n}\n%8: none = loop %7 %0 %1 %0 {trip=5 carry=1 step=1 reverse=1 ends=0 again=0}\n"
    "%9: f32[5, 3] = result %8 {k=1}\n",
    "input s: f32[3]\ninput x: f32[3, 3]\n%0: f32[3] = leaf s\n%1: f32[3, 3] = leaf x\n%2: f32[1] = sum %0 {axes=[0] order=0}\n"
    "%3: f32 = reshape %2\n%4: f32 = const 0\n%5: bool = lt %3 %4\n{\n%6: f32[3] = param {k=0}\n%7: f32[3, 3] = param {k=1}\n"
    "{\n%8: f32[3] = param {k=0}\n%9: f32[3, 3] = param {k=1}\n%10: f32[3, 1] = reshape %8\n"
    "%11: f32[3, 1] = contract %9 %10 {ta=1 tb=0 order=0}\n%12: f32[3] = reshape %11\n%13: f32[3] = tanh %12\n"
    "%14: none = yield %13\n}\n%15: none = loop %14 %6 %7 {trip=4 carry=1 step=0 reverse=0 ends=0 again=0}\n"
    "%16: f32[3] = result %15 {k=0}\n%17: none = yield %16\n}\n{\n%18: f32[3] = param {k=0}\n%19: f32[3, 3] = param {k=1}\n"
    "%20: f32[3] = square %18\n%21: none = yield %20\n}\n%22: none = cond %17 %21 %5 %0 %1\n%23: f32[3] = result %22 {k=0}\n",
};
/* clang-format on */
enum { OP_CASES = sizeof op_case / sizeof *op_case };

/* The whole graph g of case i, with output r; in `text`. */
static inline const char *op_case_graph(int i, char *text, size_t room) {
  unsigned nodes = 0;
  for (const char *p = op_case[i]; *p; p++) nodes += *p == '%' && (p == op_case[i] || p[-1] == '\n');
  snprintf(text, room, "graph g\n%soutput r = %%%u\n", op_case[i], nodes - 1);
  return text;
}

#endif
