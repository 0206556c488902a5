/* Reverse mode over the public builder. Every GRAD node becomes ordinary nodes: inner ones first (they stand
 * earlier), so nesting gives higher order; all GRAD nodes of one scalar share one sweep. Contributions are
 * summed here and nowhere else, users from last to first. A place the scalar does not reach has the constant
 * 0. */
#include "passes/autodiff/vjp.h"
#include "passes/graph/copy.h"
#include "passes/graph/reach.h"

typedef struct Sweep {
  Graph *g;
  Arena *arena;
  uint32_t n;        /* nodes when the sweep began */
  bool *wanted;      /* by node: a target is this node or lies behind it */
  NodeId *cotangent; /* by node: cotangent so far */
} Sweep;

static NodeId custom_input(const Graph *g, NodeId custom, uint32_t i, bool derivative) {
  uint32_t n = (uint32_t)graph_attr(g, custom)[1];
  return graph_in(g, custom)[derivative ? 1 + n + i : 1 + i];
}

/* Marks what depends on a target along edges that carry gradient. */
static void mark(Sweep *s) {
  for (uint32_t i = 0; i < s->n; i++) {
    NodeId id = {i};
    if (s->wanted[i]) continue;
    if (node_op(s->g, id) == OP_CUSTOM) {
      for (uint32_t k = 0; k < (uint32_t)graph_attr(s->g, id)[1]; k++)
        s->wanted[i] |= s->wanted[custom_input(s->g, id, k, false).i] &&
                        !graph_is_zero(s->g, custom_input(s->g, id, k, true));
      continue;
    }
    const NodeId *in = graph_in(s->g, id);
    for (uint32_t k = 0; k < graph_node(s->g, id)->nin && !s->wanted[i]; k++)
      s->wanted[i] = s->wanted[in[k].i] && graph_grad_class(s->g, id, k) == GC_CARRIES;
  }
}

static void contribute(Sweep *s, Builder *b, NodeId to, NodeId dx) {
  const Type *want = &graph_node(s->g, to)->type, *got = &graph_node(s->g, dx)->type;
  if (!type_eq(want, got))
    BUG(s->g->arena->mem, "derivative of node %u: contribution %u has another type", to.i, dx.i);
  s->cotangent[to.i] =
      node_ok(s->cotangent[to.i]) ? build_scalar(b, OP_ADD, s->cotangent[to.i], dx, NO_NODE) : dx;
}

/* A declared rule: the dx as written, with the cotangent in the placeholder's place. Only what depends on the
 * placeholder is copied. */
static void custom(Sweep *s, Builder *b, NodeId id) {
  Graph *g = s->g;
  int64_t key = graph_attr(g, id)[0];
  uint32_t n = (uint32_t)graph_attr(g, id)[1], last = 0;
  for (uint32_t i = 0; i < n; i++) {
    NodeId dx = custom_input(g, id, i, true);
    if (dx.i > last) last = dx.i;
  }
  bool *live = ARENA_ARRAY(s->arena, bool, last + 1);
  for (uint32_t i = 0; i < n; i++)
    if (s->wanted[custom_input(g, id, i, false).i]) live[custom_input(g, id, i, true).i] = true;
  for (uint32_t i = last + 1; i-- > 0;) {
    if (!live[i]) continue;
    const NodeId *in = graph_in(g, (NodeId){i});
    for (uint32_t k = 0; k < g->node.at[i].nin; k++) live[in[k].i] = true;
  }
  NodeId *copy = ARENA_ARRAY(s->arena, NodeId, last + 1);
  for (uint32_t i = 0; i <= last; i++) {
    copy[i] = (NodeId){i};
    if (!live[i]) continue;
    Node node = g->node.at[i];
    if (node.op == OP_COTANGENT && graph_attr(g, (NodeId){i})[0] == key) {
      copy[i] = s->cotangent[id.i];
      continue;
    }
    bool other = false;
    NodeId *in = ARENA_ARRAY(s->arena, NodeId, node.nin);
    for (uint32_t k = 0; k < node.nin; k++) {
      NodeId old = g->edge.at[node.in + k];
      in[k] = copy[old.i];
      other |= !node_eq(in[k], old);
    }
    if (!other) continue;
    uint32_t nattr = op_info[node.op].nattr;
    int64_t *attr = ARENA_ARRAY(s->arena, int64_t, nattr);
    for (uint32_t k = 0; k < nattr; k++) attr[k] = g->attr.at[node.attr + k];
    copy[i] = graph_add(g, (Op)node.op, node.type, in, node.nin, attr, node.location, id);
  }
  for (uint32_t i = 0; i < n; i++) {
    NodeId x = custom_input(g, id, i, false);
    NodeId dx = custom_input(g, id, i, true);
    if (s->wanted[x.i] && !graph_is_zero(g, dx)) contribute(s, b, x, copy[dx.i]);
  }
}

static void step(Sweep *s, NodeId id) {
  uint32_t nin = graph_node(s->g, id)->nin;
  Builder b = {.g = s->g, .location = graph_node(s->g, id)->location, .primal = id};
  if (node_op(s->g, id) == OP_CUSTOM) {
    custom(s, &b, id);
    return;
  }
  if (!nin) return;
  NodeId *dx = ARENA_ARRAY(s->arena, NodeId, nin);
  bool *need = ARENA_ARRAY(s->arena, bool, nin), any = false;
  for (uint32_t k = 0; k < nin; k++) {
    dx[k] = NO_NODE;
    need[k] = s->wanted[graph_in(s->g, id)[k].i] && graph_grad_class(s->g, id, k) == GC_CARRIES;
    any |= need[k];
  }
  if (!any) return;
  Vjp v = {.b = &b, .node = id, .g = s->cotangent[id.i], .need = need, .dx = dx};
  vjp_node(&v);
  for (uint32_t k = 0; k < nin; k++)
    if (need[k] && node_ok(dx[k])) contribute(s, &b, graph_in(s->g, id)[k], dx[k]);
}

/* Derivatives of y by the leaves and nodes in target; the answers go to out. */
static void sweep(Graph *g, NodeId y, const NodeId *target, const bool *is_leaf, const LeafId *leaf,
                  uint32_t ntarget, LocationId location, NodeId *out) {
  Sweep s = {.g = g, .arena = g->arena, .n = y.i + 1};
  s.wanted = ARENA_ARRAY(s.arena, bool, s.n);
  s.cotangent = ARENA_ARRAY(s.arena, NodeId, s.n);
  bool *leaf_wanted = ARENA_ARRAY(s.arena, bool, g->program->leaf.n);
  for (uint32_t t = 0; t < ntarget; t++) {
    if (is_leaf[t])
      leaf_wanted[leaf[t].i] = true;
    else if (node_ok(target[t]) && target[t].i < s.n)
      s.wanted[target[t].i] = true;
  }
  for (uint32_t i = 0; i < s.n; i++) {
    s.cotangent[i] = NO_NODE;
    if (node_op(g, (NodeId){i}) == OP_LEAF) s.wanted[i] |= leaf_wanted[graph_attr(g, (NodeId){i})[0]];
  }
  mark(&s);
  Builder b = {.g = g, .location = location, .primal = y};
  if (s.wanted[y.i]) s.cotangent[y.i] = build_const(&b, graph_node(g, y)->type, 1);
  for (uint32_t i = s.n; i-- > 0;)
    if (s.wanted[i] && node_ok(s.cotangent[i])) step(&s, (NodeId){i});

  /* A leaf may stand in several nodes. */
  NodeId *by_leaf = ARENA_ARRAY(s.arena, NodeId, g->program->leaf.n);
  for (uint32_t i = 0; i < g->program->leaf.n; i++) by_leaf[i] = NO_NODE;
  for (uint32_t i = 0; i < s.n; i++) {
    if (node_op(g, (NodeId){i}) != OP_LEAF || !node_ok(s.cotangent[i])) continue;
    NodeId *sum = &by_leaf[graph_attr(g, (NodeId){i})[0]];
    *sum = node_ok(*sum) ? build_scalar(&b, OP_ADD, *sum, s.cotangent[i], NO_NODE) : s.cotangent[i];
  }
  for (uint32_t t = 0; t < ntarget; t++) {
    if (is_leaf[t])
      out[t] = by_leaf[leaf[t].i];
    else
      out[t] = node_ok(target[t]) && target[t].i < s.n ? s.cotangent[target[t].i] : NO_NODE;
  }
}

/* All needed GRAD nodes of the scalar that GRAD node `first` differentiates. */
static void replace(Copy *c, NodeId first, const NodeId *next_same) {
  const Graph *from = c->from;
  NodeId y = graph_in(from, first)[0];
  uint32_t n = 0;
  for (NodeId id = first; node_ok(id); id = next_same[id.i]) n++;
  Arena *a = c->to->arena;
  NodeId *target = ARENA_ARRAY(a, NodeId, n), *out = ARENA_ARRAY(a, NodeId, n);
  bool *is_leaf = ARENA_ARRAY(a, bool, n);
  LeafId *leaf = ARENA_ARRAY(a, LeafId, n);
  uint32_t t = 0;
  for (NodeId id = first; node_ok(id); id = next_same[id.i], t++) {
    NodeId x = graph_in(from, id)[1];
    is_leaf[t] = node_op(from, x) == OP_LEAF;
    if (is_leaf[t]) leaf[t] = (LeafId){(uint32_t)graph_attr(from, x)[0]};
    target[t] = c->map[x.i]; /* NO_NODE: written after the scalar, so no part of it */
  }
  sweep(c->to, c->map[y.i], target, is_leaf, leaf, n, graph_node(from, first)->location, out);
  t = 0;
  for (NodeId id = first; node_ok(id); id = next_same[id.i], t++) {
    const Node *node = graph_node(from, id);
    Builder b = {.g = c->to, .location = node->location, .primal = NO_NODE};
    c->map[id.i] = node_ok(out[t]) ? out[t] : build_const(&b, node->type, 0);
  }
}

/* Copies what is live, GRAD nodes replaced. `mark`: each leaves a GRAD node behind, of its derivative and its
 * scalar, that nobody reads. False: there is none to replace, and nothing was copied. */
static bool differentiate(const Graph *in, const bool *live, Arena *a, bool mark, Copy *c) {
  bool any = false;
  /* Chains of GRAD nodes by their scalar, in order. */
  NodeId *tail = ARENA_ARRAY(a, NodeId, in->node.n);
  NodeId *next_same = ARENA_ARRAY(a, NodeId, in->node.n);
  for (uint32_t i = 0; i < in->node.n; i++) tail[i] = next_same[i] = NO_NODE;
  for (uint32_t i = 0; i < in->node.n; i++) {
    if (!live[i] || in->node.at[i].op != OP_GRAD) continue;
    any = true;
    NodeId id = {i}, y = graph_in(in, id)[0];
    if (node_ok(tail[y.i])) next_same[tail[y.i].i] = id;
    tail[y.i] = id;
  }
  if (!any && !mark) return false;
  *c = copy_begin(in, a, false);
  for (uint32_t i = 0; i < in->node.n; i++) {
    NodeId id = {i};
    if (!live[i]) continue;
    if (in->node.at[i].op != OP_GRAD) {
      copy_node(c, id);
      continue;
    }
    if (!node_ok(c->map[i])) replace(c, id, next_same);
    NodeId of[2] = {c->map[i], c->map[graph_in(in, id)[0].i]};
    if (mark) graph_add(c->to, OP_GRAD, in->node.at[i].type, of, 2, NULL, in->node.at[i].location, NO_NODE);
  }
  return true;
}

Graph *pass_autodiff(Graph *in, PassCx *cx) {
  Copy c;
  return differentiate(in, graph_live(in, cx->arena), cx->arena, false, &c) ? copy_end(&c) : in;
}

const Graph *autodiff_marked(const Graph *g, const bool *live, NodeId y, Arena *a, NodeId *at) {
  Copy c;
  (void)differentiate(g, live, a, true, &c);
  *at = c.map[y.i];
  return c.to;
}

/* After the last differentiation: stop_gradient, name and custom become their value; the declared derivatives
 * they carried, and their placeholders, are needed by nobody. */
Graph *pass_erase(Graph *in, PassCx *cx) {
  Arena *a = cx->arena;
  /* live, seen through the erased ops */
  bool *live = ARENA_ARRAY(a, bool, in->node.n + 1), any = false;
  for (uint32_t i = 0; i < in->root.n; i++) live[in->root.at[i].node.i] = true;
  for (uint32_t i = in->node.n; i-- > 0;) {
    if (!live[i]) continue;
    const NodeId *x = graph_in(in, (NodeId){i});
    uint32_t n = in->node.at[i].op == OP_CUSTOM ? 1 : in->node.at[i].nin;
    any |= op_is((Op)in->node.at[i].op, OPF_ERASED);
    for (uint32_t k = 0; k < n; k++) live[x[k].i] = true;
  }
  if (!any) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->node.n; i++) n += live[i];
    if (n == in->node.n) return in;
  }
  Copy c = copy_begin(in, a, false);
  for (uint32_t i = 0; i < in->node.n; i++) {
    if (!live[i]) continue;
    Op op = (Op)in->node.at[i].op;
    if (op_is(op, OPF_ERASED))
      c.map[i] = c.map[graph_in(in, (NodeId){i})[0].i];
    else
      copy_node(&c, (NodeId){i});
  }
  return copy_end(&c);
}

Graph *pass_bind(Graph *in, PassCx *cx) { return graph_copy(cx->arena, in, cx->bind, cx->nbind); }
