/* One kernel under construction: buffers bound to the plan's, tiles over a space, the launch at the end. */
#include "passes/lower/internal.h"

void lower_kernel_begin(LowerKernel *m, LowerCx *lo, NodeId node, const char *name) {
  m->lo = lo;
  m->node = node;
  m->cost_ns = m->flops = 0;
  kernel_begin(&m->b, lo->arena, str_z(name));
}

static int lower_kernel_buffer(LowerKernel *m, uint32_t plan_buffer, bool out) {
  Kernel *k = m->b.kernel;
  for (int i = 0; i < k->nbuffer; i++)
    if (m->bind[i] == plan_buffer && k->buffer[i].kind != BUFFER_SCRATCH) {
      if (out) k->buffer[i].kind = BUFFER_OUT;
      return i;
    }
  const PlanBuffer *p = &m->lo->plan->buffer.at[plan_buffer];
  int i = kernel_buffer(&m->b, str_fmt(m->lo->arena, "b%d", k->nbuffer), (DType)p->dtype, p->n,
                        out ? BUFFER_OUT : BUFFER_IN);
  m->bind[i] = plan_buffer;
  return i;
}

int lower_kernel_in(LowerKernel *m, uint32_t plan_buffer) {
  return lower_kernel_buffer(m, plan_buffer, false);
}
int lower_kernel_out(LowerKernel *m, uint32_t plan_buffer) {
  return lower_kernel_buffer(m, plan_buffer, true);
}
int lower_kernel_scratch(LowerKernel *m, Str name, DType t, int64_t n) {
  int i = kernel_buffer(&m->b, name, t, n, BUFFER_SCRATCH);
  m->bind[i] = PLAN_NONE;
  return i;
}

/* The number of this kernel in the plan: an equal one's, or a new one, verified and copied out of the group's
 * memory. */
static uint32_t kernel_number(LowerCx *lo, const Kernel *k) {
  Plan *p = lo->plan;
  KernelId id = kernel_id(k);
  uint32_t first = PLAN_NONE;
  if (!map_get(&lo->kernels, id.w[0], &first)) first = PLAN_NONE;
  for (uint32_t at = first; at != PLAN_NONE; at = lo->key.at[at].before)
    if (kernel_id_eq(lo->key.at[at].id, id)) return at;
  Sb why;
  sb_init(&why, lo->arena);
  if (!kernel_verify(k, &why)) BUG(lo->arena->mem, "lower: " STRF, STRA(sb_str(&why)));
  uint32_t at = p->kernel.n;
  VEC_PUSH(p->arena, &p->kernel, kernel_copy(p->arena, k));
  VEC_PUSH(lo->whole, &lo->key, (KernelKey){id, first});
  map_put(&lo->kernels, id.w[0], at);
  return at;
}

void lower_kernel_end(LowerKernel *m) {
  LowerCx *lo = m->lo;
  Plan *p = lo->plan;
  const Kernel *k = m->b.kernel;
  size_t scratch = plan_scratch(k, NULL); /* of an equal one of another body, too */
  if (scratch > p->scratch_bytes) p->scratch_bytes = scratch;
  PlanLaunch l = {.kind = LAUNCH_KERNEL,
                  .kernel = kernel_number(lo, k),
                  .bind = p->bind.n,
                  .nbind = k->nbuffer,
                  .node = m->node,
                  .units = kernel_units(k),
                  .estimate_ns = (int64_t)m->cost_ns + 20,
                  .flops = m->flops};
  p->flops += m->flops;
  for (uint32_t i = 0; i < k->nbuffer; i++) VEC_PUSH(p->arena, &p->bind, m->bind[i]);
  VEC_PUSH(p->arena, &p->launch, l);
}

/* ---- places ---- */
static Affine coord_affine(const Coord *c, const AxisAffine *l) {
  Affine a = affine(l->k);
  for (int i = 0; i < c->rank; i++)
    if (l->c[i]) a = affine_sum(a, c->at[i], l->c[i]);
  return a;
}
static int64_t row_step(const Coord *c, const AxisAffine *l) { return c->row >= 0 ? l->c[c->row] : 0; }
static int64_t lane_step(const Coord *c, const AxisAffine *l) { return c->lane >= 0 ? l->c[c->lane] : 0; }

bool coord_row_fixed(const Coord *c, const View *s) {
  bool fixed = row_step(c, &s->at) == 0;
  for (int i = 0; i < s->nguard; i++) fixed &= row_step(c, &s->guard[i].at) == 0;
  return fixed;
}
bool coord_lane_fixed(const Coord *c, const View *s) {
  bool fixed = lane_step(c, &s->at) == 0;
  for (int i = 0; i < s->nguard; i++) fixed &= lane_step(c, &s->guard[i].at) == 0;
  return fixed;
}

Access coord_access(const Coord *c, int buffer, const View *s, DType t) {
  Access x = access_at(buffer, coord_affine(c, &s->at), row_step(c, &s->at), lane_step(c, &s->at));
  x = access_pad(x, t, 0);
  for (int i = 0; i < s->nguard; i++)
    x = access_guard(x, coord_affine(c, &s->guard[i].at), row_step(c, &s->guard[i].at),
                     lane_step(c, &s->guard[i].at), s->guard[i].extent);
  if (c->tail && !coord_lane_fixed(c, s)) x = access_guard(x, c->at[c->lane], 0, 1, c->end);
  return x;
}

KernelOperand coord_operand(LowerKernel *m, const Coord *c, const View *s) {
  int rows = coord_row_fixed(c, s) ? 1 : c->rows, cols = coord_lane_fixed(c, s) ? 1 : c->cols;
  if (s->kind == VIEW_COORD)
    return operand_coord(rows, cols, coord_affine(c, &s->at), row_step(c, &s->at), lane_step(c, &s->at));
  int buffer = lower_kernel_in(m, plan_buffer_source(m->lo, s));
  return operand_memory(&m->b, rows, cols, coord_access(c, buffer, s, (DType)s->type));
}

KernelOperand coord_padded(LowerKernel *m, const Coord *c, const View *s, uint32_t plan_buffer,
                           ScalarValue pad) {
  bool fixed = coord_lane_fixed(c, s);
  Access a = coord_access(c, lower_kernel_in(m, plan_buffer), s, (DType)s->type);
  if (c->tail && fixed) a = access_guard(a, c->at[c->lane], 0, 1, c->end);
  a.pad = pad;
  return operand_memory(&m->b, coord_row_fixed(c, s) ? 1 : c->rows, fixed && !c->tail ? 1 : c->cols, a);
}

View view_plain(const LowerCx *lo, NodeId n) {
  const Type *t = &graph_node(lo->g, n)->type;
  View s = {.kind = VIEW_MEMORY, .type = t->dtype, .base = n};
  int64_t stride = 1;
  for (int i = t->rank; i-- > 0;) {
    s.at.c[i] = stride;
    stride *= lo->ext[n.i][i];
  }
  return s;
}

/* ---- loops over a space ---- */
typedef struct TileLoop {
  int axis;
  int64_t trips, step, start;
} TileLoop;

typedef enum { ROWS_MORE, ROWS_FULL, ROWS_REST } RowCase;

/* Blocks along the row axis: how many of this kind, how high, from where. */
static TileLoop row_case(const Tiling *t, RowCase rc, int *rows) {
  int64_t taken = t->row < 0 ? 0 : t->more * (t->rows + 1), left = t->row < 0 ? 1 : t->ext[t->row] - taken;
  switch (rc) {
  case ROWS_MORE: *rows = t->rows + 1; return (TileLoop){t->row, t->row < 0 ? 0 : t->more, t->rows + 1, 0};
  case ROWS_FULL: *rows = t->rows; return (TileLoop){t->row, t->row < 0 ? 1 : left / t->rows, t->rows, taken};
  case ROWS_REST:
    *rows = t->row < 0 ? 0 : (int)(left % t->rows);
    return (TileLoop){t->row, *rows != 0, t->rows, taken + left - *rows};
  }
  return (TileLoop){0};
}

static void tile_case(LowerKernel *m, const Tiling *t, RowCase rc, bool lane_rest, TileBody *body, void *cx) {
  Coord c = {.rank = t->rank, .row = t->row, .lane = t->lane, .rows = 1, .cols = t->lane >= 0 ? t->cols : 1};
  TileLoop loop[MAX_RANK + 1];
  int n = 0, rows;
  TileLoop row = row_case(t, rc, &rows);
  for (int i = 0; i < t->rank; i++) {
    TileLoop l = {i, t->ext[i], 1, 0};
    if (i == t->row) {
      c.rows = rows;
      l = row;
    } else if (i == t->lane) {
      int64_t rest = t->ext[i] % t->cols, start = t->ext[i] - rest;
      l = (TileLoop){i, t->ext[i] / t->cols, t->cols, 0};
      if (lane_rest) {
        l = (TileLoop){i, 1, t->cols, start};
        c.cols = (int)lower_padded(rest);
        c.tail = rest % 16 != 0;
        c.end = t->ext[i];
      }
    }
    c.at[i] = affine(l.start);
    if (l.trips > 1) loop[n++] = l;
  }
  int par = 0;
  for (int i = 1; i < n; i++)
    if (loop[i].trips > loop[par].trips) par = i;
  if (n == 0) loop[n++] = (TileLoop){-1, 1, 0, 0};
  for (int q = 0; q < n; q++) { /* the longest becomes the units */
    int i = q == 0 ? par : q <= par ? q - 1 : q;
    int v = kernel_loop(&m->b, q == 0 ? LOOP_PAR : LOOP_SEQ, loop[i].trips, 1);
    if (loop[i].axis >= 0) c.at[loop[i].axis] = affine_add(c.at[loop[i].axis], v, loop[i].step);
  }
  body(m, &c, cx);
  for (int i = 0; i < n; i++) kernel_end(&m->b);
}

void lower_tiles(LowerKernel *m, const Tiling *t, TileBody *body, void *cx) {
  for (int r = ROWS_MORE; r <= ROWS_REST; r++) {
    int rows;
    if (row_case(t, (RowCase)r, &rows).trips == 0) continue;
    for (int l = 0; l < 2; l++) {
      if (t->lane < 0 ? l : l ? t->ext[t->lane] % t->cols == 0 : t->ext[t->lane] < t->cols) continue;
      tile_case(m, t, (RowCase)r, l, body, cx);
    }
  }
}

static bool steps_as_one(const AxisAffine *l, int i, int j, int64_t ext) { return l->c[i] == l->c[j] * ext; }

static void axis_move(View *const *s, int n, int from, int to) {
  for (int q = 0; q < n; q++) {
    s[q]->at.c[to] = from >= 0 ? s[q]->at.c[from] : 0;
    for (int i = 0; i < s[q]->nguard; i++)
      s[q]->guard[i].at.c[to] = from >= 0 ? s[q]->guard[i].at.c[from] : 0;
  }
}

int lower_collapse(int rank, int64_t *ext, View *const *s, int n) {
  int k = 0;
  for (int i = 0; i < rank; i++) {
    if (ext[i] == 1) continue;
    bool one = k > 0;
    for (int q = 0; q < n && one; q++) {
      one = steps_as_one(&s[q]->at, k - 1, i, ext[i]);
      for (int j = 0; j < s[q]->nguard; j++) one &= steps_as_one(&s[q]->guard[j].at, k - 1, i, ext[i]);
    }
    if (one) {
      ext[k - 1] *= ext[i];
      axis_move(s, n, i, k - 1);
    } else {
      ext[k] = ext[i];
      axis_move(s, n, i, k);
      k++;
    }
  }
  for (int i = k; i < rank; i++) axis_move(s, n, -1, i);
  return k;
}
