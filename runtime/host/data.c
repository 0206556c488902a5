#include "runtime/host/data.h"

#include "base/size.h"
#include "runtime/core/rng.h"
#include "runtime/host/readers.h"

#include <stdio.h>

const char *data_type_name(DataType t) {
  static const char *const name[] = {
#define X(id, name, bytes) name,
      DATA_TYPES(X)
#undef X
  };
  return name[t];
}

size_t data_type_bytes(DataType t) {
  static const uint8_t size[] = {
#define X(id, name, bytes) bytes,
      DATA_TYPES(X)
#undef X
  };
  return size[t];
}

size_t data_memory_bytes(DataType t) {
  switch (t) {
  case DATA_U8:
  case DATA_I8: return 0;
  case DATA_BOOL: return 4;
  case DATA_I32:
  case DATA_I64:
  case DATA_F32:
  case DATA_F64:
  case DATA_TYPE_COUNT: break;
  }
  return data_type_bytes(t);
}

bool source_finish(DataSource *s, HostError *err) {
  size_t elements, bytes, all;
  HostShown file = host_show(s->name);
  if (s->dim[0] == 0) return host_fail(err, ST_BAD_DATA, "%s: at least one row expected, found none", file.z);
  if (!size_product(s->dim + 1, s->rank - 1, &elements) ||
      !size_mul(elements, data_type_bytes(s->type), &bytes) || !size_mul(bytes, (size_t)s->dim[0], &all) ||
      elements > INT64_MAX)
    return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
  s->row_elements = (int64_t)elements;
  s->row_bytes = bytes;
  return true;
}

static DataFormat format_of(Str name, Str bytes) {
  if (str_ends(name, STR(".gz"))) name.n -= 3;
  if (str_ends(name, STR(".npy"))) return DATA_NPY;
  if (str_ends(name, STR(".csv")) || str_ends(name, STR(".tsv")) || str_ends(name, STR(".txt")))
    return DATA_CSV;
  if (str_ends(name, STR(".idx")) || str_ends(name, STR("-ubyte"))) return DATA_IDX;
  if (str_starts(bytes, STR("\x93NUMPY"))) return DATA_NPY;
  if (str_starts(bytes, STR("\0\0\x08"))) return DATA_IDX;
  return DATA_BY_NAME;
}

/* Whether the bytes are a gzip stream decides their magic; a name ending in .gz demands it. */
static bool unpacked(Arena *a, Arena *packed, Str path, const DataOpen *how, Str *out, HostError *err) {
  FileError fe;
  Str bytes;
  bool named = str_ends(path, STR(".gz"));
  if (!file_read(named ? packed : a, path, how->max_bytes, &bytes, &fe))
    return host_fail_file(err, &fe, "data_bytes");
  if (named || str_starts(bytes, STR("\x1f\x8b")))
    return data_gunzip(a, path, bytes, how->max_bytes, out, err);
  *out = bytes;
  return true;
}

static bool open_with(Arena *a, Arena *packed, Str path, const DataOpen *how, DataSource *out,
                      HostError *err) {
  Str bytes;
  if (!unpacked(a, packed, path, how, &bytes, err)) return false;
  *out = (DataSource){.name = str_copy(a, path), .allow_non_finite = how->allow_non_finite};
  DataFormat format = how->format == DATA_BY_NAME ? format_of(path, bytes) : how->format;
  if (how->columns && format != DATA_CSV)
    return host_fail(err, ST_USAGE, "%s: columns can be chosen of csv files alone", host_show(path).z);
  switch (format) {
  case DATA_IDX: return read_idx(out->name, bytes, out, err);
  case DATA_NPY: return read_npy(out->name, bytes, out, err);
  case DATA_CSV: return read_csv(a, out->name, bytes, how, out, err);
  case DATA_BY_NAME: break;
  }
  return host_fail(
      err, ST_BAD_DATA,
      "%s: neither its name (.npy, .idx, -ubyte, .csv, .tsv, .txt) nor its content says what format it has",
      host_show(path).z);
}

bool data_open(Arena *a, Str path, const DataOpen *how, DataSource *out, HostError *err) {
  Arena packed; /* the packed file goes away again */
  Rescue r;
  arena_init(&packed, a->mem);
  if (RESCUE(a->mem, &r)) {
    bool ok = open_with(a, &packed, path, how, out, err);
    rescue_end(a->mem, &r);
    arena_release(&packed);
    return ok;
  }
  arena_release(&packed);
  mem_raise(a->mem, r.status, "%s", r.what);
}

/* "[28, 28]" */
static HostShown shape_text(const int64_t *dim, uint32_t rank) {
  char z[200];
  size_t n = 0;
  for (uint32_t i = 0; i < rank && n < sizeof z - 24; i++)
    n += (size_t)snprintf(z + n, sizeof z - n, i ? ", %lld" : "%lld", (long long)dim[i]);
  HostShown s;
  snprintf(s.z, sizeof s.z, "[%.*s]", (int)n, z);
  return s;
}

bool data_fits(const DataSource *s, Str input, const int64_t *dim, uint32_t rank, HostError *err) {
  size_t want;
  HostShown file = host_show(s->name), in = host_show(input);
  if (!size_product(dim, rank, &want)) return host_fail(err, ST_LIMIT, "input '%s': sizes overflow", in.z);
  if (want == (size_t)s->row_elements) return true;
  return host_fail(err, ST_BAD_DATA, "%s: rows of %zu numbers %s expected by input '%s', found %lld %s",
                   file.z, want, shape_text(dim, rank).z, in.z, (long long)s->row_elements,
                   shape_text(s->dim + 1, s->rank - 1).z);
}

bool data_same_rows(const DataSource *const *s, size_t n, HostError *err) {
  for (size_t i = 1; i < n; i++)
    if (s[i]->dim[0] != s[0]->dim[0])
      return host_fail(err, ST_BAD_DATA, "%s has %lld rows, but %s has %lld", host_show(s[0]->name).z,
                       (long long)s[0]->dim[0], host_show(s[i]->name).z, (long long)s[i]->dim[0]);
  return true;
}

bool data_order_init(Arena *a, DataOrder *o, int64_t rows, int64_t batch, DataLast last, bool shuffle,
                     uint32_t seed, HostError *err) {
  if (rows < 1) return host_fail(err, ST_BAD_DATA, "at least one row expected, found none");
  if (batch < 1)
    return host_fail(err, ST_USAGE, "a batch of at least 1 row expected, found %lld", (long long)batch);
  if (last == LAST_DROP && rows < batch)
    return host_fail(err, ST_BAD_DATA,
                     "%lld rows do not fill one batch of %lld, and the last partial batch is dropped",
                     (long long)rows, (long long)batch);
  *o = (DataOrder){.rows = rows, .batch = batch, .shuffle = shuffle, .seed = seed};
  o->batches = rows / batch + (last == LAST_KEEP && rows % batch != 0);
  o->row = ARENA_ARRAY(a, int64_t, (size_t)rows);
  for (int64_t i = 0; i < rows; i++) o->row[i] = i;
  return true;
}

/* Fisher and Yates (Durstenfeld's form), always from the order of the file: an epoch does not depend on those
 * before it. More than 2^32 rows reuse random words 2^32 steps apart. */
void data_order_epoch(DataOrder *o, uint32_t epoch) {
  if (!o->shuffle) return;
  RngKey key = rng_key(o->seed, RNG_SHUFFLING, 0, epoch);
  for (int64_t i = 0; i < o->rows; i++) o->row[i] = i;
  for (int64_t i = o->rows - 1; i > 0; i--) {
    int64_t j = (int64_t)rng_below(key, (uint32_t)i, (uint64_t)i + 1), t = o->row[i];
    o->row[i] = o->row[j];
    o->row[j] = t;
  }
}

const int64_t *data_order_batch(const DataOrder *o, int64_t i, int64_t *n) {
  int64_t from = i * o->batch; /* below rows, because i is below batches */
  *n = o->rows - from < o->batch ? o->rows - from : o->batch;
  return o->row + from;
}
