/* Sessions: initial values, binding, compiled variants, steps. */
#include "api/session.h"

#include "api/exec.h"
#include "base/size.h"
#include "ir/scalar/literal.h"
#include "passes/passes.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

typedef struct HostThunk {
  dg_session *s;
  HostReg reg; /* as it was when the session was made */
} HostThunk;

dg_array session_array(const Tensor *t) {
  static const dg_dtype to[DT_ALL] = {
      [DT_F32] = DG_F32,   [DT_F64] = DG_F64, [DT_I32] = DG_I32,  [DT_I64] = DG_I64,
      [DT_BOOL] = DG_BOOL, [DT_U8] = DG_U8,   [DT_BF16] = DG_BF16};
  dg_array a = {.dtype = to[t->dtype], .rank = t->rank, .data = t->data};
  for (int i = 0; i < t->rank; i++) a.extent[i] = t->ext[i];
  return a;
}

/* What leaves holds one NaN (docs/numbers.md). A buffer that is clean, as the host's are, is not written. */
void session_one_nan(const Tensor *t) {
  if (!fp_clean(t->dtype, t->data, t->count)) fp_flush(t->dtype, t->data, t->count);
}

static bool from_dtype(dg_dtype d, DType *out) {
  static const DType from[] = {[DG_F32] = DT_F32,   [DG_F64] = DT_F64, [DG_I32] = DT_I32,  [DG_I64] = DT_I64,
                               [DG_BOOL] = DT_BOOL, [DG_U8] = DT_U8,   [DG_BF16] = DT_BF16};
  if ((unsigned)d >= sizeof from / sizeof *from) return false;
  *out = from[d];
  return true;
}

static bool call_host(void *user, const Tensor *in, uint32_t nin, Tensor *out) {
  const HostThunk *k = user;
  dg_array a[16], o = session_array(out);
  if (nin > 16) return false;
  for (uint32_t i = 0; i < nin; i++) session_one_nan(&in[i]), a[i] = session_array(&in[i]);
  uint32_t ours = api_host_enter(k->s->cx);
  int failed = k->reg.fn(k->reg.user, a, (int)nin, &o);
  api_host_leave(ours);
  fp_flush(out->dtype, out->data, out->count);
  return failed == 0;
}

static const dg_session_options session_defaults = {
    .size = sizeof(dg_session_options), .level = -1, .check_finite = 1};

void dg_session_options_init(dg_session_options *o, size_t size) {
  if (o) api_fill(o, size, &session_defaults, sizeof session_defaults);
}

static int core_count(void) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n > POOL_MAX_THREADS ? POOL_MAX_THREADS : (int)n;
}

dg_status session_guard(dg_session *s, ApiFn *fn, void *arg) {
  if (!s) return DG_USAGE;
  dg_status st = session_alive(s);
  if (st != DG_OK) return st;
  st = api_guard(s->cx, fn, arg);
  s->running = s->settled = false;
  if (st == DG_INTERNAL || st == DG_NO_MEMORY) s->dead = true;
  return st;
}

dg_status session_alive(dg_session *s) {
  if (s->running)
    return api_fail(s->cx, ST_USAGE, "this session is inside a step: a host function cannot call it");
  return s->dead ? api_fail(s->cx, ST_USAGE, "this session failed earlier and can only be freed") : DG_OK;
}

dg_status session_not_training(dg_session *s) {
  return s->training ? api_fail(s->cx, ST_USAGE, "this session is inside dg_train: wait until it returns")
                     : DG_OK;
}

/* Within the limit on one tensor; count and type are set. */
static bool bytes_fit(const dg_session *s, const Tensor *t) {
  size_t bytes;
  return size_mul(t->count, dtype_bytes(t->dtype), &bytes) &&
         (uint64_t)bytes <= (uint64_t)s->p->cx->limits.tensor_bytes;
}

static dg_status too_large(dg_session *s, const Leaf *l) {
  return api_fail(s->cx, ST_LIMIT, "'" STRF "' has more bytes than the limit 'tensor_bytes' of %lld",
                  STRA(names_str(&s->p->names, l->path)), (long long)s->p->cx->limits.tensor_bytes);
}

enum { LEAVES_TOGETHER = 4 << 20 }; /* bytes */

/* The shape of a leaf's storage, without the storage. */
static dg_status leaf_shape(dg_session *s, const Leaf *l, Type *t, size_t *bytes) {
  const Program *p = &s->prog;
  *t = l->type;
  Tensor size = {.dtype = (DType)t->dtype, .count = 1};
  for (int k = 0; k < t->rank; k++) {
    t->dim[k] = dim_bind(p->dims, t->dim[k], s->p->bound.at, s->p->bound.n);
    int64_t e;
    if (dim_is_const(p->dims, t->dim[k], &e) && (e < 0 || !size_mul(size.count, (size_t)e, &size.count)))
      return too_large(s, l);
  }
  if (!bytes_fit(s, &size)) return too_large(s, l);
  *bytes = size.count * dtype_bytes(size.dtype); /* size-ok: just seen to fit */
  return DG_OK;
}

/* Parameters and states of a program lie side by side: in pages as large as the system has. */
static dg_status leaf_room(dg_session *s) {
  const Program *p = &s->prog;
  size_t all = 0, bytes;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    Type t;
    if (p->leaf.at[i].kind == LEAF_INPUT) continue;
    dg_status st = leaf_shape(s, &p->leaf.at[i], &t, &bytes);
    if (st != DG_OK) return st;
    if (!size_add(all, bytes, &all) || !size_add(all, 128, &all)) return too_large(s, &p->leaf.at[i]);
  }
  if (all >= LEAVES_TOGETHER) arena_room(&s->arena, all);
  return DG_OK;
}

/* Storage of everything but inputs. */
static dg_status make_leaves(dg_session *s) {
  const Program *p = &s->prog;
  uint32_t n = p->leaf.n;
  s->leaf = ARENA_ARRAY(&s->arena, void *, n);
  s->leaf_bytes = ARENA_ARRAY(&s->arena, size_t, n);
  s->leaf_tensor = ARENA_ARRAY(&s->arena, Tensor, n);
  s->bound = ARENA_ARRAY(&s->arena, Bound, n);
  s->own = ARENA_ARRAY(&s->arena, Bound, n);
  s->counter = ARENA_ARRAY(&s->arena, int32_t, p->train.n + 1);
  s->look = ARENA_ARRAY(&s->arena, Look, p->train.n + 1);
  s->wild = ARENA_ARRAY(&s->arena, bool, n);
  s->range = ARENA_ARRAY(&s->arena, DataRange, n);
  s->dataset = ARENA_ARRAY(&s->arena, DataSet, p->dataset.n + 1);
  for (uint32_t i = 0; i < n; i++)
    if (p->leaf.at[i].kind == LEAF_INPUT) s->range[i] = session_range(s, i);
  dg_status room = leaf_room(s);
  if (room != DG_OK) return room;
  for (uint32_t i = 0; i < n; i++) {
    const Leaf *l = &p->leaf.at[i];
    if (l->kind == LEAF_INPUT) continue;
    Type t;
    dg_status st = leaf_shape(s, l, &t, &s->leaf_bytes[i]);
    if (st != DG_OK) return st;
    if (!tensor_of_type(&s->arena, p->dims, &t, &s->leaf_tensor[i]))
      return api_fail(s->cx, ST_REJECTED,
                      "'" STRF "' has a shape that depends on a dim without a value: bind it (-D NAME=VALUE)",
                      STRA(names_str(p->names, l->path)));
    s->leaf[i] = s->leaf_tensor[i].data;
  }
  return DG_OK;
}

void session_counters(dg_session *s, const Entry *e) {
  const Program *p = &s->prog;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    int32_t v = 0;
    switch (p->leaf.at[i].kind) {
    case LEAF_STEP:
      v = e->kind == ENTRY_TRAIN || e->kind == ENTRY_GATHER ? s->counter[e->train] + 1
          : e->kind == ENTRY_AFTER                          ? s->counter[e->train]
                                                            : 1;
      break;
    case LEAF_EPOCH: v = s->epoch < INT32_MAX ? s->epoch + 1 : s->epoch; break;
    case LEAF_SEED: v = (int32_t)s->opt.seed; break;
    case LEAF_INPUT:
    case LEAF_PARAM:
    case LEAF_STATE:
    case LEAF_TOTAL: continue;
    }
    memcpy(s->leaf[i], &v, sizeof v);
  }
}

/* An instruction set that does not exist or that this CPU lacks is refused here, not at the first step. */
static dg_status isa_runs(dg_session *s) {
  dg_context *cx = s->cx;
  CpuLevel any;
  if (s->opt.isa && !cpu_isa(s->opt.isa, &any))
    return api_fail(cx, ST_USAGE, "there is no instruction set '%.40s': " CPU_ISA_NAMES, s->opt.isa);
  if (s->opt.interpret) return DG_OK;
  Sb why;
  sb_init(&why, &s->arena);
  Status st = exec_can(&s->arena, &(ExecOptions){.isa = s->opt.isa, .cpu = s->p->cx->cpu}, &why);
  return st == ST_OK ? DG_OK : api_fail(cx, st, STRF, STRA(sb_str(&why)));
}

typedef struct NewCall {
  dg_program *p;
  dg_session *s;
} NewCall;

static dg_status new_in(void *arg) {
  dg_session *s = ((NewCall *)arg)->s;
  s->prog = s->p->prog;
  s->prog.dims = dims_copy(&s->dims, s->p->prog.dims);
  const Program *p = &s->prog;
  dg_context *cx = s->cx;
  if (s->opt.level < -1 || s->opt.level > 3) return api_fail(cx, ST_USAGE, "level: 0 to 3, or -1");
  if (s->opt.isa) s->opt.isa = str_copy(&s->arena, str_z(s->opt.isa)).p;
  dg_status runs = isa_runs(s);
  if (runs != DG_OK) return runs;
  if (s->opt.threads < 0) return api_fail(cx, ST_USAGE, "threads: %d is below 0", s->opt.threads);
  if (s->opt.threads == 0) s->opt.threads = core_count();
  if (!s->opt.interpret) {
    if (!pool_bytes((uint32_t)s->opt.threads, &s->pool_size))
      return api_fail(cx, ST_USAGE, "threads: 1 to %d", POOL_MAX_THREADS);
    s->pool_memory = mem_get(&cx->mem, s->pool_size);
    s->pool = pool_start(s->pool_memory, (uint32_t)s->opt.threads);
    if (!s->pool) return api_fail(cx, ST_IO, "the system refused a thread");
  }
  s->host = ARENA_ARRAY(&s->arena, HostEntry, p->externs.n + 1);
  s->thunk = ARENA_ARRAY(&s->arena, HostThunk, p->externs.n + 1);
  for (uint32_t i = 0; i < p->externs.n; i++)
    for (uint32_t k = 0; k < cx->host.n; k++)
      if (str_eq(cx->host.at[k].name, names_str(p->names, p->externs.at[i].name))) {
        s->thunk[i] = (HostThunk){s, cx->host.at[k]};
        s->host[i] = (HostEntry){call_host, &s->thunk[i]};
      }
  dg_status st = make_leaves(s);
  if (st == DG_OK) st = session_initial(s);
  for (uint32_t i = 0; st == DG_OK && i < p->leaf.n; i++) session_finite_begin(s, i);
  return st;
}

dg_status dg_session_new(dg_program *p, const dg_session_options *options, dg_session **out) {
  if (out) *out = NULL;
  if (!p) return DG_USAGE;
  if (!out) return api_fail(p->cx, ST_USAGE, "dg_session_new: a place for the session is needed");
  if (!p->sound) return api_fail(p->cx, ST_REJECTED, "the program has errors: see its diagnostics");
  if (p->imported) return api_fail(p->cx, ST_REJECTED, "a recorded model is diagnosed, not run");
  dg_session_options own = session_defaults;
  dg_status st = options ? api_sized(p->cx, "dg_session_options", &own, sizeof own, options) : DG_OK;
  if (st != DG_OK) return st;
  void *made;
  pthread_mutex_lock(&p->lock); /* a session may be made in each thread */
  st = api_new(p->cx, sizeof(dg_session), &made);
  pthread_mutex_unlock(&p->lock);
  if (st != DG_OK) return st;
  dg_session *s = made;
  s->p = p;
  __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
  context_of_session(p->cx, &s->local);
  s->cx = &s->local;
  s->shapes = 1;
  arena_init(&s->arena, &s->cx->mem);
  arena_init(&s->dims, &s->cx->mem);
  arena_init(&s->missing_names, &s->cx->mem);
  arena_init(&s->work, &s->cx->mem);
  arena_init(&s->predicted, &s->cx->mem);
  arena_init(&s->opening, &s->cx->mem);
  arena_init(&s->evaluated.arena, &s->cx->mem);
  s->opt = own;
  NewCall call = {p, s};
  st = api_guard(s->cx, new_in, &call);
  if (st == DG_OK)
    *out = s;
  else
    dg_session_free(s);
  return st;
}

void dg_session_free(dg_session *s) {
  if (!s) return;
  for (uint32_t i = 0; i < s->nvariant; i++) runner_free(s->variant[i].runner);
  runner_free(s->initial);
  if (s->pool) pool_stop(s->pool);
  mem_free(&s->cx->mem, s->pool_memory, s->pool_size);
  for (int k = 0; k < SET_COUNT; k++) set_close(&s->set[k]);
  for (uint32_t k = 0; s->dataset && k < s->prog.dataset.n; k++) set_close(&s->dataset[k]);
  arena_release(&s->opening);
  arena_release(&s->dims);
  arena_release(&s->missing_names);
  arena_release(&s->work);
  arena_release(&s->predicted);
  arena_release(&s->evaluated.arena);
  arena_release(&s->arena);
  dg_program *p = s->p;
  Mem m = s->cx->mem; /* the door outlives what it gives back */
  mem_free(&m, s, sizeof *s);
  program_drop(p);
}

/* ---- binding ---- */

/* " (its inputs: x, y)" */
static const char *inputs_of(dg_session *s, char *z, size_t n) {
  const Program *p = &s->prog;
  size_t at = 0;
  z[0] = 0;
  for (uint32_t i = 0; i < p->leaf.n && at < n; i++)
    if (p->leaf.at[i].kind == LEAF_INPUT)
      at += (size_t)snprintf(z + at, n - at, "%s" STRF, at ? ", " : ": it has ",
                             STRA(names_str(p->names, p->leaf.at[i].path)));
  return z;
}

dg_status session_no_input(dg_session *s, const char *name) {
  char all[256];
  return api_fail(s->cx, ST_USAGE, "the program has no input '%.60s'%s", name, inputs_of(s, all, sizeof all));
}

bool session_same_shape(const Tensor *a, const Tensor *b) {
  return a->rank == b->rank && memcmp(a->ext, b->ext, a->rank * sizeof *a->ext) == 0; /* size-ok: at most 8 */
}

static bool find_input(const Program *p, const char *name, LeafId *out) {
  return program_find_leaf(p, str_z(name), out) && program_leaf_at(p, *out)->kind == LEAF_INPUT;
}

bool session_strides(dg_session *s, const char *name, const dg_array *a, size_t bytes, Strides *out,
                     dg_status *st) {
  bool any = false;
  *st = DG_OK;
  *out = (Strides){.rank = a->rank};
  for (int k = 0; k < MAX_RANK; k++) any |= a->stride[k] != 0;
  for (size_t k = 0; k < sizeof a->reserved / sizeof *a->reserved; k++)
    if (a->reserved[k]) *st = api_fail(s->cx, ST_USAGE, "'%.60s': 'reserved' of the array is not 0", name);
  for (int k = 0; k < a->rank; k++) out->ext[k] = a->extent[k], out->stride[k] = a->stride[k];
  if (*st == DG_OK && any && !strides_fit(out, bytes))
    *st = api_fail(s->cx, ST_USAGE, "'%.60s': the strides of the array lead out of memory", name);
  return *st == DG_OK && any && !strides_dense(out);
}

typedef struct BindCall {
  dg_session *s;
  Bound *own;
  size_t bytes;
} BindCall;

static dg_status dense_in(void *arg) {
  BindCall *c = arg;
  Bound *own = c->own;
  if (c->bytes > own->dense_room) {
    own->dense = arena_alloc(&c->s->arena, c->bytes, 64);
    own->dense_room = c->bytes;
  }
  return DG_OK;
}

dg_status dg_bind(dg_session *s, const char *input, const dg_array *a) {
  if (!s) return DG_USAGE;
  dg_context *cx = s->cx;
  const Program *p = &s->prog;
  if (session_alive(s) != DG_OK) return DG_USAGE;
  LeafId id;
  if (!input || !a || !a->data)
    return api_fail(cx, ST_USAGE, "dg_bind: an input, an array and its data are needed");
  if (!find_input(p, input, &id)) return session_no_input(s, input);
  const Leaf *l = program_leaf_at(p, id);
  DType dt;
  bool known = from_dtype(a->dtype, &dt);
  if (!known || dt != l->type.dtype)
    return api_fail(cx, ST_REJECTED, "input '%s' is %s, the array %s", input,
                    dtype_name((DType)l->type.dtype), known ? dtype_name(dt) : "no dg_dtype");
  if ((uintptr_t)a->data % dtype_bytes(dt))
    return api_fail(cx, ST_USAGE, "input '%s': the data do not lie at a multiple of %zu bytes", input,
                    dtype_bytes(dt));
  if (a->rank != l->type.rank)
    return api_fail(cx, ST_REJECTED, "input '%s' has %d axes, the array %d", input, l->type.rank, a->rank);
  Tensor t = {.dtype = dt, .rank = l->type.rank, .data = a->data, .count = 1};
  for (int i = 0; i < t.rank; i++) {
    int64_t want;
    DimId d = dim_bind(p->dims, l->type.dim[i], s->p->bound.at, s->p->bound.n);
    if (a->extent[i] < 1)
      return api_fail(cx, ST_REJECTED, "input '%s': axis %d is empty: its extent is %lld", input, i,
                      (long long)a->extent[i]);
    if (dim_is_const(p->dims, d, &want) && want != a->extent[i])
      return api_fail(cx, ST_REJECTED, "input '%s': axis %d is %lld, the array has %lld", input, i,
                      (long long)want, (long long)a->extent[i]);
    t.ext[i] = a->extent[i];
    if (!size_mul(t.count, (size_t)a->extent[i], &t.count)) return too_large(s, l);
  }
  if (!bytes_fit(s, &t)) return too_large(s, l);
  Bound *own = &s->own[id.i];
  Bound now = {.has = true, .copy = own->copy, .room = own->room};
  dg_status st;
  if (session_strides(s, input, a, dtype_bytes(dt), &now.strides, &st)) {
    BindCall c = {s, own, t.count * dtype_bytes(dt)}; /* size-ok: bytes_fit has looked */
    now.host = a->data;
    st = session_guard(s, dense_in, &c);
    t.data = own->dense;
  }
  if (st != DG_OK) return st;
  now.dense = own->dense, now.dense_room = own->dense_room, now.t = t;
  s->shapes += !s->bound[id.i].has || !session_same_shape(&s->bound[id.i].t, &t);
  s->bound[id.i] = *own = now;
  s->leaf[id.i] = t.data;
  return DG_OK;
}

void session_unfeed(dg_session *s) {
  for (uint32_t i = 0; i < s->prog.leaf.n; i++) {
    if (!s->bound[i].fed) continue;
    s->shapes += !s->own[i].has || !session_same_shape(&s->bound[i].t, &s->own[i].t);
    s->bound[i] = s->own[i];
    s->leaf[i] = s->own[i].t.data;
  }
}

double session_scalar(const Tensor *t) {
  session_one_nan(t);
  return literal_double(t->dtype, literal_get(t->dtype, t->data, 0));
}

/* name lives as long as the program, or is copied the first time. */
void session_scalar_put(dg_session *s, Str name, double v) {
  for (uint32_t i = 0; i < s->scalar.n; i++)
    if (str_eq(s->scalar.at[i].name, name)) {
      s->scalar.at[i].value = v;
      return;
    }
  VEC_PUSH(&s->arena, &s->scalar, (Scalar1){str_copy(&s->arena, name), v});
}

/* The host's buffers are read in place, but no subnormal number may enter (docs/numbers.md): one that holds
 * any is read from a flushed copy, which lives on because an output may be the input itself. */
static void clean_inputs(dg_session *s, const Code *code) {
  for (uint32_t i = 0; i < s->prog.leaf.n; i++) {
    Bound *b = &s->own[i];
    size_t bytes;
    if (!b->has || s->bound[i].fed || !code->reads[i]) continue;
    s->leaf[i] = b->t.data;
    if (fp_clean(b->t.dtype, b->t.data, b->t.count)) continue;
    if (!size_mul(b->t.count, dtype_bytes(b->t.dtype), &bytes))
      BUG(s->arena.mem, "a bound buffer without a size"); /* dg_bind has looked */
    if (bytes > b->room) b->copy = arena_alloc(&s->arena, b->room = bytes, 64);
    s->leaf[i] = memcpy(b->copy, b->t.data, bytes);
    fp_flush(b->t.dtype, b->copy, b->t.count);
  }
}

/* What was bound with strides, for one run. */
static void gather_inputs(dg_session *s, const Code *code) {
  for (uint32_t i = 0; i < s->prog.leaf.n; i++) {
    const Bound *b = &s->own[i];
    if (b->host && !s->bound[i].fed && code->reads[i])
      strides_pack(b->dense, b->host, &b->strides, dtype_bytes(b->t.dtype));
  }
}

dg_status session_run(dg_session *s, const Entry *e, Variant **ran) {
  Variant *v;
  dg_status ok = session_variant(s, e, &v);
  if (ok == DG_OK) gather_inputs(s, v->runner->code);
  if (ok == DG_OK) ok = session_values_fit(s, v);
  if (ok != DG_OK) return ok;
  session_counters(s, e);
  Sb why;
  clean_inputs(s, v->runner->code);
  ArenaMark mark = arena_mark(&s->arena);
  sb_init(&why, &s->arena);
  s->running = true;
  Status st = runner_run(v->runner, s->leaf, s->host, s->settled ? NULL : s->cx->stop, &why);
  s->running = false;
  if (st != ST_OK) return api_fail(s->cx, st, STRF, STRA(sb_str(&why)));
  arena_rewind(&s->arena, mark);
  for (uint32_t i = 0; i < v->runner->code->graph->root.n; i++) {
    const Root *r = &v->runner->code->graph->root.at[i];
    if (r->kind == ROOT_OUTPUT) session_one_nan(&v->runner->value[i]);
    if ((r->kind == ROOT_LOSS || r->kind == ROOT_METRIC) && v->runner->value[i].count == 1)
      session_scalar_put(s, names_str(s->prog.names, r->name), session_scalar(&v->runner->value[i]));
  }
  s->last = v;
  if (ran) *ran = v;
  return DG_OK;
}
