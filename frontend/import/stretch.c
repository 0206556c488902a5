/* Frameworks stretch operands by themselves: [N, 1] minus [N] is [N, N], each prediction against every
 * target. That is an error in a .dg file (DG0207); here it is told where values that learn meet data so. */
#include "frontend/import/internal.h"

/* By node: is made of a parameter; the loss needs it. */
enum { LEARNS = 1, NEEDED = 2 };

static const uint8_t *marks(const Program *p, const Graph *g, NodeId loss, Arena *a) {
  uint8_t *mark = ARENA_ARRAY(a, uint8_t, g->node.n + 1);
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId n = {i};
    if (node_op(g, n) == OP_LEAF && p->leaf.at[graph_attr(g, n)[0]].kind == LEAF_PARAM) mark[i] = LEARNS;
    for (uint32_t k = 0; k < g->node.at[i].nin; k++) mark[i] |= mark[graph_in(g, n)[k].i] & LEARNS;
  }
  mark[loss.i] |= NEEDED;
  for (uint32_t i = loss.i + 1; i-- > 0;)
    for (uint32_t k = 0; (mark[i] & NEEDED) && k < g->node.at[i].nin; k++)
      mark[graph_in(g, (NodeId){i})[k].i] |= NEEDED;
  return mark;
}

/* [.., N, 1] and [.., N], N more than 1 */
static bool column_and_row(const Program *p, const Type *column, const Type *row) {
  int64_t n;
  if (!row->rank || column->rank != row->rank + 1) return false;
  if (!dim_is_const(p->dims, column->dim[row->rank], &n) || n != 1) return false;
  for (uint8_t k = 0; k < row->rank; k++)
    if (!dim_eq(column->dim[k], row->dim[k])) return false;
  return dim_is_const(p->dims, row->dim[row->rank - 1], &n) && n > 1;
}

static Str type_text(const Program *p, const Type *t, Arena *a) {
  Sb b;
  sb_init(&b, a);
  type_print(p->dims, t, &b);
  return sb_str(&b);
}

void import_stretches(const Program *p, Diags *d) {
  for (uint32_t s = 0; s < p->train.n; s++) {
    const Graph *g = p->entry.at[p->train.at[s].entry].graph;
    const uint8_t *mark = marks(p, g, p->train.at[s].loss, d->arena);
    for (uint32_t i = 0; i < g->node.n; i++) {
      if (node_op(g, (NodeId){i}) != OP_SUB || !(mark[i] & NEEDED)) continue;
      const NodeId *in = graph_in(g, (NodeId){i});
      uint32_t place = g->node.at[i].location.i;
      bool both = place != 0; /* a stretch that the program asks for has a place of its own */
      for (int k = 0; k < 2; k++)
        both &= node_op(g, in[k]) == OP_BROADCAST && g->node.at[in[k].i].location.i == place;
      if (!both) continue;
      NodeId x = graph_in(g, in[0])[0], y = graph_in(g, in[1])[0];
      const Type *tx = &graph_node(g, x)->type, *ty = &graph_node(g, y)->type;
      bool fits = column_and_row(p, tx, ty) || column_and_row(p, ty, tx);
      if (!fits || (mark[x.i] & LEARNS) == (mark[y.i] & LEARNS)) continue;
      Diag *f = diag_both_stretched(d, g->location.at[place].at, type_text(p, tx, d->arena),
                                    type_text(p, ty, d->arena));
      diag_help(f, "give both the same shape, with 'squeeze' or 'unsqueeze'");
    }
  }
}
