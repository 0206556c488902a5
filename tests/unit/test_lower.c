/* Lowering: every op row through plan and kernel evaluator gives the interpreter's bits; fusion, in-place
 * writes and arena reuse change none of them. */
#include "lower_random.h"
#include "passes/lower/internal.h"

#include <time.h>

static Kit kit;
static const int64_t sizes[] = {1, 2, 3, 7, 16, 17, 31, 33, 48, 49, 100};
static int64_t size_of(int i) { return sizes[(size_t)i % (sizeof sizes / sizeof *sizes)]; }

static NodeId op1(Op op, NodeId x, const int64_t *attr, const Type *t) {
  return build_op(&kit.b, op, &x, 1, attr, t);
}
static NodeId op2(Op op, NodeId x, NodeId y, const int64_t *attr, const Type *t) {
  return build_op(&kit.b, op, (NodeId[]){x, y}, 2, attr, t);
}

/* Operand types of a scalar row for numeric type t; false when the row does not hold for it. */
static bool row_types(const OpInfo *o, DType t, DType *in, DType *out) {
  for (int i = 0; i <= o->arity; i++) {
    char c = o->sig[i];
    DType own = c == 'b' ? DT_BOOL : c == 'i' ? DT_I32 : t;
    if ((c == 'F' && !dtype_is_float(t)) || (c == 'I' && !dtype_is_int(t)) || (c == 'T' && t == DT_BOOL))
      return false;
    if (i < o->arity)
      in[i] = own;
    else
      *out = own;
  }
  return true;
}

START_TEST(structural_rows) {
  for (int i = 0; i < OP_CASES; i++) {
    kit_case(&kit, (uint64_t)i, i);
    kit_check(&kit);
  }
}
END_TEST

START_TEST(scalar_rows) {
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *o = &op_info[op];
    if (!o->scalar || op == OP_CAST) continue;
    for (int t = 0; t < DT_COUNT; t++) {
      DType in[3], out = DT_F32;
      if (!row_types(o, (DType)t, in, &out)) continue;
      kit_begin(&kit, (uint64_t)(op * 8 + t));
      kit.specials = t < 2;
      int64_t ext[2] = {size_of(op), size_of(op + t)};
      NodeId x[3] = {NO_NODE, NO_NODE, NO_NODE};
      for (int i = 0; i < o->arity; i++) x[i] = kit_leaf(&kit, kit_type(&kit, in[i], 2, ext));
      if (op == OP_UNIT) {
        Type ty = kit_type(&kit, (DType)t, 2, ext);
        kit_root(&kit, build_op(&kit.b, OP_UNIT, x, 1, NULL, &ty));
      } else
        kit_root(&kit, build_scalar(&kit.b, (Op)op, x[0], x[1], x[2]));
      kit_check(&kit);
    }
  }
}
END_TEST

START_TEST(casts) {
  for (int f = 0; f < DT_COUNT; f++)
    for (int t = 0; t < DT_COUNT; t++) {
      kit_begin(&kit, (uint64_t)(f * 8 + t));
      kit.specials = true;
      NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, (DType)f, 3, 17));
      kit_root(&kit, build_cast(&kit.b, x, (DType)t));
      kit_check(&kit);
    }
}
END_TEST

START_TEST(reductions) {
  static const Op ops[] = {OP_SUM, OP_MEAN, OP_MAX, OP_MIN, OP_PROD};
  for (int i = 0; i < 60; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 3 == 2;
    Op op = ops[i % 5];
    DType t = i % 7 == 3 && op != OP_MEAN   ? DT_I32
              : i % 7 == 5                  ? DT_F64
              : i % 7 == 6 && op != OP_MEAN ? DT_I64
                                            : DT_F32;
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, t, size_of(i / 2) % 5 + 1, size_of(i), size_of(i + 4)));
    kit_root(&kit, build_reduce(&kit.b, op, x, (uint32_t)(i % 8)));
    if (i % 4 == 0) { /* what feeds it is not memory */
      uint8_t perm[] = {2, 0, 1};
      kit_root(&kit, build_reduce(&kit.b, op, build_transpose(&kit.b, x, perm), (uint32_t)(1 + i % 7)));
    }
    kit_check(&kit);
  }
}
END_TEST

/* A reduction that computes its operand through a pad on the reduced axis, and on a kept one. */
START_TEST(padded_reductions) {
  for (int i = 0; i < 12; i++) {
    kit_begin(&kit, (uint64_t)i);
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, size_of(i), size_of(i + 3)));
    int64_t pad[4] = {i % 2, dim_const(kit.program.dims, 1).i, dim_const(kit.program.dims, 2).i, 1};
    NodeId p = op1(OP_PAD, x, pad, NULL), q = build_scalar(&kit.b, OP_MUL, p, p, NO_NODE);
    kit_root(&kit, build_reduce(&kit.b, i % 3 ? OP_SUM : OP_MAX, q, 1u + (i / 2) % 3u));
    kit_check(&kit);
  }
}
END_TEST

START_TEST(long_reductions) {
  static const int64_t shapes[][2] = {{1, 65536}, {2, 65537}, {1, 140000}, {4097, 3}, {70000, 2}, {5000, 17}};
  for (int i = 0; i < 12; i++) {
    kit_begin(&kit, (uint64_t)i);
    NodeId x = kit_leaf(&kit, kit_type(&kit, DT_F32, 2, shapes[i / 2]));
    kit_root(&kit, build_reduce(&kit.b, OP_SUM, x, i % 2 ? 1 : 2));
    kit_check(&kit);
  }
}
END_TEST

START_TEST(extreme_places) {
  for (int i = 0; i < 24; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 2;
    DType t = i % 5 == 4 ? DT_I32 : i % 5 == 3 ? DT_F64 : DT_F32;
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, t, 3, size_of(i), size_of(i + 3)));
    int64_t axis = i % 3;
    kit_root(&kit, op1(i % 4 < 2 ? OP_ARGMAX : OP_ARGMIN, x, &axis, NULL));
    kit_check(&kit);
  }
}
END_TEST

/* Lines on both sides of the length up to which elements are counted. */
START_TEST(sorted_places) {
  static const int64_t length[] = {1, 2, 7, 16, 19, 256, 257};
  for (int i = 0; i < 28; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 2;
    DType t = (DType)(i % 4);
    int64_t n = length[i % 7], attr[2] = {i / 7 % 3, i % 5 < 2}, ext[3] = {i % 2 + 1, i % 3 + 1, 2};
    if (n > 200) ext[0] = ext[1] = 1;
    ext[attr[0]] = n;
    NodeId x = kit_leaf(&kit, kit_type(&kit, t, 3, ext));
    kit_root(&kit, op1(OP_ARGSORT, x, attr, NULL));
    uint8_t perm[] = {2, 0, 1};
    attr[0] = attr[0] == 2 ? 0 : attr[0] + 1;
    if (n < 200) kit_root(&kit, op1(OP_ARGSORT, build_transpose(&kit.b, x, perm), attr, NULL));
    kit_check(&kit);
  }
}
END_TEST

/* a a' + n: positive definite */
static NodeId definite(NodeId a) {
  Type t = graph_node(kit.b.g, a)->type, index = t;
  index.dtype = DT_I32;
  NodeId row = build_iota(&kit.b, index, t.rank - 2), column = build_iota(&kit.b, index, t.rank - 1);
  NodeId eye = build_scalar(&kit.b, OP_WHERE, op2(OP_EQ, row, column, NULL, NULL), build_const(&kit.b, t, 70),
                            build_const(&kit.b, t, 0));
  return build_scalar(&kit.b, OP_ADD, build_contract(&kit.b, a, a, false, true), eye, NO_NODE);
}

/* Systems of each triangle and direction, factors on both sides of a block, batches, read through moves. */
START_TEST(linear_algebra) {
  static const int64_t extent[] = {1, 2, 5, 16, 17, 63, 64, 65, 130};
  for (int i = 0; i < 14; i++) {
    kit_begin(&kit, (uint64_t)i);
    int64_t n = extent[i % 9], batch = n > 60 ? 1 : 1 + i % 3, columns = 1 + i * 7 % 40,
            attr[2] = {i & 1, i >> 1 & 1};
    DType t = i % 4 == 3 ? DT_F64 : DT_F32;
    NodeId a = definite(kit_leaf(&kit, KIT_TYPE(&kit, t, batch, n, n))),
           b = kit_leaf(&kit, KIT_TYPE(&kit, t, batch, n, columns));
    NodeId turned = build_transpose(&kit.b, a, (uint8_t[]){0, 2, 1});
    NodeId l = op1(OP_CHOLESKY, i % 2 ? a : turned, NULL, NULL);
    kit_root(&kit, l);
    kit_root(&kit, op2(OP_TRIANGULAR_SOLVE, a, b, attr, NULL));
    kit_root(&kit, op2(OP_TRIANGULAR_SOLVE, turned, b, attr, NULL));
    NodeId one = build_slice(&kit.b, l, 0, dim_const(kit.program.dims, 0), 1, dim_const(kit.program.dims, 1));
    kit_root(&kit, op2(OP_TRIANGULAR_SOLVE, build_broadcast(&kit.b, one, graph_node(kit.b.g, l)->type), b,
                       attr, NULL));
    kit_check(&kit);
  }
}
END_TEST

START_TEST(rows) {
  static const Op ops[] = {OP_SOFTMAX, OP_LOG_SOFTMAX, OP_LOGSUMEXP};
  for (int i = 0; i < 33; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 4 == 3;
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, i % 5 == 4 ? DT_F64 : DT_F32, 2, size_of(i), size_of(i + 5)));
    int64_t axis = i % 3 == 1 ? 1 : i % 6 == 3 ? 0 : 2;
    kit_root(&kit, op1(ops[i % 3], x, &axis, NULL));
    NodeId label = kit_leaf(&kit, KIT_TYPE(&kit, DT_I32, 2, size_of(i)));
    kit_root(&kit, op2(OP_CROSS_ENTROPY, x, label, NULL, NULL));
    kit_check(&kit);
  }
}
END_TEST

/* Rows of few elements, beside others: those lie in the lanes, and nothing is folded. The order is the
 * fold's. */
START_TEST(short_rows) {
  static const Op ops[] = {OP_SUM, OP_MEAN, OP_MAX, OP_SOFTMAX, OP_LOG_SOFTMAX, OP_LOGSUMEXP, OP_ARGMAX};
  static const int64_t beside[] = {7, 8, 16, 36, 67};
  for (int i = 0; i < 90; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 4 == 3;
    int64_t n = 1 + i % 9, many = beside[i / 9 % 5], axis = 2;
    DType t = i % 2 ? DT_F64 : DT_F32;
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, t, many, 1, n)), y = build_scalar(&kit.b, OP_MUL, x, x, NO_NODE);
    for (int k = 0; k < 3; k++)
      kit_root(&kit, build_reduce(&kit.b, ops[k], k == i % 3 ? y : x, 4)); /* one computes its operand */
    for (int k = 3; k < 7; k++) kit_root(&kit, op1(ops[k], x, &axis, NULL));
    NodeId rows = build_drop_axes(&kit.b, x, 2), label = kit_leaf(&kit, KIT_TYPE(&kit, DT_I32, many));
    kit_root(&kit, op2(OP_CROSS_ENTROPY, rows, label, NULL, NULL));
    kit_check(&kit);
    LowerOptions o;
    Sb text;
    lower_options_init(&o, 64);
    sb_init(&text, &kit.arena);
    plan_print_kernels(kit_lower(&kit, &o), &text);
    if (n > 1 && n <= 8 && many >= 8) ck_assert(!memmem(text.p, text.n, "fold.", 5));
  }
}
END_TEST

START_TEST(moves) {
  for (int i = 0; i < 40; i++) {
    kit_begin(&kit, (uint64_t)i);
    DType t = (DType)(i % 5);
    int64_t a = size_of(i), b = size_of(i + 2);
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, t, 2, a, b));
    DimTable *d = kit.program.dims;
    static const uint8_t perms[][3] = {{0, 2, 1}, {2, 1, 0}, {1, 2, 0}};
    kit_root(&kit, build_transpose(&kit.b, x, perms[i % 3]));
    kit_root(&kit, build_broadcast(&kit.b, x, KIT_TYPE(&kit, t, 3, 2, a, b)));
    NodeId s = build_slice(&kit.b, x, 2, dim_const(d, b / 3), 1 + i % 2,
                           dim_const(d, b == 1 ? 1 : (b - b / 3 + i % 2) / (1 + i % 2)));
    kit_root(&kit, s);
    int64_t mask = 1 + i % 7;
    NodeId r = op1(OP_REVERSE, x, &mask, NULL);
    kit_root(&kit, r);
    int64_t pad[4] = {i % 3, dim_const(d, i % 4).i, dim_const(d, i % 5).i, 1 + i % 3};
    if (t != DT_BOOL) kit_root(&kit, op1(OP_PAD, x, pad, NULL));
    int64_t axis = i % 3;
    kit_root(&kit, build_op(&kit.b, OP_CONCAT, (NodeId[]){x, r, x}, 3, &axis, NULL));
    NodeId tr = build_transpose(&kit.b, x, perms[1]);
    kit_root(&kit, build_reshape(&kit.b, tr, KIT_TYPE(&kit, t, 2 * a * b)));
    kit_root(&kit, build_reshape(&kit.b, build_reshape(&kit.b, x, KIT_TYPE(&kit, t, 2 * a, 1, b)),
                                 KIT_TYPE(&kit, t, b, 2, a)));
    if (t == DT_F32) {
      NodeId sum = build_scalar(&kit.b, OP_ADD, x, r, NO_NODE);
      kit_root(&kit, build_scalar(&kit.b, OP_MUL, sum, op1(OP_REVERSE, sum, &mask, NULL), NO_NODE));
    }
    kit_check(&kit);
  }
}
END_TEST

/* Reductions that compute what they add from padded values: the guard goes along when axes are merged. */
START_TEST(padded_sums) {
  for (int i = 0; i < 24; i++) {
    kit_begin(&kit, (uint64_t)i);
    int axis = i % 3;
    int64_t ext[3] = {size_of(i), size_of(i + 3), size_of(i + 5)}, wide[3];
    memcpy(wide, ext, sizeof wide);
    wide[axis] += 2 + i % 4;
    DimTable *d = kit.program.dims;
    NodeId x = kit_leaf(&kit, kit_type(&kit, DT_F32, 3, ext)),
           y = kit_leaf(&kit, kit_type(&kit, DT_F32, 3, wide));
    int64_t before[4] = {axis, dim_const(d, 2).i, dim_const(d, i % 4).i, 1};
    int64_t behind[4] = {axis, dim_const(d, 0).i, dim_const(d, 2 + i % 4).i, 1};
    NodeId sum =
        build_scalar(&kit.b, OP_ADD, op1(OP_PAD, x, before, NULL), op1(OP_PAD, x, behind, NULL), NO_NODE);
    kit_root(&kit, build_reduce(&kit.b, OP_SUM, build_scalar(&kit.b, OP_MUL, y, sum, NO_NODE),
                                1 + (unsigned)i % 7));
    kit_check(&kit);
  }
}
END_TEST

START_TEST(constants) {
  for (int i = 0; i < 10; i++) {
    kit_begin(&kit, (uint64_t)i);
    DType t = (DType)(i % 4);
    Type ty = KIT_TYPE(&kit, t, 3, size_of(i));
    NodeId c = build_const(&kit.b, ty, 2.5 + (i & 1)), n = build_iota(&kit.b, ty, i % 3 - 1);
    kit_root(&kit, c);
    kit_root(&kit, n);
    kit_root(&kit, build_scalar(&kit.b, OP_MUL, c, n, NO_NODE));
    kit_root(&kit, build_reduce(&kit.b, OP_SUM, n, 2));
    uint8_t swap[] = {1, 0};
    kit_root(&kit, build_transpose(&kit.b, n, swap));
    if (t < 2) kit_root(&kit, build_contract(&kit.b, n, c, false, true));
    kit_check(&kit);
  }
}
END_TEST

START_TEST(convolutions) {
  static const int64_t cases[][12] = {
      /* n c h w o k s p d groups */
      {2, 1, 8, 8, 4, 3, 1, 1, 1, 1},    {3, 4, 7, 17, 6, 3, 1, 0, 1, 2}, {1, 3, 9, 9, 16, 5, 2, 2, 1, 1},
      {2, 2, 10, 33, 3, 2, 2, 0, 1, 1},  {1, 6, 5, 6, 6, 3, 1, 1, 2, 3},  {2, 3, 8, 7, 17, 1, 1, 0, 1, 1},
      {1, 2, 11, 13, 2, 3, 3, 1, 1, 1},  {2, 2, 12, 9, 4, 3, 2, 1, 2, 1}, {18, 1, 16, 16, 2, 3, 1, 1, 1, 1},
      {20, 2, 20, 20, 3, 3, 1, 0, 1, 1},
  };
  for (int i = 0; i < 10; i++)
    for (int way = 0; way < 3; way++) {
      const int64_t *c = cases[i];
      kit_begin(&kit, (uint64_t)(i * 3 + way));
      kit.specials = i % 4 == 3;
      int64_t attr[8] = {c[6], c[6], c[7], c[7], c[8], c[8], c[9], 0};
      DType t = i == 5 ? DT_F64 : DT_F32;
      Type xt = KIT_TYPE(&kit, t, c[0], c[1], c[2], c[3]),
           wt = KIT_TYPE(&kit, t, c[4], c[1] / c[9], c[5], c[5]);
      NodeId x = kit_leaf(&kit, xt), w = kit_leaf(&kit, wt), y = op2(OP_CONV2D, x, w, attr, NULL);
      Type yt = graph_node(kit.b.g, y)->type;
      if (way == 0) {
        NodeId bias = kit_leaf(&kit, KIT_TYPE(&kit, t, c[4], 1, 1));
        kit_root(&kit, build_scalar(&kit.b, OP_ADD, y, build_broadcast(&kit.b, bias, yt), NO_NODE));
      }
      NodeId g = way ? kit_leaf(&kit, yt) : y;
      if (way == 1) {
        NodeId dx = op2(OP_CONV2D_DX, g, w, attr, &xt);
        kit_root(&kit, dx);
        kit_root(&kit, build_scalar(&kit.b, OP_RELU, dx, NO_NODE, NO_NODE));
      }
      if (way == 2) kit_root(&kit, op2(OP_CONV2D_DW, x, g, attr, &wt));
      kit_check(&kit);
    }
}
END_TEST

START_TEST(pools) {
  static const int64_t cases[][8] = {/* n c h w k s p */ {2, 3, 8, 8, 2, 2, 0},
                                     {1, 2, 9, 17, 3, 2, 1},
                                     {2, 1, 7, 40, 3, 1, 1},
                                     {1, 1, 5, 6, 2, 3, 0},
                                     {3, 2, 28, 28, 2, 2, 0},
                                     {1, 2, 10, 35, 5, 1, 2},
                                     /* edge to edge: odd images, padding on both sides, one window of many */
                                     {2, 3, 7, 9, 2, 2, 0},
                                     {1, 2, 8, 35, 3, 3, 1},
                                     {1, 3, 9, 37, 4, 4, 2},
                                     {2, 1, 5, 3, 1, 1, 0},
                                     {1, 2, 11, 12, 5, 5, 0},
                                     /* windows wider than high */
                                     {1, 2, 9, 21, 2, 1, 0}};
  for (int i = 0; i < 12; i++)
    for (int avg = 0; avg < 2; avg++) {
      const int64_t *c = cases[i];
      kit_begin(&kit, (uint64_t)(i * 2 + avg));
      kit.specials = i % 3 == 1;
      int64_t attr[6] = {c[4], c[4] + (i == 11), c[5], c[5], c[6], c[6]};
      Type xt = KIT_TYPE(&kit, i == 4 ? DT_F64 : DT_F32, c[0], c[1], c[2], c[3]);
      NodeId x = kit_leaf(&kit, xt), y = op1(avg ? OP_AVG_POOL2D : OP_MAX_POOL2D, x, attr, NULL);
      NodeId g = kit_leaf(&kit, graph_node(kit.b.g, y)->type);
      kit_root(&kit, i % 2 ? y : build_scalar(&kit.b, OP_TANH, y, NO_NODE, NO_NODE));
      NodeId dx = avg ? op1(OP_AVG_POOL2D_DX, g, attr, &xt)
                      : build_op(&kit.b, OP_MAX_POOL2D_DX, (NodeId[]){x, y, g}, 3, attr, NULL);
      kit_root(&kit, dx);
      if (i != 3) { /* what follows happens in registers: a mask, a value by channel */
        NodeId scale = build_broadcast(&kit.b, kit_leaf(&kit, KIT_TYPE(&kit, xt.dtype, c[1], 1, 1)), xt),
               mask = build_scalar(&kit.b, OP_LT, build_const(&kit.b, xt, 0), x, NO_NODE);
        NodeId kept = build_scalar(&kit.b, OP_WHERE, mask, dx, build_const(&kit.b, xt, 0));
        kit_root(&kit, build_scalar(&kit.b, OP_MUL, kept, scale, NO_NODE));
      }
      kit_check(&kit);
    }
}
END_TEST

/* Processor time of lowering n parameters with an update each; the least of three. */
static double lowering_time(int n) {
  double best = 1e9;
  for (int turn = 0; turn < 3; turn++) {
    kit_begin(&kit, (uint64_t)turn);
    Type t = KIT_TYPE(&kit, DT_F32, 7, 5);
    for (int i = 0; i < n; i++) {
      LeafId l =
          program_leaf(&kit.program, (Leaf){.kind = LEAF_PARAM,
                                            .path = names_add(&kit.names, str_fmt(&kit.arena, "p%d", i)),
                                            .type = t});
      NodeId w = build_leaf(&kit.b, l);
      for (int k = 0; k < 12; k++) w = build_scalar(&kit.b, OP_ADD, build_leaf(&kit.b, l), w, NO_NODE);
      graph_root(kit.b.g, ROOT_ASSIGN, (Sym){0}, l, w, (Span){0});
    }
    LowerOptions o;
    Sb why;
    lower_options_init(&o, 64);
    sb_init(&why, &kit.arena);
    clock_t from = clock();
    ck_assert(lower_graph(&kit.arena, kit.b.g, &o, &why) != NULL);
    double took = (double)(clock() - from) / CLOCKS_PER_SEC;
    if (took < best) best = took;
  }
  return best;
}

/* Eight times the program may take eight times as long, not sixty-four. Measured 7.9 to 9.4 on a machine
 * with 18 processes that wait for 2 cores. */
START_TEST(deep_programs) {
  double few = lowering_time(250), many = lowering_time(2000);
  ck_assert_msg(many < 16 * few + 0.02, "250 updates: %g s, 2000: %g s", few, many);
}
END_TEST

/* An optimizer's update over a gradient that is a product, in place where allowed; a swap; a chain of leaves.
 */
START_TEST(assignments) {
  for (int i = 0; i < 12; i++) {
    kit_begin(&kit, (uint64_t)i);
    int64_t m = size_of(i), n = size_of(i + 4);
    Type t = KIT_TYPE(&kit, DT_F32, m, n);
    LeafId wl = kit_leaf_id(&kit, t), ml = kit_leaf_id(&kit, t), vl = kit_leaf_id(&kit, t);
    NodeId w = build_leaf(&kit.b, wl), mo = build_leaf(&kit.b, ml), v = build_leaf(&kit.b, vl);
    NodeId g = kit_product(&kit, DT_F32, m, n, 17, true, false, 0);
    NodeId c = build_const(&kit.b, t, 0.9), q = build_const(&kit.b, t, 0.1);
    NodeId m1 = build_scalar(&kit.b, OP_ADD, build_scalar(&kit.b, OP_MUL, c, mo, NO_NODE),
                             build_scalar(&kit.b, OP_MUL, q, g, NO_NODE), NO_NODE);
    NodeId v1 = build_scalar(&kit.b, OP_FMA, g, g, v),
           root = build_scalar(&kit.b, OP_SQRT, v1, NO_NODE, NO_NODE);
    NodeId w1 = build_scalar(&kit.b, OP_SUB, w, build_scalar(&kit.b, OP_DIV, m1, root, NO_NODE), NO_NODE);
    if (i % 3 == 1)
      kit_root(&kit, build_contract(&kit.b, kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 3, m)), w, false, false));
    if (i % 3 == 2) kit_root(&kit, build_contract(&kit.b, w1, w, false, true));
    kit_assign(&kit, wl, w1);
    kit_assign(&kit, ml, m1);
    kit_assign(&kit, vl, i % 4 == 3 ? w : v1);
    LeafId a = kit_leaf_id(&kit, t), b = kit_leaf_id(&kit, t);
    kit_assign(&kit, a, build_leaf(&kit.b, b));
    kit_assign(&kit, b, build_leaf(&kit.b, a));
    kit_root(&kit, build_leaf(&kit.b, a));
    kit_check(&kit);
  }
}
END_TEST

/* out = 2 * first + second, element by element */
static bool twice(void *user, const Tensor *in, uint32_t nin, Tensor *out) {
  int *calls = user;
  ++*calls;
  if (nin != 2 || in[0].count != out->count || in[1].count != out->count || in[0].rank != 2) return false;
  for (size_t i = 0; i < out->count; i++)
    ((float *)out->data)[i] = 2 * ((const float *)in[0].data)[i] + ((const float *)in[1].data)[i];
  return true;
}

START_TEST(host_functions) {
  int calls = 0;
  HostEntry host = {twice, &calls};
  kit_begin(&kit, 4);
  kit.host = &host;
  Extern x = {.name = names_add(&kit.names, STR("twice")), .nin = 2};
  x.in[0] = x.in[1] = x.out = KIT_TYPE(&kit, DT_F32, 7, 5);
  VEC_PUSH(&kit.arena, &kit.program.externs, x);
  uint8_t swap[] = {1, 0};
  NodeId a = kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 5, 7)), b = kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 7, 5));
  NodeId in[2] = {build_transpose(&kit.b, a, swap), build_scalar(&kit.b, OP_TANH, b, NO_NODE, NO_NODE)};
  int64_t fn = 0;
  NodeId y = build_op(&kit.b, OP_EXTERN, in, 2, &fn, &x.out);
  kit_root(&kit, build_scalar(&kit.b, OP_MUL, y, b, NO_NODE));
  kit_check(&kit);
  ck_assert_int_eq(calls, 1 + KIT_WAYS); /* once by the interpreter, once for each choice of options */
}
END_TEST

/* A check that does not hold leaves every leaf as it was. */
START_TEST(checks) {
  for (int holds = 0; holds < 2; holds++) {
    kit_begin(&kit, 4);
    LeafId l = kit_leaf_id(&kit, KIT_TYPE(&kit, DT_F32, 20));
    NodeId w = build_leaf(&kit.b, l), next = build_scalar(&kit.b, OP_EXP, w, NO_NODE, NO_NODE);
    kit_assign(&kit, l, next);
    NodeId zero = build_const(&kit.b, KIT_TYPE(&kit, DT_F32, 20), holds ? 1e30 : -1e30);
    graph_root(kit.b.g, ROOT_CHECK, (Sym){0}, (LeafId){0}, build_scalar(&kit.b, OP_LT, next, zero, NO_NODE),
               (Span){0});
    LowerOptions o;
    lower_options_init(&o, 64);
    Plan *p = kit_lower(&kit, &o);
    void *leaf[1] = {arena_alloc(&kit.arena, kit.bytes[0], 64)};
    memcpy(leaf[0], kit.data[0], kit.bytes[0]);
    PlanMemory m = {.leaf = leaf, .arena = arena_alloc(&kit.arena, p->arena_bytes, 64)};
    ck_assert_int_eq(plan_eval(p, &m, &kit.arena), holds ? ST_OK : ST_SELF_CHECK);
    ck_assert_int_eq(memcmp(leaf[0], kit.data[0], kit.bytes[0]) == 0, !holds);
  }
}
END_TEST

/* tanh(x @ w + b) * tanh(b) and its sum: the product takes what follows it; without fusion each node is
 * alone. */
START_TEST(fuses) {
  uint32_t launches[2];
  for (int fuse = 0; fuse < 2; fuse++) {
    kit_begin(&kit, 5);
    NodeId x = build_leaf(&kit.b, kit_leaf_id(&kit, KIT_TYPE(&kit, DT_F32, 32, 48))),
           w = build_leaf(&kit.b, kit_leaf_id(&kit, KIT_TYPE(&kit, DT_F32, 48, 32))),
           b = build_leaf(&kit.b, kit_leaf_id(&kit, KIT_TYPE(&kit, DT_F32, 32, 32)));
    NodeId h = build_scalar(&kit.b, OP_ADD, build_contract(&kit.b, x, w, false, false), b, NO_NODE);
    h = build_scalar(&kit.b, OP_TANH, h, NO_NODE, NO_NODE);
    h = build_scalar(&kit.b, OP_MUL, h, build_scalar(&kit.b, OP_TANH, b, NO_NODE, NO_NODE), NO_NODE);
    kit_root(&kit, h);
    LowerOptions o;
    lower_options_init(&o, 64);
    o.fuse = fuse;
    launches[fuse] = kit_lower(&kit, &o)->launch.n;
  }
  ck_assert_uint_eq(launches[1], 1);
  ck_assert_uint_ge(launches[0], 4);
}
END_TEST

static uint32_t launch_of(const Plan *p, NodeId n) {
  uint32_t i = 0;
  while (i < p->launch.n && !node_eq(p->launch.at[i].node, n)) i++;
  return i;
}

/* An update runs as soon as nobody needs the old value, while what it reads was just written: the second
 * layer's before the first one's gradient is there, though it stands behind it. The rate is made of a leaf
 * alone and waits for nothing, not for the value at the end that is as small. */
START_TEST(updates_come_early) {
  kit_begin(&kit, 7);
  Type t = KIT_TYPE(&kit, DT_F32, 40, 40), one = type_scalar(DT_F32);
  LeafId w1 = kit_leaf_id(&kit, t), w2 = kit_leaf_id(&kit, t);
  NodeId x = kit_leaf(&kit, t), step = kit_leaf(&kit, one), a = build_leaf(&kit.b, w1),
         b = build_leaf(&kit.b, w2);
  NodeId h1 = build_contract(&kit.b, x, a, false, false), h2 = build_contract(&kit.b, h1, b, false, false);
  NodeId d1 = build_contract(&kit.b, h2, b, false, true),
         g1 = build_contract(&kit.b, x, op1(OP_SOFTMAX, d1, (int64_t[]){1}, NULL), true, false),
         g2 = build_contract(&kit.b, h1, h2, true, false);
  NodeId end = build_drop_axes(&kit.b, build_reduce(&kit.b, OP_SUM, d1, 3), 3);
  kit_root(&kit, build_scalar(&kit.b, OP_TANH, end, NO_NODE, NO_NODE));
  NodeId rate = build_scalar(&kit.b, OP_EXP, step, NO_NODE, NO_NODE), all = build_broadcast(&kit.b, rate, t);
  NodeId n1 = build_scalar(&kit.b, OP_SUB, a, build_scalar(&kit.b, OP_MUL, g1, all, NO_NODE), NO_NODE),
         n2 = build_scalar(&kit.b, OP_SUB, b, build_scalar(&kit.b, OP_MUL, g2, all, NO_NODE), NO_NODE);
  kit_assign(&kit, w1, n1);
  kit_assign(&kit, w2, n2);
  LowerOptions o;
  lower_options_init(&o, 64);
  Plan *p = kit_lower(&kit, &o);
  ck_assert_uint_eq(launch_of(p, rate), 0);
  ck_assert_uint_gt(launch_of(p, g2), launch_of(p, d1));
  ck_assert_uint_lt(launch_of(p, g2), launch_of(p, g1));
  ck_assert(p->in_place);
  kit_check(&kit);
}
END_TEST

typedef struct Updated {
  NodeId gradient, w;
} Updated;

/* A weight's gradient is a product; as many moments of it as asked for are assigned with the weight. */
static Updated updated(int moments) {
  kit_begin(&kit, 8);
  Type t = KIT_TYPE(&kit, DT_F32, 40, 40);
  LeafId w = kit_leaf_id(&kit, t);
  NodeId g = kit_product(&kit, DT_F32, 40, 40, 9, true, false, 0), step = g;
  for (int i = 0; i < moments; i++) {
    LeafId m = kit_leaf_id(&kit, t);
    step = build_scalar(&kit.b, OP_FMA, step, g, build_leaf(&kit.b, m));
    kit_assign(&kit, m, step);
  }
  Updated u = {g, build_scalar(&kit.b, OP_SUB, build_leaf(&kit.b, w), step, NO_NODE)};
  kit_assign(&kit, w, u.w);
  return u;
}

/* Three arrays of 40 x 40 and the gradient are 25 KiB: a pass of their own where that is more than half of
 * the cache. */
START_TEST(updates_stay_apart) {
  static const struct {
    int moments;
    int64_t cache;
    bool last, apart;
  } row[] = {{2, 32 << 10, false, true},
             {2, 64 << 10, false, false},
             {1, 32 << 10, false, false},
             {0, 32 << 10, false, false},
             {0, 64 << 10, true, true}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    Updated u = updated(row[i].moments);
    LowerOptions o;
    lower_options_init(&o, 64);
    o.cache_l2 = row[i].cache, o.updates_last = row[i].last;
    const Plan *p = kit_lower(&kit, &o);
    ck_assert_uint_lt(launch_of(p, u.gradient), p->launch.n);
    ck_assert_msg((launch_of(p, u.w) < p->launch.n) == row[i].apart, "row %zu", i);
    kit_check(&kit);
  }
}
END_TEST

/* Where they come last, nothing but updates is behind the first value that is written over: not the products
 * that follow, and not what is computed from a new value. */
START_TEST(updates_come_last) {
  kit_begin(&kit, 9);
  Type t = KIT_TYPE(&kit, DT_F32, 40, 40);
  LeafId w = kit_leaf_id(&kit, t), n = kit_leaf_id(&kit, t);
  NodeId old = build_leaf(&kit.b, w),
         now = build_scalar(&kit.b, OP_EXP, build_leaf(&kit.b, n), NO_NODE, NO_NODE);
  NodeId g = build_contract(&kit.b, now, old, true, false);
  NodeId next =
      build_scalar(&kit.b, OP_SUB, old, build_scalar(&kit.b, OP_TANH, g, NO_NODE, NO_NODE), NO_NODE);
  kit_root(&kit, build_contract(&kit.b, g, g, false, true));
  kit_assign(&kit, n, now);
  kit_assign(&kit, w, next);
  LowerOptions o;
  lower_options_init(&o, 64);
  for (int last = 0; last < 2; last++) {
    o.updates_last = last;
    const Plan *p = kit_lower(&kit, &o);
    uint32_t behind = 0;
    for (uint32_t i = plan_settled(p); i < p->commit; i++) behind += p->launch.at[i].flops > 0;
    ck_assert(p->in_place);
    ck_assert_msg((behind == 0) == last, "%u", behind);
  }
  kit_check(&kit);
}
END_TEST

START_TEST(empty) {
  LowerOptions o;
  Sb why;
  lower_options_init(&o, 64);
  kit_begin(&kit, 6);
  kit_root(&kit, build_scalar(&kit.b, OP_TANH,
                              build_leaf(&kit.b, program_leaf(&kit.program,
                                                              (Leaf){.kind = LEAF_INPUT,
                                                                     .type = KIT_TYPE(&kit, DT_F32, 3, 0)})),
                              NO_NODE, NO_NODE));
  sb_init(&why, &kit.arena);
  ck_assert(lower_graph(&kit.arena, kit.b.g, &o, &why) == NULL);
  ck_assert_strn(sb_str(&why), "a value without elements cannot be compiled: f32[3, 0]");
}
END_TEST

START_TEST(stored) {
  static const int64_t size[] = {1, 2, 5, 16, 17, 33, 70};
  for (uint64_t i = 0; i < 7; i++) {
    kit_stored(&kit, i, size[i], size[(3 * i + 2) % 7]);
    kit_check(&kit);
  }
}
END_TEST

START_TEST(random_graphs) {
  for (int turn = 0; turn < 60; turn++) {
    random_graph(&kit, turn);
    kit_check(&kit);
  }
}
END_TEST

/* More buffers than the better order is taken for: nothing overlaps, and little is lost. */
START_TEST(many_buffers_are_placed) {
  kit_begin(&kit, 7);
  enum { MANY = 6000 };
  Plan p = {.arena = &kit.arena};
  size_t live[MANY + 300] = {0}, most = 0;
  for (uint32_t i = 0; i < MANY; i++) {
    PlanBuffer b = {.place = i % 7 ? PLACE_ARENA : PLACE_LEAF, .first = i};
    b.last = i + kit_random(&kit) % (i % 5 ? 20 : 300);
    b.bytes = 1 + kit_random(&kit) % (i % 3 ? 700 : 9000);
    for (uint32_t t = b.first; b.place == PLACE_ARENA && t <= b.last; t++) live[t] += b.bytes;
    VEC_PUSH(&kit.arena, &p.buffer, b);
  }
  for (uint32_t t = 0; t < MANY + 300; t++) most = live[t] > most ? live[t] : most;
  plan_layout(&p, &kit.arena, true);
  Sb why;
  sb_init(&why, &kit.arena);
  ck_assert_msg(plan_verify(&p, &why), STRF, STRA(sb_str(&why)));
  ck_assert_msg(p.arena_bytes < most + most / 2, "%zu bytes for %zu", p.arena_bytes, most);
}
END_TEST

UNIT_MAIN(UNIT("rows", structural_rows, scalar_rows, casts, reductions, padded_reductions, long_reductions,
               extreme_places, sorted_places, linear_algebra, rows, short_rows),
          UNIT("moves", moves, padded_sums, constants), UNIT("windows", convolutions, pools),
          UNIT("steps", assignments, deep_programs, stored, random_graphs, host_functions, checks, fuses,
               updates_come_early, updates_stay_apart, updates_come_last, empty, many_buffers_are_placed))
