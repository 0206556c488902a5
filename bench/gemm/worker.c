#include "bench/gemm/worker.h"

#include "bench/gemm/product.h"
#include "bench/gemm/provider.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

bool worker_start(Worker *w, const char *self, const char *name, int threads, const char *isa) {
  int to[2], from[2];
  char number[16];
  *w = (Worker){.name = name};
  snprintf(number, sizeof number, "%d", threads);
  if (pipe(to) || pipe(from)) return false;
  w->pid = fork();
  if (w->pid == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    close(to[1]);
    close(from[0]);
    execl(self, self, "--worker", name, number, isa, (char *)NULL);
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  w->to = fdopen(to[1], "w");
  w->from = fdopen(from[0], "r");
  if (w->pid < 0 || !w->to || !w->from || !fgets(w->about, sizeof w->about, w->from)) return false;
  w->about[strcspn(w->about, "\n")] = 0;
  bool ok = w->about[0] == '+';
  memmove(w->about, w->about + 1, strlen(w->about));
  return ok;
}
void worker_stop(Worker *w) {
  if (w->to) fclose(w->to);
  if (w->from) fclose(w->from);
  if (w->pid > 0) waitpid(w->pid, NULL, 0);
}
static bool ask(const Worker *w, const char *line, double *x, double *y) {
  char answer[200];
  if (fputs(line, w->to) < 0 || fflush(w->to)) return false;
  return fgets(answer, sizeof answer, w->from) && sscanf(answer, "%lf %lf", x, y) == 2;
}
double worker_shape(const Worker *w, const Shape *s) {
  char line[200];
  double error, unused;
  snprintf(line, sizeof line, "%s %lld %lld %lld %d %d\n", s->name, (long long)s->m, (long long)s->n,
           (long long)s->k, s->ta, s->tb);
  return ask(w, line, &error, &unused) ? error : -1;
}
WorkerTime worker_round(const Worker *w, double ms) {
  char line[64];
  WorkerTime t = {0};
  snprintf(line, sizeof line, "run %g\n", ms);
  if (!ask(w, line, &t.median_us, &t.least_us)) return (WorkerTime){0};
  return t;
}

/* ---- the worker's own side ---- */
typedef struct Work {
  const Provider *provider; /* NULL: dgc */
  Product *product;
  const char *isa;
  Pool *pool;
  Shape s;
  Operands o;
} Work;
static void run(const Work *w) {
  if (w->provider)
    provider_run(w->provider, &w->s, &w->o);
  else
    product_run(w->product);
}
static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static long preempted(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return r.ru_nivcsw;
}
/* Repetitions in which a thread lost its core are dropped, unless that leaves too few. */
static void repeat(const Work *w, double ms) {
  enum { MOST = 100000, FEW = 5 };
  static double t[MOST]; /* of this process alone */
  int n = 0;
  for (double t0 = seconds_now(); seconds_now() - t0 < ms * 0.1e-3;) run(w); /* caches and clocks */
  double start = seconds_now();
  do {
    long before = preempted();
    double t0 = seconds_now();
    run(w);
    t0 = seconds_now() - t0;
    if (preempted() == before || seconds_now() - start > ms * 4e-3) t[n++] = t0;
  } while (n < MOST && (n < FEW || seconds_now() - start < ms * 1e-3));
  qsort(t, (size_t)n, sizeof *t, by_value);
  printf("%.4f %.4f\n", t[n / 2] * 1e6, t[0] * 1e6);
}
static void prepare(Work *w) {
  product_free(w->product);
  operands_free(&w->o);
  w->product = NULL;
  bool ok = operands_new(&w->s, &w->o);
  if (ok && !w->provider) ok = (w->product = product_new(&w->s, &w->o, w->isa, w->pool)) != NULL;
  if (ok) run(w);
  printf("%.3g %g\n",
         ok ? operands_error(&w->s, &w->o, w->provider ? w->o.c : product_result(w->product)) : -1,
         ok && w->product ? product_compile_ms(w->product) : 0.0);
}
int worker_main(const char *name, int threads, const char *isa) {
  Work w = {.isa = strcmp(isa, "best") == 0 ? NULL : isa};
  const char *why = "";
  cpu_set_t all, one;
  if (threads == 1 && sched_getaffinity(0, sizeof all, &all) == 0) { /* the same core for all */
    CPU_ZERO(&one);
    for (int i = CPU_SETSIZE - 1; i >= 0 && CPU_COUNT(&one) == 0; i--)
      if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  __builtin_cpu_init();
  provider_set_kernels(!(w.isa && strcmp(w.isa, "avx2") == 0) && __builtin_cpu_supports("avx512f"));
  if (strcmp(name, "dgc") == 0)
    w.pool = product_pool(threads);
  else if (!(w.provider = provider_open(name, threads, &why))) {
    printf("-%s\n", why);
    return 0;
  }
  printf("+%s\n", w.provider ? provider_about(w.provider) : "dgc " DG_VERSION);
  fflush(stdout);
  char line[200];
  double ms;
  while (fgets(line, sizeof line, stdin)) {
    int ta, tb;
    long long m, n, k;
    if (sscanf(line, "run %lf", &ms) == 1)
      repeat(&w, ms);
    else if (sscanf(line, "%47s %lld %lld %lld %d %d", w.s.name, &m, &n, &k, &ta, &tb) == 6) {
      w.s.m = m, w.s.n = n, w.s.k = k, w.s.ta = ta != 0, w.s.tb = tb != 0;
      prepare(&w);
    }
    fflush(stdout);
  }
  return 0;
}
