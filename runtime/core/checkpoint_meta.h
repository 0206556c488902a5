/* What a checkpoint of dgc says of itself, as metadata of a safetensors file: a checksum over the whole file,
 * the program it belongs to, how far it was trained, the seed. Sessions and built models write and read the
 * same. */
#ifndef DG_RUNTIME_CORE_CHECKPOINT_META_H
#define DG_RUNTIME_CORE_CHECKPOINT_META_H

#include "runtime/core/safetensors.h"
#include "runtime/core/sum.h"

typedef struct CkMeta {
  uint64_t program;    /* hash of names, types and shapes */
  int64_t step, epoch; /* done */
  uint32_t seed;
  bool ours; /* read: has our metadata and a right checksum; else the fields above are 0 */
} CkMeta;

enum { CK_META_ROWS = 6 };
typedef struct CkMetaText {
  SafeMeta row[CK_META_ROWS]; /* for safe_write_header; they point into what follows */
  char sum[SUM_DIGITS + 1], program[17], step[21], epoch[21], seed[11];
} CkMetaText;
/* sum: of the file with 0 for it, which is how it is found. */
void ck_meta_write(const CkMeta *m, uint64_t sum, CkMetaText *out);

typedef enum {
  CK_META_OK,         /* whole, or a file of somebody else */
  CK_META_INCOMPLETE, /* a row is missing, or no number */
  CK_META_SUM,        /* the checksum differs: *fault */
  CK_META_FORMAT,     /* written by a newer dgc: *fault */
} CkMetaResult;
typedef struct CkMetaFault {
  uint64_t sum;   /* that the file should have */
  SafeText found; /* instead */
} CkMetaFault;
/* bytes: the whole file, whose texts `f` points to. */
CkMetaResult ck_meta_read(const SafeFile *f, const void *bytes, size_t n, CkMeta *out, CkMetaFault *fault)
    __attribute__((warn_unused_result));

#endif
