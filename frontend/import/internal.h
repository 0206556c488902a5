/* Between the files of this folder. */
#ifndef DG_IMPORT_INTERNAL_H
#define DG_IMPORT_INTERNAL_H

#include "frontend/import/import.h"
#include "ir/graph/lines.h"

typedef struct PlaceLine { /* `place`: lines from 1, columns in bytes from 0 */
  uint32_t file, caller;
  uint32_t line, col, end_line, end_col;
  Sym what;
  Span at; /* once the sources are there */
} PlaceLine;

typedef struct FileLine {
  Str name;
  uint32_t source; /* index into Sources */
} FileLine;

typedef struct Reader {
  GraphLines r;
  Import *out;
  Str folder;
  VEC(FileLine) file;      /* [0] unused */
  VEC(PlaceLine) place;    /* [0] unused */
  VEC(LocationId) located; /* by place: in the graph that is read; 0: not yet */
  bool sources;            /* have been read */
  uint32_t step;           /* of the graph that is read, index into Program.train; UINT32_MAX: none */
  bool entered;            /* the graph that is read is an entry point */
  uint32_t custom;         /* number of the last unknown operation */
  Graph *first;            /* initial values, or NULL */
  uint64_t nodes, graphs;  /* counted, for `end` */
  bool ended;
  Map witness, started; /* by leaf */
} Reader;

/* source.c: the files that places lie in. */
MUST_USE bool import_sources(Reader *x);
/* unknown.c: operations the table does not have. */
MUST_USE bool import_unknown(Reader *x, bool derivative);
/* step.c: entry points, optimizers, witnesses. */
MUST_USE bool import_step(Reader *x);
MUST_USE bool import_group(Reader *x);
MUST_USE bool import_own(Reader *x);
MUST_USE bool import_after(Reader *x);
MUST_USE bool import_start(Reader *x);
MUST_USE bool import_set(Reader *x);
MUST_USE bool import_note(Reader *x);
MUST_USE bool import_seen(Reader *x);
/* stretch.c: columns against rows. */
void import_stretches(const Program *p, Diags *d);
/* words.c: a message of the diagnosis in the framework's words, without edits. */
void import_words(Diag *g, Framework f);
/* read.c: ` @I` behind a line; 0 where there is none. */
MUST_USE bool import_place(Reader *x, uint32_t *place);
Span import_span(const Reader *x, uint32_t place);
LocationId import_location(Reader *x, uint32_t place);
/* `NAME=` and what follows. */
MUST_USE bool import_field(Reader *x, const char *name);

#endif
