#include "bench/gemm/product.h"

#include "api/exec.h"
#include "base/mem.h"
#include "ir/graph/build.h"
#include "passes/passes.h"

#include <stdlib.h>

struct Product {
  Mem mem;
  Arena arena;
  Names names;
  Sources sources;
  Limits limits;
  Program program;
  Builder b;
  Exec *exec;
  void *data[2];
  Sb why;
};

static NodeId input(Product *p, const char *name, int64_t rows, int64_t cols) {
  Type t = type_scalar(DT_F32);
  t.dim[t.rank++] = dim_const(p->program.dims, rows);
  t.dim[t.rank++] = dim_const(p->program.dims, cols);
  Leaf l = {.kind = LEAF_INPUT, .path = names_add(&p->names, str_z(name)), .type = t};
  return build_leaf(&p->b, program_leaf(&p->program, l));
}

static Status compile(Product *p, const Shape *s, const char *isa, Pool *pool) {
  p->b = (Builder){graph_new(&p->arena, &p->program, names_add(&p->names, STR("predict"))), {0}, NO_NODE};
  NodeId a = input(p, "a", s->ta ? s->k : s->m, s->ta ? s->m : s->k),
         b = input(p, "b", s->tb ? s->n : s->k, s->tb ? s->k : s->n);
  NodeId c = build_contract(&p->b, a, b, s->ta, s->tb);
  graph_root(p->b.g, ROOT_OUTPUT, names_add(&p->names, STR("c")), (LeafId){0}, c, (Span){0});
  Entry e = {.kind = ENTRY_PREDICT, .graph = p->b.g};
  const PassOptions quiet = {0};
  Graph *g = passes_reference(&p->arena, &p->program, &e, NULL, 0, &quiet, &p->why);
  if (!g) return ST_REJECTED;
  ExecOptions o = {.level = -1, .isa = isa, .pool = pool};
  return exec_new(&p->arena, passes_optimise(&p->arena, g, &quiet), &o, &p->exec, &p->why);
}

Product *product_new(const Shape *s, const Operands *o, const char *isa, Pool *pool) {
  Product *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  mem_init(&p->mem, 0);
  arena_init(&p->arena, &p->mem);
  names_init(&p->names, &p->arena);
  sources_init(&p->sources, &p->arena);
  limits_init(&p->limits);
  sb_init(&p->why, &p->arena);
  program_init(&p->program, &p->arena, &p->names, &p->sources, &p->limits);
  p->data[0] = o->a;
  p->data[1] = o->b;
  if (compile(p, s, isa, pool) == ST_OK) return p;
  fprintf(stderr, "%s: %.*s\n", s->name, (int)p->why.n, p->why.p);
  product_free(p);
  return NULL;
}
void product_free(Product *p) {
  if (!p) return;
  if (p->exec) exec_free(p->exec);
  arena_release(&p->arena);
  free(p);
}
void product_run(Product *p) {
  if (exec_run(p->exec, p->data, NULL, NULL, &p->why) != ST_OK) abort();
}
const float *product_result(const Product *p) { return exec_root(p->exec, 0).data; }
double product_compile_ms(const Product *p) {
  return exec_facts(p->exec)->lower_ms + exec_facts(p->exec)->codegen_ms;
}
Pool *product_pool(int threads) {
  size_t bytes;
  if (threads < 2 || !pool_bytes((uint32_t)threads, &bytes)) return NULL;
  void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  return memory ? pool_start(memory, (uint32_t)threads) : NULL;
}
