/* The loops of a product: units, blocks of rows, of terms and of columns, a panel packed into scratch,
 * register tiles. One fma chain per element, its terms ascending: a block of terms begins where the sums
 * of the block before were left, in scratch, so blocking changes no bit. */
#include "passes/lower/product.h"

/* A run of equal tiles along the rows: `blocks` times `tiles` tiles of `height`, from row `start` on. */
typedef struct Rows {
  int height;
  int64_t start, tiles, blocks;
} Rows;
/* The same along the lanes: `blocks` times `panels` panels of `cols` columns. tail: only lanes below the
 * extent are elements. */
typedef struct Cols {
  int cols;
  int64_t start, panels, blocks;
  bool tail;
} Cols;

enum { RUNS = 4 };

typedef struct Nest {
  LowerKernel *m;
  const Product *p;
  const Shape *s;
  const Blocks *b;
  const View *rs, *ls; /* the row operand, the lane operand */
  int64_t rk, lk;      /* their steps along k */
  int pack, sums;      /* scratch buffers, or -1 */
  Packed packed;
  int64_t row_step[MAX_RANK], lane_step[MAX_RANK]; /* of packed operands, by batch axis */
  int rows_n;
  Rows rows[RUNS];
  int cols_n;
  Cols cols[RUNS];
} Nest;

/* Terms first .. first + n - 1 of every chain; block: the loop variable that counts blocks before this
 * one, -1: none. */
typedef struct Terms {
  Affine first;
  int64_t n;
  int block;
  bool begins, ends; /* nothing was added before; nothing comes after */
} Terms;

/* ---- a register tile ---- */

/* A place in a packed operand: position `at` times the terms, `wide` elements a term. */
static Access packed_access(const Nest *n, const Coord *c, uint32_t buffer, int axis, Affine k, int wide,
                            const int64_t *step) {
  Affine a = affine_sum(affine_sum(affine(0), c->at[axis], n->p->k), k, wide);
  for (int i = 0; i < n->p->rank - 2; i++) a = affine_sum(a, c->at[i], step[i]);
  return access_at(lower_kernel_in(n->m, buffer), a, 0, 1);
}

typedef enum { PANEL_NONE, PANEL_WRITE, PANEL_READ } Panel;

static Access row_access(const Nest *n, const Coord *c, Affine k) {
  if (n->packed.rows != PLAN_NONE) {
    Access a = packed_access(n, c, n->packed.rows, c->row, k, c->rows, n->row_step);
    a.at.r = 1;
    a.at.c = 0;
    return a;
  }
  return product_access(n->p, c, lower_kernel_in(n->m, plan_buffer_source(n->m->lo, n->rs)), n->rs, k, n->rk);
}

static Access lane_access(const Nest *n, const Coord *c, Affine k) {
  if (n->packed.lanes != PLAN_NONE)
    return packed_access(n, c, n->packed.lanes, c->lane, k, c->cols, n->lane_step);
  return product_access(n->p, c, lower_kernel_in(n->m, plan_buffer_source(n->m->lo, n->ls)), n->ls, k, n->lk);
}

static void add_terms(const Nest *n, const Coord *c, int acc, const Terms *t, Panel panel) {
  LowerKernel *m = n->m;
  KernelBuilder *b = &m->b;
  int lanes = kernel_tile(b, STR("y"), n->p->type, 1, c->cols);
  int v = kernel_loop(b, LOOP_SEQ, t->n, 1);
  Affine k = affine_add(t->first, v, 1);
  Access packed = access_at(n->pack, affine_add(affine(0), v, c->cols), 0, 1);
  kernel_load(b, lanes, panel == PANEL_READ ? packed : lane_access(n, c, k));
  if (panel == PANEL_WRITE) kernel_store(b, lanes, packed);
  KernelOperand src[3] = {operand_memory(b, c->rows, 1, row_access(n, c, k)), operand_tile(b, lanes),
                          operand_tile(b, acc)};
  kernel_map1(b, program_fma(b->arena, n->p->type), acc, 3, src);
  kernel_end(b);
}

/* What was added before this block; +0 before the first. */
static void load_sums(const Nest *n, int tile, const Terms *t, Access at) {
  if (t->begins) {
    kernel_fill(&n->m->b, tile, 0);
    return;
  }
  if (t->block >= 0)
    at = access_pad(access_guard(at, affine_add(affine(-1), t->block, 1), 0, 0, n->b->nkb), n->p->type, 0);
  kernel_load(&n->m->b, tile, at);
}

static void tile_emit(const Nest *n, const Coord *c, const Terms *t, Affine sums_at, Panel panel) {
  KernelBuilder *b = &n->m->b;
  int acc = kernel_tile(b, STR("acc"), n->p->type, c->rows, c->cols), result = acc;
  Access sums = access_at(n->sums, sums_at, c->cols, 1);
  if (n->p->order.chunks == 1) {
    load_sums(n, acc, t, sums);
    add_terms(n, c, acc, t, panel);
  } else { /* the block is a piece: a chain of its own, then its total is added
            */
    result = kernel_tile(b, STR("total"), n->p->type, c->rows, c->cols);
    kernel_fill(b, acc, 0);
    add_terms(n, c, acc, t, panel);
    load_sums(n, result, t, sums);
    KernelOperand src[2] = {operand_tile(b, result), operand_tile(b, acc)};
    kernel_map1(b, program_sum(b->arena, n->p->type), result, 2, src);
  }
  if (t->ends)
    group_emit(n->m, &n->p->gb, c, result);
  else
    kernel_store(b, result, sums);
}

/* ---- blocks ---- */

static int64_t block_rows(const Rows *r) { return r->tiles * r->height; }

/* A run of tiles over one panel; c stands at the block's first row. */
static void tiles_emit(const Nest *n, const Coord *c, const Rows *rows, const Terms *t, Affine sums,
                       Panel panel) {
  KernelBuilder *b = &n->m->b;
  Coord d = *c;
  d.rows = rows->height;
  d.at[d.row] = affine_add(d.at[d.row], -1, rows->start);
  if (rows->tiles > 1) {
    int v = kernel_loop(b, LOOP_SEQ, rows->tiles, 1);
    d.at[d.row] = affine_add(d.at[d.row], v, d.rows);
    sums = affine_add(sums, v, (int64_t)d.rows * d.cols);
  }
  tile_emit(n, &d, t, sums, panel);
  if (rows->tiles > 1) kernel_end(b);
}

/* One block of terms: every panel of the block of columns, every tile of the block of rows. c stands at
 * the first element of both. */
static void terms_emit(const Nest *n, const Coord *block, const Rows *rows, int nrows, const Cols *cols,
                       const Terms *t) {
  KernelBuilder *b = &n->m->b;
  int64_t high = 0;
  for (int i = 0; i < nrows; i++) high += block_rows(&rows[i]);
  Coord c = *block;
  Affine sums = affine(0);
  if (cols->panels > 1) {
    int v = kernel_loop(b, LOOP_SEQ, cols->panels, 1);
    c.at[c.lane] = affine_add(c.at[c.lane], v, cols->cols);
    sums = affine_add(sums, v, high * cols->cols);
  }
  bool passing = n->pack >= 0 && n->b->in_passing;
  if (n->pack >= 0 && !passing) product_pack_panel(n->m, n->p, n->s, &c, t->first, t->n, n->pack, affine(0));
  for (int i = 0; i < nrows; i++) {
    Rows left = rows[i];
    if (passing && i == 0) { /* the first tile reads the operand and leaves the panel */
      tiles_emit(n, &c, &(Rows){left.height, left.start, 1, 1}, t, sums, PANEL_WRITE);
      left.start += left.height;
      left.tiles--;
      sums = affine_add(sums, -1, (int64_t)left.height * c.cols);
    }
    if (left.tiles) tiles_emit(n, &c, &left, t, sums, n->pack >= 0 ? PANEL_READ : PANEL_NONE);
    sums = affine_add(sums, -1, block_rows(&left) * c.cols);
  }
  if (cols->panels > 1) kernel_end(b);
}

static void chains_emit(const Nest *n, const Coord *c, const Rows *rows, int nrows, const Cols *cols) {
  KernelBuilder *b = &n->m->b;
  int64_t before = n->b->nkb - 1, kc = n->b->kc;
  if (before == 1)
    terms_emit(n, c, rows, nrows, cols, &(Terms){affine(0), kc, -1, true, false});
  else if (before > 1) {
    int v = kernel_loop(b, LOOP_SEQ, before, 1);
    terms_emit(n, c, rows, nrows, cols, &(Terms){affine_add(affine(0), v, kc), kc, v, false, false});
    kernel_end(b);
  }
  terms_emit(n, c, rows, nrows, cols,
             &(Terms){affine(before * kc), n->p->k - before * kc, -1, before == 0, true});
}

/* ---- units ---- */

/* The loops around the blocks: batch axes, blocks of rows, blocks of columns; the units are those of the
 * blocks that were chosen, else the longest. */
static void unit_emit(const Nest *n, const Rows *rows, int nrows, const Cols *cols) {
  const Product *p = n->p;
  KernelBuilder *b = &n->m->b;
  Coord c = {.rank = p->rank,
             .row = n->s->row,
             .lane = n->s->lane,
             .cols = cols->cols,
             .tail = cols->tail,
             .end = p->ext[n->s->lane]};
  UnitLoop loop[MAX_RANK + 2];
  int count = 0, par;
  for (int i = 0; i < p->rank; i++) c.at[i] = affine(i == c.lane ? cols->start : 0);
  for (int i = 0; i < p->rank - 2; i++)
    if (p->ext[i] > 1) loop[count++] = (UnitLoop){i, p->ext[i], 1, false};
  int batch = count;
  if (rows->blocks > 1) loop[count++] = (UnitLoop){c.row, rows->blocks, block_rows(rows), true};
  if (cols->blocks > 1) loop[count++] = (UnitLoop){c.lane, cols->blocks, cols->panels * cols->cols, false};
  if (count == 0) loop[count++] = (UnitLoop){c.lane, 1, 0, false};
  par = product_longest(loop, count);
  if (n->b->by_rows && rows->blocks > 1 && par > batch) par = batch;
  product_loops(n->m, &c, loop, count, par);
  chains_emit(n, &c, rows, nrows, cols);
  for (int i = 0; i < count; i++) kernel_end(b);
}

/* n things in blocks of about `most`: equal ones when a divisor is near. */
static int64_t block_size(int64_t n, int64_t most) {
  if (most >= n) return n;
  for (int64_t s = most; s >= 1 && s * 2 > most; s--)
    if (n % s == 0) return s;
  return ceil_div(n, ceil_div(n, most));
}

static void add_rows(Nest *n, int height, int64_t start, int64_t tiles) {
  if (tiles == 0) return;
  int64_t most = n->b->rows ? n->b->rows / height : tiles, each = block_size(tiles, most < 1 ? 1 : most);
  n->rows[n->rows_n++] = (Rows){height, start, each, tiles / each};
  int64_t rest = tiles % each;
  if (rest) n->rows[n->rows_n++] = (Rows){height, start + (tiles - rest) * height, rest, 1};
}

static void add_cols(Nest *n, int64_t extent, int cols) {
  int64_t panels = extent / cols, rest = extent % cols;
  if (panels) {
    int64_t each = block_size(panels, n->b->panels), left = panels % each;
    n->cols[n->cols_n++] = (Cols){cols, 0, each, panels / each, false};
    if (left) n->cols[n->cols_n++] = (Cols){cols, (panels - left) * cols, left, 1, false};
  }
  if (rest) n->cols[n->cols_n++] = (Cols){(int)lower_padded(rest), extent - rest, 1, 1, rest % 16 != 0};
}

void product_emit(LowerKernel *m, const Product *p, const Shape *s, const Blocks *b, Packed packed) {
  Nest n = {.m = m, .p = p, .s = s, .b = b, .pack = -1, .sums = -1, .packed = packed};
  n.rs = product_row_view(p, s), n.ls = product_lane_view(p, s);
  n.rk = product_row_term(p, s), n.lk = product_lane_term(p, s);
  int64_t r = p->ext[s->row], taken = s->more * (s->rows + 1), full = (r - taken) / s->rows;
  add_rows(&n, s->rows + 1, 0, s->more);
  add_rows(&n, s->rows, taken, full);
  if (taken + full * s->rows < r) BUG(m->lo->arena->mem, "lower: rows of a product are left over");
  add_cols(&n, p->ext[s->lane], 16 * s->nv);
  int64_t l = p->ext[s->lane], nr = 16 * s->nv;
  product_packed_steps(p, n.rs, r, n.row_step);
  product_packed_steps(p, n.ls, l / nr * nr + lower_padded(l % nr), n.lane_step);
  bool one = b->rows == 0; /* all rows in one block */
  int64_t high = 0, all = 0, wide = 0, widest = 0;
  for (int i = 0; i < n.rows_n; i++) {
    all += block_rows(&n.rows[i]);
    if (block_rows(&n.rows[i]) > high) high = block_rows(&n.rows[i]);
  }
  for (int i = 0; i < n.cols_n; i++) {
    if (n.cols[i].cols * n.cols[i].panels > wide) wide = n.cols[i].cols * n.cols[i].panels;
    if (n.cols[i].cols > widest) widest = n.cols[i].cols;
  }
  if (b->pack) n.pack = lower_kernel_scratch(m, STR("panel"), p->type, b->kc * widest);
  if (b->nkb > 1) n.sums = lower_kernel_scratch(m, STR("sums"), p->type, (one ? all : high) * wide);
  for (int j = 0; j < n.cols_n; j++) {
    if (one) {
      unit_emit(&n, n.rows, n.rows_n, &n.cols[j]);
      continue;
    }
    for (int i = 0; i < n.rows_n; i++) unit_emit(&n, &n.rows[i], 1, &n.cols[j]);
  }
}
