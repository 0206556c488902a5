/* Windows over images of one, two or three axes: what the functions of convolution and pooling share. */
#ifndef DG_FRONTEND_WINDOW_H
#define DG_FRONTEND_WINDOW_H

#include "frontend/elaborate/elab.h"

/* Depth, height, width. Functions of fewer axes have the last of them; the others are as of an image of
 * extent 1. */
enum { WINDOW_DEPTH, WINDOW_HEIGHT, WINDOW_WIDTH, WINDOW_AXES };

typedef struct Image { /* [N, C, ..] */
  NodeId n;
  Type t;
} Image;

int window_axes(const Builtin *b); /* "conv1d": 1 */
/* "[N, C, H, W]", for messages. */
const char *window_layout(int axes);
NodeId tensor_arg(Elab *x, Operand o);
/* A float tensor with this many axes behind [N, C]. */
bool window_fits(const Type *t, int axes);
void window_help(Diag *g, const Type *t, int axes); /* where one image alone was given */
/* The node as such a tensor; false after a report. */
bool window_image(Elab *x, const Builtin *b, Span at, int axes, NodeId n, Image *image);
/* One whole number for all axes, or a list with one for each; axes that the function does not have keep what
 * is there.
 */
bool window_numbers(Elab *x, Operand o, int axes, const char *what, int64_t least, int64_t out[WINDOW_AXES]);
DimId window_extent(const Elab *x, const Image *image, int axes, int axis); /* axis: WINDOW_DEPTH .. */

#endif
