/* The library's interface: misuse, diagnostics as data, and memory that runs out. Limits: test_api_limits.c
 */
#include "api/api.h"
#include "api_kit.h"

#include <pthread.h>

/* ---- misuse ---- */

START_TEST(no_context) {
  dg_program *p = (dg_program *)1;
  ck_assert_int_eq(dg_define(NULL, "a", "1"), DG_USAGE);
  ck_assert_int_eq(dg_warn(NULL, "error"), DG_USAGE);
  ck_assert_int_eq(dg_limit(NULL, "rank", 1), DG_USAGE);
  ck_assert_int_eq(dg_data_root(NULL, "."), DG_USAGE);
  ck_assert_int_eq(dg_register(NULL, "f", NULL, NULL), DG_USAGE);
  ck_assert_int_eq(dg_check_file(NULL, "a.dg", &p), DG_USAGE);
  ck_assert_ptr_null(p);
  ck_assert_int_eq(dg_check_source(NULL, "a.dg", "", 0, &p), DG_USAGE);
  ck_assert_str_eq(dg_error(NULL), "no context");
  dg_context_free(NULL);
  dg_program_free(NULL);
  dg_session_free(NULL);
  dg_session_options_init(NULL, 0);
  dg_train_options_init(NULL, 0);
}
END_TEST

START_TEST(settings) {
  dg_context *cx = context();
  ck_assert_str_eq(dg_error(cx), "");
  fails(DG_USAGE, "name", dg_define(cx, NULL, "1"));
  fails(DG_USAGE, "name", dg_define(cx, "", "1"));
  fails(DG_USAGE, "value", dg_define(cx, "n", NULL));
  fails(DG_USAGE, "flag", dg_warn(cx, NULL));
  fails(DG_USAGE, "nonsense", dg_warn(cx, "nonsense"));
  fails(DG_USAGE, "no-nonsense", dg_warn(cx, "no-nonsense"));
  fails(DG_USAGE, "name", dg_limit(cx, NULL, 4));
  fails(DG_USAGE, "nodez", dg_limit(cx, "nodez", 4));
  fails(DG_USAGE, "did you mean 'nodes'", dg_limit(cx, "node", 4));
  fails(DG_USAGE, "from 1 to", dg_limit(cx, "nodes", 0));
  fails(DG_USAGE, "from 1 to 8", dg_limit(cx, "rank", 9)); /* dg_array has room for no more */
  ok(dg_limit(cx, "rank", 8));
  fails(DG_USAGE, "did you mean 'unowned'", dg_warn(cx, "error=unownd"));
  fails(DG_IO, "no such file or folder", dg_data_root(cx, "/no/such/folder"));
  fails(DG_IO, "no folder", dg_data_root(cx, "/dev/null"));
  fails(DG_USAGE, "folder", dg_data_root(cx, ""));
  fails(DG_USAGE, "function", dg_register(cx, "f", NULL, NULL));
  ok(dg_warn(cx, "error=unowned"));
  ck_assert_ptr_nonnull(strstr(dg_error(cx), "function")); /* the last failure stays */
  fails(DG_USAGE, "'-Wa?b'", dg_warn(cx, "a\nb"));         /* one line */
  dg_context_free(cx);
}
END_TEST

START_TEST(programs) {
  dg_context *cx = context();
  dg_program *p = (dg_program *)1;
  fails(DG_USAGE, "place", dg_check_file(cx, "a.dg", NULL));
  fails(DG_USAGE, "file name", dg_check_file(cx, NULL, &p));
  ck_assert_ptr_null(p);
  fails(DG_USAGE, "file name", dg_check_file(cx, "", &p));
  p = (dg_program *)1;
  fails(DG_USAGE, "text", dg_check_source(cx, "a.dg", NULL, 3, &p));
  ck_assert_ptr_null(p);
  ck_assert_int_eq(dg_check_file(cx, "/nonexistent/a.dg", &p), DG_IO);
  ck_assert_ptr_nonnull(p);
  ck_assert_int_eq(dg_diagnostic_count(p), 1);
  dg_session *s;
  fails(DG_REJECTED, "errors", dg_session_new(p, NULL, &s));
  ck_assert_ptr_null(s);
  dg_program_free(p);
  ck_assert_int_eq(dg_check_source(cx, "empty.dg", NULL, 0, &p), DG_REJECTED);
  dg_program_free(p);
  p = program(cx, line_text);
  ck_assert_int_eq(dg_diagnostic_count(p), 0);
  ck_assert_ptr_null(dg_diagnostic_at(p, 0));
  ck_assert_ptr_null(dg_diagnostic_at(p, -1));
  ck_assert_ptr_null(dg_diagnostic_at(NULL, 0));
  ck_assert_int_eq(dg_diagnostic_count(NULL), 0);
  ck_assert_int_eq(dg_name_count(NULL, DG_PARAM), 0);
  ck_assert_int_eq(dg_name_count(p, DG_INPUT), 2);
  ck_assert_int_eq(dg_name_count(p, DG_PARAM), 2);
  ck_assert_int_eq(dg_name_count(p, DG_STATE), 4); /* adam's two of each */
  ck_assert_str_eq(dg_name_at(p, DG_OUTPUT, 0), "line");
  ck_assert_str_eq(dg_name_at(p, DG_LOSS, 0), "mse");
  ck_assert_str_eq(dg_name_at(p, DG_METRIC, 0), "worst");
  ck_assert_str_eq(dg_name_at(p, DG_STEP, 0), "fit");
  ck_assert_ptr_null(dg_name_at(p, DG_STEP, 1));
  ck_assert_ptr_null(dg_name_at(p, DG_STEP, -1));
  ck_assert_ptr_null(dg_name_at(p, (dg_kind)77, 0));
  ck_assert_ptr_nonnull(strstr(dg_report(p), "open"));
  ck_assert_str_eq(dg_report(NULL), "");
  ck_assert_str_eq(dg_diagnostics_text(NULL, 0), "");
  ck_assert_str_eq(dg_diagnostics_text(p, 1), "");
  ck_assert_ptr_null(dg_explain(NULL));
  ck_assert_ptr_null(dg_explain(""));
  ck_assert_ptr_null(dg_explain("DG9999"));
  ck_assert_ptr_null(dg_explain("../../etc/passwd"));
  ck_assert_ptr_nonnull(dg_explain("DG0304"));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

START_TEST(emits) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  const char *text;
  size_t n;
  ck_assert_int_eq(dg_may_write(NULL, "a"), DG_USAGE);
  fails(DG_USAGE, "path", dg_may_write(p, NULL));
  fails(DG_USAGE, "path", dg_may_write(p, ""));
  ck_assert_int_eq(dg_emit(NULL, "graph", NULL, &text, &n), DG_USAGE);
  fails(DG_USAGE, "stage", dg_emit(p, NULL, NULL, &text, &n));
  fails(DG_USAGE, "stage", dg_emit(p, "nonsense", NULL, &text, &n));
  fails(DG_USAGE, "places", dg_emit(p, "graph", NULL, NULL, &n));
  dg_emit_options o = {.size = 3};
  fails(DG_USAGE, "size", dg_emit(p, "graph", &o, &text, &n));
  o = (dg_emit_options){.size = sizeof o, .entry = "nothing", .level = -1};
  fails(DG_USAGE, "nothing", dg_emit(p, "graph", &o, &text, &n));
  fails(DG_REJECTED, "N", dg_emit(p, "plan", NULL, &text, &n)); /* N has no value */
  static const char *const early[] = {"tokens", "ast", "fmt", "graph", "grad", "step"};
  for (size_t i = 0; i < sizeof early / sizeof *early; i++) {
    ok(dg_emit(p, early[i], NULL, &text, &n));
    ck_assert(n > 0 && strlen(text) == n);
  }
  dg_program_free(p);
  ok(dg_define(cx, "N", "4"));
  p = program(cx, line_text);
  static const char *const late[] = {"opt", "kernels", "plan", "llvm", "asm", "obj"};
  for (size_t i = 0; i < (native() ? 6u : 3u); i++) {
    ok(dg_emit(p, late[i], NULL, &text, &n));
    ck_assert(n > 0);
  }
  o = (dg_emit_options){.size = sizeof o, .entry = "predict", .time_passes = 1, .level = -1};
  ok(dg_emit(p, "log", &o, &text, &n));
  ck_assert(n > 0);
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* A host may have called setlocale: programs, what is emitted, messages and saved text keep their points. */
START_TEST(emits_in_any_locale) {
  static const char text[] =
      "const rate = 0.5\ninput x: f32[4] in [-1.5, 2.25]\nparam w: f32[4] = [0.1, 2.5e-7, 1.25, 3e10]\n"
      "loss l = mean((w * gelu(x) - 0.3)^2)\n"
      "train fit { minimize l; update w using adam(lr = 1.5e-3 * rate) }\n";
  static const char *const stages[] = {"ast", "fmt",     "graph", "facts", "grad", "step",
                                       "opt", "kernels", "plan",  "llvm",  "asm"};
  char *kept[sizeof stages / sizeof *stages] = {0};
  float w[2][4] = {0};
  for (int turn = 0; turn < 2 && (turn == 0 || unit_comma_locale()); turn++) {
    dg_context *cx = context();
    ok(dg_define(cx, "rate", "0.25"));
    dg_program *p;
    ok(dg_check_source(cx, "t.dg", text, strlen(text), &p));
    for (size_t i = 0; i < (native() ? 11u : 9u); i++) {
      const char *out;
      size_t n;
      ok(dg_emit(p, stages[i], NULL, &out, &n));
      if (turn == 0)
        kept[i] = strdup(out);
      else
        ck_assert_msg(strcmp(kept[i], out) == 0, "--emit=%s is another", stages[i]);
    }
    dg_session *s = session(cx, p, 0, 1);
    dg_array x = {.dtype = DG_F32, .rank = 1, .extent = {4}, .data = (float[]){-1.5f, 0.25f, 1, 2}}, now;
    ok(dg_bind(s, "x", &x));
    ok(dg_step(s, "fit"));
    ok(dg_read(s, "w", &now));
    memcpy(w[turn], now.data, sizeof w[turn]);
    if (turn) ck_assert_int_eq(memcmp(w[0], w[1], sizeof w[0]), 0);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
  unit_locale_back();
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) free(kept[i]);
}
END_TEST

START_TEST(sessions) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  dg_session *s = (dg_session *)1;
  dg_session_options o;
  double v;
  dg_array a;
  ck_assert_int_eq(dg_session_new(NULL, NULL, &s), DG_USAGE);
  ck_assert_ptr_null(s);
  fails(DG_USAGE, "place", dg_session_new(p, NULL, NULL));
  dg_session_options_init(&o, sizeof o);
  o.size = 3;
  fails(DG_USAGE, "size", dg_session_new(p, &o, &s));
  dg_session_options_init(&o, sizeof o);
  o.level = 4;
  fails(DG_USAGE, "level", dg_session_new(p, &o, &s));
  dg_session_options_init(&o, sizeof o);
  o.threads = 1000000;
  fails(DG_USAGE, "threads", dg_session_new(p, &o, &s));
  ck_assert_int_eq(dg_step(NULL, "fit"), DG_USAGE);
  ck_assert_int_eq(dg_predict(NULL), DG_USAGE);
  ck_assert_int_eq(dg_value(NULL, "mse", &v), DG_USAGE);
  ck_assert_int_eq(dg_bind(NULL, "x", &a), DG_USAGE);
  ck_assert_int_eq(dg_train(NULL, NULL, NULL), DG_USAGE);
  ck_assert_int_eq(dg_data(NULL, "train", "x", "x.npy", NULL), DG_USAGE);
  ck_assert_int_eq(dg_save(NULL, "w"), DG_USAGE);
  ck_assert_int_eq(dg_session_facts(NULL, NULL, NULL), DG_USAGE);

  s = session(cx, p, 1, 1);
  float data[8] = {0};
  fails(DG_USAGE, "not bound", dg_step(s, "fit"));
  fails(DG_USAGE, "not bound", dg_predict(s));
  fails(DG_USAGE, "nothing", dg_step(s, "nothing"));
  fails(DG_USAGE, "train step", dg_step(s, "predict"));
  fails(DG_USAGE, "train step", dg_step(s, NULL));
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {8, 1}, .data = data};
  fails(DG_USAGE, "z", dg_bind(s, "z", &a));
  fails(DG_USAGE, "no input 'w'", dg_bind(s, "w", &a));
  fails(DG_USAGE, "array", dg_bind(s, "x", NULL));
  a.data = NULL;
  fails(DG_USAGE, "data", dg_bind(s, "x", &a));
  a = (dg_array){.dtype = DG_F64, .rank = 2, .extent = {8, 1}, .data = data};
  fails(DG_REJECTED, "f32", dg_bind(s, "x", &a));
  a.dtype = (dg_dtype)99;
  fails(DG_REJECTED, "f32", dg_bind(s, "x", &a));
  a = (dg_array){.dtype = DG_F32, .rank = 1, .extent = {8}, .data = data};
  fails(DG_REJECTED, "axes", dg_bind(s, "x", &a));
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {8, 2}, .data = data};
  fails(DG_REJECTED, "axis 1", dg_bind(s, "x", &a));
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {0, 1}, .data = data};
  fails(DG_REJECTED, "empty", dg_bind(s, "x", &a));
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {-1, 1}, .data = data};
  fails(DG_REJECTED, "empty", dg_bind(s, "x", &a));
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {INT64_MAX, 1}, .data = data};
  fails(DG_LIMIT, "tensor_bytes", dg_bind(s, "x", &a));
  bind_line(cx, s, LINE_ROWS);
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {5, 1}, .data = data};
  ok(dg_bind(s, "y", &a));
  fails(DG_REJECTED, "'y'", dg_step(s, "fit")); /* N is 8 and 5 */
  fails(DG_USAGE, "mse", dg_value(s, "mse", &v));
  bind_line(cx, s, LINE_ROWS);
  ok(dg_step(s, "fit"));
  ok(dg_value(s, "mse", &v));
  ok(dg_value(s, "worst", &v)); /* metrics are measured on the batch */
  fails(DG_USAGE, "nothing", dg_value(s, "nothing", &v));
  fails(DG_USAGE, "place", dg_value(s, "mse", NULL));
  fails(DG_USAGE, "line", dg_read(s, "line", &a)); /* no prediction yet */
  ok(dg_predict(s));
  ok(dg_read(s, "line", &a));
  ck_assert(a.rank == 2 && a.extent[0] == LINE_ROWS && a.extent[1] == 1);
  ok(dg_evaluate(s));
  fails(DG_USAGE, "name", dg_read(s, NULL, &a));
  ok(dg_read(s, "w", &a));
  ok(dg_read(s, "fit.m.w", &a));
  fails(DG_USAGE, "'x'", dg_write(s, "x", &a));
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {1, 2}, .data = data};
  fails(DG_REJECTED, "is f32[1, 1], the array f32[1, 2]", dg_write(s, "w", &a));
  a = (dg_array){.dtype = DG_I32, .rank = 2, .extent = {1, 1}, .data = data};
  fails(DG_REJECTED, "the array i32[1, 1]", dg_write(s, "w", &a));
  a = (dg_array){.dtype = DG_F32, .rank = 2, .extent = {1, 1}, .data = data};
  data[0] = 42;
  ok(dg_write(s, "w", &a));
  ok(dg_read(s, "w", &a));
  ck_assert_float_eq(*(float *)a.data, 42);
  fails(DG_USAGE, "path", dg_save(s, ""));
  fails(DG_USAGE, "path", dg_load(s, NULL, 0));
  fails(DG_IO, "", dg_load(s, "/nonexistent/w.safetensors", 0));
  fails(DG_IO, "", dg_save(s, "/nonexistent/w.safetensors"));
  fails(DG_USAGE, "data set", dg_data(s, "other", "x", "x.npy", NULL));
  fails(DG_USAGE, "input", dg_data(s, "train", "w", "x.npy", NULL));
  fails(DG_IO, "", dg_data(s, "train", "x", "/nonexistent/x.npy", NULL));
  fails(DG_USAGE, "data set", dg_evaluate_set(s, "other", 0));
  fails(DG_USAGE, "data set", dg_predict_set(s, "other"));
  dg_train_options t = {.size = 1};
  fails(DG_USAGE, "size", dg_train(s, &t, NULL));
  dg_train_options_init(&t, sizeof t);
  t.step = "nothing";
  fails(DG_USAGE, "nothing", dg_train(s, &t, NULL));
  dg_facts f = {.size = sizeof f};
  fails(DG_USAGE, "place", dg_session_facts(s, "fit", NULL));
  fails(DG_USAGE, "nothing", dg_session_facts(s, "nothing", &f));
  ok(dg_session_facts(s, NULL, &f));
  ck_assert_int_eq(f.parameters, 2);
  free_all(cx, p, s);
}
END_TEST

/* What the extents of arrays add to what was said of the program. */
START_TEST(extents_add_warnings) {
  static const char text[] =
      "input x: f32[N, 4]\nparam w: f32[4, 1] ~ normal(0, 1)\nparam v: f32 = 0\nlet h = x @ w\n"
      "loss l = mean((h - mean(h, axis = 0, keep = true))^2)\n"
      "train fit { minimize l; update * using sgd(lr = 0.1) }\n";
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  dg_session_options o;
  dg_session *s;
  const char *said;
  float data[12] = {0};
  ck_assert_int_eq(dg_diagnostic_count(p), 1); /* v is unused, and told once */
  dg_session_options_init(&o, sizeof o);
  o.interpret = 1;
  ok(dg_session_new(p, &o, &s));
  ck_assert_int_eq(dg_session_warnings(NULL, NULL, DG_TEXT_PLAIN, &said), DG_USAGE);
  fails(DG_USAGE, "place", dg_session_warnings(s, NULL, DG_TEXT_PLAIN, NULL));
  fails(DG_USAGE, "nothing", dg_session_warnings(s, "nothing", DG_TEXT_PLAIN, &said));
  ck_assert_int_eq(dg_session_diagnostics(NULL, NULL, DG_TEXT_PLAIN, &said), DG_USAGE);
  fails(DG_USAGE, "place", dg_session_diagnostics(s, NULL, DG_TEXT_PLAIN, NULL));
  for (int form = -1; form <= DG_TEXT_SARIF + 1; form += DG_TEXT_SARIF + 2) {
    fails(DG_USAGE, "no dg_text_form", dg_session_warnings(s, NULL, (dg_text_form)form, &said));
    fails(DG_USAGE, "no dg_text_form", dg_session_diagnostics(s, NULL, (dg_text_form)form, &said));
  }
  ck_assert_int_eq(dg_session_report(NULL, NULL, &said), DG_USAGE);
  fails(DG_USAGE, "place", dg_session_report(s, NULL, NULL));
  fails(DG_USAGE, "nothing", dg_session_report(s, "nothing", &said));
  fails(DG_USAGE, "'x'", dg_session_warnings(s, NULL, DG_TEXT_PLAIN, &said)); /* nothing is bound */
  for (int64_t n = 1; n < 3; n++) {
    ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {n, 4}, .data = data}));
    ok(dg_session_warnings(s, "fit", DG_TEXT_PLAIN, &said));
    ck_assert_msg((strstr(said, "because N = 1") != NULL) == (n == 1), "%s", said);
    ck_assert_msg(strstr(said, "'v'") == NULL, "%s", said);
    ok(dg_session_warnings(s, NULL, DG_TEXT_JSON, &said));
    ck_assert_msg((strstr(said, "DG0313") != NULL) == (n == 1), "%s", said);
    ok(dg_session_warnings(s, NULL, DG_TEXT_SARIF, &said));
    ck_assert_msg((strstr(said, "\"version\":\"2.1.0\"") != NULL) == (n == 1), "%s", said);
    for (int form = DG_TEXT_PLAIN; form <= DG_TEXT_SARIF; form++) {
      ok(dg_session_diagnostics(s, NULL, (dg_text_form)form, &said));
      ck_assert_msg((strstr(said, "DG0313") != NULL) == (n == 1), "%s", said);
      ck_assert_msg(strstr(said, "'v'") != NULL, "%s", said); /* known before */
    }
    ok(dg_session_report(s, NULL, &said));
    ck_assert_msg((strstr(said, "zero     ") != NULL) == (n == 1), "%s", said);
  }
  free_all(cx, p, s);
}
END_TEST

static int tiny_host(void *user, const dg_array *in, int n, dg_array *out) {
  (void)user, (void)in, (void)n;
  for (int i = 0; i < 40; i++) ((float *)out->data)[i] = 1e-40f;
  return 0;
}
/* By whatever door a subnormal number comes in, it is a zero: for the interpreter and for native code, whose
 * maximum and moves would treat it differently. */
START_TEST(no_subnormal_enters) {
  static const char text[] = "extern fn tiny(a: f32[U]) -> f32[U]\n"
                             "input x: f32[N]\nparam w: f32[40] = 0\n"
                             "output whole = x\noutput above = maximum(x, 0)\noutput less = relu(-x)\n"
                             "output own = maximum(w, -1)\noutput made = tiny(x)\n"
                             "loss l = sum(w)\ntrain fit { minimize l; update w using sgd() }\n";
  static const char *const name[] = {"whole", "above", "less", "own", "made"};
  for (int interpret = 0; interpret < 2; interpret++) {
    dg_context *cx = context();
    ok(dg_register(cx, "tiny", tiny_host, NULL));
    dg_program *p = program(cx, text);
    dg_session *s = session(cx, p, interpret, 1);
    float x[40], keep[40];
    for (int i = 0; i < 40; i++) keep[i] = x[i] = i % 2 ? 1e-40f : -1e-41f;
    dg_array a = {.dtype = DG_F32, .rank = 1, .extent = {40}, .data = x};
    ok(dg_bind(s, "x", &a));
    ok(dg_write(s, "w", &a));
    for (int load = 0; load < 2; load++) {
      ok(dg_predict(s));
      for (int k = 0; k < 5; k++) {
        dg_array y;
        ok(dg_read(s, name[k], &y));
        for (int i = 0; i < 40; i++) {
          uint32_t bits;
          memcpy(&bits, (const char *)y.data + i * 4, 4);
          ck_assert_msg((bits & 0x7fffffffu) == 0, "%s[%d] is %08x", name[k], i, bits);
        }
      }
      ck_assert(memcmp(x, keep, sizeof x) == 0); /* the host's buffer is left alone */
      if (load) break;
      char path[] = "/tmp/dgc-subnormal-XXXXXX";
      int fd = mkstemp(path);
      ck_assert_int_ge(fd, 0);
      ok(dg_save(s, path));
      size_t n;
      char *file = slurp(path, &n);
      uint64_t head;
      memcpy(&head, file, 8);
      for (size_t i = 8 + head; i + 4 <= n; i += 4)
        memcpy(file + i, &keep[1], 4); /* the counters hold it too */
      ck_assert(pwrite(fd, file, n, 0) == (ssize_t)n);
      close(fd);
      free(file);
      ok(dg_load(s, path, 1));
      unlink(path);
    }
    x[3] = 2;
    keep[3] = 2;
    ok(dg_predict(s)); /* the copy follows the buffer */
    dg_array y;
    ok(dg_read(s, "above", &y));
    ck_assert(((float *)y.data)[3] == 2 && ((float *)y.data)[2] == 0);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

START_TEST(free_in_any_order) {
  for (int order = 0; order < 6; order++) {
    dg_context *cx = context();
    dg_program *p = program(cx, line_text);
    dg_session *s = session(cx, p, 1, 1);
    bind_line(cx, s, LINE_ROWS);
    static const int turns[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int i = 0; i < 3; i++) switch (turns[order][i]) {
      case 0: dg_context_free(cx); break;
      case 1: dg_program_free(p); break;
      case 2:
        ck_assert_int_eq(dg_step(s, "fit"), DG_OK); /* it keeps what it needs alive */
        dg_session_free(s);
        break;
      }
  }
}
END_TEST

/* ---- diagnostics as data ---- */

/* Applies the edits of all diagnostics of a seed program to its text: the mended text has no diagnostic. */
static void mend(const char *path, const char *code, const char *group, const char *subject) {
  dg_context *cx = context();
  dg_program *p;
  size_t n;
  char *text = slurp(path, &n), *mended = calloc(1, 1 << 16);
  ok(dg_check_source(cx, path, text, n, &p));
  ck_assert_int_eq(dg_diagnostic_count(p), 1);
  const dg_diagnostic *d = dg_diagnostic_at(p, 0);
  ck_assert_str_eq(d->code, code);
  ck_assert_str_eq(d->group, group);
  ck_assert_int_eq(d->severity, DG_SEV_WARNING);
  ck_assert_int_eq(d->subjects, 1);
  ck_assert_str_eq(d->subject[0], subject);
  ck_assert_str_eq(d->place.file, path);
  ck_assert_int_eq(memcmp(text + d->place.byte, subject, d->place.end_byte - d->place.byte), 0);
  ck_assert_ptr_nonnull(strstr(d->rendered, d->message));
  ck_assert_ptr_nonnull(strstr(dg_diagnostics_text(p, 0), d->rendered));
  ck_assert_ptr_nonnull(strstr(dg_diagnostics_json(p), code));
  ck_assert_ptr_nonnull(strstr(dg_diagnostics_text(p, 1), "\033["));
  ck_assert(d->notes >= 1 && d->note_place[0].line > 0);
  ck_assert_int_eq(d->edits, 1);
  snprintf(mended, 1 << 16, "%.*s%s%s", (int)d->edit_place[0].byte, text, d->edit_text[0],
           text + d->edit_place[0].end_byte);
  dg_program_free(p);
  ok(dg_check_source(cx, path, mended, strlen(mended), &p));
  ck_assert_msg(dg_diagnostic_count(p) == 0, "%s\n%s", mended, dg_diagnostics_text(p, 0));
  dg_program_free(p);
  dg_context_free(cx);
  free(text);
  free(mended);
}

START_TEST(edits_mend) {
  mend("examples/seed/b-update-list.dg", "DG0304", "unowned", "b");
  mend("examples/seed/c-stop-gradient.dg", "DG0303", "cut", "w");
}
END_TEST

START_TEST(rejected) {
  dg_context *cx = context();
  dg_program *p;
  static const char text[] = "input weight: f32[N]\noutput c = wieght\noutput d = wxyz\n";
  fails(DG_REJECTED, "2 errors", dg_check_source(cx, "t.dg", text, strlen(text), &p));
  ck_assert_int_eq(dg_diagnostic_count(p), 2);
  const dg_diagnostic *d = dg_diagnostic_at(p, 0);
  ck_assert(d->severity == DG_SEV_ERROR && d->place.line == 2 && d->place.column == 12);
  ck_assert_ptr_nonnull(strstr(dg_error(cx), "2 errors")); /* asking for diagnostics leaves it */
  const char *out;
  size_t n;
  fails(DG_REJECTED, "errors", dg_emit(p, "graph", NULL, &out, &n));
  ok(dg_emit(p, "ast", NULL, &out, &n));
  ck_assert_str_eq(dg_report(p), "");
  dg_program_free(p);
  ok(dg_warn(cx, "error=unowned"));
  size_t len;
  char *seed = slurp("examples/seed/b-update-list.dg", &len);
  dg_session *s;
  fails(DG_REJECTED, "[DG0304]", dg_check_source(cx, "b.dg", seed, len, &p));
  ck_assert_int_eq(dg_diagnostic_at(p, 0)->severity, DG_SEV_ERROR);
  fails(DG_REJECTED, "errors", dg_session_new(p, NULL, &s));
  dg_program_free(p);
  dg_context_free(cx);
  free(seed);
}
END_TEST

START_TEST(defines) {
  static const char text[] = "const h = 4\nparam w: f32[h, M] = 0\ninput x: f32[N, h]\noutput y = x @ w\n";
  dg_context *cx = context();
  dg_program *p;
  dg_session *s;
  dg_array a;
  p = program(cx, text);
  fails(DG_REJECTED, "dim", dg_session_new(p, NULL, &s)); /* M has no value */
  dg_program_free(p);
  ok(dg_define(cx, "M", "3"));
  ok(dg_define(cx, "h", "6"));
  ok(dg_define(cx, "h", "7")); /* the last one counts */
  p = program(cx, text);
  s = session(cx, p, 1, 1);
  ok(dg_read(s, "w", &a));
  ck_assert(a.extent[0] == 7 && a.extent[1] == 3);
  dg_session_free(s);
  dg_program_free(p);
  static const char *const bad[] = {"abc", "0", "-1", "1.5", "true", "99999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ok(dg_define(cx, "M", bad[i]));
    dg_status st = dg_check_source(cx, "t.dg", text, strlen(text), &p);
    ck_assert_msg(st == DG_REJECTED || st == DG_LIMIT, "%s: %d", bad[i], st);
    dg_program_free(p);
  }
  ok(dg_define(cx, "M", "3"));
  ok(dg_define(cx, "hh", "3"));
  ck_assert_int_eq(dg_check_source(cx, "t.dg", text, strlen(text), &p), DG_REJECTED);
  ck_assert_ptr_nonnull(strstr(dg_diagnostic_at(p, 0)->message, "hh"));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* Dims that leave nothing of a slice, or lie before it: told where the program is checked, or when they are
 * bound. */
START_TEST(dims_that_leave_nothing) {
  static const char text[] = "input x: f32[N, 1]\nparam w: f32 = 1\noutput y = x[1:N-1] * w + x[N-3]\n";
  static const char big[] = "input x: f32[3*N]\nparam w: f32 = 1\noutput y = x * w\n";
  dg_context *cx = context();
  dg_program *p;
  float rows[4] = {1, 2, 3, 4};
  p = program(cx, text);
  dg_session *s = session(cx, p, 1, 1);
  for (int64_t n = 1; n <= 4; n++) {
    dg_array x = {.dtype = DG_F32, .rank = 2, .extent = {n, 1}, .data = rows};
    ok(dg_bind(s, "x", &x));
    if (n < 3)
      fails(DG_REJECTED, n == 1 ? "t.dg:3:14: the dim 'N - 2' is -1" : "t.dg:3:14: the dim 'N - 2' is 0",
            dg_predict(s));
    else
      ok(dg_predict(s));
  }
  dg_session_free(s);
  dg_program_free(p);
  ok(dg_define(cx, "N", "2"));
  ck_assert_int_eq(dg_check_source(cx, "t.dg", text, strlen(text), &p), DG_REJECTED);
  ck_assert_str_eq(dg_diagnostic_at(p, 0)->code, "DG0218");
  ck_assert_int_eq(dg_diagnostic_at(p, 0)->place.line, 3);
  dg_program_free(p);
  ok(dg_define(cx, "N", "9223372036854775807")); /* 2^63 - 1 */
  ck_assert_int_eq(dg_check_source(cx, "t.dg", big, strlen(big), &p), DG_REJECTED);
  ck_assert_ptr_nonnull(
      strstr(dg_diagnostic_at(p, 0)->message, "the dim '3*N' overflows: N = 9223372036854775807"));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

/* ---- memory that runs out ---- */

static bool allowed(dg_status st) { return st == DG_OK || st == DG_NO_MEMORY; }

START_TEST(no_memory_while_checking) {
  size_t n;
  char *text = slurp("examples/seed/c-stop-gradient.dg", &n);
  bool done = false;
  for (uint64_t at = 1; !done; at++) {
    dg_context *cx = context();
    dg_program *p;
    cx->mem.fail_at = cx->mem.calls + at;
    dg_status st = dg_check_source(cx, "t.dg", text, n, &p);
    ck_assert_msg(allowed(st), "allocation %d: %d %s", (int)at, st, dg_error(cx));
    ck_assert_int_eq(p != NULL, st == DG_OK);
    for (int i = 0; i < dg_diagnostic_count(p); i++) {
      const dg_diagnostic *d = dg_diagnostic_at(p, i);
      ck_assert(!d || (d->message && d->rendered));
    }
    dg_diagnostics_text(p, 1);
    dg_diagnostics_json(p);
    dg_report(p);
    done = cx->mem.calls < cx->mem.fail_at;
    dg_program_free(p);
    cx->mem.fail_at = 0;
    ok(dg_check_source(cx, "t.dg", text, n, &p)); /* the context can be used on */
    dg_program_free(p);
    dg_context_free(cx);
  }
  free(text);
}
END_TEST

static bool run_short_of_memory(uint64_t at, int interpret) {
  dg_context *cx = context();
  dg_program *p = program(cx, line_text);
  cx->mem.fail_at = cx->mem.calls + at;
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = interpret, o.threads = 2;
  dg_session *s;
  dg_status st = dg_session_new(p, &o, &s);
  ck_assert_int_eq(s != NULL, st == DG_OK);
  if (st == DG_OK) {
    bind_line(cx, s, LINE_ROWS);
    st = dg_step(s, "fit");
    if (st == DG_OK) st = dg_predict(s);
    if (st == DG_NO_MEMORY) fails(DG_USAGE, "freed", dg_step(s, "fit"));
  }
  ck_assert_msg(allowed(st), "allocation %d: %d %s", (int)at, st, dg_error(cx));
  bool done = cx->mem.calls < cx->mem.fail_at;
  dg_session_free(s);
  dg_program_free(p);

  dg_context_free(cx);
  return done;
}

START_TEST(no_memory_while_running) {
  for (uint64_t at = 1; !run_short_of_memory(at, 1); at++) {}
  if (!native()) return;
  for (uint64_t at = 1; !run_short_of_memory(at, 0); at += 5) {}
}
END_TEST

/* What a session and a program held is given back. */
START_TEST(memory_is_given_back) {
  dg_context *cx = context();
  size_t before = cx->mem.used;
  for (int i = 0; i < 3; i++) {
    dg_program *p = program(cx, line_text);
    dg_session *s = session(cx, p, i == 0, 2);
    bind_line(cx, s, LINE_ROWS);
    ok(dg_step(s, "fit"));
    dg_session_free(s);
    dg_program_free(p);
    ck_assert_uint_eq(cx->mem.used, before);
  }
  dg_context_free(cx);
}
END_TEST

/* ---- two contexts at once ---- */

typedef struct Alone {
  double loss;
  char why[256]; /* what failed; empty when nothing did */
} Alone;

static void *train_alone(void *out) {
  Alone *a = out;
  dg_context *cx = dg_context_new();
  dg_program *p = NULL;
  dg_session *s = NULL;
  float x[4] = {0, 1, 2, 3}, y[4] = {1, 3, 5, 7};
  dg_array ax = {.dtype = DG_F32, .rank = 2, .extent = {4, 1}, .data = x},
           ay = {.dtype = DG_F32, .rank = 2, .extent = {4, 1}, .data = y};
  bool good = dg_check_source(cx, "t.dg", line_text, strlen(line_text), &p) == DG_OK &&
              dg_session_new(p, NULL, &s) == DG_OK && dg_bind(s, "x", &ax) == DG_OK &&
              dg_bind(s, "y", &ay) == DG_OK;
  for (int i = 0; good && i < 50; i++) good = dg_step(s, "fit") == DG_OK;
  good = good && dg_value(s, "mse", &a->loss) == DG_OK;
  snprintf(a->why, sizeof a->why, "%s", good ? "" : dg_error(cx));
  free_all(cx, p, s);
  return NULL;
}

START_TEST(contexts_in_threads) {
  if (!native()) return;
  Alone alone[4];
  pthread_t t[4];
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&t[i], NULL, train_alone, &alone[i]), 0);
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < 4; i++) ck_assert_str_eq(alone[i].why, "");
  for (int i = 0; i < 4; i++) ck_assert_double_eq(alone[i].loss, alone[0].loss);
}
END_TEST

UNIT_MAIN(UNIT("misuse", no_context, settings, programs, emits, emits_in_any_locale, sessions,
               extents_add_warnings, no_subnormal_enters, free_in_any_order),
          UNIT("diagnostics", edits_mend, rejected, defines, dims_that_leave_nothing),
          UNIT("memory", no_memory_while_checking, no_memory_while_running, memory_is_given_back),
          UNIT("threads", contexts_in_threads))
