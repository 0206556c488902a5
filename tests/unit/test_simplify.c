/* Every rule of simplify.def: it fires, and pattern and result have the same value: bit for bit (NaN is one
 * value) for BITS rules on special values and random ones, within a bound for REAL rules where everything is
 * a number. Then the whole pipeline of the optimiser: same bits before and after. */
#include "ir/scalar/scalar.h"
#include "passes/diagnose/value.h"
#include "passes/graph/rewrite.h"
#include "passes/pass.h"
#include "passes_fixture.h"

#include <float.h>
#include <math.h>

static Fix f;
static uint64_t seed = 1;
static double uniform(double lo, double hi) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return lo + (hi - lo) * ((double)(seed >> 11) * 0x1p-53);
}

static const float special[] = {0.0f,  -0.0f,   1.0f,     -1.0f,   INFINITY, -INFINITY,
                                NAN,   FLT_MIN, -FLT_MIN, FLT_MAX, -FLT_MAX, 0.5f,
                                -2.0f, 3.0f,    1e-30f,   -1e30f,  0.1f,     1.17549449e-38f};
enum {
  SPECIALS = sizeof special / sizeof special[0],
  TRIPLES = SPECIALS * SPECIALS * SPECIALS,
  RANDOMS = 2000,
  N = TRIPLES + RANDOMS
};

/* Letters c are truth values, others floats. #letters are literals. */
static bool in_pattern(const char *pattern, char letter, bool *literal) {
  for (const char *c = pattern; *c; c++) {
    bool word = c > pattern && ((c[-1] >= 'a' && c[-1] <= 'z') || (c[1] >= 'a' && c[1] <= 'z') ||
                                c[-1] == '(' || c[1] == '_' || c[-1] == '_');
    if (*c != letter || word) continue;
    *literal = c > pattern && c[-1] == '#';
    return true;
  }
  return false;
}

static Type result_type(const char *pattern, Type t) {
  const char *end = pattern + 1;
  while (*end && *end != ' ') end++;
  Op op;
  ck_assert(op_find((Str){pattern + 1, (size_t)(end - pattern - 1)}, &op));
  const char *sig = op_info[op].sig;
  if (sig[strlen(sig) - 1] == 'b') t.dtype = DT_BOOL;
  return t;
}

static void check_rule(const RuleInfo *r, double la, double lb) {
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F32, N);
  fix_step(&f, "t");
  f.b.g->share = true;
  NodeId operand[26];
  Tensor value[26] = {0};
  int nth = 0;
  for (char c = 'a'; c <= 'z'; c++) {
    bool literal;
    operand[c - 'a'] = NO_NODE;
    if (!in_pattern(r->pattern, c, &literal)) continue;
    Type ty = t;
    if (literal) {
      operand[c - 'a'] = build_const(&f.b, ty, c == 'a' ? la : lb);
      continue;
    }
    if (c == 'c') ty.dtype = DT_BOOL;
    LeafId id = fix_leaf(&f, LEAF_PARAM, (char[]){c, 0}, ty);
    operand[c - 'a'] = build_leaf(&f.b, id);
    Tensor *v = &value[id.i];
    ck_assert(tensor_of_type(&f.arena, f.p.dims, &ty, v));
    static const int divide[] = {1, SPECIALS, SPECIALS * SPECIALS};
    for (int i = 0; i < N; i++) {
      float x = i < TRIPLES ? special[i / divide[nth % 3] % SPECIALS]
                            : (float)(uniform(-3, 3) * exp(uniform(-8, 8)));
      if (c == 'c')
        ((uint32_t *)v->data)[i] = i < TRIPLES ? (i / 7) & 1 : uniform(0, 1) < 0.5;
      else
        ((float *)v->data)[i] = x;
    }
    fp_flush((DType)ty.dtype, v->data, N);
    nth += c != 'c';
  }
  ck_assert_int_le(nth, 3);
  Type rt = result_type(r->pattern, t);
  Rewrite off, on;
  rewrite_begin(&off, f.b.g, 0, 0);
  rewrite_begin(&on, f.b.g, r->cls, RW_ANY | RW_AFTER);
  NodeId before = rewrite_build(&off, str_z(r->pattern), rt, operand, false);
  NodeId after = rewrite_build(&off, str_z(r->result), rt, operand, false);
  NodeId fired = rewrite_build(&on, str_z(r->pattern), rt, operand, true);
  NodeId expected = rewrite_build(&on, str_z(r->result), rt, operand, true);
  ck_assert_msg(node_eq(fired, expected), "%s does not fire", r->name);
  ck_assert_msg(!node_eq(fired, before), "%s gives back its pattern", r->name);
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, before, (Span){0});
  graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, after, (Span){0});
  Interp it = {.graph = f.b.g, .mode = INTERP_NATIVE, .arena = &f.arena, .leaf = value};
  ck_assert_int_eq(interp_run(&it), ST_OK);
  const Tensor *x = &it.value[before.i], *y = &it.value[after.i];
  uint32_t compared = 0;
  for (int i = 0; i < N; i++) {
    if (rt.dtype == DT_BOOL) {
      ck_assert_msg(((uint32_t *)x->data)[i] == ((uint32_t *)y->data)[i], "%s", r->name);
      compared++;
      continue;
    }
    float p = ((float *)x->data)[i], q = ((float *)y->data)[i];
    if (r->cls == RW_BITS) {
      bool same = (p != p && q != q) || memcmp(&p, &q, sizeof p) == 0;
      ck_assert_msg(same, "%s at %d: %a, %a", r->name, i, (double)p, (double)q);
      compared++;
      continue;
    }
    /* REAL: operands of moderate size, both sides numbers; the error is relative to the operands, which may
     * cancel */
    if (i < TRIPLES || !isfinite(p) || !isfinite(q)) continue;
    double size = 1;
    for (uint32_t k = 0; k < f.p.leaf.n; k++)
      if (f.p.leaf.at[k].type.dtype == DT_F32) size += fabs((double)((float *)value[k].data)[i]);
    size += fabs((double)p);
    ck_assert_msg(fabs((double)p - (double)q) <= 1e-5 * size, "%s at %d: %g, %g", r->name, i, (double)p,
                  (double)q);
    compared++;
  }
  ck_assert_msg(compared > 100, "%s: only %u values compared", r->name, compared);
  fix_end(&f);
}

START_TEST(every_rule) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < rule_count; i++) {
    if (!rule_info[i].pattern) continue;
    n++;
    check_rule(&rule_info[i], 0.75, -1.5);
  }
  ck_assert_uint_gt(n, 40);
}
END_TEST

/* ---- folding of single nodes equals the interpreter */

START_TEST(folds_as_the_interpreter) {
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *o = &op_info[op];
    if (!o->scalar) continue;
    for (int turn = 0; turn < 30; turn++) {
      fix_begin(&f);
      fix_step(&f, "t");
      f.b.g->share = true;
      Type t = type_scalar(strchr(o->sig, 'I') || strchr(o->sig, 'i') ? DT_I32 : DT_F32);
      NodeId in[3] = {NO_NODE, NO_NODE, NO_NODE};
      for (int i = 0; i < o->arity; i++) {
        Type ty = t;
        if (o->sig[i] == 'b') ty.dtype = DT_BOOL;
        double v = uniform(o->lo, o->hi);
        if (turn < 6 && ty.dtype == DT_F32) v = (double)special[(turn + i * 5) % SPECIALS];
        in[i] = build_const(&f.b, ty, ty.dtype == DT_BOOL ? v > 0.5 : ty.dtype == DT_I32 ? floor(v) : v);
      }
      NodeId n;
      if (op == OP_CAST) {
        Type to = t;
        to.dtype = turn & 1 ? DT_I32 : DT_BOOL;
        n = build_op(&f.b, OP_CAST, in, 1, NULL, &to);
      } else if (op == OP_UNIT) {
        Type to = t;
        to.dtype = DT_F32;
        n = build_op(&f.b, OP_UNIT, in, 1, NULL, &to);
      } else {
        n = build_scalar(&f.b, (Op)op, in[0], in[1], in[2]);
      }
      Rewrite w;
      rewrite_begin(&w, f.b.g, 0, 0);
      Type rt = graph_node(f.b.g, n)->type;
      NodeId folded = rewrite_node(&w, (Op)op, rt, in, (uint32_t)o->arity, NULL, (LocationId){0}, NO_NODE);
      ck_assert_msg(node_op(f.b.g, folded) == OP_CONST, "%s", o->name);
      graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, n, (Span){0});
      graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, folded, (Span){0});
      Interp it = {.graph = f.b.g, .mode = INTERP_NATIVE, .arena = &f.arena};
      ck_assert_int_eq(interp_run(&it), ST_OK);
      const Tensor *a = &it.value[n.i], *b = &it.value[folded.i];
      float x, y;
      memcpy(&x, a->data, 4);
      memcpy(&y, b->data, 4);
      bool same =
          memcmp(a->data, b->data, dtype_bytes(a->dtype)) == 0 || (a->dtype == DT_F32 && x != x && y != y);
      ck_assert_msg(same, "%s: %a, %a", o->name, (double)x, (double)y);
      fix_end(&f);
    }
  }
}
END_TEST

/* ---- the optimiser's pipeline keeps every bit */

START_TEST(pipeline_keeps_bits) {
  static const Op unary[] = {OP_TANH, OP_NEG, OP_ABS, OP_RELU, OP_SQUARE, OP_EXP, OP_FLOOR};
  static const Op binary[] = {OP_ADD, OP_SUB, OP_MUL, OP_MAXIMUM, OP_DIV};
  static const double number[] = {0, -0.0, 1, -1, 2, 0.5};
  for (uint64_t turn = 0; turn < 200; turn++) {
    fix_begin(&f);
    seed = turn * 7919 + 1;
    Type t = FIX_T(&f, DT_F32, 3, 4);
    fix_step(&f, "t");
    LeafId a = fix_leaf(&f, LEAF_PARAM, "a", t), b = fix_leaf(&f, LEAF_PARAM, "b", t);
    NodeId pool[64];
    uint32_t n = 0;
    pool[n++] = build_leaf(&f.b, a);
    pool[n++] = build_leaf(&f.b, b);
    pool[n++] = build_leaf(&f.b, a);
    Type index = t;
    index.dtype = DT_I32;
    pool[n++] = build_cast(&f.b, build_iota(&f.b, index, (int)uniform(-1, 2)), DT_F32);
    while (n < 30) {
      NodeId x = pool[(uint32_t)uniform(0, n)], y = pool[(uint32_t)uniform(0, n)], r;
      switch ((int)uniform(0, 9)) {
      case 0: r = fix_1(&f, unary[(int)uniform(0, 7)], x); break;
      case 1:
      case 2: r = fix_2(&f, binary[(int)uniform(0, 5)], x, y); break;
      case 3:
        r = fix_2(&f, binary[(int)uniform(0, 3)], x, build_const(&f.b, t, number[(int)uniform(0, 6)]));
        break;
      case 4:
        r = build_broadcast(
            &f.b, build_reduce(&f.b, uniform(0, 1) < 0.5 ? OP_SUM : OP_MAX, x, 1 + (uint32_t)uniform(0, 3)),
            t);
        break;
      case 5: {
        NodeId tr = build_transpose(&f.b, x, (uint8_t[]){1, 0});
        r = build_transpose(&f.b, fix_1(&f, OP_NEG, tr), (uint8_t[]){1, 0});
        break;
      }
      case 6:
        r = build_scalar(&f.b, OP_WHERE, fix_2(&f, OP_LT, x, y), x, pool[(uint32_t)uniform(0, n)]);
        break;
      case 7:
        r = build_broadcast(&f.b, build_const(&f.b, FIX_T(&f, DT_F32, 1, 4), number[(int)uniform(0, 6)]), t);
        break;
      default: r = fix_1(&f, OP_NEG, fix_1(&f, OP_NEG, x)); break;
      }
      pool[n++] = r;
    }
    for (uint32_t i = n - 4; i < n; i++)
      graph_root(f.b.g, ROOT_OUTPUT, fix_sym(&f, "o"), (LeafId){0}, pool[i], (Span){0});
    Graph *g = passes_optimise(&f.arena, f.b.g, NULL);
    ck_assert_uint_lt(g->node.n, f.b.g->node.n);
    Tensor leaf[2];
    for (int k = 0; k < 2; k++) {
      ck_assert(tensor_of_type(&f.arena, f.p.dims, &t, &leaf[k]));
      for (int i = 0; i < 12; i++)
        ((float *)leaf[k].data)[i] =
            uniform(0, 1) < 0.4 ? special[(int)uniform(0, SPECIALS)] : (float)uniform(-2, 2);
    }
    Interp before = {.graph = f.b.g, .mode = INTERP_NATIVE, .arena = &f.arena, .leaf = leaf};
    Interp after = {.graph = g, .mode = INTERP_NATIVE, .arena = &f.arena, .leaf = leaf};
    ck_assert_int_eq(interp_run(&before), ST_OK);
    ck_assert_int_eq(interp_run(&after), ST_OK);
    for (uint32_t i = 0; i < 4; i++) {
      const float *x = before.value[f.b.g->root.at[i].node.i].data,
                  *y = after.value[g->root.at[i].node.i].data;
      for (int k = 0; k < 12; k++) {
        bool same = (x[k] != x[k] && y[k] != y[k]) || memcmp(&x[k], &y[k], 4) == 0;
        ck_assert_msg(same, "turn %d, output %u, element %d: %a, %a", (int)turn, i, k, (double)x[k],
                      (double)y[k]);
      }
    }
    fix_end(&f);
  }
}
END_TEST

START_TEST(undefined_is_not_multiplied_away) { /* 0 * (x / 0) stays */
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F32, 2);
  fix_step(&f, "t");
  f.b.g->share = true;
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t));
  Rewrite w;
  rewrite_begin(&w, f.b.g, RW_BITS | RW_REAL, RW_ANY | RW_AFTER);
  NodeId zero = build_const(&f.b, t, 0), in[2] = {x, zero};
  NodeId bad = rewrite_node(&w, OP_DIV, t, in, 2, NULL, (LocationId){0}, NO_NODE);
  NodeId of[2] = {zero, bad}, fine[2] = {zero, x};
  ck_assert(node_op(f.b.g, rewrite_node(&w, OP_MUL, t, of, 2, NULL, (LocationId){0}, NO_NODE)) == OP_MUL);
  ck_assert(node_eq(rewrite_node(&w, OP_MUL, t, fine, 2, NULL, (LocationId){0}, NO_NODE), zero));
  /* nor is it a base or a divisor that a rule takes away */
  NodeId power[2] = {bad, zero}, fine_power[2] = {x, zero};
  ck_assert(node_op(f.b.g, rewrite_node(&w, OP_POW, t, power, 2, NULL, (LocationId){0}, NO_NODE)) == OP_POW);
  ck_assert(node_op(f.b.g, rewrite_node(&w, OP_POW, t, fine_power, 2, NULL, (LocationId){0}, NO_NODE)) ==
            OP_CONST);
  ck_assert(node_op(f.b.g, rewrite_node(&w, OP_DIV, t, of, 2, NULL, (LocationId){0}, NO_NODE)) == OP_DIV);
  ck_assert(node_eq(rewrite_node(&w, OP_DIV, t, fine, 2, NULL, (LocationId){0}, NO_NODE), zero));
  fix_end(&f);
}
END_TEST

/* The library's sine is no sine far out (ir/scalar/mathlib.def), and its range is not known there. */
START_TEST(sines_of_large_numbers_have_no_range) {
  fix_begin(&f);
  Type t = FIX_T(&f, DT_F32, 2);
  fix_step(&f, "t");
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t));
  NodeId near = fix_2(&f, OP_MINIMUM, fix_2(&f, OP_MAXIMUM, x, fix_c(&f, x, -1e4)), fix_c(&f, x, 1e4));
  NodeId far = fix_2(&f, OP_MINIMUM, fix_2(&f, OP_MAXIMUM, x, fix_c(&f, x, -1e6)), fix_c(&f, x, 1e6));
  NodeId of[4] = {fix_1(&f, OP_SIN, near), fix_1(&f, OP_COS, near), fix_1(&f, OP_SIN, far),
                  fix_1(&f, OP_COS, far)};
  Values v;
  values_init(&v, &f.p, &f.arena);
  const ValueId *value = values_graph(&v, f.b.g, NULL, &(LeafFacts){.ranges = true});
  for (int i = 0; i < 4; i++) {
    Interval r = value_at(&v, value[of[i].i])->range;
    ck_assert(i < 2 ? r.lo >= -1.01 && r.hi <= 1.01 : isinf(r.lo) && isinf(r.hi));
  }
  fix_end(&f);
}
END_TEST

static Rewrite w;
static NodeId moved(Op op, Type t, NodeId x, const int64_t *attr) {
  return rewrite_node(&w, op, t, &x, 1, attr, (LocationId){0}, NO_NODE);
}
static void rules_begin(uint8_t phase) {
  fix_begin(&f);
  fix_step(&f, "t");
  f.b.g->share = true;
  rewrite_begin(&w, f.b.g, RW_BITS | RW_REAL, phase);
}

/* Two moves are undone or become one only where they say so. */
START_TEST(moves_of_moves) {
  rules_begin(RW_ANY | RW_AFTER);
  Type t = FIX_T(&f, DT_F32, 4, 4, 4);
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t));
  int64_t first = 1, second = 2;
  NodeId back = moved(OP_REVERSE, t, x, &first);
  ck_assert(node_eq(moved(OP_REVERSE, t, back, &first), x));
  NodeId both = moved(OP_REVERSE, t, back, &second);
  ck_assert(node_op(f.b.g, both) == OP_REVERSE && node_eq(graph_in(f.b.g, both)[0], back));
  /* axis i of the result is axis perm(i) of the operand: 120 of 021 is 210 */
  int64_t inner = 0x120, outer = 0x021;
  NodeId turned = moved(OP_TRANSPOSE, t, moved(OP_TRANSPOSE, t, x, &inner), &outer);
  ck_assert(node_op(f.b.g, turned) == OP_TRANSPOSE && node_eq(graph_in(f.b.g, turned)[0], x));
  int64_t want = 0;
  for (int i = 0; i < 3; i++) want |= (inner >> (4 * (outer >> (4 * i) & 15)) & 15) << (4 * i);
  ck_assert_int_eq(graph_attr(f.b.g, turned)[0], want);
  fix_end(&f);
}
END_TEST

/* What is moved is one literal only where it all is: the same number, and +0 beside what a pad fills in. */
START_TEST(moves_of_literals) {
  rules_begin(RW_ANY | RW_AFTER);
  Type t = FIX_T(&f, DT_F32, 2), wide = FIX_T(&f, DT_F32, 4);
  int64_t one_more = (int64_t)dim_const(f.p.dims, 1).i, attr[4] = {0, one_more, one_more, 1}, axis = 0;
  for (int sign = 0; sign < 2; sign++) {
    NodeId zero = build_const(&f.b, t, sign ? -0.0 : 0.0),
           padded = build_op(&f.b, OP_PAD, &zero, 1, attr, NULL);
    NodeId got = moved(OP_PAD, graph_node(f.b.g, padded)->type, zero, attr);
    ck_assert_int_eq(node_op(f.b.g, got), sign ? OP_PAD : OP_CONST);
  }
  NodeId one = build_const(&f.b, t, 1), same[2] = {one, one}, other[2] = {one, build_const(&f.b, t, 2)};
  NodeId all = rewrite_node(&w, OP_CONCAT, wide, same, 2, &axis, (LocationId){0}, NO_NODE);
  ck_assert(node_op(f.b.g, all) == OP_CONST && graph_const_value(f.b.g, all) == 1);
  all = rewrite_node(&w, OP_CONCAT, wide, other, 2, &axis, (LocationId){0}, NO_NODE);
  ck_assert_int_eq(node_op(f.b.g, all), OP_CONCAT);
  fix_end(&f);
}
END_TEST

/* An infinite literal is no real number, and neither is what is made of it. */
START_TEST(zero_times_what_is_no_number) {
  rules_begin(RW_ANY | RW_AFTER);
  Type t = FIX_T(&f, DT_F32, 2, 2);
  NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t)), zero = build_const(&f.b, t, 0);
  NodeId far = fix_2(&f, OP_MUL, x, build_const(&f.b, t, INFINITY));
  NodeId fine[2] = {zero, x}, bad[2] = {zero, far}, left[2] = {far, zero};
  ck_assert(node_eq(rewrite_node(&w, OP_MUL, t, fine, 2, NULL, (LocationId){0}, NO_NODE), zero));
  ck_assert_int_eq(node_op(f.b.g, rewrite_node(&w, OP_MUL, t, bad, 2, NULL, (LocationId){0}, NO_NODE)),
                   OP_MUL);
  NodeId product = build_contract(&f.b, zero, x, false, false);
  const int64_t *attr = graph_attr(f.b.g, product);
  int64_t a[4] = {0};
  memcpy(a, attr, op_info[OP_CONTRACT].nattr * sizeof *a);
  ck_assert_int_eq(node_op(f.b.g, rewrite_node(&w, OP_CONTRACT, t, fine, 2, a, (LocationId){0}, NO_NODE)),
                   OP_CONST);
  ck_assert_int_eq(node_op(f.b.g, rewrite_node(&w, OP_CONTRACT, t, bad, 2, a, (LocationId){0}, NO_NODE)),
                   OP_CONTRACT);
  ck_assert_int_eq(node_op(f.b.g, rewrite_node(&w, OP_CONTRACT, t, left, 2, a, (LocationId){0}, NO_NODE)),
                   OP_CONTRACT);
  fix_end(&f);
}
END_TEST

/* Before the derivative is taken a square of a root keeps its edge at 0. */
START_TEST(roots_stay_until_after_the_derivative) {
  for (int after = 0; after < 2; after++) {
    rules_begin(after ? RW_ANY | RW_AFTER : RW_ANY);
    Type t = FIX_T(&f, DT_F32, 2);
    NodeId x = build_leaf(&f.b, fix_leaf(&f, LEAF_PARAM, "x", t)), root = fix_1(&f, OP_SQRT, x);
    NodeId square = rewrite_node(&w, OP_SQUARE, t, &root, 1, NULL, (LocationId){0}, NO_NODE);
    ck_assert(after ? node_eq(square, x) : node_op(f.b.g, square) == OP_SQUARE);
    fix_end(&f);
  }
}
END_TEST

UNIT_MAIN(UNIT("simplify", moves_of_moves, moves_of_literals, zero_times_what_is_no_number,
               roots_stay_until_after_the_derivative, every_rule, folds_as_the_interpreter,
               pipeline_keeps_bits, undefined_is_not_multiplied_away, sines_of_large_numbers_have_no_range))
