/* The reference interpreter: runs the nodes in order. Families of ops have their own files. */
#include "base/size.h"
#include "ir/graph/region.h"
#include "ir/interpret/eval.h"
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
  return r->it->mode != INTERP_NATIVE && dtype_compute(t) == DT_F32 ? DT_F64 : t;
}

bool interp_shape(const Run *r, const Type *t, Tensor *out) {
  size_t bytes;
  return shape_of(r->arena->mem, r->graph->program->dims, t, held(r, (DType)t->dtype), out, &bytes);
}

bool interp_refuse(Run *r, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(r->it->what, sizeof r->it->what, fmt, ap);
  va_end(ap);
  r->status = ST_REJECTED;
  return false;
}

/* ---- leaves ---- */

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
  if (!t->data) return interp_refuse(r, "no value for " STRF, STRA(path));
  if (!same_extents(t, want))
    return interp_refuse(r, "the value of " STRF " has another type than the program says", STRA(path));
  *out = *t;
  return true;
}

/* ---- nodes ---- */

static const OpEval *const eval_of[OP_COUNT] = {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) [OP_##id] = &eval_scalar,
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) [OP_##id] = &eval_##family,
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
};

void eval_any(Eval *e) {
  const OpEval *o = eval_of[e->op];
  if (o->run) o->run(e);
}
const OpEval *eval_op(Op op) { return eval_of[op]; }

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
  if (op_is(e->op, OPF_ALIAS)) { /* the value's own derivative, also where another is declared */
    if (op_grad_class(e->op, 0) == GC_CARRIES && tin[0].data) {
      *t = *e->out;
      t->data = tin[0].data;
    }
    return;
  }
  Tensor own = interp_like(e->run->arena, e->out);
  if (dual_any(e, tin, &own)) *t = own;
}

/* Nodes whose values others make: parameters are bound by their owner, which keeps the results. */
static bool run_region_node(Eval *e) {
  Run *r = e->run;
  Interp *it = r->it;
  if (e->op == OP_RESULT) {
    uint32_t owner = graph_in(r->graph, e->id)[0].i;
    *e->out = r->result[0][owner][e->attr[0]];
    if (it->mode == INTERP_DUAL) it->tangent[e->id.i] = r->result[1][owner][e->attr[0]];
    return true;
  }
  if (e->op == OP_LOOP || e->op == OP_COND) {
    if ((e->op == OP_LOOP ? interp_loop : interp_cond)(e)) return true;
    return r->status == ST_OK ? interp_refuse(r, "node %%%u has dims without a value", e->id.i) : false;
  }
  if (e->op == OP_PARAM && !e->out->data)
    return interp_refuse(r, "node %%%u is a parameter of no body", e->id.i);
  return true;
}

static bool run_node(Run *r, NodeId id) {
  const Node *n = graph_node(r->graph, id);
  Interp *it = r->it;
  const Tensor *few[8], **in = few;
  if (n->nin > 8) in = ARENA_ARRAY(&r->scratch, const Tensor *, n->nin);
  Eval e = {r, id, (Op)n->op, graph_attr(r->graph, id), n->nin, in, &it->value[id.i]};
  for (uint32_t i = 0; i < n->nin; i++) in[i] = &it->value[graph_in(r->graph, id)[i].i];
  if (op_regions(e.op) || e.op == OP_RESULT || e.op == OP_PARAM || e.op == OP_YIELD)
    return run_region_node(&e);
  Tensor shape;
  size_t bytes;
  if (!shape_of(r->arena->mem, r->graph->program->dims, &n->type, held(r, (DType)n->type.dtype), &shape,
                &bytes))
    return interp_refuse(r, "node %%%u has dims without a value", id.i);
  if (!shape.count) return interp_refuse(r, "node %%%u has an empty axis", id.i);
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

bool interp_range(Run *r, uint32_t first, uint32_t end, uint32_t region) {
  for (uint32_t i = first; i < end; i++) {
    if (r->graph->node.at[i].region != region) continue; /* its owner runs it */
    if (mem_stopped(r->it->stop)) {
      (void)interp_refuse(r, "cancelled");
      r->status = ST_CANCELLED;
      return false;
    }
    ArenaMark m = arena_mark(&r->scratch);
    if (!run_node(r, (NodeId){i})) return false;
    if (r->it->seen) r->it->seen(r->it, (NodeId){i});
    arena_rewind(&r->scratch, m);
    if (r->owner && !r->depth) interp_reuse(r, (NodeId){i});
  }
  return true;
}

Status interp_run(Interp *it) {
  const Graph *g = it->graph;
  Run r = {.it = it, .graph = g, .arena = it->arena, .status = ST_OK};
  arena_init(&r.program_arena, it->arena->mem);
  op_programs_init(&r.programs, &r.program_arena);
  arena_init(&r.scratch, it->arena->mem);
  for (int i = 0; i < 2; i++) r.result[i] = ARENA_ARRAY(it->arena, Tensor *, g->node.n);
  it->value = ARENA_ARRAY(it->arena, Tensor, g->node.n);
  it->tangent = it->mode == INTERP_DUAL ? ARENA_ARRAY(it->arena, Tensor, g->node.n) : NULL;
  it->what[0] = '\0';
  Rescue rescue;
  Mem *m = it->arena->mem;
  uint32_t env = fp_enter();
  if (RESCUE(m, &rescue)) { /* the host's environment comes back whatever happens */
    if (it->only_roots && it->mode == INTERP_NATIVE) interp_reuse_plan(&r);
    bool whole = interp_range(&r, 0, g->node.n, 0);
    (void)whole; /* the status says it */
    rescue_end(m, &rescue);
    fp_leave(env);
    arena_release(&r.scratch);
    arena_release(&r.program_arena);
    return r.status;
  }
  fp_leave(env);
  arena_release(&r.scratch);
  arena_release(&r.program_arena);
  mem_raise(m, rescue.status, "%s", rescue.what);
}
