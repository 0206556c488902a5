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

UNIT_MAIN(UNIT("dim", canonical, exact_division, floor_division, evaluation, poison_and_overflow))
