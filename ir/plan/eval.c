/* Plans without LLVM: the walker of runtime/core/step.h with the kernel evaluator for native code. And what
 * the host's functions are given. */
#include "ir/plan/plan.h"

static Tensor host_tensor(const Plan *p, NodeId node) {
  const Type *t = &graph_node(p->graph, node)->type;
  Tensor x = {.dtype = (DType)t->dtype, .rank = t->rank, .count = 1};
  if (!type_extents(p->graph->program->dims, t, x.ext)) BUG(p->arena->mem, "plan: symbolic extents");
  for (int i = 0; i < t->rank; i++) x.count *= (size_t)x.ext[i]; /* size-ok: lowering has measured it */
  return x;
}

typedef VEC(PlanSite) Sites;

/* In the order in which the image counts them: bodies where their launches stand. */
static void find_sites(Arena *a, const Plan *p, Sites *sites) {
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const PlanLaunch *l = &p->launch.at[i];
    bool body = l->kind == LAUNCH_LOOP || l->kind == LAUNCH_COND;
    for (int k = 0; body && k < 2; k++)
      if (p->body.at[l->kernel].plan[k]) find_sites(a, p->body.at[l->kernel].plan[k], sites);
    if (l->kind != LAUNCH_HOST) continue;
    PlanSite s = {.host = l->kernel, .nin = l->nbind - 1};
    if (s.nin > PLAN_HOST_INPUTS) BUG(a->mem, "plan: host call with %u arguments", s.nin);
    for (uint32_t k = 0; k < s.nin; k++) s.in[k] = host_tensor(p, graph_in(p->graph, l->node)[k]);
    s.out = host_tensor(p, l->node);
    VEC_PUSH(a, sites, s);
  }
}

PlanSite *plan_sites(Arena *a, const Plan *p, uint32_t *n) {
  Sites sites = {0};
  find_sites(a, p, &sites);
  *n = sites.n;
  return sites.at;
}

bool plan_host(const PlanSite *s, const HostEntry *host, void *const *buf) {
  const HostEntry *h = host ? &host[s->host] : NULL;
  if (!h || !h->fn) return false;
  Tensor in[PLAN_HOST_INPUTS], out = s->out;
  for (uint32_t i = 0; i < s->nin; i++) {
    in[i] = s->in[i];
    in[i].data = buf[i];
  }
  out.data = buf[s->nin];
  if (!h->fn(h->user, in, s->nin, &out)) return false;
  fp_flush(out.dtype, out.data, out.count); /* no subnormal enters */
  return true;
}

typedef struct Eval {
  const Plan *plan;
  const PlanSite *site;
  const HostEntry *host;
  Arena *arena;
} Eval;

/* In two pieces and out of order: what depends on the order of units shows. */
static void run_kernel(void *user, uint32_t kernel, void *const *buf) {
  const Eval *e = user;
  const Kernel *k = e->plan->kernel.at[kernel];
  int64_t units = kernel_units(k), cut = units / 3;
  kernel_eval(k, buf, cut, units, e->arena);
  for (int i = 0; i < k->nbuffer; i++)
    if (k->buffer[i].kind == BUFFER_SCRATCH) memset(buf[i], 0xff, (size_t)kernel_scratch_bytes(k, i));
  kernel_eval(k, buf, 0, cut, e->arena);
}

static bool run_host(void *user, uint32_t site, void *const *buf) {
  const Eval *e = user;
  return plan_host(&e->site[site], e->host, buf);
}

Status plan_eval(const Plan *p, const PlanMemory *m, Arena *scratch) {
  ArenaMark mark = arena_mark(scratch);
  Sb why;
  sb_init(&why, scratch);
  StepImage *image = plan_image(scratch, p, &why);
  if (!image) {
    arena_rewind(scratch, mark);
    return ST_LIMIT;
  }
  uint32_t nsite;
  Eval e = {p, plan_sites(scratch, p, &nsite), m->host, scratch};
  void **base = ARENA_ARRAY(scratch, void *, STEP_LEAF + image->nleaf);
  base[STEP_SCRATCH] = arena_alloc(scratch, image->scratch_bytes, STEP_ALIGN);
  base[STEP_ARENA] = m->arena;
  base[STEP_DATA] = (char *)image + image->data; /* size-ok: within the image */
  for (uint32_t i = 0; i < image->nleaf; i++) base[STEP_LEAF + i] = m->leaf[step_leaves(image)[i]];
  StepEnv env = {.image = image, .base = base, .host = run_host, .eval = run_kernel, .user = &e};
  StepResult r = step_run(&env);
  arena_rewind(scratch, mark);
  return r == STEP_DONE ? ST_OK : r == STEP_CHECK_FAILED ? ST_SELF_CHECK : ST_REJECTED;
}
