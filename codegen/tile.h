/* Tile functions: statement lists that kernels have in common but for their numbers (extents, strides,
 * places) are emitted once, with the numbers as arguments. A list is all of a loop's body, and then its loop
 * is part of the function, or a part of one that shares no tile with the rest: it decides the registers, the
 * rest of the kernel only where it runs. For files of codegen/ only. */
#ifndef DG_CODEGEN_TILE_H
#define DG_CODEGEN_TILE_H

#include "codegen/codegen.h"

/* A number in a tile function's kernel from here on stands for an argument: one from the call's table, and
 * from TILE_OFFSET on one that depends on the loops around. They are far above every true number, so that
 * comparisons with extents of tiles come out as for the numbers they stand for (tile.c takes only such). */
#define TILE_PARAM (INT64_MAX / 2)
#define TILE_OFFSET (TILE_PARAM + 4096)
enum { TILE_PARAMS = 128, TILE_POINTERS = 24, TILE_OFFSETS = 16, TILE_RANGE = 1 << 28 };
static inline bool tile_is_param(int64_t n) { return n >= TILE_PARAM; }

typedef struct TileFn {
  const Kernel *kernel; /* its buffers are the pointers; root: the one loop, of unknown extent */
  uint16_t nparam, npointer, noffset;
} TileFn;

typedef struct TilePointer {
  int16_t buffer; /* of the kernel that calls */
  Affine at;
} TilePointer;

typedef struct TileCall {
  uint32_t fn;
  bool whole;            /* the loop around is in the function; else it runs once */
  const KernelStmt *end; /* what follows the list */
  int64_t *param;
  TilePointer *pointer;
  Affine *offset;
} TileCall;

typedef struct Tiles {
  uint32_t nfn;
  const TileFn *fn;
  const char **symbol;
  Map call_of; /* by the list's first statement: into call */
  VEC(TileCall) call;
} Tiles;

enum { TILE_LEAST = 3 };
static inline uint32_t codegen_share_from(const CodegenOptions *o) {
  return o->share_from > 0 ? (uint32_t)o->share_from : TILE_LEAST;
}
/* Finds what at least `least` lists of the kernels have in common. */
Tiles *tiles_find(Arena *a, const Kernel *const *kernel, uint32_t n, uint32_t least, const char *prefix);
/* Roughly the instructions a statement list becomes; `called`: what is a call instead, or NULL. */
double tiles_cost(const Tiles *called, const Kernel *k, const KernelStmt *s, const KernelStmt *end);
/* The call that stands for the list that begins here; NULL: none, it is emitted in place. */
const TileCall *tiles_call(const Tiles *t, const KernelStmt *first);

#endif
