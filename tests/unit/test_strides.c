/* Arrays with strides: the copy itself, and inputs and parameters that a host gives so. */
#include "api_kit.h"
#include "runtime/core/strides.h"

static uint64_t seed = 1;
static int64_t draw(int64_t lo, int64_t hi) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return lo + (int64_t)((seed >> 33) % (uint64_t)(hi - lo + 1));
}

START_TEST(packs_like_the_definition) {
  enum { ROOM = 60000 };
  static uint8_t memory[2 * ROOM + 8], dense[20000], want[20000];
  for (int i = 0; i < (int)sizeof memory; i++) memory[i] = (uint8_t)draw(0, 255);
  for (int turn = 0; turn < 400; turn++) {
    Strides s = {.rank = (int)draw(0, 4)};
    size_t bytes = (size_t)1 << draw(0, 3), n = 1;
    for (int k = 0; k < s.rank; k++)
      s.ext[k] = draw(1, 6), s.stride[k] = draw(-40, 40), n *= (size_t)s.ext[k];
    ck_assert(strides_fit(&s, bytes));
    const uint8_t *middle = memory + ROOM;
    for (size_t i = 0; i < n; i++) {
      int64_t at = 0;
      size_t rest = i;
      for (int k = s.rank - 1; k >= 0; k--) {
        at += (int64_t)(rest % (size_t)s.ext[k]) * s.stride[k];
        rest /= (size_t)s.ext[k];
      }
      memcpy(want + i * bytes, middle + at * (int64_t)bytes, bytes);
    }
    memset(dense, 0, sizeof dense);
    strides_pack(dense, middle, &s, bytes);
    ck_assert(memcmp(dense, want, n * bytes) == 0);
    ck_assert_int_eq(dense[n * bytes], 0);
  }
}
END_TEST

START_TEST(dense_or_out_of_reach) {
  ck_assert(strides_dense(&(Strides){.rank = 0}));
  ck_assert(strides_dense(&(Strides){2, {3, 4}, {4, 1}}));
  ck_assert(strides_dense(&(Strides){2, {1, 4}, {77, 1}}));
  ck_assert(!strides_dense(&(Strides){2, {3, 4}, {1, 3}}));
  ck_assert(!strides_dense(&(Strides){1, {4}, {-1}}));
  ck_assert(!strides_fit(&(Strides){1, {3}, {INT64_MAX}}, 4));
  ck_assert(!strides_fit(&(Strides){1, {3}, {INT64_MIN / 2}}, 4));
  ck_assert(!strides_fit(&(Strides){2, {INT64_MAX, 2}, {2, 1}}, 1));
  ck_assert(strides_fit(&(Strides){2, {1, 1}, {INT64_MAX, INT64_MIN}}, 8));
}
END_TEST

static const char model[] = "input x: f32[N, 3]\ninput k: i32[N] in 0:5\nparam w: f32[3, 2] = 1\n"
                            "output y = x @ w\nloss l = mean((x @ w)^2)\noutput j = k\n";

static void gives(dg_context *cx, dg_session *s, const float *want, int n) {
  dg_array y;
  ok(dg_predict(s));
  ok(dg_read(s, "y", &y));
  for (int i = 0; i < n; i++) ck_assert_float_eq(((const float *)y.data)[i], want[i]);
}

START_TEST(bound_and_written) {
  dg_context *cx = context();
  dg_program *p = program(cx, model);
  dg_session *s = session(cx, p, 1, 1);
  float x[3][2] = {{1, 2}, {3, 4}, {5, 6}}; /* by columns: row i is x[0][i], x[1][i], x[2][i] */
  int32_t k[4] = {4, 9, 3, 9};
  dg_array ax = {.dtype = DG_F32, .rank = 2, .extent = {2, 3}, .data = x, .stride = {1, 2}};
  dg_array ak = {.dtype = DG_I32, .rank = 1, .extent = {2}, .data = k, .stride = {2}};
  ok(dg_bind(s, "x", &ax));
  ok(dg_bind(s, "k", &ak));
  gives(cx, s, (float[]){9, 9, 12, 12}, 4);
  x[2][1] = 60; /* read anew at each run */
  gives(cx, s, (float[]){9, 9, 66, 66}, 4);
  k[2] = 9;
  fails(DG_BAD_DATA, "k", dg_predict(s)); /* as a dense one is */
  k[2] = 0;
  ax.data = &x[0][1], ax.stride[0] = -1; /* backwards */
  ok(dg_bind(s, "x", &ax));
  gives(cx, s, (float[]){66, 66, 9, 9}, 4);
  ax.stride[0] = 0; /* one row for all */
  ok(dg_bind(s, "x", &ax));
  gives(cx, s, (float[]){66, 66, 66, 66}, 4);
  float w[2][3] = {{1, 2, 3}, {0, 0, 1}}; /* transposed */
  ok(dg_write(s, "w",
              &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {3, 2}, .data = w, .stride = {1, 3}}));
  gives(cx, s, (float[]){2 + 8 + 180, 60, 190, 60}, 4);
  ax = (dg_array){
      .dtype = DG_F32, .rank = 2, .extent = {2, 3}, .data = x, .stride = {3, 1}}; /* dense, said so */
  ok(dg_bind(s, "x", &ax));
  gives(cx, s, (float[]){1 + 4 + 9, 3, 4 + 10 + 180, 60}, 4);
  ax.stride[0] = INT64_MAX;
  fails(DG_USAGE, "lead out of memory", dg_bind(s, "x", &ax));
  ax.stride[0] = 3, ax.reserved[3] = 1;
  fails(DG_USAGE, "reserved", dg_bind(s, "x", &ax));
  fails(DG_USAGE, "reserved",
        dg_write(s, "w",
                 &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {3, 2}, .data = w, .reserved = {1}}));
  gives(cx, s, (float[]){14, 3, 194, 60}, 4); /* what was bound stays */
  free_all(cx, p, s);
}
END_TEST

UNIT_MAIN(UNIT("strides", packs_like_the_definition, dense_or_out_of_reach, bound_and_written))
