/* Intervals of the real numbers that an expression takes, and of what the program computes for it: bounds
 * that rounding could pass are moved outwards. */
#ifndef DG_PASSES_INTERVAL_H
#define DG_PASSES_INTERVAL_H

#include <stdbool.h>

typedef struct Interval { /* every element lies in it, ends included unless open; infinite: no bound */
  double lo, hi;
  bool lo_open, hi_open; /* kept by moves and choices only: sums and products round */
} Interval;

#define ROUNDED 0x1p-20 /* what 16 operations round at most, as a part of their results */

Interval interval_all(void);
Interval interval_point(double x);
Interval interval_of(double lo, double hi);
Interval interval_hull(Interval a, Interval b);
Interval interval_add(Interval a, Interval b);
Interval interval_neg(Interval a);
Interval interval_mul(Interval a, Interval b);
Interval interval_widen(Interval a, double part);       /* each end by this part of itself */
Interval interval_scale(Interval a, double k);          /* k: NaN where no double holds it */
Interval interval_sum(Interval a, double n);            /* of n of them, in any order */
Interval interval_sign(Interval a);                     /* of sums of any length */
Interval interval_power(Interval a, double e);          /* of what is defined */
Interval interval_meet(Interval a, Interval b);         /* of what lies in both */
Interval interval_map(double (*f)(double), Interval a); /* f monotone, not falling */
Interval interval_max(Interval a, Interval b);
Interval interval_min(Interval a, Interval b);
static inline bool interval_above(Interval a, double x) { return a.lo > x || (a.lo == x && a.lo_open); }
static inline bool interval_below(Interval a, double x) { return a.hi < x || (a.hi == x && a.hi_open); }
/* Every element of a is below every element of b. */
bool interval_less(Interval a, Interval b);

#endif
