/* Building kernels, and what is read off them without analysis. */
#include "base/size.h"
#include "ir/kernel/internal.h"
#include "ir/scalar/literal.h"

Kernel *kernel_begin(KernelBuilder *b, Arena *a, Str name) {
  memset(b, 0, sizeof *b);
  b->arena = a;
  b->kernel = ARENA_NEW(a, Kernel);
  b->kernel->name = str_copy(a, name);
  b->at[0] = &b->kernel->root;
  return b->kernel;
}

int kernel_buffer(KernelBuilder *b, Str name, DType type, int64_t n, BufferKind kind) {
  Kernel *k = b->kernel;
  if (k->nbuffer == KERNEL_BUFFERS)
    mem_raise(b->arena->mem, ST_LIMIT, "kernel " STRF ": more than %d buffers", STRA(k->name),
              KERNEL_BUFFERS);
  k->buffer[k->nbuffer] =
      (KernelBuffer){.name = str_copy(b->arena, name), .type = (uint8_t)type, .kind = (uint8_t)kind, .n = n};
  return k->nbuffer++;
}

int kernel_tile(KernelBuilder *b, Str name, DType type, int rows, int cols) {
  Kernel *k = b->kernel;
  if (k->ntile == KERNEL_TILES)
    mem_raise(b->arena->mem, ST_LIMIT, "kernel " STRF ": more than %d tiles", STRA(k->name), KERNEL_TILES);
  if (rows < 1 || rows > KERNEL_ROWS || cols < 1 || cols > KERNEL_COLS)
    BUG(b->arena->mem, "kernel " STRF ": tile " STRF " of %d x %d", STRA(k->name), STRA(name), rows, cols);
  k->tile[k->ntile] = (KernelTile){str_copy(b->arena, name), (uint8_t)type, (uint16_t)rows, (uint16_t)cols};
  return k->ntile++;
}

static KernelStmt *add(KernelBuilder *b, StmtKind kind) {
  KernelStmt *s = ARENA_NEW(b->arena, KernelStmt);
  s->kind = kind;
  *b->at[b->depth] = s;
  b->at[b->depth] = &s->next;
  return s;
}

static KernelStmt *open_loop(KernelBuilder *b, LoopKind kind, int64_t extent, int unroll) {
  if (b->depth == KERNEL_LOOPS)
    mem_raise(b->arena->mem, ST_LIMIT, "kernel " STRF ": more than %d nested loops", STRA(b->kernel->name),
              KERNEL_LOOPS);
  KernelStmt *s = add(b, STMT_LOOP);
  s->loop.kind = kind;
  s->loop.depth = (uint8_t)b->depth;
  s->loop.extent = extent;
  s->loop.unroll = (uint16_t)(unroll < 1 || kind == LOOP_UNROLL ? 1 : unroll);
  b->at[++b->depth] = &s->loop.body;
  return s;
}
int kernel_loop(KernelBuilder *b, LoopKind kind, int64_t extent, int unroll) {
  return open_loop(b, kind, extent, unroll)->loop.depth;
}
int kernel_loop_clip(KernelBuilder *b, int64_t extent, Affine limit) {
  KernelStmt *s = open_loop(b, LOOP_SEQ, extent, 1);
  s->loop.clip = true;
  s->loop.limit = limit;
  return s->loop.depth;
}
void kernel_end(KernelBuilder *b) {
  if (b->depth == 0) BUG(b->arena->mem, "kernel " STRF ": no open loop to end", STRA(b->kernel->name));
  b->depth--;
}

void kernel_load(KernelBuilder *b, int tile, Access x) {
  KernelStmt *s = add(b, STMT_LOAD);
  s->mem.tile = (uint16_t)tile;
  s->mem.access = x;
}
void kernel_store(KernelBuilder *b, int tile, Access x) {
  KernelStmt *s = add(b, STMT_STORE);
  s->mem.tile = (uint16_t)tile;
  s->mem.access = x;
}
void kernel_map(KernelBuilder *b, const Scalar *p, int ndst, const int *dst, int nsrc,
                const KernelOperand *src) {
  if (ndst < 1 || ndst > KERNEL_DST || nsrc < 0 || nsrc > KERNEL_SRC)
    BUG(b->arena->mem, "kernel " STRF ": map of %d operands to %d tiles", STRA(b->kernel->name), nsrc, ndst);
  KernelStmt *s = add(b, STMT_MAP);
  s->map.program = p;
  s->map.ndst = (uint16_t)ndst;
  s->map.nsrc = (uint16_t)nsrc;
  for (int i = 0; i < ndst; i++) s->map.dst[i] = (uint16_t)dst[i];
  s->map.src = ARENA_ARRAY(b->arena, KernelOperand, (size_t)nsrc);
  for (int i = 0; i < nsrc; i++) s->map.src[i] = src[i];
}
void kernel_map1(KernelBuilder *b, const Scalar *p, int dst, int nsrc, const KernelOperand *src) {
  kernel_map(b, p, 1, &dst, nsrc, src);
}
void kernel_fill(KernelBuilder *b, int tile, double x) {
  ScalarBuilder *s = ARENA_NEW(b->arena, ScalarBuilder);
  scalar_begin(s, b->arena);
  scalar_output(s, scalar_number(s, (DType)b->kernel->tile[tile].type, x));
  kernel_map1(b, scalar_end(s), tile, 0, NULL);
}
void kernel_fold(KernelBuilder *b, FoldOp op, int dst, int src) {
  KernelStmt *s = add(b, STMT_FOLD);
  s->fold.op = op;
  s->fold.dst = (uint16_t)dst;
  s->fold.src = (uint16_t)src;
}

/* ---- places ---- */

Affine affine(int64_t k) { return (Affine){.k = k}; }
Affine affine_add(Affine a, int var, int64_t coef) {
  if (var < 0)
    a.k += coef;
  else
    a.v[var] += coef;
  return a;
}
Affine affine_sum(Affine a, Affine b, int64_t times) {
  a.k += times * b.k;
  for (int i = 0; i < KERNEL_LOOPS; i++) a.v[i] += times * b.v[i];
  return a;
}
bool affine_eq(const Affine *a, const Affine *b) {
  bool same = a->k == b->k;
  for (int i = 0; i < KERNEL_LOOPS; i++) same &= a->v[i] == b->v[i];
  return same;
}
bool place_eq(const Place *a, const Place *b) {
  return affine_eq(&a->a, &b->a) && a->r == b->r && a->c == b->c;
}
Access access_at(int buffer, Affine a, int64_t row_stride, int64_t col_stride) {
  return (Access){.buffer = (int16_t)buffer, .index = -1, .at = {a, row_stride, col_stride}};
}
Access access_guard(Access x, Affine a, int64_t r, int64_t c, int64_t extent) {
  if (x.nguard < KERNEL_GUARDS) x.guard[x.nguard] = (Guard){{a, r, c}, extent};
  x.nguard++;
  return x;
}
Access access_pad(Access x, DType t, double pad) {
  x.pad = literal_from(dtype_compute(t), pad);
  return x;
}
Access access_index(Access x, int index, Affine a, int64_t r, int64_t c, int64_t scale,
                    int64_t index_extent) {
  x.index = (int16_t)index;
  x.index_at = (Place){a, r, c};
  x.scale = scale;
  x.index_extent = index_extent;
  return x;
}
KernelOperand operand_tile(const KernelBuilder *b, int tile) {
  const KernelTile *t = &b->kernel->tile[tile];
  return (KernelOperand){.kind = OPERAND_TILE,
                         .type = t->type,
                         .tile = (uint16_t)tile,
                         .rows = t->rows,
                         .cols = t->cols,
                         .access.index = -1};
}
KernelOperand operand_memory(const KernelBuilder *b, int rows, int cols, Access x) {
  return (KernelOperand){.kind = OPERAND_MEMORY,
                         .type = (uint8_t)dtype_compute((DType)b->kernel->buffer[x.buffer].type),
                         .rows = (uint16_t)rows,
                         .cols = (uint16_t)cols,
                         .access = x};
}
KernelOperand operand_coord(int rows, int cols, Affine a, int64_t r, int64_t c) {
  return (KernelOperand){.kind = OPERAND_COORD,
                         .type = DT_I32,
                         .rows = (uint16_t)rows,
                         .cols = (uint16_t)cols,
                         .access = {.index = -1, .at = {a, r, c}}};
}

/* ---- reading ---- */

int64_t kernel_units(const Kernel *k) {
  int64_t n = 0;
  for (const KernelStmt *s = k->root; s; s = s->next) n += s->loop.extent;
  return n;
}

KernelCut kernel_cut(Arena *a, const Kernel *k) {
  KernelCut c = {0};
  for (const KernelStmt *s = k->root; s; s = s->next) c.n++;
  int64_t *start = ARENA_ARRAY(a, int64_t, c.n + 1);
  c.start = start;
  for (const KernelStmt *s = k->root; s; s = s->next, start++) start[1] = start[0] + s->loop.extent;
  return c;
}

int64_t kernel_scratch_bytes(const Kernel *k, int buffer) {
  const KernelBuffer *b = &k->buffer[buffer];
  int64_t bytes;
  if (b->kind != BUFFER_SCRATCH || !i64_mul(b->n, (int64_t)dtype_bytes((DType)b->type), &bytes)) return 0;
  return bytes;
}
