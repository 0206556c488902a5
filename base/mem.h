/* The one allocator door. Every byte the compiler owns comes through a Mem: it counts, it has a limit, and
 * tests make its n-th call fail. Code above does not test for NULL: a failed allocation *raises*, which
 * unwinds to the nearest RESCUE (set at the API boundary). All compile state lives in arenas, so nothing is
 * lost by unwinding. */
#ifndef DG_BASE_MEM_H
#define DG_BASE_MEM_H

#include "base/status.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is undone when a raise passes by: arenas of one call (base/arena.h). Innermost first. */
typedef struct MemScope MemScope;
struct MemScope {
  MemScope *outer;
  void (*undo)(MemScope *s);
};

typedef struct Rescue Rescue;
struct Rescue {
  jmp_buf at;
  Rescue *outer;
  MemScope *scope; /* the innermost one when the rescue began */
  Status status;
  char what[192]; /* one line, NUL-terminated */
};

/* What a host gives in place of the system's; a member that is NULL stands for the system's own. */
typedef struct HostDoor {
  void *(*allocate)(void *user, size_t bytes); /* aligned to 16, whatever in it; NULL: there is none left */
  void (*release)(void *user, void *p, size_t bytes);
  int (*open)(void *user, const char *path); /* a descriptor to read from; -errno: the reason why not */
  void *user;
} HostDoor;

typedef struct Mem Mem;
struct Mem {
  Mem *whole;               /* whose bytes these are counted among; NULL: its own */
  size_t used, peak, limit; /* bytes; limit 0 means none */
  uint64_t calls, fail_at;  /* the fail_at-th call fails (1-based); 0 means none */
  HostDoor door;
  Rescue *rescue;
  MemScope *scope;
  const uint32_t *stop; /* not 0 there: another thread has ended the call, which allocating finds; or NULL */
};

void mem_init(Mem *m, size_t limit);
/* Counts and limits are those of `whole`, which stays where it is; what raises is its own. So two threads may
 * use two Mems of one whole. */
void mem_init_within(Mem *m, Mem *whole);
/* A Mem that counts by itself, with the limit and the door of another. */
void mem_init_beside(Mem *m, const Mem *other);
const HostDoor *mem_door(const Mem *m);
/* Returns 64-byte aligned zeroed memory, or NULL. n must be above 0. */
void *mem_try(Mem *m, size_t n) MUST_USE;
/* Like mem_try but raises instead of returning NULL: ST_LIMIT when m->limit refused, else ST_NO_MEMORY. */
void *mem_get(Mem *m, size_t n) MUST_USE;
/* n as given to mem_try; p may be NULL. */
void mem_free(Mem *m, void *p, size_t n);
/* Unwinds to the innermost RESCUE; without one it aborts (a defect of the caller). */
_Noreturn void mem_raise(Mem *m, Status st, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Raises ST_CANCELLED where another thread has ended the call. Arenas ask at each allocation. */
static inline bool mem_stopped(const uint32_t *stop) {
  return stop && __atomic_load_n(stop, __ATOMIC_RELAXED);
}
_Noreturn void mem_cancelled(Mem *m);
static inline void mem_poll(Mem *m) {
  if (mem_stopped(m->stop)) mem_cancelled(m);
}

/* Usage: Rescue r; if (RESCUE(m, &r)) { ...work...; rescue_end(m, &r); } else { r.status, r.what }
 * Locals changed between RESCUE and the raise must be volatile or live in memory. */
#define RESCUE(m, r) (rescue_begin((m), (r)), setjmp((r)->at) == 0)
void rescue_begin(Mem *m, Rescue *r);
void rescue_end(Mem *m, Rescue *r);

/* A defect of ours: prints nothing itself, raises ST_INTERNAL with "file:line: text". */
#define BUG(m, ...) bug_raise((m), __FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_raise(Mem *m, const char *file, int line, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
