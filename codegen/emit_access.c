/* Loads and stores of one vector, and of whole tiles. Each guard is decided per vector by interval analysis:
 * always true costs nothing, never true is the pad (or no store), without loop variables it is a constant
 * mask, else one unsigned comparison of lane coordinates. Addresses are one base per access with constants
 * behind it. No address is marked inbounds. */
#include "codegen/emit.h"

typedef enum { ALL, NONE, SOME } Validity;

static unsigned align_of(DType t) { return (unsigned)dtype_bytes(t); }
static bool inside(int64_t lo, int64_t hi, int64_t extent) { return lo >= 0 && hi < extent; }

static Val offset(Emit *e, DType t, Val p, Val i) { return LLVMBuildGEP2(e->b, e->elem[t], p, &i, 1, ""); }
static Val offset_const(Emit *e, DType t, Val p, int64_t k) {
  return k ? offset(e, t, p, emit_i64(e, k)) : p;
}

/* Memory type of a vector: masks are stored as 32-bit words. */
static DType memory_type(DType t) { return t == DT_BOOL ? DT_I32 : t; }
static LLVMTypeRef memory_vec(Emit *e, DType t) { return e->vec[memory_type(t)]; }

/* What is stored narrower: between its bits in memory and vectors of its compute type. */
static Val widen(Emit *e, DType t, Val bits) {
  if (!dtype_is_stored(t)) return bits;
  Val v = LLVMBuildZExt(e->b, bits, e->vi32, "");
  if (t == DT_U8) return v;
  v = LLVMBuildShl(e->b, v, emit_iota(e, e->i32, 16, 0), "");
  return LLVMBuildBitCast(e->b, v, e->vec[DT_F32], "");
}
static Val narrow(Emit *e, DType t, Val v) {
  if (t != DT_BF16) return v;
  v = LLVMBuildLShr(e->b, LLVMBuildBitCast(e->b, v, e->vi32, ""), emit_iota(e, e->i32, 16, 0), "");
  return LLVMBuildTrunc(e->b, v, e->vec[t], "");
}
/* Lanes that are off, in memory. What is stored narrower is given its pad where it is wide. */
static Val memory_pad(Emit *e, const Opened *m) {
  return dtype_is_stored(m->t) ? LLVMConstNull(e->vec[m->t]) : m->pad;
}
static Val padded(Emit *e, const Opened *m, Val mask, Val v) {
  if (!dtype_is_stored(m->t) || !mask || LLVMIsNull(m->pad)) return v;
  return LLVMBuildSelect(e->b, mask, v, m->pad, "");
}

Opened emit_open(Emit *e, const Access *x) {
  Opened m = {.x = x, .t = (DType)e->k->buffer[x->buffer].type, .at = emit_affine(e, &x->at.a)};
  m.base = m.at.dyn ? offset(e, m.t, e->buf[x->buffer], m.at.dyn) : e->buf[x->buffer];
  m.pad = emit_const(e, dtype_compute(memory_type(m.t)), x->pad);
  for (int i = 0; i < x->nguard; i++) m.guard[i] = emit_affine(e, &x->guard[i].at.a);
  if (x->index >= 0) m.index_at = emit_affine(e, &x->index_at.a);
  return m;
}

/* ---- which lanes are valid ---- */

/* One guard: 0 <= dyn + k + step * lane < extent, as a mask. */
static Val guard_mask(Emit *e, const AxisAffine *l, int64_t k, int64_t step, int64_t extent) {
  if (!l->dyn) {
    bool on[KERNEL_LANES];
    for (int i = 0; i < e->lanes; i++) on[i] = inside(k + step * i, k + step * i, extent);
    return emit_lanes(e, on);
  }
  int64_t far = step * (e->lanes - 1),
          base = k - l->k; /* the dynamic part's own range is l->lo - l->k .. l->hi - l->k */
  int64_t lo = l->lo + base + (far < 0 ? far : 0), hi = l->hi + base + (far > 0 ? far : 0);
  bool argument = tile_is_param(extent); /* within TILE_RANGE */
  bool narrow = lo >= INT32_MIN && hi <= INT32_MAX && (argument || extent <= INT32_MAX) &&
                l->lo - l->k >= INT32_MIN && l->hi - l->k <= INT32_MAX && k >= INT32_MIN && k <= INT32_MAX;
  LLVMTypeRef t = narrow ? e->i32 : e->i64;
  Val v = emit_splat(e, narrow ? LLVMBuildTrunc(e->b, l->dyn, e->i32, "") : l->dyn);
  v = LLVMBuildAdd(e->b, v, emit_iota(e, t, k, step), "");
  Val end = argument ? emit_splat(e, LLVMBuildTrunc(e->b, emit_number(e, extent), t, ""))
                     : emit_iota(e, t, extent, 0);
  return LLVMBuildICmp(e->b, LLVMIntULT, v, end, "");
}

/* Lanes c .. c + n - 1 of row r; the others are off. */
static Validity validity(Emit *e, const Opened *m, Spot s, Val *mask) {
  Val acc = NULL;
  int n = s.splat ? 1 : s.n;
  if (n < e->lanes && !s.splat) {
    bool on[KERNEL_LANES];
    for (int i = 0; i < e->lanes; i++) on[i] = i < n;
    acc = emit_lanes(e, on);
  }
  for (int i = 0; i < m->x->nguard; i++) {
    const Guard *g = &m->x->guard[i];
    int64_t step = s.splat ? 0 : g->at.c, d = g->at.r * s.r + g->at.c * s.c, far = step * (n - 1);
    int64_t lo = m->guard[i].lo + d + (far < 0 ? far : 0), hi = m->guard[i].hi + d + (far > 0 ? far : 0);
    if (inside(lo, hi, g->extent)) continue;
    if (hi < 0 || lo >= g->extent) return NONE;
    Val one = guard_mask(e, &m->guard[i], m->guard[i].k + d, step, g->extent);
    acc = acc ? LLVMBuildAnd(e->b, acc, one, "") : one;
  }
  *mask = acc;
  return acc ? SOME : ALL;
}

/* ---- addresses, index operands ---- */

static int64_t spot_offset(const Place *p, int64_t k, Spot s) {
  return k + (tile_is_param(p->r) ? 0 : p->r * s.r) + (tile_is_param(p->c) ? 0 : p->c * s.c);
}
/* What steps that are arguments add to the base. */
static Val spot_base(Emit *e, const Opened *m, Spot s) {
  const Place *p = &m->x->at;
  Val base = m->base;
  if (tile_is_param(p->r) && s.r)
    base = offset(e, m->t, base, LLVMBuildMul(e->b, emit_number(e, p->r), emit_i64(e, s.r), ""));
  if (tile_is_param(p->c) && s.c)
    base = offset(e, m->t, base, LLVMBuildMul(e->b, emit_number(e, p->c), emit_i64(e, s.c), ""));
  return base;
}
static Val lane_steps(Emit *e, int64_t k, int64_t step) {
  if (!tile_is_param(step)) return emit_iota(e, e->i64, k, step);
  Val v = LLVMBuildMul(e->b, emit_iota(e, e->i64, 0, 1), emit_splat(e, emit_number(e, step)), "");
  return LLVMBuildAdd(e->b, v, emit_iota(e, e->i64, k, 0), "");
}

typedef struct Target { /* where a vector lies, and which lanes count */
  Val p;                /* contiguous or one element: a pointer; else lane pointers */
  bool lanes;           /* p is a vector of pointers */
  int step;             /* above 1: elements that far apart, from p */
  Validity valid;
  Val mask;
} Target;

static void restrict_to(Emit *e, Target *t, Val mask) {
  t->mask = t->mask ? LLVMBuildAnd(e->b, t->mask, mask, "") : mask;
  t->valid = SOME;
}

static Val all_lanes(Emit *e) {
  bool on[KERNEL_LANES];
  for (int i = 0; i < e->lanes; i++) on[i] = true;
  return emit_lanes(e, on);
}

/* The index operand's values for the lanes of a spot; lanes that are off give one that is out of range. */
static Val index_lanes(Emit *e, const Opened *m, Spot s, const Target *t) {
  const Access *x = m->x;
  Val p = m->index_at.dyn ? offset(e, DT_I32, e->buf[x->index], m->index_at.dyn) : e->buf[x->index];
  Val steps = emit_iota(e, e->i64, spot_offset(&x->index_at, m->index_at.k, s), s.splat ? 0 : x->index_at.c);
  Val ptrs = LLVMBuildGEP2(e->b, e->i32, p, &steps, 1, ""),
      off = emit_iota(e, e->i32, x->index_extent > INT32_MAX ? -1 : x->index_extent, 0);
  LLVMTypeRef types[2] = {e->vi32, LLVMVectorType(e->ptr, (unsigned)e->lanes)};
  return emit_intrinsic(e, "llvm.masked.gather", types, 2,
                        (Val[]){ptrs, emit_i32(e, 4), t->mask ? t->mask : all_lanes(e), off}, 4);
}

static Val in_range(Emit *e, Val index, int64_t extent) {  /* scalar or vector of i32 */
  if (extent > INT32_MAX) extent = (int64_t)INT32_MAX + 1; /* then every index from 0 on is in range */
  Val top = LLVMGetTypeKind(LLVMTypeOf(index)) == LLVMVectorTypeKind ? emit_iota(e, e->i32, extent, 0)
                                                                     : emit_i32(e, extent);
  return LLVMBuildICmp(e->b, LLVMIntULT, index, top, "");
}

/* One index for all lanes, readable whatever the guards say: a scalar load. */
static bool one_index(Emit *e, const Opened *m, Spot s) {
  const Place *p = &m->x->index_at;
  int64_t d = p->r * s.r + p->c * s.c;
  return (s.splat || p->c == 0) &&
         inside(m->index_at.lo + d, m->index_at.hi + d, e->k->buffer[m->x->index].n);
}

static Target locate(Emit *e, const Opened *m, Spot s) {
  const Access *x = m->x;
  Target t = {.p = m->base};
  t.valid = validity(e, m, s, &t.mask);
  if (t.valid == NONE) return t;
  t.p = spot_base(e, m, s);
  int64_t k = spot_offset(&x->at, m->at.k, s), step = s.splat ? 0 : x->at.c;
  bool row = s.splat || step == 1; /* one element, or neighbours */
  if (x->index >= 0 && one_index(e, m, s)) {
    Val p = m->index_at.dyn ? offset(e, DT_I32, e->buf[x->index], m->index_at.dyn) : e->buf[x->index];
    Val i = LLVMBuildLoad2(e->b, e->i32,
                           offset_const(e, DT_I32, p, spot_offset(&x->index_at, m->index_at.k, s)), "");
    LLVMSetAlignment(i, 4);
    restrict_to(e, &t, emit_splat(e, in_range(e, i, x->index_extent)));
    t.p = offset(e, m->t, t.p,
                 LLVMBuildMul(e->b, LLVMBuildSExt(e->b, i, e->i64, ""), emit_i64(e, x->scale), ""));
  } else if (x->index >= 0) {
    Val i = index_lanes(e, m, s, &t);
    restrict_to(e, &t, in_range(e, i, x->index_extent));
    Val wide = LLVMBuildSExt(e->b, i, LLVMVectorType(e->i64, (unsigned)e->lanes), "");
    Val at = LLVMBuildAdd(e->b, LLVMBuildMul(e->b, wide, emit_iota(e, e->i64, x->scale, 0), ""),
                          emit_iota(e, e->i64, k, step), "");
    t.p = offset(e, m->t, t.p, at);
    t.lanes = true;
    return t;
  }
  bool near = !row && step >= 2 && step <= EMIT_STEPS && !dtype_is_stored(m->t);
  t.step = near ? (int)step : 1;
  t.lanes = !row && !near;
  t.p = row || near ? offset_const(e, m->t, t.p, k) : offset(e, m->t, t.p, lane_steps(e, k, step));
  return t;
}

/* ---- one vector ---- */

static Val first_lane(Emit *e) {
  bool on[KERNEL_LANES] = {true};
  return emit_lanes(e, on);
}

static Val broadcast_lane0(Emit *e, Val v) {
  static const int zero[KERNEL_LANES] = {0};
  return emit_shuffle(e, v, v, zero);
}

static Val load_one(Emit *e, const Opened *m, Val p) { /* one element to all lanes */
  Val v = LLVMBuildLoad2(e->b, e->elem[memory_type(m->t)], p, "");
  LLVMSetAlignment(v, align_of(m->t));
  return widen(e, m->t, emit_splat(e, v));
}

/* The vector as in memory (masks: 32-bit words), but wide. */
static Val load_words(Emit *e, const Opened *m, Spot s) {
  Target t = locate(e, m, s);
  LLVMTypeRef vec = memory_vec(e, m->t);
  Val align = emit_i32(e, align_of(m->t));
  if (t.valid == NONE) return m->pad;
  if (t.lanes) {
    LLVMTypeRef types[2] = {vec, LLVMVectorType(e->ptr, (unsigned)e->lanes)};
    Val v = emit_intrinsic(e, "llvm.masked.gather", types, 2,
                           (Val[]){t.p, align, t.mask ? t.mask : all_lanes(e), memory_pad(e, m)}, 4);
    v = padded(e, m, t.mask, widen(e, m->t, v));
    return s.splat ? broadcast_lane0(e, v) : v;
  }
  if (s.splat && t.valid == ALL) return load_one(e, m, t.p);
  if (t.step > 1)
    return emit_load_step(e, e->elem[memory_type(m->t)], align_of(m->t), t.p, t.step, t.mask, m->pad);
  if (t.valid == ALL) {
    Val v = LLVMBuildLoad2(e->b, vec, t.p, "");
    LLVMSetAlignment(v, align_of(m->t));
    return widen(e, m->t, v);
  }
  Val mask = s.splat ? LLVMBuildAnd(e->b, t.mask, first_lane(e), "") : t.mask;
  Val v = emit_intrinsic(e, "llvm.masked.load", (LLVMTypeRef[]){vec, e->ptr}, 2,
                         (Val[]){t.p, align, mask, memory_pad(e, m)}, 4);
  v = padded(e, m, mask, widen(e, m->t, v));
  return s.splat ? broadcast_lane0(e, v) : v;
}

static Val from_memory(Emit *e, DType t, Val words) {
  return t == DT_BOOL ? LLVMBuildICmp(e->b, LLVMIntNE, words, LLVMConstNull(e->vi32), "") : words;
}
static Val to_memory(Emit *e, DType t, Val v) {
  return t == DT_BOOL ? LLVMBuildZExt(e->b, v, e->vi32, "") : v;
}

/* A row that repeats one element, readable whatever the guards say. */
static bool repeats(Emit *e, const Opened *m, Spot s) {
  const Place *p = &m->x->at;
  if (s.splat || p->c != 0 || m->x->index >= 0) return false;
  int64_t d = tile_is_param(p->r) ? 0 : p->r * s.r;
  return !m->x->nguard || inside(m->at.lo + d, m->at.hi + d, e->k->buffer[m->x->buffer].n);
}

Val emit_load(Emit *e, const Opened *m, Spot s) {
  if (!repeats(e, m, s)) return from_memory(e, m->t, load_words(e, m, s));
  Val mask = NULL;
  Validity ok = validity(e, m, s, &mask);
  if (ok == NONE) return from_memory(e, m->t, m->pad);
  s.c = 0;
  Val v = load_one(e, m, offset_const(e, m->t, spot_base(e, m, s), spot_offset(&m->x->at, m->at.k, s)));
  if (ok == SOME) v = LLVMBuildSelect(e->b, mask, v, m->pad, "");
  return from_memory(e, m->t, v);
}

static void mark_streaming(Emit *e, DType t, Val store) {
  Val one = emit_i32(e, 1);
  LLVMSetAlignment(store, (unsigned)e->lanes * align_of(t));
  LLVMSetMetadata(store, LLVMGetMDKindIDInContext(e->context, "nontemporal", 11),
                  LLVMMDNodeInContext(e->context, &one, 1));
}

static void store_words(Emit *e, const Opened *m, Spot s, Val words) {
  Target t = locate(e, m, s);
  if (t.valid == NONE) return;
  LLVMTypeRef vec = memory_vec(e, m->t);
  Val align = emit_i32(e, align_of(m->t)), mask = t.mask;
  words = narrow(e, m->t, words);
  if (s.splat && t.valid == ALL) {
    Val st = LLVMBuildStore(e->b, LLVMBuildExtractElement(e->b, words, emit_i32(e, 0), ""), t.p);
    LLVMSetAlignment(st, align_of(m->t));
    return;
  }
  if (s.splat) mask = LLVMBuildAnd(e->b, t.mask, first_lane(e), "");
  if (t.step > 1) {
    emit_store_step(e, e->elem[memory_type(m->t)], align_of(m->t), t.p, t.step, mask, words);
  } else if (t.lanes) {
    LLVMTypeRef types[2] = {vec, LLVMVectorType(e->ptr, (unsigned)e->lanes)};
    emit_intrinsic(e, "llvm.masked.scatter", types, 2, (Val[]){words, t.p, align, mask ? mask : all_lanes(e)},
                   4);
  } else if (t.valid == SOME) {
    emit_intrinsic(e, "llvm.masked.store", (LLVMTypeRef[]){vec, e->ptr}, 2, (Val[]){words, t.p, align, mask},
                   4);
  } else {
    Val st = LLVMBuildStore(e->b, words, t.p);
    LLVMSetAlignment(st, align_of(m->t));
    if (m->x->stream) mark_streaming(e, m->t, st);
  }
}
void emit_store(Emit *e, const Opened *m, Spot s, Val v) { store_words(e, m, s, to_memory(e, m->t, v)); }

/* ---- whole tiles ---- */

/* Rows next to each other in memory and columns right behind them: together they fill whole vectors. */
static bool by_rows(const Emit *e, const Access *x, const KernelTile *t) {
  bool fits = !dtype_is_stored((DType)e->k->buffer[x->buffer].type) && t->cols > 1 && x->index < 0 &&
              !x->stream && x->at.r == 1 && t->rows >= 2 && t->rows <= EMIT_STEPS && x->at.c == t->rows;
  for (int i = 0; i < x->nguard; i++) fits &= x->guard[i].at.r == 0;
  return fits;
}

static void rows_tile(Emit *e, const Access *x, const KernelTile *t, Val *v, bool load) {
  int n = emit_vectors(e, t->cols);
  Opened m = emit_open(e, x);
  LLVMTypeRef elem = e->elem[memory_type(m.t)];
  for (int j = 0; j < n; j++) {
    Target at = locate(e, &m, (Spot){0, j * e->lanes, e->lanes, false});
    Val words[EMIT_STEPS];
    if (load && at.valid != NONE)
      emit_load_rows(e, elem, align_of(m.t), at.p, t->rows, at.mask, m.pad, words);
    for (int r = 0; r < t->rows; r++) {
      if (load)
        v[r * n + j] = from_memory(e, m.t, at.valid == NONE ? m.pad : words[r]);
      else
        words[r] = to_memory(e, m.t, v[r * n + j]);
    }
    if (!load && at.valid != NONE) emit_store_rows(e, elem, align_of(m.t), at.p, t->rows, at.mask, words);
  }
}

/* Rows next to each other in memory, columns apart: squares of lanes x lanes are moved row-wise and
 * transposed in registers. A store's columns must be apart by the rows at least, or elements would be written
 * in another order. */
static bool by_transpose(const Emit *e, const Access *x, const KernelTile *t, bool load) {
  int64_t c = x->at.c < 0 ? -x->at.c : x->at.c;
  return t->cols > 1 && x->index < 0 && x->at.r == 1 && c > 1 && t->rows * 4 >= e->lanes &&
         (load || c >= t->rows);
}

static Access swapped(const Access *x) { /* rows for columns */
  Access y = *x;
  y.at.r = x->at.c;
  y.at.c = x->at.r;
  for (int i = 0; i < x->nguard; i++) {
    y.guard[i].at.r = x->guard[i].at.c;
    y.guard[i].at.c = x->guard[i].at.r;
  }
  return y;
}

static void transposed_tile(Emit *e, const Access *x, const KernelTile *t, Val *v, bool load) {
  int n = emit_vectors(e, t->cols), w = e->lanes;
  Access y = swapped(x);
  Opened m = emit_open(e, &y);
  DType words = dtype_compute(memory_type(m.t));
  for (int r = 0; r < t->rows; r += w)
    for (int j = 0; j < n; j++) {
      Val square[KERNEL_LANES];
      int rows = t->rows - r < w ? t->rows - r : w;
      for (int l = 0; l < w; l++) {
        if (load)
          square[l] = load_words(e, &m, (Spot){w * j + l, r, rows, false});
        else if (l < rows)
          square[l] = to_memory(e, m.t, v[(r + l) * n + j]);
        else
          square[l] = LLVMGetPoison(e->vec[words]);
      }
      emit_transpose(e, words, square);
      for (int l = 0; l < w; l++) {
        if (!load)
          store_words(e, &m, (Spot){w * j + l, r, rows, false}, square[l]);
        else if (l < rows)
          v[(r + l) * n + j] = from_memory(e, m.t, square[l]);
      }
    }
}

static Spot spot_of(const Emit *e, const KernelTile *t, int r, int j) {
  return (Spot){r, j * e->lanes, e->lanes, t->cols == 1};
}

bool emit_prefers_tile(const Emit *e, const Access *x, int rows, int cols) {
  KernelTile t = {.rows = (uint16_t)rows, .cols = (uint16_t)cols};
  return by_rows(e, x, &t) || by_transpose(e, x, &t, true);
}

bool emit_stores_vectors(const Emit *e, const Access *x, const KernelTile *t) {
  return t->cols > 1 && !by_rows(e, x, t) && !by_transpose(e, x, t, false);
}

void emit_load_tile(Emit *e, const Access *x, const KernelTile *t, Val *v) {
  int n = emit_vectors(e, t->cols);
  if (by_rows(e, x, t)) {
    rows_tile(e, x, t, v, true);
    return;
  }
  if (by_transpose(e, x, t, true)) {
    transposed_tile(e, x, t, v, true);
    return;
  }
  Opened m = emit_open(e, x);
  for (int r = 0; r < t->rows; r++)
    for (int j = 0; j < n; j++) v[r * n + j] = emit_load(e, &m, spot_of(e, t, r, j));
}

void emit_store_tile(Emit *e, const Access *x, const KernelTile *t, const Val *v) {
  int n = emit_vectors(e, t->cols);
  if (by_rows(e, x, t)) {
    rows_tile(e, x, t, (Val *)v, false);
    return;
  }
  if (by_transpose(e, x, t, false)) {
    transposed_tile(e, x, t, (Val *)v, false);
    return;
  }
  Opened m = emit_open(e, x);
  for (int r = 0; r < t->rows; r++)
    for (int j = 0; j < n; j++) emit_store(e, &m, spot_of(e, t, r, j), v[r * n + j]);
}
