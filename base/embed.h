/* Files carried inside the program: the standard library, the pages of the diagnostics and the parts of the
 * page of functions. tools/embed writes the tables at build time, sorted by name; a table ends with an entry
 * without text pointer. */
#ifndef DG_BASE_EMBED_H
#define DG_BASE_EMBED_H

#include "base/str.h"

typedef struct EmbeddedFile {
  Str name; /* "nn.dg", "DG0304.md" */
  Str text;
} EmbeddedFile;

extern const EmbeddedFile embedded_std[];       /* std/ */
extern const EmbeddedFile embedded_pages[];     /* docs/errors/ */
extern const EmbeddedFile embedded_functions[]; /* docs/functions.md, each part by its heading: "softmax" */

/* The file of that name, or NULL. */
static inline const EmbeddedFile *embedded_find(const EmbeddedFile *table, Str name) {
  for (; table->text.p; table++)
    if (str_eq(table->name, name)) return table;
  return NULL;
}

#endif
