/* Intervals of the real numbers that an expression takes, and of what the program computes for it: bounds
 * that rounding could pass are moved outwards. */
#ifndef DG_PASSES_INTERVAL_H
#define DG_PASSES_INTERVAL_H

#include <stdbool.h>

typedef struct Interval { /* every element lies in it, ends included unless open; infinite: no bound */
  double lo, hi;
  bool lo_open, hi_open; /* kept by moves and choices only: sums and products round */
} Interval;

Interval interval_all(void);
Interval interval_point(double x);
Interval interval_of(double lo, double hi);
Interval interval_hull(Interval a, Interval b);
Interval interval_add(Interval a, Interval b);
Interval interval_neg(Interval a);
Interval interval_mul(Interval a, Interval b);
Interval interval_power(Interval a, double e);          /* of what is defined */
Interval interval_map(double (*f)(double), Interval a); /* f monotone, not falling */
Interval interval_max(Interval a, Interval b);
Interval interval_min(Interval a, Interval b);
static inline bool interval_above(Interval a, double x) { return a.lo > x || (a.lo == x && a.lo_open); }
static inline bool interval_below(Interval a, double x) { return a.hi < x || (a.hi == x && a.hi_open); }
/* Every element of a is below every element of b. */
bool interval_less(Interval a, Interval b);

#endif
