/* One training step of the multilayer perceptron 784-256-128-10 (batch 128, adam), and of a small
 * convolutional net: GFLOP/s beside the FMA peak measured in the same run. `tiny`: a step of a microsecond,
 * by launch. step [mlp|cnn|tiny] [--isa=avx2] [--emit=plan] */
#include "api/exec.h"
#include "base/mem.h"
#include "bench/peak.h"
#include "bench/tiny.h"
#include "ir/graph/build.h"
#include "passes/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct Model {
  Mem mem;
  Arena arena;
  Names names;
  Sources sources;
  Limits limits;
  Program p;
  Builder b;
  LeafId param[32];
  int nparam;
} Model;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static double cpu(void) { /* of all threads: what the compile costs whoever else is on the machine */
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}
static Type type_of(Model *m, DType t, int rank, const int64_t *e) {
  Type r = type_scalar(t);
  for (int i = 0; i < rank; i++) r.dim[r.rank++] = dim_const(m->p.dims, e[i]);
  return r;
}
#define SHAPE(...)                                                                                           \
  (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
static LeafId leaf(Model *m, LeafKind kind, Type t) {
  return program_leaf(
      &m->p,
      (Leaf){.kind = kind, .path = names_add(&m->names, str_fmt(&m->arena, "x%u", m->p.leaf.n)), .type = t});
}
static NodeId param(Model *m, Type t) {
  LeafId l = leaf(m, LEAF_PARAM, t);
  m->param[m->nparam++] = l;
  return build_leaf(&m->b, l);
}
static NodeId op(Model *m, Op o, NodeId x, NodeId y) { return build_scalar(&m->b, o, x, y, NO_NODE); }
static Type shape(Model *m, NodeId n) { return graph_node(m->b.g, n)->type; }
static NodeId number(Model *m, Type t, double v) { return build_const(&m->b, t, v); }

static NodeId dense(Model *m, NodeId x, int64_t in, int64_t out) {
  NodeId w = param(m, type_of(m, DT_F32, SHAPE(in, out))), bias = param(m, type_of(m, DT_F32, SHAPE(out)));
  NodeId y = build_contract(&m->b, x, w, false, false);
  return op(m, OP_ADD, y, build_broadcast(&m->b, bias, shape(m, y)));
}
static NodeId relu(Model *m, NodeId x) { return op(m, OP_RELU, x, NO_NODE); }
static NodeId block(Model *m, NodeId x, int64_t in, int64_t out) {
  NodeId w = param(m, type_of(m, DT_F32, SHAPE(out, in, 3, 3))),
         bias = param(m, type_of(m, DT_F32, SHAPE(out, 1, 1)));
  const int64_t conv[8] = {1, 1, 1, 1, 1, 1, 1, 0}, pool[6] = {2, 2, 2, 2, 0, 0};
  NodeId y = build_op(&m->b, OP_CONV2D, (NodeId[]){x, w}, 2, conv, NULL);
  y = relu(m, op(m, OP_ADD, y, build_broadcast(&m->b, bias, shape(m, y))));
  return build_op(&m->b, OP_MAX_POOL2D, &y, 1, pool, NULL);
}

/* adam as std/optim.dg writes it */
static void adam(Model *m, NodeId loss, LeafId wl, NodeId step) {
  Type t = m->p.leaf.at[wl.i].type, s = type_scalar(DT_F32);
  LeafId ml = leaf(m, LEAF_STATE, t), vl = leaf(m, LEAF_STATE, t);
  NodeId w = build_leaf(&m->b, wl), g = build_op(&m->b, OP_GRAD, (NodeId[]){loss, w}, 2, NULL, NULL);
  NodeId one = number(m, s, 1), n = build_cast(&m->b, step, DT_F32);
  NodeId c1 = op(m, OP_SUB, one, op(m, OP_POW, number(m, s, 0.9), n)),
         c2 = op(m, OP_SUB, one, op(m, OP_POW, number(m, s, 0.999), n));
  NodeId m1 = op(m, OP_ADD, op(m, OP_MUL, number(m, t, 0.9), build_leaf(&m->b, ml)),
                 op(m, OP_MUL, number(m, t, 0.1), g));
  NodeId v1 = op(m, OP_ADD, op(m, OP_MUL, number(m, t, 0.999), build_leaf(&m->b, vl)),
                 op(m, OP_MUL, number(m, t, 0.001), op(m, OP_SQUARE, g, NO_NODE)));
  NodeId mh = op(m, OP_DIV, m1, build_broadcast(&m->b, c1, t)),
         vh = op(m, OP_DIV, v1, build_broadcast(&m->b, c2, t));
  NodeId d = op(m, OP_DIV, op(m, OP_MUL, number(m, t, 1e-3), mh),
                op(m, OP_ADD, op(m, OP_SQRT, vh, NO_NODE), number(m, t, 1e-8)));
  graph_root(m->b.g, ROOT_ASSIGN, (Sym){0}, wl, op(m, OP_SUB, w, d), (Span){0});
  graph_root(m->b.g, ROOT_ASSIGN, (Sym){0}, ml, m1, (Span){0});
  graph_root(m->b.g, ROOT_ASSIGN, (Sym){0}, vl, v1, (Span){0});
}

static void model(Model *m, bool cnn) {
  mem_init(&m->mem, 0);
  arena_init(&m->arena, &m->mem);
  names_init(&m->names, &m->arena);
  sources_init(&m->sources, &m->arena);
  limits_init(&m->limits);
  program_init(&m->p, &m->arena, &m->names, &m->sources, &m->limits);
  m->b = (Builder){graph_new(&m->arena, &m->p, names_add(&m->names, STR("fit"))), {0}, NO_NODE};
  NodeId x = build_leaf(&m->b, leaf(m, LEAF_INPUT, type_of(m, DT_F32, SHAPE(128, 784))));
  NodeId label = build_leaf(&m->b, leaf(m, LEAF_INPUT, type_of(m, DT_I32, SHAPE(128))));
  NodeId step = build_leaf(&m->b, leaf(m, LEAF_STEP, type_scalar(DT_I32)));
  NodeId h = op(m, OP_DIV, x, number(m, shape(m, x), 255));
  if (cnn) {
    h = build_reshape(&m->b, h, type_of(m, DT_F32, SHAPE(128, 1, 28, 28)));
    h = block(m, block(m, h, 1, 16), 16, 32);
    h = build_reshape(&m->b, h, type_of(m, DT_F32, SHAPE(128, 1568)));
    h = dense(m, relu(m, dense(m, h, 1568, 128)), 128, 10);
  } else {
    h = dense(m, relu(m, dense(m, relu(m, dense(m, h, 784, 256)), 256, 128)), 128, 10);
  }
  NodeId ce = build_op(&m->b, OP_CROSS_ENTROPY, (NodeId[]){h, label}, 2, NULL, NULL);
  NodeId loss = build_drop_axes(&m->b, build_reduce(&m->b, OP_MEAN, ce, 1), 1);
  graph_root(m->b.g, ROOT_LOSS, names_add(&m->names, STR("ce")), (LeafId){0}, loss, (Span){0});
  int n = m->nparam;
  for (int i = 0; i < n; i++) adam(m, loss, m->param[i], step);
}

static void fill(Model *m, void **data) {
  uint64_t seed = 7;
  for (uint32_t i = 0; i < m->p.leaf.n; i++) {
    const Leaf *l = &m->p.leaf.at[i];
    Tensor t;
    if (!tensor_of_type(&m->arena, m->p.dims, &l->type, &t)) abort();
    for (size_t j = 0; j < t.count; j++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      double u = (double)(seed >> 40) / 16777216.0;
      if (t.dtype == DT_I32) ((int32_t *)t.data)[j] = l->kind == LEAF_STEP ? 1 : (int32_t)(u * 10);
      if (t.dtype == DT_F32)
        ((float *)t.data)[j] = (float)(l->kind == LEAF_INPUT   ? u * 255
                                       : l->kind == LEAF_PARAM ? (u - 0.5) * 0.1
                                                               : 0);
    }
    data[i] = t.data;
  }
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double measure(Model *m, const Graph *g, ExecOptions *o, int threads, void *const *data,
                      ExecFacts *facts, float *loss, double *cpu_ms) {
  Sb why;
  Exec *x;
  size_t bytes;
  sb_init(&why, &m->arena);
  o->pool = NULL;
  if (threads > 1 && pool_bytes((uint32_t)threads, &bytes))
    o->pool = pool_start(arena_alloc(&m->arena, bytes, 64), (uint32_t)threads);
  double c0 = cpu();
  if (exec_new(&m->arena, g, o, &x, &why) != ST_OK) {
    fprintf(stderr, "%.*s\n", (int)why.n, why.p);
    exit(1);
  }
  *facts = *exec_facts(x);
  *cpu_ms = cpu() - c0;
  double t[200];
  enum { WARM = 20, TIMES = 200 };
  for (int i = -WARM; i < TIMES; i++) {
    double t0 = now();
    if (exec_run(x, data, NULL, NULL, &why) != ST_OK) exit(1);
    if (i >= 0) t[i] = now() - t0;
  }
  *loss = *(const float *)exec_root(x, 0).data;
  qsort(t, TIMES, sizeof *t, by_value);
  exec_free(x);
  if (o->pool) pool_stop(o->pool);
  return t[TIMES / 2];
}

int main(int argc, char **argv) {
  Model *m = calloc(1, sizeof *m);
  bool cnn = false, tiny = false;
  ExecOptions o = {.level = -1};
  const char *stage = NULL;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "cnn") == 0) cnn = true;
    if (strcmp(argv[i], "tiny") == 0) tiny = true;
    if (strncmp(argv[i], "--isa=", 6) == 0) o.isa = argv[i] + 6;
    if (strncmp(argv[i], "--emit=", 7) == 0) stage = argv[i] + 7;
  }
  if (tiny) return bench_tiny(o.isa);
  model(m, cnn);
  Sb why;
  sb_init(&why, &m->arena);
  Entry e = {.kind = ENTRY_TRAIN, .graph = m->b.g};
  const PassOptions quiet = {0};
  double t0 = now();
  Graph *g = passes_reference(&m->arena, &m->p, &e, NULL, 0, &quiet, &why);
  if (!g) {
    fprintf(stderr, "%.*s\n", (int)why.n, why.p);
    return 1;
  }
  g = passes_optimise(&m->arena, g, &quiet);
  double passes = now() - t0;
  if (stage) {
    Sb out;
    sb_init(&out, &m->arena);
    if (strcmp(stage, "opt") == 0)
      graph_print(g, &out);
    else if (exec_emit(&m->arena, g, &o, stage, &out, &why) != ST_OK)
      return 1;
    fwrite(out.p, 1, out.n, stdout);
    return 0;
  }
  void *data[256];
  fill(m, data);
  bool wide = !o.isa || strcmp(o.isa, "avx512") == 0;
  double one = 0;
  for (int threads = 1; threads <= 2; threads++) {
    ExecFacts f;
    float loss;
    double cpu_ms;
    double t = measure(m, g, &o, threads, data, &f, &loss, &cpu_ms),
           peak = peak_fma(threads, wide ? 0 : 32, 0.3);
    if (threads == 1) {
      one = t;
      printf("%s, %s: compile %.0f ms (passes %.1f, lower %.1f, code %.0f; %.0f of CPU), %u kernels, arena "
             "%zu KiB, %.1f "
             "MFLOP a step\n",
             cnn ? "cnn" : "mlp", f.isa, passes * 1e3 + f.lower_ms + f.codegen_ms, passes * 1e3, f.lower_ms,
             f.codegen_ms, cpu_ms, f.kernels, f.arena_bytes / 1024, f.flops * 1e-6);
    }
    printf("%d thread%s: %.3f ms a step, %.1f GFLOP/s, peak %.1f, %.0f %% of it; %.2fx one thread; loss %g\n",
           threads, threads > 1 ? "s" : "", t * 1e3, f.flops * 1e-9 / t, peak,
           100 * f.flops * 1e-9 / t / peak, one / t, (double)loss);
  }
  return 0;
}
