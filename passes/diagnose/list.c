/* Edits of update lists and declarations: the fewest paths that take exactly these parameters, the list where
 * they belong, the word `frozen`. */
#include "base/hash.h"
#include "passes/diagnose/diagnose.h"

static bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

enum { COVER_MAX = 256, PATHS_MAX = 8 };

static Str path_of(const Diagnose *x, uint32_t leaf) {
  return names_str(x->p->names, x->p->leaf.at[leaf].path);
}

/* Does `path` lie at or beneath the first n bytes of `whole`? */
static bool beneath(Str path, Str whole, size_t n) {
  return path.n >= n && memcmp(path.p, whole.p, n) == 0 &&
         (path.n == n || path.p[n] == '.' || path.p[n] == '[');
}

/* Is every parameter that a list may take there one of `in`? */
static bool only_these(const Diagnose *x, const bool *in, Str whole, size_t n) {
  for (uint32_t i = 0; i < x->p->leaf.n; i++) {
    const Leaf *leaf = &x->p->leaf.at[i];
    if (leaf->kind == LEAF_PARAM && !leaf->frozen && !in[i] && beneath(path_of(x, i), whole, n)) return false;
  }
  return true;
}

static Str last_part(Str path) {
  size_t i = path.n;
  while (i > 0 && path.p[i - 1] != '.') i--;
  return (Str){path.p + i, path.n - i};
}

/* `net.*.b`: ends in the last part and has a component between. */
static bool starred(Str path, Str first, Str last) {
  size_t head = first.n ? first.n + 1 : 0;
  if (first.n && !(beneath(path, first, first.n) && path.n > first.n && path.p[first.n] == '.')) return false;
  return path.n > head + last.n + 1 && str_eq(last_part(path), last);
}

/* One pattern FIRST.*.LAST for all of them, or empty. */
static Str pattern(const Diagnose *x, const bool *in, const LeafIds *who) {
  Str a = path_of(x, who->at[0].i), last = last_part(a);
  size_t n = 0; /* the longest instance above all of them */
  for (size_t i = 0; i < a.n; i++) {
    if (a.p[i] != '.') continue;
    bool all = true;
    for (uint32_t k = 0; k < who->n; k++) all = all && beneath(path_of(x, who->at[k].i), a, i);
    if (all) n = i;
  }
  Str first = {a.p, n};
  for (uint32_t i = 0; i < x->p->leaf.n; i++) {
    const Leaf *leaf = &x->p->leaf.at[i];
    if (leaf->kind == LEAF_PARAM && !leaf->frozen && in[i] != starred(path_of(x, i), first, last))
      return (Str){0};
  }
  return str_fmt(x->arena, STRF "%s*." STRF, STRA(first), n ? "." : "", STRA(last));
}

/* ", a, b.c", or empty when it would be long. */
static Str cover(const Diagnose *x, const LeafIds *who) {
  bool *in = ARENA_ARRAY(x->arena, bool, x->p->leaf.n), *done = ARENA_ARRAY(x->arena, bool, x->p->leaf.n);
  if (who->n > COVER_MAX) return (Str){0};
  for (uint32_t i = 0; i < who->n; i++) in[who->at[i].i] = true;
  Sb b;
  sb_init(&b, x->arena);
  uint32_t paths = 0;
  for (uint32_t i = 0; i < who->n; i++) {
    if (done[who->at[i].i]) continue;
    Str path = path_of(x, who->at[i].i);
    size_t n = 1;
    for (; n < path.n; n++)
      if ((path.p[n] == '.' || path.p[n] == '[') && only_these(x, in, path, n)) break;
    for (uint32_t k = i; k < who->n; k++)
      if (beneath(path_of(x, who->at[k].i), path, n)) done[who->at[k].i] = true;
    Str name = {path.p, n};
    sb_fmt(&b, ", " STRF, STRA(name));
    paths++;
  }
  if (paths > 2) {
    Str one = pattern(x, in, who);
    if (one.n) return str_fmt(x->arena, ", " STRF, STRA(one));
  }
  return paths <= PATHS_MAX ? sb_str(&b) : (Str){0};
}

/* ---- which list */

enum { SEVERAL = UINT32_MAX - 1 };

static size_t component(Str path, size_t i) {
  while (i < path.n && path.p[i] != '.' && path.p[i] != '[') i++;
  return i;
}

static uint64_t home_key(uint32_t view, Str instance, Str last) {
  return hash_mix(hash_str(instance) ^ hash_mix(hash_str(last) + view));
}

static void put_home(Diagnose *x, uint64_t key, uint32_t group) {
  uint32_t before;
  if (map_get(&x->home, key, &before) && before != group) group = SEVERAL;
  map_put(&x->home, key, group);
}

/* By step and instance: the group that lists something of it; and something of the same name there. */
static void find_homes(Diagnose *x) {
  x->homes_known = true;
  map_init(&x->home, x->arena);
  for (uint32_t i = 0; i < x->view.n; i++) {
    const TrainStep *t = x->view.at[i].step;
    for (uint32_t k = 0; t && k < t->owned.n; k++) {
      Str path = path_of(x, t->owned.at[k].param.i);
      for (size_t n = component(path, 0); n < path.n; n = component(path, n + 1)) {
        put_home(x, home_key(i, (Str){path.p, n}, STR("")), t->owned.at[k].group);
        put_home(x, home_key(i, (Str){path.p, n}, last_part(path)), t->owned.at[k].group);
      }
    }
    for (uint32_t k = 0; t && k < t->left_out.n; k++)
      put_home(x, home_key(i, path_of(x, t->left_out.at[k].param.i), STR("except")), t->left_out.at[k].group);
  }
}

/* How near step i is to the parameter: 0 lists nothing of its instances; else up to its own name in an
 * `except`. */
static size_t nearness(const Diagnose *x, uint32_t i, LeafId p, uint32_t *group) {
  Str path = path_of(x, p.i);
  size_t best = 0;
  *group = x->view.at[i].step->group.n == 1 ? 0 : SEVERAL;
  if (map_get(&x->home, home_key(i, path, STR("except")), group)) return path.n + 1;
  for (size_t n = component(path, 0); n < path.n; n = component(path, n + 1)) {
    uint32_t any, same;
    if (!map_get(&x->home, home_key(i, (Str){path.p, n}, STR("")), &any)) break;
    best = n;
    *group = any;
    if (any == SEVERAL && map_get(&x->home, home_key(i, (Str){path.p, n}, last_part(path)), &same))
      *group = same;
  }
  return best;
}

Home list_home(Diagnose *x, LeafId p) {
  Home h = {UINT32_MAX, SEVERAL, false};
  size_t best = 0;
  uint32_t open = 0;
  if (!x->homes_known) find_homes(x);
  for (uint32_t i = 0; i < x->view.n; i++) {
    const View *v = &x->view.at[i];
    if (!v->step || v->param[p.i].flow != FLOW_OPEN) continue;
    uint32_t group;
    size_t near = nearness(x, i, p, &group);
    open++;
    if (h.view != UINT32_MAX && near <= best) continue;
    h = (Home){i, group, group != SEVERAL};
    best = near;
  }
  h.sure = h.sure && (best || open == 1);
  return h;
}

bool edit_list(Diagnose *x, const View *v, Diag *g, const LeafIds *who) {
  uint32_t groups = v->step ? v->step->group.n : 0;
  Str *text = ARENA_ARRAY(x->arena, Str, groups + 1);
  LeafIds *of = ARENA_ARRAY(x->arena, LeafIds, groups + 1);
  if (!groups || who->n > COVER_MAX) return false;
  for (uint32_t i = 0; i < who->n; i++) {
    Home h = list_home(x, who->at[i]);
    if (!h.sure || &x->view.at[h.view] != v) return false;
    VEC_PUSH(x->arena, &of[h.group], who->at[i]);
  }
  for (uint32_t k = 0; k < groups; k++) {
    if (of[k].n) text[k] = cover(x, &of[k]);
    if (of[k].n && (!text[k].n || !v->step->group.at[k].list.file)) return false;
  }
  for (uint32_t k = 0; k < groups; k++) {
    Span list = v->step->group.at[k].list;
    if (of[k].n) diag_edit(g, (Span){list.file, list.hi, list.hi}, text[k]);
  }
  diag_fix(g, DIAG_MAYBE, "list %s in step '" STRF "'", who->n == 1 ? "it" : "them",
           STRA(names_str(x->p->names, v->step->name)));
  return true;
}

/* ---- frozen */

static size_t skip_back(Str text, size_t i) {
  while (i > 0 && text.p[i - 1] == ' ') i--;
  return i;
}

/* Where the word that ends before byte i (blanks skipped) begins; `word` is that word. */
static size_t word_back(Str text, size_t i, Str *word) {
  size_t end = skip_back(text, i), start = end;
  while (start > 0 && word_char(text.p[start - 1])) start--;
  *word = (Str){text.p + start, end - start};
  return start;
}

/* The byte before which `frozen` makes a declaration of exactly these parameters frozen; false: none such. */
static bool declaration(const Diagnose *x, const bool *in, const Leaf *leaf, Span *at) {
  Span made = leaf->made_at.file ? leaf->made_at : leaf->at;
  if (!made.file || x->p->sources->file.at[made.file].library) return false;
  Str text = x->p->sources->file.at[made.file].text, path = names_str(x->p->names, leaf->path), word;
  size_t start = word_back(text, made.lo, &word);
  if (leaf->made_at.file) { /* let NAME = the call that made it, and nothing in between */
    size_t equals = skip_back(text, made.lo);
    if (!equals || text.p[equals - 1] != '=') return false;
    Str name;
    size_t name_at = word_back(text, equals - 1, &name);
    if (!name.n || !beneath(path, name, name.n) || !only_these(x, in, name, name.n)) return false;
    start = word_back(text, name_at, &word);
    if (!str_eq(word, STR("let"))) return false;
  } else if (!str_eq(word, STR("param"))) {
    return false;
  }
  *at = (Span){made.file, (uint32_t)start, (uint32_t)start};
  return true;
}

bool edit_frozen(const Diagnose *x, Diag *g, const LeafIds *who) {
  Span place[4];
  uint32_t n = 0;
  bool *in = ARENA_ARRAY(x->arena, bool, x->p->leaf.n);
  if (who->n > COVER_MAX) return false;
  for (uint32_t i = 0; i < who->n; i++) in[who->at[i].i] = true;
  for (uint32_t i = 0; i < who->n; i++) {
    Span at;
    if (!declaration(x, in, program_leaf_at(x->p, who->at[i]), &at)) return false;
    uint32_t k = 0;
    while (k < n && (place[k].file != at.file || place[k].lo != at.lo)) k++;
    if (k < n) continue;
    if (n == sizeof place / sizeof *place) return false;
    place[n++] = at;
  }
  for (uint32_t k = 0; k < n; k++) diag_edit(g, place[k], STR("frozen "));
  diag_fix(g, DIAG_MAYBE, "declare %s 'frozen'", who->n == 1 ? "it" : "them");
  return true;
}
