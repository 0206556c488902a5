/* What the functions of convolution and pooling share: their operands. */
#include "frontend/elaborate/window.h"

enum { WINDOW_LARGEST = 1 << 20 }; /* of sizes, strides and paddings */

int window_axes(const Builtin *b) {
  size_t n = strlen(b->name);
  return b->name[n - 2] - '0';
}

const char *window_layout(int axes) {
  return axes == 1 ? "[N, C, L]" : axes == 2 ? "[N, C, H, W]" : "[N, C, D, H, W]";
}

bool window_fits(const Type *t, int axes) { return t->rank == axes + 2 && dtype_is_float((DType)t->dtype); }

void window_help(Diag *g, const Type *t, int axes) {
  if (t->rank == axes + 1) diag_help(g, "one alone gets an axis in front: x[_]");
}

bool window_image(Elab *x, const Builtin *b, Span at, int axes, NodeId n, Image *image) {
  if (!node_ok(n)) return false;
  *image = (Image){n, node_type(x, n)};
  const Type *t = &image->t;
  if (window_fits(t, axes)) return true;
  Diag *g = TELL(x, bad_operand, at, b->name,
                 str_fmt(x->a, "takes x %s, not " STRF, window_layout(axes), STRA(type_text(x, *t))));
  window_help(g, t, axes);
  return false;
}

bool window_numbers(Elab *x, Operand o, int axes, const char *what, int64_t least, int64_t out[WINDOW_AXES]) {
  if (!arg_given(o)) return true;
  bool list = o.v.kind == VAL_LIST;
  if (list && o.v.list.n != (uint32_t)axes) {
    if (axes == 1)
      TELL(x, static_arith, o.at, str_fmt(x->a, "%s is one number", what));
    else
      TELL(x, static_arith, o.at, str_fmt(x->a, "%s is one number, or a list of %d", what, axes));
    return false;
  }
  for (int i = 0; i < axes; i++) {
    int64_t v;
    if (!val_static_int(x, list ? o.v.list.at[i] : o.v, o.at, what, &v)) return false;
    if (v < least || v > WINDOW_LARGEST) {
      TELL(x, static_arith, o.at,
           str_fmt(x->a, "%s is at %s %lld", what, v < least ? "least" : "most",
                   (long long)(v < least ? least : WINDOW_LARGEST)));
      return false;
    }
    out[WINDOW_AXES - axes + i] = v;
  }
  return true;
}

DimId window_extent(const Elab *x, const Image *image, int axes, int axis) {
  int at = axis - (WINDOW_AXES - axes);
  return at < 0 ? dim_const(x->dims, 1) : image->t.dim[2 + at];
}
