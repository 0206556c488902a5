/* The first record of a CSV file: is it a header, and which columns are meant? */
#include "base/diag.h"
#include "base/size.h"
#include "runtime/host/csv.h"

#include <stdio.h>

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

/* A whole number below 2^31, or false. */
static bool index_of(Str s, uint32_t *out) {
  uint32_t v = 0;
  if (!s.n || s.n > 9) return false;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] < '0' || s.p[i] > '9') return false;
    v = v * 10 + (uint32_t)(s.p[i] - '0');
  }
  *out = v;
  return true;
}

/* "3" or "0:4"; no name unless the file has no such column. */
static bool indices_of(Str want, uint32_t *lo, uint32_t *hi) {
  const char *colon = want.n ? memchr(want.p, ':', want.n) : NULL;
  Str left = colon ? (Str){want.p, (size_t)(colon - want.p)} : want;
  if (!index_of(left, lo)) return false;
  if (!colon) return *hi = *lo + 1, true;
  return index_of((Str){colon + 1, want.n - left.n - 1}, hi);
}

/* Does a part name a field of the record? One that is an index of a column names none; one that could be an
 * index needs a record with names, and a name that is not found is said with those. */
static bool named(const Csv *c, const Str *field, uint32_t n, bool names) {
  uint32_t lo, hi;
  for (size_t i = 0; i < c->how->parts; i++) {
    bool index = indices_of(c->how->part[i], &lo, &hi);
    if (index && lo < hi && hi <= n) continue;
    if (names) return true;
    for (uint32_t k = 0; !index && k < n; k++)
      if (str_eq(field[k], c->how->part[i])) return true;
  }
  return false;
}

/* No row may be lost: a record with a number in it is a row, with bad fields perhaps, unless it is named. */
static bool is_header(const Csv *c, const Str *field, uint32_t n) {
  bool names = false, numbers = false;
  if (c->how->header != CSV_HEADER_AUTO) return c->how->header == CSV_HEADER_YES;
  for (uint32_t k = 0; k < n; k++) {
    numbers = numbers || csv_is_numeric(field[k]);
    names = names || csv_is_name(field[k]);
  }
  return (names && !numbers) || named(c, field, n, names);
}

/* Fields of the record at hand; the position moves behind it. */
static bool count_fields(Csv *c, uint32_t *n) {
  const char *from = c->at;
  int64_t line = c->line;
  *n = 0;
  for (bool last = false; !last; ++*n) {
    Str s;
    if (!csv_field(c, &s, &last) || !csv_length_fits(c, from, line)) return false;
  }
  return true;
}

static bool first_record(Csv *c) {
  const char *from = c->at;
  bool last = false;
  Str s;
  if (!count_fields(c, &c->columns)) return false;
  const char *behind = c->at;
  int64_t line = c->line;
  Str *f = ARENA_ARRAY(c->scratch, Str, c->columns);
  c->at = from, c->line = 1;
  for (uint32_t n = 0; n < c->columns; n++) {
    if (!csv_field(c, &s, &last)) return false;
    f[n] = unquote(c->scratch, csv_trim(s));
  }
  if (is_header(c, f, c->columns)) {
    c->head.at = f, c->head.n = c->head.cap = c->columns;
    c->at = behind, c->line = line;
  } else {
    c->at = from, c->line = 1;
  }
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
  uint32_t lo, hi;
  for (uint32_t i = 0; i < c->head.n; i++) {
    if (!str_eq(c->head.at[i], want)) continue;
    for (uint32_t k = i + 1; k < c->head.n; k++)
      if (str_eq(c->head.at[k], want))
        return host_fail(c->err, ST_BAD_DATA, "%s: columns %u and %u (counted from 0) are both named '%s'",
                         host_show(c->name).z, i, k, host_show(want).z);
    VEC_PUSH(c->scratch, &c->wanted, i);
    return true;
  }
  if (!indices_of(want, &lo, &hi)) {
    Str near = diag_nearest(want, c->head.at, c->head.n);
    HostShown found = host_show(want), hint = host_show(near);
    if (near.n)
      return host_fail(c->err, ST_BAD_DATA, "%s: no column is named '%s'; did you mean '%s'?",
                       host_show(c->name).z, found.z, hint.z);
    return host_fail(c->err, ST_BAD_DATA, "%s: no column is named '%s': %s", host_show(c->name).z, found.z,
                     header_text(c).z);
  }
  if (lo >= hi || hi > c->columns)
    return host_fail(c->err, ST_BAD_DATA, "%s: column %s is outside its %u columns (counted from 0)",
                     host_show(c->name).z, host_show(want).z, c->columns);
  for (; lo < hi; lo++) VEC_PUSH(c->scratch, &c->wanted, lo);
  return true;
}

bool csv_columns(Csv *c) {
  if (!first_record(c)) return false;
  for (size_t i = 0; i < c->how->parts; i++)
    if (!select_columns(c, c->how->part[i])) return false;
  for (uint32_t i = 0; c->how->parts == 0 && i < c->columns; i++) VEC_PUSH(c->scratch, &c->wanted, i);
  return true;
}

/* Elements of a row as the input has it; false: not known, or a row is no unit of it. */
static bool row_elements(const DataWant *w, size_t *n) {
  for (uint32_t i = 0; w && i < w->rank; i++)
    if (w->dim[i] < 0) return false;
  return w && !w->whole && size_product(w->dim, w->rank, n);
}

bool csv_head(Str name, Str head, bool cut, const DataOpen *how, bool *enough, HostError *err) {
  Csv c = {.cut = cut};
  uint32_t n;
  size_t want;
  *enough = true;
  if (!csv_begin(&c, name, head, how, NULL, err)) return false; /* nothing is kept: no memory is needed */
  const char *from = c.at;
  if (!count_fields(&c, &n)) {
    if (!c.out_of) return false;
    *enough = false;
    return csv_length_fits(&c, from, 1);
  }
  if (how->parts || !row_elements(how->want, &want) || want == n) return true;
  return data_fits(&(DataSource){.name = name, .rank = 2, .dim = {1, n}, .row_elements = n}, how->want->input,
                   how->want->dim, how->want->rank, err);
}
