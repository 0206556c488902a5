/* The front end's face: source text -> Program (ir/graph/program.h), everything checked. Never looks at
 * gradients.
 */
#ifndef DG_FRONTEND_FRONTEND_H
#define DG_FRONTEND_FRONTEND_H

#include "frontend/syntax/parse.h"
#include "ir/graph/program.h"

typedef struct ElabDefine { /* -D name=value: a const of the main file, or a dim symbol */
  Str name, value;
} ElabDefine;

typedef struct ElabOptions {
  Str folder; /* of the main file: imports are looked up beneath it */
  VEC(ElabDefine) define;
  VEC(DimBinding) bound; /* out: dim symbols bound by a define */
} ElabOptions;

/* Parses file `file` (already in p->sources), elaborates it and everything it imports into p (program_init
 * done). *ast is set whenever there is a tree. False: errors were reported to d. Memory: p->arena. */
MUST_USE bool frontend_program(uint32_t file, ElabOptions *o, Diags *d, Program *p, AstFile **ast);

#endif
