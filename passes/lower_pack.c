/* The row operand of a product whose rows are neighbours in memory and whose terms are apart, rearranged
 * once so that a tile reads one stream; and the loops around units. */
#include "passes/lower_product.h"

int product_longest(const UnitLoop *loop, int n) {
  int at = 0;
  for (int i = 1; i < n; i++)
    if (loop[i].trips > loop[at].trips) at = i;
  return at;
}

void product_loops(Making *m, Coord *c, const UnitLoop *loop, int n, int par) {
  for (int q = 0; q < n; q++) {
    int i = q == 0 ? par : q <= par ? q - 1 : q;
    int v = kernel_loop(&m->b, q == 0 ? LOOP_PAR : LOOP_SEQ, loop[i].trips, 1);
    c->at[loop[i].axis] = affine_add(c->at[loop[i].axis], v, loop[i].step);
  }
}

void product_row_steps(const Product *p, const Feed *rs, int64_t rows, int64_t *step) {
  int64_t n = rows * p->k;
  for (int i = p->rank - 2; i-- > 0;) {
    step[i] = rs->at.c[i] ? n : 0;
    if (rs->at.c[i]) n *= p->ext[i];
  }
}

typedef struct RowPack {
  const Product *p;
  const Feed *rs;
  int64_t rk, step[MAX_RANK];
  uint32_t from, to;
} RowPack;

/* c: a tile of one row of the copy's space, whose row axis counts tiles' first rows; its terms are
 * walked. */
static void pack_rows_body(Making *m, const RowPack *w, const Coord *c, int height) {
  KernelBuilder *b = &m->b;
  const Product *p = w->p;
  int cols = (height + 15) / 16 * 16, v = kernel_loop(b, LOOP_SEQ, p->k, 4);
  int tile = kernel_tile(b, STR("t"), p->type, 1, cols);
  Access from = coord_access(c, making_in(m, w->from), w->rs, p->type);
  from.at.a = affine_add(from.at.a, v, w->rk);
  from.at.c = w->rs->at.c[c->row];
  from.at.r = 0;
  Affine a = affine_add(affine_sum(affine(0), c->at[c->row], p->k), v, height);
  for (int i = 0; i < p->rank - 2; i++) a = affine_sum(a, c->at[i], w->step[i]);
  Access to = access_at(making_out(m, w->to), a, 0, 1);
  if (height % 16) {
    from = access_guard(access_pad(from, p->type, 0), affine(0), 0, 1, height);
    to = access_guard(to, affine(0), 0, 1, height);
  }
  kernel_load(b, tile, from);
  kernel_store(b, tile, to);
  kernel_end(b);
}

static void pack_rows_run(Making *m, const RowPack *w, int row, int height, int64_t start, int64_t tiles) {
  const Product *p = w->p;
  Coord c = {.rank = p->rank, .row = row, .lane = -1, .rows = 1, .cols = 1};
  UnitLoop loop[MAX_RANK];
  int n = 0;
  if (tiles == 0) return;
  for (int i = 0; i < p->rank; i++) c.at[i] = affine(i == row ? start : 0);
  for (int i = 0; i < p->rank - 2; i++)
    if (w->rs->at.c[i] && p->ext[i] > 1) loop[n++] = (UnitLoop){i, p->ext[i], 1};
  loop[n++] = (UnitLoop){row, tiles, height};
  product_loops(m, &c, loop, n, product_longest(loop, n));
  pack_rows_body(m, w, &c, height);
  for (int i = 0; i < n; i++) kernel_end(&m->b);
}

uint32_t product_pack_rows(const Product *p, NodeId node, const Shape *s) {
  bool straight = s->row == p->rank - 2;
  RowPack w = {.p = p, .rs = straight ? &p->x : &p->y, .rk = straight ? p->xk : p->yk};
  int64_t r = p->ext[s->row], taken = s->more * (s->rows + 1), n = r * p->k;
  product_row_steps(p, w.rs, r, w.step);
  for (int i = 0; i < p->rank - 2; i++)
    if (w.rs->at.c[i]) n *= p->ext[i];
  w.from = plan_buffer_source(p->lo, w.rs);
  w.to = plan_buffer_temp(p->lo, p->type, n);
  Making m;
  making_begin(&m, p->lo, node, "pack");
  pack_rows_run(&m, &w, s->row, s->rows + 1, 0, s->more);
  pack_rows_run(&m, &w, s->row, s->rows, taken, (r - taken) / s->rows);
  m.cost_ns = (double)n / s->rows * 1.5;
  making_end(&m);
  return w.to;
}
