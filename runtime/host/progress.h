/* Progress of training as text: a bar for terminals, the line that ends an epoch, numbers with human units.
 * Text only: who calls decides where it goes, how often, and how a bar replaces the one before. */
#ifndef DG_RUNTIME_HOST_PROGRESS_H
#define DG_RUNTIME_HOST_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct ProgressText {
  char z[512]; /* NUL-terminated, one line without its end, no control characters */
} ProgressText;

/* "0", "999", "1.23 k", "235 k", "1.24 M"; "14.2 MiB"; "87 us", "1.5 ms", "12.3 s", "3:07", "1:02:07"; "152
 * GFLOP". NaN and infinities as "nan", "inf". Three significant digits. */
ProgressText human_count(double n);
ProgressText human_bytes(double n);
ProgressText human_seconds(double s);
ProgressText human_flops(double n);
/* Four significant digits for losses and metrics; very small and very large values with an exponent. */
ProgressText human_value(double v);

typedef struct ProgressView {
  int64_t epoch, epochs;  /* from 1 */
  int64_t batch, batches; /* done of this epoch, from 0 */
  double seconds;         /* since the epoch began */
  double loss;            /* NaN: none yet */
} ProgressView;

/* "epoch 3/10  42%|########--------------| 197/468 [1.3 s < 1.8 s, 152/s, loss 0.4123]", at most `columns`
 * wide (the bar shrinks first, then the end is left out). `blocks`: eighths of blocks (UTF-8) instead of
 * ASCII. */
ProgressText progress_bar(const ProgressView *v, int columns, int blocks);

typedef struct ProgressValue {
  const char *name;
  double train, test; /* NaN: not measured */
} ProgressValue;
typedef struct ProgressEpoch {
  int64_t epoch, epochs;        /* from 1 */
  int64_t from, batch, batches; /* the values are of batches from + 1 to batch */
} ProgressEpoch;
/* "epoch  3/10  loss 0.4123, test 0.4350  accuracy 0.8531, test 0.8464  3.1 s"; of a part of an epoch
 * "epoch  3/10, batches 5 to 8 of 12  loss 0.4123  1.2 s" */
ProgressText progress_epoch(const ProgressEpoch *e, const ProgressValue *value, int values, double seconds);

#endif
