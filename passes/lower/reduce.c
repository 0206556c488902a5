/* Reductions along axes, one after the other, the last first; argmax and argmin. Orders:
 * ir/interpret/order.h. */
#include "ir/interpret/order.h"
#include "ir/scalar/literal.h"
#include "passes/lower/internal.h"

typedef struct Reduce {
  Line line;
  Op op;
  DType type;
  View in, out;
  uint32_t from, to;
  Order order;
  int acc, part;
  GroupBody *expr; /* what is reduced, when it is not in memory; in the line's space */
  double divide;   /* MEAN's last step: by this; 0 otherwise */
} Reduce;

static FoldOp fold_of(Op op) {
  return op == OP_MAX || op == OP_ARGMAX ? FOLD_MAX : op == OP_MIN || op == OP_ARGMIN ? FOLD_MIN : FOLD_SUM;
}

/* What an accumulator starts from (start), and what leaves every value as it is (else). */
static ScalarValue identity(Op op, DType t, bool start) {
  if (op == OP_PROD) return literal_from(t, 1);
  switch (fold_of(op)) {
  case FOLD_MAX: return literal_from(t, -__builtin_inf());
  case FOLD_MIN: return literal_from(t, __builtin_inf());
  case FOLD_SUM: break;
  }
  return literal_from(t, start ? 0.0 : -0.0); /* under flushing +0 is no identity */
}

static ScalarOp step_of(Op op) {
  if (op == OP_PROD) return SC_MUL;
  return fold_of(op) == FOLD_MAX ? SC_MAX : fold_of(op) == FOLD_MIN ? SC_MIN : SC_ADD;
}
static const char *step_text(Op op) {
  static const char *const text[] = {
      [SC_MUL] = "x * y", [SC_MAX] = "max(x, y)", [SC_MIN] = "min(x, y)", [SC_ADD] = "x + y"};
  return text[step_of(op)];
}

/* acc = acc op expression; lanes behind the end leave acc alone. */
static void expression_step(LowerKernel *m, const Coord *c, const Reduce *r) {
  const GroupBody *e = r->expr;
  KernelOperand src[SCALAR_IN];
  ScalarBuilder *b = ARENA_NEW(m->lo->arena, ScalarBuilder);
  ScalarRef arg[SCALAR_IN], v;
  scalar_begin(b, m->b.arena);
  ScalarRef acc = scalar_input(b, 0, r->type);
  src[0] = operand_tile(&m->b, r->acc);
  for (int i = 0; i < e->nsrc; i++) {
    src[1 + i] = coord_operand(m, c, &e->src[i]);
    arg[i] = scalar_input(b, (uint32_t)(1 + i), (DType)src[1 + i].type);
  }
  scalar_inline(b, e->program, arg, &v);
  int n = 1 + e->nsrc;
  if (c->tail && c->lane == LINE_AXIS) {
    View walk = {.kind = VIEW_COORD, .type = DT_I32, .at = axis_affine_axis(LINE_AXIS)};
    src[n] = coord_operand(m, c, &walk);
    ScalarRef k = scalar_input(b, (uint32_t)n++, DT_I32), end = scalar_number(b, DT_I32, (double)c->end);
    v = scalar_ins(b, SC_SEL, scalar_ins(b, SC_LT, k, end, k), v,
                   scalar_const(b, r->type, identity(r->op, r->type, false)));
  }
  scalar_output(b, scalar_ins(b, step_of(r->op), acc, v, acc));
  kernel_map1(&m->b, scalar_end(b), r->acc, n, src);
}

static void step(LowerKernel *m, const Coord *c, void *cx) {
  const Reduce *r = cx;
  if (r->expr) {
    expression_step(m, c, r);
    return;
  }
  KernelOperand src[2] = {operand_tile(&m->b, r->acc),
                          coord_padded(m, c, &r->in, r->from, identity(r->op, r->type, false))};
  kernel_map1(&m->b, program_of(m->b.arena, step_text(r->op), r->type, r->type), r->acc, 2, src);
}

static void part(LowerKernel *m, const Coord *kept, Affine start, int64_t n, void *cx) {
  Reduce *r = cx;
  if (r->line.tree) {
    const Scalar *two = program_of(m->b.arena, step_text(r->op), r->type, r->type);
    int acc = r->acc;
    KernelOperand src = operand_tile(
        &m->b, line_tree(m, &r->line, kept, r->type, identity(r->op, r->type, true), two, step, r, &r->acc));
    r->acc = acc;
    kernel_map1(&m->b, program_of(m->b.arena, "x", r->type, r->type), r->part, 1, &src);
    return;
  }
  line_fill(m, r->acc, r->type, identity(r->op, r->type, true));
  line_walk(m, &r->line, kept, start, n, 4, step, r);
  if (r->part != r->acc) kernel_fold(&m->b, fold_of(r->op), r->part, r->acc);
}

static void finish(LowerKernel *m, const Coord *c, const Reduce *r, int tile) {
  if (r->divide != 0) {
    Sb text;
    sb_init(&text, m->lo->arena);
    sb_fmt(&text, "x / %.0f", r->divide);
    sb_char(&text, 0);
    KernelOperand src = operand_tile(&m->b, tile);
    kernel_map1(&m->b, program_of(m->b.arena, text.p, r->type, r->type), tile, 1, &src);
  }
  kernel_store(&m->b, tile, coord_access(c, lower_kernel_out(m, r->to), &r->out, (DType)r->out.type));
}

static void tiles(Reduce *r, const Coord *c, LowerKernel *m) {
  r->acc = kernel_tile(&m->b, STR("acc"), r->type, c->rows, line_acc_cols(&r->line, c));
  r->part = r->line.lanes ? kernel_tile(&m->b, STR("part"), r->type, c->rows, 1) : r->acc;
}

static void body(LowerKernel *m, const Coord *c, void *cx) {
  Reduce *r = cx;
  tiles(r, c, m);
  finish(m, c, r, line_pieces(m, c, r->line.n, r->order.chunk, r->type, r->part, part, r));
}

static bool innermost(const int64_t *ext, int rank, int axis) {
  for (int i = axis + 1; i < rank; i++)
    if (ext[i] != 1) return false;
  return true;
}

static View row_major(DType t, int rank, const int64_t *ext) {
  View s = {.kind = VIEW_MEMORY, .type = (uint8_t)t};
  int64_t stride = 1;
  for (int i = rank; i-- > 0;) {
    s.at.c[i] = stride;
    stride *= ext[i];
  }
  return s;
}

/* Columns side by side: one accumulator of eight registers. The longer the piece of each row, the better
 * memory gives it. */
static int wide(const LowerCx *lo, DType t) {
  int cols = 8 * lo->opt.vector_bytes / (int)dtype_bytes(t);
  return cols > 64 ? 64 : cols;
}

static void reduce_axis(LowerCx *lo, NodeId n, Reduce *r, int rank, const int64_t *ext, int axis) {
  bool inner = innermost(ext, rank, axis);
  bool lanes = inner && r->op != OP_PROD;
  r->order = r->op == OP_PROD ? order_prod(ext[axis]) : order_sum(ext[axis], inner);
  if (r->op == OP_MAX || r->op == OP_MIN || !dtype_is_float(r->type))
    r->order.chunk = ext[axis]; /* free order */
  View in = r->in, out = r->out;
  View *s[SCALAR_IN + 2] = {&r->in, &r->out};
  int ns = 2;
  for (int i = 0; r->expr && i < r->expr->nsrc; i++) s[ns++] = &r->expr->src[i];
  r->out.at.c[axis] = 0;
  line_begin(&r->line, lo, rank, ext, axis, lanes, s, ns);
  Tiling *t = &r->line.t;
  if (!r->line.lanes && !r->line.tree && t->lane >= 0)
    t->cols = lower_cols(t->ext[t->lane], wide(lo, r->type));
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, op_info[r->op].name);
  lower_tiles(&m, &r->line.t, body, r);
  double count = 1;
  for (int i = 0; i < rank; i++) count *= (double)ext[i];
  m.cost_ns = count * 0.1;
  lower_kernel_end(&m);
  r->in = in;
  r->out = out;
}

static void lower_reduce(LowerCx *lo, const LowerGroup *gr, Op op) {
  NodeId n = gr->anchor, x = graph_in(lo->g, n)[0];
  const Node *d = graph_node(lo->g, n);
  int rank = d->type.rank;
  int64_t ext[MAX_RANK], mask = graph_attr(lo->g, n)[0], count = lo->count[x.i] / lo->count[n.i];
  memcpy(ext, lo->ext[x.i], sizeof ext);
  Reduce r = {.op = op, .type = (DType)d->type.dtype};
  GroupBody expr;
  if (lo->absorbed[n.i]) {
    group_expression(lo, lower_strip(lo, x), &expr);
    r.expr = &expr;
    r.in = expr.nsrc ? expr.src[0] : (View){0}; /* any: it only takes part in merging axes */
  } else {
    r.in = lower_memory(lo, x);
    r.from = plan_buffer_node(lo, r.in.base);
  }
  if (!mask) {
    View to = view_plain(lo, n);
    lower_copy(lo, n, rank, ext, &r.in, r.from, &to, plan_buffer_node(lo, n));
    return;
  }
  for (int axis = rank; axis-- > 0;) {
    if (!(mask >> axis & 1)) continue;
    mask &= ~(INT64_C(1) << axis);
    int64_t after[MAX_RANK], elements = 1;
    memcpy(after, ext, sizeof after);
    after[axis] = 1;
    for (int i = 0; i < rank; i++) elements *= after[i];
    r.out = row_major(r.type, rank, after);
    r.to = mask ? plan_buffer_temp(lo, r.type, elements) : plan_buffer_node(lo, n);
    r.divide = !mask && d->op == OP_MEAN ? (double)count : 0;
    reduce_axis(lo, n, &r, rank, ext, axis);
    ext[axis] = 1;
    r.expr = NULL;
    r.in = r.out;
    r.from = r.to;
  }
}
static void sum(LowerCx *lo, const LowerGroup *gr) { lower_reduce(lo, gr, OP_SUM); }
static void same_op(LowerCx *lo, const LowerGroup *gr) { lower_reduce(lo, gr, node_op(lo->g, gr->anchor)); }
const LowerOp lower_SUM = {.role = ROLE_OTHER, .kernels = sum, .absorbs = true};
const LowerOp lower_MEAN = {.role = ROLE_OTHER, .kernels = sum, .absorbs = true};
const LowerOp lower_MAX = {.role = ROLE_OTHER, .kernels = same_op, .absorbs = true};
const LowerOp lower_MIN = {.role = ROLE_OTHER, .kernels = same_op, .absorbs = true};
const LowerOp lower_PROD = {.role = ROLE_OTHER, .kernels = same_op, .absorbs = true};

/* ---- argmax, argmin: the extreme first, then the lowest index that holds it ---- */
typedef struct Arg {
  Reduce r;
  int best, index;
} Arg;

static void index_step(LowerKernel *m, const Coord *c, void *cx) {
  const Arg *a = cx;
  const Reduce *r = &a->r;
  View walk = {.kind = VIEW_COORD, .type = DT_I32, .at = axis_affine_axis(LINE_AXIS)};
  KernelOperand src[4] = {operand_tile(&m->b, a->index),
                          coord_padded(m, c, &r->in, r->from, identity(r->op, r->type, false)),
                          operand_tile(&m->b, a->best), coord_operand(m, c, &walk)};
  ScalarBuilder *b = ARENA_NEW(m->lo->arena, ScalarBuilder);
  scalar_begin(b, m->b.arena);
  ScalarRef least = scalar_input(b, 0, DT_I32), v = scalar_input(b, 1, r->type),
            best = scalar_input(b, 2, r->type), at = scalar_input(b, 3, DT_I32),
            hit = scalar_ins(b, SC_EQ, v, best, v);
  if (dtype_is_float(r->type)) { /* the extreme is a NaN: the first NaN holds it */
    ScalarRef number = scalar_ins(b, SC_EQ, v, v, v), none = scalar_ins(b, SC_EQ, best, best, best);
    ScalarRef both = scalar_ins(b, SC_OR, number, none, number);
    hit = scalar_ins(b, SC_OR, hit, scalar_ins(b, SC_NOT, both, both, both), hit);
  }
  ScalarRef far = scalar_const(b, DT_I32, (ScalarValue){.i = INT32_MAX});
  ScalarRef cand = scalar_ins(b, SC_SEL, hit, at, far);
  scalar_output(b, scalar_ins(b, SC_MIN, least, cand, least));
  kernel_map1(&m->b, scalar_end(b), a->index, 4, src);
}

static void arg_body(LowerKernel *m, const Coord *c, void *cx) {
  Arg *a = cx;
  Reduce *r = &a->r;
  tiles(r, c, m);
  part(m, c, affine(0), r->line.n, r);
  a->best = r->part;
  a->index = kernel_tile(&m->b, STR("index"), DT_I32, c->rows, line_acc_cols(&r->line, c));
  line_fill(m, a->index, DT_I32, (ScalarValue){.i = INT32_MAX});
  line_walk(m, &r->line, c, affine(0), r->line.n, 2, index_step, a);
  int tile = a->index;
  if (r->line.lanes) {
    tile = kernel_tile(&m->b, STR("least"), DT_I32, c->rows, 1);
    kernel_fold(&m->b, FOLD_MIN, tile, a->index);
  }
  finish(m, c, r, tile);
}

static void lower_arg(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, x = graph_in(lo->g, n)[0];
  int rank = graph_node(lo->g, x)->type.rank, axis = (int)graph_attr(lo->g, n)[0];
  Arg a = {.r = {.op = node_op(lo->g, n),
                 .type = (DType)graph_node(lo->g, x)->type.dtype,
                 .in = lower_memory(lo, x)}};
  Reduce *r = &a.r;
  r->from = plan_buffer_node(lo, r->in.base);
  r->to = plan_buffer_node(lo, n);
  r->out = view_plain(lo, n);
  r->out.at.c[axis] = 0;
  View *s[2] = {&r->in, &r->out};
  line_begin(&r->line, lo, rank, lo->ext[x.i], axis, innermost(lo->ext[x.i], rank, axis), s, 2);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, op_info[r->op].name);
  lower_tiles(&m, &r->line.t, arg_body, &a);
  m.cost_ns = (double)lo->count[x.i] * 0.2;
  lower_kernel_end(&m);
}
const LowerOp lower_ARGMAX = {.role = ROLE_OTHER, .kernels = lower_arg};
const LowerOp lower_ARGMIN = {.role = ROLE_OTHER, .kernels = lower_arg};
