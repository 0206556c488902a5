/* Products: a register tile of sums per unit, one fma chain per element, then the group's epilogue. Roles
 * (which axis is broadcast from memory, which lies in the lanes) and tile sizes are chosen by counting; a
 * lane axis that strides through memory is transposed first by a copy of its own. */
#include "ir/order.h"
#include "passes/lower_internal.h"

typedef struct Product {
  LowerCx *lo;
  GroupBody gb;
  DType type;
  Order order;
  Feed x, y; /* in the output's space: batch axes, M, N; k apart */
  int64_t xk, yk, k;
  int rank;
} Product;

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

static Access stepped(const Product *p, const Coord *c, int buffer, const Feed *s, Affine k, int64_t step) {
  Access a = coord_access(c, buffer, s, p->type);
  a.at.a = affine_sum(a.at.a, k, step);
  return a;
}

/* acc = +0, then terms k0 .. k0 + n - 1 (k0 = base + var * chunk). */
static void chain(Making *m, const Product *p, const Coord *c, int acc, Affine base, int64_t n) {
  KernelBuilder *b = &m->b;
  const Feed *rs = c->row == p->rank - 2 ? &p->x : &p->y, *ls = c->row == p->rank - 2 ? &p->y : &p->x;
  int64_t rk = rs == &p->x ? p->xk : p->yk, lk = rs == &p->x ? p->yk : p->xk;
  int rb = making_in(m, plan_buffer_source(m->lo, rs)), lb = making_in(m, plan_buffer_source(m->lo, ls));
  int lanes = kernel_tile(b, STR("y"), p->type, 1, c->cols);
  kernel_fill(b, acc, 0);
  int v = kernel_loop(b, LOOP_SEQ, n, 1);
  Affine k = affine_add(base, v, 1);
  kernel_load(b, lanes, stepped(p, c, lb, ls, k, lk));
  KernelOperand src[3] = {operand_memory(b, c->rows, 1, stepped(p, c, rb, rs, k, rk)), operand_tile(b, lanes),
                          operand_tile(b, acc)};
  kernel_map1(b, program_fma(b->arena, p->type), acc, 3, src);
  kernel_end(b);
}

static void add_tile(Making *m, DType t, int total, int part) {
  KernelOperand src[2] = {operand_tile(&m->b, total), operand_tile(&m->b, part)};
  kernel_map1(&m->b, program_sum(m->b.arena, t), total, 2, src);
}

static void product_body(Making *m, const Coord *c, void *cx) {
  const Product *p = cx;
  KernelBuilder *b = &m->b;
  int acc = kernel_tile(b, STR("acc"), p->type, c->rows, c->cols);
  if (p->order.chunks == 1) {
    chain(m, p, c, acc, affine(0), p->k);
    group_emit(m, &p->gb, c, acc);
    return;
  }
  int total = kernel_tile(b, STR("total"), p->type, c->rows, c->cols);
  kernel_fill(b, total, 0);
  int64_t full = p->k / p->order.chunk, rest = p->k % p->order.chunk;
  int v = kernel_loop(b, LOOP_SEQ, full, 1);
  chain(m, p, c, acc, affine_add(affine(0), v, p->order.chunk), p->order.chunk);
  add_tile(m, p->type, total, acc);
  kernel_end(b);
  if (rest) {
    chain(m, p, c, acc, affine(full * p->order.chunk), rest);
    add_tile(m, p->type, total, acc);
  }
  group_emit(m, &p->gb, c, total);
}

/* ---- dot products: sixteen lanes along k ---- */
static void dot_part(Making *m, const Product *p, const Coord *c, int acc, Affine start, int64_t n) {
  KernelBuilder *b = &m->b;
  const Feed *s[2] = {&p->x, &p->y};
  int64_t step[2] = {p->xk, p->yk};
  for (int rest = 0; rest < 2; rest++) {
    int64_t trips = rest ? n % 16 != 0 : n / 16;
    if (!trips) continue;
    int v = kernel_loop(b, LOOP_SEQ, trips, 4);
    Affine k = affine_add(affine_sum(start, affine(rest ? n / 16 * 16 : 0), 1), v, 16);
    KernelOperand src[3];
    for (int i = 0; i < 2; i++) {
      int buffer = making_in(m, plan_buffer_source(m->lo, s[i]));
      Access a = stepped(p, c, buffer, s[i], k, step[i]);
      a.at.c = step[i];
      if (rest) {
        /* 0 * -0 is -0, the one number that leaves every sum as it is */
        a = access_pad(access_guard(a, k, 0, 1, p->k), p->type, i ? -0.0 : 0.0);
      }
      src[i] = operand_memory(b, coord_row_fixed(c, s[i]) ? 1 : c->rows, 16, a);
    }
    src[2] = operand_tile(b, acc);
    kernel_map1(b, program_fma(b->arena, p->type), acc, 3, src);
    kernel_end(b);
  }
}

static void dot_body(Making *m, const Coord *c, void *cx) {
  const Product *p = cx;
  KernelBuilder *b = &m->b;
  int acc = kernel_tile(b, STR("acc"), p->type, c->rows, 16),
      part = kernel_tile(b, STR("part"), p->type, c->rows, 1);
  int64_t full = p->k / p->order.chunk, rest = p->k % p->order.chunk;
  int total = part;
  if (p->order.chunks > 1) {
    total = kernel_tile(b, STR("total"), p->type, c->rows, 1);
    kernel_fill(b, total, 0);
  }
  for (int i = 0; i < 2; i++) {
    int64_t trips = i ? rest != 0 : full;
    if (!trips) continue;
    int v = kernel_loop(b, LOOP_SEQ, trips, 1);
    kernel_fill(b, acc, 0);
    Affine start = affine_add(affine(i ? full * p->order.chunk : 0), v, p->order.chunk);
    dot_part(m, p, c, acc, start, i ? rest : p->order.chunk);
    kernel_fold(b, FOLD_SUM, part, acc);
    if (total != part) add_tile(m, p->type, total, part);
    kernel_end(b);
  }
  group_emit(m, &p->gb, c, total);
}

/* ---- choosing ---- */
typedef struct Shape {
  int row, lane; /* axes of the output */
  int rows, nv;
  int64_t more;
  bool copy; /* the lane operand is transposed first */
  double cost;
} Shape;

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

static void consider(const Product *p, const int64_t *ext, bool swapped, Shape *best) {
  int row = swapped ? p->rank - 1 : p->rank - 2, lane = swapped ? p->rank - 2 : p->rank - 1;
  int64_t l = ext[lane], r = ext[row];
  const Feed *ls = swapped ? &p->x : &p->y;
  bool copy = ls->at.c[lane] != 1 && l > 1;
  Shape s = {.row = row, .lane = lane, .copy = copy};
  s.cost = lower_tile_shape(p->lo, p->type, r, l, 1, &s.rows, &s.more, &s.nv);
  if (copy) s.cost += (double)l;
  if (swapped) s.cost += (double)(l * r) * 0.3 / (double)p->k;
  if (s.cost < best->cost) *best = s;
}

/* Replaces *s (lanes along axis `lane`, k by *k_step) by a copy with the lanes innermost. */
static void transpose(Product *p, NodeId node, Feed *s, int64_t *k_step, int lane, const int64_t *ext) {
  int nb = p->rank - 2; /* axes of the copy: batch.., k, lanes */
  Feed from = *s, to = {.kind = FEED_VIEW, .type = s->type};
  int64_t e[MAX_RANK], stride = 1;
  for (int i = 0; i < nb; i++) e[i] = s->at.c[i] ? ext[i] : 1;
  e[nb] = p->k;
  e[nb + 1] = ext[lane];
  int64_t along = s->at.c[lane];
  from.at.c[nb] = *k_step;
  from.at.c[nb + 1] = along;
  for (int i = p->rank; i-- > 0;) {
    if (i < nb && !s->at.c[i]) continue;
    to.at.c[i] = stride;
    stride *= e[i];
  }
  uint32_t buffer = plan_buffer_temp(p->lo, p->type, stride);
  lower_copy(p->lo, node, p->rank, e, &from, plan_buffer_source(p->lo, s), &to, buffer);
  Lin at = to.at;
  *k_step = at.c[nb];
  at.c[nb] = at.c[nb + 1] = 0;
  at.c[lane] = 1;
  s->at = at;
  s->temp = buffer + 1;
}

void lower_CONTRACT(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor;
  const Node *d = graph_node(lo->g, n);
  const int64_t *attr = graph_attr(lo->g, n), *ext = lo->ext[n.i];
  Product p = {.lo = lo, .type = (DType)d->type.dtype, .rank = d->type.rank};
  p.x = operand(lo, graph_in(lo->g, n)[0], p.rank, attr[0], 0, &p.xk);
  p.y = operand(lo, graph_in(lo->g, n)[1], p.rank, attr[1], 1, &p.yk);
  NodeId xn = graph_in(lo->g, n)[0];
  p.k = lo->ext[xn.i][attr[0] ? p.rank - 2 : p.rank - 1];
  int64_t M = ext[p.rank - 2], N = ext[p.rank - 1];
  p.order = order_contract(M, N, p.k, attr[0], attr[1]);
  group_body(lo, gr, &p.gb);
  Tiling t = {.rank = p.rank};
  memcpy(t.ext, ext, sizeof t.ext);
  Making m;
  double cycles;
  if (p.order.kind == ORDER_LANES16) {
    making_begin(&m, lo, n, "dot");
    t.row = N == 1 ? p.rank - 2 : p.rank - 1;
    t.lane = -1;
    t.rows = t.ext[t.row] < 8 ? (int)t.ext[t.row] : 8;
    lower_tiles(&m, &t, dot_body, &p);
    cycles = (double)lo->count[n.i] * (double)p.k / 8;
  } else {
    Shape s = {.cost = 1e300};
    consider(&p, ext, false, &s);
    consider(&p, ext, true, &s);
    Feed *ls = s.lane == p.rank - 1 ? &p.y : &p.x;
    if (s.copy) transpose(&p, n, ls, ls == &p.y ? &p.yk : &p.xk, s.lane, ext);
    making_begin(&m, lo, n, "product");
    t.row = s.row;
    t.lane = s.lane;
    t.rows = s.rows;
    t.more = s.more;
    t.cols = 16 * s.nv;
    if (t.ext[t.lane] < t.cols) t.cols = (int)ceil_div(t.ext[t.lane], 16) * 16;
    lower_tiles(&m, &t, product_body, &p);
    cycles = s.cost * (double)p.k * (double)(lo->count[n.i] / (M * N));
  }
  m.flops = 2.0 * (double)lo->count[n.i] * (double)p.k;
  m.cost_ns = cycles / 2.6 + (double)lo->count[n.i] * (p.gb.program->nins + 1) / 60;
  making_end(&m);
}
