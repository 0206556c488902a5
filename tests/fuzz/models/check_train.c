/* Programs with data sets: training as the command does it. What the interpreter and native code reach, and
 * what training reaches that was saved on the way and resumed by another session, is the same to the bit. */
#include "check.h"
#include "ir/scalar/literal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct Folder {
  char path[64];
} Folder;

static bool folder_make(Folder *t, Fault *f) {
  const char *top = getenv("TMPDIR");
  snprintf(t->path, sizeof t->path, "%.40s/models-XXXXXX", top && *top ? top : "/tmp");
  return mkdtemp(t->path) != NULL || finding(f, "folder", "cannot make %s", t->path);
}
static void folder_remove(const Folder *t) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", t->path);
  if (system(command) != 0) fprintf(stderr, "%s is left\n", t->path);
}

/* ---- data files ---- */

static void put_csv(FILE *to, const Type *t, size_t rows, size_t row, const void *data) {
  for (size_t i = 0; i < rows * row; i++) {
    const char *end = i % row + 1 == row ? "\n" : ",";
    switch ((DType)t->dtype) {
    case DT_F64: fprintf(to, "%.17g%s", ((const double *)data)[i], end); break;
    case DT_F32: fprintf(to, "%.9g%s", (double)((const float *)data)[i], end); break;
    case DT_I64: fprintf(to, "%lld%s", (long long)((const int64_t *)data)[i], end); break;
    case DT_U8: fprintf(to, "%d%s", ((const uint8_t *)data)[i], end); break;
    case DT_BF16: fprintf(to, "%.9g%s", (double)literal_get(DT_BF16, data, i).s, end); break;
    default: fprintf(to, "%d%s", ((const int32_t *)data)[i], end);
    }
  }
}

static void put_npy(FILE *to, const Type *t, const int64_t *ext, size_t rows, size_t row, const void *data) {
  static const char *const type[] = {
      [DT_F32] = "<f4",  [DT_F64] = "<f8", [DT_I32] = "<i4", [DT_I64] = "<i8",
      [DT_BOOL] = "|b1", [DT_U8] = "|u1",  [DT_BF16] = "<f4"}; /* NumPy has no bf16 */
  char head[256], shape[128];
  size_t n = (size_t)snprintf(shape, sizeof shape, "%zu,", rows);
  for (int i = 1; i < t->rank; i++)
    n += (size_t)snprintf(shape + n, sizeof shape - n, " %lld,", (long long)ext[i]);
  int len = snprintf(head, sizeof head, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                     type[t->dtype], shape);
  int total = (10 + len + 1 + 63) / 64 * 64 - 10;
  fwrite("\x93NUMPY\x01\x00", 1, 8, to);
  fputc(total & 255, to), fputc(total >> 8, to);
  fprintf(to, "%-*s\n", total - 1, head);
  for (size_t i = 0; i < rows * row; i++)
    if (t->dtype == DT_BOOL)
      fputc(((const int32_t *)data)[i] != 0, to);
    else if (t->dtype == DT_BF16)
      fwrite(&(float){literal_get(DT_BF16, data, i).s}, 4, 1, to);
    else
      fwrite((const char *)data + i * dtype_bytes((DType)t->dtype), dtype_bytes((DType)t->dtype), 1, to);
}

static void put_safetensors(FILE *to, const Type *t, const int64_t *ext, size_t rows, size_t row, Str name,
                            const void *data) {
  static const char *const type[] = {
      [DT_F32] = "F32",   [DT_F64] = "F64", [DT_I32] = "I32",  [DT_I64] = "I64",
      [DT_BOOL] = "BOOL", [DT_U8] = "U8",   [DT_BF16] = "BF16"};
  char head[512];
  size_t bytes = t->dtype == DT_BOOL ? 1 : dtype_bytes((DType)t->dtype), n;
  n = (size_t)snprintf(head, sizeof head, "{\"" STRF "\":{\"dtype\":\"%s\",\"shape\":[%zu", STRA(name),
                       type[t->dtype], rows);
  for (int i = 1; i < t->rank; i++)
    n += (size_t)snprintf(head + n, sizeof head - n, ",%lld", (long long)ext[i]);
  n += (size_t)snprintf(head + n, sizeof head - n, "],\"data_offsets\":[0,%zu]}}", rows * row * bytes);
  while (n % 8) head[n++] = ' '; /* elements are aligned */
  uint64_t length = n;
  fwrite(&length, 8, 1, to), fwrite(head, 1, n, to);
  for (size_t i = 0; i < rows * row; i++)
    if (t->dtype == DT_BOOL)
      fputc(((const int32_t *)data)[i] != 0, to);
    else
      fwrite((const char *)data + i * bytes, bytes, 1, to);
}

/* Is axis 0 of the input N? */
static bool over_n(const char *text, Str name) {
  char head[64];
  snprintf(head, sizeof head, "\ninput " STRF ":", STRA(name));
  const char *at = strstr(text, head), *dims = at ? strchr(at, '[') : NULL,
             *end = at ? strchr(at + 1, '\n') : NULL;
  return dims && end && dims < end && dims[1] == 'N' && (dims[2] == ',' || dims[2] == ']');
}

static bool put_file(const Case *c, const Loaded *l, const Folder *t, const DataField *field, Fault *f) {
  LeafId id;
  char path[192];
  int64_t ext[MAX_RANK];
  size_t row = 1, rows = (size_t)c->rows;
  if (!program_find_leaf(&l->p, names_str(&l->names, field->input), &id))
    return finding(f, "data", "no such input");
  const Leaf *leaf = program_leaf_at(&l->p, id);
  Type type = load_type(l, &leaf->type);
  for (int i = 0; i < type.rank; i++) {
    if (!dim_is_const(l->p.dims, type.dim[i], &ext[i])) return finding(f, "data", "a dim without a value");
    if (i) row *= (size_t)ext[i];
  }
  Str name = names_str(&l->names, field->input), reader = names_str(&l->names, field->reader);
  bool batched = over_n(c->text, name);
  if (!batched) rows = type.rank ? (size_t)ext[0] : 1;
  snprintf(path, sizeof path, "%s/" STRF, t->path, STRA(field->path));
  Case own = *c;
  own.data += field->path.p[0]; /* the sets differ */
  own.specials = false;
  void *data = calloc(rows * row + 1, 8);
  value_fill(&own, leaf, &l->names, (DType)type.dtype, rows * row, false, data);
  FILE *to = fopen(path, "wb");
  if (to && str_eq(reader, STR("csv")))
    put_csv(to, &type, rows, row, data);
  else if (to && str_eq(reader, STR("safetensors")))
    put_safetensors(to, &type, ext, rows, row, name, data);
  else if (to)
    put_npy(to, &type, ext, rows, row, data);
  free(data);
  return (to && fclose(to) == 0) || finding(f, "data", "cannot write %s", path);
}

static bool put_all(const Case *c, const Loaded *l, const Folder *t, const char *model, Fault *f) {
  FILE *to = fopen(model, "wb");
  if (!to || fputs(c->text, to) < 0 || fclose(to) != 0) return finding(f, "data", "cannot write %s", model);
  for (uint32_t i = 0; i < l->p.dataset.n; i++)
    for (uint32_t k = 0; k < l->p.dataset.at[i].field.n; k++)
      if (!put_file(c, l, t, &l->p.dataset.at[i].field.at[k], f)) return false;
  return true;
}

/* ---- training ---- */

static bool trains(const Host *h, dg_session *s, int64_t steps, Fault *f) {
  dg_train_options o;
  dg_train_options_init(&o, sizeof o);
  o.steps = steps;
  if (dg_train(s, &o, NULL) == DG_OK) return true;
  return finding(f, "train", "%s", dg_error(h->cx));
}

static bool end_same(const Host *h, dg_session *a, dg_session *b, const char *what, Fault *f) {
  Fault inner = {0};
  bool good = host_same(h, a, b, DG_PARAM, what, &inner) && host_same(h, a, b, DG_STATE, what, &inner);
  if (good && (dg_evaluate_set(a, NULL, 0) != DG_OK || dg_evaluate_set(b, NULL, 0) != DG_OK))
    good = finding(&inner, "native", "evaluation %s: %s", what, dg_error(h->cx));
  good = good && host_same(h, a, b, DG_LOSS, what, &inner) && host_same(h, a, b, DG_METRIC, what, &inner);
  return good || finding(f, strcmp(inner.stage, "native") == 0 ? "train" : inner.stage, "%s", inner.detail);
}

static bool resumed(const Case *c, const Host *h, const Folder *t, dg_session *whole, const Config *k,
                    Fault *f) {
  char path[96];
  snprintf(path, sizeof path, "%s/half.safetensors", t->path);
  dg_session *a = host_session(c, h, k, f);
  bool good = a && trains(h, a, 1 + (int64_t)(c->data % 4), f);
  if (good && dg_save(a, path) != DG_OK) good = finding(f, "save", "%s", dg_error(h->cx));
  dg_session_free(a);
  dg_session *b = good ? host_session(c, h, k, f) : NULL;
  good = good && b;
  if (good && dg_load(b, path, 0) != DG_OK) good = finding(f, "load", "%s", dg_error(h->cx));
  good = good && trains(h, b, 0, f) && end_same(h, whole, b, "after resuming", f);
  dg_session_free(b);
  cover_feature(FEAT_resume);
  return good;
}

bool check_train(const Case *c, const Loaded *l, Fault *f) {
  static const Config interpreter = {1, 1, -1, NULL};
  bool native = *dg_llvm_version() != 0;
  Config fast = {!native, 1 + (int)(c->data % 3), (int)(c->data % 4), NULL};
  char model[96];
  Folder t;
  Host h = {0};
  if (!folder_make(&t, f)) return false;
  snprintf(model, sizeof model, "%s/model.dg", t.path);
  bool good = put_all(c, l, &t, model, f) && host_open(c, l, model, &h, f);
  dg_session *a = good ? host_session(c, &h, &interpreter, f) : NULL,
             *b = a ? host_session(c, &h, &fast, f) : NULL;
  good = b && trains(&h, a, 0, f) && trains(&h, b, 0, f) && end_same(&h, a, b, "after training", f) &&
         resumed(c, &h, &t, a, &fast, f);
  dg_session_free(a), dg_session_free(b);
  host_close(&h);
  folder_remove(&t);
  return good;
}
