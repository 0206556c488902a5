/* Leaves: values from outside, literals, indices, and the placeholder of a cotangent. */
#include "ir/family/family.h"
#include "ir/scalar/scalar.h"

bool infer_leaf(const Infer *f) {
  const Program *p = f->g->program;
  if (!infer_attr(f, 0, 0, (int64_t)p->leaf.n - 1)) return false;
  const Type *own = &p->leaf.at[f->attr[0]].type;
  *f->out = *own;
  if (!f->given) return true;
  int64_t v;
  bool same = own->rank == f->given->rank && own->dtype == f->given->dtype;
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

static void put_word(Tensor *t, size_t at, uint64_t word) { /* double's bits for floats, else the integer */
  double x;
  memcpy(&x, &word, sizeof x);
  switch (t->dtype) {
  case DT_F32: ((float *)t->data)[at] = (float)x; break;
  case DT_F64: ((double *)t->data)[at] = x; break;
  case DT_I32:
  case DT_BOOL: ((int32_t *)t->data)[at] = (int32_t)word; break;
  case DT_I64: ((int64_t *)t->data)[at] = (int64_t)word; break;
  case DT_COUNT: break;
  }
}

static void run_const(Eval *e) {
  uint64_t word = (uint64_t)e->attr[0];
  for (size_t i = 0; word && i < e->out->count; i++) put_word(e->out, i, word); /* memory is zero already */
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
  for (size_t i = 0; i < e->out->count; i++) put_word(e->out, i, word[i]);
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
      for (size_t i = 0; i < a.inner; i++) {
        double x = (double)k;
        uint64_t word = k;
        if (dtype_is_float(t->dtype)) memcpy(&word, &x, sizeof word);
        put_word(t, (o * a.n + k) * a.inner + i, word);
      }
}
const OpEval eval_iota = {run_iota, NULL};

bool infer_cotangent(const Infer *f) { return infer_const(f); }
const OpEval eval_cotangent = {NULL, NULL}; /* stands in rules only; whoever runs one unused gets zeros */
