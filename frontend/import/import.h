/* Models of other frameworks: a file `.dgg` (docs/import.md) -> Program, and what the framework itself saw
 * against what the diagnosis says. */
#ifndef DG_FRONTEND_IMPORT_H
#define DG_FRONTEND_IMPORT_H

#include "ir/graph/program.h"

typedef enum { SEEN_NONE, SEEN_ZERO, SEEN_NOISE, SEEN_LIVE, SEEN_NONFINITE, SEEN_COUNT } Seen;

enum { IMPORT_ROUNDS = 16 };

/* The framework's own gradients of a parameter: one class a recorded round. */
typedef struct Witness {
  LeafId param;
  Span set;  /* where the program gave it its initial value; file 0: not seen */
  Span note; /* file 0: none */
  Str note_text;
  uint8_t rounds;
  uint8_t seen[IMPORT_ROUNDS]; /* Seen */
} Witness;

/* Whose words messages use. */
typedef enum { FRAMEWORK_TORCH, FRAMEWORK_JAX, FRAMEWORK_TENSORFLOW, FRAMEWORKS } Framework;

typedef struct Import {
  Framework framework;
  VEC(Witness) witness;
} Import;

/* Is it the text of such a file? */
bool import_is(Str text);
/* Reads file `file` (in p->sources) into p (program_init done). Source files that it names are read beneath
 * `folder` or as they stand, where they are Python files; others are quoted as blank lines. False: an error
 * was reported to d. Memory: p->arena. */
MUST_USE bool import_program(uint32_t file, Str folder, Diags *d, Program *p, Import *out);
/* Holds what `diagnose` reported against the witnesses: a dead verdict that one contradicts becomes an import
 * fault; what was seen and is not proved is added; ways out are said in Python's words, without edits. */
void import_judge(const Import *m, const Program *p, Diags *d);

#endif
