/* Regions: the bodies of loops and conditions, runs of nodes in the graph's one id space (Region in
 * ir/graph/graph.h). Whoever walks nodes in order walks bodies, too; what differs is here. */
#ifndef DG_IR_REGION_H
#define DG_IR_REGION_H

#include "ir/graph/graph.h"

/* How many regions an op owns: its first operands are their yields. */
static inline uint32_t op_regions(Op op) { return op == OP_LOOP ? 1 : op == OP_COND ? 2 : 0; }
/* Operands before those that become parameters: the yields, and the truth value of a condition. */
static inline uint32_t op_before_params(Op op) { return op == OP_LOOP ? 1 : op == OP_COND ? 3 : 0; }
/* May input k be a node without value? */
static inline bool op_reads_region(Op op, uint32_t k) { return op == OP_RESULT || k < op_regions(op); }

/* The trip count of a loop that only its end ends. */
#define LOOP_UNBOUNDED (INT64_C(1) << 62)
/* As `again`: of one step, and what it computes is not to be shared with what it repeats, nor moved before
 * it. */
#define LOOP_REPEATS (-1)

/* A LOOP taken apart. Operand 1 + k is parameter k, which is node first + k; result k is operand k of the
 * yield. In this order: what is carried, then what comes step by step (operands: a stack along axis 0), then
 * invariants. Results: the last carried values, then a stack of each other one. */
typedef struct LoopInfo {
  uint32_t region, first, carry, step, nparam, nresult;
  NodeId yield;
  DimId trip;
  bool reverse; /* the last step first; stacks keep their order */
  bool ends; /* carried value 0 is a truth value, asked before each step: the loop ends where it is false */
  int64_t again; /* what a loop that walks along a stack of this one reads of it. 0: the stack; 1: it is
                    computed again in each step; k: again, k steps at a time */
} LoopInfo;
LoopInfo graph_loop(const Graph *g, NodeId loop);
static inline bool loop_is_step(const LoopInfo *l, uint32_t k) {
  return k >= l->carry && k < l->carry + l->step;
}

/* New nodes go into a region of the open one, until it is closed behind its YIELD; its owner comes next. */
void graph_region_open(Graph *g);
void graph_region_close(Graph *g);
/* The body that ends in this yield as a graph of its own: PARAM k is node k, what is yielded its roots. */
Graph *graph_body(const Graph *g, NodeId yield, Arena *a);
/* Copying in order: opens and closes regions of `to` where those of `from` begin and end. Called before node
 * n is copied. *at: the region of `from` whose copy is open; 0 at first. */
void graph_region_follow(Graph *to, const Graph *from, NodeId n, uint32_t *at);
/* The owner of the outermost region that node i stands in; i itself where it stands in none. */
uint32_t graph_outermost(const Graph *g, uint32_t i);
/* Node i stands in a body inside of `region`: the owner there. It comes behind all bodies of its own. */
uint32_t graph_owner_in(const Graph *g, uint32_t i, uint32_t region);

/* What the value of node n comes from: its operands, but of a RESULT the yielded values (of a condition's
 * also the truth value, of what a loop carries also the start, and what says that it ends), and of a PARAM
 * the owner's operand and, if it is carried, the yielded value, which stands behind it. What has no value has
 * no sources. */
uint32_t graph_sources(const Graph *g, NodeId n);
NodeId graph_source(const Graph *g, NodeId n, uint32_t k);
GradClass graph_source_class(const Graph *g, NodeId n, uint32_t k);

/* With these dims: the start that a RESULT is, where its loop takes no step; else NO_NODE. */
NodeId graph_start(const Graph *g, NodeId result, const DimBinding *b, size_t n);
/* By node: only loops that take no step with these dims need it. NULL: there is none. */
const bool *graph_idle(const Graph *g, const DimBinding *b, size_t n, Arena *a);

/* live[i] is true: marks its operands and, of an owner, all parameters. For one walk from last to first. */
void graph_mark_read(const Graph *g, uint32_t i, bool *live);
void graph_mark_from(const Graph *g, uint32_t i, bool *live,
                     uint32_t from); /* from node `from` on, which is live[0] */

/* Marks all that the value of a marked node comes from, through bodies. */
void graph_mark_sources(const Graph *g, bool *live);

/* A value of each step as the stack of all; and back. */
Type type_stacked(Type t, DimId trip);
Type type_step(Type t);

#endif
