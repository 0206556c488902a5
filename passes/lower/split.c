/* Products of few elements and very long chains. Their order of addition has pieces (ir/interpret/order.h),
 * and here each piece is a product of its own, all of them one batch: units for as many threads. The totals
 * lie in the arena; a second kernel adds them, the first one first, and does the epilogue. */
#include "passes/lower/product.h"

/* The same view with an axis in front. */
static View behind_axis(View s, int rank, int64_t step) {
  for (int i = rank; i > 0; i--) s.at.c[i] = s.at.c[i - 1];
  s.at.c[0] = step;
  return s;
}

static const Scalar *itself(LowerCx *lo, DType t) {
  ScalarBuilder *b = ARENA_NEW(lo->arena, ScalarBuilder);
  scalar_begin(b, lo->plan->arena);
  scalar_output(b, scalar_input(b, 0, t));
  return scalar_end(b);
}

/* Where totals lie: [piece][the product's elements]. */
static View totals(const Product *p, uint32_t buffer) {
  View v = {.kind = VIEW_MEMORY, .type = (uint8_t)p->type, .base = NO_NODE, .temp = buffer + 1};
  int64_t step = 1;
  for (int i = p->rank; i-- > 0;) {
    v.at.c[i] = step;
    step *= p->ext[i];
  }
  return v;
}

static int64_t elements(const Product *p) {
  int64_t n = 1;
  for (int i = 0; i < p->rank; i++) n *= p->ext[i];
  return n;
}

/* A piece by itself; units are its panels then. */
static bool thin(Product q) {
  q.ext[0] = 1;
  Shape s = product_shape(&q);
  return product_thin_terms(&q, &s) > 0;
}

/* Pieces first .. first + count - 1, of k terms each. */
static void pieces(const Product *p, NodeId node, uint32_t buffer, int64_t first, int64_t count, int64_t k) {
  int64_t n = elements(p), chunk = p->order.chunk;
  Product q = *p;
  q.rank = p->rank + 1;
  q.ext[0] = count;
  for (int i = 0; i < p->rank; i++) q.ext[i + 1] = p->ext[i];
  q.x = behind_axis(p->x, p->rank, chunk * p->xk);
  q.x.at.k += first * chunk * p->xk;
  q.y = behind_axis(p->y, p->rank, chunk * p->yk);
  q.y.at.k += first * chunk * p->yk;
  q.k = k;
  q.order.n = q.order.chunk = k;
  q.order.chunks = 1;
  q.gb = (GroupBody){.program = itself(p->lo, p->type), .acc = true, .nout = 1};
  q.gb.out[0] = node;
  q.gb.dst[0] = behind_axis(totals(p, buffer), p->rank, n);
  q.gb.dst[0].at.k = first * n;
  if (count > 1 && thin(q)) {
    for (int64_t i = 0; i < count; i++) pieces(p, node, buffer, first + i, 1, k);
    return;
  }
  LowerKernel m;
  product_lower(&m, &q, node);
  lower_kernel_end(&m);
}

typedef struct Total {
  const Product *p;
  uint32_t buffer;
} Total;

static void total_body(LowerKernel *m, const Coord *c, void *cx) {
  const Total *t = cx;
  const Product *p = t->p;
  KernelBuilder *b = &m->b;
  int total = kernel_tile(b, STR("total"), p->type, c->rows, c->cols),
      part = kernel_tile(b, STR("part"), p->type, c->rows, c->cols);
  View v = totals(p, t->buffer);
  Access a = coord_access(c, lower_kernel_in(m, t->buffer), &v, p->type);
  kernel_fill(b, total, 0);
  int i = kernel_loop(b, LOOP_SEQ, p->order.chunks, 1);
  a.at.a = affine_add(a.at.a, i, elements(p));
  kernel_load(b, part, a);
  KernelOperand src[2] = {operand_tile(b, total), operand_tile(b, part)};
  kernel_map1(b, program_sum(b->arena, p->type), total, 2, src);
  kernel_end(b);
  group_emit(m, &p->gb, c, total);
}

enum { BATCH = 8 }; /* as many products are units enough */

bool product_splits(const Product *p) {
  int64_t batch = 1;
  for (int i = 0; i < p->rank - 2; i++) batch *= p->ext[i];
  return p->order.kind == ORDER_CHAIN && p->order.chunks > 1 && batch < BATCH && p->rank < MAX_RANK;
}

void product_split(const Product *p, NodeId node) {
  int64_t full = p->k / p->order.chunk, rest = p->k % p->order.chunk, n = elements(p);
  uint32_t buffer = plan_buffer_temp(p->lo, p->type, p->order.chunks * n);
  pieces(p, node, buffer, 0, full, p->order.chunk);
  if (rest) pieces(p, node, buffer, full, 1, rest);
  Tiling t = {.rank = p->rank, .row = -1, .lane = p->rank - 1, .rows = 1};
  memcpy(t.ext, p->ext, sizeof t.ext);
  int64_t wide = t.ext[t.lane];
  t.cols = lower_cols(wide, 64);
  Total total = {p, buffer};
  LowerKernel m;
  lower_kernel_begin(&m, p->lo, node, "total");
  lower_tiles(&m, &t, total_body, &total);
  m.cost_ns = (double)n * ((double)p->order.chunks * 0.1 + (double)(p->gb.program->nins + 1) / 60);
  lower_kernel_end(&m);
}
