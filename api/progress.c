/* Progress of dg_train as one line of text. */
#include "runtime/host/progress.h"

#include "api/api.h"

#include <math.h>
#include <stdio.h>

int dg_facts_line(const dg_facts *given, char *text, size_t capacity) {
  dg_facts own = {.isa = ""}, *f = &own;
  if (!given || !text || !capacity || !api_take(&own, sizeof own, given)) return 0;
  if (f->kernels)
    snprintf(text, capacity, "a step: %s of memory, %s in %lld kernels; compiled in %s for %s, %d thread%s",
             human_bytes((double)f->arena_bytes).z, human_flops(f->flops).z, (long long)f->kernels,
             human_seconds(f->compile_ms * 1e-3).z, f->isa ? f->isa : "", f->threads,
             f->threads == 1 ? "" : "s");
  else
    snprintf(text, capacity, "run by the reference interpreter");
  return 1;
}

int dg_progress_line(const dg_progress *given, int width, char *text, size_t capacity) {
  dg_progress own = {.step = "", .instead = ""}, *g = &own;
  if (!given || !text || !capacity) return 0;
  text[0] = 0;
  if (!api_take(&own, sizeof own, given)) return 0;
  ProgressText line;
  switch (g->at) {
  case DG_AT_STEP: {
    ProgressView v = {g->epoch, g->epochs, g->batch, g->batches, g->seconds, g->loss};
    line = progress_bar(&v, width, 0);
    break;
  }
  case DG_AT_EPOCH:
  case DG_AT_PART: {
    if (g->at == DG_AT_PART && !g->values) return 0;
    ProgressValue v[64];
    int n = g->values < 64 ? g->values : 64;
    for (int i = 0; i < n; i++) v[i] = (ProgressValue){g->value_name[i], g->train_value[i], g->test_value[i]};
    line = progress_epoch(&(ProgressEpoch){g->epoch, g->epochs, g->from, g->batch, g->batches}, v, n,
                          g->seconds);
    break;
  }
  case DG_AT_END:
    if (g->unfinished)
      snprintf(text, capacity, "the last %lld batch%s made no update; trained in %s",
               (long long)g->unfinished, g->unfinished == 1 ? "" : "es", human_seconds(g->seconds).z);
    else
      snprintf(text, capacity, "trained in %s", human_seconds(g->seconds).z);
    return 1;
  case DG_AT_START:
    if (!g->rows) return 0;
    char of[80] = "";
    if (g->lanes > 1) snprintf(of, sizeof of, "%.60s: ", g->step);
    if (g->left_out)
      snprintf(text, capacity,
               "%s%lld rows in %lld batches of %lld; the last %lld of an epoch's order are left out", of,
               (long long)g->rows, (long long)g->batches, (long long)g->batch_rows, (long long)g->left_out);
    else
      snprintf(text, capacity, "%s%lld rows in %lld batch%s of %lld", of, (long long)g->rows,
               (long long)g->batches, g->batches == 1 ? "" : "es", (long long)g->batch_rows);
    return 1;
  default: return 0; /* the enum is the host's to fill in; an unknown value says nothing */
  }
  snprintf(text, capacity, "%s", line.z);
  return 1;
}
