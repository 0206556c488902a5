/* Products: every form (blocks of terms, of rows, of columns; panels packed or not; 256 and 512 bit tiles)
 * gives the interpreter's bits, by the kernel evaluator and by native code. */
#include "lower_random.h"

#if DG_CODEGEN
#include "codegen/codegen.h"
#include "runtime/core/fpenv.h"
#endif

static Kit kit;
static const int64_t sizes[] = {1, 2, 3, 7, 16, 17, 31, 33, 48, 49, 100};
static int64_t size_of(int i) { return sizes[(size_t)i % (sizeof sizes / sizeof *sizes)]; }

START_TEST(products) {
  for (int i = 0; i < 66; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 5 == 4;
    DType t = i % 9 == 8 ? DT_F64 : DT_F32;
    NodeId y = kit_product(&kit, t, size_of(i), size_of(i * 3 + i / 11), size_of(i * 7 + i / 5), i & 1, i & 2,
                           i % 6 == 5 ? 3 : 0);
    kit_root(&kit, y);
    kit_check(&kit);
  }
}
END_TEST

START_TEST(epilogues) {
  for (int i = 0; i < 24; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 4 == 3;
    int64_t m = size_of(i), n = size_of(i + 3);
    NodeId y = kit_product(&kit, DT_F32, m, n, size_of(i + 7), i & 1, i & 2, 0);
    Type full = graph_node(kit.b.g, y)->type;
    NodeId bias = build_broadcast(&kit.b, kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, n)), full);
    NodeId z = build_scalar(&kit.b, OP_ADD, y, bias, NO_NODE),
           a = build_scalar(&kit.b, OP_RELU, z, NO_NODE, NO_NODE);
    if (i % 3) kit_root(&kit, z);
    kit_root(&kit, a);
    kit_root(&kit, build_reduce(&kit.b, OP_SUM, a, 1));
    kit_check(&kit);
  }
}
END_TEST

START_TEST(long_products) {
  static const int64_t s[][3] = {{3, 5, 4096},  {17, 16, 5000}, {1, 1, 70000},
                                 {1, 33, 4100}, {20, 1, 65600}, {2, 3, 33000}};
  for (int i = 0; i < 24; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit_root(&kit, kit_product(&kit, DT_F32, s[i / 4][0], s[i / 4][1], s[i / 4][2], i & 1, i & 2, 0));
    kit_check(&kit);
  }
}
END_TEST

/* The pieces of a very long chain are units, so that threads share them. */
START_TEST(pieces_are_units) {
  static const int64_t k[] = {4096, 20000, 65536};
  for (int i = 0; i < 3; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit_root(&kit, kit_product(&kit, DT_F32, 16, 16, k[i], true, false, 0));
    LowerOptions o;
    lower_options_init(&o, 64);
    const Plan *p = kit_lower(&kit, &o);
    int64_t most = 0;
    for (uint32_t j = 0; j < p->launch.n; j++)
      if (p->launch.at[j].units > most) most = p->launch.at[j].units;
    ck_assert_int_ge(most, i ? 9 : 2);
  }
}
END_TEST

/* The plan of one product: its pack launches, the bytes of the arena, and whether a panel is in scratch. */
typedef struct Seen {
  uint32_t packs;
  size_t arena;
  bool panel;
} Seen;
static Seen seen(int64_t m, int64_t n, int64_t k, bool tb, int vector_bytes) {
  kit_begin(&kit, 1);
  kit_root(&kit, kit_product(&kit, DT_F32, m, n, k, false, tb, 0));
  LowerOptions o;
  lower_options_init(&o, vector_bytes);
  o.cache_l2 = 16 << 10;
  const Plan *p = kit_lower(&kit, &o);
  Seen s = {.arena = p->arena_bytes};
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const Kernel *q = p->kernel.at[p->launch.at[i].kernel];
    s.packs += str_eq(q->name, STR("pack"));
    for (int j = 0; j < q->nbuffer; j++) s.panel |= str_eq(q->buffer[j].name, STR("panel"));
  }
  return s;
}

/* Where several blocks of rows meet every panel, or panels are transposed, the operand in the lanes is packed
 * once, into the arena: the plan counts its bytes. Few rows pack in passing, and a huge operand stays where
 * it is. */
START_TEST(packed_once) {
  for (int wide = 0; wide < 2; wide++) {
    int bytes = wide ? 64 : 32;
    Seen s = seen(300, 96, 128, false, bytes);
    ck_assert_uint_eq(s.packs, 1);
    ck_assert(!s.panel);
    ck_assert_uint_ge(s.arena, (300 * 96 + 96 * 128) * sizeof(float));
    s = seen(40, 96, 64, true, bytes);
    ck_assert_uint_eq(s.packs, 1);
    ck_assert(!s.panel);
    s = seen(12, 96, 128, false, bytes);
    ck_assert_uint_eq(s.packs, 0);
    s = seen(300, 1100, 128, false, bytes); /* 550 KiB of 512 */
    ck_assert_uint_eq(s.packs, 0);
    ck_assert(s.panel);
  }
}
END_TEST

static int scattered_stores(const Kernel *k, const KernelStmt *s) {
  int n = 0;
  for (; s; s = s->next) {
    if (s->kind == STMT_LOOP) n += scattered_stores(k, s->loop.body);
    if (s->kind == STMT_STORE)
      n += k->buffer[s->mem.access.buffer].kind == BUFFER_OUT && s->mem.access.at.c != 1;
  }
  return n;
}

/* A weight's gradient with its update behind it: three arrays are read and written, so the lanes lie where
 * those are neighbours, though the product alone would be as well off the other way round. */
START_TEST(update_in_lanes) {
  kit_begin(&kit, 1);
  NodeId g = kit_product(&kit, DT_F32, 512, 256, 128, true, false, 0);
  Type full = graph_node(kit.b.g, g)->type;
  for (int i = 0; i < 3; i++) {
    LeafId w = kit_leaf_id(&kit, full);
    NodeId old = build_leaf(&kit.b, w);
    kit_assign(&kit, w, g = build_scalar(&kit.b, i % 2 ? OP_SUB : OP_ADD, old, g, NO_NODE));
  }
  LowerOptions o;
  lower_options_init(&o, 64);
  o.cache_l1 = 48 << 10;
  o.cache_l2 = 8 << 20; /* else it stands apart */
  const Plan *p = kit_lower(&kit, &o);
  ck_assert_uint_ge(p->kernel.n, 1);
  for (uint32_t i = 0; i < p->kernel.n; i++)
    ck_assert_int_eq(scattered_stores(p->kernel.at[i], p->kernel.at[i]->root), 0);
}
END_TEST

/* ---- blocked forms, forced small ---- */

static LowerOptions blocked(int vector_bytes) {
  static const int64_t terms[] = {0, 1, 5, 8, 16, 21}, rows[] = {0, 1, 13, 24, 40};
  LowerOptions o;
  lower_options_init(&o, vector_bytes);
  o.block_terms = terms[kit_random(&kit) % 6];
  o.block_rows = rows[kit_random(&kit) % 5];
  o.block_pack = (uint8_t)(kit_random(&kit) % (BLOCK_PACK_NEVER + 1));
  o.cache_l1 = kit_random(&kit) % 2 ? 32 << 10 : 1 << 10;
  o.cache_l2 = kit_random(&kit) % 2 ? 512 << 10 : 16 << 10;
  return o;
}

/* A copy of the leaves, and an arena full of NaNs. */
static PlanMemory memory_of(const Plan *p) {
  void **leaf = ARENA_ARRAY(&kit.arena, void *, kit.program.leaf.n + 1);
  for (uint32_t i = 0; i < kit.program.leaf.n; i++) {
    leaf[i] = arena_alloc(&kit.arena, kit.bytes[i], 64);
    memcpy(leaf[i], kit.data[i], kit.bytes[i]);
  }
  PlanMemory m = {.leaf = leaf, .arena = arena_alloc(&kit.arena, p->arena_bytes + 1, PLAN_ALIGN)};
  memset(m.arena, 0xff, p->arena_bytes);
  return m;
}

#if DG_CODEGEN
/* Units from the last to the first, up to three in a call (a sweep then goes round them), scratch full of
 * NaNs before each call. */
static void run_native(const Plan *p, const PlanMemory *m, const char *isa) {
  Sb why;
  CodegenTarget t;
  CodegenOptions c;
  NativeCode *code;
  sb_init(&why, &kit.arena);
  if (codegen_target(&kit.arena, &(TargetRequest){.isa = isa}, &t, &why) != ST_OK) return;
  codegen_options_init(&c, &t);
  KernelFn **fn = ARENA_ARRAY(&kit.arena, KernelFn *, p->kernel.n);
  KernelSet set = {p->kernel.at, p->kernel.n};
  ck_assert_msg(codegen_compile(&kit.arena, &set, &c, &code, fn, NULL, &why) == ST_OK, "%.*s", (int)why.n,
                why.p);
  char *scratch = arena_alloc(&kit.arena, p->scratch_bytes + 1, PLAN_ALIGN);
  FpEnv env = fpenv_enter();
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const PlanLaunch *l = &p->launch.at[i];
    const Kernel *k = p->kernel.at[l->kernel];
    void *buf[KERNEL_BUFFERS];
    size_t offset[KERNEL_BUFFERS];
    ck_assert_uint_le(plan_scratch(k, offset), p->scratch_bytes);
    for (int j = 0; j < k->nbuffer; j++)
      buf[j] = k->buffer[j].kind == BUFFER_SCRATCH ? scratch + offset[j]
                                                   : plan_address(p, m, p->bind.at[l->bind + (uint32_t)j]);
    for (int64_t u = l->units, some; u > 0; u -= some) {
      some = u % 3 + 1 < u ? u % 3 + 1 : u;
      memset(scratch, 0xff, p->scratch_bytes);
      fn[l->kernel](buf, u - some, u);
    }
  }
  fpenv_leave(env);
  native_release(code);
}
#endif

static void check_form(const Interp *it, const LowerOptions *o) {
  ArenaMark mark = arena_mark(&kit.arena);
  Plan *p = kit_lower(&kit, o);
  PlanMemory m = memory_of(p);
  char how[120];
  snprintf(how, sizeof how, "vectors %d, blocks of %lld terms, %lld rows, pack %u", o->vector_bytes,
           (long long)o->block_terms, (long long)o->block_rows, o->block_pack);
  ck_assert_int_eq(plan_eval(p, &m, &kit.arena), ST_OK);
  kit_compare(&kit, p, &m, it, how);
#if DG_CODEGEN
  m = memory_of(p);
  Sb why;
  CodegenTarget t;
  sb_init(&why, &kit.arena);
  const char *isa = o->vector_bytes == 64 ? "avx512" : "avx2";
  if (codegen_target(&kit.arena, &(TargetRequest){.isa = isa}, &t, &why) == ST_OK) {
    run_native(p, &m, isa);
    kit_compare(&kit, p, &m, it, how);
  }
#endif
  arena_rewind(&kit.arena, mark);
}

static void check_blocked(void) {
  Interp it = kit_interpret(&kit);
  for (int form = 0; form < 4; form++) {
    LowerOptions o = blocked(form < 2 ? 32 : 64);
    check_form(&it, &o);
  }
}

/* Panels of one vector of 16, packed in passing or before, whose blocks of terms stay in the first-level
 * cache. */
START_TEST(narrow_panels) {
  for (int i = 0; i < 4; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit_root(&kit, kit_product(&kit, DT_F32, i % 2 ? 130 : 70, i % 2 ? 49 : 64, 65, false, false, 0));
    Interp it = kit_interpret(&kit);
    LowerOptions o;
    lower_options_init(&o, 32);
    o.cache_l1 = 1 << 10;
    o.block_pack = i < 2 ? BLOCK_PACK_ALWAYS : BLOCK_PACK_ONCE;
    check_form(&it, &o);
  }
}
END_TEST

static uint32_t launches_of(const Plan *p, Str name) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->launch.n; i++) n += str_eq(p->kernel.at[p->launch.at[i].kernel]->name, name);
  return n;
}

/* Few rows, or few columns of the left side's transpose, times a matrix that the cache does not hold: blocks
 * of terms go round all panels. Tails, tiles of two heights, an epilogue; a piece of a long chain each. */
START_TEST(few_rows) {
  static const struct {
    int64_t rows, lanes, terms, pieces;
  } s[] = {{1, 320, 64, 1}, {3, 300, 70, 1},  {8, 257, 33, 1},
           {9, 300, 64, 1}, {19, 290, 95, 1}, {1, 270, 4200, 3}};
  for (int i = 0; i < 24; i++) {
    int64_t rows = s[i / 4].rows, lanes = s[i / 4].lanes, k = s[i / 4].terms;
    bool swapped = i & 1;
    kit_begin(&kit, (uint64_t)i);
    NodeId y = kit_product(&kit, i / 4 == 1 ? DT_F64 : DT_F32, swapped ? lanes : rows, swapped ? rows : lanes,
                           k, swapped, false, 0);
    if (i / 4 == 4) y = build_scalar(&kit.b, OP_TANH, y, NO_NODE, NO_NODE);
    kit_root(&kit, y);
    Interp it = kit_interpret(&kit);
    LowerOptions o;
    lower_options_init(&o, i & 2 ? 64 : 32);
    o.cache_l2 = 16 << 10;
    const Plan *p = kit_lower(&kit, &o);
    ck_assert_uint_eq(launches_of(p, STR("sums")), s[i / 4].pieces);
    ck_assert_uint_eq(launches_of(p, STR("product")), s[i / 4].pieces);
    check_form(&it, &o);
  }
}
END_TEST

/* Transposes, batch axes (also of one operand only), tails, an epilogue that also overwrites what it reads.
 */
START_TEST(blocked_products) {
  for (int i = 0; i < 40; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit.specials = i % 7 == 6;
    static const int64_t some[] = {1, 2, 5, 7, 16, 17, 31, 33, 49, 70, 130};
    int64_t e[3];
    for (int j = 0; j < 3; j++) e[j] = some[kit_random(&kit) % (j == 2 ? 9 : 11)];
    DType t = i % 6 == 5 ? DT_F64 : DT_F32;
    bool ta = kit_random(&kit) % 2, tb = kit_random(&kit) % 2;
    int64_t batch = i % 4 == 3 ? 1 + kit_random(&kit) % 3 : 0;
    NodeId y = kit_product(&kit, t, e[0], e[1], e[2], ta, tb, batch);
    Type full = graph_node(kit.b.g, y)->type;
    if (i % 3 == 0) {
      kit_root(&kit, y);
    } else if (i % 3 == 1) {
      NodeId bias = build_broadcast(&kit.b, kit_leaf(&kit, kit_type(&kit, t, 1, &e[1])), full);
      NodeId z = build_scalar(&kit.b, OP_ADD, y, bias, NO_NODE);
      kit_root(&kit, build_scalar(&kit.b, OP_RELU, z, NO_NODE, NO_NODE));
    } else {
      LeafId w = kit_leaf_id(&kit, full);
      NodeId step = build_scalar(&kit.b, OP_MUL, y, build_const(&kit.b, full, 0.1), NO_NODE);
      kit_assign(&kit, w, build_scalar(&kit.b, OP_SUB, build_leaf(&kit.b, w), step, NO_NODE));
    }
    check_blocked();
  }
}
END_TEST

/* A left operand with batch axes times one matrix: the batch goes into the rows. */
START_TEST(shared_right) {
  for (int i = 0; i < 12; i++) {
    kit_begin(&kit, (uint64_t)i);
    int64_t b = size_of(i % 3 + 1), m = i % 4 == 3 ? 1 : size_of(i), n = size_of(i + 4), k = size_of(i + 6);
    NodeId x = kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, 2, b, i % 2 ? k : m, i % 2 ? m : k)),
           w = kit_leaf(&kit, KIT_TYPE(&kit, DT_F32, k, n));
    NodeId wide = build_broadcast(&kit.b, w, KIT_TYPE(&kit, DT_F32, 2, b, k, n));
    NodeId y = build_contract(&kit.b, x, wide, i % 2, false);
    kit_root(&kit, y);
    uint8_t perm[] = {1, 0, 2, 3};
    if (i % 3 == 0)
      kit_root(&kit, build_transpose(&kit.b, build_scalar(&kit.b, OP_RELU, y, NO_NODE, NO_NODE), perm));
    check_blocked();
  }
}
END_TEST

/* Pieces of a long chain, blocked by piece. */
START_TEST(blocked_pieces) {
  static const int64_t s[][3] = {{3, 5, 4096}, {33, 17, 4500}, {2, 70, 5000}, {50, 1, 4100}};
  for (int i = 0; i < 8; i++) {
    kit_begin(&kit, (uint64_t)i);
    kit_root(&kit, kit_product(&kit, DT_F32, s[i / 2][0], s[i / 2][1], s[i / 2][2], true, i % 2, 0));
    check_blocked();
  }
}
END_TEST

static bool uses_scratch(const Plan *p) {
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const Kernel *k = p->kernel.at[p->launch.at[i].kernel];
    for (int j = 0; j < k->nbuffer; j++)
      if (k->buffer[j].kind == BUFFER_SCRATCH) return true;
  }
  return false;
}

/* A panel is packed where its lines meet in so few sets of the first-level cache that it does not stay there:
 * 128 lines 1024 bytes apart have 4 sets of 8 lines. Those of 272 numbers have all sets. */
START_TEST(panels_that_evict_themselves) {
  static const struct {
    int64_t m, n, k;
    bool packed;
  } row[] = {{96, 256, 128, true}, {96, 272, 128, false}, {96, 256, 24, false}, {12, 256, 128, false}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    kit_begin(&kit, 9);
    kit_root(&kit, kit_product(&kit, DT_F32, row[i].m, row[i].n, row[i].k, false, false, 0));
    LowerOptions o;
    lower_options_init(&o, 32);
    ck_assert_msg(uses_scratch(kit_lower(&kit, &o)) == row[i].packed, "row %zu", i);
    if (i == 0) kit_check(&kit);
  }
}
END_TEST

static uint32_t packs_in(const Plan *p) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->launch.n; i++)
    n += p->launch.at[i].kind == LAUNCH_KERNEL &&
         str_eq(p->kernel.at[p->launch.at[i].kernel]->name, STR("pack"));
  return n;
}

/* An operand of several products is packed once for all that want it the same way, but not where its memory
 * has another value by then: the second product of w is of what was assigned in place. */
START_TEST(packs_are_shared) {
  for (int assigned = 0; assigned < 2; assigned++) {
    kit_begin(&kit, 10);
    Type t = KIT_TYPE(&kit, DT_F32, 96, 96);
    LeafId leaf = kit_leaf_id(&kit, t);
    NodeId w = build_leaf(&kit.b, leaf), a = kit_leaf(&kit, t), b = kit_leaf(&kit, t);
    NodeId x = assigned ? w : build_scalar(&kit.b, OP_TANH, w, NO_NODE, NO_NODE);
    NodeId first = build_contract(&kit.b, x, a, true, false);
    if (assigned) {
      x = build_scalar(&kit.b, OP_TANH, x, NO_NODE, NO_NODE);
      kit_assign(&kit, leaf, x);
    }
    kit_root(&kit, first);
    kit_root(&kit, build_contract(&kit.b, x, b, true, false));
    LowerOptions o;
    lower_options_init(&o, 32);
    uint32_t n = packs_in(kit_lower(&kit, &o));
    ck_assert_msg(n == (assigned ? 2 : 1), "%u", n);
    kit_check(&kit);
    kit_root(&kit, build_contract(&kit.b, a, x, false, true)); /* lanes of it, too */
    kit_root(&kit, build_contract(&kit.b, x, x, true, true));
    kit_check(&kit);
  }
}
END_TEST

UNIT_MAIN(UNIT("forms", products, epilogues, long_products, pieces_are_units, packed_once, update_in_lanes),
          UNIT("blocks", narrow_panels, few_rows, blocked_products, shared_right, blocked_pieces,
               panels_that_evict_themselves, packs_are_shared))
