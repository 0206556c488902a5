/* What tests of lowering share: graphs over random leaves, and plan against interpreter, bit by bit. */
#ifndef DG_TESTS_LOWER_KIT_H
#define DG_TESTS_LOWER_KIT_H

#include "base/mem.h"
#include "ir/graph/build.h"
#include "ir/interpret/interp.h"
#include "ir/plan/plan.h"
#include "ir/scalar/literal.h"
#include "op_cases.h"
#include "passes/lower/lower.h"
#include "passes/pass.h"
#include "unit.h"

#include <math.h>

typedef struct Kit {
  Mem mem;
  Arena arena;
  Names names;
  Sources sources;
  Limits limits;
  Program program;
  Builder b;
  uint64_t seed;
  bool specials;         /* NaN, infinities, -0 and subnormal-producing values in the data */
  const HostEntry *host; /* by extern */
  void *data[256];
  size_t bytes[256];
} Kit;

static inline uint32_t kit_random(Kit *k) {
  k->seed = k->seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(k->seed >> 33);
}
static inline void kit_begin(Kit *k, uint64_t seed) {
  if (k->arena.mem) arena_release(&k->arena);
  memset(k, 0, sizeof *k);
  k->seed = seed * 977 + 1;
  mem_init(&k->mem, 0);
  arena_init(&k->arena, &k->mem);
  names_init(&k->names, &k->arena);
  sources_init(&k->sources, &k->arena);
  limits_init(&k->limits);
  program_init(&k->program, &k->arena, &k->names, &k->sources, &k->limits);
  k->b = (Builder){graph_new(&k->arena, &k->program, names_add(&k->names, STR("step"))), {0}, NO_NODE};
}
static inline Type kit_type(Kit *k, DType t, int rank, const int64_t *ext) {
  Type r = type_scalar(t);
  for (int i = 0; i < rank; i++) r.dim[r.rank++] = dim_const(k->program.dims, ext[i]);
  return r;
}
#define KIT_TYPE(k, t, ...)                                                                                  \
  kit_type((k), (t), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                              \
           (const int64_t[]){__VA_ARGS__})

static inline double kit_number(Kit *k) {
  static const double special[] = {0.0,     -0.0,     INFINITY, -INFINITY, NAN,
                                   1.2e-38, -1.2e-38, 3e38,     1e-20,     -1e-20};
  if (k->specials && kit_random(k) % 23 == 0) return special[kit_random(k) % 10];
  if (kit_random(k) % 5 == 0) return (double)(int)(kit_random(k) % 7) - 3; /* ties */
  return ((double)kit_random(k) / 1073741824.0 - 1) * 3;
}
static inline void kit_fill(Kit *k, DType t, void *p, size_t n) {
  for (size_t i = 0; i < n; i++) switch (t) {
    case DT_F32: ((float *)p)[i] = (float)kit_number(k); break;
    case DT_F64: ((double *)p)[i] = kit_number(k); break;
    case DT_I32: ((int32_t *)p)[i] = (int32_t)(kit_random(k) % 9) - 2; break;
    case DT_I64: ((int64_t *)p)[i] = (int64_t)(kit_random(k) % 9) - 2; break;
    case DT_BOOL: ((int32_t *)p)[i] = (int32_t)(kit_random(k) % 2); break;
    case DT_U8: ((uint8_t *)p)[i] = (uint8_t)kit_random(k); break;
    case DT_BF16: literal_put(t, p, i, literal_bf16((float)kit_number(k))); break;
    case DT_COUNT: break;
    }
  fp_flush(t, p, n);
}
static inline void kit_data(Kit *k, LeafId id) {
  Type t = k->program.leaf.at[id.i].type;
  Tensor x;
  if (!tensor_of_type(&k->arena, k->program.dims, &t, &x)) ck_abort_msg("symbolic leaf");
  kit_fill(k, (DType)t.dtype, x.data, x.count);
  k->data[id.i] = x.data;
  k->bytes[id.i] = x.count * dtype_bytes((DType)t.dtype);
}
static inline LeafId kit_leaf_id(Kit *k, Type t) {
  Leaf l = {.kind = LEAF_STATE,
            .path = names_add(&k->names, str_fmt(&k->arena, "x%u", k->program.leaf.n)),
            .type = t};
  LeafId id = program_leaf(&k->program, l);
  kit_data(k, id);
  return id;
}
static inline NodeId kit_leaf(Kit *k, Type t) { return build_leaf(&k->b, kit_leaf_id(k, t)); }
static inline void kit_root(Kit *k, NodeId n) {
  graph_root(k->b.g, ROOT_OUTPUT, names_add(&k->names, str_fmt(&k->arena, "y%u", k->b.g->root.n)),
             (LeafId){0}, n, (Span){0});
}
static inline void kit_assign(Kit *k, LeafId l, NodeId n) {
  graph_root(k->b.g, ROOT_ASSIGN, (Sym){0}, l, n, (Span){0});
}

/* Leaves that are stored as bf16 and u8 among those of f32: read by arithmetic, moves, reductions, products
 * and as an index, and assigned. */
static inline void kit_stored(Kit *k, uint64_t seed, int64_t m, int64_t n) {
  kit_begin(k, seed);
  Builder *b = &k->b;
  LeafId w16 = kit_leaf_id(k, KIT_TYPE(k, DT_BF16, m, n)), v16 = kit_leaf_id(k, KIT_TYPE(k, DT_BF16, n)),
         plain = kit_leaf_id(k, KIT_TYPE(k, DT_F32, m, n));
  NodeId w = build_leaf(b, w16), v = build_leaf(b, v16), f = build_leaf(b, plain),
         x = build_cast(b, kit_leaf(k, KIT_TYPE(k, DT_U8, m, n)), DT_F32),
         at = kit_leaf(k, KIT_TYPE(k, DT_U8, m));
  Type square = graph_node(b->g, w)->type;
  NodeId y = build_scalar(b, OP_FMA, x, w, build_broadcast(b, v, square)),
         e = build_scalar(b, OP_MUL, w, build_const(b, square, 0.3), NO_NODE);
  kit_root(k, y);
  kit_root(k, w);
  kit_root(k, build_reduce(b, OP_SUM, build_scalar(b, OP_MUL, x, w, NO_NODE), 2));
  kit_root(k, build_reduce(b, OP_MAX, w, 1));
  kit_root(k, build_scalar(b, OP_ADD, build_transpose(b, w, (uint8_t[]){1, 0}),
                           build_transpose(b, y, (uint8_t[]){1, 0}), NO_NODE));
  kit_root(k, build_contract(b, x, w, false, true));
  kit_root(k, build_contract(b, w, f, true, false));
  kit_root(k, build_op(b, OP_GATHER, (NodeId[]){w, at}, 2, (int64_t[]){0, 0}, NULL));
  kit_assign(k, w16,
             build_scalar(b, OP_ROUND_BF16, build_scalar(b, OP_ADD, e, f, NO_NODE), NO_NODE, NO_NODE));
  kit_assign(k, v16, build_scalar(b, OP_MUL, v, build_const(b, graph_node(b->g, v)->type, 0.7), NO_NODE));
  kit_assign(k, plain, build_scalar(b, OP_SUB, f, w, NO_NODE));
  PassCx cx = {.arena = &k->arena, .program = &k->program};
  b->g = passes_run(b->g, &cx, (PassId[]){PASS_storage}, 1);
}

static inline NodeId kit_product(Kit *k, DType t, int64_t m, int64_t n, int64_t depth, bool ta, bool tb,
                                 int64_t batch) {
  int64_t xe[3] = {batch, ta ? depth : m, ta ? m : depth}, ye[3] = {batch, tb ? n : depth, tb ? depth : n};
  int skip = batch == 0;
  NodeId x = kit_leaf(k, kit_type(k, t, 3 - skip, xe + skip)),
         y = kit_leaf(k, kit_type(k, t, 3 - skip, ye + skip));
  return build_contract(&k->b, x, y, ta, tb);
}

/* The graph of a structural op's case (op_cases.h) and of its derivatives by every float input. */
static inline void kit_case(Kit *k, uint64_t seed, int i) {
  char text[2048];
  Sb why;
  Graph *g;
  kit_begin(k, seed);
  sb_init(&why, &k->arena);
  ck_assert_msg(graph_parse(&k->program, str_z(op_case_graph(i, text, sizeof text)), &g, &why), "%.*s",
                (int)why.n, why.p);
  k->b.g = g;
  for (uint32_t l = 0; l < k->program.leaf.n; l++) kit_data(k, (LeafId){l});
  NodeId y = g->root.at[0].node;
  Type t = graph_node(g, y)->type;
  if (strchr(op_info[node_op(g, y)].cls, 'd')) {
    uint32_t axes = (1u << t.rank) - 1;
    NodeId loss = build_scalar(&k->b, OP_SQUARE, y, NO_NODE, NO_NODE);
    if (axes) loss = build_drop_axes(&k->b, build_reduce(&k->b, OP_SUM, loss, axes), axes);
    for (uint32_t l = 0; l < k->program.leaf.n; l++)
      if (dtype_is_float((DType)k->program.leaf.at[l].type.dtype))
        kit_root(k,
                 build_op(&k->b, OP_GRAD, (NodeId[]){loss, build_leaf(&k->b, (LeafId){l})}, 2, NULL, NULL));
  }
  PassCx cx = {.arena = &k->arena, .program = &k->program};
  static const PassId list[] = {PASS_autodiff, PASS_erase};
  k->b.g = passes_run(g, &cx, list, 2);
}

static inline bool kit_same(DType t, const void *a, const void *b, size_t i) {
  switch (t) {
  case DT_F32: {
    float x = ((const float *)a)[i], y = ((const float *)b)[i];
    return (isnan(x) && isnan(y)) || memcmp(&x, &y, sizeof x) == 0;
  }
  case DT_F64: {
    double x = ((const double *)a)[i], y = ((const double *)b)[i];
    return (isnan(x) && isnan(y)) || memcmp(&x, &y, sizeof x) == 0;
  }
  case DT_I32:
  case DT_BOOL: return ((const int32_t *)a)[i] == ((const int32_t *)b)[i];
  case DT_I64: return ((const int64_t *)a)[i] == ((const int64_t *)b)[i];
  case DT_U8: return ((const uint8_t *)a)[i] == ((const uint8_t *)b)[i];
  case DT_BF16: {
    uint16_t x = ((const uint16_t *)a)[i], y = ((const uint16_t *)b)[i];
    return x == y || ((x & 0x7fff) > 0x7f80 && (y & 0x7fff) > 0x7f80);
  }
  case DT_COUNT: break;
  }
  return false;
}

/* The interpreter's values; leaves the leaves as they were. */
static inline Interp kit_interpret(Kit *k) {
  Graph *g = k->b.g;
  Interp it = {.graph = g, .mode = INTERP_NATIVE, .arena = &k->arena, .host = k->host};
  it.leaf = ARENA_ARRAY(&k->arena, Tensor, k->program.leaf.n + 1);
  for (uint32_t i = 0; i < k->program.leaf.n; i++) {
    if (!tensor_of_type(&k->arena, k->program.dims, &k->program.leaf.at[i].type, &it.leaf[i]))
      ck_abort_msg("symbolic leaf");
    memcpy(it.leaf[i].data, k->data[i], k->bytes[i]);
  }
  Sb why;
  sb_init(&why, &k->arena);
  ck_assert_msg(graph_verify(g, &why), "%.*s", (int)why.n, why.p);
  Status st = interp_run(&it);
  ck_assert_msg(st == ST_OK, "%s", it.what);
  return it;
}

static inline void kit_show(Kit *k, const Plan *p) {
  Sb s;
  sb_init(&s, &k->arena);
  graph_print(k->b.g, &s);
  if (p) {
    plan_print(p, &s);
    plan_print_kernels(p, &s);
  }
  fprintf(stderr, "%.*s\n", (int)s.n, s.p);
}

/* What a run left against the interpreter. */
static inline void kit_compare(Kit *k, const Plan *p, const PlanMemory *m, const Interp *it,
                               const char *how) {
  const Graph *g = k->b.g;
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Tensor *want = &it->value[g->root.at[i].node.i];
    const void *got = plan_address(p, m, p->root.at[i].buffer);
    for (size_t j = 0; j < want->count; j++)
      if (!kit_same(want->dtype, want->data, got, j)) {
        kit_show(k, p);
        double w = want->dtype == DT_F32   ? ((float *)want->data)[j]
                   : want->dtype == DT_F64 ? ((double *)want->data)[j]
                                           : ((int32_t *)want->data)[j];
        double h = want->dtype == DT_F32   ? ((const float *)got)[j]
                   : want->dtype == DT_F64 ? ((const double *)got)[j]
                                           : ((const int32_t *)got)[j];
        ck_abort_msg("%s: root %u (%s) element %zu of %zu: %a, the interpreter has %a", how, i,
                     op_info[node_op(g, g->root.at[i].node)].name, j, want->count, h, w);
      }
  }
}

static inline Plan *kit_lower(Kit *k, const LowerOptions *o) {
  Sb why;
  sb_init(&why, &k->arena);
  Rescue r;
  Plan *p = NULL;
  if (RESCUE(&k->mem, &r)) {
    p = lower_graph(&k->arena, k->b.g, o, &why);
    rescue_end(&k->mem, &r);
  } else {
    kit_show(k, NULL);
    ck_abort_msg("%s", r.what);
  }
  ck_assert_msg(p != NULL, "%.*s", (int)why.n, why.p);
  if (!plan_verify(p, &why)) {
    kit_show(k, p);
    ck_abort_msg("%.*s", (int)why.n, why.p);
  }
  for (uint32_t i = 0; i < p->kernel.n; i++)
    if (!kernel_independent(p->kernel.at[i], &why)) {
      kit_show(k, p);
      ck_abort_msg("%.*s", (int)why.n, why.p);
    }
  return p;
}

enum { KIT_WAYS = 7 };
/* Every option against the interpreter. */
static inline void kit_check(Kit *k) {
  Interp it = kit_interpret(k);
  for (int o = 0; o < KIT_WAYS; o++) {
    LowerOptions opt;
    lower_options_init(&opt, o & 1 ? 32 : 64);
    opt.fuse = o != 2;
    opt.in_place = o != 3;
    opt.reuse = o != 3;
    opt.loops = o != 3 && o != 4;
    opt.updates_last = o == 6;
    if (o == 6) opt.cache_l1 = 512, opt.cache_l2 = 1024; /* nothing fits */
    if (o == 4 || o == 5)
      opt.block_terms = 5, opt.block_rows = o == 4 ? 11 : 40, opt.block_pack = BLOCK_PACK_ALWAYS;
    ArenaMark mark = arena_mark(&k->arena);
    Plan *p = kit_lower(k, &opt);
    void *leaf[256];
    for (uint32_t i = 0; i < k->program.leaf.n; i++) {
      leaf[i] = arena_alloc(&k->arena, k->bytes[i], 64);
      memcpy(leaf[i], k->data[i], k->bytes[i]);
    }
    void *mem = arena_alloc(&k->arena, p->arena_bytes, PLAN_ALIGN);
    memset(mem, 0xff, p->arena_bytes);
    PlanMemory m = {.leaf = leaf, .arena = mem, .host = k->host};
    Status st = plan_eval(p, &m, &k->arena);
    ck_assert_int_eq(st, ST_OK);
    char how[40];
    snprintf(how, sizeof how, "vectors %d fuse %d in place %d", opt.vector_bytes, opt.fuse, opt.in_place);
    kit_compare(k, p, &m, &it, how);
    arena_rewind(&k->arena, mark);
  }
}

#endif
