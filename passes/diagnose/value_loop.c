#include "passes/diagnose/value_loop.h"

#include <math.h>

enum {
  GROWS = 2,   /* a range grows so often before its end is moved to 0 or to none */
  ROUNDS = 12, /* then carried values are of any number, */
  LAST = 16,   /* and then nothing is believed of them */
};

ValueId values_of_body(const ValueWalk *w, NodeId n) {
  const Graph *g = w->g;
  const BodyValues *b = NULL;
  uint32_t region = graph_node(g, n)->region;
  if (node_op(g, n) == OP_RESULT)
    b = &w->body[graph_node(g, graph_in(g, graph_in(g, n)[0])[0])->region];
  else if (region)
    b = &w->body[region];
  const ValueId *of = !b ? NULL : node_op(g, n) == OP_RESULT ? b->result : b->param;
  if (of) return of[graph_attr(g, n)[0]];
  const Type *t = &graph_node(g, n)->type;
  return value_unknown(w->v, (DType)t->dtype, shape_of(w->v, t));
}

static void body(ValueWalk *w, uint32_t region) {
  const Region *r = &w->g->region.at[region];
  values_run(w, r->first, r->end - 1, region);
  w->of[r->end - 1] = value_undefined(w->v, DT_F64, (Shape){0}); /* no value */
}

/* ---- choices */

static ValueId chosen(Values *v, ValueId pred, ValueId yes, ValueId no) {
  const Value *p = value_at(v, pred), *a = value_at(v, yes), *b = value_at(v, no);
  if (value_is(v, pred, 1) || (value_eq(yes, no) && !p->undefined)) return yes;
  if (value_is(v, pred, 0)) return no;
  ValueId in[3] = {pred, yes, no};
  int64_t none = 0;
  return value_op(v, OP_WHERE, a->dtype, in, 3, &none, 1, shape_union(v, &a->shape, &b->shape),
                  interval_hull(a->range, b->range));
}

static void cond(ValueWalk *w, NodeId n) {
  const Graph *g = w->g;
  const NodeId *in = graph_in(g, n);
  uint32_t nparam = graph_node(g, n)->nin - 3u, nresult = graph_node(g, in[0])->nin;
  for (uint32_t r = 0; r < 2; r++) {
    BodyValues *b = &w->body[graph_node(g, in[r])->region];
    if (!b->param) b->param = ARENA_ARRAY(w->v->arena, ValueId, nparam + 1);
    for (uint32_t k = 0; k < nparam; k++) b->param[k] = w->of[in[3 + k].i];
    body(w, graph_node(g, in[r])->region);
  }
  BodyValues *b = &w->body[graph_node(g, in[0])->region];
  if (!b->result) b->result = ARENA_ARRAY(w->v->arena, ValueId, nresult + 1);
  for (uint32_t k = 0; k < nresult; k++)
    b->result[k] =
        chosen(w->v, w->of[in[2].i], w->of[graph_in(g, in[0])[k].i], w->of[graph_in(g, in[1])[k].i]);
}

/* ---- loops */

typedef struct Loop {
  ValueWalk *w;
  LoopInfo l;
  BodyValues *b;
  const NodeId *in, *yield;
  int64_t trip; /* -1: not known */
} Loop;

static bool no_number(const Values *v, ValueId id) {
  return value_at(v, id)->undefined || value_at(v, id)->infinite;
}
static bool same_range(Interval a, Interval b) {
  return a.lo == b.lo && a.hi == b.hi && a.lo_open == b.lo_open && a.hi_open == b.hi_open;
}
static const Type *type_of_carry(const Loop *x, uint32_t k) {
  return &graph_node(x->w->g, (NodeId){x->l.first + k})->type;
}

/* All that goes in, as one value. What is no number there is one more unknown: what comes out says itself
 * whether it is one. */
static ValueId what_goes_in(const Loop *x) {
  Values *v = x->w->v;
  ValueId *in = ARENA_ARRAY(v->arena, ValueId, x->l.nparam + 1);
  uint32_t n = 0;
  for (; n < x->l.nparam; n++) {
    in[n] = x->w->of[x->in[n].i];
    if (no_number(v, in[n])) in[n] = value_unknown(v, value_at(v, in[n])->dtype, (Shape){0});
  }
  if (x->b->more) in[n++] = value_unknown(v, DT_F64, (Shape){0});
  return value_op(v, OP_LOOP, DT_F64, in, n, &x->b->serial, 1, (Shape){0}, interval_all());
}

/* A stack seen at one step: what is constant along the steps is the same at each. */
static ValueId row_of(const Loop *x, uint32_t k) {
  Values *v = x->w->v;
  ValueId stack = x->w->of[x->in[k].i];
  Value s = *value_at(v, stack);
  uint32_t front = graph_node(x->w->g, x->in[k])->type.rank - 1u;
  if (value_flat(v, stack, front)) return stack;
  s.shape.rank = (uint8_t)front;
  shape_trim(v, &s.shape);
  if (s.undefined || s.infinite) return value_undefined(v, s.dtype, s.shape);
  int64_t attr[3] = {k, -1, stack.i};
  return value_op(v, OP_PARAM, s.dtype, &x->b->loop, 1, attr, 3, s.shape, s.range);
}

/* A step's value as the stack of all. */
static ValueId stack_of(const Loop *x, uint32_t k) {
  Values *v = x->w->v;
  ValueId y = x->w->of[x->yield[k].i];
  Value s = *value_at(v, y);
  if (x->b->once || s.depth <= v->depth) return y;
  uint32_t front = graph_node(x->w->g, x->yield[k])->type.rank;
  for (; s.shape.rank < front; s.shape.rank++) s.shape.dim[s.shape.rank] = dim_const(v->p->dims, 1);
  s.shape.dim[s.shape.rank++] = x->l.trip;
  if (s.undefined || s.infinite) return value_undefined(v, s.dtype, s.shape);
  int64_t attr[3] = {k, -1, y.i};
  return value_op(v, OP_RESULT, s.dtype, &x->b->loop, 1, attr, 3, s.shape, s.range);
}

static double wider_end(double have, double to) { /* of lower ends */
  return to >= have ? have : to >= 0 ? 0 : -INFINITY;
}

static Interval widened(CarryFact *f, Interval to) {
  Interval r = interval_hull(f->range, to);
  if (same_range(r, f->range) || f->grown++ < GROWS) return r;
  if (r.lo < f->range.lo || r.lo_open != f->range.lo_open)
    r = (Interval){wider_end(f->range.lo, to.lo), r.hi, false, r.hi_open};
  if (r.hi > f->range.hi || r.hi_open != f->range.hi_open)
    r = (Interval){r.lo, -wider_end(-f->range.hi, -to.hi), r.lo_open, false};
  return f->grown > 2 * GROWS ? interval_all() : r;
}

/* Literal integers: it may go on like that. */
static void may_count(const Loop *x, CarryFact *f, ValueId start, ValueId to) {
  const Values *v = x->w->v;
  const Value *a = value_at(v, start), *b = value_at(v, to);
  if (x->trip < 0 || dtype_is_float((DType)a->dtype) || a->dtype == DT_BOOL) return;
  if (!value_is_const(v, start) || !value_is_const(v, to)) return;
  f->start = ratio_number(a->c);
  f->by = ratio_number(b->c) - f->start;
  double last = f->start + f->by * (double)x->trip;
  f->counts = fabs(last) < 0x1p30;
  if (f->counts) f->range = interval_of(fmin(f->start, last), fmax(f->start, last));
}

/* The parameter plus what it grows by at each step. */
static bool still_counts(const Loop *x, const CarryFact *f, uint32_t k, ValueId to) {
  const Values *v = x->w->v;
  const Value *t = value_at(v, to);
  if (t->kind != VALUE_OP || t->op != OP_ADD || t->n != 2) return false;
  for (uint32_t i = 0; i < 2; i++)
    if (value_eq(t->term[i].of, x->b->param[k]) && value_is(v, t->term[1 - i].of, f->by)) return true;
  return false;
}

/* True: less is believed than before. `start`: it is what goes in, and not what a step made. */
static bool weaken(const Loop *x, CarryFact *f, uint32_t k, ValueId to, bool start) {
  Values *v = x->w->v;
  if (f->level == CARRY_UNKNOWN) return false;
  if (no_number(v, to)) {
    f->level = CARRY_UNKNOWN;
    return true;
  }
  Interval range = value_at(v, to)->range;
  if (f->level == CARRY_SAME && value_eq(to, f->is)) {
    if (same_range(range, f->range)) return false;
    f->range = range; /* calculated in one more way */
    if (f->grown++ < GROWS) return true;
  } else if (f->level == CARRY_SAME && value_eq(value_noisy(v, to), value_noisy(v, f->is))) {
    ValueId nearly = value_noisy(v, f->is); /* cancelled to it */
    bool known = value_eq(nearly, f->is);
    f->is = nearly;
    return !known;
  }
  if (f->level == CARRY_SAME) {
    f->level = CARRY_KEPT;
    f->axes = value_flat_axes(v, f->is) & value_flat_axes(v, to);
    f->grown = 0;
    may_count(x, f, f->is, to);
    if (!f->counts) f->range = interval_hull(value_at(v, f->is)->range, range);
    return true;
  }
  CarryFact was = *f;
  if (f->counts && !start) f->counts = still_counts(x, f, k, to);
  if (f->counts && start) f->counts = value_is(v, to, f->start);
  if (was.counts && !f->counts) f->range = interval_all();
  f->axes &= value_flat_axes(v, to);
  if (!f->counts) f->range = widened(f, range);
  return f->axes != was.axes || f->counts != was.counts || !same_range(f->range, was.range);
}

static ValueId believed(const Loop *x, uint32_t k) {
  Values *v = x->w->v;
  CarryFact *f = &x->b->carry[k];
  const Type *t = type_of_carry(x, k);
  if (f->level == CARRY_SAME) return f->is;
  if (f->level == CARRY_UNKNOWN) return value_undefined(v, (DType)t->dtype, shape_of(v, t));
  Interval r = f->range;
  if (f->counts) *(f->by < 0 ? &r.lo : &r.hi) -= f->by; /* before the last step */
  int64_t attr[2] = {k, f->version};
  return value_op(v, OP_PARAM, (DType)t->dtype, &x->b->loop, 1, attr, 2, shape_with(v, t, f->axes), r);
}

static void start_of(const Loop *x) {
  Values *v = x->w->v;
  bool again = x->b->carry;
  if (!again) x->b->carry = ARENA_ARRAY(v->arena, CarryFact, x->l.carry + 1);
  for (uint32_t k = 0; k < x->l.carry; k++) {
    CarryFact *f = &x->b->carry[k];
    ValueId start = x->w->of[x->in[k].i];
    if (again && f->level != CARRY_SAME) {
      weaken(x, f, k, start, true);
      f->version = v->fresh++;
      continue;
    }
    *f = (CarryFact){.level = no_number(v, start) ? CARRY_UNKNOWN : CARRY_SAME, .is = start};
    f->range = value_at(v, start)->range;
  }
}

/* One round: true when a step kept all that is believed. */
static bool round_of(const Loop *x, int round) {
  Values *v = x->w->v;
  bool kept = true;
  for (uint32_t k = 0; k < x->l.carry; k++) x->b->param[k] = believed(x, k);
  body(x->w, x->l.region);
  for (uint32_t k = 0; k < x->l.carry; k++) {
    CarryFact *f = &x->b->carry[k];
    if (!weaken(x, f, k, x->w->of[x->yield[k].i], false)) continue;
    kept = false;
    if (f->level == CARRY_KEPT && round >= ROUNDS) f->axes = 0, f->counts = false, f->range = interval_all();
    f->version = v->fresh++;
  }
  return kept;
}

static void steps(Loop *x) {
  ValueWalk *w = x->w;
  Values *v = w->v;
  uint8_t depth = v->depth;
  v->depth += depth < UINT8_MAX;
  for (uint32_t k = x->l.carry; k < x->l.nparam; k++)
    x->b->param[k] = loop_is_step(&x->l, k) ? row_of(x, k) : w->of[x->in[k].i];
  start_of(x);
  for (int round = 0; !round_of(x, round); round++) {
    if (round < LAST) continue;
    for (uint32_t k = 0; k < x->l.carry; k++) {
      x->b->carry[k].level = CARRY_UNKNOWN;
      x->b->param[k] = believed(x, k);
    }
    body(w, x->l.region);
    break;
  }
  v->depth = depth;
}

/* Behind the last step. */
static ValueId last_of(const Loop *x, uint32_t k) {
  Values *v = x->w->v;
  const CarryFact *f = &x->b->carry[k];
  ValueId y = x->w->of[x->yield[k].i];
  bool all = x->trip > 0 && !x->l.ends; /* it is what the last step made */
  const Type *t = type_of_carry(x, k);
  if (f->level == CARRY_SAME) return f->is;
  if (all && value_at(v, y)->depth <= v->depth) return y;
  if (f->level == CARRY_UNKNOWN || no_number(v, y))
    return value_undefined(v, (DType)t->dtype, shape_of(v, t));
  if (all && f->counts) return value_const(v, (DType)t->dtype, f->start + f->by * (double)x->trip);
  int64_t attr[2] = {k, f->version};
  return value_op(v, OP_RESULT, (DType)t->dtype, &x->b->loop, 1, attr, 2,
                  shape_with(v, t, all ? value_flat_axes(v, y) : f->axes),
                  all ? value_at(v, y)->range : f->range);
}

static bool takes_one(const Values *v, const LoopInfo *l) {
  int64_t trip;
  return dim_is_const(v->p->dims, l->trip, &trip) && trip == 1 && !l->ends;
}

uint8_t values_depth(const Values *v, const Graph *g, uint32_t region) {
  uint8_t depth = 0;
  for (; region; region = g->region.at[region].outer) {
    NodeId owner = {g->region.at[region].owner};
    if (node_op(g, owner) != OP_LOOP) continue;
    LoopInfo l = graph_loop(g, owner);
    depth += !takes_one(v, &l) && depth < UINT8_MAX;
  }
  return depth;
}

static void once(Loop *x) {
  x->b->once = true;
  for (uint32_t k = 0; k < x->l.nparam; k++)
    x->b->param[k] = loop_is_step(&x->l, k) ? row_of(x, k) : x->w->of[x->in[k].i];
  body(x->w, x->l.region);
}

static void loop(ValueWalk *w, NodeId n) {
  const Graph *g = w->g;
  Values *v = w->v;
  Loop x = {.w = w, .l = graph_loop(g, n), .in = graph_in(g, n) + 1, .trip = -1};
  x.b = &w->body[x.l.region];
  x.yield = graph_in(g, x.l.yield);
  if (!dim_is_const(v->p->dims, x.l.trip, &x.trip) || x.trip == LOOP_UNBOUNDED) x.trip = -1;
  if (!x.b->param) {
    x.b->param = ARENA_ARRAY(v->arena, ValueId, x.l.nparam + 1);
    x.b->result = ARENA_ARRAY(v->arena, ValueId, x.l.nresult + 1);
    x.b->serial = v->fresh++;
    for (uint32_t i = x.l.first; i < n.i; i++) x.b->more |= g->node.at[i].op == OP_GRAD;
  }
  x.b->loop = what_goes_in(&x);
  w->of[n.i] = x.b->loop;
  if (x.l.ends && value_is_zero(v, w->of[x.in[0].i])) x.trip = 0;
  bool one = takes_one(v, &x.l);
  if (one)
    once(&x);
  else
    steps(&x);
  for (uint32_t k = 0; k < x.l.nresult; k++) {
    const Type *t = &graph_node(g, x.yield[k])->type;
    if (k < x.l.carry)
      x.b->result[k] = one ? w->of[x.yield[k].i] : x.trip == 0 ? w->of[x.in[k].i] : last_of(&x, k);
    else if (x.trip == 0)
      x.b->result[k] = value_unknown(v, (DType)t->dtype, (Shape){0}); /* of no elements */
    else
      x.b->result[k] = stack_of(&x, k);
  }
}

void values_owner(ValueWalk *w, NodeId owner) {
  if (node_op(w->g, owner) == OP_LOOP) {
    loop(w, owner);
  } else {
    cond(w, owner);
    w->of[owner.i] = value_undefined(w->v, DT_F64, (Shape){0}); /* no value */
  }
  if (w->owner) w->owner(w, owner);
}
