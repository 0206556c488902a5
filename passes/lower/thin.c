/* Few rows times a matrix that the caches do not hold: memory is the limit, and gives most where lines are
 * read one behind the other. So all columns of a few terms come before the next terms. Units are panels,
 * whose blocks of terms go round all units of a thread (LOOP_SWEEP); their sums lie in the arena between
 * blocks. A second kernel adds the terms that are left and does the epilogue. */
#include "passes/lower/product.h"

typedef struct Thin {
  const Product *p;
  const Shape *s;
  int64_t terms, blocks; /* terms a block */
  int64_t wide;          /* lanes, filled up to whole vectors */
  uint32_t sums;         /* plan buffer: [row][wide] */
} Thin;

static void add_terms(LowerKernel *m, const Thin *t, const Coord *c, int acc, Affine first, int64_t n) {
  KernelBuilder *b = &m->b;
  const Product *p = t->p;
  const View *rs = product_row_view(p, t->s), *ls = product_lane_view(p, t->s);
  int lanes = kernel_tile(b, STR("y"), p->type, 1, c->cols), v = kernel_loop(b, LOOP_SEQ, n, 1);
  Affine k = affine_add(first, v, 1);
  int row_in = lower_kernel_in(m, plan_buffer_source(p->lo, rs)),
      lane_in = lower_kernel_in(m, plan_buffer_source(p->lo, ls));
  kernel_load(b, lanes, product_access(p, c, lane_in, ls, k, product_lane_term(p, t->s)));
  KernelOperand src[3] = {
      operand_memory(b, c->rows, 1, product_access(p, c, row_in, rs, k, product_row_term(p, t->s))),
      operand_tile(b, lanes), operand_tile(b, acc)};
  kernel_map1(b, program_fma(b->arena, p->type), acc, 3, src);
  kernel_end(b);
}

/* One tile: a block of terms, block number `block`, or what comes behind all blocks (-1). */
static void tile_emit(LowerKernel *m, const Thin *t, const Coord *c, int block) {
  KernelBuilder *b = &m->b;
  const Product *p = t->p;
  int64_t done = t->blocks * t->terms;
  View v = {.kind = VIEW_MEMORY, .type = (uint8_t)p->type, .base = NO_NODE, .temp = t->sums + 1};
  v.at.c[c->lane] = 1;
  v.at.c[c->row] = t->wide;
  int acc = kernel_tile(b, STR("acc"), p->type, c->rows, c->cols),
      buffer = block < 0 ? lower_kernel_in(m, t->sums) : lower_kernel_out(m, t->sums);
  Coord whole = *c;
  whole.tail = false;
  Access sums = coord_access(&whole, buffer, &v, p->type);
  if (block < 0) {
    kernel_load(b, acc, sums);
    if (p->k > done) add_terms(m, t, c, acc, affine(done), p->k - done);
    group_emit(m, &p->gb, c, acc);
    return;
  }
  kernel_load(b, acc, access_guard(sums, affine_add(affine(-1), block, 1), 0, 0, t->blocks)); /* else +0 */
  add_terms(m, t, c, acc, affine_add(affine(0), block, t->terms), t->terms);
  kernel_store(b, acc, sums);
}

/* All rows of a panel: tiles of s->rows + 1, then of s->rows. */
static void rows_emit(LowerKernel *m, const Thin *t, const Coord *panel, int block) {
  const Shape *s = t->s;
  int64_t taken = s->more * (s->rows + 1), full = (t->p->ext[s->row] - taken) / s->rows;
  for (int run = 0; run < 2; run++) {
    int64_t tiles = run ? full : s->more;
    Coord c = *panel;
    if (tiles == 0) continue;
    c.rows = run ? s->rows : s->rows + 1;
    c.at[c.row] = affine(run ? taken : 0);
    if (tiles > 1) c.at[c.row] = affine_add(c.at[c.row], kernel_loop(&m->b, LOOP_SEQ, tiles, 1), c.rows);
    tile_emit(m, t, &c, block);
    if (tiles > 1) kernel_end(&m->b);
  }
}

/* `panels` panels of c.cols columns from column `start` on: the blocks of terms, or what comes behind. */
static void panels_emit(LowerKernel *m, const Thin *t, Coord c, int64_t start, int64_t panels, bool behind) {
  KernelBuilder *b = &m->b;
  int panel = kernel_loop(b, LOOP_PAR, panels, 1);
  c.at[c.lane] = affine(start);
  if (panels > 1) c.at[c.lane] = affine_add(c.at[c.lane], panel, c.cols);
  int block = behind ? -1 : kernel_loop(b, LOOP_SWEEP, t->blocks, 1);
  rows_emit(m, t, &c, block);
  if (!behind) kernel_end(b);
  kernel_end(b);
}

static void thin_emit(LowerKernel *m, const Thin *t, bool behind) {
  const Product *p = t->p;
  const Shape *s = t->s;
  int64_t l = p->ext[s->lane], cols = (int64_t)16 * s->nv, panels = l / cols, rest = l % cols;
  Coord c = {.rank = p->rank, .row = s->row, .lane = s->lane, .cols = (int)cols, .end = l};
  for (int i = 0; i < p->rank; i++) c.at[i] = affine(0);
  if (panels) panels_emit(m, t, c, 0, panels, behind);
  c.cols = (int)lower_padded(rest);
  c.tail = rest % 16 != 0;
  if (rest) panels_emit(m, t, c, panels * cols, 1, behind);
}

void product_thin(LowerKernel *m, const Product *p, NodeId node, const Shape *s) {
  int64_t r = p->ext[s->row], l = p->ext[s->lane], n = product_thin_terms(p, s), nr = (int64_t)16 * s->nv;
  Thin t = {.p = p, .s = s, .terms = n, .blocks = p->k / n, .wide = l / nr * nr + lower_padded(l % nr)};
  t.sums = plan_buffer_temp(p->lo, p->type, r * t.wide);
  LowerKernel terms;
  lower_kernel_begin(&terms, p->lo, node, "product");
  thin_emit(&terms, &t, false);
  terms.flops = 2.0 * (double)(r * l) * (double)p->k;
  terms.cost_ns = s->cycles / 2.6;
  lower_kernel_end(&terms);
  lower_kernel_begin(m, p->lo, node, "sums");
  thin_emit(m, &t, true);
  m->cost_ns = (double)(r * l) * (p->gb.program->nins + 1) / 60;
}
