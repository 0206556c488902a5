/* Dims: canonical form, exact and floor division, evaluation, text. */
#include "base/mem.h"
#include "ir/type/dim.h"
#include "unit.h"

static Mem mem;
static Arena arena;
static Names names;
static DimTable *t;
static DimId N, K;

static DimId sym(const char *z) { return dim_symbol(t, names_add(&names, str_z(z))); }
static DimId num(int64_t v) { return dim_const(t, v); }
static void begin(void) {
  arena_release(&arena);
  mem_init(&mem, 0);
  arena_init(&arena, &mem);
  names_init(&names, &arena);
  t = dims_new(&arena, &names);
  N = sym("N");
  K = sym("K");
}
static void is(DimId d, const char *text) {
  Sb b;
  DimId back;
  sb_init(&b, &arena);
  dim_print(t, d, &b);
  ck_assert_strn(b, text);
  ck_assert(dim_parse(t, &names, sb_str(&b), &back));
  ck_assert(dim_eq(back, d));
}

START_TEST(canonical) {
  begin();
  ck_assert(dim_eq(dim_add(t, N, K), dim_add(t, K, N)));
  ck_assert(dim_eq(dim_mul(t, N, dim_add(t, K, num(1))), dim_add(t, dim_mul(t, K, N), N)));
  ck_assert(dim_eq(dim_sub(t, dim_add(t, N, K), K), N));
  ck_assert(dim_eq(dim_sub(t, N, N), num(0)));
  ck_assert(!dim_eq(N, K));
  is(num(0), "0");
  is(num(-3), "-3");
  is(dim_add(t, dim_mul(t, num(2), N), num(1)), "2*N + 1");
  is(dim_sub(t, dim_mul(t, N, K), N), "K*N - N");
  is(dim_sub(t, num(1), N), "-N + 1");
  is(dim_mul(t, dim_add(t, N, num(1)), dim_add(t, N, num(-1))), "N*N - 1");
}
END_TEST

START_TEST(exact_division) {
  begin();
  DimId q, a = dim_mul(t, dim_add(t, N, K), dim_sub(t, dim_mul(t, num(3), N), num(2)));
  ck_assert(dim_div_exact(t, a, dim_add(t, N, K), &q));
  is(q, "3*N - 2");
  ck_assert(dim_div_exact(t, dim_mul(t, num(6), N), num(3), &q));
  is(q, "2*N");
  ck_assert(!dim_div_exact(t, dim_add(t, N, num(1)), num(2), &q));
  ck_assert(!dim_div_exact(t, N, K, &q));
  ck_assert(!dim_div_exact(t, N, num(0), &q));
  ck_assert(dim_div_exact(t, num(0), K, &q) && dim_eq(q, num(0)));
}
END_TEST

START_TEST(floor_division) {
  begin();
  ck_assert(dim_eq(dim_floordiv(t, num(7), 2), num(3)));
  ck_assert(dim_eq(dim_floordiv(t, num(-7), 2), num(-4)));
  ck_assert(dim_eq(dim_floordiv(t, dim_add(t, dim_mul(t, num(4), N), num(5)), 4), dim_add(t, N, num(1))));
  DimId h = dim_floordiv(t, dim_sub(t, N, num(3)), 2);
  is(h, "(N + 1)/2 - 2");
  is(dim_floordiv(t, N, 2), "N/2");
  is(dim_mul(t, num(3), dim_floordiv(t, N, 2)), "3*(N/2)");
  is(dim_mul(t, K, h), "K*((N + 1)/2) - 2*K");
  is(dim_floordiv(t, dim_add(t, h, num(1)), 3), "((N + 1)/2 + 2)/3 - 1");
  ck_assert(dim_eq(h, dim_floordiv(t, dim_sub(t, N, num(3)), 2)));
  int64_t v;
  DimBinding b[] = {{names_add(&names, STR("N")), 28}};
  ck_assert(dim_eval(t, h, b, 1, &v) && v == 12);
  ck_assert(dim_eq(dim_bind(t, h, b, 1), num(12)));
}
END_TEST

START_TEST(evaluation) {
  begin();
  DimBinding b[] = {{names_add(&names, STR("N")), 5}, {names_add(&names, STR("K")), INT64_MAX}};
  int64_t v;
  ck_assert(dim_eval(t, dim_sub(t, dim_mul(t, num(2), N), num(1)), b, 1, &v) && v == 9);
  ck_assert(!dim_eval(t, dim_sub(t, N, num(6)), b, 1, &v)); /* negative */
  ck_assert(!dim_eval(t, K, b, 1, &v));                     /* unbound */
  ck_assert(!dim_eval(t, dim_mul(t, K, N), b, 2, &v));      /* overflow */
  is(dim_bind(t, dim_mul(t, N, sym("T")), b, 1), "5*T");
  Sym s;
  ck_assert(dim_is_symbol(t, N, &s) && sym_eq(s, b[0].name));
  ck_assert(!dim_is_symbol(t, dim_add(t, N, num(1)), &s));
  ck_assert(dim_is_const(t, num(4), &v) && v == 4);
  ck_assert(!dim_is_const(t, N, &v));
}
END_TEST

START_TEST(poison_and_overflow) {
  begin();
  DimId none = {0};
  ck_assert_uint_eq(dim_add(t, none, N).i, 0);
  ck_assert_uint_eq(dim_mul(t, N, none).i, 0);
  ck_assert_uint_eq(dim_mul(t, num(INT64_MAX), dim_mul(t, num(2), N)).i, 0);
  ck_assert_uint_eq(dim_add(t, num(INT64_MAX), num(1)).i, 0);
  DimId d = N;
  for (int i = 0; i < 40; i++) d = dim_mul(t, d, dim_add(t, d, K)); /* degree is bounded */
  ck_assert_uint_eq(d.i, 0);
  d = N;
  for (int i = 0; i < 100; i++) d = dim_floordiv(t, dim_add(t, d, K), 2); /* so is nesting */
  ck_assert_uint_eq(d.i, 0);
  is(none, "?");
  DimId out;
  ck_assert(!dim_parse(t, &names, STR("N +"), &out));
  ck_assert(!dim_parse(t, &names, STR("(N"), &out));
  ck_assert(!dim_parse(t, &names, STR("N/0"), &out));
  ck_assert(!dim_parse(t, &names, STR("N]"), &out));
  ck_assert(!dim_parse(t, &names, STR("99999999999999999999"), &out));
}
END_TEST

static DimId halves(DimId d, int times) {
  for (int i = 0; i < times; i++) d = dim_floordiv(t, d, 2);
  return d;
}

/* What is a multiple divides, in every form it is met in; what was made before is still the same. */
START_TEST(multiples) {
  begin();
  DimId product = dim_mul(t, N, K), sum = dim_add(t, dim_mul(t, num(3), N), num(1)), q;
  dim_multiple(t, N, 8);
  dim_multiple(t, dim_mul(t, num(2), K), 8); /* K is one of 4 */
  ck_assert(dim_eq(dim_mul(t, num(8), halves(N, 3)), N));
  ck_assert(dim_eq(dim_mul(t, num(2), halves(N, 2)), halves(N, 1)));
  ck_assert(!dim_eq(dim_mul(t, num(16), halves(N, 4)), N));
  ck_assert(!dim_eq(dim_mul(t, num(8), halves(K, 3)), K));
  ck_assert(dim_eq(dim_mul(t, num(4), halves(K, 2)), K));
  DimId window = dim_add(t, dim_floordiv(t, dim_sub(t, N, num(2)), 2), num(1));
  ck_assert(dim_eq(window, halves(N, 1)));
  ck_assert(dim_eq(dim_mul(t, dim_mul(t, num(8), halves(N, 2)), halves(K, 1)), product));
  ck_assert(dim_eq(dim_add(t, dim_mul(t, num(6), halves(N, 1)), num(1)), sum));
  ck_assert(dim_div_exact(t, N, num(4), &q) && dim_eq(q, halves(N, 2)));
  ck_assert(dim_div_exact(t, product, halves(N, 3), &q) && dim_eq(q, dim_mul(t, num(8), K)));
  ck_assert(!dim_div_exact(t, N, num(3), &q));
  is(halves(N, 1), "N/2");
  is(halves(N, 3), "N/8");
  is(dim_add(t, N, halves(N, 1)), "3*(N/2)");
  is(dim_add(t, dim_mul(t, num(2), K), num(1)), "2*K + 1");
  int64_t v;
  DimBinding b[] = {{names_add(&names, STR("N")), 24}};
  ck_assert(dim_eval(t, halves(N, 2), b, 1, &v) && v == 6);
  ck_assert(dim_eq(dim_bind(t, halves(N, 2), b, 1), num(6)));
  DimId eighth = halves(N, 3);
  dim_multiple(t, N, 12); /* of 24, now */
  ck_assert(dim_eq(dim_mul(t, num(3), dim_floordiv(t, N, 3)), N));
  ck_assert(dim_eq(dim_mul(t, num(8), halves(N, 3)), N) && dim_eq(dim_mul(t, num(8), eighth), N));
  ck_assert(dim_eq(dim_sub(t, dim_floordiv(t, N, 6), dim_floordiv(t, N, 8)), dim_floordiv(t, N, 24)));
  DimTable *copy = dims_copy(&arena, t);
  ck_assert(dim_eq(dim_mul(copy, num(24), dim_floordiv(copy, N, 24)), N));
}
END_TEST

/* What would make them equal, where one symbol would. */
START_TEST(would_be_equal) {
  begin();
  Sym name;
  int64_t by;
  DimId nested = dim_mul(t, num(6), dim_floordiv(t, dim_floordiv(t, N, 3), 2));
  ck_assert(dim_whole(&arena, t, nested, N, &name, &by) && by == 6);
  ck_assert_strn(names_str(&names, name), "N");
  DimId even = dim_mul(t, num(2), dim_floordiv(t, N, 2)), thirds = dim_mul(t, num(3), dim_floordiv(t, N, 3));
  ck_assert(dim_whole(&arena, t, dim_mul(t, K, even), dim_mul(t, K, N), &name, &by) && by == 2);
  ck_assert(dim_whole(&arena, t, even, thirds, &name, &by) && by == 6);
  DimId fourths = dim_mul(t, num(4), dim_floordiv(t, N, 4));
  ck_assert(dim_whole(&arena, t, even, fourths, &name, &by) && by == 4);
  ck_assert(!dim_whole(&arena, t, even, dim_add(t, N, num(2)), &name, &by));
  ck_assert(!dim_whole(&arena, t, N, K, &name, &by));
  ck_assert(!dim_whole(&arena, t, even, even, &name, &by));
  ck_assert(!dim_whole(&arena, t, even, (DimId){0}, &name, &by));
  ck_assert(!dim_whole(&arena, t, dim_add(t, even, dim_mul(t, num(2), dim_floordiv(t, K, 2))),
                       dim_add(t, N, K), &name, &by)); /* two are wanted */
  ck_assert(!dim_eq(even, N));
}
END_TEST

static uint64_t seed = 7;
static uint32_t any(uint32_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(seed >> 33) % n;
}

/* Random formulas at extents that keep what is said of them: the value that integers give. */
START_TEST(multiples_in_formulas) {
  for (int turn = 0; turn < 300; turn++) {
    enum { MADE = 24 };
    begin();
    DimId d[MADE] = {N, K, num(1 + any(5))};
    int64_t n = 24 * (1 + any(3)), k = 10 * (1 + any(4)), w[MADE] = {n, k, 0}, v;
    DimBinding b[] = {{names_add(&names, STR("N")), n}, {names_add(&names, STR("K")), k}};
    ck_assert(dim_is_const(t, d[2], &w[2]));
    for (int i = 3; i < MADE; i++) {
      if (i == 8) dim_multiple(t, N, 8);
      if (i == 11) dim_multiple(t, dim_mul(t, num(3), K), 10);
      if (i == 15) dim_multiple(t, N, 6);
      uint32_t x = any((uint32_t)i), y = any((uint32_t)i), by = 2 + any(4);
      switch (any(4)) {
      case 0: d[i] = dim_add(t, d[x], d[y]), w[i] = w[x] + w[y]; break;
      case 1: d[i] = dim_sub(t, d[x], d[y]), w[i] = w[x] - w[y]; break;
      case 2: d[i] = dim_mul(t, d[x], num(by)), w[i] = w[x] * by; break;
      default: d[i] = dim_floordiv(t, d[x], by), w[i] = w[x] / by - (w[x] % by < 0); break;
      }
      if (!d[i].i) d[i] = N, w[i] = n; /* too many terms */
      if (w[i] >= 0) ck_assert(dim_eval(t, d[i], b, 2, &v) && v == w[i]);
      if (w[i] >= 0) ck_assert(dim_is_const(t, dim_bind(t, d[i], b, 2), &v) && v == w[i]);
      for (int j = 0; j < i; j++) ck_assert(!dim_eq(d[j], d[i]) || w[j] == w[i]);
    }
  }
}
END_TEST

UNIT_MAIN(UNIT("dim", canonical, exact_division, floor_division, evaluation, poison_and_overflow, multiples,
               would_be_equal, multiples_in_formulas))
