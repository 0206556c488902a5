/* Unit tests: a table of suites, TAP on stdout (meson counts single cases). CK_FORK=no runs in one process
 * (valgrind, gdb).
 *
 *   START_TEST(mul_overflow) { ck_assert(...); } END_TEST
 *   UNIT_MAIN(UNIT("size", mul_overflow, add_overflow), UNIT("arena", ...))
 */
#ifndef DG_TESTS_UNIT_H
#define DG_TESTS_UNIT_H

#include <check.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Unit {
  const char *name;
  const TTest *const *tests; /* ended by NULL */
  int turns;                 /* each test runs with _i = 0 .. turns - 1 */
} Unit;

#define UNIT(name, ...) UNIT_TURNS(name, 1, __VA_ARGS__)
#define UNIT_TURNS(name, turns, ...) {(name), (const TTest *const[]){__VA_ARGS__, NULL}, (turns)}
#define UNIT_MAIN(...)                                                                                       \
  int main(void) {                                                                                           \
    const Unit units[] = {__VA_ARGS__};                                                                      \
    return unit_run(units, sizeof units / sizeof units[0]);                                                  \
  }

static inline int unit_run(const Unit *u, size_t n) {
  SRunner *r = NULL;
  for (size_t i = 0; i < n; i++) {
    Suite *s = suite_create(u[i].name);
    TCase *c = tcase_create(u[i].name);
    tcase_set_timeout(c, 60);
    for (const TTest *const *t = u[i].tests; *t; t++) tcase_add_loop_test(c, *t, 0, u[i].turns);
    suite_add_tcase(s, c);
    if (r)
      srunner_add_suite(r, s);
    else
      r = srunner_create(s);
  }
  srunner_set_tap(r, "-");
  srunner_run_all(r, getenv("CK_VERBOSITY") ? CK_ENV : CK_SILENT);
  int failed = srunner_ntests_failed(r);
  srunner_free(r);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define ck_assert_strn(s, z) unit_str_is((s).p, (s).n, (z), __FILE__, __LINE__)
static inline void unit_str_is(const char *p, size_t n, const char *z, const char *file, int line) {
  if (n == strlen(z) && memcmp(p, z, n) == 0) return;
  /* to stderr: a TAP message is one line */
  fprintf(stderr, "%s:%d: got\n%.*s\nexpected\n%s\n", file, line, (int)n, p, z);
  ck_abort_msg("%s:%d: the texts differ, see above", file, line);
}

/* Switches to a locale that writes 1,5 and groups by points. The machine may have none, so its one file is
 * written here (glibc's compiled LC_NUMERIC). False: this C library takes none of it. unit_locale_back undoes
 * it. */
static inline bool unit_comma_locale(void) {
  static const unsigned char numeric[] = {0x14, 0x11, 0x03, 0x20, 6,    0, 0, 0, 0x20, 0, 0, 0, 0x22, 0, 0, 0,
                                          0x24, 0,    0,    0,    0x28, 0, 0, 0, 0x2c, 0, 0, 0, 0x30, 0, 0, 0,
                                          ',',  0,    '.',  0,    3,    3, 0, 0, ',',  0, 0, 0, '.',  0, 0, 0,
                                          'U',  'T',  'F',  '-',  '8',  0};
  char folder[] = "/tmp/dg-locale-XXXXXX", path[64];
  if (!mkdtemp(folder)) return false;
  snprintf(path, sizeof path, "%s/comma", folder);
  mkdir(path, 0700);
  snprintf(path, sizeof path, "%s/comma/LC_NUMERIC", folder);
  FILE *f = fopen(path, "wb");
  if (f) {
    fwrite(numeric, 1, sizeof numeric, f);
    fclose(f);
  }
  setenv("LOCPATH", folder, 1);
  bool good = setlocale(LC_NUMERIC, "comma") != NULL;
  unsetenv("LOCPATH");
  remove(path);
  path[strlen(path) - strlen("/LC_NUMERIC")] = 0;
  rmdir(path);
  rmdir(folder);
  char text[8];
  snprintf(text, sizeof text, "%g", 1.5);
  return good && strcmp(text, "1,5") == 0;
}
static inline void unit_locale_back(void) { (void)setlocale(LC_NUMERIC, "C"); }

#endif
