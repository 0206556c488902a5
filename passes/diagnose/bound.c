/* What holds because dims have values: the program is asked once more with them, and what is new is told with
 * the dims it needs. */
#include "ir/graph/build.h"
#include "passes/diagnose/diagnose.h"

enum { ALONE = 4 }; /* so many dims are left out one after the other, to see which are needed */

const Program *diagnose_bound_program(const Program *p, const DimBinding *bind, size_t nbind, Arena *a) {
  Program *q = ARENA_NEW(a, Program);
  *q = *p;
  q->arena = a;
  q->dims = dims_copy(a, p->dims);
  q->leaf.at = ARENA_ARRAY(a, Leaf, p->leaf.n);
  q->entry.at = ARENA_ARRAY(a, Entry, p->entry.n);
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    Leaf *leaf = &q->leaf.at[i];
    *leaf = p->leaf.at[i];
    for (uint8_t k = 0; k < leaf->type.rank; k++)
      leaf->type.dim[k] = dim_bind(q->dims, leaf->type.dim[k], bind, nbind);
  }
  for (uint32_t i = 0; i < p->entry.n; i++) {
    q->entry.at[i] = p->entry.at[i];
    if (!p->entry.at[i].graph) continue;
    Graph *g = q->entry.at[i].graph = graph_keep(p->entry.at[i].graph, a);
    g->program = q;
    graph_bind(g, bind, nbind);
  }
  return q;
}

static Diags beside(const Diags *d) {
  return (Diags){.arena = d->arena, .sources = d->sources, .limits = d->limits, .flags = d->flags};
}

/* What is said of the program with these dims, beside what is known. */
static Diags said(const Program *p, const DimBinding *bind, size_t nbind, const Map *known, const Diags *d) {
  Diags list = beside(d);
  ArenaScope scope;
  const Program *q = diagnose_bound_program(p, bind, nbind, arena_open(&scope, p->arena->mem));
  diagnose_one(q, known, &list);
  arena_close(&scope);
  return list;
}

/* By known_key: what the list says of parameters. These join no message that holds because of dims. */
static Map known_of(const Program *p, const Diags *d, Arena *a) {
  Map m;
  map_init(&m, a);
  for (uint32_t i = 0; i < d->all.n; i++)
    for (uint32_t k = 0; k < d->all.at[i]->subject.n; k++) {
      bool found;
      Sym path = names_find(p->names, d->all.at[i]->subject.at[k], &found);
      if (found) map_put(&m, known_key(diag_info[d->all.at[i]->kind].group, path), 1);
    }
  return m;
}

static bool has_subject(const Diag *g, Str path) {
  for (uint32_t i = 0; i < g->subject.n; i++)
    if (str_eq(g->subject.at[i], path)) return true;
  return false;
}

/* The list says this of the parameter; of none: it has this very message. */
static bool says(const Diags *d, const Diag *g, const Str *param) {
  for (uint32_t i = 0; i < d->all.n; i++) {
    const Diag *h = d->all.at[i];
    if (h->kind != g->kind) continue;
    if (param ? has_subject(h, *param)
              : h->at.file == g->at.file && h->at.lo == g->at.lo && str_eq(h->text, g->text))
      return true;
  }
  return false;
}

static bool is_new(const Diags *d, const Diag *g) {
  for (uint32_t k = 0; k < g->subject.n; k++)
    if (!says(d, g, &g->subject.at[k])) return true;
  return !g->subject.n && !says(d, g, NULL);
}

static void say_because(Diag *g, const Program *p, const DimBinding *bind, size_t nbind, uint32_t needed) {
  Sb b;
  sb_init(&b, g->owner->arena);
  for (size_t i = 0, n = 0; i < nbind; i++) {
    if (needed && i < ALONE && !(needed >> i & 1)) continue;
    sb_fmt(&b, "%s" STRF " = %lld", n++ ? ", " : "because ", STRA(names_str(p->names, bind[i].name)),
           (long long)bind[i].value);
  }
  Str because = sb_str(&b);
  diag_note(g, (Span){0}, STRF, STRA(because));
}

void diagnose_bound(const Program *p, const DimBinding *bind, size_t nbind, const Diags *known, Diags *d) {
  Map before = known_of(p, known, d->arena);
  Diags bound = said(p, bind, nbind, &before, d), without[ALONE];
  size_t asked = 0;
  for (uint32_t i = 0; i < bound.all.n; i++) {
    Diag *g = bound.all.at[i];
    if (g->kind == DIAG_unmet_expect || !is_new(known, g)) continue;
    for (; nbind > 1 && nbind <= ALONE && asked < nbind; asked++) { /* once, when first needed */
      DimBinding rest[ALONE];
      size_t n = 0;
      for (size_t k = 0; k < nbind; k++)
        if (k != asked) rest[n++] = bind[k];
      without[asked] = said(p, rest, n, &before, d);
    }
    uint32_t needed = 0;
    for (size_t k = 0; k < asked; k++)
      if (is_new(&without[k], g)) needed |= UINT32_C(1) << k;
    diags_take(d, g);
    say_because(g, p, bind, nbind, needed);
  }
}

void diagnose(const Program *p, const DimBinding *bind, size_t nbind, Diags *d) {
  if (!nbind) {
    diagnose_one(p, NULL, d);
    return;
  }
  Diags any = beside(d), bound = said(p, bind, nbind, NULL, d);
  diagnose_one(p, NULL, &any);
  for (uint32_t i = 0; i < any.all.n; i++) {
    Diag *g = any.all.at[i];
    if (g->kind != DIAG_unmet_expect || !is_new(&bound, g)) diags_take(d, g); /* dims may meet it */
  }
  d->unkept += any.unkept;
  diagnose_bound(p, bind, nbind, &any, d);
}
