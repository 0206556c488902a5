/* Ranges of scalar rows and of values: sound for every row, type and interval that is drawn, and as narrow as
 * the diagnosis needs them. */
#include "base/mem.h"
#include "ir/graph/build.h"
#include "ir/interpret/interp.h"
#include "ir/scalar/literal.h"
#include "ir/scalar/op_program.h"
#include "ir/scalar/range.h"
#include "op_cases.h"
#include "passes/diagnose/value.h"
#include "unit.h"

#include <math.h>

static Mem mem;
static Arena arena;
static ScalarRanges ranges;
static OpPrograms programs;
static uint64_t state;

static uint32_t dice(uint32_t n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % n;
}
static void begin(void) {
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  scalar_ranges_init(&ranges, &arena);
  op_programs_init(&programs, &arena);
}

/* The types a row's letters may have, by turn. */
static DType type_of(char letter, int turn) {
  static const DType any[] = {DT_F32, DT_F64, DT_I32, DT_I64, DT_BOOL};
  switch (letter) {
  case 'T': return any[turn % 4];
  case 'F': return any[turn % 2];
  case 'I': return any[2 + turn % 2];
  case 'b': return DT_BOOL;
  case 'i': return DT_I32;
  case 'B': return any[turn / 5 % 5];
  }
  return any[turn % 5];
}

static double draw(DType t) {
  static const double some[] = {0,  1,   -1,  0.5, -2,   3,    1e-3,
                                90, -90, 1e4, 2e5, -3e6, 1e30, 0.7310585786300049};
  if (t == DT_BOOL) return dice(2);
  double x = dice(2) ? some[dice(sizeof some / sizeof *some)]
                     : ((double)dice(1 << 20) / (1 << 17) - 4) * pow(10, (double)dice(6) - 3);
  if (!dtype_is_float(t)) return trunc(fmod(x, t == DT_I32 ? 2e9 : 1e15));
  return t == DT_F32 ? (double)(float)x : x;
}
/* A point of the range, of its type; ends are drawn often. */
static double inside(ScalarRange r, DType t) {
  switch (dice(4)) {
  case 0: return r.lo;
  case 1: return r.hi;
  }
  double x = r.lo + (r.hi - r.lo) * ((double)dice(1001) / 1000);
  if (!dtype_is_float(t)) x = floor(x);
  if (t == DT_F32) x = (double)(float)x;
  return fmin(fmax(x, r.lo), r.hi);
}

START_TEST(every_row_is_sound) {
  const OpInfo *o = &op_info[_i];
  if (!o->scalar) return;
  begin();
  uint32_t env = fp_enter();
  state = (uint64_t)_i * 77 + 5;
  uint32_t known = 0;
  for (int turn = 0; turn < 400; turn++) {
    uint32_t nin = (uint32_t)o->arity;
    DType in[3], out = type_of(o->sig[nin], turn);
    ScalarRange r[3];
    for (uint32_t i = 0; i < nin; i++) {
      in[i] = type_of(o->sig[i], turn);
      if (o->sig[i] == o->sig[nin]) out = in[i];
      double a = draw(in[i]), b = dice(4) ? draw(in[i]) : a;
      r[i] = (ScalarRange){fmin(a, b), fmax(a, b)};
    }
    ScalarRange got = op_range(&ranges, (Op)_i, r, in, nin, out);
    known += isfinite(got.lo) || isfinite(got.hi);
    const Scalar *p = op_program(&programs, (Op)_i, in, nin, out);
    for (int k = 0; k < 40; k++) {
      ScalarValue v[3] = {{.w = 0}}, w = {.w = 0};
      double x[3] = {0};
      for (uint32_t i = 0; i < nin; i++) v[i] = literal_from(in[i], x[i] = inside(r[i], in[i]));
      scalar_eval(p, v, &w);
      double y = literal_double(out, w);
      ck_assert_msg(isnan(y) || (got.lo <= y && y <= got.hi), "%s %s: %a %a %a gives %a, not in %a..%a",
                    o->name, dtype_name(out), x[0], x[1], x[2], y, got.lo, got.hi);
    }
  }
  ck_assert_msg(known > 100 || strncmp(o->name, "rng", 3) == 0 || strcmp(o->name, "mod") == 0, "%s: %u known",
                o->name, known);
  fp_leave(env);
  arena_release(&arena);
}
END_TEST

static ScalarRange of(Op op, DType t, double a, double b, double c, double d) {
  ScalarRange r[3] = {{a, b}, {c, d}, {c, d}};
  DType in[3] = {op == OP_WHERE ? DT_BOOL : t, t, t};
  return op_range(&ranges, op, r, in, (uint32_t)op_info[op].arity,
                  op_info[op].sig[op_info[op].arity] == 'b' ? DT_BOOL
                  : op == OP_UNIT                           ? DT_F32
                                                            : t);
}
static void is(ScalarRange r, double lo, double hi) {
  ck_assert_msg(r.lo == lo && r.hi == hi, "%a..%a, not %a..%a", r.lo, r.hi, lo, hi);
}

/* A condition narrows what it guards; a square is no product of two values; far out a sine is none. */
START_TEST(narrow_enough) {
  begin();
  is(of(OP_RELU, DT_F32, -5, 3, 0, 0), 0, 3);
  is(of(OP_RELU, DT_F32, -5, -3, 0, 0), 0, 0);
  is(of(OP_SIGN, DT_F32, 0, 3, 0, 0), 0, 1);
  is(of(OP_SIGN, DT_I32, -3, -1, 0, 0), -1, -1);
  is(of(OP_SQUARE, DT_F32, -2, 1, 0, 0), 0, 4);
  is(of(OP_MUL, DT_F32, -2, 1, -2, 1), -2, 4);
  is(of(OP_SUB, DT_F32, 1, 2, 3, 5), -4, -1);
  is(of(OP_NEG, DT_F32, 1, 2, 0, 0), -2, -1);
  is(of(OP_ABS, DT_F32, -5, 3, 0, 0), 0, 5);
  is(of(OP_SIGMOID, DT_F32, -INFINITY, INFINITY, 0, 0), 0, 1);
  is(of(OP_TANH, DT_F64, -INFINITY, INFINITY, 0, 0), -1, 1);
  is(of(OP_UNIT, DT_I32, INT32_MIN, INT32_MAX, 0, 0), 0, 1 - 0x1p-24);
  is(of(OP_WHERE, DT_F32, 0, 1, -1, 2), -1, 2);
  is(of(OP_LT, DT_F32, 1, 2, 2, 3), 0, 1);
  is(of(OP_LE, DT_F32, 1, 2, 2, 3), 1, 1);
  is(of(OP_LT, DT_F32, 2, 3, 1, 2), 0, 0);
  is(of(OP_LE, DT_F32, 2, 3, 1, 2), 0, 1);
  is(of(OP_DIV, DT_F32, 1, 2, 0, 4), -INFINITY, INFINITY);
  is(of(OP_ADD, DT_I32, 1, INT32_MAX, 1, 1), -INFINITY, INFINITY); /* may wrap */
  is(of(OP_SQRT, DT_F32, -1, 4, 0, 0), -INFINITY, INFINITY);
  is(of(OP_SIN, DT_F32, -1e6, 1e6, 0, 0), -INFINITY, INFINITY);
  ScalarRange r = of(OP_SOFTPLUS, DT_F32, -INFINITY, 1, 0, 0);
  ck_assert(r.lo == 0 && r.hi < 2);
  r = of(OP_EXP, DT_F32, -INFINITY, 0, 0, 0);
  ck_assert(r.lo == 0 && r.hi > 1 && r.hi < 1.001);
  arena_release(&arena);
}
END_TEST

/* ---- structural rows: every value of the graph that holds them all lies within its range */

static Graph *every_op(Program *p) {
  static char text[1 << 16];
  Sb why;
  Graph *g;
  FILE *f = fopen("tests/unit/data/every_op.graph", "rb");
  ck_assert(f != NULL);
  size_t n = fread(text, 1, sizeof text - 1, f);
  fclose(f);
  sb_init(&why, &arena);
  ck_assert_msg(graph_parse(p, (Str){text, n}, &g, &why), "%.*s", (int)why.n, why.p);
  for (uint32_t i = 0; i < g->node.n; i++) { /* what runs: all before the first grad */
    if (node_op(g, (NodeId){i}) != OP_GRAD)
      graph_root(g, ROOT_OUTPUT, names_add(p->names, str_fmt(&arena, "n%u", i)), (LeafId){0}, (NodeId){i},
                 (Span){0});
    else
      break;
  }
  return graph_copy(&arena, g, &(DimBinding){names_add(p->names, STR("N")), 3}, 1);
}
static Graph *one_op(Program *p, int i) {
  char text[2048];
  Sb why;
  Graph *g;
  sb_init(&why, &arena);
  ck_assert_msg(graph_parse(p, str_z(op_case_graph(i, text, sizeof text)), &g, &why), "%.*s", (int)why.n,
                why.p);
  return g;
}
static bool blur(void *user, const Tensor *in, uint32_t nin, Tensor *out) {
  (void)user, (void)nin;
  memcpy(out->data, in[0].data, out->count * sizeof(float));
  return true;
}
static double element(const Tensor *t, size_t i) {
  return literal_double(t->dtype, literal_get(t->dtype, t->data, i));
}

static ScalarRange of_leaf(ScalarRange r,
                           DType t) { /* integers: wide enough to leave an axis on both sides */
  return t == DT_BOOL        ? (ScalarRange){0, 1}
         : dtype_is_float(t) ? r
                             : (ScalarRange){floor(r.lo) - 1, ceil(r.hi) + 6};
}

START_TEST(every_op_keeps_its_facts) {
  static const ScalarRange drawn[] = {{0.5, 2}, {-1, 1}, {-3, -0.5}, {0, 0},
                                      {1, 1},   {0, 1},  {-2, 3},    {-0.75, -0.75}};
  begin();
  Names names;
  Sources sources;
  Limits limits;
  Program p;
  names_init(&names, &arena);
  sources_init(&sources, &arena);
  limits_init(&limits);
  program_init(&p, &arena, &names, &sources, &limits);
  Graph *g = _i < 8 ? every_op(&p) : one_op(&p, _i / 8 - 1);
  ScalarRange range = drawn[_i % 8];
  state = (uint64_t)_i + 9;
  Tensor *leaf = ARENA_ARRAY(&arena, Tensor, p.leaf.n);
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (node_op(g, (NodeId){i}) != OP_LEAF) continue;
    Tensor *t = &leaf[graph_attr(g, (NodeId){i})[0]];
    ck_assert(tensor_of_type(&arena, p.dims, &g->node.at[i].type, t));
    for (size_t k = 0; k < t->count; k++) {
      double x = inside(of_leaf(range, t->dtype), t->dtype);
      literal_put(t->dtype, t->data, k, literal_from(t->dtype, x));
    }
  }
  HostEntry host[4] = {{blur, NULL}, {blur, NULL}, {blur, NULL}, {blur, NULL}};
  Interp it = {.graph = g, .arena = &arena, .leaf = leaf, .host = host};
  ck_assert_msg(interp_run(&it) == ST_OK, "%s", it.what);
  Values v;
  values_init(&v, &p, &arena);
  ValueId *is = ARENA_ARRAY(&arena, ValueId, p.leaf.n);
  for (uint32_t i = 0; i < p.leaf.n; i++) {
    Type t = p.leaf.at[i].type;
    ScalarRange r = of_leaf(range, (DType)t.dtype);
    is[i] = value_op(&v, OP_LEAF, (DType)t.dtype, NULL, 0, &(int64_t){i}, 1, shape_of(&v, &t),
                     interval_of(r.lo, r.hi));
  }
  const ValueId *of = values_graph(&v, g, NULL, &(LeafFacts){.is = is});
  bool *none = ARENA_ARRAY(&arena, bool, g->node.n);
  uint32_t known = 0;
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId n = {i};
    const Node *d = graph_node(g, n);
    for (uint32_t k = 0; k < d->nin; k++) none[i] |= none[graph_in(g, n)[k].i];
    Interval r = value_at(&v, of[i])->range;
    known += isfinite(r.lo) || isfinite(r.hi);
    const Tensor *t = &it.value[i];
    for (size_t k = 0; k < t->count; k++) none[i] |= !isfinite(element(t, k));
    for (size_t k = 0; !none[i] && k < t->count; k++) {
      double x = element(t, k);
      ck_assert_msg(r.lo <= x && x <= r.hi, "%%%u %s, leaves in %g..%g: %a is not in %a..%a", i,
                    op_info[d->op].name, range.lo, range.hi, x, r.lo, r.hi);
    }
  }
  ck_assert_msg(known >= g->node.n * 3 / 4 || _i >= 8, "%u of %u known", known, g->node.n);
  arena_release(&arena);
}
END_TEST

UNIT_MAIN(UNIT_TURNS("every row", OP_LEAF, every_row_is_sound), UNIT("narrow", narrow_enough),
          UNIT_TURNS("facts", 8 + 8 * OP_CASES, every_op_keeps_its_facts))
