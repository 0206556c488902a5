/* Operands of products, rearranged so that a tile reads streams: panels of the lane operand, in scratch or
 * once for all in the arena; the row operand whose rows are neighbours in memory and whose terms are apart.
 * And the loops around units. */
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

void product_packed_steps(const Product *p, const View *v, int64_t extent, int64_t *step) {
  int64_t n = extent * p->k;
  for (int i = p->rank - 2; i-- > 0;) {
    step[i] = v->at.c[i] ? n : 0;
    if (v->at.c[i]) n *= p->ext[i];
  }
}

/* Elements of a packed operand, all batches. */
static int64_t packed_elements(const Product *p, const View *v, int64_t extent) {
  int64_t n = extent * p->k;
  for (int i = 0; i < p->rank - 2; i++)
    if (v->at.c[i]) n *= p->ext[i];
  return n;
}

/* Ends a kernel that packs `from`; returns where to. Products of one operand have it packed once, where
 * nothing writes it anew and little is between them. */
static uint32_t pack_end(LowerKernel *m, uint32_t from, uint32_t to) {
  LowerCx *lo = m->lo;
  KernelId id = kernel_id(m->b.kernel);
  bool fixed = lo->plan->buffer.at[from].place == PLACE_ARENA;
  for (int i = 0; fixed && i < LOWER_PACKS; i++) {
    const LowerPack *p = &lo->pack[i];
    if (p->from != from + 1 || !kernel_id_eq(p->id, id) || to + 1 != lo->plan->buffer.n) continue;
    lo->plan->buffer.n--; /* nobody's */
    return p->to;
  }
  lower_kernel_end(m);
  if (fixed) lo->pack[lo->npack++ % LOWER_PACKS] = (LowerPack){from + 1, to, id};
  return to;
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
  int cols = (int)lower_padded(height), v = kernel_loop(b, LOOP_SEQ, terms, 4);
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
  RowPack w = {.p = p, .rs = product_row_view(p, s), .lane = s->lane, .rk = product_row_term(p, s)};
  int64_t r = p->ext[s->row], taken = s->more * (s->rows + 1), n = packed_elements(p, w.rs, r);
  product_packed_steps(p, w.rs, r, w.step);
  w.from = plan_buffer_source(p->lo, w.rs);
  w.to = plan_buffer_temp(p->lo, p->type, n);
  LowerKernel m;
  lower_kernel_begin(&m, p->lo, node, "pack");
  for (int rest = 0; rest < 2; rest++) {
    pack_rows_run(&m, &w, s->row, s->rows + 1, 0, s->more, rest);
    pack_rows_run(&m, &w, s->row, s->rows, taken, (r - taken) / s->rows, rest);
  }
  m.cost_ns = (double)n / s->rows * 1.5;
  return pack_end(&m, w.from, w.to);
}

/* ---- the lane operand ---- */

/* One tile of `rows` terms and c->cols (or 16) lanes. */
static void pack_tile(LowerKernel *m, const Product *p, const Shape *s, const Coord *c, Affine k, int rows,
                      int cols, Access to) {
  const View *v = product_lane_view(p, s);
  int64_t term = product_lane_term(p, s);
  int tile = kernel_tile(&m->b, STR("p"), p->type, rows, cols);
  Coord at = *c;
  at.rows = 1;
  Access from = product_access(p, &at, lower_kernel_in(m, plan_buffer_source(m->lo, v)), v, k, term);
  from.at.r = term;
  kernel_load(&m->b, tile, from);
  kernel_store(&m->b, tile, to);
}

void product_pack_panel(LowerKernel *m, const Product *p, const Shape *s, const Coord *c, Affine first,
                        int64_t terms, int buffer, Affine at) {
  KernelBuilder *b = &m->b;
  if (product_lane_view(p, s)->at.c[c->lane] == 1 || product_lane_term(p, s) != 1) {
    int v = kernel_loop(b, LOOP_SEQ, terms, 4);
    pack_tile(m, p, s, c, affine_add(first, v, 1), 1, c->cols,
              access_at(buffer, affine_add(at, v, c->cols), c->cols, 1));
    kernel_end(b);
    return;
  }
  /* neighbours along k: squares are transposed in registers */
  int high = 16;
  int64_t full = terms / high;
  for (int rest = 0; rest < 2; rest++) {
    int rows = rest ? (int)(terms % high) : high;
    if (rest ? rows == 0 : full == 0) continue;
    Affine k = affine_sum(first, affine(rest ? full * high : 0), 1),
           to = affine_sum(at, affine(rest ? full * high * c->cols : 0), 1);
    int w = kernel_loop(b, LOOP_SEQ, c->cols / 16, 1), v = kernel_loop(b, LOOP_SEQ, rest ? 1 : full, 1);
    Coord d = *c;
    d.at[c->lane] = affine_add(d.at[c->lane], w, 16);
    to = affine_add(affine_add(to, v, (int64_t)high * c->cols), w, 16);
    pack_tile(m, p, s, &d, affine_add(k, v, high), rows, 16, access_at(buffer, to, c->cols, 1));
    kernel_end(b);
    kernel_end(b);
  }
}

typedef struct LanePack {
  const Product *p;
  const Shape *s;
  int64_t step[MAX_RANK];
  uint32_t to;
} LanePack;

/* `panels` panels of `cols` columns from column `start` on; terms first .. first + blocks * terms - 1. */
static void pack_lanes_run(LowerKernel *m, const LanePack *w, int cols, int64_t start, int64_t panels,
                           int64_t first, int64_t blocks, int64_t terms) {
  const Product *p = w->p;
  const View *v = product_lane_view(p, w->s);
  int lane = w->s->lane, row = w->s->row;
  if (panels == 0 || blocks == 0) return;
  Coord c = {.rank = p->rank, .row = row, .lane = lane, .rows = 1, .cols = cols, .end = p->ext[lane]};
  c.tail = start + panels * cols > p->ext[lane];
  UnitLoop loop[MAX_RANK];
  int n = 0, par;
  for (int i = 0; i < p->rank; i++) c.at[i] = affine(i == lane ? start : 0);
  for (int i = 0; i < p->rank - 2; i++)
    if (v->at.c[i] && p->ext[i] > 1) loop[n++] = (UnitLoop){i, p->ext[i], 1, false};
  if (blocks > 1) loop[n++] = (UnitLoop){row, blocks, terms, false}; /* the row axis counts terms here */
  par = product_longest(loop, n);
  if (panels > 1 || n == 0) loop[n++] = (UnitLoop){lane, panels, cols, false};
  if (blocks == 1) par = product_longest(loop, n);
  product_loops(m, &c, loop, n, par);
  Affine k = affine_sum(affine(first), c.at[row], 1);
  Affine at = affine_sum(affine_sum(affine(0), c.at[lane], p->k), k, cols);
  for (int i = 0; i < p->rank - 2; i++) at = affine_sum(at, c.at[i], w->step[i]);
  product_pack_panel(m, p, w->s, &c, k, terms, lower_kernel_out(m, w->to), at);
  for (int i = 0; i < n; i++) kernel_end(&m->b);
}

/* Where lanes are neighbours: blocks of terms outside, panels inside, so that the operand is read in the
 * order of memory. Where terms are: panel after panel. */
uint32_t product_pack_lanes(const Product *p, NodeId node, const Shape *s) {
  const View *v = product_lane_view(p, s);
  int nr = 16 * s->nv;
  int64_t l = p->ext[s->lane], panels = l / nr, rest = l % nr, padded = panels * nr + lower_padded(rest);
  int64_t deep = v->at.c[s->lane] == 1 ? DEEP : p->k;
  LanePack w = {.p = p, .s = s};
  product_packed_steps(p, v, padded, w.step);
  int64_t n = packed_elements(p, v, padded);
  w.to = plan_buffer_temp(p->lo, p->type, n);
  LowerKernel m;
  lower_kernel_begin(&m, p->lo, node, "pack");
  for (int tail = 0; tail < 2; tail++) {
    int cols = tail ? (int)lower_padded(rest) : nr;
    int64_t start = tail ? panels * nr : 0, count = tail ? rest != 0 : panels, whole = p->k / deep;
    pack_lanes_run(&m, &w, cols, start, count, 0, whole, deep);
    pack_lanes_run(&m, &w, cols, start, count, whole * deep, p->k % deep != 0, p->k % deep);
  }
  m.cost_ns = (double)n / 16 * (deep == DEEP ? 2 : 4);
  return pack_end(&m, plan_buffer_source(p->lo, v), w.to);
}
