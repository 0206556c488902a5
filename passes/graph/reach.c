#include "passes/graph/reach.h"

#include "base/hash.h"
#include "ir/graph/region.h"
#include "passes/pass.h"

void sets_init(Sets *s, Arena *a) {
  *s = (Sets){.arena = a};
  map_init(&s->index, a);
  VEC_PUSH(a, &s->set, (Set){0});
}

static bool set_same(const Set *a, const Set *b) {
  return a->n == b->n && a->more == b->more && memcmp(a->at, b->at, sizeof a->at) == 0;
}

static uint32_t intern(Sets *s, const Set *x) {
  if (!x->n) return 0;
  uint64_t key = hash_bytes(x->at, sizeof x->at, (uint64_t)x->n << 1 | x->more);
  for (;; key++) { /* equal hashes of unequal sets: the next key */
    uint32_t id;
    if (!map_get(&s->index, key, &id)) break;
    if (set_same(&s->set.at[id], x)) return id;
  }
  VEC_PUSH(s->arena, &s->set, *x);
  map_put(&s->index, key, s->set.n - 1);
  return s->set.n - 1;
}

static void put(Set *x, uint64_t m) {
  uint8_t i = 0;
  while (i < x->n && x->at[i] < m) i++;
  if (i < x->n && x->at[i] == m) return;
  if (x->n == SET_CAP) {
    x->more = true;
    if (i == SET_CAP) return;
  } else {
    x->n++;
  }
  for (uint8_t k = (uint8_t)(x->n - 1); k > i; k--) x->at[k] = x->at[k - 1];
  x->at[i] = m;
}

uint32_t sets_add(Sets *s, uint32_t set, uint64_t member) {
  Set x = s->set.at[set];
  put(&x, member);
  return intern(s, &x);
}

uint32_t sets_union(Sets *s, uint32_t a, uint32_t b) {
  if (a == b || !b) return a;
  if (!a) return b;
  Set x = s->set.at[a];
  const Set *y = &s->set.at[b];
  x.more |= y->more;
  for (uint8_t i = 0; i < y->n; i++) put(&x, y->at[i]);
  return intern(s, &x);
}

struct EdgeFacts {
  const Graph *g;
  bool source; /* GRAD nodes are what the user wrote: the declared rules of CUSTOM nodes may be part of values
                */
};

EdgeFacts *edge_facts(const Graph *g, NodeId loss, Arena *a) {
  EdgeFacts *f = ARENA_NEW(a, EdgeFacts);
  *f = (EdgeFacts){.g = g, .source = !node_ok(loss)};
  return f;
}

bool graph_is_zero(const Graph *g, NodeId n) {
  n = graph_moved(g, n);
  return node_op(g, n) == OP_CONST && graph_const_value(g, n) == 0;
}

EdgeClass edge_class(const EdgeFacts *f, NodeId user, uint32_t input) {
  const Graph *g = f->g;
  switch (node_op(g, user)) {
  case OP_GRAD:
    if (!f->source) return input == 0 ? EDGE_NONE : EDGE_DERIV;
    return input == 0 ? GC_CARRIES : EDGE_NONE;
  case OP_CUSTOM: {
    uint32_t n = (uint32_t)graph_attr(g, user)[1];
    if (input == 0) return EDGE_RULE;
    if (input > n) return f->source ? GC_CARRIES : EDGE_NONE;
    NodeId dx = graph_in(g, user)[input + n];
    return graph_is_zero(g, dx) ? EDGE_RULE : GC_CARRIES;
  }
  default: return (EdgeClass)graph_source_class(g, user, input); /* default: all other ops follow the table */
  }
}

const Graph *reach_graph(const Graph *g, NodeId loss, Arena *a, NodeId *at) {
  *at = loss;
  bool *seen = ARENA_ARRAY(a, bool, g->node.n), any = false;
  seen[loss.i] = true;
  for (uint32_t i = loss.i + 1; i-- > 0;) {
    any |= g->node.at[i].op == OP_GRAD;
    if (seen[i]) graph_mark_read(g, i, seen);
  }
  return any ? autodiff_marked(g, seen, loss, a, at) : g;
}

uint64_t reach_place(const Graph *g, const EdgeFacts *f, Edge e) {
  const Program *p = g->program;
  Span at = p && p->sources ? graph_user_span(g, p->sources, e.user) : (Span){0};
  uint64_t word[4] = {at.file, at.lo, at.hi,
                      (uint64_t)node_op(g, e.user) << 1 | node_ok(graph_node(g, e.user)->primal)};
  if (!at.file) word[1] = edge_key(e); /* nothing to see */
  return hash_bytes(word, sizeof word, edge_class(f, e.user, e.input));
}

/* A cut in a loop or in a function that is called often is one cause: the edge that was first met there. */
static Edge first_there(Reach *r, Edge e) {
  uint64_t key = reach_place(r->g, r->facts, e);
  if (edge_class(r->facts, e.user, e.input) == EDGE_RULE) key = hash_mix(key + e.input);
  uint32_t user;
  if (map_get(&r->place, key, &user)) return (Edge){{user}, e.input};
  map_put(&r->place, key, e.user.i);
  return e;
}

/* What node `id` gives to its source k. True: something is new. */
static bool give(Reach *r, Sets *sets, NodeId id, uint32_t k) {
  EdgeClass c = edge_class(r->facts, id, k);
  uint32_t i = id.i, u = graph_source(r->g, id, k).i, cause = r->cause[u];
  if (c == EDGE_NONE) return false;
  bool carries = c == GC_CARRIES, open = carries && r->open[i], fresh = false;
  if (!r->reads[u] || (open && !r->open[u]) || (open == r->open[u] && r->far[i] + 1 < r->far[u])) {
    r->far[u] = r->far[i] + 1;
    r->next[u] = (Edge){id, k};
    fresh = true;
  }
  r->reads[u] = true;
  r->open[u] |= open;
  if (open) return fresh;
  if (carries) {
    r->cause[u] = sets_union(sets, r->cause[u], r->cause[i]);
    return fresh || r->cause[u] != cause;
  }
  uint32_t first = 0; /* operands that the node cuts alike are one cause; each part of a rule is its own */
  while (edge_class(r->facts, id, first) != c) first++;
  if (c == EDGE_RULE) first = k;
  r->cause[u] = sets_add(sets, r->cause[u], edge_key(first_there(r, (Edge){id, first})));
  return fresh || r->cause[u] != cause;
}

/* What follows from the rest of the path, once all have given. */
static void settle(Reach *r, uint32_t i) {
  Edge out = r->next[i];
  bool stops = node_ok(out.user) && edge_class(r->facts, out.user, out.input) != GC_CARRIES;
  r->cut[i] = stops ? (NodeId){i} : node_ok(out.user) ? r->cut[out.user.i] : NO_NODE;
  r->near[i] = r->far[i] <= REACH_NEAR ? (NodeId){i} : r->near[out.user.i];
}

/* Paths lead to later nodes, but in bodies back to their parameters: each is settled behind what it leads to.
 */
static void settle_all(Reach *r, Arena *a) {
  uint32_t n = r->loss.i + 1, top = 0, *todo = ARENA_ARRAY(a, uint32_t, n);
  bool *done = ARENA_ARRAY(a, bool, n);
  for (uint32_t i = n; i-- > 0;) {
    if (!r->reads[i]) continue;
    for (uint32_t k = i; !done[k];) {
      todo[top++] = k;
      done[k] = true;
      if (node_ok(r->next[k].user)) k = r->next[k].user.i;
    }
    while (top) settle(r, todo[--top]);
  }
}

/* From users to what they read, until nothing is new: once, where no value comes back to an earlier node. */
static void give_all(Reach *r, Sets *sets, const bool *only_new) {
  for (bool again = true; again;) {
    again = false;
    for (uint32_t i = r->loss.i + 1; i-- > 0;) {
      NodeId id = {i};
      if (!r->reads[i] || (only_new && only_new[i])) continue;
      uint32_t n = graph_sources(r->g, id);
      for (uint32_t k = 0; k < n; k++)
        if (!only_new || !only_new[graph_source(r->g, id, k).i]) again |= give(r, sets, id, k);
    }
    again &= r->g->region.n > 1;
  }
}

/* What only the scalar of a grad reads, and no derivative: read, and cut at the grad. */
static void under_grads(Reach *r, Sets *sets, Arena *a) {
  const Graph *g = r->g;
  bool *read = ARENA_ARRAY(a, bool, r->loss.i + 1), any = false;
  for (uint32_t i = 0; i <= r->loss.i; i++) read[i] = r->reads[i];
  for (uint32_t i = r->loss.i + 1; i-- > 0;) {
    NodeId id = {i};
    const NodeId *in = graph_in(g, id);
    if (node_op(g, id) != OP_GRAD || !r->reads[in[0].i] || read[in[1].i]) continue;
    r->next[i] = r->next[in[0].i]; /* the path goes on where that of the derivative does */
    r->far[i] = r->far[in[0].i];
    any |= give(r, sets, id, 1);
  }
  if (any) give_all(r, sets, read);
}

Reach reach_from(const Graph *g, NodeId loss, Sets *sets, Arena *a) {
  uint32_t n = g->node.n;
  Reach r = {.g = g, .facts = edge_facts(g, loss, a), .loss = loss};
  r.reads = ARENA_ARRAY(a, bool, n);
  r.open = ARENA_ARRAY(a, bool, n);
  r.next = ARENA_ARRAY(a, Edge, n);
  r.far = ARENA_ARRAY(a, uint32_t, n);
  r.cause = ARENA_ARRAY(a, uint32_t, n);
  r.cut = ARENA_ARRAY(a, NodeId, n);
  r.near = ARENA_ARRAY(a, NodeId, n);
  map_init(&r.place, a);
  for (uint32_t i = 0; i < n; i++) r.next[i] = (Edge){NO_NODE, 0};
  r.reads[loss.i] = r.open[loss.i] = true;
  give_all(&r, sets, NULL);
  bool marks = false;
  for (uint32_t i = loss.i + 1; i-- > 0;) marks |= g->node.at[i].op == OP_GRAD;
  if (marks) under_grads(&r, sets, a);
  settle_all(&r, a);
  return r;
}

/* From users to what they read; `dead`: a value that nothing reads is an end, too. Once, where no value comes
 * back to an earlier node. */
static void sink_all(const Graph *g, const EdgeFacts *f, Sets *sets, uint32_t *sink, bool dead) {
  for (bool again = true; again;) {
    again = false;
    for (uint32_t i = g->node.n; i-- > 0;) {
      NodeId id = {i};
      if (g->node.at[i].type.dtype == DT_NONE) continue; /* its results are read, or not */
      if (!sink[i] && dead) sink[i] = sets_add(sets, 0, SINK_NODE | i);
      uint32_t n = graph_sources(g, id);
      for (uint32_t k = 0; k < n; k++) {
        uint32_t *of = &sink[graph_source(g, id, k).i], had = *of;
        if (edge_class(f, id, k) != EDGE_NONE) *of = sets_union(sets, *of, sink[i]);
        again |= *of != had;
      }
    }
    again &= g->region.n > 1;
  }
}

uint32_t *reach_sinks(const Graph *g, Sets *sets, Arena *a) {
  const EdgeFacts *f = edge_facts(g, NO_NODE, a);
  uint32_t *sink = ARENA_ARRAY(a, uint32_t, g->node.n);
  for (uint32_t i = 0; i < g->root.n; i++) {
    uint32_t n = g->root.at[i].node.i;
    sink[n] = sets_add(sets, sink[n], i);
  }
  if (g->region.n > 1)
    sink_all(g, f, sets, sink, false); /* what is read has its ends before any is called dead */
  sink_all(g, f, sets, sink, true);
  return sink;
}
