/* Products: what is read, which roles and register tiles, how they are blocked. Roles (which axis is
 * broadcast from memory, which lies in the lanes), tiles and blocks are chosen by counting cycles and cache
 * bytes; none of it changes an element's chain. The kernels themselves: lower_product.c, lower_dot.c. */
#include "passes/lower_product.h"

/* Operand in the output's space. `own` is its position among M (0) and N (1). */
static Feed operand(LowerCx *lo, NodeId n, int rank, bool swapped, int own, int64_t *k_step) {
  Feed s = lower_memory(lo, n);
  int64_t outer = s.at.c[rank - 2], inner = s.at.c[rank - 1];
  /* x is [M, K], or [K, M] when swapped; y is [K, N], or [N, K] when swapped */
  int64_t mine = (own == 0) != swapped ? outer : inner;
  *k_step = (own == 0) != swapped ? inner : outer;
  s.at.c[rank - 2] = own == 0 ? mine : 0;
  s.at.c[rank - 1] = own == 1 ? mine : 0;
  return s;
}

/* ---- fewer axes ---- */

static bool as_one(const Feed *s, int i, int64_t ext) { /* axes i and i + 1, the second of this extent */
  bool one = s->at.c[i] == s->at.c[i + 1] * ext;
  for (int g = 0; g < s->nguard; g++) one &= s->guard[g].at.c[i] == s->guard[g].at.c[i + 1] * ext;
  return one;
}

/* Drops axis i of the linear form. */
static void drop(Lin *l, int i, int rank) {
  for (int j = i; j + 1 < rank; j++) l->c[j] = l->c[j + 1];
  l->c[rank - 1] = 0;
}

static void feed_drop(Feed *s, int i, int rank) {
  drop(&s->at, i, rank);
  for (int g = 0; g < s->nguard; g++) drop(&s->guard[g].at, i, rank);
}

/* Batch axes that everything steps through as one become one, and one with the rows where the right operand
 * is the same for the whole batch. */
static void merge_axes(Product *p) {
  Feed *all[SCALAR_IN + SCALAR_OUT + 2] = {&p->x, &p->y};
  int n = 2;
  for (int i = 0; i < p->gb.nsrc; i++) all[n++] = &p->gb.src[i];
  for (int i = 0; i < p->gb.nout; i++) all[n++] = &p->gb.dst[i];
  for (int i = p->rank - 3; i >= 0; i--) {
    bool last = i + 1 == p->rank - 2, first_one = p->ext[i] == 1, second_one = p->ext[i + 1] == 1;
    bool one =
        first_one || !last || p->y.at.c[i] == 0; /* rows are what the right operand does not step along */
    for (int j = 0; j < n; j++) one &= first_one || second_one || as_one(all[j], i, p->ext[i + 1]);
    if (!one) continue;
    for (int j = 0; j < n; j++) feed_drop(all[j], second_one ? i + 1 : i, p->rank);
    p->ext[i + 1] *= p->ext[i];
    for (int j = i; j + 1 < p->rank; j++) p->ext[j] = p->ext[j + 1];
    p->rank--;
  }
}

/* ---- choosing ---- */

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

double lower_tile_shape(LowerCx *lo, DType t, int64_t r, int64_t l, int side, int *rows, int64_t *more,
                        int *best_nv) {
  int v = 16 * (int)dtype_bytes(t) / lo->opt.vector_bytes, regs = lo->opt.vector_bytes == 64 ? 32 : 16;
  double best = 1e300;
  for (int nv = 1; nv <= 3; nv++) {
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

static int64_t bytes(const Product *p, int64_t elements) { return elements * (int64_t)dtype_bytes(p->type); }

/* Cycles to pack n elements: contiguous vectors are copied, others transposed in registers or gathered. */
static double pack_cycles(const Product *p, const Feed *lanes, int lane, int64_t k_step, int64_t n) {
  double vectors = (double)bytes(p, n) / p->lo->opt.vector_bytes;
  return vectors * (lanes->at.c[lane] == 1 ? 1.5 : k_step == 1 ? 6 : 16);
}

/* Cycles a term and tile for reading the rows where they are neighbours in memory and terms are apart: a line
 * of its own for every term, lines of few sets where the distance is a power of two. */
static double walk_cycles(const Product *p, int64_t k_step) {
  return k_step == 1 || p->k <= 32 ? 0 : bytes(p, k_step) % 2048 == 0 ? 4 : 1;
}

static void consider(const Product *p, bool swapped, Shape *best) {
  Shape s = {.row = swapped ? p->rank - 1 : p->rank - 2, .lane = swapped ? p->rank - 2 : p->rank - 1};
  int64_t l = p->ext[s.lane], r = p->ext[s.row];
  const Feed *ls = swapped ? &p->x : &p->y;
  double k = (double)p->k;
  s.cycles = k * lower_tile_shape(p->lo, p->type, r, l, 1, &s.rows, &s.more, &s.nv);
  if (ls->at.c[s.lane] != 1 && l > 1)
    s.cycles += pack_cycles(p, ls, s.lane, swapped ? p->xk : p->yk, l * p->k);
  s.cycles +=
      k * walk_cycles(p, swapped ? p->yk : p->xk) * (double)(ceil_div(r, s.rows) * ceil_div(l, 16 * s.nv));
  if (swapped) s.cycles += (double)(l * r) * 0.3;
  if (s.cycles < best->cycles) *best = s;
}

static int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

/* Whether the lane operand is packed. Lanes that are no neighbours always are. Else a copy pays where panels
 * are read again and their lines meet in few sets of the cache, or the operand is large. */
static bool packs(const Product *p, const Shape *s) {
  const LowerOptions *o = &p->lo->opt;
  bool last = s->lane == p->rank - 1;
  int64_t l = p->ext[s->lane], nr = 16 * s->nv, step = bytes(p, last ? p->yk : p->xk),
          again = ceil_div(p->ext[s->row], s->rows);
  if ((last ? &p->y : &p->x)->at.c[s->lane] != 1 && l > 1) return true;
  if (o->block_pack == BLOCK_PACK_NEVER || l <= nr) return false;
  if (step % 2048 == 0) return again >= 3;
  return again >= 8 && bytes(p, l * p->k) > o->cache_l2 / 3;
}

enum { LONGEST = 8192 }; /* terms of a panel: pieces of a very long chain are read in place */
enum { UNITS = 8 };      /* enough for two threads to end at about the same time */

/* Blocks of terms so that a panel stays in the second-level cache beside the block of rows it meets; blocks
 * of rows so that they stay there while panels pass. */
Blocks product_blocks(const Product *p, const Shape *s) {
  const LowerOptions *o = &p->lo->opt;
  int64_t nr = 16 * s->nv, l = p->ext[s->lane], r = p->ext[s->row], batch = 1;
  int64_t kmost = o->block_terms ? o->block_terms : at_least(o->cache_l2 / 8 / bytes(p, nr), 256);
  Blocks b = {.nkb = p->order.chunks, .kc = p->order.chunks > 1 ? p->order.chunk : p->k, .panels = 1};
  for (int i = 0; i < p->rank - 2; i++) batch *= p->ext[i];
  if (p->order.chunks == 1 && p->k > kmost) {
    b.kc = ceil_div(p->k, ceil_div(p->k, kmost));
    b.nkb = ceil_div(p->k, b.kc);
  }
  b.pack = (o->block_pack == BLOCK_PACK_ALWAYS || packs(p, s)) && b.kc <= LONGEST;
  /* rows */
  int64_t most = at_least(o->cache_l2 / 2 / bytes(p, b.kc), 8 * s->rows), panels = at_least(l / nr, 1);
  if (batch * panels < UNITS) most = at_most(most, at_least(ceil_div(r, UNITS), 64));
  if (o->block_rows) most = o->block_rows;
  if (p->rank > 5 || r <= most + most / 4) return b;
  b.rows = most;
  b.by_rows = r / most >= UNITS || panels < UNITS;
  b.panels = at_least(at_most(o->cache_l2 / 2 / bytes(p, most * nr), b.by_rows ? panels : panels / UNITS), 1);
  if (b.nkb == 1 && b.by_rows) b.panels = 1;
  return b;
}

static double product_lower(Making *m, const Product *p) {
  Shape s = {.cycles = 1e300};
  consider(p, false, &s);
  consider(p, true, &s);
  Blocks b = product_blocks(p, &s);
  product_emit(m, p, &s, &b);
  double batch = 1;
  for (int i = 0; i < p->rank - 2; i++) batch *= (double)p->ext[i];
  return s.cycles * batch;
}

void lower_CONTRACT(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, xn = graph_in(lo->g, n)[0], yn = graph_in(lo->g, n)[1];
  const Node *d = graph_node(lo->g, n);
  const int64_t *attr = graph_attr(lo->g, n);
  Product p = {.lo = lo, .type = (DType)d->type.dtype, .rank = d->type.rank};
  memcpy(p.ext, lo->ext[n.i], sizeof p.ext);
  p.x = operand(lo, xn, p.rank, attr[0], 0, &p.xk);
  p.y = operand(lo, yn, p.rank, attr[1], 1, &p.yk);
  p.k = lo->ext[xn.i][attr[0] ? p.rank - 2 : p.rank - 1];
  p.order = order_contract(p.ext[p.rank - 2], p.ext[p.rank - 1], p.k, attr[0], attr[1]);
  group_body(lo, gr, &p.gb);
  merge_axes(&p);
  Making m;
  double cycles, count = (double)lo->count[n.i];
  making_begin(&m, lo, n, p.order.kind == ORDER_LANES16 ? "dot" : "product");
  if (p.order.kind == ORDER_LANES16) {
    dot_emit(&m, &p);
    cycles = count * (double)p.k / 8;
  } else {
    cycles = product_lower(&m, &p);
  }
  m.flops = 2.0 * count * (double)p.k;
  m.cost_ns = cycles / 2.6 + count * (p.gb.program->nins + 1) / 60;
  making_end(&m);
}
