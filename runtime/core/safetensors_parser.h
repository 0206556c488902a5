/* What the parts of safetensors share. Reading is two layers: JSON's texts, numbers and punctuation, and
 * above them the schema. Private to safetensors*.c. */
#ifndef DG_RUNTIME_CORE_SAFETENSORS_PARSER_H
#define DG_RUNTIME_CORE_SAFETENSORS_PARSER_H

#include "runtime/core/safetensors.h"

#define SAFE_META_KEY "__metadata__"

typedef struct SafeParser {
  const unsigned char *file, *at, *end; /* at .. end: what is left of the header */
  SafeMemory memory;
  SafeError *err;
  SafeResult result;
  SafeFile *out; /* NULL while counting */
  size_t tensors, metas;
} SafeParser;

/* Text for a message: at most 40 bytes, all but printable ASCII as \xNN. */
typedef struct SafeShown {
  char z[4 * 40 + 4];
} SafeShown;

/* ---- safetensors_text.c ---- */
/* The first failure counts. Always false. */
bool safe_fail_at(SafeParser *p, const unsigned char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
SafeShown safe_show(SafeText t);
void safe_skip_space(SafeParser *p);
bool safe_expect(SafeParser *p, char c);
/* After an element of a list: ',' goes on, `close` ends. */
bool safe_more(SafeParser *p, char close, bool *go_on);
/* True if the next character is `close` (then taken): an empty list. */
bool safe_closes(SafeParser *p, char close);
/* Decimal digits without sign, leading zero, fraction or exponent. */
bool safe_parse_number(SafeParser *p, uint64_t *out);
/* A string. Without escapes the text is the file's own bytes; with escapes it is built in memory, which
 * counting does not need except to compare keys, so `build` says whether the text is wanted. */
bool safe_parse_text(SafeParser *p, bool build, SafeText *out);

/* ---- safetensors.c ---- */
int safe_text_cmp(SafeText a, SafeText b);      /* bytewise */
int safe_by_name(const void *a, const void *b); /* of SafeTensor, for qsort */
/* Bytes of a tensor by type and shape. */
bool safe_tensor_bytes(const SafeTensor *t, uint64_t *out);

#endif
