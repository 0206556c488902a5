/* The matcher behind simplify.def: nodes are simplified while they are built into a shared graph, so one pass
 * over a graph from operands to users is enough. */
#ifndef DG_PASSES_REWRITE_H
#define DG_PASSES_REWRITE_H

#include "ir/graph/build.h"
#include "ir/graph/program.h"
#include "ir/scalar/op_program.h"

enum { RW_BITS = 1, RW_REAL = 2 }; /* classes */
enum { RW_ANY = 1, RW_AFTER = 2 }; /* phases */

typedef struct Pattern Pattern;
struct Rewrite;
typedef struct RewriteRule {
  const char *name, *needs;
  uint8_t cls, phase;
  const Pattern *pattern, *result;                /* RULE */
  NodeId (*code)(struct Rewrite *w, NodeId root); /* CODE */
} RewriteRule;

typedef struct Rewrite {
  Builder b; /* of a graph that shares */
  Arena *arena;
  uint8_t cls, phase; /* allowed */
  VEC(RewriteRule) rule[OP_COUNT];
  VEC(bool)
  undefined; /* by node: reads a division by a literal 0, or an infinite literal in a product; grows with the
                graph */
  OpPrograms programs;
  uint32_t depth; /* results of rules simplified within each other */
} Rewrite;

void rewrite_begin(Rewrite *w, Graph *to, uint8_t cls, uint8_t phase);
/* The same rules for another graph; `of` stays as long as w. */
void rewrite_again(Rewrite *w, const Rewrite *of, Graph *to);
/* Adds a node whose operands are in the graph already; the answer may be any node of the same type and value.
 */
NodeId rewrite_node(Rewrite *w, Op op, Type type, const NodeId *in, uint32_t nin, const int64_t *attr,
                    LocationId location, NodeId primal);
bool rewrite_undefined(Rewrite *w, NodeId n);
/* For tests: the text of a pattern or result over given operands (by letter), with or without rules applied.
 */
NodeId rewrite_build(Rewrite *w, Str text, Type type, const NodeId operand[26], bool simplify);

typedef struct RuleInfo {
  const char *name, *needs, *pattern, *result; /* CODE: pattern NULL */
  uint8_t cls, phase;
} RuleInfo;
extern const RuleInfo rule_info[];
extern const uint32_t rule_count;

/* The rules written in C. */
#define RULE(name, cls, phase, needs, pattern, result)
#define CODE(name, cls, phase, op, fn) NodeId fn(Rewrite *w, NodeId root);
#include "passes/graph/simplify.def"
#undef RULE
#undef CODE

#endif
