/* What `after` blocks make of parameters. An assignment that reads the parameter itself and constants (a
 * clip, decay) is no training and silences nothing; one that reads what learns or is measured is a copy or an
 * average, and intended. */
#include "passes/diagnose/diagnose.h"

/* What a value is made of, by node. */
enum { READS_SELF = 1, READS_CLOCK = 2, READS_OTHER = 4 };

/* Leaves that nothing in the file changes: a frozen limit, a parameter in no list. */
static bool *constant_leaves(const Diagnose *x) {
  const Program *p = x->p;
  bool *constant = ARENA_ARRAY(x->arena, bool, p->leaf.n);
  for (uint32_t i = 0; i < p->leaf.n; i++)
    constant[i] = p->leaf.at[i].kind == LEAF_PARAM || p->leaf.at[i].kind == LEAF_STATE;
  for (uint32_t e = 0; e < p->entry.n; e++) {
    const Graph *g = p->entry.at[e].graph;
    for (uint32_t i = 0; g && p->entry.at[e].kind != ENTRY_INIT && i < g->root.n; i++)
      if (g->root.at[i].kind == ROOT_ASSIGN) constant[g->root.at[i].leaf.i] = false;
  }
  for (uint32_t i = 0; i < p->train.n; i++)
    for (uint32_t k = 0; k < p->train.at[i].owned.n; k++)
      constant[p->train.at[i].owned.at[k].param.i] = false;
  return constant;
}

static uint32_t leaf_reads(const Diagnose *x, const bool *constant, LeafId leaf, LeafId target) {
  if (leaf_eq(leaf, target)) return READS_SELF;
  switch (program_leaf_at(x->p, leaf)->kind) {
  case LEAF_PARAM:
  case LEAF_STATE: return constant[leaf.i] ? 0 : READS_OTHER;
  case LEAF_STEP:
  case LEAF_EPOCH: return READS_CLOCK;
  case LEAF_INPUT:
  case LEAF_SEED:
  case LEAF_TOTAL: break;
  }
  return READS_OTHER;
}

typedef struct Walk { /* over one graph; each assignment visits its own nodes only */
  const Graph *g;
  uint32_t *seen; /* by node: number of the assignment that saw it last */
  VEC(NodeId) todo;
} Walk;

static void visit(Diagnose *x, Walk *w, NodeId n, uint32_t mark) {
  if (w->seen[n.i] == mark) return;
  w->seen[n.i] = mark;
  VEC_PUSH(x->arena, &w->todo, n);
}

static void add_root(Diagnose *x, Walk *w, uint32_t index, const bool *constant) {
  const Root *root = &w->g->root.at[index];
  Assigned *to = &x->assigned[root->leaf.i];
  uint32_t reads = 0;
  visit(x, w, root->node, index + 1);
  while (w->todo.n) {
    NodeId n = w->todo.at[--w->todo.n];
    for (uint32_t k = 0; k < graph_node(w->g, n)->nin; k++) visit(x, w, graph_in(w->g, n)[k], index + 1);
    if (node_op(w->g, n) != OP_LEAF) continue;
    LeafId leaf = {(uint32_t)graph_attr(w->g, n)[0]};
    reads |= leaf_reads(x, constant, leaf, root->leaf);
    if (!leaf_eq(leaf, root->leaf)) x->assigned[leaf.i].handed = true;
  }
  bool follows = reads & READS_SELF;
  bool taught = reads & READS_OTHER || (reads & READS_CLOCK && !follows); /* a schedule is meant as one */
  if (!taught && !to->at.file) to->at = root->at;
  to->any = true;
  to->taught |= taught;
  to->follows |= follows;
}

void diagnose_assigned(Diagnose *x) {
  const Program *p = x->p;
  x->assigned = ARENA_ARRAY(x->arena, Assigned, p->leaf.n);
  const bool *constant = x->constant = constant_leaves(x);
  for (uint32_t e = 0; e < p->entry.n; e++) {
    const Graph *g = p->entry.at[e].graph;
    if (!g || p->entry.at[e].kind != ENTRY_AFTER) continue;
    Walk w = {.g = g, .seen = ARENA_ARRAY(x->arena, uint32_t, g->node.n + 1)};
    for (uint32_t i = 0; i < g->root.n; i++)
      if (g->root.at[i].kind == ROOT_ASSIGN) add_root(x, &w, i, constant);
  }
}

/* Does the step's own `after` assign it after every step? */
static bool reset_by(const Program *p, uint32_t step, LeafId param) {
  for (uint32_t e = 0; e < p->entry.n; e++) {
    const Entry *after = &p->entry.at[e];
    if (after->kind != ENTRY_AFTER || after->train != step || after->every > 1 || !after->graph) continue;
    for (uint32_t i = 0; i < after->graph->root.n; i++) {
      const Root *r = &after->graph->root.at[i];
      if (r->kind == ROOT_ASSIGN && leaf_eq(r->leaf, param)) return true;
    }
  }
  return false;
}

bool assigned_overwrites(const Diagnose *x, LeafId param) {
  const Assigned *a = &x->assigned[param.i];
  if (!a->any || a->taught || a->follows || a->handed) return false;
  for (uint32_t i = 0; i < x->view.n; i++) {
    const View *v = &x->view.at[i];
    if (v->step && rule_changes(v->param[param.i].rule) &&
        !reset_by(x->p, (uint32_t)(v->step - x->p->train.at), param))
      return false;
  }
  return true;
}

bool state_unassigned(const Diagnose *x, LeafId state) {
  const Leaf *leaf = program_leaf_at(x->p, state);
  bool own = !leaf->at.file || !x->p->sources->file.at[leaf->at.file].library;
  if (leaf->kind != LEAF_STATE || leaf->of.i != UINT32_MAX || !x->constant[state.i] || !own) return false;
  for (uint32_t i = 0; i < x->view.n; i++)
    if (x->view.at[i].step && x->view.at[i].param[state.i].flow > FLOW_UNREACHABLE) return true;
  return false;
}
