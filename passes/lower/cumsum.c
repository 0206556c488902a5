/* Running sums and products: a walk along the axis that stores what it holds after every step. */
#include "passes/lower/internal.h"

typedef struct Running {
  Line line;
  DType type;
  bool product;
  View in, out;
  uint32_t from, to;
  int acc;
} Running;

static void step(LowerKernel *m, const Coord *c, void *cx) {
  const Running *r = cx;
  KernelOperand src[2] = {operand_tile(&m->b, r->acc), coord_padded(m, c, &r->in, r->from, (ScalarValue){0})};
  kernel_map1(&m->b, program_of(m->b.arena, r->product ? "x * y" : "x + y", r->type, r->type), r->acc, 2,
              src);
  kernel_store(&m->b, r->acc, coord_access(c, lower_kernel_out(m, r->to), &r->out, r->type));
}

static void body(LowerKernel *m, const Coord *c, void *cx) {
  Running *r = cx;
  r->acc = kernel_tile(&m->b, STR("acc"), r->type, c->rows, c->cols);
  kernel_fill(&m->b, r->acc, r->product);
  line_walk(m, &r->line, c, affine(0), r->line.n, 4, step, r);
}

static void running(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, x = graph_in(lo->g, n)[0];
  Running r = {.type = (DType)graph_node(lo->g, n)->type.dtype,
               .product = node_op(lo->g, n) == OP_CUMPROD,
               .in = lower_memory(lo, x),
               .out = view_plain(lo, n)};
  r.from = plan_buffer_node(lo, r.in.base);
  r.to = plan_buffer_node(lo, n);
  View *s[2] = {&r.in, &r.out};
  line_begin(&r.line, lo, graph_node(lo->g, n)->type.rank, lo->ext[n.i], (int)graph_attr(lo->g, n)[0], false,
             s, 2);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, op_info[node_op(lo->g, n)].name);
  lower_tiles(&m, &r.line.t, body, &r);
  m.cost_ns = (double)lo->count[n.i] * 0.5;
  lower_kernel_end(&m);
}
const LowerOp lower_CUMSUM = {.role = ROLE_OTHER, .kernels = running};
const LowerOp lower_CUMPROD = {.role = ROLE_OTHER, .kernels = running};
