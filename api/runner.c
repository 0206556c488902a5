/* From an entry point to something that runs. This is the compiler's second half as a list: reference graph,
 * optimised graph, plan, native code. */
#include "api/runner.h"

#include "api/api.h"
#include "api/exec.h"
#include "base/size.h"
#include "passes/passes.h"

/* Shapes of the leaves that the graph reads or assigns, now that dims have values. */
static Status bind_leaves(Runner *r, const Program *p, const DimBinding *bind, size_t nbind, Sb *why) {
  const Graph *g = r->graph;
  if (program_dims_broken(p, bind, nbind, why) != SIZE_MAX) return ST_REJECTED;
  r->leaf = ARENA_ARRAY(&r->arena, Tensor, p->leaf.n);
  r->reads = ARENA_ARRAY(&r->arena, bool, p->leaf.n);
  bool *touched = ARENA_ARRAY(&r->arena, bool, p->leaf.n);
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_LEAF) {
      uint32_t leaf = (uint32_t)graph_attr(g, (NodeId){i})[0];
      r->reads[leaf] = touched[leaf] = true;
    }
  for (uint32_t i = 0; i < g->root.n; i++)
    if (g->root.at[i].kind == ROOT_ASSIGN) touched[g->root.at[i].leaf.i] = true;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    if (!touched[i]) continue;
    const Type *ty = &p->leaf.at[i].type;
    Tensor *t = &r->leaf[i];
    *t = (Tensor){.dtype = (DType)ty->dtype, .rank = ty->rank, .count = 1};
    for (int k = 0; k < ty->rank; k++)
      if (!dim_eval(p->dims, ty->dim[k], bind, nbind, &t->ext[k]) ||
          !size_mul(t->count, (size_t)t->ext[k], &t->count)) {
        sb_fmt(why, "'" STRF "': axis %d has no value: bind its dim (-D NAME=VALUE, or data)",
               STRA(names_str(p->names, p->leaf.at[i].path)), k);
        return ST_REJECTED;
      }
  }
  return ST_OK;
}

static Status compile(Runner *r, const Program *p, const Entry *e, const DimBinding *bind, size_t nbind,
                      Sb *why) {
  const PassOptions quiet = {0};
  Graph *reference = passes_reference(&r->arena, p, e, bind, nbind, &quiet, why);
  if (!reference) return ST_REJECTED;
  r->graph = passes_optimise(&r->arena, reference, &quiet);
  Status st = bind_leaves(r, p, bind, nbind, why);
  if (st != ST_OK) return st;
  r->value = ARENA_ARRAY(&r->arena, Tensor, r->graph->root.n);
  r->facts.isa = "interpreter";
  if (r->how.interpret) return ST_OK;
  ExecOptions o = {.level = r->how.level, .isa = r->how.isa, .pool = r->how.pool, .cpu = r->how.cpu};
  st = exec_new(&r->arena, r->graph, &o, &r->exec, why);
  if (st != ST_OK) return st;
  const ExecFacts *f = exec_facts(r->exec);
  r->facts = (RunnerFacts){
      .arena_bytes = (int64_t)f->arena_bytes, .kernels = f->kernels, .flops = f->flops, .isa = f->isa};
  return ST_OK;
}

Status runner_new(Mem *m, const Program *p, const Entry *e, const DimBinding *bind, size_t nbind,
                  const RunnerOptions *how, Runner **out, Sb *why) {
  *out = NULL;
  api_stack(m, API_STACK_COMPILE);
  Runner *volatile r = mem_get(m, sizeof *r);
  arena_init(&r->arena, m);
  r->how = *how;
  double began = clock_ms();
  Status st;
  Rescue rescue;
  if (RESCUE(m, &rescue)) { /* what was built goes before the raise goes on */
    st = compile(r, p, e, bind, nbind, why);
    rescue_end(m, &rescue);
  } else {
    runner_free(r);
    mem_raise(m, rescue.status, "%s", rescue.what);
  }
  if (st != ST_OK) {
    runner_free(r);
    return st;
  }
  r->facts.compile_ms = clock_ms() - began;
  r->values = arena_mark(&r->arena);
  *out = r;
  return ST_OK;
}

void runner_free(Runner *r) {
  if (!r) return;
  if (r->exec) exec_free(r->exec);
  Mem *m = r->arena.mem;
  arena_release(&r->arena);
  mem_free(m, r, sizeof *r);
}

static Status interpret(Runner *r, void *const *data, const HostEntry *host, Sb *why) {
  const Program *p = r->graph->program;
  arena_rewind(&r->arena, r->values); /* the last run's values */
  Interp it = {
      .graph = r->graph, .mode = INTERP_NATIVE, .arena = &r->arena, .host = host, .only_roots = true};
  it.leaf = ARENA_ARRAY(&r->arena, Tensor, p->leaf.n);
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    if (!r->reads[i]) continue;
    it.leaf[i] = r->leaf[i];
    it.leaf[i].data = data[i];
  }
  Status st = interp_run(&it);
  if (st != ST_OK) {
    sb_fmt(why, "%s", it.what);
    return st;
  }
  for (uint32_t i = 0; i < r->graph->root.n; i++) r->value[i] = it.value[r->graph->root.at[i].node.i];
  /* all assignments happen together: values that stand in a leaf about to change are set aside first */
  Map assigned;
  map_init(&assigned, &r->arena);
  for (uint32_t i = 0; i < r->graph->root.n; i++)
    if (r->graph->root.at[i].kind == ROOT_ASSIGN)
      map_put(&assigned, (uintptr_t)data[r->graph->root.at[i].leaf.i], i);
  for (int turn = 0; turn < 2; turn++)
    for (uint32_t i = 0; i < r->graph->root.n; i++) {
      const Root *root = &r->graph->root.at[i];
      size_t bytes;
      uint32_t by;
      Tensor *v = &r->value[i];
      if (!size_mul(v->count, dtype_bytes(v->dtype), &bytes)) return ST_LIMIT;
      if (turn == 0 && map_get(&assigned, (uintptr_t)v->data, &by)) {
        void *aside = arena_alloc(&r->arena, bytes, 64);
        memcpy(aside, v->data, bytes);
        v->data = aside;
      } else if (turn == 1 && root->kind == ROOT_ASSIGN) {
        memcpy(data[root->leaf.i], v->data, bytes);
      }
    }
  return ST_OK;
}

Status runner_run(Runner *r, void *const *data, const HostEntry *host, Sb *why) {
  if (r->how.interpret) return interpret(r, data, host, why);
  Status st = exec_run(r->exec, data, host, why);
  for (uint32_t i = 0; st == ST_OK && i < r->graph->root.n; i++)
    if (r->graph->root.at[i].kind != ROOT_ASSIGN) r->value[i] = exec_root(r->exec, i, data);
  return st;
}
