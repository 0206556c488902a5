/* Shared between fuse.c, schedule.c, plan.c and lower*.c only.
 *
 * Every live node has a role. Moves (broadcast, transpose, slice, ...) are not computed: a consumer reads
 * through them by strides; one that cannot be read so is *materialised*, as a copy. What is computed belongs
 * to a *group*, one unit of lowering: elementwise nodes of one shape in one kernel, at most one product or
 * convolution whose epilogue they are, or a single node with kernels of its own. */
#ifndef DG_PASSES_LOWER_INTERNAL_H
#define DG_PASSES_LOWER_INTERNAL_H

#include "ir/scalar/op_program.h"
#include "passes/lower/lower.h"

typedef enum {
  ROLE_DEAD,
  ROLE_MEMORY, /* leaf or table: somebody else's memory */
  ROLE_MOVE,   /* read through, never stored */
  ROLE_INLINE, /* a comparison so cheap that every user computes it again instead of reading it */
  ROLE_ELEM,   /* computed element by element: scalar ops, and moves that must be materialised */
  ROLE_TILE,   /* a tile of finished sums that an epilogue may work on */
  ROLE_OTHER,  /* kernels of its own */
} Role;

/* An index as an affine function of the axes of a space (a group's shape). */
typedef struct AxisAffine {
  int64_t k, c[MAX_RANK];
} AxisAffine;

typedef enum { VIEW_MEMORY, VIEW_CONST, VIEW_COORD } ViewKind;
/* How a value is read at an element of a space. */
typedef struct View {
  uint8_t kind, type; /* ViewKind; DType of the element (COORD: wanted type of an i32 index) */
  uint8_t nguard;     /* VIEW: outside any guard the value is zero */
  NodeId base;        /* VIEW: the node whose memory; CONST: the CONST node */
  uint32_t temp;      /* VIEW: plan buffer + 1 when the memory is no node's */
  AxisAffine at;      /* VIEW: element of base; COORD: the value */
  struct {
    AxisAffine at;
    int64_t extent;
  } guard[KERNEL_GUARDS];
} View;

typedef struct LowerGroup {
  bool tile;        /* has a ROLE_TILE node */
  bool other;       /* is a ROLE_OTHER node */
  NodeId anchor;    /* that node, or NO_NODE */
  NodeId space;     /* whose shape the kernel goes through; others have as many elements, in the same order */
  uint32_t weight;  /* instructions, roughly */
  VEC(NodeId) node; /* ascending */
} LowerGroup;

typedef struct KernelKey {
  KernelId id;
  uint32_t before; /* with the same first half, PLAN_NONE */
} KernelKey;

/* The last operands that were packed for products. */
enum { LOWER_PACKS = 8 };
typedef struct LowerPack {
  uint32_t from, to; /* plan buffers; from + 1: 0 is none */
  KernelId id;
} LowerPack;

typedef struct LowerCx {
  Arena *arena; /* of the lowering; while a group becomes kernels, of that group */
  const Graph *g;
  LowerOptions opt;
  Sb *why;
  Plan *plan;
  int64_t (*ext)[MAX_RANK]; /* by node */
  int64_t *count;           /* elements, by node */
  uint8_t *role;            /* by node */
  NodeId *relu;             /* by node: its relu, or NO_NODE */
  bool *materialised;       /* by node: a move that is computed all the same */
  bool *stored;             /* by node: somebody outside its group reads it */
  bool *absorbed;           /* by node: a reduction that computes its operand from what is stored anyway */
  uint32_t *group;          /* by node; PLAN_NONE */
  uint32_t *buffer;         /* by node: its plan buffer, PLAN_NONE until needed */
  uint32_t *leaf_buffer;    /* by leaf */
  int64_t *leaf_count;      /* by leaf: elements, by the extents bound in this graph */
  LeafId *in_place;         /* by node: the leaf it is written to; .i == PLAN_NONE: none */
  bool body;                /* of a loop or condition: roots are what it yields */
  uint32_t *yields;         /* body: by node, + 1: the result it is written as; 0: none */
  VEC(LowerGroup) groups;
  VEC(uint32_t) order; /* groups in the order of lowering */
  Map kernels;         /* half of a kernel's id -> its number, the last with that half */
  VEC(KernelKey) key;  /* by kernel of the plan */
  LowerPack pack[LOWER_PACKS];
  uint32_t npack;
  OpPrograms programs;
  Arena *whole; /* of the lowering, always */
} LowerCx;

/* The plan of a body's flat graph; its kernels join those of `around`. */
Plan *lower_body(LowerCx *around, const Graph *g);

/* ---- view.c: reading through moves ---- */
NodeId lower_strip(const LowerCx *lo, NodeId n); /* through moves that change nothing */
/* Operand j of a scalar node as the lowering reads it: the same elements in the same order, perhaps of
 * another shape. */
NodeId lower_in(const LowerCx *lo, NodeId n, uint32_t j);
/* How node n is read in a space of its own shape. False: *stuck must be materialised first. own: n itself is
 * a materialised move and its definition is wanted. */
MUST_USE bool lower_view(const LowerCx *lo, NodeId n, bool own, View *out, NodeId *stuck);
/* A view of a space of n's shape, for the space of another shape with as many elements in the same order.
 * False: it has no such form. */
MUST_USE bool lower_reshaped(const LowerCx *lo, View *s, NodeId n, NodeId space);
/* Whether all that elementwise node n reads has a form in the space of another. */
bool lower_fits(const LowerCx *lo, NodeId n, NodeId space);
/* The same for a reader that needs plain memory; never fails after lower_roles. */
View lower_memory(const LowerCx *lo, NodeId n);
void lower_roles(LowerCx *lo); /* fills role, materialised */

/* ---- fuse.c, update.c, schedule.c ---- */
void lower_fuse(LowerCx *lo); /* fills groups, group, stored */
/* By node: part of an update that is no product's epilogue. */
bool *lower_updates(LowerCx *lo);
void lower_schedule(LowerCx *lo); /* fills order, in_place */
/* Calls see(cx, base, direct) for every node whose value the computation of n reads; direct: at the same
 * element. */
void lower_reads(const LowerCx *lo, NodeId n, void (*see)(void *cx, NodeId base, bool direct), void *cx);

/* ---- plan.c: buffers, launches ---- */
uint32_t plan_buffer_node(LowerCx *lo, NodeId n);                  /* where n's value lives */
uint32_t plan_buffer_temp(LowerCx *lo, DType t, int64_t elements); /* dead after its last launch */
uint32_t plan_buffer_leaf(LowerCx *lo, LeafId l);
uint32_t plan_buffer_source(LowerCx *lo, const View *s);
/* Places of the buffers in the arena, by their lifetimes. */
void plan_layout(Plan *p, Arena *scratch, bool reuse);
void plan_finish(LowerCx *lo); /* roots, commit, arena */

/* ---- kernel.c: one kernel under construction ---- */
typedef struct LowerKernel {
  LowerCx *lo;
  KernelBuilder b;
  uint32_t bind[KERNEL_BUFFERS];
  NodeId node;
  double cost_ns, flops;
} LowerKernel;
void lower_kernel_begin(LowerKernel *m, LowerCx *lo, NodeId node, const char *name);
int lower_kernel_in(LowerKernel *m, uint32_t plan_buffer);              /* kernel buffer for reading */
int lower_kernel_out(LowerKernel *m, uint32_t plan_buffer);             /* for writing (and reading) */
int lower_kernel_scratch(LowerKernel *m, Str name, DType t, int64_t n); /* of the kernel's own */
void lower_kernel_end(LowerKernel *m); /* verifies, shares, appends the launch */

/* A tile's position in a space: the index along each axis over loop variables, one axis in rows, one in
 * lanes. */
typedef struct Coord {
  int rank;
  Affine at[MAX_RANK];
  int row, lane; /* axes, or -1 */
  int rows, cols;
  bool tail; /* lanes at or beyond `end` are not elements */
  int64_t end;
} Coord;
Access coord_access(const Coord *c, int buffer, const View *s, DType t);
KernelOperand coord_operand(LowerKernel *m, const Coord *c, const View *s);
/* For walks: lanes that are no elements read `pad`, also where all lanes read one place. */
KernelOperand coord_padded(LowerKernel *m, const Coord *c, const View *s, uint32_t plan_buffer,
                           ScalarValue pad);
/* 1 when an operand at this place is the same for all rows (lanes). */
bool coord_row_fixed(const Coord *c, const View *s);
bool coord_lane_fixed(const Coord *c, const View *s);
View view_plain(const LowerCx *lo, NodeId n); /* n's own memory, row-major, in its own space */

/* Loops over a space: par over the longest of them; calls body for each of up to four cases (rows and lanes
 * full or rest). */
typedef struct Tiling {
  int rank;
  int64_t ext[MAX_RANK];
  int row, lane; /* axes, or -1 */
  int rows, cols;
  int64_t more; /* leading row blocks of rows + 1, so that blocks are of nearly equal height */
} Tiling;
typedef void TileBody(LowerKernel *m, const Coord *c, void *cx);
void lower_tiles(LowerKernel *m, const Tiling *t, TileBody *body, void *cx);
/* Merges axes that every source steps through as one, drops axes of extent 1. Returns the new rank. */
int lower_collapse(int rank, int64_t *ext, View *const *s, int n);

/* ---- group.c: the program of a group ---- */
enum { GROUP_SRC = SCALAR_IN - 2 };
typedef struct GroupBody {
  const Scalar *program;
  bool acc; /* operand 0 is the tile of sums */
  int nsrc, nout;
  View src[SCALAR_IN];    /* operands after acc, in the group's space */
  NodeId out[SCALAR_OUT]; /* stored nodes */
  View dst[SCALAR_OUT];
} GroupBody;
void group_body(LowerCx *lo, const LowerGroup *gr, GroupBody *out);
/* The value of one elementwise node from stored values, as a program with one result (no acc). */
void group_expression(LowerCx *lo, NodeId n, GroupBody *out);
/* Whether the program of an expression computes m itself rather than reading it. */
bool lower_in_expression(const LowerCx *lo, NodeId m);
/* Emits the map over (acc and) the sources and the stores, at c. acc: tile number or -1. */
void group_emit(LowerKernel *m, const GroupBody *gb, const Coord *c, int acc);
const Scalar *lower_op_program(LowerCx *lo, NodeId n); /* of a scalar node */

/* Register tile of r rows and l lanes: rows a block (`more` blocks have one more), at most `widest` vectors
 * of 16 lanes. Returns cycles a k. */
double lower_tile_shape(LowerCx *lo, DType t, int64_t r, int64_t l, int side, int widest, int *rows,
                        int64_t *more, int *nv);

/* ---- small programs ---- */
const Scalar *program_of(Arena *a, const char *text, DType in, DType out); /* over x y z, all of type `in` */
const Scalar *program_sum(Arena *a, DType t);                              /* x + y */
const Scalar *program_fma(Arena *a, DType t); /* x*y + z: one rounding in floats, wrapping in integers */

/* ---- line.c: tiles over all axes but one, and a walk along that one ---- */
enum { LINE_AXIS = MAX_RANK - 1 }; /* the walked axis in a line's space */
typedef struct Line {
  LowerCx *lo;
  Tiling t;   /* over the kept axes, collapsed */
  int64_t n;  /* elements along the walked axis */
  bool lanes; /* the walk takes sixteen at a time, lanes along it; else one at a time, lanes over a kept axis
               */
  bool tree;  /* of the latter: a sum has the order of lanes all the same (line_tree) */
} Line;
/* Sources are rearranged into the line's space: kept axes first, the walked axis at LINE_AXIS. */
void line_begin(Line *l, LowerCx *lo, int rank, const int64_t *ext, int axis, bool lanes, View *const *s,
                int n);
/* One step of a walk: c is the tile's place in the full space (lanes: c->tail when the last step is not
 * full). */
typedef void LineStep(LowerKernel *m, const Coord *c, void *cx);
/* Elements lo + var*piece .. + n - 1 of the walk; start.k and start.v say where. */
void line_walk(LowerKernel *m, const Line *l, const Coord *kept, Affine start, int64_t n, int unroll,
               LineStep *step, void *cx);
/* Sum along the walk in pieces: part(m, kept, start, n, cx) leaves a piece's total in tile `part`; total: a
 * tile of the shape of part. Returns the tile that holds the result. */
typedef void LinePart(LowerKernel *m, const Coord *kept, Affine start, int64_t n, void *cx);
int line_pieces(LowerKernel *m, const Coord *kept, int64_t n, int64_t chunk, DType t, int part, LinePart *fn,
                void *cx);
int line_acc_cols(const Line *l, const Coord *kept); /* of an accumulator of the walk */
/* All elements of a short line, each from `start` on in a tile of its own, which step gets by *acc; then the
 * tree of a fold over those tiles. Returns the tile of the result. */
int line_tree(LowerKernel *m, const Line *l, const Coord *kept, DType t, ScalarValue start, const Scalar *op,
              LineStep *step, void *cx, int *acc);
void line_fill(LowerKernel *m, int tile, DType t, ScalarValue v);

void lower_elementwise(LowerCx *lo, const LowerGroup *gr);
/* A copy of n in row-major order unless its memory is that already; the plan buffer. */
uint32_t lower_plain(LowerCx *lo, NodeId n);
void lower_pad(LowerCx *lo, const LowerGroup *gr); /* interleaved */
void lower_copy(LowerCx *lo, NodeId node, int rank, const int64_t *ext, const View *from,
                uint32_t from_buffer, const View *to, uint32_t to_buffer);
/* All elements of a buffer of n's extents. */
void lower_fill(LowerCx *lo, NodeId n, uint32_t out, ScalarValue value);

/* ---- what lowering knows about an op: lower_ID, one per row of ops.def's structural part ---- */

/* A value on its way to memory: element `idx` of node n, over the axes of a space. */
typedef struct Walk {
  const LowerCx *lo;
  NodeId n;
  AxisAffine idx[MAX_RANK];
  View *out;
  NodeId *stuck;
} Walk;
typedef enum { WALK_ON, WALK_END, WALK_STUCK } WalkStep;

typedef struct LowerOp {
  Role role;                                          /* when it is alive */
  void (*kernels)(LowerCx *lo, const LowerGroup *gr); /* its own, with the group's epilogue */
  WalkStep (*through)(Walk *w);                       /* ROLE_MOVE: one step, from n to what it reads */
  bool (*own_kernels)(const LowerCx *lo,
                      NodeId n); /* ROLE_MOVE: a copy will not do when it must be materialised */
  uint32_t constant_in;          /* bits of operands that may be a constant and need no memory then */
  bool absorbs;                  /* may compute its operand from what is stored anyway */
} LowerOp;
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc)
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) extern const LowerOp lower_##id;
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
const LowerOp *lower_op(Op op); /* scalar rows: ROLE_ELEM */

/* ---- through.c ---- */
AxisAffine lower_row_major(const LowerCx *lo, NodeId n, const AxisAffine *idx);
/* The source of n when `at` is its flat index; false when n is no memory. */
MUST_USE bool lower_flat(const LowerCx *lo, NodeId n, AxisAffine at, View *out);

static inline AxisAffine axis_affine_zero(void) { return (AxisAffine){0}; }
static inline AxisAffine axis_affine_axis(int axis) {
  AxisAffine l = {0};
  l.c[axis] = 1;
  return l;
}
static inline AxisAffine axis_affine_add(AxisAffine a, AxisAffine b, int64_t times) {
  a.k += times * b.k;
  for (int i = 0; i < MAX_RANK; i++) a.c[i] += times * b.c[i];
  return a;
}
static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
/* n lanes with those that make their vectors whole. */
static inline int64_t lower_padded(int64_t n) { return ceil_div(n, KERNEL_LANES) * KERNEL_LANES; }
/* Columns of a tile over n lanes: whole vectors, `most` at most. */
static inline int lower_cols(int64_t n, int most) { return n >= most ? most : (int)lower_padded(n); }

#endif
