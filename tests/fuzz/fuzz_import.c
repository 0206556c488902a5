/* Recorded models on any bytes: reading ends, what is refused is told with a place in the file, what is
 * accepted is diagnosed and judged, and every message can be printed. */
#include "frontend/import/import.h"
#include "passes/passes.h"
#include "tests/fuzz/guarded.h"

static void check(Arena *a, Str text) {
  Names names;
  Sources sources;
  Limits limits;
  Program p;
  Diags d;
  Import made = {0};
  Sb b;
  names_init(&names, a);
  sources_init(&sources, a);
  limits_init(&limits);
  limits.nodes = 20000;
  program_init(&p, a, &names, &sources, &limits);
  diags_init(&d, a, &sources, &limits);
  uint32_t file = sources_add(&sources, STR("step.dgg"), text, false);
  bool ok = import_program(file, STR("/nowhere"), &d, &p, &made);
  if (!ok && (d.all.n != 1 || d.all.at[0]->kind != DIAG_bad_import || d.all.at[0]->at.file != file)) abort();
  if (ok) {
    diagnose(&p, NULL, 0, &d);
    import_judge(&made, &p, &d);
  }
  diags_finish(&d);
  sb_init(&b, a);
  diag_render_all(&d, (DiagStyle){.tab = 8}, &b);
  diag_render_json(&d, &b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) { return guarded(check, data, n, ST_LIMIT); }
