/* softmax, log_softmax, logsumexp, cross_entropy: maximum, exponentials and their sum, result; one kernel. */
#include "ir/interpret/order.h"
#include "passes/lower/internal.h"

#include <float.h>

typedef struct Row {
  Line line;
  Op op;
  DType type;
  View in, out, label;
  uint32_t from, to, labels;
  Order order;
  int max, sum, acc, e, last; /* tiles; last: what the result pass uses beside x */
  bool keep;                  /* the exponentials are stored and read back */
} Row;

static const Scalar *text(LowerKernel *m, const Row *r, const char *t) {
  return program_of(m->b.arena, t, r->type, r->type);
}

static KernelOperand element(LowerKernel *m, const Coord *c, const Row *r) {
  Access none = access_pad((Access){0}, r->type, -__builtin_inf());
  return coord_padded(m, c, &r->in, r->from, none.pad);
}

static void max_step(LowerKernel *m, const Coord *c, void *cx) {
  const Row *r = cx;
  KernelOperand src[2] = {operand_tile(&m->b, r->acc), element(m, c, r)};
  kernel_map1(&m->b, text(m, r, "max(x, y)"), r->acc, 2, src);
}

/* The pad is -inf, whose exponential is +0 and adds nothing to a sum of exponentials; where x - m is NaN the
 * row's result is NaN anyway. */
static void exp_step(LowerKernel *m, const Coord *c, void *cx) {
  const Row *r = cx;
  KernelOperand src[2] = {element(m, c, r), operand_tile(&m->b, r->max)};
  kernel_map1(&m->b, text(m, r, "exp(x - y)"), r->e, 2, src);
  if (r->keep) kernel_store(&m->b, r->e, coord_access(c, lower_kernel_out(m, r->to), &r->out, r->type));
  KernelOperand add[2] = {operand_tile(&m->b, r->acc), operand_tile(&m->b, r->e)};
  kernel_map1(&m->b, text(m, r, "x + y"), r->acc, 2, add);
}

static void unary(LowerKernel *m, const Row *r, const char *t, int dst, int x) {
  KernelOperand src = operand_tile(&m->b, x);
  kernel_map1(&m->b, text(m, r, t), dst, 1, &src);
}

static void exp_part(LowerKernel *m, const Coord *kept, Affine start, int64_t n, void *cx) {
  Row *r = cx;
  if (r->line.tree) {
    int acc = r->acc, total;
    total = line_tree(m, &r->line, kept, r->type, (ScalarValue){0}, program_sum(m->b.arena, r->type),
                      exp_step, r, &r->acc);
    r->acc = acc;
    unary(m, r, "x", r->sum, total);
    return;
  }
  kernel_fill(&m->b, r->acc, 0);
  line_walk(m, &r->line, kept, start, n, 2, exp_step, r);
  if (r->sum != r->acc) kernel_fold(&m->b, FOLD_SUM, r->sum, r->acc);
}

static void result_step(LowerKernel *m, const Coord *c, void *cx) {
  const Row *r = cx;
  KernelOperand src[3];
  if (r->op == OP_SOFTMAX) {
    Access a = coord_access(c, lower_kernel_out(m, r->to), &r->out, r->type);
    src[0] = operand_memory(&m->b, coord_row_fixed(c, &r->out) ? 1 : c->rows,
                            coord_lane_fixed(c, &r->out) ? 1 : c->cols, a);
    src[1] = operand_tile(&m->b, r->last);
    kernel_map1(&m->b, text(m, r, "x / y"), r->e, 2, src);
  } else {
    src[0] = element(m, c, r);
    src[1] = operand_tile(&m->b, r->max);
    src[2] = operand_tile(&m->b, r->last);
    kernel_map1(&m->b, text(m, r, "(x - y) - z"), r->e, 3, src);
  }
  kernel_store(&m->b, r->e, coord_access(c, lower_kernel_out(m, r->to), &r->out, r->type));
}

static void binary(LowerKernel *m, const Row *r, const char *t, int dst, int x, int y) {
  KernelOperand src[2] = {operand_tile(&m->b, x), operand_tile(&m->b, y)};
  kernel_map1(&m->b, text(m, r, t), dst, 2, src);
}

static void body(LowerKernel *m, const Coord *c, void *cx) {
  Row *r = cx;
  KernelBuilder *b = &m->b;
  int cols = line_acc_cols(&r->line, c);
  bool lanes = r->line.lanes;
  r->acc = kernel_tile(b, STR("acc"), r->type, c->rows, cols);
  r->e = kernel_tile(b, STR("e"), r->type, c->rows, cols);
  r->max = kernel_tile(b, STR("m"), r->type, c->rows, lanes ? 1 : cols);
  r->sum = lanes ? kernel_tile(b, STR("s"), r->type, c->rows, 1) : r->acc;
  kernel_fill(b, r->acc,
              r->type == DT_F32 ? -(double)FLT_MAX : -DBL_MAX); /* never -inf: see docs/numbers.md */
  line_walk(m, &r->line, c, affine(0), r->line.n, 4, max_step, r);
  if (lanes)
    kernel_fold(b, FOLD_MAX, r->max, r->acc);
  else
    unary(m, r, "x", r->max, r->acc);
  r->last = line_pieces(m, c, r->line.n, r->order.chunk, r->type, r->sum, exp_part, r);
  if (r->op == OP_SOFTMAX || r->op == OP_LOG_SOFTMAX) unary(m, r, "max(x, 1)", r->last, r->last);
  if (r->op != OP_SOFTMAX) unary(m, r, "log(x)", r->last, r->last);
  if (r->op == OP_SOFTMAX || r->op == OP_LOG_SOFTMAX) {
    line_walk(m, &r->line, c, affine(0), r->line.n, 2, result_step, r);
    return;
  }
  binary(m, r, "x + y", r->last, r->max, r->last);
  if (r->op == OP_CROSS_ENTROPY) {
    Access label = coord_access(c, lower_kernel_in(m, r->labels), &r->label, DT_I32);
    Access x = coord_access(c, lower_kernel_in(m, r->from), &r->in, r->type);
    x = access_index(x, label.buffer, label.at.a, label.at.r, label.at.c, r->in.at.c[LINE_AXIS], r->line.n);
    int at = kernel_tile(b, STR("at"), r->type, c->rows, lanes ? 1 : cols);
    kernel_load(b, at, access_pad(x, r->type, 0));
    binary(m, r, "x - y", r->last, r->last, at);
  }
  kernel_store(b, r->last, coord_access(c, lower_kernel_out(m, r->to), &r->out, r->type));
}

static void lower_row(LowerCx *lo, const LowerGroup *gr, int axis) {
  NodeId n = gr->anchor, x = graph_in(lo->g, n)[0];
  const int64_t *ext = lo->ext[x.i];
  int rank = graph_node(lo->g, x)->type.rank, ns = 2;
  Row r = {
      .op = node_op(lo->g, n), .type = (DType)graph_node(lo->g, x)->type.dtype, .in = lower_memory(lo, x)};
  r.out = view_plain(lo, n);
  if (r.op == OP_LOGSUMEXP) r.out.at.c[axis] = 0;
  r.from = plan_buffer_node(lo, r.in.base);
  r.to = plan_buffer_node(lo, n);
  r.keep = r.op == OP_SOFTMAX;
  if (r.op == OP_CROSS_ENTROPY) {
    r.label = lower_memory(lo, graph_in(lo->g, n)[1]);
    r.labels = plan_buffer_node(lo, r.label.base);
    ns = 3;
  }
  bool inner = true;
  for (int i = axis + 1; i < rank; i++) inner &= ext[i] == 1;
  r.order = order_row(ext[axis], inner);
  View *s[3] = {&r.in, &r.out, &r.label};
  line_begin(&r.line, lo, rank, ext, axis, inner, s, ns);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, op_info[r.op].name);
  lower_tiles(&m, &r.line.t, body, &r);
  m.cost_ns = (double)lo->count[x.i] * 0.6;
  lower_kernel_end(&m);
}
static void along_axis(LowerCx *lo, const LowerGroup *gr) {
  lower_row(lo, gr, (int)graph_attr(lo->g, gr->anchor)[0]);
}
static void along_last(LowerCx *lo, const LowerGroup *gr) {
  lower_row(lo, gr, graph_node(lo->g, graph_in(lo->g, gr->anchor)[0])->type.rank - 1);
}
const LowerOp lower_SOFTMAX = {.role = ROLE_OTHER, .kernels = along_axis};
const LowerOp lower_LOG_SOFTMAX = {.role = ROLE_OTHER, .kernels = along_axis};
const LowerOp lower_LOGSUMEXP = {.role = ROLE_OTHER, .kernels = along_axis};
const LowerOp lower_CROSS_ENTROPY = {.role = ROLE_OTHER, .kernels = along_last};
