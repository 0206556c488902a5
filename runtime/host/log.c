#include "runtime/host/log.h"

#include <math.h>
#include <stdio.h>

void log_init(MetricLog *l, Arena *a, Str path) {
  *l = (MetricLog){
      .format = str_ends(path, STR(".csv")) ? LOG_CSV : LOG_JSONL, .path = str_copy(a, path), .arena = a};
  sb_init(&l->text, a);
}

static void json_text(Sb *b, Str s) {
  sb_char(b, '"');
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c < 0x20 || c == '"' || c == '\\')
      sb_fmt(b, c < 0x20 ? "\\u%04x" : "\\%c", c);
    else
      sb_char(b, (char)c);
  }
  sb_char(b, '"');
}

/* With a point whatever the host's locale writes: anything that is no digit, sign or exponent is the decimal
 * mark. */
static void number(Sb *b, double v) {
  char z[40];
  snprintf(z, sizeof z, "%.17g", v);
  for (const char *p = z; *p; p++) {
    if (strchr("0123456789+-e", *p))
      sb_char(b, *p);
    else if (p == z || strchr("0123456789+-e", p[-1]))
      sb_char(b, '.');
  }
}

/* Quoted when it must be (RFC 4180). */
static void csv_text(Sb *b, Str s) {
  bool quote = false;
  for (size_t i = 0; i < s.n; i++)
    quote |= s.p[i] == '"' || s.p[i] == ',' || s.p[i] == '\n' || s.p[i] == '\r';
  if (quote) sb_char(b, '"');
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] == '"') sb_char(b, '"');
    sb_char(b, s.p[i]);
  }
  if (quote) sb_char(b, '"');
}

static bool csv_head(MetricLog *l, const LogValue *v, size_t n, HostError *err) {
  bool first = l->column.n == 0;
  for (size_t i = 0; i < n; i++) {
    if (first) {
      VEC_PUSH(l->arena, &l->column, str_copy(l->arena, v[i].name));
      if (i) sb_char(&l->text, ',');
      csv_text(&l->text, v[i].name);
    }
    if (i >= l->column.n || !str_eq(l->column.at[i], v[i].name))
      return host_fail(err, ST_USAGE, "%s: column '%s' was not in the first row", host_show(l->path).z,
                       host_show(v[i].name).z);
  }
  if (first) sb_char(&l->text, '\n');
  return n == l->column.n ||
         host_fail(err, ST_USAGE, "%s: %u columns expected, found %zu", host_show(l->path).z, l->column.n, n);
}

bool log_row(MetricLog *l, const LogValue *v, size_t n, HostError *err) {
  if (l->format == LOG_CSV && !csv_head(l, v, n, err)) return false;
  if (l->format == LOG_JSONL) sb_char(&l->text, '{');
  for (size_t i = 0; i < n; i++) {
    if (i) sb_char(&l->text, ',');
    if (l->format == LOG_JSONL) {
      json_text(&l->text, v[i].name);
      sb_char(&l->text, ':');
    }
    if (isfinite(v[i].value))
      number(&l->text, v[i].value);
    else if (l->format == LOG_JSONL)
      sb_add(&l->text, STR("null"));
  }
  sb_add(&l->text, l->format == LOG_JSONL ? STR("}\n") : STR("\n"));
  return true;
}

bool log_save(const MetricLog *l, HostError *err) {
  FileError fe;
  Str text = sb_str(&l->text);
  return file_replace(l->path, &text, 1, &fe) || host_fail_file(err, &fe, "data_bytes");
}
