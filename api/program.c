/* Programs: the pipeline from text to a checked program with its diagnosis, and diagnostics as data. */
#include "api/api.h"
#include "base/clock.h"
#include "base/embed.h"
#include "base/file.h"
#include "frontend/frontend.h"
#include "frontend/import/import.h"
#include "passes/passes.h"

#include <stdio.h>

#if DG_CODEGEN
#include "codegen/codegen.h"
const char *dg_llvm_version(void) { return codegen_llvm_version(); }
#else
const char *dg_llvm_version(void) { return ""; }
#endif
const char *dg_version(void) { return DG_VERSION; }

typedef struct CheckCall {
  dg_context *cx;
  const char *name;
  Str text;
  bool from_file, complete;
  dg_program *p;
} CheckCall;

/* What dg_error says of a rejected program: the first error, and how many there are. */
static dg_status first_error(const dg_program *p) {
  const Diags *d = &p->diags;
  for (uint32_t i = 0; i < d->all.n; i++) {
    const Diag *g = d->all.at[i];
    if (diag_severity(d, g) != SEV_ERROR) continue;
    char place[300] = "", more[48] = "";
    if (g->at.file) {
      LineCol at = sources_at(&p->sources, g->at.file, g->at.lo);
      snprintf(place, sizeof place, "%.250s:%u:%u: ", p->sources.file.at[g->at.file].name.p, at.line, at.col);
    }
    if (d->errors > 1) snprintf(more, sizeof more, " (the first of %u errors)", d->errors);
    return api_fail(p->cx, d->status, "%s" STRF " [DG%04d]%s", place, STRA(g->text), diag_info[g->kind].code,
                    more);
  }
  return api_fail(p->cx, d->status, "%u errors", d->errors);
}

/* Nothing is wrong but what update lists say: then the program is complete, and what its parameters do can be
 * said as well. */
static bool lists_only(const Diags *d) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < d->all.n; i++)
    n += d->all.at[i]->kind == DIAG_frozen_listed || d->all.at[i]->kind == DIAG_listed_twice;
  return n && !d->unkept && d->errors == n;
}

/* What a file will bring takes the place of initial values. */
static void mark_loaded(const dg_context *cx, Program *p) {
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    Leaf *l = &p->leaf.at[i];
    l->loaded = l->file || (cx->will_load && (leaf_of_model(l) || (l->kind == LEAF_STATE && cx->load_all)));
  }
}

/* A recorded model of another framework: no tree, nothing to run; only the diagnosis. */
static bool check_import(dg_program *p, uint32_t file) {
  Import made = {0};
  p->imported = true;
  if (!import_program(file, p->folder, &p->diags, &p->prog, &made)) return false;
  diagnose(&p->prog, NULL, 0, &p->diags);
  import_judge(&made, &p->prog, &p->diags);
  return true;
}

/* text -> tree -> program -> diagnosis. */
static bool check_text(dg_program *p, uint32_t file) {
  dg_context *cx = p->cx;
  ElabOptions opt = {.folder = p->folder};
  for (uint32_t i = 0; i < cx->define.n; i++)
    VEC_PUSH(&p->arena, &opt.define, (ElabDefine){cx->define.at[i].name, cx->define.at[i].value});
  bool ok = frontend_program(file, &opt, &p->diags, &p->prog, &p->ast);
  for (uint32_t i = 0; i < opt.bound.n; i++) VEC_PUSH(&p->arena, &p->bound, opt.bound.at[i]);
  mark_loaded(cx, &p->prog);
  p->brought = cx->will_load;
  if (ok || lists_only(&p->diags)) diagnose(&p->prog, p->bound.at, p->bound.n, &p->diags);
  return ok;
}

static dg_status check_in(void *arg) {
  CheckCall *c = arg;
  dg_program *p = c->p;
  dg_context *cx = c->cx;
  double began = clock_ms();
  api_polls(cx);
  api_stack(&cx->mem, API_STACK_CHECK);
  names_init(&p->names, &p->arena);
  sources_init(&p->sources, &p->arena);
  diags_init(&p->diags, &p->arena, &p->sources, &cx->limits);
  program_init(&p->prog, &p->arena, &p->names, &p->sources, &cx->limits);
  for (uint32_t i = 0; i < cx->warn.n; i++)
    if (!diags_flag(&p->diags, cx->warn.at[i])) return api_fail(cx, ST_USAGE, "unknown warning flag");
  p->folder = path_folder(str_copy(&p->arena, str_z(c->name)));
  Str text = c->text;
  if (c->from_file) {
    FileError err;
    if (!file_read(&p->arena, str_z(c->name), cx->limits.source_bytes, &text, &err)) {
      diag_status(diag_cannot_read(&p->diags, (Span){0}, str_z(c->name), err.what + err.why), err.status);
      diags_finish(&p->diags);
      c->complete = true;
      return first_error(p);
    }
  }
  uint32_t file = sources_add(&p->sources, str_z(c->name), text, false);
  bool ok = import_is(text) ? check_import(p, file) : check_text(p, file);
  diags_finish(&p->diags);
  c->complete = true;
  p->check_ms = clock_ms() - began;
  p->sound = ok && p->diags.status == ST_OK;
  return p->diags.status == ST_OK ? DG_OK : first_error(p);
}

/* What was found before a limit ended the check is told all the same. */
static dg_status salvage_in(void *arg) {
  CheckCall *c = arg;
  diags_finish(&c->p->diags);
  c->complete = c->p->diags.all.n > 0;
  return DG_OK;
}

static void salvage(CheckCall *c) {
  enum { MORE = 4 << 20 }; /* for the texts, where the limit is the compiler's own memory */
  dg_context *cx = c->cx;
  char why[sizeof cx->error];
  memcpy(why, cx->error, sizeof why);
  c->p->beyond = MORE;
  context_beyond(cx, MORE);
  if (api_guard(cx, salvage_in, c) != DG_OK) c->complete = false;
  memcpy(cx->error, why, sizeof why);
}

static dg_status check(dg_context *cx, const char *name, Str text, bool from_file, dg_program **out) {
  if (out) *out = NULL;
  if (!cx) return DG_USAGE;
  if (!out) return api_fail(cx, ST_USAGE, "a place for the program is needed");
  if (!name || !*name) return api_fail(cx, ST_USAGE, "a file name is needed");
  void *made;
  dg_status st = api_new(cx, sizeof(dg_program), &made);
  if (st != DG_OK) return st;
  dg_program *p = made;
  p->cx = cx;
  cx->refs++;
  p->refs = 1;
  pthread_mutex_init(&p->lock, NULL);
  arena_init(&p->arena, &cx->mem);
  CheckCall call = {.cx = cx, .name = name, .text = text, .from_file = from_file, .p = p};
  st = api_guard(cx, check_in, &call);
  if (!call.complete && st == DG_LIMIT && p->diags.all.n) salvage(&call);
  if (call.complete)
    *out = p;
  else
    program_drop(p); /* unwound half-way, by a limit that has no place in the text or for want of memory */
  return st;
}

dg_status dg_check_file(dg_context *cx, const char *path, dg_program **out) {
  return check(cx, path, STR(""), true, out);
}

dg_status dg_check_source(dg_context *cx, const char *name, const char *text, size_t length,
                          dg_program **out) {
  if (!text && length) {
    if (out) *out = NULL;
    return cx ? api_fail(cx, ST_USAGE, "a text is needed") : DG_USAGE;
  }
  return check(cx, name, (Str){text, length}, false, out);
}

void program_drop(dg_program *p) {
  if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL)) return;
  pthread_mutex_destroy(&p->lock);
  dg_context *cx = p->cx;
  arena_release(&p->arena);
  context_beyond(cx, -(int64_t)p->beyond);
  mem_free(&cx->mem, p, sizeof *p);
  context_drop(cx);
}

void dg_program_free(dg_program *p) {
  if (p) program_drop(p);
}

const Entry *program_entry(const dg_program *p, Str name) {
  EntryKind kind = str_eq(name, STR("eval"))      ? ENTRY_EVAL
                   : str_eq(name, STR("predict")) ? ENTRY_PREDICT
                   : str_eq(name, STR("init"))    ? ENTRY_INIT
                                                  : ENTRY_TRAIN;
  for (uint32_t i = 0; i < p->prog.entry.n; i++) {
    const Entry *e = &p->prog.entry.at[i];
    if (e->kind == kind && (kind != ENTRY_TRAIN || str_eq(names_str(p->prog.names, e->name), name))) return e;
  }
  return NULL;
}

/* ---- diagnostics as data ---- */

static dg_place place_of(const dg_program *p, Span s) {
  dg_place at = {.file = ""};
  if (!s.file) return at;
  LineCol a = sources_at(&p->sources, s.file, s.lo), b = sources_at(&p->sources, s.file, s.hi);
  at.file = p->sources.file.at[s.file].name.p;
  at.line = a.line, at.column = a.col, at.end_line = b.line, at.end_column = b.col;
  at.byte = s.lo, at.end_byte = s.hi;
  return at;
}

static dg_diagnostic view_of(dg_program *p, const Diag *g) {
  Arena *a = &p->arena;
  const DiagInfo *info = &diag_info[g->kind];
  dg_diagnostic v = {.size = sizeof v,
                     .code = api_z(a, str_fmt(a, "DG%04d", info->code)),
                     .group = diag_groups[info->group].name};
  Severity sev = diag_severity(&p->diags, g);
  v.severity = sev == SEV_ERROR ? DG_SEV_ERROR : sev == SEV_WARNING ? DG_SEV_WARNING : DG_SEV_NOTE;
  v.message = api_z(a, g->text), v.help = api_z(a, g->help), v.place = place_of(p, g->at);
  v.subjects = (int)g->subject.n;
  const char **subject = ARENA_ARRAY(a, const char *, g->subject.n);
  for (uint32_t i = 0; i < g->subject.n; i++) subject[i] = api_z(a, g->subject.at[i]);
  v.edits = (int)g->edit.n;
  dg_place *ep = ARENA_ARRAY(a, dg_place, g->edit.n);
  const char **et = ARENA_ARRAY(a, const char *, g->edit.n);
  for (uint32_t i = 0; i < g->edit.n; i++)
    ep[i] = place_of(p, g->edit.at[i].at), et[i] = api_z(a, g->edit.at[i].text);
  v.notes = (int)(g->label.n + g->note.n);
  dg_place *np = ARENA_ARRAY(a, dg_place, v.notes);
  const char **nt = ARENA_ARRAY(a, const char *, v.notes);
  for (uint32_t i = 0; i < g->label.n; i++)
    np[i] = place_of(p, g->label.at[i].at), nt[i] = api_z(a, g->label.at[i].text);
  for (uint32_t i = 0; i < g->note.n; i++)
    np[g->label.n + i] = place_of(p, g->note.at[i].at), nt[g->label.n + i] = api_z(a, g->note.at[i].text);
  v.subject = subject, v.edit_place = ep, v.edit_text = et, v.note_place = np, v.note_text = nt;
  Sb b;
  sb_init(&b, a);
  diag_render_text(&p->diags, g, (DiagStyle){.tab = 8}, &b);
  v.rendered = api_z(a, sb_str(&b));
  return v;
}

static dg_status views_in(void *arg) {
  dg_program *p = arg;
  dg_diagnostic *view = ARENA_ARRAY(&p->arena, dg_diagnostic, p->diags.all.n);
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->diags.all.n; i++)
    if (diag_severity(&p->diags, p->diags.all.at[i]) != SEV_IGNORED)
      view[n++] = view_of(p, p->diags.all.at[i]);
  p->view = view;
  return DG_OK;
}

int dg_diagnostic_count(const dg_program *p) {
  int n = 0;
  for (uint32_t i = 0; p && i < p->diags.all.n; i++)
    n += diag_severity(&p->diags, p->diags.all.at[i]) != SEV_IGNORED;
  return n;
}

const dg_diagnostic *dg_diagnostic_at(const dg_program *cp, int i) {
  dg_program *p =
      (dg_program *)(uintptr_t)cp; /* the view is built on first use; the program's facts do not change */
  if (!p || i < 0 || i >= dg_diagnostic_count(p)) return NULL;
  if (!p->view && api_guard(p->cx, views_in, p) != DG_OK) return NULL;
  return &p->view[i];
}

const char *dg_explain(const char *code) {
  char name[32];
  if (!code || !*code) return NULL; /* "" is the group of the errors */
  const EmbeddedFile *function = embedded_find(embedded_functions, str_z(code));
  if (function) return function->text.p;
  snprintf(name, sizeof name, "%.20s.md", code);
  bool number = strlen(code) == 6 && (code[0] == 'd' || code[0] == 'D') && (code[1] == 'g' || code[1] == 'G');
  if (number) name[0] = 'D', name[1] = 'G';
  for (int i = 0; i < DIAG_COUNT && !number; i++) { /* the first that has the name, or that of its flag */
    const DiagInfo *d = &diag_info[i];
    if (strcmp(d->name, code) != 0 && strcmp(diag_groups[d->group].name, code) != 0) continue;
    snprintf(name, sizeof name, "DG%04u.md", d->code);
    break;
  }
  const EmbeddedFile *f = embedded_find(embedded_pages, str_z(name));
  return f ? f->text.p : NULL;
}

typedef struct TextCall {
  dg_program *p;
  int color;
  const char *text;
} TextCall;

static dg_status text_in(void *arg) {
  TextCall *c = arg;
  Sb b;
  sb_init(&b, &c->p->arena);
  diag_render_all(&c->p->diags, (DiagStyle){.color = c->color != 0, .tab = 8}, &b);
  c->text = api_z(&c->p->arena, sb_str(&b));
  return DG_OK;
}

const char *dg_diagnostics_text(dg_program *p, int color) {
  if (!p) return "";
  TextCall c = {p, color, ""};
  return api_guard(p->cx, text_in, &c) == DG_OK ? c.text : "";
}

static dg_status json_in(void *arg) {
  TextCall *c = arg;
  Sb b;
  sb_init(&b, &c->p->arena);
  diag_render_json(&c->p->diags, &b);
  c->text = api_z(&c->p->arena, sb_str(&b));
  return DG_OK;
}

const char *dg_diagnostics_json(dg_program *p) {
  if (!p) return "";
  TextCall c = {p, 0, ""};
  return api_guard(p->cx, json_in, &c) == DG_OK ? c.text : "";
}

static dg_status sarif_in(void *arg) {
  TextCall *c = arg;
  Sb b;
  sb_init(&b, &c->p->arena);
  diag_render_sarif(&c->p->diags, STR(DG_VERSION), embedded_pages, &b);
  c->text = api_z(&c->p->arena, sb_str(&b));
  return DG_OK;
}

const char *dg_diagnostics_sarif(dg_program *p) {
  if (!p) return "";
  TextCall c = {p, 0, ""};
  return api_guard(p->cx, sarif_in, &c) == DG_OK ? c.text : "";
}

static dg_status report_in(void *arg) {
  TextCall *c = arg;
  Sb b;
  sb_init(&b, &c->p->arena);
  diagnose_table(&c->p->prog, c->p->bound.at, c->p->bound.n, &b);
  c->text = api_z(&c->p->arena, sb_str(&b));
  return DG_OK;
}

const char *dg_report(dg_program *p) {
  if (!p || !p->sound) return "";
  TextCall c = {p, 0, ""};
  return api_guard(p->cx, report_in, &c) == DG_OK ? c.text : "";
}

const Entry *program_step(const dg_program *p, Str name) {
  for (uint32_t i = 0; i < p->prog.train.n; i++)
    if (str_eq(names_str(p->prog.names, p->prog.train.at[i].name), name))
      return &p->prog.entry.at[p->prog.train.at[i].entry];
  return NULL;
}

/* ---- names ---- */

static bool name_of_kind(const dg_program *p, dg_kind kind, int want, Sym *out, int *count) {
  const Program *q = &p->prog;
  int n = 0;
  switch (kind) {
  case DG_INPUT:
  case DG_PARAM:
  case DG_STATE: {
    LeafKind k = kind == DG_INPUT ? LEAF_INPUT : kind == DG_PARAM ? LEAF_PARAM : LEAF_STATE;
    for (uint32_t i = 0; i < q->leaf.n; i++)
      if (q->leaf.at[i].kind == k && n++ == want) return *out = q->leaf.at[i].path, true;
    break;
  }
  case DG_STEP:
    for (uint32_t i = 0; i < q->train.n; i++)
      if (n++ == want) return *out = q->train.at[i].name, true;
    break;
  case DG_OUTPUT:
  case DG_LOSS:
  case DG_METRIC: {
    const Entry *e = program_entry(p, kind == DG_OUTPUT ? STR("predict") : STR("eval"));
    RootKind k = kind == DG_OUTPUT ? ROOT_OUTPUT : kind == DG_LOSS ? ROOT_LOSS : ROOT_METRIC;
    for (uint32_t i = 0; e && i < e->graph->root.n; i++)
      if (e->graph->root.at[i].kind == k && n++ == want) return *out = e->graph->root.at[i].name, true;
    break;
  }
  }
  *count = n;
  return false;
}

int dg_name_count(const dg_program *p, dg_kind kind) {
  Sym s;
  int n = 0;
  if (p) (void)!name_of_kind(p, kind, -1, &s, &n);
  return n;
}

const char *dg_name_at(const dg_program *p, dg_kind kind, int i) {
  Sym s;
  int n = 0;
  if (!p || i < 0 || !name_of_kind(p, kind, i, &s, &n)) return NULL;
  return names_str(p->prog.names, s).p;
}
