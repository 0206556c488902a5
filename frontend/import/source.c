/* The user's files, for quoting. A file that is not there, or is another than the one that was recorded, is
 * replaced by blank lines: places keep their numbers. */
#include "base/file.h"
#include "frontend/import/internal.h"

/* A recorded graph may come from anywhere: it shall not make dgc print the lines of any file it names. */
static bool may_quote(Str name) { return str_ends(name, STR(".py")); }

static bool read_source(Reader *x, Str name, Str *text) {
  FileError err;
  Arena *a = x->r.arena;
  int64_t most = x->r.p->limits->source_bytes;
  if (!may_quote(name)) return false;
  if (name.p[0] != '/' &&
      file_read(a, str_fmt(a, STRF "/" STRF, STRA(x->folder), STRA(name)), most, text, &err))
    return true;
  return file_read(a, name, most, text, &err);
}

static uint32_t byte_of(const Source *f, uint32_t line, uint32_t col) {
  if (line > f->line.n) return UINT32_MAX;
  uint32_t start = f->line.at[line - 1], end = line < f->line.n ? f->line.at[line] - 1 : (uint32_t)f->text.n;
  return col <= end - start ? start + col : UINT32_MAX;
}

/* Do all places of a file lie in its text? Then they have their spans. */
static bool place_all(Reader *x, uint32_t file) {
  const Source *f = &x->r.p->sources->file.at[x->file.at[file].source];
  for (uint32_t i = 1; i < x->place.n; i++) {
    PlaceLine *p = &x->place.at[i];
    if (p->file != file) continue;
    uint32_t lo = byte_of(f, p->line, p->col), hi = byte_of(f, p->end_line, p->end_col);
    if (lo == UINT32_MAX || hi == UINT32_MAX) return false;
    p->at = (Span){x->file.at[file].source, lo, hi > lo ? hi : lo};
  }
  return true;
}

/* As many lines as places need, each as wide as they need. */
static bool blank(Reader *x, uint32_t file, Str *text) {
  uint32_t lines = 0;
  uint64_t size = 0;
  for (uint32_t i = 1; i < x->place.n; i++) {
    const PlaceLine *p = &x->place.at[i];
    if (p->file != file) continue;
    lines = p->line > lines ? p->line : lines;
    lines = p->end_line > lines ? p->end_line : lines;
  }
  uint32_t *wide = ARENA_ARRAY(x->r.arena, uint32_t, lines + 1);
  for (uint32_t i = 1; i < x->place.n; i++) {
    const PlaceLine *p = &x->place.at[i];
    if (p->file != file) continue;
    if (wide[p->line] < p->col) wide[p->line] = p->col;
    if (wide[p->end_line] < p->end_col) wide[p->end_line] = p->end_col;
  }
  for (uint32_t i = 1; i <= lines; i++) size += (uint64_t)wide[i] + 1;
  if (size > (uint64_t)x->r.p->limits->source_bytes) return false;
  char *p = arena_array(x->r.arena, (size_t)size + 1, 1, 1);
  size_t n = 0;
  for (uint32_t i = 1; i <= lines; i++) {
    memset(p + n, ' ', wide[i]);
    n += wide[i];
    p[n++] = '\n';
  }
  *text = (Str){p, n};
  return true;
}

bool import_sources(Reader *x) {
  x->sources = true;
  for (uint32_t i = 1; i < x->file.n; i++) {
    FileLine *f = &x->file.at[i];
    Str text;
    if (read_source(x, f->name, &text)) {
      f->source = sources_add(x->r.p->sources, f->name, text, false);
      if (place_all(x, i)) continue;
    }
    if (!blank(x, i, &text)) return lines_bad(&x->r, "places beyond the limit 'source_bytes'");
    f->source = sources_add(x->r.p->sources, f->name, text, false);
    if (!place_all(x, i)) return lines_bad(&x->r, "places end before they begin");
  }
  return true;
}
