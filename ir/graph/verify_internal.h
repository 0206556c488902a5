/* Shared between ir/verify*.c only. */
#ifndef DG_IR_VERIFY_INTERNAL_H
#define DG_IR_VERIFY_INTERNAL_H

#include "ir/graph/graph.h"

/* Appends "node %id (op): what" to why and is false. */
bool verify_wrong(const Graph *g, uint32_t id, Sb *why, const char *what);
/* Dims may be poison after an error of the user; what is known must agree. */
bool verify_agrees(const Type *a, const Type *b);

/* Regions as such, before any node is looked at; then, node by node in order, that each stands where it says
 * and fits its owner. *at: the region node id stands in; *next: the next region to begin. */
MUST_USE bool verify_region_table(const Graph *g, Sb *why);
MUST_USE bool verify_region_node(const Graph *g, uint32_t id, uint32_t *at, uint32_t *next, Sb *why);

#endif
