/* Kernel IR: what native code is made from. A kernel is a list of independent `par` loops over a tree of four
 * statements: load, store, map (all arithmetic: a scalar program over broadcasting operands) and fold (the
 * 16-lane tree), plus loops. Tiles are registers of R rows x C columns, C = 1 or a multiple of 16,
 * assignable: what a loop carries is derived. A *unit* is one trip of a top loop, counted through all top
 * loops in order; units are independent, in any order, on any thread. Every sum's order is program order, so
 * nothing after this can change bits. Text form and rules: docs/kernel.md. */
#ifndef DG_IR_KERNEL_H
#define DG_IR_KERNEL_H

#include "ir/scalar/scalar.h"

enum {
  KERNEL_LANES = 16,
  KERNEL_LOOPS = 10, /* nesting */
  KERNEL_GUARDS = 4, /* of one access */
  KERNEL_BUFFERS = 64,
  KERNEL_TILES = 256,
  KERNEL_SRC = SCALAR_IN,
  KERNEL_DST = SCALAR_OUT,
  KERNEL_ROWS = 256, /* of a tile */
  KERNEL_COLS = 1024,
};

/* value = k + sum of v[i] * (loop variable of depth i) */
typedef struct Affine {
  int64_t k, v[KERNEL_LOOPS];
} Affine;
/* affine + r * row + c * column of the tile element */
typedef struct Place {
  Affine a;
  int64_t r, c;
} Place;
/* holds iff 0 <= at < extent */
typedef struct Guard {
  Place at;
  int64_t extent;
} Guard;

/* Where a tile element lives: buffer[at], or buffer[at + scale * index[index_at]]. All guards must hold, and
 * the index must satisfy 0 <= index < index_extent; else a load yields pad and a store does nothing. Guards
 * see places only. */
typedef struct Access {
  int16_t buffer, index; /* index: an i32 buffer, -1 for none */
  uint8_t nguard;
  bool stream; /* store: bypasses the cache; the address is 64-byte aligned for every vector */
  int64_t scale, index_extent;
  Place at, index_at;
  Guard guard[KERNEL_GUARDS];
  ScalarValue
      pad; /* of the buffer's compute type. Identity of a sum is -0 (flushing makes +0 none), of max -inf */
} Access;

typedef enum { BUFFER_IN, BUFFER_OUT, BUFFER_SCRATCH } BufferKind;
/* BOOL: 32-bit words 0 or 1. Of a stored type: tiles and operands have its compute type, a load widens, a
 * store to bf16 keeps the upper half of an f32 (which the program has rounded), u8 is not stored to. */
typedef struct KernelBuffer {
  Str name;
  uint8_t type, kind; /* DType, BufferKind. OUT may also be read. SCRATCH: one per worker, contents dead
                         between units */
  int64_t n;          /* elements */
} KernelBuffer;

typedef struct KernelTile {
  Str name;
  uint8_t type;
  uint16_t rows, cols;
} KernelTile;

typedef enum { OPERAND_TILE, OPERAND_MEMORY, OPERAND_COORD } OperandKind;
/* Shape R x C, 1 x C, R x 1 or 1 x 1 against the map's R x C: extents of 1 broadcast.
 * MEMORY loads at the use. COORD is the i32 value of access.at. */
typedef struct KernelOperand {
  uint8_t kind, type; /* OperandKind, DType */
  uint16_t tile, rows, cols;
  Access access;
} KernelOperand;

typedef enum { STMT_LOOP, STMT_LOAD, STMT_STORE, STMT_MAP, STMT_FOLD } StmtKind;
/* SWEEP: all of a unit, right under PAR; its trips share no tile and no scratch. Code may go round all units
 * of a call in each trip: what a trip reads again and again then stays in the caches. */
typedef enum { LOOP_PAR, LOOP_SEQ, LOOP_UNROLL, LOOP_SWEEP } LoopKind;
typedef enum {
  FOLD_SUM,
  FOLD_MAX,
  FOLD_MIN
} FoldOp; /* sum and floats: as add, min, max of scalar programs; min, max on integers */

typedef struct KernelStmt KernelStmt;
struct KernelStmt {
  StmtKind kind;
  KernelStmt *next;
  union {
    struct {
      LoopKind kind;
      uint8_t depth;   /* the variable's number */
      uint16_t unroll; /* SEQ: trips per copy of the body, at least 1; UNROLL: all */
      bool clip;       /* SEQ: runs min(extent, limit) times, perhaps none */
      int64_t extent;  /* at least 1 */
      Affine limit;
      KernelStmt *body;
    } loop;
    struct {
      uint16_t tile;
      Access access;
    } mem; /* LOAD, STORE */
    struct {
      const Scalar *program;
      uint16_t ndst, nsrc;
      uint16_t dst[KERNEL_DST];
      KernelOperand *src;
    } map; /* reads all operands of an element before it writes; a dst may be an operand of the same shape */
    struct {
      FoldOp op;
      uint16_t dst, src;
    } fold; /* columns of src (>= 16) to one column: 16 lane-strided chains, then lane i takes i+8, i+4, i+2,
               i+1 */
  };
};

typedef struct Kernel {
  Str name;
  uint16_t nbuffer, ntile;
  KernelBuffer buffer[KERNEL_BUFFERS];
  KernelTile tile[KERNEL_TILES];
  KernelStmt *root; /* LOOP_PAR only */
} Kernel;

/* Native code and its argument: one pointer per buffer, in order. Runtime scalars are buffers of one element.
 */
typedef void KernelFn(void *const *buf, int64_t lo, int64_t hi);

/* ---- building ---- */
typedef struct KernelBuilder {
  Arena *arena;
  Kernel *kernel;
  KernelStmt **at[KERNEL_LOOPS + 1]; /* where the next statement of each open loop goes */
  int depth;
} KernelBuilder;

Kernel *kernel_begin(KernelBuilder *b, Arena *a, Str name);
int kernel_buffer(KernelBuilder *b, Str name, DType type, int64_t n,
                  BufferKind kind); /* exceeding a cap raises ST_LIMIT */
int kernel_tile(KernelBuilder *b, Str name, DType type, int rows, int cols);
int kernel_loop(KernelBuilder *b, LoopKind kind, int64_t extent,
                int unroll); /* opens; returns the variable's number */
int kernel_loop_clip(KernelBuilder *b, int64_t extent, Affine limit);
void kernel_end(KernelBuilder *b); /* closes the innermost loop */
void kernel_load(KernelBuilder *b, int tile, Access x);
void kernel_store(KernelBuilder *b, int tile, Access x);
void kernel_map(KernelBuilder *b, const Scalar *p, int ndst, const int *dst, int nsrc,
                const KernelOperand *src);
void kernel_map1(KernelBuilder *b, const Scalar *p, int dst, int nsrc, const KernelOperand *src);
void kernel_fill(KernelBuilder *b, int tile, double x); /* map {x} */
void kernel_fold(KernelBuilder *b, FoldOp op, int dst, int src);

Affine affine(int64_t k);
Affine affine_add(Affine a, int var, int64_t coef);   /* var -1: the constant */
Affine affine_sum(Affine a, Affine b, int64_t times); /* a + times * b */
bool affine_eq(const Affine *a, const Affine *b);
bool place_eq(const Place *a, const Place *b);
Access access_at(int buffer, Affine a, int64_t row_stride, int64_t col_stride);
Access access_guard(Access x, Affine a, int64_t r, int64_t c,
                    int64_t extent); /* raises nothing: more than KERNEL_GUARDS fails verification */
Access access_pad(Access x, DType t, double pad);
Access access_index(Access x, int index, Affine a, int64_t r, int64_t c, int64_t scale, int64_t index_extent);
KernelOperand operand_tile(const KernelBuilder *b, int tile);
KernelOperand operand_memory(const KernelBuilder *b, int rows, int cols, Access x);
KernelOperand operand_coord(int rows, int cols, Affine a, int64_t r, int64_t c);

/* ---- reading ---- */
int64_t kernel_units(const Kernel *k);
/* The top loops of a kernel: where each one's units begin, then all units. step_cut cuts them into pieces. */
typedef struct KernelCut {
  uint32_t n;
  const int64_t *start; /* n + 1 */
} KernelCut;
KernelCut kernel_cut(Arena *a, const Kernel *k);
int64_t kernel_scratch_bytes(const Kernel *k, int buffer); /* 0 when not scratch */
/* Shapes, types, definite assignment, depths, and every access within its buffer, by interval analysis that
 * knows the guards. False: *why names kernel, statement and reason. */
MUST_USE bool kernel_verify(const Kernel *k, Sb *why);
/* Proves that no unit writes what another reads or writes (scratch excepted; an index operand on a store
 * proves nothing unless another term keeps units apart). False: not proved; *why names the pair. */
MUST_USE bool kernel_independent(const Kernel *k, Sb *why);

void kernel_print(const Kernel *k, Sb *b);
MUST_USE bool kernel_parse(Arena *a, Str text, Kernel **out, Sb *why); /* one kernel as printed */
/* A structural hash: all but the names, in two words of 64 bits. Equal ids are taken for equal kernels and
 * get one native function. */
typedef struct KernelId {
  uint64_t w[2];
} KernelId;
KernelId kernel_id(const Kernel *k);
static inline bool kernel_id_eq(KernelId a, KernelId b) { return a.w[0] == b.w[0] && a.w[1] == b.w[1]; }
Kernel *kernel_copy(Arena *a, const Kernel *k); /* nothing is shared with k */

/* The slow evaluator, without LLVM: units lo..hi-1. The caller has set FTZ and DAZ. scratch arena is rewound.
 * An access out of bounds (impossible after kernel_verify) is a BUG. */
void kernel_eval(const Kernel *k, void *const *buf, int64_t lo, int64_t hi, Arena *scratch);

#endif
