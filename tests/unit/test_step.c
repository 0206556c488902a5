/* Every entry point of every example: the reference graph holds no grad and no stop, and the optimised graph
 * gives the same bits in the interpreter. */
#include "base/file.h"
#include "frontend/frontend.h"
#include "ir/interpret/interp.h"
#include "ir/scalar/literal.h"
#include "passes/passes.h"
#include "unit.h"

#include <dirent.h>

static Mem mem;
static Arena arena;
static uint64_t seed = 7;

static double uniform(double lo, double hi) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return lo + (hi - lo) * ((double)(seed >> 11) * 0x1p-53);
}

/* Twice the first operand, or zeros of the result's shape. */
static bool host(void *user, const Tensor *in, uint32_t nin, Tensor *out) {
  (void)user;
  for (size_t i = 0; i < out->count; i++)
    ((float *)out->data)[i] = nin && in[0].count == out->count ? 2 * ((const float *)in[0].data)[i] : 0;
  return true;
}

static void fill(const Leaf *leaf, Tensor *t) {
  for (size_t i = 0; i < t->count; i++) {
    double v = leaf->kind == LEAF_INPUT || leaf->kind == LEAF_PARAM ? uniform(-1, 1) : uniform(0, 1);
    if (leaf->kind == LEAF_STEP || leaf->kind == LEAF_EPOCH) v = 3;
    if (leaf->kind == LEAF_SEED) v = 11;
    if (leaf->range.has) v = leaf->range.lo + uniform(0, 1) * (leaf->range.hi - leaf->range.lo) * 0.999;
    switch (t->dtype) {
    case DT_F32: ((float *)t->data)[i] = (float)v; break;
    case DT_F64: ((double *)t->data)[i] = v; break;
    case DT_I32: ((int32_t *)t->data)[i] = (int32_t)v; break;
    case DT_I64: ((int64_t *)t->data)[i] = (int64_t)v; break;
    case DT_BOOL: ((uint32_t *)t->data)[i] = v > 0.5; break;
    case DT_U8: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case DT_BF16: literal_put(DT_BF16, t->data, i, literal_bf16((float)v)); break;
    case DT_COUNT: break;
    }
  }
  fp_flush(t->dtype, t->data, t->count);
}

static bool equal_bits(const Tensor *a, const Tensor *b) {
  for (size_t i = 0; i < a->count; i++) {
    size_t w = dtype_bytes(a->dtype);
    if (memcmp((const char *)a->data + i * w, (const char *)b->data + i * w, w) == 0) continue;
    float x = 0, y = 0;
    if (a->dtype == DT_F32) x = ((const float *)a->data)[i], y = ((const float *)b->data)[i];
    if (a->dtype != DT_F32 || x == x || y == y) return false;
  }
  return true;
}

static void check_entry(const Program *p, const Entry *e, const char *file) {
  DimBinding bind[16];
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->symbol.n && n < 16; i++) bind[n++] = (DimBinding){p->symbol.at[i], 3};
  Sb why;
  sb_init(&why, &arena);
  Graph *ref = passes_reference(&arena, p, e, bind, n, NULL, &why);
  ck_assert_msg(ref != NULL, "%s: %.*s", file, STRA(sb_str(&why)));
  for (uint32_t i = 0; i < ref->node.n; i++) {
    Op op = node_op(ref, (NodeId){i});
    ck_assert(op != OP_GRAD && op != OP_STOP && op != OP_CUSTOM && op != OP_COTANGENT);
  }
  Graph *opt = passes_optimise(&arena, ref, NULL);
  ck_assert_uint_le(opt->node.n, ref->node.n);
  ck_assert_uint_eq(opt->root.n, ref->root.n);
  Tensor *leaf = ARENA_ARRAY(&arena, Tensor, p->leaf.n);
  HostEntry *hosts = ARENA_ARRAY(&arena, HostEntry, p->externs.n);
  for (uint32_t i = 0; i < p->externs.n; i++) hosts[i].fn = host;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    Type t = p->leaf.at[i].type;
    for (uint8_t k = 0; k < t.rank; k++) t.dim[k] = dim_bind(p->dims, t.dim[k], bind, n);
    ck_assert(tensor_of_type(&arena, p->dims, &t, &leaf[i]));
    fill(&p->leaf.at[i], &leaf[i]);
  }
  Interp a = {.graph = ref, .arena = &arena, .leaf = leaf, .host = hosts},
         b = {.graph = opt, .arena = &arena, .leaf = leaf, .host = hosts};
  ck_assert_msg(interp_run(&a) == ST_OK, "%s: %s", file, a.what);
  ck_assert_msg(interp_run(&b) == ST_OK, "%s: %s", file, b.what);
  for (uint32_t i = 0; i < ref->root.n; i++)
    ck_assert_msg(equal_bits(&a.value[ref->root.at[i].node.i], &b.value[opt->root.at[i].node.i]),
                  "%s: root %u of entry '%.*s' differs", file, i, STRA(names_str(p->names, e->name)));
}

static void check_file(const char *folder, const char *name) {
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  Names names;
  Sources sources;
  Limits limits;
  Diags d;
  Program p;
  names_init(&names, &arena);
  sources_init(&sources, &arena);
  limits_init(&limits);
  diags_init(&d, &arena, &sources, &limits);
  program_init(&p, &arena, &names, &sources, &limits);
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "rb");
  ck_assert(f != NULL);
  char *text = ARENA_ARRAY(&arena, char, 1 << 20);
  size_t n = fread(text, 1, 1 << 20, f);
  fclose(f);
  if (strstr(text, "DG02") || strstr(text, "DG05")) { /* a program that is rejected */
    arena_release(&arena);
    return;
  }
  uint32_t id = sources_add(&sources, str_z(name), (Str){text, n}, false);
  ElabOptions o = {.folder = str_z(folder)};
  AstFile *ast;
  ck_assert_msg(frontend_program(id, &o, &d, &p, &ast), "%s", path);
  for (uint32_t i = 0; i < p.entry.n; i++) check_entry(&p, &p.entry.at[i], path);
  arena_release(&arena);
}

static void check_folder(const char *folder) {
  DIR *dir = opendir(folder);
  ck_assert(dir != NULL);
  uint32_t n = 0;
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    size_t len = strlen(e->d_name);
    if (len < 4 || strcmp(e->d_name + len - 3, ".dg") != 0) continue;
    check_file(folder, e->d_name);
    n++;
  }
  closedir(dir);
  ck_assert_uint_gt(n, 0);
}

START_TEST(seeds) { check_folder("examples/seed"); }
END_TEST
START_TEST(examples) { check_folder("examples"); }
END_TEST
START_TEST(real_cases) { check_folder("tests/realworld"); }
END_TEST
START_TEST(classifier) { check_file("examples/fashion-mnist", "mlp.dg"); }
END_TEST

UNIT_MAIN(UNIT("step", seeds, examples, real_cases, classifier))
