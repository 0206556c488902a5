#include "runtime/core/checkpoint_meta.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORMAT "1"

enum { ROW_FORMAT, ROW_SUM, ROW_PROGRAM, ROW_STEP, ROW_EPOCH, ROW_SEED };
static const char *const key[CK_META_ROWS] = {"dgc.format", "dgc.sum",   "dgc.program",
                                              "dgc.step",   "dgc.epoch", "dgc.seed"};

static SafeText text(const char *z) { return (SafeText){z, strlen(z)}; }

void ck_meta_write(const CkMeta *m, uint64_t sum, CkMetaText *out) {
  snprintf(out->sum, sizeof out->sum, "%016" PRIx64, sum);
  snprintf(out->program, sizeof out->program, "%016" PRIx64, m->program);
  snprintf(out->step, sizeof out->step, "%" PRId64, m->step);
  snprintf(out->epoch, sizeof out->epoch, "%" PRId64, m->epoch);
  snprintf(out->seed, sizeof out->seed, "%" PRIu32, m->seed);
  const char *const value[CK_META_ROWS] = {FORMAT, out->sum, out->program, out->step, out->epoch, out->seed};
  for (int i = 0; i < CK_META_ROWS; i++) out->row[i] = (SafeMeta){text(key[i]), text(value[i])};
}

static const SafeText *value_of(const SafeFile *f, int row) {
  for (size_t i = 0; i < f->metas; i++)
    if (safe_text_eq(f->meta[i].key, text(key[row]))) return &f->meta[i].value;
  return NULL;
}

/* As written: 16 digits of lower-case hex. */
static bool hex(const SafeText *t, uint64_t *out) {
  static const char digits[] = "0123456789abcdef";
  if (!t || t->n != SUM_DIGITS) return false;
  *out = 0;
  for (size_t i = 0; i < t->n; i++) {
    const char *d = memchr(digits, t->p[i], 16);
    if (!d) return false;
    *out = *out << 4 | (uint64_t)(d - digits);
  }
  return true;
}

/* As written: decimal digits, no zero in front of others. */
static bool decimal(const SafeText *t, uint64_t most, uint64_t *out) {
  if (!t || !t->n || (t->n > 1 && t->p[0] == '0')) return false;
  *out = 0;
  for (size_t i = 0; i < t->n; i++) {
    unsigned digit = (unsigned)(t->p[i] - '0');
    if (digit > 9 || *out > (most - digit) / 10) return false;
    *out = *out * 10 + digit; /* size-ok: at most `most` */
  }
  return true;
}

CkMetaResult ck_meta_read(const SafeFile *f, const void *bytes, size_t n, CkMeta *out, CkMetaFault *fault) {
  const SafeText *format = value_of(f, ROW_FORMAT), *sum = value_of(f, ROW_SUM);
  uint64_t found, step, epoch, seed;
  *out = (CkMeta){0};
  if (!format && !sum) return CK_META_OK;
  if (!format || !sum || sum->n != SUM_DIGITS) return CK_META_INCOMPLETE;
  uintptr_t at = (uintptr_t)sum->p - (uintptr_t)bytes; /* not within, when it was written with escapes */
  if (n < SUM_DIGITS || at > n - SUM_DIGITS) return CK_META_INCOMPLETE;
  *fault = (CkMetaFault){sum_without(bytes, n, at), *sum};
  if (!hex(sum, &found) || found != fault->sum) return CK_META_SUM;
  fault->found = *format;
  if (!safe_text_eq(*format, text(FORMAT))) return CK_META_FORMAT;
  if (!hex(value_of(f, ROW_PROGRAM), &out->program) || !decimal(value_of(f, ROW_STEP), INT64_MAX, &step) ||
      !decimal(value_of(f, ROW_EPOCH), INT64_MAX, &epoch) ||
      !decimal(value_of(f, ROW_SEED), UINT32_MAX, &seed))
    return CK_META_INCOMPLETE;
  out->step = (int64_t)step, out->epoch = (int64_t)epoch, out->seed = (uint32_t)seed, out->ours = true;
  return CK_META_OK;
}
