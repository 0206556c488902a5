#include "base/arena.h"

#include "base/size.h"

#include <string.h>

/* Free memory of a block is always zero: fresh blocks are, and rewind clears what it gives back. So
 * arena_alloc never clears, and large untouched arrays cost no pages. */

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
enum { GAP = 16 }; /* red zone after each allocation */
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
enum { GAP = 0 };
#endif

struct ArenaBlock {
  ArenaBlock *prev;
  size_t size; /* whole block, header included, as given to mem_get */
  char *top;   /* end of the used part when a newer block was opened */
};

enum { HEADER = 64, BLOCK_MIN = 4096, BLOCK_MAX = 1 << 20 };

/* From here on an allocation has memory of its own, which a growing list gives back. Under the sanitizer much
 * earlier, so that a pointer into a list that has grown is noticed. */
#ifdef HAVE_ASAN
enum { LARGE = 256 };
#else
enum { LARGE = 128 << 10 };
#endif
struct ArenaLarge {
  ArenaLarge *older, *newer;
  uint64_t serial;
  size_t size; /* with this header */
};

static void *large_open(Arena *a, size_t n) {
  size_t size = 0;
  if (!size_add(n, HEADER, &size))
    mem_raise(a->mem, ST_LIMIT, "an array of %zu bytes is larger than the address space", n);
  ArenaLarge *l = mem_get(a->mem, size);
  *l = (ArenaLarge){.older = a->large, .serial = ++a->serial, .size = size};
  if (a->large) a->large->newer = l;
  a->large = l;
  return (char *)l + HEADER;
}

static void large_free(Arena *a, ArenaLarge *l) {
  if (l->newer)
    l->newer->older = l->older;
  else
    a->large = l->older;
  if (l->older) l->older->newer = l->newer;
  mem_free(a->mem, l, l->size);
}

void arena_init(Arena *a, Mem *m) { *a = (Arena){.mem = m}; }

static char *block_data(ArenaBlock *b) { return (char *)b + HEADER; }

static void block_free(Arena *a, ArenaBlock *b) {
  size_t size = b->size;
  UNPOISON(b, size);
  mem_free(a->mem, b, size);
}

static void blocks_release(Arena *a) {
  while (a->last) {
    ArenaBlock *b = a->last;
    a->last = b->prev;
    block_free(a, b);
  }
  a->at = a->end = NULL;
}

void arena_release(Arena *a) {
  while (a->large) large_free(a, a->large);
  blocks_release(a);
}

static void block_open(Arena *a, size_t need) {
  size_t size = a->last ? a->last->size : BLOCK_MIN / 2;
  size = size >= BLOCK_MAX / 2 ? BLOCK_MAX : size + size;
  if (size - HEADER < need && (!size_add(need, HEADER, &size) || !size_align(size, 64, &size)))
    mem_raise(a->mem, ST_LIMIT, "an array of %zu bytes is larger than the address space", need);
  ArenaBlock *b = mem_get(a->mem, size);
  b->prev = a->last;
  b->size = size;
  a->together = false;
  if (a->last) a->last->top = a->at;
  a->last = b;
  a->at = block_data(b);
  a->end = (char *)b + size;
  POISON(a->at, (size_t)(a->end - a->at));
}

void *arena_alloc(Arena *a, size_t n, size_t align) {
  mem_poll(a->mem);
  if (n >= LARGE && !(a->together && n < PTRDIFF_MAX - 64 && n + 64 <= (size_t)(a->end - a->at)))
    return large_open(a, n);
  size_t want = 0;
  if (!size_add(n ? n : 1, GAP, &want))
    mem_raise(a->mem, ST_LIMIT, "an array of %zu bytes is larger than the address space", n);
  size_t pad = (size_t)(-(uintptr_t)a->at & (align - 1));
  if (!a->at || pad > (size_t)(a->end - a->at) || want > (size_t)(a->end - a->at) - pad) {
    block_open(a, want);
    pad = 0; /* blocks start 64-byte aligned */
  }
  char *p = a->at + pad;
  a->at = p + want;
  UNPOISON(p, n ? n : 1);
  return p;
}

void arena_room(Arena *a, size_t n) {
  if (!a->at || n > (size_t)(a->end - a->at)) block_open(a, n);
  a->together = true;
}

void *arena_array(Arena *a, size_t count, size_t size, size_t align) {
  size_t n = 0;
  if (!size_mul(count, size, &n))
    mem_raise(a->mem, ST_LIMIT, "an array of %zu elements of %zu bytes is larger than the address space",
              count, size);
  return arena_alloc(a, n, align);
}

ArenaMark arena_mark(const Arena *a) { return (ArenaMark){a->last, a->at, a->serial}; }

void arena_rewind(Arena *a, ArenaMark to) {
  while (a->large && a->large->serial > to.serial) large_free(a, a->large);
  if (!to.last) {
    blocks_release(a);
    return;
  }
  char *used = a->at;
  while (a->last != to.last) {
    ArenaBlock *b = a->last;
    a->last = b->prev;
    used = a->last->top;
    block_free(a, b);
  }
  a->at = to.at;
  a->end = (char *)a->last + a->last->size;
  UNPOISON(a->at, (size_t)(used - a->at));
  memset(a->at, 0, (size_t)(used - a->at));
  POISON(a->at, (size_t)(a->end - a->at));
}

static void scope_undo(MemScope *s) {
  ArenaScope *a = (ArenaScope *)s; /* its first member */
  arena_release(&a->arena);
}

Arena *arena_open(ArenaScope *s, Mem *m) {
  s->scope = (MemScope){m->scope, scope_undo};
  arena_init(&s->arena, m);
  m->scope = &s->scope;
  return &s->arena;
}

void arena_close(ArenaScope *s) {
  Mem *m = s->arena.mem;
  if (m->scope != &s->scope) BUG(m, "arena: scopes close in the opposite order");
  m->scope = s->scope.outer;
  arena_release(&s->arena);
}

void arena_outgrown(Arena *a, const void *p, size_t n) {
  if (n < LARGE) return;
  for (ArenaLarge *l = a->large; l; l = l->older) { /* few */
    if ((const char *)l + HEADER != p) continue;
    large_free(a, l);
    return;
  }
}

void *vec_grow(Arena *a, const void *old, uint32_t *cap, size_t size, size_t align) {
  uint32_t was = *cap, now = was ? was + was / 2 + 1 : 8;
  if (now < was) mem_raise(a->mem, ST_LIMIT, "more than %u elements in one list", was);
  void *p = arena_array(a, now, size, align);
  size_t n = 0;
  if (was && size_mul(was, size, &n)) memcpy(p, old, n);
  if (was) arena_outgrown(a, old, n);
  *cap = now;
  return p;
}
