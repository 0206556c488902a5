/* Copying a graph node by node: what every pass that rebuilds a graph starts from. */
#ifndef DG_PASSES_COPY_H
#define DG_PASSES_COPY_H

#include "ir/graph/region.h"
#include "passes/pass.h"

typedef struct Copy {
  const Graph *from;
  Graph *to;
  NodeId *map; /* by id of from, lo to hi - 1 only; NO_NODE: not copied */
  uint32_t lo, hi;
  uint32_t region; /* of from, whose copy is open */
  bool merge;      /* equal loops become one */
  Map loops;       /* hash of a body -> LOOP of to */
} Copy;

/* An empty graph with from's locations and literal tables (their indices stay valid). Roots and nodes are the
 * caller's. */
Copy copy_begin(const Graph *from, Arena *a, bool share);
/* Nodes of from, or lo to hi - 1 of them, into the open region of to, which has its sites and tables. */
Copy copy_into(const Graph *from, Graph *to);
Copy copy_range(const Graph *from, Graph *to, uint32_t lo, uint32_t hi);
/* Before node n is copied by another hand than copy_node: its regions are opened, those behind closed. */
static inline void copy_follow(Copy *c, NodeId n) { graph_region_follow(c->to, c->from, n, &c->region); }
/* Copies node n, whose operands are mapped. */
NodeId copy_node(Copy *c, NodeId n);
/* Roots in their order, mapped; then the finished graph. */
Graph *copy_end(Copy *c);
/* By node: does a root need it? GRAD counts as reading its scalar and the place it differentiates by. */
bool *graph_live(const Graph *g, Arena *a);

#endif
