/* Signatures through bodies. What holds of one step holds of each: a change of what is carried is another one
 * at every step, constant along the axes along which that of its start and that of its next value are. */
#include "ir/graph/region.h"
#include "passes/diagnose/signature.h"

static uint32_t front(const Type *t) { return UINT32_C(1) << (t->rank - 1); } /* as an axis from the last */

/* One of these, whichever it is. */
static Sig one_of(const SigNode *s, uint32_t n) {
  uint32_t axes = 0xff;
  bool depends = false;
  for (uint32_t k = 0; k < n; k++) {
    if (s->in[k].kind == SIG_NONE) continue;
    if (s->in[k].kind != SIG_SHIFT || s->in[k].masked) return sig_any();
    depends = true;
    axes &= s->in[k].axes;
  }
  return depends ? sig_fresh(s, axes) : sig_none();
}

static Sig of_param(const SigNode *s) {
  NodeId owner = {s->g->region.at[graph_node(s->g, s->n)->region].owner};
  uint32_t k = (uint32_t)graph_attr(s->g, s->n)[0];
  Sig a = s->in[0];
  if (node_op(s->g, owner) == OP_COND) return a;
  LoopInfo l = graph_loop(s->g, owner);
  if (k < l.carry) return one_of(s, 2);
  if (!loop_is_step(&l, k) || a.kind == SIG_NONE || a.kind == SIG_ANY) return a;
  uint32_t steps = front(&graph_node(s->g, graph_source(s->g, s->n, 0))->type);
  if (!(a.axes & steps)) { /* that of this step: one with all stacks that the loop walks */
    sig_rebase(&a, (uint64_t)owner.i << 8 | 3);
    a.axes |= steps;
    a.depth = values_depth(s->v, s->g, l.region);
  }
  return a;
}

static Sig of_result(const SigNode *s) {
  NodeId owner = graph_in(s->g, s->n)[0];
  Sig a = s->in[0];
  if (node_op(s->g, owner) == OP_COND) return sig_same(&a, &s->in[1]) ? a : one_of(s, 2);
  if ((uint32_t)graph_attr(s->g, s->n)[0] < graph_loop(s->g, owner).carry) return one_of(s, 2);
  if (a.kind == SIG_NONE) return a;
  if (a.kind == SIG_ANY || a.masked) return sig_any();
  uint32_t steps = front(&graph_node(s->g, s->n)->type);
  if (a.depth < values_depth(s->v, s->g, graph_loop(s->g, owner).region)) { /* the same at each step */
    a.axes |= steps;
    for (uint32_t k = 0; k < MAX_RANK; k++)
      if (steps >> k & 1) a.map |= UINT32_C(15) << (4 * k);
    return a;
  }
  Sig r = sig_fresh(s, a.axes & ~steps); /* another one at each step */
  r.kind = a.kind;
  return r;
}

Sig sig_body(const SigNode *s) {
  Sig r = node_op(s->g, s->n) == OP_PARAM ? of_param(s) : of_result(s);
  r.times_axes = 0;
  return r;
}
