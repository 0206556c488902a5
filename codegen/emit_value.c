/* Small things of the emitter: constants, splats, shuffles, intrinsics, affine expressions. */
#include "codegen/emit.h"

enum { WIDEST = KERNEL_LANES };

Val emit_i64(Emit *e, int64_t n) { return LLVMConstInt(e->i64, (uint64_t)n, 1); }
Val emit_i32(Emit *e, int64_t n) { return LLVMConstInt(e->i32, (uint64_t)n, 1); }

static Val const_splat(Emit *e, Val s) {
  Val x[WIDEST];
  for (int i = 0; i < e->lanes; i++) x[i] = s;
  return LLVMConstVector(x, (unsigned)e->lanes);
}

Val emit_const(Emit *e, DType t, ScalarValue v) {
  switch (t) {
  case DT_F32: return const_splat(e, LLVMConstBitCast(LLVMConstInt(e->i32, v.u, 0), e->elem[DT_F32]));
  case DT_F64: return const_splat(e, LLVMConstBitCast(LLVMConstInt(e->i64, v.w, 0), e->elem[DT_F64]));
  case DT_I32: return const_splat(e, emit_i32(e, v.i));
  case DT_I64: return const_splat(e, emit_i64(e, v.l));
  case DT_BOOL: return const_splat(e, LLVMConstInt(e->i1, v.i != 0, 0));
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
  BUG(e->arena->mem, "constant without type");
}

Val emit_iota(Emit *e, LLVMTypeRef elem, int64_t base, int64_t step) {
  Val x[WIDEST];
  for (int i = 0; i < e->lanes; i++) x[i] = LLVMConstInt(elem, (uint64_t)(base + step * i), 1);
  return LLVMConstVector(x, (unsigned)e->lanes);
}

Val emit_lanes(Emit *e, const bool *on) {
  Val x[WIDEST];
  for (int i = 0; i < e->lanes; i++) x[i] = LLVMConstInt(e->i1, on[i], 0);
  return LLVMConstVector(x, (unsigned)e->lanes);
}

Val emit_shuffle(Emit *e, Val a, Val b, const int *index) {
  Val x[WIDEST];
  for (int i = 0; i < e->lanes; i++) x[i] = emit_i32(e, index[i]);
  return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(x, (unsigned)e->lanes), "");
}

Val emit_splat(Emit *e, Val s) {
  static const int zero[WIDEST] = {0};
  if (LLVMIsConstant(s)) return const_splat(e, s);
  Val none = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(s), (unsigned)e->lanes));
  return emit_shuffle(e, LLVMBuildInsertElement(e->b, none, s, emit_i32(e, 0), ""), none, zero);
}

void emit_attribute(const Emit *e, Val fn, const char *key, const char *value) {
  LLVMAttributeRef a =
      LLVMCreateStringAttribute(e->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}
Val emit_intrinsic(Emit *e, const char *name, LLVMTypeRef *types, int ntypes, Val *arg, int n) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  if (!id) BUG(e->arena->mem, "LLVM has no intrinsic %s", name);
  LLVMTypeRef type = LLVMIntrinsicGetType(e->context, id, types, (size_t)ntypes);
  Val fn = LLVMGetIntrinsicDeclaration(e->module, id, types, (size_t)ntypes);
  return LLVMBuildCall2(e->b, type, fn, arg, (unsigned)n, "");
}
Val emit_call1(Emit *e, const char *name, Val a) {
  LLVMTypeRef t = LLVMTypeOf(a);
  return emit_intrinsic(e, name, &t, 1, &a, 1);
}
Val emit_call2(Emit *e, const char *name, Val a, Val b) {
  LLVMTypeRef t = LLVMTypeOf(a);
  return emit_intrinsic(e, name, &t, 1, (Val[]){a, b}, 2);
}
Val emit_fence(Emit *e, Val v) { return emit_call1(e, "llvm.arithmetic.fence", v); }

Val emit_number(Emit *e, int64_t n) {
  if (!tile_is_param(n)) return emit_i64(e, n);
  return n >= TILE_OFFSET ? e->offset[n - TILE_OFFSET] : e->param[n - TILE_PARAM];
}

static Val sum(Emit *e, Val a, Val b) { return a ? LLVMBuildAdd(e->b, a, b, "") : b; }

/* In a tile function: values of numbers that stand for arguments lie within TILE_RANGE, more is not known. */
static AxisAffine affine_of_arguments(Emit *e, const Affine *a) {
  AxisAffine l = {NULL, 0, -TILE_RANGE, TILE_RANGE};
  if (a->k) l.dyn = emit_number(e, a->k);
  for (int i = 0; i < KERNEL_LOOPS; i++)
    if (a->v[i]) {
      Val v = emit_affine_value(e, &e->var[i]), c = emit_number(e, a->v[i]);
      l.dyn = sum(e, l.dyn, a->v[i] == 1 ? v : LLVMBuildMul(e->b, v, c, ""));
    }
  return l;
}

static bool has_arguments(const Affine *a) {
  bool any = tile_is_param(a->k);
  for (int i = 0; i < KERNEL_LOOPS; i++) any |= tile_is_param(a->v[i]);
  return any;
}

AxisAffine emit_affine(Emit *e, const Affine *a) {
  if (has_arguments(a)) return affine_of_arguments(e, a);
  AxisAffine l = {NULL, a->k, a->k, a->k};
  for (int i = 0; i < KERNEL_LOOPS; i++) {
    int64_t c = a->v[i];
    const AxisAffine *v = &e->var[i];
    if (!c) continue;
    int64_t x = c * v->lo, y = c * v->hi;
    l.k += c * v->k;
    l.lo += x < y ? x : y;
    l.hi += x < y ? y : x;
    if (!v->dyn) continue;
    Val t = c == 1 ? v->dyn : LLVMBuildMul(e->b, v->dyn, emit_i64(e, c), "");
    l.dyn = l.dyn ? LLVMBuildAdd(e->b, l.dyn, t, "") : t;
  }
  return l;
}
Val emit_affine_value(Emit *e, const AxisAffine *l) {
  return l->dyn ? LLVMBuildAdd(e->b, l->dyn, emit_i64(e, l->k), "") : emit_i64(e, l->k);
}
