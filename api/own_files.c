/* What a program reads is not written over: its texts, and the data that it names. */
#include "api/api.h"
#include "base/file.h"

static bool is_beneath(Arena *a, Str root, Str name, const char *path) {
  Str found;
  FileError err;
  ArenaMark mark = arena_mark(a);
  bool same = path_beneath(a, root, name, &found, &err) && file_same(str_z(path), found);
  arena_rewind(a, mark);
  return same;
}

/* The main file is called by its path, and so is what a recorded model was made from; an import is called as
 * from the program's folder, wherever that is. */
static bool is_text(const dg_program *p, Arena *a, uint32_t file, const char *path) {
  const Source *s = &p->sources.file.at[file];
  if (s->library) return false;
  return file == 1 || p->imported ? file_same(str_z(path), s->name) : is_beneath(a, p->folder, s->name, path);
}

/* Is it what the program names, beneath its folder or a data root? */
static bool is_named(const dg_program *p, Arena *a, Str name, const char *path) {
  bool same = is_beneath(a, p->folder, name, path);
  for (uint32_t i = 0; i < p->cx->root.n && !same; i++) same = is_beneath(a, p->cx->root.at[i], name, path);
  return same;
}

dg_status program_may_write(dg_context *cx, const dg_program *p, Arena *a, const char *path) {
  for (uint32_t i = 1; i < p->sources.file.n; i++)
    if (is_text(p, a, i, path))
      return api_fail(cx, ST_USAGE, "'%s' is not overwritten: it is the program's text", path);
  for (uint32_t d = 0; d < p->prog.dataset.n; d++)
    for (uint32_t i = 0; i < p->prog.dataset.at[d].field.n; i++) {
      const DataField *f = &p->prog.dataset.at[d].field.at[i];
      if (is_named(p, a, f->path, path))
        return api_fail(cx, ST_USAGE, "'%s' is not overwritten: it is the data of input '" STRF "'", path,
                        STRA(names_str(p->prog.names, f->input)));
    }
  for (uint32_t i = 0; i < p->prog.initial_file.n; i++)
    if (is_named(p, a, p->prog.initial_file.at[i].path, path))
      return api_fail(cx, ST_USAGE, "'%s' is not overwritten: the program begins with what it holds", path);
  return DG_OK;
}

typedef struct MayWrite {
  dg_program *p;
  const char *path;
} MayWrite;

static dg_status may_write_in(void *arg) {
  MayWrite *c = arg;
  return program_may_write(c->p->cx, c->p, &c->p->arena, c->path);
}

dg_status dg_may_write(dg_program *p, const char *path) {
  if (!p) return DG_USAGE;
  if (!path || !*path) return api_fail(p->cx, ST_USAGE, "dg_may_write: a path is needed");
  MayWrite c = {p, path};
  return api_guard(p->cx, may_write_in, &c);
}
