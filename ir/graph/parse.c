/* Reading graphs as graph_print writes them, one line at a time. */
#include "base/num.h"
#include "base/size.h"
#include "ir/graph/build.h"
#include "ir/graph/lines.h"
#include "ir/graph/print_internal.h"
#include "ir/graph/region.h"
#include "ir/scalar/literal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

void lines_skip(GraphLines *r) {
  while (*r->at == ' ') r->at++;
}

Str lines_rest(GraphLines *r) {
  lines_skip(r);
  Str rest = str_z(r->at);
  r->at += rest.n;
  return rest;
}

bool lines_bad(GraphLines *r, const char *what) {
  sb_fmt(r->why, "line %u: %s at ", r->number, what);
  if (r->at && *r->at)
    sb_fmt(r->why, "\"%.40s\"", r->at);
  else
    sb_fmt(r->why, "the end of the line");
  return false;
}

bool lines_eat(GraphLines *r, const char *text) {
  lines_skip(r);
  size_t n = strlen(text);
  if (strncmp(r->at, text, n) != 0) return false;
  if (isalpha((unsigned char)text[n - 1]) && (isalnum((unsigned char)r->at[n]) || r->at[n] == '_'))
    return false;
  r->at += n;
  return true;
}

Str lines_word(GraphLines *r) { /* up to a blank, or a colon that a blank follows */
  lines_skip(r);
  const char *start = r->at;
  while (*r->at && *r->at != ' ' && *r->at != '(' && !(*r->at == ':' && (r->at[1] == ' ' || !r->at[1])))
    r->at++;
  return (Str){start, (size_t)(r->at - start)};
}
Sym lines_name(GraphLines *r, Str s) { return str_eq(s, STR("-")) ? (Sym){0} : names_add(r->p->names, s); }

bool lines_int(GraphLines *r, int64_t *v) {
  char *end;
  lines_skip(r);
  bool hex = r->at[0] == '0' && r->at[1] == 'x';
  *v = hex ? (int64_t)strtoull(r->at, &end, 16) : (int64_t)strtoll(r->at, &end, 10);
  if (end == r->at) return lines_bad(r, "number expected");
  r->at = end;
  return true;
}
bool lines_number(GraphLines *r, double *v) {
  lines_skip(r);
  size_t n = num_read(str_z(r->at), v);
  if (!n) return lines_bad(r, "number expected");
  r->at += n;
  return true;
}

bool lines_node(GraphLines *r, NodeId *id) {
  int64_t v;
  if (!lines_eat(r, "%")) return lines_bad(r, "%node expected");
  if (!lines_int(r, &v)) return false;
  if (v < 0 || v >= r->named.n) return lines_bad(r, "no such node");
  *id = r->named.at[v];
  return true;
}

static bool read_dim(GraphLines *r, const char *stop,
                     DimId *out) { /* up to one of stop outside parentheses */
  int depth = 0;
  lines_skip(r);
  const char *start = r->at;
  for (; *r->at && (depth || !strchr(stop, *r->at)); r->at++) depth += (*r->at == '(') - (*r->at == ')');
  return dim_parse(r->p->dims, r->p->names, (Str){start, (size_t)(r->at - start)}, out) ||
         lines_bad(r, "dim expected");
}

static bool read_type(GraphLines *r, Type *t) {
  lines_skip(r);
  size_t n = 0;
  DType d;
  while (isalnum((unsigned char)r->at[n])) n++;
  bool none = str_eq((Str){r->at, n}, STR("none"));
  if (none) d = DT_NONE;
  if (!none && !dtype_parse((Str){r->at, n}, &d)) return lines_bad(r, "type expected");
  r->at += n;
  *t = type_scalar(d);
  if (*r->at != '[' || none) return true;
  do {
    int64_t v;
    r->at++;
    if (t->rank == MAX_RANK) return lines_bad(r, "too many axes");
    if (!read_dim(r, ",]", &t->dim[t->rank])) return false;
    if (dim_is_const(r->p->dims, t->dim[t->rank++], &v) && v < 1) return lines_bad(r, "empty axis");
  } while (*r->at == ',');
  return lines_eat(r, "]") || lines_bad(r, "']' expected");
}

LeafId lines_leaf(GraphLines *r, Str path, bool *known) {
  LeafId id = {0};
  *known = program_find_leaf(r->p, path, &id);
  return id;
}

static bool read_range(GraphLines *r, Range *x) {
  x->has = true;
  x->closed = lines_eat(r, "[");
  if (!lines_number(r, &x->lo)) return false;
  if (!lines_eat(r, x->closed ? "," : ":")) return lines_bad(r, "range expected");
  return lines_number(r, &x->hi) && (!x->closed || lines_eat(r, "]") || lines_bad(r, "']' expected"));
}

static bool read_leaf(GraphLines *r, LeafKind kind) {
  Leaf l = {.kind = kind, .of = {UINT32_MAX}};
  Str path = lines_word(r);
  bool known;
  l.path = names_add(r->p->names, path);
  if (!lines_eat(r, ":")) return lines_bad(r, "':' expected");
  if (!read_type(r, &l.type)) return false;
  l.frozen = lines_eat(r, "frozen");
  if (lines_eat(r, "of")) {
    l.of = lines_leaf(r, lines_word(r), &known);
    if (!known) return lines_bad(r, "no such leaf");
  }
  if (lines_eat(r, "in") && !read_range(r, &l.range)) return false;
  LeafId old = lines_leaf(r, path, &known);
  if (!known) program_leaf(r->p, l);
  if (known && !type_eq(&r->p->leaf.at[old.i].type, &l.type))
    return lines_bad(r, "the leaf has another type");
  return true;
}

static bool read_extern(GraphLines *r) {
  int64_t at;
  Extern e = {0};
  if (!lines_int(r, &at)) return false;
  if (at < 0 || at > 65535) return lines_bad(r, "extern number");
  e.name = lines_name(r, lines_word(r));
  if (!lines_eat(r, "(")) return lines_bad(r, "'(' expected");
  while (!lines_eat(r, ")")) {
    if (e.nin && !lines_eat(r, ";")) return lines_bad(r, "';' expected");
    if (e.nin == 8) return lines_bad(r, "too many operands");
    if (!read_type(r, &e.in[e.nin++])) return false;
  }
  if (!lines_eat(r, "->")) return lines_bad(r, "'->' expected");
  if (!read_type(r, &e.out)) return false;
  while (r->p->externs.n <= at) VEC_PUSH(r->p->arena, &r->p->externs, (Extern){0});
  r->p->externs.at[at] = e;
  return true;
}

/* ---- nodes ---- */

static bool read_element(GraphLines *r, DType t, uint64_t *out) {
  int64_t i;
  double x;
  if (!dtype_is_float(t)) {
    if (!lines_int(r, &i)) return false;
    *out = (uint64_t)i;
    return true;
  }
  if (!lines_number(r, &x)) return false;
  *out = (uint64_t)literal_word(t, literal_from(t, x));
  return true;
}

static bool read_list(GraphLines *r, char kind, int64_t *v) { /* [0, 2] as mask or permutation */
  uint64_t bits = 0;
  if (!lines_eat(r, "[")) return lines_bad(r, "'[' expected");
  for (int i = 0; !lines_eat(r, "]"); i++) {
    int64_t x;
    if (i && !lines_eat(r, ",")) return lines_bad(r, "',' expected");
    if (!lines_int(r, &x)) return false;
    if (x < 0 || x > 15 || i > 15) return lines_bad(r, "axis");
    bits |= kind == 'm' ? UINT64_C(1) << x : (uint64_t)x << (4 * i);
  }
  *v = (int64_t)bits;
  return true;
}

static bool read_attr(GraphLines *r, char kind, int64_t *v) {
  DimId d;
  switch (kind) {
  case 'd':
    if (!read_dim(r, " }", &d)) return false;
    *v = d.i;
    return true;
  case 'm':
  case 'p': return read_list(r, kind, v);
  }
  return lines_int(r, v);
}

static bool read_table(GraphLines *r, DType t, int64_t *v) {
  VEC(uint64_t) w = {0};
  if (!lines_eat(r, "[")) return lines_bad(r, "'[' expected");
  while (!lines_eat(r, "]")) {
    uint64_t x;
    if (w.n && !lines_eat(r, ",")) return lines_bad(r, "',' expected");
    if (!read_element(r, t, &x)) return false;
    VEC_PUSH(r->arena, &w, x);
  }
  *v = graph_table(r->g, w.at, w.n);
  return true;
}

static bool read_attrs(GraphLines *r, Op op, const Type *t, int64_t *v) {
  const char *p = op_info[op].attrs;
  Str name;
  char kind;
  if (op == OP_LEAF) {
    bool known;
    *v = lines_leaf(r, lines_word(r), &known).i;
    return known || lines_bad(r, "no such leaf");
  }
  if (op == OP_CONST) return read_element(r, (DType)t->dtype, (uint64_t *)v);
  if (op == OP_TABLE) return read_table(r, (DType)t->dtype, v);
  for (int i = 0; attr_next(&p, &name, &kind); i++) {
    if (i == 0 && !lines_eat(r, "{")) return lines_bad(r, "'{' expected");
    if (!lines_eat(r, str_copy(r->arena, name).p) || !lines_eat(r, "="))
      return lines_bad(r, "attribute expected");
    if (!read_attr(r, kind, &v[i])) return false;
  }
  return !op_info[op].nattr || lines_eat(r, "}") || lines_bad(r, "'}' expected");
}

bool lines_node_head(GraphLines *r, Type *t, Str *op) {
  int64_t id;
  NodeId x;
  if (!lines_int(r, &id)) return false;
  if (id != r->named.n) return lines_bad(r, "nodes are numbered in order");
  if (!lines_eat(r, ":")) return lines_bad(r, "':' expected");
  if (!read_type(r, t)) return false;
  if (!lines_eat(r, "=")) return lines_bad(r, "'=' expected");
  *op = lines_word(r);
  r->operand.n = 0;
  for (;;) {
    lines_skip(r);
    if (*r->at != '%') break;
    if (!lines_node(r, &x)) return false;
    VEC_PUSH(r->arena, &r->operand, x);
  }
  return r->operand.n <= UINT16_MAX || lines_bad(r, "too many operands");
}

static bool read_node_line(GraphLines *r) {
  int64_t attr[16] = {0};
  Type t;
  Str name;
  Op op;
  NodeId primal = NO_NODE;
  if (!lines_node_head(r, &t, &name)) return false;
  if (!op_find(name, &op)) return lines_bad(r, "no such op");
  if (!read_attrs(r, op, &t, attr)) return false;
  if (lines_eat(r, "for") && !lines_node(r, &primal)) return false;
  NodeId made = graph_add(r->g, op, t, r->operand.at, r->operand.n, attr, (LocationId){0}, primal);
  VEC_PUSH(r->arena, &r->named, made);
  return true;
}

static bool read_root(GraphLines *r, RootKind kind) {
  Str name = lines_word(r);
  LeafId leaf = {0};
  NodeId node;
  bool known = true;
  if (kind == ROOT_ASSIGN) leaf = lines_leaf(r, name, &known);
  if (!known) return lines_bad(r, "no such leaf");
  if (!lines_eat(r, kind == ROOT_ASSIGN ? ":=" : "=")) return lines_bad(r, "'=' expected");
  if (!lines_node(r, &node)) return false;
  graph_root(r->g, kind, kind == ROOT_ASSIGN ? (Sym){0} : lines_name(r, name), leaf, node, (Span){0});
  return true;
}

bool lines_graph(GraphLines *r) {
  lines_skip(r);
  if (!*r->at || *r->at == '#') return true;
  if (!r->g) {
    if (!lines_eat(r, "graph")) return lines_bad(r, "'graph NAME' expected");
    r->g = graph_new(r->arena, r->p, lines_name(r, lines_word(r)));
    return true;
  }
  if (lines_eat(r, "%")) return read_node_line(r);
  if (lines_eat(r, "{")) return graph_region_open(r->g), true;
  if (lines_eat(r, "}")) {
    if (!r->g->open) return lines_bad(r, "no region is open");
    graph_region_close(r->g);
    return true;
  }
  if (lines_eat(r, "extern")) return read_extern(r);
  for (int k = 0; k <= LEAF_TOTAL; k++)
    if (lines_eat(r, leaf_word[k])) return read_leaf(r, (LeafKind)k);
  for (int k = 0; k < 5; k++)
    if (lines_eat(r, root_word[k])) return read_root(r, (RootKind)k);
  return lines_bad(r, "leaf, node or root expected");
}

void lines_begin(GraphLines *r, Str *text) {
  const char *nl = memchr(text->p, '\n', text->n);
  size_t n = nl ? (size_t)(nl - text->p) : text->n;
  r->at = str_copy(r->arena, (Str){text->p, n}).p;
  r->number++;
  text->p += n + (nl != NULL);
  text->n -= n + (nl != NULL);
}

bool lines_end(GraphLines *r) {
  lines_skip(r);
  return !*r->at || *r->at == '#' || lines_bad(r, "unexpected text");
}

bool graph_parse(Program *p, Str text, Graph **out, Sb *why) {
  GraphLines r = {.p = p, .arena = p->arena, .why = why};
  while (text.n) {
    lines_begin(&r, &text);
    if (!lines_graph(&r) || !lines_end(&r)) return false;
  }
  if (!r.g) return lines_bad(&r, "no graph");
  *out = r.g;
  return graph_verify(r.g, why);
}
