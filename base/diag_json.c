#include "base/diag.h"

/* Written by hand and not by a library: the memory comes from the arena, and user text may hold bytes that
 * are no UTF-8. */

void diag_json_string(Sb *b, Str s) {
  sb_char(b, '"');
  for (size_t i = 0; i < s.n;) {
    uint32_t c = 0, n = str_utf8(s, i, &c);
    if (n == 0)
      sb_add(b, STR("\xef\xbf\xbd")); /* U+FFFD */
    else if (c == '"' || c == '\\')
      sb_fmt(b, "\\%c", (int)c);
    else if (c == '\n')
      sb_add(b, STR("\\n"));
    else if (c == '\t')
      sb_add(b, STR("\\t"));
    else if (c < 0x20 || c == 0x7f)
      sb_fmt(b, "\\u%04x", c);
    else
      sb_add(b, (Str){s.p + i, n});
    i += n ? n : 1;
  }
  sb_char(b, '"');
}

static void put_field(Sb *b, const char *name, Str s) {
  sb_fmt(b, "\"%s\":", name);
  diag_json_string(b, s);
}

/* null, or the place in bytes and in lines and columns, ends excluded. */
static void put_span(Sb *b, const Sources *s, Span at) {
  if (!at.file) {
    sb_add(b, STR("\"span\":null"));
    return;
  }
  LineCol lo = sources_at(s, at.file, at.lo), hi = sources_at(s, at.file, at.hi);
  sb_add(b, STR("\"span\":{"));
  put_field(b, "file", s->file.at[at.file].name);
  sb_fmt(b, ",\"lo\":%u,\"hi\":%u,\"line\":%u,\"column\":%u,\"end_line\":%u,\"end_column\":%u}", at.lo, at.hi,
         lo.line, lo.col, hi.line, hi.col);
}

static void put_placed(Sb *b, const Sources *s, Span at, Str text, bool first) {
  sb_add(b, first ? STR("{") : STR(",{"));
  put_span(b, s, at);
  sb_char(b, ',');
  put_field(b, "text", text);
  sb_char(b, '}');
}

Str diag_fix_title(const Diags *d, const Diag *g) {
  const DiagEdit *e = &g->edit.at[0];
  if (g->fix.n) return g->fix;
  if (!e->text.n) return STR("remove this");
  if (e->at.lo == e->at.hi) return str_fmt(d->arena, "insert '" STRF "'", STRA(e->text));
  return str_fmt(d->arena, "write '" STRF "'", STRA(e->text));
}

static void put_diag(Sb *b, const Diags *d, const Diag *g) {
  const DiagInfo *info = &diag_info[g->kind];
  sb_fmt(b, "{\"code\":\"DG%04u\",\"name\":\"%s\",\"group\":\"%s\",\"severity\":\"%s\",", info->code,
         info->name, diag_groups[info->group].name, severity_word(diag_severity(d, g)));
  put_field(b, "message", g->text);
  sb_char(b, ',');
  put_span(b, d->sources, g->at);
  sb_char(b, ',');
  put_field(b, "under", g->under);
  sb_add(b, STR(",\"labels\":["));
  for (uint32_t i = 0; i < g->label.n; i++)
    put_placed(b, d->sources, g->label.at[i].at, g->label.at[i].text, i == 0);
  sb_add(b, STR("],\"notes\":["));
  for (uint32_t i = 0; i < g->note.n; i++)
    put_placed(b, d->sources, g->note.at[i].at, g->note.at[i].text, i == 0);
  sb_add(b, STR("],"));
  put_field(b, "help", g->help);
  sb_add(b, STR(",\"edits\":["));
  for (uint32_t i = 0; i < g->edit.n; i++)
    put_placed(b, d->sources, g->edit.at[i].at, g->edit.at[i].text, i == 0);
  sb_add(b, STR("],"));
  put_field(b, "fix", g->edit.n ? diag_fix_title(d, g) : STR(""));
  sb_fmt(b, ",\"applicability\":\"%s\"", !g->edit.n ? "" : g->apply == DIAG_MACHINE ? "machine" : "maybe");
  sb_add(b, STR(",\"subjects\":["));
  for (uint32_t i = 0; i < g->subject.n; i++) {
    if (i) sb_char(b, ',');
    diag_json_string(b, g->subject.at[i]);
  }
  sb_add(b, STR("]}"));
}

void diag_render_json(const Diags *d, Sb *b) {
  bool first = true;
  sb_add(b, STR("{\"version\":1,\"diagnostics\":["));
  for (uint32_t i = 0; i < d->all.n; i++) {
    if (diag_severity(d, d->all.at[i]) == SEV_IGNORED) continue;
    sb_add(b, first ? STR("\n") : STR(",\n"));
    put_diag(b, d, d->all.at[i]);
    first = false;
  }
  sb_fmt(b, "],\n\"errors\":%u,\"warnings\":%u,\"not_shown\":%u}\n", d->errors, d->warnings, d->unkept);
}
