/* Products with a single row and a single column of interest: sixteen partial sums along k, then their tree.
 */
#include "passes/lower/product.h"

static void add_tile(LowerKernel *m, DType t, int total, int part) {
  KernelOperand src[2] = {operand_tile(&m->b, total), operand_tile(&m->b, part)};
  kernel_map1(&m->b, program_sum(m->b.arena, t), total, 2, src);
}

static void dot_part(LowerKernel *m, const Product *p, const Coord *c, int acc, Affine start, int64_t n) {
  KernelBuilder *b = &m->b;
  const View *s[2] = {&p->x, &p->y};
  int64_t step[2] = {p->xk, p->yk};
  for (int rest = 0; rest < 2; rest++) {
    int64_t trips = rest ? n % 16 != 0 : n / 16;
    if (!trips) continue;
    int v = kernel_loop(b, LOOP_SEQ, trips, 4);
    Affine k = affine_add(affine_sum(start, affine(rest ? n / 16 * 16 : 0), 1), v, 16);
    KernelOperand src[3];
    for (int i = 0; i < 2; i++) {
      int buffer = lower_kernel_in(m, plan_buffer_source(m->lo, s[i]));
      Access a = product_access(p, c, buffer, s[i], k, step[i]);
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

static void dot_body(LowerKernel *m, const Coord *c, void *cx) {
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

void dot_emit(LowerKernel *m, const Product *p) {
  Tiling t = {.rank = p->rank, .lane = -1};
  memcpy(t.ext, p->ext, sizeof t.ext);
  t.row = p->ext[p->rank - 1] == 1 ? p->rank - 2 : p->rank - 1;
  t.rows = t.ext[t.row] < 8 ? (int)t.ext[t.row] : 8;
  lower_tiles(m, &t, dot_body, (void *)p);
}
