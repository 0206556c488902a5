/* Elementwise statements. In a form, $a $b $c are values of one type and shape, $p is a bool value of that
 * shape, $t the type's name. */
#include "gen.h"

typedef struct Form {
  const char *text;
  Class in;
  ValType out;
} Form;

/* clang-format off */
static const Form forms[] = {
  {"relu($a)", REAL, SAME}, {"tanh($a)", REAL, SAME}, {"sigmoid($a)", REAL, SAME}, {"silu($a)", REAL, SAME},
  {"gelu($a)", REAL, SAME}, {"softplus($a)", REAL, SAME}, {"log_sigmoid($a)", REAL, SAME}, {"sin($a)", REAL, SAME}, {"cos(3 * $a)", REAL, SAME},
  {"abs($a)", REAL, SAME}, {"square(tanh($a))", REAL, SAME}, {"sqrt(0.1 + abs($a))", REAL, SAME},
  {"elu($a)", REAL, SAME}, {"leaky_relu($a)", REAL, SAME}, {"hard_tanh($a)", REAL, SAME}, {"relu6($a)", REAL, SAME},
  {"softsign($a)", REAL, SAME}, {"erf($a)", REAL, SAME}, {"expm1(minimum($a, 2))", REAL, SAME},
  {"log1p(abs($a))", REAL, SAME}, {"log(0.5 + square($a))", REAL, SAME}, {"exp(minimum($a, 3))", REAL, SAME},
  {"rsqrt(1 + square($a))", REAL, SAME}, {"floor(2 * $a)", REAL, SAME}, {"sign($a)", REAL, SAME},
  {"round(3 * $a)", REAL, SAME}, {"-$a", REAL, SAME}, {"tanh($a)^3", REAL, SAME}, {"(1.5 + sin($a))^-2", REAL, SAME},
  {"(1 + abs($a))^1.5", REAL, SAME}, {"clip($a, -0.7, 0.6)", REAL, SAME}, {"hard_sigmoid($a)", REAL, SAME},
  {"ceil($a)", REAL, SAME}, {"mod($a, 1.5)", REAL, SAME}, {"1 / (1.25 + sigmoid($a))", REAL, SAME},
  {"(2 - sigmoid($a)) / 3", REAL, SAME}, {"tan(0.5 * tanh($a))", REAL, SAME}, {"sinh(clip($a, -2, 2))", REAL, SAME},
  {"cosh(tanh($a))", REAL, SAME}, {"huber($a)", REAL, SAME}, {"huber($a, delta = 0.3)", REAL, SAME},
  {"elu($a, alpha = 0.5)", REAL, SAME}, {"leaky_relu($a, slope = 0.2)", REAL, SAME}, {"dropout($a, 0.4)", REAL, SAME},
  {"wave($a)", REAL, SAME}, {"twice($a)", REAL, SAME}, {"cube(tanh($a))", REAL, SAME}, {"apply(tanh, $a)", REAL, SAME},
  {"apply(fn (v) = 0.5 * v - 0.1, $a)", REAL, SAME}, {"ends($a)[0]", REAL, SAME}, {"noisy($a)", REAL, SAME},
  {"$a + $b", REAL, SAME}, {"$a - $b", REAL, SAME}, {"tanh($a) * $b", REAL, SAME}, {"maximum($a, $b)", REAL, SAME},
  {"minimum($a, $b)", REAL, SAME}, {"$a / (1.5 + abs($b))", REAL, SAME}, {"fma(0.5, $a, $b)", REAL, SAME},
  {"fma($a, tanh($b), $c)", REAL, SAME}, {"sigmoid($a) * tanh($b)", REAL, SAME}, {"0.7*$a - 0.2*$b", REAL, SAME},
  {"(1 + abs($a))^tanh($b)", REAL, SAME}, {"scaled(tanh($a), $b)", REAL, SAME}, {"mix($a, $b)", REAL, SAME},
  {"bce_with_logits($a, sigmoid($b))", REAL, SAME}, {"hinge($a, sign($b))", REAL, SAME}, {"mod($a, 1.25 + abs($b))", REAL, SAME},
  {"where($a < $b, $c, 0.5)", REAL, SAME}, {"where($a >= $b, $c, $a)", REAL, SAME}, {"where($p, $a, $b)", REAL, SAME},
  {"where($p, 0, $a / 0.75)", REAL, SAME}, {"clip($a, minimum($b, $c), maximum($b, $c))", REAL, SAME},
  {"tanh($a - stop_gradient($b))", REAL, SAME}, {"$a - stop_gradient($a) + round($a)", REAL, SAME},
  {"where($a > 0, sqrt(where($a > 0, $a, 1)), 0)", REAL, SAME}, {"$a * $t($p)", REAL, SAME},
  {"abs($a)^relu($b)", REAL, SAME}, {"tanh($a)^(2 * sign(abs($b)))", REAL, SAME}, {"mix($a, $b, share = 0.5)", REAL, SAME},
  {"$a < $b", REAL, BOOLEAN}, {"$a > 0.25", REAL, BOOLEAN}, {"$a <= $b", REAL, BOOLEAN}, {"$a >= $b", REAL, BOOLEAN},
  {"$a == $b", REAL, BOOLEAN}, {"$a != $a", REAL, BOOLEAN}, {"bool($a)", REAL, BOOLEAN},
  {"f32($a)", REAL, F32}, {"f64($a)", REAL, F64}, {"i32(3 * $a)", REAL, I32}, {"i64(100 * $a)", REAL, I64},
  {"not $p", REAL, BOOLEAN}, {"$a and $b", TRUTH, BOOLEAN}, {"$a or not $b", TRUTH, BOOLEAN}, {"$a == $b", TRUTH, BOOLEAN},
  {"$a != $b", TRUTH, BOOLEAN}, {"where($a, $b, $c)", TRUTH, BOOLEAN}, {"f32($a)", TRUTH, F32}, {"f64($a)", TRUTH, F64},
  {"i32($a)", TRUTH, I32}, {"i64($a)", TRUTH, I64},
  {"$a + $b", INTEGER, SAME}, {"$a - 3 * $b", INTEGER, SAME}, {"mod($a * $b, 17)", INTEGER, SAME}, {"div($a, 3)", INTEGER, SAME},
  {"div($a + 5, -2)", INTEGER, SAME}, {"div($a, $b)", INTEGER, SAME}, {"mod($a, $b)", INTEGER, SAME}, {"mod(3 * $a - 1, 4)", INTEGER, SAME},
  {"maximum($a, $b)", INTEGER, SAME}, {"minimum($a, 2)", INTEGER, SAME}, {"abs($a)", INTEGER, SAME}, {"sign($a - 1)", INTEGER, SAME},
  {"square($a)", INTEGER, SAME}, {"-$a", INTEGER, SAME}, {"clip($a, -2, 3)", INTEGER, SAME}, {"where($a < $b, $b, $a)", INTEGER, SAME},
  {"where($p, $a, 7)", INTEGER, SAME}, {"$a^3", INTEGER, SAME},
  {"$a < $b", INTEGER, BOOLEAN}, {"$a == $b", INTEGER, BOOLEAN}, {"$a != 2", INTEGER, BOOLEAN}, {"$a >= $b", INTEGER, BOOLEAN},
  {"bool($a)", INTEGER, BOOLEAN}, {"i32($a)", INTEGER, I32}, {"i64($a)", INTEGER, I64},
  {"f32(mod($a, 8))", INTEGER, F32}, {"f64(mod($a, 8))", INTEGER, F64}, {"tanh(f32($a))", INTEGER, F32}, {"f64($a) / 3", INTEGER, F64},
};
/* clang-format on */
enum { FORMS = sizeof forms / sizeof *forms };

static Val truth_like(Gen *g, const Val *v) { /* a bool value of that shape */
  Val t = gval_typed(*v, BOOLEAN), like = gen_like(g, &t);
  if (like.name[0] && strcmp(like.name, v->name) != 0) return like;
  if (v->type == BOOLEAN) return *v;
  return gen_let(g, t, "%s > %s", v->name, gen_like(g, v).name);
}

static void expand(Gen *g, const char *form, const Val *v, char *to, size_t size) {
  size_t n = 0;
  Val a = *v, b = gen_like(g, v), c = gen_like(g, v);
  for (const char *p = form; *p && n + NAME < size; p++) {
    if (*p != '$') {
      to[n++] = *p;
      continue;
    }
    const char *with = *++p == 'a' ? a.name : *p == 'b' ? b.name : *p == 'c' ? c.name : gval_type[v->type];
    char truth[NAME];
    if (*p == 'p') snprintf(truth, sizeof truth, "%s", truth_like(g, v).name), with = truth;
    n += (size_t)snprintf(to + n, size - n, "%s", with);
  }
  to[n] = 0;
}

static void features_of(Gen *g, const char *form) {
  static const struct {
    const char *word;
    Feature f;
  } has[] = {
      {"wave(", FEAT_for_loop},        {"cube(", FEAT_custom_rule},   {"scaled(", FEAT_custom_rule_two},
      {"apply(", FEAT_function_value}, {"ends(", FEAT_tuple_result},  {"noisy(", FEAT_training_known},
      {"noisy(", FEAT_if_static},      {"mix(", FEAT_default_arg},    {"mix(", FEAT_contract},
      {"twice(", FEAT_if_value},       {"dropout(", FEAT_random_draw}};
  for (size_t i = 0; i < sizeof has / sizeof *has; i++)
    if (strstr(form, has[i].word)) gen_feature(g, has[i].f);
  if (strstr(form, "stop_gradient")) g->no_duals = true;
}

void gen_element(Gen *g) {
  const Form *f = &forms[gen_turn(g, TABLE_ELEMENT, FORMS)];
  Val v = gen_pick(g, f->in, -1);
  char e[512];
  expand(g, f->text, &v, e, sizeof e);
  features_of(g, f->text);
  gen_let(g, gval_typed(v, f->out), "%s", e);
}

/* One side is stretched: a row, a column, a kept reduction. */
void gen_stretch(Gen *g) {
  static const char *const sign[] = {"+", "-", "*"};
  Val v = gen_pick(g, REAL, -2);
  const char *op = GEN_ONE(g, sign);
  Dim last = v.dim[v.rank - 1];
  char d[80];
  switch (gen_next(g, 5)) {
  case 0:
    gen_let(g, v, "%s %s %s(%s, axis = -1, keep = true)", v.name, op, gen_one_in(g, 2) ? "mean" : "max",
            v.name);
    return;
  case 1:
    if (v.rank != 2 || !ext_fixed(v.dim[0])) break;
    gen_let(g, v, "%s %s %s[:, _]", v.name, op,
            gen_param(g, (Val){.type = v.type, .rank = 1, .dim = {v.dim[0]}}).name);
    return;
  case 2: { /* a row that is made larger by hand */
    Val r = {.type = v.type, .rank = 1, .dim = {last}};
    if (!ext_fixed(last) || v.rank > 3) break;
    gen_let(g, v, "broadcast_to(%s, %s) %s %s", gen_param(g, r).name, shape_text(g, &v, d), op, v.name);
    return;
  }
  case 3: gen_let(g, v, "%s %s %s", v.name, op, gen_pick(g, REAL, 0).type == v.type ? "0.5" : "1.5"); return;
  default: break;
  }
  if (ext_fixed(last))
    gen_let(g, v, "%s %s %s", v.name, op, gen_param(g, (Val){.type = v.type, .rank = 1, .dim = {last}}).name);
}
