/* Files carried inside the program: the standard library and the pages of the diagnostics. tools/embed writes
 * the tables at build time, sorted by name; a table ends with an entry without text pointer. */
#ifndef DG_BASE_EMBED_H
#define DG_BASE_EMBED_H

#include "base/str.h"

typedef struct EmbeddedFile {
  Str name; /* "nn.dg", "DG0304.md" */
  Str text;
} EmbeddedFile;

extern const EmbeddedFile embedded_std[];   /* std/ */
extern const EmbeddedFile embedded_pages[]; /* docs/errors/ */

/* The file of that name, or NULL. */
static inline const EmbeddedFile *embedded_find(const EmbeddedFile *table, Str name) {
  for (; table->text.p; table++)
    if (str_eq(table->name, name)) return table;
  return NULL;
}

#endif
