/* The training loop of `dgc train`: rounds of batches, epochs, measures on training and test data. */
#include "api/train.h"

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

static const Setting *setting(const Program *p, const TrainStep *t, Str name) {
  for (uint32_t i = 0; i < t->setting.n; i++)
    if (str_eq(names_str(p->names, t->setting.at[i].name), name)) return &t->setting.at[i];
  return NULL;
}

static int64_t whole(const Setting *s, int64_t otherwise) {
  return s && isfinite(s->number) && s->number >= 1 ? (int64_t)s->number : otherwise;
}

void dg_train_options_init(dg_train_options *o) {
  if (o) *o = (dg_train_options){.size = sizeof *o};
}

/* Row-weighted means of the scalars of each run. */
typedef struct Mean {
  Sym name;
  double sum, weight;
} Mean;
typedef struct Means {
  Arena *arena;
  VEC(Mean) all;
} Means;

static void means_add(Means *m, Sym name, double v, double w) {
  uint32_t i = 0;
  while (i < m->all.n && !sym_eq(m->all.at[i].name, name)) i++;
  if (i == m->all.n) VEC_PUSH(m->arena, &m->all, (Mean){.name = name});
  m->all.at[i].sum += v * w, m->all.at[i].weight += w;
}

static double means_of(const Means *m, Sym name) {
  for (uint32_t i = 0; i < m->all.n; i++)
    if (sym_eq(m->all.at[i].name, name)) return m->all.at[i].sum / m->all.at[i].weight;
  return NAN;
}

static void means_run(Means *m, const Variant *v, double rows) {
  const Graph *g = v->runner->graph;
  for (uint32_t i = 0; i < g->root.n; i++)
    if ((g->root.at[i].kind == ROOT_LOSS || g->root.at[i].kind == ROOT_METRIC) &&
        v->runner->value[i].count == 1)
      means_add(m, g->root.at[i].name, session_scalar(&v->runner->value[i]), rows);
}

/* ---- evaluation over a set ---- */

static dg_status evaluate(dg_session *s, SetKind kind, int64_t batch, Means *m) {
  m->all.n = 0;
  const Entry *e = program_entry(s->p, STR("eval"));
  if (!e || !e->graph->root.n) return api_fail(s->p->cx, ST_USAGE, "the program has no loss and no metric");
  dg_status st;
  if (!s->eval[kind] || s->eval_batch[kind] != batch) { /* kept: a pass over the same set comes each epoch */
    s->eval[kind] = NULL;
    Pass *ps = ARENA_NEW(&s->arena, Pass);
    st = pass_begin(s, &s->set[kind], &e, 1, (PassHow){batch, LAST_ROWS_KEEP, false}, ps);
    if (st != DG_OK) return st;
    s->eval[kind] = ps, s->eval_batch[kind] = batch;
    pass_epoch(ps, 1);
  }
  Pass *ps = s->eval[kind];
  for (int64_t i = 0; i < pass_batches(ps); i++) {
    int64_t rows;
    Variant *v;
    if ((st = pass_batch(ps, i, &rows)) != DG_OK || (st = session_run(s, e, &v)) != DG_OK) return st;
    means_run(m, v, (double)rows);
  }
  return DG_OK;
}

typedef struct TrainCall {
  dg_session *s;
  const dg_train_options *o;
  int *stopped;
  const char *set;
  int64_t batch;
} TrainCall;

/* What the settings of a step feed, into one of the sets; what the host has fed stays. */
static dg_status program_set(dg_session *s, const TrainStep *t, SetKind kind) {
  const Setting *data = setting(&s->p->prog, t, kind == SET_TEST ? STR("validate") : STR("data"));
  return data ? set_from_program(s, kind, data->text) : DG_OK;
}

static dg_status program_sets(dg_session *s, SetKind kind) {
  dg_status st = DG_OK;
  for (uint32_t i = 0; st == DG_OK && i < s->p->prog.train.n; i++)
    st = program_set(s, &s->p->prog.train.at[i], kind);
  return st;
}

/* Without a name: test data where there are some, else training data. */
static dg_status open_set(dg_session *s, const char *name, SetKind *kind) {
  *kind = name && !strcmp(name, "train") ? SET_TRAIN : SET_TEST;
  dg_status st = program_sets(s, *kind);
  if (st != DG_OK || name || s->set[SET_TEST].feed.n) return st;
  *kind = SET_TRAIN;
  return program_sets(s, SET_TRAIN);
}

/* A set that is asked for by name has files, unless nothing is read. */
static dg_status set_has_data(dg_session *s, SetKind kind, const Entry *e) {
  if (!e || s->set[kind].feed.n) return DG_OK;
  for (uint32_t i = 0; i < s->p->prog.leaf.n; i++)
    if (s->p->prog.leaf.at[i].kind == LEAF_INPUT && entry_reads(e, (LeafId){i}))
      return api_fail(s->p->cx, ST_USAGE,
                      "the set '%s' has no data: name a dataset in the program, or give files",
                      kind == SET_TEST ? "test" : "train");
  return DG_OK;
}

static dg_status evaluate_in(void *arg) {
  TrainCall *c = arg;
  dg_session *s = c->s;
  SetKind kind;
  dg_status got = open_set(s, c->set, &kind);
  if (got != DG_OK) return got;
  int64_t batch = c->batch;
  for (uint32_t i = 0; batch <= 0 && i < s->p->prog.train.n; i++)
    batch = whole(setting(&s->p->prog, &s->p->prog.train.at[i], STR("batch")), 0);
  if (c->set && (got = set_has_data(s, kind, program_entry(s->p, STR("eval")))) != DG_OK) return got;
  Means m = {.arena = &s->arena};
  dg_status st = evaluate(s, kind, batch, &m);
  for (uint32_t i = 0; st == DG_OK && i < m.all.n; i++)
    session_scalar_put(s, m.all.at[i].name, means_of(&m, m.all.at[i].name));
  return st;
}

dg_status dg_evaluate_set(dg_session *s, const char *set, int64_t batch) {
  if (!s) return DG_USAGE;
  if (set && strcmp(set, "train") && strcmp(set, "test"))
    return api_fail(s->p->cx, ST_USAGE, "no data set '%.40s': train or test", set);
  if (batch < 0) return api_fail(s->p->cx, ST_USAGE, "dg_evaluate_set: batch is below 0");
  TrainCall c = {.s = s, .set = set, .batch = batch};
  dg_status st = session_guard(s, evaluate_in, &c);
  session_unfeed(s);
  return st;
}

/* ---- training ---- */

typedef struct Loop {
  dg_session *s;
  const dg_train_options *o;
  VEC(uint32_t) step; /* train steps of a round */
  VEC(const Entry *) entry;
  VEC(int64_t) every; /* by step: runs in each such round */
  int64_t epochs, batch, steps;
  LastRows last;
  bool shuffle, stop;
  double began;
  Means train, test;
} Loop;

static bool tell(Loop *l, dg_progress *g) {
  if (!l->o->progress) return l->stop;
  uint32_t ours = api_host_enter(l->s->p->cx);
  if (l->o->progress(l->o->user, g)) l->stop = true;
  api_host_leave(ours);
  return l->stop;
}

static dg_status choose(Loop *l) {
  dg_session *s = l->s;
  const Program *p = &s->p->prog;
  for (uint32_t i = 0; i < p->train.n; i++) {
    const TrainStep *t = &p->train.at[i];
    if (l->o->step && !str_eq(names_str(p->names, t->name), str_z(l->o->step))) continue;
    VEC_PUSH(&s->arena, &l->step, i);
    VEC_PUSH(&s->arena, &l->entry, &p->entry.at[t->entry]);
    VEC_PUSH(&s->arena, &l->every, whole(setting(p, t, STR("every")), 1));
    dg_status st = program_set(s, t, SET_TRAIN);
    if (st == DG_OK) st = program_set(s, t, SET_TEST);
    if (st != DG_OK) return st;
    if (!l->batch) l->batch = whole(setting(p, t, STR("batch")), 0);
    if (!l->epochs) l->epochs = whole(setting(p, t, STR("epochs")), 0);
    if (!l->steps && !l->o->steps) l->steps = whole(setting(p, t, STR("steps")), 0);
    const Setting *last = setting(p, t, STR("last")), *shuffle = setting(p, t, STR("shuffle"));
    if (last && str_eq(last->text, STR("pad"))) l->last = LAST_ROWS_PAD;
    if (shuffle && shuffle->number == 0) l->shuffle = false;
  }
  if (!l->step.n) return session_no_step(s, l->o->step);
  return DG_OK;
}

/* One batch through the steps that are due in round number `round` (from 1), in text order. */
static dg_status round_of(Loop *l, int64_t round, int64_t rows) {
  dg_session *s = l->s;
  for (uint32_t i = 0; i < l->step.n; i++) {
    Variant *v;
    if (round % l->every.at[i]) continue;
    dg_status st = session_step(s, l->entry.at[i], &v);
    if (st != DG_OK) return st;
    means_run(&l->train, v, (double)rows);
  }
  return DG_OK;
}

static dg_status end_epoch(Loop *l, dg_progress *g) {
  dg_session *s = l->s;
  const Means *train = &l->train, *test = &l->test;
  if (s->set[SET_TEST].feed.n) {
    dg_status st = evaluate(s, SET_TEST, l->batch, &l->test);
    if (st != DG_OK) return st;
  }
  size_t most = (size_t)train->all.n + test->all.n;
  const char **name = ARENA_ARRAY(&s->arena, const char *, most);
  double *a = ARENA_ARRAY(&s->arena, double, most), *b = ARENA_ARRAY(&s->arena, double, most);
  int n = 0;
  for (uint32_t k = 0; k < most; k++) {
    Sym sym = k < train->all.n ? train->all.at[k].name : test->all.at[k - train->all.n].name;
    bool seen = false;
    for (uint32_t i = 0; k >= train->all.n && i < train->all.n; i++)
      seen |= sym_eq(train->all.at[i].name, sym);
    if (seen) continue;
    name[n] = names_str(&s->p->names, sym).p;
    a[n] = means_of(train, sym), b[n++] = means_of(test, sym);
  }
  g->at = DG_AT_EPOCH;
  g->values = n, g->value_name = name, g->train_value = a, g->test_value = b;
  if (l->o->save) {
    dg_status st = session_save(s, l->o->save);
    if (st != DG_OK) return st;
  }
  tell(l, g);
  g->values = 0;
  return DG_OK;
}

static int64_t rounds_done(const Loop *l, int64_t batches) {
  return (int64_t)l->s->epoch * batches + l->s->batch; /* at most what one process has counted */
}

/* What to run, over what: the same for preparing and for training. */
static dg_status loop_begin(Loop *l, Pass *ps) {
  dg_status st = choose(l);
  if (st == DG_OK && l->o->save) st = session_may_save(l->s, l->o->save);
  if (st != DG_OK) return st;
  st = pass_begin(l->s, &l->s->set[SET_TRAIN], l->entry.at, l->entry.n,
                  (PassHow){l->batch, l->last, l->shuffle}, ps);
  if (st != DG_OK) return st;
  /* Rounds done before count, as epochs do: a run that is resumed ends where it would have ended. */
  int64_t batches = pass_batches(ps), done = rounds_done(l, batches);
  if (l->o->steps) l->steps = l->o->steps > INT64_MAX - done ? INT64_MAX : done + l->o->steps;
  if (!l->epochs) l->epochs = l->steps ? l->steps / batches + (l->steps % batches != 0) : 1;
  return DG_OK;
}

static Loop loop_of(dg_session *s, const dg_train_options *o) {
  return (Loop){.s = s,
                .o = o,
                .epochs = o->epochs,
                .batch = o->batch,
                .last = LAST_ROWS_DROP,
                .shuffle = true,
                .began = now(),
                .train = {.arena = &s->arena},
                .test = {.arena = &s->arena}};
}

static dg_status prepare_in(void *arg) {
  TrainCall *c = arg;
  Loop l = loop_of(c->s, c->o);
  Pass ps;
  int64_t rows;
  dg_status st = loop_begin(&l, &ps);
  if (st == DG_OK) pass_epoch(&ps, 1);
  if (st == DG_OK) st = pass_batch(&ps, 0, &rows);
  for (uint32_t i = 0; st == DG_OK && i < l.entry.n; i++) {
    Variant *v;
    st = session_variant(c->s, l.entry.at[i], &v);
  }
  return st;
}

static dg_status train_in(void *arg) {
  TrainCall *c = arg;
  dg_session *s = c->s;
  Loop l = loop_of(s, c->o);
  Pass ps;
  dg_status st = loop_begin(&l, &ps);
  if (st != DG_OK) return st;
  int64_t batches = pass_batches(&ps);
  Sym loss = s->p->prog.train.at[l.step.at[0]].loss_name;
  dg_progress g = {.at = DG_AT_START,
                   .step = names_str(&s->p->names, s->p->prog.train.at[l.step.at[0]].name).p,
                   .epochs = l.epochs,
                   .batches = batches};
  if (ps.order.rows) {
    g.rows = ps.order.rows, g.batch_rows = ps.order.batch;
    g.left_out = l.last == LAST_ROWS_DROP ? ps.order.rows % ps.order.batch : 0;
  }
  tell(&l, &g);
  bool saved = false, enough = l.steps && rounds_done(&l, batches) >= l.steps;
  while (s->epoch < l.epochs && !l.stop && !enough) {
    double began = now();
    l.train.all.n = 0;
    pass_epoch(&ps, (uint32_t)s->epoch + 1);
    g.epoch = s->epoch + 1;
    saved = false;
    while (s->batch < batches && !l.stop && !enough) {
      int64_t rows;
      if ((st = pass_batch(&ps, s->batch, &rows)) != DG_OK ||
          (st = round_of(&l, rounds_done(&l, batches) + 1, rows)) != DG_OK)
        return st;
      g.at = DG_AT_STEP, g.batch = ++s->batch, g.seconds = now() - began, g.loss = means_of(&l.train, loss);
      tell(&l, &g);
      enough = l.steps && rounds_done(&l, batches) >= l.steps;
    }
    if (s->batch < batches)
      break; /* stopped inside an epoch: saved with its place, so that it can go on there */
    s->epoch++, s->batch = 0;
    if ((st = end_epoch(&l, &g)) != DG_OK) return st;
    saved = true;
  }
  if (c->stopped) *c->stopped = l.stop && s->epoch < l.epochs && !enough;
  if (l.o->save && !saved && (st = session_save(s, l.o->save)) != DG_OK) return st;
  g.at = DG_AT_END, g.seconds = now() - l.began;
  tell(&l, &g);
  return DG_OK;
}

static dg_status with_options(dg_session *s, const dg_train_options *options, int *stopped, ApiFn *fn) {
  if (!s) return DG_USAGE;
  dg_train_options o;
  dg_train_options_init(&o);
  if (options) {
    if (options->size != sizeof o)
      return api_fail(s->p->cx, ST_USAGE,
                      "dg_train_options: size is not this library's; call dg_train_options_init");
    o = *options;
  }
  if (o.epochs < 0 || o.batch < 0 || o.steps < 0)
    return api_fail(s->p->cx, ST_USAGE, "dg_train: %s is below 0",
                    o.epochs < 0  ? "epochs"
                    : o.batch < 0 ? "batch"
                                  : "steps");
  dg_status st = session_not_training(s);
  if (st != DG_OK) return st;
  if (stopped) *stopped = 0;
  TrainCall c = {.s = s, .o = &o, .stopped = stopped};
  s->training = true;
  st = session_guard(s, fn, &c);
  s->training = false;
  return st;
}

dg_status dg_train(dg_session *s, const dg_train_options *options, int *stopped) {
  dg_status st = with_options(s, options, stopped, train_in);
  if (s && !s->training) session_unfeed(s); /* called from within it has done nothing */
  return st;
}

dg_status dg_train_prepare(dg_session *s, const dg_train_options *options) {
  return with_options(s, options, NULL, prepare_in);
}

static dg_status predict_set_in(void *arg) {
  TrainCall *c = arg;
  const Entry *e = program_entry(c->s->p, STR("predict"));
  if (!e || !e->graph->root.n) return api_fail(c->s->p->cx, ST_USAGE, "the program has no output");
  Pass ps;
  int64_t rows;
  SetKind kind = strcmp(c->set, "test") ? SET_TRAIN : SET_TEST;
  dg_status st = c->s->set[kind].feed.n ? DG_OK : program_sets(c->s, kind);
  if (st != DG_OK) return st;
  st = pass_begin(c->s, &c->s->set[kind], &e, 1, (PassHow){0, LAST_ROWS_KEEP, false}, &ps);
  if (st == DG_OK) pass_epoch(&ps, 1);
  if (st == DG_OK) st = pass_batch(&ps, 0, &rows);
  return st == DG_OK ? session_run(c->s, e, NULL) : st;
}

dg_status dg_predict_set(dg_session *s, const char *set) {
  if (!s) return DG_USAGE;
  if (!set || (strcmp(set, "train") && strcmp(set, "test")))
    return api_fail(s->p->cx, ST_USAGE, "no data set '%.40s': train or test", set ? set : "");
  TrainCall c = {.s = s, .set = set};
  dg_status st = session_guard(s, predict_set_in, &c);
  session_unfeed(s);
  return st;
}

typedef struct FactsCall {
  dg_session *s;
  const char *entry;
  dg_facts *out;
} FactsCall;

/* The variant of an entry that ran last; NULL when none is there. */
static Variant *latest(dg_session *s, const Entry *e) {
  Variant *v = NULL;
  for (uint32_t i = 0; i < s->nvariant; i++)
    if (s->variant[i].entry == e && (!v || s->variant[i].used > v->used)) v = &s->variant[i];
  return v;
}

static dg_status facts_in(void *arg) {
  FactsCall *c = arg;
  dg_session *s = c->s;
  const Program *p = &s->p->prog;
  const Entry *e = c->entry     ? program_entry(s->p, str_z(c->entry))
                   : p->train.n ? &p->entry.at[p->train.at[0].entry]
                                : NULL;
  if (!e) return api_fail(s->p->cx, ST_USAGE, "no entry point '%.60s'", c->entry ? c->entry : "");
  Variant *v;
  dg_status st = session_variant(s, e, &v);
  if (st != DG_OK && !(v = latest(s, e))) return st;
  const RunnerFacts *f = &v->runner->facts;
  *c->out = (dg_facts){.arena_bytes = f->arena_bytes,
                       .kernels = f->kernels,
                       .flops = f->flops,
                       .compile_ms = f->compile_ms,
                       .isa = f->isa,
                       .threads = s->opt.interpret ? 1 : s->opt.threads};
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (p->leaf.at[i].kind == LEAF_PARAM && !p->leaf.at[i].frozen)
      c->out->parameters += (int64_t)s->leaf_tensor[i].count;
  return DG_OK;
}

dg_status dg_session_facts(dg_session *s, const char *entry, dg_facts *out) {
  if (!s) return DG_USAGE;
  if (!out) return api_fail(s->p->cx, ST_USAGE, "dg_session_facts: a place for the facts is needed");
  *out = (dg_facts){.isa = ""};
  FactsCall c = {s, entry, out};
  return session_guard(s, facts_in, &c);
}
