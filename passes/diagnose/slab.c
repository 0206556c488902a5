#include "base/hash.h"
#include "passes/diagnose/slab_loop.h"
#include "passes/diagnose/zero.h"

static int64_t extent(const Slabs *s, NodeId n, uint32_t axis) {
  int64_t e;
  return dim_is_const(s->x->p->dims, graph_node(s->g, n)->type.dim[axis], &e) ? e : -1;
}
bool slab_zero(const Slabs *s, NodeId n) { return value_is_zero(&s->x->values, s->v->value[n.i]); }

static void put(Slab *s, int64_t lo, int64_t hi) {
  if (lo >= hi) return;
  if (s->n && s->at[s->n - 1].hi >= lo) { /* in ascending order */
    if (hi > s->at[s->n - 1].hi) s->at[s->n - 1].hi = hi;
  } else if (s->n < SLAB_CAP) {
    s->at[s->n].lo = lo;
    s->at[s->n++].hi = hi;
  }
}

Slab slab_both(const Slab *a, const Slab *b) {
  Slab r = {0};
  for (uint8_t i = 0, k = 0; i < a->n && k < b->n;) {
    int64_t lo = a->at[i].lo > b->at[k].lo ? a->at[i].lo : b->at[k].lo;
    int64_t hi = a->at[i].hi < b->at[k].hi ? a->at[i].hi : b->at[k].hi;
    put(&r, lo, hi);
    if (a->at[i].hi < b->at[k].hi)
      i++;
    else
      k++;
  }
  return r;
}

static Slab either(const Slab *a, const Slab *b) {
  Slab r = {0};
  for (uint8_t i = 0, k = 0; i < a->n || k < b->n;) {
    bool first = k == b->n || (i < a->n && a->at[i].lo <= b->at[k].lo);
    const Slab *from = first ? a : b;
    uint8_t at = first ? i++ : k++;
    put(&r, from->at[at].lo, from->at[at].hi);
  }
  return r;
}

static Slab moved(const Slab *a, int64_t by, int64_t lo, int64_t hi) {
  Slab r = {0};
  for (uint8_t i = 0; i < a->n; i++) {
    int64_t from = a->at[i].lo + by, to = a->at[i].hi + by;
    put(&r, from < lo ? lo : from, to > hi ? hi : to);
  }
  return r;
}

static bool covers(const Slab *a, int64_t n) {
  return n > 0 && a->n == 1 && a->at[0].lo <= 0 && a->at[0].hi >= n;
}

SlabAxis slab_get(const Slabs *s, NodeId n, uint32_t axis) {
  SlabAxis r = {.from = NO_NODE};
  if (slab_zero(s, n)) {
    put(&r.set, 0, extent(s, n, axis));
    r.from = n;
  } else if (s->of[n.i]) {
    r = s->axes.at[s->of[n.i] + axis];
  }
  return r;
}

static void set(Made *m, uint32_t axis, Slab a, NodeId from) {
  if (!a.n) return;
  m->axis[axis].set = either(&m->axis[axis].set, &a);
  m->axis[axis].from = from;
}

static void every(const Slabs *s, Made *m, NodeId n, NodeId from) { /* all of it is zero */
  for (uint32_t i = 0; i < graph_node(s->g, n)->type.rank; i++) {
    Slab all = {0};
    put(&all, 0, extent(s, n, i));
    set(m, i, all, from);
  }
}

/* One of the runs that a reshape turns into each other: axes [lo, hi) and how many elements they are. */
typedef struct Stretch {
  NodeId n;
  uint32_t lo, hi;
  DimId count;
} Stretch;

static bool lengthen(const Slabs *s, Stretch *r) {
  const Type *t = &graph_node(s->g, r->n)->type;
  if (r->hi == t->rank) return false;
  r->count = dim_mul(s->x->p->dims, r->count, t->dim[r->hi++]);
  return true;
}

/* Both as short as they can be and of equal count; false: that is not known. */
static bool stretches(const Slabs *s, Stretch *a, Stretch *b) {
  DimTable *t = s->x->p->dims;
  a->lo = a->hi, b->lo = b->hi;
  a->count = b->count = dim_const(t, 1);
  if (!lengthen(s, a) || !lengthen(s, b)) return false;
  while (!dim_eq(a->count, b->count)) {
    int64_t p, q;
    DimId times;
    bool known = dim_is_const(t, a->count, &p) && dim_is_const(t, b->count, &q);
    bool less = known ? p < q : dim_div_exact(t, b->count, a->count, &times);
    if (!less && !known && !dim_div_exact(t, a->count, b->count, &times)) return false;
    if (!lengthen(s, less ? a : b)) return false;
  }
  return true;
}

/* The first axis that is longer than 1, and the elements of a step along it; 0: not known. */
static int64_t outermost(const Slabs *s, const Stretch *r, uint32_t *axis) {
  int64_t step = 1;
  for (*axis = r->lo; *axis + 1 < r->hi && extent(s, r->n, *axis) == 1;) ++*axis;
  for (uint32_t i = *axis + 1; i < r->hi; i++) {
    int64_t e = extent(s, r->n, i);
    if (e < 1 || step > INT32_MAX / e) return 0;
    step *= e;
  }
  return step;
}

/* Elements stay in their order: a range of a run's outermost axis is a range of all of it, and that one of
 * the other side's outermost, as far as it has whole steps of it. */
static void reshape(const Slabs *s, Made *m, NodeId n) {
  Stretch from = {.n = graph_in(s->g, n)[0]}, to = {.n = n};
  while (stretches(s, &from, &to)) {
    uint32_t i, k;
    int64_t each = outermost(s, &from, &i), step = outermost(s, &to, &k);
    SlabAxis a = slab_get(s, from.n, i);
    Slab r = {0};
    for (uint8_t j = 0; j < a.set.n && each && step; j++)
      put(&r, (a.set.at[j].lo * each + step - 1) / step, a.set.at[j].hi * each / step);
    set(m, k, r, a.from);
  }
}

static void contract(const Slabs *s, Made *m, NodeId n) {
  uint32_t rank = graph_node(s->g, n)->type.rank;
  Slab inner = {0};
  NodeId from = NO_NODE;
  int64_t k = 0;
  for (uint32_t i = 0; i < 2; i++) {
    NodeId in = graph_in(s->g, n)[i];
    bool t = graph_attr(s->g, n)[i] != 0;
    uint32_t kept = rank - ((i == 0) == !t ? 2 : 1), summed = rank - ((i == 0) == !t ? 1 : 2);
    SlabAxis a = slab_get(s, in, kept), b = slab_get(s, in, summed);
    set(m, i == 0 ? rank - 2 : rank - 1, a.set, a.from);
    inner = either(&inner, &b.set);
    if (b.set.n) from = b.from;
    k = extent(s, in, summed);
    for (uint32_t j = 0; j + 2 < rank; j++) {
      a = slab_get(s, in, j);
      set(m, j, a.set, a.from);
    }
  }
  if (covers(&inner, k)) every(s, m, n, from);
}

/* Channels of convolutions without groups. */
static void convolution(const Slabs *s, Made *m, NodeId n) {
  static const struct {
    uint8_t from, to;
  } channel[3][2] = {{{0, 0}, {0, 1}}, {{0, 0}, {1, 1}}, {{1, 1}, {1, 0}}}; /* x w; gy w; x gy */
  Op op = node_op(s->g, n);
  int which = op == OP_CONV2D ? 0 : op == OP_CONV2D_DX ? 1 : 2;
  if (graph_attr(s->g, n)[6] != 1) return;
  for (uint32_t i = 0; i < 2; i++) {
    SlabAxis a = slab_get(s, graph_in(s->g, n)[i], channel[which][i].from);
    set(m, channel[which][i].to, a.set, a.from);
  }
}

static void concat(const Slabs *s, Made *m, NodeId n) {
  const Node *node = graph_node(s->g, n);
  uint32_t axis = (uint32_t)graph_attr(s->g, n)[0];
  int64_t at = 0, all = extent(s, n, axis);
  for (uint32_t j = 0; j < node->type.rank; j++) {
    SlabAxis r = slab_get(s, graph_in(s->g, n)[0], j);
    for (uint32_t i = 1; i < node->nin && j != axis; i++) {
      SlabAxis a = slab_get(s, graph_in(s->g, n)[i], j);
      r.set = slab_both(&r.set, &a.set);
    }
    if (j != axis) set(m, j, r.set, r.from);
  }
  for (uint32_t i = 0; i < node->nin && all > 0; i++) {
    NodeId in = graph_in(s->g, n)[i];
    SlabAxis a = slab_get(s, in, axis);
    set(m, axis, moved(&a.set, at, 0, all), slab_zero(s, in) ? n : a.from);
    at += extent(s, in, axis);
  }
}

static void move(const Slabs *s, Made *m, NodeId n) {
  NodeId in = graph_in(s->g, n)[0];
  const int64_t *attr = graph_attr(s->g, n);
  uint32_t rank = graph_node(s->g, n)->type.rank;
  Op op = node_op(s->g, n);
  for (uint32_t i = 0; i < rank; i++) {
    SlabAxis a = slab_get(s, in, op == OP_TRANSPOSE ? (uint32_t)(attr[0] >> (4 * i) & 15) : i);
    int64_t e = extent(s, n, i), lo, hi, step = op == OP_PAD ? attr[3] : op == OP_SLICE ? attr[2] : 1;
    if (op == OP_REVERSE && (attr[0] >> i & 1)) {
      Slab r = {0};
      for (uint8_t k = a.set.n; k-- > 0;) put(&r, e - a.set.at[k].hi, e - a.set.at[k].lo);
      a.set = r;
    }
    if ((op == OP_SLICE || op == OP_PAD) && attr[0] == i) {
      bool known = e > 0 && dim_is_const(s->x->p->dims, (DimId){(uint32_t)attr[1]}, &lo);
      if (!known || (op == OP_SLICE && step != 1)) continue;
      if (op == OP_SLICE) {
        a.set = moved(&a.set, -lo, 0, e);
      } else {
        Slab r = {0};
        if (!dim_is_const(s->x->p->dims, (DimId){(uint32_t)attr[2]}, &hi)) continue;
        put(&r, 0, lo);
        if (step == 1)
          for (uint8_t k = 0; k < a.set.n; k++) put(&r, a.set.at[k].lo + lo, a.set.at[k].hi + lo);
        put(&r, e - hi, e);
        a.set = r;
        a.from = n;
      }
    }
    set(m, i, a.set, a.from);
  }
}

static void stretch(const Slabs *s, Made *m, NodeId n) {
  NodeId in = graph_in(s->g, n)[0];
  uint32_t rank = graph_node(s->g, n)->type.rank, less = rank - graph_node(s->g, in)->type.rank;
  for (uint32_t i = less; i < rank; i++) {
    SlabAxis a = slab_get(s, in, i - less);
    if (extent(s, in, i - less) == extent(s, n, i)) set(m, i, a.set, a.from);
  }
}

static void elementwise(const Slabs *s, Made *m, NodeId n) {
  const NodeId *in = graph_in(s->g, n);
  for (uint32_t i = 0; i < graph_node(s->g, n)->type.rank; i++) {
    SlabAxis a = slab_get(s, in[0], i), b;
    switch (node_op(s->g, n)) {
    case OP_MUL:
      b = slab_get(s, in[1], i);
      set(m, i, b.set, b.from);
      break;
    case OP_ADD:
    case OP_SUB:
      b = slab_get(s, in[1], i);
      if (slab_zero(s, in[0]) || !node_ok(a.from)) a.from = b.from;
      a.set = slab_both(&a.set, &b.set);
      break;
    case OP_WHERE:
      a = slab_get(s, in[1], i);
      b = slab_get(s, in[2], i);
      if (slab_zero(s, in[1]) || !node_ok(a.from)) a.from = b.from;
      a.set = slab_both(&a.set, &b.set);
      break;
    case OP_DIV:
    case OP_NEG:
    case OP_ABS:
    case OP_RELU:
    case OP_SQUARE:
    case OP_TANH:
    case OP_SIN:
    case OP_ERF:
    case OP_EXPM1:
    case OP_CAST: break;
    default: return; /* default: not 0 where its operand is */
    }
    set(m, i, a.set, a.from);
  }
}

static void reduce(const Slabs *s, Made *m, NodeId n) {
  NodeId in = graph_in(s->g, n)[0];
  for (uint32_t i = 0; i < graph_node(s->g, n)->type.rank; i++) {
    SlabAxis a = slab_get(s, in, i);
    bool reduced = graph_attr(s->g, n)[0] >> i & 1;
    if (!reduced)
      set(m, i, a.set, a.from);
    else if (covers(&a.set, extent(s, in, i)))
      every(s, m, n, a.from);
  }
}

void slab_keep(Slabs *s, NodeId n, const Made *m) {
  bool any = false;
  s->of[n.i] = 0;
  const Value *v = value_at(&s->x->values, s->v->value[n.i]);
  for (uint32_t i = 0; i < MAX_RANK; i++) any |= m->axis[i].set.n > 0;
  if (!any || v->undefined || v->infinite) return;
  s->of[n.i] = s->axes.n;
  for (uint32_t i = 0; i < MAX_RANK; i++) VEC_PUSH(s->x->arena, &s->axes, m->axis[i]);
}

void slab_visit(Slabs *s, NodeId n) {
  Made m = {0};
  s->of[n.i] = 0;
  if (slab_zero(s, n) || !graph_node(s->g, n)->nin) return;
  const Value *v = value_at(&s->x->values, s->v->value[n.i]);
  if (v->undefined || v->infinite) return; /* 0 times it is not 0 */
  switch (node_op(s->g, n)) {
  case OP_RESHAPE: reshape(s, &m, n); break;
  case OP_CONTRACT: contract(s, &m, n); break;
  case OP_CONV2D:
  case OP_CONV2D_DX:
  case OP_CONV2D_DW: convolution(s, &m, n); break;
  case OP_CONCAT: concat(s, &m, n); break;
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_PAD:
  case OP_REVERSE:
  case OP_STOP:
  case OP_NAME:
  case OP_CHECKPOINT:
  case OP_CUSTOM: move(s, &m, n); break;
  case OP_BROADCAST: stretch(s, &m, n); break;
  case OP_SUM:
  case OP_MEAN: reduce(s, &m, n); break;
  default: /* default: elementwise, or not known */
    if (op_info[node_op(s->g, n)].scalar) elementwise(s, &m, n);
    break;
  }
  slab_keep(s, n, &m);
}

static void partial_view(Diagnose *x, uint32_t view) {
  Slabs s = {.x = x, .v = &x->view.at[view], .g = x->view.at[view].grad};
  if (!s.g || !s.v->step) return;
  s.of = ARENA_ARRAY(x->arena, uint32_t, s.g->node.n);
  VEC_PUSH(x->arena, &s.axes, (SlabAxis){.from = NO_NODE});
  s.carry = ARENA_ARRAY(x->arena, Made *, s.g->region.n);
  slab_run(&s, 0, s.g->node.n, 0);
  for (uint32_t i = 0; i < x->p->leaf.n; i++) {
    Verdict *p = &s.v->param[i];
    NodeId g = s.v->grad_of[i];
    if (p->flow != FLOW_OPEN || p->rule != RULE_MOVES || !node_ok(g) || !s.of[g.i]) continue;
    for (uint32_t k = 0; k < x->p->leaf.at[i].type.rank && !p->part; k++) {
      const SlabAxis *a = &s.axes.at[s.of[g.i] + k];
      if (!a->set.n) continue;
      SlabAxis *keep = ARENA_NEW(x->arena, SlabAxis);
      *keep = *a;
      if (!node_ok(keep->from)) keep->from = g;
      p->part = keep;
      p->part_axis = k;
    }
  }
}

void diagnose_partial(Diagnose *x) {
  for (uint32_t i = 0; i < x->view.n; i++) partial_view(x, i);
}
