/* Programs from the tree of their infix text (ir/scalar/expr.h). Calls of library functions walk the
 * function's own text with its parameters bound to the arguments, so everything ends up inlined in one
 * program. */
#include "base/num.h"
#include "ir/scalar/expr.h"
#include "ir/scalar/internal.h"

#include <math.h>

#define ROUND(add)                                                                                           \
  "h = mulhi(c0, 0xd256d193); l = c0 * 0xd256d193; c0 = xor(xor(h, k), c1); c1 = l; k = k + " add "; "
#define PHILOX                                                                                               \
  "c0 = x; c1 = y; k = z; " ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9")  \
      ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9") ROUND("0x9e3779b9")    \
          ROUND("0x9e3779b9")

const MathRow mathlib[] = {
#define MATH(name, types, params, body) {name, types, params, body},
#include "ir/scalar/mathlib.def"
#undef MATH
};
const size_t mathlib_count = sizeof mathlib / sizeof *mathlib;

enum { NAMES = 96, CALLS = 16, DEPTH = 4 * SCALAR_DEPTH }; /* CALLS: of library functions within each other */

/* A value while building: typed, or a number that takes the type it meets. */
typedef struct Val {
  bool number, integer;
  double x;
  int64_t i;
  ScalarRef ref;
} Val;
typedef struct Binding {
  Str name;
  Val v;
} Binding;
typedef struct Walk {
  ScalarBuilder *b;
  Str text;
  const ScalarExpr *at; /* for messages */
  DType result;         /* of cast() and of the whole text */
  uint32_t nname, calls, depth;
  Binding name[NAMES];
  Sb *why;
  bool failed;
} Walk;

static Val value_of(Walk *r, const ScalarExpr *e);

static Val fail(Walk *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static Val fail(Walk *r, const char *fmt, ...) {
  if (!r->failed) {
    va_list ap;
    va_start(ap, fmt);
    sb_vfmt(r->why, fmt, ap);
    va_end(ap);
    sb_fmt(r->why, " at byte %u of \"" STRF "\"", r->at ? r->at->at : 0, STRA(r->text));
  }
  r->failed = true;
  return (Val){.number = true, .integer = true};
}

/* ---- types ---- */

static ScalarRef settle(Walk *r, Val v, DType t) { /* a number becomes a constant of type t */
  if (!v.number) return v.ref;
  if (dtype_is_float(t)) return scalar_number(r->b, t, v.x);
  if (!v.integer || t == DT_BOOL)
    fail(r, "the number %s stands where %s is needed", num_text((char[NUM_TEXT]){0}, 6, v.x).p,
         dtype_name(t));
  ScalarValue c = {.w = 0};
  if (t == DT_I32)
    c.i = (int32_t)v.i; /* words above 2^31 wrap */
  else if (t == DT_I64)
    c.l = v.i;
  return scalar_const(r->b, t, c);
}
static Val typed(ScalarRef ref) { return (Val){.ref = ref}; }
static DType type_of(Walk *r, Val v) { return scalar_ref_type(r->b, v.ref); }

/* Gives two values one type. False: both are numbers. */
static bool meet(Walk *r, Val *a, Val *b) {
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
static Val apply(Walk *r, ScalarOp op, Val *arg) {
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
static Val apply2(Walk *r, ScalarOp op, Val a, Val b) { return apply(r, op, (Val[3]){a, b, a}); }
static Val negate_mask(Walk *r, Val a) { return apply(r, SC_NOT, (Val[3]){a, a, a}); }

/* ---- calls ---- */

static Val call_library(Walk *r, const MathRow *row, DType real, const Val *arg) {
  if (r->calls == CALLS) return fail(r, "%s calls too deeply", row->name);
  Walk in = {.b = r->b, .text = str_z(row->body), .result = real, .calls = r->calls + 1, .why = r->why};
  const char *p = row->params;
  for (int i = 0; *p; i++) {
    Str name = {p, scalar_word(p)};
    in.name[in.nname++] = (Binding){name, arg[i]};
    for (p += name.n; *p == ',' || *p == ' ';) p++;
  }
  const ScalarExpr *body = scalar_expr_parse(r->b->arena, in.text, r->why);
  Val v = body ? value_of(&in, body) : (Val){.number = true};
  r->failed |= in.failed || !body;
  return v;
}

static int param_count(const MathRow *row) {
  int n = 1;
  for (const char *p = row->params; *p; p++) n += *p == ',';
  return n;
}

static Val call_math(Walk *r, Str name, int narg, Val *arg) {
  DType t = DT_COUNT; /* the first float operand decides */
  for (int i = 0; i < narg; i++)
    if (!arg[i].number && t == DT_COUNT && dtype_is_float(type_of(r, arg[i]))) t = type_of(r, arg[i]);
  bool number = true;
  for (int i = 0; i < narg; i++) number &= arg[i].number;
  if (t == DT_COUNT && number && dtype_is_float(r->result)) t = r->result;
  for (size_t m = 0; m < mathlib_count; m++) {
    const MathRow *row = &mathlib[m];
    if (!str_eq(name, str_z(row->name))) continue;
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
  return fail(r, "no function '" STRF "' for these operands", STRA(name));
}

static Val call_cast(Walk *r, DType to, Val v) {
  if (v.number) return typed(settle(r, v, to));
  return typed(scalar_cast(r->b, to, v.ref));
}

/* poly(x, c0, c1, ...): c0 + x (c1 + x (...)) by fma */
static Val call_poly(Walk *r, Val x, Val *c, int n) {
  Val acc = c[n - 1];
  for (int i = n - 2; i >= 0; i--) acc = apply(r, SC_FMA, (Val[3]){acc, x, c[i]});
  return acc;
}

static Val call(Walk *r, Str s, int narg, Val *arg) {
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
  return call_math(r, s, narg, arg);
}

/* ---- operators ---- */

static Val arithmetic(Walk *r, ScalarOp op, Val a, Val b) {
  if (!meet(r, &a, &b)) { /* numbers compute exactly as doubles; whole numbers stay whole */
    double x = op == SC_ADD ? a.x + b.x : op == SC_SUB ? a.x - b.x : op == SC_MUL ? a.x * b.x : a.x / b.x;
    bool whole = a.integer && b.integer && op != SC_DIV && fabs(x) < 9007199254740992.0;
    return (Val){.number = true, .integer = whole, .x = x, .i = whole ? (int64_t)x : 0};
  }
  return r->failed ? a : apply2(r, op, a, b);
}

static Val compare(Walk *r, Str op, Val a, Val b) {
  bool equal = str_eq(op, STR("eq")), unequal = str_eq(op, STR("ne"));
  if (!meet(r, &a, &b)) return fail(r, "comparison of two numbers");
  if (r->failed) return a;
  if (type_of(r, a) == DT_BOOL) { /* equal is not-xor */
    if (!equal && !unequal) return fail(r, "masks have no order");
    Val x = apply2(r, SC_XOR, a, b);
    return unequal ? x : negate_mask(r, x);
  }
  if (!equal && !unequal) return apply2(r, str_eq(op, STR("lt")) ? SC_LT : SC_LE, a, b);
  Val e = apply2(r, SC_EQ, a, b);
  return equal ? e : negate_mask(r, e);
}

static Val choose(Walk *r, Val c, Val a, Val b) {
  if (c.number || type_of(r, c) != DT_BOOL) return fail(r, "the condition is no mask");
  if (!meet(r, &a, &b)) { /* two numbers: the result type decides */
    a = typed(settle(r, a, r->result));
    b = typed(settle(r, b, r->result));
  }
  return r->failed ? a : typed(scalar_ins(r->b, SC_SEL, c.ref, a.ref, b.ref));
}

static Val operate(Walk *r, Str op, Val *arg) {
  static const struct {
    const char *name;
    ScalarOp op;
    bool arith;
  } plain[] = {{"add", SC_ADD, true},   {"sub", SC_SUB, true},   {"mul", SC_MUL, true},
               {"div", SC_DIV, true},   {"and", SC_AND, false},  {"or", SC_OR, false},
               {"shl", SC_SHL, false},  {"shr", SC_SHR, false},  {"bitand", SC_AND, false},
               {"bitor", SC_OR, false}, {"ushr", SC_USHR, false}};
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
    if (!str_eq(op, str_z(plain[i].name))) continue;
    return plain[i].arith ? arithmetic(r, plain[i].op, arg[0], arg[1])
                          : apply2(r, plain[i].op, arg[0], arg[1]);
  }
  if (str_eq(op, STR("neg"))) return apply(r, SC_NEG, (Val[3]){arg[0], arg[0], arg[0]});
  if (str_eq(op, STR("not"))) return negate_mask(r, arg[0]);
  if (str_eq(op, STR("where"))) return choose(r, arg[0], arg[1], arg[2]);
  return compare(r, op, arg[0], arg[1]);
}

/* Bindings are walked in a loop, and a name keeps its meaning in what follows the expression that binds it.
 */
static const ScalarExpr *bind(Walk *r, const ScalarExpr *e) {
  for (; e->kind == SCALAR_LET && !r->failed; e = e->arg[1]) {
    Val v = value_of(r, e->arg[0]);
    r->at = e;
    if (!r->failed && r->nname == NAMES) fail(r, "more than %d names", NAMES);
    if (!r->failed) r->name[r->nname++] = (Binding){e->name, v};
  }
  return e;
}

static Val value_of(Walk *r, const ScalarExpr *e) {
  Val arg[SCALAR_ARGS];
  if (++r->depth > DEPTH) return fail(r, "nested too deeply");
  e = bind(r, e);
  r->at = e;
  if (r->failed) return (Val){.number = true};
  for (uint32_t i = 0; i < e->narg && !r->failed; i++) arg[i] = value_of(r, e->arg[i]);
  r->depth--;
  if (r->failed) return (Val){.number = true};
  r->at = e;
  switch (e->kind) {
  case SCALAR_NUMBER: return (Val){.number = true, .integer = e->integer, .x = e->x, .i = e->i};
  case SCALAR_OPERATOR: return operate(r, e->name, arg);
  case SCALAR_CALL: return call(r, e->name, (int)e->narg, arg);
  case SCALAR_NAME:
    for (uint32_t i = r->nname; i-- > 0;) /* the latest binding of a name counts */
      if (str_eq(r->name[i].name, e->name)) return r->name[i].v;
    return fail(r, "nothing is called '" STRF "'", STRA(e->name));
  case SCALAR_LET: break;
  }
  return fail(r, "binding without value");
}

/* ---- the two faces ---- */

const Scalar *scalar_parse(Arena *a, Str text, const ScalarInput *in, uint32_t nin, DType result, Sb *why) {
  ScalarBuilder b;
  scalar_begin(&b, a);
  Walk r = {.b = &b, .text = text, .result = result, .why = why};
  if (nin > SCALAR_IN || nin > NAMES) return sb_fmt(why, "more than %d inputs", SCALAR_IN), NULL;
  for (uint32_t i = 0; i < nin; i++)
    r.name[r.nname++] = (Binding){str_z(in[i].name), typed(scalar_input(&b, i, in[i].type))};
  const ScalarExpr *e = scalar_expr_parse(a, text, why);
  if (!e) return NULL;
  Val v = value_of(&r, e);
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
      size_t w = scalar_word(p);
      in[n++] = (ScalarInput){str_copy(a, (Str){p, w}).p, each};
      for (p += w; *p == ',' || *p == ' ';) p++;
    }
    Sb why;
    sb_init(&why, a);
    DType result = *row->types == '*' && !str_eq(name, STR("unit")) ? DT_I32 : t;
    const Scalar *p = scalar_parse(a, str_z(row->body), in, (uint32_t)n, result, &why);
    if (!p) BUG(a->mem, "ir/scalar/mathlib.def: " STRF, STRA(sb_str(&why)));
    return p;
  }
  return NULL;
}
