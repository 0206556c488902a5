/* The lowering driver: roles, groups, order, kernels, buffers.
 * requires: a verified graph with constant dims, GRAD and COTANGENT gone. ensures: a plan with the graph's
 * bits. */
#include "base/size.h"
#include "passes/lower/internal.h"

void lower_options_init(LowerOptions *o, int vector_bytes) {
  *o = (LowerOptions){
      .vector_bytes = vector_bytes, .fuse = true, .in_place = true, .reuse = true, .loops = true};
  o->cache_l1 = 32 << 10;
  o->cache_l2 = 512 << 10;
}

static void group_lower(LowerCx *lo, const LowerGroup *gr) {
  if (!node_ok(gr->anchor)) {
    lower_elementwise(lo, gr);
    return;
  }
  Op op = node_op(lo->g, gr->anchor);
  if (!lower_op(op)->kernels)
    BUG(lo->arena->mem, "lower: %%%u %s has no kernel", gr->anchor.i, op_info[op].name);
  lower_op(op)->kernels(lo, gr);
}

/* Places in kernels are numbers up to 2^40, whatever limit is asked for: see kernel_verify. */
enum { PLACES_LOG2 = 40 };

static void too_large(LowerCx *lo, const Type *t, int64_t limit) {
  Sb text;
  sb_init(&text, lo->arena);
  type_print(lo->g->program->dims, t, &text);
  if (limit > INT64_C(1) << PLACES_LOG2)
    mem_raise(lo->arena->mem, ST_LIMIT,
              "a value " STRF " has more than the 2^%d bytes that kernels can reach", STRA(sb_str(&text)),
              PLACES_LOG2);
  mem_raise(lo->arena->mem, ST_LIMIT, "a value " STRF " has more bytes than the limit 'tensor_bytes' of %lld",
            STRA(sb_str(&text)), (long long)limit);
}

static bool extents(LowerCx *lo) {
  const Graph *g = lo->g;
  int64_t limit = g->program->limits->tensor_bytes,
          most = limit < INT64_C(1) << PLACES_LOG2 ? limit : INT64_C(1) << PLACES_LOG2;
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Type *t = &g->node.at[i].type;
    if (!type_extents(g->program->dims, t, lo->ext[i])) {
      sb_fmt(lo->why, "%%%u %s has symbolic extents: ", i, op_info[g->node.at[i].op].name);
      type_print(g->program->dims, t, lo->why);
      return false;
    }
    lo->count[i] = 1;
    for (int k = 0; k < t->rank; k++) {
      if (lo->ext[i][k] < 1) {
        sb_fmt(lo->why, "a value without elements cannot be compiled: ");
        type_print(g->program->dims, t, lo->why);
        return false;
      }
      if (!i64_mul(lo->count[i], lo->ext[i][k], &lo->count[i]) ||
          lo->count[i] > most / (int64_t)dtype_bytes((DType)t->dtype))
        too_large(lo, t, limit);
    }
  }
  return true;
}

static void leaf_counts(LowerCx *lo) {
  const Graph *g = lo->g;
  for (uint32_t i = 0; i < g->program->leaf.n; i++) lo->leaf_count[i] = 1;
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_LEAF) lo->leaf_count[graph_attr(g, (NodeId){i})[0]] = lo->count[i];
  for (uint32_t i = 0; i < g->root.n; i++)
    if (g->root.at[i].kind == ROOT_ASSIGN)
      lo->leaf_count[g->root.at[i].leaf.i] = lo->count[g->root.at[i].node.i];
}

static void fill(uint32_t *p, uint32_t n, uint32_t v) {
  for (uint32_t i = 0; i < n; i++) p[i] = v;
}

/* Which nodes are written as a body's results at once: computed ones, each as the first that it is. */
static void find_yields(LowerCx *lo) {
  lo->yields = ARENA_ARRAY(lo->arena, uint32_t, lo->g->node.n);
  for (uint32_t k = 0; lo->body && k < lo->g->root.n; k++) {
    NodeId n = lower_strip(lo, lo->g->root.at[k].node);
    if (lo->role[n.i] >= ROLE_ELEM && !lo->yields[n.i]) lo->yields[n.i] = k + 1;
  }
}

/* Groups to kernels, each in memory that is used again for the next. */
static void kernels(LowerCx *lo) {
  ArenaScope scope;
  lo->arena = arena_open(&scope, lo->whole->mem);
  arena_room(lo->arena, 64 << 10);
  ArenaMark mark = arena_mark(lo->arena);
  for (uint32_t i = 0; i < lo->order.n; i++) {
    group_lower(lo, &lo->groups.at[lo->order.at[i]]);
    arena_rewind(lo->arena, mark);
  }
  lo->arena = lo->whole;
  arena_close(&scope);
}

static LowerCx *lower_begin(Arena *a, Arena *whole, const Graph *g, const LowerOptions *o, Sb *why) {
  LowerCx *lo = ARENA_NEW(whole, LowerCx);
  lo->arena = lo->whole = whole;
  lo->g = g;
  lo->opt = *o;
  lo->why = why;
  uint32_t n = g->node.n, leaves = g->program->leaf.n;
  lo->plan = ARENA_NEW(a, Plan);
  lo->plan->arena = a;
  lo->plan->graph = g;
  lo->ext = arena_array(whole, n, sizeof *lo->ext, _Alignof(int64_t));
  lo->count = ARENA_ARRAY(whole, int64_t, n);
  lo->role = ARENA_ARRAY(whole, uint8_t, n);
  lo->relu = ARENA_ARRAY(whole, NodeId, n);
  lo->materialised = ARENA_ARRAY(whole, bool, n);
  lo->stored = ARENA_ARRAY(whole, bool, n);
  lo->absorbed = ARENA_ARRAY(whole, bool, n);
  lo->group = ARENA_ARRAY(whole, uint32_t, n);
  lo->buffer = ARENA_ARRAY(whole, uint32_t, n);
  lo->in_place = ARENA_ARRAY(whole, LeafId, n);
  lo->leaf_buffer = ARENA_ARRAY(whole, uint32_t, leaves);
  fill(lo->buffer, n, PLAN_NONE);
  lo->leaf_count = ARENA_ARRAY(whole, int64_t, leaves);
  fill(lo->leaf_buffer, leaves, PLAN_NONE);
  for (uint32_t i = 0; i < n; i++) lo->in_place[i].i = PLAN_NONE;
  map_init(&lo->kernels, whole);
  op_programs_init(&lo->programs, whole);
  return lo;
}

static Plan *lower_run(LowerCx *lo) {
  TimeLog *time = lo->opt.time;
  double start = time ? clock_ms() : 0;
  if (!extents(lo)) return NULL;
  leaf_counts(lo);
  lower_roles(lo);
  find_yields(lo);
  timelog_lap(time, &start, "lower: roles", lo->g->node.n, "nodes");
  lower_fuse(lo);
  timelog_lap(time, &start, "lower: fuse", lo->groups.n, "groups");
  lower_schedule(lo);
  timelog_lap(time, &start, "lower: schedule", lo->order.n, "groups");
  kernels(lo);
  timelog_lap(time, &start, "lower: kernels", lo->plan->kernel.n, "kernels");
  plan_finish(lo);
  timelog_lap(time, &start, "lower: plan", lo->plan->launch.n, "launches");
  return lo->plan;
}

/* Kernels of a body that became part of a loop's kernel are nobody's. */
static void find_used(const Plan *p, bool *used) {
  for (uint32_t i = 0; i < p->launch.n; i++)
    if (p->launch.at[i].kind == LAUNCH_KERNEL) used[p->launch.at[i].kernel] = true;
  for (uint32_t i = 0; i < p->body.n; i++)
    for (int k = 0; k < 2; k++)
      if (p->body.at[i].plan[k]) find_used(p->body.at[i].plan[k], used);
}
static void number_anew(Plan *p, const uint32_t *to) {
  for (uint32_t i = 0; i < p->launch.n; i++)
    if (p->launch.at[i].kind == LAUNCH_KERNEL) p->launch.at[i].kernel = to[p->launch.at[i].kernel];
  for (uint32_t i = 0; i < p->body.n; i++)
    for (int k = 0; k < 2; k++)
      if (p->body.at[i].plan[k]) number_anew(p->body.at[i].plan[k], to);
}
static void drop_unused(Plan *p, Arena *a) {
  bool *used = ARENA_ARRAY(a, bool, p->kernel.n);
  uint32_t *to = ARENA_ARRAY(a, uint32_t, p->kernel.n), n = 0;
  find_used(p, used);
  for (uint32_t i = 0; i < p->kernel.n; i++) {
    to[i] = n;
    if (used[i]) p->kernel.at[n++] = p->kernel.at[i];
  }
  if (n == p->kernel.n) return;
  p->kernel.n = n;
  number_anew(p, to);
}

/* The list of kernels has moved while it grew: bodies, which are as deep as the text is, get the last one. */
static void share_kernels(Plan *p) {
  for (uint32_t i = 0; i < p->body.n; i++)
    for (int k = 0; k < 2; k++) {
      Plan *inner = p->body.at[i].plan[k];
      if (!inner) continue;
      memcpy(&inner->kernel, &p->kernel, sizeof p->kernel);
      share_kernels(inner);
    }
}

Plan *lower_graph(Arena *a, const Graph *g, const LowerOptions *o, Sb *why) {
  ArenaScope scope;
  Arena *whole = arena_open(&scope, a->mem);
  Plan *p = lower_run(lower_begin(a, whole, g, o, why));
  if (p && g->region.n > 1) drop_unused(p, whole);
  arena_close(&scope);
  if (p) share_kernels(p);
  return p;
}

Plan *lower_body(LowerCx *around, const Graph *g) {
  LowerCx *lo = lower_begin(around->plan->arena, around->whole, g, &around->opt, around->why);
  lo->opt.time = NULL; /* part of the owner's */
  lo->body = true;
  lo->kernels = around->kernels;
  memcpy(&lo->key, &around->key, sizeof lo->key);
  memcpy(&lo->plan->kernel, &around->plan->kernel, sizeof lo->plan->kernel);
  Plan *p = lower_run(lo);
  if (!p) BUG(around->arena->mem, "lower: a body of unknown extents");
  around->kernels = lo->kernels;
  memcpy(&around->key, &lo->key, sizeof lo->key);
  return p;
}
