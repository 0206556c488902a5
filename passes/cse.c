/* Two passes that only copy: sharing equal nodes, and dropping what no root needs. */
#include "passes/copy.h"

Graph *pass_dce(Graph *in, PassCx *cx) {
  bool *live = graph_live(in, cx->arena), all = true;
  for (uint32_t i = 0; i < in->node.n; i++) all &= live[i];
  if (all) return in;
  Copy c = copy_begin(in, cx->arena, in->share);
  for (uint32_t i = 0; i < in->node.n; i++)
    if (live[i]) copy_node(&c, (NodeId){i});
  return copy_end(&c);
}

/* The builder's hash-consing over a copy. Operations marked OPF_NO_MERGE stay apart (graph_add knows them). */
Graph *pass_cse(Graph *in, PassCx *cx) {
  bool *live = graph_live(in, cx->arena);
  Copy c = copy_begin(in, cx->arena, true);
  for (uint32_t i = 0; i < in->node.n; i++)
    if (live[i]) copy_node(&c, (NodeId){i});
  return copy_end(&c);
}
