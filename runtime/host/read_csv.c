/* CSV to rows. The text is passed over twice, to count and to convert, so that only the result takes memory.
 */
#include "base/size.h"
#include "runtime/host/csv.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

/* Converts one field to the wanted type at `to`; the reason when it cannot be. */
static const char *convert(const Csv *c, Str s, locale_t c_locale, char *to) {
  enum { LONGEST = 400 }; /* the longest exact decimal that matters is longer, but nobody writes one */
  char z[LONGEST + 1];
  double special;
  DataType t = c->how->type;
  bool whole = t == DATA_I32 || t == DATA_I64;
  s = csv_trim(s);
  if (!whole && csv_is_non_finite(s, &special)) {
    if (!c->how->allow_non_finite) return s.n ? "is not finite" : "is empty";
    float f = (float)special;
    memcpy(to, t == DATA_F32 ? (void *)&f : (void *)&special, data_type_bytes(t));
    return NULL;
  }
  if (!csv_is_number(s, whole))
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
  float f = t == DATA_F32 ? strtof_l(z, NULL, c_locale) : 0; /* not through double: that would round twice */
  double d = t == DATA_F64 ? strtod_l(z, NULL, c_locale) : 0;
  if (isinf(f) || isinf(d)) return t == DATA_F32 ? "does not fit f32" : "does not fit f64";
  memcpy(to, t == DATA_F32 ? (void *)&f : (void *)&d, data_type_bytes(t));
  return NULL;
}

static bool fail_value(const Csv *c, int64_t line, uint32_t column, Str s, const char *why) {
  bool first = !c->head.n && line == 1 && c->how->header == CSV_HEADER_AUTO;
  HostShown file = host_show(c->name), text = host_show(s),
            name = host_show(c->head.n ? c->head.at[column] : STR(""));
  return host_fail(
      c->err, ST_BAD_DATA, "%s:%lld: column %u%s%s%s: '%s' %s%s", file.z, (long long)line, column + 1,
      c->head.n ? " '" : "", name.z, c->head.n ? "'" : "", text.z, why,
      first ? " (a first line is a header where it has names and no number, where 'column' names one of its "
              "fields, or with header = true)"
            : "");
}

static bool convert_all(Csv *c, Str *f, int64_t rows, locale_t c_locale, char *to) {
  size_t step = data_type_bytes(c->how->type);
  for (int64_t r = 0; r < rows; r++) {
    int64_t line;
    if (!csv_record(c, f, &line)) return false;
    for (uint32_t k = 0; k < c->wanted.n; k++, to += step) {
      const char *why = convert(c, f[c->wanted.at[k]], c_locale, to);
      if (why) return fail_value(c, line, c->wanted.at[k], f[c->wanted.at[k]], why);
    }
  }
  return true;
}

/* Where values stand in the file, for messages about them. */
static void places(Arena *a, const Csv *c, DataSource *out) {
  uint32_t *column = ARENA_ARRAY(a, uint32_t, c->wanted.n);
  Str *name = c->head.n ? ARENA_ARRAY(a, Str, c->wanted.n) : NULL;
  for (uint32_t k = 0; k < c->wanted.n; k++) {
    column[k] = c->wanted.at[k];
    if (name) name[k] = str_copy(a, c->head.at[column[k]]);
  }
  out->column = column, out->column_name = name;
}

/* Rows from here on; out->line when each has one line. */
static bool count_rows(Csv c, Str *f, DataSource *out) {
  int64_t rows = 0, first = c.line, line;
  bool one_each = true;
  for (; !csv_at_end(&c); rows++) {
    if (!csv_record(&c, f, &line)) return false;
    one_each = one_each && line == first + rows;
  }
  out->dim[0] = rows;
  out->line = one_each ? first : 0;
  return true;
}

bool read_csv(Arena *a, Arena *scratch, Str text, const DataOpen *how, DataSource *out, HostError *err) {
  HostShown file = host_show(out->name);
  Csv c = {0};
  size_t bytes;
  if (how->type != DATA_F32 && how->type != DATA_F64 && how->type != DATA_I32 && how->type != DATA_I64)
    return host_fail(err, ST_USAGE, "%s: numbers of a CSV file are read as f32, f64, i32 or i64, not as %s",
                     file.z, data_type_name(how->type));
  if (!csv_begin(&c, out->name, text, how, scratch, err) || !csv_columns(&c)) return false;
  if (csv_at_end(&c))
    return host_fail(err, ST_BAD_DATA, "%s: a header without rows: at least one row expected", file.z);
  Str *f = ARENA_ARRAY(scratch, Str, c.columns);
  if (!count_rows(c, f, out)) return false;
  out->type = how->type;
  out->rank = how->parts && c.wanted.n == 1 ? 1 : 2;
  if (out->rank == 2) out->dim[1] = c.wanted.n;
  if (!source_finish(out, err)) return false;
  if (!size_mul((size_t)out->dim[0], out->row_bytes, &bytes))
    return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
  places(a, &c, out);
  char *to = ARENA_ARRAY(a, char, bytes);
  locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* the host's may write a decimal comma */
  if (!c_locale) mem_raise(a->mem, ST_NO_MEMORY, "no memory for reading numbers");
  bool ok = convert_all(&c, f, out->dim[0], c_locale, to);
  freelocale(c_locale);
  out->rows = to;
  return ok;
}
