/* Powers by a half: x^(k/2) with a literal exponent is products and one square root, which are faster than
 * pow and in f64 more exact (docs/scalar.md). After the last differentiation, so that slopes follow pow's own
 * rule. Special values are pow's: the base is +inf for -inf and +0 for -0. */
#include "ir/graph/build.h"
#include "passes/graph/copy.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 9 }; /* halves; each whole one more costs a rounding */

/* The value of what is a literal under moves, sums and differences; else NaN. */
static double literal(const Graph *g, NodeId n, int depth) {
  const NodeId *in = graph_in(g, n);
  Op op = node_op(g, n);
  if (op == OP_CONST) return graph_const_value(g, n);
  if (depth == 0) return NAN;
  if (op == OP_BROADCAST || op == OP_RESHAPE) return literal(g, in[0], depth - 1);
  if (op != OP_ADD && op != OP_SUB) return NAN;
  double x = literal(g, in[0], depth - 1), y = literal(g, in[1], depth - 1);
  return op == OP_ADD ? x + y : x - y;
}

/* Twice the exponent where it is an odd whole number, else 0. */
static int halves(const Graph *g, NodeId n) {
  if (node_op(g, n) != OP_POW) return 0;
  double k = 2 * literal(g, graph_in(g, n)[1], 4);
  return fabs(k) <= MOST && fmod(k, 2) != 0 && k == rint(k) ? (int)k : 0;
}

static NodeId power(Builder *b, NodeId x, int k) {
  Type t = graph_node(b->g, x)->type;
  NodeId low = build_scalar(b, OP_EQ, x, build_const(b, t, -INFINITY), NO_NODE);
  NodeId plus = build_scalar(b, OP_ADD, x, build_const(b, t, 0), NO_NODE);
  NodeId base = build_scalar(b, OP_WHERE, low, build_const(b, t, INFINITY), plus);
  NodeId r = build_scalar(b, OP_SQRT, base, NO_NODE, NO_NODE), square = base, over = build_const(b, t, 1);
  /* A flushed number can have a finite reciprocal, for least * most is almost 4: a small power is calculated
   * four times too large. A large one, whose reciprocal may be the least number there is, four times too
   * small. */
  if (k < -1) {
    NodeId large = build_scalar(b, OP_LT, build_const(b, t, 1), base, NO_NODE);
    over = build_scalar(b, OP_WHERE, large, build_const(b, t, 0.25), build_const(b, t, 4));
    r = build_scalar(b, OP_MUL, r, over, NO_NODE);
  }
  for (int n = abs(k) / 2; n; n >>= 1) {
    if (n & 1) r = build_scalar(b, OP_MUL, r, square, NO_NODE);
    if (n > 1) square = build_scalar(b, OP_SQUARE, square, NO_NODE, NO_NODE);
  }
  return k < 0 ? build_scalar(b, OP_DIV, over, r, NO_NODE) : r;
}

Graph *pass_powers(Graph *in, PassCx *cx) {
  bool any = false;
  for (uint32_t i = 0; i < in->node.n && !any; i++) any = halves(in, (NodeId){i}) != 0;
  if (!any) return in;
  bool *live = graph_live(in, cx->arena);
  Copy c = copy_begin(in, cx->arena, false);
  for (uint32_t i = 0; i < in->node.n; i++) {
    NodeId n = {i};
    if (!live[i]) continue;
    int k = halves(in, n);
    if (!k) {
      copy_node(&c, n);
      continue;
    }
    copy_follow(&c, n);
    const Node *node = graph_node(in, n);
    NodeId primal = node_ok(node->primal) ? c.map[node->primal.i] : NO_NODE;
    Builder b = {.g = c.to, .location = node->location, .primal = primal};
    c.map[i] = power(&b, c.map[graph_in(in, n)[0].i], k);
  }
  return copy_end(&c);
}
