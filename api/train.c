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

void dg_train_options_init(dg_train_options *o) { *o = (dg_train_options){.size = sizeof *o}; }

/* Row-weighted means of the scalars of each run. */
typedef struct Means {
  Sym name[64];
  double sum[64], weight[64];
  uint32_t n;
} Means;

static void means_add(Means *m, Sym name, double v, double w) {
  uint32_t i = 0;
  while (i < m->n && !sym_eq(m->name[i], name)) i++;
  if (i == 64) return;
  if (i == m->n) m->name[m->n++] = name, m->sum[i] = m->weight[i] = 0;
  m->sum[i] += v * w, m->weight[i] += w;
}

static double means_of(const Means *m, Sym name) {
  for (uint32_t i = 0; i < m->n; i++)
    if (sym_eq(m->name[i], name)) return m->sum[i] / m->weight[i];
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
  *m = (Means){0};
  const Entry *e = program_entry(s->p, STR("eval"));
  if (!e) return api_fail(s->p->cx, ST_USAGE, "the program has no loss and no metric");
  dg_status st;
  if (!s->eval[kind] || s->eval_batch[kind] != batch) { /* kept: a pass over the same set comes each epoch */
    s->eval[kind] = ARENA_NEW(&s->arena, Pass);
    st = pass_begin(s, &s->set[kind], &e, 1, batch, LAST_KEEP, false, s->eval[kind]);
    if (st != DG_OK) return s->eval[kind] = NULL, st;
    s->eval_batch[kind] = batch;
    if (s->eval[kind]->feed.n) data_order_epoch(&s->eval[kind]->order, 1);
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

static dg_status program_sets(dg_session *s, const TrainStep *t) {
  const Setting *data = setting(&s->p->prog, t, STR("data")),
                *test = setting(&s->p->prog, t, STR("validate"));
  dg_status st = DG_OK;
  if (data) st = set_from_program(s, SET_TRAIN, data->text, data->at);
  if (st == DG_OK && test) st = set_from_program(s, SET_TEST, test->text, test->at);
  return st;
}

static dg_status evaluate_in(void *arg) {
  TrainCall *c = arg;
  dg_session *s = c->s;
  SetKind kind = strcmp(c->set, "test") == 0 ? SET_TEST : SET_TRAIN;
  int64_t batch = c->batch;
  for (uint32_t i = 0; i < s->p->prog.train.n; i++) {
    dg_status st = program_sets(s, &s->p->prog.train.at[i]);
    if (st != DG_OK) return st;
    if (batch <= 0) batch = whole(setting(&s->p->prog, &s->p->prog.train.at[i], STR("batch")), 0);
  }
  Means m;
  dg_status st = evaluate(s, kind, batch, &m);
  for (uint32_t i = 0; st == DG_OK && i < m.n; i++) session_scalar_put(s, m.name[i], means_of(&m, m.name[i]));
  return st;
}

dg_status dg_evaluate_set(dg_session *s, const char *set, int64_t batch) {
  if (!s || !set) return DG_USAGE;
  if (strcmp(set, "train") && strcmp(set, "test"))
    return api_fail(s->p->cx, ST_USAGE, "no data set '%.40s': train or test", set);
  TrainCall c = {.s = s, .set = set, .batch = batch};
  return api_guard(s->p->cx, evaluate_in, &c);
}

/* ---- training ---- */

typedef struct Loop {
  dg_session *s;
  const dg_train_options *o;
  VEC(uint32_t) step; /* train steps of a round */
  VEC(const Entry *) entry;
  int64_t epochs, batch, steps;
  DataLast last;
  bool shuffle, stop;
  double began;
} Loop;

static bool tell(Loop *l, dg_progress *g) {
  if (l->o->progress && l->o->progress(l->o->user, g)) l->stop = true;
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
    dg_status st = program_sets(s, t);
    if (st != DG_OK) return st;
    if (!l->batch) l->batch = whole(setting(p, t, STR("batch")), 0);
    if (!l->epochs) l->epochs = whole(setting(p, t, STR("epochs")), 0);
    if (!l->steps) l->steps = whole(setting(p, t, STR("steps")), 0);
    const Setting *last = setting(p, t, STR("last")), *shuffle = setting(p, t, STR("shuffle"));
    if (last && str_eq(last->text, STR("keep"))) l->last = LAST_KEEP;
    if (shuffle && (str_eq(shuffle->text, STR("false")) || shuffle->number == 0)) l->shuffle = false;
  }
  if (!l->step.n)
    return l->o->step ? api_fail(s->p->cx, ST_USAGE, "no train step '%.60s'", l->o->step)
                      : api_fail(s->p->cx, ST_USAGE, "the program has no train block");
  return DG_OK;
}

/* One batch through every step of the round. */
static dg_status round_of(Loop *l, Means *m, int64_t rows) {
  dg_session *s = l->s;
  for (uint32_t i = 0; i < l->step.n; i++) {
    Variant *v;
    dg_status st = session_step(s, l->entry.at[i], &v);
    if (st != DG_OK) return st;
    means_run(m, v, (double)rows);
  }
  return DG_OK;
}

static dg_status end_epoch(Loop *l, Means *train, dg_progress *g) {
  dg_session *s = l->s;
  Means test = {0};
  if (s->set[SET_TEST].feed.n) {
    dg_status st = evaluate(s, SET_TEST, l->batch, &test);
    if (st != DG_OK) return st;
  }
  const char *name[64];
  double a[64], b[64];
  int n = 0;
  for (uint32_t i = 0; i < train->n; i++, n++)
    name[n] = names_str(&s->p->names, train->name[i]).p, a[n] = means_of(train, train->name[i]),
    b[n] = means_of(&test, train->name[i]);
  for (uint32_t i = 0; i < test.n && n < 64; i++)
    if (isnan(means_of(train, test.name[i])))
      name[n] = names_str(&s->p->names, test.name[i]).p, a[n] = NAN, b[n++] = means_of(&test, test.name[i]);
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

/* What to run, over what: the same for preparing and for training. */
static dg_status loop_begin(Loop *l, Pass *ps) {
  dg_status st = choose(l);
  if (st != DG_OK) return st;
  st = pass_begin(l->s, &l->s->set[SET_TRAIN], l->entry.at, l->entry.n, l->batch, l->last, l->shuffle, ps);
  if (st != DG_OK) return st;
  if (!l->epochs) l->epochs = l->steps ? (l->steps + pass_batches(ps) - 1) / pass_batches(ps) : 1;
  return DG_OK;
}

static Loop loop_of(dg_session *s, const dg_train_options *o) {
  return (Loop){.s = s,
                .o = o,
                .epochs = o->epochs,
                .batch = o->batch,
                .steps = o->steps,
                .last = LAST_DROP,
                .shuffle = true,
                .began = now()};
}

static dg_status prepare_in(void *arg) {
  TrainCall *c = arg;
  Loop l = loop_of(c->s, c->o);
  Pass ps;
  int64_t rows;
  dg_status st = loop_begin(&l, &ps);
  if (st == DG_OK && ps.feed.n) data_order_epoch(&ps.order, 1);
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
  tell(&l, &g);
  int64_t done = 0;
  while (s->epoch < l.epochs && !l.stop) {
    double began = now();
    Means m = {0};
    if (ps.feed.n) data_order_epoch(&ps.order, (uint32_t)s->epoch + 1);
    g.epoch = s->epoch + 1;
    while (s->batch < batches && !l.stop) {
      int64_t rows;
      if ((st = pass_batch(&ps, s->batch, &rows)) != DG_OK || (st = round_of(&l, &m, rows)) != DG_OK)
        return st;
      g.at = DG_AT_STEP, g.batch = ++s->batch, g.seconds = now() - began, g.loss = means_of(&m, loss);
      tell(&l, &g);
      if (l.steps && ++done >= l.steps) l.stop = true;
    }
    if (s->batch < batches)
      break; /* stopped inside an epoch: saved with its place, so that it can go on there */
    s->epoch++, s->batch = 0;
    if ((st = end_epoch(&l, &m, &g)) != DG_OK) return st;
  }
  if (c->stopped) *c->stopped = l.stop && s->epoch < l.epochs && !(l.steps && done >= l.steps);
  g.at = DG_AT_END, g.seconds = now() - l.began;
  tell(&l, &g);
  return l.o->save ? session_save(s, l.o->save) : DG_OK;
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
  if (stopped) *stopped = 0;
  TrainCall c = {.s = s, .o = &o, .stopped = stopped};
  return api_guard(s->p->cx, fn, &c);
}

dg_status dg_train(dg_session *s, const dg_train_options *options, int *stopped) {
  return with_options(s, options, stopped, train_in);
}

dg_status dg_train_prepare(dg_session *s, const dg_train_options *options) {
  return with_options(s, options, NULL, prepare_in);
}

static dg_status predict_set_in(void *arg) {
  TrainCall *c = arg;
  const Entry *e = program_entry(c->s->p, STR("predict"));
  if (!e) return api_fail(c->s->p->cx, ST_USAGE, "the program has no output");
  Pass ps;
  int64_t rows;
  dg_status st = pass_begin(c->s, &c->s->set[strcmp(c->set, "test") ? SET_TRAIN : SET_TEST], &e, 1, 0,
                            LAST_KEEP, false, &ps);
  if (st == DG_OK && ps.feed.n) data_order_epoch(&ps.order, 1);
  if (st == DG_OK) st = pass_batch(&ps, 0, &rows);
  return st == DG_OK ? session_run(c->s, e, NULL) : st;
}

dg_status dg_predict_set(dg_session *s, const char *set) {
  if (!s || !set) return DG_USAGE;
  if (strcmp(set, "train") && strcmp(set, "test"))
    return api_fail(s->p->cx, ST_USAGE, "no data set '%.40s': train or test", set);
  TrainCall c = {.s = s, .set = set};
  return api_guard(s->p->cx, predict_set_in, &c);
}

typedef struct FactsCall {
  dg_session *s;
  const char *entry;
  dg_facts *out;
} FactsCall;

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
  if (st != DG_OK) return st;
  const RunnerFacts *f = &v->runner->facts;
  *c->out = (dg_facts){.arena_bytes = f->arena_bytes,
                       .kernels = f->kernels,
                       .flops = f->flops,
                       .compile_ms = f->compile_ms,
                       .isa = f->isa,
                       .threads = s->opt.threads};
  for (uint32_t i = 0; i < p->leaf.n; i++)
    if (p->leaf.at[i].kind == LEAF_PARAM && !p->leaf.at[i].frozen)
      c->out->parameters += (int64_t)s->leaf_tensor[i].count;
  return DG_OK;
}

dg_status dg_session_facts(dg_session *s, const char *entry, dg_facts *out) {
  if (!s || !out) return DG_USAGE;
  FactsCall c = {s, entry, out};
  return api_guard(s->p->cx, facts_in, &c);
}
