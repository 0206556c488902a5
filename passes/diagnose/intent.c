/* What the text says is meant: marks that expect a finding. */
#include "passes/diagnose/say.h"

/* Verdicts that may rest on initial values. */
static const uint32_t by_start = UINT32_C(1) << DGRP_stuck | UINT32_C(1) << DGRP_symmetric |
                                 UINT32_C(1) << DGRP_idle | UINT32_C(1) << DGRP_moves;

void say_unmet(const Diagnose *x, uint32_t from, uint32_t to, bool loaded) {
  const Leaf *leaf = program_leaf_at(x->p, x->found.at[from].param);
  for (int k = 0; k < DGRP_COUNT; k++) {
    bool met = !(leaf->expect >> k & 1) || (loaded && by_start >> k & 1);
    for (uint32_t i = from; i < to; i++)
      met |= finding_marked(leaf->expect & UINT32_C(1) << k, finding_group(x->found.at[i].head));
    if (!met)
      diag_unmet_expect(x->d, say_place(x->p, leaf),
                        str_fmt(x->arena, "parameter '" STRF "'", STRA(names_str(x->p->names, leaf->path))),
                        diag_groups[k].name, "it is not");
  }
}

void say_unmet_of_many(const Diagnose *x, bool loaded) {
  bool *of = ARENA_ARRAY(x->arena, bool, x->p->leaf.n);
  for (uint32_t i = 0; i < x->p->expected.n; i++) {
    const Expected *e = &x->p->expected.at[i];
    uint32_t unmet = loaded ? e->groups & ~by_start : e->groups;
    for (uint32_t k = 0; k < e->of.n; k++) of[e->of.at[k].i] = true;
    for (uint32_t k = 0; k < x->found.n; k++)
      for (int g = 0; g < DGRP_COUNT && of[x->found.at[k].param.i]; g++)
        if (finding_marked(unmet & UINT32_C(1) << g, finding_group(x->found.at[k].head)))
          unmet &= ~(UINT32_C(1) << g);
    for (uint32_t k = 0; k < e->of.n; k++) of[e->of.at[k].i] = false;
    for (int g = 0; g < DGRP_COUNT; g++)
      if (unmet >> g & 1)
        diag_unmet_expect(x->d, e->at, STR("one of the parameters here"), diag_groups[g].name, "none is");
  }
}
