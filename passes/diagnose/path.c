/* Paths and places in the user's own names. */
#include "base/hash.h"
#include "passes/diagnose/diagnose.h"

#include <ctype.h>

uint64_t flow_cut_place(const View *v, Edge e) { return reach_place(v->g, v->reach.facts, e); }

/* `a > b` is lt(b, a): what the user wrote stands between the operands, outside of brackets but those around
 * all of it. */
static Str written_comparison(const Program *p, const Graph *g, NodeId n, Str otherwise) {
  Span at = graph_user_span(g, p->sources, n);
  Str text = p->sources->file.at[at.file].text;
  int depth = 0;
  size_t from = at.lo;
  while (from < at.hi && from < text.n && (text.p[from] == '(' || text.p[from] == ' ')) from++;
  for (size_t i = from; i < at.hi && i < text.n; i++) {
    char c = text.p[i];
    depth += c == '(' || c == '[' || c == '{';
    depth -= c == ')' || c == ']' || c == '}';
    if (depth <= 0 && (c == '<' || c == '>'))
      return (Str){text.p + i, i + 1 < text.n && text.p[i + 1] == '=' ? 2 : 1};
  }
  return otherwise;
}

/* Whether the parenthesis at `open` is closed by the last character of the span. */
static bool closes_at_end(Str text, size_t open, Span at) {
  int depth = 0;
  for (size_t i = open; i < at.hi && i < text.n; i++) {
    depth += text.p[i] == '(';
    depth -= text.p[i] == ')';
    if (!depth) return i + 1 == at.hi;
  }
  return false;
}

/* Functions of windows over one axis and three are made of the ops for two, of moves and sums: what is
 * written there as a call "conv1d(..)", and no more. */
static Str written_window(const Program *p, const Graph *g, NodeId n) {
  Span at = g->location.at[graph_node(g, n)->location.i].at;
  if (!at.file) return (Str){0};
  Str text = p->sources->file.at[at.file].text;
  size_t end = at.lo;
  while (end < at.hi && end < text.n && (text.p[end] == '_' || isalnum((unsigned char)text.p[end]))) end++;
  Str word = {text.p + at.lo, end - at.lo};
  bool ends =
      word.n > 2 && word.p[word.n - 1] == 'd' && word.p[word.n - 2] >= '1' && word.p[word.n - 2] <= '3';
  return ends && end < text.n && text.p[end] == '(' && closes_at_end(text, end, at) ? word : (Str){0};
}

Str flow_op_text(const Program *p, const Graph *g, NodeId n) {
  static const struct {
    Op op;
    const char *text;
  } sign[] = {{OP_ADD, "+"},      {OP_SUB, "-"},     {OP_MUL, "*"},      {OP_DIV, "/"},      {OP_NEG, "-"},
              {OP_CONTRACT, "@"}, {OP_EQ, "=="},     {OP_NE, "!="},      {OP_LT, "<"},       {OP_LE, "<="},
              {OP_POW, "^"},      {OP_SQUARE, "^2"}, {OP_SLICE, "[..]"}, {OP_TRANSPOSE, "'"}};
  Node node = *graph_node(g, n);
  uint32_t order = 0; /* part of a derivative: that of what the user wrote */
  while (node_ok(node.primal) && order < 8) {
    n = node.primal;
    node = *graph_node(g, n);
    order++;
  }
  if (order) return str_fmt(p->arena, STRF "%.*s", STRA(flow_op_text(p, g, n)), (int)order, "''''''''");
  Op op = node_op(g, n);
  Str window = written_window(p, g, n);
  if (window.n) return window;
  if (op == OP_EXTERN) return names_str(p->names, p->externs.at[graph_attr(g, n)[0]].name);
  if (op == OP_CAST) return str_z(dtype_name((DType)graph_node(g, n)->type.dtype));
  if (op == OP_CUSTOM) return STR("backward rule");
  for (size_t i = 0; i < sizeof sign / sizeof sign[0]; i++) {
    if (sign[i].op != op) continue;
    return op == OP_LT || op == OP_LE ? written_comparison(p, g, n, str_z(sign[i].text))
                                      : str_z(sign[i].text);
  }
  return str_z(op_info[op].name);
}

/* Moves that a user did not write: no part of a path. */
static bool implicit(Op op) {
  return op == OP_BROADCAST || op == OP_RESHAPE || op == OP_NAME || op == OP_CHECKPOINT || op == OP_CUSTOM ||
         op == OP_PARAM || op == OP_RESULT;
}

enum { TOKENS = 64, SHOWN = 10, NESTED = 16 };

typedef struct PathText {
  const Program *p;
  Str token[TOKENS];
  uint32_t n;
  Str loss;
  Sym open[NESTED]; /* lets and functions the path is inside of, outermost first */
  uint32_t nopen;
} PathText;

static const char blocked[] = "-/->";

/* A long path loses what lies between its first tokens and its last, but never the cut. */
static void token(PathText *t, Str s) {
  if (!s.n || (t->n && str_eq(t->token[t->n - 1], s))) return;
  if (t->n + 6 > TOKENS) {
    uint32_t out = 8;
    while (t->token[out].p == blocked || t->token[out - 1].p == blocked) out++;
    for (uint32_t i = out + 1; i < t->n; i++) t->token[i - 1] = t->token[i];
    t->n--;
  }
  t->token[t->n++] = s;
}

/* The lets and functions around a node, outermost first; of a library the outermost call only. */
static uint32_t around(const Program *p, const Graph *g, NodeId n, Sym *out) {
  Sym inner[NESTED];
  uint32_t count = 0;
  LocationId id = graph_node(g, n)->location;
  for (uint32_t turn = 0; id.i && turn < g->location.n; turn++) {
    const Location *s = &g->location.at[id.i];
    bool library = s->at.file && p->sources->file.at[s->at.file].library;
    bool caller_too = s->caller.i && p->sources->file.at[g->location.at[s->caller.i].at.file].library;
    if (s->what.i && !(library && caller_too) && (!count || !sym_eq(inner[count - 1], s->what))) {
      for (uint32_t i = 1; i < NESTED && count == NESTED; i++) inner[i - 1] = inner[i];
      count -= count == NESTED;
      inner[count++] = s->what;
    }
    id = s->caller;
  }
  for (uint32_t i = 0; i < count; i++) out[i] = inner[count - 1 - i];
  return count;
}

/* The path goes on inside `now`: what it has left is said, innermost first. */
static void leave(PathText *t, const Sym *now, uint32_t n) {
  uint32_t same = 0;
  while (same < n && same < t->nopen && sym_eq(now[same], t->open[same])) same++;
  for (uint32_t i = t->nopen; i-- > same;) {
    Str name = names_str(t->p->names, t->open[i]);
    if (!str_eq(name, t->loss)) token(t, name);
  }
  for (uint32_t i = 0; i < n; i++) t->open[i] = now[i];
  t->nopen = n;
}

Str flow_path_text(const Diagnose *x, const View *v, LeafId param) {
  const Graph *g = v->g;
  NodeId at = v->param[param.i].at;
  if (!node_ok(at) || !v->reach.reads[at.i]) return (Str){0};
  PathText t = {.p = x->p, .loss = v->loss};
  token(&t, names_str(x->p->names, x->p->leaf.at[param.i].path));
  bool first = true, cut = false;
  uint32_t walked = 0;
  while (!node_eq(at, v->reach.loss)) {
    if (walked++ == REACH_NEAR) { /* nobody reads the middle of such a path: on to the cut, or to its end */
      NodeId to = cut ? NO_NODE : v->reach.cut[at.i];
      if (!node_ok(to)) to = v->reach.near[at.i];
      if (!node_eq(to, at)) {
        leave(&t, NULL, 0);
        token(&t, STR("..."));
        at = to;
        if (node_eq(at, v->reach.loss)) break;
      }
    }
    Edge e = v->reach.next[at.i];
    if (!node_ok(e.user)) break;
    bool stops = !cut && edge_class(v->reach.facts, e.user, e.input) != GC_CARRIES;
    at = e.user;
    Sym now[NESTED];
    uint32_t n = around(x->p, g, at, now);
    leave(&t, now, n);
    LocationId location = graph_node(g, at)->location;
    bool library = location.i && g->location.at[location.i].at.file &&
                   x->p->sources->file.at[g->location.at[location.i].at.file].library;
    if (stops) {
      t.token[t.n++] = (Str){blocked, sizeof blocked - 1};
      t.token[t.n++] = flow_op_text(x->p, g, at);
      cut = true;
      walked = 0;
    } else if (first && !library && !implicit(node_op(g, at))) {
      token(&t, flow_op_text(x->p, g, at));
    }
    first &= implicit(node_op(g, at));
  }
  leave(&t, NULL, 0);
  if (!t.n || !str_eq(t.token[t.n - 1], t.loss)) t.token[t.n++] = t.loss;
  Sb b;
  sb_init(&b, x->arena);
  bool dots = false;
  for (uint32_t i = 0; i < t.n; i++) {
    bool bar = t.token[i].p == blocked, after_bar = i && t.token[i - 1].p == blocked;
    bool middle = t.n > SHOWN && i > 4 && i + 4 < t.n && !bar && !after_bar;
    if (middle || str_eq(t.token[i], STR("..."))) {
      if (!dots) sb_fmt(&b, " -> ...");
      dots = true;
      continue;
    }
    dots = false;
    sb_fmt(&b, "%s" STRF, i == 0 ? "" : bar || after_bar ? " " : " -> ", STRA(t.token[i]));
  }
  return sb_str(&b);
}

static bool owns(const TrainStep *t, LeafId p) {
  for (uint32_t i = 0; t && i < t->owned.n; i++)
    if (leaf_eq(t->owned.at[i].param, p)) return true;
  return false;
}

/* Where the parameter meets another leaf on its way to the loss: is it something the step trains? */
bool flow_judges(const Diagnose *x, const View *v, LeafId param) {
  const Graph *g = v->g;
  NodeId at = v->param[param.i].at;
  for (uint32_t asked = 0; node_ok(at) && !node_eq(at, v->reach.loss) && asked < 16;) {
    at = v->reach.next[at.i].user;
    if (!node_ok(at) || graph_node(g, at)->nin < 2) continue;
    bool *live = ARENA_ARRAY(x->arena, bool, at.i + 1), met = false;
    asked++; /* squares of squares of it */
    live[at.i] = true;
    for (uint32_t i = at.i + 1; i-- > 0;) {
      if (!live[i]) continue;
      if (node_op(g, (NodeId){i}) == OP_LEAF) {
        LeafId leaf = {(uint32_t)graph_attr(g, (NodeId){i})[0]};
        if (owns(v->step, leaf)) return true;
        met |= !leaf_eq(leaf, param);
      }
      for (uint32_t k = 0; k < g->node.at[i].nin; k++) live[graph_in(g, (NodeId){i})[k].i] = true;
    }
    if (met) return false;
  }
  return false;
}
