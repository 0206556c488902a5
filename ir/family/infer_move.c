/* Types of ops that move elements. */
#include "ir/family/internal.h"

#include <stdio.h>

static bool infer_broadcast(const Infer *f) {
  const Type *x = f->in[0], *to = f->given;
  if (!infer_given(f)) return false;
  *f->out = *to;
  bool ok = x->dtype == to->dtype && x->rank <= to->rank;
  for (uint8_t i = 0; ok && i < x->rank; i++) {
    DimId a = x->dim[x->rank - 1 - i], b = to->dim[to->rank - 1 - i];
    ok = infer_dim_eq(a, b) || dim_eq(a, infer_one(f));
  }
  return ok || infer_types(f, "does not stretch:", x, to);
}

static bool infer_reshape(const Infer *f) {
  const Type *x = f->in[0], *to = f->given;
  if (!infer_given(f)) return false;
  *f->out = *to;
  if (x->dtype == to->dtype && infer_dim_eq(type_count(f->dims, x), type_count(f->dims, to))) return true;
  return infer_types(f, "not the same elements:", x, to);
}

static bool infer_transpose(const Infer *f) {
  const Type *x = f->in[0];
  uint32_t seen = 0;
  *f->out = *x;
  for (uint8_t i = 0; i < x->rank; i++) {
    uint32_t from = (uint64_t)f->attr[0] >> (4 * i) & 15;
    if (from >= x->rank || (seen >> from & 1)) return infer_fail(f, "no permutation of %u axes", x->rank);
    seen |= 1u << from;
    f->out->dim[i] = x->dim[from];
  }
  if (x->rank < 8 && (uint64_t)f->attr[0] >> (4 * x->rank))
    return infer_fail(f, "more than %u axes", x->rank);
  return true;
}

static DimId attr_dim(const Infer *f, int i) { return (DimId){(uint32_t)f->attr[i]}; }

static bool infer_slice(const Infer *f) { /* start + (extent - 1) * step < the axis; extent from the type */
  const Type *x = f->in[0], *to = f->given;
  if (!infer_given(f) || !infer_attr(f, 0, 0, x->rank - 1) || !infer_attr(f, 2, 1, INT32_MAX)) return false;
  uint8_t axis = (uint8_t)f->attr[0];
  *f->out = *x;
  f->out->dim[axis] = axis < to->rank ? to->dim[axis] : (DimId){0};
  int64_t start, extent, whole;
  DimTable *t = f->dims;
  if (dim_is_const(t, attr_dim(f, 1), &start) && start < 0)
    return infer_fail(f, "starts at %lld", (long long)start);
  DimId last = dim_add(t, attr_dim(f, 1),
                       dim_mul(t, dim_const(t, f->attr[2]), dim_sub(t, f->out->dim[axis], infer_one(f))));
  DimId room = dim_sub(t, dim_sub(t, x->dim[axis], infer_one(f)), last);
  if (dim_is_const(t, f->out->dim[axis], &extent) && extent < 1)
    return infer_fail(f, "of %lld elements", (long long)extent);
  if (dim_is_const(t, room, &whole) && whole < 0) return infer_types(f, "leaves", x, NULL);
  return true;
}

static bool infer_pad(const Infer *f) { /* lo + (extent - 1) * step + 1 + hi */
  const Type *x = f->in[0];
  if (!infer_attr(f, 0, 0, x->rank - 1) || !infer_attr(f, 3, 1, INT32_MAX)) return false;
  uint8_t axis = (uint8_t)f->attr[0];
  int64_t v;
  DimTable *t = f->dims;
  for (int i = 1; i < 3; i++)
    if (dim_is_const(t, attr_dim(f, i), &v) && v < 0) return infer_fail(f, "by %lld", (long long)v);
  *f->out = *x;
  DimId n = dim_mul(t, dim_const(t, f->attr[3]), dim_sub(t, x->dim[axis], infer_one(f)));
  n = dim_add(t, n, infer_one(f));
  f->out->dim[axis] = dim_add(t, n, dim_add(t, attr_dim(f, 1), attr_dim(f, 2)));
  return true;
}

static bool infer_concat(const Infer *f) {
  if (!infer_attr(f, 0, 0, f->in[0]->rank - 1)) return false;
  uint8_t axis = (uint8_t)f->attr[0];
  *f->out = *f->in[0];
  for (uint32_t i = 1; i < f->nin; i++) {
    const Type *x = f->in[i];
    bool ok = x->dtype == f->out->dtype && x->rank == f->out->rank;
    if (!ok) return infer_types(f, "does not join", f->in[0], x);
    for (uint8_t d = 0; d < x->rank; d++) {
      char why[64];
      if (d == axis || infer_dim_eq(x->dim[d], f->out->dim[d])) continue;
      snprintf(why, sizeof why, "joins along axis %d, and axis %d differs:", axis, d);
      return infer_types(f, why, f->in[0], x);
    }
    f->out->dim[axis] = dim_add(f->dims, f->out->dim[axis], x->dim[axis]);
  }
  return true;
}

bool infer_move(const Infer *f) {
  if (f->op == OP_BROADCAST) return infer_broadcast(f);
  if (f->op == OP_RESHAPE) return infer_reshape(f);
  if (f->op == OP_TRANSPOSE) return infer_transpose(f);
  if (f->op == OP_SLICE) return infer_slice(f);
  if (f->op == OP_PAD) return infer_pad(f);
  if (f->op == OP_CONCAT) return infer_concat(f);
  *f->out = *f->in[0]; /* reverse */
  return infer_attr(f, 0, 0, (INT64_C(1) << f->in[0]->rank) - 1);
}
