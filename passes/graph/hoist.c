/* What is the same in each step of a loop is computed before it: ops are total, so nothing can go wrong where
 * no step would have computed it. Moves stay: a reader goes through them. Constants stay, too. */
#include "passes/graph/widen.h"

typedef struct Hoist {
  Copy *c;
  NodeId loop;
  LoopInfo l;
  bool *fixed, *out; /* by node from l.first: the same in each step; handed in from before the loop */
} Hoist;

static bool computed(const Graph *g, uint32_t i) {
  const Node *n = &g->node.at[i];
  return n->nin && !op_is((Op)n->op, OPF_MOVE) && !(op_is((Op)n->op, OPF_NO_VALUE));
}

/* Finds what to hand in; false: there is nothing. */
static bool find(Hoist *h, const Graph *g, Arena *a) {
  LoopInfo l = h->l;
  uint32_t n = l.yield.i + 1 - l.first;
  bool any = false;
  h->fixed = ARENA_ARRAY(a, bool, n);
  h->out = ARENA_ARRAY(a, bool, n);
  for (uint32_t i = l.first; i < l.yield.i; i++) {
    const Node *x = &g->node.at[i];
    if (x->region != l.region) continue;
    bool *f = &h->fixed[i - l.first];
    *f = x->op == OP_PARAM ? i - l.first >= l.carry + l.step : !op_is((Op)x->op, OPF_NO_MERGE);
    for (uint32_t k = op_regions((Op)x->op); k < x->nin; k++)
      *f &= h->fixed[g->edge.at[x->in + k].i - l.first];
  }
  for (uint32_t i = l.first; i <= l.yield.i; i++) { /* read by what is not itself computed before the loop */
    const Node *x = &g->node.at[i];
    if (x->region != l.region) continue;
    bool before =
        i < l.yield.i && h->fixed[i - l.first] && (computed(g, i) || op_is((Op)x->op, OPF_NO_VALUE));
    for (uint32_t k = op_regions((Op)x->op); k < x->nin && !before; k++) {
      uint32_t from = g->edge.at[x->in + k].i;
      if (h->fixed[from - l.first] && computed(g, from)) any = h->out[from - l.first] = true;
    }
  }
  return any;
}

static void write_loop(Hoist *h, Arena *a) {
  Copy *c = h->c;
  const Graph *g = c->from;
  LoopInfo l = h->l;
  uint32_t n = l.yield.i + 1 - l.first, nparam = l.nparam;
  bool *need = ARENA_ARRAY(a, bool, n);
  memcpy(need, h->out, n);
  body_need(g, &l, need, NULL);
  Copy before = copy_range(g, c->to, l.first, h->loop.i);
  for (uint32_t k = l.carry + l.step; k < l.nparam; k++)
    before.map[l.first + k] = c->map[graph_in(g, h->loop)[1 + k].i];
  for (uint32_t k = 0; k < l.carry + l.step; k++) need[k] = false;
  body_copy(&before, &l, need);
  NodeId *in = ARENA_ARRAY(a, NodeId, l.nparam + n + 1), *out = ARENA_ARRAY(a, NodeId, l.nresult + 1);
  for (uint32_t k = 0; k < l.nparam; k++) in[1 + k] = c->map[graph_in(g, h->loop)[1 + k].i];
  graph_region_open(c->to);
  uint32_t outer = c->region;
  c->region = l.region;
  for (uint32_t k = 0; k < l.nparam; k++) copy_node(c, (NodeId){l.first + k});
  for (uint32_t i = l.first + l.nparam; i < l.yield.i; i++) {
    if (!h->out[i - l.first]) continue;
    int64_t k = nparam++;
    in[nparam] = before.map[i];
    c->map[i] = graph_add(c->to, OP_PARAM, g->node.at[i].type, NULL, 0, &k, g->node.at[i].location, NO_NODE);
  }
  memset(need, 0, n);
  for (uint32_t k = 0; k < l.nresult; k++) need[graph_in(g, l.yield)[k].i - l.first] = true;
  body_need(g, &l, need, h->out);
  body_copy(c, &l, need);
  for (uint32_t k = 0; k < l.nresult; k++) out[k] = c->map[graph_in(g, l.yield)[k].i];
  const Node *y = graph_node(g, l.yield), *node = graph_node(g, h->loop);
  in[0] = c->map[l.yield.i] = graph_add(c->to, OP_YIELD, y->type, out, l.nresult, NULL, y->location, NO_NODE);
  graph_region_close(c->to);
  c->region = outer;
  NodeId primal = node_ok(node->primal) ? c->map[node->primal.i] : NO_NODE;
  c->map[h->loop.i] =
      graph_add(c->to, OP_LOOP, node->type, in, nparam + 1, graph_attr(g, h->loop), node->location, primal);
}

/* One round: loops in which something is handed in are written anew, whole; others are copied and looked
 * into. */
static Graph *round_of(Graph *in, Arena *a, bool *any) {
  Copy c = copy_begin(in, a, false);
  *any = false;
  for (uint32_t i = 0; i < in->node.n; i++) {
    uint32_t r = in->node.at[i].region;
    NodeId owner = {r ? in->region.at[r].owner : 0};
    if (r && i == in->region.at[r].first && node_op(in, owner) == OP_LOOP) {
      Hoist h = {.c = &c, .loop = owner, .l = graph_loop(in, owner)};
      int64_t trip;
      bool one = dim_is_const(in->program->dims, h.l.trip, &trip) && trip == 1;
      if ((!h.l.again || !one) && find(&h, in, a)) {     /* of one step nothing would stay */
        graph_region_follow(c.to, in, owner, &c.region); /* where the loop stands */
        write_loop(&h, a);
        *any = true;
        i = owner.i;
        continue;
      }
    }
    copy_node(&c, (NodeId){i});
  }
  return copy_end(&c);
}

Graph *pass_hoist(Graph *in, PassCx *cx) {
  bool any = in->region.n > 1;
  for (uint32_t turn = 0; any && turn < 2 * in->region.n; turn++) in = round_of(in, cx->arena, &any);
  return in;
}
