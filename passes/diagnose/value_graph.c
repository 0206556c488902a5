/* Values of the nodes of a graph, one after the other. */
#include "passes/diagnose/value_loop.h"

#include <math.h>

/* A run ends long before its counter does; so step + 1 is no overflow. */
enum { CLOCK_MAX = INT32_MAX - (1 << 20) };

static Interval of_dtype(const Leaf *leaf) {
  if (leaf->type.dtype == DT_U8) return interval_of(0, UINT8_MAX);
  return leaf->type.dtype == DT_BOOL ? interval_of(0, 1) : interval_all();
}

static Interval declared(const Leaf *leaf) {
  switch (leaf->kind) {
  case LEAF_STEP:
  case LEAF_EPOCH: return interval_of(1, CLOCK_MAX);
  case LEAF_INPUT: break;
  case LEAF_PARAM:
  case LEAF_STATE:
  case LEAF_SEED:
  case LEAF_TOTAL: return interval_all();
  }
  if (!leaf->range.has) return of_dtype(leaf);
  Interval own = of_dtype(leaf);
  double hi = leaf->range.hi - (leaf->range.closed ? 0 : 1);
  return interval_of(fmax(leaf->range.lo, own.lo), fmin(hi, own.hi));
}

ValueId value_leaf(Values *v, LeafId id, const LeafFacts *known) {
  const Leaf *leaf = program_leaf_at(v->p, id);
  if (known->is && !value_eq(known->is[id.i], NO_VALUE)) return known->is[id.i];
  int64_t attr[2] = {id.i, known->ranges};
  Interval r = known->ranges || leaf->kind != LEAF_INPUT ? declared(leaf)
               : leaf->type.dtype == DT_U8               ? of_dtype(leaf)
                                                         : interval_all();
  return value_op(v, OP_LEAF, (DType)leaf->type.dtype, NULL, 0, attr, 2, shape_of(v, &leaf->type), r);
}

ValueId values_unknown(const ValueNode *f) {
  const Node *n = graph_node(f->g, f->n);
  Shape s = shape_of(f->v, &n->type);
  int64_t attr[8 + 1 + MAX_RANK] = {0};
  uint32_t k = op_info[n->op].nattr;
  for (uint32_t i = 0; i < k && i < 8; i++) attr[i] = graph_attr(f->g, f->n)[i];
  if (k > 8) return value_unknown(f->v, (DType)n->type.dtype, s);
  attr[k++] = n->type.rank; /* axes count from the front here */
  for (uint32_t i = 0; i < n->type.rank; i++) attr[k++] = n->type.dim[i].i;
  Interval r = n->type.dtype == DT_BOOL ? interval_of(0, 1) : interval_all();
  return value_op(f->v, (Op)n->op, (DType)n->type.dtype, f->in, n->nin, attr, k, s, r);
}

ValueId values_within(const ValueNode *f, Interval range) {
  ValueId r = values_unknown(f);
  if (!value_at(f->v, r)->undefined && !value_at(f->v, r)->infinite) value_set_range(f->v, r, range);
  return r;
}

ValueId values_node(const ValueNode *f) {
  static ValuesFn *const facts[OP_COUNT] = {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) [OP_##id] = values_scalar,
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) [OP_##id] = values_##id,
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
  };
  return facts[node_op(f->g, f->n)](f);
}

/* ---- walking */

ValueId values_plain(ValueWalk *w, NodeId n) {
  const Node *node = graph_node(w->g, n);
  if (node->op == OP_LEAF) return value_leaf(w->v, (LeafId){(uint32_t)graph_attr(w->g, n)[0]}, w->known);
  if (node->op == OP_PARAM || node->op == OP_RESULT) return values_of_body(w, n);
  if (node->nin > w->room) {
    w->room = node->nin * 2u;
    w->in = ARENA_ARRAY(w->v->arena, ValueId, w->room);
  }
  for (uint32_t k = 0; k < node->nin; k++) w->in[k] = w->of[graph_in(w->g, n)[k].i];
  return values_node(&(ValueNode){w->v, w->g, n, w->in});
}

void values_run(ValueWalk *w, uint32_t first, uint32_t end, uint32_t region) {
  const Graph *g = w->g;
  for (uint32_t i = first; i < end; i++) {
    if (g->node.at[i].region != region) { /* the first node of a body in this one */
      i = graph_owner_in(g, i, region);
      if (!w->needed || w->needed[i]) values_owner(w, (NodeId){i});
    } else if (!w->needed || w->needed[i]) {
      w->of[i] = w->node(w, (NodeId){i});
    }
  }
}

void values_walk(ValueWalk *w) {
  Arena *a = w->v->arena;
  for (uint32_t i = 0; i < w->g->node.n; i++) w->of[i] = NO_VALUE;
  if (w->g->region.n > 1) w->body = ARENA_ARRAY(a, BodyValues, w->g->region.n);
  values_run(w, 0, w->g->node.n, 0);
}

ValueId *values_graph(Values *v, const Graph *g, const bool *needed, const LeafFacts *known) {
  ValueWalk w = {.v = v, .g = g, .needed = needed, .known = known, .node = values_plain};
  w.of = ARENA_ARRAY(v->arena, ValueId, g->node.n + 1);
  values_walk(&w);
  return w.of;
}
