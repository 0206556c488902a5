/* The safetensors format at the level of bytes: an 8-byte little-endian length, a JSON header of that length,
 * then tensor data. Reading trusts nothing: every length and offset is checked against the bytes at hand, the
 * tensors must tile the data part exactly (no overlap, no hole, nothing behind), names are unique, offsets
 * fit the element size. Only libc is used. */
#ifndef DG_RUNTIME_CORE_SAFETENSORS_H
#define DG_RUNTIME_CORE_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAFE_MAX_HEADER 100000000u /* bytes, as in the reference implementation */
#define SAFE_MAX_RANK 8

/* name in the header, bytes of an element in the file. All the format's types are read; which of them are of
 * use is the caller's affair. */
#define SAFE_DTYPES(X)                                                                                       \
  X(BOOL, "BOOL", 1)                                                                                         \
  X(U8, "U8", 1)                                                                                             \
  X(I8, "I8", 1)                                                                                             \
  X(F8_E5M2, "F8_E5M2", 1)                                                                                   \
  X(F8_E4M3, "F8_E4M3", 1)                                                                                   \
  X(I16, "I16", 2)                                                                                           \
  X(U16, "U16", 2)                                                                                           \
  X(F16, "F16", 2)                                                                                           \
  X(BF16, "BF16", 2)                                                                                         \
  X(I32, "I32", 4)                                                                                           \
  X(U32, "U32", 4)                                                                                           \
  X(F32, "F32", 4)                                                                                           \
  X(F64, "F64", 8)                                                                                           \
  X(I64, "I64", 8)                                                                                           \
  X(U64, "U64", 8)

typedef enum {
#define X(id, name, bytes) SAFE_##id,
  SAFE_DTYPES(X)
#undef X
      SAFE_DTYPE_COUNT
} SafeDtype;

const char *safe_dtype_name(SafeDtype t);
uint32_t safe_dtype_bytes(SafeDtype t);

typedef struct SafeText {
  const char *p;
  size_t n;
} SafeText;

typedef struct SafeTensor {
  SafeText name;
  SafeDtype dtype;
  uint32_t rank;
  uint64_t dim[SAFE_MAX_RANK];
  uint64_t lo, hi; /* bytes of the data part, hi excluded */
  size_t tag;      /* the caller's own; moves along when tensors are put in order */
} SafeTensor;

typedef struct SafeMeta {
  SafeText key, value;
} SafeMeta;

typedef struct SafeFile {
  SafeTensor *tensor; /* by ascending place in the file */
  size_t tensors;
  SafeMeta *meta; /* as written */
  size_t metas;
  const unsigned char *data;
  uint64_t data_bytes;
} SafeFile;

typedef enum {
  SAFE_OK,
  SAFE_BAD,       /* not a valid file; what[] says why */
  SAFE_NO_MEMORY, /* `get` returned NULL */
} SafeResult;

typedef struct SafeError {
  uint64_t at;    /* byte of the file */
  char what[160]; /* one line; quoted text of the file is cut and escaped */
} SafeError;

/* Where the tables of a SafeFile come from. May return NULL, may leave by longjmp. Memory is 16-byte aligned.
 */
typedef struct SafeMemory {
  void *(*get)(void *context, size_t n);
  void *context;
} SafeMemory;

/* Parses a whole file. Texts point into `bytes`, or, when they hold escapes, into memory from `memory`. */
SafeResult safe_parse(const void *bytes, size_t n, SafeMemory memory, SafeFile *out, SafeError *err)
    __attribute__((warn_unused_result));
bool safe_text_eq(SafeText a, SafeText b);
/* Is no element of an I32 or I64 below 0? p: its bytes. */
bool safe_counts(const SafeTensor *t, const unsigned char *p);

/* Puts tensors in canonical order (element size descending, then name bytewise) and gives them contiguous
 * offsets. False: the sizes overflow, a rank is above SAFE_MAX_RANK, or two names are equal. */
bool safe_layout(SafeTensor *t, size_t n) __attribute__((warn_unused_result));
/* Length field and header for tensors laid out, followed by spaces up to a multiple of 8, given to `put`
 * piece by piece. Metadata is written in the given order; texts must be valid UTF-8. */
typedef struct SafeSink {
  void (*put)(void *context, const char *p, size_t n);
  void *context;
} SafeSink;
/* False: above SAFE_MAX_HEADER (nothing was put). */
bool safe_write_header(const SafeTensor *t, size_t n, const SafeMeta *meta, size_t nmeta, SafeSink sink)
    __attribute__((warn_unused_result));

#endif
