/* Operations that the op table does not have.
 *
 * `unknown` has a derivative that is not known: its value is a host function's, and so is what it gives to
 * each operand. So whatever depends on it is open, and never called dead. `host` has none: a number or an
 * array that left the framework. */
#include "frontend/import/internal.h"
#include "ir/graph/build.h"

enum { MOST = 8 }; /* operands of a host function */

static NodeId add_host(Reader *x, Sym name, const Type *t, const NodeId *in, uint32_t n) {
  Program *p = x->r.p;
  Extern e = {.name = name, .nin = n, .out = *t};
  for (uint32_t i = 0; i < n; i++) e.in[i] = graph_node(x->r.g, in[i])->type;
  VEC_PUSH(p->arena, &p->externs, e);
  int64_t fn = p->externs.n - 1;
  return graph_add(x->r.g, OP_EXTERN, *t, in, n, &fn, (LocationId){0}, NO_NODE);
}

/* One link of a chain: `n` operands, the first `real` of them with a derivative. */
static NodeId add_link(Reader *x, Sym name, const Type *t, const NodeId *in, uint32_t n, uint32_t real) {
  NodeId all[1 + 2 * MOST];
  Graph *g = x->r.g;
  all[0] = add_host(x, name, t, in, n);
  if (!real) return all[0];
  int64_t attr[2] = {++x->custom, real};
  NodeId from = graph_add(g, OP_COTANGENT, *t, NULL, 0, attr, (LocationId){0}, NO_NODE);
  for (uint32_t i = 0; i < real; i++) {
    Type own = graph_node(g, in[i])->type;
    NodeId two[2] = {from, in[i]};
    all[1 + i] = in[i];
    all[1 + real + i] = add_host(x, name, &own, two, 2);
  }
  return graph_add(g, OP_CUSTOM, *t, all, 1 + 2 * real, attr, (LocationId){0}, NO_NODE);
}

static bool is_real(const Graph *g, NodeId n) { return dtype_is_float((DType)graph_node(g, n)->type.dtype); }

bool import_unknown(Reader *x, bool derivative) {
  GraphLines *r = &x->r;
  Type t;
  Str op;
  if (!lines_node_head(r, &t, &op)) return false;
  if (t.dtype == DT_NONE) return lines_bad(r, "a type with a value expected");
  if (!lines_eat(r, "{") || !import_field(x, "name")) return lines_bad(r, "'{name=NAME}' expected");
  const char *start = r->at;
  while (*r->at && *r->at != '}' && *r->at != ' ') r->at++;
  Sym name = names_add(r->p->names, (Str){start, (size_t)(r->at - start)});
  if (!lines_eat(r, "}")) return lines_bad(r, "'}' expected");
  derivative = derivative && dtype_is_float((DType)t.dtype);
  for (uint32_t i = 0; i < r->operand.n; i++)
    if (graph_node(r->g, r->operand.at[i])->type.dtype == DT_NONE)
      return lines_bad(r, "an operand without a value");
  NodeId made = NO_NODE, in[MOST];
  uint32_t next = 0;
  do { /* a chain: the value of each link is an operand of the next */
    uint32_t n = 0, real = node_ok(made) && derivative;
    if (node_ok(made)) in[n++] = made;
    for (; next < r->operand.n && n < MOST; next++) {
      bool own = derivative && is_real(r->g, r->operand.at[next]);
      in[n++] = r->operand.at[next];
      if (!own) continue;
      NodeId swap = in[real];
      in[real++] = in[n - 1];
      in[n - 1] = swap;
    }
    made = add_link(x, name, &t, in, n, real);
  } while (next < r->operand.n);
  VEC_PUSH(r->arena, &r->named, made);
  return true;
}
