#include "bench/model.h"

#include "passes/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double bench_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int bench_by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void bench_fill(const BenchModel *m) {
  const Program *p = &m->program->prog;
  uint64_t seed = 7;
  for (uint32_t i = 0; i < p->leaf.n; i++) {
    const Leaf *l = &p->leaf.at[i];
    Tensor t;
    if (!m->data[i]) {
      if (!tensor_of_type(m->arena, p->dims, &l->type, &t)) abort();
      m->data[i] = t.data;
    }
    int64_t count = 1, extent;
    for (int k = 0; k < l->type.rank; k++)
      if (dim_is_const(p->dims, l->type.dim[k], &extent)) count *= extent;
    for (int64_t j = 0; j < count; j++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      double u = (double)(seed >> 40) / 16777216.0;
      double v = l->kind == LEAF_INPUT ? u : l->kind == LEAF_PARAM ? (u - 0.5) * 0.1 : 0;
      if (l->type.dtype == DT_I32) ((int32_t *)m->data[i])[j] = l->kind == LEAF_STEP ? 1 : (int32_t)(u * 10);
      if (l->type.dtype == DT_F32) ((float *)m->data[i])[j] = (float)v;
      if (l->type.dtype == DT_F64) ((double *)m->data[i])[j] = v;
    }
  }
}

static bool fail(const char *file, Str why) {
  fprintf(stderr, "%s: %.*s\n", file, (int)why.n, why.p);
  return false;
}

bool bench_model(const char *file, const char *entry, BenchModel *out) {
  dg_context *cx = dg_context_new();
  *out = (BenchModel){0};
  if (!cx) return fail(file, STR("no memory"));
  if (dg_check_file(cx, file, &out->program) != DG_OK) return fail(file, str_z(dg_error(cx)));
  dg_program *p = out->program;
  out->arena = &p->arena;
  const Entry *e = entry ? program_entry(p, str_z(entry)) : NULL;
  if (!entry && p->prog.train.n) e = &p->prog.entry.at[p->prog.train.at[0].entry];
  if (!e) return fail(file, STR("no such entry point"));
  Sb why;
  sb_init(&why, out->arena);
  const PassOptions quiet = {0};
  Graph *g = passes_reference(out->arena, &p->prog, e, NULL, 0, &quiet, &why);
  if (!g) return fail(file, sb_str(&why));
  out->graph = passes_optimise(out->arena, g, &quiet);
  out->data = ARENA_ARRAY(out->arena, void *, p->prog.leaf.n + 1);
  arena_room(out->arena, 64 << 20); /* parameters side by side, as in a session */
  bench_fill(out);
  return true;
}

Pool *bench_pool(const BenchModel *m, int threads) {
  size_t bytes;
  if (!pool_bytes((uint32_t)threads, &bytes)) return NULL;
  return pool_start(arena_alloc(m->arena, bytes, 64), (uint32_t)threads);
}
