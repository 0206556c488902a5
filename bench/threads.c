/* What more threads gain on a model's step, in turns with one thread: in bursts of steps with pauses between
 * them, and while another process holds one core. threads FILE.dg [--threads=2] [--ms=20] [--pause=0]
 * [--rounds=40] [--isa=avx2] [--busy] */
#include "api/exec.h"
#include "bench/model.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Settings {
  const char *file, *isa;
  int threads, ms, pause, rounds;
  bool busy;
} Settings;

static double burst(const BenchModel *m, Exec *x, double seconds) {
  Sb why;
  sb_init(&why, m->arena);
  int n = 0;
  double from = bench_now(), t;
  do {
    if (exec_run(x, m->data, NULL, NULL, &why) != ST_OK) exit(1);
    n++;
  } while ((t = bench_now() - from) < seconds);
  return t / n * 1e3;
}

static void rest(int ms) {
  if (ms) usleep((useconds_t)ms * 1000);
}

static void show(const char *what, double *t, int n) {
  qsort(t, (size_t)n, sizeof *t, bench_by_value);
  printf("%-28s %9.3f (%.3f to %.3f)\n", what, t[n / 2], t[0], t[n - 1]);
}

static void turns(const BenchModel *m, Exec *const x[2], const Settings *s, Pool *pool) {
  double *t[2], *gain = calloc((size_t)s->rounds, sizeof *gain);
  for (int k = 0; k < 2; k++) t[k] = calloc((size_t)s->rounds, sizeof *t[k]);
  for (int i = 0; i < s->rounds; i++) {
    for (int k = 0; k < 2; k++) {
      rest(s->pause);
      t[k][i] = burst(m, x[k], s->ms * 1e-3);
    }
    gain[i] = t[0][i] / t[1][i];
  }
  char what[64];
  show("1 thread, ms a step", t[0], s->rounds);
  snprintf(what, sizeof what, "%d threads, ms a step", s->threads);
  show(what, t[1], s->rounds);
  show("gain, by round", gain, s->rounds);
  PoolStats st = pool_stats(pool);
  printf("phases: %llu split, %llu small, %llu alone after interference, %llu interfered\n",
         (unsigned long long)st.split, (unsigned long long)st.small, (unsigned long long)st.backed_off,
         (unsigned long long)st.interfered);
}

/* A process that computes on the last core and does nothing else. */
static pid_t taker(void) {
  pid_t p = fork();
  if (p) return p;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &one);
  sched_setaffinity(0, sizeof one, &one);
  for (volatile unsigned i = 0;; i++) continue;
}

int main(int argc, char **argv) {
  Settings s = {.threads = 2, .ms = 20, .rounds = 40};
  for (int i = 1; i < argc; i++) {
    const char *v = strchr(argv[i], '=');
    if (v && strncmp(argv[i], "--threads", 9) == 0)
      s.threads = atoi(v + 1);
    else if (v && strncmp(argv[i], "--ms", 4) == 0)
      s.ms = atoi(v + 1);
    else if (v && strncmp(argv[i], "--pause", 7) == 0)
      s.pause = atoi(v + 1);
    else if (v && strncmp(argv[i], "--rounds", 8) == 0)
      s.rounds = atoi(v + 1);
    else if (v && strncmp(argv[i], "--isa", 5) == 0)
      s.isa = v + 1;
    else if (strcmp(argv[i], "--busy") == 0)
      s.busy = true;
    else
      s.file = argv[i];
  }
  BenchModel m;
  if (!s.file || s.rounds < 1 || s.ms < 1) {
    fprintf(stderr,
            "threads FILE.dg [--threads=2] [--ms=20] [--pause=0] [--rounds=40] [--isa=avx2] [--busy]\n");
    return 2;
  }
  if (!bench_model(s.file, NULL, &m)) return 1;
  Pool *pool = bench_pool(&m, s.threads);
  if (!pool) return 1;
  Exec *x[2];
  Sb why;
  sb_init(&why, m.arena);
  for (int k = 0; k < 2; k++) {
    ExecOptions o = {.level = -1, .isa = s.isa, .pool = k ? pool : NULL};
    if (exec_new(m.arena, m.graph, &o, &x[k], &why) != ST_OK) {
      fprintf(stderr, "threads: %.*s\n", (int)why.n, why.p);
      return 1;
    }
    (void)burst(&m, x[k], s.ms * 1e-3);
  }
  bench_fill(&m);
  pid_t other = s.busy ? taker() : 0;
  turns(&m, x, &s, pool);
  if (other > 0) {
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
  }
  for (int k = 0; k < 2; k++) exec_free(x[k]);
  pool_stop(pool);
  return 0;
}
