/* Numbers as program text has them: with a decimal point, whatever the host's locale writes. A C host may
 * have called setlocale, so strtod and printf's %g alone read and write another language; lint-numbers keeps
 * them out. */
#ifndef DG_BASE_NUM_H
#define DG_BASE_NUM_H

#include "base/str.h"

/* The double and the float nearest to digit[0..n) * 10^exp10, each rounded once; n at least 1. Either may be
 * NULL. */
void num_nearest(const char *digit, size_t n, int64_t exp10, double *f64, float *f32);

/* [-]digits[.digits][e[+-]digits], [-]inf or nan at the start of s: how many bytes it takes, 0 when there is
 * none. */
size_t num_read(Str s, double *out);

enum { NUM_TEXT = 40 };
/* What "%.<digits>g" writes in the C locale; `out` holds the text. */
Str num_text(char out[NUM_TEXT], int digits, double x);
/* The fewest digits that read back as x; `narrow`: as the float x. */
Str num_shortest(char out[NUM_TEXT], bool narrow, double x);

#endif
