/* Paths and places in the user's own names. */
#include "base/hash.h"
#include "passes/diagnose.h"

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

/* The innermost place in the user's own files, and the library function it called to get to the node (empty:
 * none). */
static Site user_site(const Program *p, const Graph *g, NodeId n, Str *library) {
  *library = (Str){0};
  Site s = g->site.at[graph_node(g, n)->site.i];
  for (uint32_t turn = 0;
       s.at.file && p->sources->file.at[s.at.file].library && s.caller.i && turn < g->site.n; turn++) {
    if (s.what.i) *library = names_str(p->names, s.what);
    s = g->site.at[s.caller.i];
  }
  return s;
}

/* Moves that a user did not write: no part of a path. */
static bool implicit(Op op) {
  return op == OP_BROADCAST || op == OP_RESHAPE || op == OP_NAME || op == OP_CUSTOM;
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
  SiteId id = graph_node(g, n)->site;
  for (uint32_t turn = 0; id.i && turn < g->site.n; turn++) {
    const Site *s = &g->site.at[id.i];
    bool library = s->at.file && p->sources->file.at[s->at.file].library;
    bool caller_too = s->caller.i && p->sources->file.at[g->site.at[s->caller.i].at.file].library;
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
    SiteId site = graph_node(g, at)->site;
    bool library =
        site.i && g->site.at[site.i].at.file && x->p->sources->file.at[g->site.at[site.i].at.file].library;
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

/* ---- where a value ends up that a loss does not read */

enum { SINK_OUTPUT = 1, SINK_METRIC, SINK_LOSS, SINK_STATE, SINK_NOTHING, SINK_VALUE, SINK_SHAPE };

/* Places are told apart by their text: train steps and eval ask the same question. */
static uint32_t shape_place(Diagnose *x, Span at) {
  for (uint32_t i = 0; i < x->shape_use.n; i++) {
    const Span *s = &x->shape_use.at[i];
    if (s->file == at.file && s->lo == at.lo && s->hi == at.hi) return i;
  }
  VEC_PUSH(x->arena, &x->shape_use, at);
  return x->shape_use.n - 1;
}

/* `shape`: by node, from 1, the place where nothing but its shape is asked for. */
static uint64_t sink_name(const Program *p, const Graph *g, uint64_t member, LeafId param,
                          const uint32_t *shape) {
  if (member & SINK_NODE) {
    NodeId end = {(uint32_t)(member & ~SINK_NODE)};
    Str library;
    if (shape[end.i]) return (uint64_t)SINK_SHAPE << 32 | (shape[end.i] - 1);
    if (node_op(g, end) == OP_LEAF || node_op(g, end) == OP_GRAD) return 0;
    Sym what = user_site(p, g, end, &library).what;
    return what.i ? (uint64_t)SINK_VALUE << 32 | what.i : 0;
  }
  const Root *r = &g->root.at[member];
  switch (r->kind) {
  case ROOT_OUTPUT: return (uint64_t)SINK_OUTPUT << 32 | r->name.i;
  case ROOT_METRIC: return (uint64_t)SINK_METRIC << 32 | r->name.i;
  case ROOT_LOSS: return (uint64_t)SINK_LOSS << 32 | r->name.i;
  case ROOT_ASSIGN:
    if (leaf_eq(r->leaf, param) || leaf_eq(p->leaf.at[r->leaf.i].of, param)) return 0;
    return (uint64_t)SINK_STATE << 32 | p->leaf.at[r->leaf.i].path.i;
  case ROOT_CHECK: return 0;
  }
  return 0;
}

uint32_t flow_sinks(Diagnose *x, LeafId param) {
  if (x->sinks) return x->sinks[param.i];
  const Program *p = x->p;
  x->sinks = ARENA_ARRAY(x->arena, uint32_t, p->leaf.n);
  for (uint32_t e = 0; e < p->entry.n; e++) {
    const Graph *g = p->entry.at[e].graph;
    if (!g || p->entry.at[e].kind == ENTRY_INIT) continue;
    uint32_t *sink = reach_sinks(g, &x->sets, x->arena);
    uint32_t *shape = ARENA_ARRAY(x->arena, uint32_t, g->node.n + 1);
    for (uint32_t i = 0; i < g->shape_use.n; i++) {
      const ShapeUse *u = &g->shape_use.at[i];
      bool leaf = !node_ok(u->node) || node_op(g, u->node) == OP_LEAF;
      uint32_t at = shape_place(x, u->at), of = u->leaf.i;
      if (node_ok(u->node) && leaf) of = (uint32_t)graph_attr(g, u->node)[0];
      if (leaf)
        x->sinks[of] = sets_add(&x->sets, x->sinks[of], (uint64_t)SINK_SHAPE << 32 | at);
      else if (!shape[u->node.i])
        shape[u->node.i] = at + 1;
    }
    for (uint32_t i = 0; i < g->node.n; i++) {
      if (g->node.at[i].op != OP_LEAF) continue;
      LeafId leaf = {(uint32_t)graph_attr(g, (NodeId){i})[0]};
      Set s = x->sets.set.at[sink[i]];
      uint32_t *all = &x->sinks[leaf.i];
      for (uint8_t k = 0; k < s.n; k++) {
        uint64_t m = sink_name(p, g, s.at[k], leaf, shape);
        if (m) *all = sets_add(&x->sets, *all, m);
      }
      if (s.more && !*all) *all = sets_add(&x->sets, 0, (uint64_t)SINK_NOTHING << 32);
    }
  }
  return x->sinks[param.i];
}

static bool has_sink(const Set *s, uint32_t kind) {
  for (uint8_t i = 0; i < s->n; i++)
    if (s->at[i] >> 32 == kind) return true;
  return false;
}

bool flow_only_shape(const Diagnose *x, uint32_t set) {
  const Set *s = &x->sets.set.at[set];
  for (uint8_t i = 0; i < s->n; i++)
    if (s->at[i] >> 32 != SINK_SHAPE) return false;
  return s->n > 0 && !s->more;
}

Span flow_shape_place(const Diagnose *x, uint32_t set, uint8_t i) {
  const Set *s = &x->sets.set.at[set];
  return i < s->n ? x->shape_use.at[(uint32_t)s->at[i]] : (Span){0};
}

Str flow_sinks_loss(const Diagnose *x, uint32_t set) {
  Set s = x->sets.set.at[set];
  for (uint8_t i = 0; i < s.n; i++)
    if (s.at[i] >> 32 == SINK_LOSS) return names_str(x->p->names, (Sym){(uint32_t)s.at[i]});
  return (Str){0};
}

Str flow_sinks_text(Diagnose *x, uint32_t set) {
  static const char *const kind[] = {"", "output", "metric", "loss", "state", "", ""};
  Sb b;
  sb_init(&b, x->arena);
  Set s = x->sets.set.at[set];
  uint64_t shown[SET_CAP];
  uint32_t n = 0;
  bool trains = has_sink(&s, SINK_LOSS); /* then states follow from that loss */
  for (uint8_t i = 0; i < s.n; i++)      /* roots; without any, values that nothing reads */
    if (s.at[i] >> 32 < SINK_NOTHING && !(trains && s.at[i] >> 32 == SINK_STATE)) shown[n++] = s.at[i];
  bool values = n == 0;
  for (uint8_t i = 0; i < s.n && values; i++)
    if (s.at[i] >> 32 == SINK_VALUE) shown[n++] = s.at[i];
  if (!n) sb_fmt(&b, "what is made of it is never used");
  if (n) sb_fmt(&b, "%s", values ? "ends in " : "feeds only ");
  for (uint32_t i = 0; i < n; i++) {
    const char *what = kind[shown[i] >> 32];
    Str name = names_str(x->p->names, (Sym){(uint32_t)shown[i]});
    sb_fmt(&b, "%s%s%s'" STRF "'",
           i == 0                              ? ""
           : i + 1 == n && (trains || !s.more) ? " and "
                                               : ", ",
           what, what[0] ? " " : "", STRA(name));
  }
  if (s.more && !trains) sb_fmt(&b, " and more");
  if (n && values) sb_fmt(&b, ", which nothing reads");
  return sb_str(&b);
}
