/* `accumulate = k`: an update takes the mean gradient of k batches. What k - 1 of them gave is kept in states
 * of the step, one a parameter. They run an entry point of their own, which adds to these and does all else
 * that is done for each batch: the loss, metrics, assignments of the model. */
#include "frontend/elaborate/train.h"

static LeafId state_of_step(Elab *x, Str path, Type t, LeafId of, Span at) {
  Leaf leaf = {.kind = LEAF_STATE, .path = names_add(x->n, path), .type = t, .at = at, .of = of};
  return new_leaf(x, leaf, (LeafDecl){.scope = x->main->scope, .copied = true, .copy = val_int(0)});
}

void groups_begin(Elab *x, Step *st, const AstStmtVec *stmts) {
  st->ts.accumulate = 1;
  st->ts.gathered.i = UINT32_MAX;
  Value v;
  if (!setting_first(x, stmts, "accumulate", &st->accumulate, &v)) return;
  if (v.kind != VAL_INT || v.i < 2 || v.i > INT32_MAX) return; /* 1, or reported with the setting */
  st->ts.accumulate = v.i;
  Str path = str_fmt(x->a, STRF ".gathered", STRA(sym_str(x, st->ts.name)));
  Span at = st->accumulate->assign.target.at;
  x->gathered = st->ts.gathered = state_of_step(x, path, type_scalar(DT_I32), (LeafId){UINT32_MAX}, at);
}

/* n + 1, and 0 behind the last of a group. */
static NodeId next_of_group(Elab *x, const Step *st, Builder *b) {
  Type i32 = type_scalar(DT_I32);
  NodeId n = build_scalar(b, OP_ADD, leaf_to_node(x, st->ts.gathered), build_const(b, i32, 1), NO_NODE);
  return build_scalar(b, OP_MOD, n, build_const(b, i32, (double)st->ts.accumulate), NO_NODE);
}

static void gather_root(Elab *x, LeafId l, NodeId n) {
  graph_root(x->g, ROOT_ASSIGN, program_leaf_at(x->p, l)->path, l, n, program_leaf_at(x->p, l)->at);
}

void groups_gather(Elab *x, Step *st, NodeId *grad) {
  uint32_t n = st->ts.owned.n, roots = x->g->root.n;
  Span at = st->accumulate->assign.target.at;
  Builder b = builder_at(x, at);
  LeafId *kept = ARENA_ARRAY(x->a, LeafId, n);
  NodeId *sum = ARENA_ARRAY(x->a, NodeId, n), next = next_of_group(x, st, &b);
  x->p->leaf.at[st->ts.gathered.i].of = st->ts.owned.at[0].param; /* of the training, not of the model */
  for (uint32_t k = 0; k < n; k++) {
    if (!node_ok(grad[k])) return; /* reported */
    LeafId p = st->ts.owned.at[k].param;
    Str path = str_fmt(x->a, STRF ".gradient." STRF, STRA(sym_str(x, st->ts.name)),
                       STRA(sym_str(x, program_leaf_at(x->p, p)->path)));
    kept[k] = state_of_step(x, path, node_type(x, grad[k]), p, at);
    sum[k] = build_scalar(&b, OP_ADD, leaf_to_node(x, kept[k]), grad[k], NO_NODE);
  }
  pending_roots(x); /* what each batch assigns: the model's own */
  for (uint32_t k = 0; k < n; k++) gather_root(x, kept[k], sum[k]);
  gather_root(x, st->ts.gathered, next);
  Graph *g = graph_keep(x->g, x->p->arena);
  x->g->root.n = roots;
  for (uint32_t k = 0; k < n; k++) {
    Type t = node_type(x, grad[k]);
    gather_root(x, kept[k], build_const(&b, t, 0));
    NodeId count =
        build_broadcast(&b, build_const(&b, type_scalar((DType)t.dtype), (double)st->ts.accumulate), t);
    grad[k] = build_scalar(&b, OP_DIV, sum[k], count, NO_NODE);
  }
  gather_root(x, st->ts.gathered, next);
  st->ts.gather = x->p->entry.n;
  VEC_PUSH(
      x->p->arena, &x->p->entry,
      (Entry){.kind = ENTRY_GATHER, .name = st->ts.name, .graph = g, .train = x->p->train.n, .every = 1});
}
