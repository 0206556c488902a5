/* All diagnostics of a program as one JSON document, for editors and tools (jansson writes it). */
#include "driver/commands.h"

#include <jansson.h>

static json_t *place_json(const dg_place *p) {
  if (!*p->file) return json_null();
  return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i}", "file", p->file, "line", (int)p->line, "column",
                   (int)p->column, "end_line", (int)p->end_line, "end_column", (int)p->end_column, "byte",
                   (int)p->byte, "end_byte", (int)p->end_byte);
}

static json_t *one_json(const dg_diagnostic *d) {
  static const char *const severity[] = {
      [DG_SEV_NOTE] = "note", [DG_SEV_WARNING] = "warning", [DG_SEV_ERROR] = "error"};
  json_t *subjects = json_array(), *edits = json_array(), *notes = json_array();
  for (int i = 0; i < d->subjects; i++) json_array_append_new(subjects, json_string(d->subject[i]));
  for (int i = 0; i < d->edits; i++)
    json_array_append_new(
        edits, json_pack("{s:o, s:s}", "place", place_json(&d->edit_place[i]), "text", d->edit_text[i]));
  for (int i = 0; i < d->notes; i++)
    json_array_append_new(
        notes, json_pack("{s:o, s:s}", "place", place_json(&d->note_place[i]), "text", d->note_text[i]));
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "code", d->code, "group", d->group,
                   "severity", severity[d->severity], "message", d->message, "help", d->help, "place",
                   place_json(&d->place), "subjects", subjects, "edits", edits, "notes", notes);
}

bool diagnostics_json(const dg_program *p, FILE *f) {
  json_t *all = json_array();
  for (int i = 0; i < dg_diagnostic_count(p); i++) {
    json_t *one = one_json(dg_diagnostic_at(p, i));
    if (one) json_array_append_new(all, one);
  }
  json_t *doc = json_pack("{s:s, s:s, s:o}", "tool", "dgc", "version", dg_version(), "diagnostics", all);
  bool ok = doc && json_dumpf(doc, f, JSON_INDENT(2) | JSON_SORT_KEYS) == 0 && fputc('\n', f) != EOF;
  json_decref(doc);
  return ok;
}
