/* Types of loops, conditions, their parameters and results. That a body fits its owner is the verifier's
 * business; values: ir/interpret/region.c. */
#include "ir/graph/region.h"

#include "ir/family/family.h"

static bool infer_loop(const Infer *f) {
  int64_t carry = f->attr[1], step = f->attr[2], trip;
  if (carry < 0 || step < 0 || carry >= f->nin || step >= f->nin || carry + step >= f->nin)
    return infer_fail(f, "carries %lld, steps %lld of %u operands", (long long)carry, (long long)step,
                      f->nin - 1);
  if (node_op(f->g, f->operand[0]) != OP_YIELD) return infer_fail(f, "without body");
  if (dim_is_const(f->dims, (DimId){(uint32_t)f->attr[0]}, &trip) && trip < 1)
    return infer_fail(f, "of no steps");
  return infer_attr(f, 3, 0, 1) && infer_attr(f, 4, 0, 1) && infer_attr(f, 5, LOOP_REPEATS, INT32_MAX);
}

static bool infer_cond(const Infer *f) {
  if (f->nin < 3 || node_op(f->g, f->operand[0]) != OP_YIELD || node_op(f->g, f->operand[1]) != OP_YIELD)
    return infer_fail(f, "without bodies");
  return (f->in[2]->dtype == DT_BOOL && !f->in[2]->rank) || infer_types(f, "of", f->in[2], NULL);
}

static bool infer_result(const Infer *f) {
  NodeId owner = f->operand[0];
  if (!op_regions(node_op(f->g, owner))) return infer_fail(f, "of what has no body");
  NodeId yield = graph_in(f->g, owner)[0];
  if (!infer_attr(f, 0, 0, (int64_t)graph_node(f->g, yield)->nin - 1)) return false;
  *f->out = graph_node(f->g, graph_in(f->g, yield)[f->attr[0]])->type;
  if (node_op(f->g, owner) == OP_COND) return true;
  LoopInfo l = graph_loop(f->g, owner);
  if (f->attr[0] < l.carry) return true;
  if (f->out->rank == MAX_RANK) return infer_fail(f, "of more than %d axes", MAX_RANK);
  *f->out = type_stacked(*f->out, l.trip);
  return true;
}

bool infer_region(const Infer *f) {
  *f->out = type_scalar(DT_NONE);
  if (f->op == OP_LOOP) return infer_loop(f);
  if (f->op == OP_COND) return infer_cond(f);
  return f->op == OP_YIELD || infer_result(f);
}
const OpEval eval_region = {NULL, NULL};

bool infer_param(const Infer *f) {
  if (!infer_given(f)) return false;
  *f->out = *f->given;
  return true;
}
const OpEval eval_param = {NULL, NULL};
