/* Where parameters begin: tensors of a safetensors file, of this program or of others. */
#ifndef DG_RUNTIME_HOST_WEIGHTS_H
#define DG_RUNTIME_HOST_WEIGHTS_H

#include "runtime/host/checkpoint.h"

/* Fills the tensors' data. Names in the file are those of `t`, or all of them what stands behind `own` and a
 * point. Real numbers of another type are converted, to the nearest. *words: a line for each thing that needs
 * a word, without its line end: what was converted, what the file holds besides. ST_MISMATCH: something is
 * missing, or has another shape; the message lists what. ST_BAD_DATA: damaged, or not finite. Then some may
 * have been filled. */
typedef VEC(Str) Words;
MUST_USE bool weights_load(Arena *scratch, Str path, Str own, const CkTensor *t, size_t n, int64_t max_bytes,
                           Words *words, HostError *err);

#endif
