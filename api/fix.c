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
  int maybe;
} FixCall;

/* The file of edit `from`, with all of its edits; those of the next file begin at the result. */
static uint32_t one_file(dg_program *p, const Accepted *all, uint32_t from) {
  Arena *a = &p->arena;
  uint32_t file = all->edit.at[from]->at.file, at = 0, i = from;
  Str text = p->sources.file.at[file].text;
  Sb b;
  sb_init(&b, a);
  for (; i < all->edit.n && all->edit.at[i]->at.file == file; i++) {
    const DiagEdit *e = all->edit.at[i];
    sb_add(&b, (Str){text.p + at, e->at.lo - at});
    sb_add(&b, e->text);
    at = e->at.hi;
  }
  sb_add(&b, (Str){text.p + at, text.n - at});
  Str after = sb_str(&b);
  dg_fixed f = {.size = sizeof f,
                .edits = (int)(i - from),
                .file = api_z(a, p->sources.file.at[file].name),
                .before = api_z(a, text),
                .after = api_z(a, after),
                .before_length = text.n,
                .after_length = after.n};
  VEC_PUSH(a, &p->fixed, f);
  return i;
}

static dg_status fix_in(void *arg) {
  FixCall *c = arg;
  dg_program *p = c->p;
  const Diags *d = &p->diags;
  Accepted all = {0};
  for (uint32_t i = 0; i < d->all.n; i++) {
    const Diag *g = d->all.at[i];
    if (!g->edit.n || diag_severity(d, g) == SEV_IGNORED || (g->apply != DIAG_MACHINE && !c->maybe)) continue;
    p->left += !accept(&p->arena, &all, g);
  }
  for (uint32_t i = 0; i < all.edit.n;) i = one_file(p, &all, i);
  return DG_OK;
}

static void none_fixed(dg_program *p) {
  p->fixed.at = NULL, p->fixed.n = p->fixed.cap = 0; /* the old ones stay where they are */
  p->left = 0;
}

dg_status dg_fix(dg_program *p, int maybe) {
  if (!p) return DG_USAGE;
  none_fixed(p);
  FixCall c = {p, maybe};
  dg_status st = api_guard(p->cx, fix_in, &c);
  if (st != DG_OK) none_fixed(p);
  return st;
}

int dg_fixed_count(const dg_program *p) { return p ? (int)p->fixed.n : 0; }

const dg_fixed *dg_fixed_at(const dg_program *p, int i) {
  return i >= 0 && i < dg_fixed_count(p) ? &p->fixed.at[i] : NULL;
}

int dg_fixed_left(const dg_program *p) { return p ? p->left : 0; }
