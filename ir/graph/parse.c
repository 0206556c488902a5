/* Reading graphs as graph_print writes them, one line at a time. */
#include "base/num.h"
#include "base/size.h"
#include "ir/graph/build.h"
#include "ir/graph/print_internal.h"
#include "ir/graph/region.h"
#include "ir/scalar/literal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

typedef struct Lines {
  Program *p;
  Graph *g;
  Arena *arena;
  const char *at, *end; /* the rest of the line, NUL-terminated */
  uint32_t number;
  Sb *why;
  VEC(NodeId) operand;
} Lines;

static bool bad(Lines *r, const char *what) {
  sb_fmt(r->why, "line %u: %s at \"%.40s\"", r->number, what, r->at);
  return false;
}

static bool eat(Lines *r, const char *text) {
  while (*r->at == ' ') r->at++;
  size_t n = strlen(text);
  if (strncmp(r->at, text, n) != 0) return false;
  if (isalpha((unsigned char)text[n - 1]) && (isalnum((unsigned char)r->at[n]) || r->at[n] == '_'))
    return false;
  r->at += n;
  return true;
}

static Str word(Lines *r) { /* up to a blank, or a colon that a blank follows */
  while (*r->at == ' ') r->at++;
  const char *start = r->at;
  while (*r->at && *r->at != ' ' && *r->at != '(' && !(*r->at == ':' && (r->at[1] == ' ' || !r->at[1])))
    r->at++;
  return (Str){start, (size_t)(r->at - start)};
}
static Sym name_of(Lines *r, Str s) { return str_eq(s, STR("-")) ? (Sym){0} : names_add(r->p->names, s); }

static bool read_int(Lines *r, int64_t *v) {
  char *end;
  while (*r->at == ' ') r->at++;
  bool hex = r->at[0] == '0' && r->at[1] == 'x';
  *v = hex ? (int64_t)strtoull(r->at, &end, 16) : (int64_t)strtoll(r->at, &end, 10);
  if (end == r->at) return bad(r, "number expected");
  r->at = end;
  return true;
}
static bool read_number(Lines *r, double *v) {
  while (*r->at == ' ') r->at++;
  size_t n = num_read(str_z(r->at), v);
  if (!n) return bad(r, "number expected");
  r->at += n;
  return true;
}

static bool read_node(Lines *r, NodeId *id) {
  int64_t v;
  if (!eat(r, "%")) return bad(r, "%node expected");
  if (!read_int(r, &v)) return false;
  if (v < 0 || v >= r->g->node.n) return bad(r, "no such node");
  *id = (NodeId){(uint32_t)v};
  return true;
}

static bool read_dim(Lines *r, const char *stop, DimId *out) { /* up to one of stop outside parentheses */
  int depth = 0;
  while (*r->at == ' ') r->at++;
  const char *start = r->at;
  for (; *r->at && (depth || !strchr(stop, *r->at)); r->at++) depth += (*r->at == '(') - (*r->at == ')');
  return dim_parse(r->p->dims, r->p->names, (Str){start, (size_t)(r->at - start)}, out) ||
         bad(r, "dim expected");
}

static bool read_type(Lines *r, Type *t) {
  while (*r->at == ' ') r->at++;
  size_t n = 0;
  DType d;
  while (isalnum((unsigned char)r->at[n])) n++;
  bool none = str_eq((Str){r->at, n}, STR("none"));
  if (none) d = DT_NONE;
  if (!none && !dtype_parse((Str){r->at, n}, &d)) return bad(r, "type expected");
  r->at += n;
  *t = type_scalar(d);
  if (*r->at != '[' || none) return true;
  do {
    int64_t v;
    r->at++;
    if (t->rank == MAX_RANK) return bad(r, "too many axes");
    if (!read_dim(r, ",]", &t->dim[t->rank])) return false;
    if (dim_is_const(r->p->dims, t->dim[t->rank++], &v) && v < 1) return bad(r, "empty axis");
  } while (*r->at == ',');
  return eat(r, "]") || bad(r, "']' expected");
}

static LeafId leaf_named(Lines *r, Str path, bool *known) {
  LeafId id = {0};
  *known = program_find_leaf(r->p, path, &id);
  return id;
}

static bool read_range(Lines *r, Range *x) {
  x->has = true;
  x->closed = eat(r, "[");
  if (!read_number(r, &x->lo)) return false;
  if (!eat(r, x->closed ? "," : ":")) return bad(r, "range expected");
  return read_number(r, &x->hi) && (!x->closed || eat(r, "]") || bad(r, "']' expected"));
}

static bool read_leaf(Lines *r, LeafKind kind) {
  Leaf l = {.kind = kind, .of = {UINT32_MAX}};
  Str path = word(r);
  bool known;
  l.path = names_add(r->p->names, path);
  if (!eat(r, ":")) return bad(r, "':' expected");
  if (!read_type(r, &l.type)) return false;
  l.frozen = eat(r, "frozen");
  if (eat(r, "of")) {
    l.of = leaf_named(r, word(r), &known);
    if (!known) return bad(r, "no such leaf");
  }
  if (eat(r, "in") && !read_range(r, &l.range)) return false;
  LeafId old = leaf_named(r, path, &known);
  if (!known) program_leaf(r->p, l);
  if (known && !type_eq(&r->p->leaf.at[old.i].type, &l.type)) return bad(r, "the leaf has another type");
  return true;
}

static bool read_extern(Lines *r) {
  int64_t at;
  Extern e = {0};
  if (!read_int(r, &at)) return false;
  if (at < 0 || at > 65535) return bad(r, "extern number");
  e.name = name_of(r, word(r));
  if (!eat(r, "(")) return bad(r, "'(' expected");
  while (!eat(r, ")")) {
    if (e.nin && !eat(r, ";")) return bad(r, "';' expected");
    if (e.nin == 8) return bad(r, "too many operands");
    if (!read_type(r, &e.in[e.nin++])) return false;
  }
  if (!eat(r, "->")) return bad(r, "'->' expected");
  if (!read_type(r, &e.out)) return false;
  while (r->p->externs.n <= at) VEC_PUSH(r->p->arena, &r->p->externs, (Extern){0});
  r->p->externs.at[at] = e;
  return true;
}

/* ---- nodes ---- */

static bool read_element(Lines *r, DType t, uint64_t *out) {
  int64_t i;
  double x;
  if (!dtype_is_float(t)) {
    if (!read_int(r, &i)) return false;
    *out = (uint64_t)i;
    return true;
  }
  if (!read_number(r, &x)) return false;
  *out = (uint64_t)literal_word(t, literal_from(t, x));
  return true;
}

static bool read_list(Lines *r, char kind, int64_t *v) { /* [0, 2] as mask or permutation */
  uint64_t bits = 0;
  if (!eat(r, "[")) return bad(r, "'[' expected");
  for (int i = 0; !eat(r, "]"); i++) {
    int64_t x;
    if (i && !eat(r, ",")) return bad(r, "',' expected");
    if (!read_int(r, &x)) return false;
    if (x < 0 || x > 15 || i > 15) return bad(r, "axis");
    bits |= kind == 'm' ? UINT64_C(1) << x : (uint64_t)x << (4 * i);
  }
  *v = (int64_t)bits;
  return true;
}

static bool read_attr(Lines *r, char kind, int64_t *v) {
  DimId d;
  switch (kind) {
  case 'd':
    if (!read_dim(r, " }", &d)) return false;
    *v = d.i;
    return true;
  case 'm':
  case 'p': return read_list(r, kind, v);
  }
  return read_int(r, v);
}

static bool read_table(Lines *r, DType t, int64_t *v) {
  VEC(uint64_t) w = {0};
  if (!eat(r, "[")) return bad(r, "'[' expected");
  while (!eat(r, "]")) {
    uint64_t x;
    if (w.n && !eat(r, ",")) return bad(r, "',' expected");
    if (!read_element(r, t, &x)) return false;
    VEC_PUSH(r->arena, &w, x);
  }
  *v = graph_table(r->g, w.at, w.n);
  return true;
}

static bool read_attrs(Lines *r, Op op, const Type *t, int64_t *v) {
  const char *p = op_info[op].attrs;
  Str name;
  char kind;
  if (op == OP_LEAF) {
    bool known;
    *v = leaf_named(r, word(r), &known).i;
    return known || bad(r, "no such leaf");
  }
  if (op == OP_CONST) return read_element(r, (DType)t->dtype, (uint64_t *)v);
  if (op == OP_TABLE) return read_table(r, (DType)t->dtype, v);
  for (int i = 0; attr_next(&p, &name, &kind); i++) {
    if (i == 0 && !eat(r, "{")) return bad(r, "'{' expected");
    if (!eat(r, str_copy(r->arena, name).p) || !eat(r, "=")) return bad(r, "attribute expected");
    if (!read_attr(r, kind, &v[i])) return false;
  }
  return !op_info[op].nattr || eat(r, "}") || bad(r, "'}' expected");
}

static bool read_node_line(Lines *r) {
  int64_t id, attr[16] = {0};
  Type t;
  Op op;
  NodeId primal = NO_NODE, x;
  if (!read_int(r, &id)) return false;
  if (id != r->g->node.n) return bad(r, "nodes are numbered in order");
  if (!eat(r, ":")) return bad(r, "':' expected");
  if (!read_type(r, &t)) return false;
  if (!eat(r, "=")) return bad(r, "'=' expected");
  if (!op_find(word(r), &op)) return bad(r, "no such op");
  r->operand.n = 0;
  for (;;) {
    while (*r->at == ' ') r->at++;
    if (*r->at != '%') break;
    if (!read_node(r, &x)) return false;
    VEC_PUSH(r->arena, &r->operand, x);
  }
  if (!read_attrs(r, op, &t, attr)) return false;
  if (eat(r, "for") && !read_node(r, &primal)) return false;
  if (r->operand.n > UINT16_MAX) return bad(r, "too many operands");
  graph_add(r->g, op, t, r->operand.at, r->operand.n, attr, (LocationId){0}, primal);
  return true;
}

static bool read_root(Lines *r, RootKind kind) {
  Str name = word(r);
  LeafId leaf = {0};
  NodeId node;
  bool known = true;
  if (kind == ROOT_ASSIGN) leaf = leaf_named(r, name, &known);
  if (!known) return bad(r, "no such leaf");
  if (!eat(r, kind == ROOT_ASSIGN ? ":=" : "=")) return bad(r, "'=' expected");
  if (!read_node(r, &node)) return false;
  graph_root(r->g, kind, kind == ROOT_ASSIGN ? (Sym){0} : name_of(r, name), leaf, node, (Span){0});
  return true;
}

static bool read_line(Lines *r) {
  while (*r->at == ' ') r->at++;
  if (!*r->at || *r->at == '#') return true;
  if (!r->g) {
    if (!eat(r, "graph")) return bad(r, "'graph NAME' expected");
    r->g = graph_new(r->arena, r->p, name_of(r, word(r)));
    return true;
  }
  if (eat(r, "%")) return read_node_line(r);
  if (eat(r, "{")) return graph_region_open(r->g), true;
  if (eat(r, "}")) {
    if (!r->g->open) return bad(r, "no region is open");
    graph_region_close(r->g);
    return true;
  }
  if (eat(r, "extern")) return read_extern(r);
  for (int k = 0; k < 6; k++)
    if (eat(r, leaf_word[k])) return read_leaf(r, (LeafKind)k);
  for (int k = 0; k < 5; k++)
    if (eat(r, root_word[k])) return read_root(r, (RootKind)k);
  return bad(r, "leaf, node or root expected");
}

bool graph_parse(Program *p, Str text, Graph **out, Sb *why) {
  Lines r = {.p = p, .arena = p->arena, .why = why};
  while (text.n) {
    const char *nl = memchr(text.p, '\n', text.n);
    size_t n = nl ? (size_t)(nl - text.p) : text.n;
    r.at = str_copy(p->arena, (Str){text.p, n}).p;
    r.number++;
    if (!read_line(&r)) return false;
    while (*r.at == ' ') r.at++;
    if (*r.at && *r.at != '#') return bad(&r, "unexpected text");
    text.p += n + (nl != NULL);
    text.n -= n + (nl != NULL);
  }
  if (!r.g) return bad(&r, "no graph");
  *out = r.g;
  return graph_verify(r.g, why);
}
