/* Ops that move elements: one strided copy serves them all. */
#include "ir/interpret/internal.h"

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

void eval_move(Eval *e) {
  const Tensor *x = e->in[0];
  Tensor *y = e->out;
  size_t bytes = dtype_bytes(y->dtype);
  int64_t own[MAX_RANK];
  Box b = {.rank = y->rank};
  int axis = op_info[e->op].nattr ? (int)e->attr[0] : 0;
  memcpy(b.ext, y->ext, sizeof b.ext);
  row_strides(y, b.to);
  row_strides(x, own);
  memcpy(b.from, own, sizeof own);
  switch (e->op) {
  case OP_BROADCAST:
    for (int i = 0; i < y->rank; i++) {
      int from = i - (y->rank - x->rank);
      b.from[i] = from < 0 || (x->ext[from] == 1 && y->ext[i] != 1) ? 0 : own[from];
    }
    break;
  case OP_TRANSPOSE:
    for (int i = 0; i < y->rank; i++) b.from[i] = own[(uint64_t)e->attr[0] >> (4 * i) & 15];
    break;
  case OP_SLICE:
    b.base_from = dim_value(e, 1) * own[axis];
    b.from[axis] = own[axis] * e->attr[2];
    break;
  case OP_PAD: /* the rest of y is zero already */
    memcpy(b.ext, x->ext, sizeof b.ext);
    b.base_to = dim_value(e, 1) * b.to[axis];
    b.to[axis] *= e->attr[3];
    break;
  case OP_REVERSE:
    for (int i = 0; i < y->rank; i++)
      if (e->attr[0] >> i & 1) {
        b.base_from += own[i] * (x->ext[i] - 1);
        b.from[i] = -own[i];
      }
    break;
  case OP_CONCAT:
    for (uint32_t i = 0; i < e->nin; i++) {
      memcpy(b.ext, e->in[i]->ext, sizeof b.ext);
      row_strides(e->in[i], b.from);
      copy_box(&b, bytes, y->data, e->in[i]->data);
      b.base_to += e->in[i]->ext[axis] * b.to[axis];
    }
    return;
  default:                                      /* reshape: the same elements in order */
    memcpy(y->data, x->data, y->count * bytes); /* size-ok: allocated with this product */
    return;
  }
  copy_box(&b, bytes, y->data, x->data);
}
