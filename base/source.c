#include "base/source.h"

void sources_init(Sources *s, Arena *a) {
  *s = (Sources){.arena = a};
  (void)sources_add(s, (Str){"", 0}, (Str){"", 0}, false);
}

static bool begins_char(char c) { return ((unsigned char)c & 0xc0) != 0x80; }

uint32_t sources_add(Sources *s, Str name, Str text, bool library) {
  if (text.n >= UINT32_MAX) mem_raise(s->arena->mem, ST_LIMIT, "a source file of %zu bytes", text.n);
  Source f = {.name = str_copy(s->arena, name), .text = str_copy(s->arena, text), .library = library};
  VEC_PUSH(s->arena, &f.line, 0);
  uint32_t chars = 0;
  for (uint32_t i = 0; i < f.text.n; i++) {
    if (i % SOURCE_BLOCK == 0) VEC_PUSH(s->arena, &f.chars, chars);
    chars += begins_char(f.text.p[i]);
    if (f.text.p[i] == '\n') VEC_PUSH(s->arena, &f.line, i + 1);
  }
  VEC_PUSH(s->arena, &s->file, f);
  return s->file.n - 1;
}

static uint32_t line_index(const Source *f, uint32_t byte) {
  uint32_t lo = 0, hi = f->line.n; /* line.at[lo] <= byte, and byte < line.at[hi] if there is one */
  while (hi - lo > 1) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (f->line.at[mid] <= byte)
      lo = mid;
    else
      hi = mid;
  }
  return lo;
}

/* Does not walk the line: it may be megabytes long, and each of many messages asks. */
static uint32_t chars_before(const Source *f, uint32_t byte) {
  if (!byte) return 0;
  uint32_t block = (byte - 1) / SOURCE_BLOCK, n = f->chars.at[block];
  for (uint32_t i = block * SOURCE_BLOCK; i < byte; i++) n += begins_char(f->text.p[i]);
  return n;
}

LineCol sources_at(const Sources *s, uint32_t file, uint32_t byte) {
  const Source *f = &s->file.at[file];
  if (byte > f->text.n) byte = (uint32_t)f->text.n;
  uint32_t line = line_index(f, byte);
  return (LineCol){line + 1, 1 + chars_before(f, byte) - chars_before(f, f->line.at[line])};
}

Str sources_line(const Sources *s, uint32_t file, uint32_t line) {
  const Source *f = &s->file.at[file];
  if (line < 1 || line > f->line.n) return (Str){"", 0};
  uint32_t lo = f->line.at[line - 1];
  uint32_t hi = line < f->line.n ? f->line.at[line] - 1 : (uint32_t)f->text.n;
  if (line < f->line.n && hi > lo && f->text.p[hi - 1] == '\r') hi--;
  return (Str){f->text.p + lo, hi - lo};
}
