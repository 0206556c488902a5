/* Files: the user's imports beneath the main file's folder, std/ carried inside the program, and the prelude,
 * whose declarations need no import. */
#include "base/embed.h"
#include "base/file.h"
#include "frontend/elaborate/elab.h"

static const char *const prelude_files[] = {"ops.dg", "loss.dg", "init.dg", "optim.dg", "schedule.dg"};

static SrcFile *parse(Elab *x, Str key, Str name, Str text, bool library, Span at) {
  if ((int64_t)x->file.n >= x->limits->files) {
    limit_passed(x, at, "the files of the program", "files", x->limits->files);
    return NULL;
  }
  SrcFile *f = ARENA_NEW(x->a, SrcFile);
  AstFile *ast = NULL;
  f->key = key;
  f->library = library;
  f->file = sources_add(x->src, name, text, library);
  if (!parse_file(f->file, x->src, x->n, x->a, x->d, x->limits, &ast) && !ast) return NULL;
  f->ast = ast;
  VEC_PUSH(x->a, &x->file, f);
  return f;
}

static void open_scope(Elab *x, SrcFile *f) {
  f->loading = true;
  f->scope = scope_new(x, SCOPE_FILE, x->prelude);
  f->scope->file = f;
  scope_declare(x, f->scope, &f->ast->stmts);
  for (uint32_t i = 0; i < f->scope->binding.n; i++) /* now, so that a circle is found whoever looks */
    if (f->scope->binding.at[i]->decl->kind == STMT_IMPORT)
      binding_value(x, f->scope, f->scope->binding.at[i]);
  f->loading = false;
}

static Str cycle_text(Elab *x, const SrcFile *f) {
  Sb b;
  sb_init(&b, x->a);
  bool on = false;
  for (uint32_t i = 0; i < x->file.n; i++) {
    on = on || x->file.at[i] == f;
    if (on && x->file.at[i]->loading)
      sb_fmt(&b, STRF " -> ", STRA(x->src->file.at[x->file.at[i]->file].name));
  }
  sb_add(&b, x->src->file.at[f->file].name);
  return sb_str(&b);
}

static SrcFile *loaded(Elab *x, Str key, Span at, bool *done) {
  for (uint32_t i = 0; i < x->file.n; i++) {
    SrcFile *f = x->file.at[i];
    if (!str_eq(f->key, key)) continue;
    *done = true;
    if (!f->loading) return f;
    TELL(x, import_cycle, at, cycle_text(x, f));
    return NULL;
  }
  *done = false;
  return NULL;
}

SrcFile *load_embedded(Elab *x, Str name, Span at) {
  const EmbeddedFile *e = embedded_find(embedded_std, name);
  if (!e) return NULL;
  return parse(x, str_fmt(x->a, "std:" STRF, STRA(name)), str_fmt(x->a, "std/" STRF, STRA(name)), e->text,
               true, at);
}

void load_prelude(Elab *x) {
  x->prelude = scope_new(x, SCOPE_PRELUDE, NULL);
  for (size_t i = 0; i < sizeof prelude_files / sizeof *prelude_files; i++) {
    SrcFile *f = load_embedded(x, str_z(prelude_files[i]), (Span){0});
    if (!f) continue;
    f->scope = x->prelude;
    x->prelude->file = f;
    scope_declare(x, x->prelude, &f->ast->stmts);
  }
}

static SrcFile *import_std(Elab *x, Str name, Span at) {
  Str file = str_fmt(x->a, STRF ".dg", STRA(name));
  bool done;
  SrcFile *f = loaded(x, str_fmt(x->a, "std:" STRF, STRA(file)), at, &done);
  if (done) return f;
  f = load_embedded(x, file, at);
  if (f) {
    open_scope(x, f);
    return f;
  }
  Diag *g = TELL(x, no_library, at, name);
  VEC(Str) names = {0};
  for (const EmbeddedFile *e = embedded_std; e->text.p; e++)
    VEC_PUSH(x->a, &names, (Str){e->name.p, e->name.n - 3});
  suggest(x, g, at, name, names.at, names.n, NULL);
  if (!g->help.n)
    diag_help(g, "a file of your own is imported by its path: import " STRF " = \"" STRF ".dg\"", STRA(name),
              STRA(name));
  return NULL;
}

/* The reason alone: the message names the path itself. */
static const char *file_reason(Elab *x, const FileError *err) {
  return str_copy(x->a, str_z(err->what + err->why)).p;
}

/* `./b.dg` and `lib//b.dg` are `b.dg` and `lib/b.dg`: one file has one name. */
static Str one_spelling(Elab *x, Str path) {
  Sb b;
  sb_init(&b, x->a);
  for (size_t i = 0; i < path.n;) {
    const char *slash = memchr(path.p + i, '/', path.n - i);
    size_t end = slash ? (size_t)(slash - path.p) : path.n;
    Str part = {path.p + i, end - i};
    if (part.n && !str_eq(part, STR("."))) {
      if (b.n) sb_char(&b, '/');
      sb_add(&b, part);
    }
    i = end + 1;
  }
  return path.n && path.p[0] != '/' && b.n ? sb_str(&b) : path;
}

/* An import inside lib/a.dg that means its neighbour: paths are the program's, not the importing file's. */
static void beside_importer(Elab *x, Diag *g, const AstStmt *t) {
  Str from = x->src->file.at[t->at.file].name, path;
  FileError err;
  if (t->at.file == x->main->file) return;
  while (from.n && from.p[from.n - 1] != '/') from.n--;
  Str near = str_fmt(x->a, STRF STRF, STRA(from), STRA(t->import.path));
  if (!from.n || !path_beneath(x->a, x->opt->folder, near, &path, &err)) return;
  diag_help(g, "a path begins at the program's folder, in every file");
  diag_edit(g, t->import.path_at, str_fmt(x->a, "\"" STRF "\"", STRA(near)));
}

SrcFile *import_file(Elab *x, const AstStmt *t) {
  if (!t->import.path_at.file) return import_std(x, sym_str(x, t->import.name.name), t->import.name.at);
  Span at = t->import.path_at;
  Str name = one_spelling(x, t->import.path), path, text;
  FileError err;
  bool done;
  if (!path_beneath(x->a, x->opt->folder, name, &path, &err)) {
    Diag *g = TELL(x, cannot_read, at, t->import.path, file_reason(x, &err));
    diag_status(g, err.status);
    beside_importer(x, g, t);
    return NULL;
  }
  SrcFile *f = loaded(x, path, at, &done);
  if (done) return f;
  if (!file_read(x->a, path, x->limits->source_bytes, &text, &err)) {
    diag_status(TELL(x, cannot_read, at, t->import.path, file_reason(x, &err)), err.status);
    return NULL;
  }
  f = parse(x, path, name, text, false, at);
  if (f) open_scope(x, f);
  return f;
}
