/* The reader of the infix text of scalar programs: recursive descent, one tree. */
#include "ir/scalar/expr.h"

#include "base/num.h"
#include "ir/scalar/internal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

typedef struct Reader {
  Arena *arena;
  const char *start, *p; /* NUL-terminated */
  uint32_t depth;
  Sb *why;
  bool failed;
} Reader;
typedef const ScalarExpr Expr;

static Expr *read_choice(Reader *r);

static Expr *fail(Reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static Expr *fail(Reader *r, const char *fmt, ...) {
  if (!r->failed) {
    va_list ap;
    va_start(ap, fmt);
    sb_vfmt(r->why, fmt, ap);
    va_end(ap);
    sb_fmt(r->why, " at byte %zu of \"%s\"", (size_t)(r->p - r->start), r->start);
  }
  r->failed = true;
  return NULL;
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

size_t scalar_word(const char *p) {
  size_t n = 0;
  if (!isalpha((unsigned char)*p) && *p != '_') return 0;
  while (isalnum((unsigned char)p[n]) || p[n] == '_') n++;
  return n;
}

bool scalar_number_text(const char **p, ScalarNumber *out) {
  const char *s = *p;
  char *end = NULL;
  bool minus = *s == '-';
  const char *d = s + minus;
  if (!isdigit((unsigned char)*d) && *d != '.') return false;
  bool hex = d[0] == '0' && (d[1] == 'x' || d[1] == 'X');
  size_t n = hex ? 2 : 0;
  while (hex ? isxdigit((unsigned char)d[n]) : isdigit((unsigned char)d[n])) n++;
  out->integer = hex || !(d[n] == '.' || d[n] == 'e' || d[n] == 'E');
  if (out->integer) {
    uint64_t u = strtoull(d, &end, hex ? 16 : 10);
    out->i = (int64_t)(minus ? 0 - u : u);
    out->x = minus ? -(double)u : (double)u;
  } else {
    size_t length = num_read(str_z(s), &out->x);
    if (!length) return false;
    *p = s + length;
    out->i = 0;
    return true;
  }
  *p = end;
  return true;
}

/* ---- nodes ---- */

static ScalarExpr *node(Reader *r, ScalarExprKind kind, Str name, uint32_t narg, Expr *const *arg) {
  ScalarExpr *e = ARENA_NEW(r->arena, ScalarExpr);
  *e = (ScalarExpr){.kind = kind, .at = (uint32_t)(r->p - r->start), .name = name, .narg = narg};
  e->arg = ARENA_ARRAY(r->arena, Expr *, narg);
  for (uint32_t i = 0; i < narg; i++) e->arg[i] = arg[i];
  return e;
}
static Expr *operate(Reader *r, const char *name, Expr *a, Expr *b) {
  if (r->failed) return NULL;
  return node(r, SCALAR_OPERATOR, str_z(name), b ? 2 : 1, (Expr *[]){a, b});
}
static Expr *number(Reader *r, ScalarNumber n) {
  ScalarExpr *e = node(r, SCALAR_NUMBER, STR(""), 0, NULL);
  e->integer = n.integer;
  e->x = n.x;
  e->i = n.i;
  return e;
}

/* ---- expressions, tightest first ---- */

static Expr *read_call(Reader *r, Str name) {
  Expr *arg[SCALAR_ARGS];
  uint32_t n = 0;
  do {
    if (n == SCALAR_ARGS) return fail(r, "more than %d operands", SCALAR_ARGS);
    arg[n++] = read_choice(r);
  } while (!r->failed && take(r, ","));
  if (!r->failed && !take(r, ")")) fail(r, "')' expected");
  return r->failed ? NULL : node(r, SCALAR_CALL, name, n, arg);
}

static Expr *read_atom(Reader *r) {
  space(r);
  ScalarNumber num;
  if (*r->p != '-' && scalar_number_text(&r->p, &num)) return number(r, num);
  if (take(r, "(")) {
    Expr *v = read_choice(r);
    if (!r->failed && !take(r, ")")) return fail(r, "')' expected");
    return v;
  }
  Str name = {r->p, scalar_word(r->p)};
  if (!name.n) return fail(r, "operand expected");
  r->p += name.n;
  if (take(r, "(")) return read_call(r, name);
  if (str_eq(name, STR("inf"))) return number(r, (ScalarNumber){.x = (double)INFINITY});
  if (str_eq(name, STR("nan"))) return number(r, (ScalarNumber){.x = (double)NAN});
  if (str_eq(name, STR("pi"))) return number(r, (ScalarNumber){.x = 3.14159265358979323846});
  return node(r, SCALAR_NAME, name, 0, NULL);
}

static Expr *read_unary(Reader *r) {
  if (r->depth > SCALAR_DEPTH) return fail(r, "nested too deeply");
  space(r);
  if (*r->p != '-') return read_atom(r);
  r->p++;
  r->depth++;
  Expr *v = read_unary(r);
  r->depth--;
  if (!r->failed && v->kind == SCALAR_NUMBER)
    return number(r, (ScalarNumber){v->integer, (int64_t)(0 - (uint64_t)v->i), -v->x});
  return operate(r, "neg", v, NULL);
}

/* One level of left-associative operators. The chain's length counts as height: its tree leans to the left.
 */
typedef struct Infix {
  const char *text, *name;
} Infix;
static Expr *read_level(Reader *r, const Infix *op, uint32_t nop, Expr *(*tighter)(Reader *)) {
  Expr *v = tighter(r);
  uint32_t height = r->depth;
  while (!r->failed) {
    const char *name = NULL;
    for (uint32_t i = 0; i < nop && !name; i++)
      if (take(r, op[i].text)) name = op[i].name;
    if (!name) break;
    if (++height > SCALAR_DEPTH) return fail(r, "nested too deeply");
    Expr *b = tighter(r);
    v = operate(r, name, v, b);
  }
  return v;
}
static Expr *read_product(Reader *r) {
  return read_level(r, (const Infix[]){{"*", "mul"}, {"/", "div"}}, 2, read_unary);
}
static Expr *read_sum(Reader *r) {
  return read_level(r, (const Infix[]){{"+", "add"}, {"-", "sub"}}, 2, read_product);
}
static Expr *read_shift(Reader *r) {
  return read_level(r, (const Infix[]){{"<<", "shl"}, {">>>", "ushr"}, {">>", "shr"}}, 3, read_sum);
}
static Expr *read_bits(Reader *r) {
  return read_level(r, (const Infix[]){{"&", "bitand"}, {"|", "bitor"}}, 2, read_shift);
}

static Expr *read_comparison(Reader *r) {
  static const Infix op[] = {{"==", "eq"}, {"!=", "ne"}, {"<=", "le"},
                             {">=", "le"}, {"<", "lt"},  {">", "lt"}};
  Expr *a = read_bits(r);
  for (int i = 0; i < 6 && !r->failed; i++) {
    if (!take(r, op[i].text)) continue;
    Expr *b = read_bits(r);
    return op[i].text[0] == '>' ? operate(r, op[i].name, b, a) : operate(r, op[i].name, a, b);
  }
  return a;
}

static Expr *read_not(Reader *r) {
  if (r->depth > SCALAR_DEPTH) return fail(r, "nested too deeply");
  if (!take(r, "not")) return read_comparison(r);
  r->depth++;
  Expr *v = read_not(r);
  r->depth--;
  return operate(r, "not", v, NULL);
}
static Expr *read_and(Reader *r) { return read_level(r, (const Infix[]){{"and", "and"}}, 1, read_not); }
static Expr *read_or(Reader *r) { return read_level(r, (const Infix[]){{"or", "or"}}, 1, read_and); }

/* name = expression; */
static bool at_binding(Reader *r, Str *name) {
  const char *q;
  space(r);
  *name = (Str){r->p, scalar_word(r->p)};
  for (q = r->p + name->n; *q == ' ';) q++;
  if (!name->n || *q != '=' || q[1] == '=') return false;
  r->p = q + 1;
  return true;
}

static Expr *read_value(Reader *r) { /* a choice without bindings in front */
  Expr *c = read_or(r);
  if (r->failed || !take(r, "?")) return c;
  Expr *a = read_choice(r);
  if (!r->failed && !take(r, ":")) return fail(r, "':' expected");
  Expr *b = r->failed ? NULL : read_choice(r);
  return r->failed ? NULL : node(r, SCALAR_OPERATOR, STR("where"), 3, (Expr *[]){c, a, b});
}

static Expr *read_choice(Reader *r) {
  ScalarExpr *first = NULL, *last = NULL;
  Str name;
  if (r->depth > SCALAR_DEPTH) return fail(r, "nested too deeply");
  r->depth++;
  while (!r->failed && at_binding(r, &name)) {
    Expr *v = read_choice(r);
    if (!r->failed && !take(r, ";")) fail(r, "';' expected");
    if (r->failed) return NULL;
    ScalarExpr *let = node(r, SCALAR_LET, name, 2, (Expr *[]){v, NULL});
    if (last)
      last->arg[1] = let;
    else
      first = let;
    last = let;
  }
  Expr *v = r->failed ? NULL : read_value(r);
  r->depth--;
  if (!last || r->failed) return v;
  last->arg[1] = v;
  return first;
}

Expr *scalar_expr_parse(Arena *a, Str text, Sb *why) {
  Str z = str_copy(a, text);
  Reader r = {.arena = a, .start = z.p, .p = z.p, .why = why};
  Expr *e = read_choice(&r);
  space(&r);
  if (!r.failed && *r.p) fail(&r, "unexpected text");
  return r.failed ? NULL : e;
}
