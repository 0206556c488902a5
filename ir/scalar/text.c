/* Scalar programs as text: a formula for people, and an exact form that reads back to the same program. */
#include "base/num.h"
#include "ir/scalar/internal.h"

#include <ctype.h>
#include <math.h>

/* ---- the formula ---- */

static const char *infix(ScalarOp op) {
  if (op == SC_ADD) return " + ";
  if (op == SC_SUB) return " - ";
  if (op == SC_MUL) return " * ";
  if (op == SC_DIV) return " / ";
  if (op == SC_LT) return " < ";
  if (op == SC_LE) return " <= ";
  if (op == SC_EQ) return " == ";
  if (op == SC_SHL) return " << ";
  if (op == SC_SHR) return " >> ";
  if (op == SC_USHR) return " >>> ";
  return NULL;
}

static void print_number(DType t, ScalarValue v, Sb *b) {
  double x = t == DT_F32 ? (double)v.s : v.d;
  if (t == DT_I32 || t == DT_BOOL)
    sb_fmt(b, "%d", v.i);
  else if (t == DT_I64)
    sb_fmt(b, "%lld", (long long)v.l);
  else if (isnan(x))
    sb_fmt(b, "nan");
  else
    sb_add(b, num_text((char[NUM_TEXT]){0}, t == DT_F32 ? 9 : 17, x));
}
static void print_constant(const ScalarLeaf *l, Sb *b) {
  if (l->type == DT_BOOL)
    sb_fmt(b, "%s", l->value.i ? "true" : "false");
  else
    print_number((DType)l->type, l->value, b);
}

void scalar_constant_print(DType t, ScalarValue v, Sb *b) {
  print_number(t, v, b);
  sb_char(b, dtype_letter(t));
}

bool scalar_constant_read(const char **p, DType *type, ScalarValue *v) {
  ScalarNumber n = {0};
  bool minus = **p == '-';
  if (strncmp(*p + minus, "inf", 3) == 0) {
    n.x = minus ? -(double)INFINITY : (double)INFINITY;
    *p += minus + 3;
  } else if (strncmp(*p, "nan", 3) == 0) {
    n.x = (double)NAN;
    *p += 3;
  } else if (!scalar_number_text(p, &n))
    return false;
  if (minus && n.x == 0) n.x = -0.0;
  DType t = DT_F32;
  while (t < DT_COUNT && dtype_letter(t) != **p) t = (DType)(t + 1);
  if (t == DT_COUNT) return false;
  ++*p;
  *type = t;
  *v = (ScalarValue){.w = 0};
  if (t == DT_F32) v->s = (float)n.x;
  if (t == DT_F64) v->d = n.x;
  if (t == DT_I32) v->i = (int32_t)n.i;
  if (t == DT_I64) v->l = n.i;
  if (t == DT_BOOL) v->i = n.i != 0;
  if (t == DT_F32 && isnan(n.x)) v->u = 0x7fc00000u;
  if (t == DT_F64 && isnan(n.x)) v->w = 0x7ff8000000000000u;
  return true;
}

typedef struct Formula {
  const Scalar *p;
  const char *const *names;
  const uint16_t *uses;
  Sb *b;
} Formula;

static void print_ins(const Formula *f, uint16_t i, bool inner);
static void print_ref(const Formula *f, ScalarRef r, bool inner) {
  const ScalarLeaf *l = r.leaf ? &f->p->leaf[r.i] : NULL;
  if (l && l->input && f->names)
    sb_fmt(f->b, "%s", f->names[l->index]);
  else if (l && l->input)
    sb_fmt(f->b, "x%u", l->index);
  else if (l)
    print_constant(l, f->b);
  else if (f->uses[r.i] > 1)
    sb_fmt(f->b, "t%u", r.i);
  else
    print_ins(f, r.i, inner);
}

static void print_ins(const Formula *f, uint16_t i, bool inner) {
  const ScalarIns *n = &f->p->ins[i];
  const ScalarOpInfo *o = &scalar_op_info[n->op];
  const char *mid = infix((ScalarOp)n->op);
  bool choice = n->op == SC_SEL, logic = n->type == DT_BOOL && (n->op == SC_AND || n->op == SC_OR);
  if (logic) mid = n->op == SC_AND ? " and " : " or ";
  bool wrap = inner && (mid || choice || n->op == SC_NEG || (n->op == SC_NOT && n->type == DT_BOOL));
  if (wrap) sb_char(f->b, '(');
  if (mid || choice) {
    print_ref(f, n->arg[0], true);
    sb_fmt(f->b, "%s", choice ? " ? " : mid);
    print_ref(f, n->arg[1], true);
    if (choice) {
      sb_fmt(f->b, " : ");
      print_ref(f, n->arg[2], true);
    }
  } else if (n->op == SC_NEG || (n->op == SC_NOT && n->type == DT_BOOL)) {
    sb_fmt(f->b, "%s", n->op == SC_NEG ? "-" : "not ");
    print_ref(f, n->arg[0], true);
  } else {
    sb_fmt(f->b, "%s(", n->op == SC_CAST ? dtype_name((DType)n->result) : o->name);
    for (int j = 0; j < o->arity; j++) {
      if (j) sb_fmt(f->b, ", ");
      print_ref(f, n->arg[j], false);
    }
    sb_char(f->b, ')');
  }
  if (wrap) sb_char(f->b, ')');
}

void scalar_print(const Scalar *p, const char *const *names, Sb *b) {
  uint16_t uses[SCALAR_INS] = {0};
  for (uint16_t i = 0; i < p->nins; i++)
    for (int j = 0; j < scalar_op_info[p->ins[i].op].arity; j++)
      if (!p->ins[i].arg[j].leaf) uses[p->ins[i].arg[j].i]++;
  Formula f = {p, names, uses, b};
  for (uint16_t i = 0; i < p->nins; i++) { /* values used more than once get a name */
    if (uses[i] < 2) continue;
    sb_fmt(b, "t%u = ", i);
    print_ins(&f, i, false);
    sb_fmt(b, "; ");
  }
  for (uint16_t i = 0; i < p->nout; i++) {
    if (i) sb_fmt(b, ", ");
    print_ref(&f, p->out[i], false);
  }
}

/* ---- the exact form ---- */

static void write_ref(const Scalar *p, ScalarRef r, Sb *b) {
  if (!r.leaf) {
    sb_fmt(b, " %%%u", r.i);
    return;
  }
  const ScalarLeaf *l = &p->leaf[r.i];
  sb_char(b, ' ');
  if (l->input)
    sb_fmt(b, "x%u", l->index);
  else
    scalar_constant_print((DType)l->type, l->value, b);
}

void scalar_write(const Scalar *p, Sb *b) {
  sb_char(b, '{');
  for (uint16_t i = 0; i < p->nin; i++)
    sb_fmt(b, "%sx%u:%s", i ? ", " : "", i, dtype_name((DType)p->in_type[i]));
  sb_fmt(b, p->nin ? " | " : "| ");
  for (uint16_t i = 0; i < p->nins; i++) {
    const ScalarIns *n = &p->ins[i];
    sb_fmt(b, "%%%u = %s", i, scalar_op_info[n->op].name);
    if (n->op == SC_CAST) sb_fmt(b, ".%s", dtype_name((DType)n->result));
    for (int j = 0; j < scalar_op_info[n->op].arity; j++) write_ref(p, n->arg[j], b);
    sb_fmt(b, "; ");
  }
  sb_fmt(b, "ret");
  for (uint16_t i = 0; i < p->nout; i++) write_ref(p, p->out[i], b);
  sb_char(b, '}');
}

typedef struct ProgramReader {
  const char *p, *end; /* the text, NUL-terminated copy */
  ScalarIns ins[SCALAR_INS];
  ScalarLeaf leaf[SCALAR_LEAVES];
  ScalarRef out[SCALAR_OUT];
  uint8_t in[SCALAR_IN];
  uint16_t nin, nout, nins, nleaf;
} ProgramReader;

static void skip(ProgramReader *r) {
  while (isspace((unsigned char)*r->p)) r->p++;
}
static bool eat(ProgramReader *r, const char *what) {
  skip(r);
  size_t n = strlen(what);
  if (strncmp(r->p, what, n) != 0) return false;
  r->p += n;
  return true;
}
static Str name_here(ProgramReader *r) {
  skip(r);
  size_t n = 0;
  while (isalnum((unsigned char)r->p[n]) || r->p[n] == '_') n++;
  Str s = {r->p, n};
  r->p += n;
  return s;
}
static bool small(ProgramReader *r, uint32_t below, uint16_t *out) {
  ScalarNumber n;
  if (!isdigit((unsigned char)*r->p) || !scalar_number_text(&r->p, &n) || !n.integer || n.i >= below ||
      n.i < 0)
    return false;
  *out = (uint16_t)n.i;
  return true;
}
static bool type_here(ProgramReader *r, uint8_t *out) {
  DType t;
  if (!dtype_parse(name_here(r), &t)) return false;
  *out = (uint8_t)t;
  return true;
}

static bool leaf_here(ProgramReader *r, ScalarRef *out) {
  ScalarLeaf l = {0};
  DType t;
  skip(r);
  if (*r->p == 'x') {
    uint16_t i;
    r->p++;
    if (!small(r, r->nin, &i)) return false;
    l = (ScalarLeaf){.type = r->in[i], .input = true, .index = (uint8_t)i};
  } else {
    if (!scalar_constant_read(&r->p, &t, &l.value)) return false;
    l.type = (uint8_t)t;
  }
  for (uint16_t i = 0; i < r->nleaf; i++) {
    const ScalarLeaf *o = &r->leaf[i];
    if (o->type == l.type && o->input == l.input && o->index == l.index && o->value.w == l.value.w)
      return *out = (ScalarRef){i & 0x7fff, 1}, true;
  }
  if (r->nleaf == SCALAR_LEAVES) return false;
  r->leaf[r->nleaf] = l;
  *out = (ScalarRef){r->nleaf++ & 0x7fff, 1};
  return true;
}

static bool ref_here(ProgramReader *r, ScalarRef *out) {
  uint16_t i;
  if (!eat(r, "%")) return leaf_here(r, out);
  if (!small(r, r->nins, &i)) return false;
  *out = (ScalarRef){i & 0x7fff, 0};
  return true;
}

static DType ref_type(const ProgramReader *r, ScalarRef x) {
  return (DType)(x.leaf ? r->leaf[x.i].type : r->ins[x.i].result);
}

static bool ins_here(ProgramReader *r) { /* "0 = add x0 x1;" behind the % */
  uint16_t number;
  if (r->nins == SCALAR_INS || !small(r, SCALAR_INS, &number) || number != r->nins || !eat(r, "="))
    return false;
  Str name = name_here(r);
  ScalarOp op = 0;
  while (op < SC_COUNT && !str_eq(name, str_z(scalar_op_info[op].name))) op = (ScalarOp)(op + 1);
  if (op == SC_COUNT) return false;
  const ScalarOpInfo *o = &scalar_op_info[op];
  ScalarIns n = {.op = (uint8_t)op};
  if (op == SC_CAST && (!eat(r, ".") || !type_here(r, &n.result))) return false;
  for (int j = 0; j < o->arity; j++)
    if (!ref_here(r, &n.arg[j])) return false;
  for (int j = o->arity; j < 3; j++) n.arg[j] = n.arg[0];
  n.type = (uint8_t)ref_type(r, n.arg[o->sig[0] == 'b' && o->arity > 1]);
  char res = o->sig[o->arity];
  if (res == 'b')
    n.result = DT_BOOL;
  else if (res != 'K')
    n.result = n.type;
  else if (op != SC_CAST)
    n.result = n.type == DT_F32 ? DT_I32 : n.type == DT_F64 ? DT_I64 : n.type == DT_I32 ? DT_F32 : DT_F64;
  r->ins[r->nins++] = n;
  return eat(r, ";");
}

static bool program_here(ProgramReader *r) {
  if (!eat(r, "{")) return false;
  while (!eat(r, "|")) {
    uint16_t i;
    if (r->nin && !eat(r, ",")) return false;
    if (!eat(r, "x") || r->nin == SCALAR_IN || !small(r, SCALAR_IN, &i) || i != r->nin || !eat(r, ":") ||
        !type_here(r, &r->in[r->nin]))
      return false;
    r->nin++;
  }
  while (eat(r, "%"))
    if (!ins_here(r)) return false;
  if (!eat(r, "ret")) return false;
  while (!eat(r, "}"))
    if (r->nout == SCALAR_OUT || !ref_here(r, &r->out[r->nout++])) return false;
  return true;
}

const Scalar *scalar_read(Arena *a, Str *text, Sb *why) {
  ProgramReader *r = ARENA_NEW(a, ProgramReader);
  const char *close = memchr(text->p, '}', text->n);
  size_t n = close ? (size_t)(close - text->p) + 1 : text->n;
  Str z = str_copy(a, (Str){text->p, n});
  r->p = z.p;
  if (!program_here(r)) return sb_fmt(why, "scalar program malformed at \"%.20s\"", r->p), NULL;
  Scalar *p = ARENA_NEW(a, Scalar);
  *p = (Scalar){r->nin, r->nout, r->nins, r->nleaf, r->in, r->out, r->ins, r->leaf};
  if (!scalar_verify(p, why)) return NULL;
  size_t used = (size_t)(r->p - z.p);
  text->p += used;
  text->n -= used;
  return p;
}
