/* Variants of a session: code for one entry point and one set of dims; which values their inputs must have.
 */
#include "api/exec.h"
#include "api/session.h"
#include "base/size.h"
#include "ir/graph/region.h"

typedef VEC(DimBinding) DimBindings;

/* Axes of a bound input give their symbols a value, where they have none yet. */
static void bind_axes(const dg_session *s, uint32_t input, Arena *a, DimBindings *v) {
  const Leaf *l = &s->prog.leaf.at[input];
  for (int k = 0; k < l->type.rank; k++) {
    Sym name;
    if (!dim_is_symbol(s->prog.dims, l->type.dim[k], &name)) continue;
    uint32_t j = 0;
    while (j < v->n && !sym_eq(v->at[j].name, name)) j++;
    if (j == v->n) VEC_PUSH(a, v, (DimBinding){name, s->bound[input].t.ext[k]});
  }
}

dg_status dims_valued(dg_context *cx, const Graph *g, Arena *a, const DimBinding *bind, size_t n,
                      const char *open) {
  const bool *idle = graph_idle(g, bind, n, a);
  for (uint32_t i = 0; i < g->node.n; i++) {
    Sb why, text;
    if (idle && idle[i]) continue;
    sb_init(&why, a);
    ExtentFault fault = graph_extent(g, (NodeId){i}, bind, n, &why);
    if (fault == EXTENT_FITS) continue;
    sb_init(&text, a);
    bool own = fault == EXTENT_OPEN && open;
    if (fault == EXTENT_NONE || own) graph_place(g, (NodeId){i}, &text);
    return api_fail(cx, ST_REJECTED, STRF STRF, STRA(sb_str(&text)), STRA(own ? str_z(open) : sb_str(&why)));
  }
  return DG_OK;
}

/* Bindings from the inputs bound now: those the entry reads first, then the others, for a step that only
 * draws its rows at random has as many as the batch. */
static dg_status collect(dg_session *s, const Entry *e, Arena *a, DimBinding **out, uint32_t *n) {
  const Program *p = &s->prog;
  DimBindings v = {0};
  for (uint32_t i = 0; i < s->p->bound.n; i++) VEC_PUSH(a, &v, s->p->bound.at[i]);
  bool *reads = ARENA_ARRAY(a, bool, p->leaf.n + 1);
  for (uint32_t i = 0; i < e->graph->node.n; i++)
    if (e->graph->node.at[i].op == OP_LEAF) reads[graph_attr(e->graph, (NodeId){i})[0]] = true;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    const Leaf *l = &p->leaf.at[i];
    if (l->kind != LEAF_INPUT || !reads[i]) continue;
    if (!s->bound[i].has)
      return api_fail(s->cx, ST_USAGE, "input '" STRF "' is not bound", STRA(names_str(p->names, l->path)));
    bind_axes(s, i, a, &v);
  }
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (p->leaf.at[i].kind == LEAF_INPUT && !reads[i] && s->bound[i].has) bind_axes(s, i, a, &v);
  /* every axis must now agree: symbols shared by inputs, and dims computed from them */
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    const Leaf *l = &p->leaf.at[i];
    if (l->kind != LEAF_INPUT || !reads[i]) continue;
    for (int k = 0; k < l->type.rank; k++) {
      int64_t want = 0;
      if (!dim_eval(p->dims, l->type.dim[k], v.at, v.n, &want) || want != s->bound[i].t.ext[k])
        return api_fail(s->cx, ST_REJECTED, "input '" STRF "': axis %d has extent %lld where %lld is needed",
                        STRA(names_str(p->names, l->path)), k, (long long)s->bound[i].t.ext[k],
                        (long long)want);
    }
  }
  *out = v.at;
  *n = v.n;
  return DG_OK;
}

static bool same_bind(const Variant *v, const DimBinding *b, uint32_t n) {
  if (v->nbind != n) return false;
  for (uint32_t i = 0; i < n; i++)
    if (!sym_eq(v->bind[i].name, b[i].name) || v->bind[i].value != b[i].value) return false;
  return true;
}

/* Inputs that the entry reads and whose values have a range. */
static uint32_t *watched(const dg_session *s, Arena *a, const Entry *e, uint32_t *n) {
  uint32_t *at = ARENA_ARRAY(a, uint32_t, s->prog.leaf.n + 1);
  for (uint32_t i = 0; i < e->graph->node.n; i++) {
    if (e->graph->node.at[i].op != OP_LEAF) continue;
    uint32_t leaf = (uint32_t)graph_attr(e->graph, (NodeId){i})[0], k = 0;
    while (k < *n && at[k] != leaf) k++;
    if (k == *n && s->range[leaf].kind != RANGE_NONE) at[(*n)++] = leaf;
  }
  return at;
}

/* The host may have written to its buffers since the last step; what a data set fed was looked at when it was
 * copied. */
dg_status session_values_fit(const dg_session *s, const Variant *v) {
  for (uint32_t i = 0; i < v->nwatch; i++) {
    const Bound *b = &s->bound[v->watch[i]];
    HostError err;
    if (!b->fed &&
        !data_values_check(names_str(s->prog.names, s->prog.leaf.at[v->watch[i]].path), b->t.data,
                           session_data_type(b->t.dtype), (int64_t)b->t.count, s->range[v->watch[i]], &err))
      return api_fail(s->cx, err.status, "%s", err.what);
  }
  return DG_OK;
}

/* What it keeps goes with its code. */
static Variant variant_of(dg_session *s, const Entry *e, const DimBinding *bind, uint32_t n, Runner *r) {
  DimBinding *own = ARENA_ARRAY(&r->arena, DimBinding, n);
  for (uint32_t i = 0; i < n; i++) own[i] = bind[i];
  Variant v = {e, own, n, s->shapes, r, ++s->tick, NULL, 0};
  v.watch = watched(s, &r->arena, e, &v.nwatch);
  r->values = arena_mark(&r->arena);
  return v;
}

/* The variant that ran last time, where no input has got another shape since. */
static Variant *as_before(dg_session *s, const Entry *e) {
  for (uint32_t i = 0; i < s->nvariant; i++)
    if (s->variant[i].entry == e && s->variant[i].shapes == s->shapes) return &s->variant[i];
  return NULL;
}

dg_status session_variant(dg_session *s, const Entry *e, Variant **out) {
  if ((*out = as_before(s, e))) {
    (*out)->used = ++s->tick;
    return DG_OK;
  }
  ArenaMark mark = arena_mark(&s->arena);
  DimBinding *bind = NULL;
  uint32_t n = 0;
  dg_status ok = collect(s, e, &s->arena, &bind, &n);
  if (ok != DG_OK) {
    arena_rewind(&s->arena, mark);
    return ok;
  }
  for (uint32_t i = 0; i < s->nvariant; i++)
    if (s->variant[i].entry == e && same_bind(&s->variant[i], bind, n)) {
      arena_rewind(&s->arena, mark);
      s->variant[i].used = ++s->tick;
      s->variant[i].shapes = s->shapes;
      *out = &s->variant[i];
      return DG_OK;
    }
  Graph own = *e->graph; /* with the session's dims */
  own.program = &s->prog;
  ok = dims_valued(s->cx, &own, &s->arena, bind, n, NULL);
  if (ok != DG_OK) {
    arena_rewind(&s->arena, mark);
    return ok;
  }
  Variant *v;
  if (s->nvariant < SESSION_VARIANTS) {
    v = &s->variant[s->nvariant];
  } else {
    v = &s->variant[0];
    for (uint32_t i = 1; i < s->nvariant; i++)
      if (s->variant[i].used < v->used) v = &s->variant[i];
    if (s->last == v) s->last = NULL;
    runner_free(v->runner);
    *v = (Variant){0}; /* free until the new one is complete; the oldest of all, so the next to be taken */
  }
  Sb why;
  sb_init(&why, &s->arena);
  CodeKey key = {
      e, bind, n, s->opt.interpret != 0, s->opt.level, s->opt.isa, s->p->cx->cpu, s->p->cx->limits.memory};
  Runner *r = NULL;
  Status st = runner_new(s->p, s->cx, &key, s->pool, &r, &why);
  if (st != ST_OK) {
    api_fail(s->cx, st, STRF, STRA(sb_str(&why)));
    arena_rewind(&s->arena, mark);
    return (dg_status)st;
  }
  *v = (Variant){.runner = r}; /* freed with the session if what follows unwinds */
  if (v == &s->variant[s->nvariant]) s->nvariant++;
  *v = variant_of(s, e, bind, n, r);
  arena_rewind(&s->arena, mark);
  *out = v;
  return DG_OK;
}
