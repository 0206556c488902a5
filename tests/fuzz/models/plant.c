/* Parameters that do not learn, put into a random program: what seldom comes about by chance. */
#include "gen.h"

#include <stdlib.h>

typedef struct Plant {
  const char *params, *term; /* $: the type; %: the last extent of x */
} Plant;

static const Plant plant[] = {
    {"param pa: $[3] = 0\nparam pb: $[3] = 0\n", "mean(pa * pb)"},
    {"param pa: $[%, 4] = 0.1\nparam pb: $[4, 2] = 0.5\n", "mean((tanh($(x) @ pa) @ pb - 1)^2)"},
    {"param pa: $[4] = -1\n", "mean(relu(pa))"},
    {"param pa: $[6] ~ normal(0, 1)\n", "mean((pa[2:5] - 1)^2)"},
    {"param pa: $[1] = 0.5\nparam pb: $[4] ~ normal(0, 1)\n", "mean(softmax(pb + pa)^2 * pb)"},
    {"param pa: $[3] = 0\nparam pb: $[3] ~ normal(0, 1)\n", "mean((pa * pb - 1)^2)"},
    {"param pa: $[%, 3] = 0\nparam pb: $[3, 3] = 0\nparam pc: $[3, 2] = 0\n",
     "mean((tanh(tanh($(x) @ pa) @ pb) @ pc - 1)^2)"},
    {"param pa: $[2, 6] ~ normal(0, 1)\nparam pb: $[3, 2] ~ normal(0, 1)\n",
     "mean((concat([pa[:, 0:2], $(zeros([2, 2])), pa[:, 4:6]], axis = 1) * 0.5 - 1)^2) + mean(abs(pb @ pa))"},
    {"state pa: $[3] = 0\nparam pb: $[3] ~ normal(0, 1)\nparam pc: $[3] = 1\n", "mean((pa * pb - pc)^2)"},
    {"param pa: $[%] ~ normal(0, 1)\nparam pb: $[%] ~ normal(0, 1)\n", /* open: noise decides */
     "mean(sign(sum($(x) - mean($(x), axis = 1, keep = true), axis = 1)) * ($(x) @ pa)) + "
     "mean(relu(sum(pb - mean(pb))))"},
};
enum { PLANTS = sizeof plant / sizeof *plant };

/* In bodies, two beside each of the others. lpK is what is looked for. */
static const struct {
  const char *name, *verdict, *params, *term;
} body_plant[BODY_PLANTS] = {
    {"a factor 0 in a loop", "zero",
     "param lp0: $[3] ~ normal(0, 1)\nlet bl0 = scan (h: $[3] = 0.1) for i in 0:4 {\n  let off = 0.0 * h\n"
     "  next h = tanh(h + 0.3 + off * (h * lp0))\n}\n",
     "mean(bl0^2)"},
    {"carried and never read", "unreachable",
     "param lp1: $[3] ~ normal(0, 1)\nlet bl1, n1 = scan (h: $[3] = 0.1, c: $[3] = 0.1) for i in 0:3 {\n"
     "  next h = tanh(h + 0.1)\n  next c = tanh(c * lp1 + h)\n}\n",
     "mean(bl1^2)"},
    {"cut in a loop", "cut",
     "param lp2: $[3] ~ normal(0, 1)\nlet bl2 = scan (h: $[3] = 0.1) for i in 0:3 {\n"
     "  next h = tanh(h + 0.2) * stop_gradient(sigmoid(h + lp2))\n}\n",
     "mean(bl2^2)"},
    {"a loop that takes no step", "zero",
     "param lp3: $[3] ~ normal(0, 1)\nlet k3, bl3 = scan (k = 5, h: $[3] = 0.1) for i in 0:4 while k < 3 {\n"
     "  next k = k + 1\n  next h = tanh(h * lp3)\n}\n",
     "mean(bl3^2)"},
    {"a rectifier in a loop that cannot be on", "zero",
     "param lp4: $[3] ~ normal(0, 1)\nlet bl4 = scan (h: $[3] = 0.1) for i in 0:4 {\n"
     "  next h = sigmoid(h + 1) + relu(h - 3) * lp4\n}\n",
     "mean(bl4^2)"},
    {"one step from 0", "zero",
     "param lp5: $[3] ~ normal(0, 1)\nlet bl5 = scan (h: $[3] = 0) for i in 0:1 {\n"
     "  next h = tanh(h * lp5 + 0.3)\n}\n",
     "mean(bl5^2)"},
    {"a side in a loop that is never taken", "zero",
     "param lp6: $[3] ~ normal(0, 1)\nlet bl6 = scan (h: $[3] = 0.1) for i in 0:4 {\n"
     "  next h = cond sum(h) > 9 { lp6 * h } else { tanh(h + 0.2) }\n}\n",
     "mean(bl6^2)"},
    {"a part that no row reads", "partial", "param lp7: $[5] ~ normal(0, 1)\n",
     "mean(vmap(fn (r) = sum(tanh(lp7 * mean(r))[0:2]), $(x))^2)"},
    {"two factors of a loop that start as 0", "stuck",
     "param lp8: $[3] = 0\nparam lq: $[3] = 0\nlet bl8 = scan (h: $[3] = 0.1) for i in 0:3 {\n"
     "  next h = tanh(h + 0.2 + lp8 * lq)\n}\n",
     "mean(bl8^2)"},
    {"a shift under softmax at each step", "zero",
     "param lp9: $[1] ~ normal(0, 1)\nlet bl9 = scan (h: $[3] = 0.1) for i in 0:3 {\n"
     "  next h = 0.5 * h + softmax(tanh(h) * $(i) + lp9)\n}\n",
     "mean(bl9^2)"},
    {"equal units of a recurrent net", "symmetric",
     "param lp10: $[%, 3] = 0.1\nparam lr: $[3, 3] = 0.2\nlet bl10 = scan (h: $[3] = 0) for r in $(x) {\n"
     "  next h = tanh(tanh(r) @ lp10 + h @ lr)\n}\n",
     "mean((bl10 - 1)^2)"},
    {"a factor 0 in a loop in a loop", "zero",
     "param lp11: $[3] ~ normal(0, 1)\nlet bl11 = scan (s: $[3] = 0.1) for i in 0:2 {\n"
     "  next s = scan (u = s) for j in 0:3 { next u = tanh(u + 0.1) + (s - s) * lp11 * 0.0 }\n}\n",
     "mean(bl11^2)"},
    {"nothing, where one step more reads it", "open",
     "param lp12: $[3] ~ normal(0, 1)\nlet bl12 = scan (h: $[3] = 0) for i in 0:2 {\n"
     "  next h = tanh(h * lp12 + 0.3)\n}\n",
     "mean(bl12^2)"},
    {"nothing, where a carried value grows", "open",
     "param lp13: $[3] ~ normal(0, 1)\nlet bl13 = scan (h: $[3] = 1) for i in 0:5 {\n"
     "  next h = h + sigmoid(h) + 0.1 * relu(h - 3) * lp13\n}\n",
     "mean(tanh(0.1 * bl13)^2)"},
};

const char *gen_body_plant(int k) { return body_plant[k].name; }
const char *gen_body_verdict(const char *name, size_t n, int *k) {
  char at[8] = "";
  if (n < 3 || n > 4 || memcmp(name, "lp", 2) != 0) return NULL;
  memcpy(at, name + 2, n - 2);
  *k = atoi(at);
  return *k < BODY_PLANTS ? body_plant[*k].verdict : NULL;
}

static size_t put(const Gen *g, const char *from, char *to) {
  char *w = to;
  for (; *from; from++) {
    char extent[40];
    if (*from == '$')
      w += sprintf(w, "%s", gval_type[g->dt]);
    else if (*from == '%')
      w += sprintf(w, "%s", ext_text(g, g->pool[0].dim[1], extent));
    else
      *w++ = *from;
  }
  *w = 0;
  return (size_t)(w - to);
}

bool gen_planted(const char *name, size_t n) {
  return n == 2 && name[0] == 'p' && name[1] >= 'a' && name[1] <= 'c';
}

static const char no_duals[] = "// no duals\n"; /* as case.c writes it */

void gen_plant(const Gen *g, long turn, Case *c) {
  static char text[TEXT];
  const Plant *p = &plant[turn % PLANTS];
  const char *loss = strstr(c->text, "\nloss l = ");
  int body[2] = {(int)(turn % BODY_PLANTS), (int)((turn + BODY_PLANTS / 2) % BODY_PLANTS)};
  bool stops = false;
  if (g->large || !loss || strlen(c->text) + 3600 > sizeof text) return;
  size_t n = (size_t)(loss + 1 - c->text);
  memcpy(text, c->text, n);
  n += put(g, "optimizer halts(w, g) {\n  w := scan (v = w) for i in 0:3 { next v = v + 0 * g }\n}\n",
           text + n);
  n += put(g, p->params, text + n);
  for (int i = 0; i < 2; i++) n += put(g, body_plant[body[i]].params, text + n);
  memcpy(text + n, "loss l = ", 9), n += 9;
  n += put(g, p->term, text + n);
  for (int i = 0; i < 2; i++) {
    strcpy(text + n, " + "), n += 3;
    n += put(g, body_plant[body[i]].term, text + n);
    stops |= strstr(body_plant[body[i]].params, "stop_gradient") != NULL;
  }
  strcpy(text + n, " + "), n += 3;
  const char *rest = loss + 10, *rate = turn % 3 ? NULL : strstr(rest, "sgd(lr = 0.05)");
  size_t until = rate ? (size_t)(rate - rest) : strlen(rest);
  memcpy(text + n, rest, until), n += until;
  if (rate) { /* a step that changes nothing */
    static const char *const none[] = {"sgd(lr = 0)", "sgd(lr = where(step < 1, 0.1, 0.0))", "halts()"};
    n += (size_t)sprintf(text + n, "%s", none[turn / 3 % 3]);
    strcpy(text + n, rate + strlen("sgd(lr = 0.05)"));
  } else
    text[n] = 0;
  strcpy(c->text, text);
  char *import = strstr(c->text, "import nn\n");
  if (!import || c->no_duals || !stops) return;
  c->no_duals = true;
  memmove(import + strlen(no_duals), import, strlen(import) + 1);
  memcpy(import, no_duals, strlen(no_duals));
}
