/* The settings of train blocks, and the data that they name. */
#include "api/train.h"

#include <math.h>

const Setting *step_setting(const Program *p, uint32_t train, Str name) {
  const TrainStep *t = &p->train.at[train];
  for (uint32_t i = 0; i < t->setting.n; i++)
    if (str_eq(names_str(p->names, t->setting.at[i].name), name)) return &t->setting.at[i];
  return NULL;
}

const Setting *step_shared(const Program *p, uint32_t train, Str name) {
  const Setting *own = step_setting(p, train, name);
  return own ? own : step_setting(p, 0, name);
}

/* Rows are needed by all: where the first step names none, they are those of the next that does. */
static const Setting *step_data(const Program *p, uint32_t train) {
  const Setting *own = step_setting(p, train, STR("data"));
  for (uint32_t i = 0; !own && i < p->train.n; i++) own = step_setting(p, i, STR("data"));
  return own;
}

const Setting *step_names(const Program *p, uint32_t train, SetKind kind) {
  return kind == SET_TEST ? step_setting(p, train, STR("validate")) : step_data(p, train);
}

int64_t setting_whole(const Setting *s, int64_t otherwise) {
  return s && isfinite(s->number) && s->number >= 1 ? (int64_t)s->number : otherwise;
}

static int64_t dataset_named(const Program *p, Str name) {
  for (uint32_t i = 0; i < p->dataset.n; i++)
    if (str_eq(names_str(p->names, p->dataset.at[i].name), name)) return i;
  return NO_DATASET;
}

int64_t step_dataset(const dg_session *s, uint32_t train, SetKind kind) {
  const Program *p = &s->prog;
  const Setting *t = step_names(p, train, kind);
  int64_t d = t ? dataset_named(p, t->text) : NO_DATASET;
  for (uint32_t i = 0; d >= 0 && i < p->dataset.at[d].field.n; i++)
    if (!set_find(&s->set[kind], p->dataset.at[d].field.at[i].input)) return d;
  return NO_DATASET;
}

dg_status set_open(dg_session *s, Arena *a, SetKind kind, int64_t dataset, DataSet *out) {
  const Program *p = &s->prog;
  *out = (DataSet){0};
  for (uint32_t i = 0; kind != SET_COUNT && i < s->set[kind].feed.n; i++)
    VEC_PUSH(a, &out->feed, s->set[kind].feed.at[i]);
  for (uint32_t i = 0; dataset >= 0 && i < p->dataset.at[dataset].field.n; i++) {
    const DataField *f = &p->dataset.at[dataset].field.at[i];
    if (set_find(out, f->input)) continue; /* given by the host */
    DataSet *opened = &s->dataset[dataset];
    dg_status st = set_find(opened, f->input) ? DG_OK : set_open_field(s, opened, f);
    if (st != DG_OK) return st;
    VEC_PUSH(a, &out->feed, set_find(opened, f->input));
  }
  return DG_OK;
}
