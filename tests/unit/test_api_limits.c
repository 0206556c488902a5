/* Each limit at -1, 0 and +1 of what an input needs, through the library's interface. */
#include "api/api.h"
#include "api_kit.h"

static dg_status check_limited(const char *limit, int64_t value, const char *path, const char *text,
                               char *why, size_t capacity) {
  dg_context *cx = context();
  ok(dg_limit(cx, limit, value));
  dg_program *p;
  dg_status st = text ? dg_check_source(cx, "t.dg", text, strlen(text), &p) : dg_check_file(cx, path, &p);
  snprintf(why, capacity, "%s\n%s", dg_error(cx), p ? dg_diagnostics_text(p, 0) : "");
  dg_program_free(p);
  dg_context_free(cx);
  return st;
}

/* At the edge the program passes, one below it does not, and the message names the limit. edge 0: it is
 * searched for. */
static int64_t edge_of(const char *limit, int64_t edge, const char *path, const char *text) {
  char why[4096];
  if (!edge) {
    int64_t low = 0, high = 1;
    while (check_limited(limit, high, path, text, why, sizeof why) == DG_LIMIT) low = high, high *= 2;
    while (high - low > 1) {
      int64_t mid = low + (high - low) / 2;
      if (check_limited(limit, mid, path, text, why, sizeof why) == DG_LIMIT)
        low = mid;
      else
        high = mid;
    }
    edge = high;
  }
  ck_assert_msg(check_limited(limit, edge, path, text, why, sizeof why) == DG_OK, "%s %lld: %s", limit,
                (long long)edge, why);
  ck_assert_int_eq(check_limited(limit, edge + 1, path, text, why, sizeof why), DG_OK);
  if (edge == 1) return edge;
  dg_status st = check_limited(limit, edge - 1, path, text, why, sizeof why);
  ck_assert_msg(st == DG_LIMIT && strstr(why, limit), "%s %lld: %d %s", limit, (long long)edge - 1, st, why);
  return edge;
}

START_TEST(limits_of_texts) {
  edge_of("source_bytes", (int64_t)strlen(line_text), NULL, line_text);
  edge_of("rank", 5, NULL, "input x: f32[1, 2, 3, 4, 5]\noutput y = x\n");
  edge_of("params", 2, NULL, line_text);
  edge_of("tensor_bytes", 4000, NULL,
          "param w: f32[10, 100] = 0\nloss l = sum(w)\n"
          "train t { minimize l; update * using sgd(lr = 0.1) }\n");
  ck_assert_int_ge(edge_of("nesting", 0, NULL, "input x: f32[2]\noutput y = ((((((((x))))))))\n"), 8);
  ck_assert_int_gt(edge_of("nodes", 0, NULL, line_text), 5);
  ck_assert_int_gt(edge_of("expansion", 0, NULL, line_text), 5);
  edge_of("calls", 0, NULL,
          "fn a(x: f32[2]) -> f32[2] = x + 1\nfn b(x: f32[2]) -> f32[2] = a(x)\n"
          "fn c(x: f32[2]) -> f32[2] = b(x)\ninput x: f32[2]\noutput y = c(x)\n");
  ck_assert_int_gt(edge_of("compiler_bytes", 0, NULL, line_text), 1000);
}
END_TEST

/* What was found before a limit ended the check is told. */
START_TEST(limits_keep_what_was_found) {
  dg_context *cx = context();
  dg_program *p;
  static const char text[] =
      "input x: f32[3]\noutput z = x + nono\n"
      "fn run(h) {\n var s = h\n for i in 0:25000 { s = sin(s) }\n return s\n}\noutput y = run(x)\n";
  ok(dg_limit(cx, "compiler_bytes", 4000000));
  for (int turn = 0; turn < 3; turn++) {
    ck_assert_int_eq(dg_check_source(cx, "t.dg", text, strlen(text), &p), DG_LIMIT);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(strstr(dg_error(cx), "compiler_bytes"));
    ck_assert_int_eq(dg_diagnostic_count(p), 1);
    ck_assert_str_eq(dg_diagnostic_at(p, 0)->code, "DG0201");
    ck_assert_ptr_nonnull(strstr(dg_diagnostics_text(p, 0), "nono"));
    dg_program_free(p);
    ck_assert_uint_eq(cx->mem.limit, 4000000);
  }
  dg_context_free(cx);
}
END_TEST

START_TEST(limit_of_files) {
  char folder[] = "/tmp/dg_api_XXXXXX", name[64], path[80];
  ck_assert_ptr_nonnull(mkdtemp(folder));
  static const char *const file[] = {"main.dg", "a.dg", "b.dg"};
  static const char *const text[] = {
      "import a = \"a.dg\"\nimport b = \"b.dg\"\ninput x: f32[2]\noutput y = a.f(b.f(x))\n",
      "fn f(x: f32[2]) -> f32[2] = x + 1\n", "fn f(x: f32[2]) -> f32[2] = x + 2\n"};
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, file[i]);
    FILE *f = fopen(path, "w");
    ck_assert(f && fputs(text[i], f) >= 0 && fclose(f) == 0);
  }
  snprintf(name, sizeof name, "%s/main.dg", folder);
  ck_assert_int_ge(edge_of("files", 0, name, NULL), 3);
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, file[i]);
    unlink(path);
  }
  rmdir(folder);
}
END_TEST

START_TEST(limit_of_errors) {
  static const char text[] = "output a = q1\noutput b = q2\noutput c = q3\noutput d = q4\noutput e = q5\n";
  for (int64_t limit = 4; limit <= 6; limit++) {
    dg_context *cx = context();
    dg_program *p;
    ok(dg_limit(cx, "errors", limit));
    ck_assert_int_eq(dg_check_source(cx, "t.dg", text, strlen(text), &p), DG_REJECTED);
    ck_assert_int_eq(dg_diagnostic_count(p), limit < 5 ? limit : 5);
    ck_assert_int_eq(strstr(dg_diagnostics_text(p, 0), "more not shown") != NULL, limit < 5);
    ck_assert_ptr_nonnull(strstr(dg_error(cx), "5 errors"));
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

/* A bound dim decides the size: the limit holds at the session's door. */
START_TEST(limit_of_bound_tensors) {
  for (int64_t limit = 399; limit <= 401; limit++) {
    dg_context *cx = context();
    ok(dg_define(cx, "M", "100"));
    ok(dg_limit(cx, "tensor_bytes", limit));
    dg_program *p = program(cx, "param w: f32[M] = 0\noutput y = w\n");
    dg_session_options o;
    dg_session_options_init(&o, sizeof o);
    o.interpret = 1;
    dg_session *s;
    if (limit < 400)
      fails(DG_LIMIT, "tensor_bytes", dg_session_new(p, &o, &s));
    else
      ok(dg_session_new(p, &o, &s));
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

START_TEST(limit_of_arena) {
  if (!native()) return;
  int64_t bytes = 0;
  for (int turn = -1; turn < 3; turn++) {
    dg_context *cx = context();
    dg_program *p = program(cx, line_text);
    dg_session *s = session(cx, p, 0, 1);
    bind_line(cx, s, LINE_ROWS);
    if (turn >= 0) ok(dg_limit(cx, "arena_bytes", bytes - 1 + turn));
    dg_facts f = {.size = sizeof f};
    if (turn == 0) {
      fails(DG_LIMIT, "arena_bytes", dg_step(s, "fit"));
      ok(dg_limit(cx, "arena_bytes", bytes)); /* and the session goes on */
    }
    ok(dg_step(s, "fit"));
    ok(dg_session_facts(s, "fit", &f));
    bytes = f.arena_bytes;
    ck_assert_int_gt(bytes, 1);
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

START_TEST(limit_of_data) {
  size_t n;
  free(slurp("examples/seed/x.npy", &n));
  for (int d = -1; d <= 1; d++) {
    dg_context *cx = context();
    dg_program *p = program(cx, line_text);
    dg_session *s = session(cx, p, 1, 1);
    ok(dg_limit(cx, "data_bytes", (int64_t)n + d));
    if (d < 0)
      fails(DG_LIMIT, "data_bytes", dg_data(s, "train", "x", "examples/seed/x.npy", NULL));
    else
      ok(dg_data(s, "train", "x", "examples/seed/x.npy", NULL));
    dg_session_free(s);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

UNIT_MAIN(UNIT("limits", limits_of_texts, limits_keep_what_was_found, limit_of_files, limit_of_errors,
               limit_of_bound_tensors, limit_of_arena, limit_of_data))
