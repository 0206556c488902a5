/* Loops and conditions without what nobody needs: results, carried values, operands; equal ones become one.
 * What is needed follows from where values come from (graph_sources), round loops until nothing is new. */
#include "passes/graph/copy.h"

typedef struct Trim {
  const Graph *g;
  bool *live;                       /* by node: its value is needed */
  uint32_t **param_to, **result_to; /* by owner: new index; UINT32_MAX: gone */
  bool **result;                    /* by owner, by result: needed */
} Trim;

static void find_live(Trim *t, Arena *a) {
  const Graph *g = t->g;
  VEC(NodeId) todo = {0};
  for (uint32_t i = 0; i < g->root.n; i++) VEC_PUSH(a, &todo, g->root.at[i].node);
  while (todo.n) {
    NodeId n = todo.at[--todo.n];
    if (t->live[n.i]) continue;
    t->live[n.i] = true;
    uint32_t count = graph_sources(g, n);
    for (uint32_t k = 0; k < count; k++) {
      NodeId s = graph_source(g, n, k);
      if (!t->live[s.i]) VEC_PUSH(a, &todo, s);
    }
    if (node_op(g, n) == OP_RESULT) t->result[graph_in(g, n)[0].i][graph_attr(g, n)[0]] = true;
  }
}

static NodeId body_param(const Graph *g, NodeId owner, uint32_t body, uint32_t k) {
  uint32_t region = graph_node(g, graph_in(g, owner)[body])->region;
  return (NodeId){g->region.at[region].first + k};
}

/* Is parameter k of an owner needed? */
static bool needs_param(const Trim *t, NodeId owner, uint32_t k, uint32_t carry) {
  if (k < carry && t->result[owner.i][k]) return true;
  for (uint32_t r = 0; r < op_regions(node_op(t->g, owner)); r++)
    if (t->live[body_param(t->g, owner, r, k).i]) return true;
  return false;
}

static void renumber(Trim *t, NodeId owner, Arena *a) {
  const Graph *g = t->g;
  bool loop = node_op(g, owner) == OP_LOOP;
  LoopInfo l = loop ? graph_loop(g, owner) : (LoopInfo){0};
  uint32_t before = op_before_params(node_op(g, owner)), nparam = graph_node(g, owner)->nin - before, n = 0;
  uint32_t nresult = graph_node(g, graph_in(g, owner)[0])->nin;
  const NodeId *in = graph_in(g, owner) + before;
  for (uint32_t k = 0; k < l.carry; k++) /* a value that is carried is needed when the body reads it */
    t->result[owner.i][k] |= t->live[body_param(g, owner, 0, k).i] || (l.ends && k == 0);
  uint32_t *p = t->param_to[owner.i] = ARENA_ARRAY(a, uint32_t, nparam + 1);
  uint32_t *r = t->result_to[owner.i] = ARENA_ARRAY(a, uint32_t, nresult + 1);
  for (uint32_t k = 0; k < nparam; k++) {
    p[k] = UINT32_MAX;
    if (!needs_param(t, owner, k, l.carry)) continue;
    for (uint32_t i = l.carry; i < k && p[k] == UINT32_MAX; i++)
      if (node_eq(in[i], in[k]) && (!loop || loop_is_step(&l, i) == loop_is_step(&l, k))) p[k] = p[i];
    if (p[k] == UINT32_MAX) p[k] = n++;
  }
  n = 0;
  for (uint32_t k = 0; k < nresult; k++) {
    r[k] = UINT32_MAX;
    if (!t->result[owner.i][k]) continue;
    const NodeId *y = graph_in(g, graph_in(g, owner)[0]), *z = graph_in(g, graph_in(g, owner)[loop ? 0 : 1]);
    for (uint32_t i = l.carry; i < k && r[k] == UINT32_MAX; i++)
      if (node_eq(y[i], y[k]) && node_eq(z[i], z[k])) r[k] = r[i];
    if (r[k] == UINT32_MAX) r[k] = n++;
  }
}

/* Operands that stay, in order: those that are the first with their new index. */
static uint32_t keep(const Copy *c, const NodeId *from, const uint32_t *to, uint32_t n, NodeId *out,
                     uint32_t nout) {
  for (uint32_t k = 0, next = 0; k < n; k++) {
    if (to[k] != next) continue;
    out[nout++] = c->map[from[k].i];
    next++;
  }
  return nout;
}

static void write_owner(const Trim *t, Copy *c, NodeId n, NodeId *room) {
  const Graph *g = t->g;
  const Node *node = graph_node(g, n);
  uint32_t before = op_before_params((Op)node->op), nin = 0, next = 0;
  int64_t attr[8] = {0};
  for (uint32_t k = 0; k < op_info[node->op].nattr; k++) attr[k] = graph_attr(g, n)[k];
  for (; nin < before; nin++) room[nin] = c->map[graph_in(g, n)[nin].i];
  nin = keep(c, graph_in(g, n) + before, t->param_to[n.i], node->nin - before, room, nin);
  if (node->op == OP_LOOP) {
    LoopInfo l = graph_loop(g, n);
    attr[1] = attr[2] = 0;
    for (uint32_t k = 0; k < l.nparam; k++) {
      if (t->param_to[n.i][k] != next) continue;
      attr[1] += k < l.carry;
      attr[2] += loop_is_step(&l, k);
      next++;
    }
  }
  NodeId primal = node_ok(node->primal) ? c->map[node->primal.i] : NO_NODE;
  c->map[n.i] = graph_add(c->to, (Op)node->op, node->type, room, nin, attr, node->location, primal);
}

static void write_node(const Trim *t, Copy *c, NodeId n, NodeId *room) {
  const Graph *g = t->g;
  const Node *node = graph_node(g, n);
  Op op = (Op)node->op;
  copy_follow(c, n);
  if (op_regions(op)) {
    write_owner(t, c, n, room);
  } else if (op == OP_PARAM && node->region) {
    uint32_t first = c->to->region.at[c->to->open].first;
    int64_t k = t->param_to[g->region.at[node->region].owner][graph_attr(g, n)[0]];
    bool there = first + (uint32_t)k < c->to->node.n; /* another one of the same operand */
    c->map[n.i] = there ? (NodeId){first + (uint32_t)k}
                        : graph_add(c->to, op, node->type, NULL, 0, &k, node->location, NO_NODE);
  } else if (op == OP_YIELD) {
    uint32_t nin =
        keep(c, graph_in(g, n), t->result_to[g->region.at[node->region].owner], node->nin, room, 0);
    c->map[n.i] = graph_add(c->to, op, node->type, room, nin, NULL, node->location, NO_NODE);
  } else if (op == OP_RESULT) {
    NodeId owner = graph_in(g, n)[0];
    int64_t k = t->result_to[owner.i][graph_attr(g, n)[0]];
    NodeId primal = node_ok(node->primal) ? c->map[node->primal.i] : NO_NODE;
    c->map[n.i] = graph_add(c->to, op, node->type, &c->map[owner.i], 1, &k, node->location, primal);
  } else {
    copy_node(c, n);
  }
}

/* Is a node of a body, a parameter or an owner part of what stays? */
static bool stays(const Trim *t, NodeId n) {
  const Graph *g = t->g;
  uint32_t region = graph_node(g, n)->region;
  if (op_regions(node_op(g, n))) return t->param_to[n.i] != NULL;
  if (node_op(g, n) == OP_YIELD) return t->param_to[g->region.at[region].owner] != NULL;
  if (node_op(g, n) == OP_PARAM && region) {
    const uint32_t *to = t->param_to[g->region.at[region].owner];
    return to && to[graph_attr(g, n)[0]] != UINT32_MAX;
  }
  return t->live[n.i];
}

Graph *pass_trim(Graph *in, PassCx *cx) {
  if (in->region.n == 1) return in;
  Arena *a = cx->arena;
  uint32_t n = in->node.n, widest = 1;
  Trim t = {in, ARENA_ARRAY(a, bool, n + 1), ARENA_ARRAY(a, uint32_t *, n), ARENA_ARRAY(a, uint32_t *, n),
            ARENA_ARRAY(a, bool *, n)};
  for (uint32_t i = 0; i < n; i++) {
    NodeId id = {i};
    if (in->node.at[i].nin > widest) widest = in->node.at[i].nin;
    if (op_regions(node_op(in, id)))
      t.result[i] = ARENA_ARRAY(a, bool, graph_node(in, graph_in(in, id)[0])->nin + 1);
  }
  find_live(&t, a);
  for (uint32_t i = 0; i < n; i++) { /* an owner is needed when any of its results is */
    if (!op_regions(node_op(in, (NodeId){i}))) continue;
    bool any = false;
    for (uint32_t k = 0; k < graph_node(in, graph_in(in, (NodeId){i})[0])->nin; k++) any |= t.result[i][k];
    if (any) renumber(&t, (NodeId){i}, a);
  }
  Copy c = copy_begin(in, a, false);
  NodeId *room = ARENA_ARRAY(a, NodeId, widest + 1);
  for (uint32_t i = 0; i < n; i++)
    if (stays(&t, (NodeId){i})) write_node(&t, &c, (NodeId){i}, room);
  return copy_end(&c);
}
