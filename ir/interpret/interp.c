/* The reference interpreter: runs the nodes in order. Families of ops have their own files. */
#include "base/size.h"
#include "ir/interpret/internal.h"
#include "ir/scalar/scalar.h"

#include <stdio.h>

static bool shape_of(Mem *m, const DimTable *dims, const Type *ty, DType t, Tensor *out, size_t *bytes) {
  *out = (Tensor){.dtype = t, .rank = ty->rank};
  if (!type_extents(dims, ty, out->ext)) return false;
  for (int i = 0; i < out->rank; i++)
    if (out->ext[i] < 1) {
      *bytes = 0;
      return true; /* count 0: nothing runs on it */
    }
  if (!size_product(out->ext, ty->rank, &out->count) || !size_mul(out->count, dtype_bytes(t), bytes))
    mem_raise(m, ST_LIMIT, "a tensor of more bytes than can be addressed");
  return true;
}

bool tensor_of_type(Arena *a, const DimTable *dims, const Type *t, Tensor *out) {
  size_t bytes;
  if (!shape_of(a->mem, dims, t, (DType)t->dtype, out, &bytes)) return false;
  out->data = arena_alloc(a, bytes, 64);
  return true;
}

Tensor interp_like(Arena *a, const Tensor *t) {
  Tensor x = *t;
  x.data = arena_array(a, t->count, dtype_bytes(t->dtype), 64);
  return x;
}

void interp_map(Run *r, Op op, DType t, size_t n, const void *x, void *y) {
  scalar_eval_n(op_program(&r->programs, op, &t, 1, t), &r->scratch, n, &x, NULL, &y);
}

bool interp_has_fma(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static DType held(const Run *r, DType t) { /* the oracle modes hold every float as f64 */
  return r->it->mode != INTERP_NATIVE && t == DT_F32 ? DT_F64 : t;
}

static bool refuse(Run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool refuse(Run *r, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(r->it->what, sizeof r->it->what, fmt, ap);
  va_end(ap);
  r->status = ST_REJECTED;
  return false;
}

/* ---- leaves and literals ---- */

static bool same_extents(const Tensor *a, const Tensor *b) {
  if (a->rank != b->rank || a->dtype != b->dtype) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->ext[i] != b->ext[i]) return false;
  return true;
}

static bool run_leaf(Run *r, uint32_t leaf, const Tensor *want, Tensor *out) {
  const Program *p = r->graph->program;
  const Tensor *t = &r->it->leaf[leaf];
  Str path = names_str(p->names, p->leaf.at[leaf].path);
  if (!t->data) return refuse(r, "no value for " STRF, STRA(path));
  if (!same_extents(t, want))
    return refuse(r, "the value of " STRF " has another type than the program says", STRA(path));
  *out = *t;
  return true;
}

static void put_word(Tensor *t, size_t at, uint64_t word) { /* double's bits for floats, else the integer */
  double x;
  memcpy(&x, &word, sizeof x);
  switch (t->dtype) {
  case DT_F32: ((float *)t->data)[at] = (float)x; break;
  case DT_F64: ((double *)t->data)[at] = x; break;
  case DT_I32:
  case DT_BOOL: ((int32_t *)t->data)[at] = (int32_t)word; break;
  case DT_I64: ((int64_t *)t->data)[at] = (int64_t)word; break;
  case DT_COUNT: break;
  }
}

static void run_literal(Run *r, NodeId id, Tensor *t) {
  int64_t v = graph_attr(r->graph, id)[0];
  if (node_op(r->graph, id) == OP_TABLE) {
    for (size_t i = 0; i < t->count; i++) put_word(t, i, r->graph->table.at[v].word[i]);
    fp_flush(t->dtype, t->data, t->count);
    return;
  }
  if (node_op(r->graph, id) == OP_CONST) {
    for (size_t i = 0; v && i < t->count; i++) put_word(t, i, (uint64_t)v); /* memory is zero already */
    return;
  }
  Along a = {1, t->count, 1}; /* iota */
  if (v >= 0) a = tensor_along(t, (int)v);
  for (size_t o = 0; o < a.outer; o++)
    for (size_t k = 0; k < a.n; k++)
      for (size_t i = 0; i < a.inner; i++) {
        double x = (double)k;
        uint64_t word = k;
        if (dtype_is_float(t->dtype)) memcpy(&word, &x, sizeof word);
        put_word(t, (o * a.n + k) * a.inner + i, word);
      }
}

/* ---- host functions: they see the declared types ---- */

static Tensor converted(Run *r, const Tensor *t, DType to) {
  if (t->dtype == to) return *t;
  Tensor x = *t;
  x.dtype = to;
  x.data = arena_array(r->arena, t->count, dtype_bytes(to), 64);
  for (size_t i = 0; i < t->count; i++) {
    if (to == DT_F32)
      ((float *)x.data)[i] = (float)((const double *)t->data)[i];
    else
      ((double *)x.data)[i] = (double)((const float *)t->data)[i];
  }
  return x;
}

static bool run_extern(Eval *e) {
  Run *r = e->run;
  const Graph *g = r->graph;
  const Extern *x = &g->program->externs.at[e->attr[0]];
  const HostEntry *h = r->it->host ? &r->it->host[e->attr[0]] : NULL;
  Str name = names_str(g->program->names, x->name);
  if (!h || !h->fn) return refuse(r, "the host function " STRF " is not registered", STRA(name));
  Tensor in[8], out = *e->out;
  for (uint32_t i = 0; i < e->nin; i++)
    in[i] = converted(r, e->in[i], (DType)graph_node(g, graph_in(g, e->id)[i])->type.dtype);
  DType own = (DType)graph_node(g, e->id)->type.dtype;
  out.dtype = own;
  fp_leave(0x1f80u); /* the host's code runs in the default environment */
  bool ok = h->fn(h->user, in, e->nin, &out);
  (void)fp_enter();
  if (!ok) return refuse(r, "the host function " STRF " failed", STRA(name));
  fp_flush(own, out.data, out.count);
  *e->out = converted(r, &out, e->out->dtype);
  return true;
}

/* ---- nodes ---- */

void eval_any(Eval *e) {
  switch (e->op) {
  case OP_BROADCAST:
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_PAD:
  case OP_CONCAT:
  case OP_REVERSE: eval_move(e); return;
  case OP_SUM:
  case OP_MEAN:
  case OP_MAX:
  case OP_MIN:
  case OP_PROD:
  case OP_ARGMAX:
  case OP_ARGMIN: eval_reduce(e); return;
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_LOGSUMEXP:
  case OP_CROSS_ENTROPY: eval_row(e); return;
  case OP_CONTRACT: eval_contract(e); return;
  case OP_CONV2D:
  case OP_CONV2D_DX:
  case OP_CONV2D_DW: eval_conv(e); return;
  case OP_MAX_POOL2D:
  case OP_MAX_POOL2D_DX:
  case OP_AVG_POOL2D:
  case OP_AVG_POOL2D_DX: eval_window(e); return;
  case OP_LEAF:
  case OP_STOP:
  case OP_NAME:
  case OP_CUSTOM: return; /* their memory is another's */
  case OP_CONST:
  case OP_TABLE:
  case OP_IOTA: run_literal(e->run, e->id, e->out); return;
  case OP_COTANGENT: return;                   /* stands in rules only; whoever runs one unused gets zeros */
  case OP_EXTERN: (void)run_extern(e); return; /* the run's status says it */
  case OP_GRAD: refuse(e->run, "grad before differentiation"); return;
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) case OP_##id:
#define STRUCT(id, name, arity, attrs, cls, cost, doc)
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
    eval_scalar(e);
    return;
  case OP_COUNT: break;
  }
}

static void run_dual(Eval *e) {
  Interp *it = e->run->it;
  Tensor *t = &it->tangent[e->id.i];
  *t = (Tensor){0};
  if (e->op == OP_LEAF) {
    if (it->leaf_tangent) *t = it->leaf_tangent[e->attr[0]];
    return;
  }
  if (!dtype_is_float(e->out->dtype)) return;
  Tensor *tin = ARENA_ARRAY(&e->run->scratch, Tensor, e->nin);
  bool any = false;
  for (uint32_t i = 0; i < e->nin; i++) {
    tin[i] = it->tangent[graph_in(e->run->graph, e->id)[i].i];
    any |= tin[i].data != NULL;
  }
  if (!any) return;
  Tensor own = interp_like(e->run->arena, e->out);
  if (dual_any(e, tin, &own)) *t = own;
}

static bool run_node(Run *r, NodeId id) {
  const Node *n = graph_node(r->graph, id);
  Interp *it = r->it;
  const Tensor *few[8], **in = few;
  if (n->nin > 8) in = ARENA_ARRAY(&r->scratch, const Tensor *, n->nin);
  Eval e = {r, id, (Op)n->op, graph_attr(r->graph, id), n->nin, in, &it->value[id.i]};
  for (uint32_t i = 0; i < n->nin; i++) in[i] = &it->value[graph_in(r->graph, id)[i].i];
  Tensor shape;
  size_t bytes;
  if (!shape_of(r->arena->mem, r->graph->program->dims, &n->type, held(r, (DType)n->type.dtype), &shape,
                &bytes))
    return refuse(r, "node %%%u has dims without a value", id.i);
  if (!shape.count) return refuse(r, "node %%%u has an empty axis", id.i);
  if (e.op == OP_LEAF) {
    if (!run_leaf(r, (uint32_t)e.attr[0], &shape, e.out)) return false;
  } else {
    shape.data = interp_is_alias(e.op) ? e.in[0]->data : interp_room(r, bytes);
    *e.out = shape;
    if (!interp_is_alias(e.op)) eval_any(&e);
  }
  if (r->status == ST_OK && it->mode == INTERP_DUAL) run_dual(&e);
  return r->status == ST_OK;
}

static void run_all(Run *r) {
  for (uint32_t i = 0; i < r->graph->node.n; i++) {
    ArenaMark m = arena_mark(&r->scratch);
    if (!run_node(r, (NodeId){i})) return;
    arena_rewind(&r->scratch, m);
    if (r->owner) interp_reuse(r, (NodeId){i});
  }
}

Status interp_run(Interp *it) {
  const Graph *g = it->graph;
  Run r = {.it = it, .graph = g, .arena = it->arena, .status = ST_OK};
  op_programs_init(&r.programs, it->arena);
  arena_init(&r.scratch, it->arena->mem);
  it->value = ARENA_ARRAY(it->arena, Tensor, g->node.n);
  it->tangent = it->mode == INTERP_DUAL ? ARENA_ARRAY(it->arena, Tensor, g->node.n) : NULL;
  it->what[0] = '\0';
  Rescue rescue;
  Mem *m = it->arena->mem;
  uint32_t env = fp_enter();
  if (RESCUE(m, &rescue)) { /* the host's environment comes back whatever happens */
    if (it->only_roots && it->mode == INTERP_NATIVE) interp_reuse_plan(&r);
    run_all(&r);
    rescue_end(m, &rescue);
    fp_leave(env);
    arena_release(&r.scratch);
    return r.status;
  }
  fp_leave(env);
  arena_release(&r.scratch);
  mem_raise(m, rescue.status, "%s", rescue.what);
}
