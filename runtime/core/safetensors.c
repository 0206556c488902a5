/* See safetensors.h. What a file's tensors are, their canonical order, and writing. */
#include "runtime/core/checked.h"
#include "runtime/core/safetensors_parser.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  uint32_t bytes;
} dtype_info[SAFE_DTYPE_COUNT] = {
#define X(id, name, bytes) {name, bytes},
    SAFE_DTYPES(X)
#undef X
};

const char *safe_dtype_name(SafeDtype t) { return dtype_info[t].name; }
uint32_t safe_dtype_bytes(SafeDtype t) { return dtype_info[t].bytes; }

bool safe_text_eq(SafeText a, SafeText b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
bool safe_counts(const SafeTensor *t, const unsigned char *p) {
  uint64_t each = safe_dtype_bytes(t->dtype), n = t->hi - t->lo;
  for (uint64_t i = each - 1; i < n; i += each)
    if (p[i] & 0x80) return false; /* little-endian: the sign */
  return true;
}

int safe_text_cmp(SafeText a, SafeText b) {
  size_t n = a.n < b.n ? a.n : b.n;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  return c ? c : (a.n > b.n) - (a.n < b.n);
}

int safe_by_name(const void *a, const void *b) {
  return safe_text_cmp(((const SafeTensor *)a)->name, ((const SafeTensor *)b)->name);
}

bool safe_tensor_bytes(const SafeTensor *t, uint64_t *out) {
  *out = safe_dtype_bytes(t->dtype);
  for (uint32_t i = 0; i < t->rank; i++)
    if (!checked_mul(*out, t->dim[i], out)) return false;
  return true;
}

static int by_layout(const void *a, const void *b) {
  const SafeTensor *x = a, *y = b;
  uint32_t n = safe_dtype_bytes(x->dtype), m = safe_dtype_bytes(y->dtype);
  return n != m ? (n < m ? 1 : -1) : safe_text_cmp(x->name, y->name);
}

bool safe_layout(SafeTensor *t, size_t n) {
  if (n > 1) qsort(t, n, sizeof *t, safe_by_name);
  for (size_t i = 1; i < n; i++)
    if (safe_text_eq(t[i - 1].name, t[i].name)) return false;
  if (n > 1) qsort(t, n, sizeof *t, by_layout);
  uint64_t at = 0, bytes;
  for (size_t i = 0; i < n; i++) {
    if (t[i].rank > SAFE_MAX_RANK || !safe_tensor_bytes(&t[i], &bytes)) return false;
    t[i].lo = at;
    if (!checked_add(at, bytes, &at)) return false;
    t[i].hi = at;
  }
  return true;
}

static void put_z(SafeSink s, const char *z) { s.put(s.context, z, strlen(z)); }

static void put_number(SafeSink s, uint64_t v) {
  char z[24];
  snprintf(z, sizeof z, "%" PRIu64, v);
  put_z(s, z);
}

/* Quoted, with only what JSON demands escaped. */
static void put_text(SafeSink s, SafeText t) {
  put_z(s, "\"");
  size_t from = 0;
  for (size_t i = 0; i < t.n; i++) {
    unsigned char c = (unsigned char)t.p[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    char z[8];
    snprintf(z, sizeof z, c < 0x20 ? "\\u%04x" : "\\%c", c);
    s.put(s.context, t.p + from, i - from);
    put_z(s, z);
    from = i + 1;
  }
  s.put(s.context, t.p + from, t.n - from);
  put_z(s, "\"");
}

static void put_header(const SafeTensor *t, size_t n, const SafeMeta *meta, size_t nmeta, SafeSink s) {
  put_z(s, "{");
  if (nmeta) put_z(s, "\"" SAFE_META_KEY "\":{");
  for (size_t i = 0; i < nmeta; i++) {
    if (i) put_z(s, ",");
    put_text(s, meta[i].key);
    put_z(s, ":");
    put_text(s, meta[i].value);
  }
  if (nmeta) put_z(s, n ? "}," : "}");
  for (size_t i = 0; i < n; i++) {
    if (i) put_z(s, ",");
    put_text(s, t[i].name);
    put_z(s, ":{\"dtype\":\"");
    put_z(s, safe_dtype_name(t[i].dtype));
    put_z(s, "\",\"shape\":[");
    for (uint32_t a = 0; a < t[i].rank; a++) {
      if (a) put_z(s, ",");
      put_number(s, t[i].dim[a]);
    }
    put_z(s, "],\"data_offsets\":[");
    put_number(s, t[i].lo);
    put_z(s, ",");
    put_number(s, t[i].hi);
    put_z(s, "]}");
  }
  put_z(s, "}");
}

static void count_only(void *context, const char *p, size_t n) {
  (void)p;
  *(uint64_t *)context += n;
}

bool safe_write_header(const SafeTensor *t, size_t n, const SafeMeta *meta, size_t nmeta, SafeSink sink) {
  uint64_t bytes = 0;
  put_header(t, n, meta, nmeta, (SafeSink){count_only, &bytes});
  uint64_t padded = (bytes + 7) & ~UINT64_C(7);
  if (padded > SAFE_MAX_HEADER) return false;
  char length[8];
  for (int i = 0; i < 8; i++) length[i] = (char)(padded >> 8 * i);
  sink.put(sink.context, length, sizeof length);
  put_header(t, n, meta, nmeta, sink);
  sink.put(sink.context, "        ", (size_t)(padded - bytes));
  return true;
}
