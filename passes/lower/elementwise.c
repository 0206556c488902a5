/* Groups without a product: one pass over the space, lanes along its last axis. */
#include "passes/lower/internal.h"

static void body(LowerKernel *m, const Coord *c, void *cx) { group_emit(m, cx, c, -1); }

/* An axis that some source steps through by one while it strides along the lanes: rows, so that tiles can be
 * transposed in registers. */
static int across(const GroupBody *gb, int lane) {
  for (int i = 0; i < gb->nsrc; i++) {
    const View *s = &gb->src[i];
    if (s->kind != VIEW_MEMORY || s->at.c[lane] == 0 || s->at.c[lane] == 1) continue;
    for (int k = 0; k < lane; k++)
      if (s->at.c[k] == 1) return k;
  }
  return -1;
}

void lower_elementwise(LowerCx *lo, const LowerGroup *gr) {
  GroupBody gb;
  group_body(lo, gr, &gb);
  if (gb.nout == 0) return; /* reductions compute it themselves */
  NodeId last = gr->node.at[gr->node.n - 1];
  Tiling t = {.row = -1, .lane = -1, .rows = 1, .cols = 1};
  memcpy(t.ext, lo->ext[gr->space.i], sizeof t.ext);
  View *all[SCALAR_IN + SCALAR_OUT];
  int n = 0;
  for (int i = 0; i < gb.nsrc; i++) all[n++] = &gb.src[i];
  for (int i = 0; i < gb.nout; i++) all[n++] = &gb.dst[i];
  t.rank = lower_collapse(graph_node(lo->g, gr->space)->type.rank, t.ext, all, n);
  if (t.rank > 0) {
    t.lane = t.rank - 1;
    int64_t ext = t.ext[t.lane];
    int width = gb.program->nins > 60 ? 32 : 64;
    if (lo->opt.vector_bytes < 64) width /= 2;
    t.row = across(&gb, t.lane);
    if (t.row >= 0) {
      width = 16;
      t.rows = t.ext[t.row] < 16 ? (int)t.ext[t.row] : 16;
    }
    t.cols = lower_cols(ext, width);
  }
  LowerKernel m;
  lower_kernel_begin(&m, lo, last, "elementwise");
  lower_tiles(&m, &t, body, &gb);
  double bytes = 0;
  for (int i = 0; i < gb.nout; i++)
    bytes += (double)lo->count[last.i] * (double)dtype_bytes((DType)gb.dst[i].type);
  m.cost_ns = 2 * bytes / 30 + (double)lo->count[last.i] * gb.program->nins / 60;
  lower_kernel_end(&m);
}
