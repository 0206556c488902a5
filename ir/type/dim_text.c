/* Dims as text, `2*N + 1`, and back. */
#include "base/size.h"
#include "ir/type/dim_internal.h"

#include <ctype.h>
#include <inttypes.h>

/* 4 * floor(H / 8) where H is a multiple of 8: H/2. */
static bool print_part(const DimTable *t, const Term *x, uint64_t size, Sb *b) {
  for (uint32_t i = 0; i < t->multiple.n && x->degree == 1; i++) {
    const Multiple *m = &t->multiple.at[i];
    if (m->part != x->atom[0] || t->atom.at[m->of].by) continue;
    uint64_t by = (uint64_t)m->by, g = (uint64_t)i64_gcd(m->by, (int64_t)(size % by));
    if (size != g) sb_fmt(b, "%" PRIu64 "*(", size / g);
    sb_fmt(b, STRF "/%" PRIu64 "%s", STRA(t->atom.at[m->of].text), by / g, size != g ? ")" : "");
    return true;
  }
  return false;
}

void dim_print(const DimTable *t, DimId d, Sb *b) {
  const Poly *p = &t->poly.at[d.i];
  if (!d.i) {
    sb_char(b, '?');
    return;
  }
  if (!p->n) sb_char(b, '0');
  for (uint32_t i = 0; i < p->n; i++) {
    const Term *x = &p->term[i];
    uint64_t size = x->coef < 0 ? 0 - (uint64_t)x->coef : (uint64_t)x->coef;
    bool number = size != 1 || !x->degree;
    if (i) sb_add(b, x->coef < 0 ? STR(" - ") : STR(" + "));
    if (!i && x->coef < 0) sb_char(b, '-');
    if (print_part(t, x, size, b)) continue;
    if (number) sb_fmt(b, "%" PRIu64, size);
    for (uint32_t j = 0; j < x->degree; j++) {
      const Atom *a = &t->atom.at[x->atom[j]];
      bool wrap = a->by && (number || x->degree > 1 || (!i && x->coef < 0));
      if (number || j) sb_char(b, '*');
      if (wrap) sb_char(b, '(');
      sb_add(b, a->text);
      if (wrap) sb_char(b, ')');
    }
  }
}

typedef struct DimReader {
  DimTable *t;
  Names *names;
  const char *p, *end;
  uint32_t depth;
} DimReader;

static char peek(DimReader *r) {
  while (r->p < r->end && *r->p == ' ') r->p++;
  return r->p < r->end ? *r->p : '\0';
}

static bool read_int(DimReader *r, int64_t *v) {
  if (!isdigit((unsigned char)peek(r))) return false;
  for (*v = 0; r->p < r->end && isdigit((unsigned char)*r->p); r->p++)
    if (!i64_mul(*v, 10, v) || !i64_add(*v, *r->p - '0', v)) return false;
  return true;
}

static bool read_sum(DimReader *r, DimId *out);

static bool read_factor(DimReader *r, DimId *out) {
  char c = peek(r);
  int64_t v;
  if (isdigit((unsigned char)c)) {
    if (!read_int(r, &v)) return false;
    *out = dim_const(r->t, v);
    return true;
  }
  if (c == '(') {
    r->p++;
    if (r->depth++ > 2 * MAX_DEPTH || !read_sum(r, out) || peek(r) != ')') return false;
    r->depth--;
    r->p++;
    return true;
  }
  const char *start = r->p;
  while (r->p < r->end && (isalnum((unsigned char)*r->p) || *r->p == '_' || *r->p == '.')) r->p++;
  if (r->p == start) return false;
  *out = dim_symbol(r->t, names_add(r->names, (Str){start, (size_t)(r->p - start)}));
  return true;
}

static bool read_product(DimReader *r, DimId *out) {
  if (!read_factor(r, out)) return false;
  for (char c = peek(r); c == '*' || c == '/'; c = peek(r)) {
    DimId x;
    int64_t by;
    r->p++;
    if (c == '*' ? !read_factor(r, &x) : !read_int(r, &by) || by < 1) return false;
    *out = c == '*' ? dim_mul(r->t, *out, x) : dim_floordiv(r->t, *out, by);
  }
  return true;
}

static bool read_sum(DimReader *r, DimId *out) {
  bool minus = peek(r) == '-';
  if (minus) r->p++;
  if (!read_product(r, out)) return false;
  if (minus) *out = dim_sub(r->t, dim_const(r->t, 0), *out);
  for (char c = peek(r); c == '+' || c == '-'; c = peek(r)) {
    DimId x;
    r->p++;
    if (!read_product(r, &x)) return false;
    *out = c == '+' ? dim_add(r->t, *out, x) : dim_sub(r->t, *out, x);
  }
  return true;
}

bool dim_parse(DimTable *t, Names *names, Str text, DimId *out) {
  DimReader r = {.t = t, .names = names, .p = text.p, .end = text.p + text.n};
  *out = (DimId){0};
  if (str_eq(text, STR("?"))) return true;
  return read_sum(&r, out) && peek(&r) == '\0' && r.p == r.end && out->i;
}
