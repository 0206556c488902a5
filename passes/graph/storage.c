/* What is stored narrower than it is computed (bf16, u8) is read and written by casts, which lowering makes
 * part of loads and stores. Before this pass a graph has such a leaf in its compute dtype only. */
#include "ir/graph/build.h"
#include "passes/graph/copy.h"

static bool is_stored(const Graph *g, LeafId l) {
  return dtype_is_stored((DType)program_leaf_at(g->program, l)->type.dtype);
}

/* The leaf that node n reads, where it is stored otherwise; else .i == UINT32_MAX. */
static LeafId stored_leaf(const Graph *g, NodeId n) {
  LeafId l = {UINT32_MAX};
  if (node_op(g, n) != OP_LEAF || dtype_is_stored((DType)graph_node(g, n)->type.dtype)) return l;
  LeafId own = {(uint32_t)graph_attr(g, n)[0]};
  return is_stored(g, own) ? own : l;
}

static bool root_stored(const Graph *g, const Root *r) {
  return r->kind == ROOT_ASSIGN && is_stored(g, r->leaf) &&
         !dtype_is_stored((DType)graph_node(g, r->node)->type.dtype);
}

static NodeId load(Copy *c, NodeId n, LeafId l) {
  const Node *node = graph_node(c->from, n);
  Type t = node->type;
  t.dtype = program_leaf_at(c->from->program, l)->type.dtype;
  NodeId leaf = graph_add(c->to, OP_LEAF, t, NULL, 0, graph_attr(c->from, n), node->location, NO_NODE);
  return graph_add(c->to, OP_CAST, node->type, &leaf, 1, NULL, node->location, NO_NODE);
}

/* A leaf's new value in its own dtype, rounded where the program has not done so. */
static NodeId store(Copy *c, const Root *r) {
  NodeId n = c->map[r->node.i];
  const Node *node = graph_node(c->to, n);
  Type t = node->type;
  LocationId location = node->location;
  if (node->op != OP_ROUND_BF16) n = graph_add(c->to, OP_ROUND_BF16, t, &n, 1, NULL, location, NO_NODE);
  t.dtype = program_leaf_at(c->from->program, r->leaf)->type.dtype;
  return graph_add(c->to, OP_CAST, t, &n, 1, NULL, location, NO_NODE);
}

Graph *pass_storage(Graph *in, PassCx *cx) {
  bool any = false;
  for (uint32_t i = 0; i < in->node.n && !any; i++) any = stored_leaf(in, (NodeId){i}).i != UINT32_MAX;
  for (uint32_t i = 0; i < in->root.n && !any; i++) any = root_stored(in, &in->root.at[i]);
  if (!any) return in;
  bool *live = graph_live(in, cx->arena);
  Copy c = copy_begin(in, cx->arena, false);
  for (uint32_t i = 0; i < in->node.n; i++) {
    NodeId n = {i};
    if (!live[i]) continue;
    LeafId l = stored_leaf(in, n);
    if (l.i == UINT32_MAX) {
      copy_node(&c, n);
      continue;
    }
    copy_follow(&c, n);
    c.map[i] = load(&c, n, l);
  }
  for (uint32_t i = 0; i < in->root.n; i++) {
    const Root *r = &in->root.at[i];
    NodeId n = root_stored(in, r) ? store(&c, r) : c.map[r->node.i];
    graph_root(c.to, r->kind, r->name, r->leaf, n, r->at);
  }
  return c.to;
}
