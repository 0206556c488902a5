/* What would make two dims equal: a symbol that is a multiple. */
#include "base/size.h"
#include "ir/type/dim_internal.h"

typedef struct Wanted { /* one symbol, and the least number it would have to be a multiple of */
  Sym name;
  int64_t by;
  bool several;
} Wanted;

static void want(const DimTable *t, DimId d, int64_t by, Wanted *w) { /* depth: MAX_DEPTH */
  const Poly *p = &t->poly.at[d.i];
  for (uint32_t i = 0; i < p->n; i++)
    for (uint32_t k = 0; k < p->term[i].degree; k++) {
      const Atom *a = &t->atom.at[p->term[i].atom[k]];
      int64_t more;
      if (a->by) {
        if (!i64_mul(by, a->by, &more)) more = by, w->several = true;
        want(t, a->inner, more, w);
      } else if (by > 1) {
        if (w->by && !sym_eq(w->name, a->name)) w->several = true;
        more = w->by ? by / i64_gcd(by, w->by) : by;
        w->name = a->name;
        if (!w->by) w->by = 1;
        if (!i64_mul(w->by, more, &w->by)) w->several = true;
      }
    }
}

bool dim_whole(Arena *a, const DimTable *t, DimId x, DimId y, Sym *name, int64_t *by) {
  Wanted w = {.by = 0};
  if (!x.i || !y.i || dim_eq(x, y)) return false;
  want(t, x, 1, &w);
  want(t, y, 1, &w);
  if (!w.by || w.several) return false;
  DimTable *copy = dims_copy(a, t); /* where it is one */
  dim_multiple(copy, dim_symbol(copy, w.name), w.by);
  const DimBinding none = {.name = {UINT32_MAX}, .value = 1}; /* made again */
  *name = w.name;
  *by = w.by;
  return dim_eq(dim_bind(copy, x, &none, 1), dim_bind(copy, y, &none, 1));
}
