#include "base/num.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The halfway point of two doubles has at most 767 digits, so a digit behind the first 800 only says whether
 * the rest is zero. */
enum { DIGITS = 800, EXP10_MAX = 1000000000 };

void num_nearest(const char *digit, size_t n, int64_t exp10, double *f64, float *f32) {
  char z[DIGITS + 32];
  size_t kept = 0;
  while (n > 1 && *digit == '0') digit++, n--;
  for (; kept < n && kept < DIGITS; kept++) z[kept] = digit[kept];
  exp10 += (int64_t)(n - kept);
  bool rest = false;
  for (size_t i = kept; i < n; i++) rest = rest || digit[i] != '0';
  if (rest) z[kept++] = '1', exp10--;
  if (exp10 > EXP10_MAX) exp10 = EXP10_MAX;
  if (exp10 < -EXP10_MAX) exp10 = -EXP10_MAX;
  snprintf(z + kept, sizeof z - kept, "e%lld", (long long)exp10);
  /* strtod and strtof round once, to nearest even; without a point in the text the locale has no say. */
  if (f64) *f64 = strtod(z, NULL);
  if (f32) *f32 = strtof(z, NULL);
}

static bool is_digit(Str s, size_t i) { return i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; }

size_t num_read(Str s, double *out) {
  char digit[DIGITS + 1];
  size_t i = 0, n = 0, seen = 0;
  int64_t exp10 = 0, written = 0;
  bool minus = s.n && s.p[0] == '-', rest = false;
  i += minus;
  Str word = {s.p + i, s.n - i};
  if (str_starts(word, STR("inf"))) return *out = minus ? -(double)INFINITY : (double)INFINITY, i + 3;
  if (str_starts(word, STR("nan"))) return *out = (double)NAN, i + 3;
  for (bool fraction = false;; i++) {
    if (!fraction && i < s.n && s.p[i] == '.') {
      fraction = true;
      continue;
    }
    if (!is_digit(s, i)) break;
    seen++;
    exp10 -= fraction;
    if (n == 0 && s.p[i] == '0') continue;
    if (n < DIGITS)
      digit[n++] = s.p[i];
    else
      exp10++, rest = rest || s.p[i] != '0';
  }
  if (!seen) return 0;
  size_t e = i;
  if (e < s.n && (s.p[e] == 'e' || s.p[e] == 'E')) {
    bool down = e + 1 < s.n && s.p[e + 1] == '-';
    e += 1 + (e + 1 < s.n && (s.p[e + 1] == '-' || s.p[e + 1] == '+'));
    for (; is_digit(s, e); e++, i = e)
      if (written <= EXP10_MAX) written = 10 * written + (s.p[e] - '0');
    exp10 += down ? -written : written;
  }
  if (rest) digit[n++] = '1', exp10--;
  if (n == 0) digit[n++] = '0', exp10 = 0;
  num_nearest(digit, n, exp10, out, NULL);
  if (minus) *out = -*out;
  return i;
}

/* What is no digit, sign, letter or exponent is the locale's decimal mark, of one or more bytes. */
static Str with_point(char *z) {
  static const char kept[] = "0123456789+-einfa";
  size_t n = 0;
  for (const char *p = z; *p; p++) {
    if (strchr(kept, *p))
      z[n++] = *p;
    else if (n == 0 || z[n - 1] != '.')
      z[n++] = '.';
  }
  z[n] = 0;
  return (Str){z, n};
}

Str num_text(char out[NUM_TEXT], int digits, double x) {
  if (isnan(x)) return strcpy(out, "nan"), (Str){out, 3};
  snprintf(out, NUM_TEXT, "%.*g", digits, x);
  return with_point(out);
}

Str num_shortest(char out[NUM_TEXT], bool narrow, double x) {
  Str s = num_text(out, 1, x);
  for (int digits = 2; digits <= 17; digits++) {
    double back;
    if (!isfinite(x)) break;
    (void)num_read(s, &back);
    if (back == x || (narrow && (double)(float)back == x)) break;
    s = num_text(out, digits, x);
  }
  return s;
}
