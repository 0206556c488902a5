/* The graph's invariants. Passes run it after every change; a failure is a defect of ours and names node and
 * reason. */
#include "ir/graph/build.h"
#include "ir/graph/program.h"
#include "ir/graph/region.h"
#include "ir/graph/verify_internal.h"
#include "ir/scalar/literal.h"

#include <math.h>

bool verify_wrong(const Graph *g, uint32_t id, Sb *why, const char *what) {
  const Node *n = &g->node.at[id];
  sb_fmt(why, "node %%%u (%s): %s", id, n->op < OP_COUNT ? op_info[n->op].name : "?", what);
  return false;
}

/* Dims may be poison after an error of the user; what is known must agree. */
bool verify_agrees(const Type *a, const Type *b) {
  if (a->dtype != b->dtype || a->rank != b->rank) return false;
  for (uint8_t i = 0; i < a->rank; i++)
    if (!dim_eq(a->dim[i], b->dim[i]) && a->dim[i].i && b->dim[i].i) return false;
  return true;
}

static bool node_verify(const Graph *g, uint32_t id, Sb *why) {
  const Node *n = &g->node.at[id];
  if (n->op >= OP_COUNT) return verify_wrong(g, id, why, "no such op");
  bool value = n->type.dtype < DT_COUNT || dtype_is_stored((DType)n->type.dtype);
  if ((!value && !(op_info[n->op].flags & OPF_NO_VALUE)) || n->type.rank > MAX_RANK)
    return verify_wrong(g, id, why, "no such type");
  uint8_t nattr = op_info[n->op].nattr;
  if ((uint64_t)n->in + n->nin > g->edge.n || (uint64_t)n->attr + nattr > g->attr.n)
    return verify_wrong(g, id, why, "operands or attributes out of range");
  if (n->location.i >= g->location.n) return verify_wrong(g, id, why, "no such location");
  if (node_ok(n->primal) && n->primal.i >= g->node.n) return verify_wrong(g, id, why, "no such primal");
  const NodeId *in = graph_in(g, (NodeId){id});
  for (uint16_t i = 0; i < n->nin; i++)
    if (in[i].i >= id) return verify_wrong(g, id, why, "reads a node that comes later");
  Type t;
  Sb own; /* collected apart: it speaks only when it fails */
  sb_init(&own, why->arena);
  if (!op_infer(g, (Op)n->op, in, n->nin, &g->attr.at[n->attr], &n->type, &t, &own)) {
    sb_fmt(why, "node %%%u: " STRF, id, STRA(sb_str(&own)));
    return false;
  }
  if (!verify_agrees(&t, &n->type)) {
    verify_wrong(g, id, why, "is ");
    type_print(g->program->dims, &n->type, why);
    sb_add(why, STR(", must be "));
    type_print(g->program->dims, &t, why);
    return false;
  }
  if (n->op == OP_CONST && !literal_is((DType)n->type.dtype, graph_attr(g, (NodeId){id})[0]))
    return verify_wrong(g, id, why, "the value is not one of its type");
  return true;
}

static bool root_verify(const Graph *g, uint32_t at, uint8_t *assigned, Sb *why) {
  const Root *r = &g->root.at[at];
  if (r->kind > ROOT_CHECK || r->node.i >= g->node.n) {
    sb_fmt(why, "root %u: no such kind or node", at);
    return false;
  }
  if (graph_node(g, r->node)->region || graph_node(g, r->node)->type.dtype == DT_NONE) {
    sb_fmt(why, "root %u: %%%u has no value out here", at, r->node.i);
    return false;
  }
  if (r->kind != ROOT_ASSIGN) return true;
  if (r->leaf.i >= g->program->leaf.n || assigned[r->leaf.i]) {
    sb_fmt(why, "root %u: assigns a leaf that is not there, or for the second time", at);
    return false;
  }
  assigned[r->leaf.i] = 1;
  const Leaf *l = program_leaf_at(g->program, r->leaf);
  const Type *t = &graph_node(g, r->node)->type;
  int64_t v;
  bool dtype = l->type.dtype == t->dtype || dtype_compute((DType)l->type.dtype) == (DType)t->dtype,
       ok = (l->kind == LEAF_PARAM || l->kind == LEAF_STATE || l->kind == LEAF_TOTAL) && dtype &&
            l->type.rank == t->rank && l->type.dtype != DT_U8;
  for (uint8_t i = 0; ok && i < t->rank; i++) { /* bound dims: the leaf keeps its symbols */
    DimId a = l->type.dim[i], b = t->dim[i];
    ok = dim_eq(a, b) || !a.i || !b.i || !dim_is_const(g->program->dims, a, &v);
  }
  if (!ok) sb_fmt(why, "root %u: %%%u does not fit the leaf", at, r->node.i);
  return ok;
}

bool graph_verify(const Graph *g, Sb *why) {
  for (uint32_t i = 1; i < g->location.n; i++)
    if (g->location.at[i].caller.i >= i) {
      sb_fmt(why, "location %u: its caller comes later", i);
      return false;
    }
  if (!verify_region_table(g, why)) return false;
  uint32_t at = 0, next = 1;
  for (uint32_t i = 0; i < g->node.n; i++)
    if (!node_verify(g, i, why) || !verify_region_node(g, i, &at, &next, why)) return false;
  uint8_t *assigned = ARENA_ARRAY(why->arena, uint8_t, g->program->leaf.n);
  for (uint32_t i = 0; i < g->root.n; i++)
    if (!root_verify(g, i, assigned, why)) return false;
  return true;
}
