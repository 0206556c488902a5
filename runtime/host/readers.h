/* Inside runtime/host: the readers behind data_open. Each checks `bytes` completely and fills type, shape and
 * rows. */
#ifndef DG_RUNTIME_HOST_READERS_H
#define DG_RUNTIME_HOST_READERS_H

#include "runtime/host/data.h"

MUST_USE bool read_idx(Str name, Str bytes, DataSource *out, HostError *err);
MUST_USE bool read_npy(Str name, Str bytes, DataSource *out, HostError *err);
MUST_USE bool read_csv(Arena *a, Str name, Str text, const DataOpen *how, DataSource *out, HostError *err);

/* Computes row_elements and row_bytes; false when they overflow or there are no rows. */
MUST_USE bool source_finish(DataSource *s, HostError *err);

#endif
