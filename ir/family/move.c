/* Ops that move elements: their types, and one strided copy that serves them all. */
#include "ir/family/family.h"

#include <stdio.h>

/* to[base_to + sum i*step_to] = from[base_from + sum i*step_from] over a box of extents; strides in elements.
 */
typedef struct Box {
  int rank;
  int64_t ext[MAX_RANK], to[MAX_RANK], from[MAX_RANK];
  int64_t base_to, base_from;
} Box;

static void row_strides(const Tensor *t, int64_t *stride) {
  int64_t s = 1;
  for (int i = t->rank; i-- > 0; s *= t->ext[i]) stride[i] = s;
}

static void copy_box(const Box *b, size_t bytes, void *to, const void *from) {
  int64_t at[MAX_RANK] = {0}, t = b->base_to, f = b->base_from;
  int last = b->rank - 1;
  int64_t n = last < 0 ? 1 : b->ext[last], st = last < 0 ? 0 : b->to[last], sf = last < 0 ? 0 : b->from[last];
  for (int i = 0; i < b->rank; i++)
    if (b->ext[i] == 0) return;
  for (;;) {
    if (bytes == 8)
      for (int64_t k = 0; k < n; k++) ((uint64_t *)to)[t + k * st] = ((const uint64_t *)from)[f + k * sf];
    else
      for (int64_t k = 0; k < n; k++) ((uint32_t *)to)[t + k * st] = ((const uint32_t *)from)[f + k * sf];
    int d = last - 1;
    for (; d >= 0; d--) { /* the next row */
      t += b->to[d];
      f += b->from[d];
      if (++at[d] < b->ext[d]) break;
      t -= b->to[d] * b->ext[d];
      f -= b->from[d] * b->ext[d];
      at[d] = 0;
    }
    if (d < 0) return;
  }
}

static int64_t dim_value(const Eval *e, int attr) {
  int64_t v = 0;
  DimId d = {(uint32_t)e->attr[attr]};
  if (!dim_is_const(e->run->graph->program->dims, d, &v))
    BUG(e->run->arena->mem, "%s: dim is not bound", op_info[e->op].name);
  return v;
}

/* From x to y, both row-major, over all of y. */
static Box box_of(const Eval *e) {
  Box b = {.rank = e->out->rank};
  memcpy(b.ext, e->out->ext, sizeof b.ext);
  row_strides(e->out, b.to);
  row_strides(e->in[0], b.from);
  return b;
}
static void move(Eval *e, const Box *b) {
  copy_box(b, dtype_bytes(e->out->dtype), e->out->data, e->in[0]->data);
}

bool infer_broadcast(const Infer *f) {
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
static void broadcast(Eval *e) {
  const Tensor *x = e->in[0], *y = e->out;
  Box b = box_of(e);
  int64_t own[MAX_RANK];
  memcpy(own, b.from, sizeof own);
  for (int i = 0; i < y->rank; i++) {
    int from = i - (y->rank - x->rank);
    b.from[i] = from < 0 || (x->ext[from] == 1 && y->ext[i] != 1) ? 0 : own[from];
  }
  move(e, &b);
}
const OpEval eval_broadcast = {broadcast, NULL};

bool infer_reshape(const Infer *f) {
  const Type *x = f->in[0], *to = f->given;
  if (!infer_given(f)) return false;
  *f->out = *to;
  if (x->dtype == to->dtype && infer_dim_eq(type_count(f->dims, x), type_count(f->dims, to))) return true;
  return infer_types(f, "not the same elements:", x, to);
}
const OpEval eval_reshape = {NULL, NULL}; /* the same memory */

bool infer_transpose(const Infer *f) {
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
static void transpose(Eval *e) {
  Box b = box_of(e);
  int64_t own[MAX_RANK];
  memcpy(own, b.from, sizeof own);
  for (int i = 0; i < b.rank; i++) b.from[i] = own[(uint64_t)e->attr[0] >> (4 * i) & 15];
  move(e, &b);
}
const OpEval eval_transpose = {transpose, NULL};

static DimId attr_dim(const Infer *f, int i) { return (DimId){(uint32_t)f->attr[i]}; }

bool infer_slice(const Infer *f) { /* start + (extent - 1) * step < the axis; extent from the type */
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
static void slice(Eval *e) {
  Box b = box_of(e);
  int64_t axis = e->attr[0];
  b.base_from = dim_value(e, 1) * b.from[axis];
  b.from[axis] *= e->attr[2];
  move(e, &b);
}
const OpEval eval_slice = {slice, NULL};

bool infer_pad(const Infer *f) { /* lo + (extent - 1) * step + 1 + hi */
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
static void pad(Eval *e) { /* the rest is zero already */
  Box b = box_of(e);
  int64_t axis = e->attr[0];
  memcpy(b.ext, e->in[0]->ext, sizeof b.ext);
  b.base_to = dim_value(e, 1) * b.to[axis];
  b.to[axis] *= e->attr[3];
  move(e, &b);
}
const OpEval eval_pad = {pad, NULL};

bool infer_concat(const Infer *f) {
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
static void concat(Eval *e) {
  Box b = box_of(e);
  int64_t axis = e->attr[0];
  for (uint32_t i = 0; i < e->nin; i++) {
    memcpy(b.ext, e->in[i]->ext, sizeof b.ext);
    row_strides(e->in[i], b.from);
    copy_box(&b, dtype_bytes(e->out->dtype), e->out->data, e->in[i]->data);
    b.base_to += e->in[i]->ext[axis] * b.to[axis];
  }
}
const OpEval eval_concat = {concat, NULL};

bool infer_reverse(const Infer *f) {
  *f->out = *f->in[0];
  return infer_attr(f, 0, 0, (INT64_C(1) << f->in[0]->rank) - 1);
}
static void reverse(Eval *e) {
  Box b = box_of(e);
  for (int i = 0; i < b.rank; i++)
    if (e->attr[0] >> i & 1) {
      b.base_from += b.from[i] * (e->in[0]->ext[i] - 1);
      b.from[i] = -b.from[i];
    }
  move(e, &b);
}
const OpEval eval_reverse = {reverse, NULL};
