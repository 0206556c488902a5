#include "passes/diagnose/interval.h"

#include <math.h>

Interval interval_all(void) { return (Interval){.lo = -INFINITY, .hi = INFINITY}; }
Interval interval_of(double lo, double hi) { return (Interval){.lo = lo, .hi = hi}; }
Interval interval_point(double x) { return interval_of(x, x); }

enum { SUM_MOST = 1 << 19 }; /* of longer sums the sign alone is known */

/* What f32 represents is met by rounding, and not passed; everything else may be passed by as much. What is
 * less than its least normal number is 0 there. */
static double outwards(double x, double to) {
  if (x * to < 0 && fabs(x) < 0x1p-125) return 0;
  if (isinf(x) || (double)(float)x == x) return x;
  return x + copysign(fabs(x) * 0x1p-20 + 0x1p-140, to);
}

Interval interval_widen(Interval a, double part) {
  double lo = fabs(a.lo) * part, hi = fabs(a.hi) * part;
  return interval_of(isinf(a.lo) ? a.lo : a.lo - lo, isinf(a.hi) ? a.hi : a.hi + hi);
}

static Interval closed(double lo, double hi) {
  if (isnan(lo) || isnan(hi) || lo > hi) return interval_all();
  return interval_of(outwards(lo, -1) + 0.0, outwards(hi, 1) + 0.0);
}

Interval interval_hull(Interval a, Interval b) {
  Interval r = {.lo = fmin(a.lo, b.lo), .hi = fmax(a.hi, b.hi)};
  r.lo_open = (a.lo > r.lo || a.lo_open) && (b.lo > r.lo || b.lo_open);
  r.hi_open = (a.hi < r.hi || a.hi_open) && (b.hi < r.hi || b.hi_open);
  return r;
}

Interval interval_add(Interval a, Interval b) { return closed(a.lo + b.lo, a.hi + b.hi); }

Interval interval_neg(Interval a) {
  return (Interval){.lo = -a.hi + 0.0, .hi = -a.lo + 0.0, .lo_open = a.hi_open, .hi_open = a.lo_open};
}

/* 0 * infinity is 0 here: an infinite bound stands for numbers as large as you like. */
static double product(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

Interval interval_mul(Interval a, Interval b) {
  double v[4] = {product(a.lo, b.lo), product(a.lo, b.hi), product(a.hi, b.lo), product(a.hi, b.hi)};
  double lo = v[0], hi = v[0];
  for (int i = 1; i < 4; i++) {
    lo = fmin(lo, v[i]);
    hi = fmax(hi, v[i]);
  }
  return closed(lo, hi);
}

Interval interval_scale(Interval a, double k) {
  return isnan(k) ? interval_all() : interval_mul(a, interval_point(k));
}

Interval interval_sign(Interval a) {
  return interval_of(a.lo >= 0 ? 0 : -INFINITY, a.hi <= 0 ? 0 : INFINITY);
}

Interval interval_sum(Interval a, double n) {
  if (!(n <= SUM_MOST)) return interval_sign(a);
  return interval_widen(interval_mul(a, interval_point(n)), n * 0x1p-23);
}

static Interval power(Interval a, double e) {
  bool whole = e == floor(e) && fabs(e) < 64, even = whole && fmod(e, 2) == 0;
  if (e > 0 && whole) {
    double lo = pow(a.lo, e), hi = pow(a.hi, e);
    if (!even) return closed(lo, hi);
    return a.lo >= 0 ? closed(lo, hi) : a.hi <= 0 ? closed(hi, lo) : closed(0, fmax(lo, hi));
  }
  if (e > 0) return closed(pow(fmax(a.lo, 0), e), a.hi <= 0 ? 0 : pow(a.hi, e));
  if (a.lo > 0) return closed(isinf(a.hi) ? 0 : pow(a.hi, e), pow(a.lo, e));
  if (even || !whole || a.lo == 0) return interval_of(0, INFINITY);
  return interval_all();
}

/* Neither a chain of products nor the power function rounds but once. */
Interval interval_power(Interval a, double e) {
  return e == 1 ? a : interval_widen(power(a, e), ROUNDED + fmin(fabs(e), 64) * 0x1p-23);
}

Interval interval_meet(Interval a, Interval b) {
  Interval r = interval_of(fmax(a.lo, b.lo), fmin(a.hi, b.hi));
  return r.lo <= r.hi ? r : a;
}

Interval interval_map(double (*f)(double), Interval a) { return closed(f(a.lo), f(a.hi)); }

Interval interval_max(Interval a, Interval b) {
  Interval r = {.lo = fmax(a.lo, b.lo), .hi = fmax(a.hi, b.hi)};
  r.lo_open = (a.lo == r.lo && a.lo_open) || (b.lo == r.lo && b.lo_open);
  r.hi_open = (a.hi < r.hi || a.hi_open) && (b.hi < r.hi || b.hi_open);
  return r;
}

Interval interval_min(Interval a, Interval b) {
  return interval_neg(interval_max(interval_neg(a), interval_neg(b)));
}

bool interval_less(Interval a, Interval b) {
  return a.hi < b.lo || (a.hi == b.lo && (a.hi_open || b.lo_open));
}
