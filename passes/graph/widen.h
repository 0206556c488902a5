/* Writing a loop with other parameters than it had, from the bodies of one or several loops. */
#ifndef DG_PASSES_WIDEN_H
#define DG_PASSES_WIDEN_H

#include "passes/graph/copy.h"

/* The parameters of a loop that is being written, in order: carried, step by step, invariant. */
typedef struct Wide {
  Graph *to;
  struct WideParam {
    NodeId in;     /* of to: what the loop is given */
    Copy *of;      /* whose node it is in the body; NULL: nobody's, the caller asks by wide_at .. */
    NodeId inside; /* .. and which */
    Type type;
  } *param;
  uint32_t n, carry, step, room;
} Wide;

Wide wide_begin(Graph *to, uint32_t room);
void wide_add(Wide *w, NodeId in, Copy *of, NodeId inside);
void wide_add_typed(Wide *w, NodeId in, Type type); /* stands for no node that is copied */
/* Parameters first to end - 1 of a loop of c->from, as they are. */
void wide_old(Wide *w, Copy *c, NodeId loop, uint32_t first, uint32_t end);
/* Opens the region; the parameters are nodes from here on. wide_at: parameter k. */
void wide_open(Wide *w, LocationId location);
NodeId wide_at(const Wide *w, uint32_t k);
/* Yields, closes the region, and makes the loop: w->carry and w->step say what its parameters are. */
NodeId wide_close(Wide *w, const NodeId *out, uint32_t nout, LoopInfo like, LocationId location,
                  NodeId primal);

/* Completes need (by node from l->first) by what those nodes read, but not behind those of stop (NULL: none).
 */
void body_need(const Graph *g, const LoopInfo *l, bool *need, const bool *stop);
/* Copies what is needed of a body into the open region; what is mapped already stays. need NULL: all. */
void body_copy(Copy *c, const LoopInfo *l, const bool *need);

/* The loop whose way back `loop` is, if parameter k walks along one of its stacks; *result: which of its
 * results. */
MUST_USE bool stack_writer(const Graph *g, NodeId loop, uint32_t k, NodeId *by, uint32_t *result);
/* By RESULT: somebody reads it who does not walk along it. */
bool *stacks_read_whole(const Graph *g, Arena *a);

#endif
