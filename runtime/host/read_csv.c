/* CSV (RFC 4180): records of fields between delimiters, quoted fields with "" for a quote and line ends
 * inside. Every record has as many fields as the first. The text is passed over twice, to count and to
 * convert, so that only the result takes memory. Messages have line and column as an editor counts them: both
 * from 1. */
#include "base/diag.h"
#include "base/size.h"
#include "runtime/host/readers.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef VEC(uint32_t) Columns;
typedef struct Csv {
  Str name;
  const char *at, *end;
  char delimiter;
  uint64_t line; /* of `at`, from 1 */
  HostError *err;
  Arena *arena;
  const DataOpen *how;
  VEC(Str) head;    /* names of columns; empty without a header */
  uint32_t columns; /* of each record */
  Columns wanted;
  locale_t c_locale;
} Csv;

static bool fail_line(Csv *c, uint64_t line, const char *what) {
  return host_fail(c->err, ST_BAD_DATA, "%s:%llu: %s", host_show(c->name).z, (unsigned long long)line, what);
}

/* One field, without its quotes, and whether it is the last of its record. The position moves behind what
 * ends the field. */
static bool field(Csv *c, Str *out, bool *last) {
  const char *from = c->at;
  if (c->at < c->end && *c->at == '"') {
    uint64_t opened = c->line;
    for (from = ++c->at;; c->at++) {
      if (c->at == c->end) return fail_line(c, opened, "quote without an end");
      c->line += *c->at == '\n';
      if (*c->at != '"') continue;
      if (c->end - c->at < 2 || c->at[1] != '"') break;
      c->at++;
    }
    *out = (Str){from, (size_t)(c->at - from)};
    c->at++;
    if (c->end - c->at >= 2 && c->at[0] == '\r' && c->at[1] == '\n') c->at++;
    if (c->at < c->end && *c->at != c->delimiter && *c->at != '\n')
      return fail_line(c, c->line, "text behind a closing quote");
  } else {
    while (c->at < c->end && *c->at != c->delimiter && *c->at != '\n') {
      if (*c->at == '"') return fail_line(c, c->line, "quote inside a field without quotes");
      c->at++;
    }
    *out = (Str){from, (size_t)(c->at - from)};
    if ((c->at == c->end || *c->at == '\n') && out->n && out->p[out->n - 1] == '\r') out->n--;
  }
  *last = c->at == c->end || *c->at == '\n';
  if (c->at < c->end) {
    c->line += *c->at == '\n';
    c->at++;
  }
  return true;
}

/* Nothing but line ends from here on. */
static bool at_end(const Csv *c) {
  const char *p = c->at;
  while (p < c->end && (*p == '\n' || *p == '\r')) p++;
  return p == c->end;
}

/* The next record into `f` (c->columns entries). */
static bool record(Csv *c, Str *f, uint64_t *line) {
  uint32_t n = 0;
  *line = c->line;
  for (bool last = false; !last; n++) {
    Str s;
    if (!field(c, &s, &last)) return false;
    if (n < c->columns) f[n] = s;
  }
  if (n == c->columns) return true;
  return host_fail(c->err, ST_BAD_DATA, "%s:%llu: %u fields expected as in the first record, found %u",
                   host_show(c->name).z, (unsigned long long)*line, c->columns, n);
}

static Str trim(Str s) {
  while (s.n && (*s.p == ' ' || *s.p == '\t')) s.p++, s.n--;
  while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
  return s;
}

static bool digit(Str s, size_t i) { return i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; }

/* [+-] digits [. digits] [e [+-] digits], a digit before or after the point. `whole`: sign and digits only.
 */
static bool is_number(Str s, bool whole) {
  size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+'), from = i, points = 0;
  for (; digit(s, i) || (!whole && points == 0 && i < s.n && s.p[i] == '.'); i++) points += s.p[i] == '.';
  if (i - from == points) return false;
  if (whole || i == s.n) return i == s.n;
  if ((s.p[i] | 32) != 'e') return false;
  i++;
  if (i < s.n && (s.p[i] == '-' || s.p[i] == '+')) i++;
  if (!digit(s, i)) return false;
  while (digit(s, i)) i++;
  return i == s.n;
}

/* NaN and infinities as the common writers spell them. */
static bool is_non_finite(Str s, double *out) {
  static const struct {
    const char *z;
    double value;
  } word[] = {{"nan", NAN}, {"na", NAN}, {"inf", INFINITY}, {"infinity", INFINITY}, {"", NAN}};
  bool minus = s.n && s.p[0] == '-';
  if (s.n && (minus || s.p[0] == '+')) s.p++, s.n--;
  for (size_t k = 0; k < sizeof word / sizeof word[0]; k++) {
    size_t i = 0;
    if (s.n != strlen(word[k].z)) continue;
    while (i < s.n && (s.p[i] | 32) == word[k].z[i]) i++;
    if (i == s.n) return *out = minus ? -word[k].value : word[k].value, true;
  }
  return false;
}

/* Converts one field to the wanted type at `to`; the reason when it cannot be. */
static const char *convert(Csv *c, Str s, char *to) {
  enum { LONGEST = 400 }; /* the longest exact decimal that matters is longer, but nobody writes one */
  char z[LONGEST + 1];
  double special;
  DataType t = c->how->type;
  bool whole = t == DATA_I32 || t == DATA_I64;
  s = trim(s);
  if (!whole && is_non_finite(s, &special)) {
    if (!c->how->allow_non_finite) return s.n ? "is not finite" : "is empty";
    float f = (float)special;
    memcpy(to, t == DATA_F32 ? (void *)&f : (void *)&special, data_type_bytes(t));
    return NULL;
  }
  if (!is_number(s, whole))
    return s.n == 0 ? "is empty" : whole ? "is not a whole number" : "is not a number";
  if (s.n > LONGEST) return "is too long for a number";
  memcpy(z, s.p, s.n);
  z[s.n] = 0;
  if (whole) {
    errno = 0;
    long long v = strtoll(z, NULL, 10); /* digits only: the locale has no say */
    if (errno || (t == DATA_I32 && (v < INT32_MIN || v > INT32_MAX)))
      return t == DATA_I32 ? "does not fit i32" : "does not fit i64";
    int32_t small = (int32_t)v;
    int64_t large = v;
    memcpy(to, t == DATA_I32 ? (void *)&small : (void *)&large, data_type_bytes(t));
    return NULL;
  }
  float f =
      t == DATA_F32 ? strtof_l(z, NULL, c->c_locale) : 0; /* not through double: that would round twice */
  double d = t == DATA_F64 ? strtod_l(z, NULL, c->c_locale) : 0;
  if (isinf(f) || isinf(d)) return t == DATA_F32 ? "does not fit f32" : "does not fit f64";
  memcpy(to, t == DATA_F32 ? (void *)&f : (void *)&d, data_type_bytes(t));
  return NULL;
}

static char guess_delimiter(const Csv *c) {
  static const char known[] = {',', ';', '\t'};
  uint64_t count[sizeof known] = {0};
  bool quoted = false;
  size_t best = 0;
  for (const char *p = c->at; p < c->end && (quoted || *p != '\n'); p++) {
    quoted ^= *p == '"';
    for (size_t i = 0; i < sizeof known && !quoted; i++) count[i] += *p == known[i];
  }
  for (size_t i = 1; i < sizeof known; i++)
    if (count[i] > count[best]) best = i;
  return known[best];
}

/* Text of a quoted field with "" made one quote again. */
static Str unquote(Arena *a, Str s) {
  if (!s.n || !memchr(s.p, '"', s.n)) return s;
  char *p = ARENA_ARRAY(a, char, s.n);
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) {
    p[n++] = s.p[i];
    if (s.p[i] == '"') i++;
  }
  return (Str){p, n};
}

/* Reads the first record: number of columns, and their names if it is a header (the position is then behind
 * it). */
static bool first_record(Csv *c) {
  const char *from = c->at;
  bool header = c->how->header == CSV_HEADER_YES;
  VEC(Str) f = {0};
  for (bool last = false; !last;) {
    Str s;
    double special;
    if (!field(c, &s, &last)) return false;
    VEC_PUSH(c->arena, &f, unquote(c->arena, trim(s)));
    if (c->how->header == CSV_HEADER_AUTO && !is_number(trim(s), false) && !is_non_finite(trim(s), &special))
      header = true;
  }
  c->columns = f.n;
  if (header) {
    c->head.at = f.at, c->head.n = c->head.cap = f.n;
  } else {
    c->at = from;
    c->line = 1;
  }
  return true;
}

/* A whole number below 2^31, or false. */
static bool index_of(Str s, uint32_t *out) {
  uint32_t v = 0;
  if (!s.n || s.n > 9) return false;
  for (size_t i = 0; i < s.n; i++) {
    if (!digit(s, i)) return false;
    v = v * 10 + (uint32_t)(s.p[i] - '0');
  }
  *out = v;
  return true;
}

/* "it has a, b, c" or why there are no names. */
static HostShown header_text(const Csv *c) {
  HostShown s = {"its first line has numbers, so it has no names: columns are 0, 1, ..."};
  size_t n = 0;
  for (uint32_t i = 0; i < c->head.n && n + 64 < sizeof s.z; i++)
    n += (size_t)snprintf(s.z + n, sizeof s.z - n, "%s%.60s", i ? ", " : "it has ",
                          host_show(c->head.at[i]).z);
  return s;
}

/* One selector: a name of the header, an index, or a range of indices. */
static bool select_columns(Csv *c, Str want) {
  uint32_t lo, hi = 0;
  for (uint32_t i = 0; i < c->head.n; i++) {
    if (!str_eq(c->head.at[i], want)) continue;
    for (uint32_t k = i + 1; k < c->head.n; k++)
      if (str_eq(c->head.at[k], want))
        return host_fail(c->err, ST_BAD_DATA, "%s: columns %u and %u (counted from 0) are both named '%s'",
                         host_show(c->name).z, i, k, host_show(want).z);
    VEC_PUSH(c->arena, &c->wanted, i);
    return true;
  }
  const char *colon = want.n ? memchr(want.p, ':', want.n) : NULL;
  Str left = colon ? (Str){want.p, (size_t)(colon - want.p)} : want;
  if (!index_of(left, &lo) || (colon && !index_of((Str){colon + 1, want.n - left.n - 1}, &hi))) {
    Str near = diag_nearest(want, c->head.at, c->head.n);
    HostShown found = host_show(want), hint = host_show(near);
    if (near.n)
      return host_fail(c->err, ST_BAD_DATA, "%s: no column is named '%s'; did you mean '%s'?",
                       host_show(c->name).z, found.z, hint.z);
    return host_fail(c->err, ST_BAD_DATA, "%s: no column is named '%s': %s", host_show(c->name).z, found.z,
                     header_text(c).z);
  }
  if (!colon) hi = lo + 1;
  if (lo >= hi || hi > c->columns)
    return host_fail(c->err, ST_BAD_DATA, "%s: column %s is outside its %u columns (counted from 0)",
                     host_show(c->name).z, host_show(want).z, c->columns);
  for (; lo < hi; lo++) VEC_PUSH(c->arena, &c->wanted, lo);
  return true;
}

static bool fail_value(Csv *c, uint64_t line, uint32_t column, Str s, const char *why) {
  HostShown file = host_show(c->name), text = host_show(s),
            name = host_show(c->head.n ? c->head.at[column] : STR(""));
  return host_fail(c->err, ST_BAD_DATA, "%s:%llu: column %u%s%s%s: '%s' %s", file.z, (unsigned long long)line,
                   column + 1, c->head.n ? " '" : "", name.z, c->head.n ? "'" : "", text.z, why);
}

static bool convert_all(Csv *c, Str *f, int64_t rows, char *to) {
  size_t step = data_type_bytes(c->how->type);
  for (int64_t r = 0; r < rows; r++) {
    uint64_t line;
    if (!record(c, f, &line)) return false;
    for (uint32_t k = 0; k < c->wanted.n; k++, to += step) {
      const char *why = convert(c, f[c->wanted.at[k]], to);
      if (why) return fail_value(c, line, c->wanted.at[k], f[c->wanted.at[k]], why);
    }
  }
  return true;
}

bool read_csv(Arena *a, Str name, Str text, const DataOpen *how, DataSource *out, HostError *err) {
  HostShown file = host_show(name);
  Csv c = {.name = name, .at = text.p, .end = text.p + text.n, .line = 1, .err = err, .arena = a, .how = how};
  if (how->type != DATA_F32 && how->type != DATA_F64 && how->type != DATA_I32 && how->type != DATA_I64)
    return host_fail(err, ST_USAGE, "%s: numbers of a CSV file are read as f32, f64, i32 or i64, not as %s",
                     file.z, data_type_name(how->type));
  if (str_starts(text, STR("\xef\xbb\xbf"))) c.at += 3;
  if (at_end(&c)) return host_fail(err, ST_BAD_DATA, "%s: empty: at least one row expected", file.z);
  c.delimiter = how->delimiter ? how->delimiter : guess_delimiter(&c);
  if (!first_record(&c)) return false;
  for (size_t i = 0; i < how->columns; i++)
    if (!select_columns(&c, how->column[i])) return false;
  for (uint32_t i = 0; how->columns == 0 && i < c.columns; i++) VEC_PUSH(a, &c.wanted, i);
  if (at_end(&c))
    return host_fail(err, ST_BAD_DATA, "%s: a header without rows: at least one row expected", file.z);

  Str *f = ARENA_ARRAY(a, Str, c.columns);
  Csv start = c;
  int64_t rows = 0;
  for (; !at_end(&c); rows++) {
    uint64_t line;
    if (!record(&c, f, &line)) return false;
  }
  out->type = how->type;
  out->rank = how->columns && c.wanted.n == 1 ? 1 : 2;
  out->dim[0] = rows;
  if (out->rank == 2) out->dim[1] = c.wanted.n;
  size_t bytes;
  if (!source_finish(out, err)) return false;
  if (!size_mul((size_t)rows, out->row_bytes, &bytes))
    return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
  char *to = ARENA_ARRAY(a, char, bytes);
  c = start;
  c.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* the host's locale may write a decimal comma */
  if (!c.c_locale) mem_raise(a->mem, ST_NO_MEMORY, "no memory for reading numbers");
  bool ok = convert_all(&c, f, rows, to);
  freelocale(c.c_locale);
  out->rows = to;
  return ok;
}
