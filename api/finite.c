/* Parameters and states that stop being numbers are noticed at the step that makes them so, not when a file
 * is written. */
#include "runtime/host/finite.h"

#include "api/session.h"

#include <math.h>
#include <stdio.h>

/* The first element that is no finite number, or the count. */
static size_t first_wild(const Tensor *t) {
  switch (t->dtype) {
  case DT_F32: return first_non_finite32(t->data, t->count);
  case DT_F64: return first_non_finite64(t->data, t->count);
  case DT_BF16: return first_non_finite16(t->data, t->count);
  case DT_I32:
  case DT_I64:
  case DT_BOOL:
  case DT_U8:
  case DT_COUNT: break;
  }
  return t->count;
}

void session_finite_begin(dg_session *s, uint32_t leaf) {
  const Tensor *t = &s->leaf_tensor[leaf];
  s->wild[leaf] = s->leaf_bytes[leaf] && first_wild(t) < t->count;
}

/* Does the step, or what comes after it, assign the leaf at this root? */
static bool assigns(const Entry *e, uint32_t train) {
  return (e->kind == ENTRY_TRAIN || e->kind == ENTRY_GATHER || e->kind == ENTRY_AFTER) && e->train == train;
}

/* Looking takes at most some per cent of the time: at each step of a small model, else at every n-th. */
static int32_t look_every(const dg_session *s, uint32_t train, const CodeFacts *f) {
  enum { LEAST_NS = 2000, MOST_STEPS = 1000 };
  const double ns_of_flop = 0.01, ns_of_byte = 0.1, share = 50;
  const Program *p = &s->prog;
  double bytes = 0;
  for (uint32_t i = 0; i < p->entry.n; i++)
    for (uint32_t k = 0; assigns(&p->entry.at[i], train) && k < p->entry.at[i].graph->root.n; k++) {
      const Root *r = &p->entry.at[i].graph->root.at[k];
      if (r->kind == ROOT_ASSIGN) bytes += (double)s->leaf_bytes[r->leaf.i];
    }
  if (s->opt.interpret) return 1;
  double n = 1 + share * ns_of_byte * bytes / (ns_of_flop * f->flops + LEAST_NS);
  return n < MOST_STEPS ? (int32_t)n : MOST_STEPS;
}

static dg_status tell_wild(dg_session *s, uint32_t train, uint32_t leaf, const Tensor *t, size_t at) {
  const Program *p = &s->prog;
  Tensor one = *t;
  one.data = (char *)t->data + at * dtype_bytes(t->dtype); /* size-ok: within the tensor */
  bool nan = isnan(session_scalar(&one));
  char steps[64];
  int32_t from = s->look[train].last + 1, to = s->counter[train];
  if (from < to)
    snprintf(steps, sizeof steps, "steps %d to %d", from, to);
  else
    snprintf(steps, sizeof steps, "step %d", to);
  return api_fail(s->cx, ST_NON_FINITE, "%s of '" STRF "': the %s '" STRF "' becomes %s (element %zu)", steps,
                  STRA(names_str(p->names, p->train.at[train].name)),
                  p->leaf.at[leaf].kind == LEAF_PARAM ? "parameter" : "state",
                  STRA(names_str(p->names, p->leaf.at[leaf].path)), nan ? "not a number" : "infinite", at);
}

dg_status session_finite(dg_session *s, uint32_t train) {
  const Program *p = &s->prog;
  if (!s->opt.check_finite || s->look[train].last == s->counter[train]) return DG_OK;
  for (uint32_t i = 0; i < p->entry.n; i++)
    for (uint32_t k = 0; assigns(&p->entry.at[i], train) && k < p->entry.at[i].graph->root.n; k++) {
      const Root *r = &p->entry.at[i].graph->root.at[k];
      if (r->kind != ROOT_ASSIGN || s->wild[r->leaf.i] || p->leaf.at[r->leaf.i].kind == LEAF_TOTAL) continue;
      const Tensor *t = &s->leaf_tensor[r->leaf.i];
      size_t at = first_wild(t);
      if (at < t->count) return tell_wild(s, train, r->leaf.i, t, at);
    }
  s->look[train].last = s->counter[train];
  return DG_OK;
}

dg_status session_look(dg_session *s, uint32_t train, const Variant *v) {
  Look *l = &s->look[train];
  if (!l->every) l->every = look_every(s, train, &v->runner->code->facts);
  return s->counter[train] - l->last < l->every ? DG_OK : session_finite(s, train);
}
