/* Moves, read through: how an element of one is found in its operand, and ops that are memory or gone. */
#include "passes/lower/internal.h"

AxisAffine lower_row_major(const LowerCx *lo, NodeId n, const AxisAffine *idx) {
  AxisAffine at = axis_affine_zero();
  int64_t stride = 1;
  for (int i = graph_node(lo->g, n)->type.rank; i-- > 0;) {
    at = axis_affine_add(at, idx[i], stride);
    stride *= lo->ext[n.i][i];
  }
  return at;
}

static View view_coord(const LowerCx *lo, NodeId n, AxisAffine at) {
  return (View){.kind = VIEW_COORD, .type = graph_node(lo->g, n)->type.dtype, .base = n, .at = at};
}

bool lower_flat(const LowerCx *lo, NodeId n, AxisAffine at, View *out) {
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

/* ---- leaves ---- */

const LowerOp lower_LEAF = {.role = ROLE_MEMORY};
const LowerOp lower_TABLE = {.role = ROLE_MEMORY};

static WalkStep through_const(Walk *w) {
  w->out->kind = VIEW_CONST;
  w->out->base = w->n;
  return WALK_END;
}
const LowerOp lower_CONST = {.role = ROLE_MOVE, .through = through_const};

static WalkStep through_iota(Walk *w) {
  int64_t axis = graph_attr(w->lo->g, w->n)[0];
  *w->out = view_coord(w->lo, w->n, axis < 0 ? lower_row_major(w->lo, w->n, w->idx) : w->idx[axis]);
  return WALK_END;
}
const LowerOp lower_IOTA = {.role = ROLE_MOVE, .through = through_iota};

/* ---- gone before this stage, or seen through ---- */

const LowerOp lower_COTANGENT = {.role = ROLE_OTHER};
const LowerOp lower_GRAD = {.role = ROLE_OTHER};

/* On to the operand, at the index as it is now. */
static WalkStep on(Walk *w) {
  w->n = graph_in(w->lo->g, w->n)[0];
  return WALK_ON;
}
const LowerOp lower_STOP = {.role = ROLE_MOVE, .through = on};
const LowerOp lower_NAME = {.role = ROLE_MOVE, .through = on};
const LowerOp lower_CHECKPOINT = {.role = ROLE_MOVE, .through = on};
const LowerOp lower_CUSTOM = {.role = ROLE_MOVE, .through = on};

/* ---- moves ---- */

static const int64_t *extent_in(const Walk *w) { return w->lo->ext[graph_in(w->lo->g, w->n)[0].i]; }
static int64_t dim_attr(const Walk *w, int i) {
  int64_t v;
  if (!dim_is_const(w->lo->g->program->dims, (DimId){(uint32_t)graph_attr(w->lo->g, w->n)[i]}, &v))
    BUG(w->lo->arena->mem, "lower: %s with a symbol", op_info[node_op(w->lo->g, w->n)].name);
  return v;
}

static WalkStep through_broadcast(Walk *w) {
  const int64_t *em = extent_in(w);
  int inner = graph_node(w->lo->g, graph_in(w->lo->g, w->n)[0])->type.rank,
      lead = graph_node(w->lo->g, w->n)->type.rank - inner;
  for (int i = 0; i < inner; i++) w->idx[i] = em[i] == 1 ? axis_affine_zero() : w->idx[i + lead];
  return on(w);
}
const LowerOp lower_BROADCAST = {.role = ROLE_MOVE, .through = through_broadcast};

static WalkStep through_transpose(Walk *w) {
  AxisAffine r[MAX_RANK];
  int64_t perm = graph_attr(w->lo->g, w->n)[0];
  int rank = graph_node(w->lo->g, w->n)->type.rank;
  for (int i = 0; i < rank; i++) r[(perm >> (4 * i)) & 15] = w->idx[i];
  for (int i = 0; i < rank; i++) w->idx[i] = r[i];
  return on(w);
}
const LowerOp lower_TRANSPOSE = {.role = ROLE_MOVE, .through = through_transpose};

static WalkStep through_slice(Walk *w) {
  const int64_t *attr = graph_attr(w->lo->g, w->n);
  AxisAffine start = {.k = dim_attr(w, 1)};
  w->idx[attr[0]] = axis_affine_add(start, w->idx[attr[0]], attr[2]);
  return on(w);
}
const LowerOp lower_SLICE = {.role = ROLE_MOVE, .through = through_slice};

static WalkStep through_reverse(Walk *w) {
  int64_t axes = graph_attr(w->lo->g, w->n)[0];
  for (int i = 0; i < graph_node(w->lo->g, w->n)->type.rank; i++)
    if (axes >> i & 1) {
      AxisAffine last = {.k = w->lo->ext[w->n.i][i] - 1};
      w->idx[i] = axis_affine_add(last, w->idx[i], -1);
    }
  return on(w);
}
const LowerOp lower_REVERSE = {.role = ROLE_MOVE, .through = through_reverse};

static WalkStep through_pad(Walk *w) {
  const int64_t *attr = graph_attr(w->lo->g, w->n);
  int64_t front = dim_attr(w, 1);
  if (attr[3] != 1 || w->out->nguard == KERNEL_GUARDS - 1) { /* one guard is kept for tails */
    *w->stuck = w->n;
    return WALK_STUCK;
  }
  w->idx[attr[0]].k -= front;
  w->out->guard[w->out->nguard].at = w->idx[attr[0]];
  w->out->guard[w->out->nguard++].extent = extent_in(w)[attr[0]];
  return on(w);
}
/* interleaved padding is a fill and a strided copy */
static bool interleaved(const LowerCx *lo, NodeId n) { return graph_attr(lo->g, n)[3] != 1; }
const LowerOp lower_PAD = {
    .role = ROLE_MOVE, .kernels = lower_pad, .through = through_pad, .own_kernels = interleaved};

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

static WalkStep through_reshape(Walk *w) {
  const LowerCx *lo = w->lo;
  NodeId m = graph_in(lo->g, w->n)[0];
  AxisAffine at = lower_row_major(lo, w->n, w->idx);
  while (lo->role[m.i] == ROLE_MOVE && node_op(lo->g, m) == OP_RESHAPE) m = graph_in(lo->g, m)[0];
  if (node_op(lo->g, m) == OP_CONST || squeeze(lo, w->n, m, w->idx)) {
    w->n = m;
    return WALK_ON;
  }
  if (lower_flat(lo, m, at, w->out)) return WALK_END;
  *w->stuck = m;
  return WALK_STUCK;
}
const LowerOp lower_RESHAPE = {.role = ROLE_MOVE, .through = through_reshape};

/* ---- the table ---- */

static const LowerOp elementwise = {.role = ROLE_ELEM};
static const LowerOp *const op_of[OP_COUNT] = {
#define SCALAR(id, name, sig, flags, cls, value, d0, d1, d2, lo, hi, doc) [OP_##id] = &elementwise,
#define STRUCT(id, name, arity, attrs, cls, flags, family, linear, doc) [OP_##id] = &lower_##id,
#include "ir/ops.def"
#undef SCALAR
#undef STRUCT
};
const LowerOp *lower_op(Op op) { return op_of[op]; }
