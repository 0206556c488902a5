/* The walker over a StepImage. In loops, what is carried stands in two buffers in turn, so that the last trip
 * writes the result's own; the first reads the start where it is. Rows of stacks are read and written in
 * place. */
#include "runtime/core/step.h"

#include "runtime/core/fpenv.h"

#include <string.h>

typedef struct Walk {
  StepEnv *env;
  const StepLaunch *launch;
  const StepRef *ref;
  const StepBody *body;
  const StepArg *arg;
  const StepKernel *kernel;
  const int64_t *cut;
  FpEnv host; /* of who called */
} Walk;

/* The launches of one table, and what their references mean. */
typedef struct Frame {
  const Walk *w;
  char *arena;
  void **slot; /* NULL outside of bodies */
} Frame;

static const StepRef offset_mask = STEP_MOST_BYTES - 1;

static void *address(const Frame *f, StepRef r) {
  uint32_t base = (uint32_t)(r >> STEP_OFFSET_BITS);
  char *at = base == STEP_ARENA  ? f->arena
             : base >= STEP_SLOT ? f->slot[base - STEP_SLOT]
                                 : f->w->env->base[base];
  return at + (r & offset_mask); /* size-ok: within the buffer, which the plan's verifier measured */
}

void *step_address(void *const *base, StepRef r) {
  return (char *)base[r >> STEP_OFFSET_BITS] + (r & offset_mask); /* size-ok: within the buffer */
}

/* ---- kernels ---- */

typedef struct Call {
  StepFn *fn;
  void **buf;
  const int64_t *start; /* of the top loops */
  uint32_t ncut, nbuf;
  uint64_t own;           /* bit i: buffer i is scratch */
  uint64_t scratch_bytes; /* from one thread's to the next */
  int64_t pieces;
  StepEnv *patient; /* asked before each piece; NULL: it is short, or has to be finished */
} Call;

/* Asked by all threads of a kernel. */
static bool given_up(StepEnv *e) {
  if (!e->stop) return false;
  if (__atomic_load_n(&e->given_up, __ATOMIC_RELAXED)) return true;
  if (!__atomic_load_n(e->stop, __ATOMIC_RELAXED)) return false;
  __atomic_store_n(&e->given_up, 1, __ATOMIC_RELAXED);
  return true;
}

_Static_assert(STEP_BUFFERS <= 64, "Call.own has a bit for each");

static void call_cuts(const Call *c, void **buf, int64_t lo, int64_t hi) {
  for (uint32_t i = 0; i < c->ncut; i++) {
    int64_t from = step_cut(c->start, i, lo, c->pieces), to = step_cut(c->start, i, hi, c->pieces);
    if (from < to) c->fn(buf, from, to);
  }
}

/* Pieces lo .. hi - 1 on one thread, with that thread's scratch. */
static void call_pieces(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  const Call *c = arg;
  void *own[STEP_BUFFERS], **buf = c->buf;
  if (thread && c->own) {
    buf = own;
    for (uint32_t i = 0; i < c->nbuf; i++)
      buf[i] = c->own >> i & 1 ? (char *)c->buf[i] + thread * c->scratch_bytes /* size-ok: allocated */
                               : c->buf[i];
  }
  if (!c->patient) {
    call_cuts(c, buf, lo, hi);
    return;
  }
  for (int64_t at = lo; at < hi && !given_up(c->patient); at++) call_cuts(c, buf, at, at + 1);
}

/* Of a kernel that may be given up in its midst there are so many pieces that none takes long. */
enum { PIECE_NS = 2000, PIECES = 64, PATIENCE_NS = 10000000 };
int64_t step_pieces(int64_t estimate_ns) {
  int64_t n = estimate_ns / PIECE_NS + 1, patient = estimate_ns / PATIENCE_NS;
  return n <= PIECES ? n : patient > PIECES ? patient : PIECES;
}

static void kernel(const Frame *f, const StepLaunch *l) {
  StepEnv *e = f->w->env;
  void *buf[STEP_BUFFERS];
  const StepRef *ref = f->w->ref + l->ref;
  const StepKernel *k = f->w->kernel + l->index;
  const int64_t *start = f->w->cut + k->cut;
  for (uint32_t i = 0; i < l->nref; i++) buf[i] = address(f, ref[i]);
  if (e->eval) {
    e->eval(e->user, l->index, buf);
    return;
  }
  StepFn *fn = e->fn[l->index];
  int64_t units = start[k->ncut];
  bool alone = !e->pool || l->estimate_ns < POOL_SPLIT_NS || step_pieces(l->estimate_ns) == 1 || units == 1;
  bool patient = e->stop && l->estimate_ns > 2 * PATIENCE_NS && units > 1;
  if (alone && !patient) {
    fn(buf, 0, units); /* the float environment is set already */
    return;
  }
  Call c = {.fn = fn,
            .buf = buf,
            .start = start,
            .ncut = k->ncut,
            .nbuf = l->nref,
            .scratch_bytes = e->image->scratch_bytes,
            .pieces = step_pieces(l->estimate_ns),
            .patient = patient ? e : NULL};
  if (alone) {
    call_pieces(&c, 0, 0, c.pieces);
    return;
  }
  for (uint32_t i = 0; i < l->nref; i++)
    if (ref[i] >> STEP_OFFSET_BITS == STEP_SCRATCH) c.own |= UINT64_C(1) << i;
  e->run(e->pool, call_pieces, &c, c.pieces, l->estimate_ns);
}

/* ---- loops and conditions ---- */

static bool launches(const Frame *f, uint32_t from, uint32_t to);

/* A table of launches, then what is not written where it is wanted: a parameter, one of two results. */
static bool side(const Frame *f, const StepBody *b, const StepTable *t) {
  if (!launches(f, t->launch, t->launch + t->nlaunch)) return false;
  const StepRef *result = f->w->ref + t->result;
  void **yield = f->slot + b->nparam;
  for (uint32_t k = 0; k < t->nresult; k++) {
    if (result[k] == (StepRef)(STEP_SLOT + b->nparam + k) << STEP_OFFSET_BITS) continue;
    memcpy(yield[k], address(f, result[k]), f->w->arg[b->arg + b->nparam + k].bytes);
  }
  return true;
}

static void *row(char *stack, const StepArg *a, int64_t at) {
  return stack + (uint64_t)at * a->step; /* size-ok: within the buffer, which the verifier measured */
}

static bool loop(const Frame *f, const StepBody *b, char *const *row_in, char *const *row_out) {
  const StepArg *in = f->w->arg + b->arg, *out = in + b->nparam;
  void **param = f->slot, **yield = param + b->nparam;
  for (int64_t done = 0; done < b->trip; done++) {
    if (b->ends && !*(const int32_t *)param[0]) break;
    int64_t at = b->reverse ? b->trip - 1 - done : done;
    /* the last trip writes the result's own */
    bool own = b->ends ? done % 2 == 0 : (b->trip - done) % 2 != 0;
    for (uint32_t k = b->carry; k < b->nparam; k++) param[k] = row(row_in[k], &in[k], at);
    for (uint32_t k = 0; k < b->nresult; k++)
      yield[k] = k < b->carry ? (own ? row_out[k] : row_in[k]) : row(row_out[k], &out[k], at);
    if (!side(f, b, &b->side[0])) return false;
    for (uint32_t k = 0; k < b->carry; k++) param[k] = yield[k];
  }
  for (uint32_t k = 0; k < b->carry; k++)
    if (param[k] != row_out[k]) memcpy(row_out[k], param[k], out[k].bytes);
  return true;
}

static bool body(const Frame *f, const StepLaunch *l) {
  const StepBody *b = f->w->body + l->index;
  const StepArg *in = f->w->arg + b->arg, *out = in + b->nparam;
  char *mem = address(f, b->arena);
  void **table = (void **)mem;
  Frame inner = {f->w, mem + b->table, table}; /* size-ok: both lie in that buffer */
  char **row_in = (char **)(table + b->nparam + b->nresult), **row_out = row_in + b->nparam;
  for (uint32_t k = 0; k < b->nparam; k++) table[k] = row_in[k] = address(f, in[k].buffer);
  for (uint32_t k = 0; k < b->nresult; k++) {
    table[b->nparam + k] = row_out[k] = address(f, out[k].buffer);
    if (k < b->carry) row_in[k] = address(f, out[k].spare);
  }
  if (l->kind == STEP_LOOP) return loop(&inner, b, row_in, row_out);
  return side(&inner, b, &b->side[*(const int32_t *)address(f, b->pred) ? 0 : 1]);
}

/* ---- the step ---- */

static bool host(const Frame *f, const StepLaunch *l) {
  StepEnv *e = f->w->env;
  void *buf[STEP_BUFFERS];
  for (uint32_t i = 0; i < l->nref; i++) buf[i] = address(f, f->w->ref[l->ref + i]);
  fpenv_leave(f->w->host);
  bool ok = e->host && e->host(e->user, l->index, buf);
  (void)fpenv_enter();
  if (!ok) e->failed = l->index;
  return ok;
}

static bool launches(const Frame *f, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to; i++) {
    const StepLaunch *l = f->w->launch + i;
    bool ok = true;
    if (given_up(f->w->env)) return false;
    switch ((StepKind)l->kind) {
    case STEP_KERNEL: kernel(f, l); break;
    case STEP_HOST: ok = host(f, l); break;
    case STEP_LOOP:
    case STEP_COND: ok = body(f, l); break;
    }
    if (!ok) return false;
  }
  return true;
}

static bool checks_hold(const StepImage *m, const Frame *f) {
  const StepRoot *r = step_roots(m);
  for (uint32_t i = 0; i < m->nroot; i++) {
    if (!r[i].check) continue;
    const int32_t *w = address(f, r[i].ref);
    for (uint64_t j = 0; j < r[i].bytes / sizeof *w; j++)
      if (!w[j]) return false;
  }
  return true;
}

StepResult step_run(StepEnv *e) {
  const StepImage *m = e->image;
  Walk w = {e,
            step_part(m, m->launch),
            step_part(m, m->ref),
            step_part(m, m->body),
            step_part(m, m->arg),
            step_part(m, m->kernel),
            step_part(m, m->cut),
            {0}};
  Frame f = {&w, e->base[STEP_ARENA], NULL};
  StepResult r = STEP_DONE;
  uint32_t from = m->main.launch, commit = from + m->commit, to = from + m->main.nlaunch;
  uint32_t settled = from + m->settled;
  w.host = fpenv_enter();
  bool ok = launches(&f, from, settled);
  if (given_up(e))
    r = STEP_CANCELLED;
  else if (!ok || (e->stop = NULL, !launches(&f, settled, commit)))
    r = STEP_HOST_FAILED;
  else if (!checks_hold(m, &f))
    r = STEP_CHECK_FAILED;
  else if (!launches(&f, commit, to))
    r = STEP_HOST_FAILED;
  fpenv_leave(w.host);
  return r;
}
