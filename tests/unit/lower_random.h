/* Random graphs: any op over any earlier value that fits. */
#ifndef DG_TESTS_LOWER_RANDOM_H
#define DG_TESTS_LOWER_RANDOM_H

#include "lower_kit.h"

static const int64_t random_sizes[] = {1, 2, 3, 7, 16, 17, 31, 33, 48, 49, 100};

static inline NodeId random_op1(Kit *k, Op op, NodeId x, const int64_t *attr, const Type *t) {
  return build_op(&k->b, op, &x, 1, attr, t);
}

static inline NodeId pick(Kit *k, NodeId *pool, int n) { return pool[kit_random(k) % (uint32_t)n]; }
static inline const Type *ty(Kit *k, NodeId n) { return &graph_node(k->b.g, n)->type; }
static inline int64_t extent(Kit *k, NodeId n, int axis) {
  int64_t v = 0;
  ck_assert(dim_is_const(k->program.dims, ty(k, n)->dim[axis], &v));
  return v;
}

static inline NodeId random_scalar(Kit *k, NodeId x, NodeId y) {
  static const Op one[] = {OP_RELU, OP_TANH, OP_NEG, OP_SQUARE, OP_EXP, OP_ABS, OP_FLOOR};
  static const Op two[] = {OP_ADD, OP_SUB, OP_MUL, OP_MAXIMUM, OP_DIV};
  if (!type_eq(ty(k, x), ty(k, y)) || kit_random(k) % 3 == 0)
    return build_scalar(&k->b, one[kit_random(k) % 7], x, NO_NODE, NO_NODE);
  if (kit_random(k) % 6 == 0) {
    NodeId less = build_scalar(&k->b, OP_LT, x, y, NO_NODE);
    return build_scalar(&k->b, OP_WHERE, less, y, build_const(&k->b, *ty(k, x), 0.5));
  }
  return build_scalar(&k->b, two[kit_random(k) % 5], x, y, NO_NODE);
}

/* x stretched or read backwards, transposed, cut, padded, reshaped. */
static inline NodeId random_move(Kit *k, NodeId x) {
  int rank = ty(k, x)->rank;
  DimTable *d = k->program.dims;
  int axis = (int)(kit_random(k) % (uint32_t)rank);
  int64_t e = extent(k, x, axis), mask = 1 + kit_random(k) % ((1u << rank) - 1);
  uint8_t perm[MAX_RANK];
  for (int i = 0; i < rank; i++) perm[i] = (uint8_t)((i + axis) % rank);
  switch (kit_random(k) % 6) {
  case 0: return build_transpose(&k->b, x, perm);
  case 1: return build_slice(&k->b, x, axis, dim_const(d, e / 4), 1, dim_const(d, e - e / 4));
  case 2: return random_op1(k, OP_REVERSE, x, &mask, NULL);
  case 3: {
    if (e > 40) return x;
    int64_t pad[4] = {axis, dim_const(d, kit_random(k) % 3).i, dim_const(d, kit_random(k) % 3).i,
                      1 + kit_random(k) % 2};
    return random_op1(k, OP_PAD, x, pad, NULL);
  }
  case 4: {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= extent(k, x, i);
    for (int64_t d0 = 2; d0 <= n; d0++)
      if (n % d0 == 0) return build_reshape(&k->b, x, KIT_TYPE(k, (DType)ty(k, x)->dtype, d0, n / d0));
    return x;
  }
  default: {
    if (rank != 2 || extent(k, x, 0) * extent(k, x, 1) > 4000) return x;
    Type t = KIT_TYPE(k, (DType)ty(k, x)->dtype, 3, extent(k, x, 0), extent(k, x, 1));
    return build_broadcast(&k->b, x, t);
  }
  }
}

static inline NodeId random_node(Kit *k, NodeId *pool, int n) {
  NodeId x = pick(k, pool, n), y = pick(k, pool, n);
  int rank = ty(k, x)->rank;
  int64_t axis = kit_random(k) % (uint32_t)rank;
  for (int i = 0; i < 6 && !type_eq(ty(k, x), ty(k, y)); i++) y = pick(k, pool, n);
  switch (kit_random(k) % 10) {
  case 0:
  case 1: return random_move(k, x);
  case 2: {
    Type wide = *ty(k, x);
    return build_broadcast(&k->b, build_reduce(&k->b, kit_random(k) % 2 ? OP_SUM : OP_MAX, x, 1u << axis),
                           wide);
  }
  case 3: return random_op1(k, OP_SOFTMAX, x, &axis, NULL);
  case 4:
    if (type_eq(ty(k, x), ty(k, y)) && rank >= 2) /* x' y or x y' */
      return axis % 2 ? build_contract(&k->b, x, y, true, false) : build_contract(&k->b, x, y, false, true);
    return x;
  default: return random_scalar(k, x, y);
  }
}

/* A graph of about 24 values with three outputs and three assigned leaves, in k. */
static inline void random_graph(Kit *k, int turn) {
  kit_begin(k, (uint64_t)turn + 1000);
  k->specials = turn % 4 == 3;
  NodeId pool[64];
  int n = 0;
  int64_t m = random_sizes[turn % 11] % 40 + 1, w = random_sizes[(turn + 3) % 11] % 40 + 1;
  Type t = KIT_TYPE(k, turn % 5 == 4 ? DT_F64 : DT_F32, m, w);
  LeafId leaf[3];
  for (int i = 0; i < 3; i++) pool[n++] = build_leaf(&k->b, leaf[i] = kit_leaf_id(k, t));
  while (n < 24) {
    pool[n] = random_node(k, pool, n);
    n++;
  }
  for (int i = 0; i < 3; i++) kit_root(k, pool[n - 1 - i]);
  for (int i = 0; i < 3; i++) /* the leaf takes the last value of its type */
    for (int j = n - 1 - i; j >= 0; j--)
      if (type_eq(ty(k, pool[j]), &t)) {
        kit_assign(k, leaf[i], pool[j]);
        break;
      }
}

#endif
