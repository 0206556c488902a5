/* Data sets of a session: which file feeds which input, and one pass of batches over them. */
#include "api/train.h"
#include "base/file.h"
#include "base/size.h"

DataType session_data_type(DType t) {
  static const DataType to[DT_ALL] = {
      [DT_F32] = DATA_F32,   [DT_F64] = DATA_F64, [DT_I32] = DATA_I32,  [DT_I64] = DATA_I64,
      [DT_BOOL] = DATA_BOOL, [DT_U8] = DATA_U8,   [DT_BF16] = DATA_BF16};
  return to[t];
}

View *set_find(const DataSet *set, Sym input) {
  for (uint32_t i = 0; i < set->feed.n; i++)
    if (sym_eq(set->feed.at[i]->input, input)) return set->feed.at[i];
  return NULL;
}

/* Which part of a file is meant: of a CSV file columns, between commas; else one name. */
typedef struct Part {
  DataFormat format;
  Str text;
  FieldHeader header;
} Part;

/* Extents of what the file holds for the input: of a row, or of the whole; -1 for those not known yet. */
static void known_extents(const dg_session *s, const View *f, int64_t ext[MAX_RANK]) {
  const Leaf *l = program_leaf_at(&s->prog, f->leaf);
  for (int k = !f->whole; k < l->type.rank; k++) {
    DimId d = dim_bind(s->prog.dims, l->type.dim[k], s->p->bound.at, s->p->bound.n);
    if (!dim_is_const(s->prog.dims, d, &ext[k])) ext[k] = -1;
  }
}

/* Extents that the file decides, and whether all of it fits then. */
static dg_status fit_extents(const dg_session *s, View *f) {
  dg_context *cx = s->cx;
  Str name = names_str(s->prog.names, f->input);
  int rank = program_leaf_at(&s->prog, f->leaf)->type.rank, first = !f->whole;
  HostError err;
  for (int k = first; k < rank; k++) {
    if (f->ext[k] >= 0) continue;
    if ((uint32_t)k >= f->source.rank)
      return api_fail(cx, ST_REJECTED, "input '" STRF "': the data have no axis %d", STRA(name), k);
    f->ext[k] = f->source.dim[k];
  }
  bool fits = f->whole ? data_fits_whole(&f->source, name, f->ext, (uint32_t)rank, &err)
                       : data_fits(&f->source, name, f->ext + 1, (uint32_t)rank - 1, &err);
  return fits ? DG_OK : api_fail(cx, err.status, "%s", err.what);
}

/* Opens the file and looks at all of its values, in their order: what a step reads later is good. */
static dg_status read_view(dg_session *s, View *f, Str path, Part part) {
  dg_context *cx = s->cx;
  const Leaf *l = program_leaf_at(&s->prog, f->leaf);
  DataType type = session_data_type((DType)l->type.dtype);
  static const CsvHeader header[] = {[FIELD_HEADER_AUTO] = CSV_HEADER_AUTO,
                                     [FIELD_HEADER_YES] = CSV_HEADER_YES,
                                     [FIELD_HEADER_NO] = CSV_HEADER_NO};
  DataWant want = {names_str(s->prog.names, f->input), f->whole, (uint32_t)l->type.rank - !f->whole,
                   f->ext + !f->whole};
  DataOpen how = {
      .format = part.format,
      .limit = {s->p->cx->limits.data_bytes, s->p->cx->limits.unpack_ratio, s->p->cx->limits.line_bytes},
      .want = &want,
      .header = header[part.header],
      .type = type == DATA_BOOL || type == DATA_U8 ? DATA_I32
              : type == DATA_BF16                  ? DATA_F32
                                                   : type,
  };
  VEC(Str) parts = {0};
  bool one = part.format == DATA_SAFETENSORS;
  for (size_t i = 0, from = 0; part.text.n && i <= part.text.n; i++)
    if (i == part.text.n || (part.text.p[i] == ',' && !one)) {
      VEC_PUSH(&s->opening, &parts, (Str){part.text.p + from, i - from});
      from = i + 1;
    }
  how.part = parts.at, how.parts = parts.n;
  HostError err;
  known_extents(s, f, f->ext);
  if (!data_open(&s->opening, path, &how, &f->source, &err)) return api_fail(cx, err.status, "%s", err.what);
  dg_status st = fit_extents(s, f);
  if (st != DG_OK) return st;
  f->range = s->range[f->leaf.i];
  return data_check(&s->opening, &f->source, type, f->range, &err) ? DG_OK
                                                                   : api_fail(cx, err.status, "%s", err.what);
}

/* Memory for a file, whose data replace those of the last one for its input. What a reading that was given up
 * left goes here. */
static Arena *opening(dg_session *s) {
  arena_release(&s->opening);
  arena_init(&s->opening, &s->cx->mem);
  return &s->opening;
}

void set_close(DataSet *set) {
  for (uint32_t i = 0; i < set->feed.n; i++) arena_release(&set->feed.at[i]->own);
}

static dg_status open_feed(dg_session *s, DataSet *set, Sym input, Str path, Part part) {
  LeafId id;
  if (!program_find_leaf(&s->prog, names_str(&s->p->names, input), &id) ||
      program_leaf_at(&s->prog, id)->kind != LEAF_INPUT)
    return session_no_input(s, api_z(&s->opening, names_str(&s->p->names, input)));
  View f = {.input = input, .leaf = id, .whole = !session_has_rows(s, id)};
  dg_status st = read_view(s, &f, path, part);
  if (st != DG_OK) return st;
  View *old = set_find(set, input);
  if (!old) {
    old = ARENA_NEW(&s->arena, View);
    VEC_PUSH(&s->arena, &set->feed, old);
  }
  arena_release(&old->own);
  *old = f;
  old->own = s->opening;
  arena_init(&s->opening, &s->cx->mem);
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
    return api_fail(c->s->cx, ST_USAGE, "no data set '%.40s': train or test", c->set);
  Arena *a = opening(c->s);
  bool known;
  Sym input = names_find(&c->s->p->names, str_z(c->input), &known);
  if (!known) return session_no_input(c->s, c->input);
  Str column = c->column ? str_copy(a, str_z(c->column)) : STR("");
  return open_feed(c->s, &c->s->set[kind], input, str_copy(a, str_z(c->path)),
                   (Part){DATA_BY_NAME, column, FIELD_HEADER_AUTO});
}

dg_status dg_data(dg_session *s, const char *set, const char *input, const char *path, const char *column) {
  if (!s) return DG_USAGE;
  if (!set || !input || !path)
    return api_fail(s->cx, ST_USAGE, "dg_data: a set, an input and a path are needed");
  DataCall c = {s, set, input, path, column};
  return session_guard(s, data_in, &c);
}

/* A path written in the program: beneath its folder, else beneath a data root. What is said of a file that is
 * nowhere names the folders that were looked into; a broken rule is said as it is. */
dg_status session_find_file(dg_session *s, Str path, Str *out) {
  dg_context *cx = s->cx;
  Sb looked;
  FileError err;
  sb_init(&looked, &s->opening);
  for (uint32_t i = 0; i <= s->p->cx->root.n; i++) {
    Str root = i ? s->p->cx->root.at[i - 1] : s->p->folder;
    if (path_beneath(&s->opening, root, path, out, &err)) return DG_OK;
    if (!err.missing) return api_fail(cx, err.status, "%s", err.what);
    sb_fmt(&looked, "%s'" STRF "'", i ? ", " : "", STRA(root));
  }
  return api_fail(cx, ST_IO, "%s beneath " STRF " (a data root names another folder: --data-root=DIR)",
                  err.what, STRA(sb_str(&looked)));
}

dg_status set_open_field(dg_session *s, DataSet *set, const DataField *f) {
  Str path;
  (void)opening(s);
  dg_status st = session_find_file(s, f->path, &path);
  if (st != DG_OK) return st;
  return open_feed(s, set, f->input, path,
                   (Part){data_format_named(names_str(s->prog.names, f->reader)), f->part, f->header});
}

/* The dataset which a train step names as its data and which feeds an input, and its field; NULL: none does.
 */
static const DataField *training_field(const Program *p, Sym input, uint32_t *dataset) {
  for (uint32_t i = 0; i < p->train.n; i++) {
    const Setting *named = step_setting(p, i, STR("data"));
    for (uint32_t k = 0; named && k < p->dataset.n; k++) {
      const Dataset *d = &p->dataset.at[k];
      for (uint32_t f = 0; str_eq(names_str(p->names, d->name), named->text) && f < d->field.n; f++)
        if (sym_eq(d->field.at[f].input, input)) return *dataset = k, &d->field.at[f];
    }
  }
  return NULL;
}

/* The data of an input that an entry reads; NULL: the host has bound it. What is no row belongs to the model,
 * not to a set: where this set has none, that of training is taken. */
static dg_status view_for(dg_session *s, DataSet *set, uint32_t leaf, View **out) {
  const Program *p = &s->prog;
  Sym input = p->leaf.at[leaf].path;
  *out = set_find(set, input);
  if (*out || (s->bound[leaf].has && !s->bound[leaf].fed)) return DG_OK;
  if (!session_has_rows(s, (LeafId){leaf})) {
    uint32_t d = 0;
    *out = set_find(&s->set[SET_TRAIN], input);
    const DataField *f = *out ? NULL : training_field(p, input, &d);
    dg_status st = f && !set_find(&s->dataset[d], input) ? set_open_field(s, &s->dataset[d], f) : DG_OK;
    if (st != DG_OK) return st;
    if (f) *out = set_find(&s->dataset[d], input);
    if (*out) return DG_OK;
  }
  return api_fail(s->cx, ST_USAGE,
                  "input '" STRF "' has no data: name a dataset in the program, or give it a file (" STRF
                  "=FILE)",
                  STRA(names_str(p->names, input)), STRA(names_str(p->names, input)));
}

/* A buffer for n times what a row of the feed has, or for all of it. */
static dg_status stage(Pass *ps, const View *f, int64_t n) {
  dg_session *s = ps->s;
  DType dt = (DType)program_leaf_at(&s->prog, f->leaf)->type.dtype;
  HostError err;
  size_t count, bytes;
  if (f->whole) n = f->source.dim[0];
  if (!size_mul((size_t)n, (size_t)f->source.row_elements, &count) ||
      !size_mul(count, dtype_bytes(dt), &bytes))
    return api_fail(s->cx, ST_LIMIT, "a batch of %lld rows is too large", (long long)n);
  void *to = arena_alloc(ps->arena, bytes, 64);
  VEC_PUSH(ps->arena, &ps->staging, to);
  if (!f->whole) return DG_OK;
  ArenaMark mark = arena_mark(ps->arena);
  int64_t *row = ARENA_ARRAY(ps->arena, int64_t, n);
  for (int64_t i = 0; i < n; i++) row[i] = i;
  bool ok = data_rows_gather(&f->source, row, n, to, session_data_type(dt), f->range, &err);
  arena_rewind(ps->arena, mark);
  return ok ? DG_OK : api_fail(s->cx, err.status, "%s", err.what);
}

dg_status pass_begin(dg_session *s, Arena *a, DataSet *set, const Entry *const *entry, uint32_t nentry,
                     PassHow how, Pass *out) {
  const Program *p = &s->prog;
  *out = (Pass){.s = s, .arena = a};
  VEC(const DataSource *) src = {0};
  dg_status st;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    if (p->leaf.at[i].kind != LEAF_INPUT) continue;
    bool read = false;
    for (uint32_t e = 0; e < nentry; e++) read |= entry_reads(entry[e], (LeafId){i});
    if (!read) continue;
    View *f;
    if ((st = view_for(s, set, i, &f)) != DG_OK) return st;
    if (f) VEC_PUSH(a, &out->feed, f);
    if (f && !f->whole) VEC_PUSH(a, &src, &f->source);
  }
  int64_t batch = 1;
  HostError err;
  if (src.n) {
    if (!data_same_rows(src.at, src.n, &err)) return api_fail(s->cx, err.status, "%s", err.what);
    int64_t rows = src.at[0]->dim[0];
    batch = how.batch <= 0 || (how.last == LAST_ROWS_KEEP && how.batch > rows) ? rows : how.batch;
    if (!data_order_init(a, &out->order, rows, batch, how.last == LAST_ROWS_DROP ? LAST_DROP : LAST_KEEP,
                         how.shuffle, s->opt.seed, &err))
      return api_fail(s->cx, err.status, "%s", err.what);
    if (how.last == LAST_ROWS_PAD && rows % batch) out->padded = ARENA_ARRAY(a, int64_t, batch);
  }
  for (uint32_t i = 0; i < out->feed.n; i++)
    if ((st = stage(out, out->feed.at[i], batch)) != DG_OK) return st;
  return DG_OK;
}

void pass_epoch(Pass *ps, uint32_t epoch) {
  if (ps->order.rows) data_order_epoch(&ps->order, epoch);
}

/* What is in the staging buffer, n rows or all of it, becomes what the next run reads. */
static dg_status bind_staged(Pass *ps, uint32_t k, int64_t n) {
  dg_session *s = ps->s;
  const View *f = ps->feed.at[k];
  const Leaf *l = program_leaf_at(&s->prog, f->leaf);
  Tensor t = {.dtype = (DType)l->type.dtype, .rank = l->type.rank, .data = ps->staging.at[k], .count = 1};
  for (int d = 0; d < t.rank; d++) {
    t.ext[d] = d == 0 && !f->whole ? n : f->ext[d];
    if (!size_mul(t.count, (size_t)t.ext[d], &t.count)) return api_fail(s->cx, ST_LIMIT, "sizes overflow");
  }
  s->shapes += !s->bound[f->leaf.i].has || !session_same_shape(&s->bound[f->leaf.i].t, &t);
  s->bound[f->leaf.i] = (Bound){.has = true, .fed = true, .t = t};
  s->leaf[f->leaf.i] = t.data;
  return DG_OK;
}

/* The rows of batch i; *rows is how many of them the epoch counts. */
static const int64_t *batch_rows(Pass *ps, int64_t i, int64_t *rows, int64_t *n) {
  const int64_t *row = data_order_batch(&ps->order, i, rows);
  *n = *rows;
  if (!ps->padded || *n == ps->order.batch) return row;
  for (int64_t k = 0; k < ps->order.batch; k++)
    ps->padded[k] = k < *n ? row[k] : ps->order.row[(k - *n) % ps->order.rows];
  *n = ps->order.batch;
  return ps->padded;
}

dg_status pass_rebind(Pass *ps) {
  dg_status st = DG_OK;
  for (uint32_t k = 0; st == DG_OK && k < ps->feed.n; k++) st = bind_staged(ps, k, ps->filled);
  return st;
}

dg_status pass_batch(Pass *ps, int64_t i, int64_t *rows) {
  dg_session *s = ps->s;
  int64_t n = *rows = 1;
  const int64_t *row = ps->order.rows ? batch_rows(ps, i, rows, &n) : NULL;
  for (uint32_t k = 0; k < ps->feed.n; k++) {
    const View *f = ps->feed.at[k];
    DType dt = (DType)program_leaf_at(&s->prog, f->leaf)->type.dtype;
    HostError err;
    if (!f->whole &&
        !data_rows_gather(&f->source, row, n, ps->staging.at[k], session_data_type(dt), f->range, &err))
      return api_fail(s->cx, err.status, "%s", err.what);
  }
  ps->filled = n;
  return pass_rebind(ps);
}
