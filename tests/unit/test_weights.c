/* What begins with the tensors of a safetensors file. tests/e2e/weights.py looks at the rest from outside. */
#include "api_kit.h"

static const char *path(const char *name) {
  static char at[2][96];
  static int turn;
  turn = !turn;
  snprintf(at[turn], sizeof at[turn], "dg_weights_%d_%s.safetensors", (int)getpid(), name);
  return at[turn];
}

/* header: JSON, padded here; data: what stands behind it. */
static void put(const char *to, const char *header, const void *data, size_t bytes) {
  uint64_t n = (strlen(header) + 7) / 8 * 8;
  FILE *f = fopen(to, "wb");
  ck_assert_ptr_nonnull(f);
  fwrite(&n, 1, sizeof n, f);
  fprintf(f, "%-*s", (int)n, header);
  fwrite(data, 1, bytes, f);
  fclose(f);
}

static dg_session *begun(dg_context *cx, const char *text, const char *file, dg_program **p) {
  char all[1024];
  snprintf(all, sizeof all, text, file);
  *p = program(cx, all);
  return session(cx, *p, 1, 1);
}

static const float *values(dg_context *cx, dg_session *s, const char *name) {
  dg_array a;
  ok(dg_read(s, name, &a));
  return a.data;
}

static const char net[] = "import nn\n"
                          "input x: f32[N, 2]\n"
                          "let net = nn.Linear(2, 1) ~ load(\"%s\")\n"
                          "param twice: f32[2, 1] = 2 * net.w\n"
                          "output y = net(x) + x @ twice\n";

START_TEST(names) { /* with the instance's path, and below it; what stands besides */
  static const char *const header[] = {
      "{\"net.w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
      "\"net.b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
      "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}",
      "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
      "\"v\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}"};
  static const float data[] = {1.5f, -2, 3, 4};
  for (int i = 0; i < 2; i++) {
    dg_context *cx = context();
    dg_program *p;
    put(path("names"), header[i], data, sizeof data);
    dg_session *s = begun(cx, net, path("names"), &p);
    const float *w = values(cx, s, "net.w"), *twice = values(cx, s, "twice");
    ck_assert(w[0] == 1.5f && w[1] == -2 && twice[0] == 3 && twice[1] == -4);
    ck_assert_float_eq(*values(cx, s, "net.b"), 3);
    ck_assert_int_eq(dg_session_note_count(s), i);
    ck_assert(!i || strstr(dg_session_note_at(s, 0), "also holds 'v'"));
    ck_assert_ptr_null(dg_session_note_at(s, i));
    unlink(path("names"));
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

START_TEST(halves) { /* subnormal, smallest normal, greatest, and what they are in f32 */
  static const uint16_t data[] = {0x0001, 0x83ff, 0x0400, 0x7bff, 0x0000, 0xbc00, 0x0200, 0x3555};
  static const float want[] = {0x1p-24f, -0x3ffp-24f, 0x1p-14f, 65504, 0, -1, 0x1p-15f, 0x555p-12f};
  dg_context *cx = context();
  dg_program *p;
  put(path("half"), "{\"h\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]}}", data, sizeof data);
  dg_session *s = begun(cx, "param h: f32[8] ~ load(\"%s\")\noutput y = h\n", path("half"), &p);
  const float *h = values(cx, s, "h");
  for (int i = 0; i < 8; i++) ck_assert_msg(h[i] == want[i], "%d: %g", i, (double)h[i]);
  ck_assert(dg_session_note_count(s) == 1 && strstr(dg_session_note_at(s, 0), "'h' from F16"));
  unlink(path("half"));
  free_all(cx, p, s);
}
END_TEST

START_TEST(refused) { /* nothing half begun: no session */
  dg_context *cx = context();
  dg_session *s;
  char all[1024];
  put(path("bad"), "{\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}", (float[]){1, 2}, 8);
  snprintf(all, sizeof all, net, path("bad"));
  dg_program *p = program(cx, all);
  fails(DG_MISMATCH,
        "'net.w' is f32[2, 1] in the program and F32[1, 2] in the file, 'net.b' is not in the file",
        dg_session_new(p, NULL, &s));
  ck_assert_ptr_null(s);
  fails(DG_USAGE, "begins with what it holds", dg_may_write(p, path("bad")));
  unlink(path("bad"));
  fails(DG_IO, "safetensors", dg_session_new(p, NULL, &s));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

START_TEST(a_checkpoint_takes_its_place) {
  dg_context *cx = context();
  char all[1024];
  snprintf(all, sizeof all, net, path("gone"));
  ok(dg_will_load(cx, DG_LOAD_MODEL));
  dg_program *p = program(cx, all);
  dg_session *s = session(cx, p, 1, 1);
  ck_assert_int_eq(dg_session_note_count(s), 0);
  free_all(cx, p, s);
}
END_TEST

UNIT_MAIN(UNIT("weights", names, halves, refused, a_checkpoint_takes_its_place))
