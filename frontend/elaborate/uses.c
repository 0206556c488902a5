/* An index of names for editors: go to the declaration, what a name is, where else it stands. Filled while
 * the program is elaborated, so that it knows what the elaborator knows; off unless somebody asks. */
#include "frontend/elaborate/elab.h"

#include <stdlib.h>

void use_seen(Elab *x, Span at, Span declared, Value v) {
  NameUses *u = x->opt->uses;
  if (!u || !at.file || x->src->file.at[at.file].library) return;
  uint64_t key = hash_mix(at.lo | (uint64_t)at.file << 32);
  uint32_t seen;
  if (map_get(&u->seen, key, &seen)) return; /* in another call, or another entry point */
  map_put(&u->seen, key, u->all.n);
  VEC_PUSH(x->a, &u->all, (NameUse){at, declared, val_ok(v) ? val_text(x, v) : STR("unknown")});
}

static int by_place(const void *a, const void *b) {
  const NameUse *x = a, *y = b;
  if (x->at.file != y->at.file) return x->at.file < y->at.file ? -1 : 1;
  return x->at.lo < y->at.lo ? -1 : x->at.lo > y->at.lo;
}

void uses_finish(Elab *x) {
  NameUses *u = x->opt->uses;
  if (u && u->all.n) qsort(u->all.at, u->all.n, sizeof *u->all.at, by_place);
}
