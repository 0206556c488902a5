#include "base/size.h"
#include "ir/plan/plan.h"

static Tensor host_tensor(const Plan *p, const PlanMemory *m, NodeId node, uint32_t buffer) {
  const Type *t = &graph_node(p->graph, node)->type;
  const PlanBuffer *b = &p->buffer.at[buffer];
  Tensor x = {
      .dtype = (DType)t->dtype, .rank = t->rank, .count = (size_t)b->n, .data = plan_address(p, m, buffer)};
  if (!type_extents(p->graph->program->dims, t, x.ext)) BUG(p->arena->mem, "plan: symbolic extents");
  return x;
}

Status plan_host(const Plan *p, const PlanMemory *m, const PlanLaunch *l) {
  const HostEntry *h = m->host ? &m->host[l->kernel] : NULL;
  if (!h || !h->fn) return ST_REJECTED;
  Tensor in[8], out;
  uint32_t nin = l->nbind - 1;
  if (nin > 8) BUG(p->arena->mem, "plan: host call with %u arguments", nin);
  for (uint32_t i = 0; i < nin; i++)
    in[i] = host_tensor(p, m, graph_in(p->graph, l->node)[i], p->bind.at[l->bind + i]);
  out = host_tensor(p, m, l->node, p->bind.at[l->bind + nin]);
  if (!h->fn(h->user, in, nin, &out)) return ST_REJECTED;
  fp_flush(out.dtype, out.data, out.count); /* no subnormal enters */
  return ST_OK;
}

bool plan_checks(const Plan *p, const PlanMemory *m) {
  for (uint32_t i = 0; i < p->root.n; i++) {
    const PlanRoot *r = &p->root.at[i];
    if (r->kind != ROOT_CHECK) continue;
    const int32_t *w = plan_address(p, m, r->buffer);
    for (int64_t j = 0; j < p->buffer.at[r->buffer].n; j++)
      if (!w[j]) return false;
  }
  return true;
}

static void kernel_run(const Plan *p, const PlanMemory *m, const PlanLaunch *l, char *scratch, Arena *a) {
  const Kernel *k = p->kernel.at[l->kernel];
  void *buf[KERNEL_BUFFERS];
  size_t offset[KERNEL_BUFFERS];
  if (plan_scratch(k, offset) > p->scratch_bytes) BUG(a->mem, "plan: scratch too small");
  for (int i = 0; i < k->nbuffer; i++)
    buf[i] = k->buffer[i].kind == BUFFER_SCRATCH ? scratch + offset[i]
                                                 : plan_address(p, m, p->bind.at[l->bind + (uint32_t)i]);
  /* in two pieces and out of order: what depends on the order of units shows */
  int64_t units = kernel_units(k), cut = units / 3;
  kernel_eval(k, buf, cut, units, a);
  memset(scratch, 0xff, plan_scratch(k, NULL));
  kernel_eval(k, buf, 0, cut, a);
}

typedef struct EvalRun {
  char *scratch;
  Arena *arena;
} EvalRun;

static void launch(const Plan *p, const PlanMemory *m, const PlanLaunch *l, EvalRun *r);

static void launches(void *cx, const Plan *p, const PlanMemory *m) {
  for (uint32_t i = 0; i < p->launch.n; i++) launch(p, m, &p->launch.at[i], cx);
}

static void launch(const Plan *p, const PlanMemory *m, const PlanLaunch *l, EvalRun *r) {
  if (l->kind == LAUNCH_KERNEL)
    kernel_run(p, m, l, r->scratch, r->arena);
  else
    plan_body(p, m, l, launches, r);
}

Status plan_eval(const Plan *p, const PlanMemory *m, Arena *scratch) {
  uint32_t saved = fp_enter();
  ArenaMark mark = arena_mark(scratch);
  EvalRun run = {arena_alloc(scratch, p->scratch_bytes, PLAN_ALIGN), scratch};
  Status st = ST_OK;
  for (uint32_t i = 0; st == ST_OK && i <= p->launch.n; i++) {
    if (i == p->commit && !plan_checks(p, m)) st = ST_SELF_CHECK;
    if (st != ST_OK || i == p->launch.n) break;
    const PlanLaunch *l = &p->launch.at[i];
    if (l->kind == LAUNCH_HOST)
      st = plan_host(p, m, l);
    else
      launch(p, m, l, &run);
  }
  arena_rewind(scratch, mark);
  fp_leave(saved);
  return st;
}
