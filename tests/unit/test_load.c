/* What a session takes from a file: everything, the model, or the trained model with its seed. */
#include "api/session.h"
#include "api_kit.h"
#include "folder_kit.h"

/* A running mean beside a parameter, an optimizer with a state of its own, noise in a metric. */
static const char model[] =
    "input x: f32[N]\nparam w: f32 = 3\nstate total: f32 = 5\n"
    "let z: f32[8] ~ normal(0, 1)\n"
    "loss l = mean((x * w)^2)\nmetric sum = total\nmetric noise = mean(z)\n"
    "train fit {\n  minimize l\n  update w using adam(lr = 0.1)\n  total := total + 1\n}\n";

typedef struct Made {
  dg_context *cx;
  dg_program *p;
  dg_session *s;
} Made;

static Made make(uint32_t seed) {
  static float x[4] = {1, 2, 3, 4};
  dg_context *cx = context();
  Made m = {.cx = cx, .p = program(cx, model)};
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = 1, o.seed = seed;
  ok(dg_session_new(m.p, &o, &m.s));
  ok(dg_bind(m.s, "x", &(dg_array){.dtype = DG_F32, .rank = 1, .extent = {4}, .data = x}));
  return m;
}

static void drop(Made *m) {
  dg_session_free(m->s);
  dg_program_free(m->p);
  dg_context_free(m->cx);
}

static double value(Made *m, const char *name) {
  dg_context *cx = m->cx;
  double v;
  ok(dg_evaluate(m->s));
  ok(dg_value(m->s, name, &v));
  return v;
}

static float number(Made *m, const char *path) {
  dg_context *cx = m->cx;
  dg_array a;
  ok(dg_read(m->s, path, &a));
  return *(float *)a.data;
}

START_TEST(what_is_taken) {
  begin();
  Made a = make(7);
  dg_context *cx = a.cx;
  for (int i = 0; i < 3; i++) ok(dg_step(a.s, "fit"));
  const char *file = in("w.safetensors").p;
  ok(dg_save(a.s, file));
  static const dg_load_what all[] = {DG_LOAD_ALL, DG_LOAD_MODEL, DG_LOAD_TRAINED};
  for (int k = 0; k < 3; k++) {
    Made b = make(1);
    cx = b.cx;
    double own = value(&b, "noise");
    ok(dg_load(b.s, file, all[k]));
    ck_assert_float_eq(number(&b, "w"), number(&a, "w"));
    ck_assert_float_eq(number(&b, "total"), 8); /* a state of the model, whatever is taken */
    ck_assert_double_eq(value(&b, "sum"), 8);
    ck_assert((number(&b, "fit.m.w") != 0) == (all[k] == DG_LOAD_ALL));
    ck_assert_double_eq(value(&b, "l"), value(&a, "l"));
    ck_assert_double_eq(value(&b, "noise"), all[k] == DG_LOAD_MODEL ? own : value(&a, "noise"));
    ck_assert_int_eq(dg_missing_count(b.s), 0);
    drop(&b);
  }
  cx = a.cx;
  fails(DG_USAGE, "dg_load_what", dg_load(a.s, file, (dg_load_what)3));
  drop(&a);
  end();
}
END_TEST

/* Weights alone, as other programs write them. */
static const char *weights_of_others(const char *name, float w) {
  static const char header[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ";
  Sb b;
  sb_init(&b, &arena);
  ck_assert_uint_eq((sizeof header - 1) % 4, 0);
  sb_add(&b, (Str){(const char[]){(char)(sizeof header - 1), 0, 0, 0, 0, 0, 0, 0}, 8});
  sb_add(&b, (Str){header, sizeof header - 1});
  sb_add(&b, (Str){(const char *)&w, 4});
  return put(name, sb_str(&b)).p;
}

START_TEST(a_file_without_the_states) {
  begin();
  Made a = make(0);
  dg_context *cx = a.cx;
  const char *file = weights_of_others("w.safetensors", 2);
  ok(dg_load(a.s, file, DG_LOAD_TRAINED));
  ck_assert_float_eq(number(&a, "w"), 2);
  ck_assert_float_eq(number(&a, "total"), 5);
  ck_assert_int_eq(dg_missing_count(a.s), 1);
  ck_assert_str_eq(dg_missing_at(a.s, 0), "total");
  ck_assert_ptr_null(dg_missing_at(a.s, 1));
  ck_assert_ptr_null(dg_missing_at(a.s, -1));
  fails(DG_MISMATCH, "--load", dg_load(a.s, file, DG_LOAD_ALL));
  ok(dg_save(a.s, in("own").p));
  ok(dg_load(a.s, in("own").p, DG_LOAD_MODEL));
  ck_assert_int_eq(dg_missing_count(a.s), 0); /* of the last file */
  drop(&a);
  end();
}
END_TEST

/* Each counter of a file, below 0: nothing is taken. */
START_TEST(counters_below_0) {
  begin();
  Made a = make(0);
  dg_context *cx = a.cx;
  for (int k = 0; k < 3; k++) {
    dg_session *s = a.s;
    s->counter[0] = k == 0 ? -1 : 1, s->epoch = k == 1 ? -1 : 1, s->batch = k == 2 ? -1 : 0;
    ok(dg_save(s, in("w").p));
    Made b = make(1);
    cx = b.cx;
    fails(DG_BAD_DATA, k == 2 ? "count 'dg.batch' is below 0" : "damaged",
          dg_load(b.s, in("w").p, DG_LOAD_ALL));
    ck_assert(b.s->counter[0] == 0 && b.s->epoch == 0 && b.s->batch == 0);
    drop(&b);
    cx = a.cx;
  }
  drop(&a);
  end();
}
END_TEST

/* ---- what is said of a program that will load */

/* The code that is found in its diagnostics, once; without one: nothing is said. */
static void is_said(const char *text, const dg_load_what *what, const char *code) {
  dg_context *cx = context();
  if (what) ok(dg_will_load(cx, *what));
  dg_program *p = program(cx, text);
  int n = dg_diagnostic_count(p);
  ck_assert_msg(n == (*code != 0), "%s: %s", text, dg_diagnostics_text(p, 0));
  if (n) ck_assert_str_eq(dg_diagnostic_at(p, 0)->code, code);
  dg_program_free(p);
  dg_context_free(cx);
}

START_TEST(judged_by_what_is_loaded) {
  static const char x[] = "input x: f32[8, 3]\n";
#define STUCK_LOSS "loss l = mean((x + (x @ a) @ b)^2)\ntrain fit { minimize l; update a, b using adam() }\n"
  static const struct {
    const char *text, *own, *model, *all; /* what is said with initial values, and with those of a file */
  } cases[] = {
      {"param a: f32[3, 2] = 0\nparam b: f32[2, 3] = 0\n" STUCK_LOSS, "DG0314", "", ""},
      {"#[expect(stuck)]\nparam a: f32[3, 2] = 0\n#[expect(stuck)]\nparam b: f32[2, 3] = 0\n" STUCK_LOSS, "",
       "", ""},
      {"param a: f32[3, 2] = 1\nparam b: f32[2, 3] = 1\n" STUCK_LOSS, "DG0315", "", ""},
      {"state rate: f32 = 0\nparam a: f32[3, 2] ~ normal(0, 1)\nloss l = mean((x @ a - 1)^2)\n"
       "train fit { minimize l; update a using sgd(lr = rate) }\n",
       "DG0305", "", ""},
      {"param a: f32[3, 2] ~ normal(0, 1)\nloss l = mean((x @ a - 1)^2)\n"
       "optimizer gated(w, g) {\n  state s = 0\n  s := 2 * s\n  w := w - s * g\n}\n"
       "train fit { minimize l; update a using gated() }\n",
       "DG0305", "DG0305", ""}, /* what an optimizer keeps comes from a file of dg_save alone */
      {"param a: f32[3, 2] ~ normal(0, 1)\nparam w: f32 = 1\nloss l = mean((x @ a - 1)^2 + 0 * w)\n"
       "train fit { minimize l; update a, w using sgd() }\n",
       "DG0313", "DG0313", "DG0313"}, /* whatever it begins with */
  };
  static const dg_load_what model_alone = DG_LOAD_MODEL, trained = DG_LOAD_TRAINED, everything = DG_LOAD_ALL;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[1000];
    snprintf(text, sizeof text, "%s%s", x, cases[i].text);
    is_said(text, NULL, cases[i].own);
    is_said(text, &model_alone, cases[i].model);
    is_said(text, &trained, cases[i].model);
    is_said(text, &everything, cases[i].all);
  }
  dg_context *cx = context();
  fails(DG_USAGE, "no dg_load_what", dg_will_load(cx, (dg_load_what)7));
  dg_context_free(cx);
  ck_assert_int_eq(dg_will_load(NULL, DG_LOAD_ALL), DG_USAGE);
}
END_TEST

/* A rule that moves without a gradient is seen to by calculation from initial values: what is not known does
 * not move. */
START_TEST(no_first_step_from_what_is_loaded) {
  static const char text[] = "input x: f32[8, 3]\nparam a: f32[3, 2] ~ normal(0, 1)\nparam w: f32 = 2\n"
                             "loss l = mean((x @ a * stop_gradient(w))^2)\n"
                             "train fit { minimize l; update a, w using adamw() }\n";
  for (int k = 0; k < 2; k++) {
    dg_context *cx = context();
    if (k) ok(dg_will_load(cx, DG_LOAD_MODEL));
    dg_program *p = program(cx, text);
    ck_assert_int_eq(dg_diagnostic_count(p), 1);
    ck_assert_str_eq(dg_diagnostic_at(p, 0)->code, "DG0303");
    bool moves = strstr(dg_diagnostics_text(p, 0), "changes it all the same") != NULL;
    ck_assert_int_eq(moves, !k);
    dg_program_free(p);
    dg_context_free(cx);
  }
}
END_TEST

UNIT_MAIN(UNIT("load", what_is_taken, a_file_without_the_states, counters_below_0, judged_by_what_is_loaded,
               no_first_step_from_what_is_loaded))
