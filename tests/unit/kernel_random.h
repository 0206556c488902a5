/* Random kernels and data for tests: every field of an access, every operand kind, loop kind and tile shape
 * turns up. What it makes is in bounds and has independent units by construction. Buffers get exactly the
 * elements that may be touched. */
#ifndef DG_TESTS_KERNEL_RANDOM_H
#define DG_TESTS_KERNEL_RANDOM_H

#include "ir/kernel/kernel.h"
#include "ir/scalar/literal.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

typedef struct Rng {
  uint64_t s;
} Rng;
static inline uint32_t rnd(Rng *g) {
  g->s = g->s * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(g->s >> 32);
}
static inline int below(Rng *g, int n) { return (int)(rnd(g) % (uint32_t)n); }
static inline bool chance(Rng *g, int percent) { return below(g, 100) < percent; }

/* ---- data ---- */

static inline ScalarValue random_value(Rng *g, DType t, bool specials) {
  static const double special[] = {
      0, -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN, 1.5e-38, -1.2e-38, 3e38, 1e-20, -1e-20,
      1, -1};
  ScalarValue v = {.w = 0};
  double x = (double)(int32_t)rnd(g) * 0x1p-30;
  if (specials && chance(g, 8)) x = special[below(g, 12)];
  switch (t) {
  case DT_U8: v.u = rnd(g) & 0xff; break;
  case DT_BF16: return (ScalarValue){.u = literal_bf16((float)x).u >> 16};
  case DT_F32: v.s = (float)x; break;
  case DT_F64: v.d = x; break;
  case DT_I32: v.i = chance(g, 70) ? below(g, 9) - 2 : (int32_t)rnd(g); break;
  case DT_I64: v.l = chance(g, 70) ? below(g, 9) - 2 : (int64_t)((uint64_t)rnd(g) << 32 | rnd(g)); break;
  case DT_BOOL: v.i = below(g, 2); break;
  case DT_COUNT: break;
  }
  return v;
}

/* n elements that end at an unmapped page, so that reading past the end shows. */
static inline void *guarded_alloc(DType t, int64_t n) {
  size_t bytes = (size_t)n * dtype_bytes(t), whole = (bytes + 4095) & ~(size_t)4095;
  char *p = mmap(NULL, whole + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || (whole && mprotect(p + 4096, whole, PROT_READ | PROT_WRITE))) abort();
  return p + 4096 + whole - bytes;
}
static inline void guarded_free(void *p, DType t, int64_t n) {
  size_t bytes = (size_t)n * dtype_bytes(t), whole = (bytes + 4095) & ~(size_t)4095;
  munmap((char *)p + bytes - whole - 4096, whole + 8192);
}
static inline void fill_random(Rng *g, DType t, int64_t n, void *p, bool specials) {
  for (int64_t i = 0; i < n; i++) {
    ScalarValue v = random_value(g, t, specials);
    memcpy((char *)p + (size_t)i * dtype_bytes(t), &v, dtype_bytes(t));
  }
  fp_flush(t, p, (size_t)n);
}
static inline bool literal_nan16(const void *p) { return isnan(literal_get(DT_BF16, p, 0).s); }
static inline bool same_value(DType t, const void *a, const void *b) { /* bitwise; all NaNs are one */
  if (memcmp(a, b, dtype_bytes(t)) == 0) return true;
  if (t == DT_F32) return isnan(*(const float *)a) && isnan(*(const float *)b);
  if (t == DT_BF16) return literal_nan16(a) && literal_nan16(b);
  return t == DT_F64 && isnan(*(const double *)a) && isnan(*(const double *)b);
}

/* How elements that are computed in t lie in memory. */
static inline DType stored_as(Rng *g, DType t, bool written) {
  if (t == DT_F32 && chance(g, 25)) return DT_BF16;
  return t == DT_I32 && !written && chance(g, 40) ? DT_U8 : t;
}

/* ---- programs ---- */

static inline ScalarRef pick(Rng *g, ScalarBuilder *b, const ScalarRef *v, int n,
                             DType t) { /* a value of type t */
  for (int tries = 0; tries < 8; tries++) {
    ScalarRef r = v[below(g, n)];
    if (scalar_ref_type(b, r) == t) return r;
  }
  if (chance(g, 50)) return scalar_cast(b, t, v[below(g, n)]);
  ScalarValue c = random_value(g, t, true);
  return scalar_const(b, t, c);
}

/* n random instructions over inputs of the given types; results of the types out. */
static inline const Scalar *random_program(Rng *g, Arena *a, const DType *in, int nin, const DType *out,
                                           int nout, int n, bool wide) {
  ScalarBuilder *b = ARENA_NEW(a, ScalarBuilder);
  ScalarRef v[256];
  int nv = 0;
  scalar_begin(b, a);
  for (int i = 0; i < nin; i++) v[nv++] = scalar_input(b, (uint32_t)i, in[i]);
  if (nv == 0) v[nv++] = scalar_number(b, DT_F32, 1.5);
  while (n-- > 0 && nv < 250) {
    ScalarOp op = (ScalarOp)below(g, SC_COUNT);
    DType t =
        wide ? (DType)below(g, DT_COUNT) : (DType[]){DT_F32, DT_F32, DT_F32, DT_I32, DT_BOOL}[below(g, 5)];
    const char *sig = scalar_op_info[op].sig;
    if (op == SC_RAWBITS || op == SC_RAWFLOAT) continue; /* their bits are not specified for every input */
    bool ok = true;
    for (const char *s = sig; *s; s++) {
      if (*s == 'F') ok &= dtype_is_float(t);
      if (*s == 'N') ok &= dtype_is_int(t);
      if (*s == 'V') ok &= t != DT_BOOL;
      if (*s == 'W') ok &= !dtype_is_float(t);
    }
    if (!ok) {
      n++;
      continue;
    }
    if (op == SC_CAST) {
      v[nv] = scalar_cast(b, wide ? (DType)below(g, DT_COUNT) : t, pick(g, b, v, nv, t));
      nv++;
      continue;
    }
    ScalarRef x[3];
    for (int i = 0; i < scalar_op_info[op].arity; i++)
      x[i] = pick(g, b, v, nv, sig[i] == 'b' ? DT_BOOL : sig[i] == 'i' ? DT_I32 : t);
    for (int i = scalar_op_info[op].arity; i < 3; i++) x[i] = x[0];
    v[nv] = scalar_ins(b, op, x[0], x[1], x[2]);
    nv++;
  }
  for (int i = 0; i < nout; i++) {
    ScalarRef last = v[nv - 1 - i % nv];
    scalar_output(b, scalar_ref_type(b, last) == out[i] ? last
                     : chance(g, 50)                    ? scalar_cast(b, out[i], last)
                                                        : pick(g, b, v, nv, out[i]));
  }
  return scalar_end(b);
}

/* ---- kernels ---- */

typedef struct RandomKernel {
  Rng *g;
  Arena *a;
  KernelBuilder b;
  int64_t extent[KERNEL_LOOPS];
  int live[KERNEL_TILES], nlive; /* tiles that are set */
  bool wide;                     /* 64-bit types too */
  int depth;
} RandomKernel;

static inline DType random_type(RandomKernel *k) {
  if (k->wide) return (DType)below(k->g, DT_COUNT);
  return (DType[]){DT_F32, DT_F32, DT_F32, DT_I32, DT_BOOL}[below(k->g, 5)];
}
static inline int64_t stride(RandomKernel *k) {
  return (int64_t[]){0, 1, 1, 2, 3, -1, 16, 17, 5}[below(k->g, 9)];
}

/* Least and greatest value over open loops and rows x cols, with columns cut to `cols`. */
static inline void extremes(RandomKernel *k, const Affine *a, int64_t r, int64_t c, int rows, int cols,
                            int64_t *lo, int64_t *hi) {
  *lo = *hi = a->k;
  for (int i = 0; i < k->depth + 2; i++) {
    int64_t x = i < k->depth ? a->v[i] * (k->extent[i] - 1) : i == k->depth ? r * (rows - 1) : c * (cols - 1);
    *(x < 0 ? lo : hi) += x;
  }
}

static inline int random_tile(RandomKernel *k, DType t, int rows, int cols) {
  return kernel_tile(&k->b, STR("t"), t, rows, cols);
}

static inline Access random_guards(RandomKernel *k, Access x, int rows, int cols, int *reach) {
  Rng *g = k->g;
  *reach = cols;
  if (chance(g, 35) && cols > 1) { /* a tail: columns below w */
    int w = 1 + below(g, cols);
    int64_t off = below(g, 3) ? 0 : 5;
    x = access_guard(x, affine(off), 0, 1, off + w);
    *reach = w;
  }
  for (int n = below(g, 4) ? 0 : 1 + below(g, 2); n > 0; n--) {
    Affine a = affine(below(g, 9) - 4);
    for (int i = 0; i < k->depth; i++) a = affine_add(a, i, below(g, 3) ? 0 : below(g, 5) - 2);
    x = access_guard(x, a, below(g, 3) - 1, cols > 1 ? below(g, 3) - 1 : 0, 1 + below(g, 24));
  }
  (void)rows;
  return x;
}

static inline Access random_access(RandomKernel *k, DType t, int rows, int cols) {
  Rng *g = k->g;
  Affine a = affine(0);
  int64_t r = stride(k), c = chance(g, 60) ? 1 : stride(k), lo, hi;
  int reach;
  for (int i = 0; i < k->depth; i++) a = affine_add(a, i, stride(k) * (1 + below(g, 3)));
  Access x = random_guards(k, access_at(0, a, r, c), rows, cols, &reach);
  extremes(k, &a, r, c, rows, reach, &lo, &hi);
  x.at.a.k = below(g, 3) - lo < 0 ? 0 - lo : -lo + below(g, 3);
  hi += x.at.a.k;
  if (chance(g, 20)) { /* an index operand */
    Affine ia = affine(0);
    int64_t ir = below(g, 3), ic = below(g, 2), ilo, ihi, scale = (int64_t[]){1, 4, 7, 16}[below(g, 4)],
            ext = 1 + below(g, 6);
    for (int i = 0; i < k->depth; i++) ia = affine_add(ia, i, below(g, 3));
    extremes(k, &ia, ir, ic, rows, reach, &ilo, &ihi);
    int ix = kernel_buffer(&k->b, STR("ix"), DT_I32, ihi + 1, BUFFER_IN);
    x = access_index(x, ix, ia, ir, ic, scale, ext);
    hi += scale * (ext - 1);
  }
  x.buffer = (int16_t)kernel_buffer(&k->b, STR("in"), stored_as(g, t, false), hi + 1, BUFFER_IN);
  x.pad = random_value(g, t, true);
  fp_flush(t, &x.pad, 1);
  if (t == DT_F32 && isnan(x.pad.s)) x.pad.u = 0x7fc00000u;
  if (t == DT_F64 && isnan(x.pad.d)) x.pad.w = 0x7ff8000000000000u;
  return x;
}

static inline void random_map(RandomKernel *k) {
  Rng *g = k->g;
  int rows = 1 + below(g, 5), cols = (int[]){1, 16, 16, 32, 48}[below(g, 5)], nsrc = below(g, 4) + 1,
      nd = 1 + below(g, 2), dst[2];
  DType in[8], out[2];
  KernelOperand src[8];
  if (k->nlive && chance(g, 50)) { /* the shape of a live tile, perhaps assigning it */
    const KernelTile *t = &k->b.kernel->tile[k->live[below(g, k->nlive)]];
    rows = t->rows, cols = t->cols;
  }
  for (int i = 0; i < nsrc; i++) {
    int rr = chance(g, 30) ? 1 : rows, cc = chance(g, 30) ? 1 : cols, found = -1;
    for (int tries = 0; tries < 6 && k->nlive; tries++) {
      int t = k->live[below(g, k->nlive)];
      const KernelTile *tt = &k->b.kernel->tile[t];
      if ((tt->rows == 1 || tt->rows == rows) && (tt->cols == 1 || tt->cols == cols)) found = t;
    }
    if (found >= 0 && chance(g, 60))
      src[i] = operand_tile(&k->b, found);
    else if (chance(g, 25)) {
      Affine a = affine(below(g, 40) - 20);
      for (int d = 0; d < k->depth; d++) a = affine_add(a, d, stride(k));
      src[i] = operand_coord(rr, cc, a, stride(k), stride(k));
    } else
      src[i] = operand_memory(&k->b, rr, cc, random_access(k, random_type(k), rr, cc));
    in[i] = (DType)src[i].type;
  }
  for (int i = 0; i < nd; i++) {
    dst[i] = -1;
    for (int tries = 0; tries < 4 && k->nlive && dst[i] < 0; tries++) {
      int t = k->live[below(g, k->nlive)];
      const KernelTile *tt = &k->b.kernel->tile[t];
      if (tt->rows == rows && tt->cols == cols && (i == 0 || dst[0] != t) && chance(g, 60)) dst[i] = t;
    }
    if (dst[i] < 0) dst[i] = random_tile(k, random_type(k), rows, cols);
    out[i] = (DType)k->b.kernel->tile[dst[i]].type;
  }
  kernel_map(&k->b, random_program(g, k->a, in, nsrc, out, nd, 1 + below(g, 10), k->wide), nd, dst, nsrc,
             src);
  for (int i = 0; i < nd; i++) {
    bool have = false;
    for (int j = 0; j < k->nlive; j++) have |= k->live[j] == dst[i];
    if (!have) k->live[k->nlive++] = dst[i];
  }
}

static inline void random_load(RandomKernel *k) {
  int rows = chance(k->g, 30) ? 16 + below(k->g, 4) : 1 + below(k->g, 6),
      cols = (int[]){1, 16, 16, 32, 48}[below(k->g, 5)];
  DType ty = random_type(k);
  int t = random_tile(k, ty, rows, cols);
  kernel_load(&k->b, t, random_access(k, ty, rows, cols));
  k->live[k->nlive++] = t;
}

static inline void random_fold(RandomKernel *k) {
  for (int tries = 0; tries < 8 && k->nlive; tries++) {
    int s = k->live[below(k->g, k->nlive)];
    const KernelTile *t = &k->b.kernel->tile[s];
    if (t->cols == 1 || t->type == DT_BOOL) continue;
    int d = random_tile(k, (DType)t->type, t->rows, 1);
    kernel_fold(&k->b, (FoldOp)below(k->g, 3), d, s);
    k->live[k->nlive++] = d;
    return;
  }
}

/* Each unit writes its own block of a fresh output, row-major or transposed or interleaved between units. */
static inline void random_store(RandomKernel *k, int64_t units, int64_t first) {
  Rng *g = k->g;
  if (!k->nlive) return;
  int t = k->live[below(g, k->nlive)];
  const KernelTile *tt = &k->b.kernel->tile[t];
  int64_t block = (int64_t)tt->rows * tt->cols, r = tt->cols, c = 1, u = block;
  if (chance(g, 30)) r = 1, c = tt->rows;
  if (chance(g, 30)) u = 1, r *= units, c *= units;
  int64_t inner = 1; /* loops inside the unit write blocks of their own */
  for (int i = 1; i < k->depth; i++) inner *= k->extent[i];
  int out = kernel_buffer(&k->b, STR("out"), stored_as(g, (DType)tt->type, true), block * units * inner,
                          BUFFER_OUT);
  Affine a = affine_add(affine(first * u), 0, u);
  int64_t step = block * units;
  for (int i = 1; i < k->depth; i++) {
    a = affine_add(a, i, step);
    step *= k->extent[i];
  }
  int reach;
  kernel_store(&k->b, t, random_guards(k, access_at(out, a, r, c), tt->rows, tt->cols, &reach));
}

static inline void random_body(RandomKernel *k, int64_t units, int64_t first) {
  Rng *g = k->g;
  for (int n = 2 + below(g, 3); n > 0; n--) {
    if (k->b.kernel->nbuffer > KERNEL_BUFFERS - 16 || k->b.kernel->ntile > 60) break;
    int what = below(g, 10);
    if (what < 3)
      random_load(k);
    else if (what < 7)
      random_map(k);
    else if (what < 8)
      random_fold(k);
    else if (k->depth < 4) {
      int64_t e = 1 + below(g, 5);
      LoopKind kind = chance(g, 20) ? LOOP_UNROLL : LOOP_SEQ;
      bool clip = chance(g, 20);
      int keep = k->nlive;
      if (clip)
        kernel_loop_clip(&k->b, e, affine_add(affine(below(g, 4)), below(g, k->depth), below(g, 3) - 1));
      else
        kernel_loop(&k->b, kind, e, 1 + below(g, 3));
      k->extent[k->depth++] = e;
      random_body(k, units, first);
      kernel_end(&k->b);
      k->depth--;
      if (clip) k->nlive = keep;
    }
  }
  if (k->b.kernel->nbuffer <= KERNEL_BUFFERS - 2) random_store(k, units, first);
}

static inline Kernel *any_kernel(Rng *g, Arena *a, bool wide) {
  RandomKernel k = {.g = g, .a = a, .wide = wide};
  Kernel *out = kernel_begin(&k.b, a, STR("random"));
  int tops = 1 + below(g, 2);
  int64_t e[2] = {1 + below(g, 4), 1 + below(g, 3)}, units = e[0] + (tops > 1 ? e[1] : 0);
  for (int i = 0; i < tops; i++) {
    kernel_loop(&k.b, LOOP_PAR, e[i], 1);
    k.extent[0] = e[i];
    k.depth = 1;
    k.nlive = 0;
    bool sweep = chance(g, 20);
    if (sweep) kernel_loop(&k.b, LOOP_SWEEP, k.extent[k.depth++] = 1 + below(g, 4), 1);
    random_load(&k);
    random_body(&k, units, i ? e[0] : 0);
    if (sweep) kernel_end(&k.b);
    kernel_end(&k.b);
  }
  return out;
}

/* Roughly the element groups a list handles when unrolled as written. */
static inline double random_size(const Kernel *k, const KernelStmt *s) {
  double sum = 0;
  for (; s; s = s->next) {
    if (s->kind == STMT_LOOP) {
      int64_t n = s->loop.extent, step = s->loop.kind == LOOP_UNROLL ? n : s->loop.unroll;
      sum += random_size(k, s->loop.body) * (double)(n <= step ? n : step + n % step);
    } else {
      const KernelTile *t = &k->tile[s->kind == STMT_MAP    ? s->map.dst[0]
                                     : s->kind == STMT_FOLD ? s->fold.src
                                                            : s->mem.tile];
      bool memory =
          s->kind == STMT_LOAD || s->kind == STMT_STORE; /* apart: one by one without gather and scatter */
      int each = s->kind == STMT_MAP                 ? 1 + s->map.program->nins
                 : memory && s->mem.access.at.c != 1 ? KERNEL_LANES
                                                     : 2;
      sum += t->rows * (1 + t->cols / 16) * each;
    }
  }
  return sum;
}

/* Only kernels of a size lowering would write: LLVM's time grows faster than the code. */
static inline Kernel *random_kernel(Rng *g, Arena *a, bool wide) {
  Kernel *k = any_kernel(g, a, wide);
  while (random_size(k, k->root) > 1500) k = any_kernel(g, a, wide);
  return k;
}

#endif
