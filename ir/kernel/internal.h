/* Shared between ir/kernel*.c, and with the emitter. */
#ifndef DG_IR_KERNEL_INTERNAL_H
#define DG_IR_KERNEL_INTERNAL_H

#include "ir/kernel/kernel.h"

/* Places as linear forms: the loop variables by depth, then the row, the column and the value of the index
 * operand. */
enum { VAR_ROW = KERNEL_LOOPS, VAR_COL, VAR_INDEX, VARS };
typedef struct Linear {
  int64_t k, v[VARS];
} Linear;
typedef struct Range { /* lo > hi: empty */
  int64_t lo, hi;
} Range;
typedef struct Ranges {
  Range v[VARS];
} Ranges;

Linear linear_of(const Place *p);
/* What an element of an access can be: open loops' extents, tile shape, narrowed by the guards on one
 * variable each. False: no element satisfies the guards. */
MUST_USE bool access_ranges(const Access *x, const int64_t *extent, int depth, int rows, int cols,
                            Ranges *out);
/* Least and greatest value; false on overflow. */
MUST_USE bool linear_bounds(const Linear *l, const Ranges *r, Range *out);

/* One statement without its body, as printed. */
void kernel_print_stmt(const Kernel *k, const KernelStmt *s, Sb *b);

/* Tiles a statement list reads before writing them, and those it writes. */
typedef struct TileSet {
  uint64_t w[KERNEL_TILES / 64];
} TileSet;
static inline void tileset_add(TileSet *s, uint32_t t) { s->w[t / 64] |= UINT64_C(1) << (t % 64); }
static inline bool tileset_has(const TileSet *s, uint32_t t) { return s->w[t / 64] >> (t % 64) & 1; }

#endif
