/* Which loops keep what they computed for their way back, and which compute it again, so that the memory of
 * a step comes into the budget. Loops with the largest stacks first, a few one by one: of each the cheapest
 * way that fits, else the one that takes least. Where that is not enough all others together, then as few
 * of them as do. Memory is measured, by lowering what would be run. */
#include "passes/graph/budget.h"

#include "base/size.h"
#include "passes/graph/widen.h"

#include <math.h>
#include <stdlib.h>

typedef struct Candidate {
  NodeId loop;
  int64_t trip, carried, kept; /* bytes a step: of what is carried; of stacks that only the way back reads */
  int64_t again;
} Candidate;
typedef VEC(Candidate) Candidates;

static int64_t bytes_of(const Graph *g, NodeId n) {
  const Type *t = &graph_node(g, n)->type;
  int64_t ext[MAX_RANK], bytes = (int64_t)dtype_bytes((DType)t->dtype);
  if (!type_extents(g->program->dims, t, ext)) return 0;
  for (int i = 0; i < t->rank; i++)
    if (!i64_mul(bytes, ext[i], &bytes)) return INT64_MAX / 2;
  return bytes;
}

static int larger_first(const void *a, const void *b) {
  const Candidate *x = a, *y = b;
  double p = (double)x->kept * (double)x->trip, q = (double)y->kept * (double)y->trip;
  return p > q ? -1 : p < q ? 1 : x->loop.i < y->loop.i ? -1 : x->loop.i > y->loop.i;
}

static Candidates candidates(const Graph *g, Arena *a) {
  Candidates found = {0};
  const bool *whole = stacks_read_whole(g, a);
  bool **read = ARENA_ARRAY(a, bool *, g->node.n); /* by LOOP, by result: its way back walks along it */
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId loop = {i}, by;
    uint32_t result;
    for (uint32_t k = 0; node_op(g, loop) == OP_LOOP && k + 1 < g->node.at[i].nin; k++) {
      if (!stack_writer(g, loop, k, &by, &result) || whole[graph_in(g, loop)[1 + k].i]) continue;
      if (!read[by.i]) read[by.i] = ARENA_ARRAY(a, bool, graph_loop(g, by).nresult);
      read[by.i][result] = true;
    }
  }
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (g->node.at[i].op != OP_LOOP) continue;
    LoopInfo l = graph_loop(g, (NodeId){i});
    Candidate c = {.loop = {i}};
    if (!read[i] || l.again || !dim_is_const(g->program->dims, l.trip, &c.trip) || c.trip < 2) continue;
    for (uint32_t k = 0; k < l.carry; k++) c.carried += bytes_of(g, (NodeId){l.first + k});
    for (uint32_t k = 0; k < l.nresult; k++)
      if (read[i][k]) c.kept += bytes_of(g, graph_in(g, l.yield)[k]);
    if (c.kept) VEC_PUSH(a, &found, c);
  }
  if (found.n) qsort(found.at, found.n, sizeof *found.at, larger_first);
  return found;
}

static Graph *marked(const Graph *g, const Candidates *all, Arena *a) {
  int64_t *again = ARENA_ARRAY(a, int64_t, g->node.n + 1);
  for (uint32_t k = 0; k < all->n; k++) again[all->at[k].loop.i] = all->at[k].again;
  Copy c = copy_begin(g, a, false);
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId n = copy_node(&c, (NodeId){i});
    if (again[i]) c.to->attr.at[graph_node(c.to, n)->attr + 5] = again[i];
  }
  return copy_end(&c);
}

/* k places for stacks and trip / k for what is carried: the least of both together. */
static int64_t segment_of(const Candidate *c) {
  if (!c->carried || c->trip < 4) return 0;
  double k = round(sqrt((double)c->trip * (double)c->carried / (double)c->kept));
  return k<2 ? 2 : k>(double)(c->trip / 2) ? c->trip / 2 : (int64_t)k;
}

static void say(const Graph *g, const Candidates *all, int64_t kept, int64_t now, const PassOptions *o) {
  if (!o->policy) return;
  sb_fmt(o->policy, "memory of a step: %lld bytes with all kept, %lld as below, %lld asked for\n",
         (long long)kept, (long long)now, (long long)o->memory);
  for (uint32_t i = 0; i < all->n; i++) {
    const Candidate *c = &all->at[i];
    graph_place(g, c->loop, o->policy);
    sb_fmt(o->policy, "%lld steps, %lld bytes a step: ", (long long)c->trip, (long long)c->kept);
    if (c->again > 1)
      sb_fmt(o->policy, "computed again %lld steps at a time\n", (long long)c->again);
    else
      sb_fmt(o->policy, c->again ? "computed again in each step\n" : "kept\n");
  }
}

/* What budget_marked decides with. */
typedef struct Budget {
  const Graph *g;
  PassCx *cx;
  BudgetFinish *finish;
  Candidates all;
  int64_t now; /* bytes, as marked */
} Budget;

/* Bytes as marked now. Of the trial only they are kept. */
static int64_t measured(const Budget *b) {
  static const PassOptions none = {0};
  const PassOptions *o = b->cx->options;
  ArenaScope scope;
  Arena *a = arena_open(&scope, b->cx->arena->mem);
  PassCx quiet = {.arena = a, .program = b->cx->program, .options = &none};
  int64_t bytes = o->measure(o->measure_cx, b->finish(marked(b->g, &b->all, a), &quiet));
  arena_close(&scope);
  return bytes;
}

/* The first `most` loops, one by one. */
static void try_each(Budget *b, uint32_t most) {
  int64_t memory = b->cx->options->memory;
  for (uint32_t i = 0; i < b->all.n && i < most && b->now > memory; i++) {
    Candidate *c = &b->all.at[i];
    int64_t way[2] = {1, segment_of(c)}, best = 0;
    for (int w = 0; w < 2 && b->now > memory; w++) {
      if (!way[w]) continue;
      c->again = way[w];
      int64_t bytes = measured(b);
      if (bytes < b->now) b->now = bytes, best = way[w];
    }
    c->again = best;
  }
}

/* The first n loops of `rest` are computed again, a step at a time or in segments; the others are kept. */
static void mark_rest(Budget *b, const uint32_t *rest, uint32_t n, uint32_t nrest, bool segments) {
  for (uint32_t i = 0; i < nrest; i++) {
    Candidate *c = &b->all.at[rest[i]];
    int64_t k = segments ? segment_of(c) : 0;
    c->again = i >= n ? 0 : k ? k : 1;
  }
}

/* All that are kept yet at once: one by one each takes a lowering, and one alone may bring nothing. Of those
 * as few as do. Without success all stay marked, unless they take more than before. */
static void try_rest(Budget *b) {
  int64_t memory = b->cx->options->memory;
  uint32_t nrest = 0, best = 0, *rest = ARENA_ARRAY(b->cx->arena, uint32_t, b->all.n + 1);
  for (uint32_t i = 0; i < b->all.n; i++)
    if (!b->all.at[i].again) rest[nrest++] = i;
  bool how = false;
  for (int segments = 0; segments < 2 && nrest && b->now > memory; segments++) {
    mark_rest(b, rest, nrest, nrest, segments);
    int64_t bytes = measured(b);
    if (bytes < b->now) b->now = bytes, best = nrest, how = segments;
  }
  uint32_t few = 0; /* that were too few */
  while (b->now <= memory && few + 1 < best) {
    uint32_t n = few + (best - few) / 2;
    mark_rest(b, rest, n, nrest, how);
    int64_t bytes = measured(b);
    if (bytes <= memory)
      b->now = bytes, best = n;
    else
      few = n;
  }
  mark_rest(b, rest, best, nrest, how);
}

Graph *budget_marked(Graph *g, PassCx *cx, BudgetFinish *finish) {
  enum { ONE_BY_ONE = 8 };
  Budget b = {g, cx, finish, candidates(g, cx->arena), 0};
  int64_t kept = b.now = measured(&b);
  try_each(&b, ONE_BY_ONE);
  if (b.now > cx->options->memory) try_rest(&b);
  say(g, &b.all, kept, b.now, cx->options);
  return marked(g, &b.all, cx->arena);
}
