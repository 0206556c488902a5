/* What a session takes from a file: everything, the model, or the trained model with its seed. */
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
  dg_session_options_init(&o);
  o.interpret = 1, o.seed = seed;
  ok(dg_session_new(m.p, &o, &m.s));
  ok(dg_bind(m.s, "x", &(dg_array){DG_F32, 1, {4}, x}));
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

UNIT_MAIN(UNIT("load", what_is_taken, a_file_without_the_states))
