/* Steps, predictions, and reading what they left. */
#include "api/session.h"
#include "base/size.h"
#include "ir/scalar/scalar.h"

#include <math.h>
#include <stdio.h>

typedef struct RunCall {
  dg_session *s;
  const char *name;
  double *value;
  dg_array *array;
  const dg_array *from;
} RunCall;

/* The `after` block of this entry is due when the step has run `count` times. */
static bool after_due(const Entry *after, const Entry *e, int32_t count) {
  if (after->kind != ENTRY_AFTER || after->train != e->train) return false;
  return after->every <= 1 || count % after->every == 0;
}

/* They belong to the step: compiled before it, and not cancelled behind it. */
static dg_status afters(dg_session *s, const Entry *e, bool run) {
  const Program *p = &s->prog;
  dg_status st = DG_OK;
  for (uint32_t i = 0; i < p->entry.n && st == DG_OK; i++) {
    Variant *v;
    if (!after_due(&p->entry.at[i], e, s->counter[e->train] + !run)) continue;
    s->settled = run;
    st = run ? session_run(s, &p->entry.at[i], NULL) : session_variant(s, &p->entry.at[i], &v);
    s->settled = false;
  }
  return st;
}

int64_t session_gathered(const dg_session *s, uint32_t train) {
  const TrainStep *t = &s->prog.train.at[train];
  int32_t n = 0;
  if (t->accumulate > 1 && t->gathered.i != UINT32_MAX) memcpy(&n, s->leaf[t->gathered.i], sizeof n);
  return n < 0 || n >= t->accumulate ? 0 : n; /* anybody may have written it */
}

/* NULL: this batch is the last of its group. */
static const Entry *gathers(const dg_session *s, const Entry *e) {
  const TrainStep *t = &s->prog.train.at[e->train];
  bool more = train_gathers(t) && session_gathered(s, e->train) + 1 < t->accumulate;
  return more ? &s->prog.entry.at[t->gather] : NULL;
}

/* The loss of the step that ran, before its new values are looked at. */
static dg_status loss_is_finite(dg_session *s, const Entry *e, int32_t step) {
  const Program *p = &s->prog;
  Sym name = p->train.at[e->train].loss_name;
  for (uint32_t i = 0; s->opt.check_finite && i < s->scalar.n; i++) {
    double loss = s->scalar.at[i].value;
    if (str_eq(s->scalar.at[i].name, names_str(p->names, name)) && !isfinite(loss))
      return api_fail(s->cx, ST_NON_FINITE, "step %d of '" STRF "': the loss '" STRF "' is %s", step,
                      STRA(names_str(p->names, e->name)), STRA(names_str(p->names, name)),
                      isnan(loss) ? "not a number" : "infinite");
  }
  return DG_OK;
}

dg_status session_step(dg_session *s, const Entry *e, Variant **ran) {
  const Program *p = &s->prog;
  const Entry *gather = gathers(s, e);
  Variant *mine;
  if (!ran) ran = &mine;
  if (s->counter[e->train] == INT32_MAX)
    return api_fail(s->cx, ST_LIMIT, "step '" STRF "' has run %d times, the most that are counted",
                    STRA(names_str(p->names, e->name)), INT32_MAX);
  dg_status st = afters(s, e, false);
  if (st == DG_OK && gather)
    st = session_variant(s, e, ran); /* what the group ends with is there from its start */
  if (st == DG_OK) st = session_run(s, gather ? gather : e, ran);
  if (st != DG_OK) return st;
  s->counter[e->train] += !gather;
  st = loss_is_finite(s, e, s->counter[e->train] + (gather != NULL));
  if (st != DG_OK || gather) return st;
  if ((st = afters(s, e, true)) != DG_OK) return st;
  return s->opt.check_finite ? session_look(s, e->train, *ran) : DG_OK;
}

dg_status session_no_step(dg_session *s, const char *name) {
  const Program *p = &s->prog;
  char all[256] = "";
  size_t at = 0;
  for (uint32_t i = 0; i < p->train.n && at < sizeof all; i++)
    at += (size_t)snprintf(all + at, sizeof all - at, "%s" STRF, at ? ", " : ": it has ",
                           STRA(names_str(p->names, p->train.at[i].name)));
  return p->train.n
             ? api_fail(s->cx, ST_USAGE, "the program has no train step '%.60s'%s", name ? name : "", all)
             : api_fail(s->cx, ST_USAGE, "the program has no train block");
}

static dg_status step_in(void *arg) {
  RunCall *c = arg;
  const Entry *e = c->name ? program_step(c->s->p, str_z(c->name)) : NULL;
  if (!e) return session_no_step(c->s, c->name);
  session_pass_begins(c->s, e);
  return session_step(c->s, e, NULL);
}

dg_status dg_step(dg_session *s, const char *name) {
  RunCall c = {.s = s, .name = name};
  return session_guard(s, step_in, &c);
}

static dg_status entry_in(void *arg) {
  RunCall *c = arg;
  const Entry *e = program_entry(c->s->p, str_z(c->name));
  if (!e) return api_fail(c->s->cx, ST_USAGE, "the program has nothing to %s", c->name);
  session_pass_begins(c->s, e);
  return session_run(c->s, e, NULL);
}

dg_status dg_predict(dg_session *s) {
  RunCall c = {.s = s, .name = "predict"};
  return session_guard(s, entry_in, &c);
}

dg_status dg_evaluate(dg_session *s) {
  RunCall c = {.s = s, .name = "eval"};
  return session_guard(s, entry_in, &c);
}

dg_status dg_value(dg_session *s, const char *name, double *out) {
  if (!s || session_alive(s) != DG_OK) return DG_USAGE;
  if (!name || !out)
    return api_fail(s->cx, ST_USAGE, "dg_value: a name and a place for the value are needed");
  for (uint32_t i = 0; i < s->scalar.n; i++)
    if (str_eq(s->scalar.at[i].name, str_z(name))) {
      *out = s->scalar.at[i].value;
      return DG_OK;
    }
  return api_fail(s->cx, ST_USAGE, "no step or evaluation has given '%.60s' a value", name);
}

/* Storage of a parameter or state by path; NULL when there is none. */
static Tensor *stored(dg_session *s, const char *path) {
  LeafId id;
  if (!program_find_leaf(&s->prog, str_z(path), &id)) return NULL;
  LeafKind k = program_leaf_at(&s->prog, id)->kind;
  return k == LEAF_PARAM || k == LEAF_STATE ? &s->leaf_tensor[id.i] : NULL;
}

dg_status dg_read(dg_session *s, const char *name, dg_array *out) {
  if (!s || session_alive(s) != DG_OK) return DG_USAGE;
  if (!name || !out) return api_fail(s->cx, ST_USAGE, "dg_read: a name and a place for the array are needed");
  if (s->last) {
    const Graph *g = s->last->runner->code->graph;
    for (uint32_t i = 0; i < g->root.n; i++)
      if (g->root.at[i].kind == ROOT_OUTPUT &&
          str_eq(names_str(s->prog.names, g->root.at[i].name), str_z(name))) {
        *out = session_array(&s->last->runner->value[i]);
        return DG_OK;
      }
  }
  const Tensor *t = stored(s, name);
  if (!t)
    return api_fail(s->cx, ST_USAGE,
                    "'%.60s' is no parameter, no state, and no output of the last prediction", name);
  session_one_nan(t);
  *out = session_array(t);
  return DG_OK;
}

/* "f32[2, 3]" */
static const char *array_text(const dg_array *a, char *z, size_t n) {
  static const char *const name[] = {
      [DG_F32] = "f32",   [DG_F64] = "f64", [DG_I32] = "i32",  [DG_I64] = "i64",
      [DG_BOOL] = "bool", [DG_U8] = "u8",   [DG_BF16] = "bf16"};
  size_t at = (size_t)snprintf(z, n, "%s", (unsigned)a->dtype <= DG_BF16 ? name[a->dtype] : "no dg_dtype");
  for (int i = 0; i < a->rank && i < MAX_RANK && at < n; i++)
    at += (size_t)snprintf(z + at, n - at, "%s%lld", i ? ", " : "[", (long long)a->extent[i]);
  if (a->rank > 0 && at < n) snprintf(z + at, n - at, "]");
  return z;
}

dg_status dg_write(dg_session *s, const char *path, const dg_array *a) {
  if (!s || session_alive(s) != DG_OK) return DG_USAGE;
  if (!path || !a || !a->data)
    return api_fail(s->cx, ST_USAGE, "dg_write: a path, an array and its data are needed");
  Tensor *t = stored(s, path);
  if (!t) return api_fail(s->cx, ST_USAGE, "'%.60s' is no parameter and no state", path);
  dg_array have = session_array(t);
  bool same = have.dtype == a->dtype && have.rank == a->rank;
  for (int i = 0; same && i < have.rank; i++) same = have.extent[i] == a->extent[i];
  if (!same) {
    char is[200], given[200];
    return api_fail(s->cx, ST_REJECTED, "'%.60s' is %s, the array %s", path, array_text(&have, is, sizeof is),
                    array_text(a, given, sizeof given));
  }
  LeafId id;
  if (!program_find_leaf(&s->prog, str_z(path), &id)) return DG_INTERNAL;
  Strides strides;
  dg_status st;
  if (session_strides(s, path, a, dtype_bytes(t->dtype), &strides, &st))
    strides_pack(t->data, a->data, &strides, dtype_bytes(t->dtype));
  else if (st == DG_OK)
    memcpy(t->data, a->data, s->leaf_bytes[id.i]);
  else
    return st;
  fp_flush(t->dtype, t->data, t->count);
  session_finite_begin(s, id.i);
  return DG_OK;
}
