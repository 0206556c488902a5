/* gather and scatter_add: an access whose place is a number in memory. A place outside of the axis fails the
 * access's check: a load gives 0, a store does nothing. */
#include "ir/scalar/literal.h"
#include "passes/lower/internal.h"

typedef struct Indexed {
  Line line; /* scatter_add */
  DType type;
  View x, index, part; /* over the part's space; x without the axis */
  uint32_t from, places, to;
  int64_t scale, n; /* a step along the axis of x; its extent */
} Indexed;

/* Axis k of the operand is axis `at[k]` of the space; -1: none. */
static void spread(View *s, int rank, const int *at) {
  AxisAffine a = {.k = s->at.k};
  for (int i = 0; i < rank; i++)
    if (at[i] >= 0) a.c[at[i]] = s->at.c[i];
  s->at = a;
}

/* Views of x and index over the space of the part, whose place axes begin at the axis. */
static void over_part(Indexed *p, const LowerCx *lo, NodeId x, NodeId index, int axis, bool along) {
  int rx = graph_node(lo->g, x)->type.rank, ri = graph_node(lo->g, index)->type.rank, at[MAX_RANK];
  p->scale = p->x.at.c[axis];
  p->n = lo->ext[x.i][axis];
  for (int i = 0; i < rx; i++) at[i] = i == axis ? -1 : i < axis || along ? i : i - 1 + ri;
  spread(&p->x, rx, at);
  for (int i = 0; i < ri; i++) at[i] = along ? i : axis + i;
  spread(&p->index, ri, at);
}

/* x at the places: the index is read where the element is one only. */
static Access placed(LowerKernel *m, const Coord *c, const Indexed *p, int buffer) {
  Access i = coord_access(c, lower_kernel_in(m, p->places), &p->index, DT_I32);
  Access x = coord_access(c, buffer, &p->x, p->type);
  if (c->tail && coord_lane_fixed(c, &p->x)) x = access_guard(x, c->at[c->lane], 0, 1, c->end);
  return access_index(x, i.buffer, i.at.a, i.at.r, i.at.c, p->scale, p->n);
}

/* ---- gather ---- */

static void gather_body(LowerKernel *m, const Coord *c, void *cx) {
  const Indexed *p = cx;
  int tile = kernel_tile(&m->b, STR("t"), p->type, c->rows, c->cols);
  kernel_load(&m->b, tile, placed(m, c, p, lower_kernel_in(m, p->from)));
  kernel_store(&m->b, tile, coord_access(c, lower_kernel_out(m, p->to), &p->part, p->type));
}

static void gather(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, x = graph_in(lo->g, n)[0], index = graph_in(lo->g, n)[1];
  const int64_t *attr = graph_attr(lo->g, n);
  Indexed p = {.type = (DType)graph_node(lo->g, n)->type.dtype,
               .x = lower_memory(lo, x),
               .index = lower_memory(lo, index),
               .part = view_plain(lo, n)};
  p.from = plan_buffer_node(lo, p.x.base);
  p.places = plan_buffer_node(lo, p.index.base);
  p.to = plan_buffer_node(lo, n);
  over_part(&p, lo, x, index, (int)attr[0], attr[1]);
  Tiling t = {.row = -1, .lane = -1, .rows = 1, .cols = 1};
  memcpy(t.ext, lo->ext[n.i], sizeof t.ext);
  View *all[3] = {&p.x, &p.index, &p.part};
  t.rank = lower_collapse(graph_node(lo->g, n)->type.rank, t.ext, all, 3);
  if (t.rank > 0) {
    t.lane = t.rank - 1;
    t.cols = lower_cols(t.ext[t.lane], 64);
  }
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "gather");
  lower_tiles(&m, &t, gather_body, &p);
  m.cost_ns = (double)lo->count[n.i] * 0.5;
  lower_kernel_end(&m);
}
const LowerOp lower_GATHER = {.role = ROLE_OTHER, .kernels = gather};

/* ---- scatter_add: a walk over the places, ascending; units and lanes share none ---- */

static void add_step(LowerKernel *m, const Coord *c, void *cx) {
  const Indexed *p = cx;
  int out = lower_kernel_out(m, p->to), tile = kernel_tile(&m->b, STR("sum"), p->type, c->rows, c->cols);
  kernel_load(&m->b, tile, access_pad(placed(m, c, p, out), p->type, 0));
  KernelOperand src[2] = {operand_tile(&m->b, tile), coord_padded(m, c, &p->part, p->from, (ScalarValue){0})};
  kernel_map1(&m->b, program_sum(m->b.arena, p->type), tile, 2, src);
  kernel_store(&m->b, tile, placed(m, c, p, out));
}

static void add_body(LowerKernel *m, const Coord *c, void *cx) {
  Indexed *p = cx;
  line_walk(m, &p->line, c, affine(0), p->line.n, 1, add_step, p);
}

/* The tensor that is added to: a constant needs no memory of its own. */
static void begin_with(LowerCx *lo, NodeId n, NodeId into, uint32_t to) {
  View s, plain = view_plain(lo, n);
  NodeId stuck;
  int rank = graph_node(lo->g, n)->type.rank;
  if (lower_view(lo, into, false, &s, &stuck) && s.kind == VIEW_CONST) {
    lower_fill(lo, n, to, literal_value((DType)plain.type, graph_attr(lo->g, s.base)[0]));
    return;
  }
  View from = lower_memory(lo, into);
  lower_copy(lo, n, rank, lo->ext[n.i], &from, plan_buffer_node(lo, from.base), &plain, to);
}

static void scatter_add(LowerCx *lo, const LowerGroup *gr) {
  NodeId n = gr->anchor, into = graph_in(lo->g, n)[0], index = graph_in(lo->g, n)[1],
         part = graph_in(lo->g, n)[2];
  const int64_t *attr = graph_attr(lo->g, n);
  int axis = (int)attr[0], rank = graph_node(lo->g, n)->type.rank;
  Indexed p = {
      .type = (DType)graph_node(lo->g, n)->type.dtype, .x = view_plain(lo, n), .to = plan_buffer_node(lo, n)};
  begin_with(lo, n, into, p.to);
  /* the places become one axis in the axis's place: row-major memory of the part and the index makes them so
   */
  int64_t ext[MAX_RANK], stride = 1;
  p.from = lower_plain(lo, part);
  p.places = lower_plain(lo, index);
  p.part = (View){.kind = VIEW_MEMORY, .type = (uint8_t)p.type};
  p.index = (View){.kind = VIEW_MEMORY, .type = DT_I32};
  memcpy(ext, lo->ext[n.i], sizeof ext);
  ext[axis] = attr[1] ? lo->ext[index.i][axis] : lo->count[index.i];
  for (int i = rank; i-- > 0; stride *= ext[i]) p.part.at.c[i] = stride;
  if (attr[1])
    p.index.at = p.part.at;
  else
    p.index.at.c[axis] = 1;
  p.scale = p.x.at.c[axis];
  p.n = lo->ext[n.i][axis];
  p.x.at.c[axis] = 0;
  View *all[3] = {&p.x, &p.index, &p.part};
  line_begin(&p.line, lo, rank, ext, axis, false, all, 3);
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "scatter_add");
  lower_tiles(&m, &p.line.t, add_body, &p);
  m.cost_ns = (double)lo->count[part.i] * 1.0;
  lower_kernel_end(&m);
}
const LowerOp lower_SCATTER_ADD = {.role = ROLE_OTHER, .kernels = scatter_add, .constant_in = 1};
