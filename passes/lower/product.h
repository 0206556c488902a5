/* Shared between contract.c, shape.c, product.c, pack.c and dot.c only. */
#ifndef DG_PASSES_LOWER_PRODUCT_H
#define DG_PASSES_LOWER_PRODUCT_H

#include "ir/interpret/order.h"
#include "passes/lower/internal.h"

typedef struct Product {
  LowerCx *lo;
  GroupBody gb;
  DType type;
  Order order;
  int rank; /* of the output's space: batch axes, M, N */
  int64_t ext[MAX_RANK];
  View x, y; /* in that space; k apart */
  int64_t xk, yk, k;
} Product;

enum {
  WIDEST = 8
}; /* vectors of a tile of few rows; taller ones read too much from the second-level cache */
/* Roles and register tile. */
typedef struct Shape {
  int row, lane; /* axes of the output: broadcast from memory; in the lanes */
  int rows, nv;  /* rows of a tile, vectors of 16 lanes */
  int64_t more;  /* leading tiles of rows + 1 */
  double cycles; /* of the whole product but its batch axes */
} Shape;

/* What a unit works on at a time. */
typedef struct Blocks {
  bool pack;       /* the lane operand goes through scratch, one panel at a time */
  bool in_passing; /* the first tile of a panel packs it while it computes */
  bool pack_rows;  /* the row operand is packed by tiles first, by a launch of
                      its own */
  int64_t kc, nkb; /* terms a block, blocks; the last may be shorter */
  int64_t rows;    /* of output a block, about; 0: all */
  int64_t panels;  /* of lanes between two blocks of terms */
  bool by_rows;    /* units are blocks of rows */
} Blocks;

Shape product_shape(const Product *p);
Blocks product_blocks(const Product *p, const Shape *s);
/* The row operand as [tile][term][row], in the arena. */
uint32_t product_pack_rows(const Product *p, NodeId node, const Shape *s);
/* rows: what product_pack_rows gave, or PLAN_NONE. */
void product_emit(LowerKernel *m, const Product *p, const Shape *s, const Blocks *b, uint32_t rows);
/* Elements from one batch to the next in the packed row operand, by axis. */
void product_row_steps(const Product *p, const View *rs, int64_t rows, int64_t *step);

/* A loop around units: where it moves them, along one axis. */
typedef struct UnitLoop {
  int axis;
  int64_t trips, step;
  bool sweep; /* where it is the only one inside the units: may go round them */
} UnitLoop;
int product_longest(const UnitLoop *loop, int n);
/* Opens them, number `par` first and as units. */
void product_loops(LowerKernel *m, Coord *c, const UnitLoop *loop, int n, int par);
/* One kernel, or a launch before it as well; what it costs is in *m, which the caller ends. */
void product_lower(LowerKernel *m, const Product *p, NodeId node);
/* split.c: a kernel for the pieces of a very long chain, and one that adds them. */
bool product_splits(const Product *p);
void product_split(const Product *p, NodeId node);
/* Sixteen lanes along k. */
void dot_emit(LowerKernel *m, const Product *p);

static inline Access product_access(const Product *p, const Coord *c, int buffer, const View *s, Affine k,
                                    int64_t step) {
  Access a = coord_access(c, buffer, s, p->type);
  a.at.a = affine_sum(a.at.a, k, step);
  return a;
}

#endif
