/* Edits that a machine can apply: what is written here must leave a program without the finding, and no other
 * parameter worse off. No edit is better than a wrong one. */
#include "ir/graph/region.h"
#include "passes/diagnose/diagnose.h"

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

/* True: the node was not known to learn. */
static bool shared_at(Diagnose *x, const View *v, NodeId n, bool *learns) {
  bool had = learns[n.i];
  uint32_t count = graph_sources(v->g, n);
  for (uint32_t j = 0; j < count; j++) {
    EdgeClass c = edge_class(v->reach.facts, n, j);
    if (c == EDGE_NONE || !learns[graph_source(v->g, n, j).i]) continue;
    if (c == GC_CARRIES)
      learns[n.i] = true;
    else
      map_put(&x->shared_cut, flow_cut_place(v, (Edge){n, j}), 1);
  }
  return learns[n.i] != had;
}

/* Places of cuts into which a value flows that learns elsewhere: taking the cut away changes its gradient,
 * and may end it (e + stop_gradient(z - e)). One scan over all losses. */
static void find_shared_cuts(Diagnose *x) {
  map_init(&x->shared_cut, x->arena);
  x->shared_known = true;
  for (uint32_t k = 0; k < x->view.n; k++) {
    const View *v = &x->view.at[k];
    const Graph *g = v->g;
    bool *learns = ARENA_ARRAY(x->arena, bool, g->node.n), again = true;
    for (uint32_t i = 0; i < g->node.n; i++) {
      if (g->node.at[i].op != OP_LEAF) continue;
      LeafId id = {(uint32_t)graph_attr(g, (NodeId){i})[0]};
      const Leaf *leaf = program_leaf_at(x->p, id);
      learns[i] = leaf->kind == LEAF_PARAM && !leaf->frozen && v->param[id.i].flow == FLOW_OPEN;
    }
    while (again) { /* once, where no value comes back to an earlier node */
      again = false;
      for (uint32_t i = 0; i < g->node.n; i++) again |= shared_at(x, v, (NodeId){i}, learns);
      again &= g->region.n > 1;
    }
  }
}

bool edit_shared(Diagnose *x, const View *v, Edge cut) {
  uint32_t yes;
  if (!x->shared_known) find_shared_cuts(x);
  return map_get(&x->shared_cut, flow_cut_place(v, cut), &yes);
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

/* A value that is squashed already, through moves: of operands as large as a model has them, none larger than
 * about one. A sigmoid of it is no smooth form of the comparison. */
static bool squashed(const Diagnose *x, const Graph *g, NodeId n) {
  n = graph_moved(g, n);
  uint32_t nin = graph_node(g, n)->nin;
  if (drawn(g, n, 8)) return true;
  if (!nin || graph_node(g, n)->type.dtype == DT_BOOL) return false;
  ArenaScope scope;
  Values v;
  values_init(&v, x->p, arena_open(&scope, x->arena->mem));
  ValueId *in = ARENA_ARRAY(v.arena, ValueId, nin);
  for (uint32_t i = 0; i < nin; i++) {
    const Type *t = &graph_node(g, graph_in(g, n)[i])->type;
    in[i] = value_unknown(&v, (DType)t->dtype, shape_of(&v, t));
    value_set_range(&v, in[i], interval_of(-1000, 1000));
  }
  Interval r = value_at(&v, values_node(&(ValueNode){&v, g, n, in}))->range;
  arena_close(&scope);
  return r.lo >= -1.01 && r.hi <= 1.01;
}

bool edit_squashed(const Diagnose *x, const View *v, NodeId comparison) {
  const NodeId *in = graph_in(v->g, comparison);
  return squashed(x, v->g, in[0]) || squashed(x, v->g, in[1]);
}

/* f32(a > b) -> sigmoid(a - b), where that conversion is all the comparison is used for. */
void edit_comparison(const Diagnose *x, const View *v, Diag *g, NodeId comparison, Str op) {
  const Graph *graph = v->g;
  Op kind = node_op(graph, comparison);
  Edge e = v->reach.next[comparison.i];
  if ((kind != OP_LT && kind != OP_LE) || !node_ok(e.user) || node_op(graph, e.user) != OP_CAST ||
      edit_squashed(x, v, comparison))
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
