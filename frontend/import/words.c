/* Messages in Python's words: the diagnosis speaks of statements that a Python program does not have. */
#include "frontend/import/internal.h"

static const char *help_for(DiagKind k) {
  switch (diag_info[k].group) {
  case DGRP_unused: return "use it in 'forward', or take it out of the model";
  case DGRP_unreachable:
    return "let the loss use what is made of it, or freeze it on purpose: requires_grad_(False)";
  case DGRP_cut:
    return "take away what ends the gradient there, or freeze it on purpose: requires_grad_(False)";
  case DGRP_zero: return "let the loss depend on it otherwise, or take it out of the model";
  case DGRP_stuck: return "give it other initial values";
  case DGRP_symmetric: return "give it random initial values, so that its units differ";
  case DGRP_unowned: return "give it to the optimizer, or freeze it on purpose: requires_grad_(False)";
  case DGRP_idle: return "look at the settings of its optimizer, the learning rate first";
  case DGRP_owned_twice: return "give it to one of the optimizers";
  case DGRP_overwritten: return "do not write it in every step, or take it out of the optimizer";
  case DGRP_dead_term: return "keep the term a tensor of the graph, or take it out of the loss";
  case DGRP_nan_gradient: return "keep the operand away from there before the operation, not behind it";
  case DGRP_moves: return "give it a gradient, or take it out of the optimizer";
  case DGRP_none:
  case DGRP_dead_params:
  case DGRP_partial:
  case DGRP_frozen_unused:
  case DGRP_observed:
  case DGRP_import_fault:
  case DGRP_hints:
  case DGRP_style:
  case DGRP_COUNT: break;
  }
  return "";
}

static const struct {
  const char *dg, *python;
} words[] = {
    {"stop_gradient ends the gradient here", "the gradient ends here"},
    {"'after' gives", "the program gives"},
    {"no train step lists", "no optimizer lists"},
    {"by several train steps", "by several optimizers"},
    {"what step '", "what optimizer '"},
    {"listed in step '", "listed in optimizer '"},
    {"no parameter that step '", "no parameter that optimizer '"},
    {"the update of step '", "the update of optimizer '"},
    {"no step lists", "no optimizer lists"},
    {"host function '", "'"},
};

static Str in_python(Arena *a, Str text) {
  for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
    Str from = str_z(words[k].dg);
    for (size_t i = 0; i + from.n <= text.n; i++) {
      if (memcmp(text.p + i, from.p, from.n) != 0) continue;
      Sb b;
      sb_init(&b, a);
      sb_add(&b, (Str){text.p, i});
      sb_add(&b, str_z(words[k].python));
      sb_add(&b, (Str){text.p + i + from.n, text.n - i - from.n});
      text = sb_str(&b);
      break;
    }
  }
  return text;
}

void import_words(Diag *g) {
  Arena *a = g->owner->arena;
  const char *help = help_for(g->kind);
  g->edit.n = 0;
  g->fix = (Str){0};
  g->text = in_python(a, g->text);
  for (uint32_t i = 0; i < g->label.n; i++) g->label.at[i].text = in_python(a, g->label.at[i].text);
  for (uint32_t i = 0; i < g->note.n; i++) g->note.at[i].text = in_python(a, g->note.at[i].text);
  if (*help) diag_help(g, "%s", help);
}
