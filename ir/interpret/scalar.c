/* Elementwise ops: the row's program over all elements. */
#include "ir/interpret/eval.h"
#include "ir/scalar/literal.h"

static void run(Eval *e) {
  DType from = e->in[0]->dtype, to = e->out->dtype;
  if (dtype_is_stored(from)) {
    literal_load(from, e->out->count, e->in[0]->data, e->out->data);
    return;
  }
  if (dtype_is_stored(to)) {
    literal_store(to, e->out->count, e->in[0]->data, e->out->data);
    return;
  }
  DType type[3];
  const void *in[3];
  for (uint32_t i = 0; i < e->nin; i++) {
    type[i] = e->in[i]->dtype;
    in[i] = e->in[i]->data;
  }
  const Scalar *p = op_program(&e->run->programs, e->op, type, e->nin, e->out->dtype);
  scalar_eval_n(p, &e->run->scratch, e->out->count, in, NULL, &e->out->data);
}

const OpEval eval_scalar = {run, NULL}; /* tangents: ir/scalar/dual.c */
