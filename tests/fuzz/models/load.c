/* A case is read and elaborated; what it is given; the host's functions. */
#include "check.h"
#include "ir/scalar/literal.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

bool finding(Fault *f, const char *stage, const char *why, ...) {
  va_list ap;
  if (f->stage[0]) return false; /* the first is told */
  snprintf(f->stage, sizeof f->stage, "%s", stage);
  va_start(ap, why);
  vsnprintf(f->detail, sizeof f->detail, why, ap);
  va_end(ap);
  return false;
}

bool load_case(const Case *c, const char *text, Arena *a, Loaded *l, Fault *f) {
  ElabOptions o = {.folder = STR("/nonexistent")};
  AstFile *ast;
  Sb why;
  memset(l, 0, sizeof *l);
  l->arena = a;
  names_init(&l->names, a);
  sources_init(&l->sources, a);
  limits_init(&l->limits);
  diags_init(&l->diags, a, &l->sources, &l->limits);
  program_init(&l->p, a, &l->names, &l->sources, &l->limits);
  uint32_t file = sources_add(&l->sources, STR("model.dg"), str_z(text), false);
  if (!frontend_program(file, &o, &l->diags, &l->p, &ast)) {
    sb_init(&why, a);
    diags_finish(&l->diags);
    diag_render_all(&l->diags, (DiagStyle){.tab = 8}, &why);
    sb_char(&why, 0);
    return finding(f, "rejected", "%s", why.p);
  }
  for (uint32_t i = 0; i < l->p.symbol.n; i++) {
    Str name = names_str(&l->names, l->p.symbol.at[i]);
    if (l->nbind == 2) return finding(f, "rejected", "more symbols than N and M");
    l->bind[l->nbind++] = (DimBinding){l->p.symbol.at[i], str_eq(name, STR("N")) ? c->N : c->M};
  }
  return true;
}

Type load_type(const Loaded *l, const Type *t) {
  Type r = *t;
  for (uint8_t k = 0; k < r.rank; k++) r.dim[k] = dim_bind(l->p.dims, r.dim[k], l->bind, l->nbind);
  return r;
}

/* ---- values ---- */

static uint32_t next(uint64_t *seed, uint32_t n) {
  uint64_t x = *seed += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return (uint32_t)((x ^ x >> 31) >> 33) % n;
}

static double real(uint64_t *seed, const Leaf *leaf, bool specials, bool ties) {
  static const double odd[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e-40, -1e-310, 3e38, 1e-20, 1, -1, 0.25};
  if (leaf->range.has)
    return leaf->range.lo + (leaf->range.hi - leaf->range.lo) * (next(seed, 1025) / 1024.0);
  if (specials && next(seed, 12) == 0) return odd[next(seed, sizeof odd / sizeof *odd)];
  if (ties && next(seed, 6) == 0) return next(seed, 7) - 3.0;
  return (next(seed, 2000001) - 1e6) / 4e5;
}

static int64_t integer(uint64_t *seed, const Leaf *leaf, DType t) {
  if (leaf->range.has) {
    double lo = leaf->range.lo, hi = leaf->range.hi - (leaf->range.closed ? 0 : 1);
    return (int64_t)lo + (int64_t)next(seed, (uint32_t)(hi - lo) + 1);
  }
  if (next(seed, 20) == 0)
    return t == DT_I64 ? (int64_t)(UINT64_C(1) << 62) + next(seed, 9) : INT32_MAX - (int)next(seed, 3);
  return (int64_t)next(seed, 41) - 20;
}

void value_fill(const Case *c, const Leaf *leaf, const Names *names, DType t, size_t count, bool wide,
                void *to) { /* wide: no ties, for at a kink a derivative is a convention */
  Str name = names_str(names, leaf->path);
  uint64_t seed = c->data * 0xd1342543de82ef95u + 77;
  for (size_t i = 0; i < name.n; i++) seed = (seed ^ (unsigned char)name.p[i]) * 0x100000001b3u;
  DType own = (DType)leaf->type.dtype;
  bool single = dtype_compute(t) == DT_F32 || (wide && dtype_compute(own) == DT_F32);
  for (size_t i = 0; i < count; i++) {
    double v = dtype_is_float(dtype_compute(t)) ? real(&seed, leaf, c->specials && !wide, !wide) : 0;
    if (leaf->kind == LEAF_STATE) v = 0.5 + fabs(v) / 4;
    if (single) v = (float)v;
    if (own == DT_BF16) v = (double)literal_bf16((float)v).s;
    switch (t) {
    case DT_F64: ((double *)to)[i] = v; break;
    case DT_F32: ((float *)to)[i] = (float)v; break;
    case DT_I64: ((int64_t *)to)[i] = integer(&seed, leaf, t); break;
    case DT_I32:
      ((int32_t *)to)[i] = leaf->kind == LEAF_STEP || leaf->kind == LEAF_EPOCH ? 3
                           : leaf->kind == LEAF_SEED                           ? 11
                                                     : (int32_t)integer(&seed, leaf, t);
      break;
    case DT_BOOL: ((int32_t *)to)[i] = (int32_t)next(&seed, 2); break;
    case DT_U8:
      ((uint8_t *)to)[i] = (uint8_t)(leaf->range.has ? integer(&seed, leaf, t) : next(&seed, 256));
      break;
    case DT_BF16: literal_put(t, to, i, (ScalarValue){.s = (float)v}); break;
    case DT_COUNT: break;
    }
  }
}

size_t array_count(const dg_array *a) {
  size_t n = 1;
  for (int i = 0; i < a->rank; i++) n *= (size_t)a->extent[i];
  return n;
}

dg_dtype host_dtype(DType t) {
  static const dg_dtype to[DT_ALL] = {
      [DT_F32] = DG_F32,   [DT_F64] = DG_F64, [DT_I32] = DG_I32,  [DT_I64] = DG_I64,
      [DT_BOOL] = DG_BOOL, [DT_U8] = DG_U8,   [DT_BF16] = DG_BF16};
  return to[t];
}

bool same_bits(const dg_array *a, const dg_array *b) {
  size_t n = array_count(a);
  if (a->dtype != b->dtype || n != array_count(b)) return false;
  for (size_t i = 0; i < n; i++) {
    if (a->dtype == DG_F64) {
      const double *x = (double *)a->data + i, *y = (double *)b->data + i;
      if (memcmp(x, y, 8) != 0 && !(isnan(*x) && isnan(*y))) return false;
    } else if (a->dtype == DG_F32) {
      const float *x = (float *)a->data + i, *y = (float *)b->data + i;
      if (memcmp(x, y, 4) != 0 && !(isnan(*x) && isnan(*y))) return false;
    } else {
      size_t w = a->dtype == DG_I64 ? 8 : a->dtype == DG_U8 ? 1 : a->dtype == DG_BF16 ? 2 : 4;
      if (memcmp((char *)a->data + i * w, (char *)b->data + i * w, w) != 0) return false;
    }
  }
  return true;
}

/* ---- the host's functions, of f32 and f64 ---- */

const char *const host_name[2] = {"host_half", "host_mix"};

int host_half(void *user, const dg_array *in, int n, dg_array *out) {
  (void)user, (void)n;
  for (size_t i = 0; i < array_count(out); i++)
    if (out->dtype == DG_F64)
      ((double *)out->data)[i] = 0.5 * ((double *)in[0].data)[i] + 0.25;
    else
      ((float *)out->data)[i] = 0.5f * ((float *)in[0].data)[i] + 0.25f;
  return 0;
}
int host_mix(void *user, const dg_array *in, int n, dg_array *out) {
  (void)user, (void)n;
  for (size_t i = 0; i < array_count(out); i++)
    if (out->dtype == DG_F64)
      ((double *)out->data)[i] = 0.5 * ((double *)in[0].data)[i] + 2 * ((double *)in[1].data)[i];
    else
      ((float *)out->data)[i] = 0.5f * ((float *)in[0].data)[i] + 2 * ((float *)in[1].data)[i];
  return 0;
}

static dg_array as_array(const Tensor *t) {
  dg_array a = {.dtype = t->dtype == DT_F64 ? DG_F64 : DG_F32, .rank = t->rank, .data = t->data};
  for (int i = 0; i < t->rank; i++) a.extent[i] = t->ext[i];
  return a;
}
static bool half_inside(void *user, const Tensor *in, uint32_t nin, Tensor *out) {
  dg_array a = as_array(in), o = as_array(out);
  return host_half(user, &a, (int)nin, &o) == 0;
}
static bool mix_inside(void *user, const Tensor *in, uint32_t nin, Tensor *out) {
  dg_array a[2] = {as_array(&in[0]), as_array(&in[1])}, o = as_array(out);
  return host_mix(user, a, (int)nin, &o) == 0;
}
const HostEntry *host_entries(const Loaded *l, Arena *a) {
  HostEntry *h = ARENA_ARRAY(a, HostEntry, l->p.externs.n + 1);
  for (uint32_t i = 0; i < l->p.externs.n; i++)
    h[i].fn =
        str_eq(names_str(&l->names, l->p.externs.at[i].name), STR("host_half")) ? half_inside : mix_inside;
  return h;
}
