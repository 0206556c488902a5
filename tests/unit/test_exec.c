/* Native execution: the interpreter's bits at every level, instruction set and number of threads, with leaves
 * that end at an unmapped page. */
#include "api/exec.h"
#include "isa_kit.h"
#include "lower_random.h"

#include <sys/mman.h>

static Kit kit;
static const int64_t sizes[] = {1, 2, 3, 7, 16, 17, 31, 33, 48, 49, 100};
static int64_t size_of(int i) { return sizes[(size_t)i % (sizeof sizes / sizeof *sizes)]; }

/* Memory that ends at an unmapped page. */
static void *fenced(size_t n) {
  size_t page = 4096, whole = (n + page - 1) / page * page;
  char *p = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert(p != MAP_FAILED && mprotect(p + whole, page, PROT_NONE) == 0);
  return p + whole - n;
}
static void unfence(void *p, size_t n) {
  size_t page = 4096, whole = (n + page - 1) / page * page;
  munmap((char *)p + n - whole, whole + page);
}

static Pool *pool_of(uint32_t threads) {
  size_t bytes;
  ck_assert(pool_bytes(threads, &bytes));
  Pool *p = pool_start(arena_alloc(&kit.arena, bytes, 64), threads);
  ck_assert(p != NULL);
  return p;
}

static void native(const Interp *it, int level, uint32_t threads, bool no_reuse) {
  const char *isa = isa_name();
  Sb why;
  Exec *x;
  sb_init(&why, &kit.arena);
  Pool *pool = threads > 1 ? pool_of(threads) : NULL;
  ExecOptions o = {.level = level, .isa = isa, .pool = pool, .no_reuse = no_reuse};
  Status st = exec_new(&kit.arena, kit.b.g, &o, &x, &why);
  ck_assert_msg(st == ST_OK, "%.*s", (int)why.n, why.p);
  void *leaf[256];
  for (uint32_t i = 0; i < kit.program.leaf.n; i++) {
    leaf[i] = fenced(kit.bytes[i]);
    memcpy(leaf[i], kit.data[i], kit.bytes[i]);
  }
  st = exec_run(x, leaf, NULL, NULL, &why);
  ck_assert_msg(st == ST_OK, "%.*s", (int)why.n, why.p);
  const Graph *g = kit.b.g;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Tensor *want = &it->value[g->root.at[i].node.i];
    Tensor got = exec_root(x, i);
    for (size_t j = 0; j < want->count; j++)
      if (!kit_same(want->dtype, want->data, got.data, j)) {
        kit_show(&kit, NULL);
        ck_abort_msg("level %d %s threads %u: root %u (%s) differs at %zu of %zu", level, isa, threads, i,
                     op_info[node_op(g, g->root.at[i].node)].name, j, want->count);
      }
  }
  for (uint32_t i = 0; i < kit.program.leaf.n; i++) unfence(leaf[i], kit.bytes[i]);
  exec_free(x);
  if (pool) pool_stop(pool);
}

static void everywhere(int turn) {
  static const uint32_t threads[] = {1, 2, 3, 5};
  Interp it = kit_interpret(&kit);
  native(&it, -1, threads[turn % 4], turn % 3 == 2);
  if (turn & 4 ? isa_level() == CPU_AVX2 : isa_level() == CPU_AVX512) native(&it, turn % 4, 1, false);
}

static NodeId unary(Op op, NodeId x) { return build_scalar(&kit.b, op, x, NO_NODE, NO_NODE); }
static NodeId product(DType t, int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
  int64_t xe[2] = {ta ? k : m, ta ? m : k}, ye[2] = {tb ? n : k, tb ? k : n};
  return build_contract(&kit.b, kit_leaf(&kit, kit_type(&kit, t, 2, xe)),
                        kit_leaf(&kit, kit_type(&kit, t, 2, ye)), ta, tb);
}

START_TEST(products) {
  for (int i = 0; i < 24; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 5 == 4;
    NodeId y = product(i % 7 == 6 ? DT_F64 : DT_F32, size_of(i), size_of(i * 3 + i / 11),
                       size_of(i * 7 + i / 5), i & 1, i & 2);
    kit_root(&kit, y);
    kit_root(&kit, unary(OP_TANH, y));
    everywhere(i);
  }
}
END_TEST

START_TEST(structural_rows) {
  for (int i = 0; i < OP_CASES; i++) {
    kit_case(&kit, (uint64_t)i, i);
    everywhere(i);
  }
}
END_TEST

START_TEST(scalar_rows) {
  for (int t = 0; t < 2; t++)
    for (int op = 0, turn = 0; op < OP_COUNT; op++) {
      const OpInfo *o = &op_info[op];
      if (!o->scalar || op == OP_CAST || op == OP_UNIT || strchr(o->sig, 'I') || o->sig[0] == 'i' ||
          o->sig[0] == 'b')
        continue;
      if (turn % 8 == 0) {
        kit_begin(&kit, (uint64_t)(op + t));
        kit.specials = true;
      }
      NodeId x[3] = {NO_NODE, NO_NODE, NO_NODE};
      for (int i = 0; i < o->arity; i++) x[i] = kit_leaf(&kit, KIT_TYPE(&kit, (DType)t, 3, 33));
      kit_root(&kit, build_scalar(&kit.b, (Op)op, x[0], x[1], x[2]));
      if (++turn % 8 == 0) everywhere(turn / 8);
    }
}
END_TEST

START_TEST(lines) {
  for (int i = 0; i < 12; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 3 == 2;
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, i % 4 == 3 ? DT_F64 : DT_F32, 3, size_of(i), size_of(i + 5)));
    int64_t axis = i % 3;
    kit_root(&kit, build_reduce(&kit.b, OP_SUM, x, (uint32_t)(1 + i % 7)));
    kit_root(&kit, build_reduce(&kit.b, OP_MAX, x, (uint32_t)(1 + (i + 3) % 7)));
    kit_root(&kit, build_op(&kit.b, OP_SOFTMAX, &x, 1, &axis, NULL));
    kit_root(&kit, build_op(&kit.b, OP_ARGMAX, &x, 1, &axis, NULL));
    kit_root(&kit, build_op(&kit.b, OP_ARGSORT, &x, 1, (int64_t[]){axis, i % 2}, NULL));
    NodeId label = kit_leaf(&kit, KIT_TYPE(&kit, DT_I32, 3, size_of(i)));
    kit_root(&kit, build_op(&kit.b, OP_CROSS_ENTROPY, (NodeId[]){x, label}, 2, NULL, NULL));
    uint8_t perm[] = {2, 0, 1};
    kit_root(&kit, build_transpose(&kit.b, x, perm));
    everywhere(i);
  }
}
END_TEST

START_TEST(long_sorts) {
  for (int i = 0; i < 8; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 2;
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, (DType)(i % 4), 2, 257 + 31 * i));
    kit_root(&kit, build_op(&kit.b, OP_ARGSORT, &x, 1, (int64_t[]){1, i % 3 == 0}, NULL));
    everywhere(i);
  }
}
END_TEST

START_TEST(windows) {
  static const int64_t cases[][10] = {/* n c h w o k s p d groups */ {2, 1, 8, 8, 4, 3, 1, 1, 1, 1},
                                      {3, 4, 7, 17, 6, 3, 1, 0, 1, 2},
                                      {1, 3, 9, 9, 16, 5, 2, 2, 1, 1},
                                      {18, 2, 16, 33, 17, 3, 1, 1, 1, 1}};
  for (int i = 0; i < 4; i++) {
    const int64_t *c = cases[i];
    kit_begin(&kit, (uint64_t)i);
    int64_t attr[8] = {c[6], c[6], c[7], c[7], c[8], c[8], c[9], 0}, pool[6] = {2, 2, 2, 2, 0, 0};
    Type xt = KIT_TYPE(&kit, DT_F32, c[0], c[1], c[2], c[3]),
         wt = KIT_TYPE(&kit, DT_F32, c[4], c[1] / c[9], c[5], c[5]);
    NodeId x = kit_leaf(&kit, xt), w = kit_leaf(&kit, wt),
           y = build_op(&kit.b, OP_CONV2D, (NodeId[]){x, w}, 2, attr, NULL);
    NodeId g = kit_leaf(&kit, graph_node(kit.b.g, y)->type),
           p = build_op(&kit.b, OP_MAX_POOL2D, &y, 1, pool, NULL);
    kit_root(&kit, y);
    kit_root(&kit, p);
    NodeId in[3] = {y, p, kit_leaf(&kit, graph_node(kit.b.g, p)->type)}, wide[3] = {y};
    kit_root(&kit,
             build_scalar(&kit.b, OP_MUL, build_op(&kit.b, OP_MAX_POOL2D_DX, in, 3, pool, NULL), y, NO_NODE));
    pool[0] = pool[1] = 3; /* overlapping */
    pool[4] = pool[5] = 1;
    wide[1] = build_op(&kit.b, OP_MAX_POOL2D, &y, 1, pool, NULL);
    wide[2] = kit_leaf(&kit, graph_node(kit.b.g, wide[1])->type);
    kit_root(&kit, build_scalar(&kit.b, OP_RELU, build_op(&kit.b, OP_MAX_POOL2D_DX, wide, 3, pool, NULL),
                                NO_NODE, NO_NODE));
    kit_root(&kit, build_op(&kit.b, OP_CONV2D_DX, (NodeId[]){g, w}, 2, attr, &xt));
    kit_root(&kit, build_op(&kit.b, OP_CONV2D_DW, (NodeId[]){x, g}, 2, attr, &wt));
    everywhere(i);
  }
}
END_TEST

START_TEST(steps) {
  for (int i = 0; i < 6; i++) {
    kit_begin(&kit, (uint64_t)i);
    int64_t m = size_of(i + 5), n = size_of(i + 4);
    Type t = KIT_TYPE(&kit, DT_F32, m, n);
    LeafId wl = kit_leaf_id(&kit, t), vl = kit_leaf_id(&kit, t);
    NodeId w = build_leaf(&kit.b, wl), v = build_leaf(&kit.b, vl), g = product(DT_F32, m, n, 17, true, false);
    NodeId v1 = build_scalar(&kit.b, OP_FMA, g, g, v),
           w1 = build_scalar(&kit.b, OP_SUB, w, build_scalar(&kit.b, OP_MUL, v1, g, NO_NODE), NO_NODE);
    if (i % 2) kit_root(&kit, build_contract(&kit.b, w1, w, false, true));
    kit_assign(&kit, wl, w1);
    kit_assign(&kit, vl, v1);
    everywhere(i);
  }
}
END_TEST

/* bf16 and u8 are widened by loads and narrowed by stores, with what lies behind their ends unmapped. */
START_TEST(stored) {
  for (int i = 0; i < 10; i++) {
    kit_stored(&kit, (uint64_t)i, size_of(i + 2), size_of(3 * i + 1));
    everywhere(i);
  }
}
END_TEST

START_TEST(random_graphs) {
  for (int turn = 0; turn < 16; turn++) {
    random_graph(&kit, turn + 100);
    everywhere(turn);
  }
}
END_TEST

ISA_MAIN(UNIT("native", products, structural_rows, scalar_rows, lines, long_sorts, windows, steps, stored,
              random_graphs))
