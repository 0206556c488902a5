/* Copying parts of graphs: into another graph, into the same one with substitutions, or whole with dims
 * bound. */
#include "ir/graph/build.h"
#include "ir/graph/program.h"
#include "ir/graph/region.h"

typedef struct Copy {
  Builder *b;
  const Graph *from;
  NodeId *map;
  uint32_t *location; /* of from -> of b->g, + 1; NULL when they are the same graph */
  const DimBinding *bind;
  size_t nbind;
  uint32_t region;
  const bool *need;
} Copy;

static LocationId copy_location(Copy *c, LocationId s) {
  if (!c->location || !s.i) return s;
  /* callers come before what they call; copy the chain outermost first */
  while (!c->location[s.i]) {
    uint32_t top = s.i, steps = 0;
    while (c->from->location.at[top].caller.i && !c->location[c->from->location.at[top].caller.i] &&
           steps++ < c->from->location.n)
      top = c->from->location.at[top].caller.i;
    Location x = c->from->location.at[top];
    LocationId caller = {x.caller.i ? c->location[x.caller.i] - 1 : 0};
    c->location[top] = graph_location(c->b->g, x.at, caller, x.what).i + 1;
  }
  return (LocationId){c->location[s.i] - 1};
}

/* attributes of kind 'd' hold dims */
static void bind_attrs(DimTable *dims, Op op, int64_t *attr, const DimBinding *bind, size_t nbind) {
  int i = 0;
  for (const char *p = op_info[op].attrs; *p; p++) {
    if (*p != ':') continue;
    if (p[1] == 'd') attr[i] = dim_bind(dims, (DimId){(uint32_t)attr[i]}, bind, nbind).i;
    i++;
  }
}

void graph_bind(Graph *g, const DimBinding *bind, size_t nbind) {
  DimTable *dims = g->program->dims;
  for (uint32_t i = 0; i < g->node.n; i++) {
    Node *n = &g->node.at[i];
    bind_attrs(dims, (Op)n->op, &g->attr.at[n->attr], bind, nbind);
    for (uint8_t k = 0; k < n->type.rank; k++) n->type.dim[k] = dim_bind(dims, n->type.dim[k], bind, nbind);
  }
}

static void copy_node(Copy *c, uint32_t id, NodeId *in) {
  Graph *g = c->b->g;
  Node n = c->from->node.at[id];
  Op op = (Op)n.op;
  int64_t attr[16];
  if (!n.region || c->need[c->from->region.at[n.region].owner]) /* else: a piece of a body, on its own */
    graph_region_follow(g, c->from, (NodeId){id}, &c->region);
  for (uint16_t i = 0; i < n.nin; i++) in[i] = c->map[c->from->edge.at[n.in + i].i];
  for (uint8_t i = 0; i < op_info[op].nattr; i++) attr[i] = c->from->attr.at[n.attr + i];
  if (op == OP_TABLE && g != c->from) {
    Table t = c->from->table.at[attr[0]];
    attr[0] = graph_table(g, t.word, t.n);
  }
  NodeId primal = node_ok(c->b->primal) ? c->b->primal : n.primal;
  if (!node_ok(c->b->primal) && g != c->from && node_ok(primal)) primal = c->map[primal.i];
  if (c->nbind) {
    bind_attrs(g->program->dims, op, attr, c->bind, c->nbind);
    for (uint8_t i = 0; i < n.type.rank; i++)
      n.type.dim[i] = dim_bind(g->program->dims, n.type.dim[i], c->bind, c->nbind);
  }
  c->map[id] = graph_add(g, op, n.type, in, n.nin, attr, copy_location(c, n.location), primal);
}

static void copy_wanted(Copy *c, const NodeId *want, uint32_t nwant) {
  const Graph *f = c->from;
  Arena *a = c->b->g->arena;
  uint32_t n = f->node.n, widest = 0; /* the graph may grow while we copy within it */
  bool *need = ARENA_ARRAY(a, bool, n);
  c->need = need;
  if (f != c->b->g) c->location = ARENA_ARRAY(a, uint32_t, f->location.n);
  for (uint32_t i = 0; i < nwant; i++) need[want[i].i] = true;
  for (uint32_t i = n; i-- > 0;) {
    if (!need[i] || node_ok(c->map[i])) continue;
    if (f->node.at[i].nin > widest) widest = f->node.at[i].nin;
    NodeId start = c->nbind ? graph_start(f, (NodeId){i}, c->bind, c->nbind) : NO_NODE;
    if (node_ok(start))
      need[start.i] = true;
    else
      graph_mark_read(f, i, need);
  }
  NodeId *in = ARENA_ARRAY(a, NodeId, widest);
  for (uint32_t i = 0; i < n; i++) {
    if (!need[i] || node_ok(c->map[i])) continue;
    NodeId start = c->nbind ? graph_start(f, (NodeId){i}, c->bind, c->nbind) : NO_NODE;
    if (node_ok(start))
      c->map[i] = c->map[start.i];
    else
      copy_node(c, i, in);
  }
}

void graph_copy_nodes(Builder *b, const Graph *from, const NodeId *want, uint32_t nwant, NodeId *map) {
  Copy c = {.b = b, .from = from, .map = map};
  copy_wanted(&c, want, nwant);
}

Graph *graph_copy(Arena *a, const Graph *from, const DimBinding *bind, size_t nbind) {
  Graph *g = graph_new(a, from->program, from->name);
  Builder b = {g, {0}, NO_NODE};
  NodeId *map = ARENA_ARRAY(a, NodeId, from->node.n), *want = ARENA_ARRAY(a, NodeId, from->root.n);
  for (uint32_t i = 0; i < from->node.n; i++) map[i] = NO_NODE;
  for (uint32_t i = 0; i < from->root.n; i++) want[i] = from->root.at[i].node;
  Copy c = {.b = &b, .from = from, .map = map, .bind = bind, .nbind = nbind};
  copy_wanted(&c, want, from->root.n);
  for (uint32_t i = 0; i < from->root.n; i++) {
    Root r = from->root.at[i];
    graph_root(g, r.kind, r.name, r.leaf, map[r.node.i], r.at);
  }
  g->share = from->share;
  return g;
}
