/* What an entry point becomes under one choice of dims: a graph, and native code or none. It does not change
 * once it is made, is counted, and belongs to the program: sessions of one program share it, in any threads.
 */
#ifndef DG_API_CODE_H
#define DG_API_CODE_H

#include "api/api.h"
#include "api/exec.h"
#include "passes/passes.h"

typedef struct CodeKey {
  const Entry *entry; /* of the program: shared. Of a session: its own, and nobody else's */
  const DimBinding *bind;
  uint32_t nbind;
  bool interpret;
  int level;       /* of LLVM's optimisation, -1: default */
  const char *isa; /* NULL: the best this CPU has */
  CpuLevel cpu;    /* as ExecOptions.cpu */
  int64_t memory;  /* bytes a step is to keep to */
} CodeKey;

typedef struct CodeFacts {
  int64_t arena_bytes, kernels;
  double flops, compile_ms;
  const char *isa;
} CodeFacts;

typedef struct Code Code;
struct Code {
  Code *next;  /* of the program's */
  CodeKey key; /* with copies of its own */
  uint32_t refs;
  Mem mem;
  Arena arena;        /* everything of it */
  Program program;    /* the program's, with a table of dims that nobody else writes to */
  const Graph *graph; /* optimised, dims constant; its roots are in the order of the entry's */
  CodeFacts facts;
  struct Exec *exec; /* to be shared; NULL: interpreted */
  Tensor *leaf;      /* by leaf, with the constant extents; without data */
  bool *reads;       /* by leaf */
};

/* The code of a key, made when there is none. `cx` is the asker's: limits, and where a raise goes.
 * ST_REJECTED: *why says what does not fit. */
MUST_USE Status code_get(dg_program *p, dg_context *cx, const CodeKey *key, const Code **out, Sb *why);
void code_drop(dg_program *p, const Code *code);

/* The first half of what code is made by, for whoever goes on otherwise with the graph. */
/* For a step that keeps to so many bytes; 0, INT64_MAX: it may take any. */
void code_memory(PassOptions *o, int64_t memory, ExecOptions *x);
/* An entry's optimised graph, dims bound. own: the program with a table of dims that this call may write to.
 * NULL: *why says what does not fit. */
MUST_USE Graph *code_graph(Arena *a, Program *own, const Entry *e, const DimBinding *bind, size_t nbind,
                           const PassOptions *o, Sb *why);
/* A leaf's shape, without data. ST_REJECTED: an extent has no value; ST_LIMIT: too many elements (*why). */
MUST_USE Status code_leaf_shape(const Program *p, uint32_t leaf, const DimBinding *bind, size_t nbind,
                                Tensor *out, Sb *why);
#endif
