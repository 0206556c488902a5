/* Dims, shapes, and the pool they are looked up in. */
#include "gen.h"

long ext_value(const Gen *g, Dim d) {
  return d.one + (long)d.n * g->N + (long)d.m * g->M + (long)d.nm * g->N * g->M;
}
bool ext_equal(Dim a, Dim b) { return a.one == b.one && a.n == b.n && a.m == b.m && a.nm == b.nm; }
Dim ext_add(Dim a, Dim b) { return (Dim){a.one + b.one, a.n + b.n, a.m + b.m, a.nm + b.nm}; }
bool ext_mul(Dim a, Dim b, Dim *out) {
  if (ext_fixed(a)) {
    *out = (Dim){a.one * b.one, a.one * b.n, a.one * b.m, a.one * b.nm};
    return true;
  }
  if (ext_fixed(b)) return ext_mul(b, a, out);
  if (a.nm || b.nm || (a.n && b.n) || (a.m && b.m)) return false;
  *out = (Dim){a.one * b.one, a.one * b.n + a.n * b.one, a.one * b.m + a.m * b.one, a.n * b.m + a.m * b.n};
  return true;
}

const char *ext_text(const Gen *g, Dim d, char *to) {
  static const char *const symbol[] = {"N", "M", "N*M"};
  int by[] = {d.n, d.m, d.nm};
  size_t n = 0;
  if (ext_fixed(d)) {
    for (int i = 0; i < 2; i++)
      if (g->konst[i] && d.one == g->konst[i]) return sprintf(to, "K%d", i), to;
    return sprintf(to, "%d", d.one), to;
  }
  for (int i = 0; i < 3; i++) {
    if (!by[i]) continue;
    if (n) n += (size_t)sprintf(to + n, " + ");
    n += (size_t)(by[i] == 1 ? sprintf(to + n, "%s", symbol[i]) : sprintf(to + n, "%d*%s", by[i], symbol[i]));
  }
  if (d.one) sprintf(to + n, d.one < 0 ? " - %d" : " + %d", d.one < 0 ? -d.one : d.one);
  return to;
}
const char *shape_text(const Gen *g, const Val *v, char *to) {
  size_t n = 1;
  strcpy(to, "[");
  for (int i = 0; i < v->rank; i++) {
    char d[48];
    n += (size_t)sprintf(to + n, "%s%s", i ? ", " : "", ext_text(g, v->dim[i], d));
  }
  strcpy(to + n, "]");
  return to;
}
const char *dims_text(const Gen *g, const Val *v, char *to) {
  return v->rank ? shape_text(g, v, to) : strcpy(to, "");
}

long gval_count(const Gen *g, const Val *v) {
  long n = 1;
  for (int i = 0; i < v->rank; i++) n *= ext_value(g, v->dim[i]);
  return n;
}
bool same_shape(const Val *a, const Val *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (!ext_equal(a->dim[i], b->dim[i])) return false;
  return true;
}

Val gval_shape(ValType t, int rank, Dim a, Dim b, Dim c, Dim d) {
  return (Val){.type = t, .rank = rank, .dim = {a, b, c, d}};
}
Val gval_row(ValType t, int a) { return (Val){.type = t, .rank = 1, .dim = {ext_of(a)}}; }
Val gval_matrix(ValType t, Dim a, Dim b) { return (Val){.type = t, .rank = 2, .dim = {a, b}}; }
Val gval_without(Val v, int axis) {
  for (int i = axis; i + 1 < v.rank; i++) v.dim[i] = v.dim[i + 1];
  v.rank--;
  return v;
}
Val gval_typed(Val v, ValType t) {
  if (t != SAME) v.type = t;
  return v;
}
bool gval_in(const Val *v, Class c) {
  switch (c) {
  case ANY: return true;
  case REAL: return is_real(v->type);
  case INTEGER: return is_int(v->type);
  case TRUTH: return v->type == BOOLEAN;
  case SINGLE: return v->type == F32;
  }
  return false;
}

int gen_size(Gen *g) {
  static const int some[] = {1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 13, 16, 17, 20, 33};
  if (g->size[0] && !gen_one_in(g, 3)) return g->size[gen_next(g, 3)] ? g->size[0] : 3;
  return gen_one_in(g, 16) ? 64 + (int)gen_next(g, 70) : GEN_ONE(g, some);
}

static bool fits(const Val *v, Class c, int rank) {
  return gval_in(v, c) && (v->rank == rank || rank == -1 || (rank == -2 && v->rank > 0));
}

/* A value of that class and rank that is not there yet. */
static Val made(Gen *g, Class c, int rank) {
  ValType t = c == INTEGER  ? (gen_one_in(g, 2) ? I64 : I32)
              : c == TRUTH  ? BOOLEAN
              : c == SINGLE ? F32
                            : g->dt;
  Val v = {.type = t, .rank = rank < 0 ? 1 + (int)gen_next(g, 2) : rank};
  char d[80];
  for (int i = 0; i < v.rank; i++) v.dim[i] = ext_of(v.rank > 2 ? 1 + (int)gen_next(g, 4) : gen_size(g));
  if (c == REAL || c == ANY || c == SINGLE) return gen_param(g, v);
  if (v.rank == 0) {
    Val x = gen_pick(g, REAL, -2);
    return t == BOOLEAN ? gen_let(g, v, "max(%s) > 0.5", x.name)
                        : gen_let(g, v, "%s(3 * tanh(mean(%s)))", gval_type[t], x.name);
  }
  shape_text(g, &v, d);
  if (t == BOOLEAN) return gen_let(g, v, "normal(shape = %s) > 0.25", d);
  return gen_let(g, v, "%s(4 * tanh(normal(shape = %s)))", gval_type[t], d);
}

Val gen_pick(Gen *g, Class c, int rank) {
  for (int i = 0; i < 60 && g->n; i++) {
    Val v = g->pool[g->n > 12 && gen_next(g, 3) ? (uint32_t)g->n - 1 - gen_next(g, 12)
                                                : gen_next(g, (uint32_t)g->n)];
    if (fits(&v, c, rank)) return v;
  }
  return made(g, c, rank);
}
Val gen_like(Gen *g, const Val *v) {
  for (int i = 0; i < 30; i++) {
    Val w = g->pool[gen_next(g, (uint32_t)g->n)];
    if (w.type == v->type && same_shape(v, &w)) return w;
  }
  return *v;
}

static void start_table(Gen *g, const Val *s, char *to) { /* a literal of that shape */
  int n = s->rank == 2 ? s->dim[0].one : 1, m = s->dim[s->rank - 1].one;
  size_t at = (size_t)sprintf(to, s->rank == 2 ? "= [" : "= ");
  for (int i = 0; i < n; i++) {
    at += (size_t)sprintf(to + at, i ? ", [" : "[");
    for (int k = 0; k < m; k++)
      at += (size_t)sprintf(to + at, "%s%d.%d",
                            k                  ? ", "
                            : gen_one_in(g, 2) ? "-"
                                               : "",
                            (int)gen_next(g, 2), (int)gen_next(g, 10));
    at += (size_t)sprintf(to + at, "]");
  }
  if (s->rank == 2) sprintf(to + at, "]");
}

Val gen_param(Gen *g, Val s) {
  static const char *const start[] = {"~ normal(0, 0.6)", "~ uniform(-1, 1)", "~ glorot_uniform()",
                                      "~ he_normal()",    "~ lecun_normal()", "~ glorot_normal(gain = 0.5)",
                                      "~ he_uniform()",   "= 0.25",           "= 0",
                                      "~ ones()",         "~ zeros()",        "~ full(0.5)"};
  enum { STARTS = sizeof start / sizeof *start };
  char d[80], name[NAME], table[512] = "";
  snprintf(name, sizeof name, "p%d", g->made++);
  bool frozen = g->params > 1 && gen_one_in(g, 12), opening = g->opening;
  if (frozen) gen_feature(g, FEAT_frozen_param);
  g->opening = true; /* initial values are walked, too */
  const char *init = s.rank ? start[gen_turn(g, TABLE_START, STARTS)] : "= 0.75";
  g->opening = opening;
  bool fixed = s.rank == 1 || s.rank == 2;
  for (int i = 0; i < s.rank; i++) fixed = fixed && ext_fixed(s.dim[i]) && s.dim[i].one < 6;
  if (fixed && gen_one_in(g, 4)) start_table(g, &s, table), init = table, gen_feature(g, FEAT_literal_table);
  if (s.rank == 2 && ext_equal(s.dim[0], s.dim[1]) && gen_one_in(g, 2))
    init = gen_one_in(g, 2) ? "~ orthogonal()" : "~ identity()";
  bool half = s.type == F32 && gen_one_in(g, 4);
  if (half) gen_feature(g, FEAT_half_param);
  say(g, "%sparam %s: %s%s %s\n", frozen ? "frozen " : "", name, half ? "bf16" : gval_type[s.type],
      dims_text(g, &s, d), init);
  Val v = gen_keep(g, s, name);
  if (!frozen) g->trains[s.type] = true;
  if (!frozen && g->params < PARAMS) g->param[g->params++] = v;
  return v;
}
