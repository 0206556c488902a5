/* Checkpoints of a built model: safetensors in memory to its state and back. Nothing is written to the state
 * before all of the file has been looked at. */
#include "runtime/core/checked.h"
#include "runtime/core/checkpoint_meta.h"
#include "runtime/core/clean.h"
#include "runtime/core/model.h"
#include "runtime/core/safetensors_parser.h"

#include <stdlib.h> /* qsort, bsearch */
#include <string.h>

static const ModelTensor *tensors(const Model *m) { return model_part(m, m->tensor); }
static SafeText name_of(const Model *m, const ModelTensor *t) {
  return (SafeText){model_part(m, t->name), t->name_bytes};
}

/* ---- memory for tables: the room to work in ---- */

typedef struct Room {
  char *at;
  uint64_t left;
} Room;

static Room room_of(const Model *m, void *state) {
  char *at = model_room(m, state);
  return (Room){at,
                m->work_bytes - (uint64_t)(at - ((char *)state + m->work))}; /* size-ok: within the state */
}

static void *get(void *context, size_t n) {
  Room *r = context;
  uint64_t bytes;
  if (!checked_add(n, 15, &bytes) || (bytes &= ~(uint64_t)15) > r->left) return NULL;
  void *p = r->at;
  r->at += bytes;
  r->left -= bytes;
  return p;
}

uint64_t model_file_bytes(uint32_t ntensor) {
  enum { MORE = 16, META = 16 }; /* of the file, that the model does not know */
  const uint64_t tensor = sizeof(SafeTensor), meta = sizeof(SafeMeta);
  return STEP_ALIGN + ((uint64_t)ntensor + MORE) * tensor + META * meta;
}

/* ---- loading ---- */

/* Finite, bools 0 or 1, counters not below 0. */
static bool values_good(const SafeTensor *t, const unsigned char *p, bool counts) {
  if (counts && !safe_counts(t, p)) return false;
  uint64_t n = (t->hi - t->lo) / safe_dtype_bytes(t->dtype);
  for (uint64_t i = 0; t->dtype == SAFE_BOOL && i < n; i++)
    if (p[i] > 1) return false;
  for (uint64_t i = 0; t->dtype == SAFE_F32 && i < n; i++) {
    uint32_t w;
    memcpy(&w, p + 4 * i, sizeof w); /* size-ok: within the file */
    if ((~w & 0x7f800000u) == 0) return false;
  }
  for (uint64_t i = 0; t->dtype == SAFE_BF16 && i < n; i++) {
    uint16_t w;
    memcpy(&w, p + 2 * i, sizeof w); /* size-ok: within the file */
    if ((~w & 0x7f80u) == 0) return false;
  }
  for (uint64_t i = 0; t->dtype == SAFE_F64 && i < n; i++) {
    uint64_t w;
    memcpy(&w, p + 8 * i, sizeof w); /* size-ok: within the file */
    if ((~w & 0x7ff0000000000000u) == 0) return false;
  }
  return true;
}

static int name_before(const void *key, const void *tensor) {
  return safe_text_cmp(*(const SafeText *)key, ((const SafeTensor *)tensor)->name);
}

/* The file's tensors are in order of names. NULL: it has none of that name. */
static const SafeTensor *find(const SafeFile *f, SafeText name) {
  return f->tensors ? bsearch(&name, f->tensor, f->tensors, sizeof *f->tensor, name_before) : NULL;
}

static int32_t fits(const Model *m, const SafeFile *f) {
  for (uint32_t i = 0; i < m->ntensor; i++) {
    const ModelTensor *want = tensors(m) + i;
    const SafeTensor *has = find(f, name_of(m, want));
    if (!has && want->needed) return MODEL_MISMATCH;
    if (!has) continue;
    if (has->dtype != (SafeDtype)want->dtype || has->rank != want->rank) return MODEL_MISMATCH;
    for (uint32_t k = 0; k < has->rank; k++)
      if (has->dim[k] != want->dim[k]) return MODEL_MISMATCH;
    if (!values_good(has, f->data + has->lo, want->counts))
      return MODEL_BAD_DATA; /* size-ok: the parser looked */
  }
  return MODEL_OK;
}

static void take(const Model *m, const SafeFile *f, const CkMeta *meta, char *state) {
  for (uint32_t i = 0; i < m->ntensor; i++) {
    const ModelTensor *want = tensors(m) + i;
    const SafeTensor *has = find(f, name_of(m, want));
    if (!has) continue;
    const unsigned char *from = f->data + has->lo; /* size-ok: the parser looked */
    char *to = state + want->at;                   /* size-ok: within the state */
    uint64_t bytes = has->hi - has->lo;
    if (has->dtype == SAFE_BOOL) {
      for (uint64_t k = 0; k < bytes; k++) ((int32_t *)(void *)to)[k] = from[k];
      continue;
    }
    memcpy(to, from, bytes);
    if (has->dtype == SAFE_F32) clean32(to, bytes / 4);
    if (has->dtype == SAFE_F64) clean64(to, bytes / 8);
    if (has->dtype == SAFE_BF16) clean16(to, bytes / 2);
  }
  if (meta->ours) memcpy(state + m->seed, &meta->seed, sizeof meta->seed); /* size-ok: within the state */
}

int32_t dgc_model_load(const Model *m, void *state, const void *file, size_t bytes) {
  if (m->version != MODEL_VERSION) return MODEL_MISMATCH;
  if (!state || !file) return MODEL_USAGE;
  Room room = room_of(m, state);
  SafeFile f;
  SafeError err;
  CkMeta meta;
  CkMetaFault fault;
  SafeResult r = safe_parse(file, bytes, (SafeMemory){get, &room}, &f, &err);
  int32_t st = r == SAFE_NO_MEMORY ? MODEL_NO_MEMORY : MODEL_BAD_DATA;
  if (r == SAFE_OK && ck_meta_read(&f, file, bytes, &meta, &fault) == CK_META_OK) {
    if (f.tensors) qsort(f.tensor, f.tensors, sizeof *f.tensor, safe_by_name);
    st = fits(m, &f);
    if (st == MODEL_OK) take(m, &f, &meta, state);
  }
  return st;
}

/* ---- saving ---- */

typedef struct Out {
  ModelPut *put;
  void *user;
  bool failed;
} Out;

static void piece(void *context, const char *p, size_t n) {
  Out *o = context;
  if (n && !o->failed) o->failed = o->put(o->user, p, n) != 0;
}

static void bools(Out *o, const int32_t *p, uint64_t n) { /* a byte each in the file */
  char z[256];
  for (uint64_t i = 0; i < n;) {
    size_t k = 0;
    while (k < sizeof z && i < n) z[k++] = p[i++] != 0;
    piece(o, z, k);
  }
}

/* How far it was trained, as the counters in the state say. */
static CkMeta meta_of(const Model *m, const char *state) {
  const ModelEntry *entry = model_part(m, m->entry);
  CkMeta meta = {.program = m->program};
  int32_t n;
  memcpy(&meta.seed, state + m->seed, sizeof meta.seed);
  memcpy(&n, state + m->epoch, sizeof n);
  meta.epoch = n;
  for (uint32_t i = 0; i < m->nentry; i++) {
    if (entry[i].kind != MODEL_ENTRY_TRAIN) continue;
    memcpy(&n, state + entry[i].counter, sizeof n);
    meta.step += n;
  }
  return meta;
}

/* False: a header that is too large; nothing was put. */
static bool write_file(const Model *m, const char *state, const SafeTensor *t, uint64_t sum, Out *o) {
  const CkMeta meta = meta_of(m, state);
  CkMetaText text;
  ck_meta_write(&meta, sum, &text);
  if (!safe_write_header(t, m->ntensor, text.row, CK_META_ROWS, (SafeSink){piece, o})) return false;
  for (uint32_t i = 0; i < m->ntensor; i++) {
    const char *from = state + tensors(m)[t[i].tag].at; /* size-ok: within the state */
    if (t[i].dtype == SAFE_BOOL)
      bools(o, (const int32_t *)(const void *)from, t[i].hi - t[i].lo);
    else
      piece(o, from, t[i].hi - t[i].lo);
  }
  return true;
}

static int put_sum(void *sum, const void *p, size_t n) {
  sum_add(sum, p, n);
  return 0;
}

int32_t dgc_model_save(const Model *m, void *state, ModelPut *put, void *user) {
  if (m->version != MODEL_VERSION) return MODEL_MISMATCH;
  if (!state || !put) return MODEL_USAGE;
  Room room = room_of(m, state);
  uint64_t bytes;
  SafeTensor *t = NULL;
  if (checked_mul(m->ntensor, sizeof *t, &bytes)) t = get(&room, bytes);
  if (!t) return MODEL_NO_MEMORY;
  for (uint32_t i = 0; i < m->ntensor; i++) {
    const ModelTensor *from = tensors(m) + i;
    t[i] =
        (SafeTensor){.name = name_of(m, from), .dtype = (SafeDtype)from->dtype, .rank = from->rank, .tag = i};
    memcpy(t[i].dim, from->dim, sizeof from->dim);
  }
  if (!safe_layout(t, m->ntensor)) return MODEL_LIMIT;
  for (uint32_t i = 0; i < m->ntensor; i++) {                         /* else it could not be loaded */
    const char *from = (const char *)state + tensors(m)[t[i].tag].at; /* size-ok: within the state */
    const unsigned char *p = (const unsigned char *)from;
    if (tensors(m)[t[i].tag].counts && !safe_counts(&t[i], p)) return MODEL_BAD_DATA;
    if (t[i].dtype != SAFE_BOOL && !values_good(&t[i], p, false)) return MODEL_NON_FINITE;
  }
  Sum sum;
  sum_init(&sum);
  Out o = {put, user, false};
  bool ok = write_file(m, state, t, 0, &(Out){put_sum, &sum, false}) &&
            write_file(m, state, t, sum_value(&sum), &o);
  return !ok ? MODEL_LIMIT : o.failed ? MODEL_IO : MODEL_OK;
}
