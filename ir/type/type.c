/* Element types and tensor types. */
#include "ir/type/type.h"

static const struct {
  const char *name;
  size_t bytes;
  char letter; /* none of stored ones */
  uint8_t compute;
} dtype_row[DT_ALL] = {
#define X(id, name, bytes, letter) [DT_##id] = {name, bytes, letter, DT_##id},
    DTYPES(X)
#undef X
        [DT_NONE] = {"none", 0, 0, DT_NONE},
#define X(id, name, bytes, compute) [DT_##id] = {name, bytes, 0, DT_##compute},
    STORED_DTYPES(X)
#undef X
};

const char *dtype_name(DType t) { return dtype_row[(int)t < DT_ALL ? t : DT_NONE].name; }
size_t dtype_bytes(DType t) { return dtype_row[t].bytes; }
char dtype_letter(DType t) { return dtype_row[t].letter; }
DType dtype_compute(DType t) { return (DType)dtype_row[t].compute; }

bool dtype_parse(Str s, DType *out) {
  for (int t = 0; t < DT_ALL; t++)
    if (t != DT_NONE && str_eq(s, str_z(dtype_row[t].name))) return *out = (DType)t, true;
  return false;
}

bool type_same_shape(const Type *a, const Type *b) {
  if (a->rank != b->rank) return false;
  for (uint8_t i = 0; i < a->rank; i++)
    if (!dim_eq(a->dim[i], b->dim[i])) return false;
  return true;
}
bool type_eq(const Type *a, const Type *b) { return a->dtype == b->dtype && type_same_shape(a, b); }

bool type_agree(const Type *a, const Type *b) {
  bool agree = a->dtype == b->dtype && a->rank == b->rank;
  for (int i = 0; agree && i < a->rank; i++) agree = dim_agree(a->dim[i], b->dim[i]);
  return agree;
}

void type_print(const DimTable *t, const Type *ty, Sb *b) {
  sb_add(b, str_z(dtype_name((DType)ty->dtype)));
  for (uint8_t i = 0; i < ty->rank; i++) {
    sb_add(b, i ? STR(", ") : STR("["));
    dim_print(t, ty->dim[i], b);
  }
  if (ty->rank) sb_char(b, ']');
}

DimId type_count(DimTable *t, const Type *ty) {
  DimId n = dim_const(t, 1);
  for (uint8_t i = 0; i < ty->rank; i++) n = dim_mul(t, n, ty->dim[i]);
  return n;
}

bool type_extents(const DimTable *t, const Type *ty, int64_t *ext) {
  for (uint8_t i = 0; i < ty->rank; i++)
    if (!dim_is_const(t, ty->dim[i], &ext[i])) return false;
  return true;
}
