/* Losses, metrics and outputs over data sets. */
#include "api/train.h"
#include "ir/graph/build.h"

#include <math.h>

/* ---- means ---- */

Means means_new(dg_session *s) {
  size_t most = 0;
  for (uint32_t i = 0; i < s->prog.entry.n; i++) most += s->prog.entry.at[i].graph->root.n;
  return (Means){.at = ARENA_ARRAY(&s->work, Mean, most)};
}

/* whole: v is of all batches so far, and takes the place of what was there. */
static void means_add(Means *m, Sym name, double v, double w, bool whole) {
  uint32_t i = 0;
  while (i < m->n && !sym_eq(m->at[i].name, name)) i++;
  if (i == m->n) m->at[m->n++] = (Mean){.name = name};
  if (whole) m->at[i].sum = m->at[i].weight = 0, w = 1;
  m->at[i].sum += v * w, m->at[i].weight += w;
}

double means_of(const Means *m, Sym name) {
  for (uint32_t i = 0; i < m->n; i++)
    if (sym_eq(m->at[i].name, name)) return m->at[i].sum / m->at[i].weight;
  return NAN;
}

void means_run(Means *m, const Variant *v, double rows) {
  const Graph *g = v->runner->code->graph;
  for (uint32_t i = 0; i < g->root.n; i++)
    if ((g->root.at[i].kind == ROOT_LOSS || g->root.at[i].kind == ROOT_METRIC) &&
        v->runner->value[i].count == 1)
      means_add(m, g->root.at[i].name, session_scalar(&v->runner->value[i]), rows,
                program_of_pass(g->program, g->root.at[i].name));
}

void session_pass_begins(dg_session *s, const Entry *e) {
  for (uint32_t i = 0; i < e->graph->root.n; i++) {
    const Root *r = &e->graph->root.at[i];
    if (r->kind == ROOT_ASSIGN && s->prog.leaf.at[r->leaf.i].kind == LEAF_TOTAL)
      memset(s->leaf[r->leaf.i], 0, s->leaf_bytes[r->leaf.i]);
  }
}

/* ---- which losses and metrics a set is for ---- */

static bool fed(const dg_session *s, const DataSet *set, uint32_t leaf) {
  return set_find(set, s->prog.leaf.at[leaf].path) || s->own[leaf].has;
}

/* By node: needs an input that only another of the sets has. */
static bool *elsewhere(dg_session *s, const Graph *g, const Evaluations *all, uint32_t self) {
  bool *lacks = ARENA_ARRAY(&s->work, bool, g->node.n + 1);
  for (uint32_t i = 0; i < g->node.n; i++) {
    NodeId n = {i};
    for (uint32_t k = 0; k < graph_node(g, n)->nin; k++) lacks[i] |= lacks[graph_in(g, n)[k].i];
    if (node_op(g, n) != OP_LEAF) continue;
    uint32_t leaf = (uint32_t)graph_attr(g, n)[0];
    if (s->prog.leaf.at[leaf].kind != LEAF_INPUT || fed(s, &all->at[self].data, leaf)) continue;
    for (uint32_t k = 0; k < all->n; k++)
      lacks[i] |= set_find(&all->at[k].data, s->prog.leaf.at[leaf].path) != NULL;
  }
  return lacks;
}

static bool same_roots(const Entry *a, const Graph *whole, const bool *keep) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < whole->root.n; i++) {
    if (!keep[i]) continue;
    if (n == a->graph->root.n || !sym_eq(a->graph->root.at[n].name, whole->root.at[i].name)) return false;
    n++;
  }
  return n == a->graph->root.n;
}

/* The entry without what the set has no inputs for, where another set has them. Kept: code is compiled for
 * it once. */
static const Entry *entry_for(dg_session *s, const Entry *e, const Evaluations *all, uint32_t self) {
  const Graph *g = e->graph;
  bool *lacks = elsewhere(s, g, all, self), *keep = ARENA_ARRAY(&s->work, bool, g->root.n + 1);
  uint32_t n = 0;
  for (uint32_t i = 0; i < g->root.n; i++) n += keep[i] = !lacks[g->root.at[i].node.i];
  if (n == g->root.n) return e;
  for (uint32_t i = 0; i < s->part.n; i++)
    if (s->part.at[i]->kind == e->kind && same_roots(s->part.at[i], g, keep)) return s->part.at[i];
  Graph some = *g;
  some.root.at = ARENA_ARRAY(&s->work, Root, n + 1), some.root.n = 0, some.root.cap = n + 1;
  for (uint32_t i = 0; i < g->root.n; i++)
    if (keep[i]) some.root.at[some.root.n++] = g->root.at[i];
  Entry *part = ARENA_NEW(&s->arena, Entry);
  *part = *e;
  part->graph = graph_copy(&s->arena, &some, NULL, 0);
  VEC_PUSH(&s->arena, &s->part, part);
  return part;
}

/* ---- sets ---- */

static void add_set(Evaluations *out, SetKind kind, int64_t dataset, int64_t train) {
  for (uint32_t i = 0; i < out->n; i++)
    if (out->at[i].dataset == dataset) return;
  out->at[out->n++] = (Evaluation){.kind = kind, .dataset = dataset, .train = train};
}

static void list_sets(dg_session *s, SetKind kind, Evaluations *out) {
  const Program *p = &s->prog;
  out->at = ARENA_ARRAY(&s->work, Evaluation, p->train.n + 1);
  for (uint32_t i = 0; i < p->train.n; i++)
    if (step_names(p, i, kind)) add_set(out, kind, step_dataset(s, i, kind), i);
  if (!out->n && (kind == SET_TRAIN || s->set[kind].feed.n)) add_set(out, kind, NO_DATASET, -1);
}

static dg_status open_sets(dg_session *s, int64_t batch, Evaluations *all) {
  const Program *p = &s->prog;
  const Entry *e = program_entry(s->p, STR("eval"));
  if (!e || !e->graph->root.n) return api_fail(s->cx, ST_USAGE, "the program has no loss and no metric");
  dg_status st = DG_OK;
  for (uint32_t i = 0; st == DG_OK && i < all->n; i++)
    st = set_open(s, &s->work, all->at[i].kind, all->at[i].dataset, &all->at[i].data);
  for (uint32_t i = 0; st == DG_OK && i < all->n; i++) {
    Evaluation *v = &all->at[i];
    v->one_of_many = all->n > 1;
    v->entry = all->n > 1 ? entry_for(s, e, all, i) : e;
    v->means = means_new(s);
    int64_t rows = batch;
    if (!rows && p->train.n)
      rows = setting_whole(step_shared(p, v->train < 0 ? 0 : (uint32_t)v->train, STR("batch")), 0);
    st = pass_begin(s, &s->work, &v->data, &v->entry, 1, (PassHow){rows, LAST_ROWS_KEEP, false}, &v->pass);
    if (st == DG_OK) pass_epoch(&v->pass, 1);
  }
  return st;
}

dg_status evaluations_begin(dg_session *s, SetKind kind, int64_t batch, Evaluations *out) {
  *out = (Evaluations){0};
  list_sets(s, kind, out);
  return out->n ? open_sets(s, batch, out) : DG_OK;
}

dg_status evaluation_run(dg_session *s, Evaluation *e) {
  dg_status st = DG_OK;
  e->means.n = 0;
  session_pass_begins(s, e->entry);
  for (int64_t i = 0; st == DG_OK && i < pass_batches(&e->pass); i++) {
    int64_t rows;
    Variant *v;
    if ((st = pass_batch(&e->pass, i, &rows)) == DG_OK && (st = session_run(s, e->entry, &v)) == DG_OK)
      means_run(&e->means, v, (double)rows);
  }
  session_unfeed(s);
  return st;
}

const char *value_name(dg_session *s, Arena *a, int64_t train, bool one_of_many, Sym name) {
  const Program *p = &s->prog;
  if (!one_of_many || train < 0) return names_str(p->names, name).p;
  return str_fmt(a, STRF "." STRF, STRA(names_str(p->names, p->train.at[train].name)),
                 STRA(names_str(p->names, name)))
      .p;
}

/* ---- what was read and found, for those who ask ---- */

static void evaluated_clear(Evaluated *v) {
  arena_release(&v->arena);
  v->all.at = NULL, v->all.n = v->all.cap = 0;
}

static const char *files_of(Arena *a, dg_session *s, const Pass *ps) {
  Sb text;
  sb_init(&text, a);
  for (uint32_t i = 0; i < ps->feed.n; i++)
    sb_fmt(&text, "%s" STRF " = " STRF, i ? ", " : "", STRA(names_str(s->prog.names, ps->feed.at[i]->input)),
           STRA(ps->feed.at[i]->source.name));
  sb_char(&text, 0);
  return text.p;
}

static void evaluated_add(dg_session *s, const Evaluation *e) {
  static const char *const kind[] = {"train", "test", ""};
  const Program *p = &s->prog;
  Arena *a = &s->evaluated.arena;
  dg_evaluated v = {
      .size = sizeof v,
      .set = kind[e->kind],
      .dataset = e->dataset < 0 ? "" : names_str(p->names, p->dataset.at[e->dataset].name).p,
      .step = e->one_of_many && e->train >= 0 ? names_str(p->names, p->train.at[e->train].name).p : "",
      .rows = e->pass.order.rows,
      .files = files_of(a, s, &e->pass),
      .values = (int)e->means.n};
  const char **name = ARENA_ARRAY(a, const char *, e->means.n);
  double *value = ARENA_ARRAY(a, double, e->means.n);
  for (uint32_t i = 0; i < e->means.n; i++) {
    name[i] = value_name(s, a, e->train, e->one_of_many, e->means.at[i].name);
    value[i] = means_of(&e->means, e->means.at[i].name);
  }
  v.value_name = name, v.value = value;
  VEC_PUSH(a, &s->evaluated.all, v);
}

int dg_evaluated_count(const dg_session *s) { return s ? (int)s->evaluated.all.n : 0; }

const dg_evaluated *dg_evaluated_at(const dg_session *s, int i) {
  return s && i >= 0 && (uint32_t)i < s->evaluated.all.n ? &s->evaluated.all.at[i] : NULL;
}

/* ---- evaluation and prediction over a set ---- */

typedef struct SetCall {
  dg_session *s;
  const char *set;
  int64_t batch;
  SetKind kind;
  int64_t dataset; /* by its name */
} SetCall;

/* NULL, "train", "test", or the name of a dataset. */
static dg_status find_set(SetCall *c) {
  const Program *p = &c->s->prog;
  c->kind = c->set && !strcmp(c->set, "train") ? SET_TRAIN : SET_TEST;
  c->dataset = NO_DATASET;
  if (!c->set || !strcmp(c->set, "train") || !strcmp(c->set, "test")) return DG_OK;
  c->kind = SET_COUNT;
  for (uint32_t i = 0; i < p->dataset.n; i++)
    if (str_eq(names_str(p->names, p->dataset.at[i].name), str_z(c->set))) return c->dataset = i, DG_OK;
  return api_fail(c->s->cx, ST_USAGE, "no data set '%.40s': train, test%s", c->set,
                  p->dataset.n ? ", or a dataset of the program" : "");
}

static bool reads_inputs(const dg_session *s, const Entry *e) {
  for (uint32_t i = 0; i < s->prog.leaf.n; i++)
    if (s->prog.leaf.at[i].kind == LEAF_INPUT && entry_reads(e, (LeafId){i})) return true;
  return false;
}

/* The sets that are meant. Without a name: test data where there are some, else training data. */
static dg_status choose_sets(SetCall *c, const Entry *e, Evaluations *out) {
  dg_session *s = c->s;
  dg_status st = find_set(c);
  if (st != DG_OK) return st;
  *out = (Evaluations){0};
  if (c->kind == SET_COUNT) {
    out->at = ARENA_NEW(&s->work, Evaluation);
    add_set(out, SET_COUNT, c->dataset, -1);
    return DG_OK;
  }
  list_sets(s, c->kind, out);
  bool named = out->n && (out->at[0].dataset >= 0 || s->set[c->kind].feed.n);
  if (c->set && !named && e && reads_inputs(s, e))
    return api_fail(s->cx, ST_USAGE, "the set '%s' has no data: name a dataset in the program, or give files",
                    c->set);
  if (!out->n) c->kind = SET_TRAIN, list_sets(s, SET_TRAIN, out);
  return DG_OK;
}

static dg_status evaluate_in(void *arg) {
  SetCall *c = arg;
  dg_session *s = c->s;
  Evaluations all;
  evaluated_clear(&s->evaluated);
  dg_status st = choose_sets(c, program_entry(s->p, STR("eval")), &all);
  if (st == DG_OK) st = open_sets(s, c->batch, &all);
  for (uint32_t i = 0; st == DG_OK && i < all.n; i++)
    if ((st = evaluation_run(s, &all.at[i])) == DG_OK) evaluated_add(s, &all.at[i]);
  for (uint32_t i = all.n; st == DG_OK && i-- > 0;) { /* the first set's are those without a step's name */
    const Means *m = &all.at[i].means;
    for (uint32_t k = 0; k < m->n; k++) {
      double v = means_of(m, m->at[k].name);
      const char *full = value_name(s, &s->work, all.at[i].train, all.n > 1, m->at[k].name);
      session_scalar_put(s, names_str(s->prog.names, m->at[k].name), v);
      session_scalar_put(s, str_z(full), v);
    }
  }
  return st;
}

/* What a call needs while it runs is given back behind it. */
static dg_status with_work(dg_session *s, ApiFn *fn, void *arg) {
  dg_status alive = session_alive(s); /* inside a step nothing that it reads may change */
  if (alive != DG_OK) return alive;
  ArenaMark mark = arena_mark(&s->work);
  dg_status st = session_guard(s, fn, arg);
  session_unfeed(s);
  arena_rewind(&s->work, mark);
  return st;
}

dg_status dg_evaluate_set(dg_session *s, const char *set, int64_t batch) {
  if (!s) return DG_USAGE;
  if (batch < 0) return api_fail(s->cx, ST_USAGE, "dg_evaluate_set: batch is below 0");
  return with_work(s, evaluate_in, &(SetCall){.s = s, .set = set, .batch = batch});
}

/* The first of the sets that has all that the outputs read. */
static dg_status predict_set_in(void *arg) {
  SetCall *c = arg;
  dg_session *s = c->s;
  const Entry *e = program_entry(s->p, STR("predict"));
  if (!e || !e->graph->root.n) return api_fail(s->cx, ST_USAGE, "the program has no output");
  Evaluations all;
  evaluated_clear(&s->evaluated);
  dg_status st = choose_sets(c, NULL, &all);
  arena_release(&s->predicted);
  for (uint32_t i = 0; st == DG_OK && i < all.n; i++)
    st = set_open(s, &s->predicted, all.at[i].kind, all.at[i].dataset, &all.at[i].data);
  if (st != DG_OK) return st;
  uint32_t best = 0;
  for (uint32_t i = all.n; i-- > 0;) {
    bool has = true;
    for (uint32_t k = 0; k < s->prog.leaf.n; k++)
      has &=
          s->prog.leaf.at[k].kind != LEAF_INPUT || !entry_reads(e, (LeafId){k}) || fed(s, &all.at[i].data, k);
    if (has) best = i;
  }
  Evaluation *v = &all.at[best];
  int64_t rows;
  v->one_of_many = all.n > 1;
  st = pass_begin(s, &s->predicted, &v->data, &e, 1, (PassHow){0, LAST_ROWS_KEEP, false}, &v->pass);
  if (st == DG_OK) pass_epoch(&v->pass, 1);
  if (st == DG_OK) st = pass_batch(&v->pass, 0, &rows);
  if (st == DG_OK) st = session_run(s, e, NULL);
  if (st == DG_OK) evaluated_add(s, v);
  return st;
}

dg_status dg_predict_set(dg_session *s, const char *set) {
  if (!s) return DG_USAGE;
  return with_work(s, predict_set_in, &(SetCall){.s = s, .set = set});
}
