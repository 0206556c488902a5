/* One input of a fuzz target: an arena of its own, and a raise is caught. What raises with
 * another status than `allowed` is a finding. */
#ifndef DG_TESTS_GUARDED_H
#define DG_TESTS_GUARDED_H

#include "base/str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline int guarded(void (*check)(Arena *a, Str text), const uint8_t *data, size_t n, Status allowed) {
  Mem m;
  Arena a;
  Rescue rescue;
  mem_init(&m, 0);
  arena_init(&a, &m);
  if (RESCUE(&m, &rescue)) {
    check(&a, (Str){(const char *)data, n});
    rescue_end(&m, &rescue);
  } else if (rescue.status != allowed) {
    abort();
  }
  arena_release(&a);
  return 0;
}

#endif
