/* Texts with the edits of their diagnostics applied. */
#include "api/api.h"

typedef struct Accepted {
  VEC(const DiagEdit *) edit; /* ascending by place */
} Accepted;

/* 0: apart; 1: the same edit; 2: they cannot both be made. */
static int meets(const DiagEdit *a, const DiagEdit *b) {
  if (a->at.file != b->at.file) return 0;
  if (a->at.lo == b->at.lo && a->at.hi == b->at.hi) return str_eq(a->text, b->text) ? 1 : 2;
  bool apart = a->at.hi <= b->at.lo || b->at.hi <= a->at.lo;
  return apart ? 0 : 2;
}

/* All edits of a diagnostic or none. */
static bool accept(Arena *a, Accepted *all, const Diag *g) {
  for (uint32_t i = 0; i < g->edit.n; i++)
    for (uint32_t k = 0; k < all->edit.n; k++)
      if (meets(&g->edit.at[i], all->edit.at[k]) == 2) return false;
  for (uint32_t i = 0; i < g->edit.n; i++) {
    const DiagEdit *e = &g->edit.at[i];
    bool again = false;
    for (uint32_t k = 0; k < all->edit.n; k++) again |= meets(e, all->edit.at[k]) == 1;
    if (again) continue;
    VEC_PUSH(a, &all->edit, e);
    for (uint32_t k = all->edit.n - 1; k > 0; k--) {
      const DiagEdit *l = all->edit.at[k - 1], *r = all->edit.at[k];
      if (l->at.file < r->at.file || (l->at.file == r->at.file && l->at.lo <= r->at.lo)) break;
      all->edit.at[k - 1] = r;
      all->edit.at[k] = l;
    }
  }
  return true;
}

typedef struct FixCall {
  dg_program *p;
  int maybe, index;
  dg_fixed *out;
  bool found;
} FixCall;

static dg_status fix_in(void *arg) {
  FixCall *c = arg;
  const Diags *d = &c->p->diags;
  Arena *a = &c->p->arena;
  Accepted all = {0};
  int left = 0;
  for (uint32_t i = 0; i < d->all.n; i++) {
    const Diag *g = d->all.at[i];
    if (!g->edit.n || diag_severity(d, g) == SEV_IGNORED || (g->apply != DIAG_MACHINE && !c->maybe)) continue;
    left += !accept(a, &all, g);
  }
  uint32_t from = 0;
  for (int i = 0; i < c->index && from < all.edit.n; i++) {
    uint32_t file = all.edit.at[from]->at.file;
    while (from < all.edit.n && all.edit.at[from]->at.file == file) from++;
  }
  if (from == all.edit.n) return DG_OK;
  uint32_t file = all.edit.at[from]->at.file, at = 0, edits = 0;
  Str text = c->p->sources.file.at[file].text;
  Sb b;
  sb_init(&b, a);
  for (uint32_t i = from; i < all.edit.n && all.edit.at[i]->at.file == file; i++, edits++) {
    const DiagEdit *e = all.edit.at[i];
    sb_add(&b, (Str){text.p + at, e->at.lo - at});
    sb_add(&b, e->text);
    at = e->at.hi;
  }
  sb_add(&b, (Str){text.p + at, text.n - at});
  Str after = sb_str(&b);
  *c->out = (dg_fixed){.file = api_z(a, c->p->sources.file.at[file].name),
                       .before = api_z(a, text),
                       .after = api_z(a, after),
                       .before_length = text.n,
                       .after_length = after.n,
                       .edits = (int)edits,
                       .left = left};
  c->found = true;
  return DG_OK;
}

int dg_fixed_at(dg_program *p, int maybe, int i, dg_fixed *out) {
  if (!p || !out || i < 0) return 0;
  FixCall c = {p, maybe, i, out, false};
  return api_guard(p->cx, fix_in, &c) == DG_OK && c.found;
}
