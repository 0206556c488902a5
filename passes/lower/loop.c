/* A small loop is one kernel: the kernels of its body stand one behind the other in a loop over its steps.
 * What only the body reads is scratch. What is carried stands in the result's memory, and its next value in
 * scratch until the step has ended. */
#include "passes/lower/loop.h"

enum {
  BODY_NS = 4000,
  BODY_BYTES = 16 << 10,
  BODY_KERNELS = 40,
  OUTER = 2 /* loops around the body's */,
  UNROLL = 24
};

/* Where a buffer of the body is: a buffer of the kernel, and what a step adds. */
typedef struct Home {
  int buffer;
  int64_t k, step;
} Home;

typedef struct Fused {
  LowerKernel m;
  const PlanBody *b;
  const Plan *body;
  NodeId owner;
  Home *home;    /* by buffer of the body */
  Home *yield;   /* by result: where it is written */
  int *carried;  /* by result that is carried: where it stands between steps */
  int64_t *rows; /* by result: elements of a step */
} Fused;

/* ---- what fits ---- */

static int nesting(const KernelStmt *s) {
  int most = 0;
  for (; s; s = s->next)
    if (s->kind == STMT_LOOP) {
      int n = 1 + nesting(s->loop.body);
      if (n > most) most = n;
    }
  return most;
}

bool loop_fuses(const PlanBody *b) {
  const Plan *p = b->plan[0];
  uint64_t buffers = b->param.n + 2 * (uint64_t)b->result.n + p->buffer.n, tiles = 1;
  int64_t ns = 0;
  size_t bytes = p->arena_bytes;
  if (b->ends || p->launch.n > BODY_KERNELS) return false;
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const PlanLaunch *l = &p->launch.at[i];
    if (l->kind != LAUNCH_KERNEL) return false;
    const Kernel *k = p->kernel.at[l->kernel];
    if (nesting(k->root) + OUTER > KERNEL_LOOPS) return false;
    for (int j = 0; j < k->nbuffer; j++)
      if (k->buffer[j].kind == BUFFER_SCRATCH) buffers++, bytes += (size_t)kernel_scratch_bytes(k, j);
    tiles += k->ntile;
    ns += l->estimate_ns;
  }
  for (uint32_t k = 0; k < b->carry; k++) bytes += b->result.at[k].bytes;
  return ns <= BODY_NS && bytes <= BODY_BYTES && buffers <= KERNEL_BUFFERS &&
         tiles + b->result.n <= KERNEL_TILES;
}

/* ---- homes ---- */

static int scratch(Fused *f, DType t, int64_t n) {
  return lower_kernel_scratch(&f->m, str_fmt(f->m.b.arena, "s%d", f->m.b.kernel->nbuffer), t, n);
}

/* The row of a stack that belongs to a step. */
static Home of_step(const Fused *f, int buffer, int64_t row, bool steps) {
  Home h = {.buffer = buffer};
  if (!steps) return h;
  h.step = f->b->reverse ? -row : row;
  h.k = f->b->reverse ? (f->b->trip - 1) * row : 0;
  return h;
}

static void results(Fused *f) {
  for (uint32_t k = 0; k < f->b->result.n; k++) {
    const PlanArg *r = &f->b->result.at[k];
    DType t = (DType)f->m.lo->plan->buffer.at[r->buffer].dtype;
    f->rows[k] = (int64_t)(r->bytes / dtype_bytes(t));
    int out = lower_kernel_out(&f->m, r->buffer);
    f->carried[k] = out;
    f->yield[k] = k < f->b->carry ? (Home){.buffer = scratch(f, t, f->rows[k])}
                                  : of_step(f, out, f->rows[k], r->step != 0);
  }
}

static Home home_of(Fused *f, const PlanBuffer *p) {
  LowerCx *lo = f->m.lo;
  switch ((PlanPlace)p->place) {
  case PLACE_ARENA: return (Home){.buffer = scratch(f, (DType)p->dtype, p->n)};
  case PLACE_YIELD: return f->yield[p->index];
  case PLACE_PARAM: {
    const PlanArg *a = &f->b->param.at[p->index];
    if (p->index < f->b->carry) return (Home){.buffer = f->carried[p->index]};
    return of_step(f, lower_kernel_in(&f->m, a->buffer), p->n, a->step != 0);
  }
  case PLACE_DATA: {
    PlanBuffer own = *p;
    own.first = PLAN_NONE;
    own.last = 0;
    VEC_PUSH(lo->plan->arena, &lo->plan->buffer, own);
    return (Home){.buffer = lower_kernel_in(&f->m, lo->plan->buffer.n - 1)};
  }
  case PLACE_LEAF: break;
  }
  BUG(lo->arena->mem, "lower: a body reads a leaf");
}

/* ---- statements ---- */

/* A kernel of the body within the loop. */
typedef struct Inner {
  Fused *f;
  const Kernel *k;
  const uint32_t *bind;
  Home home[KERNEL_BUFFERS];
  int tile; /* the first of its tiles */
} Inner;

static Affine deeper(Affine a) {
  Affine r = affine(a.k);
  for (int i = 0; i + OUTER < KERNEL_LOOPS; i++) r.v[i + OUTER] = a.v[i];
  return r;
}
static void place(Place *p, const Home *h) {
  p->a = deeper(p->a);
  if (!h) return;
  p->a.k += h->k;
  p->a.v[1] = h->step;
}
static void access(const Inner *n, Access *x) {
  const Home *at = &n->home[x->buffer], *index = x->index >= 0 ? &n->home[x->index] : NULL;
  place(&x->at, at);
  x->buffer = (int16_t)at->buffer;
  for (int i = 0; i < x->nguard; i++) place(&x->guard[i].at, NULL);
  if (!index) return;
  place(&x->index_at, index);
  x->index = (int16_t)index->buffer;
}

/* So many trips of a short body are cheaper without a loop. */
static int64_t unrolled(const KernelStmt *s) {
  int64_t n = 0;
  for (; s; s = s->next) n += s->kind == STMT_LOOP ? UNROLL : 1;
  return n ? UNROLL / n : 0;
}

static KernelStmt *list(const Inner *n, const KernelStmt *s) {
  Arena *a = n->f->m.b.arena;
  KernelStmt *first = NULL, **at = &first;
  for (; s; s = s->next, at = &(*at)->next) {
    KernelStmt *to = *at = ARENA_NEW(a, KernelStmt);
    *to = *s;
    to->next = NULL;
    switch (s->kind) {
    case STMT_LOOP:
      if (s->loop.kind == LOOP_PAR || s->loop.kind == LOOP_SWEEP) to->loop.kind = LOOP_SEQ;
      to->loop.depth = (uint8_t)(s->loop.depth + OUTER);
      to->loop.limit = deeper(s->loop.limit);
      to->loop.body = list(n, s->loop.body);
      if (to->loop.kind == LOOP_SEQ && !to->loop.clip && s->loop.extent <= unrolled(s->loop.body))
        to->loop.unroll = (uint16_t)s->loop.extent;
      break;
    case STMT_LOAD:
    case STMT_STORE:
      to->mem.tile = (uint16_t)(s->mem.tile + n->tile);
      access(n, &to->mem.access);
      break;
    case STMT_MAP:
      to->map.src = ARENA_ARRAY(a, KernelOperand, s->map.nsrc);
      for (int i = 0; i < s->map.nsrc; i++) {
        KernelOperand *o = &to->map.src[i];
        *o = s->map.src[i];
        o->tile = (uint16_t)(o->tile + n->tile);
        if (o->kind == OPERAND_MEMORY) access(n, &o->access);
        if (o->kind == OPERAND_COORD) place(&o->access.at, NULL);
      }
      for (int i = 0; i < s->map.ndst; i++) to->map.dst[i] = (uint16_t)(s->map.dst[i] + n->tile);
      break;
    case STMT_FOLD:
      to->fold.dst = (uint16_t)(s->fold.dst + n->tile);
      to->fold.src = (uint16_t)(s->fold.src + n->tile);
      break;
    }
  }
  return first;
}

static void launch(Fused *f, const PlanLaunch *l) {
  Inner n = {.f = f, .k = f->body->kernel.at[l->kernel], .bind = f->body->bind.at + l->bind};
  KernelBuilder *b = &f->m.b;
  n.tile = b->kernel->ntile;
  for (int i = 0; i < n.k->ntile; i++)
    kernel_tile(b, n.k->tile[i].name, (DType)n.k->tile[i].type, n.k->tile[i].rows, n.k->tile[i].cols);
  for (int i = 0; i < n.k->nbuffer; i++) {
    const KernelBuffer *kb = &n.k->buffer[i];
    n.home[i] = kb->kind == BUFFER_SCRATCH ? (Home){.buffer = scratch(f, (DType)kb->type, kb->n)}
                                           : f->home[n.bind[i]];
  }
  *b->at[b->depth] = list(&n, n.k->root);
  while (*b->at[b->depth]) b->at[b->depth] = &(*b->at[b->depth])->next;
}

/* n elements, as they are. */
static void copy(Fused *f, Home from, Home to, int64_t n) {
  KernelBuilder *b = &f->m.b;
  if (from.buffer == to.buffer) return;
  DType t = (DType)b->kernel->buffer[from.buffer].type;
  int cols = lower_cols(n, 64);
  int64_t trips = ceil_div(n, cols);
  int tile = kernel_tile(b, STR("c"), t, 1, cols), v = kernel_loop(b, LOOP_SEQ, trips, 1);
  Affine i = affine_add(affine(0), v, cols);
  Access in = access_at(from.buffer, affine_add(i, -1, from.k), 0, 1),
         out = access_at(to.buffer, affine_add(i, -1, to.k), 0, 1);
  in.at.a.v[1] += from.step;
  out.at.a.v[1] += to.step;
  if (n % cols) in = access_guard(in, i, 0, 1, n), out = access_guard(out, i, 0, 1, n);
  kernel_load(b, tile, access_pad(in, t, 0));
  kernel_store(b, tile, access_pad(out, t, 0));
  kernel_end(b);
}

static void step(Fused *f) {
  for (uint32_t i = 0; i < f->body->launch.n; i++) launch(f, &f->body->launch.at[i]);
  for (uint32_t k = 0; k < f->body->root.n; k++) { /* what is not written where it is wanted */
    const PlanBuffer *p = &f->body->buffer.at[f->body->root.at[k].buffer];
    if (p->place == PLACE_YIELD && p->index == k) continue;
    copy(f, f->home[f->body->root.at[k].buffer], f->yield[k], f->rows[k]);
  }
  for (uint32_t k = 0; k < f->b->carry; k++)
    copy(f, f->yield[k], (Home){.buffer = f->carried[k]}, f->rows[k]);
}

void loop_kernel(LowerCx *lo, NodeId owner, const PlanBody *b) {
  Fused *f = ARENA_NEW(lo->arena, Fused);
  *f = (Fused){.b = b, .body = b->plan[0], .owner = owner};
  f->home = ARENA_ARRAY(lo->arena, Home, f->body->buffer.n);
  f->yield = ARENA_ARRAY(lo->arena, Home, b->result.n);
  f->carried = ARENA_ARRAY(lo->arena, int, b->result.n);
  f->rows = ARENA_ARRAY(lo->arena, int64_t, b->result.n);
  lower_kernel_begin(&f->m, lo, owner, "loop");
  results(f);
  for (uint32_t i = 0; i < f->body->buffer.n; i++) f->home[i] = home_of(f, &f->body->buffer.at[i]);
  kernel_loop(&f->m.b, LOOP_PAR, 1, 1);
  for (uint32_t k = 0; k < b->carry; k++)
    copy(f, (Home){.buffer = lower_kernel_in(&f->m, b->param.at[k].buffer)}, (Home){.buffer = f->carried[k]},
         f->rows[k]);
  kernel_loop(&f->m.b, LOOP_SEQ, b->trip, 1);
  step(f);
  kernel_end(&f->m.b);
  kernel_end(&f->m.b);
  for (uint32_t i = 0; i < f->body->launch.n; i++) {
    f->m.cost_ns += (double)b->trip * (double)f->body->launch.at[i].estimate_ns;
    f->m.flops += (double)b->trip * f->body->launch.at[i].flops;
  }
  lower_kernel_end(&f->m);
}
