/* Natural shapes, along which axes a value is constant, and extents as numbers. */
#include "passes/diagnose/value.h"

#include <math.h>

bool shape_one(const Values *v, DimId d) {
  int64_t n;
  return dim_is_const(v->p->dims, d, &n) && n == 1;
}

void shape_trim(const Values *v, Shape *s) {
  while (s->rank && shape_one(v, s->dim[s->rank - 1])) s->rank--;
  for (uint8_t i = s->rank; i < MAX_RANK; i++) s->dim[i] = (DimId){0};
}

Shape shape_of(const Values *v, const Type *t) {
  Shape s = {.rank = t->rank};
  for (uint8_t i = 0; i < t->rank; i++) s.dim[i] = t->dim[t->rank - 1 - i];
  shape_trim(v, &s);
  return s;
}

Shape shape_union(const Values *v, const Shape *a, const Shape *b) {
  Shape s = a->rank >= b->rank ? *a : *b;
  const Shape *o = a->rank >= b->rank ? b : a;
  for (uint8_t i = 0; i < o->rank; i++)
    if (shape_one(v, s.dim[i])) s.dim[i] = o->dim[i];
  return s;
}

Shape shape_with(const Values *v, const Type *t, uint32_t flat) {
  Shape s = {.rank = t->rank};
  for (uint8_t k = 0; k < t->rank; k++)
    s.dim[k] = flat >> k & 1 ? dim_const(v->p->dims, 1) : t->dim[t->rank - 1 - k];
  shape_trim(v, &s);
  return s;
}

bool shape_eq(const Shape *a, const Shape *b) {
  if (a->rank != b->rank) return false;
  for (uint8_t i = 0; i < a->rank; i++)
    if (!dim_eq(a->dim[i], b->dim[i])) return false;
  return true;
}

bool value_flat(const Values *v, ValueId id, uint32_t k) {
  const Shape *s = &value_at(v, id)->shape;
  return k >= s->rank || shape_one(v, s->dim[k]);
}

uint32_t value_flat_axes(const Values *v, ValueId id) {
  uint32_t mask = 0;
  for (uint32_t k = 0; k < MAX_RANK; k++)
    if (value_flat(v, id, k)) mask |= UINT32_C(1) << k;
  return mask;
}

bool value_flat_along(const Values *v, ValueId id, uint32_t mask) {
  for (uint32_t k = 0; k < MAX_RANK; k++)
    if ((mask >> k & 1) && !value_flat(v, id, k)) return false;
  return true;
}

ValueId value_extent(Values *v, DimId d) {
  int64_t n;
  if (dim_is_const(v->p->dims, d, &n)) return value_ratio(v, ratio((double)n));
  int64_t attr = d.i;
  return value_op(v, OP_IOTA, DT_F64, NULL, 0, &attr, 1, (Shape){0}, interval_of(1, INFINITY));
}
