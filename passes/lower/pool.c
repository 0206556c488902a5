/* Pooling and its gradients, lanes along the image's rows; the group's epilogue follows in registers. Where
 * windows meet edge to edge the maximum's gradient is one pass over the windows; else the gradients split
 * into phases like a strided convolution's. */
#include "passes/lower/internal.h"

#include <stdio.h>

typedef struct PoolAxis {
  int64_t k, s, pad, in, out;
} PoolAxis;
typedef struct Pool2 {
  LowerCx *lo;
  DType type;
  bool max;
  PoolAxis h, w;
  View x, y, g;   /* over image, channel, rows, columns */
  GroupBody body; /* of the group */
  uint32_t xb, yb, gb, index;
  int acc, best;
  /* a phase of a gradient: outputs base + per * i; window first + step * t, at position at - t + i */
  int64_t base[2], per[2], count[2], first[2], at[2], channels;
} Pool2;

static Pool2 pool_of(LowerCx *lo, NodeId n, NodeId image, NodeId pooled) {
  const int64_t *a = graph_attr(lo->g, n), *in = lo->ext[image.i], *out = lo->ext[pooled.i];
  return (Pool2){.lo = lo,
                 .type = (DType)graph_node(lo->g, n)->type.dtype,
                 .h = {a[0], a[2], a[4], in[2], out[2]},
                 .w = {a[1], a[3], a[5], in[3], out[3]}};
}

static Tiling pool_tiling(const int64_t *ext) {
  Tiling t = {.rank = 4, .row = -1, .lane = 3, .rows = 1};
  memcpy(t.ext, ext, 4 * sizeof *ext); /* size-ok: four extents */
  t.cols = lower_cols(ext[3], 32);
  return t;
}

/* Element (kh, kw) of the window that output c stands for. */
static Access window(const Pool2 *p, const Coord *c, int buffer, int kh, int kw) {
  Affine ih = affine_add(affine_sum(affine(-p->h.pad), c->at[2], p->h.s), kh, 1);
  Affine iw = affine_add(affine_sum(affine(-p->w.pad), c->at[3], p->w.s), kw, 1);
  Affine at = affine_sum(affine_sum(affine(p->x.at.k), c->at[0], p->x.at.c[0]), c->at[1], p->x.at.c[1]);
  at = affine_sum(affine_sum(at, ih, p->x.at.c[2]), iw, p->x.at.c[3]);
  Access a = access_at(buffer, at, 0, p->x.at.c[3] * p->w.s);
  a = access_pad(a, p->type, p->max ? -__builtin_inf() : 0);
  a = access_guard(access_guard(a, ih, 0, 0, p->h.in), iw, 0, p->w.s, p->w.in);
  return c->tail ? access_guard(a, c->at[3], 0, 1, c->end) : a;
}

/* Windows are small: loops of two or three trips cost more than their bodies. */
static int window_loop(KernelBuilder *b, int64_t n) {
  return kernel_loop(b, n <= 3 ? LOOP_UNROLL : LOOP_SEQ, n, 1);
}

static void divide(LowerKernel *m, const Pool2 *p, int tile) {
  char text[64];
  snprintf(text, sizeof text, "x / %lld", (long long)(p->h.k * p->w.k));
  KernelOperand src = operand_tile(&m->b, tile);
  kernel_map1(&m->b, program_of(m->b.arena, text, p->type, p->type), tile, 1, &src);
}

static void forward_body(LowerKernel *m, const Coord *c, void *cx) {
  Pool2 *p = cx;
  KernelBuilder *b = &m->b;
  int acc = kernel_tile(b, STR("acc"), p->type, 1, c->cols);
  kernel_fill(b, acc, p->max ? -__builtin_inf() : 0);
  int xb = lower_kernel_in(m, p->xb), kh = window_loop(b, p->h.k);
  int kw = window_loop(b, p->w.k);
  KernelOperand src[2] = {operand_tile(b, acc), operand_memory(b, 1, c->cols, window(p, c, xb, kh, kw))};
  kernel_map1(b, program_of(b->arena, p->max ? "max(x, y)" : "x + y", p->type, p->type), acc, 2, src);
  kernel_end(b);
  kernel_end(b);
  if (!p->max) divide(m, p, acc);
  group_emit(m, &p->body, c, acc);
}

static void pool_forward(LowerCx *lo, const LowerGroup *gr, bool max) {
  NodeId n = gr->anchor, x = graph_in(lo->g, n)[0];
  Pool2 p = pool_of(lo, n, x, n);
  p.max = max;
  p.x = lower_memory(lo, x);
  p.xb = plan_buffer_source(lo, &p.x);
  group_body(lo, gr, &p.body);
  Tiling t = pool_tiling(lo->ext[n.i]);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, op_info[node_op(lo->g, n)].name);
  lower_tiles(&m, &t, forward_body, &p);
  m.cost_ns = (double)lo->count[n.i] * (double)(p.h.k * p.w.k) * 0.3;
  lower_kernel_end(&m);
}
static void max_pool2d(LowerCx *lo, const LowerGroup *gr) { pool_forward(lo, gr, true); }
const LowerOp lower_MAX_POOL2D = {.role = ROLE_TILE, .kernels = max_pool2d};
static void avg_pool2d(LowerCx *lo, const LowerGroup *gr) { pool_forward(lo, gr, false); }
const LowerOp lower_AVG_POOL2D = {.role = ROLE_TILE, .kernels = avg_pool2d};

/* Does x hold its window's maximum v? A NaN does when v is one. */
static ScalarRef holds(ScalarBuilder *s, ScalarRef x, ScalarRef v) {
  ScalarRef hit = scalar_ins(s, SC_EQ, x, v, x);
  ScalarRef some = scalar_ins(s, SC_OR, scalar_ins(s, SC_EQ, x, x, x), scalar_ins(s, SC_EQ, v, v, v), hit);
  return scalar_ins(s, SC_OR, hit, scalar_ins(s, SC_NOT, some, some, some), hit);
}

/* ---- which element of each window equals its maximum first: a tile of their numbers, row-major ---- */
static int first_index(LowerKernel *m, const Pool2 *p, const Coord *c) {
  KernelBuilder *b = &m->b;
  int best = kernel_tile(b, STR("first"), DT_I32, 1, c->cols),
      y = kernel_tile(b, STR("y"), p->type, 1, c->cols);
  line_fill(m, best, DT_I32, (ScalarValue){.i = INT32_MAX});
  kernel_load(b, y, coord_access(c, lower_kernel_in(m, p->yb), &p->y, p->type));
  int xb = lower_kernel_in(m, p->xb), kh = window_loop(b, p->h.k);
  int kw = window_loop(b, p->w.k);
  Affine at = affine_add(affine_add(affine(0), kh, p->w.k), kw, 1);
  Affine ih = affine_add(affine_sum(affine(-p->h.pad), c->at[2], p->h.s), kh, 1);
  Affine iw = affine_add(affine_sum(affine(-p->w.pad), c->at[3], p->w.s), kw, 1);
  KernelOperand src[6] = {operand_tile(b, best),
                          operand_memory(b, 1, c->cols, window(p, c, xb, kh, kw)),
                          operand_tile(b, y),
                          operand_coord(1, 1, at, 0, 0),
                          operand_coord(1, 1, ih, 0, 0),
                          operand_coord(1, c->cols, iw, 0, p->w.s)};
  ScalarBuilder *s = ARENA_NEW(m->lo->arena, ScalarBuilder);
  scalar_begin(s, b->arena);
  ScalarRef first = scalar_input(s, 0, DT_I32), x = scalar_input(s, 1, p->type),
            v = scalar_input(s, 2, p->type), here = scalar_input(s, 3, DT_I32);
  ScalarRef hit = holds(s, x, v), image[2] = {scalar_input(s, 4, DT_I32), scalar_input(s, 5, DT_I32)},
            zero = scalar_number(s, DT_I32, 0);
  for (int i = 0; i < 2; i++) { /* padding never wins, not even against -inf; without it every window lies
                                   inside */
    const PoolAxis *a = i ? &p->w : &p->h;
    if (a->pad == 0) continue;
    ScalarRef end = scalar_number(s, DT_I32, (double)a->in);
    hit = scalar_ins(s, SC_AND, hit, scalar_ins(s, SC_LE, zero, image[i], zero), hit);
    hit = scalar_ins(s, SC_AND, hit, scalar_ins(s, SC_LT, image[i], end, zero), hit);
  }
  ScalarRef far = scalar_const(s, DT_I32, (ScalarValue){.i = INT32_MAX});
  scalar_output(s, scalar_ins(s, SC_MIN, first, scalar_ins(s, SC_SEL, hit, here, far), first));
  kernel_map1(b, scalar_end(s), best, 6, src);
  kernel_end(b);
  kernel_end(b);
  return best;
}

static void index_body(LowerKernel *m, const Coord *c, void *cx) {
  const Pool2 *p = cx;
  int best = first_index(m, p, c);
  View to = p->y;
  int64_t w = p->w.out, hw = p->h.out * w;
  to.at = (AxisAffine){0, {p->channels * hw, hw, w, 1}};
  kernel_store(&m->b, best, coord_access(c, lower_kernel_out(m, p->index), &to, DT_I32));
}

static void axis_affine_to_phase(AxisAffine *l, const Pool2 *p) {
  for (int i = 0; i < 2; i++) {
    l->k += p->base[i] * l->c[2 + i];
    l->c[2 + i] *= p->per[i];
  }
}
static void view_to_phase(View *s, const Pool2 *p) {
  axis_affine_to_phase(&s->at, p);
  for (int i = 0; i < s->nguard; i++) axis_affine_to_phase(&s->guard[i].at, p);
}

/* The epilogue at the positions of a phase. */
static void phase_emit(LowerKernel *m, const Pool2 *p, const Coord *c, int acc) {
  GroupBody at = p->body;
  for (int i = 0; i < at.nsrc; i++) view_to_phase(&at.src[i], p);
  for (int i = 0; i < at.nout; i++) view_to_phase(&at.dst[i], p);
  group_emit(m, &at, c, acc);
}

/* ---- dx: for each position the windows it lies in ---- */
static void backward_body(LowerKernel *m, const Coord *c, void *cx) {
  Pool2 *p = cx;
  KernelBuilder *b = &m->b;
  int acc = kernel_tile(b, STR("acc"), p->type, 1, c->cols);
  kernel_fill(b, acc, 0);
  if (p->count[0] && p->count[1]) {
    int t = kernel_loop(b, LOOP_SEQ, p->count[0], 1), u = kernel_loop(b, LOOP_SEQ, p->count[1], 1);
    Affine oh = affine_add(affine_sum(affine(p->at[0]), c->at[2], 1), t, -1);
    Affine ow = affine_add(affine_sum(affine(p->at[1]), c->at[3], 1), u, -1);
    Affine at = affine_sum(affine_sum(affine(p->g.at.k), c->at[0], p->g.at.c[0]), c->at[1], p->g.at.c[1]);
    at = affine_sum(affine_sum(at, oh, p->g.at.c[2]), ow, p->g.at.c[3]);
    Access g = access_pad(access_at(lower_kernel_in(m, p->gb), at, 0, p->g.at.c[3]), p->type, 0);
    g = access_guard(access_guard(g, oh, 0, 0, p->h.out), ow, 0, 1, p->w.out);
    if (c->tail) g = access_guard(g, c->at[3], 0, 1, c->end);
    KernelOperand src[4] = {operand_tile(b, acc), operand_memory(b, 1, c->cols, g)};
    if (!p->max) {
      kernel_map1(b, program_sum(b->arena, p->type), acc, 2, src);
    } else {
      int64_t w = p->w.out, hw = p->h.out * w;
      Affine ia = affine_sum(affine_sum(affine(0), c->at[0], p->channels * hw), c->at[1], hw);
      ia = affine_sum(affine_sum(ia, oh, w), ow, 1);
      Access x = g;
      x.buffer = (int16_t)lower_kernel_in(m, p->index);
      x.at = (Place){ia, 0, 1};
      src[2] = operand_memory(b, 1, c->cols, access_pad(x, DT_I32, -1));
      Affine own = affine(p->first[0] * p->w.k + p->first[1]);
      own = affine_add(affine_add(own, t, p->h.s * p->w.k), u, p->w.s);
      src[3] = operand_coord(1, 1, own, 0, 0);
      ScalarBuilder *s = ARENA_NEW(m->lo->arena, ScalarBuilder);
      scalar_begin(s, b->arena);
      ScalarRef sum = scalar_input(s, 0, p->type), v = scalar_input(s, 1, p->type),
                i = scalar_input(s, 2, DT_I32), j = scalar_input(s, 3, DT_I32),
                hit = scalar_ins(s, SC_EQ, i, j, i);
      ScalarRef term = scalar_ins(s, SC_SEL, hit, v, scalar_number(s, p->type, 0));
      scalar_output(s, scalar_ins(s, SC_ADD, sum, term, sum));
      kernel_map1(b, scalar_end(s), acc, 4, src);
    }
    kernel_end(b);
    kernel_end(b);
  }
  if (!p->max) divide(m, p, acc);
  phase_emit(m, p, c, acc);
}

/* ---- dx where windows meet edge to edge: each window gives its gradient to one of its elements ---- */
enum { EDGE_COLS = 8 };
enum { EDGE_ROW = 4, EDGE_COL }; /* axes behind image, channel and window: the place within the window */

static bool edge_to_edge(const Pool2 *p) {
  return p->h.k == p->h.s && p->w.k == p->w.s && p->h.pad == 0 && p->w.pad == 0 && p->w.k <= EDGE_COLS;
}

static void axis_affine_to_window(AxisAffine *l, const Pool2 *p) {
  l->c[EDGE_ROW] = l->c[2];
  l->c[EDGE_COL] = l->c[3];
  l->c[2] *= p->h.s;
  l->c[3] *= p->w.s;
}
static void view_to_window(View *s, const Pool2 *p) {
  axis_affine_to_window(&s->at, p);
  for (int i = 0; i < s->nguard; i++) axis_affine_to_window(&s->guard[i].at, p);
}

/* A row of the window at a time, its columns the rows of a tile: neighbours in memory. */
static void edge_body(LowerKernel *m, const Coord *window, void *cx) {
  const Pool2 *p = cx;
  KernelBuilder *b = &m->b;
  Coord c = *window;
  int best = first_index(m, p, window), g = kernel_tile(b, STR("g"), p->type, 1, c.cols),
      acc = kernel_tile(b, STR("acc"), p->type, (int)p->w.k, c.cols);
  kernel_load(b, g, coord_access(window, lower_kernel_in(m, p->gb), &p->g, p->type));
  int kh = window_loop(b, p->h.k);
  c.rank = EDGE_COL + 1;
  c.at[EDGE_ROW] = affine_add(affine(0), kh, 1);
  c.at[EDGE_COL] = affine(0);
  c.row = EDGE_COL;
  c.rows = (int)p->w.k;
  KernelOperand src[3] = {operand_tile(b, best), operand_tile(b, g),
                          operand_coord(c.rows, 1, affine_add(affine(0), kh, p->w.k), 1, 0)};
  ScalarBuilder *s = ARENA_NEW(m->lo->arena, ScalarBuilder);
  scalar_begin(s, b->arena);
  ScalarRef i = scalar_input(s, 0, DT_I32), v = scalar_input(s, 1, p->type), j = scalar_input(s, 2, DT_I32);
  ScalarRef hit = scalar_ins(s, SC_EQ, i, j, i), zero = scalar_number(s, p->type, 0);
  scalar_output(s, scalar_ins(s, SC_ADD, zero, scalar_ins(s, SC_SEL, hit, v, zero), zero));
  kernel_map1(b, scalar_end(s), acc, 3, src);
  group_emit(m, &p->body, &c, acc);
  kernel_end(b);
}

static void outside_body(LowerKernel *m, const Coord *c, void *cx) { /* in no window */
  Pool2 *p = cx;
  int acc = kernel_tile(&m->b, STR("acc"), p->type, 1, c->cols);
  kernel_fill(&m->b, acc, 0);
  phase_emit(m, p, c, acc);
}

static void edge_kernel(LowerCx *lo, NodeId n, const Pool2 *p) {
  const int64_t *ext = lo->ext[n.i], oh = p->h.out, ow = p->w.out;
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "max_pool2d_dx");
  Tiling t = pool_tiling((const int64_t[]){ext[0], ext[1], oh, ow});
  Pool2 e = *p;
  for (int i = 0; i < e.body.nsrc; i++) view_to_window(&e.body.src[i], p);
  for (int i = 0; i < e.body.nout; i++) view_to_window(&e.body.dst[i], p);
  lower_tiles(&m, &t, edge_body, &e);
  for (int i = 0; i < 2; i++) { /* the rows below the windows, then the columns beside them */
    int64_t rows = i ? oh * p->h.s : ext[2] - oh * p->h.s, cols = i ? ext[3] - ow * p->w.s : ext[3];
    if (!rows || !cols) continue;
    e = *p;
    e.base[0] = i ? 0 : ext[2] - rows;
    e.base[1] = ext[3] - cols;
    e.per[0] = e.per[1] = 1;
    t = pool_tiling((const int64_t[]){ext[0], ext[1], rows, cols});
    lower_tiles(&m, &t, outside_body, &e);
  }
  m.cost_ns = (double)lo->count[n.i] * (0.1 + p->body.program->nins / 100.0);
  lower_kernel_end(&m);
}

static void phase(Pool2 *p, int axis, int64_t i, const PoolAxis *a, int64_t *n) {
  int64_t first = 0;
  while (first < a->k && (i + a->pad - first) % a->s != 0) first++;
  p->base[axis] = i;
  p->per[axis] = a->s;
  p->first[axis] = first;
  p->count[axis] = first < a->k ? (a->k - 1 - first) / a->s + 1 : 0;
  p->at[axis] = first < a->k ? (i + a->pad - first) / a->s : 0;
  *n = ceil_div(a->in - i, a->s);
}

static void pool_backward(LowerCx *lo, const LowerGroup *gr, bool max) {
  NodeId n = gr->anchor, g = graph_in(lo->g, n)[max ? 2 : 0];
  Pool2 p = pool_of(lo, n, n, g);
  const int64_t *ext = lo->ext[n.i], *ge = lo->ext[g.i];
  p.max = max;
  p.g = lower_memory(lo, g);
  p.gb = plan_buffer_source(lo, &p.g);
  group_body(lo, gr, &p.body);
  p.channels = ext[1];
  if (max) {
    p.x = lower_memory(lo, graph_in(lo->g, n)[0]);
    p.y = lower_memory(lo, graph_in(lo->g, n)[1]);
    p.xb = plan_buffer_source(lo, &p.x);
    p.yb = plan_buffer_source(lo, &p.y);
    if (edge_to_edge(&p)) {
      edge_kernel(lo, n, &p);
      return;
    }
    p.index = plan_buffer_temp(lo, DT_I32, lo->count[g.i]);
    Tiling t = pool_tiling(ge);
    LowerKernel m;
    lower_kernel_begin(&m, lo, n, "window_index");
    lower_tiles(&m, &t, index_body, &p);
    m.cost_ns = (double)lo->count[g.i] * (double)(p.h.k * p.w.k) * 0.3;
    lower_kernel_end(&m);
  }
  for (int64_t i = 0; i < p.h.s && i < p.h.in; i++)
    for (int64_t j = 0; j < p.w.s && j < p.w.in; j++) {
      int64_t e[4] = {ext[0], ext[1]};
      phase(&p, 0, i, &p.h, &e[2]);
      phase(&p, 1, j, &p.w, &e[3]);
      Tiling t = pool_tiling(e);
      LowerKernel m;
      lower_kernel_begin(&m, lo, n, op_info[node_op(lo->g, n)].name);
      lower_tiles(&m, &t, backward_body, &p);
      m.cost_ns = (double)(e[0] * e[1]) * (double)(e[2] * e[3]) * 0.5;
      lower_kernel_end(&m);
    }
}
static void max_pool2d_dx(LowerCx *lo, const LowerGroup *gr) { pool_backward(lo, gr, true); }
const LowerOp lower_MAX_POOL2D_DX = {.role = ROLE_TILE, .kernels = max_pool2d_dx};
static void avg_pool2d_dx(LowerCx *lo, const LowerGroup *gr) { pool_backward(lo, gr, false); }
const LowerOp lower_AVG_POOL2D_DX = {.role = ROLE_TILE, .kernels = avg_pool2d_dx};
