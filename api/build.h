/* Inside the library: a program on its way to an object and a header (dg_build). */
#ifndef DG_API_BUILD_H
#define DG_API_BUILD_H

#include "api/api.h"
#include "ir/plan/plan.h"
#include "runtime/core/model.h"
#include "runtime/host/data.h"

typedef struct BuildNames {
  Map seen; /* by hash: where in `at` */
  VEC(const char *) at;
} BuildNames;

/* A tensor of the state: a parameter or state, or a counter. */
typedef struct BuildField {
  const char *name;      /* in C */
  Str path;              /* in the program */
  Str tensor;            /* in checkpoints */
  DType dtype;           /* counters: I32 or I64 */
  Tensor shape;          /* without data */
  size_t at, bytes, pad; /* pad: bytes of filling in front of it that C would not put there */
  LeafId leaf;           /* counters: .i == UINT32_MAX */
  const char *filling;   /* its name; NULL: none */
  bool needed;           /* in a checkpoint: a parameter */
  const char *what;      /* "state ", ... */
} BuildField;

typedef struct BuildArg { /* an input, or a value that comes out */
  const char *name;
  Tensor shape;
  uint32_t leaf, root;
} BuildArg;

typedef struct BuildEntry {
  const Entry *entry;
  const Plan *plan;
  const StepImage *image;
  uint32_t kernel; /* its first, of all */
  VEC(BuildArg) input;
  VEC(BuildArg) output;
  uint32_t after, nafter; /* TRAIN: entries behind it */
  uint32_t gather;        /* TRAIN that accumulates: the entry of all batches of a group but the last */
  const char *symbol;     /* NULL: no function of its own */
} BuildEntry;

typedef struct Build {
  dg_program *p;
  dg_context *cx;
  Arena *arena;
  Program prog;             /* with a table of dims of its own */
  const char *name, *upper; /* what all names of the header begin with */
  const char *isa;
  CpuLevel level;
  BuildNames names; /* what stands behind the prefix */
  const char **dim; /* macros: by what is bound, with the prefix */
  VEC(BuildField) field;
  uint32_t *field_of; /* by leaf */
  VEC(BuildEntry) entry;
  VEC(const Kernel *) kernel;
  Model model;                   /* its head */
  uint32_t epoch, seed, counter; /* fields; counter: of the first train step. Behind epoch: batch */
  Sb block;                      /* the model with all its tables */
} Build;

/* ---- build.c ---- */
/* Of a leaf, with the dims bound. */
dg_status aot_shape(Build *b, uint32_t leaf, Tensor *out);

/* ---- build_state.c: the state's layout and the model's tables ---- */
dg_status aot_state(Build *b);
dg_status aot_block(Build *b);
/* A name as C has it, different from those in `taken`, which it joins. */
const char *aot_c_name(Arena *a, Str name, BuildNames *taken);
/* Joins as it is. False: it was there. */
bool aot_take(Arena *a, BuildNames *taken, const char *name);

/* ---- build_header.c ---- */
/* Reserves what every header has, and names the macros of dims. */
void aot_header_names(Build *b);
/* Macros hold for members and arguments, too. */
void aot_reserve_macros(Build *b, BuildNames *taken);
void aot_header(const Build *b, Sb *out);

#endif
