/* Time for people: how long the parts of a compile took. Nothing that is computed depends on it. */
#ifndef DG_BASE_CLOCK_H
#define DG_BASE_CLOCK_H

#include "base/str.h"

double clock_ms(void); /* monotonic, from an arbitrary start */

/* Rows of --time-passes, and their sum. */
typedef struct TimeLog {
  Sb *out;
  double sum_ms;
} TimeLog;
/* Adds `name  x ms  n of`; n = 0 leaves the count out. t may be NULL: nothing is written. */
void timelog_row(TimeLog *t, const char *name, double ms, uint32_t n, const char *of);
/* A row for what passed since *since, which becomes now. t may be NULL. */
void timelog_lap(TimeLog *t, double *since, const char *name, uint32_t n, const char *of);
/* The last row: the whole time, and how much of it the rows cover. */
void timelog_total(const TimeLog *t, double ms);

#endif
