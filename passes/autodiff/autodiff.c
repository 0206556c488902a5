/* Reverse mode over the public builder. Every GRAD node becomes ordinary nodes: those in bodies first, then
 * inner ones before outer ones, so nesting gives higher order; all GRAD nodes of one scalar share one sweep.
 * Contributions are summed here and nowhere else, users from last to first. A place the scalar does not reach
 * has the constant 0. Loops and conditions: passes/autodiff/loop.c. */
#include "passes/autodiff/internal.h"
#include "passes/graph/reach.h"

static NodeId custom_input(const Graph *g, NodeId custom, uint32_t i, bool derivative) {
  uint32_t n = (uint32_t)graph_attr(g, custom)[1];
  return graph_in(g, custom)[derivative ? 1 + n + i : 1 + i];
}

void sweep_add(Sweep *s, Builder *b, NodeId to, NodeId dx) {
  const Type *want = &graph_node(s->g, to)->type, *got = &graph_node(s->g, dx)->type;
  if (!type_eq(want, got))
    BUG(s->g->arena->mem, "derivative of node %u: contribution %u has another type", to.i, dx.i);
  s->cotangent[to.i] =
      node_ok(s->cotangent[to.i]) ? build_scalar(b, OP_ADD, s->cotangent[to.i], dx, NO_NODE) : dx;
}

/* The bodies of an owner that is written once more: in[] gets their yields. */
static void copy_bodies(Graph *g, Node owner, NodeId *in) {
  for (uint32_t r = 0; r < op_regions((Op)owner.op); r++) {
    uint32_t region = graph_node(g, g->edge.at[owner.in + r])->region;
    Region x = g->region.at[region];
    Copy c = copy_range(g, g, x.first, x.end);
    c.region = region;
    graph_region_open(g);
    for (uint32_t i = x.first; i < x.end; i++) in[r] = copy_node(&c, (NodeId){i});
    graph_region_close(g);
  }
}

/* A declared rule: the dx as written, with the cotangent in the place of the node that stands for it. Only
 * what depends on that node is copied. */
static void custom(Sweep *s, Builder *b, NodeId id) {
  Graph *g = s->g;
  int64_t key = graph_attr(g, id)[0];
  uint32_t n = (uint32_t)graph_attr(g, id)[1], first, last = 0;
  for (uint32_t i = 0; i < n; i++) {
    NodeId dx = custom_input(g, id, i, true);
    if (dx.i > last) last = dx.i;
  }
  /* what depends on that node stands behind it: a rule costs its own nodes, wherever it stands */
  if (!map_get(&s->cotangent_of, (uint64_t)key, &first) || first > last) first = last + 1;
  uint32_t span = last + 1 - first;
  bool *live = ARENA_ARRAY(s->arena, bool, span);
  for (uint32_t i = 0; i < n; i++) {
    NodeId dx = custom_input(g, id, i, true);
    if (s->wanted[custom_input(g, id, i, false).i] && dx.i >= first) live[dx.i - first] = true;
  }
  for (uint32_t i = last + 1; i-- > first;) {
    if (!live[i - first]) continue;
    graph_mark_from(g, i, live, first);
  }
  NodeId *copy = ARENA_ARRAY(s->arena, NodeId, span);
  for (uint32_t i = first; i <= last; i++) {
    copy[i - first] = (NodeId){i};
    if (!live[i - first] || g->node.at[i].region) continue; /* bodies go with their owner */
    Node node = g->node.at[i];
    if (node.op == OP_COTANGENT && graph_attr(g, (NodeId){i})[0] == key) {
      copy[i - first] = s->cotangent[id.i];
      continue;
    }
    bool other = false;
    NodeId *in = ARENA_ARRAY(s->arena, NodeId, node.nin);
    for (uint32_t k = 0; k < node.nin; k++) {
      NodeId old = g->edge.at[node.in + k];
      in[k] = old.i >= first ? copy[old.i - first] : old;
      other |= !node_eq(in[k], old);
    }
    if (!other) continue;
    copy_bodies(g, node, in);
    uint32_t nattr = op_info[node.op].nattr;
    int64_t *attr = ARENA_ARRAY(s->arena, int64_t, nattr);
    for (uint32_t k = 0; k < nattr; k++) attr[k] = g->attr.at[node.attr + k];
    copy[i - first] = graph_add(g, (Op)node.op, node.type, in, node.nin, attr, node.location, id);
  }
  for (uint32_t i = 0; i < n; i++) {
    NodeId x = custom_input(g, id, i, false);
    NodeId dx = custom_input(g, id, i, true);
    if (s->wanted[x.i] && !graph_is_zero(g, dx)) sweep_add(s, b, x, dx.i >= first ? copy[dx.i - first] : dx);
  }
}

/* The cotangent of a result waits for its owner's turn. */
static void keep_result(Sweep *s, Builder *b, NodeId id) {
  NodeId owner = graph_in(s->g, id)[0], **of = &s->of_result[owner.i];
  uint32_t n = graph_node(s->g, graph_in(s->g, owner)[0])->nin;
  if (!*of) {
    *of = ARENA_ARRAY(s->arena, NodeId, n);
    for (uint32_t k = 0; k < n; k++) (*of)[k] = NO_NODE;
  }
  NodeId *sum = &(*of)[graph_attr(s->g, id)[0]], own = s->cotangent[id.i];
  *sum = node_ok(*sum) ? build_scalar(b, OP_ADD, *sum, own, NO_NODE) : own;
}

static void step(Sweep *s, NodeId id) {
  uint32_t nin = graph_node(s->g, id)->nin;
  Builder b = {.g = s->g, .location = graph_node(s->g, id)->location, .primal = id};
  if (node_op(s->g, id) == OP_CUSTOM) {
    custom(s, &b, id);
    return;
  }
  if (node_op(s->g, id) == OP_RESULT) {
    keep_result(s, &b, id);
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
  Vjp v = {.b = &b, .node = id, .g = s->cotangent[id.i], .need = need, .dx = dx, .text = s->text};
  vjp_node(&v);
  for (uint32_t k = 0; k < nin; k++)
    if (need[k] && node_ok(dx[k])) sweep_add(s, &b, graph_in(s->g, id)[k], dx[k]);
}

Sweep sweep_begin(Level *v, uint32_t n) {
  Sweep s = {.g = v->to, .arena = v->to->arena, .level = v, .n = n};
  s.wanted = ARENA_ARRAY(s.arena, bool, n);
  s.cotangent = ARENA_ARRAY(s.arena, NodeId, n);
  s.of_result = ARENA_ARRAY(s.arena, NodeId *, n);
  s.text = ARENA_ARRAY(s.arena, const struct ScalarExpr *, VJP_TEXTS);
  for (uint32_t i = 0; i < n; i++) s.cotangent[i] = NO_NODE;
  map_init(&s.cotangent_of, s.arena);
  for (uint32_t i = s.g->node.n; i-- > 0;)
    if (node_op(s.g, (NodeId){i}) == OP_COTANGENT)
      map_put(&s.cotangent_of, (uint64_t)graph_attr(s.g, (NodeId){i})[0], i);
  return s;
}

void sweep_run(Sweep *s) {
  autodiff_mark(s->g, s->n, s->wanted);
  for (uint32_t i = s->n; i-- > 0;) {
    NodeId id = {i};
    if (s->g->node.at[i].region) continue;
    if (s->of_result[i]) (node_op(s->g, id) == OP_COND ? sweep_cond : sweep_loop)(s, id, s->of_result[i]);
    if (s->wanted[i] && node_ok(s->cotangent[i])) step(s, id);
  }
}

/* ---- GRAD nodes */

/* Derivatives of y by the leaves and nodes in target; the answers go to out. */
static void sweep(Level *v, NodeId y, const NodeId *target, const bool *is_leaf, const LeafId *leaf,
                  uint32_t ntarget, LocationId location, NodeId *out) {
  Graph *g = v->to;
  Sweep s = sweep_begin(v, y.i + 1);
  bool *leaf_wanted = ARENA_ARRAY(s.arena, bool, g->program->leaf.n);
  for (uint32_t t = 0; t < ntarget; t++) {
    if (is_leaf[t])
      leaf_wanted[leaf[t].i] = true;
    else if (node_ok(target[t]) && target[t].i < s.n)
      s.wanted[target[t].i] = true;
  }
  for (uint32_t i = 0; i < s.n; i++)
    if (node_op(g, (NodeId){i}) == OP_LEAF) s.wanted[i] |= leaf_wanted[graph_attr(g, (NodeId){i})[0]];
  Builder b = {.g = g, .location = location, .primal = y};
  autodiff_mark(g, s.n, s.wanted);
  if (s.wanted[y.i]) s.cotangent[y.i] = build_const(&b, graph_node(g, y)->type, 1);
  sweep_run(&s);

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
static void replace(Level *v, NodeId first, const NodeId *next_same) {
  Copy *c = &v->copy;
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
  sweep(v, c->map[y.i], target, is_leaf, leaf, n, graph_node(from, first)->location, out);
  t = 0;
  for (NodeId id = first; node_ok(id); id = next_same[id.i], t++) {
    const Node *node = graph_node(from, id);
    Builder b = {.g = c->to, .location = node->location, .primal = NO_NODE};
    c->map[id.i] = node_ok(out[t]) ? out[t] : build_const(&b, node->type, 0);
  }
}

/* A derivative and its scalar, kept through the rounds. */
typedef struct Mark {
  NodeId grad, scalar;
  Type type;
  LocationId location;
} Mark;
typedef VEC(Mark) Marks;

/* By node: a live GRAD node that is replaced now. A graph without bodies takes them all at once, in order;
 * else only those whose scalar reads no other one, since loops are augmented before they are copied. What is
 * differentiated by is wanted, what is differentiated hot. */
static bool *ready(Level *v, const bool *live, bool *any) {
  const Graph *g = v->from;
  Arena *a = v->to->arena;
  bool *taint = ARENA_ARRAY(a, bool, g->node.n), *now = ARENA_ARRAY(a, bool, g->node.n);
  bool *leaf = ARENA_ARRAY(a, bool, g->program->leaf.n), rounds = g->region.n > 1;
  *any = false;
  for (uint32_t i = 0; i < g->node.n; i++) {
    const NodeId *in = graph_in(g, (NodeId){i});
    for (uint32_t k = 0; k < g->node.at[i].nin && rounds; k++) taint[i] |= taint[in[k].i];
    if (g->node.at[i].op != OP_GRAD) continue;
    now[i] = live[i] && !taint[in[0].i];
    *any |= now[i];
    taint[i] = rounds;
    if (!now[i]) continue;
    v->hot[in[0].i] = v->wanted[in[1].i] = true;
    if (node_op(g, in[1]) == OP_LEAF) leaf[graph_attr(g, in[1])[0]] = true;
  }
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_LEAF) v->wanted[i] |= leaf[graph_attr(g, (NodeId){i})[0]];
  return now;
}

static void marks_follow(Marks *m, const NodeId *map) {
  for (uint32_t i = 0; m && i < m->n; i++)
    m->at[i] = (Mark){map[m->at[i].grad.i], map[m->at[i].scalar.i], m->at[i].type, m->at[i].location};
}

/* One round: copies what is live, the GRAD nodes that are ready replaced. False: none is, nothing is copied.
 */
static bool round_of(const Graph *in, const bool *live, Arena *a, Marks *marks, Copy *out) {
  Level v = level_begin(in, a);
  bool any, *now = ready(&v, live, &any);
  if (!any) return false;
  if (in->region.n > 1) level_plan(&v);
  /* Chains of GRAD nodes by their scalar, in order. */
  NodeId *tail = ARENA_ARRAY(a, NodeId, in->node.n), *next_same = ARENA_ARRAY(a, NodeId, in->node.n);
  for (uint32_t i = 0; i < in->node.n; i++) tail[i] = next_same[i] = NO_NODE;
  for (uint32_t i = 0; i < in->node.n; i++) {
    if (!now[i]) continue;
    NodeId id = {i}, y = graph_in(in, id)[0];
    if (node_ok(tail[y.i])) next_same[tail[y.i].i] = id;
    tail[y.i] = id;
  }
  for (uint32_t i = 0; i < in->node.n; i++) {
    if (!live[i] || level_augmented(&v, &i)) continue;
    if (!now[i])
      copy_node(&v.copy, (NodeId){i});
    else if (!node_ok(v.copy.map[i]))
      replace(&v, (NodeId){i}, next_same);
  }
  marks_follow(marks, v.copy.map);
  for (uint32_t i = 0; i < in->node.n && marks; i++) {
    if (!now[i]) continue;
    const Node *n = &in->node.at[i];
    VEC_PUSH(a, marks,
             (Mark){v.copy.map[i], v.copy.map[graph_in(in, (NodeId){i})[0].i], n->type, n->location});
  }
  *out = v.copy;
  return true;
}

Graph *autodiff_graph(Graph *g, Arena *a) {
  Copy c;
  g = autodiff_bodies(g, a);
  while (round_of(g, graph_live(g, a), a, NULL, &c)) g = copy_end(&c);
  return g;
}

Graph *pass_autodiff(Graph *in, PassCx *cx) { return autodiff_graph(in, cx->arena); }

/* What root 0 reads, and the marks. */
static bool *read_by(const Graph *g, const Marks *marks, Arena *a) {
  bool *live = ARENA_ARRAY(a, bool, g->node.n + 1);
  live[g->root.at[0].node.i] = true;
  for (uint32_t i = 0; i < marks->n; i++) live[marks->at[i].grad.i] = live[marks->at[i].scalar.i] = true;
  for (uint32_t i = g->node.n; i-- > 0;)
    if (live[i]) graph_mark_read(g, i, live);
  return live;
}

/* A copy with a GRAD node behind the later of each mark's two nodes. */
static Copy with_marks(const Graph *g, const Marks *marks, Arena *a) {
  uint32_t *first = ARENA_ARRAY(a, uint32_t, g->node.n), *next = ARENA_ARRAY(a, uint32_t, marks->n + 1);
  for (uint32_t k = marks->n; k > 0; k--) { /* + 1; in order */
    const Mark *m = &marks->at[k - 1];
    uint32_t at = m->grad.i > m->scalar.i ? m->grad.i : m->scalar.i;
    next[k] = first[at];
    first[at] = k;
  }
  Copy c = copy_begin(g, a, false);
  for (uint32_t i = 0; i < g->node.n; i++) {
    copy_node(&c, (NodeId){i});
    for (uint32_t k = first[i]; k; k = next[k]) {
      const Mark *m = &marks->at[k - 1];
      NodeId of[2] = {c.map[m->grad.i], c.map[m->scalar.i]};
      graph_add(c.to, OP_GRAD, m->type, of, 2, NULL, m->location, NO_NODE);
    }
  }
  return c;
}

const Graph *autodiff_marked(const Graph *g, const bool *live, NodeId y, Arena *a, NodeId *at) {
  Marks marks = {0};
  Copy c = copy_begin(g, a, false);
  for (uint32_t i = 0; i < g->node.n; i++)
    if (live[i]) copy_node(&c, (NodeId){i});
  graph_root(c.to, ROOT_OUTPUT, (Sym){0}, (LeafId){0}, c.map[y.i], (Span){0}); /* goes along */
  Graph *now = autodiff_bodies(c.to, a);
  while (round_of(now, read_by(now, &marks, a), a, &marks, &c)) now = copy_end(&c);
  c = with_marks(now, &marks, a);
  *at = c.map[now->root.at[0].node.i];
  return c.to;
}

const Graph *autodiff_leaves(const Graph *g, NodeId y, uint32_t nleaf, Arena *a, NodeId *grad, NodeId *at) {
  bool *live = ARENA_ARRAY(a, bool, g->node.n + 1);
  NodeId *first = ARENA_ARRAY(a, NodeId, nleaf);
  live[y.i] = true;
  for (uint32_t i = y.i + 1; i-- > 0;)
    if (live[i]) graph_mark_read(g, i, live);
  for (uint32_t i = 0; i < nleaf; i++) first[i] = grad[i] = NO_NODE;
  Copy c = copy_begin(g, a, false);
  for (uint32_t i = 0; i <= y.i; i++) {
    if (!live[i]) continue;
    NodeId n = copy_node(&c, (NodeId){i});
    if (g->node.at[i].op == OP_LEAF && !node_ok(first[graph_attr(g, (NodeId){i})[0]]))
      first[graph_attr(g, (NodeId){i})[0]] = n;
  }
  graph_root(c.to, ROOT_OUTPUT, (Sym){0}, (LeafId){0}, c.map[y.i], (Span){0});
  for (uint32_t i = 0; i < nleaf; i++) {
    if (!node_ok(first[i])) continue;
    const Type *t = &graph_node(c.to, first[i])->type;
    if (!dtype_is_float((DType)t->dtype)) continue;
    NodeId in[2] = {c.map[y.i], first[i]};
    NodeId d = graph_add(c.to, OP_GRAD, *t, in, 2, NULL, graph_node(g, y)->location, NO_NODE);
    graph_root(c.to, ROOT_OUTPUT, (Sym){0}, (LeafId){i}, d, (Span){0});
  }
  Graph *to = autodiff_graph(c.to, a);
  *at = to->root.at[0].node;
  for (uint32_t i = 1; i < to->root.n; i++) {
    NodeId d = to->root.at[i].node; /* a literal where no path carries */
    bool none = node_op(to, d) == OP_CONST && !node_ok(graph_node(to, d)->primal);
    grad[to->root.at[i].leaf.i] = none ? NO_NODE : d;
  }
  return to;
}

/* After the last differentiation: stop_gradient, name and custom become their value; the declared derivatives
 * they carried, and the nodes of their cotangents, are needed by nobody. */
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
    if (op_regions((Op)in->node.at[i].op)) graph_mark_read(in, i, live);
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
    copy_follow(&c, (NodeId){i});
    if (op_is(op, OPF_ERASED))
      c.map[i] = c.map[graph_in(in, (NodeId){i})[0].i];
    else
      copy_node(&c, (NodeId){i});
  }
  return copy_end(&c);
}

Graph *pass_bind(Graph *in, PassCx *cx) { return graph_copy(cx->arena, in, cx->bind, cx->nbind); }
