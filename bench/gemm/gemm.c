/* Products of training beside the best libraries: GFLOP/s of each in turns, and how dgc stands to the best
 * per shape. usage: gemm [FILE.txt...] [--threads=1,2] [--isa=avx2] [--rounds=5] [--ms=40]
 * [--only=dgc,openblas,blis,onednn] */
#include "bench/gemm/worker.h"
#include "bench/peak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PROVIDERS = 4, MOST_ROUNDS = 99 };
static const char *const provider_name[PROVIDERS] = {"dgc", "openblas", "blis", "onednn"};

typedef struct Run {
  const char *self, *isa, *only;
  int rounds;
  double ms;
  int threads;
  Worker w[PROVIDERS];
  bool here[PROVIDERS];
} Run;
typedef struct Summary {
  double log_sum, worst;
  int n;
  char worst_name[48];
} Summary;

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static double median(double *t, int n) {
  qsort(t, (size_t)n, sizeof *t, by_value);
  return t[n / 2];
}
static void rest(double ms) { /* until the threads of the last library sleep */
  struct timespec t = {0, (long)(ms * 1e6)};
  nanosleep(&t, NULL);
}

/* One line of the table. Medians of the rounds; spread: greatest over least round of dgc. */
static void shape_line(Run *r, const Shape *s, Summary *sum) {
  static double us[PROVIDERS][MOST_ROUNDS];
  bool ok[PROVIDERS];
  for (int i = 0; i < PROVIDERS; i++) {
    double e = r->here[i] ? worker_shape(&r->w[i], s) : -1;
    ok[i] = e >= 0 && e < 1e-5;
    if (r->here[i] && !ok[i])
      printf("%s: %s gives a wrong or no result (error %g)\n", s->name, r->w[i].name, e);
  }
  for (int k = 0; k < r->rounds; k++)
    for (int i = 0; i < PROVIDERS; i++) {
      if (!ok[i]) continue;
      if (r->threads > 1) rest(30);
      us[i][k] = worker_round(&r->w[i], r->ms).median_us;
    }
  printf("| %s | %lldx%lldx%lld%s%s |", s->name, (long long)s->m, (long long)s->n, (long long)s->k,
         s->ta ? " A'" : "", s->tb ? " B'" : "");
  double best = 0, mine = 0, spread = 0;
  const char *best_name = "-";
  for (int i = 0; i < PROVIDERS; i++) {
    double g = ok[i] ? shape_flops(s) * 1e-3 / median(us[i], r->rounds) : 0;
    if (i == 0) mine = g, spread = ok[0] ? us[0][r->rounds - 1] / us[0][0] : 0;
    if (i > 0 && g > best) best = g, best_name = provider_name[i];
    if (g > 0)
      printf(" %.1f |", g);
    else
      printf(" - |");
  }
  if (best == 0 || mine == 0) {
    printf(" - | - | %.2f |\n", spread);
    return;
  }
  double ratio = mine / best;
  printf(" %s | **%.2f** | %.2f |\n", best_name, ratio, spread);
  sum->log_sum += log(ratio);
  if (sum->n++ == 0 || ratio < sum->worst) {
    sum->worst = ratio;
    memcpy(sum->worst_name, s->name, sizeof sum->worst_name);
  }
}

static void table(Run *r, const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) {
    fprintf(stderr, "gemm: cannot open %s\n", path);
    exit(2);
  }
  int vector = strcmp(r->isa, "avx2") == 0 ? 32 : 0;
  printf("\n%s, %d thread%s, %s; FMA peak before %.0f GFLOP/s\n\n", path, r->threads,
         r->threads > 1 ? "s" : "", r->isa, peak_fma(r->threads, vector, 0.2));
  printf("| shape | M x N x K |");
  for (int i = 0; i < PROVIDERS; i++) printf(" %s |", provider_name[i]);
  printf(" best library | dgc / best | rounds |\n|---|---|---|---|---|---|---|---|---|\n");
  Shape s;
  Summary sum = {0};
  while (shape_read(f, &s)) {
    shape_line(r, &s, &sum);
    fflush(stdout);
  }
  fclose(f);
  if (sum.n)
    printf("\n%d shapes, %d thread%s: geometric mean %.3f of the best library, worst %.2f (%s); peak after "
           "%.0f\n",
           sum.n, r->threads, r->threads > 1 ? "s" : "", exp(sum.log_sum / sum.n), sum.worst, sum.worst_name,
           peak_fma(r->threads, vector, 0.2));
}

static void start(Run *r) {
  for (int i = 0; i < PROVIDERS; i++) {
    r->here[i] = (!r->only || strstr(r->only, provider_name[i])) &&
                 worker_start(&r->w[i], r->self, provider_name[i], r->threads, r->isa);
    printf("%s: %s\n", provider_name[i],
           r->only && !strstr(r->only, provider_name[i]) ? "left out" : r->w[i].about);
  }
}

int main(int argc, char **argv) {
  Run r = {.self = "/proc/self/exe", .isa = "best", .rounds = 5, .ms = 40};
  const char *threads = "1,2", *files[8];
  int n = 0;
  if (argc == 5 && strcmp(argv[1], "--worker") == 0) return worker_main(argv[2], atoi(argv[3]), argv[4]);
  for (int i = 1; i < argc; i++) {
    const char *a = argv[i];
    if (strncmp(a, "--threads=", 10) == 0)
      threads = a + 10;
    else if (strncmp(a, "--isa=", 6) == 0)
      r.isa = a + 6;
    else if (strncmp(a, "--rounds=", 9) == 0)
      r.rounds = atoi(a + 9);
    else if (strncmp(a, "--ms=", 5) == 0)
      r.ms = atof(a + 5);
    else if (strncmp(a, "--only=", 7) == 0)
      r.only = a + 7;
    else if (a[0] != '-' && n < 8)
      files[n++] = a;
    else {
      fprintf(stderr, "gemm: '%s' is not an option; see bench/gemm/README.md\n", a);
      return 2;
    }
  }
  if (r.rounds < 1 || r.rounds > MOST_ROUNDS || n == 0) {
    fprintf(stderr,
            "usage: gemm FILE.txt... [--threads=1,2] [--isa=avx2] [--rounds=5] [--ms=40] [--only=NAMES]\n");
    return 2;
  }
  for (const char *t = threads; *t; t += strcspn(t, ","), t += *t == ',') {
    r.threads = atoi(t);
    start(&r);
    for (int i = 0; i < n; i++) table(&r, files[i]);
    for (int i = PROVIDERS; i-- > 0;) /* the last first: it holds the pipes of those before it */
      if (r.here[i]) worker_stop(&r.w[i]);
  }
  return 0;
}
