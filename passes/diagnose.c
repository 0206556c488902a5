/* Verdicts per loss, then one headline per parameter. The order of headlines is the contract's: owned twice;
 * dead flow over all steps that own it; rule; unowned. Dead in one owner and open in another is healthy. */
#include "passes/diagnose.h"

#include "base/hash.h"

static void add_view(Diagnose *x, const TrainStep *step, const Graph *g, NodeId loss, Str name) {
  View v = {.step = step, .g = g, .loss = name, .reach = reach_from(g, loss, &x->sets, x->arena)};
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

/* Leaves that an `after` block assigns. */
static void assigned(Diagnose *x) {
  const Program *p = x->p;
  x->assigned = ARENA_ARRAY(x->arena, bool, p->leaf.n);
  for (uint32_t e = 0; e < p->entry.n; e++) {
    const Graph *g = p->entry.at[e].graph;
    for (uint32_t i = 0; g && p->entry.at[e].kind == ENTRY_AFTER && i < g->root.n; i++)
      if (g->root.at[i].kind == ROOT_ASSIGN) x->assigned[g->root.at[i].leaf.i] = true;
  }
}

/* A set of cuts as the user sees it: equal texts at equal places are one cause, however often a function or a
 * loop was expanded. */
static uint64_t cut_places(const Diagnose *x, const View *v, uint32_t set) {
  const Set *s = &x->sets.set.at[set];
  uint64_t place[SET_CAP], n = 0;
  for (uint8_t i = 0; i < s->n; i++) {
    uint64_t h = flow_cut_place(x, v, key_edge(s->at[i]));
    uint64_t k = 0;
    while (k < n && place[k] < h) k++;
    if (k < n && place[k] == h) continue;
    for (uint64_t j = n++; j > k; j--) place[j] = place[j - 1];
    place[k] = h;
  }
  return hash_bytes(place, n * sizeof *place, s->more ? set : 0); /* size-ok: at most SET_CAP */
}

/* A step's rule gives it back unchanged, and `after` moves it: intended, and it does change. */
static bool only_assigned(const Diagnose *x, LeafId id) {
  for (uint32_t i = 0; i < x->view.n; i++) {
    Rule r = x->view.at[i].param[id.i].rule;
    if (r != RULE_NONE && r != RULE_IDLE) return false;
  }
  return x->assigned[id.i];
}

/* Nobody reads the value; perhaps its shape. */
static Headline not_read(Diagnose *x, Finding *f) {
  uint32_t sinks = flow_sinks(x, f->param);
  if (!sinks) return HEAD_UNUSED;
  f->key = (uint64_t)sinks << 20 | f->view;
  return flow_only_shape(x, sinks) ? HEAD_SHAPE : HEAD_UNREACHABLE;
}

/* Over the views that own it (all views when none does): the view with the weakest verdict speaks for the
 * parameter. */
static Finding headline(Diagnose *x, LeafId id) {
  const Leaf *leaf = program_leaf_at(x->p, id);
  Finding f = {.param = id, .head = HEAD_HEALTHY};
  if (leaf->frozen) {
    bool used = flow_sinks(x, id) || x->starts[id.i].i != UINT32_MAX;
    f.head = used ? HEAD_SILENT : HEAD_FROZEN_UNUSED;
    return f;
  }
  bool steps = x->p->train.n > 0;
  for (uint32_t i = 0; i < x->view.n; i++) f.owners += x->view.at[i].param[id.i].rule != RULE_NONE;
  if (only_assigned(x, id)) {
    f.head = HEAD_SILENT;
    return f;
  }
  if (f.owners > 1) {
    f.head = HEAD_OWNED_TWICE;
    for (uint32_t i = x->view.n; i-- > 0;) {
      if (x->view.at[i].param[id.i].rule == RULE_NONE) continue;
      f.key = f.key * 1024 + i + 1;
      f.view = i;
    }
    return f;
  }
  bool found = false;
  for (uint32_t i = 0; i < x->view.n; i++) {
    const Verdict *v = &x->view.at[i].param[id.i];
    if (f.owners && v->rule == RULE_NONE) continue;
    if (!found || v->flow > x->view.at[f.view].param[id.i].flow) f.view = i;
    found = true;
  }
  if (!found) { /* no loss at all: nothing trains, but what nobody reads is still unused */
    if (!flow_sinks(x, id)) f.head = HEAD_UNUSED;
    return f;
  }
  const View *view = &x->view.at[f.view];
  const Verdict *v = &view->param[id.i];
  switch (v->flow) {
  case FLOW_UNUSED:
  case FLOW_UNREACHABLE: f.head = not_read(x, &f); return f;
  case FLOW_CUT:
    f.head = HEAD_CUT;
    f.key = cut_places(x, view, v->cause) ^ f.view;
    return f;
  case FLOW_OPEN: break;
  }
  if (!f.owners) {
    f.head = steps ? HEAD_UNOWNED : HEAD_HEALTHY;
    f.key = f.view;
  } else if (v->rule == RULE_IDLE || v->rule == RULE_DRIFTS) {
    f.head = v->rule == RULE_IDLE ? HEAD_IDLE : HEAD_DRIFTS;
    f.key = (uint64_t)v->group << 20 | f.view;
  }
  return f;
}

/* End of the path's next component from byte i: before '.' or '['. */
static size_t component(Str path, size_t i) {
  while (i < path.n && path.p[i] != '.' && path.p[i] != '[') i++;
  return i;
}

/* The parameters of an instance that nobody uses are one cause: the outermost one of which nothing is used.
 */
static void group_unused(Diagnose *x) {
  Map used; /* by hash of an instance's path */
  map_init(&used, x->arena);
  for (uint32_t i = 0; i < x->found.n; i++) {
    Str path = names_str(x->p->names, program_leaf_at(x->p, x->found.at[i].param)->path);
    for (size_t k = component(path, 0); k < path.n && x->found.at[i].head != HEAD_UNUSED;
         k = component(path, k + 1))
      map_put(&used, hash_str((Str){path.p, k}), 1);
  }
  for (uint32_t i = 0; i < x->found.n; i++) {
    if (x->found.at[i].head != HEAD_UNUSED) continue;
    Str path = names_str(x->p->names, program_leaf_at(x->p, x->found.at[i].param)->path);
    uint32_t yes;
    size_t k = component(path, 0);
    while (k < path.n && map_get(&used, hash_str((Str){path.p, k}), &yes)) k = component(path, k + 1);
    x->found.at[i].key = hash_str((Str){path.p, k});
  }
}

void diagnose_run(Diagnose *x) {
  const Program *p = x->p;
  sets_init(&x->sets, x->arena);
  assigned(x);
  initial_reads(x);
  for (uint32_t i = 0; i < p->train.n; i++) {
    const TrainStep *t = &p->train.at[i];
    const Graph *g = t->entry < p->entry.n ? p->entry.at[t->entry].graph : NULL;
    if (g && node_ok(t->loss)) add_view(x, t, g, t->loss, names_str(p->names, t->loss_name));
  }
  if (!p->train.n) {
    const Graph *g = program_graph(p, ENTRY_EVAL, (Sym){0});
    for (uint32_t i = 0; g && i < g->root.n; i++)
      if (g->root.at[i].kind == ROOT_LOSS)
        add_view(x, NULL, g, g->root.at[i].node, names_str(p->names, g->root.at[i].name));
  }
  for (uint32_t i = 0; i < x->view.n; i++)
    if (x->view.at[i].step) diagnose_rules(x, &x->view.at[i]);
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (p->leaf.at[i].kind == LEAF_PARAM) VEC_PUSH(x->arena, &x->found, headline(x, (LeafId){i}));
  group_unused(x);
}

void diagnose(const Program *p, const DimBinding *bind, size_t nbind, Diags *d) {
  (void)bind; /* every verdict here holds for all extents */
  (void)nbind;
  Diagnose x = {.arena = p->arena, .p = p, .d = d};
  diagnose_run(&x);
  diagnose_say(&x);
  diagnose_losses(&x);
}
