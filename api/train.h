/* Inside the library: data sets of a session and passes over them. */
#ifndef DG_API_TRAIN_H
#define DG_API_TRAIN_H

#include "api/session.h"

typedef struct Pass Pass;
/* One pass of batches over the files that feed what some entries read. Without such files it has one batch:
 * what is bound. */
struct Pass {
  dg_session *s;
  VEC(Feed *) feed;
  VEC(void *) staging; /* by feed: a batch of rows, or all of what is no row */
  DataOrder order;     /* no rows: nothing is fed by rows */
  int64_t *padded;     /* LAST_ROWS_PAD: the rows of the last batch */
};
/* What becomes of the rows behind the last full batch. */
typedef enum {
  LAST_ROWS_DROP,
  LAST_ROWS_KEEP, /* a smaller batch */
  LAST_ROWS_PAD,  /* a full batch: filled up with rows from the beginning of the epoch */
} LastRows;
typedef struct PassHow {
  int64_t batch; /* 0: all rows */
  LastRows last;
  bool shuffle;
} PassHow;

Feed *set_find(const DataSet *set, Sym input);
/* Opens the files of `dataset NAME` for inputs that the host has not fed already. */
dg_status set_from_program(dg_session *s, SetKind kind, Str name);
dg_status pass_begin(dg_session *s, DataSet *set, const Entry *const *entry, uint32_t nentry, PassHow how,
                     Pass *out);
void pass_epoch(Pass *ps, uint32_t epoch); /* the order of rows in an epoch, from 1 */
static inline int64_t pass_batches(const Pass *ps) { return ps->order.rows ? ps->order.batches : 1; }
/* Fills the staging buffers with batch i and binds them; *rows counts each row of the epoch once. */
dg_status pass_batch(Pass *ps, int64_t i, int64_t *rows);
bool entry_reads(const Entry *e, LeafId leaf);

#endif
