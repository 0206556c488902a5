/* Convolutions over one, two and three axes, and their transposes. All of them are conv2d, or its gradient by
 * the image: a row is an image of height 1; of a volume the places of the window along the depth become
 * channels, so that the products of one element are one chain there, too (docs/decisions/0017). */
#include "frontend/elaborate/window.h"

typedef struct Conv {
  Elab *x;
  const Builtin *b;
  Span at;
  int axes;
  Image image, filter;
  Span padding_at;
  int64_t k[WINDOW_AXES], stride[WINDOW_AXES], dilation[WINDOW_AXES], groups;
  int64_t before[WINDOW_AXES], after[WINDOW_AXES]; /* zeros; of a transpose: what is left out */
  DimId n[WINDOW_AXES], out[WINDOW_AXES];          /* extents of the image and of the result */
} Conv;

static int64_t reach(const Conv *c, int i) { return c->dilation[i] * (c->k[i] - 1) + 1; }
static DimId number(const Conv *c, int64_t v) { return dim_const(c->x->dims, v); }
static Builder builder(const Conv *c) { return builder_at(c->x, c->at); }

static bool refuse_types(const Conv *c, const char *why) {
  TELL(c->x, bad_operand, c->at, c->b->name,
       str_fmt(c->x->a, "%s " STRF " and " STRF, why, STRA(type_text(c->x, c->image.t)),
               STRA(type_text(c->x, c->filter.t))));
  return false;
}

/* ---- operands ---- */

static bool tensors(Conv *c, const Operand *o, bool transposed) {
  static const char *const filter[2][3] = {
      {"w [O, C/groups, K]", "w [O, C/groups, KH, KW]", "w [O, C/groups, KD, KH, KW]"},
      {"w [C, O/groups, K]", "w [C, O/groups, KH, KW]", "w [C, O/groups, KD, KH, KW]"}};
  Elab *x = c->x;
  NodeId in[2] = {tensor_arg(x, o[0]), tensor_arg(x, o[1])};
  if (!node_ok(in[0]) || !node_ok(in[1])) return false;
  c->image = (Image){in[0], node_type(x, in[0])};
  c->filter = (Image){in[1], node_type(x, in[1])};
  const Type *t = &c->image.t, *w = &c->filter.t;
  if (window_fits(t, c->axes) && w->rank == t->rank && w->dtype == t->dtype) return true;
  Diag *g = TELL(x, bad_operand, c->at, c->b->name,
                 str_fmt(x->a, "takes x %s and %s, not " STRF " and " STRF, window_layout(c->axes),
                         filter[transposed][c->axes - 1], STRA(type_text(x, *t)), STRA(type_text(x, *w))));
  if (w->rank == c->axes + 2) window_help(g, t, c->axes);
  return false;
}

/* Channels that are known divide into the groups. */
static bool divides(const Conv *c, DimId channels) {
  int64_t n;
  if (!dim_is_const(c->x->dims, channels, &n) || n % c->groups == 0) return true;
  TELL(c->x, bad_operand, c->at, c->b->name,
       str_fmt(c->x->a, "%lld channels do not divide into %lld groups", (long long)n, (long long)c->groups));
  return false;
}

static bool channels(Conv *c, bool transposed) {
  Elab *x = c->x;
  const Type *t = &c->image.t, *w = &c->filter.t;
  int64_t v;
  for (int i = WINDOW_AXES - c->axes; i < WINDOW_AXES; i++) {
    DimId k = window_extent(x, &c->filter, c->axes, i);
    if (!k.i || !w->dim[0].i || !w->dim[1].i) return false; /* a probe's */
    if (!dim_is_const(x->dims, k, &c->k[i]) || !dim_is_const(x->dims, w->dim[transposed], &v))
      return TELL(x, bad_operand, c->at, c->b->name,
                  str_fmt(x->a, "needs constant extents of the filter " STRF, STRA(type_text(x, *w)))),
             false;
    c->n[i] = window_extent(x, &c->image, c->axes, i);
  }
  if (!divides(c, w->dim[0])) return false;
  DimId have = transposed ? w->dim[0] : dim_mul(x->dims, w->dim[1], number(c, c->groups));
  if (dim_agree(t->dim[1], have)) return true;
  return refuse_types(c, transposed ? "the channels, axis 1 of x and axis 0 of w, differ:"
                         : c->groups == 1
                             ? "the channels, axis 1 of both, differ:"
                             : "the channels of x are not those of w, axis 1 of both, times the groups:");
}

/* ---- padding ---- */

/* Zeros so that there are as many results as strides, the odd one at the end. */
static bool same_padding(Conv *c, int i) {
  Elab *x = c->x;
  int64_t n, s = c->stride[i], total = reach(c, i) - s;
  DimId whole;
  if (dim_is_const(x->dims, c->n[i], &n)) {
    total = (n - 1) / s * s + reach(c, i) - n;
  } else if (s != 1 && c->n[i].i && !dim_div_exact(x->dims, c->n[i], number(c, s), &whole)) {
    Diag *g =
        TELL(x, bad_operand, c->padding_at, c->b->name,
             str_fmt(x->a, "how many zeros \"same\" means with a stride of %lld depends on the extent " STRF,
                     (long long)s, STRA(dim_text(x, c->n[i]))));
    diag_help(g, "write the padding as a number, or an extent that is known or a multiple of the stride");
    return false;
  }
  if (total < 0) total = 0;
  c->before[i] = total / 2;
  c->after[i] = total - total / 2;
  return true;
}

static bool paddings(Conv *c, Operand o) {
  c->padding_at = o.at;
  if (!arg_given(o) || o.v.kind != VAL_STRING) {
    if (!window_numbers(c->x, o, c->axes, "the padding", 0, c->before)) return false;
    memcpy(c->after, c->before, sizeof c->after);
    return true;
  }
  if (str_eq(o.v.str, STR("valid"))) return true;
  if (!str_eq(o.v.str, STR("same"))) {
    TELL(c->x, bad_operand, o.at, c->b->name,
         str_fmt(c->x->a, "the padding is \"same\", \"valid\" or a number of zeros, not \"" STRF "\"",
                 STRA(o.v.str)));
    return false;
  }
  for (int i = WINDOW_AXES - c->axes; i < WINDOW_AXES; i++)
    if (!same_padding(c, i)) return false;
  return true;
}

/* ---- moves ---- */

static DimId times(const Conv *c, DimId a, DimId b) { return dim_mul(c->x->dims, a, b); }

static NodeId shaped(const Conv *c, NodeId n, Type t) {
  Builder b = builder(c);
  return node_ok(n) && type_small(c->x, c->at, &t) ? build_reshape(&b, n, t) : NO_NODE;
}

static NodeId images(const Conv *c, NodeId n, DimId d0, DimId d1, DimId d2, DimId d3) {
  return shaped(c, n, (Type){.dtype = c->image.t.dtype, .rank = 4, .dim = {d0, d1, d2, d3}});
}

/* [N, A, B, H, W] <-> [N, B, A, H, W] */
static NodeId swapped(const Conv *c, NodeId n) {
  static const uint8_t perm[5] = {0, 2, 1, 3, 4};
  Builder b = builder(c);
  return node_ok(n) ? build_transpose(&b, n, perm) : NO_NODE;
}

static NodeId padded(const Conv *c, NodeId n, int axis, int64_t before, int64_t after, int64_t step) {
  if (!before && !after && step == 1) return n;
  int64_t attr[4] = {axis, number(c, before).i, number(c, after).i, step};
  return emit(c->x, c->at, c->b->name, OP_PAD, &n, 1, attr, NULL);
}

static NodeId sliced(const Conv *c, NodeId n, int axis, int64_t start, int64_t step, DimId extent) {
  Builder b = builder(c);
  return node_ok(n) ? build_slice(&b, n, axis, number(c, start), step, extent) : NO_NODE;
}

static NodeId added(const Conv *c, NodeId sum, NodeId n) {
  Builder b = builder(c);
  return node_ok(sum) && node_ok(n) ? build_scalar(&b, OP_ADD, sum, n, NO_NODE) : n;
}

/* What the filter is at this place of the depth, over height and width. */
static NodeId filter_at(const Conv *c, int64_t k) {
  const Type *w = &c->filter.t;
  NodeId n = c->axes < 3 ? c->filter.n : sliced(c, c->filter.n, 2, k, 1, number(c, 1));
  return images(c, n, w->dim[0], w->dim[1], number(c, c->k[WINDOW_HEIGHT]), number(c, c->k[WINDOW_WIDTH]));
}

/* The result as the caller wrote its image. */
static NodeId unfolded(const Conv *c, NodeId n, DimId channels) {
  Type t = c->image.t;
  t.dim[1] = channels;
  for (int i = 0; i < c->axes; i++) t.dim[2 + i] = c->out[WINDOW_AXES - c->axes + i];
  return shaped(c, n, t);
}

/* [N*D, C, H, W] -> [N, D, C, H, W] */
static NodeId volumes(const Conv *c, NodeId n, DimId depth, DimId channels) {
  Type t = {.dtype = c->image.t.dtype, .rank = 5};
  t.dim[0] = c->image.t.dim[0];
  t.dim[1] = depth;
  t.dim[2] = channels;
  t.dim[3] = c->out[WINDOW_HEIGHT];
  t.dim[4] = c->out[WINDOW_WIDTH];
  return shaped(c, n, t);
}

static void attributes(const Conv *c, int64_t attr[8]) {
  for (int i = 0; i < 2; i++) {
    attr[i] = c->stride[WINDOW_HEIGHT + i];
    attr[2 + i] = c->before[WINDOW_HEIGHT + i];
    attr[4 + i] = c->dilation[WINDOW_HEIGHT + i];
  }
  attr[6] = c->groups;
  attr[7] = 0; /* build_op fills in the order */
}

/* ---- forward ---- */

static bool extents(Conv *c) {
  DimTable *t = c->x->dims;
  for (int i = WINDOW_AXES - c->axes; i < WINDOW_AXES; i++) {
    DimId room = dim_add(t, c->n[i], number(c, c->before[i] + c->after[i] - reach(c, i)));
    int64_t v;
    if (dim_is_const(t, room, &v) && v < 0)
      return refuse_types(c, "the filter is larger than the padded image:");
    c->out[i] = dim_add(t, dim_floordiv(t, room, c->stride[i]), number(c, 1));
  }
  return true;
}

/* Zeros around the image that the op does not add itself: it adds as many behind as in front, and none to the
 * depth. */
static NodeId framed(Conv *c) {
  NodeId n = c->image.n;
  for (int i = WINDOW_AXES - c->axes; i < WINDOW_AXES; i++) {
    int64_t before = i == WINDOW_DEPTH ? c->before[i] : 0, after = c->after[i] - c->before[i] + before;
    n = padded(c, n, 2 + i - (WINDOW_AXES - c->axes), before, after, 1);
    c->n[i] = dim_add(c->x->dims, c->n[i], number(c, before + after));
  }
  return n;
}

static NodeId forward(Conv *c) {
  DimId outs = c->filter.t.dim[0], many = c->image.t.dim[0];
  int64_t attr[8];
  NodeId x = framed(c), sum = NO_NODE;
  attributes(c, attr);
  if (c->axes == 3) many = times(c, many, c->out[WINDOW_DEPTH]);
  for (int64_t k = 0; k < c->k[WINDOW_DEPTH]; k++) {
    NodeId s = x;
    if (c->axes == 3)
      s = swapped(
          c, sliced(c, x, 2, k * c->dilation[WINDOW_DEPTH], c->stride[WINDOW_DEPTH], c->out[WINDOW_DEPTH]));
    NodeId in[2] = {images(c, s, many, c->image.t.dim[1], c->n[WINDOW_HEIGHT], c->n[WINDOW_WIDTH]),
                    filter_at(c, k)};
    for (int i = 0; i < 2; i++) in[i] = product_operand(c->x, in[i]);
    sum = added(c, sum, emit(c->x, c->at, c->b->name, OP_CONV2D, in, 2, attr, NULL));
    if (!node_ok(sum)) return sum;
  }
  return c->axes == 3 ? swapped(c, volumes(c, sum, c->out[WINDOW_DEPTH], outs)) : unfolded(c, sum, outs);
}

static void conv_begin(Conv *c, Elab *x, const Builtin *b, Span at) {
  *c = (Conv){.x = x, .b = b, .at = at, .axes = window_axes(b), .groups = 1};
  for (int i = 0; i < WINDOW_AXES; i++) {
    c->k[i] = c->stride[i] = c->dilation[i] = 1;
    c->n[i] = c->out[i] = number(c, 1);
  }
}

static bool group_count(Conv *c, Operand o) {
  if (!arg_given(o)) return true;
  if (!val_static_int(c->x, o.v, o.at, "the number of groups", &c->groups)) return false;
  if (c->groups >= 1) return true;
  TELL(c->x, static_arith, o.at, STR("the number of groups is at least 1"));
  return false;
}

/* The depth of a filter is taken apart place by place. */
static bool depth_small(const Conv *c) {
  enum { DEEPEST = 1 << 6 };
  if (c->k[WINDOW_DEPTH] <= DEEPEST) return true;
  TELL(c->x, bad_operand, c->at, c->b->name, str_fmt(c->x->a, "a filter is at most %d deep", (int)DEEPEST));
  return false;
}

Value bi_conv(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  Conv c;
  conv_begin(&c, x, b, at);
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (!window_numbers(x, o[2], c.axes, "the stride", 1, c.stride) ||
      !window_numbers(x, o[4], c.axes, "the dilation", 1, c.dilation) || !group_count(&c, o[5]) ||
      !tensors(&c, o, false) || !channels(&c, false) || !paddings(&c, o[3]) || !depth_small(&c) ||
      !extents(&c))
    return val_poison();
  return val_node(forward(&c));
}

/* ---- transposed ---- */

/* (n - 1)*stride + reach - 2*padding + output_padding. */
static bool extents_back(Conv *c, const int64_t extra[WINDOW_AXES]) {
  DimTable *t = c->x->dims;
  for (int i = WINDOW_AXES - c->axes; i < WINDOW_AXES; i++) {
    DimId whole = dim_mul(t, dim_sub(t, c->n[i], number(c, 1)), number(c, c->stride[i]));
    int64_t v;
    c->out[i] = dim_add(t, whole, number(c, reach(c, i) - 2 * c->before[i] + extra[i]));
    if (dim_is_const(t, c->out[i], &v) && v < 1)
      return refuse_types(c, "the padding leaves nothing of the result:");
  }
  return true;
}

/* Each place of the window along the depth spreads its own slices, and they add up. */
static NodeId backward(Conv *c, int64_t extra) {
  DimId channels = times(c, c->filter.t.dim[1], number(c, c->groups)), many = c->image.t.dim[0];
  int64_t attr[8], d = c->dilation[WINDOW_DEPTH], k = c->k[WINDOW_DEPTH], cut = c->before[WINDOW_DEPTH],
                   past = extra > cut ? extra - cut : 0;
  NodeId x = c->image.n, sum = NO_NODE;
  attributes(c, attr);
  if (c->axes == 3) {
    x = swapped(c, x);
    many = times(c, many, c->n[WINDOW_DEPTH]);
  }
  x = images(c, x, many, c->image.t.dim[1], c->n[WINDOW_HEIGHT], c->n[WINDOW_WIDTH]);
  Type t = {.dtype = c->image.t.dtype, .rank = 4};
  t.dim[0] = many;
  t.dim[1] = channels;
  t.dim[2] = c->out[WINDOW_HEIGHT];
  t.dim[3] = c->out[WINDOW_WIDTH];
  for (int64_t i = 0; i < k; i++) {
    NodeId in[2] = {product_operand(c->x, x), product_operand(c->x, filter_at(c, i))};
    NodeId y = emit(c->x, c->at, c->b->name, OP_CONV2D_DX, in, 2, attr, &t);
    if (c->axes == 3) {
      y = volumes(c, y, c->n[WINDOW_DEPTH], channels);
      y = padded(c, y, 1, i * d, (k - 1 - i) * d + past, c->stride[WINDOW_DEPTH]);
    }
    sum = added(c, sum, y);
    if (!node_ok(sum)) return sum;
  }
  if (c->axes < 3) return unfolded(c, sum, channels);
  if (cut) sum = sliced(c, sum, 1, cut, 1, c->out[WINDOW_DEPTH]);
  return swapped(c, sum);
}

Value bi_conv_transpose(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  Conv c;
  int64_t extra[WINDOW_AXES] = {0};
  conv_begin(&c, x, b, at);
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (o[3].v.kind == VAL_STRING) {
    TELL(x, bad_operand, o[3].at, b->name,
         STR("its padding is a number: how much is left out on both sides"));
    return val_poison();
  }
  if (!window_numbers(x, o[2], c.axes, "the stride", 1, c.stride) ||
      !window_numbers(x, o[3], c.axes, "the padding", 0, c.before) ||
      !window_numbers(x, o[4], c.axes, "the output padding", 0, extra) ||
      !window_numbers(x, o[5], c.axes, "the dilation", 1, c.dilation) || !group_count(&c, o[6]))
    return val_poison();
  for (int i = WINDOW_AXES - c.axes; i < WINDOW_AXES; i++)
    if (extra[i] >= c.stride[i]) {
      TELL(
          x, static_arith, o[4].at,
          str_fmt(x->a, "the output padding is less than the stride, which is %lld", (long long)c.stride[i]));
      return val_poison();
    }
  if (!tensors(&c, o, true) || !channels(&c, true) || !depth_small(&c) || !extents_back(&c, extra))
    return val_poison();
  return val_node(backward(&c, extra[WINDOW_DEPTH]));
}
