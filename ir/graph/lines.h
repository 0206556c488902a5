/* Reading the text form of graphs line by line, for files that put more into their lines than a graph
 * (frontend/import). Every reader below says why it fails in `why`, with the line's number. */
#ifndef DG_IR_LINES_H
#define DG_IR_LINES_H

#include "ir/graph/program.h"

typedef struct GraphLines {
  Program *p;
  Graph *g; /* NULL until the line `graph NAME` */
  Arena *arena;
  const char *at; /* the rest of the line, NUL-terminated */
  uint32_t number;
  Sb *why;
  VEC(NodeId) operand;
  VEC(NodeId) named; /* by the number a node has in the text */
} GraphLines;

/* The next line of *text, taken off it, is what is read now. */
void lines_begin(GraphLines *r, Str *text);
/* One line of a graph. */
MUST_USE bool lines_graph(GraphLines *r);
/* Nothing but a comment is left of the line. */
MUST_USE bool lines_end(GraphLines *r);

void lines_skip(GraphLines *r); /* blanks */
/* All that is left, without blanks in front; it lives in the arena. Nothing is left then. */
Str lines_rest(GraphLines *r);
bool lines_bad(GraphLines *r, const char *what); /* always false */
MUST_USE bool lines_eat(GraphLines *r, const char *text);
Str lines_word(GraphLines *r); /* up to a blank, or a colon that a blank follows */
Sym lines_name(GraphLines *r, Str s);
MUST_USE bool lines_int(GraphLines *r, int64_t *v);
MUST_USE bool lines_number(GraphLines *r, double *v);
MUST_USE bool lines_node(GraphLines *r, NodeId *id);
LeafId lines_leaf(GraphLines *r, Str path, bool *known);
/* `I: TYPE = OP` of a node, and its operands. */
MUST_USE bool lines_node_head(GraphLines *r, Type *t, Str *op);

#endif
