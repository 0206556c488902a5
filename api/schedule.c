/* The train blocks' settings and the call's options become turns (who runs when) and lanes (over which rows).
 */
#include "api/schedule.h"

#include <stdio.h>

static int64_t times(int64_t a, int64_t b) {
  int64_t p;
  return __builtin_mul_overflow(a, b, &p) ? INT64_MAX : p;
}

static int64_t plus(int64_t a, int64_t b) { return a > INT64_MAX - b ? INT64_MAX : a + b; }

int64_t schedule_done(const Schedule *c) { return plus(times(c->s->epoch, c->batches), c->s->batch); }

static PassHow how_of(const Program *p, uint32_t train, const dg_train_options *o) {
  const Setting *last = step_shared(p, train, STR("last")), *shuffle = step_shared(p, train, STR("shuffle"));
  int64_t batch = setting_whole(step_shared(p, train, STR("batch")), 0);
  return (PassHow){.batch = o->batch ? o->batch : batch,
                   .last = last && str_eq(last->text, STR("pad")) ? LAST_ROWS_PAD : LAST_ROWS_DROP,
                   .shuffle = !shuffle || shuffle->number != 0};
}

/* The lane of a step: that of another with the same rows in the same order, or a new one. */
static uint32_t lane_for(Schedule *c, uint32_t train, int64_t every, const dg_train_options *o) {
  int64_t dataset = step_dataset(c->s, train, SET_TRAIN);
  PassHow how = how_of(&c->s->prog, train, o);
  int64_t accumulate = c->s->prog.train.at[train].accumulate;
  uint32_t i = 0;
  if (accumulate < 1) accumulate = 1;
  for (; i < c->lanes; i++) {
    const Lane *l = &c->lane[i];
    if (l->dataset == dataset && l->how.batch == how.batch && l->how.last == how.last &&
        l->how.shuffle == how.shuffle && l->accumulate == accumulate && (!i || l->every == every))
      return i;
  }
  c->lane[c->lanes++] = (Lane){
      .dataset = dataset, .how = how, .every = i ? every : 0, .accumulate = accumulate, .train = train};
  return i;
}

static dg_status choose(Schedule *c, const dg_train_options *o) {
  const Program *p = &c->s->prog;
  c->turn = ARENA_ARRAY(&c->s->work, Turn, p->train.n + 1);
  c->lane = ARENA_ARRAY(&c->s->work, Lane, p->train.n + 1);
  for (uint32_t i = 0; i < p->train.n; i++) {
    const TrainStep *t = &p->train.at[i];
    if (o->step && !str_eq(names_str(p->names, t->name), str_z(o->step))) continue;
    int64_t every = setting_whole(step_setting(p, i, STR("every")), 1);
    c->turn[c->turns++] = (Turn){i, lane_for(c, i, every, o), &p->entry.at[t->entry], every, 0};
  }
  return c->turns ? DG_OK : session_no_step(c->s, o->step);
}

static dg_status open_lanes(Schedule *c) {
  dg_session *s = c->s;
  const Entry **entry = ARENA_ARRAY(&s->work, const Entry *, c->turns);
  for (uint32_t i = 0; i < c->lanes; i++) {
    Lane *l = &c->lane[i];
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->turns; k++)
      if (c->turn[k].lane == i) entry[n++] = c->turn[k].entry;
    dg_status st = set_open(s, &s->work, SET_TRAIN, l->dataset, &l->data);
    if (st == DG_OK) st = pass_begin(s, &s->work, &l->data, entry, n, l->how, &l->pass);
    if (st != DG_OK) return st;
    l->means = means_new(s);
  }
  c->batches = pass_batches(&c->lane[0].pass);
  return DG_OK;
}

static int64_t up(int64_t a, int64_t by) { return a / by + (a % by != 0); }

/* Batches of the first lane that a step runs for by its own settings; 0: until the others end. */
static int64_t own_batches(const Schedule *c, const Turn *t) {
  const Program *p = &c->s->prog;
  int64_t steps = setting_whole(step_setting(p, t->train, STR("steps")), 0),
          epochs = setting_whole(step_setting(p, t->train, STR("epochs")), 0);
  const Lane *l = &c->lane[t->lane];
  int64_t each = c->lane[0].accumulate, own = times(epochs, pass_batches(&l->pass));
  int64_t of_epochs = l->every ? times(times(up(own, l->accumulate), l->every), each) : own;
  steps = times(steps, each);
  return !epochs || (steps && steps < of_epochs) ? steps : of_epochs;
}

static void note_instead(Sb *b, const Schedule *c, const char *option, int64_t value, const char *setting) {
  const Program *p = &c->s->prog;
  for (uint32_t i = 0; i < c->turns; i++) {
    const Setting *own = step_setting(p, c->turn[i].train, str_z(setting));
    int64_t was = setting_whole(own, 0);
    if (!own || (!strcmp(option, setting) && was == value)) continue;
    sb_fmt(b, "%s%s = %lld instead of '%s = %lld' of '" STRF "'", b->n ? "; " : "", option, (long long)value,
           setting, (long long)was, STRA(names_str(p->names, p->train.at[c->turn[i].train].name)));
  }
}

/* When each step ends, and all of them. Batches done before count, as epochs do: a run that is resumed ends
 * where it would have ended. The call's options win over the blocks' settings, and it is said of which. */
static void set_ends(Schedule *c, const dg_train_options *o) {
  int64_t asked = o->epochs ? times(o->epochs, c->batches) : 0;
  if (o->steps) {
    int64_t each = c->lane[0].accumulate, last = times(plus(schedule_done(c) / each, o->steps), each);
    asked = asked && asked < last ? asked : last;
  }
  for (uint32_t i = 0; i < c->turns; i++) {
    c->turn[i].until = asked ? asked : own_batches(c, &c->turn[i]);
    if (c->turn[i].until > c->until) c->until = c->turn[i].until;
  }
  if (!c->until) c->until = c->batches;
  for (uint32_t i = 0; i < c->turns; i++) {
    Turn *t = &c->turn[i];
    if (!t->until) t->until = c->until;
    t->until = up(t->until, c->lane[0].accumulate);
  }
  c->epochs = c->until / c->batches + (c->until % c->batches != 0);
  Sb said;
  sb_init(&said, &c->s->work);
  if (o->epochs) note_instead(&said, c, "epochs", o->epochs, "epochs");
  if (o->epochs) note_instead(&said, c, "epochs", o->epochs, "steps");
  if (o->steps && !o->epochs) note_instead(&said, c, "steps", o->steps, "epochs");
  if (o->steps) note_instead(&said, c, "steps", o->steps, "steps");
  if (o->batch) note_instead(&said, c, "batch", o->batch, "batch");
  sb_char(&said, 0);
  c->instead = said.p;
}

dg_status schedule_new(dg_session *s, const dg_train_options *o, Schedule *out) {
  *out = (Schedule){.s = s};
  dg_status st = choose(out, o);
  if (st == DG_OK) st = open_lanes(out);
  if (st != DG_OK) return st;
  if (s->batch >= out->batches)
    return api_fail(s->cx, ST_REJECTED,
                    "the checkpoint stands behind batch %lld of an epoch, and an epoch has %lld here: to go "
                    "on, give the data and the batch it was trained with",
                    (long long)s->batch, (long long)out->batches);
  set_ends(out, o);
  return DG_OK;
}

int64_t schedule_takes(const Schedule *c, const Turn *t, int64_t batch, int64_t *first) {
  const Lane *l = &c->lane[t->lane];
  int64_t round = schedule_round(c, batch);
  if (!turn_due(t, round)) return 0;
  if (!l->every) return *first = batch, 1;
  *first = (round / l->every - 1) * l->accumulate + 1;
  return schedule_ends(c, batch) ? l->accumulate : 0; /* a group at once */
}

dg_status schedule_bind(Schedule *c, const Turn *t, int64_t at, int64_t *rows) {
  Lane *l = &c->lane[t->lane];
  if (c->lanes > 1) session_unfeed(c->s); /* another lane may have fed what this one does not read */
  dg_status st = DG_OK;
  if (l->staged == at) {
    st = pass_rebind(&l->pass);
  } else {
    int64_t batches = pass_batches(&l->pass), epoch = (at - 1) / batches + 1;
    if (epoch != l->epoch) pass_epoch(&l->pass, (uint32_t)epoch);
    l->epoch = epoch;
    st = pass_batch(&l->pass, (at - 1) % batches, &l->rows);
    l->staged = at;
  }
  *rows = l->rows;
  return st;
}
