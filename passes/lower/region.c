/* Loops and conditions: their bodies are lowered as graphs of their own, into plans inside the plan. A body's
 * results are written where the owner wants them, whoever computes them. */
#include "ir/graph/region.h"

#include "base/size.h"
#include "passes/lower/loop.h"

static Plan *body_plan(LowerCx *lo, NodeId yield) {
  Plan *p = lower_body(lo, graph_body(lo->g, yield, lo->plan->arena));
  lo->plan->kernel.at = p->kernel.at; /* one list for all, which the body's kernels have joined */
  lo->plan->kernel.n = p->kernel.n;
  lo->plan->kernel.cap = p->kernel.cap;
  if (p->scratch_bytes > lo->plan->scratch_bytes) lo->plan->scratch_bytes = p->scratch_bytes;
  return p;
}

static size_t bytes_of(const LowerCx *lo, NodeId n, int64_t rows) { /* of one row of `rows` */
  size_t bytes;
  if (!size_mul((size_t)(lo->count[n.i] / rows), dtype_bytes((DType)graph_node(lo->g, n)->type.dtype),
                &bytes))
    BUG(lo->arena->mem, "lower: a row too large");
  return bytes;
}

static void bind(LowerCx *lo, PlanLaunch *l, uint32_t buffer) {
  VEC_PUSH(lo->plan->arena, &lo->plan->bind, buffer);
  l->nbind++;
}

/* Where result k stands: the memory of the RESULT nodes that read it; else memory that nobody reads. */
static void results(LowerCx *lo, NodeId owner, NodeId yield, PlanBody *b, PlanLaunch *l) {
  const Graph *g = lo->g;
  uint32_t n = graph_node(g, yield)->nin;
  NodeId *reader = ARENA_ARRAY(lo->arena, NodeId, n + 1);
  for (uint32_t k = 0; k < n; k++) reader[k] = NO_NODE;
  for (uint32_t i = owner.i + 1; i < g->node.n; i++) {
    if (g->node.at[i].op != OP_RESULT || lo->role[i] == ROLE_DEAD ||
        !node_eq(graph_in(g, (NodeId){i})[0], owner))
      continue;
    NodeId *first = &reader[graph_attr(g, (NodeId){i})[0]];
    if (!node_ok(*first))
      *first = (NodeId){i};
    else
      lo->buffer[i] = plan_buffer_node(lo, *first);
  }
  for (uint32_t k = 0; k < n; k++) {
    NodeId y = graph_in(g, yield)[k];
    DType t = (DType)graph_node(g, y)->type.dtype;
    bool carried = k < b->carry, stack = op_regions(node_op(g, owner)) == 1 && !carried;
    PlanArg r = {.bytes = bytes_of(lo, y, 1)};
    r.buffer = node_ok(reader[k]) ? plan_buffer_node(lo, reader[k]) : plan_buffer_temp(lo, t, lo->count[y.i]);
    r.step = stack && node_ok(reader[k]) ? r.bytes : 0;
    r.spare = r.buffer;
    bind(lo, l, r.buffer);
    VEC_PUSH(lo->plan->arena, &b->result, r);
  }
}

/* What is carried stands in two buffers in turn. */
static void spares(LowerCx *lo, PlanBody *b, PlanLaunch *l) {
  for (uint32_t k = 0; k < b->carry && b->trip > 1; k++) {
    const PlanBuffer *p = &lo->plan->buffer.at[b->result.at[k].buffer];
    b->result.at[k].spare = plan_buffer_temp(lo, (DType)p->dtype, p->n);
    bind(lo, l, b->result.at[k].spare);
  }
}

/* One buffer for the table of addresses and whatever a body needs. */
static void arena(LowerCx *lo, PlanBody *b, PlanLaunch *l) {
  size_t most = 0,
         table = 2 * ((size_t)b->param.n + b->result.n) * sizeof(void *); /* size-ok: counts are 32 bits */
  for (int i = 0; i < 2; i++)
    if (b->plan[i] && b->plan[i]->arena_bytes > most) most = b->plan[i]->arena_bytes;
  b->table = (table + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
  b->arena = plan_buffer_temp(lo, DT_F64, (int64_t)((b->table + most) / sizeof(double)));
  bind(lo, l, b->arena);
}

static void finish(LowerCx *lo, PlanBody *b, PlanLaunch *l, double steps) {
  double ns = 0, flops = 0;
  for (int i = 0; i < 2; i++) {
    double own = 0;
    for (uint32_t k = 0; b->plan[i] && k < b->plan[i]->launch.n; k++)
      own += (double)b->plan[i]->launch.at[k].estimate_ns;
    if (own > ns) ns = own;
    if (b->plan[i] && b->plan[i]->flops > flops) flops = b->plan[i]->flops;
  }
  l->estimate_ns = steps * ns < 1e18 ? (int64_t)(steps * ns) : INT64_MAX / 2;
  l->flops = steps * flops;
  lo->plan->flops += l->flops;
  l->kernel = lo->plan->body.n;
  VEC_PUSH(lo->plan->arena, &lo->plan->body, *b);
  VEC_PUSH(lo->plan->arena, &lo->plan->launch, *l);
}

static void operands(LowerCx *lo, NodeId owner, uint32_t before, uint32_t *buffer) {
  for (uint32_t k = before; k < graph_node(lo->g, owner)->nin; k++)
    buffer[k - before] = lower_plain(lo, graph_in(lo->g, owner)[k]); /* copies come before */
}

static void lower_loop(LowerCx *lo, const LowerGroup *gr) {
  NodeId owner = gr->anchor;
  LoopInfo l = graph_loop(lo->g, owner);
  PlanBody b = {.carry = l.carry, .reverse = l.reverse, .ends = l.ends};
  uint32_t *in = ARENA_ARRAY(lo->arena, uint32_t, l.nparam + 1);
  if (!dim_is_const(lo->g->program->dims, l.trip, &b.trip))
    BUG(lo->arena->mem, "lower: a loop of unknown length");
  operands(lo, owner, 1, in);
  b.plan[0] = body_plan(lo, l.yield);
  PlanLaunch launch = {.kind = LAUNCH_LOOP, .bind = lo->plan->bind.n, .node = owner, .units = 1};
  for (uint32_t k = 0; k < l.nparam; k++) {
    NodeId x = graph_in(lo->g, owner)[1 + k];
    bool step = loop_is_step(&l, k);
    PlanArg p = {.buffer = in[k], .spare = PLAN_NONE, .bytes = bytes_of(lo, x, step ? b.trip : 1)};
    p.step = step ? p.bytes : 0;
    VEC_PUSH(lo->plan->arena, &b.param, p);
    bind(lo, &launch, in[k]);
  }
  results(lo, owner, l.yield, &b, &launch);
  if (lo->opt.loops && loop_fuses(&b)) {
    loop_kernel(lo, owner, &b);
    return;
  }
  spares(lo, &b, &launch);
  arena(lo, &b, &launch);
  finish(lo, &b, &launch, l.ends ? 1 : (double)b.trip);
}

static void lower_cond(LowerCx *lo, const LowerGroup *gr) {
  NodeId owner = gr->anchor;
  uint32_t nparam = graph_node(lo->g, owner)->nin - 3u;
  PlanBody b = {.trip = 1};
  uint32_t *in = ARENA_ARRAY(lo->arena, uint32_t, nparam + 1);
  operands(lo, owner, 3, in);
  b.pred = lower_plain(lo, graph_in(lo->g, owner)[2]);
  for (int i = 0; i < 2; i++) b.plan[i] = body_plan(lo, graph_in(lo->g, owner)[i]);
  PlanLaunch launch = {.kind = LAUNCH_COND, .bind = lo->plan->bind.n, .node = owner, .units = 1};
  bind(lo, &launch, b.pred);
  for (uint32_t k = 0; k < nparam; k++) {
    PlanArg p = {
        .buffer = in[k], .spare = PLAN_NONE, .bytes = bytes_of(lo, graph_in(lo->g, owner)[3 + k], 1)};
    VEC_PUSH(lo->plan->arena, &b.param, p);
    bind(lo, &launch, in[k]);
  }
  results(lo, owner, graph_in(lo->g, owner)[0], &b, &launch);
  arena(lo, &b, &launch);
  finish(lo, &b, &launch, 1);
}

const LowerOp lower_LOOP = {.role = ROLE_OTHER, .kernels = lower_loop};
const LowerOp lower_COND = {.role = ROLE_OTHER, .kernels = lower_cond};
const LowerOp lower_YIELD = {.role = ROLE_DEAD};
const LowerOp lower_PARAM = {.role = ROLE_MEMORY};
const LowerOp lower_RESULT = {.role = ROLE_MEMORY};
