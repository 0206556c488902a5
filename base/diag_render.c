#include "base/diag.h"

#include <stdlib.h>

/* One diagnostic as text (docs/errors/README.md shows the form): headline, quoted lines with underlines,
 * notes, help with the line as it reads after the edit. All user text passes put_text, which shows nothing a
 * terminal could obey. */

enum { LONG_LINE = 160, WINDOW_BEFORE = 60, WINDOW = 120 };
/* A line may be megabytes long and have a hundred messages: beyond HUGE_LINE bytes only what lies within NEAR
 * bytes of a mark is looked at, so that no message walks the line. */
enum { HUGE_LINE = 4096, NEAR = 1024 };

typedef struct Out {
  const Diags *d;
  DiagStyle style;
  Sb *b;
  uint32_t gutter; /* digits of the widest line number */
} Out;

typedef struct Mark { /* a place to underline */
  Span at;
  Str text;
  bool primary;
  uint32_t line;
} Mark;

static void paint(Out *o, const char *sgr) {
  if (o->style.color) sb_fmt(o->b, "\33[%sm", sgr);
}

static const char *severity_color(Severity s) {
  switch (s) {
  case SEV_IGNORED:
  case SEV_NOTE: return "1;36";
  case SEV_WARNING: return "1;35";
  case SEV_ERROR: return "1;31";
  }
  return "";
}

/* Columns of a character on a terminal, roughly: the East Asian wide blocks and emoji take two, combining
 * marks none. */
static uint32_t char_width(uint32_t c) {
  if ((c >= 0x300 && c < 0x370) || (c >= 0xfe00 && c < 0xfe10)) return 0;
  bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xac00 && c < 0xd7a4) ||
              (c >= 0xf900 && c < 0xfb00) || (c >= 0xfe30 && c < 0xfe70) || (c >= 0xff00 && c < 0xff61) ||
              (c >= 0x1f300 && c < 0x1f650) || (c >= 0x1f900 && c < 0x1fa00) || (c >= 0x20000 && c < 0x40000);
  return wide ? 2 : 1;
}

/* Characters that hide or reorder text: C1 controls, bidi marks and isolates, line separators, zero-width
 * ones. */
static bool must_escape(uint32_t c) {
  return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c < 0x2010) ||
         (c >= 0x2028 && c < 0x202f) || (c >= 0x2060 && c < 0x2070) || c == 0xfeff ||
         (c >= 0xe0000 && c < 0xe0080);
}

/* Shows the character at byte i; b may be NULL to measure only. Advances i, returns the columns taken. */
static uint32_t put_char(Sb *b, Str s, size_t *i, uint32_t col, uint32_t tab) {
  uint32_t c = 0, n = str_utf8(s, *i, &c);
  unsigned char byte = (unsigned char)s.p[*i];
  if (n == 1 && c == '\t' && tab) {
    uint32_t w = tab - col % tab;
    for (uint32_t k = 0; b && k < w; k++) sb_char(b, ' ');
    *i += 1;
    return w;
  }
  if (n == 0 || c < 0x20 || c == 0x7f) {
    if (b) sb_fmt(b, "\\x%02x", byte);
    *i += 1;
    return 4;
  }
  if (must_escape(c)) {
    if (b) sb_fmt(b, "<U+%04X>", c);
    *i += n;
    return c < 0x10000 ? 8 : 9;
  }
  if (b) sb_add(b, (Str){s.p + *i, n});
  *i += n;
  return char_width(c);
}

static void put_text(Sb *b, Str s) {
  for (size_t i = 0; i < s.n;) put_char(b, s, &i, 0, 0);
}

/* Columns (from 0) of the start of byte `at` in a shown line. */
static uint32_t column_of(const Out *o, Str line, size_t at) {
  uint32_t col = 0;
  for (size_t i = 0; i < line.n && i < at;) col += put_char(NULL, line, &i, col, o->style.tab);
  return col;
}

/* Of a huge line what is near byte `at`, which moves along. The rest is cut at the edges of characters. */
static Str near_bytes(Str line, size_t *at) {
  if (line.n <= HUGE_LINE) return line;
  size_t lo = *at > NEAR ? *at - NEAR : 0, hi = line.n - *at > NEAR ? *at + NEAR : line.n;
  while (lo > 0 && lo < *at && ((unsigned char)line.p[lo] & 0xc0) == 0x80) lo++;
  while (hi < line.n && hi > *at && ((unsigned char)line.p[hi] & 0xc0) == 0x80) hi--;
  *at -= lo;
  return (Str){line.p + lo, hi - lo};
}

/* The columns from..to of a line; what is left out is shown as "...". */
static void put_window(Out *o, Str line, uint32_t from, uint32_t to) {
  uint32_t col = 0;
  if (from) sb_add(o->b, STR("..."));
  for (size_t i = 0; i < line.n && col < to;) {
    size_t next = i;
    uint32_t w = put_char(NULL, line, &next, col, o->style.tab);
    if (col >= from) put_char(o->b, line, &i, col, o->style.tab);
    i = next;
    col += w;
  }
  if (to != UINT32_MAX) sb_add(o->b, STR("..."));
}

static void put_gutter(Out *o, uint32_t line, char bar) {
  if (line)
    sb_fmt(o->b, " %*u %c ", (int)o->gutter, line, bar);
  else
    sb_fmt(o->b, " %*s %c ", (int)o->gutter, "", bar);
}

static void put_spaces(Out *o, uint32_t n) {
  while (n--) sb_char(o->b, ' ');
}

static void put_underline(Out *o, const Mark *m, const char *color, uint32_t col, uint32_t width) {
  put_gutter(o, 0, '|');
  put_spaces(o, col);
  paint(o, m->primary ? color : "34");
  for (uint32_t i = 0; i < width; i++) sb_char(o->b, m->primary ? (i ? '~' : '^') : '-');
  if (m->text.n) sb_char(o->b, ' ');
  put_text(o->b, m->text);
  paint(o, "");
  sb_char(o->b, '\n');
}

/* Quotes the line of marks[0..n), all on that line, and underlines each in a row of its own. */
static void put_line(Out *o, const Mark *m, uint32_t n, const char *color) {
  const Source *f = &o->d->sources->file.at[m->at.file];
  Str line = sources_line(o->d->sources, m->at.file, m->line);
  uint32_t start = f->line.at[m->line - 1];
  for (uint32_t i = 0; i < n;) {
    size_t at = m[i].at.lo - start;
    Str part = near_bytes(line, &at);
    size_t skipped = m[i].at.lo - start - at; /* bytes; the window never reaches them */
    uint32_t total = column_of(o, part, part.n), lo = column_of(o, part, at), from = 0, to = UINT32_MAX,
             k = i;
    if (total > LONG_LINE) {
      from = lo > WINDOW_BEFORE ? lo - WINDOW_BEFORE : 0;
      to = total - from > WINDOW ? from + WINDOW : UINT32_MAX;
    }
    put_gutter(o, m->line, '|');
    put_window(o, part, from, to);
    sb_char(o->b, '\n');
    do { /* in a long line each mark gets its own window */
      uint32_t a = column_of(o, part, m[k].at.lo - start - skipped),
               b = column_of(o, part, m[k].at.hi - start - skipped);
      if (b > to) b = to;
      put_underline(o, &m[k], color, a - from + (from ? 3 : 0), b > a ? b - a : 1);
      k++;
    } while (k < n && total <= LONG_LINE);
    i = k;
  }
}

static int by_line(const void *x, const void *y) {
  const Mark *a = x, *b = y;
  if (a->at.lo != b->at.lo) return a->at.lo < b->at.lo ? -1 : 1;
  if (a->primary != b->primary) return a->primary ? -1 : 1;
  return str_cmp(a->text, b->text);
}

static void put_place(Out *o, Span at) {
  LineCol lc = sources_at(o->d->sources, at.file, at.lo);
  put_text(o->b, o->d->sources->file.at[at.file].name);
  sb_fmt(o->b, ":%u:%u:", lc.line, lc.col);
}

/* The quoted lines: the primary's file first, then the others' in order of first label. */
static void put_quotes(Out *o, const Diag *g, const char *color) {
  Arena *a = o->d->arena;
  VEC(Mark) all = {0};
  if (g->at.file) VEC_PUSH(a, &all, (Mark){.at = g->at, .text = g->under, .primary = true});
  for (uint32_t i = 0; i < g->label.n; i++)
    if (g->label.at[i].at.file)
      VEC_PUSH(a, &all, (Mark){.at = g->label.at[i].at, .text = g->label.at[i].text});
  for (uint32_t i = 0; i < all.n; i++)
    all.at[i].line = sources_at(o->d->sources, all.at[i].at.file, all.at[i].at.lo).line;
  for (uint32_t done = 0; done < all.n;) {
    uint32_t file = all.at[done].at.file, n = done;
    for (uint32_t i = done; i < all.n; i++) { /* bring this file's marks to the front */
      if (all.at[i].at.file != file) continue;
      Mark m = all.at[i];
      all.at[i] = all.at[n];
      all.at[n++] = m;
    }
    qsort(all.at + done, n - done, sizeof *all.at, by_line);
    if (file != g->at.file) {
      paint(o, "1");
      put_place(o, all.at[done].at);
      paint(o, "");
      sb_char(o->b, '\n');
    }
    while (done < n) {
      uint32_t k = done + 1;
      while (k < n && all.at[k].line == all.at[done].line) k++;
      put_line(o, all.at + done, k - done, color);
      done = k;
    }
  }
}

static int by_edit(const void *x, const void *y) {
  const DiagEdit *a = x, *b = y;
  if (a->at.file != b->at.file) return a->at.file < b->at.file ? -1 : 1;
  return (a->at.lo > b->at.lo) - (a->at.lo < b->at.lo);
}

/* Text of lines first..last of a file with the edits applied, which are sorted and lie in those lines. *at:
 * where the first one is in it. */
static Str edited(Arena *a, const Source *f, const DiagEdit *e, uint32_t n, uint32_t lo, uint32_t hi,
                  size_t *at) {
  Sb b;
  sb_init(&b, a);
  *at = e->at.lo - lo;
  for (uint32_t i = 0; i < n && e[i].at.lo <= hi; i++) {
    if (e[i].at.lo > lo) sb_add(&b, (Str){f->text.p + lo, e[i].at.lo - lo});
    sb_add(&b, e[i].text);
    if (e[i].at.hi > lo) lo = e[i].at.hi;
  }
  if (hi > lo) sb_add(&b, (Str){f->text.p + lo, hi - lo});
  return sb_str(&b);
}

/* `at`: byte of the edit, to be seen in a long line. */
static void put_edited_line(Out *o, uint32_t number, Str line, size_t at) {
  line = near_bytes(line, &at);
  uint32_t total = column_of(o, line, line.n), col = column_of(o, line, at), from = 0, to = UINT32_MAX;
  if (total > LONG_LINE) {
    from = col > WINDOW_BEFORE ? col - WINDOW_BEFORE : 0;
    to = total - from > WINDOW ? from + WINDOW : UINT32_MAX;
  }
  put_gutter(o, number, '|');
  paint(o, "32");
  put_window(o, line, from, to);
  paint(o, "");
  sb_char(o->b, '\n');
}

static void put_edits(Out *o, const Diag *g) {
  const Sources *s = o->d->sources;
  DiagEdit *e = ARENA_ARRAY(o->d->arena, DiagEdit, g->edit.n);
  for (uint32_t i = 0; i < g->edit.n; i++) e[i] = g->edit.at[i];
  qsort(e, g->edit.n, sizeof *e, by_edit);
  for (uint32_t i = 0, n = 0; i < g->edit.n; i = n) {
    const Source *f = &s->file.at[e[i].at.file];
    uint32_t first = sources_at(s, e[i].at.file, e[i].at.lo).line, last = first;
    for (n = i; n < g->edit.n && e[n].at.file == e[i].at.file;
         n++) { /* edits on touching lines are shown as one */
      if (sources_at(s, e[n].at.file, e[n].at.lo).line > last) break;
      uint32_t end = sources_at(s, e[n].at.file, e[n].at.hi).line;
      if (end > last) last = end;
    }
    uint32_t lo = f->line.at[first - 1], hi = last < f->line.n ? f->line.at[last] : (uint32_t)f->text.n;
    if (first == last && hi - lo > HUGE_LINE) {
      size_t at = e[i].at.lo - lo;
      Str near = near_bytes((Str){f->text.p + lo, hi - lo}, &at);
      lo = e[i].at.lo - (uint32_t)at;
      hi = lo + (uint32_t)near.n;
    }
    size_t at_edit;
    Str text = edited(o->d->arena, f, e + i, n - i, lo, hi, &at_edit);
    if (text.n && text.p[text.n - 1] == '\n') text.n--;
    if (e[i].at.file != g->at.file) {
      put_place(o, e[i].at);
      sb_char(o->b, '\n');
    }
    for (size_t at = 0; at <= text.n; first++) {
      const char *nl = memchr(text.p + at, '\n', text.n - at);
      size_t end = nl ? (size_t)(nl - text.p) : text.n,
             shown = end > at && text.p[end - 1] == '\r' ? end - 1 : end;
      put_edited_line(o, first, (Str){text.p + at, shown - at},
                      at_edit > at && at_edit <= shown ? at_edit - at : 0);
      at = end + 1;
    }
  }
}

static uint32_t digits(const Diags *d, const Diag *g) {
  uint32_t widest = 1, n = 1;
#define SEE(span)                                                                                            \
  do {                                                                                                       \
    uint32_t line_ = (span).file ? sources_at(d->sources, (span).file, (span).hi).line : 1;                  \
    if (line_ > widest) widest = line_;                                                                      \
  } while (0)
  SEE(g->at);
  for (uint32_t i = 0; i < g->label.n; i++) SEE(g->label.at[i].at);
  for (uint32_t i = 0; i < g->edit.n; i++) SEE(g->edit.at[i].at);
#undef SEE
  while (widest >= 10) {
    widest /= 10;
    n++;
  }
  return n < 2 ? 2 : n; /* files below 100 lines all align alike */
}

void diag_render_text(const Diags *d, const Diag *g, DiagStyle style, Sb *b) {
  Out o = {d, style, b, digits(d, g)};
  Severity sev = diag_severity(d, g);
  const DiagInfo *info = &diag_info[g->kind];
  const char *group = diag_groups[info->group].name;
  paint(&o, "1");
  if (g->at.file) {
    put_place(&o, g->at);
    sb_char(b, ' ');
  }
  paint(&o, severity_color(sev));
  sb_fmt(b, "%s:", severity_word(sev));
  paint(&o, "");
  paint(&o, "1");
  sb_char(b, ' ');
  put_text(b, g->text);
  paint(&o, "");
  sb_fmt(b, " [DG%04u%s%s]\n", info->code, group[0] ? " " : "", group);
  put_quotes(&o, g, severity_color(sev));
  for (uint32_t i = 0; i < g->note.n; i++) {
    paint(&o, "1");
    if (g->note.at[i].at.file) {
      put_place(&o, g->note.at[i].at);
      sb_char(b, ' ');
    }
    paint(&o, severity_color(SEV_NOTE));
    sb_add(b, STR("note:"));
    paint(&o, "");
    sb_char(b, ' ');
    put_text(b, g->note.at[i].text);
    sb_char(b, '\n');
  }
  if (!g->help.n && !g->edit.n) return;
  paint(&o, "1;32");
  sb_add(b, STR("help:"));
  paint(&o, "");
  sb_char(b, ' ');
  put_text(b, g->help.n ? g->help : STR("change it like this"));
  sb_char(b, '\n');
  if (g->edit.n) put_edits(&o, g);
}

void diag_render_all(const Diags *d, DiagStyle style, Sb *b) {
  for (uint32_t i = 0; i < d->all.n; i++)
    if (diag_severity(d, d->all.at[i]) != SEV_IGNORED) diag_render_text(d, d->all.at[i], style, b);
  if (d->unkept)
    sb_fmt(b, "note: %u more not shown (limit 'errors' is %lld)\n", d->unkept, (long long)d->limits->errors);
}
