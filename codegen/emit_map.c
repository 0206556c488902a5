/* map: all arithmetic. Rows are unrolled, so that a tile stays in registers; a long program over many rows is
 * a loop over them, its tiles on the stack: the arithmetic costs more than they do, and code is generated for
 * one row. */
#include "codegen/emit.h"

typedef struct Source { /* an operand, opened; what repeats over rows is kept */
  const KernelOperand *o;
  Opened mem;
  AxisAffine coord;
  Val *row; /* one value per vector, for operands of one row */
  Val one;  /* the row's value, for operands of one column */
  Val *all; /* every value, for memory that is loaded as a tile; else NULL */
} Source;

static Val source_value(Emit *e, const Source *s, int r, int j) {
  const KernelOperand *o = s->o;
  int rr = o->rows == 1 ? 0 : r, jj = o->cols == 1 ? 0 : j;
  switch ((OperandKind)o->kind) {
  case OPERAND_TILE: return e->tile[o->tile][rr * emit_vectors(e, o->cols) + jj];
  case OPERAND_MEMORY: return emit_load(e, &s->mem, (Spot){rr, jj * e->lanes, e->lanes, o->cols == 1});
  case OPERAND_COORD: break;
  }
  const Place *p = &o->access.at;
  Val k = emit_iota(e, e->i32, s->coord.k + p->r * rr + p->c * jj * e->lanes, o->cols == 1 ? 0 : p->c);
  if (!s->coord.dyn) return k;
  return LLVMBuildAdd(e->b, emit_splat(e, LLVMBuildTrunc(e->b, s->coord.dyn, e->i32, "")), k, "");
}

static Val source_at(Emit *e, Source *s, int r, int j) {
  bool one_row = s->o->rows == 1, one_col = s->o->cols == 1;
  if (s->all) return s->all[r * emit_vectors(e, s->o->cols) + j];
  if (s->o->kind == OPERAND_TILE) return source_value(e, s, r, j);
  if (one_row) {
    int at = one_col ? 0 : j;
    if (!s->row[at]) s->row[at] = source_value(e, s, 0, at);
    return s->row[at];
  }
  if (one_col && j > 0) return s->one;
  return s->one = source_value(e, s, r, j);
}

/* Whether two of a tile function's pointers lead into one buffer. */
static bool may_meet(const Emit *e, int a, int b) {
  return a == b || (e->param && e->k->buffer[a].n == e->k->buffer[b].n);
}

int64_t emit_columns(const Access *x, int cols) {
  int64_t n = cols;
  for (int i = 0; i < x->nguard; i++) {
    const Guard *g = &x->guard[i];
    if (g->at.r == 0 && g->at.c == 1 && g->extent < n) n = g->extent;
  }
  return n;
}

/* May the elements of a map be stored one vector at a time, before later ones are read? What is read of the
 * same buffer must then be the element that is stored, and no other element may lie there. */
static bool stores_early(const Emit *e, const KernelStmt *map, const KernelStmt *store) {
  const Access *x = &store->mem.access;
  const KernelTile *t = &e->k->tile[store->mem.tile];
  bool result = false;
  for (int i = 0; i < map->map.ndst; i++) result |= map->map.dst[i] == store->mem.tile;
  if (!result || x->index >= 0 || x->at.c != 1 || !emit_stores_vectors(e, x, t)) return false;
  int64_t columns = emit_columns(x, t->cols);
  bool apart = t->rows == 1 || x->at.r >= columns || x->at.r <= -columns;
  for (int i = 0; i < map->map.nsrc; i++) {
    const KernelOperand *o = &map->map.src[i];
    if (o->kind != OPERAND_MEMORY) continue;
    if (o->access.index == x->buffer) return false;
    if (!may_meet(e, o->access.buffer, x->buffer)) continue;
    if (!apart || o->access.buffer != x->buffer || o->access.index >= 0 || o->rows != t->rows ||
        o->cols != t->cols || !place_eq(&o->access.at, &x->at))
      return false;
  }
  return true;
}

/* How many of the statements behind a map store its results, each to a buffer of its own, and may do so
 * early. Results of a tile with several arrays are more than the registers hold. */
int emit_early_stores(const Emit *e, const KernelStmt *map) {
  int n = 0;
  for (const KernelStmt *s = map->next; s && s->kind == STMT_STORE && n < KERNEL_DST; s = s->next, n++) {
    if (!stores_early(e, map, s)) break;
    for (const KernelStmt *q = map->next; q != s; q = q->next)
      if (may_meet(e, q->mem.access.buffer, s->mem.access.buffer)) return n;
  }
  return n;
}

/* Memory that is loaded as a tile. */
static bool loads_whole(const Emit *e, const KernelOperand *o) {
  return o->kind == OPERAND_MEMORY && o->rows > 1 && emit_prefers_tile(e, &o->access, o->rows, o->cols);
}

/* A long program is one chain, as long as what a core looks ahead: two vectors go through it abreast. */
enum { ABREAST_LEAST = 20 };

static void take(Emit *e, const KernelStmt *s, int at, const EmitOut *out) {
  for (int i = 0; i < s->map.ndst; i++) e->tile[s->map.dst[i]][at] = out->v[i];
}

/* Computes `rows` rows of the map and does the `n` stores behind it. */
static void unrolled(Emit *e, const KernelStmt *s, int n_store, int rows) {
  Opened to[KERNEL_DST];
  const KernelStmt *store = s->next;
  for (int i = 0; i < n_store; i++, store = store->next) to[i] = emit_open(e, &store->mem.access);
  const KernelTile *d = &e->k->tile[s->map.dst[0]];
  int n = emit_vectors(e, d->cols);
  Source src[KERNEL_SRC];
  EmitIn in[EMIT_ABREAST];
  EmitOut out[EMIT_ABREAST];
  for (int i = 0; i < s->map.nsrc; i++) {
    src[i] = (Source){.o = &s->map.src[i], .row = ARENA_ARRAY(e->arena, Val, (size_t)n)};
    const KernelOperand *o = src[i].o;
    if (loads_whole(e, o)) {
      src[i].all = ARENA_ARRAY(e->arena, Val, (size_t)(o->rows * n)); /* size-ok: a tile fits the registers */
      emit_load_tile(e, &o->access, &(KernelTile){.type = o->type, .rows = o->rows, .cols = o->cols},
                     src[i].all);
    } else if (o->kind == OPERAND_MEMORY) {
      src[i].mem = emit_open(e, &o->access);
    }
    if (src[i].o->kind == OPERAND_COORD) src[i].coord = emit_affine(e, &src[i].o->access.at.a);
  }
  int most = s->map.program->nins < ABREAST_LEAST ? 1 : EMIT_ABREAST;
  for (int r = 0; r < rows; r++)
    for (int j = 0, many; j < n; j += many) {
      many = n - j < most ? n - j : most;
      for (int v = 0; v < many; v++)
        for (int i = 0; i < s->map.nsrc; i++) in[v].v[i] = source_at(e, &src[i], r, j + v);
      emit_program(e, s->map.program, many, in, out);
      for (int v = 0; v < many; v++) take(e, s, r * n + j + v, &out[v]);
      store = s->next;
      for (int i = 0; i < n_store; i++, store = store->next)
        for (int v = 0; v < many; v++)
          emit_store(e, &to[i], (Spot){r, (j + v) * e->lanes, e->lanes, false},
                     e->tile[store->mem.tile][r * n + j + v]);
    }
  for (int i = 0; i < s->map.ndst; i++) e->set[s->map.dst[i]] = true;
}

/* ---- a loop over rows ---- */

enum { ROW = KERNEL_LOOPS - 1, ROWS_LEAST = 4, LONG_PROGRAM = 8, STACK_MOST = 4096 };

/* Whether a place of the stack has room for rows x cols elements. A vector of bools has no bytes of its own.
 */
static bool stack_takes(const Emit *e, DType t, int rows, int cols) {
  size_t elements = (size_t)(rows * emit_vectors(e, cols) * e->lanes); /* size-ok: at most 256 x 1024 */
  return t != DT_BOOL && elements * dtype_bytes(t) <= STACK_MOST;      /* size-ok: as above */
}
static bool stack_takes_tile(const Emit *e, int tile) {
  const KernelTile *t = &e->k->tile[tile];
  return stack_takes(e, (DType)t->type, t->rows, t->cols);
}

static bool loops_over_rows(const Emit *e, const KernelStmt *s) {
  bool ok = e->k->tile[s->map.dst[0]].rows >= ROWS_LEAST && s->map.program->nins >= LONG_PROGRAM &&
            e->loops < KERNEL_LOOPS;
  for (int i = 0; i < s->map.ndst && ok; i++) ok = stack_takes_tile(e, s->map.dst[i]);
  for (int i = 0; i < s->map.nsrc && ok; i++) {
    const KernelOperand *o = &s->map.src[i];
    if (o->kind == OPERAND_TILE) ok = stack_takes_tile(e, o->tile);
    if (loads_whole(e, o)) ok = stack_takes(e, (DType)o->type, o->rows, o->cols);
  }
  return ok;
}

/* Place i of the function's stack for such loops: one after another uses the same. */
static Val stack_place(Emit *e, int i) {
  if (e->stack[i]) return e->stack[i];
  LLVMBasicBlockRef now = LLVMGetInsertBlock(e->b), entry = LLVMGetEntryBasicBlock(e->fn);
  Val first = LLVMGetFirstInstruction(entry);
  if (first)
    LLVMPositionBuilderBefore(e->b, first);
  else
    LLVMPositionBuilderAtEnd(e->b, entry);
  e->stack[i] = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i8, STACK_MOST), "");
  LLVMSetAlignment(e->stack[i], 64);
  LLVMPositionBuilderAtEnd(e->b, now);
  return e->stack[i];
}

/* Value j of row r (NULL: of the current row) of a tile of n values a row. */
static Val stack_at(Emit *e, int place, LLVMTypeRef type, Val row, int n, int j) {
  Val at = emit_i64(e, j);
  if (row) at = LLVMBuildAdd(e->b, LLVMBuildMul(e->b, row, emit_i64(e, n), ""), at, "");
  return LLVMBuildGEP2(e->b, type, stack_place(e, place), &at, 1, "");
}
static void stack_put(Emit *e, int place, Val row, int n, int j, Val v) {
  LLVMBuildStore(e->b, v, stack_at(e, place, LLVMTypeOf(v), row, n, j));
}
static Val stack_get(Emit *e, int place, DType t, Val row, int n, int j) {
  return LLVMBuildLoad2(e->b, e->vec[t], stack_at(e, place, e->vec[t], row, n, j), "");
}

static void move_row(Place *p) { /* the row is a loop's variable */
  p->a.v[ROW] = p->r;
  p->r = 0;
}
static Access of_row(const Access *x) {
  Access y = *x;
  move_row(&y.at);
  for (int i = 0; i < y.nguard; i++) move_row(&y.guard[i].at);
  if (y.index >= 0) move_row(&y.index_at);
  return y;
}

/* Operand i of one row. What is a tile is on the stack at place i; what repeats is loaded before. Stands for
 * it: a tile behind the kernel's own, of the current row. True: it is on the stack. */
static bool operand_of_row(Emit *e, KernelOperand *o, int i) {
  const KernelOperand was = *o;
  int slot = KERNEL_TILES + i, n = emit_vectors(e, o->cols);
  bool repeats = was.rows == 1, tile = was.kind == OPERAND_TILE, whole = loads_whole(e, &was);
  o->rows = 1;
  if ((tile || was.kind == OPERAND_COORD) && repeats) return false;
  if (!tile && !whole && !repeats) {
    o->access = of_row(&was.access);
    return false;
  }
  Val *v =
      tile ? e->tile[was.tile] : ARENA_ARRAY(e->arena, Val, (size_t)(was.rows * n)); /* size-ok: of a tile */
  if (!tile) {
    KernelTile t = {.type = was.type, .rows = was.rows, .cols = was.cols};
    emit_load_tile(e, &was.access, &t, v);
  }
  o->kind = OPERAND_TILE;
  o->tile = (uint16_t)slot;
  e->tile[slot] = repeats ? v : ARENA_ARRAY(e->arena, Val, (size_t)n);
  for (int k = 0; !repeats && k < was.rows * n; k++) stack_put(e, i, NULL, n, k, v[k]);
  return !repeats;
}

/* Tiles that something else reads than the stores behind the map. */
static bool is_kept(const Emit *e, const KernelStmt *s, int dst, int n_store) {
  uint32_t reads = e->reads[dst];
  for (const KernelStmt *q = s->next; n_store-- > 0; q = q->next) reads -= q->mem.tile == dst;
  return reads > 0;
}

static void rows_in_loop(Emit *e, const KernelStmt *s, int n_store) {
  const KernelTile *d = &e->k->tile[s->map.dst[0]];
  int n = emit_vectors(e, d->cols);
  bool staged[KERNEL_SRC], kept[KERNEL_DST];
  KernelStmt one = *s, store[KERNEL_DST], *at = &one;
  one.map.src = ARENA_ARRAY(e->arena, KernelOperand, s->map.nsrc);
  for (int i = 0; i < s->map.nsrc; i++) {
    one.map.src[i] = s->map.src[i];
    staged[i] = operand_of_row(e, &one.map.src[i], i);
  }
  for (int i = 0; i < n_store; i++, at = at->next) {
    store[i] = *at->next;
    store[i].mem.access = of_row(&store[i].mem.access);
    at->next = &store[i];
  }
  LLVMBasicBlockRef pre = LLVMGetInsertBlock(e->b),
                    head = LLVMAppendBasicBlockInContext(e->context, e->fn, ""),
                    out = LLVMAppendBasicBlockInContext(e->context, e->fn, "");
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, head);
  Val r = LLVMBuildPhi(e->b, e->i64, "");
  e->var[ROW] = (AxisAffine){r, 0, 0, d->rows - 1};
  for (int i = 0; i < s->map.nsrc; i++) {
    const KernelOperand *o = &one.map.src[i];
    int m = emit_vectors(e, o->cols);
    for (int j = 0; staged[i] && j < m; j++) e->tile[o->tile][j] = stack_get(e, i, (DType)o->type, r, m, j);
  }
  unrolled(e, &one, n_store, 1);
  for (int i = 0; i < s->map.ndst; i++) {
    kept[i] = is_kept(e, s, s->map.dst[i], n_store);
    for (int j = 0; kept[i] && j < n; j++) stack_put(e, KERNEL_SRC + i, r, n, j, e->tile[s->map.dst[i]][j]);
  }
  Val next = LLVMBuildAdd(e->b, r, emit_i64(e, 1), "");
  LLVMBasicBlockRef end = LLVMGetInsertBlock(e->b);
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, emit_i64(e, d->rows), ""), head, out);
  LLVMAddIncoming(r, (Val[]){emit_i64(e, 0), next}, (LLVMBasicBlockRef[]){pre, end}, 2);
  LLVMPositionBuilderAtEnd(e->b, out);
  e->var[ROW] = (AxisAffine){0};
  for (int i = 0; i < s->map.ndst; i++) {
    DType t = (DType)e->k->tile[s->map.dst[i]].type;
    for (int k = 0; k < d->rows * n; k++)
      e->tile[s->map.dst[i]][k] =
          kept[i] ? stack_get(e, KERNEL_SRC + i, t, NULL, n, k) : LLVMGetPoison(e->vec[t]);
  }
}

void emit_map(Emit *e, const KernelStmt *s, int n_store) {
  if (loops_over_rows(e, s))
    rows_in_loop(e, s, n_store);
  else
    unrolled(e, s, n_store, e->k->tile[s->map.dst[0]].rows);
}
