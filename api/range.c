/* The values an input takes. A label outside the classes, or an index outside its axis, has no meaning, so it
 * is refused before a step sees it, declared or not. */
#include "api/session.h"

/* The input whose values the node has, in another shape perhaps; false when it is computed. */
static bool plain_input(const Graph *g, NodeId n, uint32_t *leaf) {
  while (node_op(g, n) == OP_RESHAPE || node_op(g, n) == OP_NAME || node_op(g, n) == OP_CHECKPOINT)
    n = graph_in(g, n)[0];
  if (node_op(g, n) != OP_LEAF) return false;
  *leaf = (uint32_t)graph_attr(g, n)[0];
  return true;
}

/* The start of the places start, start + 1, .. (dynamic_slice), and how many they are; else n, one. */
static NodeId first_place(const Program *p, const Graph *g, NodeId n, int64_t *many) {
  *many = 1;
  if (node_op(g, n) != OP_ADD) return n;
  NodeId start = graph_in(g, n)[0], step = graph_in(g, n)[1];
  if (node_op(g, start) != OP_BROADCAST || node_op(g, step) != OP_IOTA) return n;
  const Type *t = &graph_node(g, step)->type;
  if (t->rank != 1 || graph_node(g, graph_in(g, start)[0])->type.rank ||
      !dim_is_const(p->dims, t->dim[0], many))
    return n;
  return graph_in(g, start)[0];
}

/* What an operand that is an index counts: classes, or places on an axis. False: it is none. */
static bool counted(const Graph *g, NodeId n, DimId *extent, const char **what) {
  Op op = node_op(g, n);
  bool label = op == OP_CROSS_ENTROPY;
  if (!label && op != OP_GATHER && op != OP_SCATTER_ADD) return false;
  const Type *t = &graph_node(g, graph_in(g, n)[0])->type;
  *extent = t->dim[label ? t->rank - 1 : graph_attr(g, n)[0]];
  *what = label ? "the classes of cross_entropy" : "the places on the axis it is an index of";
  return true;
}

/* Narrows r to what every op counts that has this input as its label or index. */
static void indices(const Program *p, const DimBinding *bind, uint32_t nbind, const Graph *g, uint32_t want,
                    DataRange *r) {
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId n = {i};
    uint32_t leaf;
    int64_t count, many;
    DimId extent;
    const char *what;
    if (!counted(g, n, &extent, &what)) continue;
    if (!plain_input(g, first_place(p, g, graph_in(g, n)[1], &many), &leaf) || leaf != want) continue;
    if (!dim_is_const(p->dims, dim_bind(p->dims, extent, bind, nbind), &count)) continue;
    count -= many - 1;
    if (r->kind == RANGE_INT && r->lo >= 0 && r->hi <= count) continue;
    if (r->kind != RANGE_INT) *r = (DataRange){.kind = RANGE_INT, .lo = 0, .hi = count};
    r->of = what;
    if (r->lo < 0) r->lo = 0;
    if (r->hi > count) r->hi = count;
  }
}

DataRange program_range(const Program *p, const DimBinding *bind, uint32_t nbind, uint32_t leaf) {
  const Leaf *l = &p->leaf.at[leaf];
  DataRange r = {.kind = RANGE_NONE};
  if (l->type.dtype == DT_BOOL)
    r = (DataRange){.kind = RANGE_INT, .lo = 0, .hi = 2};
  else if (l->range.has && l->range.closed)
    r = (DataRange){.kind = RANGE_CLOSED, .from = l->range.lo, .to = l->range.hi};
  else if (l->range.has)
    r = (DataRange){.kind = RANGE_INT, .lo = (int64_t)l->range.lo, .hi = (int64_t)l->range.hi};
  for (uint32_t i = 0; i < p->entry.n; i++) indices(p, bind, nbind, p->entry.at[i].graph, leaf, &r);
  return r;
}

DataRange session_range(const dg_session *s, uint32_t leaf) {
  return program_range(&s->prog, s->p->bound.at, s->p->bound.n, leaf);
}
