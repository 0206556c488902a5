/* Losses, metrics, outputs, and train steps with their data. */
#include "gen.h"

static const char *real_of(Gen *g, const Val *v, char *to, size_t n) { /* as text of the type g->dt */
  if (v->type == g->dt)
    snprintf(to, n, "%s", v->name);
  else
    snprintf(to, n, is_real(v->type) ? "%s(%s)" : "tanh(%s(%s))", gval_type[g->dt], v->name);
  return to;
}

/* A scalar of type g->dt by one of the losses of the library. */
static void loss_term(Gen *g, char *to, size_t size) {
  enum { PLAIN, MSE, L1, HUBER, LOGITS, BCE, HINGE, CE, SMOOTH, KL, COS, LOSSES };
  Val v = gen_pick(g, REAL, -1), w = gen_like(g, &v);
  char a[NAME + 16], b[NAME + 16];
  real_of(g, &v, a, sizeof a), real_of(g, &w, b, sizeof b);
  int kind = gen_turn(g, TABLE_LOSS, LOSSES), c = g->classes;
  switch (kind) {
  case MSE: snprintf(to, size, "mse(tanh(%s), 0.5 * sin(%s))", a, b); return;
  case L1: snprintf(to, size, "l1(tanh(%s), 0.3 * cos(%s))", a, b); return;
  case HUBER: snprintf(to, size, "mean(huber(tanh(%s) - sin(%s), delta = 0.4))", a, b); return;
  case LOGITS: snprintf(to, size, "mean(bce_with_logits(tanh(%s), sigmoid(%s)))", a, b); return;
  case BCE: snprintf(to, size, "bce(sigmoid(%s), sigmoid(2 * %s))", a, b); return;
  case HINGE: snprintf(to, size, "mean(hinge(tanh(%s), sign(%s)))", a, b); return;
  case CE:
  case SMOOTH: {
    Val p = gen_param(g, gval_matrix(F32, g->pool[0].dim[1], ext_of(c)));
    snprintf(to, size, "%s(mean(%scross_entropy(f32(x) @ %s, label)))", gval_type[g->dt],
             kind == SMOOTH ? "smooth_" : "", p.name);
    return;
  }
  case KL:
    if (v.rank == 0) break;
    snprintf(to, size, "mean(tanh(kl_div(log_softmax(%s), log_softmax(%s))))", a, b);
    return;
  case COS:
    if (v.rank == 0) break;
    snprintf(to, size, "mean(cosine(%s, %s))", a, b);
    return;
  default: break;
  }
  gen_scalar(g, &v, to, size);
}

static void gen_loss(Gen *g, const char *name, int terms, bool opening) {
  char e[2048] = "", t[256];
  size_t n = 0;
  g->opening = opening;
  for (int i = 0; i < terms; i++) {
    if (i < 2)
      loss_term(g, t, sizeof t);
    else { /* the newest values, so that much of the program counts */
      const Val *v = &g->pool[g->n > i ? g->n - i + 1 : 0];
      if (!is_real(v->type)) continue;
      gen_scalar(g, v, t, sizeof t);
    }
    n += (size_t)snprintf(e + n, sizeof e - n, "%s%d.5 * %s", n ? " + " : "", i, t);
  }
  g->opening = false;
  say(g, "loss %s = %s\n", name, e);
}

static void optimizer(Gen *g, char *to, size_t n) {
  static const char *const opt[] = {
      "sgd(lr = 0.05)",
      "sgd(lr = 0.05, momentum = 0.9, nesterov = true)",
      "adam(lr = 0.01)",
      "adamw(lr = warmup(step, 0.01, steps = 3))",
      "rmsprop(lr = 0.01, momentum = 0.5)",
      "adagrad(lr = cosine_decay(step, 0.1, total = 5))",
      "lion(lr = 0.001)",
      "mine(rate = 0.9^step)",
      "sgd(lr = step_decay(step, 0.1, every = 2), momentum = 0.5, weight_decay = 0.01)",
      "adam(lr = exponential_decay(step, 0.01), weight_decay = 0.1)",
      "sgd(lr = linear_decay(step, 0.1, total = 4))",
      "adam(lr = piecewise(step, [1, 2], [0.1, 0.01, 0.001]))",
      "adamw(lr = warmup_cosine(step, 0.01, steps = 1, total = 6), weight_decay = 0)",
      "lion(lr = 0.001 / epoch, weight_decay = 0.1)",
      "rmsprop(lr = 0.01)"};
  enum { OPTS = sizeof opt / sizeof *opt };
  g->opening = true;
  const char *o = opt[gen_turn(g, TABLE_OPTIMIZER, OPTS)];
  g->opening = false;
  if (strstr(o, "step")) gen_feature(g, FEAT_schedule);
  if (strstr(o, "mine")) gen_feature(g, FEAT_own_optimizer);
  snprintf(to, n, "%s", o);
}

static const char *some_path(Gen *g, char *to) { /* of what trains */
  if (g->instances && gen_one_in(g, 2))
    strcpy(to, g->instance[gen_next(g, (uint32_t)g->instances)]);
  else
    strcpy(to, g->param[gen_next(g, (uint32_t)g->params)].name);
  return to;
}

static void settings(Gen *g, bool first) {
  enum { NORM, VALUE, EVERY, BOTH, NONE, SETTINGS };
  g->opening = true;
  int kind = gen_turn(g, TABLE_SETTING, SETTINGS);
  g->opening = false;
  bool one_type = !g->trains[F32] || !g->trains[F64]; /* a norm is of one type */
  if ((kind == NORM || kind == BOTH) && one_type)
    say(g, "  clip_norm = 0.5\n"), gen_feature(g, FEAT_clip_norm);
  if (kind == VALUE || kind == BOTH) say(g, "  clip_value = 0.1\n"), gen_feature(g, FEAT_clip_value);
  if (g->turn % 4 == 1) say(g, "  accumulate = 2\n"), gen_feature(g, FEAT_accumulate);
  if (!first && kind == EVERY) say(g, "  every = 2\n"), gen_feature(g, FEAT_every_setting);
  if (!first && g->has_data && (g->turn % 20 == 4 || gen_one_in(g, 2))) {
    gen_feature(g, FEAT_own_data);
    say(g, "  data = held\n  batch = %d\n  shuffle = %s\n", g->N > 1 ? g->N - 1 : 2,
        gen_one_in(g, 2) ? "true" : "false");
  }
  if (!first || !g->has_data) return;
  gen_feature(g, FEAT_dataset);
  say(g, "  data = rows\n  epochs = 3\n");
  if (g->N > 1 || !gen_one_in(g, 3)) say(g, "  batch = %d\n", g->N);
  if (g->turn / 10 % 2 == 0) say(g, "  last = \"pad\"\n"), gen_feature(g, FEAT_last_pad);
  if (gen_one_in(g, 3)) say(g, "  shuffle = false\n"), gen_feature(g, FEAT_no_shuffle);
  if (gen_one_in(g, 2)) say(g, "  validate = held\n"), gen_feature(g, FEAT_validate_set);
}

static void train(Gen *g, const char *name, const char *loss, bool first) {
  char o1[128], o2[128], path[NAME];
  optimizer(g, o1, sizeof o1), optimizer(g, o2, sizeof o2);
  say(g, "train %s {\n  minimize %s%s\n", name, loss, gen_one_in(g, 4) ? " * 0.5" : "");
  some_path(g, path);
  if (gen_one_in(g, 3)) {
    gen_feature(g, FEAT_two_groups), gen_feature(g, FEAT_except_list);
    say(g, "  update %s using %s\n  update * except %s using %s\n", path, o1, path, o2);
  } else if (first || gen_one_in(g, 2))
    say(g, "  let rate = 0.02 / step\n  update * using %s\n", gen_one_in(g, 6) ? "sgd(lr = rate)" : o1);
  else
    say(g, "  update %s using %s\n", path, o1);
  settings(g, first);
  say(g, "}\n");
}

/* Files for every input that has a row for each of N. */
static void datasets(Gen *g) {
  static const char *const set[] = {"rows", "held"};
  static const char *const extension[] = {"npy", "npy", "csv", "safetensors"};
  for (int k = 0; k < 2; k++) {
    say(g, "dataset %s {\n", set[k]);
    for (const char *at = g->text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
      char name[NAME], type[64];
      if (sscanf(at, "input %31[a-z]: %63[^\n]", name, type) != 2) continue;
      bool whole = !strstr(type, "[N"); /* read whole and fed to each batch, from the set or bound */
      if (whole && (k > 0 || gen_one_in(g, 2))) continue;
      const char *e = GEN_ONE(g, extension);
      if (whole) gen_feature(g, FEAT_whole_file);
      if (strcmp(e, "safetensors") == 0) gen_feature(g, FEAT_safetensors);
      say(g, "  %s = %s(\"%s-%s.%s\")\n", name, e, set[k], name, e);
    }
    say(g, "}\n");
  }
}

/* The block after a step: an average of a parameter, and of instances leaf by leaf. */
static void gen_after(Gen *g) {
  const char *copy = strstr(g->text, ") ~ g");
  char d[80], line[64] = "";
  Val p = g->param[0];
  if (!gen_one_in(g, 2)) return;
  gen_feature(g, FEAT_after_block);
  if (copy) { /* let hK = Block(..) ~ gK */
    int k;
    if (sscanf(copy, ") ~ g%d", &k) == 1) {
      gen_feature(g, FEAT_instance_arith);
      snprintf(line, sizeof line, "; h%d := 0.9 * h%d + 0.1 * g%d", k, k, k);
    }
  }
  say(g, "state ema: %s%s = 0\nafter fit { ema := 0.9 * ema + 0.1 * %s%s }\n", gval_type[p.type],
      dims_text(g, &p, d), p.name, line);
}

void gen_steps(Gen *g) {
  bool own = g->turn % 20 == 4; /* of every other program with files a second step has its own */
  int steps = gen_one_in(g, 3) || own ? 2 + (int)gen_next(g, 2) : 1;
  Val logits = gen_param(g, gval_matrix(F32, g->pool[0].dim[1], ext_of(g->classes)));
  Val t = gen_pick(g, REAL, -1), u = gen_pick(g, ANY, -1), o = gen_pick(g, ANY, -1);
  char a[NAME + 16];
  if (g->params < 1) gen_param(g, gval_row(g->dt, 3));
  gen_loss(g, "l", g->large ? 14 : 5, true);
  say(g, "optimizer mine(w, g, rate) {\n  state far = 0\n  far := maximum(0.9 * far, abs(g))\n"
         "  w := w - 0.01 * rate * g / (far + 1e-3)\n}\n");
  say(g, "metric mass = total(sum(%s)) / total(size(%s))\n", real_of(g, &t, a, sizeof a), a);
  say(g, "metric top = max(%s)\nmetric hits = mean(f32(argmax(f32(x) @ %s, axis = -1) == label))\n",
      real_of(g, &t, a, sizeof a), logits.name);
  say(g, "output o1 = %s\noutput o2 = %s\noutput o3 = argmax(f32(x) @ %s, axis = 1)\n", u.name, o.name,
      logits.name);
  if (g->has_data) datasets(g);
  if (steps > 1) gen_feature(g, FEAT_two_steps), gen_loss(g, "l2", 2, false);
  if (steps > 2) gen_feature(g, FEAT_three_steps);
  train(g, "fit", "l", true); /* all parameters are known: `*` means them, too */
  gen_after(g);
  if (steps > 1) train(g, "more", "l2", false);
  if (steps > 2) train(g, "again", gen_one_in(g, 2) ? "l" : "l2", false);
}
