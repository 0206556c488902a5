/* Native code from kernels: the one face of everything that knows LLVM. Nothing here prints or exits; LLVM's
 * own fatal paths come back as a status through codegen/guard.cc. */
#ifndef DG_CODEGEN_CODEGEN_H
#define DG_CODEGEN_CODEGEN_H

#include "ir/kernel/kernel.h"
#include "runtime/core/cpu.h"

typedef struct CodegenTarget {
  CpuLevel level;       /* CPU_AVX2, CPU_AVX512 */
  uint8_t vector_bytes; /* native vectors: 32 or 64 */
  Str name;             /* "avx2", "avx512" */
  Str cpu, features;    /* as LLVM spells them; NUL-terminated */
  int64_t cache_l1,
      cache_l2; /* bytes of data a core has, by CPUID; of a small machine where it does not say */
} CodegenTarget;

typedef struct TargetRequest {
  const char *isa; /* "avx2", "avx512"; NULL: the best there is */
  CpuLevel cpu;    /* tests: as if the CPU had no more */
  bool print;      /* code to be read, or for another machine: any level, whatever runs here */
  bool elsewhere;  /* code for every machine of the level, not with what this one has besides */
} TargetRequest;
/* Initialises no LLVM target. ST_USAGE: no such name; ST_REJECTED: this CPU cannot run it. *why says so. */
MUST_USE Status codegen_target(Arena *a, const TargetRequest *r, CodegenTarget *out, Sb *why);

typedef struct CodegenOptions {
  CodegenTarget target;
  const char *passes; /* NULL: the default list; else a pass pipeline of LLVM ("" for none, "default<O3>") */
  int level;          /* of the code generator, 0 to 3; default 2 */
  int threads;        /* contexts compiling side by side; 0: as many as help, at most 2 */
  int share_from;     /* so many statement lists that differ in numbers only are one function; 0: 3, 1: all,
                         however small */
  bool sanitize;      /* run LLVM's address sanitizer over the kernels; its runtime must be linked in */
} CodegenOptions;
void codegen_options_init(CodegenOptions *o, const CodegenTarget *t); /* default list, level 2 */
/* O0 to O3 as the command spells them: passes and code generator level together. */
void codegen_options_level(CodegenOptions *o, int level);

typedef struct KernelSet {
  const Kernel *const *kernel; /* verified */
  uint32_t n;
} KernelSet;

typedef struct CodegenStats {
  double ms;                          /* wall clock of codegen_compile */
  double ms_start;                    /* LLVM's own, finding equal kernels and tile functions */
  double ms_emit, ms_passes, ms_code; /* summed over threads */
  double ms_link;                     /* wall clock */
  uint32_t functions;                 /* kernels, equal ones once, and tile functions */
  size_t object_bytes;
} CodegenStats;

typedef struct NativeCode NativeCode; /* owns the machine code */
/* fn[i] is kernel i's code; equal kernels share one. ST_OK, ST_NO_MEMORY, ST_CANCELLED, ST_INTERNAL (LLVM
 * refused); *why says more. stats may be NULL. */
MUST_USE Status codegen_compile(Arena *a, const KernelSet *set, const CodegenOptions *o, NativeCode **out,
                                KernelFn **fn, CodegenStats *stats, Sb *why);
void native_release(NativeCode *n); /* NULL is fine */

typedef enum { PRINT_LLVM, PRINT_ASSEMBLY, PRINT_OBJECT } CodegenPrint;
/* The set as one module, after the passes. In an object, kernel i's symbol is `prefix` followed by its index,
 * shared or not. */
MUST_USE Status codegen_print(Arena *a, const KernelSet *set, const CodegenOptions *o, CodegenPrint what,
                              const char *prefix, Sb *out, Sb *why);

/* An object for other programs to link: kernels, one constant block, and functions that hand both to those of
 * runtime/core/model.h. */
typedef enum {
  OBJECT_RUN,  /* (state, arguments..) */
  OBJECT_INIT, /* (state, seed) */
  OBJECT_LOAD, /* (state, file, bytes) */
  OBJECT_SAVE, /* (state, put, user) */
} ObjectKind;
typedef struct ObjectFunction {
  const char *symbol;
  ObjectKind kind;
  uint32_t entry, nargs; /* RUN: of the model in the block; pointers behind the state */
} ObjectFunction;
typedef struct ObjectFace {
  Str block; /* at a multiple of STEP_ALIGN */
  const ObjectFunction *function;
  uint32_t n;
} ObjectFace;
/* The object's bytes; the functions are the only symbols it gives. stats may be NULL. */
MUST_USE Status codegen_object(Arena *a, const KernelSet *set, const CodegenOptions *o,
                               const ObjectFace *face, CodegenStats *stats, Sb *out, Sb *why);

const char *codegen_llvm_version(void);

#endif
