/* Native code equals the evaluator bit for bit, at every level, for the instruction set at hand; buffers end
 * at unmapped pages; units run in pieces out of order; nothing but the kernels themselves is linked. */
#include "base/mem.h"
#include "codegen/codegen.h"
#include "codegen/guard.h"
#include "isa_kit.h"
#include "kernel_random.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

static Mem mem;
static Arena arena;
static void begin(void) {
  if (arena.mem) arena_release(&arena);
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
}
static const char *text(Sb *b) {
  sb_char(b, 0);
  return b->p;
}

/* ---- settings: levels of one instruction set ---- */

static const int levels[] = {-1, 0, 3, 1}; /* -1: default passes */
#if defined __SANITIZE_ADDRESS__ /* what is looked for there is in the compiler, not in its results */
enum { SETTINGS = 1, MAIN_SETTINGS = 1 };
#else
enum { SETTINGS = sizeof levels / sizeof *levels, MAIN_SETTINGS = 2 };
#endif

static void options_for(const char *isa, int level, CodegenOptions *o) {
  CodegenTarget t;
  Sb why;
  sb_init(&why, &arena);
  ck_assert_msg(codegen_target(&arena, &(TargetRequest){.isa = isa}, &t, &why) == ST_OK, "%s", text(&why));
  codegen_options_init(o, &t);
  if (level >= 0) codegen_options_level(o, level);
}

typedef struct Case {
  const Kernel *k;
  void *in[KERNEL_BUFFERS], *want[KERNEL_BUFFERS]; /* data before, and after the evaluator */
} Case;

static size_t bytes_of(const KernelBuffer *b) { return (size_t)b->n * dtype_bytes((DType)b->type); }

static Case prepare(const Kernel *k, Rng *g, bool specials) {
  Case c = {.k = k};
  for (int i = 0; i < k->nbuffer; i++) {
    const KernelBuffer *b = &k->buffer[i];
    c.in[i] = arena_alloc(&arena, bytes_of(b) + 1, 64);
    c.want[i] = arena_alloc(&arena, bytes_of(b) + 1, 64);
    fill_random(g, (DType)b->type, b->n, c.in[i], specials);
    memcpy(c.want[i], c.in[i], bytes_of(b));
  }
  uint32_t env = fp_enter();
  kernel_eval(k, c.want, 0, kernel_units(k), &arena);
  fp_leave(env);
  return c;
}

static void run_and_compare(const Case *c, KernelFn *fn, const char *setting) {
  const Kernel *k = c->k;
  void *buf[KERNEL_BUFFERS];
  for (int i = 0; i < k->nbuffer; i++) {
    buf[i] = guarded_alloc((DType)k->buffer[i].type, k->buffer[i].n);
    memcpy(buf[i], c->in[i], bytes_of(&k->buffer[i]));
    if (k->buffer[i].kind == BUFFER_SCRATCH) memset(buf[i], 0xff, bytes_of(&k->buffer[i]));
  }
  int64_t n = kernel_units(k), cut = n / 3;
  uint32_t env = fp_enter();
  fn(buf, cut, n);
  fn(buf, 0, cut);
  fp_leave(env);
  for (int i = 0; i < k->nbuffer; i++) {
    const KernelBuffer *b = &k->buffer[i];
    size_t w = dtype_bytes((DType)b->type);
    for (int64_t j = 0; b->kind != BUFFER_SCRATCH && j < b->n; j++) {
      const char *got = (char *)buf[i] + (size_t)j * w, *want = (char *)c->want[i] + (size_t)j * w;
      if (same_value((DType)b->type, got, want)) continue;
      Sb s;
      uint64_t x = 0, y = 0;
      sb_init(&s, &arena);
      kernel_print(k, &s);
      memcpy(&x, got, w), memcpy(&y, want, w);
      ck_abort_msg("%s: %.*s[%lld] is %llx, not %llx, in\n%s", setting, (int)b->name.n, b->name.p,
                   (long long)j, (unsigned long long)x, (unsigned long long)y, text(&s));
    }
    guarded_free(buf[i], (DType)b->type, b->n);
  }
}

/* All cases as one set, at one level; lists that `share_from` kernels have in common are one function. */
static CodegenStats check_shared(const Case *c, uint32_t n, int level, int share_from) {
  CodegenOptions o;
  NativeCode *code;
  CodegenStats stats;
  Sb why;
  options_for(isa_name(), level, &o);
  o.share_from = share_from;
  const Kernel **k = ARENA_ARRAY(&arena, const Kernel *, n);
  KernelFn **fn = ARENA_ARRAY(&arena, KernelFn *, n);
  for (uint32_t i = 0; i < n; i++) k[i] = c[i].k;
  sb_init(&why, &arena);
  Status st = codegen_compile(&arena, &(KernelSet){k, n}, &o, &code, fn, &stats, &why);
  ck_assert_msg(st == ST_OK, "%s level %d: %s", isa_name(), level, text(&why));
  Str name = str_fmt(&arena, "%s level %d", isa_name(), level);
  for (uint32_t i = 0; i < n; i++) run_and_compare(&c[i], fn[i], name.p);
  if (getenv("DG_TIMES"))
    fprintf(stderr,
            "%s: %u kernels, %u functions, %.1f ms (emit %.1f passes %.1f code %.1f link %.1f), %zu bytes\n",
            name.p, n, stats.functions, stats.ms, stats.ms_emit, stats.ms_passes, stats.ms_code,
            stats.ms_link, stats.object_bytes);
  native_release(code);
  return stats;
}
static void check_set(const Case *c, uint32_t n, int level) { check_shared(c, n, level, 0); }

static Kernel *read_kernel(const char *t) {
  Kernel *k;
  Sb why;
  sb_init(&why, &arena);
  ck_assert_msg(kernel_parse(&arena, str_z(t), &k, &why), "%s", text(&why));
  ck_assert_msg(kernel_verify(k, &why), "%s", text(&why));
  ck_assert_msg(kernel_independent(k, &why), "%s", text(&why));
  return k;
}

/* ---- random programs and kernels ---- */

static Kernel *program_kernel(Rng *g, bool wide) { /* one map over a random program */
  KernelBuilder b;
  DType in[4], out[2];
  KernelOperand src[4];
  Kernel *k = kernel_begin(&b, &arena, STR("program"));
  for (int i = 0; i < 4; i++) {
    in[i] = wide ? (DType)below(g, DT_COUNT) : (DType[]){DT_F32, DT_F32, DT_I32, DT_BOOL}[below(g, 4)];
    src[i] = operand_memory(&b, 1, 32,
                            access_at(kernel_buffer(&b, STR("in"), in[i], 32 * 6, BUFFER_IN),
                                      affine_add(affine(0), 0, 32), 0, 1));
  }
  int dst[2];
  for (int i = 0; i < 2; i++) {
    out[i] = wide ? (DType)below(g, DT_COUNT) : i ? DT_I32 : DT_F32;
    dst[i] = kernel_tile(&b, STR("t"), out[i], 1, 32);
  }
  kernel_loop(&b, LOOP_PAR, 6, 1);
  kernel_map(&b, random_program(g, &arena, in, 4, out, 2, 14, wide), 2, dst, 4, src);
  for (int i = 0; i < 2; i++)
    kernel_store(&b, dst[i],
                 access_at(kernel_buffer(&b, STR("out"), out[i], 32 * 6, BUFFER_OUT),
                           affine_add(affine(0), 0, 32), 0, 1));
  kernel_end(&b);
  return k;
}

enum { PROGRAMS = 32, KERNELS = 20 };
static uint64_t seed(void) { /* DG_SEED=n: other random cases */
  return getenv("DG_SEED") ? strtoull(getenv("DG_SEED"), NULL, 10) * 1000003 : 0;
}
START_TEST(random_programs) {
  begin();
  Rng g = {(uint64_t)_i * 1000 + 17 + seed()};
  Case c[PROGRAMS];
  for (int i = 0; i < PROGRAMS; i++) c[i] = prepare(program_kernel(&g, i % 3 == 0), &g, true);
  check_set(c, PROGRAMS, levels[_i]);
}
END_TEST

static void random_kernels_at(int level, uint64_t seed, int n, int share_from) {
  Rng g = {seed};
  Case *c = ARENA_ARRAY(&arena, Case, (size_t)n);
  for (int i = 0; i < n; i++) {
    Kernel *k = random_kernel(&g, &arena, i % 3 == 0);
    Sb why;
    sb_init(&why, &arena);
    ck_assert_msg(kernel_verify(k, &why), "%s", text(&why));
    c[i] = prepare(k, &g, true);
  }
  check_shared(c, (uint32_t)n, level, share_from);
}
START_TEST(random_kernels) {
  begin();
  random_kernels_at(levels[_i], (uint64_t)_i * 999 + 3 + seed(), KERNELS, 0);
}
END_TEST
/* Each list a function of its own, its numbers arguments. */
START_TEST(random_tile_functions) {
  begin();
  random_kernels_at(levels[_i], (uint64_t)_i * 777 + 11 + seed(), KERNELS, 1);
}
END_TEST

/* ---- library functions: the same bits as the evaluator, all types and widths ---- */

START_TEST(library_functions) {
  begin();
  static const char *const body[] = {"exp(x)",      "expm1(x)",
                                     "log(x)",      "log1p(x)",
                                     "sin(x)",      "cos(x)",
                                     "tanh(x)",     "sigmoid(x)",
                                     "erf(x)",      "pow(abs(x), y)",
                                     "mod(x, y)",   "max(x, 0) + log1p(exp(-abs(x)))",
                                     "1 / sqrt(x)", "unit(philox_lo(i32(x * 1000), 1, 7))"};
  enum { BODIES = sizeof body / sizeof *body };
  Case c[2 * BODIES];
  Rng g = {5};
  for (int t = DT_F32; t <= DT_F64; t++)
    for (int i = 0; i < BODIES; i++) {
      KernelBuilder b;
      Sb why;
      sb_init(&why, &arena);
      Kernel *k = kernel_begin(&b, &arena, STR("library"));
      ScalarInput in[2] = {{"x", (DType)t}, {"y", (DType)t}};
      const Scalar *p = scalar_parse(&arena, str_z(body[i]), in, 2, (DType)t, &why);
      ck_assert_msg(p != NULL, "%s", text(&why));
      int x = kernel_buffer(&b, STR("x"), (DType)t, 1024, BUFFER_IN),
          y = kernel_buffer(&b, STR("y"), (DType)t, 1024, BUFFER_OUT),
          d = kernel_tile(&b, STR("d"), (DType)t, 1, 16);
      kernel_loop(&b, LOOP_PAR, 64, 1);
      Access at = access_at(x, affine_add(affine(0), 0, 16), 0, 1),
             to = access_at(y, affine_add(affine(0), 0, 16), 0, 1);
      kernel_map1(&b, p, d, 2,
                  (KernelOperand[]){operand_memory(&b, 1, 16, at), operand_memory(&b, 1, 16, at)});
      kernel_store(&b, d, to);
      kernel_end(&b);
      Case *q = &c[(t - DT_F32) * BODIES + i];
      *q = prepare(k, &g, true);
      for (int e = 0; e < 1024; e += 2) { /* half of the inputs over the whole range */
        ScalarValue v = {.w = (uint64_t)rnd(&g) << 32 | rnd(&g)};
        memcpy((char *)q->in[0] + (size_t)e * dtype_bytes((DType)t), &v, dtype_bytes((DType)t));
      }
      fp_flush((DType)t, q->in[0], 1024);
      memcpy(q->want[0], q->in[0], 1024 * dtype_bytes((DType)t));
      uint32_t env = fp_enter();
      kernel_eval(k, q->want, 0, 64, &arena);
      fp_leave(env);
    }
  check_set(c, 2 * BODIES, levels[_i]);
}
END_TEST

/* ldexp whose second operand is as it is, or cut to whole numbers: as far as two factors of a power reach, or
 * farther, and moved on from there. */
static const struct {
  int more; /* the cut: twice the end of the exponents and this */
  const char *last;
} powers[] = {{0, NULL},
              {-2, "%5 = ldexp x0 %4; ret %5"},
              {-1, "%5 = ldexp x0 %4; ret %5"},
              {40, "%5 = ldexp x0 %4; ret %5"},
              {-2, "%5 = neg %4; %6 = ldexp x0 %5; ret %6"},
              {-4, "%5 = add %4 2#; %6 = ldexp x0 %5; ret %6"},
              {-2, "%5 = add %4 1#; %6 = ldexp x0 %5; ret %6"},
              {-2, "%5 = sub %4 1#; %6 = ldexp x0 %5; ret %6"},
              {-2, "%5 = mul %4 0.5#; %6 = ldexp x0 %5; ret %6"},
              {40, "%5 = mul %4 0.5#; %6 = rint %5; %7 = ldexp x0 %6; ret %7"}};
enum { POWERS = sizeof powers / sizeof *powers };

static const char *powers_program(int i, DType t) {
  char z = t == DT_F32 ? 's' : 'd';
  int k = 2 * (t == DT_F32 ? 127 : 1023) + powers[i].more;
  if (!powers[i].last) return "%0 = ldexp x0 x1; ret %0";
  Str p = str_fmt(&arena,
                  "%%0 = lt %d%c x1; %%1 = sel %%0 %d%c x1; %%2 = lt %%1 -%d%c; %%3 = sel %%2 -%d%c %%1; %%4 "
                  "= rint %%3; %s",
                  k, z, k, z, k, z, k, z, powers[i].last);
  char *text = arena_alloc(&arena, p.n + 1, 1);
  for (size_t j = 0; j <= p.n; j++) text[j] = j == p.n ? 0 : p.p[j] == '#' ? z : p.p[j];
  return text;
}

/* Over all pairs of places where its course changes: the ends of the exponents, twice the ends, fractions,
 * infinities and NaN. */
START_TEST(powers_of_two) {
  begin();
  Case c[2 * POWERS];
  Rng g = {5};
  for (int n = 0; n < 2 * POWERS; n++) {
    DType t = n % 2 ? DT_F64 : DT_F32;
    double top = t == DT_F32 ? 127 : 1023,
           one[] = {0, 1, 1.5, 3.9999998, INFINITY, (double)NAN, -1, -1.25, -INFINITY, -0.0};
    double end[] = {0,         0.5,         1,       2,       3,           top - 2,     top - 1,
                    top - 0.5, top,         top + 1, top + 2, 2 * top - 3, 2 * top - 2, 2 * top - 1,
                    2 * top,   2 * top + 1, 3 * top, 1e30,    INFINITY,    (double)NAN};
    enum {
      ONES = sizeof one / sizeof *one,
      ENDS = sizeof end / sizeof *end,
      B = 2 * ENDS,
      A = ONES * 5,
      N = A * B
    };
    _Static_assert(N % 16 == 0, "whole vectors");
    const char *name = t == DT_F32 ? "f32" : "f64";
    Str text =
        str_fmt(&arena,
                "kernel powers\n  in X: %s[%d]\n  in Y: %s[%d]\n  out Z: %s[%d]\n  tile z: %s[1x16]\n  par "
                "i0 < %d {\n"
                "    z = map {x0:%s, x1:%s | %s} 1x16 X[16*i0+c], 1x16 Y[16*i0+c]\n"
                "    store Z[16*i0+c] = z\n  }\n",
                name, N, name, N, name, N, name, N / 16, name, name, powers_program(n / 2, t));
    c[n] = prepare(read_kernel(text.p), &g, false);
    Case *q = &c[n];
    for (int i = 0; i < N; i++) {
      static const double binade[] = {0, 1, -1, 0.5, -0.5};
      double x = ldexp(one[i / B % ONES], (int)(binade[i / B / ONES] * (top - 1))),
             y = end[i % B / 2] * (i % 2 ? -1 : 1);
      if (t == DT_F32)
        ((float *)q->in[0])[i] = (float)x, ((float *)q->in[1])[i] = (float)y;
      else
        ((double *)q->in[0])[i] = x, ((double *)q->in[1])[i] = y;
    }
    fp_flush(t, q->in[0], N);
    for (int i = 0; i < 2; i++) memcpy(q->want[i], q->in[i], bytes_of(&q->k->buffer[i]));
    uint32_t env = fp_enter();
    kernel_eval(q->k, q->want, 0, N / 16, &arena);
    fp_leave(env);
  }
  check_set(c, 2 * POWERS, levels[_i]);
}
END_TEST

/* ---- kernels as lowering writes them ---- */

#define MAX_SSA "{x0:f32, x1:f32 | %0 = max x0 x1; ret %0}"
#define ADD_SSA "{x0:f32, x1:f32 | %0 = add x0 x1; ret %0}"
#define FMA_SSA "{x0:f32, x1:f32, x2:f32 | %0 = fma x0 x1 x2; ret %0}"
static const char *const written[] = {
    /* product 8x48 with a packed panel in scratch, transposed source, tail of 20 columns */
    "kernel gemm\n  in X: f32[104]\n  in Y: f32[884]\n  in bias: f32[68]\n  out C: f32[544]\n  scratch P: "
    "f32[624]\n"
    "  tile t: f32[13x16]\n  tile acc: f32[8x48]\n  tile y: f32[1x48]\n  tile acc2: f32[8x32]\n  tile y2: "
    "f32[1x32]\n"
    "  par i0 < 1 {\n    seq i1 < 3 {\n      t = load Y[208*i1+r+13*c]\n      store P[16*i1+48*r+c] = t\n    "
    "}\n"
    "    acc = map {| ret 0s}\n    seq i1 < 13 by 2 {\n      y = load P[48*i1+c]\n      acc = map " FMA_SSA
    " 8x1 X[13*r+i1], y, acc\n    }\n"
    "    acc = map {x0:f32, x1:f32 | %0 = add x0 x1; %1 = lt %0 0s; %2 = sel %1 0s %0; ret %2} acc, 1x48 "
    "bias[c]\n    store C[68*r+c] = acc\n  }\n"
    "  par i0 < 1 {\n    acc2 = map {| ret 0s}\n    seq i1 < 13 by 2 {\n      y2 = load Y[i1+13*c+624] if "
    "0<=c<20\n"
    "      acc2 = map " FMA_SSA
    " 8x1 X[13*r+i1], y2, acc2\n    }\n    store C[68*r+c+48] if 0<=c<20 = acc2\n  }\n",
    /* softmax of 5 rows of 37 */
    "kernel softmax\n  in X: f32[185]\n  out Y: f32[185]\n  tile mx: f32[5x16]\n  tile m: f32[5x1]\n  tile "
    "s: f32[5x16]\n  tile e: f32[5x16]\n  tile t: f32[5x1]\n"
    "  par i0 < 1 {\n    mx = map {| ret -infs}\n    seq i1 < 3 by 2 {\n      mx = map " MAX_SSA
    " mx, 5x16 X[37*r+16*i1+c] if 0<=16*i1+c<37 else -infs\n    }\n"
    "    m = fold.max mx\n    s = map {| ret 0s}\n    seq i1 < 3 {\n      e = map {x0:f32, x1:f32 | %0 = sub "
    "x0 x1; %1 = mul %0 1.5s; %2 = rint %1; %3 = ldexp 1s %2; ret %3} 5x16 X[37*r+16*i1+c] if 0<=16*i1+c<37 "
    "else -infs, m\n"
    "      s = map " ADD_SSA
    " s, e\n      store Y[37*r+16*i1+c] if 0<=16*i1+c<37 = e\n    }\n    t = fold.sum s\n"
    "    seq i1 < 3 {\n      e = map {x0:f32, x1:f32 | %0 = div x0 x1; ret %0} 5x16 Y[37*r+16*i1+c] if "
    "0<=16*i1+c<37, t\n      store Y[37*r+16*i1+c] if 0<=16*i1+c<37 = e\n    }\n  }\n",
    /* argmax: fold.max, compare, fold.min over the coordinate */
    "kernel argmax\n  in X: f32[96]\n  out I: i32[3]\n  tile x: f32[3x32]\n  tile m: f32[3x1]\n  tile w: "
    "i32[3x32]\n  tile i: i32[3x1]\n"
    "  par i0 < 1 {\n    x = load X[32*r+c]\n    m = fold.max x\n    w = map {x0:f32, x1:f32, x2:i32 | %0 = "
    "eq x0 x1; %1 = eq x0 x0; %2 = not %1; %3 = or %0 %2; %4 = sel %3 x2 2147483647i; ret %4} x, m, coord "
    "1x32 (c)\n"
    "    i = fold.min w\n    store I[r] = i\n  }\n",
    /* convolution 3x3 with padding 1 over 1 x 5 x 28, lanes along the width */
    "kernel conv\n  in X: f32[140]\n  in W: f32[18]\n  out Y: f32[280]\n  tile acc: f32[2x32]\n  tile x: "
    "f32[1x32]\n"
    "  par i0 < 5 {\n    acc = map {| ret 0s}\n    unroll i1 < 3 {\n      seq i2 < 3 {\n        x = load "
    "X[28*i0+28*i1+i2+c-29] if 0<=i0+i1-1<5 and 0<=i2+c-1<28\n"
    "        acc = map " FMA_SSA
    " 2x1 W[9*r+3*i1+i2], x, acc\n      }\n    }\n    store Y[140*r+28*i0+c] if 0<=c<28 = acc\n  }\n",
    /* embedding gradient: ordered scatter_add, indices may repeat and be out of range */
    "kernel scatter\n  in G: f32[240]\n  in ix: i32[6]\n  out E: f32[280]\n  tile e: f32[1x16]\n  par i0 < 2 "
    "{\n    seq i1 < 6 {\n"
    "      e = load E[16*i0+c + 40*ix[i1]<7] if 0<=16*i0+c<40\n      e = map " ADD_SSA
    " e, 1x16 G[40*i1+16*i0+c]\n      store E[16*i0+c + 40*ix[i1]<7] if 0<=16*i0+c<40 = e\n    }\n  }\n"
    "  par i0 < 1 {\n    seq i1 < 6 {\n      e = load E[c+32 + 40*ix[i1]<7] if 0<=c<8\n      e = map " ADD_SSA
    " e, 1x16 G[40*i1+c+32] if 0<=c<8\n"
    "      store E[c+32 + 40*ix[i1]<7] if 0<=c<8 = e\n    }\n  }\n",
    /* gather per lane, and per row with a guard on the row */
    "kernel gather\n  in T: f64[50]\n  in ix: i32[64]\n  out Y: f64[64]\n  out Z: f64[24]\n  tile y: "
    "f64[2x16]\n  tile z: f64[3x1]\n"
    "  par i0 < 2 {\n    y = load T[3*r + 5*ix[32*i0+16*r+c]<9] else 7d\n    store Y[32*i0+16*r+c] = y\n"
    "    z = load T[0 + 2*ix[4*i0+r]<25] if 0<=r+i0<3 else -1d\n    store Z[12*i0+r] if 0<=r<2 = z\n  }\n",
    /* causal sums: a clipped loop that may not run, carrying tiles */
    "kernel causal\n  in X: f32[64]\n  out Y: f32[96]\n  tile a: f32[1x16]\n  tile b: f32[1x16]\n  par i0 < "
    "6 {\n    a = map {| ret 1s}\n    b = map {| ret 2s}\n"
    "    seq i1 < 4 clip i0-1 {\n      a = map " ADD_SSA
    " a, 1x16 X[16*i1+c]\n      seq i2 < 3 clip i1 {\n        b = map " ADD_SSA " b, a\n      }\n    }\n"
    "    a = map " ADD_SSA " a, b\n    store Y[16*i0+c] = a\n  }\n",
    /* results stored behind a map that reads what they overwrite: the same element, the one before it, one
       for all rows */
    "kernel update\n  in X: f32[64]\n  out M: f32[64]\n  out W: f32[64]\n  tile t: f32[4x16]\n  tile u: "
    "f32[4x16]\n"
    "  par i0 < 1 {\n    t, u = map {x0:f32, x1:f32, x2:f32 | %0 = mul x1 0.5s; %1 = add %0 x0; %2 = sub x2 "
    "%1; ret "
    "%1 %2} 4x16 X[16*r+c], 4x16 M[16*r+c], 4x16 W[16*r+c]\n    store M[16*r+c] = t\n    store W[16*r+c] = "
    "u\n  }\n",
    "kernel shifted\n  out M: f32[96]\n  out W: f32[96]\n  tile t: f32[4x16]\n  tile u: f32[4x16]\n"
    "  par i0 < 1 {\n    t, u = map {x0:f32, x1:f32 | %0 = add x0 x1; %1 = sub x0 x1; ret %0 %1} 4x16 "
    "M[16*r+c], "
    "4x16 W[16*r+c+3]\n    store M[16*r+c+16] = t\n    store W[16*r+c] = u\n    store M[16*r+c+1] = u\n  }\n",
    "kernel onto\n  out M: f32[16]\n  out W: f32[64]\n  tile t: f32[4x16]\n  tile u: f32[4x16]\n"
    "  par i0 < 1 {\n    t, u = map {x0:f32, x1:f32 | %0 = add x0 x1; %1 = mul x0 x1; ret %0 %1} 4x16 M[c], "
    "1x16 "
    "W[c]\n    store M[c] = t\n    store W[16*r+c] = u\n  }\n",
    /* loops over rows: an operand loaded as a tile that is larger than the result, bools row by row */
    "kernel larger\n  in X: f32[1024]\n  in D: f64[1024]\n  out Y: f32[1024]\n  tile t: f32[16x64]\n"
    "  par i0 < 1 {\n    t = map {x0:f32, x1:f64 | %0 = cast.f32 x1; %1 = mul x0 %0; %2 = add %1 x0; %3 = "
    "sub "
    "%2 %0; %4 = mul %3 %3; %5 = add %4 %1; %6 = sub %5 %3; %7 = max %6 %0; %8 = min %7 %2; ret %8} 16x64 "
    "X[64*r+c], 16x64 D[r+16*c]\n    store Y[64*r+c] = t\n  }\n",
    "kernel masked\n  in X: f32[256]\n  in M: bool[256]\n  out Y: f32[256]\n  tile t: f32[16x16]\n"
    "  par i0 < 1 {\n    t = map {x0:f32, x1:bool | %0 = sel x1 x0 2s; %1 = mul x0 %0; %2 = add %1 x0; %3 = "
    "sub %2 %0; %4 = mul %3 %3; %5 = add %4 %1; %6 = sub %5 %3; %7 = max %6 %0; %8 = min %7 %2; ret %8} "
    "16x16 X[16*r+c], 16x16 M[16*r+c]\n    store Y[16*r+c] = t\n  }\n",
    /* masks in memory, streaming stores, 64-bit words */
    "kernel mixed\n  in X: f32[64]\n  out M: bool[64]\n  out L: i64[64]\n  out S: f32[64]\n  tile x: "
    "f32[2x16]\n  tile m: bool[2x16]\n  tile l: i64[2x16]\n"
    "  par i0 < 2 {\n    x = load X[32*i0+16*r+c]\n    m = map {x0:f32 | %0 = lt x0 0s; ret %0} x\n    store "
    "M[32*i0+r+2*c] = m\n"
    "    l = map {x0:f32, x1:bool | %0 = cast.i64 x0; %1 = sel x1 %0 -5l; ret %1} x, m\n    store "
    "L[32*i0+r+2*c] = l\n    store S[32*i0+16*r+c] stream = x\n  }\n",
};
enum { WRITTEN = sizeof written / sizeof *written };

START_TEST(written_kernels) {
  begin();
  Case c[2 * WRITTEN];
  Rng g = {11};
  for (int i = 0; i < WRITTEN; i++) {
    Kernel *k = read_kernel(written[i]);
    c[2 * i] = prepare(k, &g, false);
    c[2 * i + 1] = prepare(k, &g, true);
  }
  check_set(c, 2 * WRITTEN, levels[_i]);
}
END_TEST

/* Register transposes of every type and ragged size, both ways; up to four rows fill whole vectors together.
 */
START_TEST(transposes) {
  begin();
  enum { SIZES = 8 };
  static const int rows[SIZES] = {4, 15, 16, 33, 2, 3, 3, 2};
  Case c[4 * SIZES * 2];
  Rng g = {3};
  int n = 0;
  for (int t = DT_F32; t <= DT_I64; t++)
    for (int i = 0; i < SIZES; i++)
      for (int store = 0; store < 2; store++) {
        KernelBuilder b;
        int64_t R = rows[i], C = 32;
        Kernel *k = kernel_begin(&b, &arena, STR("transpose"));
        int x = kernel_buffer(&b, STR("x"), (DType)t, R * C + 40, BUFFER_IN),
            y = kernel_buffer(&b, STR("y"), (DType)t, R * C + 40, BUFFER_OUT);
        int tile = kernel_tile(&b, STR("t"), (DType)t, rows[i], 32);
        kernel_loop(&b, LOOP_PAR, 1, 1);
        Access a = access_at(x, affine(3), store ? C : 1, store ? 1 : R),
               d = access_at(y, affine(1), store ? 1 : C, store ? R : 1);
        if (i & 1)
          a = access_pad(access_guard(a, affine(0), 0, 1, 21), (DType)t, -3),
          d = i > 4 ? access_guard(d, affine(0), 0, 1, 21) : access_guard(d, affine(0), 1, 0, R - 1);
        kernel_load(&b, tile, a);
        kernel_store(&b, tile, d);
        kernel_end(&b);
        c[n++] = prepare(k, &g, false);
      }
  check_set(c, (uint32_t)n, levels[_i]);
}
END_TEST

/* Products of one tile and many extents: one function has the tile, and each kernel calls it. A long update
 * over its rows is a loop. */
START_TEST(extents_are_arguments) {
  begin();
  static const int size[][3] = {
      {2, 40, 7}, {3, 33, 19}, {1, 47, 2}, {5, 41, 100}}; /* tiles of rows, columns, terms */
  enum { SIZES = sizeof size / sizeof *size };
  Case c[SIZES];
  Rng g = {6};
  for (int i = 0; i < SIZES; i++) {
    int m = size[i][0], n = size[i][1], k = size[i][2];
    Str t = str_fmt(
        &arena,
        "kernel product\n  in X: f32[%d]\n  in Y: f32[%d]\n  out C: f32[%d]\n  tile acc: f32[8x48]\n"
        "  tile y: f32[1x48]\n  tile t: f32[8x48]\n  par i0 < %d {\n    acc = map {| ret 0s}\n"
        "    seq i1 < %d {\n      y = load Y[%d*i1+c] if 0<=c<%d\n      acc = map "
        "{x0:f32, x1:f32, x2:f32 | %%0 = fma x0 x1 x2; ret %%0}"
        " 8x1 X[%d*i0+%d*r+i1], y, acc\n    }\n"
        "    t = map {x0:f32, x1:f32 | %%0 = mul x0 x0; %%1 = add %%0 x1; %%2 = sqrt %%0; %%3 = add %%2 1s; "
        "%%4 = div x0 %%3; %%5 = sub x1 %%4; %%6 = mul %%5 %%5; %%7 = sub %%6 %%1; ret %%7} acc, 8x48 "
        "C[%d*i0+%d*r+c] if 0<=c<%d\n    store C[%d*i0+%d*r+c] if 0<=c<%d = t\n  }\n",
        8 * m * k, n * k, 8 * m * n, m, k, n, n, 8 * k, k, 8 * n, n, n, 8 * n, n, n);
    c[i] = prepare(read_kernel(t.p), &g, false);
  }
  CodegenStats one = check_shared(c, SIZES, levels[_i], 0),
               each = check_shared(c, SIZES, levels[_i], SIZES + 1);
  ck_assert_uint_eq(one.functions, SIZES + 1);
  ck_assert_uint_eq(each.functions, SIZES);
  ck_assert_uint_lt(one.object_bytes, each.object_bytes);
}
END_TEST

/* ---- the compiler around the emitter ---- */

START_TEST(equal_kernels_are_one_function) {
  begin();
  CodegenTarget t;
  CodegenOptions o;
  NativeCode *code;
  CodegenStats stats;
  KernelFn *fn[3];
  Sb why;
  sb_init(&why, &arena);
  ck_assert_int_eq(codegen_target(&arena, &(TargetRequest){0}, &t, &why), ST_OK);
  codegen_options_init(&o, &t);
  const Kernel *k[3] = {read_kernel(written[1]), read_kernel(written[2]), read_kernel(written[1])};
  ((Kernel *)(uintptr_t)k[2])->name = STR("other name");
  ck_assert_int_eq(codegen_compile(&arena, &(KernelSet){k, 3}, &o, &code, fn, &stats, &why), ST_OK);
  ck_assert_uint_eq(stats.functions, 2);
  ck_assert(fn[0] == fn[2] && fn[0] != fn[1]);
  native_release(code);
  for (int i = 0; i < 3; i++) { /* printing */
    Sb out;
    sb_init(&out, &arena);
    ck_assert_int_eq(codegen_print(&arena, &(KernelSet){k, 2}, &o, (CodegenPrint)i, "dg_k", &out, &why),
                     ST_OK);
    ck_assert(out.n > 200);
    if (i < 2)
      ck_assert(strstr(text(&out), "dg_k1") != NULL);
    else
      ck_assert(memcmp(out.p, "\177ELF", 4) == 0);
  }
}
END_TEST

/* The accumulators of the largest register blocks stay in registers: no vector goes to the stack. */
START_TEST(products_do_not_spill) {
  begin();
  static const struct {
    const char *isa, *reg;
    int rows, cols;
    CpuLevel cpu;
  } row[] = {{"avx512", "%zmm", 14, 32, CPU_ASK}, {"avx512", "%zmm", 9, 48, CPU_ASK},
             {"avx512", "%zmm", 8, 48, CPU_ASK},  {"avx512", "%zmm", 14, 32, CPU_AVX2},
             {"avx512", "%zmm", 9, 48, CPU_BASE}, {"avx2", "%ymm", 6, 16, CPU_ASK},
             {"avx2", "%ymm", 6, 16, CPU_BASE}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    CodegenOptions o;
    Sb out, why;
    sb_init(&out, &arena), sb_init(&why, &arena);
    CodegenTarget
        target; /* code to be read is made on every machine, as for this CPU and as for a lesser one */
    TargetRequest ask = {row[i].isa, row[i].cpu, .print = true};
    ck_assert_int_eq(codegen_target(&arena, &ask, &target, &why), ST_OK);
    codegen_options_init(&o, &target);
    int R = row[i].rows, C = row[i].cols;
    Str t = str_fmt(&arena,
                    "kernel product\n  in X: f32[%d]\n  in Y: f32[%d]\n  out C: f32[%d]\n  tile acc: "
                    "f32[%dx%d]\n  tile y: f32[1x%d]\n  par i0 < 4 {\n"
                    "    acc = map {| ret 0s}\n    seq i1 < 100 by 2 {\n      y = load Y[%d*i1+c]\n      acc "
                    "= map %s %dx1 X[%d*i0+100*r+i1], y, acc\n    }\n    store C[%d*i0+%d*r+c] = acc\n  }\n",
                    400 * R, 100 * C, 4 * R * C, R, C, C, C, FMA_SSA, R, 100 * R, R * C, C);
    const Kernel *k = read_kernel(t.p);
    ck_assert_int_eq(codegen_print(&arena, &(KernelSet){&k, 1}, &o, PRINT_ASSEMBLY, "k", &out, &why), ST_OK);
    int spills = 0, fmas = 0;
    for (char *line = (char *)(uintptr_t)text(&out), *next; line; line = next) {
      next = strchr(line, '\n');
      if (next) *next++ = 0;
      fmas += strstr(line, "vfmadd") != NULL;
      spills += strstr(line, "(%rsp)") && strstr(line, row[i].reg);
    }
    ck_assert_int_ge(fmas, 2 * R * C / (o.target.vector_bytes / 4));
    ck_assert_msg(spills == 0, "%s %dx%d: %d vectors go to the stack", row[i].isa, R, C, spills);
  }
}
END_TEST

/* An update of two arrays behind a product: its results go to memory as they are there, or a tile of each
 * would go to the stack first. */
START_TEST(updates_do_not_spill) {
  begin();
  CodegenOptions o;
  Sb out, why;
  sb_init(&out, &arena), sb_init(&why, &arena);
  CodegenTarget target;
  ck_assert_int_eq(codegen_target(&arena, &(TargetRequest){"avx512", CPU_ASK, .print = true}, &target, &why),
                   ST_OK);
  codegen_options_init(&o, &target);
  const Kernel *k = read_kernel(
      "kernel product\n  in X: f32[3200]\n  in Y: f32[4800]\n  out M: f32[1536]\n  out W: f32[1536]\n  tile "
      "acc: "
      "f32[8x48]\n  tile y: f32[1x48]\n  tile t: f32[8x48]\n  tile u: f32[8x48]\n  par i0 < 4 {\n"
      "    acc = map {| ret 0s}\n    seq i1 < 100 by 2 {\n      y = load Y[48*i1+c]\n      acc = map " FMA_SSA
      " 8x1 X[800*i0+100*r+i1], y, acc\n    }\n"
      "    t, u = map {x0:f32, x1:f32, x2:f32 | %0 = mul x1 0.5s; %1 = add %0 x0; %2 = sub x2 %1; ret %1 %2} "
      "acc, 8x48 "
      "M[384*i0+48*r+c], 8x48 W[384*i0+48*r+c]\n    store M[384*i0+48*r+c] = t\n    store W[384*i0+48*r+c] = "
      "u\n  }\n");
  ck_assert_int_eq(codegen_print(&arena, &(KernelSet){&k, 1}, &o, PRINT_ASSEMBLY, "k", &out, &why), ST_OK);
  int spills = 0;
  for (char *line = (char *)(uintptr_t)text(&out), *next; line; line = next) {
    next = strchr(line, '\n');
    if (next) *next++ = 0;
    spills += strstr(line, "(%rsp)") && strstr(line, "%zmm");
  }
  ck_assert_int_eq(spills, 0);
}
END_TEST

/* A long program over many rows is a loop: its code is of one row. */
START_TEST(long_updates_are_loops) {
  begin();
  CodegenOptions o;
  Sb why, out;
  sb_init(&why, &arena);
  sb_init(&out, &arena);
  options_for(isa_name(), -1, &o);
  const Kernel *k =
      read_kernel("kernel update\n  in X: f32[224]\n  out C: f32[224]\n  tile t: f32[14x16]\n  par i0 < 1 {\n"
                  "    t = map {x0:f32, x1:f32 | %0 = mul x0 x0; %1 = add %0 x1; %2 = sqrt %0; %3 = add %2 "
                  "1s; %4 = div x0 %3; "
                  "%5 = sub x1 %4; %6 = mul %5 %5; %7 = sub %6 %1; ret %7} 14x16 X[16*r+c], 14x16 C[16*r+c]\n"
                  "    store C[16*r+c] = t\n  }\n");
  ck_assert_int_eq(codegen_print(&arena, &(KernelSet){&k, 1}, &o, PRINT_ASSEMBLY, "k", &out, &why), ST_OK);
  int roots = 0;
  for (const char *p = text(&out); (p = strstr(p, "vsqrtps")); p++) roots++;
  ck_assert_msg(roots >= 1 && roots <= 2, "%d roots in the code", roots); /* AVX2: two vectors a row */
}
END_TEST

/* Powers of two stay in vectors, also without scalef: a conversion that saturates goes element by element. */
START_TEST(powers_stay_in_vectors) {
  begin();
  CodegenOptions o;
  Sb out, why;
  sb_init(&out, &arena), sb_init(&why, &arena);
  CodegenTarget target;
  ck_assert_int_eq(codegen_target(&arena, &(TargetRequest){"avx2", CPU_ASK, .print = true}, &target, &why),
                   ST_OK);
  codegen_options_init(&o, &target);
  const Kernel *k = read_kernel(
      "kernel powers\n  in X: f32[16]\n  in Y: f32[16]\n  out Z: f32[16]\n  tile z: f32[1x16]\n"
      "  par i0 < 1 {\n    z = map {x0:f32, x1:f32 | %0 = ldexp x0 x1; ret %0} 1x16 X[c], 1x16 Y[c]\n"
      "    store Z[c] = z\n  }\n");
  ck_assert_int_eq(codegen_print(&arena, &(KernelSet){&k, 1}, &o, PRINT_ASSEMBLY, "k", &out, &why), ST_OK);
  ck_assert(strstr(text(&out), "cvttss2si") == NULL);
}
END_TEST

START_TEST(failures_come_back) {
  begin();
  CodegenTarget t;
  CodegenOptions o;
  NativeCode *code;
  KernelFn *fn[1];
  Sb why;
  sb_init(&why, &arena);
  ck_assert_int_eq(codegen_target(&arena, &(TargetRequest){.isa = "sse9"}, &t, &why), ST_USAGE);
  ck_assert_int_eq(codegen_target(&arena, &(TargetRequest){0}, &t, &why), ST_OK);
  codegen_options_init(&o, &t);
  const Kernel *k[1] = {read_kernel(written[2])};
  o.passes = "no-such-pass";
  ck_assert_int_eq(codegen_compile(&arena, &(KernelSet){k, 1}, &o, &code, fn, NULL, &why), ST_INTERNAL);
  ck_assert(code == NULL);
  ck_assert_msg(strstr(text(&why), "no-such-pass") != NULL, "%s", why.p);
  codegen_options_init(&o, &t);
  ck_assert_int_eq(codegen_compile(&arena, &(KernelSet){k, 1}, &o, &code, fn, NULL, &why), ST_OK);
  native_release(code);
  codegen_options_init(&o, &t);
  ck_assert_int_eq(codegen_compile(&arena, &(KernelSet){k, 0}, &o, &code, fn, NULL, &why), ST_OK);
  native_release(code);
}
END_TEST

/* LLVM's own fatal errors come back, and compiling goes on afterwards. */
void *LLVMCreateTargetData(const char *layout); /* llvm-c/Target.h, for a call that LLVM treats as fatal */
static void fatal_call(void *arg) {
  (void)arg;
  LLVMCreateTargetData("no such layout");
}
START_TEST(fatal_errors_come_back) {
  begin();
  char msg[200] = "";
  CodegenOptions o;
  NativeCode *code;
  KernelFn *fn[1];
  Sb why;
  sb_init(&why, &arena);
#if DG_GUARD
#if defined __SANITIZE_ADDRESS__
  __lsan_disable(); /* the unwound frames' memory is lost */
#endif
  ck_assert_int_eq(guard_call(fatal_call, NULL, msg, sizeof msg), GUARD_FATAL);
#if defined __SANITIZE_ADDRESS__
  __lsan_enable();
#endif
  ck_assert_msg(msg[0] != 0, "no reason");
#else
  (void)fatal_call, (void)msg;
#endif
  options_for(isa_name(), -1, &o);
  const Kernel *k = read_kernel(written[2]);
  ck_assert_int_eq(codegen_compile(&arena, &(KernelSet){&k, 1}, &o, &code, fn, NULL, &why), ST_OK);
  native_release(code);
}
END_TEST

/* Every amount of memory either suffices or gives ST_NO_MEMORY; our own share of it, that is: LLVM has its
 * own. */
static Status compile_within(size_t limit) {
  begin();
  const Kernel *k = read_kernel(written[0]);
  CodegenOptions o;
  NativeCode *code;
  KernelFn *fn[1];
  Sb why;
  Rescue r;
  sb_init(&why, &arena);
  options_for(isa_name(), -1, &o);
  mem.limit = limit;
  if (!RESCUE(&mem, &r)) return r.status;
  Status st = codegen_compile(&arena, &(KernelSet){&k, 1}, &o, &code, fn, NULL, &why);
  rescue_end(&mem, &r);
  if (st == ST_OK) native_release(code);
  return st;
}
START_TEST(memory_limits) {
  for (size_t limit = 200 << 10; limit < 4 << 20; limit += limit / 2) {
    Status st = compile_within(limit);
    ck_assert_msg(st == ST_OK || st == ST_NO_MEMORY, "limit %zu: status %d", limit, (int)st);
  }
}
END_TEST

#if defined __SANITIZE_ADDRESS__
/* LLVM's address sanitizer over our kernels: silent on right ones, loud when a buffer is shorter than
 * declared. */
START_TEST(sanitized_kernels) {
  begin();
  CodegenOptions o;
  NativeCode *code;
  KernelFn *fn[WRITTEN];
  const Kernel *k[WRITTEN];
  Case c[WRITTEN];
  Sb why;
  Rng g = {21};
  sb_init(&why, &arena);
  options_for(isa_name(), -1, &o);
  o.sanitize = true;
  for (int i = 0; i < WRITTEN; i++) c[i] = prepare(k[i] = read_kernel(written[i]), &g, true);
  Status st = codegen_compile(&arena, &(KernelSet){k, WRITTEN}, &o, &code, fn, NULL, &why);
  ck_assert_msg(st == ST_OK, "%s", text(&why));
  for (int i = 0; i < WRITTEN; i++) run_and_compare(&c[i], fn[i], "sanitized");
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    void *buf[2] = {malloc(96 * 4 - 4), malloc(3 * 4)}; /* argmax reads 96 */
    fclose(stderr);
    fn[2](buf, 0, 1);
    _exit(0);
  }
  int status = 0;
  ck_assert(waitpid(child, &status, 0) == child);
  ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 0, "the short buffer was not noticed");
  native_release(code);
}
END_TEST
#endif

#if defined __SANITIZE_ADDRESS__
#define SANITIZED , sanitized_kernels
#else
#define SANITIZED
#endif
ISA_MAIN(UNIT("compiler", equal_kernels_are_one_function, products_do_not_spill, updates_do_not_spill,
              powers_stay_in_vectors, long_updates_are_loops, failures_come_back, fatal_errors_come_back,
              memory_limits SANITIZED),
         UNIT_TURNS("kernels", SETTINGS, written_kernels, extents_are_arguments),
         UNIT_TURNS("main", MAIN_SETTINGS, transposes, library_functions, powers_of_two),
         UNIT_TURNS("random", SETTINGS, random_programs, random_kernels, random_tile_functions))
