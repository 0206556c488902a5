/* Derivatives that are asked for in the program. All become GRAD nodes; a derivative in a direction is the
 * derivative of what is linear in a cotangent that stands for any value. */
#include "frontend/elaborate/elab.h"
#include "ir/graph/region.h"

/* What a name stands for was computed before it was bound: e may read the value and not the name. The walk
 * ends at the name, which is older than all that reads it. */
static bool reads(Elab *x, NodeId e, NodeId name) {
  if (e.i < name.i) return false;
  uint32_t n = e.i - name.i + 1;
  bool *seen = ARENA_ARRAY(x->a, bool, n);
  seen[n - 1] = true;
  for (uint32_t i = n; i-- > 1;) {
    const NodeId *in = graph_in(x->g, (NodeId){name.i + i});
    for (uint32_t k = 0; seen[i] && k < graph_node(x->g, (NodeId){name.i + i})->nin; k++)
      if (in[k].i >= name.i) seen[in[k].i - name.i] = true;
  }
  return seen[0];
}

/* Of a name from outside a body sees the value, and not what else there was made of it. */
static bool captured(Elab *x, NodeId n) {
  Op op = node_op(x->g, n);
  if (x->segment && x->segment->body == x->body && (op == OP_LEAF || op == OP_CHECKPOINT)) return true;
  return in_body(x) && node_op(x->g, n) == OP_PARAM && graph_attr(x->g, n)[0] >= x->body->own;
}

/* The node to differentiate by, or NO_NODE. */
static NodeId by_node(Elab *x, Operand by) {
  if (!val_tensor(by.v)) {
    wrong_kind(x, by.at, by.v, "the name of a real tensor to differentiate by");
    return NO_NODE;
  }
  NodeId n = val_to_node(x, by.v, by.at, -1);
  if (!node_ok(n) || !captured(x, n)) return n;
  Str name = span_text(x, by.at);
  diag_help(TELL(x, grad_captured, by.at, name),
            "give it a name in the body, and use that: let z = " STRF "; or differentiate outside",
            STRA(name));
  return NO_NODE;
}

static void tell_unread(Elab *x, Span at, Span name) {
  Diag *g = TELL(x, unread_name, at, span_text(x, name));
  diag_under(g, "this derivative is 0");
  diag_help(g, "what is differentiated was computed from something else: use the name in it");
}

static void warn_unread(Elab *x, NodeId e, NodeId by, Span at, Span name) {
  enum { ENOUGH = 20000 }; /* then it is taken to be read: nothing is said */
  if (node_op(x->g, by) == OP_NAME && e.i <= by.i + ENOUGH && !reads(x, e, by)) tell_unread(x, at, name);
}

typedef struct ByTree {
  const Builtin *b;
  NodeId e;
  Span at, by;
  bool read;
} ByTree;

static Value grad_leaf(Elab *x, Value leaf, void *arg) {
  ByTree *w = arg;
  if (!val_tensor(leaf) || !dtype_is_float(dtype_compute((DType)val_type(x, leaf).dtype))) return val_int(0);
  NodeId in[2] = {w->e, by_node(x, (Operand){leaf, w->by})};
  if (!node_ok(in[1])) return val_poison();
  w->read = w->read || node_op(x->g, in[1]) != OP_NAME || reads(x, in[0], in[1]);
  return val_node(emit(x, w->at, w->b->name, w->b->op, in, 2, NULL, NULL));
}

/* By each value of an instance. */
static Value grad_tree(Elab *x, const Builtin *b, Operand *o, Span at) {
  ByTree w = {b, val_to_node(x, o[0].v, o[0].at, DT_F32), at, o[1].at, false};
  if (!node_ok(w.e)) return val_poison();
  Value v = tree_each(x, o[1].v, grad_leaf, &w);
  if (val_ok(v) && !w.read) tell_unread(x, at, o[1].at);
  return v;
}

Value bi_grad(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (o[1].v.kind == VAL_INSTANCE || o[1].v.kind == VAL_TREE) return grad_tree(x, b, o, at);
  NodeId in[2] = {val_to_node(x, o[0].v, o[0].at, DT_F32), by_node(x, o[1])};
  if (node_ok(in[0]) && node_ok(in[1])) warn_unread(x, in[0], in[1], at, o[1].at);
  return val_node(emit(x, at, b->name, b->op, in, 2, NULL, NULL));
}

/* sum(a * b), one number. */
static NodeId inner(Elab *x, NodeId a, NodeId b, Span at) {
  Builder bu = builder_at(x, at);
  NodeId p = build_scalar(&bu, OP_MUL, a, b, NO_NODE);
  uint32_t axes = (1u << node_type(x, p).rank) - 1;
  return axes ? build_drop_axes(&bu, build_reduce(&bu, OP_SUM, p, axes), axes) : p;
}

/* e, x and a third of the type of one of them. */
static bool three(Elab *x, const Builtin *b, ArgVec *args, Span at, Operand *o, NodeId in[3], int like) {
  if (!builtin_args(x, b, args, at, o)) return false;
  in[0] = val_to_node(x, o[0].v, o[0].at, DT_F32);
  in[1] = by_node(x, o[1]);
  if (!node_ok(in[0]) || !node_ok(in[1])) return false;
  for (int i = 0; i < 2; i++)
    if (!dtype_is_float((DType)node_type(x, in[i]).dtype))
      return wrong_kind(x, o[i].at, o[i].v, "real numbers"), false;
  in[2] = val_coerce(x, o[2].v, node_type(x, in[like]), o[2].at, like ? "the direction" : "the cotangent");
  return node_ok(in[2]);
}

Value bi_vjp(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId in[3];
  if (!three(x, b, args, at, o, in, 0)) return val_poison();
  warn_unread(x, in[0], in[1], at, o[1].at);
  if (reads(x, in[2], in[1]))
    return not_built(x, o[2].at, "a cotangent that depends on what is differentiated by");
  return val_node(
      emit(x, at, b->name, OP_GRAD, (NodeId[]){inner(x, in[0], in[2], at), in[1]}, 2, NULL, NULL));
}

/* <u, J v> = <vjp(u), v> for any u: J v is its derivative by u. */
Value bi_jvp(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  NodeId in[3];
  if (!three(x, b, args, at, o, in, 1)) return val_poison();
  warn_unread(x, in[0], in[1], at, o[1].at);
  Builder bu = builder_at(x, at);
  NodeId zero = build_const(&bu, node_type(x, in[0]), 0);
  NodeId u = emit(x, at, b->name, OP_NAME, &zero, 1, NULL, NULL);
  if (!node_ok(u)) return val_poison();
  NodeId back = emit(x, at, b->name, OP_GRAD, (NodeId[]){inner(x, in[0], u, at), in[1]}, 2, NULL, NULL);
  return val_node(emit(x, at, b->name, OP_GRAD, (NodeId[]){inner(x, back, in[2], at), u}, 2, NULL, NULL));
}

/* ---- loops that nothing bounds */

/* By node: depends on `of` along edges that carry gradient. */
static bool *depending(const Graph *g, NodeId of, Arena *a) {
  bool *is = ARENA_ARRAY(a, bool, g->node.n + 1), again = true;
  bool leaf = node_op(g, of) == OP_LEAF;
  for (uint32_t i = 0; i < g->node.n; i++)
    is[i] = i == of.i ||
            (leaf && g->node.at[i].op == OP_LEAF && graph_attr(g, (NodeId){i})[0] == graph_attr(g, of)[0]);
  while (again) {
    again = false;
    for (uint32_t i = 0; i < g->node.n; i++) {
      NodeId n = {i};
      uint32_t count = is[i] ? 0 : graph_sources(g, n);
      for (uint32_t k = 0; k < count; k++)
        if (is[graph_source(g, n, k).i] && graph_source_class(g, n, k) == GC_CARRIES) again = is[i] = true;
    }
  }
  return is;
}

static bool *read_by(const Graph *g, NodeId y, Arena *a) {
  bool *is = ARENA_ARRAY(a, bool, g->node.n + 1), again = true;
  is[y.i] = true;
  while (again) {
    again = false;
    for (uint32_t i = g->node.n; i-- > 0;) {
      uint32_t count = is[i] ? graph_sources(g, (NodeId){i}) : 0;
      for (uint32_t k = 0; k < count; k++) {
        uint32_t s = graph_source(g, (NodeId){i}, k).i;
        again |= !is[s];
        is[s] = true;
      }
    }
  }
  return is;
}

static bool unbounded(const Graph *g, NodeId result) {
  int64_t trip;
  NodeId owner = graph_in(g, result)[0];
  return node_op(g, owner) == OP_LOOP && dim_is_const(g->program->dims, graph_loop(g, owner).trip, &trip) &&
         trip == LOOP_UNBOUNDED;
}

void check_derivatives(Elab *x, const Graph *g) {
  bool any = false;
  for (uint32_t i = 0; i < g->node.n && g->region.n > 1; i++)
    any |= g->node.at[i].op == OP_RESULT && unbounded(g, (NodeId){i});
  for (uint32_t i = 0; i < g->node.n && any; i++) {
    if (g->node.at[i].op != OP_GRAD) continue;
    const NodeId *in = graph_in(g, (NodeId){i});
    const bool *made = depending(g, in[1], x->a), *read = read_by(g, in[0], x->a);
    for (uint32_t k = 0; k < g->node.n; k++) {
      if (g->node.at[k].op != OP_RESULT || !made[k] || !read[k] || !unbounded(g, (NodeId){k})) continue;
      Diag *d = diag_unbounded(x->d, graph_user_span(g, x->src, (NodeId){k}));
      Span at = graph_user_span(g, x->src, (NodeId){i});
      if (at.file) diag_label(d, at, "differentiated here");
      diag_help(d, "give it a bound: for t in 0:1000 while ..; or stop_gradient what it gives");
      return;
    }
  }
}
