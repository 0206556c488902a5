/* The interpreter: every scalar row against plain C, every order against a sequence written out by hand,
 * tangents against central differences, special values, host functions and refusals. */
#include "base/mem.h"
#include "ir/interpret/interp.h"
#include "ir/interpret/order.h"
#include "ir/scalar/scalar.h"
#include "op_cases.h"
#include "unit.h"

#include <math.h>
#include <xmmintrin.h>

static Mem mem;
static Arena arena;
static Names names;
static Sources sources;
static Limits limits;
static Program program;
static Graph *graph;
static Tensor *leaf, *tangent;
static Interp it;
static HostEntry host[4];

static void begin(const char *text) {
  Sb why;
  arena_release(&arena);
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  names_init(&names, &arena);
  sources_init(&sources, &arena);
  limits_init(&limits);
  program_init(&program, &arena, &names, &sources, &limits);
  sb_init(&why, &arena);
  if (!graph_parse(&program, str_z(text), &graph, &why)) ck_abort_msg("%s\n%.*s", text, (int)why.n, why.p);
  leaf = ARENA_ARRAY(&arena, Tensor, program.leaf.n);
  tangent = ARENA_ARRAY(&arena, Tensor, program.leaf.n);
  memset(host, 0, sizeof host);
}

/* Numbers without pattern in lo..hi, the same in every run. */
static double noise(uint32_t i, double lo, double hi) {
  uint32_t h = (i + 1) * 2654435761u;
  h ^= h >> 15;
  h *= 2246822519u;
  h ^= h >> 13;
  return lo + (hi - lo) * ((double)(h >> 8) + 0.5) / 16777216.0;
}

static void fill(bool wide, double lo, double hi) { /* every leaf; integers 0..2 */
  for (uint32_t l = 0; l < program.leaf.n; l++) {
    Type t = program.leaf.at[l].type;
    if (wide && t.dtype == DT_F32) t.dtype = DT_F64;
    ck_assert(tensor_of_type(&arena, program.dims, &t, &leaf[l]));
    for (size_t i = 0; i < leaf[l].count; i++) {
      uint32_t n = (uint32_t)i + 7919 * l;
      if (t.dtype == DT_F32) ((float *)leaf[l].data)[i] = (float)noise(n, lo, hi);
      if (t.dtype == DT_F64) ((double *)leaf[l].data)[i] = noise(n, lo, hi);
      if (t.dtype == DT_I32) ((int32_t *)leaf[l].data)[i] = (int32_t)(n * 7 % 3);
      if (t.dtype == DT_I64) ((int64_t *)leaf[l].data)[i] = n * 7 % 3;
      if (t.dtype == DT_BOOL) ((int32_t *)leaf[l].data)[i] = (n * 5 >> 2) & 1;
    }
  }
}

static const Tensor *run(InterpMode mode) { /* the last root's value */
  it = (Interp){
      .graph = graph, .mode = mode, .arena = &arena, .leaf = leaf, .leaf_tangent = tangent, .host = host};
  Status s = interp_run(&it);
  ck_assert_msg(s == ST_OK, "status %d: %s", s, it.what);
  return &it.value[graph->root.at[graph->root.n - 1].node.i];
}
static float *f32(uint32_t l) { return leaf[l].data; }
static uint32_t bits(float x) {
  ScalarValue v = {.s = x};
  return isnan(x) ? 0x7fc00000u : v.u;
}
#define SAME(got, want)                                                                                      \
  ck_assert_msg(bits(got) == bits(want), "%.9g is not %.9g", (double)(got), (double)(want))

/* ---- scalar rows against C ---- */

static double plain(Op op, double x, double y, double z) {
  switch (op) {
  case OP_ADD: return x + y;
  case OP_SUB: return x - y;
  case OP_MUL: return x * y;
  case OP_DIV: return x / y;
  case OP_NEG: return -x;
  case OP_ABS: return fabs(x);
  case OP_MAXIMUM: return fmax(x, y);
  case OP_MINIMUM: return fmin(x, y);
  case OP_FMA: return fma(x, y, z);
  case OP_SQRT: return sqrt(x);
  case OP_RSQRT: return 1 / sqrt(x);
  case OP_SQUARE: return x * x;
  case OP_EXP: return exp(x);
  case OP_EXPM1: return expm1(x);
  case OP_LOG: return log(x);
  case OP_LOG1P: return log1p(x);
  case OP_SIN: return sin(x);
  case OP_COS: return cos(x);
  case OP_TANH: return tanh(x);
  case OP_SIGMOID: return 1 / (1 + exp(-x));
  case OP_SOFTPLUS: return log(1 + exp(x));
  case OP_ERF: return erf(x);
  case OP_RELU: return x > 0 ? x : 0;
  case OP_POW: return pow(x, y);
  case OP_SIGN: return (x > 0) - (x < 0);
  case OP_FLOOR: return floor(x);
  case OP_CEIL: return ceil(x);
  case OP_ROUND: return nearbyint(x);
  case OP_MOD: return x - y * floor(x / y);
  case OP_IDIV: return floor(x / y);
  case OP_EQ: return x == y;
  case OP_NE: return x != y;
  case OP_LT: return x < y;
  case OP_LE: return x <= y;
  case OP_AND: return x != 0 && y != 0;
  case OP_OR: return x != 0 || y != 0;
  case OP_NOT: return x == 0;
  case OP_WHERE: return x != 0 ? y : z;
  case OP_CAST:
  case OP_ROUND_BF16: return x; /* tests/unit/test_scalar.c has its bits */
  default: return NAN;          /* random words: tests/unit/test_scalar.c has the known answers */
  }
}

static const char *letter_type(char c) { return c == 'b' ? "bool" : c == 'i' || c == 'I' ? "i32" : "f32"; }

/* One scalar row over leaves x, y, z. */
static void row_graph(Op op) {
  const OpInfo *o = &op_info[op];
  Sb text;
  arena_release(&arena);
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  sb_init(&text, &arena);
  sb_add(&text, STR("graph row\n"));
  for (int i = 0; i < o->arity; i++) sb_fmt(&text, "input %c: %s[37]\n", "xyz"[i], letter_type(o->sig[i]));
  for (int i = 0; i < o->arity; i++)
    sb_fmt(&text, "%%%d: %s[37] = leaf %c\n", i, letter_type(o->sig[i]), "xyz"[i]);
  sb_fmt(&text, "%%%d: %s[37] = %s", o->arity, letter_type(o->sig[o->arity]), o->name);
  for (int i = 0; i < o->arity; i++) sb_fmt(&text, " %%%d", i);
  sb_fmt(&text, "\noutput r = %%%d\n", o->arity);
  sb_char(&text, 0);
  char copy[1024];
  snprintf(copy, sizeof copy, "%s", text.p);
  begin(copy);
}

static double element(const Tensor *t, size_t i) {
  switch (t->dtype) {
  case DT_F32: return (double)((const float *)t->data)[i];
  case DT_F64: return ((const double *)t->data)[i];
  case DT_I64: return (double)((const int64_t *)t->data)[i];
  default: return ((const int32_t *)t->data)[i];
  }
}

START_TEST(rows_against_c) {
  Op op = (Op)_i;
  double in[3] = {0};
  if (op == OP_RNG_LO || op == OP_RNG_HI || op == OP_RNG_KEY || op == OP_UNIT) return;
  for (int narrow = 0; narrow < 2; narrow++) {
    row_graph(op);
    fill(!narrow, op_info[op].lo, op_info[op].hi);
    const Tensor *r = run(narrow ? INTERP_NATIVE : INTERP_F64);
    for (size_t i = 0; i < r->count; i++) {
      for (int j = 0; j < op_info[op].arity; j++) in[j] = element(&leaf[j], i);
      double want = plain(op, in[0], in[1], in[2]), got = element(r, i);
      if (op == OP_IDIV && in[1] == 0) want = 0;
      double bound = (narrow ? 1e-6 : 1e-13) * (1 + fabs(want)) * (op == OP_POW ? 4 : 1);
      if (narrow && op == OP_ROUND_BF16) bound = 0x1p-8 * fabs(want);
      ck_assert_msg(fabs(got - want) <= bound, "%s(%g, %g, %g) is %.17g, not %.17g", op_info[op].name, in[0],
                    in[1], in[2], got, want);
    }
  }
}
END_TEST

/* ---- tangents against central differences ---- */

static void check_tangents(const char *what, double lo, double hi) {
  const double h = 1e-6;
  fill(true, lo, hi);
  for (uint32_t l = 0; l < program.leaf.n; l++) {
    if (leaf[l].dtype != DT_F64) continue;
    tangent[l] = leaf[l];
    tangent[l].data = ARENA_ARRAY(&arena, double, leaf[l].count);
    for (size_t i = 0; i < leaf[l].count; i++)
      ((double *)tangent[l].data)[i] = noise((uint32_t)i + 31 * l, -1, 1);
  }
  const Tensor *value = run(INTERP_DUAL);
  const Tensor *t = &it.tangent[graph->root.at[graph->root.n - 1].node.i];
  ck_assert(value->dtype == DT_F64);
  const double *side[2];
  for (int s = 0; s < 2; s++) {
    for (uint32_t l = 0; l < program.leaf.n; l++)
      for (size_t i = 0; leaf[l].dtype == DT_F64 && i < leaf[l].count; i++)
        ((double *)leaf[l].data)[i] += (s ? -2 : 1) * h * ((double *)tangent[l].data)[i];
    const Tensor *r = run(INTERP_F64);
    double *copy = ARENA_ARRAY(&arena, double, r->count); /* a value may be a leaf's memory */
    for (size_t i = 0; i < r->count; i++) copy[i] = ((double *)r->data)[i];
    side[s] = copy;
  }
  double most = 0;
  for (size_t i = 0; i < t->count; i++) {
    double want = (side[0][i] - side[1][i]) / (2 * h), got = ((double *)t->data)[i];
    most = fmax(most, fabs(got));
    ck_assert_msg(fabs(got - want) <= 1e-6 * (1 + fabs(want)),
                  "%s: tangent %zu is %.12g, differences say %.12g", what, i, got, want);
  }
  ck_assert_msg(most > 0, "%s: the tangent is zero", what);
}

START_TEST(row_tangents) {
  Op op = (Op)_i;
  const OpInfo *o = &op_info[op];
  if (!strchr(o->cls, 'd') || op == OP_CAST) return;
  row_graph(op);
  check_tangents(o->name, o->lo, o->hi);
}
END_TEST

static Op begin_case(int i) {
  char text[2048];
  begin(op_case_graph(i, text, sizeof text));
  return (Op)graph->node.at[graph->node.n - 1].op;
}

START_TEST(tangents_of_structural_ops) {
  Op op = begin_case(_i);
  if (!strchr(op_info[op].cls, 'd')) return;
  check_tangents(op_info[op].name, -2, 2);
}
END_TEST

START_TEST(every_differentiable_op_has_a_case) {
  bool seen[OP_COUNT] = {false};
  for (int i = 0; i < OP_CASES; i++) seen[begin_case(i)] = true;
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *o = &op_info[op];
    if (o->scalar || !strchr(o->cls, 'd') || op == OP_CUSTOM || op == OP_GRAD) continue;
    if (op_is((Op)op, OPF_NO_VALUE)) continue; /* their results are differentiated */
    ck_assert_msg(seen[op], "%s has no case", o->name);
  }
}
END_TEST

/* <g, conv(x, w)> = <dx(g, w), x> = <dw(x, g), w>: the gradients are the adjoints. */
START_TEST(conv_gradients_are_adjoint) {
  double inner[3] = {0};
  for (int i = 0; i < 3; i++) {
    for (int c = 0; c < OP_CASES; c++)
      if (begin_case(c) == (i == 0 ? OP_CONV2D : i == 1 ? OP_CONV2D_DX : OP_CONV2D_DW)) break;
    fill(true, -1, 1);
    for (uint32_t l = 0; l < program.leaf.n; l++) { /* the same x, w and g in all three */
      char n = names_str(&names, program.leaf.at[l].path).p[0];
      for (size_t k = 0; k < leaf[l].count; k++)
        ((double *)leaf[l].data)[k] = noise((uint32_t)k + 1000 * (uint32_t)n, -1, 1);
    }
    const Tensor *r = run(INTERP_F64);
    char missing = i == 0 ? 'g' : i == 1 ? 'x' : 'w';
    for (size_t k = 0; k < r->count; k++)
      inner[i] += ((double *)r->data)[k] * noise((uint32_t)k + 1000 * (uint32_t)missing, -1, 1);
  }
  ck_assert_double_eq_tol(inner[0], inner[1], 1e-12);
  ck_assert_double_eq_tol(inner[0], inner[2], 1e-12);
}
END_TEST

/* ---- orders, written out ---- */

static float lanes16(const float *x, int n) {
  float p[16] = {0};
  for (int k = 0; k < n; k++) p[k % 16] += x[k];
  for (int i = 0; i < 8; i++) p[i] += p[i + 8];
  for (int i = 0; i < 4; i++) p[i] += p[i + 4];
  for (int i = 0; i < 2; i++) p[i] += p[i + 2];
  return p[0] + p[1];
}

START_TEST(order_of_sums) {
  begin("graph g\ninput x: f32[3, 150000]\n%0: f32[3, 150000] = leaf x\n%1: f32[3, 1] = sum %0 {axes=[1] "
        "order=0}\noutput r = %1\n");
  fill(false, -1, 3);
  const Tensor *r = run(INTERP_NATIVE);
  for (int i = 0; i < 3; i++) {
    const float *x = f32(0) + i * 150000;
    float want = 0;
    want += lanes16(x, 65536);
    want += lanes16(x + 65536, 65536);
    want += lanes16(x + 131072, 150000 - 131072);
    SAME(((float *)r->data)[i], want);
  }
  begin("graph g\ninput x: f32[9000, 5]\n%0: f32[9000, 5] = leaf x\n%1: f32[1, 5] = mean %0 {axes=[0] "
        "order=0}\noutput r = %1\n");
  fill(false, -1, 3);
  r = run(INTERP_NATIVE);
  for (int i = 0; i < 5; i++) { /* three pieces of 3000 rows */
    float total = 0;
    for (int c = 0; c < 3; c++) {
      float t = 0;
      for (int k = 0; k < 3000; k++) t += f32(0)[(c * 3000 + k) * 5 + i];
      total += t;
    }
    SAME(((float *)r->data)[i], total / 9000.0f);
  }
  begin("graph g\ninput x: f32[7, 19]\n%0: f32[7, 19] = leaf x\n%1: f32[1, 1] = sum %0 {axes=[0, 1] "
        "order=0}\noutput r = %1\n");
  fill(false, -1, 3);
  r = run(INTERP_NATIVE);
  float row[7]; /* the last axis first; then axis 0 is innermost */
  for (int i = 0; i < 7; i++) row[i] = lanes16(f32(0) + i * 19, 19);
  SAME(((float *)r->data)[0], lanes16(row, 7));
}
END_TEST

START_TEST(
    order_of_running_sums) { /* one chain from +0, however long, and also where the axis is innermost */
  begin(
      "graph g\ninput x: f32[2, 70000]\n%0: f32[2, 70000] = leaf x\n%1: f32[2, 70000] = cumsum %0 {axis=1}\n"
      "output r = %1\n");
  fill(false, -1, 3);
  const Tensor *r = run(INTERP_NATIVE);
  for (int i = 0; i < 2; i++) {
    float acc = 0;
    for (int k = 0; k < 70000; k++) {
      acc = acc + f32(0)[i * 70000 + k];
      SAME(((float *)r->data)[i * 70000 + k], acc);
    }
  }
}
END_TEST

START_TEST(order_of_running_products) { /* one chain from 1 */
  begin("graph g\ninput x: f32[2, 900]\n%0: f32[2, 900] = leaf x\n%1: f32[2, 900] = cumprod %0 {axis=1}\n"
        "output r = %1\n");
  fill(false, 0.9, 1.1);
  const Tensor *r = run(INTERP_NATIVE);
  for (int i = 0; i < 2; i++) {
    float acc = 1;
    for (int k = 0; k < 900; k++) {
      acc = acc * f32(0)[i * 900 + k];
      SAME(((float *)r->data)[i * 900 + k], acc);
    }
  }
}
END_TEST

START_TEST(order_of_products) {
  begin(
      "graph g\ninput x: f32[3, 50]\ninput y: f32[50, 4]\n%0: f32[3, 50] = leaf x\n%1: f32[50, 4] = leaf y\n"
      "%2: f32[3, 4] = contract %0 %1 {ta=0 tb=0 order=0}\noutput r = %2\n");
  fill(false, -1, 1);
  const Tensor *r = run(INTERP_NATIVE);
  for (int m = 0; m < 3; m++)
    for (int n = 0; n < 4; n++) {
      float acc = 0;
      for (int k = 0; k < 50; k++) acc = fmaf(f32(0)[m * 50 + k], f32(1)[k * 4 + n], acc);
      SAME(((float *)r->data)[m * 4 + n], acc);
    }
  begin("graph g\ninput x: f32[5000, 3]\ninput y: f32[4, 5000]\n%0: f32[5000, 3] = leaf x\n%1: f32[4, 5000] "
        "= leaf y\n"
        "%2: f32[3, 4] = contract %0 %1 {ta=1 tb=1 order=0}\noutput r = %2\n");
  fill(false, -1, 1);
  r = run(INTERP_NATIVE);
  for (int m = 0; m < 3; m++)
    for (int n = 0; n < 4; n++) { /* three pieces of 1667 */
      float total = 0;
      for (int c = 0; c < 3; c++) {
        float t = 0;
        for (int k = c * 1667; k < (c + 1) * 1667 && k < 5000; k++)
          t = fmaf(f32(0)[k * 3 + m], f32(1)[n * 5000 + k], t);
        total += t;
      }
      SAME(((float *)r->data)[m * 4 + n], total);
    }
  begin("graph g\ninput x: f32[3, 100]\ninput y: f32[100, 1]\n%0: f32[3, 100] = leaf x\n%1: f32[100, 1] = "
        "leaf y\n"
        "%2: f32[3, 1] = contract %0 %1 {ta=0 tb=0 order=0}\noutput r = %2\n");
  fill(false, -1, 1);
  r = run(INTERP_NATIVE);
  for (int m = 0; m < 3; m++) {
    float p[16] = {0};
    for (int k = 0; k < 100; k++) p[k % 16] = fmaf(f32(0)[m * 100 + k], f32(1)[k], p[k % 16]);
    SAME(((float *)r->data)[m], lanes16(p, 16));
  }
}
END_TEST

START_TEST(orders_by_shape) {
  ck_assert_int_eq(order_contract(64, 64, 100000, false, false).chunks, 1); /* M*N is 4096 */
  ck_assert_int_eq(order_contract(64, 63, 4095, false, false).chunks, 1);
  ck_assert_int_eq(order_contract(64, 63, 4096, false, false).chunks, 2);
  ck_assert_int_eq(order_contract(64, 63, 1 << 20, false, false).chunks, 16);
  ck_assert_int_eq(order_contract(1, 5, 8, false, false).kind, ORDER_CHAIN);
  ck_assert_int_eq(order_contract(1, 5, 8, false, true).kind, ORDER_LANES16);
  ck_assert_int_eq(order_contract(5, 1, 8, true, false).kind, ORDER_CHAIN);
  ck_assert_int_eq(order_contract(5, 1, 8, false, false).kind, ORDER_LANES16);
  ck_assert_int_eq(order_contract(1, 1, 8, true, false).kind, ORDER_LANES16);
  ck_assert_int_eq(order_sum(4096, false).chunks, 1);
  ck_assert_int_eq(order_sum(4097, false).chunks, 2);
  ck_assert_int_eq(order_sum(4097, false).chunk, 2049);
  ck_assert_int_eq(order_sum(65536, true).chunks, 1);
  ck_assert_int_eq(order_sum(65537, true).chunks, 2);
  ck_assert_int_eq(order_conv_dw(128, 28, 28).chunks, 16);
  ck_assert_int_eq(order_conv_dw(2, 4, 4).chunks, 1);
  for (int64_t n = 1; n < 300000; n += 977) { /* pieces cover and none is empty */
    Order o[] = {order_sum(n, false), order_sum(n, true), order_contract(3, 3, n, false, false),
                 order_conv_dw(n, 9, 9)};
    for (int i = 0; i < 4; i++)
      ck_assert(o[i].chunks <= (i == 1 ? 100 : 16) && o[i].chunks * o[i].chunk >= n &&
                (o[i].chunks - 1) * o[i].chunk < n);
  }
}
END_TEST

START_TEST(order_of_convolution) {
  begin("graph g\ninput x: f32[3, 2, 5, 5]\ninput w: f32[2, 2, 3, 3]\n%0: f32[3, 2, 5, 5] = leaf x\n%1: "
        "f32[2, 2, 3, 3] = leaf w\n"
        "%2: f32[3, 2, 3, 3] = conv2d %0 %1 {sh=2 sw=2 ph=1 pw=1 dh=1 dw=1 groups=1 order=0}\n"
        "%3: f32[3, 2, 5, 5] = conv2d_dx %2 %1 {sh=2 sw=2 ph=1 pw=1 dh=1 dw=1 groups=1 order=0}\n"
        "%4: f32[2, 2, 3, 3] = conv2d_dw %0 %2 {sh=2 sw=2 ph=1 pw=1 dh=1 dw=1 groups=1 order=0}\noutput r = "
        "%4\n");
  fill(false, -1, 1);
  (void)run(INTERP_NATIVE);
  const float *x = f32(0), *w = f32(1), *y = it.value[2].data, *dx = it.value[3].data, *dw = it.value[4].data;
#define X(n, c, h, v)                                                                                        \
  ((h) < 0 || (v) < 0 || (h) > 4 || (v) > 4 ? 0.0f : x[(((n) * 2 + (c)) * 5 + (h)) * 5 + (v)])
#define W(o, c, i, j) w[(((o) * 2 + (c)) * 3 + (i)) * 3 + (j)]
#define Y(n, o, i, j)                                                                                        \
  ((i) < 0 || (j) < 0 || (i) > 2 || (j) > 2 ? 0.0f : y[(((n) * 2 + (o)) * 3 + (i)) * 3 + (j)])
  for (int n = 0; n < 3; n++)
    for (int o = 0; o < 2; o++)
      for (int at = 0; at < 9; at++) {
        float acc = 0;
        for (int k = 0; k < 9; k++)
          for (int c = 0; c < 2; c++)
            acc = fmaf(X(n, c, at / 3 * 2 + k / 3 - 1, at % 3 * 2 + k % 3 - 1), W(o, c, k / 3, k % 3), acc);
        SAME(Y(n, o, at / 3, at % 3), acc);
      }
  for (int n = 0; n < 3; n++)
    for (int c = 0; c < 2; c++)
      for (int at = 0; at < 25; at++) {
        float acc = 0;
        for (int k = 0; k < 9; k++) {
          int a = at / 5 + 1 - k / 3, b = at % 5 + 1 - k % 3;
          if (a % 2 || b % 2) continue;
          for (int o = 0; o < 2; o++) acc = fmaf(Y(n, o, a / 2, b / 2), W(o, c, k / 3, k % 3), acc);
        }
        SAME(dx[(n * 2 + c) * 25 + at], acc);
      }
  for (int o = 0; o < 2; o++)
    for (int c = 0; c < 2; c++)
      for (int k = 0; k < 9; k++) {
        float acc = 0; /* 27 positions: one piece */
        for (int n = 0; n < 3; n++)
          for (int at = 0; at < 9; at++)
            acc = fmaf(X(n, c, at / 3 * 2 + k / 3 - 1, at % 3 * 2 + k % 3 - 1), Y(n, o, at / 3, at % 3), acc);
        SAME(dw[(o * 2 + c) * 9 + k], acc);
      }
}
END_TEST

/* Stride 1, wide padding and dilation: rows whose window lies partly or wholly outside; an infinite weight
 * meets the padding. */
START_TEST(order_of_conv_dx_with_stride_one) {
  begin("graph g\ninput g: f32[1, 2, 3, 7]\ninput w: f32[2, 1, 2, 3]\n%0: f32[1, 2, 3, 7] = leaf g\n%1: "
        "f32[2, 1, 2, 3] = leaf w\n"
        "%2: f32[1, 1, 2, 3] = conv2d_dx %0 %1 {sh=1 sw=1 ph=1 pw=4 dh=1 dw=2 groups=1 order=0}\noutput r = "
        "%2\n");
  fill(false, -1, 1);
  for (int round = 0; round < 2; round++) {
    const float *dx = run(INTERP_NATIVE)->data;
    for (int at = 0; at < 6; at++) {
      float acc = 0;
      for (int k = 0; k < 6; k++)
        for (int o = 0; o < 2; o++) {
          int i = at / 3 + 1 - k / 3, j = at % 3 + 4 - k % 3 * 2;
          float v = i < 0 || i > 2 || j < 0 || j > 6 ? 0.0f : f32(0)[(o * 3 + i) * 7 + j];
          acc = fmaf(v, f32(1)[o * 6 + k], acc);
        }
      SAME(dx[at], acc);
    }
    f32(1)[2] = INFINITY;
  }
}
END_TEST

static float exp_of(float x) {
  ScalarValue in = {.s = x}, out;
  scalar_eval(scalar_lib(&arena, STR("exp"), DT_F32), &in, &out);
  return out.s;
}
static float log_of(float x) {
  ScalarValue in = {.s = x}, out;
  scalar_eval(scalar_lib(&arena, STR("log"), DT_F32), &in, &out);
  return out.s;
}

START_TEST(order_of_rows) {
  begin("graph g\ninput x: f32[2, 21]\ninput l: i32[2]\n%0: f32[2, 21] = leaf x\n%1: i32[2] = leaf l\n%2: "
        "f32[2, 21] = softmax %0 {axis=1}\n"
        "%3: f32[2, 21] = log_softmax %0 {axis=1}\n%4: f32[2, 1] = logsumexp %0 {axis=1}\n%5: f32[2] = "
        "cross_entropy %0 %1\n"
        "%6: f32[2, 21] = softmax %0 {axis=0}\noutput r = %6\n");
  fill(false, -3, 3);
  ((int32_t *)leaf[1].data)[0] = 4;
  ((int32_t *)leaf[1].data)[1] = 21; /* outside */
  (void)run(INTERP_NATIVE);
  uint32_t env = fp_enter();
  for (int r = 0; r < 2; r++) {
    const float *x = f32(0) + 21 * r;
    float m = x[0], e[21], s;
    for (int k = 1; k < 21; k++) m = fmaxf(m, x[k]);
    for (int k = 0; k < 21; k++) e[k] = exp_of(x[k] - m);
    s = lanes16(e, 21);
    for (int k = 0; k < 21; k++) {
      SAME(((float *)it.value[2].data)[r * 21 + k], e[k] / s);
      SAME(((float *)it.value[3].data)[r * 21 + k], (x[k] - m) - log_of(s));
    }
    SAME(((float *)it.value[4].data)[r], m + log_of(s));
    SAME(((float *)it.value[5].data)[r], (m + log_of(s)) - (r ? 0.0f : x[4]));
  }
  float a = f32(0)[0], b = f32(0)[21], m = fmaxf(a, b), s = 0;
  s += exp_of(a - m);
  s += exp_of(b - m);
  SAME(((float *)it.value[6].data)[0], exp_of(a - m) / s);
  fp_leave(env);
}
END_TEST

START_TEST(pools) {
  begin("graph g\ninput x: f32[1, 1, 3, 3]\ninput g: f32[1, 1, 2, 2]\n%0: f32[1, 1, 3, 3] = leaf x\n%1: "
        "f32[1, 1, 2, 2] = leaf g\n"
        "%2: f32[1, 1, 2, 2] = max_pool2d %0 {kh=2 kw=2 sh=2 sw=2 ph=1 pw=1}\n%3: f32[1, 1, 2, 2] = "
        "avg_pool2d %0 {kh=2 kw=2 sh=2 sw=2 ph=1 pw=1}\n"
        "%4: f32[1, 1, 3, 3] = max_pool2d_dx %0 %2 %1 {kh=2 kw=2 sh=2 sw=2 ph=1 pw=1}\n"
        "%5: f32[1, 1, 3, 3] = avg_pool2d_dx %1 {kh=2 kw=2 sh=2 sw=2 ph=1 pw=1}\noutput r = %5\n");
  fill(false, -1, 1);
  const float x[9] = {-5, 1, 1, 2, 3, NAN, 2, 3, 4}, g[4] = {10, 20, 30, 40};
  memcpy(leaf[0].data, x, sizeof x);
  memcpy(leaf[1].data, g, sizeof g);
  (void)run(INTERP_NATIVE);
  const float max[4] = {-5, 1, 2, NAN}, dmax[9] = {10, 20, 0, 30, 0, 40, 0, 0, 0};
  for (int i = 0; i < 4; i++) SAME(((float *)it.value[2].data)[i], max[i]);
  SAME(((float *)it.value[3].data)[1], 0.5f);
  SAME(((float *)it.value[3].data)[0], -1.25f);
  for (int i = 0; i < 9; i++) SAME(((float *)it.value[4].data)[i], dmax[i]);
  for (int i = 0; i < 9; i++)
    SAME(((float *)it.value[5].data)[i], g[(i / 3 + 1) / 2 * 2 + (i % 3 + 1) / 2] / 4);
}
END_TEST

/* ---- special values ---- */

static float one_row(const char *op, float x, float y) {
  char text[512];
  bool two = strcmp(op, "relu") && strcmp(op, "exp") && strcmp(op, "neg") && strcmp(op, "sign");
  snprintf(text, sizeof text,
           "graph g\ninput x: f32\ninput y: f32\n%%0: f32 = leaf x\n%%1: f32 = leaf y\n%%2: f32 = %s "
           "%%0%s\noutput r = %%2\n",
           op, two ? " %1" : "");
  begin(text);
  fill(false, 0, 1);
  *f32(0) = x;
  *f32(1) = y;
  return *(float *)run(INTERP_NATIVE)->data;
}

START_TEST(special_values) {
  SAME(one_row("relu", -0.0f, 0), -0.0f);
  SAME(one_row("relu", NAN, 0), NAN);
  SAME(one_row("relu", -1, 0), 0.0f);
  SAME(one_row("maximum", -0.0f, 0.0f), 0.0f);
  SAME(one_row("minimum", 0.0f, -0.0f), -0.0f);
  SAME(one_row("maximum", NAN, 1), NAN);
  SAME(one_row("sign", -0.0f, 0), -0.0f);
  SAME(one_row("mul", 1e-30f, 1e-30f), 0.0f);
  SAME(one_row("mul", -1e-30f, 1e-10f), -0.0f); /* subnormal: flushed to a zero of its sign */
  SAME(one_row("add", 1.5e-38f, -1.4e-38f), 0.0f);
  begin("graph g\ninput x: f32[1, 5]\n%0: f32[1, 5] = leaf x\n%1: f32[1, 1] = max %0 {axes=[1] order=0}\n%2: "
        "i32[1, 1] = argmax %0 {axis=1}\n"
        "%3: f32[1, 5] = sum %0 {axes=[0] order=0}\n%4: i32[1, 1] = argmin %0 {axis=1}\noutput r = %4\n");
  fill(false, 0, 1);
  const float x[5] = {-0.0f, 3, NAN, 3, -7};
  memcpy(leaf[0].data, x, sizeof x);
  (void)run(INTERP_NATIVE);
  SAME(*(float *)it.value[1].data, NAN);
  ck_assert_int_eq(*(int32_t *)it.value[2].data, 2);
  ck_assert_int_eq(*(int32_t *)it.value[4].data, 2);
  SAME(*(float *)it.value[3].data, 0.0f); /* +0 + -0 */
  f32(0)[2] = 3;
  (void)run(INTERP_NATIVE);
  ck_assert_int_eq(*(int32_t *)it.value[2].data, 1); /* the lowest index of a tie */
  ck_assert_int_eq(*(int32_t *)it.value[4].data, 4);
}
END_TEST

START_TEST(integers) {
  begin("graph g\ninput x: i32[3]\n%0: i32[3] = leaf x\n%1: i32[1] = sum %0 {axes=[0] order=0}\n%2: i32[1] = "
        "prod %0 {axes=[0] order=0}\n"
        "%3: i32[1] = max %0 {axes=[0] order=0}\n%4: i32[1] = argmin %0 {axis=0}\n%5: i64[2, 3] = iota "
        "{axis=1}\n%6: i32[2, 3] = iota {axis=-1}\n"
        "%7: f32[3] = cast %0\n%8: f32[2] = table [0.5, 1e-45]\n%9: bool[2] = const 1\noutput r = %9\n");
  fill(false, 0, 1);
  const int32_t x[3] = {INT32_MAX, 1, -5};
  memcpy(leaf[0].data, x, sizeof x);
  (void)run(INTERP_NATIVE);
  ck_assert_int_eq(*(int32_t *)it.value[1].data, INT32_MAX - 4);
  ck_assert_int_eq(*(int32_t *)it.value[2].data, (int32_t)(0u - 5u * (uint32_t)INT32_MAX));
  ck_assert_int_eq(*(int32_t *)it.value[3].data, INT32_MAX);
  ck_assert_int_eq(*(int32_t *)it.value[4].data, 2);
  ck_assert_int_eq(((int64_t *)it.value[5].data)[5], 2);
  ck_assert_int_eq(((int32_t *)it.value[6].data)[5], 5);
  SAME(((float *)it.value[7].data)[2], -5.0f);
  SAME(((float *)it.value[8].data)[1], 0.0f); /* literals are flushed */
  ck_assert_int_eq(((int32_t *)it.value[9].data)[1], 1);
}
END_TEST

/* ---- cuts, host functions, refusals ---- */

static bool doubles(void *user, const Tensor *in, uint32_t nin, Tensor *out) {
  ck_assert_uint_eq(nin, 1);
  ck_assert(in[0].dtype == DT_F32 && out->dtype == DT_F32); /* the declared types in every mode */
  for (size_t i = 0; i < out->count; i++) ((float *)out->data)[i] = 2 * ((const float *)in[0].data)[i];
  return user == NULL;
}
static const char with_host[] = "graph g\ninput x: f32[2]\nextern 1 f(f32[2]) -> f32[2]\n%0: f32[2] = leaf "
                                "x\n%1: f32[2] = extern %0 {fn=1}\n"
                                "%2: f32[2] = stop_gradient %0\n%3: f32[2] = add %1 %2\n%4: f32[2] = custom "
                                "%0 %0 %3 {id=1 n=1}\noutput r = %4\n";

START_TEST(host_functions_and_cuts) {
  begin(with_host);
  host[1].fn = doubles;
  fill(false, 1, 2);
  (void)run(INTERP_NATIVE);
  SAME(((float *)it.value[3].data)[1], 3 * f32(0)[1]);
  fill(true, 1, 2);
  tangent[0] = leaf[0];
  (void)run(INTERP_DUAL);
  ck_assert_double_eq_tol(((double *)it.value[3].data)[1], 3 * ((double *)leaf[0].data)[1], 1e-6);
  ck_assert(!it.tangent[1].data && !it.tangent[2].data && !it.tangent[3].data);
  ck_assert(it.tangent[4].data); /* of the value it passes on */
}
END_TEST

/* In time that grows with the factors: by pairs of them this would take minutes. */
START_TEST(tangent_of_a_long_product) {
  begin("graph g\ninput x: f32[200000]\n%0: f32[200000] = leaf x\n"
        "%1: f32[1] = prod %0 {axes=[0] order=0}\noutput r = %1\n");
  check_tangents("a long product", 0.9999, 1.0001);
}
END_TEST

static void fails(Status want, const char *part) {
  it = (Interp){.graph = graph, .arena = &arena, .leaf = leaf, .host = host};
  ck_assert_int_eq(interp_run(&it), want);
  ck_assert_msg(strstr(it.what, part) != NULL, "%s", it.what);
}

START_TEST(refusals) {
  begin(with_host);
  fill(false, 0, 1);
  fails(ST_REJECTED, "f is not registered");
  host[1] = (HostEntry){doubles, &it};
  fails(ST_REJECTED, "f failed");
  leaf[0].data = NULL;
  fails(ST_REJECTED, "no value for x");
  begin(with_host);
  fill(true, 0, 1);
  fails(ST_REJECTED, "another type");
  begin("graph g\ninput x: f32[N]\n%0: f32[N] = leaf x\noutput r = %0\n");
  fails(ST_REJECTED, "dims without a value");
  begin("graph g\n%0: f32[3] = const 1\noutput r = %0\n");
  graph->node.at[0].type.dim[0] = dim_const(program.dims, 0);
  fails(ST_REJECTED, "empty axis");
  begin("graph g\n%0: f32 = const 1\n%1: f32 = const 2\n%2: f32 = grad %0 %1\noutput r = %2\n");
  fails(ST_REJECTED, "grad");
}
END_TEST

START_TEST(environment_is_restored) {
  unsigned old = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x6000); /* towards zero, no flushing */
  begin("graph g\n%0: f32 = const 1\n%1: f32 = exp %0\noutput r = %1\n");
  float x = *(float *)run(INTERP_NATIVE)->data;
  ck_assert_uint_eq(_mm_getcsr() & ~0x3fu, 0x1f80 | 0x6000);
  _mm_setcsr(old);
  SAME(x, exp_of(1)); /* computed to nearest all the same */
  begin("graph g\n%0: f32[1073741824, 1073741824, 1073741824, 64] = const 1\noutput r = %0\n");
  Rescue r;
  if (RESCUE(&mem, &r)) {
    (void)run(INTERP_NATIVE);
    ck_abort_msg("no limit");
  } else {
    ck_assert_int_eq(r.status, ST_LIMIT);
    ck_assert_uint_eq(_mm_getcsr() & ~0x3fu, old & ~0x3fu);
  }
}
END_TEST

START_TEST(memory_used_again) {
  char text[4096];
  int at =
      snprintf(text, sizeof text,
               "graph g\ninput x: f32[50, 50]\n%%0: f32[50, 50] = leaf x\n%%1: f32[2500] = reshape %%0\n");
  int i = 2;
  for (; i < 60; i++) /* aliases, dead values, values read late */
    at +=
        snprintf(text + at, sizeof text - (size_t)at,
                 i % 7 == 0 ? "%%%d: f32[2500] = stop_gradient %%%d\n" : "%%%d: f32[2500] = add %%%d %%%d\n",
                 i, i - 1, i % 5 ? 1 : i / 2);
  snprintf(text + at, sizeof text - (size_t)at, "output a = %%%d\noutput b = %%%d\noutput c = %%0\n", i - 1,
           i / 2);
  begin(text);
  fill(false, -1e-3, 1e-3);
  (void)run(INTERP_NATIVE);
  const float *a = it.value[i - 1].data, *b = it.value[i / 2].data;
  size_t used = mem.used;
  it = (Interp){.graph = graph, .arena = &arena, .leaf = leaf, .only_roots = true};
  ck_assert_int_eq(interp_run(&it), ST_OK);
  ck_assert_msg(mem.used - used < 200000, "%zu bytes more", mem.used - used); /* a value is 10,000 */
  for (int k = 0; k < 2500; k++) {
    SAME(((float *)it.value[i - 1].data)[k], a[k]);
    SAME(((float *)it.value[i / 2].data)[k], b[k]);
  }
  ck_assert_ptr_eq(it.value[0].data, leaf[0].data);
}
END_TEST

int main(void) {
  SRunner *r = srunner_create(NULL);
  Suite *s = suite_create("interp");
  TCase *c = tcase_create("interp");
  tcase_set_timeout(c, 60);
  tcase_add_loop_test(c, rows_against_c, 0, OP_LEAF);
  tcase_add_loop_test(c, row_tangents, 0, OP_LEAF);
  tcase_add_loop_test(c, tangents_of_structural_ops, 0, OP_CASES);
  const TTest *const single[] = {every_differentiable_op_has_a_case,
                                 conv_gradients_are_adjoint,
                                 order_of_sums,
                                 order_of_products,
                                 order_of_running_sums,
                                 order_of_running_products,
                                 orders_by_shape,
                                 order_of_convolution,
                                 order_of_conv_dx_with_stride_one,
                                 order_of_rows,
                                 pools,
                                 special_values,
                                 integers,
                                 host_functions_and_cuts,
                                 tangent_of_a_long_product,
                                 refusals,
                                 memory_used_again,
                                 environment_is_restored};
  for (size_t i = 0; i < sizeof single / sizeof *single; i++) tcase_add_test(c, single[i]);
  suite_add_tcase(s, c);
  srunner_add_suite(r, s);
  srunner_set_tap(r, "-");
  srunner_run_all(r, CK_SILENT);
  int failed = srunner_ntests_failed(r);
  srunner_free(r);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
