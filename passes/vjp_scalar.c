/* Derivatives of scalar ops: the strings of ops.def, over x y z (operands), r (result), g (cotangent), become nodes.
 * Loosest first: c ? a : b, comparison, + -, * /, unary -, calls of other scalar rows, numbers. A number takes g's type. */
#include "passes/vjp.h"

#include <stdlib.h>

typedef struct Dsl {
  Vjp *v;
  const char *at, *text;
  Type out; /* of the operand the contribution is for: what cast() converts to */
} Dsl;

static NodeId parse_choice(Dsl *p);

_Noreturn static void wrong(Dsl *p, const char *what) {
  BUG(p->v->b->g->arena->mem, "derivative '%s', at '%s': %s", p->text, p->at, what);
}

static bool eat(Dsl *p, const char *word) {
  while (*p->at == ' ') p->at++;
  size_t n = strlen(word);
  if (strncmp(p->at, word, n) != 0) return false;
  p->at += n;
  return true;
}

static NodeId parse_call(Dsl *p, Str name) {
  NodeId arg[3] = {NO_NODE, NO_NODE, NO_NODE};
  uint32_t n = 0;
  do {
    if (n == 3) wrong(p, "too many arguments");
    arg[n++] = parse_choice(p);
  } while (eat(p, ","));
  if (!eat(p, ")")) wrong(p, "expected )");
  if (str_eq(name, STR("cast"))) return build_cast(p->v->b, arg[0], (DType)p->out.dtype);
  Op op;
  if (!op_find(name, &op) || !op_info[op].scalar || op_info[op].arity != (int)n) wrong(p, "no such scalar op");
  return build_scalar(p->v->b, op, arg[0], arg[1], arg[2]);
}

static NodeId parse_primary(Dsl *p) {
  if (eat(p, "(")) {
    NodeId n = parse_choice(p);
    if (!eat(p, ")")) wrong(p, "expected )");
    return n;
  }
  char c = *p->at;
  if (c >= '0' && c <= '9') {
    char *end;
    double x = strtod(p->at, &end);
    p->at = end;
    return build_const(p->v->b, vjp_type(p->v, p->v->g), x);
  }
  const char *start = p->at;
  while ((*p->at >= 'a' && *p->at <= 'z') || (p->at > start && *p->at >= '0' && *p->at <= '9') || *p->at == '_') p->at++;
  Str name = {start, (size_t)(p->at - start)};
  if (!name.n) wrong(p, "expected a value");
  if (eat(p, "(")) return parse_call(p, name);
  if (name.n != 1) wrong(p, "unknown name");
  const Node *n = graph_node(p->v->b->g, p->v->node);
  switch (name.p[0]) {
  case 'x':
  case 'y':
  case 'z':
    if (name.p[0] - 'x' >= n->nin) wrong(p, "no such operand");
    return vjp_in(p->v, (uint32_t)(name.p[0] - 'x'));
  case 'r': return p->v->node;
  case 'g': return p->v->g;
  }
  wrong(p, "unknown name");
}

static NodeId parse_unary(Dsl *p) {
  if (eat(p, "-")) return vjp_op1(p->v, OP_NEG, parse_primary(p));
  return parse_primary(p);
}

static NodeId parse_product(Dsl *p) {
  NodeId n = parse_unary(p);
  for (;;) {
    if (eat(p, "*"))
      n = vjp_op2(p->v, OP_MUL, n, parse_unary(p));
    else if (eat(p, "/"))
      n = vjp_op2(p->v, OP_DIV, n, parse_unary(p));
    else
      return n;
  }
}

static NodeId parse_sum(Dsl *p) {
  NodeId n = parse_product(p);
  for (;;) {
    if (eat(p, "+"))
      n = vjp_op2(p->v, OP_ADD, n, parse_product(p));
    else if (eat(p, "-"))
      n = vjp_op2(p->v, OP_SUB, n, parse_product(p));
    else
      return n;
  }
}

static NodeId parse_compare(Dsl *p) {
  NodeId n = parse_sum(p);
  if (eat(p, "==")) return vjp_op2(p->v, OP_EQ, n, parse_sum(p));
  if (eat(p, "!=")) return vjp_op2(p->v, OP_NE, n, parse_sum(p));
  if (eat(p, "<=")) return vjp_op2(p->v, OP_LE, n, parse_sum(p));
  if (eat(p, ">=")) return vjp_op2(p->v, OP_LE, parse_sum(p), n);
  if (eat(p, "<")) return vjp_op2(p->v, OP_LT, n, parse_sum(p));
  if (eat(p, ">")) return vjp_op2(p->v, OP_LT, parse_sum(p), n);
  return n;
}

static NodeId parse_choice(Dsl *p) { /* depth is bounded by the table's strings */
  NodeId c = parse_compare(p);
  if (!eat(p, "?")) return c;
  NodeId yes = parse_choice(p);
  if (!eat(p, ":")) wrong(p, "expected :");
  NodeId no = parse_choice(p);
  return build_scalar(p->v->b, OP_WHERE, c, yes, no);
}

void vjp_scalar(Vjp *v) {
  const Node *n = graph_node(v->b->g, v->node);
  const OpInfo *info = &op_info[n->op];
  uint32_t nin = n->nin; /* n dies when nodes are added */
  for (uint32_t i = 0; i < nin; i++) {
    if (!v->need[i] || !info->grad[i] || !info->grad[i][0]) continue;
    Dsl p = {.v = v, .at = info->grad[i], .text = info->grad[i], .out = vjp_type(v, vjp_in(v, i))};
    NodeId d = parse_choice(&p);
    while (*p.at == ' ') p.at++;
    if (*p.at) wrong(&p, "expected the end");
    v->dx[i] = d;
  }
}

void vjp_node(Vjp *v) {
  static VjpFn *const rule[OP_COUNT] = {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) [OP_##id] = vjp_scalar,
#define STRUCT(id, name, arity, attrs, cls, cost, doc) [OP_##id] = vjp_##id,
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
  };
  rule[node_op(v->b->g, v->node)](v);
}
