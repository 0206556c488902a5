/* Leaves: values from outside, literals, indices, and the placeholder of a cotangent. */
#include "ir/family/family.h"
#include "ir/scalar/literal.h"

bool infer_leaf(const Infer *f) {
  const Program *p = f->g->program;
  if (!infer_attr(f, 0, 0, (int64_t)p->leaf.n - 1)) return false;
  const Type *own = &p->leaf.at[f->attr[0]].type;
  *f->out = *own;
  f->out->dtype = (uint8_t)dtype_compute((DType)own->dtype); /* as it is read */
  if (!f->given) return true;
  int64_t v;
  bool dtype = f->given->dtype == own->dtype || f->given->dtype == f->out->dtype,
       same = own->rank == f->given->rank && dtype;
  for (uint8_t i = 0; same && i < own->rank;
       i++) /* in a graph with bound dims, symbols have become numbers */
    same = infer_dim_eq(own->dim[i], f->given->dim[i]) || !dim_is_const(f->dims, own->dim[i], &v);
  *f->out = *f->given;
  return same || infer_types(f, "declared and used as", own, f->given);
}
const OpEval eval_leaf = {NULL, NULL}; /* the memory is the caller's */

bool infer_const(const Infer *f) {
  if (!infer_given(f)) return false;
  *f->out = *f->given;
  return true;
}

static void run_const(Eval *e) {
  ScalarValue v = literal_value(e->out->dtype, e->attr[0]);
  for (size_t i = 0; e->attr[0] && i < e->out->count; i++) /* memory is zero already */
    literal_put(e->out->dtype, e->out->data, i, v);
}
const OpEval eval_const = {run_const, NULL};

bool infer_table(const Infer *f) {
  int64_t n;
  if (!infer_given(f) || !infer_attr(f, 0, 0, (int64_t)f->g->table.n - 1)) return false;
  *f->out = *f->given;
  if (!dim_is_const(f->dims, type_count(f->dims, f->given), &n) || n != f->g->table.at[f->attr[0]].n)
    return infer_types(f, "the literal has another number of elements than", f->given, NULL);
  return true;
}

static void run_table(Eval *e) {
  const uint64_t *word = e->run->graph->table.at[e->attr[0]].word;
  for (size_t i = 0; i < e->out->count; i++)
    literal_put(e->out->dtype, e->out->data, i, literal_value(e->out->dtype, (int64_t)word[i]));
  fp_flush(e->out->dtype, e->out->data, e->out->count);
}
const OpEval eval_table = {run_table, NULL};

bool infer_iota(const Infer *f) {
  if (!infer_given(f) || !infer_attr(f, 0, -1, f->given->rank - 1)) return false;
  *f->out = *f->given;
  return f->given->dtype != DT_BOOL || infer_fail(f, "of bool");
}

static void run_iota(Eval *e) {
  Tensor *t = e->out;
  Along a = {1, t->count, 1};
  if (e->attr[0] >= 0) a = tensor_along(t, (int)e->attr[0]);
  for (size_t o = 0; o < a.outer; o++)
    for (size_t k = 0; k < a.n; k++)
      for (size_t i = 0; i < a.inner; i++)
        literal_put(t->dtype, t->data, (o * a.n + k) * a.inner + i, literal_from(t->dtype, (double)k));
}
const OpEval eval_iota = {run_iota, NULL};

bool infer_cotangent(const Infer *f) { return infer_const(f); }
const OpEval eval_cotangent = {NULL, NULL}; /* stands in rules only; whoever runs one unused gets zeros */
