/* Bump arenas by lifetime: session (sources, strings), unit (AST), graph, scratch (one pass). No single
 * frees. Memory is zeroed. Released and rewound memory is poisoned under AddressSanitizer. Allocation failure
 * raises (base/mem.h). */
#ifndef DG_BASE_ARENA_H
#define DG_BASE_ARENA_H

#include "base/mem.h"

typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
  Mem *mem;
  ArenaBlock *last;
  char *at, *end;
} Arena;

typedef struct ArenaMark {
  ArenaBlock *last;
  char *at;
} ArenaMark;

void arena_init(Arena *a, Mem *m);
void arena_release(Arena *a);
/* align is a power of two up to 64. n may be 0 (a valid, unique pointer comes back). */
void *arena_alloc(Arena *a, size_t n, size_t align) MUST_USE;
/* count * size is checked; an overflow raises ST_LIMIT. */
void *arena_array(Arena *a, size_t count, size_t size, size_t align) MUST_USE;
/* What is taken next, up to n bytes, lies in one block. */
void arena_room(Arena *a, size_t n);
ArenaMark arena_mark(const Arena *a);
void arena_rewind(Arena *a, ArenaMark to);

#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T), _Alignof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_array((a), (n), sizeof(T), _Alignof(T)))

/* Growable array in an arena: VEC(int) v = {0}; VEC_PUSH(a, &v, 3); v.at[0]; v.n. Pointers into it die on
 * growth. */
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
