/* Memory that runs out, seen from outside: a whole use of the library is repeated while its n-th allocation
 * fails, or while it may hold only so many bytes. It ends with the status that says so, all memory comes
 * back, no file is half written, and the same context does the whole again afterwards. */
#include "api/api.h"
#include "api_kit.h"

#include <dirent.h>
#include <sys/stat.h>

/* Points sampled of one scene, the first ones and then evenly; SCARCE_POINTS=1000000 takes all. */
static uint64_t points(void) {
  const char *z = getenv("SCARCE_POINTS");
  return z ? strtoull(z, NULL, 10) : 10;
}

static char folder[] = "/tmp/dgc-scarce-XXXXXX";
static char saved[64];

/* One use of the library; the first status that is not DG_OK ends it. */
typedef dg_status Scene(dg_context *cx, const char *file);

static dg_status texts(dg_program *p) {
  static const char *const stage[] = {"tokens", "ast", "fmt", "graph", "facts", "grad", "step", "log"};
  dg_status st = DG_OK;
  for (size_t i = 0; i < sizeof stage / sizeof *stage && (st == DG_OK || st == DG_USAGE); i++) {
    dg_emit_options e = {.size = sizeof e, .level = -1};
    const char *text;
    size_t n;
    st = dg_emit(p, stage[i], &e, &text, &n); /* no train step: nothing to show at some stages */
  }
  return st == DG_USAGE ? DG_OK : st;
}

/* Has any diagnostic an edit? */
static bool mends(const dg_program *p) {
  for (uint32_t i = 0; p && i < p->diags.all.n; i++)
    if (p->diags.all.at[i]->edit.n && diag_severity(&p->diags, p->diags.all.at[i]) != SEV_IGNORED)
      return true;
  return false;
}

static dg_status check(dg_context *cx, const char *file) {
  dg_program *p;
  dg_status st = dg_check_file(cx, file, &p);
  ck_assert_int_eq(p != NULL, st == DG_OK);
  for (int i = 0; p && i < dg_diagnostic_count(p); i++) {
    const dg_diagnostic *d = dg_diagnostic_at(p, i);
    ck_assert(!d || (d->message && d->rendered));
  }
  if (st == DG_OK) st = texts(p);
  if (st == DG_OK) st = dg_fix(p, 1);
  ck_assert_int_eq(dg_fixed_count(p) + dg_fixed_left(p) > 0, st == DG_OK && mends(p));
  ck_assert(!p || (dg_diagnostics_text(p, 1) && dg_diagnostics_json(p) && dg_report(p)));
  dg_program_free(p);
  return st;
}

/* Training from files, a checkpoint written and read, whole-set evaluation and prediction. */
static dg_status train_as(dg_context *cx, const char *file, int interpret) {
  dg_program *p;
  dg_session *s = NULL;
  dg_session_options o;
  dg_train_options t;
  dg_session_options_init(&o, sizeof o);
  dg_train_options_init(&t, sizeof t);
  o.interpret = interpret, o.threads = 2;
  t.epochs = 1, t.save = saved;
  double loss;
  dg_array read;
  dg_status st = dg_check_file(cx, file, &p);
  if (st == DG_OK) st = dg_session_new(p, &o, &s);
  ck_assert_int_eq(s != NULL, st == DG_OK);
  if (st == DG_OK) st = dg_train(s, &t, NULL);
  if (st == DG_OK) st = dg_load(s, saved, 0);
  if (st == DG_OK) st = dg_evaluate_set(s, "train", 50);
  if (st == DG_OK) st = dg_value(s, "error", &loss);
  if (st == DG_OK) st = dg_predict_set(s, "train");
  if (st == DG_OK) st = dg_read(s, "y_hat", &read);
  dg_session_free(s);
  dg_program_free(p);
  return st;
}
static dg_status interpreted(dg_context *cx, const char *file) { return train_as(cx, file, 1); }
static dg_status compiled(dg_context *cx, const char *file) { return train_as(cx, file, 0); }

static dg_status settings(dg_context *cx, const char *file) {
  char name[16];
  dg_status st = DG_OK;
  for (int i = 0; i < 40 && st == DG_OK; i++) { /* the lists grow twice and more */
    snprintf(name, sizeof name, "n%d", i);
    st = dg_define(cx, name, "1");
    if (st == DG_OK) st = dg_warn(cx, "no-cut");
    if (st == DG_OK) st = dg_data_root(cx, file);
  }
  return st;
}

/* ---- the doors ---- */

/* The folder holds nothing but a whole checkpoint, the old one or the new one. */
static void nothing_half_written(void) {
  DIR *d = opendir(folder);
  int n = 0;
  size_t bytes;
  ck_assert_ptr_nonnull(d);
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  ck_assert_int_eq(n, 1);
  char *text = slurp(saved, &bytes);
  ck_assert(strcmp(text, "precious") == 0 || (bytes > 100 && text[8] == '{'));
  free(text);
}

static void precious(void) {
  FILE *f = fopen(saved, "w");
  ck_assert(f && fputs("precious", f) >= 0 && fclose(f) == 0);
}

static void sweep(Scene *scene, const char *file, bool keeps) {
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(saved, sizeof saved, "%s/w", folder);
  dg_context *cx = context();
  precious();
  ok(scene(cx, file));
  uint64_t calls = cx->mem.calls;
  size_t peak = cx->mem.peak;
  dg_context_free(cx);
  uint64_t stride = calls / points() + 1, held = 0;
  for (uint64_t n = 1; n < calls; n += n < 8 ? 1 : stride) {
    cx = context();
    size_t before = cx->mem.used;
    precious();
    cx->mem.fail_at = cx->mem.calls + n;
    dg_status st = scene(cx, file);
    ck_assert_msg(st == DG_OK || st == DG_NO_MEMORY, "%s, allocation %d: %d %s", file, (int)n, st,
                  dg_error(cx));
    if (st == DG_NO_MEMORY) ck_assert_msg(strstr(dg_error(cx), "memory"), "'%s'", dg_error(cx));
    held += st == DG_NO_MEMORY;
    nothing_half_written();
    if (!keeps) ck_assert_msg(cx->mem.used == before, "%s, allocation %d: not all given back", file, (int)n);
    cx->mem.fail_at = 0;
    if (n % 3 == 0) ok(scene(cx, file));
    dg_context_free(cx);
  }
  ck_assert_uint_gt(held, 0);
  for (int part = 1; part < 8; part++) { /* and from some point on, for ever */
    cx = context();
    size_t before = cx->mem.used;
    precious();
    ok(dg_limit(cx, "compiler_bytes", (int64_t)(before + (peak - before) / 8 * (size_t)part)));
    dg_status st = scene(cx, file);
    if (part == 1 || st != DG_OK) fails(DG_LIMIT, "'compiler_bytes'", st);
    nothing_half_written();
    if (!keeps) ck_assert_uint_eq(cx->mem.used, before);
    ok(dg_limit(cx, "compiler_bytes", INT64_C(1) << 33));
    ok(scene(cx, file));
    dg_context_free(cx);
  }
  unlink(saved);
  rmdir(folder);
}

START_TEST(checking) {
  static const char *const file[] = {"examples/seed/a-host-function.dg", "examples/fashion-mnist/cnn.dg",
                                     "examples/linear.dg", "examples/seed/b-update-list.dg"};
  for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    sweep(check, file[i], false);
  }
}
END_TEST

/* The texts of a file's edits do not fit: that is said, and is not a program with nothing to mend. */
START_TEST(mending) {
  static const char line[] = "input x: f32[4]\nparam w: f32 = 1\nparam b: f32 = 1\nloss l = mean(w * x + b)\n"
                             "train fit { minimize l; update w using sgd(lr = 0.1) }\n";
  enum { ROOM = 1 << 18 };
  char *text = calloc(1, ROOM + sizeof line);
  memset(text, '\n', ROOM);
  strcpy(text + ROOM, line);
  dg_context *cx = context();
  dg_program *p = program(cx, text);
  cx->mem.fail_at = cx->mem.calls + 1;
  fails(DG_NO_MEMORY, "memory", dg_fix(p, 1));
  ck_assert_int_eq(dg_fixed_count(p), 0);
  cx->mem.fail_at = 0;
  ok(dg_fix(p, 1));
  ck_assert_int_eq(dg_fixed_count(p), 1);
  ck_assert_int_eq(dg_fixed_left(p), 0);
  const dg_fixed *f = dg_fixed_at(p, 0);
  ck_assert(f->size == sizeof *f && f->edits == 1 && f->before_length == strlen(text));
  ck_assert(!strcmp(f->before, text) && strstr(f->after, "update w, b using"));
  ck_assert_uint_eq(f->after_length, strlen(f->after));
  ck_assert(!dg_fixed_at(p, 1) && !dg_fixed_at(p, -1) && !dg_fixed_at(NULL, 0));
  ok(dg_fix(p, 0)); /* the list is another, the text stays */
  ck_assert_int_eq(dg_fixed_count(p), 0);
  ck_assert_int_eq(dg_fix(NULL, 0), DG_USAGE);
  ck_assert(!dg_fixed_count(NULL) && !dg_fixed_left(NULL));
  dg_program_free(p);
  dg_context_free(cx);
  free(text);
}
END_TEST

START_TEST(interpreting) { sweep(interpreted, "examples/linear.dg", false); }
END_TEST

START_TEST(compiling) {
  if (native()) sweep(compiled, "examples/linear.dg", false);
}
END_TEST

START_TEST(setting) { sweep(settings, "examples", true); }
END_TEST

UNIT_MAIN(UNIT("scarce", checking, mending, interpreting, compiling, setting))
