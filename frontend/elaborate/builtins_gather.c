/* Reading and adding at places that a tensor says. */
#include "frontend/elaborate/elab.h"

/* An index of i32; other tensors are told. */
static NodeId places(Elab *x, Operand o) {
  if (!val_ok(o.v)) return NO_NODE;
  NodeId n = val_to_node(x, o.v, o.at, DT_I32);
  if (!node_ok(n)) return n;
  if (node_type(x, n).dtype == DT_I32) return n;
  (void)wrong_kind(x, o.at, o.v, "an index of i32");
  return NO_NODE;
}

NodeId value_take(Elab *x, const char *what, NodeId n, NodeId index, int axis, Span at) {
  uint32_t rank = node_type(x, n).rank - 1u + node_type(x, index).rank;
  if (rank > MAX_RANK || rank > x->limits->rank) {
    (void)limit_passed(x, at, "the tensor's axes", "rank", x->limits->rank);
    return NO_NODE;
  }
  return emit(x, at, what, OP_GATHER, (NodeId[]){n, index}, 2, (int64_t[]){axis, 0}, NULL);
}

/* The tensor with axes, the index and the axis of all three functions. */
static bool begin(Elab *x, const Builtin *b, ArgVec *args, Span at, uint32_t axis_arg, Operand *o, NodeId *n,
                  NodeId *index, int *axis) {
  *axis = 0;
  if (!builtin_args(x, b, args, at, o)) return false;
  *n = val_to_node(x, o[0].v, o[0].at, -1);
  *index = places(x, o[1]);
  if (!node_ok(*n) || !node_ok(*index)) return false;
  uint32_t rank = node_type(x, *n).rank;
  if (rank == 0) {
    (void)wrong_kind(x, o[0].at, o[0].v, "a tensor with axes");
    return false;
  }
  return !arg_given(o[axis_arg]) || axis_of(x, o[axis_arg], rank, axis);
}

Value bi_take(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n, index;
  int axis;
  if (!begin(x, b, args, at, 2, o, &n, &index, &axis)) return val_poison();
  return val_node(value_take(x, b->name, n, index, axis, at));
}

Value bi_gather(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n, index;
  int axis;
  if (!begin(x, b, args, at, 2, o, &n, &index, &axis)) return val_poison();
  return val_node(emit(x, at, b->name, b->op, (NodeId[]){n, index}, 2, (int64_t[]){axis, 1}, NULL));
}

Value bi_scatter_add(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId in[3];
  int axis;
  if (!begin(x, b, args, at, 3, o, &in[0], &in[1], &axis)) return val_poison();
  in[2] = val_to_node(x, o[2].v, o[2].at, (int)node_type(x, in[0]).dtype);
  return node_ok(in[2]) ? val_node(emit(x, at, b->name, b->op, in, 3, (int64_t[]){axis, 0}, NULL))
                        : val_poison();
}

/* x[start : start + size] where the start is a value: a gather at start, start + 1, .. */
Value bi_dynamic_slice(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId n, start;
  DimId size;
  int axis;
  int64_t count;
  if (!begin(x, b, args, at, 3, o, &n, &start, &axis) ||
      !val_static_dim(x, o[2].v, o[2].at, "the size", &size))
    return val_poison();
  if (node_type(x, start).rank) return wrong_kind(x, o[1].at, o[1].v, "one number of i32");
  DimId all = node_type(x, n).dim[axis];
  if (dim_no_part(x->dims, size, all, &count)) {
    TELL(x, bad_operand, o[2].at, b->name,
         str_fmt(x->a, "of an axis of extent " STRF " it can give 1 to " STRF " places, not %lld",
                 STRA(dim_text(x, all)), STRA(dim_text(x, all)), (long long)count));
    return val_poison();
  }
  Type places = {.dtype = DT_I32, .rank = 1, .dim = {size}};
  Builder bu = builder_at(x, at);
  NodeId first = build_broadcast(&bu, start, places), steps = build_iota(&bu, places, 0);
  NodeId index = build_scalar(&bu, OP_ADD, first, steps, NO_NODE);
  return val_node(value_take(x, b->name, n, index, axis, at));
}
