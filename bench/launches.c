/* Where a step of a model's time goes: every launch of the plan that would run, in the step's order, at one
 * thread and at two. The least of many times, so that another process's work does not count; and the median
 * at one thread, which it disturbs. launches FILE.dg [--entry=NAME] [--isa=avx2] [--times=51] [--top=N] */
#include "api/exec.h"
#include "bench/model.h"
#include "bench/peak.h"
#include "codegen/codegen.h"
#include "ir/plan/plan.h"
#include "runtime/core/fpenv.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Settings {
  const char *file, *entry, *isa;
  int times, top;
} Settings;

typedef struct Units { /* one launch, for the pool, cut as a step cuts it (runtime/core/step.c) */
  KernelFn *fn;
  KernelCut cut;
  int64_t pieces;
  void *buf[KERNEL_BUFFERS];
  const Kernel *kernel;
  char *scratch;
  size_t scratch_bytes;
} Units;

typedef struct Row {
  double us[2], median, *all; /* all: at one thread */
  const PlanLaunch *launch;
} Row;

static double now_us(void) { return bench_now() * 1e6; }

static void run_units(void *arg, uint32_t thread, int64_t lo, int64_t hi) {
  const Units *u = arg;
  void *buf[KERNEL_BUFFERS];
  size_t offset[KERNEL_BUFFERS];
  if (plan_scratch(u->kernel, offset) > u->scratch_bytes) abort();
  for (int i = 0; i < u->kernel->nbuffer; i++)
    buf[i] = u->kernel->buffer[i].kind == BUFFER_SCRATCH ? u->scratch + thread * u->scratch_bytes + offset[i]
                                                         : u->buf[i];
  for (uint32_t i = 0; i < u->cut.n; i++) {
    int64_t from = step_cut(u->cut.start, i, lo, u->pieces), to = step_cut(u->cut.start, i, hi, u->pieces);
    if (from < to) u->fn(buf, from, to);
  }
}

static void measure(Arena *a, const Plan *p, KernelFn **fn, const PlanMemory *mem, Pool *pool, int times,
                    Row *row) {
  KernelCut *cut = ARENA_ARRAY(a, KernelCut, p->kernel.n + 1);
  for (uint32_t i = 0; i < p->kernel.n; i++) cut[i] = kernel_cut(a, p->kernel.at[i]);
  Units u = {.scratch = calloc(2, p->scratch_bytes + 1), .scratch_bytes = p->scratch_bytes};
  for (uint32_t i = 0; i < p->launch.n; i++) row[i].all = ARENA_ARRAY(a, double, times);
  FpEnv env = fpenv_enter();
  for (int k = 0; k < 2 * times; k++)
    for (uint32_t i = 0; i < p->launch.n; i++) {
      const PlanLaunch *q = &p->launch.at[i];
      if (q->kind != LAUNCH_KERNEL) continue;
      u.fn = fn[q->kernel], u.kernel = p->kernel.at[q->kernel], u.cut = cut[q->kernel];
      u.pieces = k % 2 ? step_pieces(q->estimate_ns) : 1;
      for (uint32_t j = 0; j < q->nbind; j++) {
        uint32_t b = p->bind.at[q->bind + j];
        u.buf[j] = b == PLAN_NONE ? NULL : plan_address(p, mem, b);
      }
      double t0 = now_us();
      if (k % 2)
        pool_run(pool, run_units, &u, u.pieces, q->estimate_ns);
      else
        run_units(&u, 0, 0, 1);
      double d = now_us() - t0;
      row[i].launch = q;
      if (k % 2 == 0) row[i].all[k / 2] = d;
      if (k < 2 || d < row[i].us[k % 2]) row[i].us[k % 2] = d;
    }
  fpenv_leave(env);
  free(u.scratch);
  for (uint32_t i = 0; i < p->launch.n; i++) {
    qsort(row[i].all, (size_t)times, sizeof *row[i].all, bench_by_value);
    row[i].median = row[i].all[times / 2];
  }
}

static int dearest(const void *a, const void *b) {
  double x = ((const Row *)a)->us[0], y = ((const Row *)b)->us[0];
  return (x < y) - (x > y);
}

/* What a launch must compute, and the memory it touches at least (each buffer once). */
static void show(const Plan *p, Row *row, int top) {
  double sum[2] = {0}, median = 0;
  for (uint32_t i = 0; i < p->launch.n; i++) {
    for (int k = 0; k < 2; k++) sum[k] += row[i].us[k];
    median += row[i].median;
  }
  if (top) qsort(row, p->launch.n, sizeof *row, dearest);
  printf(
      "    kernel             node  1 thread, us     median  share  2 threads  gain  GFLOP/s    GB/s  units  "
      "estimate\n");
  for (uint32_t i = 0; i < p->launch.n && (!top || i < (uint32_t)top); i++) {
    const PlanLaunch *q = row[i].launch;
    if (!q) continue;
    const Kernel *k = p->kernel.at[q->kernel];
    double touched = 0;
    for (uint32_t j = 0; j < q->nbind; j++)
      if (p->bind.at[q->bind + j] != PLAN_NONE)
        touched += (double)k->buffer[j].n * (double)dtype_bytes((DType)k->buffer[j].type);
    printf("%3u %-17.*s %%%-4u %12.1f %10.1f %5.1f%% %10.1f %5.2f %8.1f %7.1f  %-5lld %9.1f\n", i,
           (int)k->name.n, k->name.p, q->node.i, row[i].us[0], row[i].median, 100 * row[i].us[0] / sum[0],
           row[i].us[1], row[i].us[0] / row[i].us[1], q->flops * 1e-3 / row[i].us[0],
           touched * 1e-3 / row[i].us[0], (long long)q->units, (double)q->estimate_ns * 1e-3);
  }
  printf("sum %.1f us at one thread (medians: %.1f), %.1f at two; %.1f GFLOP/s of %.1f; %u launches, %u "
         "kernels\n",
         sum[0], median, sum[1], p->flops * 1e-3 / sum[0], peak_fma(1, 0, 0.2), p->launch.n, p->kernel.n);
}

static int fail(Str why) {
  fprintf(stderr, "launches: %.*s\n", (int)why.n, why.p);
  return 1;
}

static int run(const BenchModel *b, const Settings *s) {
  Arena *a = b->arena;
  Sb why;
  sb_init(&why, a);
  CodegenTarget target;
  CodegenOptions c;
  NativeCode *code;
  Plan *p;
  if (codegen_target(a, &(TargetRequest){.isa = s->isa}, &target, &why) != ST_OK) return fail(sb_str(&why));
  codegen_options_init(&c, &target);
  ExecOptions o = {.level = -1, .isa = s->isa};
  if (exec_plan(a, b->graph, &o, &p, &why) != ST_OK) return fail(sb_str(&why));
  KernelFn **fn = ARENA_ARRAY(a, KernelFn *, p->kernel.n + 1);
  KernelSet set = {p->kernel.at, p->kernel.n};
  if (codegen_compile(a, &set, &c, &code, fn, NULL, &why) != ST_OK) return fail(sb_str(&why));
  PlanMemory mem = {.leaf = b->data, .arena = mem_get(a->mem, p->arena_bytes + 1)};
  memset(mem.arena, 0, p->arena_bytes);
  Pool *pool = bench_pool(b, 2);
  if (!pool) return fail(STR("no second thread"));
  Row *row = ARENA_ARRAY(a, Row, p->launch.n);
  measure(a, p, fn, &mem, pool, s->times, row);
  show(p, row, s->top);
  pool_stop(pool);
  native_release(code);
  return 0;
}

int main(int argc, char **argv) {
  Settings s = {.times = 51};
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--entry=", 8) == 0)
      s.entry = argv[i] + 8;
    else if (strncmp(argv[i], "--isa=", 6) == 0)
      s.isa = argv[i] + 6;
    else if (strncmp(argv[i], "--times=", 8) == 0)
      s.times = atoi(argv[i] + 8);
    else if (strncmp(argv[i], "--top=", 6) == 0)
      s.top = atoi(argv[i] + 6);
    else
      s.file = argv[i];
  }
  if (!s.file || s.times < 1) {
    fprintf(stderr, "launches FILE.dg [--entry=NAME] [--isa=avx2] [--times=51] [--top=N]\n");
    return 2;
  }
  BenchModel m;
  return bench_model(s.file, s.entry, &m) ? run(&m, &s) : 1;
}
