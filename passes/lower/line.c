/* Walks along one axis: what reductions and row operations share. With lanes, sixteen elements at a time lie
 * in a tile's columns, so that lane i sees the elements i, i + 16, ...; without, a tile's columns are a kept
 * axis and each lane sees every element in turn: also along short lines that a fold sums, in the order of the
 * fold. */
#include "passes/lower/internal.h"

/* The walked axis to LINE_AXIS, those behind it one to the front. */
static void walk_last(AxisAffine *at, int rank, int axis) {
  int64_t c = at->c[axis];
  for (int i = axis; i + 1 < rank; i++) at->c[i] = at->c[i + 1];
  if (rank - 1 != LINE_AXIS) at->c[rank - 1] = 0;
  at->c[LINE_AXIS] = c;
}

enum { SHORT = 8 }; /* elements of a line that is cheaper with other lines beside it in the lanes */

/* Sixteen lanes along a line of few elements are mostly empty, and a fold costs more than they do. */
static bool short_lines(const Line *l) {
  int64_t beside = l->t.rank ? l->t.ext[l->t.rank - 1] : 1;
  return l->n <= SHORT && beside >= SHORT;
}

void line_begin(Line *l, LowerCx *lo, int rank, const int64_t *ext, int axis, bool lanes, View *const *s,
                int n) {
  *l = (Line){.lo = lo, .n = ext[axis], .lanes = lanes, .t = {.row = -1, .lane = -1, .rows = 1, .cols = 1}};
  for (int q = 0; q < n; q++) {
    walk_last(&s[q]->at, rank, axis);
    for (int i = 0; i < s[q]->nguard; i++) walk_last(&s[q]->guard[i].at, rank, axis);
  }
  int k = 0;
  for (int i = 0; i < rank; i++)
    if (i != axis) l->t.ext[k++] = ext[i];
  l->t.rank = lower_collapse(k, l->t.ext, s, n);
  if (l->t.rank == 0) return;
  if (lanes && short_lines(l)) {
    l->lanes = lanes = false;
    l->tree = true;
  }
  int last = l->t.rank - 1;
  int64_t e = l->t.ext[last];
  if (lanes) {
    l->t.row = last;
    l->t.rows = e < 4 ? (int)e : 4;
  } else {
    l->t.lane = last;
    int width = l->tree ? KERNEL_LANES : lo->opt.vector_bytes < 64 ? 32 : 64;
    l->t.cols = lower_cols(e, width);
  }
}

int line_acc_cols(const Line *l, const Coord *kept) { return l->lanes ? KERNEL_LANES : kept->cols; }

void line_fill(LowerKernel *m, int tile, DType t, ScalarValue v) {
  ScalarBuilder *s = ARENA_NEW(m->lo->arena, ScalarBuilder);
  scalar_begin(s, m->lo->arena);
  scalar_output(s, scalar_const(s, t, v));
  kernel_map1(&m->b, scalar_end(s), tile, 0, NULL);
}

void line_walk(LowerKernel *m, const Line *l, const Coord *kept, Affine start, int64_t n, int unroll,
               LineStep *step, void *cx) {
  int64_t width = l->lanes ? KERNEL_LANES : 1;
  for (int rest = 0; rest < 2; rest++) {
    int64_t trips = rest ? n % width != 0 : n / width;
    if (!trips) continue;
    int v = trips > 1 ? kernel_loop(&m->b, LOOP_SEQ, trips, unroll) : -1;
    Coord c = *kept;
    for (int i = c.rank; i < MAX_RANK; i++) c.at[i] = affine(0);
    c.rank = MAX_RANK;
    Affine k = affine_add(start, -1, rest ? n / width * width : 0);
    c.at[LINE_AXIS] = v < 0 ? k : affine_add(k, v, width);
    if (l->lanes) {
      c.lane = LINE_AXIS;
      c.cols = KERNEL_LANES;
      c.tail = rest;
      c.end = l->n;
    }
    step(m, &c, cx);
    if (v >= 0) kernel_end(&m->b);
  }
}

int line_pieces(LowerKernel *m, const Coord *kept, int64_t n, int64_t chunk, DType t, int part, LinePart *fn,
                void *cx) {
  KernelBuilder *b = &m->b;
  if (chunk >= n) {
    fn(m, kept, affine(0), n, cx);
    return part;
  }
  const KernelTile *shape = &b->kernel->tile[part];
  int total = kernel_tile(b, STR("total"), t, shape->rows, shape->cols);
  kernel_fill(b, total, 0);
  int64_t full = n / chunk, rest = n % chunk;
  for (int i = 0; i < 2; i++) {
    int64_t trips = i ? rest != 0 : full;
    if (!trips) continue;
    int v = kernel_loop(b, LOOP_SEQ, trips, 1);
    fn(m, kept, affine_add(affine(i ? full * chunk : 0), v, chunk), i ? rest : chunk, cx);
    KernelOperand src[2] = {operand_tile(b, total), operand_tile(b, part)};
    kernel_map1(b, program_sum(b->arena, t), total, 2, src);
    kernel_end(b);
  }
  return total;
}

int line_tree(LowerKernel *m, const Line *l, const Coord *kept, DType t, ScalarValue start, const Scalar *op,
              LineStep *step, void *cx, int *acc) {
  int tile[SHORT];
  for (int64_t i = 0; i < l->n; i++) {
    Coord c = *kept;
    for (int k = c.rank; k < MAX_RANK; k++) c.at[k] = affine(0);
    c.rank = MAX_RANK;
    c.at[LINE_AXIS] = affine(i);
    tile[i] = *acc = kernel_tile(&m->b, STR("t"), t, c.rows, line_acc_cols(l, kept));
    line_fill(m, *acc, t, start);
    step(m, &c, cx);
  }
  int64_t n = l->n; /* lanes without an element hold what leaves the others as they are */
  for (int h = KERNEL_LANES / 2; h; h /= 2) {
    for (int i = 0; i + h < n; i++) {
      KernelOperand src[2] = {operand_tile(&m->b, tile[i]), operand_tile(&m->b, tile[i + h])};
      kernel_map1(&m->b, op, tile[i], 2, src);
    }
    if (n > h) n = h;
  }
  return tile[0];
}
