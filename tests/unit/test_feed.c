/* Files and buffers to inputs: which inputs are fed by rows, what is fed whole, and what of both a host
 * binds. */
#include "api/session.h"
#include "api_kit.h"

static char folder[64];

static const char *put(const char *name, const char *text) {
  static char path[4][128];
  static int turn;
  if (!*folder) {
    strcpy(folder, "/tmp/dg_feed_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
  }
  char *p = path[turn = (turn + 1) % 4];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  FILE *f = fopen(p, "wb");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  fclose(f);
  return p;
}

static void clean(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  ck_assert_int_eq(system(command), 0);
  *folder = 0;
}

/* One letter an input, in their order: r fed by rows, w whole. */
static void feeds(const char *inputs, const char *want) {
  char text[1024], got[16] = "";
  dg_context *cx = context();
  snprintf(text, sizeof text, "%s\nparam p: f32 = 0\nloss l = p^2\n", inputs);
  dg_program *p = program(cx, text);
  dg_session *s = session(cx, p, 0, 1);
  for (uint32_t i = 0, n = 0; i < p->prog.leaf.n; i++)
    if (p->prog.leaf.at[i].kind == LEAF_INPUT) got[n++] = session_has_rows(s, (LeafId){i}) ? 'r' : 'w';
  ck_assert_msg(strcmp(got, want) == 0, "%s: %s, expected %s", inputs, got, want);
  free_all(cx, p, s);
}

START_TEST(rows_or_whole) {
  feeds("input x: f32[N, 4]\ninput t: i32[N]\ninput c: f32[3]", "rrw");
  feeds("input c: f32[3]\ninput x: f32[N, 4]", "wr");
  feeds("input x: f32[N, 4]\ninput k: f32", "rw");
  feeds("input table: f32[V, 4]\ninput x: i32[N]\ninput y: f32[N]", "wrr");    /* most inputs have N */
  feeds("input q: f32[N, 4]\ninput k: f32[M, 4]", "rw");                       /* the first of equals */
  feeds("input mask: f32[T, T]\ninput at: f32[T]\ninput x: i32[B, T]", "wwr"); /* T is an axis of rows */
  feeds("input x: f32[N, 4]\ninput adjacent: f32[N, N]", "rr");
  feeds("input x: f32[N, 4]\ninput pair: f32[2*N]", "rw");
  feeds("input x: f32[32, 4]\ninput t: i32[32]\ninput c: f32[3]", "rrw"); /* no symbol: constants */
  feeds("input c: f32[3]\ninput x: f32[32, 4]\ninput t: i32[32]", "wrr");
  feeds("input x: f32[8, 4]", "r");
}
END_TEST

static const char model[] =
    "input x: f32[N, 1]\ninput c: f32[2]\nparam w: f32[1, 2] = 0\n"
    "loss l = mean((x @ w - 1)^2 @ c)\noutput y = (x @ w) * c\n"
    "train fit { minimize l; update w using sgd(lr = 0.125); batch = 2; epochs = 1 }\n";

/* Two steps: w = 1 - 0.75^2, 1 - 0.25^2; l = 0.5625^2 + 3*0.0625^2. */
static void trained(dg_session *s) {
  dg_context *cx = s->p->cx;
  dg_train_options o;
  dg_array a;
  double l;
  dg_train_options_init(&o, sizeof o);
  ok(dg_train(s, &o, NULL));
  ok(dg_evaluate_set(s, NULL, 2));
  ok(dg_value(s, "l", &l));
  ck_assert_double_eq(l, 0.328125);
  ok(dg_predict_set(s, "train"));
  ok(dg_read(s, "y", &a));
  ck_assert(a.rank == 2 && a.extent[0] == 4 && a.extent[1] == 2);
  for (int i = 0; i < 4; i++)
    ck_assert(((float *)a.data)[2 * i] == 0.4375f && ((float *)a.data)[2 * i + 1] == 2.8125f);
}

/* The class weights come from a file, or from the host's buffer. */
START_TEST(whole_inputs) {
  float c[] = {1, 3};
  for (int bound = 0; bound < 2; bound++) {
    dg_context *cx = context();
    dg_program *p = program(cx, model);
    dg_session *s = session(cx, p, 0, 1);
    ok(dg_data(s, "train", "x", put("x.csv", "1\n1\n1\n1\n"), NULL));
    if (bound)
      ok(dg_bind(s, "c", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {2}, .data = c}));
    else
      ok(dg_data(s, "train", "c", put("c.csv", "1\n3\n"), NULL));
    trained(s);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
  clean();
}
END_TEST

START_TEST(refused) {
  dg_context *cx = context();
  dg_program *p = program(cx, model);
  dg_session *s = session(cx, p, 0, 1);
  fails(DG_BAD_DATA, "2 numbers [2] expected by input 'c', which is read whole, found 3",
        dg_data(s, "train", "c", put("c.csv", "1\n2\n3\n"), NULL));
  fails(DG_BAD_DATA, "c.csv:2: column 1: 'nan' is not finite",
        dg_data(s, "train", "c", put("c.csv", "1\nnan\n"), NULL));
  fails(DG_BAD_DATA, "x.csv:1: column 1: '?' is not a number",
        dg_data(s, "train", "x", put("x.csv", "?\n1\n"), NULL));
  ok(dg_limit(cx, "line_bytes", 4));
  fails(DG_LIMIT, "the limit 'line_bytes' allows", dg_data(s, "train", "x", put("x.csv", "1.0001\n"), NULL));
  free_all(cx, p, s);
  clean();
}
END_TEST

/* Buffers of bytes and of halves of floats: what is bound, read and written, and with strides. */
START_TEST(bytes_and_halves) {
  static const char text[] = "input image: u8[N, 3] in 0:200\ninput scale: bf16[3]\nparam w: bf16[3] = 0.3\n"
                             "output y = f32(image) * scale + w\nloss l = mean(y)\n"
                             "train fit { minimize l; update w using sgd(lr = 1) }\n";
  for (int interpret = 0; interpret < 2; interpret++) {
    dg_context *cx = context();
    dg_program *p = program(cx, text);
    dg_session *s = session(cx, p, interpret, 1);
    uint8_t image[] = {1, 2, 3, 199, 0, 5, 200, 7, 8};
    uint16_t scale[] = {0x3f80, 0x4000, 0x0001}; /* 1, 2, a subnormal, which counts as 0 */
    float wrong[3] = {0};
    dg_array a = {.dtype = DG_U8, .rank = 2, .extent = {2, 3}, .data = image},
             c = {.dtype = DG_BF16, .rank = 1, .extent = {3}, .data = scale}, y, w;
    fails(DG_REJECTED, "input 'scale' is bf16, the array f32",
          dg_bind(s, "scale", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {3}, .data = wrong}));
    fails(DG_USAGE, "do not lie at a multiple of 2 bytes",
          dg_bind(s, "scale",
                  &(dg_array){.dtype = DG_BF16, .rank = 1, .extent = {3}, .data = (char *)scale + 1}));
    ok(dg_bind(s, "image", &a));
    ok(dg_bind(s, "scale", &c));
    ok(dg_predict(s));
    ok(dg_read(s, "y", &y));
    ck_assert_int_eq(y.dtype, DG_F32);
    static const float shift = 0x1.34p-2f; /* 0.3 as bf16 */
    for (int i = 0; i < 6; i++)
      ck_assert_float_eq(((float *)y.data)[i],
                         (float)image[i] * (i % 3 == 2 ? 0 : (float)(i % 3 + 1)) + shift);
    ok(dg_step(s, "fit")); /* the slope is 1/3: -0.03255 is what is left of 0.30078, rounded */
    ok(dg_read(s, "w", &w));
    ck_assert_int_eq(w.dtype, DG_BF16);
    ck_assert_uint_eq(((uint16_t *)w.data)[0], 0xbd05);
    uint16_t put[] = {0x3f80, 0x8001, 0xffff}; /* a subnormal and a NaN of another form */
    ok(dg_write(s, "w", &(dg_array){.dtype = DG_BF16, .rank = 1, .extent = {3}, .data = put}));
    ok(dg_read(s, "w", &w));
    ck_assert_uint_eq(((uint16_t *)w.data)[1], 0x8000);
    ck_assert_uint_eq(((uint16_t *)w.data)[2], 0x7fc0);
    fails(DG_REJECTED, "'w' is bf16[3], the array f32[3]",
          dg_write(s, "w", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {3}, .data = wrong}));
    a.extent[0] = 3;
    ok(dg_bind(s, "image", &a));
    fails(DG_BAD_DATA, "element 6 is 200, outside the declared range 0:200", dg_predict(s));
    a = (dg_array){.dtype = DG_U8, .rank = 2, .extent = {2, 3}, .stride = {1, 3}, .data = image};
    image[6] = 9;
    ok(dg_bind(s, "image", &a)); /* columns one after the other */
    ok(dg_write(s, "w", &(dg_array){.dtype = DG_BF16, .rank = 1, .extent = {3}, .data = scale}));
    ok(dg_predict(s));
    ok(dg_read(s, "y", &y));
    ck_assert_float_eq(((float *)y.data)[4], 0 * 2 + 2);
    ck_assert_float_eq(((float *)y.data)[1], 199 * 2 + 2);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

UNIT_MAIN(UNIT("feed", rows_or_whole, whole_inputs, refused, bytes_and_halves))
