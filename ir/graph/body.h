/* Building bodies of loops and conditions. A body grows in a graph of its own, so that the graph around it
 * can grow meanwhile: a value that is first asked for inside is made where it is declared, and captured. When
 * the body is finished it is written into the graph around as one run of nodes, and its owner behind it.
 * Bodies nest; a capture becomes a parameter of every body between. */
#ifndef DG_IR_BODY_H
#define DG_IR_BODY_H

#include "ir/graph/build.h"

typedef struct Body {
  Graph *g;            /* of the body; of the outermost Body: the graph itself */
  struct Body *around; /* NULL: the graph itself */
  Map seen;            /* node of the graph around -> index of the parameter that stands for it */
  VEC(NodeId) param;   /* in g */
  VEC(NodeId) from;    /* around: what the parameters stand for */
  uint32_t own;        /* parameters that are carried or come step by step; those behind are captures */
  bool loop;           /* of a loop: it has a step index */
  NodeId index;        /* in g: that index, once asked for; NO_NODE */
} Body;

Body body_outermost(Graph *g);
Body body_begin(Body *around);
/* Of a loop: first what is carried, then what comes step by step; each is its own parameter. */
NodeId body_carry(Body *x, NodeId start, LocationId location);
NodeId body_step(Body *x, NodeId stack, LocationId location);
/* The same of a body that is never written: only its type is known. */
NodeId body_guess(Body *x, Type t, LocationId location);
/* Of a loop: how many steps came before this one, i32. The loop counts when somebody asks. */
NodeId body_index(Body *x);
/* Node n of the graph of `own`, which is x or stands around it, as x sees it. */
NodeId body_see(Body *x, Body *own, NodeId n);

typedef struct LoopShape {
  uint32_t carry, step;
  DimId trip;
  bool reverse, ends;
  int64_t again;
} LoopShape;
/* The LOOP, written into b->g, the graph around; what was yielded is asked for with build_result. */
NodeId body_loop(Builder *b, Body *x, const NodeId *yield, uint32_t n, LoopShape shape);
/* The COND over two bodies begun around the same: yield[0] of body[0] where pred holds, else those of
 * body[1]. */
NodeId body_cond(Builder *b, Body *const body[2], NodeId pred, const NodeId *const yield[2], uint32_t n);
NodeId build_result(Builder *b, NodeId owner, uint32_t k);

#endif
