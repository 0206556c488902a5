/* Looks for holes: each of M, N, K over awkward sizes while the other two stay, all transposes; a shape that
 * reaches less than half of what both its neighbours reach is a hole, less than half of one of them a dip.
 * But not one that takes no more than a quarter longer than writing its result takes memset in the same run.
 * usage: sweep [--others=256] [--isa=avx2] [--threads=1] [--ms=4] [--all] */
#include "bench/gemm/product.h"
#include "bench/peak.h"

#include <stdlib.h>
#include <string.h>

static const int sizes[] = {1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,  15,
                            16,  17,  31,  32,  33,  47,  48,  49,  63,  64,  65,  95,  96,  97,  127,
                            128, 129, 130, 255, 256, 257, 499, 503, 509, 511, 512, 513, 991, 997, 1009};
enum { SIZES = sizeof sizes / sizeof *sizes };
typedef struct Sweep {
  const char *isa;
  Pool *pool;
  int64_t others;
  double ms, peak;
  bool all;
  int holes, dips, writes, shapes;
} Sweep;

static double gflops(const Sweep *w, const Shape *s) {
  Operands o;
  if (!operands_new(s, &o)) exit(1);
  Product *p = product_new(s, &o, w->isa, w->pool);
  if (!p) exit(1);
  product_run(p);
  double best = 1e9, start = seconds_now(), error = operands_error(s, &o, product_result(p));
  if (!(error < 1e-5)) printf("%s: wrong result, error %g\n", s->name, error);
  for (int n = 0; n < 5 || seconds_now() - start < w->ms * 1e-3;
       n++) { /* the least: other work does not count */
    double t = seconds_now();
    product_run(p);
    t = seconds_now() - t;
    if (t < best) best = t;
  }
  product_free(p);
  operands_free(&o);
  return shape_flops(s) * 1e-9 / best;
}

typedef float Vector __attribute__((vector_size(32)));
__attribute__((target("avx2"), noinline)) static void write_all(Vector *p, size_t n, float x) {
  for (size_t i = 0; i < n; i++) p[i] = (Vector){x, x, x, x, x, x, x, x};
}

/* Seconds to write as many bytes as the result has, the least of many times. */
static double write_seconds(const Sweep *w, const Shape *s) {
  size_t n = (size_t)(s->m * s->n) * sizeof(float) / sizeof(Vector) + 1;
  Vector *p = aligned_alloc(64, (n + 1) / 2 * 64);
  if (!p) exit(1);
  double best = 1e9, start = seconds_now();
  for (int i = 0; i < 5 || seconds_now() - start < w->ms * 1e-3; i++) {
    double t = seconds_now();
    write_all(p, n, (float)i);
    t = seconds_now() - t;
    if (t < best) best = t;
  }
  free(p);
  return best;
}

static void line(Sweep *w, int axis, bool ta, bool tb) {
  double g[SIZES];
  Shape s[SIZES];
  for (int i = 0; i < SIZES; i++) {
    s[i] = (Shape){.m = w->others, .n = w->others, .k = w->others, .ta = ta, .tb = tb};
    *(axis == 0 ? &s[i].m : axis == 1 ? &s[i].n : &s[i].k) = sizes[i];
    snprintf(s[i].name, sizeof s[i].name, "%lldx%lldx%lld%s%s", (long long)s[i].m, (long long)s[i].n,
             (long long)s[i].k, ta ? " A'" : "", tb ? " B'" : "");
    g[i] = gflops(w, &s[i]);
  }
  for (int i = 0; i < SIZES; i++) {
    double before = g[i ? i - 1 : 1], after = g[i + 1 < SIZES ? i + 1 : i - 1];
    double low = before < after ? before : after, high = before < after ? after : before;
    for (int again = 0; again < 2 && g[i] < high / 2; again++) {
      double more = gflops(w, &s[i]);
      if (more > g[i]) g[i] = more;
    }
    bool hole = g[i] < low / 2, dip = g[i] < high / 2;
    bool write = (hole || dip) && shape_flops(&s[i]) * 1e-9 / g[i] < 1.25 * write_seconds(w, &s[i]);
    w->holes += hole && !write;
    w->dips += dip && !hole && !write;
    w->writes += write;
    w->shapes++;
    if (hole || dip || w->all)
      printf("%-22s %7.1f GFLOP/s, %4.1f %% of peak; neighbours %.1f, %.1f%s\n", s[i].name, g[i],
             100 * g[i] / w->peak, before, after,
             write  ? "  as fast as writes"
             : hole ? "  HOLE"
             : dip  ? "  dip"
                    : "");
  }
  fflush(stdout);
}

int main(int argc, char **argv) {
  Sweep w = {.others = 256, .ms = 4};
  int threads = 1;
  for (int i = 1; i < argc; i++) {
    const char *a = argv[i];
    if (strncmp(a, "--others=", 9) == 0)
      w.others = atoi(a + 9);
    else if (strncmp(a, "--isa=", 6) == 0)
      w.isa = a + 6;
    else if (strncmp(a, "--threads=", 10) == 0)
      threads = atoi(a + 10);
    else if (strncmp(a, "--ms=", 5) == 0)
      w.ms = atof(a + 5);
    else if (strcmp(a, "--all") == 0)
      w.all = true;
    else {
      fprintf(stderr, "usage: sweep [--others=256] [--isa=avx2] [--threads=1] [--ms=4] [--all]\n");
      return 2;
    }
  }
  w.pool = product_pool(threads);
  w.peak = peak_fma(threads, w.isa && strcmp(w.isa, "avx2") == 0 ? 32 : 0, 0.3);
  for (int axis = 0; axis < 3; axis++)
    for (int t = 0; t < 4; t++) line(&w, axis, t & 1, t & 2);
  printf(
      "%d shapes, the others %lld, %d thread%s, peak %.0f GFLOP/s: %d holes, %d dips, %d as fast as writes\n",
      w.shapes, (long long)w.others, threads, threads > 1 ? "s" : "", w.peak, w.holes, w.dips, w.writes);
  return w.holes > 0;
}
