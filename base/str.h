/* Byte spans, string building, interning. User text is never NUL-terminated and may hold any byte. */
#ifndef DG_BASE_STR_H
#define DG_BASE_STR_H

#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

typedef struct Str {
  const char *p;
  size_t n;
} Str;

#define STR(lit) ((Str){"" lit, sizeof(lit) - 1})
#define STRF "%.*s" /* printf("... " STRF, STRA(s)) */
#define STRA(s) (int)((s).n > 4096 ? 4096 : (s).n), (s).p

static inline Str str_z(const char *z) { return (Str){z, strlen(z)}; }
static inline bool str_eq(Str a, Str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
int str_cmp(Str a, Str b); /* bytewise order */
bool str_starts(Str s, Str prefix);
bool str_ends(Str s, Str suffix);
Str str_copy(Arena *a, Str s); /* the copy is followed by a NUL for system calls; n does not count it */
Str str_fmt(Arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
size_t str_distance(Str a, Str b, size_t cap); /* edit distance with transpositions; cap + 1 when above cap */

/* Decodes the UTF-8 character at byte i: its length in bytes, or 0 for a byte that begins none (overlong
 * forms, surrogates and what lies above U+10FFFF are none). */
uint32_t str_utf8(Str s, size_t i, uint32_t *c);

/* Growing text. */
typedef struct Sb {
  Arena *arena;
  char *p;
  size_t n, cap;
} Sb;
void sb_init(Sb *b, Arena *a);
void sb_add(Sb *b, Str s);
void sb_char(Sb *b, char c);
void sb_fmt(Sb *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sb_vfmt(Sb *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static inline Str sb_str(const Sb *b) { return (Str){b->p ? b->p : "", b->n}; }

/* Interned names: equal text, equal id. Id 0 is the empty name. */
typedef struct Sym {
  uint32_t i;
} Sym;
typedef struct Names {
  Arena *arena;
  VEC(Str) text;
  uint32_t *slot; /* open addressing; 0 = free, else id + 1 */
  uint32_t nslot;
} Names;
void names_init(Names *n, Arena *a);
Sym names_add(Names *n, Str s);
Sym names_find(const Names *n, Str s, bool *found);
static inline Str names_str(const Names *n, Sym s) { return n->text.at[s.i]; }
static inline bool sym_eq(Sym a, Sym b) { return a.i == b.i; }

/* Map from 64-bit key to uint32_t value (names, ids, packed pairs). */
typedef struct Map {
  Arena *arena;
  uint64_t *key;
  uint32_t *val; /* val + 1; 0 = free */
  uint32_t n, cap;
} Map;
void map_init(Map *m, Arena *a);
void map_copy(Map *m, const Map *of);             /* m: just begun */
void map_put(Map *m, uint64_t key, uint32_t val); /* replaces */
bool map_get(const Map *m, uint64_t key, uint32_t *val) MUST_USE;

#endif
