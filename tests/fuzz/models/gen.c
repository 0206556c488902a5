/* The generator's ground: random numbers, the text, and a program put together. */
#include "gen.h"

#include <stdarg.h>

enum { ELEMENTS = 3 }; /* elementwise statements that open a program */

const char *const gval_type[] = {"f32", "f64", "i32", "i64", "bool"};

uint32_t gen_next(Gen *g, uint32_t n) { /* splitmix64 */
  uint64_t x = g->seed += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return (uint32_t)((x ^ x >> 31) >> 33) % n;
}

int gen_turn(Gen *g, FormTable t, int n) {
  if (!g->opening) return (int)gen_next(g, (uint32_t)n);
  return (int)((g->turn * (t == TABLE_ELEMENT ? ELEMENTS : 1) + g->used[t]++) % n);
}

void gen_feature(Gen *g, Feature f) { g->seen[f / 64] |= UINT64_C(1) << f % 64; }

void say(Gen *g, const char *f, ...) {
  va_list ap;
  va_start(ap, f);
  int n = vsnprintf(g->text + g->len, TEXT - g->len, f, ap);
  va_end(ap);
  g->len = n < 0 || g->len + (size_t)n >= TEXT ? TEXT - 1 : g->len + (size_t)n;
}

Val gen_keep(Gen *g, Val v, const char *name) {
  uint32_t at =
      g->n < POOL ? (uint32_t)g->n++ : gen_next(g, POOL); /* when it is full, an old one makes room */
  snprintf(v.name, sizeof v.name, "%s", name);
  for (int i = 0; i < v.rank; i++) {
    long e = ext_value(g, v.dim[i]);
    if (e >= 1 && e <= 3) gen_feature(g, e == 1 ? FEAT_extent_1 : e == 2 ? FEAT_extent_2 : FEAT_extent_3);
    if (!ext_fixed(v.dim[i]) && v.dim[i].one + v.dim[i].n + v.dim[i].m + v.dim[i].nm != 1)
      gen_feature(g, FEAT_dim_arithmetic);
    if (v.dim[i].nm) gen_feature(g, FEAT_dim_product);
  }
  if (v.rank == 5) gen_feature(g, FEAT_deep_rank);
  return g->pool[at] = v;
}

Val gen_let(Gen *g, Val s, const char *f, ...) {
  char e[2048], name[NAME];
  va_list ap;
  va_start(ap, f);
  vsnprintf(e, sizeof e, f, ap);
  va_end(ap);
  snprintf(name, sizeof name, "v%d", g->made++);
  say(g, "let %s = %s\n", name, e);
  return gen_keep(g, s, name);
}

const char *gen_scalar(Gen *g, const Val *v, char *to, size_t n) {
  static const char *const form[] = {"mean(tanh(%s)^2)", "mean(sigmoid(%s))", "mean(tanh(%s))",
                                     "tanh(mean(%s))",   "mean(sin(%s))",     "mean(abs(tanh(%s)))"};
  char real[NAME + 16], e[NAME + 64];
  snprintf(real, sizeof real, v->type == g->dt ? "%s" : "%s(%s)",
           v->type == g->dt ? v->name : gval_type[g->dt], v->name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  snprintf(e, sizeof e, GEN_ONE(g, form), real);
#pragma GCC diagnostic pop
  snprintf(to, n, "%s", e);
  return to;
}

/* ---- inputs ---- */

static void input(Gen *g, const char *name, Val v, const char *range) {
  char d[80];
  say(g, "input %s: %s%s%s\n", name, gval_type[v.type], dims_text(g, &v, d), range);
  gen_keep(g, v, name);
}

static void gen_inputs(Gen *g) {
  Dim n = {.n = 1}, m = {.m = 1}, a = ext_of(g->size[0]), b = ext_of(g->size[1]);
  char range[32];
  if (g->konst[0]) say(g, "const K0 = %d\n", g->konst[0]), gen_feature(g, FEAT_named_extent);
  if (g->konst[1]) say(g, "const K1 = %d\n", g->konst[1]);
  input(g, "x", gval_matrix(g->dt, n, a), "");
  input(g, "z", gval_matrix(g->dt, a, b), "");
  snprintf(range, sizeof range, " in 0:%d", g->classes);
  input(g, "label", (Val){.type = I32, .rank = 1, .dim = {n}}, range);
  gen_feature(g, FEAT_i32_data), gen_feature(g, FEAT_range_declared);
  if (g->M) {
    gen_feature(g, FEAT_two_symbols);
    input(g, "y", gval_matrix(gen_one_in(g, 2) ? g->dt : !g->dt, m, b), "");
    if (gen_one_in(g, 2)) {
      input(g, "both", gval_matrix(g->dt, n, m), "");
      if (gen_one_in(g, 2))
        gen_let(g, (Val){.type = g->dt, .rank = 1, .dim = {{.nm = 1}}}, "sin(reshape(both, [N*M]))");
    }
    if (!g->has_data && gen_one_in(g, 3))
      input(g, "wide", gval_matrix(g->dt, (Dim){.n = 1, .one = 2}, (Dim){.m = 2}), "");
  }
  if (gen_one_in(g, 2))
    input(g, "q", gval_matrix(I64, n, a), gen_one_in(g, 2) ? "" : " in -3:9"), gen_feature(g, FEAT_i64_data);
  if (gen_one_in(g, 2)) input(g, "flag", gval_matrix(BOOLEAN, n, a), ""), gen_feature(g, FEAT_bool_data);
  if (gen_one_in(g, 3))
    input(g, "other", gval_matrix(!g->dt, n, a), gen_one_in(g, 2) ? "" : " in [-1, 2]"),
        gen_feature(g, FEAT_mixed_floats);
  if (gen_one_in(g, 3)) input(g, "count", (Val){.type = I32, .rank = 1, .dim = {b}}, " in -5:5");
  if (gen_one_in(g, 3)) { /* of memory only: read by a conversion, or as f32 */
    char d[80];
    Val v = gval_matrix(gen_one_in(g, 3) ? I32 : F32, n, a);
    say(g, "input bytes: u8%s%s\n", dims_text(g, &v, d), gen_one_in(g, 2) ? "" : " in 0:100");
    gen_let(g, v, v.type == I32 ? "i32(bytes) - 100" : "f32(bytes) / 64");
    gen_feature(g, FEAT_byte_data);
  }
  if (gen_one_in(g, 3)) {
    char d[80];
    Val v = gval_matrix(F32, n, a);
    say(g, "input half: bf16%s%s\n", dims_text(g, &v, d), gen_one_in(g, 2) ? "" : " in [-1, 2]");
    gen_keep(g, v, "half");
    gen_feature(g, FEAT_half_data);
  }
}

/* ---- a program ---- */

typedef void Statement(Gen *g);
static Statement *const statement[] = {gen_element, gen_element, gen_element, gen_stretch, gen_reduce,
                                       gen_row,     gen_product, gen_move,    gen_window,  gen_image,
                                       gen_layer,   gen_decl,    gen_loop};
enum { STATEMENTS = sizeof statement / sizeof *statement };

static void gen_begin(Gen *g, long turn) {
  static const int rows[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 33};
  memset(g, 0, sizeof *g);
  g->turn = turn;
  g->seed =
      ((uint64_t)turn + 1) * 0xd1342543de82ef95u; /* not splitmix64's own step: neighbours would share */
  g->N = gen_one_in(g, 16) ? 65 + (int)gen_next(g, 70) : GEN_ONE(g, rows);
  g->M = gen_one_in(g, 2) ? 1 + (int)gen_next(g, 9) : 0;
  g->dt = gen_one_in(g, 2) ? F64 : F32;
  g->most = SMALL;
  for (int i = 0; i < 3; i++) g->size[i] = gen_size(g);
  for (int i = 0; i < 2; i++) g->konst[i] = gen_one_in(g, 3) && g->size[i] > 1 ? g->size[i] : 0;
  g->classes = 2 + (int)gen_next(g, 6);
}

static void gen_body(Gen *g) {
  int weight[STATEMENTS], sum = 0, steps = 3 + (int)gen_next(g, 10);
  for (int i = 0; i < STATEMENTS; i++)
    sum += weight[i] = gen_one_in(g, 3) ? 5 : 1; /* each run has favourites */
  gen_param(g, gval_matrix(g->dt, ext_of(g->size[0]), ext_of(g->size[1])));
  g->opening = true;
  for (int i = 0; i < ELEMENTS; i++) gen_element(g);
  for (int i = 3; i < STATEMENTS; i++) statement[i](g); /* behind the elements */
  g->opening = false;
  for (int i = 0; i < steps; i++) {
    int at = (int)gen_next(g, (uint32_t)sum), k = 0;
    while (at >= weight[k]) at -= weight[k++];
    statement[k](g);
  }
}

static void gen_finish(const Gen *g, Case *c) {
  memset(c, 0, sizeof *c);
  c->N = g->N, c->M = g->M, c->rows = g->has_data ? g->N * 2 + (int)(g->turn % 3) : 0;
  c->data = (unsigned long)g->turn, c->specials = !g->has_data && g->turn % 6 == 5, c->no_duals = g->no_duals;
  case_write(c, g->text, c->text, sizeof c->text);
}

void gen_program(Gen *g, long turn) {
  gen_begin(g, turn);
  g->large = turn % 40 == 39;
  g->has_data = turn % 10 == 4;
  if (g->large) {
    gen_large(g);
    return;
  }
  gen_inputs(g);
  gen_library(g);
  gen_loop_library(g);
  gen_body(g);
  gen_steps(g);
}

void gen_model(Gen *g, long turn, Case *c) {
  gen_program(g, turn);
  gen_finish(g, c);
  if (c->specials) gen_feature(g, FEAT_specials);
  for (int f = 0; f < FEATURES; f++)
    if (g->seen[f / 64] >> f % 64 & 1) cover_feature((Feature)f);
}
