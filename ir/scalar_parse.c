/* The infix text of scalar programs: a recursive-descent reader that builds as it reads. Calls of library
 * functions read the function's own text with its parameters bound to the arguments, so everything ends up
 * inlined in one program. */
#include "ir/scalar_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#define ROUND(add)                                                                                           \
  "h = mulhi(c0, 0xd256d193); l = c0 * 0xd256d193; c0 = xor(xor(h, k), c1); c1 = l; k = k + " add "; "
#define PHILOX                                                                                               \
  "c0 = x; c1 = y; k = z; " ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9")  \
      ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9")    \
          ROUND("0x9e3779b9")

const MathRow mathlib[] = {
#define MATH(name, types, params, body) {name, types, params, body},
#include "ir/mathlib.def"
#undef MATH
};
const size_t mathlib_count = sizeof mathlib / sizeof *mathlib;

enum { NAMES = 96, DEPTH = 100 };

/* A value while reading: typed, or a number that takes the type it meets. */
typedef struct Val {
  bool number, integer;
  double x;
  int64_t i;
  ScalarRef ref;
} Val;
typedef struct Binding {
  const char *name;
  size_t n;
  Val v;
} Binding;
typedef struct Reader {
  ScalarBuilder *b;
  const char *start, *p;
  DType result; /* of cast() and of the whole text */
  uint32_t nname, depth;
  Binding name[NAMES];
  Sb *why;
  bool failed;
} Reader;

static Val read_choice(Reader *r);

static Val fail(Reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static Val fail(Reader *r, const char *fmt, ...) {
  if (!r->failed) {
    va_list ap;
    va_start(ap, fmt);
    sb_vfmt(r->why, fmt, ap);
    va_end(ap);
    sb_fmt(r->why, " at byte %zu of \"%s\"", (size_t)(r->p - r->start), r->start);
  }
  r->failed = true;
  return (Val){.number = true, .integer = true};
}

/* ---- words ---- */

static void space(Reader *r) {
  while (*r->p == ' ' || *r->p == '\n' || *r->p == '\t') r->p++;
}
static bool take(Reader *r, const char *what) {
  space(r);
  size_t n = strlen(what);
  if (strncmp(r->p, what, n) != 0) return false;
  if (isalpha((unsigned char)*what) && (isalnum((unsigned char)r->p[n]) || r->p[n] == '_')) return false;
  r->p += n;
  return true;
}
static size_t word(const char *p) { /* length of the name at p */
  size_t n = 0;
  if (!isalpha((unsigned char)*p) && *p != '_') return 0;
  while (isalnum((unsigned char)p[n]) || p[n] == '_') n++;
  return n;
}

bool scalar_number_text(const char **p, ScalarNumber *out) {
  const char *s = *p;
  char *end = NULL;
  bool minus = *s == '-', hex;
  const char *d = s + minus;
  if (!isdigit((unsigned char)*d) && *d != '.') return false;
  hex = d[0] == '0' && (d[1] == 'x' || d[1] == 'X');
  size_t n = hex ? 2 : 0;
  while (hex ? isxdigit((unsigned char)d[n]) : isdigit((unsigned char)d[n])) n++;
  out->integer = !(d[n] == '.' || (hex ? d[n] == 'p' || d[n] == 'P' : d[n] == 'e' || d[n] == 'E'));
  if (out->integer) {
    uint64_t u = strtoull(d, &end, hex ? 16 : 10);
    out->i = (int64_t)(minus ? 0 - u : u);
    out->x = minus ? -(double)u : (double)u;
  } else {
    out->x = strtod(s, &end);
    out->i = 0;
  }
  *p = end;
  return true;
}

/* ---- types ---- */

static ScalarRef settle(Reader *r, Val v, DType t) { /* a number becomes a constant of type t */
  if (!v.number) return v.ref;
  if (dtype_is_float(t)) return scalar_number(r->b, t, v.x);
  if (!v.integer || t == DT_BOOL) fail(r, "the number %g stands where %s is needed", v.x, dtype_name(t));
  ScalarValue c = {.w = 0};
  if (t == DT_I32)
    c.i = (int32_t)v.i; /* words above 2^31 wrap */
  else if (t == DT_I64)
    c.l = v.i;
  return scalar_const(r->b, t, c);
}
static Val typed(ScalarRef ref) { return (Val){.ref = ref}; }
static DType type_of(Reader *r, Val v) { return scalar_ref_type(r->b, v.ref); }

/* Gives two values one type. False: both are numbers. */
static bool meet(Reader *r, Val *a, Val *b) {
  if (a->number && b->number) return false;
  DType t = type_of(r, a->number ? *b : *a);
  *a = typed(settle(r, *a, t));
  *b = typed(settle(r, *b, t));
  if (type_of(r, *a) != type_of(r, *b))
    fail(r, "%s meets %s", dtype_name(type_of(r, *a)), dtype_name(type_of(r, *b)));
  return true;
}

static bool fits(char c, DType t) {
  return c == 'F'   ? dtype_is_float(t)
         : c == 'N' ? dtype_is_int(t)
         : c == 'V' ? t != DT_BOOL
         : c == 'W' ? !dtype_is_float(t)
         : c == 'b' ? t == DT_BOOL
         : c == 'i' ? t == DT_I32
                    : c == 'A';
}

/* Applies a base instruction after giving numbers their type; all generic operands share one. */
static Val apply(Reader *r, ScalarOp op, Val *arg) {
  const ScalarOpInfo *o = &scalar_op_info[op];
  DType t = DT_COUNT;
  for (int i = 0; i < o->arity; i++)
    if (!arg[i].number && o->sig[i] != 'b' && t == DT_COUNT) t = type_of(r, arg[i]);
  if (t == DT_COUNT) { /* numbers only: of the result's type, or of the same width */
    bool wide = r->result == DT_F64 || r->result == DT_I64;
    t = r->result;
    if (o->sig[0] == 'F' && !dtype_is_float(t)) t = wide ? DT_F64 : DT_F32;
    if (o->sig[0] == 'N' && !dtype_is_int(t)) t = wide ? DT_I64 : DT_I32;
  }
  for (int i = 0; i < o->arity && !r->failed; i++) {
    arg[i] = typed(settle(r, arg[i], o->sig[i] == 'b' ? DT_BOOL : o->sig[i] == 'i' ? DT_I32 : t));
    DType own = type_of(r, arg[i]);
    if (!fits(o->sig[i], own) || (o->sig[i] != 'b' && own != t))
      fail(r, "%s of %s", o->name, dtype_name(own));
  }
  if (r->failed) return arg[0];
  return typed(scalar_ins(r->b, op, arg[0].ref, arg[o->arity > 1].ref, arg[o->arity > 2 ? 2 : 0].ref));
}
static Val apply2(Reader *r, ScalarOp op, Val a, Val b) { return apply(r, op, (Val[3]){a, b, a}); }
static Val negate_mask(Reader *r, Val a) { return apply(r, SC_NOT, (Val[3]){a, a, a}); }

/* ---- calls ---- */

static Val call_library(Reader *r, const MathRow *row, DType real, const Val *arg) {
  Reader in = {
      .b = r->b, .start = row->body, .p = row->body, .result = real, .depth = r->depth + 1, .why = r->why};
  const char *p = row->params;
  for (int i = 0; *p; i++) {
    size_t n = word(p);
    in.name[in.nname++] = (Binding){p, n, arg[i]};
    for (p += n; *p == ',' || *p == ' ';) p++;
  }
  Val v = read_choice(&in);
  r->failed |= in.failed;
  return v;
}

static int param_count(const MathRow *row) {
  int n = 1;
  for (const char *p = row->params; *p; p++) n += *p == ',';
  return n;
}

static Val call_math(Reader *r, const char *name, size_t n, int narg, Val *arg) {
  DType t = DT_COUNT; /* the first float operand decides */
  for (int i = 0; i < narg; i++)
    if (!arg[i].number && t == DT_COUNT && dtype_is_float(type_of(r, arg[i]))) t = type_of(r, arg[i]);
  bool number = true;
  for (int i = 0; i < narg; i++) number &= arg[i].number;
  if (t == DT_COUNT && number && dtype_is_float(r->result)) t = r->result;
  for (size_t m = 0; m < mathlib_count; m++) {
    const MathRow *row = &mathlib[m];
    if (strlen(row->name) != n || strncmp(row->name, name, n) != 0) continue;
    if (narg != param_count(row)) return fail(r, "%s takes %d operands", row->name, param_count(row));
    if (*row->types == '*') {
      for (int i = 0; i < narg; i++) {
        arg[i] = typed(settle(r, arg[i], DT_I32));
        if (type_of(r, arg[i]) != DT_I32)
          return fail(r, "%s of %s", row->name, dtype_name(type_of(r, arg[i])));
      }
      return call_library(r, row, r->result, arg);
    }
    if (t == DT_COUNT || !strchr(row->types, dtype_letter(t))) continue;
    for (int i = 0; i < narg; i++) {
      arg[i] = typed(settle(r, arg[i], t));
      if (type_of(r, arg[i]) != t) return fail(r, "%s of %s", row->name, dtype_name(type_of(r, arg[i])));
    }
    return call_library(r, row, t, arg);
  }
  return fail(r, "no function '%.*s' for these operands", (int)n, name);
}

static Val call_cast(Reader *r, DType to, Val v) {
  if (v.number) return typed(settle(r, v, to));
  return typed(scalar_cast(r->b, to, v.ref));
}

/* poly(x, c0, c1, ...): c0 + x (c1 + x (...)) by fma */
static Val call_poly(Reader *r, Val x, Val *c, int n) {
  Val acc = c[n - 1];
  for (int i = n - 2; i >= 0; i--) acc = apply(r, SC_FMA, (Val[3]){acc, x, c[i]});
  return acc;
}

static Val read_call(Reader *r, const char *name, size_t n) {
  Val arg[24];
  int narg = 0;
  if (!take(r, ")")) {
    do {
      if (narg == 24) return fail(r, "more than 24 operands");
      arg[narg++] = read_choice(r);
    } while (!r->failed && take(r, ","));
    if (!take(r, ")")) return fail(r, "')' expected");
  }
  if (r->failed || narg == 0) return fail(r, "operands expected");
  Str s = {name, n};
  DType to;
  if (str_eq(s, STR("poly")) && narg > 2) return call_poly(r, arg[0], arg + 1, narg - 1);
  if (str_eq(s, STR("cast")) && narg == 1) return call_cast(r, r->result, arg[0]);
  if (narg == 1 && dtype_parse(s, &to)) return call_cast(r, to, arg[0]);
  if (str_eq(s, STR("mod")) && narg == 2 && meet(r, &arg[0], &arg[1]) && dtype_is_int(type_of(r, arg[0])))
    return apply2(r, SC_IMOD, arg[0], arg[1]);
  for (int op = 0; op < SC_COUNT; op++) {
    if (op == SC_CAST || !str_eq(s, str_z(scalar_op_info[op].name))) continue;
    if (narg != scalar_op_info[op].arity)
      return fail(r, "%s takes %d operands", scalar_op_info[op].name, scalar_op_info[op].arity);
    Val three[3] = {arg[0], arg[narg > 1], arg[narg > 2 ? 2 : 0]};
    return apply(r, (ScalarOp)op, three);
  }
  return call_math(r, name, n, narg, arg);
}

/* ---- expressions, tightest first ---- */

static Val number(double x) { return (Val){.number = true, .x = x}; }

static Val read_atom(Reader *r) {
  space(r);
  ScalarNumber num;
  if (*r->p != '-' && scalar_number_text(&r->p, &num))
    return (Val){.number = true, .integer = num.integer, .x = num.x, .i = num.i};
  if (take(r, "(")) {
    Val v = read_choice(r);
    if (!r->failed && !take(r, ")")) return fail(r, "')' expected");
    return v;
  }
  const char *name = r->p;
  size_t n = word(name);
  if (!n) return fail(r, "operand expected");
  r->p += n;
  for (uint32_t i = r->nname; i-- > 0;) /* the latest binding of a name counts */
    if (r->name[i].n == n && strncmp(r->name[i].name, name, n) == 0) return r->name[i].v;
  if (take(r, "(")) return read_call(r, name, n);
  if (n == 3 && strncmp(name, "inf", 3) == 0) return number((double)INFINITY);
  if (n == 3 && strncmp(name, "nan", 3) == 0) return number((double)NAN);
  if (n == 2 && strncmp(name, "pi", 2) == 0) return number(3.14159265358979323846);
  return fail(r, "nothing is called '%.*s'", (int)n, name);
}

static Val read_unary(Reader *r) {
  if (r->depth > DEPTH) return fail(r, "nested too deeply");
  space(r);
  if (*r->p != '-') return read_atom(r);
  r->p++;
  r->depth++;
  Val v = read_unary(r);
  r->depth--;
  if (v.number)
    return (Val){.number = true, .integer = v.integer, .x = -v.x, .i = (int64_t)(0 - (uint64_t)v.i)};
  return r->failed ? v : apply(r, SC_NEG, (Val[3]){v, v, v});
}

static Val arithmetic(Reader *r, char op, Val a, Val b) {
  if (r->failed) return a;
  if (!meet(r, &a, &b)) { /* numbers compute exactly as doubles; whole numbers stay whole */
    double x = op == '+' ? a.x + b.x : op == '-' ? a.x - b.x : op == '*' ? a.x * b.x : a.x / b.x;
    bool whole = a.integer && b.integer && op != '/' && fabs(x) < 9007199254740992.0;
    return (Val){.number = true, .integer = whole, .x = x, .i = whole ? (int64_t)x : 0};
  }
  return apply2(r, op == '+' ? SC_ADD : op == '-' ? SC_SUB : op == '*' ? SC_MUL : SC_DIV, a, b);
}

static Val read_product(Reader *r) {
  Val v = read_unary(r);
  while (!r->failed) {
    space(r);
    if (*r->p != '*' && *r->p != '/') break;
    char op = *r->p++;
    v = arithmetic(r, op, v, read_unary(r));
  }
  return v;
}
static Val read_sum(Reader *r) {
  Val v = read_product(r);
  while (!r->failed) {
    space(r);
    if (*r->p != '+' && *r->p != '-') break;
    char op = *r->p++;
    v = arithmetic(r, op, v, read_product(r));
  }
  return v;
}
static Val read_shift(Reader *r) {
  Val v = read_sum(r);
  while (!r->failed) {
    ScalarOp op;
    if (take(r, "<<"))
      op = SC_SHL;
    else if (take(r, ">>>"))
      op = SC_USHR;
    else if (take(r, ">>"))
      op = SC_SHR;
    else
      break;
    v = apply2(r, op, v, read_sum(r));
  }
  return v;
}
static Val read_bits(Reader *r) {
  Val v = read_shift(r);
  while (!r->failed) {
    if (take(r, "&"))
      v = apply2(r, SC_AND, v, read_shift(r));
    else if (take(r, "|"))
      v = apply2(r, SC_OR, v, read_shift(r));
    else
      break;
  }
  return v;
}

static Val read_comparison(Reader *r) {
  Val a = read_bits(r);
  if (r->failed) return a;
  static const char *const text[] = {"==", "!=", "<=", ">=", "<", ">"};
  int op = -1;
  for (int i = 0; i < 6 && op < 0; i++)
    if (take(r, text[i])) op = i;
  if (op < 0) return a;
  Val b = read_bits(r);
  if (r->failed) return a;
  if (!meet(r, &a, &b)) return fail(r, "comparison of two numbers");
  bool mask = !r->failed && type_of(r, a) == DT_BOOL;
  if (mask && op > 1) return fail(r, "masks have no order");
  if (mask) { /* equal is not-xor */
    Val x = apply2(r, SC_XOR, a, b);
    return op == 1 ? x : negate_mask(r, x);
  }
  if (op == 0) return apply2(r, SC_EQ, a, b);
  if (op == 1) {
    Val e = apply2(r, SC_EQ, a, b);
    return negate_mask(r, e);
  }
  if (op == 3 || op == 5) return apply2(r, op == 3 ? SC_LE : SC_LT, b, a);
  return apply2(r, op == 2 ? SC_LE : SC_LT, a, b);
}

static Val read_not(Reader *r) {
  if (r->depth > DEPTH) return fail(r, "nested too deeply");
  if (!take(r, "not")) return read_comparison(r);
  r->depth++;
  Val v = read_not(r);
  r->depth--;
  return r->failed ? v : apply(r, SC_NOT, (Val[3]){v, v, v});
}
static Val read_and(Reader *r) {
  Val v = read_not(r);
  while (!r->failed && take(r, "and")) v = apply2(r, SC_AND, v, read_not(r));
  return v;
}
static Val read_or(Reader *r) {
  Val v = read_and(r);
  while (!r->failed && take(r, "or")) v = apply2(r, SC_OR, v, read_and(r));
  return v;
}

/* name = expression; */
static bool read_binding(Reader *r) {
  space(r);
  const char *name = r->p, *q;
  size_t n = word(name);
  for (q = name + n; *q == ' ';) q++;
  if (!n || *q != '=' || q[1] == '=') return false;
  r->p = q + 1;
  Val v = read_choice(r);
  if (r->failed) return true;
  if (!take(r, ";"))
    fail(r, "';' expected");
  else if (r->nname == NAMES)
    fail(r, "more than %d names", NAMES);
  else
    r->name[r->nname++] = (Binding){name, n, v};
  return true;
}

static Val read_choice(Reader *r) {
  if (++r->depth > DEPTH) return fail(r, "nested too deeply");
  while (!r->failed && read_binding(r)) continue;
  Val c = read_or(r);
  if (!r->failed && take(r, "?")) {
    Val a = read_choice(r);
    if (!r->failed && !take(r, ":")) fail(r, "':' expected");
    Val b = r->failed ? a : read_choice(r);
    if (!r->failed && (c.number || type_of(r, c) != DT_BOOL)) fail(r, "the condition is no mask");
    if (!r->failed && !meet(r, &a, &b)) { /* two numbers: the result type decides */
      DType t = r->result;
      a = typed(settle(r, a, t));
      b = typed(settle(r, b, t));
    }
    if (!r->failed) c = typed(scalar_ins(r->b, SC_SEL, c.ref, a.ref, b.ref));
  }
  r->depth--;
  return c;
}

/* ---- the two faces ---- */

const Scalar *scalar_parse(Arena *a, Str text, const ScalarInput *in, uint32_t nin, DType result, Sb *why) {
  ScalarBuilder b;
  scalar_begin(&b, a);
  Str z = str_copy(a, text);
  Reader r = {.b = &b, .start = z.p, .p = z.p, .result = result, .why = why};
  if (nin > SCALAR_IN || nin > NAMES) return sb_fmt(why, "more than %d inputs", SCALAR_IN), NULL;
  for (uint32_t i = 0; i < nin; i++)
    r.name[r.nname++] = (Binding){in[i].name, strlen(in[i].name), typed(scalar_input(&b, i, in[i].type))};
  Val v = read_choice(&r);
  space(&r);
  if (!r.failed && *r.p) fail(&r, "unexpected text");
  if (r.failed) return NULL;
  ScalarRef ref = settle(&r, v, result);
  if (!r.failed && scalar_ref_type(&b, ref) != result)
    fail(&r, "the result is %s, not %s", dtype_name(scalar_ref_type(&b, ref)), dtype_name(result));
  if (r.failed) return NULL;
  scalar_output(&b, ref);
  return scalar_end(&b);
}

const Scalar *scalar_lib(Arena *a, Str name, DType t) {
  for (size_t m = 0; m < mathlib_count; m++) {
    const MathRow *row = &mathlib[m];
    if (!str_eq(name, str_z(row->name)) || (*row->types != '*' && !strchr(row->types, dtype_letter(t))))
      continue;
    ScalarInput in[8];
    int n = 0;
    DType each = *row->types == '*' ? DT_I32 : t;
    for (const char *p = row->params; *p;) {
      size_t w = word(p);
      in[n++] = (ScalarInput){str_copy(a, (Str){p, w}).p, each};
      for (p += w; *p == ',' || *p == ' ';) p++;
    }
    Sb why;
    sb_init(&why, a);
    DType result = *row->types == '*' && !str_eq(name, STR("unit")) ? DT_I32 : t;
    const Scalar *p = scalar_parse(a, str_z(row->body), in, (uint32_t)n, result, &why);
    if (!p) BUG(a->mem, "ir/mathlib.def: " STRF, STRA(sb_str(&why)));
    return p;
  }
  return NULL;
}
