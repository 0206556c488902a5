/* The walk: loops, statements, and which tiles become phi nodes. Tiles are SSA values; a loop carries what
 * its body reads before it writes it, so accumulators stay in registers without any pass. */
#include "codegen/emit.h"

void emit_flow(const KernelStmt *s, TileSet *in, TileSet *sure, TileSet *def) {
  for (; s; s = s->next) switch (s->kind) {
    case STMT_LOOP: {
      TileSet inner = {{0}}, local = *sure;
      emit_flow(s->loop.body, in, &local, &inner);
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

int emit_values(const Emit *e, int tile) {
  return e->k->tile[tile].rows * emit_vectors(e, e->k->tile[tile].cols);
}

/* ---- fold ---- */

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
  const TileCall *call = e->param ? NULL : tiles_call(e->tiles, s->loop.body);
  if (call && call->whole) {
    emit_tile_call(e, call, t.from, t.to);
    return;
  }
  TileSet in = {{0}}, sure = {{0}}, def = {{0}};
  bool before[KERNEL_TILES];
  Val *phi[KERNEL_TILES] = {NULL};
  emit_flow(s->loop.body, &in, &sure, &def);
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
    int n = emit_values(e, k);
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
    int n = phi[k] ? emit_values(e, k) : 0;
    for (int j = 0; j < n; j++) {
      LLVMAddIncoming(phi[k][j], &e->tile[k][j], &end, 1);
      if (!t.once) e->tile[k][j] = phi[k][j];
    }
  }
  if (!t.once) memcpy(e->set, before, sizeof before); /* it may not have run */
  LLVMPositionBuilderAtEnd(e->b, out);
}

void emit_trips(Emit *e, const KernelStmt *loop, Val from, Val to, int64_t most) {
  emit_for(e, loop, (Trip){from, to, 1, most, false});
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

/* A loop of a tile function: what its trips leave over `unroll` is the same in all calls. */
static void emit_argument_loop(Emit *e, const KernelStmt *s) {
  int64_t rest = s->loop.limit.k;
  Val to = emit_number(e, s->loop.extent);
  if (rest) to = LLVMBuildSub(e->b, to, emit_i64(e, rest), "");
  emit_for(e, s, (Trip){emit_i64(e, 0), to, s->loop.unroll, TILE_RANGE, true});
  for (int64_t i = 0; i < rest; i++) {
    e->var[s->loop.depth] = (AxisAffine){to, i, 0, TILE_RANGE};
    emit_list(e, s->loop.body);
  }
}

static void emit_loop(Emit *e, const KernelStmt *s) {
  if (s->loop.kind == LOOP_PAR) {
    emit_units(e, s);
    return;
  }
  if (tile_is_param(s->loop.extent)) {
    emit_argument_loop(e, s);
    e->var[s->loop.depth] = (AxisAffine){0};
    return;
  }
  int64_t n = s->loop.extent, step = s->loop.kind == LOOP_UNROLL ? n : s->loop.unroll, trips = n / step,
          done = 0;
  const TileCall *whole = s->loop.kind == LOOP_SEQ && !e->param ? tiles_call(e->tiles, s->loop.body) : NULL;
  if (s->loop.clip) {
    AxisAffine l = emit_affine(e, &s->loop.limit);
    Val to = emit_call2(e, "llvm.smin", emit_affine_value(e, &l), emit_i64(e, n));
    emit_for(e, s, (Trip){emit_i64(e, 0), to, 1, n - 1, false});
  } else if (whole && whole->whole) {
    emit_trips(e, s, emit_i64(e, 0), emit_i64(e, n), n - 1);
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
  while (s) {
    const TileCall *call = e->param ? NULL : tiles_call(e->tiles, s);
    if (call && !call->whole) {
      emit_tile_call(e, call, emit_i64(e, 0), emit_i64(e, 1));
      s = call->end;
      continue;
    }
    e->computes |= s->kind != STMT_LOOP;
    switch (s->kind) {
    case STMT_LOOP: emit_loop(e, s); break;
    case STMT_LOAD:
      emit_load_tile(e, &s->mem.access, &e->k->tile[s->mem.tile], e->tile[s->mem.tile]);
      e->set[s->mem.tile] = true;
      break;
    case STMT_STORE:
      emit_store_tile(e, &s->mem.access, &e->k->tile[s->mem.tile], e->tile[s->mem.tile]);
      break;
    case STMT_MAP: {
      int n = emit_early_stores(e, s);
      emit_map(e, s, n);
      while (n-- > 0) s = s->next;
      break;
    }
    case STMT_FOLD: emit_fold(e, s); break;
    }
    s = s->next;
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

static void flag(Emit *e, const char *name) {
  LLVMAttributeRef a =
      LLVMCreateEnumAttribute(e->context, LLVMGetEnumAttributeKindForName(name, strlen(name)), 0);
  LLVMAddAttributeAtIndex(e->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

/* How many statements read each tile. */
static void count_reads(Emit *e, const KernelStmt *s) {
  for (; s; s = s->next) switch (s->kind) {
    case STMT_LOOP:
      if (s->loop.depth >= e->loops) e->loops = s->loop.depth + 1;
      count_reads(e, s->loop.body);
      break;
    case STMT_LOAD: break;
    case STMT_STORE: e->reads[s->mem.tile]++; break;
    case STMT_FOLD: e->reads[s->fold.src]++; break;
    case STMT_MAP:
      for (int i = 0; i < s->map.nsrc; i++)
        if (s->map.src[i].kind == OPERAND_TILE) e->reads[s->map.src[i].tile]++;
      break;
    }
}

static void start(Emit *e, const Kernel *k, const CodegenTarget *t) {
  e->k = k;
  memset(e->reads, 0, sizeof e->reads);
  memset(e->stack, 0, sizeof e->stack);
  e->loops = 0;
  count_reads(e, k->root);
  e->avx512 = t->level == CPU_AVX512;
  e->lanes = t->vector_bytes / (kernel_wide(k) ? 8 : 4);
  unsigned n = (unsigned)e->lanes;
  for (int i = 0; i < DT_ALL; i++) {
    e->elem[i] = i == DT_F32    ? LLVMFloatTypeInContext(e->context)
                 : i == DT_F64  ? LLVMDoubleTypeInContext(e->context)
                 : i == DT_I64  ? e->i64
                 : i == DT_U8   ? e->i8
                 : i == DT_BF16 ? e->i16
                                : e->i32;
    e->vec[i] = LLVMVectorType(i == DT_BOOL ? e->i1 : e->elem[i], n);
  }
  e->vi32 = e->vec[DT_I32];
  memset(e->set, 0, sizeof e->set);
  memset(e->var, 0, sizeof e->var);
  for (int i = 0; i < k->ntile; i++) e->tile[i] = ARENA_ARRAY(e->arena, Val, (size_t)emit_values(e, i));
}

void emit_function_begin(Emit *e, const Kernel *k, const CodegenTarget *t, Val fn, bool sanitize) {
  start(e, k, t);
  e->fn = fn;
  flag(e, "nounwind"); /* no .eh_frame: registering it needs memory ORC does not check for */
  if (sanitize) flag(e, "sanitize_address");
  emit_attribute(e, e->fn, "denormal-fp-math", "preserve-sign,preserve-sign");
  emit_attribute(e, e->fn, "prefer-vector-width", t->vector_bytes == 64 ? "512" : "256");
  emit_attribute(e, e->fn, "no-builtins", ""); /* no loop becomes a call of memset */
  emit_attribute(e, e->fn, "target-cpu", t->cpu.p);
  if (t->features.n) emit_attribute(e, e->fn, "target-features", t->features.p);
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, e->fn, ""));
}

void emit_kernel(Emit *e, const Kernel *k, const CodegenTarget *t, const char *name, bool sanitize) {
  LLVMTypeRef args[3] = {e->ptr, e->i64, e->i64},
              type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), args, 3, 0);
  emit_function_begin(e, k, t, LLVMAddFunction(e->module, name, type), sanitize);
  for (int i = 0; i < k->nbuffer; i++) {
    Val at = emit_i64(e, i), p = LLVMBuildGEP2(e->b, e->ptr, LLVMGetParam(e->fn, 0), &at, 1, "");
    e->buf[i] = LLVMBuildLoad2(e->b, e->ptr, p, "");
  }
  e->units_before = 0;
  e->computes = false;
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
  if (!e->computes) { /* nothing to gain, and most of the time of a small function is passes that look at it
                       */
    flag(e, "optnone");
    flag(e, "noinline");
  }
  LLVMBuildRetVoid(e->b);
}
