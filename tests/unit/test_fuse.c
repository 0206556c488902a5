/* Groups: what is computed in one kernel, and what is not. */
#include "lower_random.h"
#include "passes/lower/internal.h"

static Kit kit;

static NodeId two(Op op, NodeId x, NodeId y) { return build_scalar(&kit.b, op, x, y, NO_NODE); }
static NodeId one(Op op, NodeId x) { return build_scalar(&kit.b, op, x, NO_NODE, NO_NODE); }

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

UNIT_MAIN(UNIT("groups", crowded_epilogues_stay_apart))
