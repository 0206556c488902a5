/* Roles, register tiles and blocks of products, by counting cycles and bytes of cache. Which axis is
 * broadcast from memory and which lies in the lanes, how high and wide a tile is, how much of the operands is
 * met at a time: none of it changes an element's chain. */
#include "passes/lower/product.h"

/* Cycles per k of all tiles: products at two a cycle, loads at two a cycle, four cycles of latency. */
static double tile_cycles(int rows, int vectors, int side) {
  double f = rows * vectors * side / 2.0, l = (rows + vectors * side) / 2.0;
  return (f > l ? f : l) < 4 ? 4.5 : (f > l ? f : l) + 0.5;
}

/* `side`: tiles that share the loads of the row operand. */
static double panel_cycles(int64_t r, int nv, int v, int side, int most, int *rows, int64_t *more) {
  int64_t blocks = ceil_div(r, most), base = r / blocks;
  *rows = (int)base;
  *more = r % blocks;
  double c = (double)(blocks - *more) * tile_cycles((int)base, nv * v, side);
  if (*more) c += (double)*more * tile_cycles((int)base + 1, nv * v, side);
  return c * (*more ? 1.02 : 1);
}

double lower_tile_shape(LowerCx *lo, DType t, int64_t r, int64_t l, int side, int widest, int *rows,
                        int64_t *more, int *best_nv) {
  int v = 16 * (int)dtype_bytes(t) / lo->opt.vector_bytes, regs = lo->opt.vector_bytes == 64 ? 32 : 16;
  double best = 1e300;
  for (int nv = 1; nv <= widest; nv++) {
    int most = (regs - 1 - side * nv * v) / (side * nv * v);
    if (most < 1 || (nv > 1 && l <= 16 * (nv - 1))) continue;
    for (int mr = most > 30 ? 30 : most; mr >= 1 && mr >= most - 8; mr--) {
      int64_t full = l / (16 * nv), rest = l % (16 * nv), m, none;
      int h, unused;
      double c = (double)full * panel_cycles(r, nv, v, side, mr, &h, &m);
      if (rest)
        c += 1.02 *
             panel_cycles(r, (int)ceil_div(rest, 16), v, side, mr, full ? &unused : &h, full ? &none : &m);
      if (c >= best) continue;
      best = c;
      *rows = h;
      *more = m;
      *best_nv = nv;
    }
  }
  return best;
}

/* ---- roles ---- */

static int64_t bytes(const Product *p, int64_t elements) { return elements * (int64_t)dtype_bytes(p->type); }
/* Lanes that are no neighbours in memory: they must be packed. */
static bool scattered(const Product *p, const Shape *s) {
  return product_lane_view(p, s)->at.c[s->lane] != 1 && p->ext[s->lane] > 1;
}

/* Cycles to pack the lane operand: contiguous vectors are copied, others transposed in registers or gathered.
 */
static double pack_cycles(const Product *p, const Shape *s) {
  double vectors = (double)bytes(p, p->ext[s->lane] * p->k) / p->lo->opt.vector_bytes;
  return vectors * (!scattered(p, s) ? 1.5 : product_lane_term(p, s) == 1 ? 6 : 16);
}

/* Cycles a term and tile for reading the rows where they are neighbours in memory and terms are apart: a line
 * of its own for every term, lines of few sets where the distance is a power of two. */
static double walk_cycles(const Product *p, const Shape *s) {
  int64_t step = product_row_term(p, s);
  return step == 1 || p->k <= 32 ? 0 : bytes(p, step) % 2048 == 0 ? 4 : 1;
}

enum { FEW = 4 }; /* terms or rows: what memory gives is the limit, and it gives most along lines */

/* What the epilogue reads and writes with lanes that are no neighbours: an element at a time. */
static int strided(const Product *p, int lane) {
  int n = 0;
  for (int i = 0; i < p->gb.nsrc; i++)
    n += p->gb.src[i].kind == VIEW_MEMORY && p->gb.src[i].at.c[lane] != 0 && p->gb.src[i].at.c[lane] != 1;
  for (int i = 0; i < p->gb.nout; i++) n += p->gb.dst[i].at.c[lane] != 1;
  return n;
}

static void consider(const Product *p, bool swapped, Shape *best) {
  Shape s = {.row = swapped ? p->rank - 1 : p->rank - 2, .lane = swapped ? p->rank - 2 : p->rank - 1};
  int64_t l = p->ext[s.lane], r = p->ext[s.row];
  double k = (double)p->k;
  s.cycles = k * lower_tile_shape(p->lo, p->type, r, l, 1, r < 8 ? WIDEST : 3, &s.rows, &s.more, &s.nv);
  if (scattered(p, &s)) s.cycles += pack_cycles(p, &s);
  s.cycles += k * walk_cycles(p, &s) * (double)(ceil_div(r, s.rows) * ceil_div(l, 16 * s.nv));
  if (p->ext[s.lane] > 1) s.cycles += (double)(l * r) * 0.3 * strided(p, s.lane);
  if (s.cycles < best->cycles) *best = s;
}

Shape product_shape(const Product *p) {
  Shape s = {.cycles = 1e300};
  consider(p, false, &s);
  consider(p, true, &s);
  return s;
}

/* ---- blocks ---- */

static int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

/* Whether a panel that the first-level cache would hold does not stay there in place: its lines meet in few
 * sets, which repeat after 4096 bytes on every CPU this runs on. */
static bool evicts_itself(const Product *p, const Shape *s) {
  enum { ROUND = 4096 };
  int64_t l1 = p->lo->opt.cache_l1, wide = bytes(p, 16 * s->nv), step = bytes(p, product_lane_term(p, s)),
          apart = at_most(step & -step, ROUND); /* places in a round */
  return apart > wide && p->k * wide <= l1 / 2 && p->k > l1 / apart;
}

/* Whether the lane operand is packed. Else a copy pays where panels are read again and their lines meet in
 * few sets of the cache, or the operand is large. */
static bool packs(const Product *p, const Shape *s) {
  const LowerOptions *o = &p->lo->opt;
  int64_t l = p->ext[s->lane], nr = 16 * s->nv, again = ceil_div(p->ext[s->row], s->rows);
  if (scattered(p, s) || o->block_pack == BLOCK_PACK_ALWAYS || o->block_pack == BLOCK_PACK_BEFORE ||
      o->block_pack == BLOCK_PACK_ONCE)
    return true;
  if (o->block_pack == BLOCK_PACK_NEVER || l <= nr || p->k <= FEW) return false;
  if (bytes(p, product_lane_term(p, s)) % 2048 == 0) return again >= 3;
  return again >= 8 && (evicts_itself(p, s) || bytes(p, l * p->k) > o->cache_l2 / 3);
}

/* Whether all panels are packed before, into the arena, once for all blocks of rows and all threads.
 * Transposing gains by that for one block too, copying from about two hundred rows on. */
static bool packs_once(const Product *p, const Shape *s, int64_t blocks) {
  const LowerOptions *o = &p->lo->opt;
  int64_t r = p->ext[s->row], l2 = o->cache_l2, n = bytes(p, p->ext[s->lane] * p->k);
  if (o->block_pack != BLOCK_PACK_AUTO) return o->block_pack == BLOCK_PACK_ONCE;
  for (int i = 0; i < p->rank - 2; i++)
    if (product_lane_view(p, s)->at.c[i]) n *= p->ext[i];
  if (n < l2 / 16 || n > 32 * l2) return false;
  return blocks > 1 || (scattered(p, s) ? r >= 32 : r >= 192 && n > (s->nv == 1 ? l2 : 2 * l2));
}

static bool packs_rows(const Product *p, const Shape *s) {
  const LowerOptions *o = &p->lo->opt;
  if (product_row_view(p, s)->at.c[s->row] != 1 || product_row_term(p, s) == 1 || p->ext[s->row] <= s->rows)
    return false;
  if (o->block_pack != BLOCK_PACK_AUTO) return o->block_pack != BLOCK_PACK_NEVER;
  return p->k >= 64 && p->ext[s->lane] >= 64 * s->nv;
}

enum { LONGEST = 8192 }; /* terms of a panel: pieces of a very long chain are read in place */
enum { UNITS = 8 };      /* enough for two threads to end at about the same time */

static int64_t whole_panels(const Product *p, const Shape *s) {
  return at_least(p->ext[s->lane] / (16 * s->nv), 1);
}

int64_t product_thin_terms(const Product *p, const Shape *s) {
  enum { ROWS = 31 };
  const LowerOptions *o = &p->lo->opt;
  int64_t r = p->ext[s->row], terms = r <= 8 ? 16 : 32;
  for (int i = 0; i < p->rank - 2; i++)
    if (p->ext[i] > 1) return 0;
  if (scattered(p, s) || r > ROWS || whole_panels(p, s) < 2 || p->k < 2 * terms || p->order.chunks > 1)
    return 0;
  if (o->block_pack != BLOCK_PACK_AUTO || o->block_terms) return 0;
  return bytes(p, p->ext[s->lane] * p->k) > o->cache_l2 / 2 ? terms : 0;
}

/* Blocks of terms so that a panel stays in the second-level cache beside the rows it meets. */
static void block_terms(const Product *p, const Shape *s, Blocks *b) {
  const LowerOptions *o = &p->lo->opt;
  int64_t nr = 16 * s->nv, r = p->ext[s->row], panels = whole_panels(p, s);
  int64_t most = o->block_terms ? o->block_terms : at_least(o->cache_l2 / 8 / bytes(p, nr), 256);
  b->kc = p->order.chunks > 1 ? p->order.chunk : p->k;
  b->nkb = p->order.chunks;
  b->panels = 1;
  if (p->order.chunks > 1) return;
  /* A few rows times a large matrix: its lines are read in the order of memory, so all columns of a few
   * terms. */
  bool thin =
      !scattered(p, s) && r <= FEW && panels >= 2 && bytes(p, p->ext[s->lane] * p->k) > o->cache_l2 / 2;
  if (thin && !o->block_terms) most = 16;
  /* Lanes that are transposed for a few rows only: the panel does not leave the first-level cache. */
  if (scattered(p, s) && r <= 2 * FEW && !o->block_terms) most = at_least(o->cache_l1 / 3 / bytes(p, nr), 32);
  if (p->k <= most) return;
  b->kc = ceil_div(p->k, ceil_div(p->k, most));
  b->nkb = ceil_div(p->k, b->kc);
  /* What the rows read is then read again for each block of columns: fewer of them where it is large. */
  if (thin)
    b->panels = at_least(panels / UNITS, 1);
  else if (bytes(p, r * p->k) > 2 * o->cache_l2)
    b->panels = at_least(at_most(panels / 4, o->cache_l2 / 4 / bytes(p, r * nr)), 1);
}

/* Panels of one vector of 16 are so narrow that a block of terms stays in the first-level cache: worth it
 * where a panel is packed once, for all blocks of rows or for the only one. all: there is one block of rows.
 */
static bool is_narrow(const Product *p, const Shape *s, const Blocks *b, bool all) {
  const LowerOptions *o = &p->lo->opt;
  bool once = b->pack_lanes || (b->in_passing && all && p->ext[s->row] >= 64);
  return once && s->nv == 1 && !o->block_terms && p->order.chunks == 1 && p->rank <= 5 &&
         bytes(p, p->k * 16) > o->cache_l1 / 2;
}

/* Returns the rows of a block. Few, since rows that are a power of two apart share an eighth of the
 * second-level cache. */
static int64_t block_narrow(const Product *p, const Shape *s, Blocks *b) {
  const LowerOptions *o = &p->lo->opt;
  int64_t term = bytes(p, 16 * s->nv), blocks = ceil_div(p->k, at_least(o->cache_l1 / 3 / term, 1));
  b->kc = ceil_div(p->k, blocks);
  b->nkb = ceil_div(p->k, b->kc);
  return at_least(o->cache_l2 / 16 / bytes(p, b->kc), 8 * s->rows);
}

/* Rows, so that they stay in the cache while panels pass. */
static int64_t most_rows(const Product *p, const Shape *s, const Blocks *b, int64_t batch) {
  int64_t most = at_least(p->lo->opt.cache_l2 / 2 / bytes(p, b->kc), 8 * s->rows),
          panels = whole_panels(p, s);
  if (batch * panels < UNITS) most = at_most(most, at_least(ceil_div(p->ext[s->row], UNITS), 64));
  if (p->k <= FEW && panels > 1) most = s->rows; /* the result is written in the order of memory */
  return most;
}

Blocks product_blocks(const Product *p, const Shape *s) {
  const LowerOptions *o = &p->lo->opt;
  int64_t nr = 16 * s->nv, r = p->ext[s->row], batch = 1, panels = whole_panels(p, s);
  for (int i = 0; i < p->rank - 2; i++) batch *= p->ext[i];
  Blocks b = {0};
  block_terms(p, s, &b);
  int64_t most = o->block_rows ? o->block_rows : most_rows(p, s, &b, batch);
  bool all = p->rank > 5 || r <= most + most / 4, pack = packs(p, s) && b.kc <= LONGEST;
  b.pack_rows = packs_rows(p, s);
  b.pack_lanes = pack && packs_once(p, s, all ? 1 : ceil_div(r, most));
  b.pack = pack && !b.pack_lanes;
  b.in_passing = b.pack && !scattered(p, s) && o->block_pack != BLOCK_PACK_BEFORE &&
                 ((all ? r : most) <= 512 || o->block_pack == BLOCK_PACK_ALWAYS);
  int64_t sums = o->cache_l2 / 2;
  if (is_narrow(p, s, &b, all)) {
    int64_t few = block_narrow(p, s, &b);
    if (b.in_passing) return b;
    if (!o->block_rows) most = few;
    sums = o->cache_l2 / 16;
    all = r <= most + most / 4;
  } else if (all)
    return b;
  if (!all) b.rows = most;
  b.by_rows = !all && (r / most >= UNITS || panels < UNITS);
  b.panels = at_least(at_most(sums / bytes(p, most * nr), b.by_rows ? panels : panels / UNITS), 1);
  if (b.nkb == 1) b.panels = 1; /* one block of rows sweeps over all panels of a thread */
  return b;
}
