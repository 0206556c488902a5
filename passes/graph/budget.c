/* Which loops keep what they computed for their way back, and which compute it again: as little again as
 * brings the memory of a step into the budget. Loops with the largest stacks first; of each the cheapest way
 * that fits, else the one that takes least. Memory is measured, by lowering what would be run. */
#include "passes/graph/budget.h"

#include "base/size.h"
#include "passes/graph/widen.h"

#include <math.h>
#include <stdlib.h>

typedef struct Candidate {
  uint32_t nth; /* of all loops */
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
  return p > q ? -1 : p < q ? 1 : x->nth < y->nth ? -1 : x->nth > y->nth;
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
  uint32_t nth = 0;
  for (uint32_t i = 0; i < g->node.n; i++) {
    if (g->node.at[i].op != OP_LOOP) continue;
    LoopInfo l = graph_loop(g, (NodeId){i});
    Candidate c = {.nth = nth++, .loop = {i}};
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
  Copy c = copy_begin(g, a, false);
  uint32_t nth = 0;
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId n = copy_node(&c, (NodeId){i});
    if (g->node.at[i].op != OP_LOOP) continue;
    for (uint32_t k = 0; k < all->n; k++)
      if (all->at[k].nth == nth && all->at[k].again)
        c.to->attr.at[graph_node(c.to, n)->attr + 5] = all->at[k].again;
    nth++;
  }
  return copy_end(&c);
}

/* k places for stacks and trip / k for what is carried: the least of both together. */
static int64_t segment_of(const Candidate *c) {
  if (!c->carried || c->trip < 4) return 0;
  double k = round(sqrt((double)c->trip * (double)c->carried / (double)c->kept));
  return k<2 ? 2 : k>(double)(c->trip / 2) ? c->trip / 2 : (int64_t)k;
}

static int64_t measured(const Graph *g, const Candidates *all, PassCx *cx, BudgetFinish *finish) {
  static const PassOptions none = {0};
  PassCx quiet = {.arena = cx->arena, .program = cx->program, .options = &none};
  const PassOptions *o = cx->options;
  return o->measure(o->measure_cx, finish(marked(g, all, cx->arena), &quiet));
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

Graph *budget_marked(Graph *g, PassCx *cx, BudgetFinish *finish) {
  enum { TRIED = 8 };
  const PassOptions *o = cx->options;
  Candidates all = candidates(g, cx->arena);
  int64_t kept = measured(g, &all, cx, finish), now = kept;
  for (uint32_t i = 0; i < all.n && i < TRIED && now > o->memory; i++) {
    Candidate *c = &all.at[i];
    int64_t way[2] = {1, segment_of(c)}, best = 0;
    for (int w = 0; w < 2 && now > o->memory; w++) {
      if (!way[w]) continue;
      c->again = way[w];
      int64_t bytes = measured(g, &all, cx, finish);
      if (bytes < now) now = bytes, best = way[w];
    }
    c->again = best;
  }
  say(g, &all, kept, now, o);
  return marked(g, &all, cx->arena);
}
