/* Types of results from types of operands: the one place of dtype and shape rules. Scalar rows by their
 * signature, leaves and opaque ops here; movement, reductions and windows in their own files. */
#include "ir/family/internal.h"

bool infer_fail(const Infer *f, const char *fmt, ...) {
  va_list ap;
  sb_fmt(f->why, "%s: ", op_info[f->op].name);
  va_start(ap, fmt);
  sb_vfmt(f->why, fmt, ap);
  va_end(ap);
  return false;
}

bool infer_types(const Infer *f, const char *what, const Type *a, const Type *b) {
  sb_fmt(f->why, "%s: %s ", op_info[f->op].name, what);
  type_print(f->dims, a, f->why);
  if (!b) return false;
  sb_add(f->why, STR(" and "));
  type_print(f->dims, b, f->why);
  return false;
}

bool infer_dim_eq(DimId a, DimId b) { return dim_eq(a, b) || !a.i || !b.i; }
bool infer_shape_eq(const Type *a, const Type *b) {
  if (a->rank != b->rank) return false;
  for (uint8_t i = 0; i < a->rank; i++)
    if (!infer_dim_eq(a->dim[i], b->dim[i])) return false;
  return true;
}

bool infer_attr(const Infer *f, int i, int64_t lo, int64_t hi) {
  if (f->attr[i] >= lo && f->attr[i] <= hi) return true;
  return infer_fail(f, "attribute %d is %lld, not in %lld..%lld", i, (long long)f->attr[i], (long long)lo,
                    (long long)hi);
}
bool infer_given(const Infer *f) {
  return f->given ? true : infer_fail(f, "the result's type must be given");
}
DimId infer_one(const Infer *f) { return dim_const(f->dims, 1); }

/* ---- scalar rows ---- */

static bool letter_holds(char c, DType t) {
  switch (c) {
  case 'T': return t != DT_BOOL;
  case 'F': return dtype_is_float(t);
  case 'I': return dtype_is_int(t);
  case 'b': return t == DT_BOOL;
  case 'i': return t == DT_I32;
  }
  return true; /* A, B */
}

static bool infer_scalar(const Infer *f) {
  const char *sig = op_info[f->op].sig;
  DType bound[128]; /* by letter */
  for (int c = 0; c < 128; c++) bound[c] = DT_COUNT;
  bound['b'] = DT_BOOL;
  bound['i'] = DT_I32;
  *f->out = *f->in[0];
  for (uint32_t i = 0; i < f->nin; i++) {
    DType t = (DType)f->in[i]->dtype;
    unsigned char c = (unsigned char)sig[i];
    if (!letter_holds(sig[i], t)) return infer_types(f, "is not defined for", f->in[i], NULL);
    if (bound[c] == DT_COUNT) bound[c] = t;
    if (bound[c] != t) return infer_types(f, "operands of different types", f->in[i ? i - 1 : 0], f->in[i]);
    if (!infer_shape_eq(f->in[0], f->in[i]))
      return infer_types(f, "operands of different shapes", f->in[0], f->in[i]);
    for (uint8_t d = 0; d < f->out->rank; d++) /* poison gives way to what is known */
      if (!f->out->dim[d].i) f->out->dim[d] = f->in[i]->dim[d];
  }
  DType result = bound[(unsigned char)sig[f->nin]];
  if (result == DT_COUNT) { /* a letter no operand binds: cast, unit */
    if (!infer_given(f)) return false;
    result = (DType)f->given->dtype;
    if (!letter_holds(sig[f->nin], result)) return infer_types(f, "cannot give", f->given, NULL);
  }
  f->out->dtype = (uint8_t)result;
  return true;
}

/* ---- leaves ---- */

static bool infer_leaf(const Infer *f) {
  const Program *p = f->g->program;
  if (!infer_attr(f, 0, 0, (int64_t)p->leaf.n - 1)) return false;
  const Type *own = &p->leaf.at[f->attr[0]].type;
  *f->out = *own;
  if (!f->given) return true;
  int64_t v;
  bool same = own->rank == f->given->rank && own->dtype == f->given->dtype;
  for (uint8_t i = 0; same && i < own->rank;
       i++) /* in a graph with bound dims, symbols have become numbers */
    same = infer_dim_eq(own->dim[i], f->given->dim[i]) || !dim_is_const(f->dims, own->dim[i], &v);
  *f->out = *f->given;
  return same || infer_types(f, "declared and used as", own, f->given);
}

static bool infer_table(const Infer *f) {
  int64_t n;
  if (!infer_given(f) || !infer_attr(f, 0, 0, (int64_t)f->g->table.n - 1)) return false;
  *f->out = *f->given;
  if (!dim_is_const(f->dims, type_count(f->dims, f->given), &n) || n != f->g->table.at[f->attr[0]].n)
    return infer_types(f, "the literal has another number of elements than", f->given, NULL);
  return true;
}

static bool infer_iota(const Infer *f) {
  if (!infer_given(f) || !infer_attr(f, 0, -1, f->given->rank - 1)) return false;
  *f->out = *f->given;
  return f->given->dtype != DT_BOOL || infer_fail(f, "of bool");
}

/* ---- opaque and custom ---- */

static bool infer_custom(const Infer *f) {
  int64_t n = f->attr[1];
  if (n < 0 || f->nin != 1 + 2 * (uint64_t)n)
    return infer_fail(f, "of %lld inputs has %u operands", (long long)n, f->nin);
  for (int64_t i = 1; i <= n; i++)
    if (f->in[i]->dtype != f->in[i + n]->dtype || !infer_shape_eq(f->in[i], f->in[i + n]))
      return infer_types(f, "input and its gradient differ:", f->in[i], f->in[i + n]);
  *f->out = *f->in[0];
  return true;
}

static bool infer_grad(const Infer *f) {
  if (f->in[0]->rank || !dtype_is_float((DType)f->in[0]->dtype))
    return infer_types(f, "the first operand must be one floating-point number, not", f->in[0], NULL);
  if (!dtype_is_float((DType)f->in[1]->dtype)) return infer_types(f, "by", f->in[1], NULL);
  *f->out = *f->in[1];
  return true;
}

static bool infer_extern(const Infer *f) {
  if (!infer_given(f) || !infer_attr(f, 0, 0, (int64_t)f->g->program->externs.n - 1)) return false;
  const Extern *e = &f->g->program->externs.at[f->attr[0]];
  if (e->nin != f->nin) return infer_fail(f, "takes %u operands, not %u", e->nin, f->nin);
  for (uint32_t i = 0; i < f->nin; i++)
    if (e->in[i].dtype != f->in[i]->dtype || e->in[i].rank != f->in[i]->rank)
      return infer_types(f, "declared and called with", &e->in[i], f->in[i]);
  *f->out = *f->given;
  return (e->out.dtype == f->given->dtype && e->out.rank == f->given->rank) ||
         infer_types(f, "declared to give and used as", &e->out, f->given);
}

static bool infer_struct(const Infer *f) {
  switch (f->op) {
  case OP_LEAF: return infer_leaf(f);
  case OP_TABLE: return infer_table(f);
  case OP_IOTA: return infer_iota(f);
  case OP_CONST:
  case OP_COTANGENT:
    if (!infer_given(f)) return false;
    *f->out = *f->given;
    return true;
  case OP_BROADCAST:
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_PAD:
  case OP_CONCAT:
  case OP_REVERSE: return infer_move(f);
  case OP_SUM:
  case OP_MEAN:
  case OP_MAX:
  case OP_MIN:
  case OP_PROD:
  case OP_ARGMAX:
  case OP_ARGMIN:
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_LOGSUMEXP:
  case OP_CROSS_ENTROPY: return infer_reduce(f);
  case OP_CONTRACT:
  case OP_CONV2D:
  case OP_CONV2D_DX:
  case OP_CONV2D_DW:
  case OP_MAX_POOL2D:
  case OP_MAX_POOL2D_DX:
  case OP_AVG_POOL2D:
  case OP_AVG_POOL2D_DX: return infer_conv(f);
  case OP_STOP:
  case OP_NAME: *f->out = *f->in[0]; return true;
  case OP_EXTERN: return infer_extern(f);
  case OP_CUSTOM: return infer_custom(f);
  case OP_GRAD: return infer_grad(f);
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) case OP_##id:
#define STRUCT(id, name, arity, attrs, cls, cost, doc)
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
  case OP_COUNT: break;
  }
  return infer_scalar(f);
}

bool op_infer(const Graph *g, Op op, const NodeId *in, uint32_t nin, const int64_t *attr, const Type *given,
              Type *out, Sb *why) {
  const OpInfo *o = &op_info[op];
  const Type *small[8], **types = small;
  *out = (Type){0};
  Infer f = {g->program->dims, g, op, nin, NULL, attr, given, out, why};
  if (o->arity < 0 ? nin < (op == OP_EXTERN ? 0 : 1) : nin != (uint32_t)o->arity)
    return infer_fail(&f, "%u operands", nin);
  if (nin > 8) types = ARENA_ARRAY(why->arena, const Type *, nin);
  for (uint32_t i = 0; i < nin; i++) types[i] = &g->node.at[in[i].i].type;
  f.in = types;
  bool ok = o->scalar ? infer_scalar(&f) : infer_struct(&f);
  for (uint8_t i = out->rank; i < MAX_RANK; i++) out->dim[i] = (DimId){0};
  return ok;
}
