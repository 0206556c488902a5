/* Graphs: appending and hash-consing nodes, locations, roots, and what is asked of them everywhere. */
#include "ir/graph/graph.h"

#include "base/hash.h"
#include "ir/graph/program.h"
#include "ir/graph/region.h"
#include "ir/scalar/literal.h"

Graph *graph_new(Arena *a, Program *p, Sym name) {
  Graph *g = ARENA_NEW(a, Graph);
  g->arena = a;
  g->program = p;
  g->name = name;
  map_init(&g->cons, a);
  VEC_PUSH(a, &g->location, (Location){0});
  VEC_PUSH(a, &g->region, (Region){0, 0, UINT32_MAX, UINT32_MAX});
  VEC_PUSH(a, &g->edge,
           NO_NODE); /* so that the arrays are there when a node without operands points at them */
  VEC_PUSH(a, &g->attr, 0);
  g->edge.n = g->attr.n = 0;
  return g;
}

Graph *graph_beside(const Graph *from, Arena *a) {
  Graph *to = graph_new(a, from->program, from->name);
  memcpy(&to->location, &from->location,
         sizeof to->location); /* shared until somebody adds: then they are copied */
  memcpy(&to->table, &from->table, sizeof to->table);
  to->borrows = true;
  return to;
}

#define KEEP(list)                                                                                           \
  do {                                                                                                       \
    to->list.at = arena_array(a, from->list.n, sizeof *to->list.at, _Alignof(__typeof__(*to->list.at)));     \
    for (uint32_t i = 0; i < from->list.n; i++) to->list.at[i] = from->list.at[i];                           \
    to->list.n = to->list.cap = from->list.n;                                                                \
  } while (0)

Graph *graph_keep(const Graph *from, Arena *a) {
  Graph *to = graph_new(a, from->program, from->name);
  KEEP(node);
  if (from->edge.n) KEEP(edge);
  if (from->attr.n) KEEP(attr);
  KEEP(location);
  KEEP(root);
  KEEP(table);
  KEEP(shape_use);
  KEEP(local);
  KEEP(region);
  for (uint32_t t = 0; t < to->table.n; t++) {
    uint64_t *word = ARENA_ARRAY(a, uint64_t, to->table.at[t].n);
    for (uint32_t i = 0; i < to->table.at[t].n; i++) word[i] = from->table.at[t].word[i];
    to->table.at[t].word = word;
  }
  to->open = from->open;
  return to;
}

static uint64_t node_hash(uint32_t region, Op op, const Type *ty, const NodeId *in, uint32_t nin,
                          const int64_t *attr) {
  uint64_t h = hash_mix(hash_mix(region) ^ (((uint64_t)op << 32 | nin) + 1));
  h = hash_mix(h ^ ((uint64_t)ty->dtype << 8 | ty->rank));
  for (uint8_t i = 0; i < ty->rank; i++) h = hash_mix(h + ty->dim[i].i);
  for (uint32_t i = 0; i < nin; i++) h = hash_mix(h + in[i].i);
  for (uint8_t i = 0; i < op_info[op].nattr; i++) h = hash_mix(h ^ (uint64_t)attr[i]);
  return h;
}

static bool node_is(const Graph *g, uint32_t id, Op op, const Type *ty, const NodeId *in, uint32_t nin,
                    const int64_t *attr) {
  if (id >= g->node.n) return false; /* it was dropped with a region that is there already */
  const Node *n = &g->node.at[id];
  if (n->region != g->open || n->op != op || n->nin != nin || !type_eq(&n->type, ty)) return false;
  for (uint32_t i = 0; i < nin; i++)
    if (!node_eq(graph_in(g, (NodeId){id})[i], in[i])) return false;
  for (uint8_t i = 0; i < op_info[op].nattr; i++)
    if (graph_attr(g, (NodeId){id})[i] != attr[i]) return false;
  return true;
}

NodeId graph_add(Graph *g, Op op, Type type, const NodeId *in, uint32_t nin, const int64_t *attr,
                 LocationId location, NodeId primal) {
  const OpInfo *o = &op_info[op];
  NodeId pair[2];
  uint64_t key = 0;
  bool share = g->share && !(o->flags & OPF_NO_MERGE);
  if (share) {
    if ((o->flags & OPF_COMMUTATIVE) && nin == 2 && in[0].i > in[1].i) {
      pair[0] = in[1];
      pair[1] = in[0];
      in = pair;
    }
    uint32_t id;
    key = node_hash(g->open, op, &type, in, nin, attr);
    while (map_get(&g->cons, key, &id)) {
      if (node_is(g, id, op, &type, in, nin, attr)) return (NodeId){id};
      key = hash_mix(key + 1);
    }
  }
  if (nin > UINT16_MAX) mem_raise(g->arena->mem, ST_LIMIT, "%s of %u operands", o->name, nin);
  if (g->node.n >= g->program->limits->nodes)
    mem_raise(g->arena->mem, ST_LIMIT, "more than %lld graph nodes (--limit nodes=...)",
              (long long)g->program->limits->nodes);
  Node n = {.op = (uint16_t)op,
            .nin = (uint16_t)nin,
            .in = g->edge.n,
            .attr = g->attr.n,
            .location = location,
            .primal = primal,
            .region = g->open,
            .type = type};
  for (uint8_t i = type.rank; i < MAX_RANK; i++) n.type.dim[i] = (DimId){0};
  /* in and attr may point into the lists that grow here */
  size_t from = (size_t)((uintptr_t)in - (uintptr_t)g->edge.at) / sizeof *in,
         attr_from = (size_t)((uintptr_t)attr - (uintptr_t)g->attr.at) / sizeof *attr;
  bool own = nin && from < g->edge.n, attr_own = o->nattr && attr_from < g->attr.n;
  for (uint32_t i = 0; i < nin; i++) {
    NodeId x = own ? g->edge.at[from + i] : in[i];
    if (x.i >= g->node.n) BUG(g->arena->mem, "%s reads node %u before it is there", o->name, x.i);
    VEC_PUSH(g->arena, &g->edge, x);
  }
  for (uint8_t i = 0; i < o->nattr; i++) {
    int64_t v = attr_own ? g->attr.at[attr_from + i] : attr[i];
    VEC_PUSH(g->arena, &g->attr, v);
  }
  NodeId id = {g->node.n};
  VEC_PUSH(g->arena, &g->node, n);
  for (uint32_t i = 0; i < op_regions(op) && i < nin; i++)
    g->region.at[graph_node(g, graph_in(g, id)[i])->region].owner = id.i;
  if (share) map_put(&g->cons, key, id.i);
  return id;
}

/* A list that grows gives its old memory back, so what belongs to another graph is copied first. */
static void own_lists(Graph *g) {
  if (!g->borrows) return;
  __typeof__(g->location) location = {0};
  __typeof__(g->table) table = {0};
  for (uint32_t i = 0; i < g->location.n; i++) VEC_PUSH(g->arena, &location, g->location.at[i]);
  for (uint32_t i = 0; i < g->table.n; i++) VEC_PUSH(g->arena, &table, g->table.at[i]);
  memcpy(&g->location, &location, sizeof location);
  memcpy(&g->table, &table, sizeof table);
  g->borrows = false;
}

LocationId graph_location(Graph *g, Span at, LocationId caller, Sym what) {
  Location s = {at, caller, what};
  enum { NEAR = 8 }; /* nodes of one expression and its operands share their locations */
  for (uint32_t i = g->location.n; i-- > 1 && i + NEAR >= g->location.n;) {
    const Location *l = &g->location.at[i];
    if (l->at.file == at.file && l->at.lo == at.lo && l->at.hi == at.hi && l->caller.i == caller.i &&
        sym_eq(l->what, what))
      return (LocationId){i};
  }
  own_lists(g);
  VEC_PUSH(g->arena, &g->location, s);
  return (LocationId){g->location.n - 1};
}

void graph_root(Graph *g, RootKind kind, Sym name, LeafId leaf, NodeId node, Span at) {
  VEC_PUSH(g->arena, &g->root, (Root){kind, name, leaf, node, at});
}

uint32_t graph_table(Graph *g, const uint64_t *word, uint32_t n) {
  uint64_t *copy = ARENA_ARRAY(g->arena, uint64_t, n);
  for (uint32_t i = 0; i < n; i++) copy[i] = word[i];
  own_lists(g);
  VEC_PUSH(g->arena, &g->table, (Table){n, copy});
  return g->table.n - 1;
}

static bool is_float(const Graph *g, NodeId n) { return dtype_is_float((DType)graph_node(g, n)->type.dtype); }

GradClass graph_grad_class(const Graph *g, NodeId user, uint32_t input) {
  Op op = node_op(g, user);
  GradClass c = op_grad_class(op, input);
  if (op == OP_CUSTOM) { /* value; x1..xn; dx1..dxn: the declared derivative stands in for the value's own */
    int64_t n = graph_attr(g, user)[1];
    return input == 0 ? GC_STOPPED : input <= n ? GC_CARRIES : GC_INDEX;
  }
  /* whole numbers and truth values have no derivative, whatever the op */
  if (c == GC_CARRIES && (!is_float(g, user) || !is_float(g, graph_in(g, user)[input]))) return GC_ZERO;
  return c;
}

Span graph_user_span(const Graph *g, const Sources *src, NodeId id) {
  LocationId s = graph_node(g, id)->location;
  Span own = g->location.at[s.i].at;
  for (uint32_t steps = 0; s.i && steps < g->location.n; steps++, s = g->location.at[s.i].caller) {
    Span at = g->location.at[s.i].at;
    if (at.file && !src->file.at[at.file].library) return at;
  }
  return own;
}

double graph_const_value(const Graph *g, NodeId id) {
  return literal_number((DType)graph_node(g, id)->type.dtype, graph_attr(g, id)[0]);
}

NodeId graph_moved(const Graph *g, NodeId n) {
  while (op_is(node_op(g, n), OPF_MOVE)) n = graph_in(g, n)[0];
  return n;
}
