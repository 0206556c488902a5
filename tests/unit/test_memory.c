/* A session that is used again and again holds no more than after the first time. */
#include "api/session.h"
#include "api_kit.h"
#include "folder_kit.h"

#include <pthread.h>

static dg_program *line(dg_context *cx) {
  dg_program *p;
  ck_assert_int_eq(dg_check_file(cx, "examples/linear.dg", &p), DG_OK);
  return p;
}

typedef struct Again {
  dg_context *cx;
  dg_session *s;
  int moments;
} Again;

/* Evaluates and predicts from within. */
static int look(void *user, const dg_progress *g) {
  Again *a = user;
  dg_context *cx = a->cx;
  if (g->at != DG_AT_EPOCH) return 0;
  ok(dg_evaluate_set(a->s, NULL, 0));
  ok(dg_predict_set(a->s, "train"));
  return 0;
}

static void one_round(dg_context *cx, Again *a, int64_t epochs) {
  dg_train_options t;
  dg_train_options_init(&t, sizeof t);
  t.epochs = epochs, t.progress = look, t.user = a;
  ok(dg_train_prepare(a->s, &t));
  ok(dg_train(a->s, &t, NULL));
  ok(dg_evaluate_set(a->s, "train", 7));
  ok(dg_predict_set(a->s, NULL));
}

START_TEST(trained_again) {
  dg_context *cx = context();
  dg_program *p = line(cx);
  dg_session *s = session(cx, p, 0, 2);
  Again a = {.cx = cx, .s = s};
  for (int i = 1; i <= 2; i++) one_round(cx, &a, i);
  size_t held = cx->mem.used;
  for (int i = 3; i <= 40; i++) {
    one_round(cx, &a, i);
    ck_assert_msg(cx->mem.used == held, "%zu bytes after %d rounds, %zu after 2", cx->mem.used, i, held);
  }
  free_all(cx, p, s);
}
END_TEST

START_TEST(epochs_hold_nothing) {
  dg_context *cx = context();
  dg_program *p = line(cx);
  dg_session *s = session(cx, p, 1, 1);
  Again a = {.cx = cx, .s = s};
  one_round(cx, &a, 2);
  one_round(cx, &a, 10);
  size_t peak = cx->mem.peak;
  one_round(cx, &a, 60); /* in one call */
  ck_assert_msg(cx->mem.peak == peak, "%zu bytes, %zu before", cx->mem.peak, peak);
  free_all(cx, p, s);
}
END_TEST

/* Another file for an input takes the place of the last one's data, and so does one that turns out wrong. */
START_TEST(files_take_the_place_of_files) {
  begin();
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N, 4]\nparam w: f32 = 3\noutput y = x * w\nloss l = mean(y)\n"
                              "train t { minimize l; update w using sgd() }\n");
  dg_session *s = session(cx, p, 1, 1);
  Sb rows;
  sb_init(&rows, &arena);
  for (int i = 0; i < 20000; i++) sb_add(&rows, STR("1,2,3,4\n"));
  const char *good = put("good.csv", sb_str(&rows)).p;
  sb_add(&rows, STR("1,2,3,four\n"));
  const char *bad = put("bad.csv", sb_str(&rows)).p;
  size_t held = 0;
  for (int turn = 0; turn < 6; turn++) {
    ok(dg_data(s, "train", "x", good, NULL));
    ck_assert_int_ne(dg_data(s, "train", "x", bad, NULL), DG_OK);
    ok(dg_evaluate_set(s, "train", 0));
    double l;
    ok(dg_value(s, "l", &l));
    ck_assert_double_eq(l, 7.5);
    if (turn == 1) held = cx->mem.used;
    ck_assert_msg(turn < 2 || cx->mem.used == held, "%zu bytes, %zu before", cx->mem.used, held);
  }
  free_all(cx, p, s);
  end();
}
END_TEST

START_TEST(shapes_come_and_go) {
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N] in [0, 100]\nparam w: f32 = 3\noutput y = x * w\n");
  dg_session *s = session(cx, p, 1, 1);
  float x[64] = {0};
  size_t held = 0;
  for (int turn = 0; turn < 6; turn++) {
    for (int64_t n = 1; n <= 40; n++) { /* more than are kept */
      ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {n}, .data = x}));
      ok(dg_predict(s));
    }
    if (turn == 1) held = cx->mem.used;
    ck_assert_msg(turn < 2 || cx->mem.used == held, "%zu bytes, %zu before", cx->mem.used, held);
  }
  free_all(cx, p, s);
}
END_TEST

START_TEST(loaded_again) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  dg_session *s = session(cx, p, 1, 1);
  char path[] = "/tmp/dgc-memory-XXXXXX";
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  size_t held = 0;
  for (int i = 0; i < 20; i++) {
    ok(dg_save(s, path));
    ok(dg_load(s, path, i % 2 ? DG_LOAD_ALL : DG_LOAD_MODEL));
    if (i == 1) held = cx->mem.used;
    ck_assert(i < 2 || cx->mem.used == held);
  }
  unlink(path);
  free_all(cx, p, s);
}
END_TEST

/* On a thread with a small stack: what a call gave. */
typedef struct Small {
  dg_context *cx;
  dg_session *s; /* NULL: check */
  dg_status st;
} Small;
static void *on_small_stack(void *arg) {
  Small *c = arg;
  dg_program *p = NULL;
  if (c->s)
    c->st = dg_train(c->s, NULL, NULL);
  else
    c->st = dg_check_file(c->cx, "examples/linear.dg", &p);
  dg_program_free(p);
  return NULL;
}
static dg_status with_stack(Small *c, size_t bytes) {
  pthread_attr_t attr;
  pthread_t t;
  pthread_attr_init(&attr);
  ck_assert_int_eq(pthread_attr_setstacksize(&attr, bytes), 0);
  ck_assert_int_eq(pthread_create(&t, &attr, on_small_stack, c), 0);
  pthread_join(t, NULL);
  pthread_attr_destroy(&attr);
  return c->st;
}

START_TEST(small_stacks_are_refused) {
  dg_context *cx = context();
  Small check = {.cx = cx};
  ck_assert_int_eq(with_stack(&check, 64 << 10), DG_LIMIT);
  ck_assert_ptr_nonnull(strstr(dg_error(cx), "KiB of stack left"));
  ck_assert_int_eq(with_stack(&check, 2 << 20), DG_OK);
  dg_program *p = line(cx);
  dg_session *s = session(cx, p, 0, 1);
  Small step = {cx, s, DG_OK};
  ck_assert_int_eq(with_stack(&step, 64 << 10), DG_LIMIT);
  ck_assert_ptr_nonnull(strstr(dg_error(cx), "KiB of stack left"));
  free_all(cx, p, s);
}
END_TEST

/* A product packs its panels in memory of each thread: that counts, and can be what is too much. */
START_TEST(limit_of_scratch) {
  if (!native()) return;
  static const char text[] = "input x: f32[64, 300]\nparam w: f32[500, 300] = 1\noutput y = x @ w'\n";
  static float x[64 * 300];
  int64_t bytes[2], step = 0;
  for (int turn = 0; turn < 3; turn++) {
    dg_context *cx = context();
    dg_program *p = program(cx, text);
    dg_session *s = session(cx, p, 0, turn == 0 ? 1 : 3);
    ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {64, 300}, .data = x}));
    dg_facts f = {.size = sizeof f};
    if (turn == 2) {
      ok(dg_limit(cx, "arena_bytes", bytes[1] - 1));
      fails(DG_LIMIT, "arena_bytes", dg_session_facts(s, "predict", &f));
      ok(dg_limit(cx, "arena_bytes", bytes[1]));
    }
    ok(dg_session_facts(s, "predict", &f));
    if (turn < 2)
      bytes[turn] = f.arena_bytes;
    else
      step = f.arena_bytes;
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
  ck_assert_int_ge(bytes[1] - bytes[0], 2 * 300 * 16 * 4); /* two threads more, a panel each at least */
  ck_assert_int_eq(step, bytes[1]);
}
END_TEST

UNIT_MAIN(UNIT("memory", trained_again, epochs_hold_nothing, shapes_come_and_go,
               files_take_the_place_of_files, loaded_again, small_stacks_are_refused, limit_of_scratch))
