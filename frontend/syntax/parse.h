/* The public face of the reader: text -> tokens -> tree, and text -> formatted text. Re-entrant; no state
 * outside the arguments. Nothing here looks at what a name means. */
#ifndef DG_FRONTEND_PARSE_H
#define DG_FRONTEND_PARSE_H

#include "base/diag.h"
#include "frontend/syntax/ast.h"

/* Reads file `file` of `s` into a tree. False when an error was reported; *out is a usable tree all the same
 * (with error nodes), so that checking can go on. Names go into `n`, everything else into `a`. */
MUST_USE bool parse_file(uint32_t file, Sources *s, Names *n, Arena *a, Diags *d, const Limits *l,
                         AstFile **out);

/* `--emit=tokens`: what the grammar sees, one token a line: lo-hi, kind, text. Lexical errors go to d. */
bool tokens_print(uint32_t file, Sources *s, Names *n, Arena *a, Diags *d, const Limits *l, Sb *b);

/* Formats: spacing, indentation (2), line ends, at most one blank line; the author's line breaks and comments
 * stay. Appends to b and returns true, or returns false after reporting a syntax error (b is then untouched).
 * Idempotent, and the tree does not change. */
MUST_USE bool fmt_file(uint32_t file, Sources *s, Names *n, Arena *a, Diags *d, const Limits *l, Sb *b);

#endif
