/* What taking a stop_gradient away would do: the loss without it is differentiated and looked at like the one
 * that was written. b - b is a cut behind 'stop_gradient', and zero without it. */
#include "passes/diagnose/zero.h"
#include "passes/graph/copy.h"

enum { REVIVE_NODES = 1000000 }; /* looked at in all; then no edit is offered */

/* What the loss reads, without the stops that stand at the cut's place. */
static Graph *without_stops(const View *v, Edge cut, Arena *a, NodeId *loss) {
  uint32_t last = v->reach.loss.i;
  uint64_t place = flow_cut_place(v, cut);
  bool *live = ARENA_ARRAY(a, bool, v->g->node.n + 1);
  live[last] = true;
  for (uint32_t i = last + 1; i-- > 0;)
    if (live[i]) graph_mark_read(v->g, i, live);
  Copy c = copy_begin(v->g, a, false);
  for (uint32_t i = 0; i <= last; i++) {
    NodeId n = {i};
    if (!live[i]) continue;
    bool stop = node_op(v->g, n) == OP_STOP && flow_cut_place(v, (Edge){n, 0}) == place;
    if (stop) copy_follow(&c, n);
    if (stop)
      c.map[i] = c.map[graph_in(v->g, n)[0].i];
    else
      copy_node(&c, n);
  }
  *loss = c.map[last];
  return c.to;
}

Revives edit_revives(Diagnose *x, const View *v, Edge cut, const LeafIds *who) {
  uint32_t view = (uint32_t)(v - x->view.at), leaves = x->p->leaf.n;
  x->revived += v->g->node.n;
  if (x->revived > REVIVE_NODES) return REVIVES_UNKNOWN;
  ArenaScope scope;
  Arena *a = arena_open(&scope, x->arena->mem);
  View written = *v, mended = {.step = v->step, .source = v->source, .loss = v->loss};
  Values values = x->values;
  mended.g = without_stops(v, cut, a, &mended.reach.loss);
  mended.param = ARENA_ARRAY(a, Verdict, leaves);
  for (uint32_t i = 0; i < leaves; i++) mended.param[i].flow = FLOW_UNUSED;
  for (uint32_t i = 0; i < who->n; i++) mended.param[who->at[i].i].flow = FLOW_OPEN;
  x->view.at[view] = mended; /* what follows speaks of views by their index */
  values_init(&x->values, x->p, a);
  zero_differentiate(x, &x->view.at[view], a);
  zero_view(x, view);
  bool all = x->view.at[view].grad != NULL;
  for (uint32_t i = 0; i < who->n && all; i++) {
    LeafId l = who->at[i];
    all = mended.param[l.i].flow == FLOW_OPEN && node_ok(x->view.at[view].grad_of[l.i]);
  }
  x->view.at[view] = written;
  x->values = values;
  arena_close(&scope);
  return all ? REVIVES_ALL : REVIVES_SOME;
}
