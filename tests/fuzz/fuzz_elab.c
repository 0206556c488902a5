/* The elaborator on any text: it ends within its limits, what it rejects it explains at places that exist,
 * and every graph of what it accepts verifies. A raise is a limit, never a defect. */
#include "frontend/frontend.h"
#include "tests/fuzz/guarded.h"
#include "tests/fuzz/json.h"

static void place(const Sources *s, Span at) {
  if (at.file >= s->file.n || at.lo > at.hi || (at.file && at.hi > s->file.at[at.file].text.n)) abort();
}

static void check(Arena *a, Str text) {
  Names names;
  Sources sources;
  Limits limits;
  Diags diags;
  Program p;
  ElabOptions o = {.folder = STR("/nonexistent")};
  AstFile *ast;
  names_init(&names, a);
  sources_init(&sources, a);
  limits_init(&limits);
  limits.expansion = 20000;
  limits.nodes = 20000;
  limits.tensor_bytes = 1 << 20;
  diags_init(&diags, a, &sources, &limits);
  program_init(&p, a, &names, &sources, &limits);
  uint32_t file = sources_add(&sources, STR("x.dg"), text, false);
  bool ok = frontend_program(file, &o, &diags, &p, &ast);
  if (ok != (diags.errors == 0)) abort();
  for (uint32_t i = 0; i < diags.all.n; i++) {
    const Diag *g = diags.all.at[i];
    place(&sources, g->at);
    for (uint32_t k = 0; k < g->label.n; k++) place(&sources, g->label.at[k].at);
    for (uint32_t k = 0; k < g->note.n; k++) place(&sources, g->note.at[k].at);
    for (uint32_t k = 0; k < g->edit.n; k++) place(&sources, g->edit.at[k].at);
  }
  Sb messages;
  sb_init(&messages, a);
  diags_finish(&diags);
  diag_render_json(&diags, &messages);
  if (!json_valid(messages.p, messages.n)) abort();
  diag_render_all(&diags, (DiagStyle){.tab = 8}, &messages);
  for (uint32_t i = 0; ok && i < p.entry.n; i++)
    if (!graph_verify(p.entry.at[i].graph, &messages)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) { return guarded(check, data, n, ST_LIMIT); }
