/* Calls that another thread ends: soon, with everything as it was. */
#include "api_kit.h"
#include "base/clock.h"
#include "folder_kit.h"

#include <pthread.h>
#include <time.h>

/* Processor time of the whole process: what another program takes of the machine is not counted. */
static double cpu_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

typedef struct Call {
  dg_context *cx;
  dg_status (*fn)(void *arg);
  void *arg;
  dg_status st;
  int done;
} Call;

static void *call(void *arg) {
  Call *c = arg;
  c->st = c->fn(c->arg);
  __atomic_store_n(&c->done, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

/* How long the call goes on, in processor time, when it is cancelled after `after` ms of that. */
static double cancelled_after(dg_context *cx, double after, dg_status (*fn)(void *), void *arg) {
  Call c = {.cx = cx, .fn = fn, .arg = arg};
  pthread_t t;
  double began = cpu_ms();
  const struct timespec nap = {.tv_nsec = 200000};
  ck_assert_int_eq(pthread_create(&t, NULL, call, &c), 0);
  while (cpu_ms() - began < after && !__atomic_load_n(&c.done, __ATOMIC_SEQ_CST)) nanosleep(&nap, NULL);
  ck_assert_msg(!c.done, "over before it was cancelled, after %g ms", cpu_ms() - began);
  double asked = cpu_ms();
  dg_cancel(cx, 1);
  pthread_join(t, NULL);
  double took = cpu_ms() - asked;
  ck_assert_int_eq(c.st, DG_CANCELLED);
  dg_cancel(cx, 0);
  return took;
}

/* A tenth of a second for each of the two threads that may be at work. */
static void soon(double ms) { ck_assert_msg(ms < 200, "%g ms", ms); }

/* ---- check */

typedef struct CheckOf {
  dg_context *cx;
  Str text;
  dg_program *p;
} CheckOf;
static dg_status check_it(void *arg) {
  CheckOf *c = arg;
  return dg_check_source(c->cx, "big.dg", c->text.p, c->text.n, &c->p);
}

START_TEST(check_ends) {
  begin();
  Sb b;
  sb_init(&b, &arena);
  sb_fmt(&b, "input x: f32[8]\nparam w: f32[8] = 1\nlet a0 = x * w\n");
  for (int i = 1; i < 40000; i++) sb_fmt(&b, "let a%d = tanh(a%d) + w\n", i, i - 1);
  sb_fmt(&b, "loss l = mean(a39999^2)\ntrain fit { minimize l; update w using sgd() }\n");
  dg_context *cx = context();
  CheckOf c = {.cx = cx, .text = sb_str(&b)};
  static const double after[] = {5, 100, 300}; /* reading, expanding, diagnosing */
  for (int i = 0; i < 3; i++) {
    soon(cancelled_after(cx, after[i], check_it, &c));
    ck_assert_ptr_null(c.p);
    ck_assert_str_eq(dg_error(cx), "cancelled");
  }
  dg_cancel(cx, 1); /* before it begins */
  double began = cpu_ms();
  ck_assert_int_eq(check_it(&c), DG_CANCELLED);
  ck_assert_ptr_null(c.p);
  soon(cpu_ms() - began);
  dg_cancel(cx, 0);
  dg_program *p = program(cx, "param w: f32 = 1\nloss l = w^2\n");
  dg_program_free(p);
  dg_context_free(cx);
  dg_cancel(NULL, 1);
  end();
}
END_TEST

/* ---- compile */

typedef struct RunOf {
  dg_session *s;
  const char *step;
} RunOf;
static dg_status step_it(void *arg) {
  RunOf *r = arg;
  return dg_step(r->s, r->step);
}

/* Layers of different widths: none has another's kernels. */
static const char *layers(int n) {
  Sb b;
  sb_init(&b, &arena);
  sb_fmt(&b, "input x: f32[8, 33]\n");
  for (int i = 0; i < n; i++)
    sb_fmt(&b, "param w%d: f32[%d, %d] ~ normal(0, 0.1)\nlet h%d = relu(%s%.*d @ w%d)\n", i, 33 + i, 34 + i,
           i, i ? "h" : "x", i ? 1 : 0, i ? i - 1 : 0, i);
  sb_fmt(&b, "loss l = mean(h%d^2)\ntrain fit { minimize l; update * using sgd() }\n", n - 1);
  return sb_str(&b).p;
}

START_TEST(compile_ends) {
  begin();
  dg_context *cx = context();
  dg_program *p = program(cx, layers(60));
  dg_session *s = session(cx, p, 0, 1);
  static float x[8 * 33];
  ok(dg_bind(s, "x", &(dg_array){.dtype = DG_F32, .rank = 2, .extent = {8, 33}, .data = x}));
  RunOf r = {s, "fit"};
  if (native()) {
    static const double after[] = {2, 60, 400}; /* lowering, LLVM, LLVM */
    for (int i = 0; i < 3; i++) soon(cancelled_after(cx, after[i], step_it, &r));
  }
  free_all(cx, p, s);
  end();
}
END_TEST

typedef struct TextOf {
  dg_program *p;
  const char *stage; /* NULL: an object and its header */
} TextOf;
static dg_status text_it(void *arg) {
  TextOf *t = arg;
  dg_built b = {.size = sizeof b};
  const char *text;
  size_t n;
  return t->stage ? dg_emit(t->p, t->stage, NULL, &text, &n) : dg_build(t->p, NULL, &b);
}

#if DG_GUARD
/* All kernels are one module there, and LLVM is ended between functions. What ended can be asked for again.
 */
START_TEST(objects_and_texts_end) {
  static const char *const stages[] = {NULL, "asm", "llvm"};
  begin();
  dg_context *cx = context();
  dg_program *p = program(cx, layers(30));
  for (int k = 0; k < 3 && native(); k++) {
    TextOf t = {p, stages[k]};
    double began = cpu_ms();
    ck_assert_int_eq(text_it(&t), DG_OK);
    double whole = cpu_ms() - began;
    for (int i = 0; i < 3; i++) { /* lowering and emitting, LLVM's passes and code */
      static const double at[] = {0.1, 0.3, 0.6};
      soon(cancelled_after(cx, whole * at[i], text_it, &t));
      ck_assert_str_eq(dg_error(cx), "cancelled");
    }
  }
  dg_program_free(p);
  dg_context_free(cx);
  end();
}
END_TEST
#else
START_TEST(objects_and_texts_end) { /* between the stages of a module only */ (void)text_it; }
END_TEST
#endif

/* ---- step */

typedef struct Long {
  dg_context *cx;
  dg_program *p;
  dg_session *s;
} Long;

static Long prepare(const char *text, int interpret, int threads) {
  dg_context *cx = context();
  Long l = {.cx = cx, .p = program(cx, text)};
  l.s = session(cx, l.p, interpret, threads);
  dg_facts f = {.size = sizeof f};
  ok(dg_session_facts(l.s, "fit", &f)); /* compiled */
  return l;
}

static void drop(const Long *l) {
  dg_session_free(l->s);
  dg_program_free(l->p);
  dg_context_free(l->cx);
}

static float first_of(const Long *l, const char *path) {
  dg_context *cx = l->cx;
  dg_array a;
  ok(dg_read(l->s, path, &a));
  return ((const float *)a.data)[0];
}

/* It takes long, is ended, and has changed nothing: parameters and states are as another session has them,
 * which made no step. */
static void changes_nothing(const Long *l, double after) {
  RunOf r = {l->s, "fit"};
  dg_session *untouched = session(l->cx, l->p, 1, 1);
  soon(cancelled_after(l->cx, after, step_it, &r));
  same_bits(l->cx, l->p, l->s, untouched, "a cancelled step");
  dg_session_free(untouched);
}

static const char chain[] = /* products of a hundred milliseconds and more, updates in their midst */
    "param w: f32[1536, 1536] ~ normal(0, 0.02)\nparam v: f32[1536, 1536] ~ normal(0, 0.02)\nstate n: f32 = "
    "0\n"
    "let a = w @ v\nlet b = tanh(a @ v)\nlet c = tanh(b @ v)\nlet d = tanh(c @ v)\n"
    "loss l = mean((d @ d)^2)\n"
    "train fit { minimize l; update w, v using adam(lr = 0.01); n := n + 1 }\n";
static const char loop[] = /* a loop of as many steps as it takes, each of some launches */
    "param w: f32 = 1\nstate n: f32 = 0\nparam m: f32[96, 96] ~ normal(0, 0.1)\n"
    "let r = scan (r: f32[96, 96] = 1) for i in 0:10000000 {\n"
    "  next r = tanh(stop_gradient(m) @ r) + stop_gradient(w)\n}\n"
    "loss l = (w + mean(r))^2\ntrain fit { minimize l; update w using sgd(); n := n + 1 }\n";

START_TEST(step_ends) {
  static const double after[] = {5, 150, 400};
  if (!native()) return;
  for (int threads = 1; threads <= 2; threads++) {
    Long l = prepare(chain, 0, threads);
    for (int i = 0; i < 3; i++) changes_nothing(&l, after[i]);
    drop(&l);
  }
}
END_TEST

static dg_status evaluate_it(void *arg) { return dg_evaluate(((RunOf *)arg)->s); }

START_TEST(one_kernel_ends) { /* a product of half a second, and what comes before it */
  static const double after[] = {20, 60, 120};
  if (!native()) return;
  for (int threads = 1; threads <= 2; threads++) {
    dg_context *cx = context();
    Long l = {.cx = cx, .p = program(cx, "param w: f32[3072, 3072] = 0.001\nloss l = mean(w @ w)\n")};
    l.s = session(cx, l.p, 0, threads);
    dg_facts f = {.size = sizeof f};
    ok(dg_session_facts(l.s, "eval", &f));
    for (int i = 0; i < 3; i++) soon(cancelled_after(cx, after[i], evaluate_it, &(RunOf){l.s, NULL}));
    drop(&l);
  }
}
END_TEST

START_TEST(loop_ends) {
  for (int interpret = !native(); interpret < 2; interpret++) {
    Long l = prepare(loop, interpret, 1);
    changes_nothing(&l, 50);
    drop(&l);
  }
}
END_TEST

/* ---- at a certain moment: a host function that asks for the end itself */

static int ask_in_extern(void *user, const dg_array *in, int n, dg_array *out) {
  (void)n;
  dg_cancel(user, 1);
  *(float *)out->data = *(const float *)in[0].data + 1;
  return 0;
}

static Long with_extern(const char *text, int interpret) {
  dg_context *cx = context();
  ok(dg_register(cx, "host", ask_in_extern, cx));
  Long l = {.cx = cx, .p = program(cx, text)};
  l.s = session(cx, l.p, interpret, 1);
  return l;
}

START_TEST(before_the_step_changes_anything) {
  static const char text[] = "extern fn host(x: f32) -> f32\n"
                             "param w: f32 = 3\nstate n: f32 = 0\nloss l = w^2 + host(n)\n"
                             "train fit { minimize l; update w using sgd(lr = 0.1); n := n + 1 }\n";
  for (int interpret = !native(); interpret < 2; interpret++) {
    Long l = with_extern(text, interpret);
    dg_context *cx = l.cx;
    ck_assert_int_eq(dg_step(l.s, "fit"), DG_CANCELLED);
    ck_assert(first_of(&l, "w") == 3 && first_of(&l, "n") == 0);
    ck_assert_int_eq(dg_evaluate(l.s), DG_CANCELLED);
    dg_session *none;
    ck_assert_int_eq(dg_session_new(l.p, NULL, &none), DG_CANCELLED);
    ck_assert_ptr_null(none);
    dg_cancel(cx, 0);
    ok(dg_register(cx, "host", ask_in_extern, NULL)); /* of sessions to come */
    dg_session_free(l.s);
    l.s = session(cx, l.p, interpret, 1);
    ok(dg_step(l.s, "fit"));
    ck_assert(first_of(&l, "n") == 1);
    drop(&l);
  }
}
END_TEST

/* What a step brings with it is done with it. */
START_TEST(after_belongs_to_its_step) {
  static const char text[] = "extern fn host(x: f32) -> f32\n"
                             "param w: f32 = 3\nstate n: f32 = 0\nloss l = w^2\n"
                             "train fit { minimize l; update w using sgd(lr = 0.1) }\n"
                             "after fit { n := host(n) }\n";
  for (int interpret = !native(); interpret < 2; interpret++) {
    Long l = with_extern(text, interpret);
    dg_context *cx = l.cx;
    ok(dg_step(l.s, "fit"));
    float w = first_of(&l, "w");
    ck_assert(w < 3 && first_of(&l, "n") == 1);
    ck_assert_int_eq(dg_step(l.s, "fit"), DG_CANCELLED);
    ck_assert(first_of(&l, "w") == w && first_of(&l, "n") == 1);
    drop(&l);
  }
}
END_TEST

static int ask_in_progress(void *user, const dg_progress *g) {
  if (g->at == DG_AT_STEP && g->epoch == 3) dg_cancel(user, 1);
  return 0;
}

START_TEST(training_keeps_what_was_trained) {
  begin();
  dg_context *cx = context();
  dg_program *p = program(cx, "param w: f32 = 3\nloss l = w^2\n"
                              "train fit { minimize l; update w using sgd(lr = 0.1); epochs = 10 }\n");
  dg_session *s = session(cx, p, 1, 1);
  dg_train_options o;
  dg_train_options_init(&o, sizeof o);
  o.save = in("w.safetensors").p, o.progress = ask_in_progress, o.user = cx;
  ck_assert_int_eq(dg_train(s, &o, NULL), DG_CANCELLED);
  ck_assert_str_eq(dg_error(cx), "cancelled");
  dg_array a;
  ok(dg_read(s, "w", &a));
  float w = *(float *)a.data;
  dg_cancel(cx, 0);
  ok(dg_load(s, o.save, DG_LOAD_ALL));
  ok(dg_read(s, "w", &a));
  ck_assert(*(float *)a.data == w);
  o.progress = NULL;
  ok(dg_train(s, &o, NULL)); /* and goes on */
  free_all(cx, p, s);
  end();
}
END_TEST

UNIT_MAIN(UNIT("cancel", check_ends, compile_ends, objects_and_texts_end, step_ends, one_kernel_ends,
               loop_ends, before_the_step_changes_anything, after_belongs_to_its_step,
               training_keeps_what_was_trained))
