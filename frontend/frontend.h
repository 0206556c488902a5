/* The front end's face: source text -> Program (ir/graph/program.h), everything checked. Never looks at
 * gradients.
 */
#ifndef DG_FRONTEND_FRONTEND_H
#define DG_FRONTEND_FRONTEND_H

#include "base/hash.h"
#include "frontend/syntax/parse.h"
#include "ir/graph/program.h"

typedef struct ElabDefine { /* -D name=value: a const of the main file, or a dim symbol */
  Str name, value;
} ElabDefine;

/* Where a name stands, and where what it stands for was declared: for editors. */
typedef struct NameUse {
  Span at, declared; /* declared.file 0: built in */
  Str what;          /* its value where it was first met: "f32[N, 3]", "the function 'f'" */
} NameUse;
typedef struct NameUses {
  VEC(NameUse) all; /* once the program is elaborated: by place */
  Map seen;
} NameUses;

typedef struct ElabOptions {
  NameUses *uses; /* out, of the files that are not the library's; NULL: nobody asks */
  Str folder;     /* of the main file: imports are looked up beneath it */
  VEC(ElabDefine) define;
  VEC(DimBinding) bound; /* out: dim symbols bound by a define */
} ElabOptions;

/* Parses file `file` (already in p->sources), elaborates it and everything it imports into p (program_init
 * done). *ast is set whenever there is a tree. False: errors were reported to d. Memory: p->arena. */
MUST_USE bool frontend_program(uint32_t file, ElabOptions *o, Diags *d, Program *p, AstFile **ast);

#endif
