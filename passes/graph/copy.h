/* Copying a graph node by node: what every pass that rebuilds a graph starts from. */
#ifndef DG_PASSES_COPY_H
#define DG_PASSES_COPY_H

#include "passes/pass.h"

typedef struct Copy {
  const Graph *from;
  Graph *to;
  NodeId *map; /* by id of from; NO_NODE: not copied */
} Copy;

/* An empty graph with from's locations and literal tables (their indices stay valid). Roots and nodes are the
 * caller's. */
Copy copy_begin(const Graph *from, Arena *a, bool share);
/* Copies node n, whose operands are mapped. */
NodeId copy_node(Copy *c, NodeId n);
/* Roots in their order, mapped; then the finished graph. */
Graph *copy_end(Copy *c);
/* By node: does a root need it? GRAD counts as reading its scalar and the place it differentiates by. */
bool *graph_live(const Graph *g, Arena *a);

#endif
