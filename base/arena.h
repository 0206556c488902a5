/* Bump arenas by lifetime: session (sources, strings), unit (AST), graph, scratch (one pass). No single
 * frees. Memory is zeroed. Released and rewound memory is poisoned under AddressSanitizer. Allocation failure
 * raises (base/mem.h). */
#ifndef DG_BASE_ARENA_H
#define DG_BASE_ARENA_H

#include "base/mem.h"

#include <stdbool.h>

typedef struct ArenaBlock ArenaBlock;
typedef struct ArenaLarge ArenaLarge;
typedef struct Arena {
  Mem *mem;
  ArenaBlock *last;
  char *at, *end;
  ArenaLarge *large; /* what has memory of its own, the newest first */
  uint64_t serial;   /* of the newest */
  bool together;     /* the block was opened by arena_room: large things lie in it, too */
} Arena;

typedef struct ArenaMark {
  ArenaBlock *last;
  char *at;
  uint64_t serial;
} ArenaMark;

void arena_init(Arena *a, Mem *m);
void arena_release(Arena *a);
/* align is a power of two up to 64. n may be 0 (a valid, unique pointer comes back). */
void *arena_alloc(Arena *a, size_t n, size_t align) MUST_USE;
/* count * size is checked; an overflow raises ST_LIMIT. */
void *arena_array(Arena *a, size_t count, size_t size, size_t align) MUST_USE;
/* What is taken next, up to n bytes, lies in one block. */
void arena_room(Arena *a, size_t n);
/* Nobody looks at these n bytes of the arena again: what grows has moved on. Large memory goes back. */
void arena_outgrown(Arena *a, const void *p, size_t n);
ArenaMark arena_mark(const Arena *a);
void arena_rewind(Arena *a, ArenaMark to);

/* An arena that ends with the function that opened it: arena_close, or a raise that passes by, releases it.
 * Scopes of one Mem close in the opposite order. */
typedef struct ArenaScope {
  MemScope scope;
  Arena arena;
} ArenaScope;
Arena *arena_open(ArenaScope *s, Mem *m);
void arena_close(ArenaScope *s);

#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T), _Alignof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_array((a), (n), sizeof(T), _Alignof(T)))

/* Growable array in an arena: VEC(int) v = {0}; VEC_PUSH(a, &v, 3); v.at[0]; v.n. Pointers into it die on
 * growth: a large one gives its old memory back. */
#define VEC(T)                                                                                               \
  struct {                                                                                                   \
    T *at;                                                                                                   \
    uint32_t n, cap;                                                                                         \
  }
#define VEC_PUSH(a, v, ...)                                                                                  \
  do {                                                                                                       \
    if ((v)->n == (v)->cap)                                                                                  \
      (v)->at = vec_grow((a), (v)->at, &(v)->cap, sizeof *(v)->at, _Alignof(__typeof__(*(v)->at)));          \
    (v)->at[(v)->n++] = __VA_ARGS__;                                                                         \
  } while (0)
void *vec_grow(Arena *a, const void *old, uint32_t *cap, size_t size, size_t align) MUST_USE;

#endif
