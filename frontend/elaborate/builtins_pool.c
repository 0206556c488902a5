/* Pooling over one, two and three axes. A row is an image of height 1; a volume is pooled over height and
 * width, and then along its depth: the greatest and the mean of a box are those of its slices. */
#include "frontend/elaborate/window.h"

typedef struct Pool {
  Elab *x;
  const Builtin *b;
  Span at;
  int axes;
  Image image;
  int64_t k[WINDOW_AXES], stride[WINDOW_AXES], pad[WINDOW_AXES];
  DimId n[WINDOW_AXES], out[WINDOW_AXES];
} Pool;

static bool extents(Pool *p) {
  Elab *x = p->x;
  DimTable *t = x->dims;
  for (int i = WINDOW_AXES - p->axes; i < WINDOW_AXES; i++) {
    p->n[i] = window_extent(x, &p->image, p->axes, i);
    DimId room = dim_add(t, p->n[i], dim_const(t, 2 * p->pad[i] - p->k[i]));
    int64_t v;
    if (p->pad[i] >= p->k[i])
      return TELL(x, bad_operand, p->at, p->b->name, STR("padding as large as the window")), false;
    if (dim_is_const(t, room, &v) && v < 0)
      return TELL(x, bad_operand, p->at, p->b->name,
                  str_fmt(x->a, "the window is larger than the padded image " STRF,
                          STRA(type_text(x, p->image.t)))),
             false;
    p->out[i] = dim_add(t, dim_floordiv(t, room, p->stride[i]), dim_const(t, 1));
  }
  return true;
}

/* n as [N, channels, h, w], pooled along the axes from `first` on: two of them, or one. */
static NodeId pooled(const Pool *p, NodeId n, DimId channels, DimId h, DimId w, int first, int last) {
  Builder b = builder_at(p->x, p->at);
  Type t = {.dtype = p->image.t.dtype, .rank = 4, .dim = {p->image.t.dim[0], channels, h, w}};
  int64_t a[6] = {1, 1, 1, 1, 0, 0};
  if (!node_ok(n)) return n;
  for (int i = first; i <= last; i++) {
    a[i - first] = p->k[i];
    a[2 + i - first] = p->stride[i];
    a[4 + i - first] = p->pad[i];
  }
  n = build_reshape(&b, n, t);
  return emit(p->x, p->at, p->b->name, p->b->op, &n, 1, a, NULL);
}

static NodeId windows(const Pool *p) {
  DimTable *t = p->x->dims;
  DimId c = p->image.t.dim[1];
  NodeId n = pooled(p, p->image.n, dim_mul(t, c, p->n[WINDOW_DEPTH]), p->n[WINDOW_HEIGHT], p->n[WINDOW_WIDTH],
                    WINDOW_HEIGHT, WINDOW_WIDTH);
  if (p->axes == 3)
    n = pooled(p, n, c, p->n[WINDOW_DEPTH], dim_mul(t, p->out[WINDOW_HEIGHT], p->out[WINDOW_WIDTH]),
               WINDOW_DEPTH, WINDOW_DEPTH);
  Type to = p->image.t;
  for (int i = 0; i < p->axes; i++) to.dim[2 + i] = p->out[WINDOW_AXES - p->axes + i];
  Builder b = builder_at(p->x, p->at);
  return node_ok(n) ? build_reshape(&b, n, to) : n;
}

Value bi_pool(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  Pool p = {.x = x, .b = b, .at = at, .axes = window_axes(b)};
  for (int i = 0; i < WINDOW_AXES; i++) {
    p.k[i] = p.stride[i] = 1;
    p.n[i] = p.out[i] = dim_const(x->dims, 1);
  }
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = tensor_arg(x, o[0]);
  if (!window_numbers(x, o[1], p.axes, "the window", 1, p.k) ||
      !window_numbers(x, o[3], p.axes, "the padding", 0, p.pad))
    return val_poison();
  memcpy(p.stride, p.k, sizeof p.stride);
  if (!window_numbers(x, o[2], p.axes, "the stride", 1, p.stride) ||
      !window_image(x, b, at, p.axes, n, &p.image) || !extents(&p))
    return val_poison();
  return val_node(windows(&p));
}

/* ---- as many windows as are asked for ---- */

/* Window i of an axis goes from floor(i*n/count) to ceil((i + 1)*n/count): where they do not divide, windows
 * differ by one and meet in one. */
static NodeId uneven(Pool *p, NodeId x, int axis, int64_t n, int64_t count) {
  Builder b = builder_at(p->x, p->at);
  NodeId *part = ARENA_ARRAY(p->x->a, NodeId, count);
  int64_t at = axis;
  for (int64_t i = 0; i < count && node_ok(x); i++) {
    int64_t from = i * n / count, to = ((i + 1) * n + count - 1) / count;
    NodeId s = build_slice(&b, x, axis, dim_const(p->x->dims, from), 1, dim_const(p->x->dims, to - from));
    part[i] = build_reduce(&b, p->b->op, s, 1u << axis);
  }
  return node_ok(x) ? emit(p->x, p->at, p->b->name, OP_CONCAT, part, (uint32_t)count, &at, NULL) : x;
}

/* Equal windows of all axes that have them at once: [.., count, n/count, ..], the mean of the second. */
static NodeId even(Pool *p, const int64_t *count, const DimId *each) {
  Builder b = builder_at(p->x, p->at);
  Type t = p->image.t, wide = {.dtype = t.dtype, .rank = 2, .dim = {t.dim[0], t.dim[1]}};
  uint32_t within = 0;
  for (int i = 0; i < p->axes; i++) {
    if (!count[i]) {
      wide.dim[wide.rank++] = t.dim[2 + i];
      continue;
    }
    wide.dim[wide.rank++] = t.dim[2 + i] = dim_const(p->x->dims, count[i]);
    within |= 1u << wide.rank;
    wide.dim[wide.rank++] = each[i];
  }
  if (!within) return p->image.n;
  if (wide.rank > p->x->limits->rank)
    return (void)limit_passed(p->x, p->at, "the tensor's axes", "rank", p->x->limits->rank), NO_NODE;
  return build_reshape(&b, build_reduce(&b, p->b->op, build_reshape(&b, p->image.n, wide), within), t);
}

Value bi_adaptive_pool(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  enum { MOST = 4096 };
  Operand o[MAX_BUILTIN_ARGS];
  Pool p = {.x = x, .b = b, .at = at, .axes = window_axes(b)};
  int64_t want[WINDOW_AXES], count[WINDOW_AXES] = {0}, n;
  DimId each[WINDOW_AXES];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId in = tensor_arg(x, o[0]);
  if (!window_numbers(x, o[1], p.axes, "the number of windows", 1, want) ||
      !window_image(x, b, at, p.axes, in, &p.image))
    return val_poison();
  for (int i = 0; i < p.axes; i++) { /* count: 0 where windows are uneven */
    DimId extent = p.image.t.dim[2 + i], parts;
    int64_t k = want[i] = want[WINDOW_AXES - p.axes + i];
    if (!extent.i) return val_poison();
    bool known = dim_is_const(x->dims, extent, &n);
    parts = dim_const(x->dims, k);
    if (dim_div_exact(x->dims, extent, parts, &each[i]) && !(known && k > n)) {
      count[i] = k;
      continue;
    }
    if (known && k <= MOST) continue;
    Diag *g =
        TELL(x, bad_operand, at, b->name,
             known ? str_fmt(x->a, "windows of unequal size are at most %d along an axis, not %lld",
                             (int)MOST, (long long)k)
                   : str_fmt(x->a, "an axis of extent " STRF " has no %lld windows while its extent is open",
                             STRA(dim_text(x, extent)), (long long)k));
    if (!known) diag_help(g, "the extent is a number, or a multiple of the number of windows");
    return val_poison();
  }
  p.image.n = even(&p, count, each);
  for (int i = 0; i < p.axes && node_ok(p.image.n); i++)
    if (!count[i] && dim_is_const(x->dims, p.image.t.dim[2 + i], &n))
      p.image.n = uneven(&p, p.image.n, 2 + i, n, want[i]);
  return val_node(p.image.n);
}

Value bi_global_pool(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  NodeId n = tensor_arg(x, o[0]);
  if (!node_ok(n)) return val_poison();
  Type t = node_type(x, n);
  if (t.rank < 3 || !dtype_is_float((DType)t.dtype)) {
    TELL(x, bad_operand, at, b->name, str_fmt(x->a, "takes x [N, C, ..], not " STRF, STRA(type_text(x, t))));
    return val_poison();
  }
  Builder bu = builder_at(x, at);
  uint32_t axes = ((1u << t.rank) - 1) & ~3u;
  return val_node(build_drop_axes(&bu, build_reduce(&bu, b->op, n, axes), axes));
}
