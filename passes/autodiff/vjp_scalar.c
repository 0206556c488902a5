/* Derivatives of scalar ops: the strings of ops.def, over x y z (operands), r (result), g (cotangent), become
 * nodes. An operator or call is the scalar op of its name; a number takes the type of g; cast() goes to the
 * operand's type. */
#include "ir/scalar/expr.h"
#include "passes/autodiff/vjp.h"

_Noreturn static void wrong(const Vjp *v, const ScalarExpr *e) {
  BUG(v->b->g->arena->mem, "derivative of '%s': '" STRF "' at byte %u",
      op_info[node_op(v->b->g, v->node)].name, STRA(e->name), e->at);
}

static NodeId expand(Vjp *v, uint32_t input, const ScalarExpr *e) { /* as deep as the table's strings */
  const Node *n = graph_node(v->b->g, v->node);
  switch (e->kind) {
  case SCALAR_NUMBER: return build_const(v->b, vjp_type(v, v->g), e->integer ? (double)e->i : e->x);
  case SCALAR_NAME:
    if (str_eq(e->name, STR("r"))) return v->node;
    if (str_eq(e->name, STR("g"))) return v->g;
    if (e->name.n == 1 && e->name.p[0] >= 'x' && e->name.p[0] < 'x' + n->nin)
      return vjp_in(v, (uint32_t)(e->name.p[0] - 'x'));
    wrong(v, e);
  case SCALAR_LET: wrong(v, e);
  case SCALAR_OPERATOR:
  case SCALAR_CALL: break;
  }
  NodeId arg[3] = {NO_NODE, NO_NODE, NO_NODE};
  if (e->narg > 3) wrong(v, e);
  for (uint32_t i = 0; i < e->narg; i++) arg[i] = expand(v, input, e->arg[i]);
  if (str_eq(e->name, STR("cast")))
    return build_cast(v->b, arg[0], (DType)vjp_type(v, vjp_in(v, input)).dtype);
  Op op;
  if (!op_find(e->name, &op) || !op_info[op].scalar || op_info[op].arity != (int)e->narg) wrong(v, e);
  return build_scalar(v->b, op, arg[0], arg[1], arg[2]);
}

void vjp_scalar(Vjp *v) {
  Op op = node_op(v->b->g, v->node);
  const OpInfo *info = &op_info[op];
  uint32_t nin = graph_node(v->b->g, v->node)->nin;
  for (uint32_t i = 0; i < nin; i++) {
    if (!v->need[i] || !info->grad[i] || !info->grad[i][0]) continue;
    const ScalarExpr **e = &v->text[op * 3 + i];
    if (!*e) {
      Sb why;
      sb_init(&why, v->b->g->arena);
      *e = scalar_expr_parse(v->b->g->arena, str_z(info->grad[i]), &why);
      if (!*e) BUG(v->b->g->arena->mem, "derivative of '%s': " STRF, info->name, STRA(sb_str(&why)));
    }
    v->dx[i] = expand(v, i, *e);
  }
}

void vjp_node(Vjp *v) {
  static VjpFn *const rule[OP_COUNT] = {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) [OP_##id] = vjp_scalar,
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) [OP_##id] = vjp_##id,
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
  };
  rule[node_op(v->b->g, v->node)](v);
}
