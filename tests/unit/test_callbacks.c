/* What a host gives in place of the system's memory and files: dg_context_new_with. */
#include "api_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

/* ---- memory ---- */

typedef struct Store {
  pthread_mutex_t lock;
  size_t bytes, blocks, calls, refuse_at; /* held now; the refuse_at-th call is refused */
} Store;

/* Full of ones, and no more aligned than it must be. */
static void *store_allocate(void *user, size_t n) {
  Store *s = user;
  pthread_mutex_lock(&s->lock);
  bool refuse = ++s->calls == s->refuse_at;
  if (!refuse) s->bytes += n, s->blocks++;
  pthread_mutex_unlock(&s->lock);
  char *p = refuse ? NULL : aligned_alloc(32, (n + 16 + 31) / 32 * 32);
  return p ? memset(p + 16, 0xff, n) : NULL;
}
static void store_release(void *user, void *p, size_t n) {
  Store *s = user;
  pthread_mutex_lock(&s->lock);
  s->bytes -= n, s->blocks--;
  pthread_mutex_unlock(&s->lock);
  memset(p, 0xee, n);
  free((char *)p - 16);
}

static const char line[] = "input x: f32[N]\nparam w: f32 = 1\nloss l = mean((w*x - 3)^2)\n"
                           "train fit { minimize l; update w using sgd(lr = 0.1) }\n";

static dg_status train_line(dg_context *cx, float *w) {
  dg_program *p = NULL;
  dg_session *s = NULL;
  dg_array got;
  float x[4] = {1, 2, 3, 4};
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.threads = 2, o.interpret = !native();
  dg_status st = dg_check_source(cx, "line.dg", line, sizeof line - 1, &p);
  if (st == DG_OK) st = dg_session_new(p, &o, &s);
  if (st == DG_OK) st = dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {4}, .data = x});
  for (int i = 0; st == DG_OK && i < 3; i++) st = dg_step(s, "fit");
  if (st == DG_OK) st = dg_read(s, "w", &got);
  if (st == DG_OK) *w = *(float *)got.data;
  dg_session_free(s);
  dg_program_free(p);
  return st;
}

START_TEST(memory_of_the_host) {
  Store store = {.lock = PTHREAD_MUTEX_INITIALIZER};
  dg_callbacks c = {sizeof c, &store, store_allocate, store_release, NULL};
  dg_context *cx = context(), *own;
  float with = 0, without = 1;
  ok(train_line(cx, &without));
  ck_assert_int_eq(dg_context_new_with(&c, &own), DG_OK);
  ck_assert_int_eq(train_line(own, &with), DG_OK);
  ck_assert(!memcmp(&with, &without, sizeof with));
  ck_assert_uint_gt(store.calls, 20);
  dg_context_free(own);
  ck_assert_uint_eq(store.bytes, 0);
  ck_assert_uint_eq(store.blocks, 0);
  dg_context_free(cx);
}
END_TEST

/* Whichever call for memory is refused: it is said, and all that was given comes back. */
START_TEST(memory_the_host_refuses) {
  Store whole = {.lock = PTHREAD_MUTEX_INITIALIZER};
  dg_callbacks c = {sizeof c, &whole, store_allocate, store_release, NULL};
  dg_context *cx;
  float w;
  ck_assert_int_eq(dg_context_new_with(&c, &cx), DG_OK);
  ck_assert_int_eq(train_line(cx, &w), DG_OK);
  dg_context_free(cx);
  for (size_t at = 1; at <= whole.calls; at += 1 + at / 4) {
    Store store = {.lock = PTHREAD_MUTEX_INITIALIZER, .refuse_at = at};
    c.user = &store;
    dg_status st = dg_context_new_with(&c, &cx);
    if (st == DG_OK) st = train_line(cx, &w);
    ck_assert_msg(st == DG_NO_MEMORY, "call %zu: status %d", at, (int)st);
    dg_context_free(cx);
    ck_assert_msg(!store.bytes && !store.blocks, "call %zu: %zu blocks are left", at, store.blocks);
  }
}
END_TEST

/* ---- files ---- */

typedef struct Shelf { /* files that no folder has */
  const char *name, *text;
} Shelf;
static const Shelf shelf[] = {
    {"model/main.dg", "import b = \"lib/b.dg\"\ninput x: f32[N]\nparam w: f32 = 1\n"
                      "loss l = mean(b.square_of(w*x))\ndataset d { x = csv(\"x.csv\", column = \"x\") }\n"
                      "train fit { data = d; minimize l; update w using sgd(lr = 0.01) }\n"},
    {"model/lib/b.dg", "fn square_of(a: f32[N]) -> f32[N] = a*a\n"},
    {"data/x.csv", "x\n1\n2\n3\n4\n"},
};

static int shelf_open(void *user, const char *path) {
  FILE *f = NULL;
  (*(int *)user)++;
  if (!strcmp(path, "model/pipe")) {
    int end[2];
    if (pipe(end)) return -errno;
    close(end[1]);
    return end[0];
  }
  for (size_t i = 0; i < sizeof shelf / sizeof *shelf; i++)
    if (!strcmp(path, shelf[i].name) && (f = tmpfile())) fputs(shelf[i].text, f);
  if (!f) return -ENOENT;
  rewind(f);
  int fd = dup(fileno(f));
  fclose(f);
  return fd;
}

START_TEST(files_of_the_host) {
  int calls = 0;
  dg_callbacks c = {sizeof c, &calls, NULL, NULL, shelf_open};
  dg_context *cx;
  dg_program *p;
  dg_array w;
  ck_assert_int_eq(dg_context_new_with(&c, &cx), DG_OK);
  ok(dg_data_root(cx, "data")); /* no such folder is in the system */
  fails(DG_IO, "no such file", dg_check_file(cx, "model/none.dg", &p));
  dg_program_free(p);
  fails(DG_IO, "it is a pipe", dg_check_file(cx, "model/pipe", &p));
  dg_program_free(p);
  dg_status st = dg_check_file(cx, "model/main.dg", &p);
  ck_assert_msg(st == DG_OK, "%s\n%s", dg_error(cx), dg_diagnostics_text(p, 0));
  dg_session *s = session(cx, p, 0, 1);
  dg_train_options o;
  dg_train_options_init(&o, sizeof o);
  o.epochs = 1;
  ok(dg_train(s, &o, NULL));
  ok(dg_read(s, "w", &w));
  ck_assert_float_eq_tol(*(float *)w.data, 0.85f, 1e-6f); /* the mean of x^2 is 7.5 */
  ck_assert_int_ge(calls, 6);
  fails(DG_IO, "no such file", dg_load(s, "weights.safetensors", DG_LOAD_ALL));
  dg_session_free(s);
  dg_program_free(p);
  const char text[] = "import b = \"lib/none.dg\"\nloss l = 1\n";
  ck_assert_int_eq(dg_check_source(cx, "model/other.dg", text, sizeof text - 1, &p), DG_REJECTED);
  ck_assert_ptr_nonnull(strstr(dg_diagnostics_text(p, 0), "no such file"));
  dg_program_free(p);
  dg_context_free(cx);
}
END_TEST

START_TEST(misuse) {
  Store store = {.lock = PTHREAD_MUTEX_INITIALIZER};
  dg_callbacks c = {sizeof c, &store, store_allocate, store_release, NULL};
  dg_context *cx = (dg_context *)1;
  ck_assert_int_eq(dg_context_new_with(&c, NULL), DG_USAGE);
  ck_assert_int_eq(dg_context_new_with(NULL, &cx), DG_USAGE);
  ck_assert_ptr_null(cx);
  c.release = NULL;
  ck_assert_int_eq(dg_context_new_with(&c, &cx), DG_USAGE);
  c.release = store_release, c.size = 0;
  ck_assert_int_eq(dg_context_new_with(&c, &cx), DG_USAGE);
  c.size = offsetof(dg_callbacks, allocate); /* of a header that had no more */
  ck_assert_int_eq(dg_context_new_with(&c, &cx), DG_OK);
  dg_context_free(cx);
  ck_assert_uint_eq(store.calls, 0);
}
END_TEST

UNIT_MAIN(UNIT("memory", memory_of_the_host, memory_the_host_refuses), UNIT("files", files_of_the_host),
          UNIT("misuse", misuse))
