#include "passes/diagnose/fixpoint.h"

#include "ir/graph/region.h"
#include "passes/pass.h"

#include <math.h>

enum { ROUNDS = 24 }; /* then nothing is believed: sound, and bounded */

typedef struct Step { /* one entry point that assigns */
  const Graph *g;     /* differentiated */
  bool *needed;
} Step;

typedef struct Fixpoint {
  Diagnose *x;
  LeafFact *fact;
  VEC(Step) step;
} Fixpoint;

void exact_values_begin(Diagnose *x, ExactValues *own) {
  own->outer = x->values;
  values_init(&x->values, x->p, arena_open(&own->scope, x->arena->mem));
  x->values.exact = x->values.rounds = true;
}

void exact_values_end(Diagnose *x, ExactValues *own) {
  x->values = own->outer;
  arena_close(&own->scope);
}

bool fact_says(const Diagnose *x, LeafId leaf, const LeafFact *f) {
  const Type *t = &program_leaf_at(x->p, leaf)->type;
  if (f->level != FACT_KEPT) return f->level == FACT_CONST;
  if (isfinite(f->range.lo) || isfinite(f->range.hi)) return true;
  return (f->axes & ((UINT32_C(1) << t->rank) - 1)) != 0;
}

ValueId *fixpoint_leaves(const Diagnose *x, Values *v, const LeafFact *fact) {
  ValueId *is = ARENA_ARRAY(v->arena, ValueId, x->p->leaf.n);
  for (uint32_t i = 0; i < x->p->leaf.n; i++) {
    const Leaf *leaf = program_leaf_at(x->p, (LeafId){i});
    LeafFact f = fact[i];
    is[i] = NO_VALUE;
    if (f.level == FACT_NONE) continue;
    if (f.level == FACT_CONST) {
      is[i] = value_const(v, (DType)leaf->type.dtype, ratio_number(f.c));
      continue;
    }
    int64_t attr[2] = {i, 2};
    is[i] = value_op(v, OP_LEAF, (DType)leaf->type.dtype, NULL, 0, attr, 2,
                     shape_with(v, &leaf->type, f.axes), f.range);
  }
  return is;
}

static bool *needed_by_assignments(const Graph *g, Arena *a) {
  bool *needed = ARENA_ARRAY(a, bool, g->node.n + 1);
  for (uint32_t i = 0; i < g->root.n; i++)
    if (g->root.at[i].kind == ROOT_ASSIGN) needed[g->root.at[i].node.i] = true;
  for (uint32_t i = g->node.n; i-- > 0;)
    if (needed[i]) graph_mark_read(g, i, needed);
  return needed;
}

/* Initial values: what they are, or along which axes they are equal and within which bounds. */
static void first_facts(Fixpoint *f, const Graph *g) {
  Values *v = &f->x->values;
  const ValueId *of =
      values_graph(v, g, needed_by_assignments(g, f->x->arena), &(LeafFacts){.ranges = false});
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *r = &g->root.at[i];
    if (r->kind != ROOT_ASSIGN) continue;
    const Value *e = value_at(v, of[r->node.i]);
    LeafFact *to = &f->fact[r->leaf.i];
    if (e->undefined || e->infinite || f->x->p->leaf.at[r->leaf.i].loaded) continue;
    to->axes = value_flat_axes(v, of[r->node.i]);
    to->level = value_is_const(v, of[r->node.i]) ? FACT_CONST : FACT_KEPT;
    to->range = interval_of(e->range.lo, e->range.hi);
    to->c = e->c;
  }
}

/* The next lower end that holds of values no smaller than `to`: its own, 0, none. */
static double lower_end(double have, double to) {
  return to >= have ? have : have > 0 && to >= 0 ? 0 : -INFINITY;
}

/* The next weaker fact until one holds of the assigned value. True: it was changed. */
static bool weaken(Values *v, LeafFact *f, ValueId to) {
  Value e = *value_at(v, to);
  LeafFact was = *f;
  if (f->level == FACT_NONE) return false;
  if (e.undefined || e.infinite) {
    f->level = FACT_NONE;
    return true;
  }
  if (f->level == FACT_CONST) {
    if (value_is_const(v, to) && e.c.p == f->c.p && e.c.q == f->c.q) return false;
    f->level = FACT_KEPT;
    f->axes = 0xff;
    f->range = interval_point(ratio_number(f->c));
  }
  f->axes &= value_flat_axes(v, to);
  f->range.lo = lower_end(f->range.lo, e.range.lo);
  f->range.hi = -lower_end(-f->range.hi, -e.range.hi);
  return was.level != f->level || was.axes != f->axes || was.range.lo != f->range.lo ||
         was.range.hi != f->range.hi;
}

static bool round_of(Fixpoint *f) {
  Diagnose *x = f->x;
  bool again = false;
  ExactValues own;
  LeafFact *next = ARENA_ARRAY(x->arena, LeafFact, x->p->leaf.n);
  for (uint32_t i = 0; i < x->p->leaf.n; i++) next[i] = f->fact[i];
  exact_values_begin(x, &own);
  const ValueId *is = fixpoint_leaves(x, &x->values, f->fact);
  for (uint32_t s = 0; s < f->step.n; s++) {
    const Graph *g = f->step.at[s].g;
    const ValueId *of =
        values_graph(&x->values, g, f->step.at[s].needed, &(LeafFacts){.is = is, .ranges = true});
    for (uint32_t i = 0; i < g->root.n; i++) {
      const Root *r = &g->root.at[i];
      if (r->kind == ROOT_ASSIGN) again |= weaken(&x->values, &next[r->leaf.i], of[r->node.i]);
    }
  }
  exact_values_end(x, &own);
  f->fact = next;
  return again;
}

/* Nothing is believed of what is assigned. */
static void give_up(Fixpoint *f) {
  for (uint32_t s = 0; s < f->step.n; s++) {
    const Graph *g = f->step.at[s].g;
    for (uint32_t i = 0; i < g->root.n; i++)
      if (g->root.at[i].kind == ROOT_ASSIGN) f->fact[g->root.at[i].leaf.i].level = FACT_NONE;
  }
}

void fixpoint_run(Diagnose *x) {
  const Program *p = x->p;
  Fixpoint f = {.x = x, .fact = ARENA_ARRAY(x->arena, LeafFact, p->leaf.n)};
  bool kept = false;
  ArenaScope graphs; /* are read in here only */
  Arena *a = arena_open(&graphs, x->arena->mem);
  for (uint32_t i = 0; i < p->entry.n; i++) {
    const Entry *e = &p->entry.at[i];
    if (!e->graph) continue;
    if (e->kind == ENTRY_INIT) {
      ExactValues own;
      exact_values_begin(x, &own);
      first_facts(&f, e->graph);
      exact_values_end(x, &own);
    }
    if (e->kind != ENTRY_TRAIN && e->kind != ENTRY_GATHER && e->kind != ENTRY_AFTER) continue;
    ArenaScope scope;
    PassCx cx = {.arena = arena_open(&scope, x->arena->mem), .program = p};
    const Graph *g = graph_keep(pass_autodiff(e->graph, &cx), a);
    arena_close(&scope);
    VEC_PUSH(a, &f.step, (Step){g, needed_by_assignments(g, a)});
  }
  x->first_fact = f.fact;
  for (int round = 0; f.step.n && round < ROUNDS && !kept; round++) kept = !round_of(&f);
  if (f.step.n && !kept) give_up(&f);
  x->fact = f.fact;
  arena_close(&graphs);
}
