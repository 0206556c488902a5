/* Inside runtime/host: the readers behind data_open. Binary formats say in their head what follows, so that a
 * file which cannot be meant is refused before it is read or unpacked. */
#ifndef DG_RUNTIME_HOST_READERS_H
#define DG_RUNTIME_HOST_READERS_H

#include "runtime/core/safetensors.h"
#include "runtime/host/data.h"

/* What the head of a file says. */
typedef struct FileHead {
  size_t data; /* bytes in front of the rows */
  size_t all;  /* bytes of the whole file */
} FileHead;

/* No head is longer than that; a longer one is refused. */
enum { HEAD_BYTES = 1 << 16 };

/* `head`: the first HEAD_BYTES of the file, or all of a shorter one. Fill type and shape. */
MUST_USE bool idx_head(Str name, Str head, DataSource *out, FileHead *h, HostError *err);
MUST_USE bool npy_head(Str name, Str head, DataSource *out, FileHead *h, HostError *err);
/* Takes the rows of a file with that head; `bytes` is all of it. */
MUST_USE bool rows_behind(Str bytes, FileHead h, DataSource *out, HostError *err);
/* Says that a file of `found` bytes is not as long as its head says. */
bool fail_length(Str name, FileHead h, size_t found, HostError *err);

/* Looks at the first bytes of a CSV file; `cut`: more follow. *enough: its first record is among them. One
 * that is too long, or has fewer or more fields than the input takes, is refused. */
MUST_USE bool csv_head(Str name, Str head, bool cut, const DataOpen *how, bool *enough, HostError *err);
/* `text` may go when it is read; `scratch` too. */
MUST_USE bool read_csv(Arena *a, Arena *scratch, Str text, const DataOpen *how, DataSource *out,
                       HostError *err);
/* A safetensors file begins with the length of its header: enough to tell another kind of file. */
enum { SAFETENSORS_LENGTH = 16 };
/* The type that elements of a file are read as; false: none. */
MUST_USE bool safetensors_type(SafeDtype t, DataType *out);
MUST_USE bool safetensors_head(Str name, Str head, HostError *err);
MUST_USE bool read_safetensors(Arena *a, Arena *scratch, Str bytes, const DataOpen *how, DataSource *out,
                               HostError *err);

/* `bytes` may go when it is read. */
MUST_USE bool read_tokens(Arena *a, Str bytes, const DataOpen *how, DataSource *out, HostError *err);

/* The most bytes that a .gz of `packed` bytes may unpack to; and saying that it unpacks to more. */
uint64_t unpack_most(size_t packed, const DataLimits *l);
bool fail_unpacked(Str name, size_t packed, const DataLimits *l, HostError *err);
/* The first n bytes of what a .gz unpacks to, or all of less; all of it; all of it when it is `h.all` bytes,
 * else it is refused without unpacking more. */
MUST_USE bool gunzip_head(Arena *a, Str name, Str packed, size_t n, Str *out, HostError *err);
MUST_USE bool gunzip_all(Arena *a, Str name, Str packed, const DataLimits *l, Str *out, HostError *err);
MUST_USE bool gunzip_exactly(Arena *a, Str name, Str packed, FileHead h, Str *out, HostError *err);

/* Computes row_elements and row_bytes; false when they overflow. */
MUST_USE bool source_sizes(DataSource *s, HostError *err);
/* The same, and there is a row. */
MUST_USE bool source_finish(DataSource *s, HostError *err);
#endif
