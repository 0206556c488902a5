/* What values of dims make of a graph. Those of the user may break what held for symbols: a slice of no
 * elements, a filter larger than its image. */
#include "ir/graph/build.h"
#include "ir/graph/program.h"
#include "ir/graph/region.h"

#include <inttypes.h>

static void say_bindings(const Program *p, const DimBinding *b, size_t n, Sb *why) {
  for (size_t i = 0; i < n; i++)
    sb_fmt(why, "%s" STRF " = %" PRId64, i ? ", " : ": ", STRA(names_str(p->names, b[i].name)), b[i].value);
}

void graph_place(const Graph *g, NodeId id, Sb *b) {
  const Sources *src = g->program->sources;
  Span at = src ? graph_user_span(g, src, id) : (Span){0};
  if (!at.file) return;
  LineCol place = sources_at(src, at.file, at.lo);
  sb_fmt(b, STRF ":%u:%u: ", STRA(src->file.at[at.file].name), place.line, place.col);
}

ExtentFault graph_extent(const Graph *g, NodeId id, const DimBinding *b, size_t n, Sb *why) {
  DimTable *t = g->program->dims;
  const Type *ty = &graph_node(g, id)->type;
  for (int k = 0; k < ty->rank; k++) {
    int64_t v;
    if (!ty->dim[k].i) continue; /* said already */
    DimId bound = dim_bind(t, ty->dim[k], b, n);
    bool known = dim_is_const(t, bound, &v);
    if (known && v >= 1) continue;
    sb_fmt(why, "the dim '");
    dim_print(t, ty->dim[k], why);
    if (bound.i && !known) {
      sb_fmt(why, "' has no value: bind it (-D NAME=VALUE, or an input that has it)");
      return EXTENT_OPEN;
    }
    if (known)
      sb_fmt(why, "' is %" PRId64 ", and an extent is at least 1", v);
    else
      sb_fmt(why, "' overflows");
    say_bindings(g->program, b, n, why);
    return EXTENT_NONE;
  }
  return EXTENT_FITS;
}

bool graph_extents_fit(const Graph *g, const DimBinding *b, size_t n, NodeId *at, Sb *why) {
  Sb own;
  const bool *idle = n ? graph_idle(g, b, n, why->arena) : NULL;
  for (uint32_t i = 0; n && i < g->node.n; i++) {
    if (idle && idle[i]) continue;
    sb_init(&own, why->arena);
    if (graph_extent(g, (NodeId){i}, b, n, &own) != EXTENT_NONE) continue;
    sb_add(why, sb_str(&own));
    *at = (NodeId){i};
    return false;
  }
  return true;
}

bool graph_operands_fit(const Graph *g, const DimBinding *b, size_t n, NodeId *at, Sb *why) {
  Sb own;
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Node *x = &g->node.at[i];
    Type t;
    sb_init(&own, why->arena);
    if (op_infer(g, (Op)x->op, graph_in(g, (NodeId){i}), x->nin, graph_attr(g, (NodeId){i}), &x->type, &t,
                 &own))
      continue;
    sb_add(why, sb_str(&own));
    say_bindings(g->program, b, n, why);
    *at = (NodeId){i};
    return false;
  }
  return true;
}
