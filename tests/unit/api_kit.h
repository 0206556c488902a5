/* What the tests of the library's interface share. */
#ifndef DG_TESTS_API_KIT_H
#define DG_TESTS_API_KIT_H

#include "dg/dg.h"
#include "unit.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define ok(call) ck_assert_msg((call) == DG_OK, "%s: %s", #call, dg_error(cx))
/* The call fails with that status, and the reason has that text in it. */
#define fails(status, text, call)                                                                            \
  do {                                                                                                       \
    dg_status got_ = (call);                                                                                 \
    ck_assert_msg(got_ == (status), "%s: %d (%s)", #call, got_, dg_error(cx));                               \
    ck_assert_msg(strstr(dg_error(cx), (text)) != NULL, "%s: '%s'", #call, dg_error(cx));                    \
  } while (0)

static inline bool native(void) { return *dg_llvm_version() != 0; }

static inline dg_context *context(void) {
  dg_context *cx = dg_context_new();
  ck_assert_ptr_nonnull(cx);
  return cx;
}

static inline dg_program *program(dg_context *cx, const char *text) {
  dg_program *p;
  dg_status st = dg_check_source(cx, "test.dg", text, strlen(text), &p);
  ck_assert_msg(st == DG_OK, "%s\n%s", dg_error(cx), dg_diagnostics_text(p, 0));
  return p;
}

/* By the interpreter when there is no native code. */
static inline dg_session *session(dg_context *cx, dg_program *p, int interpret, int threads) {
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = interpret || !native(), o.threads = threads;
  dg_session *s;
  ok(dg_session_new(p, &o, &s));
  return s;
}

static inline void free_all(dg_context *cx, dg_program *p, dg_session *s) {
  dg_session_free(s);
  dg_program_free(p);
  dg_context_free(cx);
}

static inline char *slurp(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  ck_assert_msg(f != NULL, "%s", path);
  char *text = calloc(1, 1 << 20);
  *n = fread(text, 1, (1 << 20) - 1, f);
  fclose(f);
  return text;
}

static inline size_t array_bytes(const dg_array *a) {
  size_t n = a->dtype == DG_F64 || a->dtype == DG_I64 ? 8
             : a->dtype == DG_BF16                    ? 2
             : a->dtype == DG_U8                      ? 1
                                                      : 4;
  for (int i = 0; i < a->rank; i++) n *= (size_t)a->extent[i];
  return n;
}

/* All parameters and states of both sessions have the same bits. */
static inline void same_bits(dg_context *cx, const dg_program *p, dg_session *a, dg_session *b,
                             const char *what) {
  static const dg_kind kinds[] = {DG_PARAM, DG_STATE};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < dg_name_count(p, kinds[k]); i++) {
      const char *name = dg_name_at(p, kinds[k], i);
      dg_array x, y;
      ok(dg_read(a, name, &x));
      ok(dg_read(b, name, &y));
      ck_assert_msg(memcmp(x.data, y.data, array_bytes(&x)) == 0, "%s: '%s' differs", what, name);
    }
}

static const char line_text[] = "input x: f32[N, 1]\n"
                                "input y: f32[N, 1]\n"
                                "param w: f32[1, 1] ~ normal(0, 1)\n"
                                "param b: f32[1] = 0\n"
                                "let pred = x @ w + b\n"
                                "loss mse = mean((pred - y)^2)\n"
                                "metric worst = max(abs(pred - y))\n"
                                "output line = pred\n"
                                "train fit {\n  minimize mse\n  update * using adam(lr = 0.1)\n}\n";

enum { LINE_ROWS = 8 };
static inline void bind_line(dg_context *cx, dg_session *s, int64_t rows) {
  static float x[64], y[64]; /* kept: a session reads them at each step */
  for (int i = 0; i < 64; i++) x[i] = (float)i / 8, y[i] = 2 * x[i] + 1;
  dg_array ax = {.dtype = DG_F32, .rank = 2, .extent = {rows, 1}, .data = x},
           ay = {.dtype = DG_F32, .rank = 2, .extent = {rows, 1}, .data = y};
  ok(dg_bind(s, "x", &ax));
  ok(dg_bind(s, "y", &ay));
}

#endif
