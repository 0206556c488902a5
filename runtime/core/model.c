/* See model.h. In `work`, from its first multiple of STEP_ALIGN on: counters as an entry reads them, the
 * table of addresses, scratch, arena, and copies of inputs that hold subnormal numbers. */
#include "runtime/core/model.h"

#include "runtime/core/checked.h"
#include "runtime/core/clean.h"
#include "runtime/core/cpu.h"
#include "runtime/core/fpenv.h"

#include <string.h>

typedef struct Work {
  int32_t *count; /* step, epoch, seed */
  void **base;
  char *scratch, *arena, *copy;
} Work;

enum { COUNT_BYTES = STEP_ALIGN };

static uint64_t table_bytes(const Model *m) { return step_up((STEP_LEAF + (uint64_t)m->nleaf) * 8); }

uint64_t model_work_bytes(const Model *m, uint64_t copies) {
  uint64_t n = STEP_ALIGN + COUNT_BYTES + table_bytes(m);
  bool fits = m->scratch_bytes < STEP_MOST_BYTES && m->arena_bytes < STEP_MOST_BYTES &&
              copies < STEP_MOST_BYTES && checked_add(n, step_up(m->scratch_bytes), &n) &&
              checked_add(n, step_up(m->arena_bytes), &n) && checked_add(n, copies, &n);
  return fits ? n : 0;
}

static Work work_of(const Model *m, void *state) {
  char *at = model_room(m, state); /* size-ok: as model_work_bytes counts */
  Work w = {.count = (int32_t *)(void *)at};
  at += COUNT_BYTES;
  w.base = (void **)(void *)at;
  at += table_bytes(m);
  w.scratch = at;
  at += step_up(m->scratch_bytes);
  w.arena = at;
  w.copy = at + step_up(m->arena_bytes);
  return w;
}

static const ModelEntry *entries(const Model *m) { return model_part(m, m->entry); }

/* ---- inputs ---- */

static uint64_t type_bytes(uint32_t type) {
  if (type == MODEL_U8) return 1;
  if (type == MODEL_BF16) return 2;
  return type == MODEL_F64 || type == MODEL_I64 ? 8 : 4;
}

static bool is_clean(const ModelInput *in, const void *p) {
  if (in->type == MODEL_F32) return is_clean32(p, in->n);
  if (in->type == MODEL_BF16) return is_clean16(p, in->n);
  return in->type != MODEL_F64 || is_clean64(p, in->n);
}

/* No subnormal number enters: an input that holds any is read from a clean copy. */
static const void *clean_input(const ModelInput *in, const void *p, char **copy) {
  if (is_clean(in, p)) return p;
  void *to = *copy;
  memcpy(to, p, in->n * type_bytes(in->type)); /* size-ok: the room was counted */
  if (in->type == MODEL_F32)
    clean32(to, in->n);
  else if (in->type == MODEL_BF16)
    clean16(to, in->n);
  else
    clean64(to, in->n);
  *copy += step_up(in->n * type_bytes(in->type)); /* size-ok: as above */
  return to;
}

/* Leaves of the image from the state, the arguments and the counters. */
static int32_t bind(const Model *m, const ModelEntry *e, char *state, void *const *arg, Work *w) {
  const StepImage *image = model_part(m, e->image);
  const ModelInput *in = model_part(m, e->input);
  const ModelSource *from = model_part(m, e->source);
  char *copy = w->copy;
  for (uint32_t i = 0; i < image->nleaf; i++) {
    void *at = NULL;
    switch ((ModelSourceKind)from[i].kind) {
    case MODEL_KEPT: at = state + from[i].at; break; /* size-ok: within the state */
    case MODEL_STEP: at = w->count; break;
    case MODEL_EPOCH: at = w->count + 1; break;
    case MODEL_SEED: at = w->count + 2; break;
    case MODEL_ARGUMENT: {
      const ModelInput *k = in + from[i].at;
      if (!arg || !arg[from[i].at]) return MODEL_USAGE;
      at = (void *)(uintptr_t)clean_input(k, arg[from[i].at], &copy);
      if (!model_within(k, at)) return MODEL_BAD_DATA;
      break;
    }
    }
    w->base[STEP_LEAF + i] = at;
  }
  w->base[STEP_SCRATCH] = w->scratch;
  w->base[STEP_ARENA] = w->arena;
  w->base[STEP_DATA] = (void *)(uintptr_t)step_part(image, image->data);
  return MODEL_OK;
}

/* ---- running ---- */

static void give(const Model *m, const ModelEntry *e, void *const *base, void *const *arg) {
  const StepImage *image = model_part(m, e->image);
  const ModelOutput *out = model_part(m, e->output);
  for (uint32_t i = 0; i < e->noutput; i++) {
    void *to = arg ? arg[e->ninput + i] : NULL;
    if (!to) continue;
    const StepRoot *r = step_roots(image) + out[i].root;
    memcpy(to, step_address(base, r->ref), r->bytes);
    if (out[i].type == MODEL_F32) clean32(to, r->bytes / 4);
    if (out[i].type == MODEL_F64) clean64(to, r->bytes / 8);
  }
}

static int32_t run(const Model *m, StepFn *const *kernel, const ModelEntry *e, char *state, int32_t step,
                   void *const *arg) {
  Work w = work_of(m, state);
  int32_t epoch;
  memcpy(&epoch, state + m->epoch, sizeof epoch);
  w.count[0] = step;
  w.count[1] = epoch < INT32_MAX ? epoch + 1 : epoch;
  memcpy(w.count + 2, state + m->seed, sizeof(int32_t));
  FpEnv host = fpenv_enter(); /* for the ranges, where a subnormal counts as zero */
  int32_t st = bind(m, e, state, arg, &w);
  fpenv_leave(host);
  if (st != MODEL_OK) return st;
  StepEnv env = {.image = model_part(m, e->image), .fn = kernel + e->kernel, .base = w.base};
  if (step_run(&env) != STEP_DONE) return MODEL_CHECK;
  give(m, e, w.base, arg);
  return MODEL_OK;
}

static int32_t usable(const Model *m, const void *state) {
  if (m->version != MODEL_VERSION) return MODEL_MISMATCH;
  if (cpu_level(CPU_ASK) < (CpuLevel)m->level) return MODEL_NO_CPU;
  return state ? MODEL_OK : MODEL_USAGE;
}

int32_t dgc_model_init(const Model *m, StepFn *const *kernel, void *state, uint32_t seed) {
  int32_t st = usable(m, state);
  if (st != MODEL_OK) return st;
  memset(state, 0, m->state_bytes);
  memcpy((char *)state + m->seed, &seed, sizeof seed); /* size-ok: within the state */
  for (uint32_t i = 0; i < m->nentry && st == MODEL_OK; i++)
    if (entries(m)[i].kind == MODEL_ENTRY_INIT) st = run(m, kernel, entries(m) + i, state, 1, NULL);
  return st;
}

/* Is this batch one of a group, and not its last? */
static bool gathers(const ModelEntry *e, const void *state) {
  int32_t n;
  if (e->accumulate <= 1) return false;
  memcpy(&n, (const char *)state + e->gathered, sizeof n); /* size-ok: within the state */
  return n < 0 || n >= e->accumulate || n + 1 < e->accumulate;
}

int32_t dgc_model_run(const Model *m, StepFn *const *kernel, uint32_t entry, void *state, void *const *arg) {
  int32_t st = usable(m, state), done;
  if (st != MODEL_OK) return st;
  const ModelEntry *e = entries(m) + entry;
  if (e->kind != MODEL_ENTRY_TRAIN) return run(m, kernel, e, state, 1, arg);
  char *counter = (char *)state + e->counter; /* size-ok: within the state */
  memcpy(&done, counter, sizeof done);
  if (done == INT32_MAX) return MODEL_LIMIT;
  if (gathers(e, state)) return run(m, kernel, entries(m) + e->gather, state, done + 1, arg);
  st = run(m, kernel, e, state, ++done, arg);
  if (st != MODEL_OK) return st;
  memcpy(counter, &done, sizeof done);
  for (uint32_t i = 0; i < e->nafter && st == MODEL_OK; i++) {
    const ModelEntry *after = entries(m) + e->after + i;
    if (after->every <= 1 || done % after->every == 0) st = run(m, kernel, after, state, done, NULL);
  }
  return st;
}
