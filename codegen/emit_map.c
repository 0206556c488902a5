/* map: all arithmetic. Rows are unrolled, so that a tile stays in registers. */
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

static bool same_place(const Place *a, const Place *b) {
  bool same = a->a.k == b->a.k && a->r == b->r && a->c == b->c;
  for (int i = 0; i < KERNEL_LOOPS; i++) same &= a->a.v[i] == b->a.v[i];
  return same;
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
        o->cols != t->cols || !same_place(&o->access.at, &x->at))
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

/* Computes `rows` rows of the map and does the `n` stores behind it. */
static void unrolled(Emit *e, const KernelStmt *s, int n_store, int rows) {
  Opened to[KERNEL_DST];
  const KernelStmt *store = s->next;
  for (int i = 0; i < n_store; i++, store = store->next) to[i] = emit_open(e, &store->mem.access);
  const KernelTile *d = &e->k->tile[s->map.dst[0]];
  int n = emit_vectors(e, d->cols);
  Source src[KERNEL_SRC];
  Val in[KERNEL_SRC], out[KERNEL_DST];
  for (int i = 0; i < s->map.nsrc; i++) {
    src[i] = (Source){.o = &s->map.src[i], .row = ARENA_ARRAY(e->arena, Val, (size_t)n)};
    const KernelOperand *o = src[i].o;
    if (o->kind == OPERAND_MEMORY && o->rows > 1 && o->cols > 1 &&
        emit_prefers_tile(e, &o->access, o->rows, o->cols)) {
      src[i].all = ARENA_ARRAY(e->arena, Val, (size_t)(o->rows * n)); /* size-ok: a tile fits the registers */
      emit_load_tile(e, &o->access, &(KernelTile){.type = o->type, .rows = o->rows, .cols = o->cols},
                     src[i].all);
    } else if (o->kind == OPERAND_MEMORY) {
      src[i].mem = emit_open(e, &o->access);
    }
    if (src[i].o->kind == OPERAND_COORD) src[i].coord = emit_affine(e, &src[i].o->access.at.a);
  }
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < n; j++) {
      for (int i = 0; i < s->map.nsrc; i++) in[i] = source_at(e, &src[i], r, j);
      emit_program(e, s->map.program, in, out);
      for (int i = 0; i < s->map.ndst; i++) e->tile[s->map.dst[i]][r * n + j] = out[i];
      store = s->next;
      for (int i = 0; i < n_store; i++, store = store->next)
        emit_store(e, &to[i], (Spot){r, j * e->lanes, e->lanes, false}, e->tile[store->mem.tile][r * n + j]);
    }
  for (int i = 0; i < s->map.ndst; i++) e->set[s->map.dst[i]] = true;
}

void emit_map(Emit *e, const KernelStmt *s, int n_store) {
  unrolled(e, s, n_store, e->k->tile[s->map.dst[0]].rows);
}
