/* triangular_solve and cholesky. Columns of a system stand beside each other in the lanes and are walked
 * down; rows of a factor's column do, and a factor is a unit. Orders: docs/numbers.md. */
#include "passes/lower/internal.h"

static void subtract_product(LowerKernel *m, DType t, int acc, KernelOperand x, KernelOperand y) {
  KernelOperand src[3] = {x, y, operand_tile(&m->b, acc)};
  kernel_map1(&m->b, program_of(m->b.arena, "fma(-x, y, z)", t, t), acc, 3, src);
}

/* ---- triangular_solve ---- */

typedef struct System {
  Line line; /* over the batch and the columns; walks the rows */
  DType type;
  View a, b, x; /* a: at the row, without its other index */
  int64_t step; /* of a along that one */
  uint32_t from_a, from_b, to;
  bool backwards;
} System;

static Coord at_row(const Coord *kept, Affine row) {
  Coord c = *kept;
  for (int i = c.rank; i < MAX_RANK; i++) c.at[i] = affine(0);
  c.rank = MAX_RANK;
  c.at[LINE_AXIS] = row;
  return c;
}

/* Row number `loop`'s count, from the front or from the back. */
static Affine row_of(const System *s, int loop) {
  return s->backwards ? affine_add(affine(s->line.n - 1), loop, -1) : affine_add(affine(0), loop, 1);
}

static KernelOperand element_of_a(LowerKernel *m, const System *s, const Coord *c, Affine k) {
  Access x = coord_access(c, lower_kernel_in(m, s->from_a), &s->a, s->type);
  x.at.a = affine_sum(x.at.a, k, s->step);
  return operand_memory(&m->b, 1, coord_lane_fixed(c, &s->a) ? 1 : c->cols, x);
}

static void solve_columns(LowerKernel *m, const Coord *kept, void *cx) {
  const System *s = cx;
  KernelBuilder *b = &m->b;
  int out = lower_kernel_out(m, s->to), acc = kernel_tile(b, STR("acc"), s->type, 1, kept->cols);
  int p = kernel_loop(b, LOOP_SEQ, s->line.n, 1);
  Affine i = row_of(s, p);
  Coord here = at_row(kept, i);
  kernel_load(b, acc, coord_access(&here, lower_kernel_in(m, s->from_b), &s->b, s->type));
  int q = kernel_loop_clip(b, s->line.n, affine_add(affine(0), p, 1));
  Affine k = row_of(s, q);
  Coord there = at_row(kept, k);
  KernelOperand known = operand_memory(b, 1, kept->cols, coord_access(&there, out, &s->x, s->type));
  subtract_product(m, s->type, acc, element_of_a(m, s, &here, k), known);
  kernel_end(b);
  KernelOperand src[2] = {operand_tile(b, acc), element_of_a(m, s, &here, i)};
  kernel_map1(b, program_of(b->arena, "x / y", s->type, s->type), acc, 2, src);
  kernel_store(b, acc, coord_access(&here, out, &s->x, s->type));
  kernel_end(b);
}

static void triangular_solve(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor;
  const NodeId *in = graph_in(lo->g, n);
  bool upper = graph_attr(lo->g, n)[0], transpose = graph_attr(lo->g, n)[1];
  int rank = graph_node(lo->g, n)->type.rank, row = rank - 2, other = rank - 1;
  System s = {.type = (DType)graph_node(lo->g, n)->type.dtype,
              .a = lower_memory(lo, in[0]),
              .b = lower_memory(lo, in[1]),
              .x = view_plain(lo, n),
              .backwards = upper != transpose};
  s.from_a = plan_buffer_node(lo, s.a.base);
  s.from_b = plan_buffer_node(lo, s.b.base);
  s.to = plan_buffer_node(lo, n);
  s.step = s.a.at.c[transpose ? row : other];
  s.a.at.c[row] = s.a.at.c[transpose ? other : row];
  s.a.at.c[other] = 0;
  View *all[3] = {&s.a, &s.b, &s.x};
  line_begin(&s.line, lo, rank, lo->ext[n.i], row, false, all, 3);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "triangular_solve");
  lower_tiles(&m, &s.line.t, solve_columns, &s);
  m.flops = (double)lo->count[n.i] * (double)s.line.n;
  m.cost_ns = m.flops * 0.1;
  lower_kernel_end(&m);
}
const LowerOp lower_TRIANGULAR_SOLVE = {.role = ROLE_OTHER, .kernels = triangular_solve};

/* ---- cholesky ---- */

typedef struct Factor {
  DType type;
  int64_t n, row, column; /* extent; steps of a */
  int64_t full, rest;     /* whole blocks of `cols` rows, rows behind them */
  int cols;
  View a, l; /* of the batch */
  uint32_t from, to;
  int columns; /* scratch: column j of l at j * n */
} Factor;

/* Rows of a column, beside each other. */
typedef struct Block {
  Affine first;
  int cols;
  bool tail;
} Block;
typedef void BlockBody(LowerKernel *m, const Factor *f, const Coord *c, const Block *rows, Affine j);

static Access lanes(const Factor *f, const Block *r, Access x, int64_t step) {
  x.at.a = affine_sum(x.at.a, r->first, step);
  x.at.c = step;
  return r->tail ? access_guard(x, r->first, 0, 1, f->n) : x;
}
static Access column_part(const Factor *f, const Block *r, Affine j) {
  return lanes(f, r, access_at(f->columns, affine_sum(affine(0), j, f->n), 0, 0), 1);
}
static KernelOperand one_element(LowerKernel *m, const Factor *f, Affine j, Affine i) {
  return operand_memory(&m->b, 1, 1,
                        access_at(f->columns, affine_sum(affine_sum(affine(0), j, f->n), i, 1), 0, 0));
}

/* The blocks of column j from its own on: block `own` of the whole ones (a loop's number, -1 when j lies
 * behind them), the last first, then what is behind. */
static void each_block(LowerKernel *m, const Factor *f, const Coord *c, bool whole, Affine own, Affine j,
                       BlockBody *body) {
  if (whole) {
    int v = kernel_loop_clip(&m->b, f->full, affine_sum(affine(f->full), own, -1));
    Block r = {affine_add(affine((f->full - 1) * f->cols), v, -f->cols), f->cols, false};
    body(m, f, c, &r, j);
    kernel_end(&m->b);
  }
  if (!f->rest) return;
  Block r = {affine(f->full * f->cols), (int)lower_padded(f->rest), true};
  body(m, f, c, &r, j);
}

/* a less what the columns before j give. */
static void reduce_rows(LowerKernel *m, const Factor *f, const Coord *c, const Block *r, Affine j) {
  KernelBuilder *b = &m->b;
  int acc = kernel_tile(b, STR("acc"), f->type, 1, r->cols);
  Access a = coord_access(c, lower_kernel_in(m, f->from), &f->a, f->type);
  a.at.a = affine_sum(a.at.a, j, f->column);
  kernel_load(b, acc, lanes(f, r, a, f->row));
  Affine k = affine_add(affine(0), kernel_loop_clip(b, f->n, j), 1);
  KernelOperand rows = operand_memory(b, 1, r->cols, column_part(f, r, k));
  subtract_product(m, f->type, acc, one_element(m, f, k, j), rows);
  kernel_end(b);
  kernel_store(b, acc, column_part(f, r, j));
}

/* The root of the pivot on the diagonal, the others divided by it. */
static const Scalar *program_scale(Arena *a, DType t) {
  ScalarBuilder *b = ARENA_NEW(a, ScalarBuilder);
  scalar_begin(b, a);
  ScalarRef x = scalar_input(b, 0, t), root = scalar_input(b, 1, t), i = scalar_input(b, 2, DT_I32),
            j = scalar_input(b, 3, DT_I32);
  scalar_output(
      b, scalar_ins(b, SC_SEL, scalar_ins(b, SC_EQ, i, j, i), root, scalar_ins(b, SC_DIV, x, root, x)));
  return scalar_end(b);
}
static int root_tile(LowerKernel *m, const Factor *f) {
  return kernel_tile(&m->b, STR("root"), f->type, 1, 1);
}
static void scale_rows(LowerKernel *m, const Factor *f, const Coord *c, const Block *r, Affine j) {
  (void)c;
  KernelBuilder *b = &m->b;
  int x = kernel_tile(b, STR("x"), f->type, 1, r->cols), root = root_tile(m, f);
  KernelOperand at = operand_memory(b, 1, 1, access_at(f->columns + 1, affine(0), 0, 0));
  kernel_map1(b, program_of(b->arena, "x", f->type, f->type), root, 1, &at);
  kernel_load(b, x, column_part(f, r, j));
  KernelOperand src[4] = {operand_tile(b, x), operand_tile(b, root),
                          operand_coord(1, r->cols, r->first, 0, 1), operand_coord(1, 1, j, 0, 0)};
  kernel_map1(b, program_scale(b->arena, f->type), x, 4, src);
  kernel_store(b, x, column_part(f, r, j));
}

static void factor_column(LowerKernel *m, const Factor *f, const Coord *c, bool whole, Affine own, Affine j) {
  each_block(m, f, c, whole, own, j, reduce_rows);
  int root = root_tile(m, f);
  KernelOperand pivot = one_element(m, f, j, j);
  kernel_map1(&m->b, program_of(m->b.arena, "sqrt(x)", f->type, f->type), root, 1, &pivot);
  kernel_store(&m->b, root, access_at(f->columns + 1, affine(0), 0, 0));
  each_block(m, f, c, whole, own, j, scale_rows);
}

/* Row i of the result: the columns up to the diagonal, 0 behind it. */
static void write_row(LowerKernel *m, const Factor *f, const Coord *c, const Block *r, Affine i) {
  KernelBuilder *b = &m->b;
  int x = kernel_tile(b, STR("x"), f->type, 1, r->cols);
  ScalarBuilder *p = ARENA_NEW(b->arena, ScalarBuilder);
  scalar_begin(p, b->arena);
  ScalarRef v = scalar_input(p, 0, f->type), j = scalar_input(p, 1, DT_I32), row = scalar_input(p, 2, DT_I32);
  scalar_output(p, scalar_ins(p, SC_SEL, scalar_ins(p, SC_LE, j, row, j), v, scalar_number(p, f->type, 0)));
  Access column = lanes(f, r, access_at(f->columns, i, 0, 0), f->n);
  KernelOperand src[3] = {operand_memory(b, 1, r->cols, column), operand_coord(1, r->cols, r->first, 0, 1),
                          operand_coord(1, 1, i, 0, 0)};
  kernel_map1(b, scalar_end(p), x, 3, src);
  Access l = coord_access(c, lower_kernel_out(m, f->to), &f->l, f->type);
  l.at.a = affine_sum(l.at.a, i, f->n);
  kernel_store(b, x, lanes(f, r, l, 1));
}

static void factor_matrix(LowerKernel *m, const Coord *c, void *cx) {
  const Factor *f = cx;
  KernelBuilder *b = &m->b;
  if (f->full) {
    int block = kernel_loop(b, LOOP_SEQ, f->full, 1), within = kernel_loop(b, LOOP_SEQ, f->cols, 1);
    Affine own = affine_add(affine(0), block, 1);
    factor_column(m, f, c, true, own, affine_add(affine_sum(affine(0), own, f->cols), within, 1));
    kernel_end(b);
    kernel_end(b);
  }
  if (f->rest) {
    int within = kernel_loop(b, LOOP_SEQ, f->rest, 1);
    factor_column(m, f, c, false, affine(0), affine_add(affine(f->full * f->cols), within, 1));
    kernel_end(b);
  }
  Affine i = affine_add(affine(0), kernel_loop(b, LOOP_SEQ, f->n, 1), 1);
  each_block(m, f, c, f->full > 0, affine(0), i, write_row);
  kernel_end(b);
}

static void cholesky(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor;
  int rank = graph_node(lo->g, n)->type.rank;
  Factor f = {.type = (DType)graph_node(lo->g, n)->type.dtype,
              .n = lo->ext[n.i][rank - 1],
              .a = lower_memory(lo, graph_in(lo->g, n)[0]),
              .l = view_plain(lo, n)};
  f.from = plan_buffer_node(lo, f.a.base);
  f.to = plan_buffer_node(lo, n);
  f.row = f.a.at.c[rank - 2];
  f.column = f.a.at.c[rank - 1];
  for (int i = rank - 2; i < rank; i++) f.a.at.c[i] = f.l.at.c[i] = 0;
  f.cols = lower_cols(f.n, 64);
  f.full = f.n / f.cols;
  f.rest = f.n % f.cols;
  Tiling t = {.row = -1, .lane = -1, .rows = 1, .cols = 1};
  memcpy(t.ext, lo->ext[n.i], sizeof t.ext);
  View *all[2] = {&f.a, &f.l};
  t.rank = lower_collapse(rank - 2, t.ext, all, 2);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "cholesky");
  f.columns = lower_kernel_scratch(&m, STR("columns"), f.type, f.n * f.n);
  lower_kernel_scratch(&m, STR("pivot"), f.type, 1);
  lower_tiles(&m, &t, factor_matrix, &f);
  m.flops = (double)lo->count[n.i] * (double)f.n / 3;
  m.cost_ns = m.flops * 0.2;
  lower_kernel_end(&m);
}
const LowerOp lower_CHOLESKY = {.role = ROLE_OTHER, .kernels = cholesky};
