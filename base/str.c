#include "base/str.h"

#include "base/hash.h"
#include "base/size.h"

#include <stdio.h>

int str_cmp(Str a, Str b) {
  size_t n = a.n < b.n ? a.n : b.n;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(Str s, Str prefix) { return s.n >= prefix.n && str_eq((Str){s.p, prefix.n}, prefix); }

bool str_ends(Str s, Str suffix) {
  return s.n >= suffix.n && str_eq((Str){s.p + (s.n - suffix.n), suffix.n}, suffix);
}

Str str_copy(Arena *a, Str s) {
  size_t n = 0;
  if (!size_add(s.n, 1, &n)) mem_raise(a->mem, ST_LIMIT, "a text of %zu bytes", s.n);
  char *p = ARENA_ARRAY(a, char, n);
  if (s.n) memcpy(p, s.p, s.n);
  return (Str){p, s.n};
}

Str str_fmt(Arena *a, const char *fmt, ...) {
  Sb b;
  va_list ap;
  sb_init(&b, a);
  va_start(ap, fmt);
  sb_vfmt(&b, fmt, ap);
  va_end(ap);
  return sb_str(&b);
}

uint32_t str_utf8(Str s, size_t i, uint32_t *c) {
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  unsigned char b = (unsigned char)s.p[i];
  uint32_t n = b < 0x80 ? 1 : b < 0xc2 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;
  if (n == 0 || n > s.n - i) return 0;
  *c = n == 1 ? b : b & (0xffu >> (n + 1));
  for (uint32_t k = 1; k < n; k++) {
    unsigned char t = (unsigned char)s.p[i + k];
    if ((t & 0xc0) != 0x80) return 0;
    *c = *c << 6 | (t & 0x3f);
  }
  return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : n;
}

/* Optimal string alignment: insert, delete, replace, swap of neighbours. Names longer than MAX are only
 * compared. */
size_t str_distance(Str a, Str b, size_t cap) {
  enum { MAX = 64 };
  if (str_eq(a, b)) return 0;
  size_t gap = a.n > b.n ? a.n - b.n : b.n - a.n;
  if (gap > cap || a.n > MAX || b.n > MAX) return cap + 1;
  size_t row[3][MAX + 1];
  size_t *before = row[0], *last = row[1], *now = row[2];
  for (size_t j = 0; j <= b.n; j++) last[j] = j;
  for (size_t i = 1; i <= a.n; i++) {
    now[0] = i;
    for (size_t j = 1; j <= b.n; j++) {
      size_t best = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
      if (last[j] + 1 < best) best = last[j] + 1;
      if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
      if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] && before[j - 2] + 1 < best)
        best = before[j - 2] + 1;
      now[j] = best;
    }
    size_t *free_row = before;
    before = last;
    last = now;
    now = free_row;
  }
  return last[b.n] > cap ? cap + 1 : last[b.n];
}

void sb_init(Sb *b, Arena *a) { *b = (Sb){.arena = a}; }

/* Makes room for n bytes and a NUL. */
static void sb_room(Sb *b, size_t n) {
  size_t need = 0, cap = 0;
  if (!size_add(b->n, n, &need) || !size_add(need, 1, &need) || !size_add(need, need / 2, &cap))
    mem_raise(b->arena->mem, ST_LIMIT, "a text of %zu and %zu bytes", b->n, n);
  if (need <= b->cap) return;
  if (cap < 64) cap = 64;
  char *p = ARENA_ARRAY(b->arena, char, cap);
  if (b->n) memcpy(p, b->p, b->n);
  b->p = p;
  b->cap = cap;
}

void sb_add(Sb *b, Str s) {
  sb_room(b, s.n);
  if (s.n) memcpy(b->p + b->n, s.p, s.n);
  b->n += s.n;
  b->p[b->n] = 0;
}

void sb_char(Sb *b, char c) { sb_add(b, (Str){&c, 1}); }

void sb_fmt(Sb *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  sb_vfmt(b, fmt, ap);
  va_end(ap);
}

void sb_vfmt(Sb *b, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  sb_room(b, 48);
  int n = vsnprintf(b->p + b->n, b->cap - b->n, fmt, ap);
  if (n >= 0 && (size_t)n >= b->cap - b->n) {
    sb_room(b, (size_t)n);
    n = vsnprintf(b->p + b->n, b->cap - b->n, fmt, again);
  }
  va_end(again);
  if (n < 0) BUG(b->arena->mem, "cannot format '%.60s'", fmt);
  b->n += (size_t)n;
}

void names_init(Names *n, Arena *a) {
  *n = (Names){.arena = a};
  names_add(n, (Str){"", 0});
}

/* Slot of s, or the free slot where it belongs. */
static uint32_t names_slot(const Names *n, Str s) {
  uint32_t mask = n->nslot - 1, i = (uint32_t)hash_str(s) & mask;
  while (n->slot[i] && !str_eq(n->text.at[n->slot[i] - 1], s)) i = (i + 1) & mask;
  return i;
}

static void names_grow(Names *n) {
  n->nslot = n->nslot ? n->nslot + n->nslot : 64;
  if (n->nslot == 0) mem_raise(n->arena->mem, ST_LIMIT, "more than %u names", n->text.n);
  n->slot = ARENA_ARRAY(n->arena, uint32_t, n->nslot);
  for (uint32_t i = 0; i < n->text.n; i++) n->slot[names_slot(n, n->text.at[i])] = i + 1;
}

Sym names_add(Names *n, Str s) {
  if (n->text.n >= n->nslot / 2) names_grow(n);
  uint32_t i = names_slot(n, s);
  if (!n->slot[i]) {
    Str copy = str_copy(n->arena, s);
    VEC_PUSH(n->arena, &n->text, copy);
    n->slot[i] = n->text.n;
  }
  return (Sym){n->slot[i] - 1};
}

Sym names_find(const Names *n, Str s, bool *found) {
  uint32_t at = n->slot[names_slot(n, s)];
  *found = at != 0;
  return (Sym){at ? at - 1 : 0};
}

void map_init(Map *m, Arena *a) { *m = (Map){.arena = a}; }

static uint32_t map_slot(const Map *m, uint64_t key) {
  uint32_t mask = m->cap - 1, i = (uint32_t)hash_mix(key) & mask;
  while (m->val[i] && m->key[i] != key) i = (i + 1) & mask;
  return i;
}

static void map_grow(Map *m) {
  Map old = *m;
  m->cap = m->cap ? m->cap + m->cap : 16;
  if (m->cap == 0) mem_raise(m->arena->mem, ST_LIMIT, "more than %u entries in one map", m->n);
  m->key = ARENA_ARRAY(m->arena, uint64_t, m->cap);
  m->val = ARENA_ARRAY(m->arena, uint32_t, m->cap);
  for (uint32_t i = 0; i < old.cap; i++) {
    if (!old.val[i]) continue;
    uint32_t to = map_slot(m, old.key[i]);
    m->key[to] = old.key[i];
    m->val[to] = old.val[i];
  }
  arena_outgrown(m->arena, old.key, old.cap * sizeof *old.key); /* size-ok: as it was allocated */
  arena_outgrown(m->arena, old.val, old.cap * sizeof *old.val); /* size-ok: as it was allocated */
}

void map_copy(Map *m, const Map *of) {
  if (!of->cap) return;
  m->key = ARENA_ARRAY(m->arena, uint64_t, of->cap);
  m->val = ARENA_ARRAY(m->arena, uint32_t, of->cap);
  memcpy(m->key, of->key, of->cap * sizeof *m->key); /* size-ok: as it was allocated */
  memcpy(m->val, of->val, of->cap * sizeof *m->val); /* size-ok: as it was allocated */
  m->n = of->n, m->cap = of->cap;
}

void map_put(Map *m, uint64_t key, uint32_t val) {
  if (val == UINT32_MAX) BUG(m->arena->mem, "a map holds values below 2^32 - 1");
  if (m->n >= m->cap / 2) map_grow(m);
  uint32_t i = map_slot(m, key);
  m->n += m->val[i] == 0;
  m->key[i] = key;
  m->val[i] = val + 1;
}

bool map_get(const Map *m, uint64_t key, uint32_t *val) {
  if (!m->cap) return false;
  uint32_t i = map_slot(m, key);
  if (!m->val[i]) return false;
  *val = m->val[i] - 1;
  return true;
}
