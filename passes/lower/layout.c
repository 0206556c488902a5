/* Places in the arena. requires: sizes and lifetimes of all buffers. ensures: buffers that live at the same
 * time share no byte. */
#include "base/size.h"
#include "passes/lower/internal.h"

#include <stdlib.h>

/* Up to so many buffers the better and quadratic order is taken. */
enum { MANY = 4096 };

typedef struct Sized {
  size_t key;
  uint32_t buffer;
} Sized;
static int smaller_first(const void *x, const void *y) {
  const Sized *a = x, *b = y;
  if (a->key != b->key) return a->key < b->key ? -1 : 1;
  return a->buffer < b->buffer ? -1 : a->buffer > b->buffer;
}
static int larger_first(const void *x, const void *y) {
  const Sized *a = x, *b = y;
  if (a->key != b->key) return a->key < b->key ? 1 : -1;
  return a->buffer < b->buffer ? -1 : a->buffer > b->buffer;
}

static void ends_at(Plan *p, size_t offset, size_t size) {
  size_t end;
  if (!size_add(offset, size, &end)) BUG(p->arena->mem, "plan: arena too large");
  if (end > p->arena_bytes) p->arena_bytes = end;
}

/* First fit, the largest first, among the buffers that live at the same time. */
static void by_size(Plan *p, Arena *a, Sized *by, uint32_t n, bool reuse) {
  uint32_t *set = ARENA_ARRAY(a, uint32_t, n + 1), placed = 0; /* by offset */
  qsort(by, n, sizeof *by, larger_first);
  for (uint32_t i = 0; i < n; i++) {
    PlanBuffer *b = &p->buffer.at[by[i].buffer];
    size_t at = 0;
    for (uint32_t j = 0; j < placed; j++) {
      const PlanBuffer *c = &p->buffer.at[set[j]];
      if (reuse && (c->last < b->first || b->last < c->first)) continue;
      if (c->offset >= at + b->bytes) break;
      if (c->offset + c->bytes > at) at = c->offset + c->bytes;
    }
    b->offset = at;
    uint32_t k = placed++;
    for (; k > 0 && p->buffer.at[set[k - 1]].offset > at; k--) set[k] = set[k - 1];
    set[k] = by[i].buffer;
    ends_at(p, at, b->bytes);
  }
}

typedef struct Hole {
  size_t lo, hi;
} Hole;
typedef struct Holes { /* by place; between two of them something lives */
  Hole *at;
  uint32_t n;
} Holes;

static void hole_add(Holes *h, size_t lo, size_t hi) {
  uint32_t l = 0, r = h->n;
  while (l < r) {
    uint32_t m = (l + r) / 2;
    if (h->at[m].lo < lo)
      l = m + 1;
    else
      r = m;
  }
  bool left = l > 0 && h->at[l - 1].hi == lo, right = l < h->n && h->at[l].lo == hi;
  if (left && right) {
    h->at[l - 1].hi = h->at[l].hi;
    memmove(&h->at[l], &h->at[l + 1], (--h->n - l) * sizeof *h->at); /* size-ok: within the array */
  } else if (left) {
    h->at[l - 1].hi = hi;
  } else if (right) {
    h->at[l].lo = lo;
  } else {
    memmove(&h->at[l + 1], &h->at[l], (h->n++ - l) * sizeof *h->at); /* size-ok: within the array */
    h->at[l] = (Hole){lo, hi};
  }
}

static size_t hole_take(Holes *h, size_t size, size_t *top) {
  for (uint32_t i = 0; i < h->n; i++) {
    if (h->at[i].hi - h->at[i].lo < size) continue;
    size_t at = h->at[i].lo;
    h->at[i].lo += size;
    if (h->at[i].lo == h->at[i].hi)
      memmove(&h->at[i], &h->at[i + 1], (--h->n - i) * sizeof *h->at); /* size-ok: within the array */
    return at;
  }
  size_t at = *top;
  if (h->n && h->at[h->n - 1].hi == *top) at = h->at[--h->n].lo; /* the last hole grows */
  *top = at + size;
  return at;
}

/* First fit in the order of the launches: each place is free again behind the last launch that uses it. */
static void by_time(Plan *p, Arena *a, Sized *by, uint32_t n) {
  Sized *end = ARENA_ARRAY(a, Sized, n + 1);
  Holes h = {ARENA_ARRAY(a, Hole, n + 1), 0};
  uint32_t over = 0;
  size_t top = 0;
  for (uint32_t i = 0; i < n; i++) {
    by[i].key = p->buffer.at[by[i].buffer].first;
    end[i] = (Sized){p->buffer.at[by[i].buffer].last, by[i].buffer};
  }
  qsort(by, n, sizeof *by, smaller_first);
  qsort(end, n, sizeof *end, smaller_first);
  for (uint32_t i = 0; i < n; i++) {
    PlanBuffer *b = &p->buffer.at[by[i].buffer];
    for (; over < n && end[over].key < b->first; over++) {
      const PlanBuffer *c = &p->buffer.at[end[over].buffer];
      hole_add(&h, c->offset, c->offset + c->bytes);
    }
    b->offset = hole_take(&h, b->bytes, &top);
    ends_at(p, b->offset, b->bytes);
  }
}

void plan_layout(Plan *p, Arena *scratch, bool reuse) {
  Sized *by = ARENA_ARRAY(scratch, Sized, p->buffer.n + 1);
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->buffer.n; i++) {
    PlanBuffer *b = &p->buffer.at[i];
    if (b->place != PLACE_ARENA) continue;
    if (!size_align(b->bytes, PLAN_ALIGN, &b->bytes)) BUG(p->arena->mem, "plan: arena too large");
    by[n++] = (Sized){b->bytes, i};
  }
  if (reuse && n > MANY)
    by_time(p, scratch, by, n);
  else
    by_size(p, scratch, by, n, reuse);
}
