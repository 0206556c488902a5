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
  case DATA_I8: return 0;
  case DATA_BOOL: return 4;
  case DATA_U8:
  case DATA_BF16:
  case DATA_I32:
  case DATA_I64:
  case DATA_F32:
  case DATA_F64:
  case DATA_TYPE_COUNT: break;
  }
  return data_type_bytes(t);
}

bool source_sizes(DataSource *s, HostError *err) {
  size_t elements, bytes, all;
  HostShown file = host_show(s->name);
  if (s->dim[0] == 0) return true; /* source_finish refuses it when the file has been looked at whole */
  if (!size_product(s->dim + 1, s->rank - 1, &elements) ||
      !size_mul(elements, data_type_bytes(s->type), &bytes) || !size_mul(bytes, (size_t)s->dim[0], &all) ||
      elements > INT64_MAX)
    return host_fail(err, ST_LIMIT, "%s: sizes overflow", file.z);
  s->row_elements = (int64_t)elements;
  s->row_bytes = bytes;
  return true;
}

bool source_finish(DataSource *s, HostError *err) {
  if (s->dim[0] == 0)
    return host_fail(err, ST_BAD_DATA, "%s: at least one row expected, found none", host_show(s->name).z);
  return source_sizes(s, err);
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

bool data_fits_whole(const DataSource *s, Str input, const int64_t *dim, uint32_t rank, HostError *err) {
  size_t want, have;
  HostShown file = host_show(s->name), in = host_show(input);
  if (!size_product(dim, rank, &want) || !size_mul((size_t)s->dim[0], (size_t)s->row_elements, &have))
    return host_fail(err, ST_LIMIT, "input '%s': sizes overflow", in.z);
  if (want == have) return true;
  return host_fail(err, ST_BAD_DATA,
                   "%s: %zu numbers %s expected by input '%s', which is read whole, found %zu %s", file.z,
                   want, shape_text(dim, rank).z, in.z, have, shape_text(s->dim, s->rank).z);
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
