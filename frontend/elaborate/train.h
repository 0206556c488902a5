/* A train step while it is elaborated: shared by its statements (train.c) and its update lists (update.c). */
#ifndef DG_FRONTEND_TRAIN_H
#define DG_FRONTEND_TRAIN_H

#include "frontend/elaborate/elab.h"

typedef struct Update {
  const AstStmt *stmt;
  Value optimizer;
  ArgVec args;
} Update;

typedef struct Step {
  TrainStep ts;
  Scope *scope;
  const AstStmt *minimize;
  VEC(Update) update;
  double clip_norm, clip_value;          /* 0: none */
  const AstStmt *precision, *accumulate; /* settings that are read before all else */
  bool hurt;    /* a static `if` could not be decided: what seems missing may stand in it */
  bool left_in; /* an `except` names nothing: what it meant to leave out is not owned twice */
  Map owner;    /* LeafId -> index into ts.owned */
} Step;

void elaborate_train(Elab *x, const AstStmt *t);
void elaborate_after(Elab *x, const AstStmt *t);
void optimizer_state(Elab *x, Scope *s, const AstStmt *t);
void bind_clock(Elab *x, Scope *s, Span at);
/* A metric that is made of totals: nothing else of a batch is in it, and it is noted as one of the pass.
 * False after a report. */
bool metric_of_pass(Elab *x, const Binding *b, NodeId n);
/* setting.c. */
void train_setting(Elab *x, Step *st, const AstStmt *t);
/* A setting that is read before all else: where it stands, NULL if nowhere, and its value. False: there is
 * none, or a report. */
bool setting_first(Elab *x, const AstStmtVec *stmts, const char *name, const AstStmt **at, Value *v);
/* precision.c. Reads the setting. */
void precision_begin(Elab *x, Step *st, const AstStmtVec *stmts);
/* accumulate.c. Reads the setting; where it is above 1, draws of the step depend on the batch from here on.
 */
void groups_begin(Elab *x, Step *st, const AstStmtVec *stmts);
/* grad: by owned parameter. The entry that gathers, of what is in the graph and pending now; then the
 * gradients are the means of a group. */
void groups_gather(Elab *x, Step *st, NodeId *grad);
/* Who is in a group: the paths' parameters without the excepted ones, frozen ones skipped. */
void own_group(Elab *x, Step *st, uint32_t group);

#endif
