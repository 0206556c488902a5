/* The walk: loops, statements, and which tiles become phi nodes. Tiles are SSA values; a loop carries what
 * its body reads before it writes it, so accumulators stay in registers without any pass. */
#include "codegen/emit.h"

#include "ir/kernel/internal.h"

/* Tiles the list reads before writing them for certain (in), and those it may write (def). */
static void flow(const KernelStmt *s, TileSet *in, TileSet *sure, TileSet *def) {
  for (; s; s = s->next) switch (s->kind) {
    case STMT_LOOP: {
      TileSet inner = {{0}}, local = *sure;
      flow(s->loop.body, in, &local, &inner);
      for (size_t i = 0; i < sizeof inner.w / sizeof *inner.w; i++) {
        if (s->loop.clip) in->w[i] |= inner.w[i] & ~sure->w[i]; /* may not run: then the old value goes on */
        def->w[i] |= inner.w[i];
      }
      if (!s->loop.clip) *sure = local;
      break;
    }
    case STMT_LOAD:
      tileset_add(sure, s->mem.tile);
      tileset_add(def, s->mem.tile);
      break;
    case STMT_STORE:
      if (!tileset_has(sure, s->mem.tile)) tileset_add(in, s->mem.tile);
      break;
    case STMT_FOLD:
      if (!tileset_has(sure, s->fold.src)) tileset_add(in, s->fold.src);
      tileset_add(sure, s->fold.dst);
      tileset_add(def, s->fold.dst);
      break;
    case STMT_MAP:
      for (int i = 0; i < s->map.nsrc; i++)
        if (s->map.src[i].kind == OPERAND_TILE && !tileset_has(sure, s->map.src[i].tile))
          tileset_add(in, s->map.src[i].tile);
      for (int i = 0; i < s->map.ndst; i++) {
        tileset_add(sure, s->map.dst[i]);
        tileset_add(def, s->map.dst[i]);
      }
      break;
    }
}

static int values_of(const Emit *e, int tile) {
  return e->k->tile[tile].rows * emit_vectors(e, e->k->tile[tile].cols);
}

/* ---- map and fold ---- */

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

/* May the elements of a map be stored one vector at a time, before later ones are read? What is read of the
 * same buffer must then be the element that is stored, and no other element may lie there. */
static bool stores_early(const Emit *e, const KernelStmt *map, const KernelStmt *store) {
  const Access *x = &store->mem.access;
  const KernelTile *t = &e->k->tile[store->mem.tile];
  bool result = false;
  for (int i = 0; i < map->map.ndst; i++) result |= map->map.dst[i] == store->mem.tile;
  if (!result || x->index >= 0 || x->at.c != 1 || !emit_stores_vectors(e, x, t)) return false;
  bool apart = t->rows == 1 || x->at.r >= t->cols || x->at.r <= -t->cols;
  for (int i = 0; i < map->map.nsrc; i++) {
    const KernelOperand *o = &map->map.src[i];
    if (o->kind != OPERAND_MEMORY) continue;
    if (o->access.index == x->buffer) return false;
    if (o->access.buffer != x->buffer) continue;
    if (!apart || o->access.index >= 0 || o->rows != t->rows || o->cols != t->cols ||
        !same_place(&o->access.at, &x->at))
      return false;
  }
  return true;
}

/* How many of the statements behind a map store its results, each to a buffer of its own, and may do so
 * early. Results of a tile with several arrays are more than the registers hold. */
static int early_stores(const Emit *e, const KernelStmt *map) {
  int n = 0;
  for (const KernelStmt *s = map->next; s && s->kind == STMT_STORE && n < KERNEL_DST; s = s->next, n++) {
    if (!stores_early(e, map, s)) break;
    for (const KernelStmt *q = map->next; q != s; q = q->next)
      if (q->mem.access.buffer == s->mem.access.buffer) return n;
  }
  return n;
}

/* Computes the map and does the `n` stores behind it. */
static void emit_map(Emit *e, const KernelStmt *s, int n_store) {
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
  for (int r = 0; r < d->rows; r++)
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

static Val fold_two(Emit *e, FoldOp op, DType t, Val a, Val b) {
  ScalarOp o = op == FOLD_SUM ? SC_ADD : op == FOLD_MAX ? SC_MAX : SC_MIN;
  return emit_instruction(e, &(ScalarIns){.op = (uint8_t)o, .type = (uint8_t)t, .result = (uint8_t)t}, a, b,
                          b);
}

/* 16 lane-strided chains, then lane i takes i + 8, + 4, + 2, + 1. Chains lie in 16 / lanes vectors; what
 * remains inside one vector is rotated, which leaves the result in every lane with the same bits (the
 * operations commute). */
static void emit_fold(Emit *e, const KernelStmt *s) {
  const KernelTile *t = &e->k->tile[s->fold.src];
  DType ty = (DType)t->type;
  int n = emit_vectors(e, t->cols), parts = KERNEL_LANES / e->lanes, index[KERNEL_LANES];
  for (int r = 0; r < t->rows; r++) {
    Val acc[4];
    const Val *x = &e->tile[s->fold.src][r * n];
    for (int j = 0; j < n; j++)
      acc[j % parts] = j < parts ? x[j] : fold_two(e, s->fold.op, ty, acc[j % parts], x[j]);
    for (int h = parts / 2; h; h /= 2)
      for (int i = 0; i < h; i++) acc[i] = fold_two(e, s->fold.op, ty, acc[i], acc[i + h]);
    for (int h = e->lanes / 2; h; h /= 2) {
      for (int i = 0; i < e->lanes; i++) index[i] = (i + h) % e->lanes;
      acc[0] = fold_two(e, s->fold.op, ty, acc[0], emit_shuffle(e, acc[0], acc[0], index));
    }
    e->tile[s->fold.dst][r] = acc[0];
  }
  e->set[s->fold.dst] = true;
}

/* ---- loops ---- */

static void emit_list(Emit *e, const KernelStmt *s);

typedef struct Trip { /* for i = from; i < to; i += step */
  Val from, to;
  int64_t step, last; /* last: the greatest value i + step - 1 takes */
  bool once;          /* the first test is known to hold */
} Trip;

static void emit_for(Emit *e, const KernelStmt *s, Trip t) {
  TileSet in = {{0}}, sure = {{0}}, def = {{0}};
  bool before[KERNEL_TILES];
  Val *phi[KERNEL_TILES] = {NULL};
  flow(s->loop.body, &in, &sure, &def);
  memcpy(before, e->set, sizeof before);
  LLVMBasicBlockRef pre = LLVMGetInsertBlock(e->b),
                    head = LLVMAppendBasicBlockInContext(e->context, e->fn, "");
  LLVMBasicBlockRef body = t.once ? head : LLVMAppendBasicBlockInContext(e->context, e->fn, "");
  LLVMBasicBlockRef out = LLVMAppendBasicBlockInContext(e->context, e->fn, "");
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, head);
  Val i = LLVMBuildPhi(e->b, e->i64, "");
  for (int k = 0; k < e->k->ntile; k++) {
    if (!before[k] || !tileset_has(&def, (uint32_t)k) || (t.once && !tileset_has(&in, (uint32_t)k))) continue;
    int n = values_of(e, k);
    phi[k] = ARENA_ARRAY(e->arena, Val, (size_t)n);
    for (int j = 0; j < n; j++) {
      Val old = e->tile[k][j];
      e->tile[k][j] = phi[k][j] = LLVMBuildPhi(e->b, LLVMTypeOf(old), "");
      LLVMAddIncoming(phi[k][j], &old, &pre, 1);
    }
  }
  if (!t.once) {
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, i, t.to, ""), body, out);
    LLVMPositionBuilderAtEnd(e->b, body);
  }
  for (int64_t q = 0; q < t.step; q++) {
    int64_t hi = t.last - t.step + 1 + q;
    e->var[s->loop.depth] = (AxisAffine){hi == 0 ? NULL : i, q, q, hi};
    emit_list(e, s->loop.body);
  }
  Val next = LLVMBuildAdd(e->b, i, emit_i64(e, t.step), "");
  LLVMBasicBlockRef end = LLVMGetInsertBlock(e->b);
  if (t.once)
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, t.to, ""), head, out);
  else
    LLVMBuildBr(e->b, head);
  LLVMAddIncoming(i, (Val[]){t.from, next}, (LLVMBasicBlockRef[]){pre, end}, 2);
  for (int k = 0; k < e->k->ntile; k++) {
    int n = phi[k] ? values_of(e, k) : 0;
    for (int j = 0; j < n; j++) {
      LLVMAddIncoming(phi[k][j], &e->tile[k][j], &end, 1);
      if (!t.once) e->tile[k][j] = phi[k][j];
    }
  }
  if (!t.once) memcpy(e->set, before, sizeof before); /* it may not have run */
  LLVMPositionBuilderAtEnd(e->b, out);
}

/* Units lo .. hi - 1 of the call that belong to this top loop. */
static void emit_units(Emit *e, const KernelStmt *s) {
  int64_t n = s->loop.extent;
  Val before = emit_i64(e, e->units_before);
  Val lo = LLVMBuildSub(e->b, LLVMGetParam(e->fn, 1), before, ""),
      hi = LLVMBuildSub(e->b, LLVMGetParam(e->fn, 2), before, "");
  lo = emit_call2(e, "llvm.smax", lo, emit_i64(e, 0));
  hi = emit_call2(e, "llvm.smin", hi, emit_i64(e, n));
  emit_for(e, s, (Trip){lo, hi, 1, n - 1, false});
  e->var[0] = (AxisAffine){0};
}

static void emit_loop(Emit *e, const KernelStmt *s) {
  if (s->loop.kind == LOOP_PAR) {
    emit_units(e, s);
    return;
  }
  int64_t n = s->loop.extent, step = s->loop.kind == LOOP_UNROLL ? n : s->loop.unroll, trips = n / step,
          done = 0;
  if (s->loop.clip) {
    AxisAffine l = emit_affine(e, &s->loop.limit);
    Val to = emit_call2(e, "llvm.smin", emit_affine_value(e, &l), emit_i64(e, n));
    emit_for(e, s, (Trip){emit_i64(e, 0), to, 1, n - 1, false});
  } else {
    if (trips > 1) {
      done = trips * step;
      emit_for(e, s, (Trip){emit_i64(e, 0), emit_i64(e, done), step, done - 1, true});
    }
    for (; done < n; done++) {
      e->var[s->loop.depth] = (AxisAffine){NULL, done, done, done};
      emit_list(e, s->loop.body);
    }
  }
  e->var[s->loop.depth] = (AxisAffine){0};
}

static void emit_list(Emit *e, const KernelStmt *s) {
  for (; s; s = s->next) switch (s->kind) {
    case STMT_LOOP: emit_loop(e, s); break;
    case STMT_LOAD:
      emit_load_tile(e, &s->mem.access, &e->k->tile[s->mem.tile], e->tile[s->mem.tile]);
      e->set[s->mem.tile] = true;
      break;
    case STMT_STORE:
      emit_store_tile(e, &s->mem.access, &e->k->tile[s->mem.tile], e->tile[s->mem.tile]);
      break;
    case STMT_MAP: {
      int n = early_stores(e, s);
      emit_map(e, s, n);
      while (n-- > 0) s = s->next;
      break;
    }
    case STMT_FOLD: emit_fold(e, s); break;
    }
}

/* ---- the function ---- */

static bool wide(DType t) { return dtype_bytes(t) == 8; }
static bool program_wide(const Scalar *p) {
  for (uint16_t i = 0; i < p->nins; i++)
    if (wide((DType)p->ins[i].type) || wide((DType)p->ins[i].result)) return true;
  return false;
}
static bool list_wide(const KernelStmt *s) {
  for (; s; s = s->next)
    if (s->kind == STMT_LOOP ? list_wide(s->loop.body) : s->kind == STMT_MAP && program_wide(s->map.program))
      return true;
  return false;
}
/* Whether the kernel handles 64-bit elements anywhere. */
static bool kernel_wide(const Kernel *k) {
  for (int i = 0; i < k->nbuffer; i++)
    if (wide((DType)k->buffer[i].type)) return true;
  for (int i = 0; i < k->ntile; i++)
    if (wide((DType)k->tile[i].type)) return true;
  return list_wide(k->root);
}

static void attribute(Emit *e, const char *key, const char *value) {
  LLVMAttributeRef a =
      LLVMCreateStringAttribute(e->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(e->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}
static void flag(Emit *e, const char *name) {
  LLVMAttributeRef a =
      LLVMCreateEnumAttribute(e->context, LLVMGetEnumAttributeKindForName(name, strlen(name)), 0);
  LLVMAddAttributeAtIndex(e->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

static void start(Emit *e, const Kernel *k, const CodegenTarget *t) {
  e->k = k;
  e->avx512 = t->level == CPU_AVX512;
  e->lanes = t->vector_bytes / (kernel_wide(k) ? 8 : 4);
  unsigned n = (unsigned)e->lanes;
  for (int i = 0; i < DT_COUNT; i++) {
    e->elem[i] = i == DT_F32   ? LLVMFloatTypeInContext(e->context)
                 : i == DT_F64 ? LLVMDoubleTypeInContext(e->context)
                 : i == DT_I64 ? e->i64
                               : e->i32;
    e->vec[i] = LLVMVectorType(i == DT_BOOL ? e->i1 : e->elem[i], n);
  }
  e->vi32 = e->vec[DT_I32];
  memset(e->set, 0, sizeof e->set);
  memset(e->var, 0, sizeof e->var);
  for (int i = 0; i < k->ntile; i++) e->tile[i] = ARENA_ARRAY(e->arena, Val, (size_t)values_of(e, i));
}

void emit_kernel(Emit *e, const Kernel *k, const CodegenTarget *t, const char *name, bool sanitize) {
  start(e, k, t);
  LLVMTypeRef args[3] = {e->ptr, e->i64, e->i64};
  e->fn = LLVMAddFunction(e->module, name, LLVMFunctionType(LLVMVoidTypeInContext(e->context), args, 3, 0));
  flag(e, "nounwind"); /* no .eh_frame: registering it needs memory ORC does not check for */
  if (sanitize) flag(e, "sanitize_address");
  attribute(e, "denormal-fp-math", "preserve-sign,preserve-sign");
  attribute(e, "prefer-vector-width", t->vector_bytes == 64 ? "512" : "256");
  attribute(e, "no-builtins", ""); /* no loop becomes a call of memset */
  attribute(e, "target-cpu", t->cpu.p);
  if (t->features.n) attribute(e, "target-features", t->features.p);
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, e->fn, ""));
  for (int i = 0; i < k->nbuffer; i++) {
    Val at = emit_i64(e, i), p = LLVMBuildGEP2(e->b, e->ptr, LLVMGetParam(e->fn, 0), &at, 1, "");
    e->buf[i] = LLVMBuildLoad2(e->b, e->ptr, p, "");
  }
  e->units_before = 0;
  for (const KernelStmt *s = k->root; s; s = s->next) {
    const KernelStmt *inner = s->loop.body;
    if (inner && inner->kind == STMT_LOOP && inner->loop.kind == LOOP_SWEEP) {
      KernelStmt units = *s, sweep = *inner; /* the other way round */
      units.loop.body = inner->loop.body;
      units.next = NULL;
      sweep.loop.body = &units;
      emit_loop(e, &sweep);
    } else
      emit_loop(e, s);
    e->units_before += s->loop.extent;
  }
  LLVMBuildRetVoid(e->b);
}
