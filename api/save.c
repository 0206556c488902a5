/* Sessions to safetensors and back: parameters, states, and the counters that make a resumed run go on bit
 * for bit. */
#include "api/session.h"
#include "ir/scalar/scalar.h"
#include "runtime/host/checkpoint.h"

/* net.blocks[3].w is net.blocks.3.w in files. */
Str session_file_name(Arena *a, Str path) {
  Sb b;
  sb_init(&b, a);
  for (size_t i = 0; i < path.n; i++) {
    if (path.p[i] == ']') continue;
    sb_char(&b, path.p[i] == '[' ? '.' : path.p[i]);
  }
  return sb_str(&b);
}

typedef VEC(CkTensor) CkVec;

static void add_scalar(Arena *a, CkVec *v, Str name, DataType t, void *data) {
  VEC_PUSH(a, v, (CkTensor){.name = name, .type = t, .data = data});
}

enum { COUNTERS = 2 }; /* besides one of each train step */

/* Everything a checkpoint holds, counters at its end; model: parameters and the model's own states alone. */
static CkVec tensors(dg_session *s, bool model) {
  Arena *a = &s->arena;
  const Program *p = &s->prog;
  CkVec v = {0};
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    const Leaf *l = &p->leaf.at[i];
    if (!leaf_of_model(l) && (model || l->kind != LEAF_STATE)) continue;
    const Tensor *t = &s->leaf_tensor[i];
    CkTensor c = {.name = session_file_name(a, names_str(p->names, l->path)),
                  .type = session_data_type(t->dtype),
                  .rank = t->rank,
                  .data = t->data};
    for (int d = 0; d < t->rank; d++) c.dim[d] = t->ext[d];
    VEC_PUSH(a, &v, c);
  }
  if (model) return v;
  for (uint32_t i = 0; i < p->train.n; i++)
    add_scalar(a, &v, str_fmt(a, "dg.step." STRF, STRA(names_str(p->names, p->train.at[i].name))), DATA_I32,
               &s->counter[i]);
  add_scalar(a, &v, STR("dg.epoch"), DATA_I32, &s->epoch);
  add_scalar(a, &v, STR("dg.batch"), DATA_I64, &s->batch);
  return v;
}

dg_status session_may_save(dg_session *s, const char *path) {
  dg_status st = program_may_write(s->cx, s->p, &s->arena, path);
  if (st != DG_OK) return st;
  for (int k = 0; k < SET_COUNT; k++)
    for (uint32_t i = 0; i < s->set[k].feed.n; i++)
      if (file_same(str_z(path), s->set[k].feed.at[i]->source.name))
        return api_fail(s->cx, ST_USAGE, "'%s' is not overwritten: it is the data of input '" STRF "'", path,
                        STRA(names_str(s->prog.names, s->set[k].feed.at[i]->input)));
  FileError err; /* said before the training, not after it */
  return file_may_replace(str_z(path), &err) ? DG_OK : api_fail(s->cx, err.status, "%s", err.what);
}

dg_status session_save(dg_session *s, const char *path) {
  ArenaMark mark = arena_mark(&s->arena);
  CkVec v = tensors(s, false);
  CkMeta meta = {.program = checkpoint_program(v.at, v.n), .epoch = s->epoch, .seed = s->opt.seed};
  for (uint32_t i = 0; i < s->prog.train.n; i++) meta.step += s->counter[i];
  HostError err;
  bool ok = checkpoint_save(&s->arena, str_z(path), v.at, v.n, &meta, false, &err);
  arena_rewind(&s->arena, mark);
  return ok ? DG_OK : api_fail(s->cx, err.status, "%s", err.what);
}

typedef struct SaveCall {
  dg_session *s;
  const char *path;
  dg_load_what what;
} SaveCall;

static dg_status save_in(void *arg) {
  SaveCall *c = arg;
  dg_status st = session_may_save(c->s, c->path);
  return st == DG_OK ? session_save(c->s, c->path) : st;
}

dg_status dg_save(dg_session *s, const char *path) {
  if (!s) return DG_USAGE;
  if (!path || !*path) return api_fail(s->cx, ST_USAGE, "dg_save: a path is needed");
  SaveCall c = {.s = s, .path = path};
  return session_guard(s, save_in, &c);
}

/* By tensor of a model: a state, which a file of somebody else may lack. */
static bool *states(dg_session *s, const CkVec *v) {
  bool *is = ARENA_ARRAY(&s->arena, bool, v->n);
  for (uint32_t i = 0, k = 0; i < s->prog.leaf.n; i++)
    if (leaf_of_model(&s->prog.leaf.at[i])) is[k++] = s->prog.leaf.at[i].kind == LEAF_STATE;
  return is;
}

/* By tensor of a whole checkpoint: the last are counters. */
static bool *counters(dg_session *s, const CkVec *v) {
  bool *is = ARENA_ARRAY(&s->arena, bool, v->n);
  for (uint32_t i = v->n - s->prog.train.n - COUNTERS; i < v->n; i++) is[i] = true;
  return is;
}

/* By tensor of a whole checkpoint: batches of a group that are in are fewer than the group has. */
static int64_t *groups(dg_session *s, const CkVec *v) {
  int64_t *group = ARENA_ARRAY(&s->arena, int64_t, v->n);
  for (uint32_t k = 0; k < s->prog.train.n; k++) {
    const TrainStep *t = &s->prog.train.at[k];
    if (t->accumulate < 2 || t->gathered.i == UINT32_MAX) continue;
    for (uint32_t i = 0; i < v->n; i++)
      if (v->at[i].data == s->leaf_tensor[t->gathered.i].data) group[i] = t->accumulate;
  }
  return group;
}

/* Names of the states that the file lacks: they outlive the call. */
static void keep_missing(dg_session *s, const CkVec *v, const bool *lacks) {
  arena_release(&s->missing_names);
  s->missing.at = NULL, s->missing.n = s->missing.cap = 0;
  for (uint32_t i = 0; i < v->n; i++)
    if (lacks[i]) VEC_PUSH(&s->missing_names, &s->missing, api_z(&s->missing_names, v->at[i].name));
}

static dg_status load_in(void *arg) {
  SaveCall *c = arg;
  dg_session *s = c->s;
  dg_status st = session_not_training(s);
  if (st != DG_OK) return st;
  ArenaMark mark = arena_mark(&s->arena);
  bool all = c->what == DG_LOAD_ALL;
  CkVec v = tensors(s, !all);
  CkMeta meta = {0};
  HostError err;
  CkLoad how = {.max_bytes = s->p->cx->limits.data_bytes,
                .allow_extra = !all,
                .lacks = ARENA_ARRAY(&s->arena, bool, v.n),
                .may_lack = all ? NULL : states(s, &v),
                .counts = all ? counters(s, &v) : NULL,
                .group = all ? groups(s, &v) : NULL};
  bool ok = checkpoint_load(&s->arena, str_z(c->path), v.at, v.n, how, &meta, &err);
  if (ok && c->what != DG_LOAD_MODEL && meta.ours) s->opt.seed = meta.seed;
  if (ok) keep_missing(s, &v, how.lacks);
  for (uint32_t i = 0; ok && i < s->prog.leaf.n; i++) /* anybody may have written the file */
    if (s->leaf_bytes[i]) fp_flush(s->leaf_tensor[i].dtype, s->leaf_tensor[i].data, s->leaf_tensor[i].count);
  for (uint32_t i = 0; ok && i < s->prog.leaf.n; i++) session_finite_begin(s, i);
  for (uint32_t i = 0; ok && i < s->prog.train.n; i++) s->look[i].last = s->counter[i];
  arena_rewind(&s->arena, mark);
  if (!ok && all && err.status == ST_MISMATCH && !meta.ours)
    return api_fail(s->cx, err.status,
                    "%s was not saved by dgc and has no place in a training to resume at: load its weights "
                    "alone (--load)",
                    c->path);
  return ok ? DG_OK : api_fail(s->cx, err.status, "%s", err.what);
}

dg_status dg_load(dg_session *s, const char *path, dg_load_what what) {
  if (!s) return DG_USAGE;
  if (!path || !*path) return api_fail(s->cx, ST_USAGE, "dg_load: a path is needed");
  if ((unsigned)what > DG_LOAD_TRAINED)
    return api_fail(s->cx, ST_USAGE, "dg_load: %d is no dg_load_what", (int)what);
  SaveCall c = {s, path, what};
  return session_guard(s, load_in, &c);
}

int dg_missing_count(const dg_session *s) { return s ? (int)s->missing.n : 0; }

const char *dg_missing_at(const dg_session *s, int i) {
  return s && i >= 0 && (uint32_t)i < s->missing.n ? s->missing.at[i] : NULL;
}
