/* sort, argsort and top_k: the order of the elements, and what stands there. The gradient follows the
 * elements. */
#include "frontend/elaborate/elab.h"

/* The tensor and its axis, the last one where none is given. */
static bool sorted_axis(Elab *x, Operand tensor, Operand axis, NodeId *n, int *along) {
  *n = val_to_node(x, tensor.v, tensor.at, -1);
  if (!node_ok(*n)) return false;
  Type t = node_type(x, *n);
  if (t.rank == 0) return val_ok(wrong_kind(x, tensor.at, tensor.v, "a tensor with axes"));
  if (t.dtype == DT_BOOL) return val_ok(wrong_kind(x, tensor.at, tensor.v, "a tensor of numbers"));
  *along = t.rank - 1;
  return !arg_given(axis) || axis_of(x, axis, t.rank, along);
}

static NodeId order(Elab *x, const char *what, NodeId n, int axis, bool descending, Span at) {
  return emit(x, at, what, OP_ARGSORT, &n, 1, (int64_t[]){axis, descending}, NULL);
}
static NodeId elements(Elab *x, const char *what, NodeId n, NodeId places, int axis, Span at) {
  if (!node_ok(places)) return NO_NODE;
  return emit(x, at, what, OP_GATHER, (NodeId[]){n, places}, 2, (int64_t[]){axis, 1}, NULL);
}

Value bi_sort(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n;
  int axis;
  bool descending = false;
  if (!builtin_args(x, b, args, at, o) || !sorted_axis(x, o[0], o[1], &n, &axis)) return val_poison();
  if (arg_given(o[2]) && !val_static_bool(x, o[2].v, o[2].at, "'descending'", &descending))
    return val_poison();
  NodeId places = order(x, b->name, n, axis, descending, at);
  return val_node(b->op == OP_ARGSORT ? places : elements(x, b->name, n, places, axis, at));
}

Value bi_top_k(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n;
  int axis;
  DimId k;
  int64_t count;
  if (!builtin_args(x, b, args, at, o) || !sorted_axis(x, o[0], o[2], &n, &axis) ||
      !val_static_dim(x, o[1].v, o[1].at, "how many", &k))
    return val_poison();
  DimId all = node_type(x, n).dim[axis];
  if (dim_no_part(x->dims, k, all, &count)) {
    TELL(x, bad_operand, o[1].at, b->name,
         str_fmt(x->a, "of " STRF " elements it can give 1 to " STRF ", not %lld", STRA(dim_text(x, all)),
                 STRA(dim_text(x, all)), (long long)count));
    return val_poison();
  }
  NodeId places = order(x, b->name, n, axis, true, at);
  if (!node_ok(places)) return val_poison();
  Value first = value_slice(x, places, axis, dim_const(x->dims, 0), 1, k, at);
  if (!val_tensor(first)) return val_poison();
  Value pair[2] = {val_node(elements(x, b->name, n, first.node, axis, at)), first};
  return val_list(x, VAL_TUPLE, pair, 2);
}
