/* Verdicts do not depend on how a program is written: with other names, its loss's terms the other way round,
 * 0 added to each of them, each handed through a function, a term more that has nothing to do with the rest,
 * the same is said of every parameter. */
#include "check.h"
#include "passes/diagnose/slab.h"

#include <ctype.h>
#include <stdlib.h>

typedef enum { RENAMED, REVERSED, PLUS_ZERO, THROUGH_FUNCTION, TERM_MORE, FORMS } Form;
static const char *const form_name[FORMS] = {"other names", "its terms the other way round", "0 added",
                                             "a function around each term", "an unrelated term"};

static bool in_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* v12, p3, m7: what the generator names so gets another name; also in paths. */
static char *renamed(const char *from, size_t n, Arena *a) {
  char *to = arena_alloc(a, 3 * n + 1, 1), *w = to;
  for (size_t i = 0; i < n;) {
    size_t end = i;
    while (end < n && in_word(from[end])) end++;
    size_t digit = i + 1;
    while (digit < end && isdigit((unsigned char)from[digit])) digit++;
    bool own = end > i + 1 && digit == end && (from[i] == 'v' || from[i] == 'p' || from[i] == 'm') &&
               !(i && in_word(from[i - 1]));
    if (own) *w++ = 'q', *w++ = '_';
    if (end == i) end++;
    memcpy(w, from + i, end - i), w += end - i;
    i = end;
  }
  *w = 0;
  return to;
}

enum { TERMS = 16 };
typedef struct Loss { /* `loss l = a + b`, taken apart */
  const char *at, *end;
  struct {
    const char *at;
    size_t n;
  } term[TERMS];
  int n;
} Loss;

static bool take_apart(const char *text, Loss *l) {
  static const char head[] = "\nloss l = ";
  const char *p = strstr(text, head);
  int depth = 0;
  if (!p) return false;
  l->at = p + 1;
  l->n = 0;
  p += strlen(head);
  for (const char *from = p;; p++) {
    bool plus = *p == '+' && p[-1] == ' ' && p[1] == ' ';
    if (strchr("([{", *p) && *p) depth++;
    if (strchr(")]}", *p) && *p) depth--;
    if (*p && *p != '\n' && (depth || !plus)) continue;
    if (l->n == TERMS) return false;
    l->term[l->n].at = from;
    l->term[l->n++].n = (size_t)(p - from) - (plus && !depth);
    from = p + 2;
    if (!*p || *p == '\n') break;
  }
  l->end = p;
  return depth == 0;
}

static char *written(const char *text, const Loss *l, Form form, const char *type, Arena *a) {
  size_t n = strlen(text);
  char *to = arena_alloc(a, n + 1024, 1), *w = to;
  const char *before = form == PLUS_ZERO ? "(" : form == THROUGH_FUNCTION ? "told_again(" : "";
  const char *behind = form == PLUS_ZERO ? " + 0)" : form == THROUGH_FUNCTION ? ")" : "";
  memcpy(w, text, (size_t)(l->at - text)), w += l->at - text;
  if (form == THROUGH_FUNCTION) w += sprintf(w, "fn told_again(a: F[..]) -> F[..] = a\n");
  if (form == TERM_MORE) w += sprintf(w, "param unrelated: %s[3] ~ normal(0, 1)\n", type);
  w += sprintf(w, "loss l = ");
  for (int i = 0; i < l->n; i++) {
    int k = form == REVERSED ? l->n - 1 - i : i;
    w += sprintf(w, "%s%s%.*s%s", i ? " + " : "", before, (int)l->term[k].n, l->term[k].at, behind);
  }
  if (form == TERM_MORE) w += sprintf(w, " + mean(tanh(unrelated - 1)^2)");
  strcpy(w, l->end);
  return to;
}

static Diagnose *diagnosed(Loaded *l, Arena *a) {
  Diags *quiet = ARENA_NEW(a, Diags);
  *quiet = (Diags){.arena = a, .sources = &l->sources, .limits = &l->limits};
  Diagnose *x = ARENA_NEW(a, Diagnose);
  *x = (Diagnose){.arena = a, .p = diagnose_bound_program(&l->p, l->bind, l->nbind, a), .d = quiet};
  return diagnose_run(x) ? x : NULL;
}

static bool same_part(const Verdict *a, const Verdict *b) {
  if (!a->part || !b->part) return !a->part && !b->part;
  const Slab *s = &a->part->set, *t = &b->part->set;
  bool same = a->part_axis == b->part_axis && s->n == t->n;
  for (uint8_t i = 0; same && i < s->n; i++) same = s->at[i].lo == t->at[i].lo && s->at[i].hi == t->at[i].hi;
  return same;
}

static bool same_verdicts(const Loaded *l, const Diagnose *x, const Loaded *m, const Diagnose *y, Form form,
                          Arena *a, Fault *f) {
  for (uint32_t i = 0; i < l->p.leaf.n; i++) {
    Str path = names_str(&l->names, l->p.leaf.at[i].path);
    LeafId other;
    if (l->p.leaf.at[i].kind != LEAF_PARAM) continue;
    Str there = form == RENAMED ? str_z(renamed(path.p, path.n, a)) : path;
    if (!program_find_leaf(&m->p, there, &other))
      return finding(f, "form", STRF " is gone with %s", STRA(path), form_name[form]);
    for (uint32_t k = 0; k < x->view.n && k < y->view.n; k++) {
      const Verdict *p = &x->view.at[k].param[i], *q = &y->view.at[k].param[other.i];
      if (p->flow == q->flow && p->rule == q->rule && p->late == q->late && p->equal == q->equal &&
          same_part(p, q))
        continue;
      return finding(f, "form", STRF ": flow %d, rule %d, with %s flow %d, rule %d, loss %u", STRA(path),
                     p->flow, p->rule, form_name[form], q->flow, q->rule, k);
    }
  }
  return true;
}

bool check_forms(const Case *c, Loaded *l, Arena *a, Fault *f) {
  Loss loss;
  if (!l->p.train.n || !take_apart(c->text, &loss)) return true;
  const TrainStep *t = &l->p.train.at[0];
  const Graph *g = l->p.entry.at[t->entry].graph;
  const char *type = g && node_ok(t->loss) ? dtype_name((DType)graph_node(g, t->loss)->type.dtype) : "f32";
  const Diagnose *x = diagnosed(l, a);
  for (int form = 0; form < FORMS && x; form++) {
    Loaded *m = ARENA_NEW(a, Loaded);
    const char *text =
        form == RENAMED ? renamed(c->text, strlen(c->text), a) : written(c->text, &loss, (Form)form, type, a);
    if (!load_case(c, text, a, m, f)) return false;
    const Diagnose *y = diagnosed(m, a);
    if (!y) return finding(f, "form", "no verdicts with %s", form_name[form]);
    if (!same_verdicts(l, x, m, y, (Form)form, a, f)) return false;
    f->forms++;
  }
  return true;
}
