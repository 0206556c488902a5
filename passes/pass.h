/* Passes: graph to graph. passes.def names them; a pipeline is a list of names; the runner verifies, prints
 * and times. A pass returns a new graph or the one it was given; it never changes its input. */
#ifndef DG_PASSES_PASS_H
#define DG_PASSES_PASS_H

#include "ir/graph/build.h"
#include "passes/passes.h"

typedef struct PassCx {
  Arena *arena; /* new graphs live here */
  const Program *program;
  const DimBinding *bind; /* values of the file's dim symbols */
  size_t nbind;
  const PassOptions *options; /* NULL: none */
  bool stopped;               /* out: stop_after was met */
  Sb *why;                    /* out: what the values of dims broke */
} PassCx;

typedef Graph *PassFn(Graph *in, PassCx *cx);

typedef struct PassInfo {
  const char *name;
  PassFn *fn;
  const char *needs; /* what must hold before: words of passes.def */
  const char *keeps; /* what still holds after */
  const char *help;
} PassInfo;

typedef enum {
#define PASS(id, fn, needs, keeps, help) PASS_##id,
#include "passes/passes.def"
#undef PASS
  PASS_COUNT
} PassId;
extern const PassInfo pass_info[PASS_COUNT];

MUST_USE bool pass_find(Str name, PassId *out);
/* Runs the passes in order. Before each one what it needs is looked for, after it the graph is verified and
 * what it keeps is looked for: a failure is a BUG that names the pass. NULL: the values of dims do not fit
 * the graph (cx->why says so, where it is set). */
Graph *passes_run(Graph *g, PassCx *cx, const PassId *list, size_t n);

/* For the diagnosis: a copy of the nodes that are `live` (what y reads) with every GRAD node replaced by its
 * derivative; *at is y there. Each leaves a GRAD node behind, of its derivative and its scalar, that nobody
 * reads: a mark, and no graph that verifies. */
const Graph *autodiff_marked(const Graph *g, const bool *live, NodeId y, Arena *a, NodeId *at);

/* A copy of what y reads in a graph without GRAD nodes (marks apart), and in it the derivatives of y by the
 * first nleaf leaves; grad: by LeafId, NO_NODE where no path carries. *at: y there, before
 * all derivatives. */
const Graph *autodiff_leaves(const Graph *g, NodeId y, uint32_t nleaf, Arena *a, NodeId *grad, NodeId *at);

#define PASS(id, fn, needs, keeps, help) PassFn fn;
#include "passes/passes.def"
#undef PASS

#endif
