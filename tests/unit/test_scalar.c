/* Scalar programs: text, folding, exact text form, library functions against libm within ulp bounds, duals
 * against differences. */
#include "base/mem.h"
#include "ir/scalar/literal.h"
#include "runtime/core/clean.h"
#include "ulp_kit.h"
#include "unit.h"

#include <math.h>

static Mem mem;
static Arena arena;
static void begin(void) {
  if (arena.mem) arena_release(&arena);
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
}
static const Scalar *parse(const char *text, DType in, DType result) {
  static const char *const name[] = {"x", "y", "z", "r", "g"};
  ScalarInput input[5];
  Sb why;
  for (int i = 0; i < 5; i++) input[i] = (ScalarInput){name[i], in};
  sb_init(&why, &arena);
  const Scalar *p = scalar_parse(&arena, str_z(text), input, 5, result, &why);
  if (!p) ck_abort_msg("%.*s", (int)why.n, why.p);
  ck_assert(scalar_verify(p, &why));
  return p;
}
static void refused(const char *text, DType in, DType result, const char *part) {
  ScalarInput input[2] = {{"x", in}, {"y", in}};
  Sb why;
  sb_init(&why, &arena);
  const Scalar *p = scalar_parse(&arena, str_z(text), input, 2, result, &why);
  ck_assert_msg(!p, "accepted: %s", text);
  sb_char(&why, 0);
  ck_assert_msg(strstr(why.p, part) != NULL, "%s: %s", text, why.p);
}
static float eval1(const char *text, float x) {
  ScalarValue in[5] = {{.s = x}, {.s = 2}, {.s = 3}}, out;
  uint32_t env = fp_enter();
  scalar_eval(parse(text, DT_F32, DT_F32), in, &out);
  fp_leave(env);
  return out.s;
}

START_TEST(parses_infix) {
  begin();
  ck_assert_float_eq(eval1("x + y * z", 1), 7);
  ck_assert_float_eq(eval1("(x + y) * z", 1), 9);
  ck_assert_float_eq(eval1("-x - -y", 1), 1);
  ck_assert_float_eq(eval1("x < 0 ? 0 : x", -3), 0);
  ck_assert_float_eq(eval1("x > 0 ? 1 : x < 0 ? -1 : x", -3), -1);
  ck_assert_float_eq(eval1("1 / 2 + x", 0), 0.5f);
  ck_assert_float_eq(eval1("a = x + 1; a = a * a; a", 2), 9);
  ck_assert_float_eq(eval1("not (x == 1 or x == 2) and x >= 3 ? 5 : 6", 3), 5);
  ck_assert_float_eq(eval1("cast(i32(x) * 3 + 1)", 2.9f), 7);
  ck_assert_float_eq(eval1("poly(x, 1, 2, 3)", 2), 17);
  ck_assert_float_eq(eval1("mod(x, y)", -3), 1);
  ck_assert_float_eq(eval1("f32(f64(x) / 3)", 1), 1.0f / 3.0f);
}
END_TEST

START_TEST(refuses) {
  begin();
  refused("x +", DT_F32, DT_F32, "operand expected");
  refused("x + w", DT_F32, DT_F32, "nothing is called 'w'");
  refused("x + 0.5", DT_I32, DT_I32, "0.5");
  refused("sqrt(x)", DT_I32, DT_I32, "sqrt of i32");
  refused("exp(x)", DT_I32, DT_I32, "no function 'exp'");
  refused("x < y", DT_F32, DT_F32, "the result is bool");
  refused("x y", DT_F32, DT_F32, "unexpected text");
  refused("fma(x, y)", DT_F32, DT_F32, "3 operands");
  char deep[400];
  memset(deep, '(', 300);
  strcpy(deep + 300, "x");
  refused(deep, DT_F32, DT_F32, "nested");
}
END_TEST

START_TEST(folds_and_merges) {
  begin();
  ck_assert_uint_eq(parse("2 * 3 + exp(0) - 7", DT_F32, DT_F32)->nins, 0);
  ck_assert_uint_eq(parse("x * 1 + 0 * 1", DT_F32, DT_F32)->nins, 1); /* x + 0 is not x: -0 */
  ck_assert_uint_eq(parse("x - 0", DT_F32, DT_F32)->nins, 0);
  ck_assert_uint_eq(parse("(x + y) * (y + x)", DT_F32, DT_F32)->nins, 2);
}
END_TEST

START_TEST(folding_flushes) {
  begin();
  const Scalar *p = parse("unbits(0x00400000)", DT_F32, DT_F32);
  ck_assert_uint_eq(p->leaf[0].value.u, 0);
  p = parse("1.17549435e-38 * 0.5", DT_F32,
            DT_F32); /* the numbers multiply as doubles, the constant flushes */
  ck_assert_uint_eq(p->leaf[0].value.u, 0);
  p = parse("bits(nan)", DT_F32, DT_I32);
  ck_assert_int_eq(p->leaf[0].value.i, 0x7fc00000);
}
END_TEST

START_TEST(base_instructions) {
  begin();
  ck_assert(signbit(eval1("max(-0.0 * x, -0.0)", 1)));
  ck_assert(!signbit(eval1("max(0.0 * x, -0.0)", 1)));
  ck_assert(signbit(eval1("min(0.0 * x, -0.0)", 1)));
  ck_assert(isnan(eval1("max(x, 1)", NAN)));
  ck_assert(isnan(eval1("min(1, x)", NAN)));
  ck_assert(signbit(eval1("0 > x ? 0 : x", -0.0f))); /* relu keeps -0 and NaN */
  ck_assert(isnan(eval1("0 > x ? 0 : x", NAN)));
  ck_assert_float_eq(eval1("cast(i32(x))", 3e9f), 2147483648.f);
  ck_assert_float_eq(eval1("cast(i32(x))", NAN), 0);
  ck_assert_float_eq(eval1("rint(x)", 2.5f), 2);
  ck_assert_float_eq(eval1("ldexp(x, 3.9)", 1.5f), 12);
  ck_assert_float_eq(eval1("ldexp(x, -252)", 0x1p127f), 0x1p-125f);
  ck_assert_float_eq(eval1("ldexp(x, -254)", 0x1p127f), 0);
  ck_assert(isnan(eval1("ldexp(x, inf)", 0)));
  static const struct {
    const char *text;
    int32_t x, y, r;
  } row[] = {
      {"idiv(x, y)", -7, 2, -4},
      {"idiv(x, y)", 7, -2, -4},
      {"idiv(x, y)", 7, 0, 0},
      {"idiv(x, y)", INT32_MIN, -1, INT32_MIN},
      {"mod(x, y)", -7, 2, 1},
      {"mod(x, y)", 7, -2, -1},
      {"mod(x, y)", 7, 0, 0},
      {"mod(x, y)", INT32_MIN, -1, 0},
      {"x << y", 1, 33, 2},
      {"x >> y", -8, 1, -4},
      {"x >>> y", -8, 1, 0x7ffffffc},
      {"mulhi(x, y)", -1, -1, -2},
      {"xor(x, y)", 5, 3, 6},
      {"x & y", 5, 3, 1},
      {"x | y", 5, 3, 7},
      {"not(x)", 5, 3, -6},
      {"abs(x)", INT32_MIN, 0, INT32_MIN},
      {"x * y", 65536, 65536, 0},
      {"max(x, y)", -1, 2, 2},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    ScalarValue in[5] = {{.i = row[i].x}, {.i = row[i].y}}, out;
    scalar_eval(parse(row[i].text, DT_I32, DT_I32), in, &out);
    ck_assert_msg(out.i == row[i].r, "%s of %d, %d: %d", row[i].text, row[i].x, row[i].y, out.i);
  }
}
END_TEST

START_TEST(exact_text_round_trip) {
  begin();
  static const char *const text[] = {"exp(x)",
                                     "log(x)",
                                     "tanh(x * y) + erf(z)",
                                     "x",
                                     "3",
                                     "x < y ? inf : -inf + -0.0 * x",
                                     "pow(x, y)",
                                     "cast(i64(x) >> 3)",
                                     "unit(philox_lo(i32(x), 1, 2))",
                                     "nan + x"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++)
    for (int t = DT_F32; t <= DT_F64; t++) {
      const Scalar *p = parse(text[i], (DType)t, (DType)t);
      Sb b, why, again;
      sb_init(&b, &arena), sb_init(&why, &arena), sb_init(&again, &arena);
      scalar_write(p, &b);
      Str s = sb_str(&b);
      const Scalar *q = scalar_read(&arena, &s, &why);
      ck_assert_msg(q != NULL, "%.*s: %.*s", (int)b.n, b.p, (int)why.n, why.p);
      ck_assert(scalar_equal(p, q));
      ck_assert_uint_eq(s.n, 0);
    }
}
END_TEST

START_TEST(prints_formula) {
  begin();
  Sb b;
  sb_init(&b, &arena);
  const char *const names[] = {"x", "y", "z", "r", "g"};
  scalar_print(parse("g * (1 - r * r)", DT_F32, DT_F32), names, &b);
  ck_assert_strn(sb_str(&b), "(1 - (r * r)) * g");
  b.n = 0;
  scalar_print(parse("0 > x ? 0 : x", DT_F32, DT_F32), names, &b);
  ck_assert_strn(sb_str(&b), "(x < 0) ? 0 : x");
  b.n = 0;
  scalar_print(parse("(x + y) * sqrt(x + y)", DT_F32, DT_F32), names, &b);
  ck_assert_strn(sb_str(&b), "t0 = x + y; t0 * sqrt(t0)");
}
END_TEST

START_TEST(philox_known_answers) {
  begin();
  static const uint32_t kat[3][5] = {{0, 0, 0, 0xff1dae59, 0x6cd10df2},
                                     {0xffffffff, 0xffffffff, 0xffffffff, 0x2c3f628b, 0xab4fd7ad},
                                     {0x243f6a88, 0x85a308d3, 0x13198a2e, 0xdd7ce038, 0xf62a4c12}};
  for (int i = 0; i < 3; i++) {
    ScalarValue in[5] = {{.u = kat[i][0]}, {.u = kat[i][1]}, {.u = kat[i][2]}}, out;
    scalar_eval(parse("philox_lo(x, y, z)", DT_I32, DT_I32), in, &out);
    ck_assert_uint_eq(out.u, kat[i][3]);
    scalar_eval(parse("philox_hi(x, y, z)", DT_I32, DT_I32), in, &out);
    ck_assert_uint_eq(out.u, kat[i][4]);
  }
  ScalarValue in[5] = {{.u = 0xffffffff}}, out;
  scalar_eval(parse("unit(x)", DT_I32, DT_F32), in, &out);
  ck_assert_float_eq(out.s, 1 - 0x1p-24f);
}
END_TEST

START_TEST(arrays_equal_single_elements) {
  begin();
  const Scalar *p = parse("tanh(x) * y + exp(z - x)", DT_F32, DT_F32);
  float x[150], y = 3, z[150], r[150];
  for (int i = 0; i < 150; i++) x[i] = (float)(i - 70) * 0.1f, z[i] = (float)i * 0.3f;
  const void *in[5] = {x, &y, z, x, x};
  uint32_t env = fp_enter();
  scalar_eval_n(p, &arena, 150, in, (const uint8_t[]){1, 0, 1, 1, 1}, (void *[]){r});
  for (int i = 0; i < 150; i++) {
    ScalarValue v[5] = {{.s = x[i]}, {.s = y}, {.s = z[i]}}, out;
    scalar_eval(p, v, &out);
    ck_assert(memcmp(&out.s, &r[i], 4) == 0);
  }
  fp_leave(env);
}
END_TEST

/* ---- accuracy ---- */

START_TEST(
    library_within_ulps) { /* the bounds of docs/scalar.md; build/tests/unit/ulp measures with more draws */
  begin();
  const UlpRow *r = &ulp_rows[_i / 2];
  bool single = _i % 2 == 0;
  DType t = single ? DT_F32 : DT_F64;
  UlpWorst w = ulp_measure(r, parse(r->text, t, t), single, 16 * ULP_BLOCK, 7, &arena);
  ck_assert_msg(w.ulp <= r->bound[!single], "%s in %s: %g ulp at %.17g", r->text, dtype_name(t), w.ulp, w.at);
  ck_assert_msg(w.ulp > 0.3, "%s in %s: nothing was measured", r->text, dtype_name(t));
}
END_TEST

START_TEST(library_at_special_values) {
  begin();
  static const struct {
    const char *text;
    float x, r;
  } row[] = {
      {"exp(x)", INFINITY, INFINITY},
      {"exp(x)", -INFINITY, 0},
      {"exp(x)", 1000, INFINITY},
      {"exp(x)", -1000, 0},
      {"exp(x)", 0, 1},
      {"exp(x)", NAN, NAN},
      {"log(x)", 0, -INFINITY},
      {"log(x)", -1, NAN},
      {"log(x)", INFINITY, INFINITY},
      {"log(x)", 1, 0},
      {"log(x)", NAN, NAN},
      {"tanh(x)", INFINITY, 1},
      {"tanh(x)", -INFINITY, -1},
      {"tanh(x)", NAN, NAN},
      {"tanh(x)", 0, 0},
      {"sigmoid(x)", INFINITY, 1},
      {"sigmoid(x)", -INFINITY, 0},
      {"sin(x)", INFINITY, NAN},
      {"cos(x)", 0, 1},
      {"erf(x)", INFINITY, 1},
      {"erf(x)", -INFINITY, -1},
      {"erf(x)", NAN, NAN},
      {"expm1(x)", -INFINITY, -1},
      {"expm1(x)", INFINITY, INFINITY},
      {"expm1(x)", 0x1.8p-126f, 0x1.8p-126f}, /* half of it is flushed */
      {"log1p(x)", -1, -INFINITY},
      {"log1p(x)", INFINITY, INFINITY},
      {"log1p(x)", -2, NAN},
      {"pow(x, 2)", 0, 0},
      {"pow(x, 0)", NAN, 1},
      {"pow(x, 3)", INFINITY, INFINITY},
      {"pow(x, 2)", -1, 1},
      {"pow(x, 3)", -1, -1},
      {"pow(x, -5)", -1, -1},
      {"pow(x, 0.5)", -2, NAN},
      {"max(abs(sin(x)), 1)", 1e7f, 1}, /* no digits are left, but it is still a sine */
      {"max(abs(cos(x)), 1)", 3e38f, 1},
      {"sqrt(x)", -1, NAN},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    for (int t = DT_F32; t <= DT_F64; t++) {
      ScalarValue in[5] = {{.w = 0}}, out;
      if (t == DT_F32)
        in[0].s = row[i].x;
      else
        in[0].d = (double)row[i].x;
      uint32_t env = fp_enter();
      scalar_eval(parse(row[i].text, (DType)t, (DType)t), in, &out);
      fp_leave(env);
      double r = t == DT_F32 ? (double)out.s : out.d;
      ck_assert_msg(isnan(row[i].r) ? isnan(r) : r == (double)row[i].r, "%s of %g in %s: %.17g", row[i].text,
                    (double)row[i].x, dtype_name((DType)t), r);
    }
}
END_TEST

/* fp_clean finds what fp_flush would change, wherever it stands. */
START_TEST(clean_or_not) {
  static const uint32_t bad[] = {1,           0x80000001u, 0x007fffffu, 0x807fffffu,
                                 0x7f800001u, 0xffc00000u, 0x7fc00001u},
                        good[] = {0,           0x80000000u, 0x00800000u, 0x80800000u,
                                  0x7f800000u, 0xff800000u, 0x7fc00000u, 0x7f7fffffu};
  uint32_t w[75];
  uint64_t d[75];
  for (size_t n = 0; n <= 75; n++) {
    for (size_t i = 0; i < n; i++) {
      w[i] = good[(i * 5 + n) % 8];
      d[i] = (uint64_t)w[i] << 32 & 0xfff8000000000000u;
      if (w[i] == 0x00800000u || w[i] == 0x80800000u) d[i] = 0x0010000000000000u;
    }
    ck_assert(fp_clean(DT_F32, w, n) && fp_clean(DT_F64, d, n) && fp_clean(DT_I32, bad, 7));
    for (size_t i = 0; i < n; i++) {
      uint32_t was = w[i];
      uint64_t wide = d[i];
      w[i] = bad[(i + n) % 7];
      d[i] = (i + n) % 2 ? 0x8000000000000001u : 0x7ff0000000000001u;
      ck_assert_msg(!fp_clean(DT_F32, w, n) && !fp_clean(DT_F64, d, n), "%zu of %zu", i, n);
      w[i] = was;
      d[i] = wide;
    }
  }
}
END_TEST

/* Duals against central differences in f64, and against exact derivatives of the library functions. */
START_TEST(duals) {
  begin();
  static const struct {
    const char *value, *derivative;
    double lo, hi;
  } row[] = {
      {"exp(x)", "exp(x)", -3, 3},
      {"log(x)", "1 / x", 0.1, 4},
      {"sin(x)", "cos(x)", -4, 4},
      {"cos(x)", "-sin(x)", -4, 4},
      {"tanh(x)", "1 - tanh(x) * tanh(x)", -4, 4},
      {"expm1(x)", "exp(x)", -4, 4},
      {"log1p(x)", "1 / (1 + x)", -0.5, 4},
      {"sigmoid(x)", "sigmoid(x) * (1 - sigmoid(x))", -4, 4},
      {"erf(x)", "1.1283791670955126 * exp(-(x * x))", -4, 4},
      {"pow(x, 2.5)", "2.5 * pow(x, 1.5)", 0.1, 3},
      {"x * x * x / (1 + x)", "(3 * x * x + 2 * x * x * x) / ((1 + x) * (1 + x))", 0.1, 3},
      {"abs(x)", "x > 0 ? 1 : -1", -3, 3},
      {"fma(x, x, sqrt(x))", "2 * x + 0.5 / sqrt(x)", 0.1, 3},
      {"x < 1 ? x : 2 * x", "x < 1 ? 1 : 2", 0, 3},
      {"max(x, 1) + min(x, 2) + floor(x)", "(x > 1 ? 1 : 0) + (x < 2 ? 1 : 0)", 0, 3},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    const Scalar *p = parse(row[i].value, DT_F64, DT_F64), *d = parse(row[i].derivative, DT_F64, DT_F64);
    for (int k = 0; k < 50; k++) {
      double x = row[i].lo + (row[i].hi - row[i].lo) * (k + 0.37) / 50;
      ScalarDual in[5] = {{.v.d = x, .t = 1}}, out;
      ScalarValue v[5] = {{.d = x}}, exact;
      scalar_eval_dual(p, in, &out);
      scalar_eval(d, v, &exact);
      double err = fabs(out.t - exact.d) / fmax(1, fabs(exact.d));
      ck_assert_msg(err < 1e-11, "%s at %g: tangent %.17g, not %.17g", row[i].value, x, out.t, exact.d);
    }
  }
}
END_TEST

START_TEST(verifier_refuses) {
  begin();
  Sb why;
  sb_init(&why, &arena);
  ScalarLeaf sub = {.type = DT_F32, .value.u = 1};
  ScalarRef out = {0, 1};
  Scalar p = {.nout = 1, .nleaf = 1, .leaf = &sub, .out = &out};
  ck_assert(!scalar_verify(&p, &why)); /* a subnormal constant */
  sub.value.u = 0x3f800000;
  ck_assert(scalar_verify(&p, &why));
  ScalarIns late = {.op = SC_NEG, .type = DT_F32, .result = DT_F32, .arg = {{0, 0}, {0, 0}, {0, 0}}};
  p.ins = &late, p.nins = 1;
  ck_assert(!scalar_verify(&p, &why)); /* reads itself */
  late.arg[0] = (ScalarRef){0, 1};
  ck_assert(scalar_verify(&p, &why));
  ScalarIns two[2] = {late, late};
  two[1].type = DT_F64;
  p.ins = two, p.nins = 2;
  ck_assert(!scalar_verify(&p, &why)); /* types, of each instruction */
}
END_TEST

/* What may enter as it is: exactly what flushing leaves alone, wherever it stands. */
START_TEST(clean_data) {
  static const uint32_t f[] = {0,          0x80000000, 1,          0x7fffff,   0x807fffff,
                               0x800000,   0x80800000, 0x7f800000, 0xff800000, 0x7f800001,
                               0x7fc00000, 0xffc00000, 0x7fffffff, 0x3f800000};
  static const uint64_t d[] = {0,
                               1,
                               0x8000000000000000,
                               0x8000000000000001,
                               0x000fffffffffffff,
                               0x0010000000000000,
                               0x7ff0000000000000,
                               0xfff0000000000000,
                               0x7ff0000000000001,
                               0x7ff8000000000000,
                               0xfff8000000000000};
  for (size_t n = 1; n < 140; n += 7)
    for (size_t at = 0; at < n; at++) {
      uint32_t w[140] = {0}, v[140];
      uint64_t x[140] = {0}, y[140];
      for (size_t k = 0; k < sizeof f / sizeof *f; k++) {
        w[at] = f[k];
        memcpy(v, w, sizeof w);
        fp_flush(DT_F32, v, n);
        ck_assert(fp_clean(DT_F32, w, n) == (memcmp(v, w, sizeof w) == 0));
      }
      for (size_t k = 0; k < sizeof d / sizeof *d; k++) {
        x[at] = d[k];
        memcpy(y, x, sizeof x);
        fp_flush(DT_F64, y, n);
        ck_assert(fp_clean(DT_F64, x, n) == (memcmp(y, x, sizeof x) == 0));
      }
    }
}
END_TEST

START_TEST(caps_are_limits) {
  begin();
  ScalarBuilder *b = ARENA_NEW(&arena, ScalarBuilder);
  scalar_begin(b, &arena);
  ScalarRef x = scalar_input(b, 0, DT_F32);
  Rescue r;
  volatile int made = 0;
  if (RESCUE(&mem, &r)) {
    ScalarRef v = x;
    for (int i = 0; i < SCALAR_INS + 1; i++, made++) v = scalar_ins(b, SC_ADD, v, x, x);
    rescue_end(&mem, &r);
    ck_abort_msg("no limit");
  }
  ck_assert_int_eq(r.status, ST_LIMIT);
  ck_assert_int_eq(made, SCALAR_INS);
}
END_TEST

/* Between double, element, memory and word: rounded, in range, one NaN, and back. */
/* Rounding to bf16 against its definition: the nearest of the two neighbours with eight digits, by distance,
 * the one with an even last digit where both are as near. */
static uint32_t nearest_bf16(uint32_t u) {
  ScalarValue x = {.u = u}, low = {.u = u & 0xffff0000u}, high = {.u = low.u + 0x10000u};
  if (isnan(x.s)) return 0x7fc00000u;
  if (isinf(x.s) || x.u == low.u) return low.u;
  double to_low = fabs((double)x.s - (double)low.s),
         to_high = fabs((isinf(high.s) ? copysign(0x1p128, (double)x.s) : (double)high.s) - (double)x.s);
  return to_low < to_high || (to_low == to_high && !(low.u & 0x10000u)) ? low.u : high.u;
}

START_TEST(bf16_is_nearest_even) {
  static const uint32_t behind[] = {0, 1, 0x1234, 0x7fff, 0x8000, 0x8001, 0xedcb, 0xffff};
  begin();
  const Scalar *p = parse("round_bf16(x)", DT_F32, DT_F32);
  uint32_t env = fp_enter();
  for (uint32_t upper = 0; upper < 0x10000u; upper++)
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
      ScalarValue x = {.u = upper << 16 | behind[i]}, r = {.w = 0};
      if (x.u != clean_bits32(x.u)) continue; /* none enters */
      scalar_eval(p, &x, &r);
      ck_assert_msg(r.u == nearest_bf16(x.u), "%08x becomes %08x, not %08x", x.u, r.u, nearest_bf16(x.u));
      ck_assert_uint_eq(literal_bf16(x.s).u, r.u);
      uint16_t kept;
      literal_store(DT_BF16, 1, &r, &kept);
      literal_load(DT_BF16, 1, &kept, &x);
      ck_assert_uint_eq(x.u, r.u);
      ck_assert(fp_clean(DT_BF16, &kept, 1));
    }
  fp_leave(env);
  uint16_t dirty[] = {0x0001, 0x807f, 0xff81, 0x7f80, 0x0080}, clean[] = {0, 0x8000, 0x7fc0, 0x7f80, 0x0080};
  ck_assert(!fp_clean(DT_BF16, dirty, 1) && !fp_clean(DT_BF16, dirty + 2, 1) &&
            fp_clean(DT_BF16, dirty + 3, 2));
  fp_flush(DT_BF16, dirty, 5);
  ck_assert(!memcmp(dirty, clean, sizeof clean));
  ck_assert(!memcmp(&(uint8_t){200}, &(uint8_t){literal_get(DT_U8, &(uint8_t){200}, 0).u}, 1));
}
END_TEST

START_TEST(literals) {
  static const struct {
    DType t;
    double x, back;
  } row[] = {{DT_F32, 0.1, 0.10000000149011612},
             {DT_F32, 1e300, INFINITY},
             {DT_F64, 0.1, 0.1},
             {DT_I32, 2.9, 2},
             {DT_I32, -2.9, -2},
             {DT_I32, 1e10, INT32_MAX},
             {DT_I32, -1e10, INT32_MIN},
             {DT_I32, NAN, 0},
             {DT_I64, 1e10, 1e10},
             {DT_I64, 1e30, 0x1p63},
             {DT_I64, -INFINITY, -0x1p63},
             {DT_BOOL, -0.5, 1},
             {DT_BOOL, 0, 0}};
  for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
    DType t = row[k].t;
    ScalarValue v = literal_from(t, row[k].x);
    double memory[2] = {0};
    literal_put(t, memory, 1, v);
    int64_t word = literal_word(t, literal_get(t, memory, 1));
    ck_assert(literal_double(t, v) == row[k].back && literal_number(t, word) == row[k].back);
    ck_assert(literal_value(t, word).w == v.w && literal_of(t, row[k].x) == word && literal_is(t, word));
  }
  ck_assert(literal_of(DT_F32, 1e-40) == 0 && literal_of(DT_F64, 1e-310) == 0);
  ck_assert(literal_of(DT_F32, -(double)NAN) == literal_of(DT_F64, (double)NAN));
  ck_assert(literal_word(DT_F64, (ScalarValue){.w = UINT64_C(0xfff8000000000001)}) ==
            literal_of(DT_F64, (double)NAN));
  ck_assert(!literal_is(DT_F32, literal_of(DT_F64, 0.1)) && !literal_is(DT_F64, 1));
  ck_assert(!literal_is(DT_I32, INT64_C(1) << 31) && !literal_is(DT_BOOL, 2) &&
            literal_is(DT_I64, INT64_MIN));
  ck_assert(literal_value(DT_I32, INT64_C(0xd256d193)).u == 0xd256d193u); /* low bits */
}
END_TEST

int main(void) {
  Suite *s = suite_create("scalar");
  TCase *c = tcase_create("scalar");
  tcase_set_timeout(c, 60);
  static const TTest *const *const tests[] = {&parses_infix,
                                              &refuses,
                                              &folds_and_merges,
                                              &folding_flushes,
                                              &base_instructions,
                                              &exact_text_round_trip,
                                              &prints_formula,
                                              &philox_known_answers,
                                              &arrays_equal_single_elements,
                                              &library_at_special_values,
                                              &clean_or_not,
                                              &duals,
                                              &verifier_refuses,
                                              &caps_are_limits,
                                              &clean_data,
                                              &bf16_is_nearest_even,
                                              &literals};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(c, *tests[i]);
  tcase_add_loop_test(c, library_within_ulps, 0, 2 * ULP_ROWS);
  suite_add_tcase(s, c);
  SRunner *r = srunner_create(s);
  srunner_set_tap(r, "-");
  srunner_run_all(r, CK_SILENT);
  int failed = srunner_ntests_failed(r);
  srunner_free(r);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
