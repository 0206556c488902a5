/* Loops and conditions of a plan. What is carried stands in two buffers in turn, so that the last step writes
 * the result's own; the first reads the start where it is. Rows of stacks are read and written in place. */
#include "ir/plan/plan.h"

static void body_once(const PlanBody *b, int side, const PlanMemory *m, PlanRun *run, void *cx) {
  const Plan *p = b->plan[side];
  run(cx, p, m);
  for (uint32_t k = 0; k < p->root.n;
       k++) { /* what is not written where it is wanted: a parameter, one of two */
    const PlanBuffer *from = &p->buffer.at[p->root.at[k].buffer];
    if (from->place == PLACE_YIELD && from->index == k) continue;
    memcpy(m->yield[k], plan_address(p, m, p->root.at[k].buffer), b->result.at[k].bytes);
  }
}

static void *row(char *stack, const PlanArg *a, int64_t at) {
  return stack + (size_t)at * a->step; /* size-ok: within the buffer, which the verifier measured */
}

static void loop(const PlanBody *b, const PlanMemory *m, char *const *row_in, char *const *row_out,
                 PlanRun *run, void *cx) {
  int64_t done = 0;
  for (; done < b->trip; done++) {
    if (b->ends && !*(const int32_t *)m->param[0]) break;
    int64_t at = b->reverse ? b->trip - 1 - done : done;
    bool own =
        b->ends ? done % 2 == 0 : (b->trip - done) % 2 != 0; /* the last step writes the result's own */
    for (uint32_t k = b->carry; k < b->param.n; k++) m->param[k] = row(row_in[k], &b->param.at[k], at);
    for (uint32_t k = 0; k < b->result.n; k++)
      m->yield[k] = k < b->carry ? (own ? row_out[k] : row_in[k]) : row(row_out[k], &b->result.at[k], at);
    body_once(b, 0, m, run, cx);
    for (uint32_t k = 0; k < b->carry; k++) m->param[k] = m->yield[k];
  }
  for (uint32_t k = 0; k < b->carry; k++)
    if (m->param[k] != row_out[k]) memcpy(row_out[k], m->param[k], b->result.at[k].bytes);
}

void plan_body(const Plan *p, const PlanMemory *m, const PlanLaunch *l, PlanRun *run, void *cx) {
  const PlanBody *b = &p->body.at[l->kernel];
  char *mem = plan_address(p, m, b->arena);
  uint32_t n = b->param.n, r = b->result.n;
  void **table = (void **)mem;
  PlanMemory inner = {m->leaf, mem + b->table, m->host, table, table + n};
  char **row_in = (char **)(table + n + r), **row_out = row_in + n;
  for (uint32_t k = 0; k < n; k++) {
    inner.param[k] = plan_address(p, m, b->param.at[k].buffer);
    row_in[k] = inner.param[k];
  }
  for (uint32_t k = 0; k < r; k++) {
    row_out[k] = plan_address(p, m, b->result.at[k].buffer);
    inner.yield[k] = row_out[k];
    if (k < b->carry) row_in[k] = plan_address(p, m, b->result.at[k].spare);
  }
  if (l->kind == LAUNCH_LOOP)
    loop(b, &inner, row_in, row_out, run, cx);
  else
    body_once(b, *(const int32_t *)plan_address(p, m, b->pred) ? 0 : 1, &inner, run, cx);
}
