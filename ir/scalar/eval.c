/* Evaluating scalar programs: the definition of every base instruction in C, over arrays of up to BLOCK
 * elements. Vectorised or not, every operation rounds once and in order (the file is compiled without
 * contraction), so block size changes no bit. */
#include "ir/scalar/internal.h"
#include "runtime/core/clean.h"

#include <math.h>
#include <xmmintrin.h>

#define MAY_ALIAS __attribute__((may_alias))

enum { BLOCK = 64 };
typedef float MAY_ALIAS F32;
typedef double MAY_ALIAS F64;
typedef int32_t MAY_ALIAS I32;
typedef int64_t MAY_ALIAS I64;
typedef union View { /* one value of a program for a block of elements, packed at its type's width */
  void *p;
  F32 *s;
  F64 *d;
  I32 *i;
  I64 *l;
} View;

uint32_t fp_enter(void) {
  uint32_t old = _mm_getcsr();
  _mm_setcsr(0x9fc0u); /* FTZ, DAZ, nearest, all exceptions masked */
  return old;
}
void fp_leave(uint32_t saved) { _mm_setcsr(saved); }

void fp_flush(DType t, void *data, size_t n) {
  if (t == DT_F32) clean32(data, n);
  if (t == DT_F64) clean64(data, n);
  if (t == DT_BF16) clean16(data, n);
}

bool fp_clean(DType t, const void *data, size_t n) {
  if (t == DT_F32) return is_clean32(data, n);
  if (t == DT_BF16) return is_clean16(data, n);
  return t != DT_F64 || is_clean64(data, n);
}

/* ---- definitions that are more than one C operator ---- */

static inline float min_s(float a, float b) {
  return isnan(a) || isnan(b) ? NAN : a == b ? (signbit(a) ? a : b) : a < b ? a : b;
}
static inline float max_s(float a, float b) {
  return isnan(a) || isnan(b) ? NAN : a == b ? (signbit(a) ? b : a) : a > b ? a : b;
}
static inline double min_d(double a, double b) {
  return isnan(a) || isnan(b) ? (double)NAN : a == b ? (signbit(a) ? a : b) : a < b ? a : b;
}
static inline double max_d(double a, double b) {
  return isnan(a) || isnan(b) ? (double)NAN : a == b ? (signbit(a) ? b : a) : a > b ? a : b;
}

static inline double pow2(int n) { /* n within the normal range */
  ScalarValue v = {.w = (uint64_t)(n + 1023) << 52};
  return v.d;
}
static double ldexp_d(double a, double b) {
  if (isnan(b)) return (double)NAN;
  if (isinf(b)) return b > 0 ? (isnan(a) ? b : a * b) : isnan(a) ? 0.0 : a * 0.0;
  if (isnan(a)) return (double)NAN;
  double f = floor(b);
  int n = f < -3000 ? -3000 : f > 3000 ? 3000 : (int)f;
  for (int i = 0; i < 2; i++) { /* exact while the result is in range; what flushes early would flush later */
    int step = n < -1022 ? -1022 : n > 1023 ? 1023 : n;
    a *= pow2(step);
    n -= step;
  }
  return a * pow2(n < -1022 ? -1022 : n > 1023 ? 1023 : n);
}
static float ldexp_s(float a, float b) {
  if (isnan(b)) return NAN;
  if (isinf(b)) return b > 0 ? (isnan(a) ? b : a * b) : isnan(a) ? 0.0f : a * 0.0f;
  if (isnan(a)) return NAN;
  float f = floorf(b);
  int n = f < -400 ? -400 : f > 400 ? 400 : (int)f;
  return (float)((double)a * pow2(n)); /* exact product, one rounding (and flush) */
}

/* Integer division rounds down; by zero gives 0; the least integer by -1 wraps to itself. */
#define INT_DIVISION(T, U, sfx)                                                                              \
  static inline T idiv_##sfx(T a, T b) {                                                                     \
    if (b == 0) return 0;                                                                                    \
    if (b == -1) return (T)(0 - (U)a);                                                                       \
    T q = a / b;                                                                                             \
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;                                                     \
  }                                                                                                          \
  static inline T imod_##sfx(T a, T b) { return b == 0 ? 0 : (T)((U)a - (U)b * (U)idiv_##sfx(a, b)); }
INT_DIVISION(int32_t, uint32_t, i)
INT_DIVISION(int64_t, uint64_t, l)

static inline int32_t f2i(double x) {
  return isnan(x) ? 0 : x >= 2147483648.0 ? INT32_MAX : x < -2147483648.0 ? INT32_MIN : (int32_t)x;
}
static inline int64_t f2l(double x) {
  return isnan(x)                     ? 0
         : x >= 9223372036854775808.0 ? INT64_MAX
         : x < -9223372036854775808.0 ? INT64_MIN
                                      : (int64_t)x;
}

/* fma by the CPU's instruction where there is one (libm's replacement elsewhere): same bits, one rounding. */
__attribute__((target("fma"))) static void fma_fast(const ScalarIns *n, View a, View b, View c, View r,
                                                    int m) {
  if (n->type == DT_F32)
    for (int e = 0; e < m; e++) r.s[e] = __builtin_fmaf(a.s[e], b.s[e], c.s[e]);
  else
    for (int e = 0; e < m; e++) r.d[e] = __builtin_fma(a.d[e], b.d[e], c.d[e]);
}
static void fma_slow(const ScalarIns *n, View a, View b, View c, View r, int m) {
  if (n->type == DT_F32)
    for (int e = 0; e < m; e++) r.s[e] = fmaf(a.s[e], b.s[e], c.s[e]);
  else
    for (int e = 0; e < m; e++) r.d[e] = fma(a.d[e], b.d[e], c.d[e]);
}

static void cast_block(const ScalarIns *n, View a, View r, int m) {
#define EACH(to, expr)                                                                                       \
  for (int e = 0; e < m; e++) r.to[e] = (expr);                                                              \
  return
#define FROM(x, wide, narrow32, narrow64)                                                                    \
  switch ((DType)n->result) {                                                                                \
  case DT_F32: EACH(s, (float)x);                                                                            \
  case DT_F64: EACH(d, (double)x);                                                                           \
  case DT_I32: EACH(i, narrow32);                                                                            \
  case DT_I64: EACH(l, narrow64);                                                                            \
  case DT_BOOL: EACH(i, x != 0);                                                                             \
  case DT_COUNT:                                                                                             \
  case DT_U8:                                                                                                \
  case DT_BF16: return;                                                                                      \
  }
  switch ((DType)n->type) {
  case DT_F32: FROM(a.s[e], , f2i(a.s[e]), f2l(a.s[e])) return;
  case DT_F64: FROM(a.d[e], , f2i(a.d[e]), f2l(a.d[e])) return;
  case DT_I32:
  case DT_BOOL: FROM(a.i[e], , a.i[e], a.i[e]) return;
  case DT_I64: FROM(a.l[e], , (int32_t)a.l[e], a.l[e]) return;
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: return;
  }
#undef FROM
#undef EACH
}

/* One instruction over m elements. F, N, V, W: as in scalar_ops.def. length-ok: one case an instruction */
static void ins_block(const ScalarIns *n, View a, View b, View c, View r, int m) {
  DType t = (DType)n->type;
#define EACH(to, expr)                                                                                       \
  for (int e = 0; e < m; e++) r.to[e] = (expr)
#define F1(fs, fd)                                                                                           \
  if (t == DT_F32)                                                                                           \
    EACH(s, fs(a.s[e]));                                                                                     \
  else                                                                                                       \
    EACH(d, fd(a.d[e]));                                                                                     \
  break
#define F2(fs, fd)                                                                                           \
  if (t == DT_F32)                                                                                           \
    EACH(s, fs(a.s[e], b.s[e]));                                                                             \
  else                                                                                                       \
    EACH(d, fd(a.d[e], b.d[e]));                                                                             \
  break
#define N2(i32, i64)                                                                                         \
  if (t == DT_I64)                                                                                           \
    EACH(l, i64);                                                                                            \
  else                                                                                                       \
    EACH(i, i32);                                                                                            \
  break
#define V2(s32, d64, i32, i64)                                                                               \
  if (t == DT_F32)                                                                                           \
    EACH(s, s32);                                                                                            \
  else if (t == DT_F64)                                                                                      \
    EACH(d, d64);                                                                                            \
  else if (t == DT_I64)                                                                                      \
    EACH(l, i64);                                                                                            \
  else                                                                                                       \
    EACH(i, i32);                                                                                            \
  break
#define ARITH(o)                                                                                             \
  V2(a.s[e] o b.s[e], a.d[e] o b.d[e], (int32_t)((uint32_t)a.i[e] o(uint32_t) b.i[e]),                       \
     (int64_t)((uint64_t)a.l[e] o(uint64_t) b.l[e]))
#define COMPARE(o)                                                                                           \
  if (t == DT_F32)                                                                                           \
    EACH(i, a.s[e] o b.s[e]);                                                                                \
  else if (t == DT_F64)                                                                                      \
    EACH(i, a.d[e] o b.d[e]);                                                                                \
  else if (t == DT_I64)                                                                                      \
    EACH(i, a.l[e] o b.l[e]);                                                                                \
  else                                                                                                       \
    EACH(i, a.i[e] o b.i[e]);                                                                                \
  break
  switch ((ScalarOp)n->op) {
  case SC_ADD: ARITH(+);
  case SC_SUB: ARITH(-);
  case SC_MUL: ARITH(*);
  case SC_DIV: V2(a.s[e] / b.s[e], a.d[e] / b.d[e], 0, 0);
  case SC_FMA: (__builtin_cpu_supports("fma") ? fma_fast : fma_slow)(n, a, b, c, r, m); break;
  case SC_NEG: V2(-a.s[e], -a.d[e], (int32_t)(0 - (uint32_t)a.i[e]), (int64_t)(0 - (uint64_t)a.l[e]));
  case SC_ABS:
    V2(fabsf(a.s[e]), fabs(a.d[e]), a.i[e] < 0 ? (int32_t)(0 - (uint32_t)a.i[e]) : a.i[e],
       a.l[e] < 0 ? (int64_t)(0 - (uint64_t)a.l[e]) : a.l[e]);
  case SC_SQRT: F1(sqrtf, sqrt);
  case SC_MIN:
    V2(min_s(a.s[e], b.s[e]), min_d(a.d[e], b.d[e]), a.i[e] < b.i[e] ? a.i[e] : b.i[e],
       a.l[e] < b.l[e] ? a.l[e] : b.l[e]);
  case SC_MAX:
    V2(max_s(a.s[e], b.s[e]), max_d(a.d[e], b.d[e]), a.i[e] > b.i[e] ? a.i[e] : b.i[e],
       a.l[e] > b.l[e] ? a.l[e] : b.l[e]);
  case SC_FLOOR: F1(floorf, floor);
  case SC_CEIL: F1(ceilf, ceil);
  case SC_RINT: F1(rintf, rint);
  case SC_TRUNC: F1(truncf, trunc);
  case SC_LDEXP: F2(ldexp_s, ldexp_d);
  case SC_LT: COMPARE(<);
  case SC_LE: COMPARE(<=);
  case SC_EQ: COMPARE(==);
  case SC_SEL:
    if (t == DT_F64 || t == DT_I64)
      EACH(l, a.i[e] ? b.l[e] : c.l[e]);
    else
      EACH(i, a.i[e] ? b.i[e] : c.i[e]);
    break;
  case SC_IDIV: N2(idiv_i(a.i[e], b.i[e]), idiv_l(a.l[e], b.l[e]));
  case SC_IMOD: N2(imod_i(a.i[e], b.i[e]), imod_l(a.l[e], b.l[e]));
  case SC_MULHI: EACH(i, (int32_t)((uint64_t)(uint32_t)a.i[e] * (uint32_t)b.i[e] >> 32)); break;
  case SC_AND: N2(a.i[e] & b.i[e], a.l[e] & b.l[e]);
  case SC_OR: N2(a.i[e] | b.i[e], a.l[e] | b.l[e]);
  case SC_XOR: N2(a.i[e] ^ b.i[e], a.l[e] ^ b.l[e]);
  case SC_NOT:
    if (t == DT_BOOL)
      EACH(i, !a.i[e]);
    else if (t == DT_I64)
      EACH(l, ~a.l[e]);
    else
      EACH(i, ~a.i[e]);
    break;
  case SC_SHL: N2((int32_t)((uint32_t)a.i[e] << (b.i[e] & 31)), (int64_t)((uint64_t)a.l[e] << (b.l[e] & 63)));
  case SC_SHR: N2(a.i[e] >> (b.i[e] & 31), a.l[e] >> (b.l[e] & 63));
  case SC_USHR:
    N2((int32_t)((uint32_t)a.i[e] >> (b.i[e] & 31)), (int64_t)((uint64_t)a.l[e] >> (b.l[e] & 63)));
  case SC_BITS:
    if (t == DT_F32)
      EACH(i, isnan(a.s[e]) ? 0x7fc00000 : a.i[e]);
    else
      EACH(l, isnan(a.d[e]) ? 0x7ff8000000000000 : a.l[e]);
    break;
  case SC_UNBITS:
    if (t == DT_I32)
      EACH(i, (int32_t)clean_bits32((uint32_t)a.i[e]));
    else
      EACH(l, (int64_t)clean_bits64((uint64_t)a.l[e]));
    break;
  case SC_RAWBITS:
  case SC_RAWFLOAT:
    if (t == DT_F32 || t == DT_I32)
      EACH(i, a.i[e]);
    else
      EACH(l, a.l[e]);
    break;
  case SC_CAST: cast_block(n, a, r, m); break;
  case SC_COUNT: break;
  }
#undef EACH
#undef F1
#undef F2
#undef N2
#undef V2
#undef ARITH
#undef COMPARE
}

static size_t width(uint8_t t) { return dtype_bytes((DType)t); }

/* Copies one value into all m elements. */
static void splat(View to, uint8_t t, const void *from, int m) {
  for (int e = 0; e < m; e++) memcpy(width(t) == 8 ? (void *)&to.l[e] : (void *)&to.i[e], from, width(t));
}

static View arg_view(ScalarRef r, const View *leaf, const View *ins) { return r.leaf ? leaf[r.i] : ins[r.i]; }

static void run(const Scalar *p, const View *leaf, const View *val, int m) {
  for (uint16_t i = 0; i < p->nins; i++) {
    const ScalarIns *n = &p->ins[i];
    ins_block(n, arg_view(n->arg[0], leaf, val), arg_view(n->arg[1], leaf, val),
              arg_view(n->arg[2], leaf, val), val[i], m);
  }
}

typedef struct Block {
  ScalarValue v[BLOCK];
} Block;
static View *views(Arena *a, uint16_t n) { /* n values of a block each */
  Block *room = ARENA_ARRAY(a, Block, n);
  View *v = ARENA_ARRAY(a, View, n);
  for (uint16_t i = 0; i < n; i++) v[i].p = room[i].v;
  return v;
}

/* m elements of type t from `from`, starting at element `from_at`, to element `to_at` of `to`. */
static void copy(View to, size_t to_at, View from, size_t from_at, uint8_t t, int m) {
  if (width(t) == 8)
    for (int e = 0; e < m; e++) to.l[to_at + (size_t)e] = from.l[from_at + (size_t)e];
  else
    for (int e = 0; e < m; e++) to.i[to_at + (size_t)e] = from.i[from_at + (size_t)e];
}

void scalar_eval_n(const Scalar *p, Arena *scratch, size_t n, const void *const *in, const uint8_t *step,
                   void *const *out) {
  ArenaMark mark = arena_mark(scratch);
  View *val = views(scratch, p->nins), *leaf = views(scratch, p->nleaf), from;
  for (uint16_t i = 0; i < p->nleaf; i++) { /* what is the same for all elements */
    const ScalarLeaf *l = &p->leaf[i];
    if (!l->input)
      splat(leaf[i], l->type, &l->value, BLOCK);
    else if (step && !step[l->index] && n)
      splat(leaf[i], l->type, in[l->index], BLOCK);
  }
  for (size_t at = 0; at < n; at += BLOCK) {
    int m = n - at < BLOCK ? (int)(n - at) : BLOCK;
    for (uint16_t i = 0; i < p->nleaf; i++) {
      const ScalarLeaf *l = &p->leaf[i];
      if (!l->input || (step && !step[l->index])) continue;
      memcpy(&from, &in[l->index], sizeof from);
      copy(leaf[i], 0, from, at, l->type, m);
    }
    run(p, leaf, val, m);
    for (uint16_t i = 0; i < p->nout; i++)
      copy((View){.p = out[i]}, at, arg_view(p->out[i], leaf, val), 0, (uint8_t)scalar_type(p, p->out[i]), m);
  }
  arena_rewind(scratch, mark);
}

void scalar_step(const ScalarIns *n, const ScalarValue *a, const ScalarValue *b, const ScalarValue *c,
                 ScalarValue *r) {
  ScalarValue in[3] = {*a, *b, *c}, out = {.w = 0};
  ins_block(n, (View){.p = &in[0]}, (View){.p = &in[1]}, (View){.p = &in[2]}, (View){.p = &out}, 1);
  *r = out;
}

void scalar_eval(const Scalar *p, const ScalarValue *in, ScalarValue *out) {
  ScalarValue leaf[SCALAR_LEAVES], val[SCALAR_INS];
  for (uint16_t i = 0; i < p->nleaf; i++)
    leaf[i] = p->leaf[i].input ? in[p->leaf[i].index] : p->leaf[i].value;
#define ARG(r) ((r).leaf ? &leaf[(r).i] : &val[(r).i])
  for (uint16_t i = 0; i < p->nins; i++)
    scalar_step(&p->ins[i], ARG(p->ins[i].arg[0]), ARG(p->ins[i].arg[1]), ARG(p->ins[i].arg[2]), &val[i]);
#undef ARG
  for (uint16_t i = 0; i < p->nout; i++) out[i] = p->out[i].leaf ? leaf[p->out[i].i] : val[p->out[i].i];
}
