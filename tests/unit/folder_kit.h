/* A folder of its own under /tmp for each test, and an arena: for the tests of what reads and writes files.
 */
#ifndef DG_TESTS_FOLDER_KIT_H
#define DG_TESTS_FOLDER_KIT_H

#include "base/file.h"
#include "unit.h"

#include <unistd.h>

static Mem mem;
static Arena arena;
static char folder[64];

static inline void begin(void) {
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  strcpy(folder, "/tmp/dgc-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void end(void) {
  char cmd[128];
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", folder);
  ck_assert_int_eq(system(cmd), 0);
  arena_release(&arena);
  ck_assert_uint_eq(mem.used, 0);
}

static inline Str in(const char *name) { return str_fmt(&arena, "%s/%s", folder, name); }

static inline Str put(const char *name, Str bytes) {
  Str path = in(name);
  FILE *f = fopen(path.p, "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
  fclose(f);
  return path;
}

#endif
