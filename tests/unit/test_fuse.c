/* Groups: what is computed in one kernel, whatever reshapes stand between, and what is not. */
#include "lower_random.h"
#include "passes/lower/internal.h"

static Kit kit;

static NodeId two(Op op, NodeId x, NodeId y) { return build_scalar(&kit.b, op, x, y, NO_NODE); }
static NodeId one(Op op, NodeId x) { return build_scalar(&kit.b, op, x, NO_NODE, NO_NODE); }
static Type type_of(NodeId n) { return graph_node(kit.b.g, n)->type; }

/* ---- random chains with a reshape at every other step ---- */

enum { ELEMENTS = 96, SHAPES = 13 };
static const int64_t shapes[SHAPES][5] = {/* rank, extents */
                                          {1, 96},       {2, 24, 4},      {2, 6, 16},      {2, 48, 2},
                                          {2, 96, 1},    {2, 1, 96},      {3, 2, 3, 16},   {3, 4, 6, 4},
                                          {3, 6, 1, 16}, {4, 2, 3, 4, 4}, {4, 3, 2, 8, 2}, {4, 1, 6, 16, 1},
                                          {3, 3, 2, 16}};
static Type shape(int i) { return kit_type(&kit, DT_F32, (int)shapes[i][0], shapes[i] + 1); }
static Type some_shape(void) { return shape((int)(kit_random(&kit) % SHAPES)); }

/* A leaf stretched along some axes of t, read across, cut out of a larger one, or padded; a number; an index.
 */
static NodeId operand(Type t) {
  int64_t ext[MAX_RANK];
  for (int i = 0; i < t.rank; i++) ck_assert(dim_is_const(kit.program.dims, t.dim[i], &ext[i]));
  int axis = (int)(kit_random(&kit) % t.rank);
  switch (kit_random(&kit) % 7) {
  case 0:
    for (int i = 0; i < t.rank; i++)
      if (kit_random(&kit) % 2) ext[i] = 1;
    return build_broadcast(&kit.b, kit_leaf(&kit, kit_type(&kit, DT_F32, t.rank, ext)), t);
  case 1: {
    uint8_t perm[MAX_RANK];
    int64_t own[MAX_RANK];
    for (int i = 0; i < t.rank; i++) perm[i] = (uint8_t)((i + axis) % t.rank);
    for (int i = 0; i < t.rank; i++) own[perm[i]] = ext[i];
    return build_transpose(&kit.b, kit_leaf(&kit, kit_type(&kit, DT_F32, t.rank, own)), perm);
  }
  case 2: {
    DimId n = dim_const(kit.program.dims, ext[axis]);
    ext[axis] += 3;
    return build_slice(&kit.b, kit_leaf(&kit, kit_type(&kit, DT_F32, t.rank, ext)), axis,
                       dim_const(kit.program.dims, 2), 1, n);
  }
  case 3: {
    if (ext[axis] < 2) return kit_leaf(&kit, t);
    ext[axis]--;
    NodeId x = kit_leaf(&kit, kit_type(&kit, DT_F32, t.rank, ext));
    int64_t front = kit_random(&kit) % 2, pad[4] = {axis, dim_const(kit.program.dims, front).i,
                                                    dim_const(kit.program.dims, 1 - front).i, 1};
    return build_op(&kit.b, OP_PAD, &x, 1, pad, NULL);
  }
  case 4: return build_const(&kit.b, t, 0.5);
  default: return kit_leaf(&kit, t);
  }
}

/* Sums, softmax or a maximum, of a shape of its own: what a chain begins with. */
static NodeId source(int turn) {
  NodeId x;
  switch (turn % 6) {
  case 0: return kit_product(&kit, DT_F32, 24, 4, 7, false, false, 0);
  case 1: return kit_product(&kit, DT_F32, 3, 16, 5, turn % 2, true, 2);
  case 2: return build_op(&kit.b, OP_SOFTMAX, (x = kit_leaf(&kit, shape(6)), &x), 1, (int64_t[]){2}, NULL);
  case 3: {
    int64_t window[8] = {1, 1, 1, 1, 1, 1, 1, 0};
    NodeId in[2] = {kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 2, 2, 4, 4)),
                    kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 3, 2, 3, 3))};
    return build_op(&kit.b, OP_CONV2D, in, 2, window, NULL);
  }
  case 4: { /* lanes along an axis of extent 1 */
    int64_t window[8] = {1, 1, 0, 0, 1, 1, 1, 0};
    NodeId in[2] = {kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 4, 2, 6, 3)),
                    kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 4, 2, 1, 3))};
    return build_op(&kit.b, OP_CONV2D, in, 2, window, NULL);
  }
  default: return kit_leaf(&kit, some_shape());
  }
}

static NodeId step(NodeId x, NodeId other) {
  Type t = type_of(x);
  switch (kit_random(&kit) % 7) {
  case 0: return build_reshape(&kit.b, x, some_shape());
  case 1: return one(kit_random(&kit) % 2 ? OP_TANH : OP_NEG, x);
  case 2: return two(OP_ADD, x, build_reshape(&kit.b, other, t));
  case 3: {
    NodeId less = two(OP_LT, build_const(&kit.b, t, 0), x);
    return build_scalar(&kit.b, OP_WHERE, less, operand(t), x);
  }
  case 4: {
    uint32_t axes = 1u << kit_random(&kit) % t.rank;
    NodeId wide = build_broadcast(&kit.b, build_reduce(&kit.b, OP_SUM, x, axes), t);
    if (kit_random(&kit) % 2) return two(OP_SUB, x, wide);
    Type u = some_shape(); /* where it may be no view */
    return two(OP_SUB, build_reshape(&kit.b, x, u), build_reshape(&kit.b, wide, u));
  }
  default: return two(kit_random(&kit) % 2 ? OP_MUL : OP_SUB, operand(t), x);
  }
}

START_TEST(reshaped_chains) {
  for (int turn = 0; turn < 150; turn++) {
    kit_begin(&kit, (uint64_t)turn + 5000);
    kit.specials = turn % 4 == 3;
    LeafId w = kit_leaf_id(&kit, some_shape());
    NodeId old = build_leaf(&kit.b, w), x = source(turn), other = old;
    for (int i = 0; i < 12; i++) {
      if (kit_random(&kit) % 2) x = build_reshape(&kit.b, x, some_shape());
      NodeId next = step(x, other);
      if (kit_random(&kit) % 3 == 0) other = x;
      x = next;
    }
    kit_root(&kit, build_reduce(&kit.b, OP_SUM, x, 1));
    kit_root(&kit, other);
    kit_assign(&kit, w,
               build_reshape(&kit.b, two(OP_ADD, x, build_reshape(&kit.b, old, type_of(x))), type_of(old)));
    kit_check(&kit);
  }
}
END_TEST

/* ---- what becomes one ---- */

/* tanh(reshape(x @ w) + b) * mask: a kernel of its own for each reshape in the way, or one. The mask's second
 * axis is stretched in the middle of the product's rows where `fits` is false: rows cannot step along it. */
static uint32_t launches(bool fits, bool fuse) {
  kit_begin(&kit, 5);
  NodeId y = kit_product(&kit, DT_F32, 24, 32, 20, false, false, 0);
  Type t = KIT_TYPE(&kit, DT_F32, 4, 6, 32), u = KIT_TYPE(&kit, DT_F32, 2, 12, 32);
  NodeId bias = build_broadcast(&kit.b, kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 32)), t);
  NodeId h = one(OP_TANH, two(OP_ADD, build_reshape(&kit.b, y, t), bias));
  Type m = fits ? KIT_TYPE(&kit, DT_F32, 2, 12, 1) : KIT_TYPE(&kit, DT_F32, 1, 12, 32);
  kit_root(&kit, two(OP_MUL, build_reshape(&kit.b, h, u), build_broadcast(&kit.b, kit_leaf(&kit, m), u)));
  LowerOptions o;
  lower_options_init(&o, 32);
  o.fuse = fuse;
  uint32_t n = kit_lower(&kit, &o)->launch.n;
  kit_check(&kit);
  return n;
}

START_TEST(fuses_through_reshapes) {
  ck_assert_uint_eq(launches(true, true), 1);
  ck_assert_uint_eq(launches(false, true), 2);
  ck_assert_uint_ge(launches(true, false), 4);
}
END_TEST

/* A value that only a reduction of another shape's chain reads is computed by it all the same. */
START_TEST(reductions_absorb_reshapes) {
  kit_begin(&kit, 6);
  NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 12, 40)), y = one(OP_SQUARE, x);
  NodeId z = one(OP_NEG, build_reshape(&kit.b, y, KIT_TYPE(&kit, DT_F32, 3, 4, 40)));
  kit_root(&kit, build_reduce(&kit.b, OP_SUM, z, 4));
  LowerOptions o;
  lower_options_init(&o, 32);
  ck_assert_uint_eq(kit_lower(&kit, &o)->launch.n, 1);
  kit_check(&kit);
}
END_TEST

/* What is stretched in the middle of rows is made apart; a reduction of what is computed of it reads it
 * there. */
START_TEST(reductions_of_stretched_rows) {
  kit_begin(&kit, 7);
  NodeId x =
      build_reshape(&kit.b, kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 2, 3)), KIT_TYPE(&kit, DT_F32, 2, 3, 1));
  NodeId wide = build_broadcast(&kit.b, x, KIT_TYPE(&kit, DT_F32, 2, 3, 3));
  NodeId y = one(OP_SQUARE, build_reshape(&kit.b, wide, KIT_TYPE(&kit, DT_F32, 2, 9)));
  kit_root(&kit, build_reduce(&kit.b, OP_SUM, y, 3));
  kit_check(&kit);
}
END_TEST

/* An epilogue that reads `in` arrays and writes two: 40 x 40 numbers are 6.25 KiB. Four arrays and more are a
 * pass of their own where the caches do not hold them; then there is one array more. */
START_TEST(crowded_epilogues_stay_apart) {
  static const struct {
    int in;
    int64_t cache;
    uint32_t launches;
  } row[] = {{1, 32 << 10, 1}, {2, 32 << 10, 2}, {3, 32 << 10, 2}, {2, 256 << 10, 1}, {3, 256 << 10, 1}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    kit_begin(&kit, 8);
    Type t = KIT_TYPE(&kit, DT_F32, 40, 40);
    NodeId y = kit_product(&kit, DT_F32, 40, 40, 9, false, false, 0), z;
    for (int k = 0; k < row[i].in; k++) y = two(OP_ADD, y, kit_leaf(&kit, t));
    kit_root(&kit, y);
    kit_root(&kit, z = one(OP_TANH, y));
    LowerOptions o;
    lower_options_init(&o, 32);
    o.cache_l2 = row[i].cache;
    uint32_t n = kit_lower(&kit, &o)->launch.n;
    ck_assert_msg(n == row[i].launches, "row %zu: %u", i, n);
    kit_check(&kit);
  }
}
END_TEST

UNIT_MAIN(UNIT("groups", reshaped_chains, fuses_through_reshapes, reductions_absorb_reshapes,
               reductions_of_stretched_rows, crowded_epilogues_stay_apart))
