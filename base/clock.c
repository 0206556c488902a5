#include "base/clock.h"

#include <time.h>

double clock_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

void timelog_row(TimeLog *t, const char *name, double ms, uint32_t n, const char *of) {
  if (!t) return;
  t->sum_ms += ms;
  sb_fmt(t->out, "%-18s %9.3f ms", name, ms);
  if (n) sb_fmt(t->out, " %8u %s", n, of);
  sb_char(t->out, '\n');
}

void timelog_lap(TimeLog *t, double *since, const char *name, uint32_t n, const char *of) {
  if (!t) return;
  double now = clock_ms();
  timelog_row(t, name, now - *since, n, of);
  *since = now;
}

void timelog_total(const TimeLog *t, double ms) {
  sb_fmt(t->out, "%-18s %9.3f ms, %.1f %% of it above\n", "total", ms, ms > 0 ? 100 * t->sum_ms / ms : 100);
}
