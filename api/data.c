/* Data sets of a session: which file feeds which input, and one pass of batches over them. */
#include "api/train.h"
#include "base/file.h"
#include "base/size.h"

DataType session_data_type(DType t) {
  static const DataType to[DT_COUNT] = {[DT_F32] = DATA_F32,
                                        [DT_F64] = DATA_F64,
                                        [DT_I32] = DATA_I32,
                                        [DT_I64] = DATA_I64,
                                        [DT_BOOL] = DATA_BOOL};
  return to[t];
}

Feed *set_find(const DataSet *set, Sym input) {
  for (uint32_t i = 0; i < set->feed.n; i++)
    if (sym_eq(set->feed.at[i].input, input)) return &set->feed.at[i];
  return NULL;
}

static dg_status open_feed(dg_session *s, DataSet *set, Sym input, Str path, DataFormat format, Str column) {
  dg_context *cx = s->p->cx;
  LeafId id;
  if (!program_find_leaf(&s->p->prog, names_str(&s->p->names, input), &id) ||
      program_leaf_at(&s->p->prog, id)->kind != LEAF_INPUT)
    return session_no_input(s, api_z(&s->arena, names_str(&s->p->names, input)));
  const Leaf *l = program_leaf_at(&s->p->prog, id);
  DataOpen how = {
      .format = format, .max_bytes = cx->limits.data_bytes, .type = session_data_type((DType)l->type.dtype)};
  if (how.type == DATA_BOOL) how.type = DATA_I32;
  VEC(Str) columns = {0};
  for (size_t i = 0, from = 0; column.n && i <= column.n; i++)
    if (i == column.n || column.p[i] == ',') {
      VEC_PUSH(&s->arena, &columns, (Str){column.p + from, i - from});
      from = i + 1;
    }
  how.column = columns.at, how.columns = columns.n;
  Feed f = {.input = input, .leaf = id};
  HostError err;
  if (!data_open(&s->arena, path, &how, &f.source, &err)) return api_fail(cx, err.status, "%s", err.what);
  if (l->type.rank == 0)
    return api_fail(cx, ST_REJECTED, "input '" STRF "' has no axis for the rows of a data set",
                    STRA(names_str(&s->p->names, input)));
  int64_t ext[MAX_RANK];
  for (int k = 1; k < l->type.rank; k++) {
    DimId d = dim_bind(s->p->prog.dims, l->type.dim[k], s->p->bound.at, s->p->bound.n);
    if (!dim_is_const(s->p->prog.dims, d, &ext[k - 1])) {
      if ((uint32_t)k >= f.source.rank)
        return api_fail(cx, ST_REJECTED, "input '" STRF "': the data have no axis %d",
                        STRA(names_str(&s->p->names, input)), k);
      ext[k - 1] = f.source.dim[k];
    }
    f.ext[k] = ext[k - 1];
  }
  if (!data_fits(&f.source, names_str(&s->p->names, input), ext, (uint32_t)l->type.rank - 1, &err))
    return api_fail(cx, err.status, "%s", err.what);
  f.range = s->range[id.i];
  Feed *old = set_find(set, input);
  if (old)
    *old = f;
  else
    VEC_PUSH(&s->arena, &set->feed, f);
  return DG_OK;
}

typedef struct DataCall {
  dg_session *s;
  const char *set, *input, *path, *column;
} DataCall;

static dg_status data_in(void *arg) {
  DataCall *c = arg;
  dg_status st = session_not_training(c->s);
  if (st != DG_OK) return st;
  SetKind kind;
  if (!strcmp(c->set, "train"))
    kind = SET_TRAIN;
  else if (!strcmp(c->set, "test"))
    kind = SET_TEST;
  else
    return api_fail(c->s->p->cx, ST_USAGE, "no data set '%.40s': train or test", c->set);
  Arena *a = &c->s->arena;
  Sym input = names_add(&c->s->p->names, str_z(c->input));
  Str column = c->column ? str_copy(a, str_z(c->column)) : STR("");
  return open_feed(c->s, &c->s->set[kind], input, str_copy(a, str_z(c->path)), DATA_BY_NAME, column);
}

dg_status dg_data(dg_session *s, const char *set, const char *input, const char *path, const char *column) {
  if (!s) return DG_USAGE;
  if (!set || !input || !path)
    return api_fail(s->p->cx, ST_USAGE, "dg_data: a set, an input and a path are needed");
  DataCall c = {s, set, input, path, column};
  return session_guard(s, data_in, &c);
}

/* A path written in the program: beneath its folder, else beneath a data root. What is said of a file that is
 * nowhere names the folders that were looked into; a broken rule is said as it is. */
static dg_status find_path(dg_session *s, const DataField *f, Str *out) {
  dg_context *cx = s->p->cx;
  Sb looked;
  FileError err;
  sb_init(&looked, &s->arena);
  for (uint32_t i = 0; i <= cx->root.n; i++) {
    Str root = i ? cx->root.at[i - 1] : s->p->folder;
    if (path_beneath(&s->arena, root, f->path, out, &err)) return DG_OK;
    if (!err.missing) return api_fail(cx, err.status, "%s", err.what);
    sb_fmt(&looked, "%s'" STRF "'", i ? ", " : "", STRA(root));
  }
  return api_fail(cx, ST_IO, "%s beneath " STRF " (a data root names another folder: --data-root=DIR)",
                  err.what, STRA(sb_str(&looked)));
}

dg_status set_open_field(dg_session *s, DataSet *set, const DataField *f) {
  Str path, reader = names_str(s->p->prog.names, f->reader);
  dg_status found = find_path(s, f, &path);
  if (found != DG_OK) return found;
  DataFormat format = str_eq(reader, STR("idx"))   ? DATA_IDX
                      : str_eq(reader, STR("npy")) ? DATA_NPY
                      : str_eq(reader, STR("csv")) ? DATA_CSV
                                                   : DATA_BY_NAME;
  return open_feed(s, set, f->input, path, format, f->column);
}

dg_status pass_begin(dg_session *s, Arena *a, DataSet *set, const Entry *const *entry, uint32_t nentry,
                     PassHow how, Pass *out) {
  const Program *p = &s->p->prog;
  *out = (Pass){.s = s};
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    if (p->leaf.at[i].kind != LEAF_INPUT) continue;
    bool read = false;
    for (uint32_t e = 0; e < nentry; e++) read |= entry_reads(entry[e], (LeafId){i});
    if (!read) continue;
    Feed *f = set_find(set, p->leaf.at[i].path);
    if (f)
      VEC_PUSH(a, &out->feed, f);
    else if (!s->bound[i].has || s->bound[i].fed)
      return api_fail(
          s->p->cx, ST_USAGE,
          "input '" STRF "' has no data: name a dataset in the program, or give it a file (" STRF "=FILE)",
          STRA(names_str(p->names, p->leaf.at[i].path)), STRA(names_str(p->names, p->leaf.at[i].path)));
  }
  if (!out->feed.n) return DG_OK;
  VEC(const DataSource *) src = {0};
  for (uint32_t i = 0; i < out->feed.n; i++) VEC_PUSH(a, &src, &out->feed.at[i]->source);
  HostError err;
  if (!data_same_rows(src.at, src.n, &err)) return api_fail(s->p->cx, err.status, "%s", err.what);
  int64_t rows = out->feed.at[0]->source.dim[0];
  int64_t batch = how.batch <= 0 || (how.last == LAST_ROWS_KEEP && how.batch > rows) ? rows : how.batch;
  if (!data_order_init(a, &out->order, rows, batch, how.last == LAST_ROWS_DROP ? LAST_DROP : LAST_KEEP,
                       how.shuffle, s->opt.seed, &err))
    return api_fail(s->p->cx, err.status, "%s", err.what);
  if (how.last == LAST_ROWS_PAD && rows % batch) out->padded = ARENA_ARRAY(a, int64_t, batch);
  for (uint32_t i = 0; i < out->feed.n; i++) {
    const Leaf *l = program_leaf_at(p, out->feed.at[i]->leaf);
    size_t n, bytes;
    if (!size_mul((size_t)batch, (size_t)out->feed.at[i]->source.row_elements, &n) ||
        !size_mul(n, dtype_bytes((DType)l->type.dtype), &bytes))
      return api_fail(s->p->cx, ST_LIMIT, "a batch of %lld rows is too large", (long long)batch);
    VEC_PUSH(a, &out->staging, arena_alloc(a, bytes, 64));
  }
  return DG_OK;
}

void pass_epoch(Pass *ps, uint32_t epoch) {
  if (ps->feed.n) data_order_epoch(&ps->order, epoch);
}

/* The rows in the staging buffers become what the next run reads. */
dg_status pass_rebind(Pass *ps) {
  dg_session *s = ps->s;
  for (uint32_t k = 0; k < ps->feed.n; k++) {
    const Feed *f = ps->feed.at[k];
    const Leaf *l = program_leaf_at(&s->p->prog, f->leaf);
    Tensor t = {.dtype = (DType)l->type.dtype,
                .rank = l->type.rank,
                .data = ps->staging.at[k],
                .count = (size_t)ps->filled};
    t.ext[0] = ps->filled;
    for (int d = 1; d < t.rank; d++) {
      t.ext[d] = f->ext[d];
      if (!size_mul(t.count, (size_t)t.ext[d], &t.count))
        return api_fail(s->p->cx, ST_LIMIT, "sizes overflow");
    }
    s->bound[f->leaf.i] = (Bound){.has = true, .fed = true, .t = t};
    s->leaf[f->leaf.i] = t.data;
  }
  return DG_OK;
}

dg_status pass_batch(Pass *ps, int64_t i, int64_t *rows) {
  dg_session *s = ps->s;
  if (!ps->feed.n) {
    *rows = 1;
    return DG_OK;
  }
  const int64_t *row = data_order_batch(&ps->order, i, rows);
  int64_t n = *rows;
  if (ps->padded && n < ps->order.batch) {
    for (int64_t k = 0; k < ps->order.batch; k++)
      ps->padded[k] = k < n ? row[k] : ps->order.row[(k - n) % ps->order.rows];
    row = ps->padded, n = ps->order.batch;
  }
  for (uint32_t k = 0; k < ps->feed.n; k++) {
    const Feed *f = ps->feed.at[k];
    const Leaf *l = program_leaf_at(&s->p->prog, f->leaf);
    HostError err;
    if (!data_rows_gather(&f->source, row, n, ps->staging.at[k], session_data_type((DType)l->type.dtype),
                          f->range, &err))
      return api_fail(s->p->cx, err.status, "%s", err.what);
  }
  ps->filled = n;
  return pass_rebind(ps);
}
