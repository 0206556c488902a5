/* Moves that cannot be read through: copies, concatenation, interleaved padding; and calls of host functions.
 */
#include "passes/lower/internal.h"

typedef struct Copy {
  View from, to;
  uint32_t in, out;
} Copy;

static void copy_body(LowerKernel *m, const Coord *c, void *cx) {
  const Copy *t = cx;
  DType type = (DType)t->to.type;
  int tile = kernel_tile(&m->b, STR("t"), type, c->rows, c->cols);
  kernel_load(&m->b, tile, coord_access(c, lower_kernel_in(m, t->in), &t->from, type));
  kernel_store(&m->b, tile, coord_access(c, lower_kernel_out(m, t->out), &t->to, type));
}

void lower_copy(LowerCx *lo, NodeId node, int rank, const int64_t *ext, const View *from,
                uint32_t from_buffer, const View *to, uint32_t to_buffer) {
  Copy c = {*from, *to, from_buffer, to_buffer};
  Tiling t = {.row = -1, .lane = -1, .rows = 1, .cols = 1};
  double count = 1;
  for (int i = 0; i < rank; i++) {
    t.ext[i] = ext[i];
    count *= (double)ext[i];
  }
  View *all[2] = {&c.from, &c.to};
  t.rank = lower_collapse(rank, t.ext, all, 2);
  if (t.rank > 0) {
    t.lane = t.rank - 1;
    int width = 64;
    int64_t step = c.from.at.c[t.lane] == 1 ? c.to.at.c[t.lane] : c.from.at.c[t.lane];
    for (int k = 0; k < t.lane && step != 1 && t.row < 0; k++)
      if (c.from.at.c[k] == 1 || c.to.at.c[k] == 1) t.row = k;
    if (t.row >= 0) {
      width = 16;
      t.rows = t.ext[t.row] < 16 ? (int)t.ext[t.row] : 16;
    }
    t.cols = lower_cols(t.ext[t.lane], width);
  }
  LowerKernel m;
  lower_kernel_begin(&m, lo, node, "copy");
  lower_tiles(&m, &t, copy_body, &c);
  m.cost_ns = count * 0.3;
  lower_kernel_end(&m);
}

uint32_t lower_plain(LowerCx *lo, NodeId n) {
  View s = lower_memory(lo, n), to = view_plain(lo, n);
  int rank = graph_node(lo->g, n)->type.rank;
  bool same = s.at.k == 0 && lo->count[s.base.i] == lo->count[n.i];
  for (int i = 0; i < rank; i++) same &= lo->ext[n.i][i] == 1 || s.at.c[i] == to.at.c[i];
  uint32_t from = plan_buffer_node(lo, s.base);
  if (same) return from;
  uint32_t buffer = plan_buffer_temp(lo, (DType)s.type, lo->count[n.i]);
  lower_copy(lo, n, rank, lo->ext[n.i], &s, from, &to, buffer);
  return buffer;
}

static void concat(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor;
  const Node *d = graph_node(lo->g, n);
  int64_t axis = graph_attr(lo->g, n)[0], start = 0;
  View whole = view_plain(lo, n);
  for (uint32_t i = 0; i < d->nin; i++) {
    NodeId o = graph_in(lo->g, n)[i];
    View from = lower_memory(lo, o), to = whole;
    to.at.k = start * whole.at.c[axis];
    lower_copy(lo, n, d->type.rank, lo->ext[o.i], &from, plan_buffer_node(lo, from.base), &to,
               plan_buffer_node(lo, n));
    start += lo->ext[o.i][axis];
  }
}

const LowerOp lower_CONCAT = {.role = ROLE_OTHER, .kernels = concat};

typedef struct Fill {
  View to;
  uint32_t out;
  ScalarValue value;
} Fill;
static void fill_body(LowerKernel *m, const Coord *c, void *cx) {
  const Fill *f = cx;
  DType type = (DType)f->to.type;
  int tile = kernel_tile(&m->b, STR("t"), type, c->rows, c->cols);
  line_fill(m, tile, type, f->value);
  kernel_store(&m->b, tile, coord_access(c, lower_kernel_out(m, f->out), &f->to, type));
}

void lower_fill(LowerCx *lo, NodeId n, uint32_t out, ScalarValue value) {
  Fill f = {.to = {.kind = VIEW_MEMORY, .type = graph_node(lo->g, n)->type.dtype, .at = axis_affine_axis(0)},
            .out = out,
            .value = value};
  Tiling t = {.rank = 1, .ext = {lo->count[n.i]}, .row = -1, .lane = 0, .rows = 1};
  t.cols = lower_cols(t.ext[0], 64);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "zero");
  lower_tiles(&m, &t, fill_body, &f);
  m.cost_ns = (double)lo->count[n.i] * 0.2;
  lower_kernel_end(&m);
}

/* Padding between elements: zeros everywhere, then the elements at their places. */
void lower_pad(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, o = graph_in(lo->g, n)[0];
  const int64_t *attr = graph_attr(lo->g, n);
  int rank = graph_node(lo->g, n)->type.rank;
  int64_t front;
  if (!dim_is_const(lo->g->program->dims, (DimId){(uint32_t)attr[1]}, &front))
    BUG(lo->arena->mem, "lower: symbolic pad");
  uint32_t out = plan_buffer_node(lo, n);
  lower_fill(lo, n, out, (ScalarValue){0});
  View from = lower_memory(lo, o), to = view_plain(lo, n);
  to.at.k = front * to.at.c[attr[0]];
  to.at.c[attr[0]] *= attr[3];
  lower_copy(lo, n, rank, lo->ext[o.i], &from, plan_buffer_node(lo, from.base), &to, out);
}

static void call(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor;
  Plan *p = lo->plan;
  uint32_t nin = graph_node(lo->g, n)->nin, in[8];
  if (nin > 8) BUG(lo->arena->mem, "lower: host function with %u arguments", nin);
  for (uint32_t i = 0; i < nin; i++) in[i] = lower_plain(lo, graph_in(lo->g, n)[i]);
  PlanLaunch l = {.kind = LAUNCH_HOST,
                  .kernel = (uint32_t)graph_attr(lo->g, n)[0],
                  .bind = p->bind.n,
                  .nbind = nin + 1,
                  .node = n};
  for (uint32_t i = 0; i < nin; i++) VEC_PUSH(p->arena, &p->bind, in[i]);
  VEC_PUSH(p->arena, &p->bind, plan_buffer_node(lo, n));
  VEC_PUSH(p->arena, &p->launch, l);
}
const LowerOp lower_EXTERN = {.role = ROLE_OTHER, .kernels = call};
