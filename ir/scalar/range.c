/* Interval evaluation of scalar texts. A value that may be no number (the root of a negative number, a
 * difference of infinities) decides no comparison and narrows nothing. */
#include "ir/scalar/range.h"

#include "ir/scalar/expr.h"
#include "ir/scalar/internal.h"

#include <float.h>
#include <math.h>

enum { NAMES = 128, CALLS = 16, DEPTH = 4 * SCALAR_DEPTH };

typedef struct Iv {
  ScalarRange r;
  DType type;
  bool number; /* of the text, exact: takes the type it meets */
  bool nan;    /* may be no number */
} Iv;
typedef struct Env {
  ScalarRanges *c;
  DType result;
  uint32_t n, calls, depth;
  struct {
    Str name;
    Iv v;
  } at[NAMES];
} Env;

void scalar_ranges_init(ScalarRanges *c, Arena *a) {
  *c = (ScalarRanges){.arena = a};
  map_init(&c->at, a);
}

/* ---- ranges ---- */

ScalarRange range_fit(ScalarRange r, DType t) {
  if (isnan(r.lo) || isnan(r.hi) || r.lo > r.hi) return range_any();
  r = (ScalarRange){r.lo + 0.0, r.hi + 0.0}; /* one zero */
  double least = t == DT_F64 ? DBL_MIN : FLT_MIN;
  if (r.lo > 0 && r.lo < least) r.lo = 0; /* flushed */
  if (r.hi < 0 && r.hi > -least) r.hi = 0;
  switch (t) {
  case DT_F32:
    if (isfinite(r.lo) && (double)(float)r.lo != r.lo) r.lo = (double)nextafterf((float)r.lo, -INFINITY);
    if (isfinite(r.hi) && (double)(float)r.hi != r.hi) r.hi = (double)nextafterf((float)r.hi, INFINITY);
    return r;
  case DT_I32: return r.lo < INT32_MIN || r.hi > INT32_MAX ? range_any() : r;
  case DT_I64: return r.lo < -0x1p53 || r.hi > 0x1p53 ? range_any() : r;
  case DT_F64:
  case DT_BOOL:
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
  return r;
}

/* Room for the error of a function that is not rounded correctly; where it is 0 it is exact. */
static ScalarRange loose(ScalarRange r, DType t) {
  double eps = t == DT_F64 ? 0x1p-36 : 0x1p-18;
  return (ScalarRange){r.lo - eps * fabs(r.lo), r.hi + eps * fabs(r.hi)};
}
static ScalarRange within(ScalarRange r, double lo, double hi) {
  return (ScalarRange){fmin(fmax(r.lo, lo), hi), fmax(fmin(r.hi, hi), lo)};
}

static Iv made(ScalarRange r, DType t, bool nan) {
  bool lost = isnan(r.lo) || isnan(r.hi);
  return (Iv){
      .r = t == DT_BOOL ? within(range_fit(r, t), 0, 1) : range_fit(r, t), .type = t, .nan = nan || lost};
}
static Iv unknown(DType t, bool nan) { return made(range_any(), t, nan); }
static Iv truth(bool always, bool never) { return (Iv){.r = {always, !never}, .type = DT_BOOL}; }

/* 0 * infinity is 0 here: an infinite bound stands for numbers as large as you like. */
static double product(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }
static double quotient(double a, double b) { return isinf(b) ? 0 : a / b; }
static double whole_quotient(double a, double b) { return floor(quotient(a, b)); }

/* Of a function that is monotone in each operand: the extremes lie in the corners. */
static ScalarRange corners(double (*f)(double, double), ScalarRange a, ScalarRange b) {
  double v[4] = {f(a.lo, b.lo), f(a.lo, b.hi), f(a.hi, b.lo), f(a.hi, b.hi)};
  ScalarRange r = {v[0], v[0]};
  for (int i = 0; i < 4; i++) {
    if (isnan(v[i])) return range_any();
    r = range_hull(r, (ScalarRange){v[i], v[i]});
  }
  return r;
}
static ScalarRange each(double (*f)(double), ScalarRange a) { return (ScalarRange){f(a.lo), f(a.hi)}; }
static bool endless(ScalarRange r) { return isinf(r.lo) || isinf(r.hi); }
static bool has_zero(ScalarRange r) { return r.lo <= 0 && r.hi >= 0; }

static Iv settle(Iv v, DType t) { /* a number of the text, rounded to the type it meets */
  if (!v.number) return v;
  double x = t == DT_F32 ? (double)(float)v.r.lo : v.r.lo;
  return made((ScalarRange){x, x}, t, isnan(x));
}

/* Gives both one type; numbers alone stay numbers. */
static bool meet(Iv *a, Iv *b) {
  if (a->number && b->number) return false;
  DType t = a->number ? b->type : a->type;
  *a = settle(*a, t);
  *b = settle(*b, t);
  return true;
}

/* ---- operators ---- */

typedef enum { ARITH_ADD, ARITH_SUB, ARITH_MUL, ARITH_DIV } Arith;

static Iv arith(Arith op, Iv a, Iv b, bool same) {
  bool typed = meet(&a, &b);
  ScalarRange x = a.r, y = b.r, r = range_any();
  bool real = typed && dtype_is_float(a.type), nan = a.nan || b.nan;
  switch (op) {
  case ARITH_ADD:
    r = (ScalarRange){x.lo + y.lo, x.hi + y.hi};
    nan |= real && endless(x) && endless(y);
    break;
  case ARITH_SUB:
    r = (ScalarRange){x.lo - y.hi, x.hi - y.lo};
    nan |= real && endless(x) && endless(y);
    break;
  case ARITH_MUL:
    r = corners(product, x, y);
    if (same && has_zero(x)) r.lo = 0;
    nan |= real && !same && ((endless(x) && has_zero(y)) || (endless(y) && has_zero(x)));
    break;
  case ARITH_DIV:
    if (has_zero(y)) break;
    r = corners(quotient, x, y);
    nan |= real && endless(x) && endless(y);
    break;
  }
  nan |= real && op == ARITH_DIV && has_zero(y);
  if (!typed) return (Iv){.r = r, .number = true};
  return made(r, a.type, nan);
}

static double fused_at(double x, double y, double z) { return x == 0 || y == 0 ? z : fma(x, y, z); }
static Iv fused(Iv a, Iv b, Iv c) { /* one rounding */
  ScalarRange x = a.r, y = b.r, z = c.r, r = {INFINITY, -INFINITY};
  for (int i = 0; i < 4; i++) {
    double p = i & 1 ? x.hi : x.lo, q = i & 2 ? y.hi : y.lo, lo = fused_at(p, q, z.lo),
           hi = fused_at(p, q, z.hi);
    if (isnan(lo) || isnan(hi)) return unknown(a.type, true);
    r = range_hull(r, (ScalarRange){lo, hi});
  }
  return made(r, a.type, a.nan || b.nan || c.nan || endless(x) || endless(y));
}

static Iv power(Iv a, Iv b) {
  ScalarRange x = a.r, y = b.r;
  if (a.nan || b.nan || x.lo < 0 || (x.lo == 0 && y.lo < 0))
    return unknown(a.type, true); /* 0^-1 may be -inf */
  if (x.lo == x.hi && x.lo == 1) return made((ScalarRange){1, 1}, a.type, false);
  if (x.hi == 0 && y.lo > 0) return made((ScalarRange){0, 0}, a.type, false);
  ScalarRange r = loose(corners(pow, x, y), a.type);
  return made((ScalarRange){fmax(r.lo, 0), r.hi}, a.type, false);
}

static Iv compare(Str op, Iv a, Iv b) {
  (void)meet(&a, &b);
  ScalarRange x = a.r, y = b.r;
  bool nan = a.nan || b.nan, point = !nan && x.lo == x.hi && y.lo == y.hi && x.lo == y.lo;
  bool apart = x.hi < y.lo || x.lo > y.hi;
  if (str_eq(op, STR("lt"))) return truth(!nan && x.hi < y.lo, x.lo >= y.hi);
  if (str_eq(op, STR("le"))) return truth(!nan && x.hi <= y.lo, x.lo > y.hi);
  if (str_eq(op, STR("eq"))) return truth(point, apart);
  return truth(apart, point);
}

static Iv shifted_right(Iv a, Iv b) { /* zeros come in */
  (void)meet(&a, &b);
  int width = a.type == DT_I64 ? 64 : 32;
  double k = b.r.lo;
  if (k != b.r.hi || k < 1 || k >= width) return unknown(a.type, false);
  double least = a.r.lo >= 0 ? floor(ldexp(a.r.lo, -(int)k)) : 0,
         most = a.r.lo >= 0 ? floor(ldexp(a.r.hi, -(int)k)) : ldexp(1, width - (int)k) - 1;
  return made((ScalarRange){least, most}, a.type, false);
}

static Iv join(Iv a, Iv b) {
  if (!meet(&a, &b)) return (Iv){.r = range_hull(a.r, b.r), .number = true, .nan = a.nan || b.nan};
  return (Iv){.r = range_hull(a.r, b.r), .type = a.type, .nan = a.nan || b.nan};
}

/* ---- narrowing ---- */

static Iv value_of(Env *v, const ScalarExpr *e);

static void narrow_name(Env *v, const ScalarExpr *e, double lo, double hi) {
  if (e->kind != SCALAR_NAME || v->n == NAMES) return;
  Iv was = value_of(v, e);
  if (was.nan) return;
  was.r = (ScalarRange){fmax(was.r.lo, lo), fmin(was.r.hi, hi)};
  if (was.r.lo > was.r.hi) return; /* the branch is not taken */
  v->at[v->n].name = e->name;
  v->at[v->n++].v = was;
}

/* What holds where condition e has the value `yes`. An operand that is no number makes every comparison
 * false: nothing follows from that. */
static void narrow(Env *v, const ScalarExpr *e, bool yes) {
  if (e->kind != SCALAR_OPERATOR || v->depth > DEPTH) return;
  bool is_and = str_eq(e->name, STR("and")), is_or = str_eq(e->name, STR("or"));
  if (str_eq(e->name, STR("not"))) narrow(v, e->arg[0], !yes);
  if ((is_and && yes) || (is_or && !yes)) {
    narrow(v, e->arg[0], yes);
    narrow(v, e->arg[1], yes);
  }
  bool lt = str_eq(e->name, STR("lt")), le = str_eq(e->name, STR("le")), eq = str_eq(e->name, STR("eq"));
  if (!lt && !le && !(eq && yes)) return;
  Iv a = value_of(v, e->arg[0]), b = value_of(v, e->arg[1]);
  (void)meet(&a, &b);
  if (!yes && (a.nan || b.nan)) return;
  if (yes || eq) { /* a <= b */
    narrow_name(v, e->arg[0], -INFINITY, b.r.hi);
    narrow_name(v, e->arg[1], a.r.lo, INFINITY);
  }
  if (!yes || eq) { /* a >= b */
    narrow_name(v, e->arg[0], b.r.lo, INFINITY);
    narrow_name(v, e->arg[1], -INFINITY, a.r.hi);
  }
}

static Iv choose(Env *v, const ScalarExpr *e) {
  Iv c = value_of(v, e->arg[0]), part[2];
  uint32_t n = v->n;
  for (int i = 0; i < 2; i++) {
    narrow(v, e->arg[0], i == 0);
    part[i] = value_of(v, e->arg[1 + i]);
    v->n = n;
  }
  if (c.r.lo == 1) return settle(part[0], part[1].number ? v->result : part[1].type);
  if (c.r.hi == 0) return settle(part[1], part[0].number ? v->result : part[0].type);
  return join(part[0], part[1]);
}

/* ---- calls ---- */

static Iv cast(Iv x, DType to) {
  if (x.number) return settle(x, to);
  if (to == DT_BOOL) return truth(x.r.lo > 0 || x.r.hi < 0, !x.nan && x.r.lo == 0 && x.r.hi == 0);
  if (!dtype_is_float(x.type) || dtype_is_float(to)) return made(x.r, to, x.nan);
  if (x.nan) return unknown(to, false);
  ScalarRange r = each(trunc, x.r); /* saturates */
  return made(to == DT_I32 ? within(r, INT32_MIN, INT32_MAX) : r, to, false);
}

static const struct MathRange {
  const char *name;
  double (*increasing)(double); /* NULL: its values fill the range */
  double from, to, lo, hi;
} math_range[] = {
#define RANGE(name, increasing, from, to, lo, hi) {name, increasing, from, to, lo, hi},
#include "ir/scalar/mathlib.def"
#undef RANGE
};

static bool by_row(Str name, Iv x, Iv *out) {
  for (size_t i = 0; i < sizeof math_range / sizeof *math_range; i++) {
    const struct MathRange *m = &math_range[i];
    if (!str_eq(name, str_z(m->name))) continue;
    if (x.nan || x.r.lo < m->from || x.r.hi > m->to)
      *out = unknown(x.type, true);
    else if (m->increasing)
      *out = made(within(loose(each(m->increasing, x.r), x.type), m->lo, m->hi), x.type, false);
    else
      *out = made((ScalarRange){m->lo, m->hi}, x.type, false);
    return true;
  }
  return false;
}

static const ScalarExpr *tree_of(ScalarRanges *c, const char *text) {
  uint32_t at;
  if (map_get(&c->at, (uint64_t)(uintptr_t)text, &at)) return c->tree.at[at];
  Sb why;
  sb_init(&why, c->arena);
  const ScalarExpr *e = scalar_expr_parse(c->arena, str_z(text), &why);
  if (!e) BUG(c->arena->mem, "%s: " STRF, text, STRA(sb_str(&why)));
  map_put(&c->at, (uint64_t)(uintptr_t)text, c->tree.n);
  VEC_PUSH(c->arena, &c->tree, e);
  return e;
}

static Iv library(Env *v, Str name, uint32_t narg, Iv *arg, DType t) {
  for (size_t m = 0; m < mathlib_count && v->calls < CALLS; m++) {
    const MathRow *row = &mathlib[m];
    bool words = *row->types == '*';
    if (!str_eq(name, str_z(row->name)) || (!words && !strchr(row->types, dtype_letter(t)))) continue;
    Env in = {.c = v->c, .result = words ? v->result : t, .calls = v->calls + 1};
    const char *p = row->params;
    for (uint32_t i = 0; *p && i < narg; i++) {
      size_t n = scalar_word(p);
      in.at[in.n].name = (Str){p, n};
      in.at[in.n++].v = settle(arg[i], words ? DT_I32 : t);
      for (p += n; *p == ',' || *p == ' ';) p++;
    }
    return value_of(&in, tree_of(v->c, row->body));
  }
  return unknown(v->result, true);
}

static Iv call(Env *v, const ScalarExpr *e, Iv *arg) {
  DType t = v->result, to;
  Str f = e->name;
  for (uint32_t i = e->narg; i-- > 0;)
    if (!arg[i].number) t = arg[i].type;
  if (str_eq(f, STR("cast"))) return cast(arg[0], v->result);
  if (e->narg == 1 && dtype_parse(f, &to)) return cast(arg[0], to);
  for (uint32_t i = 0; i < e->narg; i++) arg[i] = settle(arg[i], t);
  Iv x = arg[0], y = arg[e->narg > 1];
  bool nan = x.nan || y.nan;
  if (str_eq(f, STR("neg"))) return made((ScalarRange){-x.r.hi, -x.r.lo}, t, nan);
  if (str_eq(f, STR("fma"))) return fused(x, y, arg[2]);
  if (str_eq(f, STR("abs")))
    return made((ScalarRange){x.r.lo > 0 ? x.r.lo : x.r.hi < 0 ? -x.r.hi : 0, fmax(-x.r.lo, x.r.hi)}, t, nan);
  if (str_eq(f, STR("max"))) return made((ScalarRange){fmax(x.r.lo, y.r.lo), fmax(x.r.hi, y.r.hi)}, t, nan);
  if (str_eq(f, STR("min"))) return made((ScalarRange){fmin(x.r.lo, y.r.lo), fmin(x.r.hi, y.r.hi)}, t, nan);
  if (str_eq(f, STR("sqrt"))) return x.r.lo >= 0 ? made(each(sqrt, x.r), t, nan) : unknown(t, true);
  if (str_eq(f, STR("floor"))) return made(each(floor, x.r), t, nan);
  if (str_eq(f, STR("ceil"))) return made(each(ceil, x.r), t, nan);
  if (str_eq(f, STR("rint"))) return made(each(nearbyint, x.r), t, nan);
  if (str_eq(f, STR("trunc"))) return made(each(trunc, x.r), t, nan);
  if (str_eq(f, STR("idiv")))
    return has_zero(y.r) ? unknown(t, false) : made(corners(whole_quotient, x.r, y.r), t, false);
  if (str_eq(f, STR("pow"))) return power(x, y);
  if (str_eq(f, STR("mod")) && dtype_is_int(t)) return unknown(t, false);
  Iv r;
  if (e->narg == 1 && by_row(f, x, &r)) return r;
  for (int op = 0; op < SC_COUNT; op++) /* the other base instructions work on bits */
    if (str_eq(f, str_z(scalar_op_info[op].name))) return unknown(t, true);
  return library(v, f, e->narg, arg, t);
}

static bool same_name(const ScalarExpr *a, const ScalarExpr *b) {
  return a->kind == SCALAR_NAME && b->kind == SCALAR_NAME && str_eq(a->name, b->name);
}

static Iv operate(Env *v, const ScalarExpr *e, Iv *arg) {
  static const char *const arithmetic[] = {"add", "sub", "mul", "div"};
  Str f = e->name;
  for (int i = 0; i < 4; i++)
    if (str_eq(f, str_z(arithmetic[i])))
      return arith((Arith)i, arg[0], arg[1], same_name(e->arg[0], e->arg[1]));
  if (str_eq(f, STR("neg"))) {
    Iv x = arg[0];
    x.r = (ScalarRange){-x.r.hi, -x.r.lo};
    return x.number ? x : made(x.r, x.type, x.nan);
  }
  bool is_and = str_eq(f, STR("and")), is_or = str_eq(f, STR("or"));
  if (is_and || is_or || str_eq(f, STR("not"))) {
    ScalarRange x = arg[0].r, y = arg[e->narg > 1].r;
    if (arg[0].type != DT_BOOL) return unknown(arg[0].number ? v->result : arg[0].type, false);
    if (is_and) return truth(x.lo == 1 && y.lo == 1, x.hi == 0 || y.hi == 0);
    if (is_or) return truth(x.lo == 1 || y.lo == 1, x.hi == 0 && y.hi == 0);
    return truth(x.hi == 0, x.lo == 1);
  }
  if (str_eq(f, STR("ushr"))) return shifted_right(arg[0], arg[1]);
  if (str_eq(f, STR("lt")) || str_eq(f, STR("le")) || str_eq(f, STR("eq")) || str_eq(f, STR("ne")))
    return compare(f, arg[0], arg[1]);
  return unknown(arg[0].number ? v->result : arg[0].type, false);
}

static Iv value_of(Env *v, const ScalarExpr *e) {
  Iv arg[SCALAR_ARGS];
  if (v->depth > DEPTH) return unknown(v->result, true);
  v->depth++;
  for (; e->kind == SCALAR_LET; e = e->arg[1]) {
    Iv x = value_of(v, e->arg[0]);
    if (v->n == NAMES) BUG(v->c->arena->mem, "a scalar text of more than %d names", NAMES);
    v->at[v->n].name = e->name;
    v->at[v->n++].v = x;
  }
  Iv r = unknown(v->result, true);
  bool choice = e->kind == SCALAR_OPERATOR && str_eq(e->name, STR("where"));
  for (uint32_t i = 0; !choice && i < e->narg; i++) arg[i] = value_of(v, e->arg[i]);
  switch (e->kind) {
  case SCALAR_NUMBER:
    r = (Iv){.r = {e->integer ? (double)e->i : e->x, e->integer ? (double)e->i : e->x}, .number = true};
    break;
  case SCALAR_OPERATOR: r = choice ? choose(v, e) : operate(v, e, arg); break;
  case SCALAR_CALL: r = call(v, e, arg); break;
  case SCALAR_NAME:
    for (uint32_t i = v->n; i-- > 0;) /* the latest binding of a name counts */
      if (str_eq(v->at[i].name, e->name)) {
        r = v->at[i].v;
        break;
      }
    break;
  case SCALAR_LET: break;
  }
  v->depth--;
  return r;
}

ScalarRange op_range(ScalarRanges *c, Op op, const ScalarRange *in, const DType *type, uint32_t nin,
                     DType result) {
  Env v = {.c = c, .result = result};
  for (uint32_t i = 0; i < nin && i < 3; i++) {
    v.at[v.n].name = (Str){&"xyz"[i], 1};
    v.at[v.n++].v = (Iv){.r = in[i], .type = type[i]};
  }
  Iv r = settle(value_of(&v, tree_of(c, op_info[op].value)), result);
  return result == DT_BOOL ? within(r.r, 0, 1) : range_fit(r.r, result);
}
