#include "base/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, PAGE = 2 << 20 };

/* Arrays that programs walk through with long strides find their pages faster when these are large. Advice:
 * where the system has none, nothing changes. */
static void large_pages(char *p, size_t n) {
  size_t before = -(uintptr_t)p % PAGE;
  if (n < 2 * PAGE || before > n - PAGE) return;
  (void)madvise(p + before, (n - before) / PAGE * PAGE, MADV_HUGEPAGE);
}

void mem_init(Mem *m, size_t limit) { *m = (Mem){.limit = limit}; }

void mem_init_within(Mem *m, Mem *whole) { *m = (Mem){.whole = whole->whole ? whole->whole : whole}; }

static Mem *counted(Mem *m) { return m->whole ? m->whole : m; }
const HostDoor *mem_door(const Mem *m) { return m->whole ? &m->whole->door : &m->door; }

void mem_init_beside(Mem *m, const Mem *other) {
  *m = (Mem){.limit = other->limit, .door = *mem_door(other)};
}

static char *room(const HostDoor *door, size_t n) {
  if (!door->allocate) return calloc(1, n);
  char *p = door->allocate(door->user, n);
  return p ? memset(p, 0, n) : NULL;
}
static size_t used_now(const Mem *m) { return __atomic_load_n(&m->used, __ATOMIC_RELAXED); }
static bool above(const Mem *m, size_t n) {
  size_t used = used_now(m);
  return m->limit && (used > m->limit || n > m->limit - used);
}

void *mem_try(Mem *m, size_t n) {
  Mem *w = counted(m);
  uint64_t call = __atomic_add_fetch(&w->calls, 1, __ATOMIC_RELAXED);
  size_t whole = 0;
  if (w->fail_at == call || n > PTRDIFF_MAX - ALIGN) return NULL;
  if (above(w, n)) return NULL;
  whole = n + ALIGN;
  /* calloc and not aligned_alloc: the system's pages are zero already, and large blocks stay untouched until
   * used. It aligns to 16, so 16 to 64 bytes lie before the block; the last 8 hold the pointer it gave. */
  char *raw = room(&w->door, whole);
  if (!raw) return NULL;
  char *p = raw + (ALIGN - (uintptr_t)raw % ALIGN);
  memcpy(p - sizeof raw, &raw, sizeof raw);
  large_pages(p, n);
  size_t used = __atomic_add_fetch(&w->used, n, __ATOMIC_RELAXED),
         peak = __atomic_load_n(&w->peak, __ATOMIC_RELAXED);
  while (used > peak &&
         !__atomic_compare_exchange_n(&w->peak, &peak, used, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
  return p;
}

void *mem_get(Mem *m, size_t n) {
  void *p = mem_try(m, n);
  if (p) return p;
  Mem *w = counted(m);
  if (w->fail_at != w->calls && above(w, n))
    mem_raise(
        m, ST_LIMIT,
        "out of memory: %zu more bytes than the %zu held would exceed the limit 'compiler_bytes' of %zu", n,
        used_now(w), w->limit);
  mem_raise(m, ST_NO_MEMORY, "out of memory: %zu bytes refused, %zu held", n, used_now(w));
}

void mem_free(Mem *m, void *p, size_t n) {
  if (!p) return;
  void *raw = NULL;
  memcpy(&raw, (char *)p - sizeof raw, sizeof raw);
  __atomic_sub_fetch(&counted(m)->used, n, __ATOMIC_RELAXED);
  const HostDoor *door = mem_door(m);
  if (door->release)
    door->release(door->user, raw, n + ALIGN);
  else
    free(raw);
}

void rescue_begin(Mem *m, Rescue *r) {
  r->outer = m->rescue;
  r->status = ST_OK;
  r->what[0] = 0;
  r->scope = m->scope;
  m->rescue = r;
}

void rescue_end(Mem *m, Rescue *r) { m->rescue = r->outer; }

static _Noreturn void unwind(Mem *m, Status st, const char *where, const char *fmt, va_list ap) {
  Rescue *r = m->rescue;
  if (!r) abort();
  m->rescue = r->outer;
  r->status = st;
  int n = snprintf(r->what, sizeof r->what, "%s", where);
  if (n < 0 || (size_t)n >= sizeof r->what) n = 0;
  vsnprintf(r->what + n, sizeof r->what - (size_t)n, fmt, ap);
  while (m->scope != r->scope) { /* after the text, which may lie in what is released */
    MemScope *s = m->scope;
    m->scope = s->outer;
    s->undo(s);
  }
  longjmp(r->at, 1);
}

void mem_raise(Mem *m, Status st, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  unwind(m, st, "", fmt, ap);
}

void mem_cancelled(Mem *m) { mem_raise(m, ST_CANCELLED, "cancelled"); }

void bug_raise(Mem *m, const char *file, int line, const char *fmt, ...) {
  char where[96];
  va_list ap;
  snprintf(where, sizeof where, "%.70s:%d: ", file, line);
  va_start(ap, fmt);
  unwind(m, ST_INTERNAL, where, fmt, ap);
}
