/* Reading through moves: which nodes are computed at all, and how a value is reached by strides. */
#include "passes/lower/internal.h"

/* What the op is when it is alive. No default: a new row must say. */
static Role op_role(Op op) {
  if (op_info[op].scalar) return ROLE_ELEM;
  switch (op) {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) case OP_##id:
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc)
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
    return ROLE_ELEM;
  case OP_LEAF:
  case OP_TABLE: return ROLE_MEMORY;
  case OP_CONST:
  case OP_IOTA:
  case OP_BROADCAST:
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_REVERSE:
  case OP_STOP:
  case OP_NAME:
  case OP_CUSTOM:
  case OP_PAD: return ROLE_MOVE;
  case OP_CONTRACT:
  case OP_CONV2D:
  case OP_CONV2D_DX:
  case OP_MAX_POOL2D:
  case OP_MAX_POOL2D_DX:
  case OP_AVG_POOL2D:
  case OP_AVG_POOL2D_DX: return ROLE_TILE;
  case OP_CONV2D_DW:
  case OP_CONCAT:
  case OP_SUM:
  case OP_MEAN:
  case OP_MAX:
  case OP_MIN:
  case OP_PROD:
  case OP_ARGMAX:
  case OP_ARGMIN:
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_LOGSUMEXP:
  case OP_CROSS_ENTROPY:
  case OP_EXTERN:
  case OP_COTANGENT:
  case OP_GRAD: return ROLE_OTHER;
  case OP_COUNT: break;
  }
  return ROLE_DEAD;
}

NodeId lower_strip(const LowerCx *lo, NodeId n) {
  for (;;) {
    const Node *d = graph_node(lo->g, n);
    Op op = (Op)d->op;
    if (lo->materialised[n.i]) return n;
    if (op == OP_STOP || op == OP_NAME || op == OP_CUSTOM ||
        ((op == OP_RESHAPE || op == OP_BROADCAST) &&
         type_same_shape(&d->type, &graph_node(lo->g, graph_in(lo->g, n)[0])->type)))
      n = graph_in(lo->g, n)[0];
    else
      return n;
  }
}

static AxisAffine row_major(const LowerCx *lo, NodeId n, const AxisAffine *idx) {
  AxisAffine at = axis_affine_zero();
  int64_t stride = 1;
  for (int i = graph_node(lo->g, n)->type.rank; i-- > 0;) {
    at = axis_affine_add(at, idx[i], stride);
    stride *= lo->ext[n.i][i];
  }
  return at;
}

/* Index of `to` for a reshape that only adds or removes axes of extent 1. */
static bool squeeze(const LowerCx *lo, NodeId from, NodeId to, AxisAffine *idx) {
  const int64_t *ef = lo->ext[from.i], *et = lo->ext[to.i];
  int nf = graph_node(lo->g, from)->type.rank, nt = graph_node(lo->g, to)->type.rank, i = 0;
  AxisAffine r[MAX_RANK];
  for (int j = 0; j < nt; j++) {
    r[j] = axis_affine_zero();
    if (et[j] == 1) continue;
    while (i < nf && ef[i] == 1) i++;
    if (i == nf || ef[i] != et[j]) return false;
    r[j] = idx[i++];
  }
  for (; i < nf; i++)
    if (ef[i] != 1) return false;
  memcpy(idx, r, sizeof r);
  return true;
}

static View view_coord(const LowerCx *lo, NodeId n, AxisAffine at) {
  return (View){.kind = VIEW_COORD, .type = graph_node(lo->g, n)->type.dtype, .base = n, .at = at};
}

/* The source of `n` when `at` is its flat index; false when n is no memory. */
static bool flat_view(const LowerCx *lo, NodeId n, AxisAffine at, View *out) {
  Op op = node_op(lo->g, n);
  Role r = (Role)lo->role[n.i];
  if (!lo->materialised[n.i] && op == OP_IOTA) {
    if (graph_attr(lo->g, n)[0] >= 0 && graph_node(lo->g, n)->type.rank != 1) return false;
    *out = view_coord(lo, n, at);
    return true;
  }
  if (r == ROLE_MOVE) return false;
  out->kind = VIEW_MEMORY;
  out->base = n;
  out->at = at;
  return true;
}

/* Descends from n with idx over the space. */
static bool walk(const LowerCx *lo, NodeId n, bool own, AxisAffine *idx, View *out, NodeId *stuck) {
  for (bool first = own;; first = false) {
    const Node *d = graph_node(lo->g, n);
    const int64_t *attr = graph_attr(lo->g, n), *ext = lo->ext[n.i];
    Op op = (Op)d->op;
    if (lo->role[n.i] != ROLE_MOVE && !first) return flat_view(lo, n, row_major(lo, n, idx), out);
    if (op == OP_CONST) {
      out->kind = VIEW_CONST;
      out->base = n;
      return true;
    }
    if (op == OP_IOTA) {
      *out = view_coord(lo, n, attr[0] < 0 ? row_major(lo, n, idx) : idx[attr[0]]);
      return true;
    }
    NodeId m = graph_in(lo->g, n)[0];
    const Node *dm = graph_node(lo->g, m);
    const int64_t *em = lo->ext[m.i];
    if (op == OP_STOP || op == OP_NAME || op == OP_CUSTOM) {
      n = m;
    } else if (op == OP_BROADCAST) {
      int lead = d->type.rank - dm->type.rank;
      for (int i = 0; i < dm->type.rank; i++) idx[i] = em[i] == 1 ? axis_affine_zero() : idx[i + lead];
      n = m;
    } else if (op == OP_TRANSPOSE) {
      AxisAffine r[MAX_RANK];
      for (int i = 0; i < d->type.rank; i++) r[(attr[0] >> (4 * i)) & 15] = idx[i];
      memcpy(idx, r, sizeof r);
      n = m;
    } else if (op == OP_SLICE) {
      int64_t start;
      if (!dim_is_const(lo->g->program->dims, (DimId){(uint32_t)attr[1]}, &start))
        BUG(lo->arena->mem, "lower: symbolic slice");
      AxisAffine at = {.k = start};
      idx[attr[0]] = axis_affine_add(at, idx[attr[0]], attr[2]);
      n = m;
    } else if (op == OP_REVERSE) {
      for (int i = 0; i < d->type.rank; i++)
        if (attr[0] >> i & 1) {
          AxisAffine at = {.k = ext[i] - 1};
          idx[i] = axis_affine_add(at, idx[i], -1);
        }
      n = m;
    } else if (op == OP_PAD) {
      int64_t lo_;
      if (!dim_is_const(lo->g->program->dims, (DimId){(uint32_t)attr[1]}, &lo_))
        BUG(lo->arena->mem, "lower: symbolic pad");
      if (attr[3] != 1 || out->nguard == KERNEL_GUARDS - 1) { /* one guard is kept for tails */
        *stuck = n;
        return false;
      }
      idx[attr[0]].k -= lo_;
      out->guard[out->nguard].at = idx[attr[0]];
      out->guard[out->nguard++].extent = em[attr[0]];
      n = m;
    } else if (op == OP_RESHAPE) {
      AxisAffine at = row_major(lo, n, idx);
      while (lo->role[m.i] == ROLE_MOVE && node_op(lo->g, m) == OP_RESHAPE) m = graph_in(lo->g, m)[0];
      if (node_op(lo->g, m) == OP_CONST || squeeze(lo, n, m, idx)) {
        n = m;
        continue;
      }
      if (flat_view(lo, m, at, out)) return true;
      *stuck = m;
      return false;
    } else {
      BUG(lo->arena->mem, "lower: %s is no move", op_info[op].name);
    }
  }
}

bool lower_view(const LowerCx *lo, NodeId n, bool own, View *out, NodeId *stuck) {
  AxisAffine idx[MAX_RANK];
  for (int i = 0; i < MAX_RANK; i++) idx[i] = axis_affine_axis(i);
  DType t = (DType)graph_node(lo->g, n)->type.dtype;
  *out = (View){.type = (uint8_t)t};
  bool ok = walk(lo, n, own, idx, out, stuck);
  out->type = (uint8_t)t;
  if (ok && out->nguard && out->kind != VIEW_MEMORY) { /* a padded constant or index */
    *stuck = out->base;
    return false;
  }
  return ok;
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
  Op op = node_op(lo->g, n);
  /* interleaved padding is a fill and a strided copy */
  lo->role[n.i] = op == OP_PAD && graph_attr(lo->g, n)[3] != 1 ? ROLE_OTHER : ROLE_ELEM;
}

/* Makes what stands in the way until n can be read as wanted. */
static void settle(LowerCx *lo, NodeId n, bool own, bool memory) {
  View s;
  NodeId stuck = n;
  while (!lower_view(lo, n, own, &s, &stuck)) make(lo, stuck);
  if (memory && (s.kind != VIEW_MEMORY || s.nguard)) make(lo, n);
}

static void mark(LowerCx *lo, NodeId n) {
  if (lo->role[n.i] == ROLE_DEAD) lo->role[n.i] = (uint8_t)op_role(node_op(lo->g, n));
}

static bool is_zero(const LowerCx *lo, NodeId n) {
  n = lower_strip(lo, n);
  return node_op(lo->g, n) == OP_CONST && graph_attr(lo->g, n)[0] == 0;
}

/* 0 < x and 0 < relu(x) have the same value for every x, NaN included, and the relu is usually in memory
 * anyway. */
NodeId lower_in(const LowerCx *lo, NodeId n, uint32_t j) {
  NodeId o = lower_strip(lo, graph_in(lo->g, n)[j]);
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
    uint32_t nin = node_op(g, n) == OP_CUSTOM ? 1 : g->node.at[i].nin;
    for (uint32_t j = 0; j < nin; j++) mark(lo, graph_in(g, n)[j]);
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
    if (lo->materialised[i] && lo->role[i] == ROLE_ELEM) settle(lo, n, true, false);
    if (lo->role[i] == ROLE_MOVE) continue;
    if (lo->materialised[i] && lo->role[i] == ROLE_ELEM) continue;
    for (uint32_t j = 0; j < g->node.at[i].nin; j++)
      settle(lo, graph_in(g, n)[j], false, wants_memory(lo, n));
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

void lower_reads(const LowerCx *lo, NodeId n, void (*see)(void *cx, NodeId base, bool direct), void *cx) {
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
  for (uint32_t j = 0; j < g->node.at[n.i].nin; j++) {
    bool elem = lo->role[n.i] == ROLE_ELEM || lo->role[n.i] == ROLE_INLINE;
    NodeId o = elem ? lower_in(lo, n, j) : lower_strip(lo, graph_in(g, n)[j]);
    if (lo->role[o.i] == ROLE_INLINE) { /* its own operands, one level: they are never inlined themselves */
      lower_reads(lo, o, see, cx);
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
