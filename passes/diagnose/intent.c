/* What the text says is meant: marks that expect a finding, and `assert live(net, ce)`. */
#include "passes/diagnose/say.h"

/* Verdicts that may rest on initial values. */
static const uint32_t by_start = UINT32_C(1) << DGRP_stuck | UINT32_C(1) << DGRP_symmetric |
                                 UINT32_C(1) << DGRP_idle | UINT32_C(1) << DGRP_moves;

void say_unmet(const Diagnose *x, uint32_t from, uint32_t to, bool loaded) {
  const Leaf *leaf = program_leaf_at(x->p, x->found.at[from].param);
  for (int k = 0; k < DGRP_COUNT; k++) {
    bool met = !(leaf->expect >> k & 1) || (loaded && by_start >> k & 1);
    for (uint32_t i = from; i < to; i++)
      met |= finding_marked(leaf->expect & UINT32_C(1) << k, finding_group(x->found.at[i].head));
    if (!met)
      diag_unmet_expect(x->d, say_place(x->p, leaf),
                        str_fmt(x->arena, "parameter '" STRF "'", STRA(names_str(x->p->names, leaf->path))),
                        diag_groups[k].name, "it is not");
  }
}

void say_unmet_of_many(const Diagnose *x, bool loaded) {
  if (!x->p->expected.n) return;
  uint32_t *has = ARENA_ARRAY(x->arena, uint32_t, x->p->leaf.n); /* by LeafId: groups of its findings */
  for (uint32_t k = 0; k < x->found.n; k++)
    for (int g = 0; g < DGRP_COUNT; g++)
      if (finding_marked(UINT32_C(1) << g, finding_group(x->found.at[k].head)))
        has[x->found.at[k].param.i] |= UINT32_C(1) << g;
  for (uint32_t i = 0; i < x->p->expected.n; i++) {
    const Expected *e = &x->p->expected.at[i];
    uint32_t unmet = loaded ? e->groups & ~by_start : e->groups;
    for (uint32_t k = 0; k < e->of.n; k++) unmet &= ~has[e->of.at[k].i];
    for (int g = 0; g < DGRP_COUNT; g++)
      if (unmet >> g & 1)
        diag_unmet_expect(x->d, e->at, STR("one of the parameters here"), diag_groups[g].name, "none is");
  }
}

/* ---- assert live(net, ce): what is shown dead breaks it. Where a step minimizes the loss itself, all that
 * is known of the step counts, else the paths of the loss. */

static const char *reason(Flow f) {
  switch (f) {
  case FLOW_UNUSED:
  case FLOW_UNREACHABLE: return "no path leads there";
  case FLOW_CUT: return "every path is cut";
  case FLOW_ZERO: return "it is zero for every input";
  case FLOW_STUCK: return "it is zero at the initial values, and stays so";
  case FLOW_SYMMETRIC:
  case FLOW_OPEN: break;
  }
  return NULL;
}

static void broken(Diagnose *x, const LiveClaim *c, const Flow *flow, Flow of) {
  Say s = {.x = x};
  for (uint32_t i = 0; i < c->param.n; i++)
    if (flow[c->param.at[i].i] == of) VEC_PUSH(x->arena, &s.who, c->param.at[i]);
  if (!s.who.n) return;
  Str loss = str_fmt(x->arena, "loss '" STRF "'", STRA(names_str(x->p->names, c->loss)));
  Diag *g = diag_not_live(x->d, c->at, say_who(&s), s.who.n == 1 ? "gets" : "get", loss, reason(of));
  diag_label(g, say_place(x->p, program_leaf_at(x->p, s.who.at[0])), "declared here");
}

/* What the eval graph says of a loss that no step minimizes by itself. */
static void flows_of_paths(Diagnose *x, Sym loss_name, Flow *flow) {
  const Graph *eval = program_graph(x->p, ENTRY_EVAL, (Sym){0});
  for (uint32_t k = 0; eval && k < eval->root.n; k++) {
    const Root *r = &eval->root.at[k];
    if (r->kind != ROOT_LOSS || !sym_eq(r->name, loss_name)) continue;
    NodeId loss = r->node;
    const Graph *g = reach_graph(eval, loss, x->arena, &loss);
    Reach reach = reach_from(g, loss, &x->sets, x->arena);
    for (uint32_t i = 0; i < g->node.n; i++) {
      if (g->node.at[i].op != OP_LEAF) continue;
      Flow own = !reach.reads[i] ? FLOW_UNREACHABLE : reach.open[i] ? FLOW_OPEN : FLOW_CUT;
      Flow *f = &flow[graph_attr(g, (NodeId){i})[0]];
      if (own > *f) *f = own;
    }
  }
}

/* By LeafId, for the loss: where least is shown against each. UNUSED is the weakest. */
static const Flow *flows(Diagnose *x, Sym loss) {
  Flow *flow = ARENA_ARRAY(x->arena, Flow, x->p->leaf.n);
  bool minimized = false;
  for (uint32_t k = 0; k < x->view.n; k++) {
    const View *v = &x->view.at[k];
    if (!str_eq(v->loss, names_str(x->p->names, loss))) continue;
    minimized = true;
    for (uint32_t j = 0; j < x->p->leaf.n; j++)
      if (v->param[j].flow > flow[j]) flow[j] = v->param[j].flow;
  }
  if (!minimized) flows_of_paths(x, loss, flow);
  return flow;
}

void diagnose_live(Diagnose *x) {
  Map known; /* losses: indices into `of` */
  VEC(const Flow *) of = {0};
  map_init(&known, x->arena);
  for (uint32_t i = 0; i < x->p->live.n; i++) {
    const LiveClaim *c = &x->p->live.at[i];
    uint32_t k;
    if (!map_get(&known, c->loss.i, &k)) {
      map_put(&known, c->loss.i, k = of.n);
      VEC_PUSH(x->arena, &of, flows(x, c->loss));
    }
    for (Flow f = FLOW_UNUSED; f < FLOW_SYMMETRIC; f++) broken(x, c, of.at[k], f);
  }
}
