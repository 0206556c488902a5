/* The reader on any bytes: it ends, what it rejects it explains, every place lies in the text, and formatting
 * what it accepts changes no tree and, done twice, nothing at all. */
#include "frontend/syntax/parse.h"
#include "tests/fuzz/guarded.h"

typedef struct Run {
  Names names;
  Sources sources;
  Limits limits;
  Diags diags;
  uint32_t file;
  AstFile *tree;
  bool ok;
  Sb text;
} Run;

static void read_text(Run *r, Arena *a, Str text) {
  names_init(&r->names, a);
  sources_init(&r->sources, a);
  limits_init(&r->limits);
  diags_init(&r->diags, a, &r->sources, &r->limits);
  r->file = sources_add(&r->sources, STR("x.dg"), text, false);
  r->ok = parse_file(r->file, &r->sources, &r->names, a, &r->diags, &r->limits, &r->tree);
  sb_init(&r->text, a);
  ast_print(r->tree, &r->names, false, &r->text);
}

static void format(Run *r, Arena *a, Sb *out) {
  sb_init(out, a);
  if (!fmt_file(r->file, &r->sources, &r->names, a, &r->diags, &r->limits, out)) abort();
}

static void check(Arena *a, Str text) {
  Run r, again;
  Sb once, twice, messages;
  read_text(&r, a, text);
  if (r.ok != (r.diags.errors == 0) || r.ok == r.tree->errors) abort();
  for (uint32_t i = 0; i < r.diags.all.n; i++) {
    const Diag *g = r.diags.all.at[i];
    if (g->at.file != r.file || g->at.lo > g->at.hi || g->at.hi > text.n) abort();
  }
  sb_init(&messages, a);
  diags_finish(&r.diags);
  diag_render_all(&r.diags, (DiagStyle){.tab = 8}, &messages);
  if (!r.ok) return;
  format(&r, a, &once);
  read_text(&again, a, sb_str(&once));
  if (!again.ok || !str_eq(sb_str(&r.text), sb_str(&again.text))) abort();
  format(&again, a, &twice);
  if (!str_eq(sb_str(&once), sb_str(&twice))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) { return guarded(check, data, n, ST_OK); }
