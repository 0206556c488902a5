/* Weights and states in a safetensors file. Saving replaces the file in one step, so that a crash leaves the
 * old one or the new one. Loading checks everything before it writes the first number. Each file of ours
 * holds a checksum over all of it, so that a flipped bit anywhere is found; files of others (no "dgc.*"
 * metadata) are read without one. */
#ifndef DG_RUNTIME_HOST_CHECKPOINT_H
#define DG_RUNTIME_HOST_CHECKPOINT_H

#include "runtime/core/checkpoint_meta.h"
#include "runtime/core/safetensors.h"
#include "runtime/host/data.h"

typedef struct CkTensor {
  Str name;      /* as in checkpoints: net.w, fit.m.net.w */
  DataType type; /* a type of compiled programs */
  uint32_t rank;
  int64_t dim[DATA_MAX_RANK];
  void *data; /* as in compiled programs: a bool is a 32-bit word (a byte in the file) */
} CkTensor;

/* Names, types and shapes: CkMeta.program. */
uint64_t checkpoint_program(const CkTensor *t, size_t n);

/* Removes temporaries left by killed processes, then saves. ST_NON_FINITE: a tensor holds NaN or an infinity
 * and they are not allowed; a good checkpoint is not replaced by a broken one. */
MUST_USE bool checkpoint_save(Arena *scratch, Str path, const CkTensor *t, size_t n, const CkMeta *meta,
                              bool allow_non_finite, HostError *err);

/* Reads and parses a file; one of ours is whole. What it points at lives in `scratch`. */
MUST_USE bool checkpoint_open(Arena *scratch, Str path, int64_t max_bytes, SafeFile *out, CkMeta *meta,
                              HostError *err);

typedef struct CkLoad {
  int64_t max_bytes; /* limit data_bytes */
  bool allow_non_finite;
  bool allow_extra; /* tensors of the file that are not asked for: eval and predict need no optimizer state */
  bool *may_lack;   /* by tensor: the file may lack it, and nothing is written then; NULL: it has all */
  bool *lacks;      /* by tensor: set where it does */
  const bool *counts;   /* by tensor: it counts, and is not below 0; NULL: none does */
  const int64_t *group; /* by tensor: an i32, the batches that are in of a group of so many; 0: it is none */
} CkLoad;
/* Fills the tensors' data. ST_BAD_DATA: the file is damaged or holds non-finite values. ST_MISMATCH: it is
 * whole, but names, types or shapes differ, or a group has fewer batches than are in; the message lists
 * which. Nothing is written then. Subnormals become zeros. */
MUST_USE bool checkpoint_load(Arena *scratch, Str path, const CkTensor *t, size_t n, CkLoad how, CkMeta *meta,
                              HostError *err);

#endif
