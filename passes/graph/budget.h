/* What loops keep for their way back, under PassOptions.memory. */
#ifndef DG_PASSES_BUDGET_H
#define DG_PASSES_BUDGET_H

#include "passes/pass.h"

typedef Graph *BudgetFinish(Graph *g, PassCx *cx);
/* g with its loops marked (again of LOOP). finish: the passes that follow, for measuring. */
Graph *budget_marked(Graph *g, PassCx *cx, BudgetFinish *finish);

#endif
