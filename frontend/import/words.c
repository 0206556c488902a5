/* Messages in a framework's words: the diagnosis speaks of statements that a Python program does not have. */
#include "frontend/import/internal.h"

/* By framework; NULL: as for the first. */
static const char *const help[DGRP_COUNT][FRAMEWORKS] = {
    [DGRP_unused] = {"use it in 'forward', or take it out of the model",
                     "let the loss use it, or leave it out of what is differentiated",
                     "use it in 'call', while the tape records, or take it out of the model"},
    [DGRP_unreachable] =
        {"let the loss use what is made of it, or freeze it on purpose: requires_grad_(False)",
         "let the loss use what is made of it, or leave it out of what is differentiated",
         "let the loss use what is made of it, or freeze it on purpose: trainable = False"},
    [DGRP_cut] = {"take away what ends the gradient there, or freeze it on purpose: requires_grad_(False)",
                  "take away what ends the gradient there, or leave it out of what is differentiated",
                  "take away what ends the gradient there, or freeze it on purpose: trainable = False"},
    [DGRP_zero] = {"let the loss depend on it otherwise, or take it out of the model"},
    [DGRP_stuck] = {"give it other initial values"},
    [DGRP_symmetric] = {"give it random initial values, so that its units differ"},
    [DGRP_unowned] = {"give it to the optimizer, or freeze it on purpose: requires_grad_(False)",
                      "let the update use its gradient; steps after the recorded ones were not seen",
                      "give it to the tape and to the optimizer, or freeze it on purpose: trainable = False"},
    [DGRP_idle] = {"look at the settings of its optimizer, the learning rate first"},
    [DGRP_owned_twice] = {"give it to one of the optimizers"},
    [DGRP_overwritten] = {"do not write it in every step, or take it out of the optimizer"},
    [DGRP_dead_term] = {"keep the term a tensor of the graph, or take it out of the loss"},
    [DGRP_nan_gradient] = {"keep the operand away from there before the operation, not behind it"},
    [DGRP_moves] = {"give it a gradient, or take it out of the optimizer"},
};

/* By framework; NULL: as it is. */
static const struct {
  const char *dg, *to[FRAMEWORKS];
} words[] = {
    {"stop_gradient ends the gradient here",
     {"the gradient ends here", "the gradient ends here", "the gradient ends here"}},
    {"'after' gives", {"the program gives", "the program gives", "the program gives"}},
    {"no train step lists",
     {"no optimizer lists", "no recorded step applies a gradient to", "no optimizer is given"}},
    {"by several train steps", {"by several optimizers", NULL, "by several optimizers"}},
    {"what step '", {"what optimizer '", NULL, "what optimizer '"}},
    {"listed in step '", {"listed in optimizer '", NULL, "listed in optimizer '"}},
    {"no parameter that step '", {"no parameter that optimizer '", NULL, "no parameter that optimizer '"}},
    {"the update of step '", {"the update of optimizer '", NULL, "the update of optimizer '"}},
    {"no step lists",
     {"no optimizer lists", "no recorded step applies a gradient to", "no optimizer is given"}},
    {"host function '", {"'", "'", "'"}},
};

static Str in_words(Arena *a, Framework f, Str text) {
  for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
    if (!words[k].to[f]) continue;
    Str from = str_z(words[k].dg);
    for (size_t i = 0; i + from.n <= text.n; i++) {
      if (memcmp(text.p + i, from.p, from.n) != 0) continue;
      Sb b;
      sb_init(&b, a);
      sb_add(&b, (Str){text.p, i});
      sb_add(&b, str_z(words[k].to[f]));
      sb_add(&b, (Str){text.p + i + from.n, text.n - i - from.n});
      text = sb_str(&b);
      break;
    }
  }
  return text;
}

void import_words(Diag *g, Framework f) {
  Arena *a = g->owner->arena;
  const char *const *by = help[diag_info[g->kind].group];
  const char *text = by[f] ? by[f] : by[0];
  g->edit.n = 0;
  g->fix = (Str){0};
  g->text = in_words(a, f, g->text);
  for (uint32_t i = 0; i < g->label.n; i++) g->label.at[i].text = in_words(a, f, g->label.at[i].text);
  for (uint32_t i = 0; i < g->note.n; i++) g->note.at[i].text = in_words(a, f, g->note.at[i].text);
  if (text) diag_help(g, "%s", text);
}
