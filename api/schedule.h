/* Inside the library: which steps a training runs, how often, and over whose data. */
#ifndef DG_API_SCHEDULE_H
#define DG_API_SCHEDULE_H

#include "api/train.h"

/* The steps of a round that read the same batches. The first lane counts the epochs. A round is an update of
 * each step that is due: so many batches as its step accumulates. */
typedef struct Lane {
  int64_t dataset;
  PassHow how;
  int64_t
      every; /* its steps run in each so many rounds; 0: the first lane, which has a batch in each round */
  int64_t accumulate; /* batches in a round */
  uint32_t train;     /* the first of its steps */
  DataSet data;
  Pass pass;
  int64_t epoch;  /* whose order of rows is laid, from 1; 0: none yet */
  int64_t staged; /* number of the batch that is staged, from 1; 0: none */
  int64_t rows;   /* of that batch */
  Means means;
} Lane;

typedef struct Turn { /* a train step in each round */
  uint32_t train, lane;
  const Entry *entry;
  int64_t every;
  int64_t until; /* the last round it may run in */
} Turn;

typedef struct Schedule {
  dg_session *s;
  Turn *turn;
  uint32_t turns;
  Lane *lane;
  uint32_t lanes;
  int64_t batches;     /* of an epoch, of the first lane as all that follows */
  int64_t until;       /* the last batch */
  int64_t epochs;      /* that holds the last batch */
  const char *instead; /* what the call's options stand in place of; "" */
} Schedule;

/* In s->work. Opens the data. */
dg_status schedule_new(dg_session *s, const dg_train_options *o, Schedule *out);
int64_t schedule_done(const Schedule *c); /* batches */
/* The round that batch number `batch` of the first lane, from 1, is of; does it end with it? */
static inline int64_t schedule_round(const Schedule *c, int64_t batch) {
  return (batch - 1) / c->lane[0].accumulate + 1;
}
static inline bool schedule_ends(const Schedule *c, int64_t batch) {
  return batch % c->lane[0].accumulate == 0;
}
/* Batches of its lane that a turn takes at this batch of the first one, and the number of the first of them.
 */
int64_t schedule_takes(const Schedule *c, const Turn *t, int64_t batch, int64_t *first);
/* Binds batch number `at` of the turn's lane, from 1; *rows as in pass_batch. */
dg_status schedule_bind(Schedule *c, const Turn *t, int64_t at, int64_t *rows);
static inline bool turn_due(const Turn *t, int64_t round) {
  return round <= t->until && round % t->every == 0;
}

#endif
