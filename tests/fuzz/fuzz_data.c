/* The readers of data files and of checkpoints on any bytes: the first byte picks the reader. What is refused
 * has a reason of the right class, what is accepted can be read whole. */
#include "runtime/core/safetensors.h"
#include "runtime/host/readers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void *get(void *arena, size_t n) { return arena_alloc(arena, n, 16); }

static void must(bool ok) {
  if (!ok) abort();
}

/* Every row of what was accepted, in every type. */
static void read_rows(Arena *a, const DataSource *s) {
  HostError err;
  int64_t rows = s->dim[0] < 64 ? s->dim[0] : 64;
  must(s->rank >= 1 && s->rank <= DATA_MAX_RANK && s->dim[0] >= 1);
  for (int t = 0; t < DATA_TYPE_COUNT; t++) {
    if (!data_memory_bytes((DataType)t) || s->row_elements > 1 << 20) continue;
    void *row = arena_array(a, (size_t)s->row_elements, data_memory_bytes((DataType)t), 64);
    for (int64_t i = 0; i < rows; i++) {
      int64_t at = s->dim[0] - 1 - i;
      if (!data_rows_gather(s, &at, 1, row, (DataType)t, (DataRange){.kind = RANGE_INT, .lo = -1, .hi = 10},
                            &err))
        must(err.status == ST_BAD_DATA && err.what[0]);
    }
  }
}

static void read_checkpoint(Arena *a, Str bytes) {
  SafeFile f;
  SafeError err;
  SafeResult r = safe_parse(bytes.p, bytes.n, (SafeMemory){get, a}, &f, &err);
  must(r != SAFE_NO_MEMORY && (r == SAFE_OK || err.what[0]));
  uint64_t at = 0;
  for (size_t i = 0; r == SAFE_OK && i < f.tensors; i++) { /* the tensors tile the data */
    must(f.tensor[i].lo == at && f.tensor[i].hi >= at);
    at = f.tensor[i].hi;
  }
  must(r != SAFE_OK || at == f.data_bytes);
}

/* The look at the first bytes, all or some of them, says nothing that the reader does not. */
static bool read_csv_bytes(Arena *a, Str bytes, const DataOpen *how, DataSource *out, HostError *err) {
  bool enough;
  if (!csv_head(out->name, bytes, false, how, &enough, err)) return false;
  must(enough);
  Str half = {bytes.p, bytes.n / 2};
  bool seen = csv_head(out->name, half, true, how, &enough, err);
  bool ok = read_csv(a, a, bytes, how, out, err);
  must(seen || !ok);
  return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (n == 0) return 0;
  Mem m;
  Arena a;
  HostError err = {.status = ST_OK};
  DataSource s = {.name = STR("fuzz")};
  DataOpen how = {.limit = {1 << 20, 100, 1 << 16}, .type = DATA_F32, .allow_non_finite = data[0] & 8};
  FileHead h;
  Str bytes = {(const char *)data + 1, n - 1}, out;
  bool ok = false;
  mem_init(&m, 0);
  arena_init(&a, &m);
  switch (data[0] % 8) {
  case 0: ok = idx_head(s.name, bytes, &s, &h, &err) && rows_behind(bytes, h, &s, &err); break;
  case 1: ok = npy_head(s.name, bytes, &s, &h, &err) && rows_behind(bytes, h, &s, &err); break;
  case 2: ok = read_csv_bytes(&a, bytes, &how, &s, &err); break;
  case 3: how.type = DATA_I64, ok = read_csv_bytes(&a, bytes, &how, &s, &err); break;
  case 4: how.type = DATA_F64, how.delimiter = ';', ok = read_csv_bytes(&a, bytes, &how, &s, &err); break;
  case 5:
    if (!data_gunzip(&a, s.name, bytes, how.limit.data_bytes, &out, &err)) break;
    must((int64_t)out.n <= how.limit.data_bytes);
    arena_release(&a);
    return 0;
  case 6:
    ok = safetensors_head(s.name, bytes, &err) && read_safetensors(&a, &a, bytes, &how, &s, &err);
    break;
  default:
    read_checkpoint(&a, bytes);
    arena_release(&a);
    return 0;
  }
  if (ok)
    read_rows(&a, &s);
  else
    must((err.status == ST_BAD_DATA || err.status == ST_LIMIT) && err.what[0]);
  arena_release(&a);
  return 0;
}
