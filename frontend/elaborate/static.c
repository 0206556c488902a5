/* Arithmetic that happens while the program is compiled: exact integers, reals in double, dims, and the
 * values of -D. */
#include "base/num.h"
#include "base/size.h"
#include "frontend/elaborate/elab.h"

#include <math.h>

double static_real(Value v) { return v.kind == VAL_INT ? (double)v.i : v.real; }

Value static_number(Elab *x, const AstNumber *n, Span at) {
  if (!n->integer && isinf(n->f64)) {
    TELL(x, static_arith, at, str_fmt(x->a, STRF " does not fit f64", STRA(n->text)));
    return val_poison();
  }
  if (!n->integer) return val_real(n->f64);
  if (!n->fits || n->u64 > INT64_MAX) {
    TELL(x, static_arith, at, str_fmt(x->a, STRF " does not fit 64 bits", STRA(n->text)));
    return val_poison();
  }
  return val_int((int64_t)n->u64);
}

static Value overflow(Elab *x, Span at) {
  TELL(x, static_arith, at, STR("the result does not fit 64 bits"));
  return val_poison();
}

static Value int_power(Elab *x, int64_t a, int64_t b, Span at) {
  if (b < 0) return val_real(pow((double)a, (double)b));
  int64_t r = 1;
  if (a == 0 || a == 1) return val_int(b == 0 ? 1 : a);
  if (a == -1) return val_int(b & 1 ? -1 : 1);
  for (; b > 0; b--)
    if (!i64_mul(r, a, &r)) return overflow(x, at);
  return val_int(r);
}

static Value int_binary(Elab *x, AstBinary op, int64_t a, int64_t b, Span at) {
  int64_t r;
  switch (op) {
  case BINARY_ADD: return i64_add(a, b, &r) ? val_int(r) : overflow(x, at);
  case BINARY_SUB: return i64_sub(a, b, &r) ? val_int(r) : overflow(x, at);
  case BINARY_MUL: return i64_mul(a, b, &r) ? val_int(r) : overflow(x, at);
  case BINARY_DIV:
    if (b == 0) {
      TELL(x, static_arith, at, STR("a division by zero"));
      return val_poison();
    }
    if (b == -1) return i64_sub(0, a, &r) ? val_int(r) : overflow(x, at);
    if (a % b) {
      Diag *g =
          TELL(x, static_arith, at, str_fmt(x->a, "%lld / %lld is not exact", (long long)a, (long long)b));
      diag_help(g,
                "integers divide exactly or not at all: write div(a, b) to round down, or a real number as "
                "in %lld.0",
                (long long)a);
      return val_poison();
    }
    return val_int(a / b);
  case BINARY_POW: return int_power(x, a, b, at);
  case BINARY_EQ: return val_bool(a == b);
  case BINARY_NE: return val_bool(a != b);
  case BINARY_LT: return val_bool(a < b);
  case BINARY_LE: return val_bool(a <= b);
  case BINARY_GT: return val_bool(a > b);
  case BINARY_GE: return val_bool(a >= b);
  case BINARY_OR:
  case BINARY_AND:
  case BINARY_MATMUL:
  case BINARY_COUNT: break;
  }
  return wrong_kind(x, at, val_int(a), op == BINARY_MATMUL ? "a tensor" : "true or false");
}

static Value real_binary(Elab *x, AstBinary op, double a, double b, Span at) {
  switch (op) {
  case BINARY_ADD: return val_real(a + b);
  case BINARY_SUB: return val_real(a - b);
  case BINARY_MUL: return val_real(a * b);
  case BINARY_DIV:
    if (b == 0) {
      TELL(x, static_arith, at, STR("a division by zero"));
      return val_poison();
    }
    return val_real(a / b);
  case BINARY_POW: return val_real(pow(a, b));
  case BINARY_EQ: return val_bool(a == b);
  case BINARY_NE: return val_bool(a != b);
  case BINARY_LT: return val_bool(a < b);
  case BINARY_LE: return val_bool(a <= b);
  case BINARY_GT: return val_bool(a > b);
  case BINARY_GE: return val_bool(a >= b);
  case BINARY_OR:
  case BINARY_AND:
  case BINARY_MATMUL:
  case BINARY_COUNT: break;
  }
  return wrong_kind(x, at, val_real(a), op == BINARY_MATMUL ? "a tensor" : "true or false");
}

static DimId as_dim(Elab *x, Value v) { return v.kind == VAL_INT ? dim_const(x->dims, v.i) : v.dim; }

/* Comparisons of dims that differ by a constant are decided; VAL_KIND_COUNT says "it depends on the binding".
 */
static Value dim_compare(Elab *x, AstBinary op, DimId a, DimId b, Span at) {
  DimId diff = dim_sub(x->dims, a, b);
  int64_t v;
  if (dim_is_const(x->dims, diff, &v)) return int_binary(x, op, v, 0, at);
  return (Value){.kind = VAL_KIND_COUNT};
}

static Value dim_binary(Elab *x, AstBinary op, DimId a, DimId b, Span at) {
  DimId out = {0};
  int64_t n;
  switch (op) {
  case BINARY_ADD: out = dim_add(x->dims, a, b); break;
  case BINARY_SUB: out = dim_sub(x->dims, a, b); break;
  case BINARY_MUL: out = dim_mul(x->dims, a, b); break;
  case BINARY_DIV:
    if (!dim_div_exact(x->dims, a, b, &out)) {
      TELL(x, static_arith, at,
           str_fmt(x->a, STRF " / " STRF " is not exact for every binding", STRA(dim_text(x, a)),
                   STRA(dim_text(x, b))));
      return val_poison();
    }
    break;
  case BINARY_POW:
    if (dim_is_const(x->dims, b, &n) && n >= 0 && n <= 8) {
      out = dim_const(x->dims, 1);
      for (; n; n--) out = dim_mul(x->dims, out, a);
      break;
    }
    TELL(x, static_arith, at, STR("the exponent of a dim is a small constant"));
    return val_poison();
  case BINARY_EQ:
  case BINARY_NE:
  case BINARY_LT:
  case BINARY_LE:
  case BINARY_GT:
  case BINARY_GE: return dim_compare(x, op, a, b, at);
  case BINARY_OR:
  case BINARY_AND:
  case BINARY_MATMUL:
  case BINARY_COUNT:
    return wrong_kind(x, at, val_dim(x, a), op == BINARY_MATMUL ? "a tensor" : "true or false");
  }
  return out.i ? val_dim(x, out) : overflow(x, at);
}

Value static_binary(Elab *x, AstBinary op, Value a, Value b, Span at) {
  if (!val_ok(a) || !val_ok(b)) return val_poison();
  if (op == BINARY_AND || op == BINARY_OR) {
    bool p, q;
    if (!val_static_bool(x, a, at, "this", &p) || !val_static_bool(x, b, at, "this", &q)) return val_poison();
    return val_bool(op == BINARY_AND ? p && q : p || q);
  }
  if (a.kind == VAL_INT && b.kind == VAL_INT) return int_binary(x, op, a.i, b.i, at);
  if ((a.kind == VAL_INT || a.kind == VAL_REAL) && (b.kind == VAL_INT || b.kind == VAL_REAL))
    return real_binary(x, op, static_real(a), static_real(b), at);
  if ((a.kind == VAL_INT || a.kind == VAL_DIM) && (b.kind == VAL_INT || b.kind == VAL_DIM))
    return dim_binary(x, op, as_dim(x, a), as_dim(x, b), at);
  bool equal = op == BINARY_EQ || op == BINARY_NE;
  if (equal && a.kind == VAL_BOOL && b.kind == VAL_BOOL)
    return val_bool((a.boolean == b.boolean) == (op == BINARY_EQ));
  if (equal && a.kind == VAL_STRING && b.kind == VAL_STRING)
    return val_bool(str_eq(a.str, b.str) == (op == BINARY_EQ));
  return wrong_kind(x, at, val_number(a) ? b : a, "a number");
}

const ElabDefine *define_of(const Elab *x, Sym name) {
  for (uint32_t i = x->opt->define.n; i-- > 0;) /* the last one given counts */
    if (str_eq(x->opt->define.at[i].name, sym_str(x, name))) return &x->opt->define.at[i];
  return NULL;
}

Value define_value(Elab *x, Str text, Span at) {
  if (str_eq(text, STR("true"))) return val_bool(true);
  if (str_eq(text, STR("false"))) return val_bool(false);
  bool minus = text.n && text.p[0] == '-', integer = text.n > minus, fits = true;
  int64_t v = 0;
  for (size_t i = minus; i < text.n && integer; i++) {
    int64_t digit = text.p[i] - '0';
    integer = digit >= 0 && digit <= 9;
    fits = fits && integer && i64_mul(v, 10, &v) && (minus ? i64_sub(v, digit, &v) : i64_add(v, digit, &v));
  }
  if (integer && fits) return val_int(v);
  double d = 0;
  if (!integer && text.n && num_read(text, &d) == text.n && isfinite(d)) return val_real(d);
  TELL(x, static_arith, at,
       str_fmt(x->a, "-D gives '" STRF "', which %s", STRA(text),
               integer ? "does not fit 64 bits" : "is no number"));
  return val_poison();
}
