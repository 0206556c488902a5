/* Inside runtime/host: CSV (RFC 4180): records of fields between delimiters, quoted fields with "" for a
 * quote and line ends inside. Every record has as many fields as the first. Messages have line and column as
 * an editor counts them: both from 1. */
#ifndef DG_RUNTIME_HOST_CSV_H
#define DG_RUNTIME_HOST_CSV_H

#include "runtime/host/readers.h"

typedef VEC(uint32_t) CsvColumns;
typedef struct Csv {
  Str name;
  const char *at, *end;
  bool cut;    /* more text follows behind `end` */
  bool out_of; /* and it is needed */
  char delimiter;
  int64_t line; /* of `at`, from 1 */
  HostError *err;
  Arena *scratch;
  const DataOpen *how;
  VEC(Str) head;    /* names of columns; empty without a header */
  uint32_t columns; /* of each record */
  CsvColumns wanted;
} Csv;

/* At the beginning of the text: behind a byte order mark, with its delimiter. c->cut is set before. False: it
 * is empty, or no UTF-8. */
MUST_USE bool csv_begin(Csv *c, Str name, Str text, const DataOpen *how, Arena *scratch, HostError *err);
/* One field, without its quotes, and whether it is the last of its record. The position moves behind what
 * ends the field. */
MUST_USE bool csv_field(Csv *c, Str *out, bool *last);
/* The next record into `f` (c->columns entries), and the line it begins in. */
MUST_USE bool csv_record(Csv *c, Str *f, int64_t *line);
bool csv_at_end(const Csv *c); /* nothing but line ends from here on */
/* Refuses a record that began at `from` and is longer than the limit. */
MUST_USE bool csv_length_fits(Csv *c, const char *from, int64_t line);
Str csv_trim(Str s);

/* [+-] digits [. digits] [e [+-] digits], a digit before or after the point. `whole`: sign and digits only.
 */
bool csv_is_number(Str s, bool whole);
/* NaN and infinities as the common writers spell them. */
bool csv_is_non_finite(Str s, double *out);
/* Can this only be a value, good or bad: a number, or what C, NumPy or pandas read as one? */
bool csv_is_numeric(Str s);
/* Is it a word that can name a column? */
bool csv_is_name(Str s);

/* Reads the first record: number of columns, and their names if it is a header (the position is then behind
 * it); then which columns are wanted. */
MUST_USE bool csv_columns(Csv *c);

#endif
