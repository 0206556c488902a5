/* Parameters that do not learn, put into a random program: what seldom comes about by chance. */
#include "gen.h"

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

void gen_plant(const Gen *g, long turn, Case *c) {
  static char text[TEXT];
  const Plant *p = &plant[turn % PLANTS];
  const char *loss = strstr(c->text, "\nloss l = ");
  if (g->large || !loss || strlen(c->text) + 1200 > sizeof text) return;
  size_t n = (size_t)(loss + 1 - c->text);
  memcpy(text, c->text, n);
  n += put(g, p->params, text + n);
  memcpy(text + n, "loss l = ", 9), n += 9;
  n += put(g, p->term, text + n);
  strcpy(text + n, " + "), n += 3;
  const char *rest = loss + 10, *rate = turn % 3 ? NULL : strstr(rest, "sgd(lr = 0.05)");
  size_t until = rate ? (size_t)(rate - rest) : strlen(rest);
  memcpy(text + n, rest, until), n += until;
  if (rate) { /* a step that changes nothing */
    n += (size_t)sprintf(text + n, "%s", turn % 2 ? "sgd(lr = 0)" : "sgd(lr = where(step < 1, 0.1, 0.0))");
    strcpy(text + n, rate + strlen("sgd(lr = 0.05)"));
  } else
    text[n] = 0;
  strcpy(c->text, text);
}
