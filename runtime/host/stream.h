/* A data file from its beginning, packed or not: a few bytes are looked at first, and only a file that can be
 * meant is read and unpacked. */
#ifndef DG_RUNTIME_HOST_STREAM_H
#define DG_RUNTIME_HOST_STREAM_H

#include "runtime/host/readers.h"

typedef struct DataStream {
  Str name;
  Arena *scratch; /* looked-at bytes and packed ones: they go when the file has been read */
  const DataLimits *limit;
  HostError *err;
  FileIn file;
  bool packed;
  Str bytes; /* packed: all of the file; else as much of it as has been looked at */
} DataStream;

/* s->name, scratch, limit and err are set. */
MUST_USE bool stream_open(DataStream *s);
/* The first n bytes, or all of fewer; *cut: more follow. */
MUST_USE bool stream_head(DataStream *s, size_t n, Str *out, bool *cut);
/* All bytes, in memory of `a`: as many as the head says, or as many as the limits allow. */
MUST_USE bool stream_exactly(DataStream *s, Arena *a, FileHead h, Str *out);
MUST_USE bool stream_all(DataStream *s, Arena *a, Str *out);
void stream_close(DataStream *s);

#endif
