/* Functions, modules and what is made of them; derivatives as values. */
#include "gen.h"

void gen_library(Gen *g) {
  const char *t = gval_type[g->dt];
  say(g,
      "fn wave(x: F[..]) -> F[..] {\n  var h = x\n  for i in 0:3 { h = sin(h + 0.25 * i) }\n  return h\n}\n"
      "fn twice(x: F[..], k: int = 2) -> F[..] = if k == 2 { 2 * x - tanh(x) } else { k * x }\n"
      "fn cube(x: F[..]) -> F[..] = x * x * x\n  backward (dy) = 3 * x^2 * dy\n"
      "fn scaled(x: F[..], by: F[..]) -> F[..] = x * by\n  backward (dy) = (dy * by, dy * x)\n"
      "fn through(x: F[..]) -> F[..] = round(x)\n  backward (dy) = dy\n"
      "fn mix(x: F[..], y: F[..], share = 0.25) -> F[..] {\n  requires share >= 0 and share <= 1, \"a "
      "share\"\n"
      "  return share * x + (1 - share) * y\n}\n"
      "fn slope(v: F[..]) -> F[..] = grad(sum(tanh(v)^2), v)\n"
      "fn apply(f: fn, x: F[..]) -> F[..] = f(x)\n"
      "fn ends(x: F[..]) -> (F[..], F[..]) = (tanh(x), 0.5 * x)\n"
      "fn noisy(x: F[..]) -> F[..] {\n  if training { return 0.9 * x } else { return x }\n}\n");
  say(g,
      "extern fn host_half(a: %s[U]) -> %s[U]\nextern fn host_mix(a: %s[U], b: %s[U]) -> %s[U]\n"
      "  backward (dy) = (0.5 * dy, 2 * dy)\n",
      t, t, t, t, t);
  say(g,
      "module Gate(n: int) {\n  param s: %s[n] ~ normal(0.5, 0.3)\n  state seen: %s = 0\n"
      "  fn (x: %s[.., n]) -> %s[.., n] {\n    seen := 0.9 * seen + 0.1 * mean(x)\n    return tanh(x * s)\n  "
      "}\n"
      "}\n",
      t, t, t, t);
  say(g,
      "module Block(n: int, depth: int = 2, skip: bool = true) {\n  let gates = [Gate(n) for i in 0:depth]\n"
      "  let last = Gate(n)\n  param bias: %s[n] = 0.1\n  if skip { param share: %s = 0.5 }\n"
      "  fn (x: %s[.., n]) -> %s[.., n] {\n    var h = x\n    for gate in gates { h = gate(h) }\n"
      "    return if skip { last(h) + share * x + bias } else { last(h) + bias }\n  }\n}\n",
      t, t, t, t);
}

static void instance(Gen *g, const char *name, ValType t) {
  g->trains[t] = true;
  if (g->instances < PARAMS) snprintf(g->instance[g->instances++], NAME, "%s", name);
}

void gen_instance(Gen *g, const char *name, ValType t) { instance(g, name, t); }

void gen_layer(Gen *g) {
  enum {
    LINEAR,
    LINEAR_PLAIN,
    NORM,
    RMS,
    MLP,
    DROP,
    BATCH_1D,
    BATCH_2D,
    GROUP,
    CONV,
    MLP_RELU,
    EMBED,
    HEADS,
    BLOCK,
    RECURRENT,
    LAYERS
  };
  static const char *const recurrent[] = {"RNN", "GRU", "LSTM"};
  int kind = gen_turn(g, TABLE_LAYER, LAYERS);
  bool image = kind == BATCH_2D || kind == GROUP || kind == CONV;
  bool sequence = kind == HEADS || kind == BLOCK || kind == RECURRENT;
  Val v = gen_pick(g, SINGLE, image ? 4 : sequence ? 3 : kind == BATCH_1D ? 2 : -2), w = v;
  int made = g->made++;
  Dim last = v.dim[image ? 1 : v.rank - 1];
  char name[NAME], d[48];
  if (!ext_fixed(last)) return;
  ext_text(g, last, d);
  snprintf(name, sizeof name, "m%d", made);
  switch (kind) {
  case LINEAR:
  case LINEAR_PLAIN:
    w.dim[w.rank - 1] = ext_of(gen_size(g));
    if (gval_count(g, &w) > g->most) return;
    say(g, "let %s = nn.Linear(%s, %d%s)\n", name, d, w.dim[w.rank - 1].one,
        kind == LINEAR ? "" : ", bias = false");
    break;
  case NORM: say(g, "let %s = nn.LayerNorm(%s)\n", name, d); break;
  case RMS: say(g, "let %s = nn.RmsNorm(%s)\n", name, d); break;
  case MLP:
  case MLP_RELU:
    say(g, "let %s = nn.Mlp([%s, %d, %s]%s)\n", name, d, gen_size(g), d,
        kind == MLP ? ", activation = tanh" : "");
    break;
  case DROP: say(g, "let %s = nn.Dropout(p = 0.3)\n", name); break;
  case BATCH_1D: say(g, "let %s = nn.BatchNorm1d(%s)\n", name, d); break;
  case BATCH_2D: say(g, "let %s = nn.BatchNorm(%s)\n", name, d); break;
  case EMBED: /* vectors of places that a value says, two of them outside */
    if (v.rank >= AXES) return;
    w.dim[w.rank++] = ext_of(1 + (int)gen_next(g, 4));
    if (gval_count(g, &w) > g->most) return;
    say(g, "let %s = nn.Embedding(3, %d)\n", name, w.dim[w.rank - 1].one);
    instance(g, name, F32);
    gen_let(g, w, "%s(mod(i32(2 * %s), 5) - 1)", name, v.name);
    return;
  case HEADS:
    say(g, "let %s = nn.MultiHeadAttention(%s, %d%s)\n", name, d, last.one % 2 ? 1 : 2,
        gen_one_in(g, 2) ? ", causal = true" : "");
    break;
  case BLOCK:
    say(g, "let %s = nn.TransformerBlock(%s, 1, hidden = 3, causal = true%s)\n", name, d,
        gen_one_in(g, 2) ? ", p = 0.2, activation = tanh" : "");
    break;
  case RECURRENT:
    w.dim[2] = ext_of(1 + (int)gen_next(g, 3));
    if (gval_count(g, &w) > g->most) return;
    say(g, "let %s = nn.%s(%s, %d)\n", name, GEN_ONE(g, recurrent), d, w.dim[2].one);
    break;
  case GROUP: say(g, "let %s = nn.GroupNorm(%d, %s)\n", name, last.one % 2 ? 1 : 2, d); break;
  default:
    if (!ext_fixed(v.dim[2]) || !ext_fixed(v.dim[3])) return;
    w.dim[1] = ext_of(1 + (int)gen_next(g, 4));
    say(g, "let %s = nn.Conv2d(%s, %d, 3, padding = 1)\n", name, d, w.dim[1].one);
  }
  if (kind != DROP) instance(g, name, F32);
  gen_let(g, w, "%s(%s)", name, v.name);
}

enum {
  GATE,
  BLOCK,
  ALIAS,
  FROZEN,
  COPY,
  HOST,
  HOST_RULE,
  WRONG_RULE,
  GRAD,
  GRAD_INPUT,
  GRAD_TWICE,
  GRAD_NAME,
  TUPLE,
  ASSERTION,
  DRAW,
  DRAW_UNIFORM,
  MARK,
  CALL_TWICE,
  DECLS
};

/* A module of the program, instantiated, in one of the ways. */
static void decl_instance(Gen *g, int kind) {
  Val v = gen_pick(g, REAL, -2);
  Dim last = v.dim[v.rank - 1];
  if (v.type != g->dt || !ext_fixed(last)) v = gen_param(g, gval_row(g->dt, gen_size(g))), last = v.dim[0];
  char d[48], name[NAME], more[NAME];
  int n = g->made++;
  bool plain = gen_one_in(g, 2);
  snprintf(name, sizeof name, "g%d", n), snprintf(more, sizeof more, "h%d", n);
  ext_text(g, last, d);
  gen_feature(g, FEAT_module), gen_feature(g, FEAT_module_state);
  if (kind == GATE) {
    say(g, "let %s = Gate(%s)\n", name, d);
    instance(g, name, g->dt);
    gen_let(g, v, "%s(%s)", name, v.name);
    return;
  }
  gen_feature(g, FEAT_nested_module), gen_feature(g, FEAT_module_list);
  say(g, "%slet %s = Block(%s%s)\n", kind == FROZEN ? "frozen " : "", name, d,
      plain ? ", depth = 1, skip = false" : "");
  if (kind == FROZEN) gen_feature(g, FEAT_frozen_instance);
  if (kind != FROZEN) instance(g, name, g->dt);
  Val r = gen_let(g, v, "%s(%s)", name, v.name);
  if (kind == ALIAS) {
    gen_feature(g, FEAT_alias);
    say(g, "let %s = %s\n", more, name);
    gen_let(g, v, "%s(%s)", more, r.name);
  } else if (kind == COPY) {
    bool still = gen_one_in(g, 2);
    gen_feature(g, FEAT_copy_instance);
    say(g, "%slet %s = Block(%s%s) ~ %s\n", still ? "frozen " : "", more, d,
        plain ? ", depth = 1, skip = false" : "", name);
    if (!still) instance(g, more, g->dt);
    gen_let(g, v, "0.5 * %s(%s) + %s", more, v.name, v.name);
  } else if (kind == CALL_TWICE) {
    gen_feature(g, FEAT_call_twice);
    gen_let(g, v, "%s(tanh(%s))", name, r.name);
  }
}

static void decl_grad(Gen *g, int kind) {
  char e[NAME + 96];
  Val v = gen_pick(g, REAL, -1), p;
  gen_scalar(g, &v, e, sizeof e);
  if (kind == GRAD_NAME) { /* of a function's parameter, or of a let: a place, whoever made it */
    gen_feature(g, FEAT_grad_by_name);
    if (gen_one_in(g, 2) || strcmp(v.name, "x") == 0)
      gen_let(g, v, "tanh(slope(%s))", v.name);
    else
      gen_let(g, v, "tanh(grad(%s, %s))", e, v.name);
    return;
  }
  if (kind == GRAD_INPUT) {
    p = g->pool[0]; /* x */
    if (strcmp(p.name, "x") != 0) return;
    gen_feature(g, FEAT_grad_by_input);
  } else if (g->params == 0)
    return;
  else
    p = g->param[gen_next(g, (uint32_t)g->params)];
  if (kind == GRAD_TWICE) {
    gen_feature(g, FEAT_second_order);
    gen_let(g, p, "tanh(grad(mean(tanh(grad(%s, %s))^2), %s))", e, p.name, p.name);
  } else
    gen_let(g, p, "tanh(grad(%s, %s))", e, p.name);
}

static void decl_host(Gen *g, int kind) {
  Val v = gen_pick(g, REAL, 1);
  if (v.type != g->dt) v = gen_param(g, gval_row(g->dt, gen_size(g)));
  g->no_duals = true;
  if (kind == HOST_RULE) {
    gen_feature(g, FEAT_host_backward);
    gen_let(g, v, "host_mix(%s, tanh(%s))", v.name, gen_like(g, &v).name);
  } else if (kind == HOST) {
    gen_feature(g, FEAT_host_function);
    gen_let(g, v, "tanh(%s + host_half(stop_gradient(%s)))", gen_like(g, &v).name, v.name);
  } else {
    gen_feature(g, FEAT_wrong_rule);
    gen_let(g, v, "tanh(through(2 * %s))", v.name);
  }
}

void gen_decl(Gen *g) {
  int kind = gen_turn(g, TABLE_DECL, DECLS);
  Val v;
  char d[80];
  switch (kind) {
  case HOST:
  case HOST_RULE:
  case WRONG_RULE: decl_host(g, kind); return;
  case GRAD:
  case GRAD_INPUT:
  case GRAD_TWICE:
  case GRAD_NAME: decl_grad(g, kind); return;
  case TUPLE: {
    v = gen_pick(g, REAL, -1);
    gen_feature(g, FEAT_tuple_result);
    int n = g->made++;
    char second[NAME];
    say(g, "let a%d, b%d = ends(%s)\n", n, n, v.name);
    snprintf(second, sizeof second, "b%d", n);
    gen_keep(g, v, second);
    gen_let(g, v, "a%d + %s", n, second);
    return;
  }
  case ASSERTION:
    gen_feature(g, FEAT_assertion);
    say(g, "assert N >= 1, \"rows\"\nassert %d + 1 > 1\n", gen_size(g));
    return;
  case DRAW:
  case DRAW_UNIFORM:
    v = gen_pick(g, REAL, -2);
    gen_feature(g, FEAT_random_draw);
    if (gen_one_in(g, 4)) {
      gen_let(g, gval_typed(gval_without(v, v.rank - 1), I32), "categorical(%s)", v.name);
      return;
    }
    gen_let(g, v, "%s + 0.1 * %s(%s, shape = %s))", v.name, gval_type[v.type],
            kind == DRAW ? "normal(0, 1" : "uniform(-1, 1", dims_text(g, &v, d));
    return;
  case MARK:
    gen_feature(g, FEAT_mark_allow);
    say(g, "#[allow(unused)]\nparam free%d: %s = 1\n", g->made++, gval_type[g->dt]);
    return;
  default: decl_instance(g, kind);
  }
}
