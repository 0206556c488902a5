/* The emitter: one kernel to one LLVM function, for the vector width of the target. Shared by codegen/emit*.c
 * only.
 *
 * Lanes. A kernel is emitted with vectors of `lanes` elements: native width divided by the widest element it
 * handles, so that every value of a kernel, masks included, has the same number of lanes and nothing is left
 * for LLVM to split (version 19 miscompiles split masked loads). A tile of C columns is C / lanes vectors a
 * row; a column tile is one splat a row. */
#ifndef DG_CODEGEN_EMIT_H
#define DG_CODEGEN_EMIT_H

#include "codegen/codegen.h"
#include "codegen/tile.h"
#include "ir/kernel/internal.h"

#include <llvm-c/Core.h>

typedef LLVMValueRef Val;

/* A loop variable or affine expression: dyn + k with dyn NULL when constant; its value lies in [lo, hi]. */
typedef struct AxisAffine {
  Val dyn;
  int64_t k, lo, hi;
} AxisAffine;

typedef struct Emit {
  Arena *arena;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef b;
  Val fn;
  int64_t units_before; /* of earlier top loops */
  const Kernel *k;
  bool avx512;
  int lanes; /* 16, 8 or 4 */
  LLVMTypeRef i1, i16, i8, i32, i64, ptr, elem[DT_ALL],
      vec[DT_ALL]; /* vec[DT_BOOL]: of i1; elem[DT_BOOL]: i32; of stored ones: integers of their bits */
  LLVMTypeRef vi32;
  AxisAffine var[KERNEL_LOOPS];
  Val buf[KERNEL_BUFFERS];
  Val *tile[KERNEL_TILES + KERNEL_SRC]; /* rows * vectors values, valid where set; then emit_map.c's */
  bool set[KERNEL_TILES];
  uint16_t reads[KERNEL_TILES];       /* statements that read it */
  int loops;                          /* nesting of the kernel's */
  Val stack[KERNEL_SRC + KERNEL_DST]; /* of the function, where it has one */
  const Tiles *tiles;                 /* NULL: every list is emitted in place */
  bool computes;                      /* some list was: more than loops around calls */
  Val *param, *offset;                /* of a tile function: what its kernel's numbers stand for */
} Emit;

/* Adds the function `name` for kernel k to the module. */
void emit_kernel(Emit *e, const Kernel *k, const CodegenTarget *t, const char *name, bool sanitize);
/* The function's attributes and first block, and the state for kernel k; its arguments are not read yet. */
void emit_function_begin(Emit *e, const Kernel *k, const CodegenTarget *t, Val fn, bool sanitize);
/* Trips from .. to - 1 of a loop, perhaps none; its variable is at most `most`. */
void emit_trips(Emit *e, const KernelStmt *loop, Val from, Val to, int64_t most);
int emit_values(const Emit *e, int tile); /* vectors of a tile */
/* Adds the tiles a list may read before it writes them (in), writes for certain (sure), may write (def);
 * `sure` holds what was written before it. */
void emit_flow(const KernelStmt *s, TileSet *in, TileSet *sure, TileSet *def);

/* ---- emit_map.c ---- */
/* How many of the statements behind a map store its results, each to a buffer of its own, and may do so
 * early. */
int emit_early_stores(const Emit *e, const KernelStmt *map);
/* The map and the `n` stores behind it. */
void emit_map(Emit *e, const KernelStmt *s, int n);
/* Of one row, so many neighbouring columns can be elements. */
int64_t emit_columns(const Access *x, int cols);

/* ---- emit_tile.c ---- */
/* Adds tile function i of e->tiles. */
void emit_tile_function(Emit *e, uint32_t i, const CodegenTarget *t, bool sanitize);
/* Trips from .. to - 1 of the loop that the call stands for. */
void emit_tile_call(Emit *e, const TileCall *c, Val from, Val to);

/* ---- emit_value.c: constants, splats, shuffles, intrinsics ---- */
Val emit_i64(Emit *e, int64_t n);
Val emit_i32(Emit *e, int64_t n);
Val emit_const(Emit *e, DType t, ScalarValue v);                      /* a splat */
Val emit_iota(Emit *e, LLVMTypeRef elem, int64_t base, int64_t step); /* constant base + step * lane */
Val emit_lanes(Emit *e, const bool *on);                              /* constant mask */
Val emit_splat(Emit *e, Val scalar);
Val emit_shuffle(Emit *e, Val a, Val b, const int *index);
void emit_attribute(const Emit *e, Val fn, const char *key, const char *value);
Val emit_intrinsic(Emit *e, const char *name, LLVMTypeRef *types, int ntypes, Val *arg, int n);
/* As intrinsic(name, type of a): one overloaded type. */
Val emit_call1(Emit *e, const char *name, Val a);
Val emit_call2(Emit *e, const char *name, Val a, Val b);
Val emit_affine_value(Emit *e, const AxisAffine *l); /* as an i64 */
Val emit_number(Emit *e, int64_t n);                 /* of a kernel: itself, or the argument it stands for */
AxisAffine emit_affine(Emit *e, const Affine *a);
/* Keeps LLVM from folding a constant (its folder does not flush). Floats only. */
Val emit_fence(Emit *e, Val v);

/* ---- emit_scalar.c ---- */
/* Runs a program over n vectors abreast: by vector, operands by their number and results. */
enum { EMIT_ABREAST = 2 };
typedef struct EmitIn {
  Val v[KERNEL_SRC];
} EmitIn;
typedef struct EmitOut {
  Val v[KERNEL_DST];
} EmitOut;
void emit_program(Emit *e, const Scalar *p, int n, const EmitIn *in, EmitOut *out);
Val emit_instruction(Emit *e, const ScalarIns *n, Val a, Val b, Val c);

/* ---- bounds.c ---- */
/* Whether a value of a program is NaN or a whole number within -most .. most, whatever the operands are. */
bool emit_whole_within(const Scalar *p, ScalarRef r, double most);

/* ---- emit_access.c ---- */
/* An access opened at the current loop variables. */
typedef struct Opened {
  const Access *x;
  DType t;
  AxisAffine at, index_at, guard[KERNEL_GUARDS];
  Val base; /* buffer + dynamic part of at */
  Val pad;  /* splat, as in memory (bool: i32) */
} Opened;

/* One vector of an access: `n` lanes from column c of row r (cols 1: a splat of column 0). */
typedef struct Spot {
  int r, c, n;
  bool splat;
} Spot;
Opened emit_open(Emit *e, const Access *x);
/* Whether emit_store_tile stores vector by vector, as emit_store does. */
bool emit_stores_vectors(const Emit *e, const Access *x, const KernelTile *t);
Val emit_load(Emit *e, const Opened *m, Spot s);
void emit_store(Emit *e, const Opened *m, Spot s, Val v);
/* Whole tiles: chooses between rows, gathers and register transposes. */
/* Whether an operand of rows x cols is better loaded as a whole tile than vector by vector. */
bool emit_prefers_tile(const Emit *e, const Access *x, int rows, int cols);
void emit_load_tile(Emit *e, const Access *x, const KernelTile *t, Val *v);
void emit_store_tile(Emit *e, const Access *x, const KernelTile *t, const Val *v);

/* ---- emit_stride.c: elements `step` apart (2 to EMIT_STEPS), the first at p; mask NULL: all lanes ---- */
enum { EMIT_STEPS = 4 };
Val emit_load_step(Emit *e, LLVMTypeRef elem, unsigned align, Val p, int step, Val mask, Val pad);
void emit_store_step(Emit *e, LLVMTypeRef elem, unsigned align, Val p, int step, Val mask, Val v);
/* 2 to EMIT_STEPS rows next to each other, columns `rows` apart: one vector of columns of every row. */
void emit_load_rows(Emit *e, LLVMTypeRef elem, unsigned align, Val p, int rows, Val mask, Val pad, Val *out);
void emit_store_rows(Emit *e, LLVMTypeRef elem, unsigned align, Val p, int rows, Val mask, const Val *v);

/* ---- emit_transpose.c: lanes x lanes elements in registers ---- */
void emit_transpose(Emit *e, DType t, Val *r);

static inline int emit_vectors(const Emit *e, int cols) { return cols == 1 ? 1 : cols / e->lanes; }

#endif
