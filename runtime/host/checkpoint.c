#include "runtime/host/checkpoint.h"

#include "base/hash.h"
#include "base/size.h"
#include "runtime/core/safetensors.h"
#include "runtime/host/finite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static SafeText safe_text(Str s) { return (SafeText){s.p, s.n}; }
static Str text_str(SafeText t) { return (Str){t.p, t.n}; }

static bool to_safe_dtype(DataType t, SafeDtype *out) {
  switch (t) {
  case DATA_F32: return *out = SAFE_F32, true;
  case DATA_F64: return *out = SAFE_F64, true;
  case DATA_I32: return *out = SAFE_I32, true;
  case DATA_I64: return *out = SAFE_I64, true;
  case DATA_BOOL: return *out = SAFE_BOOL, true;
  case DATA_BF16: return *out = SAFE_BF16, true;
  case DATA_U8:
  case DATA_I8:
  case DATA_TYPE_COUNT: break;
  }
  return false;
}

/* Index of the first non-finite of n elements, or n. */
static size_t first_non_finite(DataType t, const void *p, size_t n) {
  if (t == DATA_BF16) return first_non_finite16(p, n);
  return t == DATA_F32 ? first_non_finite32(p, n) : t == DATA_F64 ? first_non_finite64(p, n) : n;
}

/* Number of elements; the rank is bounded by the caller's types. */
static bool elements(const CkTensor *t, size_t *n) { return size_product(t->dim, t->rank, n); }

static void sb_put(void *sb, const char *p, size_t n) { sb_add(sb, (Str){p, n}); }

/* Bools are bytes in the file. */
static Str file_bytes(Arena *a, const CkTensor *t, size_t n, size_t bytes) {
  if (t->type != DATA_BOOL) return (Str){t->data, bytes};
  char *p = ARENA_ARRAY(a, char, n);
  for (size_t i = 0; i < n; i++) p[i] = ((const uint32_t *)t->data)[i] != 0;
  return (Str){p, n};
}

static void sum_put(void *sum, const char *p, size_t n) { sum_add(sum, p, n); }

uint64_t checkpoint_program(const CkTensor *t, size_t n) {
  uint64_t h = 0;
  for (size_t i = 0; i < n; i++) {
    h = hash_bytes(t[i].name.p, t[i].name.n, h);
    h = hash_bytes(&t[i].type, sizeof t[i].type, h);
    h = hash_bytes(t[i].dim, sizeof t[i].dim[0] * t[i].rank, h); /* size-ok: the rank is at most 8 */
  }
  return h;
}

bool checkpoint_save(Arena *scratch, Str path, const CkTensor *t, size_t n, const CkMeta *meta,
                     bool allow_non_finite, HostError *err) {
  HostShown file = host_show(path);
  SafeTensor *s = ARENA_ARRAY(scratch, SafeTensor, n);
  for (size_t i = 0; i < n; i++) {
    size_t count, bad;
    s[i] = (SafeTensor){.name = safe_text(t[i].name), .rank = t[i].rank, .tag = i};
    if (!to_safe_dtype(t[i].type, &s[i].dtype))
      return host_fail(err, ST_USAGE, "%s: %s is no type of a compiled program", file.z,
                       data_type_name(t[i].type));
    if (t[i].rank > DATA_MAX_RANK || !elements(&t[i], &count))
      return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
    for (uint32_t k = 0; k < t[i].rank; k++) s[i].dim[k] = (uint64_t)t[i].dim[k];
    if (!allow_non_finite && (bad = first_non_finite(t[i].type, t[i].data, count)) < count)
      return host_fail(err, ST_NON_FINITE, "%s is not written: element %zu of '%s' is not finite", file.z,
                       bad, host_show(t[i].name).z);
  }
  if (!safe_layout(s, n))
    return host_fail(err, ST_USAGE, "%s: two tensors have the same name, or sizes overflow", file.z);
  Sb header;
  Sum sum;
  CkMetaText text;
  size_t parts_n;
  sum_init(&sum);
  sb_init(&header, scratch);
  ck_meta_write(meta, 0, &text);
  if (!safe_write_header(s, n, text.row, CK_META_ROWS, (SafeSink){sum_put, &sum}) ||
      !size_add(n, 1, &parts_n))
    return host_fail(err, ST_LIMIT, "%s: header above %u bytes", file.z, SAFE_MAX_HEADER);
  Str *part = ARENA_ARRAY(scratch, Str, parts_n);
  for (size_t i = 0; i < n; i++) {
    const CkTensor *c = &t[s[i].tag];
    size_t count;
    if (!elements(c, &count)) BUG(scratch->mem, "a size that fitted before");
    part[i + 1] = file_bytes(scratch, c, count, (size_t)(s[i].hi - s[i].lo));
    sum_add(&sum, part[i + 1].p, part[i + 1].n);
  }
  ck_meta_write(meta, sum_value(&sum), &text);
  if (!safe_write_header(s, n, text.row, CK_META_ROWS, (SafeSink){sb_put, &header}))
    BUG(scratch->mem, "a header that fitted before");
  part[0] = sb_str(&header);
  FileError fe;
  (void)file_sweep(path);
  return file_replace(path, part, parts_n, &fe) || host_fail_file(err, &fe, "data_bytes");
}

/* ---- loading ---- */

static bool check_meta(Str bytes, const SafeFile *f, HostShown file, CkMeta *out, HostError *err) {
  CkMetaFault fault;
  switch (ck_meta_read(f, bytes.p, bytes.n, out, &fault)) {
  case CK_META_OK: return true;
  case CK_META_INCOMPLETE:
    return host_fail(err, ST_BAD_DATA, "%s: damaged: its metadata is not complete", file.z);
  case CK_META_SUM:
    return host_fail(err, ST_BAD_DATA, "%s: damaged: checksum %016" PRIx64 " expected, found '%s'", file.z,
                     fault.sum, host_show(text_str(fault.found)).z);
  case CK_META_FORMAT: break;
  }
  return host_fail(err, ST_BAD_DATA, "%s: checkpoint format 1 expected, found '%s': written by a newer dgc?",
                   file.z, host_show(text_str(fault.found)).z);
}

/* `f32[784, 256]` */
static Str type_text(Arena *a, const char *type, const uint64_t *dim, uint32_t rank) {
  Sb b;
  sb_init(&b, a);
  sb_fmt(&b, "%s", type);
  for (uint32_t i = 0; i < rank; i++) sb_fmt(&b, "%s%" PRIu64, i ? ", " : "[", dim[i]);
  if (rank) sb_char(&b, ']');
  return sb_str(&b);
}

typedef struct Differences {
  Arena *arena;
  Sb text;
  size_t n;
} Differences;

static void differ(Differences *d, Str what) {
  enum { SHOWN = 5 };
  if (d->n++ < SHOWN) sb_fmt(&d->text, "%s" STRF, d->n > 1 ? "; " : "", STRA(what));
}

static void compare(Differences *d, const CkTensor *want, const SafeTensor *got) {
  SafeDtype type = SAFE_F32;
  bool same = to_safe_dtype(want->type, &type) && type == got->dtype && want->rank == got->rank;
  uint64_t dim[DATA_MAX_RANK];
  for (uint32_t i = 0; i < want->rank; i++) dim[i] = (uint64_t)want->dim[i];
  for (uint32_t i = 0; same && i < want->rank; i++) same = dim[i] == got->dim[i];
  if (same) return;
  Str w = type_text(d->arena, safe_dtype_name(type), dim, want->rank),
      g = type_text(d->arena, safe_dtype_name(got->dtype), got->dim, got->rank);
  differ(d, str_fmt(d->arena, "'%s' is " STRF " in the program and " STRF " in the file",
                    host_show(want->name).z, STRA(w), STRA(g)));
}

static int tensors_by_name(const void *a, const void *b) {
  return str_cmp(text_str(((const SafeTensor *)a)->name), text_str(((const SafeTensor *)b)->name));
}
static int wanted_by_name(const void *a, const void *b) {
  return str_cmp((*(const CkTensor *const *)a)->name, (*(const CkTensor *const *)b)->name);
}

/* Walks both lists by name. Tags of the file's tensors become the indices of what is wanted, SIZE_MAX for the
 * others. */
static bool match(Arena *a, const CkTensor *t, size_t n, SafeFile *f, CkLoad how, HostShown file,
                  HostError *err) {
  const CkTensor **want = ARENA_ARRAY(a, const CkTensor *, n);
  Differences d = {.arena = a};
  size_t i = 0, k = 0;
  sb_init(&d.text, a);
  for (size_t x = 0; x < n; x++) want[x] = &t[x];
  if (n > 1) qsort(want, n, sizeof *want, wanted_by_name);
  if (f->tensors > 1) qsort(f->tensor, f->tensors, sizeof *f->tensor, tensors_by_name);
  while (i < n || k < f->tensors) {
    int c = i == n ? 1 : k == f->tensors ? -1 : str_cmp(want[i]->name, text_str(f->tensor[k].name));
    if (c < 0 && how.may_lack && how.may_lack[want[i] - t]) {
      how.lacks[want[i] - t] = true;
    } else if (c < 0) {
      differ(&d, str_fmt(a, "'%s' is not in the file", host_show(want[i]->name).z));
    } else if (c > 0) {
      f->tensor[k].tag = SIZE_MAX;
      if (!how.allow_extra)
        differ(&d, str_fmt(a, "'%s' is not in the program", host_show(text_str(f->tensor[k].name)).z));
    } else {
      f->tensor[k].tag = (size_t)(want[i] - t);
      compare(&d, want[i], &f->tensor[k]);
    }
    i += c <= 0;
    k += c >= 0;
  }
  if (!d.n) return true;
  return host_fail(err, ST_MISMATCH, "%s does not belong to this program: " STRF "%s", file.z,
                   STRA(sb_str(&d.text)), d.n > 5 ? str_fmt(a, "; and %zu more", d.n - 5).p : "");
}

static bool check_values(const SafeFile *f, const CkTensor *t, CkLoad how, HostShown file, HostError *err) {
  for (size_t i = 0; i < f->tensors; i++) {
    const SafeTensor *s = &f->tensor[i];
    if (s->tag == SIZE_MAX) continue;
    const unsigned char *p = f->data + s->lo;
    size_t bytes = (size_t)(s->hi - s->lo), n = bytes / safe_dtype_bytes(s->dtype);
    HostShown name = host_show(t[s->tag].name);
    if (!how.allow_non_finite) {
      size_t bad = first_non_finite(t[s->tag].type, p, n);
      if (bad < n)
        return host_fail(err, ST_BAD_DATA, "%s: element %zu of '%s' is not finite", file.z, bad, name.z);
    }
    if (how.counts && how.counts[s->tag] && !safe_counts(s, p))
      return host_fail(err, ST_BAD_DATA, "%s: damaged: the count '%s' is below 0", file.z, name.z);
    int64_t group = how.group ? how.group[s->tag] : 0;
    int32_t in = 0;
    if (group) memcpy(&in, p, sizeof in); /* size-ok: compared types, one i32 */
    if (group && (in < 0 || in >= group))
      return host_fail(
          err, ST_MISMATCH,
          "%s does not belong to this program: %d batches of a group are in ('%s'), and a group has %lld",
          file.z, in, name.z, (long long)group);
    for (size_t k = 0; s->dtype == SAFE_BOOL && k < n; k++)
      if (p[k] > 1)
        return host_fail(err, ST_BAD_DATA, "%s: element %zu of '%s': 0 or 1 expected, found %d", file.z, k,
                         name.z, p[k]);
  }
  return true;
}

/* Floats as bits, wherever they were stored as floats. */
typedef uint32_t __attribute__((may_alias)) Bits32;
typedef uint64_t __attribute__((may_alias)) Bits64;
typedef uint16_t __attribute__((may_alias)) Bits16;

/* Copies checked bytes; subnormals become the zero of their sign. */
static void fill(const CkTensor *t, const unsigned char *p, size_t bytes) {
  size_t n = bytes / data_type_bytes(t->type);
  if (t->type == DATA_BOOL) {
    for (size_t i = 0; i < n; i++) ((uint32_t *)t->data)[i] = p[i];
    return;
  }
  if (bytes) memcpy(t->data, p, bytes);
  Bits32 *w = t->data;
  Bits64 *l = t->data;
  Bits16 *h = t->data;
  for (size_t i = 0; t->type == DATA_BF16 && i < n; i++)
    if (!(h[i] & 0x7f80u)) h[i] &= 0x8000u;
  for (size_t i = 0; t->type == DATA_F32 && i < n; i++)
    if (!(w[i] & 0x7f800000u)) w[i] &= 0x80000000u;
  for (size_t i = 0; t->type == DATA_F64 && i < n; i++)
    if (!(l[i] & 0x7ff0000000000000u)) l[i] &= 0x8000000000000000u;
}

static void *scratch_get(void *arena, size_t n) { return arena_alloc(arena, n, 16); }

bool checkpoint_open(Arena *scratch, Str path, int64_t max_bytes, SafeFile *out, CkMeta *meta,
                     HostError *err) {
  HostShown file = host_show(path);
  FileError fe;
  SafeError se;
  Str bytes;
  if (!file_read(scratch, path, max_bytes, &bytes, &fe)) return host_fail_file(err, &fe, "data_bytes");
  SafeResult r = safe_parse(bytes.p, bytes.n, (SafeMemory){scratch_get, scratch}, out, &se);
  if (r != SAFE_OK) return host_fail(err, ST_BAD_DATA, "%s: byte %" PRIu64 ": %s", file.z, se.at, se.what);
  return check_meta(bytes, out, file, meta, err);
}

bool checkpoint_load(Arena *scratch, Str path, const CkTensor *t, size_t n, CkLoad how, CkMeta *meta,
                     HostError *err) {
  HostShown file = host_show(path);
  SafeFile f;
  if (!checkpoint_open(scratch, path, how.max_bytes, &f, meta, err) ||
      !match(scratch, t, n, &f, how, file, err) || !check_values(&f, t, how, file, err))
    return false;
  for (size_t i = 0; i < f.tensors; i++)
    if (f.tensor[i].tag != SIZE_MAX)
      fill(&t[f.tensor[i].tag], f.data + f.tensor[i].lo, (size_t)(f.tensor[i].hi - f.tensor[i].lo));
  return true;
}
