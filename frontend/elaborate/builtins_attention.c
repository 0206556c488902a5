/* attention(q, k, v, causal = .., mask = .., scale = ..): softmax(scale q k' where admitted) v. It is made of
 * a contraction, a choice, a softmax and a contraction, so that nothing after the front end knows of it. What
 * is not admitted gets a score of -inf, and the softmax of a row of only -inf is 0, with gradient 0. */
#include "frontend/elaborate/elab.h"

#include <math.h>

typedef struct Attention {
  Elab *x;
  Span at;
  Builder b;
  NodeId q, k, v;
  Type tq, tk, tv; /* [.., T, d], [.., S, d], [.., S, e] */
} Attention;

static bool refuse(const Attention *a, Operand o, Str why) {
  TELL(a->x, bad_operand, o.at, "attention", why);
  return false;
}

/* One of the tensors, by its name. */
static bool enter(const Attention *a, Operand o, const char *name, NodeId *n, Type *t) {
  Elab *x = a->x;
  if (!val_ok(o.v)) return false;
  if (!val_tensor(o.v)) return wrong_kind(x, o.at, o.v, "a tensor"), false;
  *n = val_to_node(x, o.v, o.at, -1);
  if (!node_ok(*n)) return false;
  *t = node_type(x, *n);
  if (!dtype_is_float((DType)t->dtype)) return wrong_kind(x, o.at, o.v, "a real tensor"), false;
  if (t->rank >= 2) return true;
  return refuse(a, o,
                str_fmt(x->a, "'%s' is " STRF ", and its last two axes are places and features", name,
                        STRA(type_text(x, *t))));
}

/* Of k and v: what they share with what stands before them. `axis` is counted from the last. */
static bool agree(const Attention *a, Operand o, const char *name, Type t, const char *other, Type to,
                  int axis, const char *what) {
  DimId d = t.dim[t.rank - axis], e = to.dim[to.rank - axis];
  if (dim_agree(d, e)) return true;
  return refuse(a, o,
                str_fmt(a->x->a, "'%s' has " STRF " %s, and '%s' has " STRF, name, STRA(dim_text(a->x, d)),
                        what, other, STRA(dim_text(a->x, e))));
}

static bool same_lead(const Attention *a, Operand o, const char *name, Type t) {
  Elab *x = a->x;
  bool same = t.rank == a->tq.rank;
  for (int i = 0; same && i < t.rank - 2; i++) same = dim_agree(t.dim[i], a->tq.dim[i]);
  if (t.dtype == a->tq.dtype && same) return true;
  Str mine = type_text(x, t), first = type_text(x, a->tq);
  if (t.dtype != a->tq.dtype)
    return refuse(a, o, str_fmt(x->a, "'%s' is " STRF ", and 'q' " STRF, name, STRA(mine), STRA(first)));
  return refuse(a, o,
                str_fmt(x->a, "'%s' is " STRF ", and 'q' " STRF ": all axes but the last two are the same",
                        name, STRA(mine), STRA(first)));
}

/* Scores [.., T, S]. */
static Type wide(const Attention *a, DType dtype) {
  Type t = a->tq;
  t.dtype = (uint8_t)dtype;
  t.dim[t.rank - 1] = a->tk.dim[a->tk.rank - 2];
  return t;
}

/* The axis' index in [T, S], and as much more. */
static NodeId index_of(Attention *a, Type t, int axis, DimId more) {
  NodeId n = build_iota(&a->b, t, axis);
  NodeId d = val_to_node(a->x, val_dim(a->x, more), a->at, DT_I32);
  return build_scalar(&a->b, OP_ADD, n, build_broadcast(&a->b, d, t), NO_NODE);
}

/* The last query sees the last key: s <= t + S - T. An extent may have no number yet, so both sides are
 * raised. */
static NodeId past(Attention *a) {
  Type all = wide(a, DT_I32), t = {.dtype = DT_I32, .rank = 2};
  DimId rows = t.dim[0] = all.dim[all.rank - 2], keys = t.dim[1] = all.dim[all.rank - 1];
  NodeId s, q;
  if (dim_agree(rows, keys))
    s = build_iota(&a->b, t, 1), q = build_iota(&a->b, t, 0);
  else
    s = index_of(a, t, 1, rows), q = index_of(a, t, 0, keys);
  return build_broadcast(&a->b, build_scalar(&a->b, OP_LE, s, q, NO_NODE), wide(a, DT_BOOL));
}

/* The mask, stretched to the scores. */
static bool admitted(Attention *a, Operand o, NodeId *out) {
  Elab *x = a->x;
  Type to = wide(a, DT_BOOL);
  if (!val_ok(o.v)) return false;
  if (val_tensor(o.v) ? val_type(x, o.v).dtype != DT_BOOL : o.v.kind != VAL_BOOL)
    return wrong_kind(x, o.at, o.v, "a mask of bool"), false;
  NodeId n = val_to_node(x, o.v, o.at, -1);
  if (!node_ok(n)) return false;
  Type t = node_type(x, n);
  bool fits = t.rank <= to.rank;
  for (int i = 1; fits && i <= t.rank; i++) {
    DimId d = t.dim[t.rank - i];
    int64_t one;
    fits = dim_agree(d, to.dim[to.rank - i]) || (dim_is_const(x->dims, d, &one) && one == 1);
  }
  if (!fits)
    return refuse(a, o,
                  str_fmt(x->a, "'mask' is " STRF ", and that does not stretch to " STRF,
                          STRA(type_text(x, t)), STRA(type_text(x, to))));
  *out = build_broadcast(&a->b, n, to);
  return true;
}

/* scale, or 1 / sqrt(d), of the scores' shape. */
static bool scale_of(Attention *a, Operand o, Type t, NodeId *out) {
  Elab *x = a->x;
  Type one = type_scalar((DType)t.dtype);
  if (arg_given(o)) {
    NodeId n = val_coerce(x, o.v, one, o.at, "'scale'");
    *out = node_ok(n) ? build_broadcast(&a->b, n, t) : n;
    return node_ok(n);
  }
  DimId d = a->tq.dim[a->tq.rank - 1];
  int64_t width;
  if (dim_is_const(x->dims, d, &width)) {
    *out = build_const(&a->b, t, 1 / sqrt((double)width));
    return true;
  }
  if (!d.i) { /* a probe's */
    *out = build_const(&a->b, t, 1);
    return true;
  }
  NodeId n = val_to_node(x, val_dim(x, d), a->at, (int)t.dtype);
  n = build_scalar(&a->b, OP_SQRT, n, NO_NODE, NO_NODE);
  *out = build_broadcast(&a->b, build_scalar(&a->b, OP_DIV, build_const(&a->b, one, 1), n, NO_NODE), t);
  return true;
}

Value bi_attention(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  Attention a = {.x = x, .at = at};
  bool causal = false;
  NodeId scale, open = NO_NODE, mask;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (!enter(&a, o[0], "q", &a.q, &a.tq) || !enter(&a, o[1], "k", &a.k, &a.tk) ||
      !enter(&a, o[2], "v", &a.v, &a.tv))
    return val_poison();
  if (!same_lead(&a, o[1], "k", a.tk) || !same_lead(&a, o[2], "v", a.tv) ||
      !agree(&a, o[1], "k", a.tk, "q", a.tq, 1, "features") ||
      !agree(&a, o[2], "v", a.tv, "k", a.tk, 2, "places"))
    return val_poison();
  if (arg_given(o[3]) && !val_static_bool(x, o[3].v, o[3].at, "'causal'", &causal)) return val_poison();
  Type t = wide(&a, (DType)a.tq.dtype), out = t;
  out.dim[out.rank - 1] = a.tv.dim[a.tv.rank - 1];
  if (!type_small(x, at, &t) || !type_small(x, at, &out)) return val_poison();
  a.b = builder_at(x, at);
  a.b.location = graph_location(x->g, at, a.b.location, sym_of(x, b->name));
  if (!scale_of(&a, o[5], t, &scale)) return val_poison();
  if (causal) open = past(&a);
  if (arg_given(o[4]) && !(o[4].v.kind == VAL_BOOL && o[4].v.boolean)) {
    if (!admitted(&a, o[4], &mask)) return val_poison();
    open = causal ? build_scalar(&a.b, OP_AND, open, mask, NO_NODE) : mask;
  }
  NodeId q = product_operand(x, a.q), k = product_operand(x, a.k), v = product_operand(x, a.v);
  NodeId score = build_scalar(&a.b, OP_MUL, build_contract(&a.b, q, k, false, true), scale, NO_NODE);
  if (node_ok(open)) score = build_scalar(&a.b, OP_WHERE, open, score, build_const(&a.b, t, -INFINITY));
  int64_t axis = t.rank - 1;
  NodeId weight = build_op(&a.b, OP_SOFTMAX, &score, 1, &axis, NULL);
  return val_node(build_contract(&a.b, product_operand(x, weight), v, false, false));
}
