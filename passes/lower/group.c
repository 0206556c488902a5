/* The scalar program of a group, and its map over a tile. */
#include "ir/scalar/literal.h"
#include "passes/lower/internal.h"

const Scalar *program_of(Arena *a, const char *text, DType in, DType out) {
  ScalarInput x[3] = {{"x", in}, {"y", in}, {"z", in}};
  Sb why;
  sb_init(&why, a);
  /* names in our texts: x, y, z, and words in which neither y nor z occurs */
  uint32_t n = strchr(text, 'z') ? 3 : strchr(text, 'y') ? 2 : 1;
  const Scalar *p = scalar_parse(a, str_z(text), x, n, out, &why);
  if (!p) BUG(a->mem, "lower: %s: " STRF, text, STRA(sb_str(&why)));
  return p;
}
const Scalar *program_sum(Arena *a, DType t) { return program_of(a, "x + y", t, t); }
const Scalar *program_fma(Arena *a, DType t) {
  return program_of(a, dtype_is_float(t) ? "fma(x, y, z)" : "x * y + z", t, t);
}

const Scalar *lower_op_program(LowerCx *lo, NodeId n) {
  const Node *d = graph_node(lo->g, n);
  DType in[3] = {DT_F32, DT_F32, DT_F32};
  for (uint32_t i = 0; i < d->nin; i++)
    in[i] = dtype_compute((DType)graph_node(lo->g, graph_in(lo->g, n)[i])->type.dtype);
  return op_program(&lo->programs, (Op)d->op, in, d->nin, dtype_compute((DType)d->type.dtype));
}

typedef struct BodyCx {
  LowerCx *lo;
  ScalarBuilder *b;
  GroupBody *out;
  NodeId space;
  Map ref; /* node -> index into refs */
  VEC(ScalarRef) refs;
} BodyCx;

static ScalarRef const_ref(BodyCx *x, NodeId n) {
  DType t = (DType)graph_node(x->lo->g, n)->type.dtype;
  return scalar_const(x->b, t, literal_value(t, graph_attr(x->lo->g, n)[0]));
}

static ScalarRef view_ref(BodyCx *x, NodeId n, bool own) {
  View s;
  NodeId stuck;
  GroupBody *g = x->out;
  if (!lower_view(x->lo, n, own, &s, &stuck)) BUG(x->lo->arena->mem, "lower: %%%u cannot be read", n.i);
  if (!lower_reshaped(x->lo, &s, n, x->space)) BUG(x->lo->arena->mem, "lower: %%%u has another space", n.i);
  DType t = dtype_compute((DType)s.type); /* a load has widened what is stored */
  if (s.kind == VIEW_CONST) return const_ref(x, s.base);
  int i = 0;
  for (; i < g->nsrc; i++) {
    const View *o = &g->src[i];
    if (o->kind != s.kind || o->type != s.type || o->nguard != s.nguard ||
        memcmp(&o->at, &s.at, sizeof s.at) != 0)
      continue;
    if (s.kind == VIEW_MEMORY && (plan_buffer_node(x->lo, o->base) != plan_buffer_node(x->lo, s.base) ||
                                  memcmp(o->guard, s.guard, sizeof s.guard) != 0))
      continue;
    break;
  }
  if (i == g->nsrc) {
    if (g->nsrc + g->acc >= SCALAR_IN) BUG(x->lo->arena->mem, "lower: a group reads too much");
    g->src[g->nsrc++] = s;
  }
  DType read = s.kind == VIEW_COORD ? DT_I32 : t;
  return scalar_cast(x->b, t, scalar_input(x->b, (uint32_t)(i + g->acc), read));
}

static ScalarRef node_ref(BodyCx *x, NodeId n);

static ScalarRef operand_ref(BodyCx *x, NodeId n) {
  uint32_t at;
  if (map_get(&x->ref, (uint64_t)n.i + 1, &at)) return x->refs.at[at];
  ScalarRef r = x->lo->role[n.i] == ROLE_INLINE ? node_ref(x, n) : view_ref(x, n, false);
  map_put(&x->ref, (uint64_t)n.i + 1, x->refs.n);
  VEC_PUSH(x->lo->arena, &x->refs, r);
  return r;
}

static ScalarRef node_ref(BodyCx *x, NodeId n) {
  const Node *d = graph_node(x->lo->g, n);
  DType t = dtype_compute((DType)d->type.dtype);
  if (x->lo->role[n.i] == ROLE_TILE) return scalar_input(x->b, 0, t);
  if (x->lo->materialised[n.i]) return view_ref(x, n, true);
  ScalarRef a[3];
  for (uint32_t j = 0; j < d->nin; j++) a[j] = operand_ref(x, lower_in(x->lo, n, j));
  ScalarRef r;
  scalar_inline(x->b, lower_op_program(x->lo, n), a, &r);
  return r;
}

void group_body(LowerCx *lo, const LowerGroup *gr, GroupBody *out) {
  BodyCx x = {.lo = lo, .out = out, .space = gr->space};
  x.b = ARENA_NEW(lo->arena, ScalarBuilder);
  *out = (GroupBody){.acc = gr->tile};
  map_init(&x.ref, lo->arena);
  scalar_begin(x.b, lo->arena);
  for (uint32_t i = 0; i < gr->node.n; i++) {
    NodeId n = gr->node.at[i];
    ScalarRef r = node_ref(&x, n);
    map_put(&x.ref, (uint64_t)n.i + 1, x.refs.n);
    VEC_PUSH(lo->arena, &x.refs, r);
    if (!lo->stored[n.i]) continue;
    if (out->nout == SCALAR_OUT) BUG(lo->arena->mem, "lower: a group has too many results");
    scalar_output(x.b, r);
    View *to = &out->dst[out->nout];
    *to = view_plain(lo, n);
    if (!lower_reshaped(lo, to, n, gr->space)) BUG(lo->arena->mem, "lower: %%%u has another space", n.i);
    out->out[out->nout++] = n;
  }
  out->program = scalar_end(x.b);
}

static ScalarRef expression_ref(BodyCx *x, NodeId n) {
  const Node *d = graph_node(x->lo->g, n);
  uint32_t at;
  if (map_get(&x->ref, (uint64_t)n.i + 1, &at)) return x->refs.at[at];
  ScalarRef a[3], r;
  for (uint32_t j = 0; j < d->nin; j++) {
    NodeId o = lower_in(x->lo, n, j);
    a[j] = lower_in_expression(x->lo, o) ? expression_ref(x, o) : operand_ref(x, o);
  }
  scalar_inline(x->b, lower_op_program(x->lo, n), a, &r);
  map_put(&x->ref, (uint64_t)n.i + 1, x->refs.n);
  VEC_PUSH(x->lo->arena, &x->refs, r);
  return r;
}

void group_expression(LowerCx *lo, NodeId n, GroupBody *out) {
  BodyCx x = {.lo = lo, .out = out, .space = n};
  x.b = ARENA_NEW(lo->arena, ScalarBuilder);
  *out = (GroupBody){0};
  map_init(&x.ref, lo->arena);
  scalar_begin(x.b, lo->arena);
  scalar_output(x.b, expression_ref(&x, n));
  out->program = scalar_end(x.b);
}

void group_emit(LowerKernel *m, const GroupBody *gb, const Coord *c, int acc) {
  KernelBuilder *b = &m->b;
  int dst[SCALAR_OUT];
  KernelOperand src[SCALAR_IN];
  int nsrc = 0;
  bool plain = gb->acc && gb->nout == 1 && gb->program->nins == 0 && gb->program->out[0].leaf &&
               gb->program->leaf[gb->program->out[0].i].input &&
               gb->program->leaf[gb->program->out[0].i].index == 0;
  if (!plain) {
    if (gb->acc) src[nsrc++] = operand_tile(b, acc);
    for (int i = 0; i < gb->nsrc; i++) src[nsrc++] = coord_operand(m, c, &gb->src[i]);
    for (int i = 0; i < gb->nout; i++) {
      DType t = dtype_compute((DType)gb->dst[i].type);
      dst[i] = kernel_tile(b, STR("t"), t, c->rows, c->cols);
    }
    kernel_map(b, gb->program, gb->nout, dst, nsrc, src);
  }
  for (int i = 0; i < gb->nout; i++) {
    int out = lower_kernel_out(m, plan_buffer_source(m->lo, &gb->dst[i]));
    kernel_store(b, plain ? acc : dst[i], coord_access(c, out, &gb->dst[i], (DType)gb->dst[i].type));
  }
}
