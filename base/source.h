/* Source files and places in them. A Span is a byte range of one file; line and column are computed when
 * shown. */
#ifndef DG_BASE_SOURCE_H
#define DG_BASE_SOURCE_H

#include "base/str.h"

typedef struct Span {
  uint32_t file;   /* index into Sources; 0 = no place */
  uint32_t lo, hi; /* bytes, hi excluded */
} Span;

enum { SOURCE_BLOCK = 1024 };
typedef struct Source {
  Str name; /* as shown to the user, escaped when printed */
  Str text;
  bool library; /* below std/: never the primary place of a user's error, never edited by a suggestion */
  VEC(uint32_t) line;  /* byte offset of each line start */
  VEC(uint32_t) chars; /* characters before each block of SOURCE_BLOCK bytes */
} Source;

typedef struct Sources {
  Arena *arena;
  VEC(Source) file; /* [0] is an empty file without name */
} Sources;

/* Line and column from 1; column counts UTF-8 characters (a tab is one; the renderer expands it). */
typedef struct LineCol {
  uint32_t line, col;
} LineCol;

void sources_init(Sources *s, Arena *a);
uint32_t sources_add(Sources *s, Str name, Str text, bool library); /* copies both */
LineCol sources_at(const Sources *s, uint32_t file, uint32_t byte);
Str sources_line(const Sources *s, uint32_t file, uint32_t line); /* without line end */
static inline Span span_join(Span a, Span b) {
  if (!a.file) return b;
  if (!b.file || b.file != a.file) return a;
  return (Span){a.file, a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

#endif
