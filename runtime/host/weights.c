#include "runtime/host/weights.h"

#include "base/size.h"
#include "runtime/host/readers.h"

#include <stdlib.h>

enum { SHOWN = 5 };

/* A list of names of which the first few are shown. */
typedef struct List {
  Sb text;
  size_t n;
} List;

static void list_add(List *l, Str what) {
  if (l->n++ < SHOWN) sb_fmt(&l->text, "%s" STRF, l->n > 1 ? ", " : "", STRA(what));
}

static Str list_text(Arena *a, List *l) {
  if (l->n > SHOWN) sb_fmt(&l->text, " and %zu more", l->n - SHOWN);
  return str_copy(a, sb_str(&l->text));
}

static Str text_str(SafeText t) { return (Str){t.p, t.n}; }

static int by_name(const void *a, const void *b) {
  return str_cmp(text_str(((const SafeTensor *)a)->name), text_str(((const SafeTensor *)b)->name));
}

static SafeTensor *find(const SafeFile *f, Str name) {
  size_t from = 0, to = f->tensors;
  while (from < to) {
    size_t mid = from + (to - from) / 2;
    int c = str_cmp(text_str(f->tensor[mid].name), name);
    if (!c) return &f->tensor[mid];
    if (c < 0)
      from = mid + 1;
    else
      to = mid;
  }
  return NULL;
}

static bool real(SafeDtype t) { return t == SAFE_F16 || t == SAFE_BF16 || t == SAFE_F32 || t == SAFE_F64; }

/* The type its elements are read as: F16 as what it is widened to. */
static bool read_as(SafeDtype t, DataType *out) {
  return safetensors_type(t == SAFE_F16 ? SAFE_F32 : t, out);
}

static void shape_text(Sb *b, const char *type, const int64_t *dim, const uint64_t *udim, uint32_t rank) {
  sb_fmt(b, "%s", type);
  for (uint32_t i = 0; i < rank; i++)
    sb_fmt(b, "%s%llu", i ? ", " : "[", (unsigned long long)(dim ? (uint64_t)dim[i] : udim[i]));
  if (rank) sb_char(b, ']');
}

/* Why the file's tensor cannot stand there; empty: it can. */
static Str unlike(Arena *a, Str name, const CkTensor *want, const SafeTensor *got) {
  DataType type;
  bool reals = want->type == DATA_F32 || want->type == DATA_F64 || want->type == DATA_BF16;
  bool same = read_as(got->dtype, &type) && (type == want->type || (reals && real(got->dtype))) &&
              want->rank == got->rank;
  for (uint32_t i = 0; same && i < want->rank; i++) same = (uint64_t)want->dim[i] == got->dim[i];
  if (same) return STR("");
  Sb b;
  sb_init(&b, a);
  sb_fmt(&b, "'%s' is ", host_show(name).z);
  shape_text(&b, data_type_name(want->type), want->dim, NULL, want->rank);
  sb_fmt(&b, " in the program and ");
  shape_text(&b, safe_dtype_name(got->dtype), NULL, got->dim, got->rank);
  sb_fmt(&b, " in the file");
  return sb_str(&b);
}

/* An IEEE half as an f32: exactly. */
static uint32_t wide_half(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ffu;
  if (exponent == 31) return sign | 0x7f800000u | fraction << 13;
  if (!exponent) { /* fraction * 2^-24, which an f32 holds as a normal number */
    if (!fraction) return sign;
    for (exponent = 1; !(fraction & 0x400u); exponent--) fraction <<= 1;
    return sign | (exponent + 112) << 23 | (fraction & 0x3ffu) << 13;
  }
  return sign | (exponent + 112) << 23 | fraction << 13;
}

/* For rounding, subnormals and what is not finite the rules of data hold. */
static bool fill(Arena *a, Str path, const SafeFile *f, const SafeTensor *got, const CkTensor *want,
                 HostError *err) {
  static const int64_t first[1] = {0};
  ArenaMark mark = arena_mark(a);
  DataSource s = {.rank = 1, .dim = {1}};
  s.name = str_fmt(a, STRF ": '%s'", STRA(path), host_show(text_str(got->name)).z);
  size_t bytes = (size_t)(got->hi - got->lo), n = bytes / safe_dtype_bytes(got->dtype);
  if (!read_as(got->dtype, &s.type)) return false; /* looked at before */
  s.rows = (const char *)f->data + got->lo;
  s.row_elements = (int64_t)n;
  s.row_bytes = bytes;
  if (got->dtype == SAFE_F16) {
    uint32_t *wide = ARENA_ARRAY(a, uint32_t, n + 1);
    for (size_t i = 0; i < n; i++) {
      uint16_t h;
      memcpy(&h, s.rows + 2 * i, sizeof h); /* size-ok: within the tensor */
      wide[i] = wide_half(h);
    }
    s.rows = (const char *)wide;
    s.row_bytes = 2 * bytes; /* size-ok: within the memory just taken */
  }
  bool ok =
      !n || data_rows_gather(&s, first, 1, want->data, want->type, (DataRange){.kind = RANGE_NONE}, err);
  arena_rewind(a, mark);
  return ok;
}

/* All names of the file, or none of them, begin with the instance's path. */
static Str short_name(Str name, Str own) { return (Str){name.p + own.n + 1, name.n - own.n - 1}; }

static void tell_rest(Arena *a, Str path, SafeFile *f, Str own, bool whole, Words *words) {
  List rest = {0};
  Str dot = str_fmt(a, STRF ".", STRA(own));
  sb_init(&rest.text, a);
  for (size_t i = 0; i < f->tensors; i++)
    if (!f->tensor[i].tag && (!whole || str_starts(text_str(f->tensor[i].name), dot)))
      list_add(&rest, str_fmt(a, "'%s'", host_show(text_str(f->tensor[i].name)).z));
  if (rest.n)
    VEC_PUSH(a, words,
             str_fmt(a, STRF " also holds " STRF ": '" STRF "' has no such parameter", STRA(path),
                     STRA(list_text(a, &rest)), STRA(own)));
}

bool weights_load(Arena *scratch, Str path, Str own, const CkTensor *t, size_t n, int64_t max_bytes,
                  Words *words, HostError *err) {
  SafeFile f;
  CkMeta meta;
  List wrong = {0}, converted = {0};
  bool whole = !own.n;
  if (!checkpoint_open(scratch, path, max_bytes, &f, &meta, err)) return false;
  sb_init(&wrong.text, scratch);
  sb_init(&converted.text, scratch);
  if (f.tensors > 1) qsort(f.tensor, f.tensors, sizeof *f.tensor, by_name);
  for (size_t i = 0; i < f.tensors; i++) f.tensor[i].tag = 0;
  for (size_t i = 0; i < n && !whole; i++) whole = find(&f, t[i].name) != NULL;
  const SafeTensor **of = ARENA_ARRAY(scratch, const SafeTensor *, n + 1);
  for (size_t i = 0; i < n; i++) {
    SafeTensor *got = find(&f, whole ? t[i].name : short_name(t[i].name, own));
    of[i] = got;
    if (got) got->tag = 1;
    Str why = got ? unlike(scratch, t[i].name, &t[i], got)
                  : str_fmt(scratch, "'%s' is not in the file", host_show(t[i].name).z);
    if (why.n) list_add(&wrong, why);
    DataType type;
    if (got && read_as(got->dtype, &type) && (type != t[i].type || got->dtype == SAFE_F16))
      list_add(&converted,
               str_fmt(scratch, "'%s' from %s", host_show(t[i].name).z, safe_dtype_name(got->dtype)));
  }
  if (own.n) tell_rest(scratch, path, &f, own, whole, words);
  if (wrong.n)
    return host_fail(err, ST_MISMATCH, "%s does not fit: " STRF "%s" STRF, host_show(path).z,
                     STRA(list_text(scratch, &wrong)), words->n ? "; " : "",
                     STRA(words->n ? words->at[words->n - 1] : STR("")));
  for (size_t i = 0; i < n; i++)
    if (!fill(scratch, path, &f, of[i], &t[i], err)) return false;
  if (converted.n)
    VEC_PUSH(scratch, words,
             str_fmt(scratch, STRF ": converted " STRF, STRA(path), STRA(list_text(scratch, &converted))));
  return true;
}
