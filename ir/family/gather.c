/* Reading and adding at places that an operand says. gather takes slices of x, scatter_add adds slices to a
 * tensor; each is the other's derivative. `along`: the index has x's rank, and each element its own place on
 * the axis. A place outside the axis reads 0, and nothing is added there. */
#include "ir/family/family.h"

static bool axis_and_index(const Infer *f) {
  const Type *x = f->in[0], *index = f->in[1];
  if (!infer_attr(f, 0, 0, x->rank - 1) || !infer_attr(f, 1, 0, 1)) return false;
  if (index->dtype != DT_I32) return infer_types(f, "takes an index of i32, not", index, NULL);
  bool ok = !f->attr[1] || index->rank == x->rank;
  for (uint8_t i = 0; ok && f->attr[1] && i < x->rank; i++)
    ok = i == f->attr[0] || infer_dim_eq(index->dim[i], x->dim[i]);
  return ok || infer_types(f, "operand and index differ on another axis than that of the places:", x, index);
}

/* What is read of x, or added to it: the index's axes stand in the axis's place. */
static bool part_type(const Infer *f, Type *out) {
  const Type *x = f->in[0], *index = f->in[1];
  uint8_t axis = (uint8_t)f->attr[0];
  *out = f->attr[1] ? *index : *x;
  out->dtype = x->dtype;
  if (f->attr[1]) return true;
  if (x->rank - 1 + index->rank > MAX_RANK) return infer_fail(f, "gives more than %d axes", MAX_RANK);
  for (uint8_t i = 0; i < index->rank; i++) out->dim[axis + i] = index->dim[i];
  for (uint8_t i = (uint8_t)(axis + 1); i < x->rank; i++) out->dim[i - 1 + index->rank] = x->dim[i];
  out->rank = (uint8_t)(x->rank - 1 + index->rank);
  return true;
}

bool infer_gather(const Infer *f) { return axis_and_index(f) && part_type(f, f->out); }

bool infer_scatter_add(const Infer *f) {
  Type part;
  if (!axis_and_index(f) || !part_type(f, &part)) return false;
  if (f->in[0]->dtype == DT_BOOL) return infer_types(f, "is not defined for", f->in[0], NULL);
  *f->out = *f->in[0];
  return (part.dtype == f->in[2]->dtype && infer_shape_eq(&part, f->in[2])) ||
         infer_types(f, "the updates and the places differ:", f->in[2], &part);
}

/* x [outer, n, inner] and the part [outer, places, inner], places in row-major order of the index. */
typedef struct Places {
  Along x;
  size_t places;
  bool along;
  const int32_t *index;
} Places;

static Places places_of(const Eval *e) {
  Places p = {.x = tensor_along(e->in[0], (int)e->attr[0]), .along = e->attr[1], .index = e->in[1]->data};
  p.places = p.along ? (size_t)e->in[1]->ext[e->attr[0]] : e->in[1]->count;
  return p;
}

/* Element of x for element (o, j, i) of the part; false: outside. */
static bool place(const Places *p, size_t o, size_t j, size_t i, size_t *at) {
  int32_t k = p->index[p->along ? (o * p->places + j) * p->x.inner + i : j];
  *at = (o * p->x.n + (size_t)k) * p->x.inner + i;
  return k >= 0 && (size_t)k < p->x.n;
}

static void gather(Eval *e) {
  Places p = places_of(e);
  size_t bytes = dtype_bytes(e->out->dtype), from;
  char *to = e->out->data; /* zeroed */
  for (size_t o = 0; o < p.x.outer; o++)
    for (size_t j = 0; j < p.places; j++)
      for (size_t i = 0; i < p.x.inner; i++, to += bytes)
        if (place(&p, o, j, i, &from))
          memcpy(to, (const char *)e->in[0]->data + from * bytes, bytes); /* size-ok: an element */
}
const OpEval eval_gather = {gather, NULL};

static void add_to(DType t, void *to, size_t at, const void *x, size_t k) {
  switch (t) {
  case DT_F32: ((float *)to)[at] = ((float *)to)[at] + ((const float *)x)[k]; break;
  case DT_F64: ((double *)to)[at] = ((double *)to)[at] + ((const double *)x)[k]; break;
  case DT_I32:
  case DT_BOOL: ((uint32_t *)to)[at] += ((const uint32_t *)x)[k]; break; /* wraps */
  case DT_I64: ((uint64_t *)to)[at] += ((const uint64_t *)x)[k]; break;
  case DT_COUNT:
  case DT_U8:
  case DT_BF16: break;
  }
}

static void scatter_add(Eval *e) {
  Places p = places_of(e);
  size_t bytes = dtype_bytes(e->out->dtype), at, k = 0;
  memcpy(e->out->data, e->in[0]->data, e->out->count * bytes); /* size-ok: allocated with this product */
  for (size_t o = 0; o < p.x.outer; o++)
    for (size_t j = 0; j < p.places; j++)
      for (size_t i = 0; i < p.x.inner; i++, k++)
        if (place(&p, o, j, i, &at)) add_to(e->out->dtype, e->out->data, at, e->in[2]->data, k);
}
const OpEval eval_scatter_add = {scatter_add, NULL};
