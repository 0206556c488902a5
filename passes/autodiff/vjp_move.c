/* Derivative rules of ops that move elements, of leaves, and of ops that end or replace a derivative. */
#include "passes/autodiff/vjp.h"

static NodeId g_op(Vjp *v, Op op, NodeId x, const int64_t *attr, Type given) {
  return build_op(v->b, op, &x, 1, attr, &given);
}

void vjp_LEAF(Vjp *v) { (void)v; }
void vjp_CONST(Vjp *v) { (void)v; }
void vjp_TABLE(Vjp *v) { (void)v; }
void vjp_IOTA(Vjp *v) { (void)v; }
void vjp_COTANGENT(Vjp *v) { (void)v; }
void vjp_PARAM(Vjp *v) { (void)v; }

/* Stopped on purpose; code without derivative. The diagnosis tells them apart by their gradient class. */
void vjp_STOP(Vjp *v) { (void)v; }
void vjp_EXTERN(Vjp *v) { (void)v; }

void vjp_NAME(Vjp *v) { v->dx[0] = v->g; }
void vjp_CHECKPOINT(Vjp *v) { v->dx[0] = v->g; }

/* Both are replaced by autodiff itself before a rule is asked. */
void vjp_CUSTOM(Vjp *v) { BUG(v->b->g->arena->mem, "custom has no rule of its own"); }
void vjp_GRAD(Vjp *v) { BUG(v->b->g->arena->mem, "grad is still there"); }

/* Loops and conditions are differentiated whole: passes/autodiff_loop.c. */
static void whole(Vjp *v) { BUG(v->b->g->arena->mem, "a body has no rule node by node"); }
void vjp_YIELD(Vjp *v) { whole(v); }
void vjp_LOOP(Vjp *v) { whole(v); }
void vjp_COND(Vjp *v) { whole(v); }
void vjp_RESULT(Vjp *v) { whole(v); }

void vjp_BROADCAST(Vjp *v) { v->dx[0] = build_sum_to(v->b, v->g, vjp_type(v, vjp_in(v, 0))); }
void vjp_RESHAPE(Vjp *v) { v->dx[0] = build_reshape(v->b, v->g, vjp_type(v, vjp_in(v, 0))); }

void vjp_TRANSPOSE(Vjp *v) {
  int64_t perm = vjp_attr(v, 0);
  uint8_t inverse[MAX_RANK] = {0};
  uint32_t rank = vjp_type(v, v->node).rank;
  for (uint32_t i = 0; i < rank; i++) inverse[(perm >> (4 * i)) & 15] = (uint8_t)i;
  v->dx[0] = build_transpose(v->b, v->g, inverse);
}

/* start, start + step, ... of extent n: zeros before, between and after. The last taken index is start +
 * (n-1)*step. */
void vjp_SLICE(Vjp *v) {
  DimTable *t = v->b->g->program->dims;
  Type in = vjp_type(v, vjp_in(v, 0)), out = vjp_type(v, v->node);
  int64_t axis = vjp_attr(v, 0), step = vjp_attr(v, 2);
  DimId start = {(uint32_t)vjp_attr(v, 1)}, one = dim_const(t, 1);
  DimId taken = dim_add(t, start, dim_mul(t, dim_sub(t, out.dim[axis], one), dim_const(t, step)));
  DimId after = dim_sub(t, dim_sub(t, in.dim[axis], taken), one);
  int64_t attr[4] = {axis, start.i, after.i, step};
  v->dx[0] = g_op(v, OP_PAD, v->g, attr, in);
}

void vjp_PAD(Vjp *v) {
  Type in = vjp_type(v, vjp_in(v, 0));
  int64_t axis = vjp_attr(v, 0);
  v->dx[0] =
      build_slice(v->b, v->g, (int)axis, (DimId){(uint32_t)vjp_attr(v, 1)}, vjp_attr(v, 3), in.dim[axis]);
}

void vjp_CONCAT(Vjp *v) {
  DimTable *t = v->b->g->program->dims;
  int64_t axis = vjp_attr(v, 0);
  uint32_t nin = graph_node(v->b->g, v->node)->nin;
  DimId at = dim_const(t, 0);
  for (uint32_t i = 0; i < nin; i++) {
    DimId n = vjp_type(v, vjp_in(v, i)).dim[axis];
    if (v->need[i]) v->dx[i] = build_slice(v->b, v->g, (int)axis, at, 1, n);
    at = dim_add(t, at, n);
  }
}

void vjp_REVERSE(Vjp *v) {
  int64_t axes = vjp_attr(v, 0);
  v->dx[0] = g_op(v, OP_REVERSE, v->g, &axes, vjp_type(v, v->node));
}
