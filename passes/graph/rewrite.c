#include "passes/graph/rewrite.h"

#include "base/num.h"
#include "ir/scalar/literal.h"

#include <math.h>

enum { PATTERN_ARGS = 3, REWRITE_DEPTH = 24 };

typedef enum { PAT_ANY, PAT_LITERAL, PAT_NUMBER, PAT_OP } PatternKind;
struct Pattern {
  PatternKind kind;
  uint8_t letter; /* ANY, LITERAL: 0..25 */
  double number;
  Op op;
  uint8_t n;
  const Pattern *arg[PATTERN_ARGS];
};

#define RULE(name, cls, phase, needs, pattern, result) {#name, needs, pattern, result, RW_##cls, RW_##phase},
#define CODE(name, cls, phase, op, fn) {#name, "", NULL, NULL, RW_##cls, RW_##phase},
const RuleInfo rule_info[] = {
#include "passes/graph/simplify.def"
};
#undef RULE
#undef CODE
const uint32_t rule_count = sizeof rule_info / sizeof rule_info[0];

static const struct {
  Op op;
  NodeId (*fn)(Rewrite *w, NodeId root);
} rule_code[] = {
#define RULE(name, cls, phase, needs, pattern, result) {OP_COUNT, NULL},
#define CODE(name, cls, phase, op, fn) {OP_##op, fn},
#include "passes/graph/simplify.def"
#undef RULE
#undef CODE
};

/* ---- reading patterns; the table is ours, so a mistake is a BUG */

static const Pattern *parse(Arena *a, const char **at) {
  while (**at == ' ') ++*at;
  Pattern *p = ARENA_NEW(a, Pattern);
  char c = **at;
  if (c == '(') {
    const char *start = ++*at;
    while (**at && **at != ' ') ++*at;
    if (!op_find((Str){start, (size_t)(*at - start)}, &p->op))
      BUG(a->mem, "simplify.def: no op at '%s'", start);
    p->kind = PAT_OP;
    while (**at == ' ') ++*at;
    while (**at && **at != ')') {
      if (p->n == PATTERN_ARGS) BUG(a->mem, "simplify.def: too many operands at '%s'", *at);
      p->arg[p->n++] = parse(a, at);
      while (**at == ' ') ++*at;
    }
    if (**at) ++*at;
  } else if (c == '#' || (c >= 'a' && c <= 'z')) {
    p->kind = c == '#' ? PAT_LITERAL : PAT_ANY;
    *at += c == '#';
    p->letter = (uint8_t)(**at - 'a');
    ++*at;
  } else {
    p->kind = PAT_NUMBER;
    size_t n = num_read(str_z(*at), &p->number);
    if (!n) BUG(a->mem, "simplify.def: no pattern at '%s'", *at);
    *at += n;
  }
  return p;
}

void rewrite_begin(Rewrite *w, Graph *to, uint8_t cls, uint8_t phase) {
  Arena *a = to->arena;
  *w = (Rewrite){.b = {.g = to, .primal = NO_NODE}, .arena = a, .cls = cls, .phase = phase};
  op_programs_init(&w->programs, a);
  for (uint32_t i = 0; i < rule_count; i++) {
    const RuleInfo *info = &rule_info[i];
    if (!(info->cls & cls) || !(info->phase & phase)) continue;
    RewriteRule r = {.name = info->name,
                     .needs = info->needs,
                     .cls = info->cls,
                     .phase = info->phase,
                     .code = rule_code[i].fn};
    Op op = rule_code[i].op;
    if (info->pattern) {
      const char *at = info->pattern;
      r.pattern = parse(a, &at);
      at = info->result;
      r.result = parse(a, &at);
      op = r.pattern->op;
    }
    VEC_PUSH(a, &w->rule[op], r);
  }
}

void rewrite_again(Rewrite *w, const Rewrite *of, Graph *to) {
  Arena *a = to->arena;
  *w = (Rewrite){.b = {.g = to, .primal = NO_NODE}, .arena = a, .cls = of->cls, .phase = of->phase};
  memcpy(w->rule, of->rule, sizeof w->rule); /* read only from here on */
  op_programs_init(&w->programs, a);
}

/* ---- matching */

static bool is_number(const Graph *g, NodeId n, double x) {
  if (node_op(g, n) != OP_CONST) return false;
  double v = graph_const_value(g, n);
  return v == x && signbit(v) == signbit(x);
}

static bool match(const Rewrite *w, const Pattern *p, NodeId n, NodeId bound[26]) {
  const Graph *g = w->b.g;
  switch (p->kind) {
  case PAT_NUMBER: return is_number(g, n, p->number);
  case PAT_LITERAL:
    if (node_op(g, n) != OP_CONST) return false;
    /* fall through */
  case PAT_ANY:
    if (node_ok(bound[p->letter])) return node_eq(bound[p->letter], n);
    bound[p->letter] = n;
    return true;
  case PAT_OP: break;
  }
  if (node_op(g, n) != p->op) return false;
  const NodeId *in = graph_in(g, n);
  NodeId saved[26];
  memcpy(saved, bound, sizeof saved);
  bool ok = true;
  for (uint8_t i = 0; i < p->n && ok; i++) ok = match(w, p->arg[i], in[i], bound);
  if (ok || !(op_info[p->op].flags & OPF_COMMUTATIVE)) return ok;
  memcpy(bound, saved, sizeof saved);
  return match(w, p->arg[0], in[1], bound) && match(w, p->arg[1], in[0], bound);
}

static NodeId instance(Rewrite *w, const Pattern *p, Type type, const NodeId bound[26], bool simplify) {
  switch (p->kind) {
  case PAT_ANY:
  case PAT_LITERAL: return bound[p->letter];
  case PAT_NUMBER: return build_const(&w->b, type, p->number);
  case PAT_OP: break;
  }
  NodeId in[PATTERN_ARGS];
  for (uint8_t i = 0; i < p->n; i++) {
    Type t = type;
    if (op_info[p->op].sig[i] == 'b') t.dtype = DT_BOOL;
    in[i] = instance(w, p->arg[i], t, bound, simplify);
  }
  if (!simplify) return build_op(&w->b, p->op, in, p->n, NULL, NULL);
  return rewrite_node(w, p->op, type, in, p->n, NULL, w->b.location, w->b.primal);
}

/* ---- values that are not real numbers */

static void classify(Rewrite *w) { /* nodes added since the last call */
  const Graph *g = w->b.g;
  for (uint32_t i = w->undefined.n; i < g->node.n; i++) {
    NodeId n = {i};
    const NodeId *in = graph_in(g, n);
    bool bad = false;
    Op op = node_op(g, n);
    if (op == OP_CONST && dtype_is_float((DType)g->node.at[i].type.dtype))
      bad = !isfinite(graph_const_value(g, n));
    if (op == OP_DIV && node_op(g, in[1]) == OP_CONST) bad |= graph_const_value(g, in[1]) == 0;
    if ((op == OP_LOG || op == OP_RSQRT) && node_op(g, in[0]) == OP_CONST)
      bad |= graph_const_value(g, in[0]) <= 0;
    for (uint32_t k = 0; k < g->node.at[i].nin; k++) bad |= w->undefined.at[in[k].i];
    VEC_PUSH(w->arena, &w->undefined, bad);
  }
}

bool rewrite_undefined(Rewrite *w, NodeId n) {
  classify(w);
  return w->undefined.at[n.i];
}

/* ---- folding literals: our own evaluator, under flushing */

static NodeId fold(Rewrite *w, NodeId n) {
  Graph *g = w->b.g;
  const Node *node = graph_node(g, n);
  if (!op_info[node->op].scalar || dtype_is_stored((DType)node->type.dtype)) return NO_NODE;
  DType t[3];
  ScalarValue in[3], out = {.w = 0};
  for (uint32_t i = 0; i < node->nin; i++) {
    NodeId x = graph_in(g, n)[i];
    if (node_op(g, x) != OP_CONST) return NO_NODE;
    t[i] = (DType)graph_node(g, x)->type.dtype;
    in[i] = literal_value(t[i], graph_attr(g, x)[0]);
  }
  DType result = (DType)node->type.dtype;
  const Scalar *p = op_program(&w->programs, (Op)node->op, t, node->nin, result);
  uint32_t saved = fp_enter();
  scalar_eval(p, in, &out);
  fp_leave(saved);
  Type type = node->type;
  return build_const_word(&w->b, type, literal_of_value(result, out));
}

/* ---- */

static NodeId apply(Rewrite *w, const RewriteRule *r, NodeId n) {
  if (r->code) return r->code(w, n);
  NodeId bound[26];
  for (int i = 0; i < 26; i++) bound[i] = NO_NODE;
  if (!match(w, r->pattern, n, bound)) return NO_NODE;
  for (const char *c = r->needs; *c; c++)
    if (rewrite_undefined(w, bound[*c - 'a'])) return NO_NODE;
  return instance(w, r->result, graph_node(w->b.g, n)->type, bound, true);
}

NodeId rewrite_node(Rewrite *w, Op op, Type type, const NodeId *in, uint32_t nin, const int64_t *attr,
                    LocationId location, NodeId primal) {
  Builder outer = w->b;
  w->b.location = location;
  w->b.primal = primal;
  NodeId n = graph_add(w->b.g, op, type, in, nin, attr, location, primal);
  if (w->depth < REWRITE_DEPTH) {
    w->depth++;
    NodeId better = fold(w, n);
    for (uint32_t i = 0; !node_ok(better) && i < w->rule[op].n; i++) {
      better = apply(w, &w->rule[op].at[i], n);
      if (node_ok(better) && !type_eq(&graph_node(w->b.g, better)->type, &type)) better = NO_NODE;
    }
    w->depth--;
    if (node_ok(better)) n = better;
  }
  w->b.location = outer.location;
  w->b.primal = outer.primal;
  return n;
}

NodeId rewrite_build(Rewrite *w, Str text, Type type, const NodeId operand[26], bool simplify) {
  const char *at = str_copy(w->arena, text).p;
  return instance(w, parse(w->arena, &at), type, operand, simplify);
}
