/* Reading through moves: which nodes are computed at all, and how a value is reached by strides. */
#include "ir/graph/region.h"
#include "passes/lower/internal.h"

NodeId lower_strip(const LowerCx *lo, NodeId n) {
  for (;;) {
    const Node *d = graph_node(lo->g, n);
    Op op = (Op)d->op;
    if (lo->materialised[n.i]) return n;
    if (op_is(op, OPF_ERASED) || ((op == OP_RESHAPE || op == OP_BROADCAST) &&
                                  type_same_shape(&d->type, &graph_node(lo->g, graph_in(lo->g, n)[0])->type)))
      n = graph_in(lo->g, n)[0];
    else
      return n;
  }
}

/* Descends to memory, a constant or an index. own: the first node itself is a materialised move. */
static bool walk(Walk *w, bool own) {
  for (bool first = own;; first = false) {
    const LowerCx *lo = w->lo;
    if (lo->role[w->n.i] != ROLE_MOVE && !first)
      return lower_flat(lo, w->n, lower_row_major(lo, w->n, w->idx), w->out);
    Op op = node_op(lo->g, w->n);
    if (!lower_op(op)->through) BUG(lo->arena->mem, "lower: %s is no move", op_info[op].name);
    WalkStep s = lower_op(op)->through(w);
    if (s != WALK_ON) return s == WALK_END;
  }
}

bool lower_view(const LowerCx *lo, NodeId n, bool own, View *out, NodeId *stuck) {
  Walk w = {.lo = lo, .n = n, .out = out, .stuck = stuck};
  for (int i = 0; i < MAX_RANK; i++) w.idx[i] = axis_affine_axis(i);
  DType t = (DType)graph_node(lo->g, n)->type.dtype;
  *out = (View){.type = (uint8_t)t};
  bool ok = walk(&w, own);
  out->type = (uint8_t)t;
  if (ok && out->nguard && out->kind != VIEW_MEMORY) { /* a padded constant or index */
    *stuck = out->base;
    return false;
  }
  return ok;
}

/* From the last axis on, axes of both shapes that are the same run of elements. An axis of extent 1 takes the
 * step that row-major memory has there: a store whose lanes lie along it is masked by what it moves along
 * them. */
static bool reshaped(AxisAffine *l, int nf, const int64_t *from, int nt, const int64_t *to) {
  AxisAffine r = {.k = l->k};
  for (int i = nf - 1, j = nt - 1; i >= 0 || j >= 0;) {
    if (i >= 0 && from[i] == 1) {
      i--;
      continue;
    }
    if (j >= 0 && to[j] == 1) {
      r.c[j--] = i >= 0 ? l->c[i] : nf ? l->c[0] * from[0] : 1;
      continue;
    }
    if (i < 0 || j < 0) return false;
    int64_t step = l->c[i], f = from[i], t = to[j], inner = 1;
    int at = j;
    while (f != t) {
      if (f < t) {
        if (--i < 0 || (from[i] != 1 && l->c[i] != step * f)) return false; /* no single step */
        f *= from[i];
      } else {
        if (--j < 0) return false;
        t *= to[j];
      }
    }
    for (; at >= j; at--) {
      r.c[at] = step * inner;
      inner *= to[at];
    }
    i--;
    j--;
  }
  *l = r;
  return true;
}

static bool same_extents(const LowerCx *lo, NodeId a, NodeId b) {
  return type_same_shape(&graph_node(lo->g, a)->type, &graph_node(lo->g, b)->type);
}

bool lower_reshaped(const LowerCx *lo, View *s, NodeId n, NodeId space) {
  if (s->kind == VIEW_CONST || same_extents(lo, n, space)) return true;
  int nf = graph_node(lo->g, n)->type.rank, nt = graph_node(lo->g, space)->type.rank;
  const int64_t *from = lo->ext[n.i], *to = lo->ext[space.i];
  bool ok = reshaped(&s->at, nf, from, nt, to);
  for (int i = 0; i < s->nguard && ok; i++) ok = reshaped(&s->guard[i].at, nf, from, nt, to);
  return ok;
}

bool lower_fits(const LowerCx *lo, NodeId n, NodeId space) {
  const Node *d = graph_node(lo->g, n);
  bool own = lo->materialised[n.i];
  View s;
  NodeId stuck;
  if (lo->role[n.i] == ROLE_TILE || same_extents(lo, n, space)) return true;
  for (uint32_t j = 0; j < (own ? 1 : d->nin); j++) {
    NodeId o = own ? n : lower_in(lo, n, j);
    if (lo->role[o.i] == ROLE_INLINE) {
      if (!lower_fits(lo, o, space)) return false;
      continue;
    }
    if (!own && lo->role[o.i] != ROLE_MOVE) continue; /* its own elements in order */
    if (!lower_view(lo, o, own, &s, &stuck) || !lower_reshaped(lo, &s, o, space)) return false;
  }
  return true;
}

View lower_memory(const LowerCx *lo, NodeId n) {
  View s;
  NodeId stuck = n;
  if (!lower_view(lo, n, false, &s, &stuck) || s.kind != VIEW_MEMORY || s.nguard)
    BUG(lo->arena->mem, "lower: %%%u is not memory", n.i);
  return s;
}

/* Whether user u reads its operand i as plain memory (else element by element). */
static bool wants_memory(const LowerCx *lo, NodeId u) {
  return lo->role[u.i] == ROLE_TILE || lo->role[u.i] == ROLE_OTHER;
}

static void make(LowerCx *lo, NodeId n) {
  if (lo->materialised[n.i]) BUG(lo->arena->mem, "lower: %%%u cannot be materialised", n.i);
  lo->materialised[n.i] = true;
  const LowerOp *o = lower_op(node_op(lo->g, n));
  lo->role[n.i] = o->own_kernels && o->own_kernels(lo, n) ? ROLE_OTHER : ROLE_ELEM;
}

/* Makes what stands in the way until n can be read as wanted. */
static void settle(LowerCx *lo, NodeId n, bool own, bool memory, bool constant) {
  View s;
  NodeId stuck = n;
  while (!lower_view(lo, n, own, &s, &stuck)) make(lo, stuck);
  if (constant && s.kind == VIEW_CONST) return;
  if (memory && (s.kind != VIEW_MEMORY || s.nguard)) make(lo, n);
}

static void mark(LowerCx *lo, NodeId n) {
  if (lo->role[n.i] == ROLE_DEAD) lo->role[n.i] = (uint8_t)lower_op(node_op(lo->g, n))->role;
}

static bool is_zero(const LowerCx *lo, NodeId n) {
  n = lower_strip(lo, n);
  return node_op(lo->g, n) == OP_CONST && graph_attr(lo->g, n)[0] == 0;
}

/* Through reshapes to what is computed or stored. */
static NodeId through_reshapes(const LowerCx *lo, NodeId n) {
  NodeId o = n;
  while (lo->role[o.i] == ROLE_MOVE && node_op(lo->g, o) == OP_RESHAPE)
    o = lower_strip(lo, graph_in(lo->g, o)[0]);
  return lo->role[o.i] == ROLE_MOVE ? n : o;
}

/* 0 < x and 0 < relu(x) have the same value for every x, NaN included, and the relu is usually in memory
 * anyway. */
NodeId lower_in(const LowerCx *lo, NodeId n, uint32_t j) {
  NodeId o = through_reshapes(lo, lower_strip(lo, graph_in(lo->g, n)[j]));
  if (node_op(lo->g, n) != OP_LT || j != 1 || !is_zero(lo, graph_in(lo->g, n)[0])) return o;
  NodeId r = lo->relu[o.i];
  return node_ok(r) && r.i < n.i ? r : o;
}

static bool transparent(const LowerCx *lo, NodeId u, NodeId o) {
  return lo->role[u.i] == ROLE_ELEM || node_eq(lower_strip(lo, u), lower_strip(lo, o));
}

/* Comparisons with one operand that is no constant: read by elementwise users only, they cost less than their
 * own result in memory. */
static void inline_roles(LowerCx *lo) {
  const Graph *g = lo->g;
  bool *may = ARENA_ARRAY(lo->arena, bool, g->node.n);
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Node *d = &g->node.at[i];
    lo->relu[i] = NO_NODE;
    if (lo->role[i] == ROLE_DEAD) continue;
    if (d->op == OP_RELU) lo->relu[lower_strip(lo, graph_in(g, (NodeId){i})[0]).i] = (NodeId){i};
    if (lo->role[i] != ROLE_ELEM || d->type.dtype != DT_BOOL || d->nin > 2) continue;
    int values = 0;
    for (uint32_t j = 0; j < d->nin; j++) {
      NodeId o = lower_strip(lo, graph_in(g, (NodeId){i})[j]);
      values += node_op(g, o) != OP_CONST;
      if (may[o.i]) values = 2; /* not on top of another */
    }
    may[i] = values == 1;
  }
  for (uint32_t i = 0; i < g->node.n; i++)
    for (uint32_t j = 0; lo->role[i] != ROLE_DEAD && j < g->node.at[i].nin; j++) {
      NodeId o = graph_in(g, (NodeId){i})[j];
      if (!transparent(lo, (NodeId){i}, o)) may[lower_strip(lo, o).i] = false;
    }
  for (uint32_t i = 0; i < g->root.n; i++) may[lower_strip(lo, g->root.at[i].node).i] = false;
  for (uint32_t i = 0; lo->opt.fuse && i < g->node.n; i++)
    if (may[i]) lo->role[i] = ROLE_INLINE;
}

void lower_roles(LowerCx *lo) {
  const Graph *g = lo->g;
  for (uint32_t i = 0; i < g->root.n; i++) mark(lo, g->root.at[i].node);
  for (uint32_t i = g->node.n; i-- > 0;) {
    NodeId n = {i};
    if (lo->role[i] == ROLE_DEAD) continue;
    uint32_t nin = op_is(node_op(g, n), OPF_ERASED) ? 1 : g->node.at[i].nin;
    for (uint32_t j = op_regions(node_op(g, n)); j < nin; j++) mark(lo, graph_in(g, n)[j]);
  }
  inline_roles(lo);
  /* A root needs a buffer of its own: what is not computed is copied, so that it is the value at the end of
   * the step. */
  for (uint32_t i = 0; i < g->root.n; i++) {
    NodeId n = lower_strip(lo, g->root.at[i].node);
    if (lo->role[n.i] == ROLE_MOVE) make(lo, n);
  }
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId n = {i};
    if (lo->role[i] == ROLE_DEAD || lo->role[i] == ROLE_MEMORY) continue;
    if (lo->materialised[i] && lo->role[i] == ROLE_ELEM) settle(lo, n, true, false, false);
    if (lo->role[i] == ROLE_MOVE) continue;
    if (lo->materialised[i] && lo->role[i] == ROLE_ELEM) continue;
    for (uint32_t j = op_regions(node_op(g, n)); j < g->node.at[i].nin; j++)
      settle(lo, graph_in(g, n)[j], false, wants_memory(lo, n),
             j < 32 && lower_op(node_op(g, n))->constant_in >> j & 1);
  }
  /* moves materialised on the way may themselves stand on moves that cannot be read */
  for (bool again = true; again;) {
    again = false;
    for (uint32_t i = 0; i < g->node.n; i++) {
      NodeId n = {i}, stuck = n;
      View s;
      if (!lo->materialised[i]) continue;
      if (lo->role[i] == ROLE_ELEM) {
        if (!lower_view(lo, n, true, &s, &stuck)) {
          make(lo, stuck);
          again = true;
        }
      } else {
        NodeId m = graph_in(g, n)[0];
        if (!lower_view(lo, m, false, &s, &stuck)) {
          make(lo, stuck);
          again = true;
        } else if (s.kind != VIEW_MEMORY || s.nguard) {
          make(lo, m);
          again = true;
        }
      }
    }
  }
}

bool lower_in_expression(const LowerCx *lo, NodeId m) {
  return lo->role[m.i] == ROLE_INLINE ||
         (lo->role[m.i] == ROLE_ELEM && !lo->materialised[m.i] && !lo->stored[m.i]);
}

/* What the expression of elementwise node n reads. */
static void expression_reads(const LowerCx *lo, NodeId n, void (*see)(void *cx, NodeId base, bool direct),
                             void *cx) {
  View s;
  NodeId stuck;
  for (uint32_t j = 0; j < lo->g->node.at[n.i].nin; j++) {
    NodeId o = lower_in(lo, n, j);
    if (lower_in_expression(lo, o))
      expression_reads(lo, o, see, cx);
    else if (lo->role[o.i] != ROLE_MOVE)
      see(cx, o, false);
    else if (!lower_view(lo, o, false, &s, &stuck))
      BUG(lo->arena->mem, "lower: %%%u cannot be read", o.i);
    else if (s.kind == VIEW_MEMORY)
      see(cx, s.base, false);
  }
}

typedef struct Through {
  const LowerCx *lo;
  void (*see)(void *cx, NodeId base, bool direct);
  void *cx;
} Through;

/* What a loop or condition gives is read of it. */
static void see_owner(void *cx, NodeId base, bool direct) {
  const Through *t = cx;
  bool result = node_op(t->lo->g, base) == OP_RESULT;
  t->see(t->cx, result ? graph_in(t->lo->g, base)[0] : base, direct && !result);
}

static void reads(const LowerCx *lo, NodeId n, void (*see)(void *cx, NodeId base, bool direct), void *cx);

void lower_reads(const LowerCx *lo, NodeId n, void (*see)(void *cx, NodeId base, bool direct), void *cx) {
  Through t = {lo, see, cx};
  if (lo->g->region.n > 1)
    reads(lo, n, see_owner, &t);
  else
    reads(lo, n, see, cx);
}

static void reads(const LowerCx *lo, NodeId n, void (*see)(void *cx, NodeId base, bool direct), void *cx) {
  View s;
  NodeId stuck;
  const Graph *g = lo->g;
  if (lo->role[n.i] == ROLE_ELEM && lo->materialised[n.i]) {
    if (!lower_view(lo, n, true, &s, &stuck)) BUG(lo->arena->mem, "lower: %%%u cannot be read", n.i);
    if (s.kind == VIEW_MEMORY) see(cx, s.base, false);
    return;
  }
  if (lo->absorbed[n.i]) {
    expression_reads(lo, lower_strip(lo, graph_in(g, n)[0]), see, cx);
    return;
  }
  for (uint32_t j = op_regions(node_op(g, n)); j < g->node.at[n.i].nin; j++) {
    bool elem = lo->role[n.i] == ROLE_ELEM || lo->role[n.i] == ROLE_INLINE;
    NodeId o = elem ? lower_in(lo, n, j) : lower_strip(lo, graph_in(g, n)[j]);
    if (lo->role[o.i] == ROLE_INLINE) { /* its own operands, one level: they are never inlined themselves */
      reads(lo, o, see, cx);
      continue;
    }
    if (lo->role[o.i] != ROLE_MOVE) {
      see(cx, o, elem);
      continue;
    }
    if (!lower_view(lo, o, false, &s, &stuck)) BUG(lo->arena->mem, "lower: %%%u cannot be read", o.i);
    if (s.kind == VIEW_MEMORY) see(cx, s.base, false);
  }
}
