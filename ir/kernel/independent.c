/* Proves that the units of a kernel are independent: no unit writes an element that another unit reads or
 * writes. Two accesses A and B of different units meet iff D = A - B is 0 for some values of their variables.
 * D is taken apart digit by digit: with g a coefficient, D = g * m + rest, and when |rest| < g, D = 0 needs m
 * = 0 and rest = 0. */
#include "base/size.h"
#include "ir/kernel/internal.h"

enum { TERMS = 2 * VARS + 1 };
typedef struct Term {
  int64_t c;
  Range v;
} Term;
typedef struct Sum {
  int64_t k;
  int n;
  Term t[TERMS];
} Sum;

typedef struct Use { /* an access, as the sum of its variables but the unit's */
  const Access *x;
  const KernelStmt *top, *stmt;
  bool write;
  int64_t unit; /* coefficient of the unit's variable */
  Range unit_range;
  Sum rest;
} Use;
typedef VEC(Use) Uses;

static bool add_term(Sum *s, int64_t c, Range v) { /* keeps ranges from 0 on */
  int64_t t;
  if (!c) return true;
  if (!i64_mul(c, v.lo, &t) || !i64_add(s->k, t, &s->k)) return false;
  if (v.lo != v.hi) s->t[s->n++] = (Term){c, {0, v.hi - v.lo}};
  return true;
}

static bool sum_bounds(const Sum *s, Range *out) {
  *out = (Range){s->k, s->k};
  for (int i = 0; i < s->n; i++) {
    int64_t x;
    if (!i64_mul(s->t[i].c, s->t[i].v.hi, &x)) return false;
    if (!i64_add(x < 0 ? out->lo : out->hi, x, x < 0 ? &out->lo : &out->hi)) return false;
  }
  return true;
}

static int64_t magnitude(int64_t c) { return c < 0 ? -c : c; }

/* Whether the sum may be 0; true when nothing is proved. */
static bool may_vanish(const Sum *s, int depth) {
  Range b;
  if (!sum_bounds(s, &b)) return true;
  if (b.lo > 0 || b.hi < 0) return false;
  if (s->n == 0 || depth > TERMS) return true;
  for (int i = 0; i < s->n; i++) {
    int64_t g = magnitude(s->t[i].c);
    bool seen = false;
    for (int j = 0; j < i; j++) seen |= magnitude(s->t[j].c) == g;
    if (seen) continue;
    Sum m = {0}, rest = {0};
    for (int j = 0; j < s->n; j++) {
      if (s->t[j].c % g == 0)
        m.t[m.n++] = (Term){s->t[j].c / g, s->t[j].v};
      else
        rest.t[rest.n++] = s->t[j];
    }
    int64_t q = s->k / g - (s->k % g < 0); /* k = g q + r, with r from 0 on; or one more q and a negative r */
    for (int up = 0; up < 2; up++) {
      int64_t t;
      Range rb;
      if (!i64_add(q, up, &m.k) || !i64_mul(g, m.k, &t) || !i64_sub(s->k, t, &rest.k)) return true;
      if (!sum_bounds(&rest, &rb) || rb.lo <= -g || rb.hi >= g) continue;
      if (rest.n == 0 && rest.k != 0) return false;
      if (g == 1 && m.n == s->n) continue; /* nothing came apart */
      if (!may_vanish(&m, depth + 1) || !may_vanish(&rest, depth + 1)) return false;
    }
  }
  return true;
}

/* ---- the accesses of a kernel ---- */

typedef struct Walk {
  const Kernel *k;
  Arena *arena;
  Uses uses;
  const KernelStmt *top;
  int64_t extent[KERNEL_LOOPS];
} Walk;

static void add_use(Walk *w, const KernelStmt *s, const Access *x, int depth, int rows, int cols,
                    bool write) {
  const KernelBuffer *b = &w->k->buffer[x->buffer];
  Ranges r;
  if (b->kind != BUFFER_OUT) return;
  if (!access_ranges(x, w->extent, depth, rows, cols, &r)) return; /* never happens */
  Linear l = linear_of(&x->at);
  if (x->index >= 0) l.v[VAR_INDEX] = x->scale;
  Use u = {.x = x, .top = w->top, .stmt = s, .write = write, .unit = l.v[0], .unit_range = r.v[0]};
  u.rest.k = l.k;
  for (int i = 1; i < VARS; i++)
    if (!add_term(&u.rest, l.v[i], r.v[i])) BUG(w->arena->mem, "kernel_independent before kernel_verify");
  VEC_PUSH(w->arena, &w->uses, u);
}

static void walk(Walk *w, const KernelStmt *s, int depth) {
  for (; s; s = s->next) switch (s->kind) {
    case STMT_LOOP:
      if (depth == 0) w->top = s;
      w->extent[depth] = s->loop.extent;
      walk(w, s->loop.body, depth + 1);
      break;
    case STMT_LOAD:
    case STMT_STORE: {
      const KernelTile *t = &w->k->tile[s->mem.tile];
      add_use(w, s, &s->mem.access, depth, t->rows, t->cols, s->kind == STMT_STORE);
      break;
    }
    case STMT_MAP:
      for (int i = 0; i < s->map.nsrc; i++) {
        const KernelOperand *o = &s->map.src[i];
        if (o->kind == OPERAND_MEMORY) add_use(w, s, &o->access, depth, o->rows, o->cols, false);
      }
      break;
    case STMT_FOLD: break;
    }
}

static bool difference(const Use *a, const Use *b, Sum *d) {
  *d = a->rest;
  if (!i64_sub(a->rest.k, b->rest.k, &d->k)) return false;
  for (int i = 0; i < b->rest.n; i++) d->t[d->n++] = (Term){-b->rest.t[i].c, b->rest.t[i].v};
  return true;
}

/* Whether a of one unit and b of another may be the same element. */
static bool may_meet(const Use *a, const Use *b) {
  Sum d;
  if (a->top != b->top ||
      a->unit != b->unit) { /* two variables; of one loop, equal units are allowed for too */
    if (a->top == b->top && a->top->loop.extent == 1) return false;
    return !difference(a, b, &d) || !add_term(&d, a->unit, a->unit_range) ||
           !add_term(&d, -b->unit, b->unit_range) || may_vanish(&d, 0);
  }
  int64_t n = a->top->loop.extent;
  if (n == 1) return false;
  for (int sign = -1; sign <= 1; sign += 2) { /* unit of a minus unit of b: 1..n-1 or the negative of it */
    if (!difference(a, b, &d) || !add_term(&d, sign * a->unit, (Range){1, n - 1}) || may_vanish(&d, 0))
      return true;
  }
  return false;
}

bool kernel_independent(const Kernel *k, Sb *why) {
  Walk w = {.k = k, .arena = why->arena};
  walk(&w, k->root, 0);
  for (uint32_t i = 0; i < w.uses.n; i++)
    for (uint32_t j = 0; j < w.uses.n; j++) {
      const Use *a = &w.uses.at[i], *b = &w.uses.at[j];
      if (!a->write || a->x->buffer != b->x->buffer || (b->write && j < i) || !may_meet(a, b)) continue;
      sb_fmt(why, "kernel " STRF ": two units may meet in `", STRA(k->name));
      kernel_print_stmt(k, a->stmt, why);
      sb_fmt(why, "` and `");
      kernel_print_stmt(k, b->stmt, why);
      sb_fmt(why, "`");
      return false;
    }
  return true;
}
