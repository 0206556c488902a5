/* The values an input takes. A label outside the classes has no meaning, so it is refused before a step sees
 * it, declared or not. */
#include "api/session.h"

/* The input whose values the node has, in another shape perhaps; false when it is computed. */
static bool plain_input(const Graph *g, NodeId n, uint32_t *leaf) {
  while (node_op(g, n) == OP_RESHAPE || node_op(g, n) == OP_NAME) n = graph_in(g, n)[0];
  if (node_op(g, n) != OP_LEAF) return false;
  *leaf = (uint32_t)graph_attr(g, n)[0];
  return true;
}

/* Narrows r to the classes of every cross_entropy whose labels are this input. */
static void labels(const dg_session *s, const Graph *g, uint32_t want, DataRange *r) {
  const Program *p = &s->p->prog;
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId n = {i};
    uint32_t leaf;
    int64_t classes;
    if (node_op(g, n) != OP_CROSS_ENTROPY || !plain_input(g, graph_in(g, n)[1], &leaf) || leaf != want)
      continue;
    const Type *t = &graph_node(g, graph_in(g, n)[0])->type;
    DimId last = dim_bind(p->dims, t->dim[t->rank - 1], s->p->bound.at, s->p->bound.n);
    if (!dim_is_const(p->dims, last, &classes)) continue;
    if (r->kind == RANGE_INT && r->lo >= 0 && r->hi <= classes) continue;
    if (r->kind != RANGE_INT) *r = (DataRange){.kind = RANGE_INT, .lo = 0, .hi = classes};
    r->classes = true;
    if (r->lo < 0) r->lo = 0;
    if (r->hi > classes) r->hi = classes;
  }
}

DataRange session_range(const dg_session *s, uint32_t leaf) {
  const Program *p = &s->p->prog;
  const Leaf *l = &p->leaf.at[leaf];
  DataRange r = {.kind = RANGE_NONE};
  if (l->type.dtype == DT_BOOL)
    r = (DataRange){.kind = RANGE_INT, .lo = 0, .hi = 2};
  else if (l->range.has && l->range.closed)
    r = (DataRange){.kind = RANGE_CLOSED, .from = l->range.lo, .to = l->range.hi};
  else if (l->range.has)
    r = (DataRange){.kind = RANGE_INT, .lo = (int64_t)l->range.lo, .hi = (int64_t)l->range.hi};
  for (uint32_t i = 0; i < p->entry.n; i++) labels(s, p->entry.at[i].graph, leaf, &r);
  return r;
}
