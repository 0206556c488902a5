/* Loops and conditions. A body runs once a step; carried values stand in two buffers in turn and stacks are
 * written row by row, so that all memory of a step is what the arena holds above a mark. Tangents travel the
 * same way. */
#include "ir/graph/region.h"

#include "ir/interpret/eval.h"

/* Values, or their tangents (of floats only). */
typedef struct Flow {
  bool tangent;
  Tensor *node;     /* by node */
  Tensor *carry[2]; /* what even and odd steps read */
  Tensor *result;
} Flow;

static size_t bytes_of(const Tensor *t) { return t->count * dtype_bytes(t->dtype); } /* size-ok: allocated */

static Tensor row_of(const Tensor *stack, int64_t t) {
  Tensor x = *stack;
  x.rank--;
  x.count = 1;
  for (int i = 0; i < x.rank; i++) x.count *= (size_t)(x.ext[i] = stack->ext[i + 1]); /* size-ok: a part */
  if (x.data) x.data = (char *)x.data + (size_t)t * bytes_of(&x); /* size-ok: inside the stack */
  return x;
}

static void put(const Tensor *to, const Tensor *from) { /* no memory: a zero tangent */
  if (from->data)
    memcpy(to->data, from->data, bytes_of(to));
  else
    memset(to->data, 0, bytes_of(to));
}

static bool begin(Flow *f, Eval *e, const LoopInfo *l, Tensor *node) {
  Run *r = e->run;
  const Graph *g = r->graph;
  f->node = node;
  f->result = ARENA_ARRAY(r->arena, Tensor, l->nresult);
  for (int side = 0; side < 2; side++) f->carry[side] = ARENA_ARRAY(r->arena, Tensor, l->carry);
  for (uint32_t k = 0; k < l->nresult; k++) {
    Type t = graph_node(g, graph_in(g, l->yield)[k])->type;
    if (k >= l->carry) t = type_stacked(t, l->trip);
    Tensor shape;
    if (!interp_shape(r, &t, &shape)) return false;
    if (k >= l->carry) f->result[k] = interp_like(r->arena, &shape);
    for (int side = 0; k < l->carry && side < 2; side++) f->carry[side][k] = interp_like(r->arena, &shape);
    if (k < l->carry) put(&f->carry[0][k], &node[graph_in(g, e->id)[1 + k].i]);
  }
  return true;
}

static void bind(const Flow *f, const Eval *e, const LoopInfo *l, int64_t t, int side) {
  const NodeId *in = graph_in(e->run->graph, e->id) + 1;
  for (uint32_t k = 0; k < l->nparam; k++) {
    Tensor *to = &f->node[l->first + k];
    const Tensor *from = &f->node[in[k].i];
    *to = k < l->carry ? f->carry[side][k] : loop_is_step(l, k) && from->data ? row_of(from, t) : *from;
    if (f->tangent && !dtype_is_float(to->dtype)) *to = (Tensor){0};
  }
}

static void take(const Flow *f, const Eval *e, const LoopInfo *l, int64_t t, int side) {
  const NodeId *y = graph_in(e->run->graph, l->yield);
  for (uint32_t k = 0; k < l->nresult; k++) {
    Tensor to = k < l->carry ? f->carry[!side][k] : row_of(&f->result[k], t);
    put(&to, &f->node[y[k].i]);
  }
}

/* Steps until the trip count, or until what says so is false. The side that holds the last values. */
static bool run_steps(Eval *e, const LoopInfo *l, Flow *flow, int nflow, int64_t trip, int *side) {
  Run *r = e->run;
  for (int64_t t = 0; t < trip; t++, *side = !*side) {
    if (l->ends && !*(const int32_t *)flow[0].carry[*side][0].data) break;
    int64_t at = l->reverse ? trip - 1 - t : t;
    ArenaMark m = arena_mark(r->arena);
    for (int i = 0; i < nflow; i++) bind(&flow[i], e, l, at, *side);
    if (!interp_range(r, l->first, l->yield.i, l->region)) return false;
    for (int i = 0; i < nflow; i++) take(&flow[i], e, l, at, *side);
    arena_rewind(r->arena, m);
  }
  return true;
}

bool interp_loop(Eval *e) {
  Run *r = e->run;
  LoopInfo l = graph_loop(r->graph, e->id);
  Flow flow[2] = {{.tangent = false}, {.tangent = true}};
  Tensor *node[2] = {r->it->value, r->it->tangent};
  int64_t trip;
  int side = 0, nflow = r->it->mode == INTERP_DUAL ? 2 : 1;
  if (!dim_is_const(r->graph->program->dims, l.trip, &trip)) return false;
  for (int i = 0; i < nflow; i++)
    if (!begin(&flow[i], e, &l, node[i])) return false;
  r->depth++;
  bool ok = run_steps(e, &l, flow, nflow, trip, &side);
  r->depth--;
  for (int i = 0; i < nflow; i++) {
    for (uint32_t k = l.first; k < l.yield.i; k++) node[i][k] = (Tensor){0}; /* their memory is gone */
    for (uint32_t k = 0; k < l.carry; k++) flow[i].result[k] = flow[i].carry[side][k];
    r->result[i][e->id.i] = flow[i].result;
  }
  return ok;
}

/* The body that is not taken has no values. */
bool interp_cond(Eval *e) {
  Run *r = e->run;
  const Graph *g = r->graph;
  Tensor *node[2] = {r->it->value, r->it->tangent};
  int nflow = r->it->mode == INTERP_DUAL ? 2 : 1;
  const NodeId *in = graph_in(g, e->id);
  NodeId yield = in[*(const int32_t *)e->in[2]->data ? 0 : 1];
  uint32_t region = graph_node(g, yield)->region, first = g->region.at[region].first;
  uint32_t n = graph_node(g, yield)->nin;
  for (uint32_t k = 3; k < e->nin; k++)
    for (int i = 0; i < nflow; i++) node[i][first + k - 3] = node[i][in[k].i];
  r->depth++; /* values of a body are not reused */
  bool ok = interp_range(r, first, yield.i, region);
  r->depth--;
  for (int i = 0; ok && i < nflow; i++) {
    Tensor *to = r->result[i][e->id.i] = ARENA_ARRAY(r->arena, Tensor, n);
    for (uint32_t k = 0; k < n; k++) {
      const Tensor *from = &node[i][graph_in(g, yield)[k].i];
      if (i && !from->data) continue;
      to[k] = interp_like(r->arena, from); /* it may be an operand's memory */
      put(&to[k], from);
    }
  }
  return ok;
}
