/* Edits that a machine can apply: what is written here must leave a program without the finding, and no other
 * parameter worse off. No edit is better than a wrong one. */
#include "passes/diagnose.h"

static bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A name, a path, a number: needs no parentheses among operators. */
static bool simple(Str e) {
  for (size_t i = 0; i < e.n; i++)
    if (!word_char(e.p[i]) && e.p[i] != '.') return false;
  return true;
}

/* No call: may be written twice, for it draws no random numbers and assigns no state. */
static bool without_calls(Str e) {
  for (size_t i = 1; i < e.n; i++)
    if (e.p[i] == '(' && (word_char(e.p[i - 1]) || e.p[i - 1] == ']' || e.p[i - 1] == ')')) return false;
  return true;
}

static Str grouped(const Diagnose *x, Str e) {
  return simple(e) ? e : str_fmt(x->arena, "(" STRF ")", STRA(e));
}

/* The text at `at`, if it is WORD(e) of the user's: e. */
static bool call_of(const Diagnose *x, Span at, Str word, Str *inner) {
  if (!at.file || x->p->sources->file.at[at.file].library) return false;
  Str text = x->p->sources->file.at[at.file].text;
  if (at.hi > text.n || at.lo >= at.hi) return false;
  Str whole = {text.p + at.lo, at.hi - at.lo};
  if (!str_starts(whole, word) || whole.p[whole.n - 1] != ')') return false;
  size_t open = word.n;
  while (open < whole.n && whole.p[open] == ' ') open++;
  if (open >= whole.n || whole.p[open] != '(') return false;
  *inner = (Str){whole.p + open + 1, whole.n - open - 2};
  int depth = 0; /* the first bracket closes at the end, and no comma stands between */
  for (size_t i = 0; i < inner->n; i++) {
    char c = inner->p[i];
    depth += c == '(' || c == '[' || c == '{';
    depth -= c == ')' || c == ']' || c == '}';
    bool comment = c == '/' && i + 1 < inner->n && inner->p[i + 1] == '/';
    if (depth < 0 || comment || c == '"' || (depth == 0 && c == ',')) return false;
  }
  return depth == 0;
}

/* Does an expression put here stand between brackets, commas or line ends, and not among operators? */
static bool stands_alone(const Diagnose *x, Span at) {
  Str text = x->p->sources->file.at[at.file].text;
  size_t before = at.lo, after = at.hi;
  while (before > 0 && text.p[before - 1] == ' ') before--;
  while (after < text.n && text.p[after] == ' ') after++;
  char l = before ? text.p[before - 1] : '\n', r = after < text.n ? text.p[after] : '\n';
  if (before > 1 && l == '=' && strchr("=!<>", text.p[before - 2])) return false;
  return (l == '=' || l == '(' || l == ',' || l == '\n') &&
         (r == '\n' || r == ')' || r == ',' || r == ';' || r == '\r' || r == '}');
}

static void edit_value(const Diagnose *x, Diag *g, Span at, Str e) {
  diag_edit(g, at, stands_alone(x, at) ? e : grouped(x, e));
}

/* Places of cuts into which a value flows that learns elsewhere: taking the cut away changes its gradient,
 * and may end it (e + stop_gradient(z - e)). One scan over all losses. */
static void find_shared_cuts(Diagnose *x) {
  map_init(&x->shared_cut, x->arena);
  x->shared_known = true;
  for (uint32_t k = 0; k < x->view.n; k++) {
    const View *v = &x->view.at[k];
    const Graph *g = v->g;
    bool *learns = ARENA_ARRAY(x->arena, bool, g->node.n);
    for (uint32_t i = 0; i < g->node.n; i++) {
      NodeId n = {i};
      if (node_op(g, n) == OP_LEAF) {
        const Leaf *leaf = program_leaf_at(x->p, (LeafId){(uint32_t)graph_attr(g, n)[0]});
        learns[i] =
            leaf->kind == LEAF_PARAM && !leaf->frozen && v->param[graph_attr(g, n)[0]].flow == FLOW_OPEN;
      }
      for (uint32_t j = 0; j < g->node.at[i].nin; j++) {
        EdgeClass c = edge_class(v->reach.facts, n, j);
        if (c == EDGE_NONE || !learns[graph_in(g, n)[j].i]) continue;
        if (c == GC_CARRIES)
          learns[i] = true;
        else
          map_put(&x->shared_cut, flow_cut_place(x, v, (Edge){n, j}), 1);
      }
    }
  }
}

bool edit_shared(Diagnose *x, const View *v, Edge cut) {
  uint32_t yes;
  if (!x->shared_known) find_shared_cuts(x);
  return map_get(&x->shared_cut, flow_cut_place(x, v, cut), &yes);
}

void edit_stop(const Diagnose *x, Diag *g, Span at) {
  Str inner;
  if (!call_of(x, at, STR("stop_gradient"), &inner)) return;
  edit_value(x, g, at, inner);
  diag_fix(g, DIAG_MAYBE, "remove 'stop_gradient'");
}

void edit_step(const Diagnose *x, Diag *g, Span at, Str op) {
  Str e;
  if (!call_of(x, at, op, &e) || !without_calls(e)) return;
  Str one = grouped(x, e);
  edit_value(x, g, at,
             str_fmt(x->arena, STRF " + stop_gradient(" STRF "(" STRF ") - " STRF ")", STRA(one), STRA(op),
                     STRA(e), STRA(one)));
  diag_fix(g, DIAG_MAYBE, "pass the gradient by '" STRF "'", STRA(op));
}

/* A draw: made of nothing but random bits and literals. */
static bool drawn(const Graph *g, NodeId n, uint32_t depth) {
  if (node_op(g, n) == OP_UNIT) return true;
  bool any = false;
  for (uint32_t k = 0; k < graph_node(g, n)->nin && depth; k++) {
    NodeId in = graph_in(g, n)[k];
    if (node_op(g, in) == OP_CONST) continue;
    if (!drawn(g, in, depth - 1)) return false;
    any = true;
  }
  return any;
}

/* A value that is squashed already, through moves: a sigmoid of it is no smooth form of the comparison. */
static bool squashed(const Graph *g, NodeId n) {
  for (;;) {
    switch (node_op(g, n)) {
    case OP_SIGMOID:
    case OP_SOFTMAX:
    case OP_TANH:
    case OP_SIN:
    case OP_COS: return true;
    case OP_RESHAPE:
    case OP_TRANSPOSE:
    case OP_SLICE:
    case OP_BROADCAST: n = graph_in(g, n)[0]; continue;
    default: return drawn(g, n, 8); /* default: any other op may give any number */
    }
  }
}

bool edit_squashed(const View *v, NodeId comparison) {
  const NodeId *in = graph_in(v->g, comparison);
  return squashed(v->g, in[0]) || squashed(v->g, in[1]);
}

/* f32(a > b) -> sigmoid(a - b), where that conversion is all the comparison is used for. */
void edit_comparison(const Diagnose *x, const View *v, Diag *g, NodeId comparison, Str op) {
  const Graph *graph = v->g;
  Op kind = node_op(graph, comparison);
  Edge e = v->reach.next[comparison.i];
  if ((kind != OP_LT && kind != OP_LE) || !node_ok(e.user) || node_op(graph, e.user) != OP_CAST ||
      edit_squashed(v, comparison))
    return;
  Span at = graph_user_span(graph, x->p->sources, e.user),
       own = graph_user_span(graph, x->p->sources, comparison);
  Str inner, word = str_z(dtype_name((DType)graph_node(graph, e.user)->type.dtype));
  if (!call_of(x, at, word, &inner)) return;
  Str text = x->p->sources->file.at[at.file].text;
  if (own.file != at.file || own.lo != (size_t)(inner.p - text.p) || own.hi != own.lo + inner.n) return;
  int depth = 0;
  for (size_t i = 0; i + op.n < inner.n; i++) {
    char c = inner.p[i];
    depth += c == '(' || c == '[' || c == '{';
    depth -= c == ')' || c == ']' || c == '}';
    if (depth || !str_eq((Str){inner.p + i, op.n}, op)) continue;
    size_t l = i, r = i + op.n;
    while (l > 0 && inner.p[l - 1] == ' ') l--;
    while (r < inner.n && inner.p[r] == ' ') r++;
    Str left = {inner.p, l}, right = {inner.p + r, inner.n - r};
    Str high = op.p[0] == '>' ? left : right, low = op.p[0] == '>' ? right : left;
    bool from_zero = str_eq(low, STR("0")) || str_eq(low, STR("0.0"));
    Str smooth = from_zero
                     ? str_fmt(x->arena, "sigmoid(" STRF ")", STRA(high))
                     : str_fmt(x->arena, "sigmoid(" STRF " - " STRF ")", STRA(high), STRA(grouped(x, low)));
    diag_edit(g, at, smooth);
    diag_fix(g, DIAG_MAYBE, "use 'sigmoid' in place of the comparison");
    return;
  }
}

/* ---- update lists: the fewest paths that take exactly these parameters */

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

void edit_list(const Diagnose *x, const View *v, Diag *g, const LeafIds *who) {
  if (!v->step || !v->step->group.n) return;
  Span list = v->step->group.at[0].list;
  Str text = cover(x, who);
  if (list.file && text.n) diag_edit(g, (Span){list.file, list.hi, list.hi}, text);
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
  return true;
}
