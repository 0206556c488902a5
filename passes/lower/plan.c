/* Buffers of a plan: who lives where, and for how long. requires: all launches. ensures: buffers that live at
 * the same time share no byte; the arena's size is known. */
#include "base/size.h"
#include "ir/scalar/literal.h"
#include "passes/lower/internal.h"

static uint32_t buffer_add(LowerCx *lo, PlanBuffer b) {
  size_t count = (size_t)b.n;
  if (b.n < 1 || !size_mul(count, dtype_bytes((DType)b.dtype), &b.bytes))
    BUG(lo->arena->mem, "lower: a buffer of %lld elements", (long long)b.n);
  VEC_PUSH(lo->plan->arena, &lo->plan->buffer, b);
  return lo->plan->buffer.n - 1;
}

static void table_fill(DType t, const Table *src, void *out) {
  for (uint32_t i = 0; i < src->n; i++) literal_put(t, out, i, literal_value(t, (int64_t)src->word[i]));
  fp_flush(t, out, src->n);
}

uint32_t plan_buffer_leaf(LowerCx *lo, LeafId l) {
  if (lo->leaf_buffer[l.i] == PLAN_NONE) {
    const Type *t = &program_leaf_at(lo->g->program, l)->type;
    int64_t n = lo->leaf_count[l.i];
    lo->leaf_buffer[l.i] = buffer_add(
        lo, (PlanBuffer){.place = PLACE_LEAF, .dtype = t->dtype, .leaf = l, .n = n, .node = NO_NODE});
  }
  return lo->leaf_buffer[l.i];
}

uint32_t plan_buffer_node(LowerCx *lo, NodeId n) {
  if (lo->buffer[n.i] != PLAN_NONE) return lo->buffer[n.i];
  DType t = (DType)graph_node(lo->g, n)->type.dtype;
  Op op = node_op(lo->g, n);
  uint32_t at;
  if (op == OP_LEAF)
    at = plan_buffer_leaf(lo, (LeafId){(uint32_t)graph_attr(lo->g, n)[0]});
  else if (lo->in_place[n.i].i != PLAN_NONE)
    at = plan_buffer_leaf(lo, lo->in_place[n.i]);
  else if (op == OP_PARAM)
    at = buffer_add(lo, (PlanBuffer){.place = PLACE_PARAM,
                                     .dtype = (uint8_t)t,
                                     .index = (uint32_t)graph_attr(lo->g, n)[0],
                                     .n = lo->count[n.i],
                                     .node = n});
  else if (lo->yields[n.i])
    at = buffer_add(lo, (PlanBuffer){.place = PLACE_YIELD,
                                     .dtype = (uint8_t)t,
                                     .index = lo->yields[n.i] - 1,
                                     .n = lo->count[n.i],
                                     .node = n});
  else if (op == OP_TABLE) {
    const Table *src = &lo->g->table.at[graph_attr(lo->g, n)[0]];
    void *data = arena_array(lo->plan->arena, (size_t)lo->count[n.i], dtype_bytes(t), PLAN_ALIGN);
    table_fill(t, src, data);
    at = buffer_add(
        lo,
        (PlanBuffer){.place = PLACE_DATA, .dtype = (uint8_t)t, .data = data, .n = lo->count[n.i], .node = n});
  } else
    at = buffer_add(lo,
                    (PlanBuffer){.place = PLACE_ARENA, .dtype = (uint8_t)t, .n = lo->count[n.i], .node = n});
  lo->buffer[n.i] = at;
  return at;
}

uint32_t plan_buffer_temp(LowerCx *lo, DType t, int64_t elements) {
  return buffer_add(lo,
                    (PlanBuffer){.place = PLACE_ARENA, .dtype = (uint8_t)t, .n = elements, .node = NO_NODE});
}

uint32_t plan_buffer_source(LowerCx *lo, const View *s) {
  return s->temp ? s->temp - 1 : plan_buffer_node(lo, s->base);
}

static void lifetimes(Plan *p) {
  for (uint32_t i = 0; i < p->buffer.n; i++) {
    p->buffer.at[i].first = PLAN_NONE;
    p->buffer.at[i].last = 0;
  }
  for (uint32_t i = 0; i < p->launch.n; i++)
    for (uint32_t j = 0; j < p->launch.at[i].nbind; j++) {
      uint32_t b = p->bind.at[p->launch.at[i].bind + j];
      if (b == PLAN_NONE) continue;
      if (p->buffer.at[b].first == PLAN_NONE) p->buffer.at[b].first = i;
      p->buffer.at[b].last = i;
    }
  for (uint32_t i = 0; i < p->root.n; i++) {
    PlanBuffer *b = &p->buffer.at[p->root.at[i].buffer];
    if (b->first == PLAN_NONE) b->first = 0;
    b->last = p->launch.n;
  }
  for (uint32_t i = 0; i < p->buffer.n; i++)
    if (p->buffer.at[i].first == PLAN_NONE) p->buffer.at[i].first = p->buffer.at[i].last = 0;
}

static void copy_body(LowerKernel *m, const Coord *c, void *cx) {
  const uint32_t *pair = cx;
  const PlanBuffer *b = &m->lo->plan->buffer.at[pair[0]];
  View s = {.kind = VIEW_MEMORY, .type = b->dtype, .at = axis_affine_axis(0)};
  int from = lower_kernel_in(m, pair[0]), to = lower_kernel_out(m, pair[1]);
  int t = kernel_tile(&m->b, STR("t"), dtype_compute((DType)b->dtype), c->rows, c->cols);
  kernel_load(&m->b, t, coord_access(c, from, &s, (DType)b->dtype));
  kernel_store(&m->b, t, coord_access(c, to, &s, (DType)b->dtype));
}

static void copy(LowerCx *lo, NodeId n, uint32_t from, uint32_t to) {
  int64_t count = lo->plan->buffer.at[to].n;
  LowerKernel m;
  lower_kernel_begin(&m, lo, n, "assign");
  Tiling t = {.rank = 1, .ext = {count}, .row = -1, .lane = 0, .rows = 1, .cols = lower_cols(count, 64)};
  uint32_t pair[2] = {from, to};
  lower_tiles(&m, &t, copy_body, pair);
  m.cost_ns = (double)count * 0.3;
  lower_kernel_end(&m);
}

void plan_finish(LowerCx *lo) {
  Plan *p = lo->plan;
  const Graph *g = lo->g;
  /* a root that is a leaf itself is copied before any leaf changes */
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *r = &g->root.at[i];
    NodeId n = lower_strip(lo, r->node);
    uint32_t from = plan_buffer_node(lo, n), at = from;
    if (lo->role[n.i] == ROLE_MEMORY && !lo->body) {
      at = plan_buffer_temp(lo, (DType)p->buffer.at[from].dtype, p->buffer.at[from].n);
      copy(lo, n, from, at);
    }
    VEC_PUSH(p->arena, &p->root,
             (PlanRoot){.kind = r->kind, .name = r->name, .leaf = r->leaf, .buffer = at, .node = n});
  }
  p->commit = p->launch.n;
  for (uint32_t i = 0; i < p->root.n; i++) {
    PlanRoot *r = &p->root.at[i];
    if (r->kind != ROOT_ASSIGN) continue;
    uint32_t to = plan_buffer_leaf(lo, r->leaf);
    if (r->buffer == to)
      p->in_place = true;
    else
      copy(lo, r->node, r->buffer, to);
  }
  lifetimes(p);
  for (uint32_t i = 0; i < p->root.n; i++)
    if (p->root.at[i].kind == ROOT_ASSIGN) p->root.at[i].buffer = plan_buffer_leaf(lo, p->root.at[i].leaf);
  plan_layout(p, lo->whole, lo->opt.reuse);
}
