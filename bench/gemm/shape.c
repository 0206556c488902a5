#include "bench/gemm/shape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool shape_read(FILE *f, Shape *s) {
  char line[200];
  while (fgets(line, sizeof line, f)) {
    long long m, n, k;
    int ta, tb;
    if (sscanf(line, "%47s %lld %lld %lld %d %d", s->name, &m, &n, &k, &ta, &tb) != 6 || s->name[0] == '#')
      continue;
    s->m = m, s->n = n, s->k = k, s->ta = ta != 0, s->tb = tb != 0;
    return true;
  }
  return false;
}
double shape_flops(const Shape *s) { return 2.0 * (double)s->m * (double)s->n * (double)s->k; }

static float *numbers(size_t n, uint32_t seed) {
  float *p = aligned_alloc(64, (n * sizeof *p + 4159) & ~(size_t)63);
  for (size_t i = 0; p && i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    p[i] = (float)((int32_t)(seed >> 8) - (1 << 23)) * (1.0F / (1 << 23));
  }
  return p;
}
bool operands_new(const Shape *s, Operands *o) {
  o->a = numbers((size_t)s->m * (size_t)s->k, 1);
  o->b = numbers((size_t)s->k * (size_t)s->n, 2);
  o->c = numbers((size_t)s->m * (size_t)s->n, 3);
  if (o->a && o->b && o->c) return true;
  operands_free(o);
  return false;
}
void operands_free(Operands *o) {
  free(o->a);
  free(o->b);
  free(o->c);
  memset(o, 0, sizeof *o);
}
double operands_error(const Shape *s, const Operands *o, const float *c) {
  double worst = 0;
  for (int64_t z = 0; z < 64; z++) {
    int64_t i = z * 7919 % s->m, j = z * 104729 % s->n;
    double sum = 0, size = 1e-30;
    for (int64_t k = 0; k < s->k; k++) {
      double t =
          (double)o->a[s->ta ? k * s->m + i : i * s->k + k] * o->b[s->tb ? j * s->k + k : k * s->n + j];
      sum += t;
      size += fabs(t);
    }
    double e = fabs(sum - c[i * s->n + j]) / size;
    if (!(e <= worst)) worst = e;
  }
  return worst;
}

double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
