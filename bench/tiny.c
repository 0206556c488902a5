/* A step that takes about a microsecond: through the C API, and each launch by itself. */
#include "bench/tiny.h"

#include "bench/model.h"
#include "codegen/codegen.h"
#include "passes/lower/lower.h"
#include "runtime/core/fpenv.h"

#include <dg/dg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 16, CALLS = 2000, TURNS = 101 };

static const char text[] = "import nn\n"
                           "input point: f32[16, 2] in [-1, 1]\n"
                           "input label: i32[16] in 0:2\n"
                           "let hidden = nn.Linear(2, 32)\n"
                           "let last = nn.Linear(32, 2)\n"
                           "loss ce = mean(cross_entropy(last(relu(hidden(point))), label))\n"
                           "train fit { minimize ce\n update hidden, last\n using adam(lr = 1e-3) }\n";

static int failed(const char *what, const char *why) {
  fprintf(stderr, "step tiny: %s: %s\n", what, why);
  return 1;
}

/* Nanoseconds of a step as a host takes it: median and least of many turns. */
static int through_api(const char *isa) {
  dg_context *cx = dg_context_new();
  dg_program *program = NULL;
  dg_session *s = NULL;
  float point[ROWS][2];
  int32_t label[ROWS];
  double ns[TURNS];
  for (int i = 0; i < ROWS; i++) {
    point[i][0] = (float)(i % 5) / 5;
    point[i][1] = (float)(i % 3) / 3;
    label[i] = i % 2;
  }
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.threads = 1;
  o.isa = isa;
  dg_array p = {.dtype = DG_F32, .rank = 2, .extent = {ROWS, 2}, .data = point},
           l = {.dtype = DG_I32, .rank = 1, .extent = {ROWS}, .data = label};
  if (dg_check_source(cx, "tiny.dg", text, strlen(text), &program) != DG_OK ||
      dg_session_new(program, &o, &s) != DG_OK || dg_bind(s, "point", &p) != DG_OK ||
      dg_bind(s, "label", &l) != DG_OK)
    return failed("session", dg_error(cx));
  for (int t = 0; t < TURNS; t++) {
    double t0 = bench_now();
    for (int i = 0; i < CALLS; i++)
      if (dg_step(s, "fit") != DG_OK) return failed("step", dg_error(cx));
    ns[t] = (bench_now() - t0) / CALLS * 1e9;
  }
  qsort(ns, TURNS, sizeof *ns, bench_by_value);
  printf("dg_step: %.0f ns a step (median; least %.0f)\n", ns[TURNS / 2], ns[0]);
  dg_session_free(s);
  dg_program_free(program);
  dg_context_free(cx);
  return 0;
}

/* One launch, again and again. */
static double alone(const Plan *p, const PlanMemory *m, const PlanLaunch *l, KernelFn *fn, char *scratch) {
  void *buf[KERNEL_BUFFERS];
  size_t offset[KERNEL_BUFFERS];
  double least = 1e9;
  if (plan_scratch(p->kernel.at[l->kernel], offset) > p->scratch_bytes) abort();
  for (uint32_t i = 0; i < l->nbind; i++) {
    uint32_t b = p->bind.at[l->bind + i];
    buf[i] = b == PLAN_NONE ? scratch + offset[i] : plan_address(p, m, b);
  }
  for (int t = 0; t < TURNS; t++) {
    double t0 = bench_now();
    for (int i = 0; i < CALLS; i++) fn(buf, 0, l->units);
    double ns = (bench_now() - t0) / CALLS * 1e9;
    if (ns < least) least = ns;
  }
  return least;
}

static int by_launch(const char *file, const char *isa) {
  BenchModel b;
  if (!bench_model(file, NULL, &b)) return 1;
  Arena *a = b.arena;
  Sb why;
  CodegenTarget target;
  CodegenOptions c;
  LowerOptions l;
  NativeCode *code;
  sb_init(&why, a);
  if (codegen_target(a, &(TargetRequest){.isa = isa}, &target, &why) != ST_OK) return failed("target", why.p);
  codegen_options_init(&c, &target);
  lower_options_init(&l, target.vector_bytes);
  l.cache_l1 = target.cache_l1;
  l.cache_l2 = target.cache_l2;
  Plan *p = lower_graph(a, b.graph, &l, &why);
  if (!p) return failed("lower", why.p);
  KernelFn **fn = ARENA_ARRAY(a, KernelFn *, p->kernel.n + 1);
  KernelSet set = {p->kernel.at, p->kernel.n};
  if (codegen_compile(a, &set, &c, &code, fn, NULL, &why) != ST_OK) return failed("compile", why.p);
  PlanMemory mem = {.leaf = b.data, .arena = arena_alloc(a, p->arena_bytes + 1, PLAN_ALIGN)};
  char *scratch = arena_alloc(a, p->scratch_bytes + 1, PLAN_ALIGN);
  memset(mem.arena, 0, p->arena_bytes);
  FpEnv env = fpenv_enter();
  double sum = 0;
  for (uint32_t i = 0; i < p->launch.n; i++) {
    const PlanLaunch *q = &p->launch.at[i];
    if (q->kind != LAUNCH_KERNEL) continue;
    double ns = alone(p, &mem, q, fn[q->kernel], scratch);
    Str name = p->kernel.at[q->kernel]->name;
    sum += ns;
    printf("%3u %-14.*s %6.1f ns\n", i, (int)name.n, name.p, ns);
  }
  fpenv_leave(env);
  printf("%u launches: %.0f ns by themselves\n", p->launch.n, sum);
  native_release(code);
  return 0;
}

int bench_tiny(const char *isa) {
  char file[] = "/tmp/dg_tiny_XXXXXX.dg";
  int fd = mkstemps(file, 3);
  FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
  if (!f) return failed("file", "cannot be made");
  fputs(text, f);
  fclose(f);
  int status = through_api(isa);
  if (!status) status = by_launch(file, isa);
  remove(file);
  return status;
}
