/* Data sets: rows of numbers from a file, and the batches drawn from them. A file is read whole and checked
 * whole when it is opened: first its form, then, in the order of the file, its values (data_check). */
#ifndef DG_RUNTIME_HOST_DATA_H
#define DG_RUNTIME_HOST_DATA_H

#include "runtime/core/model.h"
#include "runtime/host/error.h"

enum { DATA_MAX_RANK = 8 };

/* Element types of files, with their bytes there. In memory of compiled programs a bool is a 32-bit word 0 or
 * 1, the others are as in files; I8 exists in files only. */
#define DATA_TYPES(X)                                                                                        \
  X(U8, "u8", 1)                                                                                             \
  X(I8, "i8", 1)                                                                                             \
  X(BOOL, "bool", 1)                                                                                         \
  X(BF16, "bf16", 2)                                                                                         \
  X(I32, "i32", 4)                                                                                           \
  X(I64, "i64", 8)                                                                                           \
  X(F32, "f32", 4)                                                                                           \
  X(F64, "f64", 8)

typedef enum {
#define X(id, name, bytes) DATA_##id,
  DATA_TYPES(X)
#undef X
      DATA_TYPE_COUNT
} DataType;

const char *data_type_name(DataType t);
size_t data_type_bytes(DataType t);   /* in a file */
size_t data_memory_bytes(DataType t); /* in memory of a compiled program; 0 for I8 */

typedef enum {
  DATA_BY_NAME,
#define READER(id, name, endings, magic, part, counts, header) DATA_##id,
#include "base/readers.def"
#undef READER
} DataFormat;
/* The format of base/readers.def with that name; DATA_BY_NAME: there is none. */
DataFormat data_format_named(Str name);

typedef enum { CSV_HEADER_AUTO, CSV_HEADER_YES, CSV_HEADER_NO } CsvHeader;

/* Limits by the names they have in base/limits.h. */
typedef struct DataLimits {
  int64_t data_bytes;   /* of the file, and of what it unpacks to */
  int64_t unpack_ratio; /* bytes unpacked for a packed byte, beyond the first DATA_UNPACK_FREE */
  int64_t line_bytes;   /* of a record of a CSV file */
} DataLimits;
enum { DATA_UNPACK_FREE = 64 << 20 };

/* What the data are for: a file that cannot fit is refused by its header, before it is read. */
typedef struct DataWant {
  Str input;
  bool whole;         /* the whole file is one value; else a row is */
  uint32_t rank;      /* axes of that value */
  const int64_t *dim; /* -1: not known */
} DataWant;

typedef struct DataOpen {
  DataFormat format; /* by name: as the endings of base/readers.def say, else by content */
  DataLimits limit;
  const DataWant *want;  /* may be NULL */
  bool allow_non_finite; /* NaN and infinities in float data; empty CSV fields are NaN then */
  const Str *part; /* CSV: names, indices "3", or ranges "0:4" (end left out), in the order wanted; none:
                      all columns. safetensors: the tensor's name; none: the only one. tokens: how
                      many a row has; none: as many as the input */
  size_t parts;
  /* CSV only. */
  DataType type;    /* what numbers are read as: F32, F64, I32, I64 */
  CsvHeader header; /* AUTO: the first record is one if a part is named by it, or if it has names and no field
                       of it is a number */
  char delimiter;   /* 0: of comma, semicolon and tab the one the first record has most of */
} DataOpen;

typedef struct DataSource {
  Str name; /* the path, for messages */
  DataType type;
  uint32_t rank;              /* at least 1 */
  int64_t dim[DATA_MAX_RANK]; /* dim[0] is the number of rows, at least 1 */
  int64_t row_elements;
  size_t row_bytes;
  const char *rows; /* of any alignment */
  bool allow_non_finite;
  /* CSV only: where a value stands in the file. */
  int64_t line;           /* of the first row, from 1, when every row has one line of its own; else 0 */
  const uint32_t *column; /* by element of a row, from 0 */
  const Str *column_name; /* by element; NULL: the file has no header */
} DataSource;

/* Memory of the source comes from `a` and lives as long. */
MUST_USE bool data_open(Arena *a, Str path, const DataOpen *how, DataSource *out, HostError *err);
/* Unpacks a .gz held in memory, members one after the other; `name` is for messages. */
MUST_USE bool data_gunzip(Arena *a, Str name, Str packed, int64_t max_bytes, Str *out, HostError *err);

/* Do rows of the source fit an input with these extents behind the row axis? Any shape of the same number of
 * elements does: rows are row-major on both sides. */
MUST_USE bool data_fits(const DataSource *s, Str input, const int64_t *dim, uint32_t rank, HostError *err);
/* Does the whole file fit an input with these extents? */
MUST_USE bool data_fits_whole(const DataSource *s, Str input, const int64_t *dim, uint32_t rank,
                              HostError *err);
/* Have all sources the same number of rows? */
MUST_USE bool data_same_rows(const DataSource *const *s, size_t n, HostError *err);

/* The values an input takes, as declared (`in 0:10`, `in [0, 1]`) or as its use demands (class labels). */
typedef struct DataRange {
  enum { RANGE_NONE, RANGE_INT, RANGE_CLOSED } kind;
  const char *of;  /* RANGE_INT: not declared; what it follows from, "the classes of cross_entropy" */
  int64_t lo, hi;  /* RANGE_INT: hi left out */
  double from, to; /* RANGE_CLOSED */
} DataRange;

/* A range, and n values of a type, as model_within takes them. */
ModelInput data_bounds(DataRange r, DataType t, uint64_t n);
/* Are n values in memory of a compiled program within the range? NaN is in none. */
bool data_in_range(const void *p, DataType t, int64_t n, DataRange r);
HostShown data_range_text(DataRange r);
/* The same, with a message that names the input, the first element outside, and its value. */
MUST_USE bool data_values_check(Str input, const void *p, DataType t, int64_t n, DataRange r, HostError *err);

/* Copies the given rows, converted, to dst (n * row_elements elements of dst_type as in compiled programs).
 * Conversions are exact or refused, except f64 to f32 and both to bf16, which round to nearest. Subnormals
 * become zeros of their sign. False: a value that does not fit, is not finite, or lies outside `range`; the
 * message has its row (from 0). */
MUST_USE bool data_rows_gather(const DataSource *s, const int64_t *rows, int64_t n, void *dst,
                               DataType dst_type, DataRange range, HostError *err);

/* The same for every row, in the order of the file, without keeping the result. Costs nothing where no value
 * of the source's type can be refused. */
MUST_USE bool data_check(Arena *scratch, const DataSource *s, DataType dst_type, DataRange range,
                         HostError *err);

/* The order of rows in an epoch, cut into batches. A function of (seed, epoch) alone: a resumed run goes on
 * as it was. */
typedef enum { LAST_DROP, LAST_KEEP } DataLast;
typedef struct DataOrder {
  int64_t rows, batch, batches;
  bool shuffle;
  uint32_t seed;
  int64_t *row; /* `rows` entries */
} DataOrder;

/* Refused: no rows, a batch below 1, a batch above the number of rows with LAST_DROP (no batch would come
 * out). */
MUST_USE bool data_order_init(Arena *a, DataOrder *o, int64_t rows, int64_t batch, DataLast last,
                              bool shuffle, uint32_t seed, HostError *err);
void data_order_epoch(DataOrder *o, uint32_t epoch);
/* Rows of batch i (below o->batches); *n is o->batch, or less for the last one kept. */
const int64_t *data_order_batch(const DataOrder *o, int64_t i, int64_t *n);

#endif
