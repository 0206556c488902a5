/* total(x) in a metric: what the batches of a pass give, summed. The sum so far is a leaf of the entry, which
 * adds x to it with each batch; so a metric made of totals has, behind the last batch, its value over the
 * pass. */
#include "frontend/elaborate/train.h"

static Value stands_elsewhere(Elab *x, Span at) {
  diag_help(
      TELL(x, declaration, at, STR("'total' sums over a pass over the data, and stands in metrics alone")),
      "metric m = total(sum(..)) / total(size(..)); a loss and an output are of one batch");
  return val_poison();
}

static bool dims_known(const Elab *x, const Type *t) {
  int64_t v;
  for (int i = 0; i < t->rank; i++)
    if (!dim_is_const(x->dims, t->dim[i], &v)) return false;
  return true;
}

/* One leaf a call: total.1, and fit.total.1 in the step 'fit'. */
static LeafId total_leaf(Elab *x, Type t, Span at) {
  const Entry *e = &x->p->entry.at[x->p->entry.n - 1];
  Str step = e->kind == ENTRY_TRAIN ? str_fmt(x->a, STRF ".", STRA(sym_str(x, e->name))) : STR("");
  Str path = str_fmt(x->a, STRF "total.%u", STRA(step), x->total.n + 1);
  Leaf leaf = {.kind = LEAF_TOTAL, .path = names_add(x->n, path), .type = t, .at = at, .of = {UINT32_MAX}};
  return new_leaf(x, leaf, (LeafDecl){0});
}

/* By node up to n: it is made of totals. */
static bool *made_of_totals(Elab *x, NodeId n) {
  bool *made = ARENA_ARRAY(x->a, bool, n.i + 1);
  for (uint32_t i = 0; i < x->total.n; i++)
    if (x->total.at[i].i <= n.i) made[x->total.at[i].i] = true;
  for (uint32_t i = 0; i <= n.i; i++)
    for (uint32_t k = 0; k < graph_node(x->g, (NodeId){i})->nin; k++)
      made[i] |= made[graph_in(x->g, (NodeId){i})[k].i];
  return made;
}

Value bi_total(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if ((!x->metric || in_body(x)) && !x->probe) return stands_elsewhere(x, at);
  NodeId n = val_to_node(x, o[0].v, o[0].at, val_tensor(o[0].v) ? -1 : DT_F64);
  if (!node_ok(n)) return val_poison();
  Type t = node_type(x, n);
  Builder bu = builder_at(x, at);
  if (t.dtype != DT_F64) n = build_cast(&bu, n, DT_F64);
  t.dtype = DT_F64;
  if (x->probe) return val_node(n);
  if (x->total.n && made_of_totals(x, n)[n.i]) {
    TELL(x, bad_operand, o[0].at, b->name, STR("of a total, which is of the whole pass already"));
    return val_poison();
  }
  if (!dims_known(x, &t)) {
    diag_help(TELL(x, bad_operand, o[0].at, b->name,
                   str_fmt(x->a,
                           "of " STRF ", which has another shape in a batch "
                           "of other rows",
                           STRA(type_text(x, t)))),
              "sum over the rows first: total(sum(..))");
    return val_poison();
  }
  LeafId leaf = total_leaf(x, t, at);
  NodeId sum = build_scalar(&bu, OP_ADD, leaf_to_node(x, leaf), n, NO_NODE);
  graph_root(x->g, ROOT_ASSIGN, (Sym){0}, leaf, sum, at);
  VEC_PUSH(x->a, &x->total, sum);
  return val_node(sum);
}

/* What differs from batch to batch: an input, a draw, the count of rows. */
static bool of_batch(const Elab *x, NodeId n) {
  if (!dims_known(x, &graph_node(x->g, n)->type)) return true;
  if (node_op(x->g, n) != OP_LEAF) return false;
  LeafKind k = program_leaf_at(x->p, (LeafId){(uint32_t)graph_attr(x->g, n)[0]})->kind;
  return k != LEAF_PARAM && k != LEAF_STATE;
}

bool metric_of_pass(Elab *x, const Binding *b, NodeId n) {
  if (!x->total.n) return true;
  bool *seen = ARENA_ARRAY(x->a, bool, n.i + 1), *total = ARENA_ARRAY(x->a, bool, n.i + 1), any = false;
  const bool *made = made_of_totals(x, n);
  NodeId other = NO_NODE;
  for (uint32_t i = 0; i < x->total.n; i++)
    if (x->total.at[i].i <= n.i) total[x->total.at[i].i] = true;
  seen[n.i] = true;
  for (uint32_t i = n.i + 1; i-- > 0;) {
    if (!seen[i]) continue;
    if (total[i]) {
      any = true;
      continue;
    }
    const NodeId *in = graph_in(x->g, (NodeId){i});
    /* the slope of a total is that of what the last batch added */
    bool slope = node_op(x->g, (NodeId){i}) == OP_GRAD && made[in[0].i];
    if (slope || of_batch(x, (NodeId){i})) other = (NodeId){i};
    for (uint32_t k = 0; k < graph_node(x->g, (NodeId){i})->nin; k++) seen[in[k].i] = true;
  }
  if (!any) return true;
  if (node_ok(other)) {
    Span at = graph_user_span(x->g, x->src, other);
    Diag *g =
        TELL(x, declaration, b->decl->bind.value->at,
             str_fmt(x->a,
                     "the metric '" STRF "' is of the whole pass by its 'total', and reads what one batch "
                     "gives, too",
                     STRA(sym_str(x, b->name))));
    if (at.file) diag_label(g, at, "of one batch");
    diag_help(g, "put that into a 'total' as well: total(sum(..)) / total(size(..))");
    return false;
  }
  if (!program_of_pass(x->p, b->name)) VEC_PUSH(x->p->arena, &x->p->of_pass, b->name);
  return true;
}
