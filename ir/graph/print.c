/* Graphs as text. docs/graph.md describes the form; ir/graph/parse.c reads it back. */
#include "base/num.h"
#include "ir/graph/print_internal.h"
#include "ir/scalar/literal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const root_word[] = {"output", "loss", "metric", "assign", "check"};
const char *const leaf_word[] = {"input", "param", "state", "step", "epoch", "seed", "total"};

/* The attributes of op in order: name and kind letter. False behind the last. */
bool attr_next(const char **p, Str *name, char *kind) {
  while (**p == ' ') ++*p;
  const char *colon = strchr(*p, ':');
  if (!colon) return false;
  *name = (Str){*p, (size_t)(colon - *p)};
  *kind = colon[1];
  *p = colon + 2;
  return true;
}

static void print_number(double x, bool narrow, Sb *b) { /* the fewest digits that read back as x */
  char text[NUM_TEXT];
  if (!isfinite(x)) {
    sb_add(b, isnan(x) ? STR("nan") : x < 0 ? STR("-inf") : STR("inf"));
    return;
  }
  if (x == rint(x) && fabs(x) < 1e6) { /* 128, not 1.3e+02 */
    sb_fmt(b, "%.0f", x);
    return;
  }
  sb_add(b, num_shortest(text, narrow, x));
}

static void print_element(DType t, uint64_t word, Sb *b) {
  if (dtype_is_float(t))
    print_number(literal_number(t, (int64_t)word), t == DT_F32, b);
  else
    sb_fmt(b, "%" PRId64, (int64_t)word);
}

static void print_name(const Program *p, Sym name, Sb *b) {
  Str s = names_str(p->names, name);
  sb_add(b, s.n ? s : STR("-"));
}

/* Its path; #id when a leaf before it has the same. first: path -> leaf. */
static void print_leaf_name(const Program *p, const Map *first, uint32_t id, Sb *b) {
  uint32_t other;
  Sym path = p->leaf.at[id].path;
  if (names_str(p->names, path).n && map_get(first, path.i, &other) && other == id)
    sb_add(b, names_str(p->names, path));
  else
    sb_fmt(b, "#%u", id);
}

static void print_leaf(const Program *p, const Map *first, uint32_t id, Sb *b) {
  const Leaf *l = &p->leaf.at[id];
  sb_fmt(b, "%s ", leaf_word[l->kind]);
  print_leaf_name(p, first, id, b);
  sb_add(b, STR(": "));
  type_print(p->dims, &l->type, b);
  if (l->frozen) sb_add(b, STR(" frozen"));
  if (l->kind == LEAF_STATE && l->of.i < p->leaf.n) {
    sb_add(b, STR(" of "));
    print_leaf_name(p, first, l->of.i, b);
  }
  if (l->range.has) {
    sb_add(b, l->range.closed ? STR(" in [") : STR(" in "));
    print_number(l->range.lo, false, b);
    sb_add(b, l->range.closed ? STR(", ") : STR(":"));
    print_number(l->range.hi, false, b);
    if (l->range.closed) sb_char(b, ']');
  }
  sb_char(b, '\n');
}

static void print_externs(const Graph *g, Sb *b) {
  const Program *p = g->program;
  for (uint32_t e = 0; e < p->externs.n; e++) {
    bool used = false;
    for (uint32_t i = 0; i < g->node.n && !used; i++)
      used = g->node.at[i].op == OP_EXTERN && graph_attr(g, (NodeId){i})[0] == e;
    if (!used) continue;
    const Extern *x = &p->externs.at[e];
    sb_fmt(b, "extern %u ", e);
    print_name(p, x->name, b);
    sb_char(b, '(');
    for (uint32_t i = 0; i < x->nin; i++) {
      if (i) sb_add(b, STR("; "));
      type_print(p->dims, &x->in[i], b);
    }
    sb_add(b, STR(") -> "));
    type_print(p->dims, &x->out, b);
    sb_char(b, '\n');
  }
}

static void print_attr(const Graph *g, const Node *n, char kind, int64_t v, Sb *b) {
  size_t at = b->n;
  switch (kind) {
  case 'd':
    dim_print(g->program->dims, (DimId){(uint32_t)v}, b);
    if (memchr(b->p + at, ' ', b->n - at)) { /* (N - 1) */
      Str text = str_copy(b->arena, (Str){b->p + at, b->n - at});
      b->n = at;
      sb_fmt(b, "(" STRF ")", STRA(text));
    }
    return;
  case 'm':
  case 'p':
    sb_char(b, '[');
    for (int i = 0, shown = 0; i < (kind == 'p' ? n->type.rank : 32); i++) {
      if (kind == 'm' && !(v >> i & 1)) continue;
      sb_fmt(b, shown++ ? ", %d" : "%d", kind == 'p' ? (int)((uint64_t)v >> (4 * i) & 15) : i);
    }
    sb_char(b, ']');
    return;
  }
  sb_fmt(b, "%" PRId64, v);
}

static void print_attrs(const Graph *g, const Map *first, NodeId id, Sb *b) {
  const Node *n = graph_node(g, id);
  const int64_t *v = graph_attr(g, id);
  const char *p = op_info[n->op].attrs;
  Str name;
  char kind;
  if (n->op == OP_LEAF) {
    sb_char(b, ' ');
    print_leaf_name(g->program, first, (uint32_t)v[0], b);
    return;
  }
  if (n->op == OP_CONST) {
    sb_char(b, ' ');
    print_element((DType)n->type.dtype, (uint64_t)v[0], b);
    return;
  }
  if (n->op == OP_TABLE) {
    const Table *t = &g->table.at[v[0]];
    sb_add(b, STR(" ["));
    for (uint32_t i = 0; i < t->n; i++) {
      if (i) sb_add(b, STR(", "));
      print_element((DType)n->type.dtype, t->word[i], b);
    }
    sb_char(b, ']');
    return;
  }
  for (int i = 0; attr_next(&p, &name, &kind); i++) {
    sb_add(b, i ? STR(" ") : STR(" {"));
    sb_fmt(b, STRF "=", STRA(name));
    print_attr(g, n, kind, v[i], b);
  }
  if (op_info[n->op].nattr) sb_char(b, '}');
}

static void print_open(const Graph *g, uint32_t outer, uint32_t region, Sb *b) { /* outermost first */
  if (region == outer) return;
  print_open(g, outer, g->region.at[region].outer, b);
  sb_add(b, STR("{\n"));
}

/* Where regions end and begin before node i; *region: that of the node before. */
static void print_braces(const Graph *g, uint32_t i, uint32_t *region, Sb *b) {
  for (; *region && g->region.at[*region].end <= i; *region = g->region.at[*region].outer)
    sb_add(b, STR("}\n"));
  print_open(g, *region, g->node.at[i].region, b);
  *region = g->node.at[i].region;
}

void graph_print(const Graph *g, Sb *b) {
  const Program *p = g->program;
  ArenaMark m = arena_mark(g->arena);
  Map first;
  uint32_t other;
  map_init(&first, g->arena);
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (!map_get(&first, p->leaf.at[i].path.i, &other)) map_put(&first, p->leaf.at[i].path.i, i);
  uint8_t *used = ARENA_ARRAY(g->arena, uint8_t, p->leaf.n);
  for (uint32_t i = 0; i < g->node.n; i++)
    if (g->node.at[i].op == OP_LEAF) used[graph_attr(g, (NodeId){i})[0]] = 1;
  for (uint32_t i = 0; i < g->root.n; i++)
    if (g->root.at[i].kind == ROOT_ASSIGN) used[g->root.at[i].leaf.i] = 1;
  for (uint32_t i = 0; i < p->leaf.n; i++) /* a state names its parameter */
    if (used[i] && p->leaf.at[i].kind == LEAF_STATE && p->leaf.at[i].of.i < p->leaf.n)
      used[p->leaf.at[i].of.i] = 1;
  sb_add(b, STR("graph "));
  print_name(p, g->name, b);
  sb_char(b, '\n');
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (used[i]) print_leaf(p, &first, i, b);
  print_externs(g, b);
  uint32_t region = 0;
  for (uint32_t i = 0; i < g->node.n; i++) {
    const Node *n = &g->node.at[i];
    print_braces(g, i, &region, b);
    sb_fmt(b, "%%%u: ", i);
    type_print(p->dims, &n->type, b);
    sb_fmt(b, " = %s", op_info[n->op].name);
    for (uint16_t j = 0; j < n->nin; j++) sb_fmt(b, " %%%u", g->edge.at[n->in + j].i);
    print_attrs(g, &first, (NodeId){i}, b);
    if (node_ok(n->primal)) sb_fmt(b, " for %%%u", n->primal.i);
    sb_char(b, '\n');
  }
  for (uint32_t i = 0; i < g->root.n; i++) {
    const Root *r = &g->root.at[i];
    sb_fmt(b, "%s ", root_word[r->kind]);
    if (r->kind == ROOT_ASSIGN)
      print_leaf_name(p, &first, r->leaf.i, b);
    else
      print_name(p, r->name, b);
    sb_fmt(b, r->kind == ROOT_ASSIGN ? " := %%%u\n" : " = %%%u\n", r->node.i);
  }
  if (b->arena != g->arena) arena_rewind(g->arena, m); /* the text may have grown there */
}
