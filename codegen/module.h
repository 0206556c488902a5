/* One LLVM module from some kernels: emitted, verified, optimised, and made an object. For files of codegen/
 * only. */
#ifndef DG_CODEGEN_MODULE_H
#define DG_CODEGEN_MODULE_H

#include "base/clock.h"
#include "codegen/codegen.h"
#include "codegen/guard_module.h"
#include "codegen/tile.h"

#include <llvm-c/Core.h>

typedef enum { MODULE_OBJECT, MODULE_ASSEMBLY, MODULE_LLVM } ModuleForm;

typedef struct ModuleJob {
  const CodegenOptions *options;
  const Kernel *const *kernel;
  const char *const *symbol; /* of each kernel's function */
  uint32_t n;
  const Tiles *tiles;   /* what the kernels call; NULL: nothing */
  const uint32_t *tile; /* those that this module holds */
  uint32_t ntile;
  ModuleForm form;
  const ObjectFace *face; /* NULL: kernels alone */
  const uint32_t *of;     /* face: by kernel of the set, which of `kernel` it is */
  uint32_t nof;
  GuardStop stop; /* another thread may end the compile */
  bool starting;  /* the first job of the process registers the target */
  Mem mem;        /* the job's own: jobs run on threads of their own */
  /* out */
  Status status; /* ST_OK, ST_NO_MEMORY, ST_INTERNAL, ST_LIMIT, ST_CANCELLED */
  char what[400];
  LLVMMemoryBufferRef buffer; /* object or assembly; the taker disposes of it */
  char *text;                 /* MODULE_LLVM; LLVMDisposeMessage */
  double ms_emit, ms_passes, ms_code;
} ModuleJob;

/* Equal kernels once. */
typedef struct KernelShare {
  uint32_t n; /* different kernels */
  const Kernel **kernel;
  const char **symbol;
  uint32_t *of; /* per kernel of the set: which of the different ones */
} KernelShare;
MUST_USE KernelShare kernels_share(Arena *a, const KernelSet *set);

/* Registers the X86 target and all that a compilation uses. Any number of times, from any thread. Anything
 * but ST_OK: why (cap bytes) says the reason. */
MUST_USE Status llvm_start(char *why, unsigned cap);
/* Runs the job, guarded. Never raises. */
void module_run(ModuleJob *j);
/* Adds block, table of kernels and functions to a module that has the kernels. */
struct Emit;
void emit_face(struct Emit *e, const ModuleJob *j);

#endif
