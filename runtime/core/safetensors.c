/* See safetensors.h. The header is read twice by one parser of exactly this schema: first to count, then to
 * fill tables of known size. Its depth is fixed, so hostile nesting is just a wrong character. */
#include "runtime/core/safetensors.h"

#include "runtime/core/checked.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAFE_META_KEY "__metadata__"

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
static bool text_is(SafeText a, const char *z) { return safe_text_eq(a, (SafeText){z, strlen(z)}); }
static int text_cmp(SafeText a, SafeText b) {
  size_t n = a.n < b.n ? a.n : b.n;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  return c ? c : (a.n > b.n) - (a.n < b.n);
}

typedef struct Parser {
  const unsigned char *file, *at, *end; /* at .. end: what is left of the header */
  SafeMemory memory;
  SafeError *err;
  SafeResult result;
  SafeFile *out; /* NULL while counting */
  size_t tensors, metas;
} Parser;

/* The first failure counts. Always false. */
static bool __attribute__((format(printf, 3, 4))) fail_at(Parser *p, const unsigned char *at, const char *fmt,
                                                          ...) {
  if (p->result != SAFE_OK) return false;
  p->result = SAFE_BAD;
  p->err->at = (uint64_t)(at - p->file);
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(p->err->what, sizeof p->err->what, fmt, ap);
  va_end(ap);
  return false;
}

/* Text for a message: at most 40 bytes, all but printable ASCII as \xNN. */
typedef struct Shown {
  char z[4 * 40 + 4];
} Shown;
static Shown show(SafeText t) {
  Shown s;
  size_t n = 0;
  for (size_t i = 0; i < t.n && i < 40; i++) {
    unsigned char c = (unsigned char)t.p[i];
    if (c >= 0x20 && c < 0x7f && c != '\\')
      s.z[n++] = (char)c;
    else
      n += (size_t)snprintf(s.z + n, 5, "\\x%02x", c);
  }
  snprintf(s.z + n, 4, "%s", t.n > 40 ? "..." : "");
  return s;
}

static void skip_space(Parser *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) p->at++;
}

static bool expect(Parser *p, char c) {
  skip_space(p);
  if (p->at < p->end && *p->at == c) return p->at++, true;
  if (p->at == p->end) return fail_at(p, p->at, "header ends where '%c' is expected", c);
  return fail_at(p, p->at, "'%c' expected in the header, found byte 0x%02x", c, *p->at);
}

/* After an element of a list: ',' goes on, `close` ends. */
static bool more(Parser *p, char close, bool *go_on) {
  skip_space(p);
  if (p->at < p->end && *p->at == ',') return p->at++, *go_on = true;
  *go_on = false;
  return expect(p, close);
}

/* True if the next character is `close` (then taken): an empty list. */
static bool closes(Parser *p, char close) {
  skip_space(p);
  if (p->at == p->end || *p->at != close) return false;
  return p->at++, true;
}

/* Decimal digits without sign, leading zero, fraction or exponent. */
static bool parse_number(Parser *p, uint64_t *out) {
  skip_space(p);
  const unsigned char *from = p->at;
  uint64_t v = 0;
  for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
    if (!checked_mul(v, 10, &v) || !checked_add(v, (uint64_t)(*p->at - '0'), &v))
      return fail_at(p, from, "number does not fit 64 bits");
  if (p->at == from) return fail_at(p, from, "a whole number is expected");
  if (*from == '0' && p->at - from > 1) return fail_at(p, from, "number with a leading zero");
  *out = v;
  return true;
}

/* Length of the well-formed UTF-8 sequence at s (Unicode table 3-7), 0 if there is none. */
static size_t utf8_length(const unsigned char *s, const unsigned char *end) {
  size_t n = *s < 0x80                 ? 1
             : *s >= 0xc2 && *s < 0xe0 ? 2
             : *s >= 0xe0 && *s < 0xf0 ? 3
             : *s >= 0xf0 && *s < 0xf5 ? 4
                                       : 0;
  if (n == 0 || (size_t)(end - s) < n) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
      (*s == 0xf4 && s[1] > 0x8f))
    return 0;
  return n;
}

static size_t utf8_put(char *to, uint32_t c) {
  if (c < 0x80) return to[0] = (char)c, 1;
  if (c < 0x800) return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
  if (c < 0x10000)
    return to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63)),
           to[2] = (char)(0x80 | (c & 63)), 3;
  to[0] = (char)(0xf0 | c >> 18), to[1] = (char)(0x80 | (c >> 12 & 63));
  to[2] = (char)(0x80 | (c >> 6 & 63)), to[3] = (char)(0x80 | (c & 63));
  return 4;
}

/* The four hex digits of \uXXXX. */
static bool parse_hex4(Parser *p, uint32_t *out) {
  uint32_t v = 0;
  if (p->end - p->at < 4) return fail_at(p, p->at, "header ends inside an escape");
  for (int i = 0; i < 4; i++, p->at++) {
    unsigned char c = *p->at;
    uint32_t d = c >= '0' && c <= '9'                 ? (uint32_t)c - '0'
                 : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)(c | 32) - 'a' + 10
                                                      : 16;
    if (d == 16) return fail_at(p, p->at, "byte 0x%02x is no hexadecimal digit of an escape", c);
    v = v << 4 | d;
  }
  *out = v;
  return true;
}

/* One escape after the backslash, as a code point. */
static bool parse_escape(Parser *p, uint32_t *out) {
  const unsigned char *from = p->at;
  if (p->at == p->end) return fail_at(p, from, "header ends inside an escape");
  static const char plain[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
  const char *hit = *p->at ? strchr(plain, *p->at) : NULL;
  if (hit) return p->at++, *out = (uint32_t)means[hit - plain], true;
  if (*p->at++ != 'u') return fail_at(p, from, "unknown escape with byte 0x%02x", *from);
  uint32_t c = 0, low = 0;
  if (!parse_hex4(p, &c)) return false;
  if (c == 0) return fail_at(p, from, "a name or text holds the character NUL");
  if (c >= 0xdc00 && c < 0xe000) return fail_at(p, from, "half of a surrogate pair");
  if (c >= 0xd800 && c < 0xdc00) {
    if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
      return fail_at(p, from, "half of a surrogate pair");
    p->at += 2;
    if (!parse_hex4(p, &low)) return false;
    if (low < 0xdc00 || low >= 0xe000) return fail_at(p, from, "half of a surrogate pair");
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  }
  *out = c;
  return true;
}

/* A string. Without escapes the text is the file's own bytes; with escapes it is built in memory, which
 * counting does not need except to compare keys, so `build` says whether the text is wanted. */
static bool parse_text(Parser *p, bool build, SafeText *out) {
  if (!expect(p, '"')) return false;
  const unsigned char *from = p->at;
  bool escaped = false;
  while (p->at < p->end && *p->at != '"') {
    if (*p->at == '\\') {
      uint32_t c;
      escaped = true;
      p->at++;
      if (!parse_escape(p, &c)) return false;
      continue;
    }
    size_t n = utf8_length(p->at, p->end);
    if (*p->at < 0x20 || n == 0) return fail_at(p, p->at, "byte 0x%02x inside a text of the header", *p->at);
    p->at += n;
  }
  if (p->at == p->end) return fail_at(p, from, "text without closing quote");
  const unsigned char *to = p->at++;
  *out = (SafeText){(const char *)from, (size_t)(to - from)};
  if (!escaped || !build) return true;
  char *text =
      p->memory.get(p->memory.context, out->n); /* an escape is never shorter than what it stands for */
  if (!text) return p->result = SAFE_NO_MEMORY, false;
  Parser again = *p;
  size_t n = 0;
  for (again.at = from, again.end = to; again.at < to;) {
    uint32_t c;
    if (*again.at != '\\') {
      text[n++] = (char)*again.at++;
      continue;
    }
    again.at++;
    if (!parse_escape(&again, &c)) return false;
    n += utf8_put(text + n, c);
  }
  *out = (SafeText){text, n};
  return true;
}

static bool parse_metadata(Parser *p) {
  if (!expect(p, '{')) return false;
  if (closes(p, '}')) return true;
  for (bool go_on = true; go_on;) {
    SafeMeta m;
    skip_space(p);
    const unsigned char *at = p->at;
    if (!parse_text(p, p->out != NULL, &m.key) || !expect(p, ':') || !parse_text(p, p->out != NULL, &m.value))
      return false;
    if (p->out) {
      for (size_t i = 0; i < p->metas && p->metas < 64; i++)
        if (safe_text_eq(p->out->meta[i].key, m.key))
          return fail_at(p, at, "metadata '%s' stands twice", show(m.key).z);
      p->out->meta[p->metas] = m;
    }
    if (++p->metas > 64) return fail_at(p, at, "more than 64 metadata entries");
    if (!more(p, '}', &go_on)) return false;
  }
  return true;
}

static bool parse_shape(Parser *p, SafeTensor *t) {
  if (!expect(p, '[')) return false;
  if (closes(p, ']')) return true;
  for (bool go_on = true; go_on;) {
    skip_space(p);
    if (t->rank == SAFE_MAX_RANK)
      return fail_at(p, p->at, "tensor '%s' has more than %d axes", show(t->name).z, SAFE_MAX_RANK);
    if (!parse_number(p, &t->dim[t->rank])) return false;
    t->rank++;
    if (!more(p, ']', &go_on)) return false;
  }
  return true;
}

static bool parse_dtype(Parser *p, SafeTensor *t) {
  SafeText name;
  skip_space(p);
  const unsigned char *at = p->at;
  if (!parse_text(p, true, &name)) return false;
  for (int i = 0; i < SAFE_DTYPE_COUNT; i++)
    if (text_is(name, dtype_info[i].name)) return t->dtype = (SafeDtype)i, true;
  return fail_at(p, at, "tensor '%s' has unknown type '%s'", show(t->name).z, show(name).z);
}

/* Bytes of a tensor by type and shape. */
static bool tensor_bytes(const SafeTensor *t, uint64_t *out) {
  *out = safe_dtype_bytes(t->dtype);
  for (uint32_t i = 0; i < t->rank; i++)
    if (!checked_mul(*out, t->dim[i], out)) return false;
  return true;
}

static bool parse_tensor(Parser *p, SafeTensor *t, uint64_t data_bytes, uint64_t data_at) {
  enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
  unsigned seen = 0;
  const unsigned char *from = p->at;
  if (!expect(p, '{')) return false;
  if (!closes(p, '}')) {
    for (bool go_on = true; go_on;) {
      SafeText key;
      skip_space(p);
      const unsigned char *at = p->at;
      if (!parse_text(p, true, &key) || !expect(p, ':')) return false;
      unsigned k = text_is(key, "dtype")          ? DTYPE
                   : text_is(key, "shape")        ? SHAPE
                   : text_is(key, "data_offsets") ? OFFSETS
                                                  : 0;
      if (!k) return fail_at(p, at, "tensor '%s' has an unknown entry '%s'", show(t->name).z, show(key).z);
      if (seen & k) return fail_at(p, at, "tensor '%s' has two entries '%s'", show(t->name).z, show(key).z);
      seen |= k;
      if (k == DTYPE && !parse_dtype(p, t)) return false;
      if (k == SHAPE && !parse_shape(p, t)) return false;
      if (k == OFFSETS && !(expect(p, '[') && parse_number(p, &t->lo) && expect(p, ',') &&
                            parse_number(p, &t->hi) && expect(p, ']')))
        return false;
      if (!more(p, '}', &go_on)) return false;
    }
  }
  Shown name = show(t->name);
  if (!(seen & DTYPE)) return fail_at(p, from, "tensor '%s' has no entry 'dtype'", name.z);
  if (!(seen & SHAPE)) return fail_at(p, from, "tensor '%s' has no entry 'shape'", name.z);
  if (!(seen & OFFSETS)) return fail_at(p, from, "tensor '%s' has no entry 'data_offsets'", name.z);
  uint64_t need, place;
  if (!tensor_bytes(t, &need)) return fail_at(p, from, "size of tensor '%s' does not fit 64 bits", name.z);
  if (t->lo > t->hi) return fail_at(p, from, "tensor '%s' ends before it begins", name.z);
  if (t->hi > data_bytes)
    return fail_at(p, from, "tensor '%s' ends at byte %" PRIu64 ", the file has %" PRIu64 " bytes of data",
                   name.z, t->hi, data_bytes);
  if (t->hi - t->lo != need)
    return fail_at(p, from, "tensor '%s' has %" PRIu64 " bytes, its type and shape need %" PRIu64, name.z,
                   t->hi - t->lo, need);
  if (!checked_add(data_at, t->lo, &place) || place % safe_dtype_bytes(t->dtype))
    return fail_at(p, from, "tensor '%s' is not aligned to its element size", name.z);
  return true;
}

static bool parse_header(Parser *p, uint64_t data_bytes, uint64_t data_at) {
  if (p->at == p->end || *p->at != '{') return fail_at(p, p->at, "header does not begin with '{'");
  p->at++;
  bool has_meta = false;
  if (!closes(p, '}')) {
    for (bool go_on = true; go_on;) {
      SafeTensor t = {0};
      skip_space(p);
      const unsigned char *at = p->at;
      if (!parse_text(p, true, &t.name) || !expect(p, ':')) return false;
      if (text_is(t.name, SAFE_META_KEY)) {
        if (has_meta) return fail_at(p, at, "two entries '" SAFE_META_KEY "'");
        has_meta = true;
        if (!parse_metadata(p)) return false;
      } else {
        skip_space(p);
        if (!parse_tensor(p, &t, data_bytes, data_at)) return false;
        if (p->out) p->out->tensor[p->tensors] = t;
        p->tensors++;
      }
      if (!more(p, '}', &go_on)) return false;
    }
  }
  for (; p->at < p->end; p->at++)
    if (*p->at != ' ') return fail_at(p, p->at, "byte 0x%02x after the header's end", *p->at);
  return true;
}

static int by_name(const void *a, const void *b) {
  return text_cmp(((const SafeTensor *)a)->name, ((const SafeTensor *)b)->name);
}
static int by_place(const void *a, const void *b) {
  const SafeTensor *x = a, *y = b;
  if (x->lo != y->lo) return x->lo < y->lo ? -1 : 1;
  if (x->hi != y->hi) return x->hi < y->hi ? -1 : 1;
  return text_cmp(x->name, y->name);
}

/* Unique names; in order of place, each tensor begins where the one before ends and the last ends with the
 * file. */
static bool check_tiling(Parser *p, SafeFile *f) {
  const unsigned char *data = f->data;
  if (f->tensors > 1) qsort(f->tensor, f->tensors, sizeof f->tensor[0], by_name);
  for (size_t i = 1; i < f->tensors; i++)
    if (safe_text_eq(f->tensor[i - 1].name, f->tensor[i].name))
      return fail_at(p, p->file + 8, "two tensors are named '%s'", show(f->tensor[i].name).z);
  if (f->tensors > 1) qsort(f->tensor, f->tensors, sizeof f->tensor[0], by_place);
  uint64_t end = 0;
  for (size_t i = 0; i < f->tensors; i++) {
    const SafeTensor *t = &f->tensor[i];
    if (t->lo < end)
      return fail_at(p, data + t->lo, "tensor '%s' overlaps the one before it", show(t->name).z);
    if (t->lo > end)
      return fail_at(p, data + end, "%" PRIu64 " bytes before tensor '%s' belong to none", t->lo - end,
                     show(t->name).z);
    end = t->hi;
  }
  if (end != f->data_bytes)
    return fail_at(p, data + end, "%" PRIu64 " bytes after the last tensor", f->data_bytes - end);
  return true;
}

SafeResult safe_parse(const void *bytes, size_t n, SafeMemory memory, SafeFile *out, SafeError *err) {
  const unsigned char *file = bytes;
  Parser start = {.file = file, .at = file, .end = file + n, .memory = memory, .err = err};
  *out = (SafeFile){0};
  *err = (SafeError){0};
  if (n < 8) return fail_at(&start, file, "%zu bytes, a safetensors file has at least 8", n), start.result;
  uint64_t header = 0;
  for (int i = 7; i >= 0; i--) header = header << 8 | file[i];
  if (header > SAFE_MAX_HEADER)
    return fail_at(&start, file, "no safetensors file: header of %" PRIu64 " bytes, at most %u are accepted",
                   header, SAFE_MAX_HEADER),
           start.result;
  if (header > n - 8)
    return fail_at(&start, file, "header of %" PRIu64 " bytes, the file has %zu after its length", header,
                   n - 8),
           start.result;
  start.at = file + 8;
  start.end = start.at + header;
  SafeFile f = {.data = start.end, .data_bytes = n - 8 - header};
  Parser p = start;
  if (!parse_header(&p, f.data_bytes, 8 + header)) return p.result;
  uint64_t tensor_table, meta_table;
  if (!checked_mul(p.tensors, sizeof(SafeTensor), &tensor_table) ||
      !checked_mul(p.metas, sizeof(SafeMeta), &meta_table))
    return SAFE_NO_MEMORY;
  f.tensors = p.tensors;
  f.metas = p.metas;
  if (f.tensors && !(f.tensor = memory.get(memory.context, tensor_table))) return SAFE_NO_MEMORY;
  if (f.metas && !(f.meta = memory.get(memory.context, meta_table))) return SAFE_NO_MEMORY;
  p = start;
  p.out = &f;
  if (!parse_header(&p, f.data_bytes, 8 + header) || !check_tiling(&p, &f)) return p.result;
  *out = f;
  return SAFE_OK;
}

static int by_layout(const void *a, const void *b) {
  const SafeTensor *x = a, *y = b;
  uint32_t n = safe_dtype_bytes(x->dtype), m = safe_dtype_bytes(y->dtype);
  return n != m ? (n < m ? 1 : -1) : text_cmp(x->name, y->name);
}

bool safe_layout(SafeTensor *t, size_t n) {
  if (n > 1) qsort(t, n, sizeof *t, by_name);
  for (size_t i = 1; i < n; i++)
    if (safe_text_eq(t[i - 1].name, t[i].name)) return false;
  if (n > 1) qsort(t, n, sizeof *t, by_layout);
  uint64_t at = 0, bytes;
  for (size_t i = 0; i < n; i++) {
    if (t[i].rank > SAFE_MAX_RANK || !tensor_bytes(&t[i], &bytes)) return false;
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
