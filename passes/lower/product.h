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
  bool pack_lanes; /* the lane operand is packed by panels first, once for all blocks of rows */
  bool pack_rows;  /* the row operand is packed by tiles first; each by a launch of its own */
  int64_t kc, nkb; /* terms a block, blocks; the last may be shorter */
  int64_t rows;    /* of output a block, about; 0: all */
  int64_t panels;  /* of lanes between two blocks of terms */
  bool by_rows;    /* units are blocks of rows */
} Blocks;

Shape product_shape(const Product *p);
Blocks product_blocks(const Product *p, const Shape *s);
/* Terms a block where rows are few and the caches do not hold the matrix they meet; else 0. */
int64_t product_thin_terms(const Product *p, const Shape *s);

static inline bool product_straight(const Product *p, const Shape *s) { return s->row == p->rank - 2; }
static inline const View *product_row_view(const Product *p, const Shape *s) {
  return product_straight(p, s) ? &p->x : &p->y;
}
static inline const View *product_lane_view(const Product *p, const Shape *s) {
  return product_straight(p, s) ? &p->y : &p->x;
}
/* Elements from one term to the next. */
static inline int64_t product_row_term(const Product *p, const Shape *s) {
  return product_straight(p, s) ? p->xk : p->yk;
}
static inline int64_t product_lane_term(const Product *p, const Shape *s) {
  return product_straight(p, s) ? p->yk : p->xk;
}

/* Operands packed before, in the arena: plan buffers, or PLAN_NONE. A run of rows (or columns) that begins at
 * i begins at element i * terms, whatever the heights (widths) before it. */
typedef struct Packed {
  uint32_t rows;  /* [tile][term][row] */
  uint32_t lanes; /* [panel][term][column]; the last panel is filled up to whole vectors of 16 */
} Packed;
uint32_t product_pack_rows(const Product *p, NodeId node, const Shape *s);
uint32_t product_pack_lanes(const Product *p, NodeId node, const Shape *s);
/* Elements from one batch to the next in a packed operand of `extent` rows or columns, by axis. */
void product_packed_steps(const Product *p, const View *v, int64_t extent, int64_t *step);
/* Terms first .. first + terms - 1 of the panel at c, to buffer[at ..] as [term][column]. */
void product_pack_panel(LowerKernel *m, const Product *p, const Shape *s, const Coord *c, Affine first,
                        int64_t terms, int buffer, Affine at);
void product_emit(LowerKernel *m, const Product *p, const Shape *s, const Blocks *b, Packed packed);

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
/* thin.c: few rows times a large matrix; a launch before *m as well. */
void product_thin(LowerKernel *m, const Product *p, NodeId node, const Shape *s);
/* Sixteen lanes along k. */
void dot_emit(LowerKernel *m, const Product *p);

static inline Access product_access(const Product *p, const Coord *c, int buffer, const View *s, Affine k,
                                    int64_t step) {
  Access a = coord_access(c, buffer, s, p->type);
  a.at.a = affine_sum(a.at.a, k, step);
  return a;
}

#endif
