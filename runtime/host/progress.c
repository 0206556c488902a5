#include "runtime/host/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Appends; what does not fit is cut. */
static void __attribute__((format(printf, 2, 3))) add(ProgressText *t, const char *fmt, ...) {
  size_t n = strlen(t->z);
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(t->z + n, sizeof t->z - n, fmt, ap);
  va_end(ap);
}

/* Three significant digits without exponent, for 0 <= v < 1000. */
static void add_three(ProgressText *t, double v) {
  if (v >= 99.95)
    add(t, "%.0f", v);
  else
    add(t, v >= 9.995 ? "%.1f" : "%.2f", v);
}

/* v / step^k with the k-th unit, so that what is shown stays below `step`. A value of the first unit is a
 * whole number. */
static ProgressText scaled(double v, double step, const char *const *unit, int units) {
  ProgressText t = {""};
  int k = 0;
  if (!isfinite(v)) {
    add(&t, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    return t;
  }
  if (v < 0) add(&t, "-");
  v = fabs(v);
  while (k + 1 < units && v >= (k ? step - 0.5 : step)) v /= step, k++;
  if (k == 0 || v >= 999.5)
    add(&t, "%.0f", v);
  else
    add_three(&t, v);
  if (unit[k][0]) add(&t, " %s", unit[k]);
  return t;
}

ProgressText human_count(double n) {
  static const char *const unit[] = {"", "k", "M", "G", "T"};
  return scaled(n, 1000, unit, 5);
}

ProgressText human_bytes(double n) {
  static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  return scaled(n, 1024, unit, 5);
}

ProgressText human_flops(double n) {
  static const char *const unit[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"};
  return scaled(n, 1000, unit, 6);
}

ProgressText human_seconds(double s) {
  ProgressText t = {""};
  if (!(s >= 0) || s > 1e9) {
    add(&t, "?");
  } else if (s == 0) {
    add(&t, "0 s");
  } else if (s < 59.95) {
    const char *unit = s < 0.0009995 ? "us" : s < 0.9995 ? "ms" : "s";
    double v = s < 0.0009995 ? s * 1e6 : s < 0.9995 ? s * 1e3 : s;
    if (v >= 9.95 && s < 0.9995)
      add(&t, "%.0f %s", v, unit);
    else
      add(&t, "%.1f %s", v, unit);
  } else {
    long long w = llround(s), h = w / 3600, m = w / 60 % 60;
    if (h)
      add(&t, "%lld:%02lld:%02lld", h, m, w % 60);
    else
      add(&t, "%lld:%02lld", m, w % 60);
  }
  return t;
}

ProgressText human_value(double v) {
  ProgressText t = {""};
  double a = fabs(v);
  if (!isfinite(v))
    add(&t, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
  else if (a == 0 || (a >= 1e-3 && a < 9.9995))
    add(&t, "%.4f", v);
  else if (a >= 1e-3 && a < 99995)
    add(&t, a < 99.995 ? "%.3f" : a < 999.95 ? "%.2f" : a < 9999.5 ? "%.1f" : "%.0f", v);
  else
    add(&t, "%.3e", v);
  return t;
}

/* Seconds for what is left of the epoch at the speed so far; negative when unknown. */
static double left(const ProgressView *v) {
  return v->batch > 0 && v->batches >= v->batch
             ? v->seconds / (double)v->batch * (double)(v->batches - v->batch)
             : -1;
}

static double rate(const ProgressView *v) { return v->seconds > 0 ? (double)v->batch / v->seconds : 0; }

static double done(const ProgressView *v) {
  double d = v->batches > 0 ? (double)v->batch / (double)v->batches : 0;
  return d < 0 ? 0 : d > 1 ? 1 : d;
}

static void add_bar(ProgressText *t, double fraction, int cells, int blocks) {
  static const char *const eighth[] = {"",       "\u258f", "\u258e", "\u258d",
                                       "\u258c", "\u258b", "\u258a", "\u2589"};
  int full = blocks ? (int)(fraction * cells * 8) : (int)(fraction * cells) * 8;
  int k = 0;
  for (; k < full / 8; k++) add(t, "%s", blocks ? "\u2588" : "#");
  if (full % 8) {
    add(t, "%s", eighth[full % 8]);
    k++;
  }
  for (; k < cells; k++) add(t, "%s", blocks ? " " : "-");
}

ProgressText progress_bar(const ProgressView *v, int columns, int blocks) {
  enum {
    LONGEST = 40,
    SHORTEST = 5,
    MOST_COLUMNS = 240
  }; /* 240 columns of three bytes would not fit: the bar is at most 40 */
  ProgressText head = {""}, tail = {""}, t = {""};
  if (columns > MOST_COLUMNS) columns = MOST_COLUMNS;
  add(&head, "epoch %lld/%lld %3d%%", (long long)v->epoch, (long long)v->epochs, (int)(done(v) * 100));
  add(&tail, " %lld/%lld [%s", (long long)v->batch, (long long)v->batches, human_seconds(v->seconds).z);
  if (v->batch > 0) add(&tail, " < %s, %s/s", human_seconds(left(v)).z, human_count(rate(v)).z);
  if (!isnan(v->loss)) add(&tail, ", loss %s", human_value(v->loss).z);
  add(&tail, "]");
  int room = columns - (int)strlen(head.z) - (int)strlen(tail.z) - 2;
  add(&t, "%s", head.z);
  if (room >= SHORTEST) {
    add(&t, "|");
    add_bar(&t, done(v), room < LONGEST ? room : LONGEST, blocks);
    add(&t, "|");
  }
  add(&t, "%s", tail.z);
  if (room < SHORTEST && columns >= 0 && (int)strlen(t.z) > columns)
    t.z[columns] = 0; /* ASCII without a bar */
  return t;
}

ProgressText progress_epoch(const ProgressEpoch *e, const ProgressValue *value, int values, double seconds) {
  ProgressText t = {""};
  char digits[24];
  int width = snprintf(digits, sizeof digits, "%lld", (long long)e->epochs);
  add(&t, "epoch %*lld/%lld", width, (long long)e->epoch, (long long)e->epochs);
  if (e->from + 1 == e->batch && e->batches > 1)
    add(&t, ", batch %lld of %lld", (long long)e->batch, (long long)e->batches);
  else if (e->from || e->batch < e->batches)
    add(&t, ", batches %lld to %lld of %lld", (long long)e->from + 1, (long long)e->batch,
        (long long)e->batches);
  for (int i = 0; i < values; i++) {
    bool neither = isnan(value[i].train) && isnan(value[i].test); /* one was measured, and is no number */
    add(&t, "  %.40s", value[i].name);
    if (neither) add(&t, " nan");
    if (!isnan(value[i].train)) add(&t, " %s", human_value(value[i].train).z);
    if (!isnan(value[i].test))
      add(&t, "%s test %s", isnan(value[i].train) ? "" : ",", human_value(value[i].test).z);
  }
  add(&t, "  %s", human_seconds(seconds).z);
  return t;
}
