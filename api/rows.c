/* Which inputs are fed by rows. The batch is a symbol: of those that stand on axis 0 of inputs and on no
 * other axis of one, the one that most inputs have, the first of those equal. Where no input begins with a
 * symbol, their constants are compared in the same way. Every other input is one value for all batches. */
#include "api/session.h"

typedef struct Axis {
  DimId dim;
  bool symbol, alone; /* alone: on no other axis of an input */
  uint32_t inputs;
} Axis;
typedef VEC(Axis) Axes;

static Axis *find_axis(Axes *v, DimId d) {
  for (uint32_t i = 0; i < v->n; i++)
    if (v->at[i].dim.i == d.i) return &v->at[i];
  return NULL;
}

/* Different dims on axis 0 of inputs, in their order. */
static void first_axes(const Program *p, Arena *a, Axes *v) {
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    const Leaf *l = &p->leaf.at[i];
    Sym name;
    if (l->kind != LEAF_INPUT || l->type.rank == 0) continue;
    Axis *x = find_axis(v, l->type.dim[0]);
    if (x)
      x->inputs++;
    else
      VEC_PUSH(a, v,
               (Axis){.dim = l->type.dim[0],
                      .symbol = dim_is_symbol(p->dims, l->type.dim[0], &name),
                      .alone = true,
                      .inputs = 1});
  }
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    const Leaf *l = &p->leaf.at[i];
    for (int k = 1; l->kind == LEAF_INPUT && k < l->type.rank; k++) {
      Axis *x = find_axis(v, l->type.dim[k]);
      if (x) x->alone = false;
    }
  }
}

static bool better(const Axis *a, const Axis *b) {
  if (a->symbol != b->symbol) return a->symbol;
  if (a->symbol && a->alone != b->alone) return a->alone;
  return a->inputs > b->inputs;
}

bool session_has_rows(dg_session *s, LeafId input) {
  const Type *t = &s->prog.leaf.at[input.i].type;
  ArenaMark mark = arena_mark(&s->arena);
  Axes v = {0};
  if (t->rank == 0) return false;
  first_axes(&s->prog, &s->arena, &v);
  const Axis *best = &v.at[0]; /* the input's own axis is among them */
  for (uint32_t i = 1; i < v.n; i++)
    if (better(&v.at[i], best)) best = &v.at[i];
  bool rows = best->dim.i == t->dim[0].i;
  arena_rewind(&s->arena, mark);
  return rows;
}
