/* Derivative rules of triangular systems and Cholesky's factor (Murray, "Differentiation of the Cholesky
 * decomposition", 2016): by systems with the same matrix, so that no inverse is made. */
#include "passes/autodiff/vjp.h"

/* Indices of the last two axes, as the type has them. */
typedef struct Places {
  NodeId row, column, zero;
} Places;
static Places places_of(Vjp *v, Type t) {
  Type index = t;
  Places p;
  index.dtype = DT_I32;
  p.row = build_iota(v->b, index, t.rank - 2);
  p.column = build_iota(v->b, index, t.rank - 1);
  p.zero = build_const(v->b, t, 0);
  return p;
}

static NodeId solve(Vjp *v, NodeId a, NodeId b, bool upper, bool transpose) {
  return build_op(v->b, OP_TRIANGULAR_SOLVE, (NodeId[]){a, b}, 2, (int64_t[]){upper, transpose}, NULL);
}

static NodeId swapped(Vjp *v, NodeId x) {
  uint8_t perm[MAX_RANK], r = vjp_type(v, x).rank;
  for (uint8_t i = 0; i < r; i++) perm[i] = i;
  perm[r - 2] = (uint8_t)(r - 1), perm[r - 1] = (uint8_t)(r - 2);
  return build_transpose(v->b, x, perm);
}

/* With T = the triangle of a, or its transpose, and T x = b: db = T^-T g, dT = -db x^T. */
void vjp_TRIANGULAR_SOLVE(Vjp *v) {
  NodeId a = vjp_in(v, 0);
  bool upper = vjp_attr(v, 0), transpose = vjp_attr(v, 1);
  NodeId db = solve(v, a, v->g, upper, !transpose);
  v->dx[1] = db;
  if (!v->need[0]) return;
  NodeId outer = transpose ? build_contract(v->b, v->node, db, false, true)
                           : build_contract(v->b, db, v->node, false, true);
  Places p = places_of(v, vjp_type(v, a));
  NodeId read = upper ? vjp_op2(v, OP_LE, p.row, p.column) : vjp_op2(v, OP_LE, p.column, p.row);
  v->dx[0] = build_scalar(v->b, OP_WHERE, read, vjp_op1(v, OP_NEG, outer), p.zero);
}

/* s = l^-T phi(l^T g) l^-1 is the gradient by a symmetric matrix, phi the lower triangle with half of the
 * diagonal. Only the lower triangle is read, so an element below the diagonal stands for two. */
void vjp_CHOLESKY(Vjp *v) {
  NodeId l = v->node;
  Type t = vjp_type(v, l);
  Places p = places_of(v, t);
  NodeId below = vjp_op2(v, OP_LT, p.column, p.row), diagonal = vjp_op2(v, OP_EQ, p.column, p.row);
  NodeId inner = build_contract(v->b, l, v->g, true, false),
         half = vjp_op2(v, OP_MUL, inner, build_const(v->b, t, 0.5));
  NodeId phi = build_scalar(v->b, OP_WHERE, diagonal, half, p.zero);
  phi = build_scalar(v->b, OP_WHERE, below, inner, phi);
  NodeId s = solve(v, l, swapped(v, solve(v, l, phi, false, true)), false, true), other = swapped(v, s);
  NodeId once = build_scalar(v->b, OP_WHERE, diagonal, s, p.zero), twice = vjp_op2(v, OP_ADD, s, other);
  v->dx[0] = build_scalar(v->b, OP_WHERE, below, twice, once);
}
