/* Inside the library: which steps a training runs, how often, and over whose data. */
#ifndef DG_API_SCHEDULE_H
#define DG_API_SCHEDULE_H

#include "api/train.h"

/* The steps of a round that read the same batches. The first lane counts the epochs. */
typedef struct Lane {
  int64_t dataset;
  PassHow how;
  int64_t
      every; /* its steps run in each so many rounds; 0: the first lane, which has a batch in each round */
  uint32_t train; /* the first of its steps */
  DataSet data;
  Pass pass;
  int64_t epoch; /* whose order of rows is laid, from 1; 0: none yet */
  int64_t round; /* whose batch is staged */
  int64_t rows;  /* of that batch */
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
  int64_t batches;     /* rounds of an epoch */
  int64_t until;       /* the last round */
  int64_t epochs;      /* that holds the last round */
  const char *instead; /* what the call's options stand in place of; "" */
} Schedule;

/* In s->work. Opens the data. */
dg_status schedule_new(dg_session *s, const dg_train_options *o, Schedule *out);
int64_t schedule_done(const Schedule *c); /* rounds */
/* Binds the batch of round number `round`, from 1, for a step that is due in it; *rows as in pass_batch. */
dg_status schedule_bind(Schedule *c, const Turn *t, int64_t round, int64_t *rows);
static inline bool turn_due(const Turn *t, int64_t round) {
  return round <= t->until && round % t->every == 0;
}

#endif
