/* Random programs over a scalar and a vector: loops in loops, conditions, gradients in bodies, values that
 * are made around a body when it first asks for them. */
#ifndef DG_TESTS_REGION_RANDOM_H
#define DG_TESTS_REGION_RANDOM_H

#include "ir/graph/body.h"
#include "region_kit.h"

typedef struct Seen {
  Body *own;
  NodeId n;
  bool vec;
} Seen;

typedef struct RandomRegions {
  Fix *f;
  uint64_t seed;
  Seen pool[256];
  uint32_t npool, loops, conds;
  int budget, grads;
} RandomRegions;

static inline uint32_t rr_pick(RandomRegions *r, uint32_t n) {
  r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((r->seed >> 33) % n);
}
static inline Builder rr_at(Body *x) { return (Builder){x->g, {0}, NO_NODE}; }
static inline NodeId rr_op(Body *x, Op op, NodeId a, NodeId b) {
  Builder at = rr_at(x);
  return build_scalar(&at, op, a, b, NO_NODE);
}
static inline NodeId rr_grad(Body *x, NodeId y, NodeId by) {
  Builder at = rr_at(x);
  return build_op(&at, OP_GRAD, (NodeId[]){y, by}, 2, NULL, NULL);
}
static inline NodeId rr_total(Body *x, NodeId v) {
  Builder at = rr_at(x);
  return build_drop_axes(&at, build_reduce(&at, OP_SUM, v, 1), 1);
}
static inline void rr_keep(RandomRegions *r, Body *own, NodeId n, bool vec) {
  if (r->npool < 250) r->pool[r->npool++] = (Seen){own, n, vec};
}

static NodeId rr_need(RandomRegions *r, Body *x, bool vec, int depth);

static inline NodeId rr_two(RandomRegions *r, Body *x, bool vec, int depth) {
  static const Op op[] = {OP_ADD, OP_SUB, OP_MUL, OP_MUL};
  NodeId a = rr_need(r, x, vec, depth), b = rr_need(r, x, vec, depth);
  return rr_op(x, OP_SIN, rr_op(x, op[rr_pick(r, 4)], a, b), NO_NODE);
}

/* Values of a finished body are seen no more; those it had made around it stay. */
static inline void rr_leave(RandomRegions *r, Body *x, uint32_t from) {
  uint32_t left = from;
  for (uint32_t i = from; i < r->npool; i++)
    if (r->pool[i].own != x) r->pool[left++] = r->pool[i];
  r->npool = left;
}

static inline void rr_cond(RandomRegions *r, Body *around, int depth) {
  NodeId a = rr_need(r, around, false, depth), b = rr_need(r, around, false, depth);
  NodeId p = rr_op(around, OP_LT, a, b), y[2][2];
  bool vec = rr_pick(r, 2);
  Body x[2] = {body_begin(around), body_begin(around)};
  for (int i = 0; i < 2; i++) {
    uint32_t from = r->npool;
    (void)rr_need(r, &x[i], rr_pick(r, 2), depth + 1);
    y[i][0] = rr_need(r, &x[i], vec, depth + 1);
    y[i][1] = rr_two(r, &x[i], false, depth + 1);
    if (r->grads > 0 && rr_pick(r, 3) == 0) {
      r->grads--;
      y[i][0] = rr_op(&x[i], OP_ADD, y[i][0], rr_grad(&x[i], y[i][1], y[i][0]));
    }
    rr_leave(r, &x[i], from);
  }
  r->conds++;
  Builder at = rr_at(around);
  NodeId c = body_cond(&at, (Body *const[]){&x[0], &x[1]}, p, (const NodeId *const[]){y[0], y[1]}, 2);
  rr_keep(r, around, build_result(&at, c, 0), vec);
  rr_keep(r, around, build_result(&at, c, 1), false);
}

static inline void rr_loop(RandomRegions *r, Body *around, int depth) {
  Body x = body_begin(around);
  uint32_t carry = 1 + rr_pick(r, 2), step = rr_pick(r, 3), outs = rr_pick(r, 3);
  int64_t trip = step || rr_pick(r, 2) ? 3 : 1 + rr_pick(r, 2);
  NodeId start[2], stack[2], y[4];
  bool vec[4];
  for (uint32_t k = 0; k < carry; k++) start[k] = rr_need(r, around, vec[k] = rr_pick(r, 2), depth);
  for (uint32_t k = 0; k < step; k++) stack[k] = rr_need(r, around, true, depth);
  uint32_t from = r->npool;
  for (uint32_t k = 0; k < carry; k++) rr_keep(r, &x, body_carry(&x, start[k], (LocationId){0}), vec[k]);
  for (uint32_t k = 0; k < step; k++) rr_keep(r, &x, body_step(&x, stack[k], (LocationId){0}), false);
  for (uint32_t k = rr_pick(r, 3); k-- > 0;) (void)rr_need(r, &x, rr_pick(r, 2), depth + 1);
  if (depth < 3 && r->budget > 0 && rr_pick(r, 2)) rr_loop(r, &x, depth + 1);
  if (r->grads > 0 && rr_pick(r, 2)) { /* of a value of this body, by one of it: perhaps a parameter */
    NodeId of = rr_need(r, &x, false, depth + 1);
    Seen by = r->pool[from + rr_pick(r, r->npool - from)];
    r->grads--;
    if (by.own == &x) rr_keep(r, &x, rr_grad(&x, of, by.n), by.vec);
  }
  for (uint32_t k = 0; k < carry; k++) y[k] = rr_two(r, &x, vec[k], depth + 1);
  for (uint32_t k = carry; k < carry + outs; k++) y[k] = rr_need(r, &x, false, depth + 1);
  rr_leave(r, &x, from);
  r->loops++;
  Builder at = rr_at(around);
  LoopShape s = {
      .carry = carry, .step = step, .trip = dim_const(r->f->p.dims, trip), .reverse = rr_pick(r, 2)};
  NodeId l = body_loop(&at, &x, y, carry + outs, s);
  for (uint32_t k = 0; k < carry; k++) rr_keep(r, around, build_result(&at, l, k), vec[k]);
  for (uint32_t k = carry; k < carry + outs && trip == 3; k++)
    rr_keep(r, around, build_result(&at, l, k), true);
}

/* A value as x sees it: there already, or made now, here or in a body around. */
static NodeId rr_need(RandomRegions *r, Body *x, bool vec, int depth) {
  if (r->budget-- > 0 && r->npool < 200 && rr_pick(r, 3) == 0) {
    Body *at = x;
    while (at->around && rr_pick(r, 3) == 0) at = at->around; /* declared further out, asked for here */
    NodeId n = rr_two(r, at, false, depth);
    if (vec) {
      Builder b = rr_at(at);
      n = build_broadcast(&b, n, FIX_T(r->f, DT_F64, 3));
      n = rr_op(at, OP_MUL, n, rr_need(r, at, true, depth));
    }
    rr_keep(r, at, n, vec);
    return body_see(x, at, n);
  }
  if (depth < 3 && r->budget > 4 && rr_pick(r, 6) == 0) rr_loop(r, x, depth);
  if (depth < 3 && r->budget > 4 && rr_pick(r, 8) == 0) rr_cond(r, x, depth);
  for (uint32_t tries = 0; tries < 64; tries++) {
    Seen v = r->pool[rr_pick(r, r->npool)];
    Body *at = x;
    while (at && at != v.own) at = at->around;
    if (at && v.vec == vec) return body_see(x, at, v.n);
  }
  return body_see(x, r->pool[0].own, r->pool[vec].n);
}

/* Root 0 is a number, root 1 + k its gradient by leaf k. */
static inline Graph *random_regions(Fix *f, uint64_t n, uint32_t *loops, uint32_t *conds) {
  RandomRegions *r = ARENA_NEW(&f->arena, RandomRegions);
  *r = (RandomRegions){.f = f, .seed = n * 77 + 5, .budget = 30, .grads = 2};
  fix_leaf(f, LEAF_PARAM, "s", type_scalar(DT_F64));
  fix_leaf(f, LEAF_PARAM, "v", FIX_T(f, DT_F64, 3));
  Graph *g = graph_new(&f->arena, &f->p, fix_sym(f, "random"));
  Body top = body_outermost(g);
  Builder b = rr_at(&top);
  for (uint32_t k = 0; k < 2; k++) rr_keep(r, &top, build_leaf(&b, (LeafId){k}), k);
  rr_loop(r, &top, 0);
  if (rr_pick(r, 2)) rr_loop(r, &top, 0);
  NodeId y = rr_two(r, &top, false, 0);
  for (uint32_t i = 0; i < r->npool; i++)
    y = rr_op(&top, OP_ADD, y, r->pool[i].vec ? rr_total(&top, r->pool[i].n) : r->pool[i].n);
  if (rr_pick(r, 2)) { /* second order */
    NodeId d = rr_grad(&top, y, r->pool[1].n);
    y = rr_op(&top, OP_ADD, y, rr_total(&top, rr_op(&top, OP_SQUARE, d, NO_NODE)));
  }
  y = rr_op(&top, OP_SIN, y, NO_NODE);
  graph_root(g, ROOT_LOSS, fix_sym(f, "L"), (LeafId){0}, y, (Span){0});
  for (uint32_t k = 0; k < 2; k++)
    graph_root(g, ROOT_OUTPUT, fix_sym(f, k ? "v" : "s"), (LeafId){0}, rr_grad(&top, y, r->pool[k].n),
               (Span){0});
  *loops += r->loops;
  *conds += r->conds;
  return g;
}

#endif
