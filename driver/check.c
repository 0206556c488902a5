/* check, explain, fmt, and what all commands share. */
#include "base/diag.h"
#include "base/embed.h"
#include "base/file.h"
#include "driver/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

dg_status say(dg_context *cx, dg_status st) {
  if (st != DG_OK) {
    fprintf(stderr, "dgc: %s\n", dg_error(cx));
    if (st == DG_INTERNAL)
      fputs("dgc: this is a defect of dgc; please report it with the program and 'dgc --version'\n", stderr);
  }
  return st;
}

dg_status write_file(Str path, const char *text, size_t n) {
  FileError err;
  if (file_replace(path, &(Str){text, n}, 1, &err)) return DG_OK;
  fprintf(stderr, "dgc: %s\n", err.what);
  return (dg_status)err.status;
}

static dg_status define(dg_context *cx, const char *text) {
  const char *eq = strchr(text, '=');
  char name[128];
  if (!eq || eq == text || !eq[1] || (size_t)(eq - text) >= sizeof name) {
    fprintf(stderr, "dgc: -D%s: write NAME=VALUE\n", text);
    return DG_USAGE;
  }
  memcpy(name, text, (size_t)(eq - text));
  name[eq - text] = 0;
  return say(cx, dg_define(cx, name, eq + 1));
}

static dg_status limit(dg_context *cx, const char *text) {
  char name[64];
  long long value;
  int end = 0;
  if (sscanf(text, "%63[a-z_]=%lld%n", name, &value, &end) != 2 || text[end]) {
    fprintf(stderr, "dgc: --limit=%s: write NAME=VALUE\n", text);
    return DG_USAGE;
  }
  return say(cx, dg_limit(cx, name, value));
}

/* `--memory=64M`: a limit by another name. */
static dg_status memory(dg_context *cx, const char *text) {
  static const char units[] = "kMGT";
  char *end;
  errno = 0;
  long long n = strtoll(text, &end, 10);
  const char *unit = *end ? strchr(units, *end == 'K' ? 'k' : *end) : NULL;
  int shift = unit ? 10 * (int)(unit - units + 1) : 0;
  if (errno || end == text || n < 1 || (*end && (!unit || end[1])) || n > (INT64_MAX >> shift)) {
    fprintf(stderr, "dgc: --memory=%s: a size is needed, such as 500000, 40K, 64M or 2G\n", text);
    return DG_USAGE;
  }
  return say(cx, dg_limit(cx, "memory", n << shift));
}

dg_status apply_settings(dg_context *cx, const Options *o) {
  dg_status st = DG_OK;
  for (int i = 0; i < o->ngiven && st == DG_OK; i++) {
    const Given *g = &o->given[i];
    if (g->key == OPT_DEFINE)
      st = define(cx, g->text);
    else if (g->key == OPT_WARN)
      st = say(cx, dg_warn(cx, g->text));
    else if (g->key == OPT_DEAD_PARAMS)
      st = say(cx, dg_warn(cx, "dead-params"));
    else if (g->key == OPT_LIMIT)
      st = limit(cx, g->text);
    else if (g->key == OPT_MEMORY)
      st = memory(cx, g->text);
    else if (g->key == OPT_ROOT)
      st = say(cx, dg_data_root(cx, g->text));
  }
  if (st == DG_OK && (given(o, OPT_LOAD) || given(o, OPT_RESUME)))
    st = say(cx, dg_will_load(cx, given(o, OPT_RESUME) ? DG_LOAD_ALL : DG_LOAD_MODEL));
  const char *format = o->last[OPT_FORMAT];
  if (st == DG_OK && format && strcmp(format, "text") && strcmp(format, "json") && strcmp(format, "sarif")) {
    fprintf(stderr, "dgc: --diagnostics-format=%s: text, json or sarif\n", format);
    st = DG_USAGE;
  }
  return st;
}

/* `--emit=tokens` and `--emit=ast` show what was read. */
static bool shows_text_as_read(const Options *o) {
  const char *stage = o->last[OPT_EMIT];
  return stage && (!strcmp(stage, "tokens") || !strcmp(stage, "ast"));
}

/* Only what the reader itself reports, codes below DG0200, concerns the text as it was read. */
static bool only_meaning(const dg_program *p) {
  for (int i = 0; i < dg_diagnostic_count(p); i++)
    if (strcmp(dg_diagnostic_at(p, i)->code, "DG0200") < 0) return false;
  return true;
}

dg_text_form diagnostics_form(const Options *o) {
  const char *format = o->last[OPT_FORMAT];
  if (format && !strcmp(format, "json")) return DG_TEXT_JSON;
  if (format && !strcmp(format, "sarif")) return DG_TEXT_SARIF;
  return o->color ? DG_TEXT_COLOR : DG_TEXT_PLAIN;
}

bool one_document(const Options *o) { return diagnostics_form(o) >= DG_TEXT_JSON; }

void say_diagnostics(const Options *o, dg_program *p) {
  switch (diagnostics_form(o)) {
  case DG_TEXT_PLAIN: fputs(dg_diagnostics_text(p, 0), stderr); break;
  case DG_TEXT_COLOR: fputs(dg_diagnostics_text(p, 1), stderr); break;
  case DG_TEXT_JSON: fputs(dg_diagnostics_json(p), stderr); break;
  case DG_TEXT_SARIF: fputs(dg_diagnostics_sarif(p), stderr); break;
  }
}

dg_status check_subject(dg_context *cx, const Options *o, dg_program **out) {
  dg_status st = dg_check_file(cx, o->subject, out);
  if (!*out) return say(cx, st);
  if (st == DG_REJECTED && shows_text_as_read(o) && only_meaning(*out)) return DG_OK;
  bool adds = o->command == CMD_TRAIN || o->command == CMD_BUILD;
  if (st != DG_OK || !adds || !one_document(o)) say_diagnostics(o, *out);
  if (st == DG_LIMIT && !strstr(dg_error(cx), "[DG")) return say(cx, st); /* it ended the check half-way */
  return st;
}

/* A stage of the program to stdout or to the file of --save, as the options ask for it. */
static dg_status print_stage(dg_context *cx, const Options *o, dg_program *p, const char *stage) {
  const char *text;
  size_t n;
  dg_emit_options e = {.size = sizeof e,
                       .entry = o->last[OPT_ENTRY],
                       .print_after = o->last[OPT_PRINT_AFTER],
                       .stop_after = o->last[OPT_STOP_AFTER],
                       .time_passes = given(o, OPT_TIME_PASSES),
                       .level = -1};
  dg_status st = say(cx, dg_emit(p, stage, &e, &text, &n));
  if (st != DG_OK) return st;
  const char *file = o->last[OPT_SAVE];
  if (file) st = say(cx, dg_may_write(p, file));
  if (st != DG_OK) return st;
  if (file) return write_file(str_z(file), text, n);
  if (!strcmp(stage, "obj") && isatty(STDOUT_FILENO)) {
    fputs("dgc: --emit=obj gives bytes: send them to a file\n", stderr);
    return DG_USAGE;
  }
  fwrite(text, 1, n, stdout);
  return DG_OK;
}

int command_check(dg_context *cx, const Options *o) {
  dg_program *p;
  dg_status st = check_subject(cx, o, &p);
  if (st == DG_OK) st = session_fits(cx, o, p);
  const char *report = o->last[OPT_REPORT], *stage = o->last[OPT_EMIT];
  if (report && strcmp(report, "table") && strcmp(report, "sarif")) {
    fprintf(stderr, "dgc: --report=%s: table or sarif\n", report);
    st = DG_USAGE;
  } else if (report && !strcmp(report, "sarif")) {
    fputs(dg_diagnostics_sarif(p), stdout);
  } else if (report && st == DG_OK) {
    fputs(dg_report(p), stdout);
  }
  bool watch = given(o, OPT_PRINT_AFTER) || given(o, OPT_TIME_PASSES) || given(o, OPT_STOP_AFTER);
  if (stage && p && (st == DG_OK || shows_text_as_read(o))) {
    dg_status made = print_stage(cx, o, p, stage);
    if (st == DG_OK) st = made;
  } else if (st == DG_OK && watch) {
    st = print_stage(cx, o, p, "log");
  }
  dg_program_free(p);
  return (int)st;
}

/* The codes of a group, or of all that it is the umbrella of, with the titles of their pages: how many. */
static int list_group(DiagGroup group, bool print) {
  int n = 0;
  for (int i = 0; i < DIAG_COUNT; i++) {
    DiagGroup own = diag_info[i].group;
    if (own != group && diag_groups[own].parent != group) continue;
    char code[8];
    snprintf(code, sizeof code, "DG%04u", diag_info[i].code);
    const char *page = dg_explain(code);
    n++;
    if (print && page) printf("%.*s\n", (int)strcspn(page + 2, "\n"), page + 2); /* behind "# " */
  }
  return n;
}

/* The function or the diagnostic whose name is nearest. */
static Str near_subject(Str got) {
  enum { MOST = 512 };
  Str names[MOST];
  size_t n = 0;
  for (const EmbeddedFile *f = embedded_functions; f->text.p && n < MOST; f++) names[n++] = f->name;
  for (int i = 0; i < DIAG_COUNT && n < MOST; i++) names[n++] = str_z(diag_info[i].name);
  return diag_nearest(got, names, n);
}

int command_explain(const Options *o) {
  bool function = embedded_find(embedded_functions, str_z(o->subject)) != NULL;
  for (int g = DGRP_none + 1; g < DGRP_COUNT && !function; g++)
    if (!strcmp(diag_groups[g].name, o->subject) && list_group((DiagGroup)g, false) > 1) {
      printf("%s: %s\n\n", diag_groups[g].name, diag_groups[g].help);
      (void)list_group((DiagGroup)g, true);
      return DG_OK;
    }
  const char *page = dg_explain(o->subject);
  if (!page) {
    Str near = near_subject(str_z(o->subject));
    fprintf(stderr, "dgc: no diagnostic and no function '%s'%s" STRF "%s\n", o->subject,
            near.n ? ": did you mean '" : "; examples: DG0304, unowned, softmax, nn.Linear", STRA(near),
            near.n ? "'?" : "");
    return DG_USAGE;
  }
  fputs(page, stdout);
  return DG_OK;
}

int command_fmt(dg_context *cx, const Options *o) {
  dg_program *p;
  dg_status st = dg_check_file(cx, o->subject, &p);
  if (!p) return (int)say(cx, st);
  if (st == DG_IO) { /* there is no text */
    fputs(dg_diagnostics_text(p, o->color), stderr);
    dg_program_free(p);
    return (int)st;
  }
  const char *text;
  size_t n;
  dg_emit_options e = {.size = sizeof e, .level = -1};
  dg_status made = dg_emit(p, "fmt", &e, &text, &n);
  if (made == DG_OK)
    fwrite(text, 1, n, stdout);
  else if (only_meaning(p)) /* what they say is not why */
    (void)say(cx, made);
  else
    fputs(dg_diagnostics_text(p, o->color), stderr);
  dg_program_free(p);
  if (made == DG_REJECTED && st == DG_LIMIT) made = st; /* too large a file, brackets too deep */
  return (int)made;
}
