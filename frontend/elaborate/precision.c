/* `precision = "bf16"`: the products of a step are of operands that were rounded to bf16, and sums are f32,
 * as units for such products compute. All else stays as it is: parameters, optimizers, what is added to a
 * product. A bf16 has the range of an f32, so no loss is scaled. */
#include "frontend/elaborate/train.h"

NodeId product_operand(Elab *x, NodeId n) {
  if (!x->rounds_products || !node_ok(n) || node_type(x, n).dtype != DT_F32) return n;
  Builder b = {.g = x->g, .location = graph_node(x->g, n)->location, .primal = NO_NODE};
  return build_scalar(&b, OP_ROUND_BF16, n, NO_NODE, NO_NODE);
}

void precision_begin(Elab *x, Step *st, const AstStmtVec *stmts) {
  Value v;
  if (!setting_first(x, stmts, "precision", &st->precision, &v)) return;
  x->rounds_products = v.kind == VAL_STRING && str_eq(v.str, STR("bf16"));
}
