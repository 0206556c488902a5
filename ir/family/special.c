/* Ops that are not functions of their operands' elements alone: values under another name, declared
 * derivatives, host functions, derivatives that were not taken yet. */
#include "ir/family/family.h"
#include "ir/scalar/scalar.h"

/* stop_gradient, name */
bool infer_same(const Infer *f) {
  *f->out = *f->in[0];
  return true;
}
const OpEval eval_same = {NULL, NULL};

bool infer_custom(const Infer *f) {
  int64_t n = f->attr[1];
  if (n < 0 || f->nin != 1 + 2 * (uint64_t)n)
    return infer_fail(f, "of %lld inputs has %u operands", (long long)n, f->nin);
  for (int64_t i = 1; i <= n; i++)
    if (f->in[i]->dtype != f->in[i + n]->dtype || !infer_shape_eq(f->in[i], f->in[i + n]))
      return infer_types(f, "input and its gradient differ:", f->in[i], f->in[i + n]);
  *f->out = *f->in[0];
  return true;
}
const OpEval eval_custom = {NULL, NULL}; /* the value's own derivative is its tangent, not the declared one */

bool infer_grad(const Infer *f) {
  if (f->in[0]->rank || !dtype_is_float((DType)f->in[0]->dtype))
    return infer_types(f, "the first operand must be one floating-point number, not", f->in[0], NULL);
  if (!dtype_is_float((DType)f->in[1]->dtype)) return infer_types(f, "by", f->in[1], NULL);
  *f->out = *f->in[1];
  return true;
}

static void run_grad(Eval *e) { (void)interp_refuse(e->run, "grad before differentiation"); }
const OpEval eval_grad = {run_grad, NULL};

/* ---- host functions: they see the declared types ---- */

bool infer_extern(const Infer *f) {
  if (!infer_given(f) || !infer_attr(f, 0, 0, (int64_t)f->g->program->externs.n - 1)) return false;
  const Extern *e = &f->g->program->externs.at[f->attr[0]];
  if (e->nin != f->nin) return infer_fail(f, "takes %u operands, not %u", e->nin, f->nin);
  for (uint32_t i = 0; i < f->nin; i++)
    if (e->in[i].dtype != f->in[i]->dtype || e->in[i].rank != f->in[i]->rank)
      return infer_types(f, "declared and called with", &e->in[i], f->in[i]);
  *f->out = *f->given;
  return (e->out.dtype == f->given->dtype && e->out.rank == f->given->rank) ||
         infer_types(f, "declared to give and used as", &e->out, f->given);
}

static Tensor converted(Run *r, const Tensor *t, DType to) {
  if (t->dtype == to) return *t;
  Tensor x = *t;
  x.dtype = to;
  x.data = arena_array(r->arena, t->count, dtype_bytes(to), 64);
  for (size_t i = 0; i < t->count; i++) {
    if (to == DT_F32)
      ((float *)x.data)[i] = (float)((const double *)t->data)[i];
    else
      ((double *)x.data)[i] = (double)((const float *)t->data)[i];
  }
  return x;
}

static bool call(Eval *e) {
  Run *r = e->run;
  const Graph *g = r->graph;
  const Extern *x = &g->program->externs.at[e->attr[0]];
  const HostEntry *h = r->it->host ? &r->it->host[e->attr[0]] : NULL;
  Str name = names_str(g->program->names, x->name);
  if (!h || !h->fn) return interp_refuse(r, "the host function " STRF " is not registered", STRA(name));
  Tensor in[8], out = *e->out;
  for (uint32_t i = 0; i < e->nin; i++)
    in[i] = converted(r, e->in[i], (DType)graph_node(g, graph_in(g, e->id)[i])->type.dtype);
  DType own = (DType)graph_node(g, e->id)->type.dtype;
  out.dtype = own;
  fp_leave(0x1f80u); /* the host's code runs in the default environment */
  bool ok = h->fn(h->user, in, e->nin, &out);
  (void)fp_enter();
  if (!ok) return interp_refuse(r, "the host function " STRF " failed", STRA(name));
  fp_flush(own, out.data, out.count);
  *e->out = converted(r, &out, e->out->dtype);
  return true;
}

static void run_extern(Eval *e) { (void)call(e); } /* the run's status says it */
const OpEval eval_extern = {run_extern, NULL};
