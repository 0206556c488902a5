/* What a session begins with: the files that the program names, then the initial values, which may read them.
 */
#include "api/session.h"
#include "runtime/host/weights.h"

static bool wanted(const dg_session *s, uint32_t file) {
  bool state = false;
  for (uint32_t i = 0; i < s->prog.leaf.n; i++)
    state |= s->prog.leaf.at[i].file == file && s->prog.leaf.at[i].kind == LEAF_STATE;
  return !s->p->brought || state; /* a file that is loaded later has all parameters, and not all states */
}

/* Parameters and states that begin with file number `file`. */
static dg_status from_file(dg_session *s, uint32_t file) {
  const Program *p = &s->prog;
  const InitialFile *f = &p->initial_file.at[file - 1];
  Arena *a = &s->work;
  VEC(CkTensor) v = {0};
  Str path, own = session_file_name(a, f->own);
  dg_status st = session_find_file(s, f->path, &path);
  if (st != DG_OK) return st;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    if (p->leaf.at[i].file != file) continue;
    const Tensor *t = &s->leaf_tensor[i];
    CkTensor c = {.name = session_file_name(a, names_str(p->names, p->leaf.at[i].path)),
                  .type = session_data_type(t->dtype),
                  .rank = t->rank,
                  .data = t->data};
    for (int d = 0; d < t->rank; d++) c.dim[d] = t->ext[d];
    VEC_PUSH(a, &v, c);
  }
  Words words = {0};
  HostError err;
  if (!weights_load(a, path, own, v.at, v.n, s->p->cx->limits.data_bytes, &words, &err))
    return api_fail(s->cx, err.status, "%s", err.what);
  for (uint32_t i = 0; i < words.n; i++) VEC_PUSH(&s->arena, &s->note, api_z(&s->arena, words.at[i]));
  return DG_OK;
}

static dg_status by_graph(dg_session *s) {
  const Entry *e = program_entry(s->p, STR("init"));
  if (!e) return DG_OK;
  Sb why;
  sb_init(&why, &s->arena);
  dg_status valued =
      dims_valued(s->cx, e->graph, &s->arena, s->p->bound.at, s->p->bound.n,
                  "this initial value depends on a dim without a value: bind it (-D NAME=VALUE)");
  if (valued != DG_OK) return valued; /* data come later, and do not decide what a program begins with */
  CodeKey key = {.entry = e, .bind = s->p->bound.at, .nbind = s->p->bound.n, .interpret = true};
  Status st = runner_new(s->p, s->cx, &key, NULL, &s->initial, &why);
  if (st != ST_OK) return api_fail(s->cx, st, "initial values: " STRF, STRA(sb_str(&why)));
  session_counters(s, e);
  st = runner_run(s->initial, s->leaf, s->host, s->cx->stop, &why);
  runner_free(s->initial);
  s->initial = NULL;
  if (st != ST_OK) return api_fail(s->cx, st, "initial values: " STRF, STRA(sb_str(&why)));
  return DG_OK;
}

dg_status session_initial(dg_session *s) {
  dg_status st = DG_OK;
  for (uint32_t i = 0; i < s->prog.initial_file.n && st == DG_OK; i++) {
    ArenaMark mark = arena_mark(&s->work);
    if (wanted(s, i + 1)) st = from_file(s, i + 1);
    arena_rewind(&s->work, mark);
  }
  return st == DG_OK ? by_graph(s) : st;
}

int dg_session_note_count(const dg_session *s) { return s ? (int)s->note.n : 0; }

const char *dg_session_note_at(const dg_session *s, int i) {
  return s && i >= 0 && (uint32_t)i < s->note.n ? s->note.at[i] : NULL;
}
