/* Losses that do not change with a parameter, by dependency signatures: from the parameter up, over the
 * values that carry gradient, until the dependence has ended everywhere or is of no known form. */
#include "ir/graph/region.h"
#include "passes/diagnose/diagnose.h"
#include "passes/diagnose/signature.h"

enum { FUEL_PER_NODE = 10, FUEL_LEAST = 100000 };

typedef struct Search {
  Diagnose *x;
  View *v;
  uint32_t view, n;       /* nodes up to the loss */
  bool *carries;          /* by node: gradient comes back to it */
  uint32_t *first, *user; /* by node: its users are user[first[i]] .. user[first[i + 1]] */
  Sig *sig;
  uint32_t *stamp, *heap, turn, nheap; /* nodes to look at, least first */
  bool *queued;
  int64_t fuel;
  Sig *in;
  VEC(NodeId) end; /* where the dependence ended, perhaps before more was known of a loop */
} Search;

static bool passes(const Graph *g, NodeId n, uint32_t k) {
  if (node_op(g, n) == OP_CUSTOM) return k > 0;
  return graph_source_class(g, n, k) == GC_CARRIES;
}

/* Which nodes gradient comes back to: once, where no value comes back to an earlier node. */
static void mark_carries(Search *s) {
  const Graph *g = s->v->grad;
  s->carries[s->v->grad_loss.i] = true;
  for (bool again = true; again;) {
    again = false;
    for (uint32_t i = s->n; i-- > 0;) {
      if (!s->carries[i]) continue;
      for (uint32_t k = 0; k < graph_sources(g, (NodeId){i}); k++) {
        bool *of = &s->carries[graph_source(g, (NodeId){i}, k).i];
        if (*of || !passes(g, (NodeId){i}, k)) continue;
        *of = again = true;
      }
    }
    again &= g->region.n > 1;
  }
}

static void prepare(Search *s, Arena *a) {
  const Graph *g = s->v->grad;
  uint32_t most = 1;
  s->n = s->v->grad_loss.i + 1;
  s->carries = ARENA_ARRAY(a, bool, s->n);
  s->first = ARENA_ARRAY(a, uint32_t, s->n + 1);
  mark_carries(s);
  for (uint32_t i = 0; i < s->n; i++) {
    uint32_t nin = graph_sources(g, (NodeId){i});
    if (nin > most) most = nin;
    for (uint32_t k = 0; k < nin && s->carries[i]; k++) s->first[graph_source(g, (NodeId){i}, k).i + 1]++;
  }
  for (uint32_t i = 0; i < s->n; i++) s->first[i + 1] += s->first[i];
  s->user = ARENA_ARRAY(a, uint32_t, s->first[s->n]);
  uint32_t *at = ARENA_ARRAY(a, uint32_t, s->n);
  for (uint32_t i = 0; i < s->n; i++) at[i] = s->first[i];
  for (uint32_t i = 0; i < s->n; i++)
    for (uint32_t k = 0; k < graph_sources(g, (NodeId){i}) && s->carries[i]; k++)
      s->user[at[graph_source(g, (NodeId){i}, k).i]++] = i;
  s->sig = ARENA_ARRAY(a, Sig, s->n);
  s->stamp = ARENA_ARRAY(a, uint32_t, s->n);
  s->heap = ARENA_ARRAY(a, uint32_t, s->n + 1);
  s->queued = ARENA_ARRAY(a, bool, s->n);
  s->in = ARENA_ARRAY(a, Sig, most);
  s->fuel = (int64_t)s->n * FUEL_PER_NODE + FUEL_LEAST;
}

static void push(Search *s, uint32_t node) {
  if (s->queued[node]) return;
  s->queued[node] = true;
  uint32_t i = s->nheap++;
  for (; i && s->heap[(i - 1) / 2] > node; i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
  s->heap[i] = node;
}

static uint32_t pop(Search *s) {
  uint32_t least = s->heap[0], last = s->heap[--s->nheap], i = 0;
  for (;;) {
    uint32_t k = 2 * i + 1;
    if (k >= s->nheap) break;
    if (k + 1 < s->nheap && s->heap[k + 1] < s->heap[k]) k++;
    if (s->heap[k] >= last) break;
    s->heap[i] = s->heap[k];
    i = k;
  }
  if (s->nheap) s->heap[i] = last;
  s->queued[least] = false;
  return least;
}

static void push_users(Search *s, uint32_t node) {
  for (uint32_t i = s->first[node]; i < s->first[node + 1]; i++)
    if (s->carries[s->user[i]]) push(s, s->user[i]);
}

/* A table that is constant along no axis: no operation will take that away. (A row is, once it is stretched.)
 */
static bool hopeless(const Sig *sig, const Type *t) {
  return sig->kind == SIG_ANY || (t->rank > 1 && !(sig->axes & ((UINT32_C(1) << t->rank) - 1)));
}

/* How the node changes, by what is known of its sources now. */
static Sig change(Search *s, NodeId n) {
  const Graph *g = s->v->grad;
  bool depends = false, body = node_op(g, n) == OP_PARAM || node_op(g, n) == OP_RESULT;
  for (uint32_t k = 0; k < graph_sources(g, n); k++) {
    uint32_t in = graph_source(g, n, k).i;
    s->in[k] = (Sig){.kind = SIG_NONE, .k = {1, 1}};
    if (s->stamp[in] == s->turn && passes(g, n, k)) s->in[k] = s->sig[in];
    depends |= s->in[k].kind != SIG_NONE;
  }
  SigNode node = {&s->x->values, g, s->v->value, n, s->in};
  if (!depends) return (Sig){.kind = SIG_NONE, .axes = 1};
  Sig r = body ? sig_body(&node) : sig_node(&node);
  if (r.kind == SIG_NONE) r.axes = 0;
  return r;
}

/* Carried, and looked at again: nothing new. Along fewer axes at most, so that it comes to an end. */
static bool settled(Search *s, uint32_t i, Sig *sig) {
  if (node_op(s->v->grad, (NodeId){i}) != OP_PARAM || s->stamp[i] != s->turn) return false;
  if (sig->kind != s->sig[i].kind) return false;
  sig->axes &= s->sig[i].axes;
  return sig_same(sig, &s->sig[i]);
}

/* False: the loss may depend on it. */
static bool visit(Search *s, uint32_t i) {
  const Graph *g = s->v->grad;
  Sig sig = change(s, (NodeId){i});
  if (sig.kind == SIG_NONE) {
    if (!sig.axes) VEC_PUSH(s->x->arena, &s->end, (NodeId){i});
    return true;
  }
  bool param = node_op(g, (NodeId){i}) == OP_PARAM; /* itself again */
  if (i == s->v->grad_loss.i || (!param && hopeless(&sig, &g->node.at[i].type))) return false;
  if (settled(s, i, &sig)) return true;
  s->sig[i] = sig;
  s->stamp[i] = s->turn;
  push_users(s, i);
  return true;
}

static uint32_t causes_of(Search *s) {
  uint32_t causes = 0;
  for (uint32_t i = 0; i < s->end.n; i++) {
    Sig sig = change(s, s->end.at[i]);
    if (sig.kind != SIG_NONE || sig.axes) continue;
    Cause c = {.kind = CAUSE_IGNORED, .view = s->view, .at = s->end.at[i], .leaf = {UINT32_MAX}};
    causes = sets_add(&s->x->sets, causes, zero_cause(s->x, c));
  }
  return causes;
}

/* The set of places where the dependence ends, or 0. */
static uint32_t search(Search *s, const uint32_t *leaf, uint32_t nleaf, SigKind kind) {
  const Graph *g = s->v->grad;
  bool ends = true;
  s->end.n = 0;
  s->turn++;
  for (uint32_t i = 0; i < nleaf; i++) {
    Sig *sig = &s->sig[leaf[i]];
    *sig = sig_start(&s->x->values, &g->node.at[leaf[i]].type, kind);
    s->stamp[leaf[i]] = s->turn;
    if (leaf[i] == s->v->grad_loss.i) return 0;
    push_users(s, leaf[i]);
  }
  while (s->nheap) {
    uint32_t i = pop(s);
    if (ends) ends = s->fuel-- > 0 && visit(s, i);
  }
  return ends ? causes_of(s) : 0;
}

/* What is ended by an op that reads a label rests on where the label lies. */
static bool needs_range(const Search *s, uint32_t causes) {
  Set set = s->x->sets.set.at[causes];
  for (uint8_t i = 0; i < set.n; i++) {
    NodeId n = s->x->cause.at[set.at[i]].at;
    if (node_op(s->v->grad, n) != OP_CROSS_ENTROPY) continue;
    if (!value_is_const(&s->x->values, s->v->value[graph_in(s->v->grad, n)[1].i])) return true;
  }
  return false;
}

/* Zero by terms that cancel somewhere: where the dependence ends says more. */
static bool cancels(const Diagnose *x, uint32_t causes) {
  Set set = x->sets.set.at[causes];
  for (uint8_t i = 0; i < set.n; i++)
    if (x->cause.at[set.at[i]].kind != CAUSE_CANCEL) return false;
  return true;
}

void diagnose_invariant(Diagnose *x, uint32_t view) {
  Search s = {.x = x, .v = &x->view.at[view], .view = view};
  ArenaScope scope;
  Arena *a = arena_open(&scope, x->arena->mem);
  prepare(&s, a);
  uint32_t leaves = x->p->leaf.n, *count = ARENA_ARRAY(a, uint32_t, leaves + 1);
  for (uint32_t i = 0; i < s.n; i++)
    if (s.v->grad->node.at[i].op == OP_LEAF && s.carries[i])
      count[graph_attr(s.v->grad, (NodeId){i})[0] + 1]++;
  for (uint32_t i = 0; i < leaves; i++) count[i + 1] += count[i];
  uint32_t *node = ARENA_ARRAY(a, uint32_t, count[leaves]), *at = ARENA_ARRAY(a, uint32_t, leaves);
  for (uint32_t i = 0; i < leaves; i++) at[i] = count[i];
  for (uint32_t i = 0; i < s.n; i++)
    if (s.v->grad->node.at[i].op == OP_LEAF && s.carries[i])
      node[at[graph_attr(s.v->grad, (NodeId){i})[0]]++] = i;
  for (uint32_t i = 0; i < leaves; i++) {
    Verdict *p = &s.v->param[i];
    uint32_t n = count[i + 1] - count[i];
    bool asked = p->flow == FLOW_OPEN || (p->flow == FLOW_ZERO && cancels(x, p->cause));
    if (x->p->leaf.at[i].kind != LEAF_PARAM || !asked || !n) continue;
    uint32_t causes = search(&s, &node[count[i]], n, SIG_SHIFT);
    if (!causes) causes = search(&s, &node[count[i]], n, SIG_SCALE);
    if (!causes) continue;
    p->by_range = p->flow == FLOW_OPEN && needs_range(&s, causes);
    p->flow = FLOW_ZERO;
    p->cause = causes;
  }
  arena_close(&scope);
}
