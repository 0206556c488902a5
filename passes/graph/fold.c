/* Constant folding by the interpreter, under flushing: nodes all of whose sources are literals. A result that
 * is one number becomes CONST; others become TABLE when all their sources are, so that an index pattern (iota
 * and what is made of it) stays arithmetic. Small tensors only. */
#include "base/size.h"
#include "ir/interpret/interp.h"
#include "ir/scalar/literal.h"
#include "passes/graph/copy.h"

enum { FOLD_ELEMENTS = 4096 };

typedef enum { NOT_LITERAL, LITERAL, LITERAL_INDEX } Literal; /* INDEX: an iota is among the sources */

static bool small_enough(const Graph *g, NodeId n) {
  int64_t ext[MAX_RANK], count = 1;
  const Type *t = &graph_node(g, n)->type;
  if (!type_extents(g->program->dims, t, ext)) return false;
  for (uint8_t i = 0; i < t->rank; i++)
    if (!i64_mul(count, ext[i], &count) || count > FOLD_ELEMENTS) return false;
  return true;
}

static Literal classify(const Graph *g, NodeId n, const Literal *of) {
  const Node *node = graph_node(g, n);
  if (!small_enough(g, n)) return NOT_LITERAL;
  if (node->op == OP_CONST || node->op == OP_TABLE) return LITERAL;
  if (node->op == OP_IOTA) return LITERAL_INDEX;
  if (dtype_is_stored((DType)node->type.dtype)) return NOT_LITERAL; /* literals are computed with */
  if (node->nin == 0 || (op_info[node->op].flags & (OPF_NO_MERGE | OPF_NO_VALUE))) return NOT_LITERAL;
  Literal r = LITERAL;
  for (uint32_t i = 0; i < node->nin; i++) {
    Literal in = of[graph_in(g, n)[i].i];
    if (in == NOT_LITERAL) return NOT_LITERAL;
    if (in == LITERAL_INDEX) r = LITERAL_INDEX;
  }
  return r;
}

static uint64_t element(const Tensor *t, size_t i) {
  return (uint64_t)literal_word(t->dtype, literal_get(t->dtype, t->data, i));
}

static NodeId literal(Graph *g, const Tensor *t, Type type, LocationId location, bool table) {
  bool equal = t->count > 0;
  for (size_t i = 1; i < t->count && equal; i++) equal = element(t, i) == element(t, 0);
  if (!equal && !table) return NO_NODE;
  int64_t attr;
  if (equal) {
    attr = (int64_t)element(t, 0);
    return graph_add(g, OP_CONST, type, NULL, 0, &attr, location, NO_NODE);
  }
  uint64_t *word = ARENA_ARRAY(g->arena, uint64_t, t->count);
  for (size_t i = 0; i < t->count; i++) word[i] = element(t, i);
  attr = graph_table(g, word, (uint32_t)t->count);
  return graph_add(g, OP_TABLE, type, NULL, 0, &attr, location, NO_NODE);
}

Graph *pass_fold(Graph *in, PassCx *cx) {
  Arena *a = cx->arena;
  bool *live = graph_live(in, a), *wanted = ARENA_ARRAY(a, bool, in->node.n), any = false;
  Literal *of = ARENA_ARRAY(a, Literal, in->node.n);
  for (uint32_t i = 0; i < in->node.n; i++) of[i] = live[i] ? classify(in, (NodeId){i}, of) : NOT_LITERAL;
  /* the last literals of each chain: read by something that is none, or by a root */
  for (uint32_t i = 0; i < in->node.n; i++) {
    const NodeId *x = graph_in(in, (NodeId){i});
    for (uint32_t k = 0; live[i] && of[i] == NOT_LITERAL && k < in->node.at[i].nin; k++)
      wanted[x[k].i] = true;
  }
  for (uint32_t i = 0; i < in->root.n; i++) wanted[in->root.at[i].node.i] = true;
  Graph *part = graph_new(a, in->program, in->name);
  Builder b = {.g = part, .primal = NO_NODE};
  NodeId *map = ARENA_ARRAY(a, NodeId, in->node.n);
  for (uint32_t i = 0; i < in->node.n; i++) {
    map[i] = NO_NODE;
    wanted[i] &= of[i] != NOT_LITERAL && in->node.at[i].nin > 0;
    any |= wanted[i];
  }
  if (!any) return in;
  NodeId *want = ARENA_ARRAY(a, NodeId, in->node.n);
  uint32_t nwant = 0;
  for (uint32_t i = 0; i < in->node.n; i++)
    if (wanted[i]) want[nwant++] = (NodeId){i};
  graph_copy_nodes(&b, in, want, nwant, map);
  Interp it = {
      .graph = part, .mode = INTERP_NATIVE, .arena = a, .leaf = ARENA_ARRAY(a, Tensor, in->program->leaf.n)};
  if (interp_run(&it) != ST_OK) return in;
  Copy c = copy_begin(in, a, true);
  for (uint32_t i = 0; i < in->node.n; i++) {
    NodeId folded = NO_NODE;
    if (!live[i]) continue;
    copy_follow(&c, (NodeId){i});
    if (wanted[i])
      folded =
          literal(c.to, &it.value[map[i].i], in->node.at[i].type, in->node.at[i].location, of[i] == LITERAL);
    if (node_ok(folded))
      c.map[i] = folded;
    else
      copy_node(&c, (NodeId){i});
  }
  return copy_end(&c);
}
