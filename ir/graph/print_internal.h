/* Shared between ir/graph/print.c and ir/graph/parse.c only. */
#ifndef DG_IR_PRINT_INTERNAL_H
#define DG_IR_PRINT_INTERNAL_H

#include "ir/graph/program.h"

extern const char *const root_word[5]; /* by RootKind */
extern const char *const leaf_word[7]; /* by LeafKind */
/* Walks OpInfo.attrs: name and kind letter; false at its end. */
MUST_USE bool attr_next(const char **p, Str *name, char *kind);

#endif
