/* Fractions of doubles: exact, in lowest terms, as long as both parts are whole numbers that a double holds.
 */
#include "passes/diagnose/value.h"

#include <math.h>

static bool whole(double x) { return x == floor(x) && fabs(x) < 0x1p53; }

Ratio ratio_of(double p, double q) {
  if (q < 0) p = -p, q = -q;
  if (!whole(p) || !whole(q)) return (Ratio){p / q, 1};
  double a = fabs(p), b = q;
  while (b != 0) {
    double r = fmod(a, b);
    a = b;
    b = r;
  }
  return (Ratio){p / a + 0.0, q / a};
}

static const double RATIO_LEAST = 1e-290;
static bool held(Ratio r) {
  double x = fabs(ratio_number(r));
  return x > RATIO_LEAST && x < 1 / RATIO_LEAST;
}

/* NaN where a product leaves the range of doubles: 0.5^2000 is not 0. What reads it is unknown. */
Ratio ratio_mul(Ratio a, Ratio b) {
  Ratio r = ratio_of(a.p * b.p, a.q * b.q);
  return a.p == 0 || b.p == 0 || held(r) ? r : ratio(NAN);
}
Ratio ratio_power(Ratio a, Ratio e) {
  Ratio r = ratio_of(pow(ratio_number(a), ratio_number(e)), 1);
  return a.p == 0 || held(r) ? r : ratio(NAN);
}
Ratio ratio_inverse(Ratio a) { return ratio_of(a.q, a.p); }
/* NaN where one number swallows the other: 1e17 + 1 is not 1e17. */
Ratio ratio_add(Ratio a, Ratio b) {
  double x = a.q == b.q ? a.p : a.p * b.q, y = a.q == b.q ? b.p : b.p * a.q, sum = x + y;
  if (x != 0 && y != 0 && (sum == x || sum == y)) return ratio(NAN);
  return ratio_of(sum, a.q == b.q ? a.q : a.q * b.q);
}
