/* `x[..]`: ints drop an axis, ranges slice, `_` adds an axis, `..` skips; all known when the program is
 * compiled. An integer tensor takes slices at its places. */
#include "frontend/elaborate/elab.h"

/* A place on an axis: negative counts from the end. False when it is provably outside 0..extent (or
 * 0..extent-1). */
static bool place(Elab *x, DimId extent, Value v, Span at, bool end, DimId *out) {
  DimId d;
  if (!val_static_dim(x, v, at, "an index", &d)) return false;
  int64_t i, n;
  if (v.kind == VAL_INT && v.i < 0) d = dim_add(x->dims, extent, d);
  if (dim_is_const(x->dims, extent, &n) && dim_is_const(x->dims, d, &i) &&
      (i < 0 || i > n || (i == n && !end))) {
    TELL(x, index_range, at, str_fmt(x->a, "%lld", (long long)(v.kind == VAL_INT ? v.i : i)),
         str_fmt(x->a, "an axis of extent %lld", (long long)n));
    return false;
  }
  *out = d;
  return d.i != 0;
}

static Value index_list(Elab *x, Scope *s, Value v, const AstExpr *e) {
  if (e->index.items.n != 1) {
    TELL(x, declaration, e->at, STR("a list takes one index"));
    return val_poison();
  }
  const AstExpr *it = e->index.items.at[0];
  int64_t n = v.list.n, lo = 0, hi = n;
  if (it->kind == EXPR_RANGE) {
    if (it->range.step) return not_built(x, it->at, "a step in a list's slice");
    if (it->range.lo && !val_static_int(x, eval(x, s, it->range.lo), it->range.lo->at, "an index", &lo))
      return val_poison();
    if (it->range.hi && !val_static_int(x, eval(x, s, it->range.hi), it->range.hi->at, "an index", &hi))
      return val_poison();
    lo += lo < 0 ? n : 0;
    hi += hi < 0 ? n : 0;
    if (lo < 0 || hi > n || lo > hi) {
      TELL(x, index_range, it->at, str_fmt(x->a, "%lld:%lld", (long long)lo, (long long)hi), val_text(x, v));
      return val_poison();
    }
    return val_list(x, VAL_LIST, v.list.at + lo, (uint32_t)(hi - lo));
  }
  if (!val_static_int(x, eval(x, s, it), it->at, "an index of a list", &lo)) return val_poison();
  int64_t i = lo < 0 ? lo + n : lo;
  if (i < 0 || i >= n) {
    TELL(x, index_range, it->at, str_fmt(x->a, "%lld", (long long)lo), val_text(x, v));
    return val_poison();
  }
  return v.list.at[i];
}

Value value_slice(Elab *x, NodeId n, int axis, DimId start, int64_t step, DimId extent, Span at) {
  Type t = node_type(x, n);
  int64_t v;
  bool whole = dim_is_const(x->dims, start, &v) && v == 0 && step == 1 && dim_eq(extent, t.dim[axis]);
  t.dim[axis] = extent;
  return val_node(whole ? n : emit(x, at, "[..]", OP_SLICE, &n, 1, (int64_t[]){axis, start.i, step}, &t));
}

static bool slice_axis(Elab *x, Scope *s, const AstExpr *it, NodeId *n, int axis) {
  DimId extent = node_type(x, *n).dim[axis], lo = dim_const(x->dims, 0), hi = extent;
  int64_t step = 1, len;
  if (!extent.i) return false;
  if (it->range.lo && !place(x, extent, eval(x, s, it->range.lo), it->range.lo->at, true, &lo)) return false;
  if (it->range.hi && !place(x, extent, eval(x, s, it->range.hi), it->range.hi->at, true, &hi)) return false;
  if (it->range.step &&
      !val_static_int(x, eval(x, s, it->range.step), it->range.step->at, "the step of a slice", &step))
    return false;
  if (step < 1) {
    TELL(x, static_arith, it->range.step->at, STR("the step of a slice is at least 1"));
    return false;
  }
  DimId span = dim_sub(x->dims, hi, lo);
  if (dim_is_const(x->dims, span, &len) && len < 1) {
    TELL(x, bad_operand, it->at, "[..]", STR("the slice is empty"));
    return false;
  }
  if (step > 1) span = dim_floordiv(x->dims, dim_add(x->dims, span, dim_const(x->dims, step - 1)), step);
  Value v = value_slice(x, *n, axis, lo, step, span, it->at);
  *n = v.kind == VAL_TENSOR ? v.node : NO_NODE;
  return val_ok(v);
}

/* What stands in an index so far: the value, its axes and those behind it, and the axes written as one. */
typedef struct Indexed {
  NodeId n;
  uint32_t axis, rank; /* next axis of n; all of them */
  uint8_t ones_in;     /* of n's axes */
  Type out;
  uint8_t ones;
  bool by_tensor;
} Indexed;

/* Slices at the places of a tensor, whose axes stand in the axis's place. */
static bool index_tensor(Elab *x, Indexed *v, Value iv, Span at) {
  if (v->by_tensor) {
    TELL(x, bad_operand, at, "[..]", STR("an index holds one tensor at most"));
    return false;
  }
  NodeId index = val_to_node(x, iv, at, -1);
  if (!node_ok(index)) return false;
  Type t = node_type(x, index);
  if (t.dtype != DT_I32) return val_ok(wrong_kind(x, at, iv, "an index of i32"));
  if (v->out.rank + t.rank > MAX_RANK || v->out.rank + t.rank > x->limits->rank)
    return val_ok(limit_passed(x, at, "the tensor's axes", "rank", x->limits->rank));
  v->n = value_take(x, "[..]", v->n, index, (int)v->axis, at);
  if (!node_ok(v->n)) return false;
  uint8_t behind = (uint8_t)(v->ones_in >> (v->axis + 1));
  v->ones_in = (uint8_t)(behind << (v->axis + t.rank));
  v->ones |= (uint8_t)((iv.kind == VAL_TENSOR ? iv.ones : 0) << v->out.rank);
  for (uint8_t i = 0; i < t.rank; i++) v->out.dim[v->out.rank++] = t.dim[i];
  v->axis += t.rank;
  v->rank += t.rank - 1u;
  return v->by_tensor = true;
}

Value index_value(Elab *x, Scope *s, const AstExpr *e) {
  Value v = eval(x, s, e->index.base);
  if (!val_ok(v)) return v;
  if (v.kind == VAL_LIST || v.kind == VAL_TUPLE) return index_list(x, s, v, e);
  if (!val_tensor(v)) return wrong_kind(x, e->index.base->at, v, "a tensor or a list");
  NodeId n = val_to_node(x, v, e->at, -1);
  if (!node_ok(n)) return val_poison();
  uint8_t ones_in = v.kind == VAL_TENSOR ? v.ones : 0;
  uint32_t used = 0, rests = 0;
  for (uint32_t i = 0; i < e->index.items.n; i++) {
    AstExprKind k = e->index.items.at[i]->kind;
    rests += k == EXPR_REST;
    used += k != EXPR_HOLE && k != EXPR_REST;
  }
  uint32_t rank = node_type(x, n).rank;
  if (used > rank || rests > 1) {
    TELL(x, bad_operand, e->index.brackets, "[..]",
         rests > 1
             ? STR("'..' stands once in an index")
             : str_fmt(x->a, STRF " has %u axes, and %u are indexed", STRA(val_text(x, v)), rank, used));
    return val_poison();
  }
  /* First slice every axis (an int is a slice of one), then one reshape drops and adds axes of extent 1. */
  Indexed so_far = {.n = n, .rank = rank, .ones_in = ones_in, .out = {.dtype = node_type(x, n).dtype}},
          *w = &so_far;
  bool good = true;
  for (uint32_t i = 0; i <= e->index.items.n && good; i++) {
    const AstExpr *it = i < e->index.items.n ? e->index.items.at[i] : NULL;
    uint32_t keep = !it && !rests ? w->rank - w->axis : 0;
    if (it && it->kind == EXPR_REST) {
      uint32_t behind = 0;
      for (uint32_t k = i + 1; k < e->index.items.n; k++) behind += e->index.items.at[k]->kind != EXPR_HOLE;
      keep = w->rank - w->axis - behind;
    }
    bool hole = it && it->kind == EXPR_HOLE, whole = !it || it->kind == EXPR_REST,
         range = it && it->kind == EXPR_RANGE;
    uint32_t adds = whole ? keep : hole || range;
    if (w->out.rank + adds > MAX_RANK || w->out.rank + adds > x->limits->rank)
      return limit_passed(x, e->at, "the tensor's axes", "rank", x->limits->rank);
    if (whole) {
      for (uint32_t k = 0; k < keep; k++, w->axis++) {
        if (w->ones_in >> w->axis & 1) w->ones |= (uint8_t)(1 << w->out.rank);
        w->out.dim[w->out.rank++] = node_type(x, w->n).dim[w->axis];
      }
    } else if (hole) {
      w->ones |= (uint8_t)(1 << w->out.rank);
      w->out.dim[w->out.rank++] = dim_const(x->dims, 1);
    } else if (range) {
      good = slice_axis(x, s, it, &w->n, (int)w->axis);
      if (good && (w->ones_in >> w->axis & 1)) w->ones |= (uint8_t)(1 << w->out.rank);
      if (good) w->out.dim[w->out.rank++] = node_type(x, w->n).dim[w->axis++];
    } else {
      Value iv = eval(x, s, it);
      DimId at;
      if (val_tensor(iv)) {
        good = index_tensor(x, w, iv, it->at);
        continue;
      }
      good = val_ok(iv) && place(x, node_type(x, w->n).dim[w->axis], iv, it->at, false, &at);
      if (good) {
        Value sl = value_slice(x, w->n, (int)w->axis, at, 1, dim_const(x->dims, 1), it->at);
        w->n = sl.kind == VAL_TENSOR ? sl.node : NO_NODE;
        good = node_ok(w->n);
      }
      w->axis++;
    }
  }
  if (!good) return val_poison();
  Builder b = builder_at(x, e->at);
  return (Value){.kind = VAL_TENSOR, .node = build_reshape(&b, w->n, w->out), .ones = w->ones};
}
