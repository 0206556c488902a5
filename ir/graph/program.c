/* Programs: leaves and entry points. */
#include "ir/graph/program.h"

void program_init(Program *p, Arena *a, Names *names, Sources *sources, const Limits *limits) {
  *p = (Program){.arena = a, .names = names, .sources = sources, .limits = limits};
  p->dims = dims_new(a, names);
}

LeafId program_leaf(Program *p, Leaf leaf) {
  if (p->leaf.n == UINT32_MAX - 1) mem_raise(p->arena->mem, ST_LIMIT, "too many leaves");
  VEC_PUSH(p->arena, &p->leaf, leaf);
  return (LeafId){p->leaf.n - 1};
}

bool program_find_leaf(const Program *p, Str path, LeafId *out) {
  bool known;
  Sym name = names_find(p->names, path, &known);
  for (uint32_t i = 0; known && i < p->leaf.n; i++)
    if (sym_eq(p->leaf.at[i].path, name)) return *out = (LeafId){i}, true;
  return false;
}

bool program_of_pass(const Program *p, Sym metric) {
  for (uint32_t i = 0; i < p->of_pass.n; i++)
    if (sym_eq(p->of_pass.at[i], metric)) return true;
  return false;
}

static bool named(EntryKind k) { return k == ENTRY_TRAIN || k == ENTRY_GATHER || k == ENTRY_AFTER; }

Graph *program_graph(const Program *p, EntryKind kind, Sym name) {
  for (uint32_t i = 0; i < p->entry.n; i++) {
    const Entry *e = &p->entry.at[i];
    if (e->kind == kind && (!named(kind) || sym_eq(e->name, name))) return e->graph;
  }
  return NULL;
}

size_t program_dims_broken(const Program *p, const DimBinding *b, size_t n, Sb *why) {
  for (uint32_t i = 0; i < p->asserts.n; i++) {
    const DimAssert *a = &p->asserts.at[i];
    int64_t l, r;
    if (!dim_eval(p->dims, a->left, b, n, &l) || !dim_eval(p->dims, a->right, b, n, &r)) continue;
    bool holds = a->op == DIM_EQ ? l == r : a->op == DIM_NE ? l != r : a->op == DIM_LT ? l < r : l <= r;
    if (holds) continue;
    sb_fmt(why, "the assertion '" STRF "' does not hold: %lld and %lld", STRA(a->text), (long long)l,
           (long long)r);
    if (a->why.n) sb_fmt(why, " (" STRF ")", STRA(a->why));
    return i;
  }
  return SIZE_MAX;
}
