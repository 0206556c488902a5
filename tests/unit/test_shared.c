/* Sessions of one program share code, keep their state apart, and run side by side with the bits of one. */
#include "api/session.h"
#include "api_kit.h"

#include <pthread.h>

static const char text[] = "import nn\n"
                           "input x: f32[N, 6]\ninput y: i32[N] in 0:3\n"
                           "let one = nn.Linear(6, 16)\nlet two = nn.Linear(16, 3)\n"
                           "let h = relu(one(x))\nlet z = two(h)\n"
                           "loss ce = mean(cross_entropy(z, y))\noutput p = softmax(z)\n"
                           "train fit { minimize ce; update * using adam(lr = 0.01) }\n";

enum { ROWS = 24, STEPS = 60, THREADS = 4 };
static float rows[ROWS][6];
static int32_t labels[ROWS];

static void data(void) {
  uint64_t g = 5;
  for (int i = 0; i < ROWS; i++) {
    for (int k = 0; k < 6; k++) {
      g = g * 6364136223846793005u + 1442695040888963407u;
      rows[i][k] = (float)(int32_t)(g >> 40) / (float)(1 << 23) - 1;
    }
    labels[i] = i % 3;
  }
}

typedef struct Work {
  dg_program *p;
  int interpret;
  int64_t n; /* rows bound */
  uint32_t seed;
  dg_status st;
  double loss;
  float w[6 * 16];
  float p_row[3];
} Work;

static dg_status train(Work *w, dg_session *s) {
  dg_status st = dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {w->n, 6}, .data = rows});
  if (st == DG_OK)
    st = dg_bind(s, "y", &(dg_array){.dtype = DG_I32, .rank = 1, .extent = {w->n}, .data = labels});
  for (int i = 0; st == DG_OK && i < STEPS; i++) st = dg_step(s, "fit");
  if (st == DG_OK) st = dg_predict(s);
  dg_array a;
  if (st == DG_OK) st = dg_read(s, "p", &a);
  if (st == DG_OK) memcpy(w->p_row, a.data, sizeof w->p_row);
  if (st == DG_OK) st = dg_read(s, "one.w", &a);
  if (st == DG_OK) memcpy(w->w, a.data, sizeof w->w);
  return st == DG_OK ? dg_value(s, "ce", &w->loss) : st;
}

static void *work(void *arg) {
  Work *w = arg;
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.threads = 1, o.interpret = w->interpret, o.seed = w->seed;
  dg_session *s;
  w->st = dg_session_new(w->p, &o, &s);
  if (w->st == DG_OK) w->st = train(w, s);
  double nothing;
  if (w->st == DG_OK && dg_value(s, "nowhere", &nothing) != DG_USAGE) w->st = DG_INTERNAL; /* fails at once */
  dg_session_free(s);
  return NULL;
}

static void same(const Work *a, const Work *b) {
  ck_assert_int_eq(a->st, DG_OK);
  ck_assert_int_eq(b->st, DG_OK);
  ck_assert(memcmp(&a->loss, &b->loss, sizeof a->loss) == 0);
  ck_assert(memcmp(a->w, b->w, sizeof a->w) == 0 && memcmp(a->p_row, b->p_row, sizeof a->p_row) == 0);
}

static void side_by_side(int interpret) {
  data();
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  Work alone[THREADS], together[THREADS];
  pthread_t t[THREADS];
  for (int i = 0; i < THREADS; i++) { /* two of each shape and of each seed */
    alone[i] = (Work){.p = p, .interpret = interpret, .n = i % 2 ? ROWS : ROWS / 2, .seed = (uint32_t)i / 2};
    together[i] = alone[i];
    work(&alone[i]);
  }
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&t[i], NULL, work, &together[i]), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < THREADS; i++) same(&alone[i], &together[i]);
  ck_assert(alone[0].loss != alone[1].loss);
  dg_program_free(p);
  dg_context_free(cx);
}

START_TEST(threads_interpret) { side_by_side(1); }
END_TEST
#if DG_CODEGEN
START_TEST(threads_native) { side_by_side(0); }
END_TEST
#endif

/* Code is made once for all sessions that live, and goes with the last of them. */
START_TEST(code_is_made_once) {
  data();
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  size_t before = cx->mem.used;
  dg_session *s[3];
  Work w = {.p = p, .n = ROWS};
  for (int i = 0; i < 3; i++) {
    s[i] = session(cx, p, 1, 1);
    ok(train(&w, s[i]));
  }
  const Code *step = s[0]->variant[0].runner->code;
  for (int i = 1; i < 3; i++) ck_assert_ptr_eq(s[i]->variant[0].runner->code, step);
  ck_assert_uint_eq(step->refs, 3);
  ck_assert_ptr_ne(s[0]->leaf_tensor, s[1]->leaf_tensor);
  /* another shape is other code */
  w.n = ROWS / 2;
  ok(train(&w, s[1]));
  ck_assert_uint_eq(step->refs, 3);
  for (int i = 0; i < 3; i++) dg_session_free(s[i]);
  ck_assert_ptr_null(p->code);
  ck_assert_uint_le(cx->mem.used, before + (64 << 10));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* A failure is told to the session's context and leaves the other sessions alone. */
START_TEST(failures_stay_apart) {
  data();
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session *a = session(cx, p, 1, 1), *b = session(cx, p, 1, 1);
  ck_assert_int_eq(dg_step(a, "fit"), DG_USAGE); /* nothing is bound */
  ck_assert_ptr_nonnull(strstr(dg_error(cx), "not bound"));
  Work w = {.p = p, .n = ROWS};
  ok(train(&w, b));
  cx->mem.fail_at = cx->mem.calls + 1;
  ok(dg_bind(a, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {ROWS, 6}, .data = rows}));
  ok(dg_bind(a, "y", &(dg_array){.dtype = DG_I32, .rank = 1, .extent = {ROWS}, .data = labels}));
  ck_assert_int_eq(dg_step(a, "fit"), DG_NO_MEMORY);
  cx->mem.fail_at = 0;
  ok(dg_step(b, "fit"));
  dg_session_free(a);
  ok(dg_step(b, "fit"));
  dg_session_free(b);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* What is bound is looked at again when its shape changes, and only then. */
START_TEST(shapes_are_followed) {
  data();
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session *s = session(cx, p, 1, 1);
  Work w = {.p = p, .n = ROWS};
  ok(train(&w, s));
  uint64_t shapes = s->shapes;
  ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {ROWS, 6}, .data = rows}));
  ck_assert_uint_eq(s->shapes, shapes);
  ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {ROWS / 2, 6}, .data = rows}));
  ck_assert_int_eq(dg_step(s, "fit"), DG_REJECTED); /* y still has ROWS */
  ok(dg_bind(s, "y", &(dg_array){.dtype = DG_I32, .rank = 1, .extent = {ROWS / 2}, .data = labels}));
  ok(dg_step(s, "fit"));
  ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {ROWS, 6}, .data = rows}));
  ck_assert_int_eq(dg_step(s, "fit"), DG_REJECTED);
  ok(dg_bind(s, "y", &(dg_array){.dtype = DG_I32, .rank = 1, .extent = {ROWS}, .data = labels}));
  ok(dg_step(s, "fit"));
  free_all(cx, p, s);
}
END_TEST

#if DG_CODEGEN
UNIT_MAIN(UNIT("threads", threads_interpret, threads_native),
          UNIT("shared", code_is_made_once, failures_stay_apart, shapes_are_followed))
#else
UNIT_MAIN(UNIT("threads", threads_interpret),
          UNIT("shared", code_is_made_once, failures_stay_apart, shapes_are_followed))
#endif
