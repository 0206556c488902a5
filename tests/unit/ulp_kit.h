/* How far the functions of ir/scalar/mathlib.def are from the exact value, in units in the last place. The
 * bounds are those that docs/scalar.md gives; `build/tests/unit/ulp 10000000` measures, the unit test holds
 * them with fewer draws. Exact is x87's long double, whose functions err by less than a thousandth of an
 * f64's ulp. */
#ifndef DG_TESTS_ULP_KIT_H
#define DG_TESTS_ULP_KIT_H

#include "ir/scalar/scalar.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct UlpRow {
  const char *text;
  long double (*exact)(long double);
  double lo[2], hi[2], bound[2]; /* f32, f64: where it is measured, what docs/scalar.md says */
  double edge[6];                /* where programs change their course; 0 and the powers of two always are */
} UlpRow;

static inline long double ulp_sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static inline long double ulp_pow(long double x) { return powl(x, 2.5L); }

static const UlpRow ulp_rows[] = {
    {"exp(x)", expl, {-87.33, -708.39}, {88.72, 709.78}, {1, 1}, {0.34657359, -0.34657359, 1.0397208}},
    {"expm1(x)", expm1l, {-30, -60}, {88.72, 709.78}, {1.5, 1.8}, {0.34657359, -0.34657359, 1.0397208}},
    {"log(x)", logl, {FLT_MIN, DBL_MIN}, {FLT_MAX, DBL_MAX}, {0.9, 0.9}, {0.75, 1.5, M_SQRT1_2, M_SQRT2}},
    {"log1p(x)",
     log1pl,
     {-0.99999, -0.99999},
     {FLT_MAX, DBL_MAX},
     {1.5, 1.5},
     {-0.25, 0.5, -0.292893, 0.414214}},
    {"sin(x)", sinl, {-1e5, -1e7}, {1e5, 1e7}, {1.6, 1.6}, {M_PI_4, M_PI_2, M_PI, 3 * M_PI_4}},
    {"cos(x)", cosl, {-1e5, -1e7}, {1e5, 1e7}, {1.6, 1.6}, {M_PI_4, M_PI_2, M_PI, 3 * M_PI_4}},
    {"tanh(x)", tanhl, {-12, -22}, {12, 22}, {1.4, 2.6}, {0.625, -0.625, 10, 20, 0.17328680}},
    {"sigmoid(x)", ulp_sigmoid, {-87, -708}, {88, 709}, {2.4, 2.4}, {0.34657359, -0.34657359, 1.0397208}},
    {"erf(x)", erfl, {-5, -7}, {5, 7}, {1.4, 1.5}, {1, -1, 4, 6}},
    {"pow(x, 2.5)", ulp_pow, {1e-3, 1e-3}, {1e3, 1e3}, {0.6, 27}, {0.75, 1.5, M_SQRT1_2, M_SQRT2}},
};
enum { ULP_ROWS = sizeof ulp_rows / sizeof *ulp_rows, ULP_BLOCK = 4096 };

static inline double ulp_error(double got, long double exact, bool single) {
  int e, least = single ? -125 : -1021;
  frexpl(exact, &e);
  if (e < least) e = least;
  return (double)(fabsl((long double)got - exact) / ldexpl(1, e - (single ? 24 : 53)));
}

static inline uint64_t ulp_random(uint64_t *s) { /* Steele, Lea, Flood 2014: splitmix64 */
  uint64_t z = *s += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* One argument: any binade; or uniform; or within 2,000 steps of an edge, or of a power of two. */
static inline double ulp_draw(const UlpRow *r, bool single, uint64_t *s) {
  double lo = r->lo[!single], hi = r->hi[!single], x;
  uint64_t a = ulp_random(s), b = ulp_random(s);
  double u = (double)(b >> 11) * 0x1p-53;
  for (int turn = 0;; turn++) {
    switch (turn > 50 ? 1 : a % 4) {
    case 0: /* every binade alike */
    case 3: {
      int least = single ? FLT_MIN_EXP : DBL_MIN_EXP, most = ilogb(fmax(fabs(lo), fabs(hi))) + 1;
      x = ldexp(1 + u, least + (int)((a >> 8) % (uint64_t)(most - least + 1)) - 1);
      if (a % 4 == 3) x = ldexp(1, ilogb(x)); /* and its ends */
      if (a >> 40 & 1) x = -x;
      break;
    }
    case 1: x = lo + (hi - lo) * u; break;
    default: x = r->edge[(a >> 8) % (sizeof r->edge / sizeof *r->edge)]; break;
    }
    int64_t by = a % 4 < 2 ? 0 : (int64_t)((b >> 3) % 4001) - 2000;
    if (single) {
      float f = (float)x;
      int32_t w;
      memcpy(&w, &f, 4), w += (int32_t)by, memcpy(&f, &w, 4);
      x = (double)f;
    } else {
      int64_t w;
      memcpy(&w, &x, 8), w += by, memcpy(&x, &w, 8);
    }
    if (x >= lo && x <= hi && (x == 0 || fabs(x) >= (single ? FLT_MIN : DBL_MIN))) return x;
    a = ulp_random(s), b = ulp_random(s), u = (double)(b >> 11) * 0x1p-53;
  }
}

typedef struct UlpWorst {
  double ulp, at;
} UlpWorst;

/* The worst of n draws. The program is p, of one input x. */
static inline UlpWorst ulp_measure(const UlpRow *r, const Scalar *p, bool single, int64_t n, uint64_t seed,
                                   Arena *a) {
  static double in[ULP_BLOCK], out[ULP_BLOCK];
  static float fin[ULP_BLOCK], fout[ULP_BLOCK];
  UlpWorst w = {0, 0};
  for (int64_t done = 0; done < n; done += ULP_BLOCK) {
    for (int i = 0; i < ULP_BLOCK; i++) in[i] = ulp_draw(r, single, &seed), fin[i] = (float)in[i];
    const void *from = single ? (const void *)fin : in;
    const void *inputs[5] = {from, from, from, from, from};
    uint32_t env = fp_enter();
    scalar_eval_n(p, a, ULP_BLOCK, inputs, NULL, (void *[]){single ? (void *)fout : out});
    fp_leave(env);
    for (int i = 0; i < ULP_BLOCK; i++) {
      long double exact = r->exact(in[i]);
      double got = single ? (double)fout[i] : out[i];
      if (fabsl(exact) < (single ? (long double)FLT_MIN : (long double)DBL_MIN)) continue; /* flushed */
      if (fabsl(exact) > (single ? (long double)FLT_MAX : (long double)DBL_MAX)) continue;
      double e = isfinite(got) ? ulp_error(got, exact, single) : HUGE_VAL;
      if (e > w.ulp) w = (UlpWorst){e, in[i]};
    }
  }
  return w;
}

#endif
