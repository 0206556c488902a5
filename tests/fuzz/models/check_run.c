/* Through the library's interface, as a host does it: what the interpreter and native code make of initial
 * values, rounds of all train steps, evaluation and prediction is the same to the bit. */
#include "check.h"
#include "runtime/core/cpu.h"

#include <stdlib.h>

bool host_open(const Case *c, const Loaded *l, const char *path, Host *h, Fault *f) {
  static dg_host_fn *const fn[2] = {host_half, host_mix};
  memset(h, 0, sizeof *h);
  h->cx = dg_context_new();
  for (int i = 0; i < 2; i++)
    if (dg_register(h->cx, host_name[i], fn[i], NULL) != DG_OK)
      return finding(f, "register", "%s", dg_error(h->cx));
  dg_status st = path ? dg_check_file(h->cx, path, &h->p)
                      : dg_check_source(h->cx, "model.dg", c->text, strlen(c->text), &h->p);
  if (st != DG_OK) return finding(f, "rejected", "%s", h->p ? dg_diagnostics_text(h->p, 0) : dg_error(h->cx));
  for (int i = 0; i < dg_name_count(h->p, DG_INPUT) && h->inputs < 32; i++) {
    const char *name = dg_name_at(h->p, DG_INPUT, i);
    LeafId id;
    if (!program_find_leaf(&l->p, str_z(name), &id)) return finding(f, "bind", "no input '%s'", name);
    const Leaf *leaf = program_leaf_at(&l->p, id);
    Type t = load_type(l, &leaf->type);
    dg_array *a = &h->array[h->inputs];
    a->dtype = host_dtype((DType)t.dtype), a->rank = t.rank;
    for (int k = 0; k < t.rank; k++)
      if (!dim_is_const(l->p.dims, t.dim[k], &a->extent[k]))
        return finding(f, "bind", "a dim without a value");
    h->name[h->inputs] = name;
    a->data = calloc(array_count(a) + 1, 8);
    value_fill(c, leaf, &l->names, (DType)t.dtype, array_count(a), false, a->data);
    h->inputs++;
  }
  return true;
}

void host_close(Host *h) {
  dg_program_free(h->p);
  dg_context_free(h->cx);
  for (int i = 0; i < h->inputs; i++) free(h->array[i].data);
}

dg_session *host_session(const Case *c, const Host *h, const Config *k, Fault *f) {
  dg_session_options o;
  dg_session_options_init(&o, sizeof o);
  o.seed = (uint32_t)c->data, o.interpret = k->interpret, o.threads = k->threads, o.level = k->level,
  o.isa = k->isa, o.check_finite = 0;
  dg_session *s;
  if (dg_session_new(h->p, &o, &s) != DG_OK) return finding(f, "session", "%s", dg_error(h->cx)), NULL;
  for (int i = 0; i < h->inputs; i++)
    if (dg_bind(s, h->name[i], &h->array[i]) != DG_OK) {
      finding(f, "bind", "%s", dg_error(h->cx));
      dg_session_free(s);
      return NULL;
    }
  return s;
}

/* All names of a kind. */
bool host_same(const Host *h, dg_session *a, dg_session *b, dg_kind kind, const char *when, Fault *f) {
  for (int i = 0; i < dg_name_count(h->p, kind); i++) {
    const char *name = dg_name_at(h->p, kind, i);
    double v, w;
    dg_array x = {.dtype = DG_F64, .rank = 0, .extent = {0}, .data = &v},
             y = {.dtype = DG_F64, .rank = 0, .extent = {0}, .data = &w};
    if (kind == DG_LOSS || kind == DG_METRIC) {
      if (dg_value(a, name, &v) != DG_OK || dg_value(b, name, &w) != DG_OK) continue; /* not of this entry */
    } else if (dg_read(a, name, &x) != DG_OK || dg_read(b, name, &y) != DG_OK)
      return finding(f, "read", "'%s' %s: %s", name, when, dg_error(h->cx));
    if (!same_bits(&x, &y)) return finding(f, "native", "'%s' %s differs", name, when);
  }
  return true;
}

/* ---- what a session computes, written down ---- */

typedef struct Mark { /* where an array begins */
  size_t from;
  char label[80];
} Mark;
typedef struct Trace {
  FILE *to;
  char *text;
  size_t n, written;
  Mark *mark;
  int marks;
} Trace;

/* One array, NaN as one value. */
static void put(Trace *t, const char *name, const char *when, const dg_array *a) {
  static const size_t bytes[] = {
      [DG_F32] = 4, [DG_F64] = 8, [DG_I32] = 4, [DG_I64] = 8, [DG_BOOL] = 4, [DG_U8] = 1, [DG_BF16] = 2};
  size_t n = array_count(a), w = bytes[a->dtype];
  if (t->marks % 64 == 0) t->mark = realloc(t->mark, sizeof *t->mark * (size_t)(t->marks + 64));
  Mark *mark = &t->mark[t->marks++];
  mark->from = t->written, t->written += n * w;
  snprintf(mark->label, sizeof mark->label, "'%s' %s", name, when);
  for (size_t i = 0; i < n; i++) {
    double d = a->dtype == DG_F64   ? ((const double *)a->data)[i]
               : a->dtype == DG_F32 ? (double)((const float *)a->data)[i]
                                    : 0;
    if (d != d)
      fwrite("\xff\xff\xff\xff\xff\xff\xff\xff", w, 1, t->to);
    else
      fwrite((const char *)a->data + i * w, w, 1, t->to);
  }
}

static bool put_kind(const Host *h, dg_session *s, Trace *t, dg_kind kind, const char *when, Fault *f) {
  for (int i = 0; i < dg_name_count(h->p, kind); i++) {
    const char *name = dg_name_at(h->p, kind, i);
    double v;
    dg_array x = {.dtype = DG_F64, .rank = 0, .extent = {0}, .data = &v};
    if (kind == DG_LOSS || kind == DG_METRIC) {
      if (dg_value(s, name, &v) != DG_OK) continue; /* not of this entry */
    } else if (dg_read(s, name, &x) != DG_OK)
      return finding(f, "read", "'%s' %s: %s", name, when, dg_error(h->cx));
    put(t, name, when, &x);
  }
  return true;
}

static bool kept(const Host *h, dg_session *s, Trace *t, const char *when, Fault *f) {
  return put_kind(h, s, t, DG_PARAM, when, f) && put_kind(h, s, t, DG_STATE, when, f);
}

static bool runs(const Host *h, dg_status st, const char *what, Fault *f) {
  return st == DG_OK || finding(f, "run", "%s: status %d: %s", what, st, dg_error(h->cx));
}

/* Initial values, rounds of all train steps, evaluation, prediction. */
static bool play(const Host *h, dg_session *s, Trace *t, int rounds, Fault *f) {
  char when[64];
  if (!kept(h, s, t, "at first", f)) return false;
  for (int round = 1; round <= rounds; round++)
    for (int i = 0; i < dg_name_count(h->p, DG_STEP); i++) {
      const char *name = dg_name_at(h->p, DG_STEP, i);
      snprintf(when, sizeof when, "after step %s, round %d", name, round);
      if (!runs(h, dg_step(s, name), when, f) || !put_kind(h, s, t, DG_LOSS, when, f) ||
          !kept(h, s, t, when, f))
        return false;
    }
  return runs(h, dg_evaluate(s), "evaluate", f) && put_kind(h, s, t, DG_LOSS, "of eval", f) &&
         put_kind(h, s, t, DG_METRIC, "of eval", f) && runs(h, dg_predict(s), "predict", f) &&
         put_kind(h, s, t, DG_OUTPUT, "of predict", f);
}

/* A parameter that the diagnosis calls idle is what it was. */
static bool idle_stays(const Host *h, dg_session *first, dg_session *trained, Fault *f) {
  for (int i = 0; i < dg_diagnostic_count(h->p); i++) {
    const dg_diagnostic *d = dg_diagnostic_at(h->p, i);
    if (strcmp(d->code, "DG0305") != 0) continue;
    for (int k = 0; k < d->subjects; k++) {
      dg_array x, y;
      if (dg_read(first, d->subject[k], &x) != DG_OK || dg_read(trained, d->subject[k], &y) != DG_OK)
        continue;
      if (!same_bits(&x, &y))
        return finding(f, "verdict", "'%s' is called idle and has changed", d->subject[k]);
    }
  }
  return true;
}

static bool trace(const Case *c, const Host *h, const Config *k, int rounds, Trace *t, Fault *f) {
  dg_session *s = host_session(c, h, k, f);
  t->to = open_memstream(&t->text, &t->n);
  bool good = s && t->to && play(h, s, t, rounds, f);
  if (t->to) fclose(t->to);
  if (good && k->interpret && !c->specials) {
    dg_session *first = host_session(c, h, k, f);
    good = first && idle_stays(h, first, s, f);
    dg_session_free(first);
  }
  dg_session_free(s);
  return good;
}

/* The array that holds the first byte that differs. */
static const char *differs(const Trace *a, const Trace *b) {
  size_t i = 0;
  int k = 0;
  while (i < a->n && i < b->n && a->text[i] == b->text[i]) i++;
  while (k + 1 < a->marks && a->mark[k + 1].from <= i) k++;
  return a->marks ? a->mark[k].label : "the first value";
}

static bool against(const Case *c, const Host *h, const Trace *want, int rounds, const Config *k, Fault *f) {
  Trace got = {0};
  bool good = trace(c, h, k, rounds, &got, f);
  if (good && (want->n != got.n || memcmp(want->text, got.text, got.n) != 0))
    good = finding(f, "native", "%s differs", differs(want, &got));
  if (!good) {
    size_t n = strlen(f->detail);
    snprintf(f->detail + n, sizeof f->detail - n, " (%d threads, level %d, %s)", k->threads, k->level,
             k->isa ? k->isa : "best");
  }
  free(got.text), free(got.mark);
  return good;
}

bool check_run(const Case *c, const Loaded *l, unsigned what, Fault *f) {
  static const int threads[] = {1, 2, 3, 5, 8};
  static const char *const isa[] = {"avx2", "avx512"};
  static const Config interpreter = {1, 1, -1, NULL};
  unsigned isas = cpu_level(CPU_ASK) < CPU_AVX512 ? 1 : 2;
  int rounds = c->N > 2000 ? 1 : 3;
  Host h;
  Trace want = {0};
  uint64_t pick = c->data * UINT64_C(0x9e3779b97f4a7c15) >> 20;
  bool good = host_open(c, l, NULL, &h, f) && trace(c, &h, &interpreter, rounds, &want, f);
  if (good && !(what & DO_MATRIX)) {
    Config k = {0, threads[pick % 5], (int)(pick / 5 % 4), isa[pick / 20 % 2 % isas]};
    good = against(c, &h, &want, rounds, &k, f);
  } else if (good) {
    for (unsigned i = 0; good && i < 4 * isas; i++)
      good = against(c, &h, &want, rounds, &(Config){0, threads[(pick + i) % 5], (int)i % 4, isa[i / 4]}, f);
    for (unsigned i = 0; good && i < 5; i++)
      good = against(c, &h, &want, rounds, &(Config){0, threads[i], -1, NULL}, f);
  }
  free(want.text), free(want.mark);
  host_close(&h);
  return good;
}
