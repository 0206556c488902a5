/* Small programs with the numbers they must give, by the interpreter and by native code: the same bits, NaN
 * in one pattern. */
#ifndef DG_TESTS_VALUES_KIT_H
#define DG_TESTS_VALUES_KIT_H

#include "api_kit.h"

typedef struct Given {
  const char *text;  /* of the program */
  const char *x, *y; /* numbers of the inputs with these names; NULL: there is none */
  int columns;       /* of x; 0: x has one axis */
  int steps;         /* of training before the outputs are asked for */
  double tolerance;  /* relative to 1 + |value|; 0: the very number */
  const char *want;  /* "NAME: NUMBERS; NAME: NUMBERS": outputs, losses, parameters, states */
} Given;

enum { VALUES_MOST = 4096 };

static inline int values_read(const char *text, double *out) { /* up to ';' */
  int n = 0;
  for (char *end; *text && *text != ';'; text = end) {
    out[n] = strtod(text, &end);
    if (end == text) break;
    ck_assert_int_lt(++n, VALUES_MOST);
  }
  return n;
}

static inline size_t values_put(dg_dtype t, size_t i, double v, void *to) {
  switch (t) {
  case DG_F32: ((float *)to)[i] = (float)v; return 4;
  case DG_F64: ((double *)to)[i] = v; return 8;
  case DG_I32: ((int32_t *)to)[i] = (int32_t)v; return 4;
  default: ck_abort_msg("no such input in these tests"); return 0;
  }
}

static inline void values_bind(dg_context *cx, dg_session *s, const char *name, dg_dtype t, const char *text,
                               int columns, void *memory) {
  double v[VALUES_MOST];
  int n = values_read(text, v);
  for (int i = 0; i < n; i++) values_put(t, (size_t)i, v[i], memory);
  dg_array a = {
      .dtype = t, .rank = columns ? 2 : 1, .extent = {columns ? n / columns : n, columns}, .data = memory};
  ok(dg_bind(s, name, &a));
}

/* One number against the one wanted; a NaN must be the one there is. */
static inline bool values_same(dg_dtype t, const void *at, size_t i, double want, double tolerance,
                               double *got) {
  if (t == DG_I32 || t == DG_BOOL) return (*got = ((const int32_t *)at)[i]) == want;
  bool single = t == DG_F32;
  *got = single ? (double)((const float *)at)[i] : ((const double *)at)[i];
  if (isnan(*got)) {
    uint64_t bits = 0;
    memcpy(&bits, (const char *)at + i * (single ? 4 : 8), single ? 4 : 8);
    return isnan(want) && bits == (single ? UINT64_C(0x7fc00000) : UINT64_C(0x7ff8000000000000));
  }
  if (tolerance > 0 && isfinite(want)) return fabs(*got - want) <= tolerance * (1 + fabs(want));
  if (single) want = (double)(float)want;
  return *got == want && signbit(*got) == signbit(want);
}

static inline void values_compare(dg_context *cx, const Given *g, dg_session *s, const char *how) {
  double v[VALUES_MOST];
  for (const char *at = g->want; at; at = strchr(at, ';')) {
    if (*at == ';') at++;
    char name[64] = "";
    int used = 0;
    ck_assert_msg(sscanf(at, " %63[^:]:%n", name, &used) == 1 && used, "%s", at);
    int n = values_read(at + used, v);
    dg_array a;
    ok(dg_read(s, name, &a));
    int64_t count = 1;
    for (int k = 0; k < a.rank; k++) count *= a.extent[k];
    ck_assert_msg(count == n, "%s\n%s has %d numbers, not %d", g->text, name, (int)count, n);
    for (int i = 0; i < n; i++) {
      double got;
      ck_assert_msg(values_same(a.dtype, a.data, (size_t)i, v[i], g->tolerance, &got),
                    "%s\nof x = %s, %s: %s[%d] is %.17g, not %.17g", g->text, g->x ? g->x : "", how, name, i,
                    got, v[i]);
    }
  }
}

static inline dg_dtype values_dtype(const char *text, const char *name) { /* from "input NAME: f64[..]" */
  char find[32];
  snprintf(find, sizeof find, "input %s: ", name);
  const char *at = strstr(text, find);
  ck_assert_msg(at != NULL, "%s has no input %s", text, name);
  at += strlen(find);
  return !strncmp(at, "f64", 3) ? DG_F64 : !strncmp(at, "i32", 3) ? DG_I32 : DG_F32;
}

static inline void gives_by(const Given *g, int interpret) {
  static double memory[2][VALUES_MOST];
  dg_context *cx = context();
  dg_program *p = program(cx, g->text);
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.interpret = interpret, o.threads = 1, o.check_finite = 0;
  dg_session *s;
  ok(dg_session_new(p, &o, &s));
  if (g->x) values_bind(cx, s, "x", values_dtype(g->text, "x"), g->x, g->columns, memory[0]);
  if (g->y) values_bind(cx, s, "y", values_dtype(g->text, "y"), g->y, 0, memory[1]);
  for (int i = 0; i < g->steps; i++) ok(dg_step(s, dg_name_at(p, DG_STEP, 0)));
  if (dg_name_count(p, DG_OUTPUT)) ok(dg_predict(s));
  values_compare(cx, g, s, interpret ? "interpreted" : "native");
  dg_session_free(s);
  dg_program_free(p);
  dg_context_free(cx);
}

static inline void gives(const Given *g, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (int interpret = 1; interpret >= !native(); interpret--) gives_by(&g[i], interpret);
}
#define GIVES(...) gives((const Given[]){__VA_ARGS__}, sizeof((const Given[]){__VA_ARGS__}) / sizeof(Given))

#endif
