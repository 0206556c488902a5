/* Loops and choices of the language: their values against the same loops in C, gradients against differences.
 */
#include "elab_kit.h"

#include <math.h>

static Elk k;

/* The predict graph of a program, T bound; ends when there is none. */
static Graph *predicts(const char *text, DimBinding *bind, int64_t steps) {
  elk_of(&k, text);
  Str m = elk_messages(&k);
  ck_assert_msg(k.ok, "%.*s", (int)m.n, m.p);
  *bind = (DimBinding){names_add(&k.names, STR("T")), steps};
  for (uint32_t e = 0; e < k.p.entry.n; e++) {
    if (k.p.entry.at[e].kind != ENTRY_PREDICT) continue;
    PassOptions quiet = {0};
    Sb why;
    sb_init(&why, &k.arena);
    Graph *g = passes_reference(&k.arena, &k.p, &k.p.entry.at[e], bind, 1, &quiet, &why);
    ck_assert_msg(g != NULL, "%.*s", (int)why.n, why.p);
    return g;
  }
  ck_abort_msg("no outputs");
}

static Tensor *leaves(const DimBinding *bind) {
  Tensor *leaf = ARENA_ARRAY(&k.arena, Tensor, k.p.leaf.n + 1);
  for (uint32_t l = 0; l < k.p.leaf.n; l++) {
    Type t = k.p.leaf.at[l].type;
    for (int d = 0; d < t.rank; d++) t.dim[d] = dim_bind(k.p.dims, t.dim[d], bind, 1);
    ck_assert(tensor_of_type(&k.arena, k.p.dims, &t, &leaf[l]));
  }
  return leaf;
}

/* The first element of each output, T bound; leaves are given by name order: x[i] = 0.1 * (i + 1), scalars
 * 0.7. */
static double out[8];

static void run(const char *text, int64_t steps) {
  DimBinding bind;
  PassOptions quiet = {0};
  Graph *g = predicts(text, &bind, steps), *o = passes_optimise(&k.arena, g, &quiet);
  Interp it[2] = {{.graph = g}, {.graph = o}};
  for (int i = 0; i < 2; i++) {
    it[i].mode = INTERP_NATIVE;
    it[i].arena = &k.arena;
    it[i].leaf = leaves(&bind);
    for (uint32_t l = 0; l < k.p.leaf.n; l++) {
      Type t = k.p.leaf.at[l].type;
      for (size_t n = 0; n < it[i].leaf[l].count; n++) {
        double v = t.rank ? 0.1 * (double)(n + 1) : 0.7;
        if (t.dtype == DT_F64) ((double *)it[i].leaf[l].data)[n] = v;
        if (t.dtype == DT_F32) ((float *)it[i].leaf[l].data)[n] = (float)v;
        if (t.dtype == DT_I32 || t.dtype == DT_BOOL) ((int32_t *)it[i].leaf[l].data)[n] = n == 0;
      }
    }
    ck_assert_msg(interp_run(&it[i]) == ST_OK, "%s", it[i].what);
  }
  for (uint32_t r = 0; r < g->root.n && r < 8; r++) {
    const Tensor *a = &it[0].value[g->root.at[r].node.i], *b = &it[1].value[o->root.at[r].node.i];
    ck_assert_uint_eq(a->count, b->count);
    ck_assert(memcmp(a->data, b->data, a->count * dtype_bytes(a->dtype)) == 0);
    const void *p = a->data;
    size_t last = a->count - 1;
    out[r] = a->dtype == DT_F64   ? ((const double *)p)[last]
             : a->dtype == DT_F32 ? (double)((const float *)p)[last]
                                  : ((const int32_t *)p)[last];
  }
}

static void is(double got, double want) {
  ck_assert_msg(fabs(got - want) <= 1e-12 * (1 + fabs(want)), "%.17g, not %.17g", got, want);
}

START_TEST(carries_and_rows) {
  static const int64_t steps[] = {1, 2, 3, 7, 100};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    run("input x: f64[T]\nparam a: f64 = 0\n"
        "let s, ys = scan (s = 0.0, p = 1.0) for v, t in x, 1:T + 1 { next s = a*s + v; next p = p * (1 + v "
        "/ f64(t)); yield s, p }\n"
        "output last = s\noutput product = ys\n"
        "output end = scan (s = 0.0) for v in x { next s = a*s + v }\n",
        steps[i]);
    double s = 0, p = 1, ls = 0, lp = 0;
    for (int64_t t = 0; t < steps[i]; t++) {
      ls = s, lp = p;
      double v = 0.1 * (double)(t + 1);
      p = p * (1 + v / (double)(t + 1));
      s = 0.7 * s + v;
    }
    is(out[0], ls);
    is(out[1], lp);
    is(out[2], s);
    elk_free(&k);
  }
}
END_TEST

START_TEST(no_step_gives_the_start) {
  run("input x: f64[T]\nparam a: f64 = 0\noutput s = scan (s = a) for t in 0:T - 1 { next s = s * 2 }\n"
      "output r = scan (s = 3.0) for t in 5:2 { next s = s * a }\noutput keep = sum(x)\n",
      1);
  is(out[0], 0.7);
  is(out[1], 3);
  elk_free(&k);
}
END_TEST

START_TEST(nested_and_captured) {
  run("param a: f64 = 0\nlet twice = 2 * a\n"
      "output s = scan (s = 0.5) for i in 0:3 { next s = scan (s = s) for j in 0:4 { next s = sin(s * twice) "
      "+ 0.1 * f64(i) } }\n"
      "fn step(s: f64, f: fn) = f(s) + a\n"
      "output f = scan (s = 1.0) for i in 0:5 { let b = a * s; next s = step(s, fn (z: f64) = z * b) }\n"
      "output m = vmap(fn (r: f64[2]) = scan (z = 0.0) for q in r { next z = z + q * a }, table)\n"
      "let table: f64[3, 2] = [[1, 2], [3, 4], [5, 6]]\n",
      1);
  double s = 0.5, f = 1;
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 4; j++) s = sin(s * 1.4) + 0.1 * i;
  for (int i = 0; i < 5; i++) f = f * (0.7 * f) + 0.7;
  is(out[0], s);
  is(out[1], f);
  is(out[2], 11 * 0.7);
  elk_free(&k);
}
END_TEST

START_TEST(whiles_and_conds) {
  run("param a: f64 = 0\n"
      "let r = scan (r = 1.0, n = 0) for i in 0:50 while abs(r*r - a) > 1e-10 { next r = 0.5 * (r + a / r); "
      "next n = n + 1 }\n"
      "output root = r[0]\noutput turns = r[1]\n"
      "output free = scan (q: f64 = 0.1) while q < 10 { next q = q * 2 }\n"
      "output none = scan (q: f64 = 20.0) while q < 10 { next q = q * 2 }\n"
      "let c = cond a > 0.5 { (a * 2, 1) } else { (0, a) }\noutput taken = c[0]\noutput number = c[1]\n"
      "output loop = scan (s = 0.0) for i in 0:6 { next s = cond s > 1 { s - a } else { s + a + f64(i) } }\n",
      1);
  double r = 1, s = 0;
  int n = 0;
  for (; n < 50 && fabs(r * r - 0.7) > 1e-10; n++) r = 0.5 * (r + 0.7 / r);
  for (int i = 0; i < 6; i++) s = s > 1 ? s - 0.7 : s + 0.7 + i;
  is(out[0], r);
  is(out[1], n);
  is(out[2], 12.8);
  is(out[3], 20);
  is(out[4], 1.4);
  is(out[5], 1);
  is(out[6], s);
  elk_free(&k);
}
END_TEST

/* d/da and d2/da2 of a loop with a choice in it, of a loop that ends early, and along a direction. */
START_TEST(derivatives) {
  run("param a: f64 = 0\nparam x: f64[3] = 0\n"
      "let s = scan (s = 0.3) for i in 0:20 { next s = cond s > 0.8 { s * a } else { sin(a * s) + 0.3 } }\n"
      "let e = scan (r = 1.0) for i in 0:50 while abs(r*r - a) > 1e-12 { next r = 0.5 * (r + a / r) }\n"
      "let y = scan (y = x) for i in 0:2 { next y = sin(y) * a + y^2 }\n"
      "output ds = grad(s, a)\noutput dds = grad(grad(s, a), a)\noutput de = grad(e, a)\n"
      "output j = jvp(y, x, [0.0, 1.0, 2.0])\noutput v = vjp(y, x, [0.0, 1.0, 2.0])\n",
      1);
  double h = 1e-4, f[3];
  for (int w = 0; w < 3; w++) {
    double a = 0.7 + (w - 1) * h, s = 0.3;
    for (int i = 0; i < 20; i++) s = s > 0.8 ? s * a : sin(a * s) + 0.3;
    f[w] = s;
  }
  ck_assert_double_eq_tol(out[0], (f[2] - f[0]) / (2 * h), 1e-6);
  ck_assert_double_eq_tol(out[1], (f[2] - 2 * f[1] + f[0]) / (h * h), 1e-4);
  ck_assert_double_eq_tol(out[2], 0.5 / sqrt(0.7), 1e-9);
  double x = 0.3, y = sin(x) * 0.7 + x * x, slope = (cos(y) * 0.7 + 2 * y) * (cos(x) * 0.7 + 2 * x);
  ck_assert_double_eq_tol(out[3], 2 * slope, 1e-12);
  ck_assert_double_eq_tol(out[4], 2 * slope, 1e-12);
  elk_free(&k);
}
END_TEST

/* The numbers of one output. */
static uint32_t drawn(const char *text, int64_t steps, uint32_t root, float *to, uint32_t most) {
  DimBinding bind;
  PassOptions quiet = {0};
  Graph *g = passes_optimise(&k.arena, predicts(text, &bind, steps), &quiet);
  Interp it = {.graph = g, .mode = INTERP_NATIVE, .arena = &k.arena, .leaf = leaves(&bind)};
  ck_assert_msg(interp_run(&it) == ST_OK, "%s", it.what);
  const Tensor *a = &it.value[g->root.at[root].node.i];
  ck_assert_uint_le(a->count, most);
  memcpy(to, a->data, a->count * sizeof *to);
  uint32_t n = (uint32_t)a->count;
  elk_free(&k);
  return n;
}

/* Each step of each loop around draws numbers of its own, whatever the loops are made of; how many steps
 * there are changes none. */
START_TEST(draws) {
  static const char text[] =
      "input x: f32[T, 3]\n"
      "output a = scan () for r in x { yield uniform(0, 1, shape = [3]) + 0 * r }\n"
      "output b = scan () for i in 0:T { yield scan () for j in 0:40 { yield uniform(0, 1) } }\n"
      "output c = vmap(fn (r) = uniform(0, 1, shape = [3]) + 0 * r, x)\n"
      "output d = scan () for i in 0:T { yield cond i < 50 { uniform(0, 1) } else { uniform(0, 1) } }\n"
      "fn noisy(h) = h + uniform(0, 1)\n"
      "output e = scan () for i in 0:T { let u = noisy(0.0); yield checkpoint(noisy(u)) - u }\n";
  static float few[4000], many[4000];
  for (uint32_t r = 0; r < 5; r++) {
    uint32_t n = drawn(text, 7, r, few, 4000), m = drawn(text, 100, r, many, 4000);
    ck_assert_msg(memcmp(few, many, n * sizeof *few) == 0, "output %u: other numbers for more steps", r);
    double sum = 0, square = 0, next = 0;
    for (uint32_t i = 0; i < m; i++) {
      for (uint32_t j = i + 1; j < m && m < 1000; j++)
        ck_assert_msg(many[i] != many[j], "%u: %u and %u", r, i, j);
      sum += many[i];
      square += many[i] * many[i];
      next += many[i] * many[(i + 1) % m];
    }
    double off = 6 / sqrt(m); /* means of numbers in [0, 1) lie closer than so many deviations */
    ck_assert_double_eq_tol(sum / m, 0.5, 0.3 * off);
    ck_assert_double_eq_tol(square / m, 1.0 / 3, 0.3 * off);
    ck_assert_double_eq_tol(next / m, 0.25, 0.3 * off);
  }
}
END_TEST

UNIT_MAIN(UNIT("scan", carries_and_rows, no_step_gives_the_start, nested_and_captured, whiles_and_conds,
               derivatives, draws))
