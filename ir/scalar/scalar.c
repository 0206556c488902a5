/* Building scalar programs: value numbering, constant folding by our own evaluator, inlining, clean-up; and
 * their verifier. */
#include "ir/scalar/literal.h"

#include <math.h>

const ScalarOpInfo scalar_op_info[SC_COUNT] = {
#define SOP(id, name, sig, doc) {name, sig, doc, (uint8_t)(sizeof(sig) - 2)},
#include "ir/scalar/scalar_ops.def"
#undef SOP
};

/* ---- types ---- */

static bool class_holds(char c, DType t) {
  switch (c) {
  case 'F': return dtype_is_float(t);
  case 'N': return dtype_is_int(t);
  case 'V': return t != DT_BOOL;
  case 'W': return dtype_is_int(t) || t == DT_BOOL;
  case 'A': return true;
  case 'b': return t == DT_BOOL;
  case 'i': return t == DT_I32;
  }
  return false;
}

static DType bits_partner(DType t) {
  switch (t) {
  case DT_F32: return DT_I32;
  case DT_I32: return DT_F32;
  case DT_F64: return DT_I64;
  case DT_I64: return DT_F64;
  case DT_BOOL:
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
  return DT_COUNT;
}

/* Binds the instruction's type and its result; false when the arguments do not fit the signature. */
static bool ins_types(ScalarOp op, const DType *arg, DType *type, DType *result) {
  const ScalarOpInfo *o = &scalar_op_info[op];
  *type = DT_COUNT;
  for (int i = 0; i < o->arity; i++) {
    if (!class_holds(o->sig[i], arg[i])) return false;
    if (o->sig[i] == 'b' || o->sig[i] == 'i') continue;
    if (*type == DT_COUNT)
      *type = arg[i];
    else if (*type != arg[i])
      return false;
  }
  if (*type == DT_COUNT) *type = arg[0]; /* mulhi */
  switch (o->sig[o->arity]) {
  case 'b': *result = DT_BOOL; break;
  case 'K': *result = op == SC_CAST ? *result : bits_partner(*type); break;
  default: *result = *type;
  }
  return true;
}

/* ---- leaves ---- */

void scalar_begin(ScalarBuilder *b, Arena *a) {
  b->arena = a;
  b->nin = b->nout = b->nins = b->nleaf = 0;
  memset(b->in_type, DT_F32, sizeof b->in_type);
}

DType scalar_ref_type(const ScalarBuilder *b, ScalarRef r) {
  return (DType)(r.leaf ? b->leaf[r.i].type : b->ins[r.i].result);
}

static ScalarRef leaf_add(ScalarBuilder *b, ScalarLeaf l) {
  for (uint16_t i = 0; i < b->nleaf; i++) {
    const ScalarLeaf *o = &b->leaf[i];
    if (o->type == l.type && o->input == l.input && o->index == l.index && o->value.w == l.value.w)
      return (ScalarRef){i, 1};
  }
  if (b->nleaf == SCALAR_LEAVES)
    mem_raise(b->arena->mem, ST_LIMIT, "scalar program: more than %d constants and inputs", SCALAR_LEAVES);
  b->leaf[b->nleaf] = l;
  return (ScalarRef){b->nleaf++, 1};
}

ScalarRef scalar_input(ScalarBuilder *b, uint32_t index, DType t) {
  if (index >= SCALAR_IN)
    mem_raise(b->arena->mem, ST_LIMIT, "scalar program: more than %d inputs", SCALAR_IN);
  for (uint16_t i = 0; i < b->nleaf; i++)
    if (b->leaf[i].input && b->leaf[i].index == index && b->leaf[i].type != t)
      BUG(b->arena->mem, "scalar input %u read with two types", index);
  if (index >= b->nin) b->nin = (uint16_t)(index + 1);
  b->in_type[index] = (uint8_t)t;
  return leaf_add(b, (ScalarLeaf){.type = (uint8_t)t, .input = true, .index = (uint8_t)index});
}

ScalarRef scalar_const(ScalarBuilder *b, DType t, ScalarValue v) {
  ScalarValue c = {.w = 0};
  switch (t) {
  case DT_F32:
    c.s = v.s;
    fp_flush(DT_F32, &c, 1);
    break;
  case DT_F64:
    c.d = v.d;
    fp_flush(DT_F64, &c, 1);
    break;
  case DT_I32: c.i = v.i; break;
  case DT_I64: c.l = v.l; break;
  case DT_BOOL: c.i = v.i != 0; break;
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: BUG(b->arena->mem, "a constant of %s", dtype_name(t));
  }
  return leaf_add(b, (ScalarLeaf){.type = (uint8_t)t, .value = c});
}

ScalarRef scalar_number(ScalarBuilder *b, DType t, double x) {
  return scalar_const(b, t, literal_from(t, x));
}

/* ---- instructions ---- */

static bool is_const(const ScalarBuilder *b, ScalarRef r) { return r.leaf && !b->leaf[r.i].input; }
static bool same_ref(ScalarRef a, ScalarRef b) { return a.i == b.i && a.leaf == b.leaf; }
static bool is_number(const ScalarBuilder *b, ScalarRef r, double x) { /* sign of zero included */
  if (!is_const(b, r)) return false;
  const ScalarLeaf *l = &b->leaf[r.i];
  switch ((DType)l->type) {
  case DT_F32: return (double)l->value.s == x && !signbit(l->value.s) == !signbit(x);
  case DT_F64: return l->value.d == x && !signbit(l->value.d) == !signbit(x);
  case DT_I32: return l->value.i == x;
  case DT_I64: return (double)l->value.l == x;
  case DT_BOOL:
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
  return false;
}

/* Rewrites that keep every bit for every input (all NaNs being one, no subnormal existing). */
static bool identity(const ScalarBuilder *b, const ScalarIns *n, ScalarRef *out) {
  ScalarRef x = n->arg[0], y = n->arg[1];
  bool real = dtype_is_float((DType)n->type);
  if (n->op == SC_ADD) { /* x + -0; integers x + 0 */
    if (is_number(b, y, real ? -0.0 : 0.0)) return *out = x, true;
    if (is_number(b, x, real ? -0.0 : 0.0)) return *out = y, true;
  }
  if (n->op == SC_MUL) { /* x * 1 */
    if (is_number(b, y, 1)) return *out = x, true;
    if (is_number(b, x, 1)) return *out = y, true;
  }
  if (n->op == SC_SUB && is_number(b, y, 0.0)) return *out = x, true; /* x - +0 */
  if (n->op == SC_DIV && is_number(b, y, 1)) return *out = x, true;   /* x / 1 */
  if (n->op == SC_NEG || n->op == SC_NOT)                             /* twice is nothing */
    if (!x.leaf && b->ins[x.i].op == n->op) return *out = b->ins[x.i].arg[0], true;
  if (n->op == SC_SEL) {
    if (same_ref(y, n->arg[2])) return *out = y, true;
    if (is_const(b, x)) return *out = b->leaf[x.i].value.i ? y : n->arg[2], true;
  }
  return false;
}

static bool commutes(ScalarOp op) {
  return op == SC_ADD || op == SC_MUL || op == SC_MIN || op == SC_MAX || op == SC_EQ || op == SC_AND ||
         op == SC_OR || op == SC_XOR || op == SC_MULHI;
}

static bool constant_fold(ScalarBuilder *b, const ScalarIns *n, ScalarRef *out) {
  int arity = scalar_op_info[n->op].arity;
  ScalarLeaf leaf[3] = {{0}};
  ScalarIns one = *n;
  for (int i = 0; i < 3; i++) {
    ScalarRef r = n->arg[i < arity ? i : 0];
    if (!is_const(b, r)) return false;
    leaf[i] = b->leaf[r.i];
    one.arg[i] = (ScalarRef){(uint16_t)i, 1};
  }
  ScalarRef result = {0, 0};
  Scalar p = {.nout = 1, .nins = 1, .nleaf = 3, .out = &result, .ins = &one, .leaf = leaf};
  ScalarValue v;
  uint32_t env = fp_enter();
  scalar_eval(&p, NULL, &v);
  fp_leave(env);
  *out = scalar_const(b, (DType)n->result, v);
  return true;
}

static ScalarRef ins_add(ScalarBuilder *b, ScalarIns n) {
  ScalarRef out;
  int arity = scalar_op_info[n.op].arity;
  for (int i = arity; i < 3; i++) n.arg[i] = n.arg[0];
  if (identity(b, &n, &out) || constant_fold(b, &n, &out)) return out;
  if (commutes((ScalarOp)n.op)) {
    uint32_t x = n.arg[0].i | (uint32_t)n.arg[0].leaf << 15, y = n.arg[1].i | (uint32_t)n.arg[1].leaf << 15;
    if (x > y) {
      ScalarRef t = n.arg[0];
      n.arg[0] = n.arg[1];
      n.arg[1] = t;
      if (arity == 2) n.arg[2] = n.arg[0];
    }
  }
  for (uint16_t i = 0; i < b->nins; i++) {
    const ScalarIns *o = &b->ins[i];
    if (o->op == n.op && o->result == n.result && same_ref(o->arg[0], n.arg[0]) &&
        same_ref(o->arg[1], n.arg[1]) && same_ref(o->arg[2], n.arg[2]))
      return (ScalarRef){i, 0};
  }
  if (b->nins == SCALAR_INS)
    mem_raise(b->arena->mem, ST_LIMIT, "scalar program: more than %d instructions", SCALAR_INS);
  b->ins[b->nins] = n;
  return (ScalarRef){b->nins++, 0};
}

ScalarRef scalar_ins(ScalarBuilder *b, ScalarOp op, ScalarRef x, ScalarRef y, ScalarRef z) {
  DType arg[3] = {scalar_ref_type(b, x), scalar_ref_type(b, y), scalar_ref_type(b, z)}, type,
        result = DT_COUNT;
  if (op == SC_CAST || !ins_types(op, arg, &type, &result))
    BUG(b->arena->mem, "scalar program: %s of %s, %s, %s", scalar_op_info[op].name, dtype_name(arg[0]),
        dtype_name(arg[1]), dtype_name(arg[2]));
  return ins_add(
      b, (ScalarIns){.op = (uint8_t)op, .type = (uint8_t)type, .result = (uint8_t)result, .arg = {x, y, z}});
}

ScalarRef scalar_cast(ScalarBuilder *b, DType to, ScalarRef x) {
  DType from = scalar_ref_type(b, x);
  if (from == to) return x;
  return ins_add(b,
                 (ScalarIns){.op = SC_CAST, .type = (uint8_t)from, .result = (uint8_t)to, .arg = {x, x, x}});
}

void scalar_inline(ScalarBuilder *b, const Scalar *p, const ScalarRef *args, ScalarRef *out) {
  ArenaMark m = arena_mark(b->arena);
  ScalarRef *leaf = ARENA_ARRAY(b->arena, ScalarRef, p->nleaf),
            *val = ARENA_ARRAY(b->arena, ScalarRef, p->nins);
  for (uint16_t i = 0; i < p->nleaf; i++) {
    const ScalarLeaf *l = &p->leaf[i];
    leaf[i] = l->input ? args[l->index] : scalar_const(b, (DType)l->type, l->value);
    if (scalar_ref_type(b, leaf[i]) != (DType)l->type)
      BUG(b->arena->mem, "scalar program inlined with %s for its %s input %u",
          dtype_name(scalar_ref_type(b, leaf[i])), dtype_name((DType)l->type), l->index);
  }
  for (uint16_t i = 0; i < p->nins; i++) {
    ScalarIns n = p->ins[i];
    for (int j = 0; j < 3; j++) n.arg[j] = n.arg[j].leaf ? leaf[n.arg[j].i] : val[n.arg[j].i];
    val[i] = ins_add(b, n);
  }
  for (uint16_t i = 0; i < p->nout; i++) out[i] = p->out[i].leaf ? leaf[p->out[i].i] : val[p->out[i].i];
  arena_rewind(b->arena, m);
}

void scalar_output(ScalarBuilder *b, ScalarRef r) {
  if (b->nout == SCALAR_OUT)
    mem_raise(b->arena->mem, ST_LIMIT, "scalar program: more than %d results", SCALAR_OUT);
  b->out[b->nout++] = r;
}

/* Drops what no result needs and copies the rest into the arena: instructions in order, leaves in order of
 * first use. */
const Scalar *scalar_end(ScalarBuilder *b) {
  uint16_t live[SCALAR_INS] = {0}, to_ins[SCALAR_INS], to_leaf[SCALAR_LEAVES], nins = 0, nleaf = 0;
  for (uint16_t i = 0; i < b->nout; i++)
    if (!b->out[i].leaf) live[b->out[i].i] = 1;
  for (uint16_t i = b->nins; i-- > 0;)
    for (int j = 0; live[i] && j < 3; j++)
      if (!b->ins[i].arg[j].leaf) live[b->ins[i].arg[j].i] = 1;
  for (uint16_t i = 0; i < b->nins; i++) nins = (uint16_t)(nins + live[i]);

  Scalar *p = ARENA_NEW(b->arena, Scalar);
  ScalarIns *ins = ARENA_ARRAY(b->arena, ScalarIns, nins);
  ScalarLeaf *leaf = ARENA_ARRAY(b->arena, ScalarLeaf, b->nleaf);
  ScalarRef *out = ARENA_ARRAY(b->arena, ScalarRef, b->nout);
  uint8_t *in = ARENA_ARRAY(b->arena, uint8_t, b->nin);
  memset(to_leaf, 0xff, sizeof to_leaf);
#define MOVED(r)                                                                                             \
  ((r).leaf ? (to_leaf[(r).i] == UINT16_MAX ? (leaf[nleaf] = b->leaf[(r).i], to_leaf[(r).i] = nleaf++) : 0,  \
               (ScalarRef){to_leaf[(r).i] & 0x7fff, 1})                                                      \
            : (ScalarRef){to_ins[(r).i] & 0x7fff, 0})
  for (uint16_t i = 0, n = 0; i < b->nins; i++) {
    if (!live[i]) continue;
    ins[n] = b->ins[i];
    for (int j = 0; j < 3; j++) ins[n].arg[j] = MOVED(b->ins[i].arg[j]);
    to_ins[i] = n++;
  }
  for (uint16_t i = 0; i < b->nout; i++) out[i] = MOVED(b->out[i]);
#undef MOVED
  memcpy(in, b->in_type, b->nin);
  *p = (Scalar){b->nin, b->nout, nins, nleaf, in, out, ins, leaf};
  return p;
}

/* ---- checks ---- */

bool scalar_equal(const Scalar *a, const Scalar *b) {
  if (a->nin != b->nin || a->nout != b->nout || a->nins != b->nins || a->nleaf != b->nleaf) return false;
  for (uint16_t i = 0; i < a->nin; i++)
    if (a->in_type[i] != b->in_type[i]) return false;
  for (uint16_t i = 0; i < a->nout; i++)
    if (!same_ref(a->out[i], b->out[i])) return false;
  for (uint16_t i = 0; i < a->nleaf; i++) {
    const ScalarLeaf *x = &a->leaf[i], *y = &b->leaf[i];
    if (x->type != y->type || x->input != y->input || x->index != y->index || x->value.w != y->value.w)
      return false;
  }
  for (uint16_t i = 0; i < a->nins; i++) {
    const ScalarIns *x = &a->ins[i], *y = &b->ins[i];
    if (x->op != y->op || x->type != y->type || x->result != y->result) return false;
    for (int j = 0; j < scalar_op_info[x->op].arity; j++)
      if (!same_ref(x->arg[j], y->arg[j])) return false;
  }
  return true;
}

static bool leaf_ok(const Scalar *p, const ScalarLeaf *l) {
  if (l->type >= DT_COUNT) return false;
  if (l->input) return l->index < p->nin && p->in_type[l->index] == l->type;
  ScalarValue v = l->value;
  if (l->type == DT_F32 || l->type == DT_F64) fp_flush((DType)l->type, &v, 1);
  return v.w == l->value.w && (l->type != DT_BOOL || v.w <= 1);
}

bool scalar_verify(const Scalar *p, Sb *why) {
  if (p->nin > SCALAR_IN || p->nout > SCALAR_OUT || p->nins > SCALAR_INS || p->nleaf > SCALAR_LEAVES) {
    sb_fmt(why, "scalar program: too large");
    return false;
  }
  for (uint16_t i = 0; i < p->nleaf; i++)
    if (!leaf_ok(p, &p->leaf[i]))
      return sb_fmt(why, "scalar program: leaf %u is malformed or subnormal", i), false;
  for (uint16_t i = 0; i < p->nins; i++) {
    const ScalarIns *n = &p->ins[i];
    if (n->op >= SC_COUNT || n->result >= DT_COUNT)
      return sb_fmt(why, "scalar program: instruction %u", i), false;
    DType arg[3] = {DT_COUNT, DT_COUNT, DT_COUNT}, type, result = (DType)n->result;
    for (int j = 0; j < scalar_op_info[n->op].arity; j++) {
      ScalarRef r = n->arg[j];
      if (r.leaf ? r.i >= p->nleaf : r.i >= i)
        return sb_fmt(why, "scalar program: instruction %u reads what is not there", i), false;
      arg[j] = scalar_type(p, r);
    }
    if (!ins_types((ScalarOp)n->op, arg, &type, &result) || type != (DType)n->type ||
        result != (DType)n->result)
      return sb_fmt(why, "scalar program: types of instruction %u (%s)", i, scalar_op_info[n->op].name),
             false;
  }
  for (uint16_t i = 0; i < p->nout; i++)
    if (p->out[i].leaf ? p->out[i].i >= p->nleaf : p->out[i].i >= p->nins)
      return sb_fmt(why, "scalar program: result %u is not there", i), false;
  return true;
}
