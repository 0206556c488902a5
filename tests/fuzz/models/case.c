/* The head lines of a case. */
#include "case.h"

#include <stdio.h>
#include <string.h>

static const char head[] = "// case: N = %d, M = %d, rows = %d, data = %lu, specials = %d\n";

bool case_read(Case *c) {
  int specials;
  c->expect[0] = 0;
  if (sscanf(c->text, head, &c->N, &c->M, &c->rows, &c->data, &specials) != 5) return false;
  c->specials = specials;
  c->no_duals = strstr(c->text, "\n// no duals\n") != NULL;
  const char *e = strstr(c->text, "\n// expect: ");
  return !e || sscanf(e, "\n// expect: %7s at %d", c->expect, &c->line) == 2;
}

void case_write(const Case *c, const char *program, char *to, size_t n) {
  char expect[48] = "";
  if (c->expect[0]) snprintf(expect, sizeof expect, "// expect: %s at %d\n", c->expect, c->line);
  snprintf(to, n, "// case: N = %d, M = %d, rows = %d, data = %lu, specials = %d\n%s%simport nn\n%s", c->N,
           c->M, c->rows, c->data, c->specials, expect, c->no_duals ? "// no duals\n" : "", program);
}
