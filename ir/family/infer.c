/* Types of results from types of operands: the one place of dtype and shape rules. Scalar rows by their
 * signature here; structural rows by their families. */
#include "ir/family/family.h"
#include "ir/graph/region.h"

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

DimId infer_window(const Infer *f, DimId n, int64_t pad, int64_t dilation, int64_t k, int64_t stride) {
  DimTable *t = f->dims;
  DimId room = dim_add(t, n, dim_const(t, 2 * pad - dilation * (k - 1) - 1)); /* attributes are below 2^20 */
  int64_t v;
  if (dim_is_const(t, room, &v) && v < 0) return (DimId){0};
  return dim_add(t, dim_floordiv(t, room, stride), infer_one(f));
}

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
  if (dtype_is_stored((DType)f->in[0]->dtype) && f->given &&
      f->given->dtype != dtype_compute((DType)f->in[0]->dtype))
    return infer_types(f, "is not defined between", f->in[0], f->given);
  if (result == DT_COUNT) { /* a letter no operand binds: cast, unit */
    if (!infer_given(f)) return false;
    result = (DType)f->given->dtype;
    if (!letter_holds(sig[f->nin], result)) return infer_types(f, "cannot give", f->given, NULL);
  }
  f->out->dtype = (uint8_t)result;
  return true;
}

/* ---- the table ---- */

static InferFn *const infer_of[OP_COUNT] = {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) [OP_##id] = infer_scalar,
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) [OP_##id] = infer_##family,
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
};

bool op_infer(const Graph *g, Op op, const NodeId *in, uint32_t nin, const int64_t *attr, const Type *given,
              Type *out, Sb *why) {
  const OpInfo *o = &op_info[op];
  const Type *small[8], **types = small;
  *out = (Type){0};
  Infer f = {g->program->dims, g, op, nin, NULL, in, attr, given, out, why};
  if (o->arity < 0 ? nin < (op == OP_EXTERN || op == OP_YIELD ? 0 : 1) : nin != (uint32_t)o->arity)
    return infer_fail(&f, "%u operands", nin);
  if (nin > 8) types = ARENA_ARRAY(why->arena, const Type *, nin);
  for (uint32_t i = 0; i < nin; i++) {
    types[i] = &g->node.at[in[i].i].type;
    if (types[i]->dtype == DT_NONE && !op_reads_region(op, i)) return infer_fail(&f, "of what has no value");
    if (dtype_is_stored((DType)types[i]->dtype) && op != OP_CAST)
      return infer_types(&f, "is not defined for", types[i], NULL);
  }
  f.in = types;
  bool ok = infer_of[op](&f);
  if (ok && dtype_is_stored((DType)out->dtype) && op != OP_LEAF &&
      (op != OP_CAST || types[0]->dtype != dtype_compute((DType)out->dtype)))
    return infer_types(&f, "cannot give", out, NULL);
  for (uint8_t i = out->rank; i < MAX_RANK; i++) out->dim[i] = (DimId){0};
  return ok;
}
