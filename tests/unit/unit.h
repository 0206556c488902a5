/* Unit tests: a table of suites, TAP on stdout (meson counts single cases). CK_FORK=no runs in one process
 * (valgrind, gdb).
 *
 *   START_TEST(mul_overflow) { ck_assert(...); } END_TEST
 *   UNIT_MAIN(UNIT("size", mul_overflow, add_overflow), UNIT("arena", ...))
 */
#ifndef DG_TESTS_UNIT_H
#define DG_TESTS_UNIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Unit {
  const char *name;
  const TTest *const *tests; /* ended by NULL */
} Unit;

#define UNIT(name, ...)                                                                                      \
  {                                                                                                          \
    (name), (const TTest *const[]) { __VA_ARGS__, NULL }                                                     \
  }
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
    for (const TTest *const *t = u[i].tests; *t; t++) tcase_add_test(c, *t);
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

#endif
