/* Progress of dg_train as one line of text. */
#include "runtime/host/progress.h"

#include "dg/dg.h"

#include <math.h>
#include <stdio.h>

int dg_progress_line(const dg_progress *g, int width, char *text, size_t capacity) {
  if (!g || !text || !capacity) return 0;
  text[0] = 0;
  ProgressText line;
  switch (g->at) {
  case DG_AT_STEP: {
    ProgressView v = {g->epoch, g->epochs, g->batch, g->batches, g->seconds, g->loss};
    line = progress_bar(&v, width, 0);
    break;
  }
  case DG_AT_EPOCH: {
    ProgressValue v[64];
    int n = g->values < 64 ? g->values : 64;
    for (int i = 0; i < n; i++) v[i] = (ProgressValue){g->value_name[i], g->train_value[i], g->test_value[i]};
    line = progress_epoch(g->epoch, g->epochs, v, n, g->seconds);
    break;
  }
  case DG_AT_END: snprintf(text, capacity, "trained in %s", human_seconds(g->seconds).z); return 1;
  case DG_AT_START:
  default: return 0; /* the enum is the host's to fill in; an unknown value says nothing */
  }
  snprintf(text, capacity, "%s", line.z);
  return 1;
}
