/* Numbers that stop being numbers: found wherever they stand, and told at the step that makes them. */
#include "api/session.h"
#include "api_kit.h"
#include "runtime/host/finite.h"

START_TEST(first_of_many) {
  enum { MOST = 3 * FINITE_BLOCK + 5 };
  static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
  static float f[MOST + 1];
  static double d[MOST + 1];
  static uint16_t h[MOST + 1];
  for (size_t n = 0; n <= MOST; n += n < 70 ? 1 : 13) {
    for (size_t i = 0; i < n; i++)
      f[i] = i % 2 ? -3.4e38f : 0, d[i] = i % 2 ? 1.7e308 : -0.0, h[i] = i % 2 ? 0xff7f : 0;
    ck_assert_uint_eq(first_non_finite32(f, n), n);
    ck_assert_uint_eq(first_non_finite64(d, n), n);
    ck_assert_uint_eq(first_non_finite16(h, n), n);
    for (size_t at = 0; at < n; at++) {
      float keep = f[at];
      f[at] = bad[at % 4], d[at] = (double)bad[at % 4];
      h[at] = (uint16_t[]){0x7fc0, 0xff81, 0x7f80, 0xff80}[at % 4];
      ck_assert_uint_eq(first_non_finite32(f, n), at);
      ck_assert_uint_eq(first_non_finite64(d, n), at);
      ck_assert_uint_eq(first_non_finite16(h, n), at);
      f[at] = keep, d[at] = 1, h[at] = 0x3f80;
    }
  }
}
END_TEST

/* The second moment is the square of a gradient of 1e25; the loss stays small. */
static const char overflows[] = "input x: f32[N, 2]\nparam w: f32[2] = [3, 4]\nloss l = sum(w * x) * 1e25\n"
                                "train fit { minimize l; update w using adam(lr = 0.5); steps = 3 }\n";
/* A state that grows by the step: 10^38 at the 38th, infinite at the 39th. */
static const char grows[] =
    "input x: f32[N, 2]\nparam w: f32[2] = 0\nstate big: f32 = 1\nloss l = sum(w * x)\n"
    "train fit { minimize l; update w using sgd(lr = 1e-9); big := 10 * big }\n";

static dg_session *bound(dg_context *cx, dg_program *p, int interpret, int check) {
  static float x[4] = {0.6f, 0.8f, 0.1f, -0.4f};
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = interpret || !native(), o.threads = 1, o.check_finite = check;
  dg_session *s;
  ok(dg_session_new(p, &o, &s));
  ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {2, 2}, .data = x}));
  return s;
}

START_TEST(a_state_becomes_infinite) {
  for (int interpret = 0; interpret < 2; interpret++) {
    dg_context *cx = context();
    dg_program *p = program(cx, overflows), *q = program(cx, grows);
    dg_session *s = bound(cx, p, interpret, 1);
    fails(DG_NON_FINITE, "step 1 of 'fit': the state 'fit.v.w' becomes infinite (element 0)",
          dg_step(s, "fit"));
    dg_session_free(s);
    s = bound(cx, p, interpret, 1);
    fails(DG_NON_FINITE, "step 1 of 'fit': the state 'fit.v.w'",
          dg_train(s, NULL, NULL)); /* nothing is saved */
    dg_session_free(s);
    s = bound(cx, p, interpret, 0);
    ok(dg_train(s, NULL, NULL)); /* who does not want to know is not told */
    dg_session_free(s);
    s = bound(cx, q, interpret, 1);
    for (int i = 1; i < 39; i++) ok(dg_step(s, "fit"));
    fails(DG_NON_FINITE, "step 39 of 'fit': the state 'big' becomes infinite", dg_step(s, "fit"));
    dg_session_free(s);
    dg_program_free(p);
    dg_program_free(q);
    dg_context_free(cx);
  }
}
END_TEST

START_TEST(what_the_host_writes_is_its_own) {
  dg_context *cx = context();
  dg_program *p = program(cx, grows);
  dg_session *s = bound(cx, p, 0, 1);
  float inf = INFINITY;
  ok(dg_write(s, "big", &(dg_array){.dtype = DG_F32, .rank = 0, .extent = {0}, .data = &inf}));
  ok(dg_step(s, "fit"));
  inf = 1e38f;
  ok(dg_write(s, "big", &(dg_array){.dtype = DG_F32, .rank = 0, .extent = {0}, .data = &inf}));
  fails(DG_NON_FINITE, "step 2 of 'fit'", dg_step(s, "fit"));
  free_all(cx, p, s);
}
END_TEST

/* A large state beside little arithmetic is looked at every few steps: the message says between which. */
START_TEST(large_states_are_looked_at_now_and_then) {
  if (!native()) return;
  dg_context *cx = context();
  dg_program *p = program(cx, "input x: f32[N, 2]\nparam w: f32[2] = 0\nstate big: f32[40000] = 1\n"
                              "loss l = sum(w * x)\n"
                              "train fit { minimize l; update w using sgd(lr = 1e-9); big := 1e3 * big }\n");
  dg_session *s = bound(cx, p, 0, 1);
  dg_status st = DG_OK;
  int n = 0;
  while (st == DG_OK && n < 2000) st = dg_step(s, "fit"), n++;
  ck_assert_msg(st == DG_NON_FINITE && strstr(dg_error(cx), "the state 'big' becomes infinite"), "%s",
                dg_error(cx));
  int from, to;
  ck_assert_msg(sscanf(dg_error(cx), "steps %d to %d", &from, &to) == 2, "%s", dg_error(cx));
  ck_assert_msg(from <= 13 && 13 <= to && to == n, "%s", dg_error(cx));
  ck_assert_int_gt(s->look[0].every, 1);
  dg_session_free(s);
  /* but at the end of a training each is */
  s = bound(cx, p, 0, 1);
  dg_train_options t;
  dg_train_options_init(&t, sizeof t);
  t.steps = 13;
  fails(DG_NON_FINITE, "to 13 of 'fit': the state 'big'", dg_train(s, &t, NULL));
  free_all(cx, p, s);
}
END_TEST

UNIT_MAIN(UNIT("finite", first_of_many, a_state_becomes_infinite, what_the_host_writes_is_its_own,
               large_states_are_looked_at_now_and_then))
