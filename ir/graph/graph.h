/* The graph: pure, typed, SSA; dense ids; operands before users. Facts about nodes live in arrays indexed by
 * id elsewhere. The *source graph* has one node per written occurrence; hash-consing is a switch of the
 * builder (Graph.share). */
#ifndef DG_IR_GRAPH_H
#define DG_IR_GRAPH_H

#include "base/source.h"
#include "ir/op.h"

typedef struct NodeId {
  uint32_t i;
} NodeId;
typedef struct LeafId {
  uint32_t i;
} LeafId;
typedef struct LocationId {
  uint32_t i; /* 0: no place */
} LocationId;
#define NO_NODE ((NodeId){UINT32_MAX})
static inline bool node_eq(NodeId a, NodeId b) { return a.i == b.i; }
static inline bool node_ok(NodeId a) { return a.i != UINT32_MAX; }
static inline bool leaf_eq(LeafId a, LeafId b) { return a.i == b.i; }

/* Where a node was written: the expression, and the call that brought us there (0 at file level). Messages
 * about library code walk `caller` up to the user's own file. */
typedef struct Location {
  Span at;
  LocationId caller;
  Sym what; /* the let, function or layer it stands in, for "w -> fc1 -> relu -> mse" paths; may be empty */
} Location;

typedef struct Node {
  uint16_t op; /* Op */
  uint16_t nin;
  uint32_t in;         /* offset into Graph.edge */
  uint32_t attr;       /* offset into Graph.attr; op_info[op].nattr of them */
  LocationId location; /* own place; autodiff gives its primal's */
  NodeId primal;       /* node made by autodiff: whose derivative this is part of; else NO_NODE */
  uint32_t region;     /* into Graph.region; 0: the graph itself */
  Type type;
} Node;

typedef enum { ROOT_OUTPUT, ROOT_LOSS, ROOT_METRIC, ROOT_ASSIGN, ROOT_CHECK } RootKind;
typedef struct Root {
  RootKind kind;
  Sym name;    /* OUTPUT, LOSS, METRIC */
  LeafId leaf; /* ASSIGN: leaf := node, at the end of the step */
  NodeId node;
  Span at;
} Root;

/* A region is a run of nodes, first .. end - 1: PARAM 0, 1, .., the body, and last the YIELD of its results.
 * Its owner (LOOP, COND) comes right behind its regions, node `end` of the last. Regions are isolated:
 * nothing inside reads a node outside or is read outside; what a body needs are operands of the owner. They
 * nest. */
typedef struct Region {
  uint32_t outer, first, end, owner;
} Region;

/* Literal tensors of TABLE nodes: elements as double (float types) or int64_t (others) bits, row-major. */
typedef struct Table {
  uint32_t n;
  const uint64_t *word;
} Table;

/* Only the shape of a value was asked for: shape(x), len(x), size(x), rank(x). No node reads it. */
typedef struct ShapeUse {
  NodeId node; /* or NO_NODE: */
  LeafId leaf; /* an input, parameter or state by its name */
  Span at;     /* the question, in the user's files */
} ShapeUse;

/* A value got a name inside a function: for messages about values that nothing reads. The last name a node
 * got is where it went. */
typedef enum { LOCAL_LET, LOCAL_VAR, LOCAL_ARGUMENT } LocalKind;
typedef struct LocalName {
  NodeId node;
  LocalKind kind;
  Sym name, in; /* `in`: the function or instance */
  Span at;      /* the name, where it is declared or assigned; never in a library */
} LocalName;

typedef struct Graph {
  Arena *arena;
  struct Program *program; /* leaves, names, dims */
  Sym name;                /* entry point */
  bool share;              /* hash-cons new nodes */
  bool borrows;            /* locations and tables are another graph's, until one is added */
  VEC(Node) node;
  VEC(NodeId) edge;
  VEC(int64_t) attr;
  VEC(Location) location; /* [0] is "no place" */
  VEC(Root) root;
  VEC(Table) table;
  VEC(ShapeUse) shape_use;
  VEC(LocalName) local;
  VEC(Region) region; /* [0] is the graph itself */
  uint32_t open;      /* the region new nodes go to */
  Map cons;           /* used when share */
} Graph;

Graph *graph_new(Arena *a, struct Program *p, Sym name);
/* An empty graph with its locations and literal tables: their indices stay valid. */
Graph *graph_beside(const Graph *from, Arena *a);
/* A copy in memory of its own size, for what is only read from now on; ids stay valid. */
Graph *graph_keep(const Graph *from, Arena *a);
/* Appends (or finds, when sharing) a node. The caller is right about the type: ir/graph/build.h infers it.
 * Raises above limits.nodes. */
NodeId graph_add(Graph *g, Op op, Type type, const NodeId *in, uint32_t nin, const int64_t *attr,
                 LocationId location, NodeId primal);
LocationId graph_location(Graph *g, Span at, LocationId caller, Sym what);
/* A literal tensor for a TABLE node's attribute; words as in Table. Copied. */
uint32_t graph_table(Graph *g, const uint64_t *word, uint32_t n);
void graph_root(Graph *g, RootKind kind, Sym name, LeafId leaf, NodeId node, Span at);

static inline const Node *graph_node(const Graph *g, NodeId id) { return &g->node.at[id.i]; }
static inline const NodeId *graph_in(const Graph *g, NodeId id) { return &g->edge.at[g->node.at[id.i].in]; }
static inline const int64_t *graph_attr(const Graph *g, NodeId id) {
  return &g->attr.at[g->node.at[id.i].attr];
}
static inline Op node_op(const Graph *g, NodeId id) { return (Op)g->node.at[id.i].op; }
/* Gradient class of an edge, with the cases the table cannot say alone (cast to or from non-float types is
 * 'z'). */
GradClass graph_grad_class(const Graph *g, NodeId user, uint32_t input);
/* The user's own place for a node: the innermost location outside library files. */
Span graph_user_span(const Graph *g, const Sources *src, NodeId id);
/* What n's elements are elements of: n seen through ops that only move them. */
NodeId graph_moved(const Graph *g, NodeId n);
/* value attribute of CONST as a number */
double graph_const_value(const Graph *g, NodeId id);

/* Checks every invariant (operands first, arity, types as inferred, attributes, leaves, roots). False: *why
 * says node and reason. */
MUST_USE bool graph_verify(const Graph *g, Sb *why);

/* Text form: prints and parses back to the same graph (without locations). See docs/graph.md. */
void graph_print(const Graph *g, Sb *b);
/* Reads graphs (and the leaves they declare) as printed into a fresh program. */
MUST_USE bool graph_parse(struct Program *p, Str text, Graph **out, Sb *why);

#endif
