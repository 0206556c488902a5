/* Memory of values: fresh from the arena, or, when the caller wants roots only, from values that nobody reads
 * any more. */
#include "ir/interpret/eval.h"

bool interp_is_alias(Op op) { return op == OP_LEAF || op_is(op, OPF_ALIAS); }

void interp_reuse_plan(Run *r) {
  const Graph *g = r->graph;
  r->owner = ARENA_ARRAY(r->arena, uint32_t, g->node.n);
  r->last = ARENA_ARRAY(r->arena, uint32_t, g->node.n);
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Node *n = &g->node.at[i];
    bool kept = n->region || n->op == OP_LEAF || n->op == OP_RESULT || (op_info[n->op].flags & OPF_NO_VALUE);
    bool alias = interp_is_alias((Op)n->op);
    r->owner[i] = kept ? UINT32_MAX : alias ? r->owner[graph_in(g, (NodeId){i})[0].i] : i;
    r->last[i] = i;
    for (uint16_t j = 0; j < n->nin; j++) {
      uint32_t o = r->owner[graph_in(g, (NodeId){i})[j].i];
      if (o != UINT32_MAX) r->last[o] = i;
    }
  }
  for (uint32_t i = 0; i < g->root.n; i++) {
    uint32_t o = r->owner[g->root.at[i].node.i];
    if (o != UINT32_MAX) r->last[o] = UINT32_MAX;
  }
}

/* The smallest free piece that is not far too large. */
void *interp_room(Run *r, size_t bytes) {
  uint32_t best = UINT32_MAX;
  for (uint32_t i = 0; r->owner && !r->depth && i < r->unused.n; i++) {
    size_t has = r->unused.at[i].bytes;
    if (has >= bytes && has / 4 <= bytes && (best == UINT32_MAX || has < r->unused.at[best].bytes)) best = i;
  }
  if (best == UINT32_MAX) return arena_alloc(r->arena, bytes, 64);
  void *p = r->unused.at[best].p;
  r->unused.at[best] = r->unused.at[--r->unused.n];
  memset(p, 0, bytes);
  return p;
}

static void give_back(Run *r, uint32_t owner, uint32_t now) {
  if (owner == UINT32_MAX || r->last[owner] != now) return;
  Tensor *t = &r->it->value[owner];
  size_t bytes = t->count * dtype_bytes(t->dtype); /* size-ok: allocated with this product */
  if (t->data) VEC_PUSH(r->arena, &r->unused, (Unused){t->data, bytes});
  t->data = NULL;
}

void interp_reuse(Run *r, NodeId id) {
  const Node *n = graph_node(r->graph, id);
  for (uint16_t j = 0; j < n->nin; j++) give_back(r, r->owner[graph_in(r->graph, id)[j].i], id.i);
  give_back(r, r->owner[id.i], id.i); /* read by nobody */
}
