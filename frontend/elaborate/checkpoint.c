/* `checkpoint(e)`: e, and what it is made of is computed again for the gradient. The nodes of e stand among
 * the others; one node around each value marks where the part begins (end=0) and ends (end=1):
 * passes/graph/outline.c. */
#include "frontend/elaborate/elab.h"

static NodeId read_through(Segment *p, NodeId n, Graph *g) {
  uint32_t seen;
  if (map_get(&p->seen, n.i, &seen)) return (NodeId){seen};
  Builder b = {g, graph_node(g, n)->location, NO_NODE};
  NodeId r = build_op(&b, OP_CHECKPOINT, &n, 1, (int64_t[]){p->id, 0}, NULL);
  map_put(&p->seen, n.i, r.i);
  return r;
}

/* Outer parts first: what is outside of one is outside of those in it. */
static NodeId enter(Elab *x, Segment *p, NodeId n, bool *outside) {
  if (p->around) n = enter(x, p->around, n, outside);
  if (p->body != x->body) return n;
  *outside |= n.i < p->first;
  return *outside ? read_through(p, n, x->g) : n;
}

Value segment_enter(Elab *x, Segment *segment, Value v, bool outside) {
  if (v.kind == VAL_TENSOR && !v.weak) {
    v.node = enter(x, segment, v.node, &outside);
  } else if (v.kind == VAL_LIST || v.kind == VAL_TUPLE) {
    v = val_list(x, v.kind, v.list.at, v.list.n);
    for (uint32_t i = 0; i < v.list.n; i++) v.list.at[i] = segment_enter(x, segment, v.list.at[i], outside);
  } else if (v.kind == VAL_TREE) {
    Tree *t = ARENA_NEW(x->a, Tree);
    *t = *v.tree;
    t->value = ARENA_ARRAY(x->a, Value, t->n ? t->n : 1);
    for (uint32_t i = 0; i < t->n; i++) t->value[i] = segment_enter(x, segment, v.tree->value[i], outside);
    v.tree = t;
  }
  return v;
}

/* The ends stand side by side: they are one part. */
static Value leave(Elab *x, const Segment *p, Value v, Span at) {
  bool list = v.kind == VAL_LIST || v.kind == VAL_TUPLE;
  uint32_t n = list ? v.list.n : 1;
  Value *part = ARENA_ARRAY(x->a, Value, n + 1);
  for (uint32_t i = 0; i < n; i++) {
    part[i] = list ? v.list.at[i] : v;
    if (val_tensor(part[i]) || val_number(part[i]) || part[i].kind == VAL_BOOL) continue;
    return wrong_kind(x, at, part[i], "a tensor, or a tuple of tensors");
  }
  for (uint32_t i = 0; i < n; i++) {
    if (part[i].kind != VAL_TENSOR || part[i].weak) continue;
    part[i].node = emit(x, at, "checkpoint", OP_CHECKPOINT, &part[i].node, 1, (int64_t[]){p->id, 1}, NULL);
    if (!node_ok(part[i].node)) return val_poison();
  }
  return list ? val_list(x, v.kind, part, n) : part[0];
}

Value eval_checkpoint(Elab *x, Scope *s, const AstExpr *e, const Builtin *b) {
  Segment p = {.around = x->segment, .body = x->body, .id = x->ncustom++, .first = x->g ? x->g->node.n : 0};
  map_init(&p.seen, x->a);
  ArgVec args = {0};
  Operand o[MAX_BUILTIN_ARGS];
  x->segment = &p;
  bool good = eval_args(x, s, &e->call.args, &args);
  x->segment = p.around;
  if (!good || !builtin_args(x, b, &args, e->at, o)) return val_poison();
  return leave(x, &p, o[0].v, e->at);
}

/* By another name: its argument has been computed already. */
Value bi_checkpoint(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  return builtin_args(x, b, args, at, o) ? o[0].v : val_poison();
}
