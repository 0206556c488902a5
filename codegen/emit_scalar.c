/* Scalar programs as vector instructions. Every instruction means exactly what ir/scalar/eval.c computes.
 * Floating constants never meet in an instruction unfenced: LLVM's folder does not flush subnormals. */
#include "codegen/emit.h"

#include <math.h>

static Val number(Emit *e, DType t, double x) {
  ScalarValue v = {.w = 0};
  if (t == DT_F32)
    v.s = (float)x;
  else if (t == DT_F64)
    v.d = x;
  else if (t == DT_I32)
    v.i = (int32_t)x;
  else if (t == DT_I64)
    v.l = (int64_t)x;
  else
    v.i = x != 0;
  return emit_const(e, t, v);
}
static Val word(Emit *e, DType t, uint64_t bits) { /* t integer */
  return emit_const(e, t, t == DT_I32 ? (ScalarValue){.u = (uint32_t)bits} : (ScalarValue){.w = bits});
}
static Val choose(Emit *e, Val c, Val a, Val b) { return LLVMBuildSelect(e->b, c, a, b, ""); }
static Val is_nan(Emit *e, Val x) { return LLVMBuildFCmp(e->b, LLVMRealUNO, x, x, ""); }

/* 2^n in type t for n within the normal range, by its exponent field; n is a vector of i32. */
static Val power_of_two(Emit *e, DType t, Val n) {
  if (t == DT_F32) {
    Val field = LLVMBuildAdd(e->b, n, number(e, DT_I32, 127), "");
    return LLVMBuildBitCast(e->b, LLVMBuildShl(e->b, field, number(e, DT_I32, 23), ""), e->vec[t], "");
  }
  Val wide = LLVMBuildSExt(e->b, LLVMBuildAdd(e->b, n, number(e, DT_I32, 1023), ""), e->vec[DT_I64], "");
  return LLVMBuildBitCast(e->b, LLVMBuildShl(e->b, wide, number(e, DT_I64, 52), ""), e->vec[t], "");
}

/* a * 2^b, without scalef: three factors of one direction reach from the greatest number below the least, so
 * what leaves the range early would leave it later. b is cut to where it makes no difference, also from a NaN
 * to a number, since a conversion out of range is no value. Infinite b and NaN are what scalef says. */
static Val ldexp_by_factors(Emit *e, DType t, Val a, Val b) {
  double most = t == DT_F32 ? 2 * 127 : 2 * 1023;
  Val least = number(e, t, -most), greatest = number(e, t, most), zero = number(e, t, 0);
  Val n = emit_call1(e, "llvm.floor", b);
  n = choose(e, LLVMBuildFCmp(e->b, LLVMRealOGT, n, least, ""), n, least);
  n = choose(e, LLVMBuildFCmp(e->b, LLVMRealOLT, n, greatest, ""), n, greatest);
  /* a quarter and a bit, twice, and the rest: all of n's sign, and within the exponents of normal numbers */
  Val part = emit_call1(e, "llvm.roundeven", LLVMBuildFMul(e->b, n, number(e, t, 0.26), ""));
  Val rest = LLVMBuildFSub(e->b, LLVMBuildFSub(e->b, n, part, ""), part, "");
  Val p = power_of_two(e, t, LLVMBuildFPToSI(e->b, part, e->vi32, "")),
      q = power_of_two(e, t, LLVMBuildFPToSI(e->b, rest, e->vi32, ""));
  Val v = LLVMBuildFMul(e->b, LLVMBuildFMul(e->b, LLVMBuildFMul(e->b, a, p, ""), p, ""), q, "");
  Val end = choose(e, LLVMBuildFCmp(e->b, LLVMRealOLT, b, zero, ""), zero, b); /* 0, inf or NaN */
  end = choose(e, is_nan(e, a), end, LLVMBuildFMul(e->b, a, end, ""));
  Val finite =
      LLVMBuildFCmp(e->b, LLVMRealOLT, emit_call1(e, "llvm.fabs", b), number(e, t, (double)INFINITY), "");
  return choose(e, finite, v, end);
}

/* The same where b is a whole number no farther out than two factors reach, or NaN. A sum with 1.5 times the
 * power of two whose last place is 1 rounds to a whole number, which the last bits hold, here with the bias
 * of an exponent. A NaN has no such bits, so the second factor is made one. */
static Val ldexp_by_two(Emit *e, DType t, Val a, Val b) {
  bool single = t == DT_F32;
  DType bits = single ? DT_I32 : DT_I64;
  Val last = number(e, t, single ? 0x1.8p23 + 127 : 0x1.8p52 + 1023),
      places = number(e, bits, single ? 23 : 52);
  Val half = emit_intrinsic(e, "llvm.fma", &e->vec[t], 1, (Val[]){b, number(e, t, 0.5), last}, 3);
  Val rest = LLVMBuildFSub(e->b, b, LLVMBuildFSub(e->b, half, last, ""), "");
  rest = LLVMBuildFAdd(e->b, rest, last, "");
  Val p = LLVMBuildShl(e->b, LLVMBuildBitCast(e->b, half, e->vec[bits], ""), places, ""),
      q = LLVMBuildShl(e->b, LLVMBuildBitCast(e->b, rest, e->vec[bits], ""), places, "");
  q = LLVMBuildOr(e->b, q, LLVMBuildSExt(e->b, is_nan(e, b), e->vec[bits], ""), "");
  if (LLVMIsConstant(a)) a = emit_fence(e, a);
  a = LLVMBuildFMul(e->b, a, LLVMBuildBitCast(e->b, p, e->vec[t], ""), "");
  return LLVMBuildFMul(e->b, a, LLVMBuildBitCast(e->b, q, e->vec[t], ""), "");
}

static Val ldexp_(Emit *e, DType t, Val a, Val b) {
  if (!e->avx512) return ldexp_by_factors(e, t, a, b);
  Val zero = LLVMConstNull(e->vec[t]);
  if (t == DT_F32 && e->lanes == 16)
    return emit_intrinsic(e, "llvm.x86.avx512.mask.scalef.ps.512", NULL, 0,
                          (Val[]){a, b, zero, LLVMConstInt(e->i16, 0xffff, 0), emit_i32(e, 4)}, 5);
  if (t == DT_F32)
    return emit_intrinsic(e, "llvm.x86.avx512.mask.scalef.ps.256", NULL, 0,
                          (Val[]){a, b, zero, LLVMConstInt(e->i8, 0xff, 0)}, 4);
  return emit_intrinsic(e, "llvm.x86.avx512.mask.scalef.pd.512", NULL, 0,
                        (Val[]){a, b, zero, LLVMConstInt(e->i8, 0xff, 0), emit_i32(e, 4)}, 5);
}

/* Quotient rounded down, or the remainder that goes with it; by zero 0; the least integer by -1 wraps. */
static Val divide(Emit *e, DType t, Val a, Val b, bool quotient) {
  LLVMBuilderRef B = e->b;
  Val zero = number(e, t, 0), one = number(e, t, 1), minus = number(e, t, -1);
  Val by0 = LLVMBuildICmp(B, LLVMIntEQ, b, zero, ""), by1 = LLVMBuildICmp(B, LLVMIntEQ, b, minus, "");
  Val safe = choose(e, LLVMBuildOr(B, by0, by1, ""), one, b);
  Val q = LLVMBuildSDiv(B, a, safe, ""), r = LLVMBuildSub(B, a, LLVMBuildMul(B, q, safe, ""), "");
  Val other = LLVMBuildICmp(B, LLVMIntSLT, LLVMBuildXor(B, r, safe, ""), zero, ""); /* signs differ */
  Val down = LLVMBuildAnd(B, other, LLVMBuildICmp(B, LLVMIntNE, r, zero, ""), "");
  if (quotient) {
    q = LLVMBuildAdd(B, q, LLVMBuildSExt(B, down, e->vec[t], ""), "");
    q = choose(e, by1, LLVMBuildNeg(B, a, ""), q);
    return choose(e, by0, zero, q);
  }
  r = LLVMBuildAdd(B, r, choose(e, down, safe, zero), "");
  return choose(e, LLVMBuildOr(B, by0, by1, ""), zero, r);
}

static Val shift(Emit *e, ScalarOp op, DType t, Val a, Val b) {
  Val n = LLVMBuildAnd(e->b, b, number(e, t, t == DT_I32 ? 31 : 63), "");
  if (op == SC_SHL) return LLVMBuildShl(e->b, a, n, "");
  return op == SC_SHR ? LLVMBuildAShr(e->b, a, n, "") : LLVMBuildLShr(e->b, a, n, "");
}

static Val multiply_high(Emit *e, Val a, Val b) {
  LLVMTypeRef wide = LLVMVectorType(e->i64, (unsigned)e->lanes);
  Val p = LLVMBuildMul(e->b, LLVMBuildZExt(e->b, a, wide, ""), LLVMBuildZExt(e->b, b, wide, ""), "");
  return LLVMBuildTrunc(e->b, LLVMBuildLShr(e->b, p, emit_iota(e, e->i64, 32, 0), ""), e->vi32, "");
}

static Val to_bits(Emit *e, DType t, Val a, bool raw) {
  DType i = t == DT_F32 ? DT_I32 : DT_I64;
  Val bits = LLVMBuildBitCast(e->b, a, e->vec[i], "");
  return raw ? bits
             : choose(e, is_nan(e, a), word(e, i, t == DT_F32 ? 0x7fc00000u : 0x7ff8000000000000u), bits);
}
static Val from_bits(Emit *e, DType i, Val a, bool raw) { /* subnormals become zero, NaNs the one NaN */
  DType t = i == DT_I32 ? DT_F32 : DT_F64;
  uint64_t exponent = i == DT_I32 ? 0x7f800000u : 0x7ff0000000000000u,
           sign = i == DT_I32 ? 0x80000000u : 0x8000000000000000u;
  if (!raw) {
    Val none =
        LLVMBuildICmp(e->b, LLVMIntEQ, LLVMBuildAnd(e->b, a, word(e, i, exponent), ""), word(e, i, 0), "");
    a = choose(e, none, LLVMBuildAnd(e->b, a, word(e, i, sign), ""), a);
  }
  Val v = LLVMBuildBitCast(e->b, a, e->vec[t], "");
  return raw ? v : choose(e, is_nan(e, v), number(e, t, (double)NAN), v);
}

static Val cast(Emit *e, DType from, DType to, Val a) {
  LLVMBuilderRef B = e->b;
  LLVMTypeRef v = e->vec[to];
  if (from == to) return a;
  if (to == DT_BOOL)
    return dtype_is_float(from) ? LLVMBuildFCmp(B, LLVMRealUNE, a, number(e, from, 0), "")
                                : LLVMBuildICmp(B, LLVMIntNE, a, number(e, from, 0), "");
  if (from == DT_BOOL) return choose(e, a, number(e, to, 1), number(e, to, 0));
  if (dtype_is_float(from) && dtype_is_float(to))
    return to == DT_F64 ? LLVMBuildFPExt(B, a, v, "") : LLVMBuildFPTrunc(B, a, v, "");
  if (dtype_is_float(from))
    return emit_intrinsic(e, "llvm.fptosi.sat", (LLVMTypeRef[]){v, e->vec[from]}, 2, &a, 1);
  if (dtype_is_float(to)) return LLVMBuildSIToFP(B, a, v, "");
  return to == DT_I64 ? LLVMBuildSExt(B, a, v, "") : LLVMBuildTrunc(B, a, v, "");
}

Val emit_instruction(Emit *e, const ScalarIns *n, Val a, Val b, Val c) {
  LLVMBuilderRef B = e->b;
  DType t = (DType)n->type;
  bool real = dtype_is_float(t);
  if (real && n->op != SC_SEL && LLVMIsConstant(a) && LLVMIsConstant(b) && LLVMIsConstant(c))
    a = emit_fence(e, a);
  switch ((ScalarOp)n->op) {
  case SC_ADD: return real ? LLVMBuildFAdd(B, a, b, "") : LLVMBuildAdd(B, a, b, "");
  case SC_SUB: return real ? LLVMBuildFSub(B, a, b, "") : LLVMBuildSub(B, a, b, "");
  case SC_MUL: return real ? LLVMBuildFMul(B, a, b, "") : LLVMBuildMul(B, a, b, "");
  case SC_DIV: return LLVMBuildFDiv(B, a, b, "");
  case SC_FMA: return emit_intrinsic(e, "llvm.fma", &e->vec[t], 1, (Val[]){a, b, c}, 3);
  case SC_NEG: return real ? LLVMBuildFNeg(B, a, "") : LLVMBuildNeg(B, a, "");
  case SC_ABS:
    if (real) return emit_call1(e, "llvm.fabs", a);
    return emit_intrinsic(e, "llvm.abs", &e->vec[t], 1, (Val[]){a, LLVMConstNull(e->i1)}, 2);
  case SC_SQRT: return emit_call1(e, "llvm.sqrt", a);
  case SC_MIN: return emit_call2(e, real ? "llvm.minimum" : "llvm.smin", a, b);
  case SC_MAX: return emit_call2(e, real ? "llvm.maximum" : "llvm.smax", a, b);
  case SC_FLOOR: return emit_call1(e, "llvm.floor", a);
  case SC_CEIL: return emit_call1(e, "llvm.ceil", a);
  case SC_RINT: return emit_call1(e, "llvm.roundeven", a);
  case SC_TRUNC: return emit_call1(e, "llvm.trunc", a);
  case SC_LDEXP: return ldexp_(e, t, a, b);
  case SC_LT: return real ? LLVMBuildFCmp(B, LLVMRealOLT, a, b, "") : LLVMBuildICmp(B, LLVMIntSLT, a, b, "");
  case SC_LE: return real ? LLVMBuildFCmp(B, LLVMRealOLE, a, b, "") : LLVMBuildICmp(B, LLVMIntSLE, a, b, "");
  case SC_EQ: return real ? LLVMBuildFCmp(B, LLVMRealOEQ, a, b, "") : LLVMBuildICmp(B, LLVMIntEQ, a, b, "");
  case SC_SEL: return LLVMBuildSelect(B, a, b, c, "");
  case SC_IDIV: return divide(e, t, a, b, true);
  case SC_IMOD: return divide(e, t, a, b, false);
  case SC_MULHI: return multiply_high(e, a, b);
  case SC_AND: return LLVMBuildAnd(B, a, b, "");
  case SC_OR: return LLVMBuildOr(B, a, b, "");
  case SC_XOR: return LLVMBuildXor(B, a, b, "");
  case SC_NOT: return LLVMBuildNot(B, a, "");
  case SC_SHL:
  case SC_SHR:
  case SC_USHR: return shift(e, (ScalarOp)n->op, t, a, b);
  case SC_BITS: return to_bits(e, t, a, false);
  case SC_UNBITS: return from_bits(e, t, a, false);
  case SC_RAWBITS: return to_bits(e, t, a, true);
  case SC_RAWFLOAT: return from_bits(e, t, a, true);
  case SC_CAST: return cast(e, t, (DType)n->result, a);
  case SC_COUNT: break;
  }
  BUG(e->arena->mem, "scalar instruction %u", n->op);
}

/* One value of a program for one vector: a leaf, or what instruction i made of it. */
static Val value(ScalarRef r, const ScalarLeaf *leaf, const Val *constant, const Val *in, const Val *made) {
  if (!r.leaf) return made[r.i];
  return leaf[r.i].input ? in[leaf[r.i].index] : constant[r.i];
}

void emit_program(Emit *e, const Scalar *p, int n, const EmitIn *in, EmitOut *out) {
  Val constant[SCALAR_LEAVES], made[EMIT_ABREAST][SCALAR_INS];
  for (uint16_t i = 0; i < p->nleaf; i++) {
    const ScalarLeaf *l = &p->leaf[i];
    constant[i] = l->input ? NULL : emit_const(e, (DType)l->type, l->value);
  }
  for (uint16_t i = 0; i < p->nins; i++) {
    const ScalarIns *s = &p->ins[i];
    bool two =
        s->op == SC_LDEXP && !e->avx512 && emit_whole_within(p, s->arg[1], s->type == DT_F32 ? 252 : 2044);
    for (int v = 0; v < n; v++) {
      Val a[3];
      for (int j = 0; j < 3; j++) a[j] = value(s->arg[j], p->leaf, constant, in[v].v, made[v]);
      made[v][i] =
          two ? ldexp_by_two(e, (DType)s->type, a[0], a[1]) : emit_instruction(e, s, a[0], a[1], a[2]);
    }
  }
  for (int v = 0; v < n; v++)
    for (uint16_t i = 0; i < p->nout; i++)
      out[v].v[i] = value(p->out[i], p->leaf, constant, in[v].v, made[v]);
}
