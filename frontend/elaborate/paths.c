/* Paths of update lists: `net.blocks[0:6].*.b`. A path means all beneath it; `*` is one or more whole
 * components. */
#include "frontend/elaborate/elab.h"

typedef struct Component {
  Str name;
  uint32_t n;
  int64_t index[8];
} Component;
typedef struct Components {
  uint32_t n;
  Component at[64];
} Components;

/* `net.blocks[3].w` into net, blocks[3], w. False when it is deeper than any program writes. */
static bool split_path(Str path, Components *out) {
  size_t i = 0;
  out->n = 0;
  while (i < path.n) {
    if (out->n == 64) return false;
    Component *c = &out->at[out->n++];
    size_t from = i;
    while (i < path.n && path.p[i] != '.' && path.p[i] != '[') i++;
    *c = (Component){.name = {path.p + from, i - from}};
    while (i < path.n && path.p[i] == '[') {
      int64_t v = 0;
      for (i++; i < path.n && path.p[i] != ']'; i++) v = 10 * v + (path.p[i] - '0');
      i++;
      if (c->n == 8) return false;
      c->index[c->n++] = v;
    }
    if (i < path.n && path.p[i] == '.') i++;
  }
  return true;
}

typedef struct Part {
  bool star;
  Str name;
  uint32_t n;
  int64_t lo[8], hi[8]; /* per written index: lo <= i < hi */
} Part;

static bool part_of(Elab *x, Scope *s, const AstPathPart *p, Part *out) {
  *out = (Part){.star = p->star, .name = sym_str(x, p->name.name)};
  for (uint32_t i = 0; i < p->index.n && i < 8; i++) {
    const AstExpr *e = p->index.at[i];
    int64_t lo = 0, hi = INT64_MAX;
    if (e->kind == EXPR_RANGE) {
      if (e->range.lo && !val_static_int(x, eval(x, s, e->range.lo), e->range.lo->at, "an index", &lo))
        return false;
      if (e->range.hi && !val_static_int(x, eval(x, s, e->range.hi), e->range.hi->at, "an index", &hi))
        return false;
    } else {
      if (!val_static_int(x, eval(x, s, e), e->at, "an index", &lo)) return false;
      hi = lo == INT64_MAX ? lo : lo + 1;
    }
    if (lo < 0 || hi < 0) {
      TELL(x, index_range, e->at, STR("a negative index"), STR("a path, which counts from the start"));
      return false;
    }
    out->lo[i] = lo;
    out->hi[i] = hi;
    out->n = i + 1;
  }
  return true;
}

static bool part_fits(const Part *p, const Component *c) {
  if (!str_eq(p->name, c->name) || p->n > c->n) return false;
  for (uint32_t i = 0; i < p->n; i++)
    if (c->index[i] < p->lo[i] || c->index[i] >= p->hi[i]) return false;
  return true;
}

/* 0: no; 1: above it or by a wildcard; 2: its own name. Goes through the parts with the set of components
 * that may come next, so many wildcards cost no more than few. */
static int match(const Part *p, uint32_t np, const Component *c, uint32_t nc) {
  bool at[65] = {true}, exact = true;
  for (uint32_t i = 0; i < np; i++) {
    bool next[65] = {false}, any = false;
    for (uint32_t q = 0; q < nc; q++) {
      if (p[i].star ? !(at[q] || next[q]) : !at[q] || !part_fits(&p[i], &c[q])) continue;
      next[q + 1] = any = true;
      exact = exact && !p[i].star && p[i].n == c[q].n;
    }
    if (!any) return 0;
    memcpy(at, next, sizeof at);
  }
  return exact && at[nc] ? 2 : 1;
}

Str span_text(const Elab *x, Span at) {
  const Source *src = &x->src->file.at[at.file];
  return (Str){src->text.p + at.lo, at.hi - at.lo};
}
Str path_text(Elab *x, const AstPath *p) { return span_text(x, p->at); }

/* The path of an instance, parameter, or list of them: a list's is its first item's without the last index.
 */
static bool path_of(Elab *x, Value v, Str *out) {
  if (v.kind == VAL_INSTANCE) return *out = sym_str(x, v.inst->path), true;
  if (v.kind == VAL_LEAF) return *out = sym_str(x, program_leaf_at(x->p, v.leaf)->path), true;
  if (v.kind != VAL_LIST || !v.list.n || !path_of(x, v.list.at[0], out) || !str_ends(*out, STR("[0]")))
    return false;
  out->n -= 3;
  return true;
}

/* A path may begin with an alias: then it stands for the path of what it names. */
static Str alias_of(Elab *x, Scope *s, Sym name) {
  Scope *in;
  Binding *b = name.i ? scope_find(x, s, name, &in) : NULL;
  Str path = sym_str(x, name);
  if (b && in->kind != SCOPE_PRELUDE) (void)path_of(x, binding_value(x, in, b), &path);
  return path.n ? path : sym_str(x, name);
}

bool path_leaves(Elab *x, Scope *s, const AstPath *p, bool *exact, uint8_t *taken, LeafRange *within) {
  Part part[128];
  uint32_t np = 0;
  bool any = false;
  *exact = false;
  *within = (LeafRange){0, x->p->leaf.n};
  if (p->parts.n > 64) return false;
  const AstPathPart *first = &p->parts.at[0];
  if (p->parts.n == 1 && !first->star && !first->index.n) { /* a parameter's own name: no other path fits */
    bool known;
    uint32_t k;
    Sym name = names_find(x->n, alias_of(x, s, first->name.name), &known);
    if (known && map_get(&x->leaf_by_path, name.i, &k) && x->p->leaf.at[k].kind <= LEAF_STATE) {
      taken[k] = 2;
      *within = (LeafRange){k, k + 1}; /* thousands of names are thousands of parameters */
      return *exact = true;
    }
  }
  for (uint32_t i = 0; i < p->parts.n; i++) {
    if (i == 0 && !p->parts.at[0].star) {
      Components alias;
      Str text = alias_of(x, s, p->parts.at[0].name.name);
      if (!split_path(text, &alias)) return false;
      for (uint32_t k = 0; k < alias.n; k++) {
        part[np] = (Part){.name = alias.at[k].name, .n = alias.at[k].n};
        for (uint32_t j = 0; j < alias.at[k].n; j++) {
          part[np].lo[j] = alias.at[k].index[j];
          part[np].hi[j] = alias.at[k].index[j] + 1;
        }
        np++;
      }
      Part own; /* `enc[0]`: behind the alias's own indices */
      if (p->parts.at[0].index.n && !part_of(x, s, &p->parts.at[0], &own)) return false;
      for (uint32_t k = 0; p->parts.at[0].index.n && np && k < own.n && part[np - 1].n < 8; k++) {
        part[np - 1].lo[part[np - 1].n] = own.lo[k];
        part[np - 1].hi[part[np - 1].n++] = own.hi[k];
      }
      continue;
    }
    if (!part_of(x, s, &p->parts.at[i], &part[np++])) return false;
  }
  x->expanded += x->p->leaf.n / 4; /* many such paths and many parameters: a product that needs a limit */
  if (x->expanded > x->limits->expansion && !x->stopped) {
    limit_passed(x, p->at, "the paths of update lists", "expansion", x->limits->expansion);
    return true;
  }
  for (uint32_t k = 0; k < x->p->leaf.n; k++) {
    const Leaf *f = &x->p->leaf.at[k];
    Components c;
    if (f->kind > LEAF_STATE || f->of.i != UINT32_MAX || !split_path(sym_str(x, f->path), &c)) continue;
    int m = match(part, np, c.at, c.n);
    if (!m) continue;
    taken[k] = (uint8_t)m;
    any = true;
    *exact = *exact || m == 2;
  }
  return any;
}
