/* Convolution and its gradients as products over (kh, kw, channel), straight from the activations: no im2col.
 * Orders: docs/numbers.md. Forward and data gradient are one body: rows are channels, lanes a row of the
 * image; a strided data gradient splits into phases, in each of which the image positions step by one. */
#include "base/size.h"
#include "ir/interpret/order.h"
#include "passes/lower/internal.h"

/* One spatial axis: output index i and step t of the walk meet image position base + per_out*i + per_t*t and
 * filter position first + step*t; `count` steps; the output itself lies at out_base + out_per*i. */
typedef struct ConvAxis {
  int64_t n, count, base, per_out, per_t, extent, first, step, out_base, out_per;
} ConvAxis;

enum { CONV_ROWS = 3 };
typedef struct Conv {
  GroupBody gb; /* in the tile's space: image, group, row, h, w */
  DType type;
  uint32_t x, w;
  AxisAffine xl, wl; /* without the walk */
  int64_t xh, xw, xr, wh, ww,
      wr;           /* strides of image rows, columns and of the reduced channel; of the filter's */
  int64_t channels; /* reduced */
  int nh;           /* image rows side by side: one load of a filter element serves them all */
  int64_t h0;       /* the first of them is h0 + nh * (index along the axis) */
  ConvAxis h, v;    /* v: along the row */
} Conv;

static Access image(const Conv *p, const Coord *c, int buffer, int t, int u, int k) {
  const ConvAxis *h = &p->h, *v = &p->v;
  Affine ih = affine_add(affine_sum(affine(h->base), c->at[3], h->per_out), t, h->per_t);
  Affine iw = affine_add(affine_sum(affine(v->base), c->at[4], v->per_out), u, v->per_t);
  Affine at = affine(p->xl.k);
  for (int i = 0; i < 3; i++) at = affine_sum(at, c->at[i], p->xl.c[i]);
  at = affine_add(affine_sum(affine_sum(at, ih, p->xh), iw, p->xw), k, p->xr);
  Access a = access_pad(access_at(buffer, at, 0, p->xw * v->per_out), p->type, 0);
  a = access_guard(a, ih, 0, 0, h->extent);
  a = access_guard(a, iw, 0, v->per_out, v->extent);
  if (c->tail) a = access_guard(a, c->at[4], 0, 1, c->end);
  return a;
}

static Access filter(const Conv *p, const Coord *c, int buffer, int t, int u, int k) {
  Affine at = affine(p->wl.k + p->h.first * p->wh + p->v.first * p->ww);
  for (int i = 0; i < 3; i++) at = affine_sum(at, c->at[i], p->wl.c[i]);
  at = affine_add(affine_add(affine_add(at, t, p->h.step * p->wh), u, p->v.step * p->ww), k, p->wr);
  return access_at(buffer, at, p->wl.c[2], 0);
}

/* acc_i = fma(x0, x_{1+i}, acc_i) for n rows at once; operands: filter, images, sums. */
static const Scalar *program_rows(Arena *a, Arena *scratch, DType t, int n) {
  ScalarBuilder *b = ARENA_NEW(scratch, ScalarBuilder);
  scalar_begin(b, a);
  ScalarRef w = scalar_input(b, 0, t), x[CONV_ROWS], s[CONV_ROWS];
  for (int i = 0; i < n; i++) x[i] = scalar_input(b, (uint32_t)(1 + i), t);
  for (int i = 0; i < n; i++) s[i] = scalar_input(b, (uint32_t)(1 + n + i), t);
  for (int i = 0; i < n; i++) scalar_output(b, scalar_ins(b, SC_FMA, w, x[i], s[i]));
  return scalar_end(b);
}

static void conv_body(LowerKernel *m, const Coord *c, void *cx) {
  const Conv *p = cx;
  KernelBuilder *b = &m->b;
  int acc[CONV_ROWS], x[CONV_ROWS];
  Coord at[CONV_ROWS];
  for (int i = 0; i < p->nh; i++) {
    at[i] = *c;
    at[i].at[3] = affine_sum(affine(p->h0 + i), c->at[3], p->nh);
    acc[i] = kernel_tile(b, STR("acc"), p->type, c->rows, c->cols);
    x[i] = kernel_tile(b, STR("x"), p->type, 1, c->cols);
    kernel_fill(b, acc[i], 0);
  }
  if (p->h.count && p->v.count) {
    int xb = lower_kernel_in(m, p->x), wb = lower_kernel_in(m, p->w);
    int t = kernel_loop(b, LOOP_SEQ, p->h.count, 1);
    int u = kernel_loop(b, p->v.count <= 3 ? LOOP_UNROLL : LOOP_SEQ, p->v.count, 1);
    int k = kernel_loop(b, LOOP_SEQ, p->channels, 1);
    KernelOperand src[1 + 2 * CONV_ROWS];
    src[0] = operand_memory(b, c->rows, 1, filter(p, c, wb, t, u, k));
    for (int i = 0; i < p->nh; i++) {
      kernel_load(b, x[i], image(p, &at[i], xb, t, u, k));
      src[1 + i] = operand_tile(b, x[i]);
      src[1 + p->nh + i] = operand_tile(b, acc[i]);
    }
    kernel_map(b, program_rows(b->arena, m->lo->arena, p->type, p->nh), p->nh, acc, 1 + 2 * p->nh, src);
    kernel_end(b);
    kernel_end(b);
    kernel_end(b);
  }
  for (int i = 0; i < p->nh; i++) group_emit(m, &p->gb, &at[i], acc[i]);
}

static AxisAffine into_tile(const AxisAffine *s, int64_t rows, const ConvAxis *h, const ConvAxis *v) {
  AxisAffine l = {.k = s->k + h->out_base * s->c[2] + v->out_base * s->c[3]};
  l.c[0] = s->c[0];
  l.c[1] = rows * s->c[1];
  l.c[2] = s->c[1];
  l.c[3] = h->out_per * s->c[2];
  l.c[4] = v->out_per * s->c[3];
  return l;
}
static void view_into_tile(View *s, int64_t rows, const ConvAxis *h, const ConvAxis *v) {
  s->at = into_tile(&s->at, rows, h, v);
  for (int i = 0; i < s->nguard; i++) s->guard[i].at = into_tile(&s->guard[i].at, rows, h, v);
}

static void conv_kernel(LowerCx *lo, NodeId n, Conv *p, const GroupBody *gb, int64_t images, int64_t groups,
                        int64_t rows) {
  p->gb = *gb;
  for (int i = 0; i < gb->nsrc; i++) view_into_tile(&p->gb.src[i], rows, &p->h, &p->v);
  for (int i = 0; i < gb->nout; i++) view_into_tile(&p->gb.dst[i], rows, &p->h, &p->v);
  int64_t height = p->h.n;
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, op_info[node_op(lo->g, n)].name);
  double cycles = 0;
  p->h0 = 0;
  p->nh = 0;
  while (p->h0 < height) { /* full blocks of image rows, then what is left */
    int best = 1, nv;
    Tiling t = {.rank = 5, .row = 2, .lane = 4};
    double least = 1e300;
    for (int nh = 1; nh <= CONV_ROWS && nh <= height - p->h0; nh++) {
      int r, v;
      int64_t more;
      double per = lower_tile_shape(lo, p->type, rows, p->v.n, nh, 3, &r, &more, &v) / nh;
      if (per >= least * 0.985 || (p->h0 && nh < height - p->h0)) continue;
      least = per;
      best = nh;
    }
    lower_tile_shape(lo, p->type, rows, p->v.n, best, 3, &t.rows, &t.more, &nv);
    p->nh = best;
    int64_t ext[5] = {images, groups, rows, (height - p->h0) / best, p->v.n};
    memcpy(t.ext, ext, sizeof ext);
    t.cols = lower_cols(p->v.n, KERNEL_LANES * nv);
    lower_tiles(&m, &t, conv_body, p);
    cycles += least * (double)ext[3] * best;
    p->h0 += ext[3] * best;
  }
  double terms = (double)p->h.count * (double)p->v.count * (double)p->channels;
  m.flops = 2 * terms * (double)(images * groups * rows) * (double)(p->h.n * p->v.n);
  m.cost_ns = cycles * terms * (double)(images * groups) / 2.6;
  lower_kernel_end(&m);
}

typedef struct ConvAttr {
  int64_t s[2], pad[2], d[2], groups;
} ConvAttr;
static ConvAttr conv_attr(const int64_t *a) {
  return (ConvAttr){{a[0], a[1]}, {a[2], a[3]}, {a[4], a[5]}, a[6]};
}

static void lower_conv2d(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, xn = graph_in(lo->g, n)[0], wn = graph_in(lo->g, n)[1];
  ConvAttr a = conv_attr(graph_attr(lo->g, n));
  const int64_t *ye = lo->ext[n.i], *xe = lo->ext[xn.i], *we = lo->ext[wn.i];
  View x = lower_memory(lo, xn), w = lower_memory(lo, wn);
  int64_t rows = we[0] / a.groups;
  Conv p = {.type = (DType)graph_node(lo->g, n)->type.dtype, .channels = we[1]};
  p.x = plan_buffer_source(lo, &x);
  p.w = plan_buffer_source(lo, &w);
  p.xl = (AxisAffine){x.at.k, {x.at.c[0], we[1] * x.at.c[1], 0}};
  p.wl = (AxisAffine){w.at.k, {0, rows * w.at.c[0], w.at.c[0]}};
  p.xh = x.at.c[2], p.xw = x.at.c[3], p.xr = x.at.c[1];
  p.wh = w.at.c[2], p.ww = w.at.c[3], p.wr = w.at.c[1];
  ConvAxis *axis[2] = {&p.h, &p.v};
  for (int i = 0; i < 2; i++)
    *axis[i] = (ConvAxis){.n = ye[2 + i],
                          .count = we[2 + i],
                          .base = -a.pad[i],
                          .per_out = a.s[i],
                          .per_t = a.d[i],
                          .extent = xe[2 + i],
                          .first = 0,
                          .step = 1,
                          .out_base = 0,
                          .out_per = 1};
  GroupBody gb;
  group_body(lo, gr, &gb);
  conv_kernel(lo, n, &p, &gb, ye[0], a.groups, rows);
}
const LowerOp lower_CONV2D = {.role = ROLE_TILE, .kernels = lower_conv2d};

/* Outputs i, i + s, ... below `extent`; the filter positions whose distance divides by the stride. */
static ConvAxis phase_axis(int64_t i, int64_t s, int64_t pad, int64_t d, int64_t k, int64_t extent,
                           int64_t image) {
  ConvAxis x = {.n = ceil_div(extent - i, s), .extent = image, .out_base = i, .out_per = s, .per_out = 1};
  int64_t step = s / i64_gcd(s, d), first = 0;
  while (first < k && (i + pad - first * d) % s != 0) first++;
  if (first >= k) return x;
  x.count = (k - 1 - first) / step + 1;
  x.first = first;
  x.step = step;
  x.base = (i + pad - first * d) / s;
  x.per_t = -(step * d / s);
  return x;
}

static void lower_conv2d_dx(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, gn = graph_in(lo->g, n)[0], wn = graph_in(lo->g, n)[1];
  ConvAttr a = conv_attr(graph_attr(lo->g, n));
  const int64_t *xe = lo->ext[n.i], *ge = lo->ext[gn.i], *we = lo->ext[wn.i];
  View g = lower_memory(lo, gn), w = lower_memory(lo, wn);
  int64_t rows = we[1], outs = we[0] / a.groups;
  Conv p = {.type = (DType)graph_node(lo->g, n)->type.dtype, .channels = outs};
  p.x = plan_buffer_source(lo, &g);
  p.w = plan_buffer_source(lo, &w);
  p.xl = (AxisAffine){g.at.k, {g.at.c[0], outs * g.at.c[1], 0}};
  p.wl = (AxisAffine){w.at.k, {0, outs * w.at.c[0], w.at.c[1]}};
  p.xh = g.at.c[2], p.xw = g.at.c[3], p.xr = g.at.c[1];
  p.wh = w.at.c[2], p.ww = w.at.c[3], p.wr = w.at.c[0];
  GroupBody gb;
  group_body(lo, gr, &gb);
  for (int64_t i = 0; i < a.s[0] && i < xe[2]; i++)
    for (int64_t j = 0; j < a.s[1] && j < xe[3]; j++) {
      p.h = phase_axis(i, a.s[0], a.pad[0], a.d[0], we[2], xe[2], ge[2]);
      p.v = phase_axis(j, a.s[1], a.pad[1], a.d[1], we[3], xe[3], ge[3]);
      conv_kernel(lo, n, &p, &gb, xe[0], a.groups, rows);
    }
}
const LowerOp lower_CONV2D_DX = {.role = ROLE_TILE, .kernels = lower_conv2d_dx};

/* ---- weight gradient: gy with its channels innermost, x with its padding, both copies; then lanes are
 * output channels and rows the longest of (channel, kh, kw); pieces of images into a buffer, and their sum.
 * Where there are more groups than channels of one, as of a convolution by depth, lanes are groups, and both
 * copies have them innermost ---- */
typedef struct Weights {
  DType type;
  bool by_group; /* lanes */
  uint32_t gy, x, part;
  AxisAffine gl, xl, pl; /* over piece, group, c, kh, kw, o */
  int64_t g_image, g_row, g_col, x_image, x_row, x_col;
  int64_t images, oh, ow;
} Weights;

enum { W_PIECE, W_GROUP, W_C, W_KH, W_KW, W_O, W_RANK };

static void weights_body(LowerKernel *m, const Coord *c, void *cx) {
  const Weights *p = cx;
  KernelBuilder *b = &m->b;
  int acc = kernel_tile(b, STR("acc"), p->type, c->rows, c->cols),
      y = kernel_tile(b, STR("gy"), p->type, 1, c->cols);
  int gb = lower_kernel_in(m, p->gy), xb = lower_kernel_in(m, p->x), pb = lower_kernel_out(m, p->part);
  View g = {.kind = VIEW_MEMORY, .at = p->gl}, x = {.kind = VIEW_MEMORY, .at = p->xl},
       to = {.kind = VIEW_MEMORY, .at = p->pl};
  kernel_fill(b, acc, 0);
  int i = kernel_loop(b, LOOP_SEQ, p->images, 1), h = kernel_loop(b, LOOP_SEQ, p->oh, 1),
      w = kernel_loop(b, LOOP_SEQ, p->ow, 2);
  Access ga = coord_access(c, gb, &g, p->type), xa = coord_access(c, xb, &x, p->type);
  ga.at.a = affine_add(affine_add(affine_add(ga.at.a, i, p->g_image), h, p->g_row), w, p->g_col);
  xa.at.a = affine_add(affine_add(affine_add(xa.at.a, i, p->x_image), h, p->x_row), w, p->x_col);
  kernel_load(b, y, ga);
  KernelOperand src[3] = {operand_memory(b, c->rows, p->by_group ? c->cols : 1, xa), operand_tile(b, y),
                          operand_tile(b, acc)};
  kernel_map1(b, program_fma(b->arena, p->type), acc, 3, src);
  kernel_end(b);
  kernel_end(b);
  kernel_end(b);
  kernel_store(b, acc, coord_access(c, pb, &to, p->type));
}

typedef struct Totals {
  DType type;
  uint32_t part, out;
  View in, to;
  int64_t pieces, stride;
} Totals;

static void totals_body(LowerKernel *m, const Coord *c, void *cx) {
  const Totals *p = cx;
  KernelBuilder *b = &m->b;
  int acc = kernel_tile(b, STR("acc"), p->type, c->rows, c->cols);
  Access a = coord_access(c, lower_kernel_in(m, p->part), &p->in, p->type);
  if (p->pieces == 1) {
    kernel_load(b, acc, a);
  } else {
    kernel_fill(b, acc, 0);
    int v = kernel_loop(b, LOOP_SEQ, p->pieces, 1);
    a.at.a = affine_add(a.at.a, v, p->stride);
    KernelOperand src[2] = {operand_tile(b, acc), operand_memory(b, c->rows, c->cols, a)};
    kernel_map1(b, program_sum(b->arena, p->type), acc, 2, src);
    kernel_end(b);
  }
  kernel_store(b, acc, coord_access(c, lower_kernel_out(m, p->out), &p->to, p->type));
}

/* A copy with a frame of zeros; its axes, strides and the plan buffer. */
typedef struct Framed {
  uint32_t buffer;
  int64_t image, group, channel, row, col;
} Framed;

enum { F_IMAGE, F_ROW, F_COL, F_GROUP, F_CHANNEL, F_RANK };

/* order: the copy's axes, outermost first. */
static Framed framed(LowerCx *lo, NodeId n, const View *x, const int64_t *xe, const int64_t *pad,
                     int64_t groups, const uint8_t *order) {
  int64_t channels = xe[1] / groups;
  int64_t all[F_RANK] = {xe[0], xe[2] + 2 * pad[0], xe[3] + 2 * pad[1], groups, channels};
  int64_t source[F_RANK] = {x->at.c[0], x->at.c[2], x->at.c[3], channels * x->at.c[1], x->at.c[1]};
  int64_t ext[F_RANK], stride[F_RANK], count = 1;
  View from = *x, to = {.kind = VIEW_MEMORY, .type = x->type};
  for (int i = F_RANK; i-- > 0;) {
    uint8_t axis = order[i];
    ext[i] = all[axis];
    stride[axis] = to.at.c[i] = count;
    from.at.c[i] = source[axis];
    count *= ext[i];
    int64_t before = axis == F_ROW ? pad[0] : axis == F_COL ? pad[1] : 0;
    if (!before) continue;
    from.at.k -= before * source[axis];
    AxisAffine at = axis_affine_axis(i);
    at.k = -before;
    from.guard[from.nguard].at = at;
    from.guard[from.nguard++].extent = ext[i] - 2 * before;
  }
  Framed f = {plan_buffer_temp(lo, (DType)x->type, count),
              stride[F_IMAGE],
              stride[F_GROUP],
              stride[F_CHANNEL],
              stride[F_ROW],
              stride[F_COL]};
  lower_copy(lo, n, F_RANK, ext, &from, plan_buffer_source(lo, x), &to, f.buffer);
  return f;
}

/* The sum of the pieces, at its place in w. */
static void weights_total(LowerCx *lo, NodeId n, const Weights *p, const int64_t *ext, int64_t size,
                          int64_t pieces) {
  int64_t C = ext[W_C], KH = ext[W_KH], KW = ext[W_KW], outs = ext[W_O];
  const int64_t *from = p->pl.c;
  Totals s = {
      .type = p->type, .part = p->part, .out = plan_buffer_node(lo, n), .pieces = pieces, .stride = size};
  s.in = (View){.kind = VIEW_MEMORY,
                .type = (uint8_t)p->type,
                .at = {0, {from[W_GROUP], from[W_C], from[W_KH], from[W_KW], from[W_O]}}};
  s.to = s.in;
  s.to.at = (AxisAffine){0, {outs * C * KH * KW, KH * KW, KW, 1, C * KH * KW}};
  Tiling u = {.rank = 5, .ext = {ext[W_GROUP], C, KH, KW, outs}, .row = -1, .lane = 4, .rows = 1};
  View *both[2] = {&s.in, &s.to};
  u.rank = lower_collapse(5, u.ext, both, 2);
  u.lane = u.rank - 1;
  u.cols = u.rank == 0 ? 1 : lower_cols(u.ext[u.lane], 32);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "totals");
  lower_tiles(&m, &u, totals_body, &s);
  m.cost_ns = (double)(size * pieces) * 0.3;
  lower_kernel_end(&m);
}

static void lower_conv2d_dw(LowerCx *lo, const LowerGroup *gr) {
  static const uint8_t rows_inner[] = {F_IMAGE, F_GROUP, F_CHANNEL, F_ROW, F_COL},
                       channels_inner[] = {F_IMAGE, F_ROW, F_COL, F_GROUP, F_CHANNEL},
                       groups_inner[] = {F_IMAGE, F_ROW, F_COL, F_CHANNEL, F_GROUP};
  static const int64_t none[2] = {0};
  NodeId n = gr->anchor, xn = graph_in(lo->g, n)[0], gn = graph_in(lo->g, n)[1];
  ConvAttr a = conv_attr(graph_attr(lo->g, n));
  const int64_t *we = lo->ext[n.i], *xe = lo->ext[xn.i], *ge = lo->ext[gn.i];
  int64_t outs = we[0] / a.groups, C = we[1], KH = we[2], KW = we[3];
  View x = lower_memory(lo, xn), g = lower_memory(lo, gn);
  DType type = (DType)x.type;
  Order o = order_conv_dw(xe[0], ge[2], ge[3]);
  Weights p = {.type = type, .by_group = a.groups > outs, .oh = ge[2], .ow = ge[3]};
  Framed fx = framed(lo, n, &x, xe, a.pad, a.groups, p.by_group ? groups_inner : rows_inner);
  Framed fg = framed(lo, n, &g, ge, none, a.groups, p.by_group ? groups_inner : channels_inner);
  int64_t ext[W_RANK] = {o.chunks, a.groups, C, KH, KW, outs}, size = a.groups * C * KH * KW * outs;
  int64_t inner = p.by_group ? a.groups : 1; /* below the other axes of a piece */
  p.x = fx.buffer, p.gy = fg.buffer;
  p.part = plan_buffer_temp(lo, type, size * o.chunks);
  p.g_image = fg.image, p.g_row = fg.row, p.g_col = fg.col;
  p.x_image = fx.image, p.x_row = a.s[0] * fx.row, p.x_col = a.s[1] * fx.col;
  p.gl = (AxisAffine){0, {o.chunk * fg.image, fg.group, 0, 0, 0, fg.channel}};
  p.xl = (AxisAffine){0, {o.chunk * fx.image, fx.group, fx.channel, a.d[0] * fx.row, a.d[1] * fx.col, 0}};
  p.pl = (AxisAffine){0,
                      {size, p.by_group ? 1 : C * KH * KW * outs, KH * KW * outs * inner, KW * outs * inner,
                       outs * inner, inner}};
  Tiling t = {.rank = W_RANK, .lane = p.by_group ? W_GROUP : W_O, .row = W_C};
  memcpy(t.ext, ext, sizeof ext); /* size-ok: its own */
  if (KH > t.ext[t.row]) t.row = W_KH;
  if (KW > t.ext[t.row]) t.row = W_KW;
  int nv;
  double cycles = lower_tile_shape(lo, type, t.ext[t.row], t.ext[t.lane], 1, 3, &t.rows, &t.more, &nv);
  t.cols = lower_cols(t.ext[t.lane], KERNEL_LANES * nv);
  int64_t full = o.n / o.chunk, rest = o.n % o.chunk;
  double per = cycles * (double)size / (double)(t.ext[t.row] * t.ext[t.lane]) * (double)(p.oh * p.ow) / 2.6;
  for (int i = 0; i < 2; i++) { /* whole pieces, then the last, shorter one */
    t.ext[W_PIECE] = i ? rest != 0 : full;
    if (!t.ext[W_PIECE]) continue;
    p.images = i ? rest : o.chunk;
    if (i) {
      p.gl.k = full * p.gl.c[W_PIECE];
      p.xl.k = full * p.xl.c[W_PIECE];
      p.pl.k = full * p.pl.c[W_PIECE];
    }
    LowerKernel m;
    lower_kernel_begin(&m, lo, n, "conv2d_dw");
    lower_tiles(&m, &t, weights_body, &p);
    m.flops = 2.0 * (double)size * (double)(t.ext[W_PIECE] * p.images) * (double)(p.oh * p.ow);
    m.cost_ns = per * (double)(t.ext[W_PIECE] * p.images);
    lower_kernel_end(&m);
  }
  weights_total(lo, n, &p, ext, size, o.chunks);
}
const LowerOp lower_CONV2D_DW = {.role = ROLE_OTHER, .kernels = lower_conv2d_dw};
