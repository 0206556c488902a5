/* A program with a mistake gets one error, of the expected code, where the mistake stands. */
#include "check.h"

static bool about_bad(const dg_program *p, const char *code) {
  for (int i = 0; i < dg_diagnostic_count(p); i++) {
    const dg_diagnostic *d = dg_diagnostic_at(p, i);
    for (int k = 0; strcmp(d->code, code) == 0 && k < d->subjects; k++)
      if (strcmp(d->subject[k], "bad") == 0) return true;
  }
  return false;
}

bool check_wrong(const Case *c, Fault *f) {
  dg_context *cx = dg_context_new();
  dg_program *p = NULL;
  dg_status st = dg_check_source(cx, "model.dg", c->text, strlen(c->text), &p);
  int errors = 0;
  bool finds = strncmp(c->expect, "DG03", 4) == 0;
  if (finds && (st != DG_OK || !about_bad(p, c->expect)))
    finding(f, "wrong", "status %d, and %s about 'bad' is expected:\n%s", st, c->expect,
            p ? dg_diagnostics_text(p, 0) : "");
  if (finds) {
    dg_program_free(p);
    dg_context_free(cx);
    return !f->stage[0];
  }
  bool good = st == DG_REJECTED || finding(f, "wrong", "status %d, and %s is expected", st, c->expect);
  for (int i = 0; good && i < dg_diagnostic_count(p); i++) {
    const dg_diagnostic *d = dg_diagnostic_at(p, i);
    if (d->severity != DG_SEV_ERROR) continue;
    if (strcmp(d->code, c->expect) != 0)
      good = finding(f, "wrong", "%s is expected: %s", c->expect, d->rendered);
    else if ((int)d->place.line != c->line)
      good = finding(f, "wrong", "line %d is expected: %s", c->line, d->rendered);
    else if (errors++)
      good = finding(f, "wrong", "a second error: %s", d->rendered);
  }
  if (good && errors == 0) good = finding(f, "wrong", "no error");
  dg_program_free(p);
  dg_context_free(cx);
  return good;
}
