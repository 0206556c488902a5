/* A program built by hand, for tests of the passes. */
#ifndef DG_TESTS_PASSES_FIXTURE_H
#define DG_TESTS_PASSES_FIXTURE_H

#include "base/diag.h"
#include "ir/graph/build.h"
#include "ir/graph/program.h"
#include "ir/interpret/interp.h"
#include "passes/passes.h"
#include "unit.h"

typedef struct Fix {
  Mem mem;
  Arena arena;
  Names names;
  Sources sources;
  Limits limits;
  Program p;
  Diags d;
  Builder b;
} Fix;

static inline void fix_begin(Fix *f) {
  mem_init(&f->mem, 0);
  arena_init(&f->arena, &f->mem);
  names_init(&f->names, &f->arena);
  sources_init(&f->sources, &f->arena);
  limits_init(&f->limits);
  program_init(&f->p, &f->arena, &f->names, &f->sources, &f->limits);
  diags_init(&f->d, &f->arena, &f->sources, &f->limits);
  f->b = (Builder){.g = NULL, .primal = NO_NODE};
}
static inline void fix_end(Fix *f) { arena_release(&f->arena); }

static inline Sym fix_sym(Fix *f, const char *z) { return names_add(&f->names, str_z(z)); }
static inline Type fix_type(Fix *f, DType t, uint8_t rank, const int64_t *ext) {
  Type ty = {.dtype = (uint8_t)t, .rank = rank};
  for (uint8_t i = 0; i < rank; i++) ty.dim[i] = dim_const(f->p.dims, ext[i]);
  return ty;
}
#define FIX_T(f, t, ...)                                                                                     \
  fix_type((f), (t), sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})
static inline LeafId fix_leaf(Fix *f, LeafKind kind, const char *name, Type t) {
  Leaf leaf = {.kind = kind, .path = fix_sym(f, name), .type = t, .of = {UINT32_MAX}};
  return program_leaf(&f->p, leaf);
}

/* A training entry point: nodes are built into it, then fix_loss and fix_own say what is trained. */
static inline TrainStep *fix_step(Fix *f, const char *name) {
  Graph *g = graph_new(&f->arena, &f->p, fix_sym(f, name));
  f->b.g = g;
  VEC_PUSH(&f->arena, &f->p.entry,
           (Entry){.kind = ENTRY_TRAIN, .name = g->name, .graph = g, .train = f->p.train.n});
  VEC_PUSH(&f->arena, &f->p.train, (TrainStep){.name = g->name, .entry = f->p.entry.n - 1, .loss = NO_NODE});
  TrainStep *t = &f->p.train.at[f->p.train.n - 1];
  VEC_PUSH(&f->arena, &t->group, (Group){.optimizer = fix_sym(f, "sgd")});
  return t;
}
static inline void fix_loss(Fix *f, const char *name, NodeId loss) {
  TrainStep *t = &f->p.train.at[f->p.train.n - 1];
  t->loss = loss;
  t->loss_name = fix_sym(f, name);
  graph_root(f->b.g, ROOT_LOSS, t->loss_name, (LeafId){0}, loss, (Span){0});
}
static inline NodeId fix_grad(Fix *f, NodeId y, NodeId x) {
  NodeId in[2] = {y, x};
  return build_op(&f->b, OP_GRAD, in, 2, NULL, NULL);
}
static inline NodeId fix_2(Fix *f, Op op, NodeId x, NodeId y) {
  return build_scalar(&f->b, op, x, y, NO_NODE);
}
static inline NodeId fix_1(Fix *f, Op op, NodeId x) { return build_scalar(&f->b, op, x, NO_NODE, NO_NODE); }
static inline NodeId fix_c(Fix *f, NodeId like, double x) {
  return build_const(&f->b, graph_node(f->b.g, like)->type, x);
}
/* leaf := update, which reads grad */
static inline void fix_own_by(Fix *f, LeafId leaf, NodeId grad, NodeId update) {
  TrainStep *t = &f->p.train.at[f->p.train.n - 1];
  VEC_PUSH(&f->arena, &t->owned, (Owned){.param = leaf, .grad = grad, .update = update});
  graph_root(f->b.g, ROOT_ASSIGN, (Sym){0}, leaf, update, (Span){0});
}
/* leaf := leaf - rate * grad */
static inline void fix_own(Fix *f, LeafId leaf, double rate) {
  TrainStep *t = &f->p.train.at[f->p.train.n - 1];
  NodeId w = build_leaf(&f->b, leaf), g = fix_grad(f, t->loss, w);
  fix_own_by(f, leaf, g, fix_2(f, OP_SUB, w, fix_2(f, OP_MUL, fix_c(f, w, rate), g)));
}
/* scalar mean of a tensor */
static inline NodeId fix_mean(Fix *f, NodeId x) {
  uint32_t axes = (1u << graph_node(f->b.g, x)->type.rank) - 1;
  return build_drop_axes(&f->b, build_reduce(&f->b, OP_MEAN, x, axes), axes);
}

#endif
