/* Inside the library: data sets of a session, passes over them, evaluation, the training loop. */
#ifndef DG_API_TRAIN_H
#define DG_API_TRAIN_H

#include "api/session.h"

typedef struct Pass Pass;
/* One pass of batches over the files that feed what some entries read. Without such files it has one batch:
 * what is bound. */
struct Pass {
  dg_session *s;
  VEC(View *) feed;
  VEC(void *) staging; /* by feed: a batch of rows, or all of what is no row */
  DataOrder order;     /* no rows: nothing is fed by rows */
  int64_t *padded;     /* LAST_ROWS_PAD: the rows of the last batch */
  int64_t filled;      /* rows in the staging buffers */
  Arena *arena;        /* what the pass holds lives in */
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

/* ---- data.c ---- */
View *set_find(const DataSet *set, Sym input);
/* Opens the file of one field, beneath the program's folder or a data root. */
dg_status set_open_field(dg_session *s, DataSet *set, const DataField *f);
dg_status pass_begin(dg_session *s, Arena *a, DataSet *set, const Entry *const *entry, uint32_t nentry,
                     PassHow how, Pass *out);
void pass_epoch(Pass *ps, uint32_t epoch); /* the order of rows in an epoch, from 1 */
static inline int64_t pass_batches(const Pass *ps) { return ps->order.rows ? ps->order.batches : 1; }
/* Fills the staging buffers with batch i and binds them; *rows counts each row of the epoch once. */
dg_status pass_batch(Pass *ps, int64_t i, int64_t *rows);
/* Binds what is in the staging buffers once more, after another pass has bound its own. */
dg_status pass_rebind(Pass *ps);
bool entry_reads(const Entry *e, LeafId leaf);

/* ---- sets.c: the settings of train blocks, and whose data they name ---- */
enum { NO_DATASET = -1 };
const Setting *step_setting(const Program *p, uint32_t train, Str name); /* NULL: not given */
/* The step's own, else the first step's: batch, shuffle, last. */
const Setting *step_shared(const Program *p, uint32_t train, Str name);
int64_t setting_whole(const Setting *s, int64_t otherwise);
/* The setting that names its data of that kind. */
const Setting *step_names(const Program *p, uint32_t train, SetKind kind);
/* Index of the dataset that `data` or `validate` names; NO_DATASET without it, and where the host has given
 * files for all of its inputs. */
int64_t step_dataset(const dg_session *s, uint32_t train, SetKind kind);
/* The host's files of that kind, and for other inputs those of the dataset (SET_COUNT: of the dataset alone).
 */
dg_status set_open(dg_session *s, Arena *a, SetKind kind, int64_t dataset, DataSet *out);

/* ---- evaluate.c ---- */
/* Row-weighted means of the scalars of each run. */
typedef struct Mean {
  Sym name;
  double sum, weight;
} Mean;
typedef struct Means {
  Mean *at; /* room for all scalars of the program */
  uint32_t n;
} Means;
Means means_new(dg_session *s);
void means_run(Means *m, const Variant *v, double rows);
double means_of(const Means *m, Sym name); /* NaN: not measured */

/* Losses and metrics over one set. */
typedef struct Evaluation {
  SetKind kind;     /* SET_COUNT: a dataset by its name */
  int64_t dataset;  /* of the program, or NO_DATASET */
  int64_t train;    /* the step that names it; -1: none does */
  bool one_of_many; /* steps have different data: its values carry the step's name */
  DataSet data;
  const Entry *entry;
  Pass pass;
  Means means;
} Evaluation;
typedef struct Evaluations {
  Evaluation *at;
  uint32_t n;
} Evaluations;
/* The sets of a kind, opened: one, or one for each dataset that steps name; none where nothing is a test set.
 * batch 0: as the train blocks say. They live in s->work. */
dg_status evaluations_begin(dg_session *s, SetKind kind, int64_t batch, Evaluations *out);
dg_status evaluation_run(dg_session *s, Evaluation *e);
/* "one.mse" where steps have different data, else "mse". */
const char *value_name(dg_session *s, Arena *a, int64_t train, bool one_of_many, Sym name);

#endif
