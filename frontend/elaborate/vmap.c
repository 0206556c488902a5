/* `vmap(f, xs, ..)`: a loop that carries nothing. */
#include "frontend/elaborate/elab.h"
#include "ir/graph/region.h"

static NodeId stacked(Elab *x, Value v, DimId n, Span at) {
  NodeId y = val_to_node(x, v, at, -1);
  if (!node_ok(y)) return y;
  Type t = node_type(x, y);
  if (t.rank < MAX_RANK) t = type_stacked(t, n);
  return node_type(x, y).rank < MAX_RANK && type_small(x, at, &t) ? y : NO_NODE;
}

Value bi_vmap(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  if (args->n < 2 || args->at[0].name.i) {
    TELL(x, arguments, at, str_z(b->name),
         STR("it takes a function and the tensors whose rows it is called with"));
    return val_poison();
  }
  uint32_t n = args->n - 1;
  NodeId *stack = ARENA_ARRAY(x->a, NodeId, n);
  DimId trip = {0};
  for (uint32_t i = 0; i < n; i++) {
    Arg *a = &args->at[1 + i];
    if (!val_tensor(a->v) || !val_type(x, a->v).rank)
      return wrong_kind(x, a->at, a->v, "a tensor with an axis to map over");
    stack[i] = val_to_node(x, a->v, a->at, -1);
    if (!node_ok(stack[i])) return val_poison();
    DimId own = node_type(x, stack[i]).dim[0];
    if (i && !dim_agree(own, trip)) {
      TELL(x, scan, a->at,
           str_fmt(x->a, "what is mapped together has one length, and these have " STRF " and " STRF,
                   STRA(dim_text(x, trip)), STRA(dim_text(x, own))));
      return val_poison();
    }
    trip = own;
  }
  Inside *in = ARENA_NEW(x->a, Inside);
  Scope *outer = x->prelude;
  inside_begin(x, in, outer, frame_key(x, sym_of(x, b->name)));
  in->body.loop = true;
  ArgVec rows = {0};
  for (uint32_t i = 0; i < n; i++) {
    Arg r = args->at[1 + i];
    r.v = val_node(body_step(&in->body, stack[i], location_here(x, at)));
    VEC_PUSH(x->a, &rows, r);
  }
  Value v = call_value(x, args->at[0].v, &rows, at);
  bool list = v.kind == VAL_TUPLE || v.kind == VAL_LIST, good = val_ok(v);
  uint32_t count = list ? v.list.n : 1;
  NodeId *yield = ARENA_ARRAY(x->a, NodeId, count + 1);
  for (uint32_t i = 0; i < count && good; i++) {
    yield[i] = stacked(x, list ? v.list.at[i] : v, trip, at);
    good = node_ok(yield[i]);
  }
  inside_end(x, in);
  if (!good || !count) return val_poison();
  Builder bu = builder_at(x, at);
  NodeId loop = body_loop(&bu, &in->body, yield, count, (LoopShape){.step = n, .trip = trip});
  Value *out = ARENA_ARRAY(x->a, Value, count);
  for (uint32_t i = 0; i < count; i++) out[i] = val_node(build_result(&bu, loop, i));
  return list ? val_list(x, v.kind, out, count) : out[0];
}
