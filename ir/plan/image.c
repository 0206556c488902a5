/* A plan as the tables that run (runtime/core/step.h): references instead of buffers, cuts instead of
 * kernels, bodies in one list. requires: a verified plan. */
#include "base/size.h"
#include "ir/plan/plan.h"

_Static_assert((int)KERNEL_BUFFERS <= (int)STEP_BUFFERS, "the walker has room for the buffers of a kernel");
_Static_assert(sizeof((Extern){0}).in / sizeof(Type) < STEP_BUFFERS,
               "and of a host function with its result");

typedef struct Piece { /* constant data of one buffer */
  const void *data;
  size_t bytes, at;
} Piece;

typedef struct Making {
  Arena *arena; /* of the making alone */
  const Plan *main;
  VEC(StepLaunch) launch;
  VEC(StepRef) ref;
  VEC(StepBody) body;
  VEC(StepArg) arg;
  VEC(StepKernel) kernel;
  VEC(int64_t) cut;
  VEC(StepRoot) root;
  VEC(uint32_t) leaf;
  VEC(Piece) piece;
  Map known; /* leaves by number: where in `leaf` */
  size_t data_bytes, scratch_bytes;
  uint32_t sites;
  bool large; /* something cannot be said in a reference */
} Making;

static StepRef ref_at(Making *m, uint32_t base, size_t offset) {
  m->large |= offset >= STEP_MOST_BYTES;
  return (StepRef)base << STEP_OFFSET_BITS | offset;
}

static StepRef leaf_ref(Making *m, LeafId leaf) {
  uint32_t at;
  if (!map_get(&m->known, leaf.i + UINT64_C(1), &at)) {
    at = m->leaf.n;
    map_put(&m->known, leaf.i + UINT64_C(1), at);
    VEC_PUSH(m->arena, &m->leaf, leaf.i);
    m->large |= STEP_LEAF + at >= STEP_SLOT;
  }
  return ref_at(m, STEP_LEAF + at, 0);
}

static StepRef data_ref(Making *m, const PlanBuffer *b) {
  size_t at = m->data_bytes, end;
  if (!size_add(at, b->bytes, &end) || !size_align(end, STEP_ALIGN, &m->data_bytes)) m->large = true;
  VEC_PUSH(m->arena, &m->piece, (Piece){b->data, b->bytes, at});
  return ref_at(m, STEP_DATA, at);
}

/* seen: by buffer of p, its reference; 0: not yet (that would be scratch). */
static StepRef buffer_ref(Making *m, const Plan *p, StepRef *seen, uint32_t nparam, uint32_t buffer) {
  const PlanBuffer *b = &p->buffer.at[buffer];
  if (seen[buffer]) return seen[buffer];
  StepRef r = 0;
  switch ((PlanPlace)b->place) {
  case PLACE_LEAF: r = leaf_ref(m, b->leaf); break;
  case PLACE_ARENA: r = ref_at(m, STEP_ARENA, b->offset); break;
  case PLACE_DATA: r = data_ref(m, b); break;
  case PLACE_PARAM: r = ref_at(m, STEP_SLOT + b->index, 0); break;
  case PLACE_YIELD: r = ref_at(m, STEP_SLOT + nparam + b->index, 0); break;
  }
  return seen[buffer] = r;
}

static StepTable table(Making *m, const Plan *p, uint32_t nparam, StepRef *seen);

static StepArg arg(Making *m, const Plan *p, StepRef *seen, uint32_t nparam, const PlanArg *a) {
  StepRef r = buffer_ref(m, p, seen, nparam, a->buffer);
  return (StepArg){r, a->spare == PLAN_NONE ? r : buffer_ref(m, p, seen, nparam, a->spare), a->step,
                   a->bytes};
}

static uint32_t body(Making *m, const Plan *p, StepRef *seen, uint32_t nparam, const PlanLaunch *l) {
  const PlanBody *b = &p->body.at[l->kernel];
  StepBody o = {.table = b->table,
                .trip = b->trip,
                .nparam = b->param.n,
                .nresult = b->result.n,
                .carry = b->carry,
                .reverse = b->reverse,
                .ends = b->ends,
                .arg = m->arg.n};
  for (uint32_t k = 0; k < b->param.n; k++)
    VEC_PUSH(m->arena, &m->arg, arg(m, p, seen, nparam, &b->param.at[k]));
  for (uint32_t k = 0; k < b->result.n; k++)
    VEC_PUSH(m->arena, &m->arg, arg(m, p, seen, nparam, &b->result.at[k]));
  o.arena = buffer_ref(m, p, seen, nparam, b->arena);
  if (l->kind == LAUNCH_COND) o.pred = buffer_ref(m, p, seen, nparam, b->pred);
  for (int i = 0; i < 2 && b->plan[i]; i++) o.side[i] = table(m, b->plan[i], b->param.n, NULL);
  VEC_PUSH(m->arena, &m->body, o);
  return m->body.n - 1;
}

static void launch_refs(Making *m, const Plan *p, StepRef *seen, uint32_t nparam, const PlanLaunch *l) {
  size_t offset[KERNEL_BUFFERS];
  if (l->kind == LAUNCH_KERNEL) { /* bodies share the list of kernels of the whole plan */
    size_t bytes = plan_scratch(m->main->kernel.at[l->kernel], offset);
    if (bytes > m->scratch_bytes) m->scratch_bytes = bytes;
  }
  for (uint32_t i = 0; i < l->nbind; i++) {
    uint32_t b = p->bind.at[l->bind + i];
    StepRef r = b == PLAN_NONE ? ref_at(m, STEP_SCRATCH, offset[i]) : buffer_ref(m, p, seen, nparam, b);
    VEC_PUSH(m->arena, &m->ref, r);
  }
}

/* seen: NULL for a body, whose buffers are its own. */
static StepTable table(Making *m, const Plan *p, uint32_t nparam, StepRef *seen) {
  StepTable t = {.launch = m->launch.n, .nlaunch = p->launch.n, .nresult = p->root.n};
  if (!seen) seen = ARENA_ARRAY(m->arena, StepRef, p->buffer.n);
  for (uint32_t i = 0; i < p->launch.n; i++) VEC_PUSH(m->arena, &m->launch, (StepLaunch){0});
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const PlanLaunch *l = &p->launch.at[i];
    StepLaunch o = {.index = l->kernel, .ref = m->ref.n, .estimate_ns = l->estimate_ns};
    switch ((LaunchKind)l->kind) {
    case LAUNCH_KERNEL:
      o.kind = STEP_KERNEL;
      o.nref = l->nbind;
      launch_refs(m, p, seen, nparam, l);
      break;
    case LAUNCH_HOST:
      o.kind = STEP_HOST;
      o.index = m->sites++;
      o.nref = l->nbind;
      launch_refs(m, p, seen, nparam, l);
      break;
    case LAUNCH_LOOP:
    case LAUNCH_COND:
      o.kind = l->kind == LAUNCH_LOOP ? STEP_LOOP : STEP_COND;
      o.index = body(m, p, seen, nparam, l);
      break;
    }
    m->launch.at[t.launch + i] = o;
  }
  t.result = m->ref.n;
  for (uint32_t i = 0; i < p->root.n; i++)
    VEC_PUSH(m->arena, &m->ref, buffer_ref(m, p, seen, nparam, p->root.at[i].buffer));
  return t;
}

static void kernels(Making *m, const Plan *p) {
  for (uint32_t i = 0; i < p->kernel.n; i++) {
    KernelCut c = kernel_cut(m->arena, p->kernel.at[i]);
    VEC_PUSH(m->arena, &m->kernel, (StepKernel){m->cut.n, c.n});
    for (uint32_t k = 0; k <= c.n; k++) VEC_PUSH(m->arena, &m->cut, c.start[k]);
  }
}

/* Lays the tables one behind the other; first to learn the size, then to copy. */
typedef struct Layout {
  char *out; /* NULL: only the size is wanted */
  size_t at;
  bool fits;
} Layout;
static uint32_t put(Layout *l, const void *from, uint32_t n, size_t size) {
  size_t bytes, at, end;
  l->fits &= size_align(l->at, 8, &at) && size_mul(n, size, &bytes) && size_add(at, bytes, &end) &&
             end <= UINT32_MAX;
  if (!l->fits) return 0;
  if (l->out && bytes) memcpy(l->out + at, from, bytes);
  l->at = end;
  return (uint32_t)at;
}

uint32_t plan_settled(const Plan *p) {
  for (uint32_t i = 0; p->in_place && i < p->commit; i++) {
    const PlanLaunch *l = &p->launch.at[i];
    for (uint32_t k = 0; l->kind == LAUNCH_KERNEL && k < l->nbind; k++) {
      uint32_t b = p->bind.at[l->bind + k];
      if (b != PLAN_NONE && p->buffer.at[b].place == PLACE_LEAF &&
          p->kernel.at[l->kernel]->buffer[k].kind == BUFFER_OUT)
        return i;
    }
  }
  return p->commit;
}

static StepImage layout(const Making *m, Layout *l, StepTable main) {
  const Plan *p = m->main;
  StepImage o = {.arena_bytes = p->arena_bytes,
                 .scratch_bytes = m->scratch_bytes,
                 .nroot = m->root.n,
                 .nleaf = m->leaf.n,
                 .commit = p->commit,
                 .settled = plan_settled(p),
                 .main = main};
  size_t end;
  l->at = sizeof o;
  o.launch = put(l, m->launch.at, m->launch.n, sizeof *m->launch.at);
  o.ref = put(l, m->ref.at, m->ref.n, sizeof *m->ref.at);
  o.body = put(l, m->body.at, m->body.n, sizeof *m->body.at);
  o.arg = put(l, m->arg.at, m->arg.n, sizeof *m->arg.at);
  o.kernel = put(l, m->kernel.at, m->kernel.n, sizeof *m->kernel.at);
  o.cut = put(l, m->cut.at, m->cut.n, sizeof *m->cut.at);
  o.root = put(l, m->root.at, m->root.n, sizeof *m->root.at);
  o.leaf = put(l, m->leaf.at, m->leaf.n, sizeof *m->leaf.at);
  l->fits &= size_align(l->at, STEP_ALIGN, &l->at) && size_add(l->at, m->data_bytes, &end);
  o.data = l->at;
  o.bytes = l->fits ? end : 0;
  for (uint32_t i = 0; l->out && i < m->piece.n; i++)
    memcpy(l->out + o.data + m->piece.at[i].at, m->piece.at[i].data, m->piece.at[i].bytes);
  return o;
}

static StepImage *lay(Arena *a, Making *m, StepTable main) {
  Layout l = {.fits = !m->large && m->main->arena_bytes < STEP_MOST_BYTES};
  StepImage size = layout(m, &l, main);
  if (!l.fits) return NULL;
  l.out = arena_alloc(a, size.bytes, STEP_ALIGN);
  StepImage whole = layout(m, &l, main);
  return memcpy(l.out, &whole, sizeof whole);
}

StepImage *plan_image(Arena *a, const Plan *p, Sb *why) {
  ArenaScope scope;
  Arena *making = arena_open(&scope, a->mem);
  Making *m = ARENA_NEW(making, Making);
  m->arena = making;
  m->main = p;
  m->scratch_bytes = p->scratch_bytes;
  map_init(&m->known, making);
  StepRef *seen = ARENA_ARRAY(making, StepRef, p->buffer.n);
  kernels(m, p);
  StepTable main = table(m, p, 0, seen);
  for (uint32_t i = 0; i < p->root.n; i++) {
    const PlanRoot *r = &p->root.at[i];
    const PlanBuffer *b = &p->buffer.at[r->buffer];
    StepRoot o = {.ref = buffer_ref(m, p, seen, 0, r->buffer), .check = r->kind == ROOT_CHECK};
    o.bytes =
        (uint64_t)b->n * dtype_bytes((DType)b->dtype); /* size-ok: less than b->bytes, which is padded */
    VEC_PUSH(making, &m->root, o);
  }
  StepImage *out = lay(a, m, main);
  arena_close(&scope);
  if (!out) sb_fmt(why, "the program is too large to run: its tables or its memory have no addresses");
  return out;
}
