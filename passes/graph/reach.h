/* Reachability: which values a loss reads, and which of them a gradient comes back to. One pass over the
 * nodes from the loss to the leaves; no recursion, no algebra. A loss that is written with `grad` is asked in
 * its differentiated copy, for a derivative reads less than what it was taken of. */
#ifndef DG_PASSES_REACH_H
#define DG_PASSES_REACH_H

#include "ir/graph/program.h"

/* What an edge does to the gradient: GradClass, and three that only the graph knows. */
enum {
  EDGE_NONE = 'n',  /* no value flows along it: the place a GRAD differentiates by, the rule of a CUSTOM */
  EDGE_RULE = 'r',  /* a declared backward rule stands in place of this value's own derivative and gives
                       nothing to it */
  EDGE_DERIV = 'g', /* read by what a grad differentiates, and not by the derivative */
};
typedef uint8_t EdgeClass;

typedef struct Edge {
  NodeId user;
  uint32_t input;
} Edge;

/* The literal 0, in whatever shape it was written. */
bool graph_is_zero(const Graph *g, NodeId n);

/* Small interned sets: equal sets have equal ids. Set 0 is empty. A set keeps at most SET_CAP members; `more`
 * says that members were left out. */
enum { SET_CAP = 6 };
typedef struct Set {
  uint8_t n;
  bool more;
  uint64_t at[SET_CAP]; /* ascending */
} Set;
typedef struct Sets {
  Arena *arena;
  VEC(Set) set;
  Map index; /* hash -> set id, chained by probing */
} Sets;
void sets_init(Sets *s, Arena *a);
uint32_t sets_add(Sets *s, uint32_t set, uint64_t member);
uint32_t sets_union(Sets *s, uint32_t a, uint32_t b);

static inline uint64_t edge_key(Edge e) { return (uint64_t)e.user.i << 32 | e.input; }
static inline Edge key_edge(uint64_t k) { return (Edge){{(uint32_t)(k >> 32)}, (uint32_t)k}; }

enum { REACH_NEAR = 256 };

typedef struct EdgeFacts EdgeFacts;
/* What one loss sees of its graph. Arrays by node. */
typedef struct Reach {
  const Graph *g;
  const EdgeFacts *facts;
  NodeId loss;
  bool *reads;   /* the loss's value depends on it */
  bool *open;    /* a path to the loss carries gradient all the way */
  Edge *next;    /* first edge of a shortest path to the loss; for open nodes among the paths that carry */
  uint32_t *far; /* length of that path */
  NodeId *cut; /* on that path from here: the node whose edge is the first that carries nothing; or NO_NODE */
  NodeId *near;    /* on that path: the first node at most REACH_NEAR edges from the loss */
  uint32_t *cause; /* reads and not open: set of the first edges after it that carry nothing */
  Map place;       /* by reach_place: the edge that stands in causes for all of one place */
} Reach;

/* Facts about the graph's GRAD and CUSTOM nodes as this loss (NO_NODE: anybody, in a source graph) sees them.
 */
EdgeFacts *edge_facts(const Graph *g, NodeId loss, Arena *a);
EdgeClass edge_class(const EdgeFacts *f, NodeId user, uint32_t input);

/* The place of a cut as the user sees it: equal for every expansion of one place in the text. */
uint64_t reach_place(const Graph *g, const EdgeFacts *f, Edge e);

/* What the loss reads, with its GRAD nodes differentiated (*at: the loss there); g itself where it has none.
 * A GRAD node of the copy is a mark that nobody reads: of the derivative (first) of a scalar (second). */
const Graph *reach_graph(const Graph *g, NodeId loss, Arena *a, NodeId *at);
/* Of a graph made by reach_graph. */
Reach reach_from(const Graph *g, NodeId loss, Sets *sets, Arena *a);

/* By node: set of places where its value ends up: roots (index) and nodes nobody reads (SINK_NODE | id). */
#define SINK_NODE (UINT64_C(1) << 40)
uint32_t *reach_sinks(const Graph *g, Sets *sets, Arena *a);

#endif
