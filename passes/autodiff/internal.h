/* Shared between passes/autodiff*.c only. A level is one graph, or one body taken out of its owner: `from` is
 * copied to `to` with the loops that are differentiated augmented by what the way back needs, then `to` is
 * swept. */
#ifndef DG_PASSES_AUTODIFF_INTERNAL_H
#define DG_PASSES_AUTODIFF_INTERNAL_H

#include "passes/autodiff/vjp.h"
#include "passes/graph/copy.h"

typedef struct LoopPlan LoopPlan;

typedef struct Level {
  const Graph *from;
  Graph *to;
  Copy copy;
  bool *wanted;    /* by node of from: a target, or depends on one along edges that carry gradient */
  bool *hot;       /* by node of from: a differentiated scalar, or read on the way to one */
  LoopPlan **plan; /* by node of from: LOOP nodes that are differentiated */
  Map planned;     /* LOOP of to -> index into plans */
  VEC(LoopPlan *) plans;
} Level;

typedef struct Sweep {
  Graph *g;
  Arena *arena;
  Level *level;
  uint32_t n;        /* nodes when the sweep began */
  bool *wanted;      /* by node: a target is this node or lies behind it */
  NodeId *cotangent; /* by node: so far */
  Map cotangent_of;  /* by the key of a declared rule: the first node that stands for its cotangent */
  const struct ScalarExpr **text; /* derivatives of scalar rows, read once: see Vjp */
  NodeId **of_result;             /* by LOOP or COND node: cotangents of its results; NULL: none has one */
} Sweep;

static inline bool is_real(const Graph *g, NodeId n) {
  return dtype_is_float((DType)graph_node(g, n)->type.dtype);
}

Level level_begin(const Graph *from, Arena *a);
void level_plan(Level *v); /* wanted and hot hold the ends; then every loop between has a plan */
/* Node *i is of a planned loop: it is written whole, and *i becomes its LOOP. */
MUST_USE bool level_augmented(Level *v, uint32_t *i);

/* Marks, among the first n nodes, what depends on a wanted node along edges that carry gradient. */
void autodiff_mark(const Graph *g, uint32_t n, bool *wanted);
Sweep sweep_begin(Level *v, uint32_t n); /* over the first n nodes of v->to */
/* cotangent holds those of the outputs and what the targets' sums start from; wanted the targets. */
void sweep_run(Sweep *s);
void sweep_add(Sweep *s, Builder *b, NodeId to, NodeId dx);
void sweep_loop(Sweep *s, NodeId loop, const NodeId *cotangent);
void sweep_cond(Sweep *s, NodeId cond, const NodeId *cotangent);

Graph *autodiff_bodies(Graph *g, Arena *a); /* without GRAD nodes in bodies */
Graph *autodiff_graph(Graph *g, Arena *a);  /* without GRAD nodes */

#endif
