/* Paths and places in the user's own names. */
#include "passes/diagnose.h"

Str flow_op_text(const Program *p, const Graph *g, NodeId n) {
  static const struct {
    Op op;
    const char *text;
  } sign[] = {{OP_ADD, "+"},  {OP_SUB, "-"},   {OP_MUL, "*"},  {OP_DIV, "/"},   {OP_NEG, "-"},      {OP_CONTRACT, "@"}, {OP_EQ, "=="},
              {OP_NE, "!="},  {OP_LT, "<"},    {OP_LE, "<="},  {OP_POW, "^"},   {OP_SQUARE, "^2"},  {OP_SLICE, "[..]"}, {OP_TRANSPOSE, "'"}};
  Op op = node_op(g, n);
  if (op == OP_EXTERN) return names_str(p->names, p->externs.at[graph_attr(g, n)[0]].name);
  if (op == OP_CAST) return str_z(dtype_name((DType)graph_node(g, n)->type.dtype));
  if (op == OP_CUSTOM) return STR("backward rule");
  for (size_t i = 0; i < sizeof sign / sizeof sign[0]; i++)
    if (sign[i].op == op) return str_z(sign[i].text);
  return str_z(op_info[op].name);
}

/* The innermost place in the user's own files, and the library function it called to get to the node (empty: none). */
static Site user_site(const Program *p, const Graph *g, NodeId n, Str *library) {
  *library = (Str){0};
  Site s = g->site.at[graph_node(g, n)->site.i];
  for (uint32_t turn = 0; s.at.file && p->sources->file.at[s.at.file].library && s.caller.i && turn < g->site.n; turn++) {
    if (s.what.i) *library = names_str(p->names, s.what);
    s = g->site.at[s.caller.i];
  }
  return s;
}

/* Moves that a user did not write: no part of a path. */
static bool implicit(Op op) { return op == OP_BROADCAST || op == OP_RESHAPE || op == OP_CUSTOM; }

enum { TOKENS = 64, SHOWN = 9 };

static void token(Str *t, uint32_t *n, Str s) {
  if (!s.n || *n == TOKENS || (*n && str_eq(t[*n - 1], s))) return;
  t[(*n)++] = s;
}

Str flow_path_text(const Diagnose *x, const View *v, LeafId param) {
  const Graph *g = v->g;
  NodeId at = v->param[param.i].at;
  if (!node_ok(at) || !v->reach.reads[at.i]) return (Str){0};
  Str t[TOKENS], blocked = STR("-/->");
  uint32_t n = 0;
  token(t, &n, names_str(x->p->names, x->p->leaf.at[param.i].path));
  bool first = true, cut = false;
  Str what = {0};
  while (n < TOKENS - 4 && !node_eq(at, v->reach.loss)) {
    Edge e = v->reach.next[at.i];
    if (!node_ok(e.user)) break;
    bool stops = !cut && edge_class(v->reach.facts, e.user, e.input) != GC_CARRIES;
    at = e.user;
    Str library;
    Site s = user_site(x->p, g, at, &library);
    Str here = names_str(x->p->names, s.what);
    if (!str_eq(here, what)) token(t, &n, what);
    what = here;
    if (stops) {
      t[n++] = blocked;
      cut = true;
    }
    if (stops || (first && !library.n && !implicit(node_op(g, at))))
      t[n++] = library.n && !stops ? library : flow_op_text(x->p, g, at);
    else if (library.n)
      token(t, &n, library);
    first &= implicit(node_op(g, at));
  }
  token(t, &n, what);
  token(t, &n, v->loss);
  Sb b;
  sb_init(&b, x->arena);
  for (uint32_t i = 0; i < n; i++) {
    bool bar = t[i].p == blocked.p;
    if (n > SHOWN && i > 4 && i + 4 < n && !bar && !(i && t[i - 1].p == blocked.p)) {
      if (i == 5) sb_fmt(&b, " -> ...");
      continue;
    }
    if (bar)
      sb_fmt(&b, " " STRF " ", STRA(t[i]));
    else
      sb_fmt(&b, "%s" STRF, i == 0 || t[i - 1].p == blocked.p ? "" : " -> ", STRA(t[i]));
  }
  return sb_str(&b);
}

/* ---- where a value ends up that a loss does not read */

enum { SINK_OUTPUT = 1, SINK_METRIC, SINK_LOSS, SINK_STATE, SINK_NOTHING, SINK_VALUE };

static uint64_t sink_name(const Program *p, const Graph *g, uint64_t member, LeafId param) {
  if (member & SINK_NODE) {
    NodeId end = {(uint32_t)(member & ~SINK_NODE)};
    Str library;
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
    for (uint32_t i = 0; i < g->node.n; i++) {
      if (g->node.at[i].op != OP_LEAF) continue;
      LeafId leaf = {(uint32_t)graph_attr(g, (NodeId){i})[0]};
      Set s = x->sets.set.at[sink[i]];
      uint32_t *all = &x->sinks[leaf.i];
      for (uint8_t k = 0; k < s.n; k++) {
        uint64_t m = sink_name(p, g, s.at[k], leaf);
        if (m) *all = sets_add(&x->sets, *all, m);
      }
      if (s.more && !*all) *all = sets_add(&x->sets, 0, (uint64_t)SINK_NOTHING << 32);
    }
  }
  return x->sinks[param.i];
}

Str flow_sinks_text(Diagnose *x, uint32_t set) {
  static const char *const kind[] = {"", "output", "metric", "loss", "state", "", ""};
  Sb b;
  sb_init(&b, x->arena);
  Set s = x->sets.set.at[set];
  bool values = true;
  for (uint8_t i = 0; i < s.n; i++) values &= s.at[i] >> 32 == SINK_VALUE;
  if (!s.n) sb_fmt(&b, "what is made of it is never used");
  if (s.n) sb_fmt(&b, "%s", values ? "ends in " : "feeds only ");
  for (uint8_t i = 0; i < s.n; i++) {
    uint32_t k = (uint32_t)(s.at[i] >> 32);
    Str name = names_str(x->p->names, (Sym){(uint32_t)s.at[i]});
    if (k == SINK_VALUE && !values && i) continue;
    sb_fmt(&b, "%s%s%s'" STRF "'", i ? (i + 1 == s.n && !s.more ? " and " : ", ") : "", kind[k], kind[k][0] ? " " : "", STRA(name));
  }
  if (s.more) sb_fmt(&b, " and more");
  if (s.n && values) sb_fmt(&b, ", which nothing reads");
  return sb_str(&b);
}
