/* Records and fields of CSV text, and what a field can be. */
#include "runtime/host/csv.h"

#include <math.h>
#include <stdio.h>

static bool fail_line(Csv *c, int64_t line, const char *what) {
  return host_fail(c->err, ST_BAD_DATA, "%s:%lld: %s", host_show(c->name).z, (long long)line, what);
}

bool csv_length_fits(Csv *c, const char *from, int64_t line) {
  if (c->at - from <= c->how->limit.line_bytes) return true;
  return host_fail(c->err, ST_LIMIT,
                   "%s:%lld: a record of more than the %lld bytes that the limit 'line_bytes' allows",
                   host_show(c->name).z, (long long)line, (long long)c->how->limit.line_bytes);
}

/* The text ends inside a record: it is over, or more of it is needed. */
static bool fail_cut(Csv *c, int64_t line, const char *what) {
  if (c->cut) return c->out_of = true, false;
  return fail_line(c, line, what);
}

static bool quoted_field(Csv *c, Str *out) {
  int64_t opened = c->line;
  const char *from = ++c->at;
  for (;; c->at++) {
    if (c->at == c->end) return fail_cut(c, opened, "quote without an end");
    c->line += *c->at == '\n';
    if (*c->at != '"') continue;
    if (c->end - c->at < 2 || c->at[1] != '"') break;
    c->at++;
  }
  *out = (Str){from, (size_t)(c->at - from)};
  c->at++;
  if (c->end - c->at >= 2 && c->at[0] == '\r' && c->at[1] == '\n') c->at++;
  if (c->at < c->end && *c->at != c->delimiter && *c->at != '\n') {
    if (c->cut && c->end - c->at == 1) return c->out_of = true, false; /* half of a line end */
    return fail_line(c, c->line, "text behind a closing quote");
  }
  return true;
}

bool csv_field(Csv *c, Str *out, bool *last) {
  const char *from = c->at;
  if (c->at < c->end && *c->at == '"') {
    if (!quoted_field(c, out)) return false;
  } else {
    while (c->at < c->end && *c->at != c->delimiter && *c->at != '\n') {
      if (*c->at == '"') return fail_line(c, c->line, "quote inside a field without quotes");
      c->at++;
    }
    *out = (Str){from, (size_t)(c->at - from)};
    if ((c->at == c->end || *c->at == '\n') && out->n && out->p[out->n - 1] == '\r') out->n--;
  }
  *last = c->at == c->end || *c->at == '\n';
  if (c->at == c->end && c->cut) return c->out_of = true, false;
  if (c->at < c->end) {
    c->line += *c->at == '\n';
    c->at++;
  }
  return true;
}

bool csv_at_end(const Csv *c) {
  const char *p = c->at;
  while (p < c->end && (*p == '\n' || *p == '\r')) p++;
  return p == c->end;
}

bool csv_record(Csv *c, Str *f, int64_t *line) {
  uint32_t n = 0;
  const char *from = c->at;
  *line = c->line;
  for (bool last = false; !last; n++) {
    Str s;
    if (!csv_field(c, &s, &last) || !csv_length_fits(c, from, *line)) return false;
    if (n < c->columns) f[n] = s;
  }
  if (n == c->columns) return true;
  return host_fail(c->err, ST_BAD_DATA, "%s:%lld: %u fields expected as in the first record, found %u",
                   host_show(c->name).z, (long long)*line, c->columns, n);
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

bool csv_begin(Csv *c, Str name, Str text, const DataOpen *how, Arena *scratch, HostError *err) {
  *c = (Csv){.name = name,
             .at = text.p,
             .end = text.p + text.n,
             .cut = c->cut,
             .line = 1,
             .err = err,
             .scratch = scratch,
             .how = how};
  if (str_starts(text, STR("\xff\xfe")) || str_starts(text, STR("\xfe\xff")))
    return host_fail(err, ST_BAD_DATA, "%s: UTF-8 expected, found UTF-16", host_show(name).z);
  if (str_starts(text, STR("\xef\xbb\xbf"))) c->at += 3;
  if (!c->cut && csv_at_end(c))
    return host_fail(err, ST_BAD_DATA, "%s: empty: at least one row expected", host_show(name).z);
  c->delimiter = how->delimiter ? how->delimiter : guess_delimiter(c);
  return true;
}

/* ---- fields ---- */

Str csv_trim(Str s) {
  while (s.n && (*s.p == ' ' || *s.p == '\t')) s.p++, s.n--;
  while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
  return s;
}

static bool digit(Str s, size_t i) { return i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; }

bool csv_is_number(Str s, bool whole) {
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

/* Is s the word, in letters of any case? `word` has small ones. */
static bool is_word(Str s, const char *word) {
  size_t i = 0;
  if (s.n != strlen(word)) return false;
  while (i < s.n && (s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 32 : s.p[i]) == word[i]) i++;
  return i == s.n;
}

bool csv_is_non_finite(Str s, double *out) {
  static const struct {
    const char *z;
    double value;
  } word[] = {{"nan", NAN}, {"na", NAN}, {"inf", INFINITY}, {"infinity", INFINITY}, {"", NAN}};
  bool minus = s.n && s.p[0] == '-';
  if (s.n && (minus || s.p[0] == '+')) s.p++, s.n--;
  for (size_t k = 0; k < sizeof word / sizeof word[0]; k++)
    if (is_word(s, word[k].z)) return *out = minus ? -word[k].value : word[k].value, true;
  return false;
}

/* 0x10, nan(1): C's strtod takes them; nobody names a column so. */
static bool is_c_number(Str s) {
  if (s.n && (s.p[0] == '-' || s.p[0] == '+')) s.p++, s.n--;
  bool hex = s.n > 2 && s.p[0] == '0' && (s.p[1] | 32) == 'x';
  for (size_t i = 2; hex && i < s.n; i++)
    hex = digit(s, i) || ((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'f') || memchr(".pP+-", s.p[i], 5);
  return hex || (s.n > 4 && is_word((Str){s.p, 4}, "nan(") && s.p[s.n - 1] == ')');
}

bool csv_is_numeric(Str s) {
  double ignored;
  return csv_is_number(s, false) || (s.n && csv_is_non_finite(s, &ignored)) || is_c_number(s);
}

/* A letter in it, in front of all digits; no word for a missing value, and no byte that text does not have.
 */
bool csv_is_name(Str s) {
  for (size_t i = 0; i < s.n; i++)
    if (((unsigned char)s.p[i] < 0x20 && !memchr("\t\n\r", s.p[i], 3)) || s.p[i] == 0x7f) return false;
  static const char *const missing[] = {"na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "missing"};
  for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
    if (is_word(s, missing[i])) return false;
  if (csv_is_numeric(s)) return false;
  for (size_t i = 0; i < s.n && !digit(s, i); i++)
    if (((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'z') || (s.p[i] & 0x80)) return true;
  return false;
}
