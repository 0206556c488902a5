/* The invariants of regions: isolated from above, contiguous, nested, and fitting their owners. */
#include "ir/graph/region.h"
#include "ir/graph/verify_internal.h"

/* An owner's regions stand side by side; the last one ends at it. */
static bool in_place(const Graph *g, uint32_t r) {
  const Region *x = &g->region.at[r];
  if (x->owner >= g->node.n || x->outer >= r || x->first >= x->end || x->end > x->owner) return false;
  const Node *owner = &g->node.at[x->owner];
  const Region *outer = &g->region.at[x->outer];
  if (owner->region != x->outer || owner->nin < op_before_params((Op)owner->op)) return false;
  if (x->outer && (x->first < outer->first || x->owner >= outer->end)) return false;
  for (uint32_t k = 0; k < op_regions((Op)owner->op); k++) {
    if (g->edge.at[owner->in + k].i + 1 != x->end) continue;
    bool last = k + 1 == op_regions((Op)owner->op);
    uint32_t behind =
        last ? x->owner : g->region.at[g->node.at[g->edge.at[owner->in + k + 1].i].region].first;
    return behind == x->end;
  }
  return false;
}

bool verify_region_table(const Graph *g, Sb *why) {
  if (g->open) {
    sb_fmt(why, "region %u: not closed", g->open);
    return false;
  }
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Node *n = &g->node.at[i];
    bool ok = n->op < OP_COUNT && (uint64_t)n->in + n->nin <= g->edge.n && n->region < g->region.n;
    for (uint32_t k = 0; ok && k < n->nin; k++) ok = g->edge.at[n->in + k].i < i;
    if (!ok) return verify_wrong(g, i, why, "op, operands or region that are not there, or come later");
  }
  for (uint32_t r = 1; r < g->region.n; r++)
    if (!in_place(g, r)) {
      sb_fmt(why, "region %u: not the nodes right before its owner", r);
      return false;
    }
  return true;
}

/* The parameters of one region: one for each operand behind the first `before`, of its type. */
static bool params_fit(const Graph *g, uint32_t owner, NodeId yield, uint32_t before, const LoopInfo *l,
                       Sb *why) {
  const Node *n = &g->node.at[owner];
  const Region *x = &g->region.at[graph_node(g, yield)->region];
  if (!graph_node(g, yield)->region || x->owner != owner || x->end != yield.i + 1)
    return verify_wrong(g, owner, why, "owns no region");
  for (uint32_t k = 0; k + before < n->nin; k++) {
    Type t = graph_node(g, graph_in(g, (NodeId){owner})[before + k])->type;
    if (l && loop_is_step(l, k)) {
      if (!t.rank || (!dim_eq(t.dim[0], l->trip) && t.dim[0].i && l->trip.i))
        return verify_wrong(g, owner, why, "what comes step by step is no stack of as many steps");
      t = type_step(t);
    }
    const Node *p = &g->node.at[x->first + k];
    if (x->first + k >= yield.i || p->op != OP_PARAM || p->region != graph_node(g, yield)->region)
      return verify_wrong(g, owner, why, "an operand has no parameter");
    if (!verify_agrees(&t, &p->type))
      return verify_wrong(g, owner, why, "an operand does not fit its parameter");
  }
  return true;
}

static bool loop_fits(const Graph *g, uint32_t id, Sb *why) {
  LoopInfo l = graph_loop(g, (NodeId){id});
  const NodeId *out = graph_in(g, l.yield);
  if (!params_fit(g, id, l.yield, 1, &l, why)) return false;
  if (l.nresult < l.carry) return verify_wrong(g, id, why, "yields less than it carries");
  for (uint32_t k = 0; k < l.carry; k++)
    if (!verify_agrees(&graph_node(g, out[k])->type, &g->node.at[l.first + k].type))
      return verify_wrong(g, id, why, "a carried value changes its type");
  if (!l.ends) return true;
  const Type *go = &g->node.at[l.first].type;
  if (!l.carry || l.nresult > l.carry || go->dtype != DT_BOOL || go->rank)
    return verify_wrong(g, id, why, "a loop with an end carries its truth value first and yields no stacks");
  return true;
}

static bool cond_fits(const Graph *g, uint32_t id, Sb *why) {
  const NodeId *in = graph_in(g, (NodeId){id});
  for (uint32_t r = 0; r < 2; r++)
    if (!params_fit(g, id, in[r], 3, NULL, why)) return false;
  bool same = in[0].i < in[1].i && graph_node(g, in[0])->nin == graph_node(g, in[1])->nin;
  for (uint32_t k = 0; same && k < graph_node(g, in[0])->nin; k++)
    same = verify_agrees(&graph_node(g, graph_in(g, in[0])[k])->type,
                         &graph_node(g, graph_in(g, in[1])[k])->type);
  return same || verify_wrong(g, id, why, "the results of its bodies differ");
}

bool verify_region_node(const Graph *g, uint32_t id, uint32_t *at, uint32_t *next, Sb *why) {
  while (*at && g->region.at[*at].end == id) *at = g->region.at[*at].outer;
  for (; *next < g->region.n && g->region.at[*next].first == id; ++*next) {
    if (g->region.at[*next].outer != *at) return verify_wrong(g, id, why, "opens a region of another one");
    *at = *next;
  }
  const Node *n = &g->node.at[id];
  const Region *r = &g->region.at[*at];
  Op op = (Op)n->op;
  if (n->region != *at) return verify_wrong(g, id, why, "stands in another region than it says");
  for (uint16_t k = 0; k < n->nin; k++) {
    NodeId x = g->edge.at[n->in + k] /* of the owner: its yields */;
    if (k < op_regions(op)) continue;
    if (graph_node(g, x)->region != *at) return verify_wrong(g, id, why, "reads a node of another region");
    if (node_op(g, x) == OP_YIELD) return verify_wrong(g, id, why, "reads a yield and is not its owner");
  }
  if ((op == OP_YIELD) != (*at && id + 1 == r->end))
    return verify_wrong(g, id, why, "each region ends in one yield");
  if (op == OP_LEAF && *at) return verify_wrong(g, id, why, "a leaf in a region");
  bool param =
      *at && id - r->first < g->node.at[r->owner].nin - op_before_params((Op)g->node.at[r->owner].op);
  if ((op == OP_PARAM) != param || (param && graph_attr(g, (NodeId){id})[0] != id - r->first))
    return verify_wrong(g, id, why, "parameters stand first, one for each operand of the owner");
  return op == OP_LOOP ? loop_fits(g, id, why) : op == OP_COND ? cond_fits(g, id, why) : true;
}
