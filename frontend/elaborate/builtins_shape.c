/* Built-in functions that move elements, lists, and shapes as values. */
#include "frontend/elaborate/window.h"

/* A list of dims; `_` is written to *hole (-1: none). */
bool dims_of(Elab *x, Operand o, DimId *dim, uint8_t *rank, int *hole) {
  *hole = -1;
  if (o.v.kind != VAL_LIST) return wrong_kind(x, o.at, o.v, "a list of dims"), false;
  if (o.v.list.n > MAX_RANK || o.v.list.n > x->limits->rank)
    return limit_passed(x, o.at, "the tensor's axes", "rank", x->limits->rank), false;
  *rank = (uint8_t)o.v.list.n;
  for (uint8_t i = 0; i < *rank; i++) {
    if (o.v.list.at[i].kind == VAL_KIND_COUNT) {
      if (*hole >= 0)
        return TELL(x, bad_operand, o.at, "shape", STR("only one dim can be left to be inferred")), false;
      *hole = i;
      dim[i] = dim_const(x->dims, 1);
    } else if (!val_static_dim(x, o.v.list.at[i], o.at, "a dim", &dim[i]))
      return false;
  }
  return true;
}

NodeId tensor_arg(Elab *x, Operand o) {
  if (!val_tensor(o.v)) {
    wrong_kind(x, o.at, o.v, "a tensor");
    return NO_NODE;
  }
  return val_to_node(x, o.v, o.at, -1);
}

Value bi_reshape(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  int hole;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = tensor_arg(x, o[0]);
  if (!node_ok(n)) return val_poison();
  Type from = node_type(x, n), to = {.dtype = from.dtype};
  if (!dims_of(x, o[1], to.dim, &to.rank, &hole)) return val_poison();
  DimId all = type_count(x->dims, &from), now = type_count(x->dims, &to);
  if (!dim_made(x, at, all) || !dim_made(x, at, now)) return val_poison();
  bool good = hole < 0 ? dim_agree(all, now) : dim_div_exact(x->dims, all, now, &to.dim[hole]);
  if (!all.i || !now.i) { /* a probe's */
    good = true;
    if (hole >= 0) to.dim[hole] = (DimId){0};
  }
  if (!good) {
    TELL(x, bad_operand, at, b->name,
         str_fmt(x->a, STRF " has " STRF " elements, and the new shape has %s" STRF, STRA(type_text(x, from)),
                 STRA(dim_text(x, all)), hole < 0 ? "" : "a multiple of ", STRA(dim_text(x, now))));
    return val_poison();
  }
  Builder bu = builder_at(x, at);
  return type_small(x, at, &to) ? val_node(build_reshape(&bu, n, to)) : val_poison();
}

Value bi_flatten(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  int from = 1;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = tensor_arg(x, o[0]);
  if (!node_ok(n)) return val_poison();
  Type t = node_type(x, n);
  if (arg_given(o[1]) && !axis_of(x, o[1], t.rank, &from)) return val_poison();
  if (from >= t.rank) return o[0].v;
  Type rest = {.dtype = t.dtype, .rank = (uint8_t)(t.rank - from)};
  for (int i = from; i < t.rank; i++) rest.dim[i - from] = t.dim[i];
  t.rank = (uint8_t)(from + 1);
  t.dim[from] = type_count(x->dims, &rest);
  Builder bu = builder_at(x, at);
  return dim_made(x, at, t.dim[from]) ? val_node(build_reshape(&bu, n, t)) : val_poison();
}

Value bi_permute(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = tensor_arg(x, o[0]);
  if (!node_ok(n)) return val_poison();
  uint32_t rank = node_type(x, n).rank, seen = 0;
  uint8_t perm[MAX_RANK];
  if (o[1].v.kind != VAL_LIST || o[1].v.list.n != rank)
    return wrong_kind(x, o[1].at, o[1].v, "a list with each axis once");
  for (uint32_t i = 0; i < rank; i++) {
    int axis;
    if (!axis_of(x, (Operand){o[1].v.list.at[i], o[1].at}, rank, &axis)) return val_poison();
    perm[i] = (uint8_t)axis;
    seen |= 1u << axis;
  }
  if (seen != (1u << rank) - 1) return wrong_kind(x, o[1].at, o[1].v, "a list with each axis once");
  Builder bu = builder_at(x, at);
  return val_node(build_transpose(&bu, n, perm));
}

Value bi_broadcast_to(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  int hole;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = val_to_node(x, o[0].v, o[0].at, -1);
  if (!node_ok(n)) return val_poison();
  Type t = node_type(x, n), to = {.dtype = t.dtype};
  if (!dims_of(x, o[1], to.dim, &to.rank, &hole)) return val_poison();
  return val_node(emit(x, at, b->name, OP_BROADCAST, &n, 1, NULL, &to));
}

static bool tensors_of(Elab *x, Operand o, NodeId **out, uint32_t *n) {
  if ((o.v.kind != VAL_LIST && o.v.kind != VAL_TUPLE) || !o.v.list.n)
    return wrong_kind(x, o.at, o.v, "a list of tensors"), false;
  *n = o.v.list.n;
  *out = ARENA_ARRAY(x->a, NodeId, *n);
  for (uint32_t i = 0; i < *n; i++) {
    (*out)[i] = val_to_node(x, o.v.list.at[i], o.at, i ? node_type(x, (*out)[0]).dtype : -1);
    if (!node_ok((*out)[i])) return false;
  }
  return true;
}

Value bi_concat(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId *in;
  uint32_t n;
  int axis = 0;
  if (!builtin_args(x, b, args, at, o) || !tensors_of(x, o[0], &in, &n)) return val_poison();
  if (arg_given(o[1]) && !axis_of(x, o[1], node_type(x, in[0]).rank, &axis)) return val_poison();
  int64_t attr = axis;
  return val_node(emit(x, at, b->name, OP_CONCAT, in, n, &attr, NULL));
}

Value bi_stack(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId *in;
  uint32_t n;
  int axis = 0;
  if (!builtin_args(x, b, args, at, o) || !tensors_of(x, o[0], &in, &n)) return val_poison();
  Type first = node_type(x, in[0]);
  uint32_t rank = first.rank;
  if (rank + 1 > MAX_RANK || rank + 1 > x->limits->rank)
    return limit_passed(x, at, "the tensor's axes", "rank", x->limits->rank);
  if (arg_given(o[1]) && !axis_of(x, o[1], rank + 1, &axis)) return val_poison();
  Builder bu = builder_at(x, at);
  for (uint32_t i = 0; i < n; i++) {
    Type t = node_type(x, in[i]), to = {.dtype = t.dtype, .rank = (uint8_t)(t.rank + 1)};
    if (!type_agree(&t, &first))
      return TELL(x, bad_operand, at, b->name,
                  str_fmt(x->a, "stacks equal shapes, not " STRF " and " STRF, STRA(type_text(x, first)),
                          STRA(type_text(x, t)))),
             val_poison();
    for (int k = 0, from = 0; k < to.rank; k++) to.dim[k] = k == axis ? dim_const(x->dims, 1) : t.dim[from++];
    in[i] = build_reshape(&bu, in[i], to);
  }
  int64_t attr = axis;
  return val_node(emit(x, at, b->name, OP_CONCAT, in, n, &attr, NULL));
}

Value bi_split(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  int axis = 0;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = tensor_arg(x, o[0]);
  if (!node_ok(n) || (arg_given(o[2]) && !axis_of(x, o[2], node_type(x, n).rank, &axis))) return val_poison();
  if (!node_type(x, n).rank) return wrong_kind(x, o[0].at, o[0].v, "a tensor with axes");
  DimId extent = node_type(x, n).dim[axis], start = dim_const(x->dims, 0), each = {0};
  int64_t parts;
  bool list = o[1].v.kind == VAL_LIST;
  if (list)
    parts = o[1].v.list.n;
  else if (!val_static_int(x, o[1].v, o[1].at, "the number of parts", &parts))
    return val_poison();
  if (parts < 1 || parts > 4096 ||
      (!list && extent.i && !dim_div_exact(x->dims, extent, dim_const(x->dims, parts), &each))) {
    TELL(x, bad_operand, at, b->name,
         str_fmt(x->a, "an axis of extent " STRF " has no %lld equal parts", STRA(dim_text(x, extent)),
                 (long long)parts));
    return val_poison();
  }
  Value *out = ARENA_ARRAY(x->a, Value, parts);
  for (int64_t i = 0; i < parts; i++) {
    if (list && !val_static_dim(x, o[1].v.list.at[i], o[1].at, "an extent", &each)) return val_poison();
    out[i] = value_slice(x, n, axis, start, 1, each, at);
    start = dim_add(x->dims, start, each);
  }
  if (!dim_agree(start, extent)) {
    TELL(x, bad_operand, at, b->name,
         str_fmt(x->a, "the parts add up to " STRF ", and the axis has " STRF, STRA(dim_text(x, start)),
                 STRA(dim_text(x, extent))));
    return val_poison();
  }
  return val_list(x, VAL_LIST, out, (uint32_t)parts);
}

Value bi_pad(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  DimId lo, hi;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = tensor_arg(x, o[0]);
  if (!node_ok(n) || !val_static_dim(x, o[1].v, o[1].at, "padding", &lo) ||
      !val_static_dim(x, o[2].v, o[2].at, "padding", &hi))
    return val_poison();
  int axis = node_type(x, n).rank - 1;
  if (arg_given(o[3]) && !axis_of(x, o[3], node_type(x, n).rank, &axis)) return val_poison();
  int64_t attr[4] = {axis, lo.i, hi.i, 1};
  return val_node(emit(x, at, b->name, OP_PAD, &n, 1, attr, NULL));
}

Value bi_flip(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  uint32_t mask;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = tensor_arg(x, o[0]);
  if (!node_ok(n) || !axes_of(x, o[1], node_type(x, n).rank, &mask)) return val_poison();
  int64_t attr = mask;
  return val_node(emit(x, at, b->name, OP_REVERSE, &n, 1, &attr, NULL));
}

Value bi_range(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  DimId lo = dim_const(x->dims, 0), hi;
  if (!builtin_args(x, b, args, at, o) || !val_static_dim(x, o[0].v, o[0].at, "a range", &hi))
    return val_poison();
  if (arg_given(o[1])) {
    lo = hi;
    if (!val_static_dim(x, o[1].v, o[1].at, "a range", &hi)) return val_poison();
  }
  Type t = {.dtype = DT_I32, .rank = 1, .dim = {dim_sub(x->dims, hi, lo)}};
  if (!type_small(x, at, &t)) return val_poison();
  Builder bu = builder_at(x, at);
  NodeId n = build_iota(&bu, t, 0);
  return arg_given(o[1])
             ? arith(x, OP_ADD, b->name, at, (Operand){val_node(n), at}, (Operand){o[0].v, o[0].at})
             : val_node(n);
}

Value bi_one_hot(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  DimId n;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId i = val_to_node(x, o[0].v, o[0].at, -1);
  if (!node_ok(i) || !val_static_dim(x, o[1].v, o[1].at, "the number of classes", &n)) return val_poison();
  Type t = node_type(x, i);
  if (!dtype_is_int((DType)t.dtype)) return wrong_kind(x, o[0].at, o[0].v, "a tensor of integers");
  if (t.rank + 1 > MAX_RANK || t.rank + 1 > x->limits->rank)
    return limit_passed(x, at, "the tensor's axes", "rank", x->limits->rank);
  Type wide = t;
  wide.rank++;
  wide.dim[t.rank] = dim_const(x->dims, 1);
  Builder bu = builder_at(x, at);
  i = build_reshape(&bu, i, wide);
  wide.dim[t.rank] = n;
  if (!type_small(x, at, &wide)) return val_poison();
  NodeId eq = build_scalar(&bu, OP_EQ, build_broadcast(&bu, i, wide), build_iota(&bu, wide, t.rank), NO_NODE);
  return val_node(build_cast(&bu, eq, DT_F32));
}

/* ---- shapes and lists as values ---- */

/* Remembers the question: a parameter of which only the shape is used gets no gradient. */
static void shape_asked(Elab *x, Value v, Span at) {
  if (x->entry == ENTRY_INIT && v.kind == VAL_LEAF && x->initial.i != UINT32_MAX)
    VEC_PUSH(x->p->arena, &x->p->initial_read, (InitialRead){v.leaf, x->initial});
  if (!x->g || x->entry == ENTRY_INIT) return;
  ShapeUse u = {.node = v.kind == VAL_TENSOR ? v.node : NO_NODE, .at = told_at(x, at)};
  u.leaf = v.kind == VAL_LEAF ? v.leaf : (LeafId){UINT32_MAX};
  VEC_PUSH(x->g->arena, &x->g->shape_use, u);
}

Value bi_size(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (!val_tensor(o[0].v))
    return val_number(o[0].v) ? val_int(1) : wrong_kind(x, o[0].at, o[0].v, "a tensor");
  shape_asked(x, o[0].v, at);
  Type t = val_type(x, o[0].v);
  DimId n = type_count(x->dims, &t);
  return dim_made(x, at, n) ? val_dim(x, n) : val_poison();
}

Value bi_len(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (o[0].v.kind == VAL_LIST || o[0].v.kind == VAL_TUPLE) return val_int(o[0].v.list.n);
  if (val_tensor(o[0].v) && val_type(x, o[0].v).rank) {
    shape_asked(x, o[0].v, at);
    return val_dim(x, val_type(x, o[0].v).dim[0]);
  }
  return wrong_kind(x, o[0].at, o[0].v, "a list, or a tensor with axes");
}

Value bi_shape(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  Value dim[MAX_RANK];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (!val_tensor(o[0].v))
    return val_number(o[0].v) ? val_list(x, VAL_LIST, dim, 0) : wrong_kind(x, o[0].at, o[0].v, "a tensor");
  shape_asked(x, o[0].v, at);
  Type t = val_type(x, o[0].v);
  for (int i = 0; i < t.rank; i++) dim[i] = val_dim(x, t.dim[i]);
  return val_list(x, VAL_LIST, dim, t.rank);
}

Value bi_rank(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (!val_tensor(o[0].v))
    return val_number(o[0].v) ? val_int(0) : wrong_kind(x, o[0].at, o[0].v, "a tensor");
  shape_asked(x, o[0].v, at);
  return val_int(val_type(x, o[0].v).rank);
}

Value bi_fill(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  int hole;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  bool full = b->name[0] == 'f';
  Value v = full ? o[0].v : val_int(b->name[0] == 'o');
  int want = x->frame->want_dtype;
  Type t = {.dtype = val_tensor(v) ? val_type(x, v).dtype : (uint8_t)(want >= 0 ? want : DT_F32)};
  if (!dims_of(x, o[full], t.dim, &t.rank, &hole)) return val_poison();
  return val_node(val_coerce(x, v, t, at, "the value"));
}

Value bi_append(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (o[0].v.kind != VAL_LIST) return wrong_kind(x, o[0].at, o[0].v, "a list");
  uint32_t n = o[0].v.list.n;
  Value *out = ARENA_ARRAY(x->a, Value, (size_t)n + 1);
  for (uint32_t i = 0; i < n; i++) out[i] = o[0].v.list.at[i];
  out[n] = o[1].v;
  return list_value(VAL_LIST, out, n + 1);
}

Value bi_reverse(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (o[0].v.kind != VAL_LIST) return wrong_kind(x, o[0].at, o[0].v, "a list");
  Value r = val_list(x, VAL_LIST, o[0].v.list.at, o[0].v.list.n);
  for (uint32_t i = 0; i < r.list.n; i++) r.list.at[i] = o[0].v.list.at[r.list.n - 1 - i];
  return r;
}
