/* Dims as polynomials with int64_t coefficients over atoms. An atom is a symbol or a floor division that did
 * not come out exactly. Terms stand in graded lexicographic order of the atoms' *text*, so that the form does
 * not depend on what was made first; polynomials are hash-consed. */
#include "base/hash.h"
#include "base/size.h"
#include "ir/type/dim_internal.h"

#include <inttypes.h>

DimTable *dims_new(Arena *a, const Names *names) {
  DimTable *t = ARENA_NEW(a, DimTable);
  t->arena = a;
  t->names = names;
  map_init(&t->cons, a);
  map_init(&t->symbol, a);
  VEC_PUSH(a, &t->poly, (Poly){0});
  return t;
}

DimTable *dims_copy(Arena *a, const DimTable *of) {
  DimTable *t = dims_new(a, of->names);
  t->poly.n = 0;
  for (uint32_t i = 0; i < of->poly.n; i++) VEC_PUSH(a, &t->poly, of->poly.at[i]);
  for (uint32_t i = 0; i < of->atom.n; i++) VEC_PUSH(a, &t->atom, of->atom.at[i]);
  for (uint32_t i = 0; i < of->multiple.n; i++) VEC_PUSH(a, &t->multiple, of->multiple.at[i]);
  map_copy(&t->cons, &of->cons);
  map_copy(&t->symbol, &of->symbol);
  return t;
}

/* ---- terms ---- */

static int atom_cmp(const DimTable *t, uint32_t a, uint32_t b) {
  const Atom *x = &t->atom.at[a], *y = &t->atom.at[b];
  if (a == b) return 0;
  return !x->by != !y->by ? (x->by ? 1 : -1) : str_cmp(x->text, y->text); /* symbols first */
}

/* Greater degree first, then the sorted atoms. A monomial order: it is compatible with products. */
static int term_cmp(const DimTable *t, const Term *a, const Term *b) {
  if (a->degree != b->degree) return a->degree > b->degree ? -1 : 1;
  for (uint32_t i = 0; i < a->degree; i++) {
    int c = atom_cmp(t, a->atom[i], b->atom[i]);
    if (c) return c;
  }
  return 0;
}

typedef struct Sum { /* a polynomial being made: terms sorted, no zero coefficient */
  bool bad;
  uint32_t n;
  Term term[MAX_TERMS];
} Sum;

static void sum_add(const DimTable *t, Sum *s, const Term *x) {
  if (s->bad || x->coef == 0) return;
  uint32_t i = 0;
  int c = 1;
  while (i < s->n && (c = term_cmp(t, &s->term[i], x)) < 0) i++;
  if (i < s->n && c == 0) {
    if (!i64_add(s->term[i].coef, x->coef, &s->term[i].coef)) s->bad = true;
    if (s->term[i].coef != 0) return;
    memmove(&s->term[i], &s->term[i + 1], (s->n - i - 1) * sizeof(Term)); /* size-ok: at most MAX_TERMS */
    s->n--;
    return;
  }
  if (s->n == MAX_TERMS) {
    s->bad = true;
    return;
  }
  memmove(&s->term[i + 1], &s->term[i], (s->n - i) * sizeof(Term)); /* size-ok: at most MAX_TERMS */
  s->term[i] = *x;
  s->n++;
}

static bool term_mul(const DimTable *t, const Term *a, const Term *b, Term *out) {
  if (a->degree + b->degree > MAX_DEGREE || !i64_mul(a->coef, b->coef, &out->coef)) return false;
  uint32_t i = 0, j = 0, n = 0;
  while (i < a->degree || j < b->degree) {
    bool left = j == b->degree || (i < a->degree && atom_cmp(t, a->atom[i], b->atom[j]) <= 0);
    out->atom[n++] = left ? a->atom[i++] : b->atom[j++];
  }
  out->degree = n;
  return true;
}

static bool term_div(const DimTable *t, const Term *a, const Term *b, Term *out) { /* exactly */
  if (a->coef % b->coef != 0 || (b->coef == -1 && a->coef == INT64_MIN)) return false;
  out->coef = a->coef / b->coef;
  uint32_t j = 0, n = 0;
  for (uint32_t i = 0; i < a->degree; i++) {
    if (j < b->degree && atom_cmp(t, a->atom[i], b->atom[j]) == 0)
      j++;
    else
      out->atom[n++] = a->atom[i];
  }
  out->degree = n;
  return j == b->degree;
}

/* ---- multiples ---- */

static bool term_replace(const DimTable *t, Term *x, uint32_t from, uint32_t to) {
  Term out;
  return term_div(t, x, &(Term){.coef = 1, .degree = 1, .atom = {from}}, &out) &&
         term_mul(t, &out, &(Term){.coef = 1, .degree = 1, .atom = {to}}, x);
}

static bool term_has(const Term *x, uint32_t atom) {
  for (uint32_t i = 0; i < x->degree; i++)
    if (x->atom[i] == atom) return true;
  return false;
}

/* Parts in place of what is a multiple of them. A replaced part stands behind its symbol in the table. */
static void sum_add_parts(const DimTable *t, Sum *s, Term x) {
  for (uint32_t i = 0; i < t->multiple.n; i++) {
    const Multiple *m = &t->multiple.at[i];
    while (term_has(&x, m->of))
      if (!i64_mul(x.coef, m->by, &x.coef) || !term_replace(t, &x, m->of, m->part)) {
        s->bad = true;
        return;
      }
  }
  sum_add(t, s, &x);
}

static bool has_part(const DimTable *t, const Term *x) {
  for (uint32_t i = 0; i < t->multiple.n; i++)
    if (term_has(x, t->multiple.at[i].part)) return true;
  return false;
}

static void parts_of(const DimTable *t, DimId d, Sum *s) {
  s->n = 0, s->bad = false;
  for (uint32_t i = 0; i < t->poly.at[d.i].n; i++) sum_add_parts(t, s, t->poly.at[d.i].term[i]);
}

/* The one form of all sums that are equal by what is known. */
static void sum_normal(const DimTable *t, Sum *s) {
  if (!t->multiple.n || s->bad) return;
  Sum parts = {.n = 0};
  for (uint32_t i = 0; i < s->n; i++) sum_add_parts(t, &parts, s->term[i]);
  s->n = 0, s->bad = parts.bad;
  for (uint32_t i = 0; i < parts.n; i++) {
    Term x = parts.term[i];
    for (uint32_t k = 0; k < t->multiple.n; k++) {
      const Multiple *m = &t->multiple.at[k];
      while (!t->atom.at[m->of].by && x.coef % m->by == 0 && term_has(&x, m->part)) {
        x.coef /= m->by;
        if (!term_replace(t, &x, m->part, m->of)) s->bad = true;
      }
    }
    sum_add(t, s, &x);
  }
}

static uint64_t poly_hash(const Sum *s) {
  uint64_t h = s->n;
  for (uint32_t i = 0; i < s->n; i++) {
    h = hash_mix(h ^ (uint64_t)s->term[i].coef);
    for (uint32_t j = 0; j < s->term[i].degree; j++) h = hash_mix(h + 1 + s->term[i].atom[j]);
  }
  return h;
}

static bool poly_is(const Poly *p, const Sum *s) {
  if (p->n != s->n) return false;
  for (uint32_t i = 0; i < s->n; i++) {
    const Term *a = &p->term[i], *b = &s->term[i];
    if (a->coef != b->coef || a->degree != b->degree) return false;
    for (uint32_t j = 0; j < a->degree; j++)
      if (a->atom[j] != b->atom[j]) return false;
  }
  return true;
}

static DimId intern(DimTable *t, Sum *s) {
  sum_normal(t, s);
  if (s->bad) return (DimId){0};
  uint64_t key = poly_hash(s);
  uint32_t id;
  while (map_get(&t->cons, key, &id)) {
    if (poly_is(&t->poly.at[id], s)) return (DimId){id};
    key = hash_mix(key + 1);
  }
  Term *copy = ARENA_ARRAY(t->arena, Term, s->n);
  for (uint32_t i = 0; i < s->n; i++) copy[i] = s->term[i];
  id = t->poly.n;
  VEC_PUSH(t->arena, &t->poly, (Poly){s->n, copy});
  map_put(&t->cons, key, id);
  return (DimId){id};
}

/* ---- making ---- */

static void sum_const(const DimTable *t, Sum *s, int64_t v) { sum_add(t, s, &(Term){.coef = v}); }

DimId dim_const(DimTable *t, int64_t v) {
  Sum s = {.n = 0};
  sum_const(t, &s, v);
  return intern(t, &s);
}

static DimId of_atom(DimTable *t, uint32_t atom) {
  Sum s = {.n = 0};
  sum_add(t, &s, &(Term){.coef = 1, .degree = 1, .atom = {atom}});
  return intern(t, &s);
}

DimId dim_symbol(DimTable *t, Sym name) {
  uint32_t atom;
  if (!map_get(&t->symbol, name.i, &atom)) {
    atom = t->atom.n;
    VEC_PUSH(t->arena, &t->atom, (Atom){.name = name, .text = names_str(t->names, name)});
    map_put(&t->symbol, name.i, atom);
  }
  return of_atom(t, atom);
}

static DimId combine(DimTable *t, DimId a, DimId b, int64_t sign) {
  if (!a.i || !b.i) return (DimId){0};
  Sum s = {.n = 0};
  const Poly *p = &t->poly.at[a.i], *q = &t->poly.at[b.i];
  for (uint32_t i = 0; i < p->n; i++) sum_add(t, &s, &p->term[i]);
  for (uint32_t i = 0; i < q->n; i++) {
    Term x = q->term[i];
    if (!i64_mul(x.coef, sign, &x.coef)) s.bad = true;
    sum_add(t, &s, &x);
  }
  return intern(t, &s);
}

DimId dim_add(DimTable *t, DimId a, DimId b) { return combine(t, a, b, 1); }
DimId dim_sub(DimTable *t, DimId a, DimId b) { return combine(t, a, b, -1); }

DimId dim_mul(DimTable *t, DimId a, DimId b) {
  if (!a.i || !b.i) return (DimId){0};
  Sum s = {.n = 0};
  const Poly *p = &t->poly.at[a.i], *q = &t->poly.at[b.i];
  for (uint32_t i = 0; i < p->n; i++)
    for (uint32_t j = 0; j < q->n; j++) {
      Term x = {0};
      if (!term_mul(t, &p->term[i], &q->term[j], &x)) return (DimId){0};
      sum_add(t, &s, &x);
    }
  return intern(t, &s);
}

/* Long division: the leading term of the rest must be a multiple of the divisor's. */
bool dim_div_exact(DimTable *t, DimId a, DimId b, DimId *out) {
  *out = (DimId){0};
  if (!a.i || !b.i) return true;
  Sum rest, by, *d = &by, quotient = {.n = 0};
  parts_of(t, a, &rest);
  parts_of(t, b, &by);
  if (d->n == 0 || rest.bad || by.bad) return false;
  for (int steps = 0; rest.n && steps < 4 * MAX_TERMS; steps++) {
    Term q = {0};
    if (!term_div(t, &rest.term[0], &d->term[0], &q)) return false;
    sum_add(t, &quotient, &q);
    q.coef = -q.coef;
    for (uint32_t i = 0; i < d->n; i++) {
      Term x = {0};
      if (!term_mul(t, &q, &d->term[i], &x)) return false;
      sum_add(t, &rest, &x);
    }
    if (rest.bad || quotient.bad) return false;
  }
  if (rest.n) return false;
  *out = intern(t, &quotient);
  return true;
}

static int64_t floor_of(int64_t a, int64_t by) { return a / by - (a % by < 0); }

/* The atom floor(inner / by). */
static uint32_t quotient_atom(DimTable *t, DimId inner, int64_t by, uint32_t depth) {
  uint64_t key = hash_mix((uint64_t)inner.i << 32 ^ hash_mix((uint64_t)by)) | UINT64_C(1) << 63;
  uint32_t atom;
  while (map_get(&t->symbol, key, &atom) &&
         (t->atom.at[atom].inner.i != inner.i || t->atom.at[atom].by != by))
    key = hash_mix(key) | UINT64_C(1) << 63;
  if (map_get(&t->symbol, key, &atom)) return atom;
  const Poly *p = &t->poly.at[inner.i];
  Sb text;
  sb_init(&text, t->arena);
  bool simple = p->n == 1 && p->term[0].coef == 1 && p->term[0].degree == 1 && !depth;
  if (!simple) sb_char(&text, '(');
  dim_print(t, inner, &text);
  sb_fmt(&text, simple ? "/%" PRId64 : ")/%" PRId64, by);
  atom = t->atom.n;
  VEC_PUSH(t->arena, &t->atom, (Atom){.inner = inner, .by = by, .depth = depth + 1, .text = sb_str(&text)});
  map_put(&t->symbol, key, atom);
  return atom;
}

DimId dim_floordiv(DimTable *t, DimId a, int64_t by) {
  if (!a.i || by < 1) return (DimId){0};
  if (by == 1) return a;
  /* floor((by*q + r) / by) = q + floor(r / by), coefficient by coefficient, 0 <= r < by */
  Sum p, quotient = {.n = 0}, rest = {.n = 0};
  parts_of(t, a, &p);
  if (p.bad) return (DimId){0};
  bool constant = true;
  uint32_t depth = 0;
  for (uint32_t i = 0; i < p.n; i++) {
    Term q = p.term[i], r = p.term[i];
    q.coef = floor_of(q.coef, by);
    r.coef -= q.coef * by;                                    /* in 0..by-1 */
    if (r.coef && has_part(t, &q)) q.coef = 0, r = p.term[i]; /* L/3 stays, also of a multiple of 4 */
    constant &= r.coef == 0 || r.degree == 0;
    sum_add(t, &quotient, &q);
    sum_add(t, &rest, &r);
  }
  DimId whole = intern(t, &quotient);
  if (constant) return whole;
  DimId inner = intern(t, &rest);
  const Poly *in = &t->poly.at[inner.i];
  for (uint32_t i = 0; i < in->n; i++)
    for (uint32_t j = 0; j < in->term[i].degree; j++)
      if (t->atom.at[in->term[i].atom[j]].depth > depth) depth = t->atom.at[in->term[i].atom[j]].depth;
  if (!inner.i || depth >= MAX_DEPTH) return (DimId){0};
  return dim_add(t, whole, of_atom(t, quotient_atom(t, inner, by, depth)));
}

void dim_multiple(DimTable *t, DimId d, int64_t by) {
  enum { GREATEST = 1 << 30, MOST = 64 };
  const Poly *p = &t->poly.at[d.i];
  if (p->n != 1 || p->term[0].degree != 1 || p->term[0].coef < 1 || by < 2 || by > GREATEST) return;
  uint32_t symbol = p->term[0].atom[0];
  if (t->atom.at[symbol].by || t->multiple.n >= MOST) return;
  by /= i64_gcd(by, p->term[0].coef);
  Multiple *known = NULL;
  for (uint32_t i = 0; i < t->multiple.n; i++)
    if (t->multiple.at[i].of == symbol) known = &t->multiple.at[i];
  int64_t more = known ? by / i64_gcd(by, known->by) : by;
  if (more == 1 || (known && more > GREATEST / known->by)) return;
  by = known ? more * known->by : by;
  uint32_t part = quotient_atom(t, of_atom(t, symbol), by, 0);
  if (!known) {
    VEC_PUSH(t->arena, &t->multiple, (Multiple){symbol, part, by});
    return;
  }
  Multiple old = {known->part, part, more};
  known->part = part, known->by = by;
  VEC_PUSH(t->arena, &t->multiple, old);
}

/* ---- asking ---- */

bool dim_is_const(const DimTable *t, DimId d, int64_t *v) {
  const Poly *p = &t->poly.at[d.i];
  if (!d.i || p->n > 1 || (p->n == 1 && p->term[0].degree)) return false;
  *v = p->n ? p->term[0].coef : 0;
  return true;
}

bool dim_no_part(const DimTable *t, DimId d, DimId whole, int64_t *v) {
  int64_t all;
  return dim_is_const(t, d, v) && (*v < 1 || (dim_is_const(t, whole, &all) && *v > all));
}

bool dim_is_symbol(const DimTable *t, DimId d, Sym *name) {
  const Poly *p = &t->poly.at[d.i];
  if (p->n != 1 || p->term[0].coef != 1 || p->term[0].degree != 1) return false;
  const Atom *a = &t->atom.at[p->term[0].atom[0]];
  *name = a->name;
  return a->by == 0;
}

void dim_symbols(const DimTable *t, DimId d, void (*see)(void *cx, Sym name),
                 void *cx) { /* depth: MAX_DEPTH */
  const Poly *p = &t->poly.at[d.i];
  for (uint32_t i = 0; i < p->n; i++)
    for (uint32_t j = 0; j < p->term[i].degree; j++) {
      const Atom *a = &t->atom.at[p->term[i].atom[j]];
      if (a->by)
        dim_symbols(t, a->inner, see, cx);
      else
        see(cx, a->name);
    }
}

static bool poly_eval(const DimTable *t, DimId d, const DimBinding *b, size_t n, int64_t *v);

static bool atom_eval(const DimTable *t, const Atom *a, const DimBinding *b, size_t n, int64_t *v) {
  if (a->by) {
    if (!poly_eval(t, a->inner, b, n, v)) return false;
    *v = floor_of(*v, a->by);
    return true;
  }
  for (size_t i = 0; i < n; i++)
    if (sym_eq(b[i].name, a->name)) return *v = b[i].value, true;
  return false;
}

static bool poly_eval(const DimTable *t, DimId d, const DimBinding *b, size_t n, int64_t *v) {
  const Poly *p = &t->poly.at[d.i];
  *v = 0;
  for (uint32_t i = 0; i < p->n; i++) {
    int64_t x = p->term[i].coef, y;
    for (uint32_t j = 0; j < p->term[i].degree; j++)
      if (!atom_eval(t, &t->atom.at[p->term[i].atom[j]], b, n, &y) || !i64_mul(x, y, &x)) return false;
    if (!i64_add(*v, x, v)) return false;
  }
  return d.i != 0;
}

bool dim_eval(const DimTable *t, DimId d, const DimBinding *b, size_t n, int64_t *v) {
  return poly_eval(t, d, b, n, v) && *v >= 0;
}

DimId dim_bind(DimTable *t, DimId d, const DimBinding *b, size_t n) { /* depth: MAX_DEPTH */
  int64_t known;
  if (!n || !d.i || dim_is_const(t, d, &known)) return d;
  Poly p = t->poly.at[d.i]; /* by value: the table grows below; the terms stay */
  DimId sum = dim_const(t, 0);
  for (uint32_t i = 0; i < p.n; i++) {
    DimId x = dim_const(t, p.term[i].coef);
    for (uint32_t j = 0; j < p.term[i].degree; j++) {
      uint32_t id = p.term[i].atom[j];
      Atom a = t->atom.at[id];
      DimId y = of_atom(t, id);
      if (a.by) y = dim_floordiv(t, dim_bind(t, a.inner, b, n), a.by);
      for (size_t k = 0; k < n && !a.by; k++)
        if (sym_eq(b[k].name, a.name)) y = dim_const(t, b[k].value);
      x = dim_mul(t, x, y);
    }
    sum = dim_add(t, sum, x);
  }
  return sum;
}
