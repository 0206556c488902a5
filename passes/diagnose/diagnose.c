/* Verdicts per loss: where a parameter's gradient comes from, and what the step's rule makes of it. */
#include "passes/diagnose/slab.h"

static void add_view(Diagnose *x, const TrainStep *step, const Graph *source, NodeId loss, Str name) {
  const Graph *g = reach_graph(source, loss, x->arena, &loss);
  View v = {.step = step, .source = source, .g = g, .loss = name};
  v.reach = reach_from(g, loss, &x->sets, x->arena);
  v.param = ARENA_ARRAY(x->arena, Verdict, x->p->leaf.n);
  for (uint32_t i = 0; i < x->p->leaf.n; i++) v.param[i].at = v.param[i].why = NO_NODE;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (g->node.at[i].op != OP_LEAF) continue;
    Verdict *p = &v.param[graph_attr(g, (NodeId){i})[0]];
    Flow flow = !v.reach.reads[i] ? FLOW_UNREACHABLE : v.reach.open[i] ? FLOW_OPEN : FLOW_CUT;
    if (flow == FLOW_CUT) p->cause = sets_union(&x->sets, p->cause, v.reach.cause[i]);
    if (flow > p->flow || (flow == p->flow && (!node_ok(p->at) || v.reach.far[i] < v.reach.far[p->at.i])))
      p->at = (NodeId){i};
    if (flow > p->flow) p->flow = flow;
  }
  for (uint32_t i = 0; step && i < step->owned.n; i++) {
    v.param[step->owned.at[i].param.i].rule = RULE_MOVES;
    v.param[step->owned.at[i].param.i].group = step->owned.at[i].group;
  }
  VEC_PUSH(x->arena, &x->view, v);
}

static void initial_reads(Diagnose *x) {
  const Program *p = x->p;
  x->starts = ARENA_ARRAY(x->arena, LeafId, p->leaf.n);
  for (uint32_t i = 0; i < p->leaf.n; i++) x->starts[i].i = UINT32_MAX;
  for (uint32_t i = p->initial_read.n; i-- > 0;)
    x->starts[p->initial_read.at[i].of.i] = p->initial_read.at[i].by;
}

/* Each loss keeps a few words a node. One is always looked at; thousands of losses over one graph are not. */
static bool too_many(Diagnose *x, uint32_t nodes, Span at) {
  x->visits += nodes;
  if (!x->view.n || x->visits <= x->p->limits->diagnosis || !x->d->limits) return false;
  diag_status(diag_limit(x->d, at, "nodes that the losses of the program are made of, added up", "diagnosis",
                         x->p->limits->diagnosis),
              ST_LIMIT);
  return true;
}

bool diagnose_run(Diagnose *x) {
  const Program *p = x->p;
  sets_init(&x->sets, x->arena);
  diagnose_assigned(x);
  initial_reads(x);
  for (uint32_t i = 0; i < p->train.n; i++) {
    const TrainStep *t = &p->train.at[i];
    const Graph *g = t->entry < p->entry.n ? p->entry.at[t->entry].graph : NULL;
    if (!g || !node_ok(t->loss)) continue;
    if (too_many(x, g->node.n, t->at)) return false;
    add_view(x, t, g, t->loss, names_str(p->names, t->loss_name));
  }
  if (!p->train.n) {
    const Graph *g = program_graph(p, ENTRY_EVAL, (Sym){0});
    for (uint32_t i = 0; g && i < g->root.n; i++) {
      const Root *root = &g->root.at[i];
      if (root->kind != ROOT_LOSS) continue;
      if (too_many(x, g->node.n, root->at)) return false;
      add_view(x, NULL, g, root->node, names_str(p->names, root->name));
    }
  }
  diagnose_gradients(x);
  diagnose_at_rest(x);
  diagnose_zero(x);
  diagnose_stuck(x);
  diagnose_rules(x);
  diagnose_partial(x);
  diagnose_find(x);
  return true;
}

void diagnose_one(const Program *p, const Map *known, Diags *d) {
  ArenaScope scope; /* what is said lives with the diagnostics, what it was read from ends here */
  Diagnose x = {.arena = arena_open(&scope, p->arena->mem), .p = p, .d = d, .known = known};
  if (diagnose_run(&x)) {
    diagnose_say(&x);
    diagnose_live(&x);
    diagnose_losses(&x);
  }
  arena_close(&scope);
}
