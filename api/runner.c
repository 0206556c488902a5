/* One session's memory for a code: by the interpreter or natively. */
#include "api/runner.h"

#include "api/exec.h"
#include "base/size.h"

Status runner_new(dg_program *p, dg_context *cx, const CodeKey *key, Pool *pool, Runner **out, Sb *why) {
  *out = NULL;
  Mem *m = &cx->mem;
  Runner *volatile r = mem_get(m, sizeof *r);
  arena_init(&r->arena, m);
  r->p = p;
  Status st;
  Rescue rescue;
  if (RESCUE(m, &rescue)) { /* what was built goes before the raise goes on */
    st = code_get(p, cx, key, &r->code, why);
    if (st == ST_OK) r->value = ARENA_ARRAY(&r->arena, Tensor, r->code->graph->root.n);
    if (st == ST_OK && r->code->exec) st = exec_share(&r->arena, r->code->exec, pool, &r->exec, why);
    rescue_end(m, &rescue);
  } else {
    runner_free(r);
    mem_raise(m, rescue.status, "%s", rescue.what);
  }
  if (st != ST_OK) {
    runner_free(r);
    return st;
  }
  r->values = arena_mark(&r->arena);
  *out = r;
  return ST_OK;
}

void runner_free(Runner *r) {
  if (!r) return;
  if (r->exec) exec_free(r->exec);
  code_drop(r->p, r->code);
  Mem *m = r->arena.mem;
  arena_release(&r->arena);
  mem_free(m, r, sizeof *r);
}

static Status interpret(Runner *r, void *const *data, const HostEntry *host, const uint32_t *stop, Sb *why) {
  const Program *p = r->code->graph->program;
  arena_rewind(&r->arena, r->values); /* the last run's values */
  Interp it = {.graph = r->code->graph,
               .mode = INTERP_NATIVE,
               .arena = &r->arena,
               .host = host,
               .only_roots = true,
               .stop = stop};
  it.leaf = ARENA_ARRAY(&r->arena, Tensor, p->leaf.n);
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    if (!r->code->reads[i]) continue;
    it.leaf[i] = r->code->leaf[i];
    it.leaf[i].data = data[i];
  }
  Status st = interp_run(&it);
  if (st != ST_OK) {
    sb_fmt(why, "%s", it.what);
    return st;
  }
  for (uint32_t i = 0; i < r->code->graph->root.n; i++)
    r->value[i] = it.value[r->code->graph->root.at[i].node.i];
  /* all assignments happen together: values that stand in a leaf about to change are set aside first */
  Map assigned;
  map_init(&assigned, &r->arena);
  for (uint32_t i = 0; i < r->code->graph->root.n; i++)
    if (r->code->graph->root.at[i].kind == ROOT_ASSIGN)
      map_put(&assigned, (uintptr_t)data[r->code->graph->root.at[i].leaf.i], i);
  for (int turn = 0; turn < 2; turn++)
    for (uint32_t i = 0; i < r->code->graph->root.n; i++) {
      const Root *root = &r->code->graph->root.at[i];
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

Status runner_run(Runner *r, void *const *data, const HostEntry *host, const uint32_t *stop, Sb *why) {
  if (!r->exec) return interpret(r, data, host, stop, why);
  Status st = exec_run(r->exec, data, host, stop, why);
  for (uint32_t i = 0; st == ST_OK && i < r->code->graph->root.n; i++)
    if (r->code->graph->root.at[i].kind != ROOT_ASSIGN) r->value[i] = exec_root(r->exec, i);
  return st;
}
