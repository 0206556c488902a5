/* Texts as tokens: windows of 16-bit numbers, each of which begins with the last of the one before. */
#include "api_kit.h"

static const char *path(const char *name) {
  static char at[2][64];
  static int turn;
  turn = !turn;
  snprintf(at[turn], sizeof at[turn], "dg_tokens_%d_%s.bin", (int)getpid(), name);
  return at[turn];
}

static void put(const char *name, const void *bytes, size_t n) {
  FILE *f = fopen(path(name), "wb");
  ck_assert_ptr_nonnull(f);
  fwrite(bytes, 1, n, f);
  fclose(f);
}

static void rows_are(dg_context *cx, dg_session *s, const int32_t *want, int64_t rows, int64_t window) {
  dg_array a;
  ok(dg_predict_set(s, NULL));
  ok(dg_read(s, "seen", &a));
  ck_assert(a.rank == 2 && a.extent[0] == rows && a.extent[1] == window);
  ck_assert(memcmp(a.data, want, (size_t)(rows * window) * 4) == 0);
}

static const unsigned char text[] = {1, 0, 2, 0, 0, 1, 4, 0, 255, 255, 6, 0, 7, 0, 8, 0}; /* 8 tokens */

START_TEST(windows) { /* by the program, by the host, and by what the input has */
  dg_context *cx = context();
  char all[256];
  put("a", text, sizeof text);
  snprintf(all, sizeof all,
           "const w = 4\ninput tok: i32[N, T]\ndataset test { tok = tokens(\"%s\", window = w) }\n"
           "output seen = tok\ntrain t { minimize p^2; update p using sgd(); validate = test }\nparam p: f32 "
           "= 1\n",
           path("a"));
  dg_program *p = program(cx, all);
  dg_session *s = session(cx, p, 1, 1);
  rows_are(cx, s, (int32_t[]){1, 2, 256, 4, 4, 65535, 6, 7}, 2, 4);
  dg_session_free(s);
  dg_program_free(p);
  p = program(cx, "input tok: i32[N, 3]\noutput seen = tok\n");
  s = session(cx, p, 1, 1);
  ok(dg_data(s, "test", "tok", path("a"), NULL));
  rows_are(cx, s, (int32_t[]){1, 2, 256, 256, 4, 65535, 65535, 6, 7}, 3, 3);
  ok(dg_data(s, "test", "tok", path("a"), "3"));
  rows_are(cx, s, (int32_t[]){1, 2, 256, 256, 4, 65535, 65535, 6, 7}, 3, 3);
  dg_session_free(s);
  dg_program_free(p);
  unlink(path("a"));
  dg_context_free(cx);
}
END_TEST

START_TEST(refused) {
  dg_context *cx = context();
  dg_program *p = program(cx, "input tok: i32[N, T] in 0:9\noutput seen = tok\n");
  dg_session *s = session(cx, p, 1, 1);
  put("odd", text, 7);
  put("short", text, 4);
  fails(DG_BAD_DATA, "an odd number", dg_data(s, "test", "tok", path("odd"), "3"));
  fails(DG_BAD_DATA, "a window of 3 tokens expected, found 2", dg_data(s, "test", "tok", path("short"), "3"));
  const char *const no_window[] = {NULL, "", "1", "-3", "3x", "3,4", "12345678901"};
  for (size_t i = 0; i < sizeof no_window / sizeof *no_window; i++)
    fails(DG_USAGE, "how many tokens", dg_data(s, "test", "tok", path("short"), no_window[i]));
  put("large", text, sizeof text);
  fails(DG_BAD_DATA, "256", dg_data(s, "test", "tok", path("large"), "3"));
  unlink(path("odd"));
  unlink(path("short"));
  unlink(path("large"));
  free_all(cx, p, s);
}
END_TEST

UNIT_MAIN(UNIT("tokens", windows, refused))
