/* Triangular systems and Cholesky's factor of the last two axes; those in front are a batch. */
#include "base/size.h"
#include "ir/family/family.h"

#include <math.h>

#define INLINE __attribute__((always_inline))

typedef struct System {
  size_t n, m, ai, ak; /* unknowns, columns; steps of the matrix */
  bool backwards;      /* the last unknown first */
} System;

#define REAL float
#define FN(name) name##_s
#define FMA __builtin_fmaf
#define ROOT sqrtf
#include "ir/family/linalg_real.h"
#undef REAL
#undef FN
#undef FMA
#undef ROOT
#define REAL double
#define FN(name) name##_d
#define FMA __builtin_fma
#define ROOT sqrt
#include "ir/family/linalg_real.h"
#undef REAL
#undef FN
#undef FMA
#undef ROOT

/* Each twice: with the CPU's fma, and with libm's. Same bits, one rounding. */
#define FAST __attribute__((target("avx2,fma")))
FAST static void solve_s_fast(const System *s, const float *a, const float *b, float *x) {
  solve_s(s, a, b, x);
}
FAST static void solve_d_fast(const System *s, const double *a, const double *b, double *x) {
  solve_d(s, a, b, x);
}
FAST static void cholesky_s_fast(size_t n, const float *a, float *l) { cholesky_s(n, a, l); }
FAST static void cholesky_d_fast(size_t n, const double *a, double *l) { cholesky_d(n, a, l); }

static void solve(DType t, const System *s, const void *a, const void *b, void *x) {
  if (t == DT_F32)
    (interp_has_fma() ? solve_s_fast : solve_s)(s, a, b, x);
  else
    (interp_has_fma() ? solve_d_fast : solve_d)(s, a, b, x);
}
static void cholesky(DType t, size_t n, const void *a, void *l) {
  if (t == DT_F32)
    (interp_has_fma() ? cholesky_s_fast : cholesky_s)(n, a, l);
  else
    (interp_has_fma() ? cholesky_d_fast : cholesky_d)(n, a, l);
}

/* ---- triangular_solve ---- */

bool infer_triangular_solve(const Infer *f) {
  const Type *a = f->in[0], *b = f->in[1];
  uint8_t r = a->rank;
  if (!infer_attr(f, 0, 0, 1) || !infer_attr(f, 1, 0, 1)) return false;
  if (r < 2 || b->rank != r || a->dtype != b->dtype || !dtype_is_float((DType)a->dtype))
    return infer_types(f, "takes two float operands of equal rank, at least 2, not", a, b);
  bool ok = infer_dim_eq(a->dim[r - 2], a->dim[r - 1]) && infer_dim_eq(a->dim[r - 1], b->dim[r - 2]);
  for (uint8_t i = 0; i + 2 < r; i++) ok = ok && infer_dim_eq(a->dim[i], b->dim[i]);
  *f->out = *b;
  return ok || infer_types(f, "the matrix and the right side do not match:", a, b);
}

static System system_of(const Eval *e) {
  const Tensor *b = e->in[1];
  bool upper = e->attr[0], transpose = e->attr[1];
  System s = {
      .n = (size_t)b->ext[b->rank - 2], .m = (size_t)b->ext[b->rank - 1], .backwards = upper != transpose};
  s.ai = transpose ? 1 : s.n;
  s.ak = transpose ? s.n : 1;
  return s;
}

/* Element `at` of a tensor. */
static void *from(const Tensor *t, size_t at) {
  return (char *)t->data + at * dtype_bytes(t->dtype); /* size-ok: there */
}

static void triangular_solve(Eval *e) {
  System s = system_of(e);
  size_t square = s.n * s.n, part = s.n * s.m; /* size-ok: of tensors that are there */
  for (size_t i = 0; i * part < e->out->count; i++)
    solve(e->out->dtype, &s, from(e->in[0], i * square), from(e->in[1], i * part), from(e->out, i * part));
}

/* T x = b: T x' = b' - T' x, over the triangle that is read. */
static bool dual_solve(Eval *e, const Tensor *tin, Tensor *out) {
  System s = system_of(e);
  const Tensor *x = e->out;
  size_t square = s.n * s.n, part = s.n * s.m; /* size-ok: of tensors that are there */
  double *rest = ARENA_ARRAY(&e->run->scratch, double, part);
  for (size_t at = 0; at * part < x->count; at++) {
    const double *ta = tin[0].data ? (double *)tin[0].data + at * square : NULL,
                 *y = (double *)x->data + at * part;
    for (size_t k = 0; k < part; k++) rest[k] = tin[1].data ? ((double *)tin[1].data)[at * part + k] : 0;
    for (size_t i = 0; ta && i < s.n; i++)
      for (size_t k = s.backwards ? i : 0; k < (s.backwards ? s.n : i + 1); k++)
        for (size_t j = 0; j < s.m; j++) rest[i * s.m + j] -= ta[i * s.ai + k * s.ak] * y[k * s.m + j];
    solve(DT_F64, &s, (double *)e->in[0]->data + at * square, rest, (double *)out->data + at * part);
  }
  return true;
}
const OpEval eval_triangular_solve = {triangular_solve, dual_solve};

/* ---- cholesky ---- */

bool infer_cholesky(const Infer *f) {
  const Type *a = f->in[0];
  *f->out = *a;
  if (a->rank < 2 || !dtype_is_float((DType)a->dtype) ||
      !infer_dim_eq(a->dim[a->rank - 2], a->dim[a->rank - 1]))
    return infer_types(f, "takes square matrices [.., N, N] of floats, not", a, NULL);
  return true;
}

static void factor(Eval *e) {
  const Tensor *a = e->in[0];
  size_t n = (size_t)a->ext[a->rank - 1], square = n * n; /* size-ok: of a tensor that is there */
  for (size_t at = 0; at < a->count; at += square) cholesky(a->dtype, n, from(a, at), from(e->out, at));
}

/* The recurrence, differentiated line by line. */
static bool dual_factor(Eval *e, const Tensor *tin, Tensor *out) {
  const Tensor *a = e->in[0];
  size_t n = (size_t)a->ext[a->rank - 1], square = n * n; /* size-ok: of a tensor that is there */
  for (size_t at = 0; at < a->count; at += square) {
    const double *l = (double *)e->out->data + at, *ta = (double *)tin[0].data + at;
    double *t = (double *)out->data + at;
    for (size_t j = 0; j < n; j++)
      for (size_t i = j; i < n; i++) {
        double acc = ta[i * n + j], root = l[j * n + j];
        for (size_t k = 0; k < j; k++) acc -= t[i * n + k] * l[j * n + k] + l[i * n + k] * t[j * n + k];
        t[i * n + j] = i == j ? acc / (2 * root) : (acc - l[i * n + j] * t[j * n + j]) / root;
      }
  }
  return true;
}
const OpEval eval_cholesky = {factor, dual_factor};
