/* The row operand of a product whose rows are neighbours in memory and whose terms are apart, rearranged once
 * so that a tile reads one stream; and the loops around units. */
#include "passes/lower/product.h"

int product_longest(const UnitLoop *loop, int n) {
  int at = 0;
  for (int i = 1; i < n; i++)
    if (loop[i].trips > loop[at].trips) at = i;
  return at;
}

void product_loops(LowerKernel *m, Coord *c, const UnitLoop *loop, int n, int par) {
  for (int q = 0; q < n; q++) {
    int i = q == 0 ? par : q <= par ? q - 1 : q;
    int v = kernel_loop(&m->b,
                        q == 0                              ? LOOP_PAR
                        : q == 1 && n == 2 && loop[i].sweep ? LOOP_SWEEP
                                                            : LOOP_SEQ,
                        loop[i].trips, 1);
    c->at[loop[i].axis] = affine_add(c->at[loop[i].axis], v, loop[i].step);
  }
}

void product_row_steps(const Product *p, const View *rs, int64_t rows, int64_t *step) {
  int64_t n = rows * p->k;
  for (int i = p->rank - 2; i-- > 0;) {
    step[i] = rs->at.c[i] ? n : 0;
    if (rs->at.c[i]) n *= p->ext[i];
  }
}

typedef struct RowPack {
  const Product *p;
  const View *rs;
  int lane; /* the axis that does not move the operand; it counts terms here */
  int64_t rk, step[MAX_RANK];
  uint32_t from, to;
} RowPack;

enum {
  DEEP = 16
}; /* terms a block: as many lines are read side by side, and each is used up before it goes */

/* A tile's rows for `terms` terms. c stands at the first row and, on the lane axis, at the first term. */
static void pack_rows_body(LowerKernel *m, const RowPack *w, const Coord *c, int height, int64_t terms) {
  KernelBuilder *b = &m->b;
  const Product *p = w->p;
  int cols = (height + 15) / 16 * 16, v = kernel_loop(b, LOOP_SEQ, terms, 4);
  int tile = kernel_tile(b, STR("t"), p->type, 1, cols);
  Affine k = affine_add(c->at[w->lane], v, 1);
  Access from = coord_access(c, lower_kernel_in(m, w->from), w->rs, p->type);
  from.at.a = affine_sum(from.at.a, k, w->rk);
  from.at.c = w->rs->at.c[c->row];
  from.at.r = 0;
  Affine a = affine_sum(affine_sum(affine(0), c->at[c->row], p->k), k, height);
  for (int i = 0; i < p->rank - 2; i++) a = affine_sum(a, c->at[i], w->step[i]);
  Access to = access_at(lower_kernel_out(m, w->to), a, 0, 1);
  if (height % 16) {
    from = access_guard(access_pad(from, p->type, 0), affine(0), 0, 1, height);
    to = access_guard(to, affine(0), 0, 1, height);
  }
  kernel_load(b, tile, from);
  kernel_store(b, tile, to);
  kernel_end(b);
}

/* Blocks of terms outside, tiles inside: the operand is read in the order of memory. */
static void pack_rows_run(LowerKernel *m, const RowPack *w, int row, int height, int64_t start, int64_t tiles,
                          bool rest) {
  const Product *p = w->p;
  Coord c = {.rank = p->rank, .row = row, .lane = -1, .rows = 1, .cols = 1};
  UnitLoop loop[MAX_RANK];
  int n = 0;
  int64_t blocks = rest ? p->k % DEEP != 0 : p->k / DEEP;
  if (tiles == 0 || blocks == 0) return;
  for (int i = 0; i < p->rank; i++) c.at[i] = affine(i == row ? start : 0);
  if (rest) c.at[w->lane] = affine(p->k / DEEP * DEEP);
  for (int i = 0; i < p->rank - 2; i++)
    if (w->rs->at.c[i] && p->ext[i] > 1) loop[n++] = (UnitLoop){i, p->ext[i], 1, false};
  loop[n++] = (UnitLoop){w->lane, blocks, DEEP, false};
  int par = product_longest(loop, n);
  if (tiles > 1) loop[n++] = (UnitLoop){row, tiles, height, false};
  product_loops(m, &c, loop, n, par);
  pack_rows_body(m, w, &c, height, rest ? p->k % DEEP : DEEP);
  for (int i = 0; i < n; i++) kernel_end(&m->b);
}

uint32_t product_pack_rows(const Product *p, NodeId node, const Shape *s) {
  bool straight = s->row == p->rank - 2;
  RowPack w = {.p = p, .rs = straight ? &p->x : &p->y, .lane = s->lane, .rk = straight ? p->xk : p->yk};
  int64_t r = p->ext[s->row], taken = s->more * (s->rows + 1), n = r * p->k;
  product_row_steps(p, w.rs, r, w.step);
  for (int i = 0; i < p->rank - 2; i++)
    if (w.rs->at.c[i]) n *= p->ext[i];
  w.from = plan_buffer_source(p->lo, w.rs);
  w.to = plan_buffer_temp(p->lo, p->type, n);
  LowerKernel m;
  lower_kernel_begin(&m, p->lo, node, "pack");
  for (int rest = 0; rest < 2; rest++) {
    pack_rows_run(&m, &w, s->row, s->rows + 1, 0, s->more, rest);
    pack_rows_run(&m, &w, s->row, s->rows, taken, (r - taken) / s->rows, rest);
  }
  m.cost_ns = (double)n / s->rows * 1.5;
  lower_kernel_end(&m);
  return w.to;
}
