/* The training loop of `dgc train`: rounds of batches, epochs, measures on training and test data, saving. */
#include "api/schedule.h"

#include <math.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool entry_reads(const Entry *e, LeafId leaf) {
  for (uint32_t i = 0; i < e->graph->node.n; i++)
    if (e->graph->node.at[i].op == OP_LEAF && graph_attr(e->graph, (NodeId){i})[0] == leaf.i) return true;
  return false;
}

static const dg_train_options train_defaults = {.size = sizeof(dg_train_options)};

void dg_train_options_init(dg_train_options *o, size_t size) {
  if (o) api_fill(o, size, &train_defaults, sizeof train_defaults);
}

/* Saving takes at most this share of the time, and in long epochs a file is at most so old. */
#define SAVE_SHARE (1.0 / 30)
#define SAVE_SECONDS 60.0

typedef struct Loop {
  dg_session *s;
  const dg_train_options *o;
  Schedule plan;
  Evaluations test;
  dg_progress g;
  bool stop;
  double began, epoch_began;
  double saved_at, save_cost; /* when it was last saved, and how long that took */
  bool unsaved;               /* batches have been done since */
} Loop;

static bool tell(Loop *l, dg_moment at) {
  l->g.at = at;
  if (!l->o->progress) return l->stop;
  uint32_t ours = api_host_enter(l->s->cx);
  if (l->o->progress(l->o->user, &l->g)) l->stop = true;
  api_host_leave(ours);
  return l->stop;
}

/* ---- saving ---- */

static dg_status all_finite(Loop *l) {
  dg_status st = DG_OK;
  for (uint32_t i = 0; st == DG_OK && i < l->plan.turns; i++)
    st = session_finite(l->s, l->plan.turn[i].train);
  return st;
}

static dg_status save(Loop *l) {
  double began = now();
  dg_status st = all_finite(l);
  if (st == DG_OK) st = session_save(l->s, l->o->save);
  if (st != DG_OK) return st;
  l->saved_at = now();
  l->save_cost = l->saved_at - began;
  l->unsaved = false;
  l->g.saved_epoch = l->s->epoch, l->g.saved_batch = l->s->batch;
  return DG_OK;
}

static bool save_due(const Loop *l, bool epoch_ends) {
  double since = now() - l->saved_at;
  if (!l->o->save) return false;
  if (epoch_ends && l->g.saved_epoch < 0) return true; /* the first: what it costs is seen then */
  return since * SAVE_SHARE >= l->save_cost && (epoch_ends || since >= SAVE_SECONDS);
}

/* ---- progress ---- */

typedef struct Values {
  const char **name;
  double *train, *test;
  int n;
} Values;

static int value_at(Values *v, const char *name) {
  for (int i = 0; i < v->n; i++)
    if (!strcmp(v->name[i], name)) return i;
  v->name[v->n] = name;
  v->train[v->n] = v->test[v->n] = NAN;
  return v->n++;
}

/* The means of the batches so far beside those of the test data. */
static void measure(Loop *l, bool with_test, Values *v) {
  dg_session *s = l->s;
  size_t most = 0;
  for (uint32_t i = 0; i < l->plan.lanes; i++) most += l->plan.lane[i].means.n;
  for (uint32_t i = 0; i < l->test.n; i++) most += l->test.at[i].means.n;
  *v = (Values){.name = ARENA_ARRAY(&s->work, const char *, most),
                .train = ARENA_ARRAY(&s->work, double, most),
                .test = ARENA_ARRAY(&s->work, double, most)};
  for (uint32_t i = 0; i < l->plan.lanes; i++) {
    const Lane *a = &l->plan.lane[i];
    for (uint32_t k = 0; k < a->means.n; k++) {
      Sym name = a->means.at[k].name;
      v->train[value_at(v, value_name(s, &s->work, a->train, l->plan.lanes > 1, name))] =
          means_of(&a->means, name);
    }
  }
  for (uint32_t i = 0; with_test && i < l->test.n; i++) {
    const Evaluation *e = &l->test.at[i];
    for (uint32_t k = 0; k < e->means.n; k++) {
      Sym name = e->means.at[k].name;
      v->test[value_at(v, value_name(s, &s->work, e->train, e->one_of_many, name))] =
          means_of(&e->means, name);
    }
  }
}

/* A line of values: at the end of an epoch, or where the training ends inside one. */
static dg_status tell_values(Loop *l, dg_moment at, bool with_test) {
  dg_session *s = l->s;
  dg_status st = DG_OK;
  for (uint32_t i = 0; with_test && st == DG_OK && i < l->test.n; i++) st = evaluation_run(s, &l->test.at[i]);
  if (st == DG_OK && at == DG_AT_EPOCH && save_due(l, true)) st = save(l);
  if (st != DG_OK) return st;
  ArenaMark mark = arena_mark(&s->work);
  Values v;
  measure(l, with_test, &v);
  l->g.values = v.n, l->g.value_name = v.name, l->g.train_value = v.train, l->g.test_value = v.test;
  tell(l, at);
  l->g.values = 0, l->g.value_name = NULL, l->g.train_value = l->g.test_value = NULL;
  arena_rewind(&s->work, mark);
  return DG_OK;
}

static void tell_start(Loop *l) {
  const Program *p = &l->s->prog;
  l->g.size = sizeof l->g;
  l->g.epochs = l->plan.epochs, l->g.lanes = (int)l->plan.lanes, l->g.instead = l->plan.instead;
  l->g.saved_epoch = -1;
  for (uint32_t i = 0; i < l->plan.lanes; i++) {
    const Lane *a = &l->plan.lane[i];
    l->g.step = names_str(p->names, p->train.at[a->train].name).p;
    l->g.batches = pass_batches(&a->pass);
    l->g.rows = a->pass.order.rows, l->g.batch_rows = a->pass.order.batch;
    l->g.left_out = l->g.rows && a->how.last == LAST_ROWS_DROP ? a->pass.order.rows % a->pass.order.batch : 0;
    tell(l, DG_AT_START);
    l->g.instead = ""; /* once */
  }
  const Lane *first = &l->plan.lane[0];
  l->g.step = names_str(p->names, p->train.at[first->train].name).p;
  l->g.batches = l->plan.batches;
  l->g.rows = first->pass.order.rows, l->g.batch_rows = first->pass.order.batch;
}

/* ---- the loop ---- */

/* The steps that are due with this batch of the first lane, in text order, each on what it takes of its own.
 */
static dg_status at_batch(Loop *l, int64_t batch) {
  for (uint32_t i = 0; i < l->plan.turns; i++) {
    const Turn *t = &l->plan.turn[i];
    int64_t first = 0, n = schedule_takes(&l->plan, t, batch, &first);
    for (int64_t k = 0; k < n; k++) {
      Variant *v;
      int64_t rows;
      dg_status st = schedule_bind(&l->plan, t, first + k, &rows);
      if (st == DG_OK) st = session_step(l->s, t->entry, &v);
      if (st != DG_OK) return st;
      means_run(&l->plan.lane[t->lane].means, v, (double)rows);
    }
  }
  return DG_OK;
}

/* Batches of an unfinished group, of the step that has most of them. */
static int64_t unfinished(const Loop *l) {
  int64_t most = 0;
  for (uint32_t i = 0; i < l->plan.turns; i++) {
    int64_t n = session_gathered(l->s, l->plan.turn[i].train);
    most = n > most ? n : most;
  }
  return most;
}

static void epoch_begins(Loop *l) {
  l->epoch_began = now();
  l->g.epoch = l->s->epoch + 1, l->g.from = l->s->batch;
  for (uint32_t i = 0; i < l->plan.lanes; i++) l->plan.lane[i].means.n = 0;
  for (uint32_t i = 0; i < l->plan.turns; i++) session_pass_begins(l->s, l->plan.turn[i].entry);
}

static dg_status rounds(Loop *l) {
  dg_session *s = l->s;
  const Lane *first = &l->plan.lane[0];
  Sym loss = s->prog.train.at[l->plan.turn[0].train].loss_name;
  int64_t done = schedule_done(&l->plan);
  if (done < l->plan.until) epoch_begins(l);
  while (done < l->plan.until && !l->stop) {
    if (!s->batch) epoch_begins(l);
    dg_status st = at_batch(l, done + 1);
    if (st != DG_OK) return st;
    done++;
    l->unsaved = true;
    l->g.batch = ++s->batch;
    l->g.seconds = now() - l->epoch_began, l->g.loss = means_of(&first->means, loss);
    bool ends = s->batch == l->plan.batches;
    if (ends) s->epoch++, s->batch = 0;
    if (!ends && save_due(l, false) && (st = save(l)) != DG_OK) return st;
    tell(l, DG_AT_STEP);
    if (ends && (st = tell_values(l, DG_AT_EPOCH, true)) != DG_OK) return st;
  }
  return DG_OK;
}

static dg_status loop_begin(Loop *l) {
  dg_session *s = l->s;
  dg_status st = schedule_new(s, l->o, &l->plan);
  if (st == DG_OK && l->o->save) st = session_may_save(s, l->o->save);
  if (st == DG_OK) st = evaluations_begin(s, SET_TEST, l->o->batch, &l->test);
  l->began = l->saved_at = now();
  return st;
}

/* A step failed and changed nothing, or made numbers that are none: what was good before is not lost, and its
 * means are told. The failure is what is reported. */
static dg_status failed(Loop *l, dg_status st) {
  dg_context *cx = l->s->cx;
  char what[sizeof cx->error];
  memcpy(what, cx->error, sizeof what);
  bool whole = st != DG_NON_FINITE && st != DG_NO_MEMORY && st != DG_INTERNAL;
  dg_status ignored = l->o->save && l->unsaved && whole ? save(l) : DG_OK;
  if (ignored == DG_OK) ignored = tell_values(l, DG_AT_PART, false);
  memcpy(cx->error, what, sizeof what);
  return st;
}

typedef struct TrainCall {
  dg_session *s;
  const dg_train_options *o;
  int *stopped;
} TrainCall;

/* What training runs, compiled. */
static dg_status prepare_in(void *arg) {
  TrainCall *c = arg;
  Loop l = {.s = c->s, .o = c->o};
  dg_status st = loop_begin(&l);
  for (uint32_t i = 0; st == DG_OK && i < l.plan.turns; i++) {
    Variant *v;
    int64_t rows;
    const TrainStep *t = &c->s->prog.train.at[l.plan.turn[i].train];
    st = schedule_bind(&l.plan, &l.plan.turn[i], 1, &rows);
    if (st == DG_OK) st = session_variant(c->s, l.plan.turn[i].entry, &v);
    if (st == DG_OK && train_gathers(t)) st = session_variant(c->s, &c->s->prog.entry.at[t->gather], &v);
  }
  return st;
}

static dg_status train_in(void *arg) {
  TrainCall *c = arg;
  dg_session *s = c->s;
  Loop l = {.s = s, .o = c->o};
  dg_status st = loop_begin(&l);
  if (st != DG_OK) return st;
  tell_start(&l);
  st = rounds(&l);
  if (st == DG_OK) st = all_finite(&l);
  bool done = schedule_done(&l.plan) >= l.plan.until;
  if (st == DG_OK && s->batch && l.unsaved) st = tell_values(&l, DG_AT_PART, done);
  if (st != DG_OK) return failed(&l, st);
  if (c->stopped) *c->stopped = l.stop && !done;
  if (l.o->save && (l.unsaved || l.g.saved_epoch < 0) && (st = save(&l)) != DG_OK) return st;
  l.g.seconds = now() - l.began, l.g.unfinished = unfinished(&l);
  tell(&l, DG_AT_END);
  return DG_OK;
}

static dg_status with_options(dg_session *s, const dg_train_options *options, int *stopped, ApiFn *fn) {
  if (!s) return DG_USAGE;
  dg_train_options o = train_defaults;
  dg_status st = options ? api_sized(s->cx, "dg_train_options", &o, sizeof o, options) : DG_OK;
  if (st != DG_OK) return st;
  if (o.epochs < 0 || o.batch < 0 || o.steps < 0)
    return api_fail(s->cx, ST_USAGE, "dg_train: %s is below 0",
                    o.epochs < 0  ? "epochs"
                    : o.batch < 0 ? "batch"
                                  : "steps");
  st = session_not_training(s);
  if (st == DG_OK) st = session_alive(s);
  if (st != DG_OK) return st;
  if (stopped) *stopped = 0;
  TrainCall c = {.s = s, .o = &o, .stopped = stopped};
  ArenaMark mark = arena_mark(&s->work);
  s->training = true;
  st = session_guard(s, fn, &c);
  s->training = false;
  session_unfeed(s);
  arena_rewind(&s->work, mark);
  return st;
}

dg_status dg_train(dg_session *s, const dg_train_options *options, int *stopped) {
  return with_options(s, options, stopped, train_in);
}

dg_status dg_train_prepare(dg_session *s, const dg_train_options *options) {
  return with_options(s, options, NULL, prepare_in);
}
