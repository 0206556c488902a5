/* SARIF 2.1.0 (OASIS): what editors and code hosts read. One run; a rule for each code that occurs. */
#include "base/diag.h"
#include "base/embed.h"

static void put_text(Sb *b, const char *name, Str s) {
  sb_fmt(b, "\"%s\":{\"text\":", name);
  diag_json_string(b, s);
  sb_char(b, '}');
}

/* The file as a URI reference: what no path segment holds is written in percents. */
static void put_file(Sb *b, Str name) {
  static const char plain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/+@=,!$&'()*;";
  sb_add(b, STR("\"artifactLocation\":{\"uri\":\""));
  if (name.n && name.p[0] == '/') sb_add(b, STR("file://"));
  for (size_t i = 0; i < name.n; i++) {
    unsigned char c = (unsigned char)name.p[i];
    if (c && strchr(plain, c))
      sb_char(b, (char)c);
    else
      sb_fmt(b, "%%%02X", c);
  }
  sb_add(b, STR("\"}"));
}

static void put_place(Sb *b, const Sources *s, Span at) {
  LineCol lo = sources_at(s, at.file, at.lo), hi = sources_at(s, at.file, at.hi);
  sb_add(b, STR("\"physicalLocation\":{"));
  put_file(b, s->file.at[at.file].name);
  sb_fmt(b, ",\"region\":{\"startLine\":%u,\"startColumn\":%u,\"endLine\":%u,\"endColumn\":%u,", lo.line,
         lo.col, hi.line, hi.col);
  sb_fmt(b, "\"byteOffset\":%u,\"byteLength\":%u}}", at.lo, at.hi - at.lo);
}

static void put_related(Sb *b, const Sources *s, Span at, Str text, uint32_t *n) {
  if (!at.file) return;
  sb_fmt(b, "%s{\"id\":%u,", *n ? "," : ",\"relatedLocations\":[", *n + 1);
  put_place(b, s, at);
  sb_char(b, ',');
  put_text(b, "message", text);
  sb_char(b, '}');
  ++*n;
}

/* All edits of a diagnostic belong together: one fix, one change a file. */
static void put_fix(Sb *b, const Diags *d, const Diag *g) {
  bool first = true;
  if (!g->edit.n) return;
  sb_add(b, STR(",\"fixes\":[{"));
  put_text(b, "description", diag_fix_title(d, g));
  sb_add(b, STR(",\"artifactChanges\":["));
  for (uint32_t i = 0; i < g->edit.n; i++) {
    bool again = false;
    for (uint32_t k = 0; k < i; k++) again |= g->edit.at[k].at.file == g->edit.at[i].at.file;
    if (again) continue;
    if (!first) sb_char(b, ',');
    first = false;
    sb_char(b, '{');
    put_file(b, d->sources->file.at[g->edit.at[i].at.file].name);
    sb_add(b, STR(",\"replacements\":["));
    for (uint32_t k = i; k < g->edit.n; k++) {
      const DiagEdit *e = &g->edit.at[k];
      if (e->at.file != g->edit.at[i].at.file) continue;
      if (k > i) sb_char(b, ',');
      sb_fmt(b, "{\"deletedRegion\":{\"byteOffset\":%u,\"byteLength\":%u},", e->at.lo, e->at.hi - e->at.lo);
      put_text(b, "insertedContent", e->text);
      sb_char(b, '}');
    }
    sb_add(b, STR("]}"));
  }
  sb_add(b, STR("]}]"));
}

/* The headline, and what has no place of its own: notes and the way out. */
static Str whole_text(const Diags *d, const Diag *g) {
  Sb b;
  sb_init(&b, d->arena);
  sb_add(&b, g->text);
  for (uint32_t i = 0; i < g->note.n; i++)
    if (!g->note.at[i].at.file) sb_fmt(&b, "\nnote: " STRF, STRA(g->note.at[i].text));
  if (g->help.n) sb_fmt(&b, "\nhelp: " STRF, STRA(g->help));
  return sb_str(&b);
}

static void put_result(Sb *b, const Diags *d, const Diag *g, uint32_t rule) {
  Str text = whole_text(d, g);
  sb_fmt(b, "{\"ruleId\":\"DG%04u\",\"ruleIndex\":%u,\"level\":\"%s\",", diag_info[g->kind].code, rule,
         severity_word(diag_severity(d, g)));
  put_text(b, "message", text);
  sb_add(b, STR(",\"locations\":["));
  if (g->at.file || g->subject.n) sb_char(b, '{');
  if (g->at.file) put_place(b, d->sources, g->at);
  for (uint32_t i = 0; i < g->subject.n; i++) {
    sb_add(b, i ? STR(",") : g->at.file ? STR(",\"logicalLocations\":[") : STR("\"logicalLocations\":["));
    sb_add(b, STR("{\"kind\":\"parameter\",\"fullyQualifiedName\":"));
    diag_json_string(b, g->subject.at[i]);
    sb_char(b, '}');
  }
  if (g->subject.n) sb_char(b, ']');
  if (g->at.file || g->subject.n) sb_char(b, '}');
  sb_char(b, ']');
  uint32_t n = 0;
  if (g->at.file && g->under.n) put_related(b, d->sources, g->at, g->under, &n);
  for (uint32_t i = 0; i < g->label.n; i++)
    put_related(b, d->sources, g->label.at[i].at, g->label.at[i].text, &n);
  for (uint32_t i = 0; i < g->note.n; i++)
    put_related(b, d->sources, g->note.at[i].at, g->note.at[i].text, &n);
  if (n) sb_char(b, ']');
  put_fix(b, d, g);
  sb_fmt(b, ",\"properties\":{\"group\":\"%s\"%s}}", diag_groups[diag_info[g->kind].group].name,
         !g->edit.n                 ? ""
         : g->apply == DIAG_MACHINE ? ",\"applicability\":\"machine\""
                                    : ",\"applicability\":\"maybe\"");
}

/* "a gradient that is zero for every input": of the page "# DG0313: ..", or the name where there is no page.
 */
static Str title(const EmbeddedFile *pages, const DiagInfo *info, Arena *a) {
  const EmbeddedFile *page = embedded_find(pages, str_fmt(a, "DG%04u.md", info->code));
  const char *from = page ? memchr(page->text.p, ':', page->text.n) : NULL;
  if (!from) return str_z(info->name);
  from += strspn(from, ": ");
  return (Str){from, strcspn(from, "\n")};
}

void diag_render_sarif(const Diags *d, Str version, const EmbeddedFile *pages, Sb *b) {
  uint32_t rule[DIAG_COUNT] = {0}, rules = 0, results = 0; /* rule: index + 1 */
  sb_add(b, STR("{\"$schema\":\"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
                "sarif-schema-2.1.0.json\",\n\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{"
                "\"name\":\"dgc\",\"version\":"));
  diag_json_string(b, version);
  sb_add(b, STR(",\"rules\":["));
  for (uint32_t i = 0; i < d->all.n; i++) {
    const Diag *g = d->all.at[i];
    const DiagInfo *info = &diag_info[g->kind];
    if (diag_severity(d, g) == SEV_IGNORED || rule[g->kind]) continue;
    sb_fmt(b, "%s\n{\"id\":\"DG%04u\",\"name\":\"%s\",", rules ? "," : "", info->code, info->name);
    put_text(b, "shortDescription", title(pages, info, d->arena));
    sb_fmt(b, ",\"help\":{\"text\":\"dgc explain DG%04u\"}}", info->code);
    rule[g->kind] = ++rules;
  }
  sb_add(b, STR("]}},\n\"columnKind\":\"unicodeCodePoints\",\"results\":["));
  for (uint32_t i = 0; i < d->all.n; i++) {
    const Diag *g = d->all.at[i];
    if (diag_severity(d, g) == SEV_IGNORED) continue;
    sb_add(b, results++ ? STR(",\n") : STR("\n"));
    put_result(b, d, g, rule[g->kind] - 1);
  }
  sb_add(b, STR("]}]}\n"));
}
