/* One training step of the multilayer perceptron 784-256-128-10 (batch 128, adam), and of a small
 * convolutional net: GFLOP/s beside the FMA peak measured in the same run. step [mlp|cnn] [--isa=avx2]
 * [--emit=plan] [--launches] */
#include "api/exec.h"
#include "base/mem.h"
#include "bench/peak.h"
#include "codegen/codegen.h"
#include "ir/graph/build.h"
#include "passes/lower/lower.h"
#include "passes/passes.h"
#include "runtime/core/fpenv.h"

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
    if (exec_run(x, data, NULL, &why) != ST_OK) exit(1);
    if (i >= 0) t[i] = now() - t0;
  }
  *loss = *(const float *)exec_root(x, 0, data).data;
  qsort(t, TIMES, sizeof *t, by_value);
  exec_free(x);
  if (o->pool) pool_stop(o->pool);
  return t[TIMES / 2];
}

typedef struct Units { /* one launch, for the pool */
  KernelFn *fn;
  void *buf[KERNEL_BUFFERS];
  const Kernel *kernel;
  char *scratch;
  size_t scratch_bytes;
} Units;
static void run_units(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  const Units *u = arg;
  void *buf[KERNEL_BUFFERS];
  size_t offset[KERNEL_BUFFERS];
  if (plan_scratch(u->kernel, offset) > u->scratch_bytes) exit(1);
  for (int i = 0; i < u->kernel->nbuffer; i++)
    buf[i] = u->kernel->buffer[i].kind == BUFFER_SCRATCH ? u->scratch + thread * u->scratch_bytes + offset[i]
                                                         : u->buf[i];
  u->fn(buf, lo, hi);
}

/* Every launch in the step's order, at one thread and at two: the least of many times, so that another
 * process's work does not count; what it must compute, and the memory it touches at least (each buffer once).
 */
static void launches(Model *m, const Graph *g, const ExecOptions *o, void *const *data) {
  Sb why;
  CodegenTarget target;
  CodegenOptions c;
  LowerOptions l;
  NativeCode *code;
  sb_init(&why, &m->arena);
  if (codegen_target(&m->arena, &(TargetRequest){.isa = o->isa}, &target, &why) != ST_OK) exit(1);
  codegen_options_init(&c, &target);
  lower_options_init(&l, target.vector_bytes);
  l.cache_l1 = target.cache_l1;
  l.cache_l2 = target.cache_l2;
  Plan *p = lower_graph(&m->arena, g, &l, &why);
  if (!p) exit(1);
  KernelFn **fn = ARENA_ARRAY(&m->arena, KernelFn *, p->kernel.n);
  KernelSet set = {p->kernel.at, p->kernel.n};
  if (codegen_compile(&m->arena, &set, &c, &code, fn, NULL, &why) != ST_OK) exit(1);
  PlanMemory mem = {data, mem_get(&m->mem, p->arena_bytes), NULL};
  Units u = {.scratch = calloc(2, p->scratch_bytes + 1), .scratch_bytes = p->scratch_bytes};
  size_t bytes;
  if (!pool_bytes(2, &bytes)) exit(1);
  Pool *pool = pool_start(arena_alloc(&m->arena, bytes, 64), 2);
  enum { TIMES = 101 };
  double(*t)[2] = calloc(p->launch.n, sizeof *t), sum[2] = {0};
  FpEnv env = fpenv_enter();
  for (int k = 0; k < 2 * TIMES; k++)
    for (uint32_t i = 0; i < p->launch.n; i++) {
      const PlanLaunch *q = &p->launch.at[i];
      u.fn = fn[q->kernel], u.kernel = p->kernel.at[q->kernel];
      for (uint32_t j = 0; j < q->nbind; j++)
        u.buf[j] =
            p->bind.at[q->bind + j] == PLAN_NONE ? NULL : plan_address(p, &mem, p->bind.at[q->bind + j]);
      double t0 = now();
      if (k % 2 && pool)
        pool_run(pool, run_units, &u, q->units, q->estimate_ns);
      else
        run_units(&u, 0, 0, q->units);
      double d = (now() - t0) * 1e6;
      if (k < 2 || d < t[i][k % 2]) t[i][k % 2] = d;
    }
  fpenv_leave(env);
  for (uint32_t i = 0; i < p->launch.n; i++)
    for (int k = 0; k < 2; k++) sum[k] += t[i][k];
  printf("    kernel             node  1 thread, us  share  2 threads  gain  GFLOP/s    GB/s  units\n");
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const PlanLaunch *q = &p->launch.at[i];
    const Kernel *k = p->kernel.at[q->kernel];
    double touched = 0;
    for (uint32_t j = 0; j < q->nbind; j++)
      if (p->bind.at[q->bind + j] != PLAN_NONE)
        touched += (double)k->buffer[j].n * (double)dtype_bytes((DType)k->buffer[j].type);
    printf("%3u %-17.*s %%%-4u %12.1f %5.1f%% %10.1f %5.2f %8.1f %7.1f  %lld\n", i, (int)k->name.n, k->name.p,
           q->node.i, t[i][0], 100 * t[i][0] / sum[0], t[i][1], t[i][0] / t[i][1], q->flops * 1e-3 / t[i][0],
           touched * 1e-3 / t[i][0], (long long)q->units);
  }
  printf("sum %.1f us at one thread, %.1f at two\n", sum[0], sum[1]);
  if (pool) pool_stop(pool);
}

int main(int argc, char **argv) {
  Model *m = calloc(1, sizeof *m);
  bool cnn = false;
  ExecOptions o = {.level = -1};
  const char *stage = NULL;
  bool each = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "cnn") == 0) cnn = true;
    if (strcmp(argv[i], "--launches") == 0) each = true;
    if (strncmp(argv[i], "--isa=", 6) == 0) o.isa = argv[i] + 6;
    if (strncmp(argv[i], "--emit=", 7) == 0) stage = argv[i] + 7;
  }
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
  if (each) {
    launches(m, g, &o, data);
    return 0;
  }
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
